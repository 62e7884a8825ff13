package agent

import (
	"slices"
	"testing"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// What was lost is whole only when it is there again and means what it did: a later run
// that is good because the debt is old proves nothing.
func TestHarmIsWhole(t *testing.T) {
	rule := func(outcome string, ack *runner.Ack, debt bool) runner.Result {
		return runner.Result{Verdict: runner.Success, Checks: &runner.Checks{Rules: []runner.Rule{{ID: "A.1", Outcome: outcome, Ack: ack, Debt: debt}}}}
	}
	theorem := func(name, meaning string, v runner.Verdict) runner.Result {
		return runner.Result{Verdict: runner.Success, Proofs: &runner.Proofs{Theorems: []runner.Theorem{{Name: name, Meaning: meaning, Verdict: v}}}}
	}
	judged := &baseline.Judgement{Metrics: []baseline.Metric{{Name: "x", Unit: "sec", Threshold: "x <= 1", Verdict: runner.Success}}}
	key := judged.Metrics[0].Key()
	for _, c := range []struct {
		name string
		harm string
		res  runner.Result
		want bool
	}{
		{"rule passes", harmOf(harmRule, "A.1"), rule(runner.Pass, nil, false), true},
		{"old debt", harmOf(harmRule, "A.1"), rule(runner.Warn, nil, true), false},
		{"acknowledged", harmOf(harmRule, "A.1"), rule(runner.Warn, &runner.Ack{}, false), true},
		{"rule could not tell", harmOf(harmRule, "A.1"), rule(runner.RuleError, nil, false), false},
		{"rule is gone", harmOf(harmRule, "A.2"), rule(runner.Pass, nil, false), false},
		{"theorem is back", harmOf(harmTheorem, "t", "m1"), theorem("t", "m1", runner.Success), true},
		{"theorem means something else", harmOf(harmTheorem, "t", "m1"), theorem("t", "m2", runner.Success), false},
		{"theorem is gone", harmOf(harmTheorem, "t", ""), theorem("u", "m1", runner.Success), false},
		{"theorem rests on sorry", harmOf(harmTheorem, "t", ""), theorem("t", "m1", runner.Neutral), false},
		{"metric", harmOf(harmMetric, key, "x <= 1"), runner.Result{Verdict: runner.Success}, true},
		{"metric under another threshold", harmOf(harmMetric, key, "x <= 2"), runner.Result{Verdict: runner.Success}, false},
		{"stage", harmStage, runner.Result{Verdict: runner.Success}, true},
		{"stage could not tell", harmStage, runner.Result{Verdict: runner.Error}, false},
		{"nonsense", "x\x1fy", runner.Result{Verdict: runner.Success}, false},
		{"empty", "", runner.Result{Verdict: runner.Success}, false},
	} {
		if got := whole(c.harm, &c.res, judged); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	res := runner.Result{Verdict: runner.Failure, Proofs: &runner.Proofs{Ledger: &runner.Ledger{Entries: []runner.Entry{
		{Name: "lost", Change: runner.Lost, Verdict: runner.Failure}, {Name: "new", Change: runner.New, Verdict: runner.Neutral},
	}}}}
	got := harms(&res, nil, func(string) string { return "m" })
	if want := []string{harmOf(harmTheorem, "lost", "m")}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := harms(&runner.Result{Verdict: runner.Failure}, nil, nil); !slices.Equal(got, []string{harmStage}) {
		t.Errorf("%q", got)
	}
}
