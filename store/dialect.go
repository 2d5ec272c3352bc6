package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/pressly/goose/v3"
)

// A dialect is what SQLite and PostgreSQL do differently. Queries are written
// with "?" for their arguments and otherwise in what both understand.
type dialect struct {
	goose      goose.Dialect
	migrations string // folder of migrations/
	numbered   bool   // arguments are $1, $2, …
	plain      bool   // text must be UTF-8 without NUL
	lock       string // after a SELECT in a transaction: nobody else may change these rows until it ends
	skip       string // the same, leaving out rows that are locked
	level      string // the part of column proof before its colon: the proof level
	clock      string // the database's clock in Unix nanoseconds; "?": ours, since it runs in our process
}

func sqlite() *dialect {
	return &dialect{goose: goose.DialectSQLite3, migrations: "migrations/sqlite", clock: "?", level: "substr(proof, 1, instr(proof || ':', ':') - 1)"}
}

func postgres() *dialect {
	return &dialect{
		goose: goose.DialectPostgres, migrations: "migrations/postgres", numbered: true, plain: true,
		level: "split_part(proof, ':', 1)",
		lock:  " FOR UPDATE", skip: " FOR UPDATE SKIP LOCKED",
		clock: "(extract(epoch FROM clock_timestamp()) * 1000000000)::bigint",
	}
}

// now returns the expression of the clock that leases are measured by, and its
// arguments. Nodes' clocks differ; that of the database is one.
func (d *dialect) now() (expr string, args []any) {
	if d.clock == "?" {
		return "?", []any{time.Now().UnixNano()}
	}
	return d.clock, nil
}

// rebind numbers the arguments of a query.
func (d *dialect) rebind(query string) string {
	if !d.numbered {
		return query
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// arguments makes text fit for the database: names of files may hold any bytes.
func (d *dialect) arguments(args []any) []any {
	if !d.plain {
		return args
	}
	for i, a := range args {
		if s, ok := a.(string); ok && (!utf8.ValidString(s) || strings.ContainsRune(s, 0)) {
			args[i] = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	return args
}

// A querier runs queries in a dialect: a database, or a transaction.
type querier interface {
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	exec(ctx context.Context, query string, args ...any) (int64, error) // rows affected
	speaks() *dialect
}

// scalar scans the one row of a query; without one the error is [sql.ErrNoRows].
func scalar(ctx context.Context, q querier, into []any, query string, args ...any) error {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(rows.Err(), sql.ErrNoRows)
	}
	return errors.Join(rows.Scan(into...), rows.Close())
}

// A preparer prepares statements: a pool, or one connection.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// A prepared querier keeps its statements, as parsing them anew takes SQLite
// longer than most of them run.
type prepared struct {
	on      preparer
	dialect *dialect
	mu      sync.Mutex
	kept    map[string]*sql.Stmt
}

func newPrepared(on preparer, d *dialect) *prepared {
	return &prepared{on: on, dialect: d, kept: map[string]*sql.Stmt{}}
}

func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.kept[query]; ok {
		return s, nil
	}
	s, err := p.on.PrepareContext(ctx, p.dialect.rebind(query))
	if err == nil {
		p.kept[query] = s
	}
	return s, err
}

func (p *prepared) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, p.dialect.arguments(args)...)
}

func (p *prepared) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(ctx, p.dialect.arguments(args)...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (p *prepared) speaks() *dialect { return p.dialect }

// close lets go of the statements.
func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range p.kept {
		errs = append(errs, s.Close())
	}
	p.kept = map[string]*sql.Stmt{}
	return errors.Join(errs...)
}
