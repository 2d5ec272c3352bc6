package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gateway301/annex"
	"gateway301/exchange"
)

// check reads a file that was taken over, judges it as the row of the partner says
// that it is for, and finds its route and whether its sender may speak.
func (p *Pipeline) check(ctx context.Context, d exchange.Delivery) error {
	l, err := p.judgedFor(ctx, d)
	if err != nil {
		return err
	}
	var o annex.CheckOptions // who is known is told by routes and speaks-for, and what they lack can be added
	if l != nil {
		o.Effects = l.sending()
		if l.OnFindings[4] != exchange.NotAsked {
			if o.Checks, err = p.checks(); err != nil {
				return err
			}
		}
	} else {
		o.Stage = 1
	}
	rep, err := p.examine(ctx, d, l, o)
	if err != nil {
		return err
	}
	if err := p.keepFindings(d, &rep); err != nil {
		return err
	}
	env := envelope(rep)
	if rep.Verdict == annex.Rejected {
		_, err := p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Refused, Cause: exchange.ByCheck, Text: summary(&rep),
			Change: func(d *exchange.Delivery) { d.Envelope = env }})
		return err
	}
	box, configured := p.Outboxes[d.Account]
	if !configured {
		return p.holdWith(ctx, d, env, exchange.NotEntitled, "outbox "+d.Account+" is no longer configured")
	}
	owner, wrong := p.ownerOf(d.Account, box, rep)
	if wrong != "" {
		return p.holdWith(ctx, d, env, exchange.NotEntitled, wrong)
	}
	route, partner := p.route(Question(rep, d, p.Now()))
	if route == nil {
		return p.holdWith(ctx, d, env, exchange.NoRoute, fmt.Sprintf("no route for recipient %s, %s, %s; add a row to routes, then release the file",
			env.Recipient, strings.Join(env.Types, "+"), d.Mode))
	}
	if route.Hold != "" && d.Cause != exchange.ByRoute { // released: the cause stands still
		return p.holdWith(ctx, d, env, exchange.ByRoute, "by route "+route.Name+": "+route.Hold)
	}
	if repeated, err := p.repeats(ctx, d, env, partner); err != nil || repeated != "" {
		if err != nil {
			return err
		}
		return p.holdWith(ctx, d, env, exchange.Duplicate, repeated)
	}
	if route.CopyTo != "" {
		named := d
		named.Owner, named.Envelope = owner, env
		if err := p.copyOut(ctx, named, route.CopyTo); err != nil {
			return err
		}
	}
	replaces, err := p.replaces(ctx, d)
	if err != nil {
		return err
	}
	found := func(d *exchange.Delivery) {
		d.Envelope, d.Owner, d.Physical, d.Partner = env, owner, box.Physical, partner.Name
		d.Kostentraeger = first(route.Kostentraeger, env.Recipient)
		d.EncryptTo = first(route.EncryptTo, partner.IK)
		d.SendTo = first(route.SendTo, partner.IK)
	}
	if rep.Verdict == annex.Partly {
		return p.split(ctx, d, &rep, found)
	}
	_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.RouteFound, Due: p.Now(),
		Text: "by route " + route.Name + " to " + partner.Name + remarks(&rep, len(o.Checks) > 0),
		Change: func(d *exchange.Delivery) {
			found(d)
			d.Replaces = replaces
		}})
	return err
}

// headSize is enough for UNA and UNB of any file.
const headSize = 4096

// judgedFor finds the partner that a file is for, by whose row it is judged; nil
// where no route fits. Mostly UNB alone tells. The envelope is not judged yet.
func (p *Pipeline) judgedFor(ctx context.Context, d exchange.Delivery) (*lane, error) {
	f, err := p.part(d, partPlain)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, err := annex.Check(ctx, io.LimitReader(f, headSize), annex.CheckOptions{Stage: 1})
	if err != nil {
		return nil, err
	}
	switch fits := p.table.Partners(d.Mode, head.Envelope.Recipient); len(fits) {
	case 0:
		return nil, nil
	case 1:
		return p.partners[fits[0]], nil
	}
	rep, err := p.examine(ctx, d, nil, annex.CheckOptions{Stage: 1})
	if err != nil {
		return nil, err
	}
	_, l := p.route(Question(rep, d, p.Now()))
	return l, nil
}

// Names of the parts in a spool folder.
const (
	partPlain  = "plain"
	partPacked = "packed" // the plain file, compressed
	partSealed = "sealed"
	partOrder  = "auf"
)

func envelope(rep annex.Report) exchange.Envelope {
	return exchange.Envelope{
		Sender: rep.Envelope.Sender, Recipient: rep.Envelope.Recipient, Reference: rep.Envelope.Reference,
		ApplicationRef: rep.Envelope.ApplicationRef, Types: rep.Types, Messages: rep.Messages,
	}
}

// ownerOf finds who owns a file by its UNB sender and the table of who speaks
// for whom: the outbox's owner, or the sender itself where an exception makes it
// an owner at this outbox.
func (p *Pipeline) ownerOf(account string, box Outbox, rep annex.Report) (owner, wrong string) {
	if rep.Truncated {
		return "", "too many different FKT senders to be judged"
	}
	s := exchange.Speaker{Account: account, AccountIK: box.Owner, Owner: box.Owner, Physical: box.Owner,
		UNBSender: rep.Envelope.Sender, FKTSenders: rep.FKTSenders}
	if wrong = exchange.Entitled(s, p.Mandates, p.Now()); wrong == "" {
		return box.Owner, ""
	}
	s.Owner = rep.Envelope.Sender
	s.Physical = box.Owner
	if exchange.Entitled(s, p.Mandates, p.Now()) == "" {
		return s.Owner, ""
	}
	return "", wrong + "; list the exception under speaks-for, then release the file"
}

// Question is what routes are asked about a checked file.
func Question(rep annex.Report, d exchange.Delivery, at time.Time) *exchange.Question {
	return &exchange.Question{Envelope: envelope(rep), Mode: d.Mode, FKTRecipients: rep.FKTRecipients, Versions: rep.Versions,
		Outbox: d.Account, File: d.Name, Size: d.Size, At: at}
}

func (p *Pipeline) route(q *exchange.Question) (*exchange.Route, *lane) {
	r, _ := p.table.Find(q)
	if r == nil {
		return nil, nil
	}
	return r, p.partners[r.Partner]
}

// replaces finds the rejected file that a corrected one of the same name takes the place of.
func (p *Pipeline) replaces(ctx context.Context, d exchange.Delivery) (int64, error) {
	before, err := p.Ledger.RejectedBefore(ctx, d.Account, d.Name, d.ID)
	if errors.Is(err, exchange.ErrNotFound) {
		return 0, nil
	}
	return before.ID, err
}

func (p *Pipeline) holdWith(ctx context.Context, d exchange.Delivery, env exchange.Envelope, cause exchange.Cause, text string) error {
	_, err := p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Holding, Cause: cause, Text: text,
		Change: func(d *exchange.Delivery) { d.Envelope = env }})
	return err
}

func place(f *annex.Finding) string {
	var parts []string
	if f.Message > 0 {
		parts = append(parts, fmt.Sprintf("message %d", f.Message))
	}
	if f.SegmentNumber > 0 {
		parts = append(parts, fmt.Sprintf("segment %d %s", f.SegmentNumber, f.Segment))
	}
	if f.Element > 0 {
		parts = append(parts, fmt.Sprintf("element %d", f.Element))
	}
	return strings.Join(append(parts, fmt.Sprintf("offset %d", f.Offset)), ", ")
}

func first[T ~string](values ...T) T {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
