package objc

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// maxArguments is how many words a message may have, receiver and selector included:
// those that go in registers on arm64. Beyond it the two ABIs of arm64 differ.
const maxArguments = 8

// Thread sends messages from one OS thread. It belongs to the goroutine that made it,
// and to it alone, until Leave. Nothing on it allocates but where that is said.
type Thread struct {
	r    *Runtime
	pool ID  // token, not an object
	qos  QoS // to restore; 0: never changed

	// The arguments of the call being made, what they point to, and the error it gave. It
	// is on the heap, since a goroutine's stack may move between the taking of an address
	// and the call.
	words  [2 + 4 + 6]uintptr
	failed ID

	batches []*Batch
}

// Enter locks the calling goroutine to its OS thread and pushes an autorelease pool.
func (r *Runtime) Enter() *Thread {
	runtime.LockOSThread()
	t := &Thread{r: r}
	t.pool = ID(t.Call(r.push))
	return t
}

// Leave pops the pool and unlocks the goroutine. t must not be used any more.
func (t *Thread) Leave() {
	t.Call(t.r.pop, uintptr(t.pool))
	t.restoreQoS()
	t.r = nil
	runtime.UnlockOSThread()
}

// Drain releases what the thread's pool holds: pops it and pushes a new one.
func (t *Thread) Drain() {
	t.Call(t.r.pop, uintptr(t.pool))
	t.pool = ID(t.Call(t.r.push))
}

// Do runs f on a thread of its own making, for what is off the hot path.
func (r *Runtime) Do(f func(t *Thread) error) error {
	t := r.Enter()
	defer t.Leave()
	return f(t)
}

// Call calls a C function of integers and pointers. Results narrower than a word have
// undefined upper bits. A pointer to Go memory must be to the heap, and kept alive.
func (t *Thread) Call(fn uintptr, args ...uintptr) uintptr {
	n := copy(t.words[:maxArguments], args)
	if n < len(args) {
		panic("objc: too many arguments")
	}
	x, _, _ := purego.SyscallN(fn, t.words[:n]...)
	return x
}

// Send sends a message whose arguments and result are integers or pointers.
func (t *Thread) Send(o ID, s Selector, args ...uintptr) uintptr {
	n := 2 + copy(t.words[2:maxArguments], args)
	if n < 2+len(args) {
		panic("objc: too many arguments")
	}
	t.words[0], t.words[1] = uintptr(o), uintptr(s)
	x, _, _ := purego.SyscallN(t.r.msgSend, t.words[:n]...)
	return x
}

// Bool sends a message that returns BOOL: only the lowest byte of the register counts.
func (t *Thread) Bool(o ID, s Selector, args ...uintptr) bool {
	return t.Send(o, s, args...)&0xff != 0
}

// Size is a structure of three words, passed by value: MTLSize.
type Size struct{ Width, Height, Depth uint64 }

// SendSizes sends a message of two sizes, by value.
func (t *Thread) SendSizes(o ID, s Selector, a, b Size) uintptr {
	t.words[0], t.words[1] = uintptr(o), uintptr(s)
	x, _, _ := purego.SyscallN(t.r.msgSend, t.words[:t.placeSizes(a, b)]...)
	return x
}

func (t *Thread) putSizes(a, b Size) {
	t.words[6], t.words[7], t.words[8] = uintptr(a.Width), uintptr(a.Height), uintptr(a.Depth)
	t.words[9], t.words[10], t.words[11] = uintptr(b.Width), uintptr(b.Height), uintptr(b.Depth)
}

// Float64 sends a message without arguments that returns a double. It allocates.
func (t *Thread) Float64(o ID, s Selector) float64 { return t.r.float64(o, s) }

// Error is an NSError.
type Error struct {
	Domain string
	Code   int
	Text   string // localised description
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%s %d)", e.Text, e.Domain, e.Code) }

// SendError sends a message that takes an NSError** as its last argument, which is
// added here. Whether it failed is told by the result alone: frameworks set the error to
// give warnings, too. So the error is nil if and only if the result is not 0.
func (t *Thread) SendError(o ID, s Selector, args ...uintptr) (ID, error) {
	if len(args) > maxArguments-3 {
		panic("objc: too many arguments")
	}
	t.failed = 0
	t.words[0], t.words[1] = uintptr(o), uintptr(s)
	n := 2 + copy(t.words[2:], args)
	t.words[n] = uintptr(unsafe.Pointer(&t.failed))
	x, _, _ := purego.SyscallN(t.r.msgSend, t.words[:n+1]...)
	if x == 0 {
		return 0, t.Error(t.failed)
	}
	return ID(x), nil
}

// Error makes a Go error of an NSError: an *[Error], or another one if o is nil. It is
// never nil.
func (t *Thread) Error(o ID) error {
	if o == 0 {
		return fmt.Errorf("nil was returned, without an error")
	}
	return &Error{
		Domain: t.String(ID(t.Send(o, t.r.domain))),
		Code:   int(t.Send(o, t.r.code)),
		Text:   t.String(ID(t.Send(o, t.r.description))),
	}
}

// String is the text of an NSString, "" of nil. It allocates.
func (t *Thread) String(o ID) string {
	if o == 0 {
		return ""
	}
	return t.r.text(o, t.r.utf8)
}

// NewString makes an NSString of UTF-8 text. The caller owns it.
func (t *Thread) NewString(s string) (ID, error) {
	const utf8 = 4
	b := make([]byte, len(s)+1) // never empty, so that it has an address
	copy(b, s)
	o := ID(t.Send(t.r.stringClass, t.r.alloc))
	if o == 0 {
		return 0, fmt.Errorf("make a string of %d bytes: out of memory", len(s))
	}
	o = ID(t.Send(o, t.r.initBytes, uintptr(unsafe.Pointer(&b[0])), uintptr(len(s)), utf8))
	runtime.KeepAlive(b)
	if o == 0 { // the initialiser has released what alloc made
		return 0, fmt.Errorf("make a string of %d bytes: it is no valid UTF-8", len(s))
	}
	return o, nil
}

// Retain makes the caller an owner of o.
func (t *Thread) Retain(o ID) { t.Call(t.r.retain, uintptr(o)) }

// Release gives one ownership of o up.
func (t *Thread) Release(o ID) { t.Call(t.r.release, uintptr(o)) }

// RespondsTo reports whether o has the method s: a message to an object without it ends
// the process.
func (t *Thread) RespondsTo(o ID, s Selector) bool {
	return t.Bool(o, t.r.responds, uintptr(s))
}

// InstancesRespondTo reports whether the instances of a class have the method s.
func (t *Thread) InstancesRespondTo(class ID, s Selector) bool {
	return t.Bool(class, t.r.instancesRespond, uintptr(s))
}
