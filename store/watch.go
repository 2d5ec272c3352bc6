package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"gateway301/exchange"
)

// Tallies counts what was taken over from from to to, exclusive, and what is not
// at rest whenever it was taken over: in work, held or quarantined, and rejected
// since rejected without a corrected file behind it.
func (l *Ledger) Tallies(ctx context.Context, from, to, rejected time.Time) ([]exchange.Tally, error) {
	var restless []exchange.State
	for _, s := range exchange.States() {
		switch s.Class() {
		case exchange.InWork, exchange.ClassHeld, exchange.ClassQuarantined:
			restless = append(restless, s)
		}
	}
	args := []any{from.UnixNano(), to.UnixNano(), from.UnixNano(), to.UnixNano()}
	args = append(append(args, anys(restless)...), rejected.UnixNano())
	rows, err := l.read.query(ctx, `SELECT CASE WHEN partner <> '' THEN partner ELSE account END AS whom, direction, state, `+l.read.speaks().level+` AS proven,
			CASE WHEN taken_at >= ? AND taken_at < ? THEN 1 ELSE 0 END AS tonight, count(*), min(taken_at), min(changed)
		FROM delivery d WHERE taken_at >= ? AND taken_at < ? OR state IN (`+marks(len(restless))+`)
			OR state = 'rejected' AND changed >= ? AND NOT EXISTS (SELECT 1 FROM delivery r WHERE r.replaces = d.id AND r.replaces <> 0)
		GROUP BY whom, direction, state, proven, tonight ORDER BY whom, direction, state, proven, tonight`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []exchange.Tally
	for rows.Next() {
		var t exchange.Tally
		if err := rows.Scan(&t.Partner, &t.Direction, &t.State, &t.Proof, &t.Tonight, &t.N, nanos{&t.Oldest}, nanos{&t.Since}); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// Imbalance is the number of files taken over, as their history tells, less the
// number of rows. It is 0 unless somebody has changed the ledger by hand.
func (l *Ledger) Imbalance(ctx context.Context) (int, error) {
	var n int
	err := scalar(ctx, l.read, []any{&n}, `SELECT (SELECT count(*) FROM event WHERE from_state = '') - (SELECT count(*) FROM delivery)`)
	return n, err
}

// Orphans counts answers that match nothing, or several, and wait for an operator.
func (l *Ledger) Orphans(ctx context.Context) (int, error) {
	var n int
	err := scalar(ctx, l.read, []any{&n}, `SELECT count(*) FROM delivery WHERE state = 'held' AND cause IN (?, ?)`, string(exchange.Orphan), string(exchange.Ambiguous))
	return n, err
}

// LastSent tells when a delivery last reached the partner with proof; zero: never.
func (l *Ledger) LastSent(ctx context.Context, partner string) (time.Time, error) {
	var t time.Time
	err := scalar(ctx, l.read, []any{nanos{&t}}, `SELECT max(delivered_at) FROM delivery WHERE partner = ? AND delivered_at IS NOT NULL`, partner)
	return t, err
}

// LastTaken tells when something last came in by an outbox or from a partner;
// zero: never.
func (l *Ledger) LastTaken(ctx context.Context, account string) (time.Time, error) {
	var t time.Time
	err := scalar(ctx, l.read, []any{nanos{&t}}, `SELECT max(taken_at) FROM delivery WHERE account = ?`, account)
	return t, err
}

// Collected remembers a successful look at a partner's folder.
func (l *Ledger) Collected(ctx context.Context, partner string, at time.Time) error {
	_, err := l.execute(ctx, `INSERT INTO collected (partner, at) VALUES (?, ?) ON CONFLICT (partner) DO UPDATE SET at = excluded.at`, partner, at.UnixNano())
	return err
}

// LastCollected tells when each partner's folder was last looked at with success.
func (l *Ledger) LastCollected(ctx context.Context) (map[string]time.Time, error) {
	rows, err := l.read.query(ctx, `SELECT partner, at FROM collected`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]time.Time{}
	for rows.Next() {
		var partner string
		var at time.Time
		if err := rows.Scan(&partner, nanos{&at}); err != nil {
			return nil, err
		}
		out[partner] = at
	}
	return out, rows.Err()
}

// Alarms returns the alarms that last, and those that are over and not told to all.
func (l *Ledger) Alarms(ctx context.Context) ([]exchange.Alarm, error) {
	rows, err := l.read.query(ctx, `SELECT kind, subject, count, since, raised, cleared, acknowledged, acknowledged_by, seen_weight, told FROM alarm ORDER BY raised, kind, subject`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []exchange.Alarm
	for rows.Next() {
		var a exchange.Alarm
		var told []byte
		if err := rows.Scan(&a.Kind, &a.Subject, &a.Count, nanos{&a.Since}, nanos{&a.Raised}, nanos{&a.Cleared}, nanos{&a.Acknowledged}, &a.AcknowledgedBy, &a.SeenWeight, &told); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(told, &a.Told); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// KeepAlarms writes alarms by their keys, and removes those that are done. Who
// has acknowledged an alarm is left as it stands, unless it was raised anew.
func (l *Ledger) KeepAlarms(ctx context.Context, keep, done []exchange.Alarm) error {
	if len(keep)+len(done) == 0 {
		return nil
	}
	return l.transaction(ctx, func(ctx context.Context, tx querier) error {
		for _, a := range keep {
			told, err := json.Marshal(a.Told)
			if err != nil {
				return err
			}
			if _, err := tx.exec(ctx, `INSERT INTO alarm (kind, subject, count, since, raised, cleared, told) VALUES (?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (kind, subject) DO UPDATE SET count = excluded.count, since = excluded.since, cleared = excluded.cleared, told = excluded.told,
					acknowledged = CASE WHEN alarm.raised = excluded.raised THEN alarm.acknowledged END,
					acknowledged_by = CASE WHEN alarm.raised = excluded.raised THEN alarm.acknowledged_by ELSE '' END,
					seen_weight = CASE WHEN alarm.raised = excluded.raised THEN alarm.seen_weight ELSE 0 END,
					raised = excluded.raised`,
				string(a.Kind), a.Subject, a.Count, stored(a.Since), stored(a.Raised), stored(a.Cleared), string(told)); err != nil {
				return err
			}
		}
		for _, a := range done {
			if _, err := tx.exec(ctx, `DELETE FROM alarm WHERE kind = ? AND subject = ? AND raised = ?`, string(a.Kind), a.Subject, stored(a.Raised)); err != nil {
				return err
			}
		}
		return nil
	})
}

// AcknowledgeAlarm remembers that somebody has seen an alarm, and how bad it was.
func (l *Ledger) AcknowledgeAlarm(ctx context.Context, a exchange.Alarm) error {
	_, err := l.execute(ctx, `UPDATE alarm SET acknowledged = ?, acknowledged_by = ?, seen_weight = ? WHERE kind = ? AND subject = ? AND raised = ?`,
		stored(a.Acknowledged), a.AcknowledgedBy, a.SeenWeight, string(a.Kind), a.Subject, stored(a.Raised))
	return err
}

// Pace is the usual time between two of the latest deliveries to a partner, the
// median of up to 100; 0 when there were fewer than three.
func (l *Ledger) Pace(ctx context.Context, partner string) (time.Duration, error) {
	rows, err := l.read.query(ctx, `SELECT delivered_at FROM delivery WHERE partner = ? AND delivered_at IS NOT NULL ORDER BY delivered_at DESC LIMIT 101`, partner)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var gaps []time.Duration
	var later time.Time
	for rows.Next() {
		var at time.Time
		if err := rows.Scan(nanos{&at}); err != nil {
			return 0, err
		}
		if !later.IsZero() {
			gaps = append(gaps, later.Sub(at))
		}
		later = at
	}
	if len(gaps) < 2 || rows.Err() != nil {
		return 0, rows.Err()
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2], nil
}
