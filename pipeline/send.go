package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"gateway301/annex"
	"gateway301/channels"
	"gateway301/exchange"
	"gateway301/schedule"
)

// A lane is the way to one partner: one pair at a time, in turn.
type lane struct {
	*Partner
	failures  int       // attempts in a row that did not reach the partner
	downUntil time.Time // not called before
	doubt     bool      // an attempt's end could not be recorded
	barred    atomic.Bool
	modes     []exchange.Mode // of the routes to it; none: nothing is said
	firstSeen map[string]sighting
	looked    time.Time // the successful look at its folder that was recorded last
}

// kennung is VERFAHREN_KENNUNG of what is exchanged with the partner.
func (l *lane) kennung(m exchange.Mode) string {
	if l.Procedure == nil {
		return annex.Verfahren(m == exchange.Production)
	}
	return l.Procedure.Kennung(m == exchange.Production)
}

// krypto is VERSCHLÜSSELUNGSART and ELEKTRONISCHE_UNTERSCHRIFT of what is exchanged
// with the partner. GGT knows a number for CMS and one for neither; OpenPGP has none.
func (l *lane) krypto() annex.Krypto {
	if l.OpenPGP {
		return annex.KryptoNone
	}
	return annex.KryptoCMS
}

// send works off what is due for a partner and returns how many attempts it made.
func (p *Pipeline) send(ctx context.Context, l *lane) (int, error) {
	return p.inTurn(ctx, sendTurn(l.Name), func(ctx context.Context) (int, error) { return p.sendAll(ctx, l) })
}

func (p *Pipeline) sendAll(ctx context.Context, l *lane) (int, error) {
	if l.doubt {
		if err := p.resolve(ctx, l); err != nil {
			return 0, err
		}
	}
	for attempts := 0; ; attempts++ {
		if err := ctx.Err(); err != nil {
			return attempts, err
		}
		if now := p.Now(); p.stopped() || now.Before(l.downUntil) || !l.Window.Open(now, p.Location) {
			return attempts, nil
		}
		if stopped, err := p.partnerStopped(ctx, l); stopped || err != nil {
			return attempts, err
		}
		d, err := p.Ledger.NextToSend(ctx, p.Now(), l.Name)
		if errors.Is(err, exchange.ErrNotFound) {
			return attempts, nil
		}
		if err != nil {
			return attempts, err
		}
		a := attempt{p: p, lane: l, d: d}
		switch err := a.run(ctx); {
		case errors.Is(err, exchange.ErrMoved): // an operator, an answer or another node was faster: what is due now is read anew
			if ctx.Err() != nil {
				return attempts, ctx.Err()
			}
		case err != nil:
			l.doubt = true
			return attempts, err
		}
	}
}

// resolve moves an attempt whose end could not be recorded to unknown. A lane
// makes one attempt at a time, so none is under way when this is called.
func (p *Pipeline) resolve(ctx context.Context, l *lane) error {
	rows, err := p.Ledger.Due(ctx, farAway, math.MaxInt32, exchange.Sending)
	if err != nil {
		return err
	}
	for _, d := range rows {
		if d.Partner != l.Name || d.LeasedBy != p.Node {
			continue
		}
		if _, err := p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Interrupted, Due: p.Now(),
			Text: "its end could not be recorded; looking comes first"}); err != nil {
			return err
		}
	}
	l.doubt = false
	return nil
}

// An attempt is one try to bring one delivery to its partner, or to find out how
// an earlier try ended.
type attempt struct {
	p     *Pipeline
	lane  *lane
	d     exchange.Delivery
	again bool // an earlier attempt had this number: what stands under the payload's name is ours

	placed bool // the payload stands under its name
}

func (a *attempt) run(ctx context.Context) error {
	now := a.p.Now()
	if a.d.State == exchange.Unknown {
		return a.look(ctx)
	}
	if ours, err := a.ourTurn(ctx); err != nil || !ours {
		return err
	}
	if fresh, err := a.fresh(ctx); err != nil || !fresh {
		return err
	}
	// A pair begun in the window is finished within the grace.
	within := ctx
	if closes := a.lane.Window.Closes(now, a.p.Location); !closes.IsZero() {
		var cancel context.CancelFunc
		within, cancel = context.WithDeadlineCause(ctx, closes.Add(a.lane.Grace), errWindowOver)
		defer cancel()
	}
	begun, err := a.begin(within)
	if err != nil || !begun {
		return err
	}
	within, release := a.p.keepLease(within, a.d.ID)
	defer release()
	proof, err := a.put(within)
	if errors.Is(err, context.DeadlineExceeded) && context.Cause(within) == errWindowOver {
		err = errWindowOver
	}
	return a.after(ctx, proof, err)
}

// errWindowOver ends an attempt that outlasted its window and grace.
var errWindowOver = errors.New("window and grace are over")

// begin looks at the partner's folder, allots the number and records that the
// line is used from here on.
func (a *attempt) begin(ctx context.Context) (bool, error) {
	m := exchange.Move{ID: a.d.ID, From: a.d.State, By: exchange.Begun, At: a.p.Now(), Due: a.p.Now(),
		Lease: a.p.lease(), Turn: a.p.turn(sendTurn(a.lane.Name)), Change: func(d *exchange.Delivery) { d.Attempt++; d.OrderSince = time.Time{} }}
	names := map[string]bool{}
	a.again = a.d.HasNumber() // not by Attempt: an operator's release counts attempts anew
	if !a.again {
		files, _, err := a.lane.Channel.List(ctx, channels.Outgoing)
		// Where the partner's row says that nobody can look, only our own record
		// tells which names are free, and the server keeps what stands there.
		if err != nil && !errors.Is(err, channels.ErrBlind) {
			return false, a.unreached(ctx, err)
		}
		for _, f := range files {
			names[f.Name] = true
		}
	}
	verfahren := a.lane.kennung(a.d.Mode)
	d, err := a.p.Ledger.Begin(ctx, m, exchange.Allotment{
		Verfahren: verfahren,
		First:     a.lane.FirstNumber,
		Name:      func(n int) string { return annex.TransferName(verfahren, n) },
		Stands:    func(name string) bool { return names[name] || names[name+annex.AUFSuffix] },
		Stamp: func(taken time.Time, last string) (string, time.Time, error) {
			now := a.p.Now()
			stamp, wait, err := schedule.NextStamp(taken, now, last, a.lane.UniqueTime, a.p.Location)
			if err != nil || wait == 0 {
				return stamp, time.Time{}, err
			}
			return "", now.Add(wait), nil
		},
	})
	wait, waits := errors.AsType[*exchange.WaitError](err)
	switch {
	case waits:
		return false, a.move(ctx, exchange.Postponed, wait.Until, exchange.NoCause, "waiting for a free creation time")
	case errors.Is(err, exchange.ErrExhausted):
		return false, a.move(ctx, exchange.Holding, time.Time{}, exchange.NumbersExhausted,
			"transfer numbers exhausted: files with all 1,000 names stand at the partner or are unfinished; ask the partner to fetch, then release")
	case err != nil:
		return false, err
	}
	a.d = d
	a.p.moved(m, d)
	a.p.wake()
	return true, nil
}

// put brings the payload, then the Auftragsdatei.
func (a *attempt) put(ctx context.Context) (string, error) {
	payload, err := a.p.part(a.d, partSealed)
	if err != nil {
		return "", err
	}
	defer payload.Close()
	order, err := a.order()
	if err != nil {
		return "", err
	}
	first, err := a.lane.Channel.Put(ctx, a.d.TransferName, payload, a.d.SealedSize, channels.PutOptions{Ours: a.again})
	if err != nil {
		return "", fmt.Errorf("payload: %w", err)
	}
	a.placed = true
	published := a.d.Published // by an earlier attempt: then what stands there is ours
	proof, err := a.lane.Channel.Put(ctx, a.d.TransferName+annex.AUFSuffix, bytes.NewReader(order), int64(len(order)), channels.PutOptions{
		Ours:          published,
		BeforePublish: func() error { return a.publishing(ctx) },
	})
	if err != nil {
		return "", fmt.Errorf("the Auftragsdatei: %w", err)
	}
	return both(first, proof), nil
}

// both words what is known of a pair: it is proven as far as its weaker half.
func both(payload, order channels.Proof) string {
	return fmt.Sprintf("%v: payload %s; Auftragsdatei %s", min(payload.Level, order.Level), payload.Text, order.Text)
}

// publishing records the intent to publish: after this, only looking can tell.
func (a *attempt) publishing(ctx context.Context) error {
	rows, err := a.p.apply(ctx, exchange.Move{ID: a.d.ID, From: exchange.Sending, By: exchange.Publishing, Due: a.p.Now(),
		Lease: a.p.lease(), Turn: a.p.turn(sendTurn(a.lane.Name)),
		Change: func(d *exchange.Delivery) { d.Published = true }})
	if err == nil {
		a.d = rows[0]
	}
	return err
}

// order writes the Auftragsdatei. A retry differs in DATUM_ÜBERTRAGUNG_GESENDET alone.
func (a *attempt) order() ([]byte, error) {
	verfahren, number, _, _ := annex.ParseTransferName(a.d.TransferName)
	packing := annex.KomprimierungNone
	if a.p.Spool.Has(a.d.Intake, partPacked) { // not by the row: it may say something else since
		packing = annex.KomprimierungGzip
	}
	return annex.Auftragsdatei{
		Verfahren: verfahren, TransferNummer: number,
		AbsenderEigner: a.d.Owner, AbsenderPhysikalisch: a.d.Physical,
		EmpfaengerNutzer: a.d.EncryptTo, EmpfaengerPhysikalisch: a.d.SendTo,
		Dateiname: a.d.Envelope.ApplicationRef, DatumErstellung: a.d.Created,
		DatumGesendet:    a.p.Now().In(a.p.Location).Format(exchange.Stamp),
		GroesseNutzdaten: a.d.Size, GroesseUebertragung: a.d.SealedSize,
		Zeichensatz:      first(a.lane.Charset, annex.ZeichensatzI1),
		Komprimierung:    packing,
		Verschluesselung: a.lane.krypto(), Unterschrift: a.lane.krypto(),
	}.Encode()
}

// after decides what an attempt means. Every error lands somewhere: one that
// nobody recognised is a reason to try again, and never a success; once the
// intent to publish stands, it is a reason to look.
func (a *attempt) after(ctx context.Context, proof string, err error) error {
	stopping := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx) // what happened is recorded even while we stop
	text := ""
	if err != nil {
		text = err.Error()
	}
	a.d.Published = a.d.Published && !nothingStands(err)
	switch {
	case err == nil:
		a.lane.failures = 0
		return a.delivered(ctx, proof)
	case errors.Is(err, channels.ErrExists):
		return a.nameTaken(ctx, text)
	case errors.Is(err, channels.ErrUnknown), errors.Is(err, channels.ErrSize), a.d.Published:
		return a.move(ctx, exchange.Unclear, a.p.Now(), exchange.NoCause, text)
	case errors.Is(err, channels.ErrRefused):
		return a.move(ctx, exchange.Holding, time.Time{}, exchange.PartnerRefused, text)
	case errors.Is(err, context.Canceled) && stopping:
		return a.move(ctx, exchange.Stopped, a.p.Now(), exchange.NoCause, "stopped by us before anything was published")
	case errors.Is(err, errWindowOver):
		return a.move(ctx, exchange.Stopped, a.lane.Window.NextOpen(a.p.Now(), a.p.Location), exchange.NoCause, text)
	case errors.Is(err, channels.ErrLogin), errors.Is(err, channels.ErrHostKey):
		if err := a.p.stop(ctx, a.lane, err); err != nil {
			return err
		}
		return a.move(ctx, exchange.Stopped, a.p.Now(), exchange.NoCause, text)
	case a.lane.Retry.Exhausted(a.d.Attempt):
		return a.move(ctx, exchange.Holding, time.Time{}, exchange.TriesExhausted, fmt.Sprintf("%d attempts, the last: %s", a.d.Attempt, text))
	}
	next := a.p.Now().Add(a.lane.Retry.Next(a.d.Attempt, rand.Float64()))
	return a.move(ctx, exchange.LineFailed, next, exchange.NoCause, text)
}

// nothingStands reports whether a failed Put certainly published nothing: the
// contract of channels says so of all its errors but two. An error that it does
// not name proves nothing.
func nothingStands(err error) bool {
	if errors.Is(err, channels.ErrUnknown) || errors.Is(err, channels.ErrSize) {
		return false
	}
	for _, clean := range []error{
		channels.ErrExists, channels.ErrRefused, channels.ErrLogin, channels.ErrHostKey, channels.ErrLine, channels.ErrFull,
		channels.ErrLocal, channels.ErrClosed, context.Canceled, context.DeadlineExceeded, errWindowOver,
	} {
		if errors.Is(err, clean) {
			return true
		}
	}
	return false
}

// unreached is an attempt that ended before the line was used for this file: it
// is not counted, and the partner is left alone for a while.
func (a *attempt) unreached(ctx context.Context, err error) error {
	from := context.WithoutCancel(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, channels.ErrLogin), errors.Is(err, channels.ErrHostKey):
		return a.p.stop(from, a.lane, err)
	case errors.Is(err, channels.ErrRefused) && a.d.State == exchange.Unknown:
		return a.move(from, exchange.Holding, time.Time{}, exchange.OutcomeUnknown,
			"the partner's server lets nobody look: "+err.Error()+"; "+askPartner)
	case errors.Is(err, channels.ErrRefused):
		return a.move(from, exchange.Holding, time.Time{}, exchange.PartnerRefused, err.Error())
	}
	a.lane.failures++
	a.lane.downUntil = a.p.Now().Add(a.lane.Retry.Next(a.lane.failures, rand.Float64()))
	return a.move(from, exchange.Postponed, a.lane.downUntil, exchange.NoCause,
		"partner not reached: "+err.Error())
}

// partnerStopped reports whether a partner must not be called. Once a stop is
// lifted, the channel is told to try its login again.
func (p *Pipeline) partnerStopped(ctx context.Context, l *lane) (bool, error) {
	stops, err := p.Ledger.Stopped(ctx)
	if err != nil {
		return false, err
	}
	if _, stopped := stops[l.Name]; stopped {
		return true, nil
	}
	if l.barred.Swap(false) {
		if c, ok := l.Channel.(interface{ Release() }); ok {
			c.Release()
		}
	}
	return false, nil
}

// agreed reports whether files of a mode may come from a partner: that of a route to it.
func (l *lane) agreed(m exchange.Mode) bool { return len(l.modes) == 0 || slices.Contains(l.modes, m) }

// stop keeps the partner from being called: repeated logins lock accounts, and
// an unknown host key may be an attack.
func (p *Pipeline) stop(ctx context.Context, l *lane, err error) error {
	cause := exchange.LoginFailed
	if errors.Is(err, channels.ErrHostKey) {
		cause = exchange.HostKey
	}
	l.barred.Store(true)
	p.Log.Error().Str(logPartner, l.Name).Str(logCause, string(cause)).Str(logReason, err.Error()).Msg("partner stopped")
	p.troubles.add()
	return p.Ledger.StopPartner(ctx, exchange.Stop{Partner: l.Name, At: p.Now(), Cause: cause, Text: err.Error(), Credential: l.Credential})
}

// look finds out how an earlier attempt ended, by what stands at the partner.
func (a *attempt) look(ctx context.Context) error {
	name := a.d.TransferName + annex.AUFSuffix
	sight, err := a.lane.Channel.Look(ctx, name)
	if err != nil && !errors.Is(err, channels.ErrBlind) {
		return a.unreached(ctx, err)
	}
	switch {
	case !a.d.Published:
		return a.notThere(ctx, false, "looked: publishing had not begun")
	case err != nil && a.lane.WhenVanished == exchange.VanishedResend:
		return a.notThere(ctx, false, "nobody can look there; sent again under the same name, as the partner's row says")
	case err != nil:
		return a.unreached(ctx, err)
	case sight.Final != nil && sight.Final.Size == annex.AuftragsdateiSize:
		return a.delivered(ctx, "looked: "+name+" stands at the partner, 348 bytes")
	case sight.Final != nil || sight.Temporary != nil:
		// An incomplete one under its final name stays ours, where there are no temporary names.
		return a.notThere(ctx, sight.Final != nil, "looked: "+name+" is not complete at the partner")
	case a.lane.WhenVanished == exchange.VanishedResend:
		return a.notThere(ctx, false, "looked: "+name+" is gone; sent again under the same name, as the partner's row says")
	}
	return a.move(ctx, exchange.Holding, time.Time{}, exchange.OutcomeUnknown,
		"the line broke while "+name+" was published, and it is not there: the partner may have fetched it; "+askPartner)
}

// askPartner is the next step where looking cannot tell.
const askPartner = "ask the partner, then 'queue release ID --resend' if it has nothing, 'queue deliver-by-hand ID' if it has the file"

// nameTaken holds a delivery whose name a foreign file has. If nothing of ours
// can stand under it yet, the number is given back: released, the delivery gets
// another one, and no later attempt can take the foreign file for ours.
func (a *attempt) nameTaken(ctx context.Context, text string) error {
	_, err := a.p.apply(ctx, exchange.Move{ID: a.d.ID, From: a.d.State, By: exchange.Holding, Cause: exchange.NameTaken, Text: text,
		Change: func(d *exchange.Delivery) {
			d.Published = false
			if !a.again && !a.placed {
				d.TransferName, d.TransferNumber, d.Created = "", 0, ""
			}
		}})
	return err
}

// notThere lets sending go on: at once after the first attempt, after growing
// waits from then on, since a partner can end each attempt like this.
func (a *attempt) notThere(ctx context.Context, published bool, text string) error {
	if a.lane.Retry.Exhausted(a.d.Attempt) {
		return a.move(ctx, exchange.Holding, time.Time{}, exchange.TriesExhausted, fmt.Sprintf("%d attempts; %s", a.d.Attempt, text))
	}
	due := a.p.Now()
	if a.d.Attempt > 1 {
		due = due.Add(a.lane.Retry.Next(a.d.Attempt-1, rand.Float64()))
	}
	a.d.Published = published
	return a.move(ctx, exchange.NotThere, due, exchange.NoCause, text)
}

// delivered records the proof and when waiting for an answer ends.
func (a *attempt) delivered(ctx context.Context, proof string) error {
	now := a.p.Now()
	until := now.Add(a.lane.AnswerPeriod)
	if a.lane.Answers == exchange.AnswersNever || a.d.Kind == exchange.Answer {
		until = now
	}
	_, err := a.p.apply(ctx, exchange.Move{ID: a.d.ID, From: a.d.State, By: exchange.Proven, At: now, Due: until, Text: proof,
		Change: func(d *exchange.Delivery) { d.DeliveredAt, d.AnswerBy, d.Proof = now, until, proof }})
	return err
}

func (a *attempt) move(ctx context.Context, by exchange.Happening, due time.Time, cause exchange.Cause, text string) error {
	rows, err := a.p.apply(ctx, exchange.Move{ID: a.d.ID, From: a.d.State, By: by, Due: due, Cause: cause, Text: text,
		Change: func(d *exchange.Delivery) { d.Published = a.d.Published }})
	if err == nil {
		a.d = rows[0]
	}
	return err
}
