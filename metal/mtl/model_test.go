package mtl

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/metal/fakemetal"
	"github.com/holdfast-ci/holdfast/metal/harness"
)

// TestModel is the acceptance test of harness and backend together: on a device of known
// latency, execution time and number of engines, what is measured must be what
// arithmetic says, within 0.80 … 1.05, for all depths and thread counts, on a shared
// queue and on one for each thread.
//
// A busy machine wakes threads late, which no program can make good at depth 1, and which
// shortens a window when it happens at its start. So a configuration has three tries,
// each with all times three times as long.
func TestModel(t *testing.T) {
	f := fake(t)
	threads, depths := []int{1, 2, 4, 8, 16}, []int{1, 2, 4, 8, 16, 32}
	if testing.Short() {
		threads, depths = []int{1, 16}, []int{1, 32}
	}
	// No depth or thread count is just enough to keep the engines busy: there, any late
	// thread costs throughput.
	model := fakemetal.Model{Submit: 3 * time.Millisecond, Execute: time.Millisecond, Complete: 2 * time.Millisecond, Engines: 2}
	window := 50 * time.Millisecond
	for try := 1; len(threads)+len(depths) > 0; try++ {
		var againThreads, againDepths []int
		for _, r := range measure(t, f, model, threads, depths, window) {
			t.Logf("try %d: %s: %.1f ops/s, the model says %.1f: %.3f", try, r.name, r.got, r.want, r.got/r.want)
			switch q := r.got / r.want; {
			case q >= 0.80 && q <= 1.05:
			case try == 3:
				t.Errorf("%s: %.1f ops/s, %.3f of what the device does", r.name, r.got, q)
			case r.depth > 0:
				againDepths = append(againDepths, r.depth)
			default:
				againThreads = append(againThreads, r.threads)
			}
		}
		threads, depths = unique(againThreads), unique(againDepths)
		if try == 3 {
			break
		}
		if len(depths) > 0 && !slices.Contains(depths, 1) {
			depths = append(depths, 1) // the harness compares the others with it
		}
		model.Submit, model.Execute, model.Complete, window = 3*model.Submit, 3*model.Execute, 3*model.Complete, 3*window
	}
}

func unique(list []int) []int {
	slices.Sort(list)
	return slices.Compact(list)
}

type outcome struct {
	name           string
	threads, depth int // depth 0: multi-queue
	got, want      float64
}

// measure runs the harness and pairs the medians of what it measured with the model.
func measure(t *testing.T, f *fakemetal.Fake, m fakemetal.Model, threads, depths []int, window time.Duration) (list []outcome) {
	t.Helper()
	f.SetModel(t, m)
	b := open(t, f)
	defer b.Close()
	config := harness.Config{
		Threads: threads, Depths: depths, Rounds: harness.MinRounds, Window: window, Hang: 20 * time.Second,
		Kernel: harness.Kernel{Elements: 64, Iterations: 1}, Seed: 1,
	}
	if len(depths) > 0 {
		config.AsyncThreads = 8
	}
	rep, err := harness.Run(context.Background(), b, config)
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%q is no number", s)
		}
		return n
	}
	for _, s := range rep.Samples {
		if s.Unit != "ops/s" || len(s.Values) == 0 {
			continue
		}
		r := outcome{name: s.Key(), threads: number(s.Config["threads"])}
		depth, queues := 1, r.threads
		if d := s.Config["depth"]; d != "" {
			r.depth = number(d)
			depth = r.depth
		}
		if s.Config["queue"] == "shared" {
			queues = 1
		}
		v := slices.Sorted(slices.Values(s.Values))
		r.got, r.want = v[len(v)/2], m.Rate(r.threads, depth, queues)
		list = append(list, r)
	}
	if want := 2*len(threads) + 2*len(depths); len(list) < want {
		t.Fatalf("only %d of %d configurations were measured", len(list), want)
	}
	return list
}
