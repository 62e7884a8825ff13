package baseline

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/holdfast-ci/holdfast/runner"
)

// Judge compares every sample with every threshold that matches it.
//
// An absolute threshold looks at the interval of the sample's median ([Summarize]), a
// relative one at the interval of the change against earlier runs ([Compare]):
//
//   - success if the whole interval satisfies the threshold,
//   - failure if no part of it does, and if that cannot be chance even after correcting
//     for the number of comparisons in this run (Bonferroni: 2.5 % divided by that
//     number, through the t or sign test), so that a run of unchanged code over many
//     benchmarks is not failed by one of them,
//   - error ("could not tell") otherwise, with what it would take to tell.
//
// Values that were measured look by look ([runner.Sample].Looks) are judged so, see [Next].
//
// A baseline has to grow up first: no earlier run is Neutral with reason "no baseline
// yet", and with one or two of them a failure must also outweigh an assumed noise of 5 %
// between runs, while what cannot be told is Neutral, not an error. A threshold that
// matches no sample is an Error, and so is a value that is not finite. Samples without
// a threshold are listed as Neutral and do not count. Samples with equal keys are put
// together, with a warning. No argument is changed.
func Judge(samples []runner.Sample, history []Past, thresholds []Threshold) Judgement {
	return judge(samples, history, thresholds, false, beside{}, unmatched)
}

// JudgeBench is [Judge] for a bench stage that may have been measured in turns with its
// base: thresholds that go by the base are decided by the blocks ([runner.Turns]), at the
// level that the look at which measuring ended may spend, corrected for the number of such
// comparisons. What looks worse than allowed is Failure only where an independent
// repetition agrees, at the whole level. Without a base they are Neutral, and so is a
// threshold on a program that was not run for being unaffected. Other thresholds need that
// agreement, too, where the bench says that it confirms.
func JudgeBench(b *runner.Bench, history []Past, thresholds []Threshold) Judgement {
	j := judge(b.Samples, history, thresholds, false, newBeside(b, thresholds), unmatched)
	if len(b.Samples) == 0 && len(b.Unaffected) > 0 && len(thresholds) == 0 {
		j.Verdict, j.Reason = runner.Neutral, "unaffected: nothing had to be measured"
	}
	return j
}

// JudgeOnce is [Judge] for figures that exist once in a run and not in every run, such as
// the time that building one module took. An absolute threshold is a bound on that very
// figure, a fact and no estimate; a relative one needs three earlier runs, whose spread
// tells the noise. A threshold that matches no sample gets the verdict and the reason that
// absent gives. Without samples the verdict is that of the thresholds, and Neutral without
// those.
func JudgeOnce(samples []runner.Sample, history []Past, thresholds []Threshold, absent func(Threshold) (runner.Verdict, string)) Judgement {
	return judge(samples, history, thresholds, true, beside{}, func(t Threshold) Metric {
		m := unmatched(t)
		m.Verdict, m.Reason = absent(t)
		return m
	})
}

func judge(measurements []runner.Sample, history []Past, thresholds []Threshold, once bool, base beside, absent func(Threshold) Metric) Judgement {
	var j Judgement
	samples := j.pool(measurements, base.bench)
	all, family := prepare(samples, history, thresholds, base.bench)
	used := make([]bool, len(thresholds))
	for i, s := range samples {
		got := &all[i]
		got.once = once
		asked := false
		for k, t := range thresholds {
			if !t.Match(s.Sample) {
				continue
			}
			used[k], asked = true, true
			m := got.metric
			m.Threshold = t.String()
			if t.Base {
				base.decide(&m, s, t)
			} else {
				m.Verdict, _, m.Reason = got.decideSteady(t, family)
				if c := got.told; c != nil {
					m.Change, m.ChangeLo, m.ChangeHi = c.Change, c.Lo, c.Hi
				}
				if m.Verdict == runner.Failure && base.bench != nil && base.bench.Confirms {
					m.Verdict, m.Reason = got.confirm(t, family, base.bench.Again[s.Key()], m.Reason)
				}
			}
			j.Metrics = append(j.Metrics, m)
		}
		if !asked {
			m := got.metric
			m.Verdict, m.Reason = runner.Neutral, "no threshold"
			if got.summary.Warning != "" {
				m.Reason += "; " + got.summary.Warning
			}
			if r := base.turns[s.Key()]; len(r) > 0 {
				base.fill(&m, r[0])
			}
			j.Metrics = append(j.Metrics, m)
		}
	}
	for i, t := range thresholds {
		if !used[i] {
			j.Metrics = append(j.Metrics, base.unmatched(t, absent))
		}
	}
	j.fold(once, len(thresholds), samples)
	return j
}

// prepare measures every sample up to what a threshold asks. family is the number of
// comparisons in the run; those that go by the base are a family of their own. b may be nil.
func prepare(samples []pooled, history []Past, thresholds []Threshold, b *runner.Bench) (out []measured, family int) {
	history = slices.Clone(history)
	slices.SortStableFunc(history, func(a, b Past) int { return cmp.Compare(a.Run, b.Run) })
	for _, s := range samples {
		m := measure(s.Sample, history)
		m.loose = s.loose
		if b != nil {
			m.planned = max(m.planned, b.Planned)
		}
		out = append(out, m)
		for _, t := range thresholds {
			if t.Match(s.Sample) && !t.Base {
				family++
			}
		}
	}
	return out, family
}

// compareSamples orders by name, configuration (numbers by value, so that 2 threads
// come before 16) and unit.
func compareSamples(a, b runner.Sample) int {
	if c := compareNatural(a.Name, b.Name); c != 0 {
		return c
	}
	ka, kb := slices.Sorted(maps.Keys(a.Config)), slices.Sorted(maps.Keys(b.Config))
	for i := range min(len(ka), len(kb)) {
		if c := cmp.Or(cmp.Compare(ka[i], kb[i]), compareNatural(a.Config[ka[i]], b.Config[kb[i]])); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(ka), len(kb)), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Key(), b.Key()))
}

// compareNatural compares text with runs of digits taken as numbers.
func compareNatural(a, b string) int {
	digits := func(s string) int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	x, y := a, b
	for x != "" && y != "" {
		if dx, dy := digits(x), digits(y); dx > 0 && dy > 0 {
			nx, ny := strings.TrimLeft(x[:dx], "0"), strings.TrimLeft(y[:dy], "0")
			if c := cmp.Or(cmp.Compare(len(nx), len(ny)), cmp.Compare(nx, ny)); c != 0 {
				return c
			}
			x, y = x[dx:], y[dy:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// measured is a sample with everything that does not depend on a threshold.
type measured struct {
	sample  runner.Sample
	summary Summary
	metric  Metric
	earlier [][]float64 // values of the runs that metric.Runs names
	loose   []bool      // by value: measured by a process whose warm-up did not settle; nil for none
	planned int         // looks that could have taken place, 1 at least
	once    bool        // the value is the figure itself, not an estimate of it

	whole    Comparison    // of all values, as if they had been looked at once
	err      error         // why there is none; nil also if there is no history
	compared []*Comparison // at each look, once that was asked
	told     *Comparison   // that the last verdict went by; nil if by none
}

func measure(s runner.Sample, history []Past) measured {
	m := measured{sample: s, summary: Summarize(s.Values), planned: max(1, len(s.Looks))}
	nan := math.NaN()
	m.metric = Metric{
		Name: s.Name, Unit: s.Unit, Config: s.Config, Better: s.Better,
		N: m.summary.N, Median: m.summary.Median, Lo: m.summary.Lo, Hi: m.summary.Hi,
		Baseline: nan, Change: nan, ChangeLo: nan, ChangeHi: nan, MDE: nan,
	}
	if math.IsNaN(m.summary.Median) {
		return m
	}
	key := s.Key()
	for _, p := range history {
		v := p.Values[key]
		if f, bad := finite(v); bad > 0 || len(f) == 0 {
			continue
		}
		m.earlier, m.metric.Runs = append(m.earlier, v), append(m.metric.Runs, p.Run)
	}
	if len(m.earlier) > 0 {
		m.compareWhole()
	}
	return m
}

// compareWhole compares all values with the history.
func (m *measured) compareWhole() {
	if m.whole, m.err = Compare(m.sample.Values, m.earlier); m.err != nil {
		// The baseline itself exists even where a ratio does not.
		var medians []float64
		for _, e := range m.earlier {
			medians = append(medians, middle(e))
		}
		m.metric.Baseline = middle(medians)
		return
	}
	c := &m.whole
	m.metric.Baseline, m.metric.Method = c.Baseline, c.Method
	m.metric.Change, m.metric.ChangeLo, m.metric.ChangeHi = c.Change, c.Lo, c.Hi
	m.metric.MDE = c.detectable()
}

func unmatched(t Threshold) Metric {
	nan := math.NaN()
	return Metric{
		Name: t.Metric, Config: t.Config, Median: nan, Lo: nan, Hi: nan,
		Baseline: nan, Change: nan, ChangeLo: nan, ChangeHi: nan, MDE: nan,
		Threshold: t.String(), Verdict: runner.Error, Reason: "the threshold matched no sample",
	}
}

// fold sets verdict, reason and hint over all metrics.
func (j *Judgement) fold(once bool, thresholds int, all []pooled) {
	samples, what := len(all), "benchmark"
	if once {
		what = "build time"
	}
	if j.Metrics == nil {
		j.Metrics = []Metric{}
	}
	if samples == 0 && once && thresholds == 0 {
		j.Verdict, j.Reason = runner.Neutral, "nothing was measured"
		return
	}
	if samples == 0 && !once && slices.ContainsFunc(j.Metrics, func(m Metric) bool { return m.Verdict == runner.Error }) || samples == 0 && !once && thresholds == 0 {
		j.Verdict, j.Reason = runner.Error, "nothing was measured: there are no samples"
		return
	}
	if thresholds == 0 {
		j.Verdict, j.Reason = runner.Success, fmt.Sprintf("%s measured, no thresholds set", count(samples, what))
		return
	}
	var by [4]int
	var apart *Metric // the first that does not apply for having no base, or for not being run
	aparts := 0
	var verdicts []runner.Verdict
	var first *Metric
	for i := range j.Metrics {
		m := &j.Metrics[i]
		if m.Threshold == "" {
			continue
		}
		verdicts = append(verdicts, m.Verdict)
		switch m.Verdict {
		case runner.Success:
			by[0]++
		case runner.Neutral:
			by[1]++
			if t, err := ParseThreshold(m.Threshold); err == nil && (t.Base || m.Unit == "") && !once {
				if aparts++; apart == nil {
					apart = m
				}
			}
		case runner.Error:
			by[2]++
		case runner.Failure:
			by[3]++
		}
		if m.N == 0 && m.Unit == "" && m.Verdict == runner.Error && samples > 0 {
			j.Hint = "thresholds match the name or unit of a benchmark; this run measured " + names(all)
		}
	}
	j.Verdict = runner.Worst(verdicts...)
	if j.Verdict == runner.Failure || j.Verdict == runner.Error {
		i := slices.IndexFunc(j.Metrics, func(m Metric) bool { return m.Threshold != "" && m.Verdict == j.Verdict })
		first = &j.Metrics[i]
	}
	total := len(verdicts)
	switch j.Verdict {
	case runner.Failure:
		j.Reason = fmt.Sprintf("%d of %s missed: %s", by[3], count(total, "threshold"), first.brief())
	case runner.Error:
		j.Reason = fmt.Sprintf("%d of %s could not be told: %s", by[2], count(total, "threshold"), first.brief())
	case runner.Neutral:
		j.Reason = fmt.Sprintf("%s measured, no settled baseline yet for %s", count(samples, what), count(total, "threshold"))
		if aparts == total {
			j.Reason = fmt.Sprintf("%s measured, %s: %s", count(samples, what), apart.Label(), apart.Reason)
		}
		if once {
			j.Reason = fmt.Sprintf("%s measured, %s does not apply or has no settled baseline yet", count(samples, what), count(total, "threshold"))
		}
	default:
		j.Reason = fmt.Sprintf("%d of %s met", by[0], count(total, "threshold"))
		if by[1] > 0 && once {
			j.Reason += fmt.Sprintf(", %d does not apply or is without a settled baseline", by[1])
		} else if n := by[1] - aparts; n > 0 {
			j.Reason += fmt.Sprintf(", %d without a settled baseline yet", n)
		}
		if aparts > 0 {
			j.Reason += fmt.Sprintf(", %d does not apply (%s)", aparts, apart.Reason)
		}
	}
}

// names lists what could have been matched, at most eight.
func names(samples []pooled) string {
	var out []string
	for _, s := range samples {
		for _, n := range []string{s.Name, s.Unit} {
			n = strings.Map(func(r rune) rune {
				if !unicode.IsPrint(r) {
					return '?'
				}
				return r
			}, n)
			if n != "" && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	if len(out) > 8 {
		return strings.Join(out[:8], ", ") + ", …"
	}
	return strings.Join(out, ", ")
}
