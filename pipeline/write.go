package pipeline

import (
	"context"
	"encoding/json"
	"io"

	"gateway301/annex"
	"gateway301/exchange"
)

// write turns what was decided into a file in the spool: an answer, or the good
// messages of a file. Text, reference and time of an answer come from the row, so
// that writing it twice gives the same file.
func (p *Pipeline) write(ctx context.Context, d exchange.Delivery) error {
	if d.Kind == exchange.File {
		return p.writeSplit(ctx, d)
	}
	var messages []annex.FEHLMessage
	if err := json.Unmarshal(d.Draft, &messages); err != nil {
		return err
	}
	profile, err := p.partners[d.Partner].profile()
	if err != nil {
		return err
	}
	at := d.TakenAt.In(p.Location)
	env := annex.Envelope{
		Syntax: "UNOC:3", Sender: d.Envelope.Sender, Recipient: d.Envelope.Recipient,
		Date: at.Format("060102"), Time: at.Format("1504"),
		Reference: d.Envelope.Reference, ApplicationRef: d.Envelope.ApplicationRef,
	}
	size, sha, err := p.Spool.Write(d.Intake, partPlain, func(w io.Writer) error {
		return annex.WriteFEHL(w, profile, env, messages)
	})
	if err != nil {
		return err
	}
	_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Written, Due: p.Now(), Text: d.Reason,
		Change: func(d *exchange.Delivery) {
			d.Size, d.SHA256, d.Envelope.Messages = size, sha, int64(len(messages))
		}})
	return err
}

// profile is how answers to the partner look.
func (l *lane) profile() (annex.Profile, error) {
	profile, err := annex.AnswerProfile(l.AnswerProfile)
	if err != nil || l.Charset == "" {
		return profile.WithCodes(l.Codes), err
	}
	return profile.WithCodes(l.Codes).WithCharset(l.Charset)
}
