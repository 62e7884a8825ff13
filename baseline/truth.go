package baseline

import (
	"fmt"
	"math"

	"github.com/holdfast-ci/holdfast/runner"
)

// Proportion bounds the chance behind hits out of n independent trials at [Confidence],
// after Clopper and Pearson (The use of confidence or fiducial limits illustrated in the
// case of the binomial, Biometrika 26, 1934): the interval never covers less often than it
// says, whatever the chance is. Without trials it is 0 to 1. hits must be from 0 to n.
func Proportion(hits, n int) (lo, hi float64) {
	lo, hi = 0, 1
	if hits > 0 {
		lo = betaQuantile(alpha, float64(hits), float64(n-hits+1))
	}
	if hits < n {
		hi = betaQuantile(1-alpha, float64(hits+1), float64(n-hits))
	}
	return lo, hi
}

// betaQuantile is the x with I_x(a, b) = p, by bisection.
func betaQuantile(p, a, b float64) float64 {
	lo, hi := 0.0, 1.0
	for range 200 {
		mid := (lo + hi) / 2
		if mid == lo || mid == hi {
			break
		}
		if incompleteBeta(a, b, mid) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// noisePairs is how many A/A pairs a noise floor needs.
const noisePairs = 5

// Noise is how much unchanged code varies between runs, measured by A/A pairs.
type Noise struct {
	Pairs int
	// Spread is the standard deviation of ln(median) of one run: √(Σd²/2k) over the k
	// differences d (Bland and Altman, Measurement error, BMJ 313, 1996). NaN without a pair.
	Spread float64
}

// NoiseOf takes the noise from A/A pairs: ln of the ratio of the two medians of each.
func NoiseOf(pairs []float64) Noise {
	n := Noise{Spread: math.NaN()}
	sum := 0.0
	for _, d := range pairs {
		if !math.IsNaN(d) && !math.IsInf(d, 0) {
			n.Pairs++
			sum += d * d
		}
	}
	if n.Pairs > 0 {
		n.Spread = math.Sqrt(sum / 2 / float64(n.Pairs))
	}
	return n
}

// Floor is how far, as a fraction, a run of unchanged code may lie from a settled baseline
// by noise alone, at [Confidence]: expm1(t·s·√(1 + π/2k)) with as many degrees of freedom as
// there are pairs. A threshold closer to the baseline would be red or green by chance. It
// is NaN with fewer than five pairs.
func (n Noise) Floor() float64 {
	if n.Pairs < noisePairs {
		return math.NaN()
	}
	return math.Expm1(studentQuantile(alpha, float64(n.Pairs)) * n.Spread * math.Sqrt(1+math.Pi/2/settled))
}

// Refuses reports whether a threshold asks for less than the noise allows to tell, and says
// what to ask instead. Only thresholds relative to the baseline are refused: how far an
// absolute bound lies from the figures is not its author's choice, and a base that is
// measured in turns shares the noise.
func (n Noise) Refuses(t Threshold) (advice string, refused bool) {
	floor := n.Floor()
	if !t.Relative || t.Base || math.IsNaN(floor) {
		return "", false
	}
	if math.Abs(math.Log1p(t.Value/100)) >= math.Log1p(floor) {
		return "", false
	}
	sign, least := "+", 100*floor
	if t.Value < 0 {
		sign, least = "-", 100*floor/(1+floor)
	}
	return fmt.Sprintf("the threshold is below the noise of this benchmark: a run of unchanged code lies up to ±%.1f%% from a settled baseline (95 %%, from %s); ask for baseline %s %g%%, or measure more rounds",
		100*floor, count(n.Pairs, "A/A pair"), sign, math.Max(math.Ceil(least), 1)), true
}

// RefuseBelow makes an error of every judged threshold that is below the noise of its
// metric, whatever came out: neither its red nor its green would mean anything. noise is by
// Sample.Key.
func (j *Judgement) RefuseBelow(noise map[string]Noise) {
	first := ""
	for i := range j.Metrics {
		m := &j.Metrics[i]
		t, err := ParseThreshold(m.Threshold)
		if m.Threshold == "" || err != nil {
			continue
		}
		if advice, refused := noise[m.Key()].Refuses(t); refused {
			m.Verdict, m.Reason = runner.Error, "refused: "+advice
			if first == "" {
				first = m.Label() + " " + m.Asked() + ": " + advice
			}
		}
	}
	if first != "" {
		j.refold(first)
	}
}

// refold sets verdict and reason anew after a threshold was refused.
func (j *Judgement) refold(refused string) {
	by := map[runner.Verdict]int{}
	total := 0
	var missed *Metric
	for i := range j.Metrics {
		m := &j.Metrics[i]
		if m.Threshold == "" {
			continue
		}
		total++
		by[m.Verdict]++
		if m.Verdict == runner.Failure && missed == nil {
			missed = m
		}
	}
	if missed != nil {
		j.Verdict, j.Reason = runner.Failure, fmt.Sprintf("%d of %s missed: %s", by[runner.Failure], count(total, "threshold"), missed.brief())
	} else {
		j.Verdict, j.Reason = runner.Error, fmt.Sprintf("%d of %s could not be told, at least one because it is below the noise", by[runner.Error], count(total, "threshold"))
	}
	j.Hint = refused
}

// detectable is the smallest change, as a fraction, that this comparison finds in four of
// five cases. NaN without an interval.
func (c *Comparison) detectable() float64 {
	if math.IsNaN(c.logLo) {
		return math.NaN()
	}
	return math.Expm1(c.reach(alpha) + c.reach(1-mdePower))
}
