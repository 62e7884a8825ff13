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
	Warmup       time.Duration // longest warm-up before the first round; 0 for none
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
	// setupEstimate is what making, collecting and verifying take around one window.
	setupEstimate = 5 * time.Millisecond
)

// Progress says how far a run is.
type Progress struct {
	Round, Rounds int // the round about to be taken, from 1
	Window        int // windows done
	Windows       int // windows altogether
	Elapsed       time.Duration
	Left          time.Duration // estimated from the windows so far
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

// Estimate is about how long Run takes if nothing hangs.
func (c Config) Estimate() time.Duration {
	per := c.Window + c.Window/leadFraction + setupEstimate
	return c.Warmup + time.Duration(len(c.loads())*c.Rounds)*per
}

// load is one configuration: how operations are submitted.
type load struct {
	scenario string
	mode     string // value of the key "queue" or "mode"
	threads  int
	depth    int
	shared   bool // one queue for all threads
}

// Names of samples and of the values of their Config.
const (
	multiQueue    = "multi-queue"
	asyncPipeline = "async-pipeline"
	shared        = "shared"
	perThread     = "per-thread"
	single        = "single"
	multi         = "multi"
)

// loads lists all configurations in the order of the report.
func (c Config) loads() []load {
	var ls []load
	for _, q := range []string{shared, perThread} {
		for _, n := range c.Threads {
			ls = append(ls, load{multiQueue, q, n, 1, q == shared})
		}
	}
	for _, d := range c.Depths {
		ls = append(ls, load{asyncPipeline, single, 1, d, false})
	}
	if c.AsyncThreads > 1 {
		for _, d := range c.Depths {
			ls = append(ls, load{asyncPipeline, multi, c.AsyncThreads, d, false})
		}
	}
	return ls
}

// config is the Config of the load's sample.
func (l load) config() map[string]string {
	if l.scenario == multiQueue {
		return map[string]string{"queue": l.mode, "threads": strconv.Itoa(l.threads)}
	}
	return map[string]string{"mode": l.mode, "threads": strconv.Itoa(l.threads), "depth": strconv.Itoa(l.depth)}
}

func (l load) String() string {
	if l.scenario == multiQueue {
		return fmt.Sprintf("%s queue=%s threads=%d", l.scenario, l.mode, l.threads)
	}
	return fmt.Sprintf("%s mode=%s threads=%d depth=%d", l.scenario, l.mode, l.threads, l.depth)
}

// queueLimit leaves room for everything in flight.
func (l load) queueLimit() int { return max(minQueueLimit, l.threads*l.depth+8) }

// mostThreads is the largest thread count of any configuration.
func (c Config) mostThreads() int {
	n := 1
	for _, l := range c.loads() {
		n = max(n, l.threads)
	}
	return n
}

// heaviest is the load to warm up with: the most threads, a queue each.
func (c Config) heaviest() load {
	best := c.loads()[0]
	for _, l := range c.loads() {
		if l.threads > best.threads || l.threads == best.threads && !l.shared && best.shared {
			best = l
		}
	}
	return best
}

func join(list []int) string {
	var s []string
	for _, n := range list {
		s = append(s, strconv.Itoa(n))
	}
	return strings.Join(s, " ")
}
