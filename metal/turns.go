package metal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/metal/gate"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

const (
	// leastBlocks is how many blocks there are before the first look: two runs a side each.
	leastBlocks = 3
	// defaultLooks is how often it is decided whether more blocks are needed; each look
	// doubles them.
	defaultLooks = 3
)

// contest is what base and head are measured with in turns: a program, or the built-in
// harness with a kernel of each.
type contest interface {
	// source is that of its samples.
	source() string
	// block measures base, head, head, base, or the other way round as is drawn. The error is
	// a *harness.SideError if it is one side's. Half a block is none.
	block(ctx context.Context, rng *rand.Rand) error
	// told is what both sides gave since the beginning, or since anew: each sample has two
	// values from each block, those of block i at 2i and 2i+1. unsettled are, by Key, the
	// blocks, from 0, in which a process measured whose warm-up did not settle.
	told() (base, head []runner.Sample, unsettled map[string][]int)
	// narrow leaves out of the blocks to come what none of the benchmarks with these keys
	// needs, where that is possible. Errors are those of block.
	narrow(ctx context.Context, keys []string) error
	// takes is how long a block takes that has what these need, by the blocks so far.
	takes(keys []string) time.Duration
	// anew ends the first measurement and begins a repetition of what these need, which is
	// independent of it.
	anew(ctx context.Context, keys []string) error
	// finish tells what there is of the head once nothing more is measured in turns.
	finish(ctx context.Context, in *pair, out *measured)
}

// pair is a contest on its way through the blocks.
type pair struct {
	contest
	looks    []int          // numbers of blocks
	blocks   int            // done, of the first measurement or of the repetition
	spent    time.Duration  // on all blocks
	turns    []runner.Turns // by benchmark, in the order of the head's samples
	wanted   []string       // keys: undecided at the last look
	suspects []string       // keys
	untold   string         // why there is nothing to compare with
	broken   error          // why the head could not be measured
	warnings []string
}

// looksOf are the numbers of blocks at which is looked at what is usually measured in so many
// rounds: first when each side had as many runs as that, then after twice as many, and so on.
func looksOf(rounds, looks int) []int {
	var out []int
	for n := max(leastBlocks, (rounds+1)/2); len(out) < looks; n *= 2 {
		out = append(out, n)
	}
	return out
}

// meeting lets both sides of all contests take turns. After each look steps tells which
// benchmarks need more blocks; a contest with one that is suspect is measured once more,
// independently, as long as it was.
type meeting struct {
	ws    *runner.Workspace
	gate  *gate.Gate
	pairs []*pair
	rng   *rand.Rand
	begin time.Time
}

// hold measures everything.
func (m *meeting) hold(ctx context.Context, steps func([]runner.Turns) []runner.Step) {
	if len(m.pairs) == 0 {
		return
	}
	if err := m.gate.Conditions(ctx, harness.Occasion{Moment: harness.BeforeRun}); err != nil {
		for _, p := range m.pairs {
			p.broken = err
		}
	}
	m.begin = time.Now()
	for m.look(ctx, steps) {
	}
	m.again(ctx)
}

// look measures every pair that is not done up to its next look and asks what to do then.
// It reports whether there may be anything left to measure.
func (m *meeting) look(ctx context.Context, steps func([]runner.Turns) []runner.Step) bool {
	goal := map[*pair]int{}
	first := true
	need := time.Duration(0)
	for _, p := range m.pairs {
		if p.open() && (p.blocks == 0 || len(p.wanted) > 0) {
			goal[p] = p.next()
			first = first && p.blocks == 0
			need += p.takes(p.wanted) * time.Duration(goal[p]-p.blocks)
			need += p.takes(slices.Concat(p.wanted, p.suspects)) * time.Duration(goal[p]) // should it be suspect then
		}
	}
	if len(goal) == 0 || !first && !affords(ctx, need) {
		return false
	}
	for p := range goal {
		if len(p.wanted) > 0 {
			p.fail(ctx, p.narrow(ctx, p.wanted))
		}
	}
	m.measure(ctx, goal)
	if ctx.Err() != nil {
		return false
	}
	var all []runner.Turns
	var of []*pair
	for _, p := range m.pairs {
		if _, measured := goal[p]; measured {
			p.evaluate()
		}
		for _, t := range p.turns {
			all, of = append(all, t), append(of, p)
		}
		p.wanted = nil
	}
	if steps == nil {
		return false
	}
	for i, step := range steps(all) {
		p, key := of[i], all[i].Key()
		switch {
		case step == runner.Suspect && !slices.Contains(p.suspects, key):
			p.suspects = append(p.suspects, key)
		case step == runner.More && p.blocks < p.looks[len(p.looks)-1]:
			p.wanted = append(p.wanted, key)
		}
	}
	return true
}

// again measures what is suspect once more, independently and as long as before.
func (m *meeting) again(ctx context.Context) {
	goal := map[*pair]int{}
	need := time.Duration(0)
	for _, p := range m.pairs {
		if len(p.suspects) > 0 && p.open() {
			goal[p] = p.blocks
			need += p.takes(p.suspects) * time.Duration(p.blocks)
		}
	}
	if len(goal) == 0 || !affords(ctx, need) {
		return
	}
	for p, n := range goal {
		m.ws.Report(runner.StageBench, "%s: suspect, measured again in %d blocks", p.source(), n)
		p.broken = p.anew(ctx, p.suspects)
		p.blocks = 0
	}
	m.measure(ctx, goal)
	for p, n := range goal {
		if p.blocks == n && p.open() { // half a repetition is none
			p.repeated()
		}
	}
}

// measure lets the contests take turns block by block until each has as many as its goal.
func (m *meeting) measure(ctx context.Context, goal map[*pair]int) {
	for ctx.Err() == nil {
		var open []*pair
		left := 0
		for _, p := range m.pairs {
			if n, ok := goal[p]; ok && p.blocks < n && p.open() {
				open = append(open, p)
				left = max(left, n-p.blocks)
			}
		}
		if len(open) == 0 {
			return
		}
		what := open[0].source()
		if len(open) > 1 {
			what = fmt.Sprintf("%d benchmarks", len(open))
		}
		m.ws.Report(runner.StageBench, "%s: base and head in turns, %d blocks of four runs to the next look, %s elapsed",
			what, left, time.Since(m.begin).Round(time.Second/10))
		m.rng.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
		for _, p := range open {
			if ctx.Err() == nil {
				p.measure(ctx, m.rng)
			}
		}
	}
}

// open reports whether both sides can still be measured.
func (p *pair) open() bool { return p.untold == "" && p.broken == nil }

// next is the number of blocks of the next look.
func (p *pair) next() int {
	i := slices.IndexFunc(p.looks, func(n int) bool { return p.blocks < n })
	return p.looks[max(i, 0)]
}

func (p *pair) measure(ctx context.Context, rng *rand.Rand) {
	begin := time.Now()
	err := p.block(ctx, rng)
	p.spent += time.Since(begin)
	if err == nil {
		p.blocks++
	}
	p.fail(ctx, err)
}

// fail notes an error of the contest.
func (p *pair) fail(ctx context.Context, err error) {
	var side *harness.SideError
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.As(err, &side) && side.Side == harness.Base:
		p.untold, p.turns = side.Error(), nil
	default:
		p.broken = err
	}
}

// evaluate lines up what both sides have given.
func (p *pair) evaluate() {
	if !p.open() {
		return
	}
	base, head, unsettled := p.told()
	p.turns, p.warnings = []runner.Turns{}, nil
	for _, s := range head {
		if i := slices.IndexFunc(base, func(b runner.Sample) bool { return b.Key() == s.Key() }); i >= 0 {
			p.turns = append(p.turns, runner.Turns{
				Name: s.Name, Unit: s.Unit, Config: s.Config, Better: s.Better, Source: s.Source,
				Base: base[i].Values, Head: s.Values, Looks: p.looks, Unsettled: unsettled[s.Key()],
			})
		}
	}
	for _, b := range base {
		if !slices.ContainsFunc(head, func(s runner.Sample) bool { return b.Key() == s.Key() }) {
			p.warnings = append(p.warnings, fmt.Sprintf("%s: the base has %s, the head does not", p.source(), b.Key()))
		}
	}
}

// repeated adds the repetition to what was lined up.
func (p *pair) repeated() {
	base, head, unsettled := p.told()
	for i := range p.turns {
		t := &p.turns[i]
		of := func(samples []runner.Sample) []float64 {
			k := slices.IndexFunc(samples, func(s runner.Sample) bool { return s.Key() == t.Key() })
			if k < 0 {
				return nil
			}
			return samples[k].Values
		}
		t.BaseAgain, t.HeadAgain, t.UnsettledAgain = of(base), of(head), unsettled[t.Key()]
	}
}
