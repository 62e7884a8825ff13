package metal

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// Beside a base whose kernel is the same the harness is not run, and what else there is, is.
func TestHarnessUnaffected(t *testing.T) {
	ws := besides(t, nil, map[string]string{"README.md": "words"})
	c := Config{Backend: BackendCPU, Threads: []int{1, 2}, Depths: []int{1, 2}, Rounds: 3, Processes: 1, Window: 2 * time.Millisecond}
	res := runner.Execute(t.Context(), New(c), ws, time.Minute)
	want := "harness cpu is unaffected and was not run (the built-in kernel depends on no file of the commit)"
	if res.Verdict != runner.Neutral || res.Reason != want || len(res.Bench.Unaffected) != 1 || res.Bench.Base != ws.Beside.Commit.SHA {
		t.Errorf("%s %s: %+v", res.Verdict, res.Reason, res.Bench)
	}
	names := res.Bench.Unaffected[0].Names

	p, _ := side(t, "A", `echo "BenchmarkA 1 5 ns/op"`)
	c.Programs = []Program{p}
	ws = besides(t, map[string]string{"side": "b"}, map[string]string{"side": "h"})
	res = runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Verdict != runner.Success || !strings.HasPrefix(res.Reason, want+"; A gave 1 sample") || len(res.Bench.Samples) != 1 || len(res.Bench.Turns) != 1 {
		t.Errorf("with a program: %s %s", res.Verdict, res.Reason)
	}

	c.Programs, c.Always = nil, true
	res = runner.Execute(t.Context(), New(c), ws, time.Minute)
	if res.Verdict != runner.Success || len(res.Bench.Unaffected) > 0 {
		t.Errorf("measured all the same: %s %s", res.Verdict, res.Reason)
	}
	// What it would have given is what it gives.
	gave := map[string]bool{}
	for _, s := range res.Bench.Samples {
		gave[s.Name], gave[s.Unit] = true, true
	}
	if got := slices.Sorted(maps.Keys(gave)); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
		t.Errorf("gave %q, promised %q", got, names)
	}
}

// A kernel of the commit decides, whatever else changed; what cannot be read does not excuse.
func TestKernelUnaffected(t *testing.T) {
	one, two := "kernel void k(device float* d [[buffer(0)]]) {}", "kernel void k(device float* d [[buffer(0)]]) { }"
	for name, test := range map[string]struct {
		base, head map[string]string
		want       bool
	}{
		"the same":    {map[string]string{"k.metal": one, "a": "1"}, map[string]string{"k.metal": one, "a": "2"}, true},
		"changed":     {map[string]string{"k.metal": one}, map[string]string{"k.metal": two}, false},
		"new":         {nil, map[string]string{"k.metal": one}, false},
		"removed":     {map[string]string{"k.metal": one}, nil, false},
		"in neither":  {nil, nil, false},
		"refused":     {map[string]string{"k.metal": "#include \"a.h\"\n" + one}, map[string]string{"k.metal": "#include \"a.h\"\n" + one}, false},
		"another one": {map[string]string{"k.metal": one, "o.metal": one}, map[string]string{"k.metal": one, "o.metal": two}, true},
	} {
		ws := besides(t, test.base, test.head)
		c := Config{Backend: BackendMetal, Kernel: "k.metal", Function: "k"}.filled()
		u := c.unaffected(ws)
		if (u != nil) != test.want || u != nil && u.Reason != "kernel k.metal the same in base and head" {
			t.Errorf("%s: %+v", name, u)
		}
		c.Always = true
		if c.unaffected(ws) != nil {
			t.Errorf("%s: always", name)
		}
		c.Always, ws.Beside = false, nil
		if c.unaffected(ws) != nil {
			t.Errorf("%s: without a base", name)
		}
	}
}
