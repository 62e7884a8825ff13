package bisect

import "github.com/holdfast-ci/holdfast/baseline"

// Question is what is asked of every commit of a range: whether a stage holds, or whether
// one metric satisfies one threshold. Stored as JSON: fields may be added, never renamed.
type Question struct {
	Stage     string `json:"stage"`               // one of runner.Stages
	Metric    string `json:"metric,omitempty"`    // key of a sample, "" for a question about the stage
	Threshold string `json:"threshold,omitempty"` // canonical text; "" for a question about the stage
}

// String is the question for people: "checks", "bench: X <= baseline + 25%".
func (q Question) String() string {
	if q.Threshold == "" {
		return q.Stage
	}
	return q.Stage + ": " + q.Threshold
}

// Of reports whether a judged metric is the one that is asked about. A question without a
// metric is about any that its threshold matches.
func (q Question) Of(m baseline.Metric) bool {
	return m.Threshold == q.Threshold && (q.Metric == "" || m.Key() == q.Metric)
}
