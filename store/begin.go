package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"gateway301/exchange"
)

// Begin applies m, which starts an attempt, and on a delivery's first attempt
// allots in the same transaction its transfer number (one counter per pair and
// mode, 999 followed by 000) and its creation time. A number is passed over
// while its name stands at the partner or an own delivery with it there is
// unfinished; the passed-over numbers are named in the event. With none left
// the error wraps [exchange.ErrExhausted]; without a free creation time it is a [*exchange.WaitError].
func (l *Ledger) Begin(ctx context.Context, m exchange.Move, a exchange.Allotment) (exchange.Delivery, error) {
	var d exchange.Delivery
	err := l.transaction(ctx, func(ctx context.Context, tx querier) error {
		row, err := one(ctx, tx, "id = ?"+tx.speaks().lock, m.ID)
		if err != nil {
			return err
		}
		begin := m
		if !row.HasNumber() {
			number, skipped, err := allotNumber(ctx, tx, row, a)
			if err != nil {
				return err
			}
			stamp, shared, err := allotStamp(ctx, tx, row, a)
			if err != nil {
				return err
			}
			if shared {
				begin.Text = strings.TrimSpace(begin.Text + " creation time " + stamp + " is shared with the delivery before;")
			}
			if len(skipped) > 0 {
				begin.Text = strings.TrimSpace(begin.Text + " passed over, still in use: " + ranges(skipped))
			}
			begin.Change = func(d *exchange.Delivery) {
				if m.Change != nil {
					m.Change(d)
				}
				d.TransferNumber, d.TransferName, d.Created = number, a.Name(number), stamp
			}
		}
		d, err = apply(ctx, tx, begin)
		return err
	})
	return d, err
}

func allotNumber(ctx context.Context, tx querier, d exchange.Delivery, a exchange.Allotment) (number int, skipped []int, err error) {
	key := []any{d.Physical, d.Partner, string(d.Mode)}
	if err := alone(ctx, tx, "number", d.Partner, string(d.Mode)); err != nil { // names of all senders stand in one folder
		return 0, nil, err
	}
	next, err := counter(ctx, tx, `SELECT next FROM transfer_counter WHERE physical = ? AND partner = ? AND mode = ?`, a.First, key...)
	if err != nil {
		return 0, nil, err
	}
	inUse, err := unfinished(ctx, tx, d)
	if err != nil {
		return 0, nil, err
	}
	for range 1000 {
		number, next = next, (next+1)%1000
		if name := a.Name(number); inUse[name] || a.Stands(name) {
			skipped = append(skipped, number)
			continue
		}
		_, err := tx.exec(ctx, `INSERT INTO transfer_counter (physical, partner, mode, next) VALUES (?, ?, ?, ?)
			ON CONFLICT (physical, partner, mode) DO UPDATE SET next = excluded.next`, append(key, next)...)
		return number, skipped, err
	}
	return 0, nil, fmt.Errorf("partner %s: %w", d.Partner, exchange.ErrExhausted)
}

// unfinished returns the transfer names that own deliveries to the partner
// hold on to: those with an attempt behind them and no proof yet.
func unfinished(ctx context.Context, tx querier, d exchange.Delivery) (map[string]bool, error) {
	rows, err := tx.query(ctx, `SELECT transfer_name FROM delivery WHERE partner = ? AND mode = ? AND transfer_name <> ''
		AND direction = 'out' AND state IN ('sealed', 'sending', 'unknown', 'held')`, d.Partner, string(d.Mode))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names[name] = true
	}
	return names, rows.Err()
}

// allotStamp allots the creation time; shared tells that the one before has the same.
func allotStamp(ctx context.Context, tx querier, d exchange.Delivery, a exchange.Allotment) (stamp string, shared bool, err error) {
	if err := alone(ctx, tx, "stamp", d.Owner, a.Verfahren); err != nil {
		return "", false, err
	}
	var last string
	err = scalar(ctx, tx, []any{&last}, `SELECT last FROM creation_time WHERE owner = ? AND verfahren = ?`, d.Owner, a.Verfahren)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", false, err
	}
	stamp, wait, err := a.Stamp(d.TakenAt, last)
	if err != nil {
		return "", false, err
	}
	if !wait.IsZero() {
		return "", false, &exchange.WaitError{Until: wait}
	}
	_, err = tx.exec(ctx, `INSERT INTO creation_time (owner, verfahren, last) VALUES (?, ?, ?)
		ON CONFLICT (owner, verfahren) DO UPDATE SET last = excluded.last`, d.Owner, a.Verfahren, stamp)
	return stamp, stamp == last, err
}

// ranges writes 17, 18, 19, 25 as "017-019, 025".
func ranges(n []int) string {
	var parts []string
	for i := 0; i < len(n); {
		j := i
		for j+1 < len(n) && n[j+1] == n[j]+1 {
			j++
		}
		if part := fmt.Sprintf("%03d", n[i]); i == j {
			parts = append(parts, part)
		} else {
			parts = append(parts, fmt.Sprintf("%s-%03d", part, n[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
