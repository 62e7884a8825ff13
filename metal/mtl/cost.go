package mtl

import (
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// CallCost implements [harness.Coster]: a message without arguments to a finished
// command buffer, and a command buffer from its making to endEncoding, never committed.
// Each is the median of 15 batches; the first batch is not counted.
func (b *Backend) CallCost() (map[string]float64, error) {
	k := harness.Kernel{Elements: 1, Iterations: 1}
	hp, err := b.Compile(k)
	if err != nil {
		return nil, err
	}
	defer hp.Release()
	hq, err := b.NewQueue(64)
	if err != nil {
		return nil, err
	}
	defer hq.Release()
	hb, err := b.NewBuffer(1)
	if err != nil {
		return nil, err
	}
	defer hb.Release()
	ht, err := b.Enter()
	if err != nil {
		return nil, err
	}
	defer ht.Leave()
	th, q, p, buf := ht.(*thread), hq.(*queue), hp.(*program), hb.(*buffer)

	ticket, err := th.Submit(q, p, buf, 1)
	if err != nil {
		return nil, err
	}
	c, err := th.land(ticket)
	if err != nil {
		return nil, err
	}
	th.t.Retain(c)
	defer th.t.Release(c)
	if err := th.finish(c); err != nil {
		return nil, err
	}
	send, err := batches(500, func() error { th.t.Send(c, b.sel.status); return nil })
	if err != nil {
		return nil, err
	}
	encode, err := batches(50, func() error { return th.run(th.encoding, th.encode, q, p, buf, 1) })
	if err != nil {
		return nil, err
	}
	return map[string]float64{"message send": send, "encoded command buffer": encode}, nil
}

// batches is the median time of one call of f, in seconds.
func batches(size int, f func() error) (float64, error) {
	var times [16]float64
	for i := range times {
		begin := time.Now()
		for range size {
			if err := f(); err != nil {
				return 0, err
			}
		}
		times[i] = time.Since(begin).Seconds() / float64(size)
	}
	slices.Sort(times[1:])
	return times[1+len(times[1:])/2], nil
}
