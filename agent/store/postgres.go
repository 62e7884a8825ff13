package store

import (
	"context"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// postgresEngine shares one database among the agents of a fleet.
type postgresEngine struct {
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
}

func openPostgres(ctx context.Context, url string, log *slog.Logger) (*postgresEngine, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if _, set := cfg.ConnConfig.RuntimeParams["application_name"]; !set {
		cfg.ConnConfig.RuntimeParams["application_name"] = "holdfast"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	e := &postgresEngine{pool: pool}
	if err := pool.Ping(ctx); err != nil {
		e.close()
		return nil, err
	}
	if e.client, err = river.NewClient(riverpgxv5.New(pool), insertConfig(log)); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *postgresEngine) close() { e.pool.Close() }

func (e *postgresEngine) alone() bool { return false }

func (e *postgresEngine) clock() string {
	return "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)"
}

func (e *postgresEngine) reader() querier { return pgQuerier{e.pool} }

// A transaction that lost a deadlock or a serialization conflict is repeated this often.
const conflicts = 5

func (e *postgresEngine) inTx(ctx context.Context, f func(tx) error) error {
	for try := 1; ; try++ {
		err := e.once(ctx, f)
		var pg *pgconn.PgError
		if try < conflicts && errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001") {
			continue
		}
		return err
	}
}

func (e *postgresEngine) once(ctx context.Context, f func(tx) error) error {
	t, err := e.pool.Begin(ctx)
	if err != nil {
		return err
	}
	// Does nothing after a commit. A panic must not leave a transaction that holds up all others.
	defer func() { _ = t.Rollback(context.WithoutCancel(ctx)) }()
	if err := f(&postgresTx{pgQuerier{t}, t, e.client}); err != nil {
		return err
	}
	return t.Commit(ctx)
}

// migrationLock is the key of the advisory lock under which tables are changed.
const migrationLock = 0x686f6c6466617374 // "holdfast"

func (e *postgresEngine) migrate(ctx context.Context, own func(context.Context) error) error {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// The lock belongs to this session; closing it, not returning it to the pool, is the
	// one sure way to let go.
	defer func() { _ = conn.Hijack().Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return err
	}
	m, err := rivermigrate.New(riverpgxv5.New(e.pool), nil)
	if err != nil {
		return err
	}
	return migrateRiver(ctx, m, own)
}

func (e *postgresEngine) worker(cfg *river.Config) (client, error) {
	cfg.FetchPollInterval = postgresPoll
	return river.NewClient(riverpgxv5.New(e.pool), cfg)
}

type pgQuerier struct {
	q interface {
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}
}

func (q pgQuerier) query(ctx context.Context, each func(func(...any) error) error, text string, args ...any) error {
	rows, err := q.q.Query(ctx, text, clean(args)...)
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

type postgresTx struct {
	pgQuerier
	t      pgx.Tx
	client *river.Client[pgx.Tx]
}

func (t *postgresTx) exec(ctx context.Context, text string, args ...any) (int64, error) {
	tag, err := t.t.Exec(ctx, text, clean(args)...)
	return tag.RowsAffected(), err
}

func (t *postgresTx) enqueue(ctx context.Context, jobs ...river.InsertManyParams) ([]int64, error) {
	return enqueue(ctx, t.client, t.t, jobs)
}

func (t *postgresTx) cancel(ctx context.Context, id int64) error {
	return cancelJob(ctx, t.client, t.t, id)
}
