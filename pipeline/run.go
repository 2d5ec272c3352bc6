package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gateway301/exchange"
)

// A counter may be used by several goroutines.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add()       { c.mu.Lock(); c.n++; c.mu.Unlock() }
func (c *counter) value() int { c.mu.Lock(); defer c.mu.Unlock(); return c.n }

// idle is the longest that a loop sleeps without a look at the ledger.
const idle = time.Minute

// after a local fault (disk, ledger) a loop waits this long.
const breather = 5 * time.Second

// Recover ends the leases of a process that had our name before us, moves every
// attempt that nobody works on any more to unknown, so that looking comes first,
// and lifts the stops of partners whose credential changed. Run and Once begin
// with it.
func (p *Pipeline) Recover(ctx context.Context) error {
	if err := p.Ledger.Abandon(ctx, p.Node); err != nil {
		return err
	}
	if _, err := p.interrupted(ctx); err != nil {
		return err
	}
	if err := p.Ledger.WakeAll(ctx, p.Now()); err != nil { // the order may be another one now
		return err
	}
	if err := p.holdPartnerless(ctx); err != nil {
		return err
	}
	return p.liftStops(ctx)
}

// liftStops lets partners be called again whose credential changed.
func (p *Pipeline) liftStops(ctx context.Context) error {
	stops, err := p.Ledger.Stopped(ctx)
	if err != nil {
		return err
	}
	for name, stop := range stops {
		if l := p.partners[name]; l != nil && stop.Cause != exchange.ByHand && l.Credential != stop.Credential {
			if _, err := p.Ledger.ResumePartner(ctx, name); err != nil {
				return err
			}
			p.Log.Info().Str(logPartner, name).Msg("credential changed: partner is called again")
		}
	}
	return nil
}

// interrupted moves attempts that nobody works on any more to unknown.
func (p *Pipeline) interrupted(ctx context.Context) (int, error) {
	text := "found under way after a restart; looking comes first"
	if p.Shared {
		text = "found under way, and its node says nothing any more; looking comes first"
	}
	moved := 0
	for {
		rows, err := p.Ledger.Interrupted(ctx, 100)
		if err != nil {
			return moved, err
		}
		for _, d := range rows {
			if p.leases.holds(d.ID) { // ours; the ledger could not be told for a while
				return moved, nil
			}
			if _, err := p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Interrupted, Due: p.Now(), Holder: d.LeasedBy,
				Text: text}); err != nil && !errors.Is(err, exchange.ErrMoved) {
				return moved, err
			}
			moved++
		}
		if len(rows) < 100 {
			return moved, nil
		}
	}
}

// holdPartnerless holds what no lane would ever ask for: its partner's row is gone.
func (p *Pipeline) holdPartnerless(ctx context.Context) error {
	rows, err := p.Ledger.Due(ctx, farAway, math.MaxInt32, exchange.Sealed, exchange.Unknown)
	if err != nil {
		return err
	}
	for _, d := range rows {
		if _, configured := p.partners[d.Partner]; !configured {
			if err := p.hold(ctx, d, exchange.NoPartner, noPartner(d)); err != nil {
				return err
			}
		}
	}
	return nil
}

// farAway is later than every due time.
var farAway = time.Unix(1<<33, 0)

// Run works until Stop is called or ctx ends. What was in hand is then in a
// state that a restart resumes from.
func (p *Pipeline) Run(ctx context.Context) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	if p.Started != nil {
		p.Started()
	}
	loops := []loop{{"stations", p.stations}, {"settle", p.settle}}
	for _, l := range p.partners {
		loops = append(loops, loop{sendLoop(l.Name), func(ctx context.Context) (int, error) { return p.send(ctx, l) }})
	}
	g, ctx := errgroup.WithContext(ctx)
	for i, l := range loops {
		g.Go(p.inSuccession(ctx, l.name, func() error { return p.repeat(ctx, l, p.wakes[i]) }))
	}
	for _, in := range p.Intakes {
		g.Go(p.inSuccession(ctx, intakeLoop(in.Name()), func() error { return p.watch(ctx, in) }))
	}
	if p.Endings != nil {
		g.Go(func() error { return p.watchEndings(ctx) })
	}
	for _, l := range p.partners {
		if l.Collects {
			g.Go(p.inSuccession(ctx, collectLoop(l.Name), func() error { return p.collecting(ctx, l) }))
		}
	}
	if p.After != nil {
		g.Go(func() error { return p.adopt(ctx) })
	}
	err := g.Wait()
	p.After = nil // its end was waited for; whoever succeeds us asks us alone
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, p.abandon(ctx))
}

// abandon lets other nodes go on with what was ours, now that we have stopped.
func (p *Pipeline) abandon(ctx context.Context) error {
	if !p.Shared || p.succeeded.Load() { // whoever succeeds us has our name
		return nil
	}
	return p.Ledger.Abandon(context.WithoutCancel(ctx), p.Node)
}

// watch runs one intake. A file that it is copying when we stop stays in its outbox.
func (p *Pipeline) watch(ctx context.Context, in Intake) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		if _, err := p.inTurn(ctx, IntakeTurn(in.Name()), func(ctx context.Context) (int, error) { return 0, in.Run(ctx, p.wake) }); err != nil && ctx.Err() == nil {
			if !p.Shared {
				return err
			}
			p.Log.Error().Str("outbox", in.Name()).Str(logReason, localFault(err)).Msg("local fault, trying again")
		}
		if err := p.sleep(ctx, p.LeaseFor/3); err != nil { // another node takes from it
			return nil
		}
	}
	return nil
}

// A loop is work that is repeated whenever something moved or became due.
type loop struct {
	name string
	work func(context.Context) (int, error)
}

func (p *Pipeline) repeat(ctx context.Context, l loop, wake <-chan struct{}) error {
	for !p.stopped() {
		_, err := l.work(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause, woken := p.pause(ctx), wake
		if err != nil {
			p.Log.Error().Str("loop", l.name).Str(logReason, localFault(err)).Msg("local fault, trying again")
			pause, woken = breather, nil // do not spin on a broken disk
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-p.stopping:
		case <-woken:
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}

// pause tells how long a loop may sleep.
func (p *Pipeline) pause(ctx context.Context) time.Duration {
	now := p.Now()
	idle := idle
	if p.Shared { // what another node left behind is due to nobody
		idle = min(idle, p.LeaseFor/2)
	}
	next, err := p.Ledger.NextDue(ctx, now)
	if err != nil || next.IsZero() {
		return idle
	}
	return min(idle, max(next.Sub(now), time.Millisecond))
}

// Wake tells that something changed in the ledger without us.
func (p *Pipeline) Wake() { p.wake() }

// wake tells all loops that something changed.
func (p *Pipeline) wake() {
	for _, w := range append(p.wakes[:len(p.wakes):len(p.wakes)], p.more) {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Once works until nothing is due any more and every outbox and partner was
// looked at, then returns.
func (p *Pipeline) Once(ctx context.Context) (err error) {
	if err := p.Recover(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.abandon(ctx)) }()
	if err := p.tellEndings(ctx); err != nil {
		return err
	}
	var faults error // of outboxes: they keep nothing else from being done
	for !p.stopped() {
		worked := 0
		faults = nil
		for i, in := range p.Intakes {
			n, err := p.inTurn(ctx, IntakeTurn(in.Name()), func(ctx context.Context) (int, error) { return p.drain(ctx, in) })
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				faults = errors.Join(faults, fmt.Errorf("outbox no. %d: %s", i+1, localFault(err)))
			}
			worked += n
		}
		n, err := p.stations(ctx)
		if err != nil {
			return err
		}
		worked += n
		var sum counter
		g, gctx := errgroup.WithContext(ctx)
		for _, l := range p.partners {
			g.Go(func() error {
				sent, err := p.send(gctx, l)
				if err != nil {
					return err
				}
				var got int
				if l.Collects {
					got, err = p.collectSettled(gctx, l)
				}
				for range sent + got {
					sum.add()
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if n, err = p.settle(ctx); err != nil {
			return err
		}
		if worked+sum.value()+n == 0 {
			break
		}
	}
	return faults
}

// drainLooks bounds how long --once waits for files that are still being written:
// longer than any file that has stopped growing needs to be given up on.
const drainLooks = 100

// drain scans an outbox until every file in it was taken or is given up on, or
// somebody has been writing for too long.
func (p *Pipeline) drain(ctx context.Context, in Intake) (int, error) {
	sum := 0
	for looks := 1; ; looks++ {
		taken, pending, err := in.Scan(ctx)
		sum += taken
		if err != nil || pending == 0 || p.stopped() || looks >= drainLooks {
			return sum, err
		}
		if err := p.sleep(ctx, in.Every()); err != nil {
			return sum, err
		}
	}
}

// sleep waits for d, or until the pipeline is told to stop.
func (p *Pipeline) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.stopping:
	case <-t.C:
	}
	return nil
}

// stations works off everything that needs no line: check, write, seal, open
// and hand over, several files at a time.
func (p *Pipeline) stations(ctx context.Context) (int, error) {
	var (
		busy    []int64
		results = make(chan result)
		worked  int
		failed  error
	)
	for {
		if failed == nil && ctx.Err() == nil && !p.stopped() && len(busy) < p.Workers {
			rows, err := p.Ledger.Claim(ctx, p.lease(), p.Now(), p.Workers-len(busy), busy)
			failed = err
			for _, d := range rows {
				busy = append(busy, d.ID)
				go func() { results <- result{d.ID, p.station(ctx, d)} }()
			}
		}
		if len(busy) == 0 {
			return worked, errors.Join(failed, ctx.Err())
		}
		var r result
		select {
		case r = <-results:
		case <-p.more: // a free worker may have something to do now
			continue
		}
		busy = without(busy, r.id)
		if r.err == nil {
			worked++
		}
		failed = errors.Join(failed, r.err)
	}
}

type result struct {
	id  int64
	err error
}

func without(ids []int64, id int64) []int64 {
	var out []int64
	for _, v := range ids {
		if v != id {
			out = append(out, v)
		}
	}
	return out
}

// station does the step that is due for d.
func (p *Pipeline) station(ctx context.Context, d exchange.Delivery) error {
	within, release := p.keepLease(ctx, d.ID)
	defer release()
	var err error
	switch _, configured := p.partners[d.Partner]; {
	case !configured && d.Partner != "":
		err = p.hold(ctx, d, exchange.NoPartner, noPartner(d))
	default:
		err = p.step(within, d)
	}
	if err == nil || ctx.Err() != nil || errors.Is(err, exchange.ErrMoved) || errors.Is(context.Cause(within), errLost) {
		return nil
	}
	if errors.Is(err, errPartMissing) {
		return p.hold(ctx, d, exchange.SpoolDamaged, err.Error())
	}
	// A local fault: the row waits a little, the others go on.
	_, again := p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Retrying, Due: p.Now().Add(localRetry), Text: localFault(err)})
	return again
}

func noPartner(d exchange.Delivery) string {
	return "partner " + d.Partner + " is no longer configured; bring its row back, then release"
}

// errPartMissing: a file of the spool is not where its row says.
var errPartMissing = errors.New("a part is missing in the spool")

// part opens a file of the spool.
func (p *Pipeline) part(d exchange.Delivery, name string) (*os.File, error) {
	f, err := p.Spool.Open(d.Intake, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s of %s", errPartMissing, name, d.Intake)
	}
	return f, err
}

func (p *Pipeline) step(ctx context.Context, d exchange.Delivery) (err error) {
	switch d.State {
	case exchange.Taken:
		err = p.check(ctx, d)
	case exchange.Drafted:
		err = p.write(ctx, d)
	case exchange.Routed:
		err = p.seal(ctx, d)
	case exchange.Received:
		err = p.open(ctx, d)
	case exchange.Opened:
		err = p.stage(ctx, d)
	case exchange.Handing:
		err = p.handOver(ctx, d)
	}
	return err
}

// localRetry is the wait after a fault of our own disk or folders.
const localRetry = 30 * time.Second

func (p *Pipeline) hold(ctx context.Context, d exchange.Delivery, cause exchange.Cause, text string) error {
	_, err := p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Holding, Cause: cause, Text: text})
	return err
}
