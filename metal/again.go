package metal

import (
	"context"
	"slices"

	"github.com/holdfast-ci/holdfast/runner"
)

// again measures once more what Config.Next says misses a threshold, and keeps those values
// apart in Bench.Again: what they confirm is a failure. It takes as many rounds as there
// were, or as the first look had where there is no time for all. Where there is none for
// that either nothing is measured, and so nothing is confirmed.
func (m *course) again(ctx context.Context) {
	device, runs := m.wanting(runner.Suspect)
	if !device && len(runs) == 0 {
		return
	}
	all, first := m.takes(device, runs)
	whole := affords(ctx, all)
	if !whole && !affords(ctx, first) {
		m.weak.add([]string{"a threshold is missed, and the time that is left does not suffice to measure once more"})
		return
	}
	m.ws.Report(runner.StageBench, "a threshold is missed: measuring %s once more, independently", m.named(device, runs))
	again := map[string][]float64{}
	keep := func(samples []runner.Sample, origins []runner.Origin) {
		for _, s := range samples {
			values := s.Values
			if i := slices.IndexFunc(origins, func(o runner.Origin) bool { return o.Sample == s.Key() }); i >= 0 {
				values = settled(values, origins[i].Unsettled)
			}
			again[s.Key()] = slices.Concat(again[s.Key()], values)
		}
	}
	m.bench.Again = again
	const apart = 0x616761696e // no order of the first measurement comes again
	if device {
		rounds := m.harnessFirst.rounds
		if whole {
			rounds = m.harness.rounds
		}
		if rep, err := m.measure(ctx, rounds, m.c.Seed+apart); err != nil {
			m.fail(err)
		} else {
			keep(rep.Samples, rep.Origins)
		}
	}
	for _, r := range runs {
		rounds := r.first.rounds
		if whole {
			rounds = r.collected.rounds
		}
		r.further(rounds)
		r.collected = newCollection(r.Name)
	}
	runRounds(ctx, m.ws, runs, m.c.Seed+apart, m.gate)
	for _, r := range runs {
		if r.err != nil {
			m.fail(r.err)
		} else if ctx.Err() == nil { // half a repetition is none
			keep(r.collected.samples, nil)
		}
	}
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
