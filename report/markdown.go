package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// CommentLimit is the longest comment body that GitHub takes, in characters.
const CommentLimit = 65536

// Markdown renders the whole report as GitHub Flavored Markdown, verdict first, details
// folded.
func Markdown(in Input) string { return join(sections(&in)) }

// Comment is [Markdown] in at most limit bytes (so also characters). Details go first,
// whole rows at a time, and the last line says what was left out.
func Comment(in Input, limit int) string {
	return fit(sections(&in), limit, wholeReport(&in))
}

// wholeReport says where the report is that was not cut.
func wholeReport(in *Input) string {
	if in.Run.Number > 0 {
		return fmt.Sprintf("The whole report: `holdfast report %d`.", in.Run.Number)
	}
	return "The whole report is kept by the agent."
}

func sections(in *Input) []section {
	out := []section{title(in), stages(in)}
	out = append(append(out, attention(in)...), bisections(in), changed(in))
	if s := in.Run.Stage(runner.StageProofs); s != nil && s.Proofs != nil && examined(s.Proofs) {
		out = append(out, proofs(in, s.Proofs)...)
	}
	if s := in.Run.Stage(runner.StageChecks); s != nil && s.Checks != nil {
		out = append(out, checks(s.Checks)...)
	}
	out = append(out, bench(in)...)
	return append(out, machine(&in.Run), notes(&in.Run), logs(&in.Run))
}

func icon(v runner.Verdict) string {
	switch v {
	case runner.Success:
		return "✅"
	case runner.Failure:
		return "❌"
	case runner.Neutral:
		return "➖"
	}
	return "❔"
}

// word is the verdict in words: an error is not a red, and says so.
func word(v runner.Verdict) string {
	if v = valid(v); v == runner.Error {
		return "error (could not tell)"
	}
	return string(v)
}

func title(in *Input) section {
	r := &in.Run
	v := in.verdict()
	var b strings.Builder
	name := "working tree"
	if r.Number > 0 {
		name = "run " + fmt.Sprint(r.Number)
	}
	fmt.Fprintf(&b, "## %s %s · Holdfast %s · %s\n\n", icon(v), word(v), name, orUnknown(r.Repo, prose))

	var what []string
	if r.Commit.SHA != "" {
		what = append(what, "commit "+code(r.Commit.Short()))
	}
	if r.Commit.Subject != "" {
		what = append(what, "“"+prose(clip(visible(r.Commit.Subject), 120))+"”")
	}
	if r.Commit.Author != "" {
		what = append(what, "by "+prose(clip(visible(r.Commit.Author), 80)))
	}
	if r.PullRequest > 0 {
		what = append(what, fmt.Sprintf("pull request %d", r.PullRequest))
	}
	if r.Branch != "" {
		what = append(what, "branch "+code(r.Branch))
	}
	if r.Base.SHA != "" {
		what = append(what, "against "+code(r.Base.Short()))
	}
	if len(what) > 0 {
		b.WriteString(upper(strings.Join(what, " · ")) + "\\\n")
	}
	var who []string
	if !r.Started.IsZero() {
		t := utc(r.Started)
		if d := r.Finished.Sub(r.Started).Seconds(); !r.Finished.IsZero() && d >= 0 {
			t += ", took " + elapsed(d)
		}
		who = append(who, t)
	}
	if r.Trigger != "" {
		who = append(who, "trigger "+prose(r.Trigger))
	}
	who = append(who, "agent "+orUnknown(r.Agent, code), "worker "+orUnknown(r.Worker, prose))
	b.WriteString(strings.Join(who, " · ") + "\n\n")
	return section{keep: mustKeep, head: b.String()}
}

// upper makes the first letter a capital; our own words are ASCII.
func upper(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func orUnknown(s string, f func(string) string) string {
	if visible(s) == "" {
		return "unknown"
	}
	return f(s)
}

// stages is one line for each stage, the worst first.
func stages(in *Input) section {
	r := &in.Run
	var b strings.Builder
	if r.State == runner.StateCancelled || r.State == runner.StateSuperseded {
		fmt.Fprintf(&b, "**This run was %s before it finished.** What follows is what was known by then.\n\n", r.State)
	}
	if len(r.Stages) == 0 {
		why := "no stage ran"
		if r.Reason != "" {
			why = r.Reason
		}
		fmt.Fprintf(&b, "**Nothing was examined:** %s.\n\n", strings.TrimRight(prose(why), "."))
		return section{keep: mustKeep, head: b.String()}
	}
	order := make([]*runner.Result, len(r.Stages))
	for i := range r.Stages {
		order[i] = &r.Stages[i]
	}
	slices.SortStableFunc(order, func(x, y *runner.Result) int { return cmp.Compare(rank(x.Verdict), rank(y.Verdict)) })
	for _, s := range order[:min(len(order), 8)] {
		fmt.Fprintf(&b, "- %s **%s** %s", icon(valid(s.Verdict)), prose(s.Stage), word(s.Verdict))
		if s.Seconds > 0 {
			b.WriteString(", " + elapsed(s.Seconds))
		}
		if text := summary(s); text != "" {
			b.WriteString(": " + prose(text))
		}
		b.WriteString("\n")
		if s.Hint != "" {
			fmt.Fprintf(&b, "  - hint: %s\n", prose(s.Hint))
		}
	}
	b.WriteString("\n")
	return section{keep: mustKeep, head: b.String()}
}

// attention lists what somebody has to look at: ten places openly, the others folded.
func attention(in *Input) []section {
	all := findings(&in.Run)
	n := 0
	for n < len(all) && rank(all[n].Verdict) < rank(runner.Success) {
		n++
	}
	if n == 0 {
		return nil
	}
	rows := make([]string, n)
	for i, f := range all[:n] {
		rows[i] = "- " + finding(f) + "\n"
	}
	open := n
	if n > 11 {
		open = 10
	}
	out := []section{{keep: 90, what: "findings", head: "### To look at\n\n", rows: rows[:open], tail: "\n"}}
	if n > open {
		s := section{keep: 50, what: "further findings", rows: rows[open:]}
		s.head, s.tail = details(number(n-open)+" more", "")
		out = append(out, s)
	}
	return out
}

func finding(f runner.Finding) string {
	text := icon(valid(f.Verdict))
	if p := place(f.File, f.Line, f.Column); p != "" {
		text += " " + code(p)
	}
	if f.Rule != "" {
		text += " **" + prose(clip(visible(f.Rule), 80)) + "**"
	}
	return text + " " + prose(f.Text)
}

// details folds rows under a summary that is our own text.
func details(summary, head string) (open, end string) {
	return "<details><summary>" + summary + "</summary>\n\n" + head, "\n</details>\n\n"
}

func machine(r *runner.Run) section {
	m := &r.Machine
	if m.OS == "" && m.Chip == "" && m.Cores == 0 && m.GPUAPI == "" && m.Class == "" {
		return section{keep: 70, what: "machine", head: "**Machine:** not known.\n\n"}
	}
	row := func(name, value string) string {
		if value == "" {
			value = "not known"
		}
		return "| " + name + " | " + value + " |\n"
	}
	opt := func(s string) string {
		if s == "" {
			return ""
		}
		return prose(s)
	}
	paren := func(s, extra string) string {
		if extra == "" || s == "" {
			return s
		}
		return s + " (" + extra + ")"
	}
	count := func(n int) string {
		if n <= 0 {
			return ""
		}
		return number(n)
	}
	cores := count(m.Cores)
	if m.PCores > 0 || m.ECores > 0 {
		cores = paren(cores, fmt.Sprintf("%d performance, %d efficiency", m.PCores, m.ECores))
	}
	memory := ""
	if m.Memory > 0 {
		memory = fmt.Sprintf("%.0f GiB", float64(m.Memory)/(1<<30))
	}
	var b strings.Builder
	b.WriteString("### Machine\n\n| | |\n|---|---|\n")
	b.WriteString(row("Device", paren(opt(m.Chip), opt(m.Model))))
	b.WriteString(row("CPU cores", cores))
	b.WriteString(row("Memory", memory))
	b.WriteString(row("GPU", opt(m.GPU)))
	b.WriteString(row("GPU cores", count(m.GPUCores)))
	b.WriteString(row("GPU API", opt(m.GPUAPI)))
	b.WriteString(row("OS and build", paren(opt(m.OS), opt(m.Build))))
	b.WriteString(row("Baseline class", opt(m.Class)))
	b.WriteString("\n")
	return section{keep: 70, what: "machine", head: b.String()}
}

// notes are the warnings of the run, its stages and its machine.
func notes(r *runner.Run) section {
	s := section{keep: 65, what: "warnings"}
	add := func(about string, list []string) {
		for _, w := range list {
			s.rows = append(s.rows, "- "+about+prose(w)+"\n")
		}
	}
	add("", r.Warnings)
	for i := range r.Stages {
		add(prose(r.Stages[i].Stage)+": ", r.Stages[i].Warnings)
	}
	add("machine: ", r.Machine.Warnings)
	var neutral []runner.Finding
	for _, f := range findings(r) {
		if rank(f.Verdict) >= rank(runner.Success) {
			neutral = append(neutral, f)
		}
	}
	for _, f := range neutral {
		s.rows = append(s.rows, "- "+finding(f)+"\n")
	}
	if len(s.rows) == 0 {
		return section{}
	}
	s.head, s.tail = "### Warnings and notes\n\n", "\n"
	if n := len(s.rows); n > 5 {
		open, end := details(plural(n, "warning")+" and notes", "")
		s.head, s.tail = s.head+open, end
	}
	return s
}

// logs lists the kept files, relative to the run's folder on the worker.
func logs(r *runner.Run) section {
	s := section{keep: 30, what: "logs"}
	folder := logFolder(r)
	for i := range r.Stages {
		for _, l := range r.Stages[i].Logs {
			cut := ""
			if l.Dropped > 0 {
				cut = fmt.Sprintf(", %s dropped", plural(int(l.Dropped), "byte"))
			}
			s.rows = append(s.rows, fmt.Sprintf("- %s: %s, %s%s\n", prose(r.Stages[i].Stage), code(relative(folder, l.Path)), plural(int(l.Bytes), "byte"), cut))
		}
	}
	if len(s.rows) == 0 {
		return section{}
	}
	s.head, s.tail = details(plural(len(s.rows), "log")+" on the worker, in the folder of this run", "")
	return s
}
