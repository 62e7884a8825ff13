package machine

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// State is what changes on one machine from minute to minute and moves measurements. What
// the system does not tell is not known, and never guessed: "", or the value said below.
type State struct {
	Power    string  // "mains", "battery" or "ups"
	Mode     string  // of energy: "normal", "low power", "high power"; on Linux the governor and the platform's profile
	Driver   string  // of the GPU
	Pressure int     // thermal pressure: 0 nominal, 1 moderate, 2 heavy, 3 trapping, 4 sleeping; -1 not known
	Speed    int     // percent of its speed that the processor is held to; -1 not known
	GPU      int     // percent of the GPU that is in use; -1 not known
	Load     float64 // processes that ran or wanted to, mean of the last minute; NaN not known
	Displays int     // that are lit; -1 not known

	// Clients of the GPU; nil not known.
	Clients []Client

	// Counters of Linux since the machine started; 0 if not known.
	Throttled uint64 // times that a processor was slowed for heat
	Stolen    uint64 // ticks that a hypervisor took
	Ticks     uint64 // ticks of all processors
}

// ReadState asks for the state; environ is as for [Read]. quick leaves out the GPU, its
// clients, the load, the driver and the displays: it takes about as long as the start of two programs, and can be
// asked between two measurements.
func ReadState(ctx context.Context, environ []string, quick bool) State {
	return readState(ctx, runtime.GOOS, system(environ), quick)
}

func readState(ctx context.Context, goos string, s source, quick bool) State {
	st := State{Pressure: -1, Speed: -1, GPU: -1, Load: math.NaN(), Displays: -1}
	switch goos {
	case "darwin":
		st.darwin(ctx, s, quick)
	case "linux":
		st.linux(s)
	}
	return st
}

// Steady are the facts that stay while a machine is left alone, as "mains; normal; driver
// com.apple.AGXG16X". Measurements across a change of them do not compare.
func (st State) Steady() string {
	return strings.Join(st.steady(), "; ")
}

func (st State) steady() []string {
	parts := []string{st.Power, st.Mode}
	if st.Driver != "" {
		parts = append(parts, "driver "+st.Driver)
	}
	if st.Displays >= 0 {
		parts = append(parts, displays(st.Displays))
	}
	return trim(parts)
}

// Changed says what of the steady facts is another than before, "" if nothing is. A fact
// that one of the two does not know has not changed.
func (st State) Changed(before State) string {
	var list []string
	for _, f := range []struct{ name, was, is string }{
		{"the power source", before.Power, st.Power}, {"the energy mode", before.Mode, st.Mode}, {"the GPU's driver", before.Driver, st.Driver},
	} {
		if f.was != f.is && f.was != "" && f.is != "" {
			list = append(list, fmt.Sprintf("%s changed from %s to %s", f.name, f.was, f.is))
		}
	}
	if before.Displays >= 0 && st.Displays >= 0 && before.Displays != st.Displays {
		list = append(list, fmt.Sprintf("the number of lit displays changed from %d to %d", before.Displays, st.Displays))
	}
	return strings.Join(list, ", ")
}

// String tells the state in one line, for reports.
func (st State) String() string {
	parts := st.steady()
	if st.Pressure >= 0 {
		parts = append(parts, "thermal pressure "+Pressure(st.Pressure))
	}
	if st.Speed >= 0 && st.Speed < 100 {
		parts = append(parts, fmt.Sprintf("processor held to %d %%", st.Speed))
	}
	if st.GPU >= 0 {
		parts = append(parts, fmt.Sprintf("GPU %d %% in use", st.GPU))
	}
	if !math.IsNaN(st.Load) {
		parts = append(parts, fmt.Sprintf("load %.1f", st.Load))
	}
	if len(parts) == 0 {
		return "not known"
	}
	return strings.Join(parts, "; ")
}

// Pressure names a level of thermal pressure.
func Pressure(level int) string {
	if level >= 0 && level < 5 {
		return [...]string{"nominal", "moderate", "heavy", "trapping", "sleeping"}[level]
	}
	return fmt.Sprintf("level %d", level)
}

func trim(parts []string) []string {
	var out []string
	for _, p := range parts {
		if p = strings.ReplaceAll(clean(p), ";", ","); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// Now is m in the state of this moment: power source and energy mode are part of its
// fingerprint, so that what is measured on a battery is not compared with mains.
func Now(ctx context.Context, environ []string, m runner.Machine) runner.Machine {
	st := ReadState(ctx, environ, true)
	m.Power, m.Mode = st.Power, st.Mode
	m.Fingerprint = Fingerprint(m)
	return m
}
