package pipeline

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gateway301/acks"
	"gateway301/annex"
	"gateway301/crypto"
	"gateway301/exchange"
)

// open decides what an inbound delivery is. A pair is decrypted, verified,
// judged; the verdict, the answer due and the hand-over due are one move.
func (p *Pipeline) open(ctx context.Context, d exchange.Delivery) error {
	if d.Kind == exchange.Other {
		return p.hold(ctx, d, first(d.Cause, exchange.Unrecognised), first(d.Reason, "neither payload nor Auftragsdatei"))
	}
	auf, err := p.readOrder(d)
	if err != nil {
		return err
	}
	if d.Kind == exchange.Order && !auf.Returned() {
		return p.hold(ctx, d, exchange.Incomplete, "Auftragsdatei without payload")
	}
	if auf.Returned() {
		receipt, _ := acks.FromOrder(auf)
		return p.settleAnswers(ctx, d, []exchange.Receipt{receipt}, nil)
	}
	o := opening{p: p, d: d, auf: auf}
	return o.run(ctx)
}

func (p *Pipeline) readOrder(d exchange.Delivery) (annex.Auftragsdatei, error) {
	f, err := p.part(d, partOrder)
	if err != nil {
		return annex.Auftragsdatei{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, annex.AuftragsdateiSize+1))
	if err != nil {
		return annex.Auftragsdatei{}, err
	}
	auf, _, err := annex.ParseAuftragsdatei(raw)
	return auf, err
}

// An opening is the work on one received pair.
type opening struct {
	p      *Pipeline
	d      exchange.Delivery
	auf    annex.Auftragsdatei
	opened crypto.Opened
	rep    annex.Report
}

func (o *opening) run(ctx context.Context) error {
	p, d := o.p, o.d
	if earlier, err := o.duplicate(ctx); err != nil || earlier != 0 {
		if err == nil {
			_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Settled, Cause: exchange.Duplicate,
				Text: fmt.Sprintf("the same delivery as %d came again; not processed twice", earlier)})
		}
		return err
	}
	if wrong := o.disagreement(); wrong != "" {
		return p.hold(ctx, d, exchange.BadOrder, wrong)
	}
	if most := p.partners[d.Account].MaxSize; most > 0 && o.auf.GroesseNutzdaten > most {
		return p.hold(ctx, d, exchange.Oversize, fmt.Sprintf("DATEIGRÖSSE_NUTZDATEN says %d bytes, more than the %d of max-size", o.auf.GroesseNutzdaten, most))
	}
	if _, ours := p.identities[d.EncryptTo]; !ours {
		return p.hold(ctx, d, exchange.NotForUs, "EMPFÄNGER_NUTZER "+d.EncryptTo+" is none of our identities")
	}
	if !p.partners[d.Account].agreed(d.Mode) {
		return p.hold(ctx, d, exchange.WrongMode, "a "+string(d.Mode)+" file, but no route to "+d.Account+" is for "+string(d.Mode))
	}
	speaker := exchange.Speaker{Account: d.Account, AccountIK: p.partners[d.Account].IK, Owner: d.Owner, Physical: d.Physical}
	if wrong := exchange.Entitled(speaker, p.Mandates, p.Now()); wrong != "" {
		return o.refuse(ctx, exchange.NotEntitled, wrong, false)
	}
	if err := o.decrypt(ctx); err != nil {
		if crypto.Refused(err) {
			return p.hold(ctx, d, exchange.CannotOpen, crypto.Cause(err))
		}
		return err
	}
	if o.auf.Komprimierung != annex.KomprimierungNone {
		if wrong, err := o.unpack(ctx); wrong != "" || err != nil {
			if err == nil {
				err = p.hold(ctx, d, exchange.BadOrder, wrong)
			}
			return err
		}
	}
	if o.opened.Size != o.auf.GroesseNutzdaten {
		return p.hold(ctx, d, exchange.BadOrder, fmt.Sprintf("DATEIGRÖSSE_NUTZDATEN says %d bytes, the opened file has %d", o.auf.GroesseNutzdaten, o.opened.Size))
	}
	if err := o.judge(ctx); err != nil {
		return err
	}
	speaker.Signers, speaker.UNBSender, speaker.FKTSenders = o.opened.SignerIKs, o.rep.Envelope.Sender, o.rep.FKTSenders
	answer := acks.IsAnswer(&o.rep) // is never answered: two gateways would go on for ever
	if len(speaker.Signers) == 0 {
		return o.refuse(ctx, exchange.NotEntitled, "signer not entitled: its certificate names no IK", !answer)
	}
	if wrong := exchange.Entitled(speaker, p.Mandates, p.Now()); wrong != "" {
		return o.refuse(ctx, exchange.NotEntitled, wrong, !answer)
	}
	if answer {
		return o.settle(ctx)
	}
	return o.verdict(ctx)
}

// duplicate finds an earlier delivery with the same identity and the same bytes.
// One that was turned away unread, or that an operator gave up, does not count:
// sent again after its cause is mended, it is to be processed.
func (o *opening) duplicate(ctx context.Context) (int64, error) {
	same, err := o.p.Ledger.SameIdentity(ctx, o.d.Owner, o.auf.Verfahren, o.d.Created)
	if err != nil {
		return 0, err
	}
	for _, e := range same {
		switch {
		case e.ID >= o.d.ID, e.State == exchange.Cancelled, e.State == exchange.Rejected && e.Cause == exchange.NotEntitled:
		case e.SHA256 == o.d.SHA256:
			return e.ID, nil
		default: // creation times have seconds only
			o.p.Log.Debug().Int64(logDelivery, o.d.ID).Int64("other", e.ID).Msg("another delivery has the same owner, Verfahren and creation time")
		}
	}
	return 0, nil
}

// disagreement names what in the Auftragsdatei cannot be worked with.
func (o *opening) disagreement() string {
	l := o.p.partners[o.d.Account]
	switch a := o.auf; {
	case a.GroesseUebertragung != o.d.Size:
		return fmt.Sprintf("DATEIGRÖSSE_ÜBERTRAGUNG says %d bytes, the payload has %d", a.GroesseUebertragung, o.d.Size)
	case a.TransferName() != o.d.TransferName:
		return "the Auftragsdatei speaks of " + a.TransferName() + ", its own name is " + o.d.TransferName
	case a.Verschluesselung != l.krypto() || a.Unterschrift != l.krypto():
		return fmt.Sprintf("encryption %02d and signature %02d; agreed are %02d and %02d", a.Verschluesselung, a.Unterschrift, l.krypto(), l.krypto())
	case a.Komprimierung != annex.KomprimierungNone && !(a.Komprimierung == annex.KomprimierungGzip && l.Gzip):
		return fmt.Sprintf("compression %02d was not agreed", a.Komprimierung)
	case a.Verfahren != l.kennung(o.d.Mode):
		return fmt.Sprintf("Verfahren %s was not agreed, but %s", a.Verfahren, l.kennung(o.d.Mode))
	}
	return ""
}

// decrypt brings the opened payload into the spool; nothing of it is there before
// the signature is verified.
func (o *opening) decrypt(ctx context.Context) error {
	sealed, err := o.p.part(o.d, partSealed)
	if err != nil {
		return err
	}
	defer sealed.Close()
	name := partPlain
	if o.auf.Komprimierung != annex.KomprimierungNone {
		name = partPacked
	}
	path, err := o.p.Spool.Path(o.d.Intake, name)
	if err != nil {
		return err
	}
	o.opened, err = crypto.OpenFile(path, &interruptible{ctx, sealed}, o.p.Keys.Opening(o.d.Account, o.d.ReceivedAt))
	return err
}

// unpack makes the plain file of a compressed payload and drops the latter. wrong
// tells what the sender has done wrong.
func (o *opening) unpack(ctx context.Context) (wrong string, err error) {
	packed, err := o.p.part(o.d, partPacked)
	if err != nil {
		return "", err
	}
	defer packed.Close()
	o.opened.Size, _, err = o.p.Spool.Write(o.d.Intake, partPlain, func(w io.Writer) error {
		r, err := annex.Unpack(&interruptible{ctx, packed}, o.auf.Komprimierung, o.auf.GroesseNutzdaten, o.p.partners[o.d.Account].MaxSize)
		if err == nil {
			_, err = io.Copy(w, r)
		}
		return err
	})
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, annex.ErrUnpackedSize), errors.Is(err, annex.ErrTooLarge):
		return err.Error(), nil
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the payload cannot be unpacked: " + err.Error(), nil
	case err != nil:
		if _, corrupt := errors.AsType[flate.CorruptInputError](err); corrupt {
			return "the payload cannot be unpacked: " + err.Error(), nil
		}
		return "", err
	}
	return "", o.p.Spool.Drop(o.d.Intake, partPacked)
}

// judge checks the opened file as the partner's row says. An answer is judged by its
// envelope alone: its partner's quirks must not keep it from what it answers.
func (o *opening) judge(ctx context.Context) error {
	p, l := o.p, o.p.partners[o.d.Account]
	checks, err := p.checks()
	if err != nil {
		return err
	}
	options := annex.CheckOptions{Order: &o.auf, Checks: checks, Partners: p.Known, Effects: l.receiving()}
	if o.rep, err = p.examine(ctx, o.d, l, options); err != nil {
		return err
	}
	if acks.IsAnswer(&o.rep) && o.rep.Verdict != annex.Accepted {
		options.Stage = 1
		if o.rep, err = p.examine(ctx, o.d, l, options); err != nil {
			return err
		}
	}
	return p.keepFindings(o.d, &o.rep)
}

// known writes what opening found out into the row.
func (o *opening) known(d *exchange.Delivery) {
	d.PlainSize, d.Signer = o.opened.Size, strings.Join(o.opened.SignerIKs, ",")
	if o.rep.Envelope.Sender != "" {
		ref := d.Envelope.ApplicationRef // of the Auftragsdatei
		d.Envelope = envelope(o.rep)
		d.Envelope.ApplicationRef = first(d.Envelope.ApplicationRef, ref)
	}
}

// settle ties an answer to what it answers.
func (o *opening) settle(ctx context.Context) error {
	if o.rep.Verdict == annex.Rejected {
		return o.p.holdKnown(ctx, o, exchange.Unrecognised, "an answer that is itself wrong: "+summary(&o.rep))
	}
	plain, err := o.p.part(o.d, partPlain)
	if err != nil {
		return err
	}
	defer plain.Close()
	l := o.p.partners[o.d.Account]
	receipts, err := acks.Read(annex.InI1(plain, o.auf.Zeichensatz), acks.Codes{Accepted: l.AcceptCodes, Hint: l.HintCodes})
	if err != nil {
		return err
	}
	return o.p.settleAnswers(ctx, o.d, receipts, o.known)
}

func (p *Pipeline) holdKnown(ctx context.Context, o *opening, cause exchange.Cause, text string) error {
	_, err := p.apply(ctx, exchange.Move{ID: o.d.ID, From: o.d.State, By: exchange.Holding, Cause: cause, Text: text, Change: o.known})
	return err
}

// refuse rejects a file whose sender or signer may not speak; tell says whether
// its sender may be told.
func (o *opening) refuse(ctx context.Context, cause exchange.Cause, text string, tell bool) error {
	m := exchange.Move{ID: o.d.ID, From: o.d.State, By: exchange.Refused, Cause: cause, Text: "refused: " + text, Change: o.known}
	if tell {
		rep := annex.Report{Envelope: o.rep.Envelope, Verdict: annex.Rejected, Findings: []annex.Finding{{
			Stage: 1, Severity: annex.Error, Code: annex.CodeNotEntitled, Text: annex.Refusals()[0].German}}}
		draft, err := o.draft(func(p annex.Profile) []annex.FEHLMessage { return p.Answer(&rep) })
		if err != nil {
			return err
		}
		m.Drafts = draft
	}
	_, err := o.p.apply(ctx, m)
	return err
}

// received is the delivery in hand with the envelope that was found in it.
func (o *opening) received() exchange.Delivery {
	d := o.d
	o.known(&d)
	return d
}

// verdict records what becomes of a business file: refused, or handed over as a
// whole or in part, with the answer that is due.
func (o *opening) verdict(ctx context.Context) error {
	rep, l := &o.rep, o.p.partners[o.d.Account]
	m := exchange.Move{ID: o.d.ID, From: o.d.State, By: exchange.Judged, Due: o.p.Now(),
		Text: "signed by " + strings.Join(o.opened.SignerIKs, ", ") + "; " + messages(rep.Messages) + ", none refused" + remarks(rep, o.p.Checks != nil)}
	gap, err := o.p.Ledger.GapBefore(ctx, o.received())
	if err != nil {
		return err
	}
	if gap != "" { // when receiving, a gap is only told
		m.Text += "; reference " + gap + " has not come"
	}
	note := ""
	say := func(p annex.Profile) []annex.FEHLMessage { return p.Answer(rep) }
	switch {
	case rep.Verdict == annex.Rejected:
		m.By, m.Due, m.Cause, m.Text = exchange.Refused, time.Time{}, exchange.ByCheck, summary(rep)
		note = "FEHL due: the file"
		if n := len(rep.Refused); n > 0 {
			note = "FEHL due: " + messages(int64(n))
		}
	case rep.Verdict == annex.Partly:
		m.Cause, m.Text = exchange.PartlyRefused, fmt.Sprintf("%d of %d messages refused, the rest is handed over%s", len(rep.Refused), rep.Messages, remarks(rep, o.p.Checks != nil))
		note = "FEHL due: " + messages(int64(len(rep.Refused)))
	case l.Positive:
		note = "FEHL due: confirmation"
		say = func(p annex.Profile) []annex.FEHLMessage { return []annex.FEHLMessage{p.Positive(rep, l.PositiveCode)} }
	}
	if note != "" {
		var err error
		if m.Drafts, err = o.draft(say); err != nil {
			return err
		}
	}
	refused, err := json.Marshal(numbers(rep.Refused))
	if err != nil {
		return err
	}
	m.Change = func(d *exchange.Delivery) {
		o.known(d)
		d.Answer = note
		if d.Draft = nil; rep.Verdict == annex.Partly {
			d.Draft = refused
		}
	}
	_, err = o.p.apply(ctx, m)
	return err
}

// draft makes the row of the answer to the delivery in hand. It speaks as the
// IK that the file was addressed to, to the IK that sent it.
func (o *opening) draft(say func(annex.Profile) []annex.FEHLMessage) ([]exchange.Delivery, error) {
	profile, err := o.p.partners[o.d.Account].profile()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(say(profile))
	if err != nil {
		return nil, err
	}
	now := o.p.Now()
	env := o.rep.Envelope
	return []exchange.Delivery{{
		Intake: o.d.Intake + "-answer", Direction: exchange.Out, Kind: exchange.Answer,
		TakenAt: now, Due: now, Account: o.d.Account, Partner: o.d.Account, Mode: o.d.Mode,
		Name: "answer to " + o.d.TransferName, Draft: text,
		Owner: o.d.EncryptTo, Physical: o.d.EncryptTo, EncryptTo: o.d.Owner, SendTo: o.d.Physical,
		Kostentraeger: o.d.Owner,
		Envelope: exchange.Envelope{
			Sender:         first(env.Recipient, o.d.EncryptTo),
			Recipient:      first(env.Sender, o.d.Owner),
			ApplicationRef: first(o.d.Envelope.ApplicationRef, env.ApplicationRef),
			Types:          []string{annex.TypeFEHL},
		},
		Reason: fmt.Sprintf("answer to delivery %d", o.d.ID),
	}}, nil
}
