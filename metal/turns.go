package metal

import (
	"context"
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

// pair is one program on its way through the blocks, on base and head.
type pair struct {
	base, head *programRun
	looks      []int          // numbers of blocks
	blocks     int            // done
	turns      []runner.Turns // by benchmark, in the order of the head's samples
	suspect    bool
	done       bool
	untold     string // why there is nothing to compare with
}

// inTurns is what came of measuring base and head beside each other.
type inTurns struct {
	runs       []*programRun // of the head, as runPrograms gives them; none of the unaffected
	turns      []runner.Turns
	untold     map[string]string // by program
	unaffected []runner.Unaffected
}

// runBeside measures the programs on base and head in turns, in blocks of base, head, head,
// base or the other way round, drawn anew each time: what drifts slowly over four runs hits
// both alike. A program whose inputs are the same on both sides is not run. After each look
// steps tells which benchmarks need more blocks; a program with one that is suspect is
// measured once more, independently, as long as it was. What goes wrong on the base takes
// the comparison away and leaves the head measured on its own.
func (s *Stage) runBeside(ctx context.Context, ws *runner.Workspace, c Config, g *gate.Gate) inTurns {
	out := inTurns{untold: map[string]string{}}
	heads, bases := buildPrograms(ctx, ws, c.Programs), buildPrograms(ctx, ws.Beside, c.Programs)
	var pairs []*pair
	var alone []*programRun
	for i, head := range heads {
		base := bases[i]
		switch {
		case head.err != nil:
		case base.err != nil:
			out.untold[head.Name] = "the base: " + base.err.Error()
			alone = append(alone, head)
		default:
			if why := sameInputs(ws.Beside.Dir, ws.Dir, head.Program); why != "" && !c.Always {
				out.unaffected = append(out.unaffected, runner.Unaffected{Program: head.Name, Reason: why})
				ws.Report(runner.StageBench, "%s: unaffected, not run: %s", head.Name, why)
				continue
			}
			pairs = append(pairs, &pair{base: base, head: head, looks: looksOf(head.Program, c.Looks)})
		}
		out.runs = append(out.runs, head)
	}
	runRounds(ctx, ws, alone, c.Seed, g)
	m := &meeting{ws: ws, gate: g, pairs: pairs, rng: rand.New(rand.NewPCG(c.Seed, 0x7475726e73)), begin: time.Now()}
	if len(pairs) > 0 {
		if err := g.Conditions(ctx, harness.Occasion{Moment: harness.BeforeRun}); err != nil {
			for _, p := range pairs {
				p.head.fail("conditions", err)
			}
		}
	}
	for m.look(ctx, c.Steps) {
	}
	m.again(ctx)
	for _, p := range pairs {
		if p.untold != "" {
			out.untold[p.head.Name] = p.untold
			for p.head.count < p.head.Rounds && p.head.err == nil && ctx.Err() == nil {
				p.head.count++
				p.head.round(ctx, ws, p.head.count, g)
			}
			continue
		}
		out.turns = append(out.turns, p.turns...)
	}
	return out
}

// looksOf are the numbers of blocks at which a program is looked at: first when it had as
// many runs as it has rounds, then after twice as many, and so on.
func looksOf(p Program, looks int) []int {
	var out []int
	for n := max(leastBlocks, (p.Rounds+1)/2); len(out) < looks; n *= 2 {
		out = append(out, n)
	}
	return out
}

// meeting lets the programs of both sides take turns.
type meeting struct {
	ws    *runner.Workspace
	gate  *gate.Gate
	pairs []*pair
	rng   *rand.Rand
	begin time.Time
	done  int // blocks of all programs
}

// look measures every program that is not done up to its next look and asks what to do
// then. It reports whether there may be anything left to measure.
func (m *meeting) look(ctx context.Context, steps func([]runner.Turns) []runner.Step) bool {
	goal := map[*pair]int{}
	for _, p := range m.pairs {
		if p.open() {
			goal[p] = p.next()
		}
	}
	if len(goal) == 0 || !m.affordable(ctx, goal) {
		return false
	}
	m.measure(ctx, goal, false)
	if ctx.Err() != nil || steps == nil {
		return false
	}
	var all []runner.Turns
	var of []*pair
	for _, p := range m.pairs {
		for _, t := range p.turns {
			all, of = append(all, t), append(of, p)
		}
		p.done = true
	}
	for i, step := range steps(all) {
		p := of[i]
		p.suspect = p.suspect || step == runner.Suspect
		if step == runner.More && p.blocks < p.looks[len(p.looks)-1] {
			p.done = false
		}
	}
	return true
}

// again measures what is suspect once more, independently and as long as before.
func (m *meeting) again(ctx context.Context) {
	goal := map[*pair]int{}
	for _, p := range m.pairs {
		if p.suspect && p.untold == "" && p.head.err == nil {
			goal[p], p.blocks = p.blocks, 0
			m.ws.Report(runner.StageBench, "%s: suspect, measured again in %d blocks", p.head.Name, goal[p])
		}
	}
	m.measure(ctx, goal, true)
	for p, n := range goal {
		if p.blocks < n { // half a repetition is none
			for i := range p.turns {
				p.turns[i].BaseAgain, p.turns[i].HeadAgain = nil, nil
			}
		}
	}
}

// affordable reports whether the time that is left suffices for the blocks, and for
// measuring everything again should it be suspect then. The first blocks always are.
func (m *meeting) affordable(ctx context.Context, goal map[*pair]int) bool {
	deadline, limited := ctx.Deadline()
	if !limited || m.done == 0 {
		return ctx.Err() == nil
	}
	need := 0
	for p, n := range goal {
		need += n - p.blocks + n
	}
	each := time.Since(m.begin) / time.Duration(m.done)
	return ctx.Err() == nil && time.Until(deadline) > each*time.Duration(need)*11/10
}

// measure lets the programs take turns block by block until each has as many as its goal.
func (m *meeting) measure(ctx context.Context, goal map[*pair]int, again bool) {
	for ctx.Err() == nil {
		var open []*pair
		left := 0
		for _, p := range m.pairs {
			if n, ok := goal[p]; ok && p.blocks < n && p.untold == "" && p.head.err == nil {
				open = append(open, p)
				left = max(left, n-p.blocks)
			}
		}
		if len(open) == 0 {
			return
		}
		what := open[0].head.Name
		if len(open) > 1 {
			what = fmt.Sprintf("%d programs", len(open))
		}
		m.ws.Report(runner.StageBench, "%s: base and head in turns, %d blocks of four runs to the next look, %s elapsed",
			what, left, time.Since(m.begin).Round(time.Second/10))
		m.rng.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
		for _, p := range open {
			if ctx.Err() == nil {
				p.block(ctx, m, m.rng.IntN(2) == 0, again)
				m.done++
			}
		}
	}
}

// open reports whether more blocks may be measured.
func (p *pair) open() bool { return !p.done && p.untold == "" && p.head.err == nil }

// next is the number of blocks of the next look.
func (p *pair) next() int {
	i := slices.IndexFunc(p.looks, func(n int) bool { return p.blocks < n })
	return p.looks[max(i, 0)]
}

// block runs base, head, head, base, or with headFirst the other way round. Half a block is
// none.
func (p *pair) block(ctx context.Context, m *meeting, headFirst, again bool) {
	var base, head []map[string]float64
	for i := range 4 {
		if (i == 0 || i == 3) == headFirst {
			p.head.count++
			p.head.round(ctx, m.ws, p.head.count, m.gate)
			head = append(head, p.head.last())
		} else {
			p.base.count++
			p.base.round(ctx, m.ws.Beside, p.base.count, m.gate)
			base = append(base, p.base.last())
		}
		if p.head.err != nil || ctx.Err() != nil {
			return
		}
		if p.base.err != nil {
			p.untold, p.turns = "the base: "+p.base.err.Error(), nil
			return
		}
	}
	if p.turns == nil {
		p.begin()
	}
	for i := range p.turns {
		t, key := &p.turns[i], p.turns[i].Key()
		for k := range 2 {
			if again {
				t.BaseAgain, t.HeadAgain = append(t.BaseAgain, base[k][key]), append(t.HeadAgain, head[k][key])
			} else {
				t.Base, t.Head = append(t.Base, base[k][key]), append(t.Head, head[k][key])
			}
		}
	}
	p.blocks++
}

// begin lines up what both sides have.
func (p *pair) begin() {
	p.turns = []runner.Turns{}
	for _, s := range p.head.collected.samples {
		if _, ok := p.base.collected.index[s.Key()]; ok {
			p.turns = append(p.turns, runner.Turns{Name: s.Name, Unit: s.Unit, Config: s.Config, Better: s.Better, Source: s.Source, Looks: p.looks})
		}
	}
	for _, s := range p.base.collected.samples {
		if _, ok := p.head.collected.index[s.Key()]; !ok {
			p.head.collected.warnings = append(p.head.collected.warnings, fmt.Sprintf("%s: the base has %s, the head does not", p.head.Name, s.Key()))
		}
	}
}

// last is what the last round gave, by key: the median where it gave several values.
func (r *programRun) last() map[string]float64 {
	out := map[string]float64{}
	if r.err != nil {
		return out
	}
	for i, s := range r.collected.samples {
		if i == len(r.taken) {
			r.taken = append(r.taken, 0)
		}
		got := slices.Sorted(slices.Values(s.Values[r.taken[i]:]))
		r.taken[i] = len(s.Values)
		if n := len(got); n > 0 {
			out[s.Key()] = got[(n-1)/2]/2 + got[n/2]/2
		}
	}
	return out
}
