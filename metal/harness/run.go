package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	warmth   []Warmth // of each process
	counts   Counts
	err      error // why nothing more is measured
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
	open    func(context.Context, *group) (Probe, error)
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

func newRun(open func(context.Context, *group) (Probe, error), c Config, groups []*group) *run {
	r := &run{open: open, c: c, groups: groups, began: time.Now()}
	for _, g := range groups {
		for _, l := range g.loads {
			r.tracks = append(r.tracks, &track{load: l, group: g})
		}
	}
	r.rep.Settings, r.rep.Observed = map[string]string{}, map[string]string{}
	return r
}

func drive(ctx context.Context, open func(context.Context, *group) (Probe, error), c Config, groups []*group) (*Report, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := newRun(open, c, groups)
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
	if g.probe != nil {
		g.probe.Close()
		g.probe = nil
	}
	if r.beside {
		return &SideError{Side: g.side, Err: err, Scenario: g.scenario, Load: l}
	}
	return nil
}

func (r *run) closeProbes() {
	for _, g := range r.groups {
		if g.probe != nil {
			g.probe.Close()
			g.probe = nil
		}
	}
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
		if g.err != nil {
			continue
		}
		r.progress("warming up", 0, nil)
		if err := r.startGroup(ctx, g); err != nil {
			if err := r.fail(ctx, g, nil, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) startGroup(ctx context.Context, g *group) (err error) {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if g.probe, err = r.open(ctx, g); err != nil {
		return err
	}
	g.setup, err = g.probe.Ready(ctx, g.loads)
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
	l := heaviest(g.loads)
	w, err := g.probe.Warm(ctx, l, r.c.Warmup)
	g.counts.add(w.Counts)
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	g.warmth = append(g.warmth, w)
	return nil
}

// round measures the loads of slots, in units of slots that are measured one right after
// the other, in the order given. A unit counts as a whole: if conditions spoil one of its
// values, all are measured again at the end of the round. The round is not whole if
// conditions did not allow it to be completed; then nothing of it is kept, because the
// values of one round are compared with each other.
func (r *run) round(ctx context.Context, round int, slots []*track, order [][]int) (whole bool, err error) {
	got := make([]value, len(slots))
	tries := make([]int, len(slots)) // by the first slot of the unit
	var last *Value
	doing := fmt.Sprintf("round %d of %d", r.kept+1, r.c.Rounds)
	if r.beside {
		doing = fmt.Sprintf("block %d of base and head", r.kept/2+1)
	}
	for position := 1; len(order) > 0; {
		unit := order[0]
		order = order[1:]
		for _, i := range unit {
			t := slots[i]
			if t.group.err != nil {
				break
			}
			r.ahead = windowsOf(order) + len(unit) + r.later(len(slots))
			r.progress(doing, round, last)
			last = nil
			begin := time.Now()
			o := Occasion{Round: round, Load: t.load.String(), Try: tries[unit[0]]}
			reading, err := r.fitWindow(ctx, o, t)
			r.spent += time.Since(begin)
			r.done++
			position++
			if reason, dropped := unfit(err); dropped {
				r.rep.Dropped = append(r.rep.Dropped, Dropped{Round: round, Load: o.Load, Reason: reason})
				if tries[unit[0]]++; tries[unit[0]] == maxTries {
					return false, nil
				}
				order = append(order, unit)
				break
			}
			switch {
			case err == nil:
				got[i] = value{reading, round, position - 1, r.process, t.group.settled()}
				last = &Value{Load: t.load, Rate: reading.Rate, Round: round}
			case errors.As(err, new(*probeError)):
				if err := r.fail(ctx, t.group, &t.load, fmt.Errorf("round %d: %w", round, errors.Unwrap(err))); err != nil {
					return false, err
				}
			default:
				return false, err
			}
		}
	}
	for i, t := range slots {
		if t.group.err == nil {
			t.values = append(t.values, got[i])
		}
	}
	r.ahead = r.later(len(slots))
	r.progress(doing, round, last)
	return true, nil
}

func windowsOf(order [][]int) (n int) {
	for _, unit := range order {
		n += len(unit)
	}
	return n
}

// later are the windows of the rounds after this one. How many blocks there will be is not
// known here.
func (r *run) later(each int) int {
	if r.beside {
		return 0
	}
	return each * (r.c.Rounds - r.kept - 1)
}

// probeError is an error of the probe: it ends a scenario, where one of the conditions
// ends the run.
type probeError struct{ err error }

func (e *probeError) Error() string { return e.err.Error() }
func (e *probeError) Unwrap() error { return e.err }

// fitWindow measures one window between conditions that are fit.
func (r *run) fitWindow(ctx context.Context, o Occasion, t *track) (Reading, error) {
	o.Moment = BeforeWindow
	if err := r.c.ask(ctx, o); err != nil {
		return Reading{}, err
	}
	end := r.c.watch(ctx, o)
	reading, err := t.group.probe.Measure(ctx, t.load, r.c.Window)
	within := end()
	t.group.counts.add(reading.Counts)
	if err != nil {
		return reading, &probeError{err}
	}
	o.Moment = AfterWindow
	after := r.c.ask(ctx, o) // also if it is dropped already: it may keep count
	return reading, cmp.Or(within, after)
}

// times asks the device for its times, in a pass of its own: reading them costs more than
// an operation may.
func (r *run) times(ctx context.Context, rng *rand.Rand) error {
	for n := range spanRounds {
		tracks := slices.DeleteFunc(r.alive(), func(t *track) bool { return !t.group.setup.Spans })
		for _, i := range rng.Perm(len(tracks)) {
			t := tracks[i]
			if t.group.err != nil {
				continue
			}
			r.progress(fmt.Sprintf("device times, pass %d of %d", n+1, spanRounds), r.c.Rounds, nil)
			s, err := t.group.probe.Spans(ctx, t.load, max(r.c.Window/spanFraction, time.Millisecond))
			t.group.counts.add(s.Counts)
			var spans *SpanError
			if errors.As(err, &spans) {
				if n == 0 {
					r.warn("the device's times are not believed: %s", spans.Text)
				}
				continue
			}
			if err != nil {
				if err := r.fail(ctx, t.group, &t.load, fmt.Errorf("device times: %w", err)); err != nil {
					return err
				}
				continue
			}
			t.spans = append(t.spans, s)
		}
	}
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
