package checks

import (
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-ci/holdfast/checks/scan"
	"github.com/holdfast-ci/holdfast/runner"
)

func headOf(src *source, st *scan.Structure, a area) runner.Evidence {
	if a.scope < 0 {
		return src.first()
	}
	sc := st.Scopes[a.scope]
	return runner.Evidence{File: src.name, Line: sc.Line, Column: sc.Column, Text: lineText(src.lines(), sc.Line)}
}

// areas are the scopes that the rule asks for, or the whole file.
func (c *compiled) areas(src *source, t *tally) ([]area, *scan.Structure, error) {
	if c.In.everywhere() {
		return []area{{0, len(src.raw), -1}}, nil, nil
	}
	known := src.words != nil && c.numbers == src.words
	if n := c.in.needs; src.c && n != nil && !src.doubtful() && (known && !c.glanceIn.may(src) || src.lacksAny(n)) {
		return nil, nil, nil
	}
	st, err := src.functions()
	if err != nil {
		return nil, nil, err
	}
	if len(st.Problems) > 0 {
		return nil, nil, problemError(st.Problems)
	}
	for _, fn := range st.Functions {
		if fn.Torn {
			t.torn = fmt.Sprintf("%s (%s:%d)", fn.Name, src.name, fn.Line)
			break
		}
	}
	var out []area
	for _, i := range c.in.scopes(st) {
		sc := st.Scopes[i]
		if sc.Torn {
			return nil, nil, &placeError{sc.Line, sc.Column, fmt.Sprintf("the body of %s begins and ends in different branches of an #if", scopeName(sc))}
		}
		out = append(out, area{sc.Offset, sc.End, i})
	}
	return out, st, nil
}

// subject are the events without which a rule of a newer kind says nothing of a file.
func (c *compiled) subject() []event {
	switch {
	case len(c.sequence) > 1:
		return c.sequence[1:]
	case c.Kind == KindOrder:
		return c.first
	case c.Kind == KindScope && len(c.forbid) > 0:
		return c.forbid
	case c.Kind == KindScope:
		return c.require
	}
	return c.when
}

// examineAreas judges the kinds that know places and order.
func (c *compiled) examineAreas(src *source, t *tally) error {
	code := c.Kind == KindScope || c.Kind == KindOrder
	if code && !src.c {
		return errors.New("statements are known for the C family only")
	}
	if src.c && c.view != scan.Raw && src.doubtful() {
		return src.lexical()
	}
	areas, st, err := c.areas(src, t)
	if err != nil {
		return err
	}
	v := verdicts{found: make([][]breach, len(areas)), subjects: make([]int, len(areas))}
	// A file without the words that the rule is about cannot break it, however it is read.
	if len(areas) > 0 && c.glimpse(src) && slices.ContainsFunc(c.subject(), func(e event) bool { return src.mayContain(e.needs) && src.mayHave(e.words) }) {
		if code && st == nil && slices.ContainsFunc(c.subject(), func(e event) bool { return !e.absent(src) }) {
			if st, err = src.functions(); err != nil {
				return err
			}
			if len(st.Problems) > 0 {
				return problemError(st.Problems)
			}
		}
		switch c.Kind {
		case KindOrder:
			err = c.judgeOrder(src, st, areas, &v)
		case KindScope:
			err = c.judgeScope(src, st, areas, &v)
		case KindNear:
			err = c.judgeNear(src, areas, &v)
		case KindImplies:
			err = c.judgeImplies(src, areas, &v)
		}
	}
	for i, a := range areas {
		if a.scope < 0 && v.subjects[i] == 0 && len(v.found[i]) == 0 {
			continue
		}
		u := unit{head: headOf(src, st, a), subjects: v.subjects[i]}
		slices.SortStableFunc(v.found[i], func(a, b breach) int { return a.offset - b.offset })
		for _, f := range v.found[i] {
			if len(u.hits) == maxHits {
				u.cut++
				continue
			}
			hit := src.evidenceTo(f.offset, f.end)
			hit.Note = f.text
			u.hits = append(u.hits, hit)
		}
		t.units = append(t.units, u)
	}
	if err == nil {
		err = v.err
	}
	return err
}
