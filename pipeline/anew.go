package pipeline

import (
	"context"
	"time"

	"gateway301/exchange"
)

// fresh reports whether what lies sealed may go out. What a key no longer fits
// is sealed anew, with the present keys and under the number it may have, so
// long as nothing of it can stand published; without keys that fit it is held.
func (a *attempt) fresh(ctx context.Context) (bool, error) {
	why, hold, err := a.p.outdated(a.d)
	switch {
	case err != nil:
		return false, err
	case hold != "":
		return false, a.move(ctx, exchange.Holding, time.Time{}, exchange.KeyProblem, hold)
	case why == "":
		return true, nil
	}
	// Other bytes under a name that the partner may have read would be a second
	// delivery.
	doubt, err := a.p.perhapsPublished(ctx, a.d)
	if err != nil {
		return false, err
	}
	if doubt {
		return false, a.move(ctx, exchange.Holding, time.Time{}, exchange.KeyProblem,
			why+"; how an earlier attempt ended was not known, so the partner may have "+a.d.TransferName+" already: "+
				"ask the partner, then 'queue release ID' to have it sealed anew, 'queue deliver-by-hand ID' if it has the file")
	}
	return false, a.move(ctx, exchange.Outdated, a.p.Now(), exchange.NoCause, why+"; sealed anew")
}

// outdated says why a sealed delivery must not go out as it is, or why it cannot
// be sealed at all at present.
func (p *Pipeline) outdated(d exchange.Delivery) (why, hold string, err error) {
	sealing, _, fault := p.sealingFor(d)
	if fault != nil {
		return "", fault.Error(), nil
	}
	if !d.SealedFor.IsZero() && p.Now().After(d.SealedFor) {
		return "a key it was sealed with ended on " + d.SealedFor.In(p.Location).Format(time.DateOnly), "", nil
	}
	sealed, err := p.part(d, partSealed)
	if err != nil {
		return "", "", err
	}
	defer sealed.Close()
	why, err = sealing.Outdated(sealed)
	return why, "", err
}

// perhapsPublished reports whether an attempt since the last release came to the
// moment of publishing and ended nobody knows how. Looking later may have found
// nothing there, but the partner may have fetched it.
func (p *Pipeline) perhapsPublished(ctx context.Context, d exchange.Delivery) (bool, error) {
	if d.Published {
		return true, nil
	}
	events, err := p.Ledger.Events(ctx, d.ID)
	if err != nil {
		return false, err
	}
	publishing, doubt := false, false
	for _, e := range events {
		switch e.What {
		case exchange.Begun:
			publishing = false
		case exchange.Publishing:
			publishing = true
		case exchange.Unclear, exchange.Interrupted:
			doubt = doubt || publishing
		case exchange.Released:
			doubt = false
		}
	}
	return doubt, nil
}
