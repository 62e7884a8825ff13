package proofs

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestExportAgrees compares what lean4export and what inventory.lean printed of one
// project, both recorded: every theorem must state, mean and rest on the same.
func TestExportAgrees(t *testing.T) {
	inv, err := parseInventory([]byte(listed(t)), "K ", listedModules)
	if err != nil {
		t.Fatal(err)
	}
	text := exportFile(t, "base.ndjson")
	compare := func(text string) (*crosscheck, error) {
		x, err := readExport(text)
		if err != nil {
			t.Fatal(err)
		}
		c := &crosscheck{standIn: true, decls: map[string]*declaration{}}
		var names []string
		for i := range inv.decls {
			d := &inv.decls[i]
			c.decls[key(d.Name)] = d
			if d.stated() && d.Module != "Main" {
				names = append(names, d.Name)
			}
		}
		return c, c.compare(x, newMeanings(x.t), names, func(d *declaration) bool { return d.Module != "Main" })
	}
	if c, err := compare(text); err != nil || c.differences > 0 || c.compared != 5 {
		t.Fatalf("%v, %d compared: %v", err, c.compared, c)
	}
	bend := func(old, new, want string) {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("the export has no %s", old)
		}
		if c, err := compare(strings.Replace(text, old, new, 1)); err != nil || c.differences == 0 || !strings.Contains(c.Error(), want) {
			t.Errorf("%s → %s: %v, %v", old, new, err, c)
		}
	}
	bend(`{"ie":105,"natVal":"8"}`, `{"ie":105,"natVal":"9"}`, "Pool.capacity_pos does not mean the same")
	bend(`"str":"propext"`, `"str":"prop"`, "Pool.same_claim rests on propext for one and on none for the other")
	bend(`"str":"unreached"`, `"str":"reached"`, "Pool.unreached was not exported")

	// By itself: with the places that an index gives.
	x, _ := readExport(text)
	p := &exportedProject{x: x, standIn: true, places: map[string]exportPlace{}, modules: map[string]bool{"Pool.Lock": true}}
	for _, d := range inv.decls {
		if d.Module != "Main" && !d.Internal && !strings.Contains(d.Name, "inst") { // an index has no derived instances
			p.places[d.Name] = exportPlace{module: d.Module, line: d.Line, column: d.Column}
		}
	}
	alone := &inventory{modules: map[string]int{}, axioms: map[string]axiomRecord{}}
	if err := p.list(alone, newMeanings(x.t), map[int32]int32{}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range inv.decls {
		if !d.stated() || d.Module == "Main" {
			continue
		}
		n++
		a := alone.find(d.User)
		if a.statement != d.statement || a.meaning != d.meaning || !slices.Equal(a.Axioms, d.Axioms) || a.Opaque != d.Opaque || a.Head != d.Head || a.Name != d.Name || a.Module != d.Module {
			t.Errorf("%+v\n%+v", a, d)
		}
	}
	if n != 5 || alone.axioms["propext"].Origin != "core" {
		t.Errorf("%d theorems, %+v", n, alone.axioms)
	}
	p.places["Pool.lost"] = exportPlace{module: "Pool", word: "theorem", line: 1}
	if err := p.list(alone, newMeanings(x.t), map[int32]int32{}); !errors.Is(err, errIncomplete) {
		t.Errorf("a theorem of the index that was not exported: %v", err)
	}
}
