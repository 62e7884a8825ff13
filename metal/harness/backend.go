// Package harness measures how many operations a second a device completes, for
// several ways of submitting them, and hands the raw samples on.
//
// Two scenarios are measured on any [Backend]. "multi-queue": 1 … N threads submit and
// wait one operation at a time, all on one shared queue or each on its own.
// "async-pipeline": one thread, or several with a queue each, keep D operations in
// flight. What the samples mean (thresholds, history) is left to package baseline.
//
// The protocol: warm up under the heaviest load; then rounds, each taking one value of
// every configuration in a fresh random order, so that drift hits all alike; windows
// are a time, not a count; queues, buffers and threads are made before a window and
// released after it; the start of a window is thrown away; the data of every buffer is
// compared with the reference after every window, and a value whose data is wrong is
// never reported.
package harness

// Backend is one device that executes kernels. Its methods, and those of the objects it
// makes, may be called from several goroutines at once unless said otherwise.
type Backend interface {
	// Device says what this backend runs on.
	Device() Device
	// Compile makes k executable.
	Compile(k Kernel) (Program, error)
	// NewQueue makes a queue that executes its operations in the order of submission.
	// Up to limit operations may be uncompleted; then Submit blocks. limit is ≥ 1.
	NewQueue(limit int) (Queue, error)
	// NewBuffer makes a buffer of n floats that host and device share; all zero.
	NewBuffer(n int) (Buffer, error)
	// Enter makes the calling goroutine a submitting thread until Leave. A backend may
	// lock it to its OS thread meanwhile.
	Enter() (Thread, error)
	// Close releases the device. Waits that are still open return an error soon.
	Close() error
}

// Device describes a device in words for the report.
type Device struct {
	Backend  string            // short name: "cpu", "metal"
	Text     string            // what ran, and what it is not
	Settings map[string]string // what changes results, such as a model's constants; may be nil
	Observed map[string]string // what was measured of it when it was opened; may be nil
}

// Program is a compiled kernel.
type Program interface{ Release() }

// Queue is an ordered command queue. Release may be called once nothing submitted to it
// is uncompleted; operations still open then end in an error.
type Queue interface{ Release() }

// Buffer is memory shared with the device.
type Buffer interface {
	// Data is the memory itself. It may be touched while no operation on the buffer is
	// uncompleted.
	Data() []float32
	Release()
}

// Ticket names one submitted operation of one Thread. It is good for one Wait.
type Ticket uint64

// Thread submits operations and waits for them. Only the goroutine that called Enter
// may use it. Submit and Wait do not allocate in the steady state: an operation costs
// one dynamic call each, all encoding is behind them.
type Thread interface {
	// Submit enqueues one run of p over the first n floats of b.
	Submit(q Queue, p Program, b Buffer, n int) (Ticket, error)
	// Wait returns when the operation is completed; the error is the device's. A ticket
	// that is unknown or was waited for already is an error.
	Wait(t Ticket) error
	// Leave ends the thread. Its tickets must have been waited for.
	Leave()
}

// SpanThread is a Thread of a device that tells when it executed an operation. A Thread
// that also has WaitSpan is asked in a pass of its own, outside of what is timed.
type SpanThread interface {
	Thread
	// WaitSpan is Wait, and tells when the device began and ended the operation: seconds
	// on one clock that all queues and threads of the device share. It may cost more than
	// Wait, and it may allocate.
	WaitSpan(t Ticket) (start, end float64, err error)
}

// Coster is a Backend that knows what its own calls into the device cost, so that reports
// can say how much of an operation is the measuring. It is asked before the first window.
type Coster interface {
	// CallCost measures now. Costs are seconds by what was called, such as
	// "message send" or "encoded command buffer".
	CallCost() (map[string]float64, error)
}
