package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

const (
	// pastRuns make the baseline, and tries are judged of each kernel.
	pastRuns = 6
	tries    = 2
	// bound is the threshold that they are judged by.
	bound = "ops/s >= baseline - 1%"
)

// trial is one run that was judged.
type trial struct {
	Iterations int               `json:"iterations"`
	Metrics    []baseline.Metric `json:"metrics"`
	Samples    []runner.Sample   `json:"samples"`
}

// detection judges runs of a slowed kernel and runs of the same one against the same
// baseline, with the comparison that reports use.
func detection(ctx context.Context, w io.Writer, s settings, slower float64) ([]trial, error) {
	s.Threads, s.Depths = []int{1}, []int{1, 8, 32}
	threshold, err := baseline.ParseThreshold(bound)
	if err != nil {
		return nil, err
	}
	slowed := int(math.Round(float64(s.Iterations) * (1 + slower)))
	if slowed == s.Iterations {
		return nil, fmt.Errorf("%d iterations slowed by %g are as many", s.Iterations, slower)
	}
	var history []baseline.Past
	var trials []trial
	same := s.Iterations
	for i := range pastRuns + 2*tries {
		s.Seed = uint64(i + 1)
		s.Iterations = same
		if i >= pastRuns && (i-pastRuns)%2 == 1 {
			s.Iterations = slowed
		}
		device, samples, err := s.measure(ctx)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			fmt.Fprintf(w, "%s\n\n%d elements, %d iterations, slowed %d; %d rounds of %s; %d runs before; %s\n\n", device, s.Elements, same, slowed,
				s.Rounds, s.Window, pastRuns, threshold)
			fmt.Fprintln(w, "| kernel | load | change | verdict |\n|---|---|--:|---|")
		}
		fmt.Fprintf(os.Stderr, "run %d of %d done\n", i+1, pastRuns+2*tries)
		if i < pastRuns {
			history = append(history, baseline.NewPast(int64(i+1), fmt.Sprintf("%040d", i+1), samples))
			continue
		}
		t := trial{s.Iterations, baseline.Judge(samples, history, []baseline.Threshold{threshold}).Metrics, samples}
		for _, m := range t.Metrics {
			kernel := "the same"
			if s.Iterations == slowed {
				kernel = "slowed"
			}
			fmt.Fprintf(w, "| %s | %s | %+.2f %% (%+.2f … %+.2f) | %s |\n", kernel, m.Key(), 100*m.Change, 100*m.ChangeLo, 100*m.ChangeHi, m.Verdict)
		}
		trials = append(trials, t)
	}
	return trials, nil
}
