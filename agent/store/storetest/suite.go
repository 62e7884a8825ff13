package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// Conformance is what every engine must do alike.
func Conformance(t *testing.T, e Engine) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, o store.Options)
	}{
		{"Lifecycle", lifecycle},
		{"DuplicateTick", duplicateTick},
		{"Heads", heads},
		{"RacingClaims", racingClaims},
		{"Fencing", fencing},
		{"Cancel", cancelRun},
		{"Rollback", rollback},
		{"BadRuns", badRuns},
		{"Outbox", outbox},
		{"Begun", begun},
		{"Lane", lane},
		{"Holds", holds},
		{"Direct", direct},
		{"HostileText", hostileText},
		{"Marks", marks},
		{"History", history},
		{"Baselines", baselines},
		{"Bisections", bisections},
		{"Commands", commands},
		{"Truth", truth},
		{"Proofs", proofs},
		{"BuildTimes", buildTimes},
		{"Checks", checks},
		{"Work", work},
		{"SupersedeRunning", supersedeRunning},
		{"StopAndResume", stopAndResume},
		{"BadHandlers", badHandlers},
		{"ManyQueued", manyQueued},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, e.New(t))
		})
	}
}

const (
	build = "build"
	bench = "bench"
)

func push(branch, sha string) store.NewRun {
	return store.NewRun{
		Repo: "pool", Branch: branch, Commit: runner.Commit{SHA: sha}, Trigger: store.TriggerPush,
		Stages: []store.NewJob{{Stage: runner.StageProofs, Queue: build, Limit: time.Minute}, {Stage: runner.StageBench, Queue: bench, Limit: time.Minute}},
	}
}

func create(t *testing.T, s *store.Store, n store.NewRun) int64 {
	t.Helper()
	run, created, err := s.CreateRun(t.Context(), n)
	if err != nil || !created {
		t.Fatalf("CreateRun: run %d, created %v, %v", run, created, err)
	}
	return run
}

func claim(t *testing.T, s *store.Store, run int64, stage string, attempt int) store.Job {
	t.Helper()
	job, _, ok, err := s.Claim(t.Context(), run, stage, attempt)
	if err != nil || !ok {
		t.Fatalf("Claim %s of run %d, attempt %d: %v, %v", stage, run, attempt, ok, err)
	}
	return job
}

func finish(t *testing.T, s *store.Store, job store.Job) (last bool) {
	t.Helper()
	last, err := s.Finish(t.Context(), job, runner.Result{Verdict: runner.Success})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func state(t *testing.T, s *store.Store, run int64) store.Record {
	t.Helper()
	rec, err := s.Run(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func wantState(t *testing.T, s *store.Store, run int64, want string) store.Record {
	t.Helper()
	rec := state(t, s, run)
	if rec.Run.State != want {
		t.Errorf("run %d is %s, want %s", run, rec.Run.State, want)
	}
	return rec
}

func lifecycle(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	n := push("main", "aaa")
	n.Commit.Subject, n.Base.SHA = "add a lemma", "base"
	n.HeadRef, n.HeadMark = "refs/heads/main", "aaa"
	n.Messages = func(run int64) []publish.Message {
		return []publish.Message{{Key: "status", Seq: run * 8, Kind: publish.KindStatus, State: "pending"}}
	}
	run := create(t, s, n)
	rec := wantState(t, s, run, runner.StateQueued)
	if run != 1 || rec.Open != 2 || !rec.Messages || rec.Reported || rec.Created.IsZero() || rec.Run.Commit.Subject != "add a lemma" || rec.Run.Base.SHA != "base" {
		t.Errorf("run %d is stored as %+v", run, rec)
	}
	if mark, err := s.HeadMark(ctx, "pool", "refs/heads/main"); mark != "aaa" || err != nil {
		t.Errorf("head mark %q, %v", mark, err)
	}
	// Claimed in another order than stored; stages come back in the order given.
	if job := claim(t, s, run, runner.StageBench, 1); job.Queue != bench || job.Limit != time.Minute {
		t.Errorf("claimed %+v", job)
	} else if finish(t, s, job) {
		t.Error("the first of two jobs was the last")
	}
	if ok, err := s.FinishRun(ctx, store.Final{Run: runner.Run{Number: run, Verdict: runner.Success}}); ok || err != nil {
		t.Errorf("a run with an open stage was finished: %v, %v", ok, err)
	}
	rec = wantState(t, s, run, runner.StateRunning)
	if rec.Run.Started.IsZero() || len(rec.Run.Stages) != 1 {
		t.Errorf("running: %+v", rec.Run)
	}
	job := claim(t, s, run, runner.StageProofs, 1)
	if !finish(t, s, job) {
		t.Error("the last job was not the last")
	}
	if _, err := s.Finish(ctx, job, runner.Result{Verdict: runner.Success}); !errors.Is(err, store.ErrStale) {
		t.Errorf("finishing twice: %v", err)
	}
	rec = state(t, s, run)
	if rec.Run.Stages[0].Stage != runner.StageProofs || rec.Run.Stages[1].Stage != runner.StageBench {
		t.Errorf("stages in the order %+v", rec.Run.Stages)
	}
	if _, err := s.FinishRun(ctx, store.Final{Run: rec.Run}); err == nil {
		t.Error("a run without a verdict was finished")
	}
	final := rec.Run
	final.Verdict, final.Reason = runner.Failure, "a proof broke"
	f := store.Final{Run: final, Judgement: json.RawMessage(`{"a":1}`), Messages: []publish.Message{{Key: "status", Seq: run*8 + 2, State: "failure"}}}
	if ok, err := s.FinishRun(ctx, f); !ok || err != nil {
		t.Fatalf("FinishRun: %v, %v", ok, err)
	}
	f.Run.Verdict = runner.Success
	f.Messages[0].Seq++
	if ok, err := s.FinishRun(ctx, f); ok || err != nil {
		t.Errorf("a run was finished twice: %v, %v", ok, err)
	}
	rec = wantState(t, s, run, runner.StateDone)
	if !rec.Reported || rec.Run.Verdict != runner.Failure || string(rec.Judgement) != `{"a":1}` || rec.Run.Finished.IsZero() {
		t.Errorf("finished run: %+v", rec)
	}
	items, err := s.Pending(ctx, time.Now())
	if err != nil || len(items) != 1 || items[0].State != "failure" || items[0].Seq != run*8+2 {
		t.Errorf("outbox: %+v, %v", items, err)
	}
	list, err := s.Runs(ctx, store.Filter{Repo: "pool", Branch: "main"})
	if err != nil || len(list) != 1 || list[0].Verdict != runner.Failure || list[0].Reason != "a proof broke" {
		t.Errorf("Runs: %+v, %v", list, err)
	}
	if last, ok, err := s.LastRun(ctx, "pool", "main", 0); err != nil || !ok || last.Run.Number != run {
		t.Errorf("LastRun: %+v, %v, %v", last, ok, err)
	}
	if _, ok, err := s.LastRun(ctx, "pool", "main", run); err != nil || ok {
		t.Errorf("LastRun before the first: %v, %v", ok, err)
	}
	if _, err := s.Run(ctx, 99); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a run that does not exist: %v", err)
	}
}

// Twenty schedulers in two processes race for one tick.
func duplicateTick(t *testing.T, o store.Options) {
	one, _ := Open(t, o, "one")
	two, _ := Open(t, o, "two")
	n := push("main", "aaa")
	n.Trigger, n.Schedule, n.Due = "schedule nightly", "nightly", time.Unix(1000, 0)
	var mu sync.Mutex
	var wins int
	var numbers []int64
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			s := one
			if i%2 == 1 {
				s = two
			}
			run, created, err := s.CreateRun(t.Context(), n)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			numbers = append(numbers, run)
			if created {
				wins++
			}
		})
	}
	wg.Wait()
	if wins != 1 || slices.Max(numbers) != 1 || slices.Min(numbers) != 1 {
		t.Errorf("%d of 20 created a run, numbers %v", wins, numbers)
	}
	n.Due = n.Due.Add(time.Hour)
	if run := create(t, one, n); run != 2 {
		t.Errorf("the next tick has run %d", run)
	}
	n.Repo = "other"
	if run := create(t, one, n); run != 3 {
		t.Errorf("the same tick for another repository has run %d", run)
	}
}

func heads(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	a := create(t, s, push("main", "aaa"))
	if run, created, err := s.CreateRun(ctx, push("main", "aaa")); run != a || created || err != nil {
		t.Errorf("the same head again: %d, %v, %v", run, created, err)
	}
	other := create(t, s, push("dev", "aaa"))
	pull := push("main", "ccc")
	pull.Trigger, pull.PullRequest = store.TriggerPullRequest, 7
	p := create(t, s, pull)
	byHand := push("main", "aaa")
	byHand.Trigger = store.TriggerCommand
	hand := create(t, s, byHand)

	job := claim(t, s, a, runner.StageProofs, 1)
	b := create(t, s, push("main", "bbb"))
	rec := wantState(t, s, a, runner.StateSuperseded)
	if rec.Open != 0 || !strings.Contains(rec.Run.Reason, "bbb") {
		t.Errorf("superseded: %+v", rec)
	}
	for _, run := range []int64{other, p, hand} {
		wantState(t, s, run, runner.StateQueued)
	}
	if _, err := s.Finish(ctx, job, runner.Result{Verdict: runner.Success}); !errors.Is(err, store.ErrStale) {
		t.Errorf("finishing a superseded job: %v", err)
	}
	if _, _, ok, err := s.Claim(ctx, a, runner.StageBench, 1); ok || err != nil {
		t.Errorf("claiming a superseded job: %v, %v", ok, err)
	}
	// The branch is set back: the head that was superseded is examined after all.
	c := create(t, s, push("main", "aaa"))
	wantState(t, s, b, runner.StateSuperseded)
	for _, stage := range []string{runner.StageProofs, runner.StageBench} {
		finish(t, s, claim(t, s, c, stage, 1))
	}
	final := state(t, s, c).Run
	final.Verdict = runner.Success
	if ok, err := s.FinishRun(ctx, store.Final{Run: final}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	// Forth and back again: nothing new to examine, but what came between is out of date.
	d := create(t, s, push("main", "ddd"))
	if run, created, err := s.CreateRun(ctx, push("main", "aaa")); run != c || created || err != nil {
		t.Errorf("a head that is done: %d, %v, %v", run, created, err)
	}
	wantState(t, s, d, runner.StateSuperseded)
	wantState(t, s, c, runner.StateDone)
}

func racingClaims(t *testing.T, o store.Options) {
	one, _ := Open(t, o, "one")
	two, _ := Open(t, o, "two")
	run := create(t, one, push("main", "aaa"))
	wins := make(chan *store.Store, 20)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			s := one
			if i%2 == 1 {
				s = two
			}
			if _, _, ok, err := s.Claim(t.Context(), run, runner.StageProofs, 1); err != nil {
				t.Error(err)
			} else if ok {
				wins <- s
			}
		})
	}
	wg.Wait()
	if len(wins) != 1 {
		t.Errorf("%d claims of one job succeeded", len(wins))
	}
}

func fencing(t *testing.T, o store.Options) {
	ctx := t.Context()
	dead, shut := Open(t, o, "dead")
	live, _ := Open(t, o, "live")
	run := create(t, dead, push("main", "aaa"))
	old := claim(t, dead, run, runner.StageProofs, 1)
	if n, err := live.Recover(ctx); n != 0 || err != nil {
		t.Errorf("took %d things from a living process: %v", n, err)
	}
	shut() // ends without finishing
	if n, err := live.Recover(ctx); n != 1 || err != nil {
		t.Fatalf("recovered %d, %v", n, err)
	}
	if n, err := live.Recover(ctx); n != 0 || err != nil {
		t.Errorf("recovered %d again, %v", n, err)
	}
	if _, _, ok, _ := live.Claim(ctx, run, runner.StageProofs, 1); ok {
		t.Error("the old attempt was claimed again")
	}
	again := claim(t, live, run, runner.StageProofs, 2)
	// The dead one was only slow, or comes back under its old name.
	zombie, _ := Open(t, o, "dead")
	for _, job := range []store.Job{old, again} {
		if _, err := zombie.Finish(ctx, job, runner.Result{Verdict: runner.Failure}); !errors.Is(err, store.ErrStale) {
			t.Errorf("attempt %d finished by the wrong process: %v", job.Attempt, err)
		}
	}
	if _, err := live.Finish(ctx, old, runner.Result{Verdict: runner.Failure}); !errors.Is(err, store.ErrStale) {
		t.Errorf("the old attempt was finished: %v", err)
	}
	finish(t, live, again)
	rec := state(t, live, run)
	if res := rec.Run.Stage(runner.StageProofs); res == nil || res.Verdict != runner.Success {
		t.Errorf("result: %+v", res)
	}
}

func cancelRun(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	run := create(t, s, push("main", "aaa"))
	job := claim(t, s, run, runner.StageProofs, 1)
	if err := s.Cancel(ctx, run, runner.StateDone, ""); err == nil {
		t.Error("cancelled into the state done")
	}
	if err := s.Cancel(ctx, 99, runner.StateCancelled, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("cancelled a run that does not exist: %v", err)
	}
	for range 2 {
		if err := s.Cancel(ctx, run, runner.StateCancelled, "by hand"); err != nil {
			t.Fatal(err)
		}
	}
	if rec := wantState(t, s, run, runner.StateCancelled); rec.Run.Reason != "by hand" || rec.Open != 0 || rec.Run.Finished.IsZero() {
		t.Errorf("cancelled: %+v", rec)
	}
	if _, err := s.Finish(ctx, job, runner.Result{Verdict: runner.Success}); !errors.Is(err, store.ErrStale) {
		t.Errorf("finishing a cancelled job: %v", err)
	}
	// The report of a cancelled run cannot make it green.
	ok, err := s.FinishRun(ctx, store.Final{Run: runner.Run{Number: run, State: runner.StateDone, Verdict: runner.Success}})
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if rec := wantState(t, s, run, runner.StateCancelled); rec.Run.Reason != "by hand" {
		t.Errorf("reason %q", rec.Run.Reason)
	}
	if _, ok, _ := s.LastRun(ctx, "pool", "main", 0); ok {
		t.Error("a cancelled run counts as the last one")
	}
	// Too late: all its stages are done.
	run = create(t, s, push("main", "bbb"))
	for _, stage := range []string{runner.StageProofs, runner.StageBench} {
		finish(t, s, claim(t, s, run, stage, 1))
	}
	if err := s.Cancel(ctx, run, runner.StateCancelled, ""); err != nil {
		t.Error(err)
	}
	wantState(t, s, run, runner.StateRunning)
}

// A transaction that is rolled back leaves nothing: no run, no job in the queue, no mark.
func rollback(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	n := push("main", "aaa")
	n.HeadRef, n.HeadMark = "refs/heads/main", "aaa"
	n.Schedule, n.Due = "nightly", time.Unix(1000, 0)
	n.Messages = func(int64) []publish.Message { return []publish.Message{{Key: ""}} }
	if _, _, err := s.CreateRun(t.Context(), n); err == nil {
		t.Fatal("a message without a key was stored")
	}
	if list, err := s.Runs(t.Context(), store.Filter{}); len(list) != 0 || err != nil {
		t.Errorf("runs: %v, %v", list, err)
	}
	if mark, err := s.HeadMark(t.Context(), "pool", "refs/heads/main"); mark != "" || err != nil {
		t.Errorf("head mark %q, %v", mark, err)
	}
	n.Messages = nil
	n.Commit.SHA = "bbb"
	if run := create(t, s, n); run != 1 {
		t.Errorf("run %d after a rollback: a number is lost", run)
	}
	var mu sync.Mutex
	var seen []string
	serve(t, s, func(ctx context.Context, run int64, stage string, attempt int) error {
		job, r, ok, err := s.Claim(ctx, run, stage, attempt)
		if err != nil || !ok {
			return fmt.Errorf("claim: %v, %w", ok, err)
		}
		mu.Lock()
		seen = append(seen, r.Commit.SHA+" "+stage)
		mu.Unlock()
		_, err = s.Finish(ctx, job, runner.Result{Verdict: runner.Success})
		return err
	}, 1)
	slices.Sort(seen)
	if !slices.Equal(seen, []string{"bbb bench", "bbb proofs"}) {
		t.Errorf("worked on %q", seen)
	}
}

func badRuns(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	for name, spoil := range map[string]func(*store.NewRun){
		"no repository": func(n *store.NewRun) { n.Repo = "" },
		"no commit":     func(n *store.NewRun) { n.Commit.SHA = "" },
		"no trigger":    func(n *store.NewRun) { n.Trigger = "" },
		"no stages":     func(n *store.NewRun) { n.Stages = nil },
		"stage twice":   func(n *store.NewRun) { n.Stages[1].Stage = n.Stages[0].Stage },
		"no limit":      func(n *store.NewRun) { n.Stages[0].Limit = 0 },
		"endless limit": func(n *store.NewRun) { n.Stages[0].Limit = store.MaxLimit + 1 },
		"odd queue":     func(n *store.NewRun) { n.Stages[0].Queue = "Bench M4" },
		"our own queue": func(n *store.NewRun) { n.Stages[0].Queue = "report" },
		"no due time":   func(n *store.NewRun) { n.Schedule = "nightly" },
	} {
		n := push("main", "aaa")
		spoil(&n)
		if run, _, err := s.CreateRun(t.Context(), n); err == nil {
			t.Errorf("%s: created run %d", name, run)
		}
	}
	run := create(t, s, push("main", "aaa"))
	if _, err := s.Finish(t.Context(), claim(t, s, run, runner.StageProofs, 1), runner.Result{}); err == nil {
		t.Error("a result without a verdict was stored")
	}
	if _, err := store.Open(t.Context(), store.Options{}); err == nil {
		t.Error("opened nothing")
	}
}

func direct(t *testing.T, o store.Options) {
	ctx := t.Context()
	s, shut := Open(t, o, "cli")
	agent, _ := Open(t, o, "agent")
	n := push("main", "aaa")
	n.Trigger, n.Direct = store.TriggerCommand, true
	n.Stages[0].Queue, n.Stages[1].Queue = "", ""
	whole := create(t, s, n)
	for _, stage := range []string{runner.StageProofs, runner.StageBench} {
		finish(t, s, claim(t, s, whole, stage, 1))
	}
	stopped := create(t, s, n)
	finish(t, s, claim(t, s, stopped, runner.StageProofs, 1))
	// Ctrl-C: the process itself concludes the run with a stage left.
	rec := state(t, s, stopped)
	rec.Run.State = runner.StateCancelled
	if ok, err := s.FinishRun(ctx, store.Final{Run: rec.Run}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	wantState(t, s, stopped, runner.StateCancelled)
	left := create(t, s, n)
	claim(t, s, left, runner.StageProofs, 1)
	if got, err := agent.Recover(ctx); got != 0 || err != nil {
		t.Errorf("took %d things from a living command: %v", got, err)
	}
	rec = state(t, s, whole)
	rec.Run.Verdict = runner.Success
	if ok, err := s.FinishRun(ctx, store.Final{Run: rec.Run}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	shut()
	if got, err := agent.Recover(ctx); got != 1 || err != nil {
		t.Errorf("recovered %d, %v", got, err)
	}
	rec = wantState(t, agent, left, runner.StateCancelled)
	if rec.Run.Reason != "the process ended" || rec.Reported || !rec.Direct {
		t.Errorf("left by a dead command: %+v", rec)
	}
	// Nobody works on it, but it is reported.
	serve(t, agent, func(context.Context, int64, string, int) error {
		t.Error("a job of a direct run was handed out")
		return nil
	}, 1)
}

func hostileText(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	n := push("a\x00b\xff'; drop table run; --", "aaa")
	n.Commit.Subject = "\x00\xff\u202e"
	n.HeadRef, n.HeadMark = "refs/heads/\xff", "a\x00"
	run := create(t, s, n)
	other := n
	other.Branch += "\" \"x"
	create(t, s, other)
	wantState(t, s, run, runner.StateQueued)
	if again, created, err := s.CreateRun(t.Context(), n); again != run || created || err != nil {
		t.Errorf("the same hostile head: %d, %v, %v", again, created, err)
	}
	job := claim(t, s, run, runner.StageProofs, 1)
	text := "NUL \x00 invalid \xff\xfe $1 ? \\u0000 ' \""
	if _, err := s.Finish(t.Context(), job, runner.Result{Verdict: runner.Failure, Reason: text}); err != nil {
		t.Fatal(err)
	}
	rec := state(t, s, run)
	res := rec.Run.Stage(runner.StageProofs)
	if res == nil || !strings.HasPrefix(res.Reason, "NUL \x00 invalid \ufffd") {
		t.Errorf("result: %+v", res)
	}
	if _, err := s.HeadMark(t.Context(), "pool", "refs/heads/\xff"); err != nil {
		t.Error(err)
	}
}

func marks(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	for _, mark := range []string{"", "a", "b"} {
		if mark != "" {
			if err := s.SetHead(ctx, "pool", "refs/heads/main", mark); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.HeadMark(ctx, "pool", "refs/heads/main"); got != mark || err != nil {
			t.Errorf("head mark %q, %v, want %q", got, err, mark)
		}
	}
	if etag, value, err := s.ETag(ctx, "u"); etag != "" || value != nil || err != nil {
		t.Errorf("an unknown URL: %q, %q, %v", etag, value, err)
	}
	for _, value := range []string{"x", "", "\x00\xff binary"} {
		if err := s.SetETag(ctx, "u", `W/"1"`, []byte(value)); err != nil {
			t.Fatal(err)
		}
		if etag, got, err := s.ETag(ctx, "u"); etag != `W/"1"` || string(got) != value || err != nil {
			t.Errorf("ETag: %q, %q, %v", etag, got, err)
		}
	}
}

func history(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	measure := func(class, settings string, pull int, serves bool, value float64) int64 {
		t.Helper()
		n := push("main", fmt.Sprint("sha", value))
		n.Trigger, n.PullRequest, n.Stages = store.TriggerCommand, pull, n.Stages[1:]
		run := create(t, s, n)
		res := runner.Result{Verdict: runner.Success, Bench: &runner.Bench{
			Backend: "cpu",
			Samples: []runner.Sample{{Name: "multi-queue", Unit: "ops/s", Values: []float64{value}}},
		}}
		if _, err := s.Finish(ctx, claim(t, s, run, runner.StageBench, 1), res); err != nil {
			t.Fatal(err)
		}
		final := state(t, s, run).Run
		final.Verdict, final.Machine.Class = runner.Success, class
		if ok, err := s.FinishRun(ctx, store.Final{Run: final, Serves: serves, Settings: settings}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		return run
	}
	first := measure("m4", "5", 0, true, 1)
	measure("m1", "5", 0, true, 2)               // another class
	measure("m4", "9", 0, true, 3)               // another configuration
	regressed := measure("m4", "5", 0, false, 4) // or could not tell
	measure("m4", "5", 7, true, 5)               // a pull request
	second := measure("m4", "5", 0, true, 6)
	place := store.Place{Kind: store.KindBench, Repo: "pool", Class: "m4", Settings: "5"}
	past, err := s.History(ctx, place, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, p := range past {
		got = append(got, p.Run)
		if len(p.Samples) != 1 || p.Commit.SHA != fmt.Sprint("sha", p.Samples[0].Values[0]) {
			t.Errorf("past run %+v", p)
		}
	}
	if !slices.Equal(got, []int64{second, first}) {
		t.Errorf("history is runs %v, want %d and %d", got, second, first)
	}
	if past, err = s.History(ctx, place, 1); err != nil || len(past) != 1 || past[0].Run != second {
		t.Errorf("the newest: %v, %v", past, err)
	}
	// What is searched for changes of level is all that the branch measured.
	for before, want := range map[int64][]int64{0: {first, regressed, second}, second: {first, regressed}} {
		all, err := s.Histories(ctx, place, "main", before)
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, h := range all.All() {
			for _, r := range h.Readings {
				got = append(got, r.Run)
				if r.Commit != fmt.Sprint("sha", r.Median) || r.At.IsZero() {
					t.Errorf("reading %+v", r)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("before %d: readings of runs %v, want %v", before, got, want)
		}
	}
	if all, err := s.Histories(ctx, place, "topic", 0); err != nil || len(all.All()) != 0 {
		t.Errorf("of another branch: %+v, %v", all, err)
	}
}
