package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
)

// against is what the proofs of a job are compared with. At most one of past and commit
// is set; the zero value means that there is nothing.
type against struct {
	past    *store.PastProofs
	commit  runner.Commit // to be examined first; no stored run did
	warning string        // why there is nothing, where there should be something
}

// against finds the base of a run's ledger. For a pull request, and for a command that
// names a base, it is the merge base, examined now if no trusted run has done so. For a
// branch it is the last other commit of the branch with a complete inventory, or else the
// commit that a push started from. A lone
// commit is compared with the last of the watched branch that it descends from, or with
// where it left that branch if a run examined that commit.
func (a *app) against(ctx context.Context, repo *config.Repository, doc *runner.Run) (against, error) {
	dirs := repo.Proofs.Dirs
	if doc.PullRequest != 0 || doc.Trigger == store.TriggerCommand && doc.Base.SHA != "" && doc.Base.SHA != doc.Commit.SHA {
		if doc.Base.SHA == "" {
			return against{warning: "the pull request shares no commit with its target: its proofs were compared with nothing"}, nil
		}
		return a.ofCommit(ctx, doc, doc.Base, dirs)
	}
	branch := doc.Branch
	if branch == "" {
		branch = repo.DefaultBranch()
	}
	past, ok, err := a.store.ProofsBefore(ctx, doc.Repo, branch, doc.Number, doc.Commit.SHA, dirs)
	switch {
	case err != nil:
		return against{}, err
	case !ok:
		if doc.Base.SHA == "" || doc.Base.SHA == doc.Commit.SHA {
			return against{}, nil
		}
		return a.ofCommit(ctx, doc, doc.Base, dirs)
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
		return against{warning: fmt.Sprintf("the proofs were compared with nothing: %v", err)}, nil
	case fork.SHA == past.Commit.SHA:
		return against{past: &past}, nil
	case fork.SHA == doc.Commit.SHA:
		return against{}, nil
	}
	if past, ok, err = a.store.ProofsOf(ctx, doc.Repo, fork.SHA, dirs); err != nil || !ok {
		return against{}, err
	}
	return against{past: &past}, nil
}

// ofCommit compares with one commit: with what a trusted run told about it, or else with
// what examining it now tells.
func (a *app) ofCommit(ctx context.Context, doc *runner.Run, commit runner.Commit, dirs []string) (against, error) {
	past, ok, err := a.store.ProofsOf(ctx, doc.Repo, commit.SHA, dirs)
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
		base.Warnings = append(base.Warnings, fmt.Sprintf("the base's worktree was not removed: %v", err))
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
