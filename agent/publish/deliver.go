package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"strings"
	"time"
)

const (
	// maxBackoff is the longest wait between two attempts for one message.
	maxBackoff = time.Hour
	// maxTries is about two weeks of attempts: longer than a server of one's own is away over a
	// holiday.
	maxTries = 340
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
// all of them: after a rate limit or a refused token the others are handed back untried, and
// Next says when to go on.
//
// Only one Deliver may run on an outbox at a time. The error is that of the outbox or of
// ctx; what could not be posted is in the Delivery, the outbox and the log. A crash at any
// point, or an error of MarkPosted, posts a message again, which changes nothing.
func Deliver(ctx context.Context, box Outbox, to Poster, now func() time.Time, log *slog.Logger) (Delivery, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := delivery{box: box, to: to, now: now, log: log, done: map[string]bool{}, held: map[string]time.Time{}}
	for {
		items, err := d.due(ctx)
		if err != nil || len(items) == 0 {
			return d.Delivery, err
		}
		for _, it := range items {
			if ctx.Err() != nil {
				return d.Delivery, context.Cause(ctx)
			}
			d.done[version(it)] = true
			if err := d.deliver(ctx, it); err != nil {
				return d.Delivery, err
			}
		}
	}
}

// delivery is one [Deliver].
type delivery struct {
	Delivery
	box  Outbox
	to   Poster
	now  func() time.Time
	log  *slog.Logger
	done map[string]bool      // versions
	held map[string]time.Time // owners whose messages wait, "" for everybody's
}

// version is one state of one key, as text. Seq alone does not tell: what becomes known about
// a run afterwards, as the result of a search, changes its messages.
func version(it Item) string {
	m := it.Message
	m.RemoteID = ""
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Sprintf("%s %d", m.Key, m.Seq) // plain values only
	}
	return string(text)
}

// due returns the messages that this delivery has not handled yet, of each key the newest.
func (d *delivery) due(ctx context.Context) ([]Item, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	items, err := d.box.Pending(ctx, d.now())
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	newest := map[string]int64{}
	for _, it := range items {
		newest[it.Key] = max(newest[it.Key], it.Seq)
	}
	return slices.DeleteFunc(slices.Clone(items), func(it Item) bool {
		return d.done[version(it)] || it.Seq < newest[it.Key]
	}), nil
}

// deliver posts one message and records what came of it.
func (d *delivery) deliver(ctx context.Context, it Item) error {
	log := d.log.With("repo", it.Repo, "sha", it.SHA, "key", it.Key)
	if until := d.heldUntil(it); !until.IsZero() {
		return d.delay(ctx, it, until)
	}
	// Others were posted since the outbox was read, which may have taken minutes.
	if ok, err := d.box.Current(ctx, it); err != nil || !ok {
		return err
	}
	m := it.Message
	m.hold = &hold{d.box, it}
	id, err := d.to.Post(ctx, m)
	if errors.Is(err, errOvertaken) {
		log.Info("not posted", "reason", err)
		return nil
	}
	if err == nil {
		if err := d.box.MarkPosted(ctx, it, id, d.now()); err != nil {
			return fmt.Errorf("record that %s is posted: %w", it.Key, err)
		}
		d.Posted++
		log.Debug("posted", "kind", it.Kind, "state", it.State)
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var again time.Time
	var retry *RetryError
	if errors.As(err, &retry) && (retry.All || retry.Unsent || retry.Keep || it.Tries+1 < maxTries) {
		wait := retry.After
		if !retry.All && !retry.Unsent && !retry.Keep {
			wait = max(wait, backoff(it.Key, it.Tries))
		}
		again = d.now().Add(wait)
		if retry.All && !it.Live {
			d.held[retry.Payer] = again
		}
		log.Warn("posting is delayed", "reason", retry.Err, "until", again)
		if retry.Unsent {
			return d.delay(ctx, it, again)
		}
		d.waits(again)
	} else {
		d.Dropped++
		if retry != nil {
			err = fmt.Errorf("gave up after %d attempts: %w", it.Tries+1, retry.Err)
		}
		log.Error("not posted", "reason", err)
	}
	if merr := d.box.MarkFailed(ctx, it, err.Error(), again); merr != nil {
		return fmt.Errorf("record that %s is not posted: %w", it.Key, merr)
	}
	return nil
}

// heldUntil tells until when a message waits because of what an earlier one met; zero if
// it does not.
func (d *delivery) heldUntil(it Item) time.Time {
	owner, _, _ := strings.Cut(strings.ToLower(it.Repo), "/")
	all, own := d.held[""], d.held[owner]
	if own.After(all) {
		return own
	}
	return all
}

// delay hands a message back untried.
func (d *delivery) delay(ctx context.Context, it Item, until time.Time) error {
	d.waits(until)
	if err := d.box.Delay(ctx, []Item{it}, until); err != nil {
		return fmt.Errorf("record that %s waits: %w", it.Key, err)
	}
	return nil
}

func (d *delivery) waits(until time.Time) {
	d.Waiting++
	if d.Next.IsZero() || until.Before(d.Next) {
		d.Next = until
	}
}

// backoff is the wait before attempt tries+2: a minute, doubled each time, up to an hour,
// and up to a fifth more, which differs from key to key: what failed together must not come
// back together.
func backoff(key string, tries int) time.Duration {
	wait := min(maxBackoff, time.Minute<<min(max(tries, 0), 10))
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %d", key, tries)
	return wait + wait/5*time.Duration(h.Sum32()%1000)/1000
}
