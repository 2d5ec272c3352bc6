package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"gateway301/annex"
	"gateway301/crypto"
	"gateway301/exchange"
)

// seal signs as the owner and encrypts for the recipient. Whatever is wrong with
// a key holds the file: nothing is ever sent with less.
func (p *Pipeline) seal(ctx context.Context, d exchange.Delivery) error {
	sealing, ik, err := p.sealingFor(d)
	if err != nil {
		return p.hold(ctx, d, exchange.KeyProblem, err.Error())
	}
	payload, err := p.payload(ctx, d)
	if errors.Is(err, errSpoolDamaged) {
		return p.hold(ctx, d, exchange.SpoolDamaged, err.Error())
	}
	if err != nil {
		return err
	}
	defer payload.Close()
	var sealed crypto.Sealed
	var keyFault error
	size, sha, err := p.Spool.Write(d.Intake, partSealed, func(w io.Writer) error {
		var err error
		sealed, err = crypto.SealAs(w, &interruptible{ctx, payload}, payload.size, sealing)
		if crypto.IsKeyFault(err) {
			keyFault = err
		}
		return errors.Join(err, p.stillOurs(ctx, d.ID)) // another node may have sealed it meanwhile
	})
	if keyFault != nil {
		return p.hold(ctx, d, exchange.KeyProblem, keyFault.Error())
	}
	if err != nil && !errors.Is(err, crypto.ErrSize) {
		return err
	}
	if err != nil || hex.EncodeToString(sealed.PlainSHA256[:]) != payload.sha256 {
		if err := p.Spool.Drop(d.Intake, partSealed); err != nil {
			return err
		}
		return p.hold(ctx, d, exchange.SpoolDamaged, errSpoolDamaged.Error())
	}
	_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.WasSealed, Due: p.Now(), InOrder: p.partners[d.Partner].Order == exchange.OrderStrict,
		Text: "signed as " + ik + ", encrypted for " + d.EncryptTo,
		Change: func(d *exchange.Delivery) {
			d.SealedSize, d.SealedSHA256, d.SealedFor = size, sha, sealing.NotAfter()
		}})
	return err
}

var errSpoolDamaged = errors.New("the bytes in the spool are not those taken over")

// A payload is what is signed and encrypted.
type payload struct {
	*os.File
	size   int64
	sha256 string // hex
}

// payload opens what is to be sealed: the plain file, or, where the partner agreed
// to compression 02, what gzip makes of it. What it makes stays in the spool, since
// the Auftragsdatei must say what was sealed whatever the partner's row says then.
func (p *Pipeline) payload(ctx context.Context, d exchange.Delivery) (payload, error) {
	plain, err := p.part(d, partPlain)
	if err != nil {
		return payload{}, err
	}
	if !p.partners[d.Partner].Gzip {
		return payload{plain, d.Size, d.SHA256}, p.Spool.Drop(d.Intake, partPacked)
	}
	defer plain.Close()
	sum := sha256.New()
	size, packedSum, err := p.Spool.Write(d.Intake, partPacked, func(w io.Writer) error {
		z, err := annex.Pack(w, annex.KomprimierungGzip)
		if err != nil {
			return err
		}
		_, err = io.Copy(z, io.TeeReader(&interruptible{ctx, plain}, sum))
		return errors.Join(err, z.Close())
	})
	if err != nil {
		return payload{}, err
	}
	if hex.EncodeToString(sum.Sum(nil)) != d.SHA256 {
		return payload{}, errSpoolDamaged
	}
	packed, err := p.part(d, partPacked)
	return payload{packed, size, packedSum}, err
}

// sealingFor says how a delivery is sealed now, signed as its owner or as an
// identity that an exception entitles.
func (p *Pipeline) sealingFor(d exchange.Delivery) (s crypto.Sealing, ik string, err error) {
	now := p.Now()
	if s, err = p.Keys.Sealing(d.Partner, d.Owner, d.EncryptTo, now); !errors.Is(err, ErrNoKey) {
		return s, d.Owner, err // a key that must not be used is not got round
	}
	for i := range p.Mandates {
		m := &p.Mandates[i]
		if m.Account != d.Account || m.Owner != d.Owner || !m.Valid(now) {
			continue
		}
		for _, ik := range m.Signers {
			if s, other := p.Keys.Sealing(d.Partner, ik, d.EncryptTo, now); other == nil {
				return s, ik, nil
			}
		}
	}
	return crypto.Sealing{}, "", err
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
