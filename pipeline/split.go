package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"

	"gateway301/annex"
	"gateway301/exchange"
)

// splitSuffix makes the token of the good messages' delivery from the file's.
const splitSuffix = "-split"

// split lets the good messages of a file go on alone, where the partner's row says
// so. The file itself ends here: it stays as it is in the spool, rejected by our own
// check, with the list of what was left out beside it. Its good messages become a
// delivery of their own in the same transaction, so that at no instant a message
// is in neither or in both.
func (p *Pipeline) split(ctx context.Context, d exchange.Delivery, rep *annex.Report, found func(*exchange.Delivery)) error {
	left, err := json.Marshal(numbers(rep.Refused))
	if err != nil {
		return err
	}
	now := p.Now()
	part := exchange.Delivery{
		Intake: d.Intake + splitSuffix, Direction: exchange.Out, Kind: exchange.File,
		TakenAt: now, Due: now, Account: d.Account, Name: d.Name, Mode: d.Mode, Draft: left,
		Reason: "the good messages of a file of which " + messages(int64(len(rep.Refused))) + " were left out",
	}
	found(&part)
	part.Envelope.Messages -= int64(len(rep.Refused))
	_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Refused, Cause: exchange.PartlyRefused,
		Text:   messages(int64(len(rep.Refused))) + " left out, " + messages(part.Envelope.Messages) + " sent as a delivery of their own; correct and send the left-out ones alone: " + summary(rep),
		Change: found,
		Drafts: []exchange.Delivery{part}})
	return err
}

// writeSplit copies the good messages from the file that they came in.
func (p *Pipeline) writeSplit(ctx context.Context, d exchange.Delivery) error {
	whole, err := p.Ledger.Delivery(ctx, d.Replaces)
	if err != nil {
		return err
	}
	src, err := p.part(whole, partPlain)
	if err != nil {
		return err
	}
	defer src.Close()
	skip, err := leftOut(d)
	if err != nil {
		return err
	}
	var kept int64
	sum := sha256.New()
	size, sha, err := p.Spool.Write(d.Intake, partPlain, func(w io.Writer) (err error) {
		kept, err = annex.CopyWithout(w, io.TeeReader(&interruptible{ctx, src}, sum), skip)
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || hex.EncodeToString(sum.Sum(nil)) != whole.SHA256 {
		return p.hold(ctx, d, exchange.SpoolDamaged, errSpoolDamaged.Error())
	}
	_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Written, Due: p.Now(), Text: d.Reason,
		Change: func(d *exchange.Delivery) { d.Size, d.SHA256, d.Envelope.Messages = size, sha, kept }})
	return err
}

// leftOut tells which messages of a file are left out of its copy.
func leftOut(d exchange.Delivery) (func(message int64) bool, error) {
	var refused []int64
	if len(d.Draft) > 0 {
		if err := json.Unmarshal(d.Draft, &refused); err != nil {
			return nil, err
		}
	}
	skip := make(map[int64]bool, len(refused))
	for _, n := range refused {
		skip[n] = true
	}
	return func(message int64) bool { return skip[message] }, nil
}

func numbers(refused []annex.Refused) []int64 {
	out := make([]int64, len(refused))
	for i, r := range refused {
		out[i] = r.Message
	}
	return out
}
