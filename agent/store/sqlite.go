package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"modernc.org/sqlite" // registers the "sqlite" driver
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/holdfast-ci/holdfast/runner"
)

// sqliteEngine keeps everything in one file on a local disk. All writing, River's
// included, goes through one connection: SQLite has one writer anyway, and waiting in
// line inside the process is fair and silent, where a busy database is neither. Reads
// have connections of their own and see the last commit (WAL).
type sqliteEngine struct {
	path   string
	db     *sql.DB // one connection
	ro     *sql.DB
	client *river.Client[*sql.Tx]
	own    chan struct{} // this process committed: its listener need not wait to see it
}

func openSQLite(ctx context.Context, path string, log *slog.Logger) (*sqliteEngine, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", sqliteURL(path, "_txlock=immediate", "_pragma=synchronous(normal)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	e := &sqliteEngine{path: path, db: db, own: make(chan struct{}, 1)}
	if err := connect(ctx, db); err != nil {
		e.close()
		return nil, diskHint(err)
	}
	if e.ro, err = sql.Open("sqlite", sqliteURL(path, "_pragma=query_only(1)")); err != nil {
		e.close()
		return nil, err
	}
	e.ro.SetMaxOpenConns(4) // one is the listener's
	e.ro.SetMaxIdleConns(3)
	if e.client, err = river.NewClient(riversqlite.New(db), insertConfig(log)); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// connect makes the first connection, which switches a new file to a write-ahead log. While
// another process does that, or takes the log away as the last to leave, SQLite says
// SQLITE_BUSY at once: it does not wait for the busy timeout there.
func connect(ctx context.Context, db *sql.DB) error {
	for pause, since := 5*time.Millisecond, time.Now(); ; pause *= 2 {
		err := db.PingContext(ctx)
		var se *sqlite.Error
		if !errors.As(err, &se) || se.Code()&0xff != sqlite3.SQLITE_BUSY || time.Since(since) > busyTimeout {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// busyTimeout is how long a statement waits for other processes.
const busyTimeout = 5 * time.Second

// sqliteURL is the data source name of a file: its path is escaped, so that "?" and "%"
// in a folder's name mean themselves.
func sqliteURL(path string, params ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	u.RawQuery = fmt.Sprintf("_pragma=busy_timeout(%d)&_pragma=journal_mode(wal)", busyTimeout.Milliseconds())
	for _, p := range params {
		u.RawQuery += "&" + p
	}
	return u.String()
}

func (e *sqliteEngine) close() {
	if e.ro != nil {
		_ = e.ro.Close()
	}
	_ = e.db.Close()
}

func (e *sqliteEngine) alone() bool { return true }

func (e *sqliteEngine) clock() string { return "cast(unixepoch('subsec') * 1000 as integer)" }

func (e *sqliteEngine) reader() querier { return sqlQuerier{e.ro} }

func (e *sqliteEngine) inTx(ctx context.Context, f func(tx) error) error {
	t, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return diskHint(err)
	}
	// Does nothing after a commit. A panic must not leave the only connection that writes in it.
	defer func() { _ = t.Rollback() }()
	if err := f(&sqliteTx{sqlQuerier{t}, t, e.client}); err != nil {
		return diskHint(err)
	}
	if err := t.Commit(); err != nil {
		return diskHint(err)
	}
	select {
	case e.own <- struct{}{}:
	default: // it has yet to look at an earlier one
	}
	return nil
}

// diskHint says what SQLite's "disk I/O error" usually is: where the room for one of its
// files cannot be had, it does not say that the disk is full.
func diskHint(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	switch se.Code() & 0xff { // what is above tells which call it was
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL:
		return runner.WithHint(err, "look whether the disk is full or read-only; the state folder wants a local disk")
	}
	return err
}

func (e *sqliteEngine) migrate(ctx context.Context, own func(context.Context) error) error {
	unlock, err := waitLock(ctx, e.path+".migrate", "", nil)
	if err != nil {
		return err
	}
	defer unlock()
	m, err := rivermigrate.New(riversqlite.New(e.db), nil)
	if err != nil {
		return err
	}
	return migrateRiver(ctx, m, own)
}

func (e *sqliteEngine) worker(cfg *river.Config) (client, error) {
	cfg.FetchPollInterval = sqlitePoll
	return river.NewClient(listeningDriver{riversqlite.New(e.db), e.ro, e.own}, cfg)
}

type sqlQuerier struct {
	q interface {
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

func (q sqlQuerier) query(ctx context.Context, each func(func(...any) error) error, text string, args ...any) error {
	rows, err := q.q.QueryContext(ctx, text, clean(args)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

type sqliteTx struct {
	sqlQuerier
	t      *sql.Tx
	client *river.Client[*sql.Tx]
}

func (t *sqliteTx) exec(ctx context.Context, text string, args ...any) (int64, error) {
	res, err := t.t.ExecContext(ctx, text, clean(args)...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *sqliteTx) enqueue(ctx context.Context, jobs ...river.InsertManyParams) ([]int64, error) {
	return enqueue(ctx, t.client, t.t, jobs)
}

func (t *sqliteTx) cancel(ctx context.Context, id int64) error {
	return cancelJob(ctx, t.client, t.t, id)
}

func enqueue[T any](ctx context.Context, c *river.Client[T], t T, jobs []river.InsertManyParams) ([]int64, error) {
	res, err := c.InsertManyTx(ctx, t, jobs)
	if err != nil {
		return nil, fmt.Errorf("enqueue: %w", err)
	}
	ids := make([]int64, len(res))
	for i, r := range res {
		ids[i] = r.Job.ID
	}
	return ids, nil
}

func cancelJob[T any](ctx context.Context, c *river.Client[T], t T, id int64) error {
	_, err := c.JobCancelTx(ctx, t, id)
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil
	}
	return err
}
