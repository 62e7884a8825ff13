package baseline

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// commits draws a benchmark's earlier runs and one of a commit: rounds vary by sd, runs by
// ratio times the error that ten rounds leave, and the commit's rounds by wild times as much
// as those before.
type commits struct {
	runs  int
	ratio float64
	wild  float64
	noise func(*rand.Rand, float64) float64
	level float64 // of the commit; that of the earlier runs is 1
}

const roundNoise = 0.03

func (c commits) draw(rng *rand.Rand) (history []Past, draw func(n int) []float64) {
	between := c.ratio * roundNoise * math.Sqrt(math.Pi/2/10)
	for run := range c.runs {
		history = append(history, Past{Run: int64(run + 1), Values: map[string][]float64{
			"A ops/s": values(rng, 10, 100*logNormal(rng, between), roundNoise, c.noise),
		}})
	}
	level := 100 * c.level * logNormal(rng, between)
	return history, func(n int) []float64 { return values(rng, n, level, c.wild*roundNoise, c.noise) }
}

// of counts what comes of c against th, and how many values that took on average.
func (c commits) of(th []Threshold, looks, reps int, seed uint64) (by map[runner.Verdict]int, rounds float64) {
	rng := rand.New(rand.NewPCG(seed, uint64(c.runs)))
	by = map[runner.Verdict]int{}
	for range reps {
		history, draw := c.draw(rng)
		b := measureUntilDecided(draw, 10, looks, history, th)
		by[JudgeBench(b, history, th).Verdict]++
		rounds += float64(len(b.Samples[0].Values)) / float64(reps)
	}
	return by, rounds
}

// A commit that lies exactly on the bound, the worst case: over all looks it is called wrong,
// on either side, in hardly more than 2.5 % of runs, whatever share of the noise is between
// runs, and however many earlier runs tell it.
func TestBaselineErrorOverLooks(t *testing.T) {
	const reps = 500
	th := thresholdsOf(t, "A >= baseline - 1%")
	all, trials := 0, 0
	for name, noise := range map[string]func(*rand.Rand, float64) float64{"log-normal": logNormal, "left-skewed": leftSkewed} {
		for _, runs := range []int{3, 5, 20} {
			for _, ratio := range []float64{1, 2} { // all other shares err less
				c := commits{runs, ratio, 1, noise, .99}
				by, _ := c.of(th, 3, reps, 11)
				t.Logf("%s, %d runs, between %g: %v", name, runs, ratio, by)
				all, trials = all+by[runner.Failure]+by[runner.Success], trials+2*reps
				// 2.8 % is the worst that 10,000 repetitions show; and three standard errors.
				if most := int(.028*reps + 3*math.Sqrt(.028*reps)); by[runner.Failure] > most || by[runner.Success] > most {
					t.Errorf("%s, %d runs, between %g: %v, want at most %d", name, runs, ratio, by, most)
				}
			}
		}
	}
	rate := 100 * float64(all) / float64(trials)
	t.Logf("%.2f %% of all", rate)
	if rate > 2.8 {
		t.Errorf("on the bound %.2f %% are called wrong on either side", rate)
	}
}

// A machine that is disturbed while it measures a commit: what one look leaves open, more
// rounds decide. Where runs differ more than rounds do, nothing more is measured.
func TestBaselineMoreRounds(t *testing.T) {
	const reps = 400
	// Where only rounds vary, what earlier runs varied by is no more than the error of theirs,
	// and a commit with more rounds has less of it.
	th := thresholdsOf(t, "A >= baseline - 3%")
	even := commits{10, 0, 1, logNormal, 1}
	once, _ := even.of(th, 1, reps, 3)
	more, rounds := even.of(th, 3, reps, 3)
	t.Logf("even: %v with one look, %v with three (%.0f rounds)", once, more, rounds)
	if more[runner.Success] < reps*3/4 || once[runner.Success] > reps/2 {
		t.Errorf("even: %v with one look, %v with three", once, more)
	}
	th = thresholdsOf(t, "A >= baseline - 10%")
	for _, runs := range []int{3, 10} {
		disturbed := commits{runs, 1, 4, logNormal, 1}
		once, _ = disturbed.of(th, 1, reps, 1)
		more, rounds = disturbed.of(th, 3, reps, 1)
		t.Logf("%d runs, disturbed: %v with one look, %v with three (%.0f rounds)", runs, once, more, rounds)
		if more[runner.Error] > once[runner.Error]-reps/4 || more[runner.Failure] > reps/100 {
			t.Errorf("%d runs, disturbed: %v with one look, %v with three", runs, once, more)
		}
		restless := commits{runs, 5, 1, logNormal, 1}
		once, _ = restless.of(th, 1, reps, 2)
		more, rounds = restless.of(th, 3, reps, 2)
		t.Logf("%d runs, restless: %v with one look, %v with three (%.1f rounds)", runs, once, more, rounds)
		if runs == 10 && (rounds > 10.5 || once[runner.Error] < reps/5 || more[runner.Error] < once[runner.Error]-reps/50) {
			t.Errorf("%d runs, restless: %v with one look, %v with three and %.1f rounds", runs, once, more, rounds)
		}
	}
}

// What comes next, and what is said of it.
func TestNextAgainstBaseline(t *testing.T) {
	const key = "A ops/s"
	pasts := func(levels ...float64) (out []Past) {
		for i, l := range levels {
			out = append(out, Past{Run: int64(i + 1), Values: map[string][]float64{key: rep(10, l, l*1.01, l*.99)}})
		}
		return out
	}
	steady, restless := pasts(100, 100.5, 99.5, 100.2, 99.8), pasts(100, 110, 92, 105, 97)
	quiet, wild := rep(10, 97, 98, 96), rep(10, 97, 125, 75)
	for _, c := range []struct {
		name    string
		values  []float64
		history []Past
		want    runner.Step
		verdict runner.Verdict
		says    string
	}{
		{"rounds differ", wild, steady, runner.More, runner.Error, "against 100.0 ops/s of 5 earlier runs; more rounds alone would not tell: the change lies too close to the bound"},
		{"rounds would tell", rep(10, 94, 98, 102), steady, runner.More, runner.Error, "more rounds, for which there was no time"},
		{"runs differ", quiet, restless, runner.Enough, runner.Error, "of 5 earlier runs; more rounds would not help, since runs differ more than rounds do: runs of this benchmark vary by about 7.2% on this machine"},
		{"met", rep(10, 100, 101, 99), steady, runner.Enough, runner.Success, "0.0% ["},
		{"missed", rep(10, 80, 81, 79), steady, runner.Suspect, runner.Failure, "-20.0% ["},
		{"young, runs may differ more", quiet, steady[:1], runner.Enough, runner.Neutral, "baseline too young to tell, 1 of 3 earlier runs"},
		{"young, rounds differ more", wild, steady[:2], runner.More, runner.Neutral, "baseline too young to tell, 2 of 3 earlier runs"},
		{"none", wild, nil, runner.Enough, runner.Neutral, "no baseline yet"},
		{"no ratio", rep(10, 0, 1, 2), steady, runner.Enough, runner.Error, "needs values above 0"},
	} {
		b := &runner.Bench{Planned: 3, Samples: []runner.Sample{{Name: "A", Unit: "ops/s", Values: c.values}}}
		th := thresholdsOf(t, "A >= baseline - 4%")
		m := JudgeBench(b, c.history, th).Metrics[0]
		if got := Next(b, c.history, nil, th)[0]; got != c.want || m.Verdict != c.verdict || !strings.Contains(m.Reason, c.says) {
			t.Errorf("%s: next %v; %s: %s", c.name, got, m.Verdict, m.Reason)
		}
	}
	// What will be refused for the noise is not worth a measurement.
	b := &runner.Bench{Planned: 3, Samples: []runner.Sample{{Name: "A", Unit: "ops/s", Values: wild}}}
	noise := map[string]Noise{key: NoiseOf([]float64{.1, .1, -.1, .1, -.1})}
	for text, want := range map[string]runner.Step{"A >= baseline - 4%": runner.Enough, "A >= baseline - 40%": runner.Enough, "A >= baseline - 25%": runner.More, "A >= 97": runner.More} {
		if got := Next(b, steady, noise, thresholdsOf(t, text))[0]; got != want {
			t.Errorf("%s beside noise: next %v", text, got)
		}
	}
	// One threshold of each kind on the same values: any that is open wants more, one that is
	// missed wants the re-run.
	for texts, want := range map[string]runner.Step{
		"A >= 50, A >= baseline - 4%":                   runner.More,
		"A >= 97.5, A >= baseline - 50%":                runner.More,
		"A >= base - 4%, A >= baseline - 50%":           runner.Enough,
		"A >= 130, A >= baseline - 4%, A >= base - 10%": runner.Suspect,
	} {
		b := &runner.Bench{Planned: 3, Samples: []runner.Sample{{Name: "A", Unit: "ops/s", Values: wild}}}
		if got := Next(b, steady, nil, thresholdsOf(t, strings.Split(texts, ", ")...))[0]; got != want {
			t.Errorf("%s: next %v", texts, got)
		}
	}
}

// What was left open because runs differ stays so, whatever came later for the sake of
// another benchmark, and a verdict says by which rounds it goes.
func TestLaterLooks(t *testing.T) {
	past := func(sd float64) (out []Past) {
		for i, z := range []float64{-1.2, -.4, .1, .4, 1.1} {
			out = append(out, Past{Run: int64(i + 1), Values: map[string][]float64{"A ops/s": rep(10, 100*math.Exp(sd*z), 100*math.Exp(sd*z)*1.001)}})
		}
		return out
	}
	for _, c := range []struct {
		sd   float64
		want runner.Verdict
		says string
	}{
		{0.05, runner.Error, " in the first 10 of 40 rounds against 100.6 ops/s of 5 earlier runs; more rounds would not help"},
		{0.004, runner.Success, " in the first 20 of 40 rounds against "},
	} {
		values := append(append(rep(10, 92, 104), rep(10, 100, 101)...), rep(20, 100, 80)...)
		if c.sd > .01 {
			values = append(rep(10, 96, 96.5), rep(30, 200, 201)...)
		}
		b := &runner.Bench{Planned: 3, Samples: []runner.Sample{{Name: "A", Unit: "ops/s", Values: values, Looks: []int{10, 20, 40}}}}
		th := thresholdsOf(t, "A >= baseline - 6%")
		m := JudgeBench(b, past(c.sd), th).Metrics[0]
		if m.Verdict != c.want || !strings.Contains(m.Reason, c.says) {
			t.Errorf("%g: %s: %s", c.sd, m.Verdict, m.Reason)
		}
		if got := Next(b, past(c.sd), nil, th)[0]; got != runner.Enough {
			t.Errorf("%g: next %v", c.sd, got)
		}
	}
}

// The looks spend alpha together, also where one is the last before its time.
func TestShares(t *testing.T) {
	for _, planned := range []int{1, 2, 3, 6} {
		for last := range planned {
			sum := 0.0
			for i := range last + 1 {
				s := shareOf(i, planned, i == last)
				if sum += s.now; math.Abs(s.sofar-sum) > 1e-12 || s.now <= 0 {
					t.Errorf("%d looks, the last %d: look %d %v, so far %g", planned, last, i, s, sum)
				}
			}
			if math.Abs(sum-1) > 1e-12 {
				t.Errorf("%d looks, the last %d: %g", planned, last, sum)
			}
		}
	}
}

// Three runs that agree to the last digit are luck, not evidence.
func TestLeastSpread(t *testing.T) {
	constant := func(v float64) []float64 { return rep(10, v) }
	earlier := [][]float64{constant(100), constant(100), constant(100)}
	for v, want := range map[float64]bool{99.5: false, 98: true} {
		if c, err := Compare(constant(v), earlier); err != nil || (c.Hi < 0) != want {
			t.Errorf("%g: %+v, %v", v, c, err)
		}
	}
}

// The standard error of the median of normal values is what its interval tells, whatever the
// coverage of that is, and up to a third too much where there are few.
func TestMedianError(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, n := range []int{3, 6, 7, 8, 10, 20, 40} {
		const reps = 3000
		mean, sum, squares := 0.0, 0.0, 0.0
		for range reps {
			sorted, _ := finite(values(rng, n, 1, .01, logNormal))
			mean += medianError(sorted) / reps
			m := math.Log(median(sorted))
			sum, squares = sum+m, squares+m*m
		}
		if sd := math.Sqrt(squares/reps - sum*sum/reps/reps); mean < .9*sd || mean > 1.35*sd {
			t.Errorf("%d values: %.5f, the median varies by %.5f", n, mean, sd)
		}
	}
}
