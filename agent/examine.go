package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
	"github.com/holdfast-ci/holdfast/runner/proc"
)

// examiner lays commits out and runs stages on them. Its folders under the state folder:
//
//	mirrors/REPO.git           bare mirror
//	work/RUN-STAGE/            checkout and scratch of one running stage
//	cache/REPO/CLASS/STAGE/    what outlives a run; CLASS is "trusted"
//	logs/RUN/STAGE/            one file per child
type examiner struct {
	cfg     *config.Config
	environ []string
	// token gives what git needs for a repository on GitHub; nil if there is none.
	token    func(ctx context.Context, repo string) (string, error)
	progress func(runner.Event)
	// make makes a stage; nil is [examiner.stage]. Tests set it.
	make func(repo *config.Repository, name string) (runner.Stage, time.Duration, error)
}

// fileName makes a name of agent.toml safe for a folder, without collisions.
func fileName(name string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, name)
	if safe == name && !strings.HasPrefix(name, ".") {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return strings.TrimLeft(safe, ".") + "-" + hex.EncodeToString(sum[:4])
}

func (x *examiner) state(parts ...string) string {
	return filepath.Join(append([]string{x.cfg.Agent.State}, parts...)...)
}

// logs is the folder with the logs of one run.
func (x *examiner) logs(run int64) string {
	return x.state("logs", strconv.FormatInt(run, 10))
}

// mirror is the local copy of a repository.
func (x *examiner) mirror(r *config.Repository) *git.Mirror {
	remote := git.Remote{URL: r.URL, Environ: x.environ}
	if r.Path != "" {
		remote.URL = r.Path
	}
	if x.token != nil && r.GitHub != "" && sameHost(remote.URL, x.cfg.GitHub.API) {
		remote.Token = func(ctx context.Context) (string, error) { return x.token(ctx, r.GitHub) }
	}
	return &git.Mirror{Remote: remote, Dir: x.state("mirrors", fileName(r.Name)+".git")}
}

// have sees to it that this machine has the commits of a run. In a fleet it is another one
// that saw the head, and fetched it.
func (a *app) have(ctx context.Context, repo *config.Repository, run *runner.Run) error {
	m := a.x.mirror(repo)
	_, err := m.Resolve(ctx, run.Commit.SHA)
	if err != nil && run.PullRequest != 0 {
		if err = m.Fetch(ctx, fmt.Sprintf("refs/pull/%d/head", run.PullRequest)); err == nil {
			_, err = m.Resolve(ctx, run.Commit.SHA)
		}
	}
	if err == nil && run.Base.SHA != "" {
		// What was force-pushed away may be gone: whoever compares with it finds out.
		_, _ = m.Resolve(ctx, run.Base.SHA)
	}
	return err
}

// job is one stage of one run.
type job struct {
	run     int64
	repo    *config.Repository
	stage   string
	commit  runner.Commit
	base    runner.Commit
	trusted bool
	fresh   bool
	against against      // what it is compared with
	known   func() known // what its benchmarks are judged by; may be nil
	// progress hears what the stage says, beside the examiner's own; may be nil.
	progress func(runner.Event)
}

// examine runs one stage on a fresh checkout of the commit. It always gives a complete
// result: what keeps it from examining is verdict Error.
func (x *examiner) examine(ctx context.Context, j job) runner.Result {
	get := x.make
	if get == nil {
		get = func(repo *config.Repository, name string) (runner.Stage, time.Duration, error) {
			return x.stage(repo, name, j.known)
		}
	}
	stage, limit, err := get(j.repo, j.stage)
	if err != nil {
		return unable(j.stage, err)
	}
	if stage == nil {
		return runner.Result{Stage: j.stage, Verdict: runner.Neutral, Reason: "not configured for this repository"}
	}
	place := x.state("work", fmt.Sprintf("%d-%s", j.run, j.stage))
	// Left over if this very job was killed before.
	if err := os.RemoveAll(place); err != nil {
		return unable(j.stage, err)
	}
	defer os.RemoveAll(place)
	ws := x.workspace(j, place, j.stage)
	if err := prepare(ws, x.environ); err != nil {
		return unable(j.stage, err)
	}
	remove, err := x.mirror(j.repo).Checkout(ctx, j.commit.SHA, ws.Dir)
	if err != nil {
		return unable(j.stage, err)
	}
	ws.Rules, ws.RulesOf = j.against.rules, j.against.rulesOf
	var base runner.Result
	switch {
	case j.against.past != nil:
		p := j.against.past
		ws.Earlier, ws.EarlierCommit, ws.EarlierRun = &p.Result, p.Commit, p.Run
	case j.against.commit.SHA != "":
		base, limit = x.baseFirst(ctx, stage, j, place, limit)
		ws.Earlier, ws.EarlierCommit = &base, j.against.commit
	case j.against.beside.SHA != "":
		var removeBase func() error
		if ws.Beside, removeBase, err = x.layBeside(ctx, j, place); err != nil {
			return unable(j.stage, fmt.Errorf("lay out the base %s: %w", j.against.beside.Short(), err))
		}
		defer removeBase()
	}
	res := runner.Execute(ctx, stage, ws, limit)
	if res.Proofs != nil {
		res.Proofs.Dirs = j.repo.Proofs.Dirs
	}
	if res.Checks != nil {
		res.Checks.Settings = checksSettings(j.repo.Checks)
	}
	if base.Stage != "" {
		res = withBase(res, base)
	}
	if j.against.warning != "" {
		res.Warnings = append(res.Warnings, j.against.warning)
	}
	if err := remove(); err != nil {
		res.Warnings = append(res.Warnings, fmt.Sprintf("the checkout was not removed: %v", err))
	}
	return res
}

// workspace names the folders of a job in place. What a stranger's code writes must not be
// there for the next run: it has a cache that goes with the run, and may read from the
// trusted one.
func (x *examiner) workspace(j job, place, logs string) *runner.Workspace {
	trusted := x.state("cache", fileName(j.repo.Name), "trusted", j.stage)
	ws := &runner.Workspace{
		Dir:      filepath.Join(place, "tree"),
		Scratch:  filepath.Join(place, "scratch"),
		Logs:     filepath.Join(x.logs(j.run), logs),
		Cache:    trusted,
		Commit:   j.commit,
		Base:     j.base,
		Fresh:    j.fresh,
		Trusted:  j.trusted,
		Progress: x.progress,
	}
	if j.progress != nil {
		ws.Progress = func(ev runner.Event) {
			if x.progress != nil {
				x.progress(ev)
			}
			j.progress(ev)
		}
	}
	if !j.trusted {
		ws.Cache, ws.Warm = filepath.Join(place, "cache"), trusted
	}
	return ws
}

// prepare makes the folders of a workspace and its children's environment.
func prepare(ws *runner.Workspace, environ []string) error {
	home, tmp := filepath.Join(ws.Scratch, "home"), filepath.Join(ws.Scratch, "tmp")
	for _, dir := range []string{home, tmp, ws.Logs, ws.Cache} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	extra := []string{"HOLDFAST=1"}
	if ws.Cache != "" {
		// A home made anew for each job would make every Go program of the repository
		// compile the standard library again.
		extra = append(extra, "GOCACHE="+filepath.Join(ws.Cache, "go-build"))
	}
	ws.Env = proc.BaseEnv(environ, home, tmp, extra...)
	return nil
}

func unable(stage string, err error) runner.Result {
	return runner.Result{Stage: stage, Verdict: runner.Error, Reason: err.Error(), Hint: hintOf(err)}
}

// benchSettings is the key of what was measured and how: samples compare only with
// samples of the same key.
func benchSettings(b config.Bench) string {
	b.Limit, b.Seed, b.Conditions = 0, 0, "" // none changes what is measured
	b.Programs = slices.Clone(b.Programs)
	for i := range b.Programs {
		b.Programs[i].Limit = 0
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // plain values only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
