package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// onBuilds reports whether a threshold is about the build times of the proofs stage. All
// others are the bench stage's.
func onBuilds(t baseline.Threshold) bool {
	return t.Metric == runner.LeanBuild || t.Metric == runner.LeanBuildTotal
}

// thresholds are those of a repository that are, or are not, about build times.
func thresholds(repo *config.Repository, builds bool) []baseline.Threshold {
	var out []baseline.Threshold
	for _, t := range repo.Thresholds.Require {
		if onBuilds(t) == builds {
			out = append(out, t)
		}
	}
	return out
}

// judgeBuilds compares the build times of a proofs stage with thresholds and history, and
// folds what fails into the stage's result. It is nil where nothing was asked. serves tells
// whether the times may be part of later baselines.
func judgeBuilds(res *runner.Result, history []baseline.Past, repo *config.Repository) (j *baseline.Judgement, serves bool) {
	if res == nil || res.Proofs == nil {
		return nil, false
	}
	samples := res.Proofs.Samples()
	asked := thresholds(repo, true)
	if len(asked) == 0 {
		return nil, len(samples) > 0
	}
	judgement := baseline.JudgeOnce(samples, history, asked, func(t baseline.Threshold) (runner.Verdict, string) {
		return unbuilt(t, res.Proofs)
	})
	judgement.ApplyBeside(res)
	return &judgement, judgement.Serves()
}

// unbuilt says why a threshold on build times met no sample. A module that was reused took
// no time, which is no error; one that does not exist is a mistake in the threshold.
func unbuilt(t baseline.Threshold, p *runner.Proofs) (runner.Verdict, string) {
	if t.Metric == runner.LeanBuildTotal {
		if len(t.Config) > 0 {
			return runner.Error, runner.LeanBuildTotal + " has no settings"
		}
		return runner.Neutral, "not measured: only a run that builds every module from nothing tells it"
	}
	name, ok := t.Config["module"]
	if len(t.Config) > 1 || len(t.Config) == 1 && !ok {
		return runner.Error, runner.LeanBuild + " has no other setting than module"
	}
	if ok && len(p.Modules) > 0 && !slices.ContainsFunc(p.Modules, func(m runner.Module) bool { return m.Name == name }) {
		return runner.Error, "the project has no module of that name"
	}
	if ok {
		return runner.Neutral, "not measured: the module was not built in this run"
	}
	return runner.Neutral, "not measured: no module was built in this run"
}

// buildSettings is the key under which build times compare: beside other modules that are
// built at the same time, a module takes longer.
func buildSettings(p config.Proofs, fresh bool) string {
	return fmt.Sprintf("jobs=%d fresh=%v", p.Jobs, fresh)
}

// times judges the build times of a run against their history and fills in what is stored
// of them.
func (a *app) times(ctx context.Context, run *runner.Run, repo *config.Repository, final *store.Final) (*baseline.Judgement, error) {
	res := run.Stage(runner.StageProofs)
	if res == nil || res.Proofs == nil {
		return nil, nil
	}
	final.TimesSettings = buildSettings(repo.Proofs, res.Proofs.Fresh)
	place := store.Place{Kind: store.KindBuild, Repo: run.Repo, Settings: final.TimesSettings, Class: res.Machine.Class, Fingerprint: res.Machine.Fingerprint}
	history, note, err := a.history(ctx, place, repo)
	if err != nil {
		return nil, err
	}
	final.NewTimes = note
	samples := res.Proofs.Samples()
	j, serves := judgeBuilds(res, history, repo)
	final.Times, final.TimesServe = samples, serves
	if j != nil {
		if final.Builds, err = json.Marshal(j); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// fromScratch notes in a proofs result which commit of the branch was last proved from
// nothing, this one included.
func (a *app) fromScratch(ctx context.Context, run *runner.Run, repo *config.Repository) error {
	res := run.Stage(runner.StageProofs)
	if res == nil || res.Proofs == nil {
		return nil
	}
	branch := run.Branch
	if branch == "" || run.PullRequest != 0 {
		branch = repo.DefaultBranch()
	}
	if held := res.Verdict == runner.Success || res.Verdict == runner.Neutral; run.Branch == "" && run.PullRequest == 0 && res.Proofs.Fresh && held {
		// A lone commit is of no branch, but it was asked for and here it is.
		res.Proofs.FromScratch = &runner.FromScratch{Run: run.Number, Commit: run.Commit, Time: res.Started.UTC().Format(time.RFC3339)}
		return nil
	}
	f, ok, err := a.store.FromScratch(ctx, run.Repo, branch, run.Number)
	if err != nil || !ok {
		return err
	}
	res.Proofs.FromScratch = &f
	return nil
}
