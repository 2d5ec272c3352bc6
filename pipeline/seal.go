package pipeline

import (
	"context"
	"encoding/hex"
	"errors"
	"io"

	"gateway301/crypto"
	"gateway301/exchange"
)

// seal signs as the owner and encrypts for the recipient. Whatever is wrong with
// a key holds the file: nothing is ever sent with less.
func (p *Pipeline) seal(ctx context.Context, d exchange.Delivery) error {
	now := p.Now()
	signer, ik, err := p.signerFor(d)
	if err != nil {
		return p.hold(ctx, d, exchange.KeyProblem, err.Error())
	}
	sealing, err := p.Keys.Sealing(signer, d.EncryptTo, now)
	if err != nil {
		return p.hold(ctx, d, exchange.KeyProblem, err.Error())
	}
	plain, err := p.part(d, partPlain)
	if err != nil {
		return err
	}
	defer plain.Close()
	var sealed crypto.Sealed
	var keyFault error
	size, sha, err := p.Spool.Write(d.Intake, partSealed, func(w io.Writer) error {
		var err error
		sealed, err = crypto.SealAs(w, &interruptible{ctx, plain}, d.Size, sealing)
		if crypto.IsKeyFault(err) {
			keyFault = err
		}
		return err
	})
	if keyFault != nil {
		return p.hold(ctx, d, exchange.KeyProblem, keyFault.Error())
	}
	if err != nil && !errors.Is(err, crypto.ErrSize) {
		return err
	}
	if err != nil || hex.EncodeToString(sealed.PlainSHA256[:]) != d.SHA256 {
		if err := p.Spool.Drop(d.Intake, partSealed); err != nil {
			return err
		}
		return p.hold(ctx, d, exchange.SpoolDamaged, "the bytes in the spool are not those taken over")
	}
	_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.WasSealed, Due: p.Now(),
		Text: "signed as " + ik + ", encrypted for " + d.EncryptTo,
		Change: func(d *exchange.Delivery) {
			d.SealedSize, d.SealedSHA256, d.SealedFor = size, sha, sealing.Recipients[0].NotAfter
		}})
	return err
}

// signerFor finds the key that may sign for the owner: its own, or that of an
// identity that an exception entitles.
func (p *Pipeline) signerFor(d exchange.Delivery) (s crypto.Signer, ik string, err error) {
	now := p.Now()
	if s, err = p.Keys.Signer(d.Owner, now); !errors.Is(err, ErrNoKey) {
		return s, d.Owner, err // a key that must not be used is not got round
	}
	for i := range p.Mandates {
		m := &p.Mandates[i]
		if m.Account != d.Account || m.Owner != d.Owner || !m.Valid(now) {
			continue
		}
		for _, ik := range m.Signers {
			if s, other := p.Keys.Signer(ik, now); other == nil {
				return s, ik, nil
			}
		}
	}
	return crypto.Signer{}, "", err
}

// An interruptible reader ends when ctx does.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
