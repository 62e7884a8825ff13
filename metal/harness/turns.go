package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Side is one of two kernels that are measured in turns.
type Side int

// Sides.
const (
	Head Side = iota
	Base
)

func (s Side) String() string {
	if s == Base {
		return "base"
	}
	return "head"
}

// SideError says that one side could not be measured. It unwraps to why, which is one of
// the errors of [Run].
type SideError struct {
	Side     Side
	Err      error
	Scenario string
	Load     *Load // that was measured; nil where it had not come to that
}

func (e *SideError) Error() string { return fmt.Sprintf("the %s: %v", e.Side, e.Err) }
func (e *SideError) Unwrap() error { return e.Err }

// OpenSide makes the probe of one scenario of one side.
type OpenSide func(ctx context.Context, side Side, scenario string) (Probe, error)

// Turns measures base and head in turns on one device, block by block. Every scenario of
// both sides has a process of its own as in [Drive]: one measures, the others leave the
// device alone. In a block each load, in an order drawn anew, is measured in four windows:
// base, head, head, base or the other way round, drawn anew for each load. What drifts over
// the four hits both sides alike, and each block gives two rounds of either side.
// Close it; after an error it is only good for that.
type Turns struct {
	r     *run
	rng   *rand.Rand
	tried int           // blocks
	took  time.Duration // by them
}

// NewTurns prepares turns under c. Its kernel is the head's, for the report; Rounds and
// Processes say after how many rounds of a side its processes are replaced.
func NewTurns(open OpenSide, c Config) (*Turns, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := newRun(func(ctx context.Context, g *group) (Probe, error) { return open(ctx, g.side, g.scenario) }, c,
		append(c.groups(Head), c.groups(Base)...))
	r.beside = true
	return &Turns{r: r, rng: rand.New(rand.NewPCG(c.Seed, 0x7369646573))}, nil
}

// Block measures one block. Beside the errors of [Run] there is the [SideError]. A block
// that conditions spoil is taken anew, a few times.
func (t *Turns) Block(ctx context.Context) error {
	r := t.r
	begin := time.Now()
	defer func() { t.tried, t.took = t.tried+1, t.took+time.Since(begin) }()
	for range maxTries {
		// Which process is the older one must not go with the side.
		t.rng.Shuffle(len(r.groups), func(i, j int) { r.groups[i], r.groups[j] = r.groups[j], r.groups[i] })
		if err := r.startIfDue(ctx); err != nil {
			return err
		}
		slots, order := t.deal()
		whole, err := r.round(ctx, r.kept/2+1, slots, order)
		if err != nil {
			return err
		}
		if !whole {
			continue
		}
		r.kept += 2
		for _, x := range slots {
			n := len(x.values)
			x.values[n-2].round, x.values[n-1].round = r.kept-1, r.kept
		}
		return nil
	}
	n := len(r.rep.Dropped)
	return &ConditionsError{Last: r.rep.Dropped[n-1].Reason}
}

// deal draws the order of a block: a unit of four windows for each load that is not left
// out.
func (t *Turns) deal() (slots []*track, order [][]int) {
	heads := slices.DeleteFunc(t.r.of(Head).tracks, func(x *track) bool { return x.out })
	for _, i := range t.rng.Perm(len(heads)) {
		head := heads[i]
		base := t.r.of(Base).find(func(l Load) bool { return l == head.load })
		first, second := base, head
		if t.rng.IntN(2) == 0 {
			first, second = head, base
		}
		n := len(slots)
		slots = append(slots, first, second, second, first)
		order = append(order, []int{n, n + 1, n + 2, n + 3})
	}
	return slots, order
}

// Try goes through what a side failed in once more with the kernel of either: a fresh
// process, the verification, the warm-up, and a window of the load.
func (t *Turns) Try(ctx context.Context, fault *SideError, side Side) error {
	r := t.r.of(side)
	r.closeProbes()
	i := slices.IndexFunc(r.groups, func(g *group) bool { return g.scenario == fault.Scenario })
	if i < 0 {
		return fmt.Errorf("no scenario %q", fault.Scenario)
	}
	loads := r.open(r.groups[i])
	g := &group{side: side, scenario: fault.Scenario}
	r.groups = []*group{g}
	defer r.closeProbes()
	if err := r.startGroup(ctx, g, loads); err != nil || fault.Load == nil {
		return err
	}
	_, err := g.probe.Measure(ctx, *fault.Load, r.c.Window)
	return err
}

// Narrow leaves out of the blocks to come whatever none of the samples with these keys is
// computed from. What there is of it stays in the report, with the device's times. The
// error is one of [Turns.Block].
func (t *Turns) Narrow(ctx context.Context, keys []string) error {
	if err := t.times(ctx); err != nil {
		return err
	}
	needed := t.needed(keys)
	for _, x := range t.r.tracks {
		x.out = x.out || !slices.Contains(needed, x.load)
	}
	for _, g := range t.r.groups {
		if len(t.r.open(g)) == 0 {
			g.close()
		}
	}
	return nil
}

// needed are the loads that the samples with these keys are computed from.
func (t *Turns) needed(keys []string) (loads []Load) {
	parts := t.Report(Head).parts
	for _, k := range keys {
		for _, l := range parts[k] {
			if !slices.Contains(loads, l) {
				loads = append(loads, l)
			}
		}
	}
	return loads
}

// Takes is how long a block takes that measures what the samples with these keys are
// computed from, by the blocks so far.
func (t *Turns) Takes(keys []string) time.Duration {
	if t.tried == 0 || t.r.done == 0 {
		return 0
	}
	processes := (t.took - t.r.spent) / time.Duration(t.tried)
	return processes + t.r.spent/time.Duration(t.r.done)*time.Duration(4*len(t.needed(keys)))
}

// Blocks is how many there are since the beginning, or since Anew.
func (t *Turns) Blocks() int { return t.r.kept / 2 }

// Report is what one side gave since the beginning, or since Anew: two values of each load
// from each block it was part of, those of block i at 2i and 2i+1, and what is derived from
// them, round by round.
func (t *Turns) Report(side Side) *Report {
	v := t.r.of(side)
	v.c.Rounds = v.kept
	v.settings()
	v.rep.Settings["order"] = "base and head in turns: four windows of each configuration in every block, which side begins is drawn"
	if slices.ContainsFunc(v.tracks, func(x *track) bool { return x.out }) {
		v.rep.Settings["order"] += "; once something was decided, blocks are of what was not"
	}
	v.rep.Settings["processes"] = fmt.Sprint(v.process)
	v.observed()
	v.results()
	return &v.rep
}

// End asks whether the machine is still what it was, and the device for its times of the
// head.
func (t *Turns) End(ctx context.Context) error {
	if err := t.r.edge(ctx, AfterRun); err != nil {
		return err
	}
	return t.times(ctx)
}

func (t *Turns) times(ctx context.Context) error {
	v := t.r.of(Head)
	err := v.times(ctx, t.rng)
	t.r.rep.Warnings = v.rep.Warnings
	return err
}

// Anew forgets all values and begins again, with fresh processes and with what the samples
// with these keys are computed from: what is measured then is independent of what was
// before.
func (t *Turns) Anew(keys []string) {
	r, needed := t.r, t.needed(keys)
	r.kept, r.process, r.rep.Dropped = 0, 0, nil
	for _, g := range r.groups {
		g.warmth, g.counts = nil, Counts{}
	}
	for _, x := range r.tracks {
		x.values, x.spans, x.out = nil, nil, !slices.Contains(needed, x.load)
	}
}

// Close ends all processes.
func (t *Turns) Close() { t.r.closeProbes() }

// of is the run as if it had measured one side only. Its groups and tracks are shared.
func (r *run) of(side Side) *run {
	v := *r
	v.groups = slices.DeleteFunc(slices.Clone(r.groups), func(g *group) bool { return g.side != side })
	v.tracks = slices.DeleteFunc(slices.Clone(r.tracks), func(t *track) bool { return t.group.side != side })
	v.rep.Settings, v.rep.Observed = map[string]string{}, map[string]string{}
	v.rep.Warnings = slices.Clone(r.rep.Warnings)
	return &v
}
