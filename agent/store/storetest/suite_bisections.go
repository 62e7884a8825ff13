package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

func newBisection(shas ...string) store.NewBisection {
	n := store.NewBisection{Repo: "pool", Branch: "main", Question: bisect.Question{Stage: runner.StageProofs}, Probes: 20, Time: time.Hour}
	for _, sha := range shas {
		n.Commits = append(n.Commits, runner.Commit{SHA: sha, Subject: "subject of " + sha})
	}
	return n
}

func probeRun(b store.Bisection, at int) store.NewRun {
	n := push("", b.Commits[at].SHA)
	n.Trigger, n.Stages = "", n.Stages[:1]
	return n
}

// goOn is what an agent does with a bisection, with commits that are bad from culprit on.
func goOn(ctx context.Context, s *store.Store, id int64) error {
	b, err := s.Bisection(ctx, id)
	if err != nil || !b.Running {
		return err
	}
	if n := len(b.Probes); n > 0 && b.Probes[n-1].Outcome == "" {
		rec, err := s.Run(ctx, b.Probes[n-1].Run)
		if err != nil || !rec.Reported {
			return err
		}
		outcome := bisect.Good
		if rec.Run.Verdict == runner.Failure {
			outcome = bisect.Bad
		}
		if err := s.AnswerProbe(ctx, id, n-1, outcome, rec.Run.Reason, time.Second); err != nil {
			return err
		}
		return goOn(ctx, s, id)
	}
	step := bisect.Next(len(b.Commits)-1, b.Told())
	if step.Result != nil {
		_, err := s.FinishBisection(ctx, id, *step.Result, publish.Message{Key: "issue", Kind: publish.KindIssue, Body: step.Result.Kind})
		return err
	}
	_, err = s.CreateProbe(ctx, id, len(b.Probes), step.At, probeRun(b, step.At))
	return err
}

// Two agents work one queue; a bisection that a report begins goes through it to its end,
// each probe once, and is there once.
func bisections(t *testing.T, o store.Options) {
	one, _ := Open(t, o, "one")
	two := one
	if o.Postgres != "" {
		two, _ = Open(t, o, "two")
	}
	ctx := t.Context()
	shas := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	var reports atomic.Int64
	ended := make(chan struct{})
	end := sync.OnceFunc(func() { close(ended) })
	handlers := func(s *store.Store) store.Handlers {
		return store.Handlers{
			Job: func(ctx context.Context, run int64, stage string, attempt int) error {
				job, doc, ok, err := s.Claim(ctx, run, stage, attempt)
				if err != nil || !ok {
					return err
				}
				res := runner.Result{Verdict: runner.Success}
				if doc.Commit.SHA >= "f" {
					res = runner.Result{Verdict: runner.Failure, Reason: "broken"}
				}
				_, err = s.Finish(ctx, job, res)
				return err
			},
			Report: func(ctx context.Context, run int64) error {
				rec, err := s.Run(ctx, run)
				if err != nil {
					return err
				}
				reports.Add(1)
				f := store.Final{Run: rec.Run}
				f.Run.Verdict, f.Run.Reason = rec.Run.Stages[0].Verdict, rec.Run.Stages[0].Reason
				if rec.Run.Trigger == store.TriggerPush {
					n := newBisection(shas...)
					n.Origin, n.Known, n.Reason = run, true, "broken"
					f.Bisections = []store.NewBisection{n, n}
				}
				_, err = s.FinishRun(ctx, f)
				return err
			},
			Bisect: func(ctx context.Context, id int64) error {
				if err := goOn(ctx, s, id); err != nil {
					return err
				}
				b, err := s.Bisection(ctx, id)
				if err == nil && !b.Running {
					end()
				}
				return err
			},
		}
	}
	stops := []func(){start(t, one, handlers(one))}
	if two != one {
		stops = append(stops, start(t, two, handlers(two)))
	}
	n := push("main", "h")
	n.Stages = n.Stages[:1]
	origin := create(t, one, n)
	wait(t, ended)
	for _, stop := range stops {
		stop()
	}
	list, err := one.Bisections(ctx, "pool", "main", 9)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d bisections, %v", len(list), err)
	}
	b := list[0]
	if b.Result != (bisect.Result{Kind: bisect.Found, First: 5, Last: 5, Confirmed: true}) || b.Origin != origin || b.Finished.IsZero() {
		t.Errorf("%+v", b)
	}
	var at []int
	for i, p := range b.Probes {
		at = append(at, p.At)
		rec := wantState(t, one, p.Run, runner.StateDone)
		if (rec.Bisection == 1) != (i > 0) || i > 0 && rec.Run.Trigger != "bisection 1" || p.Outcome == "" || i > 0 && p.Took != time.Second {
			t.Errorf("probe %d: %+v, run %+v", i, p, rec)
		}
	}
	if !slices.Equal(at, []int{7, 0, 3, 5, 4, 5, 4}) || int64(len(at)) != reports.Load() {
		t.Errorf("probes %v with %d reports", at, reports.Load())
	}
	if items, err := one.Pending(ctx, time.Now()); err != nil || len(items) != 1 || items[0].Body != bisect.Found {
		t.Errorf("messages %+v, %v", items, err)
	}
	if _, err := one.Bisection(ctx, 9); !errors.Is(err, store.ErrNoBisection) {
		t.Errorf("a bisection that does not exist: %v", err)
	}
	byHand(t, one, two)
}

// By hand: one process goes on with it, another may take it up, and the same range may be
// asked again.
func byHand(t *testing.T, one, two *store.Store) {
	ctx := t.Context()
	n := newBisection("a", "b", "c")
	n.Direct = true
	id, created, err := one.CreateBisection(ctx, n)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if again, created, err := two.CreateBisection(ctx, n); err != nil || created || again != id {
		t.Errorf("the same again: %d, %v, %v", again, created, err)
	}
	b, err := one.Bisection(ctx, id)
	if err != nil || !b.Running || !b.Direct || b.MaxProbes != 20 || b.MaxTime != time.Hour || len(b.Commits) != 3 || b.Commits[1].Subject != "subject of b" {
		t.Fatalf("%+v, %v", b, err)
	}
	var wins, stale atomic.Int64
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			s := []*store.Store{one, two}[i%2]
			run := probeRun(b, 2)
			run.Direct = true
			switch _, err := s.CreateProbe(ctx, id, 0, 2, run); {
			case err == nil:
				wins.Add(1)
			case errors.Is(err, store.ErrStale):
				stale.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 || stale.Load() != 5 {
		t.Errorf("%d probes were made, %d refused", wins.Load(), stale.Load())
	}
	for range 2 { // the second answer changes nothing
		if err := one.AnswerProbe(ctx, id, 0, bisect.Lost, "killed", time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := two.AnswerProbe(ctx, id, 0, bisect.Bad, "no", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	b, err = two.Bisection(ctx, id)
	if err != nil || len(b.Probes) != 1 || b.Probes[0].Outcome != bisect.Lost || b.Spent() != time.Minute || len(b.Told()) != 1 {
		t.Errorf("%+v, %v", b, err)
	}
	for i, want := range []bool{true, false} {
		if ok, err := one.FinishBisection(ctx, id, bisect.Result{Kind: bisect.Budget, First: 1, Last: 2}); ok != want || err != nil {
			t.Errorf("end %d: %v, %v", i, ok, err)
		}
	}
	if _, err := one.CreateProbe(ctx, id, 1, 0, probeRun(b, 0)); !errors.Is(err, store.ErrStale) {
		t.Errorf("a probe of one that has ended: %v", err)
	}
	if next, created, err := one.CreateBisection(ctx, n); err != nil || !created || next == id {
		t.Errorf("asked again after its end: %d, %v, %v", next, created, err)
	}
	for _, bad := range []store.NewBisection{{}, newBisection("a"), {Repo: "pool", Question: b.Question, Commits: b.Commits}} {
		if _, _, err := one.CreateBisection(ctx, bad); err == nil {
			t.Errorf("made %+v", bad)
		}
	}
}
