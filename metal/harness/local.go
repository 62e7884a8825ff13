package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"
)

// Local is a [Probe] that measures in this process. It sets GOMAXPROCS while it is in use.
type Local struct {
	b       Backend
	kernel  Kernel
	hang    time.Duration
	program Program
	procs   int  // GOMAXPROCS before; 0 if it was not changed
	given   bool // threads were given up: what they use is not released
}

// NewLocal measures on b, which stays the caller's to close. An operation that takes
// longer than hang is hung.
func NewLocal(b Backend, k Kernel, hang time.Duration) *Local {
	return &Local{b: b, kernel: k, hang: hang}
}

// Ready implements [Probe].
func (l *Local) Ready(ctx context.Context, loads []Load) (s Setup, err error) {
	if len(loads) == 0 {
		return s, errors.New("no loads")
	}
	for _, x := range loads {
		if err := x.Check(); err != nil {
			return s, err
		}
	}
	s.Device = l.b.Device()
	// A goroutine blocked inside a driver's wait keeps its P for a while. With fewer Ps
	// than threads the others would stand still meanwhile.
	s.Procs = max(runtime.NumCPU(), mostThreads(loads)+2)
	l.procs = runtime.GOMAXPROCS(s.Procs)
	if l.program, err = l.b.Compile(l.kernel); err != nil {
		return s, fmt.Errorf("compile kernel: %w", err)
	}
	for _, x := range loads {
		w := l.window(x)
		w.limit = uint64(2*x.Depth + 1) // not a multiple: a lost or doubled burst shows
		r, err := l.run(ctx, w, 0)
		s.Counts.add(r.Counts)
		if err != nil {
			return s, fmt.Errorf("verify: %w", err)
		}
	}
	s.Own = own(l.kernel)
	if c, ok := l.b.(Coster); ok {
		if s.Calls, err = c.CallCost(); err != nil {
			return s, fmt.Errorf("cost of a call: %w", err)
		}
	}
	s.Spans, err = l.tells()
	return s, err
}

// tells reports whether the device tells when it executed operations.
func (l *Local) tells() (bool, error) {
	th, err := l.b.Enter()
	if err != nil {
		return false, err
	}
	_, ok := th.(SpanThread)
	th.Leave()
	return ok, nil
}

func (l *Local) window(x Load) *window {
	return &window{b: l.b, program: l.program, kernel: l.kernel, load: x}
}

func (l *Local) run(ctx context.Context, w *window, length time.Duration) (Reading, error) {
	r, err := w.measure(ctx, length, l.hang)
	var hang *HangError
	if errors.As(err, &hang) || ctx.Err() != nil {
		l.given = true
	}
	return r, err
}

// Measure implements [Probe].
func (l *Local) Measure(ctx context.Context, x Load, window time.Duration) (Reading, error) {
	return l.run(ctx, l.window(x), window)
}

const (
	// settled is how closely the last windows of a warm-up must agree.
	settled = 0.03
	// steady is how many of them.
	steady = 3
	// warmWindow is the longest window of a warm-up.
	warmWindow = 100 * time.Millisecond
)

// Warm implements [Probe]. Devices raise their clocks under load: without it the first
// configuration measured comes out at a fraction of its rate.
func (l *Local) Warm(ctx context.Context, x Load, limit time.Duration) (w Warmth, err error) {
	begin := time.Now()
	var rates []float64
	window := max(min(warmWindow, limit/(2*steady)), time.Millisecond)
	for time.Since(begin) < limit && !w.Settled {
		r, err := l.Measure(ctx, x, window)
		w.Counts.add(r.Counts)
		if err != nil {
			return w, err
		}
		rates = append(rates, r.Rate)
		if n := len(rates); n >= steady {
			last := rates[n-steady:]
			w.Settled = slices.Max(last) <= slices.Min(last)*(1+settled)
		}
	}
	w.Windows, w.Took = len(rates), time.Since(begin)
	if len(rates) > 0 {
		w.First, w.Last = rates[0], rates[len(rates)-1]
	}
	return w, nil
}

// Spans implements [Probe].
func (l *Local) Spans(ctx context.Context, x Load, window time.Duration) (s Spans, err error) {
	w := l.window(x)
	w.spans = true
	r, err := l.run(ctx, w, window)
	s.Counts = r.Counts
	if errors.Is(err, ErrNoSpans) {
		return s, ErrNoSpans
	}
	if err != nil {
		return s, err
	}
	var all []span
	for _, lane := range w.lanes {
		// While the pipeline fills, operations run at another rate.
		all = append(all, lane.spans[min(len(lane.spans), x.Depth):]...)
	}
	counts := s.Counts
	if s, err = summarize(all); err != nil {
		err = &SpanError{fmt.Sprintf("%s: %v", x, err)}
	}
	s.Counts = counts
	return s, err
}

// summarize is what spans of one window say. The error says which cannot be true.
func summarize(all []span) (s Spans, err error) {
	if len(all) == 0 {
		return s, errors.New("no operation was timed")
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	took := make([]float64, 0, len(all))
	var busy, sum float64
	until := all[0].start
	for _, x := range all {
		d := x.end - x.start
		if !(d >= 0) || math.IsInf(d, 0) || x.start == 0 {
			return s, fmt.Errorf("an operation is said to have run from %v to %v s", x.start, x.end)
		}
		took = append(took, d)
		sum += d
		busy += max(0, x.end-max(x.start, until))
		until = max(until, x.end)
	}
	slices.Sort(took)
	n := len(took)
	s = Spans{Ops: n, Execution: (took[(n-1)/2] + took[n/2]) / 2, Low: took[n/4], High: took[(3*n)/4]}
	if total := until - all[0].start; total > 0 {
		s.Busy = min(1, busy/total)
	}
	if busy > 0 {
		s.Parallel = sum / busy
	}
	return s, nil
}

// Close implements [Probe].
func (l *Local) Close() error {
	if l.program != nil && !l.given {
		l.program.Release()
	}
	if l.procs > 0 {
		runtime.GOMAXPROCS(l.procs)
	}
	l.program, l.procs = nil, 0
	return nil
}

// ownOps is how many operations [own] is taken over: about 2 ms.
const ownOps = 20_000

// own is what the loop that is timed costs an operation, in seconds: the loop itself, on a
// device that does nothing.
func own(k Kernel) float64 {
	best := math.Inf(1)
	for range 3 { // what disturbs only adds
		w := &window{kernel: k, load: Load{Threads: 1, Depth: 1}, limit: ownOps}
		l := &lane{}
		begin := time.Now()
		l.loop(w, nothing{}, nil, make([]Ticket, 1))
		best = min(best, time.Since(begin).Seconds()/ownOps)
	}
	return best
}

// nothing is a thread whose operations take no time.
type nothing struct{}

func (nothing) Submit(Queue, Program, Buffer, int) (Ticket, error) { return 0, nil }
func (nothing) Wait(Ticket) error                                  { return nil }
func (nothing) Leave()                                             {}
