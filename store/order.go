package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gateway301/exchange"
)

// Which delivery comes before which is said by UNB 0020, which runs from 00001 to
// 99999 and starts again, for each sender, recipient and mode by itself.
//
// A row whose predecessor is in work waits with no due time: it costs nothing
// until the move that ends the predecessor's work makes it due. Sealing and that
// move look at each other's row under the lock of their pair, so that none waits
// for a wake that has passed.

const (
	pair     = `sender = ? AND recipient = ? AND mode = ? AND direction = 'out' AND kind = 'file'`
	working  = `state IN ('taken', 'drafted', 'routed', 'sealed', 'sending', 'unknown')`
	lastSeq  = 99999
	compared = 9999 // references further apart are not compared: over the wrap three of them could wait for one another
)

func pairOf(d *exchange.Delivery) []any {
	return []any{d.Envelope.Sender, d.Envelope.Recipient, string(d.Mode)}
}

// inOrder reports whether a delivery has a place in a sequence.
func inOrder(d *exchange.Delivery) bool {
	return d.Direction == exchange.Out && d.Kind == exchange.File && sequence(d.Envelope.Reference) > 0
}

func before(seq int64) int64 { return (seq+lastSeq-2)%lastSeq + 1 }
func after(seq int64) int64  { return seq%lastSeq + 1 }

// Predecessor tells what a delivery comes after, in its sender's own numbering.
func (l *Ledger) Predecessor(ctx context.Context, d exchange.Delivery) (exchange.Predecessor, error) {
	seq := sequence(d.Envelope.Reference)
	p := exchange.Predecessor{Reference: fmt.Sprintf("%05d", before(seq))}
	if !inOrder(&d) {
		return exchange.Predecessor{Passed: true}, nil
	}
	key := pairOf(&d)
	rows, err := query(ctx, l.read, pair+` AND seq = ? AND id <> ? ORDER BY id DESC LIMIT 100`, append(key, before(seq), d.ID)...)
	if err != nil {
		return p, err
	}
	for _, row := range rows {
		switch {
		case !row.DeliveredAt.IsZero() || row.State == exchange.Accepted || row.State.Class() == exchange.ClassDelivered || row.State.Class() == exchange.ClassUncontested:
			return exchange.Predecessor{Reference: p.Reference, Passed: true}, nil
		case row.State.Class() == exchange.InWork:
			p.InWork = true
		case p.ID == 0:
			p.ID, p.State = row.ID, row.State
		}
	}
	if p.InWork {
		p.ID, p.State = 0, ""
		return p, nil
	}
	// Not there, or it does not come by itself. Earlier ones may still be on their way.
	low, wrapped := seq-compared, int64(lastSeq+1)
	if low < 1 {
		low, wrapped = 1, low+lastSeq
	}
	for _, q := range []struct {
		into *bool
		what string
		args []any
	}{
		{&p.InWork, pair + ` AND (seq >= ? AND seq < ? OR seq >= ?) AND ` + working, append(key[:3:3], low, seq, wrapped)},
		{&p.Unread, `state = 'taken' AND account = ? AND taken_at <= ?`, []any{d.Account, d.Changed.UnixNano()}},
		{&p.History, pair + ` AND (seq >= ? AND seq < ? OR seq >= ?)`, append(key[:3:3], low, seq, wrapped)},
	} {
		if *q.into {
			continue
		}
		var one int
		err := scalar(ctx, l.read, []any{&one}, `SELECT 1 FROM delivery WHERE `+q.what+` LIMIT 1`, q.args...)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return p, err
		}
		*q.into = err == nil
	}
	return p, nil
}

// awaits parks a row that is being sealed or waits sealed if its predecessor is
// in work.
func awaits(ctx context.Context, tx querier, d *exchange.Delivery) error {
	if !inOrder(d) {
		return nil
	}
	if err := alone(ctx, tx, "pair", pairOf(d)...); err != nil {
		return err
	}
	var one int
	err := scalar(ctx, tx, []any{&one}, `SELECT 1 FROM delivery WHERE `+pair+` AND seq = ? AND `+working+` AND id <> ? LIMIT 1`,
		append(pairOf(d), before(sequence(d.Envelope.Reference)), d.ID)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	d.Due = time.Time{}
	return err
}

// wakeNext makes the successor of a row due that is in work no more.
func wakeNext(ctx context.Context, tx querier, from exchange.State, d *exchange.Delivery, at time.Time) error {
	if !inOrder(d) || from == d.State || d.State.Class() == exchange.InWork {
		return nil
	}
	if err := alone(ctx, tx, "pair", pairOf(d)...); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `UPDATE delivery SET due = ? WHERE `+pair+` AND seq = ? AND state = 'sealed' AND (due IS NULL OR order_since IS NOT NULL)`,
		append(append([]any{at.UnixNano()}, pairOf(d)...), after(sequence(d.Envelope.Reference)))...)
	return err
}

// WakeAll makes every sealed delivery due that waits for its predecessor: whether
// it still must is decided anew.
func (l *Ledger) WakeAll(ctx context.Context, at time.Time) error {
	_, err := l.execute(ctx, `UPDATE delivery SET due = ? WHERE state = 'sealed' AND due IS NULL`, at.UnixNano())
	return err
}

// SentBefore returns the first earlier delivery to the same partner since then
// that has the same content, or the same UNB sender, recipient, reference and
// mode, and that went out or still may. The error wraps [exchange.ErrNotFound] if
// there is none.
func (l *Ledger) SentBefore(ctx context.Context, d exchange.Delivery, since time.Time) (exchange.Delivery, error) {
	const counts = ` AND id < ? AND taken_at >= ? AND state NOT IN ('cancelled', 'quarantined') AND (state <> 'rejected' OR delivered_at IS NOT NULL) ORDER BY id LIMIT 1`
	same, err := one(ctx, l.read, `partner = ? AND sha256 = ? AND direction = 'out' AND kind = 'file'`+counts, d.Partner, d.SHA256, d.ID, since.UnixNano())
	if !errors.Is(err, exchange.ErrNotFound) || !inOrder(&d) {
		return same, err
	}
	return one(ctx, l.read, pair+` AND seq = ?`+counts, append(pairOf(&d), sequence(d.Envelope.Reference), d.ID, since.UnixNano())...)
}

// GapBefore returns the reference that should have come before an inbound
// delivery, where others have come from its sender and this one has not; else "".
func (l *Ledger) GapBefore(ctx context.Context, d exchange.Delivery) (string, error) {
	seq := sequence(d.Envelope.Reference)
	if seq == 0 {
		return "", nil
	}
	var others, it int
	err := scalar(ctx, l.read, []any{&others, &it}, `SELECT count(*), count(CASE WHEN seq = ? THEN 1 END) FROM (
		SELECT seq FROM delivery WHERE sender = ? AND recipient = ? AND mode = ? AND direction = 'in' AND seq > 0 AND id <> ? ORDER BY id DESC LIMIT 1000) AS lately`,
		append(append([]any{before(seq)}, pairOf(&d)...), d.ID)...)
	if err != nil || others == 0 || it > 0 {
		return "", err
	}
	return fmt.Sprintf("%05d", before(seq)), nil
}
