package proofs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// identity is what two theorems have in common in one pass of a matching.
type identity struct {
	name, module, file, hash, meaning string
	private, axiom                    bool
}

// matchNames finds for each theorem of the head its index at the base, or -1. Nearly all
// names are there once on each side. What is left, private theorems of one name in several
// modules or names that several projects have, is matched by module first, then by
// statement, and in the end by being the only one left.
func matchNames(base, head []runner.Theorem, hashes bool) []int32 {
	const several = -2
	first := make(map[string]int32, len(base))
	for i := range base {
		if _, ok := first[base[i].Name]; ok {
			first[base[i].Name] = several
		} else {
			first[base[i].Name] = int32(i)
		}
	}
	old := make([]int32, len(head))
	taken := make([]int32, len(base)) // index of the head + 1
	var again map[string]bool         // names that the head has more than once
	for i := range head {
		old[i] = -1
		b, ok := first[head[i].Name]
		switch {
		case !ok:
		case b == several, again[head[i].Name]:
		case taken[b] != 0: // the second of its name
			if again == nil {
				again = map[string]bool{}
			}
			again[head[i].Name] = true
		default:
			taken[b] = int32(i) + 1
			if base[b].Private == head[i].Private {
				old[i] = b
			}
		}
	}
	var bs, hs []int32
	for i := range head {
		if b, ok := first[head[i].Name]; ok && (b == several || again[head[i].Name]) {
			old[i] = -1
			hs = append(hs, int32(i))
		}
	}
	if len(hs) == 0 {
		return old
	}
	for i := range base {
		if first[base[i].Name] == several || again[base[i].Name] {
			bs = append(bs, int32(i))
		}
	}
	m := newMatcher(base, head, bs, hs, func(b, h int32) { old[h] = b })
	byModule := func(t *runner.Theorem) identity { return identity{name: t.Name, private: t.Private, module: t.Module} }
	if hashes {
		m.pass(false, func(t *runner.Theorem) identity {
			return identity{name: t.Name, private: t.Private, module: t.Module, file: t.File, hash: t.Hash}
		})
	}
	m.pass(false, func(t *runner.Theorem) identity {
		return identity{name: t.Name, private: t.Private, module: t.Module, file: t.File}
	})
	m.pass(false, byModule)
	if hashes {
		m.pass(false, func(t *runner.Theorem) identity {
			if t.Hash == "" {
				return identity{}
			}
			return identity{name: t.Name, private: t.Private, hash: t.Hash}
		})
	}
	m.pass(true, func(t *runner.Theorem) identity { return identity{name: t.Name, private: t.Private} })
	return old
}

// matchStatements pairs theorems that are lost with new ones of the same statement and
// meaning: first those of the same module and last part of the name, then of the same
// module, then of the same last part, then in order of their places.
func matchStatements(base, head []runner.Theorem, lost, fresh []int32, found func(b, h int32)) {
	if len(lost) == 0 || len(fresh) == 0 {
		return
	}
	m := newMatcher(base, head, lost, fresh, found)
	for _, by := range []struct{ module, last bool }{{true, true}, {true, false}, {false, true}, {}} {
		m.pass(false, func(t *runner.Theorem) identity {
			if t.Hash == "" || t.Meaning == "" {
				return identity{}
			}
			id := identity{hash: t.Hash, meaning: t.Meaning, axiom: t.Kind == "axiom"}
			if by.module {
				id.module = t.Module
			}
			if by.last {
				id.name = lastPart(t.Name)
			}
			return id
		})
	}
}

// matcher pairs what is left of two lists, one to one, in passes.
type matcher struct {
	base, head []runner.Theorem
	bs, hs     []int32 // not matched yet, in order of their places
	found      func(b, h int32)
}

func newMatcher(base, head []runner.Theorem, bs, hs []int32, found func(b, h int32)) *matcher {
	order := func(ts []runner.Theorem, list []int32) []int32 {
		slices.SortFunc(list, func(i, j int32) int {
			a, b := &ts[i], &ts[j]
			return cmp.Or(
				cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
				cmp.Compare(a.Name, b.Name), cmp.Compare(a.Module, b.Module), cmp.Compare(a.Kind, b.Kind),
				cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Meaning, b.Meaning), slices.Compare(a.Axioms, b.Axioms),
				cmp.Compare(a.Statement, b.Statement), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason),
				cmp.Compare(b2i(a.Private), b2i(b.Private)),
			)
		})
		return list
	}
	return &matcher{base, head, order(base, bs), order(head, hs), found}
}

// pass pairs theorems of equal identity in order, the first with the first; single: only
// where each side has one. The zero identity equals none.
func (m *matcher) pass(single bool, id func(*runner.Theorem) identity) {
	if len(m.bs) == 0 || len(m.hs) == 0 {
		return
	}
	queues := make(map[identity][]int32, len(m.bs))
	for _, b := range m.bs {
		if k := id(&m.base[b]); k != (identity{}) {
			queues[k] = append(queues[k], b)
		}
	}
	var count map[identity]int
	if single {
		count = make(map[identity]int, len(m.hs))
		for _, h := range m.hs {
			count[id(&m.head[h])]++
		}
	}
	gone := map[int32]bool{}
	left := m.hs[:0]
	for _, h := range m.hs {
		k := id(&m.head[h])
		q := queues[k]
		if len(q) == 0 || single && (len(q) != 1 || count[k] != 1) {
			left = append(left, h)
			continue
		}
		m.found(q[0], h)
		gone[q[0]] = true
		queues[k] = q[1:]
	}
	m.hs = left
	m.bs = slices.DeleteFunc(m.bs, func(b int32) bool { return gone[b] })
}

// lastPart is the last component of a name, "«b.c»" of "A.«b.c»".
func lastPart(name string) string {
	if strings.HasSuffix(name, "»") {
		if i := strings.LastIndex(name, "«"); i >= 0 {
			return name[i:]
		}
	}
	return name[strings.LastIndexByte(name, '.')+1:]
}
