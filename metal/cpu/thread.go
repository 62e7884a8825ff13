package cpu

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// command is one operation; its thread reuses it.
type command struct {
	queue   *queue
	program *program
	data    []float32
	arrival time.Duration
	begin   time.Duration // of its execution
	end     time.Duration
	err     error
	done    chan struct{} // holds one token once completed
	use     uint32        // how often it was submitted; part of the ticket
	open    bool          // submitted and not yet waited for
}

func (c *command) finish(err error, begin, end time.Duration) {
	c.err, c.begin, c.end = err, begin, end
	c.done <- struct{}{}
}

// thread implements [harness.Thread].
type thread struct {
	b        *Backend
	commands []*command
	idle     []uint32 // indexes of commands that are not open
}

// Enter implements [harness.Backend].
func (b *Backend) Enter() (harness.Thread, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errors.New("enter thread: device is closed")
	}
	return &thread{b: b}, nil
}

// Submit implements [harness.Thread].
func (t *thread) Submit(hq harness.Queue, hp harness.Program, hb harness.Buffer, n int) (harness.Ticket, error) {
	q, ok1 := hq.(*queue)
	p, ok2 := hp.(*program)
	b, ok3 := hb.(*buffer)
	switch {
	case !ok1 || !ok2 || !ok3 || q == nil || p == nil || b == nil:
		return 0, errors.New("submit: queue, program or buffer is nil or of another backend")
	case n < 1 || n > len(b.data):
		return 0, fmt.Errorf("submit: %d floats of a buffer of %d", n, len(b.data))
	case q.released.Load():
		return 0, fmt.Errorf("submit: %w", errReleased)
	}
	if len(t.idle) == 0 {
		t.idle = append(t.idle, uint32(len(t.commands)))
		t.commands = append(t.commands, &command{done: make(chan struct{}, 1)})
	}
	i := t.idle[len(t.idle)-1]
	c := t.commands[i]
	c.queue, c.program, c.data = q, p, b.data[:n]
	select {
	case q.slots <- struct{}{}:
	case <-q.quit:
		return 0, fmt.Errorf("submit: %w", errReleased)
	}
	c.arrival = t.b.now()
	q.work <- c
	t.idle = t.idle[:len(t.idle)-1]
	c.use++
	c.open = true
	return harness.Ticket(uint64(c.use)<<32 | uint64(i)), nil
}

// Wait implements [harness.Thread].
func (t *thread) Wait(k harness.Ticket) error {
	i, use := uint32(k), uint32(k>>32)
	if int(i) >= len(t.commands) || !t.commands[i].open || t.commands[i].use != use {
		return fmt.Errorf("wait: ticket %#x is unknown or was waited for already", uint64(k))
	}
	c := t.commands[i]
	err := c.wait()
	c.open = false
	t.idle = append(t.idle, i)
	if err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	if d := t.b.model.Complete; d > 0 {
		t.b.sleepUntil(c.end + d)
	}
	return nil
}

// WaitSpan implements [harness.SpanThread].
func (t *thread) WaitSpan(k harness.Ticket) (start, end float64, err error) {
	if err := t.Wait(k); err != nil {
		return 0, 0, err
	}
	c := t.commands[uint32(k)]
	return c.begin.Seconds(), c.end.Seconds(), nil
}

// wait returns the operation's error once it is completed or its queue is gone.
func (c *command) wait() error {
	select {
	case <-c.done:
		return c.err
	case <-c.queue.exited:
	}
	select {
	case <-c.done:
		return c.err
	default:
		// It slipped in after the worker had emptied the queue. The command must not be
		// reused: nothing will ever finish it, so nothing of it is left behind either.
		return errReleased
	}
}

// Leave implements [harness.Thread].
func (t *thread) Leave() { t.commands, t.idle = nil, nil }
