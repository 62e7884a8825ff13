package storetest

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// proof is one run of a proofs stage.
type proof struct {
	branch, sha string
	pull        int
	verdict     runner.Verdict
	p           runner.Proofs
	none        bool // the stage came to no detail
	fresh       bool // asked for
}

// prove runs a proofs stage and leaves its run without a report, unless told otherwise.
func prove(t *testing.T, s *store.Store, x proof) int64 {
	t.Helper()
	n := push(x.branch, x.sha)
	n.Trigger, n.PullRequest, n.Fresh = store.TriggerCommand, x.pull, x.fresh
	run := create(t, s, n)
	job := claim(t, s, run, runner.StageProofs, 1)
	if job.Fresh != x.fresh {
		t.Errorf("job %+v of a run with fresh = %v", job, x.fresh)
	}
	res := runner.Result{Verdict: x.verdict, Proofs: &x.p}
	if x.verdict == "" {
		res.Verdict = runner.Success
	}
	if x.none {
		res.Proofs = nil
	}
	if _, err := s.Finish(t.Context(), job, res); err != nil {
		t.Fatal(err)
	}
	return run
}

// A base is a complete inventory of the same folders by a run that is of no pull request.
func proofs(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	whole := runner.Proofs{Complete: true, Dirs: []string{"lean"}, Theorems: []runner.Theorem{{Name: "one"}}}
	dirs := whole.Dirs
	first := prove(t, s, proof{branch: "main", sha: "aaa", p: whole})
	second := prove(t, s, proof{branch: "main", sha: "bbb", p: whole, verdict: runner.Failure})
	third := prove(t, s, proof{branch: "main", sha: "bbb", p: whole})
	prove(t, s, proof{branch: "main", sha: "ccc", p: runner.Proofs{Dirs: dirs}})                                  // not complete
	prove(t, s, proof{branch: "main", sha: "ccc", none: true, verdict: runner.Error})                             // came to nothing
	prove(t, s, proof{branch: "main", sha: "ccc", p: runner.Proofs{Complete: true, Dirs: []string{"elsewhere"}}}) // other folders
	prove(t, s, proof{branch: "main", sha: "ccc", p: whole, pull: 7})                                             // a pull request
	other := prove(t, s, proof{branch: "other", sha: "ddd", p: whole})

	for _, tt := range []struct {
		branch string
		before int64
		sha    string
		want   int64
	}{
		{"main", 0, "zzz", third},
		{"main", third, "zzz", second},
		{"main", 0, "bbb", first}, // once more: with what it was compared with before
		{"main", first, "zzz", 0},
		{"other", 0, "zzz", other},
		{"other", 0, "ddd", 0},
		{"nonesuch", 0, "zzz", 0},
	} {
		p, ok, err := s.ProofsBefore(ctx, "pool", tt.branch, tt.before, tt.sha, dirs)
		if err != nil || ok != (tt.want != 0) || p.Run != tt.want && ok {
			t.Errorf("before %d of %s, not %s: run %d, %v, %v; want %d", tt.before, tt.branch, tt.sha, p.Run, ok, err, tt.want)
		}
	}
	if p, ok, err := s.ProofsOf(ctx, "pool", "bbb", dirs); err != nil || !ok || p.Run != third || p.Commit.SHA != "bbb" || len(p.Result.Proofs.Theorems) != 1 {
		t.Errorf("of bbb: %+v, %v, %v", p, ok, err)
	}
	for _, sha := range []string{"ccc", "zzz"} {
		if p, ok, err := s.ProofsOf(ctx, "pool", sha, dirs); err != nil || ok {
			t.Errorf("of %s: %+v, %v", sha, p, err)
		}
	}
	if _, ok, err := s.ProofsOf(ctx, "elsewhere", "bbb", dirs); err != nil || ok {
		t.Errorf("of another repository: %v, %v", ok, err)
	}

	// From scratch: asked for and reached are two things.
	if f, ok, err := s.FromScratch(ctx, "pool", "main", 0); ok || err != nil {
		t.Errorf("never, and yet: %+v, %v", f, err)
	}
	scratch := whole
	scratch.Fresh = true
	prove(t, s, proof{branch: "main", sha: "eee", p: whole, fresh: true})
	good := prove(t, s, proof{branch: "main", sha: "fff", p: scratch, fresh: true})
	bad := prove(t, s, proof{branch: "main", sha: "ggg", p: scratch, fresh: true, verdict: runner.Failure})
	prove(t, s, proof{branch: "main", sha: "hhh", p: scratch, fresh: true, pull: 7})
	debt := prove(t, s, proof{branch: "main", sha: "iii", p: scratch, fresh: true, verdict: runner.Neutral})
	for upTo, want := range map[int64]int64{0: debt, debt: debt, bad: good, good - 1: 0} {
		f, ok, err := s.FromScratch(ctx, "pool", "main", upTo)
		if err != nil || ok != (want != 0) || f.Run != want || ok && (f.Time == "" || f.Commit.SHA == "") {
			t.Errorf("from scratch up to %d: %+v, %v, %v; want %d", upTo, f, ok, err, want)
		}
	}
}

// Build times have a history of their own, beside that of the benchmarks.
func buildTimes(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	measure := func(class, settings string, pull int, value float64) int64 {
		t.Helper()
		n := push("main", "aaa")
		n.Trigger, n.PullRequest, n.Stages = store.TriggerCommand, pull, n.Stages[:1]
		run := create(t, s, n)
		res := runner.Result{Verdict: runner.Success, Proofs: &runner.Proofs{}, Machine: runner.Machine{Class: class}}
		if _, err := s.Finish(ctx, claim(t, s, run, runner.StageProofs, 1), res); err != nil {
			t.Fatal(err)
		}
		f := store.Final{Run: state(t, s, run).Run, TimesSettings: settings, Builds: json.RawMessage(`{"verdict":"success"}`)}
		f.Run.Verdict = runner.Success
		f.Run.Stages[0].Machine.Class = class
		if value > 0 {
			f.TimesServe = true
			f.Times = []runner.Sample{{Name: "lean-build", Unit: "sec", Values: []float64{value}}}
		}
		if ok, err := s.FinishRun(ctx, f); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if got := state(t, s, run).Builds; string(got) != string(f.Builds) {
			t.Errorf("judgement of build times is stored as %s", got)
		}
		return run
	}
	first := measure("m4", "x", 0, 1)
	measure("m1", "x", 0, 2)
	measure("m4", "y", 0, 3)
	measure("m4", "x", 7, 4)
	measure("m4", "x", 0, 0) // nothing was built
	last := measure("m4", "x", 0, 5)
	past, err := s.History(ctx, store.Place{Kind: store.KindBuild, Repo: "pool", Class: "m4", Settings: "x"}, 10)
	var got []int64
	for _, p := range past {
		got = append(got, p.Run)
	}
	if err != nil || !slices.Equal(got, []int64{last, first}) {
		t.Errorf("build times of runs %v, %v; want %d and %d", got, err, last, first)
	}
	if past, err := s.History(ctx, store.Place{Kind: store.KindBench, Repo: "pool", Class: "m4", Settings: "x"}, 10); err != nil || len(past) != 0 {
		t.Errorf("benchmarks %v, %v", past, err)
	}
}
