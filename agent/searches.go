package agent

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/metal"
	"github.com/holdfast-ci/holdfast/runner"
)

// What a bisection asks, how a run answers, and when a run of a branch begins one. How a
// search goes on is in bisections.go.

// probing reports whether a run is a probe of a bisection. It says nothing on GitHub, and
// its figures are no part of any history.
func probing(run *runner.Run) bool { return strings.HasPrefix(run.Trigger, store.TriggerBisection) }

// asked are the settings under which a probe is judged: the question's threshold alone, if
// it is about one, and the program alone that it is about.
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
	if i := slices.IndexFunc(repo.Bench.Programs, func(p config.BenchProgram) bool { return p.Name == q.Source }); i >= 0 {
		only.Bench.Backend, only.Bench.Programs = metal.BackendNone, repo.Bench.Programs[i:i+1]
	} else if q.Source != "" && q.Source == harnessOf(repo) {
		only.Bench.Programs = nil
	}
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
	// What was not run for having the inputs of the good end is as good as that. Of a program
	// only running it tells what it measures.
	if t, err := baseline.ParseThreshold(q.Threshold); err == nil && t.Base && res.Bench != nil && (worst == nil || worst.Verdict == runner.Neutral) {
		for _, u := range res.Bench.Unaffected {
			if u.Program == q.Source || q.Source == "" && (u.Names == nil || slices.Contains(u.Names, t.Metric)) {
				return bisect.Good, "unaffected: what is measured is the same as at the good end"
			}
		}
	}
	switch {
	case worst == nil:
		return bisect.Skip, res.Reason
	case worst.Verdict == runner.Success:
		return bisect.Good, worst.Text()
	case worst.Verdict == runner.Failure:
		return bisect.Bad, worst.Text()
	case worst.Verdict == runner.Error && decidable(worst):
		return bisect.Unsure, worst.Text()
	}
	return bisect.Skip, worst.Text()
}

// decidable reports whether more measurements could decide what one could not: it was
// measured, and where it goes by the base the base was, too.
func decidable(m *baseline.Metric) bool {
	t, err := baseline.ParseThreshold(m.Threshold)
	return err == nil && m.N > 0 && !math.IsNaN(m.Median) && (!t.Relative || !math.IsNaN(m.Change))
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
		if q.Metric != "" {
			if q, err = a.beside(ctx, repo, q, run, judged, number); err != nil {
				return nil, err
			}
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

// beside turns the question whether a threshold is missed into the one on which side of the
// step a commit is, if its metric can be measured in turns with the good end, run number
// good. The threshold says how much worse is too much, not where the step is: with its bound
// near one of the two levels most commits could not be told, and two runs on different days
// differ by more than two that take turns.
func (a *app) beside(ctx context.Context, repo *config.Repository, q bisect.Question, run *runner.Run, judged []*baseline.Judgement, good int64) (bisect.Question, error) {
	t, err := baseline.ParseThreshold(q.Threshold)
	builds := onBuilds(t)
	if err != nil || t.Base || !builds && q.Stage != runner.StageBench {
		return q, nil
	}
	of := measured
	if builds {
		of = buildTime
	}
	s, ok := of(run, q.Metric)
	if !ok || !builds && !inTurns(repo, s) {
		return q, nil
	}
	change := math.NaN()
	if m := metricOf(judged, q); m != nil && t.Relative {
		change = m.Change
	} else if rec, err := a.store.Run(ctx, good); err != nil {
		return q, err
	} else if was, ok := of(&rec.Run, q.Metric); ok {
		change = baseline.Summarize(s.Values).Median/baseline.Summarize(was.Values).Median - 1
	}
	if half, ok := baseline.Halfway(s, change); ok && half.Worse() == t.Worse() {
		q.About, q.Threshold = q.Threshold, half.String()
		if !builds {
			q.Source = s.Source
		}
	}
	return q, nil
}

// measured is what a run measured of a metric.
func measured(run *runner.Run, key string) (runner.Sample, bool) {
	if res := run.Stage(runner.StageBench); res != nil && res.Bench != nil {
		return sampleOf(res.Bench.Samples, key)
	}
	return runner.Sample{}, false
}

// sampleOf is the sample of a metric.
func sampleOf(list []runner.Sample, key string) (runner.Sample, bool) {
	for _, s := range list {
		if s.Key() == key {
			return s, true
		}
	}
	return runner.Sample{}, false
}

// metricOf is a judged metric that a question is about, nil if there is none.
func metricOf(judged []*baseline.Judgement, q bisect.Question) *baseline.Metric {
	for _, j := range judged {
		if j == nil {
			continue
		}
		if i := slices.IndexFunc(j.Metrics, q.Of); i >= 0 {
			return &j.Metrics[i]
		}
	}
	return nil
}

// inTurns reports whether a commit can be measured in turns with another one by what a
// sample is of: a program's and a kernel's can, what else the built-in harness measures, and
// what is computed from other samples, cannot.
func inTurns(repo *config.Repository, s runner.Sample) bool {
	if !repo.Bench.Turns || s.Derived {
		return false
	}
	return repo.Bench.Kernel != "" && s.Source == harnessOf(repo) ||
		slices.ContainsFunc(repo.Bench.Programs, func(p config.BenchProgram) bool { return p.Name == s.Source })
}

// harnessOf is the source of what the built-in harness measures, "" where it is not used.
func harnessOf(repo *config.Repository) string {
	if b := repo.Bench.Backend; b != "" && b != metal.BackendNone {
		return "harness " + b
	}
	return ""
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
