package intake

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"strconv"
	"time"

	"github.com/holdfast-ci/holdfast/agent/hub"
)

const (
	// busyFor is how long after a change a repository is looked at more often: who has just
	// pushed is likely to push again.
	busyFor = 10 * time.Minute
	// soonest is the shortest interval there is.
	soonest = 10 * time.Second
	// longest is the longest after failures.
	longest = 15 * time.Minute
	// settle is between a delivery and the look that it causes: GitHub's own copies need a
	// moment, and deliveries come in bursts.
	settle = time.Second
	// hookedFor is how long a delivery counts as proof that deliveries arrive.
	hookedFor = time.Hour
)

// Seen is what one look at a repository came to.
type Seen struct {
	Changed bool          // something was enqueued
	Partly  bool          // beside an error: heads could be read, so there is no reason to look less often
	Asked   time.Duration // GitHub asks not to be asked again sooner; 0 if it does not say
}

// Loop looks at one repository again and again until its context ends. A webhook does
// nothing but wake it: what is done about a change is the same either way.
type Loop struct {
	Name  string
	Every time.Duration // the longest interval while all is well
	Look  func(context.Context) (Seen, error)
	Wake  <-chan struct{} // a delivery has come; may be nil
	Log   *slog.Logger
}

// Pace is what the interval depends on.
type Pace struct {
	Every       time.Duration
	Failures    int           // looks that failed since the last good one
	Limited     time.Duration // the rate limit lasts that long; 0 if there is none
	SinceChange time.Duration // negative: never
	SinceHook   time.Duration // negative: never
	Asked       time.Duration
	Chance      float64 // in [0, 1): spreads agents and repositories that started together
}

// Interval is the time until the next look: Every, a tenth less by chance. A quarter of it
// while the repository is busy; up to five times as long while webhooks arrive, since they
// then only have to make up for lost ones; doubled with each failure. It is never longer
// than Every when nothing fails, no limit is reached and no webhook arrives.
func (p Pace) Interval() time.Duration {
	d := p.Every
	switch {
	case p.Limited > 0:
		// Nothing would be sent before; a little later, not all at once.
		return p.Limited + time.Duration(p.Chance*float64(soonest))
	case p.Failures > 0:
		d = min(max(longest, p.Every), p.Every<<min(p.Failures, 10))
	case p.SinceHook >= 0 && p.SinceHook < hookedFor:
		d = min(5*p.Every, max(longest, p.Every))
	case p.SinceChange >= 0 && p.SinceChange < busyFor:
		d = min(p.Every, max(soonest, p.Every/4))
	}
	d -= time.Duration(p.Chance * float64(d) / 10)
	return max(d, p.Asked)
}

// Run looks, waits, and looks again.
func (l Loop) Run(ctx context.Context) {
	p := Pace{Every: l.Every, SinceChange: -1, SinceHook: -1}
	var changed, hooked time.Time
	said := ""
	for n := 0; ctx.Err() == nil; n++ {
		seen, err := l.Look(ctx)
		if ctx.Err() != nil {
			return
		}
		var lim *hub.LimitError
		p.Limited = 0
		switch {
		case errors.As(err, &lim):
			p.Limited = lim.After
		case err != nil && !seen.Partly:
			p.Failures++
		default:
			p.Failures = 0
		}
		// The same trouble is told once, not each minute.
		switch {
		case err != nil && err.Error() != said:
			said = err.Error()
			l.Log.Warn("poll", "error", err)
		case err == nil && said != "":
			said = ""
			l.Log.Info("poll works again")
		}
		if seen.Changed {
			changed = time.Now()
		}
		p.Asked, p.Chance = seen.Asked, chance(l.Name, n)
		p.SinceChange, p.SinceHook = since(changed), since(hooked)
		t := time.NewTimer(p.Interval())
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-l.Wake:
			hooked = time.Now()
			select {
			case <-ctx.Done():
			case <-time.After(settle):
			}
		}
		t.Stop()
	}
}

// since is the time passed, -1 for a zero time.
func since(t time.Time) time.Duration {
	if t.IsZero() {
		return -1
	}
	return time.Since(t)
}

// chance is the same for the same look at the same repository, and spread otherwise.
func chance(name string, n int) float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name + " " + strconv.Itoa(n)))
	return float64(h.Sum32()%1000) / 1000
}
