package fakemetal_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/metal/fakemetal"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

// raw sends messages without any care, as the rules' transgressors do.
type raw struct {
	t      testing.TB
	r      *objc.Runtime
	th     *objc.Thread
	device objc.ID
}

func newRaw(t testing.TB, f *fakemetal.Fake) *raw {
	r, err := objc.Open([]string{f.Library})
	if err != nil {
		t.Fatal(err)
	}
	create, err := r.Symbol("MTLCreateSystemDefaultDevice")
	if err != nil {
		t.Fatal(err)
	}
	x := &raw{t: t, r: r, th: r.Enter()}
	x.device = objc.ID(x.th.Call(create))
	return x
}

func (x *raw) send(o objc.ID, sel string, args ...uintptr) objc.ID {
	return objc.ID(x.th.Send(o, x.r.Selector(sel), args...))
}

func (x *raw) queue() objc.ID {
	return x.send(x.device, "newCommandQueueWithMaxCommandBufferCount:", 8)
}

func (x *raw) buffer() objc.ID { return x.send(x.device, "newBufferWithLength:options:", 64, 0) }

func (x *raw) pipeline() objc.ID {
	source, err := x.th.NewString("kernel void f(device float *d [[buffer(0)]], uint i [[thread_position_in_grid]]) { d[i] += 1; }")
	if err != nil {
		x.t.Fatal(err)
	}
	// Without the include that says what kernel means it does not compile.
	if _, err := x.th.SendError(x.device, x.r.Selector("newLibraryWithSource:options:error:"), uintptr(source), 0); err == nil {
		x.t.Fatal("a kernel without metal_stdlib compiles")
	}
	if source, err = x.th.NewString("#include <metal_stdlib>\n" + x.th.String(source)); err != nil {
		x.t.Fatal(err)
	}
	lib, err := x.th.SendError(x.device, x.r.Selector("newLibraryWithSource:options:error:"), uintptr(source), 0)
	if err != nil {
		x.t.Fatal(err)
	}
	name, err := x.th.NewString("f")
	if err != nil {
		x.t.Fatal(err)
	}
	p, err := x.th.SendError(x.device, x.r.Selector("newComputePipelineStateWithFunction:error:"), uintptr(x.send(lib, "newFunctionWithName:", uintptr(name))))
	if err != nil {
		x.t.Fatal(err)
	}
	return p
}

func (x *raw) dispatch(e objc.ID, grid, group uint64) {
	x.th.SendSizes(e, x.r.Selector("dispatchThreads:threadsPerThreadgroup:"), objc.Size{Width: grid, Height: 1, Depth: 1}, objc.Size{Width: group, Height: 1, Depth: 1})
}

// encoder is one with a pipeline and a buffer set.
func (x *raw) encoder(c, buffer objc.ID) objc.ID {
	e := x.send(c, "computeCommandEncoder")
	x.send(e, "setComputePipelineState:", uintptr(x.pipeline()))
	x.send(e, "setBuffer:offset:atIndex:", uintptr(buffer), 0, 0)
	return e
}

// TestMisuse: each breaks one of Metal's rules, in a child, since that ends the process.
func TestMisuse(t *testing.T) {
	cases := map[string]struct {
		do   func(x *raw, f *fakemetal.Fake)
		want string
	}{
		"commit twice": {func(x *raw, _ *fakemetal.Fake) {
			c := x.send(x.queue(), "commandBuffer")
			x.send(c, "commit")
			x.send(c, "commit")
		}, "already committed"},
		"commit with an open encoder": {func(x *raw, _ *fakemetal.Fake) {
			c := x.send(x.queue(), "commandBuffer")
			x.send(c, "computeCommandEncoder")
			x.send(c, "commit")
		}, "open encoder"},
		"two encoders": {func(x *raw, _ *fakemetal.Fake) {
			c := x.send(x.queue(), "commandBuffer")
			x.send(c, "computeCommandEncoder")
			x.send(c, "computeCommandEncoder")
		}, "already encoding"},
		"an encoder after commit": {func(x *raw, _ *fakemetal.Fake) {
			c := x.send(x.queue(), "commandBuffer")
			x.send(c, "commit")
			x.send(c, "computeCommandEncoder")
		}, "that is committed"},
		"encode after the end": {func(x *raw, _ *fakemetal.Fake) {
			e := x.encoder(x.send(x.queue(), "commandBuffer"), x.buffer())
			x.send(e, "endEncoding")
			x.dispatch(e, 4, 4)
		}, "after endEncoding"},
		"an encoder that never ended": {func(x *raw, _ *fakemetal.Fake) {
			x.send(x.send(x.queue(), "commandBuffer"), "computeCommandEncoder")
			x.th.Drain()
		}, "without endEncoding"},
		"a command buffer past its pool": {func(x *raw, _ *fakemetal.Fake) {
			c := x.send(x.queue(), "commandBuffer")
			x.th.Drain()
			x.send(c, "commit")
		}, "sent to deallocated MTLCommandBuffer"},
		"wait before commit": {func(x *raw, _ *fakemetal.Fake) {
			x.send(x.send(x.queue(), "commandBuffer"), "waitUntilCompleted")
		}, "not committed"},
		"no pipeline": {func(x *raw, _ *fakemetal.Fake) {
			x.dispatch(x.send(x.send(x.queue(), "commandBuffer"), "computeCommandEncoder"), 4, 4)
		}, "without a pipeline"},
		"an empty grid": {func(x *raw, _ *fakemetal.Fake) {
			x.dispatch(x.encoder(x.send(x.queue(), "commandBuffer"), x.buffer()), 0, 4)
		}, "size of 0"},
		"a threadgroup too large": {func(x *raw, _ *fakemetal.Fake) {
			x.dispatch(x.encoder(x.send(x.queue(), "commandBuffer"), x.buffer()), 4096, 2048)
		}, "over 1024"},
		"an offset past the end": {func(x *raw, _ *fakemetal.Fake) {
			e := x.encoder(x.send(x.queue(), "commandBuffer"), x.buffer())
			x.send(e, "setBuffer:offset:atIndex:", uintptr(x.buffer()), 64, 0)
		}, "offset 64 of a buffer of 64 bytes"},
		"a buffer index too large": {func(x *raw, _ *fakemetal.Fake) {
			e := x.encoder(x.send(x.queue(), "commandBuffer"), x.buffer())
			x.send(e, "setBuffer:offset:atIndex:", uintptr(x.buffer()), 0, 31)
		}, "index 31"},
		"a buffer freed in flight": {func(x *raw, f *fakemetal.Fake) {
			f.SetModel(x.t, fakemetal.Model{Submit: 20 * time.Millisecond, Execute: time.Millisecond})
			b, q := x.buffer(), x.queue()
			c := x.send(q, "commandBufferWithUnretainedReferences")
			e := x.encoder(c, b)
			x.dispatch(e, 4, 4)
			x.send(e, "endEncoding")
			x.send(c, "commit")
			x.th.Release(b)
			x.send(c, "waitUntilCompleted")
		}, "freed while its command buffer was in flight"},
		"two threads in one encoder": {func(x *raw, _ *fakemetal.Fake) {
			e := x.encoder(x.send(x.queue(), "commandBuffer"), x.buffer())
			b := x.buffer()
			for range 2 { // this ends: the fake notices when both are inside
				go func() {
					th := x.r.Enter()
					for {
						th.Send(e, x.r.Selector("setBuffer:offset:atIndex:"), uintptr(b), 0, 1)
					}
				}()
			}
			time.Sleep(20 * time.Second) // or else
		}, "two threads use one encoder"},
	}
	f := fakemetal.Open(t)
	if name := os.Getenv("MISUSE"); name != "" {
		cases[name].do(newRaw(t, f), f)
		return
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if out, err := fakemetal.Child(t, "TestMisuse", "MISUSE="+name); err == nil || !strings.Contains(out, "fakemetal: ") || !strings.Contains(out, c.want) {
				t.Errorf("%v, output %.600s\nwant %q", err, out, c.want)
			}
		})
	}
}

// TestRetained: with retained references, as by default, the same order of things is fine.
func TestRetained(t *testing.T) {
	f := fakemetal.Open(t)
	x := newRaw(t, f)
	defer x.th.Leave()
	f.SetModel(t, fakemetal.Model{Submit: 5 * time.Millisecond, Execute: time.Millisecond})
	b, q := x.buffer(), x.queue()
	c := x.send(q, "commandBuffer")
	e := x.encoder(c, b)
	x.dispatch(e, 4, 4)
	x.send(e, "endEncoding")
	x.send(c, "commit")
	x.th.Release(b)
	x.th.Release(q)
	x.send(c, "waitUntilCompleted")
	if s := x.send(c, "status"); s != 4 {
		t.Errorf("status %d", s)
	}
	x.th.Drain()
	f.Settle(t, "MTLBuffer", 0)
	f.Settle(t, "MTLCommandQueue", 0)
}

// TestQueueLimit: the buffer beyond the limit is made when one has completed.
func TestQueueLimit(t *testing.T) {
	f := fakemetal.Open(t)
	x := newRaw(t, f)
	defer x.th.Leave()
	const each = 20 * time.Millisecond
	f.SetModel(t, fakemetal.Model{Execute: each})
	q := x.send(x.device, "newCommandQueueWithMaxCommandBufferCount:", 2)
	defer x.th.Release(q)
	begin := time.Now()
	for range 3 {
		x.send(x.send(q, "commandBuffer"), "commit")
	}
	if d := time.Since(begin); d < each {
		t.Errorf("the third of two buffers was made after %s", d)
	}
}

func TestModelRate(t *testing.T) {
	const ms = time.Millisecond
	m := fakemetal.Model{Submit: 2 * ms, Execute: ms, Complete: ms, Engines: 4}
	for _, c := range []struct {
		threads, depth, queues int
		want                   float64
	}{
		{1, 1, 1, 250},
		{1, 2, 1, 500},
		{1, 32, 1, 1000},
		{16, 1, 1, 1000},
		{2, 1, 2, 500},
		{16, 1, 16, 4000},
		{3, 32, 3, 3000},
	} {
		if got := m.Rate(c.threads, c.depth, c.queues); got < c.want*0.999 || got > c.want*1.001 {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
