package storetest

import (
	"testing"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// What a checks stage told is found again by its commit and by its branch, with a detail
// and not from a pull request.
func checks(t *testing.T, o store.Options) {
	s, _ := Open(t, o, "one")
	ctx := t.Context()
	judge := func(branch, sha string, pull int, detail *runner.Checks) int64 {
		t.Helper()
		n := push(branch, sha)
		n.Trigger, n.PullRequest, n.Stages = store.TriggerCommand, pull, []store.NewJob{{Stage: runner.StageChecks, Queue: build, Limit: n.Stages[0].Limit}}
		run := create(t, s, n)
		if _, err := s.Finish(ctx, claim(t, s, run, runner.StageChecks, 1), runner.Result{Verdict: runner.Failure, Checks: detail}); err != nil {
			t.Fatal(err)
		}
		return run
	}
	detail := &runner.Checks{Scheme: "match/1", Rules: []runner.Rule{{ID: "R", Violations: []string{"a.b.1"}}}}
	first := judge("main", "aaa", 0, detail)
	second := judge("main", "bbb", 0, detail)
	judge("main", "bbb", 0, nil)
	judge("main", "ccc", 7, detail)
	other := judge("other", "ddd", 0, detail)
	for _, tt := range []struct {
		branch string
		before int64
		sha    string
		want   int64
	}{
		{"main", 0, "zzz", second},
		{"main", 0, "bbb", first},
		{"main", second, "zzz", first},
		{"main", first, "zzz", 0},
		{"other", 0, "zzz", other},
		{"nonesuch", 0, "zzz", 0},
	} {
		p, ok, err := s.ChecksBefore(ctx, "pool", tt.branch, tt.before, tt.sha)
		if err != nil || ok != (tt.want != 0) || ok && p.Run != tt.want {
			t.Errorf("before %d of %s, not %s: run %d, %v, %v; want %d", tt.before, tt.branch, tt.sha, p.Run, ok, err, tt.want)
		}
	}
	if p, ok, err := s.ChecksOf(ctx, "pool", "bbb"); err != nil || !ok || p.Run != second || p.Commit.SHA != "bbb" || p.Result.Checks.Rules[0].Violations[0] != "a.b.1" {
		t.Errorf("of bbb: %+v, %v, %v", p, ok, err)
	}
	for _, sha := range []string{"ccc", "zzz"} {
		if p, ok, err := s.ChecksOf(ctx, "pool", sha); err != nil || ok {
			t.Errorf("of %s: %+v, %v", sha, p, err)
		}
	}
}
