package objc_test

import (
	"testing"

	"github.com/holdfast-ci/holdfast/metal/objc"
)

// TestBatch: results feed receivers, nil ends the list, and what owns is given back.
func TestBatch(t *testing.T) {
	r, f := open(t)
	th := r.Enter()
	defer th.Leave()
	create, err := r.Symbol("MTLCreateSystemDefaultDevice")
	if err != nil {
		t.Fatal(err)
	}
	device := objc.ID(th.Call(create))
	defer th.Release(device)
	before := f.Count("live")

	var queue, buffer, buffer2, status, registry, none objc.ID
	b := th.NewBatch()
	make := b.Send(&device, r.Selector("newCommandQueueWithMaxCommandBufferCount:"), &queue, 0)
	b.Send(&queue, r.Selector("commandBuffer"), &buffer)
	b.Retain(&buffer)
	b.Drain() // the buffer is ours now
	b.Send(&buffer, r.Selector("commit"), nil)
	b.Send(&buffer, r.Selector("waitUntilCompleted"), nil)
	b.Send(&buffer, r.Selector("status"), &status)
	b.Release(&buffer)
	b.Retain(&none)
	b.Release(&none)
	b.Send(&device, r.Selector("registryID"), &registry)
	b.Set(make, 0, 5)
	for range 3 {
		queue, buffer, status, registry = 0, 0, 0, 0
		if !b.Run() || queue == 0 || buffer == 0 || status != 4 || uint64(registry) != 0xfedcba9876543210 {
			t.Fatalf("queue %d, buffer %d, status %d, registry %#x", queue, buffer, status, registry)
		}
		th.Release(queue)
	}

	// Nothing is sent to nil, nor after it.
	messages, toNil := f.Count("messages"), f.Count("nil_messages")
	stops := th.NewBatch()
	stops.Send(&device, r.Selector("registryID"), nil)
	stops.Send(&none, r.Selector("commandBuffer"), &buffer2)
	stops.Send(&device, r.Selector("registryID"), nil)
	if stops.Run() {
		t.Error("a message to nil does not end the list")
	}
	if n := f.Count("messages") - messages; n != 1 || f.Count("nil_messages") != toNil || buffer2 != 0 {
		t.Errorf("%d messages, %d to nil, result %d", n, f.Count("nil_messages")-toNil, buffer2)
	}
	if !th.NewBatch().Run() {
		t.Error("an empty list does not come to its end")
	}
	if !raceDetector {
		if n := testing.AllocsPerRun(100, func() { stops.Run() }); n != 0 {
			t.Errorf("%v allocations a run, want none", n)
		}
	}
	f.Settle(t, "live", before)
}

// TestBatchSizes: two structures by value come where the method looks for them.
func TestBatchSizes(t *testing.T) {
	r, _ := open(t)
	th := r.Enter()
	defer th.Leave()
	create, err := r.Symbol("MTLCreateSystemDefaultDevice")
	if err != nil {
		t.Fatal(err)
	}
	device := objc.ID(th.Call(create))
	defer th.Release(device)
	var sum objc.ID
	b := th.NewBatch()
	i := b.SendSizes(&device, r.Selector("fakeSum:of:"), &sum)
	for n := range uint64(3) {
		first := objc.Size{Width: 1 + n, Height: 1 << 33, Depth: 3}
		second := objc.Size{Width: 40, Height: 5, Depth: 6}
		b.SetSizes(i, first, second)
		want := objc.ID(1 + n + 2<<33 + 3*3 + 4*40 + 5*5 + 6*6)
		if !b.Run() || sum != want {
			t.Errorf("in a batch: %d, want %d", sum, want)
		}
		if got := th.SendSizes(device, r.Selector("fakeSum:of:"), first, second); objc.ID(got) != want {
			t.Errorf("alone: %d, want %d", got, want)
		}
	}
}
