package baseline

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
	"pgregory.net/rapid"
)

func thresholds(t testing.TB, texts ...string) []Threshold {
	var out []Threshold
	for _, s := range texts {
		th, err := ParseThreshold(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, th)
	}
	return out
}

func ops(vs ...float64) runner.Sample {
	return runner.Sample{Name: "multi-queue", Unit: "ops/s", Config: map[string]string{"queue": "shared", "threads": "8"}, Better: runner.HigherIsBetter, Values: vs}
}

// around gives n values near level, all different.
func around(level float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = level * (1 + 0.001*float64(i-n/2))
	}
	return out
}

func pasts(key string, levels ...float64) []Past {
	var out []Past
	for i, l := range levels {
		out = append(out, Past{Run: int64(i + 1), Commit: fmt.Sprint("c", i+1), Values: map[string][]float64{key: around(l, 7)}})
	}
	return out
}

func TestJudge(t *testing.T) {
	steady := []float64{1000, 1004, 997, 1001, 999}
	key := ops().Key()
	for _, c := range []struct {
		name      string
		values    []float64
		history   []Past
		threshold string
		want      runner.Verdict
		reason    string
	}{
		{"absolute met", around(1000, 7), nil, "ops/s >= 900", runner.Success, "1000 ops/s [997.0 ops/s, 1003 ops/s] in 7 rounds"},
		{"absolute missed", around(1000, 7), nil, "ops/s >= 1100", runner.Failure, "1000 ops/s"},
		{"upper bound met", around(1000, 7), nil, "ops/s < 1100", runner.Success, ""},
		{"upper bound missed", around(1000, 7), nil, "ops/s < 900", runner.Failure, ""},
		{"on the bound", around(1000, 7), nil, "ops/s >= 1000", runner.Error, "both sides of the bound; needs far more rounds"},
		{"near the bound", around(1000, 7), nil, "ops/s >= 999", runner.Error, "needs about 56 more rounds"},
		{"too few rounds", around(1000, 3), nil, "ops/s >= 900", runner.Error, "1000 ops/s in 3 rounds; needs about 3 more rounds"},
		{"one round", around(1000, 1), nil, "ops/s >= 900", runner.Error, "in 1 round; needs about 5 more rounds"},
		{"no values", nil, nil, "ops/s >= 900", runner.Error, "no values"},
		{"not a number", []float64{1, 2, math.NaN(), 4, 5, 6, 7}, nil, "ops/s >= 0", runner.Error, "1 of 7 values are not finite"},
		{"infinite", []float64{1, 2, math.Inf(1), 4, 5, 6, 7}, nil, "ops/s >= 0", runner.Error, "not finite"},
		{"constant, exactly at the bound", slices.Repeat([]float64{5}, 8), nil, "ops/s >= 5", runner.Success, ""},
		{"constant, below the bound", slices.Repeat([]float64{5}, 8), nil, "ops/s > 5", runner.Failure, ""},
		{"wrong unit", around(1000, 7), nil, "ops/s >= 6x", runner.Error, `the bound is in "x" and the sample in "ops/s"`},
		{"no match", around(1000, 7), nil, "async-gain >= 10%", runner.Error, "matched no sample"},

		{"no baseline", around(1000, 7), nil, "ops/s >= baseline - 5%", runner.Neutral, "no baseline yet"},
		{"baseline of another benchmark", around(1000, 7), pasts("other ops/s", steady...), "ops/s >= baseline - 5%", runner.Neutral, "no baseline yet"},
		{"unchanged", around(1000, 7), pasts(key, steady...), "ops/s >= baseline - 5%", runner.Success, "against 1000 ops/s of 5 earlier runs"},
		{"slower", around(800, 7), pasts(key, steady...), "ops/s >= baseline - 5%", runner.Failure, "-20.0% ["},
		{"faster", around(1300, 7), pasts(key, steady...), "ops/s >= baseline - 5%", runner.Success, "+30.0% ["},
		{"slower than an upper bound allows", around(1300, 7), pasts(key, steady...), "ops/s <= baseline + 5%", runner.Failure, ""},
		{"noisy machine", around(930, 7), pasts(key, 1000, 1100, 950, 1050, 900), "ops/s >= baseline - 5%", runner.Error, "vary by about 8.3% on this machine, which hides differences under"},
		{"a little below", around(910, 7), pasts(key, 1000, 1010, 990), "ops/s >= baseline - 5%", runner.Error, "more earlier run"},
		{"one earlier run", around(1000, 7), pasts(key, 1000), "ops/s >= baseline - 5%", runner.Success, "assuming that runs differ no more than rounds"},
		{"one earlier run, a bit slower", around(900, 7), pasts(key, 1000), "ops/s >= baseline - 5%", runner.Neutral, "baseline too young to tell, 1 of 3 earlier runs: -10.0% ["},
		{"one earlier run, far slower", around(500, 7), pasts(key, 1000), "ops/s >= baseline - 5%", runner.Failure, "-50.0%"},
		{"few rounds, one earlier run", around(1000, 2), pasts(key, 1000), "ops/s >= baseline - 5%", runner.Neutral, "1 of 3 earlier runs: 2 rounds on one side, and a verdict needs 6, before there are 3"},
		{"few rounds, many earlier runs", around(1000, 2), pasts(key, steady...), "ops/s >= baseline - 5%", runner.Success, ""},
		{"zero", []float64{0, 0, 0, 0, 0, 0, 0}, pasts(key, steady...), "ops/s >= baseline - 5%", runner.Error, "needs values above 0; this run has 0"},
		{"zero before", around(1000, 7), []Past{{Run: 1, Values: map[string][]float64{key: {0, 1, 2}}}}, "ops/s >= baseline - 5%", runner.Error, "an earlier run has 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := Judge([]runner.Sample{ops(c.values...)}, c.history, thresholds(t, c.threshold))
			m := j.Metrics[len(j.Metrics)-1]
			if m.Verdict != c.want || !strings.Contains(m.Reason, c.reason) || m.Reason == "" {
				t.Errorf("%s: %q, want %s with %q", m.Verdict, m.Reason, c.want, c.reason)
			}
			if j.Verdict != c.want || j.Reason == "" {
				t.Errorf("overall %s (%s), want %s", j.Verdict, j.Reason, c.want)
			}
		})
	}
}

func TestJudgeOverall(t *testing.T) {
	gain := runner.Sample{Name: "async-gain", Unit: "ratio", Config: map[string]string{"mode": "single"}, Values: around(0.31, 7)}
	samples := []runner.Sample{ops(around(1000, 7)...), gain}

	if j := Judge(nil, nil, thresholds(t, "ops/s > 1")); j.Verdict != runner.Error {
		t.Errorf("no samples: %s %s", j.Verdict, j.Reason)
	}
	if j := Judge(samples, nil, nil); j.Verdict != runner.Success || j.Reason != "2 benchmarks measured, no thresholds set" {
		t.Errorf("no thresholds: %s %s", j.Verdict, j.Reason)
	}
	j := Judge(samples, nil, thresholds(t, "async-gain >= 10%", "ops/s >= baseline - 5%"))
	if j.Verdict != runner.Success || j.Reason != "1 of 2 thresholds met, 1 without a settled baseline yet" {
		t.Errorf("half neutral: %s %s", j.Verdict, j.Reason)
	}
	j = Judge(samples, nil, thresholds(t, "async-gain >= 10%", "ops >= 5"))
	if j.Verdict != runner.Error || !strings.Contains(j.Hint, "async-gain, ratio, multi-queue, ops/s") || len(j.Metrics) != 3 {
		t.Errorf("unmatched: %+v", j)
	}
	j = Judge(samples, nil, thresholds(t, "async-gain >= 50%", "ops >= 5"))
	if j.Verdict != runner.Failure || !strings.HasPrefix(j.Reason, "1 of 2 thresholds missed: async-gain mode=single is +31.0%, asked >= 50%") {
		t.Errorf("failure outranks error: %s %s", j.Verdict, j.Reason)
	}

	res := runner.Result{Stage: runner.StageBench, Verdict: runner.Success}
	j.Apply(&res)
	if res.Verdict != runner.Failure || res.Reason != j.Reason || len(res.Findings) != 2 {
		t.Errorf("applied: %+v", res)
	}
	crashed := runner.Result{Stage: runner.StageBench, Verdict: runner.Error, Reason: "program crashed"}
	Judge(samples, nil, nil).Apply(&crashed)
	if crashed.Verdict != runner.Error || crashed.Reason != "program crashed" {
		t.Errorf("a success hid a crash: %+v", crashed)
	}
}

func TestServes(t *testing.T) {
	key := ops().Key()
	for _, c := range []struct {
		name      string
		values    []float64
		history   []Past
		threshold string
		want      bool
	}{
		{"no threshold", around(1000, 7), nil, "", true},
		{"no samples", nil, nil, "", false},
		{"no baseline yet", around(1000, 7), nil, "ops/s >= baseline - 5%", true},
		{"too young to tell, near", around(970, 7), pasts(key, 1000), "ops/s >= baseline - 3.1%", true},
		{"too young to tell, beyond", around(930, 7), pasts(key, 1000), "ops/s >= baseline - 5%", false},
		{"noise on the right side", around(990, 7), pasts(key, 1000, 1100, 900), "ops/s >= baseline - 5%", true},
		{"noise on the wrong side", around(940, 7), pasts(key, 1000, 1100, 900), "ops/s >= baseline - 5%", false},
		{"missed", around(500, 7), pasts(key, 1000), "ops/s >= baseline - 5%", false},
		{"inconclusive absolute", around(1000, 7), nil, "ops/s >= 1000", true},
		{"missed an absolute one", around(500, 7), nil, "ops/s >= 1000", false},
		{"missed an absolute one, as before", around(500, 7), pasts(key, 500, 510, 490), "ops/s >= 1000", false},
	} {
		var ths []Threshold
		if c.threshold != "" {
			ths = thresholds(t, c.threshold)
		}
		var samples []runner.Sample
		if c.values != nil {
			samples = []runner.Sample{ops(c.values...)}
		}
		if j := Judge(samples, c.history, ths); j.Serves() != c.want {
			t.Errorf("%s: serves %v, want %v: %+v", c.name, !c.want, c.want, j)
		}
	}
}

// A machine whose runs vary too much for its threshold still learns its noise: the
// baseline grows run by run and never locks itself out.
func TestBaselineGrows(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	ths := thresholds(t, "ops/s >= baseline - 5%")
	var history []Past
	for run := range 40 {
		s := ops(values(rng, 8, 1000*logNormal(rng, 0.05), 0.02, logNormal)...)
		j := Judge([]runner.Sample{s}, history, ths)
		if j.Verdict == runner.Failure {
			t.Errorf("run %d of unchanged code: %s", run, j.Reason)
		}
		if run < 3 && j.Verdict == runner.Error {
			t.Errorf("run %d with a young baseline: %s", run, j.Reason)
		}
		if j.Serves() {
			history = append(history, NewPast(int64(run), "", []runner.Sample{s}))
		}
	}
	if len(history) < 20 {
		t.Errorf("only %d of 40 runs serve", len(history))
	}
}

func TestJudgeOrder(t *testing.T) {
	var samples []runner.Sample
	for _, n := range []string{"16", "2", "1", "8"} {
		s := ops(around(1000, 7)...)
		s.Config = map[string]string{"queue": "shared", "threads": n}
		samples = append(samples, s)
	}
	ths := thresholds(t, "ops/s > 1", "threads > 1", "multi-queue threads=2 > 2")
	first := Judge(samples, nil, ths)
	var order []string
	for _, m := range first.Metrics {
		order = append(order, m.Config["threads"]+" "+m.Threshold)
	}
	want := []string{"1 ops/s > 1", "2 ops/s > 1", "2 multi-queue threads=2 > 2", "8 ops/s > 1", "16 ops/s > 1", " threads > 1"}
	if !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
	slices.Reverse(samples)
	if again := Judge(samples, nil, ths); !sameJSON(t, first, again) {
		t.Error("the order of the samples changes the judgement")
	}
	if twice := Judge(append(samples, samples[0]), nil, ths); len(twice.Warnings) != 1 || len(samples[0].Values) != 7 {
		t.Errorf("a benchmark measured twice: %q", twice.Warnings)
	}
}

func sameJSON(t testing.TB, a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return string(x) == string(y)
}

func TestJudgementJSON(t *testing.T) {
	j := Judge([]runner.Sample{ops(math.NaN()), {Name: "n", Unit: "x", Values: around(3, 8)}}, nil, thresholds(t, "x > 2", "ops/s > 1", "none > 1"))
	data, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	var back Judgement
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !sameJSON(t, j, back) || !math.IsNaN(back.Metrics[0].Median) || !reflect.DeepEqual(back.Metrics[1].Hi, j.Metrics[1].Hi) {
		t.Errorf("%s came back as %+v", data, back)
	}
}

// However odd the input, every metric has a verdict and a reason, JSON can hold it, and
// nothing is a success that has no values.
func TestJudgeTotal(t *testing.T) {
	odd := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1}))
	rapid.Check(t, func(t *rapid.T) {
		var samples []runner.Sample
		for range rapid.IntRange(0, 4).Draw(t, "samples") {
			samples = append(samples, runner.Sample{
				Name: rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "name"), Unit: rapid.SampledFrom([]string{"x", "ratio", ""}).Draw(t, "unit"),
				Config: map[string]string{"k": rapid.SampledFrom([]string{"1", "2"}).Draw(t, "k")},
				Values: rapid.SliceOfN(odd, 0, 12).Draw(t, "values"),
			})
		}
		var history []Past
		for i := range rapid.IntRange(0, 5).Draw(t, "runs") {
			p := Past{Run: int64(i), Values: map[string][]float64{}}
			for _, s := range samples {
				p.Values[s.Key()] = rapid.SliceOfN(odd, 0, 8).Draw(t, "earlier")
			}
			history = append(history, p)
		}
		var ths []Threshold
		for range rapid.IntRange(0, 3).Draw(t, "thresholds") {
			th := genThreshold(t)
			th.Metric, th.Config = rapid.SampledFrom([]string{"a", "b", "x", "ratio"}).Draw(t, "metric"), nil
			ths = append(ths, th)
		}
		ths = append(ths, Threshold{Metric: "a", Op: AtLeast, Relative: true, Value: -5, Suffix: "%"})
		j := Judge(samples, history, ths)
		if _, err := json.Marshal(j); err != nil {
			t.Fatal(err)
		}
		if !j.Verdict.Valid() || j.Reason == "" {
			t.Fatalf("%+v", j)
		}
		for _, m := range j.Metrics {
			if !m.Verdict.Valid() || m.Reason == "" || m.Verdict == runner.Success && (m.N == 0 || math.IsNaN(m.Median)) {
				t.Fatalf("%+v", m)
			}
			if strings.Contains(m.Reason, "NaN") || strings.Contains(m.Reason, "n/a") {
				t.Fatalf("reason %q", m.Reason)
			}
		}
	})
}

// False failures of whole runs: code that did not change, and code that sits exactly on
// the bound (the worst case), over many benchmarks at once.
func TestFalseFailures(t *testing.T) {
	const benchmarks = 12
	for _, c := range []struct {
		name      string
		threshold string
		level     float64 // of the candidate, the earlier runs have 1
		runs      int
		reps      int
		allowed   float64 // share of runs
	}{
		{"unchanged, 3 runs", "ops/s >= baseline - 5%", 1, 3, 150, 0.01},
		{"unchanged, 10 runs", "ops/s >= baseline - 5%", 1, 10, 100, 0.01},
		{"unchanged, 1 run", "ops/s >= baseline - 5%", 1, 1, 20, 0.025},
		{"on the relative bound, 5 runs", "ops/s >= baseline - 5%", 0.95, 5, 200, 0.05},
		{"on the absolute bound", "ops/s >= 1", 1, 0, 300, 0.05},
	} {
		rng := rand.New(rand.NewPCG(3, uint64(c.runs)))
		ths := thresholds(t, c.threshold)
		failed := 0
		for range c.reps {
			var samples []runner.Sample
			history := make([]Past, c.runs)
			for r := range history {
				history[r] = Past{Run: int64(r), Values: map[string][]float64{}}
			}
			for b := range benchmarks {
				s := ops()
				s.Config = map[string]string{"b": fmt.Sprint(b)}
				between := 0.03
				if c.runs == 0 {
					between = 0
				}
				s.Values = values(rng, 8, c.level*logNormal(rng, between), 0.02, logNormal)
				samples = append(samples, s)
				for _, p := range history {
					p.Values[s.Key()] = values(rng, 8, logNormal(rng, between), 0.02, logNormal)
				}
			}
			if Judge(samples, history, ths).Verdict == runner.Failure {
				failed++
			}
		}
		got := float64(failed) / float64(c.reps)
		t.Logf("%s: %.1f%% of runs over %d benchmarks fail", c.name, 100*got, benchmarks)
		if got > c.allowed {
			t.Errorf("%s: %.1f%% of runs fail, want at most %.1f%%", c.name, 100*got, 100*c.allowed)
		}
	}
}

func TestManyValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	big := values(rng, 300_000, 1000, 0.05, logNormal)
	j := Judge([]runner.Sample{ops(big...)}, []Past{{Run: 1, Values: map[string][]float64{ops().Key(): big[:150_000]}}}, thresholds(t, "ops/s >= baseline - 5%", "ops/s >= 999"))
	if j.Verdict != runner.Success {
		t.Errorf("%+v", j)
	}
}

func BenchmarkJudge(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, runs := range []int{1, 10} {
		b.Run(fmt.Sprintf("samples=50/runs=%d", runs), func(b *testing.B) {
			var samples []runner.Sample
			history := make([]Past, runs)
			for r := range history {
				history[r] = Past{Run: int64(r), Values: map[string][]float64{}}
			}
			for i := range 50 {
				s := ops(values(rng, 10, 1000, 0.02, logNormal)...)
				s.Config = map[string]string{"b": fmt.Sprint(i)}
				samples = append(samples, s)
				for _, p := range history {
					p.Values[s.Key()] = values(rng, 10, 1000, 0.02, logNormal)
				}
			}
			ths := thresholds(b, "ops/s >= baseline - 5%")
			b.ReportAllocs()
			for b.Loop() {
				Judge(samples, history, ths)
			}
		})
	}
}

func BenchmarkSummarizeMillion(b *testing.B) {
	xs := values(rand.New(rand.NewPCG(1, 2)), 1_000_000, 1000, 0.05, logNormal)
	b.ReportAllocs()
	for b.Loop() {
		Summarize(xs)
	}
}

func BenchmarkParseThreshold(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseThreshold("scaling queue=per-thread threads=8 >= baseline - 5%"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{98123.4, "ops/s", "98.12k ops/s"},
		{4927, "ops/s", "4927 ops/s"},
		{0.00124, "sec/op", "1.240 ms"},
		{3.2e-8, "sec/op", "32.00 ns"},
		{0, "sec/op", "0 s"},
		{75, "sec", "75.00 s"},
		{0.31, "ratio", "+31.0%"},
		{-0.0001, "ratio", "0.0%"},
		{7.1, "ratio", "+710%"},
		{3.918, "x", "3.92x"},
		{-2, "%", "-2.000%"},
		{1.5e13, "B", "15.00T B"},
		{math.NaN(), "x", "n/a"},
		{1e300, "B", "1e+300 B"},
		{5, "", "5.000"},
	} {
		if got := Format(c.v, c.unit); got != c.want {
			t.Errorf("%g %s: %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}
