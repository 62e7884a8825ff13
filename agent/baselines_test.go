package agent

import (
	"os"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/report"
	"github.com/holdfast-ci/holdfast/runner"
)

// measure examines the head of the branch with the bench stage, in this process.
func (a *agentTest) measure() report.Input {
	a.t.Helper()
	repo := &a.app.cfg.Repositories[0]
	commit, err := a.app.x.mirror(repo).Resolve(a.t.Context(), "main")
	if err != nil {
		a.t.Fatal(err)
	}
	p := newProgress(os.Stderr)
	defer p.close()
	in, err := a.app.direct(a.t.Context(), store.NewRun{
		Repo: repo.Name, Branch: "main", Commit: commit, Trigger: store.TriggerCommand, Direct: true,
		Stages: enabled(repo, []string{runner.StageBench}),
	}, repo, "", p)
	if err != nil {
		a.t.Fatal(err)
	}
	return in
}

// A machine, a system or a configuration that is new has no baseline, and the report says
// why; what went before is not lost.
func TestNewPlaceNewBaseline(t *testing.T) {
	a := newAgentTest(t)
	a.commit()
	said := func(in report.Input) string {
		for _, w := range in.Run.Stage(runner.StageBench).Warnings {
			if text, ok := strings.CutPrefix(w, "new baseline: "); ok {
				return text
			}
		}
		return ""
	}
	old := a.app.machine
	if w := said(a.measure()); w != "" {
		t.Errorf("the first run of all says %q", w)
	}
	if in := a.measure(); said(in) != "" || len(in.Judgement.Metrics[0].Runs) != 1 {
		t.Errorf("the second run says %q and has the baseline %v", said(in), in.Judgement.Metrics[0].Runs)
	}
	a.app.machine.OS, a.app.machine.Build = "macOS 15.6.2", "24G120"
	if in := a.measure(); !strings.HasPrefix(said(in), "the system is macOS 15.6.2; 24G120") || !strings.Contains(said(in), "; run 2 was measured on "+old.OS) || len(in.Judgement.Metrics[0].Runs) != 0 {
		t.Errorf("a new system: %q", said(in))
	}
	if w := said(a.measure()); w != "" {
		t.Errorf("a system that is known: %q", w)
	}
	a.app.machine.Class = "arm64; Mac16,6"
	if w := said(a.measure()); !strings.HasPrefix(w, "this machine (arm64; Mac16,6) has none yet; run 4 was measured on ") {
		t.Errorf("a new machine: %q", w)
	}
	a.app.cfg.Repositories[0].Bench.Rounds = 4
	if w := said(a.measure()); w != "what is measured, or how, is configured differently since run 5" {
		t.Errorf("a new configuration: %q", w)
	}
	a.app.cfg.Repositories[0].Bench.Rounds, a.app.machine = 3, old
	if in := a.measure(); said(in) != "" || len(in.Judgement.Metrics[0].Runs) != 2 {
		t.Errorf("back again: %q, baseline %v", said(in), in.Judgement.Metrics[0].Runs)
	}
	list, err := a.app.store.Baselines(t.Context(), "pool")
	if err != nil || len(list) != 4 {
		t.Errorf("%d baselines, %v", len(list), err)
	}
}
