package crypto

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"

	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
)

// ErrNotOpened is what every file that is damaged, not for us or not properly
// signed comes to. The cause, for the local log alone, is in *cms.OpenError.
var ErrNotOpened = cms.ErrNotOpened

// ErrSigningTime reports a signing time that the signer's certificate or our
// clock contradicts.
var ErrSigningTime = errors.New("signing time contradicts certificate or receipt")

// ErrOtherSigner reports a signature by somebody else than the signers that
// were asked for.
var ErrOtherSigner = errors.New("signed by somebody else")

// Skew is how far a partner's clock may be ahead of ours.
const Skew = 10 * time.Minute

// OpenOptions say with which keys a file is opened and whom to believe.
type OpenOptions struct {
	Own       []keys.Own      // every own key, old ones too: a late answer is sealed to the old one
	Directory *keys.Directory // whom to believe; required
	// ReceivedAt is when we recorded the receipt of the file. The signer's
	// certificate is judged at that moment, so that a file of 31 December
	// opens on 1 January.
	ReceivedAt time.Time
	Policy     cms.Policy // for everybody; the zero value is the profile
	// Exceptions widen the policy for single signers. They are judged when the
	// signature has told who signed.
	Exceptions []Exception
	// Signers, if there are any, are the only ones believed: certificates to be
	// found in addition to those of the Directory, which still judges them.
	Signers []*x509.Certificate
	// OpenPGP, if it is set, takes the place of all but ReceivedAt: with partners
	// with whom that was agreed. A file in CMS is then refused.
	OpenPGP *OpenPGP
}

// An Exception lets the files of one signer be opened that the profile refuses.
type Exception struct {
	IK     string     // in the signer's certificate
	Policy cms.Policy // what is taken in addition
	Until  time.Time  // the first moment at which it no longer holds; by receipt
}

// Opened is what is known of an opened file. All of it is verified, except
// SigningTime, which the signer claims. Of an OpenPGP message there are only
// SignerIKs, Size and SigningTime.
type Opened struct {
	Signer      *x509.Certificate
	SignerIKs   []string
	Recipient   *x509.Certificate // the own certificate whose key opened it
	Size        int64             // of the plain file, bytes
	SHA256      [sha256.Size]byte // of the plain file
	SigningTime time.Time         // zero if the signer states none
	Used        cms.Policy        // what the file needed beyond the profile
}

// OpenFile decrypts and verifies src into the file dst, as Publish does: on any
// fault nothing is left and dst is as it was.
//
// A file that cannot be opened is ErrNotOpened. A signer who is not to be
// believed is a *keys.CertificateError, a signing time out of place
// ErrSigningTime, one who was not asked for ErrOtherSigner. Errors of src and of
// the disk are returned as they are.
func OpenFile(dst string, src io.Reader, o OpenOptions) (Opened, error) {
	if o.OpenPGP != nil {
		return o.OpenPGP.open(dst, src, o)
	}
	var opened Opened
	err := Publish(dst, func(w io.Writer) (err error) {
		opened, err = open(w, src, o)
		return err
	})
	if err != nil {
		return Opened{}, err
	}
	return opened, nil
}

// open writes the content to dst and judges its signer.
func open(dst io.Writer, src io.Reader, o OpenOptions) (Opened, error) {
	own := make([]cms.Key, len(o.Own))
	for i, k := range o.Own {
		own[i] = cms.Key{Certificate: k.Certificate, Key: k.Key}
	}
	widest := o.policyFor(func(string) bool { return true })
	m, err := cms.Open(dst, src, cms.OpenOptions{Keys: own, Find: o.find, Policy: widest})
	if err != nil {
		return Opened{}, err
	}
	if len(o.Signers) > 0 && !slices.ContainsFunc(o.Signers, m.Signer.Equal) {
		return Opened{}, fmt.Errorf("%w: serial %x", ErrOtherSigner, m.Signer.SerialNumber)
	}
	iks := keys.IKs(m.Signer)
	if allowed := o.policyFor(func(ik string) bool { return slices.Contains(iks, ik) }); !allowed.Allows(m.Used) {
		return Opened{}, &cms.OpenError{Cause: fmt.Errorf("%w: %+v, signed by IK %s", cms.ErrPolicy, m.Used, strings.Join(iks, ", "))}
	}
	if err := o.Directory.VerifySigner(m.Signer, m.Certificates, o.ReceivedAt); err != nil {
		return Opened{}, fmt.Errorf("signer: %w", err)
	}
	if err := checkSigningTime(m, o.ReceivedAt); err != nil {
		return Opened{}, err
	}
	return Opened{
		Signer:      m.Signer,
		SignerIKs:   iks,
		Used:        m.Used,
		Recipient:   m.Recipient,
		Size:        m.Size,
		SHA256:      m.SHA256,
		SigningTime: m.SigningTime,
	}, nil
}

// find looks for the certificate of a message that does not bring it.
func (o *OpenOptions) find(rawIssuer []byte, serial *big.Int) *x509.Certificate {
	for _, c := range o.Signers {
		if c.SerialNumber.Cmp(serial) == 0 && bytes.Equal(c.RawIssuer, rawIssuer) {
			return c
		}
	}
	return o.Directory.Find(rawIssuer, serial)
}

// policyFor is the policy with the exceptions of the signers that are meant.
func (o *OpenOptions) policyFor(meant func(ik string) bool) cms.Policy {
	p := o.Policy
	for _, e := range o.Exceptions {
		if meant(e.IK) && o.ReceivedAt.Before(e.Until) {
			p = p.Widen(e.Policy)
		}
	}
	return p
}

// checkSigningTime demands that the claimed time, if there is one, lies within
// the certificate and not after the receipt.
func checkSigningTime(m *cms.Message, received time.Time) error {
	t := m.SigningTime
	if t.IsZero() {
		return nil
	}
	const form = "2006-01-02 15:04:05 MST"
	if t.After(received.Add(Skew)) {
		return fmt.Errorf("%w: signed %s, received %s", ErrSigningTime, t.Format(form), received.UTC().Format(form))
	}
	if err := keys.CheckValidity(m.Signer, t); err != nil {
		return fmt.Errorf("%w: signed %s: %w", ErrSigningTime, t.Format(form), err)
	}
	return nil
}
