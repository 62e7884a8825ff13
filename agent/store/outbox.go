package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
)

// lease is how long a message that was handed to one poster is kept from others.
const lease = 5 * time.Minute

// PutMessages puts messages into the outbox. run is the run they are
// about, 0 for none. Of two messages with one key the one with the higher Seq stays, of
// equal Seq the later one; a message that is stored already changes nothing.
func (s *Store) PutMessages(ctx context.Context, run int64, ms ...publish.Message) error {
	err := s.db.inTx(ctx, func(t tx) error { return putMessages(ctx, t, run, ms, now().UnixMilli()) })
	if err != nil {
		return fmt.Errorf("put messages: %w", err)
	}
	s.wakePoster()
	return nil
}

func putMessages(ctx context.Context, t tx, run int64, ms []publish.Message, at int64) error {
	for _, m := range ms {
		if m.Key == "" {
			return fmt.Errorf("message of kind %s without a key", m.Kind)
		}
		doc, err := messageDoc(m)
		if err != nil {
			return err
		}
		var next int64
		if _, err := one(ctx, t, []any{&next}, `insert into counter (name, value) values ('outbox', 1)
			on conflict (name) do update set value = counter.value + 1 returning value`); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `insert into outbox (id, ident, run, seq, doc, pending, remote_id, tries, owner, next_at, error, created_at, updated_at)
			values ($1, $2, $3, $4, $5, 1, '', 0, '', 0, '', $6, $6)
			on conflict (ident) do update set run = excluded.run, seq = excluded.seq, doc = excluded.doc,
				pending = 1, tries = 0, owner = '', next_at = 0, error = '', updated_at = excluded.updated_at
			where excluded.seq > outbox.seq or (excluded.seq = outbox.seq and excluded.doc <> outbox.doc)`,
			next, m.Key, run, m.Seq, doc, at); err != nil {
			return err
		}
	}
	return nil
}

// messageDoc is a message as stored: the remote id has a column of its own.
func messageDoc(m publish.Message) (string, error) {
	m.RemoteID = ""
	b, err := json.Marshal(m)
	return string(b), err
}

// isDue is true of a message that the owner $3 may post at time $1; $2 is an hour later. What
// another has taken stays his while he lives: the clocks of two machines may be apart.
const isDue = `pending = 1 and (next_at <= $1 or updated_at > $2)
	and (owner in ('', $3) or owner not in (select owner from agent where lost_at = 0))`

// Pending returns the messages due at now, oldest first, and keeps them from other posters
// for five minutes, and for longer from those of processes that this one is known to. At most 20 at a time: call again until there are none. Store is a
// [publish.Outbox].
func (s *Store) Pending(ctx context.Context, now time.Time) ([]publish.Item, error) {
	// What a process took and did not mark is given back once it is known to be dead.
	if s.dir != "" {
		if err := s.takeMark(); err != nil {
			return nil, fmt.Errorf("read outbox: %w", err)
		}
	}
	var out []publish.Item
	clock := s.db.clock()
	err := s.db.inTx(ctx, func(t tx) error {
		out = nil
		at := now.UnixMilli()
		if s.dir != "" {
			if err := s.alive(ctx, t); err != nil {
				return err
			}
		}
		// One statement, and what makes a message due is asked of the row that is changed: on
		// Postgres a newer message may have come since the rows were chosen, which must not be
		// taken in place of the one that was read.
		// A next_at far in the future was written by a clock that has gone backwards since.
		return t.query(ctx, func(scan func(...any) error) error {
			var it publish.Item
			var doc, remote string
			var tries, begun int64
			if err := scan(&it.ID, &doc, &remote, &tries, &begun); err != nil {
				return err
			}
			it.Begun = time.Duration(begun) * time.Millisecond
			if err := json.Unmarshal([]byte(doc), &it.Message); err != nil {
				return fmt.Errorf("stored message %d: %w", it.ID, err)
			}
			it.RemoteID, it.Tries = remote, int(tries)
			out = append(out, it)
			return nil
		}, "update outbox set owner = $3, next_at = $4, updated_at = $1, intent_at = case when intent_at > "+clock+" then "+clock+" else intent_at end where "+isDue+`
			and id in (select id from outbox where `+isDue+` order by id limit 20)
			returning id, doc, remote_id, tries, case when intent_at = 0 then 0 when intent_at < `+clock+" then "+clock+" - intent_at else 1 end",
			at, at+time.Hour.Milliseconds(), s.owner, at+lease.Milliseconds())
	})
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	slices.SortFunc(out, func(a, b publish.Item) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// MarkPosted records that it was posted and what holds it now. A newer message of its key
// that came meanwhile stays pending and learns the remote id.
func (s *Store) MarkPosted(ctx context.Context, it publish.Item, remoteID string, now time.Time) error {
	doc, err := messageDoc(it.Message)
	if err != nil {
		return fmt.Errorf("mark message %s: %w", it.Key, err)
	}
	err = s.db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, `update outbox set remote_id = case when $3 <> '' then $3 else remote_id end,
				pending = case when doc = $2 then 0 else pending end,
				owner = case when doc = $2 then '' else owner end,
				error = case when doc = $2 then '' else error end,
				intent_at = 0, updated_at = $4
			where id = $1`, it.ID, doc, remoteID, now.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("mark message %s: %w", it.Key, err)
	}
	return nil
}

// Current reports whether a message is still the one to be posted for its key, by this
// process.
func (s *Store) Current(ctx context.Context, it publish.Item) (bool, error) {
	doc, err := messageDoc(it.Message)
	if err != nil {
		return false, fmt.Errorf("message %s: %w", it.Key, err)
	}
	var n int64
	ok, err := one(ctx, s.db.reader(), []any{&n}, "select id from outbox where id = $1 and doc = $2 and pending = 1 and owner = $3", it.ID, doc, s.owner)
	if err != nil {
		return false, fmt.Errorf("message %s: %w", it.Key, err)
	}
	return ok, nil
}

// Begin implements [publish.Outbox]: who finds the message without a mark later knows that
// its object may be there. The time is the database's.
func (s *Store) Begin(ctx context.Context, it publish.Item) (current bool, err error) {
	doc, err := messageDoc(it.Message)
	if err != nil {
		return false, fmt.Errorf("message %s: %w", it.Key, err)
	}
	err = s.db.inTx(ctx, func(t tx) error {
		n, err := t.exec(ctx, "update outbox set intent_at = "+s.db.clock()+" where id = $1 and doc = $2 and pending = 1 and owner = $3", it.ID, doc, s.owner)
		current = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("message %s: %w", it.Key, err)
	}
	return current, nil
}

// Remember implements [publish.Outbox].
func (s *Store) Remember(ctx context.Context, it publish.Item, remoteID string) error {
	err := s.db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, "update outbox set remote_id = $2 where id = $1 and owner in ('', $3)", it.ID, remoteID, s.owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("message %s: %w", it.Key, err)
	}
	return nil
}

// Refused implements [publish.Outbox]. What another process has begun meanwhile stays.
func (s *Store) Refused(ctx context.Context, it publish.Item) error {
	err := s.db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, "update outbox set intent_at = 0 where id = $1 and owner in ('', $2)", it.ID, s.owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("message %s: %w", it.Key, err)
	}
	return nil
}

// Delay hands messages back that were not tried. Newer ones of their keys stay as they are.
func (s *Store) Delay(ctx context.Context, items []publish.Item, until time.Time) error {
	err := s.db.inTx(ctx, func(t tx) error {
		for _, it := range items {
			doc, err := messageDoc(it.Message)
			if err != nil {
				return err
			}
			if _, err := t.exec(ctx, "update outbox set owner = '', next_at = $3, updated_at = $4 where id = $1 and doc = $2 and pending = 1 and owner = $5",
				it.ID, doc, until.UnixMilli(), now().UnixMilli(), s.owner); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delay messages: %w", err)
	}
	return nil
}

// MarkFailed records why posting did not work and when to try again; the zero time gives
// the message up. A newer message of its key stays as it is.
func (s *Store) MarkFailed(ctx context.Context, it publish.Item, reason string, next time.Time) error {
	doc, err := messageDoc(it.Message)
	if err != nil {
		return fmt.Errorf("mark message %s: %w", it.Key, err)
	}
	err = s.db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, `update outbox set error = $3, tries = tries + 1, owner = '', next_at = $4, pending = $5, updated_at = $6
			where id = $1 and doc = $2 and pending = 1 and owner = $7`, it.ID, doc, reason, unixMilli(next), flag(!next.IsZero()), now().UnixMilli(), s.owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("mark message %s: %w", it.Key, err)
	}
	return nil
}

// due reports whether there is something to post.
func (s *Store) due(ctx context.Context, now time.Time) (bool, error) {
	var n int64
	return one(ctx, s.db.reader(), []any{&n}, "select id from outbox where "+isDue+" limit 1",
		now.UnixMilli(), now.Add(time.Hour).UnixMilli(), s.owner)
}

// releaseMessages lets others have what was handed to an owner that will not mark it.
func (s *Store) releaseMessages(ctx context.Context, t tx, owner string) error {
	_, err := t.exec(ctx, "update outbox set owner = '', next_at = 0 where owner = $1 and pending = 1", owner)
	return err
}

// Failed is a message that was given up.
type Failed struct {
	publish.Message
	Tries  int
	Reason string
}

// Unposted counts the messages still to be posted and lists the newest of those that were
// given up, and of those that wait because something is in their way.
func (s *Store) Unposted(ctx context.Context) (pending int, failed, waiting []Failed, err error) {
	q := s.db.reader()
	var n int64
	if _, err := one(ctx, q, []any{&n}, "select count(*) from outbox where pending = 1"); err != nil {
		return 0, nil, nil, fmt.Errorf("read outbox: %w", err)
	}
	for pending, list := range []*[]Failed{&failed, &waiting} {
		err = q.query(ctx, func(scan func(...any) error) error {
			var f Failed
			var doc string
			var tries int64
			if err := scan(&doc, &tries, &f.Reason); err != nil {
				return err
			}
			f.Tries = int(tries)
			err := json.Unmarshal([]byte(doc), &f.Message)
			*list = append(*list, f)
			return err
		}, "select doc, tries, error from outbox where pending = $1 and error <> '' order by id desc limit 20", int64(pending))
		if err != nil {
			return 0, nil, nil, fmt.Errorf("read outbox: %w", err)
		}
	}
	return int(n), failed, waiting, nil
}

// Place is the repository on GitHub that something was said to about a run, "" if nothing
// was.
func (s *Store) Place(ctx context.Context, run int64) (string, error) {
	var doc string
	found, err := one(ctx, s.db.reader(), []any{&doc}, "select doc from outbox where run = $1 limit 1", run)
	var m publish.Message
	if err == nil && found {
		err = json.Unmarshal([]byte(doc), &m)
	}
	if err != nil {
		return "", fmt.Errorf("what was said about run %d: %w", run, err)
	}
	return m.Repo, nil
}

// RemoteID is what now holds the message of a key on the other side, "" if not known.
func (s *Store) RemoteID(ctx context.Context, key string) (string, error) {
	var id string
	_, err := one(ctx, s.db.reader(), []any{&id}, "select remote_id from outbox where ident = $1", key)
	return id, err
}
