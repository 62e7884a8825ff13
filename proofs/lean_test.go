package proofs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// leanHome is a folder with bin/lean and bin/lake: HOLDFAST_LEAN, else what `make lean`
// installed. Where Lean is required its absence is a failure, never a skip.
func leanHome(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: nothing is built, listed or replayed by a real Lean, which takes minutes")
	}
	home, _ := os.UserHomeDir()
	for _, dir := range []string{
		os.Getenv("HOLDFAST_LEAN"), filepath.Join("..", ".cache", "lean"),
		filepath.Join(home, ".elan", "toolchains", "leanprover--lean4---v4.28.0"), // what testdata/base asks for
	} {
		if dir, err := filepath.Abs(dir); err == nil && hasLean(dir) {
			return dir
		}
	}
	const msg = "no Lean, so nothing is built, listed or replayed by a real one: neither HOLDFAST_LEAN nor .cache/lean (make lean) nor elan's v4.28.0 has bin/lean and bin/lake"
	if os.Getenv("CI") == "true" || os.Getenv("HOLDFAST_REQUIRE_LEAN") == "1" {
		t.Fatal(msg)
	}
	t.Skip(msg)
	return ""
}

// unlisted is a copy of a cache with the same build, but no kept listing.
func unlisted(t *testing.T, cache string) string {
	t.Helper()
	fresh := t.TempDir()
	if err := os.CopyFS(fresh, os.DirFS(cache)); err != nil {
		t.Fatal(err)
	}
	kept, _ := filepath.Glob(filepath.Join(fresh, "*", "inventory-*"))
	for _, f := range kept {
		os.Remove(f)
	}
	return fresh
}

// lay copies trees of testdata over each other into a fresh folder.
func lay(t *testing.T, trees ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, tree := range trees {
		if err := copyTree(dir, filepath.Join("testdata", tree)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func copyTree(dst, src string) error {
	return filepath.WalkDir(src, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(dst, rel), 0o755)
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dst, rel), b, 0o644)
	})
}

func workspace(t *testing.T, dir, cache string) *runner.Workspace {
	t.Helper()
	tmp := t.TempDir()
	return &runner.Workspace{
		Dir: dir, Cache: cache, Scratch: tmp, Logs: t.TempDir(), Trusted: true,
		Env:      proc.BaseEnv(os.Environ(), tmp, tmp),
		Progress: func(e runner.Event) { t.Log(e.Text) },
	}
}

func run(t *testing.T, cfg Config, ws *runner.Workspace) runner.Result {
	t.Helper()
	st := New(cfg)
	st.programs = programs
	res := runner.Execute(t.Context(), st, ws, limit)
	t.Logf("%s: %s (%.1f s)", res.Verdict, res.Reason, res.Seconds)
	return res
}

func modules(res runner.Result) map[string]runner.Module {
	out := map[string]runner.Module{}
	for _, m := range res.Proofs.Modules {
		out[m.Name] = m
	}
	return out
}

func theorems(res runner.Result) map[string]runner.Theorem {
	out := map[string]runner.Theorem{}
	for _, th := range res.Proofs.Theorems {
		out[th.Name] = th
	}
	return out
}

// TestLean examines variants of one project in one build folder, as the commits of a
// branch are.
func TestLean(t *testing.T) {
	home := leanHome(t)
	cfg := Config{Toolchains: []string{home}, Replay: ReplayOff} // the last subtest has it
	cache := t.TempDir()

	t.Run("clean", func(t *testing.T) {
		dir := lay(t, "base")
		res := run(t, cfg, workspace(t, dir, cache))
		if res.Verdict != runner.Success || res.Reason != "5 theorems in 5 modules hold; no sorry, axioms: propext" {
			t.Fatalf("got %s: %s", res.Verdict, res.Reason)
		}
		for _, name := range []string{"Main", "Pool", "Pool.Types", "Pool.Lock", "Pool.Unreached"} {
			if m := modules(res)[name]; m.Verdict != runner.Success || m.Reused || m.Seconds <= 0 {
				t.Errorf("module %s: %+v", name, m)
			}
		}
		ths := theorems(res)
		if th := ths["Pool.same_claim"]; th.File != "Pool/Lock.lean" || th.Line != 15 || !slices.Equal(th.Axioms, []string{"propext"}) || !strings.Contains(th.Statement, "p = q") {
			t.Errorf("same_claim: %+v", th)
		}
		if th := ths["Pool.owner_is_kept"]; th.Line != 12 || len(th.Axioms) != 0 || th.Verdict != runner.Success {
			t.Errorf("owner_is_kept: %+v", th)
		}
		if _, ok := ths["Pool.acquire_held"]; !ok {
			t.Error("the private theorem is missing")
		}
		if _, ok := ths["Pool.unreached"]; !ok {
			t.Error("the theorem of the module that no target reaches is missing")
		}
		if !slices.Equal(res.Proofs.Orphans, []string{"Stray.lean"}) {
			t.Errorf("orphans: %v", res.Proofs.Orphans)
		}
		if strings.Contains(res.Proofs.Toolchain, "wasm") && (res.Proofs.Authority || !slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "stand-in") })) {
			t.Errorf("a stand-in was taken for an authority: %v", res.Warnings)
		}
		if _, err := os.Lstat(filepath.Join(dir, ".lake")); err == nil {
			t.Error("the checkout keeps a .lake")
		}
	})
	t.Run("again", func(t *testing.T) {
		res := run(t, cfg, workspace(t, lay(t, "base"), cache))
		if res.Verdict != runner.Success || len(res.Proofs.Theorems) != 5 {
			t.Fatalf("got %s: %s", res.Verdict, res.Reason)
		}
		for _, m := range res.Proofs.Modules {
			if !m.Reused {
				t.Errorf("%s was built again", m.Name)
			}
		}
		// Neither Lean nor the listing ran: both answers were kept.
		for _, l := range res.Logs {
			if !strings.HasSuffix(l.Name, "-check") {
				t.Errorf("%s ran again", l.Name)
			}
		}
	})
	t.Run("fallback", func(t *testing.T) {
		st := New(cfg)
		st.breakInventory, st.programs = true, programs
		res := runner.Execute(t.Context(), st, workspace(t, lay(t, "base"), unlisted(t, cache)), limit)
		if res.Verdict != runner.Success || len(res.Proofs.Theorems) != 4 || res.Proofs.Inventory != byPrint.words {
			t.Fatalf("got %s: %s, %+v", res.Verdict, res.Reason, res.Proofs.Theorems)
		}
		if th := theorems(res)["Pool.same_claim"]; th.Line != 15 || !slices.Equal(th.Axioms, []string{"propext"}) {
			t.Errorf("same_claim: %+v", th)
		}
	})
	t.Run("export", func(t *testing.T) { testExport(t, home, cache) })
	t.Run("type error", func(t *testing.T) {
		res := run(t, cfg, workspace(t, lay(t, "base", "type-error"), cache))
		if res.Verdict != runner.Failure || !strings.HasPrefix(res.Reason, "module Pool.Types does not build: Pool/Types.lean:10:") {
			t.Fatalf("got %s: %s", res.Verdict, res.Reason)
		}
		ms := modules(res)
		if m := ms["Pool.Lock"]; m.Verdict != runner.Error || m.Reason != "not built: imports Pool.Types" {
			t.Errorf("Pool.Lock: %+v", m)
		}
		if m := ms["Main"]; m.Verdict != runner.Error || m.Reason != "not built: imports Pool" {
			t.Errorf("Main: %+v", m)
		}
		i := slices.IndexFunc(res.Findings, func(f runner.Finding) bool { return f.Verdict == runner.Failure })
		if i < 0 {
			t.Fatal("no finding")
		}
		src, _ := os.ReadFile(filepath.Join("testdata", "type-error", "Pool", "Types.lean"))
		line := strings.Split(string(src), "\n")[9]
		if f := res.Findings[i]; f.File != "Pool/Types.lean" || f.Line != 10 || f.Column != strings.Index(line, "decide")+1 {
			t.Errorf("finding: %+v, want column %d", f, strings.Index(line, "decide")+1)
		}
	})
	t.Run("missing import", func(t *testing.T) {
		res := run(t, cfg, workspace(t, lay(t, "base", "missing-import"), cache))
		ms := modules(res)
		if m := ms["Pool.Lock"]; res.Verdict != runner.Failure || m.Verdict != runner.Failure || m.Reason != "imports Pool.Gone, which has no file" {
			t.Errorf("got %s: %s; Pool.Lock: %+v", res.Verdict, res.Reason, m)
		}
		if m := ms["Pool"]; m.Verdict != runner.Error || m.Reason != "not built: imports Pool.Lock" {
			t.Errorf("Pool: %+v", m)
		}
		if th := theorems(res); th["Pool.capacity_pos"].Verdict != runner.Success || th["Pool.unreached"].Verdict != runner.Success {
			t.Errorf("the theorems of the other modules are missing: %+v", th)
		}
	})
	t.Run("debts", func(t *testing.T) {
		res := run(t, cfg, workspace(t, lay(t, "base", "debts"), cache))
		if res.Verdict != runner.Failure {
			t.Fatalf("got %s: %s", res.Verdict, res.Reason)
		}
		ths := theorems(res)
		for _, want := range []struct {
			name    string
			verdict runner.Verdict
			reason  string
		}{
			{"Pool.trust_me", runner.Failure, "is an axiom of the project and not allowed"},
			{"Pool.direct", runner.Failure, "rests on axiom Pool.trust_me"},
			{"Pool.indirect", runner.Failure, "rests on axiom Pool.trust_me through Pool.direct (Pool/Lock.lean:7)"},
			{"Pool.seen_sorry", runner.Failure, "rests on sorry"},
			{"Pool.hidden_sorry", runner.Failure, "rests on sorry"},
			{"Pool.leans_on_it", runner.Failure, "rests on sorry through Pool.hidden_sorry (Pool/Lock.lean:14)"},
			{"Pool.by_machine", runner.Failure, "rests on native evaluation (axiom "},
			{"Pool.honest", runner.Success, ""},
			{"Pool.capacity_pos", runner.Success, ""},
		} {
			th, ok := ths[want.name]
			if !ok || th.Verdict != want.verdict || !strings.HasPrefix(th.Reason, want.reason) || want.reason == "" && th.Reason != "" {
				t.Errorf("%s: %+v", want.name, th)
			}
			if th.Line == 0 || th.File == "" {
				t.Errorf("%s has no place", want.name)
			}
		}
		if th := ths["Pool.trust_me"]; th.Kind != "axiom" {
			t.Errorf("trust_me is a %s", th.Kind)
		}
		for _, rest := range []string{"Pool.unfinished rests on sorry"} {
			if !strings.Contains(res.Reason, rest) {
				t.Errorf("reason %q lacks %q", res.Reason, rest)
			}
		}
		// The example is no declaration, only the build saw it.
		if !slices.ContainsFunc(res.Findings, func(f runner.Finding) bool {
			return f.Line == 24 && f.Rule == "sorry" && f.Verdict == runner.Neutral
		}) {
			t.Errorf("no finding for the example: %+v", res.Findings)
		}
	})
	t.Run("debts tolerated", func(t *testing.T) {
		cfg := cfg
		cfg.Sorry = SorryWarn
		cfg.AllowedAxioms = []string{"propext", "Pool.trust_me", "Lean.ofReduceBool", "Lean.trustCompiler"}
		res := run(t, cfg, workspace(t, lay(t, "base", "debts"), cache))
		ths := theorems(res)
		if th := ths["Pool.leans_on_it"]; th.Verdict != runner.Neutral {
			t.Errorf("leans_on_it: %+v", th)
		}
		if th := ths["Pool.trust_me"]; th.Verdict != runner.Success {
			t.Errorf("trust_me: %+v", th)
		}
		if th := ths["Pool.indirect"]; th.Verdict != runner.Success {
			t.Errorf("indirect: %+v", th)
		}
		if res.Verdict != runner.Success || !slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "policy tolerates") }) {
			t.Errorf("got %s: %s, %v", res.Verdict, res.Reason, res.Warnings)
		}
	})
	t.Run("not trusted", func(t *testing.T) {
		dir := lay(t, "base", "type-error")
		// A commit that brings compiled modules of its own.
		forged := filepath.Join(dir, ".lake", "build", "lib", "lean", "Pool", "Types.olean")
		if err := os.MkdirAll(filepath.Dir(forged), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(forged, []byte("olean"), 0o644); err != nil {
			t.Fatal(err)
		}
		ws := workspace(t, dir, t.TempDir())
		ws.Trusted, ws.Warm = false, cache
		before := listing(t, cache)
		res := run(t, cfg, ws)
		// The good Pool.Types of the trusted runs and the forged one were both not used: the
		// one is of another source, the other was not looked at.
		if m := modules(res)["Pool.Types"]; res.Verdict != runner.Failure || m.Verdict != runner.Failure || m.Reused {
			t.Fatalf("got %s: %s; %+v", res.Verdict, res.Reason, m)
		}
		if !slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "carries a .lake folder") }) {
			t.Errorf("warnings: %v", res.Warnings)
		}
		if after := listing(t, cache); !slices.Equal(before, after) {
			t.Errorf("the cache of trusted runs changed:\n%v\n%v", before, after)
		}
		if left, _ := filepath.Glob(filepath.Join(ws.Scratch, "lean-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	t.Run("replay", func(t *testing.T) { leanReplay(t, cfg, cache) })
}

func listing(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		out = append(out, p+" "+fi.ModTime().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const limit = 10 * 60 * 1e9 // ten minutes; a slow machine is no failure
