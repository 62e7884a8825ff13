package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// ratchet compares the violations of rows with those that the base had: a rule that
// complains of nothing new is told, and fails nothing. What cannot be compared stays what
// it is and says why. It returns what weakens the comparison as a whole.
func (t *tree) ratchet(rows []row, ws *runner.Workspace, keep bool) (against runner.Commit, warnings []string) {
	base := ws.EarlierCommit
	if base.SHA == "" {
		base = ws.Base
	}
	name := "the base"
	if base.SHA != "" {
		name = base.Short()
	}
	switch e := ws.Earlier; {
	case e == nil:
		return runner.Commit{}, nil
	case e.Checks == nil:
		why := e.Reason
		if why == "" {
			why = "its rules were not judged"
		}
		return runner.Commit{}, []string{fmt.Sprintf("not compared with %s, so every violation counts as new: %s", name, why)}
	case e.Checks.Scheme != Scheme:
		return runner.Commit{}, []string{fmt.Sprintf("not compared with %s, so every violation counts as new: its violations were named by another version", name)}
	}
	before := map[string]*runner.Rule{}
	for i := range ws.Earlier.Checks.Rules {
		r := &ws.Earlier.Checks.Rules[i]
		before[r.ID] = r
	}
	gone := t.gone()
	for i := range rows {
		if r := &rows[i]; !r.Told && (r.Outcome == runner.Fail || r.Outcome == runner.Warn) {
			r.compare(before[r.ID], gone, name, keep)
		}
	}
	return base, warnings
}

// compare marks what is new of a row that does not pass.
func (r *row) compare(old *runner.Rule, gone func(path string) bool, base string, keep bool) {
	mine := r.open()
	fresh := mine
	if old != nil && old.Outcome != runner.RuleError {
		fresh = unmatched(mine, old.Violations, gone)
	}
	r.New = len(fresh)
	news := map[string]bool{}
	for _, p := range fresh {
		news[p] = p != ""
	}
	for i := range r.Evidence {
		r.Evidence[i].New = news[r.Evidence[i].Fingerprint]
	}
	for _, l := range r.lacks {
		if e := r.shows(l); e != nil && news[l.print] {
			e.New = true
		}
	}
	slices.SortStableFunc(r.Evidence, func(a, b runner.Evidence) int {
		switch {
		case a.New && !b.New:
			return -1
		case b.New && !a.New:
			return 1
		}
		return 0
	})
	switch {
	case r.Ack != nil || len(mine) == 0:
	case old != nil && old.Outcome == runner.RuleError:
		r.Reason += fmt.Sprintf("; all of it counts as new: at %s it could not be told (%s)", base, cut(old.Reason, 200))
	case len(fresh) == 0 && r.expired:
		r.Reason += "; it is not new, but an acknowledgement that is over is not replaced by being old"
	case len(fresh) == 0:
		r.Reason = fmt.Sprintf("%s, %s there at %s: %s", plural(len(mine), "violation"), all(len(mine)), base, r.Reason)
		if r.Outcome == runner.Fail && keep {
			r.Outcome, r.Debt = runner.Warn, true
		}
	case len(fresh) < len(mine):
		r.Reason = fmt.Sprintf("%d of %s new since %s: %s", len(fresh), plural(len(mine), "violation"), base, r.Reason)
	}
}

func all(n int) string {
	if n == 1 {
		return "which was"
	}
	return "all of them"
}

// unmatched returns those of mine that old does not have, as often as it does not. A
// violation in a file that the base does not have may be one of a file that is gone since:
// it was renamed.
func unmatched(mine, old []string, gone func(path string) bool) []string {
	have := map[string]int{}
	for _, p := range old {
		if p != "" {
			have[p]++
		}
	}
	var left []string
	for _, p := range mine {
		if have[p] > 0 {
			have[p]--
			continue
		}
		left = append(left, p)
	}
	// The numbers of equal violations may have moved on, within one file or into another.
	loose := map[string]int{}
	for p, n := range have {
		content, path, ok := takeApart(p)
		if !ok {
			continue
		}
		loose[content+"."+path] += n
		if gone(path) {
			loose[content] += n
		}
	}
	return slices.DeleteFunc(left, func(p string) bool {
		content, path, ok := takeApart(p)
		if !ok {
			return false
		}
		for _, k := range []string{content + "." + path, content} {
			if loose[k] > 0 {
				loose[k]--
				return true
			}
		}
		return false
	})
}

// takeApart splits a fingerprint into its hash of the content and of the path.
func takeApart(p string) (content, path string, ok bool) {
	f := strings.Split(p, ".")
	if len(f) != 3 {
		return "", "", false
	}
	return f[0], f[1], true
}

// gone tells by the hash of a path whether the checkout lacks that file.
func (t *tree) gone() func(path string) bool {
	here := map[string]bool{"-": true}
	for _, f := range t.files {
		here[pathHash(f)] = true
	}
	return func(path string) bool { return !here[path] }
}
