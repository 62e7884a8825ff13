package baseline

import (
	"fmt"
	"math"
	"sort"

	"github.com/holdfast-ci/holdfast/runner"
)

// absolute judges the first n values, those of a look, against a bound on their median.
func (m *measured) absolute(t Threshold, tail float64, look, n int) (runner.Verdict, runner.Step, string) {
	bound, err := t.bound(m.sample.Unit)
	if err != nil {
		return runner.Error, runner.Enough, "could not tell: " + err.Error()
	}
	share := shareOf(look, m.planned, false).now
	values := m.sample.Values[:n]
	s, unit, op := summarize(values, alpha*share), m.sample.Unit, t.Op
	if m.once {
		if op.holds(s.Median, bound) {
			return runner.Success, runner.Enough, Format(s.Median, unit)
		}
		return runner.Failure, runner.Suspect, Format(s.Median, unit)
	}
	if math.IsNaN(s.Lo) {
		return runner.Error, runner.More, fmt.Sprintf("could not tell: %s in %s; needs %s",
			Format(s.Median, unit), count(n, "round"), m.rounds(leastFor(alpha*share)-n, look))
	}
	got := fmt.Sprintf("%s [%s, %s] in %s", Format(s.Median, unit), Format(s.Lo, unit), Format(s.Hi, unit), m.of(n))
	lo, hi := op.holds(s.Lo, bound), op.holds(s.Hi, bound)
	switch {
	case lo && hi:
		return runner.Success, runner.Enough, got
	case !lo && !hi:
		sure, factor := beyond(values, op, bound, tail*share)
		if sure {
			return runner.Failure, runner.Suspect, got
		}
		return runner.Error, runner.More, fmt.Sprintf("could not tell: %s is on the wrong side, but that could be chance among so many comparisons; needs %s",
			got, m.moreRounds(n, factor, look))
	}
	reach := s.Hi - s.Median
	if bound < s.Median {
		reach = s.Median - s.Lo
	}
	return runner.Error, runner.More, fmt.Sprintf("could not tell: %s lies on both sides of the bound; needs %s",
		got, m.moreRounds(n, reach/math.Abs(s.Median-bound), look))
}

// of says how many rounds a verdict goes by, and of how many where later ones came for the
// sake of another benchmark.
func (m *measured) of(n int) string {
	if all := len(m.sample.Values); n < all {
		return fmt.Sprintf("the first %d of %s", n, count(all, "round"))
	}
	return count(n, "round")
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
func (m *measured) moreRounds(n int, factor float64, look int) string {
	if math.IsNaN(factor) || math.IsInf(factor, 0) || factor*factor > tooMany+1 {
		return "far more rounds than are practical: the median lies on the bound"
	}
	return m.rounds(max(1, int(math.Ceil(float64(n)*(factor*factor-1)))), look)
}

// tooMany is how many times the rounds that there are nobody measures.
const tooMany = 49

// rounds are so many that are missing at a look, and why they were not measured if another look
// was to follow.
func (m *measured) rounds(n, look int) string {
	text := "about " + count(n, "more round")
	if look+1 < m.planned {
		text += ", for which there was no time"
	}
	return text
}

// relative judges the first n values, those of a look, against a bound on their change from
// the baseline.
func (m *measured) relative(t Threshold, tail float64, look, n int) (runner.Verdict, runner.Step, string) {
	if len(m.metric.Runs) == 0 {
		return runner.Neutral, runner.Enough, "no baseline yet"
	}
	c, err := m.compareAt(look, n)
	if err != nil {
		return runner.Error, runner.Enough, "could not tell: " + err.Error()
	}
	m.told = c
	more := runner.Enough // rounds cannot tell more
	if c.open() {
		more = runner.More
	}
	if c.shortText != "" {
		return runner.Neutral, more, fmt.Sprintf("%s: %s, before there are %d", m.early(), c.shortText, betweenRuns)
	}
	bound := math.Log1p(t.Value / 100)
	got := fmt.Sprintf("%s [%s, %s]", Percent(c.Change), Percent(c.Lo), Percent(c.Hi))
	if len(m.looks()) > 1 {
		got += " in " + m.of(n)
	}
	got += fmt.Sprintf(" against %s of %s", Format(c.Baseline, m.sample.Unit), count(c.runs, "earlier run"))
	if c.Method == WithinRun {
		got += " (assuming that runs differ no more than rounds)"
	}
	lo, hi := t.Op.holds(c.logLo, bound), t.Op.holds(c.logHi, bound)
	switch {
	case lo && hi:
		return runner.Success, runner.Enough, got
	case !lo && !hi && c.beyond(t.Op.lower(), bound, tail):
		return runner.Failure, runner.Suspect, got
	case c.Method == WithinRun:
		return runner.Neutral, more, m.early() + ": " + got
	case lo != hi:
		tail = alpha
	}
	return runner.Error, more, "could not tell: " + got + "; " + m.missing(c, math.Abs(c.log-bound), tail, look)
}

// early says that the baseline is too young for a verdict that the rounds of one run
// cannot carry. It is no error: more could not have been known at that time, and a run
// that is an error would not help the baseline to grow up.
func (m *measured) early() string {
	return fmt.Sprintf("baseline too young to tell, %d of %s", len(m.earlier), count(betweenRuns, "earlier run"))
}

// missing says what it would take to tell a change that lies so far (in ln) from a bound,
// where the noise between runs is known.
func (m *measured) missing(c *Comparison, d, tail float64, look int) string {
	prefix := ""
	switch {
	case c.open():
		n := 1 + sort.Search(tooMany*c.n, func(i int) bool { return c.reachOf(tail, c.apart, c.runs, c.n+1+i) < d })
		if n <= tooMany*c.n {
			return "needs " + m.rounds(n, look)
		}
		return "more rounds alone would not tell: the change lies too close to the bound"
	case c.own > 0: // else there are no rounds: the figure exists once
		prefix = "more rounds would not help, since runs differ more than rounds do: "
	}
	for k := c.runs + 1; k <= settled; k++ {
		if c.reachOf(tail, c.apartWith(k), k, c.n) < d {
			return prefix + "needs about " + count(k-c.runs, "more earlier run")
		}
	}
	k := max(settled, c.runs)
	return prefix + fmt.Sprintf("runs of this benchmark vary by about %.1f%% on this machine, which hides differences under about %.0f%% from the bound",
		100*math.Expm1(c.spread), math.Ceil(100*math.Expm1(c.reachOf(tail, c.apartWith(k), k, c.n))))
}
