package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// Shift is the last change of level of a metric in the history of a branch: where what is
// measured now comes from.
type Shift struct {
	Metric runner.Sample // without values
	baseline.Shift
	Missed bool   // a threshold on the metric was missed or could not be told in this run
	Search int64  // number of the bisection that looks for the commit; 0 if there is none
	Ask    string // command that looks for it, where the agent does not; or ""
}

// worse says which way a shift went, "" if that is not known.
func (s *Shift) worse() string {
	return map[int]string{1: "worse", -1: "better"}[s.Worse(s.Metric.Better)]
}

// label names the metric as a threshold does.
func (s *Shift) label() string {
	return baseline.Metric{Name: s.Metric.Name, Config: s.Metric.Config}.Label()
}

// step is "+19.8 % (100 ns → 120 ns)".
func (s *Shift) step() string {
	levels := baseline.Format(s.Before, s.Metric.Unit) + " → " + baseline.Format(s.After, s.Metric.Unit)
	if math.IsNaN(s.Effect) {
		return levels
	}
	return baseline.Percent(s.Effect) + " (" + levels + ")"
}

// chance writes a p-value of a change point.
func chance(p float64) string {
	if p < 0.001 {
		return "p < 0.001"
	}
	return fmt.Sprintf("p = %.3f", p)
}

// between says where the cause of a shift lies; code writes a hash.
func (s *Shift) between(code func(string) string) string {
	last, first := runner.Commit{SHA: s.Last.Commit}.Short(), runner.Commit{SHA: s.First.Commit}.Short()
	if s.Last.Commit == s.First.Commit {
		return fmt.Sprintf("not in the repository: %s was measured on both sides", code(first))
	}
	return fmt.Sprintf("after %s, up to %s", code(last), code(first))
}

// shifts are the changes of level that explain what this run measured: of metrics that miss
// a threshold, and those that are news. The input lists no others.
func shifts(in *Input) []section {
	if len(in.Shifts) == 0 {
		return nil
	}
	const open = 3
	rows := make([]string, len(in.Shifts))
	for i := range in.Shifts {
		s := &in.Shifts[i]
		mark := "➖"
		switch s.worse() {
		case "worse":
			mark = "🔺"
		case "better":
			mark = "🔹"
		}
		why := s.between(code)
		switch {
		case s.Search > 0:
			why += fmt.Sprintf(", bisection %d", s.Search)
		case s.Ask != "":
			why += "; " + code(s.Ask)
		}
		rows[i] = fmt.Sprintf("| %s | %s | %s | run %d, %s so far | %s |\n", mark, code(s.label()), strings.TrimSpace(prose(s.step())+" "+s.worse()), s.First.Run, plural(s.Runs, "run"), why)
	}
	const table = "| | Benchmark | Level | Since | The cause lies |\n|---|---|---|---|---|\n"
	out := []section{{
		keep: 77, what: "changes of level", head: "**Moved since**, by change points in the history of this branch\n\n" + table,
		rows: rows[:min(len(rows), open)], tail: "\n",
	}}
	if n := len(rows) - open; n > 0 {
		more := section{keep: 40, what: "further changes of level", rows: rows[open:]}
		more.head, more.tail = details(number(n)+" more moved", table)
		out = append(out, more)
	}
	return out
}

// shiftsText are the same for a terminal, at most three lines.
func shiftsText(b *strings.Builder, in *Input) {
	const most = 3
	for i := range in.Shifts {
		if i == most {
			fmt.Fprintf(b, "%sand %s moved, in the report\n", indent, plural(len(in.Shifts)-most, "more benchmark"))
			return
		}
		b.WriteString(indent + "moved: " + ShiftText(in.Shifts[i]) + "\n")
		if ask := in.Shifts[i].Ask; ask != "" {
			b.WriteString(indent + "  to find the commit: " + line(ask) + "\n")
		}
	}
}

// ShiftText is a shift in one line.
func ShiftText(s Shift) string {
	text := line(s.label()) + " " + line(s.step())
	if w := s.worse(); w != "" {
		text += ", " + w + ","
	}
	text += fmt.Sprintf(" from run %d on (%s; %s)", s.First.Run, s.between(line), chance(s.P))
	if s.Search > 0 {
		text += fmt.Sprintf(", bisection %d", s.Search)
	}
	return text
}

type jsonShift struct {
	Name       string            `json:"name"`
	Unit       string            `json:"unit"`
	Config     map[string]string `json:"config"`
	Effect     *float64          `json:"effect"`
	P          *float64          `json:"p"`
	Before     *float64          `json:"before"`
	After      *float64          `json:"after"`
	Run        int64             `json:"run"`
	Commit     string            `json:"commit"`
	LastRun    int64             `json:"last_run"`
	LastCommit string            `json:"last_commit"`
	Runs       int               `json:"runs"`
	Worse      *bool             `json:"worse"`
	Missed     bool              `json:"missed"`
	Bisection  *int64            `json:"bisection"`
}

func shiftsJSON(in *Input) []jsonShift {
	out := []jsonShift{}
	for i := range in.Shifts {
		s := &in.Shifts[i]
		j := jsonShift{
			Name: s.Metric.Name, Unit: s.Metric.Unit, Config: s.Metric.Config, Effect: rounded(s.Effect), P: rounded(s.P), Before: rounded(s.Before), After: rounded(s.After),
			Run: s.First.Run, Commit: s.First.Commit, LastRun: s.Last.Run, LastCommit: s.Last.Commit, Runs: s.Runs, Missed: s.Missed, Bisection: positive(s.Search),
		}
		if j.Config == nil {
			j.Config = map[string]string{}
		}
		if w := s.worse(); w != "" {
			is := w == "worse"
			j.Worse = &is
		}
		out = append(out, j)
	}
	return out
}
