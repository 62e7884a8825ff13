package scan

import (
	"slices"
	"sort"
)

// Place is the position of the first token of the program, comments and preprocessor
// lines left out, that begins at a byte offset or behind it.
func (s *Structure) Place(offset int) int {
	return sort.Search(len(s.sig), func(i int) bool { return int(s.f.Tokens[s.sig[i]].Offset) >= offset })
}

// Offset is the byte offset of the token at a place.
func (s *Structure) Offset(place int) int { return int(s.f.Tokens[s.sig[place]].Offset) }

// Program returns the indices of the tokens at all places, for [Pattern.Matches].
func (s *Structure) Program() []int32 { return s.sig }

// Bounds are the places of a scope's body, both braces included.
func (s *Structure) Bounds(scope int) (from, to int) {
	sc := s.Scopes[scope]
	return sc.from, sc.close + 1
}

// Runs reports whether the code at a place belongs to this body and not to a nested one.
func (gr *Graph) Runs(place int) bool {
	return place >= gr.from && place < gr.to && gr.of[place-gr.from] >= 0
}

// Entry as a start means the begin of the body, Exit as a target its end.
const (
	Entry = -1
	Exit  = -2
)

// Hit is a target that can be reached.
type Hit struct {
	Start  int // where the way to it begins
	Target int
}

// Walk follows all ways from the starts and returns the targets that are reached without
// passing a stop, each once. A stop at the place of a target does not hide it. What
// happens at a start itself does not count, unless a loop leads back to it.
func (gr *Graph) Walk(starts, stops, targets []int) []Hit {
	return gr.walk(starts, stops, targets, gr.from, gr.to)
}

// WalkInside is Walk that ends where the way leaves the places from ≤ p < to.
func (gr *Graph) WalkInside(starts, stops, targets []int, from, to int) []Hit {
	return gr.walk(starts, stops, targets, from, to)
}

type mark struct {
	place        int
	stop, target bool
}

func (gr *Graph) walk(starts, stops, targets []int, from, to int) []Hit {
	marks := map[int32][]mark{}
	add := func(p int, m mark) {
		if gr.Runs(p) {
			n := gr.of[p-gr.from]
			m.place = p
			marks[n] = append(marks[n], m)
		}
	}
	exit := false
	for _, p := range stops {
		add(p, mark{stop: true})
	}
	for _, p := range targets {
		if p == Exit {
			exit = true
			continue
		}
		if p >= from && p < to {
			add(p, mark{target: true})
		}
	}
	for n := range marks {
		slices.SortFunc(marks[n], func(a, b mark) int {
			if a.place != b.place {
				return a.place - b.place
			}
			if a.target && !b.target {
				return -1
			}
			return 0
		})
	}
	type item struct {
		node  int32
		after int // marks up to here do not count
		start int
	}
	var queue []item
	for _, p := range starts {
		if p == Entry {
			queue = append(queue, item{0, -1, p})
		} else if gr.Runs(p) {
			queue = append(queue, item{gr.of[p-gr.from], p, p})
		}
	}
	seen := make([]bool, len(gr.nodes))
	hit := map[int]bool{}
	var out []Hit
	for len(queue) > 0 {
		it := queue[0]
		queue = queue[1:]
		if it.after < 0 {
			if seen[it.node] {
				continue
			}
			seen[it.node] = true
			if rs := gr.nodes[it.node].runs; len(rs) > 0 && (int(rs[0][0]) < from || int(rs[0][0]) >= to) {
				continue
			}
		}
		if it.node == gr.exit && exit && !hit[Exit] {
			hit[Exit] = true
			out = append(out, Hit{it.start, Exit})
		}
		stopped := false
		for _, m := range marks[it.node] {
			if m.place <= it.after {
				continue
			}
			if m.target && !hit[m.place] {
				hit[m.place] = true
				out = append(out, Hit{it.start, m.place})
			}
			if m.stop {
				stopped = true
				break
			}
		}
		if stopped || gr.endsIn(it.node, to) {
			continue
		}
		for _, n := range gr.nodes[it.node].next {
			queue = append(queue, item{n, -1, it.start})
		}
	}
	return out
}

// endsIn reports whether a node goes on behind the place to, which is not the end of the
// body.
func (gr *Graph) endsIn(n int32, to int) bool {
	rs := gr.nodes[n].runs
	return to < gr.to && len(rs) > 0 && int(rs[len(rs)-1][1]) > to
}

// Held is something that is taken at one place and given back at others.
type Held struct {
	At       int   // the place where it is taken
	From, To int   // it ends at the latest where the way leaves these places
	Released []int // the places where it is given back
	ID       int   // the same for what is the same thing, taken at several places; below 100000
}

// Holds reports for each target whether one of the held things is held there whatever way
// leads to it.
func (gr *Graph) Holds(held []Held, targets []int) []bool {
	words := 0
	for _, h := range held {
		words = max(words, h.ID/64+1)
	}
	type set []uint64
	type event struct {
		place, lock int
		take        bool
	}
	events := map[int32][]event{}
	add := func(p, lock int, take bool) {
		if gr.Runs(p) {
			n := gr.of[p-gr.from]
			events[n] = append(events[n], event{p, lock, take})
		}
	}
	for i, h := range held {
		i = h.ID
		add(h.At, i, true)
		for _, r := range h.Released {
			add(r, i, false)
		}
		if h.To < gr.to {
			add(h.To, i, false)
		}
	}
	wanted := map[int32][]int{}
	for i, p := range targets {
		if gr.Runs(p) {
			n := gr.of[p-gr.from]
			wanted[n] = append(wanted[n], i)
		}
	}
	for n := range events {
		slices.SortStableFunc(events[n], func(a, b event) int { return a.place - b.place })
	}
	in := make([]set, len(gr.nodes)) // nil: nothing is known yet, all
	out := make([]bool, len(targets))
	transfer := func(n int32, s set, ask bool) set {
		s = slices.Clone(s)
		if rs := gr.nodes[n].runs; len(rs) > 0 {
			first := int(rs[0][0])
			for _, h := range held {
				if first < h.From || first >= h.To {
					s[h.ID/64] &^= 1 << (h.ID % 64)
				}
			}
		}
		answer := func(upto int) {
			if !ask {
				return
			}
			any := false
			for _, w := range s {
				any = any || w != 0
			}
			for _, i := range wanted[n] {
				if targets[i] == upto {
					out[i] = any
				}
			}
		}
		es := events[n]
		ps := make([]int, 0, len(wanted[n]))
		for _, i := range wanted[n] {
			ps = append(ps, targets[i])
		}
		slices.Sort(ps)
		k := 0
		for _, e := range es {
			for k < len(ps) && ps[k] <= e.place {
				answer(ps[k])
				k++
			}
			if e.take {
				s[e.lock/64] |= 1 << (e.lock % 64)
			} else {
				s[e.lock/64] &^= 1 << (e.lock % 64)
			}
		}
		for ; k < len(ps); k++ {
			answer(ps[k])
		}
		return s
	}
	in[0] = make(set, words)
	work := []int32{0}
	for len(work) > 0 {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		s := transfer(n, in[n], false)
		for _, m := range gr.nodes[n].next {
			if in[m] == nil {
				in[m] = slices.Clone(s)
				work = append(work, m)
				continue
			}
			changed := false
			for i := range in[m] {
				if w := in[m][i] & s[i]; w != in[m][i] {
					in[m][i], changed = w, true
				}
			}
			if changed {
				work = append(work, m)
			}
		}
	}
	for n := range wanted {
		if in[n] == nil { // nothing leads there
			for _, i := range wanted[n] {
				out[i] = true
			}
			continue
		}
		transfer(n, in[n], true)
	}
	return out
}

// Places is the number of places.
func (s *Structure) Places() int { return len(s.sig) }

// EndOf is the byte offset behind the token at a place.
func (s *Structure) EndOf(place int) int { return s.f.Tokens[s.sig[place]].End() }
