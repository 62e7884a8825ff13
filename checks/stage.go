package checks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// DefaultRuleFile is the rule file that is read if none is configured.
const DefaultRuleFile = "holdfast.rules.toml"

// maxRuleFile is the largest rule file that is read.
const maxRuleFile = 4 << 20

// Config says what the stage judges. The zero value means the rules of
// holdfast.rules.toml.
type Config struct {
	// RuleFiles are globs relative to the checkout, and folders, which end with a slash; none
	// means holdfast.rules.toml and the folder holdfast.rules/.
	RuleFiles []string
	Rules     []Rule   // rules from agent.toml
	Acks      []Ack    // acknowledgements from agent.toml
	Packs     []string // rule packs from agent.toml, as they are
	Programs  []Program
	// Ratchet makes old debt a warning: a rule of which all violations were there at the
	// base (runner.Workspace.Earlier) fails nothing.
	Ratchet bool
	// Only limits rules that judge every file by itself to those of Changed, and leaves
	// programs out: for a hook that must be quick.
	Only    bool
	Changed []string // slash-separated, relative to the checkout
	// Now tells the day on which acknowledgements expire; nil means time.Now.
	Now func() time.Time
}

// Stage judges structural rules and runs check programs.
type Stage struct{ cfg Config }

// New returns the stage. Mistakes in the configuration are results of Run; agent.toml is
// checked beforehand with [Rule.Validate].
func New(cfg Config) *Stage {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Stage{cfg: cfg}
}

// Name implements runner.Stage.
func (s *Stage) Name() string { return runner.StageChecks }

// Run implements runner.Stage. The error is for a checkout that cannot be listed and for
// a context that ends; everything else is in the result.
func (s *Stage) Run(ctx context.Context, ws *runner.Workspace) (runner.Result, error) {
	all, err := openTree(ctx, ws.Dir)
	if err != nil {
		return runner.Result{}, err
	}
	defer all.root.Close()
	if slices.ContainsFunc(s.cfg.RuleFiles, hiddenGlob) {
		if err := all.list(ctx, true); err != nil {
			return runner.Result{}, err
		}
	}
	all.history = history(ctx, ws)
	set := s.collect(all.ruleFiles(), false)
	if ws.Rules != nil {
		set = s.judging(ws, all, set)
	}
	rows := set.rows
	if slices.ContainsFunc(set.rules, func(c *compiled) bool {
		return slices.ContainsFunc(c.files, func(g *glob) bool { return g.hidden })
	}) {
		if err := all.list(ctx, true); err != nil {
			return runner.Result{}, err
		}
	}
	all.hideFixtures(set.rules)
	if len(set.rules) > 0 {
		ws.Report(s.Name(), "judging %s", plural(len(set.rules), "rule"))
		judge := judgeAll
		if s.cfg.Only {
			judge = s.judgeChanged(set)
		}
		judged, err := judge(ctx, all, set.rules, func(done, of int) { ws.Report(s.Name(), "read %d of %d files", done, of) })
		if err != nil {
			return runner.Result{}, err
		}
		set.tell(judged, false)
		rows = append(judged, rows...)
	}
	// Programs come last: what they write cannot change what the rules see.
	partial := len(set.mistakes) > 0
	for _, p := range s.cfg.Programs {
		if s.cfg.Only {
			set.warnings = append(set.warnings, "program "+p.Name+" was not run: it looks at more than what changed")
			partial = true
			continue
		}
		ws.Report(s.Name(), "running program %s", p.Name)
		got := p.run(ctx, ws, all)
		if ctx.Err() != nil {
			return runner.Result{}, context.Cause(ctx)
		}
		partial = partial || slices.ContainsFunc(got, func(r row) bool { return r.ID == p.Name && r.Outcome == runner.RuleError })
		rows = append(rows, got...)
	}
	unique(rows)
	prints := newPrinter(all)
	for i := range rows {
		prints.print(&rows[i])
	}
	unused := acknowledge(rows, set.acks, s.cfg.Now(), partial)
	if !s.cfg.Only { // else it may be used by what did not change
		rows = append(rows, unused...)
	}
	rows = append(rows, expired(set.standing, s.cfg.Now())...)
	unique(rows)
	base, warnings := all.ratchet(rows, ws, s.cfg.Ratchet)
	set.warnings = append(set.warnings, warnings...)
	aggregates(set.rules, rows)
	set.tell(rows, true)
	res := s.result(rows, set)
	res.Checks.Scheme, res.Checks.Base = Scheme, base
	if ws.Rules != nil {
		res.Checks.RulesOf = ws.RulesOf
	}
	return res, nil
}

func hiddenGlob(text string) bool {
	g, err := parseGlob(strings.TrimSuffix(text, "/"))
	return err == nil && g.hidden
}

// judgeAll judges all rules over the files of the checkout.
func judgeAll(ctx context.Context, t *tree, rules []*compiled, progress func(done, all int)) ([]row, error) {
	tallies, err := examine(ctx, t, rules, progress)
	if err != nil {
		return nil, err
	}
	rows := make([]row, len(rules))
	for i, c := range rules {
		switch c.Kind {
		case KindExists:
			rows[i] = c.exists(t)
		case KindInfo:
			rows[i] = c.fact()
		case KindAggregate: // judged when all others are
			rows[i] = c.newRow(0)
			rows[i].Outcome, rows[i].Reason = runner.RuleError, "the rules that it is made of were not judged"
		default:
			rows[i] = c.judge(tallies[i])
		}
	}
	return rows, nil
}

// maxFindings is how many places of one rule become findings; the rule has more.
const maxFindings = 10

func (s *Stage) result(rows []row, set *ruleSet) runner.Result {
	c := &runner.Checks{Rules: make([]runner.Rule, 0, len(rows))}
	res := runner.Result{Stage: s.Name(), Checks: c, Warnings: set.warnings, Findings: set.findings}
	told := 0
	for _, row := range rows {
		if row.Told {
			told++
		}
		r := row.finish()
		c.Rules = append(c.Rules, r)
		verdict := runner.Neutral
		switch r.Outcome {
		case runner.Pass:
			c.Pass++
			continue
		case runner.Skip:
			c.Skip++
			continue
		case runner.Warn:
			c.Warn++
		case runner.Fail:
			c.Fail++
			verdict = runner.Failure
		default:
			c.Error++
			verdict = runner.Error
		}
		res.Findings = append(res.Findings, findings(r, verdict)...)
	}
	switch {
	case c.Total() == 0:
		res.Verdict, res.Reason, res.Hint = runner.Error, "there are no rules and no check programs", hintRule+"; in "+DefaultRuleFile
		return res
	case c.Fail > 0:
		res.Verdict = runner.Failure
	case c.Error > 0:
		res.Verdict = runner.Error
	case c.Pass+c.Warn == 0:
		res.Verdict = runner.Neutral
	case told == c.Total():
		res.Verdict, res.Reason = runner.Neutral, fmt.Sprintf("nothing judges yet: %s count once the change is merged", plural(told, "new rule"))
		return res
	default:
		res.Verdict = runner.Success
	}
	if len(set.mistakes) > 0 {
		res.Hint = set.mistakes[0].Hint()
	}
	res.Reason = summary(c)
	return res
}

func findings(r runner.Rule, verdict runner.Verdict) []runner.Finding {
	text := r.Title
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	tail := ""
	if r.Ack != nil {
		tail = fmt.Sprintf(" (acknowledged by %s until %s: %s)", r.Ack.Owner, r.Ack.Until, r.Ack.Reason)
		text += tail
	}
	if len(r.Evidence) == 0 {
		return []runner.Finding{{Verdict: verdict, Rule: r.ID, Text: text}}
	}
	var out []runner.Finding
	for _, e := range r.Evidence[:min(len(r.Evidence), maxFindings)] {
		if r.New > 0 && !e.New && len(out) > 0 { // what is old stands behind what is new
			break
		}
		text := text
		if e.Note != "" {
			text = r.Title + ": " + e.Note + tail
		}
		out = append(out, runner.Finding{
			Verdict: verdict, Rule: r.ID, File: e.File, Line: e.Line, Column: e.Column, EndLine: e.EndLine, EndColumn: e.EndColumn, Text: text,
		})
	}
	return out
}

// summary is the sentence of the stage: "31 of 34 checks pass, 2 warn, 1 fails: ST.004
// waits under a lock (src/pool.mm:118)".
func summary(c *runner.Checks) string {
	var b strings.Builder
	verb := "pass"
	if c.Total() == 1 {
		verb = "passes"
	}
	fmt.Fprintf(&b, "%d of %s %s", c.Pass, plural(c.Total(), "check"), verb)
	count := func(n int, one, many string) {
		if n == 1 {
			b.WriteString(", 1 " + one)
		} else if n > 1 {
			fmt.Fprintf(&b, ", %d %s", n, many)
		}
	}
	count(c.Warn, "warns", "warn")
	count(c.Skip, "is skipped", "are skipped")
	count(c.Error, "could not be told", "could not be told")
	count(c.Fail, "fails", "fail")
	worst := runner.Fail
	if c.Fail == 0 {
		worst = runner.RuleError
	}
	i := slices.IndexFunc(c.Rules, func(r runner.Rule) bool { return r.Outcome == worst })
	if i < 0 {
		return b.String()
	}
	r := c.Rules[i]
	b.WriteString(": " + r.ID)
	if r.Title != r.ID {
		b.WriteString(" " + r.Title)
	}
	switch {
	case worst == runner.Fail && len(r.Evidence) > 0:
		fmt.Fprintf(&b, " (%s:%d)", r.Evidence[0].File, r.Evidence[0].Line)
	case r.Reason != "":
		b.WriteString(" (" + cut(r.Reason, 200) + ")")
	}
	if worst == runner.Fail && c.Fail > 1 {
		fmt.Fprintf(&b, " and %d more", c.Fail-1)
	} else if worst == runner.RuleError && c.Error > 1 {
		fmt.Fprintf(&b, " and %d more", c.Error-1)
	}
	return b.String()
}

var _ runner.Stage = (*Stage)(nil)
