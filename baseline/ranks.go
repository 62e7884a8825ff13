package baseline

import (
	"math"
	"slices"
)

// mannWhitney is the absolute standardized Mann–Whitney statistic of two sorted samples,
// with ties and continuity corrected; 0 if all values are equal.
func mannWhitney(a, b []float64) float64 {
	n, m := float64(len(a)), float64(len(b))
	var sum, ties float64 // sum of the ranks of a, Σ(t³−t)
	for i, j := 0, 0; i < len(a) || j < len(b); {
		v := math.Inf(1)
		if i < len(a) {
			v = a[i]
		}
		if j < len(b) {
			v = min(v, b[j])
		}
		before := float64(i + j)
		i0, j0 := i, j
		for i < len(a) && a[i] == v {
			i++
		}
		for j < len(b) && b[j] == v {
			j++
		}
		t := float64(i - i0 + j - j0)
		sum += float64(i-i0) * (before + (t+1)/2)
		ties += t*t*t - t
	}
	u := sum - n*(n+1)/2
	variance := n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1)))
	if variance <= 0 {
		return 0
	}
	return max(0, math.Abs(u-n*m/2)-0.5) / math.Sqrt(variance)
}

// ratioOfMedians bounds median(b) − median(a), of sorted logarithms, at 1 − alpha: the
// intervals of the two medians, put together by the method of variance estimates recovery
// (Zou and Donner 2008, equation 7), which needs neither equal nor symmetric spreads. It
// contains the difference of the sample medians.
func ratioOfMedians(a, b []float64, alpha float64) (lo, hi float64) {
	ma, mb := median(a), median(b)
	la, ua := medianInterval(a, alpha)
	lb, ub := medianInterval(b, alpha)
	return mb - ma - math.Hypot(mb-lb, ua-ma), mb - ma + math.Hypot(ub-mb, ma-la)
}

// medianInterval is the interval of the median from sorted values at 1 − alpha,
// interpolated between order statistics (Hettmansperger and Sheather 1986); the range if
// there are too few values.
func medianInterval(sorted []float64, alpha float64) (lo, hi float64) {
	n := len(sorted)
	k := medianRankAt(n, alpha/2)
	switch {
	case k == 0:
		return sorted[0], sorted[n-1]
	case n > 1000 || 2*k >= n:
		return sorted[k-1], sorted[n-k]
	}
	wide, narrow := 1-2*binomialHalf(n, k-1), 1-2*binomialHalf(n, k)
	part := (wide - (1 - alpha)) / (wide - narrow)
	w := float64(n-k) * part / (float64(k) + float64(n-2*k)*part)
	return sorted[k-1] + w*(sorted[k]-sorted[k-1]), sorted[n-k] - w*(sorted[n-k]-sorted[n-k-1])
}

// autocorrelation is the lag-1 correlation of the ranks of values in their order, if that
// is above 0 beyond chance (one-sided 1 %, Wald and Wolfowitz 1943), at most 0.9; else 0.
// Ranks keep outliers from hiding it.
func autocorrelation(values []float64) float64 {
	n := len(values)
	if n < rankSize {
		return 0
	}
	ranks := midranks(values)
	mean := float64(n+1) / 2
	var num, den float64
	for i, r := range ranks {
		den += (r - mean) * (r - mean)
		if i > 0 {
			num += (r - mean) * (ranks[i-1] - mean)
		}
	}
	if den == 0 {
		return 0
	}
	c := num / den
	if (c+1/float64(n))*math.Sqrt(float64(n)) < normalQuantile(0.99) {
		return 0
	}
	return min(c+(1+3*c)/float64(n), 0.9) // Kendall's correction of the bias
}

// midranks are the ranks of values, from 1, ties sharing their mean.
func midranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case values[i] < values[j]:
			return -1
		case values[i] > values[j]:
			return 1
		}
		return 0
	})
	ranks := make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			ranks[order[k]] = float64(i+j+1) / 2
		}
		i = j
	}
	return ranks
}

// holm corrects p-values for their number (Holm 1979), in place of order. NaN is not
// counted and stays.
func holm(ps []float64) []float64 {
	out := slices.Clone(ps)
	var order []int
	for i, p := range ps {
		if !math.IsNaN(p) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case ps[i] < ps[j]:
			return -1
		case ps[i] > ps[j]:
			return 1
		}
		return 0
	})
	worst := 0.0
	for k, i := range order {
		worst = max(worst, min(1, ps[i]*float64(len(order)-k)))
		out[i] = worst
	}
	return out
}
