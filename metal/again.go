package metal

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/metal/gate"
	"github.com/holdfast-ci/holdfast/runner"
)

// again measures once more, with as many rounds as there were, what c.Next says misses a
// threshold, and keeps those values apart in bench.Again: what they confirm is a failure.
// As in more, what one source measures goes together. took is how long everything took so
// far. Where the time that is left does not suffice nothing is measured, and so nothing is
// confirmed.
func (s *Stage) again(ctx context.Context, ws *runner.Workspace, c Config, bench *runner.Bench, runs []*programRun, g *gate.Gate, took time.Duration) (warnings []string, errs []error) {
	programs := map[string]*programRun{}
	for _, r := range runs {
		programs[r.Name] = r
	}
	device, rounds := false, c.Rounds
	var missed []*programRun
	for i, step := range c.Next(bench) {
		sample := bench.Samples[i]
		r := programs[sample.Source]
		if r == nil {
			rounds = max(rounds, len(sample.Values))
		}
		switch {
		case step != runner.Suspect:
		case r == nil:
			device = true
		case r.err == nil && !slices.Contains(missed, r):
			missed = append(missed, r)
		}
	}
	if !device && len(missed) == 0 {
		return nil, nil
	}
	if deadline, limited := ctx.Deadline(); limited && time.Until(deadline) < took*5/4 {
		return []string{"a threshold is missed, and the time that is left does not suffice to measure once more"}, nil
	}
	ws.Report(runner.StageBench, "a threshold is missed: measuring once more, independently")
	bench.Again = map[string][]float64{}
	keep := func(samples []runner.Sample, origins []runner.Origin) {
		for _, s := range samples {
			values := s.Values
			if i := slices.IndexFunc(origins, func(o runner.Origin) bool { return o.Sample == s.Key() }); i >= 0 {
				values = settled(values, origins[i].Unsettled)
			}
			bench.Again[s.Key()] = slices.Concat(bench.Again[s.Key()], values)
		}
	}
	const apart = 0x616761696e // no order of the first measurement comes again
	if device {
		c.Rounds = rounds
		c.Seed += apart
		rep, err := s.device(ctx, ws, c, g)
		if rep != nil {
			warnings = rep.Warnings
		}
		if err != nil {
			errs = append(errs, err)
		} else {
			keep(rep.Samples, rep.Origins)
		}
	}
	for _, r := range missed {
		r.count = max(r.count, r.collected.rounds)
		r.Rounds, r.collected = r.collected.rounds, newCollection(r.Name)
	}
	runRounds(ctx, ws, missed, c.Seed+apart, g)
	for _, r := range missed {
		if r.err != nil {
			errs = append(errs, r.err)
		} else if ctx.Err() == nil { // half a repetition is none
			keep(r.collected.samples, nil)
		}
	}
	return warnings, errs
}

// settled are the values without those at the given indexes: what a process measured whose
// warm-up did not settle confirms nothing.
func settled(values []float64, unsettled []int) (out []float64) {
	for i, v := range values {
		if !slices.Contains(unsettled, i) {
			out = append(out, v)
		}
	}
	return out
}
