package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/hub/hubtest"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/publish"
)

// pullTest is an agent with one pull request on a real repository; polls are called by the
// test.
type pullTest struct {
	*agentTest
	base   string
	number int
	conf   *config.Repository
}

func newPullTest(t *testing.T, p hubtest.Pull) *pullTest {
	a := &pullTest{agentTest: newAgentTest(t)}
	a.conf = a.app.cfg.Repository("pool")
	a.conf.Bench.Enabled = false
	a.base = a.commit()
	a.fake.AddRepo("acme/pool", a.base)
	// Everything that was said before the agent came is none of its business.
	a.poll()
	a.git("checkout", "--quiet", "-b", "change")
	a.write(filepath.Join(a.repo, "src", "a.cc"), "int a;\n")
	p.SHA, p.Head = a.commit(), "change"
	a.number = a.fake.OpenPull("acme/pool", p)
	a.git("update-ref", fmt.Sprintf("refs/pull/%d/head", a.number), p.SHA)
	a.fake.Collaborator("acme/pool", "mara", "write")
	a.fake.Collaborator("acme/pool", "ada", "admin")
	return a
}

// pushPull moves the head of the pull request.
func (a *pullTest) pushPull(name, text string) (sha string) {
	a.t.Helper()
	a.write(filepath.Join(a.repo, name), text)
	sha = a.commit()
	a.git("update-ref", fmt.Sprintf("refs/pull/%d/head", a.number), sha)
	a.fake.ChangePull("acme/pool", a.number, func(p *hubtest.Pull) { p.SHA = sha })
	return sha
}

// poll looks once at heads and comments, as serve does again and again.
func (a *pullTest) poll() {
	a.t.Helper()
	p := intake.Repository{Name: "pool", GitHub: "acme/pool", PullRequests: a.conf.PullRequests}
	if _, err := a.app.look(a.t.Context(), a.conf, p, map[string]string{}); err != nil {
		a.t.Fatal(err)
	}
}

func (a *pullTest) say(who, text string) int64 {
	a.t.Helper()
	id := a.fake.Comment("acme/pool", a.number, who, text)
	a.poll()
	return id
}

func (a *pullTest) head() string {
	a.t.Helper()
	return a.git("rev-parse", "change")
}

// deliver posts what is due.
func (a *pullTest) deliver() {
	a.t.Helper()
	if err := a.app.deliver(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

func (a *pullTest) is(state, description string) {
	a.t.Helper()
	a.deliver()
	if want := fmt.Sprintf("status holdfast %s %q", state, description); !strings.Contains(a.fake.Dump(), want) {
		a.t.Errorf("no %s in\n%s", want, a.fake.Dump())
	}
}

func (a *pullTest) runs() (list []string) {
	a.t.Helper()
	for _, n := range []int64{1, 2, 3, 4, 5, 6} {
		if rec, err := a.app.store.Run(a.t.Context(), n); err == nil {
			list = append(list, fmt.Sprintf("%d %.7s %s %s", n, rec.Run.Commit.SHA, rec.Run.Trigger, rec.Run.State))
		}
	}
	return list
}

func (a *pullTest) want(list ...string) {
	a.t.Helper()
	if got := a.runs(); !slices.Equal(got, list) {
		a.t.Errorf("runs %q, want %q\n%s", got, list, a.fake.Dump())
	}
}

// The code of a fork waits for somebody who may write, who names the whole commit; a new
// commit waits again, and ends the run of the old one.
func TestForkWaitsForOK(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster", Author: "eve", From: "eve/pool"})
	first := a.head()
	a.poll()
	a.poll()
	a.want()
	a.is("pending", "waits for somebody who may write here to comment: /holdfast ok "+first)
	a.say("eve", "/holdfast ok "+first)
	a.say("mara", "/holdfast ok "+first[:10])
	a.say("mara", "/holdfast run")
	a.say("mara", "/holdfast ok "+strings.Repeat("0", 40))
	a.poll()
	a.want()
	a.deliver()
	for _, why := range []string{"takes the permission to write", "with all 40 digits", "say /holdfast ok " + first[:6], "the head is "} {
		if plain := strings.ReplaceAll(a.fake.Dump(), "&#8203;", ""); !strings.Contains(plain, why) {
			t.Errorf("not refused with %q:\n%s", why, plain)
		}
	}
	a.say("mara", "Reads well.\n\n/holdfast ok "+first)
	a.poll()
	a.want("1 " + first[:7] + " pull request queued")
	second := a.pushPull("src/evil.cc", "int b;\n")
	a.poll()
	a.poll()
	a.want("1 " + first[:7] + " pull request superseded")
	a.is("pending", "waits for somebody who may write here to comment: /holdfast ok "+second)
	if rec, err := a.app.store.Run(t.Context(), 1); err != nil || !rec.Fork {
		t.Errorf("the run is not that of a stranger: %v, %v", rec.Fork, err)
	}
	a.conf.PullRequests = config.PullRequestsSameRepository
	a.poll()
	a.is("success", "does not apply: code of forks is not examined here")
	if n := strings.Count(a.fake.Dump(), "    comment by holdfast-bot"); n != 1 {
		t.Errorf("%d comments of the agent:\n%s", n, a.fake.Dump())
	}
}

// What keeps a pull request from being examined is said, once, and ends when it ends.
func TestPullRequestPolicy(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster", Draft: true})
	a.conf.Drafts, a.conf.SkipLabels, a.conf.Labels, a.conf.Paths = false, []string{"later"}, []string{"gpu", "cpu"}, []string{"proofs/**"}
	a.poll()
	a.is("pending", "a draft, which is examined when it is ready for review")
	change := func(f func(*hubtest.Pull)) { a.fake.ChangePull("acme/pool", a.number, f); a.poll() }
	change(func(p *hubtest.Pull) { p.Draft, p.Labels = false, []string{"later", "gpu"} })
	a.is("success", "does not apply: it has the label later")
	a.fake.Forget()
	for range 3 {
		a.poll()
		a.deliver()
	}
	for _, r := range a.fake.Requests() {
		if strings.HasPrefix(r, "POST") || !strings.Contains(r, " 304") && strings.Contains(r, "/pulls") {
			t.Errorf("an idle cycle asks or changes something: %s", r)
		}
	}
	change(func(p *hubtest.Pull) { p.Labels = nil })
	a.is("success", "does not apply: it has no label gpu or cpu")
	change(func(p *hubtest.Pull) { p.Labels = []string{"cpu"} })
	a.is("success", "does not apply: no changed file matches proofs/**")
	a.want()
	a.conf.Paths = []string{"src/**"}
	change(func(p *hubtest.Pull) { p.Title = "x" })
	a.want() // the same head: it is set aside until something about it changes
	next := a.pushPull("src/b.cc", "int b;\n")
	a.poll()
	a.want("1 " + next[:7] + " pull request queued")
	a.is("pending", "run 1 is queued")
	// What is examined stays so: a label that comes later stops nothing.
	change(func(p *hubtest.Pull) { p.Labels = []string{"later"} })
	a.want("1 " + next[:7] + " pull request queued")
}

// Another base is another comparison, though the head is the same.
func TestRetargetedBase(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster"})
	sha := a.head()
	// The target has gone on: what it gained is not what the pull request lost.
	a.git("checkout", "--quiet", "main")
	a.fake.SetBranch("acme/pool", "main", a.commit())
	a.git("checkout", "--quiet", "change")
	a.poll()
	a.git("checkout", "--quiet", "--orphan", "other")
	other := a.commit()
	a.fake.SetBranch("acme/pool", "other", other)
	a.git("checkout", "--quiet", "change")
	a.fake.ChangePull("acme/pool", a.number, func(p *hubtest.Pull) { p.Base = "other" })
	a.poll()
	a.poll()
	a.want("1 "+sha[:7]+" pull request superseded", "2 "+sha[:7]+" pull request queued")
	if rec, err := a.app.store.Run(t.Context(), 2); err != nil || rec.Run.Base.SHA != "" {
		t.Errorf("base %q, %v", rec.Run.Base.SHA, err)
	}
	if rec, err := a.app.store.Run(t.Context(), 1); err != nil || rec.Run.Base.SHA != a.base {
		t.Errorf("base %q, %v", rec.Run.Base.SHA, err)
	}
}

// The head is force-pushed to another history while it is being examined: its children end,
// what was said about it is concluded, and the comment is about the new head only. The old
// commit is gone from the remote by then.
func TestForcePushInMidRun(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster"})
	a.conf.Bench.Enabled = true
	a.git("checkout", "--quiet", "change")
	old := a.pushPull("bench.sh", "echo $$ > \"$1\"; exec sleep 1000\n")
	a.poll()
	stop := a.serve()
	if !until(func() bool { fi, err := os.Stat(a.pids); return err == nil && fi.Size() > 0 }) {
		t.Fatal("the benchmark never started")
	}
	a.git("checkout", "--quiet", "main")
	a.git("branch", "--quiet", "-D", "change")
	a.git("checkout", "--quiet", "-b", "change")
	next := a.pushPull("bench.sh", "exit 3\n")
	a.git("reflog", "expire", "--expire=now", "--all")
	a.git("gc", "--quiet", "--prune=now")
	a.poll()
	a.await("commit " + next[:10] + `\n[^c]*status holdfast error `)
	a.await("commit " + old[:10] + `\n[^c]*status holdfast error "superseded`)
	a.await("comment by holdfast-bot\n.*" + next[:10])
	stop()
	dump := a.fake.Dump()
	if strings.Contains(dump, " pending ") || strings.Count(dump, "comment by") != 1 {
		t.Errorf("in the end:\n%s", dump)
	}
	if _, text, _ := strings.Cut(dump, "comment by"); strings.Contains(text, old[:10]) {
		t.Errorf("the comment is about the old head:\n%s", text)
	}
	pid, err := os.ReadFile(a.pids)
	if err != nil || !ended(strings.TrimSpace(string(pid))) {
		t.Errorf("the benchmark (process %s) lives on", pid)
	}
}

// A conversation is locked: that is said in the log and by holdfast doctor, the statuses are
// posted all the same, and once it is unlocked the next run has its comment.
func TestLockedConversation(t *testing.T) {
	a := newPullTest(t, hubtest.Pull{Title: "Faster"})
	a.conf.Comment = config.CommentAlways
	a.fake.Lock("acme/pool", a.number)
	a.poll()
	stop := a.serve()
	defer stop()
	a.await(`status holdfast success `)
	if !until(func() bool {
		_, failed, _, err := a.app.store.Unposted(t.Context())
		return err == nil && len(failed) == 1 && strings.Contains(failed[0].Reason, "issue is locked")
	}) {
		t.Error("nobody is told")
	}
	doctor := func(want string) {
		t.Helper()
		var out strings.Builder
		d := &doctor{w: &out}
		d.database(t.Context(), &env{environ: os.Environ()}, a.app.cfg, "")
		if !strings.Contains(out.String(), want) {
			t.Errorf("doctor does not say %q:\n%s", want, &out)
		}
	}
	doctor("given up: comment/acme/pool/1: ")
	a.fake.Fail(hubtest.Fault{Kind: hubtest.FailStatus, Code: 502, Path: "/reactions", Times: -1})
	if err := a.app.store.PutMessages(t.Context(), 0, publish.Reaction(target(a.conf), 1, "eyes")); err != nil {
		t.Fatal(err)
	}
	if !until(func() bool {
		_, _, waiting, err := a.app.store.Unposted(t.Context())
		return err == nil && len(waiting) == 1
	}) {
		t.Error("it does not wait")
	}
	doctor("waits: reaction/")
	a.fake.Unlock("acme/pool", a.number)
	sha := a.pushPull("src/b.cc", "int b;\n")
	a.poll()
	a.await("comment by holdfast-bot\n.*" + sha[:10])
}
