package objc

import (
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Batch is a list of messages and calls that is sent in one crossing from Go to C. A
// crossing costs several times what a message does, and a command buffer takes ten
// messages: one by one, most of its time would be that of the measuring program.
//
// Receivers and results are variables of the caller, so that a message can go to what one
// before it gave. They must be on the heap, as the batch is, and the batch belongs to the
// thread that made it.
type Batch struct {
	t     *Thread
	steps [maxSteps]step
	n     int
}

const maxSteps = 12

// step is one message or call. run in batch_*.s knows where its fields are.
type step struct {
	fn      uintptr
	first   *ID     // first argument: the receiver
	result  *ID     // nil: nobody wants it
	message uintptr // 1: a message, which ends the batch if the receiver is nil
	words   [1 + 4 + 6]uintptr
}

// Where a step's sizes are: on the stack of amd64, which begins after six words in
// registers, and on arm64 in a place of their own, to which registers point.
const stepSizes = 5

// runAddress is the address of a C function, uintptr run(step *first, uintptr n), that
// executes n steps and returns how many of them are left.
func runAddress() uintptr

// NewBatch makes an empty list.
func (t *Thread) NewBatch() *Batch {
	b := &Batch{t: t}
	t.batches = append(t.batches, b) // so it is on the heap, whatever the caller does with it
	return b
}

func (b *Batch) add(s step) int {
	b.steps[b.n] = s // beyond maxSteps is a bug of the caller
	b.n++
	return b.n - 1
}

// Send appends a message and returns its index. result may be nil.
func (b *Batch) Send(receiver *ID, s Selector, result *ID, args ...uintptr) int {
	st := step{fn: b.t.r.msgSend, first: receiver, result: result, message: 1}
	st.words[0] = uintptr(s)
	if copy(st.words[1:5], args) < len(args) {
		panic("objc: too many arguments")
	}
	return b.add(st)
}

// Set changes an argument of a message: 0 is the first one.
func (b *Batch) Set(message, argument int, value uintptr) { b.steps[message].words[1+argument] = value }

// SendSizes appends a message of two sizes and returns its index; see SetSizes.
func (b *Batch) SendSizes(receiver *ID, s Selector, result *ID) int {
	i := b.Send(receiver, s, result)
	b.steps[i].placeSizes()
	return i
}

// SetSizes changes the sizes of a message.
func (b *Batch) SetSizes(message int, first, second Size) {
	w := b.steps[message].words[stepSizes:]
	w[0], w[1], w[2] = uintptr(first.Width), uintptr(first.Height), uintptr(first.Depth)
	w[3], w[4], w[5] = uintptr(second.Width), uintptr(second.Height), uintptr(second.Depth)
}

// Retain appends the taking of an ownership; of nil it is nothing.
func (b *Batch) Retain(o *ID) { b.add(step{fn: b.t.r.retain, first: o}) }

// Release appends the giving up of an ownership; of nil it is nothing.
func (b *Batch) Release(o *ID) { b.add(step{fn: b.t.r.release, first: o}) }

// Drain appends what Thread.Drain does.
func (b *Batch) Drain() {
	b.add(step{fn: b.t.r.pop, first: &b.t.pool})
	b.add(step{fn: b.t.r.push, first: &b.t.pool, result: &b.t.pool})
}

// Run executes the list. It ends early at a message to nil, and reports whether it did
// not. It does not allocate.
func (b *Batch) Run() bool {
	w := &b.t.words
	w[0], w[1] = uintptr(unsafe.Pointer(&b.steps[0])), uintptr(b.n)
	left, _, _ := purego.SyscallN(b.t.r.run, w[:2]...)
	runtime.KeepAlive(b)
	return left == 0
}
