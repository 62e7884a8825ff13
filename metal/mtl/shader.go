package mtl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

// threadgroup is how many threads run together, if the pipeline can.
const threadgroup = 256

// function is the name of the built-in kernel.
const function = "holdfast"

// source is the harness's kernel in Metal's language; see [harness.Kernel]. Metal's fast
// sine and cosine are within 2^-13 between −π and π, so the rounding gives 256.
func source(k harness.Kernel) string {
	return fmt.Sprintf(`#include <metal_stdlib>
using namespace metal;

kernel void %s(device float *data [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    const float modulus = %d.0f;
    const float angle = 6.283185307179586f / modulus;
    const float stride = float(1u + (i & 4095u));
    float p = data[i];
    for (int k = 0; k < %d; k++) {
        float a = p * angle - 3.141592653589793f;
        float s = sin(a);
        float c = cos(a);
        p += stride * rint(256.0f * (s * s + c * c));
        if (p >= modulus) p -= modulus;
    }
    data[i] = p;
}
`, function, harness.Modulus, k.Iterations)
}

// program is a compiled kernel.
type program struct {
	object
	group uint64 // threads of a threadgroup
}

// Compile implements [harness.Backend]. A kernel of the watched repository is tried: it
// must change its data, and give the same bits twice.
func (b *Backend) Compile(k harness.Kernel) (harness.Program, error) {
	if k.Elements < 1 || k.Iterations < 1 {
		return nil, fmt.Errorf("kernel of %s: both must be at least 1", k)
	}
	if k.Source == nil {
		p, err := b.compile(source(k), function)
		if err != nil {
			return nil, fmt.Errorf("the built-in kernel: %w", err)
		}
		return p, nil
	}
	p, err := b.compile(k.Source.Text, k.Source.Function)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.Source, inFile(err, k.Source.File))
	}
	if err := b.repeats(p, k); err != nil {
		p.Release()
		return nil, err
	}
	return p, nil
}

// inFile makes one line of what the compiler said: its first error, with the name of the
// file, which the driver does not know and calls program_source.
func inFile(err error, file string) error {
	var e *objc.Error
	if !errors.As(err, &e) {
		return err
	}
	var lines []string
	for line := range strings.Lines(e.Text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, strings.ReplaceAll(line, "program_source:", file+":"))
		}
	}
	if len(lines) == 0 {
		return err
	}
	first := max(0, slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "error:") }))
	text := fmt.Sprintf("%.300s", lines[first])
	if n := len(lines) - first - 1; n > 0 {
		text += fmt.Sprintf(" (and %d lines more)", n)
	}
	return &objc.Error{Domain: e.Domain, Code: e.Code, Text: text}
}

// repeats runs a foreign kernel twice from the same data.
func (b *Backend) repeats(p harness.Program, k harness.Kernel) error {
	const ops = 3
	var first []float32
	run := func(data []float32) error {
		if err := k.Check(data, ops); err != nil {
			return err
		}
		if first == nil {
			first = append([]float32{}, data...)
			return nil
		}
		for i := range data {
			if data[i] != first[i] {
				return &harness.ForeignError{Source: k.Source, Reason: fmt.Sprintf(
					"element %d is %v after %d operations, and %v the next time: its threads race, or it reads what nobody wrote", i, first[i], ops, data[i])}
			}
		}
		return nil
	}
	for range 2 {
		if err := b.once(p, k, ops, run); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) compile(text, name string) (*program, error) {
	p := &program{object: object{b: b}}
	err := b.do(func(t *objc.Thread) error {
		nsText, err := t.NewString(text)
		if err != nil {
			return err
		}
		defer t.Release(nsText)
		library, err := t.SendError(b.device, b.sel.newLibrary, uintptr(nsText), 0) // nil: default options
		if err != nil {
			return err
		}
		defer t.Release(library)
		if err := b.sel.check(t, library, onLibrary); err != nil {
			return err
		}
		nsName, err := t.NewString(name)
		if err != nil {
			return err
		}
		defer t.Release(nsName)
		fn := objc.ID(t.Send(library, b.sel.newFunction, uintptr(nsName)))
		if fn == 0 {
			return fmt.Errorf("it has no kernel function %s", name)
		}
		defer t.Release(fn)
		if p.id, err = t.SendError(b.device, b.sel.newPipeline, uintptr(fn)); err != nil {
			return fmt.Errorf("make its pipeline: %w", err)
		}
		if err = b.sel.check(t, p.id, onPipeline); err == nil {
			if p.group = min(threadgroup, uint64(t.Send(p.id, b.sel.maxThreads))); p.group == 0 {
				err = errors.New("its pipeline runs no threads")
			}
		}
		if err != nil {
			t.Release(p.id)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}
