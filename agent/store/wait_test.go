package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
	"github.com/holdfast-ci/holdfast/runner"
)

// A job that asks for a machine waits while none such lives, which is said; it goes on when
// one comes, goes back to its place when that one is lost, and ends as an error when it has
// waited for too long. Others of its run, and what asks for nothing, are not held up.
func TestWaitForMachine(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		f := newFleet(t, e)
		ctx := t.Context()
		a, b := f.machine("a", "M2", "build", "bench"), f.machine("b", "M4")
		for _, s := range []*store.Store{a, b} {
			s.SetWaits(func(run runner.Run, w store.Wait) []publish.Message {
				text := "goes on"
				if !w.Since.IsZero() {
					text = "waits for " + w.Machine
				} else if w.Running {
					text = "at work"
				}
				return []publish.Message{{Key: fmt.Sprintf("run %d %s", run.Number, w.Stage), Body: text}}
			})
		}
		n := newRun("main", "aaa")
		n.Stages = []store.NewJob{
			{Stage: runner.StageProofs, Queue: "build", Limit: time.Minute},
			{Stage: runner.StageBench, Queue: "bench-m4", Limit: time.Minute, Machine: "M4"},
		}
		run := f.run(a, n)
		direct := newRun("other", "bbb")
		direct.Direct, direct.Stages = true, n.Stages[1:]
		byHand := f.run(a, direct)
		want := func(said string, waiting int) {
			t.Helper()
			if lost := f.pass(store.BeatEvery, a); len(lost) != 0 {
				t.Fatalf("lost: %v", lost)
			}
			list, err := a.Waiting(ctx)
			if err != nil || len(list) != waiting || waiting > 0 && (list[0].Run != run || list[0].Machine != "M4" || time.Since(list[0].Since) > 3*time.Hour) {
				t.Errorf("waiting: %+v, %v", list, err)
			}
			items, err := a.Pending(ctx, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, it := range items {
				all = append(all, it.Key+" "+it.Body)
			}
			if got := strings.Join(all, "; "); got != said {
				t.Errorf("said %q, want %q", got, said)
			}
		}
		key := fmt.Sprintf("run %d bench ", run)
		want(key+"waits for M4", 1)
		want("", 1) // once
		if err := b.Join(ctx, "build", "bench", "bench-m4"); err != nil {
			t.Fatal(err)
		}
		want(key+"goes on", 0)
		if err := b.Join(ctx); err != nil {
			t.Fatal(err)
		}
		want(key+"waits for M4", 1)
		if err := b.Join(ctx, "bench-m4"); err != nil {
			t.Fatal(err)
		}
		f.claim(b, run, runner.StageBench, 1)
		want(key+"at work", 0)
		// It is lost: the job is not given up, but waits as it did.
		if lost := f.pass(store.LostAfter+time.Minute, a); len(lost) != 1 {
			t.Fatalf("lost: %v", lost)
		}
		want(key+"waits for M4", 1)
		if rec, err := a.Run(ctx, run); err != nil || rec.Open != 2 {
			t.Fatalf("the run: %+v, %v", rec, err)
		}
		if err := a.Exec(ctx, "update job set unserved_at = unserved_at - $1 where unserved_at > 0", (store.DefaultWait - time.Minute).Milliseconds()); err != nil {
			t.Fatal(err)
		}
		want("", 1) // not yet
		if err := a.Exec(ctx, "update job set unserved_at = unserved_at - 60001 where unserved_at > 0"); err != nil {
			t.Fatal(err)
		}
		want("", 0)
		rec, err := a.Run(ctx, run)
		res := rec.Run.Stage(runner.StageBench)
		if err != nil || rec.Open != 1 || res == nil || res.Verdict != runner.Error || res.Reason != `no machine "M4" was there within 2h0m0s` || !strings.Contains(res.Hint, "holdfast doctor") {
			t.Fatalf("the run: %+v, %+v, %v", rec, res, err)
		}
		if left, err := a.Count(ctx, "select count(*) from river_job where queue = 'bench-m4' and state in ('available', 'scheduled')"); err != nil || left > 1 { // the first attempt's
			t.Errorf("%d jobs are left in the queue, %v", left, err)
		}
		proofs := f.claim(a, run, runner.StageProofs, 1)
		if last, err := a.Finish(ctx, proofs, runner.Result{Verdict: runner.Success}); err != nil || !last {
			t.Errorf("the other stage: %v, %v", last, err)
		}
		if rec, err := a.Run(ctx, byHand); err != nil || rec.Open != 1 {
			t.Errorf("what a person runs waits for a machine: %+v, %v", rec, err)
		}
	})
}

// Neither a clock that goes backwards nor a bug in what is said keeps a wait from its end.
func TestWaitEnds(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		f := newFleet(t, e)
		ctx := t.Context()
		a := f.machine("a", "M2", "bench")
		a.SetWaits(func(runner.Run, store.Wait) []publish.Message { panic("a bug") })
		n := newRun("main", "aaa")
		n.Stages = []store.NewJob{{Stage: runner.StageBench, Queue: "bench-m4", Limit: time.Minute, Machine: "M4"}}
		run := f.run(a, n)
		f.pass(store.BeatEvery, a)
		for _, later := range []time.Duration{240 * time.Hour, -store.DefaultWait - time.Minute} {
			if list, err := a.Waiting(ctx); err != nil || len(list) != 1 || time.Until(list[0].Since) > time.Minute {
				t.Fatalf("waiting: %+v, %v", list, err)
			}
			if err := a.Exec(ctx, "update job set unserved_at = unserved_at + $1", later.Milliseconds()); err != nil {
				t.Fatal(err)
			}
			f.pass(store.BeatEvery, a)
		}
		rec, err := a.Run(ctx, run)
		if res := rec.Run.Stage(runner.StageBench); err != nil || rec.Open != 0 || res == nil || res.Verdict != runner.Error {
			t.Fatalf("the run: %+v, %+v, %v", rec, res, err)
		}
	})
}

// A machine that is busy leaves a job to one that is free, at once; where all are busy one of
// them takes it.
func TestBusyMachineLeavesJobs(t *testing.T) {
	f := newFleet(t, postgres(t))
	ctx, cancel := context.WithCancel(t.Context())
	type taken struct{ by, stage string }
	takes := make(chan taken, 100)
	hold := make(chan struct{})
	done := make(chan error, 2)
	work := func(name string) *store.Store {
		s := f.machine(name, "M1")
		go func() {
			done <- s.Work(ctx, store.Handlers{
				Job: func(ctx context.Context, run int64, stage string, attempt int) error {
					job, _, ok, err := s.Claim(ctx, run, stage, attempt)
					if err != nil || !ok {
						return err
					}
					takes <- taken{name, stage}
					if stage == runner.StageProofs {
						select {
						case <-hold:
						case <-ctx.Done():
							return ctx.Err()
						}
					}
					_, err = s.Finish(ctx, job, runner.Result{Verdict: runner.Success})
					return err
				},
				Report: func(ctx context.Context, run int64) error {
					_, err := s.FinishRun(ctx, store.Final{Run: runner.Run{Number: run, Verdict: runner.Success}})
					return err
				},
			}, map[string]int{"build": 1, "bench": 1})
		}()
		return s
	}
	runs := 0
	create := func(s *store.Store, stage, queue string) {
		t.Helper()
		runs++
		n := newRun(fmt.Sprint("branch ", runs), "aaa")
		n.Stages = []store.NewJob{{Stage: stage, Queue: queue, Limit: time.Minute}}
		f.run(s, n)
	}
	next := func() taken {
		t.Helper()
		select {
		case x := <-takes:
			return x
		case <-time.After(time.Minute):
			t.Fatal("nobody takes the job")
		}
		panic("unreachable")
	}
	a := work("a")
	create(a, runner.StageProofs, "build")
	if x := next(); x != (taken{"a", runner.StageProofs}) {
		t.Fatalf("taken: %+v", x)
	}
	b := work("b")
	if err := until("b works, too", func() (bool, error) {
		agents, err := a.Agents(ctx)
		return len(agents) == 2 && len(agents[1].Queues) == 3, err
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		create(a, runner.StageBench, "bench")
		if x := next(); x != (taken{"b", runner.StageBench}) {
			t.Errorf("taken: %+v, although b is free", x)
		}
		if err := until("b is free again", func() (bool, error) {
			rec, err := a.Run(ctx, int64(runs))
			return rec.Open == 0, err
		}); err != nil {
			t.Fatal(err)
		}
	}
	create(b, runner.StageProofs, "build")
	if x := next(); x != (taken{"b", runner.StageProofs}) {
		t.Errorf("taken: %+v", x)
	}
	create(a, runner.StageBench, "bench")
	if x := next(); x.stage != runner.StageBench {
		t.Errorf("taken: %+v", x)
	}
	close(hold)
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Work says it, without anybody's help: on SQLite, too, where only this machine is.
func TestWorkTellsOfWaits(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		o := e.New(t)
		o.Dir, o.ByHand = t.TempDir(), true
		s, _ := storetest.Open(t, o, "one")
		ctx, cancel := context.WithCancel(t.Context())
		said := make(chan store.Wait, 10)
		done := make(chan error, 1)
		go func() {
			done <- s.Work(ctx, store.Handlers{
				Job:    func(context.Context, int64, string, int) error { return nil },
				Report: func(context.Context, int64) error { return nil },
				Waits:  func(_ runner.Run, w store.Wait) []publish.Message { said <- w; return nil },
			}, map[string]int{"bench": 1})
		}()
		if err := until("it works its queues", func() (bool, error) {
			agents, err := s.Agents(ctx)
			return len(agents) == 1 && len(agents[0].Queues) == 2, err
		}); err != nil {
			t.Fatal(err)
		}
		n := newRun("main", "aaa")
		n.Stages = []store.NewJob{{Stage: runner.StageBench, Queue: "bench-m4", Limit: time.Minute, Machine: "M4"}}
		if _, _, err := s.CreateRun(ctx, n); err != nil {
			t.Fatal(err)
		}
		if err := s.Pulse(ctx, time.Now()); err != nil {
			t.Fatal(err)
		}
		if w := <-said; w.Machine != "M4" || w.Since.IsZero() {
			t.Errorf("said %+v", w)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
