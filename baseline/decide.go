package baseline

import (
	"fmt"
	"math"

	"github.com/holdfast-ci/holdfast/runner"
)

// decide judges the sample against one threshold. family is the number of comparisons
// in the whole run.
func (m *measured) decide(t Threshold, family int) (runner.Verdict, string) {
	if math.IsNaN(m.summary.Median) {
		return runner.Error, "could not tell: " + m.summary.Warning
	}
	tail := alpha / float64(max(family, 1))
	if t.Relative {
		return m.relative(t, tail)
	}
	return m.absolute(t, tail)
}

// absolute judges the values look by look, as they were measured: the first look that
// decides is the verdict, and the last one says what is missing.
func (m *measured) absolute(t Threshold, tail float64) (v runner.Verdict, reason string) {
	bound, err := t.bound(m.sample.Unit)
	if err != nil {
		return runner.Error, "could not tell: " + err.Error()
	}
	if len(m.sample.Looks) == 0 {
		return m.absoluteAt(m.sample.Values, t.Op, bound, tail, lookShare(0, m.planned))
	}
	for i, n := range m.sample.Looks {
		n = min(n, len(m.sample.Values))
		if v, reason = m.absoluteAt(m.sample.Values[:n], t.Op, bound, tail, lookShare(i, m.planned)); v != runner.Error {
			break
		}
	}
	return v, reason
}

// lookShare is the share of alpha that the i-th of so many planned looks at an absolute
// threshold may spend. The first gets most, since runs that need no second one should not
// pay for it; together they spend alpha whatever they have to do with each other.
func lookShare(i, planned int) float64 {
	switch {
	case planned <= 1:
		return 1
	case i == 0:
		return 0.8
	}
	return 0.2 / float64(planned-1)
}

func (m *measured) absoluteAt(values []float64, op Op, bound, tail, share float64) (runner.Verdict, string) {
	s, unit := summarize(values, alpha*share), m.sample.Unit
	if m.once {
		if op.holds(s.Median, bound) {
			return runner.Success, Format(s.Median, unit)
		}
		return runner.Failure, Format(s.Median, unit)
	}
	if math.IsNaN(s.Lo) {
		return runner.Error, fmt.Sprintf("could not tell: %s in %s; needs about %s",
			Format(s.Median, unit), count(s.N, "round"), count(leastFor(alpha*share)-s.N, "more round"))
	}
	got := fmt.Sprintf("%s [%s, %s] in %s", Format(s.Median, unit), Format(s.Lo, unit), Format(s.Hi, unit), count(s.N, "round"))
	lo, hi := op.holds(s.Lo, bound), op.holds(s.Hi, bound)
	switch {
	case lo && hi:
		return runner.Success, got
	case !lo && !hi:
		sure, factor := beyond(values, op, bound, tail*share)
		if sure {
			return runner.Failure, got
		}
		return runner.Error, fmt.Sprintf("could not tell: %s is on the wrong side, but that could be chance among so many comparisons; needs %s",
			got, moreRounds(s.N, factor))
	}
	reach := s.Hi - s.Median
	if bound < s.Median {
		reach = s.Median - s.Lo
	}
	return runner.Error, fmt.Sprintf("could not tell: %s lies on both sides of the bound; needs %s",
		got, moreRounds(s.N, reach/math.Abs(s.Median-bound)))
}

// beyond reports whether the values lie on the wrong side of the bound by more than
// chance, by a sign test or a one-sample t test, each at the given level. The sign test
// holds for any distribution but cannot reach small levels with few values; the t test
// can. If neither is sure, factor is how much narrower the t interval would have to be.
func beyond(values []float64, op Op, bound, tail float64) (sure bool, factor float64) {
	wrong := 0
	for _, v := range values {
		if !op.holds(v, bound) {
			wrong++
		}
	}
	n := len(values)
	if binomialHalf(n, n-wrong) <= tail {
		return true, 0
	}
	mean, sd := meanSD(values)
	d := mean - bound
	if op.lower() {
		d = -d
	}
	if d <= 0 {
		return false, 2 // the tail of the distribution is on the other side
	}
	if sd == 0 {
		return true, 0
	}
	observed, df := d/sd*math.Sqrt(float64(n)), float64(n-1)
	return studentTail(observed, df) <= tail, studentQuantile(tail, df) / observed
}

// binomialHalf is P(B <= k) for n trials of chance 1/2; the normal limit above 1000.
func binomialHalf(n, k int) float64 {
	if n > 1000 {
		return math.Erfc((float64(n)/2-float64(k)-0.5)/math.Sqrt(float64(n)/2)) / 2
	}
	p, sum := math.Exp2(-float64(n)), 0.0
	for i := range k + 1 {
		sum += p
		p *= float64(n-i) / float64(i+1)
	}
	return sum
}

// moreRounds estimates how many rounds are missing if the interval, which shrinks with
// the root of their number, has to shrink by factor.
func moreRounds(n int, factor float64) string {
	if math.IsNaN(factor) || math.IsInf(factor, 0) || factor*factor > 50 {
		return "far more rounds than are practical: the median lies on the bound"
	}
	return "about " + count(max(1, int(math.Ceil(float64(n)*(factor*factor-1)))), "more round")
}

func (m *measured) relative(t Threshold, tail float64) (runner.Verdict, string) {
	c := &m.compare
	switch {
	case m.err != nil:
		return runner.Error, "could not tell: " + m.err.Error()
	case len(m.metric.Runs) == 0:
		return runner.Neutral, "no baseline yet"
	case c.shortText != "":
		return runner.Neutral, fmt.Sprintf("%s: %s, before there are %d", m.early(), c.shortText, betweenRuns)
	}
	bound := math.Log1p(t.Value / 100)
	got := fmt.Sprintf("%s [%s, %s] against %s of %s", Percent(c.Change), Percent(c.Lo), Percent(c.Hi),
		Format(c.Baseline, m.sample.Unit), count(c.runs, "earlier run"))
	if c.Method == WithinRun {
		got += " (assuming that runs differ no more than rounds)"
	}
	lo, hi := t.Op.holds(c.logLo, bound), t.Op.holds(c.logHi, bound)
	switch {
	case lo && hi:
		return runner.Success, got
	case !lo && !hi && c.beyond(t.Op.lower(), bound, tail):
		return runner.Failure, got
	}
	if c.Method == WithinRun {
		return runner.Neutral, m.early() + ": " + got
	}
	return runner.Error, "could not tell: " + got + "; " + c.missing(bound, !lo && !hi, tail)
}

// early says that the baseline is too young for a verdict that the rounds of one run
// cannot carry. It is no error: more could not have been known at that time, and a run
// that is an error would not help the baseline to grow up.
func (m *measured) early() string {
	return fmt.Sprintf("baseline too young to tell, %d of %s", m.compare.runs, count(betweenRuns, "earlier run"))
}

// missing says what it would take to tell on which side of bound (in ln) the change is,
// where the noise between runs is known.
func (c *Comparison) missing(bound float64, wrongSide bool, tail float64) string {
	if !wrongSide {
		tail = alpha
	}
	d := math.Abs(c.log - bound)
	if c.within > 0.7*c.spread && c.n > 0 {
		return "needs " + moreRounds(c.n, studentQuantile(tail, c.df)*c.se/d)
	}
	for k := c.runs + 1; k <= settled; k++ {
		if studentQuantile(tail, float64(k-1))*c.spread*math.Sqrt(1+math.Pi/2/float64(k)) < d {
			return fmt.Sprintf("needs about %s", count(k-c.runs, "more earlier run"))
		}
	}
	k := float64(max(settled, c.runs))
	w := studentQuantile(tail, k-1) * c.spread * math.Sqrt(1+math.Pi/2/k)
	return fmt.Sprintf("runs of this benchmark vary by about %.1f%% on this machine, which hides differences under about %.0f%% from the bound",
		100*math.Expm1(c.spread), math.Ceil(100*math.Expm1(w)))
}
