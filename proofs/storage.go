package proofs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
// trusted works on a copy of that folder, which goes with the run: what trusted code
// built may be read by everybody, what a stranger's code writes by nobody, so reads flow
// down and nothing flows up. It may not bring its own compiled modules either. Without a
// cache a trusted workspace is somebody's working tree, whose own .lake is used and not
// tidied.
//
// detach undoes it. The warnings say what of the commit was set aside and what was left
// of deleted sources.
func (e *examination) attach(ctx context.Context) (detach func(), warnings []string, err error) {
	var undo []func()
	detach = func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}
	defer func() {
		if err != nil {
			detach()
			detach = nil
		}
	}()
	link := filepath.Join(e.dir, ".lake")
	if e.ws.Trusted && e.ws.Cache == "" {
		e.cache = filepath.Join(link, "holdfast")
		e.recover()
		if e.gone, err = e.stale(false); err != nil {
			return detach, nil, fmt.Errorf("look for outputs of deleted sources: %w", err)
		}
		if n := len(e.gone); n > 0 {
			warnings = append(warnings, fmt.Sprintf("%s left, which an import would still find: %s", choose(n, "a compiled module without a source is", fmt.Sprintf("%d compiled modules without a source are", n)), some(e.gone, 5)))
		}
		return detach, warnings, free(e.dir)
	}
	base := e.ws.Cache
	if !e.ws.Trusted {
		base = e.ws.Scratch
		if base == "" {
			if base, err = os.MkdirTemp("", "holdfast-lean-*"); err != nil {
				return detach, nil, err
			}
			undo = append(undo, func() { os.RemoveAll(base) })
		}
	}
	e.cache = filepath.Join(base, "lean-"+digest(e.rel))
	keep := filepath.Join(e.cache, "lake")
	if !e.ws.Trusted {
		os.RemoveAll(e.cache)
		undo = append(undo, func() { os.RemoveAll(e.cache) })
	}
	if err := os.MkdirAll(keep, 0o755); err != nil {
		return detach, nil, fmt.Errorf("create build folder: %w", err)
	}
	if err := free(keep); err != nil {
		return detach, nil, err
	}
	// Two builds at once would undo each other's work.
	unlock, err := e.flock(ctx, filepath.Join(e.cache, "lock"), syscall.LOCK_EX)
	if err != nil {
		return detach, nil, err
	}
	undo = append(undo, unlock)
	if !e.ws.Trusted && e.ws.Warm != "" {
		if w := e.warm(ctx, keep); w != "" {
			warnings = append(warnings, w)
		}
		if err := context.Cause(ctx); err != nil {
			return detach, nil, err
		}
	}
	// Compiled modules that a commit carries would pass for built ones.
	carried := []string{link}
	if !below(e.project.lake.buildDir) {
		carried = append(carried, e.libDirs()...)
		slices.Reverse(carried[1:]) // the outer one takes the inner with it
	}
	for i, dir := range carried {
		if _, err := os.Lstat(dir); err != nil {
			continue
		}
		rel, _ := filepath.Rel(e.dir, dir)
		if slices.ContainsFunc(e.project.modules, func(m *module) bool { return strings.HasPrefix(m.path, dir+string(filepath.Separator)) }) {
			return detach, nil, fmt.Errorf("%s holds sources and is where the build puts its outputs", filepath.ToSlash(rel))
		}
		aside := filepath.Join(e.dir, fmt.Sprintf(".holdfast-set-aside-%d", i))
		if err := os.Rename(dir, aside); err != nil {
			return detach, nil, fmt.Errorf("set the %s of the commit aside: %w", filepath.ToSlash(rel), err)
		}
		warnings = append(warnings, fmt.Sprintf("the commit carries a %s folder of its own; it was not used", filepath.ToSlash(rel)))
		undo = append(undo, func() {
			if dir != link { // what was built since
				os.RemoveAll(dir)
			}
			_ = os.Rename(aside, dir) // best effort: the checkout is about to go
		})
	}
	if err := os.Symlink(keep, link); err != nil {
		return detach, nil, fmt.Errorf("link build folder: %w", err)
	}
	undo = append(undo, func() {
		// Never a folder that a build may have put in place of the link.
		if fi, err := os.Lstat(link); err == nil && fi.Mode()&os.ModeSymlink != 0 {
			os.Remove(link)
		}
	})
	e.recover()
	if e.gone, err = e.stale(true); err != nil {
		return detach, nil, fmt.Errorf("remove outputs of deleted sources: %w", err)
	}
	if n := len(e.gone); n > 0 {
		warnings = append(warnings, fmt.Sprintf("%s removed: %s", choose(n, "a compiled module without a source was", fmt.Sprintf("%d compiled modules without a source were", n)), some(e.gone, 5)))
	}
	return detach, warnings, nil
}

// below reports whether a folder of the lakefile is .lake or lies in it.
func below(folder string) bool {
	folder = filepath.ToSlash(filepath.Clean(folder))
	return folder == ".lake" || strings.HasPrefix(folder, ".lake/")
}

// flock takes a lock, shared or exclusive. It goes with the process, however that ends.
func (e *examination) flock(ctx context.Context, name string, how int) (unlock func(), err error) {
	flags := os.O_CREATE | os.O_RDWR
	if how == syscall.LOCK_SH {
		flags = os.O_RDONLY // somebody else's
	}
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock build folder: %w", err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for said := false; ; {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
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
