package crypto

import (
	"crypto/x509"
	"fmt"
	"io"
	"time"

	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
)

// A Signer is the own certificate and key that sign.
type Signer = keys.Own

// Sealed is what Seal has read and written: sizes in bytes, and the SHA-256 of
// both the plain and the sealed file.
type Sealed = cms.Sealed

// Seal signs src as signer and encrypts it for the recipients; size is the
// exact number of plain bytes, -1 if unknown. With a size the result is DER,
// without one BER of indefinite length. It streams.
//
// A certificate that is not valid at the given moment, or not meant for its
// use, is a *keys.CertificateError before a byte is written: the file has to
// be held until there is a better one. That the recipients' certificates are
// trusted is known from keys.Directory.ForIK. The moment becomes the signing
// time.
func Seal(dst io.Writer, src io.Reader, size int64, s Signer, to []*x509.Certificate, at time.Time) (Sealed, error) {
	if s.Certificate == nil || s.Key == nil {
		return Sealed{}, fmt.Errorf("%w: no signer", cms.ErrKey)
	}
	if err := usable(s.Certificate, x509.KeyUsageDigitalSignature, at); err != nil {
		return Sealed{}, fmt.Errorf("signer: %w", err)
	}
	for _, c := range to {
		if err := usable(c, x509.KeyUsageKeyEncipherment, at); err != nil {
			return Sealed{}, fmt.Errorf("recipient: %w", err)
		}
	}
	return cms.Seal(dst, src, size, cms.SealOptions{
		Signer:      cms.Signer{Certificate: s.Certificate, Key: s.Key},
		Recipients:  to,
		SigningTime: at,
	})
}

// usable is what must hold for every certificate that seals.
func usable(cert *x509.Certificate, use x509.KeyUsage, at time.Time) error {
	if err := keys.CheckValidity(cert, at); err != nil {
		return err
	}
	return keys.CheckUsage(cert, use)
}
