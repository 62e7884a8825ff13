package agent

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// listed is a proofs stage without Lean: the theorems of a commit are the lines of a file,
// "!" before one makes it fail. Each examination is kept with its workspace.
type listed struct {
	seen []examined
}

type examined struct {
	ws      *runner.Workspace
	against string // theorems of what it was compared with; "-" for nothing
	left    time.Duration
}

func (*listed) Name() string { return runner.StageProofs }

func (l *listed) Run(ctx context.Context, ws *runner.Workspace) (runner.Result, error) {
	text, err := os.ReadFile(filepath.Join(ws.Dir, "theorems.txt"))
	if err != nil {
		return runner.Result{}, err
	}
	ws.Report(runner.StageProofs, "reading")
	if err := os.WriteFile(filepath.Join(ws.Logs, "list.log"), text, 0o644); err != nil {
		return runner.Result{}, err
	}
	ws.AddLog(runner.Log{Name: "list", Path: filepath.Join(ws.Logs, "list.log"), Bytes: int64(len(text))})
	x := examined{ws: ws, against: "-"}
	if d, ok := ctx.Deadline(); ok {
		x.left = time.Until(d)
	}
	switch {
	case ws.Earlier == nil:
	case ws.Earlier.Proofs == nil:
		x.against = ws.Earlier.Reason
	default:
		var names []string
		for _, t := range ws.Earlier.Proofs.Theorems {
			names = append(names, t.Name)
		}
		x.against = strings.Join(names, " ")
	}
	l.seen = append(l.seen, x)
	res := runner.Result{Verdict: runner.Success, Proofs: &runner.Proofs{Complete: true, Fresh: ws.Fresh, Authority: true}}
	for name := range strings.FieldsSeq(string(text)) {
		if name == "incomplete" {
			res.Proofs.Complete = false
			continue
		}
		v := runner.Success
		if bad, ok := strings.CutPrefix(name, "!"); ok {
			name, v, res.Verdict, res.Reason = bad, runner.Failure, runner.Failure, "a theorem fails"
		}
		res.Proofs.Theorems = append(res.Proofs.Theorems, runner.Theorem{Name: name, Kind: "theorem", Verdict: v})
		res.Proofs.Modules = append(res.Proofs.Modules, runner.Module{Name: name, Verdict: runner.Success, Seconds: 2})
	}
	return res, nil
}

// ledgerTest is an agent whose only stage is listed.
type ledgerTest struct {
	*agentTest
	stage *listed
	repo  *config.Repository
}

func newLedgerTest(t *testing.T) *ledgerTest {
	l := &ledgerTest{agentTest: newAgentTest(t), stage: &listed{}}
	l.repo = &l.app.cfg.Repositories[0]
	l.repo.Proofs.Enabled, l.repo.Checks.Enabled, l.repo.Bench.Enabled = true, false, false
	l.app.poster, l.app.hub = nil, nil
	l.app.x.make = func(*config.Repository, string) (runner.Stage, time.Duration, error) { return l.stage, time.Hour, nil }
	return l
}

// state commits a list of theorems.
func (l *ledgerTest) state(theorems string) string {
	l.t.Helper()
	l.write(filepath.Join(l.agentTest.repo, "theorems.txt"), theorems+"\n")
	return l.commit()
}

// run examines a commit directly and returns its report and what the stage saw last.
func (l *ledgerTest) run(n store.NewRun) (report.Input, examined) {
	l.t.Helper()
	ctx := l.t.Context()
	n.Repo, n.Direct, n.Stages = "pool", true, enabled(l.repo, runner.Stages)
	if n.Trigger == "" {
		n.Trigger = store.TriggerCommand
	}
	if err := l.app.x.mirror(l.repo).Fetch(ctx); err != nil {
		l.t.Fatal(err)
	}
	p := newProgress(os.Stderr)
	defer p.close()
	in, err := l.app.direct(ctx, n, l.repo, "", p)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(l.stage.seen) == 0 {
		return in, examined{ws: &runner.Workspace{}}
	}
	return in, l.stage.seen[len(l.stage.seen)-1]
}

func at(branch, sha string) store.NewRun {
	return store.NewRun{Branch: branch, Commit: runner.Commit{SHA: sha}}
}

// A branch is compared with its last other commit, a second look at a commit with what the
// first one was compared with, and what is not complete is passed over.
func TestBaseOfBranch(t *testing.T) {
	l := newLedgerTest(t)
	one, two, gap, three := l.state("a b"), l.state("a c"), l.state("a incomplete"), l.state("a d")
	for i, step := range []struct{ sha, want string }{
		{one, "-"},
		{one, "-"},
		{two, "a b"},
		{two, "a b"},
		{gap, "a c"},
		{three, "a c"},
	} {
		in, x := l.run(at("main", step.sha))
		if x.against != step.want || x.ws.Fresh || !x.ws.Trusted {
			t.Errorf("step %d: compared with %q, want %q", i, x.against, step.want)
		}
		if step.want != "-" && (x.ws.EarlierRun == 0 || x.ws.EarlierCommit.SHA == "") {
			t.Errorf("step %d: from run %d", i, x.ws.EarlierRun)
		}
		if p := in.Run.Stage(runner.StageProofs).Proofs; p == nil || !slices.Equal(p.Dirs, l.repo.Proofs.Dirs) || p.FromScratch != nil {
			t.Errorf("step %d: %+v", i, p)
		}
	}
	if n := len(l.stage.seen); n != 6 {
		t.Errorf("%d examinations, want one a run", n)
	}
	// A push that nothing earlier is stored for is compared with where it started.
	push := at("other", three)
	push.Base, push.Trigger = runner.Commit{SHA: two}, store.TriggerPush
	if _, x := l.run(push); x.against != "a c" || x.ws.EarlierRun != 4 {
		t.Errorf("a first push was compared with %q of run %d", x.against, x.ws.EarlierRun)
	}
	// Other folders are another inventory.
	l.repo.Proofs.Dirs = []string{"elsewhere"}
	if _, x := l.run(at("main", three)); x.against != "-" {
		t.Errorf("compared with %q of other folders", x.against)
	}
}

// A pull request is compared with its merge base: a stored result of it if a trusted run
// made one, else one that is made now, as trusted code, on half of the time.
func TestBaseOfPullRequest(t *testing.T) {
	l := newLedgerTest(t)
	base := l.state("a b")
	head := l.state("a x")
	pull := func() store.NewRun {
		n := at("", head)
		n.PullRequest, n.Base, n.Trigger, n.Fork = 7, runner.Commit{SHA: base}, "test", true
		return n
	}
	in, x := l.run(pull())
	if len(l.stage.seen) != 2 || x.against != "a b" || x.ws.EarlierRun != 0 || x.ws.EarlierCommit.SHA != base {
		t.Fatalf("%d examinations, the head was compared with %q", len(l.stage.seen), x.against)
	}
	b := l.stage.seen[0]
	if !b.ws.Trusted || b.ws.Warm != "" || b.against != "-" || b.ws.Commit.SHA != base || b.left > 30*time.Minute || b.ws.Dir == x.ws.Dir {
		t.Errorf("the base was examined in %s as trusted = %v, with %s", b.ws.Dir, b.ws.Trusted, b.left)
	}
	if x.ws.Trusted || x.ws.Cache == b.ws.Cache || x.ws.Warm != b.ws.Cache || x.left < 30*time.Minute-time.Second {
		t.Errorf("the head was examined in %s with caches %s and %s and %s", x.ws.Dir, x.ws.Cache, x.ws.Warm, x.left)
	}
	if filepath.Base(b.ws.Logs) != "proofs-base" || filepath.Base(x.ws.Logs) != "proofs" {
		t.Errorf("logs in %s and %s", b.ws.Logs, x.ws.Logs)
	}
	if logs := in.Run.Stages[0].Logs; len(logs) != 2 || logs[1].Name != "base/list" {
		t.Errorf("logs %+v", logs)
	}
	// Neither the pull request nor its examination of the base is a base for others.
	if _, x := l.run(pull()); x.against != "a b" || len(l.stage.seen) != 4 {
		t.Errorf("%d examinations, compared with %q", len(l.stage.seen), x.against)
	}
	if _, x := l.run(at("main", head)); x.against != "-" {
		t.Errorf("the branch was compared with %q", x.against)
	}
	l.run(at("main", base))
	before := len(l.stage.seen)
	if _, x := l.run(pull()); x.against != "a b" || x.ws.EarlierRun == 0 || len(l.stage.seen) != before+1 {
		t.Errorf("with a stored result: %d examinations more, run %d", len(l.stage.seen)-before, x.ws.EarlierRun)
	}
	// A base that cannot be examined is for the stage to report.
	n := pull()
	n.Base.SHA = strings.Repeat("0", 40)
	if _, x = l.run(n); !strings.Contains(x.against, "check out 0000000000") || x.ws.EarlierCommit.SHA != n.Base.SHA {
		t.Errorf("compared with %q", x.against)
	}
	n.Base.SHA = ""
	if in, _ = l.run(n); len(in.Run.Stages[0].Warnings) == 0 {
		t.Error("a pull request without a base says nothing of it")
	}
}

// A lone commit is compared with a commit that it descends from, never with a later one.
func TestBaseOfLoneCommit(t *testing.T) {
	l := newLedgerTest(t)
	one, two, three := l.state("a"), l.state("a b"), l.state("a b c")
	l.run(at("main", one))
	l.run(at("main", three))
	if _, x := l.run(at("", two)); x.against != "-" {
		t.Errorf("an old commit was compared with %q", x.against)
	}
	l.git("checkout", "--quiet", "-b", "side", two)
	side := l.state("z")
	l.run(at("main", two))
	l.run(at("main", three))
	if _, x := l.run(at("", side)); x.against != "a b" {
		t.Errorf("a commit beside the branch was compared with %q", x.against)
	}
	l.git("checkout", "--quiet", "main")
	if _, x := l.run(at("", l.state("a b c d"))); x.against != "a b c" {
		t.Errorf("a commit on top was compared with %q", x.against)
	}
}

// Every report names the last commit that was proved from scratch, and a fresh run that
// fails proves nothing.
func TestFromScratch(t *testing.T) {
	l := newLedgerTest(t)
	good, bad := l.state("a"), l.state("!a")
	scratch := func(n store.NewRun, fresh bool) *runner.FromScratch {
		n.Fresh = fresh
		in, x := l.run(n)
		if x.ws.Fresh != fresh {
			t.Errorf("the stage was asked for fresh = %v, want %v", x.ws.Fresh, fresh)
		}
		stored, err := l.app.store.Run(t.Context(), in.Run.Number)
		if err != nil {
			t.Fatal(err)
		}
		a, b := in.Run.Stages[0].Proofs.FromScratch, stored.Run.Stages[0].Proofs.FromScratch
		if (a == nil) != (b == nil) || a != nil && *a != *b {
			t.Errorf("reported %+v, stored %+v", a, b)
		}
		return a
	}
	if f := scratch(at("main", good), false); f != nil {
		t.Errorf("never: %+v", f)
	}
	if f := scratch(at("main", good), true); f == nil || f.Run != 2 || f.Commit.SHA != good || f.Time == "" {
		t.Errorf("this run: %+v", f)
	}
	if f := scratch(at("main", bad), true); f == nil || f.Run != 2 {
		t.Errorf("after one that failed: %+v", f)
	}
	if f := scratch(at("other", good), false); f != nil {
		t.Errorf("another branch: %+v", f)
	}
	if f := scratch(at("", bad), false); f == nil || f.Run != 2 {
		t.Errorf("a lone commit: %+v", f)
	}
	if f := scratch(at("", good), true); f == nil || f.Run != 6 {
		t.Errorf("a lone commit from scratch: %+v", f)
	}
}

// Build times miss thresholds in the proofs stage, and have a history of their own.
func TestBuildTimes(t *testing.T) {
	l := newLedgerTest(t)
	sha := l.state("a b")
	require := func(texts ...string) {
		l.repo.Thresholds.Require = nil
		for _, s := range texts {
			th, err := baseline.ParseThreshold(s)
			if err != nil {
				t.Fatal(err)
			}
			l.repo.Thresholds.Require = append(l.repo.Thresholds.Require, th)
		}
	}
	for range 3 {
		if in, _ := l.run(at("main", sha)); in.Builds != nil || in.Run.Verdict != runner.Success {
			t.Fatalf("without thresholds: %s, %+v", in.Run.Reason, in.Builds)
		}
	}
	require("lean-build module=a <= 60s", "ops/s > 5", "lean-build-total <= baseline + 20%", "lean-build module=b <= baseline + 20%")
	in, _ := l.run(at("main", sha))
	if in.Run.Verdict != runner.Success || in.Builds == nil || len(in.Builds.Metrics) != 3 {
		t.Fatalf("%s: %+v", in.Run.Reason, in.Builds)
	}
	if m := in.Builds.Metrics[1]; m.Verdict != runner.Success || len(m.Runs) != 3 {
		t.Errorf("against history: %+v", m)
	}
	if m := in.Builds.Metrics[2]; m.Verdict != runner.Neutral || !strings.Contains(m.Reason, "not measured") {
		t.Errorf("the total of a build that reused nothing but was not fresh: %+v", m)
	}
	require("lean-build <= 1s")
	in, _ = l.run(at("main", sha))
	res := in.Run.Stage(runner.StageProofs)
	if in.Run.Verdict != runner.Failure || res.Verdict != runner.Failure || len(res.Findings) != 2 || !strings.Contains(res.Reason, "missed: lean-build module=a is 2.000 s") {
		t.Errorf("%s: %+v", in.Run.Reason, res)
	}
	rec, err := l.app.store.Run(t.Context(), in.Run.Number)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.app.stored(t.Context(), rec)
	if err != nil || again.Builds == nil || again.Builds.Reason != in.Builds.Reason {
		t.Errorf("stored as %+v, %v", again.Builds, err)
	}
	require("lean-build module=nonesuch <= 1s")
	if in, _ = l.run(at("main", sha)); in.Run.Verdict != runner.Error || !strings.Contains(in.Run.Reason, "no module of that name") {
		t.Errorf("a module that does not exist: %s", in.Run.Reason)
	}
}
