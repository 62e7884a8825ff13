package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// Job is one claimed stage of a run.
type Job struct {
	Run     int64
	Stage   string
	Attempt int // 1 for the first; the number that fences off late workers
	Queue   string
	Limit   time.Duration
	Started time.Time
	Fresh   bool // see [NewRun]
	Fork    bool // likewise
}

// Claim takes a queued job: queued → running. ok is false, without an error, when that
// attempt at the job is not queued (any more): the caller has nothing to do. The run is
// returned as it stands, see [Store.Run].
func (s *Store) Claim(ctx context.Context, run int64, stage string, attempt int) (job Job, r runner.Run, ok bool, err error) {
	if err := s.takeMark(); err != nil {
		return Job{}, runner.Run{}, false, fmt.Errorf("claim %s of run %d: %w", stage, run, err)
	}
	err = s.db.inTx(ctx, func(t tx) error {
		ok = false
		if err := s.alive(ctx, t); err != nil {
			return err
		}
		at := now()
		var queue string
		var limit int64
		found, err := one(ctx, t, []any{&queue, &limit}, `update job set state = 'running', owner = $4, started_at = $5
			where run = $1 and stage = $2 and attempt = $3 and state = 'queued' returning queue, limit_ms`,
			run, stage, int64(attempt), s.owner, at.UnixMilli())
		if err != nil || !found {
			return err
		}
		if _, err := t.exec(ctx, `update run set state = 'running', started_at = case when started_at = 0 then $2 else started_at end
			where id = $1 and state in ('queued', 'running')`, run, at.UnixMilli()); err != nil {
			return err
		}
		rec, err := readRun(ctx, t, run)
		if err != nil {
			return err
		}
		job = Job{Run: run, Stage: stage, Attempt: attempt, Queue: queue, Limit: time.Duration(limit) * time.Millisecond, Started: at, Fresh: rec.Fresh, Fork: rec.Fork}
		r, ok = rec.Run, true
		return nil
	})
	if err != nil {
		return Job{}, runner.Run{}, false, fmt.Errorf("claim %s of run %d: %w", stage, run, err)
	}
	if !ok {
		return Job{}, runner.Run{}, false, nil
	}
	return job, r, true, nil
}

// Finish stores the result of a claimed job. last is true for the job that was the last
// open one of its run; unless the run is direct, its report is then enqueued in the same
// transaction. The error is ErrStale, and nothing is stored, when the job is no longer
// the caller's.
//
// Messages are put into the outbox in the same transaction.
func (s *Store) Finish(ctx context.Context, job Job, res runner.Result, msgs ...publish.Message) (last bool, err error) {
	if !res.Verdict.Valid() {
		return false, fmt.Errorf("finish %s of run %d: %q is not a verdict", job.Stage, job.Run, res.Verdict)
	}
	err = s.db.inTx(ctx, func(t tx) error {
		if last, err = finish(ctx, t, job.Run, job.Stage, job.Attempt, s.owner, res); err != nil {
			return err
		}
		return putMessages(ctx, t, job.Run, msgs, now().UnixMilli())
	})
	if err != nil {
		return false, fmt.Errorf("finish %s of run %d: %w", job.Stage, job.Run, err)
	}
	if len(msgs) > 0 {
		s.wakePoster()
	}
	return last, nil
}

// finish ends one running attempt of owner.
func finish(ctx context.Context, t tx, run int64, stage string, attempt int, owner string, res runner.Result) (last bool, err error) {
	res.Stage = stage
	doc, err := json.Marshal(res)
	if err != nil {
		return false, err
	}
	at := now().UnixMilli()
	n, err := t.exec(ctx, `update job set state = 'done', result = $5, ended_at = $6
		where run = $1 and stage = $2 and attempt = $3 and owner = $4 and state = 'running'`,
		run, stage, int64(attempt), owner, string(doc), at)
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, ErrStale
	}
	var left, direct int64
	found, err := one(ctx, t, []any{&left, &direct}, `update run set open_jobs = open_jobs - 1
		where id = $1 and state in ('queued', 'running') returning open_jobs, direct`, run)
	if err != nil {
		return false, err
	}
	if !found {
		return false, ErrStale
	}
	if err := putProof(ctx, t, run, res, at); err != nil {
		return false, err
	}
	if left > 0 {
		return false, nil
	}
	if direct == 0 {
		err = enqueueReport(ctx, t, run, at)
	}
	return true, err
}

// requeue hands an unfinished attempt out anew, under the next number. A try that was
// lost to a crash or a bug counts; after maxTries of them the job is concluded as an error
// that says why, instead of taking the agent down for ever.
//
// from is the state the attempt may be in beside queued. The error is ErrStale if it is in
// neither.
func (s *Store) requeue(ctx context.Context, t tx, k jobKey, from string, counts bool, why error) error {
	var queue string
	var limit, tries int64
	found, err := one(ctx, t, []any{&queue, &limit, &tries}, `update job set state = 'queued', attempt = attempt + 1, tries = tries + $4, owner = '', started_at = 0
		where run = $1 and stage = $2 and attempt = $3 and state in ('queued', $5) returning queue, limit_ms, tries`,
		k.run, k.stage, int64(k.attempt), flag(counts), from)
	if err != nil {
		return err
	}
	if !found {
		return ErrStale
	}
	k.attempt++
	if tries >= maxTries {
		if _, err := t.exec(ctx, "update job set state = 'running', owner = $4 where run = $1 and stage = $2 and attempt = $3",
			k.run, k.stage, int64(k.attempt), s.owner); err != nil {
			return err
		}
		_, err := finish(ctx, t, k.run, k.stage, k.attempt, s.owner, runner.Result{
			Verdict: runner.Error,
			Reason:  fmt.Sprintf("given up after %d attempts; the last one: %v", tries, why),
			Hint:    "the agent's log tells what happened to each attempt",
		})
		return err
	}
	var bisection, created int64
	var trigger string
	if _, err := one(ctx, t, []any{&bisection, &trigger, &created}, "select bisection, trigger_by, created_at from run where id = $1", k.run); err != nil {
		return err
	}
	job := stageJob(queue, stageArgs{k.run, k.stage, k.attempt, limit}, bisection != 0 || trigger == TriggerAA)
	var lost *lostError
	if at := fromMilli(created); errors.As(why, &lost) && at.Before(now()) {
		job.InsertOpts.ScheduledAt = at // it has waited in line once
	}
	ids, err := t.enqueue(ctx, job)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "update job set river = $4, queued_at = $5 where run = $1 and stage = $2 and attempt = $3",
		k.run, k.stage, int64(k.attempt), ids[0], now().UnixMilli())
	return err
}

// tryRequeue is requeue in a transaction of its own, for an attempt that may be over.
func (s *Store) tryRequeue(ctx context.Context, k jobKey, from string, counts bool, why error) error {
	err := s.db.inTx(ctx, func(t tx) error { return s.requeue(ctx, t, k, from, counts, why) })
	if errors.Is(err, ErrStale) {
		return nil
	}
	return err
}
