package runner

import (
	"errors"
	"os"
	"path/filepath"
)

// ReplaceFile writes a file as a whole or not at all: who reads it meanwhile sees the old
// text. Its folder must exist. Everybody may read the file.
func ReplaceFile(name string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
