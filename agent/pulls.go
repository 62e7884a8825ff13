package agent

import (
	"context"
	"slices"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// choice is why the head of a pull request gets no run (yet). The zero value: it gets one.
type choice struct {
	mark   string // for the head's mark, so that it is said once
	reason string // one sentence
	waits  bool   // something may come that changes it; else it does not apply
}

// byPaths is the mark of a pull request that changes no file that counts: with the same
// head and base it never will.
const byPaths = "paths"

// choose decides whether the head of a pull request is examined, by all that can be known
// without the commit itself. Strangers first: no other setting lets their code run.
func (a *app) choose(ctx context.Context, repo *config.Repository, h intake.Head) (choice, error) {
	if h.Fork {
		switch repo.PullRequests {
		case config.PullRequestsAll:
		case config.PullRequestsApproved:
			ok, err := a.store.Approved(ctx, repo.Name, h.PullRequest, h.SHA)
			if err != nil {
				return choice{}, err
			}
			if !ok {
				return choice{mark: "stranger", waits: true, reason: "waits for somebody who may write here to comment: /holdfast ok " + h.SHA}, nil
			}
		default:
			return choice{mark: "fork", reason: "code of forks is not examined here"}, nil
		}
	}
	if h.Draft && !repo.Drafts {
		return choice{mark: "draft", waits: true, reason: "a draft, which is examined when it is ready for review"}, nil
	}
	if i := slices.IndexFunc(h.Labels, func(l string) bool { return labelled(repo.SkipLabels, l) }); i >= 0 {
		return choice{mark: "label", reason: "it has the label " + h.Labels[i]}, nil
	}
	if len(repo.Labels) > 0 && !slices.ContainsFunc(h.Labels, func(l string) bool { return labelled(repo.Labels, l) }) {
		return choice{mark: "unlabelled", reason: "it has no label " + strings.Join(repo.Labels, " or ")}, nil
	}
	return choice{}, nil
}

// labelled reports whether a label is one of a list. Labels are not case-sensitive.
func labelled(list []string, label string) bool {
	return slices.ContainsFunc(list, func(l string) bool { return strings.EqualFold(l, label) })
}

// touches decides the rest: whether a pull request changes a file that counts. Without a
// base that cannot be told, and then it is examined.
func (a *app) touches(ctx context.Context, repo *config.Repository, h intake.Head, base runner.Commit) (choice, error) {
	if len(repo.Paths) == 0 || base.SHA == "" {
		return choice{}, nil
	}
	c := choice{mark: byPaths, reason: "no changed file matches " + strings.Join(repo.Paths, ", ")}
	files, err := a.x.mirror(repo).ChangedBetween(ctx, base.SHA, h.SHA)
	if err != nil {
		return choice{}, err
	}
	for _, f := range files {
		for _, p := range repo.Paths {
			if config.Match(p, f) {
				return choice{}, nil
			}
		}
	}
	return c, nil
}

// asideMark is the mark of a head that was set aside: another than that of one which got a
// run, so that every poll looks again whether the reason still holds.
func asideMark(h intake.Head, c choice) string { return h.Mark() + " " + c.mark }

// closed ends the runs of pull requests that are not open any more. heads are all there
// are.
func (a *app) closed(ctx context.Context, repo *config.Repository, heads []intake.Head) error {
	if repo.GitHub == "" || repo.PullRequests == config.PullRequestsNone {
		return nil
	}
	pulls, err := a.store.OpenPulls(ctx, repo.Name)
	if err != nil {
		return err
	}
	for _, n := range pulls {
		if slices.ContainsFunc(heads, func(h intake.Head) bool { return h.PullRequest == n }) {
			continue
		}
		runs, err := a.store.OpenRuns(ctx, repo.Name, n, 0)
		if err != nil {
			return err
		}
		for _, r := range runs {
			if err := a.store.Cancel(ctx, r, runner.StateCancelled, "the pull request was closed"); err != nil {
				return err
			}
		}
	}
	return nil
}

// settled reports whether a head was set aside for a reason that still holds.
func (a *app) settled(ctx context.Context, repo *config.Repository, h intake.Head) (bool, error) {
	if h.PullRequest == 0 || !strings.HasPrefix(h.Before, h.Mark()+" ") {
		return false, nil
	}
	c, err := a.choose(ctx, repo, h)
	if c.mark == "" {
		c.mark = byPaths
	}
	return err == nil && h.Before == asideMark(h, c), err
}

// setAside says why the head of a pull request gets no run, once, and ends the runs of its
// older heads. What is said is of the kind that a run says, so that no status that somebody
// requires is ever just missing.
func (a *app) setAside(ctx context.Context, repo *config.Repository, h intake.Head, c choice) error {
	mark := asideMark(h, c)
	if h.Before == mark {
		return nil
	}
	last, err := a.store.LastNumber(ctx)
	if err != nil {
		return err
	}
	var msgs []publish.Message
	if repo.GitHub != "" && a.poster != nil {
		run := runner.Run{
			Number: last, Repo: repo.Name, Commit: runner.Commit{SHA: h.SHA}, Branch: h.Branch, PullRequest: h.PullRequest,
			State: runner.StateDone, Verdict: runner.Neutral, Reason: c.reason,
		}
		var stages []string
		for _, j := range enabled(repo, runner.Stages) {
			stages = append(stages, j.Stage)
			run.Stages = append(run.Stages, runner.Result{Stage: j.Stage, Verdict: runner.Neutral, Reason: c.reason})
		}
		if c.waits {
			run.State, run.Verdict, run.Stages = runner.StateQueued, "", nil
		}
		msgs = publish.Statuses(target(repo), &run, stages)
		if !c.waits {
			publish.Overrule(msgs, last)
		}
	}
	if err := a.store.SetAside(ctx, repo.Name, h.PullRequest, h.Ref(), mark, c.reason, msgs); err != nil {
		return err
	}
	a.log.Info("pull request set aside", "repo", repo.Name, "pull", h.PullRequest, "sha", h.SHA, "reason", c.reason)
	return nil
}
