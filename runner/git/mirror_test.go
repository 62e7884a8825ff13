package git

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	s := newSource(t)
	first := s.commit("a", "1")
	second := s.commit("a", "2")
	s.git("branch", "feature/x", first)
	s.git("tag", "-m", "v1", "v1", first)
	m := s.mirror()
	for rev, want := range map[string]string{
		"HEAD": second, "HEAD~1": first, "main": second, "feature/x": first, "v1": first, first: first, "main~1": first,
	} {
		if got := resolve(t, m, rev).SHA; got != want {
			t.Errorf("%s is %s, want %s", rev, got, want)
		}
	}
	c := resolve(t, m, "main")
	if c.Subject != "change a" || c.Author != "A U Thor" || c.Time.Format("2006-01-02 15:04:05") != "2026-01-02 03:04:05" {
		t.Errorf("got %+v", c)
	}
	for _, rev := range []string{"nope", "", "--upload-pack=touch /tmp/owned", strings.Repeat("0", 40), "main^{tree}", "a..b", "HEAD~99", "HEAD^{tree}"} {
		if _, err := m.Resolve(t.Context(), rev); !errors.Is(err, ErrUnknownRevision) {
			t.Errorf("%q: got %v, want ErrUnknownRevision", rev, err)
		}
	}
}

// A known hash needs no remote: the network may be down.
func TestResolveOffline(t *testing.T) {
	s := newSource(t)
	sha := s.commit("a", "1")
	m := s.mirror()
	resolve(t, m, "main")
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	if got := resolve(t, m, sha).SHA; got != sha {
		t.Errorf("got %s", got)
	}
	_, err := m.Resolve(t.Context(), "main")
	var h interface{ Hint() string }
	if err == nil || !errors.As(err, &h) || !strings.Contains(err.Error(), s.dir) {
		t.Errorf("got %v, want an error that names the repository, with a hint", err)
	}
}

func TestResolveDetachedHead(t *testing.T) {
	s := newSource(t)
	s.commit("a", "1")
	s.git("checkout", "--quiet", "--detach")
	sha := s.commit("a", "2")
	if got := resolve(t, s.mirror(), "HEAD").SHA; got != sha {
		t.Errorf("got %s, want the detached %s", got, sha)
	}
}

func TestEmptyRepository(t *testing.T) {
	_, err := newSource(t).mirror().Resolve(t.Context(), "HEAD")
	if !errors.Is(err, ErrUnknownRevision) || !strings.Contains(err.Error(), "no commits") {
		t.Errorf("got %v", err)
	}
}

func TestForcePushAndDeletedBranch(t *testing.T) {
	s := newSource(t)
	first := s.commit("a", "1")
	s.commit("a", "2")
	s.git("branch", "gone")
	m := s.mirror()
	resolve(t, m, "gone")
	s.git("reset", "--quiet", "--hard", first)
	s.git("branch", "-D", "gone")
	third := s.commit("a", "3")
	if got := resolve(t, m, "main").SHA; got != third {
		t.Errorf("after a force push main is %s, want %s", got, third)
	}
	if _, err := m.Resolve(t.Context(), "gone"); !errors.Is(err, ErrUnknownRevision) {
		t.Errorf("the deleted branch: %v", err)
	}
}

// The line of a branch has its merges, and not what they brought.
func TestFirstParents(t *testing.T) {
	s := newSource(t)
	root := s.commit("a", "0")
	good := s.commit("a", "1")
	s.git("checkout", "--quiet", "-b", "topic")
	side := s.commit("b", "1")
	s.commit("b", "2")
	s.git("checkout", "--quiet", "main")
	two := s.commit("a", "2")
	s.git("merge", "--quiet", "--no-ff", "--message", "bring topic", "topic")
	merge := s.git("rev-parse", "HEAD")
	bad := s.commit("a", "3")
	m := s.mirror()
	if err := m.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := m.FirstParents(t.Context(), good, bad)
	var got []string
	for _, c := range list {
		got = append(got, c.SHA)
	}
	if err != nil || !slices.Equal(got, []string{good, two, merge, bad}) || list[2].Subject != "bring topic" {
		t.Errorf("%v, %v", got, err)
	}
	if list, err := m.FirstParents(t.Context(), root, good); err != nil || len(list) != 2 {
		t.Errorf("parent and child: %v, %v", list, err)
	}
	for _, ends := range [][2]string{{side, bad}, {bad, good}, {good, good}} {
		if _, err := m.FirstParents(t.Context(), ends[0], ends[1]); !errors.Is(err, ErrNotOnLine) {
			t.Errorf("%v: %v", ends, err)
		}
	}
	if _, err := m.FirstParents(t.Context(), strings.Repeat("1", 40), bad); err == nil {
		t.Error("a range from a commit that does not exist")
	}
}

func TestMergeBaseAndLog(t *testing.T) {
	s := newSource(t)
	base := s.commit("a", "1")
	s.git("checkout", "--quiet", "-b", "topic")
	one := s.commit("b", "1")
	two := s.commit("b", "2")
	s.git("checkout", "--quiet", "main")
	s.commit("a", "2")
	s.git("checkout", "--quiet", "--orphan", "island")
	s.commit("c", "1")
	m := s.mirror()
	if err := m.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := m.MergeBase(t.Context(), "main", "topic"); err != nil || c.SHA != base {
		t.Errorf("merge base %v, %v; want %s", c, err, base)
	}
	if _, err := m.MergeBase(t.Context(), "main", "island"); !errors.Is(err, ErrNoMergeBase) {
		t.Errorf("unrelated histories: %v", err)
	}
	list, err := m.Log(t.Context(), base, two, 10)
	if err != nil || len(list) != 2 || list[0].SHA != one || list[1].SHA != two {
		t.Errorf("log: %v, %v", list, err)
	}
}

func TestCheckout(t *testing.T) {
	s := newSource(t)
	sha := s.commit("a", "text\n")
	m := s.mirror()
	resolve(t, m, "main")
	dir := filepath.Join(t.TempDir(), "work tree")
	remove, err := m.Checkout(t.Context(), sha, dir)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "a")); string(text) != "text\n" {
		t.Errorf("the file holds %q", text)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the worktree is still there")
	}
	if _, err := m.Checkout(t.Context(), "main", dir); err == nil {
		t.Error("a branch name was checked out: it may move")
	}
}

// Hooks, filters and configuration of the watched repository must not run.
func TestCheckoutRunsNothing(t *testing.T) {
	s := newSource(t)
	owned := filepath.Join(t.TempDir(), "owned")
	s.git("config", "filter.evil.smudge", "touch '"+owned+"'; cat")
	hook := filepath.Join(s.dir, ".git", "hooks", "post-checkout")
	if err := os.MkdirAll(filepath.Dir(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hook, []byte("#!/bin/sh\ntouch '"+owned+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, ".gitattributes"), []byte("* filter=evil\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	sha := s.commit("a", "1")
	m := s.mirror()
	resolve(t, m, "main")
	dir := filepath.Join(t.TempDir(), "w")
	remove, err := m.Checkout(t.Context(), sha, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	os.Remove(owned) // the test's own commit may have run the filter
	remove2, err := m.Checkout(t.Context(), sha, dir+"2")
	if err != nil {
		t.Fatal(err)
	}
	defer remove2()
	if _, err := os.Stat(owned); err == nil {
		t.Error("code of the watched repository ran during checkout")
	}
}

func TestCorruptMirrorIsMadeAnew(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"no config":     func(dir string) error { return os.Remove(filepath.Join(dir, "config")) },
		"no HEAD":       func(dir string) error { return os.Remove(filepath.Join(dir, "HEAD")) },
		"empty objects": func(dir string) error { return truncateAll(filepath.Join(dir, "objects")) },
		"garbage ref": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "refs", "heads", "main"), []byte("garbage\n"), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			s.commit("a", "1")
			m := s.mirror()
			resolve(t, m, "main")
			if err := damage(m.Dir); err != nil {
				t.Fatal(err)
			}
			sha := s.commit("a", "2")
			if got := resolve(t, m, "main").SHA; got != sha {
				t.Errorf("got %s, want %s", got, sha)
			}
			remove, err := m.Checkout(t.Context(), sha, filepath.Join(t.TempDir(), "w"))
			if err != nil {
				t.Fatal(err)
			}
			remove()
		})
	}
}

func truncateAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := os.Chmod(path, 0o644); err != nil {
			return err
		}
		return os.Truncate(path, 0)
	})
}

func TestShallowSource(t *testing.T) {
	s := newSource(t)
	first := s.commit("a", "1")
	head := s.commit("a", "2")
	clone := &source{t, filepath.Join(t.TempDir(), "shallow")}
	if out, err := exec.Command("git", "clone", "--quiet", "--depth=1", "file://"+s.dir, clone.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := clone.mirror()
	if got := resolve(t, m, "main").SHA; got != head || !m.Shallow() {
		t.Errorf("head %s, shallow %v", got, m.Shallow())
	}
	_, err := m.Resolve(t.Context(), first)
	var h interface{ Hint() string }
	if !errors.Is(err, ErrUnknownRevision) || !errors.As(err, &h) || !strings.Contains(h.Hint(), "--unshallow") {
		t.Errorf("the missing commit: %v", err)
	}
}

// Several processes share a mirror; here, several goroutines do.
func TestConcurrentFetch(t *testing.T) {
	s := newSource(t)
	sha := s.commit("a", "1")
	dir := filepath.Join(t.TempDir(), "m")
	errs := make(chan error)
	const n = 6
	for range n {
		go func() {
			m := &Mirror{Remote: Remote{URL: s.dir, Environ: os.Environ()}, Dir: dir}
			c, err := m.Resolve(context.Background(), "main")
			if err == nil && c.SHA != sha {
				err = errors.New("resolved to " + c.SHA)
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
