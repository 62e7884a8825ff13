package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// round measures the loads of slots, in units of slots that are measured one right after
// the other, in the order given. A unit counts as a whole: if conditions spoil one of its
// values, all are measured again at the end of the round. The round is not whole if
// conditions did not allow it to be completed; then nothing of it is kept, because the
// values of one round are compared with each other.
func (r *run) round(ctx context.Context, round int, slots []*track, order [][]int) (whole bool, err error) {
	got := make([]value, len(slots))
	tries := make([]int, len(slots)) // by the first slot of the unit
	var last *Value
	doing := fmt.Sprintf("round %d of %d", r.kept+1, r.c.Rounds)
	if r.beside {
		doing = fmt.Sprintf("block %d of base and head", r.kept/2+1)
	}
	for position := 1; len(order) > 0; {
		unit := order[0]
		order = order[1:]
		for _, i := range unit {
			t := slots[i]
			if t.group.err != nil {
				break
			}
			r.ahead = windowsOf(order) + len(unit) + r.later(len(slots))
			r.progress(doing, round, last)
			last = nil
			begin := time.Now()
			o := Occasion{Round: round, Load: t.load.String(), Try: tries[unit[0]]}
			reading, err := r.fitWindow(ctx, o, t)
			r.spent += time.Since(begin)
			r.done++
			position++
			if reason, dropped := unfit(err); dropped {
				r.rep.Dropped = append(r.rep.Dropped, Dropped{Round: round, Load: o.Load, Reason: reason})
				if tries[unit[0]]++; tries[unit[0]] == maxTries {
					return false, nil
				}
				order = append(order, unit)
				break
			}
			switch {
			case err == nil:
				got[i] = value{reading, round, position - 1, r.process, t.group.settled()}
				last = &Value{Load: t.load, Rate: reading.Rate, Round: round}
			case errors.As(err, new(*probeError)):
				if err := r.fail(ctx, t.group, &t.load, fmt.Errorf("round %d: %w", round, errors.Unwrap(err))); err != nil {
					return false, err
				}
			default:
				return false, err
			}
		}
	}
	for i, t := range slots {
		if t.group.err == nil {
			t.values = append(t.values, got[i])
		}
	}
	r.ahead = r.later(len(slots))
	r.progress(doing, round, last)
	return true, nil
}

func windowsOf(order [][]int) (n int) {
	for _, unit := range order {
		n += len(unit)
	}
	return n
}

// later are the windows of the rounds after this one. How many blocks there will be is not
// known here.
func (r *run) later(each int) int {
	if r.beside {
		return 0
	}
	return each * (r.c.Rounds - r.kept - 1)
}

// probeError is an error of the probe: it ends a scenario, where one of the conditions
// ends the run.
type probeError struct{ err error }

func (e *probeError) Error() string { return e.err.Error() }
func (e *probeError) Unwrap() error { return e.err }

// fitWindow measures one window between conditions that are fit.
func (r *run) fitWindow(ctx context.Context, o Occasion, t *track) (Reading, error) {
	o.Moment = BeforeWindow
	if err := r.c.ask(ctx, o); err != nil {
		return Reading{}, err
	}
	end := r.c.watch(ctx, o)
	reading, err := t.group.probe.Measure(ctx, t.load, r.c.Window)
	within := end()
	t.group.counts.add(reading.Counts)
	if err != nil {
		return reading, &probeError{err}
	}
	o.Moment = AfterWindow
	after := r.c.ask(ctx, o) // also if it is dropped already: it may keep count
	return reading, cmp.Or(within, after)
}

// times asks the device for its times, in a pass of its own: reading them costs more than
// an operation may.
func (r *run) times(ctx context.Context, rng *rand.Rand) error {
	tracks := slices.DeleteFunc(r.alive(), func(t *track) bool { return t.out || !t.group.setup.Spans || len(t.spans) > 0 })
	for n := range spanRounds {
		for _, i := range rng.Perm(len(tracks)) {
			t := tracks[i]
			if t.group.err != nil {
				continue
			}
			r.progress(fmt.Sprintf("device times, pass %d of %d", n+1, spanRounds), r.c.Rounds, nil)
			s, err := t.group.probe.Spans(ctx, t.load, max(r.c.Window/spanFraction, time.Millisecond))
			t.group.counts.add(s.Counts)
			var spans *SpanError
			if errors.As(err, &spans) {
				if n == 0 {
					r.warn("the device's times are not believed: %s", spans.Text)
				}
				continue
			}
			if err != nil {
				if err := r.fail(ctx, t.group, &t.load, fmt.Errorf("device times: %w", err)); err != nil {
					return err
				}
				continue
			}
			t.spans = append(t.spans, s)
		}
	}
	return nil
}
