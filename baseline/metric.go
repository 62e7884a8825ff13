package baseline

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// Past is one earlier run that may be compared with: same repository, machine class
// and benchmark configuration, and good enough to serve (see [Judgement.Serves]).
// Choosing them, and how many, is the caller's job.
type Past struct {
	Run    int64
	Commit string
	Values map[string][]float64 // by Sample.Key, in order of measuring
}

// NewPast takes the values out of an earlier run's samples. Samples with equal keys
// are put together.
func NewPast(run int64, commit string, samples []runner.Sample) Past {
	p := Past{Run: run, Commit: commit, Values: make(map[string][]float64, len(samples))}
	for _, s := range samples {
		k := s.Key()
		p.Values[k] = append(p.Values[k], s.Values...)
	}
	return p
}

// Metric is one sample judged against one threshold, or against none. A sample under
// several thresholds gives several metrics, and so does a threshold on several samples.
// The numbers are NaN where they do not exist; in JSON they are null.
type Metric struct {
	Name   string            `json:"name"`
	Unit   string            `json:"unit"`
	Config map[string]string `json:"config,omitempty"`
	Better string            `json:"better,omitempty"`

	N      int     `json:"n"`      // values of this run
	Median float64 `json:"median"` // in Unit
	Lo     float64 `json:"lo"`     // interval of the median at Confidence
	Hi     float64 `json:"hi"`

	Baseline float64 `json:"baseline"`       // median of the earlier runs, in Unit
	Runs     []int64 `json:"runs,omitempty"` // earlier runs it was taken from, oldest first
	Method   string  `json:"method,omitempty"`
	Change   float64 `json:"change"` // Median/Baseline - 1, with its interval
	ChangeLo float64 `json:"change_lo"`
	ChangeHi float64 `json:"change_hi"`
	// MDE is the smallest change of this metric, as a fraction, that one run finds in four
	// of five cases against this baseline.
	MDE float64 `json:"mde"`

	Threshold string         `json:"threshold,omitempty"` // canonical text; "" for none
	Verdict   runner.Verdict `json:"verdict"`
	Reason    string         `json:"reason"` // one sentence, always set
}

// Key is the key of the sample that was judged.
func (m Metric) Key() string {
	return runner.Sample{Name: m.Name, Unit: m.Unit, Config: m.Config}.Key()
}

// jsonMetric lets NaN travel as null.
type jsonMetric struct {
	plainMetric
	Median   *float64 `json:"median"`
	Lo       *float64 `json:"lo"`
	Hi       *float64 `json:"hi"`
	Baseline *float64 `json:"baseline"`
	Change   *float64 `json:"change"`
	ChangeLo *float64 `json:"change_lo"`
	ChangeHi *float64 `json:"change_hi"`
	MDE      *float64 `json:"mde"`
}

type plainMetric Metric

func nullable(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func orNaN(p *float64) float64 {
	if p == nil {
		return math.NaN()
	}
	return *p
}

// MarshalJSON writes numbers that do not exist as null.
func (m Metric) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonMetric{
		plainMetric: plainMetric(m),
		Median:      nullable(m.Median), Lo: nullable(m.Lo), Hi: nullable(m.Hi), Baseline: nullable(m.Baseline),
		Change: nullable(m.Change), ChangeLo: nullable(m.ChangeLo), ChangeHi: nullable(m.ChangeHi), MDE: nullable(m.MDE),
	})
}

// UnmarshalJSON reads null and absent numbers as NaN.
func (m *Metric) UnmarshalJSON(data []byte) error {
	var j jsonMetric
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*m = Metric(j.plainMetric)
	m.Median, m.Lo, m.Hi, m.Baseline = orNaN(j.Median), orNaN(j.Lo), orNaN(j.Hi), orNaN(j.Baseline)
	m.Change, m.ChangeLo, m.ChangeHi = orNaN(j.Change), orNaN(j.ChangeLo), orNaN(j.ChangeHi)
	m.MDE = orNaN(j.MDE)
	return nil
}

// Judgement is what the samples of one run are worth against thresholds and history.
type Judgement struct {
	// Verdict is the worst over the metrics that have a threshold. Without any
	// threshold it is Success, and Reason says that nothing was asked; without samples
	// it is Error.
	Verdict  runner.Verdict `json:"verdict"`
	Reason   string         `json:"reason"`             // one sentence, always set
	Hint     string         `json:"hint,omitempty"`     // what a person can do about it
	Metrics  []Metric       `json:"metrics"`            // by name, configuration, unit, then threshold
	Warnings []string       `json:"warnings,omitempty"` // what weakens the judgement
}

// Apply folds the judgement into the result of the bench stage that measured the
// samples: a stage that could not measure stays what it is, and each metric that failed
// or could not be told becomes a finding.
func (j Judgement) Apply(res *runner.Result) {
	for _, m := range j.Metrics {
		if m.Verdict == runner.Failure || m.Verdict == runner.Error {
			res.Findings = append(res.Findings, runner.Finding{Verdict: m.Verdict, Rule: "threshold", Text: m.Text()})
		}
	}
	res.Warnings = append(res.Warnings, j.Warnings...)
	if worst := runner.Worst(res.Verdict, j.Verdict); res.Verdict == runner.Success || worst != res.Verdict {
		res.Verdict, res.Reason, res.Hint = j.Verdict, j.Reason, j.Hint
	}
}

// ApplyBeside folds the judgement into the result of a stage that has a verdict of its own
// to give: what failed or could not be told becomes a finding and weighs in; what is met or
// does not apply says nothing.
func (j Judgement) ApplyBeside(res *runner.Result) {
	if j.Verdict != runner.Failure && j.Verdict != runner.Error {
		return
	}
	had, reason, hint := res.Verdict, res.Reason, res.Hint
	res.Verdict = runner.Success
	j.Apply(res)
	mine, hintOfMine := res.Reason, res.Hint
	res.Verdict = runner.Worst(had, j.Verdict)
	switch {
	case had == res.Verdict && reason != "": // it was as bad before, and says why itself
		res.Reason, res.Hint = reason+"; "+mine, hint
	case reason != "":
		res.Reason = mine + "; " + reason
	}
	if res.Hint == "" {
		res.Hint = hintOfMine
	}
}

// Serves reports whether the samples may be part of the baseline of later runs: none
// missed a threshold, and none lies on the wrong side of a relative one, even if that
// could not be told from noise. Runs that are merely inconclusive have to be let in, or
// a young or noisy baseline could never learn how noisy it is; those that lean the wrong
// way must not, or a regression would become its own baseline.
func (j Judgement) Serves() bool {
	measured := false
	for _, m := range j.Metrics {
		if m.Verdict == runner.Failure {
			return false
		}
		measured = measured || m.N > 0
		if m.Threshold == "" || math.IsNaN(m.Change) {
			continue
		}
		if t, err := ParseThreshold(m.Threshold); err != nil || t.Relative && !t.Op.holds(m.Change, t.Value/100) {
			return false
		}
	}
	return measured
}

// Label names what was measured, as a threshold does: "multi-queue queue=shared
// threads=8".
func (m Metric) Label() string {
	s := m.Name
	for _, k := range slices.Sorted(maps.Keys(m.Config)) {
		s += " " + k + "=" + m.Config[k]
	}
	return s
}

// Asked is the part of the threshold behind its metric and settings: ">= 10%". It is ""
// without a threshold.
func (m Metric) Asked() string {
	t, err := ParseThreshold(m.Threshold)
	if err != nil {
		return m.Threshold
	}
	t.Metric, t.Config = "m", nil
	return strings.TrimPrefix(t.String(), "m ")
}

// Text is the metric in one line: what was measured, what came out and what was asked.
func (m Metric) Text() string {
	s := m.Label() + ": " + m.Reason
	if a := m.Asked(); a != "" {
		s += "; asked " + a
	}
	return s
}

// brief is Text without intervals and history.
func (m Metric) brief() string {
	got := Format(m.Median, m.Unit)
	if t, err := ParseThreshold(m.Threshold); err == nil && t.Relative && !math.IsNaN(m.Change) {
		got = Percent(m.Change)
	}
	switch {
	case m.N == 0 && m.Unit == "":
		return m.Label() + ": " + m.Reason
	case math.IsNaN(m.Median):
		return m.Label() + ", asked " + m.Asked()
	}
	return m.Label() + " is " + got + ", asked " + m.Asked()
}
