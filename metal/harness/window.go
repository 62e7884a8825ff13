package harness

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Counts are the operations of a run, lead-in and tail included.
type Counts struct {
	Completed uint64
	Failed    uint64
	Hung      uint64 // submitted and never seen to end
}

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
	load    load

	stop  atomic.Bool
	start chan struct{} // closed when all threads are ready
	open  time.Time     // when measuring begins; set before start is closed
	close time.Time     // when it ends
	ready sync.WaitGroup
	lanes []*lane
}

// lane is what one thread of a window does. The counters are read by others while it
// runs, the rest after it ended.
type lane struct {
	queue  Queue
	buffer Buffer

	submitted, completed, failed atomic.Uint64

	first, last   time.Time // the completions between which operations are counted
	firstN, lastN uint64
	err           error
	_             [64]byte // keeps counters of neighbours off one cache line
}

// measure runs one window. The rate is valid only if err is nil. Anything made is
// released, except after a *HangError.
func (w *window) measure(ctx context.Context, span, hang time.Duration) (rate float64, n Counts, err error) {
	release, err := w.prepare()
	if err != nil {
		return 0, n, fmt.Errorf("%s: %w", w.load, err)
	}
	w.start = make(chan struct{})
	w.ready.Add(len(w.lanes))
	done := make(chan struct{})

	// Nothing on the hot path allocates, so nothing needs collecting inside the window.
	runtime.GC()
	percent := debug.SetGCPercent(-1)
	var all sync.WaitGroup
	for _, l := range w.lanes {
		all.Go(func() { l.run(w) })
	}
	go func() { all.Wait(); close(done) }()
	ready := make(chan struct{})
	go func() { w.ready.Wait(); close(ready) }()

	lead := span / leadFraction
	limit := time.NewTimer(hang + lead + span)
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
	w.close = w.open.Add(span)
	close(w.start)

	if !hung {
		hung = !w.await(ctx, done, limit.C)
	}
	w.stop.Store(true)
	debug.SetGCPercent(percent)

	for _, l := range w.lanes {
		c, f, s := l.completed.Load(), l.failed.Load(), l.submitted.Load()
		n.Completed += c
		n.Failed += f
		n.Hung += s - min(s, c+f)
	}
	if hung {
		if ctx.Err() != nil {
			return 0, n, context.Cause(ctx)
		}
		return 0, n, &HangError{Load: w.load.String(), Hung: n.Hung, Wait: hang}
	}
	defer release()
	if ctx.Err() != nil {
		return 0, n, context.Cause(ctx)
	}
	rate, err = w.result()
	return rate, n, err
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
	for i := range w.load.threads {
		if i == 0 || !w.load.shared {
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

// result verifies every buffer and adds up the rates of the threads.
func (w *window) result() (float64, error) {
	var rate float64
	for i, l := range w.lanes {
		if l.err != nil && !errors.Is(l.err, errStopped) {
			return 0, fmt.Errorf("%s: thread %d: %w", w.load, i, l.err)
		}
	}
	for i, l := range w.lanes {
		if l.err != nil {
			return 0, fmt.Errorf("%s: thread %d: %w", w.load, i, l.err)
		}
		if err := w.kernel.Check(l.buffer.Data()[:w.kernel.Elements], l.completed.Load()); err != nil {
			return 0, fmt.Errorf("%s: thread %d: %w", w.load, i, err)
		}
		span := l.last.Sub(l.first)
		if span <= 0 || l.lastN <= l.firstN {
			return 0, fmt.Errorf("%s: thread %d: no operation completed in the window", w.load, i)
		}
		rate += float64(l.lastN-l.firstN) / span.Seconds()
	}
	return rate, nil
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
	depth := w.load.depth
	ring := make([]Ticket, depth)
	<-w.start

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
		if err := th.Wait(ring[slot]); err != nil {
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
		now, n := time.Now(), l.completed.Load()
		if l.firstN == 0 {
			if !now.Before(w.open) {
				l.first, l.firstN = now, n
			}
		} else if !now.Before(w.close) && (n-l.firstN)%uint64(depth) == 0 {
			l.last, l.lastN = now, n
			oldest = (oldest + 1) % depth
			break
		}
		if w.stop.Load() || !submit(oldest) {
			if l.err == nil {
				l.err = errStopped
			}
			oldest = (oldest + 1) % depth
			break
		}
		flying++
		oldest = (oldest + 1) % depth
	}
	for ; flying > 0; flying-- {
		wait(oldest)
		oldest = (oldest + 1) % depth
	}
}
