package baseline

import "math"

// huber estimates the location of each sample, and the scale that they share, by Huber's
// proposal 2: values count fully within huberTuning scales of their location and are pulled
// in beyond. The scale is corrected to be the standard deviation where the values are
// normal, and is at least logFloor; it has as many degrees of freedom as there are values
// more than samples, which must be one at least.
func huber(samples ...[]float64) (locs []float64, scale float64) {
	locs = make([]float64, len(samples))
	df, ss := -float64(len(samples)), 0.0
	for i, xs := range samples {
		var own float64
		locs[i], own = meanSquares(xs)
		df, ss = df+float64(len(xs)), ss+own
	}
	scale = max(logFloor, math.Sqrt(ss/df))
	const c = huberTuning
	tail := math.Erfc(c/math.Sqrt2) / 2
	density := math.Exp(-c*c/2) / math.Sqrt(2*math.Pi)
	consistent := 1 - 2*tail - 2*c*density + 2*c*c*tail // E min(z², c²) of a normal z
	for range 50 {
		before := scale
		ss = 0
		for i, xs := range samples {
			var own float64
			locs[i], own = pulled(xs, locs[i], scale)
			ss += own
		}
		scale = max(logFloor, math.Sqrt(ss/consistent/df))
		if math.Abs(scale-before) <= 1e-12*before {
			break
		}
	}
	return locs, scale
}

func meanSquares(xs []float64) (mean, ss float64) {
	mean, sd := meanSD(xs)
	if len(xs) < 2 {
		return mean, 0
	}
	return mean, sd * sd * float64(len(xs)-1)
}

// pulled iterates the location at a given scale and returns it with the sum of squares of
// the pulled-in deviations.
func pulled(xs []float64, at, scale float64) (loc, ss float64) {
	reach := huberTuning * scale
	for range 50 {
		sum := 0.0
		for _, x := range xs {
			sum += min(max(x-at, -reach), reach)
		}
		step := sum / float64(len(xs))
		at += step
		if math.Abs(step) <= 1e-13*scale {
			break
		}
	}
	for _, x := range xs {
		d := min(max(x-at, -reach), reach)
		ss += d * d
	}
	return at, ss
}
