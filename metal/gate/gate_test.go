package gate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ci/holdfast/metal/cpu"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fit is a Mac at rest.
var fit = machine.State{Power: "mains", Mode: "normal", Driver: "agx", Speed: 100, GPU: 2, Load: 0.4, Displays: 1}

// run measures under a gate in virtual time. state is asked with the number of windows
// that were begun.
func run(t *testing.T, enforced bool, state func(windows int) machine.State) (rep *harness.Report, g *Gate, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, openErr := cpu.Open(cpu.Model{Submit: 200 * time.Microsecond, Execute: 50 * time.Microsecond, Sleep: time.Sleep})
		if openErr != nil {
			t.Fatal(openErr)
		}
		defer b.Close()
		windows := 0
		g = &Gate{Enforced: enforced, Cores: 10, Read: func(context.Context, bool) machine.State { return state(windows) }}
		begin := time.Now()
		rep, err = harness.Run(t.Context(), b, harness.Config{
			Threads: []int{1}, Rounds: 6, Window: 2 * time.Millisecond, Hang: time.Second,
			Kernel: harness.Kernel{Elements: 4, Iterations: 1}, Seed: 1,
			Conditions: func(ctx context.Context, o harness.Occasion) error {
				if o.Moment == harness.BeforeWindow {
					windows++
				}
				return g.Conditions(ctx, o)
			},
		})
		took = time.Since(begin)
	})
	return rep, g, took, err
}

func with(change func(*machine.State)) machine.State {
	st := fit
	change(&st)
	return st
}

func TestFitMachine(t *testing.T) {
	rep, g, took, err := run(t, true, func(int) machine.State { return fit })
	if err != nil || len(rep.Dropped) > 0 || took > time.Second {
		t.Fatalf("%v, dropped %v, took %s", err, rep.Dropped, took)
	}
	settings, observed, warnings := g.Told()
	want := "map[conditions:enforced] map[conditions after:mains; normal; driver agx; 1 display; thermal pressure nominal; GPU 2 % in use; load 0.4 " +
		"conditions before:mains; normal; driver agx; 1 display; thermal pressure nominal; GPU 2 % in use; load 0.4]"
	if fmt.Sprint(settings, " ", observed) != want || len(warnings) > 0 {
		t.Errorf("%v\n%q", settings, warnings)
	}
}

// TestUnfitWindows: what happened in a window that is not fit does not count.
func TestUnfitWindows(t *testing.T) {
	for want, unfit := range map[string]func(n int) machine.State{
		"thermal pressure is moderate":                   func(int) machine.State { return with(func(s *machine.State) { s.Pressure = 1 }) },
		"the processor is held to 70 % of its speed":     func(int) machine.State { return with(func(s *machine.State) { s.Speed = 70 }) },
		"the processor was slowed for heat":              func(n int) machine.State { return with(func(s *machine.State) { s.Throttled, s.Ticks = 4, 100 }) },
		"the hypervisor took 50 % of the processor time": func(n int) machine.State { return with(func(s *machine.State) { s.Stolen, s.Ticks = 50, 200 }) },
	} {
		asked, bad := 0, 0
		rep, _, _, err := run(t, true, func(windows int) machine.State {
			// The third window begins fit and ends unfit.
			if windows == 3 && bad == 0 {
				if asked++; asked == 2 {
					bad++
					return unfit(windows)
				}
			}
			return with(func(s *machine.State) { s.Ticks = 100 })
		})
		if err != nil || len(rep.Dropped) != 1 || rep.Dropped[0].Reason != want {
			t.Errorf("%s: %v, dropped %+v", want, err, rep.Dropped)
			continue
		}
		for _, s := range rep.Samples {
			if len(s.Values) != 6 {
				t.Errorf("%s: %d values of %s", want, len(s.Values), s.Key())
			}
		}
	}
}

// TestHotMachine: it waits for the machine to cool, and in the end cannot tell.
func TestHotMachine(t *testing.T) {
	cooled := time.Duration(0)
	rep, _, took, err := run(t, true, func(windows int) machine.State {
		if windows == 0 {
			return fit
		}
		if cooled += calmEvery; windows == 2 && cooled < 30*time.Second {
			return with(func(s *machine.State) { s.Pressure = 2 })
		}
		return fit
	})
	if err != nil || len(rep.Dropped) > 1 || took < 20*time.Second || took > calmWindow {
		t.Errorf("a machine that cools: %v, dropped %v, took %s", err, rep.Dropped, took)
	}
	rep, _, _, err = run(t, true, func(windows int) machine.State {
		if windows == 0 {
			return fit
		}
		return with(func(s *machine.State) { s.Pressure = 2 })
	})
	var c *harness.ConditionsError
	if !errors.As(err, &c) || !strings.Contains(err.Error(), "thermal pressure is heavy") || len(rep.Samples) > 0 {
		t.Errorf("one that stays hot: %v", err)
	}
}

func TestBusyMachine(t *testing.T) {
	for want, busy := range map[string]machine.State{
		"conditions: others use the GPU to 40 %":                             with(func(s *machine.State) { s.GPU = 40 }),
		"conditions: others use the processors: the load is 9.0 on 10 cores": with(func(s *machine.State) { s.Load = 9 }),
		"conditions: thermal pressure is trapping":                           with(func(s *machine.State) { s.Pressure = 3 }),
	} {
		_, _, took, err := run(t, true, func(int) machine.State { return busy })
		if err == nil || err.Error() != want || took < calmRun {
			t.Errorf("%v after %s, want %s", err, took, want)
		}
		// A modelled device does not care, and says so.
		rep, g, took, err := run(t, false, func(int) machine.State { return busy })
		if err != nil || len(rep.Dropped) > 0 || took > time.Second {
			t.Errorf("not enforced: %v after %s", err, took)
		}
		// The load may well be our own, of a build before: nothing is said of that.
		told := 1
		if strings.Contains(want, "load") {
			told = 0
		}
		if settings, _, warnings := g.Told(); len(warnings) != told || settings["conditions"] != "told, not enforced" {
			t.Errorf("%v, %q", settings, warnings)
		}
	}
}

// TestChange: what was measured before a change and after it is not one measurement.
func TestChange(t *testing.T) {
	for want, changed := range map[string]machine.State{
		"the power source changed from mains to battery":   with(func(s *machine.State) { s.Power = "battery" }),
		"the energy mode changed from normal to low power": with(func(s *machine.State) { s.Mode = "low power" }),
		"the number of lit displays changed from 1 to 2":   with(func(s *machine.State) { s.Displays = 2 }),
		"the GPU's driver changed from agx to agx2":        with(func(s *machine.State) { s.Driver = "agx2" }),
	} {
		for _, enforced := range []bool{true, false} {
			rep, _, _, err := run(t, enforced, func(windows int) machine.State {
				if windows > 4 {
					return changed
				}
				return fit
			})
			var c *ChangedError
			if !errors.As(err, &c) || c.What != want || len(rep.Samples) > 0 {
				t.Errorf("%v with %d samples, want %s", err, len(rep.Samples), want)
			}
		}
	}
	// Not to be told any more is no change.
	_, _, _, err := run(t, true, func(windows int) machine.State {
		if windows > 4 {
			return machine.State{Pressure: -1, Speed: -1, GPU: -1, Displays: -1}
		}
		return fit
	})
	if err != nil {
		t.Error(err)
	}
}

// TestOthers: who else used the GPU is told with the conditions; this process and its
// children are not others.
func TestOthers(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Base(program)
	kept = kept[:min(15, len(kept))]
	began := []machine.Client{{PID: os.Getpid(), Name: "x"}, {PID: 141, Name: "WindowServer", Busy: time.Hour}}
	ended := []machine.Client{
		{PID: os.Getpid(), Name: "x", Busy: time.Minute},
		{PID: 77, Name: kept, Busy: time.Minute},
		{PID: 141, Name: "WindowServer", Busy: time.Hour + 410*time.Millisecond},
		{PID: 808, Name: "A, B", Busy: 3 * time.Second},
		{PID: 9, Name: "mds", Busy: 1},
		{PID: 10, Name: "y", Busy: 1},
		{PID: 11, Name: "idle"},
	}
	for want, after := range map[string][]machine.Client{"A B 3.00 s, WindowServer 0.41 s, mds 0.00 s, 1 more": ended, "": nil} {
		g := &Gate{Read: func(context.Context, bool) machine.State {
			return with(func(s *machine.State) { s.Clients, began = began, after })
		}}
		for _, m := range []harness.Moment{harness.BeforeRun, harness.AfterRun} {
			if err := g.Conditions(t.Context(), harness.Occasion{Moment: m}); err != nil {
				t.Fatal(err)
			}
		}
		if _, observed, _ := g.Told(); observed["GPU used by others"] != want {
			t.Errorf("%q, want %q", observed, want)
		}
		began = []machine.Client{{PID: os.Getpid(), Name: "x"}, {PID: 141, Name: "WindowServer", Busy: time.Hour}}
	}
}

func TestInside(t *testing.T) {
	g := &Gate{Enforced: true, Inside: func() string { return "the machine is hot" }}
	err := g.Conditions(t.Context(), harness.Occasion{Moment: harness.InWindow})
	var u *harness.UnfitError
	if !errors.As(err, &u) || u.Reason != "the machine is hot" {
		t.Errorf("%v", err)
	}
}

// TestAwake runs a stand-in for caffeinate that writes down what it was told and lives
// until it is stopped.
func TestAwake(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "caffeinate")
	script := "#!/bin/sh\necho \"$@\" > " + dir + "/told\necho $$ > " + dir + "/pid\nexec sleep 600\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	release, told, err := Awake(t.Context(), program)
	if err != nil || told != "caffeinate -dims" {
		t.Fatalf("%q, %v", told, err)
	}
	for range 100 { // the shell may be slow to start
		if _, err := os.Stat(dir + "/pid"); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	text, err := os.ReadFile(dir + "/told")
	if want := fmt.Sprintf("-dims -w %d\n", os.Getpid()); err != nil || string(text) != want {
		t.Errorf("told %q, %v, want %q", text, err, want)
	}
	release()
	release()
	pid, _ := os.ReadFile(dir + "/pid")
	if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid)) + "/cmdline"); err == nil {
		t.Error("it is still there")
	}

	if release, told, err := Awake(t.Context(), filepath.Join(dir, "missing")); err != nil || told != "" {
		t.Errorf("without it: %q, %v", told, err)
	} else {
		release()
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if release, _, err := Awake(t.Context(), program); err == nil {
		// On a busy machine its end may be seen later; then it is nothing to wait for.
		release()
	} else if !strings.Contains(err.Error(), "caffeinate ended: exit code 3") {
		t.Error(err)
	}
}
