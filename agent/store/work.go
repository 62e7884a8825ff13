package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// Handlers do the work that the store hands out. They may be called again for the same
// thing after a crash: Claim, Finish and FinishRun see to it that only one of them counts.
type Handlers struct {
	// Job examines one stage of a run: Claim, examine, Finish. Its context is cancelled
	// with cause runner.ErrCancelled, runner.ErrSuperseded, a *runner.LimitError or
	// ErrStopping; with the last it returns without calling Finish and the job goes back
	// to the queue. An error, a panic, and returning without having called Finish hand the
	// job out anew, three times in all; then the stage is concluded with verdict Error.
	Job func(ctx context.Context, run int64, stage string, attempt int) error
	// Report concludes a run: FinishRun. It is called for every run that is not direct,
	// also for cancelled and superseded ones, and for direct ones whose process died. An
	// error has it called again, once at once and then at growing intervals.
	Report func(ctx context.Context, run int64) error
	// Post delivers what Pending returns, until there is nothing. It is called whenever
	// something is due, never twice at a time in one process. nil: this process does not
	// post.
	Post func(ctx context.Context) error
	// Bisect goes on with a bisection: it answers the last probe if its run has ended, and
	// makes the next or finishes. An error has it called again at growing intervals. nil:
	// this process does not.
	Bisect func(ctx context.Context, bisection int64) error
	// Waits says what is to be posted about a stage that begins or ceases to wait for a machine.
	// It is called inside a transaction, and touches nothing. nil: nothing.
	Waits func(run runner.Run, w Wait) []publish.Message
}

const (
	// stopLimit bounds how long Work waits for handlers whose context is cancelled.
	stopLimit = 20 * time.Second
	// Bookkeeping after a handler goes on when the agent stops, but not for ever.
	bookkeeping = 10 * time.Second
	// How often to look for messages put by another process.
	postInterval = 5 * time.Second
	// How long a job that a busy machine leaves to a free one is out of reach: longer than the
	// busy one takes to fetch again, which all do once a second otherwise.
	leaveFor = 300 * time.Millisecond
	// Pause after a poster that returned an error.
	postPause = 30 * time.Second
)

// Work serves the given queues (name → number of workers; a bench queue has one) and the
// queues of reports and posts until ctx ends. Then no new job is started, running ones get
// the grace of Options and are cancelled with cause ErrStopping, and Work returns within a
// bounded time: nil, or an error when something had to be left behind, which the next
// Recover finds.
func (s *Store) Work(ctx context.Context, h Handlers, queues map[string]int) error {
	if h.Job == nil || h.Report == nil {
		return errors.New("work: no handler for jobs or reports")
	}
	if err := s.takeMark(); err != nil {
		return fmt.Errorf("work: %w", err)
	}
	s.mu.Lock()
	s.say = h.Waits
	s.mu.Unlock()
	if err := s.join(ctx, queues); err != nil {
		return fmt.Errorf("work: %w", err)
	}
	defer func() {
		done, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
		defer cancel()
		if err := s.join(done, nil); err != nil {
			s.log.Warn("leaving the queues", "err", err)
		}
	}()
	workers := river.NewWorkers()
	river.AddWorker(workers, &stageWorker{s: s, handle: h.Job})
	river.AddWorker(workers, &reportWorker{s: s, handle: h.Report})
	river.AddWorker(workers, &bisectWorker{s: s, handle: h.Bisect})
	cfg := &river.Config{
		Logger:               s.riverLog(),
		Queues:               map[string]river.QueueConfig{queueReport: {MaxWorkers: 2}},
		Workers:              workers,
		JobTimeout:           reportLimit, // never used: both kinds name their own
		RescueStuckJobsAfter: rescueAfter,
		MaxAttempts:          riverAttempts,
	}
	for name, n := range queues {
		if err := checkQueue(name); err != nil {
			return fmt.Errorf("work: %w", err)
		}
		cfg.Queues[name] = river.QueueConfig{MaxWorkers: n}
	}
	if h.Bisect != nil {
		if err := s.db.inTx(ctx, func(t tx) error { return takeUpBisections(ctx, t) }); err != nil {
			return fmt.Errorf("work: take up bisections: %w", err)
		}
	}
	// Both loops end with ctx, also when the queue stops by itself.
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var loops sync.WaitGroup
	loops.Go(func() { s.watchClock(inner) })
	if h.Post != nil {
		loops.Go(func() { s.post(inner, h.Post) })
	}
	err := s.sessions(inner, cfg)
	cancel()
	ended := make(chan struct{})
	go func() {
		loops.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(stopLimit):
		err = errors.Join(err, fmt.Errorf("stop working: posting did not end within %s", stopLimit))
	}
	return err
}

// post calls the poster when something is due. It is a loop and no queue: what is to be
// posted, and when, is in the outbox already.
func (s *Store) post(ctx context.Context, handle func(context.Context) error) {
	left := 0 // how often in a row something was due when the poster had ended
	for ctx.Err() == nil {
		pause := postInterval
		due, err := s.due(ctx, now())
		if err == nil && due {
			pause = 0
			if err = protect(func() error { return handle(ctx) }); err == nil {
				due, err = s.due(ctx, now())
			}
			// Once may be a message that another process put just then. A poster that does
			// not take what is due would be called in a tight loop.
			if left++; err == nil && due && left > 1 {
				err = errors.New("the poster left messages that are due")
			}
		}
		if !due {
			left = 0
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("posting", "err", err)
			pause = postPause
		}
		if pause == 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.posts:
		case <-time.After(pause):
		}
	}
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
	defer cancel()
	if err := s.db.inTx(done, func(t tx) error { return s.releaseMessages(done, t, s.owner) }); err != nil {
		s.log.Error("releasing messages", "err", err)
	}
}

func (s *Store) wakePoster() {
	select {
	case s.posts <- struct{}{}:
	default:
	}
}

// protect turns a panic of a handler into an error.
func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bug: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

type stageWorker struct {
	river.WorkerDefaults[stageArgs]
	s      *Store
	handle func(ctx context.Context, run int64, stage string, attempt int) error
}

func (w *stageWorker) Timeout(j *river.Job[stageArgs]) time.Duration {
	return time.Duration(j.Args.LimitMS)*time.Millisecond + margin
}

func (w *stageWorker) NextRetry(j *river.Job[stageArgs]) time.Time { return retryAt(j.Attempt) }

// retryAt spaces attempts: 6 s, 12 s, … 10 minutes. River's scheduler looks every 5 s and
// announces what is due then; a job due sooner would wait for a fetch without notification.
func retryAt(attempt int) time.Time {
	return time.Now().Add(min(6*time.Second<<min(attempt-1, 10), 10*time.Minute))
}

// Work runs the handler for one attempt and then looks at what the rows say, not at what
// the handler says: a job that is still open goes back to the queue.
func (w *stageWorker) Work(parent context.Context, j *river.Job[stageArgs]) error {
	s, a := w.s, j.Args
	k := jobKey{a.Run, a.Stage, a.Attempt}
	log := s.log.With("run", k.run, "task", k.stage, "attempt", k.attempt)
	switch mine, err := s.look(parent, k); {
	case err != nil:
		return err
	case mine == over:
		return nil
	case mine == orphaned:
		log.Warn("job of a process that is gone: handing it out anew")
		return s.tryRequeue(parent, k, runner.StateRunning, true, errDied)
	case mine == elsewhere:
		return river.JobSnooze(time.Minute)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	defer cancel(nil)
	s.mu.Lock()
	busy := len(s.running) > 0
	s.running[k] = cancel
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.running, k)
		s.mu.Unlock()
	}()
	if busy {
		switch free, err := s.othersFree(parent, k); {
		case err != nil:
			log.Warn("look for a machine that is free", "err", err)
		case free:
			log.Debug("left to a machine that is free")
			return river.JobSnooze(leaveFor)
		}
	}
	unhook := context.AfterFunc(parent, func() { cancel(s.cause(parent, k, time.Duration(a.LimitMS)*time.Millisecond)) })
	defer unhook()

	err := protect(func() error { return w.handle(ctx, k.run, k.stage, k.attempt) })

	done, cancelDone := context.WithTimeout(context.WithoutCancel(parent), bookkeeping)
	defer cancelDone()
	state, lookErr := s.state(done, k)
	if lookErr != nil {
		// Tried again later; the row says running under this owner, which look takes for
		// an orphan.
		return errors.Join(err, lookErr)
	}
	if !open(state) {
		if err != nil && ctx.Err() == nil {
			log.Error("after its job was done", "err", err)
		}
		return nil
	}
	if errors.Is(context.Cause(ctx), ErrStopping) {
		log.Info("job goes back to the queue: the agent is stopping")
		return s.tryRequeue(done, k, runner.StateRunning, false, ErrStopping)
	}
	if err == nil {
		err = errors.New("its handler ended without storing a result")
	}
	log.Error("job ended without a result", "err", err)
	return s.tryRequeue(done, k, runner.StateRunning, true, err)
}

// Answers of look.
const (
	ready     = iota
	over      // done, cancelled, or handed out anew
	orphaned  // running, and nobody runs it
	elsewhere // running, as far as one can tell
)

// look says what there is to do for one attempt.
func (s *Store) look(ctx context.Context, k jobKey) (int, error) {
	var state, owner string
	var limit, started int64
	found, err := one(ctx, s.db.reader(), []any{&state, &owner, &limit, &started},
		"select state, owner, limit_ms, started_at from job where run = $1 and stage = $2 and attempt = $3", k.run, k.stage, int64(k.attempt))
	switch {
	case err != nil:
		return 0, err
	case !found || !open(state):
		return over, nil
	case state == runner.StateQueued:
		return ready, nil
	case owner == s.owner:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.running[k] == nil {
			return orphaned, nil
		}
		return elsewhere, nil
	case now().UnixMilli() > started+limit+margin.Milliseconds():
		return orphaned, nil
	}
	return elsewhere, nil
}

// state is the state of one attempt; "" if it was handed out anew.
func (s *Store) state(ctx context.Context, k jobKey) (string, error) {
	var state string
	_, err := one(ctx, s.db.reader(), []any{&state}, "select state from job where run = $1 and stage = $2 and attempt = $3", k.run, k.stage, int64(k.attempt))
	return state, err
}

// cause says in the runner's terms why River cancelled a job.
func (s *Store) cause(parent context.Context, k jobKey, limit time.Duration) error {
	switch cause := context.Cause(parent); {
	case errors.Is(cause, context.DeadlineExceeded):
		return &runner.LimitError{Stage: k.stage, Limit: limit}
	case errors.Is(cause, rivertype.ErrJobCancelledRemotely):
		ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), bookkeeping)
		defer cancel()
		var state string
		if _, err := one(ctx, s.db.reader(), []any{&state}, "select state from run where id = $1", k.run); err == nil && state == runner.StateSuperseded {
			return runner.ErrSuperseded
		}
		return runner.ErrCancelled
	default:
		return ErrStopping
	}
}

type reportWorker struct {
	river.WorkerDefaults[reportArgs]
	s      *Store
	handle func(ctx context.Context, run int64) error
}

func (w *reportWorker) Timeout(*river.Job[reportArgs]) time.Duration { return reportLimit }

func (w *reportWorker) NextRetry(j *river.Job[reportArgs]) time.Time { return retryAt(j.Attempt) }

func (w *reportWorker) Work(ctx context.Context, j *river.Job[reportArgs]) error {
	s, run := w.s, j.Args.Run
	var n int64
	err := s.db.inTx(ctx, func(t tx) (err error) {
		if err := s.alive(ctx, t); err != nil {
			return err
		}
		n, err = t.exec(ctx, "update run set owner = $2 where id = $1 and reported = 0 and open_jobs = 0", run, s.owner)
		return err
	})
	if err != nil || n == 0 {
		return err
	}
	// Once more at once: most of what goes wrong here is a busy moment of the database.
	for try := 1; ; try++ {
		err := w.report(ctx, run)
		if err == nil || ctx.Err() != nil {
			return err
		}
		s.log.Error("report", "run", run, "attempt", j.Attempt, "err", err)
		if try == 2 {
			return err
		}
	}
}

func (w *reportWorker) report(ctx context.Context, run int64) error {
	if err := protect(func() error { return w.handle(ctx, run) }); err != nil {
		return err
	}
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
	defer cancel()
	var reported int64
	if _, err := one(done, w.s.db.reader(), []any{&reported}, "select reported from run where id = $1", run); err != nil {
		return err
	}
	if reported == 0 {
		return errors.New("the report's handler ended without finishing the run")
	}
	return nil
}
