package baseline

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/runner"
)

func compareTwo(base, head []float64, o SideOptions) SideResult {
	return CompareSides([]SidePair{{Name: "B", Unit: "sec/op", Better: runner.LowerIsBetter, Base: base, Head: head}}, o)[0]
}

// Published: two-tailed critical values of Mann and Whitney's U (Siegel, Nonparametric
// Statistics, table K), here through samples that have that U, and Holm's own example.
func TestRankTables(t *testing.T) {
	for _, c := range []struct {
		n, u  int
		alpha float64
	}{{20, 127, .05}, {15, 64, .05}, {12, 37, .05}, {20, 105, .01}} {
		for u, significant := range map[int]bool{c.u: true, c.u + 1: false} {
			a, b := withU(c.n, u)
			p := math.Erfc(mannWhitney(a, b) / math.Sqrt2)
			if d := p - c.alpha; (d <= 0) != significant && math.Abs(d) > 0.07*c.alpha {
				t.Errorf("n = m = %d, U = %d: p = %.4f against %g", c.n, u, p, c.alpha)
			}
		}
	}
	// The statistic itself, with continuity and ties corrected, to the digits. Without ties:
	// Hollander and Wolfe's permeability constants, W = 35 (example 4.1 there). With ties:
	// U = 3, Σ(t³ − t) = 54, so (9.5 − 0.5)/√(25/12·(11 − 54/90)).
	x := sorted([]float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46})
	y := sorted([]float64{1.15, 0.88, 0.90, 0.74, 1.21})
	for _, c := range []struct {
		a, b []float64
		z    float64
	}{
		{x, y, 9.5 / math.Sqrt(10*5*16/12.0)},
		{[]float64{1, 1, 2, 2, 3}, []float64{2, 3, 3, 4, 5}, 9 / math.Sqrt(25/12.0*10.4)},
		{[]float64{7, 7, 7}, []float64{7, 7, 7}, 0},
	} {
		if z := mannWhitney(c.a, c.b); math.Abs(z-c.z) > 1e-12 {
			t.Errorf("%v and %v: z = %.12f, want %.12f", c.a, c.b, z, c.z)
		}
		if z := mannWhitney(c.b, c.a); math.Abs(z-c.z) > 1e-12 {
			t.Errorf("%v and %v, swapped: z = %.12f, want %.12f", c.a, c.b, z, c.z)
		}
	}
	got := holm([]float64{.01, .04, math.NaN(), .03, .005})
	for i, want := range []float64{.03, .06, math.NaN(), .06, .02} {
		if math.Abs(got[i]-want) > 1e-12 || math.IsNaN(got[i]) != math.IsNaN(want) {
			t.Errorf("Holm: %v", got)
		}
	}
}

// withU makes two samples of n values without ties in which u pairs have a above b.
func withU(n, u int) (a, b []float64) {
	for i := range n {
		k := min(u, n)
		u -= k
		a = append(a, float64(k)+float64(i+1)/float64(n+2))
		b = append(b, float64(i+1))
	}
	slices.Sort(a)
	return a, b
}

func TestSidesProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := positive(1, 20).Draw(t, "a")
		b := positive(1, 20).Draw(t, "b")
		keep := slices.Clone(a)
		o := SideOptions{}
		r, s := compareTwo(a, b, o), compareTwo(b, a, o)
		if !slices.Equal(keep, a) {
			t.Fatal("values were changed")
		}
		opposite := map[Outcome]Outcome{Regressed: Improved, Improved: Regressed, Inconclusive: Inconclusive, Unchanged: Unchanged}
		near := func(x, y float64) bool {
			return math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= 1e-9*(1+math.Abs(x))
		}
		// The threshold is a ratio up and a ratio down, so near it swapping may turn a change
		// of +1.50 % into one of −1.48 %.
		if border := math.Abs(math.Abs(r.Effect)-DefaultMinEffect) < 1e-3; !border && opposite[r.Verdict] != s.Verdict && r.Verdict != Unchanged && s.Verdict != Unchanged {
			t.Fatalf("swapping turns %s into %s", r.Verdict, s.Verdict)
		}
		if !near(r.log, -s.log) || !near(r.logLo, -s.logHi) || !near(r.P, s.P) {
			t.Fatalf("swapping does not flip the sign: %+v, %+v", r, s)
		}
		if !math.IsNaN(r.Lo) && !(r.Lo <= r.Effect && r.Effect <= r.Hi && r.P >= 0 && r.P <= 1 && r.MDE > 0) {
			t.Fatalf("effect outside its interval, or no chance: %+v", r)
		}
		if math.IsNaN(r.P) && r.Verdict != Inconclusive || r.Verdict == Inconclusive && len(r.Warnings) == 0 {
			t.Fatalf("a verdict without grounds: %+v", r)
		}
		u := compareTwo(times(a, 4096), times(b, 4096), o)
		if !near(r.P, u.P) || !near(r.Effect, u.Effect) || !near(r.logLo, u.logLo) || !near(r.MDE, u.MDE) {
			t.Fatalf("the unit matters: %+v, %+v", r, u)
		}
		v := compareTwo(shuffled(t, a), shuffled(t, b), o)
		correlated := func(r SideResult) bool { return strings.Contains(fmt.Sprint(r.Warnings), "resemble") }
		if !correlated(r) && !correlated(v) && (!near(r.P, v.P) || !near(r.logLo, v.logLo) || r.Verdict != v.Verdict) {
			t.Fatalf("order matters: %+v, %+v", r, v)
		}
	})
}

func TestSidesAdversarial(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	million := make([]float64, 1e6)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range million {
		million[i] = 100 + rng.NormFloat64()
	}
	five := []float64{5, 5, 5, 5}
	zero := []float64{0, 0, 0, 0}
	for name, c := range map[string]struct {
		base, head []float64
		want       Outcome
		says       string
	}{
		"nothing":               {nil, nil, Inconclusive, "no values"},
		"base only":             {five, nil, Inconclusive, "only the base has it"},
		"head only":             {nil, five, Inconclusive, "only the head has it"},
		"NaN":                   {[]float64{1, nan, 1}, five, Inconclusive, "1 of 7 values are not finite"},
		"Inf":                   {five, []float64{inf, -inf, 1}, Inconclusive, "2 of 7 values are not finite"},
		"one sample":            {[]float64{1}, []float64{9}, Inconclusive, "one value on a side"},
		"two far apart":         {[]float64{100, 101}, []float64{200, 201}, Regressed, ""},
		"constant, same":        {five, five, Unchanged, ""},
		"constant, other":       {five, []float64{6, 6, 6}, Regressed, ""},
		"zeros":                 {zero, zero, Unchanged, ""},
		"from zero":             {zero, five, Regressed, "taken as a fact"},
		"to zero":               {five, zero, Improved, "taken as a fact"},
		"some zeros":            {[]float64{0, 1, 0, 1}, five, Inconclusive, "a ratio needs values above 0"},
		"negative":              {[]float64{-5, -5}, []float64{-5, -5}, Inconclusive, "a ratio needs values above 0"},
		"ties":                  {[]float64{1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2}, []float64{1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2}, Inconclusive, "needs"},
		"huge":                  {[]float64{1e308, 1e308, 1.1e308}, []float64{1e308, 1e308, 1.1e308}, Inconclusive, "values vary by about"},
		"tiny":                  {[]float64{5e-324, 5e-324, 5e-324}, []float64{1, 1, 1}, Regressed, ""},
		"a million":             {million, times(million, 1.02), Regressed, ""},
		"a million, the same":   {million, million, Unchanged, ""},
		"a million against 3":   {million, []float64{100, 101, 99}, Inconclusive, "needs"},
		"one outlier":           {[]float64{100, 101, 99, 100}, []float64{100, 101, 99, 500}, Inconclusive, "needs"},
		"outliers in a dozen":   {rep(12, 100, 101, 99), append(rep(11, 100, 101, 99), 9000), Inconclusive, ""},
		"few, but far apart":    {[]float64{100, 101, 99}, []float64{120, 121, 119}, Regressed, ""},
		"few, and improved":     {[]float64{120, 121, 119}, []float64{100, 101, 99}, Improved, ""},
		"significant, but tiny": {rep(40, 100, 100.2, 99.8, 100.1), rep(40, 100.8, 101, 100.6, 100.9), Unchanged, ""},
	} {
		r := compareTwo(c.base, c.head, SideOptions{})
		if name == "outliers in a dozen" { // whatever it says, not that it changed
			if r.Verdict == Regressed || r.Verdict == Improved {
				t.Errorf("%s: %s", name, r.Verdict)
			}
			continue
		}
		if r.Verdict != c.want || !strings.Contains(strings.Join(r.Warnings, "\n"), c.says) {
			t.Errorf("%s: %s %q, effect %g [%g, %g], p %g; want %s %q", name, r.Verdict, r.Warnings, r.Effect, r.Lo, r.Hi, r.P, c.want, c.says)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	unknown := CompareSides([]SidePair{{Name: "x", Unit: "widgets", Base: five, Head: []float64{9, 9, 9}}}, SideOptions{})[0]
	if unknown.Verdict != Inconclusive || !strings.Contains(unknown.Warnings[0], "which direction") {
		t.Errorf("unknown direction: %+v", unknown)
	}
}

// rep repeats values up to n.
func rep(n int, xs ...float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = xs[i%len(xs)]
	}
	return out
}

func TestSidesJSON(t *testing.T) {
	got, err := json.Marshal(compareTwo([]float64{100, 101, 99}, []float64{120, 121, 119}, SideOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(got, &m); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"name", "unit", "verdict", "effect", "lo", "hi", "p", "n_base", "n_head", "mde", "level"} {
		if _, ok := m[k]; !ok {
			t.Errorf("no key %s in %s", k, got)
		}
		delete(m, k)
	}
	if len(m) > 0 {
		t.Errorf("more keys: %v", m)
	}
	got, _ = json.Marshal(compareTwo([]float64{1}, nil, SideOptions{}))
	if want := `{"name":"B","unit":"sec/op","verdict":"inconclusive","effect":null,"lo":null,"hi":null,"p":null,"n_base":1,"n_head":0,"mde":null,"level":0.005,"warnings":["only the base has it"]}`; string(got) != want {
		t.Errorf("got %s", got)
	}
}

func bimodal(rng *rand.Rand, sd float64) float64 {
	return math.Exp(sd * (float64(2*rng.IntN(2)-1) + 0.3*rng.NormFloat64()))
}

// ar1 is noise in ln with lag-1 autocorrelation r.
func ar1(rng *rand.Rand, n int, sd, r float64) []float64 {
	xs, e := make([]float64, n), rng.NormFloat64()
	for i := range xs {
		xs[i] = math.Exp(sd * e)
		e = r*e + math.Sqrt(1-r*r)*rng.NormFloat64()
	}
	return xs
}

// Intervals hold the true ratio as often as they say, on noise as it is measured.
func TestSidesCoverage(t *testing.T) {
	const reps, ratio = 1500, 1.10
	iid := func(noise func(*rand.Rand, float64) float64) func(*rand.Rand, int) (a, b []float64) {
		return func(rng *rand.Rand, n int) (a, b []float64) {
			return values(rng, n, 1, .05, noise), values(rng, n, ratio, .05, noise)
		}
	}
	inTurns := func(rng *rand.Rand, n int) (a, b []float64) {
		for i, x := range ar1(rng, 2*n, .05, .45) {
			if (i/2+i)%2 == 0 { // ABBA
				a = append(a, x)
			} else {
				b = append(b, x*ratio)
			}
		}
		return a, b
	}
	oneAfterTheOther := func(rng *rand.Rand, n int) (a, b []float64) {
		return ar1(rng, n, .05, .45), times(ar1(rng, n, .05, .45), ratio)
	}
	for _, c := range []struct {
		name string
		draw func(*rand.Rand, int) (a, b []float64)
		ns   []int
	}{
		{"log-normal", iid(logNormal), []int{2, 3, 4, 11, 12, 40}},
		{"left-skewed", iid(leftSkewed), []int{3, 4, 11, 12, 40}},
		{"bimodal", iid(bimodal), []int{4, 11, 12, 40}},
		{"autocorrelated, in turns", inTurns, []int{4, 10, 12, 40}},
		{"autocorrelated, one after the other", oneAfterTheOther, []int{100}},
	} {
		for _, n := range c.ns {
			rng := rand.New(rand.NewPCG(uint64(n), 5))
			cover, level := 0, 0.0
			for range reps {
				a, b := c.draw(rng, n)
				r := compareTwo(a, b, SideOptions{Alpha: .05})
				level = r.Level
				if r.Lo <= ratio-1 && ratio-1 <= r.Hi {
					cover++
				}
			}
			got := float64(cover) / reps
			t.Logf("%s, %d a side: %.1f%% of %.1f%%", c.name, n, 100*got, 100*(1-level))
			if got < 1-level-3*math.Sqrt(level*(1-level)/reps) {
				t.Errorf("%s, %d a side: the interval of %.1f%% covers in %.1f%%", c.name, n, 100*(1-level), 100*got)
			}
		}
	}
}

// Without correction each comparison errs at its own level; with it the whole family does.
func TestSidesFamily(t *testing.T) {
	const families, size, alpha = 100, 25, .05
	for _, n := range []int{4, 14} {
		rng := rand.New(rand.NewPCG(11, uint64(n)))
		anyRaw, anyHolm, each := 0, 0, 0
		for range families {
			var pairs []SidePair
			for range size {
				pairs = append(pairs, SidePair{Better: runner.LowerIsBetter, Base: values(rng, n, 1, .03, logNormal), Head: values(rng, n, 1, .03, logNormal)})
			}
			// A threshold next to nothing, so that only the test is in the way.
			called := func(holm bool) (n int) {
				for _, r := range CompareSides(pairs, SideOptions{Alpha: alpha, MinEffect: 1e-9, Holm: holm}) {
					if r.Verdict != Inconclusive {
						n++
					}
				}
				return n
			}
			raw, corrected := called(false), called(true)
			each += raw
			anyRaw += min(raw, 1)
			anyHolm += min(corrected, 1)
		}
		t.Logf("%d a side: %.3f a comparison, families with an error %.2f, corrected %.3f", n, float64(each)/families/size, float64(anyRaw)/families, float64(anyHolm)/families)
		level := SideOptions{Alpha: alpha}.level(2 * n)
		if got := float64(each) / families / size; got > level+.013 {
			t.Errorf("%d a side: %.3f of the comparisons err at a level of %.3f", n, got, level)
		}
		if got := float64(anyHolm) / families; got > alpha+.065 { // three standard errors
			t.Errorf("%d a side: %.3f of the corrected families err", n, got)
		}
		if float64(anyRaw)/families < 2*level {
			t.Errorf("the uncorrected control should err in many families")
		}
	}
}

// The level is Alpha for few values and falls with the root of their number: P, interval and
// verdict go by the same one.
func TestSidesLevel(t *testing.T) {
	for n, want := range map[int]float64{2: .02, 6: .02, 8: .02, 18: .02 * 2 / 3, 32: .01, 800: .002} {
		if got := (SideOptions{Alpha: .02}).level(n); math.Abs(got-want) > 1e-12 {
			t.Errorf("%d values: level %g, want %g", n, got, want)
		}
	}
	// Between the level and Alpha nothing is called, and the interval says the same.
	rng := rand.New(rand.NewPCG(8, 8))
	between := 0
	for range 3000 {
		n := 2 + rng.IntN(10)
		r := compareTwo(values(rng, n, 1, .02, logNormal), values(rng, n, 1.03, .02, logNormal), SideOptions{Alpha: .05})
		if holds := r.logLo <= 0 && r.logHi >= 0; holds != (r.P > r.Level) && !(holds && r.log*r.shift < 0) {
			t.Fatalf("%d a side: p %.4f at %.4f, but the interval is [%.4f, %.4f]", n, r.P, r.Level, r.Lo, r.Hi)
		}
		if r.P <= .05 && r.P > r.Level {
			between++
			if r.Verdict == Regressed || r.Verdict == Improved {
				t.Fatalf("p %.4f is above the level of %.4f: %s", r.P, r.Level, r.Verdict)
			}
		}
	}
	if between < 50 {
		t.Errorf("only %d lay between the level and alpha", between)
	}
	// Ranks, too, and what a correction leaves of p.
	a, b := values(rng, 16, 1, .02, logNormal), values(rng, 16, 1.05, .02, logNormal)
	r := compareTwo(a, b, SideOptions{Alpha: .05})
	lo, hi := ratioOfMedians(sorted(logs(a)), sorted(logs(b)), .025)
	if !r.Ranks || r.logLo != lo || r.logHi != hi {
		t.Errorf("32 values at 0.05: [%g, %g], want the interval at half the level, [%g, %g]", r.logLo, r.logHi, lo, hi)
	}
	others := make([]SidePair, int(.035/r.P))
	for i := range others {
		others[i] = SidePair{Better: runner.LowerIsBetter, Base: a, Head: a}
	}
	all := append(others, SidePair{Better: runner.LowerIsBetter, Base: a, Head: b})
	if r := CompareSides(all, SideOptions{Alpha: .05, Holm: true})[len(others)]; r.P < .03 || r.P > .04 || r.Verdict != Inconclusive {
		t.Errorf("p %g after correction, at a level of %g: %s", r.P, r.Level, r.Verdict)
	}
}

func sorted(xs []float64) []float64 { slices.Sort(xs); return xs }

// A change has to be as large as the threshold both as a ratio of medians and as the shift
// that interval and p are about: two medians of three are easily further apart than the rest.
func TestSidesFar(t *testing.T) {
	base, head := []float64{100, 100, 100.8}, []float64{101, 101.6, 101.6}
	o := SideOptions{Alpha: .05}
	r := compareTwo(base, head, o)
	if r.P > r.Level || r.Lo <= 0 || r.Effect < DefaultMinEffect || r.Verdict != Inconclusive {
		t.Errorf("%+v", r)
	}
	if o.MinEffect = .01; compareTwo(base, head, o).Verdict != Regressed {
		t.Errorf("above a threshold of 1%%: %+v", compareTwo(base, head, o))
	}
}

// With as many more values as were asked for most comparisons can be told, whether there is
// an effect or none.
func TestSidesAdvice(t *testing.T) {
	for _, c := range []struct {
		n          int
		effect, sd float64
		least      float64 // share that can be told then
	}{{4, 0, .04, .6}, {15, 0, .04, .7}, {4, .06, .04, .8}, {4, .1, .04, .8}, {8, 0, .1, .3}, {8, .06, .1, .5}} {
		rng := rand.New(rand.NewPCG(3, uint64(c.n)))
		o := SideOptions{Alpha: .05, MinEffect: .03}
		told, asked := 0, 0
		for range 300 {
			a, b := values(rng, c.n, 1, c.sd, logNormal), values(rng, c.n, 1+c.effect, c.sd, logNormal)
			r := compareTwo(a, b, o)
			var n int
			if r.Verdict != Inconclusive {
				continue
			}
			if _, err := fmt.Sscanf(r.Warnings[len(r.Warnings)-1], "needs about %d more", &n); err != nil {
				continue
			}
			asked++
			if compareTwo(append(a, values(rng, n, 1, c.sd, logNormal)...), append(b, values(rng, n, 1+c.effect, c.sd, logNormal)...), o).Verdict != Inconclusive {
				told++
			}
		}
		got := float64(told) / float64(asked)
		t.Logf("%d a side, effect %g, noise %g: of %d that were advised, %.0f%% can be told", c.n, c.effect, c.sd, asked, 100*got)
		if asked < 40 || got < c.least {
			t.Errorf("%d a side, effect %g, noise %g: of %d that were advised, %d can be told", c.n, c.effect, c.sd, asked, told)
		}
	}
}

// Where only the correction for many benchmarks is in the way, the advice reckons with it: with
// one more value this one could be told alone, but not among twenty.
func TestSidesAdviceCorrected(t *testing.T) {
	clear := SidePair{Name: "x", Unit: "sec/op", Better: runner.LowerIsBetter, Base: []float64{100, 101, 99, 102}, Head: []float64{106, 107, 105, 107}}
	family := []SidePair{clear}
	for range 400 {
		family = append(family, SidePair{Unit: "sec/op", Better: runner.LowerIsBetter, Base: clear.Base, Head: clear.Base})
	}
	if r := CompareSides(family, SideOptions{})[0]; r.Verdict != Regressed {
		t.Fatalf("without a correction: %+v", r)
	}
	r, n := CompareSides(family, SideOptions{Holm: true})[0], 0
	if _, err := fmt.Sscanf(strings.Join(r.Warnings, "; "), "needs about %d more", &n); err != nil || r.Verdict != Inconclusive || n < 2 || n > 10 {
		t.Errorf("%+v", r)
	}
}

// An effect of the size of the MDE that one comparison tells is found in about four of five
// others, however few values told of the noise.
func TestSidesMDE(t *testing.T) {
	for _, n := range []int{3, 4, 8, 15, 40} {
		for _, sd := range []float64{.005, .03} {
			rng := rand.New(rand.NewPCG(4, uint64(n)))
			const reps = 600
			found := 0
			for range reps {
				mde := compareTwo(values(rng, n, 1, sd, logNormal), values(rng, n, 1, sd, logNormal), SideOptions{}).MDE
				if compareTwo(values(rng, n, 1, sd, logNormal), values(rng, n, 1+mde, sd, logNormal), SideOptions{}).Verdict == Regressed {
					found++
				}
			}
			got := float64(found) / reps
			t.Logf("%d a side, noise %g: an effect of the MDE is found in %.0f%%", n, sd, 100*got)
			if got < .72 || got > .9 {
				t.Errorf("%d a side, noise %g: an effect of the MDE is found in %.2f", n, sd, got)
			}
		}
	}
}

func BenchmarkCompareSides(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct{ pairs, n int }{{1000, 4}, {1000, 20}, {1, 1_000_000}} {
		pairs := make([]SidePair, c.pairs)
		for i := range pairs {
			pairs[i] = SidePair{Better: runner.LowerIsBetter, Base: values(rng, c.n, 1, .03, logNormal), Head: values(rng, c.n, 1, .03, logNormal)}
		}
		b.Run(fmt.Sprintf("pairs=%d/samples=%d", c.pairs, c.n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				CompareSides(pairs, SideOptions{Holm: true})
			}
		})
	}
}

// On the quantiles of a normal distribution the scale is its standard deviation, although
// values beyond 2.5 of them are pulled in; and one that is far off moves it little.
func TestHuberScale(t *testing.T) {
	const n = 20_000
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = 5 + 0.1*normalQuantile((float64(i)+0.5)/n)
	}
	if locs, s := huber(xs); math.Abs(locs[0]-5) > 1e-9 || math.Abs(s-0.1) > 1e-4 {
		t.Errorf("location %g, scale %g", locs[0], s)
	}
	xs = xs[:0]
	for i := range 40 {
		xs = append(xs, 5+0.1*normalQuantile((float64(i)+0.5)/40))
	}
	xs[39] = 1e6
	if locs, s := huber(xs); math.Abs(locs[0]-5) > 0.02 || s > 0.13 {
		t.Errorf("with an outlier: location %g, scale %g", locs[0], s)
	}
}
