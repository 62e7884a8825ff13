package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/checks/scan"
)

// liveness is Live that can be judged.
type liveness struct {
	locks            bool
	guards           *regexp.Regexp
	of               *regexp.Regexp
	acquire, release []event
}

// guard says which further types are guards; nil for none.
func (l liveness) guard() func(string) bool {
	if l.guards == nil {
		return nil
	}
	return l.guards.MatchString
}

func (c *compiled) compileLive(wrong wrongFunc) {
	l := c.WhileLive
	if l == nil {
		return
	}
	expr := func(text string) *regexp.Regexp {
		re, err := regexp.Compile(text)
		if err != nil {
			wrong("while_live", "guards and of are Go regular expressions", "while_live %q: %s", text, plainRegexp(err))
		}
		return re
	}
	c.live.locks = l.Locks
	if len(l.Guards) > 0 {
		c.live.guards = expr("^(?:" + strings.Join(l.Guards, "|") + ")$")
	}
	if l.Of != "" {
		c.live.of = expr(l.Of)
	}
	c.live.acquire = compileEvents("while_live", l.Acquire, wrong)
	c.live.release = compileEvents("while_live", l.Release, wrong)
}

// held are the things taken in one body that the rule asks about.
func (c *compiled) held(b *bodies, scope int, gr *scan.Graph, taken, given []occurrence) []scan.Lock {
	var out []scan.Lock
	if c.live.locks || c.live.guards != nil {
		for _, l := range b.st.Locks(gr, scope, c.live.guard(), c.live.locks) {
			if c.live.of == nil || c.live.of.MatchString(l.Text) {
				out = append(out, l)
			}
		}
	}
	for _, o := range taken {
		if !gr.Runs(o.place) {
			continue
		}
		from, to := b.st.Bounds(scope)
		l := scan.Lock{Held: scan.Held{At: o.place, From: from, To: to, ID: scan.MaxLocks + 1 + len(out)}, Text: short(c.WhileLive.Acquire.String()), Certain: true}
		for _, g := range given {
			if g.agrees(o) {
				l.Released = append(l.Released, g.place)
			}
		}
		if c.live.of == nil || c.live.of.MatchString(l.Text) {
			out = append(out, l)
		}
	}
	return out
}

// maxPairs bounds how many locks and events of one body are held against each other.
const maxPairs = 100_000

// judgeScope judges a rule of kind scope.
func (c *compiled) judgeScope(src *source, st *scan.Structure, areas []area, v *verdicts) error {
	events, key := c.forbid, c.Forbid
	if len(c.require) > 0 {
		events, key = c.require, c.Require
	}
	os, err := occurrences(src, events, "")
	if err != nil || len(os) == 0 {
		return err
	}
	os = src.inCode(os, st)
	taken, err := occurrences(src, c.live.acquire, "")
	if err != nil {
		return err
	}
	given, err := occurrences(src, c.live.release, "")
	if err != nil {
		return err
	}
	if err := affordable(len(areas), len(os), 1); err != nil {
		return err
	}
	order := c.bodies(src, st)
	byBody := map[int][]occurrence{}
	var list []int
	in := func(o occurrence) []int { // the areas with o
		var out []int
		for i, a := range areas {
			if a.holds(o) {
				out = append(out, i)
			}
		}
		return out
	}
	for _, o := range os {
		where := in(o)
		body := order.of(o.offset)
		if len(where) == 0 || body < 0 {
			continue
		}
		for _, i := range where {
			v.subjects[i]++
		}
		if byBody[body] == nil {
			list = append(list, body)
		}
		byBody[body] = append(byBody[body], o)
	}
	for _, body := range list {
		if len(c.forbid) > 0 && len(c.inside) == 0 && !c.mayHold(st, body, taken) {
			continue
		}
		gr, err := order.graph(body)
		if err != nil {
			v.err = err
			continue
		}
		if len(c.inside) > 0 {
			if err := c.judgeInside(src, order, gr, body, byBody[body], in, v); err != nil {
				return err
			}
			continue
		}
		locks := c.held(order, body, gr, taken, given)
		if len(locks) > scan.MaxLocks {
			v.err = fmt.Errorf("more than %d locks in %s", scan.MaxLocks, scopeName(st.Scopes[body]))
			continue
		}
		if len(locks)*len(byBody[body]) > maxPairs {
			v.err = fmt.Errorf("too many locks and events in %s to compare them all", scopeName(st.Scopes[body]))
			continue
		}
		places := make([]int, len(byBody[body]))
		for k, o := range byBody[body] {
			places[k] = o.place
		}
		if len(c.require) > 0 {
			var held []scan.Held
			for _, l := range locks {
				if l.Certain {
					held = append(held, l.Held)
				}
			}
			for k, ok := range gr.Holds(held, places) {
				if ok {
					continue
				}
				for _, i := range in(byBody[body][k]) {
					v.add(i, byBody[body][k], "%s, where %s is not held on every way", short(key.String()), c.what())
				}
			}
			continue
		}
		done := map[int]bool{}
		for _, l := range locks {
			for _, h := range gr.WalkInside([]int{l.At}, l.Released, places, l.From, l.To) {
				if done[h.Target] {
					continue
				}
				done[h.Target] = true
				o := byBody[body][slices.Index(places, h.Target)]
				for _, i := range in(o) {
					v.add(i, o, "%s while %s is held (%s)", short(key.String()), l.Text, lineOf(src, st.Offset(l.At)))
				}
			}
		}
	}
	return nil
}

// mayHold reports whether something that the rule asks about may be taken in a body.
func (c *compiled) mayHold(st *scan.Structure, body int, taken []occurrence) bool {
	if (c.live.locks || c.live.guards != nil) && st.Locked(body, c.live.guard(), c.live.locks) {
		return true
	}
	from, to := st.Bounds(body)
	return slices.ContainsFunc(taken, func(o occurrence) bool { return o.place >= from && o.place < to })
}

func (c *compiled) what() string {
	if len(c.live.acquire) > 0 {
		return short(c.WhileLive.Acquire.String())
	}
	if c.live.of != nil {
		return "a lock of " + short(c.live.of.String())
	}
	return "a lock"
}

// judgeInside judges what stands in a block whose head has a match, up to the body.
func (c *compiled) judgeInside(src *source, order *bodies, gr *scan.Graph, body int, os []occurrence, in func(occurrence) []int, v *verdicts) error {
	var tokens []event
	for _, e := range c.inside {
		if e.match == nil {
			tokens = append(tokens, e)
		}
	}
	heads, err := occurrences(src, tokens, "")
	if err != nil {
		return err
	}
	text, err := src.view("")
	if err != nil {
		return err
	}
	st := order.st
	headed := func(from, to int) (int, bool) {
		for _, e := range c.inside { // an expression is for the text of the head alone
			if e.match != nil && e.match.re.Match(text[from:to]) {
				return from, true
			}
		}
		i := slices.IndexFunc(heads, func(h occurrence) bool { return h.offset >= from && h.offset < to })
		if i < 0 {
			return 0, false
		}
		return heads[i].offset, true
	}
	for _, o := range os {
		at, found := 0, false
		for i := st.At(o.offset); i >= 0 && !found; i = st.Scopes[i].Parent {
			from, to := st.Head(st.Scopes[i])
			at, found = headed(from, to)
			if i == body {
				break
			}
		}
		for _, s := range gr.Controls {
			if !found && o.place >= s.Body && o.place < s.End {
				at, found = headed(st.Offset(s.Head), st.Offset(s.Body))
			}
		}
		for _, i := range in(o) {
			switch {
			case found && len(c.forbid) > 0:
				v.add(i, o, "%s inside of %s (%s)", short(c.Forbid.String()), short(c.Inside.String()), lineOf(src, at))
			case !found && len(c.require) > 0:
				v.add(i, o, "%s, but not inside of %s", short(c.Require.String()), short(c.Inside.String()))
			}
		}
	}
	return nil
}
