package baseline

import "math"

// huber estimates the locations of two samples, at least three values in all, and the
// scale that they share, each by Huber's proposal 2: values count fully within
// huberTuning scales of their location and are pulled in beyond. The scale is corrected
// to be the standard deviation where the values are normal, has n1+n2−2 degrees of
// freedom, and is at least logFloor. Both samples are sorted.
func huber(a, b []float64) (locA, locB, scale float64) {
	locA, ssA := meanSquares(a)
	locB, ssB := meanSquares(b)
	df := float64(len(a) + len(b) - 2)
	scale = max(logFloor, math.Sqrt((ssA+ssB)/df))
	const c = huberTuning
	tail := math.Erfc(c/math.Sqrt2) / 2
	density := math.Exp(-c*c/2) / math.Sqrt(2*math.Pi)
	consistent := 1 - 2*tail - 2*c*density + 2*c*c*tail // E min(z², c²) of a normal z
	for range 50 {
		before := scale
		locA, ssA = pulled(a, locA, scale)
		locB, ssB = pulled(b, locB, scale)
		scale = max(logFloor, math.Sqrt((ssA+ssB)/consistent/df))
		if math.Abs(scale-before) <= 1e-12*before {
			break
		}
	}
	return locA, locB, scale
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
