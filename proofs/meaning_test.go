package proofs

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestClosures compares the computation over components with plain reachability.
func TestClosures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "constants")
		tt := newTerms()
		sortTerm, _ := tt.addTerm('s', 0, 0, 0)
		var decls []*constant
		for i := range n {
			name, _ := tt.addName(0, "d"+strconv.Itoa(i), false)
			decls = append(decls, &constant{name: name, kind: "theorem", typ: sortTerm, value: -1})
		}
		outside := map[int32]int32{}
		s := newSets()
		var far []int32
		for i := range rapid.IntRange(0, 3).Draw(t, "outside") {
			name, _ := tt.addName(0, "o"+strconv.Itoa(i), false)
			outside[name] = s.intern([]int32{int32(i)})
			far = append(far, name)
		}
		leaf := map[int32]int32{}
		for i, d := range decls {
			for range rapid.IntRange(0, 4).Draw(t, "references") {
				d.refs = append(d.refs, int32(rapid.IntRange(1, n).Draw(t, "to")))
			}
			if len(far) > 0 && rapid.Bool().Draw(t, "leaves") {
				d.refs = append(d.refs, rapid.SampledFrom(far).Draw(t, "far"))
			}
			if rapid.IntRange(0, 5).Draw(t, "axiom") == 0 {
				leaf[d.name] = int32(10 + i)
			}
		}
		got, err := closures(decls, newWalker(tt), s, func(n int32) (int32, bool) { o, ok := outside[n]; return o, ok },
			func(n int32) int32 {
				if l, ok := leaf[n]; ok {
					return l
				}
				return -1
			})
		if err != nil {
			t.Fatal(err)
		}
		for i := range decls {
			want := map[int32]bool{}
			seen := map[int32]bool{}
			var visit func(name int32)
			visit = func(name int32) {
				if seen[name] {
					return
				}
				seen[name] = true
				if o, ok := outside[name]; ok {
					want[s.table[o][0]] = true
					return
				}
				if l, ok := leaf[name]; ok {
					want[l] = true
				}
				for _, r := range decls[name-1].refs {
					visit(r)
				}
			}
			visit(decls[i].name)
			var list []int32
			for l := range want {
				list = append(list, l)
			}
			slices.Sort(list)
			if !slices.Equal(list, s.table[got[i]]) {
				t.Fatalf("constant %d: %v, want %v", i, s.table[got[i]], list)
			}
		}
	})
}

// TestClosuresWantEverything: a constant about which nothing is said is no clean one.
func TestClosuresWantEverything(t *testing.T) {
	tt := newTerms()
	a, _ := tt.addName(0, "a", false)
	b, _ := tt.addName(0, "b", false)
	typ, _ := tt.addConst(b, nil)
	_, err := closures([]*constant{{name: a, kind: "theorem", typ: typ, value: -1}}, newWalker(tt), newSets(),
		func(int32) (int32, bool) { return 0, false }, func(int32) int32 { return -1 })
	if err == nil {
		t.Error("no error")
	}
}

// sketch is a small project: definitions over each other, and theorems about them.
type sketch struct {
	names    []string // of the definitions
	bodies   [][]int  // definitions that each one's body names
	numbers  []int    // a number in it
	cyclic   bool     // the first two need each other, as an inductive type and its constructor do
	helper   string   // a generated constant that the last body names
	universe string
	about    []int // definitions that the theorem's statement names
	proof    []int // and its proof
}

// hashes of the definitions, then of the theorem.
func (k sketch) hashes() []hashes {
	t := newTerms()
	id := map[string]int32{}
	name := func(s string) int32 {
		if i, ok := id[s]; ok {
			return i
		}
		id[s], _ = t.addName(0, s, false)
		return id[s]
	}
	u, _ := t.addLevel('P', name(k.universe), 0)
	sortU, _ := t.addTerm('s', u, 0, 0)
	app := func(f int32, args ...int32) int32 {
		for _, a := range args {
			f, _ = t.addTerm('a', f, a, 0)
		}
		return f
	}
	terms := func(refs []int) []int32 {
		var out []int32
		for _, r := range refs {
			c, _ := t.addConst(name(k.names[r]), []int32{u})
			out = append(out, c)
		}
		return out
	}
	arrow, _ := t.addTerm('p', sortU, sortU, 0)
	params := []int32{name(k.universe)}
	var decls []*constant
	for i, n := range k.names {
		refs := k.bodies[i]
		if k.cyclic && i == 0 && len(k.names) > 1 {
			refs = append(slices.Clone(refs), 1)
		}
		parts := append(terms(refs), t.addLiteral('n', strconv.Itoa(k.numbers[i])))
		if k.helper != "" && i == len(k.names)-1 {
			c, _ := t.addConst(name(k.helper), nil)
			parts = append(parts, c)
		}
		v, _ := t.addTerm('v', 0, 0, 0)
		body, _ := t.addTerm('l', sortU, app(v, parts...), 0)
		decls = append(decls, &constant{name: name(n), kind: "def", params: params, typ: arrow, value: body})
	}
	v, _ := t.addTerm('v', 0, 0, 0)
	typ, _ := t.addTerm('p', sortU, app(v, terms(k.about)...), 0)
	var refs []int32
	for _, r := range k.proof {
		refs = append(refs, name(k.names[r]))
	}
	decls = append(decls, &constant{name: name("theorem"), kind: "theorem", params: params, typ: typ, value: -1, refs: refs})
	if k.helper != "" {
		statement, _ := t.addTerm('p', t.addLiteral('n', "5"), v, 0)
		decls = append(decls, &constant{name: name(k.helper), kind: "theorem", typ: statement, value: -1, generated: true})
	}
	return newMeanings(t).group(decls)[:len(k.names)+1]
}

func (k sketch) clone() sketch {
	k.names, k.numbers, k.about, k.proof = slices.Clone(k.names), slices.Clone(k.numbers), slices.Clone(k.about), slices.Clone(k.proof)
	k.bodies = slices.Clone(k.bodies)
	for i := range k.bodies {
		k.bodies[i] = slices.Clone(k.bodies[i])
	}
	return k
}

// below are the definitions that the theorem's statement reaches.
func (k sketch) below() map[int]bool {
	seen := map[int]bool{}
	var visit func(i int)
	visit = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true
		for _, r := range k.bodies[i] {
			visit(r)
		}
		if k.cyclic && i == 0 && len(k.names) > 1 {
			visit(1)
		}
	}
	for _, i := range k.about {
		visit(i)
	}
	return seen
}

// TestMeaning: what changes a hash, and what does not.
func TestMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "definitions")
		k := sketch{universe: "u", cyclic: rapid.Bool().Draw(t, "cyclic"), helper: rapid.SampledFrom([]string{"", "d0._proof_1"}).Draw(t, "helper")}
		for i := range n {
			k.names = append(k.names, "d"+strconv.Itoa(i))
			k.numbers = append(k.numbers, i)
			var refs []int
			for r := range i {
				if rapid.Bool().Draw(t, "names") {
					refs = append(refs, r)
				}
			}
			k.bodies = append(k.bodies, refs)
		}
		for i := range n {
			if rapid.Bool().Draw(t, "about") {
				k.about = append(k.about, i)
			}
		}
		before := k.hashes()[n]

		same := k.clone()
		same.universe = "v"
		same.proof = []int{rapid.IntRange(0, n-1).Draw(t, "proof")}
		if k.helper != "" {
			same.helper = "d3._proof_7"
		}
		if after := same.hashes()[n]; after != before {
			t.Fatalf("a renamed universe, another proof or another number of a helper changed a hash")
		}

		changed := k.clone()
		i := rapid.IntRange(0, n-1).Draw(t, "changed")
		changed.numbers[i] = 99
		after := changed.hashes()[n]
		if after.statement != before.statement {
			t.Fatalf("a definition below changed the statement itself")
		}
		if moved := after.meaning != before.meaning; moved != k.below()[i] {
			t.Fatalf("definition %d changed; the theorem's meaning moved: %v, it is below: %v", i, moved, k.below()[i])
		}
		if (after.meaning.sum != before.meaning.sum) != (after.meaning.digest != before.meaning.digest) {
			t.Fatal("the hash and the digest disagree")
		}

		if len(k.about) > 0 {
			weaker := k.clone()
			weaker.about = weaker.about[1:]
			if after := weaker.hashes()[n]; after.statement == before.statement || after.meaning == before.meaning {
				t.Fatal("another statement has the same hash")
			}
		}
	})
}

func TestNameText(t *testing.T) {
	tt := newTerms()
	name := func(parts ...string) int32 {
		at := int32(0)
		for _, p := range parts {
			numeric := p[0] >= '0' && p[0] <= '9'
			next, err := tt.addName(at, p, numeric)
			if err != nil {
				for i, e := range tt.names {
					if e == (nameEntry{at, numeric, p}) {
						next = int32(i)
					}
				}
			}
			at = next
		}
		return at
	}
	for want, parts := range map[string][]string{
		"Pool.owner'":                  {"Pool", "owner'"},
		"Pool.«b c»":                   {"Pool", "b c"},
		"α.h₁.x!":                      {"α", "h₁", "x!"},
		"_private.Pool.Lock.0.Pool.in": {"_private", "Pool", "Lock", "0", "Pool", "in"},
		"«λ»":                          {"λ"},
	} {
		if got := tt.nameText(name(parts...)); got != want {
			t.Errorf("%q: %s, want %s", parts, got, want)
		}
	}
	if _, err := tt.addName(0, "Pool", false); err == nil {
		t.Error("a name was added twice")
	}
}
