package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gateway301/exchange"
)

// stations lists the states in which a delivery needs work but no line. It
// stands as text in the index of claims, too: SQLite uses a partial index only
// for a query that repeats its condition.
const stations = `state IN ('taken', 'drafted', 'routed', 'received', 'opened', 'handing')`

// Claim leases up to limit deliveries whose next step needs no line and is due at
// now, longest due first, leaving out those in busy. A row under another lease is
// passed over until that ends.
func (l *Ledger) Claim(ctx context.Context, lease exchange.Lease, now time.Time, limit int, busy []int64) ([]exchange.Delivery, error) {
	free, clock := l.free()
	due := stations + ` AND due <= ? AND ` + free
	if len(busy) > 0 {
		due += ` AND id NOT IN (` + marks(len(busy)) + `)`
	}
	args := slices.Concat([]any{now.UnixNano()}, clock, anys(busy))
	var one int
	switch err := scalar(ctx, l.read, []any{&one}, `SELECT 1 FROM delivery WHERE `+due+` LIMIT 1`, args...); {
	case errors.Is(err, sql.ErrNoRows): // the usual case costs no write
		return nil, nil
	case err != nil:
		return nil, err
	}
	var out []exchange.Delivery
	err := l.transaction(ctx, func(ctx context.Context, tx querier) error {
		until, clock := tx.speaks().now()
		rows, err := tx.query(ctx, `UPDATE delivery SET leased_by = ?, leased_until = `+until+` + ? WHERE id IN (
			SELECT id FROM delivery WHERE `+due+` ORDER BY due, id LIMIT ?`+tx.speaks().skip+`) RETURNING `+all(),
			slices.Concat([]any{lease.Node}, clock, []any{int64(lease.For)}, args, []any{limit})...)
		if err != nil {
			return err
		}
		out, err = scan(rows)
		return err
	})
	slices.SortFunc(out, func(a, b exchange.Delivery) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}

// free is the condition that no lease is in force, and its arguments.
func (l *Ledger) free() (cond string, args []any) {
	clock, args := l.read.speaks().now()
	return `(leased_until IS NULL OR leased_until < ` + clock + `)`, args
}

// Renew prolongs the lease of a delivery. If the node has it no more, the error
// wraps [exchange.ErrMoved].
func (l *Ledger) Renew(ctx context.Context, lease exchange.Lease, id int64) error {
	err := l.transaction(ctx, func(ctx context.Context, tx querier) error {
		clock, now := tx.speaks().now()
		n, err := tx.exec(ctx, `UPDATE delivery SET leased_until = `+clock+` + ? WHERE id = ? AND leased_by = ?`,
			append(now, int64(lease.For), id, lease.Node)...)
		if err == nil && n == 0 {
			err = exchange.ErrMoved
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("lease of delivery %d: %w", id, err)
	}
	return nil
}

// Abandon ends all leases and turns of a node: it begins, or it has stopped.
func (l *Ledger) Abandon(ctx context.Context, node string) error {
	return l.transaction(ctx, func(ctx context.Context, tx querier) error {
		if _, err := tx.exec(ctx, `UPDATE delivery SET leased_by = '', leased_until = NULL WHERE leased_by = ? AND leased_by <> ''`, node); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `DELETE FROM turn WHERE node = ?`, node)
		return err
	})
}

// Interrupted returns up to limit deliveries with an attempt under way that
// nobody works on any more: their node's lease has ended.
func (l *Ledger) Interrupted(ctx context.Context, limit int) ([]exchange.Delivery, error) {
	free, clock := l.free()
	return query(ctx, l.read, `state = 'sending' AND `+free+` ORDER BY id LIMIT ?`, append(clock, limit)...)
}

// Turn takes a turn or prolongs it. It reports false while another node has it.
func (l *Ledger) Turn(ctx context.Context, name string, lease exchange.Lease) (bool, error) {
	var n int64
	err := l.transaction(ctx, func(ctx context.Context, tx querier) error {
		clock, now := tx.speaks().now()
		var err error
		n, err = tx.exec(ctx, `INSERT INTO turn (name, node, until) VALUES (?, ?, `+clock+` + ?)
			ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until
			WHERE turn.node = excluded.node OR turn.until < `+clock,
			slices.Concat([]any{name, lease.Node}, now, []any{int64(lease.For)}, now)...)
		return err
	})
	return n > 0, err
}

// Turns tells who has which turn in force.
func (l *Ledger) Turns(ctx context.Context) (map[string]string, error) {
	clock, now := l.read.speaks().now()
	rows, err := l.read.query(ctx, `SELECT name, node FROM turn WHERE until >= `+clock, now...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name, node string
		if err := rows.Scan(&name, &node); err != nil {
			return nil, err
		}
		out[name] = node
	}
	return out, rows.Err()
}

// inTurn makes sure that a node has the turn that it believes to have, until the
// transaction ends.
func inTurn(ctx context.Context, tx querier, t exchange.Turn) error {
	if t.Name == "" {
		return nil
	}
	clock, now := tx.speaks().now()
	var node string
	err := scalar(ctx, tx, []any{&node}, `SELECT node FROM turn WHERE name = ? AND until >= `+clock+tx.speaks().lock, append([]any{t.Name}, now...)...)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if node != t.Node {
		return fmt.Errorf("turn %q: %w: another node has it", t.Name, exchange.ErrMoved)
	}
	return nil
}

// alone keeps every other transaction from what key names until this one ends,
// also where there is no row yet that could be locked.
func alone(ctx context.Context, tx querier, what string, key ...any) error {
	if tx.speaks().lock == "" { // SQLite has one writer
		return nil
	}
	_, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(?, 0))`, what+"\x1f"+strings.TrimSpace(fmt.Sprintln(key...)))
	return err
}
