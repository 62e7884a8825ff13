package harness

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// settings says how it was measured, also of a run that failed.
func (r *run) settings() {
	c, s := r.c, r.rep.Settings
	s["rounds"] = strconv.Itoa(c.Rounds)
	s["processes"] = strconv.Itoa(max(1, c.Processes))
	s["window"] = c.Window.String()
	s["lead-in"] = (c.Window / leadFraction).String()
	s["seed"] = strconv.FormatUint(c.Seed, 10)
	s["kernel"] = c.Kernel.String()
	if c.Kernel.Source != nil {
		s["kernel-results"] = "finite, changed, the same bits twice; what is right is not known"
	}
	s["collector"] = "off within windows"
	s["order"] = "random, interleaved in every round"
	s["buffers"] = "one per thread"
	if len(c.Threads) > 0 {
		s["threads"] = join(c.Threads)
	}
	if len(c.Depths) > 0 {
		s["depths"] = join(c.Depths)
		s["async-threads"] = strconv.Itoa(c.AsyncThreads)
		s["async-queues"] = "one per thread"
	}
	limit := 0
	for _, t := range r.tracks {
		limit = max(limit, t.load.queueLimit())
	}
	s["queue-limit"] = fmt.Sprintf("%d … %d", minQueueLimit, limit)
	procs, verified := 0, uint64(0)
	for _, g := range r.groups {
		procs, verified = max(procs, g.setup.Procs), verified+g.setup.Counts.Completed
	}
	if procs > 0 {
		s["GOMAXPROCS"] = strconv.Itoa(procs)
		s["verified"] = fmt.Sprintf("%d operations before timing, and every window", verified)
	}
	maps.Copy(s, r.rep.Device.Settings)
}

// observed says what was counted and noticed, also in a run that failed.
func (r *run) observed() {
	r.rep.Counts = Counts{}
	o := r.rep.Observed
	for _, g := range r.groups {
		r.rep.Counts.add(g.counts)
		if g.setup.Own > 0 {
			o["harness, an operation"] = seconds(g.setup.Own)
		}
		for what, cost := range g.setup.Calls {
			o["cost of "+what] = seconds(cost)
		}
	}
	n := r.rep.Counts
	o["ops-completed"] = strconv.FormatUint(n.Completed, 10)
	o["ops-failed"] = strconv.FormatUint(n.Failed, 10)
	o["ops-hung"] = strconv.FormatUint(n.Hung, 10)
	if len(r.rep.Dropped) > 0 {
		o["values dropped for conditions"] = strconv.Itoa(len(r.rep.Dropped))
	}
	o["warm-up"] = r.warmUp()
	maps.Copy(o, r.rep.Device.Observed)
}

// seconds are a short time for people.
func seconds(s float64) string {
	d := time.Duration(s * 1e9)
	if d < 10*time.Microsecond {
		return fmt.Sprintf("%.0f ns", s*1e9)
	}
	return d.Round(d / 1000).String()
}

// warmUp says how the warm-ups ended, and warns of those that did not settle.
func (r *run) warmUp() string {
	if r.c.Warmup == 0 {
		return "none"
	}
	n, settledIn, took := 0, 0, time.Duration(0)
	for _, g := range r.groups {
		for _, w := range g.warmth {
			n++
			if w.Settled {
				settledIn++
				took = max(took, w.Took)
			}
		}
	}
	switch {
	case n == 0:
		return "none"
	case settledIn == n && n == 1:
		return fmt.Sprintf("settled after %s", took.Round(time.Millisecond))
	case settledIn == n:
		return fmt.Sprintf("%d, settled after %s at most", n, took.Round(time.Millisecond))
	}
	for _, g := range r.groups {
		bad := slices.IndexFunc(g.warmth, func(w warmth) bool { return !w.Settled })
		if bad >= 0 {
			r.warn("the warm-up did not settle: after %s of %s three windows in a row still differed by more than %.0f %%; what that process measured makes nothing red",
				r.c.Warmup, g.warmth[bad].load, settled*100)
			break
		}
	}
	if n == 1 {
		return fmt.Sprintf("not settled within %s", r.c.Warmup)
	}
	return fmt.Sprintf("%d of %d not settled within %s", n-settledIn, n, r.c.Warmup)
}

func (r *run) warn(format string, args ...any) {
	r.rep.Warnings = append(r.rep.Warnings, fmt.Sprintf(format, args...))
}

// results turns the values of the scenarios that were measured into samples, adds what is
// derived from them, and says what weakens them.
func (r *run) results() {
	source := "harness " + r.rep.Device.Backend
	r.tracks = r.alive()
	r.rep.Rounds, r.rep.parts = r.kept, map[string][]Load{}
	for _, t := range r.tracks {
		if len(t.values) == 0 {
			continue
		}
		r.rep.Loads++
		s := runner.Sample{
			Name: t.load.Scenario, Unit: "ops/s", Config: t.load.Config(), Better: runner.HigherIsBetter,
			Values: t.rates(), Source: source,
		}
		r.rep.Samples = append(r.rep.Samples, s)
		r.rep.Origins = append(r.rep.Origins, t.origin(s.Key()))
		r.rep.parts[s.Key()] = []Load{t.load}
	}
	r.dropped()
	r.scaling(source)
	r.gain(source)
	r.same(source)
	r.suspect()
}

// derive adds a sample that is computed from others, unless one of them has no value.
func (r *run) derive(s runner.Sample, of []*track, formula string, notes ...string) {
	if len(s.Values) == 0 {
		return
	}
	s.Derived = true
	for _, t := range of {
		r.rep.parts[s.Key()] = append(r.rep.parts[s.Key()], t.load)
	}
	r.rep.Samples = append(r.rep.Samples, s)
	r.rep.Origins = append(r.rep.Origins, runner.Origin{Sample: s.Key(), Formula: formula, Unsettled: unsettled(of...), Notes: notes})
}

// unsettled are the rounds, from 0, whose value of any of these loads is of a process
// whose warm-up did not settle.
func unsettled(of ...*track) (out []int) {
	for k := range common(of) {
		if slices.ContainsFunc(of, func(t *track) bool { return !t.values[k].settled }) {
			out = append(out, k)
		}
	}
	return out
}

// common is the number of rounds in which all of these were measured: what is left out of
// rounds stays out, so they are the first.
func common(of []*track) int {
	n := len(of[0].values)
	for _, t := range of[1:] {
		n = min(n, len(t.values))
	}
	return n
}

// origin says how the values came about.
func (t *track) origin(key string) runner.Origin {
	o := runner.Origin{Sample: key, Unsettled: unsettled(t)}
	for _, v := range t.values {
		o.Rounds = append(o.Rounds, v.round)
		o.Positions = append(o.Positions, v.position)
		o.Processes = append(o.Processes, v.process)
		o.Ops = append(o.Ops, v.Ops)
		o.Seconds = append(o.Seconds, v.Seconds)
	}
	if d := t.drifts(); len(d) > 0 {
		m := median(d)
		o.Drift = &m
	}
	o.Overhead = t.overhead()
	if len(t.spans) > 0 {
		pick := func(of func(Spans) float64) float64 {
			var v []float64
			for _, s := range t.spans {
				v = append(v, of(s))
			}
			return median(v)
		}
		d := &runner.DeviceTimes{
			Execution: pick(func(s Spans) float64 { return s.Execution }),
			Low:       pick(func(s Spans) float64 { return s.Low }), High: pick(func(s Spans) float64 { return s.High }),
			Busy: pick(func(s Spans) float64 { return s.Busy }), Parallel: pick(func(s Spans) float64 { return s.Parallel }),
		}
		for _, s := range t.spans {
			d.Ops += s.Ops
		}
		o.Device = d
	}
	return o
}

// overhead is the share of a thread's time that goes into the harness's own loop: its
// price for an operation times the operations that one thread completes in a second.
func (t *track) overhead() float64 {
	return t.group.setup.Own * median(t.rates()) / float64(t.load.Threads)
}

// dropped warns of values that conditions did not let count, by reason.
func (r *run) dropped() {
	count := map[string]int{}
	for _, d := range r.rep.Dropped {
		count[d.Reason]++
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", reason, count[reason]))
	}
	if len(parts) > 0 {
		r.warn("%d values were dropped because the machine was not fit: %s", len(r.rep.Dropped), strings.Join(parts[:min(len(parts), 5)], "; "))
	}
}

// find returns the track of a load, nil if it was not measured.
func (r *run) find(match func(Load) bool) *track {
	if i := slices.IndexFunc(r.tracks, func(t *track) bool { return match(t.load) }); i >= 0 {
		return r.tracks[i]
	}
	return nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}
