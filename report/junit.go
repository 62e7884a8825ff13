package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// JUnit renders a run as JUnit XML: one suite a stage, one test case a rule, theorem or
// benchmark under a threshold. What could not be told is an error and never a pass; a
// stage without detail is one case of its own. It returns an error only for a bug in this
// package.
func JUnit(in Input) ([]byte, error) {
	doc := junitSuites{Name: "holdfast " + orUnknown(in.Run.Repo, clipName)}
	for i := range in.Run.Stages {
		s := junitStage(&in, &in.Run.Stages[i])
		doc.Tests += s.Tests
		doc.Failures += s.Failures
		doc.Errors += s.Errors
		doc.Skipped += s.Skipped
		doc.Suites = append(doc.Suites, s)
	}
	if len(doc.Suites) == 0 {
		s := junitSuite{Name: "holdfast"}
		s.add(junitCase{Name: "run", Error: junitMessage(cmp.Or(in.Run.Reason, "no stage ran"), "", nil)})
		doc.Suites, doc.Tests, doc.Errors = []junitSuite{s}, 1, 1
	}
	out, err := xml.MarshalIndent(doc, "", "  ")
	return append([]byte(xml.Header), append(out, '\n')...), err
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr,omitempty"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string       `xml:"name,attr"`
	Class   string       `xml:"classname,attr"`
	File    string       `xml:"file,attr,omitempty"`
	Line    int          `xml:"line,attr,omitempty"`
	Failure *junitResult `xml:"failure"`
	Error   *junitResult `xml:"error"`
	Skipped *junitResult `xml:"skipped"`
	Out     string       `xml:"system-out,omitempty"`
}

type junitResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func (s *junitSuite) add(c junitCase) {
	c.Class, c.Name = s.Name, cmp.Or(c.Name, "unnamed")
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// verdict puts what became of a case where JUnit has it.
func (c *junitCase) verdict(v runner.Verdict, reason string, places []runner.Evidence) {
	switch valid(v) {
	case runner.Failure:
		c.Failure = junitMessage(reason, "failure", places)
	case runner.Error:
		c.Error = junitMessage(reason, "error", places)
	case runner.Neutral:
		c.Skipped = junitMessage(reason, "", nil)
	}
}

func junitMessage(reason, kind string, places []runner.Evidence) *junitResult {
	r := &junitResult{Message: line(reason), Type: kind}
	for _, e := range places[:min(len(places), maxNames)] {
		r.Text += "\n" + place(line(e.File), e.Line, e.Column) + ": " + line(e.Text)
		if e.Note != "" {
			r.Text += "\n    " + line(e.Note)
		}
	}
	if n := len(places) - maxNames; n > 0 {
		r.Text += "\nand " + plural(n, "more place")
	}
	if r.Text != "" {
		r.Text += "\n"
	}
	return r
}

func junitStage(in *Input, res *runner.Result) junitSuite {
	s := junitSuite{Name: "holdfast." + line(res.Stage), Time: "0.000"}
	if v := finite(res.Seconds); v != nil && *v > 0 {
		s.Time = fmt.Sprintf("%.3f", *v)
	}
	if t := stamp(res.Started); t != nil {
		s.Timestamp = t.Format("2006-01-02T15:04:05")
	}
	switch {
	case res.Checks != nil:
		for i := range res.Checks.Rules {
			s.add(junitRule(&res.Checks.Rules[i]))
		}
	case res.Proofs != nil:
		for _, m := range res.Proofs.Modules {
			if v := valid(m.Verdict); v == runner.Failure || v == runner.Error {
				c := junitCase{Name: "module " + line(m.Name), File: line(m.File)}
				c.verdict(v, m.Reason, nil)
				s.add(c)
			}
		}
		for i := range res.Proofs.Theorems {
			t := &res.Proofs.Theorems[i]
			c := junitCase{Name: line(t.Name), File: line(t.File), Line: t.Line}
			if c.verdict(t.Verdict, t.Reason, nil); c.Skipped != nil { // told, and tolerated
				c.Skipped, c.Out = nil, line(t.Reason)
			}
			s.add(c)
		}
	case res.Bench != nil && in.Judgement != nil:
		for _, m := range in.Judgement.Metrics {
			if m.Threshold == "" {
				continue
			}
			c := junitCase{Name: line(m.Key() + " " + m.Threshold)}
			c.verdict(m.Verdict, m.Reason, nil)
			s.add(c)
		}
	}
	// What the cases do not say, the stage says.
	v := valid(res.Verdict)
	if len(s.Cases) == 0 || v == runner.Failure && s.Failures == 0 || v == runner.Error && s.Errors == 0 {
		c := junitCase{Name: "stage"}
		c.verdict(v, cmp.Or(summary(res), "no reason is known"), nil)
		s.add(c)
	}
	return s
}

func junitRule(r *runner.Rule) junitCase {
	c := junitCase{Name: strings.TrimSpace(line(r.ID) + " " + line(r.Title))}
	if len(r.Evidence) > 0 && r.Outcome != runner.Pass {
		c.File, c.Line = line(r.Evidence[0].File), r.Evidence[0].Line
	}
	switch r.Outcome {
	case runner.Pass:
	case runner.Warn:
		// There is no warning in JUnit; a case that passes may have output.
		c.Out = "warning: " + line(r.Reason) + " (" + tolerated(r) + ")"
	default:
		c.verdict(outcome(r.Outcome), r.Reason, r.Evidence)
	}
	return c
}

// tolerated says why a warning fails nothing.
func tolerated(r *runner.Rule) string {
	switch {
	case r.Ack != nil:
		return fmt.Sprintf("acknowledged until %s: %s", line(r.Ack.Until), line(r.Ack.Reason))
	case r.Debt:
		return "old debt"
	case r.Told:
		return "told only"
	}
	return "not acknowledged"
}
