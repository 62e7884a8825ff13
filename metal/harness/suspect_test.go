package harness

import (
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// noises are shapes that the values of one load may have although nothing is wrong. Their
// scale is 1.
var noises = map[string]func(r *rand.Rand) float64{
	"normal":  func(r *rand.Rand) float64 { return r.NormFloat64() },
	"skewed":  func(r *rand.Rand) float64 { return -r.ExpFloat64() }, // rates have a floor below, not above
	"uniform": func(r *rand.Rand) float64 { return 2*r.Float64() - 1 },
	"heavy":   func(r *rand.Rand) float64 { return r.NormFloat64() / math.Sqrt(r.ExpFloat64()+r.ExpFloat64()) },
	"drift":   nil, // a slow walk, below
}

// values draws n of them around 1000 with a relative scale.
func values(r *rand.Rand, shape string, n int, scale float64) []float64 {
	out := make([]float64, n)
	walk := 0.0
	for i := range out {
		x := 0.0
		if draw := noises[shape]; draw != nil {
			x = draw(r)
		} else {
			walk = 0.5*walk + r.NormFloat64() // lag-1 autocorrelation 0.5, above what real runs show
			x = walk
		}
		out[i] = 1000 * math.Exp(scale*x)
	}
	return out
}

// TestFalseAlarms: what is told of steady loads. A run has some 20 loads, so even one in a
// thousand would be told every fiftieth run.
func TestFalseAlarms(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const trials = 20_000
	for shape := range noises {
		for _, n := range []int{10, 20} {
			two, processes := 0, 0
			for range trials {
				v := values(rng, shape, n, 0.05)
				if _, _, ok := modes(v); ok {
					two++
				}
				var groups [][]float64
				for k := 0; k < n; k += n / 5 {
					groups = append(groups, v[k:k+n/5])
				}
				if between, q := spread(groups); q >= studentized && between >= apartLeast {
					processes++
				}
			}
			if limit := trials / 1000; two > limit || processes > limit {
				t.Errorf("%s, %d values: of %d, %d are told to have two modes and %d to differ by process; at most %d may", shape, n, trials, two, processes, limit)
			}
		}
	}
	drifts := 0
	for range trials {
		d := make([]float64, 10)
		for i := range d {
			d[i] = 0.1 * rng.NormFloat64()
		}
		if agree(d) {
			drifts++
		}
	}
	if drifts > trials/300 {
		t.Errorf("%d of %d steady loads are told to drift", drifts, trials)
	}
}

// TestSeen: what there is to see is seen.
func TestSeen(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const trials = 1000
	two, processes := 0, 0
	for range trials {
		v := values(rng, "normal", 10, 0.005)
		for i := range v {
			if i%3 == 0 {
				v[i] *= 0.9 // 4 of 10 in another mode
			}
		}
		if lo, hi, ok := modes(v); ok && len(lo) == 4 && len(hi) == 6 {
			two++
		}
		w := values(rng, "normal", 10, 0.004)
		for i := range w {
			w[i] *= []float64{1, 1.1, 0.95, 1, 1.1}[i/2]
		}
		if _, q := spread([][]float64{w[:2], w[2:4], w[4:6], w[6:8], w[8:]}); q >= studentized {
			processes++
		}
	}
	if two < trials*95/100 || processes < trials*90/100 {
		t.Errorf("of %d, two modes were seen in %d and processes that differ in %d", trials, two, processes)
	}
}

func TestSuspicionsAreWords(t *testing.T) {
	c := Config{Depths: []int{1, 2, 4, 8, 16}, Rounds: 10, Processes: 5}
	steady := func() []float64 { return []float64{10, 10, 10, 10, 10, 10, 10, 10} }
	for want, reading := range map[string]func(l Load, round int) Reading{
		"the rate changes within the window.*depth=1 .-6.0 % from the first to the second half.*and 2 more": func(l Load, round int) Reading {
			return Reading{Rate: 10, Slices: []float64{10, 10, 10, 10, 9.4, 9.4, 9.4, 9.4}}
		},
		"the values fall into two groups.*depth=8 .5 values about 100 ops/s and 5 about 120.": func(l Load, round int) Reading {
			if l.Depth == 8 {
				return Reading{Rate: 100 + float64(round%2)*20 + float64(round)/100, Slices: steady()}
			}
			return Reading{Rate: 100, Slices: steady()}
		},
		"the processes differ.*depth=4 .5 processes, 8.0 % between the slowest and the fastest": func(l Load, round int) Reading {
			if l.Depth == 4 {
				return Reading{Rate: 100 + float64(round/2)*2 + float64(round%2)/1000}
			}
			return Reading{Rate: 100}
		},
		"garbage was collected within a window.*depth=2 .1 times": func(l Load, round int) Reading {
			r := Reading{Rate: 100}
			if l.Depth == 2 && round == 3 {
				r.Collections = 1
			}
			return r
		},
	} {
		rep := deriveReadings(c, reading)
		if all := strings.Join(rep.Warnings, "\n"); len(rep.Warnings) != 1 || !regexp.MustCompile(want).MatchString(all) {
			t.Errorf("warnings %q, want %q", all, want)
		}
		noted := 0
		for _, o := range rep.Origins {
			noted += len(o.Notes)
		}
		if noted == 0 {
			t.Errorf("no origin notes %q", want)
		}
	}
	rep := deriveReadings(c, func(Load, int) Reading { return Reading{Rate: 100, Slices: steady()} })
	if len(rep.Warnings) > 0 {
		t.Errorf("warnings of steady loads: %q", rep.Warnings)
	}
}

func TestSummarizeSpans(t *testing.T) {
	// Two at a time on one half of the time: 1–3 and 2–4 overlap in 2–3, then nothing until 7.
	s, err := summarize([]span{{2, 4}, {1, 3}, {7, 7.5}})
	if err != nil || s.Ops != 3 || s.Execution != 2 || math.Abs(s.Busy-3.5/6.5) > 1e-12 || math.Abs(s.Parallel-4.5/3.5) > 1e-12 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range [][]span{nil, {{0, 1}}, {{2, 1}}, {{1, math.NaN()}}, {{1, math.Inf(1)}}} {
		if s, err := summarize(bad); err == nil {
			t.Errorf("%v gives %+v", bad, s)
		}
	}
}
