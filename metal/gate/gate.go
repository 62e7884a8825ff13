// Package gate decides whether a machine is fit to be measured on.
//
// A [Gate] reads the machine's state before a run, before and after every window, and
// after the run, and answers the harness's question (harness.Conditions): a window across
// heat, throttling or a hypervisor that took the processor away does not count; a change
// of what stays while a machine is left alone (mains or battery, the energy mode, the
// GPU's driver, the displays) ends the run with a [ChangedError], since what was measured on both sides
// of it does not compare. Before the run, and before each window, it waits for a while for
// the machine to calm down.
//
// States come from package runner/machine, whose macOS half nobody has run on a Mac yet.
package gate

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// Limits of a fit machine, and how long is waited for it to become one.
const (
	// busyGPU is how much of the GPU others may use before a run, in percent.
	busyGPU = 10
	// busyCPU is how many processes may run before a run, as a share of the cores: a Mac's
	// window server and agents are a few tenths of one.
	busyCPU = 0.5
	// stolen is the share of a window's processor time that a hypervisor may take.
	stolen = 0.05
	// calmRun and calmWindow are how long is waited for calm.
	calmRun    = 3 * time.Minute
	calmWindow = time.Minute
	// calmEvery is how often the state is read while waiting.
	calmEvery = 3 * time.Second
)

// Gate is the conditions of one run, which may begin several times: with the device, and
// with programs. It is used by one goroutine at a time.
type Gate struct {
	// Read asks for the state; quick is for between windows.
	Read func(ctx context.Context, quick bool) machine.State
	// Inside asks, while a window runs, for whatever costs next to nothing: "" if the
	// machine is fit, or why it is not. May be nil.
	Inside func() string
	// Cores of the machine; 0 if they are not known.
	Cores int
	// Enforced is false where the state is told but drops nothing, as for a modelled device.
	// A change of the steady facts ends the run in any case.
	Enforced bool
	// Waiting is told why a run or a window has to wait. May be nil.
	Waiting func(why string)

	mu     sync.Mutex // Told may be asked from elsewhere
	before machine.State
	last   machine.State // before the window
	after  machine.State
	unfit  map[string]int // reasons that were told but not enforced
	read   bool
}

// ChangedError says that the machine changed in the run so that its measurements do not
// compare: with each other, or with any baseline.
type ChangedError struct{ What string }

func (e *ChangedError) Error() string { return "not comparable: " + e.What + " during the run" }

// Conditions implements harness.Conditions.
func (g *Gate) Conditions(ctx context.Context, o harness.Occasion) error {
	switch o.Moment {
	case harness.BeforeRun:
		return g.beforeRun(ctx)
	case harness.BeforeWindow:
		return g.beforeWindow(ctx)
	case harness.InWindow:
		if g.Inside == nil {
			return nil
		}
		return g.judge(g.Inside())
	case harness.AfterWindow:
		return g.afterWindow(ctx)
	case harness.AfterRun:
		st := g.Read(ctx, false)
		g.keep(&g.after, st)
		return g.changed(st)
	}
	return nil
}

func (g *Gate) keep(where *machine.State, st machine.State) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*where = st
	if !g.read {
		g.before, g.read = st, true
	}
}

// beforeRun waits for an idle, cool machine.
func (g *Gate) beforeRun(ctx context.Context) error {
	st, why := g.calm(ctx, calmRun, false, func(st machine.State) string {
		switch {
		case hot(st) != "":
			return hot(st)
		case st.GPU > busyGPU:
			return fmt.Sprintf("others use the GPU to %d %%", st.GPU)
		case g.Enforced && g.Cores > 0 && st.Load > busyCPU*float64(g.Cores):
			return fmt.Sprintf("others use the processors: the load is %.1f on %d cores", st.Load, g.Cores)
		}
		return ""
	})
	g.keep(&g.last, st) // and as the state before, if it is the first
	if err := g.changed(st); err != nil {
		return err
	}
	return g.judge(why)
}

func (g *Gate) beforeWindow(ctx context.Context) error {
	st, why := g.calm(ctx, calmWindow, true, hot)
	g.keep(&g.last, st)
	if err := g.changed(st); err != nil {
		return err
	}
	return g.judge(why)
}

func (g *Gate) afterWindow(ctx context.Context) error {
	st := g.Read(ctx, true)
	before := g.last
	g.keep(&g.after, st)
	if err := g.changed(st); err != nil {
		return err
	}
	why := hot(st)
	if st.Throttled > before.Throttled && before.Ticks > 0 {
		why = "the processor was slowed for heat"
	}
	if ticks := st.Ticks - before.Ticks; before.Ticks > 0 && st.Ticks > before.Ticks && st.Stolen > before.Stolen {
		if share := float64(st.Stolen-before.Stolen) / float64(ticks); share > stolen {
			why = fmt.Sprintf("the hypervisor took %.0f %% of the processor time", 100*share)
		}
	}
	return g.judge(why)
}

// hot says whether the machine is, "" if it is not or does not tell.
func hot(st machine.State) string {
	switch {
	case st.Pressure > 0:
		return "thermal pressure is " + machine.Pressure(st.Pressure)
	case st.Speed >= 0 && st.Speed < 100:
		return fmt.Sprintf("the processor is held to %d %% of its speed", st.Speed)
	}
	return ""
}

// calm reads the state until nothing is wrong with it, for at most limit; not enforced, it
// does not wait.
func (g *Gate) calm(ctx context.Context, limit time.Duration, quick bool, wrong func(machine.State) string) (machine.State, string) {
	begin := time.Now()
	said := ""
	for {
		st := g.Read(ctx, quick)
		why := wrong(st)
		if why == "" || !g.Enforced || time.Since(begin) >= limit {
			return st, why
		}
		if g.Waiting != nil && said == "" {
			said = why
			g.Waiting(why)
		}
		t := time.NewTimer(calmEvery)
		select {
		case <-ctx.Done():
			t.Stop()
			return st, why
		case <-t.C:
		}
	}
}

// judge makes of a reason what the harness drops a value for.
func (g *Gate) judge(why string) error {
	if why == "" {
		return nil
	}
	if g.Enforced {
		return harness.Unfit("%s", why)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unfit == nil {
		g.unfit = map[string]int{}
	}
	kind, _, _ := strings.Cut(why, ":")
	g.unfit[strings.TrimRight(kind, "0123456789 %.")]++
	return nil
}

func (g *Gate) changed(st machine.State) error {
	if what := st.Changed(g.before); what != "" {
		return &ChangedError{what}
	}
	return nil
}

// Told is what the report says of the conditions: whether they were enforced, the state
// before and after, and what was noticed where nothing is dropped for it.
func (g *Gate) Told() (settings, observed map[string]string, warnings []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.read {
		return nil, nil, nil
	}
	settings = map[string]string{"conditions": "enforced"}
	observed = map[string]string{"conditions before": g.before.String()}
	if !math.IsNaN(g.after.Load) || g.after.Steady() != "" {
		observed["conditions after"] = g.after.String()
	}
	if others := others(g.after.Used(g.before)); others != "" {
		observed["GPU used by others"] = others
	}
	if !g.Enforced {
		settings["conditions"] = "told, not enforced"
		for _, why := range sorted(g.unfit) {
			times := "once"
			if n := g.unfit[why]; n > 1 {
				times = fmt.Sprintf("%d times", n)
			}
			warnings = append(warnings, fmt.Sprintf("the machine was not fit to be measured on: %s (%s)", why, times))
		}
	}
	return settings, observed, warnings
}

// others tells who else used the GPU, and how long: the first three of them.
func others(used []machine.Client) string {
	used = slices.DeleteFunc(used, own)
	var list []string
	for _, c := range used[:min(3, len(used))] {
		list = append(list, fmt.Sprintf("%s %.2f s", strings.ReplaceAll(c.Name, ",", ""), c.Busy.Seconds()))
	}
	if more := len(used) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return strings.Join(list, ", ")
}

// own says whether c is this process, or one that it made of its own program to measure in.
func own(c machine.Client) bool {
	program, err := os.Executable()
	program = filepath.Base(program)
	// The kernel keeps 15 or more bytes of a name.
	return c.PID == os.Getpid() || err == nil && (c.Name == program || len(c.Name) >= 15 && strings.HasPrefix(program, c.Name))
}

func sorted(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
