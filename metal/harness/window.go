package harness

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// HangError says that operations did not end. A wait inside a driver cannot be
// cancelled, so its threads are given up and the backend must be closed.
type HangError struct {
	Load string
	Hung uint64 // operations
	Wait time.Duration
}

func (e *HangError) Error() string {
	return fmt.Sprintf("%s: %d operations did not end within %s", e.Load, e.Hung, e.Wait)
}

// cancelGrace is how long threads may take to drain after a cancellation before they
// are given up.
const cancelGrace = 80 * time.Millisecond

var errStopped = errors.New("stopped")

// window measures one value of one load: operations a second.
type window struct {
	b       Backend
	program Program
	kernel  Kernel
	load    Load
	limit   uint64 // operations of each thread after which it ends; 0 for none: then the time ends it
	spans   bool   // ask the device for its times

	stop  atomic.Bool
	start chan struct{} // closed when all threads are ready
	open  time.Time     // when measuring begins; set before start is closed
	slice time.Duration // an equal part of the window, of the sliceCount of them
	ready sync.WaitGroup
	lanes []*lane
}

// sliceCount is how many equal parts of a window the rates are kept of.
const sliceCount = 8

// mark is a completion: when it was seen, and how many there were then. A mark with n 0 is
// none.
type mark struct {
	at time.Time
	n  uint64
}

// span is when the device executed an operation, in seconds.
type span struct{ start, end float64 }

// maxSpans bounds the spans of one thread.
const maxSpans = 1 << 15

// lane is what one thread of a window does. The counters are read by others while it
// runs, the rest after it ended.
type lane struct {
	queue  Queue
	buffer Buffer

	submitted, completed, failed atomic.Uint64

	marks  [sliceCount + 1]mark // completions between which operations are counted, one for each edge of a slice
	marked int                  // of them
	last   mark                 // the first at or after the end of the window
	spans  []span               // what the device told
	err    error
	_      [64]byte // keeps counters of neighbours off one cache line
}

// measure runs one window of the given length. The reading is whole only if err is nil;
// its counts always are. Anything made is released, except after a *HangError.
func (w *window) measure(ctx context.Context, length, hang time.Duration) (r Reading, err error) {
	if err := context.Cause(ctx); err != nil {
		return r, err
	}
	release, err := w.prepare()
	if err != nil {
		return r, fmt.Errorf("%s: %w", w.load, err)
	}
	w.start = make(chan struct{})
	w.ready.Add(len(w.lanes))
	done := make(chan struct{})

	// Nothing on the hot path allocates, so nothing needs collecting inside the window.
	runtime.GC()
	percent := debug.SetGCPercent(-1)
	collections := collected()
	var all sync.WaitGroup
	for _, l := range w.lanes {
		all.Go(func() { l.run(w) })
	}
	go func() { all.Wait(); close(done) }()
	ready := make(chan struct{})
	go func() { w.ready.Wait(); close(ready) }()

	lead := length / leadFraction
	limit := time.NewTimer(hang + lead + length)
	defer limit.Stop()
	hung := false
	select {
	case <-ready:
	case <-ctx.Done():
	case <-limit.C:
		hung = true
		w.stop.Store(true)
	}
	w.open = time.Now().Add(lead)
	w.slice = length / sliceCount
	close(w.start)

	if !hung {
		hung = !w.await(ctx, done, limit.C)
	}
	w.stop.Store(true)
	r.Collections = collected() - collections
	debug.SetGCPercent(percent)

	for _, l := range w.lanes {
		c, f, s := l.completed.Load(), l.failed.Load(), l.submitted.Load()
		r.Counts.add(Counts{Completed: c, Failed: f, Hung: s - min(s, c+f)})
	}
	if hung {
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		return r, &HangError{Load: w.load.String(), Hung: r.Counts.Hung, Wait: hang}
	}
	defer release()
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if err := w.verify(); err != nil || w.limit > 0 {
		return r, err
	}
	return r, w.result(&r)
}

// collected is how often the garbage of this process was collected.
func collected() uint64 {
	s := [1]metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s[:])
	return s[0].Value.Uint64()
}

// await waits for the threads to end and reports whether they did.
func (w *window) await(ctx context.Context, done <-chan struct{}, limit <-chan time.Time) bool {
	select {
	case <-done:
		return true
	case <-limit:
		return false
	case <-ctx.Done():
	}
	w.stop.Store(true)
	grace := time.NewTimer(cancelGrace)
	defer grace.Stop()
	select {
	case <-done:
		return true
	case <-grace.C:
		return false
	}
}

// prepare makes queues and buffers.
func (w *window) prepare() (release func(), err error) {
	var made []interface{ Release() }
	release = func() {
		for i := len(made) - 1; i >= 0; i-- {
			made[i].Release()
		}
	}
	var q Queue
	for i := range w.load.Threads {
		if i == 0 || !w.load.Shared {
			if q, err = w.b.NewQueue(w.load.queueLimit()); err != nil {
				release()
				return nil, err
			}
			made = append(made, q)
		}
		buf, err := w.b.NewBuffer(w.kernel.Elements)
		if err != nil {
			release()
			return nil, err
		}
		made = append(made, buf)
		w.kernel.Fill(buf.Data()) // also touches the pages before the window
		w.lanes = append(w.lanes, &lane{queue: q, buffer: buf})
	}
	return release, nil
}

// verify compares the data of every buffer with the reference.
func (w *window) verify() error {
	for i, l := range w.lanes {
		if l.err != nil && !errors.Is(l.err, errStopped) {
			return fmt.Errorf("%s: thread %d: %w", w.load, i, l.err)
		}
	}
	for i, l := range w.lanes {
		err := l.err
		if err == nil {
			err = w.kernel.Check(l.buffer.Data()[:w.kernel.Elements], l.completed.Load())
		}
		if err != nil {
			return fmt.Errorf("%s: thread %d: %w", w.load, i, err)
		}
	}
	return nil
}

// result adds up the rates of the threads.
func (w *window) result(r *Reading) error {
	r.Slices = make([]float64, sliceCount)
	for i, l := range w.lanes {
		first := l.marks[0]
		seconds := l.last.at.Sub(first.at).Seconds()
		if seconds <= 0 || l.last.n <= first.n {
			return fmt.Errorf("%s: thread %d: no operation completed in the window", w.load, i)
		}
		if len(w.lanes) > 1 && l.starved(w) {
			// Its own time began when the others had gone: what it did then alone is not what
			// all did together. It counts from the begin of the window, in which it did nothing.
			seconds = l.last.at.Sub(w.open).Seconds()
			r.Starved++
		}
		r.Rate += float64(l.last.n-first.n) / seconds
		r.Ops += l.last.n - first.n
		r.Seconds += seconds / float64(len(w.lanes))
		if r.Starved > 0 {
			r.Slices = nil
		}
		l.marks[sliceCount] = l.last
		for k := range r.Slices {
			from, to := l.marks[k], l.marks[k+1]
			if from.n == 0 || to.n <= from.n {
				r.Slices = nil
				break
			}
			r.Slices[k] += float64(to.n-from.n) / to.at.Sub(from.at).Seconds()
		}
	}
	return nil
}

// starved reports whether the first operation of the thread came so late in the window that
// the thread was kept from submitting, by a lock that is not fair: later than its own
// operations take, and than a fiftieth of the window. On a shared queue that happens: a
// driver's lock may go to the same few threads until they are done, while the others wait.
func (l *lane) starved(w *window) bool {
	first := l.marks[0]
	late := first.at.Sub(w.open)
	burst := l.last.at.Sub(first.at) / time.Duration(l.last.n-first.n) * time.Duration(w.load.Depth)
	return late > 3*burst && late > w.slice*sliceCount/50
}

// run keeps depth operations in flight until the window is over, then drains. Counted
// are the operations from the first completion after the window opened to the first
// one after it closed that ends a multiple of depth, over the time between these two.
// Unlike a count over a fixed span that has no rounding error: not for a steady stream,
// and not for bursts of depth, since both ends fall on the same place in a burst.
func (l *lane) run(w *window) {
	th, err := w.b.Enter()
	w.ready.Done()
	if err != nil {
		l.err = err
		w.stop.Store(true)
		return
	}
	defer th.Leave()
	timer, _ := th.(SpanThread)
	if w.spans && timer == nil {
		l.err = ErrNoSpans
		w.stop.Store(true)
		return
	}
	ring := make([]Ticket, w.load.Depth)
	<-w.start
	l.loop(w, th, timer, ring)
}

// loop is what is timed.
func (l *lane) loop(w *window, th Thread, timer SpanThread, ring []Ticket) {
	submit := func(slot int) bool {
		t, err := th.Submit(l.queue, w.program, l.buffer, w.kernel.Elements)
		if err != nil {
			l.err = fmt.Errorf("operation %d: %w", l.submitted.Load()+1, err)
			w.stop.Store(true)
			return false
		}
		ring[slot] = t
		l.submitted.Add(1)
		return true
	}
	wait := func(slot int) bool {
		var err error
		if w.spans {
			var s span
			if s.start, s.end, err = timer.WaitSpan(ring[slot]); err == nil && len(l.spans) < maxSpans {
				l.spans = append(l.spans, s)
			}
		} else {
			err = th.Wait(ring[slot])
		}
		if err != nil {
			l.failed.Add(1)
			if l.err == nil {
				l.err = fmt.Errorf("operation %d: %w", l.completed.Load()+l.failed.Load(), err)
			}
			w.stop.Store(true)
			return false
		}
		l.completed.Add(1)
		return true
	}

	depth := len(ring)
	next := w.open // edge of a slice
	oldest, flying := 0, 0
	for flying < depth && submit(flying) {
		flying++
	}
	for flying == depth {
		if !wait(oldest) {
			oldest, flying = (oldest+1)%depth, flying-1
			break
		}
		flying--
		oldest = (oldest + 1) % depth
		now, n := time.Now(), l.completed.Load()
		if w.limit > 0 {
			if n >= w.limit {
				break
			}
		} else if !now.Before(next) && (l.marked == 0 || (n-l.marks[0].n)%uint64(depth) == 0) {
			if next = l.mark(w, now, n); next.IsZero() {
				break
			}
		}
		if w.stop.Load() || !submit((oldest+depth-1)%depth) {
			if l.err == nil {
				l.err = errStopped
			}
			break
		}
		flying++
	}
	for ; flying > 0; flying-- {
		wait(oldest)
		oldest = (oldest + 1) % depth
	}
}

// mark notes a completion at the edge of a slice and returns the next edge, or the zero
// time if this was the last. Edges that an operation reached across stay empty.
func (l *lane) mark(w *window, now time.Time, n uint64) time.Time {
	k := int(now.Sub(w.open) / max(w.slice, 1))
	if l.marked == 0 {
		k = 0
	}
	l.marked++
	if k >= sliceCount {
		l.last = mark{now, n}
		return time.Time{}
	}
	l.marks[k] = mark{now, n}
	return w.open.Add(time.Duration(k+1) * w.slice)
}
