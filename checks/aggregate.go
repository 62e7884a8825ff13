package checks

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

func (c *compiled) compileAggregate(wrong wrongFunc) {
	if c.Kind == KindAggregate && len(c.Of) == 0 {
		wrong("of", `say of which rules: of = ["ST.001.*"]`, "kind aggregate without of")
	}
	if c.Kind == KindAggregate && c.Max != nil {
		wrong("max", "leave it out", "kind aggregate has no max")
	}
	if c.Kind == KindAggregate && c.Any && c.Min != nil {
		wrong("min", "any = true is min = 1", "both any and min")
	}
	for _, text := range c.Of {
		parts := strings.Split(text, "*")
		for i, p := range parts {
			parts[i] = regexp.QuoteMeta(p)
		}
		c.of = append(c.of, regexp.MustCompile("^"+strings.Join(parts, ".*")+"$"))
	}
}

// aggregates judges the rules of kind aggregate by the outcomes of all others, those of
// programs and other aggregates included. rows of aggregates are filled in.
func aggregates(rules []*compiled, rows []row) {
	byID := map[string]*compiled{}
	for _, c := range rules {
		if c.Kind == KindAggregate {
			byID[c.ID] = c
		}
	}
	if len(byID) == 0 {
		return
	}
	state := map[string]int{} // 1 being judged, 2 done
	var judge func(i int) bool
	judge = func(i int) bool {
		c := byID[rows[i].ID]
		if c == nil || state[c.ID] == 2 {
			return true
		}
		if state[c.ID] == 1 {
			return false
		}
		state[c.ID] = 1
		defer func() { state[c.ID] = 2 }()
		count := map[string]int{}
		total := 0
		worst := ""
		for k := range rows {
			if k == i || !matchID(c.of, rows[k].ID) {
				continue
			}
			if !judge(k) {
				rows[i].Outcome, rows[i].Reason = runner.RuleError, "aggregates that are made of each other: "+c.ID+" and "+rows[k].ID
				return true
			}
			if rows[k].Outcome == runner.Skip {
				count[runner.Skip]++
				continue
			}
			total++
			count[rows[k].Outcome]++
			if (rows[k].Outcome == runner.Fail || rows[k].Outcome == runner.RuleError) && worst == "" {
				worst = rows[k].ID
			}
		}
		rows[i] = c.sum(rows[i], count, total, worst)
		return true
	}
	for i := range rows {
		judge(i)
	}
}

func matchID(of []*regexp.Regexp, id string) bool {
	for _, re := range of {
		if re.MatchString(id) {
			return true
		}
	}
	return false
}

// sum judges by the number of outcomes. A rule that warns is tolerated.
func (c *compiled) sum(r row, count map[string]int, total int, worst string) row {
	if total == 0 {
		reason := "no rule has an id like " + strings.Join(c.Of, ", ")
		if count[runner.Skip] > 0 {
			reason = fmt.Sprintf("all of %s are skipped", plural(count[runner.Skip], "rule"))
		}
		return c.missing(r, reason)
	}
	good := count[runner.Pass] + count[runner.Warn]
	need := total
	switch {
	case c.Min != nil:
		need = *c.Min
	case c.Any:
		need = 1
	}
	r.Reason = fmt.Sprintf("%d of %s pass", count[runner.Pass], plural(total, "rule"))
	for _, o := range []struct{ outcome, word string }{{runner.Warn, "warn"}, {runner.Fail, "fail"}, {runner.RuleError, "could not be told"}, {runner.Skip, "were skipped"}} {
		if n := count[o.outcome]; n > 0 {
			r.Reason += fmt.Sprintf(", %d %s", n, o.word)
		}
	}
	switch {
	case good >= need:
		r.Outcome = runner.Pass
		if c.Min == nil && !c.Any && count[runner.Warn] > 0 {
			r.Outcome = runner.Warn
		}
		return r
	case good+count[runner.RuleError] >= need:
		r.Outcome = runner.RuleError
	default:
		r.Outcome = c.violated()
	}
	if need < total {
		r.Reason += fmt.Sprintf(", at least %d expected", need)
	}
	if worst != "" {
		r.Reason += ": " + worst
	}
	return r
}

// fact is the row of a rule of kind info.
func (c *compiled) fact() row {
	r := c.newRow(0)
	r.Outcome, r.Reason = runner.Skip, c.Text
	return r
}
