package cuda

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// Options of a backend. The zero value is the usual one.
type Options struct {
	Library string // of the driver; "" is Library
	Spin    bool   // wait in a loop instead of sleeping; costs a core for each thread
}

// Backend implements harness.Backend on the first CUDA device.
type Backend struct {
	d       *driver
	device  uintptr
	context uintptr
	events  uintptr // flags of events
	info    harness.Device
	closed  atomic.Bool
}

var errClosed = errors.New("the device is closed")

// Open starts the driver. The error says what is missing on a machine without CUDA.
func Open(o Options) (*Backend, error) {
	if o.Library == "" {
		o.Library = Library
	}
	d, err := load(o.Library)
	if err != nil {
		return nil, err
	}
	b := &Backend{d: d, events: eventDisableTiming | eventBlockingSync}
	flags, waits := uintptr(ctxBlockingSync), "sleep"
	if o.Spin {
		flags, waits = ctxSpin, "spin"
		b.events = eventDisableTiming
	}
	var name string
	var version int
	if b.device, b.context, name, version, err = d.open(flags); err != nil {
		return nil, err
	}
	b.info = harness.Device{
		Backend: "cuda", Text: fmt.Sprintf("%s through CUDA driver API %d.%d, for validation of the harness only", name, version/1000, version%1000/10),
		Settings: map[string]string{"waits": waits, "queue-limit": "the driver's own"},
	}
	return b, nil
}

// Device implements harness.Backend.
func (b *Backend) Device() harness.Device { return b.info }

// Close implements harness.Backend.
func (b *Backend) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	return b.d.call("release the context", b.d.ctxRelease, b.device)
}

type program struct {
	b                *Backend
	module, function uintptr
	iterations       uint32
	once             sync.Once
}

// Compile implements harness.Backend.
func (b *Backend) Compile(k harness.Kernel) (harness.Program, error) {
	if k.Elements < 1 || k.Iterations < 1 {
		return nil, fmt.Errorf("no kernel of %s", k)
	}
	if k.Source != nil {
		return nil, fmt.Errorf("%s: kernels of a repository are Metal's", k)
	}
	if b.closed.Load() {
		return nil, errClosed
	}
	p := &program{b: b, iterations: uint32(k.Iterations)}
	text, entry := []byte(PTX()+"\x00"), []byte("step\x00")
	err := b.with(func() (err error) {
		if p.module, err = b.d.made("compile PTX", b.d.moduleLoad, uintptr(unsafe.Pointer(&text[0]))); err != nil {
			return err
		}
		p.function, err = b.d.made("find the kernel", b.d.moduleFunction, p.module, uintptr(unsafe.Pointer(&entry[0])))
		return err
	})
	return p, err
}

func (p *program) Release() {
	p.once.Do(func() {
		_ = p.b.with(func() error { return p.b.d.call("unload", p.b.d.moduleUnload, p.module) })
	})
}

type queue struct {
	b      *Backend
	stream atomic.Uintptr // 0 once released
}

// NewQueue implements harness.Backend. The limit is the driver's own, about 1000
// launches: more block, too.
func (b *Backend) NewQueue(limit int) (harness.Queue, error) {
	if limit < 1 {
		return nil, fmt.Errorf("a queue of %d operations", limit)
	}
	if b.closed.Load() {
		return nil, errClosed
	}
	q := &queue{b: b}
	return q, b.with(func() error {
		s, err := b.d.made("make a stream", b.d.streamCreate, streamNonBlocking)
		q.stream.Store(s)
		return err
	})
}

func (q *queue) Release() {
	if s := q.stream.Swap(0); s != 0 {
		_ = q.b.with(func() error { return q.b.d.call("destroy a stream", q.b.d.streamDestroy, s) })
	}
}

// buffer is memory of the device and its copy on the host. Whichever was touched last
// counts: Submit sends the copy ahead of the operation if Data was called since the last
// one, and Data fetches what operations left behind. So, other than with shared memory,
// Data must be called again after operations; the harness does.
type buffer struct {
	b       *Backend
	address uintptr
	data    []float32
	host    atomic.Bool // data may be newer than the device
	device  atomic.Bool // the device is newer than data
}

// NewBuffer implements harness.Backend.
func (b *Backend) NewBuffer(n int) (harness.Buffer, error) {
	if n < 1 {
		return nil, fmt.Errorf("a buffer of %d floats", n)
	}
	if b.closed.Load() {
		return nil, errClosed
	}
	m := &buffer{b: b, data: make([]float32, n)}
	return m, b.with(func() (err error) {
		if m.address, err = b.d.made("allocate memory of the device", b.d.alloc, uintptr(4*n)); err != nil {
			return err
		}
		return b.d.call("clear memory", b.d.clear, m.address, 0, uintptr(n))
	})
}

func (m *buffer) Data() []float32 {
	if m.device.Swap(false) {
		err := m.b.with(func() error {
			return m.b.d.call("copy from the device", m.b.d.toHost, uintptr(unsafe.Pointer(&m.data[0])), m.address, uintptr(4*len(m.data)))
		})
		if err != nil { // nothing that could be taken for a result
			for i := range m.data {
				m.data[i] = -1
			}
		}
	}
	m.host.Store(true)
	return m.data
}

func (m *buffer) Release() {
	if m.address != 0 {
		_ = m.b.with(func() error { return m.b.d.call("free memory", m.b.d.free, m.address) })
		m.address = 0
	}
}
