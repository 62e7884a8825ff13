// Package harnesstest holds the conformance test that every backend of package harness
// passes, so that the harness may rely on the same behaviour of all.
package harnesstest

import (
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// Backend tests one implementation. open makes a fresh device.
func Backend(t *testing.T, open func(t *testing.T) harness.Backend) {
	k := harness.Kernel{Elements: 257, Iterations: 3}
	for _, c := range []struct {
		name string
		test func(t *testing.T, r *rig)
	}{
		{"executes in order", inOrder},
		{"tells operation counts apart", counts},
		{"touches only the first n", partial},
		{"threads share a queue", sharedQueue},
		{"a full queue blocks and goes on", fullQueue},
		{"a ticket is good for one wait", oneWait},
		{"refuses bad arguments", badArguments},
		{"does not allocate in the steady state", allocations},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t)
			defer func() {
				if err := b.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			p, err := b.Compile(k)
			if err != nil {
				t.Fatalf("Compile: %v", err)
			}
			defer p.Release()
			c.test(t, &rig{t: t, b: b, k: k, p: p})
		})
	}
	t.Run("describes itself", func(t *testing.T) {
		b := open(t)
		defer b.Close()
		if d := b.Device(); d.Backend == "" || d.Text == "" {
			t.Errorf("Device = %+v, want a name and a text", d)
		}
	})
	t.Run("nothing works after Close", func(t *testing.T) {
		b := open(t)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.NewQueue(1); err == nil {
			t.Error("NewQueue works after Close")
		}
		if _, err := b.Enter(); err == nil {
			t.Error("Enter works after Close")
		}
	})
}

type rig struct {
	t *testing.T
	b harness.Backend
	k harness.Kernel
	p harness.Program
}

func (r *rig) queue(limit int) harness.Queue {
	r.t.Helper()
	q, err := r.b.NewQueue(limit)
	if err != nil {
		r.t.Fatalf("NewQueue: %v", err)
	}
	return q
}

func (r *rig) buffer() harness.Buffer {
	r.t.Helper()
	b, err := r.b.NewBuffer(r.k.Elements)
	if err != nil {
		r.t.Fatalf("NewBuffer: %v", err)
	}
	if len(b.Data()) < r.k.Elements {
		r.t.Fatalf("buffer of %d floats, want %d", len(b.Data()), r.k.Elements)
	}
	for i, x := range b.Data() {
		if x != 0 || math.Signbit(float64(x)) {
			r.t.Fatalf("element %d of a new buffer is %v", i, x)
		}
	}
	r.k.Fill(b.Data())
	return b
}

func (r *rig) enter() harness.Thread {
	r.t.Helper()
	th, err := r.b.Enter()
	if err != nil {
		r.t.Fatalf("Enter: %v", err)
	}
	return th
}

// run keeps depth operations in flight until n were waited for.
func (r *rig) run(th harness.Thread, q harness.Queue, b harness.Buffer, n, depth int) error {
	var open []harness.Ticket
	for submitted := 0; submitted < n || len(open) > 0; {
		if submitted < n && len(open) < depth {
			k, err := th.Submit(q, r.p, b, r.k.Elements)
			if err != nil {
				return err
			}
			open = append(open, k)
			submitted++
			continue
		}
		if err := th.Wait(open[0]); err != nil {
			return err
		}
		open = open[1:]
	}
	return nil
}

// inOrder submits many operations on one buffer: any overlap or loss spoils the data.
func inOrder(t *testing.T, r *rig) {
	q, b, th := r.queue(64), r.buffer(), r.enter()
	defer q.Release()
	defer b.Release()
	defer th.Leave()
	if err := r.run(th, q, b, 300, 32); err != nil {
		t.Fatal(err)
	}
	if err := r.k.Check(b.Data()[:r.k.Elements], 300); err != nil {
		t.Error(err)
	}
}

// counts holds the reference itself to its word: one operation more or less shows.
func counts(t *testing.T, r *rig) {
	q, b, th := r.queue(1), r.buffer(), r.enter()
	defer q.Release()
	defer b.Release()
	defer th.Leave()
	for n := range uint64(20) {
		for _, claim := range []uint64{n, n + 1, n + 2, n + 19} {
			err := r.k.Check(b.Data()[:r.k.Elements], claim)
			if (err == nil) != (claim == n) {
				t.Fatalf("after %d operations, %d are claimed: %v", n, claim, err)
			}
			var m *harness.MismatchError
			if err != nil && (!errors.As(err, &m) || !m.Known || m.Found != n) {
				t.Fatalf("after %d operations the mismatch says %v", n, err)
			}
		}
		if err := r.run(th, q, b, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
}

func partial(t *testing.T, r *rig) {
	q, b, th := r.queue(1), r.buffer(), r.enter()
	defer q.Release()
	defer b.Release()
	defer th.Leave()
	n := r.k.Elements / 2
	k, err := th.Submit(q, r.p, b, n)
	if err != nil {
		t.Fatal(err)
	}
	if err := th.Wait(k); err != nil {
		t.Fatal(err)
	}
	for i, x := range b.Data()[:r.k.Elements] {
		ops := uint64(0)
		if i < n {
			ops = 1
		}
		if want := r.k.Reference(i, ops); x != want {
			t.Fatalf("element %d is %v, want %v", i, x, want)
		}
	}
}

func sharedQueue(t *testing.T, r *rig) {
	q := r.queue(64)
	defer q.Release()
	var all sync.WaitGroup
	for i := range 8 {
		b := r.buffer()
		all.Go(func() {
			defer b.Release()
			th, err := r.b.Enter()
			if err != nil {
				t.Error(err)
				return
			}
			defer th.Leave()
			n := 20 + i
			if err := r.run(th, q, b, n, 1+i%4); err != nil {
				t.Error(err)
				return
			}
			if err := r.k.Check(b.Data()[:r.k.Elements], uint64(n)); err != nil {
				t.Errorf("thread %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// fullQueue submits more than the limit: Submit has to wait for completions, of which
// nobody takes notice meanwhile.
func fullQueue(t *testing.T, r *rig) {
	q, b, th := r.queue(2), r.buffer(), r.enter()
	defer q.Release()
	defer b.Release()
	defer th.Leave()
	if err := r.run(th, q, b, 20, 20); err != nil {
		t.Fatal(err)
	}
	if err := r.k.Check(b.Data()[:r.k.Elements], 20); err != nil {
		t.Error(err)
	}
}

func oneWait(t *testing.T, r *rig) {
	q, b, th := r.queue(4), r.buffer(), r.enter()
	defer q.Release()
	defer b.Release()
	defer th.Leave()
	first, err := th.Submit(q, r.p, b, r.k.Elements)
	if err != nil {
		t.Fatal(err)
	}
	if err := th.Wait(first); err != nil {
		t.Fatal(err)
	}
	if th.Wait(first) == nil {
		t.Error("a second wait for a ticket gives no error")
	}
	second, err := th.Submit(q, r.p, b, r.k.Elements)
	if err != nil {
		t.Fatal(err)
	}
	if th.Wait(first) == nil {
		t.Error("a wait for an old ticket while another is open gives no error")
	}
	if th.Wait(second+1000) == nil {
		t.Error("a wait for a ticket that never was gives no error")
	}
	if err := th.Wait(second); err != nil {
		t.Error(err)
	}
}

func badArguments(t *testing.T, r *rig) {
	if _, err := r.b.NewQueue(0); err == nil {
		t.Error("a queue of 0 operations is made")
	}
	if _, err := r.b.NewBuffer(0); err == nil {
		t.Error("a buffer of 0 floats is made")
	}
	if _, err := r.b.Compile(harness.Kernel{}); err == nil {
		t.Error("an empty kernel compiles")
	}
	q, b, th := r.queue(1), r.buffer(), r.enter()
	defer b.Release()
	defer th.Leave()
	for name, submit := range map[string]func() (harness.Ticket, error){
		"no queue":      func() (harness.Ticket, error) { return th.Submit(nil, r.p, b, 1) },
		"no program":    func() (harness.Ticket, error) { return th.Submit(q, nil, b, 1) },
		"no buffer":     func() (harness.Ticket, error) { return th.Submit(q, r.p, nil, 1) },
		"no elements":   func() (harness.Ticket, error) { return th.Submit(q, r.p, b, 0) },
		"past the end":  func() (harness.Ticket, error) { return th.Submit(q, r.p, b, len(b.Data())+1) },
		"foreign queue": func() (harness.Ticket, error) { return th.Submit(foreign{}, r.p, b, 1) },
	} {
		if _, err := submit(); err == nil {
			t.Errorf("%s: Submit gives no error", name)
		}
	}
	q.Release()
	if _, err := th.Submit(q, r.p, b, 1); err == nil {
		t.Error("Submit on a released queue gives no error")
	}
}

type foreign struct{}

func (foreign) Release() {}

func allocations(t *testing.T, r *rig) {
	if raceDetector {
		return // it makes sync.Pool forget at random, which a backend's library may use
	}
	q, b, th := r.queue(4), r.buffer(), r.enter()
	defer q.Release()
	defer b.Release()
	defer th.Leave()
	if n := testing.AllocsPerRun(50, func() {
		k, err := th.Submit(q, r.p, b, r.k.Elements)
		if err == nil {
			err = th.Wait(k)
		}
		if err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations an operation, want none", n)
	}
}
