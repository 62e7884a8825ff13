package proofs

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestCannotTell holds what must never be a success, nor a failure: every way in which a
// build or a listing does not happen. The toolchains are scripts.
func TestCannotTell(t *testing.T) {
	project := map[string]string{
		"lakefile.toml":  "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n",
		"lean-toolchain": "leanprover/lean4:v4.26.0\n",
		"A.lean":         "import A.One\n", "A/One.lean": "theorem one : 1 = 1 := rfl\n", "A/Two.lean": "",
	}
	// As Lake prints, for modules that a fake build "compiled".
	good := "mkdir -p .lake/build/lib/lean/A && touch .lake/build/lib/lean/A.olean .lake/build/lib/lean/A/One.olean .lake/build/lib/lean/A/Two.olean\n" +
		"echo 'Build completed successfully (4 jobs).'"
	for _, tt := range []struct {
		name    string
		files   map[string]string // laid over the project; "" removes
		build   string
		lean    string
		verdict runner.Verdict // Error unless set
		reason  string
		modules map[string]string // reasons
	}{
		{name: "lake is killed", build: "kill -9 $$", reason: "lake build was killed by signal 9", modules: map[string]string{"A.One": "lake build was killed"}},
		{
			name: "lean is killed", build: "echo '✖ [2/4] Building A.One (3s)'; echo 'error: Lean exited with code 137'; echo 'Some required targets logged failures:'; echo '- A.One'; echo 'error: build failed' >&2; [ \"$2\" = --no-build ] && exit 0; exit 1",
			reason: "1 module could not be built: A.One: Lean was killed", modules: map[string]string{"A.One": "Lean was killed", "A": "not built: imports A.One"},
		},
		{
			name: "lean crashes", build: "echo '✖ [2/4] Building A.Two'; echo 'error: Lean exited with code 134'; [ \"$2\" = --no-build ] && exit 0; exit 1",
			reason: "A.Two: Lean crashed", modules: map[string]string{"A.Two": "Lean crashed (exit code 134)"},
		},
		{name: "lake refuses the lakefile", build: "echo 'error: lakefile.toml:1:1: no such key' >&2; exit 1", reason: "lake build: lakefile.toml:1:1: no such key"},
		{name: "lake says nothing", build: "exit 1", reason: "lake build: exit code 1"},
		{name: "a dependency fails", build: "echo '✖ [1/9] Building Mathlib.Init'; echo 'error: Mathlib/Init.lean:1:0: oh'; exit 1", reason: "lake build: Mathlib.Init failed: oh"},
		{name: "not confirmed", build: "[ \"$2\" = --no-build ] && { echo 'error: target is out-of-date' >&2; exit 3; }; exit 0", reason: "lake build --no-build does not confirm the build (exit code 3): error: target is out-of-date"},
		{name: "nothing was compiled", build: "exit 0", reason: "list the theorems: compiled form of module A is missing"},
		{name: "no listing", build: good, reason: "list the theorems: "},
		{name: "another Lean, with an error", lean: strings.ReplaceAll(stock426, "4.26.0", "4.27.0"), build: "echo '✖ [2/4] Building A.One'; echo 'error: A/One.lean:1:2: type mismatch'; [ \"$2\" = --no-build ] && exit 0; exit 1", reason: "does not build with Lean 4.27.0, which is not the version asked for"},
		{name: "an error at a place", build: "echo '✖ [2/4] Building A.One'; echo 'error: A/One.lean:1:2: type mismatch'; [ \"$2\" = --no-build ] && exit 0; exit 1", verdict: runner.Failure, reason: "module A.One does not build: A/One.lean:1:3: type mismatch", modules: map[string]string{"A": "not built: imports A.One"}},
		{name: "an error over two lines", build: "echo '✖ [2/4] Building A.One'; printf 'error: A/One.lean:1:2: proved that the proposition\\n  1 = 2\\nis false\\n'; [ \"$2\" = --no-build ] && exit 0; exit 1", verdict: runner.Failure, reason: "module A.One does not build: A/One.lean:1:3: proved that the proposition 1 = 2 is false", modules: map[string]string{"A": "not built: imports A.One"}},
		{name: "no module", files: map[string]string{"A.lean": "", "A/One.lean": "", "A/Two.lean": ""}, reason: "names no module that has a file"},
		{name: "no lakefile", files: map[string]string{"lakefile.toml": ""}, reason: "no lakefile.toml or lakefile.lean"},
		{name: "broken lakefile", files: map[string]string{"lakefile.toml": "name = \"a\"\n[[lean_lib\n"}, reason: "lakefile.toml:"},
		{name: "no toolchain named", files: map[string]string{"lean-toolchain": ""}, reason: "no lean-toolchain file"},
		{name: "toolchain not installed", files: map[string]string{"lean-toolchain": "leanprover/lean4:v4.99.0"}, lean: "-", reason: "toolchain leanprover/lean4:v4.99.0 is not installed"},
		{name: "reserved root", files: map[string]string{"lakefile.toml": "name = \"a\"\n[[lean_lib]]\nname = \"Lean\"\n"}, reason: "module root Lean belongs to the toolchain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			for n, s := range project {
				files[n] = s
			}
			for n, s := range tt.files {
				files[n] = s
				if s == "" {
					delete(files, n)
				}
			}
			dir := tree(t, files)
			lean := tt.lean
			if lean == "" {
				lean = stock426
			}
			cfg := Config{}
			if lean != "-" {
				cfg.Toolchains = []string{fake(t, t.TempDir(), lean, lake426, tt.build)}
			}
			res := run(t, cfg, workspace(t, dir, t.TempDir()))
			want := tt.verdict
			if want == "" {
				want = runner.Error
			}
			if res.Verdict != want || !strings.Contains(res.Reason, tt.reason) {
				t.Errorf("got %s: %s\nwant %s: %s", res.Verdict, res.Reason, want, tt.reason)
			}
			ms := modules(res)
			for name, reason := range tt.modules {
				if m := ms[name]; m.Verdict == runner.Success || !strings.HasPrefix(m.Reason, reason) {
					t.Errorf("module %s: %s: %q, want %q", name, m.Verdict, m.Reason, reason)
				}
			}
			if len(res.Proofs.Theorems) > 0 {
				t.Errorf("theorems out of nothing: %+v", res.Proofs.Theorems)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	dir := tree(t, map[string]string{"lakefile.toml": "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n", "lean-toolchain": "v4.26.0", "A.lean": "", "B.lean": ""})
	home := fake(t, t.TempDir(), stock426, lake426, "echo '✔ [1/2] Built A (1s)'; echo $$ > "+filepath.Join(dir, "pid")+"; exec sleep 600")
	ctx, cancel := context.WithCancelCause(t.Context())
	ws := workspace(t, dir, t.TempDir())
	var said []string
	ws.Progress = func(e runner.Event) {
		said = append(said, e.Text)
		if strings.HasPrefix(e.Text, "built 1 of 1 modules") {
			cancel(runner.ErrCancelled)
		}
	}
	res := runner.Execute(ctx, New(Config{Toolchains: []string{home}}), ws, limit)
	if res.Verdict != runner.Error || res.Reason != "cancelled" {
		t.Fatalf("got %s: %s", res.Verdict, res.Reason)
	}
	if !slices.Contains(said, "built 1 of 1 modules, now A") {
		t.Errorf("progress: %q", said)
	}
	if _, err := os.Lstat(filepath.Join(dir, ".lake")); err == nil {
		t.Error("the checkout keeps a .lake")
	}
}

func TestTwoProjects(t *testing.T) {
	lib := "name = \"x\"\n[[lean_lib]]\nname = \"A\"\n"
	dir := tree(t, map[string]string{
		"lean-toolchain":    "v4.26.0",
		"one/lakefile.toml": lib, "one/A.lean": "",
		"two/lakefile.toml": "name = ", "two/A.lean": "",
	})
	home := fake(t, t.TempDir(), stock426, lake426, "echo '✖ [1/2] Building A'; echo 'error: A.lean:1:0: bad'; exit 1")
	res := run(t, Config{Dirs: []string{"one", "two", "../up"}, Toolchains: []string{home}}, workspace(t, dir, t.TempDir()))
	// A bad module stays bad, whatever else could not be told.
	if res.Verdict != runner.Failure || !strings.HasPrefix(res.Reason, "module A does not build: one/A.lean:1:1: bad") {
		t.Errorf("got %s: %s", res.Verdict, res.Reason)
	}
	for _, want := range []string{"project two: two/lakefile.toml:1:", "lies outside of the checkout"} {
		if !slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("warnings %q lack %q", res.Warnings, want)
		}
	}
	res = run(t, Config{Dirs: []string{"two"}, Toolchains: []string{home}}, workspace(t, dir, t.TempDir()))
	if res.Verdict != runner.Error {
		t.Errorf("got %s: %s", res.Verdict, res.Reason)
	}
}

func TestLockAndPrune(t *testing.T) {
	dir := tree(t, map[string]string{"lakefile.toml": "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n", "A.lean": "", "A/B.lean": ""})
	p, err := loadProject(dir)
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	examine := func(say func(string)) *examination {
		ws := workspace(t, dir, cache)
		ws.Progress = func(e runner.Event) { say(e.Text) }
		return &examination{ws: ws, dir: dir, rel: ".", project: p}
	}
	e := examine(func(string) {})
	detach, _, err := e.attach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lib := filepath.Join(dir, ".lake", "build", "lib", "lean")
	for _, f := range []string{"A.olean", "A.trace", "A/B.ilean", "A/Gone.olean", "A/Gone.olean.private", "A/Gone.trace", "Old.ilean", "notes.txt"} {
		os.MkdirAll(filepath.Dir(filepath.Join(lib, f)), 0o755)
		if err := os.WriteFile(filepath.Join(lib, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A second run of the same repository has to wait, and says so; it can be cancelled.
	ctx, cancel := context.WithCancelCause(t.Context())
	waited := ""
	second := examine(func(s string) { waited = s; cancel(runner.ErrCancelled) })
	if _, _, err := second.attach(ctx); err == nil || !strings.Contains(waited, "waiting for the build folder") {
		t.Errorf("second run: %v, said %q", err, waited)
	}
	detach()
	third := examine(func(string) {})
	detach, warning, err := third.attach(t.Context())
	if err != nil || len(warning) != 1 || !strings.Contains(warning[0], "a compiled module without a source was removed: A.Gone") {
		t.Fatal(err, warning)
	}
	defer detach()
	var left []string
	filepath.WalkDir(filepath.Join(cache), func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(p, "/lib/lean/") {
			_, name, _ := strings.Cut(p, "/lib/lean/")
			left = append(left, name)
		}
		return nil
	})
	if want := []string{"A/B.ilean", "A.olean", "A.trace", "notes.txt"}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}

// TestWorkingTree: without a cache the tree's own .lake is used and kept.
func TestWorkingTree(t *testing.T) {
	dir := tree(t, map[string]string{"lakefile.toml": "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n", "A.lean": "", ".lake/build/keep": "", "lean-toolchain": "v4.26.0"})
	home := fake(t, t.TempDir(), stock426, lake426, "exit 1")
	run(t, Config{Toolchains: []string{home}}, workspace(t, dir, ""))
	if fi, err := os.Lstat(filepath.Join(dir, ".lake")); err != nil || !fi.IsDir() {
		t.Errorf("%v %v", fi, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".lake", "build", "keep")); err != nil {
		t.Error(err)
	}
}

func TestBatches(t *testing.T) {
	var list []*module
	for range 20000 {
		list = append(list, &module{name: "Some.Module.With.A.Long.Name"})
	}
	n := 0
	for _, b := range batches(list) {
		n += len(b)
		size := 0
		for _, m := range b {
			size += len(m.name) + 2
		}
		if size > 256<<10 || len(b) == 0 {
			t.Errorf("batch of %d bytes", size)
		}
	}
	if n != len(list) {
		t.Errorf("%d of %d modules", n, len(list))
	}
}

func TestThin(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		f := filepath.Join(dir, "inventory-"+itoa(i)+".ndjson")
		os.WriteFile(f, nil, 0o644)
		when := time.Unix(int64(1000+i), 0)
		os.Chtimes(f, when, when)
	}
	thin(dir, "inventory-*.ndjson", 2)
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 2 || filepath.Base(left[0]) != "inventory-3.ndjson" {
		t.Errorf("left %q", left)
	}
}
