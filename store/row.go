package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"gateway301/exchange"
)

// A nanos scans and stores a time as Unix nanoseconds, the zero time as NULL.
type nanos struct{ t *time.Time }

func (n nanos) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*n.t = time.Time{}
	case int64:
		*n.t = time.Unix(0, v)
	default:
		return fmt.Errorf("time column holds %T", v)
	}
	return nil
}

func stored(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

// A column ties a name to how it is read from and written into a delivery.
type column struct {
	name  string
	scan  func(*exchange.Delivery) any
	store func(*exchange.Delivery) any
}

func text[T ~string](name string, field func(*exchange.Delivery) *T) column {
	return column{name,
		func(d *exchange.Delivery) any { return field(d) },
		func(d *exchange.Delivery) any { return string(*field(d)) }}
}

func number[T int | int64 | bool](name string, field func(*exchange.Delivery) *T) column {
	return column{name,
		func(d *exchange.Delivery) any { return field(d) },
		func(d *exchange.Delivery) any { return *field(d) }}
}

func moment(name string, field func(*exchange.Delivery) *time.Time) column {
	return column{name,
		func(d *exchange.Delivery) any { return nanos{field(d)} },
		func(d *exchange.Delivery) any { return stored(*field(d)) }}
}

// A words scans a comma separated list.
type words struct{ list *[]string }

func (w words) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("list column holds %T", v)
	}
	*w.list = nil
	if s != "" {
		*w.list = strings.Split(s, ",")
	}
	return nil
}

// columns lists every column but the id, in the order of queries.
func columns() []column {
	type D = exchange.Delivery
	return []column{
		text("intake", func(d *D) *string { return &d.Intake }),
		text("direction", func(d *D) *exchange.Direction { return &d.Direction }),
		text("kind", func(d *D) *exchange.Kind { return &d.Kind }),
		text("state", func(d *D) *exchange.State { return &d.State }),
		text("cause", func(d *D) *exchange.Cause { return &d.Cause }),
		text("reason", func(d *D) *string { return &d.Reason }),
		moment("due", func(d *D) *time.Time { return &d.Due }),
		number("attempt", func(d *D) *int { return &d.Attempt }),
		moment("taken_at", func(d *D) *time.Time { return &d.TakenAt }),
		moment("changed", func(d *D) *time.Time { return &d.Changed }),
		text("account", func(d *D) *string { return &d.Account }),
		text("name", func(d *D) *string { return &d.Name }),
		text("fingerprint", func(d *D) *string { return &d.Fingerprint }),
		number("size", func(d *D) *int64 { return &d.Size }),
		text("sha256", func(d *D) *string { return &d.SHA256 }),
		text("mode", func(d *D) *exchange.Mode { return &d.Mode }),
		text("sender", func(d *D) *string { return &d.Envelope.Sender }),
		text("recipient", func(d *D) *string { return &d.Envelope.Recipient }),
		text("reference", func(d *D) *string { return &d.Envelope.Reference }),
		text("application_ref", func(d *D) *string { return &d.Envelope.ApplicationRef }),
		{"types",
			func(d *D) any { return words{&d.Envelope.Types} },
			func(d *D) any { return strings.Join(d.Envelope.Types, ",") }},
		number("messages", func(d *D) *int64 { return &d.Envelope.Messages }),
		text("owner", func(d *D) *string { return &d.Owner }),
		text("physical", func(d *D) *string { return &d.Physical }),
		text("partner", func(d *D) *string { return &d.Partner }),
		text("kostentraeger", func(d *D) *string { return &d.Kostentraeger }),
		text("encrypt_to", func(d *D) *string { return &d.EncryptTo }),
		text("send_to", func(d *D) *string { return &d.SendTo }),
		number("transfer_number", func(d *D) *int { return &d.TransferNumber }),
		text("transfer_name", func(d *D) *string { return &d.TransferName }),
		text("created", func(d *D) *string { return &d.Created }),
		number("published", func(d *D) *bool { return &d.Published }),
		number("sealed_size", func(d *D) *int64 { return &d.SealedSize }),
		text("sealed_sha256", func(d *D) *string { return &d.SealedSHA256 }),
		moment("sealed_for", func(d *D) *time.Time { return &d.SealedFor }),
		number("plain_size", func(d *D) *int64 { return &d.PlainSize }),
		text("signer", func(d *D) *string { return &d.Signer }),
		moment("received_at", func(d *D) *time.Time { return &d.ReceivedAt }),
		moment("delivered_at", func(d *D) *time.Time { return &d.DeliveredAt }),
		moment("answer_by", func(d *D) *time.Time { return &d.AnswerBy }),
		text("proof", func(d *D) *string { return &d.Proof }),
		text("answer", func(d *D) *string { return &d.Answer }),
		number("answers", func(d *D) *int64 { return &d.Answers }),
		number("replaces", func(d *D) *int64 { return &d.Replaces }),
		{"draft",
			func(d *D) any { return &d.Draft },
			func(d *D) any { return d.Draft }},
	}
}

func names() []string {
	var out []string
	for _, c := range columns() {
		out = append(out, c.name)
	}
	return out
}

func values(d *exchange.Delivery) []any {
	var out []any
	for _, c := range columns() {
		out = append(out, c.store(d))
	}
	return out
}

// A querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// query returns the deliveries that fit what, which may end in ORDER BY and LIMIT.
func query(ctx context.Context, q querier, what string, args ...any) ([]exchange.Delivery, error) {
	rows, err := q.QueryContext(ctx, "SELECT id, "+strings.Join(names(), ", ")+" FROM delivery d WHERE "+what, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []exchange.Delivery
	cols := columns()
	for rows.Next() {
		var d exchange.Delivery
		into := []any{&d.ID}
		for _, c := range cols {
			into = append(into, c.scan(&d))
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

func one(ctx context.Context, q querier, what string, args ...any) (exchange.Delivery, error) {
	rows, err := query(ctx, q, what, args...)
	if err != nil {
		return exchange.Delivery{}, err
	}
	if len(rows) == 0 {
		return exchange.Delivery{}, exchange.ErrNotFound
	}
	return rows[0], nil
}

func insert(ctx context.Context, tx *sql.Tx, d exchange.Delivery, by exchange.Happening, text string) (exchange.Delivery, error) {
	to, err := exchange.Next("", by)
	if err != nil {
		return d, err
	}
	d.State, d.Changed = to, d.TakenAt
	cols := names()
	res, err := tx.ExecContext(ctx, "INSERT INTO delivery ("+strings.Join(cols, ", ")+") VALUES (?"+strings.Repeat(", ?", len(cols)-1)+")", values(&d)...)
	if err != nil {
		return d, err
	}
	if d.ID, err = res.LastInsertId(); err != nil {
		return d, err
	}
	return d, record(ctx, tx, d, by, "", d.TakenAt, d.Cause, text)
}

func update(ctx context.Context, tx *sql.Tx, d exchange.Delivery, from exchange.State) error {
	res, err := tx.ExecContext(ctx, "UPDATE delivery SET "+strings.Join(names(), " = ?, ")+" = ? WHERE id = ? AND state = ?",
		append(values(&d), d.ID, string(from))...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(exchange.ErrMoved, err)
	}
	return nil
}

func record(ctx context.Context, tx *sql.Tx, d exchange.Delivery, by exchange.Happening, from exchange.State, at time.Time, cause exchange.Cause, text string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO event (delivery, at, what, from_state, to_state, attempt, cause, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		d.ID, at.UnixNano(), string(by), string(from), string(d.State), d.Attempt, string(cause), text)
	return err
}
