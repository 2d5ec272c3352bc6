package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database driver
)

// The errors that callers decide on.
var (
	ErrLocked   = errors.New("the ledger is in use by another process")
	ErrNoLedger = errors.New("there is no ledger")
)

//go:embed migrations/*/*.sql
var migrations embed.FS

// A Ledger remembers deliveries. Its methods are safe for concurrent use.
type Ledger struct {
	read  querier
	write func(ctx context.Context, do func(context.Context, querier) error) error // one transaction; nil: only readers are welcome

	group    *group // of SQLite; nil otherwise
	reader   *prepared
	pool     *sql.DB     // of its readers
	postgres *postgresDB // nil: SQLite
	dbs      []*sql.DB
	lock     *os.File
	closed   atomic.Bool
}

// Open opens the SQLite ledger at path for writing, creating or migrating it,
// and keeps every other process from doing so. If one already does, the error
// wraps [ErrLocked].
func Open(ctx context.Context, path string) (*Ledger, error) {
	return openGrouped(ctx, path, groupSize)
}

func openGrouped(ctx context.Context, path string, size int) (*Ledger, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Ledger{lock: lock}
	if err := l.open(ctx, path, size); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context, path string, size int) error {
	if err := syscall.Flock(int(l.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s: %w", path, ErrLocked)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite gives its side files the same mode
	if err != nil {
		return err
	}
	f.Close()
	db, err := l.connect(path, 1, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)")
	if err != nil {
		return err
	}
	if err := migrate(ctx, db, sqlite()); err != nil {
		return fmt.Errorf("ledger %s: %w", path, err)
	}
	if err := l.readFrom(path); err != nil {
		return err
	}
	if err := inService(ctx, l.read); err != nil {
		return fmt.Errorf("ledger %s: %w", path, err)
	}
	return l.writeTo(ctx, db, size)
}

// OpenReadOnly opens an existing SQLite ledger for the methods that only read; a
// service may go on writing meanwhile. Without one the error wraps [ErrNoLedger].
func OpenReadOnly(path string) (*Ledger, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrNoLedger)
	} else if err != nil {
		return nil, err
	}
	l := &Ledger{}
	if err := l.readFrom(path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// OpenBeside opens an existing SQLite ledger for single moves beside a service
// that may be running: its moves and ours are guarded alike.
func OpenBeside(ctx context.Context, path string) (*Ledger, error) {
	l, err := OpenReadOnly(path)
	if err != nil {
		return nil, err
	}
	db, err := l.connect(path, 1, "_txlock=immediate", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)")
	if err == nil {
		err = l.writeTo(ctx, db, 1)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// readFrom gives the ledger its readers. Its columns must be those of this
// program: an older ledger is migrated by the service alone.
func (l *Ledger) readFrom(path string) error {
	db, err := l.connect(path, 4, "_pragma=query_only(1)")
	if err != nil {
		return err
	}
	l.pool, l.reader = db, newPrepared(db, sqlite())
	l.read = l.reader
	return nil
}

func (l *Ledger) writeTo(ctx context.Context, db *sql.DB, size int) (err error) {
	if l.group, err = newGroup(ctx, db, size); err == nil {
		l.write = l.group.do
	}
	return err
}

func (l *Ledger) connect(path string, most int, options ...string) (*sql.DB, error) {
	options = append(options, "_pragma=busy_timeout(10000)")
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: strings.Join(options, "&")}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	l.dbs = append(l.dbs, db)
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB, d *dialect, options ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, d.migrations)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(d.goose, db, files, append(options, goose.WithLogger(log.New(discard{}, "", 0)))...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Close lets go of the ledger, after the writes in hand. Once is enough.
func (l *Ledger) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	var errs []error
	if l.group != nil {
		errs = append(errs, l.group.close())
	}
	if l.reader != nil {
		errs = append(errs, l.reader.close())
	}
	if l.postgres != nil {
		errs = append(errs, l.postgres.close())
	}
	for _, db := range l.dbs {
		errs = append(errs, db.Close())
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	return errors.Join(errs...)
}

// Watch calls wake after changes that others may have made, operators' commands
// and other nodes, until ctx ends.
func (l *Ledger) Watch(ctx context.Context, wake func()) error {
	if l.postgres != nil {
		return l.postgres.listen(ctx, wake)
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	conn, err := l.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	seen := int64(-1)
	for {
		var version int64 // another one whenever another connection has written
		if err := conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&version); err == nil && version != seen {
			seen = version
			wake()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// watchEvery is how soon a service sees what a command beside it has done to a
// SQLite ledger.
const watchEvery = time.Second

// transaction runs do so that all of it happens or nothing. It may run do again,
// after nothing of it has happened.
func (l *Ledger) transaction(ctx context.Context, do func(context.Context, querier) error) error {
	if l.write == nil {
		return errors.New("the ledger was opened for reading alone")
	}
	return l.write(ctx, do)
}
