package proofs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// minFree is what a build folder must have free. On a full disk Lean before 4.33 could
// leave a truncated file and say nothing (leanprover/lean4#14204).
const minFree = 64 << 20

// attach gives the project its build folder for the time of the examination.
//
// A trusted workspace with a cache keeps .lake there, so that an unchanged module is not
// built again in the next checkout. The checkout gets a link to it. Code that is not
// trusted starts from nothing in a folder that goes with the run: it may neither write
// what others reuse nor bring its own compiled modules. Without a cache a trusted
// workspace is somebody's working tree, whose own .lake is used.
//
// detach undoes it. warning says what of the commit was set aside.
func (e *examination) attach(ctx context.Context) (detach func(), warning string, err error) {
	link := filepath.Join(e.dir, ".lake")
	switch {
	case e.ws.Trusted && e.ws.Cache == "":
		e.cache = filepath.Join(link, "holdfast")
		return func() {}, "", free(e.dir)
	case e.ws.Trusted:
		e.cache = filepath.Join(e.ws.Cache, "lean-"+digest(e.rel))
	default:
		base := e.ws.Scratch
		if base == "" {
			if base, err = os.MkdirTemp("", "holdfast-lean-*"); err != nil {
				return nil, "", err
			}
		}
		e.cache = filepath.Join(base, "lean-"+digest(e.rel))
	}
	keep := filepath.Join(e.cache, "lake")
	if err := os.MkdirAll(keep, 0o755); err != nil {
		return nil, "", fmt.Errorf("create build folder: %w", err)
	}
	if err := free(keep); err != nil {
		return nil, "", err
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, "", err
	}
	if e.ws.Trusted {
		if err := e.prune(keep); err != nil {
			unlock()
			return nil, "", fmt.Errorf("remove outputs of deleted sources: %w", err)
		}
	}
	// Compiled modules that a commit carries would pass for built ones.
	aside := ""
	if _, err := os.Lstat(link); err == nil {
		aside = filepath.Join(e.dir, ".lake-set-aside")
		if err := os.Rename(link, aside); err != nil {
			unlock()
			return nil, "", fmt.Errorf("set the .lake of the commit aside: %w", err)
		}
		warning = "the commit carries a .lake folder of its own; it was not used"
	}
	if err := os.Symlink(keep, link); err != nil {
		unlock()
		return nil, "", fmt.Errorf("link build folder: %w", err)
	}
	return func() {
		// Never a folder that a build may have put in place of the link.
		if fi, err := os.Lstat(link); err == nil && fi.Mode()&os.ModeSymlink != 0 {
			os.Remove(link)
		}
		if aside != "" {
			_ = os.Rename(aside, link) // best effort: the checkout is about to go
		}
		if !e.ws.Trusted {
			os.RemoveAll(e.cache)
		}
		unlock()
	}, warning, nil
}

// lock takes the build folder: two builds at once would undo each other's work. The lock
// goes with the process, however it ends.
func (e *examination) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(e.cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock build folder: %w", err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for said := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock build folder: %w", err)
		}
		if !said {
			said = true
			e.ws.Report(runner.StageProofs, "waiting for the build folder (another run of this repository holds it)")
		}
		done := e.ws.Measure()
		select {
		case <-ctx.Done():
			done()
			f.Close()
			return nil, context.Cause(ctx)
		case <-tick.C:
			done()
		}
	}
}

// free checks that the disk of dir has room.
func free(dir string) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	//nolint:unconvert // the types differ between systems
	if n := uint64(st.Bavail) * uint64(st.Bsize); n < minFree {
		return runner.WithHint(fmt.Errorf("%d MiB free in the build folder, want at least %d", n>>20, minFree>>20), "free some space on the disk of the state folder")
	}
	return nil
}

// libDirs are the folders that may hold the project's compiled modules, below its .lake
// or build folder; which of them exist depends on the version of Lake.
func (e *examination) libDirs() []string {
	build := filepath.Join(e.dir, filepath.FromSlash(e.project.lake.buildDir))
	if d := e.project.lake.libDir; d != "" {
		return []string{filepath.Join(build, filepath.FromSlash(d))}
	}
	return []string{filepath.Join(build, "lib", "lean"), filepath.Join(build, "lib")}
}

// prune removes outputs whose source is gone. Lake leaves them, and a module that still
// imports one would build here and nowhere else.
func (e *examination) prune(lake string) error {
	if filepath.ToSlash(e.project.lake.buildDir) != ".lake/build" {
		return nil
	}
	root := filepath.Join(lake, "build", "lib", "lean")
	if _, err := os.Stat(root); err != nil {
		root = filepath.Join(lake, "build", "lib") // before Lean 4.17
	}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		for _, ext := range outputs {
			stem, ok := strings.CutSuffix(filepath.ToSlash(rel), ext)
			if ok {
				if e.project.byKey[strings.ReplaceAll(stem, "/", ".")] == nil {
					return os.Remove(p)
				}
				break
			}
		}
		return nil
	})
	return err
}

// outputs are the endings of what is built of a module, longest first.
var outputs = []string{
	".olean.private.hash", ".olean.server.hash", ".olean.hash", ".ilean.hash", ".ir.hash",
	".olean.private", ".olean.server", ".olean", ".ilean", ".trace", ".ir", ".setup.json",
}
