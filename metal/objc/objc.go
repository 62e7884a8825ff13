// Package objc calls Objective-C from Go without cgo: the runtime's own functions,
// messages with integer, pointer, structure and double results, strings, errors,
// autorelease pools, and what Foundation knows about the process.
//
// In: the libraries to open, so that the same code runs against Apple's and, in tests on
// Linux, against a fake one. What the messages mean is left to the caller; package mtl
// knows Metal.
//
// # Rules
//
// Autorelease pools belong to an OS thread. A goroutine that sends messages therefore
// calls [Runtime.Enter] first and [Thread.Leave] last, or runs inside [Runtime.Do]; it
// is locked to its thread in between and has a pool of its own there.
//
// What alloc, new…, copy… and C functions with Create or Copy in their names return is
// owned and must be released; anything else belongs to the pool, and who keeps it
// retains it. A message to nil does nothing and gives 0, so every object is compared
// with 0 before it is used.
//
// Only the package purego is used, not its package objc: that one builds for darwin
// alone, and its Send allocates for every message.
package objc

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// ID is an object or a class; 0 is nil.
type ID uintptr

// Selector names a method.
type Selector uintptr

// ErrNoRuntime says that there is no Objective-C on this system.
var ErrNoRuntime = errors.New("no Objective-C runtime on " + runtime.GOOS)

// Runtime is a loaded Objective-C runtime with its frameworks. They are never unloaded:
// Objective-C has no way to. Its methods may be called from several goroutines.
type Runtime struct {
	libraries []uintptr

	msgSend, getClass, register uintptr
	push, pop, retain, release  uintptr
	run                         uintptr // of batches; not Objective-C's

	float64 func(ID, Selector) float64
	text    func(ID, Selector) string

	utf8, alloc, initBytes, responds, instancesRespond Selector
	domain, code, description                          Selector
	stringClass                                        ID
}

// Open loads libraries in order; symbols are looked up in the same order. See
// [System] for those of this system.
func Open(libraries []string) (*Runtime, error) {
	if len(libraries) == 0 {
		return nil, ErrNoRuntime
	}
	r := &Runtime{run: runAddress()}
	for _, l := range libraries {
		h, err := purego.Dlopen(l, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", l, err)
		}
		r.libraries = append(r.libraries, h)
	}
	for name, p := range map[string]*uintptr{
		"objc_msgSend": &r.msgSend, "objc_getClass": &r.getClass, "sel_registerName": &r.register,
		"objc_autoreleasePoolPush": &r.push, "objc_autoreleasePoolPop": &r.pop,
		"objc_retain": &r.retain, "objc_release": &r.release,
	} {
		var err error
		if *p, err = r.Symbol(name); err != nil {
			return nil, err
		}
	}
	// Off the hot path, and what a plain call cannot return: RegisterFunc allocates.
	purego.RegisterFunc(&r.float64, r.msgSend)
	purego.RegisterFunc(&r.text, r.msgSend)
	for name, p := range map[string]*Selector{
		"UTF8String": &r.utf8, "alloc": &r.alloc, "initWithBytes:length:encoding:": &r.initBytes,
		"respondsToSelector:": &r.responds, "instancesRespondToSelector:": &r.instancesRespond,
		"domain": &r.domain, "code": &r.code, "localizedDescription": &r.description,
	} {
		*p = r.Selector(name)
	}
	var err error
	if r.stringClass, err = r.Class("NSString"); err != nil {
		return nil, err
	}
	return r, nil
}

// Symbol is the address of a C function or variable in the libraries.
func (r *Runtime) Symbol(name string) (uintptr, error) {
	for _, h := range r.libraries {
		if p, err := purego.Dlsym(h, name); err == nil && p != 0 {
			return p, nil
		}
	}
	return 0, fmt.Errorf("symbol %s is in none of the libraries", name)
}

// Class finds a class by its name.
func (r *Runtime) Class(name string) (ID, error) {
	if c := callWithName(r.getClass, name); c != 0 {
		return ID(c), nil
	}
	return 0, fmt.Errorf("no Objective-C class %s", name)
}

// Selector makes the selector of that name: "length", "initWithBytes:length:encoding:".
// Every name has one, whether or not any object responds to it.
func (r *Runtime) Selector(name string) Selector {
	return Selector(callWithName(r.register, name))
}

// callWithName calls a C function of one string.
func callWithName(fn uintptr, name string) uintptr {
	b := append([]byte(name), 0)
	x, _, _ := purego.SyscallN(fn, uintptr(unsafe.Pointer(&b[0])))
	runtime.KeepAlive(b)
	return x
}
