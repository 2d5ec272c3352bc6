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
	"syscall"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database driver

	"gateway301/exchange"
)

// The errors that callers decide on.
var (
	ErrLocked   = errors.New("the ledger is in use by another process")
	ErrNoLedger = errors.New("there is no ledger")
)

//go:embed migrations/*.sql
var migrations embed.FS

// A Ledger is the SQLite ledger. Its methods are safe for concurrent use.
type Ledger struct {
	write, read *sql.DB
	lock        *os.File
}

// Open opens the ledger at path for writing, creating or migrating it, and
// keeps every other process from doing so. If one already does, the error
// wraps [ErrLocked].
func Open(ctx context.Context, path string) (*Ledger, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite gives its side files the same mode
	if err != nil {
		lock.Close()
		return nil, err
	}
	f.Close()
	l := &Ledger{lock: lock}
	l.write, err = connect(path, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)")
	if err != nil {
		l.Close()
		return nil, err
	}
	l.write.SetMaxOpenConns(1)
	if err := l.migrate(ctx); err != nil {
		l.Close()
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	if l.read, err = connect(path, "_pragma=query_only(1)"); err != nil {
		l.Close()
		return nil, err
	}
	l.read.SetMaxOpenConns(4)
	return l, nil
}

// OpenReadOnly opens an existing ledger for the methods that only read; a
// service may go on writing meanwhile. Without one the error wraps [ErrNoLedger].
func OpenReadOnly(path string) (*Ledger, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrNoLedger)
	} else if err != nil {
		return nil, err
	}
	read, err := connect(path, "_pragma=query_only(1)")
	if err != nil {
		return nil, err
	}
	return &Ledger{read: read}, nil
}

func connect(path string, options ...string) (*sql.DB, error) {
	options = append(options, "_pragma=busy_timeout(10000)")
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: strings.Join(options, "&")}
	return sql.Open("sqlite", u.String())
}

func (l *Ledger) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, l.write, files, goose.WithLogger(log.New(discard{}, "", 0)))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Close lets go of the ledger.
func (l *Ledger) Close() error {
	var errs []error
	for _, db := range []*sql.DB{l.read, l.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	return errors.Join(errs...)
}

// Take inserts a new delivery with its first event and returns it with its id.
// A delivery whose intake identity is known already is returned as it stands.
func (l *Ledger) Take(ctx context.Context, d exchange.Delivery, by exchange.Happening, text string) (exchange.Delivery, error) {
	err := l.transaction(ctx, func(tx *sql.Tx) error {
		known, err := one(ctx, tx, "intake = ?", d.Intake)
		if err == nil {
			d = known
			return nil
		}
		if !errors.Is(err, exchange.ErrNotFound) {
			return err
		}
		d, err = insert(ctx, tx, d, by, text)
		return err
	})
	return d, err
}

// Apply performs all moves in one transaction and returns the rows as they
// stand after it. If any of them is not in its From state, nothing is changed
// and the error wraps [exchange.ErrMoved].
func (l *Ledger) Apply(ctx context.Context, moves ...exchange.Move) ([]exchange.Delivery, error) {
	var out []exchange.Delivery
	err := l.transaction(ctx, func(tx *sql.Tx) error {
		out = out[:0]
		for _, m := range moves {
			d, err := apply(ctx, tx, m)
			if err != nil {
				return err
			}
			out = append(out, d)
		}
		return nil
	})
	return out, err
}

func (l *Ledger) transaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := l.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func apply(ctx context.Context, tx *sql.Tx, m exchange.Move) (exchange.Delivery, error) {
	d, err := one(ctx, tx, "id = ?", m.ID)
	if err != nil {
		return d, err
	}
	if d.State != m.From {
		return d, fmt.Errorf("delivery %d: %w: %s, not %s", m.ID, exchange.ErrMoved, d.State, m.From)
	}
	to, err := exchange.Next(m.From, m.By)
	if err != nil {
		return d, fmt.Errorf("delivery %d: %w", m.ID, err)
	}
	said := d.Reason == m.Text && d.Cause == m.Cause && to == d.State
	if m.By != exchange.Noted {
		d.Due, d.Cause, d.Reason = m.Due, m.Cause, m.Text
	}
	if to != d.State {
		d.State, d.Changed = to, m.At
	}
	if m.Change != nil {
		m.Change(&d)
	}
	if err := update(ctx, tx, d, m.From); err != nil {
		return d, err
	}
	// A wait that is merely prolonged is not worth another line of history.
	if !said || m.By != exchange.Postponed && m.By != exchange.Retrying {
		if err := record(ctx, tx, d, m.By, m.From, m.At, m.Cause, m.Text); err != nil {
			return d, err
		}
	}
	for _, draft := range m.Drafts {
		switch _, err := one(ctx, tx, "intake = ?", draft.Intake); {
		case err == nil: // decided before; a delivery that is opened again is not answered twice
			continue
		case !errors.Is(err, exchange.ErrNotFound):
			return d, err
		}
		if draft.Kind == exchange.Answer {
			draft.Answers = d.ID
		} else {
			draft.Replaces = d.ID
		}
		if draft.Envelope.Reference == "" {
			if draft.Envelope.Reference, err = nextReference(ctx, tx, draft); err != nil {
				return d, err
			}
		}
		if _, err := insert(ctx, tx, draft, exchange.Drafting, draft.Reason); err != nil {
			return d, err
		}
	}
	return d, nil
}

func nextReference(ctx context.Context, tx *sql.Tx, d exchange.Delivery) (string, error) {
	key := []any{d.Envelope.Sender, d.Envelope.Recipient, string(d.Mode)}
	n, err := counter(ctx, tx, `SELECT next FROM interchange_counter WHERE sender = ? AND recipient = ? AND mode = ?`, 1, key...)
	if err != nil {
		return "", err
	}
	next := n + 1
	if next > 99999 {
		next = 1
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO interchange_counter (sender, recipient, mode, next) VALUES (?, ?, ?, ?)
		ON CONFLICT (sender, recipient, mode) DO UPDATE SET next = excluded.next`, append(key, next)...)
	return fmt.Sprintf("%05d", n), err
}

func counter(ctx context.Context, tx *sql.Tx, query string, first int, key ...any) (int, error) {
	n := first
	err := tx.QueryRowContext(ctx, query, key...).Scan(&n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	return n, nil
}

// OpenBeside opens an existing ledger for single moves beside a service that
// may be running: its moves and ours are guarded alike, and a service sees a
// new due time within a minute.
func OpenBeside(path string) (*Ledger, error) {
	l, err := OpenReadOnly(path)
	if err != nil {
		return nil, err
	}
	if l.write, err = connect(path, "_txlock=immediate", "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)"); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.write.SetMaxOpenConns(1)
	return l, nil
}
