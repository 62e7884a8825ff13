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

// measured is what came of all measurements of one kind: alone, or beside a base.
type measured struct {
	device *harness.Report // of the head; nil if there is none
	err    error           // of the device
	runs   []*programRun   // of the head; none of the unaffected
	// Beside a base:
	base       time.Duration // that went to it
	turns      []runner.Turns
	untold     map[string]string // by source
	fresh      map[string]string // by source
	unaffected []runner.Unaffected
	warnings   []string
}

// alone measures the head.
func (s *Stage) alone(ctx context.Context, ws *runner.Workspace, c Config, g *gate.Gate) (out measured) {
	if c.Backend != BackendNone {
		out.device, out.err = s.device(ctx, ws, c, g)
	}
	out.runs = runPrograms(ctx, ws, c.Programs, c.Seed, g)
	return out
}

// beside measures on base and head in turns what can be. What has the same inputs on both
// sides is not run. What goes wrong on the base takes the comparison away and leaves the
// head measured on its own.
func (s *Stage) beside(ctx context.Context, ws *runner.Workspace, c Config, g *gate.Gate) measured {
	out := measured{untold: map[string]string{}, fresh: map[string]string{}}
	m := &meeting{ws: ws, gate: g, rng: rand.New(rand.NewPCG(c.Seed, 0x7475726e73))}
	skip := func(u runner.Unaffected) {
		out.unaffected = append(out.unaffected, u)
		ws.Report(runner.StageBench, "%s: unaffected, not run: %s", u.Program, u.Reason)
	}
	if u := c.unaffected(ws); u != nil {
		skip(*u)
	} else if c.Backend != BackendNone {
		k, untold, fresh := s.kernels(ctx, ws, c, g)
		out.lacks(c.source(), untold, fresh)
		if k != nil {
			m.pairs = append(m.pairs, &pair{contest: k, looks: looksOf(c.Rounds, c.Looks)})
		} else {
			out.device, out.err = s.device(ctx, ws, c, g)
		}
	}
	heads, bases := buildPrograms(ctx, ws, c.Programs), buildPrograms(ctx, ws.Beside, c.Programs)
	var alone []*programRun
	for i, head := range heads {
		base := bases[i]
		switch {
		case head.err != nil:
		case base.err != nil:
			out.lacks(head.Name, "the base: "+base.err.Error(), "")
			alone = append(alone, head)
		default:
			if why := sameInputs(ws.Beside.Dir, ws.Dir, head.Program); why != "" && !c.Always {
				skip(runner.Unaffected{Program: head.Name, Reason: why})
				continue
			}
			m.pairs = append(m.pairs, &pair{contest: &programTurns{ws: ws, gate: g, base: base, head: head}, looks: looksOf(head.Rounds, c.Looks)})
		}
		out.runs = append(out.runs, head)
	}
	runRounds(ctx, ws, alone, c.Seed, g)
	m.hold(ctx, c.Steps)
	for _, p := range m.pairs {
		out.base += p.spent / 2
		out.warnings = append(out.warnings, p.warnings...)
		out.lacks(p.source(), p.untold, "")
		if p.open() {
			out.turns = append(out.turns, p.turns...)
		}
		p.finish(ctx, p, &out)
	}
	return out
}

// lacks notes why a source has nothing to compare with, if it has not.
func (m *measured) lacks(source, untold, fresh string) {
	if untold != "" {
		m.untold[source] = untold
		m.warnings = append(m.warnings, fmt.Sprintf("%s was not compared with the base: %s", source, untold))
	}
	if fresh != "" {
		m.fresh[source] = fresh
	}
}

// programTurns is one program on both sides.
type programTurns struct {
	ws         *runner.Workspace // of the head
	gate       *gate.Gate
	base, head *programRun
	gave       [2][]map[string]float64 // by side: what each run gave
	tried      int                     // blocks
	took       time.Duration           // by them
}

func (p *programTurns) source() string { return p.head.Name }

// narrow leaves nothing out: what a program measures is its own affair.
func (p *programTurns) narrow(context.Context, []string) error { return nil }

func (p *programTurns) takes([]string) time.Duration {
	return p.took / time.Duration(max(p.tried, 1))
}

func (p *programTurns) anew(context.Context, []string) error {
	p.gave = [2][]map[string]float64{}
	return nil
}

// finish measures the head as often as it would have been without a base, where there was
// none to compare with.
func (p *programTurns) finish(ctx context.Context, in *pair, _ *measured) {
	if in.broken != nil && p.head.err == nil {
		p.head.fail("conditions", in.broken)
	}
	for in.untold != "" && p.head.count < p.head.Rounds && p.head.err == nil && ctx.Err() == nil {
		p.head.count++
		p.head.round(ctx, p.ws, p.head.count, p.gate)
	}
}

func (p *programTurns) block(ctx context.Context, rng *rand.Rand) error {
	begin := time.Now()
	defer func() { p.tried, p.took = p.tried+1, p.took+time.Since(begin) }()
	var gave [2][]map[string]float64
	outer := harness.Side(rng.IntN(2))
	for i := range 4 {
		side, run, ws := outer, p.head, p.ws
		if i == 1 || i == 2 {
			side = harness.Head + harness.Base - outer
		}
		if side == harness.Base {
			run, ws = p.base, p.ws.Beside
		}
		run.count++
		run.round(ctx, ws, run.count, p.gate)
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if run.err != nil {
			return &harness.SideError{Side: side, Err: run.err}
		}
		gave[side] = append(gave[side], run.last())
	}
	for side := range gave {
		p.gave[side] = append(p.gave[side], gave[side]...)
	}
	return nil
}

func (p *programTurns) told() (base, head []runner.Sample, unsettled map[string][]int) {
	of := func(r *programRun, gave []map[string]float64) (out []runner.Sample) {
		for _, s := range r.collected.samples {
			s.Values = nil
			for _, run := range gave {
				s.Values = append(s.Values, run[s.Key()])
			}
			out = append(out, s)
		}
		return out
	}
	return of(p.base, p.gave[harness.Base]), of(p.head, p.gave[harness.Head]), nil
}

// last is what the last round gave, by key: the median where it gave several values.
func (r *programRun) last() map[string]float64 {
	out := map[string]float64{}
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
