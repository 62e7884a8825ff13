// Package store keeps what the agent must not forget: runs and their results, the queue
// of work, the messages still to be posted, and the marks of schedules and polls.
//
// River is the queue, on SQLite by default (one file, one machine) and on Postgres for a
// fleet, with one SQL text for both. State and queue share one transaction, so a job
// exists exactly when the row that speaks of it does. River's client never leaves this
// package.
//
// The life of a run: [Store.CreateRun] inserts the run and its jobs; a worker claims each
// job ([Store.Claim]) and stores its result ([Store.Finish]); the one who finishes the
// last job enqueues the report; the report's handler judges, renders and calls
// [Store.FinishRun], which stores the final document together with the messages to post.
// Every step is one transaction that names the state and the attempt it expects: one that
// comes late changes nothing. [Store.Cancel] and a newer head end a run early; that, too,
// goes through the report, so that what was said to be pending is always concluded.
//
// Examining commits, judging, rendering and posting are left to others.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// ErrNotFound says that there is no such run.
var ErrNotFound = errors.New("no such run")

// ErrStale says that a job is no longer the caller's: it was cancelled, superseded or
// handed out anew. The result is dropped, and the caller stops.
var ErrStale = errors.New("the job is no longer this worker's")

// ErrStopping is the cause of a job's context when the agent stops. The job goes back to
// the queue: its handler returns without calling Finish.
var ErrStopping = errors.New("the agent is stopping")

// Options say where the store is. Exactly one of SQLite and Postgres is set.
type Options struct {
	SQLite   string // path of the database file; its folder is created
	Postgres string // connection URL
	// Owner names this process in the rows it claims, unique for each start ("mini/4711/a3f0").
	// Empty: host name, process number and start time.
	Owner string
	// Dir is a folder on this machine in which processes mark that they live. Empty: the
	// folder of the SQLite file. Needed with Postgres to work jobs or to run directly.
	Dir string
	// Name and Class tell people and other machines about this one: its name in agent.toml
	// (empty: the host's) and the class of its figures.
	Name, Class string
	// Wait is how long a job that asks for a machine waits while none such lives; 0 is
	// DefaultWait.
	Wait time.Duration
	// ByHand leaves it to the caller to call Beat, for tests of what a silent machine comes to.
	ByHand bool
	// Grace is how long running jobs may go on when Work is asked to stop before their
	// context is cancelled.
	Grace time.Duration
	Log   *slog.Logger // nil discards
}

// Store is an open store. Its methods may be called from several goroutines.
type Store struct {
	db     engine
	owner  string
	name   string
	class  string
	dir    string
	byHand bool
	grace  time.Duration
	wait   time.Duration
	rest   time.Duration // restAfter, but in tests
	log    *slog.Logger
	watch  watch           // of Beat
	stuck  map[jobKey]bool // at the last Beat; without a stage it is a report

	mu      sync.Mutex
	mark    *os.File                                 // held from the first claim on
	silence func()                                   // ends what says that this process lives
	queues  string                                   // that Work works, as in the table agent
	say     func(runner.Run, Wait) []publish.Message // of Work's handlers
	running map[jobKey]context.CancelCauseFunc       // jobs being worked in this process

	posts chan struct{} // wakes the poster; holds at most one
}

// jobKey names one attempt at one job.
type jobKey struct {
	run     int64
	stage   string
	attempt int
}

// Open opens the store and brings its tables up to date. The error is ErrNewer when a
// newer Holdfast has changed them.
func Open(ctx context.Context, o Options) (*Store, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		owner: o.Owner, name: o.Name, class: o.Class, dir: o.Dir, byHand: o.ByHand, grace: o.Grace, rest: restAfter, log: log,
		running: map[jobKey]context.CancelCauseFunc{}, posts: make(chan struct{}, 1),
	}
	if s.wait = o.Wait; s.wait <= 0 {
		s.wait = DefaultWait
	}
	host, _ := os.Hostname()
	if s.name == "" {
		s.name = host
	}
	if s.owner == "" {
		s.owner = fmt.Sprintf("%s/%d/%x", host, os.Getpid(), time.Now().UnixNano())
	}
	quiet := s.riverLog()
	var err error
	switch {
	case o.SQLite != "" && o.Postgres != "":
		return nil, errors.New("open store: both a SQLite file and a Postgres URL are given")
	case o.SQLite != "":
		if s.dir == "" {
			s.dir = filepath.Dir(o.SQLite)
		}
		// Assigned through a variable of its own: a nil *sqliteEngine is not a nil engine.
		var e *sqliteEngine
		if e, err = openSQLite(ctx, o.SQLite, quiet); err != nil {
			return nil, fmt.Errorf("open store %s: %w", o.SQLite, err)
		}
		s.db = e
	case o.Postgres != "":
		var e *postgresEngine
		if e, err = openPostgres(ctx, o.Postgres, quiet); err != nil {
			// pgx leaves passwords out of its errors.
			return nil, fmt.Errorf("open store on Postgres: %w", err)
		}
		s.db = e
	default:
		return nil, errors.New("open store: neither a SQLite file nor a Postgres URL is given")
	}
	if err := s.db.migrate(ctx, s.migrate); err != nil {
		s.db.close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// Close lets go of the database. What this process still had claimed is found by a later
// [Store.Recover].
func (s *Store) Close(ctx context.Context) error {
	s.dropMark(ctx)
	s.db.close()
	return nil
}

// Owner is the name of this process in the rows it claims.
func (s *Store) Owner() string { return s.owner }

// now is the wall clock in UTC without the monotonic reading, as it is stored: to the
// millisecond.
func now() time.Time { return time.UnixMilli(time.Now().UnixMilli()).UTC() }

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func open(state string) bool { return state == runner.StateQueued || state == runner.StateRunning }

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
