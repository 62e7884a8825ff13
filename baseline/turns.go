package baseline

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/holdfast-ci/holdfast/runner"
)

// InTurns is how a [Metric] was compared with the base: both were measured in turns.
const InTurns = "in turns"

// leastBlocks is the number of blocks below which nothing is concluded.
const leastBlocks = 3

// turns is the comparison of base and head over the blocks so far.
type turns struct {
	base, change, lo, hi float64 // as in Metric
	blocks               int
	log, sd              float64 // location and scale of the blocks' differences of ln
	logLo, logHi         float64
}

// compareTurns takes the change of head against base. One block is one observation, the
// difference of the mean ln of its values, so that whatever drifts slowly hits both sides
// alike. Student's t bounds their location with the given chance outside on either side,
// with Huber's M-estimates in the place of mean and standard deviation ([huber]), so that
// one block in ten that something else disturbed does not hide what the others tell. It
// assumes blocks to be independent, and their differences to be roughly normal but for
// outliers: under equal sides they are symmetric whatever the noise, since which side begins
// is drawn. The scale is at least 0.3 %.
func compareTurns(base, head []float64, tail float64) (turns, error) {
	c := turns{blocks: min(len(base), len(head)) / 2}
	if c.blocks < leastBlocks {
		return c, fmt.Errorf("%s, and a comparison needs %d", count(c.blocks, "block"), leastBlocks)
	}
	diffs := make([]float64, c.blocks)
	for i := range diffs {
		for _, v := range [][]float64{base[2*i : 2*i+2], head[2*i : 2*i+2]} {
			for _, x := range v {
				if !(x > 0) || math.IsInf(x, 0) {
					return c, fmt.Errorf("%w; there is %s", errSign, plain(x))
				}
			}
		}
		diffs[i] = (math.Log(head[2*i]) + math.Log(head[2*i+1]) - math.Log(base[2*i]) - math.Log(base[2*i+1])) / 2
	}
	locs, sd := huber(diffs)
	c.log, c.sd = locs[0], sd
	w := studentQuantile(tail, float64(c.blocks-1)) * c.sd / math.Sqrt(float64(c.blocks))
	c.logLo, c.logHi = c.log-w, c.log+w
	sorted, _ := finite(base)
	c.base, c.change, c.lo, c.hi = median(sorted), math.Expm1(c.log), math.Expm1(c.logLo), math.Expm1(c.logHi)
	return c, nil
}

// beyond reports whether the change is on the wrong side of bound (in ln) with at most the
// given chance of that being noise.
func (c *turns) beyond(lower bool, bound, tail float64) bool {
	d := c.log - bound
	if lower {
		d = -d
	}
	return d > 0 && studentTail(d/c.sd*math.Sqrt(float64(c.blocks)), float64(c.blocks-1)) <= tail
}

// spent is the share of alpha that the look after the given number of blocks may spend.
//
// With n_K blocks at the last of K looks, a look at n_k spends (n_k − n_{k−1})/n_K: Lan and
// DeMets' spending function α·t (1983; Kim and DeMets 1987, ρ = 1). Each look is tested at
// what it spends alone, so the sum over all looks is at most alpha however they depend on
// each other (Bonferroni), and the intervals hold at all looks at once (repeated confidence
// intervals, Jennison and Turnbull 1989). Measuring that ended between two looks, for lack
// of time, spends what the next one would have.
func spent(looks []int, blocks int) float64 {
	if len(looks) == 0 {
		return 1
	}
	before, last := 0, looks[len(looks)-1]
	for _, n := range looks {
		if blocks <= n || n == last {
			return float64(n-before) / float64(last)
		}
		before = n
	}
	return 1
}

// verdict of a threshold that goes by the base, with what was found in words.
func (t Threshold) inTurns(r runner.Turns, family int) (v runner.Verdict, step runner.Step, reason string) {
	share := spent(r.Looks, len(r.Base)/2)
	c, err := compareTurns(r.Base, r.Head, alpha*share)
	if err != nil {
		return runner.Error, runner.Enough, "could not tell: " + err.Error()
	}
	tail := alpha / float64(max(family, 1))
	bound := math.Log1p(t.Value / 100)
	got := fmt.Sprintf("%s in %s in turns with the base", c.text(), count(c.blocks, "block"))
	open := runner.Enough
	if len(r.Looks) > 0 && c.blocks < r.Looks[len(r.Looks)-1] {
		open = runner.More
	}
	switch {
	case t.Op.holds(c.logLo, bound) && t.Op.holds(c.logHi, bound):
		return runner.Success, runner.Enough, got
	case !t.missedBy(c, bound, tail*share):
		if open == runner.More {
			got += "; the time was up before more could be measured, it"
		} else {
			got += ";"
		}
		return runner.Error, open, fmt.Sprintf("could not tell: %s needs %s", got, c.missing(bound, tail))
	case !t.missedSettled(r.Base, r.Head, r.Unsettled, alpha*share, bound, tail*share):
		return runner.Error, open, fmt.Sprintf("could not tell: %s, but %s", got, unsettledText(len(r.Unsettled), c.blocks, "block"))
	case len(r.BaseAgain) == 0:
		return runner.Error, runner.Suspect, fmt.Sprintf("could not tell: %s, which was not confirmed: there was no re-run", got)
	}
	again, err := compareTurns(r.BaseAgain, r.HeadAgain, alpha)
	if err != nil {
		return runner.Error, runner.Enough, fmt.Sprintf("could not tell: %s, and of the re-run: %v", got, err)
	}
	confirm := fmt.Sprintf("%s, and %s in an independent re-run", got, again.text())
	switch {
	case !t.missedBy(again, bound, tail):
		return runner.Error, runner.Enough, "could not tell: " + confirm + ", which does not confirm it"
	case !t.missedSettled(r.BaseAgain, r.HeadAgain, r.UnsettledAgain, alpha, bound, tail):
		return runner.Error, runner.Enough, fmt.Sprintf("could not tell: %s, but %s", confirm, unsettledText(len(r.UnsettledAgain), again.blocks, "block"))
	}
	return runner.Failure, runner.Enough, confirm
}

// missedBy reports whether the whole change is beyond the bound, and that no chance.
func (t Threshold) missedBy(c turns, bound, tail float64) bool {
	return !t.Op.holds(c.logLo, bound) && !t.Op.holds(c.logHi, bound) && c.beyond(t.Op.lower(), bound, tail)
}

// missedSettled reports whether the blocks miss the bound also without those that are not
// settled.
func (t Threshold) missedSettled(base, head []float64, unsettled []int, level, bound, tail float64) bool {
	if len(unsettled) == 0 {
		return true
	}
	without := func(values []float64) (out []float64) {
		for i, v := range values {
			if !slices.Contains(unsettled, i/2) {
				out = append(out, v)
			}
		}
		return out
	}
	c, err := compareTurns(without(base), without(head), level)
	return err == nil && t.missedBy(c, bound, tail)
}

func (c *turns) text() string {
	return fmt.Sprintf("%s [%s, %s]", Percent(c.change), Percent(c.lo), Percent(c.hi))
}

// missing says how many more blocks it would take if the change is what it seems.
func (c *turns) missing(bound, tail float64) string {
	d := math.Abs(c.log - bound)
	tells := func(n int) bool { return studentQuantile(tail, float64(n-1))*c.sd/math.Sqrt(float64(n)) < d }
	if tells(practical) {
		n := leastBlocks + sort.Search(practical-leastBlocks, func(i int) bool { return tells(leastBlocks + i) })
		return "about " + count(max(n-c.blocks, 1), "more block")
	}
	return "far more blocks than are practical: the change lies on the bound"
}

// Steps tells for each benchmark that is measured in turns what to do after this look.
func Steps(all []runner.Turns, thresholds []Threshold) []runner.Step {
	family := turnsFamily(all, thresholds)
	out := make([]runner.Step, len(all))
	for i, r := range all {
		for _, t := range thresholds {
			if !t.Base || !t.Match(sampleOf(r)) {
				continue
			}
			// A benchmark that one threshold suspects already is measured again, whatever
			// another one would still like to know.
			_, step, _ := t.inTurns(r, family)
			out[i] = max(out[i], step)
		}
	}
	return out
}

func sampleOf(r runner.Turns) runner.Sample {
	return runner.Sample{Name: r.Name, Unit: r.Unit, Config: r.Config, Better: r.Better}
}

// turnsFamily is the number of comparisons with the base in a run.
func turnsFamily(all []runner.Turns, thresholds []Threshold) (n int) {
	for _, r := range all {
		for _, t := range thresholds {
			if t.Base && t.Match(sampleOf(r)) {
				n++
			}
		}
	}
	return n
}

// beside is what a run knows of its base.
type beside struct {
	bench  *runner.Bench // nil if nothing
	turns  map[string][]runner.Turns
	family int
}

func newBeside(b *runner.Bench, thresholds []Threshold) beside {
	out := beside{bench: b, turns: map[string][]runner.Turns{}}
	if b == nil {
		return out
	}
	for _, r := range b.Turns {
		out.turns[r.Key()] = append(out.turns[r.Key()], r)
	}
	out.family = turnsFamily(b.Turns, thresholds)
	return out
}

// errNoBase is why there is nothing to go by.
var errNoBase = errors.New("no base was measured: a pull request has one, and holdfast run --base")

// decide judges a sample against a threshold that goes by the base, and fills in how they
// compare. Where several sources measured it, the worst of them counts.
func (b beside) decide(m *Metric, s pooled, t Threshold) {
	m.Baseline, m.Change, m.ChangeLo, m.ChangeHi, m.Method, m.Runs = math.NaN(), math.NaN(), math.NaN(), math.NaN(), "", nil
	m.Verdict = ""
	for _, source := range s.sources {
		v, reason := runner.Neutral, ""
		i := slices.IndexFunc(b.turns[s.Key()], func(r runner.Turns) bool { return r.Source == source })
		switch {
		case i >= 0:
			v, _, reason = t.inTurns(b.turns[s.Key()][i], b.family)
		case b.bench == nil || b.bench.Base == "":
			reason = errNoBase.Error()
		case b.bench.Untold[source] != "":
			v, reason = runner.Error, "could not tell: "+b.bench.Untold[source]
		case b.bench.New[source] != "":
			reason = "new: " + b.bench.New[source]
		case slices.ContainsFunc(b.bench.Turns, func(r runner.Turns) bool { return r.Source == source }):
			reason = "new: the base does not have it"
		default:
			reason = "not measured on the base: the built-in harness measures the machine, which is the same for both"
		}
		if m.Verdict == "" || runner.Worst(v, m.Verdict) != m.Verdict {
			m.Verdict, m.Reason = v, reason
			if i >= 0 {
				b.fill(m, b.turns[s.Key()][i])
			}
		}
	}
}

// fill puts the comparison with the base in the place of that with earlier runs.
func (b beside) fill(m *Metric, r runner.Turns) {
	c, err := compareTurns(r.Base, r.Head, alpha*spent(r.Looks, len(r.Base)/2))
	if err != nil {
		return
	}
	m.Method, m.Runs, m.Baseline = InTurns, nil, c.base
	m.Change, m.ChangeLo, m.ChangeHi = c.change, c.lo, c.hi
}

// unmatched is a threshold that met no sample: nothing to be red about if what it speaks of
// was not run for being unaffected.
func (b beside) unmatched(t Threshold, absent func(Threshold) Metric) Metric {
	m := absent(t)
	if b.bench == nil || m.Verdict != runner.Error {
		return m
	}
	var idle []runner.Unaffected // that the threshold may speak of
	for _, u := range b.bench.Unaffected {
		if u.Names == nil || slices.Contains(u.Names, t.Metric) {
			idle = append(idle, u)
		}
	}
	if len(idle) > 0 {
		u := idle[0]
		m.Verdict, m.Reason = runner.Neutral, fmt.Sprintf("unaffected: %s was not run (%s)", u.Program, u.Reason)
		if n := len(idle); n > 1 {
			m.Reason = fmt.Sprintf("unaffected: %d programs were not run, among them %s (%s)", n, u.Program, u.Reason)
		}
	}
	return m
}
