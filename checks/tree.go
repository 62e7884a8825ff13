package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// maxFile is the largest file that is read. Sources are smaller by far; what is larger
// was not written by hand and is reported, not skipped.
const maxFile = 16 << 20

// tree is the checkout. Nothing outside of it is ever opened: the operating system's own
// check of each path is used (os.Root), not a comparison of names.
type tree struct {
	root  *os.Root
	files []string // regular files and links, slash-separated, sorted
	// history tells when one of some files was changed last; nil if that is not known.
	history func(names []string) (time.Time, error)
}

// openTree opens a checkout and lists its files, those in folders whose name begins with
// a dot left out.
func openTree(ctx context.Context, dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open checkout: %w", err)
	}
	t := &tree{root: root}
	if err := t.list(ctx, false); err != nil {
		root.Close()
		return nil, err
	}
	return t, nil
}

// list fills files. hidden says whether folders whose name begins with a dot are wanted:
// build tools keep tens of thousands of files there. .git is never listed, and folders
// that are symbolic links are not entered.
func (t *tree) list(ctx context.Context, hidden bool) error {
	t.files = nil
	err := fs.WalkDir(t.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("list checkout: %w", err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		dot := p != "." && strings.HasPrefix(d.Name(), ".")
		switch {
		case d.IsDir() && dot && (!hidden || d.Name() == ".git"):
			return fs.SkipDir
		case !d.IsDir() && p != ".git":
			t.files = append(t.files, p)
		}
		return nil
	})
	slices.Sort(t.files)
	return err
}

// read returns the bytes of a regular file. Symbolic links are followed as long as they
// stay inside the checkout.
func (t *tree) read(name string, limit int64) ([]byte, error) { return t.readInto(nil, name, limit) }

// readInto is read into the memory of src if that is large enough.
func (t *tree) readInto(src []byte, name string, limit int64) ([]byte, error) {
	return t.readIn(nil, src, name, limit)
}

// folder is a folder of the checkout that is kept open: os.Root opens every folder on the
// way to a file, and most files are in the folder of the one before.
type folder struct {
	name string
	root *os.Root
}

func (d *folder) close() {
	if d.root != nil {
		d.root.Close()
	}
	d.name, d.root = "", nil
}

// open opens a file. What the folder refuses, such as a link to another one, the whole
// checkout may allow.
func (d *folder) open(t *tree, name string) (*os.File, error) {
	// A named pipe would wait for a writer if it were not for O_NONBLOCK.
	const flags = os.O_RDONLY | syscall.O_NONBLOCK
	dir, base := path.Split(name)
	if d == nil || dir == "" {
		return t.root.OpenFile(name, flags, 0)
	}
	if d.name != dir {
		d.close()
		if root, err := t.root.OpenRoot(dir); err == nil {
			d.name, d.root = dir, root
		}
	}
	if d.root != nil {
		if f, err := d.root.OpenFile(base, flags, 0); err == nil {
			return f, nil
		}
	}
	return t.root.OpenFile(name, flags, 0)
}

// readIn is readInto with a folder that may be the file's; nil for none.
func (t *tree) readIn(d *folder, src []byte, name string, limit int64) ([]byte, error) {
	f, err := d.open(t, name)
	if err != nil {
		if li, lerr := t.root.Lstat(name); lerr == nil && li.Mode()&fs.ModeSymlink != 0 {
			return nil, errors.New("a symbolic link that leads nowhere or out of the checkout")
		} else if lerr == nil && !li.Mode().IsRegular() {
			return nil, errors.New("not a regular file")
		}
		return nil, plain(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, plain(err)
	}
	switch {
	case fi.IsDir():
		return nil, errIsFolder
	case !fi.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case fi.Size() > limit:
		return nil, fmt.Errorf("%d MiB, more than the %d MiB that are read", fi.Size()>>20, limit>>20)
	}
	if src = src[:0]; int64(cap(src)) < fi.Size()+1 {
		src = make([]byte, 0, fi.Size()+1)
	}
	for {
		n, err := f.Read(src[len(src):cap(src)])
		src = src[:len(src)+n]
		if err == io.EOF {
			return src, nil
		}
		if err != nil {
			return nil, plain(err)
		}
		if int64(len(src)) > limit {
			return nil, errors.New("it grew while it was read")
		}
		if len(src) == cap(src) {
			src = append(src, 0)[:len(src)]
		}
	}
}

// errIsFolder marks a symbolic link to a folder: it is not entered, and not a file.
var errIsFolder = errors.New("a symbolic link to a folder, which is not entered")

// plain strips the path from an error of the os package: messages name it already.
func plain(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// maxText is how much of a source line is shown.
const maxText = 200

// lineText is a line of the source for evidence: trimmed, cut, valid UTF-8.
func lineText(f *scan.File, line int) string {
	s := strings.ToValidUTF8(strings.TrimSpace(string(f.Line(line))), "\uFFFD")
	if len(s) > maxText {
		cut := maxText
		for cut > 0 && s[cut]&0xC0 == 0x80 {
			cut--
		}
		s = s[:cut] + "…"
	}
	return s
}

// lines returns a function that reads single lines for evidence. It keeps the last file,
// since results come file by file. A line that cannot be read is "".
func (t *tree) lines() func(name string, line int) string {
	last := ""
	var file *scan.File
	return func(name string, line int) string {
		if name != last {
			last, file = name, nil
			if text, err := t.read(name, maxFile); err == nil {
				file = scan.Plain(text)
			}
		}
		if file == nil {
			return ""
		}
		return lineText(file, line)
	}
}
