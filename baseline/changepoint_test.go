package baseline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// levels makes a series with the given noise in ln: each level is (points, value).
func levels(rng *rand.Rand, sd float64, spec ...float64) []float64 {
	var xs []float64
	for i := 0; i < len(spec); i += 2 {
		for range int(spec[i]) {
			xs = append(xs, spec[i+1]*math.Exp(sd*rng.NormFloat64()))
		}
	}
	return xs
}

func indices(points []ChangePoint) (out []int) {
	for _, p := range points {
		out = append(out, p.Index)
	}
	return out
}

func TestChangePoints(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for name, c := range map[string]struct {
		values []float64
		want   []int // each found within 2 points
		effect float64
	}{
		"nothing":            {nil, nil, 0},
		"one point":          {[]float64{1}, nil, 0},
		"too short":          {levels(rng, 0, 7, 1, 7, 2), nil, 0},
		"constant":           {levels(rng, 0, 500, 3), nil, 0},
		"zeros":              {make([]float64, 300), nil, 0},
		"exact step":         {levels(rng, 0, 50, 100, 50, 110), []int{50}, .10},
		"step up":            {levels(rng, .02, 200, 100, 200, 110), []int{200}, .10},
		"step down":          {levels(rng, .02, 200, 100, 200, 85), []int{200}, -.15},
		"small step":         {levels(rng, .001, 200, 100, 200, 100.5), nil, 0}, // under 1 %
		"up and back":        {levels(rng, .02, 200, 100, 40, 120, 200, 100), []int{200, 240}, .20},
		"near the ends":      {levels(rng, .01, 12, 100, 300, 120, 12, 90), []int{12, 312}, .20},
		"three points off":   {levels(rng, .01, 100, 100, 3, 120, 100, 100), nil, 0},
		"noise":              {levels(rng, .10, 800, 100), nil, 0},
		"two bumps of noise": {append(levels(rng, .01, 300, 100), levels(rng, .08, 300, 100)...), nil, 0},
		"huge":               {levels(rng, .01, 100, 1e300, 100, 2e300), []int{100}, 1},
		"tiny":               {levels(rng, .01, 100, 1e-300, 100, 2e-300), []int{100}, 1},
		"negative":           {append(times(levels(rng, .01, 100, 100), -1), times(levels(rng, .01, 100, 130), -1)...), []int{100}, math.NaN()},
		"from zero":          {append(make([]float64, 100), levels(rng, .01, 100, 5)...), []int{100}, math.NaN()},
		"a ramp":             {ramp(400, 100, 100.5), nil, 0}, // ends 0.5 % up
	} {
		got := ChangePoints(c.values)
		if len(got) != len(c.want) {
			t.Errorf("%s: found %v, want %v", name, got, c.want)
			continue
		}
		for i, p := range got {
			if d := p.Index - c.want[i]; d < -2 || d > 2 || !(p.P >= 0 && p.P < .001) {
				t.Errorf("%s: found %+v, want %d", name, p, c.want[i])
			}
		}
		if len(got) > 0 && math.Abs(got[0].Effect-c.effect) > .02 || len(got) > 0 && math.IsNaN(c.effect) != math.IsNaN(got[0].Effect) {
			t.Errorf("%s: effect %g, want %g", name, got[0].Effect, c.effect)
		}
	}
}

func ramp(n int, from, to float64) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = from + (to-from)*float64(i)/float64(n-1)
	}
	return xs
}

// One outlier, however far out and wherever, is no change point and adds none.
func TestOneOutlierNeverAlarms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		sd := rapid.SampledFrom([]float64{0, 1e-6, .001, .01, .05, .2}).Draw(t, "sd")
		n := rapid.IntRange(1, 300).Draw(t, "n")
		xs := levels(rng, sd, float64(n), 100)
		before := len(ChangePoints(xs))
		at := rapid.IntRange(0, n-1).Draw(t, "at")
		xs[at] *= math.Exp(rapid.Float64Range(-40, 40).Draw(t, "by"))
		if got := ChangePoints(xs); len(got) > before {
			t.Fatalf("outlier at %d of %d: %+v", at, n, got)
		}
	})
}

// Several outliers far apart are none, either, wherever they lie and whatever they are, and in
// whatever noise: values may be counts, 0 or negative.
func TestFarOutliersNeverAlarm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5))
		n, kind := rapid.IntRange(16, 150).Draw(t, "n"), rapid.IntRange(0, 4).Draw(t, "kind")
		sd := rapid.SampledFrom([]float64{0, .001, .01, .05}).Draw(t, "sd")
		xs := levels(rng, sd, float64(n), 100)
		for i := range xs {
			switch kind {
			case 1:
				xs[i] = math.Round(xs[i])
			case 2:
				xs[i] -= 100
			case 3:
				xs[i] = float64(rng.IntN(3))
			case 4:
				xs[i] = 0
			}
		}
		before := len(ChangePoints(xs))
		for at := rapid.IntRange(0, n-1).Draw(t, "first"); at < n; at += rapid.IntRange(7, n).Draw(t, "gap") {
			xs[at] = rapid.SampledFrom([]float64{1e9, -1e9, 1e300, -1e300, 1e-300, 0, 90, 110, math.MaxFloat64}).Draw(t, "value")
		}
		if got := ChangePoints(xs); len(got) > before {
			t.Fatalf("%+v in %v", got, xs)
		}
	})
}

// Outliers neither hide a change of level nor move it, also right before and behind it.
func TestOutliersHideNothing(t *testing.T) {
	for _, out := range [][]int{{}, {22}, {17}, {22, 30}, {5, 35}, {16, 24}} {
		for _, factor := range []float64{.01, .5, 3, 1000} {
			xs := levels(rand.New(rand.NewPCG(9, 9)), .01, 20, 100, 20, 108)
			for _, i := range out {
				xs[i] *= factor
			}
			if got := indices(ChangePoints(xs)); !slices.Equal(got, []int{20}) {
				t.Errorf("outliers at %v, times %g: %v", out, factor, got)
			}
		}
	}
}

// P counts where the step could be: the same step in a history six times as long is six times
// as likely to be luck.
// A step that is not clear by itself must separate the points next to it: a level that is
// taken on by and by, back and forth, is none of that point.
func TestStepsSeparate(t *testing.T) {
	for strays, want := range map[int]int{1: 1, 5: 0} { // of the 12 points behind the step, as before it
		values := make([]float64, 60)
		for i := range values {
			level := 1.0
			if i >= 30 && (i >= 42 || i%2 == 0 || (i-30)/2 >= strays) {
				level = 1.05
			}
			values[i] = level + .01*float64(1-2*(i/2%2))
		}
		s := newSeries(values)
		bounds := []int{30}
		if score := s.score(bounds, 0); score <= leastScore || score >= clearScore {
			t.Fatalf("%d strays: a score of %.1f", strays, score)
		}
		if got := len(s.accept(bounds)); got != want {
			t.Errorf("%d strays: %d steps are kept, want %d", strays, got, want)
		}
	}
}

func TestChangePointP(t *testing.T) {
	long := levels(rand.New(rand.NewPCG(4, 4)), .01, 180, 100, 180, 104)
	a, b := ChangePoints(long), ChangePoints(long[150:210])
	if len(a) != 1 || len(b) != 1 || a[0].Index != 180 || b[0].Index != 30 || math.Abs(a[0].P/b[0].P-6) > 1e-9 {
		t.Errorf("%+v and %+v", a, b)
	}
}

// What is no clear step has to be a large one for its series: one of 2.5 % counts where that is
// all that ever happened, and not where the level once halved; a clear one counts anywhere.
func TestStepsOfASeries(t *testing.T) {
	for seed := range uint64(5) {
		small := levels(rand.New(rand.NewPCG(seed, 11)), .01, 60, 100, 60, 102.5)
		if got := indices(ChangePoints(small)); len(got) != 1 || got[0] < 56 || got[0] > 64 {
			t.Errorf("seed %d, alone: %v", seed, got)
		}
		whole := append(levels(rand.New(rand.NewPCG(seed, 12)), .01, 60, 200), small...)
		if got := indices(ChangePoints(whole)); !slices.Equal(got, []int{60}) {
			t.Errorf("seed %d, after the level halved: %v", seed, got)
		}
		clear := append(levels(rand.New(rand.NewPCG(seed, 12)), .01, 60, 200), levels(rand.New(rand.NewPCG(seed, 13)), .01, 60, 100, 60, 107)...)
		if got := indices(ChangePoints(clear)); len(got) != 2 || got[0] != 60 || got[1] < 118 || got[1] > 122 {
			t.Errorf("seed %d, a clear step after the level halved: %v", seed, got)
		}
	}
}

func TestChangePointProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		var xs []float64
		for range rapid.IntRange(1, 5).Draw(t, "levels") {
			xs = append(xs, levels(rng, rapid.Float64Range(0, .1).Draw(t, "sd"), float64(rapid.IntRange(1, 120).Draw(t, "n")), rapid.Float64Range(50, 150).Draw(t, "level"))...)
		}
		keep := slices.Clone(xs)
		got := ChangePoints(xs)
		if !slices.Equal(xs, keep) {
			t.Fatal("the series was changed")
		}
		last := 0
		for _, p := range got {
			if p.Index-last < leastLevel || len(xs)-p.Index < leastLevel {
				t.Fatalf("a level shorter than %d points: %v", leastLevel, indices(got))
			}
			last = p.Index
			if math.Abs(p.Effect) < .0099 || !(p.P >= 0 && p.P <= 1) {
				t.Fatalf("%+v counts as nothing", p)
			}
		}
		// Another unit, points that were not measured, and time backwards.
		if d := cmp.Diff(indices(got), indices(ChangePoints(times(xs, 1024)))); d != "" {
			t.Fatalf("the unit matters: %s", d)
		}
		var holes []float64
		for _, x := range xs {
			holes = append(holes, x, math.NaN())
		}
		for i, k := range indices(ChangePoints(holes)) {
			if i >= len(got) || k != 2*got[i].Index {
				t.Fatalf("holes matter: %v, %v", indices(ChangePoints(holes)), indices(got))
			}
		}
	})
}

// Quiet noise of any shape gives next to no alarms.
func TestChangePointAlarms(t *testing.T) {
	for name, c := range map[string]struct {
		draw func(rng *rand.Rand) []float64
		most float64 // alarms per 1,000 points
	}{
		"normal":         {func(rng *rand.Rand) []float64 { return levels(rng, .05, 800, 1) }, .02},
		"skewed":         {func(rng *rand.Rand) []float64 { return values(rng, 800, 1, .05, leftSkewed) }, .02},
		"bimodal":        {func(rng *rand.Rand) []float64 { return values(rng, 800, 1, .05, bimodal) }, .02},
		"autocorrelated": {func(rng *rand.Rand) []float64 { return ar1(rng, 800, .05, .45) }, .3},
	} {
		rng := rand.New(rand.NewPCG(5, 5))
		alarms, points := 0, 0
		for range 60 {
			xs := c.draw(rng)
			alarms, points = alarms+len(ChangePoints(xs)), points+len(xs)
		}
		got := 1000 * float64(alarms) / float64(points)
		t.Logf("%s: %.3f alarms per 1,000 points", name, got)
		if got > c.most {
			t.Errorf("%s: %.3f alarms per 1,000 points", name, got)
		}
	}
}

// A long series is worked in stretches, which must not show.
func TestLongSeries(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	var spec []float64
	var want []int
	for i := range 12 {
		spec = append(spec, 1500, []float64{100, 115, 85}[i%3])
		if i > 0 {
			want = append(want, i*1500)
		}
	}
	got := indices(ChangePoints(levels(rng, .03, spec...)))
	if len(got) != len(want) {
		t.Fatalf("found %v", got)
	}
	for i := range want {
		if d := got[i] - want[i]; d < -3 || d > 3 {
			t.Errorf("found %d, want %d", got[i], want[i])
		}
	}
}

// Where stretches meet nothing is found twice, and no level is too short.
func TestStretchesMeet(t *testing.T) {
	for at := stretch - 2*margin - 4; at <= stretch+4; at += margin / 4 {
		xs := levels(rand.New(rand.NewPCG(8, uint64(at))), .01, float64(at), 100, 9, 130, float64(2*stretch-at), 80)
		got := indices(ChangePoints(xs))
		if !slices.Equal(got, []int{at, at + 9}) {
			t.Errorf("steps at %d and %d: %v", at, at+9, got)
		}
	}
}

func TestReadTimeSeries(t *testing.T) {
	text := "\xef\xbb\xbfvalue,note,index,series\r\n1.5,x,2,a\n1,x,1,a\n,x,3,a\nNaN,x,4,a\nwhat,x,5,a\n7,x,1.5,a\n3\n9,x,1,a\n+Inf,x,9,a\n2,\"y,\n\",-1,\"b \"\"c\"\"\"\n"
	all, problems := ReadTimeSeries([]byte(text), "f.csv")
	want := []TimeSeries{{"a", []int64{1, 2}, []float64{1, 1.5}}, {`b "c"`, []int64{-1}, []float64{2}}}
	if d := cmp.Diff(want, all); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for i, p := range []string{`f.csv:6: the value "what"`, `f.csv:7: the index "1.5"`, "f.csv:8: 1 column, and", `f.csv:10: the value "+Inf"`, `series "a": 1 more value`} {
		if len(problems) <= i || !strings.Contains(problems[i], p) {
			t.Errorf("problem %d of %q is not %q", i, problems, p)
		}
	}
	// A quote that nothing closes costs its own line, not what comes behind.
	open := "a,1,5\n\"a,2,6\n" + strings.Repeat("a,3,7\n", 3*recordLines) + "a,4,8\n"
	all, problems = ReadTimeSeries([]byte(open), "f")
	if len(all) != 1 || !slices.Equal(all[0].Index, []int64{1, 3, 4}) || len(problems) != 2 || !strings.HasPrefix(problems[0], "f:2: ") || !strings.HasPrefix(problems[1], `f: series "a": `) {
		t.Errorf("%+v, %q", all, problems)
	}
	// So do two, neither of which can begin a field.
	stray := "a,1,1\na,2,2\"\na,3,3\na,4\",4\na,5,5\n"
	all, problems = ReadTimeSeries([]byte(stray), "f")
	if len(all) != 1 || !slices.Equal(all[0].Index, []int64{1, 3, 5}) || len(problems) != 2 || !strings.HasPrefix(problems[0], "f:2: ") || !strings.HasPrefix(problems[1], "f:4: ") {
		t.Errorf("%v, %q", all, problems)
	}
	if _, problems := ReadTimeSeries([]byte(strings.Repeat("a,b,5\n", 100)), "f"); len(problems) != maxProblems+1 || problems[maxProblems] != "f: and 80 more problems" {
		t.Errorf("%q", problems)
	}
	if all, _ := ReadTimeSeries([]byte("a,1,5\na,2,6\n"), "f"); len(all) != 1 || len(all[0].Values) != 2 {
		t.Errorf("without a header: %+v", all)
	}
}

// What was read and is written again reads the same.
func FuzzReadTimeSeries(f *testing.F) {
	f.Add("series,index,value\na,1,5\na,2,1e-300\n")
	f.Add("a,1,5\na,1,6\n\"b\n\",-3,0x1p3\n")
	f.Add("a,9223372036854775807,1\na,-9223372036854775808,2\n\",")
	f.Fuzz(func(t *testing.T, text string) {
		all, problems := ReadTimeSeries([]byte(text), "f")
		if len(problems) > maxProblems+1 {
			t.Fatalf("%d problems", len(problems))
		}
		var b strings.Builder
		b.WriteString("series,index,value\n")
		for _, s := range all {
			for i, v := range s.Values {
				if math.IsNaN(v) || math.IsInf(v, 0) || i > 0 && s.Index[i] <= s.Index[i-1] {
					t.Fatalf("%+v", s)
				}
				fmt.Fprintf(&b, "\"%s\",%d,%v\n", strings.ReplaceAll(s.Name, `"`, `""`), s.Index[i], v)
			}
			ChangePoints(s.Values)
		}
		again, problems := ReadTimeSeries([]byte(b.String()), "f")
		if d := cmp.Diff(all, again); d != "" || len(problems) > 0 {
			t.Fatalf("%q\n%s", problems, d)
		}
	})
}

func BenchmarkChangePoints(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct{ series, points int }{{175, 800}, {1, 140_000}} {
		var all [][]float64
		for range c.series {
			all = append(all, levels(rng, .03, float64(c.points/2), 100, float64(c.points/2), 104))
		}
		b.Run(fmt.Sprintf("series=%d/points=%d", c.series, c.points), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, xs := range all {
					ChangePoints(xs)
				}
			}
		})
	}
}
