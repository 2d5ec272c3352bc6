package crypto

import (
	"fmt"
	"io"

	"gateway301/crypto/pgp"
)

// openPGP is SealAs for OpenPGP. ErrSize is found at the end: nothing in the
// form needs the size ahead.
func (s Sealing) openPGP(dst io.Writer, src io.Reader, size int64) (Sealed, error) {
	o := *s.OpenPGP
	o.At = s.At
	sealed, err := pgp.Seal(dst, src, o)
	if err != nil {
		return Sealed{}, err
	}
	if size >= 0 && sealed.PlainSize != size {
		return Sealed{}, fmt.Errorf("%w: %d bytes, not %d", ErrSize, sealed.PlainSize, size)
	}
	return Sealed(sealed), nil
}

// OpenPGP says with which keys a message is opened and whom to believe.
type OpenPGP struct {
	Own     []pgp.Key // every own private key, old ones too
	Signers []Speaker
}

// A Speaker is the holder of a key. An OpenPGP key names no IK: that it is this
// one's was agreed when the keys were exchanged.
type Speaker struct {
	Key pgp.Key
	IK  string
}

// open is OpenFile for OpenPGP.
func (p *OpenPGP) open(dst string, src io.Reader, o OpenOptions) (Opened, error) {
	po := pgp.OpenOptions{Own: p.Own, ReceivedAt: o.ReceivedAt}
	for _, s := range p.Signers {
		po.Signers = append(po.Signers, s.Key)
	}
	m, err := OpenPGPFile(dst, src, po)
	if err != nil {
		return Opened{}, err
	}
	opened := Opened{Size: m.Size, SigningTime: m.SigningTime}
	for _, s := range p.Signers {
		if s.Key.Fingerprint() == m.Signer.Fingerprint() {
			opened.SignerIKs = append(opened.SignerIKs, s.IK)
		}
	}
	return opened, nil
}

// OpenPGPFile decrypts and verifies an OpenPGP message into the file dst, as
// Publish does: on any fault nothing is left and dst is as it was. A message
// that cannot be opened, or is not signed by one of the signers, is
// pgp.ErrNotOpened.
func OpenPGPFile(dst string, src io.Reader, o pgp.OpenOptions) (*pgp.Message, error) {
	var m *pgp.Message
	err := Publish(dst, func(w io.Writer) (err error) {
		m, err = pgp.Open(w, src, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}
