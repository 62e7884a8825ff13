package storetest

import (
	"math"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// What verdicts were worth: A/A pairs by place, and what people say, where the newest word
// counts and the log keeps all of them.
func truth(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	here, there := at("15.6.1"), at("15.6.2")
	if busy, err := s.Busy(ctx); busy || err != nil {
		t.Errorf("busy with nothing: %v, %v", busy, err)
	}
	if last, err := s.LastAA(ctx, "pool"); !last.IsZero() || err != nil {
		t.Errorf("an A/A before the first: %v, %v", last, err)
	}
	good := measured(t, s, here, store.Final{Serves: true}, sample("a", 1))
	measured(t, s, here, store.Final{}, sample("a", 1)) // missed a threshold
	if run, c, ok, err := s.LastServing(ctx, here, "main"); err != nil || !ok || run != good || c.SHA == "" {
		t.Errorf("last good figures: run %d, %+v, %v, %v", run, c, ok, err)
	}
	for _, p := range []store.Place{there, {Kind: store.KindBench, Repo: "lake"}} {
		if _, _, ok, err := s.LastServing(ctx, p, "main"); ok || err != nil {
			t.Errorf("last good figures in %+v: %v, %v", p, ok, err)
		}
	}

	n := push("", "good")
	n.Stages = n.Stages[1:]
	n.Schedule, n.Due = "truth ", time.Unix(5000, 0)
	first, second, made, err := s.CreateAA(ctx, n)
	if err != nil || !made || second != first+1 {
		t.Fatalf("A/A %d, %d, %v, %v", first, second, made, err)
	}
	if _, _, made, err := s.CreateAA(ctx, n); err != nil || made {
		t.Errorf("the same tick again: %v, %v", made, err)
	}
	if busy, err := s.Busy(ctx); !busy || err != nil {
		t.Errorf("idle with an A/A queued: %v", err)
	}
	if last, err := s.LastAA(ctx, "pool"); last.IsZero() || err != nil {
		t.Errorf("last A/A: %v, %v", last, err)
	}
	if rec := wantState(t, s, second, runner.StateQueued); rec.Twin != first || rec.Run.Trigger != store.TriggerAA {
		t.Errorf("the twin: %+v", rec)
	}
	if rec := state(t, s, first); rec.Twin != 0 {
		t.Errorf("the first: %+v", rec)
	}
	aa := func(p store.Place, metric, threshold string, alarm bool, effect float64) store.Truth {
		return store.Truth{Kind: store.TruthAA, Run: second, Place: p, Metric: metric, Threshold: threshold, Verdict: "x", Alarm: alarm, Truth: store.Noise, Effect: effect}
	}
	for _, run := range []int64{first, second} {
		finish(t, s, claim(t, s, run, runner.StageBench, 1))
		f := store.Final{Run: state(t, s, run).Run, Apart: true}
		f.Run.Verdict = runner.Success
		if run == second {
			f.Truth = []store.Truth{
				aa(here, "a ops/s", "", false, -0.01), aa(here, "b ops/s", "", true, 0.25), aa(here, "a ops/s", "a >= 1", true, 0),
				aa(there, "c ops/s", "", true, 1),
			}
		}
		if ok, err := s.FinishRun(ctx, f); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if busy, err := s.Busy(ctx); busy || err != nil {
		t.Errorf("busy when all is done: %v", err)
	}
	effects, err := s.Effects(ctx, here)
	if err != nil || len(effects) != 2 || len(effects["b ops/s"]) != 1 || math.Abs(effects["b ops/s"][0]-0.25) > 1e-12 {
		t.Errorf("effects %v, %v", effects, err)
	}

	red := store.Truth{Kind: store.TruthTriage, Run: good, Place: store.Place{Repo: "pool"}, Metric: "checks", Verdict: "failure", Alarm: true, Truth: store.Real}
	other := red
	other.Metric, other.Threshold, other.Truth = "a ops/s", "a >= 1", store.Noise
	if err := s.Triage(ctx, []store.Truth{red, other}, "ada", "looked"); err != nil {
		t.Fatal(err)
	}
	red.Truth = store.Noise
	if err := s.Triage(ctx, []store.Truth{red}, "bob", "looked again"); err != nil {
		t.Fatal(err)
	}
	want := store.Ledger{Compared: 2, CompareAlarms: 1, Judged: 1, JudgeAlarms: 1, Noise: 2}
	if l, err := s.Ledger(ctx, here); err != nil || l != want {
		t.Errorf("ledger %+v, %v, want %+v", l, err, want)
	}
	if l, err := s.Ledger(ctx, store.Place{Repo: "lake"}); err != nil || l != (store.Ledger{}) {
		t.Errorf("ledger of another repository: %+v, %v", l, err)
	}
	log, err := s.RunLog(ctx, good)
	if err != nil || len(log) != 3 || log[2].Who != "bob" || log[2].Action != "triage noise" || log[1].Detail != "a ops/s, asked a >= 1" {
		t.Errorf("log %+v, %v", log, err)
	}
	if log, err := s.TriageLog(ctx, "pool", 2); err != nil || len(log) != 2 || log[0].Who != "bob" || log[1].Who != "ada" || log[0].At.IsZero() {
		t.Errorf("what people said: %+v, %v", log, err)
	}
	if log, err := s.TriageLog(ctx, "lake", 2); err != nil || len(log) != 0 {
		t.Errorf("what people said of another repository: %+v, %v", log, err)
	}
	for _, bad := range []store.Truth{{}, aa(here, "a", "", true, 0), {Kind: store.TruthTriage, Truth: "maybe"}} {
		if err := s.Triage(ctx, []store.Truth{bad}, "ada", "x"); err == nil {
			t.Errorf("triaged %+v", bad)
		}
	}
	if err := s.Triage(ctx, []store.Truth{red}, "ada", ""); err == nil {
		t.Error("triaged without a reason")
	}
}
