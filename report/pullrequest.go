package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// View says how the comment on a pull request is to be rendered.
type View struct {
	// Asked: a person wants to see it although everything is fine.
	Asked bool
	// Check is the name of the check run whose text is the whole report; "" if there is none.
	// Then the comment has the whole report itself, folded, as far as there is room.
	Check string
	// Note is a sentence of ours below the verdict; "" for none. It is escaped.
	Note string
}

// Fine reports whether a run gives nobody anything to do: its verdict is success, or that
// it does not apply.
func Fine(in Input) bool {
	v := in.verdict()
	return v == runner.Success || v == runner.Neutral
}

// PullRequest renders the one comment on a pull request in at most limit bytes: the
// verdict, then at most three rows of what changed against the base, then everything else,
// folded. Of a run that is [Fine] it is one line, unless somebody asked.
func PullRequest(in Input, v View, limit int) string {
	if Fine(in) && !v.Asked {
		return clipLine(fineLine(&in), limit)
	}
	out := []section{headline(&in, v.Note)}
	rows := changedRows(&in)
	n := min(len(rows), rowsOpen)
	if n > 0 {
		out = append(out, section{keep: mustKeep, head: strings.Join(rows[:n], "") + "\n"})
	}
	if n < len(rows) {
		rest := section{keep: 95, what: "further rows", rows: rows[n:]}
		rest.head, rest.tail = details(number(len(rows)-n)+" more", "")
		out = append(out, rest)
	}
	out = append(out, compared(&in), stagesFolded(&in))
	where := wholeReport(&in)
	if v.Check != "" {
		where = fmt.Sprintf("The whole report is the text of the check %s of this commit.", code(v.Check))
		return fit(append(out, section{keep: mustKeep, head: where + "\n"}), limit, where)
	}
	out = append(out, section{keep: mustKeep, head: "<details><summary>The whole report</summary>\n\n"})
	out = append(out, sections(&in)...)
	return fit(append(out, section{keep: mustKeep, head: "</details>\n"}), limit, where)
}

// fineLine is all that is said of a run that gives nobody anything to do.
func fineLine(in *Input) string {
	r := &in.Run
	what := "nothing regressed"
	if in.verdict() == runner.Neutral {
		what = "does not apply"
		if r.Reason != "" {
			what += ": " + strings.TrimRight(prose(r.Reason), ".")
		}
	}
	return fmt.Sprintf("%s **%s**%s: %s%s.\n", icon(in.verdict()), in.verdict(), commits(r), what, numbered(r))
}

// commits names head and base: " at `0123456789` against `fedcba9876`".
func commits(r *runner.Run) string {
	text := ""
	if r.Commit.SHA != "" {
		text += " at " + code(r.Commit.Short())
	}
	if r.Base.SHA != "" {
		text += " against " + code(r.Base.Short())
	}
	return text
}

func numbered(r *runner.Run) string {
	if r.Number <= 0 {
		return ""
	}
	return fmt.Sprintf(" (run %d)", r.Number)
}

// headline is the verdict with the stages that it is due to, and what was examined.
func headline(in *Input, note string) section {
	r := &in.Run
	var due []string
	for i := range r.Stages {
		if v := valid(r.Stages[i].Verdict); v == in.verdict() && !Fine(*in) {
			due = append(due, prose(clip(visible(r.Stages[i].Stage), 40)))
		}
	}
	head := fmt.Sprintf("## %s %s", icon(in.verdict()), word(in.verdict()))
	if len(due) > 0 {
		head += " · " + strings.Join(due[:min(len(due), 4)], ", ")
	}
	head += "\n\nHoldfast" + commits(r) + numbered(r)
	if d := r.Finished.Sub(r.Started).Seconds(); !r.Started.IsZero() && !r.Finished.IsZero() && d >= 0 {
		head += ", took " + elapsed(d)
	}
	head += ".\n\n"
	if r.State == runner.StateCancelled || r.State == runner.StateSuperseded {
		head += fmt.Sprintf("**This run was %s before it finished.** What follows is what was known by then.\n\n", r.State)
	}
	if len(r.Stages) == 0 {
		why := "no stage ran"
		if r.Reason != "" {
			why = r.Reason
		}
		head += fmt.Sprintf("**Nothing was examined:** %s.\n\n", strings.TrimRight(prose(why), "."))
	}
	if note != "" {
		head += prose(note) + "\n\n"
	}
	return section{keep: mustKeep, head: head}
}

// changedRows lists what is different from the base, what somebody has to act on first:
// findings that fail (debt of the base does not), stages that gave a bad verdict without a
// finding, warnings that are new, and what became of theorems without harm.
func changedRows(in *Input) []string {
	var rows []string
	told := map[string]bool{}
	add := func(row string) {
		if !told[row] {
			told[row] = true
			rows = append(rows, row)
		}
	}
	listed := map[string]bool{}
	for i := range in.Run.Stages {
		for _, f := range in.Run.Stages[i].Findings {
			listed[in.Run.Stages[i].Stage] = listed[in.Run.Stages[i].Stage] || rank(f.Verdict) < rank(runner.Success)
		}
	}
	grave := graveEntries(&in.Run)
	for _, want := range []runner.Verdict{runner.Failure, runner.Error} {
		for _, e := range grave {
			if valid(e.Verdict) == want {
				add(entry(e, "", false))
				listed[runner.StageProofs] = true
			}
		}
		for _, f := range findings(&in.Run) {
			// What the ledger tells as a finding, too, is said better by its entry.
			if valid(f.Verdict) == want && !(f.Rule == "ledger" && len(grave) > 0) {
				add("- " + finding(f) + "\n")
			}
		}
		for i := range in.Run.Stages {
			if s := &in.Run.Stages[i]; valid(s.Verdict) == want && !listed[s.Stage] {
				row := fmt.Sprintf("- %s **%s** %s", icon(want), prose(clip(visible(s.Stage), 40)), prose(summary(s)))
				if s.Hint != "" {
					row += ". Hint: " + prose(s.Hint)
				}
				add(row + "\n")
			}
		}
	}
	for i := range in.Run.Stages {
		if c := in.Run.Stages[i].Checks; c != nil {
			for j := range c.Rules {
				if r := &c.Rules[j]; r.Outcome == runner.Warn && r.New > 0 {
					add(fmt.Sprintf("- ⚠️ **%s** %s new\n", prose(clip(visible(r.ID), 80)), plural(r.New, "warning")))
				}
			}
		}
		if p := in.Run.Stages[i].Proofs; p != nil && p.Ledger != nil {
			harmless(p.Ledger, add)
		}
	}
	return rows
}

// graveEntries are the theorems and modules of the ledger to which something happened that
// fails, or that could not be told.
func graveEntries(run *runner.Run) []*runner.Entry {
	s := run.Stage(runner.StageProofs)
	if s == nil || s.Proofs == nil || s.Proofs.Ledger == nil {
		return nil
	}
	var out []*runner.Entry
	for _, list := range [][]runner.Entry{s.Proofs.Ledger.Entries, s.Proofs.Ledger.Modules} {
		for i := range list {
			if rank(list[i].Verdict) < rank(runner.Success) {
				out = append(out, &list[i])
			}
		}
	}
	return out
}

// harmless adds a row for each kind of thing that became of theorems and fails nothing.
func harmless(l *runner.Ledger, add func(string)) {
	for _, c := range changes {
		var names []string
		for i := range l.Entries {
			if e := &l.Entries[i]; e.Change == c && rank(e.Verdict) >= rank(runner.Success) {
				names = append(names, e.Name)
			}
		}
		if len(names) == 0 {
			continue
		}
		row := fmt.Sprintf("- ➖ %s %s: ", plural(len(names), "theorem"), c)
		for i, n := range names[:min(len(names), maxNames)] {
			if i > 0 {
				row += ", "
			}
			row += code(n)
		}
		if n := len(names) - maxNames; n > 0 {
			row += fmt.Sprintf(" and %s more", number(n))
		}
		add(row + "\n")
	}
}

// compared shows theorems whose statement is another one, old against new, folded.
func compared(in *Input) section {
	s := section{keep: 92, what: "compared statements"}
	res := in.Run.Stage(runner.StageProofs)
	if res == nil || res.Proofs == nil || res.Proofs.Ledger == nil {
		return section{}
	}
	for i := range res.Proofs.Ledger.Entries {
		if e := &res.Proofs.Ledger.Entries[i]; len(s.rows) < maxDiffs && e.Old != "" && rank(e.Verdict) < rank(runner.Success) {
			s.rows = append(s.rows, entry(e, "", true))
		}
	}
	if len(s.rows) == 0 {
		return section{}
	}
	s.head, s.tail = details("Old and new statements", "")
	return s
}

// stagesFolded is one line for each stage.
func stagesFolded(in *Input) section {
	if len(in.Run.Stages) == 0 {
		return section{}
	}
	var names []string
	for i := range in.Run.Stages {
		if s := &in.Run.Stages[i]; i < 4 && slices.Contains(runner.Stages, s.Stage) {
			names = append(names, s.Stage+" "+string(valid(s.Verdict)))
		}
	}
	s := stages(in)
	if in.Run.State == runner.StateCancelled || in.Run.State == runner.StateSuperseded {
		_, s.head, _ = strings.Cut(s.head, "\n\n") // the headline has said so
	}
	open, end := details("Stages: "+strings.Join(names, ", "), "")
	return section{keep: mustKeep, head: open + s.head + strings.TrimPrefix(end, "\n")}
}

// clipLine keeps a line within limit bytes; only absurdly small limits cut it.
func clipLine(s string, limit int) string {
	return fit([]section{{keep: mustKeep, head: s}}, limit, "")
}
