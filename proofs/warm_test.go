package proofs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestWarm: code that is not trusted starts from what trusted code built, and leaves
// nothing behind.
func TestWarm(t *testing.T) {
	cfg := Config{Toolchains: []string{protocol(t, leanScript(said))}}
	cache := t.TempDir()
	run(t, cfg, workspace(t, tree(t, twoModules), cache))
	lake := filepath.Join(cache, "lean-"+digest("."), "lake")
	// What trusted code may have made in its own folder.
	outside := t.TempDir()
	os.MkdirAll(filepath.Join(lake, "packages", "dep"), 0o755)
	os.WriteFile(filepath.Join(lake, "packages", "dep", "file"), []byte("x"), 0o644)
	for link, to := range map[string]string{"away": outside, "up": "../../..", "within": "packages/dep", "dangling": "nothing", "round": "round", "sly": "within/../../.."} {
		if err := os.Symlink(to, filepath.Join(lake, link)); err != nil {
			t.Fatal(err)
		}
	}
	before := listing(t, cache)

	changed := map[string]string{}
	for n, s := range twoModules {
		changed[n] = s
	}
	changed["B.lean"] += "theorem two : 2 = 2 := rfl\n"
	ws := workspace(t, tree(t, changed), t.TempDir())
	ws.Trusted, ws.Warm = false, cache
	cfg.Toolchains = []string{protocol(t, leanScript(said+`
ls -d .lake/* .lake/packages/* >links.txt; echo stranger >.lake/away 2>/dev/null; echo stranger >.lake/within/file; touch .lake/build/lib/lean/Stranger.olean`))}
	res := run(t, cfg, ws)
	if ms := modules(res); !ms["A"].Reused || ms["B"].Reused || ms["B"].Verdict != runner.Success {
		t.Errorf("%+v", ms)
	}
	if after := listing(t, cache); !slices.Equal(before, after) {
		t.Errorf("the folder of trusted runs changed:\n%s\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	if b, _ := os.ReadFile(filepath.Join(lake, "packages", "dep", "file")); string(b) != "x" {
		t.Errorf("a dependency of trusted runs holds %q", b)
	}
	links, err := os.ReadFile(filepath.Join(ws.Dir, "links.txt"))
	if got := strings.Fields(string(links)); err != nil || !slices.Equal(got, []string{".lake/build", ".lake/packages", ".lake/packages/dep", ".lake/within"}) {
		t.Errorf("copied %q, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(ws.Scratch, "lean-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if len(res.Warnings) > 0 {
		t.Errorf("warnings %q", res.Warnings)
	}

	t.Run("nothing yet", func(t *testing.T) {
		ws := workspace(t, tree(t, twoModules), t.TempDir())
		ws.Trusted, ws.Warm = false, t.TempDir()
		res := run(t, cfg, ws)
		if ms := modules(res); ms["A"].Reused || ms["A"].Verdict != runner.Success || len(res.Warnings) > 0 {
			t.Errorf("%+v %q", ms, res.Warnings)
		}
	})
	t.Run("a trusted build is at work", func(t *testing.T) {
		f, err := os.OpenFile(filepath.Join(cache, "lean-"+digest("."), "lock"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		ws := workspace(t, tree(t, twoModules), t.TempDir())
		ws.Trusted, ws.Warm = false, cache
		waited := false
		ws.Progress = func(e runner.Event) {
			if strings.HasPrefix(e.Text, "waiting for the build folder") {
				waited = true
				syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
			}
		}
		if res := run(t, cfg, ws); !waited || !modules(res)["A"].Reused {
			t.Errorf("waited %v: %+v", waited, res.Proofs.Modules)
		}
	})
}

// TestCopyFolder is for systems whose cp does not do.
func TestCopyFolder(t *testing.T) {
	src, dst := tree(t, map[string]string{"a/b": "x", "c": ""}), filepath.Join(t.TempDir(), "to")
	os.Chmod(filepath.Join(src, "c"), 0o400)
	os.Symlink("a/b", filepath.Join(src, "link"))
	if err := syscall.Mkfifo(filepath.Join(src, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyFolder(t.Context(), dst, src); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"a/b", "c", "link"} {
		a, err1 := os.Lstat(filepath.Join(src, f))
		b, err2 := os.Lstat(filepath.Join(dst, f))
		if err1 != nil || err2 != nil || a.Mode() != b.Mode() || a.Size() != b.Size() || a.Mode().IsRegular() && !a.ModTime().Equal(b.ModTime()) {
			t.Errorf("%s: %v %v", f, err1, err2)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dst, "link")); err != nil || string(b) != "x" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := os.Lstat(filepath.Join(dst, "pipe")); err == nil {
		t.Error("a pipe was copied")
	}
}
