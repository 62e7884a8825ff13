// Package cuda runs the harness on an NVIDIA GPU, to prove the harness on a real
// asynchronous device where no Mac is at hand. It is no feature of the product: nothing
// but validation uses it, and docs/validation.md tells what it showed.
//
// It speaks to the driver (libcuda) through package purego: no toolkit, no compiler, no
// cgo. The kernel is PTX text that the driver compiles. A queue is a stream, an operation
// one launch and one event behind it, a wait is for the event. Without a driver or a
// device [Open] returns an error that says so.
package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Library is the driver's.
const Library = "libcuda.so.1"

// Flags of the driver API, from cuda.h.
const (
	ctxSpin            = 1 // CU_CTX_SCHED_SPIN
	ctxBlockingSync    = 4 // CU_CTX_SCHED_BLOCKING_SYNC
	streamNonBlocking  = 1 // CU_STREAM_NON_BLOCKING
	eventBlockingSync  = 1 // CU_EVENT_BLOCKING_SYNC
	eventDisableTiming = 2 // CU_EVENT_DISABLE_TIMING
)

// driver holds the addresses of the functions that are used. The names with _v2 are those
// that cuda.h means by the short ones.
type driver struct {
	init, deviceCount, deviceGet, deviceName, version uintptr
	ctxRetain, ctxRelease, ctxFlags, ctxSet           uintptr
	moduleLoad, moduleUnload, moduleFunction          uintptr
	streamCreate, streamDestroy                       uintptr
	alloc, free, toDevice, toHost, clear              uintptr
	launch                                            uintptr
	eventCreate, eventDestroy, eventRecord, eventWait uintptr
	errorText                                         uintptr
}

func load(library string) (*driver, error) {
	h, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("no CUDA driver on this machine: %w", err)
	}
	d := &driver{}
	for name, p := range map[string]*uintptr{
		"cuInit": &d.init, "cuDeviceGetCount": &d.deviceCount, "cuDeviceGet": &d.deviceGet, "cuDeviceGetName": &d.deviceName,
		"cuDriverGetVersion": &d.version, "cuDevicePrimaryCtxRetain": &d.ctxRetain, "cuDevicePrimaryCtxRelease_v2": &d.ctxRelease,
		"cuDevicePrimaryCtxSetFlags_v2": &d.ctxFlags, "cuCtxSetCurrent": &d.ctxSet,
		"cuModuleLoadData": &d.moduleLoad, "cuModuleUnload": &d.moduleUnload, "cuModuleGetFunction": &d.moduleFunction,
		"cuStreamCreate": &d.streamCreate, "cuStreamDestroy_v2": &d.streamDestroy,
		"cuMemAlloc_v2": &d.alloc, "cuMemFree_v2": &d.free, "cuMemcpyHtoDAsync_v2": &d.toDevice, "cuMemcpyDtoH_v2": &d.toHost,
		"cuMemsetD32_v2": &d.clear, "cuLaunchKernel": &d.launch,
		"cuEventCreate": &d.eventCreate, "cuEventDestroy_v2": &d.eventDestroy, "cuEventRecord": &d.eventRecord,
		"cuEventSynchronize": &d.eventWait, "cuGetErrorString": &d.errorText,
	} {
		if *p, err = purego.Dlsym(h, name); err != nil {
			return nil, fmt.Errorf("the CUDA driver is too old: %w", err)
		}
	}
	return d, nil
}

// call makes a call off the hot path.
//
//go:uintptrescapes
func (d *driver) call(what string, fn uintptr, args ...uintptr) error {
	r, _, _ := purego.SyscallN(fn, args...)
	return d.check(what, r)
}

// check turns a CUresult into an error. An error of a kernel shows at some later call and
// stays.
func (d *driver) check(what string, result uintptr) error {
	code := uint32(result)
	if code == 0 {
		return nil
	}
	var text *byte
	purego.SyscallN(d.errorText, uintptr(code), uintptr(unsafe.Pointer(&text)))
	words := "unknown error"
	if text != nil {
		words = unsafe.String(text, length(text))
	}
	return fmt.Errorf("%s: CUDA error %d: %s", what, code, words)
}

// length of a C string, at most 500.
func length(s *byte) int {
	n := 0
	for n < 500 && *(*byte)(unsafe.Add(unsafe.Pointer(s), n)) != 0 {
		n++
	}
	return n
}

// made calls a function whose first argument receives what it makes.
func (d *driver) made(what string, fn uintptr, args ...uintptr) (uintptr, error) {
	out := cell()
	err := d.call(what, fn, append([]uintptr{uintptr(unsafe.Pointer(out))}, args...)...)
	return *out, err
}

// cell is a word on the heap: one on the stack would move when the stack grows, and the
// conversion to uintptr in made is too far from the call to prevent that.
//
//go:noinline
func cell() *uintptr { return new(uintptr) }

// open starts the driver and takes the first device. The context is shared by all
// threads.
func (d *driver) open(flags uintptr) (device, context uintptr, name string, version int, err error) {
	if err = d.call("start the CUDA driver", d.init, 0); err != nil {
		return 0, 0, "", 0, err
	}
	n, v, dev := new(int32), new(int32), new(int32)
	if err = d.call("count devices", d.deviceCount, uintptr(unsafe.Pointer(n))); err != nil {
		return 0, 0, "", 0, err
	}
	if *n == 0 {
		return 0, 0, "", 0, errors.New("no CUDA device on this machine")
	}
	text := make([]byte, 256)
	err = errors.Join(
		d.call("ask for the version of the driver", d.version, uintptr(unsafe.Pointer(v))),
		d.call("get the device", d.deviceGet, uintptr(unsafe.Pointer(dev)), 0),
		d.call("ask for the device's name", d.deviceName, uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)-1), uintptr(*dev)),
		d.call("set flags of the context", d.ctxFlags, uintptr(*dev), flags),
	)
	if err != nil {
		return 0, 0, "", 0, err
	}
	context, err = d.made("make the context", d.ctxRetain, uintptr(*dev))
	return uintptr(*dev), context, unsafe.String(&text[0], length(&text[0])), int(*v), err
}

// with runs f on a thread on which the context is current.
func (b *Backend) with(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := b.d.call("make the context current", b.d.ctxSet, b.context); err != nil {
		return err
	}
	return f()
}
