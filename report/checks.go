package report

import (
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// outcome maps a rule's outcome to a verdict. What is not known is an error.
func outcome(o string) runner.Verdict {
	switch o {
	case runner.Pass:
		return runner.Success
	case runner.Warn, runner.Skip:
		return runner.Neutral
	case runner.Fail:
		return runner.Failure
	}
	return runner.Error
}

// checks shows the counts, then failures and errors with evidence, then warnings with
// why they are tolerated, then the rest, folded.
func checks(c *runner.Checks) []section {
	head := section{keep: mustKeep, head: "### Checks\n\n" + upper(tally(c)) + ".\n\n"}
	bad := section{keep: 85, what: "failed rules"}
	warn := section{keep: 60, what: "warnings of rules"}
	rest := section{keep: 15, what: "rules that pass"}
	for i := range c.Rules {
		r := &c.Rules[i]
		switch r.Outcome {
		case runner.Pass, runner.Skip:
			rest.rows = append(rest.rows, fmt.Sprintf("| %s | %s | %s | %s |\n", icon(outcome(r.Outcome)), code(r.ID), prose(r.Title), prose(r.Reason)))
		case runner.Warn:
			warn.rows = append(warn.rows, rule(r, "⚠️"))
		default:
			bad.rows = append(bad.rows, rule(r, icon(outcome(r.Outcome))))
		}
	}
	out := []section{head}
	// One list: a blank line between the two would pull all its items apart.
	if len(warn.rows) > 0 {
		warn.tail = "\n"
	} else if len(bad.rows) > 0 {
		bad.tail = "\n"
	}
	out = append(out, bad, warn)
	if n := len(rest.rows); n > 0 {
		what := plural(n, "rule") + " that pass"
		if n == 1 {
			what = "1 rule that passes"
		}
		if c.Skip > 0 {
			what += " or do not apply"
		}
		rest.head, rest.tail = details(what, "| | Rule | Title | Seen |\n|---|---|---|---|\n")
		out = append(out, rest)
	}
	return out
}

func rule(r *runner.Rule, sign string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "- %s **%s** %s", sign, prose(clip(visible(r.ID), 80)), prose(r.Title))
	if r.Reason != "" {
		b.WriteString(": " + prose(r.Reason))
	}
	if r.Source != "" {
		b.WriteString(" (" + code(r.Source) + ")")
	}
	b.WriteString("\n")
	switch {
	case r.Ack != nil:
		fmt.Fprintf(&b, "  - acknowledged by %s until %s: %s\n", orUnknown(r.Ack.Owner, prose), orUnknown(r.Ack.Until, prose), orUnknown(r.Ack.Reason, prose))
	case r.Outcome == runner.Warn:
		b.WriteString("  - " + tolerated(r) + "\n")
	}
	const most = 5
	for _, e := range r.Evidence[:min(len(r.Evidence), most)] {
		b.WriteString("  - " + code(place(e.File, e.Line, e.Column)))
		if e.New {
			b.WriteString(" new:")
		}
		if visible(e.Text) != "" {
			b.WriteString(" " + code(e.Text))
		}
		if e.Note != "" && !strings.HasPrefix(r.Reason, e.Note) {
			b.WriteString(" " + prose(e.Note))
		}
		b.WriteString("\n")
	}
	if n := len(r.Evidence) - most; n > 0 {
		fmt.Fprintf(&b, "  - and %s more\n", plural(n, "place"))
	}
	return b.String()
}
