package harness

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Moments at which [Conditions] is asked.
const (
	BeforeRun    Moment = "before the run"    // once, before the warm-up
	BeforeWindow Moment = "before the window" // before each window of a round
	InWindow     Moment = "in the window"     // every watchEvery while a window runs, at least once
	AfterWindow  Moment = "after the window"
	AfterRun     Moment = "after the run" // once, after the last round; not after an error
)

// Moment is when conditions are asked.
type Moment string

// watchEvery is how often conditions are asked while a window runs.
const watchEvery = 100 * time.Millisecond

// Occasion says what is going on when [Conditions] is asked. Round and Load are zero
// before and after the run.
type Occasion struct {
	Moment Moment
	Round  int    // from 1
	Load   string // "multi-queue queue=shared threads=8"
	Try    int    // 0, and one more each time the value of this load and round was dropped
}

// Conditions tells whether the machine is in a state to be measured: cool, on mains, idle
// but for us. [Config.Conditions] takes one; nil accepts everything.
//
// It is called in the process that drives the run, never in the one that measures, and by
// one goroutine at a time. It may keep state: what it saw BeforeWindow is what it compares
// with AfterWindow. It answers
//
//   - nil: fit.
//   - an [UnfitError], wrapped or not: the value of this window does not count. It is
//     measured again at the end of the same round, at most maxTries times. A load that
//     cannot be had takes its whole round with it, because the values of one round are
//     compared with each other; another round is taken in its place. When too few rounds
//     are left, Run ends with a [ConditionsError]. BeforeRun and AfterRun an UnfitError
//     ends the run like that at once.
//   - any other error: the run ends with it.
//
// BeforeRun and BeforeWindow it may wait, until ctx is done, for the machine to become fit
// (to cool down): nothing is being timed. InWindow it runs beside the measured threads: it
// must be cheap, well under a millisecond, and start no process.
//
// It is never told the value, and nothing else may select by it: dropping by conditions
// alone leaves the values unbiased.
type Conditions func(ctx context.Context, o Occasion) error

// UnfitError says why a value does not count: "thermal pressure is heavy (2)".
type UnfitError struct{ Reason string }

func (e *UnfitError) Error() string { return e.Reason }

// Unfit makes an [UnfitError].
func Unfit(format string, args ...any) error { return &UnfitError{fmt.Sprintf(format, args...)} }

// ConditionsError says that the machine was not fit often enough: nothing is known about
// the change. Its verdict is error.
type ConditionsError struct {
	Kept, Need int    // complete rounds; both 0 if the run did not begin, or its end was unfit
	Dropped    int    // values
	Last       string // why the last one was dropped
}

func (e *ConditionsError) Error() string {
	if e.Need == 0 {
		return "conditions: " + e.Last
	}
	return fmt.Sprintf("conditions: %d of at least %d rounds are left after %d values were dropped, the last because: %s",
		e.Kept, e.Need, e.Dropped, e.Last)
}

const (
	// maxTries is how often one value is measured before its round is given up.
	maxTries = 3
	// keepShare of the rounds asked for must be left, as a fraction.
	keepShareNum, keepShareDen = 2, 3
	// extraShare more rounds may be taken in place of dropped ones.
	extraShareNum, extraShareDen = 1, 2
)

// needRounds is how many complete rounds a run must have.
func (c Config) needRounds() int {
	return max(MinRounds, (c.Rounds*keepShareNum+keepShareDen-1)/keepShareDen)
}

// mostRounds is how many rounds are begun at most.
func (c Config) mostRounds() int { return c.Rounds + c.Rounds*extraShareNum/extraShareDen }

// ask asks the configured conditions.
func (c Config) ask(ctx context.Context, o Occasion) error {
	if c.Conditions == nil {
		return nil
	}
	return c.Conditions(ctx, o)
}

// watch asks while a window runs, until the returned function is called, which gives the
// first answer that was not nil.
func (c Config) watch(ctx context.Context, o Occasion) (end func() error) {
	if c.Conditions == nil {
		return func() error { return nil }
	}
	o.Moment = InWindow
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		// The first time is early in the window however short that is.
		tick := time.NewTicker(min(watchEvery, max(c.Window/2, time.Millisecond)))
		defer tick.Stop()
		var first error
		for {
			select {
			case <-stop:
				ended <- first
				return
			case <-tick.C:
				if first == nil {
					first = c.Conditions(ctx, o)
				}
			}
		}
	}()
	return func() error { close(stop); return <-ended }
}

// unfit returns the reason of an UnfitError.
func unfit(err error) (reason string, ok bool) {
	var u *UnfitError
	if errors.As(err, &u) {
		return u.Reason, true
	}
	return "", false
}
