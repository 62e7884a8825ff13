package report

import (
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// Text renders a run for the end of a terminal command: the verdict first, then one
// block for each stage with what has to be looked at, then what changed and where the
// logs are. No colour, no control characters.
func Text(in Input) string {
	r := &in.Run
	var b strings.Builder
	b.WriteString(word(in.verdict()) + "  ")
	if r.Number > 0 {
		fmt.Fprintf(&b, "run %d of ", r.Number)
	}
	b.WriteString(orUnknown(r.Repo, line))
	if r.Commit.SHA != "" {
		b.WriteString(" at " + line(r.Commit.Short()))
	}
	if r.Branch != "" {
		b.WriteString(" (" + line(r.Branch) + ")")
	}
	if r.Commit.Subject != "" {
		fmt.Fprintf(&b, " “%s”", clip(line(r.Commit.Subject), 72))
	}
	b.WriteString("\n")
	if r.State == runner.StateCancelled || r.State == runner.StateSuperseded {
		fmt.Fprintf(&b, "this run was %s before it finished\n", r.State)
	}
	if len(r.Stages) == 0 {
		why := "no stage ran"
		if r.Reason != "" {
			why = r.Reason
		}
		fmt.Fprintf(&b, "nothing was examined: %s\n", line(why))
	}
	b.WriteString("\n")
	for i := range r.Stages {
		stageText(&b, &in, &r.Stages[i])
	}
	if len(r.Stages) > 0 {
		b.WriteString("\n")
	}
	for _, x := range in.Bisections {
		b.WriteString(BisectionText(x))
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", line(w))
	}
	for _, w := range r.Machine.Warnings {
		fmt.Fprintf(&b, "warning: machine: %s\n", line(w))
	}
	if in.Previous != nil {
		list := Changes(in)
		if len(list) == 0 {
			fmt.Fprintf(&b, "changed since %s: nothing in verdicts, theorems and rules\n", since(in.Previous))
		} else {
			fmt.Fprintf(&b, "changed since %s:\n", since(in.Previous))
		}
		for _, c := range list {
			b.WriteString("  " + c.What)
			var names []string
			for _, n := range c.Names[:min(len(c.Names), maxNames)] {
				names = append(names, line(n))
			}
			if n := len(c.Names) - maxNames; n > 0 {
				names = append(names, fmt.Sprintf("and %s more", number(n)))
			}
			if len(names) > 0 {
				b.WriteString(": " + strings.Join(names, ", "))
			}
			b.WriteString("\n")
		}
	}
	if folder := logFolder(r); folder != "" {
		fmt.Fprintf(&b, "logs: %s\n", line(folder))
	}
	return b.String()
}

// line is hostile text for a terminal.
func line(s string) string { return clip(visible(s), maxProse) }

const indent = "          "

func stageText(b *strings.Builder, in *Input, s *runner.Result) {
	fmt.Fprintf(b, "%-8s  %s", line(s.Stage), word(s.Verdict))
	if s.Seconds > 0 {
		fmt.Fprintf(b, ", %s", elapsed(s.Seconds))
	}
	if text := summary(s); text != "" {
		b.WriteString(": " + line(text))
	}
	b.WriteString("\n")
	if s.Hint != "" {
		b.WriteString(indent + "hint: " + line(s.Hint) + "\n")
	}
	const most = 20
	shown, more := 0, 0
	for _, f := range findings(&runner.Run{Stages: []runner.Result{*s}}) {
		if rank(f.Verdict) >= rank(runner.Success) {
			continue
		}
		if shown == most {
			more++
			continue
		}
		shown++
		b.WriteString(indent)
		if p := place(line(f.File), f.Line, f.Column); p != "" {
			b.WriteString(p + ": ")
		}
		if f.Rule != "" {
			b.WriteString("[" + line(f.Rule) + "] ")
		}
		b.WriteString(line(f.Text) + "\n")
		if e := shownBy(s.Checks, &f); e != nil {
			b.WriteString(frame(e, indent))
		}
	}
	if more > 0 {
		fmt.Fprintf(b, "%sand %s, in the report\n", indent, plural(more, "more finding"))
	}
	if c := s.Checks; c != nil {
		for i := range c.Rules {
			ruleText(b, &c.Rules[i])
		}
	}
	if p := s.Proofs; p != nil {
		ledgerText(b, p)
		if p.Toolchain != "" {
			text := replayed(&p.Replay, line)
			if in.Run.Number > 0 {
				text += "; " + scratch(p.FromScratch, line)
			}
			b.WriteString(indent + text + "\n")
		}
		if len(p.Advisories) > 0 {
			b.WriteString(indent + missing(p, line) + "\n")
		}
	}
	if p := s.Proofs; p != nil && p.Toolchain != "" && !p.Authority {
		b.WriteString(indent + "stand-in toolchain: “proved” is a convenience here\n")
	}
	if s.Stage == runner.StageBench && s.Bench != nil {
		for _, t := range interpretation(harness(in.metrics())) {
			b.WriteString(indent + line(t) + "\n")
		}
		shiftsText(b, in)
		if in.Truth != nil {
			for _, t := range append(TruthLines(*in.Truth), detectable(in)...) {
				b.WriteString(indent + t + "\n")
			}
		}
	}
	for _, w := range s.Warnings {
		b.WriteString(indent + "warning: " + line(w) + "\n")
	}
}

// maxWarned is how many places of a warning the terminal shows.
const maxWarned = 3

// ruleText shows a warning, and its first places unless it is known and tolerated; failures
// are findings already.
func ruleText(b *strings.Builder, r *runner.Rule) {
	if r.Outcome != runner.Warn {
		return
	}
	fmt.Fprintf(b, "%swarning: [%s] %s (%s)\n", indent, line(r.ID), line(r.Reason), tolerated(r))
	if r.Ack != nil || r.Debt {
		return
	}
	for i := range r.Evidence[:min(len(r.Evidence), maxWarned)] {
		e := &r.Evidence[i]
		if p := place(line(e.File), e.Line, e.Column); p != "" {
			if e.Note != "" && !strings.Contains(r.Reason, e.Note) {
				p += ": " + line(e.Note)
			}
			b.WriteString(indent + p + "\n" + frame(e, indent))
		}
	}
}

// shownBy is the evidence that a finding of the checks stage was made from, nil if it is
// none.
func shownBy(c *runner.Checks, f *runner.Finding) *runner.Evidence {
	if c == nil || f.Line == 0 {
		return nil
	}
	for i := range c.Rules {
		if c.Rules[i].ID != f.Rule {
			continue
		}
		for j := range c.Rules[i].Evidence {
			if e := &c.Rules[i].Evidence[j]; e.File == f.File && e.Line == f.Line && e.Column == f.Column {
				return e
			}
		}
	}
	return nil
}
