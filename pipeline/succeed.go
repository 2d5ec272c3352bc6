package pipeline

import (
	"context"
	"strings"
)

// A changed configuration makes a new pipeline that succeeds the old one while both
// run ([Settings.After]): each loop of the new one begins when its like in the old one has
// ended. So a transfer under way ends under the old settings, and holds up nobody else.

// Names of loops.
func sendLoop(partner string) string    { return "send to " + partner }
func collectLoop(partner string) string { return "collect from " + partner }
func intakeLoop(outbox string) string   { return "take from " + outbox }

// loopKind is what loops do that must not do it to the same folder at a time.
func loopKind(name string) string {
	for _, kind := range []string{sendLoop(""), collectLoop(""), intakeLoop("")} {
		if strings.HasPrefix(name, kind) {
			return kind
		}
	}
	return name
}

// loopNames makes the marks of all loops that Run has.
func (p *Pipeline) loopNames() map[string]chan struct{} {
	ended := map[string]chan struct{}{"stations": nil, "settle": nil}
	for _, l := range p.Partners {
		ended[sendLoop(l.Name)] = nil
		if l.Collects {
			ended[collectLoop(l.Name)] = nil
		}
	}
	for _, in := range p.Intakes {
		ended[intakeLoop(in.Name())] = nil
	}
	for name := range ended {
		ended[name] = make(chan struct{})
	}
	return ended
}

// begin is [Pipeline.Recover], but for what the predecessor still works on.
func (p *Pipeline) begin(ctx context.Context) error {
	if p.After == nil {
		return p.Recover(ctx)
	}
	return p.liftStops(ctx)
}

// inSuccession runs a loop after its likes in the predecessor: the one of the same name,
// or, where that is new, all of its kind that are not here any more, because a row may
// have got another name only. Outboxes wait for all.
func (p *Pipeline) inSuccession(ctx context.Context, name string, run func() error) func() error {
	return func() error {
		defer close(p.ended[name])
		if p.After == nil {
			return run()
		}
		var before []chan struct{}
		if same := p.After.ended[name]; same != nil && loopKind(name) != intakeLoop("") {
			before = append(before, same)
		} else {
			for old, ended := range p.After.ended {
				if _, still := p.ended[old]; loopKind(old) == loopKind(name) && (!still || loopKind(name) == intakeLoop("")) {
					before = append(before, ended)
				}
			}
		}
		for _, ended := range before { // not cut short by Stop: whoever comes after us waits for us alone
			select {
			case <-ended:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		p.inherit(name)
		return run()
	}
}

// inherit takes over what the predecessor's lane knew: that an attempt's end could not be
// recorded, and, where the login is the same, when to call again and what lay there.
func (p *Pipeline) inherit(name string) {
	for partner, l := range p.partners {
		old := p.After.partners[partner]
		switch {
		case old == nil:
		case name == sendLoop(partner):
			l.doubt = l.doubt || old.doubt
			if l.Credential == old.Credential {
				l.failures, l.downUntil = old.failures, old.downUntil
			}
		case name == collectLoop(partner):
			l.firstSeen = old.firstSeen
		}
	}
}

// adopt waits for the end of the predecessor and looks after what it left to nobody.
func (p *Pipeline) adopt(ctx context.Context) error {
	for _, ended := range p.After.ended {
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := p.holdPartnerless(ctx); err != nil {
		p.Log.Error().Str(logReason, localFault(err)).Msg("local fault; what has lost its partner is held at the next start")
	}
	p.wake()
	return nil
}
