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
	log       float64 // ln(1+Change)
	se        float64 // standard error of log, for failing
	df        float64 // degrees of freedom of se; +Inf for the normal limit
	spread    float64 // standard deviation of one run in ln, BetweenRuns only
	within    float64 // part of spread that more rounds would shrink
	logLo     float64
	logHi     float64
	shortText string // why there is no interval
}

// errSign is a comparison that has no ratio.
var errSign = errors.New("a relative threshold needs values above 0")

// Compare takes the change of values against the values of earlier runs. All runs must
// have at least one value and every value must be finite and above 0, else the error
// says so.
//
// With three or more earlier runs each run is one observation, x = ln(median): the
// interval is x - median(earlier x) ± t·s·√(1 + π/2k), a prediction interval with k-1
// degrees of freedom, where s is the standard deviation of the earlier x (at least
// 0.003, and at least the standard error of the candidate's own median), and π/2k is
// the variance of a median of k normal variates (Kenney and Keeping, Mathematics of
// Statistics I, 1962). It assumes that runs are independent and roughly log-normal.
//
// With one or two earlier runs the noise between runs is not known. The interval is
// the bootstrap interval of the ratio of medians over all rounds, which assumes that
// runs differ no more than rounds do. [Judge] asks more of a failure in that case.
func Compare(values []float64, earlier [][]float64) (Comparison, error) {
	cur, bad := finite(values)
	if bad > 0 || len(cur) == 0 || len(earlier) == 0 {
		return Comparison{}, errors.New("a comparison needs finite values on both sides")
	}
	var medians, pool []float64
	for _, e := range earlier {
		f, bad := finite(e)
		if bad > 0 || len(f) == 0 {
			return Comparison{}, errors.New("a comparison needs finite values on both sides")
		}
		if f[0] <= 0 {
			return Comparison{}, fmt.Errorf("%w; an earlier run has %s", errSign, plain(f[0]))
		}
		medians = append(medians, median(f))
		pool = append(pool, f...)
	}
	if cur[0] <= 0 {
		return Comparison{}, fmt.Errorf("%w; this run has %s", errSign, plain(cur[0]))
	}
	c := Comparison{runs: len(earlier), n: len(cur), Lo: math.NaN(), Hi: math.NaN(), logLo: math.NaN(), logHi: math.NaN()}
	if c.runs >= betweenRuns {
		c.between(cur, medians)
	} else {
		slices.Sort(pool)
		c.inside(cur, pool)
	}
	c.Change = math.Expm1(c.log)
	c.Lo, c.Hi = math.Expm1(c.logLo), math.Expm1(c.logHi)
	return c, nil
}

func (c *Comparison) between(cur, medians []float64) {
	c.Method = BetweenRuns
	slices.Sort(medians)
	c.Baseline = median(medians)
	logs := make([]float64, len(medians))
	for i, m := range medians {
		logs[i] = math.Log(m)
	}
	_, s := meanSD(logs)
	c.within = medianError(cur)
	c.spread = max(s, c.within, logFloor)
	c.log = math.Log(median(cur)) - math.Log(c.Baseline)
	c.df = float64(len(logs) - 1)
	c.se = c.spread * math.Sqrt(1+math.Pi/2/float64(len(logs)))
	w := studentQuantile(alpha, c.df) * c.se
	c.logLo, c.logHi = c.log-w, c.log+w
}

func (c *Comparison) inside(cur, pool []float64) {
	c.Method = WithinRun
	c.Baseline = median(pool)
	c.log = math.Log(median(cur)) - math.Log(c.Baseline)
	c.df = math.Inf(1)
	if short := min(len(cur), len(pool)); short < MinRounds {
		c.shortText = fmt.Sprintf("%s on one side, and a verdict needs %d", count(short, "round"), MinRounds)
		return
	}
	c.logLo, c.logHi = bootstrapRatio(cur, pool)
	own := (c.logHi - c.logLo) / 2 / normalQuantile(1-alpha)
	c.se = math.Hypot(own, youngNoise*math.Sqrt(1+1/float64(c.runs)))
}

// medianError is the standard error of ln(median), from the order-statistic interval,
// or from the deviation of the logarithms if there are too few values; 0 for one value.
func medianError(sorted []float64) float64 {
	if k := medianRank(len(sorted)); k > 0 {
		return (math.Log(sorted[len(sorted)-k]) - math.Log(sorted[k-1])) / 2 / normalQuantile(1-alpha)
	}
	if len(sorted) < 2 {
		return 0
	}
	logs := make([]float64, len(sorted))
	for i, v := range sorted {
		logs[i] = math.Log(v)
	}
	_, sd := meanSD(logs)
	return sd * math.Sqrt(math.Pi/2/float64(len(sorted)))
}

// beyond reports whether the change is on the wrong side of bound (in ln) with at most
// the given chance of that being noise.
func (c *Comparison) beyond(lower bool, bound, tail float64) bool {
	d := c.log - bound
	if lower {
		d = -d
	}
	if d <= 0 || math.IsNaN(c.logLo) {
		return false
	}
	if math.IsInf(c.df, 1) {
		return d > normalQuantile(1-tail)*c.se
	}
	return studentTail(d/c.se, c.df) < tail
}
