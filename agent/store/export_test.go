package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// RiverLog is what River logs to.
func (s *Store) RiverLog() *slog.Logger { return s.riverLog() }

// Exec runs one statement, for tests that need a state which takes a broken machine.
func (s *Store) Exec(ctx context.Context, sql string, args ...any) error {
	return s.db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, sql, args...)
		return err
	})
}

// Within runs one statement and holds its locks while do runs.
func (s *Store) Within(ctx context.Context, sql string, do func() error) error {
	return s.db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, sql)
		if err == nil {
			err = do()
		}
		return err
	})
}

// Count reads one number.
func (s *Store) Count(ctx context.Context, sql string, args ...any) (n int64, err error) {
	_, err = one(ctx, s.db.reader(), []any{&n}, sql, args...)
	return n, err
}

// Rewind is one look at the clock.
func (s *Store) Rewind(ctx context.Context) error { return s.rewind(ctx) }

// Due is due.
func (s *Store) Due(ctx context.Context, now time.Time) (bool, error) { return s.due(ctx, now) }

// SchemaVersion is the version of the tables that this program writes.
var SchemaVersion = schemaVersion

// Statements splits the schema.
var Statements = statements

// Requeue loses one running attempt, as a crash does.
func (s *Store) Requeue(ctx context.Context, run int64, stage string, attempt int) error {
	return s.db.inTx(ctx, func(t tx) error {
		return s.requeue(ctx, t, jobKey{run, stage, attempt}, "running", true, errDied)
	})
}

// SetRest sets how long the queue is without work before its client rests.
func (s *Store) SetRest(d time.Duration) { s.rest = d }

// Join is what Work says first: which queues this process works.
func (s *Store) Join(ctx context.Context, queues ...string) error {
	m := map[string]int{}
	for _, q := range queues {
		m[q] = 1
	}
	return s.join(ctx, m)
}

// SetWaits sets what says that a job waits for a machine.
func (s *Store) SetWaits(say func(runner.Run, Wait) []publish.Message) { s.say = say }

// Pulse is what is done every BeatEvery.
func (s *Store) Pulse(ctx context.Context, now time.Time) error { return s.pulse(ctx, now) }

// BeatEvery is how often a process says that it lives.
const BeatEvery = beatEvery

// Watch is who looks whether others live.
type Watch = watch

// Look is one look.
func (w *Watch) Look(now time.Time, beats map[string]int64) []string { return w.look(now, beats) }
