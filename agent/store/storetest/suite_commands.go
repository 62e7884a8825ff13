package storetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

func pull(sha, trigger string) store.NewRun {
	return store.NewRun{
		Repo: "pool", Branch: "change", PullRequest: 7, Commit: runner.Commit{SHA: sha}, Trigger: trigger,
		Stages: []store.NewJob{{Stage: runner.StageChecks, Queue: build, Limit: 1e9}},
	}
}

// A command is bound to what was the head when it was seen first, starts one run however
// many processes do it, and is ended once, with its messages.
func commands(t *testing.T, o store.Options) {
	one, shut := Open(t, o, "one")
	defer shut()
	two, shutTwo := Open(t, o, "two")
	defer shutTwo()
	ctx := t.Context()
	first, _, err := one.CreateRun(ctx, pull("aaa", store.TriggerPullRequest))
	if err != nil {
		t.Fatal(err)
	}
	c := store.Command{Repo: "pool", Comment: 41, Pull: 7, Author: "mara", Verb: "rerun", Text: "/holdfast rerun", SHA: "aaa"}
	begun, err := one.BeginCommand(ctx, c)
	if err != nil || begun.UpTo != first || begun.Done {
		t.Fatalf("%+v, %v", begun, err)
	}
	if again, err := one.BeginCommand(ctx, c); err != nil || again.Elsewhere {
		t.Errorf("not for who began it: %+v, %v", again, err)
	}
	c.SHA = "bbb"
	if again, err := two.BeginCommand(ctx, c); err != nil || again.SHA != "aaa" || !again.Elsewhere {
		t.Errorf("seen again it is %+v, %v", again, err)
	}
	n := pull("aaa", store.TriggerComment)
	n.Comment, n.Replace, n.Fork = 41, true, true
	var created atomic.Int32
	var wg sync.WaitGroup
	for _, s := range []*store.Store{one, two, one, two} {
		wg.Go(func() {
			run, made, err := s.CreateRun(ctx, n)
			if err != nil || run != first+1 {
				t.Errorf("run %d, %v", run, err)
			}
			if made {
				created.Add(1)
			}
		})
	}
	wg.Wait()
	if created.Load() != 1 {
		t.Errorf("%d runs", created.Load())
	}
	if rec, err := one.Run(ctx, first); err != nil || rec.Run.State != runner.StateSuperseded {
		t.Errorf("the run in progress: %s, %v", rec.Run.State, err)
	}
	if rec, err := one.Run(ctx, first+1); err != nil || !rec.Fork {
		t.Errorf("a stranger's: %v, %v", rec.Fork, err)
	}
	if open, err := one.OpenRuns(ctx, "pool", 7, 0); err != nil || len(open) != 1 || open[0] != first+1 {
		t.Errorf("open: %v, %v", open, err)
	}
	if open, err := one.OpenRuns(ctx, "pool", 7, first); err != nil || len(open) != 0 {
		t.Errorf("open up to the first: %v, %v", open, err)
	}
	begun.Accepted, begun.Answer, begun.Run = true, "done", first+1
	told := 0
	for _, s := range []*store.Store{one, two} {
		if err := s.EndCommand(ctx, begun, func(last []store.Command) []publish.Message {
			told++
			if len(last) != 1 || last[0].Answer != "done" || !last[0].Accepted || last[0].Run != first+1 {
				t.Errorf("%+v", last)
			}
			return []publish.Message{{Key: "reaction/41", Kind: publish.KindReaction, Repo: "acme/pool"}}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := two.CommandDone(ctx, "pool", 41); err != nil || !done || told != 1 {
		t.Errorf("done: %v, %d times, %v", done, told, err)
	}

	if again, err := two.BeginCommand(ctx, c); err != nil || !again.Done || again.Elsewhere {
		t.Errorf("done it is %+v, %v", again, err)
	}
	// Whoever dies leaves it to others.
	left := store.Command{Repo: "pool", Comment: 40, Pull: 7, Author: "mara", Verb: "cancel", SHA: "aaa"}
	three, shutThree := Open(t, o, "three")
	if b, err := three.BeginCommand(ctx, left); err != nil || b.Elsewhere {
		t.Errorf("%+v, %v", b, err)
	}
	if b, err := one.BeginCommand(ctx, left); err != nil || !b.Elsewhere {
		t.Errorf("taken from a living process: %+v, %v", b, err)
	}
	shutThree()
	if b, err := one.BeginCommand(ctx, left); err != nil || b.Elsewhere {
		t.Errorf("left by a process that ended: %+v, %v", b, err)
	}

	ok := store.Command{Repo: "pool", Comment: 42, Pull: 7, Author: "ada", Verb: "ok", Text: "/holdfast ok ccc", SHA: "ccc"}
	for i, accepted := range []bool{false, true} {
		ok.Comment += int64(i)
		b, err := one.BeginCommand(ctx, ok)
		if err != nil {
			t.Fatal(err)
		}
		if yes, err := two.Approved(ctx, "pool", 7, "ccc"); err != nil || yes {
			t.Errorf("approved before its end: %v, %v", yes, err)
		}
		b.Accepted = accepted
		if err := one.EndCommand(ctx, b, func([]store.Command) []publish.Message { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for sha, want := range map[string]bool{"ccc": true, "ddd": false, "cc": false} {
		if got, err := two.Approved(ctx, "pool", 7, sha); err != nil || got != want {
			t.Errorf("%s approved: %v, %v", sha, got, err)
		}
	}
	if got, err := two.Approved(ctx, "pool", 8, "ccc"); err != nil || got {
		t.Errorf("approved on another pull request: %v, %v", got, err)
	}

	if err := two.SetAside(ctx, "pool", 7, "refs/pull/7/head", "ddd main draft", "a draft", []publish.Message{{Key: "status/ddd", Kind: publish.KindStatus}}); err != nil {
		t.Fatal(err)
	}
	if rec, err := one.Run(ctx, first+1); err != nil || rec.Run.State != runner.StateSuperseded || rec.Run.Reason != "a draft" {
		t.Errorf("the run of an older head: %s %q, %v", rec.Run.State, rec.Run.Reason, err)
	}
	if mark, err := one.HeadMark(ctx, "pool", "refs/pull/7/head"); err != nil || mark != "ddd main draft" {
		t.Errorf("mark %q, %v", mark, err)
	}
	if said, err := one.Said(ctx, "status/"); err != nil || len(said) != 1 {
		t.Errorf("said %v, %v", said, err)
	}
	if n, err := one.LastNumber(ctx); err != nil || n != first+1 {
		t.Errorf("last number %d, %v", n, err)
	}
}
