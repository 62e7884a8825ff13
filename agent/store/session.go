package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

// A River client that has nothing to do still wakes more than twenty times a second, which
// is most of what an idle agent costs. On SQLite, where nobody else works the queue, it
// therefore rests while the queue is empty: one small query twice a second looks for work,
// and a client is started, in some 10 ms, when there is some. On Postgres other machines
// enqueue, too, and tell through a notification, so the client always runs.
const (
	restAfter = 5 * time.Second        // without work
	lookEvery = 500 * time.Millisecond // while resting
)

// sessions works the queues of cfg until ctx ends or the queue stops by itself.
func (s *Store) sessions(ctx context.Context, cfg *river.Config) error {
	for {
		if s.db.alone() && !s.awaitWork(ctx) {
			return nil
		}
		if rested, err := s.session(ctx, cfg); !rested {
			return err
		}
	}
}

// session runs one client. rested is true when it ended for want of work.
func (s *Store) session(ctx context.Context, cfg *river.Config) (rested bool, err error) {
	c, err := s.db.worker(cfg)
	if err != nil {
		return false, fmt.Errorf("work: %w", err)
	}
	// Ending ctx must not cancel the jobs at once: stop does, in order.
	if err := c.Start(context.WithoutCancel(ctx)); err != nil {
		return false, fmt.Errorf("work: %w", err)
	}
	idle := make(chan struct{})
	if s.db.alone() {
		watch, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			if s.awaitRest(watch) {
				close(idle)
			}
		}()
	}
	select {
	case <-idle:
		s.log.Debug("the queue is empty: its client rests")
		// A job that came in this very moment is finished first.
		if err := c.Stop(ctx); err == nil {
			return true, nil
		}
	case <-ctx.Done():
	case <-c.Stopped():
		err = errors.New("the queue stopped by itself")
	}
	return false, errors.Join(err, s.stop(ctx, c))
}

// queued reports whether River has a job that is not over. What cannot be read counts as
// work: the client finds out what is wrong.
func (s *Store) queued(ctx context.Context) bool {
	var n int64
	found, err := one(ctx, s.db.reader(), []any{&n},
		"select 1 from river_job where state in ('available', 'running', 'retryable', 'scheduled', 'pending') limit 1")
	return found || err != nil
}

// awaitWork waits until something is queued; false if ctx ended first.
func (s *Store) awaitWork(ctx context.Context) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if s.queued(ctx) {
			return true
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return false
}

// awaitRest waits until nothing was queued for a while; false if ctx ended first.
func (s *Store) awaitRest(ctx context.Context) bool {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return false
		case now := <-tick.C:
			if s.queued(ctx) {
				last = now
			} else if now.Sub(last) >= s.rest {
				return true
			}
		}
	}
}

// stop ends a client: running jobs get the grace of Options, then their contexts are
// cancelled, and what does not end in time is left to the next Recover.
func (s *Store) stop(ctx context.Context, c client) error {
	ctx = context.WithoutCancel(ctx)
	if s.grace > 0 {
		soft, cancel := context.WithTimeout(ctx, s.grace)
		err := c.Stop(soft)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			s.log.Warn("stopping the queue", "err", err)
		}
	}
	hard, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	if err := c.StopAndCancel(hard); err != nil {
		return fmt.Errorf("stop working: some jobs did not end within %s: %w", stopLimit, err)
	}
	return nil
}
