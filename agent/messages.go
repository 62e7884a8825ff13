package agent

import (
	"context"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// commentLimit stays, with the marker, below what package publish would cut off: report
// knows what matters least, publish only where the text ends.
const commentLimit = report.CommentLimit - 1024

func target(repo *config.Repository) publish.Target {
	return publish.Target{Repo: repo.GitHub, Report: repo.Report, Issue: repo.TrackingIssue}
}

// pending makes what is said about a new run: every stage and the whole are pending. It is
// nil for a repository that is not on GitHub.
func (a *app) pending(repo *config.Repository, n store.NewRun) func(int64) []publish.Message {
	if repo.GitHub == "" || a.poster == nil {
		return nil
	}
	stages := make([]string, len(n.Stages))
	for i, j := range n.Stages {
		stages[i] = j.Stage
	}
	return func(number int64) []publish.Message {
		run := runner.Run{Number: number, Repo: n.Repo, Commit: n.Commit, Branch: n.Branch, PullRequest: n.PullRequest, State: runner.StateQueued}
		return publish.Statuses(target(repo), &run, stages)
	}
}

// concluded makes what is said when a run has ended: every status that was pending is
// concluded, and the report goes where the repository wants it. said tells that something
// was said about the run before.
func (a *app) concluded(ctx context.Context, repo *config.Repository, in report.Input, said bool, stages []string) []publish.Message {
	if repo.GitHub == "" || (a.poster == nil && !said) || silent(&in.Run) {
		return nil
	}
	in, stages = a.wholeOf(ctx, repo, in, stages)
	run := &in.Run
	t := target(repo)
	msgs := publish.Statuses(t, run, stages)
	whole := "" // the check run that has the whole report
	if a.checks(ctx) {
		detail(msgs, in)
		if ok, err := a.hub.MayCheck(ctx, repo.GitHub); ok && err == nil {
			whole = publish.Prefix
		}
	}
	// A superseded run says nothing more: the newer head's report is the one to read.
	if run.State == runner.StateSuperseded {
		return msgs
	}
	asked := repo.Comment == config.CommentAlways || run.Trigger == store.TriggerComment
	if m, ok := publish.Comment(t, run, report.PullRequest(in, report.View{Asked: asked, Check: whole}, commentLimit)); ok && repo.Comment != config.CommentNever {
		m.IfExists = report.Fine(in) && !asked
		msgs = append(msgs, m)
	}
	body := report.Comment(in, commentLimit)
	if scheduled(run.Trigger) {
		if m, ok := publish.Maintenance(t, run, body); ok {
			msgs = append(msgs, m)
		}
	}
	return msgs
}

// wholeOf completes a run in which somebody asked for some stages again: the others are
// those of the newest run of the same commit with the same base, so that what is said of
// the commit as a whole is never better than what is known.
func (a *app) wholeOf(ctx context.Context, repo *config.Repository, in report.Input, stages []string) (report.Input, []string) {
	all := enabled(repo, runner.Stages)
	if in.Run.Trigger != store.TriggerComment || in.Run.State != runner.StateDone || len(stages) >= len(all) {
		return in, stages
	}
	recs, err := a.store.PullRequestRuns(ctx, in.Run.Repo, in.Run.PullRequest, in.Run.Commit.SHA, in.Run.Number)
	whole := in
	whole.Run.Stages, stages = nil, nil
	for _, j := range all {
		stages = append(stages, j.Stage)
		res := in.Run.Stage(j.Stage)
		for i := range recs {
			if r := &recs[i].Run; res == nil && r.Base.SHA == in.Run.Base.SHA {
				res = r.Stage(j.Stage)
			}
		}
		if res == nil {
			why := "it was not examined for this commit: /holdfast rerun does"
			if err != nil {
				why = err.Error()
			}
			res = &runner.Result{Stage: j.Stage, Verdict: runner.Error, Reason: why}
		}
		whole.Run.Stages = append(whole.Run.Stages, *res)
	}
	whole.Run = conclude(whole.Run)
	return whole, stages
}
