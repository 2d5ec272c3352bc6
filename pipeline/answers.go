package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gateway301/acks"
	"gateway301/exchange"
)

// settleAnswers ties each receipt of an answer to the delivery that it names,
// all in one move with the answer's own. What names nothing, several, or speaks
// against an earlier answer holds the answer for an operator; the others count
// all the same. known, if given, is written into the answer's row.
func (p *Pipeline) settleAnswers(ctx context.Context, in exchange.Delivery, receipts []exchange.Receipt, known func(*exchange.Delivery)) error {
	var (
		moves []exchange.Move
		text  string
		cause exchange.Cause
		ids   []int64
	)
	for _, rc := range receipts {
		out, err := p.match(ctx, rc)
		switch {
		case errors.Is(err, acks.ErrOrphan):
			cause, text = exchange.Orphan, "names no delivery of ours: Anwendungsreferenz "+rc.ApplicationRef
			continue
		case errors.Is(err, acks.ErrAmbiguous):
			cause, text = exchange.Ambiguous, "fits several deliveries: Anwendungsreferenz "+rc.ApplicationRef
			continue
		case err != nil:
			return err
		case slices.Contains(ids, out.ID):
			continue // named by an earlier receipt of the same answer
		case out.State == exchange.Sending: // early: our own attempt has not ended yet
			_, err := p.apply(ctx, exchange.Move{ID: in.ID, From: in.State, By: exchange.Retrying, Due: p.Now().Add(early),
				Text: fmt.Sprintf("early: delivery %d is still being sent", out.ID)})
			return err
		}
		m, contradiction := answered(in, out, rc)
		if contradiction {
			cause, text = exchange.Contradicts, fmt.Sprintf("delivery %d is %s, this answer says %s", out.ID, out.State, rc.Verdict)
		}
		moves, ids = append(moves, m), append(ids, out.ID)
	}
	own := exchange.Move{ID: in.ID, From: in.State, By: exchange.Settled, Text: fmt.Sprintf("answers deliveries %v", ids), Change: known}
	if len(ids) == 1 {
		own.Text = fmt.Sprintf("answers delivery %d", ids[0])
	}
	if cause != exchange.NoCause {
		own.By, own.Cause, own.Text = exchange.Holding, cause, text
	}
	if len(ids) > 0 {
		change := own.Change
		own.Change = func(d *exchange.Delivery) {
			if change != nil {
				change(d)
			}
			d.Answers = ids[0]
		}
	}
	_, err := p.apply(ctx, append(moves, own)...)
	return err
}

// early is the wait for an attempt of ours that an answer has overtaken.
const early = 2 * time.Second

func (p *Pipeline) match(ctx context.Context, rc exchange.Receipt) (exchange.Delivery, error) {
	candidates, err := p.Ledger.OutboundNamed(ctx, rc.ApplicationRef)
	if err != nil {
		return exchange.Delivery{}, err
	}
	candidates = slices.DeleteFunc(candidates, func(d exchange.Delivery) bool {
		return d.State == exchange.Cancelled || d.State == exchange.Sealed && !d.Published
	})
	return acks.Match(rc, candidates)
}

// answered makes the move of an answered delivery. What the partner wrote goes
// into the row's Answer, never into the event or the log.
func answered(in, out exchange.Delivery, rc exchange.Receipt) (m exchange.Move, contradiction bool) {
	m = exchange.Move{ID: out.ID, From: out.State, By: exchange.Confirmed, Text: fmt.Sprintf("answer %d: accepted", in.ID)}
	if rc.Verdict == exchange.VerdictHint {
		m.Text = fmt.Sprintf("answer %d: accepted with hint", in.ID)
	}
	if rc.Verdict == exchange.VerdictRejected {
		m.By, m.Cause, m.Text = exchange.Refused, exchange.ByPartner, fmt.Sprintf("answer %d: rejected, %s", in.ID, places(rc.Findings))
	}
	want, err := exchange.Next(out.State, m.By)
	if err != nil { // answered before
		m.By, m.Cause = exchange.Noted, exchange.Duplicate
		if (out.State == exchange.Accepted) != (rc.Verdict != exchange.VerdictRejected) {
			m.Cause, contradiction = exchange.Contradicts, true
		}
		return m, contradiction
	}
	m.Change = func(d *exchange.Delivery) {
		d.Answer = wording(rc)
		if want == exchange.Accepted || want == exchange.Rejected {
			d.AnswerBy = time.Time{}
		}
	}
	return m, false
}

// places lists codes and places without texts: for events and logs.
func places(findings []exchange.Finding) string {
	if len(findings) == 0 {
		return "without a reason"
	}
	s := where(findings[0])
	if n := len(findings); n > 1 {
		s += fmt.Sprintf(" and %d more", n-1)
	}
	return s
}

func where(f exchange.Finding) string {
	s := "code " + f.Code
	if f.Reference != "" {
		s += ", message " + f.Reference
	}
	if f.Segment != "" {
		s += ", segment " + f.Segment
		if f.Position > 1 {
			s += fmt.Sprintf(" no. %d", f.Position)
		}
	}
	if f.Element > 0 {
		s += fmt.Sprintf(", element %d", f.Element)
	}
	return s
}

// maxAnswer bounds what is kept of an answer's wording beside its stored file, in findings.
const maxAnswer = 20

// wording is the whole answer for the operator, texts included.
func wording(rc exchange.Receipt) string {
	s := string(rc.Verdict)
	for i, f := range rc.Findings {
		if i == maxAnswer {
			return s + fmt.Sprintf("\n… and %d more", len(rc.Findings)-i)
		}
		s += "\n" + where(f) + ": " + f.Text
	}
	return s
}
