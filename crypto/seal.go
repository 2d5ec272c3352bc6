package crypto

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
)

// A Signer is the own certificate and key that sign.
type Signer = keys.Own

// Sealed is what Seal has read and written: sizes in bytes, and the SHA-256 of
// the plain file.
type Sealed = cms.Sealed

// A Sealing says who seals for whom, and how.
type Sealing struct {
	Signer     Signer
	Recipients []*x509.Certificate // at least one; our own among them if we want to read it again
	At         time.Time           // of all checks; becomes the signing time
	Legacy     *Legacy             // nil: the profile
	// OpenPGP, if it is set, says who seals for whom instead of Signer, Recipients
	// and Legacy: with partners with whom that was agreed.
	OpenPGP *pgp.SealOptions
}

// Legacy permits to write the profile legacy-pkcs1 for a partner who reads
// nothing better. It is never chosen by itself.
type Legacy struct {
	Reason string    // why, for whoever checks the settings
	Until  time.Time // the first moment at which it is no longer permitted
}

// ErrLegacy reports that the legacy profile may not be written: it has no
// reason, or its time is over.
var ErrLegacy = errors.New("the profile legacy-pkcs1 is not permitted")

// Seal signs src as signer and encrypts it for the recipients in the profile;
// see SealAs.
func Seal(dst io.Writer, src io.Reader, size int64, s Signer, to []*x509.Certificate, at time.Time) (Sealed, error) {
	return SealAs(dst, src, size, Sealing{Signer: s, Recipients: to, At: at})
}

// SealAs signs and encrypts src; size is the exact number of plain bytes, -1 if
// unknown. With a size the result is DER, without one BER of indefinite length.
// It streams.
//
// A certificate that is not valid at the given moment, or not meant for its
// use, is a *keys.CertificateError before a byte is written, a legacy profile
// out of time ErrLegacy: the file has to be held until there is something
// better. That the recipients' certificates are trusted is known from
// keys.Directory.ForIK.
func SealAs(dst io.Writer, src io.Reader, size int64, s Sealing) (Sealed, error) {
	if s.OpenPGP != nil {
		return s.openPGP(dst, src, size)
	}
	if s.Signer.Certificate == nil || s.Signer.Key == nil {
		return Sealed{}, fmt.Errorf("%w: no signer", cms.ErrKey)
	}
	profile := cms.SECON
	if s.Legacy != nil {
		if err := s.Legacy.check(s.At); err != nil {
			return Sealed{}, err
		}
		profile = cms.LegacyPKCS1
	}
	if err := usable(s.Signer.Certificate, x509.KeyUsageDigitalSignature, s.At); err != nil {
		return Sealed{}, fmt.Errorf("signer: %w", err)
	}
	for _, c := range s.Recipients {
		if err := usable(c, x509.KeyUsageKeyEncipherment, s.At); err != nil {
			return Sealed{}, fmt.Errorf("recipient: %w", err)
		}
	}
	return cms.Seal(dst, src, size, cms.SealOptions{
		Signer:      cms.Signer{Certificate: s.Signer.Certificate, Key: s.Signer.Key},
		Recipients:  s.Recipients,
		SigningTime: s.At,
		Profile:     profile,
	})
}

func (l *Legacy) check(at time.Time) error {
	switch {
	case l.Reason == "":
		return fmt.Errorf("%w: no reason is given", ErrLegacy)
	case !at.Before(l.Until):
		return fmt.Errorf("%w: its time ended on %s", ErrLegacy, l.Until.Format(time.DateOnly))
	}
	return nil
}

// NotAfter is when the first of the keys ends that a file so sealed is read or
// judged by: the signer's, or the first recipient's. Zero: never.
func (s Sealing) NotAfter() time.Time {
	var ends []time.Time
	if o := s.OpenPGP; o != nil {
		ends = append(ends, o.Signer.NotAfter(s.At))
		for _, r := range o.Recipients[:min(1, len(o.Recipients))] {
			ends = append(ends, r.Key.NotAfter(s.At))
		}
	} else {
		ends = append(ends, s.Signer.Certificate.NotAfter)
		for _, c := range s.Recipients[:min(1, len(s.Recipients))] {
			ends = append(ends, c.NotAfter)
		}
	}
	ends = slices.DeleteFunc(ends, time.Time.IsZero)
	if len(ends) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(ends, time.Time.Compare)
}

// Outdated compares a sealed file with how it would be sealed now, and says why
// it must not go out as it is, "" if it may. A recipient whose certificate was
// replaced or revoked may have lost the old key, or somebody else may have it;
// and algorithms that are no longer permitted are not sent because they once
// were. It reads the head of the file alone, a few kilobytes.
func (s Sealing) Outdated(sealed io.Reader) (why string, err error) {
	if s.OpenPGP != nil {
		k := s.OpenPGP.Recipients[0].Key
		same, err := pgp.SealedFor(sealed, k, s.At)
		switch {
		case errors.Is(err, pgp.ErrNoMessage):
			return "it is not in OpenPGP, as was agreed since", nil
		case err == nil && !same:
			return "the recipient's key was replaced, now by " + k.Fingerprint(), nil
		}
		return "", err
	}
	recipients, err := cms.Recipients(sealed)
	if _, other := errors.AsType[*cms.FormatError](err); other {
		return "it is not in CMS, as was agreed since", nil
	}
	if err != nil {
		return "", err
	}
	profile := cms.SECON
	if s.Legacy != nil {
		profile = cms.LegacyPKCS1
	}
	for _, r := range recipients {
		if r.Names(s.Recipients[0]) {
			if r.Profile() != profile {
				return fmt.Sprintf("it is in the profile %s, and the recipient's is %s", r.Profile(), profile), nil
			}
			return "", nil
		}
	}
	return fmt.Sprintf("the recipient's certificate was replaced, now by serial %x", s.Recipients[0].SerialNumber), nil
}

// usable is what must hold for every certificate that seals.
func usable(cert *x509.Certificate, use x509.KeyUsage, at time.Time) error {
	if err := keys.CheckValidity(cert, at); err != nil {
		return err
	}
	return keys.CheckUsage(cert, use)
}
