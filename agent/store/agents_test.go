package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
	"github.com/holdfast-ci/holdfast/runner"
)

// Whoever beats at least once between two looks is never lost, whoever is silent is after
// LostAfter, and never sooner: counted from when the one who looks began to look without a
// gap.
func TestWatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w store.Watch
		now := time.Unix(1e9, 0)
		beats := map[string]int64{"lively": 1, "silent": 1}
		var since time.Time // that the silent one was watched without a gap
		last := now
		for range rapid.IntRange(1, 60).Draw(t, "looks") {
			step := time.Duration(rapid.IntRange(-5, 60).Draw(t, "step")) * time.Second
			now = now.Add(step)
			if since.IsZero() || step < 0 || now.Sub(last) > 3*store.BeatEvery {
				since = now
			}
			last = now
			if rapid.IntRange(0, 30).Draw(t, "wakes") == 0 {
				beats["silent"]++
				since = now
			}
			beats["lively"]++
			want := ""
			if now.Sub(since) >= store.LostAfter {
				want = "silent"
			}
			if got := strings.Join(w.Look(now, beats), " "); got != want {
				t.Fatalf("at %s, watched since %s: %q is lost, want %q", now, since, got, want)
			}
		}
	})
}

// fleet are the machines of one database: each has a folder of its own, as if it had a disk
// of its own, and beats only when told to.
type fleet struct {
	t   *testing.T
	o   store.Options
	now time.Time
}

func newFleet(t *testing.T, e storetest.Engine) *fleet {
	return &fleet{t, e.New(t), time.Now()}
}

func (f *fleet) machine(name, class string, queues ...string) *store.Store {
	f.t.Helper()
	o := f.o
	o.Dir, o.Name, o.Class, o.ByHand = f.t.TempDir(), name, class, true
	s, _ := storetest.Open(f.t, o, name+"/1")
	if err := s.Join(f.t.Context(), queues...); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// pass lets time pass during which some machines beat, and returns who was taken for lost.
func (f *fleet) pass(d time.Duration, alive ...*store.Store) (lost []string) {
	f.t.Helper()
	for end := f.now.Add(d); f.now.Before(end); f.now = f.now.Add(store.BeatEvery) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, s := range alive { // at the same time
			wg.Go(func() {
				names, err := s.Beat(f.t.Context(), f.now)
				mu.Lock()
				defer mu.Unlock()
				lost = append(lost, names...)
				if err != nil {
					f.t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	return lost
}

func (f *fleet) run(s *store.Store, n store.NewRun) int64 {
	f.t.Helper()
	run, _, err := s.CreateRun(f.t.Context(), n)
	if err != nil {
		f.t.Fatal(err)
	}
	return run
}

func (f *fleet) claim(s *store.Store, run int64, stage string, attempt int) store.Job {
	f.t.Helper()
	job, _, ok, err := s.Claim(f.t.Context(), run, stage, attempt)
	if err != nil || !ok {
		f.t.Fatal(ok, err)
	}
	return job
}

// A machine goes away in the middle of a job and with a message in its hands. Two others
// notice; one takes over, once. The lost one comes back: nothing of what it brings counts,
// and it is one of them again.
func TestLostMachine(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		f := newFleet(t, e)
		ctx := t.Context()
		a, b, c := f.machine("a", "M1", "build"), f.machine("b", "M1", "build"), f.machine("c", "M1", "build")
		run := f.run(a, newRun("main", "aaa"))
		old := f.claim(a, run, runner.StageProofs, 1)
		if err := a.PutMessages(ctx, run, publish.Message{Key: "comment"}); err != nil {
			t.Fatal(err)
		}
		held, err := a.Pending(ctx, time.Now())
		if err != nil || len(held) != 1 {
			t.Fatal(held, err)
		}
		f.run(b, newRun("later", "aaa"))
		// The clock of b is an hour ahead: that alone gives it nothing.
		if items, err := b.Pending(ctx, time.Now().Add(50*time.Minute)); len(items) != 0 || err != nil {
			t.Errorf("b took what a living machine holds: %v, %v", items, err)
		}
		if lost := f.pass(store.LostAfter, b, c); len(lost) != 0 {
			t.Fatalf("lost too early: %v", lost)
		}
		if lost := f.pass(time.Minute, b, c); len(lost) != 1 || lost[0] != "a/1" {
			t.Fatalf("lost: %v, want a, once", lost)
		}
		// Its job has waited in line once, and keeps its place, to the millisecond.
		if n, err := b.Count(ctx, `select count(*) from river_job where state = 'scheduled'
			and scheduled_at <= (select min(scheduled_at) from river_job where state = 'available')`); n != 1 || err != nil {
			t.Errorf("%d jobs before those that came later, %v", n, err)
		}
		again := f.claim(b, run, runner.StageProofs, 2)

		// a comes back.
		if _, err := a.Finish(ctx, old, runner.Result{Verdict: runner.Failure}, publish.Message{Key: "late"}); !errors.Is(err, store.ErrStale) {
			t.Errorf("the lost machine's result counts: %v", err)
		}
		if ok, err := a.Current(ctx, held[0]); ok || err != nil {
			t.Errorf("the lost machine still holds its message: %v, %v", ok, err)
		}
		items, err := b.Pending(ctx, time.Now())
		if err != nil || len(items) != 1 {
			t.Fatalf("b has %v, %v", items, err)
		}
		if err := a.MarkFailed(ctx, held[0], "given up by the lost machine", time.Time{}); err != nil {
			t.Error(err)
		}
		if err := a.Delay(ctx, held, time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		if ok, err := b.Current(ctx, items[0]); !ok || err != nil {
			t.Errorf("the lost machine took the message away: %v, %v", ok, err)
		}
		if lost := f.pass(5*time.Minute, a, b, c); len(lost) != 0 {
			t.Errorf("lost although all beat: %v", lost)
		}
		if _, err := b.Finish(ctx, again, runner.Result{Verdict: runner.Success}); err != nil {
			t.Error(err)
		}
		rec, err := b.Run(ctx, run)
		if err != nil || rec.Open != 0 || rec.Run.Stage(runner.StageProofs).Verdict != runner.Success {
			t.Errorf("the run: %+v, %v", rec, err)
		}
		agents, err := c.Agents(ctx)
		if err != nil || len(agents) != 3 || !agents[0].Lost.IsZero() || agents[0].Name != "a" || agents[0].Queues[1] != "build" {
			t.Errorf("agents %+v, %v", agents, err)
		}
		// What it claims from now on is watched as before.
		next := f.run(a, newRun("main", "bbb"))
		f.claim(a, next, runner.StageProofs, 1)
		if lost := f.pass(4*time.Minute, b, c); len(lost) != 1 {
			t.Errorf("lost the second time: %v", lost)
		}
		f.claim(c, next, runner.StageProofs, 2)
		if agents, err := c.Agents(ctx); err != nil || agents[0].Lost.Before(agents[0].Seen) || time.Since(agents[0].Seen) > time.Hour {
			t.Errorf("agents %+v, %v", agents, err)
		}
	})
}

// What no other machine can do is concluded as an error that says which machine was lost
// and when it was last heard of; what it did directly is cancelled.
func TestLostForGood(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		f := newFleet(t, e)
		ctx := t.Context()
		a, b := f.machine("mini-1", "M1", "build", "bench"), f.machine("mini-2", "M2", "build")
		n := newRun("main", "aaa")
		n.Stages = append(n.Stages, store.NewJob{Stage: runner.StageBench, Queue: "bench", Limit: time.Minute})
		run := f.run(a, n)
		f.claim(a, run, runner.StageProofs, 1)
		late := f.claim(a, run, runner.StageBench, 1)
		n = newRun("direct", "aaa")
		n.Direct = true
		direct := f.run(a, n)
		if lost := f.pass(4*time.Minute, b); len(lost) != 1 {
			t.Fatalf("lost: %v", lost)
		}
		f.claim(b, run, runner.StageProofs, 2)
		rec, err := b.Run(ctx, run)
		if err != nil || rec.Open != 1 {
			t.Fatal(rec, err)
		}
		res := rec.Run.Stage(runner.StageBench)
		if res == nil || res.Verdict != runner.Error || !strings.HasPrefix(res.Reason, "the machine mini-1 was lost, last heard of at "+time.Now().UTC().Format("2006")) ||
			!strings.HasSuffix(res.Reason, "; no other machine works its queue") {
			t.Errorf("the benchmark: %+v", res)
		}
		if _, err := a.Finish(ctx, late, runner.Result{Verdict: runner.Success}); !errors.Is(err, store.ErrStale) {
			t.Errorf("a late result: %v", err)
		}
		if rec, err := b.Run(ctx, direct); err != nil || rec.Run.State != runner.StateCancelled || !strings.Contains(rec.Run.Reason, "mini-1 was lost") {
			t.Errorf("the direct run: %+v, %v", rec, err)
		}
	})
}

// Unchanged code is measured again to compare two figures of one class of machine: another
// class is no substitute.
func TestLostRepetition(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		f := newFleet(t, e)
		ctx := t.Context()
		a, b := f.machine("a", "M1", "build"), f.machine("b", "M2", "build")
		run := f.run(a, newRun("main", "aaa"))
		if err := a.Exec(ctx, "update run set twin = 1"); err != nil {
			t.Fatal(err)
		}
		f.claim(a, run, runner.StageProofs, 1)
		f.pass(4*time.Minute, b)
		rec, err := b.Run(ctx, run)
		if err != nil || rec.Open != 0 || !strings.Contains(rec.Run.Stages[0].Reason, "no other machine of its class lives") {
			t.Errorf("%+v, %v", rec, err)
		}
		run = f.run(b, newRun("main", "bbb"))
		if err := a.Exec(ctx, "update run set twin = 1"); err != nil {
			t.Fatal(err)
		}
		c := f.machine("c", "M1", "build")
		f.pass(time.Minute, a, b, c)
		f.claim(a, run, runner.StageProofs, 1)
		f.pass(4*time.Minute, b, c)
		f.claim(c, run, runner.StageProofs, 2)
	})
}

// Nobody is lost who only looks so: a process of this machine, which the kernel vouches for,
// and the others after the one who looks was away himself.
func TestNotLost(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		f := newFleet(t, e)
		a, b := f.machine("a", "M1", "build"), f.machine("b", "M1", "build")
		f.o.Dir = t.TempDir()
		f.o.ByHand = true
		f.o.Name = "b"
		var same []*store.Store
		for i := range 2 {
			s, _ := storetest.Open(t, f.o, fmt.Sprint("same/", i))
			if err := s.Join(t.Context(), "build"); err != nil {
				t.Fatal(err)
			}
			f.claim(s, f.run(s, newRun("main", fmt.Sprint(i))), runner.StageProofs, 1)
			same = append(same, s)
		}
		if lost := f.pass(10*time.Minute, a, b, same[0]); len(lost) != 1 || lost[0] != "same/1" {
			t.Errorf("lost: %v, want what another machine cannot know better", lost)
		}
		f = newFleet(t, e)
		f.o.ByHand, f.o.Dir = true, t.TempDir()
		var one, two *store.Store
		for i, s := range []**store.Store{&one, &two} {
			*s, _ = storetest.Open(t, f.o, fmt.Sprint("same/", i))
			if err := (*s).Join(t.Context(), "build"); err != nil {
				t.Fatal(err)
			}
			f.claim(*s, f.run(*s, newRun(fmt.Sprint(i), "aaa")), runner.StageProofs, 1)
		}
		if lost := f.pass(10*time.Minute, one); len(lost) != 0 {
			t.Errorf("lost: %v, a living process of this machine", lost)
		}
		f = newFleet(t, e)
		a, b = f.machine("a", "M1", "build"), f.machine("b", "M1", "build")
		if lost := f.pass(time.Minute, b); len(lost) != 0 {
			t.Error(lost)
		}
		f.now = f.now.Add(time.Hour) // b slept, or the database was away for everybody
		if lost := f.pass(time.Minute, b); len(lost) != 0 {
			t.Errorf("lost: %v, after the one who looks was away", lost)
		}
		if lost := f.pass(10*time.Minute, a, b); len(lost) != 0 {
			t.Errorf("lost: %v", lost)
		}
	})
}

// The job of a machine that was only away is ended there: others have it by now.
func TestLostIsTold(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		f := newFleet(t, e)
		a, b := f.machine("a", "M1"), f.machine("b", "M1", "build")
		ctx, cancel := context.WithCancel(t.Context())
		started, causes, done := make(chan int, 3), make(chan error, 3), make(chan error)
		go func() {
			done <- a.Work(ctx, store.Handlers{
				Job: func(ctx context.Context, run int64, stage string, attempt int) error {
					if _, _, ok, err := a.Claim(ctx, run, stage, attempt); err != nil || !ok {
						return err
					}
					started <- attempt
					<-ctx.Done()
					causes <- context.Cause(ctx)
					return ctx.Err()
				},
				Report: func(context.Context, int64) error { return nil },
			}, map[string]int{"build": 1})
		}()
		f.run(b, newRun("main", "aaa"))
		if got := <-started; got != 1 {
			t.Fatal(got)
		}
		if lost := f.pass(4*time.Minute, b); len(lost) != 1 {
			t.Fatalf("lost: %v", lost)
		}
		f.pass(time.Second, a)
		if cause := <-causes; cause == nil || !strings.Contains(cause.Error(), "taken for lost") {
			t.Errorf("cause %v", cause)
		}
		if got := <-started; got != 2 { // its own queue is as good as any
			t.Error(got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A worker that was killed between being given a job or a report and taking it has left its
// name nowhere. What it was given is handed out anew, once, and whoever is only slow comes
// too late.
func TestNobodyTookIt(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		f := newFleet(t, e)
		ctx := t.Context()
		a := f.machine("a", "M1", "build")
		run, other := f.run(a, newRun("main", "aaa")), f.run(a, newRun("dev", "aaa"))
		if err := a.Cancel(ctx, other, runner.StateCancelled, ""); err != nil {
			t.Fatal(err)
		}
		f.pass(5*time.Minute, a) // waiting in the queue is nothing unusual
		f.claim(a, run, runner.StageProofs, 1)
		if err := a.Requeue(ctx, run, runner.StageProofs, 1); err != nil {
			t.Fatal(err)
		}
		if err := a.Exec(ctx, "update river_job set state = 'running' where state = 'available'"); err != nil {
			t.Fatal(err)
		}
		waiting := func() int64 {
			t.Helper()
			n, err := a.Count(ctx, "select count(*) from river_job where state = 'available'")
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		f.pass(store.BeatEvery, a)
		if n := waiting(); n != 0 {
			t.Errorf("%d jobs were handed out at the first look", n)
		}
		f.pass(5*time.Minute, a)
		if n := waiting(); n != 2 {
			t.Errorf("%d jobs wait, want the stage and the report", n)
		}
		if _, _, ok, err := a.Claim(ctx, run, runner.StageProofs, 2); ok || err != nil {
			t.Errorf("who is slow took it: %v, %v", ok, err)
		}
		f.claim(a, run, runner.StageProofs, 3)
		if ok, err := a.FinishRun(ctx, store.Final{Run: runner.Run{Number: other, Verdict: runner.Error}}); !ok || err != nil {
			t.Error(ok, err)
		}
		f.pass(time.Minute, a)
		if n := waiting(); n != 2 { // these, which nobody serves here
			t.Errorf("%d jobs wait", n)
		}
	})
}

// A process of the same machine that ends while the agent lives is taken over from within
// one pulse, not only when the agent is started again; a process that only runs something
// takes over from nobody.
func TestPulse(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		f := newFleet(t, e)
		ctx := t.Context()
		o := f.o
		o.Dir, o.ByHand = t.TempDir(), true
		agent, _ := storetest.Open(t, o, "agent")
		if err := agent.Join(ctx, "build"); err != nil {
			t.Fatal(err)
		}
		byHand, _ := storetest.Open(t, o, "by hand")
		dead, shut := storetest.Open(t, o, "dead")
		n := newRun("direct", "aaa")
		n.Direct = true
		direct, run := f.run(dead, n), f.run(dead, newRun("main", "aaa"))
		f.claim(dead, run, runner.StageProofs, 1)
		shut()
		f.run(byHand, n)
		if err := byHand.Pulse(ctx, f.now); err != nil {
			t.Fatal(err)
		}
		if rec, err := agent.Run(ctx, direct); err != nil || rec.Run.State != runner.StateQueued {
			t.Errorf("taken by who does not work: %s, %v", rec.Run.State, err)
		}
		if err := agent.Pulse(ctx, f.now); err != nil {
			t.Fatal(err)
		}
		f.claim(agent, run, runner.StageProofs, 2)
		if rec, err := agent.Run(ctx, direct); err != nil || rec.Run.State != runner.StateCancelled || rec.Run.Reason != "the process ended" {
			t.Errorf("the direct run: %+v, %v", rec.Run, err)
		}
		agents, err := agent.Agents(ctx)
		if err != nil || len(agents) != 2 {
			t.Errorf("agents %+v, %v", agents, err)
		}
	})
}
