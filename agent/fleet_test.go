package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
	"github.com/holdfast-ci/holdfast/runner"
)

// frozen is a machine that stops in the middle of everything until it is thawed.
type frozen struct {
	publish.Poster
	reached chan string // what it is in the middle of
	thaw    chan struct{}
}

func (f *frozen) Name() string { return runner.StageChecks }

func (f *frozen) Run(context.Context, *runner.Workspace) (runner.Result, error) {
	f.reached <- "stage"
	<-f.thaw
	return runner.Result{Verdict: runner.Failure, Reason: "told by a machine that was lost"}, nil
}

func (f *frozen) Post(ctx context.Context, m publish.Message) (string, error) {
	f.reached <- "post"
	<-f.thaw
	return f.Poster.Post(ctx, m)
}

// A machine is lost in the middle of a run whose check runs are in progress, and with a
// comment in its hands. Another one of the fleet examines the commit and concludes them; when
// the lost one goes on where it stopped, nothing of what it does is seen.
func TestLostMachineIsConcluded(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { lostMachine(t, "") })
	t.Run("postgres", func(t *testing.T) {
		t.Setenv("HOLDFAST_FLEET", postgresFleet(t))
		lostMachine(t, "[engine]\npostgres = \"env:HOLDFAST_FLEET\"\n")
	})
}

// postgresFleet is an empty database on a server of its own, as a URL.
func postgresFleet(t *testing.T) string {
	t.Helper()
	server, err := storetest.StartPostgres(context.Background())
	if err != nil {
		if errors.Is(err, storetest.ErrNoPostgres) && os.Getenv("CI") != "true" {
			t.Skip("not run on Postgres:", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server.Engine().Empty(t).Postgres
}

func lostMachine(t *testing.T, engine string) {
	a, _ := newAppTest(t, engine)
	sha := a.commit()
	a.fake.AddRepo("acme/pool", sha)
	pull := a.fake.OpenPull("acme/pool", hubtest.Pull{Title: "Faster", Head: "fix", SHA: sha})
	ctx := t.Context()
	lost, other := a.join("mini-1"), a.join("mini-2")
	ice := &frozen{Poster: lost.app.poster, reached: make(chan string, 3), thaw: make(chan struct{})}
	lost.app.x.make = func(*config.Repository, string) (runner.Stage, time.Duration, error) { return ice, time.Hour, nil }
	if err := lost.app.enqueueHead(ctx, lost.app.cfg.Repository("pool"), intake.Head{Repo: "pool", Branch: "main", SHA: sha}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- lost.app.work(ctx, 1, runner.StageChecks, 1) }()
	<-ice.reached
	if err := lost.app.deliver(ctx); err != nil {
		t.Fatal(err)
	}
	a.await(`check holdfast/checks in_progress`)
	comment, ok := publish.Comment(publish.Target{Repo: "acme/pool"}, &runner.Run{Number: 1, PullRequest: pull, Commit: runner.Commit{SHA: sha}}, "said once")
	if !ok {
		t.Fatal("no comment")
	}
	if err := lost.app.store.PutMessages(ctx, 1, comment); err != nil {
		t.Fatal(err)
	}
	lost.app.poster = ice
	go func() { ended <- lost.app.deliver(ctx) }()
	<-ice.reached

	stop := other.serve()
	now := time.Now()
	beat := func(d time.Duration) (all []string) {
		t.Helper()
		for end := now.Add(d); now.Before(end); now = now.Add(10 * time.Second) {
			names, err := other.app.store.Beat(ctx, now)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, names...)
		}
		return all
	}
	if !until(func() bool { // it works
		agents, err := other.app.store.Agents(ctx)
		return err == nil && len(agents) == 2 && len(agents[1].Queues) == 3
	}) {
		t.Fatal("the other machine does not work")
	}
	doctor := func(want ...string) {
		t.Helper()
		var out strings.Builder
		d := &doctor{w: &out}
		d.fleet(ctx, a.app.store)
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("doctor does not say %q:\n%s", w, &out)
			}
		}
	}
	if names := beat(store.LostAfter); len(names) != 0 {
		t.Fatalf("lost too early: %v", names)
	}
	if dump := a.fake.Dump(); strings.Contains(dump, "check holdfast/checks success") || strings.Contains(dump, "comment by") {
		t.Errorf("another machine did what one that may live has in its hands:\n%s", dump)
	}
	if names := beat(20 * time.Second); len(names) != 1 {
		t.Fatalf("lost: %v", names)
	}
	doctor("ago: taken for lost: others have its work", "ago: works", "→ start the agent there again")
	a.await(green(1))
	a.await(`comment by holdfast\[bot\]\n[^\n]*\n[^\n]*said once`)

	close(ice.thaw)
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("the machine that comes back: %v", err)
		}
	}
	if _, err := lost.app.store.Beat(ctx, now); err != nil {
		t.Error(err)
	}
	stop()
	if err := lost.app.deliver(ctx); err != nil {
		t.Error(err)
	}
	dump := a.fake.Dump()
	if strings.Count(dump, "comment by") != 1 || strings.Contains(dump, "was lost") || strings.Count(dump, "(1 in all, 0 open") != 3 || strings.Contains(dump, "failure") {
		t.Errorf("after the lost machine came back:\n%s", dump)
	}
	rec, err := a.app.store.Run(ctx, 1)
	if err != nil || rec.Run.Verdict != runner.Success || rec.Run.Worker != "mini-2" {
		t.Errorf("the run: %s by %s: %s, %v", rec.Run.Verdict, rec.Run.Worker, rec.Run.Reason, err)
	}
	doctor("mini-1 (", "mini-2 (", ", last heard of ")
	machines, err := a.app.machines(ctx)
	if want := engine != ""; err != nil || (len(machines) == 2) != want {
		t.Errorf("the dashboard has the machines %+v, %v", machines, err)
	}
	if n := strings.Count(fmt.Sprint(a.fake.Requests()), "/comments 201"); n != 1 {
		t.Errorf("%d comments were made:\n%s", n, strings.Join(a.fake.Requests(), "\n"))
	}
}
