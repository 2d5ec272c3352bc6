package store

import (
	"context"

	"gateway301/exchange"
)

// Notice keeps what is told once. It reports whether that is the first time,
// whichever node asks.
func (l *Ledger) Notice(ctx context.Context, n exchange.Notice) (first bool, err error) {
	added, err := l.execute(ctx, `INSERT INTO notice (subject, stage, at, text) VALUES (?, ?, ?, ?) ON CONFLICT (subject, stage) DO NOTHING`,
		n.Subject, n.Stage, n.At.UnixNano(), n.Text)
	return added == 1, err
}

// Notices returns what was told, the latest last.
func (l *Ledger) Notices(ctx context.Context) ([]exchange.Notice, error) {
	rows, err := l.read.query(ctx, `SELECT subject, stage, at, text FROM notice ORDER BY at, subject, stage`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []exchange.Notice
	for rows.Next() {
		var n exchange.Notice
		if err := rows.Scan(&n.Subject, &n.Stage, nanos{&n.At}, &n.Text); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}
