package checks

import (
	"fmt"
	"slices"
)

// judgeNear judges a rule of kind near.
func (c *compiled) judgeNear(src *source, areas []area, v *verdicts) error {
	ws, err := occurrences(src, c.when, c.view)
	if err != nil || len(ws) == 0 {
		return err
	}
	os, err := occurrences(src, append(slices.Clone(c.forbid), c.require...), c.view)
	if err != nil {
		return err
	}
	us, err := occurrences(src, c.unless, c.view)
	if err != nil {
		return err
	}
	if c.Distance > 0 && !src.c {
		return fmt.Errorf("distance counts tokens, which are known for the C family only: use lines")
	}
	if err := affordable(len(areas), len(ws), max(1, len(os))); err != nil {
		return err
	}
	at := func(o occurrence) int {
		if c.Distance > 0 {
			return o.place
		}
		line, _ := src.lines().Position(o.offset)
		return line
	}
	limit := max(c.Lines, c.Distance)
	for i, a := range areas {
		for _, w := range ws {
			if !a.holds(w) {
				continue
			}
			v.subjects[i]++
			near := slices.IndexFunc(os, func(o occurrence) bool {
				switch d := at(o) - at(w); {
				case !a.holds(o), o.offset == w.offset, !o.agrees(w), max(d, -d) > limit:
					return false
				case c.Side == "before" && o.offset > w.offset, c.Side == "after" && o.offset < w.offset:
					return false
				}
				return !slices.ContainsFunc(us, func(u occurrence) bool {
					return u.agrees(w) && u.offset > min(o.offset, w.offset) && u.offset < max(o.offset, w.offset)
				})
			})
			side := c.Side
			if side == "" {
				side = "around it"
			} else {
				side += " it"
			}
			unit := plural(limit, "line")
			if c.Distance > 0 {
				unit = plural(limit, "token")
			}
			switch {
			case len(c.require) > 0 && near < 0:
				v.add(i, w, "%s without %s in the %s %s", short(c.When.String()), short(c.Require.String()), unit, side)
			case len(c.forbid) > 0 && near >= 0:
				v.add(i, w, "%s with %s (%s) in the %s %s", short(c.When.String()), short(c.Forbid.String()), lineOf(src, os[near].offset), unit, side)
			}
		}
	}
	return nil
}

// judgeImplies judges a rule of kind implies.
func (c *compiled) judgeImplies(src *source, areas []area, v *verdicts) error {
	ws, err := occurrences(src, c.when, c.view)
	if err != nil || len(ws) == 0 {
		return err
	}
	os, err := occurrences(src, append(slices.Clone(c.forbid), c.require...), c.view)
	if err != nil {
		return err
	}
	if err := affordable(len(areas), len(ws), 1); err != nil {
		return err
	}
	for i, a := range areas {
		w := slices.IndexFunc(ws, a.holds)
		if w < 0 {
			continue
		}
		v.subjects[i]++
		o := slices.IndexFunc(os, a.holds)
		switch {
		case len(c.require) > 0 && o < 0:
			v.add(i, ws[w], "%s, but no %s", short(c.When.String()), short(c.Require.String()))
		case len(c.forbid) > 0 && o >= 0:
			v.add(i, os[o], "%s beside %s (%s)", short(c.Forbid.String()), short(c.When.String()), lineOf(src, ws[w].offset))
		}
	}
	return nil
}
