package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

const (
	// maxBackoff is the longest wait between two attempts for one message.
	maxBackoff = time.Hour
	// maxTries is about two days of attempts.
	maxTries = 50
)

// Delivery sums up one [Deliver].
type Delivery struct {
	Posted  int       // messages that are where they belong now
	Dropped int       // messages that will never be posted
	Waiting int       // messages to be tried again
	Next    time.Time // when to deliver again; zero if nothing waits
}

// Deliver posts what is due in the outbox, one message after another, until nothing is. A
// newer state that comes while an older one of its key is being posted is posted after it,
// never before. A failure of one message does not keep the others back, unless it concerns
// all of them: a rate limit or a refused token ends the delivery, and Next says when to go
// on.
//
// Only one Deliver may run on an outbox at a time. The error is that of the outbox or of
// ctx; what could not be posted is in the Delivery, the outbox and the log. A crash at any
// point, or an error of MarkPosted, posts a message again, which changes nothing.
func Deliver(ctx context.Context, box Outbox, to Poster, now func() time.Time, log *slog.Logger) (Delivery, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var d Delivery
	done := map[version]bool{}
	for {
		items, err := due(ctx, box, now(), done)
		if err != nil || len(items) == 0 {
			return d, err
		}
		for _, it := range items {
			if ctx.Err() != nil {
				return d, context.Cause(ctx)
			}
			done[version{it.Key, it.Seq}] = true
			stop, err := d.deliver(ctx, box, to, it, now, log)
			if err != nil || stop {
				return d, err
			}
		}
	}
}

// version is one state of one key.
type version struct {
	key string
	seq int64
}

// due returns the messages that this delivery has not handled yet, of each key the newest.
func due(ctx context.Context, box Outbox, now time.Time, done map[version]bool) ([]Item, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	items, err := box.Pending(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	newest := map[string]int64{}
	for _, it := range items {
		newest[it.Key] = max(newest[it.Key], it.Seq)
	}
	return slices.DeleteFunc(slices.Clone(items), func(it Item) bool {
		return done[version{it.Key, it.Seq}] || it.Seq < newest[it.Key]
	}), nil
}

// deliver posts one message and records what came of it.
func (d *Delivery) deliver(ctx context.Context, box Outbox, to Poster, it Item, now func() time.Time, log *slog.Logger) (stop bool, err error) {
	log = log.With("repo", it.Repo, "sha", it.SHA, "key", it.Key)
	id, err := to.Post(ctx, it.Message)
	if err == nil {
		if err := box.MarkPosted(ctx, it, id, now()); err != nil {
			return true, fmt.Errorf("record that %s is posted: %w", it.Key, err)
		}
		d.Posted++
		log.Debug("posted", "kind", it.Kind, "state", it.State)
		return false, nil
	}
	if ctx.Err() != nil {
		return true, context.Cause(ctx)
	}
	var again time.Time
	var retry *RetryError
	if errors.As(err, &retry) && (retry.All || it.Tries+1 < maxTries) {
		again = now().Add(max(retry.After, backoff(it.Tries)))
		if retry.All {
			again = now().Add(retry.After)
		}
		d.Waiting++
		if d.Next.IsZero() || again.Before(d.Next) {
			d.Next = again
		}
		log.Warn("posting is delayed", "reason", retry.Err, "until", again)
	} else {
		d.Dropped++
		if retry != nil {
			err = fmt.Errorf("gave up after %d attempts: %w", it.Tries+1, retry.Err)
		}
		log.Error("not posted", "reason", err)
	}
	if merr := box.MarkFailed(ctx, it, err.Error(), again); merr != nil {
		return true, fmt.Errorf("record that %s is not posted: %w", it.Key, merr)
	}
	return retry != nil && retry.All, nil
}

// backoff is the wait before attempt tries+2: a minute, doubled each time, up to an hour.
func backoff(tries int) time.Duration {
	return min(maxBackoff, time.Minute<<min(max(tries, 0), 10))
}
