package baseline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Published: Student's t (Abramowitz and Stegun, table 26.10), and the ranks of the
// median's interval (Conover, Practical Nonparametric Statistics, table A3 at p = 1/2).
func TestTables(t *testing.T) {
	for _, c := range []struct{ tail, df, want float64 }{
		{.025, 1, 12.706}, {.025, 2, 4.303}, {.025, 9, 2.262}, {.005, 4, 4.604}, {.05, 30, 1.697}, {.0005, 5, 6.869}, {.025, 1e6, 1.960},
	} {
		if got := studentQuantile(c.tail, c.df); math.Abs(got-c.want) > 0.0006 {
			t.Errorf("t(%g, %g) = %.4f, want %.3f", c.tail, c.df, got, c.want)
		}
	}
	for n, want := range map[int]int{1: 0, 5: 0, 6: 1, 8: 1, 9: 2, 11: 2, 12: 3, 15: 4, 17: 5, 20: 6, 25: 8, 40: 14, 100: 40} {
		if got := medianRank(n); got != want {
			t.Errorf("rank for %d values is %d, want %d", n, got, want)
		}
		var values []float64 // n down to 1
		for i := range n {
			values = append(values, float64(n-i))
		}
		if s := Summarize(values); want == 0 && !math.IsNaN(s.Lo) || want > 0 && (s.Lo != float64(want) || s.Hi != float64(n+1-want)) {
			t.Errorf("interval of 1 to %d is [%g, %g], want ranks %d from either end", n, s.Lo, s.Hi, want)
		}
	}
	if a, b := medianRank(1000), medianRank(1001); b < a-1 || b > a+1 {
		t.Errorf("exact rank %d and limit %d do not meet", a, b)
	}
	if got := binomialHalf(10, 2); math.Abs(got-56.0/1024) > 1e-12 {
		t.Errorf("P(B <= 2) of 10 is %g", got)
	}
	if a, b := binomialHalf(1000, 470), binomialHalf(1001, 470); math.Abs(a-b) > 0.003 {
		t.Errorf("exact tail %g and limit %g do not meet", a, b)
	}
}

func positive(n1, n2 int) *rapid.Generator[[]float64] {
	return rapid.SliceOfN(rapid.Float64Range(1e-6, 1e6), n1, n2)
}

func shuffled(t *rapid.T, xs []float64) []float64 { return rapid.Permutation(xs).Draw(t, "order") }

func TestSummaryProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64(), 0, 40).Draw(t, "xs")
		keep := slices.Clone(xs)
		s := Summarize(xs)
		if !slices.Equal(keep, xs) {
			t.Fatal("values were changed")
		}
		if p := Summarize(shuffled(t, xs)); p != s && !math.IsNaN(s.Lo) {
			t.Fatalf("order matters: %v, %v", s, p)
		}
		if (s.Warning == "") != !math.IsNaN(s.Lo) {
			t.Fatalf("interval and warning disagree: %+v", s)
		}
		if !math.IsNaN(s.Lo) && !(s.Lo <= s.Median && s.Median <= s.Hi) {
			t.Fatalf("median outside its interval: %+v", s)
		}
		if len(xs) > 0 && math.IsNaN(s.Median) {
			t.Fatalf("no median of finite values")
		}
	})
}

func TestBootstrapProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, _ := finite(positive(6, 20).Draw(t, "a"))
		b, _ := finite(positive(6, 20).Draw(t, "b"))
		lo, hi := bootstrapRatio(a, b, alpha)
		if !(lo <= hi) {
			t.Fatalf("[%g, %g]", lo, hi)
		}
		l2, h2 := bootstrapRatio(b, a, alpha)
		if lo != -h2 || hi != -l2 {
			t.Fatalf("swapping gives [%g, %g] for [%g, %g]", l2, h2, lo, hi)
		}
		// A power of two scales exactly.
		for i := range a {
			a[i] *= 1024
		}
		for i := range b {
			b[i] *= 1024
		}
		if l3, h3 := bootstrapRatio(a, b, alpha); math.Abs(l3-lo) > 1e-12 || math.Abs(h3-hi) > 1e-12 {
			t.Fatalf("another unit gives [%g, %g] for [%g, %g]", l3, h3, lo, hi)
		}
	})
}

// The direct draw of a resample's median must have the distribution of the median of a
// real resample.
func TestResampledMedian(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8} {
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = float64(i)
		}
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		const reps = 15000
		direct, naive := map[float64]float64{}, map[float64]float64{}
		buf := make([]float64, n)
		for range reps {
			direct[resampledMedian(xs, rng)]++
			for i := range buf {
				buf[i] = xs[rng.IntN(n)]
			}
			slices.Sort(buf)
			naive[median(buf)]++
		}
		for v, c := range naive {
			if d := math.Abs(c-direct[v]) / reps; d > 0.02 {
				t.Errorf("n=%d: median %g has chance %.3f, drawn %.3f", n, v, c/reps, direct[v]/reps)
			}
		}
	}
}

// Skewed noise, as throughput shows it: mostly near the top, sometimes far below.
func leftSkewed(rng *rand.Rand, sd float64) float64 { return math.Exp(-sd * rng.ExpFloat64()) }
func logNormal(rng *rand.Rand, sd float64) float64  { return math.Exp(sd * rng.NormFloat64()) }

func values(rng *rand.Rand, n int, level, sd float64, noise func(*rand.Rand, float64) float64) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = level * noise(rng, sd)
	}
	return xs
}

func TestCoverage(t *testing.T) {
	const reps, few = 2000, 150 // the bootstrap costs more
	for name, noise := range map[string]func(*rand.Rand, float64) float64{"log-normal": logNormal, "left-skewed": leftSkewed} {
		center := 1.0
		if name == "left-skewed" {
			center = math.Exp(-0.05 * math.Ln2)
		}
		for _, n := range []int{6, 7, 10, 25} {
			rng := rand.New(rand.NewPCG(7, uint64(n)))
			summary, within := 0, 0
			for i := range reps {
				a, b := values(rng, n, 1, 0.05, noise), values(rng, n, 1, 0.05, noise)
				if s := Summarize(a); s.Lo <= center && center <= s.Hi {
					summary++
				}
				if i >= few {
					continue
				}
				c, err := Compare(a, [][]float64{b})
				if err != nil {
					t.Fatal(err)
				}
				if c.Lo <= 0 && 0 <= c.Hi {
					within++
				}
			}
			// Two standard errors are 1 % of 2,000 trials and 3.6 % of 150.
			if got := float64(summary) / reps; got < Confidence-0.01 {
				t.Errorf("%s, %d values: the median's interval covers in %.1f%%", name, n, 100*got)
			}
			if got := float64(within) / few; got < Confidence-0.036 {
				t.Errorf("%s, %d values: the bootstrap interval covers in %.1f%%", name, n, 100*got)
			}
			t.Logf("%s, n=%d: median %.1f%%, bootstrap ratio %.1f%%", name, n, 100*float64(summary)/reps, 100*float64(within)/few)
		}
		for _, k := range []int{3, 5, 10} {
			rng := rand.New(rand.NewPCG(9, uint64(k)))
			cover := 0
			for range reps {
				var earlier [][]float64
				for range k {
					earlier = append(earlier, values(rng, 7, noise(rng, 0.03), 0.02, logNormal))
				}
				c, err := Compare(values(rng, 7, noise(rng, 0.03), 0.02, logNormal), earlier)
				if err != nil {
					t.Fatal(err)
				}
				if c.Lo <= 0 && 0 <= c.Hi {
					cover++
				}
			}
			if got := float64(cover) / reps; got < Confidence-0.015 {
				t.Errorf("%s, %d runs: the prediction interval covers in %.1f%%", name, k, 100*got)
			}
			t.Logf("%s, %d runs: prediction %.1f%%", name, k, 100*float64(cover)/reps)
		}
	}
}

func TestCompareProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := positive(6, 12).Draw(t, "a")
		b := positive(6, 12).Draw(t, "b")
		ab, err1 := Compare(a, [][]float64{b})
		ba, err2 := Compare(b, [][]float64{a})
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if ab.log != -ba.log || ab.logLo != -ba.logHi {
			t.Fatalf("swapping does not flip the sign: %+v, %+v", ab, ba)
		}
		k := rapid.IntRange(1, 12).Draw(t, "runs")
		var earlier, scaledUp [][]float64
		for range k {
			e := positive(1, 8).Draw(t, "run")
			earlier = append(earlier, e)
			scaledUp = append(scaledUp, times(e, 4096))
		}
		c, err := Compare(a, earlier)
		d, err2 := Compare(times(shuffled(t, a), 4096), scaledUp)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if math.Abs(c.Change-d.Change) > 1e-9*(1+math.Abs(c.Change)) || !math.IsNaN(c.logLo) && math.Abs(c.logLo-d.logLo) > 1e-9 {
			t.Fatalf("unit or order matters: %+v, %+v", c, d)
		}
	})
}

func times(xs []float64, f float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = x * f
	}
	return out
}
