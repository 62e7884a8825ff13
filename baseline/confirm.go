package baseline

import (
	"math"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// confirm lets a failure stand only if an independent re-run with these values, judged by
// itself at the whole level, is one too. reason is that of the first measurement.
func (m *measured) confirm(t Threshold, family int, history []Past, values []float64, reason string) (runner.Verdict, string) {
	if len(values) == 0 {
		return runner.Error, "could not tell: " + reason + ", which was not confirmed: there was no re-run"
	}
	s := m.sample
	s.Values = values
	again := measure(s, history)
	v, why := again.decide(t, family)
	both := reason + ", and in an independent re-run " + strings.TrimPrefix(why, "could not tell: ")
	if v == runner.Failure {
		return v, both
	}
	return runner.Error, "could not tell: " + both + ", which does not confirm it"
}

// Missed tells for each sample whether it misses a threshold that does not go by the base,
// as far as the first measurement goes: a re-run has to confirm it.
func Missed(b *runner.Bench, history []Past, thresholds []Threshold) []bool {
	missed := map[string]bool{}
	for _, m := range JudgeBench(unconfirmed(b), history, thresholds).Metrics {
		if t, err := ParseThreshold(m.Threshold); m.Verdict == runner.Failure && err == nil && !t.Base {
			missed[m.Key()] = true
		}
	}
	return byKey(b.Samples, missed)
}

// Undecided tells for each sample whether more values could decide an absolute threshold
// that it is under.
func Undecided(b *runner.Bench, thresholds []Threshold) []bool {
	open := map[string]bool{}
	j := JudgeBench(unconfirmed(b), nil, slices.DeleteFunc(slices.Clone(thresholds), func(t Threshold) bool { return t.Relative }))
	for _, m := range j.Metrics {
		if m.Threshold != "" && m.Verdict == runner.Error && !math.IsNaN(m.Median) {
			if t, err := ParseThreshold(m.Threshold); err == nil {
				_, err = t.bound(m.Unit)
				open[m.Key()] = open[m.Key()] || err == nil
			}
		}
	}
	return byKey(b.Samples, open)
}

// unconfirmed is b judged by its first measurement alone.
func unconfirmed(b *runner.Bench) *runner.Bench {
	first := *b
	first.Confirms = false
	return &first
}

func byKey(samples []runner.Sample, is map[string]bool) []bool {
	out := make([]bool, len(samples))
	for i, s := range samples {
		out[i] = is[s.Key()]
	}
	return out
}
