package checks

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

const (
	// maxEvidence is how many places a rule names, maxPassing how many a passing one. Reports
	// show fewer at once.
	maxEvidence = 1000
	maxPassing  = 10
)

func (c *compiled) violated() string {
	if c.Severity == "warn" {
		return runner.Warn
	}
	return runner.Fail
}

// exists judges a rule of that kind by names alone.
func (c *compiled) exists(t *tree) row {
	r := c.newRow(0)
	least := 1
	if c.Min != nil {
		least = *c.Min
	}
	seen := map[string]bool{}
	var short []string
	for _, g := range c.files {
		n := 0
		for _, f := range t.files {
			if !g.match(f) || matchAny(c.exclude, f) {
				continue
			}
			fi, err := t.root.Stat(f)
			switch {
			case errors.Is(err, fs.ErrNotExist), err == nil && !fi.Mode().IsRegular():
				continue
			case err != nil:
				r.Outcome, r.Reason = runner.RuleError, fmt.Sprintf("%s: %v", f, plain(err))
				return r
			}
			n++
			if !seen[f] {
				seen[f] = true
				r.Evidence = append(r.Evidence, runner.Evidence{File: f, Line: 1, Column: 1})
			}
		}
		if n < least {
			r.lack("file "+g.text, least-n)
			if n == 0 {
				short = append(short, "no file "+g.text)
			} else {
				short = append(short, fmt.Sprintf("%s for %s, at least %d expected", plural(n, "file"), g.text, least))
			}
		}
	}
	r.Files = len(seen)
	switch {
	case len(short) > 0:
		r.Outcome, r.Reason, r.Evidence = c.violated(), strings.Join(short, "; "), nil
	case c.Max != nil && len(seen) > *c.Max:
		r.Outcome, r.Reason = c.violated(), fmt.Sprintf("%s, at most %d expected", plural(len(seen), "file"), *c.Max)
	default:
		r.Outcome, r.Reason = runner.Pass, plural(len(seen), "file")
	}
	return r
}

// judge turns the tallies of a rule into its outcome.
func (c *compiled) judge(x examined) row {
	r, ts := c.newRow(x.files), x.tallies
	if x.files == 0 {
		return c.missing(r, "no file matches "+strings.Join(c.Files, ", "))
	}
	if c.analysis != nil {
		return c.conclude(r, ts)
	}
	var units []unit
	var bad []tally
	torn := ""
	for _, t := range ts {
		if t.err != nil {
			bad = append(bad, t)
			continue
		}
		units = append(units, t.units...)
		if torn == "" {
			torn = t.torn
		}
	}
	if len(bad) == 0 && len(units) == 0 && !c.In.everywhere() {
		reason := fmt.Sprintf("no %s in %s", c.In, plural(r.Files, "file"))
		if torn != "" {
			r.Outcome, r.Reason = runner.RuleError, reason+", but the extent of "+torn+" depends on #if"
			return r
		}
		switch {
		case c.In.all() && c.OnMissing == "" && c.In.Missing == "":
			r.Outcome, r.Reason = runner.Pass, reason
			return r
		case c.In.Missing != "":
			return c.decide(r, reason, c.In.Missing)
		}
		return c.missing(r, reason)
	}
	if c.structural() {
		return c.judgeFound(r, ts, units, bad)
	}
	if c.In.everywhere() && !c.Each {
		units = []unit{merge(units, len(c.patterns))}
	}
	c.outcome(&r, units)
	if len(bad) > 0 && (r.Outcome == runner.Pass || !c.certain(units)) {
		r.Outcome, r.Evidence, r.cut = runner.RuleError, nil, 0
		r.Reason = ""
	}
	if len(bad) > 0 {
		r.addUnread(bad)
	}
	return r
}

// certain reports whether a violation stays one whatever the unread files hold: too much
// was found, not too little.
func (c *compiled) certain(units []unit) bool {
	if c.In.Any {
		return false
	}
	for _, u := range units {
		n := u.total()
		if c.Kind == KindAbsent && n > 0 || c.Kind == KindCount && c.Max != nil && n > *c.Max {
			return true
		}
	}
	return false
}

func (u unit) total() (n int) {
	for _, k := range u.counts {
		n += k
	}
	return n
}

func merge(units []unit, patterns int) unit {
	all := unit{counts: make([]int, patterns)}
	for _, u := range units {
		for i, n := range u.counts {
			all.counts[i] += n
		}
		all.hits = append(all.hits, u.hits...)
		all.cut += u.cut
	}
	return all
}

// unmet returns the patterns that a unit lacks, nil if it satisfies a match.
func (c *compiled) unmet(u unit) []string {
	var out []string
	for i, n := range u.counts {
		switch {
		case n == 0:
			out = append(out, c.patterns[i].text)
		case c.Any:
			return nil
		}
	}
	return out
}

func (c *compiled) satisfied(u unit) bool {
	switch c.Kind {
	case KindAbsent:
		return u.total() == 0
	case KindCount:
		n := u.total()
		return (c.Min == nil || n >= *c.Min) && (c.Max == nil || n <= *c.Max)
	}
	return len(c.unmet(u)) == 0
}

// outcome judges units that were all read.
func (c *compiled) outcome(r *row, units []unit) {
	var good, wrong []unit
	for _, u := range units {
		if c.satisfied(u) {
			good = append(good, u)
		} else {
			wrong = append(wrong, u)
		}
	}
	if len(wrong) == 0 || c.In.Any && len(good) > 0 {
		r.Outcome = runner.Pass
		all := merge(good, len(c.patterns))
		r.Reason = plural(all.total(), "match") + " in " + c.place(r.Files, len(units))
		if c.Kind != KindAbsent {
			r.Evidence, r.cut = all.hits, all.cut
		}
		return
	}
	r.Outcome = c.violated()
	r.lacking(c, wrong)
	all := merge(wrong, len(c.patterns))
	place := c.place(r.Files, len(units))
	switch c.Kind {
	case KindAbsent:
		r.Reason = plural(all.total(), "match") + " in " + place + ", none expected"
		r.Evidence, r.cut = all.hits, all.cut
	case KindCount:
		r.Reason = fmt.Sprintf("%s in %s, %s expected", plural(wrong[0].total(), "match"), place, c.bounds())
		r.Evidence, r.cut = all.hits, all.cut
	default:
		unmet := c.unmet(wrong[0])
		r.Reason = "no match for " + short(unmet[0])
		if len(unmet) > 1 {
			r.Reason += fmt.Sprintf(" and %s more", plural(len(unmet)-1, "pattern"))
		}
		r.Reason += " in " + place
		if len(units) > 1 {
			r.Reason += fmt.Sprintf(" (%d of them lack it)", len(wrong))
		}
		r.Evidence, r.cut = all.hits, all.cut // the patterns that did match
	}
	if !c.In.everywhere() || c.Each {
		// Where something is missing, show the place that should have it.
		heads := make([]runner.Evidence, 0, len(wrong)+len(r.Evidence))
		for _, u := range wrong {
			if c.Kind != KindAbsent && len(u.hits) == 0 || c.Kind == KindMatch || c.Kind == KindWithin {
				heads = append(heads, u.head)
			}
		}
		r.Evidence = append(heads, r.Evidence...)
	}
}

// place says where was looked: "11 files", "2 bodies of Pool::~Pool in 11 files".
func (c *compiled) place(files, units int) string {
	what := c.In.Function
	switch {
	case c.In.everywhere():
		return plural(files, "file")
	case c.In != In{Function: what, Any: c.In.Any, Missing: c.In.Missing}:
		what = c.In.String()
	}
	if units == 1 {
		return fmt.Sprintf("the body of %s in %s", what, plural(files, "file"))
	}
	return fmt.Sprintf("%d bodies of %s in %s", units, what, plural(files, "file"))
}

// judgeFound judges the kinds that find what is wrong.
func (c *compiled) judgeFound(r row, ts []tally, units []unit, bad []tally) row {
	wrong, subjects, good := 0, 0, 0
	for _, t := range ts { // also from files that were not read to their end
		for _, u := range t.units {
			subjects += u.subjects
			if n := len(u.hits) + u.cut; n > 0 {
				wrong += n
				r.Evidence = append(r.Evidence, u.hits...)
				r.cut += u.cut
			} else if t.err == nil && u.subjects > 0 {
				good++
			}
		}
	}
	place := c.place(r.Files, len(units))
	switch {
	case wrong > 0 && (!c.In.Any || good == 0):
		r.Outcome, r.Reason = c.violated(), r.Evidence[0].Note
		if wrong > 1 {
			r.Reason += fmt.Sprintf(" (%s in %s)", plural(wrong, "place"), place)
		}
	case len(bad) > 0:
		r.Outcome, r.Reason = runner.RuleError, ""
	case subjects == 0:
		reason := fmt.Sprintf("nothing to judge: 0 matches of %s in %s", c.about(), place)
		policy := c.Vacuous
		if policy == "" && !c.In.everywhere() && !c.In.all() && c.Kind != KindScope {
			policy = c.In.Missing
			if policy == "" {
				policy = c.OnMissing
			}
			if policy == "" {
				policy = "error"
			}
		}
		if policy == "" || policy == "pass" {
			r.Outcome, r.Reason = runner.Pass, reason
			return r
		}
		return c.decide(r, reason, policy)
	default:
		r.Outcome, r.Evidence, r.cut = runner.Pass, nil, 0
		r.Reason = fmt.Sprintf("0 of %s of %s are wrong in %s", plural(subjects, "match"), c.about(), place)
		if subjects == 1 {
			r.Reason = fmt.Sprintf("1 match of %s in %s, and it is right", c.about(), place)
		}
		if c.Kind == KindJSON {
			r.Reason = plural(subjects, "value") + " in " + place
		}
		return r
	}
	if len(bad) > 0 {
		r.addUnread(bad)
	}
	return r
}

// about is what the rule applies to, for messages.
func (c *compiled) about() string {
	var parts []string
	for _, e := range c.subject() {
		parts = append(parts, e.text)
	}
	return short(strings.Join(parts, " or "))
}

func (c *compiled) bounds() string {
	switch {
	case c.Min == nil:
		return fmt.Sprintf("at most %d", *c.Max)
	case c.Max == nil:
		return fmt.Sprintf("at least %d", *c.Min)
	case *c.Min == *c.Max:
		return fmt.Sprintf("exactly %d", *c.Min)
	}
	return fmt.Sprintf("%d to %d", *c.Min, *c.Max)
}
