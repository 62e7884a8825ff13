package publish_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

func lines(msgs []publish.Message) string {
	var b strings.Builder
	for _, m := range msgs {
		fmt.Fprintf(&b, "%s %s %s\n", m.Context, m.State, m.Description)
	}
	return b.String()
}

func TestStatuses(t *testing.T) {
	partial := run(3)
	partial.Stages = finish(run(3)).Stages[:1]
	cancelled := run(3)
	cancelled.State, cancelled.Stages = runner.StateCancelled, partial.Stages
	superseded := run(3)
	superseded.State = runner.StateSuperseded
	queued := run(3)
	queued.State = runner.StateQueued
	good := finish(run(3))
	good.Verdict, good.Reason = runner.Success, ""
	good.Stages[0].Proofs.Authority = false
	good.Stages[1] = runner.Result{Stage: "checks", Verdict: runner.Success, Checks: &runner.Checks{Pass: 9, Warn: 1}}
	compared := finish(run(3))
	compared.Stages[0].Reason = "2 theorems in 6 modules hold"
	compared.Stages[0].Proofs = &runner.Proofs{
		Authority: true,
		Theorems: []runner.Theorem{
			{Kind: "theorem", Verdict: runner.Success},
			{Kind: "theorem", Verdict: runner.Success},
			{Kind: "theorem", Verdict: runner.Neutral, Axioms: []string{"sorryAx"}},
		},
		Axioms: []runner.Axiom{{Name: "propext", Kind: runner.AxiomStandard}, {Name: "sorryAx", Kind: runner.AxiomSorry}},
		Ledger: &runner.Ledger{Same: 1, Entries: []runner.Entry{{Change: runner.Renamed}, {Change: runner.New, Also: []string{runner.Unlocked}}}},
	}
	unclear := finish(run(3))
	unclear.Verdict, unclear.Reason = "", ""
	unclear.Stages[2].Verdict = "maybe"
	unclear.Stages[1] = runner.Result{Stage: "checks", Verdict: runner.Error, Reason: "no file matches"}

	for name, c := range map[string]struct {
		run  *runner.Run
		want string
	}{
		"queued": {queued, "holdfast pending run 3 is queued\nholdfast/proofs pending run 3 is queued\nholdfast/checks pending run 3 is queued\n" +
			"holdfast/bench pending run 3 is queued\n"},
		"one stage ended": {partial, "holdfast pending run 3 is in progress\nholdfast/proofs success 6 modules, 12 theorems\nholdfast/checks pending run 3 is in progress\n" +
			"holdfast/bench pending run 3 is in progress\n"},
		"bad": {finish(run(3)), "holdfast/proofs success 6 modules, 12 theorems\nholdfast/checks failure 1 rule fails\n" +
			"holdfast/bench success does not apply: no benchmarks are configured\nholdfast failure 1 rule fails\n"},
		"good": {good, "holdfast/proofs success 6 modules, 12 theorems, checked by a stand-in for Lean\nholdfast/checks success 9 of 10 rules pass, 1 warning\n" +
			"holdfast/bench success does not apply: no benchmarks are configured\nholdfast success proofs, checks hold; not applicable: bench\n"},
		"compared": {compared, "holdfast/proofs success 2 theorems hold, 1 unlocked, 1 renamed, 1 new, no new sorry, 1 tolerated, axioms: standard\nholdfast/checks failure 1 rule fails\n" +
			"holdfast/bench success does not apply: no benchmarks are configured\nholdfast failure 1 rule fails\n"},
		"no verdict": {unclear, "holdfast/proofs success 6 modules, 12 theorems\nholdfast/checks error could not tell: no file matches\n" +
			"holdfast/bench error could not tell: no verdict\nholdfast error could not tell: no verdict\n"},
		"cancelled": {cancelled, "holdfast/proofs success 6 modules, 12 theorems\nholdfast/checks error cancelled\n" +
			"holdfast/bench error cancelled\nholdfast error cancelled\n"},
		"superseded": {superseded, "holdfast/proofs error superseded by a newer head\nholdfast/checks error superseded by a newer head\n" +
			"holdfast/bench error superseded by a newer head\nholdfast error superseded by a newer head\n"},
	} {
		if got := lines(publish.Statuses(target, c.run, runner.Stages)); got != c.want {
			t.Errorf("%s:\n%swant:\n%s", name, got, c.want)
		}
	}
	if msgs := publish.Statuses(target, &runner.Run{Number: 1, State: runner.StateDone}, runner.Stages); msgs != nil {
		t.Errorf("a run without commit gives %v", msgs)
	}
}

// Whatever a run looks like: every context is named once, a run that has ended leaves
// nothing pending, no state is better than its verdict, and later messages have a higher
// Seq than earlier ones.
func TestStatusesAlwaysConclude(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		verdicts := []runner.Verdict{runner.Success, runner.Failure, runner.Error, runner.Neutral, "", "great"}
		r := run(rapid.Int64Range(1, 1<<40).Draw(t, "number"))
		r.Verdict = rapid.SampledFrom(verdicts).Draw(t, "verdict")
		r.Reason = rapid.String().Draw(t, "reason")
		for _, s := range runner.Stages {
			if rapid.Bool().Draw(t, "has "+s) {
				r.Stages = append(r.Stages, runner.Result{
					Stage: s, Verdict: rapid.SampledFrom(verdicts).Draw(t, s), Reason: rapid.String().Draw(t, "reason of "+s),
				})
			}
		}
		before := map[string]publish.Message{}
		states := []string{runner.StateQueued, runner.StateRunning, rapid.SampledFrom([]string{runner.StateDone, runner.StateCancelled, runner.StateSuperseded, "", "odd"}).Draw(t, "state")}
		for i, st := range states {
			r.State = st
			msgs := publish.Statuses(target, r, runner.Stages)
			if len(msgs) != len(runner.Stages)+1 {
				t.Fatalf("%d messages", len(msgs))
			}
			for _, m := range msgs {
				if n := utf8.RuneCountInString(m.Description); n == 0 || n > 140 || strings.ContainsAny(m.Description, "\r\n\x1b") {
					t.Fatalf("description %q", m.Description)
				}
				if old, ok := before[m.Key]; ok && m.Seq < old.Seq {
					t.Fatalf("%s: Seq %d after %d", m.Key, m.Seq, old.Seq)
				} else if ok && m.Seq == old.Seq && (m.State != old.State || m.Description != old.Description) {
					t.Fatalf("%s: another message with the same Seq", m.Key)
				}
				before[m.Key] = m
				if i < 2 {
					continue
				}
				v := r.Verdict
				if st != runner.StateDone {
					v = runner.Error
				}
				if s, ok := strings.CutPrefix(m.Context, "holdfast/"); ok {
					v = runner.Error
					if res := r.Stage(s); res != nil {
						v = res.Verdict
					}
				}
				want := publish.StateError
				switch v {
				case runner.Success, runner.Neutral:
					want = publish.StateSuccess
				case runner.Failure:
					want = publish.StateFailure
				}
				if m.State != want {
					t.Fatalf("%s is %s for verdict %q in a run that is %q, want %s", m.Context, m.State, v, st, want)
				}
			}
		}
		if next := publish.Statuses(target, &runner.Run{Number: r.Number + 1, Commit: r.Commit, State: runner.StateQueued}, nil); next[0].Seq <= before[next[0].Key].Seq {
			t.Fatalf("the next run has Seq %d after %d", next[0].Seq, before[next[0].Key].Seq)
		}
	})
}

func TestCommentAndMaintenance(t *testing.T) {
	r := finish(run(4))
	m, ok := publish.Comment(target, r, "body")
	if !ok || m.Kind != publish.KindComment || m.Number != 1 || m.Repo != slug || m.Body != "body" {
		t.Errorf("Comment = %+v, %v", m, ok)
	}
	r.PullRequest = 0
	if _, ok := publish.Comment(target, r, "body"); ok {
		t.Error("a comment without a pull request")
	}
	up := target
	up.Repo = "ACME/Pool"
	a, _ := publish.Maintenance(target, r, "body")
	b, _ := publish.Maintenance(up, r, "body")
	if a.Key != b.Key || a.Kind != publish.KindIssue || !strings.Contains(a.Title, "pool") {
		t.Errorf("Maintenance = %+v and %+v, want one key", a, b)
	}
	if m, ok := publish.Maintenance(publish.Target{Repo: slug, Report: publish.ReportCommit}, r, "body"); !ok || m.Kind != publish.KindCommitComment || m.SHA != sha {
		t.Errorf("Maintenance = %+v, %v", m, ok)
	}
	if _, ok := publish.Maintenance(publish.Target{Repo: slug}, r, "body"); ok {
		t.Error("a maintenance report that nobody asked for")
	}
}
