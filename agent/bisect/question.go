package bisect

import (
	"fmt"
	"strings"

	"github.com/holdfast-ci/holdfast/baseline"
)

// Question is what is asked of every commit of a range: whether a stage holds, or whether
// one metric satisfies one threshold. Stored as JSON: fields may be added, never renamed.
type Question struct {
	Stage     string `json:"stage"`               // one of runner.Stages
	Metric    string `json:"metric,omitempty"`    // key of a sample, "" for a question about the stage
	Threshold string `json:"threshold,omitempty"` // canonical text; "" for a question about the stage
	// About is what made somebody ask where Threshold is only how it is told: the threshold
	// that was missed, or LevelShift. "" where Threshold is what is meant.
	About string `json:"about,omitempty"`
	// Source is the program to measure, "" for all.
	Source string `json:"source,omitempty"`
}

// LevelShift is what a [Question] is about whose metric took another level, whether or not a
// threshold says anything about it.
const LevelShift = "level shift"

// Subject is what is to be explained, for people: "checks", "bench: X <= baseline + 25%". It
// does not depend on how it is told.
func (q Question) Subject() string {
	switch q.About {
	case "":
		return q.told()
	case LevelShift:
		return q.Stage + ": level shift of " + q.Metric
	}
	return q.Stage + ": " + q.About
}

func (q Question) told() string {
	if q.Threshold == "" {
		return q.Stage
	}
	return q.Stage + ": " + q.Threshold
}

// String is the whole question for people: "bench: X <= baseline + 25%, told by X <= base +
// 12%".
func (q Question) String() string {
	if q.About == "" {
		return q.told()
	}
	return q.Subject() + ", told by " + q.Threshold
}

// maxCommand is the longest command that somebody may be shown: a longer one would be cut in
// the middle of a quoted word.
const maxCommand = 120

// Command is what a person types to ask it of the commits after good up to bad, "" if that
// would be too long.
func (q Question) Command(good, bad string) string {
	if q.Threshold == "" {
		return fmt.Sprintf("holdfast bisect --stage %s %s %s", q.Stage, good, bad)
	}
	c := fmt.Sprintf("holdfast bisect --threshold '%s' %s %s", strings.ReplaceAll(q.Threshold, "'", `'\''`), good, bad)
	if len(c) > maxCommand {
		return ""
	}
	return c
}

// Of reports whether a judged metric is the one that is asked about. A question without a
// metric is about any that its threshold matches.
func (q Question) Of(m baseline.Metric) bool {
	return m.Threshold == q.Threshold && (q.Metric == "" || m.Key() == q.Metric)
}
