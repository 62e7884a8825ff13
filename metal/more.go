package metal

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/metal/gate"
	"github.com/holdfast-ci/holdfast/runner"
)

// more measures again what c.Next wants more values of, each time with as many rounds
// as there were so far, as long as there are looks and time left. What one source measures
// goes together: the built-in harness as a whole, and each program. In bench it notes for
// every sample at which numbers of values it was looked at. first is how long everything
// took once.
func (s *Stage) more(ctx context.Context, ws *runner.Workspace, c Config, bench *runner.Bench, runs []*programRun, g *gate.Gate, first time.Duration) (warnings []string, err error) {
	bench.Planned = c.Looks
	programs := map[string]*programRun{}
	for _, r := range runs {
		programs[r.Name] = r
		r.count = r.collected.rounds
	}
	for times := 1; times < 1<<(c.Looks-1); times *= 2 {
		device := false
		var open []*programRun
		for i, step := range c.Next(bench) {
			r := programs[bench.Samples[i].Source]
			switch {
			case step != runner.More:
			case r == nil:
				device = true
			case ws.Beside == nil && !slices.Contains(open, r): // beside a base it has its turns
				open = append(open, r)
			}
		}
		deadline, limited := ctx.Deadline()
		need := 3 * first * time.Duration(times) // and all of it once more, should it be missed then
		enough := !limited || time.Until(deadline) > need*5/4
		if ctx.Err() != nil || !device && len(open) == 0 || !enough {
			return warnings, nil
		}
		ws.Report(runner.StageBench, "not decided yet: measuring as much again, %d rounds in all", 2*times*max(c.Rounds, 1))
		if device {
			again := c
			again.Rounds *= times
			again.Seed += uint64(times)
			rep, err := s.device(ctx, ws, again, g)
			if err != nil {
				return warnings, err
			}
			warnings = append(warnings, rep.Warnings...)
			extend(bench, rep.Samples, rep.Origins)
		}
		for _, r := range open {
			r.Rounds = r.count
		}
		runRounds(ctx, ws, open, c.Seed+uint64(times), g)
		for _, r := range open {
			if r.err != nil {
				return warnings, r.err
			}
			r.count += r.Rounds
			bench.Settings["program "+r.Name] = fmt.Sprintf("%d rounds, format %s", r.count, r.Format)
			var added []runner.Sample
			for _, all := range r.collected.samples {
				i := slices.IndexFunc(bench.Samples, func(b runner.Sample) bool { return b.Source == r.Name && b.Key() == all.Key() })
				all.Values = all.Values[len(bench.Samples[i].Values):]
				added = append(added, all)
			}
			extend(bench, added, nil)
		}
	}
	return warnings, nil
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
