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
}

// Enter implements [harness.Backend].
func (b *Backend) Enter() (harness.Thread, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("enter thread: %w", errClosed)
	}
	return &thread{b: b, t: b.rt.Enter()}, nil
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
	c, err := th.encode(q, p, buf, n)
	if err != nil {
		th.t.Drain()
		return 0, fmt.Errorf("submit: %w", err)
	}
	// It belongs to the pool, which is drained below.
	th.t.Retain(c)
	th.t.Send(c, th.b.sel.commit)
	th.t.Drain()

	i := th.idle[len(th.idle)-1]
	th.idle = th.idle[:len(th.idle)-1]
	f := &th.flights[i]
	f.buffer = c
	f.use++
	return harness.Ticket(uint64(f.use)<<32 | uint64(i)), nil
}

// encode makes a command buffer of one dispatch. It belongs to the pool, as does what is
// left of it after an error.
func (th *thread) encode(q *queue, p *program, buf *buffer, n int) (objc.ID, error) {
	t, sel := th.t, &th.b.sel
	c := objc.ID(t.Send(q.id, sel.commandBuffer))
	if c == 0 {
		return 0, errors.New("the queue gives no command buffer")
	}
	if err := th.known(c, onCommandBuffer); err != nil {
		return 0, err
	}
	e := objc.ID(t.Send(c, sel.encoder))
	if e == 0 {
		return 0, errors.New("the command buffer gives no encoder")
	}
	if err := th.known(e, onEncoder); err != nil {
		if t.RespondsTo(e, sel.end) {
			t.Send(e, sel.end)
		} else {
			t.Retain(e) // for good: releasing an encoder that was not ended ends the process
		}
		return 0, err
	}
	t.Send(e, sel.setPipeline, uintptr(p.id))
	t.Send(e, sel.setBuffer, uintptr(buf.id), 0, 0)
	t.SendSizes(e, sel.dispatch, objc.Size{Width: uint64(n), Height: 1, Depth: 1}, objc.Size{Width: p.group, Height: 1, Depth: 1})
	t.Send(e, sel.end)
	return c, nil
}

// known checks the methods of the first objects of a kind.
func (th *thread) known(o objc.ID, kind on) error {
	if th.b.known[kind].Load() {
		return nil
	}
	if err := th.b.sel.check(th.t, o, kind); err != nil {
		return err
	}
	th.b.known[kind].Store(true)
	return nil
}

// Wait implements [harness.Thread].
func (th *thread) Wait(k harness.Ticket) error {
	c, err := th.land(k)
	if err != nil {
		return err
	}
	err = th.wait(c)
	th.t.Release(c)
	return err
}

// WaitSpan implements [harness.SpanThread].
func (th *thread) WaitSpan(k harness.Ticket) (start, end float64, err error) {
	c, err := th.land(k)
	if err != nil {
		return 0, 0, err
	}
	defer th.t.Release(c)
	if err := th.wait(c); err != nil {
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

func (th *thread) wait(c objc.ID) error {
	th.t.Send(c, th.b.sel.wait)
	status := th.t.Send(c, th.b.sel.status)
	if status == completed {
		return nil
	}
	defer th.t.Drain()
	if status != failed {
		return fmt.Errorf("wait: the command buffer has status %d after its end", status)
	}
	return fmt.Errorf("wait: the command buffer failed: %w", th.t.Error(objc.ID(th.t.Send(c, th.b.sel.err))))
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
