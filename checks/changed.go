package checks

import (
	"context"
	"fmt"
	"slices"

	"github.com/holdfast-ci/holdfast/runner"
)

// perFile reports whether a rule judges every file by itself, so that what it says of the
// files that changed is what it would say of them among all others. Anything else needs
// the whole tree: what it asks for may be in a file that did not change.
func (c *compiled) perFile() bool {
	if c.In.Any {
		return false
	}
	switch c.Kind {
	case KindAbsent, KindWithin:
		return true
	case KindMatch, KindCount:
		return c.Each || !c.In.everywhere()
	case KindScope, KindOrder, KindNear, KindImplies:
		return c.Vacuous != "fail" && c.Vacuous != "error"
	}
	if _, whole := c.analysis.(linked); c.analysis != nil && !whole {
		return true
	}
	return false
}

// judgeChanged is judgeAll for a hook: rules that judge every file by itself see the files
// that changed. If a rule file is one of them, all see everything.
func (s *Stage) judgeChanged(set *ruleSet) func(context.Context, *tree, []*compiled, func(done, all int)) ([]row, error) {
	return func(ctx context.Context, t *tree, rules []*compiled, progress func(done, all int)) ([]row, error) {
		if i := slices.IndexFunc(s.cfg.Changed, func(name string) bool { return RuleFile(s.cfg.RuleFiles, name) }); i >= 0 {
			set.warnings = append(set.warnings, "the rule file "+s.cfg.Changed[i]+" changed, so every rule was judged over all files")
			return judgeAll(ctx, t, rules, progress)
		}
		changed := map[string]bool{}
		for _, f := range s.cfg.Changed {
			changed[f] = true
		}
		part := &tree{root: t.root}
		for _, f := range t.files {
			if changed[f] {
				part.files = append(part.files, f)
			}
		}
		rows := make([]row, len(rules))
		var some, whole []*compiled
		var someAt, wholeAt []int
		var skipped []string
		for i, c := range rules {
			switch {
			case !c.perFile():
				whole, wholeAt = append(whole, c), append(wholeAt, i)
			case len(c.selects(part.files)) == 0 && len(c.selects(t.files)) > 0:
				rows[i] = c.newRow(0)
				rows[i].Outcome, rows[i].Reason = runner.Skip, "none of its files changed"
				skipped = append(skipped, c.ID)
			case len(c.selects(t.files)) == 0:
				whole, wholeAt = append(whole, c), append(wholeAt, i)
			default:
				one := *c
				// The scope, or what the rule is about, may be in a file that did not change.
				one.OnMissing, one.In.Missing = "skip", ""
				some, someAt = append(some, &one), append(someAt, i)
			}
		}
		for _, half := range []struct {
			t     *tree
			rules []*compiled
			at    []int
		}{{part, some, someAt}, {t, whole, wholeAt}} {
			if len(half.rules) == 0 {
				continue
			}
			judged, err := judgeAll(ctx, half.t, half.rules, progress)
			if err != nil {
				return nil, err
			}
			for k, r := range judged {
				rows[half.at[k]] = r
			}
		}
		set.warnings = append(set.warnings, fmt.Sprintf("only what changed was looked at: %s by %s; %s needed the whole tree",
			plural(len(part.files), "file"), plural(len(some), "rule"), plural(len(whole), "rule")))
		if len(skipped) > 0 {
			set.warnings = append(set.warnings, "skipped, since none of their files changed: "+listed(skipped, 40))
		}
		return rows, nil
	}
}
