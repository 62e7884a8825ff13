package checks

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// judging makes the set that judges a change from the rule files of its base: a change
// cannot weaken its own rules. head is the set of the checkout. Its new rules are told
// only, and every difference between the two is reported.
func (s *Stage) judging(ws *runner.Workspace, t *tree, head *ruleSet) *ruleSet {
	of := "the base"
	if ws.RulesOf.SHA != "" {
		of = ws.RulesOf.Short()
	}
	files := map[string][]byte{}
	var warnings []string
	for name, text := range ws.Rules {
		files[name] = text
		if _, err := Load(name, text); err == nil {
			continue
		}
		// Main cannot be mended by a change if what is broken there judges it.
		if mine, err := t.read(name, maxRuleFile); err == nil {
			files[name] = mine
			warnings = append(warnings, fmt.Sprintf("%s of %s cannot be judged by: that of the change itself was used", name, of))
		}
	}
	set := s.collect(given(files), true)
	set.warnings = append(append(set.warnings, head.warnings...), warnings...)
	set.told, set.leaving = map[string]string{}, map[string]string{}
	known := map[string]bool{}
	for _, m := range set.mistakes {
		known[m.Error()] = true
	}
	for i, m := range head.mistakes { // they would be main's once this is merged
		if !known[m.Error()] {
			set.mistakes, set.rows = append(set.mistakes, m), append(set.rows, head.rows[i])
		}
	}
	set.compare(head, of)
	set.acks, set.standing = append(set.agreed(head), s.cfg.Acks...), head.standing
	return set
}

// given reads rule files from memory.
func given(files map[string][]byte) ruleFiles {
	src := ruleFiles{read: func(name string) ([]byte, error) {
		if len(files[name]) > maxRuleFile {
			return nil, fmt.Errorf("%d MiB, more than the %d MiB that are read", len(files[name])>>20, maxRuleFile>>20)
		}
		return files[name], nil
	}}
	for name := range files {
		src.names = append(src.names, name)
	}
	slices.Sort(src.names)
	return src
}

// onHead marks the id of the changed version of a rule, which only tells.
const onHead = "@head"

// compare finds what a change does to the rules.
func (set *ruleSet) compare(head *ruleSet, of string) {
	before, after := byID(set.written), byID(head.written)
	var added, changed, removed []string
	note := func(r Rule, text string) {
		f := runner.Finding{Verdict: runner.Neutral, Rule: r.ID, Text: text}
		if !ofPack(r.Source) {
			f.File, f.Line = splitSource(r.Source)
		}
		if f.Line > 0 {
			f.Column = 1
		}
		set.findings = append(set.findings, f)
	}
	for _, r := range head.written {
		old, ok := before[r.ID]
		switch {
		case !ok:
			added = append(added, r.ID)
			note(r, "this rule is new: it is told only until the change is merged")
			set.tellOnly(r, r.ID, "a new rule, told only until it is merged")
		case !sameRule(old, r):
			changed = append(changed, r.ID)
			note(r, fmt.Sprintf("this rule is changed: that of %s judges until the change is merged", of))
			set.tellOnly(r, r.ID+onHead, "the changed rule, told only until it is merged")
			set.leaving[r.ID] = "this change changes the rule, which counts once it is merged"
		}
	}
	for _, r := range set.written {
		if _, ok := after[r.ID]; !ok && len(head.mistakes) == 0 {
			removed = append(removed, r.ID)
			gone := r
			gone.Source = "" // it is nowhere in this checkout
			note(gone, fmt.Sprintf("this rule is removed: that of %s judges until the change is merged", of))
			set.leaving[r.ID] = "this change removes the rule, which counts once it is merged"
		}
	}
	var parts []string
	for _, p := range []struct {
		what string
		ids  []string
	}{{"added", added}, {"changed", changed}, {"removed", removed}} {
		if len(p.ids) > 0 {
			parts = append(parts, p.what+" "+listed(p.ids, 10))
		}
	}
	if acks := set.ackChanges(head); len(acks) > 0 {
		parts = append(parts, "acknowledgements of "+listed(acks, 10))
	}
	if len(parts) > 0 {
		set.warnings = append(set.warnings, fmt.Sprintf("the change touches its own rules (%s): those of %s judge until it is merged", strings.Join(parts, "; "), of))
	}
}

// tellOnly adds a rule that does not judge. One that cannot be added has its mistake
// reported already.
func (set *ruleSet) tellOnly(r Rule, id, why string) {
	c, bad := r.compile()
	if len(bad) > 0 || slices.ContainsFunc(set.rules, func(o *compiled) bool { return o.ID == id }) {
		return
	}
	c.ID = id
	set.rules = append(set.rules, c)
	set.told[id] = why
}

// tell turns the rows of rules that do not judge into information: those of kind aggregate,
// which are judged last, or all others.
func (set *ruleSet) tell(rows []row, aggregate bool) {
	last := map[string]bool{}
	for _, c := range set.rules {
		last[c.ID] = c.Kind == KindAggregate
	}
	for i := range rows {
		r := &rows[i]
		if last[r.ID] != aggregate {
			continue
		}
		if what := set.leaving[r.ID]; what != "" && (r.Outcome == runner.Fail || r.Outcome == runner.RuleError) {
			r.Reason += "; " + what
		}
		why, ok := set.told[r.ID]
		if !ok {
			continue
		}
		r.Told = true
		switch r.Outcome {
		case runner.Fail:
			r.Outcome, r.Reason = runner.Warn, why+"; then it would fail: "+r.Reason
		case runner.RuleError:
			r.Outcome, r.Reason = runner.Warn, why+"; then it could not be told: "+r.Reason
		default:
			r.Reason = why + ": " + r.Reason
		}
	}
}

// agreed are the acknowledgements that both the base and the change have: a change cannot
// forgive itself anything, but it can take an acknowledgement back.
func (set *ruleSet) agreed(head *ruleSet) []Ack {
	var out []Ack
	for _, a := range set.ackings {
		i := slices.IndexFunc(head.ackings, func(b Ack) bool { return b.ID == a.ID && b.File == a.File })
		if i < 0 {
			continue
		}
		if mine := head.ackings[i]; mine.Until.Before(a.Until.Time) {
			a = mine
		}
		out = append(out, a)
	}
	return out
}

// ackChanges are the ids whose acknowledgements a change adds, alters or takes back.
func (set *ruleSet) ackChanges(head *ruleSet) []string {
	key := func(a Ack) string {
		return strings.Join([]string{a.ID, a.File, a.Reason, a.Owner, a.Until.String()}, "\x00")
	}
	count := map[string]int{}
	for _, a := range set.ackings {
		count[key(a)]++
	}
	for _, a := range head.ackings {
		count[key(a)]--
	}
	var ids []string
	for k, n := range count {
		if id, _, _ := strings.Cut(k, "\x00"); n != 0 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func byID(rules []Rule) map[string]Rule {
	m := make(map[string]Rule, len(rules))
	for _, r := range rules {
		m[r.ID] = r
	}
	return m
}

// sameRule reports whether two rules judge alike and say the same; where they are written
// does not matter.
func sameRule(a, b Rule) bool {
	a.Source, b.Source = "", ""
	return reflect.DeepEqual(a, b)
}

// splitSource takes "FILE:LINE" apart.
func splitSource(s string) (file string, line int) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, 0
	}
	if _, err := fmt.Sscanf(s[i+1:], "%d", &line); err != nil {
		return s, 0
	}
	return s[:i], line
}

// listed lists at most n words.
func listed(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:n], ", "), len(words)-n)
}
