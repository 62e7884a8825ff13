package store

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
)

// clockApart is how much the clocks of two machines of a fleet may differ. What lies further
// in the future was written by a clock that has been put right since.
const clockApart = time.Minute

// Reserve implements [publish.Lane] for all processes that share the store. What was
// noted survives a crash: an agent that starts again and again keeps to the budget, too.
func (s *Store) Reserve(ctx context.Context, host string, b publish.Budget, now time.Time) (wait time.Duration, err error) {
	err = s.db.inTx(ctx, func(t tx) error {
		at := now.UnixMilli()
		// Also makes others wait until this transaction ends, on either engine.
		if _, err := t.exec(ctx, `insert into counter (name, value) values ('mutation', 1)
			on conflict (name) do update set value = counter.value + 1`); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "delete from mutation where at <= $1 or at > $2", at-time.Hour.Milliseconds(), at+clockApart.Milliseconds()); err != nil {
			return err
		}
		var past []time.Time
		err := t.query(ctx, func(scan func(...any) error) error {
			var ms int64
			err := scan(&ms)
			past = append(past, time.UnixMilli(ms))
			return err
		}, "select at from mutation where host = $1 order by at", host)
		if err != nil {
			return err
		}
		if wait = b.Wait(past, time.UnixMilli(at)); wait > 0 {
			return nil
		}
		wait = 0
		_, err = t.exec(ctx, "insert into mutation (host, at) values ($1, $2)", host, at)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reserve a change on %s: %w", host, err)
	}
	return wait, nil
}
