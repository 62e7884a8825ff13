package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-ci/holdfast/runner"
)

// errDied is why a job of a dead process is handed out anew.
var errDied = errors.New("the process that worked on it ended without a result")

// Recover takes over from processes of this machine that died: their running jobs are
// handed out anew under the next attempt number, the runs they executed directly are
// cancelled ("the process ended") and reported, reports they did not finish are enqueued
// again, and messages they were posting are free. Living processes, this one included, and
// those of other machines are left alone (see [Store.Beat]), so it may be called at any
// time; the agent does at boot and every now and then. It returns the number of things
// taken over.
func (s *Store) Recover(ctx context.Context) (n int, err error) {
	owners, marks, err := s.dead()
	if err != nil {
		return 0, fmt.Errorf("recover: %w", err)
	}
	defer func() {
		for _, f := range marks {
			_ = f.Close()
		}
	}()
	for i, owner := range owners {
		var taken int
		err := s.db.inTx(ctx, func(t tx) error {
			var err error
			if taken, err = s.takeOver(ctx, t, owner, nil); err != nil {
				return err
			}
			_, err = t.exec(ctx, "delete from agent where owner = $1", owner)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("recover what %s left: %w", owner, err)
		}
		n += taken
		// Only now: a crash before this line repeats a recovery that finds nothing.
		if err := os.Remove(marks[i].Name()); err != nil {
			s.log.Warn("mark of a dead process stays", "owner", owner, "err", err)
		}
		if taken > 0 {
			s.log.Info("took over from a process that ended", "owner", owner, "count", taken)
		}
	}
	s.wakePoster()
	return n, nil
}

// takeOver takes what an owner has claimed. lost is set if it is known only that its machine
// was not heard of, and nil if the process has ended.
func (s *Store) takeOver(ctx context.Context, t tx, owner string, lost *lostError) (n int, err error) {
	var keys []jobKey
	err = t.query(ctx, func(scan func(...any) error) error {
		var k jobKey
		var attempt int64
		err := scan(&k.run, &k.stage, &attempt)
		k.attempt = int(attempt)
		keys = append(keys, k)
		return err
	}, `select job.run, job.stage, job.attempt from job join run on run.id = job.run
		where job.owner = $1 and job.state = 'running' and run.direct = 0 order by job.run, job.position`, owner)
	if err != nil {
		return 0, err
	}
	for _, k := range keys {
		if lost != nil {
			err = s.lose(ctx, t, k, owner, lost)
		} else {
			err = s.requeue(ctx, t, k, runner.StateRunning, true, errDied)
		}
		if err != nil {
			return 0, err
		}
	}
	type ownedRun struct {
		id     int64
		direct bool
	}
	var runs []ownedRun
	err = t.query(ctx, func(scan func(...any) error) error {
		var r ownedRun
		var direct int64
		err := scan(&r.id, &direct)
		r.direct = direct == 1
		runs = append(runs, r)
		return err
	}, "select id, case when direct = 1 and state in ('queued', 'running') then 1 else 0 end from run where owner = $1 and reported = 0 order by id", owner)
	if err != nil {
		return 0, err
	}
	at, why := now().UnixMilli(), "the process ended"
	if lost != nil {
		why = lost.Error()
	}
	for _, r := range runs {
		if r.direct {
			if _, _, err := endRun(ctx, t, r.id, runner.StateCancelled, why, at); err != nil {
				return 0, err
			}
		}
		if err := enqueueReport(ctx, t, r.id, at); err != nil {
			return 0, err
		}
	}
	return len(keys) + len(runs), s.releaseMessages(ctx, t, owner)
}

// River starts a job when the clock has reached the time at which it was inserted. A clock
// that was ahead and is put right would hold the queue up for as long as it was ahead.
const (
	clockSlack    = 2 * time.Second
	clockInterval = 30 * time.Second
)

func (s *Store) watchClock(ctx context.Context) {
	tick := time.NewTicker(clockInterval)
	defer tick.Stop()
	for {
		if err := s.rewind(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("looking for jobs from the future", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// rewind enqueues again what was enqueued in what is now the future. The old River jobs
// are cancelled; one of a report that runs nevertheless finds nothing to do.
func (s *Store) rewind(ctx context.Context) error {
	limit := now().Add(clockSlack).UnixMilli()
	q := s.db.reader()
	var keys []jobKey
	err := q.query(ctx, func(scan func(...any) error) error {
		var k jobKey
		var attempt int64
		err := scan(&k.run, &k.stage, &attempt)
		k.attempt = int(attempt)
		keys = append(keys, k)
		return err
	}, "select run, stage, attempt from job where owner = '' and state = 'queued' and river <> 0 and queued_at > $1 order by run, position", limit)
	if err != nil {
		return err
	}
	var reports []int64
	err = q.query(ctx, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		reports = append(reports, id)
		return err
	}, "select id from run where owner = '' and reported = 0 and open_jobs = 0 and report_at > $1 order by id", limit)
	if err != nil || len(keys)+len(reports) == 0 {
		return err
	}
	s.log.Warn("the clock went backwards: enqueueing again", "jobs", len(keys), "reports", len(reports))
	for _, k := range keys {
		err := s.db.inTx(ctx, func(t tx) error {
			var river int64
			if _, err := one(ctx, t, []any{&river}, "select river from job where run = $1 and stage = $2", k.run, k.stage); err != nil {
				return err
			}
			if err := s.requeue(ctx, t, k, runner.StateQueued, false, nil); err != nil {
				return err
			}
			return t.cancel(ctx, river)
		})
		if err != nil && !errors.Is(err, ErrStale) {
			return err
		}
	}
	for _, id := range reports {
		if err := s.db.inTx(ctx, func(t tx) error { return enqueueReport(ctx, t, id, now().UnixMilli()) }); err != nil {
			return err
		}
	}
	return nil
}
