package harness

import "fmt"

// Modulus is the number of states of one element: the largest prime below 2^23. All
// sums below it are exact in a 32-bit float, and being prime it makes every operation
// count up to Modulus−1 leave different data behind.
const Modulus = 8388593

// norm is how sharply the arithmetic looks at sin² + cos²: an error above 1/(2·norm)
// changes the result. Metal's and CUDA's fast versions stay within 2^-12.
const norm = 256

// Kernel is the arithmetic of one operation. Over each of the first n elements, with
// s = Stride(i), it does Iterations times
//
//	a = p·2π/Modulus − π
//	p = p + s · round(256·(sin²a + cos²a))      (mod Modulus)
//
// on a float p that holds an integer in [0, Modulus). The next angle depends on the
// last sine, so the work can be neither skipped nor hoisted; yet the factor is exactly
// 256, so the state walks a cycle of known length. Unlike the usual x = sin(x)·cos(x)+c
// it has no fixed point: the data tells how often the kernel really ran, to the
// operation, with no tolerance, on any device.
type Kernel struct {
	Elements   int // floats a buffer holds
	Iterations int // of one operation
	// Source is a kernel of the watched repository to run instead; nil for the arithmetic
	// above.
	Source *Source
}

func (k Kernel) String() string {
	if k.Source != nil {
		return fmt.Sprintf("%d elements × %s", k.Elements, k.Source)
	}
	return fmt.Sprintf("%d elements × %d iterations", k.Elements, k.Iterations)
}

// Stride is the step of element i, in 1 … 4096: it differs between neighbours, so that
// a wrong index shows.
func Stride(i int) int { return 1 + i&4095 }

// start is the state of element i before the first operation.
func start(i int) uint64 { return uint64(i) * 2654435761 % Modulus }

// Fill sets data to the state before the first operation.
func (k Kernel) Fill(data []float32) {
	if k.Source != nil {
		k.Source.fill(data)
		return
	}
	for i := range data {
		data[i] = float32(start(i))
	}
}

// Reference is element i after ops operations: the closed form in integers, which
// shares nothing with the floating-point kernels that it judges.
func (k Kernel) Reference(i int, ops uint64) float32 {
	return float32((start(i) + ops%Modulus*k.step(i)) % Modulus)
}

// step is what one operation adds to element i.
func (k Kernel) step(i int) uint64 {
	return uint64(k.Iterations) * norm % Modulus * uint64(Stride(i)) % Modulus
}

// Check compares data with the reference after ops operations. The error is a
// *MismatchError, or a *ForeignError if the kernel is not ours.
func (k Kernel) Check(data []float32, ops uint64) error {
	if k.Source != nil {
		return k.Source.check(data, ops)
	}
	for i, got := range data {
		if want := k.Reference(i, ops); got != want { // NaN is unequal too
			e := &MismatchError{Element: i, Got: got, Want: want, Ops: ops}
			e.Found, e.Known = k.count(data)
			return e
		}
	}
	return nil
}

// count finds the operation count that data is the result of. ok is false if no count
// fits all elements.
func (k Kernel) count(data []float32) (ops uint64, ok bool) {
	if len(data) == 0 || !(data[0] >= 0 && data[0] < Modulus) {
		return 0, false
	}
	ops = (uint64(data[0]) + Modulus - start(0)) % Modulus * inverse(k.step(0)) % Modulus
	for i, got := range data {
		if got != k.Reference(i, ops) {
			return 0, false
		}
	}
	return ops, true
}

// inverse is 1/a mod Modulus, by Fermat: a^(Modulus−2).
func inverse(a uint64) uint64 {
	r := uint64(1)
	for e := Modulus - 2; e > 0; e >>= 1 {
		if e&1 == 1 {
			r = r * a % Modulus
		}
		a = a * a % Modulus
	}
	return r
}

// MismatchError says that a device computed something else than the reference: nothing
// it was timed at counts.
type MismatchError struct {
	Element   int
	Got, Want float32
	Ops       uint64 // operations counted as completed
	Found     uint64 // operations that the data is the result of, if Known
	Known     bool
}

func (e *MismatchError) Error() string {
	if e.Known {
		return fmt.Sprintf("wrong result: %d operations were counted, the data is that of %d", e.Ops, e.Found)
	}
	return fmt.Sprintf("wrong result: element %d is %v, the reference says %v after %d operations", e.Element, e.Got, e.Want, e.Ops)
}
