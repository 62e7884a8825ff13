package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// Report is what one run of the harness measured. After an error it holds the samples of
// the scenarios that were measured completely, and the settings and counts so far.
type Report struct {
	Device   Device
	Samples  []runner.Sample   // measured ones in the order of Config, then derived ones
	Origins  []runner.Origin   // how the values of each sample came about
	Settings map[string]string // everything needed to repeat the run
	Observed map[string]string // what it noticed on the way: of the machine, the device and itself
	Warnings []string          // what weakens the samples
	Counts   Counts
	Loads    int       // configurations measured
	Rounds   int       // complete ones
	Dropped  []Dropped // values that conditions did not let count, in order

	parts map[string][]Load // by Key: what each sample is computed from
}

// Dropped is one value that did not count.
type Dropped struct {
	Round  int
	Load   string
	Reason string
}

// Run measures every configuration on b, in this process. One run at a time: it changes
// GOMAXPROCS and the collector's settings while it runs, and restores them.
//
// The error is a *ConditionsError for a machine that was not fit, a *MismatchError for
// wrong data, a *HangError for operations that do not end, the device's own for a failed
// one (each wrapped), or the cause of ctx, within about 100 ms of its end. After an error
// b must be closed.
func Run(ctx context.Context, b Backend, c Config) (*Report, error) {
	// One group: on one device that failed or hangs, nothing else is measured.
	return drive(ctx, func(context.Context, *group) (Probe, error) { return NewLocal(b, c.Kernel, c.Hang), nil }, c, []*group{{loads: c.Loads()}})
}

// Open makes the probe of one scenario.
type Open func(ctx context.Context, scenario string) (Probe, error)

// Drive measures every configuration, each scenario on a probe of its own, window by
// window in one random order over all of them. Errors are those of [Run]; a scenario that
// fails does not stop the others.
//
// A scenario keeps its process for several rounds rather than one window: a new process
// starts with cold clocks and an empty shader cache, so a process for each value would
// have to warm up before each, and would measure that. It does not keep it for the whole
// run either: what is settled once in a process's life (the layout of its memory, the
// hardware queues it is given) shifts all its values alike, which no number of rounds in
// it would show (Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, 2013). So
// both processes live side by side, one idle while the other measures, the order of
// windows is drawn over all loads of both, and after Rounds/Processes rounds both are
// replaced.
func Drive(ctx context.Context, open Open, c Config) (*Report, error) {
	return drive(ctx, func(ctx context.Context, g *group) (Probe, error) { return open(ctx, g.scenario) }, c, c.groups(Head))
}

// group is the loads that share a probe.
type group struct {
	side     Side
	scenario string
	loads    []Load
	probe    Probe
	setup    Setup
	warmth   []warmth // of each process
	counts   Counts
	err      error // why nothing more is measured
}

// warmth is a warm-up with what.
type warmth struct {
	Warmth
	load Load
}

func (g *group) close() {
	if g.probe != nil {
		g.probe.Close()
		g.probe = nil
	}
}

// groups are the scenarios, each with its loads.
func (c Config) groups(side Side) (groups []*group) {
	for _, s := range c.scenarios() {
		g := &group{side: side, scenario: s}
		for _, l := range c.Loads() {
			if l.Scenario == s {
				g.loads = append(g.loads, l)
			}
		}
		groups = append(groups, g)
	}
	return groups
}

// settled reports whether the last warm-up of the probe was; without one nothing says that
// it was not.
func (g *group) settled() bool {
	n := len(g.warmth)
	return n == 0 || g.warmth[n-1].Settled
}

// run is the state of one run.
type run struct {
	launch  func(context.Context, *group) (Probe, error)
	c       Config
	groups  []*group
	tracks  []*track // of all loads, in the order of Config
	process int      // of each scenario, from 1
	began   time.Time
	kept    int           // complete rounds
	done    int           // windows
	ahead   int           // windows still to come, if nothing is dropped
	spent   time.Duration // in them
	beside  bool          // two sides are measured: a fault of one ends the run
	rep     Report
}

// track is what is known of one load.
type track struct {
	load   Load
	group  *group
	values []value
	spans  []Spans
	out    bool // left out of the blocks to come
}

// value is one value that counts.
type value struct {
	Reading
	round, position, process int
	settled                  bool // the warm-up of that process
}

func (t *track) rates() []float64 {
	var out []float64
	for _, v := range t.values {
		out = append(out, v.Rate)
	}
	return out
}

func newRun(launch func(context.Context, *group) (Probe, error), c Config, groups []*group) *run {
	r := &run{launch: launch, c: c, groups: groups, began: time.Now()}
	for _, g := range groups {
		for _, l := range g.loads {
			r.tracks = append(r.tracks, &track{load: l, group: g})
		}
	}
	r.rep.Settings, r.rep.Observed = map[string]string{}, map[string]string{}
	return r
}

func drive(ctx context.Context, launch func(context.Context, *group) (Probe, error), c Config, groups []*group) (*Report, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := newRun(launch, c, groups)
	r.ahead = len(r.tracks) * c.Rounds
	err := r.all(ctx)
	r.closeProbes()
	r.progress(Finished, 0, nil)
	if err == nil {
		err = r.failed()
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	r.settings()
	r.observed()
	if err != nil && (len(r.alive()) == 0 || r.kept < c.needRounds() || ctx.Err() != nil) {
		return &r.rep, err
	}
	var conditions *ConditionsError
	if errors.As(err, &conditions) {
		return &r.rep, err
	}
	r.results()
	return &r.rep, err
}

// failed joins the errors of the groups.
func (r *run) failed() error {
	var errs []error
	for _, g := range r.groups {
		if g.err != nil {
			errs = append(errs, g.err)
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// alive are the tracks that are still measured.
func (r *run) alive() []*track {
	var out []*track
	for _, t := range r.tracks {
		if t.group.err == nil {
			out = append(out, t)
		}
	}
	return out
}

// fail ends a group, where it was measuring that load. The error is nil unless it ends the run.
func (r *run) fail(ctx context.Context, g *group, l *Load, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.err = err
	g.close()
	if r.beside {
		return &SideError{Side: g.side, Err: err, Scenario: g.scenario, Load: l}
	}
	return nil
}

func (r *run) closeProbes() {
	for _, g := range r.groups {
		g.close()
	}
}

// open are the loads of a group that are still measured.
func (r *run) open(g *group) (loads []Load) {
	for _, t := range r.tracks {
		if t.group == g && !t.out {
			loads = append(loads, t.load)
		}
	}
	return loads
}

func (r *run) all(ctx context.Context) error {
	if err := r.edge(ctx, BeforeRun); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(r.c.Seed, 0x686f6c6466617374))
	for round := 1; r.kept < r.c.Rounds && round <= r.c.mostRounds(); round++ {
		if err := r.startIfDue(ctx); err != nil {
			return err
		}
		tracks := r.alive()
		if len(tracks) == 0 {
			return nil
		}
		var order [][]int
		for _, i := range rng.Perm(len(tracks)) {
			order = append(order, []int{i})
		}
		whole, err := r.round(ctx, round, tracks, order)
		if err != nil {
			return err
		}
		if whole {
			r.kept++
		}
	}
	if need := r.c.needRounds(); r.kept < need && len(r.alive()) > 0 {
		n := len(r.rep.Dropped)
		return &ConditionsError{Kept: r.kept, Need: need, Dropped: n, Last: r.rep.Dropped[n-1].Reason}
	}
	if err := r.edge(ctx, AfterRun); err != nil {
		return err
	}
	return r.times(ctx, rng)
}

// edge asks the conditions at one end of the run.
func (r *run) edge(ctx context.Context, m Moment) error {
	err := r.c.ask(ctx, Occasion{Moment: m})
	if reason, ok := unfit(err); ok {
		return &ConditionsError{Last: reason}
	}
	return err
}

// startIfDue starts fresh processes before the first round, and after the rounds that each
// is given.
func (r *run) startIfDue(ctx context.Context) error {
	if r.process > 0 && r.kept*max(1, r.c.Processes)/r.c.Rounds < r.process {
		return nil
	}
	return r.start(ctx)
}

// start replaces the probes of all groups, and warms them up.
func (r *run) start(ctx context.Context) error {
	r.closeProbes()
	r.process++
	for _, g := range r.groups {
		loads := r.open(g)
		if g.err != nil || len(loads) == 0 {
			continue
		}
		r.progress("warming up", 0, nil)
		if err := r.startGroup(ctx, g, loads); err != nil {
			if err := r.fail(ctx, g, nil, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) startGroup(ctx context.Context, g *group, loads []Load) (err error) {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if g.probe, err = r.launch(ctx, g); err != nil {
		return err
	}
	g.setup, err = g.probe.Ready(ctx, loads)
	g.counts.add(g.setup.Counts)
	if g.setup.Device.Backend != "" {
		r.rep.Device = g.setup.Device
	}
	if err != nil {
		return err
	}
	if r.c.Warmup == 0 {
		return nil
	}
	l := heaviest(loads)
	w, err := g.probe.Warm(ctx, l, r.c.Warmup)
	g.counts.add(w.Counts)
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	g.warmth = append(g.warmth, warmth{w, l})
	return nil
}

func (r *run) progress(doing string, round int, last *Value) {
	if r.c.Progress == nil {
		return
	}
	left := time.Duration(r.ahead) * cost(r.c.Window)
	if r.done > 0 {
		left = r.spent / time.Duration(r.done) * time.Duration(r.ahead)
	}
	r.c.Progress(Progress{
		Round: min(r.kept+1, r.c.Rounds), Rounds: r.c.Rounds, Window: r.done, Windows: r.done + r.ahead, Doing: doing,
		Elapsed: time.Since(r.began), Left: left, Last: last,
	})
}
