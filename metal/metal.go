// Package metal is the bench stage: it measures throughput of command queues on a
// device and runs the benchmark programs of the watched repository.
//
// In: a checkout and a [Config]. Out: raw samples in runner.Bench, verified and complete
// or not at all. The stage succeeds when everything that was configured was measured;
// whether the numbers are good is for thresholds and history (package baseline) to say.
// It errs when anything could not be measured: a wrong result, a crash, a hang, an
// output without samples.
//
// Package harness holds the scenarios and the Backend seam, package child the process that
// measures, package mtl the Metal backend, package cpu a modelled device without a GPU,
// package format the readers of benchmark output.
package metal

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/metal/cpu"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// Backends.
const (
	BackendMetal = "metal"
	BackendCPU   = "cpu"
	BackendNone  = "none" // only programs

	// BackendOwn is the device that the program brings along, see [Child]. Holdfast itself
	// brings none: it is how tools/validate runs the stage on an NVIDIA GPU.
	BackendOwn = "own"
)

// Config says what the stage measures. The zero value measures nothing; [Default] is
// the usual one. Unless a field says otherwise, its zero value means the default.
type Config struct {
	Backend string // BackendMetal, BackendCPU or BackendNone; "" is BackendNone

	Threads      []int         // thread counts of multi-queue; empty but not nil leaves it out
	Depths       []int         // operations in flight of async-pipeline; likewise. 1 must be among them
	AsyncThreads int           // threads of async-pipeline mode=multi; default the largest of Threads, at most 8
	Rounds       int           // values of each configuration, at least harness.MinRounds
	Window       time.Duration // measuring time of one value
	Warmup       time.Duration // longest warm-up of one process; 0 is none
	Processes    int           // fresh processes that each scenario gets over the rounds; default 5, more than Rounds is Rounds
	Hang         time.Duration // an operation that takes longer is hung
	Elements     int           // floats of a buffer; the default is the backend's
	Iterations   int           // of the built-in kernel, an operation; likewise
	Seed         uint64        // of the random order; 0: from the commit

	Latency   time.Duration // cpu model: from submission to start; 0 is none
	Execution time.Duration // cpu model: least time of an operation; default Latency/4

	// Kernel is a .metal file of the checkout, and Function a kernel in it to run instead of
	// the built-in one; both or none. See harness.Source for its form.
	Kernel, Function string

	Programs []Program
	// Where the base is laid out beside the commit, programs are measured on both in turns:
	// Looks is how often it is decided whether more is needed (default 3, each doubling what
	// there is), Steps decides (nil: once is enough), and Always measures also what
	// has the same inputs in both: a program, or the built-in harness.
	Looks int
	Steps func([]runner.Turns) []runner.Step `json:"-"` // it stays in this process
	// Next tells what to do with each sample after a look at them: More measures again, with as
	// many rounds as there are, at most Looks−1 times; Suspect measures once more in the end,
	// since only what a re-run confirms is a failure. Nil: once is enough, and nothing is confirmed.
	Next   func(*runner.Bench) []runner.Step `json:"-"`
	Always bool

	// Conditions says what becomes of values that were measured while the machine was hot,
	// slowed or used by others: ConditionsRequire drops and repeats them, ConditionsTell only
	// says so, ConditionsAuto, the default, requires them for BackendMetal.
	Conditions string

	// CrashReports are the folders to which the system writes reports about crashed
	// processes, see crash.Folders. nil: none are looked at.
	CrashReports []string
}

// Default is the usual configuration, of this system's backend: 22 configurations, ten values of half a second each
// in random order, which takes about two and a half minutes.
func Default() Config {
	return Config{
		Backend: DefaultBackend,
		Threads: []int{1, 2, 4, 8, 16},
		Depths:  []int{1, 2, 4, 8, 16, 32},
		Rounds:  10,
		Window:  500 * time.Millisecond,
		Warmup:  3 * time.Second,
		// Two values from each of five processes: what differs between processes is in the
		// interval then, and starting and warming up takes a tenth of the time.
		Processes: 5,
		Hang:      10 * time.Second,
		Latency:   200 * time.Microsecond,
	}
}

// size is the default work of one operation: for a GPU as much as keeps it busy for longer
// than a submission takes, for the cpu model so little that a core does 8 queues'
// arithmetic at full depth.
func size(backend string) (elements, iterations int) {
	if backend == BackendMetal {
		return 65536, 10
	}
	return 64, 2
}

// filled is c with defaults in place of zero values.
func (c Config) filled() Config {
	d := Default()
	if c.Backend == "" {
		c.Backend = BackendNone
	}
	if c.Threads == nil {
		c.Threads = d.Threads
	}
	if c.Depths == nil {
		c.Depths = d.Depths
	}
	if c.AsyncThreads == 0 {
		c.AsyncThreads = 8
		if len(c.Threads) > 0 {
			c.AsyncThreads = min(8, slices.Max(c.Threads))
		}
	}
	orDefault(&c.Conditions, ConditionsAuto)
	orDefault(&c.Rounds, d.Rounds)
	orDefault(&c.Window, d.Window)
	orDefault(&c.Processes, d.Processes)
	c.Processes = min(c.Processes, max(c.Rounds, 1))
	orDefault(&c.Hang, d.Hang)
	elements, iterations := size(c.Backend)
	orDefault(&c.Elements, elements)
	orDefault(&c.Iterations, iterations)
	orDefault(&c.Execution, c.Latency/4)
	orDefault(&c.Looks, defaultLooks)
	c.Programs = slices.Clone(c.Programs)
	for i := range c.Programs {
		c.Programs[i] = c.Programs[i].filled()
	}
	return c
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c Config) harness() harness.Config {
	return harness.Config{
		Threads: c.Threads, Depths: c.Depths, AsyncThreads: c.AsyncThreads,
		Rounds: c.Rounds, Window: c.Window, Warmup: c.Warmup, Processes: c.Processes, Hang: c.Hang,
		Kernel: harness.Kernel{Elements: c.Elements, Iterations: c.Iterations},
		Seed:   c.Seed,
	}
}

// source is that of the built-in harness's samples.
func (c Config) source() string { return "harness " + c.Backend }

// Loads are the configurations of the built-in harness, in the order of the report.
func (c Config) Loads() []harness.Load {
	if c = c.filled(); c.Backend == BackendNone {
		return nil
	}
	return c.harness().Loads()
}

// Check reports everything that is wrong with the configuration, each with a hint
// where there is one.
func (c Config) Check() error {
	c = c.filled()
	var errs []error
	switch c.Backend {
	case BackendNone:
	case BackendMetal, BackendOwn:
		if err := c.harness().Check(); err != nil {
			errs = append(errs, fmt.Errorf("bench: %w", err))
		}
		if err := CheckKernel(c.Kernel, c.Function); err != nil {
			errs = append(errs, fmt.Errorf("bench: %w", err))
		}
	case BackendCPU:
		if err := c.harness().Check(); err != nil {
			errs = append(errs, fmt.Errorf("bench: %w", err))
		}
		if c.Kernel != "" || c.Function != "" {
			errs = append(errs, runner.WithHint(fmt.Errorf("bench: kernel %q needs a GPU", c.Kernel), "the cpu model runs the built-in kernel only; set backend = %q", BackendMetal))
		}
		for _, d := range []time.Duration{c.Latency, c.Execution} {
			if d < 0 || d > cpu.MaxLatency {
				errs = append(errs, fmt.Errorf("bench: latency %s is outside 0 … %s", d, cpu.MaxLatency))
			}
		}
	default:
		errs = append(errs, runner.WithHint(fmt.Errorf("bench: no backend %q", c.Backend),
			"there are %s, %s and %s", BackendMetal, BackendCPU, BackendNone))
	}
	switch c.Conditions {
	case ConditionsAuto, ConditionsRequire, ConditionsTell:
	default:
		errs = append(errs, runner.WithHint(fmt.Errorf("bench: conditions %q", c.Conditions),
			"there are %s, %s and %s", ConditionsAuto, ConditionsRequire, ConditionsTell))
	}
	names := map[string]bool{}
	for _, p := range c.Programs {
		if err := p.check(); err != nil {
			errs = append(errs, err)
		}
		if log := p.log(); names[log] {
			errs = append(errs, fmt.Errorf("benchmark program %q: another one has this name", p.Name))
		} else {
			names[log] = true
		}
	}
	return errors.Join(errs...)
}

// Estimate is about how long the device measurements take. Programs come on top: they
// take what they take, each call at most its Limit.
func (c Config) Estimate() time.Duration {
	if c = c.filled(); c.Backend == BackendNone {
		return 0
	}
	return c.harness().Estimate()
}
