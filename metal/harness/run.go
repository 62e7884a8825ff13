package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// Report is what one run of the harness measured. After an error it holds no samples,
// only the settings and counts so far.
type Report struct {
	Device   Device
	Samples  []runner.Sample   // measured ones in the order of Config, then derived ones
	Settings map[string]string // everything needed to repeat the run, and what it counted
	Warnings []string          // what weakens the samples
	Counts   Counts
	Loads    int       // configurations measured
	Dropped  []Dropped // values that conditions did not let count, in order
}

// Dropped is one value that did not count.
type Dropped struct {
	Round  int
	Load   string
	Reason string
}

// Run measures every configuration on b. It changes GOMAXPROCS and the collector's
// settings of the whole process while it runs, and restores them: one run at a time.
//
// The error is a *ConditionsError for a machine that was not fit, a *MismatchError for wrong data, a *HangError for operations that do not
// end, the device's own for a failed one (each wrapped), or the cause of ctx, within
// about 100 ms of its end. After an error b must be closed.
func Run(ctx context.Context, b Backend, c Config) (*Report, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	procs := max(runtime.NumCPU(), c.mostThreads()+2)
	r := &run{b: b, c: c, loads: c.loads(), began: time.Now()}
	r.rep.Device = b.Device()
	r.settings(procs)
	// A goroutine blocked inside a driver's wait keeps its P for a while. With fewer Ps
	// than threads the others would stand still meanwhile.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))

	err := r.all(ctx)
	n := r.rep.Counts
	r.rep.Settings["ops-completed"] = strconv.FormatUint(n.Completed, 10)
	r.rep.Settings["ops-failed"] = strconv.FormatUint(n.Failed, 10)
	r.rep.Settings["ops-hung"] = strconv.FormatUint(n.Hung, 10)
	if len(r.rep.Dropped) > 0 {
		r.rep.Settings["values dropped for conditions"] = strconv.Itoa(len(r.rep.Dropped))
	}
	if err != nil {
		return &r.rep, err
	}
	r.samples()
	return &r.rep, nil
}

// run is the state of one Run.
type run struct {
	b       Backend
	c       Config
	program Program
	loads   []load
	values  [][]float64 // of each load, one a round
	began   time.Time
	kept    int           // complete rounds
	done    int           // windows of rounds
	spent   time.Duration // in them
	rep     Report
}

func (r *run) settings(procs int) {
	c := r.c
	s := map[string]string{
		"rounds":     strconv.Itoa(c.Rounds),
		"window":     c.Window.String(),
		"lead-in":    (c.Window / leadFraction).String(),
		"seed":       strconv.FormatUint(c.Seed, 10),
		"kernel":     c.Kernel.String(),
		"GOMAXPROCS": strconv.Itoa(procs),
		"collector":  "off within windows",
		"order":      "random, interleaved in every round",
		"buffers":    "one per thread",
	}
	if len(c.Threads) > 0 {
		s["threads"] = join(c.Threads)
	}
	if len(c.Depths) > 0 {
		s["depths"] = join(c.Depths)
		s["async-threads"] = strconv.Itoa(c.AsyncThreads)
		s["async-queues"] = "one per thread"
	}
	limit := 0
	for _, l := range r.loads {
		limit = max(limit, l.queueLimit())
	}
	s["queue-limit"] = fmt.Sprintf("%d … %d", minQueueLimit, limit)
	for k, v := range r.rep.Device.Settings {
		s[k] = v
	}
	r.rep.Settings = s
}

func (r *run) all(ctx context.Context) error {
	p, err := r.b.Compile(r.c.Kernel)
	if err != nil {
		return fmt.Errorf("compile kernel: %w", err)
	}
	r.program = p
	if err := r.rounds(ctx); err != nil {
		var hang *HangError
		if !errors.As(err, &hang) && ctx.Err() == nil {
			p.Release() // given-up threads may still use it
		}
		return err
	}
	p.Release()
	return nil
}

func (r *run) rounds(ctx context.Context) error {
	if err := r.edge(ctx, BeforeRun); err != nil {
		return err
	}
	if err := r.warm(ctx); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	r.values = make([][]float64, len(r.loads))
	rng := rand.New(rand.NewPCG(r.c.Seed, 0x686f6c6466617374))
	for round := 1; r.kept < r.c.Rounds && round <= r.c.mostRounds(); round++ {
		values, err := r.round(ctx, round, rng.Perm(len(r.loads)))
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if values == nil {
			continue // not complete
		}
		r.kept++
		for i, v := range values {
			r.values[i] = append(r.values[i], v)
		}
	}
	if need := r.c.needRounds(); r.kept < need {
		n := len(r.rep.Dropped)
		return &ConditionsError{Kept: r.kept, Need: need, Dropped: n, Last: r.rep.Dropped[n-1].Reason}
	}
	return r.edge(ctx, AfterRun)
}

// edge asks the conditions at one end of the run.
func (r *run) edge(ctx context.Context, m Moment) error {
	err := r.c.ask(ctx, Occasion{Moment: m})
	if reason, ok := unfit(err); ok {
		return &ConditionsError{Last: reason}
	}
	return err
}

// round measures every load once, in the order given. values is nil if conditions did not
// allow it to be completed.
func (r *run) round(ctx context.Context, round int, order []int) (values []float64, err error) {
	values = make([]float64, len(r.loads))
	tries := make([]int, len(r.loads))
	for len(order) > 0 {
		i := order[0]
		order = order[1:]
		r.progress(round)
		begin := time.Now()
		o := Occasion{Round: round, Load: r.loads[i].String(), Try: tries[i]}
		values[i], err = r.fitWindow(ctx, o, r.loads[i])
		r.spent += time.Since(begin)
		r.done++
		reason, dropped := unfit(err)
		switch {
		case dropped:
			r.rep.Dropped = append(r.rep.Dropped, Dropped{Round: round, Load: o.Load, Reason: reason})
			if tries[i]++; tries[i] == maxTries {
				return nil, nil
			}
			order = append(order, i)
		case err != nil:
			return nil, err
		}
	}
	return values, nil
}

// fitWindow measures one window between conditions that are fit.
func (r *run) fitWindow(ctx context.Context, o Occasion, l load) (float64, error) {
	o.Moment = BeforeWindow
	if err := r.c.ask(ctx, o); err != nil {
		return 0, err
	}
	end := r.c.watch(ctx, o)
	rate, err := r.window(ctx, l)
	within := end()
	if err != nil {
		return 0, err
	}
	o.Moment = AfterWindow
	after := r.c.ask(ctx, o) // also if it is dropped already: it may keep count
	return rate, cmp.Or(within, after)
}

func (r *run) progress(round int) {
	if r.c.Progress == nil {
		return
	}
	total := max(len(r.loads)*r.c.Rounds, r.done+1)
	left := time.Duration(total) * (r.c.Window + r.c.Window/leadFraction + setupEstimate)
	if r.done > 0 {
		left = r.spent / time.Duration(r.done) * time.Duration(total-r.done)
	}
	r.c.Progress(Progress{
		Round: round, Rounds: r.c.Rounds, Window: r.done, Windows: total,
		Elapsed: time.Since(r.began), Left: left,
	})
}

func (r *run) window(ctx context.Context, l load) (float64, error) {
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	w := &window{b: r.b, program: r.program, kernel: r.c.Kernel, load: l}
	rate, n, err := w.measure(ctx, r.c.Window, r.c.Hang)
	r.rep.Counts.Completed += n.Completed
	r.rep.Counts.Failed += n.Failed
	r.rep.Counts.Hung += n.Hung
	return rate, err
}

// settled is how closely three windows in a row must agree for the device to be warm.
const settled = 0.03

// warm runs the heaviest load until three windows in a row agree, or the time is up.
// Devices raise their clocks under load: without it the first configuration measured
// comes out at a fraction of its rate. Every window is verified, so wrong arithmetic
// shows before anything is timed.
func (r *run) warm(ctx context.Context) error {
	if r.c.Warmup == 0 {
		r.rep.Settings["warm-up"] = "none"
		return nil
	}
	l := r.c.heaviest()
	begin := time.Now()
	var rates []float64
	for time.Since(begin) < r.c.Warmup {
		rate, err := r.window(ctx, l)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
		if n := len(rates); n >= 3 {
			last := rates[n-3:]
			if slices.Max(last) <= slices.Min(last)*(1+settled) {
				r.rep.Settings["warm-up"] = fmt.Sprintf("settled after %s", time.Since(begin).Round(time.Millisecond))
				return nil
			}
		}
	}
	r.rep.Settings["warm-up"] = fmt.Sprintf("not settled within %s", r.c.Warmup)
	r.rep.Warnings = append(r.rep.Warnings, fmt.Sprintf(
		"the warm-up did not settle: after %s of %s three windows in a row still differed by more than %.0f %%",
		r.c.Warmup, l, settled*100))
	return nil
}

// samples turns the values into samples and adds what is derived from them.
func (r *run) samples() {
	source := "harness " + r.rep.Device.Backend
	for i, l := range r.loads {
		r.rep.Samples = append(r.rep.Samples, runner.Sample{
			Name: l.scenario, Unit: "ops/s", Config: l.config(), Better: runner.HigherIsBetter,
			Values: r.values[i], Source: source,
		})
	}
	r.rep.Loads = len(r.loads)
	r.scaling(source)
	r.gain(source)
	r.noise()
}

// of returns the values of a load, nil if it was not configured.
func (r *run) of(match func(load) bool) []float64 {
	if i := slices.IndexFunc(r.loads, match); i >= 0 {
		return r.values[i]
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
