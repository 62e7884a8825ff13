package baseline

import (
	"fmt"
	"math"
	"slices"
)

// Confidence is the level of every interval in this package.
const Confidence = 0.95

// alpha is the chance on either side outside an interval.
const alpha = (1 - Confidence) / 2

// MinRounds is the smallest number of values whose order statistics bound a median at
// [Confidence]: with 5 even the full range covers it in only 93.75 % of cases.
const MinRounds = 6

// Summary describes the values of one sample.
type Summary struct {
	N      int     // values given
	Median float64 // NaN if there is no value, or one that is not finite
	// Lo and Hi bound the median of the distribution at Confidence or better. They are
	// NaN with fewer than MinRounds values.
	Lo, Hi float64
	// Warning says why Median or Lo and Hi are missing. "" if nothing is.
	Warning string
}

// Summarize takes the median and its order-statistic interval: the k-th smallest and
// k-th largest value, where k is the largest number with P(B < k) <= 2.5 % for B
// binomial with n trials of chance 1/2 (David and Nagaraja, Order Statistics, 7.1). It
// assumes nothing about the shape of the distribution, only that values are
// independent. values is left as it is.
func Summarize(values []float64) Summary { return summarize(values, alpha) }

// summarize is [Summarize] with the given chance outside on either side.
func summarize(values []float64, tail float64) Summary {
	sorted, bad := finite(values)
	s := Summary{N: len(values), Median: math.NaN(), Lo: math.NaN(), Hi: math.NaN()}
	switch {
	case len(values) == 0:
		s.Warning = "no values"
		return s
	case bad > 0:
		s.Warning = fmt.Sprintf("%d of %d values are not finite numbers", bad, len(values))
		return s
	}
	s.Median = median(sorted)
	k := medianRankAt(len(sorted), tail)
	if k == 0 {
		s.Warning = fmt.Sprintf("%s, and an interval needs %d", count(len(values), "value"), leastFor(tail))
		return s
	}
	s.Lo, s.Hi = sorted[k-1], sorted[len(sorted)-k]
	return s
}

// finite returns a sorted copy of the finite values and the number of the others.
func finite(values []float64) (sorted []float64, bad int) {
	sorted = make([]float64, 0, len(values))
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			bad++
			continue
		}
		sorted = append(sorted, v)
	}
	slices.Sort(sorted)
	return sorted, bad
}

// median of sorted values, at least one. The two middle values are halved before they
// are added, so that huge ones do not overflow.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	a, b := sorted[n/2-1], sorted[n/2]
	if a == b {
		return a
	}
	return a/2 + b/2
}

// medianRank is the k of [Summarize], or 0 if n is too small.
func medianRank(n int) int { return medianRankAt(n, alpha) }

// leastFor is the smallest number of values whose range bounds the median with the given
// chance outside on either side.
func leastFor(tail float64) int { return int(math.Ceil(-math.Log2(tail) - 1e-9)) }

// medianRankAt is the largest k with P(B < k) <= tail, or 0 if n is too small.
func medianRankAt(n int, tail float64) int {
	if n > 1000 { // 2^-n would underflow; the normal limit, rounded outwards, is exact enough
		return int(float64(n)/2 - normalQuantile(1-tail)*math.Sqrt(float64(n))/2)
	}
	k, p, sum := 0, math.Exp2(-float64(n)), 0.0
	for k < n/2 {
		sum += p // P(B <= k)
		if sum > tail {
			break
		}
		p *= float64(n-k) / float64(k+1)
		k++
	}
	return k
}

// meanSD returns mean and standard deviation (n-1), in one pass (Welford 1962). The
// deviation of fewer than two values is NaN.
func meanSD(xs []float64) (mean, sd float64) {
	m2 := 0.0
	for i, x := range xs {
		d := x - mean
		mean += d / float64(i+1)
		m2 += d * (x - mean)
	}
	if len(xs) < 2 {
		return mean, math.NaN()
	}
	return mean, math.Sqrt(m2 / float64(len(xs)-1))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
