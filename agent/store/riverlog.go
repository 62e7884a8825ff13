package store

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

func (s *Store) riverLog() *slog.Logger {
	return slog.New(riverLog{s.log.Handler(), &repeats{seen: map[string]repeat{}}})
}

// sameAgain is how often one and the same message of River is logged. While a database is
// away it says so three times a second, all night.
const sameAgain = time.Minute

// riverLog passes on what River says from warnings on: its notes on starting and stopping
// are about its own insides. A message that comes again and again is passed on once a
// minute, with how often it came.
type riverLog struct {
	slog.Handler
	repeats *repeats
}

// repeats are the messages of the last minute. There are a few dozen different ones.
type repeats struct {
	mu   sync.Mutex
	seen map[string]repeat
}

type repeat struct {
	said time.Time
	more int // came since
}

func (h riverLog) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

// Handle logs a message unless it was logged within the last minute.
func (h riverLog) Handle(ctx context.Context, r slog.Record) error {
	h.repeats.mu.Lock()
	last := h.repeats.seen[r.Message]
	again := r.Time.Sub(last.said) < sameAgain && !r.Time.Before(last.said)
	if again {
		last.more++
		h.repeats.seen[r.Message] = last
	} else {
		h.repeats.seen[r.Message] = repeat{said: r.Time}
	}
	h.repeats.mu.Unlock()
	if again {
		return nil
	}
	if last.more > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("repeated", last.more))
	}
	return h.Handler.Handle(ctx, r)
}

func (h riverLog) WithAttrs(as []slog.Attr) slog.Handler {
	return riverLog{h.Handler.WithAttrs(as), h.repeats}
}

func (h riverLog) WithGroup(name string) slog.Handler {
	return riverLog{h.Handler.WithGroup(name), h.repeats}
}
