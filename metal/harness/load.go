package harness

import (
	"fmt"
	"strconv"
)

// Load is one configuration: how operations are submitted.
type Load struct {
	Scenario string `json:"scenario"` // "multi-queue" or "async-pipeline"
	Mode     string `json:"mode"`     // value of the key "queue" or "mode"
	Threads  int    `json:"threads"`
	Depth    int    `json:"depth"`  // operations that each thread keeps in flight
	Shared   bool   `json:"shared"` // one queue for all threads
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

// Loads lists all configurations in the order of the report.
func (c Config) Loads() []Load {
	var ls []Load
	for _, q := range []string{shared, perThread} {
		for _, n := range c.Threads {
			ls = append(ls, Load{multiQueue, q, n, 1, q == shared})
		}
	}
	for _, d := range c.Depths {
		ls = append(ls, Load{asyncPipeline, single, 1, d, false})
	}
	if c.AsyncThreads > 1 {
		for _, d := range c.Depths {
			ls = append(ls, Load{asyncPipeline, multi, c.AsyncThreads, d, false})
		}
	}
	return ls
}

// scenarios are those of Loads, in their order.
func (c Config) scenarios() []string {
	var out []string
	if len(c.Threads) > 0 {
		out = append(out, multiQueue)
	}
	if len(c.Depths) > 0 {
		out = append(out, asyncPipeline)
	}
	return out
}

// Check reports what no Loads gives.
func (l Load) Check() error {
	ok := l.Threads >= 1 && l.Threads <= maxThreads && l.Depth >= 1 && l.Depth <= maxDepth
	switch l.Scenario {
	case multiQueue:
		ok = ok && (l.Mode == shared || l.Mode == perThread) && l.Shared == (l.Mode == shared) && l.Depth == 1
	case asyncPipeline:
		ok = ok && (l.Mode == single && l.Threads == 1 || l.Mode == multi) && !l.Shared
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("no load is %+v", l)
	}
	return nil
}

// Config is the Config of the load's sample.
func (l Load) Config() map[string]string {
	if l.Scenario == multiQueue {
		return map[string]string{"queue": l.Mode, "threads": strconv.Itoa(l.Threads)}
	}
	return map[string]string{"mode": l.Mode, "threads": strconv.Itoa(l.Threads), "depth": strconv.Itoa(l.Depth)}
}

func (l Load) String() string {
	if l.Scenario == multiQueue {
		return fmt.Sprintf("%s queue=%s threads=%d", l.Scenario, l.Mode, l.Threads)
	}
	return fmt.Sprintf("%s mode=%s threads=%d depth=%d", l.Scenario, l.Mode, l.Threads, l.Depth)
}

// queueLimit leaves room for everything in flight.
func (l Load) queueLimit() int {
	if l.Shared {
		return max(minQueueLimit, l.Threads*l.Depth+8)
	}
	return max(minQueueLimit, l.Depth+8)
}

// mostThreads is the largest thread count of loads.
func mostThreads(loads []Load) int {
	n := 1
	for _, l := range loads {
		n = max(n, l.Threads)
	}
	return n
}

// heaviest is the load to warm up with: the most threads, a queue each, and the most in
// flight.
func heaviest(loads []Load) Load {
	best := loads[0]
	for _, l := range loads {
		if l.Threads > best.Threads || l.Threads == best.Threads && (!l.Shared && best.Shared || l.Shared == best.Shared && l.Depth > best.Depth) {
			best = l
		}
	}
	return best
}
