package intake_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-ci/holdfast/agent/hub"
	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

var quiet = slog.New(slog.DiscardHandler)

// While all is well no interval is longer than the configured one, none is shorter than
// ten seconds less a tenth, and what GitHub asks for is kept.
func TestInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := intake.Pace{
			Every:       time.Duration(rapid.IntRange(10, 7200).Draw(t, "every")) * time.Second,
			Failures:    rapid.IntRange(0, 40).Draw(t, "failures"),
			SinceChange: time.Duration(rapid.IntRange(-1, 7200).Draw(t, "change")) * time.Second,
			SinceHook:   time.Duration(rapid.IntRange(-1, 7200).Draw(t, "hook")) * time.Second,
			Asked:       time.Duration(rapid.IntRange(0, 300).Draw(t, "asked")) * time.Second,
			Limited:     time.Duration(rapid.SampledFrom([]int{0, 0, 77}).Draw(t, "limited")) * time.Second,
			Chance:      rapid.Float64Range(0, 0.999).Draw(t, "chance"),
		}
		d := p.Interval()
		if d < 9*time.Second || d > 5*7200*time.Second {
			t.Fatalf("interval %s", d)
		}
		if p.Limited > 0 {
			if d < p.Limited {
				t.Fatalf("interval %s within a limit of %s", d, p.Limited)
			}
			return
		}
		if d < p.Asked {
			t.Fatalf("interval %s, GitHub asks for %s", d, p.Asked)
		}
		if p.Failures == 0 && (p.SinceHook < 0 || p.SinceHook > time.Hour) && d > max(p.Every, p.Asked) {
			t.Fatalf("interval %s, longer than %s", d, p.Every)
		}
	})
	busy := intake.Pace{Every: time.Minute, SinceChange: time.Minute, SinceHook: -1}
	if d := busy.Interval(); d != 15*time.Second {
		t.Errorf("busy: %s", d)
	}
	hooked := intake.Pace{Every: time.Minute, SinceChange: time.Minute, SinceHook: time.Minute}
	if d := hooked.Interval(); d != 5*time.Minute {
		t.Errorf("with webhooks: %s", d)
	}
}

// A push at any moment is said to be pending within one interval and two seconds, though
// each of four statuses takes a request and a second between two.
func TestPendingIsPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		rng := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex // guards all that the loop, the lane and the test share
		head, seen := 0, 0
		at := map[int]time.Time{} // when a head was pushed
		var late time.Duration
		said := map[int]bool{}
		box := make(chan []publish.Message, 100)
		go func() { // the lane: one message after another
			for {
				select {
				case <-ctx.Done():
					return
				case msgs := <-box:
					for _, m := range msgs {
						time.Sleep(300 * time.Millisecond)
						var n int
						_, _ = fmt.Sscanf(strings.TrimLeft(m.SHA, "0"), "%d", &n)
						mu.Lock()
						if m.Context == publish.Prefix && m.State == publish.StatePending {
							late, said[n] = max(late, time.Since(at[n])), true
						}
						mu.Unlock()
						time.Sleep(time.Second)
					}
				}
			}
		}()
		loop := intake.Loop{Name: "pool", Every: time.Minute, Log: quiet, Look: func(context.Context) (intake.Seen, error) {
			time.Sleep(150 * time.Millisecond) // the request
			mu.Lock()
			defer mu.Unlock()
			if head == seen {
				return intake.Seen{}, nil
			}
			seen = head
			r := &runner.Run{Number: int64(head), Commit: runner.Commit{SHA: fmt.Sprintf("%040d", head)}, State: runner.StateQueued}
			box <- publish.Statuses(publish.Target{Repo: "acme/pool"}, r, runner.Stages)
			return intake.Seen{Changed: true}, nil
		}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			loop.Run(ctx)
		}()
		for n := 1; n <= 200; n++ {
			time.Sleep(70*time.Second + time.Duration(rng.IntN(1800))*time.Second)
			mu.Lock()
			head, at[n] = n, time.Now()
			mu.Unlock()
		}
		time.Sleep(2 * time.Minute)
		stop()
		<-done
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(said) != 200 || late > time.Minute+2*time.Second {
			t.Errorf("%d of 200 heads were said to be pending, the latest after %s", len(said), late)
		}
	})
}

// A delivery wakes the loop; a burst of them causes few looks; failures slow it down and a
// limit is waited out.
func TestLoopPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		start := time.Now()
		var looks []time.Duration
		var fail error
		partly := false
		var mu sync.Mutex
		reset := func(err error, part bool) {
			mu.Lock()
			defer mu.Unlock()
			looks, fail, partly = nil, err, part
		}
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(looks)
		}
		wake := make(chan struct{}, 1)
		loop := intake.Loop{Name: "pool", Every: time.Minute, Wake: wake, Log: quiet, Look: func(context.Context) (intake.Seen, error) {
			mu.Lock()
			defer mu.Unlock()
			looks = append(looks, time.Since(start))
			return intake.Seen{Partly: partly}, fail
		}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			loop.Run(ctx)
		}()
		time.Sleep(10 * time.Second)
		for range 50 {
			select {
			case wake <- struct{}{}:
			default:
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		mu.Lock()
		if n := len(looks); n < 3 || n > 8 || looks[1] != 11*time.Second {
			t.Errorf("a burst of deliveries causes the looks %s", looks)
		}
		mu.Unlock()
		// With webhooks it looks by itself every five minutes.
		reset(nil, false)
		time.Sleep(10 * time.Minute)
		if n := count(); n != 2 {
			t.Errorf("%d looks in ten minutes with webhooks", n)
		}
		time.Sleep(2 * time.Hour)
		reset(errors.New("502"), false)
		time.Sleep(time.Hour)
		if n := count(); n < 6 || n > 9 {
			t.Errorf("%d looks in an hour of failures", n)
		}
		time.Sleep(15 * time.Minute)
		reset(&hub.LimitError{After: 40 * time.Minute}, false)
		time.Sleep(50 * time.Minute)
		if n := count(); n > 3 {
			t.Errorf("%d looks while limited", n)
		}
		// Something that stays wrong, like a pattern that matches nothing, is no reason to look
		// less often.
		reset(errors.New("pattern matches nothing"), true)
		time.Sleep(time.Hour)
		reset(errors.New("pattern matches nothing"), true)
		time.Sleep(time.Hour)
		if n := count(); n < 58 {
			t.Errorf("%d looks in an hour in which most could be read", n)
		}
		stop()
		<-done
	})
}
