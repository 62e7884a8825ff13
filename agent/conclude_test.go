package agent

import (
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// Why a run was ended is what people read first, on GitHub and in the history.
func TestWhyARunEnded(t *testing.T) {
	for _, c := range []struct{ state, why, want string }{
		{runner.StateCancelled, "", "cancelled"},
		{runner.StateCancelled, "cancelled by mara", "cancelled by mara"},
		{runner.StateCancelled, "the pull request was closed", "cancelled: the pull request was closed"},
		{runner.StateCancelled, "the machine mini-1 was lost, last heard of at 2026-01-02 03:04:05 UTC", "cancelled: the machine mini-1 was lost, last heard of at 2026-01-02 03:04:05 UTC"},
		{runner.StateSuperseded, "", "superseded by a newer head"},
		{runner.StateSuperseded, "superseded by commit 0123456789", "superseded by commit 0123456789"},
		{runner.StateSuperseded, "a draft", "superseded: a draft"},
	} {
		run := conclude(runner.Run{State: c.state, Reason: c.why, Stages: []runner.Result{{Stage: "checks", Verdict: runner.Failure, Reason: "1 rule fails"}}})
		if want := c.want + "; checks: 1 rule fails"; run.Reason != want || run.Verdict == runner.Success {
			t.Errorf("%s, %q: %q, want %q", c.state, c.why, run.Reason, want)
		}
	}
}
