package store

import (
	"context"
	"strings"

	"github.com/riverqueue/river"
)

// engine is one of the two databases. River's generic client and the two kinds of
// transaction stay behind it.
type engine interface {
	// inTx runs f in one writing transaction and commits when f returns nil. f may be
	// called again when the database asks for the transaction to be repeated, so it sets
	// its results rather than adding to them. It must not touch the engine but through
	// the tx: there is one writing connection on SQLite.
	inTx(ctx context.Context, f func(tx) error) error
	// reader answers queries outside a transaction.
	reader() querier
	// migrate brings River's tables and, through own, Holdfast's to the current version.
	// Only one process at a time is inside.
	migrate(ctx context.Context, own func(context.Context) error) error
	// worker builds a client that works the queues of cfg.
	worker(cfg *river.Config) (client, error)
	// clock is SQL for the time by the database's clock, in unix milliseconds.
	clock() string
	// alone reports whether only this process can be working the queue.
	alone() bool
	close()
}

// querier reads rows. SQL texts use $1 placeholders, and text, bigint and double
// precision only, so that one text serves both engines.
type querier interface {
	query(ctx context.Context, each func(scan func(...any) error) error, sql string, args ...any) error
}

// tx is one writing transaction.
type tx interface {
	querier
	// exec returns the number of rows changed.
	exec(ctx context.Context, sql string, args ...any) (int64, error)
	// enqueue inserts River jobs and returns their ids.
	enqueue(ctx context.Context, jobs ...river.InsertManyParams) ([]int64, error)
	// cancel cancels a River job, or asks its worker to. An unknown one is no error.
	cancel(ctx context.Context, id int64) error
}

// client is the part of a working *river.Client that does not depend on the kind of
// transaction.
type client interface {
	Start(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	Stop(ctx context.Context) error
	Stopped() <-chan struct{}
}

// one reads a single row into dest and reports whether there was one.
func one(ctx context.Context, q querier, dest []any, sql string, args ...any) (found bool, err error) {
	err = q.query(ctx, func(scan func(...any) error) error {
		found = true
		return scan(dest...)
	}, sql, args...)
	return found, err
}

// clean makes arguments storable. Branch names, commit subjects and compiler output may
// hold invalid UTF-8 and NUL, which Postgres refuses; both engines store the same.
func clean(args []any) []any {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = cleanText(s)
		}
	}
	return args
}

func cleanText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return s
}
