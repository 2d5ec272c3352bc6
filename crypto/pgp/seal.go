package pgp

import (
	"crypto"
	"crypto/sha256"
	_ "crypto/sha512" // links SHA-512 for messages of others
	"errors"
	"fmt"
	"io"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// digest is what signatures are made over.
const digest = crypto.SHA256

// A Recipient is a partner's key and what its program can read.
type Recipient struct {
	Key Key
	// SEIPDv2 says that the partner was tried to read version 2 of the
	// integrity protected packet. It is written only if all recipients do and
	// their keys say so, too; GnuPG 2.2 does not.
	SEIPDv2 bool
}

// SealOptions say who seals for whom.
type SealOptions struct {
	Signer     Key         // private
	Recipients []Recipient // at least one
	At         time.Time   // of all checks; becomes the signing time
}

// Sealed is what Seal has read and written.
type Sealed struct {
	PlainSize   int64
	PlainSHA256 [sha256.Size]byte
	SealedSize  int64
}

// Seal signs src and encrypts it for the recipients; it streams. A key that
// may not be used at that moment is ErrKey, before a byte is written. Errors of
// src and dst are returned as they are; dst then holds a useless piece of a
// message.
func Seal(dst io.Writer, src io.Reader, o SealOptions) (Sealed, error) {
	if o.Signer.entity == nil {
		return Sealed{}, fmt.Errorf("%w: no signer", ErrKey)
	}
	signer, err := o.Signer.copy()
	if err != nil {
		return Sealed{}, err
	}
	if err := checkSigner(signer, o.At); err != nil {
		return Sealed{}, err
	}
	to, err := recipients(o)
	if err != nil {
		return Sealed{}, err
	}
	plain, sealed := &meter{r: src, h: sha256.New()}, &meter{w: dst}
	w, err := openpgp.Encrypt(sealed, to, nil, []*openpgp.Entity{signer}, &openpgp.FileHints{IsUTF8: false}, config(o.At))
	if err != nil {
		return Sealed{}, sealed.or(fmt.Errorf("%w: %w", ErrKey, err))
	}
	if _, err := io.CopyBuffer(w, struct{ io.Reader }{plain}, make([]byte, chunk)); err != nil {
		return Sealed{}, err
	}
	if err := w.Close(); err != nil {
		return Sealed{}, err
	}
	res := Sealed{PlainSize: plain.n, SealedSize: sealed.n}
	plain.h.Sum(res.PlainSHA256[:0])
	return res, nil
}

// chunk is how much of a file is in hand at once. The library's writers allocate
// and copy for each piece: small ones cost a tenth more.
const chunk = 256 << 10

// ErrNoRecipient: nobody to seal for.
var ErrNoRecipient = errors.New("pgp: no recipient")

// recipients checks the keys and takes back what they promise and their owners
// do not keep: the library decides by the keys' promise alone.
func recipients(o SealOptions) ([]*openpgp.Entity, error) {
	if len(o.Recipients) == 0 {
		return nil, ErrNoRecipient
	}
	to := make([]*openpgp.Entity, len(o.Recipients))
	for i, r := range o.Recipients {
		if r.Key.entity == nil {
			return nil, ErrNoRecipient
		}
		e, err := r.Key.copy()
		if err != nil {
			return nil, err
		}
		if _, err := reader(e, o.At); err != nil {
			return nil, err
		}
		self, err := e.PrimarySelfSignature(o.At, config(o.At))
		if err != nil {
			return nil, fmt.Errorf("%w: recipient %s: %w", ErrKey, r.Key.Fingerprint(), err)
		}
		self.SEIPDv2 = self.SEIPDv2 && r.SEIPDv2
		to[i] = e
	}
	return to, nil
}
