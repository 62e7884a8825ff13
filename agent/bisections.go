package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// probing reports whether a run is a probe of a bisection. It says nothing on GitHub, and
// its figures are no part of any history.
func probing(run *runner.Run) bool { return strings.HasPrefix(run.Trigger, store.TriggerBisection) }

// asked are the settings under which a probe is judged: the question's threshold alone, if
// it is about one.
func asked(repo *config.Repository, q bisect.Question) (*config.Repository, error) {
	if q.Threshold == "" {
		return repo, nil
	}
	t, err := baseline.ParseThreshold(q.Threshold)
	if err != nil {
		return nil, err
	}
	only := *repo
	only.Thresholds.Require = []baseline.Threshold{t}
	return &only, nil
}

// probed are the settings under which a probe is examined.
func (a *app) probed(ctx context.Context, repo *config.Repository, doc *runner.Run) (*config.Repository, error) {
	id, err := strconv.ParseInt(strings.TrimPrefix(doc.Trigger, store.TriggerBisection), 10, 64)
	if err != nil {
		return nil, err
	}
	b, err := a.store.Bisection(ctx, id)
	if err != nil {
		return nil, err
	}
	return asked(repo, b.Question)
}

// told is what a reported run answers to a question, and why.
func told(rec *store.Record, judged []*baseline.Judgement, q bisect.Question) (bisect.Outcome, string) {
	if s := rec.Run.State; s == runner.StateCancelled || s == runner.StateSuperseded {
		return bisect.Lost, "run " + fmt.Sprint(rec.Run.Number) + " was " + s
	}
	res := rec.Run.Stage(q.Stage)
	if res == nil {
		return bisect.Skip, "the run gave no result of " + q.Stage
	}
	if q.Threshold == "" {
		switch res.Verdict {
		case runner.Success, runner.Neutral:
			return bisect.Good, res.Reason
		case runner.Failure:
			return bisect.Bad, res.Reason
		}
		return bisect.Skip, res.Reason
	}
	// Of several samples under one threshold the worst decides.
	var worst *baseline.Metric
	for _, j := range judged {
		if j == nil {
			continue
		}
		for i := range j.Metrics {
			m := &j.Metrics[i]
			if q.Of(*m) && (worst == nil || runner.Worst(worst.Verdict, m.Verdict) != worst.Verdict) {
				worst = m
			}
		}
	}
	// What has names is the built-in harness, of which nothing goes by the base.
	program := func(u runner.Unaffected) bool { return u.Names == nil }
	if t, err := baseline.ParseThreshold(q.Threshold); err == nil && t.Base && res.Bench != nil && slices.ContainsFunc(res.Bench.Unaffected, program) &&
		(worst == nil || worst.Verdict == runner.Neutral) {
		return bisect.Good, "unaffected: what is measured is the same as at the good end"
	}
	switch {
	case worst == nil:
		return bisect.Skip, res.Reason
	case worst.Verdict == runner.Success:
		return bisect.Good, worst.Text()
	case worst.Verdict == runner.Failure:
		return bisect.Bad, worst.Text()
	}
	return bisect.Skip, worst.Text()
}

// maxBefore is how many earlier runs are looked at for the last good one.
const maxBefore = 200

// searches are the bisections that a run of a branch begins: one for each stage that fails
// and held before. It notes in the run why there is none where one would be expected.
func (a *app) searches(ctx context.Context, run *runner.Run, judged []*baseline.Judgement, repo *config.Repository) ([]store.NewBisection, error) {
	if !a.cfg.Bisect.Enabled || !watched(run) {
		return nil, nil
	}
	var out []store.NewBisection
	for i := range run.Stages {
		res := &run.Stages[i]
		if res.Verdict != runner.Failure {
			continue
		}
		q := question(res, judged)
		good, number, ok, err := a.lastGood(ctx, run, q)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			continue // it never held: there is no range
		case good.SHA == run.Commit.SHA:
			run.Warnings = append(run.Warnings, fmt.Sprintf("%s: this very commit was good in run %d: what changed is not in the repository", q, number))
			continue
		}
		var line []runner.Commit
		if err = a.have(ctx, repo, run); err == nil {
			line, err = a.x.mirror(repo).FirstParents(ctx, good.SHA, run.Commit.SHA)
		}
		if err != nil {
			run.Warnings = append(run.Warnings, fmt.Sprintf("%s was good in run %d, but the commits since cannot be bisected: %v", q, number, err))
			continue
		}
		out = append(out, store.NewBisection{
			Repo: run.Repo, Branch: run.Branch, Question: q, Commits: line, Origin: run.Number, Reason: res.Reason,
			// A measurement is confirmed by an independent one before anybody is blamed for it.
			Known:  res.Stage != runner.StageBench && q.Threshold == "",
			Probes: a.cfg.Bisect.Probes, Time: a.cfg.Bisect.Time,
		})
	}
	return out, nil
}

// question is what is asked about a stage that fails: about the first threshold that it
// missed, or else about the stage.
func question(res *runner.Result, judged []*baseline.Judgement) bisect.Question {
	q := bisect.Question{Stage: res.Stage}
	for _, j := range judged {
		if j == nil || j.Verdict != runner.Failure {
			continue
		}
		for _, m := range j.Metrics {
			t, err := baseline.ParseThreshold(m.Threshold)
			if err == nil && m.Verdict == runner.Failure && onBuilds(t) == (res.Stage == runner.StageProofs) && res.Stage != runner.StageChecks {
				q.Metric, q.Threshold = m.Key(), m.Threshold
				return q
			}
		}
	}
	return q
}

// lastGood finds the newest earlier run of the branch that answers the question with good.
func (a *app) lastGood(ctx context.Context, run *runner.Run, q bisect.Question) (c runner.Commit, number int64, ok bool, err error) {
	before := run.Number
	for range maxBefore {
		rec, found, err := a.store.LastRun(ctx, run.Repo, run.Branch, before)
		if err != nil || !found {
			return runner.Commit{}, 0, false, err
		}
		before = rec.Run.Number
		in, err := judgements(rec)
		if err != nil {
			return runner.Commit{}, 0, false, err
		}
		if rec.Run.Stage(q.Stage) == nil {
			continue
		}
		if outcome, _ := told(&rec, in, q); outcome == bisect.Good {
			return rec.Run.Commit, rec.Run.Number, true, nil
		}
	}
	return runner.Commit{}, 0, false, nil
}

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
		Repo: b.Repo, Commit: b.Commits[step.At], Base: b.Commits[0], Stages: stages, Direct: b.Direct,
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
	}
	if _, err := a.store.FinishBisection(ctx, b.ID, r, ms...); err != nil {
		return b, 0, "", err
	}
	a.log.Info("bisection ended", "bisection", b.ID, "repo", b.Repo, "result", r.Kind, "first", b.Commits[r.First].SHA, "last", b.Commits[r.Last].SHA)
	return b, 0, "", nil
}

// bisectHandler implements [store.Handlers.Bisect].
func (a *app) bisectHandler(ctx context.Context, id int64) error {
	_, run, _, err := a.advance(ctx, id)
	if err == nil && run != 0 {
		a.log.Info("run enqueued", "run", run, "trigger", fmt.Sprint(store.TriggerBisection, id))
	}
	return err
}

// searched are the bisections that a run's report tells of: of each stage that fails on its
// branch the newest, if this run or an earlier one began it.
func (a *app) searched(ctx context.Context, run *runner.Run) ([]report.Bisection, error) {
	if run.Branch == "" || run.PullRequest != 0 || probing(run) {
		return nil, nil
	}
	if !slices.ContainsFunc(run.Stages, func(r runner.Result) bool { return r.Verdict == runner.Failure }) {
		return nil, nil
	}
	const newest = 20
	list, err := a.store.Bisections(ctx, run.Repo, run.Branch, newest)
	if err != nil {
		return nil, err
	}
	var out []report.Bisection
	seen := map[string]bool{}
	for _, b := range list {
		res := run.Stage(b.Question.Stage)
		if res == nil || res.Verdict != runner.Failure || b.Origin > run.Number || b.Direct || seen[b.Question.Stage] {
			continue
		}
		seen[b.Question.Stage] = true
		out = append(out, bisectionView(b))
	}
	return out, nil
}

// bisectionView is a bisection as a report shows it.
func bisectionView(b store.Bisection) report.Bisection {
	n := len(b.Commits) - 1
	v := report.Bisection{Number: b.ID, Stage: b.Question.Stage, Origin: b.Origin, Asked: b.Question.String(), Good: b.Commits[0], Bad: b.Commits[n], Commits: n}
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
