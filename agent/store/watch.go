package store

import "time"

const (
	// beatEvery is how often a process says that it lives.
	beatEvery = 15 * time.Second
	// LostAfter is how long a process of another machine must not have been heard of before
	// it is taken for lost. A laptop that sleeps for a minute keeps its jobs.
	LostAfter = 2 * time.Minute
	// blinkAfter is how long one may not have looked oneself and still trust what was seen
	// before.
	blinkAfter = 3 * beatEvery
)

// watch tells which of the others stand still. It compares no clocks: what counts is for
// how long, by the monotonic clock of the one who looks, a number did not change that
// every living process changes all the time. (After the lease by record version number of
// the DynamoDB lock client.)
//
// Who did not look for a while starts to wait anew: when the database was away, or this
// machine slept, nobody's number has changed, and nobody is lost for that.
type watch struct {
	last time.Time
	seen map[string]sighting
}

// sighting is a number of beats and when it was seen first.
type sighting struct {
	beats int64
	since time.Time
}

// look takes the beats of the others as they are now and returns who did not beat for at
// least LostAfter. now has a monotonic reading, but in tests.
func (w *watch) look(now time.Time, beats map[string]int64) (still []string) {
	gap := now.Sub(w.last)
	steady := !w.last.IsZero() && gap >= 0 && gap <= blinkAfter
	next := make(map[string]sighting, len(beats))
	for owner, n := range beats {
		old, known := w.seen[owner]
		if !steady || !known || old.beats != n {
			next[owner] = sighting{n, now}
			continue
		}
		next[owner] = old
		if now.Sub(old.since) >= LostAfter {
			still = append(still, owner)
		}
	}
	w.last, w.seen = now, next
	return still
}
