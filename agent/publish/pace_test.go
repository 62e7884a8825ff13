package publish

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pacer{gap: time.Second}
		start := time.Now()
		var at []time.Duration
		act := func() error {
			at = append(at, time.Since(start))
			time.Sleep(300 * time.Millisecond) // the request
			return nil
		}
		for range 3 {
			if err := p.do(t.Context(), act); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // idle: the next one need not wait
		if err := p.do(t.Context(), act); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, 1300 * time.Millisecond, 2600 * time.Millisecond, 62900 * time.Millisecond}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("action %d at %s, want %s", i, at[i], want[i])
			}
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.do(ctx, func() error { t.Error("acted after being cancelled"); return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}
