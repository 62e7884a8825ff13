package harness

import (
	"fmt"
	"math"
	"strconv"

	"github.com/holdfast-ci/holdfast/runner"
)

// noisy is the disagreement of two identical configurations from which on a reader is
// warned.
const noisy = 0.05

// scaling adds, for each queue mode and thread count above 1, the ratio of each round
// to the same round's value with one thread.
func (r *run) scaling(source string) {
	for _, mode := range []string{shared, perThread} {
		one := r.find(func(l Load) bool { return l.Scenario == multiQueue && l.Mode == mode && l.Threads == 1 })
		if one == nil {
			continue
		}
		for _, t := range r.tracks {
			if t.load.Scenario != multiQueue || t.load.Mode != mode || t.load.Threads == 1 {
				continue
			}
			r.derive(runner.Sample{
				Name: "scaling", Unit: "x", Config: t.load.Config(), Better: runner.HigherIsBetter,
				Values: ratios(t.rates(), one.rates()), Source: source,
			}, []*track{t, one}, fmt.Sprintf("of each round: ops/s of %s ÷ ops/s of %s", t.load, one.load))
		}
	}
	one := r.find(func(l Load) bool { return l.Scenario == multiQueue && l.Threads == 1 })
	many := r.find(func(l Load) bool { return l.Scenario == multiQueue && l.Threads > 1 })
	if one == nil && many != nil {
		r.warn("no scaling: thread count 1, which it is relative to, is not configured")
	}
}

// gain adds, for each mode of async-pipeline, the gain of the best depth over depth 1
// for each round. Which depth is best for a round is decided from the other rounds:
// choosing and reporting on the same noise would flatter ("winner's curse").
func (r *run) gain(source string) {
	for _, mode := range []string{single, multi} {
		var depths []int
		var values [][]float64
		var one []float64
		var of []*track
		threads := 1
		for _, t := range r.tracks {
			if t.load.Scenario != asyncPipeline || t.load.Mode != mode {
				continue
			}
			of = append(of, t)
			if t.load.Depth == 1 {
				one, threads = t.rates(), t.load.Threads
			} else {
				depths, values = append(depths, t.load.Depth), append(values, t.rates())
			}
		}
		if one == nil || len(depths) == 0 {
			continue
		}
		one = one[:common(of)]
		if len(one) == 0 {
			continue
		}
		s := runner.Sample{
			Name: "async-gain", Unit: "ratio", Better: runner.HigherIsBetter,
			Config: map[string]string{"mode": mode, "threads": strconv.Itoa(threads)},
			Source: source,
		}
		var flattered []float64 // by the best depth of the very round
		chosen := map[int]int{}
		for k := range one {
			d := best(values, k)
			chosen[d]++
			s.Values = append(s.Values, values[d][k]/one[k]-1)
			most := 0.0
			for _, v := range values {
				most = max(most, v[k])
			}
			flattered = append(flattered, most/one[k]-1)
		}
		top := best(values, -1)
		r.rep.Observed["async-best-depth mode="+mode] = strconv.Itoa(depths[top])
		var notes []string
		if len(depths) > 1 {
			notes = append(notes, fmt.Sprintf("the best depth was chosen from the other rounds; the best of %d in the round itself would have said %+.1f %%, by chance alone",
				len(depths), median(flattered)*100))
		}
		if len(chosen) > 1 {
			text := fmt.Sprintf("async-pipeline mode=%s: which depth is best is not settled, %d of %d depths were best in some rounds: the gain is that of no fixed depth, require one of a depth instead",
				mode, len(chosen), len(depths))
			notes = append(notes, text)
			if spread := median(flattered) - median(s.Values); spread > noisy*(1+median(s.Values)) {
				r.warn("%s; the best of many would have said %+.0f %% where %+.0f %% can be repeated", text, median(flattered)*100, median(s.Values)*100)
			}
		}
		r.derive(s, of, fmt.Sprintf("of each round: ops/s at the depth with the highest median over the other rounds ÷ ops/s at depth 1, minus 1 (best over all: depth %d)", depths[top]), notes...)
		for i, d := range depths {
			if g := median(ratios(values[i], one)); g > float64(d)*(1+noisy) {
				r.warn("depth %d of async-pipeline mode=%s gave %.1f times depth 1; hiding latency cannot give more than %d times, so depth 1 was slowed by something else (idle clocks, wake-ups)",
					d, mode, g, d)
			}
		}
	}
}

// best is the index with the highest median over all rounds but the one left out; none
// is left out if it is negative.
func best(values [][]float64, leftOut int) int {
	at, most := 0, math.Inf(-1)
	for i, v := range values {
		var rest []float64
		for k, x := range v {
			if k != leftOut {
				rest = append(rest, x)
			}
		}
		if m := median(rest); m > most {
			at, most = i, m
		}
	}
	return at
}

// ratios are those of each round that has both.
func ratios(a, b []float64) []float64 {
	var q []float64
	for k := range min(len(a), len(b)) {
		q = append(q, a[k]/b[k])
	}
	return q
}

// same compares configurations that are the same work under two names: one thread on the
// shared queue, one thread on its own queue, and one thread with one operation in flight
// in the other scenario's process. What they differ by is what this run cannot resolve.
func (r *run) same(source string) {
	one := func(scenario, mode string) *track {
		return r.find(func(l Load) bool {
			return l.Scenario == scenario && l.Mode == mode && l.Threads == 1 && l.Depth == 1
		})
	}
	a, b, c := one(multiQueue, shared), one(multiQueue, perThread), one(asyncPipeline, single)
	floor, found := 0.0, false
	for _, p := range []struct {
		name string
		a, b *track
		text string
	}{
		{"queue", a, b, "one thread on the shared queue and one thread on its own queue"},
		{"process", b, c, "one thread with one operation in flight in the processes of two scenarios"},
	} {
		if p.a == nil || p.b == nil || common([]*track{p.a, p.b}) == 0 {
			continue
		}
		s := runner.Sample{Name: "same-work", Unit: "%", Config: map[string]string{"pair": p.name}, Source: source}
		for _, q := range ratios(p.a.rates(), p.b.rates()) {
			s.Values = append(s.Values, (q-1)*100)
		}
		d := math.Abs(median(p.a.rates())/median(p.b.rates()) - 1)
		r.derive(s, []*track{p.a, p.b}, fmt.Sprintf("of each round: ops/s of %s ÷ ops/s of %s, minus 1: the same work twice, so this is noise", p.a.load, p.b.load))
		floor, found = max(floor, d), true
		if d > noisy {
			r.warn("%s are the same work, yet differ by %.1f %%: smaller differences in this run mean nothing", p.text, d*100)
		}
	}
	if found {
		r.rep.Observed["noise floor"] = fmt.Sprintf("%.2f %%", floor*100)
	}
}
