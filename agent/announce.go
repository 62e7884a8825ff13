package agent

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// Between the moment in which a head is seen and its run lies the fetch, which may take
// minutes. A head is announced before: its statuses are pending under the number 0, which
// any run replaces. What comes of it is always said: by the run, or by an error.

// announced is where it is recorded, among the marks of heads, that a head was announced
// and nothing has come of it yet.
const announced = "announced "

// announce says that a head was seen. The function it returns is told what came of it.
func (a *app) announce(ctx context.Context, repo *config.Repository, h intake.Head, stages []store.NewJob) (done func(error) error, err error) {
	if repo.GitHub == "" || !a.posts() {
		return func(err error) error { return err }, nil
	}
	ref := announced + h.Ref()
	if err := a.store.SetHead(ctx, repo.Name, ref, h.SHA); err != nil {
		return nil, err
	}
	var names []string
	for _, j := range stages {
		names = append(names, j.Stage)
	}
	seen := runner.Run{Repo: repo.Name, Commit: runner.Commit{SHA: h.SHA}, State: runner.StateQueued, Reason: publish.Announced}
	if err := a.store.PutMessages(ctx, 0, publish.Statuses(target(repo), &seen, names)...); err != nil {
		return nil, err
	}
	return func(err error) error {
		if ctx.Err() != nil {
			return err // taken up again at the next start
		}
		if err != nil {
			err = errors.Join(err, a.retract(ctx, repo, h.SHA, names, err.Error()))
		}
		return errors.Join(err, a.store.SetHead(ctx, repo.Name, ref, ""))
	}, nil
}

// retract says that nothing comes of a head that was announced. A run of it has said more
// by then, or will.
func (a *app) retract(ctx context.Context, repo *config.Repository, sha string, stages []string, why string) error {
	run := runner.Run{
		Repo: repo.Name, Commit: runner.Commit{SHA: sha}, State: runner.StateDone, Verdict: runner.Error, Reason: why,
	}
	return a.store.PutMessages(ctx, 0, publish.Statuses(target(repo), &run, stages)...)
}

// forgotten retracts what was announced before the agent was killed, of heads that are not
// there any more. All others are still new, and taken up by the same look.
func (a *app) forgotten(ctx context.Context, repo *config.Repository, heads []intake.Head) error {
	if repo.GitHub == "" || !a.posts() {
		return nil
	}
	marks, err := a.store.Marks(ctx, repo.Name, announced)
	if err != nil {
		return err
	}
	var errs []error
	for ref, sha := range marks {
		if slices.ContainsFunc(heads, func(h intake.Head) bool { return h.SHA == sha && h.Ref() == strings.TrimPrefix(ref, announced) }) {
			continue
		}
		err := a.retract(ctx, repo, sha, runner.Stages, "replaced by a newer head before it could be examined")
		if err == nil {
			err = a.store.SetHead(ctx, repo.Name, ref, "")
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
