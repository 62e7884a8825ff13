package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
	"github.com/holdfast-ci/holdfast/runner/git"
)

// advance goes on with a bisection: it answers the last probe if its run has ended, and
// makes the next one or finishes. run is the probe that was made, 0 for none. It may be
// called at any time, any number of times. The error is store.ErrStale when another
// process was faster.
func (a *app) advance(ctx context.Context, id int64) (b store.Bisection, run int64, why string, err error) {
	for {
		if b, err = a.store.Bisection(ctx, id); err != nil || !b.Running {
			return b, 0, "", err
		}
		last := len(b.Probes) - 1
		if last < 0 || b.Probes[last].Outcome != "" {
			break
		}
		rec, err := a.store.Run(ctx, b.Probes[last].Run)
		if err != nil {
			return b, 0, "", err
		}
		ended := rec.Run.State != runner.StateQueued && rec.Run.State != runner.StateRunning
		if !rec.Reported && (!b.Direct || !ended) {
			return b, 0, "", nil // its report calls again
		}
		judged, err := judgements(rec)
		if err != nil {
			return b, 0, "", err
		}
		outcome, reason := told(&rec, judged, b.Question)
		if t, err := baseline.ParseThreshold(b.Question.Threshold); err == nil && t.Base && onBuilds(t) && outcome != bisect.Lost {
			if outcome, reason, err = a.toldBuild(ctx, &b, b.Probes[last].At, &rec.Run, t); err != nil {
				return b, 0, "", err
			}
		}
		var took time.Duration
		if res := rec.Run.Stage(b.Question.Stage); res != nil {
			took = time.Duration(res.Seconds * float64(time.Second))
		}
		if err := a.store.AnswerProbe(ctx, id, last, outcome, reason, took); err != nil {
			return b, 0, "", err
		}
		a.log.Info("bisection", "bisection", id, "repo", b.Repo, "sha", rec.Run.Commit.SHA, "run", rec.Run.Number, "outcome", outcome, "reason", reason)
	}
	n := len(b.Commits) - 1
	step := bisect.Next(n, b.Told())
	if step.Result == nil && (len(b.Probes) >= b.MaxProbes || b.Spent() >= b.MaxTime) {
		spent := bisect.Exhausted(n, b.Told())
		step.Result = &spent
	}
	if step.Result != nil {
		return a.bisected(ctx, b, *step.Result)
	}
	repo, err := a.repository(b.Repo)
	if err != nil {
		return b, 0, "", err
	}
	stages := enabled(repo, []string{b.Question.Stage})
	if len(stages) == 0 {
		return b, 0, "", fmt.Errorf("bisection %d: the stage %s is not enabled for %s any more", id, b.Question.Stage, b.Repo)
	}
	run, err = a.store.CreateProbe(ctx, id, len(b.Probes), step.At, store.NewRun{
		Repo: b.Repo, Commit: b.Commits[step.At], Base: b.Commits[0], Stages: stages, Direct: b.Direct, Fresh: aboutBuilds(b.Question),
	})
	return b, run, step.Why, err
}

// bisected stores what a bisection came to. The issues about the newest run of its branch,
// if what was asked still fails there, are posted again with it.
func (a *app) bisected(ctx context.Context, b store.Bisection, r bisect.Result) (store.Bisection, int64, string, error) {
	b.Running, b.Result = false, r
	var ms []publish.Message
	if repo, err := a.repository(b.Repo); err == nil && b.Branch != "" && repo.GitHub != "" && a.poster != nil {
		rec, ok, err := a.store.LastRun(ctx, b.Repo, b.Branch, 0)
		if err != nil {
			return b, 0, "", err
		}
		if ok {
			in, err := a.stored(ctx, rec)
			if err != nil {
				return b, 0, "", err
			}
			if i := slices.IndexFunc(in.Bisections, func(x report.Bisection) bool { return x.Number == b.ID }); i >= 0 {
				in.Bisections[i] = bisectionView(b)
				if m, ok := publish.Maintenance(target(repo), &in.Run, report.Comment(in, commentLimit)); ok && scheduled(in.Run.Trigger) {
					ms = append(ms, m)
				}
				issues, err := a.regressions(ctx, repo, in)
				if err != nil {
					return b, 0, "", err
				}
				ms = append(ms, issues...)
			}
		}
		note, err := a.culprit(ctx, repo, b)
		if err != nil {
			return b, 0, "", err
		}
		ms = append(ms, note...)
	}
	if _, err := a.store.FinishBisection(ctx, b.ID, r, ms...); err != nil {
		return b, 0, "", err
	}
	a.log.Info("bisection ended", "bisection", b.ID, "repo", b.Repo, "result", r.Kind, "first", b.Commits[r.First].SHA, "last", b.Commits[r.Last].SHA)
	return b, 0, "", nil
}

// culprit makes the comment on the tracking issue that names the first bad commit: what is
// edited into a body notifies nobody. There is none where there is no such issue.
func (a *app) culprit(ctx context.Context, repo *config.Repository, b store.Bisection) ([]publish.Message, error) {
	if repo.Report != config.ReportIssue || b.Direct || b.Result.Kind != bisect.Found || !b.Result.Confirmed {
		return nil, nil
	}
	t := target(repo)
	if t.Issue == 0 {
		key := publish.IssueKey(t, b.Repo)
		said, err := a.store.Said(ctx, key)
		if err != nil || !slices.ContainsFunc(said, func(m publish.Message) bool { return m.Key == key }) {
			return nil, err
		}
	}
	return []publish.Message{publish.Culprit(t, b.Repo, b.ID, b.Commits[b.Result.First], report.Culprit(bisectionView(b)))}, nil
}

// bisectHandler implements [store.Handlers.Bisect].
func (a *app) bisectHandler(ctx context.Context, id int64) error {
	_, run, _, err := a.advance(ctx, id)
	if err == nil && run != 0 {
		a.log.Info("run enqueued", "run", run, "trigger", fmt.Sprint(store.TriggerBisection, id))
	}
	return err
}

// newestBisections is how many of a branch are looked at.
const newestBisections = 20

// searched are the bisections that a run's report tells of: of each stage that fails on its
// branch the newest, if this run or an earlier one began it, and those for what moved.
func (a *app) searched(ctx context.Context, run *runner.Run, shifts []report.Shift) ([]report.Bisection, error) {
	if run.Branch == "" || run.PullRequest != 0 || probing(run) {
		return nil, nil
	}
	if len(shifts) == 0 && !slices.ContainsFunc(run.Stages, func(r runner.Result) bool { return r.Verdict == runner.Failure }) {
		return nil, nil
	}
	list, err := a.store.Bisections(ctx, run.Repo, run.Branch, newestBisections)
	if err != nil {
		return nil, err
	}
	var out []report.Bisection
	seen := map[string]bool{}
	for _, b := range list {
		stage := b.Question.Stage
		res := run.Stage(stage)
		fails := res != nil && res.Verdict == runner.Failure && b.Question.About != bisect.LevelShift && !seen[stage]
		moved := slices.ContainsFunc(shifts, func(s report.Shift) bool { return s.Search == b.ID })
		if b.Origin > run.Number || b.Direct || !fails && !moved {
			continue
		}
		seen[stage] = seen[stage] || fails
		out = append(out, bisectionView(b))
	}
	return out, nil
}

// bisectionView is a bisection as a report shows it.
func bisectionView(b store.Bisection) report.Bisection {
	n := len(b.Commits) - 1
	v := report.Bisection{Number: b.ID, Stage: b.Question.Stage, Origin: b.Origin, Moved: b.Question.About == bisect.LevelShift, Asked: b.Question.String(), Good: b.Commits[0], Bad: b.Commits[n], Commits: n}
	v.Metric = b.Question.Metric
	for _, c := range b.Commits[1:] {
		v.Range = append(v.Range, c.SHA)
	}
	r := b.Result
	if b.Running {
		r = bisect.Exhausted(n, b.Told())
	} else {
		v.Kind, v.Confirmed = r.Kind, r.Confirmed
	}
	if r.First <= r.Last {
		v.Suspects = b.Commits[r.First : r.Last+1]
	}
	v.Most, v.Limit, v.Took, v.Left = b.MaxProbes, b.MaxTime, b.Spent(), 0
	if b.Running || r.Kind == bisect.Budget {
		v.Left = bisect.Left(n, b.Told())
	}
	if r.Kind == bisect.Budget && r.First > 0 {
		v.Further = b.Question.Command(b.Commits[r.First-1].Short(), b.Commits[r.Last].Short())
	}
	for _, p := range b.Probes {
		v.Probes = append(v.Probes, report.BisectionProbe{Commit: b.Commits[p.At], Run: p.Run, Outcome: string(p.Outcome), Reason: p.Reason})
	}
	return v
}

// rangeOf finds the commits of a range given by hand.
func rangeOf(ctx context.Context, m *git.Mirror, good, bad string) ([]runner.Commit, error) {
	g, err := m.Resolve(ctx, good)
	if err != nil {
		return nil, err
	}
	b, err := m.Resolve(ctx, bad)
	if err != nil {
		return nil, err
	}
	if g.SHA == b.SHA {
		return nil, &usageError{fmt.Sprintf("%s and %s are the same commit", good, bad), "name a commit that was good and a later one that is bad"}
	}
	line, err := m.FirstParents(ctx, g.SHA, b.SHA)
	if errors.Is(err, git.ErrNotOnLine) {
		return nil, &usageError{err.Error(), hintOf(err)}
	}
	return line, err
}
