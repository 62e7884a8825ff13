package harness_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// few is small with half the configurations.
func few() harness.Config {
	c := small()
	c.Threads, c.AsyncThreads = []int{1}, 0
	return c
}

// under measures with conditions in virtual time, and lists when they were asked.
func under(t *testing.T, c harness.Config, answer func(o harness.Occasion) error) (rep *harness.Report, asked []harness.Occasion, err error) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, virtual)
		defer b.Close()
		c.Conditions = func(_ context.Context, o harness.Occasion) error {
			asked = append(asked, o)
			return answer(o)
		}
		rep, err = harness.Run(t.Context(), b, c)
	})
	return rep, asked, err
}

// spoiler rejects the values that it is given, at one moment.
func spoiler(m harness.Moment, bad func(o harness.Occasion) bool) func(harness.Occasion) error {
	return func(o harness.Occasion) error {
		if o.Moment == m && bad(o) {
			return fmt.Errorf("gate: %w", harness.Unfit("thermal pressure is heavy"))
		}
		return nil
	}
}

func TestConditionsAreAsked(t *testing.T) {
	c := few()
	c.Window = 120 * time.Millisecond
	rep, asked, err := under(t, c, func(harness.Occasion) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	n := map[harness.Moment]int{}
	for _, o := range asked {
		n[o.Moment]++
	}
	windows := rep.Loads * c.Rounds
	if n[harness.BeforeRun] != 1 || n[harness.AfterRun] != 1 || n[harness.BeforeWindow] != windows || n[harness.AfterWindow] != windows || n[harness.InWindow] < windows {
		t.Errorf("asked %v in %d windows", n, windows)
	}
	if asked[0].Moment != harness.BeforeRun || asked[len(asked)-1].Moment != harness.AfterRun {
		t.Errorf("first %v, last %v", asked[0], asked[len(asked)-1])
	}
	if asked[1].Load == "" || asked[1].Round != 1 {
		t.Errorf("a window is %+v", asked[1])
	}
}

// TestUnfitValueIsTakenAgain: whenever it is noticed, the value is dropped and measured
// again within its round, so that every round stays complete.
func TestUnfitValueIsTakenAgain(t *testing.T) {
	for _, m := range []harness.Moment{harness.BeforeWindow, harness.InWindow, harness.AfterWindow} {
		rep, _, err := under(t, few(), spoiler(m, func(o harness.Occasion) bool {
			return o.Round == 2 && o.Try == 0 && strings.Contains(o.Load, "queue=shared threads=1")
		}))
		if err != nil {
			t.Fatalf("%s: %v", m, err)
		}
		if len(rep.Dropped) != 1 || rep.Dropped[0].Round != 2 || rep.Dropped[0].Reason != "thermal pressure is heavy" || rep.Observed["values dropped for conditions"] != "1" {
			t.Errorf("%s: dropped %+v", m, rep.Dropped)
		}
		for _, s := range rep.Samples {
			if len(s.Values) != 3 {
				t.Errorf("%s: %s has %d values", m, s.Key(), len(s.Values))
			}
		}
	}
}

// TestUnfitRound: a value that cannot be had takes the values that it would be compared
// with along, and another round stands in.
func TestUnfitRound(t *testing.T) {
	c := few()
	c.Rounds = 4
	rep, asked, err := under(t, c, spoiler(harness.AfterWindow, func(o harness.Occasion) bool { return o.Round == 2 && strings.Contains(o.Load, "depth=2") }))
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, o := range asked {
		last = max(last, o.Round)
	}
	if last != 5 || len(rep.Dropped) < 3 {
		t.Errorf("%d rounds, dropped %+v", last, rep.Dropped)
	}
	for _, s := range rep.Samples {
		if len(s.Values) != 4 {
			t.Errorf("%s has %d values", s.Key(), len(s.Values))
		}
	}
}

func TestTooFewRoundsLeft(t *testing.T) {
	rep, _, err := under(t, few(), spoiler(harness.InWindow, func(o harness.Occasion) bool { return o.Round > 1 }))
	var e *harness.ConditionsError
	if !errors.As(err, &e) || e.Kept != 1 || e.Need != 3 || !strings.Contains(err.Error(), "conditions: 1 of at least 3 rounds are left") {
		t.Fatalf("error %v", err)
	}
	if len(rep.Samples) > 0 {
		t.Errorf("%d samples", len(rep.Samples))
	}
}

func TestUnfitRun(t *testing.T) {
	for _, m := range []harness.Moment{harness.BeforeRun, harness.AfterRun} {
		rep, _, err := under(t, few(), spoiler(m, func(harness.Occasion) bool { return true }))
		var e *harness.ConditionsError
		if !errors.As(err, &e) || err.Error() != "conditions: thermal pressure is heavy" || len(rep.Samples) > 0 {
			t.Errorf("%s: error %v, %d samples", m, err, len(rep.Samples))
		}
	}
	lost := errors.New("the fingerprint changed")
	for _, m := range []harness.Moment{harness.BeforeRun, harness.BeforeWindow, harness.InWindow, harness.AfterWindow, harness.AfterRun} {
		_, _, err := under(t, few(), func(o harness.Occasion) error {
			if o.Moment == m {
				return lost
			}
			return nil
		})
		if !errors.Is(err, lost) {
			t.Errorf("%s: error %v", m, err)
		}
	}
}
