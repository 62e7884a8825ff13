package store_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/runner"
)

// signal is a log handler that tells when a message is logged.
type signal struct {
	slog.Handler
	message string
	seen    chan struct{}
}

func (h signal) Enabled(context.Context, slog.Level) bool { return true }
func (h signal) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		select {
		case h.seen <- struct{}{}:
		default:
		}
	}
	return nil
}
func (h signal) WithAttrs([]slog.Attr) slog.Handler { return h }

// An agent without work lets River's client rest, and takes up work that comes then.
func TestRest(t *testing.T) {
	rests := signal{slog.DiscardHandler, "the queue is empty: its client rests", make(chan struct{}, 1)}
	s, err := store.Open(t.Context(), store.Options{SQLite: filepath.Join(t.TempDir(), "db"), Log: slog.New(rests)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	s.SetRest(time.Nanosecond)
	reported := make(chan int64, 2)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Work(ctx, store.Handlers{
			Job: func(ctx context.Context, run int64, stage string, attempt int) error {
				job, _, ok, err := s.Claim(ctx, run, stage, attempt)
				if err != nil || !ok {
					return err
				}
				_, err = s.Finish(ctx, job, runner.Result{Verdict: runner.Success})
				return err
			},
			Report: func(ctx context.Context, run int64) error {
				rec, err := s.Run(ctx, run)
				if err != nil {
					return err
				}
				rec.Run.Verdict = runner.Success
				_, err = s.FinishRun(ctx, store.Final{Run: rec.Run})
				reported <- run
				return err
			},
		}, map[string]int{"build": 1})
	}()
	deadline := time.After(time.Minute)
	for _, sha := range []string{"a", "b"} {
		run, _, err := s.CreateRun(t.Context(), newRun("main", sha))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-reported:
			if got != run {
				t.Errorf("run %d was reported, want %d", got, run)
			}
		case <-deadline:
			t.Fatalf("run %d was never reported", run)
		}
		select {
		case <-rests.seen:
		case <-deadline:
			t.Fatal("the client never rests")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
