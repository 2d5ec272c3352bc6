package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"gateway301/exchange"
)

// leaseFor is how long a lease holds that nobody prolongs. A node that was
// killed leaves its work to the others after this time.
const leaseFor = time.Minute

// ours is the name of the only node.
const ours = "alone"

// errLost ends a step whose lease or turn went to another node.
var errLost = errors.New("the lease went to another node")

// leases is what this process works on.
type leases struct {
	mu     sync.Mutex
	inHand map[int64]bool
	turns  map[string]time.Time // when to prolong each, by our own clock
}

func (l *leases) holds(id int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inHand[id]
}

func (p *Pipeline) lease() exchange.Lease { return exchange.Lease{Node: p.Node, For: p.LeaseFor} }

// keepLease keeps the lease of a delivery while a step works on it, and makes its
// moves ask for it. The context ends when another node has it: the step is no
// longer ours.
func (p *Pipeline) keepLease(ctx context.Context, id int64) (context.Context, func()) {
	p.leases.mu.Lock()
	p.leases.inHand[id] = true
	p.leases.mu.Unlock()
	ctx, stop := p.prolong(ctx, func(ctx context.Context) (bool, error) {
		err := p.Ledger.Renew(ctx, p.lease(), id)
		if errors.Is(err, exchange.ErrMoved) {
			return false, nil
		}
		return true, err
	})
	return ctx, func() {
		p.leases.mu.Lock()
		delete(p.leases.inHand, id)
		p.leases.mu.Unlock()
		stop()
	}
}

// stillOurs asks the ledger for the lease of a delivery in hand, right before
// something is replaced that the next holder may have written already.
func (p *Pipeline) stillOurs(ctx context.Context, id int64) error {
	if !p.Shared {
		return nil
	}
	return p.Ledger.Renew(ctx, p.lease(), id)
}

// prolong calls again three times in the course of a lease. The context ends
// when again says that it is lost, or could not tell for as long as it holds.
func (p *Pipeline) prolong(ctx context.Context, again func(context.Context) (bool, error)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var (
		mu    sync.Mutex
		ended bool
		timer *time.Timer
		until = time.Now().Add(p.LeaseFor)
	)
	tick := func() {
		begun := time.Now()
		have, err := again(ctx)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case ended:
			return
		case err == nil && have:
			until = begun.Add(p.LeaseFor)
		case err == nil || !time.Now().Before(until):
			cancel(errLost)
			return
		}
		timer.Reset(p.LeaseFor / 3)
	}
	mu.Lock()
	timer = time.AfterFunc(p.LeaseFor/3, tick)
	mu.Unlock()
	return ctx, func() {
		mu.Lock()
		ended = true
		timer.Stop()
		mu.Unlock()
		cancel(nil)
	}
}

// Names of turns.
func sendTurn(partner string) string    { return "send " + partner }
func collectTurn(partner string) string { return "collect " + partner }

// IntakeTurn names the turn of taking from an outbox.
func IntakeTurn(outbox string) string { return "intake " + outbox }

// schedules is the turn of whoever ends periods and finds what others left.
const schedules = "schedules"

// turn returns what a move must hold besides its row; alone, nothing.
func (p *Pipeline) turn(name string) exchange.Turn {
	if !p.Shared {
		return exchange.Turn{}
	}
	return exchange.Turn{Name: name, Node: p.Node}
}

// hasTurn takes a turn, or finds that it is still ours. It asks the ledger three
// times in the course of a lease at most.
func (p *Pipeline) hasTurn(ctx context.Context, name string) (bool, error) {
	if !p.Shared {
		return true, nil
	}
	p.leases.mu.Lock()
	fresh := time.Now().Before(p.leases.turns[name])
	p.leases.mu.Unlock()
	if fresh {
		return true, nil
	}
	begun := time.Now()
	got, err := p.Ledger.Turn(ctx, name, p.lease())
	p.leases.mu.Lock()
	defer p.leases.mu.Unlock()
	delete(p.leases.turns, name)
	if got && err == nil {
		p.leases.turns[name] = begun.Add(p.LeaseFor / 3)
	}
	return got, err
}

// keepTurn keeps a turn while something works in it. The context ends when
// another node has it.
func (p *Pipeline) keepTurn(ctx context.Context, name string) (context.Context, func()) {
	if !p.Shared {
		return ctx, func() {}
	}
	return p.prolong(ctx, func(ctx context.Context) (bool, error) { return p.hasTurn(ctx, name) })
}

// inTurn does work if this node has the turn, or can have it.
func (p *Pipeline) inTurn(ctx context.Context, name string, work func(context.Context) (int, error)) (int, error) {
	if has, err := p.hasTurn(ctx, name); err != nil || !has {
		return 0, err
	}
	within, stop := p.keepTurn(ctx, name)
	defer stop()
	n, err := work(within)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(within), errLost) {
		p.Log.Warn().Str("turn", name).Msg("another node goes on with it")
		return n, nil
	}
	return n, err
}
