// Package mtl runs the harness's kernels on a GPU through Metal, without cgo.
//
// In: the libraries to open (Apple's, or the fake one of package fakemetal in tests).
// Out: a [harness.Backend]. Every goroutine that sends a message is locked to its thread
// and has an autorelease pool there; every object that may be nil, every NSError and
// every command buffer's status is checked, because Objective-C answers a message to nil
// with silence, and work that never ran is the fastest there is. Submitting and waiting
// allocate nothing.
//
// [Open] runs one operation and compares its result, so a device that does not compute
// is an error before anything is timed.
//
// It was never run on a Mac by its authors: all that is known about it comes from tests
// against the fake, on Linux, amd64 and arm64.
package mtl

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/objc"
	"github.com/holdfast-ci/holdfast/runner"
)

// Backend is one Metal device. It implements [harness.Backend] and [harness.Coster].
type Backend struct {
	rt     *objc.Runtime
	sel    selectors
	device objc.ID
	text   string
	set    map[string]string

	mu     sync.Mutex
	closed bool
}

var errClosed = errors.New("device is closed")

// Open finds the device and tries it. libraries are usually [objc.System]'s; without any
// the error is [objc.ErrNoRuntime].
func Open(libraries []string) (*Backend, error) {
	rt, err := objc.Open(libraries)
	if err != nil {
		return nil, err
	}
	b := &Backend{rt: rt, sel: newSelectors(rt)}
	if err := rt.Do(b.find); err != nil {
		return nil, err
	}
	if err := b.try(); err != nil {
		b.Close()
		return nil, fmt.Errorf("%s: %w", b.text, err)
	}
	return b, nil
}

// find sets the device: the default one or, since that is nil in many processes without
// a window server (under launchd, over ssh), the first of all. It is asked for once and
// kept: a second call has been seen to give nil.
func (b *Backend) find(t *objc.Thread) error {
	create, err := b.rt.Symbol("MTLCreateSystemDefaultDevice")
	if err != nil {
		return err
	}
	how := "the default device"
	b.device = objc.ID(t.Call(create))
	if b.device == 0 {
		n, err := b.first(t)
		if err != nil {
			return err
		}
		how = fmt.Sprintf("the first of %d devices; there is no default one here", n)
	}
	if err := b.sel.check(t, b.device, onDevice); err != nil {
		t.Release(b.device)
		return err
	}
	// Grids that are no multiple of a threadgroup need it: every Apple GPU since the A11.
	const apple4, mac2 = 1004, 2002
	if !t.Bool(b.device, b.sel.supportsFamily, apple4) && !t.Bool(b.device, b.sel.supportsFamily, mac2) {
		t.Release(b.device)
		return errors.New("the GPU is of a family older than Apple4 and Mac2")
	}
	b.text = t.String(objc.ID(t.Send(b.device, b.sel.name)))
	b.set = map[string]string{
		"device":          how,
		"registry-id":     strconv.FormatUint(uint64(t.Send(b.device, b.sel.registryID)), 16),
		"unified-memory":  strconv.FormatBool(t.Bool(b.device, b.sel.hasUnifiedMemory)),
		"command-buffers": "with retained references, one dispatch each",
		"threadgroup":     fmt.Sprintf("%d threads, or the pipeline's most", threadgroup),
	}
	return nil
}

// first takes the first of all devices and returns how many there are.
func (b *Backend) first(t *objc.Thread) (int, error) {
	all, err := b.rt.Symbol("MTLCopyAllDevices")
	if err != nil {
		return 0, err
	}
	list := objc.ID(t.Call(all))
	n := 0
	if list != 0 {
		defer t.Release(list)
		if err := b.sel.check(t, list, onArray); err != nil {
			return 0, err
		}
		n = int(t.Send(list, b.sel.count))
	}
	if n > 0 {
		b.device = objc.ID(t.Send(list, b.sel.objectAtIndex, 0))
	}
	if b.device == 0 {
		return 0, runner.WithHint(errors.New("no Metal device: neither a default one, nor any in the list of all"),
			"the process sees no GPU; a virtual machine may have none")
	}
	t.Retain(b.device)
	return n, nil
}

// probe asks a command buffer and an encoder for their methods.
func (b *Backend) probe(t *objc.Thread) error {
	q := objc.ID(t.Send(b.device, b.sel.newQueue, 1))
	if q == 0 {
		return errors.New("the device gives no queue")
	}
	defer t.Release(q)
	if err := b.sel.check(t, q, onQueue); err != nil {
		return err
	}
	c := objc.ID(t.Send(q, b.sel.commandBuffer))
	if c == 0 {
		return errors.New("the queue gives no command buffer")
	}
	if err := b.sel.check(t, c, onCommandBuffer); err != nil {
		return err
	}
	e := objc.ID(t.Send(c, b.sel.encoder))
	if e == 0 {
		return errors.New("the command buffer gives no encoder")
	}
	err := b.sel.check(t, e, onEncoder)
	if t.RespondsTo(e, b.sel.end) {
		t.Send(e, b.sel.end)
	} else {
		t.Retain(e) // for good: releasing an encoder that was not ended ends the process
	}
	return err
}

// try asks for all methods, runs two operations and compares their result.
func (b *Backend) try() error {
	if err := b.rt.Do(b.probe); err != nil {
		return err
	}
	k := harness.Kernel{Elements: 300, Iterations: 2}
	p, err := b.Compile(k)
	if err != nil {
		return err
	}
	defer p.Release()
	return b.once(p, k, 2, func(data []float32) error { return k.Check(data, 2) })
}

// once runs ops operations of p on a buffer of its own and hands the data on.
func (b *Backend) once(p harness.Program, k harness.Kernel, ops int, use func([]float32) error) error {
	q, err := b.NewQueue(ops)
	if err != nil {
		return err
	}
	defer q.Release()
	buf, err := b.NewBuffer(k.Elements)
	if err != nil {
		return err
	}
	defer buf.Release()
	k.Fill(buf.Data())
	th, err := b.Enter()
	if err != nil {
		return err
	}
	defer th.Leave()
	for range ops {
		ticket, err := th.Submit(q, p, buf, k.Elements)
		if err == nil {
			err = th.Wait(ticket)
		}
		if err != nil {
			return fmt.Errorf("try an operation: %w", err)
		}
	}
	if err := use(buf.Data()); err != nil {
		return fmt.Errorf("try an operation: %w", err)
	}
	return nil
}

// Device implements [harness.Backend].
func (b *Backend) Device() harness.Device {
	return harness.Device{Backend: "metal", Text: b.text + " (Metal, " + b.set["device"] + ")", Settings: b.set}
}

// Close implements [harness.Backend]. Objects that were not released keep the device;
// a wait inside the driver cannot be ended.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	return b.rt.Do(func(t *objc.Thread) error { t.Release(b.device); return nil })
}

// do runs f with a thread, unless the device is closed.
func (b *Backend) do(f func(t *objc.Thread) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	return b.rt.Do(f)
}
