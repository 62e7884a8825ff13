package baseline

import (
	"fmt"
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
	again := m.with(values, history)
	v, why := again.decide(t, family)
	both := reason + ", and in an independent re-run " + strings.TrimPrefix(why, "could not tell: ")
	if v == runner.Failure {
		return v, both
	}
	return runner.Error, "could not tell: " + both + ", which does not confirm it"
}

// with is the same benchmark with other values, looked at once.
func (m *measured) with(values []float64, history []Past) measured {
	s := m.sample
	s.Values, s.Looks = values, nil
	return measure(s, history)
}

// steady lets a failure stand only if it is one also without the values of processes whose
// warm-up did not settle: what they measured is the device on its way to a steady state.
func (m *measured) steady(t Threshold, family int, history []Past, reason string) (runner.Verdict, string) {
	var rest []float64
	for i, v := range m.sample.Values {
		if m.loose == nil || !m.loose[i] {
			rest = append(rest, v)
		}
	}
	n := len(m.sample.Values)
	if len(rest) < n {
		again := m.with(rest, history)
		if v, _ := again.decide(t, family); v != runner.Failure {
			return runner.Error, fmt.Sprintf("could not tell: %s, but %s", reason, unsettledText(n-len(rest), n, "value"))
		}
	}
	return runner.Failure, reason
}

// unsettledText says why so many of all of those things do not make a verdict, and what can
// be done.
func unsettledText(n, all int, what string) string {
	return fmt.Sprintf("the warm-up before %d of %s did not settle, and the rest does not show it; "+
		"a longer warmup in [bench], or a load that keeps the device busy, can tell", n, count(all, what))
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
