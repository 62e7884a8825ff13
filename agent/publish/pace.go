package publish

import (
	"context"
	"time"
)

// defaultGap between two changes is what GitHub asks for.
const defaultGap = time.Second

// pacer keeps a gap between actions, from the end of one to the start of the next. The
// zero value has no gap. Not for concurrent use.
type pacer struct {
	gap  time.Duration
	last time.Time // end of the last action
}

// do waits for the gap, then acts. It does not act once ctx is done.
func (p *pacer) do(ctx context.Context, act func() error) error {
	if !p.last.IsZero() {
		// Until is monotonic: a wall clock set back does not stretch the gap.
		t := time.NewTimer(time.Until(p.last.Add(p.gap)))
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	defer func() { p.last = time.Now() }()
	return act()
}
