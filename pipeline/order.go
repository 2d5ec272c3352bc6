package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gateway301/exchange"
)

// orderWait is how long a gap holds its pair where the partner's row says nothing.
const orderWait = 2 * time.Hour

// Waits for what is no direct predecessor, whose last move would wake: files of the
// same outbox that nobody has read yet, and those further before.
const (
	unreadWait  = time.Second
	earlierWait = time.Minute
)

// ourTurn reports whether a delivery may be published as far as UNB 0020 is
// concerned, and if not, says in its row what it waits for. While its predecessor
// is in work, nothing is due. One that is missing, held, rejected or given up is
// told at once and holds its pair for a while; then the partner's row decides.
func (a *attempt) ourTurn(ctx context.Context) (bool, error) {
	order := a.lane.Order
	if a.d.Kind != exchange.File || a.d.Overtakes || order == exchange.OrderOff || order == "" {
		return true, nil
	}
	before, err := a.p.Ledger.Predecessor(ctx, a.d)
	if err != nil || before.Passed {
		return err == nil, err
	}
	gap := before.ID != 0 || before.History
	switch {
	case order == exchange.OrderWarn:
		if !gap && !before.InWork {
			return true, nil
		}
		return true, a.overtake(ctx, "goes before "+gapText(before)+", as order: warn allows")
	case before.InWork || before.Unread:
		return false, a.awaits(ctx, before)
	case !gap:
		return true, nil // the first of its pair
	}
	return a.gap(ctx, before)
}

// awaits lets a delivery wait for one that goes on by itself.
func (a *attempt) awaits(ctx context.Context, before exchange.Predecessor) error {
	wait := earlierWait
	if before.Unread {
		wait = unreadWait
	}
	_, err := a.p.apply(ctx, exchange.Move{ID: a.d.ID, From: a.d.State, By: exchange.Postponed, Due: a.p.Now().Add(wait),
		InOrder: true, Text: "waits for reference " + before.Reference + ", or one before it, which is in work"})
	return err
}

// gap lets a delivery wait for a predecessor that does not come by itself, up to
// the time agreed.
func (a *attempt) gap(ctx context.Context, before exchange.Predecessor) (bool, error) {
	now := a.p.Now()
	since := a.d.OrderSince
	if since.IsZero() {
		since = now
	}
	until := since.Add(a.patience(since))
	if now.Before(until) {
		then := "then it goes on, and the gap is recorded"
		if a.lane.OrderStop {
			then = "then it is held"
		}
		_, err := a.p.apply(ctx, exchange.Move{ID: a.d.ID, From: a.d.State, By: exchange.Postponed, Due: until, Cause: exchange.OrderGap,
			Text:   "waits for " + gapText(before) + ", until " + until.In(a.p.Location).Format("2006-01-02 15:04") + "; " + then,
			Change: func(d *exchange.Delivery) { d.OrderSince = since }})
		return false, err
	}
	if a.lane.OrderStop {
		return false, a.move(ctx, exchange.Holding, time.Time{}, exchange.OrderGap,
			gapText(before)+", and the partner's row says order-then: stop; release it to have it sent all the same")
	}
	return true, a.overtake(ctx, "passes over "+gapText(before)+", as the partner's row says")
}

// patience is how long a gap that is noticed at some time holds its pair.
func (a *attempt) patience(since time.Time) time.Duration {
	if a.lane.OrderWait > 0 {
		return a.lane.OrderWait
	}
	wait := orderWait
	if closes := a.lane.Window.Closes(since, a.p.Location); !closes.IsZero() {
		wait = min(wait, closes.Sub(since)/2)
	}
	return wait
}

// overtake records a gap, once.
func (a *attempt) overtake(ctx context.Context, text string) error {
	rows, err := a.p.apply(ctx, exchange.Move{ID: a.d.ID, From: a.d.State, By: exchange.Noted, Cause: exchange.OrderGap, Text: text,
		Change: func(d *exchange.Delivery) { d.Overtakes = true }})
	if err == nil {
		a.d = rows[0]
	}
	return err
}

func gapText(before exchange.Predecessor) string {
	switch {
	case before.ID != 0:
		return fmt.Sprintf("reference %s, delivery %d, which is %s", before.Reference, before.ID, before.State)
	case before.InWork:
		return "reference " + before.Reference + ", or one before it, which is in work"
	}
	return "reference " + before.Reference + ", which is missing"
}

// repeats tells what a file repeats that was sent to the same partner before, or
// "". An operator may have allowed it.
func (p *Pipeline) repeats(ctx context.Context, d exchange.Delivery, env exchange.Envelope, l *lane) (string, error) {
	if l.NoRepeats <= 0 || d.Repeats {
		return "", nil
	}
	d.Envelope, d.Partner = env, l.Name
	earlier, err := p.Ledger.SentBefore(ctx, d, p.Now().Add(-l.NoRepeats))
	if errors.Is(err, exchange.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	what := "UNB reference " + env.Reference + " was used"
	if earlier.SHA256 == d.SHA256 {
		what = "the same content was sent"
	}
	return fmt.Sprintf("%s before: delivery %d of %s is %s; if it shall be sent all the same, release it with a reason",
		what, earlier.ID, earlier.TakenAt.In(p.Location).Format("2006-01-02 15:04"), earlier.State), nil
}
