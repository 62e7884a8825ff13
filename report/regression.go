package report

import (
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// Regression is a stage of a branch that was good and is not any more, and what is known of
// how that came. The texts are hostile.
type Regression struct {
	Stage, Branch     string
	Good, First       runner.Commit // last examined one that was good, first examined one that was not
	GoodRun, FirstRun int64
	// Between are the commits after Good up to First, oldest first. A single one is the first
	// bad commit.
	Between []runner.Commit
	Culprit runner.Commit // the first bad commit, if a search found it; zero if not
	Unknown string        // why Between is not known; "" if it is
	Owners  []string      // of the files where it fails, from CODEOWNERS, without "@"
	Left    []string      // what is still missing, by name
	Fixed   bool          // nothing is
	Seen    runner.Result // what the stage told when it was first seen
	Now     Input         // the newest run of the branch
}

// RegressionTitle is the title of its issue: plain text.
func RegressionTitle(r Regression, repo string) string {
	text := fmt.Sprintf("Holdfast: %s regressed on %s of %s", r.Stage, r.Branch, repo)
	return clip(strings.ReplaceAll(visible(text), "@", "(at)"), 200)
}

// Issue renders the issue of a regression in at most limit bytes.
func (r Regression) Issue(limit int) string {
	var b strings.Builder
	stage, branch := prose(clip(visible(r.Stage), 40)), code(r.Branch)
	if r.Fixed {
		fmt.Fprintf(&b, "## ✅ %s fixed on %s\n\n", stage, branch)
		fmt.Fprintf(&b, "All of it is whole again%s. This is how it was:\n\n", at(r.Now.Run.Commit, r.Now.Run.Number))
	} else {
		fmt.Fprintf(&b, "## ❌ %s regressed on %s\n\n", stage, branch)
	}
	first, certain := r.firstBad()
	switch {
	case certain:
		fmt.Fprintf(&b, "- First bad commit: %s\n", commit(first))
	case r.Unknown != "":
		fmt.Fprintf(&b, "- First bad commit: not known, %s\n", strings.TrimRight(prose(r.Unknown), "."))
	default:
		fmt.Fprintf(&b, "- First bad commit: one of %s\n", plural(len(r.Between), "commit"))
	}
	fmt.Fprintf(&b, "- Last good one that was examined%s\n", at(r.Good, r.GoodRun))
	fmt.Fprintf(&b, "- First seen%s\n", at(r.First, r.FirstRun))
	if !r.Fixed && r.Now.Run.Number > r.FirstRun {
		fmt.Fprintf(&b, "- Still so%s", at(r.Now.Run.Commit, r.Now.Run.Number))
		for i, name := range r.Left[:min(len(r.Left), maxNames)] {
			b.WriteString([]string{", not whole: ", ", "}[min(i, 1)] + code(name))
		}
		if n := len(r.Left) - maxNames; n > 0 {
			fmt.Fprintf(&b, " and %s more", number(n))
		}
		b.WriteString("\n")
	}
	if len(r.Owners) > 0 {
		var list []string
		for _, o := range r.Owners[:min(len(r.Owners), 10)] {
			list = append(list, code(o))
		}
		if n := len(r.Owners) - len(list); n > 0 {
			list = append(list, fmt.Sprintf("and %s more", number(n)))
		}
		fmt.Fprintf(&b, "- Owners of these files, by CODEOWNERS: %s\n", strings.Join(list, ", "))
	}
	b.WriteString("\n")
	out := []section{{keep: mustKeep, head: b.String()}}
	if !certain && len(r.Between) > 1 {
		s := section{keep: 60, what: "commits"}
		for _, c := range r.Between {
			s.rows = append(s.rows, "- "+commit(c)+"\n")
		}
		s.head, s.tail = details(plural(len(r.Between), "commit")+" between good and bad, oldest first", "")
		out = append(out, s)
	}
	in := r.Now
	in.Run.Stages = []runner.Result{r.Seen}
	rows := changedRows(&in)
	n := min(len(rows), rowsOpen)
	if n > 0 {
		out = append(out, section{keep: mustKeep, head: "**What failed:**\n\n" + strings.Join(rows[:n], "") + "\n"})
	}
	if n < len(rows) {
		rest := section{keep: 95, what: "further rows", rows: rows[n:]}
		rest.head, rest.tail = details(number(len(rows)-n)+" more", "")
		out = append(out, rest)
	}
	out = append(out, compared(&in))
	if !r.Fixed {
		out = append(out, section{keep: mustKeep, head: "The agent closes this issue when all of it is whole again.\n"})
	}
	return fit(out, limit, wholeReport(&r.Now))
}

// firstBad is the commit that did it, if that is known for certain.
func (r *Regression) firstBad() (runner.Commit, bool) {
	switch {
	case r.Culprit.SHA != "":
		return r.Culprit, true
	case len(r.Between) == 1 && r.Unknown == "":
		return r.Between[0], true
	}
	return runner.Commit{}, false
}

// at is ": `0123456789` (run 12)".
func at(c runner.Commit, run int64) string {
	text := ""
	if c.SHA != "" {
		text = ": " + code(c.Short())
	}
	if run > 0 {
		text += fmt.Sprintf(" (run %d)", run)
	}
	return text
}

// commit is "`0123456789` “subject” by author".
func commit(c runner.Commit) string {
	text := code(c.Short())
	if c.Subject != "" {
		text += " “" + prose(clip(visible(c.Subject), 120)) + "”"
	}
	if c.Author != "" {
		text += " by " + prose(clip(visible(c.Author), 80))
	}
	return text
}

// Turn is a stage whose verdict is another one than before.
type Turn struct {
	Stage         string
	Before, After runner.Verdict
}

// Turned renders the comment on a tracking issue that says which verdicts changed.
func Turned(in Input, turns []Turn) string {
	var b strings.Builder
	for _, t := range turns {
		fmt.Fprintf(&b, "- %s **%s** %s → %s", icon(valid(t.After)), prose(clip(visible(t.Stage), 40)), valid(t.Before), valid(t.After))
		if s := in.Run.Stage(t.Stage); s != nil && !Fine(Input{Run: runner.Run{Verdict: s.Verdict}}) {
			b.WriteString(": " + prose(summary(s)))
		}
		b.WriteString("\n")
	}
	return fmt.Sprintf("%sSeen%s.\n", b.String()+"\n", at(in.Run.Commit, in.Run.Number))
}
