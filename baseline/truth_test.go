package baseline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// Published intervals: Clopper and Pearson's for 0, 1 and 5 of 10, and the closed forms at
// the ends, 1 − (α/2)^(1/n).
func TestProportion(t *testing.T) {
	for _, c := range []struct {
		hits, n int
		lo, hi  float64
	}{
		{0, 0, 0, 1},
		{0, 10, 0, 0.3085},
		{1, 10, 0.0025, 0.4450},
		{5, 10, 0.1871, 0.8129},
		{10, 10, 0.6915, 1},
		{0, 1, 0, 0.975},
		{15, 300, 0.0283, 0.0811},
		{0, 100, 0, 1 - math.Pow(0.025, 0.01)},
		{0, 1_000_000, 0, 3.688872e-6},
	} {
		lo, hi := Proportion(c.hits, c.n)
		near := 5.1e-5 // four digits are published
		if c.n > 1000 {
			near = 1e-11
		}
		if math.Abs(lo-c.lo) > near || math.Abs(hi-c.hi) > near {
			t.Errorf("%d of %d: [%v, %v], want [%v, %v]", c.hits, c.n, lo, hi, c.lo, c.hi)
		}
	}
}

// It covers at least as often as it says, for every chance: exactly, by summing over all
// outcomes.
func TestProportionCovers(t *testing.T) {
	for _, n := range []int{1, 5, 20, 100} {
		bounds := make([][2]float64, n+1)
		for k := range bounds {
			bounds[k][0], bounds[k][1] = Proportion(k, n)
		}
		for p := 0.005; p < 1; p += 0.005 {
			covered, lg := 0.0, func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
			for k, b := range bounds {
				if b[0] <= p && p <= b[1] {
					covered += math.Exp(lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
				}
			}
			if covered < Confidence-1e-9 {
				t.Errorf("n=%d p=%.3f: covered %.4f", n, p, covered)
			}
		}
	}
}

// The floor is where unchanged code ends: of runs against a settled baseline with the noise
// that pairs tell, about 5 % lie beyond it.
func TestFloorHolds(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	const sd, trials = 0.03, 4000
	beyond := 0
	for range trials {
		var pairs []float64
		for range 8 {
			pairs = append(pairs, sd*(rng.NormFloat64()-rng.NormFloat64()))
		}
		floor := math.Log1p(NoiseOf(pairs).Floor())
		var base []float64
		for range settled {
			base = append(base, sd*rng.NormFloat64())
		}
		sorted, _ := finite(base)
		if math.Abs(sd*rng.NormFloat64()-median(sorted)) > floor {
			beyond++
		}
	}
	if rate := float64(beyond) / trials; rate < 0.035 || rate > 0.065 {
		t.Errorf("%.3f of unchanged runs lie beyond the floor, want about 0.05", rate)
	}
	if n := NoiseOf([]float64{0.1, -0.1, math.NaN(), math.Inf(1)}); n.Pairs != 2 || math.Abs(n.Spread-0.1/math.Sqrt2) > 1e-15 || !math.IsNaN(n.Floor()) {
		t.Errorf("%+v", n)
	}
	if n := NoiseOf(nil); n.Pairs != 0 || !math.IsNaN(n.Spread) || !math.IsNaN(n.Floor()) {
		t.Errorf("%+v", n)
	}
}

func noiseOf(sd float64) Noise { return Noise{Pairs: 10, Spread: sd} }

// What is advised is never refused again, and one percent less is.
func TestAdviceIsAccepted(t *testing.T) {
	for _, sd := range []float64{0.001, 0.004, 0.01, 0.03, 0.1, 0.3} {
		for _, text := range []string{"x <= baseline + 0.1%", "x >= baseline - 0.1%", "x < baseline + 0.1%", "x > baseline - 0.1%"} {
			th, err := ParseThreshold(text)
			if err != nil {
				t.Fatal(err)
			}
			advice, refused := noiseOf(sd).Refuses(th)
			if !refused {
				t.Errorf("sd %v: %s is accepted", sd, text)
				continue
			}
			_, better, _ := strings.Cut(advice, "ask for ")
			better, _, _ = strings.Cut(better, ",")
			th, err = ParseThreshold("x " + string(th.Op) + " " + better)
			if err != nil {
				t.Fatalf("advice %q: %v", advice, err)
			}
			if _, refused := noiseOf(sd).Refuses(th); refused {
				t.Errorf("sd %v: the advice %s is refused", sd, better)
			}
			if th.Value = math.Copysign(math.Abs(th.Value)-1, th.Value); math.Abs(th.Value) >= 1 {
				if _, refused := noiseOf(sd).Refuses(th); !refused {
					t.Errorf("sd %v: %s is accepted, so %s is too much", sd, th, better)
				}
			}
		}
	}
	for _, text := range []string{"x <= 5", "x >= 10%", "x <= baseline + 90%"} {
		th, _ := ParseThreshold(text)
		if advice, refused := noiseOf(0.1).Refuses(th); refused {
			t.Errorf("%s is refused: %s", text, advice)
		}
	}
	th, _ := ParseThreshold("x <= baseline + 1%")
	if _, refused := (Noise{Pairs: 4, Spread: 1}).Refuses(th); refused {
		t.Error("four pairs are enough to refuse")
	}
}

// A refused threshold is an error, whether it would have been green, red or neither; others
// stay what they are, and a red one stays the verdict.
func TestRefuseBelow(t *testing.T) {
	rounds := func(v float64) []float64 { return []float64{v, v * 1.001, v * 0.999, v * 1.002, v * 0.998, v, v} }
	sample := func(name string, v float64) runner.Sample {
		return runner.Sample{Name: name, Unit: "ops/s", Better: runner.HigherIsBetter, Values: rounds(v)}
	}
	var history []Past
	for run := range 10 {
		history = append(history, NewPast(int64(run+1), "c", []runner.Sample{sample("noisy", 100+float64(run%2)/10), sample("quiet", 100+float64(run%2)/10)}))
	}
	for _, c := range []struct {
		noisy, quiet float64
		want         runner.Verdict
		reason       string
	}{
		{100, 100, runner.Error, "1 of 2 thresholds could not be told, at least one because it is below the noise"},
		{50, 100, runner.Error, "1 of 2 thresholds could not be told, at least one because it is below the noise"},
		{100, 50, runner.Failure, "1 of 2 thresholds missed: quiet is -50.0%, asked >= baseline - 3%"},
	} {
		th, err := ParseThreshold("ops/s >= baseline - 3%")
		if err != nil {
			t.Fatal(err)
		}
		samples := []runner.Sample{sample("noisy", c.noisy), sample("quiet", c.quiet)}
		j := Judge(samples, history, []Threshold{th})
		before := fmt.Sprint(j)
		j.RefuseBelow(map[string]Noise{"quiet ops/s": noiseOf(0.001)})
		if got := fmt.Sprint(j); got != before {
			t.Errorf("a threshold above the noise was changed: %s", got)
		}
		j.RefuseBelow(map[string]Noise{"noisy ops/s": noiseOf(0.05), "quiet ops/s": noiseOf(0.001)})
		if j.Verdict != c.want || j.Reason != c.reason || !strings.Contains(j.Hint, "noisy >= baseline - 3%: the threshold is below the noise") {
			t.Errorf("%v/%v: %s, %q, hint %q", c.noisy, c.quiet, j.Verdict, j.Reason, j.Hint)
		}
		if m := j.Metrics[0]; m.Verdict != runner.Error || !strings.HasPrefix(m.Reason, "refused: ") {
			t.Errorf("noisy: %s, %s", m.Verdict, m.Reason)
		}
	}
}

// A base that is measured in turns shares the noise, and how far an absolute bound lies from
// the figures is nobody's choice: neither is refused.
func TestRefusesOnlyTheBaseline(t *testing.T) {
	for text, want := range map[string]bool{
		"X >= baseline - 3%": true, "X <= baseline + 3%": true, "X >= baseline - 60%": false,
		"X >= base - 3%": false, "X <= base + 3%": false, "X >= 100": false, "X >= 3%": false,
	} {
		th, err := ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		if advice, refused := noiseOf(0.05).Refuses(th); refused != want || (advice != "") != want {
			t.Errorf("%s: %v, %q", text, refused, advice)
		}
	}
}

// A change of the size that is called detectable is found in about four of five cases.
func TestDetectableIsFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	const sd, runs, trials = 0.02, 12, 3000
	found, mde := 0, 0.0
	for range trials {
		var earlier [][]float64
		for range runs {
			earlier = append(earlier, []float64{100 * math.Exp(sd*rng.NormFloat64())})
		}
		c, err := Compare([]float64{100}, earlier)
		if err != nil {
			t.Fatal(err)
		}
		mde += c.detectable() / trials
		// The same noise once more, with a change of that size on top.
		c, _ = Compare([]float64{100 * (1 + c.detectable()) * math.Exp(sd*rng.NormFloat64())}, earlier)
		if c.Lo > 0 {
			found++
		}
	}
	if rate := float64(found) / trials; rate < 0.75 || rate > 0.86 {
		t.Errorf("found %.3f of changes of about %.3f, want about 0.8", rate, mde)
	}
}
