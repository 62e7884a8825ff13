package baseline

import (
	"math"
	"slices"
)

// ChangePoint is where a series takes another level.
type ChangePoint struct {
	Index int // of the first point of the new level, from 0
	// Effect is the ratio of the medians behind and before it − 1, each of at most 30 points
	// and none beyond the next change point. NaN if the series has values of 0 or less.
	Effect float64
	// P is the chance of such a step anywhere in a series of this length without one: the
	// t test's, times the number of points (Bonferroni).
	P float64
}

// How [ChangePoints] finds and judges. The figures were chosen on labelled histories of
// industrial benchmarks; see docs/statistics.md for how little depends on each.
const (
	leastLevel  = 8   // points of a level
	penalty     = 4   // of a boundary, in σ²·ln n
	nearPoints  = 30  // a side that a score looks at
	leastScore  = 7.0 // a boundary below it goes, the weakest first
	clearScore  = 16.0
	nearAUC     = 12 // points a side of the AUC
	leastAUC    = 0.85
	leastShare  = 0.15 // of the range from the 1st to the 99th percentile
	leastChange = 0.01 // in ln; anything smaller counts as nothing
	noiseFloor  = 1e-4 // in ln
	reach       = 6.0  // in σ, from the median of the neighbours: what lies beyond is an outlier
	neighbours  = 3    // points a side
	stretch     = 2048 // points that are partitioned at once
	margin      = 256  // points at the ends of a stretch that the ones beside it see better
)

// ChangePoints finds the points at which the level of a series changes. Values are in the
// order of time; those that are not finite are left out, but keep their place in the
// count. A single outlier is never a change point, and no level is shorter than 8 points.
//
// It works on ln(value), with outliers pulled in to 6 σ from the median of three neighbours
// a side (after Hampel 1974). Optimal partitioning with squared error proposes boundaries; the weakest goes until every one has a two-sample
// t of at least 7 between the nearest points of its two levels; what is left must be clear
// (t ≥ 16), or separate the nearest points nearly completely (area under the ROC curve
// ≥ 0.85) by a step that is large for this series (15 % of its range). The noise is that
// of differences of neighbours, which levels do not touch.
func ChangePoints(values []float64) []ChangePoint {
	s := newSeries(values)
	if len(s.x) < 2*leastLevel {
		return nil
	}
	return s.points(s.accept(s.merge(s.propose())))
}

// series is what a search works on.
type series struct {
	x     []float64 // ln of the values, or the values over their scale
	place []int     // of x in the series that was given
	sigma float64   // standard deviation of the noise
	share float64   // 1st to 99th percentile
	logs  bool
}

func newSeries(values []float64) *series {
	s := &series{logs: true, x: make([]float64, 0, len(values))}
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		s.place = append(s.place, i)
		s.x = append(s.x, v)
		s.logs = s.logs && v > 0
	}
	if len(s.x) == 0 {
		return s
	}
	scale := 1.0
	if !s.logs {
		abs := make([]float64, len(s.x))
		for i, v := range s.x {
			abs[i] = math.Abs(v)
		}
		slices.Sort(abs)
		if scale = median(abs); scale == 0 {
			if scale = abs[len(abs)-1]; scale == 0 {
				scale = 1
			}
		}
	}
	for i, v := range s.x {
		if s.logs {
			s.x[i] = math.Log(v)
		} else {
			s.x[i] = v / scale
		}
	}
	s.sigma = noise(s.x)
	s.pullIn()
	sorted := slices.Sorted(slices.Values(s.x))
	s.share = percentile(sorted, 0.99) - percentile(sorted, 0.01)
	return s
}

// pullIn moves outliers to the edge of what is believed: the middle two of the neighbours, and
// reach beyond. A first point of a new level stays: its neighbours behind are as many as those
// before, so the middle two are one of either.
func (s *series) pullIn() {
	x := slices.Clone(s.x)
	near := make([]float64, 0, 2*neighbours)
	for i := range x {
		near = append(append(near[:0], x[max(0, i-neighbours):i]...), x[i+1:min(len(x), i+1+neighbours)]...)
		if len(near) == 0 {
			return
		}
		slices.Sort(near)
		lo, hi := near[(len(near)-1)/2], near[len(near)/2]
		s.x[i] = min(max(x[i], lo-reach*s.sigma), hi+reach*s.sigma)
	}
}

// noise is the standard deviation of independent noise around levels, from differences of
// neighbours: their median, or, where more than half of the differences are small beside
// the others, half of what the smaller nine tenths of them tell.
func noise(x []float64) float64 {
	d := make([]float64, 0, len(x))
	for i := 1; i < len(x); i++ {
		d = append(d, math.Abs(x[i]-x[i-1]))
	}
	if len(d) == 0 {
		return noiseFloor
	}
	slices.Sort(d)
	middle := 1.4826 * median(d) / math.Sqrt2
	sum, keep := 0.0, max(1, len(d)*9/10)
	for _, v := range d[:keep] {
		sum += v * v / 2
	}
	return max(middle, 1.27*math.Sqrt(sum/float64(keep))/2, noiseFloor)
}

// percentile of sorted values by linear interpolation.
func percentile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// propose cuts x into levels of at least leastLevel points with the least sum of squared
// errors and penalties. The result holds the first point of every level but the first.
// Long series are worked in overlapping stretches, so that the time grows with their
// length and not with its square; what is cut twice or too closely, merge puts right.
func (s *series) propose() []int {
	n := len(s.x)
	beta := penalty * s.sigma * s.sigma * math.Log(float64(n))
	if n <= stretch {
		return partition(s.x, beta)
	}
	var bounds []int
	for lo := 0; lo < n; lo += stretch - 2*margin {
		hi := min(lo+stretch, n)
		for _, b := range partition(s.x[lo:hi], beta) {
			at := lo + b
			if lo > 0 && b < margin || hi < n && at >= hi-margin {
				continue // the stretch beside sees more of it
			}
			if len(bounds) == 0 || at-bounds[len(bounds)-1] >= leastLevel {
				bounds = append(bounds, at)
			}
		}
		if hi == n {
			break
		}
	}
	return bounds
}

// partition is optimal partitioning (Jackson et al. 2005) with squared error and a penalty
// of beta for each bound, in time n²/2.
func partition(x []float64, beta float64) []int {
	n := len(x)
	sum := make([]float64, n+1)
	for i, v := range x {
		sum[i+1] = sum[i] + v - x[n/2] // less cancellation
	}
	// ahead[j] is the least cost of x[:j] less its sum of squares, which every way to cut has
	// in common; inverse[n-k] is 1/k, so that the loop has no division.
	ahead, inverse, from := make([]float64, n+1), make([]float64, n), make([]int, n+1)
	for k := 1; k <= n; k++ {
		inverse[n-k] = 1 / float64(k)
	}
	for j := 1; j <= n; j++ {
		least, at := math.Inf(1), 0
		if m := j - leastLevel + 1; m > 0 {
			sums, inverse := sum[:m], inverse[n-j:][:m]
			for i, a := range ahead[:m] {
				t := sum[j] - sums[i]
				if c := a - t*t*inverse[i]; c < least {
					least, at = c, i
				}
			}
		}
		ahead[j], from[j] = least+beta, at
	}
	var bounds []int
	for j := from[n]; j > 0; j = from[j] {
		bounds = append(bounds, j)
	}
	slices.Reverse(bounds)
	return bounds
}

// sides are the nearest points before and behind the k-th bound.
func (s *series) sides(bounds []int, k, most int) (before, behind []float64) {
	lo, hi := 0, len(s.x)
	if k > 0 {
		lo = bounds[k-1]
	}
	if k+1 < len(bounds) {
		hi = bounds[k+1]
	}
	at := bounds[k]
	return s.x[max(lo, at-most):at], s.x[at:min(hi, at+most)]
}

// score is the t statistic of a bound, 0 for a step that counts as nothing.
func (s *series) score(bounds []int, k int) float64 {
	a, b := s.sides(bounds, k, nearPoints)
	if math.Abs(middle(b)-middle(a)) < leastChange {
		return 0
	}
	return s.t(a, b)
}

func (s *series) t(a, b []float64) float64 {
	ma, sa := meanSquares(a)
	mb, sb := meanSquares(b)
	n, m := float64(len(a)), float64(len(b))
	sd := max(math.Sqrt((sa+sb)/(n+m-2)), s.sigma/2)
	return math.Abs(mb-ma) / sd / math.Sqrt(1/n+1/m)
}

func middle(xs []float64) float64 { return median(slices.Sorted(slices.Values(xs))) }

// merge deletes the weakest bound until every one scores at least leastScore.
func (s *series) merge(bounds []int) []int {
	bounds = slices.Clone(bounds)
	scores := make([]float64, len(bounds))
	for k := range bounds {
		scores[k] = s.score(bounds, k)
	}
	for len(bounds) > 0 {
		k := 0
		for i, v := range scores {
			if v < scores[k] {
				k = i
			}
		}
		if scores[k] >= leastScore {
			break
		}
		bounds, scores = slices.Delete(bounds, k, k+1), slices.Delete(scores, k, k+1)
		for i := max(0, k-1); i < min(k+1, len(bounds)); i++ {
			scores[i] = s.score(bounds, i)
		}
	}
	return bounds
}

// accept keeps the bounds that are clear, or that separate and are large for the series.
func (s *series) accept(bounds []int) []int {
	var kept []int
	for k := range bounds {
		if s.score(bounds, k) >= clearScore {
			kept = append(kept, bounds[k])
			continue
		}
		a, b := s.sides(bounds, k, nearAUC)
		c, d := s.sides(bounds, k, nearPoints)
		if separation(a, b) >= leastAUC && math.Abs(middle(d)-middle(c)) >= leastShare*s.share {
			kept = append(kept, bounds[k])
		}
	}
	return kept
}

// separation is the area under the ROC curve of telling a from b by a bound, at least 0.5.
func separation(a, b []float64) float64 {
	above := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case y > x:
				above++
			case y == x:
				above += 0.5
			}
		}
	}
	above /= float64(len(a) * len(b))
	return max(above, 1-above)
}

func (s *series) points(bounds []int) []ChangePoint {
	var out []ChangePoint
	for k, at := range bounds {
		a, b := s.sides(bounds, k, nearPoints)
		p := ChangePoint{Index: s.place[at], Effect: math.NaN()}
		if s.logs {
			p.Effect = math.Expm1(middle(b) - middle(a))
		}
		p.P = min(1, 2*studentTail(s.t(a, b), float64(len(a)+len(b)-2))*float64(len(s.x)))
		out = append(out, p)
	}
	return out
}
