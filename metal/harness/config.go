package harness

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config says what to measure and how. See Check for the ranges.
type Config struct {
	Threads      []int         // thread counts of multi-queue; empty leaves the scenario out
	Depths       []int         // operations in flight of async-pipeline, 1 among them; empty leaves it out
	AsyncThreads int           // threads of async-pipeline's mode=multi; below 2 leaves the mode out
	Rounds       int           // values per configuration, at least MinRounds
	Window       time.Duration // measuring time of one value
	Warmup       time.Duration // longest warm-up of one process; 0 for none
	Processes    int           // fresh processes a scenario gets over the rounds; 0 is 1
	Hang         time.Duration // an operation that takes longer than this is hung
	Kernel       Kernel
	Seed         uint64 // of the random order
	// Conditions says whether the machine is fit to be measured on. May be nil.
	Conditions Conditions
	// Progress is called before every window. May be nil.
	Progress func(Progress)
}

// MinRounds is the least number of rounds: leaving one out must leave a median.
const MinRounds = 3

const (
	// leadFraction of a window runs before it and is thrown away: pipelines fill and
	// threads start in it.
	leadFraction = 10
	// maxThreads and maxDepth keep a typing error from making a million queues.
	maxThreads = 256
	maxDepth   = 1024
	// minQueueLimit is Metal's default number of uncompleted operations.
	minQueueLimit = 64
	// spanRounds is how often the device times of each load are taken, each time over a
	// window of a spanFraction of the usual.
	spanRounds   = 3
	spanFraction = 2
	// setupEstimate is what making, collecting and verifying take around one window.
	setupEstimate = 5 * time.Millisecond
)

// Progress says how far a run is, between two windows.
type Progress struct {
	Round, Rounds int    // the round about to be taken, from 1
	Window        int    // windows done
	Windows       int    // windows altogether
	Doing         string // "warming up", "round 3 of 10", "device times, pass 1 of 3", [Finished]
	Elapsed       time.Duration
	Left          time.Duration // estimated from the windows so far
	// Last is the value that the last window gave, nil if there is none: of a warm-up, or
	// one that was dropped.
	Last *Value
}

// Finished is what a run does last.
const Finished = "finished"

// Value is one value of one load.
type Value struct {
	Load  Load
	Rate  float64 // ops/s
	Round int     // from 1
}

// Check reports the first setting that is out of range.
func (c Config) Check() error {
	if len(c.Threads) == 0 && len(c.Depths) == 0 {
		return fmt.Errorf("nothing to measure: threads and depths are both empty")
	}
	for _, l := range []struct {
		name string
		list []int
		most int
	}{{"threads", c.Threads, maxThreads}, {"depths", c.Depths, maxDepth}} {
		for i, n := range l.list {
			if n < 1 || n > l.most {
				return fmt.Errorf("%s: %d is outside 1 … %d", l.name, n, l.most)
			}
			if slices.Contains(l.list[:i], n) {
				return fmt.Errorf("%s: %d is listed twice", l.name, n)
			}
		}
	}
	switch {
	case len(c.Depths) > 0 && !slices.Contains(c.Depths, 1):
		return fmt.Errorf("depths: 1 is missing, the others are compared with it")
	case c.AsyncThreads < 0 || c.AsyncThreads > maxThreads:
		return fmt.Errorf("async threads: %d is outside 0 … %d", c.AsyncThreads, maxThreads)
	case c.Rounds < MinRounds || c.Rounds > 1000:
		return fmt.Errorf("rounds: %d is outside %d … 1000", c.Rounds, MinRounds)
	case c.Processes < 0 || c.Processes > max(1, c.Rounds):
		return fmt.Errorf("processes: %d is outside 1 … %d, the rounds", c.Processes, c.Rounds)
	case c.Window < time.Millisecond || c.Window > time.Minute:
		return fmt.Errorf("window: %s is outside 1ms … 1m", c.Window)
	case c.Warmup < 0 || c.Warmup > 10*time.Minute:
		return fmt.Errorf("warmup: %s is outside 0 … 10m", c.Warmup)
	case c.Hang < 100*time.Millisecond:
		return fmt.Errorf("hang: %s is below 100ms", c.Hang)
	case c.Kernel.Elements < 1 || c.Kernel.Elements > 1<<24:
		return fmt.Errorf("elements: %d is outside 1 … %d", c.Kernel.Elements, 1<<24)
	case c.Kernel.Iterations < 1 || c.Kernel.Iterations > 1<<20:
		return fmt.Errorf("iterations: %d is outside 1 … %d", c.Kernel.Iterations, 1<<20)
	}
	return nil
}

// Estimate is about how long a run takes if nothing hangs and nothing is dropped.
func (c Config) Estimate() time.Duration {
	windows := time.Duration(len(c.Loads()) * c.Rounds)
	times := time.Duration(len(c.Loads()) * spanRounds)
	// A warm-up mostly settles soon.
	return min(c.Warmup, 2*steady*warmWindow)*time.Duration(len(c.scenarios())*max(1, c.Processes)) +
		windows*cost(c.Window) + times*cost(c.Window/spanFraction)
}

// cost is about how long one window takes with all that is around it.
func cost(window time.Duration) time.Duration {
	return window + window/leadFraction + setupEstimate
}

func join(list []int) string {
	var s []string
	for _, n := range list {
		s = append(s, strconv.Itoa(n))
	}
	return strings.Join(s, " ")
}
