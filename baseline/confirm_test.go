package baseline

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// Only what an independent re-run confirms is a failure, and it carries both.
func TestConfirm(t *testing.T) {
	var past []Past
	for run := range int64(4) {
		past = append(past, Past{Run: run + 1, Values: map[string][]float64{"A ops/s": rep(10, 100, 101, 99)}})
	}
	slow, fine := rep(12, 80, 81, 79), rep(12, 100, 101, 99)
	for _, c := range []struct {
		name, threshold string
		again           []float64
		want            runner.Verdict
		says            string
	}{
		{"confirmed", "A >= 95", slow, runner.Failure, "80.00 ops/s [79.00 ops/s, 81.00 ops/s] in 12 rounds, and in an independent re-run 80.00 ops/s"},
		{"not confirmed", "A >= 95", fine, runner.Error, "could not tell: 80.00 ops/s [79.00 ops/s, 81.00 ops/s] in 12 rounds, and in an independent re-run 100.0 ops/s"},
		{"on both sides", "A >= 95", rep(12, 90, 99, 95), runner.Error, "lies on both sides"},
		{"too few", "A >= 95", slow[:3], runner.Error, "which does not confirm it"},
		{"none", "A >= 95", nil, runner.Error, "was not confirmed: there was no re-run"},
		{"baseline, confirmed", "A >= baseline - 5%", slow, runner.Failure, "against 100.0 ops/s of 4 earlier runs, and in an independent re-run -20.0%"},
		{"baseline, not confirmed", "A >= baseline - 5%", fine, runner.Error, "which does not confirm it"},
		{"baseline, none", "A >= baseline - 5%", nil, runner.Error, "there was no re-run"},
	} {
		b := &runner.Bench{Confirms: true, Samples: []runner.Sample{{Name: "A", Unit: "ops/s", Values: slow}}}
		th := thresholdsOf(t, c.threshold)
		if next := Next(b, past, nil, th); next[0] != runner.Suspect {
			t.Errorf("%s: next %v", c.name, next)
		}
		b.Again = map[string][]float64{"A ops/s": c.again}
		j := JudgeBench(b, past, th)
		if j.Verdict != c.want || !strings.Contains(j.Metrics[0].Reason, c.says) {
			t.Errorf("%s: %s: %s", c.name, j.Verdict, j.Metrics[0].Reason)
		}
		if strings.Count(j.Metrics[0].Reason, "could not tell") > 1 {
			t.Errorf("%s: %s", c.name, j.Metrics[0].Reason)
		}
		b.Confirms = false // a stage that does not confirm, as of earlier versions
		if j := JudgeBench(b, past, th); j.Verdict != runner.Failure {
			t.Errorf("%s, unconfirmed: %s: %s", c.name, j.Verdict, j.Reason)
		}
	}
	met := &runner.Bench{Confirms: true, Samples: []runner.Sample{{Name: "A", Unit: "ops/s", Values: fine}}}
	if th := thresholdsOf(t, "A >= 95"); Next(met, nil, nil, th)[0] != runner.Enough || JudgeBench(met, nil, th).Verdict != runner.Success {
		t.Error("what is met needs no re-run")
	}
	if Next(met, nil, nil, thresholdsOf(t, "A >= base - 5%"))[0] != runner.Enough {
		t.Error("what goes by the base has a re-run of its own")
	}
}

// A benchmark that lies exactly on the bound, which is the worst case, is hardly ever red; one
// that lies clearly beyond it stays so.
func TestErrorWithConfirmation(t *testing.T) {
	th := thresholdsOf(t, "A >= 100")
	rng := rand.New(rand.NewPCG(5, 8))
	const reps = 1000
	run := func(level float64) (suspect bool, v runner.Verdict) {
		draw := func(n int) []float64 { return times(noises["log-normal"](rng, n), level) }
		b := measureUntilDecided(draw, 10, 3, nil, th)
		b.Confirms = true
		if suspect = Next(b, nil, nil, th)[0] == runner.Suspect; suspect {
			b.Again = map[string][]float64{b.Samples[0].Key(): draw(len(b.Samples[0].Values))}
		}
		return suspect, JudgeBench(b, nil, th).Verdict
	}
	suspects, red, found := 0, 0, 0
	for range reps {
		suspect, v := run(100)
		if suspect {
			suspects++
		}
		if v == runner.Failure {
			red++
		}
		if _, v := run(95); v == runner.Failure {
			found++
		}
	}
	t.Logf("on the bound %d of %d suspect, %d red; 5 %% beyond it %d red", suspects, reps, red, found)
	if red > 5 || found < reps*9/10 {
		t.Errorf("on the bound %d of %d red; 5 %% beyond it %d", red, reps, found)
	}
}
