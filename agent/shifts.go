package agent

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/holdfast-ci/holdfast/agent/bisect"
	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// explain adds to a report where what it tells comes from: changes of level, and the searches
// for the first bad commit. ends are as of [app.moved].
func (a *app) explain(ctx context.Context, in *report.Input, repo *config.Repository) (ends map[string][2]baseline.Reading, err error) {
	if in.Judgement != nil {
		if in.Shifts, ends, err = a.moved(ctx, &in.Run, repo, in.Judgement); err != nil {
			return nil, err
		}
	}
	in.Bisections, err = a.searched(ctx, &in.Run, in.Shifts)
	return ends, err
}

// aside is how many runs the place of a change of level may be off: so much further apart are
// the ends of its search.
const aside = 2

// moved are the changes of level that explain what a run of a branch measured: the last one
// of each metric that misses a threshold, or whose level is news. A metric that has stayed
// where it was says nothing. ends are, for each metric, what its shift certainly lies between.
func (a *app) moved(ctx context.Context, run *runner.Run, repo *config.Repository, j *baseline.Judgement) (out []report.Shift, ends map[string][2]baseline.Reading, err error) {
	res := run.Stage(runner.StageBench)
	if run.Branch == "" || run.PullRequest != 0 || silent(run) || res == nil || res.Bench == nil {
		return nil, nil, nil
	}
	all, err := a.store.Histories(ctx, placeOf(run, repo), run.Branch, run.Number)
	if err != nil {
		return nil, nil, err
	}
	all.Add(run.Number, run.Commit.SHA, run.Finished, res.Bench.Samples)
	searches, err := a.store.Bisections(ctx, run.Repo, run.Branch, newestBisections)
	if err != nil {
		return nil, nil, err
	}
	missed := map[string]bool{}
	for _, m := range j.Metrics {
		if m.Threshold != "" && (m.Verdict == runner.Failure || m.Verdict == runner.Error) {
			missed[m.Key()] = true
		}
	}
	ends = map[string][2]baseline.Reading{}
	for _, h := range all.All() {
		key := h.Metric.Key()
		if h.Readings[len(h.Readings)-1].Run != run.Number {
			continue // not measured any more
		}
		shifts := h.Shifts()
		if len(shifts) == 0 {
			continue
		}
		s := report.Shift{Metric: h.Metric, Shift: shifts[len(shifts)-1], Missed: missed[key]}
		if !s.Missed && !s.Fresh() {
			continue
		}
		if i := slices.IndexFunc(searches, func(b store.Bisection) bool { return explains(&b, key, s.First.Commit) }); i >= 0 {
			s.Search = searches[i].ID
		} else if !a.bisectsShifts(run) {
			s.Ask = ask(repo, &s)
		}
		out = append(out, s)
		last, first := h.Around(s.Shift, aside)
		ends[key] = [2]baseline.Reading{last, first}
	}
	grave := func(s *report.Shift) int {
		g := s.Worse(s.Metric.Better)
		if s.Missed {
			g += 4
		}
		return g
	}
	slices.SortStableFunc(out, func(x, y report.Shift) int {
		return cmp.Or(-cmp.Compare(grave(&x), grave(&y)), -cmp.Compare(size(&x), size(&y)))
	})
	return out, ends, nil
}

// size is how far the level moved, in ln; 0 where there is no ratio.
func size(s *report.Shift) float64 {
	if d := math.Abs(math.Log1p(s.Effect)); !math.IsNaN(d) {
		return d
	}
	return 0
}

// explains reports whether a search asks about a metric in a range that a commit, the first
// of a new level, is in.
func explains(b *store.Bisection, metric, commit string) bool {
	return !b.Direct && b.Question.Metric == metric && slices.ContainsFunc(b.Commits[1:], func(c runner.Commit) bool { return c.SHA == commit })
}

// bisectsShifts reports whether what a run shows to have moved is searched for.
func (a *app) bisectsShifts(run *runner.Run) bool {
	return a.cfg.Bisect.Enabled && a.cfg.Bisect.Shifts && watched(run)
}

// worthIt reports whether a shift is for the worse, and a search could tell which commit did
// it.
func worthIt(repo *config.Repository, s *report.Shift) bool {
	return s.Worse(s.Metric.Better) == 1 && s.Last.Commit != s.First.Commit && inTurns(repo, s.Metric)
}

// ask is the command by which a person looks for the cause of a shift, "" if there is none.
func ask(repo *config.Repository, s *report.Shift) string {
	bound, ok := baseline.Halfway(s.Metric, s.After/s.Before-1)
	if !ok || !worthIt(repo, s) {
		return ""
	}
	q := bisect.Question{Stage: runner.StageBench, Threshold: bound.String()}
	return q.Command(runner.Commit{SHA: s.Last.Commit}.Short(), runner.Commit{SHA: s.First.Commit}.Short())
}

// steps are the searches that a run begins for what moved although no threshold is missed, or
// none was ever met: at most one, for the clearest change for the worse. Both ends are measured
// first, in turns, so a change that does not come from the commits ends its search there.
func (a *app) steps(ctx context.Context, run *runner.Run, repo *config.Repository, shifts []report.Shift, ends map[string][2]baseline.Reading) ([]store.NewBisection, error) {
	if !a.bisectsShifts(run) {
		return nil, nil
	}
	shifts = slices.DeleteFunc(slices.Clone(shifts), func(s report.Shift) bool { return !s.Fresh() || s.Search != 0 || !worthIt(repo, &s) })
	if len(shifts) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(shifts, func(x, y report.Shift) int { return cmp.Compare(x.P, y.P) })
	searches, err := a.store.Bisections(ctx, run.Repo, run.Branch, newestBisections)
	if err != nil {
		return nil, err
	}
	if err := a.have(ctx, repo, run); err != nil {
		a.log.Info("a change of level is not searched for", "run", run.Number, "repo", run.Repo, "reason", err)
		return nil, nil
	}
	for _, s := range shifts {
		bound, ok := baseline.Halfway(s.Metric, s.After/s.Before-1)
		if !ok {
			continue
		}
		between := ends[s.Metric.Key()]
		line, err := a.x.mirror(repo).FirstParents(ctx, between[0].Commit, between[1].Commit)
		if err != nil || len(line) < 2 {
			a.log.Info("a change of level is not searched for", "run", run.Number, "repo", run.Repo, "metric", s.Metric.Key(), "reason", err)
			continue
		}
		if slices.ContainsFunc(searches, func(b store.Bisection) bool { return answered(&b, s.Metric.Key(), line) }) {
			continue
		}
		return []store.NewBisection{{
			Repo: run.Repo, Branch: run.Branch, Commits: line, Origin: run.Number,
			Question: bisect.Question{
				Stage: runner.StageBench, Metric: s.Metric.Key(), Threshold: bound.String(), About: bisect.LevelShift, Source: s.Metric.Source,
			},
			Probes: a.cfg.Bisect.Probes, Time: a.cfg.Bisect.Time,
		}}, nil
	}
	return nil, nil
}

// answered reports whether a search of the same commits makes another one needless: one of the
// same metric, or one that goes on or found something, which most often moved the others, too.
func answered(b *store.Bisection, metric string, line []runner.Commit) bool {
	if b.Direct || b.Question.Stage != runner.StageBench {
		return false
	}
	shared := slices.ContainsFunc(b.Commits[1:], func(c runner.Commit) bool {
		return slices.ContainsFunc(line[1:], func(x runner.Commit) bool { return x.SHA == c.SHA })
	})
	nothing := !b.Running && (b.Result.Kind == bisect.HeadGood || b.Result.Kind == bisect.BaseBad || b.Result.Kind == bisect.Untold)
	return shared && (b.Question.Metric == metric || !nothing)
}

// showShifts lists the levels that a baseline's metric had, by its newest runs.
func (a *app) showShifts(ctx context.Context, w io.Writer, b store.Baseline) error {
	measured, err := a.store.Measured(ctx, b, store.HistoryRuns)
	if err != nil {
		return err
	}
	var all baseline.Histories
	for _, p := range measured {
		s := b.Sample
		s.Values = p.Values
		all.Add(p.Run, p.Commit, p.At, []runner.Sample{s})
	}
	for _, h := range all.All() {
		shifts := h.Shifts()
		if len(shifts) == 0 {
			fmt.Fprintf(w, "\nno change of level in %s\n", plural(len(h.Readings), "run"))
			continue
		}
		fmt.Fprintf(w, "\nchanges of level in %s, the newest last:\n", plural(len(h.Readings), "run"))
		for _, s := range shifts {
			fmt.Fprintf(w, "  %s\n", report.ShiftText(report.Shift{Metric: b.Sample, Shift: s}))
		}
	}
	return nil
}
