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

// exporterFolder is a folder whose bin/lean4export is a test's own exporter, run by the
// Lean at hand. Answers are kept, so that edit, a script of sed, may bend them afterwards.
func exporterFolder(t *testing.T, kept, edit string) string {
	t.Helper()
	source, err := filepath.Abs(filepath.Join("testdata", "export", "Export.lean"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// A stand-in's `lean --run` ends with 1, whatever the program says, and now and then it
	// falls over ("memory access out of bounds").
	script := fmt.Sprintf(`#!/bin/sh
kept=%s/$(printf %%s "$*" | cksum | tr ' ' -)
for try in 1 2 3 4 5; do
	[ -f "$kept" ] && exec sed -e %s "$kept"
	lean --run %s "$@" >"$kept.new"
	[ $? -le 1 ] && mv "$kept.new" "$kept"
done
exit 2
`, quote(kept), quote(edit), quote(source))
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "lean4export"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// testExport uses an exporter on testdata/base, which cache has built and listed: as a
// witness, as a witness who says something else, and alone.
func testExport(t *testing.T, home, cache string) {
	kept := t.TempDir()
	ws := workspace(t, lay(t, "base"), cache)
	e := &examination{cfg: New(Config{Toolchains: []string{home, ""}}).cfg, ws: ws, dir: ws.Dir, rel: ".", log: "proofs"}
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
	b, err := e.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.cfg.Toolchains[1] = exporterFolder(t, kept, "")
	inv, how, _, err := e.inventory(t.Context(), b.current)
	if err != nil || how != byWalk {
		t.Fatal("nobody asked for a witness:", how, err)
	}
	e.fromNothing = true
	groups := e.groups(b.current)
	how, warnings, err := e.witness(t.Context(), inv, groups)
	if err != nil || how.words != byWalk.words+"; confirmed by test-exporter 1" || how.scheme != byWalk.scheme || len(warnings) > 0 {
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
		e.cfg.Toolchains[1] = exporterFolder(t, kept, lie.edit)
		_, _, err := e.witness(t.Context(), inv, groups)
		var differ *crosscheck
		if !errors.As(err, &differ) || !strings.Contains(err.Error(), lie.want) {
			t.Errorf("%s: %v", lie.edit, err)
		}
	}
	// One that cannot be read says nothing against the theorems.
	for _, edit := range []string{`1d`, `s/"version":"3.1.0"/"version":"4.0.0"/`, `s/"version":"4[.]28/"version":"4.27/; s/"githash":"[0-9a-f]*"/"githash":""/`} {
		e.cfg.Toolchains[1] = exporterFolder(t, kept, edit)
		how, warnings, err := e.witness(t.Context(), inv, groups)
		if err != nil || how != byWalk || len(warnings) != 1 || !strings.Contains(warnings[0], "were not compared") {
			t.Errorf("%s: %v, %q, %v", edit, how, warnings, err)
		}
	}
	// Alone, every theorem is what it was.
	e.cfg.Toolchains[1] = exporterFolder(t, kept, "")
	alone, how, unusable := e.listExport(t.Context(), b.current, groups)
	if alone == nil || how != byExport("test-exporter 1") {
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
		st := New(Config{Toolchains: []string{home, exporterFolder(t, kept, "")}, Replay: ReplayOff})
		st.breakInventory = true
		fresh := t.TempDir() // no kept listing, but the same build
		if err := os.CopyFS(fresh, os.DirFS(cache)); err != nil {
			t.Fatal(err)
		}
		kept, _ := filepath.Glob(filepath.Join(fresh, "*", "inventory-*"))
		for _, f := range kept {
			os.Remove(f)
		}
		res := runner.Execute(t.Context(), st, workspace(t, lay(t, "base"), fresh), limit)
		if res.Verdict != runner.Success || len(res.Proofs.Theorems) != 5 || res.Proofs.Scheme != "export/1" || !strings.Contains(res.Proofs.Inventory, "as test-exporter 1 exported them") {
			t.Fatalf("got %s: %s, %q, %+v", res.Verdict, res.Reason, res.Proofs.Inventory, res.Proofs.Theorems)
		}
	})
}
