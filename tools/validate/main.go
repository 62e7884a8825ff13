// Validate proves the harness on a real asynchronous device: an NVIDIA GPU, through the
// backend cuda. It is run by hand; docs/validation.md holds what it printed.
//
//	go run ./tools/validate -loop ./loop          # tables, side by side with a loop in C
//	go run ./tools/validate -detect               # a kernel slowed by 3 %
//	go run ./tools/validate -turns                # likewise, in turns with its base
//
// The loop is testdata/loop/loop.c, compiled with any C compiler: it does the same work,
// and nothing else. Both take turns, so that the state of the device favours neither.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/metal/cuda"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// settings are those of one validation.
type settings struct {
	Options    cuda.Options  `json:"-"`
	Loop       string        `json:"-"` // the compiled loop
	Elements   int           `json:"elements"`
	Iterations int           `json:"iterations"`
	Window     time.Duration `json:"window_ns"`
	Warmup     time.Duration `json:"warmup_ns"` // longest, of a process
	Rounds     int           `json:"rounds"`    // of a block
	Blocks     int           `json:"blocks"`    // of both, in turn
	Processes  int           `json:"processes"` // of each scenario in a block or run
	Threads    []int         `json:"threads"`
	Depths     []int         `json:"depths"`
	Seed       uint64        `json:"-"`
	Require    bool          `json:"-"` // conditions

	Next func(*runner.Bench) []runner.Step `json:"-"` // of metal.Config
}

func openGPU() (harness.Backend, error) {
	b, err := cuda.Open(cuda.Options{})
	return spoken{b}, err
}

func main() {
	if code, ok := metal.Child(os.Args, openGPU); ok {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	s := settings{Threads: []int{1, 2, 4, 8, 16}, Depths: []int{1, 2, 4, 8, 16, 32}}
	f := flag.NewFlagSet("validate", flag.ContinueOnError)
	f.StringVar(&s.Options.Library, "library", cuda.Library, "the `file` of the driver")
	f.BoolVar(&s.Options.Spin, "spin", false, "wait in a loop instead of sleeping")
	f.StringVar(&s.Loop, "loop", "", "the compiled loop; without it only the harness runs")
	f.IntVar(&s.Elements, "elements", 65536, "floats of a buffer")
	f.IntVar(&s.Iterations, "iterations", 1000, "of the kernel")
	f.DurationVar(&s.Window, "window", 500*time.Millisecond, "of one value")
	f.DurationVar(&s.Warmup, "warmup", 2*time.Second, "longest warm-up of a process")
	f.IntVar(&s.Rounds, "rounds", 3, "values of a block, or of a run with -detect")
	f.IntVar(&s.Blocks, "blocks", 4, "blocks of each, in turn")
	f.IntVar(&s.Processes, "processes", 1, "processes of each scenario in a block or run")
	detect := f.Bool("detect", false, "compare runs of a slowed kernel with runs of the same one")
	turns := f.Bool("turns", false, "compare a slowed kernel, and the same one, with their base in turns")
	f.BoolVar(&s.Require, "require", false, "drop what was measured on an unfit machine, as for Metal; with -turns")
	slower := f.Float64("slower", 0.03, "by how much it is slowed")
	out := f.String("json", "", "write all values to this `file`")
	if err := f.Parse(args); err != nil {
		return err
	}
	var result any
	var err error
	switch {
	case *detect:
		result, err = detection(ctx, os.Stdout, s, *slower)
	case *turns:
		result, err = inTurns(ctx, os.Stdout, s, *slower)
	default:
		result, err = tables(ctx, os.Stdout, s)
	}
	if err == nil && *out != "" {
		var text []byte
		if text, err = json.MarshalIndent(result, "", "  "); err == nil {
			err = os.WriteFile(*out, text, 0o644)
		}
	}
	return err
}

// measure is one run of the harness: that of the bench stage, each scenario in a process
// of its own, or in this process for a driver or a way to wait that the stage does not
// know.
func (s settings) measure(ctx context.Context) (b *runner.Bench, err error) {
	if s.Options == (cuda.Options{Library: cuda.Library}) {
		b, err = s.stage(ctx)
	} else {
		b, err = s.local(ctx)
	}
	if err == nil {
		b.Samples = slices.DeleteFunc(b.Samples, func(s runner.Sample) bool { return s.Derived || s.Unit != "ops/s" })
	}
	return b, err
}

const hang = 20 * time.Second

func (s settings) stage(ctx context.Context) (*runner.Bench, error) {
	dir, err := os.MkdirTemp("", "validate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ws := &runner.Workspace{Dir: dir, Cache: dir, Scratch: dir, Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}}
	stage := metal.New(metal.Config{
		Backend: metal.BackendOwn, Threads: s.Threads, Depths: s.Depths, Rounds: s.Rounds, Window: s.Window, Warmup: s.Warmup, Hang: hang, Processes: s.Processes,
		Elements: s.Elements, Iterations: s.Iterations, Seed: s.Seed, Next: s.Next,
	})
	res := runner.Execute(ctx, stage, ws, time.Hour)
	for _, w := range res.Warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	if res.Verdict != runner.Success {
		return nil, errors.New(res.Reason)
	}
	return res.Bench, nil
}

func (s settings) local(ctx context.Context) (*runner.Bench, error) {
	b, err := cuda.Open(s.Options)
	if err != nil {
		return nil, err
	}
	rep, err := harness.Run(ctx, b, harness.Config{
		Threads: s.Threads, Depths: s.Depths, AsyncThreads: 8, Rounds: s.Rounds, Window: s.Window, Warmup: s.Warmup, Hang: hang, Processes: s.Processes,
		Kernel: harness.Kernel{Elements: s.Elements, Iterations: s.Iterations}, Seed: s.Seed,
	})
	if err = errors.Join(err, b.Close()); err != nil {
		return nil, err
	}
	return &runner.Bench{Device: rep.Device.Text, Samples: rep.Samples}, nil
}
