package store_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
	"github.com/holdfast-ci/holdfast/runner"
)

// The two figures of the queue, for both engines:
//
//	go test -run - -bench . -benchtime 20x ./agent/store
//
// They pull in opposite directions: a shorter poll starts jobs sooner and costs more while
// idle.

// BenchmarkStart measures the time from CreateRun to Claim on a free queue while 10,000
// jobs wait on another whose only worker is busy, and on that one when its worker gets
// free.
func BenchmarkStart(b *testing.B) {
	each(b, func(b *testing.B, e storetest.Engine) {
		s, _ := storetest.Open(b, e.New(b), "one")
		ctx, cancel := context.WithCancel(b.Context())
		for i := range 10000 {
			create(b, s, fmt.Sprintf("wait%d", i), "build", "build")
		}
		type claim struct {
			run int64
			at  time.Time
		}
		claims := make(chan claim, 1)
		var freed time.Time
		next := make(chan struct{})
		var gaps []time.Duration
		busy := true
		done := make(chan error)
		go func() {
			done <- s.Work(ctx, store.Handlers{
				Job: func(ctx context.Context, run int64, stage string, attempt int) error {
					job, r, ok, err := s.Claim(ctx, run, stage, attempt)
					if err != nil || !ok {
						return err
					}
					if r.Branch == "quick" {
						claims <- claim{run, job.Started}
					} else {
						if !freed.IsZero() {
							gaps = append(gaps, time.Since(freed))
						}
						if busy {
							select {
							case <-next:
							case <-ctx.Done():
								return ctx.Err()
							}
						}
						defer func() { freed = time.Now() }()
					}
					_, err = s.Finish(ctx, job, runner.Result{Verdict: runner.Success})
					return err
				},
				Report: func(ctx context.Context, run int64) error {
					_, err := s.FinishRun(ctx, store.Final{Run: runner.Run{Number: run, Verdict: runner.Success}})
					return err
				},
			}, map[string]int{"build": 1, "bench": 1})
		}()
		var took []time.Duration
		for i := 0; b.Loop(); i++ {
			// Apart from the end of the job before, after which the queue is looked at
			// anyway.
			time.Sleep(150*time.Millisecond + time.Duration(i%10)*31*time.Millisecond)
			start := time.Now()
			run := create(b, s, "quick", "bench", strconv.Itoa(i))
			c := <-claims
			if c.run != run {
				b.Fatalf("run %d started, want %d", c.run, run)
			}
			took = append(took, c.at.Sub(start))
			next <- struct{}{}
		}
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2].Seconds()*1000, "ms-median")
		b.ReportMetric(took[len(took)-1].Seconds()*1000, "ms-max")
		if len(gaps) > 0 {
			b.ReportMetric(slices.Max(gaps).Seconds()*1000, "ms-next-max")
		}
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkIdle measures the processor time of a store that serves three queues with
// nothing to do, in percent of one core, and its resident memory.
func BenchmarkIdle(b *testing.B) {
	each(b, func(b *testing.B, e storetest.Engine) {
		s, _ := storetest.Open(b, e.New(b), "one")
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error)
		go func() {
			done <- s.Work(ctx, store.Handlers{
				Job:    func(context.Context, int64, string, int) error { return nil },
				Report: func(context.Context, int64) error { return nil },
				Post:   func(context.Context) error { return nil },
			}, map[string]int{"build": 2, "bench": 1})
		}()
		time.Sleep(2 * time.Second)
		start, used := time.Now(), cpu(b)
		for b.Loop() {
			time.Sleep(time.Second)
		}
		b.ReportMetric(100*(cpu(b)-used).Seconds()/time.Since(start).Seconds(), "%core")
		b.ReportMetric(0, "ns/op")
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkHistories reads the longest history that is looked at, with 40 benchmarks of ten
// rounds, and finds its changes of level: what a report costs at most.
func BenchmarkHistories(b *testing.B) {
	s, _ := storetest.Open(b, storetest.SQLite().New(b), "one")
	ctx := b.Context()
	for i := range store.HistoryRuns {
		id, _, err := s.CreateRun(ctx, store.NewRun{
			Repo: "pool", Branch: "main", Commit: runner.Commit{SHA: fmt.Sprintf("%040x", i)}, Trigger: store.TriggerCommand,
			Stages: []store.NewJob{{Stage: runner.StageBench, Queue: "bench", Limit: time.Minute}},
		})
		if err != nil {
			b.Fatal(err)
		}
		job, rec, ok, err := s.Claim(ctx, id, runner.StageBench, 1)
		if err != nil || !ok {
			b.Fatal(ok, err)
		}
		res := runner.Result{Verdict: runner.Success, Bench: &runner.Bench{}}
		for k := range 40 {
			x := runner.Sample{Name: fmt.Sprint("X", k), Unit: "sec/op", Source: "program"}
			for r := range 10 {
				x.Values = append(x.Values, float64(1000+(i*7+r*3+k)%11+i/700*100)/1e9)
			}
			res.Bench.Samples = append(res.Bench.Samples, x)
		}
		if _, err := s.Finish(ctx, job, res); err != nil {
			b.Fatal(err)
		}
		rec.Stages, rec.State, rec.Verdict, rec.Machine.Class = []runner.Result{res}, runner.StateDone, runner.Success, "m"
		rec.Stages[0].Stage = runner.StageBench
		if ok, err := s.FinishRun(ctx, store.Final{Run: rec, Serves: true, Settings: "s"}); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
	place := store.Place{Kind: store.KindBench, Repo: "pool", Class: "m", Settings: "s"}
	b.ReportAllocs()
	for b.Loop() {
		all, err := s.Histories(ctx, place, "main", 0)
		if err != nil {
			b.Fatal(err)
		}
		shifts := 0
		for _, h := range all.All() {
			if len(h.Readings) != store.HistoryRuns {
				b.Fatal(len(h.Readings))
			}
			shifts += len(h.Shifts())
		}
		if shifts != 80 {
			b.Fatal(shifts)
		}
	}
}

func cpu(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func create(tb testing.TB, s *store.Store, branch, queue, sha string) int64 {
	run, _, err := s.CreateRun(tb.Context(), store.NewRun{
		Repo: "pool", Branch: branch, Commit: runner.Commit{SHA: sha}, Trigger: store.TriggerCommand,
		Stages: []store.NewJob{{Stage: runner.StageProofs, Queue: queue, Limit: time.Minute}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return run
}
