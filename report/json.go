package report

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// Schema names the JSON document. Within it fields are added, never renamed, removed or
// given another meaning; docs/json.md describes them.
const Schema = "holdfast/run/v1"

type document struct {
	Schema      string         `json:"schema"`
	Run         *int64         `json:"run"`
	Repo        string         `json:"repo"`
	Commit      *string        `json:"commit"`
	Base        *string        `json:"base"`
	Trigger     string         `json:"trigger"`
	Verdict     runner.Verdict `json:"verdict"`
	Reason      string         `json:"reason"`
	State       string         `json:"state"`
	Subject     string         `json:"subject"`
	Author      string         `json:"author"`
	Branch      string         `json:"branch"`
	PullRequest *int           `json:"pull_request"`
	Started     *time.Time     `json:"started"`
	Finished    *time.Time     `json:"finished"`
	Agent       string         `json:"agent"`
	Worker      string         `json:"worker"`
	Machine     runner.Machine `json:"machine"`
	Stages      []jsonStage    `json:"stages"`
	Proofs      *jsonProofs    `json:"proofs"`
	Checks      *jsonChecks    `json:"checks"`
	Bench       *jsonBench     `json:"bench"`
	Previous    *jsonPrevious  `json:"previous"`
	Changes     []Change       `json:"changes"`
	Warnings    []string       `json:"warnings"`
	Bisections  []any          `json:"bisections"`
	Shifts      []jsonShift    `json:"shifts"`
	Truth       any            `json:"truth"`
}

type jsonStage struct {
	Name     string           `json:"name"`
	Verdict  runner.Verdict   `json:"verdict"`
	Reason   string           `json:"reason"`
	Hint     string           `json:"hint,omitempty"`
	Seconds  float64          `json:"seconds"`
	Busy     float64          `json:"busy"`
	Started  *time.Time       `json:"started"`
	Findings []runner.Finding `json:"findings"`
	Warnings []string         `json:"warnings"`
	Logs     []runner.Log     `json:"logs"` // paths relative to the run's folder
}

type jsonChecks struct {
	Pass  int        `json:"pass"`
	Warn  int        `json:"warn"`
	Fail  int        `json:"fail"`
	Error int        `json:"error"`
	Skip  int        `json:"skip"`
	Rules []jsonRule `json:"rules"`
	// Scheme is "" in results made before violations had names.
	Scheme  string  `json:"scheme"`
	Base    *string `json:"base"`
	RulesOf *string `json:"rules_of"`
}

type jsonRule struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Verdict  runner.Verdict    `json:"verdict"`
	Outcome  string            `json:"outcome"`
	Reason   string            `json:"reason"`
	Files    int               `json:"files"`
	Evidence []runner.Evidence `json:"evidence"`
	Ack      *runner.Ack       `json:"ack"`
	Source   string            `json:"source"`

	Doc        string   `json:"doc"`
	Violations []string `json:"violations"`
	New        int      `json:"new"`
	Debt       bool     `json:"debt"`
	Told       bool     `json:"told"`
}

type jsonBench struct {
	Verdict  runner.Verdict    `json:"verdict"`
	Reason   string            `json:"reason"`
	Metrics  []jsonMetric      `json:"metrics"`
	Backend  string            `json:"backend"`
	Device   string            `json:"device"`
	Settings map[string]string `json:"settings"`
	Observed map[string]string `json:"observed,omitempty"`
	Origins  []runner.Origin   `json:"origins"`
	Warnings []string          `json:"warnings"`
	// Where the base was measured in turns.
	Base       string              `json:"base,omitempty"`
	Turns      []runner.Turns      `json:"turns,omitempty"`
	Unaffected []runner.Unaffected `json:"unaffected,omitempty"`
	Untold     map[string]string   `json:"untold,omitempty"`
	New        map[string]string   `json:"new,omitempty"`
}

type jsonMetric struct {
	Name         string            `json:"name"`
	Unit         string            `json:"unit"`
	Config       map[string]string `json:"config"`
	Samples      []*float64        `json:"samples"`
	Looks        []int             `json:"looks,omitempty"`
	Again        []*float64        `json:"samples_again,omitempty"`
	Median       *float64          `json:"median"`
	Lo           *float64          `json:"lo"`
	Hi           *float64          `json:"hi"`
	Baseline     *float64          `json:"baseline"`
	Threshold    *string           `json:"threshold"`
	Verdict      runner.Verdict    `json:"verdict"`
	Reason       string            `json:"reason"`
	Better       string            `json:"better"`
	BaselineRuns []int64           `json:"baseline_runs"`
	Change       *float64          `json:"change"`
	ChangeLo     *float64          `json:"change_lo"`
	ChangeHi     *float64          `json:"change_hi"`
	MDE          *float64          `json:"mde"`
	Source       string            `json:"source"`
	Derived      bool              `json:"derived"`
}

type jsonPrevious struct {
	Run     int64          `json:"run"`
	Commit  string         `json:"commit"`
	Verdict runner.Verdict `json:"verdict"`
}

// JSON renders the run as one document of [Schema], indented, without a final line end.
// No number in it is NaN or infinite: what does not exist is null. It returns an error
// only for a bug in this package.
func JSON(in Input) ([]byte, error) {
	r := &in.Run
	d := document{
		Schema: Schema, Run: positive(r.Number), Repo: r.Repo, Commit: text(r.Commit.SHA), Base: text(r.Base.SHA),
		Trigger: r.Trigger, Verdict: in.verdict(), Reason: r.Reason, State: r.State,
		Subject: r.Commit.Subject, Author: r.Commit.Author, Branch: r.Branch, PullRequest: positive(r.PullRequest),
		Started: stamp(r.Started), Finished: stamp(r.Finished), Agent: r.Agent, Worker: r.Worker, Machine: r.Machine,
		Stages: []jsonStage{}, Changes: list(Changes(in)), Warnings: list(r.Warnings),
	}
	folder := logFolder(r)
	for i := range r.Stages {
		s := &r.Stages[i]
		d.Stages = append(d.Stages, stageJSON(s, folder))
		switch {
		case s.Stage == runner.StageProofs && s.Proofs != nil:
			d.Proofs = proofsJSON(&in, s.Proofs)
		case s.Stage == runner.StageChecks && s.Checks != nil:
			d.Checks = checksJSON(s.Checks)
		case s.Stage == runner.StageBench && s.Bench != nil:
			d.Bench = benchJSON(&in, s)
		}
	}
	d.Truth = TruthJSON(in.Truth)
	d.Bisections, d.Shifts = []any{}, shiftsJSON(&in)
	for _, b := range in.Bisections {
		d.Bisections = append(d.Bisections, BisectionJSON(b))
	}
	if p := in.Previous; p != nil {
		d.Previous = &jsonPrevious{Run: p.Number, Commit: p.Commit.SHA, Verdict: valid(p.Verdict)}
	}
	return json.MarshalIndent(&d, "", "  ")
}

func stageJSON(s *runner.Result, folder string) jsonStage {
	out := jsonStage{
		Name: s.Stage, Verdict: valid(s.Verdict), Reason: summary(s), Hint: s.Hint, Started: stamp(s.Started),
		Findings: []runner.Finding{}, Warnings: list(s.Warnings), Logs: []runner.Log{},
	}
	if v := finite(s.Seconds); v != nil {
		out.Seconds = *v
	}
	if v := finite(s.Busy); v != nil {
		out.Busy = *v
	}
	for _, f := range s.Findings {
		f.Verdict = valid(f.Verdict)
		out.Findings = append(out.Findings, f)
	}
	for _, l := range s.Logs {
		l.Path = relative(folder, l.Path)
		out.Logs = append(out.Logs, l)
	}
	return out
}

func checksJSON(c *runner.Checks) *jsonChecks {
	out := &jsonChecks{Pass: c.Pass, Warn: c.Warn, Fail: c.Fail, Error: c.Error, Skip: c.Skip, Rules: make([]jsonRule, len(c.Rules)), Scheme: c.Scheme, Base: text(c.Base.SHA), RulesOf: text(c.RulesOf.SHA)}
	for i, r := range c.Rules {
		out.Rules[i] = jsonRule{
			ID: r.ID, Title: r.Title, Verdict: outcome(r.Outcome), Outcome: known(r.Outcome), Reason: r.Reason, Files: r.Files,
			Evidence: list(r.Evidence), Ack: r.Ack, Source: r.Source,
			Doc: r.Doc, Violations: list(r.Violations), New: r.New, Debt: r.Debt, Told: r.Told,
		}
	}
	return out
}

func benchJSON(in *Input, s *runner.Result) *jsonBench {
	b := s.Bench
	out := &jsonBench{
		Verdict: valid(s.Verdict), Reason: summary(s), Metrics: []jsonMetric{}, Backend: b.Backend, Device: b.Device,
		Settings: b.Settings, Observed: b.Observed, Origins: list(b.Origins), Warnings: []string{},
		Base: b.Base, Turns: b.Turns, Unaffected: b.Unaffected, Untold: b.Untold, New: b.New,
	}
	if j := in.Judgement; j != nil {
		out.Verdict, out.Reason, out.Warnings = valid(j.Verdict), j.Reason, list(j.Warnings)
	}
	if out.Settings == nil {
		out.Settings = map[string]string{}
	}
	samples := make(map[string]*runner.Sample, len(b.Samples))
	values := make(map[string][]*float64, len(b.Samples))
	for i := range b.Samples {
		k := b.Samples[i].Key()
		samples[k] = &b.Samples[i]
		for _, v := range b.Samples[i].Values {
			values[k] = append(values[k], finite(v))
		}
	}
	for _, m := range in.metrics() {
		metric := metricJSON(m, samples[m.Key()], values[m.Key()])
		for _, v := range b.Again[m.Key()] {
			metric.Again = append(metric.Again, finite(v))
		}
		out.Metrics = append(out.Metrics, metric)
	}
	return out
}

func metricJSON(m baseline.Metric, s *runner.Sample, values []*float64) jsonMetric {
	out := jsonMetric{
		Name: m.Name, Unit: m.Unit, Config: m.Config, Samples: list(values),
		Median: finite(m.Median), Lo: finite(m.Lo), Hi: finite(m.Hi), Baseline: finite(m.Baseline), Threshold: text(m.Threshold),
		Verdict: valid(m.Verdict), Reason: m.Reason, Better: m.Better, BaselineRuns: list(m.Runs),
		Change: rounded(m.Change), ChangeLo: rounded(m.ChangeLo), ChangeHi: rounded(m.ChangeHi), MDE: rounded(m.MDE),
	}
	if out.Config == nil {
		out.Config = map[string]string{}
	}
	if s != nil {
		out.Source, out.Derived = s.Source, s.Derived
		if len(values) == len(s.Values) { // else several sources are put together
			out.Looks = s.Looks
		}
	}
	return out
}

// list makes a missing list an empty one: arrays are never null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func positive[T int | int64](n T) *T {
	if n <= 0 {
		return nil
	}
	return &n
}

func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// rounded keeps nine significant digits of what went through logarithms, whose last
// bits differ between processors.
func rounded(v float64) *float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 9, 64), 64)
	if err != nil {
		return nil
	}
	return finite(r)
}

func stamp(t time.Time) *time.Time {
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	t = t.UTC()
	return &t
}
