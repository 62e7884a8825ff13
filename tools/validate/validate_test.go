package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/metal/cpu"
	"github.com/holdfast-ci/holdfast/metal/cuda"
	"github.com/holdfast-ci/holdfast/metal/harness"
)

// TestMain is also the process that measures, on a device that needs no GPU.
func TestMain(m *testing.M) {
	own := func() (harness.Backend, error) {
		b, err := cpu.Open(cpu.Model{Submit: 50 * time.Microsecond, Execute: 20 * time.Microsecond})
		return spoken{b}, err
	}
	if code, ok := metal.Child(os.Args, own); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// TestStage: the driver as installed is measured by the bench stage, through the device
// that this program brings along.
func TestStage(t *testing.T) {
	s := settings{
		Options: cuda.Options{Library: cuda.Library},
		Threads: []int{1}, Depths: []int{1, 4}, Elements: 10, Iterations: 1, Window: 10 * time.Millisecond, Processes: 1, Rounds: 3,
	}
	b, err := s.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.Device, "CPU model") || len(b.Samples) < 3 {
		t.Errorf("%q, %d samples", b.Device, len(b.Samples))
	}
}

// TestTurns: base and head go through the bench stage, each with its own number of
// iterations, and every load is judged; the figures of this machine say nothing.
func TestTurns(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: base and head are not measured in turns through the stage, a minute with the race detector; package metal tests the turns")
	}
	s := settings{Elements: 10, Iterations: 3, Window: 2 * time.Millisecond, Processes: 1, Rounds: 3}
	var out bytes.Buffer
	trials, err := inTurns(t.Context(), &out, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n| the same | "); n != 2*5 || strings.Count(out.String(), "\n| slowed | ") != n {
		t.Errorf("%s", out.String())
	}
	for i, x := range trials {
		if want := 3 + i%2*3; x.Iterations != want || len(x.Turns) == 0 || len(x.Turns[0].Base) < 6 {
			t.Errorf("%d iterations, want %d; %d turns", x.Iterations, want, len(x.Turns))
		}
	}
}

// TestDetect: a slowed kernel and the same one are judged against a baseline through the
// bench stage, with its looks and its re-run.
func TestDetect(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: ten runs are not measured through the stage; package metal tests its looks")
	}
	s := settings{Options: cuda.Options{Library: cuda.Library}, Elements: 10, Iterations: 3, Window: 2 * time.Millisecond, Processes: 1, Rounds: 3}
	var out bytes.Buffer
	trials, err := detection(t.Context(), &out, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n| the same | "); n != tries*5 || strings.Count(out.String(), "\n| slowed | ") != n {
		t.Errorf("%s", out.String())
	}
	for i, x := range trials {
		if want := 3 + i%2*3; x.Iterations != want || x.Bench.Planned != 3 || !x.Bench.Confirms {
			t.Errorf("%d iterations, want %d; %d looks", x.Iterations, want, x.Bench.Planned)
		}
	}
}

// build compiles C sources of a folder; without a compiler there is nothing to test, but
// in CI.
func build(t *testing.T, source string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command("cc", append(append([]string{"-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-o", out, source}, flags...), "-ldl", "-lpthread", "-lm")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		if _, missing := exec.LookPath("cc"); missing != nil && os.Getenv("CI") == "" {
			t.Skipf("no C compiler, so no stand-in to measure: %v", err)
		}
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// TestValidate: both sides run on the stand-in for the driver and give a row for every
// load; the figures of this machine say nothing.
func TestValidate(t *testing.T) {
	s := settings{
		Options: cuda.Options{Library: build(t, "../../metal/cuda/testdata/stub/stub.c", "-shared", "-fPIC")},
		Loop:    build(t, "testdata/loop/loop.c"),
		Threads: []int{1, 2}, Depths: []int{1, 4}, Elements: 10, Iterations: 1,
		Window: 5 * time.Millisecond, Processes: 1, Rounds: 3, Blocks: 2,
	}
	var out bytes.Buffer
	c, err := tables(t.Context(), &out, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.Loads {
		if len(l.Harness) != 6 || len(l.Loop) != 6 {
			t.Errorf("%+v", l)
		}
		// The loop counts what falls into the window: on a busy machine that may be nothing.
		if slices.Min(l.Harness) <= 0 || slices.Max(l.Loop) <= 0 || slices.Min(l.Loop) < 0 {
			t.Errorf("%+v", l)
		}
	}
	if len(c.Loads) != 8 || strings.Count(out.String(), "\n| ") != 9 || !strings.Contains(out.String(), " 2 threads: ") {
		t.Errorf("%s", out.String())
	}
}
