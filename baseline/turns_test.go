package baseline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/runner"
)

// measuring stands for a stage that measures base and head in turns.
type measuring struct {
	rng   *rand.Rand
	noise func(*rand.Rand, int) []float64 // of that many runs one after the other
	ratio float64                         // head/base
}

func (m measuring) blocks(n int) (base, head []float64) {
	xs := m.noise(m.rng, 4*n)
	for i := 0; i < len(xs); i += 4 {
		a, b := []float64{xs[i], xs[i+3]}, []float64{xs[i+1], xs[i+2]}
		if m.rng.IntN(2) == 0 {
			a, b = b, a
		}
		base, head = append(base, a...), append(head, b[0]*m.ratio, b[1]*m.ratio)
	}
	return base, head
}

// run measures as the bench stage does: look by look, and what is suspect again.
func (m measuring) run(n int, thresholds []Threshold) []runner.Turns {
	all := make([]runner.Turns, n)
	blocks := make([]int, n)
	for i := range all {
		all[i] = runner.Turns{Name: fmt.Sprint("B", i), Unit: "sec/op", Better: runner.LowerIsBetter, Looks: []int{3, 6, 12}}
	}
	open := func(int) bool { return true }
	for _, look := range all[0].Looks {
		for i := range all {
			if open(i) {
				b, h := m.blocks(look - blocks[i])
				all[i].Base, all[i].Head = append(all[i].Base, b...), append(all[i].Head, h...)
				blocks[i] = look
			}
		}
		steps := Steps(all, thresholds)
		open = func(i int) bool { return steps[i] == runner.More }
	}
	for i, step := range Steps(all, thresholds) {
		if step == runner.Suspect {
			all[i].BaseAgain, all[i].HeadAgain = m.blocks(blocks[i])
		}
	}
	return all
}

func thresholdsOf(t *testing.T, texts ...string) (out []Threshold) {
	for _, text := range texts {
		th, err := ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, th)
	}
	return out
}

func benchOf(all []runner.Turns) *runner.Bench {
	b := &runner.Bench{Base: "b", Turns: all}
	for _, r := range all {
		b.Samples = append(b.Samples, runner.Sample{Name: r.Name, Unit: r.Unit, Better: r.Better, Values: r.Head})
	}
	return b
}

var noises = map[string]func(*rand.Rand, int) []float64{
	"log-normal":     func(rng *rand.Rand, n int) []float64 { return values(rng, n, 1, .03, logNormal) },
	"left-skewed":    func(rng *rand.Rand, n int) []float64 { return values(rng, n, 1, .03, leftSkewed) },
	"bimodal":        func(rng *rand.Rand, n int) []float64 { return values(rng, n, 1, .03, bimodal) },
	"autocorrelated": func(rng *rand.Rand, n int) []float64 { return ar1(rng, n, .03, .45) },
	"disturbed": func(rng *rand.Rand, n int) []float64 {
		xs := values(rng, n, 1, .01, logNormal)
		for i := range xs {
			if rng.Float64() < .02 {
				xs[i] *= math.Exp(math.Abs(rng.NormFloat64()) * .5) // something else ran
			}
		}
		return xs
	},
	"drifting": func(rng *rand.Rand, n int) []float64 {
		xs := values(rng, n, 1, .01, logNormal)
		for i := range xs {
			xs[i] *= 1 + .3*float64(i)/float64(n) // the machine gets 30 % slower
		}
		return xs
	},
}

// A change that lies exactly on the bound is the worst case: over all looks together it is
// suspect in at most 2.5 % of runs on either side, and red, which needs the repetition, in
// next to none.
func TestErrorOverLooks(t *testing.T) {
	for name, noise := range noises {
		m := measuring{rand.New(rand.NewPCG(1, 1)), noise, 1.05}
		th := thresholdsOf(t, "sec/op <= base + 5%")
		const reps = 1000
		suspect, red, green, ends := 0, 0, 0, map[int]int{}
		for range reps {
			all := m.run(1, th)
			ends[len(all[0].Base)/2]++
			if len(all[0].BaseAgain) > 0 {
				suspect++
			}
			switch JudgeBench(benchOf(all), nil, th).Verdict {
			case runner.Failure:
				red++
			case runner.Success:
				green++
			}
		}
		t.Logf("%s: suspect %.2f%%, red %.2f%%, green %.2f%%, blocks %v", name, 100*float64(suspect)/reps, 100*float64(red)/reps, 100*float64(green)/reps, ends)
		const slack = 3 * .0049 // three standard errors
		if float64(suspect)/reps > alpha+slack || float64(green)/reps > alpha+slack {
			t.Errorf("%s: suspect in %.4f of runs, green in %.4f", name, float64(suspect)/reps, float64(green)/reps)
		}
		if float64(red)/reps > .006 {
			t.Errorf("%s: red in %.4f of runs", name, float64(red)/reps)
		}
	}
}

// A machine on which something else runs now and then does not hide that nothing changed,
// nor that something did.
func TestDisturbedBlocks(t *testing.T) {
	th := thresholdsOf(t, "sec/op <= base + 5%")
	const reps = 500
	by := map[runner.Verdict]int{}
	found := 0
	rng := rand.New(rand.NewPCG(9, 9))
	for range reps {
		same, slower := measuring{rng, noises["disturbed"], 1}, measuring{rng, noises["disturbed"], 1.10}
		by[JudgeBench(benchOf(same.run(1, th)), nil, th).Verdict]++
		if JudgeBench(benchOf(slower.run(1, th)), nil, th).Verdict == runner.Failure {
			found++
		}
	}
	t.Logf("of %d: unchanged %v, 10 %% slower red in %d", reps, by, found)
	// With means in the place of M-estimates it was 88 % and 66 %.
	if by[runner.Failure] > 0 || by[runner.Success] < reps*92/100 || found < reps*70/100 {
		t.Errorf("of %d: unchanged %v, 10 %% slower red in %d", reps, by, found)
	}
}

// Twenty benchmarks without a change: the run is hardly ever suspect, and never red. One
// that is 10 % slower is found.
func TestFamilyOverLooks(t *testing.T) {
	th := thresholdsOf(t, "sec/op <= base + 3%")
	suspect, red, found := 0, 0, 0
	const reps = 60
	m := measuring{rand.New(rand.NewPCG(2, 2)), noises["log-normal"], 1.03} // on the bound
	worse := measuring{m.rng, m.noise, 1.10}
	for range reps {
		all := m.run(20, th)
		for _, r := range all {
			if len(r.BaseAgain) > 0 {
				suspect++
			}
		}
		if JudgeBench(benchOf(all), nil, th).Verdict == runner.Failure {
			red++
		}
		if JudgeBench(benchOf(worse.run(1, th)), nil, th).Verdict == runner.Failure {
			found++
		}
	}
	t.Logf("of %d runs: %d suspect, %d red; 10 %% slower found in %d", reps, suspect, red, found)
	if suspect > 7 || red > 1 || found < 50 {
		t.Errorf("of %d runs: %d suspect, %d red; 10 %% slower found in %d", reps, suspect, red, found)
	}
}

// What makes a benchmark suspect at a look is both what that look may spend and the number of
// comparisons: what one benchmark alone would show is not enough among four.
func TestSuspectAmongMany(t *testing.T) {
	th := thresholdsOf(t, "sec/op <= base + 5%")
	r := runner.Turns{Unit: "sec/op", Better: runner.LowerIsBetter, Looks: []int{3, 6, 12}}
	const s = .005 // of the blocks; their mean lies 12 standard errors beyond the bound, with 2 degrees of freedom
	for _, z := range []float64{-1, 0, 1} {
		d := math.Exp(math.Log(1.05) + 12*s/math.Sqrt(3) + z*s)
		r.Base, r.Head = append(r.Base, 1, 1), append(r.Head, d, d)
	}
	for n, want := range map[int]runner.Step{1: runner.Suspect, 4: runner.More} {
		var all []runner.Turns
		for i := range n {
			r.Name = fmt.Sprint(i)
			all = append(all, r)
		}
		if got := Steps(all, th); got[0] != want {
			t.Errorf("among %d: step %v, want %v", n, got[0], want)
		}
	}
}

func TestSpent(t *testing.T) {
	for _, looks := range [][]int{{3}, {3, 6, 12}, {5, 10, 20, 40}} {
		sum := 0.0
		for _, n := range looks {
			sum += spent(looks, n)
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("looks %v spend %g of alpha", looks, sum)
		}
	}
	if got := spent([]int{3, 6, 12}, 5); got != .25 {
		t.Errorf("between two looks %g", got)
	}
}

func TestTurnsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 2 * rapid.IntRange(3, 15).Draw(t, "blocks")
		a, b := positive(n, n).Draw(t, "a"), positive(n, n).Draw(t, "b")
		ab, err1 := compareTurns(a, b, .01)
		ba, err2 := compareTurns(b, a, .01)
		scaled, err3 := compareTurns(times(a, 1024), times(b, 1024), .01)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-9*(1+math.Abs(x)) }
		if !near(ab.log, -ba.log) || !near(ab.logLo, -ba.logHi) || !near(ab.logLo, scaled.logLo) {
			t.Fatalf("%+v %+v %+v", ab, ba, scaled)
		}
		// The order of blocks does not matter.
		k := 2 * rapid.IntRange(0, n/2-1).Draw(t, "k")
		rotated, err := compareTurns(append(append([]float64{}, a[k:]...), a[:k]...), append(append([]float64{}, b[k:]...), b[:k]...), .01)
		if err != nil || !near(ab.logLo, rotated.logLo) {
			t.Fatalf("%+v %+v", ab, rotated)
		}
	})
}

func TestJudgeBase(t *testing.T) {
	flat := func(n int, v float64) []float64 { return rep(n, v, v*1.001, v*.999) }
	turns := func(head float64, again ...float64) runner.Turns {
		r := runner.Turns{Name: "A", Unit: "sec/op", Better: runner.LowerIsBetter, Source: "p", Base: flat(12, 100), Head: flat(12, head), Looks: []int{6, 12}}
		for _, a := range again {
			r.BaseAgain, r.HeadAgain = flat(12, 100), flat(12, a)
		}
		return r
	}
	loose := func(r runner.Turns, first, again []int) runner.Turns {
		r.Unsettled, r.UnsettledAgain = first, again
		return r
	}
	sample := runner.Sample{Name: "A", Unit: "sec/op", Source: "p", Values: flat(12, 100)}
	th := "A <= base + 5%"
	for name, c := range map[string]struct {
		bench     runner.Bench
		threshold string
		want      runner.Verdict
		reason    string
	}{
		"same":          {runner.Bench{Base: "b", Turns: []runner.Turns{turns(100)}}, th, runner.Success, "0.0% ["},
		"confirmed":     {runner.Bench{Base: "b", Turns: []runner.Turns{turns(120, 119)}}, th, runner.Failure, "in 6 blocks in turns with the base, and +19.0% ["},
		"not confirmed": {runner.Bench{Base: "b", Turns: []runner.Turns{turns(120, 100)}}, th, runner.Error, "which does not confirm it"},
		"not repeated":  {runner.Bench{Base: "b", Turns: []runner.Turns{turns(120)}}, th, runner.Error, "there was no re-run"},
		"unsettled":     {runner.Bench{Base: "b", Turns: []runner.Turns{loose(turns(120, 119), []int{0, 1, 2, 3}, nil)}}, th, runner.Error, "but the warm-up before 4 of 6 blocks did not settle"},
		"mostly so":     {runner.Bench{Base: "b", Turns: []runner.Turns{loose(turns(120, 119), []int{0, 4}, []int{1})}}, th, runner.Failure, "in 6 blocks in turns with the base, and +19.0% ["},
		"again not":     {runner.Bench{Base: "b", Turns: []runner.Turns{loose(turns(120, 119), nil, []int{0, 1, 2, 3, 4, 5})}}, th, runner.Error, "but the warm-up before 6 of 6 blocks did not settle"},
		"green":         {runner.Bench{Base: "b", Turns: []runner.Turns{loose(turns(100), []int{0, 1, 2, 3, 4, 5}, nil)}}, th, runner.Success, "0.0% ["},
		"new kernel":    {runner.Bench{Base: "b", New: map[string]string{"p": "the base has no k.metal"}}, th, runner.Neutral, "new: the base has no k.metal"},
		"on the bound":  {runner.Bench{Base: "b", Turns: []runner.Turns{turns(105)}}, th, runner.Error, "could not tell"},
		"higher":        {runner.Bench{Base: "b", Turns: []runner.Turns{turns(80)}}, "A >= base - 5%", runner.Error, "was not confirmed"},
		"no base":       {runner.Bench{}, th, runner.Neutral, "no base was measured"},
		"base broken":   {runner.Bench{Base: "b", Untold: map[string]string{"p": "the base: exit code 1"}}, th, runner.Error, "could not tell: the base: exit code 1"},
		"new":           {runner.Bench{Base: "b", Turns: []runner.Turns{{Name: "Z", Unit: "sec/op", Source: "p"}}}, th, runner.Neutral, "new: the base does not have it"},
		"harness":       {runner.Bench{Base: "b"}, th, runner.Neutral, "not measured on the base"},
		"zero":          {runner.Bench{Base: "b", Turns: []runner.Turns{{Name: "A", Unit: "sec/op", Source: "p", Base: make([]float64, 12), Head: flat(12, 1)}}}, th, runner.Error, "above 0"},
		"few":           {runner.Bench{Base: "b", Turns: []runner.Turns{{Name: "A", Unit: "sec/op", Source: "p", Base: flat(4, 1), Head: flat(4, 1)}}}, th, runner.Error, "2 blocks, and a comparison needs 3"},
		"NaN":           {runner.Bench{Base: "b", Turns: []runner.Turns{{Name: "A", Unit: "sec/op", Source: "p", Base: flat(12, math.NaN()), Head: flat(12, math.Inf(1))}}}, th, runner.Error, "could not tell"},
		"unaffected":    {runner.Bench{Base: "b", Unaffected: []runner.Unaffected{{Program: "q", Reason: "the executable"}}}, "Q <= base + 5%", runner.Neutral, "unaffected: q was not run (the executable)"},
		"nowhere":       {runner.Bench{Base: "b"}, "Q <= base + 5%", runner.Error, "matched no sample"},
	} {
		c.bench.Samples = []runner.Sample{sample}
		j := JudgeBench(&c.bench, nil, thresholdsOf(t, c.threshold))
		i := 0
		for j.Metrics[i].Threshold == "" {
			i++
		}
		if m := j.Metrics[i]; m.Verdict != c.want || !strings.Contains(m.Reason, c.reason) || j.Verdict != c.want {
			t.Errorf("%s: %s %q, in all %s; want %s %q", name, m.Verdict, m.Reason, j.Verdict, c.want, c.reason)
		}
	}
	// Blocks that are not settled are worth more of them, as long as there may be.
	r := loose(turns(120), []int{0, 1, 2, 3, 4, 5}, nil)
	if step := Steps([]runner.Turns{r}, thresholdsOf(t, th))[0]; step != runner.More {
		t.Errorf("not settled: step %d", step)
	}
	r.Looks = []int{6}
	if step := Steps([]runner.Turns{r}, thresholdsOf(t, th))[0]; step != runner.Enough {
		t.Errorf("not settled at the last look: step %d", step)
	}
	// Nothing had to be run at all.
	j := JudgeBench(&runner.Bench{Base: "b", Unaffected: []runner.Unaffected{{Program: "q"}}}, nil, thresholdsOf(t, "Q <= base + 5%"))
	if j.Verdict != runner.Neutral {
		t.Errorf("all unaffected: %s %s", j.Verdict, j.Reason)
	}
	if j = JudgeBench(&runner.Bench{Base: "b", Unaffected: []runner.Unaffected{{Program: "q"}}}, nil, nil); j.Verdict != runner.Neutral {
		t.Errorf("all unaffected, no threshold: %s %s", j.Verdict, j.Reason)
	}
}
