package mtl

import (
	"embed"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ebitengine/purego"

	"github.com/holdfast-ci/holdfast/metal/fakemetal"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/objc"
)

//go:embed testdata/loop
var loopSource embed.FS

// loops are the same operations in C.
type loops struct {
	send    func(o objc.ID, n int) float64
	encode  func(queue, pipeline, buffer objc.ID, threads, group uint64, n int) float64
	operate func(queue, pipeline, buffer objc.ID, threads, group uint64, depth, n int) float64
}

func newLoops(tb testing.TB) *loops {
	tb.Helper()
	path, err := fakemetal.Compile("libloop.so", loopSource, "testdata/loop", "-shared", "-fPIC", "-fvisibility=hidden")
	if err != nil {
		tb.Fatal(err)
	}
	h, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		tb.Fatal(err)
	}
	l := &loops{}
	var init func()
	purego.RegisterLibFunc(&init, h, "loop_init")
	purego.RegisterLibFunc(&l.send, h, "loop_send")
	purego.RegisterLibFunc(&l.encode, h, "loop_encode")
	purego.RegisterLibFunc(&l.operate, h, "loop_operate")
	init()
	return l
}

// compare runs f and the same thing in C in turns, so that a busy machine hits both
// alike, and reports medians over the batches: ns/op of Go, of C, and their ratio.
func compare(b *testing.B, batch int, f func(n int) error, c func(n int) float64) {
	b.ReportAllocs()
	b.ResetTimer()
	var ours, theirs []float64
	for left := b.N; left > 0; left -= batch {
		n := min(left, batch)
		begin := time.Now()
		if err := f(n); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(begin).Seconds()/float64(n)*1e9)
		b.StopTimer()
		theirs = append(theirs, c(n)/float64(n)*1e9)
		b.StartTimer()
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	ns, c0 := ours[len(ours)/2], theirs[len(theirs)/2]
	b.ReportMetric(ns, "ns/op")
	b.ReportMetric(c0, "c-ns/op")
	b.ReportMetric(ns/c0, "go/c")
}

var benchKernel = harness.Kernel{Elements: 1, Iterations: 1}

func BenchmarkMessageSend(b *testing.B) {
	r, l := newRig(b, fake(b), benchKernel, 64), newLoops(b)
	k, err := r.submit()
	if err != nil {
		b.Fatal(err)
	}
	c, err := r.th.land(k)
	if err != nil {
		b.Fatal(err)
	}
	r.th.t.Retain(c)
	defer r.th.t.Release(c)
	if err := r.th.finish(c); err != nil {
		b.Fatal(err)
	}
	compare(b, 10000, func(n int) error {
		for range n {
			r.th.t.Send(c, r.b.sel.status)
		}
		return nil
	}, func(n int) float64 { return l.send(c, n) })
}

func BenchmarkEncode(b *testing.B) {
	r, l := newRig(b, fake(b), benchKernel, 64), newLoops(b)
	q, p, buf := r.q.(*queue), r.p.(*program), r.buf.(*buffer)
	compare(b, 1000, func(n int) error {
		for range n {
			if err := r.th.run(r.th.encoding, r.th.encode, q, p, buf, 1); err != nil {
				return err
			}
		}
		return nil
	}, func(n int) float64 { return l.encode(q.id, p.id, buf.id, 1, p.group, n) })
}

// BenchmarkOperate is a whole operation, from command buffer to its status.
func BenchmarkOperate(b *testing.B) {
	for _, depth := range []int{1, 32} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			r, l := newRig(b, fake(b), benchKernel, 64), newLoops(b)
			q, p, buf := r.q.(*queue), r.p.(*program), r.buf.(*buffer)
			ring := make([]harness.Ticket, depth)
			compare(b, 2000, func(n int) error {
				clear(ring)
				for i := range n + depth {
					t := &ring[i%depth]
					if *t != 0 {
						if err := r.th.Wait(*t); err != nil {
							return err
						}
						*t = 0
					}
					if i < n {
						var err error
						if *t, err = r.submit(); err != nil {
							return err
						}
					}
				}
				return nil
			}, func(n int) float64 { return l.operate(q.id, p.id, buf.id, 1, p.group, depth, n) })
		})
	}
}
