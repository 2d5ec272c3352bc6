package pgp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Skew is how far a partner's clock may be ahead of ours.
const Skew = 10 * time.Minute

// OpenOptions say with which keys a message is opened and whom to believe.
type OpenOptions struct {
	Own     []Key // every own private key, old ones too
	Signers []Key // whose signature is believed
	// ReceivedAt is when we recorded the receipt. Keys and signatures are judged
	// at that moment, so that a message of the key's last day opens the day after.
	ReceivedAt time.Time
}

// A Message is what is known of a message that was opened, all of it verified
// but SigningTime, which the signer claims.
type Message struct {
	Signer      Key // one of OpenOptions.Signers
	Recipient   Key // one of OpenOptions.Own
	SigningTime time.Time
	Size        int64 // of the content, bytes; whoever stores it hashes it
}

// Open decrypts src with one of the keys, verifies the signature and writes the
// content to dst. It reads to the end before it judges; what is in dst is
// worthless until Open has returned without an error.
//
// A message that cannot be opened gives an *OpenError, which is ErrNotOpened
// for everyone and carries the cause for the local log. Errors of reading src
// and writing dst are returned as they are.
func Open(dst io.Writer, src io.Reader, o OpenOptions) (*Message, error) {
	in := &meter{r: src}
	out := &meter{w: dst}
	m, err := open(out, in, o)
	switch {
	case err == nil:
		return m, nil
	case in.err != nil:
		return nil, in.err
	case out.err != nil:
		return nil, out.err
	}
	return nil, &OpenError{Cause: err}
}

func open(out, in *meter, o OpenOptions) (*Message, error) {
	r := bufio.NewReaderSize(in, chunk)
	var ring openpgp.EntityList
	for _, k := range append(append([]Key{}, o.Own...), o.Signers...) {
		e, err := k.copy()
		if err != nil {
			return nil, err
		}
		ring = append(ring, e)
	}
	cfg := config(o.ReceivedAt)
	body, armoured, err := unarmoured(r)
	if err != nil {
		return nil, err
	}
	frames := &framing{r: body}
	details, err := openpgp.ReadMessage(frames, ring, nil, cfg)
	if err != nil {
		return nil, err
	}
	switch {
	case !details.IsEncrypted:
		return nil, ErrNotEncrypted
	case details.IsSymmetricallyEncrypted:
		return nil, fmt.Errorf("%w: with a password beside the keys", ErrNotEncrypted)
	case details.DecryptedWith.Entity == nil:
		return nil, fmt.Errorf("%w: for none of our keys", ErrNotEncrypted)
	}
	if err := strongCipher(details.DecryptedWithAlgorithm); err != nil {
		return nil, err
	}
	// All of it, before any verdict: integrity and signature come last.
	if _, err := io.CopyBuffer(struct{ io.Writer }{out}, details.UnverifiedBody, make([]byte, chunk)); err != nil {
		return nil, err
	}
	if err := atEnd(frames, r, armoured); err != nil {
		return nil, err
	}
	if !frames.whole() {
		return nil, ErrTruncated
	}
	m := &Message{Size: out.n}
	if err := m.judge(details, o); err != nil {
		return nil, err
	}
	return m, nil
}

func strongCipher(c packet.CipherFunction) error {
	switch c {
	case packet.CipherAES128, packet.CipherAES192, packet.CipherAES256:
		return nil
	}
	return fmt.Errorf("%w: cipher %d is no AES", ErrNotEncrypted, c)
}

// judge looks at the signature, after the body was read to its end.
func (m *Message) judge(d *openpgp.MessageDetails, o OpenOptions) error {
	switch {
	case !d.IsSigned || len(d.SignatureCandidates) == 0:
		return ErrNotSigned
	case !d.IsVerified || d.SignatureError != nil:
		return fmt.Errorf("%w: %w", ErrSignature, errors.Join(d.SignatureError))
	case d.Signature == nil || d.SignedBy == nil:
		return ErrSignature
	case d.Signature.SigType != packet.SigTypeBinary && d.Signature.SigType != packet.SigTypeText:
		return fmt.Errorf("%w: of type %d", ErrSignature, d.Signature.SigType)
	}
	var believed bool
	for _, k := range o.Signers {
		if k.Fingerprint() == fingerprint(d.SignedBy.Entity) {
			m.Signer, believed = k, true
		}
	}
	if !believed { // one of our own keys
		return fmt.Errorf("%w: signed by %s, who is none of the signers", ErrSignature, fingerprint(d.SignedBy.Entity))
	}
	m.SigningTime = d.Signature.CreationTime.UTC()
	if m.SigningTime.After(o.ReceivedAt.Add(Skew)) {
		return fmt.Errorf("%w: signed %s", ErrSigningTime, m.SigningTime.Format(time.RFC3339))
	}
	// The signing key has to be good when the message arrives, not only when its
	// owner claims to have signed.
	if _, ok := d.SignedBy.Entity.SigningKeyById(o.ReceivedAt, d.SignedBy.PublicKey.KeyId, config(o.ReceivedAt)); !ok {
		return fmt.Errorf("%w: key of %s is not valid at the time of receipt", ErrSignature, m.Signer.Fingerprint())
	}
	for _, k := range o.Own {
		if k.Fingerprint() == fingerprint(d.DecryptedWith.Entity) {
			m.Recipient = k
		}
	}
	return nil
}
