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

func TestDifferences(t *testing.T) {
	theorem := func(name string, edit func(t *runner.Theorem)) runner.Theorem {
		th := runner.Theorem{Name: name, Kind: "theorem", Module: "A", Hash: "h", Meaning: "m", Axioms: []string{"propext"}, Verdict: runner.Success}
		if edit != nil {
			edit(&th)
		}
		return th
	}
	whole := func(ths ...runner.Theorem) *outcome {
		return &outcome{modules: []runner.Module{{Name: "A", Verdict: runner.Success}}, scheme: "term/1", theorems: ths}
	}
	warm := whole(theorem("one", nil), theorem("two", nil))
	for _, tt := range []struct {
		name string
		cold *outcome
		want []string
	}{
		{"the same", whole(theorem("two", nil), theorem("one", nil)), nil},
		{"lost and new", whole(theorem("one", nil), theorem("three", nil)), []string{"theorem three is new", "theorem two is not there"}},
		{"kind", whole(theorem("one", nil), theorem("two", func(t *runner.Theorem) { t.Kind = "axiom" })), []string{"axiom two is new", "theorem two is not there"}},
		{"another module of the same name", whole(theorem("one", nil), theorem("two", func(t *runner.Theorem) { t.Module = "B" })), []string{"theorem two is new", "theorem two is not there"}},
		{"statement", whole(theorem("one", func(t *runner.Theorem) { t.Hash = "x" }), theorem("two", nil)), []string{"one states something else"}},
		{"definition", whole(theorem("one", func(t *runner.Theorem) { t.Meaning = "x" }), theorem("two", nil)), []string{"a definition below one is another"}},
		{"axioms", whole(theorem("one", func(t *runner.Theorem) { t.Axioms = []string{"sorryAx"} }), theorem("two", nil)), []string{"one rests on sorryAx, not on propext"}},
		{"verdict", whole(theorem("one", func(t *runner.Theorem) { t.Verdict = runner.Failure }), theorem("two", nil)), nil}, // of a replay
		{"a module", &outcome{modules: []runner.Module{{Name: "A", Verdict: runner.Failure}}}, []string{"module A does not build"}},
		{"could not tell", &outcome{modules: []runner.Module{{Name: "A", Verdict: runner.Success}}, unsure: "no"}, nil},
	} {
		if got := differences(warm, tt.cold); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestRecover: wherever an examination from nothing was killed, the next one finds one
// build folder that is whole, or none.
func TestRecover(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string // what the build folder holds; "" for none
	}{
		{"nothing happened", map[string]string{"build/f": "old"}, "old"},
		{"set aside", map[string]string{"build.warm/f": "old"}, "old"},
		{"building", map[string]string{"build/f": "half", "build/g": "", "build.warm/f": "old", "fresh/inventory": ""}, "old"},
		{"done", map[string]string{"build/f": "new"}, "new"},
		{"first time", map[string]string{"fresh/x": ""}, ""},
	} {
		cache := tree(t, tt.files)
		e := &examination{dir: cache, cache: cache, project: &project{lake: &lakefile{buildDir: "build"}}}
		e.recover()
		b, _ := os.ReadFile(filepath.Join(cache, "build", "f"))
		if string(b) != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, b, tt.want)
		}
		for _, gone := range []string{"build.warm", "fresh", "build/g"} {
			if _, err := os.Stat(filepath.Join(cache, gone)); err == nil {
				t.Errorf("%s: %s is left", tt.name, gone)
			}
		}
	}
}

// TestFreshStopped: a build from nothing that is stopped leaves the earlier one in place.
func TestFreshStopped(t *testing.T) {
	cache := t.TempDir()
	run(t, Config{Toolchains: []string{protocol(t, leanScript(said))}}, workspace(t, tree(t, twoModules), cache))
	trace := filepath.Join(cache, "lean-"+digest("."), "lake", "build", "lib", "lean", "B.trace")
	before, err := os.Stat(trace)
	if err != nil {
		t.Fatal(err)
	}
	dir := tree(t, twoModules)
	started := filepath.Join(dir, "started")
	cfg := Config{Toolchains: []string{protocol(t, leanScript(`case $1 in *B.lean) touch `+started+`; exec sleep 600 ;; esac
`+said))}}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(started); err == nil {
				cancel(runner.ErrCancelled)
			}
		}
	}()
	ws := workspace(t, dir, cache)
	ws.Fresh = true
	res := runner.Execute(ctx, New(cfg), ws, time.Hour)
	if res.Verdict != runner.Error || res.Reason != "cancelled" || res.Proofs.Fresh {
		t.Errorf("%s: %s, fresh %v", res.Verdict, res.Reason, res.Proofs.Fresh)
	}
	after, err := os.Stat(trace)
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the earlier build is not in place: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*", "lake", "build.warm")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*", "fresh")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// TestFreshBuild: a fresh run trusts nothing of the earlier build, and replaces it.
func TestFreshBuild(t *testing.T) {
	cache := t.TempDir()
	cfg := Config{Toolchains: []string{protocol(t, leanScript(said))}}
	run(t, cfg, workspace(t, tree(t, twoModules), cache))
	lib := filepath.Join(cache, "lean-"+digest("."), "lake", "build", "lib", "lean")
	os.WriteFile(filepath.Join(lib, "A.olean"), []byte("stale"), 0o644)
	os.MkdirAll(filepath.Join(cache, "lean-"+digest("."), "lake", "packages"), 0o755)
	ws := workspace(t, tree(t, twoModules), cache)
	ws.Fresh = true
	res := run(t, cfg, ws)
	for _, m := range res.Proofs.Modules {
		if m.Reused || m.Seconds <= 0 || m.Verdict != runner.Success {
			t.Errorf("%+v", m)
		}
	}
	if b, err := os.ReadFile(filepath.Join(lib, "A.olean")); err != nil || string(b) == "stale" {
		t.Errorf("A.olean holds %q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(lib, "..", "..", "..", "packages")); err != nil {
		t.Errorf("the dependencies are gone: %v", err)
	}
	// The theorems could not be listed, so nothing was proved from nothing.
	if res.Proofs.Fresh || !strings.Contains(res.Reason, "list the theorems") {
		t.Errorf("fresh %v, %s", res.Proofs.Fresh, res.Reason)
	}
}
