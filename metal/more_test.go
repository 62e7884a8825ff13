package metal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// What is not decided is measured again, doubling what there is; what is, is not.
func TestMore(t *testing.T) {
	ws, _ := workspace(t)
	open := sh("A", `echo x >> a; echo "BenchmarkA 1 $(wc -l < a) ns/op"; echo "BenchmarkA2 1 7 ns/op"`)
	done := sh("B", `echo "BenchmarkB 1 5 ns/op"`)
	open.Rounds, done.Rounds = 3, 3
	asked := 0
	c := Config{Programs: []Program{open, done}, Next: func(b *runner.Bench) []runner.Step {
		asked++
		return stepOf(runner.More, "A")(b)
	}}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Verdict != runner.Success || asked != 3 || res.Bench.Planned != 3 {
		t.Fatalf("%s %s, asked %d times", res.Verdict, res.Reason, asked)
	}
	want := map[string][]int{"A sec/op": {3, 6, 12}, "A2 sec/op": {3, 6, 12}}
	got := map[string][]int{}
	for _, s := range res.Bench.Samples {
		if s.Looks != nil {
			got[s.Key()] = s.Looks
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, s := range res.Bench.Samples {
		n := 12
		if s.Name == "B" {
			n = 3
		}
		if len(s.Values) != n {
			t.Errorf("%s has %d values", s.Name, len(s.Values))
		}
		for i, v := range s.Values {
			if s.Name == "A" && fmt.Sprintf("%.2g", v) != fmt.Sprintf("%.2g", float64(i+1)*1e-9) {
				t.Errorf("values out of order: %v", s.Values)
			}
		}
	}
	if s := res.Bench.Settings["program A"]; !strings.HasPrefix(s, "12 rounds") {
		t.Errorf("settings %q", s)
	}
	names := map[string]bool{}
	for _, l := range res.Logs {
		if names[l.Name] {
			t.Errorf("two logs %s", l.Name)
		}
		names[l.Name] = true
	}
}

// The harness is measured again as a whole, and tells where each value came from.
func TestMoreOfTheDevice(t *testing.T) {
	ws, _ := workspace(t)
	c := Config{
		Backend: BackendCPU, Threads: []int{1}, Depths: []int{}, Rounds: 3, Processes: 1, Window: 2 * time.Millisecond, Looks: 3,
		Next: func(b *runner.Bench) []runner.Step { return slices.Repeat([]runner.Step{runner.More}, len(b.Samples)) },
	}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Bench == nil || res.Verdict != runner.Success {
		t.Fatalf("%s %s", res.Verdict, res.Reason)
	}
	for _, s := range res.Bench.Samples {
		if got := fmt.Sprint(s.Looks); got != "[3 6 12]" || len(s.Values) != 12 {
			t.Errorf("%s: looks %s, %d values", s.Key(), got, len(s.Values))
		}
	}
	for _, o := range res.Bench.Origins {
		if o.Formula == "" && fmt.Sprint(o.Rounds) != "[1 2 3 4 5 6 7 8 9 10 11 12]" {
			t.Errorf("%s: rounds %v", o.Sample, o.Rounds)
		}
	}
}

// Two programs that print the same key are two samples: what one of them gives more goes to
// its own.
func TestMoreOfOneKey(t *testing.T) {
	ws, _ := workspace(t)
	one, two := sh("A", `echo "BenchmarkX 1 1 ns/op"`), sh("B", `echo "BenchmarkX 1 2 ns/op"`)
	one.Rounds, two.Rounds = 3, 4
	c := Config{Programs: []Program{one, two}, Looks: 2, Next: func(b *runner.Bench) []runner.Step { return []runner.Step{runner.Enough, runner.More} }}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Verdict != runner.Success || len(res.Bench.Samples) != 2 {
		t.Fatalf("%s %s", res.Verdict, res.Reason)
	}
	for i, want := range []string{"A [] [1e-09 1e-09 1e-09]", "B [4 8] [2e-09 2e-09 2e-09 2e-09 2e-09 2e-09 2e-09 2e-09]"} {
		s := res.Bench.Samples[i]
		if got := fmt.Sprintf("%s %v %.3g", s.Source, s.Looks, s.Values); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Beside a base more rounds of the head are measured as without one, and the turns stay.
func TestMoreBeside(t *testing.T) {
	ws := besides(t, map[string]string{"side": "b"}, map[string]string{"side": "h"})
	p, journal := side(t, "A", `echo "BenchmarkA 1 $(cat side | wc -c) ns/op"`)
	p.Rounds = 6
	c := Config{Programs: []Program{p}, Looks: 2, Next: stepOf(runner.More, "A")}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Verdict != runner.Success || !strings.HasSuffix(res.Reason, "A gave 1 sample in 12 rounds") {
		t.Fatalf("%s %s", res.Verdict, res.Reason)
	}
	s, turns := res.Bench.Samples[0], res.Bench.Turns[0]
	if fmt.Sprint(s.Looks) != "[6 12]" || len(s.Values) != 12 || len(turns.Head) != 6 || len(turns.Base) != 6 {
		t.Errorf("looks %v, %d values, %d in turns", s.Looks, len(s.Values), len(turns.Head))
	}
	if runs := journal(); strings.Count(runs, "b") != 6 || !strings.HasSuffix(runs, "hhhhhh") {
		t.Errorf("runs: %s", runs)
	}
}

// What several measurements of a run say alike is told once.
func TestWarnings(t *testing.T) {
	var w warnings
	w.add([]string{"it is slow: A by 3 %", "it is slow: B by 4 %", "3 of 5 were lost: x"})
	w.again([]string{"it is slow: A by 5 %", "it is slow: C by 5 %", "depth 8 gave 3.1 times depth 1; why"})
	w.again([]string{"it is slow: A by 7 %", "7 of 9 were lost: y", "depth 16 gave 4.0 times depth 1; why"})
	want := []string{
		"it is slow: A by 3 %; likewise in 2 further measurements", "it is slow: B by 4 %",
		"3 of 5 were lost: x; likewise when it was measured once more",
		"depth 8 gave 3.1 times depth 1; why; likewise when it was measured once more",
	}
	if d := cmp.Diff(want, w.list()); d != "" {
		t.Error(d)
	}
	w = warnings{}
	of := []string{"pool1: the base has X, the head does not", "pool1: 2 lines were left out", "pool2: 3 lines were left out"}
	for _, text := range of { // two programs, and their comparison
		w.add([]string{text})
	}
	if d := cmp.Diff(of, w.list()); d != "" {
		t.Error(d)
	}
	ws, _ := workspace(t)
	c := Config{
		Backend: BackendCPU, Threads: []int{2}, Depths: []int{}, Rounds: 3, Processes: 1, Window: 2 * time.Millisecond, Looks: 2,
		Next: func(b *runner.Bench) []runner.Step {
			step := runner.Suspect
			if len(b.Samples[0].Values) == 3 {
				step = runner.More
			}
			return slices.Repeat([]runner.Step{step}, len(b.Samples))
		},
	}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	told := slices.DeleteFunc(slices.Clone(res.Warnings), func(s string) bool { return !strings.HasPrefix(s, "no scaling: ") })
	if len(told) != 1 || !strings.HasSuffix(told[0], "; likewise in 2 further measurements") {
		t.Errorf("%q", res.Warnings)
	}
	if !strings.HasPrefix(res.Reason, "measured 2 configurations in 6 rounds on ") {
		t.Errorf("reason %q", res.Reason)
	}
}

// What a look will take is told by what the sources took so far, each by itself.
func TestTakes(t *testing.T) {
	ws, _ := workspace(t)
	s := New(Config{
		Backend: BackendCPU, Threads: []int{1}, Depths: []int{}, Rounds: 3, Processes: 1, Window: 2 * time.Millisecond, Looks: 2,
		Programs: []Program{sh("A", `echo "BenchmarkA 1 5 ns/op"`)},
		Next:     func(b *runner.Bench) []runner.Step { return slices.Repeat([]runner.Step{runner.More}, len(b.Samples)) },
	})
	s.state = func(context.Context, bool) machine.State { return calm }
	m := &course{Stage: s, ws: ws, c: s.config, gate: s.gate(ws, s.config, nil), begin: time.Now()}
	m.first(t.Context())
	all := func() (out []time.Duration) {
		for _, device := range []bool{true, false} {
			runs := m.got.runs
			if device {
				runs = nil
			}
			now, first := m.takes(device, runs)
			out = append(out, now, first)
		}
		return out
	}
	once := all()
	if once[0] < 3*2*2*time.Millisecond || once[2] <= 0 || once[0] != once[1] || once[2] != once[3] || once[0]+once[2] > time.Since(m.begin) {
		t.Errorf("at first %v", once)
	}
	m.more(t.Context())
	twice := all()
	if len(m.errs) > 0 || twice[0] < once[0]+3*2*2*time.Millisecond || twice[2] <= once[2] || twice[1] != once[1] || twice[3] != once[3] {
		t.Errorf("then %v, %v", twice, m.errs)
	}
	if both, _ := m.takes(true, m.got.runs); both != twice[0]+twice[2] {
		t.Errorf("%v are together %s", twice, both)
	}
}

// Where one load was measured longer beside the base, further rounds of all of them are as
// many as there are of all: the time that is known is that of these.
func TestTakesOfAll(t *testing.T) {
	m := &course{Stage: New(Config{}), begin: time.Now().Add(-time.Minute), bench: &runner.Bench{Samples: []runner.Sample{
		{Name: "narrowed", Values: make([]float64, 40)}, {Name: "decided", Values: make([]float64, 10)}, {Name: "both", Values: make([]float64, 10)},
	}}}
	m.took()
	if m.harness.rounds != 10 || m.harness.took < time.Minute || m.harnessFirst != m.harness {
		t.Errorf("%+v", m.harness)
	}
	m.got.device = &harness.Report{Loads: 2, Rounds: 40, Device: harness.Device{Text: "a GPU"}}
	if text := m.text(); text != "measured 2 configurations in 10 to 40 rounds on a GPU" {
		t.Error(text)
	}
}
