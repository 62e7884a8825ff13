package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/agent/store"
	"github.com/holdfast-ci/holdfast/agent/store/storetest"
	"github.com/holdfast-ci/holdfast/runner"
)

// server is the throwaway Postgres of this test binary, started by the first test that
// asks.
var server = sync.OnceValues(func() (*storetest.Server, error) { return storetest.StartPostgres(context.Background()) })

func TestMain(m *testing.M) {
	if os.Getenv("HOLDFAST_STORE_WORKER") != "" {
		worker()
		return
	}
	var started bool
	start := server
	server = func() (*storetest.Server, error) { started = true; return start() }
	code := m.Run()
	if started {
		if s, err := start(); err == nil {
			s.Stop()
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// each runs a test or benchmark over both engines.
func each[T interface {
	testing.TB
	Run(string, func(T)) bool
}](t T, f func(T, storetest.Engine)) {
	t.Run("sqlite", func(t T) { f(t, storetest.SQLite()) })
	t.Run("postgres", func(t T) {
		s, err := server()
		if err != nil {
			if errors.Is(err, storetest.ErrNoPostgres) && os.Getenv("CI") != "true" {
				t.Skip("not run on Postgres:", err)
			}
			t.Fatal(err)
		}
		f(t, s.Engine())
	})
}

func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) { storetest.Conformance(t, e) })
}

func newRun(branch, sha string) store.NewRun {
	return store.NewRun{
		Repo: "pool", Branch: branch, Commit: runner.Commit{SHA: sha}, Trigger: store.TriggerPush,
		Stages: []store.NewJob{{Stage: runner.StageProofs, Queue: "build", Limit: time.Minute}},
	}
}

// worker is the child of TestKill: it works on one job and never ends.
func worker() {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{
		SQLite: os.Getenv("HOLDFAST_STORE_SQLITE"), Postgres: os.Getenv("HOLDFAST_STORE_POSTGRES"),
		Dir: os.Getenv("HOLDFAST_STORE_DIR"), Owner: "child",
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	err = s.Work(ctx, store.Handlers{
		Job: func(ctx context.Context, run int64, stage string, attempt int) error {
			_, _, ok, err := s.Claim(ctx, run, stage, attempt)
			fmt.Println("claimed", attempt, ok, err)
			select {}
		},
		Report: func(context.Context, int64) error { return nil },
	}, map[string]int{"build": 1})
	fmt.Println(err)
}

// kill -9 in the middle of a job: the next agent runs it again, once, although River still
// believes that the old one is running.
func TestKill(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		o := e.New(t)
		s, _ := storetest.Open(t, o, "parent")
		run, _, err := s.CreateRun(t.Context(), newRun("main", "aaa"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "HOLDFAST_STORE_WORKER=1", "HOLDFAST_STORE_SQLITE="+o.SQLite, "HOLDFAST_STORE_POSTGRES="+o.Postgres, "HOLDFAST_STORE_DIR="+o.Dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || line != "claimed 1 true <nil>\n" {
			t.Fatalf("the child says %q, %v", line, err)
		}
		if n, err := s.Recover(t.Context()); n != 0 || err != nil {
			t.Errorf("took %d things from a living process: %v", n, err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if n, err := s.Recover(t.Context()); n != 1 || err != nil {
			t.Fatalf("recovered %d, %v", n, err)
		}
		attempts := work(t, s)
		if len(attempts) != 1 || attempts[0] != 2 {
			t.Errorf("attempts %v, want the second one only", attempts)
		}
		if rec, err := s.Run(t.Context(), run); err != nil || rec.Run.State != runner.StateDone || rec.Run.Verdict != runner.Success {
			t.Errorf("run: %+v, %v", rec, err)
		}
		if running, err := s.Count(t.Context(), "select count(*) from river_job where state = 'running'"); running != 1 || err != nil {
			t.Errorf("%d jobs run in River's eyes, %v; want the dead one", running, err)
		}
	})
}

// work serves until one run is reported, and returns the attempts that were claimed.
func work(t *testing.T, s *store.Store) (attempts []int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var mu sync.Mutex
	err := s.Work(ctx, store.Handlers{
		Job: func(ctx context.Context, run int64, stage string, attempt int) error {
			job, _, ok, err := s.Claim(ctx, run, stage, attempt)
			if err != nil || !ok {
				return err
			}
			mu.Lock()
			attempts = append(attempts, attempt)
			mu.Unlock()
			_, err = s.Finish(ctx, job, runner.Result{Verdict: runner.Success})
			return err
		},
		Report: func(ctx context.Context, run int64) error {
			defer cancel()
			rec, err := s.Run(ctx, run)
			if err != nil {
				return err
			}
			rec.Run.Verdict = runner.Success
			_, err = s.FinishRun(ctx, store.Final{Run: rec.Run})
			return err
		},
	}, map[string]int{"build": 1})
	if err != nil {
		t.Error(err)
	}
	return attempts
}

// A process that loses its worker three times on one job gives the job up, as an error.
func TestPoison(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		o := e.New(t)
		s, _ := storetest.Open(t, o, "parent")
		run, _, err := s.CreateRun(t.Context(), newRun("main", "aaa"))
		if err != nil {
			t.Fatal(err)
		}
		for attempt := 1; attempt <= 3; attempt++ {
			victim, shut := storetest.Open(t, o, fmt.Sprint("victim", attempt))
			if _, _, ok, err := victim.Claim(t.Context(), run, runner.StageProofs, attempt); !ok || err != nil {
				t.Fatalf("claim of attempt %d: %v, %v", attempt, ok, err)
			}
			shut()
			if n, err := s.Recover(t.Context()); n != 1 || err != nil {
				t.Fatalf("recovered %d, %v", n, err)
			}
		}
		rec, err := s.Run(t.Context(), run)
		if err != nil || rec.Open != 0 {
			t.Fatalf("run: %+v, %v", rec, err)
		}
		if res := rec.Run.Stage(runner.StageProofs); res == nil || res.Verdict != runner.Error || !strings.Contains(res.Reason, "given up after 3 attempts") {
			t.Errorf("result: %+v", res)
		}
	})
}

// The rolled-back transaction takes its River job with it.
func TestRollbackDropsRiverJob(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		s, _ := storetest.Open(t, e.New(t), "one")
		count := func() int64 {
			n, err := s.Count(t.Context(), "select count(*) from river_job")
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if err := s.Exec(t.Context(), "drop table job"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.CreateRun(t.Context(), newRun("main", "aaa")); err == nil || count() != 0 {
			t.Errorf("%v, and %d jobs in the queue", err, count())
		}
	})
}

// The clock was a day ahead when a job was enqueued.
func TestClockGoesBack(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		s, _ := storetest.Open(t, e.New(t), "one")
		ctx := t.Context()
		if _, _, err := s.CreateRun(ctx, newRun("main", "aaa")); err != nil {
			t.Fatal(err)
		}
		ahead := time.Now().Add(24 * time.Hour)
		if err := s.Exec(ctx, "update river_job set scheduled_at = '"+ahead.UTC().Format("2006-01-02 15:04:05.000")+"'"); err != nil {
			t.Fatal(err)
		}
		if err := s.Exec(ctx, "update job set queued_at = $1", ahead.UnixMilli()); err != nil {
			t.Fatal(err)
		}
		attempts := work(t, s)
		if len(attempts) != 1 {
			t.Errorf("attempts %v", attempts)
		}
		if err := s.Rewind(ctx); err != nil {
			t.Error(err)
		}
		if n, err := s.Count(ctx, "select count(*) from river_job where state = 'available'"); n != 0 || err != nil {
			t.Errorf("%d jobs wait for tomorrow, %v", n, err)
		}
	})
}

func TestNewerSchema(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		for _, sql := range []string{
			"insert into holdfast_schema (version) values (999)",
			"insert into river_migration (line, version) values ('main', 999)",
		} {
			o := e.New(t)
			s, shut := storetest.Open(t, o, "one")
			if err := s.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			shut()
			s, err := store.Open(t.Context(), o)
			if !errors.Is(err, store.ErrNewer) || s != nil {
				t.Errorf("after %q: %v", sql, err)
			}
		}
	})
}

// Many processes start at once on an empty database.
func TestOpenTogether(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		o := e.Empty(t)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				o := o
				o.Owner = fmt.Sprint(i)
				s, err := store.Open(t.Context(), o)
				if err != nil {
					t.Error(err)
					return
				}
				_ = s.Close(context.Background())
			})
		}
		wg.Wait()
	})
}

// A full disk is an error, takes nothing with it, and passes.
func TestDiskFull(t *testing.T) {
	o := storetest.SQLite().New(t)
	s, shut := storetest.Open(t, o, "one")
	ctx := t.Context()
	run, _, err := s.CreateRun(ctx, newRun("main", "aaa"))
	if err != nil {
		t.Fatal(err)
	}
	job, _, ok, err := s.Claim(ctx, run, runner.StageProofs, 1)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	pages, err := s.Count(ctx, "pragma page_count")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(ctx, fmt.Sprintf("pragma max_page_count = %d", pages+20)); err != nil {
		t.Fatal(err)
	}
	big := runner.Result{Verdict: runner.Success, Reason: strings.Repeat("x", 1<<20)}
	if _, err = s.Finish(ctx, job, big); err == nil || !strings.Contains(err.Error(), "full") {
		t.Fatalf("finished on a full disk: %v", err)
	}
	var created int
	for i := 0; err == nil || i == 0; i++ {
		if _, _, err = s.CreateRun(ctx, newRun(fmt.Sprint("b", i), "aaa")); err == nil {
			created++
		}
	}
	if !strings.Contains(err.Error(), "full") {
		t.Fatalf("created on a full disk: %v", err)
	}
	list, err := s.Runs(ctx, store.Filter{Limit: 1 << 20})
	if err != nil || len(list) != created+1 {
		t.Errorf("%d runs, want %d, %v", len(list), created+1, err)
	}
	if err := s.Exec(ctx, "pragma max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	if last, err := s.Finish(ctx, job, big); !last || err != nil {
		t.Errorf("there is space again: %v, %v", last, err)
	}
	if bad, err := s.Count(ctx, "select count(*) from pragma_integrity_check where integrity_check <> 'ok'"); bad != 0 || err != nil {
		t.Errorf("integrity: %d complaints, %v", bad, err)
	}
	jobs, err := s.Count(ctx, "select count(*) from river_job where kind = 'holdfast_stage'")
	if err != nil || int(jobs) != created+1 {
		t.Errorf("%d jobs for %d runs, %v", jobs, created+1, err)
	}
	shut()
	again, _ := storetest.Open(t, o, "two")
	if rec, err := again.Run(ctx, run); err != nil || len(rec.Run.Stages) != 1 || len(rec.Run.Stages[0].Reason) != 1<<20 {
		t.Errorf("after opening again: %v", err)
	}
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	release, err := store.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Lock(dir)
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second agent: %v", err)
	}
	release()
	release, err = store.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestMachineLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "locks")
	ctx := t.Context()
	first, err := store.MachineLock(ctx, dir, "run 12", func(string) { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	got := make(chan func())
	go func() {
		second, err := store.MachineLock(ctx, dir, "run 13", func(h string) { told <- h })
		if err != nil {
			t.Error(err)
		}
		got <- second
	}()
	if h := <-told; !strings.Contains(h, "run 12") || !strings.Contains(h, fmt.Sprint(os.Getpid())) {
		t.Errorf("holder %q", h)
	}
	select {
	case <-got:
		t.Fatal("two hold the lock")
	default:
	}
	first()
	release := <-got
	defer release()
	stopped, cancel := context.WithCancelCause(ctx)
	cancel(runner.ErrSuperseded)
	if _, err := store.MachineLock(stopped, dir, "", nil); !errors.Is(err, runner.ErrSuperseded) {
		t.Errorf("waiting was cancelled: %v", err)
	}
}

func TestStatements(t *testing.T) {
	got := store.Statements("create table a (\n b text -- c; d\n);\n-- only; a comment\ncreate index i on a (b);\n")
	if len(got) != 2 || !strings.HasPrefix(got[0], "create table a") || strings.Contains(got[0], "c; d") || got[1] != "create index i on a (b)" {
		t.Errorf("%q", got)
	}
}

// A bug in what is called inside a transaction costs that transaction, and holds nobody up.
func TestPanicInTransaction(t *testing.T) {
	each(t, func(t *testing.T, e storetest.Engine) {
		o := e.New(t)
		o.Dir = t.TempDir()
		s, _ := storetest.Open(t, o, "one")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n := newRun("main", "aaa")
		n.Messages = func(int64) []publish.Message { panic("a bug") }
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _, _ = s.CreateRun(ctx, n)
		}()
		n.Messages = nil
		run, created, err := s.CreateRun(ctx, n)
		if run != 1 || !created || err != nil {
			t.Errorf("afterwards: run %d, %v, %v", run, created, err)
		}
	})
}
