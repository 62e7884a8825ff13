package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// at is the place of the benchmarks of these tests, on one version of a system.
func at(fingerprint string) store.Place {
	return store.Place{Kind: store.KindBench, Repo: "pool", Settings: "5", Class: "m4", Fingerprint: fingerprint}
}

func sample(name string, values ...float64) runner.Sample {
	return runner.Sample{Name: name, Unit: "ops/s", Config: map[string]string{"queue": "shared"}, Better: runner.HigherIsBetter, Values: values}
}

// measured runs a bench stage of branch main and reports it.
func measured(t *testing.T, s *store.Store, p store.Place, f store.Final, samples ...runner.Sample) int64 {
	t.Helper()
	n := push("main", fmt.Sprint("sha", time.Now().UnixNano()))
	n.Trigger, n.Stages = store.TriggerCommand, n.Stages[1:]
	run := create(t, s, n)
	res := runner.Result{Verdict: runner.Success, Bench: &runner.Bench{Samples: samples}}
	if _, err := s.Finish(t.Context(), claim(t, s, run, runner.StageBench, 1), res); err != nil {
		t.Fatal(err)
	}
	f.Run, f.Settings = state(t, s, run).Run, p.Settings
	f.Run.Verdict, f.Run.Machine = runner.Success, runner.Machine{Class: p.Class, Fingerprint: p.Fingerprint}
	if ok, err := s.FinishRun(t.Context(), f); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return run
}

// values are those of one metric in the history of a place, newest first: the first of each
// run.
func values(t *testing.T, s *store.Store, p store.Place, limit int, key string) (out []float64) {
	t.Helper()
	past, err := s.History(t.Context(), p, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range past {
		for _, x := range r.Samples {
			if x.Key() == key {
				out = append(out, x.Values[0])
			}
		}
	}
	return out
}

// A baseline comes into being with the first run of its place and moves until a person
// accepts, pins, imports or resets; every change leaves an entry that nothing takes away.
func baselines(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	serves := store.Final{Serves: true, NewBaseline: "first measurement"}
	a, b := sample("a").Key(), sample("b").Key()
	want := func(what string, got []float64, want ...float64) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	measured(t, s, at("15.6.1"), serves, sample("a", 1), sample("b", 10))
	two := measured(t, s, at("15.6.1"), serves, sample("a", 2), sample("b", 20))
	bad := measured(t, s, at("15.6.1"), store.Final{}, sample("a", 3))
	apart := serves
	apart.Apart = true
	measured(t, s, at("15.6.1"), apart, sample("a", 77))
	want("two runs serve", values(t, s, at("15.6.1"), 9, a), 2, 1)
	want("another system", values(t, s, at("15.6.2"), 9, a))

	list, err := s.Baselines(ctx, "pool")
	if err != nil || len(list) != 2 || list[0].Metric != a || list[0].Sample.Better != runner.HigherIsBetter || list[0].Place != at("15.6.1") {
		t.Fatalf("baselines %+v, %v", list, err)
	}
	if other, err := s.Baselines(ctx, "lake"); err != nil || len(other) != 0 {
		t.Errorf("baselines of another repository: %v, %v", other, err)
	}
	all, err := s.Measured(ctx, list[0], 9)
	if err != nil || len(all) != 3 || all[2].Run != bad || all[2].Serves || !all[1].Serves || all[2].Commit == "" || all[2].At.IsZero() {
		t.Errorf("measured %+v, %v", all, err)
	}
	change := func(action string, c store.Change) {
		t.Helper()
		c.Baseline, c.Action, c.Who, c.Why, c.Detail = list[0].ID, action, "ada", "because of "+action, "so it is"
		if err := s.ChangeBaselines(ctx, []store.Change{c}); err != nil {
			t.Fatalf("%s: %v", action, err)
		}
	}
	// Accepted: the failed run is the new level, what came before is over.
	change(store.ActionAccept, store.Change{Since: bad, Points: []store.Point{all[2]}})
	want("accepted", values(t, s, at("15.6.1"), 9, a), 3)
	want("another metric stays", values(t, s, at("15.6.1"), 9, b), 20, 10)
	measured(t, s, at("15.6.1"), serves, sample("a", 4), sample("b", 40))
	want("moves on", values(t, s, at("15.6.1"), 9, a), 4, 3)
	want("at most", values(t, s, at("15.6.1"), 1, a), 4)
	// Pinned: nothing joins.
	change(store.ActionPin, store.Change{Points: []store.Point{{Run: two, Values: []float64{2}}}})
	measured(t, s, at("15.6.1"), serves, sample("a", 5))
	want("pinned", values(t, s, at("15.6.1"), 9, a), 2)
	if list, _ := s.Baselines(ctx, ""); !list[0].Pinned || list[0].Changed.IsZero() {
		t.Errorf("pinned: %+v", list[0])
	}
	change(store.ActionUnpin, store.Change{})
	want("unpinned", values(t, s, at("15.6.1"), 9, a), 5, 4) // run 3 failed, and its acceptance went with the pin
	change(store.ActionReset, store.Change{})
	want("reset", values(t, s, at("15.6.1"), 9, a))
	measured(t, s, at("15.6.1"), serves, sample("a", 6))
	want("anew", values(t, s, at("15.6.1"), 9, a), 6)
	// Imported: older than any run, the newest first; a second time nothing happens.
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	imports := []store.Import{
		{Sample: sample("a"), Points: []store.Point{{At: day, Source: "old.csv:2", Values: []float64{0.1}}, {At: day.Add(time.Hour), Commit: "abc", Source: "old.csv:3", Values: []float64{0.2}}}},
		{Sample: sample("c"), Points: []store.Point{{Source: "old.csv:4", Values: []float64{9}}}},
	}
	for i, made := range []int{1, 0} {
		if n, err := s.ImportBaselines(ctx, at("15.6.1"), imports, "ada", "moved here", "old.csv"); err != nil || n != made {
			t.Errorf("import %d made %d baselines, %v", i, n, err)
		}
		want("imported", values(t, s, at("15.6.1"), 9, a), 6, 0.2, 0.1)
		past, err := s.History(ctx, at("15.6.1"), 9)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range past { // values of different metrics share a number, not a commit
			for _, x := range r.Samples {
				if want := map[float64]string{0.2: "abc"}[x.Values[0]]; r.Run < 0 && r.Commit.SHA != want {
					t.Errorf("%v was measured at %q, want %q", x.Values, r.Commit.SHA, want)
				}
			}
		}
		want("imported alone", values(t, s, at("15.6.1"), 9, sample("c").Key()), 9)
	}
	// All or none.
	err = s.ChangeBaselines(ctx, []store.Change{
		{Baseline: list[0].ID, Action: store.ActionReset, Who: "ada", Why: "x"}, {Baseline: 99, Action: store.ActionReset, Who: "ada", Why: "x"},
	})
	if !errors.Is(err, store.ErrNoBaseline) {
		t.Errorf("a baseline that does not exist: %v", err)
	}
	want("nothing of a change that failed", values(t, s, at("15.6.1"), 9, a), 6, 0.2, 0.1)
	for _, c := range []store.Change{
		{Action: store.ActionReset, Why: "no author"},
		{Action: store.ActionReset, Who: "no reason"},
		{Action: store.ActionUnpin, Who: "ada", Why: "not pinned"},
		{Action: store.ActionPin, Who: "ada", Why: "nothing"},
		{Action: "burn", Who: "ada", Why: "x"},
	} {
		c.Baseline = list[0].ID
		if err := s.ChangeBaselines(ctx, []store.Change{c}); err == nil {
			t.Errorf("made the change %+v", c)
		}
	}
	log, err := s.BaselineLog(ctx, list[0].ID)
	var did []string
	for _, e := range log {
		did = append(did, e.Who+" "+e.Action)
		if e.At.IsZero() || e.Why == "" || e.Detail == "" {
			t.Errorf("entry %+v", e)
		}
	}
	if err != nil || !slices.Equal(did, []string{"holdfast create", "ada accept", "ada pin", "ada unpin", "ada reset", "ada import", "ada import"}) {
		t.Errorf("log %v, %v", did, err)
	}
	if p, run, ok, err := s.LastPlace(ctx, store.KindBench, "pool"); err != nil || !ok || p != at("15.6.1") || run == 0 {
		t.Errorf("last place %+v, %v, %v", p, ok, err)
	}
	before, err := s.NewestIn(ctx, "pool")
	if err != nil || len(before) != 1 || before[at("15.6.1")] == 0 {
		t.Errorf("places %+v, %v", before, err)
	}
	back := measured(t, s, at("15.6"), store.Final{Serves: true}, sample("a", 1))
	if newest, err := s.NewestIn(ctx, "pool"); err != nil || len(newest) != 2 || newest[at("15.6")] != back || newest[at("15.6.1")] != before[at("15.6.1")] {
		t.Errorf("places %+v, %v", newest, err)
	}
	if newest, err := s.NewestIn(ctx, "lake"); err != nil || len(newest) != 0 {
		t.Errorf("places of another repository %+v, %v", newest, err)
	}
}
