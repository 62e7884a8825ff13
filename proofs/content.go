package proofs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// hashCompiled adds the compiled files of a module; it reports false if there are none.
func (e *examination) hashCompiled(h io.Writer, m *module) (bool, error) {
	stem := strings.TrimSuffix(modulePath(m), ".lean")
	for _, dir := range e.libDirs() {
		base := filepath.Join(dir, filepath.FromSlash(stem))
		found := false
		for _, ext := range []string{".olean", ".olean.server", ".olean.private"} {
			ok, err := hashFile(h, base+ext)
			if err != nil {
				return false, err
			}
			found = found || ok
		}
		if found {
			return true, nil
		}
	}
	return false, nil
}

// hashDependencies adds what the project depends on: the locked revisions, and the
// compiled modules of those in folders, which have none.
func (e *examination) hashDependencies(h io.Writer) error {
	if _, err := hashFile(h, filepath.Join(e.dir, "lake-manifest.json")); err != nil {
		return err
	}
	for _, d := range e.dependencies() {
		if !d.local {
			continue
		}
		err := filepath.WalkDir(filepath.Join(d.dir, ".lake", "build", "lib"), func(p string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && !entry.IsDir() && strings.Contains(entry.Name(), ".olean") {
				_, err = hashFile(h, p)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// modulePath is the file of a module relative to its library's source folder.
func modulePath(m *module) string {
	parts, _ := splitName(m.name)
	return strings.Join(parts, "/") + ".lean"
}

// hashFile adds name and content of a file; it reports false if there is none.
func hashFile(h io.Writer, name string) (bool, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false, fmt.Errorf("read %s: %w", filepath.Base(name), err)
	}
	fmt.Fprintf(h, "%s %x\n", filepath.Base(name), sum.Sum(nil))
	return true, nil
}
