package agent

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// finish judges a run whose stages are done, stores its report with the messages to post,
// and returns what the report is rendered from. It may be called again after a crash.
func (a *app) finish(ctx context.Context, number int64, warnings ...string) (report.Input, error) {
	rec, err := a.store.Run(ctx, number)
	if err != nil {
		return report.Input{}, err
	}
	if rec.Reported {
		return a.stored(ctx, rec)
	}
	run := rec.Run
	run.Agent, run.Worker, run.Machine = agentName(), a.cfg.Agent.Name, measuredOn(&run, a.machine)
	for _, w := range warnings {
		if w != "" {
			run.Warnings = append(run.Warnings, w)
		}
	}
	repo, err := a.repository(run.Repo)
	if err != nil {
		// It was taken out of agent.toml in the middle of the run. What was said about the run
		// has to be concluded all the same.
		if repo, err = a.gone(ctx, &run); err != nil {
			return report.Input{}, err
		}
	}
	final := store.Final{Settings: benchSettings(repo.Bench)}
	if rec.Bisection != 0 {
		b, err := a.store.Bisection(ctx, rec.Bisection)
		if err != nil {
			return report.Input{}, err
		}
		if repo, err = asked(repo, b.Question); err != nil {
			return report.Input{}, err
		}
	}
	final.Apart = silent(&run)
	j, truth, err := a.figures(ctx, &run, rec.Twin, repo, &final)
	if err != nil {
		return report.Input{}, err
	}
	if err := a.fromScratch(ctx, &run, repo); err != nil {
		return report.Input{}, err
	}
	builds, err := a.times(ctx, &run, repo, &final)
	if err != nil {
		return report.Input{}, err
	}
	if run.State == runner.StateRunning || run.State == runner.StateQueued {
		run.State = runner.StateDone
	}
	if final.Bisections, err = a.searches(ctx, &run, []*baseline.Judgement{j, builds}, repo); err != nil {
		return report.Input{}, err
	}
	run = conclude(run)
	in := report.Input{Run: run, Judgement: j, Builds: builds, Truth: truth}
	ends, err := a.explain(ctx, &in, repo)
	if err != nil {
		return report.Input{}, err
	}
	steps, err := a.steps(ctx, &run, repo, in.Shifts, ends)
	if err != nil {
		return report.Input{}, err
	}
	final.Bisections = append(final.Bisections, steps...)
	if err := a.previous(ctx, &in, repo); err != nil {
		return report.Input{}, err
	}
	final.Run, final.Messages = run, a.concluded(ctx, repo, in, rec.Messages, rec.Stages)
	for _, more := range []func(context.Context, *config.Repository, report.Input) ([]publish.Message, error){a.turned, a.regressions} {
		msgs, err := more(ctx, repo, in)
		if err != nil {
			return report.Input{}, err
		}
		final.Messages = append(final.Messages, msgs...)
	}
	if _, err := a.store.FinishRun(ctx, final); err != nil {
		return report.Input{}, err
	}
	a.log.Info("run ended", "run", number, "repo", run.Repo, "sha", run.Commit.SHA, "verdict", run.Verdict, "reason", run.Reason)
	return in, nil
}

// figures judges what the benchmarks of a run measured, and adds to what is stored of it.
// Both results are nil where nothing was measured.
func (a *app) figures(ctx context.Context, run *runner.Run, twin int64, repo *config.Repository, final *store.Final) (*baseline.Judgement, *report.Truth, error) {
	res := run.Stage(runner.StageBench)
	if res == nil || res.Bench == nil || res.Verdict == runner.Neutral {
		return nil, nil, nil
	}
	place := placeOf(run, repo)
	history, note, err := a.history(ctx, place, repo)
	if err != nil {
		return nil, nil, err
	}
	final.NewBaseline = note
	noise, err := a.noise(ctx, place)
	if err != nil {
		return nil, nil, err
	}
	var j *baseline.Judgement
	j, final.Serves = judge(res, history, noise, repo)
	if note != "" {
		res.Warnings = append(res.Warnings, "new baseline: "+note)
	}
	if final.Judgement, err = json.Marshal(j); err != nil {
		return nil, nil, err
	}
	if repeating(run) {
		if final.Truth, err = a.truths(ctx, run, twin, j, place); err != nil {
			return nil, nil, err
		}
	}
	truth, err := a.ledger(ctx, place)
	return j, truth, err
}

// gone are settings for a repository that is not configured any more: none, but for its
// place on GitHub, as far as something was said there.
func (a *app) gone(ctx context.Context, run *runner.Run) (*config.Repository, error) {
	place, err := a.store.Place(ctx, run.Number)
	if err != nil {
		return nil, err
	}
	run.Warnings = append(run.Warnings, "the repository is not configured any more")
	return &config.Repository{
		Name: run.Repo, GitHub: place, Branches: []string{run.Branch}, PullRequests: config.PullRequestsNone,
		Report: config.ReportNone, Comment: config.CommentNever,
	}, nil
}

// measuredOn is the machine that a run's figures belong to: the one that ran the
// benchmarks, else the one that ran the last stage. In a fleet the report may be made
// elsewhere.
func measuredOn(run *runner.Run, here runner.Machine) runner.Machine {
	if res := run.Stage(runner.StageBench); res != nil && res.Machine.Class != "" {
		return res.Machine
	}
	for _, res := range slices.Backward(run.Stages) {
		if res.Machine.Class != "" {
			return res.Machine
		}
	}
	return here
}
