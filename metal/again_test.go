package metal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
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

// Where the time does not suffice for as many rounds as there were a re-run has those of the
// first look, and without time for these there is none, and no further look.
func TestAgainWithoutTime(t *testing.T) {
	for _, c := range []struct {
		step        runner.Step
		first, took time.Duration // of three rounds, and of six
		want        int           // rounds then
		warns       int
	}{
		{runner.Suspect, 20 * time.Second, 40 * time.Second, 6, 0},
		{runner.Suspect, 40 * time.Second, 80 * time.Second, 3, 0},
		{runner.Suspect, 80 * time.Second, 90 * time.Second, 0, 1},
		{runner.More, 10 * time.Second, 40 * time.Second, 6, 0},
		{runner.More, 20 * time.Second, 40 * time.Second, 0, 0}, // a re-run has no room behind it
	} {
		ws, _ := workspace(t)
		p := sh("A", `echo x >> a; echo "BenchmarkA 1 5 ns/op"`)
		s := New(Config{Programs: []Program{p}, Looks: 2, Next: stepOf(c.step, "A")})
		runs := buildPrograms(t.Context(), ws, s.config.Programs)
		runs[0].Rounds = 6
		s.state = func(context.Context, bool) machine.State { return calm }
		m := &course{Stage: s, ws: ws, c: s.config, gate: s.gate(ws, s.config, nil), bench: &runner.Bench{}, got: measured{runs: runs}}
		runRounds(t.Context(), ws, runs, 1, m.gate)
		m.bench.Samples = slices.Clone(runs[0].collected.samples)
		runs[0].first, runs[0].spent = effort{3, c.first}, c.took
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if c.step == runner.More {
			m.more(ctx)
		} else {
			m.again(ctx)
		}
		cancel()
		ran, _ := os.ReadFile(filepath.Join(ws.Dir, "a"))
		if got := strings.Count(string(ran), "x") - 6; got != c.want || len(m.errs) > 0 || len(m.weak.list()) != c.warns || len(m.bench.Again["A sec/op"]) != c.want*int(c.step-runner.More) {
			t.Errorf("%v: %d rounds, %v, %q, again %v", c, got, m.errs, m.weak.list(), m.bench.Again)
		}
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
