package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// agentTest is an agent on a real store, a real repository and a GitHub that keeps state;
// schedules and polls are called by the test.
type agentTest struct {
	t    *testing.T
	app  *app
	fake *hubtest.Fake
	repo string // working folder of the watched repository
	pids string // file in which the benchmark leaves its process number
}

func newAgentTest(t *testing.T) *agentTest {
	t.Setenv("GITHUB_TOKEN", "secret-token-4711")
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	a := &agentTest{t: t, fake: hubtest.Start(t), repo: filepath.Join(dir, "repo"), pids: filepath.Join(dir, "pids")}
	a.fake.Grant("secret-token-4711", "holdfast-bot")
	file := filepath.Join(dir, "agent.toml")
	text := fmt.Sprintf(`
[agent]
name = "test"
state = "state"
[github]
api = %q
token = "env:GITHUB_TOKEN"
post = true
[proofs]
enabled = false
[bench]
backend = "none"
rounds = 3
[[bench.programs]]
name = "program"
command = ["sh", "bench.sh", %q]
[[repositories]]
name = "pool"
path = "repo"
github = "acme/pool"
report = "issue"
[[schedules]]
name = "nightly"
cron = "0 3 * * *"
stages = ["checks"]
`, a.fake.URL(), a.pids)
	a.write(file, text)
	a.write(filepath.Join(a.repo, "holdfast.rules.toml"), "[[rule]]\nid = \"A.1\"\ntitle = \"a file is there\"\nkind = \"exists\"\nfiles = [\"bench.sh\"]\n")
	a.write(filepath.Join(a.repo, "bench.sh"), "echo 'BenchmarkX 1 100 ns/op'\n")
	cfg, err := config.Load(file, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	e := &env{stdout: io.Discard, stderr: io.Discard, environ: os.Environ()}
	if a.app, err = open(t.Context(), e, cfg, options{post: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.app.close)
	return a
}

func (a *agentTest) write(name, text string) {
	a.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// commit commits all of the repository and returns the hash.
func (a *agentTest) commit() string {
	a.t.Helper()
	if _, err := os.Stat(filepath.Join(a.repo, ".git")); err != nil {
		a.git("init", "--quiet", "--initial-branch=main")
	}
	a.git("add", "--all")
	a.git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "change")
	return a.git("rev-parse", "HEAD")
}

func (a *agentTest) git(args ...string) string {
	a.t.Helper()
	out, err := gitOutput(a.repo, args...)
	if err != nil {
		a.t.Fatalf("git %v: %v", args, err)
	}
	return out
}

// serve works the queue, without polling, until the returned function is called.
func (a *agentTest) serve() (stop func()) {
	ctx, cancel := context.WithCancel(a.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- a.app.store.Work(ctx, a.app.handlers(), map[string]int{queueOf(runner.StageProofs): 1, queueOf(runner.StageBench): 1})
	}()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			a.t.Error(err)
		}
	}
}

func (a *agentTest) await(pattern string) {
	a.t.Helper()
	re := regexp.MustCompile("(?ms)" + pattern)
	if !until(func() bool { return re.MatchString(a.fake.Dump()) }) {
		a.t.Fatalf("GitHub never came to match %s; it is:\n%s", pattern, a.fake.Dump())
	}
}

// A tick makes one run, however often it is offered, and its report goes to one tracking
// issue, whose body the next tick's report replaces.
func TestTickReportsOnOneIssue(t *testing.T) {
	a := newAgentTest(t)
	sha := a.commit()
	a.fake.AddRepo("acme/pool", sha)
	due := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	if _, err := a.app.since(t.Context(), "nightly", due.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := a.app.fire(t.Context(), "nightly", due); err != nil {
			t.Fatal(err)
		}
	}
	stop := a.serve()
	a.await(`issue \d+ open.*Holdfast run 1\b`)
	if got, err := a.app.since(t.Context(), "nightly", time.Now()); err != nil || !got.Equal(due) {
		t.Errorf("the newest tick on record is %v, %v", got, err)
	}
	if err := a.app.fire(t.Context(), "nightly", due.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	a.await(`issue \d+ open.*Holdfast run 2\b`)
	stop()
	runs, err := a.app.store.Runs(t.Context(), store.Filter{})
	if err != nil || len(runs) != 2 || runs[0].Trigger != "schedule nightly" {
		t.Errorf("runs %+v, %v", runs, err)
	}
	dump := a.fake.Dump()
	if n := strings.Count(dump, "  issue "); n != 1 {
		t.Errorf("%d issues:\n%s", n, dump)
	}
	if strings.Contains(dump, "pending") || strings.Contains(dump, "holdfast/bench") {
		t.Errorf("a status is pending, or of a stage that was not asked for:\n%s", dump)
	}
}

// A newer head cancels the run of the older one: its children end, and what was said to be
// pending is concluded.
func TestNewerHeadSupersedes(t *testing.T) {
	a := newAgentTest(t)
	a.write(filepath.Join(a.repo, "bench.sh"), "echo $$ > \"$1\"; exec sleep 1000\n")
	old := a.commit()
	a.write(filepath.Join(a.repo, "bench.sh"), "echo 'BenchmarkX 1 100 ns/op'\n")
	newer := a.commit()
	a.fake.AddRepo("acme/pool", old)
	repo := a.app.cfg.Repository("pool")
	stop := a.serve()
	head := func(sha, before string) {
		t.Helper()
		if err := a.app.enqueueHead(t.Context(), repo, intake.Head{Repo: "pool", Branch: "main", SHA: sha, Before: before}); err != nil {
			t.Fatal(err)
		}
	}
	head(old, "")
	if !until(func() bool { fi, err := os.Stat(a.pids); return err == nil && fi.Size() > 0 }) {
		t.Fatal("the benchmark never started")
	}
	a.fake.SetBranch("acme/pool", "main", newer)
	head(newer, old)
	a.await("commit " + newer[:10] + `\n[^c]*status holdfast success`)
	a.await("commit " + old[:10] + `\n[^c]*status holdfast error "superseded`)
	stop()
	if dump := a.fake.Dump(); strings.Contains(dump, "pending") {
		t.Errorf("a status is pending for ever:\n%s", dump)
	}
	rec, err := a.app.store.Run(t.Context(), 1)
	if err != nil || rec.Run.State != runner.StateSuperseded || rec.Run.Verdict == runner.Success {
		t.Errorf("the older run: %s, %s, %v", rec.Run.State, rec.Run.Verdict, err)
	}
	pid, err := os.ReadFile(a.pids)
	if err != nil || !ended(strings.TrimSpace(string(pid))) {
		t.Errorf("the benchmark (process %s) lives on", pid)
	}
	if rec, err := a.app.store.Run(t.Context(), 2); err != nil || rec.Run.Base.SHA != old {
		t.Errorf("the newer run is compared with %q, %v", rec.Run.Base.SHA, err)
	}
}
