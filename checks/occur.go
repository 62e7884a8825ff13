package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// occurrence is one match of an event.
type occurrence struct {
	offset, end int
	place       int // of its first token; only for the C family
	bound       map[string][]string
}

// key is what the match binds the names to, for grouping.
func (o occurrence) key(names []string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString(strings.Join(o.bound[n], " "))
		b.WriteByte(0)
	}
	return b.String()
}

// agrees reports whether two matches bind the names that they share to the same tokens.
func (o occurrence) agrees(p occurrence) bool {
	for n, t := range o.bound {
		if u, ok := p.bound[n]; ok && !slices.Equal(t, u) {
			return false
		}
	}
	return true
}

// fresh reports whether an operand means something new each time it is evaluated: a call
// or a message send is in it.
func fresh(operand []string) bool {
	for i, t := range operand {
		if t == "[" && i == 0 || t == "(" && i > 0 {
			return true
		}
	}
	return false
}

// occurrences returns the matches of any of the events in a file, in order.
func occurrences(src *source, events []event, view scan.View) ([]occurrence, error) {
	var out []occurrence
	for _, e := range events {
		found, err := e.once(src, view)
		if err != nil {
			return nil, err
		}
		if len(found) >= maxMatches {
			return nil, fmt.Errorf("%d or more matches of %s: too many to mean anything", maxMatches, short(e.text))
		}
		out = append(out, found...)
	}
	if len(events) > 1 {
		slices.SortStableFunc(out, func(a, b occurrence) int { return a.offset - b.offset })
	}
	return out, nil
}

// absent reports whether a token that every match of the event has is not in the file.
func (e event) absent(src *source) bool {
	return src.lacksAny(e.words)
}

// once is find, done once for all rules that ask for the same.
func (e event) once(src *source, view scan.View) ([]occurrence, error) {
	if !src.mayContain(e.needs) || e.absent(src) && !src.doubtful() {
		return nil, nil
	}
	key := string(view) + "\x00" + e.text
	if got, ok := src.found[key]; ok {
		return got, nil
	}
	got, err := e.find(src, view)
	if err == nil {
		if src.found == nil {
			src.found = map[string][]occurrence{}
		}
		src.found[key] = got
	}
	return got, err
}

func (e event) find(src *source, view scan.View) ([]occurrence, error) {
	if !src.mayContain(e.needs) {
		return nil, nil
	}
	var out []occurrence
	if e.match != nil {
		offsets, err := e.match.find(src, view, 0, len(src.raw))
		if err != nil {
			return nil, err
		}
		for _, o := range offsets {
			out = append(out, occurrence{offset: o[0], end: o[1]})
		}
		return src.placed(out)
	}
	if e.absent(src) {
		return nil, src.lexical()
	}
	st, err := src.functions()
	if err != nil {
		return nil, err
	}
	if err := src.lexical(); err != nil {
		return nil, err
	}
	if e.call != nil {
		for _, p := range st.Calls(e.call.Match) {
			o := st.Offset(p)
			out = append(out, occurrence{offset: o, end: st.EndOf(p), place: p})
		}
		return out, nil
	}
	found, complete := e.tokens.Matches(src.file(), st.Program())
	if !complete {
		return nil, fmt.Errorf("the search for %s was given up as too long", short(e.text))
	}
	names := e.tokens.Names()
	for _, m := range found {
		o := occurrence{place: m.First, offset: st.Offset(m.First), end: st.EndOf(m.Last)}
		if len(names) > 0 {
			o.bound = make(map[string][]string, len(names))
			for i, n := range names {
				o.bound[n] = m.Bound[i]
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// placed fills in the places of matches in a file of the C family. What stands in comments
// has the place of the token behind it; what stands in preprocessor lines likewise.
func (s *source) placed(found []occurrence) ([]occurrence, error) {
	if !s.c || len(found) == 0 {
		return found, nil
	}
	st, err := s.functions()
	if err != nil {
		return nil, err
	}
	for i := range found {
		p := st.Place(found[i].offset)
		if p > 0 && st.Offset(p-1) <= found[i].offset && (p == st.Places() || st.Offset(p) > found[i].offset) && st.EndOf(p-1) > found[i].offset {
			p-- // it begins inside of a token
		}
		found[i].place = p
	}
	return found, nil
}

// inCode leaves out the matches that are in no token of the program: in preprocessor lines
// and comments.
func (s *source) inCode(found []occurrence, st *scan.Structure) []occurrence {
	ok := func(o occurrence) bool { return o.place < st.Places() && st.Offset(o.place) <= o.offset }
	if !slices.ContainsFunc(found, func(o occurrence) bool { return !ok(o) }) {
		return found
	}
	var out []occurrence // found is not ours
	for _, o := range found {
		if ok(o) {
			out = append(out, o)
		}
	}
	return out
}

// drawn is the graph of a body, or why there is none.
type drawn struct {
	graph *scan.Graph
	err   error
}

// bodies gives the order of the code in a file, body by body.
type bodies struct {
	st     *scan.Structure
	rule   *compiled
	graphs map[int]drawn // shared by the rules with the same synchronous calls
}

func (c *compiled) bodies(src *source, st *scan.Structure) *bodies {
	key := strings.Join(c.Synchronous, "\x00")
	if src.graphs[key] == nil {
		if src.graphs == nil {
			src.graphs = map[string]map[int]drawn{}
		}
		src.graphs[key] = map[int]drawn{}
	}
	return &bodies{st: st, rule: c, graphs: src.graphs[key]}
}

// of returns the scope of the body that runs the code at an offset: the innermost function,
// lambda or block around it that is not run in place; -1 for none.
func (b *bodies) of(offset int) int {
	last := -1
	for i := b.st.At(offset); i >= 0; i = b.st.Scopes[i].Parent {
		switch sc := b.st.Scopes[i]; sc.Kind {
		case scan.Func:
			return i
		case scan.Class, scan.Namespace:
			return last
		case scan.Lambda, scan.Block:
			last = i
			if !sc.Called && b.rule.runs(sc.Callees) == scan.Later {
				return i
			}
		}
	}
	return last
}

func (b *bodies) graph(scope int) (*scan.Graph, error) {
	if d, ok := b.graphs[scope]; ok {
		return d.graph, d.err
	}
	gr, err := b.st.Graph(scope, b.rule.runs)
	if err != nil {
		sc := b.st.Scopes[scope]
		err = &placeError{line: sc.Line, column: sc.Column, text: "the order of the code in " + scopeName(sc) + " cannot be told: " + err.Error()}
	}
	b.graphs[scope] = drawn{gr, err}
	return gr, err
}

func scopeName(sc scan.Scope) string {
	switch sc.Kind {
	case scan.Lambda:
		return "the lambda"
	case scan.Block:
		return "the block"
	}
	return sc.Name
}
