package publish

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Budget bounds how often GitHub is changed through one credential.
type Budget struct {
	Gap          time.Duration // between the starts of two changes
	Minute, Hour int           // changes in any minute, in any hour
}

// budget is what GitHub asks of clients that create content: a second between two changes,
// 80 a minute, 500 an hour. Spare is what telling of progress may use of it.
var (
	budget = Budget{Gap: time.Second, Minute: 80, Hour: 500}
	spare  = Budget{Gap: 5 * time.Second, Minute: 12, Hour: 250}
)

// Wait returns how long there is no room for one more change, 0 if there is. past are the
// times of earlier ones in ascending order; those of the last hour are enough.
func (b Budget) Wait(past []time.Time, now time.Time) time.Duration {
	wait := time.Duration(0)
	room := func(n int, within time.Duration) {
		if n > 0 && len(past) >= n {
			wait = max(wait, past[len(past)-n].Add(within).Sub(now))
		}
	}
	room(1, b.Gap)
	room(b.Minute, time.Minute)
	room(b.Hour, time.Hour)
	return wait
}

// Lane is the one lane on which changes to a host go, one after another, whichever
// repository they are about and whichever process makes them.
type Lane interface {
	// Reserve notes that a change to a host is made now and returns 0, or notes nothing and
	// returns how long the budget has no room for it.
	Reserve(ctx context.Context, host string, b Budget, now time.Time) (time.Duration, error)
}

// memoryLane is the lane of a single process that forgets when it ends.
type memoryLane struct {
	mu   sync.Mutex
	past map[string][]time.Time
}

func (l *memoryLane) Reserve(_ context.Context, host string, b Budget, now time.Time) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	past := slices.DeleteFunc(l.past[host], func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	wait := b.Wait(past, now)
	if wait <= 0 {
		past = append(past, now)
	}
	if l.past == nil {
		l.past = map[string][]time.Time{}
	}
	l.past[host] = past
	return max(0, wait), nil
}

// busyError says that the budget has no room for a while. Nothing was sent.
type busyError struct{ after time.Duration }

func (e *busyError) Error() string {
	return fmt.Sprintf("GitHub asks for no more than %d changes a minute and %d an hour; next one in %s",
		budget.Minute, budget.Hour, e.after.Round(time.Second))
}

// patience is how long a change waits for its turn. Longer waits are spent in the outbox,
// where a newer message can take the place of the one that waits.
const patience = 3 * time.Second

// change does something that alters state, when its turn comes, unless the message has
// been overtaken by then.
func (p *post) change(ctx context.Context, act func() error) error {
	return p.turn(ctx, func() error {
		if h := p.m.hold; h != nil {
			if ok, err := h.box.Current(ctx, h.item); err != nil {
				return fmt.Errorf("read the outbox: %w", err)
			} else if !ok {
				return errOvertaken
			}
		}
		return act()
	})
}

// turn waits for the turn of a change, and not less after the end of the one before than
// the gap.
func (p *post) turn(ctx context.Context, act func() error) error {
	g := p.g
	b := budget
	if p.m.Live {
		b = spare
	}
	b.Gap = max(g.gap, 0)
	for g.lane != nil {
		wait, err := g.lane.Reserve(ctx, g.host, b, time.Now())
		switch {
		case err != nil:
			return fmt.Errorf("wait for the turn: %w", err)
		case wait > patience:
			return &busyError{wait}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		if wait <= 0 {
			break
		}
	}
	if !g.last.IsZero() {
		// Until is monotonic: a wall clock set back does not stretch the gap.
		if err := sleep(ctx, time.Until(g.last.Add(g.gap))); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	defer func() { g.last = time.Now() }()
	return act()
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
