package baseline

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// How a [Comparison] came to its interval.
const (
	BetweenRuns = "between runs" // the spread of earlier runs' medians tells the noise
	WithinRun   = "within run"   // too few earlier runs: only rounds inside runs tell it
)

const (
	// betweenRuns is how many earlier runs are needed to take the noise from them.
	betweenRuns = 3
	// settled is about how many earlier runs a baseline has in the long run; only the
	// advice on what would help looks ahead to it.
	settled = 20
	// logFloor is the least standard deviation of ln(median) that is believed: three
	// runs that agree to the last digit are luck, not evidence.
	logFloor = 0.003
	// youngNoise is the standard deviation of ln(median) between runs that is assumed,
	// for failures only, until three earlier runs tell it. Repeated runs of unchanged
	// code on one Metal machine showed 2 % to 13 %, half of the benchmarks under 5 %.
	youngNoise = 0.05
)

// Comparison is one sample against earlier runs of the same benchmark.
type Comparison struct {
	Baseline float64 // median of the run medians, or of all earlier values if WithinRun
	Change   float64 // median/Baseline - 1
	// Lo and Hi bound Change at Confidence. NaN if there are too few values for that.
	Lo, Hi float64
	Method string // BetweenRuns or WithinRun

	runs      int     // earlier runs used
	n         int     // values of the candidate
	share     share   // of alpha that this look at the values may spend
	log       float64 // ln(1+Change)
	logLo     float64
	logHi     float64
	shortText string // why there is no interval

	// What keeps the change from being known better, as standard deviations in ln: own is this
	// run's own error, which more rounds of it shrink, and apart is everything else.
	own, apart float64
	between    float64 // BetweenRuns: part of apart, how runs differ but for the errors of their own rounds
	spread     float64 // BetweenRuns: standard deviation of the earlier runs' medians
	typical    float64 // BetweenRuns: own, if this run's rounds vary as those of earlier runs do
	alone      float64 // own as this run's rounds alone tell it
	ratio      float64 // WithinRun: standard error of the ratio by the rounds of both sides
}

// errSign is a comparison that has no ratio.
var errSign = errors.New("a relative threshold needs values above 0")

// Compare takes the change of values against the values of earlier runs. All runs must
// have at least one value and every value must be finite and above 0, else the error
// says so.
//
// With three or more earlier runs each run is one observation, x = ln(median). Two things
// keep the new x from telling how the commit differs from the baseline: how runs differ,
// whatever is measured in them, and the error of its own median. Each is bounded by itself
// and the two are put together by Zou and Donner's method of variance estimates recovery
// (Statistics in Medicine 27, 2008): x - median(earlier x) ± √((t·b)² + (t'·e)²).
//
//   - b² = (s² - g·e₀²) + s²·π/2k, where s is the standard deviation of the k earlier x, e₀ the
//     standard error that their own rounds explain of it, and π/2k the variance of a median of k
//     normal variates (Kenney and Keeping, Mathematics of Statistics I, 1962). A few runs may
//     agree by luck, so only g = (k-1)/(k+1) of e₀² is taken off, never more than there is, and
//     b is at least 0.003·√(1 + π/2k). t has k-1 degrees of freedom.
//   - e is the standard error of x by this run's rounds (t' has one degree of freedom less than
//     there are rounds), and at least what those of earlier runs would give.
//
// It assumes that runs are independent and roughly log-normal.
//
// With one or two earlier runs the noise between runs is not known. The interval is
// the bootstrap interval of the ratio of medians over all rounds, which assumes that
// runs differ no more than rounds do. [Judge] asks more of a failure in that case.
func Compare(values []float64, earlier [][]float64) (Comparison, error) {
	return compareAt(values, earlier, 0, 1)
}

// compareAt is [Compare] at one of several planned looks, counted from 0.
func compareAt(values []float64, earlier [][]float64, look, planned int) (Comparison, error) {
	cur, bad := finite(values)
	if bad > 0 || len(cur) == 0 || len(earlier) == 0 {
		return Comparison{}, errors.New("a comparison needs finite values on both sides")
	}
	sorted := make([][]float64, len(earlier))
	for i, e := range earlier {
		f, bad := finite(e)
		if bad > 0 || len(f) == 0 {
			return Comparison{}, errors.New("a comparison needs finite values on both sides")
		}
		if f[0] <= 0 {
			return Comparison{}, fmt.Errorf("%w; an earlier run has %s", errSign, plain(f[0]))
		}
		sorted[i] = f
	}
	if cur[0] <= 0 {
		return Comparison{}, fmt.Errorf("%w; this run has %s", errSign, plain(cur[0]))
	}
	c := Comparison{runs: len(earlier), n: len(cur), Lo: math.NaN(), Hi: math.NaN(), logLo: math.NaN(), logHi: math.NaN()}
	if c.runs >= betweenRuns {
		c.betweenRuns(cur, sorted)
		c.share = shareOf(look, planned, !c.open())
		w := c.reach(alpha)
		c.logLo, c.logHi = c.log-w, c.log+w
	} else {
		c.withinRun(cur, slices.Sorted(slices.Values(slices.Concat(sorted...))), look, planned)
	}
	c.Change = math.Expm1(c.log)
	c.Lo, c.Hi = math.Expm1(c.logLo), math.Expm1(c.logHi)
	return c, nil
}

func (c *Comparison) betweenRuns(cur []float64, earlier [][]float64) {
	c.Method = BetweenRuns
	k := float64(c.runs)
	var medians, logs, errs, scatter []float64
	for _, e := range earlier {
		m, se := median(e), medianError(e)
		medians, logs = append(medians, m), append(logs, math.Log(m))
		errs, scatter = append(errs, se), append(scatter, se*math.Sqrt(float64(len(e))))
	}
	c.Baseline = middle(medians)
	c.log = math.Log(median(cur)) - math.Log(c.Baseline)
	_, c.spread = meanSD(logs)
	explained := middle(errs)
	c.between = math.Sqrt(max(0, c.spread*c.spread-(k-1)/(k+1)*explained*explained))
	c.apart = c.apartWith(c.runs)
	c.alone, c.typical = medianError(cur), middle(scatter)/math.Sqrt(float64(c.n))
	c.own = max(c.alone, c.typical)
}

// apartWith is apart if there were so many earlier runs that vary as those do.
func (c *Comparison) apartWith(runs int) float64 {
	k := float64(runs)
	return max(math.Hypot(c.between, c.spread*math.Sqrt(math.Pi/2/k)), logFloor*math.Sqrt(1+math.Pi/2/k))
}

func (c *Comparison) withinRun(cur, pool []float64, look, planned int) {
	c.Method = WithinRun
	c.Baseline = median(pool)
	c.log = math.Log(median(cur)) - math.Log(c.Baseline)
	c.own, c.apart = medianError(cur), youngNoise*math.Sqrt(1+1/float64(c.runs))
	c.share = shareOf(look, planned, !c.open())
	if short := min(len(cur), len(pool)); short < MinRounds {
		c.shortText = fmt.Sprintf("%s on one side, and a verdict needs %d", count(short, "round"), MinRounds)
		return
	}
	tail := alpha * c.share.now
	c.logLo, c.logHi = bootstrapRatio(cur, pool, tail)
	c.ratio = (c.logHi - c.logLo) / 2 / normalQuantile(1-tail)
}

// open reports whether more rounds of this run can make the change known much better: its
// own error is at least half of the variance. Where it is less, no number of rounds narrows
// an interval by three tenths.
func (c *Comparison) open() bool { return c.own > c.apart }

// reach is how far from the change that was measured (in ln) the bound must lie for being
// beyond it not to be chance, with the given chance over all looks.
func (c *Comparison) reach(tail float64) float64 {
	if c.Method == WithinRun {
		return normalQuantile(1-tail*c.share.now) * math.Hypot(c.ratio, c.apart)
	}
	return c.reachOf(tail, c.apart, c.runs, c.n)
}

// reachOf is reach if the rest were that far apart by so many earlier runs, and this run had
// that many rounds like those that it has.
func (c *Comparison) reachOf(tail, apart float64, runs, rounds int) float64 {
	own := normalQuantile(1-tail*c.share.now) * c.own
	if rounds >= MinRounds && c.alone > 0 {
		own = max(own, studentQuantile(tail*c.share.now, float64(rounds-1))*c.alone)
	}
	own *= math.Sqrt(float64(c.n) / float64(rounds))
	return math.Hypot(studentQuantile(tail*c.share.sofar, float64(runs-1))*apart, own)
}

// medianError is the standard error of ln(median): the half width of its order-statistic
// interval over the normal quantile of the coverage that this very interval has (Price and
// Bonett, Estimating the variance of the sample median, J. Statist. Comput. Simul. 68, 2001),
// or what the deviation of the logarithms gives if there are too few values; 0 for one value.
func medianError(sorted []float64) float64 {
	n := len(sorted)
	if k := medianRank(n); k > 0 {
		return (math.Log(sorted[n-k]) - math.Log(sorted[k-1])) / 2 / normalQuantile(1-binomialHalf(n, k-1))
	}
	if n < 2 {
		return 0
	}
	_, sd := meanSD(logs(sorted))
	return sd * math.Sqrt(math.Pi/2/float64(n))
}

// beyond reports whether the change is on the wrong side of bound (in ln) with at most
// the given chance of that being noise.
func (c *Comparison) beyond(lower bool, bound, tail float64) bool {
	d := c.log - bound
	if lower {
		d = -d
	}
	return d > 0 && !math.IsNaN(c.logLo) && d > c.reach(tail)
}
