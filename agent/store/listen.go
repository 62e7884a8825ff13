package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// River's listener for SQLite asks its table of notifications 20 times a second, which
// alone costs an idle agent about one percent of a core; fetching from each queue every
// second costs as much. Both are needless while nobody writes, and SQLite tells that for
// next to nothing: "pragma data_version" changes when another connection, of this process
// or another, has committed. So the listener is asked only after a commit, and fetching
// without a notification is left as a fallback.
//
// The types of package riverdriver are not a stable interface. This is the one file that
// names them, River's modules are pinned to one version, and without this file the queue
// only gets slower.

const (
	// How often to ask whether somebody committed: what the job of another process waits at
	// most.
	listenInterval = 500 * time.Millisecond
	// How long the listener then looks: two of its own rounds, for the first may be
	// late on a machine that runs a benchmark.
	listenWindow = 80 * time.Millisecond
	// How often each queue is fetched from although no notification came.
	sqlitePoll   = 30 * time.Second
	postgresPoll = time.Second
)

// listeningDriver is River's driver with another listener, which reads on connections of
// its own.
type listeningDriver struct {
	*riversqlite.Driver
	ro  *sql.DB
	own <-chan struct{}
}

func (d listeningDriver) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &listener{Listener: riversqlite.New(d.ro).GetListener(p), ro: d.ro, own: d.own}
}

// listener is used by one goroutine at a time, as River's notifier does.
type listener struct {
	riverdriver.Listener
	ro      *sql.DB
	own     <-chan struct{} // this process committed
	conn    *sql.Conn       // pinned: data_version compares with what this connection saw before
	version int64
	more    bool // there may be notifications that were not read
}

func (l *listener) Connect(ctx context.Context) error {
	if err := l.Listener.Connect(ctx); err != nil {
		return err
	}
	conn, err := l.ro.Conn(ctx)
	if err != nil {
		return errors.Join(err, l.Listener.Close(ctx))
	}
	l.conn, l.more = conn, true
	return nil
}

func (l *listener) Close(ctx context.Context) error {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
	return l.Listener.Close(ctx)
}

func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		if l.conn == nil {
			return nil, errors.New("listener is not connected")
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// A context that can end costs a goroutine for each query, and this one takes
		// microseconds.
		var version int64
		if err := l.conn.QueryRowContext(context.WithoutCancel(ctx), "pragma data_version").Scan(&version); err != nil {
			return nil, err
		}
		// Noted before reading: a commit that comes while reading is seen next time.
		l.more = l.more || version != l.version
		l.version = version
		if l.more {
			window, cancel := context.WithTimeout(ctx, listenWindow)
			n, err := l.Listener.WaitForNotification(window)
			cancel()
			switch {
			case err == nil:
				return n, nil
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case window.Err() == nil:
				return nil, err
			}
			l.more = false
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.own:
		case <-time.After(listenInterval):
		}
	}
}
