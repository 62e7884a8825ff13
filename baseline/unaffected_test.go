package baseline

import (
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// A threshold on what was not run for being unaffected does not apply; where it is known what
// that would have given, every other threshold without a sample is an error still.
func TestUnaffectedHarness(t *testing.T) {
	b := runner.Bench{
		Base: "b", Samples: []runner.Sample{{Name: "A", Unit: "sec/op", Values: rep(12, 1, 2, 3)}},
		Unaffected: []runner.Unaffected{{Program: "harness cpu", Reason: "why", Names: []string{"async-gain", "ratio"}}},
	}
	for text, want := range map[string]runner.Verdict{
		"async-gain >= 10%": runner.Neutral, "async-gain mode=single >= base - 3%": runner.Neutral, "ratio >= baseline - 3%": runner.Neutral,
		"async-gian >= 10%": runner.Error, "Q <= base + 5%": runner.Error, "A <= 5": runner.Success,
	} {
		j := JudgeBench(&b, nil, thresholdsOf(t, text))
		if j.Verdict != want {
			t.Errorf("%s: %s %s", text, j.Verdict, j.Reason)
		}
		if want == runner.Neutral && !strings.Contains(j.Reason, "unaffected: harness cpu was not run (why)") {
			t.Errorf("%s: %s", text, j.Reason)
		}
	}
	if j := JudgeBench(&b, nil, thresholdsOf(t, "A <= 5", "async-gain >= 10%")); j.Verdict != runner.Success ||
		j.Reason != "1 of 2 thresholds met, 1 does not apply (unaffected: harness cpu was not run (why))" {
		t.Errorf("%s: %s", j.Verdict, j.Reason)
	}
}
