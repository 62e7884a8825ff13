package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
)

// against is what a job is compared with. At most one of past and commit is set; the zero
// value means that there is nothing.
type against struct {
	past    *store.PastResult
	commit  runner.Commit // to be examined first; no stored run did
	beside  runner.Commit // to be measured in turns with the job's commit
	warning string        // why there is nothing, where there should be something

	// Rule files that judge the job, and those that judge commit, in place of their own; nil
	// for their own.
	rules, baseRules     map[string][]byte
	rulesOf, baseRulesOf runner.Commit
}

// past looks up what a stage told before.
type past struct {
	what   string // "proofs"
	of     func(sha string) (store.PastResult, bool, error)
	before func(branch string) (store.PastResult, bool, error) // of another commit of the branch
}

// named reports whether a run has a base that it is measured by: a pull request, a probe of
// a bisection, or a command that names one.
func named(doc *runner.Run) bool {
	return doc.PullRequest != 0 || probing(doc) || doc.Trigger == store.TriggerCommand && doc.Base.SHA != "" && doc.Base.SHA != doc.Commit.SHA
}

// againstProofs finds the base of a run's ledger.
func (a *app) againstProofs(ctx context.Context, repo *config.Repository, doc *runner.Run) (against, error) {
	dirs := repo.Proofs.Dirs
	return a.against(ctx, repo, doc, past{
		what: "proofs",
		of:   func(sha string) (store.PastResult, bool, error) { return a.store.ProofsOf(ctx, doc.Repo, sha, dirs) },
		before: func(branch string) (store.PastResult, bool, error) {
			return a.store.ProofsBefore(ctx, doc.Repo, branch, doc.Number, doc.Commit.SHA, dirs)
		},
	})
}

// againstBench finds the base that the programs and the kernel of a run are measured in turns
// with, and that tells whether the built-in harness can measure anything new.
func againstBench(repo *config.Repository, doc *runner.Run) (out against) {
	harness := repo.Bench.Backend != "" && repo.Bench.Backend != metal.BackendNone
	if !named(doc) || !repo.Bench.Turns || len(repo.Bench.Programs) == 0 && !harness {
		return out
	}
	if probing(doc) {
		// In turns with the good end, if that is asked; at the good end it is a commit and itself.
		if t := repo.Thresholds.Require; len(t) == 1 && t[0].Base {
			out.beside = doc.Base
		}
		return out
	}
	switch doc.Base.SHA {
	case doc.Commit.SHA: // merged already
	case "":
		if len(repo.Bench.Programs) > 0 || repo.Bench.Kernel != "" {
			out.warning = "the pull request shares no commit with its target: its benchmarks were compared with nothing"
		}
	default:
		out.beside = doc.Base
	}
	return out
}

// layBeside lays the base of a job out beside it, as the trusted commit that it is.
func (x *examiner) layBeside(ctx context.Context, j job, place string) (ws *runner.Workspace, remove func() error, err error) {
	b := j
	b.commit, b.base, b.trusted, b.fresh = j.against.beside, runner.Commit{}, true, false
	ws = x.workspace(b, filepath.Join(place, "base"), j.stage+"-base")
	if x.progress != nil {
		ws.Progress = func(e runner.Event) {
			e.Text = "base: " + e.Text
			x.progress(e)
		}
	}
	if err := prepare(ws, x.environ); err != nil {
		return nil, nil, err
	}
	remove, err = x.mirror(j.repo).Checkout(ctx, b.commit.SHA, ws.Dir)
	return ws, remove, err
}

// against finds the base of a run. For a pull request, and for a command that
// names a base, it is the merge base, examined now if no trusted run has done so. For a
// branch it is the last other commit of the branch with a result that serves, or else the
// commit that a push started from. A lone
// commit is compared with the last of the watched branch that it descends from, or with
// where it left that branch if a run examined that commit.
func (a *app) against(ctx context.Context, repo *config.Repository, doc *runner.Run, was past) (against, error) {
	if named(doc) {
		if doc.Base.SHA == "" {
			return against{warning: fmt.Sprintf("the pull request shares no commit with its target: its %s were compared with nothing", was.what)}, nil
		}
		return ofCommit(doc, doc.Base, was)
	}
	branch := doc.Branch
	if branch == "" {
		branch = repo.DefaultBranch()
	}
	past, ok, err := was.before(branch)
	switch {
	case err != nil:
		return against{}, err
	case !ok:
		if doc.Base.SHA == "" || doc.Base.SHA == doc.Commit.SHA {
			return against{}, nil
		}
		return ofCommit(doc, doc.Base, was)
	case doc.Branch != "":
		return against{past: &past}, nil
	}
	// The branch may have gone on since the commit was made: what it gained later was not
	// lost here.
	fork, err := a.x.mirror(repo).MergeBase(ctx, past.Commit.SHA, doc.Commit.SHA)
	switch {
	case errors.Is(err, git.ErrNoMergeBase):
		return against{}, nil
	case err != nil:
		return against{warning: fmt.Sprintf("the %s were compared with nothing: %v", was.what, err)}, nil
	case fork.SHA == past.Commit.SHA:
		return against{past: &past}, nil
	case fork.SHA == doc.Commit.SHA:
		return against{}, nil
	}
	if past, ok, err = was.of(fork.SHA); err != nil || !ok {
		return against{}, err
	}
	return against{past: &past}, nil
}

// ofCommit compares with one commit: with what a trusted run told about it, or else with
// what examining it now tells.
func ofCommit(doc *runner.Run, commit runner.Commit, was past) (against, error) {
	past, ok, err := was.of(commit.SHA)
	switch {
	case err != nil:
		return against{}, err
	case ok:
		return against{past: &past}, nil
	case commit.SHA == doc.Commit.SHA: // merged already: nothing could have changed
		return against{}, nil
	}
	return against{commit: commit}, nil
}

// baseFirst examines the base of a job in a place of its own, as the trusted commit that
// it is. Whatever comes of it is what the head is compared with: a base that cannot be
// examined is for the stage to report. It takes at most half of the limit and returns what
// is left of it.
func (x *examiner) baseFirst(ctx context.Context, stage runner.Stage, j job, place string, limit time.Duration) (base runner.Result, left time.Duration) {
	b := j
	b.commit, b.base, b.trusted, b.fresh = j.against.commit, runner.Commit{}, true, false
	base.Stage = j.stage
	fail := func(err error) (runner.Result, time.Duration) {
		base.Verdict, base.Reason = runner.Error, err.Error()
		return base, limit
	}
	bw := x.workspace(b, filepath.Join(place, "base"), j.stage+"-base")
	bw.Rules, bw.RulesOf = j.against.baseRules, j.against.baseRulesOf
	if x.progress != nil {
		x.progress(runner.Event{Stage: j.stage, Text: fmt.Sprintf("examining the base %s first: no earlier run did", b.commit.Short())})
		bw.Progress = func(e runner.Event) {
			e.Text = "base: " + e.Text
			x.progress(e)
		}
	}
	if err := prepare(bw, x.environ); err != nil {
		return fail(err)
	}
	remove, err := x.mirror(j.repo).Checkout(ctx, b.commit.SHA, bw.Dir)
	if err != nil {
		return fail(err)
	}
	start := time.Now()
	base = runner.Execute(ctx, stage, bw, limit/2)
	left = max(limit-time.Since(start), limit/2)
	if err := remove(); err != nil {
		base.Warnings = append(base.Warnings, fmt.Sprintf("the base's checkout was not removed: %v", err))
	}
	if base.Proofs != nil {
		base.Proofs.Dirs = j.repo.Proofs.Dirs
	}
	return base, left
}

// withBase adds to a result what examining its base cost and left behind.
func withBase(res, base runner.Result) runner.Result {
	if !base.Started.IsZero() {
		res.Started = base.Started
	}
	res.Seconds += base.Seconds
	res.Busy += base.Busy
	for _, l := range base.Logs {
		l.Name = "base/" + l.Name
		res.Logs = append(res.Logs, l)
	}
	return res
}

// resolve finds the commit to examine and the one to compare it with. The base of a
// commit is its merge base with rev base; without base it is none.
func resolve(ctx context.Context, m *git.Mirror, rev, base string) (commit, against runner.Commit, warning string, err error) {
	commit, err = m.Resolve(ctx, rev)
	if err != nil || base == "" {
		return commit, runner.Commit{}, "", err
	}
	b, err := m.Resolve(ctx, base)
	if err != nil {
		return commit, runner.Commit{}, "", fmt.Errorf("base: %w", err)
	}
	mb, err := m.MergeBase(ctx, b.SHA, commit.SHA)
	if errors.Is(err, git.ErrNoMergeBase) {
		return commit, b, fmt.Sprintf("%v: compared with the base itself", err), nil
	}
	return commit, mb, "", err
}
