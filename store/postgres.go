package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Limits of the pool of one node.
const (
	pgConnections = 12
	pgTries       = 5 // of a transaction that met another
)

// presence is the advisory lock that every running service shares; whoever moves
// the ledger elsewhere takes it alone.
const presence = 0x6761746577617933 // "gateway3"

// changed is the channel on which every transaction tells that it is done.
const changed = "gateway_changed"

// OpenPostgres opens the ledger in a PostgreSQL database for a service, creating
// or migrating it. Any number of services may share it. dsn is what libpq takes:
// a URL or key=value pairs. No error repeats it.
func OpenPostgres(ctx context.Context, dsn string) (*Ledger, error) {
	return openPostgres(ctx, dsn, func(p *postgresDB) error {
		locker, err := lock.NewPostgresSessionLocker() // two nodes may start at once
		if err != nil {
			return err
		}
		if err := migrate(ctx, p.db, p.dialect, goose.WithSessionLocker(locker)); err != nil {
			return err
		}
		if err := inService(ctx, p); err != nil {
			return err
		}
		return p.hold(ctx, "pg_try_advisory_lock_shared")
	})
}

// OpenPostgresAlone is [OpenPostgres] for what no service may be running beside.
// If one does, the error wraps [ErrLocked].
func OpenPostgresAlone(ctx context.Context, dsn string) (*Ledger, error) {
	return openPostgres(ctx, dsn, func(p *postgresDB) error {
		if err := p.hold(ctx, "pg_try_advisory_lock"); err != nil {
			return err
		}
		if err := migrate(ctx, p.db, p.dialect); err != nil {
			return err
		}
		return inService(ctx, p)
	})
}

// OpenPostgresBeside opens an existing ledger in a PostgreSQL database for
// reading and for single moves beside services that may be running. Without one
// the error wraps [ErrNoLedger].
func OpenPostgresBeside(ctx context.Context, dsn string) (*Ledger, error) {
	return openPostgres(ctx, dsn, func(p *postgresDB) error {
		var there bool
		if err := p.db.QueryRowContext(ctx, `SELECT to_regclass('delivery') IS NOT NULL AND to_regclass('retired') IS NOT NULL`).Scan(&there); err != nil {
			return err
		}
		if !there {
			return ErrNoLedger
		}
		return nil
	})
}

func openPostgres(ctx context.Context, dsn string, prepare func(*postgresDB) error) (*Ledger, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the dsn is neither a postgres:// URL nor key=value pairs of libpq")
	}
	p := &postgresDB{config: config, db: stdlib.OpenDB(*config), dialect: postgres()}
	p.db.SetMaxOpenConns(pgConnections)
	p.db.SetMaxIdleConns(pgConnections)
	l := &Ledger{read: p, write: p.do, postgres: p, dbs: []*sql.DB{p.db}}
	if err := prepare(p); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger in PostgreSQL database %q at %s: %w", config.Database, config.Host, err), l.Close())
	}
	return l, nil
}

// A postgresDB runs queries outside transactions, and transactions.
type postgresDB struct {
	config  *pgx.ConnConfig
	db      *sql.DB
	dialect *dialect
	numbers sync.Map // queries with numbered arguments, by what they are written as
	present *sql.Conn
}

// hold keeps an advisory lock on a connection of its own, for as long as we live.
func (p *postgresDB) hold(ctx context.Context, how string) (err error) {
	if p.present, err = p.db.Conn(ctx); err != nil {
		return err
	}
	var got bool
	if err := p.present.QueryRowContext(ctx, `SELECT `+how+`($1)`, int64(presence)).Scan(&got); err != nil {
		return err
	}
	if !got {
		return ErrLocked
	}
	return nil
}

func (p *postgresDB) speaks() *dialect { return p.dialect }

func (p *postgresDB) numbered(query string) string {
	if q, ok := p.numbers.Load(query); ok {
		return q.(string)
	}
	q := p.dialect.rebind(query)
	p.numbers.Store(query, q)
	return q
}

func (p *postgresDB) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return p.db.QueryContext(ctx, p.numbered(query), p.dialect.arguments(args)...)
}

func (p *postgresDB) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(p.db.ExecContext(ctx, p.numbered(query), p.dialect.arguments(args)...))
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// do runs a transaction, again if it met another one.
func (p *postgresDB) do(ctx context.Context, do func(context.Context, querier) error) error {
	for try := 1; ; try++ {
		err := p.once(ctx, do)
		fault, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || try == pgTries || fault.Code != "40001" && fault.Code != "40P01" { // serialization failure, deadlock
			return err
		}
	}
}

func (p *postgresDB) once(ctx context.Context, do func(context.Context, querier) error) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(ctx, &postgresTx{p, tx}); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_notify('`+changed+`', '')`); err != nil {
		return err
	}
	return tx.Commit()
}

type postgresTx struct {
	*postgresDB
	tx *sql.Tx
}

func (t *postgresTx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, t.numbered(query), t.dialect.arguments(args)...)
}

func (t *postgresTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(t.tx.ExecContext(ctx, t.numbered(query), t.dialect.arguments(args)...))
}

// listenPause is the wait before a lost connection is made anew.
const listenPause = 2 * time.Second

// listen calls wake whenever any node changed something, until ctx ends.
func (p *postgresDB) listen(ctx context.Context, wake func()) error {
	for ctx.Err() == nil {
		_ = p.listenOnce(ctx, wake) // a lost connection: what was missed meanwhile is made good by the next wake
		wake()
		select {
		case <-ctx.Done():
		case <-time.After(listenPause):
		}
	}
	return ctx.Err()
}

func (p *postgresDB) listenOnce(ctx context.Context, wake func()) error {
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+changed); err != nil {
		return err
	}
	wake()
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
		wake()
	}
}

// close gives up the presence lock; the pool is closed after it, and the lock
// ends with its connection in any case.
func (p *postgresDB) close() error {
	if p.present == nil {
		return nil
	}
	return p.present.Close()
}
