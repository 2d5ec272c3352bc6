package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"gateway301/exchange"
)

// Delivery returns one row. The error wraps [exchange.ErrNotFound] if there is none.
func (l *Ledger) Delivery(ctx context.Context, id int64) (exchange.Delivery, error) {
	d, err := one(ctx, l.read, "id = ?", id)
	if err != nil {
		return d, fmt.Errorf("delivery %d: %w", id, err)
	}
	return d, nil
}

// A Filter picks deliveries for a list. Empty fields pick all.
type Filter struct {
	Direction exchange.Direction
	States    []exchange.State
	Partner   string
	Name      string    // original file name, transfer name (with or without .AUF) or Anwendungsreferenz
	Before    time.Time // in their state since before then; zero: no matter
	Limit     int       // 0 = no limit; the newest are kept
}

// Deliveries returns the rows that fit, oldest first.
func (l *Ledger) Deliveries(ctx context.Context, f Filter) ([]exchange.Delivery, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(cond string, v ...any) { where, args = append(where, cond), append(args, v...) }
	if f.Direction != "" {
		add("direction = ?", string(f.Direction))
	}
	if len(f.States) > 0 {
		add("state IN ("+marks(len(f.States))+")", anys(f.States)...)
	}
	if f.Partner != "" {
		add("(partner = ? OR account = ?)", f.Partner, f.Partner)
	}
	if f.Name != "" {
		stem := strings.TrimSuffix(f.Name, ".AUF")
		add("(name = ? OR transfer_name = ? OR application_ref = ? OR intake = ?)", f.Name, stem, f.Name, f.Name)
	}
	if !f.Before.IsZero() {
		add("changed < ?", f.Before.UnixNano())
	}
	limit := f.Limit
	if limit <= 0 {
		limit = math.MaxInt32
	}
	return query(ctx, l.read, "id IN (SELECT id FROM delivery WHERE "+strings.Join(where, " AND ")+" ORDER BY id DESC LIMIT ?) ORDER BY id", append(args, limit)...)
}

// Events returns a delivery's history, oldest first.
func (l *Ledger) Events(ctx context.Context, delivery int64) ([]exchange.Event, error) {
	rows, err := l.read.query(ctx, `SELECT id, delivery, at, what, from_state, to_state, attempt, cause, text FROM event WHERE delivery = ? ORDER BY id`, delivery)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []exchange.Event
	for rows.Next() {
		var e exchange.Event
		if err := rows.Scan(&e.ID, &e.Delivery, nanos{&e.At}, &e.What, &e.From, &e.To, &e.Attempt, &e.Cause, &e.Text); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// Sum counts the deliveries of a direction by state. Every delivery is in
// exactly one, so the values add up to all that was ever taken over.
func (l *Ledger) Sum(ctx context.Context, dir exchange.Direction) (map[exchange.State]int, error) {
	rows, err := l.read.query(ctx, `SELECT state, count(*) FROM delivery WHERE direction = ? GROUP BY state`, string(dir))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sum := map[exchange.State]int{}
	for rows.Next() {
		var s exchange.State
		var n int
		if err := rows.Scan(&s, &n); err != nil {
			return nil, err
		}
		sum[s] = n
	}
	return sum, rows.Err()
}

// Due returns up to limit deliveries in one of states whose step is due at now,
// longest due first.
func (l *Ledger) Due(ctx context.Context, now time.Time, limit int, states ...exchange.State) ([]exchange.Delivery, error) {
	args := append(anys(states), now.UnixNano(), limit)
	return query(ctx, l.read, "state IN ("+marks(len(states))+") AND due <= ? ORDER BY due, id LIMIT ?", args...)
}

// NextToSend returns what is due at a partner: a delivery whose outcome is unknown
// first, else the sealed one that is due longest. Whether it is its turn by UNB
// 0020 is told by [Ledger.Predecessor]. Without one the error wraps [exchange.ErrNotFound].
func (l *Ledger) NextToSend(ctx context.Context, now time.Time, partner string) (exchange.Delivery, error) {
	for _, state := range []exchange.State{exchange.Unknown, exchange.Sealed} {
		d, err := one(ctx, l.read, `partner = ? AND state = ? AND due <= ? AND direction = 'out' ORDER BY due, id LIMIT 1`, partner, string(state), now.UnixNano())
		if !errors.Is(err, exchange.ErrNotFound) {
			return d, err
		}
	}
	return exchange.Delivery{}, exchange.ErrNotFound
}

// NextDue returns the earliest due time later than after, zero when there is none.
func (l *Ledger) NextDue(ctx context.Context, after time.Time) (time.Time, error) {
	var t time.Time
	err := scalar(ctx, l.read, []any{nanos{&t}}, `SELECT min(due) FROM delivery WHERE due > ?`, after.UnixNano())
	return t, err
}

// OutboundNamed returns our deliveries with this Anwendungsreferenz that were
// sent or may have been.
func (l *Ledger) OutboundNamed(ctx context.Context, applicationRef string) ([]exchange.Delivery, error) {
	return query(ctx, l.read, `direction = 'out' AND application_ref = ? AND transfer_name <> '' ORDER BY id`, applicationRef)
}

// SameIdentity returns inbound deliveries with the triple that identifies a
// delivery (GGT Anlage 2): ABSENDER_EIGNER, VERFAHREN_KENNUNG (the first five
// characters of the transfer name) and DATUM_ERSTELLUNG.
func (l *Ledger) SameIdentity(ctx context.Context, owner, verfahren, created string) ([]exchange.Delivery, error) {
	return query(ctx, l.read, `owner = ? AND created = ? AND direction = 'in' AND substr(transfer_name, 1, 5) = ? ORDER BY id`, owner, created, verfahren)
}

// RejectedBefore returns the latest rejected delivery that came in by this
// account under this name before another one, which corrects it; the error wraps
// [exchange.ErrNotFound] if there is none.
func (l *Ledger) RejectedBefore(ctx context.Context, account, name string, before int64) (exchange.Delivery, error) {
	return one(ctx, l.read, `direction = 'out' AND account = ? AND name = ? AND state = 'rejected' AND id < ? ORDER BY id DESC LIMIT 1`, account, name, before)
}

// HasIntake reports whether a delivery with this intake identity exists.
func (l *Ledger) HasIntake(ctx context.Context, intake string) (bool, error) {
	_, err := one(ctx, l.read, "intake = ?", intake)
	if errors.Is(err, exchange.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// TakenFrom returns the delivery that was taken from this original of this
// account; the error wraps [exchange.ErrNotFound] if there is none.
func (l *Ledger) TakenFrom(ctx context.Context, account, fingerprint string) (exchange.Delivery, error) {
	return one(ctx, l.read, "account = ? AND fingerprint = ? ORDER BY id DESC LIMIT 1", account, fingerprint)
}

// HasHistory reports whether a transfer number was ever allotted towards partner.
func (l *Ledger) HasHistory(ctx context.Context, partner string) (bool, error) {
	var n int
	err := scalar(ctx, l.read, []any{&n}, `SELECT count(*) FROM transfer_counter WHERE partner = ?`, partner)
	return n > 0, err
}

// TakeFetched is [Ledger.TakeInTurn] for what a collector brought: the same
// transaction remembers the originals until [Ledger.Forget] is told that they
// are gone.
func (l *Ledger) TakeFetched(ctx context.Context, turn exchange.Turn, d exchange.Delivery, text string, originals []exchange.Fetched) (row exchange.Delivery, err error) {
	err = l.transaction(ctx, func(ctx context.Context, tx querier) error {
		if err := inTurn(ctx, tx, turn); err != nil {
			return err
		}
		var err error
		if row, _, err = insert(ctx, tx, d, exchange.Arrived, text); err != nil {
			return err
		}
		for _, f := range originals {
			if _, err := tx.exec(ctx, `INSERT INTO fetched (partner, name, size, modified, sha256, delivery) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (partner, name, size, modified) DO UPDATE SET sha256 = excluded.sha256, delivery = excluded.delivery`,
				d.Account, f.Name, f.Size, f.Modified.UnixNano(), f.SHA256, row.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return row, err
}

// FetchedFrom returns what still stands at the partner although it is stored here.
func (l *Ledger) FetchedFrom(ctx context.Context, partner string) ([]exchange.Fetched, error) {
	rows, err := l.read.query(ctx, `SELECT name, size, modified, sha256, delivery FROM fetched WHERE partner = ?`, partner)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []exchange.Fetched
	for rows.Next() {
		var f exchange.Fetched
		if err := rows.Scan(&f.Name, &f.Size, nanos{&f.Modified}, &f.SHA256, &f.Delivery); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

// Forget drops the memory of an original that is gone from the partner.
func (l *Ledger) Forget(ctx context.Context, partner string, f exchange.Fetched) error {
	_, err := l.execute(ctx, `DELETE FROM fetched WHERE partner = ? AND name = ? AND size = ? AND modified = ?`,
		partner, f.Name, f.Size, f.Modified.UnixNano())
	return err
}

// execute runs one statement in a transaction of its own and returns how many
// rows it changed.
func (l *Ledger) execute(ctx context.Context, statement string, args ...any) (n int64, err error) {
	err = l.transaction(ctx, func(ctx context.Context, tx querier) error {
		n, err = tx.exec(ctx, statement, args...)
		return err
	})
	return n, err
}

// StopPartner records a stop, replacing an earlier one.
func (l *Ledger) StopPartner(ctx context.Context, s exchange.Stop) error {
	_, err := l.execute(ctx, `INSERT INTO partner_stop (partner, at, cause, text, credential) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (partner) DO UPDATE SET at = excluded.at, cause = excluded.cause, text = excluded.text, credential = excluded.credential`,
		s.Partner, s.At.UnixNano(), string(s.Cause), s.Text, s.Credential)
	return err
}

// Stopped returns the partners that are stopped, by name.
func (l *Ledger) Stopped(ctx context.Context) (map[string]exchange.Stop, error) {
	rows, err := l.read.query(ctx, `SELECT partner, at, cause, text, credential FROM partner_stop`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]exchange.Stop{}
	for rows.Next() {
		var s exchange.Stop
		if err := rows.Scan(&s.Partner, nanos{&s.At}, &s.Cause, &s.Text, &s.Credential); err != nil {
			return nil, err
		}
		out[s.Partner] = s
	}
	return out, rows.Err()
}

// ResumePartner lifts a stop. It reports whether there was one.
func (l *Ledger) ResumePartner(ctx context.Context, partner string) (bool, error) {
	n, err := l.execute(ctx, `DELETE FROM partner_stop WHERE partner = ?`, partner)
	return n > 0, err
}

func marks(n int) string {
	if n == 0 {
		return ""
	}
	return "?" + strings.Repeat(", ?", n-1)
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}
