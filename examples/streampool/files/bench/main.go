// Command bench is the reference of kernels/relax.metal on the processor: it runs the
// same arithmetic with the kernel's own constants, verifies the result against the
// closed form, and prints its time in the format of Go benchmarks.
//
//	go run ./bench [-kernel FILE] [-count N] [-iterations N]
//
// It says nothing about a GPU. What it does notice is a kernel that got more work to
// do, on machines that have no GPU to ask.
//
// Two units are printed: ns/op is wall time, cpu-sec/op is the processor time that the
// program was charged for, which other programs on the machine disturb less.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// sizes are the numbers of points of a pass: one that stays in the first cache, one
// that does not.
var sizes = []int{4096, 65536}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	kernel := flags.String("kernel", filepath.Join("kernels", "relax.metal"), "`file` of the kernel")
	count := flags.Int("count", 6, "measure each benchmark `n` times")
	iterations := flags.Int("iterations", 16, "passes over 65536 points in one measurement")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *count < 1 || *iterations < 1 {
		return fmt.Errorf("-count %d -iterations %d: want at least 1", *count, *iterations)
	}

	c, err := readConstants(*kernel)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%s: %d sweeps, decay %g\n", *kernel, c.Sweeps, c.Decay)
	for _, n := range sizes {
		if err := verify(n, c); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
	}

	fmt.Fprintf(stdout, "goos: %s\ngoarch: %s\n", runtime.GOOS, runtime.GOARCH)
	fmt.Fprintln(stdout, "Unit cpu-sec/op better=lower")
	for _, n := range sizes { // warm up: clock frequency, caches
		if _, err := measure(n, *iterations*sizes[len(sizes)-1]/n/4+1, c); err != nil {
			return err
		}
	}
	// Rounds outside, sizes inside: a disturbance of a second then hits both a little
	// instead of one of them entirely.
	for range *count {
		for _, n := range sizes {
			passes := *iterations * sizes[len(sizes)-1] / n
			t, err := measure(n, passes, c)
			if err != nil {
				return err
			}
			fmt.Fprintf(stdout, "BenchmarkRelax/n=%d\t%d\t%.0f ns/op\t%.4g cpu-sec/op\n", n, passes,
				float64(t.wall.Nanoseconds())/float64(passes), t.cpu.Seconds()/float64(passes))
		}
	}
	_, err = fmt.Fprintln(stdout, "PASS")
	return err
}

// elapsed is the time of one measurement.
type elapsed struct{ wall, cpu time.Duration }

// measure runs passes over n points. Setting the points up is not timed.
func measure(n, passes int, c constants) (elapsed, error) {
	points := make([]point, n)
	fill(points)
	runtime.GC() // now rather than within the measurement
	cpu, err := processorTime()
	if err != nil {
		return elapsed{}, err
	}
	start := time.Now()
	for range passes {
		relax(points, c)
	}
	wall := time.Since(start)
	end, err := processorTime()
	if err != nil {
		return elapsed{}, err
	}
	return elapsed{wall, end - cpu}, nil
}

// processorTime is the user and system time of the process. Only their sum is exact on
// Linux, which splits it by sampling.
func processorTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("ask for the processor time: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
