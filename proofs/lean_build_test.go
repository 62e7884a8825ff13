package proofs

import (
	"bytes"
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
	ws = workspace(t, tree(t, files), cache)
	ws.Fresh = true
	res = run(t, cfg, ws)
	if res.Verdict != runner.Error || res.Proofs.Fresh || !strings.HasPrefix(res.Reason, "a build from nothing tells otherwise than the incremental build: theorem two is new; what was green since") {
		t.Errorf("got %s: %s, fresh %v", res.Verdict, res.Reason, res.Proofs.Fresh)
	}
	for _, m := range res.Proofs.Modules {
		if m.Reused || m.Seconds <= 0 {
			t.Errorf("%+v", m)
		}
	}
	// The fresh build took the place of the other.
	if after, err := os.ReadFile(filepath.Join(lib, "Two.olean")); err != nil || bytes.Equal(after, b) {
		t.Errorf("the earlier build is still there: %v", err)
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
		"lakefile.toml":  "name = \"a\"\n[[lean_lib]]\nname = \"A\"\n",
		"lean-toolchain": "leanprover/lean4:v4.28.0\n",
		"A.lean":         "#eval IO.println \"error: A.lean:9:9: said by a program\"\ntheorem é : 1 = 2 :=\n  rfl\n",
	})
	res := run(t, Config{Toolchains: []string{home}, Wrapper: self(t)}, workspace(t, dir, t.TempDir()))
	if m := modules(res)["A"]; m.Verdict != runner.Failure || !strings.HasPrefix(m.Reason, "A.lean:2:1: Not a definitional equality") || m.MaxRSS < 10<<20 || m.Seconds <= 0 {
		t.Errorf("%+v", m)
	}
	if slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "record of each module") }) {
		t.Errorf("warnings %q", res.Warnings)
	}
	if !slices.ContainsFunc(res.Findings, func(f runner.Finding) bool {
		return f.File == "A.lean" && f.Line == 3 && f.Column == 3 && f.EndLine == 3 && f.EndColumn == 6 && strings.HasSuffix(f.Text, "1 = 2")
	}) {
		t.Errorf("%+v", res.Findings)
	}
	if slices.ContainsFunc(res.Findings, func(f runner.Finding) bool { return f.Line == 9 }) {
		t.Errorf("what a program printed passes for Lean's word: %+v", res.Findings)
	}
}
