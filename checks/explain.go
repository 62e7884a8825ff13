package checks

import (
	"context"
	"fmt"
	"slices"

	"github.com/holdfast-ci/holdfast/runner"
)

// Explanation is all that is known of one rule: what it says, where it looked and why it
// has its outcome.
type Explanation struct {
	Rule    Rule              // zero for a rule of a program
	Result  runner.Rule       // with every place, not only the first
	Cut     int               // places that are not even there
	Files   []string          // examined; nil for a rule of a program
	Scopes  []runner.Evidence // where the scopes begin that in names; nil without in
	Program bool
}

// ErrNoRule says that nothing has the id.
type ErrNoRule struct {
	ID    string
	Known []string
}

func (e *ErrNoRule) Error() string { return fmt.Sprintf("no rule has the id %q", e.ID) }

// Hint names a rule with a similar id.
func (e *ErrNoRule) Hint() string {
	if len(e.Known) == 0 {
		return "there are no rules"
	}
	return suggest(e.ID, e.Known)
}

// Explain judges one rule alone. A rule of a program needs all programs to run. The error
// is [*ErrNoRule], or what is wrong with the rule files.
func (s *Stage) Explain(ctx context.Context, ws *runner.Workspace, id string) (*Explanation, error) {
	t, set, err := s.open(ctx, ws.Dir)
	if err != nil {
		return nil, err
	}
	defer t.root.Close()
	i := slices.IndexFunc(set.rules, func(c *compiled) bool { return c.ID == id })
	if i < 0 {
		return s.explainProgram(ctx, ws, id, set)
	}
	c := set.rules[i]
	if c.Kind == KindAggregate { // made of what all others say
		x, err := s.explainProgram(ctx, ws, id, set)
		if x != nil {
			x.Rule, x.Program = c.Rule, false
		}
		return x, err
	}
	x := &Explanation{Rule: c.Rule, Files: c.selects(t.files)}
	rows, err := judgeAll(ctx, t, []*compiled{c}, nil)
	if err != nil {
		return nil, err
	}
	if !c.In.everywhere() {
		if x.Scopes, err = scopes(ctx, t, c); err != nil {
			return nil, err
		}
	}
	newPrinter(t).print(&rows[0])
	acks := slices.DeleteFunc(slices.Clone(set.acks), func(a Ack) bool { return a.ID != id })
	wrong := append(acknowledge(rows, acks, s.cfg.Now(), false), expired(acks, s.cfg.Now())...)
	x.Result, x.Cut = rows[0].Rule, rows[0].cut
	for _, u := range wrong {
		x.Result.Reason += "; the acknowledgement at " + u.Source + " is an error: " + u.Reason
	}
	if x.Result.Title == "" {
		x.Result.Title = id
	}
	return x, nil
}

// open opens a checkout and collects its rules. Mistakes in rule files are an error, an
// errors.Join of [*Mistake].
func (s *Stage) open(ctx context.Context, dir string) (*tree, *ruleSet, error) {
	t, err := openTree(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (*tree, *ruleSet, error) {
		t.root.Close()
		return nil, nil, err
	}
	if slices.ContainsFunc(s.cfg.RuleFiles, hiddenGlob) {
		if err := t.list(ctx, true); err != nil {
			return fail(err)
		}
	}
	set := s.collect(t.ruleFiles(), false)
	if len(set.mistakes) > 0 {
		return fail(joinMistakes(set.mistakes))
	}
	if slices.ContainsFunc(set.rules, func(c *compiled) bool {
		return slices.ContainsFunc(c.files, func(g *glob) bool { return g.hidden })
	}) {
		if err := t.list(ctx, true); err != nil {
			return fail(err)
		}
	}
	t.hideFixtures(set.rules)
	return t, set, nil
}

// scopes lists what a rule looks into.
func scopes(ctx context.Context, t *tree, c *compiled) ([]runner.Evidence, error) {
	tallies, err := examine(ctx, t, []*compiled{c}, nil)
	if err != nil {
		return nil, err
	}
	var out []runner.Evidence
	for _, tl := range tallies[0].tallies {
		for _, u := range tl.units {
			out = append(out, u.head)
		}
	}
	return out, nil
}

// explainProgram runs everything for a rule of a program, or one that is made of others.
func (s *Stage) explainProgram(ctx context.Context, ws *runner.Workspace, id string, set *ruleSet) (*Explanation, error) {
	known := make([]string, len(set.rules))
	for i, c := range set.rules {
		known[i] = c.ID
	}
	if len(s.cfg.Programs) == 0 && !slices.Contains(known, id) {
		return nil, &ErrNoRule{id, known}
	}
	res, err := s.Run(ctx, ws)
	if err != nil {
		return nil, err
	}
	for _, r := range res.Checks.Rules {
		if r.ID == id {
			return &Explanation{Result: r, Program: true}, nil
		}
		if !slices.Contains(known, r.ID) {
			known = append(known, r.ID)
		}
	}
	return nil, &ErrNoRule{id, known}
}
