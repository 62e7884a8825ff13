package proofs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// listed is what inventory.lean printed of testdata/base.
func listed(tb testing.TB) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "listing", "base.txt"))
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

var listedModules = []string{"Main", "Pool", "Pool.Types", "Pool.Lock", "Pool.Unreached"}

func (inv *inventory) find(name string) *declaration {
	for i := range inv.decls {
		if inv.decls[i].User == name {
			return &inv.decls[i]
		}
	}
	return &declaration{}
}

func TestInventory(t *testing.T) {
	inv, err := parseInventory([]byte("noise of a module\n"+listed(t)), "K ", listedModules)
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.decls) != 36 || !strings.HasPrefix(inv.lean, "4.28.0") || inv.axioms["propext"].Origin != "core" {
		t.Errorf("%d declarations, %q, %+v", len(inv.decls), inv.lean, inv.axioms)
	}
	d := inv.find("Pool.same_claim")
	if fmt.Sprint(d.Axioms, d.direct) != "[propext] [propext]" || d.PP != "∀ (p q : Prop), (p ↔ q) → p = q" || d.Line != 15 || len(d.statement) != 40 {
		t.Errorf("%+v", d)
	}
	if d := inv.find("Pool.acquire_held"); d.Name != "_private.Pool.Lock.0.Pool.acquire_held" || d.Head != "rfl" {
		t.Errorf("%+v", d)
	}
	if d := inv.find("Pool.owner_is_kept"); len(d.refs) != 5 {
		t.Errorf("it names %d declarations of the project", len(d.refs))
	}
}

// TestInventoryFailsClosed drops, doubles, cuts and bends what was printed: a listing that
// is not the whole, or not what the terms in it say, is none.
func TestInventoryFailsClosed(t *testing.T) {
	whole := listed(t)
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	check := func(what, changed string) {
		t.Helper()
		if _, err := parseInventory([]byte(changed), "K ", listedModules); !errors.Is(err, errIncomplete) {
			t.Errorf("%s: %v", cut(what, 200), err)
		}
	}
	for i, l := range lines {
		if strings.Contains(l, `"record":"axiom"`) {
			continue // only says more about an axiom that declarations name
		}
		before, after := strings.Join(lines[:i], ""), strings.Join(lines[i+1:], "")
		check("without "+l, before+after)
		check("twice "+l, before+l+l+after)
		check("cut "+l, before+l[:len(l)/2]+"\n"+after)
	}
	check("nothing", "")
	bend := func(old, new string) {
		t.Helper()
		if !strings.Contains(whole, old) {
			t.Fatalf("the listing has no %s", old)
		}
		check(old+" → "+new, strings.Replace(whole, old, new, 1))
	}
	bend("\ttheorem\t", "\tdef\t")
	bend("\t391\t", "\t390\t") // Pool.capacity
	bend("\tn 8;", "\tn 9;")   // is another number
	bend(`"propext","axiom"`, `"propext","opaque"`)
	bend("\"of_decide_eq_true\"\t6\t", "\"of_decide_eq_true\"\t0\t") // rests on less
	bend(`"format":2`, `"format":1`)
	bend(`"record":"axiom"`, `"record":"axiomatic"`)
	bend(`;p 7 13;`, `;p 13 7;`)
	if _, err := parseInventory([]byte(whole), "K ", append(listedModules, "Other")); !errors.Is(err, errIncomplete) {
		t.Errorf("a module is missing: %v", err)
	}
	if _, err := parseInventory([]byte(whole), "L ", listedModules); !errors.Is(err, errIncomplete) {
		t.Errorf("lines of somebody else: %v", err)
	}
}

func FuzzInventory(f *testing.F) {
	whole := listed(f)
	f.Add([]byte(whole))
	f.Add([]byte(strings.Replace(whole, `"decls":36`, `"decls":35`, 1)))
	f.Add([]byte(`K {"record":"header","format":2}` + "\n" + `K {"record":"error","module":"Main","text":"x"}` + "\n" + `K {"record":"end","modules":0,"decls":0}`))
	f.Fuzz(func(t *testing.T, out []byte) {
		inv, err := parseInventory(out, "K ", []string{"Main"})
		if err != nil {
			if inv != nil || !errors.Is(err, errIncomplete) {
				t.Errorf("error %v", err)
			}
			return
		}
		// Accepted: it had an end, and it tells about every module asked for.
		if !bytes.Contains(out, []byte("end")) {
			t.Error("accepted without an end")
		}
		if _, ok := inv.modules["Main"]; !ok && inv.failed["Main"] == "" {
			t.Error("accepted without module Main")
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

// printer writes an inventory in the form of inventory.lean, for listings larger than any
// project at hand.
type printer struct {
	bytes.Buffer
	t *terms

	decls []*constant
	texts []string
	sets  []int
}

func newPrinter(module string, decls int) *printer {
	p := &printer{t: newTerms()}
	fmt.Fprintf(p, "K {\"record\":\"header\",\"format\":2,\"lean\":\"4.28.0\"}\nK {\"record\":\"module\",\"name\":%q,\"decls\":%d}\n", module, decls)
	return p
}

func (p *printer) name(parts ...string) int32 {
	at := int32(0)
next:
	for _, s := range parts {
		for i := len(p.t.names) - 1; i > 0 && i > len(p.t.names)-50; i-- {
			if p.t.names[i].parent == at && p.t.names[i].text == s {
				at = int32(i)
				continue next
			}
		}
		at, _ = p.t.addName(at, s, false)
	}
	return at
}

func (p *printer) add(c *constant, text string, set int) {
	p.decls, p.texts, p.sets = append(p.decls, c), append(p.texts, text), append(p.sets, set)
}

// end prints the declarations, a group of them, and the end.
func (p *printer) end(module string, leaves []leaf, sets [][]int32, outside map[int32]int32) []byte {
	hs := newMeanings(p.t).group(p.decls)
	var nodes strings.Builder
	for i := range p.t.nodes {
		n := &p.t.nodes[i]
		if i > 0 {
			nodes.WriteByte(';')
		}
		nodes.WriteByte(n.kind)
		put := func(v int32) { nodes.WriteString(" " + strconv.Itoa(int(v))) }
		switch n.kind {
		case 'c':
			put(n.a)
			for k := range n.c {
				put(p.t.args[n.b+k])
			}
		case 'n':
			nodes.WriteString(" " + p.t.texts[n.a])
		default:
			for _, v := range []int32{n.a, n.b, n.c}[:arity(n.kind)] {
				put(v)
			}
		}
	}
	// The tables, in parts as a program that goes declaration by declaration prints them.
	all := strings.Split(nodes.String(), ";")
	var names []string
	for _, e := range p.t.names[1:] {
		names = append(names, strconv.Itoa(int(e.parent))+" "+e.text)
	}
	js := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	last := 0
	for i, c := range p.decls {
		if need := int(max(c.typ, c.value)) + 1; last < need {
			fmt.Fprintf(p, "K tables\t%s\t\t%s\t[]\n", js(append([]string{}, names...)), strings.Join(all[last:need], ";"))
			last, names = need, nil
		}
		fmt.Fprintf(p, "K decl\t%d\t%q\t\"\"\t%q\t%s\t%d\t9\t%v\t[]\t%d\t%d\t%s\t0\t[]\t\"\"\t%d\t%d\t%d\t\"a = b\"\n",
			c.name, p.texts[i], module, c.kind, i+1, c.generated, c.typ, c.value+1, js(append([]int32{}, c.refs...)), p.sets[i], hs[i].statement.digest, hs[i].meaning.digest)
	}
	var ls [][3]any
	for _, l := range leaves {
		ls = append(ls, [3]any{l.name, l.text, l.kind})
	}
	var out [][2]int32
	for n, s := range outside {
		out = append(out, [2]int32{n, s})
	}
	fmt.Fprintf(p, "K {\"record\":\"sets\",\"leaves\":%s,\"sets\":%s,\"outside\":%s}\nK {\"record\":\"end\",\"modules\":1,\"decls\":%d}\n", js(ls), js(sets), js(out), len(p.decls))
	return p.Bytes()
}

// many is a listing of theorems, each about a definition of its own, some thirty terms
// large, resting on three lemmas before it.
func many(n int) []byte {
	p := newPrinter("Big", 2*n)
	eq, nat, propext := p.name("Eq"), p.name("Nat"), p.name("propext")
	plus := p.name("HAdd", "hAdd")
	natTerm, _ := p.t.addConst(nat, nil)
	eqTerm, _ := p.t.addConst(eq, nil)
	plusTerm, _ := p.t.addConst(plus, nil)
	app := func(f int32, args ...int32) int32 {
		for _, a := range args {
			f, _ = p.t.addTerm('a', f, a, 0)
		}
		return f
	}
	var before []int32
	for i := range n {
		text := "Big.section" + strconv.Itoa(i%100) + ".size" + strconv.Itoa(i)
		def, _ := p.t.addName(0, text, false)
		v, _ := p.t.addTerm('v', 0, 0, 0)
		sum := app(plusTerm, v, p.t.addLiteral('n', strconv.Itoa(i)))
		value, _ := p.t.addTerm('l', natTerm, sum, 0)
		typ, _ := p.t.addTerm('p', natTerm, natTerm, 0)
		p.add(&constant{name: def, kind: "def", typ: typ, value: value}, text, 0)
		own, _ := p.t.addConst(def, nil)
		body := v
		for k := range 8 {
			body = app(plusTerm, body, p.t.addLiteral('n', strconv.Itoa(k)))
		}
		statement := app(eqTerm, natTerm, app(own, v), body)
		statement, _ = p.t.addTerm('p', natTerm, statement, 0)
		text = "Big.section" + strconv.Itoa(i%100) + ".theorem" + strconv.Itoa(i)
		thm, _ := p.t.addName(0, text, false)
		refs := append([]int32{propext, eq, plus}, before[max(0, len(before)-3):]...)
		before = append(before, thm)
		p.add(&constant{name: thm, kind: "theorem", typ: statement, value: -1, refs: refs}, text, 1)
	}
	return p.end("Big", []leaf{{propext, "propext", leafAxiom}}, [][]int32{{}, {0}}, map[int32]int32{eq: 0, nat: 0, plus: 0, propext: 1})
}

func TestManyIsWhole(t *testing.T) {
	inv, err := parseInventory(many(50), "K ", []string{"Big"})
	if err != nil || len(inv.decls) != 100 || fmt.Sprint(inv.decls[99].Axioms) != "[propext]" || len(inv.decls[99].refs) != 4 {
		t.Fatal(err)
	}
}

// BenchmarkInventory reads 10,000 theorems over 10,000 definitions.
func BenchmarkInventory(b *testing.B) {
	out := many(10_000)
	b.SetBytes(int64(len(out)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseInventory(out, "K ", []string{"Big"}); err != nil {
			b.Fatal(err)
		}
	}
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
