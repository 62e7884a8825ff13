package mtl

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/metal/fakemetal"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/harness/harnesstest"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

// fake loads the fake and holds, at the end of the test, that nothing is left in it:
// every object released, every pool popped, no message to nil.
func fake(t testing.TB) *fakemetal.Fake {
	t.Helper()
	f := fakemetal.Open(t)
	before := f.Count("nil_messages")
	t.Cleanup(func() {
		for _, c := range []string{
			"MTLCommandBuffer", "MTLComputeCommandEncoder", "MTLCommandQueue", "MTLBuffer", "MTLLibrary",
			"MTLFunction", "MTLComputePipelineState", "NSString", "NSError", "NSArray", "pools",
		} {
			f.Settle(t, c, 0)
		}
		if n := f.Count("unpooled"); n != 0 {
			t.Errorf("%d objects were autoreleased without a pool", n)
		}
		if n := f.Count("nil_messages") - before; n != 0 {
			t.Errorf("%d messages went to nil", n)
		}
	})
	return f
}

func open(t testing.TB, f *fakemetal.Fake) *Backend {
	t.Helper()
	b, err := Open([]string{f.Library})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// rig is a backend with one of each.
type rig struct {
	b   *Backend
	k   harness.Kernel
	p   harness.Program
	q   harness.Queue
	buf harness.Buffer
	th  *thread
}

func newRig(t testing.TB, f *fakemetal.Fake, k harness.Kernel, limit int) *rig {
	t.Helper()
	r := &rig{b: open(t, f), k: k}
	var err error
	if r.p, err = r.b.Compile(k); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.p.Release)
	if r.q, err = r.b.NewQueue(limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.q.Release)
	if r.buf, err = r.b.NewBuffer(k.Elements); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.buf.Release)
	k.Fill(r.buf.Data())
	th, err := r.b.Enter()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(th.Leave)
	r.th = th.(*thread)
	return r
}

func (r *rig) submit() (harness.Ticket, error) {
	return r.th.Submit(r.q, r.p, r.buf, r.k.Elements)
}

func (r *rig) run() error {
	k, err := r.submit()
	if err != nil {
		return err
	}
	return r.th.Wait(k)
}

func TestConformance(t *testing.T) {
	f := fake(t)
	harnesstest.Backend(t, func(t *testing.T) harness.Backend { return open(t, f) })
	f.SetModel(t, fakemetal.Model{Submit: 200 * time.Microsecond, Execute: 50 * time.Microsecond, Complete: 100 * time.Microsecond, Engines: 2})
	t.Run("latency", func(t *testing.T) {
		harnesstest.Backend(t, func(t *testing.T) harness.Backend { return open(t, f) })
	})
}

// TestOwnership is what the cleanup of fake looks at, over every way to end.
func TestOwnership(t *testing.T) {
	f := fake(t)
	b := open(t, f)
	k := harness.Kernel{Elements: 100, Iterations: 1}
	p, err := b.Compile(k)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			q, err := b.NewQueue(40)
			if err != nil {
				t.Error(err)
				return
			}
			buf, err := b.NewBuffer(k.Elements)
			if err != nil {
				t.Error(err)
				return
			}
			k.Fill(buf.Data())
			th, err := b.Enter()
			if err != nil {
				t.Error(err)
				return
			}
			var open []harness.Ticket
			for range 50 {
				if len(open) == 32 {
					if err := th.Wait(open[0]); err != nil {
						t.Error(err)
					}
					open = open[1:]
				}
				n, err := th.Submit(q, p, buf, k.Elements)
				if err != nil {
					t.Error(err)
					return
				}
				open = append(open, n)
			}
			if i%2 == 0 { // the others leave with operations in flight
				for _, n := range open {
					if err := th.Wait(n); err != nil {
						t.Error(err)
					}
				}
				if err := k.Check(buf.Data(), 50); err != nil {
					t.Error(err)
				}
			}
			th.Leave()
			q.Release()
			q.Release()
			buf.Release()
		})
	}
	all.Wait()
}

// TestAllocations: nothing is allocated for a command buffer, at any depth.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool, which purego uses, forget at random")
	}
	r := newRig(t, fake(t), harness.Kernel{Elements: 64, Iterations: 1}, 40)
	for _, depth := range []int{1, 32} {
		tickets := make([]harness.Ticket, depth)
		i := 0
		once := func() {
			if tickets[i%depth] != 0 {
				if err := r.th.Wait(tickets[i%depth]); err != nil {
					t.Error(err)
				}
			}
			var err error
			if tickets[i%depth], err = r.submit(); err != nil {
				t.Error(err)
			}
			i++
		}
		for range depth { // flights are made once
			once()
		}
		if n := testing.AllocsPerRun(300, once); n != 0 {
			t.Errorf("depth %d: %v allocations a command buffer, want none", depth, n)
		}
		for _, k := range tickets {
			if err := r.th.Wait(k); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestDevice(t *testing.T) {
	f := fake(t)
	d := open(t, f).Device()
	if d.Backend != "metal" || d.Text != "Fake Metal device (Metal, the default device)" || d.Settings["registry-id"] != "fedcba9876543210" {
		t.Errorf("device %+v", d)
	}
	f.Set(t, "no_default_device", 1, 0)
	f.Set(t, "devices", 3, 1)
	if d := open(t, f).Device(); d.Text != "Fake Metal device (Metal, the first of 3 devices; there is no default one here)" {
		t.Errorf("without a default device: %+v", d)
	}
}

func TestOpenFails(t *testing.T) {
	f := fake(t)
	if _, err := Open(nil); !errors.Is(err, objc.ErrNoRuntime) {
		t.Errorf("without libraries: %v", err)
	}
	t.Run("no device", func(t *testing.T) {
		f.Set(t, "devices", 0, 1)
		if _, err := Open([]string{f.Library}); err == nil || !strings.Contains(err.Error(), "no Metal device") {
			t.Error(err)
		}
	})
	t.Run("no list", func(t *testing.T) {
		f.Set(t, "no_default_device", 1, 0)
		f.Refuse(t, "objectAtIndex:", 1)
		if _, err := Open([]string{f.Library}); err == nil || !strings.Contains(err.Error(), "no Metal device") {
			t.Error(err)
		}
	})
	t.Run("an old GPU", func(t *testing.T) {
		f.Set(t, "family", 1003, 1007)
		if _, err := Open([]string{f.Library}); err == nil || !strings.Contains(err.Error(), "family") {
			t.Error(err)
		}
	})
	t.Run("a device that computes nothing", func(t *testing.T) {
		f.Set(t, "skip_nth", 2, 0)
		var m *harness.MismatchError
		if _, err := Open([]string{f.Library}); !errors.As(err, &m) || m.Found != 1 {
			t.Error(err)
		}
	})
	t.Run("a device that fails", func(t *testing.T) {
		f.Set(t, "fail_nth", 1, 0)
		var e *objc.Error
		if _, err := Open([]string{f.Library}); !errors.As(err, &e) || e.Code != 2 || e.Domain != "MTLCommandBufferErrorDomain" {
			t.Error(err)
		}
	})
}

// TestSelectors takes every method away, one by one: each must be missed at the start,
// by name, and never called. (A call would end the process.)
func TestSelectors(t *testing.T) {
	f := fakemetal.Open(t)
	child := os.Getenv("NO_END") != ""
	if !child {
		f = fake(t)
	}
	all := newSelectors(open(t, f).rt).all
	if child {
		all = slices.DeleteFunc(all, func(m method) bool { return m.name != "endEncoding" })
	} else if len(all) < 20 {
		t.Fatalf("only %d methods are listed", len(all))
	}
	for _, m := range all {
		t.Run(m.name, func(t *testing.T) {
			f.Forget(t, m.name)
			if m.on == onArray {
				f.Set(t, "no_default_device", 1, 0)
			}
			if m.name == "endEncoding" && !child { // it leaves an encoder behind, open
				if out, err := fakemetal.Child(t, "TestSelectors", "NO_END=1"); err != nil {
					t.Errorf("%v: %s", err, out)
				}
				return
			}
			b, err := Open([]string{f.Library})
			if err == nil {
				b.Close()
			}
			if err == nil || !strings.Contains(err.Error(), m.name) {
				t.Errorf("without %s of a %s: %v", m.name, m.on, err)
			}
		})
	}
}

// TestNil makes everything that makes an object refuse to.
func TestNil(t *testing.T) {
	f := fake(t)
	for _, sel := range []string{
		"alloc", "newCommandQueueWithMaxCommandBufferCount:", "newLibraryWithSource:options:error:",
		"newFunctionWithName:", "newComputePipelineStateWithFunction:error:", "newBufferWithLength:options:", "contents",
		"commandBuffer", "computeCommandEncoder", "maxTotalThreadsPerThreadgroup",
	} {
		t.Run(sel, func(t *testing.T) {
			f.Refuse(t, sel, 1)
			b, err := Open([]string{f.Library})
			if err == nil {
				b.Close()
				t.Errorf("nil from %s is no error", sel)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	f := fake(t)
	r := newRig(t, f, harness.Kernel{Elements: 64, Iterations: 1}, 40)
	f.Set(t, "fail_nth", 2, 0)
	f.Set(t, "fail_code", 8, 2)
	var tickets []harness.Ticket
	for range 3 {
		k, err := r.submit()
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, k)
	}
	for i, k := range tickets {
		err := r.th.Wait(k)
		var e *objc.Error
		if (err != nil) != (i == 1) || err != nil && (!errors.As(err, &e) || e.Code != 8 || !strings.Contains(e.Text, "Timeout")) {
			t.Errorf("operation %d: %v", i+1, err)
		}
	}
	if err := r.run(); err != nil {
		t.Errorf("after an error: %v", err)
	}
	if err := r.k.Check(r.buf.Data(), 3); err != nil {
		t.Error(err)
	}
}

// TestSilence: an operation that nil swallowed is an error, and the next one works.
func TestSilence(t *testing.T) {
	f := fake(t)
	r := newRig(t, f, harness.Kernel{Elements: 64, Iterations: 1}, 2)
	done := uint64(0)
	for _, c := range []struct {
		selector string
		fail     int
		runs     bool // the operation itself does
		want     string
	}{
		{"commandBuffer", 0, false, "gives no command buffer"},
		{"computeCommandEncoder", 0, false, "gives no encoder"},
		{"status", 0, true, "has status 0 after its end"},
		{"error", 1, false, "failed with status 5: nil was returned"},
	} {
		for range 3 { // more than the queue holds, so nothing may stay in it
			f.Refuse(t, c.selector, 1)
			f.Set(t, "fail_nth", c.fail, 0)
			if err := r.run(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.selector, err, c.want)
			}
			if c.runs {
				done++
			}
		}
	}
	if err := r.run(); err != nil {
		t.Error(err)
	}
	if err := r.k.Check(r.buf.Data(), done+1); err != nil {
		t.Error(err)
	}
}

// TestLimit: the queue holds as many operations as it was made for, Metal's default or not.
func TestLimit(t *testing.T) {
	f := fake(t)
	for _, limit := range []int{3, 100} {
		r := newRig(t, f, harness.Kernel{Elements: 1, Iterations: 1}, limit)
		f.Set(t, "hang_nth", 1, 0) // so that nothing ends
		f.Set(t, "release_hung", 0, 0)
		var tickets []harness.Ticket
		for range limit {
			k, err := r.submit() // would block for good beyond the limit
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, k)
		}
		more := make(chan struct{})
		go func() {
			defer close(more)
			th, err := r.b.Enter()
			if err != nil {
				t.Error(err)
				return
			}
			defer th.Leave()
			k, err := th.Submit(r.q, r.p, r.buf, 1)
			if err == nil {
				err = th.Wait(k)
			}
			if err != nil {
				t.Error(err)
			}
		}()
		select {
		case <-more:
			t.Errorf("a queue of %d takes one more", limit)
		case <-time.After(20 * time.Millisecond):
		}
		f.Set(t, "release_hung", 1, 0)
		<-more
		for i, k := range tickets {
			if err := r.th.Wait(k); (err != nil) != (i == 0) {
				t.Errorf("operation %d: %v", i, err)
			}
		}
	}
}

func TestSpans(t *testing.T) {
	f := fake(t)
	r := newRig(t, f, harness.Kernel{Elements: 64, Iterations: 1}, 40)
	f.SetModel(t, fakemetal.Model{Execute: time.Millisecond})
	last := 0.0
	for range 3 {
		k, err := r.submit()
		if err != nil {
			t.Fatal(err)
		}
		start, end, err := r.th.WaitSpan(k)
		if err != nil {
			t.Fatal(err)
		}
		if d := end - start; d < 0.000999 || start < last {
			t.Errorf("ran from %v to %v after %v", start, end, last)
		}
		last = end
	}
	f.Refuse(t, "GPUStartTime", 1)
	k, err := r.submit()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.th.WaitSpan(k); err == nil {
		t.Error("a time of 0 is taken for one")
	}
}

func TestCallCost(t *testing.T) {
	c, err := open(t, fake(t)).CallCost()
	if err != nil {
		t.Fatal(err)
	}
	send, encode := c["message send"], c["encoded command buffer"]
	if send < 1e-9 || send > 1e-2 || encode < 1e-9 || encode > 1e-2 {
		t.Errorf("costs %v", c)
	}
}

// TestHarnessSeesFaults runs the real harness on a device that hangs, fails or skips.
func TestHarnessSeesFaults(t *testing.T) {
	faults := map[string]struct {
		setting string
		is      func(error) bool
	}{
		"error": {"fail_nth", func(err error) bool { var e *objc.Error; return errors.As(err, &e) }},
		"skip":  {"skip_nth", func(err error) bool { var e *harness.MismatchError; return errors.As(err, &e) && e.Known }},
		"hang":  {"hang_nth", func(err error) bool { var e *harness.HangError; return errors.As(err, &e) }},
	}
	run := func(t *testing.T, f *fakemetal.Fake, name string) {
		b := open(t, f)
		f.SetModel(t, fakemetal.Model{Submit: 100 * time.Microsecond, Execute: 50 * time.Microsecond})
		f.Set(t, faults[name].setting, 40, 0)
		_, err := harness.Run(context.Background(), b, harness.Config{
			Threads: []int{1, 2}, Rounds: 3, Window: 5 * time.Millisecond, Hang: 300 * time.Millisecond,
			Kernel: harness.Kernel{Elements: 64, Iterations: 1}, Seed: 1,
		})
		if !faults[name].is(err) {
			t.Errorf("%v", err)
		}
	}
	if name := os.Getenv("FAULT"); name != "" {
		run(t, fakemetal.Open(t), name)
		return
	}
	f := fake(t)
	t.Run("error", func(t *testing.T) { run(t, f, "error") })
	t.Run("skip", func(t *testing.T) { run(t, f, "skip") })
	// What a given-up thread holds is never released.
	if out, err := fakemetal.Child(t, "TestHarnessSeesFaults", "FAULT=hang"); err != nil {
		t.Errorf("hang: %v\n%s", err, out)
	}
	if out, err := fakemetal.Child(t, "TestHarnessSeesFaults", "FAULT=error", "FAKEMETAL=crash_nth=9"); err == nil || !strings.Contains(out, "injected crash") {
		t.Errorf("crash: %v\n%s", err, out)
	}
}

func TestForeignKernel(t *testing.T) {
	f := fake(t)
	const head = "#include <metal_stdlib>\nusing namespace metal;\n"
	kernel := func(text string) harness.Kernel {
		return harness.Kernel{Elements: 500, Iterations: 1, Source: &harness.Source{File: "gpu/spin.metal", Function: "spin", Text: head + text}}
	}
	t.Run("runs", func(t *testing.T) {
		r := newRig(t, f, kernel("constant float half_ = 0.5f;\nkernel void spin(device float *data [[buffer(0)]],\n    uint gid [[thread_position_in_grid]]) {\n    data[gid] = sin(data[gid]) * cos(data[gid]) + half_;\n}\n"), 4)
		x := r.buf.Data()[7]
		if err := r.run(); err != nil {
			t.Fatal(err)
		}
		if got := r.buf.Data()[7]; got == x || got < 0.5 || got > 1 {
			t.Errorf("%v became %v", x, got)
		}
		if err := r.k.Check(r.buf.Data(), 1); err != nil {
			t.Error(err)
		}
	})
	b := open(t, f)
	for name, c := range map[string]struct{ text, want string }{
		"does not compile":  {"kernel void spin(device float *data [[buffer(0)]], uint gid [[thread_position_in_grid]]) { data[gid] = nosuch; }", "gpu/spin.metal:3:"},
		"another name":      {"kernel void turn(device float *data [[buffer(0)]], uint gid [[thread_position_in_grid]]) { data[gid] += 1; }", "no kernel function spin"},
		"changes nothing":   {"kernel void spin(device float *data [[buffer(0)]], uint gid [[thread_position_in_grid]]) { }", "as before"},
		"NaN":               {"kernel void spin(device float *data [[buffer(0)]], uint gid [[thread_position_in_grid]]) { data[gid] = sqrt(-1.0f - data[gid]); }", "NaN"},
		"other bits":        {"static float calls;\nkernel void spin(device float *data [[buffer(0)]], uint gid [[thread_position_in_grid]]) { data[gid] += calls++; }", "the next time"},
		"text is not UTF-8": {"// \xff", "UTF-8"},
		"empty":             {"", "no kernel function spin"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := b.Compile(kernel(c.text))
			if err == nil {
				p.Release()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestMain(m *testing.M) {
	// As the harness does: a goroutine in a wait keeps its P for a while.
	runtime.GOMAXPROCS(max(runtime.NumCPU(), 18))
	os.Exit(m.Run())
}
