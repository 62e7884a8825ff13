package proofs

import (
	"fmt"
	"slices"
)

// What stands at the end of a walk over everything that a declaration rests on.
const (
	leafAxiom   = "axiom"   // a real axiom
	leafOpaque  = "opaque"  // its body is withheld by the toolchain's own library
	leafUnknown = "unknown" // its body is withheld by, or it is missing from, anything else
)

// leaf is one such end.
type leaf struct {
	name int32
	text string
	kind string
}

// sets is a table of sets of leaves, each a sorted list of numbers. 0 is the empty set.
type sets struct {
	table [][]int32
	index map[string]int32
	memo  map[[2]int32]int32
}

func newSets() *sets {
	return &sets{table: [][]int32{nil}, index: map[string]int32{"": 0}, memo: map[[2]int32]int32{}}
}

func (s *sets) intern(list []int32) int32 {
	key := make([]byte, 0, 4*len(list))
	for _, n := range list {
		key = append(key, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	}
	if i, ok := s.index[string(key)]; ok {
		return i
	}
	i := int32(len(s.table))
	s.table = append(s.table, list)
	s.index[string(key)] = i
	return i
}

func (s *sets) union(a, b int32) int32 {
	switch {
	case a == b || b == 0:
		return a
	case a == 0:
		return b
	}
	key := [2]int32{min(a, b), max(a, b)}
	if i, ok := s.memo[key]; ok {
		return i
	}
	merged := slices.Concat(s.table[a], s.table[b])
	slices.Sort(merged)
	i := s.intern(slices.Compact(merged))
	s.memo[key] = i
	return i
}

// closures computes what each declaration of a group rests on: the leaves reachable over
// everything that it names, its proof included. outside gives the set of a constant that
// is none of them; leafOf the leaf that a declaration is itself, or -1.
func closures(decls []*constant, w *walker, s *sets, outside func(name int32) (int32, bool), leafOf func(name int32) int32) ([]int32, error) {
	index := make(map[int32]int32, len(decls))
	for i, d := range decls {
		index[d.name] = int32(i)
	}
	own := make([]int32, len(decls))
	var failed error
	edges := func(i int) []int32 {
		d := decls[i]
		var inside []int32
		set := int32(0)
		if l := leafOf(d.name); l >= 0 {
			set = s.intern([]int32{l})
		}
		each := func(name int32) {
			if j, ok := index[name]; ok {
				inside = append(inside, j)
			} else if o, ok := outside(name); ok {
				set = s.union(set, o)
			} else if failed == nil {
				failed = fmt.Errorf("%w: nothing is said about constant %s", errIncomplete, cut(w.t.nameText(name), 80))
			}
		}
		for _, name := range d.constants(w) {
			each(name)
		}
		for _, r := range d.refs {
			each(r)
		}
		own[i] = set
		return inside
	}
	// Dependencies come first, so a component needs only what its members name.
	refs := make([][]int32, len(decls))
	out := make([]int32, len(decls))
	for _, c := range components(len(decls), func(i int) []int32 { refs[i] = edges(i); return refs[i] }) {
		set := int32(0)
		for _, i := range c {
			set = s.union(set, own[i])
			for _, j := range refs[i] {
				set = s.union(set, out[j]) // of members of c still the empty one
			}
		}
		for _, i := range c {
			out[i] = set
		}
	}
	return out, failed
}
