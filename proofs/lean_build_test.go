package proofs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// TestLeanFresh: what an incremental build hides, one from nothing shows.
func TestLeanFresh(t *testing.T) {
	cfg := Config{Toolchains: []string{leanHome(t)}}
	cache := t.TempDir()
	files := map[string]string{
		"lakefile.toml":  "name = \"a\"\ndefaultTargets = [\"run\"]\n[[lean_lib]]\nname = \"A\"\n[[lean_exe]]\nname = \"run\"\nroot = \"A.Empty\"\n",
		"lean-toolchain": "leanprover/lean4:v4.28.0\n",
		"A.lean":         "theorem one : 1 = 1 := rfl\n", "A/Two.lean": "theorem two (n : Nat) : n = n := rfl\n", "A/Empty.lean": "",
	}
	ws := workspace(t, tree(t, files), cache)
	ws.Fresh = true
	res := run(t, cfg, ws)
	// Nothing to compare with: what there is was built from nothing. The default target
	// reaches one of three modules.
	if res.Verdict != runner.Success || !res.Proofs.Fresh || len(res.Proofs.Theorems) != 2 || len(res.Proofs.Modules) != 3 {
		t.Fatalf("%s: %s, fresh %v, %+v", res.Verdict, res.Reason, res.Proofs.Fresh, res.Proofs.Modules)
	}
	if m := modules(res)["A.Two"]; !m.Unreached || modules(res)["A"].Unreached || modules(res)["A.Empty"].Unreached {
		t.Errorf("%+v", res.Proofs.Modules)
	}
	// The compiled module is not of its source, and the build tool does not see it.
	lib := filepath.Join(cache, "lean-"+digest("."), "lake", "build", "lib", "lean", "A")
	b, err := os.ReadFile(filepath.Join(lib, "Empty.olean"))
	if err == nil {
		err = os.WriteFile(filepath.Join(lib, "Two.olean"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		verdict runner.Verdict
		fresh   bool
		reason  string
	}{
		{runner.Error, false, "a build from nothing tells otherwise than the incremental build: theorem two is new; what was green since"},
		{runner.Success, true, "2 theorems in 3 modules hold"}, // the fresh build took the place of the other
	} {
		ws := workspace(t, tree(t, files), cache)
		ws.Fresh = true
		res := run(t, cfg, ws)
		if res.Verdict != want.verdict || res.Proofs.Fresh != want.fresh || !strings.HasPrefix(res.Reason, want.reason) {
			t.Errorf("got %s: %s, fresh %v", res.Verdict, res.Reason, res.Proofs.Fresh)
		}
		for _, m := range res.Proofs.Modules {
			if m.Reused || m.Seconds <= 0 {
				t.Errorf("%+v", m)
			}
		}
	}
}

// TestLeanRecorded runs the real Lean behind our own program, called as Lake's sources
// say that Lake calls it.
func TestLeanRecorded(t *testing.T) {
	home := protocol(t, "#!/bin/sh\nexec "+filepath.Join(leanHome(t), "bin", "lean")+" \"$@\"\n")
	lake := strings.NewReplacer("LAKE'", "Lake version 5.0.0-shim (Lean version 4.28.0-pre)'", "EXTRA ", "").Replace(lakeScript)
	if err := os.WriteFile(filepath.Join(home, "bin", "lake"), []byte(lake), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{
		"lakefile.toml":  "name = \"a\"\n[[lean_lib]]\nname = \"A\"\nroots = [\"A\", \"B\"]\n",
		"lean-toolchain": "leanprover/lean4:v4.28.0\n",
		"A.lean":         "theorem é : 1 = 1 := sorry\n#eval IO.println \"error: A.lean:9:9: said by a program\"\n",
		"B.lean":         "import A\ntheorem two : 1 = 2 :=\n  rfl\n",
	})
	res := run(t, Config{Toolchains: []string{home}, Wrapper: self(t)}, workspace(t, dir, t.TempDir()))
	ms := modules(res)
	if m := ms["A"]; m.Verdict != runner.Success || m.MaxRSS < 10<<20 || m.Seconds <= 0 {
		t.Errorf("%+v", m)
	}
	if m := ms["B"]; m.Verdict != runner.Failure || !strings.HasPrefix(m.Reason, "B.lean:3:3: ") || m.MaxRSS < 10<<20 {
		t.Errorf("%+v", m)
	}
	if slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "record of each module") }) {
		t.Errorf("warnings %q", res.Warnings)
	}
	i := slices.IndexFunc(res.Findings, func(f runner.Finding) bool { return f.File == "B.lean" && f.Verdict == runner.Failure })
	if i < 0 || res.Findings[i].EndLine != 3 || res.Findings[i].EndColumn != 6 || !strings.Contains(res.Findings[i].Text, "1 = 2") {
		t.Errorf("%+v", res.Findings)
	}
	if th := theorems(res)["é"]; th.Verdict != runner.Failure || th.Reason != "rests on sorry" {
		t.Errorf("%+v", th)
	}
	if slices.ContainsFunc(res.Findings, func(f runner.Finding) bool { return f.Line == 9 }) {
		t.Errorf("what a program printed passes for Lean's word: %+v", res.Findings)
	}
}
