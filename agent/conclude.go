package agent

import (
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/agent/config"
	"github.com/holdfast-ci/holdfast/baseline"
	"github.com/holdfast-ci/holdfast/runner"
)

// judge compares the samples of a bench stage with thresholds and history, and folds
// what comes of it into the stage's result. serves tells whether the samples may be part
// of later baselines: asked before folding, since a run that only lacks a baseline is no
// success, and would otherwise never become one. Thresholds below the noise are refused.
func judge(res *runner.Result, history []baseline.Past, noise map[string]baseline.Noise, repo *config.Repository) (j *baseline.Judgement, serves bool) {
	if res == nil || res.Bench == nil || res.Verdict == runner.Neutral { // not comparable: nothing is compared
		return nil, false
	}
	judgement := baseline.JudgeBench(res.Bench, history, thresholds(repo, false))
	judgement.RefuseBelow(noise)
	serves = res.Verdict == runner.Success && judgement.Serves()
	judgement.Apply(res)
	return &judgement, serves
}

// conclude gives a run its verdict from those of its stages.
func conclude(run runner.Run) runner.Run {
	verdicts := make([]runner.Verdict, len(run.Stages))
	var reasons []string
	for i, s := range run.Stages {
		verdicts[i] = s.Verdict
		if s.Verdict == runner.Failure || s.Verdict == runner.Error {
			reasons = append(reasons, s.Stage+": "+s.Reason)
		}
	}
	run.Verdict = runner.Worst(verdicts...)
	switch run.State {
	case runner.StateCancelled:
		run.Verdict = runner.Worst(run.Verdict, runner.Error)
		reasons = append([]string{because(runner.ErrCancelled, run.Reason)}, reasons...)
	case runner.StateSuperseded:
		run.Verdict = runner.Worst(run.Verdict, runner.Error)
		reasons = append([]string{because(runner.ErrSuperseded, run.Reason)}, reasons...)
	}
	switch {
	case len(run.Stages) == 0 && len(reasons) == 0:
		run.Reason = "no stage ran"
	default:
		run.Reason = strings.Join(reasons, "; ")
	}
	if run.Finished.IsZero() {
		run.Finished = time.Now().UTC().Round(0)
	}
	return run
}

// because says why a run was ended: who cancelled it, what took its place, which machine was
// lost.
func because(ended error, why string) string {
	word, _, _ := strings.Cut(ended.Error(), " ")
	switch {
	case why == "":
		return ended.Error()
	case strings.HasPrefix(why, word):
		return why
	}
	return word + ": " + why
}
