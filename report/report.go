// Package report renders one run for people and programs: [Markdown] and [Comment] for
// GitHub, [JSON] for tools, [SARIF], [JUnit] and [Annotations] for other people's tools,
// [Text] for a terminal. All of it is pure: no clock, no files, no network, and the same
// input always gives the same bytes.
//
// Every text in a run may come from a watched repository and is hostile. It is escaped
// where it is written (escape.go), never trusted for having been checked before.
// Measuring, judging, storing and posting are left to others.
package report

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// Input is all that a report is rendered from.
type Input struct {
	Run runner.Run
	// Judgement of the bench stage's samples. Nil if nothing was judged.
	Judgement *baseline.Judgement
	// Builds is the judgement of the proofs stage's build times. Nil if nothing was asked.
	Builds *baseline.Judgement
	// Previous is the last finished run of the same repository and branch, for what
	// changed since. Nil if there is none.
	Previous *runner.Run
	// Truth is what verdicts on benchmarks were worth so far. Nil if nothing was measured.
	Truth *Truth
	// Bisections are the searches for the first bad commit that concern what fails in the
	// run.
	Bisections []Bisection
	// Shifts are the last changes of level of metrics that miss a threshold, and of those
	// that moved lately; the gravest first.
	Shifts []Shift
}

// verdict is the run's verdict; one that is missing is an error.
func (in *Input) verdict() runner.Verdict { return valid(in.Run.Verdict) }

func valid(v runner.Verdict) runner.Verdict {
	if !v.Valid() {
		return runner.Error
	}
	return v
}

func (in *Input) bench() *runner.Bench {
	if s := in.Run.Stage(runner.StageBench); s != nil {
		return s.Bench
	}
	return nil
}

// metrics are the judged samples, or all samples without a judgement.
func (in *Input) metrics() []baseline.Metric {
	if in.Judgement != nil {
		return in.Judgement.Metrics
	}
	if b := in.bench(); b != nil {
		return baseline.Judge(b.Samples, nil, nil).Metrics
	}
	return nil
}

// rank puts what a reader must hear first at the front.
func rank(v runner.Verdict) int {
	switch valid(v) {
	case runner.Failure:
		return 0
	case runner.Error:
		return 1
	case runner.Success:
		return 2
	}
	return 3
}

// findings of all stages, failures first, then errors, then notes.
func findings(run *runner.Run) []runner.Finding {
	var out []runner.Finding
	for i := range run.Stages {
		out = append(out, run.Stages[i].Findings...)
	}
	slices.SortStableFunc(out, func(a, b runner.Finding) int { return cmp.Compare(rank(a.Verdict), rank(b.Verdict)) })
	return out
}

// place is "file:line:column", as far as it is known.
func place(file string, line, column int) string {
	switch {
	case file == "":
		return ""
	case line <= 0:
		return file
	case column <= 0:
		return fmt.Sprintf("%s:%d", file, line)
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

// summary tells a stage's result in one sentence, from its detail where there is one.
func summary(s *runner.Result) string {
	if s.Verdict != runner.Success && s.Reason != "" {
		return s.Reason
	}
	switch {
	case s.Proofs != nil:
		p := s.Proofs
		text := fmt.Sprintf("%s built%s", plural(len(p.Modules), "module"), reused(p))
		if p.Jobs > 0 {
			text += fmt.Sprintf(" (%s)", plural(p.Jobs, "job"))
		}
		return text + ", " + proved(p)
	case s.Checks != nil:
		return tally(s.Checks)
	case s.Bench != nil && s.Reason == "":
		return fmt.Sprintf("%s measured", plural(len(s.Bench.Samples), "benchmark"))
	}
	return s.Reason
}

// proved counts theorems: "10 theorems proved", "9 of 10 theorems proved".
func proved(p *runner.Proofs) string {
	good, all, axioms := 0, 0, 0
	for i := range p.Theorems {
		t := &p.Theorems[i]
		if t.Kind == "axiom" {
			axioms++
			continue
		}
		all++
		if t.Verdict == runner.Success {
			good++
		}
	}
	text := plural(all, "theorem") + " proved"
	if good != all {
		text = fmt.Sprintf("%s of %s proved", number(good), plural(all, "theorem"))
	}
	if axioms > 0 {
		text += ", " + plural(axioms, "project axiom")
	}
	return text
}

// tally counts rules: "12 of 14 rules pass, 1 warning, 1 failure".
func tally(c *runner.Checks) string {
	text := fmt.Sprintf("%s of %s pass", number(c.Pass), plural(c.Total(), "rule"))
	if c.Total() == c.Pass && c.Total() > 0 {
		text = choose(c.Total(), "the one rule passes", "all "+plural(c.Total(), "rule")+" pass")
	}
	for _, part := range []struct {
		n    int
		what string
	}{{c.Fail, "failure"}, {c.Error, "error"}, {c.Warn, "warning"}} {
		if part.n > 0 {
			text += ", " + plural(part.n, part.what)
		}
	}
	if c.Skip > 0 {
		text += fmt.Sprintf(", %s skipped", number(c.Skip))
	}
	return text
}

// logFolder is the folder that holds all logs of a run, or "".
func logFolder(run *runner.Run) string {
	folder, first := "", true
	for i := range run.Stages {
		for _, l := range run.Stages[i].Logs {
			dir := path.Dir(l.Path)
			if first {
				folder, first = dir, false
			}
			for folder != dir && !strings.HasPrefix(dir, strings.TrimSuffix(folder, "/")+"/") {
				up := path.Dir(folder)
				if up == folder {
					return ""
				}
				folder = up
			}
		}
	}
	if folder == "." {
		return ""
	}
	return folder
}

// relative takes the folder off a log's path: reports are published, machine paths not.
func relative(folder, p string) string {
	if rest, ok := strings.CutPrefix(p, strings.TrimSuffix(folder, "/")+"/"); ok && folder != "" {
		return rest
	}
	return path.Base(p)
}

// number writes a count with commas.
func number(n int) string {
	s := fmt.Sprint(n)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		s = "-" + s
	}
	return s
}

// plural counts things; many is their plural if it is not what with an s.
func plural(n int, what string, many ...string) string {
	if n == 1 {
		return "1 " + what
	}
	if len(many) > 0 {
		return number(n) + " " + many[0]
	}
	return number(n) + " " + what + "s"
}

// elapsed writes seconds for people: "40 ms", "12.1 s", "1 m 12 s", "1 h 05 m".
func elapsed(seconds float64) string {
	switch {
	case math.IsNaN(seconds) || seconds < 0 || seconds > 1e9:
		return "unknown time"
	case seconds < 0.0995:
		return fmt.Sprintf("%.0f ms", 1000*seconds)
	case seconds < 59.95:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 3599.5:
		s := int(math.Round(seconds))
		return fmt.Sprintf("%d m %02d s", s/60, s%60)
	}
	m := int(math.Round(seconds / 60))
	return fmt.Sprintf("%d h %02d m", m/60, m%60)
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
