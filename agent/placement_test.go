package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// Benchmarks that ask for a machine are measured on it and on no other, whichever saw the
// commit and whichever is free; until it is there GitHub shows what they wait for, and for
// whoever asks so does the doctor.
func TestBenchWaitsForItsMachine(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { placed(t, "") })
	t.Run("postgres", func(t *testing.T) {
		t.Setenv("HOLDFAST_FLEET", postgresFleet(t))
		placed(t, "[engine]\npostgres = \"env:HOLDFAST_FLEET\"\n")
	})
}

func placed(t *testing.T, engine string) {
	a, _ := newAppTest(t, "[repositories.bench]\nmachine = \"Mini-2\"\n"+engine)
	sha := a.commit()
	a.fake.AddRepo("acme/pool", sha)
	ctx := t.Context()
	one, two := a.join("mini-1"), a.join("mini-2")
	if err := one.app.enqueueHead(ctx, one.app.cfg.Repository("pool"), intake.Head{Repo: "pool", Branch: "main", SHA: sha}); err != nil {
		t.Fatal(err)
	}
	stop := one.serve()
	a.await(`check holdfast/checks success`)
	beat := func() {
		t.Helper()
		if _, err := one.app.store.Beat(ctx, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	beat()
	a.await(`check holdfast in_progress "bench waits for a machine: Mini-2".*check holdfast/bench queued "waits for a machine: Mini-2"`)
	says := func(agents []store.Agent, want ...string) {
		t.Helper()
		var out strings.Builder
		d := &doctor{w: &out}
		d.placement(ctx, a.app.store, a.app.cfg, agents)
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("doctor does not say %q:\n%s", w, &out)
			}
		}
	}
	class := a.app.machine.Class
	says([]store.Agent{{Name: "mini-1", Class: class}}, `bench of pool asks for "Mini-2": no machine that works is one`, "are an error then", `bench of run 1 waits for "Mini-2" since 2`)
	says([]store.Agent{{Name: "mini-2", Class: class}, {Name: "mini-2", Class: "another"}}, "2 classes of machine are that")
	stopTwo := two.serve()
	a.await(green(1))
	beat()
	stop()
	stopTwo()
	says([]store.Agent{{Name: "mini-2", Class: class}}, `bench of pool asks for "Mini-2": `+class)
	rec, err := a.app.store.Run(ctx, 1)
	if err != nil || rec.Run.Verdict != runner.Success || strings.Contains(strings.Join(rec.Run.Stage(runner.StageBench).Warnings, " "), "asks for") {
		t.Errorf("the run: %+v, %v", rec.Run, err)
	}
	if dump := a.fake.Dump(); strings.Contains(dump, "waits for a machine") || strings.Contains(dump, "in_progress") || strings.Contains(dump, "queued") {
		t.Errorf("in the end:\n%s", dump)
	}
	if got := one.app.misplaced(one.app.cfg.Repository("pool"), runner.StageBench); len(got) != 1 || !strings.Contains(got[0], `bench.machine asks for "Mini-2", and this is mini-1`) {
		t.Errorf("by hand on another machine: %q", got)
	}
	if got := two.app.misplaced(two.app.cfg.Repository("pool"), runner.StageBench); got != nil {
		t.Errorf("by hand on that machine: %q", got)
	}
}

// A commit status, which had "to be examined" before, says so, too; and what ends the run ends
// the wait.
func TestWaitIsAStatus(t *testing.T) {
	a := newAgentTestWith(t, `token = "env:GITHUB_TOKEN"`, "[repositories.bench]\nmachine = \"Mini-2\"\n")
	sha := a.commit()
	a.fake.AddRepo("acme/pool", sha)
	one := a.join("mini-1")
	stop := one.serve()
	defer stop()
	head := intake.Head{Repo: "pool", Branch: "main", SHA: sha}
	announced, err := one.app.announce(t.Context(), one.app.cfg.Repository("pool"), head, enabled(one.app.cfg.Repository("pool"), runner.Stages))
	if err != nil || announced(nil) != nil {
		t.Fatal(err)
	}
	a.await(`status holdfast/bench pending "to be examined"`)
	if err := one.app.enqueueHead(t.Context(), one.app.cfg.Repository("pool"), head); err != nil {
		t.Fatal(err)
	}
	if _, err := one.app.store.Beat(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	a.await(`status holdfast pending "bench waits for a machine: Mini-2".*status holdfast/bench pending "waits for a machine: Mini-2"`)
	if err := one.app.store.Cancel(t.Context(), 1, runner.StateCancelled, "not needed"); err != nil {
		t.Fatal(err)
	}
	a.await(`status holdfast error "cancelled: not needed".*status holdfast/bench error "cancelled: not needed"`)
	if list, err := one.app.store.Waiting(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("still waiting: %+v, %v", list, err)
	}
}

// Wishes that mean the same share a queue whose name the queue takes; others do not.
func TestQueueFor(t *testing.T) {
	if got := queueFor(runner.StageBench, " ; "); got != "bench" {
		t.Errorf("any machine: %s", got)
	}
	same := []string{"Apple M4 Max; macOS 15", "apple m4  max;macos 15 ", "; APPLE M4 MAX ;; macOS 15"}
	for _, s := range same {
		if got := queueFor(runner.StageBench, s); got != queueFor(runner.StageBench, same[0]) || !strings.HasPrefix(got, "bench-apple-m4-max-macos-15-") {
			t.Errorf("%q: %s", s, got)
		}
	}
	var seen []string
	for _, s := range []string{"a", "b", "ä", "ö", "a b", "a-b", "a; b", strings.Repeat("x", 200), strings.Repeat("x", 201)} {
		q := queueFor(runner.StageProofs, s)
		if slices.Contains(seen, q) || len(q) > 64 {
			t.Errorf("%q: %s", s, q)
		}
		seen = append(seen, q)
	}
}
