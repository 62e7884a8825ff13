package baseline

import (
	"math"
	"math/rand/v2"
	"slices"
)

// draws is how many bootstrap resamples are taken.
const draws = 2000

// bootstrapRatio is the percentile bootstrap interval (Efron and Tibshirani, An
// Introduction to the Bootstrap, ch. 13) of ln(median(a)/median(b)), with the given chance
// outside on either side.
// Both are sorted, finite, positive and not empty.
//
// The seed comes from the order in which the values of a and b mix, so the result
// depends neither on the order of measuring nor on the unit, and is the same on every
// machine. Swapping a and b swaps and negates the bounds, exactly.
func bootstrapRatio(a, b []float64, tail float64) (lo, hi float64) {
	if swapped(a, b) {
		lo, hi = bootstrapRatio(b, a, tail)
		return -hi, -lo
	}
	rng := rand.New(rand.NewPCG(mixSeed(a, b)))
	ratios := make([]float64, draws)
	for i := range ratios {
		ratios[i] = math.Log(resampledMedian(a, rng)) - math.Log(resampledMedian(b, rng))
	}
	slices.Sort(ratios)
	k := int(math.Floor(tail * draws))
	return ratios[k], ratios[draws-1-k]
}

// swapped puts two samples in an order that does not depend on which is the candidate.
func swapped(a, b []float64) bool {
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return slices.Compare(a, b) > 0
}

// mixSeed hashes (FNV-1a) how the sorted values of a and b interleave.
func mixSeed(a, b []float64) (uint64, uint64) {
	h := uint64(14695981039346656037)
	add := func(x uint64) { h = (h ^ x) * 1099511628211 }
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case j == len(b) || i < len(a) && a[i] < b[j]:
			add(1)
			i++
		case i == len(a) || b[j] < a[i]:
			add(2)
			j++
		default:
			add(3)
			i++
			j++
		}
	}
	return h, uint64(len(a))<<32 ^ uint64(len(b))
}

// resampledMedian is the median of len(sorted) values drawn with replacement. It draws
// the middle order statistics of uniform variates directly (the k-th of n is Beta(k,
// n+1-k), David and Nagaraja 2.1) and looks up where they fall, so that a draw costs
// the same for ten values and for a million.
func resampledMedian(sorted []float64, rng *rand.Rand) float64 {
	n := len(sorted)
	at := func(u float64) float64 { return sorted[min(int(u*float64(n)), n-1)] }
	if n%2 == 1 {
		k := float64(n/2 + 1)
		return at(beta(k, k, rng))
	}
	// The upper of the two middle ones, then the largest of the n/2 below it.
	half := float64(n / 2)
	upper := beta(half+1, half, rng)
	lower := upper * math.Pow(rng.Float64(), 1/half)
	return at(lower)/2 + at(upper)/2
}

func beta(a, b float64, rng *rand.Rand) float64 {
	x, y := gamma(a, rng), gamma(b, rng)
	return x / (x + y)
}

// gamma draws from the gamma distribution with shape a >= 1 (Marsaglia and Tsang 2000).
func gamma(a float64, rng *rand.Rand) float64 {
	d := a - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}
