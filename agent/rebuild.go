package agent

import (
	"context"
	"fmt"
	"math"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// Build times in a bisection. A module that is up to date takes no time, and how long one
// takes depends on what is built beside it: so every probe builds everything from nothing,
// and is compared with what the good end took like that. The bound itself is on builds that
// reused what they could, which no probe can repeat.

// aboutBuilds reports whether a question is about build times.
func aboutBuilds(q bisect.Question) bool {
	t, err := baseline.ParseThreshold(q.Threshold)
	return q.Threshold != "" && err == nil && onBuilds(t)
}

// buildTime is what a run took to build one module, or all of them.
func buildTime(run *runner.Run, key string) (runner.Sample, bool) {
	if res := run.Stage(runner.StageProofs); res != nil && res.Proofs != nil {
		return sampleOf(res.Proofs.Samples(), key)
	}
	return runner.Sample{}, false
}

// toldBuild is what a probe answers to a question about build times beside the good end.
// It is of the level of the good end that was built first; of several modules under one
// threshold the worst decides.
func (a *app) toldBuild(ctx context.Context, b *store.Bisection, at int, run *runner.Run, t baseline.Threshold) (bisect.Outcome, string, error) {
	res := run.Stage(runner.StageProofs)
	if res == nil || res.Proofs == nil {
		return bisect.Skip, "nothing was built", nil
	}
	var first *runner.Run // at the good end
	for _, p := range b.Probes {
		if p.At == 0 && p.Outcome == bisect.Good {
			rec, err := a.store.Run(ctx, p.Run)
			if err != nil {
				return "", "", err
			}
			first = &rec.Run
			break
		}
	}
	outcome, reason := bisect.Skip, "not built"
	if res.Reason != "" {
		reason += ": " + res.Reason
	}
	worst := math.Inf(-1)
	for _, s := range res.Proofs.Samples() {
		if !t.Match(s) || b.Question.Metric != "" && b.Question.Metric != s.Key() {
			continue
		}
		took := baseline.Metric{Name: s.Name, Config: s.Config}.Label() + " took " + baseline.Format(s.Values[0], s.Unit)
		if first == nil {
			if at == 0 {
				return bisect.Good, took + ", built from nothing", nil
			}
			return bisect.Skip, took + ", and nothing is known of the good end", nil
		}
		was, ok := buildTime(first, s.Key())
		if !ok {
			continue // new since then
		}
		change := s.Values[0]/was.Values[0] - 1
		beyond := float64(t.Worse()) * (change - t.Value/100)
		if beyond <= worst {
			continue
		}
		worst, outcome = beyond, bisect.Good
		if beyond > 0 {
			outcome = bisect.Bad
		}
		reason = fmt.Sprintf("%s, %s against %s at the good end, both built from nothing; asked %s", took,
			baseline.Percent(change), baseline.Format(was.Values[0], s.Unit), baseline.Metric{Threshold: t.String()}.Asked())
	}
	return outcome, reason, nil
}
