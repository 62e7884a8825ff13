package store

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

func TestSmoke(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Open(ctx, Options{SQLite: filepath.Join(t.TempDir(), "a b%?", "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	start := time.Now()
	run, created, err := s.CreateRun(ctx, NewRun{Repo: "r", Branch: "main", Commit: runner.Commit{SHA: "abc"}, Trigger: "push",
		Stages: []NewJob{{"proofs", "build", time.Minute}, {"bench", "bench", time.Minute}}})
	t.Log(run, created, err, time.Since(start))
	err = s.Work(ctx, Handlers{
		Job: func(ctx context.Context, run int64, stage string, attempt int) error {
			j, r, ok, err := s.Claim(ctx, run, stage, attempt)
			t.Log(time.Since(start), j, r, ok, err)
			last, err := s.Finish(ctx, j, runner.Result{Verdict: runner.Success})
			t.Log(last, err)
			return err
		},
		Report: func(ctx context.Context, run int64) error {
			defer cancel()
			rec, err := s.Run(ctx, run)
			t.Log(time.Since(start), rec, err)
			rec.Run.Verdict = runner.Success
			ok, err := s.FinishRun(ctx, Final{Run: rec.Run})
			t.Log(ok, err)
			return err
		},
	}, map[string]int{"build": 1, "bench": 1})
	t.Log(err, time.Since(start))
	t.Log(s.Runs(context.Background(), Filter{}))
}
