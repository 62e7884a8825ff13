package report

import (
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// maxStatus is the longest description of a commit status, in characters.
const maxStatus = 140

// StatusDescription is the description of a stage's commit status: what was found, in
// at most 140 characters.
func StatusDescription(res runner.Result) string {
	text := summary(&res)
	if text == "" {
		text = word(res.Verdict)
	}
	return clip(visible(text), maxStatus)
}

// RunDescription is the description of the overall commit status, in at most 140
// characters: the stages that are not successes with their reasons, else all of them.
func RunDescription(run runner.Run) string {
	var bad, good []string
	for i := range run.Stages {
		s := &run.Stages[i]
		switch valid(s.Verdict) {
		case runner.Failure, runner.Error:
			bad = append(bad, s.Stage+": "+summary(s))
		default:
			good = append(good, s.Stage+" "+string(valid(s.Verdict)))
		}
	}
	text := strings.Join(bad, "; ")
	switch {
	case run.State == runner.StateCancelled || run.State == runner.StateSuperseded:
		text = run.State
	case len(bad) > 0:
	case len(run.Stages) == 0:
		text = "nothing was examined"
		if run.Reason != "" {
			text += ": " + run.Reason
		}
	default:
		text = strings.Join(good, ", ")
	}
	return clip(visible(text), maxStatus)
}
