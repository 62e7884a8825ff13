package metal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// maxInputs is how many files are hashed before two trees count as different.
const maxInputs = 20_000

// loaded are the suffixes of files that a benchmark loads without naming them: kernels in
// source or compiled, and libraries.
var loaded = []string{".metal", ".metallib", ".air", ".cl", ".spv", ".ptx", ".dylib", ".so"}

// sameInputs tells whether a program, built in two trees, cannot measure anything else in
// head than in base: its executable, the files that its command names, every kernel and
// library in the trees and the paths that are configured as its inputs are the same. It
// returns that in words, and "" if anything differs or could not be told. A command that is
// no executable of the tree, such as a script, says nothing about what it reads: then only
// configured inputs can tell.
func sameInputs(base, head string, p Program) string {
	b, h := newInputs(base), newInputs(head)
	defer b.close()
	defer h.close()
	binary := ""
	if strings.ContainsRune(p.Command[0], '/') && filepath.IsLocal(filepath.Join(p.Dir, p.Command[0])) {
		binary = filepath.ToSlash(filepath.Join(p.Dir, p.Command[0]))
	}
	isBinary := binary != "" && b.executable(binary) && h.executable(binary)
	if !isBinary && len(p.Inputs) == 0 {
		return ""
	}
	for _, in := range []*inputs{b, h} {
		if binary != "" {
			in.add(binary)
		}
		for _, arg := range p.Command[1:] {
			// An option may hold a path behind its "=".
			_, value, _ := strings.Cut(arg, "=")
			for _, s := range []string{arg, value} {
				if name := filepath.ToSlash(filepath.Join(p.Dir, s)); s != "" && filepath.IsLocal(name) && name != "." {
					in.optional(name)
				}
			}
		}
		for _, name := range p.Inputs {
			in.add(path.Clean(filepath.ToSlash(name)))
		}
		in.kernels()
	}
	if b.err != nil || h.err != nil || !maps.Equal(b.sums, h.sums) {
		return ""
	}
	var same []string
	if isBinary {
		same = append(same, "the executable "+binary)
	}
	others := len(h.sums)
	if isBinary {
		others--
	}
	switch {
	case others == 1:
		same = append(same, "1 input file")
	case others > 1:
		same = append(same, fmt.Sprintf("%d input files", others))
	}
	return strings.Join(same, " and ") + " the same in base and head"
}

// inputs are files of one tree by name, with the hashes of what they hold.
type inputs struct {
	root *os.Root
	sums map[string][sha256.Size]byte
	err  error
}

func newInputs(dir string) *inputs {
	in := &inputs{sums: map[string][sha256.Size]byte{}}
	in.root, in.err = os.OpenRoot(dir)
	return in
}

func (in *inputs) close() {
	if in.root != nil {
		in.root.Close()
	}
}

// executable reports whether a file is a program for the system: ELF or Mach-O.
func (in *inputs) executable(name string) bool {
	if in.err != nil {
		return false
	}
	fi, err := in.root.Stat(name)
	if err != nil || !fi.Mode().IsRegular() {
		return false
	}
	f, err := in.root.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil {
		return false
	}
	return slices.ContainsFunc([]string{"\x7fELF", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"},
		func(m string) bool { return bytes.Equal(magic, []byte(m)) })
}

// optional adds a file or folder if there is one; that there is none is told from there
// being one in the other tree.
func (in *inputs) optional(name string) {
	if in.err != nil {
		return
	}
	if _, err := in.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return
	}
	in.add(name)
}

// add adds a file, or all files of a folder. That it is missing is an error: a mistake in
// the configuration must not make everything look the same.
func (in *inputs) add(name string) {
	in.walk(name, func(string) bool { return true })
}

// kernels adds all files of the tree that programs load without naming them.
func (in *inputs) kernels() {
	in.walk(".", func(name string) bool {
		return slices.ContainsFunc(loaded, func(s string) bool { return strings.HasSuffix(name, s) || strings.Contains(path.Base(name), s+".") })
	})
}

func (in *inputs) walk(name string, want func(string) bool) {
	if in.err != nil {
		return
	}
	in.err = fs.WalkDir(in.root.FS(), name, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir() || !want(at):
			return nil
		case !d.Type().IsRegular() && d.Type()&fs.ModeSymlink == 0:
			return fmt.Errorf("%s is no file", at)
		case len(in.sums) == maxInputs:
			return errors.New("too many files")
		}
		// A link is followed within the tree; one that leads out is an error.
		fi, err := in.root.Stat(at)
		if err != nil {
			return err
		}
		if !fi.Mode().IsRegular() {
			return fmt.Errorf("%s is no file", at)
		}
		f, err := in.root.Open(at)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		in.sums[at] = [sha256.Size]byte(h.Sum(nil))
		return nil
	})
}
