package git

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	s := newSource(t)
	for name, text := range map[string]string{"rules/a.toml": "a\x00\xff\n", "rules/big.toml": strings.Repeat("x", 100), "other.txt": "o", "ü \n.toml": "odd"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link.toml": "rules/a.toml", "out.toml": "/etc/passwd", "up.toml": "../../x.toml", "two.toml": "link.toml"} {
		if err := os.Symlink(target, filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	sha := s.commit("f", "1")
	m := s.mirror()
	resolve(t, m, "main")
	files, err := m.Files(t.Context(), sha, func(p string) bool { return strings.HasSuffix(p, ".toml") }, 50)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 || string(files["rules/a.toml"]) != "a\x00\xff\n" || string(files["link.toml"]) != "a\x00\xff\n" || string(files["ü \n.toml"]) != "odd" {
		t.Errorf("%q", files)
	}
	for _, bad := range []string{"main", "--help", strings.Repeat("0", 40)} {
		if _, err := m.Files(t.Context(), bad, func(string) bool { return true }, 50); err == nil {
			t.Errorf("files of %q", bad)
		}
	}
}

func TestChanged(t *testing.T) {
	s := newSource(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("sub/same.txt", "1")
	write("sub/edited.txt", "1")
	write("sub/deleted.txt", "1")
	write(".gitignore", "*.o\n")
	base := s.commit("f", "1")
	s.git("checkout", "--quiet", "-b", "side")
	write("sub/committed ü.txt", "1")
	head := s.commit("g", "1")
	s.git("checkout", "--quiet", "main")
	write("later.txt", "1")
	s.commit("h", "1")
	s.git("checkout", "--quiet", "side")
	write("sub/edited.txt", "2")
	write("sub/new.txt", "1")
	write("sub/new.o", "1")
	if err := os.Remove(filepath.Join(s.dir, "sub/deleted.txt")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dir, rev, want string }{
		{".", "main", "g sub/committed ü.txt sub/edited.txt sub/new.txt"},
		{"sub", base, "committed ü.txt edited.txt new.txt"},
		{"sub", head, "edited.txt new.txt"},
	} {
		got, from, err := Changed(t.Context(), os.Environ(), filepath.Join(s.dir, tt.dir), tt.rev)
		slices.Sort(got)
		if err != nil || strings.Join(got, " ") != tt.want || tt.rev == "main" && from.SHA != base {
			t.Errorf("%s since %s: %q, %v", tt.dir, tt.rev, got, err)
		}
	}
	if _, _, err := Changed(t.Context(), os.Environ(), s.dir, "--nonesuch"); !errors.Is(err, ErrUnknownRevision) {
		t.Errorf("got %v", err)
	}
}
