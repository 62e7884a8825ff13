package harness

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

// Source is a kernel of the watched repository: text for the device's own compiler, and
// the name of a function in it, of the form
//
//	kernel void NAME(device float *data [[buffer(0)]], uint i [[thread_position_in_grid]])
//
// It runs over n threads with a buffer of at least n floats, which begin as numbers in
// [0, 1), and works in place. Nobody here knows what it should compute, so its results
// are not compared with a reference: a backend that compiles one makes sure that it gives
// the same bits twice, and after every window all data must be finite and changed.
type Source struct {
	File     string // for messages and reports
	Function string
	Text     string
}

func (s *Source) String() string { return fmt.Sprintf("%s of %s", s.Function, s.File) }

// Mentions reports whether the name of the function is in the text as a word of its own, or
// could be put together from parts there. Where it is not, the text defines no such kernel.
func (s *Source) Mentions() bool {
	return strings.Contains(s.Text, "##") || regexp.MustCompile(`(?:^|\W)`+regexp.QuoteMeta(s.Function)+`(?:\W|$)`).MatchString(s.Text)
}

// fill sets data to what the kernel begins with: the built-in kernel's state, scaled.
func (s *Source) fill(data []float32) {
	for i := range data {
		data[i] = s.first(i)
	}
}

func (*Source) first(i int) float32 { return float32(start(i)) / Modulus }

// ForeignError says that a kernel of the watched repository left data behind that no
// working one leaves.
type ForeignError struct {
	Source *Source
	Reason string
}

func (e *ForeignError) Error() string { return fmt.Sprintf("kernel %s: %s", e.Source, e.Reason) }

func (s *Source) check(data []float32, ops uint64) error {
	changed := false
	for i, x := range data {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return &ForeignError{s, fmt.Sprintf("element %d is %v after %d operations", i, x, ops)}
		}
		changed = changed || x != s.first(i)
	}
	if ops > 0 && !changed {
		return &ForeignError{s, fmt.Sprintf("%d operations were counted, and the data is as before", ops)}
	}
	return nil
}
