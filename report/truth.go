package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/holdfast-ci/holdfast/baseline"
)

// Truth counts verdicts of which it is known what they were worth. Those of unchanged code
// were made on this class of machine, this system and this configuration; those that people
// looked at on any.
type Truth struct {
	Compared, CompareAlarms int // pairs of runs of unchanged code, metric by metric
	Judged, JudgeAlarms     int // thresholds on such runs
	Real, Noise             int // red verdicts that people confirmed, or dismissed
}

// outOf is "3 of 96, 3.1 % (95 %: 0.6 to 8.9 %)".
func outOf(hits, n int) string {
	lo, hi := baseline.Proportion(hits, n)
	percent := func(v float64) string { return fmt.Sprintf("%.3g", 100*v) }
	return fmt.Sprintf("%s of %s, %s %% (95 %%: %s to %s %%)", number(hits), number(n), percent(float64(hits)/float64(n)), percent(lo), percent(hi))
}

// TruthLines tells how often verdicts were false, as far as that was measured; our own words
// and figures only.
func TruthLines(t Truth) []string {
	var out []string
	if t.Compared == 0 {
		out = append(out, "false alarms: not measured here yet, no A/A comparison was made on this machine, system and configuration")
	} else {
		out = append(out, "false alarms on unchanged code: "+outOf(t.CompareAlarms, t.Compared)+" comparisons of two runs")
	}
	if t.Judged > 0 {
		out = append(out, "false reds on unchanged code: "+outOf(t.JudgeAlarms, t.Judged)+" judged thresholds")
	}
	if n := t.Real + t.Noise; n > 0 {
		out = append(out, "reds that people looked at and found to be noise: "+outOf(t.Noise, n))
	}
	return out
}

type jsonTruth struct {
	Compared      int `json:"compared"`
	CompareAlarms int `json:"compare_alarms"`
	Judged        int `json:"judged"`
	JudgeAlarms   int `json:"judge_alarms"`
	Real          int `json:"real"`
	Noise         int `json:"noise"`
	// Rate is CompareAlarms/Compared with its 95 % interval.
	Rate   *float64 `json:"rate"`
	RateLo *float64 `json:"rate_lo"`
	RateHi *float64 `json:"rate_hi"`
}

// TruthJSON is the ledger as it stands in the document of a run; nil gives nil.
func TruthJSON(t *Truth) any {
	if t == nil {
		return nil
	}
	out := jsonTruth{t.Compared, t.CompareAlarms, t.Judged, t.JudgeAlarms, t.Real, t.Noise, nil, nil, nil}
	if t.Compared > 0 {
		rate := float64(t.CompareAlarms) / float64(t.Compared)
		lo, hi := baseline.Proportion(t.CompareAlarms, t.Compared)
		out.Rate, out.RateLo, out.RateHi = &rate, &lo, &hi
	}
	return out
}

// detectable says from where on changes against the baseline are found, over all benchmarks
// that have one.
func detectable(in *Input) []string {
	lo, hi, n := math.Inf(1), 0.0, 0
	for _, m := range in.metrics() {
		if !math.IsNaN(m.MDE) {
			lo, hi, n = min(lo, m.MDE), max(hi, m.MDE), n+1
		}
	}
	percent := func(v float64) string { return strings.TrimPrefix(baseline.Percent(v), "+") }
	switch {
	case n == 0:
		return nil
	case percent(lo) == percent(hi):
		return []string{fmt.Sprintf("changes of %s or more against the baseline are found in four of five cases", percent(hi))}
	}
	return []string{fmt.Sprintf("changes of %s or more against the baseline are found in four of five cases, on the noisiest benchmark of %s", percent(lo), percent(hi))}
}
