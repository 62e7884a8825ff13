package agent

import (
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/runner"
)

// Only what changes the measurement may separate baselines, and all of it must.
func TestBenchSettings(t *testing.T) {
	base := config.Bench{Backend: "cpu", Threads: []int{1, 2}, Rounds: 7, Programs: []config.BenchProgram{{Name: "p", Command: []string{"a"}}}}
	same := base
	same.Limit, same.Seed = time.Hour, 7
	same.Programs = []config.BenchProgram{{Name: "p", Command: []string{"a"}, Limit: time.Minute}}
	if benchSettings(base) != benchSettings(same) {
		t.Error("a limit or a seed changed the key")
	}
	if base.Programs[0].Limit != 0 || same.Programs[0].Limit != time.Minute {
		t.Error("the settings themselves were changed")
	}
	for name, change := range map[string]func(*config.Bench){
		"rounds":  func(b *config.Bench) { b.Rounds = 8 },
		"threads": func(b *config.Bench) { b.Threads = []int{1, 4} },
		"window":  func(b *config.Bench) { b.Window = time.Second },
		"latency": func(b *config.Bench) { b.Latency = time.Second },
		"command": func(b *config.Bench) { b.Programs = []config.BenchProgram{{Name: "p", Command: []string{"b"}}} },
	} {
		other := base
		change(&other)
		if benchSettings(base) == benchSettings(other) {
			t.Errorf("another %s has the same key", name)
		}
	}
}

func TestFileName(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"pool", "a/b", "a_b", "a b", "..", ".", "../x", "ä", "A"} {
		got := fileName(name)
		if got == "" || got == "." || got == ".." || got[0] == '.' {
			t.Errorf("%q became %q", name, got)
		}
		for _, r := range got {
			if r == '/' || r > 126 {
				t.Errorf("%q became %q", name, got)
			}
		}
		if other, dup := seen[got]; dup {
			t.Errorf("%q and %q both became %q", name, other, got)
		}
		seen[got] = name
	}
}

// A baseline belongs to the machine that measured, wherever the report is made.
func TestMeasuredOn(t *testing.T) {
	here, bench, build := runner.Machine{Class: "here"}, runner.Machine{Class: "bench"}, runner.Machine{Class: "build"}
	for _, tt := range []struct {
		stages []runner.Result
		want   string
	}{
		{nil, "here"},
		{[]runner.Result{{Stage: runner.StageProofs}}, "here"},
		{[]runner.Result{{Stage: runner.StageProofs, Machine: build}}, "build"},
		{[]runner.Result{{Stage: runner.StageBench, Machine: bench}, {Stage: runner.StageChecks, Machine: build}}, "bench"},
	} {
		if got := measuredOn(&runner.Run{Stages: tt.stages}, here); got.Class != tt.want {
			t.Errorf("%+v: %s, want %s", tt.stages, got.Class, tt.want)
		}
	}
}
