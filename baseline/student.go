package baseline

import "math"

// normalQuantile is the p-quantile of the standard normal distribution, 0 < p < 1.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// studentTail is P(T > t) for Student's t with df degrees of freedom, through the
// regularized incomplete beta function (Abramowitz and Stegun 26.5.27 and 26.7.1).
func studentTail(t, df float64) float64 {
	if math.IsInf(t, 1) {
		return 0
	}
	if math.IsInf(t, -1) {
		return 1
	}
	half := incompleteBeta(df/2, 0.5, df/(df+t*t)) / 2
	if t < 0 {
		return 1 - half
	}
	return half
}

// studentQuantile is the t with P(T > t) = tail, 0 < tail < 0.5, by Newton's method within a
// bracket that bisection narrows where it does not help.
func studentQuantile(tail, df float64) float64 {
	lo, hi := 0.0, 1.0
	for studentTail(hi, df) > tail {
		if lo, hi = hi, 2*hi; hi > 1e12 {
			return hi
		}
	}
	a, _ := math.Lgamma((df + 1) / 2)
	b, _ := math.Lgamma(df / 2)
	density := func(t float64) float64 {
		return math.Exp(a - b - (df+1)/2*math.Log1p(t*t/df) - math.Log(math.Pi*df)/2)
	}
	t := (lo + hi) / 2
	for hi-lo > 1e-10*hi {
		over := studentTail(t, df) - tail
		if over > 0 {
			lo = t
		} else {
			hi = t
		}
		step := over / density(t)
		if math.Abs(step) < 1e-11*t {
			return t
		}
		if t += step; !(lo < t && t < hi) {
			t = (lo + hi) / 2
		}
	}
	return t
}

// incompleteBeta is the regularized incomplete beta function I_x(a, b), by the
// continued fraction of Abramowitz and Stegun 26.5.8, evaluated with Lentz's method.
func incompleteBeta(a, b, x float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	if x > (a+1)/(a+b+2) { // the fraction converges fast on the other side
		return 1 - incompleteBeta(b, a, 1-x)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a

	const tiny = 1e-300
	nz := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	f, c, d := 1.0, 1.0, 0.0
	for i := range 500 {
		m := float64(i / 2)
		num := 1.0
		switch {
		case i == 0:
		case i%2 == 0:
			num = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			num = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		d = 1 / nz(1+num*d)
		c = nz(1 + num/c)
		f *= c * d
		if math.Abs(c*d-1) < 1e-14 {
			break
		}
	}
	return front * (f - 1)
}
