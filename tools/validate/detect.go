package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

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
	Bench      *runner.Bench     `json:"bench"`
}

// detection judges runs of a slowed kernel and runs of the same one against the same
// baseline, as reports do: look by look, and with a re-run of what misses the threshold.
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
	thresholds := []baseline.Threshold{threshold}
	var history []baseline.Past
	var trials []trial
	same := s.Iterations
	for i := range pastRuns + 2*tries {
		s.Seed = uint64(i + 1)
		s.Iterations = same
		if i >= pastRuns && (i-pastRuns)%2 == 1 {
			s.Iterations = slowed
		}
		if i == pastRuns {
			s.Next = func(b *runner.Bench) []runner.Step { return baseline.Next(b, history, nil, thresholds) }
		}
		begin := time.Now()
		b, err := s.measure(ctx)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			fmt.Fprintf(w, "%s\n\n%d elements, %d iterations, slowed %d; %d rounds of %s; %d runs before; %s\n\n", b.Device, s.Elements, same, slowed,
				s.Rounds, s.Window, pastRuns, threshold)
			fmt.Fprintln(w, "| kernel | load | rounds | change | verdict |\n|---|---|--:|--:|---|")
		}
		fmt.Fprintf(os.Stderr, "run %d of %d done in %s\n", i+1, pastRuns+2*tries, time.Since(begin).Round(time.Second))
		if i < pastRuns {
			history = append(history, baseline.NewPast(int64(i+1), fmt.Sprintf("%040d", i+1), b.Samples))
			continue
		}
		t := trial{s.Iterations, baseline.JudgeBench(b, history, thresholds).Metrics, b}
		for _, m := range t.Metrics {
			kernel := "the same"
			if s.Iterations == slowed {
				kernel = "slowed"
			}
			fmt.Fprintf(w, "| %s | %s | %s | %+.2f %% (%+.2f … %+.2f) | %s |\n", kernel, m.Key(), roundsOf(b, m.Key()), 100*m.Change, 100*m.ChangeLo, 100*m.ChangeHi, m.Verdict)
		}
		trials = append(trials, t)
	}
	return trials, nil
}

// roundsOf are the numbers of values at each look, and of the re-run.
func roundsOf(b *runner.Bench, key string) string {
	var text []string
	i := slices.IndexFunc(b.Samples, func(s runner.Sample) bool { return s.Key() == key })
	looks := b.Samples[i].Looks
	if looks == nil {
		looks = []int{len(b.Samples[i].Values)}
	}
	for _, n := range looks {
		text = append(text, fmt.Sprint(n))
	}
	out := strings.Join(text, ", ")
	if n := len(b.Again[key]); n > 0 {
		out += fmt.Sprintf(" + %d", n)
	}
	return out
}
