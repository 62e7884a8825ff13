package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// culpritTest is an agent whose branch turns red somewhere in a range of commits. A commit is
// what its file "state" says.
type culpritTest struct {
	*agentTest
	repo  *config.Repository
	shas  []string
	known bool // to GitHub
}

func newCulpritTest(t *testing.T) *culpritTest {
	a := newAgentTest(t)
	c := &culpritTest{agentTest: a, repo: &a.app.cfg.Repositories[0]}
	c.repo.Checks.Enabled, c.repo.Bench.Enabled = false, false
	return c
}

// add commits a state. The author's name would notify somebody if it were taken for more
// than text.
func (c *culpritTest) add(subject, file, text string) string {
	c.t.Helper()
	if len(c.shas) == 0 {
		c.git("init", "--quiet", "--initial-branch=main")
	}
	c.write(filepath.Join(c.agentTest.repo, file), text)
	c.git("add", "--all")
	c.git("-c", "user.name=Eve @octocat", "-c", "user.email=e@example.org", "commit", "--quiet", "--allow-empty", "--message", subject)
	sha := c.git("rev-parse", "HEAD")
	c.shas = append(c.shas, sha)
	return sha
}

// examined pushes a head and waits for its report.
func (c *culpritTest) examined(sha string, want runner.Verdict) (run int64) {
	c.t.Helper()
	if !c.known {
		c.fake.AddRepo("acme/pool", sha)
		c.known = true
	}
	c.pushed(sha)
	ctx := c.t.Context()
	var rec store.Record
	if !until(func() bool {
		var err error
		rec, _, err = c.app.store.LastRun(ctx, "pool", "main", 0)
		return err == nil && rec.Run.Commit.SHA == sha
	}) {
		c.t.Fatalf("%s was never examined", sha)
	}
	if rec.Run.Verdict != want && want != "" {
		c.t.Fatalf("run %d of %s: %s, %s; want %s", rec.Run.Number, sha[:10], rec.Run.Verdict, rec.Run.Reason, want)
	}
	return rec.Run.Number
}

// issue is what the fake GitHub has of the only issue about a regression of a stage.
func (c *culpritTest) issue(stage, pattern string) {
	c.t.Helper()
	re := regexp.MustCompile("(?ms)" + pattern)
	var got []string
	if !until(func() bool {
		got = nil
		for _, part := range strings.Split(c.fake.Dump(), "\n  issue ")[1:] {
			if strings.Contains(part, "Holdfast: "+stage+" regressed on main of pool") {
				got = append(got, part)
			}
		}
		return len(got) == 1 && re.MatchString(got[0])
	}) {
		c.t.Fatalf("no single issue about %s that matches %s, but %d:\n%s", stage, pattern, len(got), strings.Join(got, "\n---\n"))
	}
}

// probesOf tells how often each commit of a bisection was examined, by its outcome.
func (c *culpritTest) probesOf(b store.Bisection) string {
	var out []string
	for _, p := range b.Probes {
		if p.Outcome == bisect.Skip {
			c.t.Logf("%d could not be told: %s", p.At, p.Reason)
		}
		out = append(out, fmt.Sprintf("%d %s", p.At, p.Outcome))
	}
	return strings.Join(out, ", ")
}

// found is a search that blames one commit.
func found(at int) bisect.Result {
	return bisect.Result{Kind: bisect.Found, First: at, Last: at, Confirmed: true}
}

// byProgram has a program of the repository check it: "state" is good, bad, untold, flaky (bad
// for the first time only) or waits (for as long as it is told to).
func (c *culpritTest) byProgram() {
	c.repo.Checks.Enabled, c.repo.Checks.Ratchet, c.repo.Checks.Rules = true, false, nil
	c.repo.Checks.Programs = []config.CheckProgram{{Name: "program", Command: []string{"sh", "check.sh", c.pids}, Limit: time.Minute, Format: "lines"}}
	c.write(filepath.Join(c.agentTest.repo, "check.sh"), `
state=$(cat state)
if [ "$state" = waits ]; then
  if [ -e "$1.hang" ]; then
    echo > "$1.there"
    exec sleep 1000
  fi
  state=good
fi
if [ "$state" = flaky ]; then
  state=good
  [ -e "$1.again" ] || state=bad
  echo > "$1.again"
fi
case $state in
  good) echo '[PASS] whole: it is whole' ;;
  bad) echo '[FAIL] whole: it is broken'; exit 1 ;;
  *) echo 'the compiler is gone' >&2; exit 3 ;;
esac
`)
}

// A commit that is good once and bad once, and one that cannot be told, are suspects and
// nothing more; the issue lists what is left.
func TestFlakyMiddleIsOneOfThese(t *testing.T) {
	c := newCulpritTest(t)
	c.byProgram()
	stop := c.serve()
	defer stop()
	c.examined(c.add("good", "state", "good"), runner.Success)
	for _, state := range []string{"good", "flaky", "untold", "bad", "bad"} {
		c.add(state+" from here", "state", state)
	}
	c.examined(c.shas[5], runner.Failure)
	b := c.bisected(1)
	if b.Result != (bisect.Result{Kind: bisect.Several, First: 2, Last: 4, Confirmed: true}) {
		t.Errorf("%+v", b.Result)
	}
	if got, want := c.probesOf(b), "5 bad, 0 good, 2 bad, 1 good, 2 good, 3 skip, 4 bad, 4 bad, 1 good"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	c.issue("checks", "First bad commit: one of 3 commits.*“flaky from here”.*“untold from here”.*“bad from here”")
	in, err := c.app.finish(t.Context(), 2)
	if err != nil || len(in.Bisections) != 1 || len(in.Bisections[0].Suspects) != 3 {
		t.Errorf("%+v, %v", in.Bisections, err)
	}
}

// Stopped while it examines a commit, the agent goes on where it was: nothing that was told
// is asked again, and the culprit is the same.
func TestSearchGoesOn(t *testing.T) {
	c := newCulpritTest(t)
	c.byProgram()
	stop := c.serve()
	c.examined(c.add("good", "state", "good"), runner.Success)
	if err := c.app.fire(t.Context(), "nightly", time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	c.await("maintenance report for pool")
	for i, state := range []string{"good", "good", "good", "waits", "good", "good", "bad", "bad", "bad"} {
		c.add(fmt.Sprint(i), "state", state)
	}
	c.write(c.pids+".hang", "")
	c.examined(c.shas[9], runner.Failure)
	if !until(func() bool { _, err := os.Stat(c.pids + ".there"); return err == nil }) {
		t.Fatal("the commit in the middle was never examined")
	}
	stop()
	b, err := c.app.store.Bisection(t.Context(), 1)
	if got := c.probesOf(b); err != nil || !b.Running || !strings.HasPrefix(got, "9 bad, 0 good, ") {
		t.Fatalf("stopped in the middle: %+v, %v", b, err)
	}
	before := b.Probes
	if err := os.Remove(c.pids + ".hang"); err != nil {
		t.Fatal(err)
	}
	// What the next process does first of all.
	if _, err := c.app.store.Recover(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	stop = c.serve()
	defer stop()
	b = c.bisected(1)
	if b.Result != found(7) || len(b.Probes) > bisect.Estimate(9) {
		t.Errorf("%+v after %s", b.Result, c.probesOf(b))
	}
	for i, p := range before {
		if b.Probes[i].Run != p.Run || b.Probes[i].At != p.At {
			t.Errorf("examination %d was made again: %s", i, c.probesOf(b))
		}
	}
	times := map[int]int{}
	for _, p := range b.Probes {
		if times[p.At]++; times[p.At] > 1 && p.At != 7 && p.At != 6 || times[p.At] > 2 || p.Outcome == bisect.Lost {
			t.Errorf("commit %d was examined %d times: %s", p.At, times[p.At], c.probesOf(b))
		}
	}
	c.issue("checks", "First bad commit: `"+c.shas[7][:10]+"` “6” by Eve")
	// Those who watch the tracking issue are told, once.
	c.await("maintenance report for pool.*comment by holdfast-bot.*First bad commit: `" + c.shas[7][:10] + "` “6” by Eve @.{0,8}octocat")
	if n := strings.Count(c.fake.Dump(), "    comment by"); n != 1 {
		t.Errorf("%d comments:\n%s", n, c.fake.Dump())
	}
}

// A budget that is spent says how far it got and what is left, and is spent once.
func TestBudgetIsSpent(t *testing.T) {
	c := newCulpritTest(t)
	c.byProgram()
	c.app.cfg.Bisect.Probes = 3
	stop := c.serve()
	defer stop()
	c.examined(c.add("good", "state", "good"), runner.Success)
	for i, state := range []string{"good", "good", "good", "good", "good", "bad", "bad", "bad"} {
		c.add(fmt.Sprint(i), "state", state)
	}
	c.examined(c.shas[8], runner.Failure)
	b := c.bisected(1)
	if b.Result != (bisect.Result{Kind: bisect.Budget, First: 5, Last: 8}) || c.probesOf(b) != "8 bad, 0 good, 4 good" {
		t.Errorf("%+v after %s", b.Result, c.probesOf(b))
	}
	c.examined(c.add("still bad", "state", "bad"), runner.Failure)
	in, err := c.app.finish(t.Context(), b.Probes[2].Run+1)
	if err != nil || len(in.Bisections) != 1 {
		t.Fatalf("%+v, %v", in.Bisections, err)
	}
	v := in.Bisections[0]
	if want := fmt.Sprintf("holdfast bisect --stage checks %.10s %.10s", c.shas[4], c.shas[8]); v.Kind != bisect.Budget || len(v.Suspects) != 4 || v.Most != 3 || v.Left != 4 || v.Further != want {
		t.Errorf("%+v, want %s", v, want)
	}
	// The issue does not claim to know more.
	c.issue("checks", "First bad commit: one of 4 commits")
	if list, err := c.app.store.BisectionsOf(t.Context(), "pool", 9); err != nil || len(list) != 1 {
		t.Errorf("%d bisections, %v", len(list), err)
	}
}

// A theorem that a commit stops proving is bisected with a real Lean, and the issue about it
// is closed when it is proved again.
func TestLostProofIsFound(t *testing.T) {
	lean := leanHome()
	switch {
	case testing.Short():
		t.Skip("-short: no lost proof is bisected with a real Lean, which takes a while")
	case lean == "" && os.Getenv("CI") == "true":
		t.Fatal("no Lean: neither HOLDFAST_LEAN nor .cache/lean (make lean)")
	case lean == "":
		t.Skip("no Lean, so no lost proof is bisected: neither HOLDFAST_LEAN nor .cache/lean (make lean)")
	}
	c := newCulpritTest(t)
	c.repo.Proofs.Enabled, c.repo.Proofs.Toolchains, c.repo.Proofs.Replay = true, []string{lean}, "off"
	c.write(filepath.Join(c.agentTest.repo, "lakefile.toml"), "name = \"Pool\"\ndefaultTargets = [\"Pool\"]\n[[lean_lib]]\nname = \"Pool\"\n")
	toolchain, err := os.ReadFile(filepath.Join("..", "examples", "streampool", "files", "lean", "lean-toolchain"))
	if err != nil {
		t.Fatal(err)
	}
	c.write(filepath.Join(c.agentTest.repo, "lean-toolchain"), string(toolchain))
	proved, lost := "theorem Pool.one : 1 + 1 = 2 := rfl\n", "theorem Pool.one : 1 + 1 = 2 := sorry\n"
	stop := c.serve()
	defer stop()
	c.examined(c.add("good", "Pool.lean", proved), runner.Success)
	c.add("words", "README.md", "a pool\n")
	c.add("no time for this", "Pool.lean", lost)
	c.examined(c.shas[2], runner.Failure)
	if b := c.bisected(1); b.Result != found(2) || c.probesOf(b) != "2 bad, 0 good, 1 good, 2 bad, 1 good" {
		t.Errorf("%+v after %s", b.Result, c.probesOf(b))
	}
	culprit := "First bad commit: `" + c.shas[2][:10] + "` “no time for this” by Eve"
	c.issue("proofs", "open.*"+culprit)
	c.examined(c.add("proved", "Pool.lean", proved), runner.Success)
	c.issue("proofs", "closed.*"+culprit)
}
