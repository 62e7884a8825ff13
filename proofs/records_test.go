package proofs

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// listed is a small complete inventory, as inventory.lean prints it.
const listed = `K {"record":"header","lean":"4.28.0","githash":"38f3"}
K {"record":"module","name":"A","imports":["Init"],"decls":3}
K {"record":"module","name":"A.«b c»","imports":["A"],"decls":1}
K {"record":"decl","name":"bad","user":"bad","module":"A","kind":"axiom","line":3,"column":7,"internal":false,"unsafe":false,"axioms":["bad"],"opaque":0,"unknown":[],"refs":[],"pp":"False"}
K {"record":"decl","name":"lemma","user":"lemma","module":"A","kind":"theorem","line":4,"column":9,"internal":false,"unsafe":false,"axioms":["bad","propext"],"opaque":2,"unknown":[],"refs":["bad"],"pp":"1 = 2"}
K {"record":"decl","name":"lemma._proof_1","user":"lemma._proof_1","module":"A","kind":"theorem","line":0,"column":0,"internal":true,"unsafe":false,"axioms":[],"opaque":0,"unknown":[],"refs":[],"pp":""}
K {"record":"decl","name":"main","user":"main","module":"A.«b c»","kind":"theorem","line":2,"column":9,"internal":false,"unsafe":false,"axioms":["bad","propext"],"opaque":0,"unknown":[],"refs":["lemma"],"pp":"\u03bb = \ud835\udd3d"}
K {"record":"axiom","name":"bad","module":"A","origin":"project","pp":"False"}
K {"record":"end","modules":2,"decls":4,"missing":0}
`

func TestInventory(t *testing.T) {
	inv, err := parseInventory([]byte("noise of a module\n"+listed), "K ", []string{"A", "A.b c"})
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.decls) != 4 || inv.decls[3].PP != "λ = 𝔽" || inv.axioms["bad"].Origin != "project" || inv.lean != "4.28.0" {
		t.Errorf("%+v", inv)
	}
	byName := map[string]*declaration{}
	for i := range inv.decls {
		byName[inv.decls[i].Name] = &inv.decls[i]
	}
	if c := inv.cause(byName["main"], "bad", byName); c.Name != "lemma" {
		t.Errorf("the cause of main is %s", c.Name)
	}
	if c := inv.cause(byName["main"], "propext", byName); c.Name != "lemma" {
		t.Errorf("the cause of main is %s", c.Name)
	}
}

// TestInventoryFailsClosed drops, doubles and swaps every line of a good inventory.
func TestInventoryFailsClosed(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(listed, "\n"), "\n")
	wanted := []string{"A", "A.b c"}
	check := func(what string, changed []string) {
		t.Helper()
		_, err := parseInventory([]byte(strings.Join(changed, "")), "K ", wanted)
		if !errors.Is(err, errIncomplete) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i, l := range lines {
		if strings.Contains(l, `"record":"axiom"`) {
			continue // only says more about an axiom that declarations name
		}
		check("without "+l, append(append([]string{}, lines[:i]...), lines[i+1:]...))
		check("twice "+l, append(append(append([]string{}, lines[:i+1]...), l), lines[i+1:]...))
		check("cut "+l, append(append(append([]string{}, lines[:i]...), l[:len(l)/2]+"\n"), lines[i+1:]...))
	}
	check("nothing", nil)
	check("hidden axiom", []string{strings.Replace(listed, `"axioms":["bad","propext"],"opaque":0`, `"axioms":["propext"],"opaque":0`, 1)})
	check("unknown record", []string{strings.Replace(listed, `"axiom","name"`, `"axiomatic","name"`, 1)})
	if _, err := parseInventory([]byte(listed), "K ", []string{"A", "B"}); !errors.Is(err, errIncomplete) {
		t.Errorf("a module is missing: %v", err)
	}
	if _, err := parseInventory([]byte(listed), "L ", wanted); !errors.Is(err, errIncomplete) {
		t.Errorf("lines of somebody else: %v", err)
	}
}

func FuzzInventory(f *testing.F) {
	f.Add([]byte(listed))
	f.Add([]byte(strings.Replace(listed, `"decls":4`, `"decls":3`, 1)))
	f.Add([]byte(`K {"record":"header"}` + "\n" + `K {"record":"error","module":"A","text":"x"}` + "\n" + `K {"record":"end","modules":0,"decls":0}`))
	f.Fuzz(func(t *testing.T, out []byte) {
		inv, err := parseInventory(out, "K ", []string{"A"})
		if err != nil {
			if inv != nil && !errors.Is(err, errIncomplete) {
				t.Errorf("error %v", err)
			}
			return
		}
		// Accepted: it had an end, and it tells about every module asked for.
		if !bytes.Contains(out, []byte("end")) {
			t.Error("accepted without an end")
		}
		if _, ok := inv.modules["A"]; !ok && inv.failed["A"] == "" {
			t.Error("accepted without module A")
		}
		n := 0
		for _, c := range inv.modules {
			n += c
		}
		if n != len(inv.decls) {
			t.Errorf("%d declarations announced, %d kept", n, len(inv.decls))
		}
	})
}

func TestNative(t *testing.T) {
	for name, want := range map[string]bool{
		"Lean.ofReduceBool": true, "Lean.trustCompiler": true, "Foo.bar._native.native_decide.ax_1_1": true,
		"propext": false, "Foo.native": false, "Foo.my_native.x": false,
	} {
		if native(name) != want {
			t.Errorf("native(%s) = %v", name, !want)
		}
	}
}
