package metal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-ci/holdfast/runner"
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
		Backend: BackendCPU, Threads: []int{1}, Depths: []int{}, Rounds: 3, Processes: 1, Window: 2 * time.Millisecond, Looks: 2,
		Next: func(b *runner.Bench) []runner.Step { return slices.Repeat([]runner.Step{runner.More}, len(b.Samples)) },
	}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Bench == nil || res.Verdict != runner.Success {
		t.Fatalf("%s %s", res.Verdict, res.Reason)
	}
	for _, s := range res.Bench.Samples {
		if got := fmt.Sprint(s.Looks); got != "[3 6]" || len(s.Values) != 6 {
			t.Errorf("%s: looks %s, %d values", s.Key(), got, len(s.Values))
		}
	}
	for _, o := range res.Bench.Origins {
		if o.Formula == "" && fmt.Sprint(o.Rounds) != "[1 2 3 4 5 6]" {
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
