package store

import (
	"context"
	"fmt"
	"time"
)

// Once notes that a delivery is taken and reports whether it is the first time. Those noted
// longer than keep ago are forgotten.
func (s *Store) Once(ctx context.Context, id string, keep time.Duration) (first bool, err error) {
	err = s.db.inTx(ctx, func(t tx) error {
		at := now().UnixMilli()
		if _, err := t.exec(ctx, "delete from delivery where at < $1", at-keep.Milliseconds()); err != nil {
			return err
		}
		n, err := t.exec(ctx, "insert into delivery (id, at) values ($1, $2) on conflict (id) do nothing", id, at)
		first = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("note a delivery: %w", err)
	}
	return first, nil
}

// Forget takes back that a delivery was taken.
func (s *Store) Forget(ctx context.Context, id string) error {
	err := s.db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, "delete from delivery where id = $1", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget a delivery: %w", err)
	}
	return nil
}

// Settled returns the newest run of a commit if everything about that commit is done and
// said: no run of it is open, and nothing about one is still to be posted. since bounds
// how long ago it ended. ok is false otherwise.
func (s *Store) Settled(ctx context.Context, repo, sha string, since time.Time) (rec Record, ok bool, err error) {
	q := s.db.reader()
	var id, left, ended int64
	ok, err = one(ctx, q, []any{&id, &ended, &left}, `select max(id), max(finished_at),
			sum(case when reported = 0 then 1 else 0 end)
			+ sum(case when exists (select 1 from outbox where outbox.run = run.id and outbox.pending = 1) then 1 else 0 end)
		from run where repo = $1 and sha = $2 having count(*) > 0`, repo, sha)
	if err == nil && (!ok || left > 0 || ended < since.UnixMilli()) {
		return Record{}, false, nil
	}
	if err == nil {
		rec, err = readRun(ctx, q, id)
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("runs of %.10s in %s: %w", sha, repo, err)
	}
	return rec, true, nil
}
