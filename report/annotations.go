package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// Levels of a [Notice], as GitHub spells them for check runs.
const (
	LevelFailure = "failure"
	LevelWarning = "warning"
)

// Notice is one place that has to be looked at. Its texts are one line each and hold no
// control characters, but are foreign otherwise.
type Notice struct {
	Level   string
	Finding runner.Finding // File is "" where there is no place
}

// Title is what the notice is about, "" if that is not known.
func (n Notice) Title() string { return clip(visible(n.Finding.Rule), maxName) }

// Message is what there is to say, never "": GitHub refuses a check run with an annotation
// that says nothing.
func (n Notice) Message() string { return cmp.Or(line(n.Finding.Text), "no text") }

// Notices lists what has to be looked at, what fails first. Warnings are those of rules;
// notes are left out.
func Notices(in Input) []Notice {
	var out []Notice
	for _, f := range findings(&in.Run) {
		if rank(f.Verdict) < rank(runner.Success) {
			out = append(out, Notice{LevelFailure, f})
		}
	}
	for i := range in.Run.Stages {
		s := &in.Run.Stages[i]
		bad := valid(s.Verdict) == runner.Failure || valid(s.Verdict) == runner.Error
		listed := false
		for _, f := range s.Findings {
			listed = listed || rank(f.Verdict) < rank(runner.Success)
		}
		if bad && !listed {
			out = append(out, Notice{LevelFailure, runner.Finding{Rule: s.Stage, Text: summary(s)}})
		}
		if s.Checks == nil {
			continue
		}
		for j := range s.Checks.Rules {
			r := &s.Checks.Rules[j]
			if r.Outcome != runner.Warn || r.Ack != nil || r.Debt {
				continue
			}
			f := runner.Finding{Rule: r.ID, Text: strings.TrimPrefix(r.Title+": "+r.Reason, ": ")}
			places := violations(r)
			for _, e := range places[:min(len(places), maxNames)] {
				if e.Note != "" {
					f.Text = strings.TrimPrefix(r.Title+": "+e.Note, ": ")
				}
				f.File, f.Line, f.Column, f.EndLine, f.EndColumn = e.File, e.Line, e.Column, e.EndLine, e.EndColumn
				out = append(out, Notice{LevelWarning, f})
			}
			if len(places) == 0 {
				out = append(out, Notice{LevelWarning, f})
			}
		}
	}
	if len(in.Run.Stages) == 0 {
		out = append(out, Notice{LevelFailure, runner.Finding{Text: cmp.Or(in.Run.Reason, "no stage ran")}})
	}
	return out
}

// Annotations renders the notices as workflow commands of GitHub Actions, one a line:
// Actions shows the first ten errors and the first ten warnings of a step.
func Annotations(in Input) string {
	command := map[string]string{LevelFailure: "error", LevelWarning: "warning"}
	var b strings.Builder
	for _, n := range Notices(in) {
		annotate(&b, command[n.Level], n)
	}
	return b.String()
}

func annotate(b *strings.Builder, level string, n Notice) {
	f := n.Finding
	var props []string
	set := func(key, value string) { props = append(props, key+"="+annotationValue(value)) }
	num := func(key string, n int) {
		if n > 0 {
			set(key, fmt.Sprint(n))
		}
	}
	if visible(f.File) != "" {
		set("file", f.File)
		num("line", f.Line)
		num("endLine", f.EndLine)
		// Columns of a stretch over several lines are refused.
		if f.EndLine == 0 || f.EndLine == f.Line {
			num("col", f.Column)
			num("endColumn", f.EndColumn)
		}
	}
	if title := n.Title(); title != "" {
		set("title", title)
	}
	fmt.Fprintf(b, "::%s %s::%s\n", level, strings.Join(props, ","), annotationText(n.Message()))
}

// annotationText is the data of a workflow command. It is one line already: what could end
// it is written out.
func annotationText(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(line(s))
}

// annotationValue is the value of a property of a workflow command.
func annotationValue(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(visible(s))
}
