package child

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// Command says how to run a child and what it measures on.
type Command struct {
	Name   string          // of what it measures, for errors: "multi-queue"
	Proc   proc.Cmd        // Args, Env and perhaps Dir, Log and Redact; the streams are taken
	Device json.RawMessage // for the child's Opener
	Kernel harness.Kernel
	Hang   time.Duration // an operation that takes longer is hung
	// Slack is how much longer than it should take the child may need for an answer before it
	// is stopped; default 10 s. Opening a device and compiling for it may take openSlack more.
	Slack time.Duration
	// Ended is called once the process is gone. May be nil.
	Ended func(proc.Exit)

	run func(context.Context, proc.Cmd) (proc.Exit, error) // proc.Run; tests put another here
}

const (
	defaultSlack = 10 * time.Second
	openSlack    = time.Minute
	// grace is how long a child that was asked to stop may write down where it stood.
	grace = 500 * time.Millisecond
	// patience is how long a process that was killed may take to be gone. One that is inside
	// a driver may never be.
	patience = 10 * time.Second
)

// Child is a harness.Probe in another process.
type Child struct {
	c      Command
	in     *os.File // the parent's end
	out    *answers
	over   chan struct{} // closed once the process is gone and exit and err are set
	exit   proc.Exit
	err    error // of running it
	cancel context.CancelFunc
	id     int
	broken error // why it is good only for Close
	undead bool  // it was killed and is still there
}

// Start runs a child. It lives until Close, until an error, or until ctx is done while it
// is asked something.
func Start(ctx context.Context, c Command) (*Child, error) {
	if Started() {
		return nil, errors.New("a measuring process starts no other: the program does not know the command that it was started with")
	}
	if c.Slack == 0 {
		c.Slack = defaultSlack
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%s: open pipe: %w", c.Name, err)
	}
	if c.run == nil {
		c.run = proc.Run
	}
	// It ends with its standard input, in good order, before it has to be told by a signal.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	x := &Child{c: c, in: ours, out: &answers{lines: make(chan []byte, 1), bad: make(chan error, 1)}, over: make(chan struct{}), cancel: cancel}
	cmd := c.Proc
	cmd.Stdin, cmd.Stdout, cmd.Bulk, cmd.Grace = theirs, x.out, true, grace
	go func() {
		defer close(x.over)
		x.exit, x.err = c.run(ctx, cmd)
		theirs.Close()
		if c.Ended != nil {
			c.Ended(x.exit)
		}
	}()
	return x, nil
}

// answers cuts standard output of the child into lines. It never blocks: nobody may wait
// for a child that waits for its pipe.
type answers struct {
	part  []byte
	lines chan []byte // an answer that nobody took yet
	bad   chan error  // why nothing more is read
	ended bool
}

func (a *answers) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !a.ended {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		if len(a.part)+len(line) > maxLine {
			a.end(fmt.Errorf("it wrote a line of more than %d bytes", maxLine))
			break
		}
		a.part = append(a.part, line...)
		if !whole {
			break
		}
		select {
		case a.lines <- a.part:
		default:
			a.end(errors.New("it wrote more answers than were asked for"))
		}
		a.part, p = nil, rest
	}
	return n, nil
}

func (a *answers) end(err error) {
	a.ended, a.part = true, nil
	a.bad <- err
}

// EndedError says that the process that measured ended before it had answered.
type EndedError struct {
	Name, Doing string
	Exit        proc.Exit
	Told        string // the line of its output that says most about why; "" if it said nothing
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("%s: the measuring process ended in %s: %s%s", e.Name, e.Doing, e.Exit, said(e.Told))
}

// DeadlineError says that the process that measured did not answer in time and was killed.
type DeadlineError struct {
	Name, Doing string
	Limit       time.Duration
	Undead      bool // not even the kill ended it: it hangs inside the driver
	Told        string
}

func (e *DeadlineError) Error() string {
	end := "was killed"
	if e.Undead {
		end = "could not be killed: it hangs inside the driver, and so may everything that uses the device"
	}
	return fmt.Sprintf("%s: the measuring process did not answer within %s in %s and %s%s", e.Name, e.Limit, e.Doing, end, said(e.Told))
}

// ProtocolError says that the process that measured answered with something else than an
// answer, and was killed.
type ProtocolError struct {
	Name, Doing string
	Err         error
	Told        string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("%s: the measuring process answered out of protocol in %s: %v%s", e.Name, e.Doing, e.Err, said(e.Told))
}
func (e *ProtocolError) Unwrap() error { return e.Err }

func said(told string) string {
	if told == "" {
		return ""
	}
	return fmt.Sprintf(", it said: %.300q", told)
}

// call asks one question and waits for the answer.
func (x *Child) call(ctx context.Context, doing string, q request, wait time.Duration) (reply, error) {
	if x.broken != nil {
		return reply{}, x.broken
	}
	p, err := x.ask(ctx, doing, q, wait)
	if err == nil && p.Fault != nil {
		err = p.Fault.error()
	}
	var spans *harness.SpanError
	if err != nil && !errors.As(err, &spans) && !errors.Is(err, harness.ErrNoSpans) {
		x.broken = err
		x.kill()
	}
	return p, err
}

func (x *Child) ask(ctx context.Context, doing string, q request, wait time.Duration) (reply, error) {
	x.id++
	q.ID = x.id
	line, err := json.Marshal(q)
	if err != nil {
		return reply{}, err
	}
	if len(line) > maxLine {
		return reply{}, fmt.Errorf("%s: a request of %d bytes, at most %d: the kernel's source is too large", x.c.Name, len(line), maxLine)
	}
	out := func(err error) error {
		x.kill()
		return &ProtocolError{x.c.Name, doing, err, x.told()}
	}
	select {
	case <-x.out.lines:
		return reply{}, out(errors.New("it spoke without being asked"))
	case err := <-x.out.bad:
		return reply{}, out(err)
	default:
	}
	x.in.Write(append(line, '\n')) // if nobody reads it, that shows below
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case line := <-x.out.lines:
		p, err := decodeReply(line, q)
		if err != nil {
			return p, out(fmt.Errorf("%w in %.100q", err, line))
		}
		return p, nil
	case err := <-x.out.bad:
		return reply{}, out(err)
	case <-x.over:
		select {
		case line := <-x.out.lines: // it answered and ended
			if p, err := decodeReply(line, q); err == nil {
				return p, nil
			}
		default:
		}
		if ctx.Err() != nil {
			return reply{}, context.Cause(ctx)
		}
		if x.err != nil {
			return reply{}, fmt.Errorf("%s: measuring process: %w", x.c.Name, x.err)
		}
		return reply{}, &EndedError{x.c.Name, doing, x.exit, telling(x.exit)}
	case <-timer.C:
		x.kill()
		return reply{}, &DeadlineError{x.c.Name, doing, wait, x.undead, x.told()}
	case <-ctx.Done():
		x.in.Close()
		x.gone(2 * abandon)
		return reply{}, context.Cause(ctx)
	}
}

// gone reports whether the process is gone by then.
func (x *Child) gone(by time.Duration) bool {
	timer := time.NewTimer(by)
	defer timer.Stop()
	select {
	case <-x.over:
		return true
	case <-timer.C:
		return false
	}
}

// kill stops the process and waits until it is gone, or for its patience: a process inside
// of a driver that does not return is given up.
func (x *Child) kill() {
	x.cancel()
	x.in.Close()
	x.undead = x.undead || !x.gone(patience)
}

// told is what the process said, once it is gone.
func (x *Child) told() string {
	if x.undead {
		return ""
	}
	return telling(x.exit)
}

// beginnings are how a line starts that says why a process ended, so that it is told in
// place of the last line, which in a crash is one of many of a stack.
var beginnings = []string{"-[", "panic:", "fatal error:", "SIG", "error:", "asked to stop"}

// telling is the line of what the process said that says most about its end. Assertions of
// the system's frameworks are written "-[MTLDebugDevice …]: failed assertion …".
func telling(e proc.Exit) string {
	text := string(e.Stderr.Head) + "\n" + string(e.Stderr.Tail)
	for _, start := range beginnings {
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, start) || start == "-[" && strings.Contains(l, "failed assertion") {
				if start == "asked to stop" {
					return "" // its stacks are in the log
				}
				return strings.TrimSpace(l)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(string(e.Stderr.Head)+string(e.Stderr.Tail)), "\n")
	return strings.TrimSpace(strings.Join(lines[max(0, len(lines)-3):], "; "))
}

// Ready implements harness.Probe.
func (x *Child) Ready(ctx context.Context, loads []harness.Load) (harness.Setup, error) {
	q := request{Do: doReady, Begin: &begin{Protocol: protocolVersion, Device: x.c.Device, Kernel: x.c.Kernel, Hang: x.c.Hang, Loads: loads}}
	p, err := x.call(ctx, "opening the device and verifying", q, x.c.Hang+x.c.Slack+openSlack)
	if err != nil {
		return harness.Setup{Counts: p.counts()}, err
	}
	return *p.Setup, nil
}

// Warm implements harness.Probe.
func (x *Child) Warm(ctx context.Context, l harness.Load, limit time.Duration) (harness.Warmth, error) {
	p, err := x.call(ctx, "warming up "+l.String(), request{Do: doWarm, Load: &l, Length: limit}, 2*limit+x.c.Hang+x.c.Slack)
	if err != nil {
		return harness.Warmth{Counts: p.counts()}, err
	}
	return *p.Warmth, nil
}

// Measure implements harness.Probe.
func (x *Child) Measure(ctx context.Context, l harness.Load, window time.Duration) (harness.Reading, error) {
	p, err := x.call(ctx, "measuring "+l.String(), request{Do: doMeasure, Load: &l, Length: window}, 2*window+x.c.Hang+x.c.Slack)
	if err != nil {
		return harness.Reading{Counts: p.counts()}, err
	}
	return *p.Reading, nil
}

// Spans implements harness.Probe.
func (x *Child) Spans(ctx context.Context, l harness.Load, window time.Duration) (harness.Spans, error) {
	p, err := x.call(ctx, "asking for the device times of "+l.String(), request{Do: doSpans, Load: &l, Length: window}, 2*window+x.c.Hang+x.c.Slack)
	if err != nil {
		return harness.Spans{Counts: p.counts()}, err
	}
	return *p.Spans, nil
}

func (p *reply) counts() harness.Counts {
	if p.Fault == nil {
		return harness.Counts{}
	}
	return p.Fault.Counts
}

// Close implements harness.Probe. The error says that the process did not end well.
func (x *Child) Close() error {
	if x.undead {
		return nil
	}
	defer x.kill()
	if x.broken != nil {
		return nil
	}
	if _, err := x.call(context.Background(), "closing the device", request{Do: doClose}, x.c.Slack); err != nil {
		return err
	}
	if !x.gone(x.c.Slack) {
		x.kill()
		return &DeadlineError{x.c.Name, "closing the device", x.c.Slack, x.undead, x.told()}
	}
	if x.err == nil && !x.exit.OK() {
		return &EndedError{x.c.Name, "closing the device", x.exit, x.told()}
	}
	return nil
}
