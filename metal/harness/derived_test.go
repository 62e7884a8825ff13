package harness

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// derive feeds made-up values through the derivations.
func derive(c Config, value func(l Load, round int) float64) *Report {
	return deriveReadings(c, func(l Load, round int) Reading { return Reading{Rate: value(l, round)} })
}

func deriveReadings(c Config, reading func(l Load, round int) Reading) *Report {
	r := newRun(nil, c, []*group{{loads: c.Loads()}})
	for _, t := range r.tracks {
		for k := range c.Rounds {
			t.values = append(t.values, value{reading(t.load, k), k + 1, 1, 1 + k*max(1, c.Processes)/c.Rounds, true})
		}
	}
	r.results()
	return &r.rep
}

// TestGainIsNotFlattered: where depth makes no difference, the gain must come out
// around nothing, however many depths there are to choose the luckiest from.
func TestGainIsNotFlattered(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := Config{Depths: []int{1, 2, 4, 8, 16, 32}, Rounds: 7}
	var sum, flattered float64
	const runs = 2000
	for range runs {
		rep := derive(c, func(Load, int) float64 { return math.Exp(0.1 * rng.NormFloat64()) })
		var gain []float64
		most := math.Inf(-1)
		for _, s := range rep.Samples {
			if s.Name == "async-gain" {
				gain = s.Values
			} else if s.Config["depth"] != "1" {
				most = max(most, median(s.Values)/median(rep.Samples[0].Values)-1)
			}
		}
		sum += math.Log1p(median(gain))
		flattered += math.Log1p(most)
	}
	if g := sum / runs; math.Abs(g) > 0.01 {
		t.Errorf("pure noise of 10 %% gives a gain of %.3f", g)
	}
	if g := flattered / runs; g < 0.03 {
		t.Errorf("the naive gain is %.3f: this test could not see the difference", g)
	}
}

// TestDerivedFollowsRounds: each round is compared with itself, so a disturbance of a
// whole round cancels.
func TestDerivedFollowsRounds(t *testing.T) {
	c := Config{Threads: []int{1, 8}, Depths: []int{1, 4}, AsyncThreads: 8, Rounds: 5}
	rep := derive(c, func(l Load, k int) float64 {
		v := float64(1000 * (k + 1)) // the machine gets faster from round to round
		return v * float64(l.Threads) * map[int]float64{1: 1, 4: 3}[l.Depth]
	})
	n := 0
	for _, s := range rep.Samples {
		want := map[string]float64{"scaling": 8, "async-gain": 2, "same-work": 0}[s.Name]
		if !s.Derived {
			continue
		}
		n++
		for _, v := range s.Values {
			if math.Abs(v-want) > 1e-12 {
				t.Errorf("%s: %v, want %v", s.Key(), s.Values, want)
			}
		}
	}
	if n != 6 || rep.Observed["noise floor"] != "0.00 %" || len(rep.Warnings) != 0 {
		t.Errorf("%d derived samples, settings %v, warnings %q", n, rep.Settings, rep.Warnings)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name, want string
		config     Config
		value      func(l Load) float64
	}{
		{
			"gain above depth", "depth 4 of async-pipeline mode=single gave 16.0 times depth 1",
			Config{Depths: []int{1, 4}, Rounds: 3},
			func(l Load) float64 { return float64(l.Depth * l.Depth) },
		},
		{
			"order effect", "differ by 25.0 %",
			Config{Threads: []int{1}, Rounds: 3},
			func(l Load) float64 {
				if l.Shared {
					return 1000
				}
				return 800
			},
		},
		{
			"no base of scaling", "no scaling: thread count 1",
			Config{Threads: []int{2, 4}, Rounds: 3},
			func(Load) float64 { return 1 },
		},
	} {
		rep := derive(c.config, func(l Load, _ int) float64 { return c.value(l) })
		if all := strings.Join(rep.Warnings, "\n"); len(rep.Warnings) != 1 || !strings.Contains(all, c.want) {
			t.Errorf("%s: warnings %q, want %q", c.name, all, c.want)
		}
	}
}
