package baseline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// Two programs that print the same key are judged together, each look with what both had
// given by then.
func TestPool(t *testing.T) {
	sample := func(source string, looks []int, values ...float64) runner.Sample {
		return runner.Sample{Name: "A", Unit: "ops/s", Better: runner.HigherIsBetter, Source: source, Values: values, Looks: looks}
	}
	for _, c := range []struct {
		a, b runner.Sample
		want string
	}{
		{sample("p", nil, 1, 2), sample("q", nil, 3), "[1 2 3] []"},
		{sample("p", []int{1, 2, 4}, 1, 2, 3, 4), sample("q", []int{2, 3, 5}, 11, 12, 13, 14, 15), "[1 11 12 2 13 3 4 14 15] [3 5 9]"},
		{sample("p", []int{1, 2}, 1, 2), sample("q", nil, 11, 12), "[1 11 12 2] [3 4]"},
	} {
		var j Judgement
		got := j.pool([]runner.Sample{c.a, c.b}, &runner.Bench{})
		if len(got) != 1 || fmt.Sprint(got[0].Values, got[0].Looks) != c.want || fmt.Sprint(got[0].sources) != "[p q]" || len(j.Warnings) != 1 {
			t.Errorf("%+v, want %s; %q", got, c.want, j.Warnings)
		}
	}
	// A document of an earlier version has looks by key.
	var j Judgement
	got := j.pool([]runner.Sample{sample("p", nil, 1, 2, 3)}, &runner.Bench{Looks: map[string][]int{"A ops/s": {1, 3}}})
	if fmt.Sprint(got[0].Looks) != "[1 3]" {
		t.Errorf("%+v", got)
	}
}

// Of two programs that print the same key neither hides the other.
func TestWorstOfSources(t *testing.T) {
	turns := func(source string, head float64) runner.Turns {
		return runner.Turns{
			Name: "A", Unit: "sec/op", Source: source, Base: rep(12, 100, 100.1, 99.9), Head: rep(12, head, head*1.001, head*.999), Looks: []int{6},
			BaseAgain: rep(12, 100, 100.1, 99.9), HeadAgain: rep(12, head, head*1.001, head*.999),
		}
	}
	th := thresholdsOf(t, "A <= base + 5%")
	for name, c := range map[string]struct {
		bench  runner.Bench
		want   runner.Verdict
		reason string
	}{
		"first":  {runner.Bench{Turns: []runner.Turns{turns("p", 120), turns("q", 100)}}, runner.Failure, "+20.0%"},
		"second": {runner.Bench{Turns: []runner.Turns{turns("p", 100), turns("q", 120)}}, runner.Failure, "+20.0%"},
		"untold": {runner.Bench{Turns: []runner.Turns{turns("q", 100)}, Untold: map[string]string{"p": "the base: exit code 1"}}, runner.Error, "exit code 1"},
		"new":    {runner.Bench{Turns: []runner.Turns{turns("q", 100)}, New: map[string]string{"p": "it is"}}, runner.Success, "in 6 blocks"},
		"none":   {runner.Bench{Turns: []runner.Turns{turns("p", 100), turns("q", 100)}}, runner.Success, "in 6 blocks"},
	} {
		c.bench.Base = "b"
		for _, s := range []string{"p", "q"} {
			c.bench.Samples = append(c.bench.Samples, runner.Sample{Name: "A", Unit: "sec/op", Source: s, Values: rep(12, 100)})
		}
		m := JudgeBench(&c.bench, nil, th).Metrics[0]
		if m.Verdict != c.want || !strings.Contains(m.Reason, c.reason) {
			t.Errorf("%s: %s %s", name, m.Verdict, m.Reason)
		}
	}
}

// What processes measured that never became steady makes nothing red, whatever it is
// compared with; what the others measured still does.
func TestUnsettledIsNotRed(t *testing.T) {
	history := make([]Past, 8)
	for i := range history {
		history[i] = Past{Run: int64(i + 1), Values: map[string][]float64{"A ops/s": rep(10, 100, 101, 99, 100.5)}}
	}
	for _, th := range []string{"A >= 95", "A >= baseline - 5%"} {
		for name, c := range map[string]struct {
			values    []float64
			unsettled []int
			want      runner.Verdict
		}{
			"settled":    {rep(10, 70, 70.1), nil, runner.Failure},
			"none is":    {rep(10, 70, 70.1), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, runner.Error},
			"two of ten": {rep(10, 70, 70.1), []int{0, 1}, runner.Failure},
			"the slow":   {append(rep(9, 70, 70.1), 100), []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, runner.Error},
			"nonsense":   {rep(10, 70, 70.1), []int{-1, 99}, runner.Failure},
			"green":      {rep(10, 100, 100.1), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, runner.Success},
		} {
			b := &runner.Bench{
				Samples: []runner.Sample{{Name: "A", Unit: "ops/s", Values: c.values}},
				Origins: []runner.Origin{{Sample: "A ops/s", Unsettled: c.unsettled}},
			}
			m := JudgeBench(b, history, thresholdsOf(t, th)).Metrics[0]
			if m.Verdict != c.want || (c.want == runner.Error) != strings.Contains(m.Reason, "did not settle, and the rest does not show it; a longer warmup in [bench]") {
				t.Errorf("%s %s: %s %s", th, name, m.Verdict, m.Reason)
			}
			next := map[runner.Verdict]runner.Step{runner.Failure: runner.Suspect, runner.Error: runner.More}[c.want] // more may be settled
			if got := Next(b, history, nil, thresholdsOf(t, th))[0]; got != next {
				t.Errorf("%s %s: next %v", th, name, got)
			}
		}
	}
}
