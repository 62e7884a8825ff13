package metal

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// more measures again what Config.Next wants more values of, each time with as many rounds
// as there were so far, as long as there are looks and time left: for that, and for a re-run
// as long as the first look, should it be missed then. In the bench it notes for every
// sample at which numbers of values it was looked at.
func (m *course) more(ctx context.Context) {
	m.bench.Planned = m.c.Looks
	for look := 1; look < m.c.Looks && len(m.errs) == 0; look++ {
		device, runs := m.wanting(runner.More)
		all, first := m.takes(device, runs)
		if !device && len(runs) == 0 || !affords(ctx, all+first) {
			return
		}
		m.ws.Report(runner.StageBench, "not decided yet: measuring %s as much again", m.named(device, runs))
		seed := m.c.Seed + uint64(look)
		if device {
			rep, err := m.measure(ctx, m.harness.rounds, seed)
			if err != nil {
				m.fail(err)
				return
			}
			m.got.device.Rounds += rep.Rounds
			extend(m.bench, rep.Samples, rep.Origins)
		}
		for _, r := range runs {
			r.further(r.collected.rounds)
		}
		runRounds(ctx, m.ws, runs, seed, m.gate)
		for _, r := range runs {
			if r.err != nil {
				m.fail(r.err)
				continue
			}
			var added []runner.Sample
			for _, all := range r.collected.samples {
				i := slices.IndexFunc(m.bench.Samples, func(b runner.Sample) bool { return b.Source == r.Name && b.Key() == all.Key() })
				all.Values = all.Values[len(m.bench.Samples[i].Values):]
				added = append(added, all)
			}
			extend(m.bench, added, nil)
		}
	}
}

// measure measures the head with the built-in harness once more.
func (m *course) measure(ctx context.Context, rounds int, seed uint64) (*harness.Report, error) {
	begin := time.Now()
	c := m.c
	c.Rounds, c.Seed = rounds, seed
	rep, err := m.device(ctx, m.ws, c, m.gate)
	m.harness.rounds, m.harness.took = m.harness.rounds+rounds, m.harness.took+time.Since(begin)
	if rep != nil {
		m.weak.again(rep.Warnings)
	}
	return rep, err
}

// extend adds the values of samples that their source measured again, and how they came
// about.
func extend(bench *runner.Bench, samples []runner.Sample, origins []runner.Origin) {
	for _, more := range samples {
		i := slices.IndexFunc(bench.Samples, func(s runner.Sample) bool { return s.Source == more.Source && s.Key() == more.Key() })
		if i < 0 {
			continue
		}
		s := &bench.Samples[i]
		was := len(s.Values)
		if s.Looks == nil {
			s.Looks = []int{was}
		}
		s.Values = slices.Concat(s.Values, more.Values)
		s.Looks = append(s.Looks, len(s.Values))
		// Only the harness has origins, and one for each of its samples.
		k := slices.IndexFunc(origins, func(o runner.Origin) bool { return o.Sample == more.Key() })
		o := slices.IndexFunc(bench.Origins, func(o runner.Origin) bool { return o.Sample == more.Key() })
		if k >= 0 && o >= 0 {
			for _, n := range origins[k].Unsettled {
				bench.Origins[o].Unsettled = append(bench.Origins[o].Unsettled, was+n)
			}
		}
	}
	for _, more := range origins {
		i := slices.IndexFunc(bench.Origins, func(o runner.Origin) bool { return o.Sample == more.Sample })
		if i < 0 {
			continue
		}
		o := &bench.Origins[i]
		o.Rounds = after(o.Rounds, more.Rounds)
		o.Processes = after(o.Processes, more.Processes)
		o.Positions = slices.Concat(o.Positions, more.Positions)
		o.Ops = slices.Concat(o.Ops, more.Ops)
		o.Seconds = slices.Concat(o.Seconds, more.Seconds)
		if d := more.Drift; d != nil && (o.Drift == nil || math.Abs(*d) > math.Abs(*o.Drift)) {
			o.Drift = d
		}
		for _, n := range more.Notes {
			if !slices.Contains(o.Notes, n) {
				o.Notes = append(o.Notes, n)
			}
		}
	}
}

// after numbers what came later from where the earlier numbers end.
func after(was, more []int) []int {
	last := 0
	if len(was) > 0 {
		last = slices.Max(was)
	}
	out := slices.Clone(was)
	for _, n := range more {
		out = append(out, last+n)
	}
	return out
}
