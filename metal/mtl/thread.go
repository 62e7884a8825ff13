package mtl

import (
	"errors"
	"fmt"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

// flight is one operation between Submit and Wait; the thread reuses it.
type flight struct {
	buffer objc.ID // the command buffer, retained; 0: not in use
	use    uint32  // how often it was used; part of the ticket
}

// thread implements [harness.SpanThread].
type thread struct {
	b       *Backend
	t       *objc.Thread
	flights []flight
	idle    []uint32 // indexes of flights not in use

	// What the batches work on.
	queue, buffer, encoder, status, err objc.ID

	encoding  *objc.Batch // makes buffer, and an encoder that is ended
	encode    encode
	submitted *objc.Batch // the same, and commits
	submit    encode
	finished  *objc.Batch // waits for buffer, gives it up
}

// encode are indexes of messages whose arguments change.
type encode struct{ pipeline, memory, dispatch int }

// Enter implements [harness.Backend].
func (b *Backend) Enter() (harness.Thread, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("enter thread: %w", errClosed)
	}
	th := &thread{b: b, t: b.rt.Enter()}
	// A preference for performance cores, restored by Leave. A system that refuses it
	// measures all the same.
	_ = th.t.SetQoS(objc.QoSUserInteractive)

	th.encoding = th.t.NewBatch()
	th.encode = th.addEncode(th.encoding)
	th.encoding.Drain()

	// The buffer belongs to the pool, which is drained at the end.
	th.submitted = th.t.NewBatch()
	th.submit = th.addEncode(th.submitted)
	th.submitted.Retain(&th.buffer)
	th.submitted.Send(&th.buffer, b.sel.commit, nil)
	th.submitted.Drain()

	th.finished = th.t.NewBatch()
	th.finished.Send(&th.buffer, b.sel.wait, nil)
	th.finished.Send(&th.buffer, b.sel.status, &th.status)
	th.finished.Send(&th.buffer, b.sel.err, &th.err)
	th.finished.Retain(&th.err)
	th.finished.Release(&th.buffer)
	return th, nil
}

func (th *thread) addEncode(l *objc.Batch) (e encode) {
	sel := &th.b.sel
	l.Send(&th.queue, sel.commandBuffer, &th.buffer)
	l.Send(&th.buffer, sel.encoder, &th.encoder)
	e.pipeline = l.Send(&th.encoder, sel.setPipeline, nil)
	e.memory = l.Send(&th.encoder, sel.setBuffer, nil, 0, 0, 0)
	e.dispatch = l.SendSizes(&th.encoder, sel.dispatch, nil)
	l.Send(&th.encoder, sel.end, nil)
	return e
}

// run sets one dispatch up and runs a batch that encodes it.
func (th *thread) run(l *objc.Batch, e encode, q *queue, p *program, buf *buffer, n int) error {
	th.queue, th.buffer, th.encoder = q.id, 0, 0
	l.Set(e.pipeline, 0, uintptr(p.id))
	l.Set(e.memory, 0, uintptr(buf.id))
	l.SetSizes(e.dispatch, objc.Size{Width: uint64(n), Height: 1, Depth: 1}, objc.Size{Width: p.group, Height: 1, Depth: 1})
	if l.Run() {
		return nil
	}
	th.t.Drain() // it did not come to that
	if th.buffer == 0 {
		return errors.New("the queue gives no command buffer")
	}
	return errors.New("the command buffer gives no encoder")
}

// Submit implements [harness.Thread].
func (th *thread) Submit(hq harness.Queue, hp harness.Program, hb harness.Buffer, n int) (harness.Ticket, error) {
	q, ok1 := hq.(*queue)
	p, ok2 := hp.(*program)
	buf, ok3 := hb.(*buffer)
	switch {
	case !ok1 || !ok2 || !ok3 || q == nil || p == nil || buf == nil:
		return 0, errors.New("submit: queue, program or buffer is nil or of another backend")
	case n < 1 || n > len(buf.data):
		return 0, fmt.Errorf("submit: %d floats of a buffer of %d", n, len(buf.data))
	case q.released.Load() || p.released.Load() || buf.released.Load():
		return 0, errors.New("submit: queue, program or buffer was released")
	}
	if len(th.idle) == 0 {
		th.idle = append(th.idle, uint32(len(th.flights)))
		th.flights = append(th.flights, flight{})
	}
	if err := th.run(th.submitted, th.submit, q, p, buf, n); err != nil {
		return 0, fmt.Errorf("submit: %w", err)
	}
	i := th.idle[len(th.idle)-1]
	th.idle = th.idle[:len(th.idle)-1]
	f := &th.flights[i]
	f.buffer = th.buffer
	f.use++
	return harness.Ticket(uint64(f.use)<<32 | uint64(i)), nil
}

// Wait implements [harness.Thread].
func (th *thread) Wait(k harness.Ticket) error {
	c, err := th.land(k)
	if err != nil {
		return err
	}
	return th.finish(c)
}

// WaitSpan implements [harness.SpanThread].
func (th *thread) WaitSpan(k harness.Ticket) (start, end float64, err error) {
	c, err := th.land(k)
	if err != nil {
		return 0, 0, err
	}
	th.t.Retain(c)
	defer th.t.Release(c)
	if err := th.finish(c); err != nil {
		return 0, 0, err
	}
	start, end = th.t.Float64(c, th.b.sel.gpuStart), th.t.Float64(c, th.b.sel.gpuEnd)
	if !(0 < start && start <= end) {
		return 0, 0, fmt.Errorf("wait: the device says it ran from %v to %v s", start, end)
	}
	return start, end, nil
}

// land takes a flight by its ticket. The caller owns the command buffer.
func (th *thread) land(k harness.Ticket) (objc.ID, error) {
	i, use := uint32(k), uint32(k>>32)
	if int(i) >= len(th.flights) || th.flights[i].buffer == 0 || th.flights[i].use != use {
		return 0, fmt.Errorf("wait: ticket %#x is unknown or was waited for already", uint64(k))
	}
	c := th.flights[i].buffer
	th.flights[i].buffer = 0
	th.idle = append(th.idle, i)
	return c, nil
}

// Statuses of a command buffer.
const (
	completed = 4
	failed    = 5
)

// finish waits for a command buffer and gives it up.
func (th *thread) finish(c objc.ID) error {
	th.buffer, th.status, th.err = c, 0, 0
	th.finished.Run()
	if th.status == completed && th.err == 0 {
		return nil
	}
	defer th.t.Drain()
	defer th.t.Release(th.err)
	if th.status != failed && th.err == 0 {
		return fmt.Errorf("wait: the command buffer has status %d after its end", th.status)
	}
	return fmt.Errorf("wait: the command buffer failed with status %d: %w", th.status, th.t.Error(th.err))
}

// Leave implements [harness.Thread].
func (th *thread) Leave() {
	for _, f := range th.flights {
		if f.buffer != 0 { // committed ones are kept by their queue
			th.t.Release(f.buffer)
		}
	}
	th.flights, th.idle = nil, nil
	th.t.Leave()
}
