package schedule

import "time"

// Due returns the newest tick after last and not after now, and whether there is one.
// Older ticks of the same span are passed over: after a week of sleep a nightly job
// runs once, not seven times.
//
// Both times are read as wall clock times. If last lies after now, the clock went back:
// nothing is due, and the ticks of the repeated span are told apart from those already
// taken by whoever keeps the record.
func Due(s Spec, last, now time.Time) (tick time.Time, ok bool) {
	last, now = last.Round(0), now.Round(0)
	// A long span is searched backwards in growing windows, so that a schedule of every
	// minute costs a few steps however long the agent was away.
	for window := 2 * time.Minute; ; window *= 16 {
		from := now.Add(-window)
		reached := !from.After(last)
		if reached {
			from = last
		}
		for t := s.Next(from); !t.IsZero() && !t.After(now); t = s.Next(t) {
			tick, ok = t, true
		}
		if ok || reached || window > 20*365*24*time.Hour {
			return tick, ok
		}
	}
}
