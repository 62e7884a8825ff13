package baseline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

func once(name string, value float64) runner.Sample {
	s := runner.Sample{Name: "lean-build", Unit: "sec", Config: map[string]string{"module": name}, Better: runner.LowerIsBetter, Values: []float64{value}}
	if name == "" {
		s.Name, s.Config = "lean-build-total", nil
	}
	return s
}

// One figure is a fact for an absolute bound and needs the spread of earlier runs for a
// relative one. What was not measured is what the caller says it is.
func TestJudgeOnce(t *testing.T) {
	past := func(levels ...float64) (out []Past) {
		for i, l := range levels {
			out = append(out, NewPast(int64(i+1), fmt.Sprint("c", i), []runner.Sample{once("", l)}))
		}
		return out
	}
	steady := past(100, 101, 99, 100, 100.5, 99.5)
	samples := []runner.Sample{once("Pool.Lock", 61), once("", 130)}
	for _, tt := range []struct {
		threshold string
		history   []Past
		want      runner.Verdict
		reason    string
	}{
		{"lean-build module=Pool.Lock <= 60s", nil, runner.Failure, "1 of 1 threshold missed: lean-build module=Pool.Lock is 61.00 s, asked <= 60s"},
		{"lean-build module=Pool.Lock <= 61s", nil, runner.Success, "1 of 1 threshold met"},
		{"lean-build module=Pool.Lock <= 60", nil, runner.Failure, "missed"},
		{"lean-build module=Pool.Lock <= 60x", nil, runner.Error, "could not be told"},
		{"lean-build module=Gone <= 60s", nil, runner.Neutral, "does not apply"},
		{"lean-build-total <= baseline + 20%", steady, runner.Failure, "is +30.0%"},
		{"lean-build-total <= baseline + 40%", steady, runner.Success, "met"},
		{"lean-build-total <= baseline + 20%", past(100, 101), runner.Neutral, "no settled baseline"},
		{"lean-build-total <= baseline + 20%", nil, runner.Neutral, "no settled baseline"},
		{"lean-build-total <= baseline + 20%", past(60, 130, 100), runner.Error, "could not be told"},
	} {
		th, err := ParseThreshold(tt.threshold)
		if err != nil {
			t.Fatal(err)
		}
		j := JudgeOnce(samples, tt.history, []Threshold{th}, func(Threshold) (runner.Verdict, string) { return runner.Neutral, "not built now" })
		if j.Verdict != tt.want || !strings.Contains(j.Reason, tt.reason) {
			t.Errorf("%s: %s, %q; want %s, %q", tt.threshold, j.Verdict, j.Reason, tt.want, tt.reason)
		}
	}
	if j := JudgeOnce(nil, nil, nil, nil); j.Verdict != runner.Neutral || j.Metrics == nil {
		t.Errorf("nothing: %+v", j)
	}
}

func TestApplyBeside(t *testing.T) {
	bad := Judgement{Verdict: runner.Failure, Reason: "1 of 1 threshold missed", Metrics: []Metric{{Name: "lean-build", Verdict: runner.Failure, Reason: "61 s"}}}
	for _, tt := range []struct {
		j            Judgement
		had          runner.Verdict
		reason       string
		want         runner.Verdict
		wantReason   string
		wantFindings int
	}{
		{Judgement{Verdict: runner.Success, Reason: "met"}, runner.Success, "4 theorems hold", runner.Success, "4 theorems hold", 0},
		{Judgement{Verdict: runner.Neutral, Reason: "no baseline"}, runner.Error, "no Lean", runner.Error, "no Lean", 0},
		{bad, runner.Success, "4 theorems hold", runner.Failure, "1 of 1 threshold missed; 4 theorems hold", 1},
		{bad, runner.Failure, "sorry", runner.Failure, "sorry; 1 of 1 threshold missed", 1},
		{bad, runner.Error, "killed", runner.Failure, "1 of 1 threshold missed; killed", 1},
		{bad, runner.Success, "", runner.Failure, "1 of 1 threshold missed", 1},
	} {
		res := runner.Result{Verdict: tt.had, Reason: tt.reason}
		tt.j.ApplyBeside(&res)
		if res.Verdict != tt.want || res.Reason != tt.wantReason || len(res.Findings) != tt.wantFindings {
			t.Errorf("%s over %s: %+v", tt.j.Verdict, tt.had, res)
		}
	}
}
