package agent

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// An agent that has had nothing to do for a while measures a good commit twice, once in a
// while; a tick of [truth] does, too, once. Neither says anything on GitHub.
func TestIdleMeasuresTruth(t *testing.T) {
	a := newAgentTest(t)
	a.fake.AddRepo("acme/pool", a.commit())
	ctx := t.Context()
	a.app.cfg.Truth.Idle, a.app.cfg.Truth.Every = time.Minute, time.Hour
	now := time.Now()
	look := func(since time.Time, at time.Duration) time.Time {
		t.Helper()
		since, err := a.app.lookIdle(ctx, since, now.Add(at))
		if err != nil {
			t.Fatal(err)
		}
		return since
	}
	runs := func() int {
		t.Helper()
		list, err := a.app.store.Runs(ctx, store.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if since := look(now, time.Hour); since.IsZero() || runs() != 0 {
		t.Errorf("nothing good was measured yet, and there are %d runs", runs())
	}
	a.measure()
	if err := a.app.deliver(ctx); err != nil {
		t.Fatal(err)
	}
	posted := len(a.fake.Requests())
	since := look(time.Time{}, 0)
	if since = look(since, 59*time.Second); since.IsZero() || runs() != 1 {
		t.Errorf("idle for 59 s: since %v, %d runs", since, runs())
	}
	if since = look(since, 61*time.Second); !since.IsZero() || runs() != 3 {
		t.Errorf("idle for 61 s: since %v, %d runs", since, runs())
	}
	if since = look(now, time.Hour); !since.IsZero() {
		t.Error("idle with work in the queue")
	}
	stop := a.serve()
	defer stop()
	place := a.app.here(ctx, &a.app.cfg.Repositories[0])
	compared := func(n int) {
		t.Helper()
		if !until(func() bool {
			l, err := a.app.ledger(ctx, place)
			return err == nil && l.Compared == n
		}) {
			l, err := a.app.ledger(ctx, place)
			t.Fatalf("want %d comparisons: %+v, %v", n, l, err)
		}
	}
	compared(1)
	if look(now, 59*time.Minute); runs() != 3 {
		t.Errorf("again within the hour: %d runs", runs())
	}
	due := time.Date(2026, 11, 23, 4, 15, 0, 0, time.UTC)
	for range 2 {
		if err := a.app.fire(ctx, truthEntry, due); err != nil {
			t.Fatal(err)
		}
	}
	compared(2)
	if runs() != 5 {
		t.Errorf("a tick that came twice: %d runs", runs())
	}
	for _, r := range a.fake.Requests()[posted:] {
		if strings.HasPrefix(r, "POST") || strings.HasPrefix(r, "PATCH") {
			t.Errorf("an A/A said something: %s", r)
		}
	}
	// Where the machine is another one in between, there is no pair.
	n, _, err := a.app.newAA(ctx, &a.app.cfg.Repositories[0])
	if err != nil {
		t.Fatal(err)
	}
	n.Direct = true
	first, second, _, err := a.app.store.CreateAA(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	for i, run := range []int64{first, second} {
		a.app.machine.Build = []string{"24G90", "24G120"}[i]
		if err := a.app.work(ctx, run, runner.StageBench, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := a.app.finish(context.WithoutCancel(ctx), run); err != nil {
			t.Fatal(err)
		}
	}
	compared(2)
}
