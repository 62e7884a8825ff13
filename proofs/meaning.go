package proofs

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// constant is a declaration as the kernel has it: what its hashes and what it rests on are
// computed from. Integers number entries of one table of terms.
type constant struct {
	name      int32
	kind      string // theorem, axiom, def, opaque, inductive, constructor, recursor, quot; "withheld" without its body
	params    []int32
	typ       int32
	value     int32   // of a def or opaque; -1 for none
	refs      []int32 // constants that it names besides those of typ and value
	under     int32   // parameters of an inductive type
	ctors     []int32 // constructors of an inductive type
	generated bool    // nobody wrote it
	within    []int32 // constants that typ and value name, once it was asked for
}

// constants are those that the type and the definition name, each once.
func (c *constant) constants(w *walker) []int32 {
	if c.within == nil {
		c.within = make([]int32, 0, 8)
		w.constants([]int32{c.typ, c.value}, func(name int32) { c.within = append(c.within, name) })
	}
	return c.within
}

// meaningRefs calls each for the constants that it means by, some more than once. A proof
// is no part of that: two proofs of one statement are as good as each other.
func (c *constant) meaningRefs(w *walker, each func(int32)) {
	for _, name := range c.constants(w) {
		each(name)
	}
	switch c.kind {
	case "theorem", "recursor": // the rules of a recursor follow from the types
	default:
		for _, r := range c.refs {
			each(r)
		}
	}
}

// components lists the strongly connected components of the graph on 0…n-1 that edges
// describes, each after those that it points to. Its source is R. Tarjan, Depth-first
// search and linear graph algorithms, SIAM J. Comput. 1 (1972); the stack is explicit, since
// a chain of definitions may be as long as a project.
func components(n int, edges func(int) []int32) [][]int32 {
	const unseen = -1
	number := make([]int32, n) // order of discovery
	low := make([]int32, n)
	closed := make([]bool, n)
	for i := range number {
		number[i] = unseen
	}
	type frame struct {
		node int32
		refs []int32
	}
	var frames []frame
	var pending []int32
	var out [][]int32
	next := int32(0)
	enter := func(i int32) {
		number[i], low[i] = next, next
		next++
		pending = append(pending, i)
		frames = append(frames, frame{i, edges(int(i))})
	}
	for root := range int32(n) {
		if number[root] != unseen {
			continue
		}
		enter(root)
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			if len(f.refs) > 0 {
				r := f.refs[0]
				f.refs = f.refs[1:]
				if number[r] == unseen {
					enter(r)
				} else if !closed[r] {
					low[f.node] = min(low[f.node], number[r])
				}
				continue
			}
			me := f.node
			frames = frames[:len(frames)-1]
			if low[me] == number[me] {
				i := len(pending) - 1
				for pending[i] != me {
					i--
				}
				component := slices.Clone(pending[i:])
				pending = pending[:i]
				for _, m := range component {
					closed[m] = true
				}
				out = append(out, component)
			}
			if len(frames) > 0 {
				up := frames[len(frames)-1].node
				low[up] = min(low[up], low[me])
			}
		}
	}
	return out
}

// meanings computes the hashes of the statement and of the meaning of declarations.
//
// The statement is the type: constants count by name, except that one which nobody wrote
// (a matcher, the proof of a side condition) counts by its own meaning, because its name
// follows from what else stands in the file.
//
// The meaning is a Merkle hash over the statement and every definition of the project
// below it: bodies of definitions, constructors of inductive types, but no proofs. A
// component of declarations that need each other is hashed as one. What lies outside of
// the project counts by name only, so that another version of a library does not change
// every theorem. A declaration's own name does not count.
type meanings struct {
	h       *hasher
	w       *walker
	meaning []pair // of every declaration so far, by name
	known   []bool // whether it has one

	selves, below []named // scratch space of component
}

func newMeanings(t *terms) *meanings { return &meanings{h: newHasher(t), w: newWalker(t)} }

// hashes are those of one declaration.
type hashes struct{ statement, meaning pair }

// group hashes declarations that were loaded together. Of what belongs to earlier groups
// the meaning is known.
func (m *meanings) group(decls []*constant) []hashes {
	m.h.forget() // generated names may mean something else here
	more := max(0, len(m.h.t.names)-len(m.known))
	m.meaning, m.known = append(m.meaning, make([]pair, more)...), append(m.known, make([]bool, more)...)
	index := make(map[int32]int32, len(decls))
	for i, d := range decls {
		index[d.name] = int32(i)
	}
	out := make([]hashes, len(decls))
	edges := func(i int) []int32 {
		var inside []int32
		decls[i].meaningRefs(m.w, func(name int32) {
			if j, ok := index[name]; ok {
				inside = append(inside, j)
			}
		})
		return inside
	}
	for _, c := range components(len(decls), edges) {
		m.component(decls, c, out)
	}
	for i, d := range decls {
		out[i].meaning = m.meaning[d.name]
	}
	return out
}

type named struct{ name, hash pair }

func sortPairs(list []named, by func(a, b *pair) int) {
	slices.SortFunc(list, func(x, y named) int {
		if c := by(&x.name, &y.name); c != 0 {
			return c
		}
		return by(&x.hash, &y.hash)
	})
}

func bySum(a, b *pair) int    { return bytes.Compare(a.sum[:], b.sum[:]) }
func byDigest(a, b *pair) int { return cmp.Compare(a.digest, b.digest) }

func (m *meanings) component(decls []*constant, members []int32, out []hashes) {
	inside := func(name int32) bool { return name == decls[members[0]].name }
	if len(members) > 1 {
		names := make(map[int32]bool, len(members))
		for _, i := range members {
			names[decls[i].name] = true
		}
		inside = func(name int32) bool { return names[name] }
	}
	m.selves, m.below = m.selves[:0], m.below[:0]
	itself := false
	for _, i := range members {
		d := decls[i]
		self, statement := m.self(d)
		out[i].statement = statement
		m.selves = append(m.selves, named{*m.h.name(d.name), self})
		d.meaningRefs(m.w, func(name int32) {
			switch {
			case inside(name):
				itself = true
			case m.known[name]:
				n := pair{}
				if _, generated := m.h.content[name]; !generated {
					n = *m.h.name(name)
				}
				m.below = append(m.below, named{n, m.meaning[name]})
			}
		})
	}
	rest := m.fold(71, m.below, true)
	if len(members) == 1 {
		d := decls[members[0]]
		self := m.selves[0].hash
		m.h.s.start(72)
		m.h.s.part(&self)
		m.h.s.part(&rest)
		p := pair{sum: m.h.s.end(), digest: mix(mix(72, self.digest), rest.digest)}
		m.meaning[d.name], m.known[d.name] = p, true
		delete(m.h.content, d.name)
		if d.generated && !itself {
			m.h.content[d.name] = p
		}
		return
	}
	all := m.fold(73, m.selves, false)
	for _, i := range members {
		name := m.h.name(decls[i].name)
		m.h.s.start(74)
		m.h.s.part(&all)
		m.h.s.part(&rest)
		m.h.s.part(name)
		m.meaning[decls[i].name] = pair{sum: m.h.s.end(), digest: mix(mix(all.digest, rest.digest), name.digest)}
		m.known[decls[i].name] = true
		delete(m.h.content, decls[i].name)
	}
}

// fold hashes a set of names with hashes; set leaves out what is there twice.
func (m *meanings) fold(tag byte, list []named, set bool) pair {
	p := pair{digest: uint64(tag)}
	sortPairs(list, byDigest)
	for i, x := range list {
		if set && i > 0 && byDigest(&x.name, &list[i-1].name) == 0 && byDigest(&x.hash, &list[i-1].hash) == 0 {
			continue
		}
		p.digest = mix(mix(p.digest, x.name.digest), x.hash.digest)
	}
	sortPairs(list, bySum)
	if set {
		list = slices.CompactFunc(list, func(a, b named) bool { return a.name.sum == b.name.sum && a.hash.sum == b.hash.sum })
	}
	m.h.s.start(tag)
	m.h.s.number(uint64(len(list)))
	for i := range list {
		m.h.s.part(&list[i].name)
		m.h.s.part(&list[i].hash)
	}
	p.sum = m.h.s.end()
	return p
}

// self hashes kind, statement and definition of one declaration.
func (m *meanings) self(d *constant) (self, statement pair) {
	in := m.h.scope(d.params)
	statement = m.h.term(d.typ, in)
	kind := d.kind
	if kind == "withheld" { // an axiom to the kernel
		kind = "axiom"
	}
	dg := mix(mix(61, digestText(kind)), uint64(len(d.params)))
	dg = mix(dg, statement.digest)
	var value pair
	if d.value >= 0 {
		value = m.h.term(d.value, in)
		dg = mix(dg, value.digest)
	}
	if d.kind == "inductive" {
		dg = mix(dg, uint64(d.under))
	}
	var ctors []pair
	for _, c := range d.ctors {
		n := *m.h.name(c)
		ctors = append(ctors, n)
		dg = mix(dg, n.digest)
	}
	m.h.s.start(61)
	m.h.s.text(kind)
	m.h.s.number(uint64(len(d.params)))
	m.h.s.part(&statement)
	m.h.s.part(&value)
	m.h.s.number(uint64(d.under))
	m.h.s.number(uint64(len(ctors)))
	for i := range ctors {
		m.h.s.part(&ctors[i])
	}
	return pair{m.h.s.end(), dg}, statement
}

// foundation hashes all that a theorem stands on: what it means, its axioms, the
// dependencies and the toolchain.
func foundation(meaning string, axioms []string, packages, toolchain string) string {
	var s sum
	s.start(81)
	s.text(meaning)
	s.number(uint64(len(axioms)))
	for _, a := range axioms {
		s.text(a)
	}
	s.text(packages)
	s.text(toolchain)
	return pair{sum: s.end()}.text()
}

// packageText is the list of dependencies as it enters a foundation.
func packageText(list []runner.Package) string {
	var b strings.Builder
	for _, p := range list {
		b.WriteString(p.Name + " " + p.Revision + "\n")
	}
	return b.String()
}
