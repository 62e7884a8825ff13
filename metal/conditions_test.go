package metal

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

var calm = machine.State{Power: "mains", Mode: "normal", Speed: -1, GPU: -1, Load: math.NaN(), Displays: -1}

// under runs the stage on a machine whose state is asked for; n counts from 1.
func under(t *testing.T, c Config, state func(n int) machine.State) runner.Result {
	t.Helper()
	s := New(c)
	n := 0
	s.state = func(context.Context, bool) machine.State { n++; return state(n) }
	s.caffeinate = ""
	ws, _ := workspace(t)
	return runner.Execute(t.Context(), s, ws, time.Minute)
}

// TestChangedMachine: what was measured across a change of the machine is nobody's fault,
// and nothing to compare with.
func TestChangedMachine(t *testing.T) {
	device := quick()
	programs := Config{Programs: []Program{sh("p", `echo "BenchmarkX 1 5 ns/op"`)}}
	for name, c := range map[string]Config{"device": device, "programs": programs} {
		res := under(t, c, func(n int) machine.State {
			st := calm
			if n > 3 {
				st.Power = "battery"
			}
			return st
		})
		want := "not comparable: the power source changed from mains to battery during the run"
		if res.Verdict != runner.Neutral || res.Reason != want || len(res.Bench.Samples) > 0 || len(res.Findings) > 0 {
			t.Errorf("%s: %s: %s, %d samples", name, res.Verdict, res.Reason, len(res.Bench.Samples))
		}
		if res.Bench.Observed["conditions before"] != "mains; normal; thermal pressure nominal" {
			t.Errorf("%s: settings %v", name, res.Bench.Settings)
		}
	}
}

// TestProgramsUnderConditions: a turn across heat is taken again; always hot is an error.
func TestProgramsUnderConditions(t *testing.T) {
	p := sh("p", `echo x >> turns; echo "BenchmarkX 1 $(wc -l < turns) ns/op"`)
	c := Config{Programs: []Program{p}, Conditions: ConditionsRequire}
	// Asked before the run and around the first turn, which ends hot.
	res := under(t, c, func(n int) machine.State {
		st := calm
		if n == 3 {
			st.Throttled, st.Ticks = 1, 1
		} else {
			st.Ticks = 1
		}
		return st
	})
	if res.Verdict != runner.Success || len(res.Bench.Samples) != 1 {
		t.Fatalf("%s: %s", res.Verdict, res.Reason)
	}
	if v := res.Bench.Samples[0].Values; len(v) != 2 || v[0] != 2e-9 || v[1] != 3e-9 {
		t.Errorf("values %v: the first turn does not count", v)
	}
	if res.Bench.Settings["conditions"] != "enforced" {
		t.Errorf("settings %v", res.Bench.Settings)
	}
	res = under(t, c, func(n int) machine.State {
		st := calm
		st.Throttled, st.Ticks = uint64(n), 1
		return st
	})
	if res.Verdict != runner.Error || res.Reason != "benchmark program p: round 1: conditions: the processor was slowed for heat" || len(res.Bench.Samples) > 0 {
		t.Errorf("%s: %s", res.Verdict, res.Reason)
	}
	c.Conditions = ConditionsTell
	res = under(t, c, func(n int) machine.State {
		st := calm
		st.Pressure = 2
		return st
	})
	if res.Verdict != runner.Success || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "thermal pressure is heavy") {
		t.Errorf("%s: %s, warnings %q", res.Verdict, res.Reason, res.Warnings)
	}
	c.Conditions = "perhaps"
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), `conditions "perhaps"`) {
		t.Error(err)
	}
}

// TestKeptAwake: the stand-in for caffeinate lives as long as the measurement.
func TestKeptAwake(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "caffeinate")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho $$ > "+dir+"/pid\nexec sleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	// A program sees it alive.
	p := sh("p", `i=0; until [ -s `+dir+`/pid ] || [ $i = 100 ]; do sleep 0.05; i=$((i+1)); done; kill -0 $(cat `+dir+`/pid) && echo "BenchmarkX 1 5 ns/op"`)
	s := New(Config{Programs: []Program{p}})
	s.caffeinate = program
	ws, _ := workspace(t)
	res := runner.Execute(t.Context(), s, ws, time.Minute)
	if res.Verdict != runner.Success || res.Bench.Settings["kept awake by"] != "caffeinate -dims" {
		t.Errorf("%s: %s, settings %v", res.Verdict, res.Reason, res.Bench.Settings)
	}
	pid, err := os.ReadFile(dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); err == nil {
		t.Error("it outlives the run")
	}
}
