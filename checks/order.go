package checks

import (
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-ci/holdfast/checks/scan"
	"github.com/holdfast-ci/holdfast/runner"
)

// breach is one violation of a rule of the newer kinds.
type breach struct {
	offset, end int // of the match; end is 0 if it is not known
	text        string
}

// area is a stretch of a file that a rule judges by itself.
type area struct {
	from, to int // bytes
	scope    int // index of the scope; -1 for the file
}

// holds reports whether a match lies in the area.
func (a area) holds(o occurrence) bool { return o.offset >= a.from && o.offset < a.to }

// verdicts is what a rule says about the areas of one file.
type verdicts struct {
	found    [][]breach // for each area
	subjects []int      // for each area: how often the rule applied
	err      error
}

func (v *verdicts) add(i int, o occurrence, format string, args ...any) {
	v.found[i] = append(v.found[i], breach{o.offset, o.end, fmt.Sprintf(format, args...)})
}

// lineOf is "line 12" for a message.
func lineOf(src *source, offset int) string {
	line, _ := src.lines().Position(offset)
	return fmt.Sprintf("line %d", line)
}

// maxStarts bounds how many different beginnings are followed in one file.
const maxStarts = 1000

// affordable is an error if so many comparisons would be needed that the file cannot be
// one that somebody wrote.
func affordable(areas, as, bs int) error {
	if float64(areas)*float64(as) > 1e8 || float64(as)*float64(bs) > 1e8 {
		return errors.New("too many matches and scopes to compare them all")
	}
	return nil
}

// judgeOrder judges a rule of kind order.
func (c *compiled) judgeOrder(src *source, st *scan.Structure, areas []area, v *verdicts) error {
	if len(c.sequence) > 0 {
		for k := 0; k+1 < len(c.sequence); k++ {
			if err := c.judgeStep(src, st, areas, v, c.sequence[k], c.sequence[k+1]); err != nil {
				return err
			}
		}
		return nil
	}
	return c.judgeAfter(src, st, areas, v)
}

// judgeStep judges that each second has a first before it.
func (c *compiled) judgeStep(src *source, st *scan.Structure, areas []area, v *verdicts, first, second event) error {
	bs, err := occurrences(src, []event{second}, "")
	if err != nil || len(bs) == 0 {
		return err
	}
	as, err := occurrences(src, []event{first}, "")
	if err != nil {
		return err
	}
	as, bs = src.inCode(as, st), src.inCode(bs, st)
	if err := affordable(len(areas), len(bs), max(1, len(as))); err != nil {
		return err
	}
	order := c.bodies(src, st)
	for i, a := range areas {
		for _, b := range bs {
			if !a.holds(b) {
				continue
			}
			if !c.Dominates {
				v.subjects[i]++
				if !slices.ContainsFunc(as, func(o occurrence) bool { return a.holds(o) && o.offset < b.offset && o.agrees(b) }) {
					v.add(i, b, "%s without %s before it", short(second.text), short(first.text))
				}
				continue
			}
			scope := order.of(b.offset)
			if scope < 0 {
				continue
			}
			v.subjects[i]++
			gr, err := order.graph(scope)
			if err != nil {
				v.err = err
				continue
			}
			start := scan.Entry
			if sc := st.Scopes[scope]; a.scope >= 0 && a.from > sc.Offset {
				start, _ = st.Bounds(a.scope)
			}
			var stops []int
			for _, o := range as {
				if a.holds(o) && o.agrees(b) && gr.Runs(o.place) {
					stops = append(stops, o.place)
				}
			}
			if len(gr.Walk([]int{start}, stops, []int{b.place})) == 0 {
				continue
			}
			if len(stops) == 0 {
				v.add(i, b, "%s without %s before it", short(second.text), short(first.text))
			} else {
				v.add(i, b, "%s can be reached without %s (%s)", short(second.text), short(first.text), lineOf(src, st.Offset(stops[0])))
			}
		}
	}
	return nil
}

// judgeAfter judges forbid_after and require_after.
func (c *compiled) judgeAfter(src *source, st *scan.Structure, areas []area, v *verdicts) error {
	es, err := occurrences(src, c.first, "")
	if err != nil || len(es) == 0 {
		return err
	}
	ts, err := occurrences(src, c.then, "")
	if err != nil {
		return err
	}
	forbidden := c.ForbidAfter != nil && len(ts) == 0 // nothing can be wrong: it is only counted
	rs, err := occurrences(src, c.reset, "")
	if err != nil {
		return err
	}
	es, ts, rs = src.inCode(es, st), src.inCode(ts, st), src.inCode(rs, st)
	if err := affordable(len(areas), len(es), 1); err != nil {
		return err
	}
	names := shared(c.first, append(slices.Clone(c.then), c.reset...))
	type group struct {
		area, body int
		key        string
	}
	begun := map[group][]occurrence{}
	var groups []group
	order := c.bodies(src, st)
	for i, a := range areas {
		for _, e := range es {
			if !a.holds(e) || slices.ContainsFunc(names, func(n string) bool { return fresh(e.bound[n]) }) {
				continue
			}
			body := order.of(e.offset)
			if body < 0 {
				continue
			}
			v.subjects[i]++
			if forbidden {
				continue
			}
			g := group{i, body, e.key(names)}
			if begun[g] == nil {
				groups = append(groups, g)
			}
			begun[g] = append(begun[g], e)
		}
	}
	if len(groups) > maxStarts {
		return fmt.Errorf("more than %d different things begin here", maxStarts)
	}
	for _, g := range groups {
		gr, err := order.graph(g.body)
		if err != nil {
			v.err = err
			continue
		}
		e := begun[g][0]
		a := areas[g.area]
		var starts, targets []int
		for _, o := range begun[g] {
			starts = append(starts, o.place)
		}
		stops := c.stops(gr, e, names, rs)
		if c.RequireAfter != nil {
			for _, o := range ts {
				if o.agrees(e) {
					stops = append(stops, o.place)
				}
			}
			for _, s := range starts { // each by itself
				if len(gr.Walk([]int{s}, stops, []int{scan.Exit})) > 0 {
					v.add(g.area, at(begun[g], s), "a way from here leaves %s without %s", scopeName(st.Scopes[g.body]), short(c.RequireAfter.Then.String()))
				}
			}
			continue
		}
		late := map[int][]occurrence{} // in nested bodies, by the place where these are made
		for _, o := range ts {
			if !a.holds(o) || !o.agrees(e) {
				continue
			}
			if gr.Runs(o.place) {
				targets = append(targets, o.place)
			}
		}
		for _, n := range gr.Nested {
			if os := c.later(order, n.Scope, e, names, ts, rs, 0); len(os) > 0 {
				late[n.At] = os
				targets = append(targets, n.At)
			}
		}
		for _, h := range gr.Walk(starts, stops, targets) {
			text := fmt.Sprintf("%s after %s (%s)", short(c.ForbidAfter.Then.String()), short(c.ForbidAfter.Event.String()), lineOf(src, st.Offset(h.Start)))
			if os, ok := late[h.Target]; ok {
				for _, o := range os {
					v.add(g.area, o, "%s", text)
				}
				continue
			}
			v.add(g.area, at(ts, h.Target), "%s", text)
		}
	}
	return nil
}

// stops are the places where what an event began ends: the resets, and where one of its
// operands comes to mean something else.
func (c *compiled) stops(gr *scan.Graph, e occurrence, names []string, rs []occurrence) []int {
	var stops []int
	for _, n := range names {
		stops = append(stops, gr.Rebinds(e.bound[n])...)
	}
	for _, r := range rs {
		if r.agrees(e) {
			stops = append(stops, r.place)
		}
	}
	return stops
}

// later returns the targets in a nested body, and in those inside of it, that are reached
// with the operands that the event had where the body was made.
func (c *compiled) later(order *bodies, scope int, e occurrence, names []string, ts, rs []occurrence, depth int) []occurrence {
	if depth > 20 {
		return nil
	}
	sc := order.st.Scopes[scope]
	inside := slices.ContainsFunc(ts, func(o occurrence) bool { return o.offset >= sc.Offset && o.offset < sc.End && o.agrees(e) })
	if !inside {
		return nil
	}
	gr, err := order.graph(scope)
	if err != nil {
		return nil // it is reported for this body by itself
	}
	byPlace := map[int][]occurrence{}
	var targets []int
	for _, o := range ts {
		if o.agrees(e) && gr.Runs(o.place) {
			targets = append(targets, o.place)
			byPlace[o.place] = append(byPlace[o.place], o)
		}
	}
	for _, n := range gr.Nested {
		if os := c.later(order, n.Scope, e, names, ts, rs, depth+1); len(os) > 0 {
			targets = append(targets, n.At)
			byPlace[n.At] = os
		}
	}
	var out []occurrence
	for _, h := range gr.Walk([]int{scan.Entry}, c.stops(gr, e, names, rs), targets) {
		out = append(out, byPlace[h.Target]...)
	}
	return out
}

// shared are the names that both lists of events have.
func shared(as, bs []event) []string {
	var out []string
	for _, a := range as {
		for _, n := range a.names() {
			if slices.Contains(out, n) {
				continue
			}
			if slices.ContainsFunc(bs, func(b event) bool { return slices.Contains(b.names(), n) }) {
				out = append(out, n)
			}
		}
	}
	return out
}

// evidence is a place of a file.
func (s *source) evidence(offset int) runner.Evidence {
	line, col := s.lines().Position(offset)
	return runner.Evidence{File: s.name, Line: line, Column: col, Text: lineText(s.lines(), line)}
}

// evidenceTo is a stretch of a file.
func (s *source) evidenceTo(offset, end int) runner.Evidence {
	e := s.evidence(offset)
	if end > offset {
		e.EndLine, e.EndColumn = s.lines().Position(end)
	}
	return e
}

// at is the match at a place.
func at(os []occurrence, place int) occurrence {
	return os[slices.IndexFunc(os, func(o occurrence) bool { return o.place == place })]
}
