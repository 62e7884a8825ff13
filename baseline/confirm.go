package baseline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// confirm lets a failure stand only if an independent re-run with these values, judged by
// itself at the whole level, is one too. reason is that of the first measurement.
func (m *measured) confirm(t Threshold, family int, values []float64, reason string) (runner.Verdict, string) {
	if len(values) == 0 {
		return runner.Error, "could not tell: " + reason + ", which was not confirmed: there was no re-run"
	}
	again := m.with(values)
	v, _, why := again.decide(t, family)
	both := reason + ", and in an independent re-run " + strings.TrimPrefix(why, "could not tell: ")
	if v == runner.Failure {
		return v, both
	}
	return runner.Error, "could not tell: " + both + ", which does not confirm it"
}

// with is the same benchmark with other values, looked at once.
func (m *measured) with(values []float64) measured {
	out := *m
	out.sample.Values, out.sample.Looks = values, nil
	out.summary, out.planned, out.loose, out.compared = Summarize(values), 1, nil, nil
	if len(m.earlier) > 0 {
		out.compareWhole()
	}
	return out
}

// decideSteady is decide, but a failure stands only if it is one also without the values of
// processes whose warm-up did not settle: what they measured is the device on its way to a
// steady state. More rounds may be steadier.
func (m *measured) decideSteady(t Threshold, family int) (runner.Verdict, runner.Step, string) {
	v, step, reason := m.decide(t, family)
	if v != runner.Failure || !slices.Contains(m.loose, true) {
		return v, step, reason
	}
	var rest []float64
	for i, v := range m.sample.Values {
		if !m.loose[i] {
			rest = append(rest, v)
		}
	}
	again := m.with(rest)
	if v, _, _ := again.decide(t, family); v != runner.Failure {
		n := len(m.sample.Values)
		return runner.Error, runner.More, fmt.Sprintf("could not tell: %s, but %s", reason, unsettledText(n-len(rest), n, "value"))
	}
	return v, step, reason
}

// unsettledText says why so many of all of those things do not make a verdict, and what can
// be done.
func unsettledText(n, all int, what string) string {
	return fmt.Sprintf("the warm-up before %d of %s did not settle, and the rest does not show it; "+
		"a longer warmup in [bench], or a load that keeps the device busy, can tell", n, count(all, what))
}

// Next tells for each sample what to do after a look at what was measured of it so far, as far
// as thresholds ask that do not go by the base: Suspect if it misses one, which a re-run has
// to confirm, and More if more rounds may decide one. For a threshold that is refused for the
// noise of its metric, by Sample.Key, nothing is measured.
func Next(b *runner.Bench, history []Past, noise map[string]Noise, thresholds []Threshold) []runner.Step {
	samples := new(Judgement).pool(b.Samples, b)
	all, family := prepare(samples, history, thresholds, b)
	next := map[string]runner.Step{}
	for i, s := range samples {
		for _, t := range thresholds {
			_, refused := noise[s.Key()].Refuses(t)
			if t.Match(s.Sample) && !t.Base && !refused {
				_, step, _ := all[i].decideSteady(t, family)
				next[s.Key()] = max(next[s.Key()], step)
			}
		}
	}
	out := make([]runner.Step, len(b.Samples))
	for i, s := range b.Samples {
		out[i] = next[s.Key()]
	}
	return out
}
