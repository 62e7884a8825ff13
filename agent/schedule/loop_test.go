package schedule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"
)

func TestDue(t *testing.T) {
	nightly := spec(t, "30 2 * * *", "UTC")
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 5, day, hour, minute, 0, 0, time.UTC) }
	for _, c := range []struct {
		name      string
		last, now time.Time
		want      time.Time
	}{
		{"not yet", at(1, 3, 0), at(2, 2, 29), time.Time{}},
		{"exactly", at(1, 3, 0), at(2, 2, 30), at(2, 2, 30)},
		{"taken already", at(2, 2, 30), at(2, 2, 31), time.Time{}},
		{"a week asleep: the newest only", at(1, 2, 30), at(8, 9, 0), at(8, 2, 30)},
		{"the clock went back", at(9, 0, 0), at(8, 9, 0), time.Time{}},
		{"never taken", time.Time{}, at(8, 9, 0), at(8, 2, 30)},
	} {
		got, ok := Due(nightly, c.last, c.now)
		if !got.Equal(c.want) || ok == c.want.IsZero() {
			t.Errorf("%s: Due = %v, %v, want %v", c.name, got, ok, c.want)
		}
	}
	if tick, ok := Due(spec(t, "0 0 29 2 *", "UTC"), at(1, 0, 0).AddDate(-6, 0, 0), at(1, 0, 0)); !ok || tick.Year() != 2024 {
		t.Errorf("leap day: %v, %v", tick, ok)
	}
	if _, ok := Due(Spec{}, time.Time{}, at(1, 0, 0)); ok {
		t.Error("the zero schedule is due")
	}
}

// ledger stands for the store: a tick can be claimed once.
type ledger struct {
	mu     sync.Mutex
	claims map[string]bool
	since  map[string]time.Time
	fired  []string
	fail   int // so many calls of fire fail first
}

func newLedger() *ledger { return &ledger{claims: map[string]bool{}, since: map[string]time.Time{}} }

func (l *ledger) Since(_ context.Context, name string, now time.Time) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.since[name]; !ok {
		l.since[name] = now
	}
	return l.since[name], nil
}

func (l *ledger) Fire(_ context.Context, name string, due time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail > 0 {
		l.fail--
		return errors.New("database is locked")
	}
	key := fmt.Sprintf("%s %s", name, due.UTC().Format("01-02 15:04"))
	if l.claims[key] {
		return nil
	}
	l.claims[key] = true
	if due.After(l.since[name]) {
		l.since[name] = due
	}
	l.fired = append(l.fired, key)
	return nil
}

// run lets a loop run for a span of the bubble's time, with its wall clock shifted.
func (l *ledger) run(t *testing.T, entries []Entry, span time.Duration, now func() time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	loop := Loop{Entries: entries, Since: l.Since, Fire: l.Fire, Now: now}
	if err := loop.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("loop ended with %v", err)
	}
}

func (l *ledger) check(t *testing.T, want ...string) {
	t.Helper()
	if fmt.Sprint(l.fired) != fmt.Sprint(want) {
		t.Errorf("fired %q\n want %q", l.fired, want)
	}
}

// shifted is the bubble's clock moved so that it starts at a time of our choosing.
func shifted(start time.Time) func() time.Time {
	origin := time.Now()
	return func() time.Time { return start.Add(time.Since(origin)) }
}

func utc(month time.Month, day, hour, minute int) time.Time {
	return time.Date(2026, month, day, hour, minute, 0, 0, time.UTC)
}

// Ten days around the spring change, two agents on one store: each night once.
func TestLoopTenDaysTwoAgents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		now := shifted(utc(3, 1, 12, 0))
		entries := []Entry{{"nightly", spec(t, "30 2 * * *", "America/New_York")}, {"weekly", spec(t, "0 4 * * 1", "UTC")}}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { l.run(t, entries, 10*24*time.Hour, now) })
		}
		wg.Wait()
		l.check(t, "weekly 03-02 04:00", "nightly 03-02 07:30", "nightly 03-03 07:30", "nightly 03-04 07:30", "nightly 03-05 07:30",
			"nightly 03-06 07:30", "nightly 03-07 07:30", "nightly 03-08 07:00", "weekly 03-09 04:00", "nightly 03-09 06:30",
			"nightly 03-10 06:30", "nightly 03-11 06:30")
	})
}

func TestLoopAutumnNightOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.run(t, []Entry{{"n", spec(t, "30 1 * * *", "America/New_York")}}, 48*time.Hour, shifted(utc(10, 31, 12, 0)))
		l.check(t, "n 11-01 05:30", "n 11-02 06:30")
	})
}

// A Mac that sleeps for a week: the timers stand still, the wall clock does not.
func TestLoopSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		base := shifted(utc(5, 1, 12, 0))
		began := time.Now()
		now := func() time.Time {
			if time.Since(began) > time.Hour {
				return base().Add(7 * 24 * time.Hour)
			}
			return base()
		}
		l.run(t, []Entry{{"n", spec(t, "0 3 * * *", "UTC")}}, 2*time.Hour, now)
		l.check(t, "n 05-08 03:00")
	})
}

func TestLoopRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		entries := []Entry{{"n", spec(t, "0 3 * * *", "UTC")}}
		now := shifted(utc(5, 1, 12, 0))
		l.run(t, entries, time.Hour, now)
		time.Sleep(24 * time.Hour)        // off over 3 o'clock
		l.run(t, entries, time.Hour, now) // the missed tick, although none was ever taken before
		l.run(t, entries, time.Hour, now) // and not again
		l.check(t, "n 05-02 03:00")
	})
}

// The clock runs a month ahead at boot, is corrected, and later goes back an hour.
func TestLoopClockGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		base := shifted(utc(5, 1, 0, 0))
		began := time.Now()
		now := func() time.Time {
			switch d := time.Since(began); {
			case d < 5*time.Hour:
				return base().Add(30 * 24 * time.Hour)
			case d < 28*time.Hour: // until 2 May 04:00
				return base()
			}
			return base().Add(-2 * time.Hour) // 2 May 02:00: 3 o'clock comes a second time
		}
		l.run(t, []Entry{{"n", spec(t, "0 3 * * *", "UTC")}}, 72*time.Hour, now)
		l.check(t, "n 05-31 03:00", "n 05-02 03:00", "n 05-03 03:00")
	})
}

func TestLoopTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.fail = 3
		began := time.Now()
		now := shifted(utc(5, 1, 2, 59))
		loop := Loop{
			Entries: []Entry{{"n", spec(t, "0 3 * * *", "UTC")}}, Since: l.Since, Now: now,
			Fire: func(ctx context.Context, name string, due time.Time) error {
				err := l.Fire(ctx, name, due)
				if err == nil && time.Since(began) > 3*time.Minute {
					t.Errorf("taken %s after the start", time.Since(began))
				}
				return err
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		loop.Run(ctx)
		l.check(t, "n 05-01 03:00")
	})
}

func TestLoopStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		done := make(chan error)
		go func() { done <- (&Loop{}).Run(ctx) }()
		synctest.Wait()
		before := time.Now()
		cancel(stop)
		if err := <-done; !errors.Is(err, stop) || time.Since(before) != 0 {
			t.Errorf("ended with %v after %s", err, time.Since(before))
		}
	})
}

func BenchmarkDueAfterAYear(b *testing.B) {
	s := spec(b, "* * * * *", "Europe/Berlin")
	now := utc(5, 1, 0, 0)
	for b.Loop() {
		Due(s, now.AddDate(-1, 0, 0), now)
	}
}
