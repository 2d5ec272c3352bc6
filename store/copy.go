package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// copied lists the tables that Copy takes along, each with its order. Turns stay
// behind: whoever has one does not run.
var copied = [...]struct{ name, order string }{
	{"delivery", "id"},
	{"event", "id"},
	{"transfer_counter", "physical, partner, mode"},
	{"creation_time", "owner, verfahren"},
	{"interchange_counter", "sender, recipient, mode"},
	{"fetched", "partner, name, size, modified"},
	{"partner_stop", "partner"},
	{"notice", "subject, stage"},
}

// A Table tells what of one table was copied.
type Table struct {
	Name string
	Rows int64
}

// Copy writes all that one ledger remembers into another, which must be empty,
// and compares the two. Both must be opened so that no service writes meanwhile.
// What is copied is one transaction: it stands in the other ledger, or nothing does.
func Copy(ctx context.Context, from, to *Ledger) ([]Table, error) {
	var out []Table
	err := to.transaction(ctx, func(ctx context.Context, tx querier) error {
		out = nil
		for _, t := range copied {
			var n int64
			if err := scalar(ctx, tx, []any{&n}, "SELECT count(*) FROM "+t.name); err != nil {
				return err
			}
			if n > 0 {
				return fmt.Errorf("the other ledger is not empty: table %s has %d rows", t.name, n)
			}
			n, err := copyTable(ctx, from.read, tx, t.name, t.order)
			if err != nil {
				return fmt.Errorf("table %s: %w", t.name, err)
			}
			out = append(out, Table{t.name, n})
		}
		if !tx.speaks().numbered {
			return nil
		}
		for _, name := range []string{"delivery", "event"} { // the next id follows the last one copied
			if _, err := tx.exec(ctx, `SELECT setval(pg_get_serial_sequence('`+name+`', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM `+name+`), false)`); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, compare(ctx, from, to)
}

func copyTable(ctx context.Context, from, to querier, name, order string) (n int64, err error) {
	rows, err := from.query(ctx, "SELECT * FROM "+name+" ORDER BY "+order)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	insert := "INSERT INTO " + name + " (" + strings.Join(columns, ", ") + ") VALUES (" + marks(len(columns)) + ")"
	var truths []int // SQLite has numbers for them
	for i, c := range columns {
		if slices.Contains([]string{"published", "overtakes", "repeats"}, c) {
			truths = append(truths, i)
		}
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		for _, i := range truths {
			values[i] = values[i] == int64(1) || values[i] == true
		}
		if _, err := to.exec(ctx, insert, slices.Clone(values)...); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

// compare reads both ledgers again.
func compare(ctx context.Context, from, to *Ledger) error {
	for _, question := range []string{
		`SELECT count(*), coalesce(max(id), 0), coalesce(sum(size), 0) FROM delivery`,
		`SELECT count(*), coalesce(max(id), 0), coalesce(sum(delivery), 0) FROM event`,
		`SELECT count(*), coalesce(sum(next), 0), 0 FROM transfer_counter`,
		`SELECT count(*), coalesce(sum(next), 0), 0 FROM interchange_counter`,
		`SELECT count(*), 0, 0 FROM creation_time`, `SELECT count(*), 0, 0 FROM fetched`, `SELECT count(*), 0, 0 FROM partner_stop`,
	} {
		var a, b [3]int64
		for l, v := range map[*Ledger]*[3]int64{from: &a, to: &b} {
			if err := scalar(ctx, l.read, []any{&v[0], &v[1], &v[2]}, question); err != nil {
				return err
			}
		}
		if a != b {
			return fmt.Errorf("the copy differs: %q is %v here and %v there", question, a, b)
		}
	}
	return nil
}

// ErrRetired says that a ledger was given up for another one.
var ErrRetired = errors.New("this ledger was given up")

// Retire closes a ledger for good: a service that is started on it fails with
// [ErrRetired]. Reading it is still allowed.
func (l *Ledger) Retire(ctx context.Context, at time.Time, why string) error {
	_, err := l.execute(ctx, `INSERT INTO retired (at, why) VALUES (?, ?)`, at.UnixNano(), why)
	return err
}

// inService reports ErrRetired for a ledger that was given up.
func inService(ctx context.Context, q querier) error {
	var at time.Time
	var why string
	err := scalar(ctx, q, []any{nanos{&at}, &why}, `SELECT at, why FROM retired ORDER BY at DESC LIMIT 1`)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w on %s: %s", ErrRetired, at.Format(time.DateOnly), why)
	}
	return err
}
