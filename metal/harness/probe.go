package harness

import (
	"context"
	"errors"
	"time"
)

// Probe measures windows of loads on one device, in this process ([Local]) or in another
// one (package child). One call at a time. After an error of any method but Spans it is
// only good for Close.
type Probe interface {
	// Ready compiles the kernel and runs each load for a few operations of which the data
	// is compared with the reference: before any timing. It is called first, once.
	Ready(ctx context.Context, loads []Load) (Setup, error)
	// Warm runs a load until [steady] windows in a row agree, or limit has passed.
	Warm(ctx context.Context, l Load, limit time.Duration) (Warmth, error)
	// Measure takes one value over a window of the given length.
	Measure(ctx context.Context, l Load, window time.Duration) (Reading, error)
	// Spans asks the device when it executed the operations of one window. The error is
	// [ErrNoSpans] if it does not tell.
	Spans(ctx context.Context, l Load, window time.Duration) (Spans, error)
	Close() error
}

// ErrNoSpans says that a backend does not tell when operations were executed.
var ErrNoSpans = errors.New("the device does not tell when it executed an operation")

// SpanError says that the device told times that cannot be true. The operations were
// right, and so is what was measured of them.
type SpanError struct{ Text string }

func (e *SpanError) Error() string { return e.Text }

// Setup is what a probe tells once it is ready.
type Setup struct {
	Device Device
	Procs  int    // GOMAXPROCS of the process that measures
	Spans  bool   // the device tells when it executed an operation
	Counts Counts // operations whose data was compared with the reference
	// Own is what the harness itself does for one operation, in seconds, on this machine:
	// the loop around Submit and Wait with its clock, measured on a device that does nothing.
	Own float64
	// Calls are costs that the backend tells of itself, in seconds; see [Coster].
	Calls map[string]float64
}

// Warmth is how a warm-up ended.
type Warmth struct {
	Settled bool
	Windows int
	Took    time.Duration
	First   float64 // ops/s of the first and the last window
	Last    float64
	Counts  Counts
}

// Reading is one value and how it came about.
type Reading struct {
	Rate    float64 // ops/s, the sum over the threads
	Ops     uint64  // operations counted, of all threads
	Seconds float64 // over which they were counted, mean over the threads
	// Slices are the rates in [sliceCount] equal parts of the window, in order; nil if an
	// operation took longer than one.
	Slices      []float64
	Starved     int    // threads that others kept from submitting for a part of the window
	Collections uint64 // of garbage, within the window; expected to be none
	Counts      Counts // lead-in and tail included
}

// Spans are the device's own times of the operations of one window.
type Spans struct {
	Ops       int
	Execution float64 // median time of one operation on the device, in seconds
	Low, High float64 // its quartiles
	Busy      float64 // share of the time in which at least one operation executed, 0 … 1
	Parallel  float64 // mean number of operations that executed at once while one did
	Counts    Counts
}

// Counts are operations, lead-in and tail included.
type Counts struct {
	Completed uint64
	Failed    uint64
	Hung      uint64 // submitted and never seen to end
}

func (c *Counts) add(d Counts) {
	c.Completed += d.Completed
	c.Failed += d.Failed
	c.Hung += d.Hung
}
