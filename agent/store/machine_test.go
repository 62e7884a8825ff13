package store_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
	"github.com/holdfast-ci/holdfast/runner"
)

// Whatever the order of claims, results, crashes, cancellations and reports, each stage
// has at most one result, from the last attempt handed out, and each run one final
// document.
func TestStateMachine(t *testing.T) {
	if storetest.Race {
		t.Skip("one goroutine, a hundred histories: nothing for the race detector, and slow under it")
	}
	o := storetest.SQLite().New(t)
	s, _ := storetest.Open(t, o, "one")
	ctx := t.Context()
	var repo int
	rapid.Check(t, func(t *rapid.T) {
		repo++
		type job struct {
			state   string
			attempt int
			tries   int
			claims  []store.Job // of all attempts
		}
		stages := []string{"a", "b"}
		jobs := map[string]*job{}
		n := store.NewRun{Repo: fmt.Sprint("r", repo), Branch: "main", Commit: runner.Commit{SHA: "aaa"}, Trigger: store.TriggerPush}
		for _, stage := range stages {
			n.Stages = append(n.Stages, store.NewJob{Stage: stage, Queue: "build", Limit: 1e9})
			jobs[stage] = &job{state: runner.StateQueued, attempt: 1}
		}
		run, created, err := s.CreateRun(ctx, n)
		if err != nil || !created {
			t.Fatal(run, created, err)
		}
		var cancelled, reported bool
		open := func() (n int) {
			for _, j := range jobs {
				if j.state == runner.StateQueued || j.state == runner.StateRunning {
					n++
				}
			}
			return n
		}
		t.Repeat(map[string]func(*rapid.T){
			"claim": func(t *rapid.T) {
				stage := rapid.SampledFrom(stages).Draw(t, "stage")
				attempt := rapid.IntRange(1, 4).Draw(t, "attempt")
				j := jobs[stage]
				got, _, ok, err := s.Claim(ctx, run, stage, attempt)
				if want := j.state == runner.StateQueued && attempt == j.attempt; err != nil || ok != want {
					t.Fatalf("claim of %s, attempt %d: %v, %v; want %v", stage, attempt, ok, err, want)
				}
				if ok {
					j.state, j.claims = runner.StateRunning, append(j.claims, got)
				}
			},
			"finish": func(t *rapid.T) {
				j := jobs[rapid.SampledFrom(stages).Draw(t, "stage")]
				if len(j.claims) == 0 {
					t.Skip("nothing claimed")
				}
				c := rapid.SampledFrom(j.claims).Draw(t, "claim")
				want := j.state == runner.StateRunning && c.Attempt == j.attempt
				last, err := s.Finish(ctx, c, runner.Result{Verdict: runner.Success, Reason: fmt.Sprint(c.Attempt)})
				if want != (err == nil) || (!want && !errors.Is(err, store.ErrStale)) {
					t.Fatalf("finish of %s, attempt %d: %v; want %v", c.Stage, c.Attempt, err, want)
				}
				if want {
					j.state = runner.StateDone
					if last != (open() == 0) {
						t.Fatalf("last is %v with %d open", last, open())
					}
				}
			},
			"lose": func(t *rapid.T) {
				// What Recover and a failing handler do to one attempt.
				stage := rapid.SampledFrom(stages).Draw(t, "stage")
				j := jobs[stage]
				if j.state != runner.StateRunning {
					t.Skip("not running")
				}
				if err := s.Requeue(ctx, run, stage, j.attempt); err != nil {
					t.Fatal(err)
				}
				j.attempt++
				j.tries++
				j.state = runner.StateQueued
				if j.tries == 3 {
					j.state = runner.StateDone
				}
			},
			"cancel": func(t *rapid.T) {
				if err := s.Cancel(ctx, run, runner.StateCancelled, ""); err != nil {
					t.Fatal(err)
				}
				if open() > 0 {
					cancelled = true
				}
				for _, j := range jobs {
					if cancelled && j.state != runner.StateDone {
						j.state = runner.StateCancelled
					}
				}
			},
			"report": func(t *rapid.T) {
				ok, err := s.FinishRun(ctx, store.Final{Run: runner.Run{Number: run, Verdict: runner.Error}})
				if want := open() == 0 && !reported; err != nil || ok != want {
					t.Fatalf("report: %v, %v; want %v", ok, err, want)
				}
				reported = reported || ok
			},
			"": func(t *rapid.T) {
				rec, err := s.Run(ctx, run)
				if err != nil {
					t.Fatal(err)
				}
				if rec.Open != open() || rec.Reported != reported || (rec.Run.State == runner.StateCancelled) != cancelled {
					t.Fatalf("stored %+v; want %d open, reported %v, cancelled %v", rec, open(), reported, cancelled)
				}
				if !reported {
					for _, res := range rec.Run.Stages {
						if jobs[res.Stage].state != runner.StateDone {
							t.Fatalf("%s has a result and is %s", res.Stage, jobs[res.Stage].state)
						}
					}
				}
			},
		})
	})
}
