package proofs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// exporterFolder is a folder whose bin/lean4export says what the real one was recorded to
// say of testdata/base without Main, bent by edit, a script of sed.
func exporterFolder(t *testing.T, edit string) string {
	t.Helper()
	recorded, err := filepath.Abs(filepath.Join("testdata", "export", "base.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec sed -e %s %s\n", quote(edit), quote(recorded))
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "lean4export"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// layLibrary lays testdata/base without its executable.
func layLibrary(t *testing.T) string {
	t.Helper()
	dir := lay(t, "base")
	file := filepath.Join(dir, "lakefile.toml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(b), "[[lean_exe]]")
	if err := errors.Join(os.Remove(filepath.Join(dir, "Main.lean")), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// testExport uses an exporter on testdata/base, which cache has built and listed: as a
// witness, as a witness who says something else, and alone.
func testExport(t *testing.T, home, cache string) {
	ws := workspace(t, layLibrary(t), cache)
	e := &examination{cfg: New(Config{Toolchains: []string{home, ""}}).cfg, ws: ws, dir: ws.Dir, rel: ".", log: "proofs", kept: programs}
	var err error
	if e.project, err = loadProject(e.dir); err != nil {
		t.Fatal(err)
	}
	detach, _, err := e.attach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { detach() }()
	if e.tool, err = e.resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(e.tool.version, "38f3c0c4") {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the export was recorded with another Lean than %s", e.tool.version)
		}
		t.Skipf("the export was recorded with another Lean than %s: the two inventories are not compared", e.tool.version)
	}
	b, err := e.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.cfg.Toolchains[1] = exporterFolder(t, "")
	inv, how, _, err := e.inventory(t.Context(), b.current)
	if err != nil || how != byWalk {
		t.Fatal("nobody asked for a witness:", how, err)
	}
	e.fromNothing = true
	groups := e.groups(b.current)
	how, warnings, err := e.witness(t.Context(), inv, groups)
	if err != nil || how.words != byWalk.words+"; confirmed by lean4export 3.1.0" || how.scheme != byWalk.scheme || len(warnings) > 0 {
		t.Errorf("%v, %q, %v", how, warnings, err)
	}
	if log, err := os.ReadFile(filepath.Join(ws.Logs, "proofs-export.log")); err != nil || strings.Contains(string(log), `"ie"`) {
		t.Errorf("the log holds the export: %d bytes, %v", len(log), err)
	}
	for _, lie := range []struct{ edit, want string }{
		{`s/"natVal":"8"/"natVal":"9"/`, "capacity_pos does not mean the same"},
		{`s/"str":"propext"/"str":"axiom"/`, "same_claim rests on propext for one and on"},
		{`s/"bvar":1}/"bvar":0}/; s/"bvar":1,/"bvar":0,/`, "does not state the same"},
		{`$d`, "was not exported"}, // the last theorem
	} {
		e.cfg.Toolchains[1] = exporterFolder(t, lie.edit)
		_, _, err := e.witness(t.Context(), inv, groups)
		var differ *crosscheck
		if !errors.As(err, &differ) || !strings.Contains(err.Error(), lie.want) {
			t.Errorf("%s: %v", lie.edit, err)
		}
	}
	// One that cannot be read says nothing against the theorems.
	for _, edit := range []string{`1d`, `s/"version":"3.1.0"/"version":"4.0.0"/g`, `s/"version":"4[.]28/"version":"4.27/; s/"githash":"[0-9a-f]*"/"githash":""/`} {
		e.cfg.Toolchains[1] = exporterFolder(t, edit)
		how, warnings, err := e.witness(t.Context(), inv, groups)
		if err != nil || how != byWalk || len(warnings) != 1 || !strings.Contains(warnings[0], "were not compared") {
			t.Errorf("%s: %v, %q, %v", edit, how, warnings, err)
		}
	}
	// Alone, every theorem is what it was.
	e.cfg.Toolchains[1] = exporterFolder(t, "")
	alone, how, unusable := e.listExport(t.Context(), b.current, groups)
	if alone == nil || how != byExport("lean4export 3.1.0") {
		t.Fatal(how, unusable)
	}
	n := 0
	for _, d := range inv.decls {
		if !d.stated() {
			continue
		}
		n++
		a := alone.find(d.User)
		if a.statement != d.statement || a.meaning != d.meaning || !slices.Equal(a.Axioms, d.Axioms) || a.Opaque != d.Opaque || a.Line != d.Line || a.Column != d.Column || a.Name != d.Name || a.Module != d.Module {
			t.Errorf("%+v\n%+v", a, d)
		}
	}
	if n != 5 {
		t.Errorf("%d theorems", n)
	}
	detach()
	detach = func() {}
	t.Run("stage", func(t *testing.T) { // without a program of our own
		st := New(Config{Toolchains: []string{home, exporterFolder(t, "")}, Replay: ReplayOff})
		st.breakInventory, st.programs = true, programs
		res := runner.Execute(t.Context(), st, workspace(t, layLibrary(t), unlisted(t, cache)), limit)
		if res.Verdict != runner.Success || len(res.Proofs.Theorems) != 5 || res.Proofs.Scheme != "export/1" || !strings.Contains(res.Proofs.Inventory, "as lean4export 3.1.0 exported them") {
			t.Fatalf("got %s: %s, %q, %+v", res.Verdict, res.Reason, res.Proofs.Inventory, res.Proofs.Theorems)
		}
	})
}
