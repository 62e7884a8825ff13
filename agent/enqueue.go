package agent

import (
	"context"
	"fmt"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// enqueue creates a run for the workers and says so.
func (a *app) enqueue(ctx context.Context, repo *config.Repository, n store.NewRun) error {
	n.Messages = a.pending(repo, n)
	run, created, err := a.store.CreateRun(ctx, n)
	if err != nil {
		return err
	}
	if created {
		a.log.Info("run enqueued", "run", run, "repo", n.Repo, "sha", n.Commit.SHA, "trigger", n.Trigger)
	}
	return nil
}

func (a *app) enqueueHead(ctx context.Context, repo *config.Repository, h intake.Head) error {
	n := store.NewRun{
		Repo: repo.Name, Branch: h.Branch, PullRequest: h.PullRequest, Trigger: store.TriggerPush,
		Stages: enabled(repo, runner.Stages), HeadRef: h.Ref(), HeadMark: h.Mark(),
	}
	if len(n.Stages) == 0 {
		return a.store.SetHead(ctx, repo.Name, h.Ref(), h.Mark())
	}
	if h.PullRequest != 0 {
		c, err := a.choose(ctx, repo, h)
		if err != nil {
			return err
		}
		if c.mark != "" {
			return a.setAside(ctx, repo, h, c)
		}
		n.Trigger, n.Fork = store.TriggerPullRequest, h.Fork
	}
	done, err := a.announce(ctx, repo, h, n.Stages)
	if err != nil {
		return err
	}
	return done(a.enqueueFetched(ctx, repo, h, n))
}

// enqueueFetched fetches a head that is to be examined and creates its run.
func (a *app) enqueueFetched(ctx context.Context, repo *config.Repository, h intake.Head, n store.NewRun) error {
	m := a.x.mirror(repo)
	base := h.Before
	if h.PullRequest != 0 {
		base = h.BaseSHA
		if err := m.Fetch(ctx, fmt.Sprintf("refs/pull/%d/head", h.PullRequest)); err != nil {
			return err
		}
	}
	var err error
	if n.Commit, err = m.Resolve(ctx, h.SHA); err != nil {
		return err
	}
	if base != "" {
		b, err := m.MergeBase(ctx, base, h.SHA)
		if err != nil {
			// The old head of a force-pushed branch may be gone: then there is nothing to
			// compare with, and the run says so by having no base.
			a.log.Info("no base to compare with", "repo", repo.Name, "sha", h.SHA, "base", base, "error", err)
		}
		n.Base = b
	}
	if h.PullRequest != 0 {
		if c, err := a.touches(ctx, repo, h, n.Base); err != nil || c.mark != "" {
			if err != nil {
				return err
			}
			return a.setAside(ctx, repo, h, c)
		}
	}
	return a.enqueue(ctx, repo, n)
}
