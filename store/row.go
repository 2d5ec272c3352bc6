package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
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
var columns = sync.OnceValue(func() []column {
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
		moment("order_since", func(d *D) *time.Time { return &d.OrderSince }),
		number("overtakes", func(d *D) *bool { return &d.Overtakes }),
		number("repeats", func(d *D) *bool { return &d.Repeats }),
		{"seq",
			func(*D) any { return new(int64) },
			func(d *D) any { return sequence(d.Envelope.Reference) }},
		text("leased_by", func(d *D) *string { return &d.LeasedBy }),
		moment("leased_until", func(d *D) *time.Time { return &d.LeasedUntil }),
	}
})

// sequence is a reference as a number, 0 if it is none.
func sequence(reference string) int64 {
	n, err := strconv.ParseInt(reference, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
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

// query returns the deliveries that fit what, which may end in ORDER BY and LIMIT.
func query(ctx context.Context, q querier, what string, args ...any) ([]exchange.Delivery, error) {
	rows, err := q.query(ctx, "SELECT "+all()+" FROM delivery d WHERE "+what, args...)
	if err != nil {
		return nil, err
	}
	return scan(rows)
}

// all names what scan expects.
var all = sync.OnceValue(func() string { return "id, " + strings.Join(names(), ", ") })

// scan reads whole rows of deliveries.
func scan(rows *sql.Rows) ([]exchange.Delivery, error) {
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

// insert writes a new row. One whose intake identity is known stands as it is,
// and known tells so.
func insert(ctx context.Context, tx querier, d exchange.Delivery, by exchange.Happening, text string) (row exchange.Delivery, known bool, err error) {
	to, err := exchange.Next("", by)
	if err != nil {
		return d, false, err
	}
	d.State, d.Changed = to, d.TakenAt
	cols := names()
	err = scalar(ctx, tx, []any{&d.ID}, "INSERT INTO delivery ("+strings.Join(cols, ", ")+") VALUES ("+marks(len(cols))+") ON CONFLICT (intake) DO NOTHING RETURNING id", values(&d)...)
	if errors.Is(err, sql.ErrNoRows) {
		d, err = one(ctx, tx, "intake = ?", d.Intake)
		return d, true, err
	}
	if err != nil {
		return d, false, err
	}
	return d, false, record(ctx, tx, d, by, "", d.TakenAt, d.Cause, text)
}

// update writes what differs from before, guarded by state and holder. Columns
// that stay cost nothing: every index that a statement names is written anew.
func update(ctx context.Context, tx querier, before exchange.Delivery, d *exchange.Delivery, lease exchange.Lease) error {
	var set []string
	var args []any
	for _, c := range columns() {
		if c.name == "leased_until" {
			continue
		}
		if v := c.store(d); !same(v, c.store(&before)) {
			set, args = append(set, c.name+" = ?"), append(args, v)
		}
	}
	switch {
	case lease.Node != "":
		clock, now := tx.speaks().now()
		set, args = append(set, "leased_until = "+clock+" + ?"), append(append(args, now...), int64(lease.For))
	case before.LeasedBy != "" && d.LeasedBy == "":
		set = append(set, "leased_until = NULL")
		d.LeasedUntil = time.Time{}
	case len(set) == 0:
		return nil
	}
	n, err := tx.exec(ctx, "UPDATE delivery SET "+strings.Join(set, ", ")+" WHERE id = ? AND state = ? AND leased_by = ?",
		append(args, d.ID, string(before.State), before.LeasedBy)...)
	if err == nil && n != 1 {
		err = exchange.ErrMoved
	}
	return err
}

// same compares two values as they are stored.
func same(a, b any) bool {
	x, bytesA := a.([]byte)
	y, bytesB := b.([]byte)
	if bytesA || bytesB {
		return bytes.Equal(x, y)
	}
	return a == b
}

func record(ctx context.Context, tx querier, d exchange.Delivery, by exchange.Happening, from exchange.State, at time.Time, cause exchange.Cause, text string) error {
	_, err := tx.exec(ctx, `INSERT INTO event (delivery, at, what, from_state, to_state, attempt, cause, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		d.ID, at.UnixNano(), string(by), string(from), string(d.State), d.Attempt, string(cause), text)
	return err
}
