package proofs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// native reports whether an axiom is named like the result of compiled code. Until 4.28
// one of three names, then an axiom of its own for each computation, with a component
// "_native" (leanprover/lean4#12217).
func native(axiom string) bool {
	switch axiom {
	case "Lean.ofReduceBool", "Lean.ofReduceNat", "Lean.reduceBool", "Lean.reduceNat", "Lean.trustCompiler":
		return true
	}
	return slices.Contains(strings.Split(axiom, "."), "_native")
}

// classify tells what kind of axiom something is, with a note if its name says another.
// Anybody can write `axiom Foo._native.x : False`; a real one is made by a tactic, so
// nobody wrote it, and it states that a computation gives true.
func (inv *inventory) classify(axiom string, allowed []string) (kind, note string) {
	rec, known := inv.axioms[axiom]
	switch {
	case axiom == sorryAxiom:
		return runner.AxiomSorry, ""
	case slices.Contains(defaultAxioms, axiom) && slices.Contains(allowed, axiom):
		return runner.AxiomStandard, ""
	case slices.Contains(allowed, axiom):
		return runner.AxiomAllowed, ""
	case !native(axiom):
		return runner.AxiomOther, ""
	case !known:
		return runner.AxiomNative, "its statement was not seen"
	case rec.Origin == "core" || rec.Line == 0 && rec.result:
		return runner.AxiomNative, ""
	}
	note = "is named like native evaluation, but somebody wrote it"
	if !rec.result {
		note = "is named like native evaluation, but does not state a result of it"
	}
	return runner.AxiomOther, note
}

// tracer finds out where axioms come into a project.
type tracer struct {
	inv   *inventory
	users [][]int32 // declarations that name each declaration
	rests map[string][]int32
	roots map[string]*trace
}

// trace is the way of one axiom through the project.
type trace struct {
	root   map[int32]int32 // of every declaration that rests on the axiom: where it comes in, as a person wrote it
	parent map[int32]int32 // the next declaration on a shortest way to there
	depth  map[int32]int   // steps to there
}

func newTracer(inv *inventory) *tracer {
	t := &tracer{inv: inv, users: make([][]int32, len(inv.decls)), rests: map[string][]int32{}, roots: map[string]*trace{}}
	for i := range inv.decls {
		for _, r := range inv.decls[i].refs {
			t.users[r] = append(t.users[r], int32(i))
		}
		for _, a := range inv.decls[i].Axioms {
			t.rests[a] = append(t.rests[a], int32(i))
		}
	}
	return t
}

// written reports whether a person wrote the declaration.
func (t *tracer) written(i int32) bool { d := &t.inv.decls[i]; return !d.Internal && d.Line > 0 }

// axiom traces one axiom by a breadth-first search from where it comes in, against the
// direction of use.
func (t *tracer) axiom(axiom string) *trace {
	if tr := t.roots[axiom]; tr != nil {
		return tr
	}
	tr := &trace{root: map[int32]int32{}, parent: map[int32]int32{}, depth: map[int32]int{}}
	t.roots[axiom] = tr
	rests := map[int32]bool{}
	for _, i := range t.rests[axiom] {
		rests[i] = true
	}
	var queue []int32
	enter := func(i int32) {
		tr.root[i] = -1
		queue = append(queue, i)
	}
	for _, i := range t.rests[axiom] {
		d := &t.inv.decls[i]
		through := slices.ContainsFunc(d.refs, func(r int32) bool { return rests[r] && t.inv.decls[r].Name != axiom })
		if d.Name != axiom && (slices.Contains(d.direct, axiom) || !through) {
			enter(i)
		}
	}
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		if tr.root[i] < 0 && t.written(i) {
			tr.root[i] = i // what nobody wrote speaks through what uses it
		}
		for _, u := range t.users[i] {
			if _, seen := tr.root[u]; seen || !rests[u] {
				continue
			}
			tr.root[u], tr.parent[u], tr.depth[u] = tr.root[i], i, tr.depth[i]+1
			queue = append(queue, u)
		}
	}
	return tr
}

// via is where an axiom comes in, if that is not the declaration itself; nil otherwise.
func (t *tracer) via(i int32, axiom string) *declaration {
	r, ok := t.axiom(axiom).root[i]
	if !ok || r < 0 || r == i || t.inv.decls[r].Name == axiom {
		return nil
	}
	return &t.inv.decls[r]
}

// list makes the roots of all axioms that a proof may not rest on. listed tells which
// declarations count as theorems.
func (t *tracer) list(kinds map[string]string, listed func(i int32) bool, file func(*declaration) string) []runner.Root {
	var out []runner.Root
	for axiom, kind := range kinds {
		if kind == runner.AxiomStandard || kind == runner.AxiomAllowed {
			continue
		}
		tr := t.axiom(axiom)
		far, count := map[int32]int32{}, map[int32]int{}
		for _, i := range t.rests[axiom] {
			r, ok := tr.root[i]
			if !ok || r < 0 || !listed(i) {
				continue
			}
			if f, ok := far[r]; !ok || tr.depth[i] > tr.depth[f] {
				far[r] = i
			}
			count[r]++
		}
		for r, n := range count {
			d := &t.inv.decls[r]
			root := runner.Root{Axiom: axiom, Kind: kind, Name: d.User, File: file(d), Line: d.Line, Theorems: n}
			for at := far[r]; ; {
				if t.written(at) {
					root.Path = append(root.Path, t.inv.decls[at].User)
				}
				next, ok := tr.parent[at]
				if !ok || at == r {
					break
				}
				at = next
			}
			out = append(out, root)
		}
	}
	slices.SortFunc(out, func(a, b runner.Root) int {
		return cmp.Or(cmp.Compare(b.Theorems, a.Theorems), strings.Compare(a.Name, b.Name), strings.Compare(a.Axiom, b.Axiom))
	})
	return out
}
