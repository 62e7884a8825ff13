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
	"github.com/holdfast-ci/holdfast/agent/publish"
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
	file string // agent.toml
}

func newAgentTest(t *testing.T) *agentTest {
	return newAgentTestWith(t, `token = "env:GITHUB_TOKEN"`)
}

// newAgentTestWith is newAgentTest with its own lines in the table [github], and more
// tables.
func newAgentTestWith(t *testing.T, github string, more ...string) *agentTest {
	t.Setenv("GITHUB_TOKEN", "secret-token-4711")
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	a := &agentTest{t: t, fake: hubtest.Start(t), repo: filepath.Join(dir, "repo"), pids: filepath.Join(dir, "pids")}
	a.fake.Grant("secret-token-4711", "holdfast-bot")
	a.file = filepath.Join(dir, "agent.toml")
	text := fmt.Sprintf(`
[agent]
name = "test"
state = "state"
[github]
api = %q
%s
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
`, a.fake.URL(), github, a.pids) + strings.Join(more, "\n")
	a.write(a.file, text)
	a.write(filepath.Join(a.repo, "holdfast.rules.toml"), "[[rule]]\nid = \"A.1\"\ntitle = \"a file is there\"\nkind = \"exists\"\nfiles = [\"bench.sh\"]\n")
	a.write(filepath.Join(a.repo, "bench.sh"), "echo 'BenchmarkX 1 100 ns/op'\n")
	a.open(options{post: true})
	return a
}

func (a *agentTest) open(o options) {
	a.t.Helper()
	cfg, err := config.Load(a.file, os.Environ())
	if err != nil {
		a.t.Fatal(err)
	}
	e := &env{stdout: io.Discard, stderr: io.Discard, environ: os.Environ()}
	if a.app, err = open(a.t.Context(), e, cfg, o); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(a.app.close)
	a.app.poster = publish.NewGitHub(a.app.hub, publish.Options{Gap: -1}) // no second between two changes
}

// join is another machine with an agent on the same database, which says that it lives only
// when it is told to.
func (a *agentTest) join(name string) *agentTest {
	a.t.Helper()
	text, err := os.ReadFile(a.file)
	if err != nil {
		a.t.Fatal(err)
	}
	b := *a
	b.file = filepath.Join(filepath.Dir(a.file), name+".toml")
	more := strings.NewReplacer("state = \"state\"", "state = \"state-"+name+"\"", "name = \"test\"", "name = \""+name+"\"").Replace(string(text))
	if !strings.Contains(more, "[engine]") {
		more += "\n[engine]\nsqlite = \"state/holdfast.db\"\n"
	}
	b.write(b.file, more)
	b.open(options{post: true, byHand: true})
	b.app.locks = a.t.TempDir()
	return &b
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
	a.git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--allow-empty", "--message", "change")
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
		ended <- a.app.store.Work(ctx, a.app.handlers(), a.app.queues())
	}()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			a.t.Error(err)
		}
		a.app.lastWords(a.t.Context()) // as app.serve does: the end may fall between two messages
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

// push commits all of the repository and examines it as a new head of main.
func (a *agentTest) push(before string) (sha string) {
	a.t.Helper()
	sha = a.commit()
	a.fake.SetBranch("acme/pool", "main", sha)
	head := intake.Head{Repo: "pool", Branch: "main", SHA: sha, Before: before}
	if err := a.app.enqueueHead(a.t.Context(), a.app.cfg.Repository("pool"), head); err != nil {
		a.t.Fatal(err)
	}
	a.await("commit " + sha[:10] + `\n[^c]*status holdfast (success|failure|error) `)
	return sha
}

// What a branch loses gets one issue with the first bad commit and its owners, kept up to
// date, and closed when it is fixed; losing it again is another issue.
func TestRegressionIssue(t *testing.T) {
	a := newAgentTest(t)
	a.write(filepath.Join(a.repo, "holdfast.rules.toml"), "[[rule]]\nid = \"A.1\"\ntitle = \"nothing sleeps\"\nkind = \"absent\"\nfiles = [\"*.cc\"]\npattern = 'usleep'\n")
	source := filepath.Join(a.repo, "pool.cc")
	a.write(source, "int x;\n")
	a.write(filepath.Join(a.repo, ".github", "CODEOWNERS"), "* @everybody\n*.cc @acme/pools @ada\n")
	first := a.commit()
	a.fake.AddRepo("acme/pool", first)
	stop := a.serve()
	defer stop()
	ok := a.push("")
	a.write(source, "int x;\nvoid f() { usleep(5); }\n")
	broken := a.push(ok)
	a.await(`issue 1 open "Holdfast: checks regressed on main of pool"`)
	dump := a.fake.Dump()
	for _, want := range []string{
		"First bad commit: `" + broken[:10] + "`", "Last good one that was examined: `" + ok[:10] + "`",
		"Owners of these files, by CODEOWNERS: `acme/pools`, `ada`", "**A.1**",
	} {
		if !strings.Contains(dump, want) {
			t.Errorf("no %s in\n%s", want, dump)
		}
	}
	a.write(filepath.Join(a.repo, "more"), "x")
	still := a.push(broken)
	a.await("Still so: `" + still[:10])
	a.write(source, "int x;\n")
	fixed := a.push(still)
	a.await(`issue 1 closed.*All of it is whole again: .` + fixed[:10])
	a.write(source, "int x;\nvoid g() { usleep(7); }\n")
	again := a.push(fixed)
	a.await(`issue 2 open "Holdfast: checks regressed.*First bad commit: .` + again[:10])
	if n := strings.Count(a.fake.Dump(), "  issue "); n != 2 {
		t.Errorf("%d issues:\n%s", n, a.fake.Dump())
	}
}

// A comment on the tracking issue is made only when a verdict changes.
func TestTrackingIssueTellsTurns(t *testing.T) {
	a := newAgentTest(t)
	a.app.cfg.Bisect.Enabled = false // its runs have numbers, too
	a.fake.AddRepo("acme/pool", a.commit())
	stop := a.serve()
	defer stop()
	due := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	tick := func(n int) {
		t.Helper()
		if err := a.app.fire(t.Context(), "nightly", due.Add(time.Duration(n)*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		a.await(fmt.Sprintf(`issue \d+ open "Holdfast: maint.*Holdfast run %d\b`, n))
	}
	tick(1)
	tick(2)
	if dump := a.fake.Dump(); strings.Contains(dump, "    comment by") {
		t.Errorf("a comment without a change:\n%s", dump)
	}
	if err := os.Remove(filepath.Join(a.repo, "bench.sh")); err != nil {
		t.Fatal(err)
	}
	a.commit()
	tick(3)
	a.await("comment by holdfast-bot.*\\*\\*checks\\*\\* success → (failure|error)")
	tick(4)
	if n := strings.Count(a.fake.Dump(), "    comment by"); n != 1 {
		t.Errorf("%d comments:\n%s", n, a.fake.Dump())
	}
}
