package agent

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/machine"
)

// work claims one job and examines it. A job that is not there to be claimed (any more) is
// no error, and the result of one that was cancelled or handed out anew is dropped.
func (a *app) work(ctx context.Context, run int64, stage string, attempt int) error {
	claimed, doc, ok, err := a.store.Claim(ctx, run, stage, attempt)
	if err != nil || !ok {
		return err
	}
	log := a.log.With("run", run, "repo", doc.Repo, "sha", doc.Commit.SHA, "stage", stage)
	log.Info("stage started", "attempt", attempt)
	repo, err := a.repository(doc.Repo)
	if err == nil && probing(&doc) {
		repo, err = a.probed(ctx, repo, &doc)
	}
	watch := a.follow(context.WithoutCancel(ctx), repo, &doc, stage)
	if err == nil {
		err = a.have(ctx, repo, &doc)
	}
	var res runner.Result
	if err == nil {
		j := job{
			progress: func(ev runner.Event) { watch.event(context.WithoutCancel(ctx), ev) },
			run:      run, repo: repo, stage: stage, commit: doc.Commit, base: doc.Base, fresh: claimed.Fresh,
			trusted: doc.PullRequest == 0 || !claimed.Fork,
		}
		switch stage {
		case runner.StageProofs:
			j.against, err = a.againstProofs(ctx, repo, &doc)
		case runner.StageChecks:
			j.against, err = a.againstChecks(ctx, repo, &doc)
		case runner.StageBench:
			j.against = againstBench(repo, &doc)
			j.known = func() known { return a.known(context.WithoutCancel(ctx), repo, doc.Repo) }
		}
		if err == nil {
			if res, err = a.examineLocked(ctx, j); err == nil {
				res.Warnings = append(res.Warnings, a.misplaced(repo, stage)...)
			}
		}
	}
	if err != nil {
		res = unable(stage, err)
	}
	if errors.Is(context.Cause(ctx), store.ErrStopping) {
		return store.ErrStopping // the job goes back to the queue
	}
	if a.x.progress != nil {
		a.x.progress(runner.Event{Stage: stage, Text: fmt.Sprintf("%s: %s (%.1f s)", res.Verdict, res.Reason, res.Seconds), Done: true})
	}
	log.Info("stage ended", "verdict", res.Verdict, "reason", res.Reason, "seconds", res.Seconds)
	res.Machine = machine.Now(context.WithoutCancel(ctx), os.Environ(), a.machine)
	watch.close()
	_, err = a.store.Finish(context.WithoutCancel(ctx), claimed, res, a.ended(repo, &doc, &res)...)
	if errors.Is(err, store.ErrStale) {
		log.Info("result dropped", "why", err)
		return nil
	}
	return err
}

// examineLocked examines a job when it has the machine to itself: a proof build next door
// would be noise in a benchmark, so builds wait for benchmarks and benchmarks for builds.
func (a *app) examineLocked(ctx context.Context, j job) (runner.Result, error) {
	release, err := store.MachineLock(ctx, a.locks, fmt.Sprintf("%s of run %d of %s", j.stage, j.run, j.repo.Name), func(holder string) {
		if a.x.progress != nil {
			a.x.progress(runner.Event{Stage: j.stage, Text: "waiting for the machine, which is in use: " + holder})
		}
	})
	if err != nil {
		return runner.Result{}, err
	}
	defer release()
	return a.x.examine(ctx, j), nil
}
