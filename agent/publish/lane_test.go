package publish

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Whatever is asked for and when, no minute and no hour sees more than the budget, no two
// changes are closer than the gap, and whoever waits as long as he is told gets his turn.
func TestBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{
			Gap:    time.Duration(rapid.IntRange(0, 3000).Draw(t, "gap")) * time.Millisecond,
			Minute: rapid.IntRange(1, 20).Draw(t, "minute"), Hour: rapid.IntRange(1, 60).Draw(t, "hour"),
		}
		var l memoryLane
		var made []time.Time
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		for range rapid.IntRange(1, 150).Draw(t, "changes") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20000).Draw(t, "idle")) * time.Millisecond)
			wait, _ := l.Reserve(t.Context(), "h", b, now)
			if wait > time.Hour {
				t.Fatalf("wait of %s", wait)
			}
			if wait > 0 {
				now = now.Add(wait)
				if again, _ := l.Reserve(t.Context(), "h", b, now); again != 0 {
					t.Fatalf("waited for %s and has to wait for %s more", wait, again)
				}
			}
			made = append(made, now)
		}
		for i, at := range made {
			in := func(d time.Duration) (n int) {
				for _, m := range made[:i+1] {
					if at.Sub(m) < d {
						n++
					}
				}
				return n
			}
			if in(time.Minute) > b.Minute || in(time.Hour) > b.Hour || i > 0 && at.Sub(made[i-1]) < b.Gap {
				t.Fatalf("change %d breaks %+v", i, b)
			}
		}
	})
}

// The gap is from the end of a change to the start of the next; long waits are not waited
// for, and progress leaves room for what matters.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &GitHub{gap: time.Second, lane: &memoryLane{}, host: "h"}
		start := time.Now()
		var at []time.Duration
		act := func() error {
			at = append(at, time.Since(start))
			time.Sleep(300 * time.Millisecond) // the request
			return nil
		}
		p := &post{g: g}
		for range 3 {
			if err := p.change(t.Context(), act); err != nil {
				t.Fatal(err)
			}
		}
		want := []time.Duration{0, 1300 * time.Millisecond, 2600 * time.Millisecond}
		if !slices.Equal(at, want) {
			t.Errorf("changes at %s, want %s", at, want)
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.change(ctx, func() error { t.Error("acted after being cancelled"); return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}

		quick := func() error { return nil }
		live := &post{g: g, m: Message{Live: true}}
		var busy *busyError
		n := 0
		for ; n < 600; n++ {
			if err := live.change(t.Context(), quick); errors.As(err, &busy) {
				break
			}
		}
		if n >= spare.Minute {
			t.Errorf("%d changes of progress in a row", n)
		}
		if err := p.change(t.Context(), quick); err != nil {
			t.Errorf("what matters has to wait for progress: %v", err)
		}
		busy = nil
		for n = 0; n < 600 && busy == nil; n++ {
			errors.As(p.change(t.Context(), quick), &busy)
		}
		if n > budget.Hour || busy == nil || busy.after > time.Hour {
			t.Errorf("%d changes, then %v", n, busy)
		}
	})
}
