package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gateway301/annex"
	"gateway301/exchange"
)

// check reads a file that was taken over, judges its envelope and the right of
// its sender to speak, and finds its route.
func (p *Pipeline) check(ctx context.Context, d exchange.Delivery) error {
	f, err := p.part(d, partPlain)
	if err != nil {
		return err
	}
	defer f.Close()
	rep, err := annex.Check(ctx, f, annex.CheckOptions{Now: p.Now().In(p.Location)})
	if err != nil {
		return err
	}
	env := envelope(rep)
	if rep.Verdict == annex.Rejected {
		_, err := p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Refused, Cause: exchange.ByCheck, Text: summary(rep),
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
	route, partner := p.route(env, d.Mode)
	if route == nil {
		return p.holdWith(ctx, d, env, exchange.NoRoute, fmt.Sprintf("no route for recipient %s, %s, %s; add a row to routes, then release the file",
			env.Recipient, strings.Join(env.Types, "+"), d.Mode))
	}
	replaces, err := p.replaces(ctx, d)
	if err != nil {
		return err
	}
	_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.RouteFound, Due: p.Now(),
		Text: "by route " + route.Name + " to " + partner.Name,
		Change: func(d *exchange.Delivery) {
			d.Envelope, d.Owner, d.Physical, d.Partner, d.Replaces = env, owner, box.Physical, partner.Name, replaces
			d.Kostentraeger = first(route.Kostentraeger, env.Recipient)
			d.EncryptTo = first(route.EncryptTo, partner.IK)
			d.SendTo = first(route.SendTo, partner.IK)
		}})
	return err
}

// Names of the parts in a spool folder.
const (
	partPlain  = "plain"
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

func (p *Pipeline) route(e exchange.Envelope, m exchange.Mode) (*exchange.Route, *lane) {
	for i := range p.Routes {
		if r := &p.Routes[i]; r.Fits(e, m) {
			return r, p.partners[r.Partner]
		}
	}
	return nil, nil
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

// summary words the errors of a report: the first with its place, and how many
// there are. Finding texts hold no values that could be patient data.
func summary(rep annex.Report) string {
	for _, f := range rep.Findings {
		if f.Severity != annex.Error {
			continue
		}
		s := fmt.Sprintf("%s %s (%s)", f.Code, f.TextEN, place(f))
		if rep.Errors > 1 {
			s += fmt.Sprintf("; %d errors in all", rep.Errors)
		}
		return s
	}
	return "no finding"
}

func place(f annex.Finding) string {
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
