package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gateway301/exchange"
)

// Take inserts a new delivery with its first event and returns it with its id.
// A delivery whose intake identity is known already is returned as it stands.
func (l *Ledger) Take(ctx context.Context, d exchange.Delivery, by exchange.Happening, text string) (exchange.Delivery, error) {
	return l.TakeInTurn(ctx, exchange.Turn{}, d, by, text)
}

// TakeInTurn is [Ledger.Take] for a node that must have a turn to do so.
func (l *Ledger) TakeInTurn(ctx context.Context, turn exchange.Turn, d exchange.Delivery, by exchange.Happening, text string) (row exchange.Delivery, err error) {
	err = l.transaction(ctx, func(ctx context.Context, tx querier) error {
		if err := inTurn(ctx, tx, turn); err != nil {
			return err
		}
		row, _, err = insert(ctx, tx, d, by, text)
		return err
	})
	return row, err
}

// Apply performs all moves in one transaction and returns the rows as they
// stand after it. If any of them is not in its From state, nothing is changed
// and the error wraps [exchange.ErrMoved].
func (l *Ledger) Apply(ctx context.Context, moves ...exchange.Move) ([]exchange.Delivery, error) {
	var out []exchange.Delivery
	err := l.transaction(ctx, func(ctx context.Context, tx querier) error {
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

func apply(ctx context.Context, tx querier, m exchange.Move) (exchange.Delivery, error) {
	if err := inTurn(ctx, tx, m.Turn); err != nil {
		return exchange.Delivery{}, err
	}
	d, err := one(ctx, tx, "id = ?"+tx.speaks().lock, m.ID)
	if err != nil {
		return d, err
	}
	if d.State != m.From {
		return d, fmt.Errorf("delivery %d: %w: %s, not %s", m.ID, exchange.ErrMoved, d.State, m.From)
	}
	if m.Holder != "" && d.LeasedBy != m.Holder {
		return d, fmt.Errorf("delivery %d: %w: its lease went to %q", m.ID, exchange.ErrMoved, d.LeasedBy)
	}
	before := d
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
	lease := m.Lease
	if m.InOrder {
		if err := awaits(ctx, tx, &d); err != nil {
			return d, err
		}
	}
	if m.By != exchange.Noted {
		d.LeasedBy = lease.Node
	}
	if err := update(ctx, tx, before, &d, lease); err != nil {
		return d, err
	}
	if err := wakeNext(ctx, tx, m.From, &d, m.At); err != nil {
		return d, err
	}
	// A wait that is merely prolonged is not worth another line of history.
	if !said || m.By != exchange.Postponed && m.By != exchange.Retrying {
		if err := record(ctx, tx, d, m.By, m.From, m.At, m.Cause, m.Text); err != nil {
			return d, err
		}
	}
	for _, draft := range m.Drafts {
		if draft.Kind == exchange.Answer {
			draft.Answers = d.ID
		} else {
			draft.Replaces = d.ID
		}
		if err := makeDraft(ctx, tx, draft); err != nil {
			return d, err
		}
	}
	return d, nil
}

// makeDraft inserts a delivery of our own making, unless it was decided before: a delivery that is
// opened again is not answered twice.
func makeDraft(ctx context.Context, tx querier, d exchange.Delivery) error {
	switch _, err := one(ctx, tx, "intake = ?", d.Intake); {
	case err == nil:
		return nil
	case !errors.Is(err, exchange.ErrNotFound):
		return err
	}
	if d.Envelope.Reference == "" {
		var err error
		if d.Envelope.Reference, err = nextReference(ctx, tx, d); err != nil {
			return err
		}
	}
	_, _, err := insert(ctx, tx, d, exchange.Drafting, d.Reason)
	return err
}

func nextReference(ctx context.Context, tx querier, d exchange.Delivery) (string, error) {
	key := []any{d.Envelope.Sender, d.Envelope.Recipient, string(d.Mode)}
	if err := alone(ctx, tx, "reference", key...); err != nil {
		return "", err
	}
	n, err := counter(ctx, tx, `SELECT next FROM interchange_counter WHERE sender = ? AND recipient = ? AND mode = ?`, 1, key...)
	if err != nil {
		return "", err
	}
	next := n + 1
	if next > 99999 {
		next = 1
	}
	_, err = tx.exec(ctx, `INSERT INTO interchange_counter (sender, recipient, mode, next) VALUES (?, ?, ?, ?)
		ON CONFLICT (sender, recipient, mode) DO UPDATE SET next = excluded.next`, append(key, next)...)
	return fmt.Sprintf("%05d", n), err
}

func counter(ctx context.Context, tx querier, query string, first int, key ...any) (int, error) {
	n := first
	err := scalar(ctx, tx, []any{&n}, query, key...)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	return n, nil
}
