package metal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// stepOf says that this is next for the samples with these names, and nothing for others.
func stepOf(step runner.Step, names ...string) func(*runner.Bench) []runner.Step {
	return func(b *runner.Bench) []runner.Step {
		out := make([]runner.Step, len(b.Samples))
		for i, s := range b.Samples {
			if slices.Contains(names, s.Name) {
				out[i] = step
			}
		}
		return out
	}
}

// What misses a threshold is measured once more, as often as it was, and kept apart.
func TestAgain(t *testing.T) {
	ws, _ := workspace(t)
	slow := sh("A", `echo x >> a; echo "BenchmarkA 1 $(wc -l < a) ns/op"; echo "BenchmarkA2 1 7 ns/op"`)
	fine := sh("B", `echo x >> b; echo "BenchmarkB 1 $(wc -l < b) ns/op"`)
	slow.Rounds, fine.Rounds = 3, 3
	asked := 0
	c := Config{
		Programs: []Program{slow, fine}, Looks: 2,
		Next: func(b *runner.Bench) []runner.Step {
			if asked++; asked == 1 {
				return stepOf(runner.More, "A")(b)
			}
			return stepOf(runner.Suspect, "A")(b)
		},
	}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Verdict != runner.Success || asked != 2 || !res.Bench.Confirms {
		t.Fatalf("%s %s, asked %d times", res.Verdict, res.Reason, asked)
	}
	ns := func(values []float64) (out []string) {
		for _, v := range values {
			out = append(out, fmt.Sprintf("%.0f", v*1e9))
		}
		return out
	}
	again := res.Bench.Again
	if got := fmt.Sprint(ns(again["A sec/op"]), ns(again["A2 sec/op"]), len(again)); got != "[7 8 9 10 11 12] [7 7 7 7 7 7] 2" {
		t.Errorf("again: %s", got)
	}
	for _, s := range res.Bench.Samples {
		if s.Name == "A" && fmt.Sprint(ns(s.Values)) != "[1 2 3 4 5 6]" || s.Name == "B" && len(s.Values) != 3 {
			t.Errorf("%s: %v", s.Name, ns(s.Values))
		}
	}
}

// A re-run that breaks confirms nothing, and says so; that of another program still counts.
func TestAgainBroken(t *testing.T) {
	ws, _ := workspace(t)
	bad := sh("A", `echo x >> a; test $(wc -l < a) -le 4; echo "BenchmarkA 1 5 ns/op"`)
	good := sh("B", `echo "BenchmarkB 1 5 ns/op"`)
	bad.Command[len(bad.Command)-1] = "set -e; " + bad.Command[len(bad.Command)-1]
	bad.Rounds, good.Rounds = 3, 3
	res := runner.Execute(t.Context(), New(Config{Programs: []Program{bad, good}, Next: stepOf(runner.Suspect, "A", "B")}), ws, time.Minute)
	if res.Verdict != runner.Error || !strings.Contains(res.Reason, "benchmark program A") {
		t.Errorf("%s %s", res.Verdict, res.Reason)
	}
	if len(res.Bench.Again["A sec/op"]) != 0 || len(res.Bench.Again["B sec/op"]) != 3 {
		t.Errorf("again: %v", res.Bench.Again)
	}
}

// Without time for it there is no re-run, and no further look.
func TestAgainWithoutTime(t *testing.T) {
	ws, _ := workspace(t)
	p := sh("A", `echo "BenchmarkA 1 5 ns/op"`)
	s := New(Config{Programs: []Program{p}, Next: stepOf(runner.Suspect, "A")})
	m := &course{
		Stage: s, ws: ws, c: s.config, begin: time.Now().Add(-time.Hour),
		bench: &runner.Bench{Samples: []runner.Sample{{Name: "A", Unit: "sec/op", Source: "A", Values: []float64{1}}}},
		got:   measured{runs: []*programRun{{Program: s.config.Programs[0], collected: newCollection("A")}}},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m.again(ctx)
	if w := m.weak.list(); len(w) != 1 || m.errs != nil || m.bench.Again != nil {
		t.Errorf("%q %v %v", w, m.errs, m.bench.Again)
	}
	r := m.got.runs[0]
	r.collected.rounds, m.c.Next = 3, stepOf(runner.More, "A")
	m.begin = time.Now().Add(-20 * time.Second) // three times as much, and there is a minute
	m.more(ctx)
	if r.count != 0 || m.errs != nil {
		t.Errorf("a look for which there is no time: %d rounds, %v", r.count, m.errs)
	}
}

// The built-in harness goes once more as a whole.
func TestAgainOfTheDevice(t *testing.T) {
	ws, _ := workspace(t)
	c := Config{
		Backend: BackendCPU, Threads: []int{1}, Depths: []int{}, Rounds: 3, Processes: 1, Window: 2 * time.Millisecond, Looks: 2,
		Next: func(b *runner.Bench) []runner.Step {
			step := runner.Suspect
			if len(b.Samples[0].Values) == 3 {
				step = runner.More
			}
			return append([]runner.Step{step}, make([]runner.Step, len(b.Samples)-1)...)
		},
	}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Bench == nil || res.Verdict != runner.Success {
		t.Fatalf("%s %s", res.Verdict, res.Reason)
	}
	for _, s := range res.Bench.Samples {
		again := res.Bench.Again[s.Key()]
		if len(s.Values) != 6 || len(again) != 6 || slices.Equal(s.Values, again) && !s.Derived {
			t.Errorf("%s: %v, again %v", s.Key(), s.Values, again)
		}
	}
}
