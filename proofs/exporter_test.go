package proofs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAskable(t *testing.T) {
	for name, want := range map[string]bool{
		"Nat.add": true, "_private.A.B.0.x": true, "A.«strange name!».b": true, "α₁.x'": true, "A.«x.y»": true,
		"": false, "A..b": false, "A.": false, "x✝": false, "A._@.B._hyg.3": false, "A.«x": false, "-- x": false, "a b": false,
	} {
		if askable(name) != want {
			t.Errorf("askable(%q) = %v", name, !want)
		}
	}
}

// TestExporter runs exporters that are scripts: which are taken, how they are asked, and
// what becomes of an answer that ends early, late or not at all.
func TestExporter(t *testing.T) {
	sample, err := filepath.Abs(filepath.Join("testdata", "export", "sample.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	dir := lay(t, "base")
	script := func(file, body string) string {
		t.Helper()
		file = filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(file)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	e := &examination{
		ws: workspace(t, dir, ""), dir: dir, rel: ".", log: "proofs",
		tool: &toolchain{dir: filepath.Join(dir, "tool"), number: "4.28.0", requested: "leanprover/lean4:v4.28.0"},
	}
	if e.project, err = loadProject(dir); err != nil {
		t.Fatal(err)
	}
	e.cfg.Toolchains = []string{e.tool.dir, filepath.Join(dir, "other"), filepath.Join(dir, "none")}
	own := script(".lake/packages/lean4export/.lake/build/bin/lean4export", "")
	other := script("other/bin/lean4export", "")
	core := script("tool/bin/leanexport", "")
	write("lake-manifest.json", `{"version":"1.1.0","packagesDir":".lake/packages","packages":[{"type":"git","name":"lean4export","rev":"0"}]}`)
	found := func() (out []string) {
		for _, by := range e.exporters() {
			out = append(out, by.program)
		}
		return out
	}
	write(".lake/packages/lean4export/lean-toolchain", "leanprover/lean4:v4.27.0\n")
	if got := found(); !slices.Equal(got, []string{core, other}) {
		t.Errorf("the package is for another Lean: %v", got)
	}
	write(".lake/packages/lean4export/lean-toolchain", "leanprover/lean4:v4.28.0\n")
	if got := found(); !slices.Equal(got, []string{core, own, other}) {
		t.Errorf("got %v", got)
	}
	e.ws.Trusted = false
	if got := found(); !slices.Equal(got, []string{core, other}) {
		t.Errorf("what a stranger's project built is no witness: %v", got)
	}

	var names []string
	for i := range maxArgs / 20 {
		names = append(names, fmt.Sprintf("Some.long.name.of.a.theorem%d", i))
	}
	for _, tt := range []struct {
		body string
		runs int
		want string // in the error; "" for none
	}{
		{"echo asked $# $1 $2 $3 $4 >&2; cat " + quote(sample), 2, ""},
		{"cat " + quote(sample) + "; echo later", 1, "line 54"},
		{"cat " + quote(sample) + "; printf '{'", 1, "has no end"},
		{"head -c 1000 " + quote(sample), 1, "has no end"},
		{"echo nonsense; exec sleep 600", 1, "line 1"},
		{"cat " + quote(sample) + "; exit 1", 1, "exit code 1"},
		{"cat " + quote(sample) + "; echo INTERNAL PANIC: out of memory >&2; exit 1", 1, "out of memory"},
		{"cat " + quote(sample) + "; echo PANIC at Option.get! >&2", 1, "PANIC at"},
		{"sed -e s/4.28.0/4.27.0/ " + quote(sample), 1, "is for Lean 4.27.0"},
		{"exit 0", 1, "line 1"},
	} {
		by := &exporter{program: script("tool/bin/leanexport", tt.body)}
		table := newTerms()
		err := e.export(t.Context(), by, newExportReader(table, newInterner(table)), []string{"Pool", "Main"}, names)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) || by.runs != tt.runs {
			t.Errorf("%s: %d runs, %v", tt.body, by.runs, err)
		}
		if tt.want == "" {
			log, _ := os.ReadFile(filepath.Join(e.ws.Logs, "proofs-export2.log"))
			if !strings.Contains(string(log), " --export-unsafe --ignore-missing Pool Main\n") {
				t.Errorf("the log of the second run: %s", cut(string(log), 300))
			}
		}
	}
}
