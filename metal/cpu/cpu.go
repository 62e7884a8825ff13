// Package cpu is a model of a command-queue device on the CPU, for machines without a
// GPU API and for testing the harness against arithmetic.
//
// Each queue is one goroutine that executes its operations in order. The kernel's
// arithmetic is really done; around it, time passes as on a device: an operation starts
// Submit after it was submitted, or when its predecessor ended if that is later, takes
// Execute or as long as the arithmetic takes if that is longer, and is seen Complete
// after its end. So one queue with D operations in flight gives at most
//
//	min(D / (Submit+Execute+Complete), 1/Execute)
//
// operations a second. Waiting costs no core, which is why 16 threads scale on a
// 2-core machine. End times come from the schedule, not from the wake-ups: waking late
// does not add up as long as more is in flight. At depth 1 it does, by the accuracy of
// the sleep, which Open measures and [Backend.Device] tells.
//
// The model is no GPU: it shows nothing about drivers, clocks or hazards.
package cpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// Model holds the constants of the modelled device. The zero value is a device without
// latency.
type Model struct {
	Submit   time.Duration // from submission to the earliest start
	Execute  time.Duration // least time of one operation
	Complete time.Duration // from the end to its being seen

	// Sleep waits for a while; nil is the most accurate one of the platform.
	// time.Sleep makes the model run in virtual time within a testing/synctest bubble.
	Sleep func(time.Duration)
}

// MaxLatency bounds each constant of a model, because its sleeps are not interrupted.
const MaxLatency = 50 * time.Millisecond

var errReleased = errors.New("queue was released")

// Backend is the device. It implements [harness.Backend].
type Backend struct {
	model     Model
	epoch     time.Time
	overshoot time.Duration

	mu     sync.Mutex
	closed bool
	queues map[*queue]bool
}

// Open makes a device. It measures for a few milliseconds how late sleeps end.
func Open(m Model) (*Backend, error) {
	for _, d := range []time.Duration{m.Submit, m.Execute, m.Complete} {
		if d < 0 || d > MaxLatency {
			return nil, fmt.Errorf("cpu model: latency %s is outside 0 … %s", d, MaxLatency)
		}
	}
	if m.Sleep == nil {
		m.Sleep = sleep
	}
	b := &Backend{model: m, epoch: time.Now(), queues: map[*queue]bool{}}
	var late [9]time.Duration
	for i := range late {
		t := time.Now()
		m.Sleep(200 * time.Microsecond)
		late[i] = time.Since(t) - 200*time.Microsecond
	}
	slices.Sort(late[:])
	b.overshoot = late[len(late)/2]
	return b, nil
}

// Device implements [harness.Backend].
func (b *Backend) Device() harness.Device {
	m := b.model
	return harness.Device{
		Backend: "cpu",
		Text: fmt.Sprintf("CPU model backend: queues as ordered workers, modelled latency %s and %s an operation — not a GPU",
			m.Submit+m.Complete, m.Execute),
		Settings: map[string]string{
			"latency": fmt.Sprintf("%s submit, %s execute, %s complete", m.Submit, m.Execute, m.Complete),
		},
		Observed: map[string]string{
			"sleep-accuracy": fmt.Sprintf("wakes %s late (median of 9)", b.overshoot.Round(time.Microsecond)),
		},
	}
}

// Close ends all queues. It returns once their workers are gone.
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	var open []*queue
	for q := range b.queues {
		open = append(open, q)
	}
	b.mu.Unlock()
	for _, q := range open {
		q.Release()
	}
	return nil
}

// program runs a kernel.
type program struct{ k harness.Kernel }

func (*program) Release() {}

// Compile implements [harness.Backend].
func (b *Backend) Compile(k harness.Kernel) (harness.Program, error) {
	if k.Elements < 1 || k.Iterations < 1 {
		return nil, fmt.Errorf("compile kernel of %s: both must be at least 1", k)
	}
	if k.Source != nil {
		return nil, fmt.Errorf("compile kernel %s: this model runs the built-in kernel only", k.Source)
	}
	return &program{k}, nil
}

// run is the kernel in floating point, as a GPU does it; see [harness.Kernel].
func (p *program) run(data []float32) {
	const angle = 2 * math.Pi / harness.Modulus
	for i, x := range data {
		stride := float32(harness.Stride(i))
		for range p.k.Iterations {
			s, c := math.Sincos(float64(x)*angle - math.Pi)
			x += stride * float32(math.Round(256*(s*s+c*c)))
			if x >= harness.Modulus {
				x -= harness.Modulus
			}
		}
		data[i] = x
	}
}

// buffer is shared memory.
type buffer struct{ data []float32 }

func (b *buffer) Data() []float32 { return b.data }
func (*buffer) Release()          {}

// NewBuffer implements [harness.Backend].
func (b *Backend) NewBuffer(n int) (harness.Buffer, error) {
	if n < 1 {
		return nil, fmt.Errorf("make buffer of %d floats: at least 1 is needed", n)
	}
	return &buffer{make([]float32, n)}, nil
}

// now is the device's clock: nanoseconds since it was opened.
func (b *Backend) now() time.Duration { return time.Since(b.epoch) }

// sleepUntil waits until the device's clock shows t.
func (b *Backend) sleepUntil(t time.Duration) {
	for d := t - b.now(); d > 0; d = t - b.now() {
		b.model.Sleep(d)
	}
}

// queue is one ordered worker.
type queue struct {
	b        *Backend
	slots    chan struct{} // one token for each uncompleted operation
	work     chan *command // never full: it holds as many as there are slots
	quit     chan struct{}
	exited   chan struct{}
	released atomic.Bool
}

// NewQueue implements [harness.Backend].
func (b *Backend) NewQueue(limit int) (harness.Queue, error) {
	if limit < 1 {
		return nil, fmt.Errorf("make queue of %d operations: at least 1 is needed", limit)
	}
	q := &queue{b: b, slots: make(chan struct{}, limit), work: make(chan *command, limit), quit: make(chan struct{}), exited: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errors.New("make queue: device is closed")
	}
	b.queues[q] = true
	go q.serve()
	return q, nil
}

// serve executes operations in order until the queue is released.
func (q *queue) serve() {
	defer close(q.exited)
	var free time.Duration // end of the last operation
	for {
		var c *command
		select {
		case c = <-q.work:
		case <-q.quit:
		}
		if q.released.Load() { // also when both were ready
			q.refuse(c)
			return
		}
		begin := max(c.arrival+q.b.model.Submit, free)
		t := q.b.now()
		c.program.run(c.data)
		free = begin + max(q.b.model.Execute, q.b.now()-t)
		q.b.sleepUntil(free)
		c.finish(nil, begin, free)
		<-q.slots
	}
}

// refuse ends c, if there is one, and all that waits behind it.
func (q *queue) refuse(c *command) {
	for {
		if c != nil {
			c.finish(errReleased, 0, 0)
		}
		select {
		case c = <-q.work:
		default:
			return
		}
	}
}

// Release implements [harness.Queue]. It may be called twice.
func (q *queue) Release() {
	if q.released.CompareAndSwap(false, true) {
		close(q.quit)
		q.b.mu.Lock()
		delete(q.b.queues, q)
		q.b.mu.Unlock()
	}
	<-q.exited
}
