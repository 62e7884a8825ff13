package proofs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/runner/proc"
)

// warmWait is how long code that is not trusted waits for a trusted build to end before
// it starts from nothing instead.
const warmWait = 2 * time.Minute

// warm copies the .lake of the trusted class into keep, dependencies included. Where the
// file system can, no byte is copied until it is written to (APFS, Btrfs, XFS). Listings
// and replays that were kept stay behind: nothing but Lake's own files, which Lake checks
// by content, comes along. The warning says why there is no copy, if there should be.
func (e *examination) warm(ctx context.Context, keep string) (warning string) {
	from := filepath.Join(e.ws.Warm, "lean-"+digest(e.rel))
	src := filepath.Join(from, "lake")
	if entries, err := os.ReadDir(src); err != nil || len(entries) == 0 {
		return "" // nothing was built yet
	}
	failed := func(err error) string {
		os.RemoveAll(keep)
		if err := errors.Join(err, os.MkdirAll(keep, 0o755)); err != nil {
			return "started from nothing, not from a copy of the trusted build: " + err.Error()
		}
		return ""
	}
	// A build that is at work may have written half of a file.
	inner, cancel := context.WithTimeoutCause(ctx, warmWait, fmt.Errorf("a trusted build held its folder for %s", warmWait))
	defer cancel()
	unlock, err := e.flock(inner, filepath.Join(from, "lock"), syscall.LOCK_SH)
	if err != nil {
		return failed(err)
	}
	defer unlock()
	args := []string{"/bin/cp", "-a", "--reflink=auto", src + "/.", keep}
	if runtime.GOOS == "darwin" {
		args = []string{"/bin/cp", "-c", "-R", "-p", src + "/.", keep}
	}
	exit, err := e.ws.Exec(ctx, e.log+"-copy", proc.Cmd{Args: args, Dir: e.ws.Dir})
	if err != nil || !exit.OK() {
		if ctx.Err() != nil {
			return ""
		}
		os.RemoveAll(keep)
		if err := copyFolder(ctx, keep, src); err != nil {
			return failed(err)
		}
	}
	if err := contain(keep); err != nil {
		return failed(err)
	}
	return ""
}

// contain removes what would lead out of a copied folder: through a link that trusted
// code made, a stranger's code could write to what others read. A link stays if it ends
// inside.
func contain(dir string) error {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type().IsRegular() {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			if end, err := filepath.EvalSymlinks(p); err == nil && strings.HasPrefix(end, root+string(filepath.Separator)) {
				return nil
			}
		}
		return os.Remove(p)
	})
}

// copyFolder copies folders, plain files and links, with times.
func copyFolder(ctx context.Context, dst, src string) error {
	return filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		fi, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(to, fi.Mode().Perm()|0o700)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		case d.Type().IsRegular():
			if err := copyFile(to, p, fi.Mode().Perm()); err != nil {
				return err
			}
			return os.Chtimes(to, time.Time{}, fi.ModTime())
		}
		return nil
	})
}

func copyFile(dst, src string, mode fs.FileMode) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
