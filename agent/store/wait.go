package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// A job may ask for a machine ([NewJob]). It is then in a queue of its own, which such
// machines work and no others. While nobody who lives works that queue it waits, and
// whoever beats sees to it that this is said and that it ends.

// DefaultWait is how long a job waits for a machine: longer than an update of its system
// takes, and soon enough for somebody to be told within the working day.
const DefaultWait = 2 * time.Hour

// Wait is a job that asks for a machine, as far as the wait for one has changed.
type Wait struct {
	Run            int64
	Stage, Machine string
	Since          time.Time // when it was first seen to wait, by the database's clock; zero once it does not any more
	Running        bool      // it does not wait any more since somebody has claimed it
}

// unserved is true of a job whose queue nobody who lives works.
const unserved = `not exists (select 1 from agent where lost_at = 0 and replace(agent.queues, ' ' || job.queue || ' ', '') <> agent.queues)`

// waitingJob is true of a job that asks for a machine and was not claimed yet.
const waitingJob = "owner = '' and state = 'queued' and wait_ms > 0"

// Waiting lists the jobs that wait for a machine, the oldest first.
func (s *Store) Waiting(ctx context.Context) ([]Wait, error) {
	out, err := waits(ctx, s.db.reader(), "select run, stage, machine, unserved_at, state from job where unserved_at > 0 and "+waitingJob+" order by run, position")
	if err != nil {
		return nil, fmt.Errorf("jobs that wait for a machine: %w", err)
	}
	return out, nil
}

func waits(ctx context.Context, q querier, sql string) (out []Wait, err error) {
	err = q.query(ctx, func(scan func(...any) error) error {
		var w Wait
		var since int64
		var state string
		err := scan(&w.Run, &w.Stage, &w.Machine, &since, &state)
		w.Since, w.Running = fromMilli(since), state == runner.StateRunning
		if since == 0 && !open(state) {
			return err // it is over, and nothing is left to say of the wait
		}
		out = append(out, w)
		return err
	}, sql)
	return out, err
}

// lookForWaits notes which jobs began or ceased to wait for a machine, says so in the same
// transaction, and concludes those that have waited for too long.
func (s *Store) lookForWaits(ctx context.Context) error {
	s.mu.Lock()
	say := s.say
	s.mu.Unlock()
	var changed []Wait
	said := false
	err := s.db.inTx(ctx, func(t tx) error {
		// A time to come is of a clock that has gone backwards since: it would wait for ever.
		clock := s.db.clock()
		began, err := waits(ctx, t, "update job set unserved_at = "+clock+" where (unserved_at = 0 or unserved_at > "+clock+") and "+waitingJob+" and "+unserved+`
			returning run, stage, machine, unserved_at, state`)
		if err != nil {
			return err
		}
		ceased, err := waits(ctx, t, "update job set unserved_at = 0 where unserved_at > 0 and not ("+waitingJob+" and "+unserved+`)
			returning run, stage, machine, unserved_at, state`)
		if err != nil {
			return err
		}
		said, changed = false, append(began, ceased...)
		if say == nil {
			return nil
		}
		for _, w := range changed {
			rec, err := readRun(ctx, t, w.Run)
			if err != nil {
				return err
			}
			var msgs []publish.Message
			// What cannot be said holds up no end.
			if err := protect(func() error { msgs = say(rec.Run, w); return nil }); err != nil {
				s.log.Error("say that a job waits for a machine", "run", w.Run, "task", w.Stage, "err", err)
				continue
			}
			if err := putMessages(ctx, t, w.Run, msgs, now().UnixMilli()); err != nil {
				return err
			}
			said = said || len(msgs) > 0
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for jobs that wait for a machine: %w", err)
	}
	if said {
		s.wakePoster()
	}
	for _, w := range changed {
		if !w.Since.IsZero() {
			s.log.Warn("a job waits for a machine that is not there", "run", w.Run, "task", w.Stage, "machine", w.Machine)
		}
	}
	return s.endWaits(ctx)
}

// endWaits concludes, as an error, what has waited for a machine for too long.
func (s *Store) endWaits(ctx context.Context) error {
	type late struct {
		jobKey
		machine     string
		wait, river int64
	}
	var list []late
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var l late
		var attempt int64
		err := scan(&l.run, &l.stage, &attempt, &l.machine, &l.wait, &l.river)
		l.attempt = int(attempt)
		list = append(list, l)
		return err
	}, "select run, stage, attempt, machine, wait_ms, river from job where unserved_at > 0 and "+waitingJob+" and unserved_at < "+s.db.clock()+" - wait_ms order by run, position")
	if err != nil {
		return fmt.Errorf("look for jobs that have waited for too long: %w", err)
	}
	var errs []error
	for _, l := range list {
		err := s.db.inTx(ctx, func(t tx) error {
			// Asked once more of the row that is changed: such a machine may have come.
			wait := time.Duration(l.wait) * time.Millisecond
			reason := fmt.Sprintf("no machine %q was there within %s", l.machine, wait)
			if err := s.conclude(ctx, t, l.jobKey, waitingJob+" and unserved_at > 0 and "+unserved, reason, "start an agent on one, or ask for another machine in agent.toml; holdfast doctor lists those that work"); err != nil {
				return err
			}
			return t.cancel(ctx, l.river)
		})
		switch {
		case err == nil:
			s.log.Warn("a job has waited for a machine for too long", "run", l.run, "task", l.stage, "machine", l.machine)
		case !errors.Is(err, ErrStale):
			errs = append(errs, fmt.Errorf("conclude %s of run %d: %w", l.stage, l.run, err))
		}
	}
	return errors.Join(errs...)
}
