package cpu_test

import (
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/metal/cpu"
	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/metal/harness/harnesstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, m cpu.Model) *cpu.Backend {
	t.Helper()
	b, err := cpu.Open(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	t.Run("no latency", func(t *testing.T) {
		harnesstest.Backend(t, func(t *testing.T) harness.Backend { return open(t, cpu.Model{}) })
	})
	t.Run("latency", func(t *testing.T) {
		m := cpu.Model{Submit: 100 * time.Microsecond, Execute: 20 * time.Microsecond, Complete: 50 * time.Microsecond}
		harnesstest.Backend(t, func(t *testing.T) harness.Backend { return open(t, m) })
	})
}

// TestKernel compares the floating-point kernel with the integer reference, which
// share no arithmetic.
func TestKernel(t *testing.T) {
	if !big.NewInt(harness.Modulus).ProbablyPrime(20) {
		t.Fatalf("%d is not prime: operation counts could collide", harness.Modulus)
	}
	b := open(t, cpu.Model{})
	defer b.Close()
	q, err := b.NewQueue(1)
	if err != nil {
		t.Fatal(err)
	}
	th, err := b.Enter()
	if err != nil {
		t.Fatal(err)
	}
	defer th.Leave()
	rapid.Check(t, func(t *rapid.T) {
		k := harness.Kernel{Elements: rapid.IntRange(1, 5000).Draw(t, "elements"), Iterations: rapid.IntRange(1, 5).Draw(t, "iterations")}
		before := rapid.Uint64Range(0, 1<<40).Draw(t, "operations before")
		p, err := b.Compile(k)
		if err != nil {
			t.Fatal(err)
		}
		buf, err := b.NewBuffer(k.Elements)
		if err != nil {
			t.Fatal(err)
		}
		for i := range buf.Data() {
			buf.Data()[i] = k.Reference(i, before)
		}
		ticket, err := th.Submit(q, p, buf, k.Elements)
		if err == nil {
			err = th.Wait(ticket)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Check(buf.Data(), before+1); err != nil {
			t.Fatal(err)
		}
		if k.Check(buf.Data(), before) == nil || k.Check(buf.Data(), before+2) == nil {
			t.Fatal("a wrong operation count is not noticed")
		}
	})
}

// TestSchedule holds the modelled times to the nanosecond, in virtual time.
func TestSchedule(t *testing.T) {
	const us = time.Microsecond
	synctest.Test(t, func(t *testing.T) {
		b := open(t, cpu.Model{Submit: 200 * us, Execute: 50 * us, Complete: 30 * us, Sleep: time.Sleep})
		defer b.Close()
		k := harness.Kernel{Elements: 8, Iterations: 1}
		p, _ := b.Compile(k)
		buf, _ := b.NewBuffer(8)
		q, _ := b.NewQueue(2)
		th, _ := b.Enter()
		defer th.Leave()
		begin := time.Now()
		var tickets []harness.Ticket
		submit := func(want time.Duration) {
			t.Helper()
			k, err := th.Submit(q, p, buf, 8)
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begin); got != want {
				t.Errorf("submitted at %s, want %s", got, want)
			}
			tickets = append(tickets, k)
		}
		wait := func(i int, want time.Duration) {
			t.Helper()
			if err := th.Wait(tickets[i]); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begin); got != want {
				t.Errorf("operation %d completed at %s, want %s", i, got, want)
			}
		}
		submit(0)
		submit(0)
		submit(250 * us) // the queue holds two: the first must end
		wait(0, 280*us)
		wait(1, 330*us)
		wait(2, 530*us) // 250 + 200 + 50 + 30
		if n := b.Device().Observed["sleep-accuracy"]; n != "wakes 0s late (median of 9)" {
			t.Errorf("virtual sleeps: %s", n)
		}
	})
}

// TestCloseFrees: waits that are open when the device goes end in an error.
func TestCloseFrees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, cpu.Model{Submit: 10 * time.Millisecond, Sleep: time.Sleep})
		p, _ := b.Compile(harness.Kernel{Elements: 8, Iterations: 1})
		buf, _ := b.NewBuffer(8)
		q, _ := b.NewQueue(3)
		th, _ := b.Enter()
		defer th.Leave()
		var tickets []harness.Ticket
		for range 3 {
			k, err := th.Submit(q, p, buf, 8)
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, k)
		}
		synctest.Wait()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := th.Wait(tickets[0]); err != nil {
			t.Errorf("the operation being executed: %v", err)
		}
		for _, k := range tickets[1:] {
			if th.Wait(k) == nil {
				t.Error("an operation outlives a closed device")
			}
		}
	})
}

func TestOpenRejects(t *testing.T) {
	for _, m := range []cpu.Model{{Submit: -1}, {Execute: time.Second}, {Complete: cpu.MaxLatency + 1}} {
		if _, err := cpu.Open(m); err == nil {
			t.Errorf("%+v is accepted", m)
		}
	}
}

// BenchmarkSubmitWait is what an operation costs the submitting side and the worker
// together, without modelled latency: hand-over, one-element kernel, wake-up.
func BenchmarkSubmitWait(b *testing.B) {
	for _, depth := range []int{1, 32} {
		b.Run(map[int]string{1: "depth=1", 32: "depth=32"}[depth], func(b *testing.B) {
			dev := open(b, cpu.Model{})
			defer dev.Close()
			p, _ := dev.Compile(harness.Kernel{Elements: 1, Iterations: 1})
			buf, _ := dev.NewBuffer(1)
			q, _ := dev.NewQueue(64)
			th, _ := dev.Enter()
			defer th.Leave()
			ring := make([]harness.Ticket, depth)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n >= depth {
					if err := th.Wait(ring[n%depth]); err != nil {
						b.Fatal(err)
					}
				}
				ring[n%depth], _ = th.Submit(q, p, buf, 1)
				n++
			}
			for i := max(0, n-depth); i < n; i++ {
				if err := th.Wait(ring[i%depth]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
