package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// thread implements harness.Thread: a goroutine locked to its OS thread, on which the
// context is current. Arguments of calls live in it, so that nothing is allocated for an
// operation: the driver reads them before it returns.
type thread struct {
	b     *Backend
	slots []slot
	idle  []uint32 // indexes of slots that are not open

	args      [11]uintptr
	params    [3]uintptr // addresses of the three below
	address   uintptr
	n, rounds uint32
}

// slot is one operation in flight.
type slot struct {
	event uintptr
	use   uint32 // how often it was used; part of the ticket
	open  bool
}

// Enter implements harness.Backend.
func (b *Backend) Enter() (harness.Thread, error) {
	if b.closed.Load() {
		return nil, errClosed
	}
	runtime.LockOSThread()
	if err := b.d.call("make the context current", b.d.ctxSet, b.context); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	t := &thread{b: b}
	t.params = [3]uintptr{uintptr(unsafe.Pointer(&t.address)), uintptr(unsafe.Pointer(&t.n)), uintptr(unsafe.Pointer(&t.rounds))}
	return t, nil
}

// Submit implements harness.Thread.
func (t *thread) Submit(hq harness.Queue, hp harness.Program, hb harness.Buffer, n int) (harness.Ticket, error) {
	q, ok1 := hq.(*queue)
	p, ok2 := hp.(*program)
	m, ok3 := hb.(*buffer)
	switch {
	case !ok1 || !ok2 || !ok3 || q == nil || p == nil || m == nil:
		return 0, errors.New("submit: queue, program or buffer is nil or of another backend")
	case n < 1 || n > len(m.data):
		return 0, fmt.Errorf("submit: %d floats of a buffer of %d", n, len(m.data))
	}
	stream := q.stream.Load()
	if stream == 0 {
		return 0, errors.New("submit: the queue is released")
	}
	if len(t.idle) == 0 {
		if err := t.grow(); err != nil {
			return 0, err
		}
	}
	d := t.b.d
	if m.host.Load() && m.host.Swap(false) {
		if err := d.call("copy to the device", d.toDevice, m.address, uintptr(unsafe.Pointer(&m.data[0])), uintptr(4*len(m.data)), stream); err != nil {
			return 0, err
		}
	}
	i := t.idle[len(t.idle)-1]
	s := &t.slots[i]
	t.address, t.n, t.rounds = m.address, uint32(n), p.iterations
	t.args = [11]uintptr{p.function, uintptr((n + group - 1) / group), 1, 1, group, 1, 1, 0, stream, uintptr(unsafe.Pointer(&t.params[0])), 0}
	if r, _, _ := purego.SyscallN(d.launch, t.args[:]...); uint32(r) != 0 {
		return 0, d.check("launch", r)
	}
	if !m.device.Load() {
		m.device.Store(true)
	}
	t.args[0], t.args[1] = s.event, stream
	if r, _, _ := purego.SyscallN(d.eventRecord, t.args[:2]...); uint32(r) != 0 {
		return 0, d.check("record an event", r)
	}
	t.idle = t.idle[:len(t.idle)-1]
	s.use++
	s.open = true
	return harness.Ticket(uint64(s.use)<<32 | uint64(i)), nil
}

// grow adds a slot. The most operations that were ever in flight have one.
func (t *thread) grow() error {
	e, err := t.b.d.made("make an event", t.b.d.eventCreate, t.b.events)
	if err != nil {
		return err
	}
	t.idle = append(t.idle, uint32(len(t.slots)))
	t.slots = append(t.slots, slot{event: e})
	return nil
}

// Wait implements harness.Thread.
func (t *thread) Wait(k harness.Ticket) error {
	i, use := uint32(k), uint32(k>>32)
	if int(i) >= len(t.slots) || !t.slots[i].open || t.slots[i].use != use {
		return fmt.Errorf("wait: ticket %#x is unknown or was waited for already", uint64(k))
	}
	s := &t.slots[i]
	t.args[0] = s.event
	r, _, _ := purego.SyscallN(t.b.d.eventWait, t.args[:1]...)
	s.open = false
	t.idle = append(t.idle, i)
	if uint32(r) != 0 {
		return t.b.d.check("wait", r)
	}
	return nil
}

// Leave implements harness.Thread.
func (t *thread) Leave() {
	for _, s := range t.slots {
		_ = t.b.d.call("destroy an event", t.b.d.eventDestroy, s.event)
	}
	t.slots, t.idle = nil, nil
	runtime.UnlockOSThread()
}
