package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// patience is how long a test waits for something that takes under a second. It is no
// measurement: machines that test are busy.
const patience = 30 * time.Second

type jobHandler = func(ctx context.Context, run int64, stage string, attempt int) error

// start serves all queues until the returned function is called, which waits for the end.
func start(t *testing.T, s *store.Store, h store.Handlers) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Work(ctx, h, map[string]int{build: 2, bench: 1}) }()
	return sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("Work does not end")
		}
	})
}

// serve works until the given number of runs is reported. Their reports say success if
// every stage does.
func serve(t *testing.T, s *store.Store, job jobHandler, runs int) {
	t.Helper()
	reported := make(chan int64, 1000)
	stop := start(t, s, store.Handlers{Job: job, Report: func(ctx context.Context, run int64) error {
		if err := conclude(ctx, s, run); err != nil {
			return err
		}
		reported <- run
		return nil
	}})
	defer stop()
	for range runs {
		wait(t, reported)
	}
}

func conclude(ctx context.Context, s *store.Store, run int64) error {
	rec, err := s.Run(ctx, run)
	if err != nil {
		return err
	}
	var vs []runner.Verdict
	for _, res := range rec.Run.Stages {
		vs = append(vs, res.Verdict)
	}
	rec.Run.Verdict = runner.Worst(vs...)
	_, err = s.FinishRun(ctx, store.Final{Run: rec.Run, Messages: []publish.Message{{Key: fmt.Sprint("run ", run), Seq: run}}})
	return err
}

func wait[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("waited in vain")
	}
	panic("unreachable")
}

// A run goes through the queue, is reported and posted about; so is what another process has
// to say when the poster is about to rest.
func work(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	other, _ := Open(t, o, "other")
	posted := make(chan publish.Item, 10)
	stop := start(t, s, store.Handlers{
		Job: func(ctx context.Context, run int64, stage string, attempt int) error {
			job, _, ok, err := s.Claim(ctx, run, stage, attempt)
			if err != nil || !ok {
				return fmt.Errorf("claim: %v, %w", ok, err)
			}
			_, err = s.Finish(ctx, job, runner.Result{Verdict: runner.Success})
			return err
		},
		Report: func(ctx context.Context, run int64) error { return conclude(ctx, s, run) },
		Post: func(ctx context.Context) error {
			items, err := s.Pending(ctx, time.Now())
			for _, it := range items {
				err = errors.Join(err, s.MarkPosted(ctx, it, "42", time.Now()))
				if it.Key != "late" {
					err = errors.Join(err, other.PutMessages(ctx, 0, publish.Message{Key: "late"}))
				}
				posted <- it
			}
			return err
		},
	})
	defer stop()
	// Enqueued by another process while this one waits.
	run := create(t, other, push("main", "aaa"))
	if it := wait(t, posted); it.Key != fmt.Sprint("run ", run) {
		t.Errorf("posted %+v", it)
	}
	ended := time.Now()
	if it := wait(t, posted); it.Key != "late" || time.Since(ended) > 20*time.Second {
		t.Errorf("posted %+v after %s", it, time.Since(ended))
	}
	stop()
	if rec := wantState(t, s, run, runner.StateDone); rec.Run.Verdict != runner.Success {
		t.Errorf("verdict %s", rec.Run.Verdict)
	}
	if id, err := s.RemoteID(t.Context(), fmt.Sprint("run ", run)); id != "42" || err != nil {
		t.Errorf("remote id %q, %v", id, err)
	}
}

// A newer head reaches the children of the older one, from this and from another process.
func supersedeRunning(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	other, _ := Open(t, o, "other")
	started := make(chan int64, 10)
	causes := make(chan error, 10)
	reported := make(chan int64, 10)
	stop := start(t, s, store.Handlers{
		Job: func(ctx context.Context, run int64, stage string, attempt int) error {
			if _, _, ok, err := s.Claim(ctx, run, stage, attempt); err != nil || !ok {
				return err
			}
			started <- run
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return ctx.Err()
		},
		Report: func(ctx context.Context, run int64) error {
			defer func() { reported <- run }()
			return conclude(ctx, s, run)
		},
	})
	defer stop()
	for i, by := range []*store.Store{s, other} {
		n := push("main", fmt.Sprint("old", i))
		n.Stages = n.Stages[:1]
		old := create(t, s, n)
		wait(t, started)
		n.Commit.SHA = fmt.Sprint("new", i)
		n.Stages[0].Queue = "nobody-serves-it"
		create(t, by, n)
		if cause := wait(t, causes); !errors.Is(cause, runner.ErrSuperseded) {
			t.Errorf("cause %v", cause)
		}
		if run := wait(t, reported); run != old {
			t.Errorf("run %d was reported, want %d", run, old)
		}
		wantState(t, s, old, runner.StateSuperseded)
		// Makes room for the next round: the queued one ends, too.
		n.Commit.SHA = "next"
		if err := s.Cancel(t.Context(), old+1, runner.StateCancelled, ""); err != nil {
			t.Fatal(err)
		}
		wait(t, reported)
	}
}

// An agent that stops gives its jobs back; the next one goes on with them.
func stopAndResume(t *testing.T, o store.Options) {
	s, shut := Open(t, o, "one")
	n := push("main", "aaa")
	n.Stages = n.Stages[:1]
	run := create(t, s, n)
	started := make(chan bool, 1)
	causes := make(chan error, 1)
	stop := start(t, s, store.Handlers{
		Job: func(ctx context.Context, run int64, stage string, attempt int) error {
			if _, _, ok, err := s.Claim(ctx, run, stage, attempt); err != nil || !ok {
				return err
			}
			started <- true
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return context.Cause(ctx)
		},
		Report: func(context.Context, int64) error { return nil },
	})
	wait(t, started)
	stop()
	if cause := wait(t, causes); !errors.Is(cause, store.ErrStopping) {
		t.Errorf("cause %v", cause)
	}
	shut()
	next, _ := Open(t, o, "two")
	if n, err := next.Recover(t.Context()); n != 0 || err != nil {
		t.Errorf("%d things were left behind, %v", n, err)
	}
	attempts := make(chan int, 10)
	serve(t, next, func(ctx context.Context, run int64, stage string, attempt int) error {
		job, _, ok, err := next.Claim(ctx, run, stage, attempt)
		if err != nil || !ok {
			return err
		}
		attempts <- attempt
		_, err = next.Finish(ctx, job, runner.Result{Verdict: runner.Success})
		return err
	}, 1)
	if a := wait(t, attempts); a != 2 || len(attempts) != 0 {
		t.Errorf("attempt %d, and %d more", a, len(attempts))
	}
	wantState(t, next, run, runner.StateDone)
}

// Handlers that fail, panic or forget to finish: three attempts, then an error, never a
// run that hangs and never a success.
func badHandlers(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	n := push("main", "aaa")
	run := create(t, s, n)
	var mu sync.Mutex
	tries := map[string]int{}
	var reports int
	reported := make(chan bool, 10)
	stop := start(t, s, store.Handlers{
		Job: func(ctx context.Context, run int64, stage string, attempt int) error {
			mu.Lock()
			tries[stage]++
			mu.Unlock()
			if stage == runner.StageBench {
				panic("no such thing")
			}
			if _, _, ok, err := s.Claim(ctx, run, stage, attempt); err != nil || !ok {
				return err
			}
			return nil
		},
		Report: func(ctx context.Context, run int64) error {
			mu.Lock()
			reports++
			first := reports == 1
			mu.Unlock()
			if first {
				panic("the report is broken")
			}
			defer func() { reported <- true }()
			return conclude(ctx, s, run)
		},
	})
	defer stop()
	wait(t, reported)
	stop()
	rec := wantState(t, s, run, runner.StateDone)
	for stage, want := range map[string]string{runner.StageProofs: "without storing a result", runner.StageBench: "no such thing"} {
		res := rec.Run.Stage(stage)
		if tries[stage] != 3 || res == nil || res.Verdict != runner.Error || !strings.Contains(res.Reason, want) {
			t.Errorf("%s after %d attempts: %+v", stage, tries[stage], res)
		}
	}
	if rec.Run.Verdict != runner.Error || reports != 2 {
		t.Errorf("verdict %s after %d reports", rec.Run.Verdict, reports)
	}
}

// Ten thousand queued builds hold up neither another queue nor a report.
func manyQueued(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	runs := 20
	if Race {
		runs = 2 // their number makes no difference to the race detector
	}
	for i := range runs {
		n := store.NewRun{Repo: "pool", Branch: fmt.Sprint("b", i), Commit: runner.Commit{SHA: "aaa"}, Trigger: store.TriggerPush}
		for j := range 500 {
			n.Stages = append(n.Stages, store.NewJob{Stage: fmt.Sprint("s", j), Queue: build, Limit: time.Minute})
		}
		create(t, s, n)
	}
	quick := push("quick", "aaa")
	quick.Stages = quick.Stages[1:]
	run := create(t, s, quick)
	reported := make(chan int64, 1)
	stop := start(t, s, store.Handlers{
		Job: func(ctx context.Context, run int64, stage string, attempt int) error {
			if stage != runner.StageBench {
				<-ctx.Done() // both workers of the queue are busy for good
				return ctx.Err()
			}
			job, _, ok, err := s.Claim(ctx, run, stage, attempt)
			if err != nil || !ok {
				return err
			}
			_, err = s.Finish(ctx, job, runner.Result{Verdict: runner.Success})
			return err
		},
		Report: func(ctx context.Context, run int64) error {
			defer func() { reported <- run }()
			return conclude(ctx, s, run)
		},
	})
	defer stop()
	if got := wait(t, reported); got != run {
		t.Errorf("run %d was reported, want %d", got, run)
	}
}

func outbox(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	now := time.Now()
	put := func(key string, seq int64, body string) {
		t.Helper()
		if err := s.PutMessages(ctx, 0, publish.Message{Key: key, Seq: seq, Body: body, RemoteID: "not stored"}); err != nil {
			t.Fatal(err)
		}
	}
	pending := func(at time.Time) (bodies []string, items []publish.Item) {
		t.Helper()
		items, err := s.Pending(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			bodies = append(bodies, it.Key+it.Body)
		}
		return bodies, items
	}
	want := func(got []string, want ...string) {
		t.Helper()
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("pending %q, want %q", got, want)
		}
	}
	put("a", 5, "old")
	put("b", 1, "x")
	put("a", 7, "new")
	put("a", 6, "late")
	got, items := pending(now)
	want(got, "anew", "bx")
	if got, _ := pending(now); got != nil {
		t.Errorf("handed out twice: %q", got)
	}
	// While "new" is being posted, a newer one comes.
	put("a", 8, "newer")
	if err := s.MarkPosted(ctx, items[0], "17", now); err != nil {
		t.Fatal(err)
	}
	got, items2 := pending(now)
	want(got, "anewer")
	if items2[0].RemoteID != "17" || items[0].RemoteID != "" {
		t.Errorf("remote ids %q, %q", items[0].RemoteID, items2[0].RemoteID)
	}
	if err := s.MarkPosted(ctx, items2[0], "", now); err != nil {
		t.Fatal(err)
	}
	put("a", 8, "newer") // nothing new
	if got, _ := pending(now); got != nil {
		t.Errorf("posted again: %q", got)
	}
	if id, err := s.RemoteID(ctx, "a"); id != "17" || err != nil {
		t.Errorf("remote id %q, %v", id, err)
	}
	// Superseded, and handed back untried.
	if ok, err := s.Current(ctx, items[0]); ok || err != nil {
		t.Errorf("an old message is current: %v, %v", ok, err)
	}
	if ok, err := s.Current(ctx, items[1]); !ok || err != nil {
		t.Errorf("the newest message is not current: %v, %v", ok, err)
	}
	if err := s.Delay(ctx, items, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, _ := pending(now.Add(time.Second)); got != nil {
		t.Errorf("handed out too early: %q", got)
	}
	got, items3 := pending(now.Add(2 * time.Minute))
	want(got, "bx")
	if items3[0].Tries != 0 {
		t.Errorf("a delay counts as %d tries", items3[0].Tries)
	}
	// Failing, waiting, giving up.
	if err := s.MarkFailed(ctx, items[1], "no answer", now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, _ := pending(now.Add(time.Second)); got != nil {
		t.Errorf("tried again too early: %q", got)
	}
	if n, failed, waiting, err := s.Unposted(ctx); err != nil || n != 1 || len(failed) != 0 || len(waiting) != 1 || waiting[0].Reason != "no answer" {
		t.Errorf("unposted %d, %+v, waiting %+v, %v", n, failed, waiting, err)
	}
	got, items = pending(now.Add(2 * time.Minute))
	want(got, "bx")
	if items[0].Tries != 1 {
		t.Errorf("%d tries", items[0].Tries)
	}
	if err := s.MarkFailed(ctx, items[0], "gone", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := pending(now.Add(24 * time.Hour)); got != nil {
		t.Errorf("given up, but handed out: %q", got)
	}
	n, failed, _, err := s.Unposted(ctx)
	if err != nil || n != 0 || len(failed) != 1 || failed[0].Reason != "gone" || failed[0].Tries != 2 {
		t.Errorf("unposted %d, %+v, %v", n, failed, err)
	}
	// A poster that dies gives back what it was handed.
	put("c", 1, "x")
	dead, shut := Open(t, o, "dead")
	run := create(t, dead, push("main", "aaa"))
	claim(t, dead, run, runner.StageProofs, 1)
	if items, err := dead.Pending(ctx, now.Add(time.Hour)); len(items) != 1 || err != nil {
		t.Fatal(items, err)
	}
	shut()
	if _, err := s.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	got, _ = pending(now.Add(time.Hour))
	want(got, "cx")
}

// What was begun and never heard of again is known to whoever takes the message next, until
// it is known what came of it.
func begun(t *testing.T, o store.Options) {
	one, shut := Open(t, o, "one")
	two, _ := Open(t, o, "two")
	ctx := t.Context()
	put := func(seq int64) {
		t.Helper()
		if err := one.PutMessages(ctx, 0, publish.Message{Key: "a", Seq: seq}); err != nil {
			t.Fatal(err)
		}
	}
	take := func(s *store.Store) publish.Item {
		t.Helper()
		items, err := s.Pending(ctx, time.Now())
		if err != nil || len(items) != 1 {
			t.Fatal(items, err)
		}
		return items[0]
	}
	begin := func(s *store.Store, it publish.Item, want bool) {
		t.Helper()
		if ok, err := s.Begin(ctx, it); ok != want || err != nil {
			t.Errorf("begin: %v, %v, want %v", ok, err, want)
		}
	}
	put(1)
	it := take(one)
	if it.Begun != 0 {
		t.Errorf("begun %s ago", it.Begun)
	}
	begin(two, it, false) // not its to post
	begin(one, it, true)
	shut()
	if _, err := two.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	it = take(two)
	if it.Begun <= 0 || it.Begun > time.Minute {
		t.Errorf("begun %s ago", it.Begun)
	}
	one, _ = Open(t, o, "three")
	if err := one.Remember(ctx, it, "another's"); err != nil {
		t.Fatal(err)
	}
	if err := two.Remember(ctx, it, "pending/1"); err != nil {
		t.Fatal(err)
	}
	put(2) // a newer text for the same place: what was begun is that place
	begin(two, it, false)
	if it = take(two); it.Begun <= 0 || it.RemoteID != "pending/1" {
		t.Errorf("forgotten with a newer message: %+v", it)
	}
	begin(two, it, true)
	if err := one.Refused(ctx, it); err != nil { // another's
		t.Fatal(err)
	}
	if err := two.Delay(ctx, []publish.Item{it}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if it = take(two); it.Begun <= 0 {
		t.Error("another process knew better")
	}
	if err := two.Refused(ctx, it); err != nil {
		t.Fatal(err)
	}
	if err := two.Delay(ctx, []publish.Item{it}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if it = take(two); it.Begun != 0 {
		t.Errorf("refused, but begun %s ago", it.Begun)
	}
	begin(two, it, true)
	if err := two.MarkPosted(ctx, it, "7", time.Now()); err != nil {
		t.Fatal(err)
	}
	put(3)
	if it = take(two); it.Begun != 0 || it.RemoteID != "7" {
		t.Errorf("posted: %+v", it)
	}
}

// Two processes keep to one budget, and one that starts anew remembers.
func lane(t *testing.T, o store.Options) {
	ctx := t.Context()
	one, _ := Open(t, o, "one")
	two, shut := Open(t, o, "two")
	b := publish.Budget{Gap: time.Second, Minute: 3, Hour: 4}
	now := time.Now()
	reserve := func(s *store.Store, host string, at time.Duration, want time.Duration) {
		t.Helper()
		if got, err := s.Reserve(ctx, host, b, now.Add(at)); err != nil || (got-want).Abs() > time.Millisecond {
			t.Errorf("at %s: wait %s, %v, want %s", at, got, err, want)
		}
	}
	reserve(one, "h", 0, 0)
	reserve(two, "h", 400*time.Millisecond, 600*time.Millisecond)
	reserve(two, "other", 400*time.Millisecond, 0)
	reserve(two, "h", time.Second, 0)
	reserve(one, "h", 10*time.Second, 0)
	reserve(one, "h", 20*time.Second, 40*time.Second)
	shut()
	again, _ := Open(t, o, "again")
	reserve(again, "h", 60*time.Second, 0)
	reserve(again, "h", 10*time.Minute, 50*time.Minute)
	// The clock was a day ahead and is put right.
	reserve(again, "h", 24*time.Hour, 0)
	reserve(again, "h", 12*time.Hour, 0)
}

// A rate limit that one process met is known to others, and to those that start later, for as
// long as it lasts.
func holds(t *testing.T, o store.Options) {
	one, shut := Open(t, o, "one")
	ctx := t.Context()
	hold := func(who, payer string, d time.Duration) {
		t.Helper()
		if err := one.Hold(ctx, who, payer, d); err != nil {
			t.Fatal(err)
		}
	}
	hold("h 1", "*", time.Minute)
	hold("h 1", "*", time.Second) // a shorter one changes nothing
	hold("h 1", "acme", time.Hour)
	hold("h 1", "", 0)
	hold("h 2", "*", 2*time.Hour)
	shut()
	two, _ := Open(t, o, "two")
	got, err := two.Held(ctx, "h 1")
	if err != nil || len(got) != 2 || got["*"] > time.Minute || got["*"] < 30*time.Second || got["acme"] > time.Hour || got["acme"] < 59*time.Minute {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := two.Held(ctx, "h 3"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}
