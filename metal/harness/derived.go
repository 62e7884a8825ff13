package harness

import (
	"fmt"
	"math"
	"strconv"

	"github.com/holdfast-ci/holdfast/runner"
)

// noisy is the disagreement of two identical configurations from which on a reader is
// warned.
const noisy = 0.05

// scaling adds, for each queue mode and thread count above 1, the ratio of each round
// to the same round's value with one thread.
func (r *run) scaling(source string) {
	for _, mode := range []string{shared, perThread} {
		one := r.of(func(l load) bool { return l.scenario == multiQueue && l.mode == mode && l.threads == 1 })
		if one == nil {
			continue
		}
		for i, l := range r.loads {
			if l.scenario != multiQueue || l.mode != mode || l.threads == 1 {
				continue
			}
			s := runner.Sample{
				Name: "scaling", Unit: "x", Config: l.config(), Better: runner.HigherIsBetter,
				Source: source, Derived: true,
			}
			for k, v := range r.values[i] {
				s.Values = append(s.Values, v/one[k])
			}
			r.rep.Samples = append(r.rep.Samples, s)
		}
	}
	if len(r.c.Threads) > 1 && r.of(func(l load) bool { return l.scenario == multiQueue && l.threads == 1 }) == nil {
		r.rep.Warnings = append(r.rep.Warnings, "no scaling: thread count 1, which it is relative to, is not configured")
	}
}

// gain adds, for each mode of async-pipeline, the gain of the best depth over depth 1
// for each round. Which depth is best for a round is decided from the other rounds:
// choosing and reporting on the same noise would flatter ("winner's curse").
func (r *run) gain(source string) {
	for _, mode := range []string{single, multi} {
		var depths []int
		var values [][]float64
		var one []float64
		threads := 1
		for i, l := range r.loads {
			switch {
			case l.scenario != asyncPipeline || l.mode != mode:
			case l.depth == 1:
				one, threads = r.values[i], l.threads
			default:
				depths, values = append(depths, l.depth), append(values, r.values[i])
			}
		}
		if one == nil || len(depths) == 0 {
			continue
		}
		s := runner.Sample{
			Name: "async-gain", Unit: "ratio", Better: runner.HigherIsBetter,
			Config: map[string]string{"mode": mode, "threads": strconv.Itoa(threads)},
			Source: source, Derived: true,
		}
		for k := range one {
			d := best(values, k)
			s.Values = append(s.Values, values[d][k]/one[k]-1)
		}
		r.rep.Samples = append(r.rep.Samples, s)
		r.rep.Settings["async-best-depth mode="+mode] = strconv.Itoa(depths[best(values, -1)])
		for i, d := range depths {
			if g := ratio(values[i], one); g > float64(d)*(1+noisy) {
				r.rep.Warnings = append(r.rep.Warnings, fmt.Sprintf(
					"async-pipeline mode=%s: depth %d gave %.1f times depth 1; hiding latency cannot give more than %d times, so depth 1 was slowed by something else (idle clocks, wake-ups)",
					mode, d, g, d))
			}
		}
	}
}

// best is the index with the highest median over all rounds but the one left out; none
// is left out if it is negative.
func best(values [][]float64, leftOut int) int {
	at, most := 0, math.Inf(-1)
	for i, v := range values {
		var rest []float64
		for k, x := range v {
			if k != leftOut {
				rest = append(rest, x)
			}
		}
		if m := median(rest); m > most {
			at, most = i, m
		}
	}
	return at
}

// ratio is the median over the rounds of a/b.
func ratio(a, b []float64) float64 {
	var q []float64
	for k := range a {
		q = append(q, a[k]/b[k])
	}
	return median(q)
}

// noise compares configurations that are the same work under two names: one thread on
// the shared queue and one thread on its own. What they differ by is what this run
// cannot resolve.
func (r *run) noise() {
	a := r.of(func(l load) bool { return l.scenario == multiQueue && l.mode == shared && l.threads == 1 })
	b := r.of(func(l load) bool { return l.scenario == multiQueue && l.mode == perThread && l.threads == 1 })
	if a == nil || b == nil {
		return
	}
	floor := math.Abs(median(a)/median(b) - 1)
	r.rep.Settings["noise floor"] = fmt.Sprintf("%.2f %%", floor*100)
	if floor > noisy {
		r.rep.Warnings = append(r.rep.Warnings, fmt.Sprintf(
			"one thread on the shared queue and one thread on its own queue are the same work, yet differ by %.1f %%: smaller differences in this run mean nothing", floor*100))
	}
}
