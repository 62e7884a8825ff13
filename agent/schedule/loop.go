package schedule

import (
	"context"
	"log/slog"
	"time"
)

// wake is the longest that a loop sleeps. A timer runs on the monotonic clock, which
// stands still while a Mac sleeps (golang.org/issue/24595), so the wall clock is read at
// least this often.
const wake = 30 * time.Second

// Entry is one schedule of a [Loop].
type Entry struct {
	Name string // unique in the loop
	Spec Spec
}

// Loop offers ticks as they become due.
type Loop struct {
	Entries []Entry

	// Since returns the newest tick of a schedule on record. For a schedule never seen
	// before it records now as its beginning and returns it, so that a tick missed
	// between the first start and the second is still noticed. Called once for each
	// schedule, and again while it fails.
	Since func(ctx context.Context, name string, now time.Time) (time.Time, error)

	// Fire takes a tick: it claims (name, due) in the store and does nothing if that is
	// taken already. Nil means that the tick is dealt with, by whomever. After an error
	// it is offered again at the next wake, unless a newer tick is due by then.
	Fire func(ctx context.Context, name string, due time.Time) error

	// Now reads the wall clock; nil means time.Now.
	Now func() time.Time

	Log *slog.Logger // nil for none
}

// Run offers ticks until ctx is done and returns the cause. Errors of Since and Fire are
// logged and tried again. If several ticks of a schedule became due at once, after sleep
// or downtime, the newest is offered. If the clock goes back, ticks of the repeated span
// are offered again, and those already claimed are dropped by Fire.
func (l *Loop) Run(ctx context.Context) error {
	now := l.Now
	if now == nil {
		now = time.Now
	}
	log := l.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cursor := map[string]time.Time{} // up to where a schedule is dealt with
	for {
		t := now().Round(0)
		pause := wake
		for _, e := range l.Entries {
			if ctx.Err() != nil {
				break
			}
			last, known := cursor[e.Name]
			if !known {
				var err error
				if last, err = l.Since(ctx, e.Name, t); err != nil {
					log.Error("read the last tick of a schedule", "schedule", e.Name, "error", err)
					continue
				}
			}
			if tick, due := Due(e.Spec, last, t); due {
				if err := l.Fire(ctx, e.Name, tick); err != nil {
					log.Error("take a tick of a schedule", "schedule", e.Name, "due", tick, "error", err)
					cursor[e.Name] = tick.Add(-time.Nanosecond)
					continue
				}
			}
			// Also when the clock went back: its new reading is where to go on from.
			cursor[e.Name] = t
			if next := e.Spec.Next(t); !next.IsZero() {
				pause = min(pause, next.Sub(t))
			}
		}
		timer := time.NewTimer(max(pause, time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}
