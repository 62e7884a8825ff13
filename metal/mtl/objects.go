package mtl

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

// object is something owned. Release may be called twice.
type object struct {
	b        *Backend
	id       objc.ID
	released atomic.Bool
}

func (o *object) Release() {
	if o.released.CompareAndSwap(false, true) {
		_ = o.b.rt.Do(func(t *objc.Thread) error { t.Release(o.id); return nil })
	}
}

// queue is a command queue.
type queue struct{ object }

// NewQueue implements [harness.Backend]. Metal makes commandBuffer wait while limit of
// them are uncompleted; its default of 64 would throttle 16 threads at depth 32.
func (b *Backend) NewQueue(limit int) (harness.Queue, error) {
	if limit < 1 {
		return nil, fmt.Errorf("make queue of %d operations: at least 1 is needed", limit)
	}
	q := &queue{object: object{b: b}}
	err := b.do(func(t *objc.Thread) error {
		if q.id = objc.ID(t.Send(b.device, b.sel.newQueue, uintptr(limit))); q.id == 0 {
			return errors.New("the device gives none")
		}
		if err := b.sel.check(t, q.id, onQueue); err != nil {
			t.Release(q.id)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make queue of %d operations: %w", limit, err)
	}
	return q, nil
}

// buffer is memory that the processor and the GPU share.
type buffer struct {
	object
	data []float32
}

func (b *buffer) Data() []float32 { return b.data }

// NewBuffer implements [harness.Backend].
func (b *Backend) NewBuffer(n int) (harness.Buffer, error) {
	if n < 1 {
		return nil, fmt.Errorf("make buffer of %d floats: at least 1 is needed", n)
	}
	const shared = 0 // MTLResourceStorageModeShared, hazards tracked
	buf := &buffer{object: object{b: b}}
	err := b.do(func(t *objc.Thread) error {
		if buf.id = objc.ID(t.Send(b.device, b.sel.newBuffer, uintptr(n)*4, shared)); buf.id == 0 {
			return errors.New("the device has no memory for it")
		}
		err := b.sel.check(t, buf.id, onBuffer)
		var at uintptr
		if err == nil {
			if at = t.Send(buf.id, b.sel.contents); at == 0 {
				err = errors.New("it has no memory that the processor sees")
			}
		}
		if err != nil {
			t.Release(buf.id)
			return err
		}
		// The memory is not Go's: it does not move, and the object is alive until Release.
		buf.data = unsafe.Slice((*float32)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), n)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make buffer of %d floats: %w", n, err)
	}
	clear(buf.data) // Metal does not promise it
	return buf, nil
}
