package store

import (
	"context"
	"fmt"
	"time"
)

// Hold implements [hub.Holds]: requests of who about what a payer pays for are held back for
// a time, in every process that shares the store and across restarts. A longer one stays.
func (s *Store) Hold(ctx context.Context, who, payer string, d time.Duration) error {
	until := s.db.clock() + " + $3"
	err := s.db.inTx(ctx, func(t tx) error {
		if _, err := t.exec(ctx, "delete from hold where until_at < "+s.db.clock()); err != nil {
			return err
		}
		_, err := t.exec(ctx, "insert into hold (who, payer, until_at) values ($1, $2, "+until+`)
			on conflict (who, payer) do update set until_at = excluded.until_at where excluded.until_at > hold.until_at`, who, payer, d.Milliseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("record a rate limit: %w", err)
	}
	return nil
}

// Held implements [hub.Holds].
func (s *Store) Held(ctx context.Context, who string) (map[string]time.Duration, error) {
	out := map[string]time.Duration{}
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var payer string
		var ms int64
		err := scan(&payer, &ms)
		out[payer] = time.Duration(ms) * time.Millisecond
		return err
	}, "select payer, until_at - "+s.db.clock()+" from hold where who = $1 and until_at > "+s.db.clock(), who)
	if err != nil {
		return nil, fmt.Errorf("read rate limits: %w", err)
	}
	return out, nil
}
