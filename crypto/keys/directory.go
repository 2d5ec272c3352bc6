package keys

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// MinBits is the least length of an RSA modulus (Anlage 16, 2.1.4).
const MinBits = 4096

// Options of a Directory. The zero value is the rule of Anlage 16.
type Options struct {
	MinBits int // least RSA modulus in bits; 0 means 4096, less than 2048 is an error
	// ShortKeys are IKs whose certificates may be shorter than MinBits, down
	// to 2048 bits, and the first moment at which they no longer may: partners
	// who have not changed yet.
	ShortKeys map[string]time.Time
	// Override names the certificate to use for an IK, whatever IK it holds:
	// some Annahmestellen are listed under another one. It has to pass all
	// other checks.
	Override map[string]*x509.Certificate
	// CRLs are the trust centres' revocation lists, each signed by a CA that
	// leads to a pinned root. A certificate, or a CA above it, that stands in one
	// is ErrRevoked from its revocation on. A list past its NextUpdate still
	// counts: what it revoked stays revoked. Certificates without a list are not
	// asked for one.
	CRLs []*x509.RevocationList
}

// ShortBits is the floor below every exception.
const ShortBits = 2048

// A Directory holds the certificates of partners and trust centres. It does
// not change and may be used by several goroutines.
type Directory struct {
	roots    []*x509.Certificate
	byName   map[string][]*x509.Certificate // CA certificates, roots included, by raw subject
	byIK     map[string][]*x509.Certificate
	bySerial map[string]*x509.Certificate // by raw issuer and serial
	revoked  map[string]time.Time         // by raw issuer and serial
	o        Options
}

// NewDirectory makes a directory of the pinned roots and all other
// certificates, in any order: partners' and, where the roots did not sign
// those themselves, the CAs' in between. Repetitions are taken once.
func NewDirectory(roots, others []*x509.Certificate, o Options) (*Directory, error) {
	if o.MinBits == 0 {
		o.MinBits = MinBits
	}
	if o.MinBits < ShortBits {
		return nil, fmt.Errorf("%w: a minimum of %d bits is below %d", ErrWeakKey, o.MinBits, ShortBits)
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("pinned roots: %w", ErrNoCertificates)
	}
	d := &Directory{
		byName:   make(map[string][]*x509.Certificate),
		byIK:     make(map[string][]*x509.Certificate),
		bySerial: make(map[string]*x509.Certificate),
		revoked:  make(map[string]time.Time),
		o:        o,
	}
	seen := make(map[string]bool)
	for i, c := range slices.Concat(roots, others) {
		if seen[string(c.Raw)] {
			continue
		}
		seen[string(c.Raw)] = true
		if i < len(roots) {
			d.roots = append(d.roots, c)
		}
		if i < len(roots) || c.IsCA {
			d.byName[string(c.RawSubject)] = append(d.byName[string(c.RawSubject)], c)
		}
		for _, ik := range IKs(c) {
			d.byIK[ik] = append(d.byIK[ik], c)
		}
		if key := serialKey(c.RawIssuer, c.SerialNumber); d.bySerial[key] == nil {
			d.bySerial[key] = c
		}
	}
	for _, l := range o.CRLs {
		if err := d.addCRL(l); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func serialKey(rawIssuer []byte, serial *big.Int) string {
	return serial.Text(16) + "\x00" + string(rawIssuer)
}

// ForIK returns the certificate to seal with for an IK at a moment: valid then,
// for keyEncipherment, long enough and leading to a pinned root. Of several it
// is the one that ends last. If there is none, the *CertificateError tells what
// is wrong with the one that ends last, or ErrNone.
func (d *Directory) ForIK(ik string, at time.Time) (*x509.Certificate, error) {
	candidates := sorted(d.byIK[ik])
	if c := d.o.Override[ik]; c != nil {
		candidates = []*x509.Certificate{c}
	}
	if len(candidates) == 0 {
		return nil, &CertificateError{IKs: []string{ik}, Err: ErrNone}
	}
	var first error
	for _, c := range candidates {
		err := d.check(c, nil, at, x509.KeyUsageKeyEncipherment, at.Before(d.o.ShortKeys[ik]))
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// sorted is a copy, the certificate that ends last first.
func sorted(certs []*x509.Certificate) []*x509.Certificate {
	c := slices.Clone(certs)
	slices.SortStableFunc(c, latestFirst)
	return c
}

// Issuers returns the CA certificates whose key made the signature on cert.
func (d *Directory) Issuers(cert *x509.Certificate) []*x509.Certificate {
	var made []*x509.Certificate
	for _, ca := range d.byName[string(cert.RawIssuer)] {
		if !same(ca, cert) && CheckIssued(cert, ca) == nil {
			made = append(made, ca)
		}
	}
	return made
}

// Verify says whether a certificate may be sealed with at that moment, as ForIK
// does for those in the directory.
func (d *Directory) Verify(cert *x509.Certificate, at time.Time) error {
	short := slices.ContainsFunc(IKs(cert), func(ik string) bool { return at.Before(d.o.ShortKeys[ik]) })
	return d.check(cert, nil, at, x509.KeyUsageKeyEncipherment, short)
}

// latestFirst puts the certificate that ends last first; of two that end
// together the younger one.
func latestFirst(a, b *x509.Certificate) int {
	if c := b.NotAfter.Compare(a.NotAfter); c != 0 {
		return c
	}
	return b.NotBefore.Compare(a.NotBefore)
}

// VerifySigner says whether a signature made with cert is to be believed if it
// arrived at the given moment: valid then, for digitalSignature, long enough
// and leading to a pinned root. along are certificates that came with the
// message; they may help to build the chain, never to end it.
//
// Give the recorded time of receipt, not the present: what was signed and
// received on the last day of a certificate is still good the day after.
func (d *Directory) VerifySigner(cert *x509.Certificate, along []*x509.Certificate, at time.Time) error {
	short := slices.ContainsFunc(IKs(cert), func(ik string) bool { return at.Before(d.o.ShortKeys[ik]) })
	return d.check(cert, along, at, x509.KeyUsageDigitalSignature, short)
}

// Find returns the certificate with this issuer and serial number, or nil. It
// checks nothing.
func (d *Directory) Find(rawIssuer []byte, serial *big.Int) *x509.Certificate {
	return d.bySerial[serialKey(rawIssuer, serial)]
}

// check judges one participant's certificate.
func (d *Directory) check(cert *x509.Certificate, along []*x509.Certificate, at time.Time, use x509.KeyUsage, short bool) error {
	if err := CheckValidity(cert, at); err != nil {
		return err
	}
	if err := CheckUsage(cert, use); err != nil {
		return err
	}
	if err := d.checkKey(cert, short); err != nil {
		return err
	}
	if err := d.CheckRevoked(cert, at); err != nil {
		return err
	}
	s := &search{d: d, along: along, at: at}
	if err := s.chain(cert, 0); err != nil {
		return newCertificateError(cert, fmt.Errorf("%w: %w", ErrUntrusted, err))
	}
	return nil
}

func (d *Directory) checkKey(cert *x509.Certificate, short bool) error {
	least := d.o.MinBits
	if short {
		least = ShortBits
	}
	return CheckLength(cert, least)
}

// Limits of the search for a chain. Without the second one a message with many
// certificates of one name, each signed by all others, would keep us busy.
const (
	maxChain  = 4   // CA certificates above a participant
	maxChecks = 100 // signatures checked for one participant
)

// A search looks for a way up to a pinned root.
type search struct {
	d      *Directory
	along  []*x509.Certificate
	at     time.Time
	checks int
}

// chain goes through every CA certificate of the right name. below counts the
// CAs under cert.
func (s *search) chain(cert *x509.Certificate, below int) error {
	if err := understood(cert); err != nil {
		return err
	}
	if s.d.pinned(cert) {
		return nil
	}
	if below > maxChain {
		return fmt.Errorf("more than %d CAs", maxChain)
	}
	parents := slices.Clone(s.d.byName[string(cert.RawIssuer)])
	for _, c := range s.along {
		if bytes.Equal(c.RawSubject, cert.RawIssuer) {
			parents = append(parents, c)
		}
	}
	var faults tried
	for _, p := range parents {
		if s.checks == maxChecks {
			return append(faults, fmt.Errorf("more than %d signatures", maxChecks))
		}
		err := s.link(cert, p, below)
		if err == nil {
			return nil
		}
		faults = append(faults, fmt.Errorf("CA serial %x: %w", p.SerialNumber, err))
	}
	if len(faults) == 0 {
		return fmt.Errorf("no CA %q", cert.Issuer)
	}
	return faults
}

// link checks one step of the chain and then the rest of it.
func (s *search) link(cert, parent *x509.Certificate, below int) error {
	if bytes.Equal(cert.Raw, parent.Raw) {
		return errors.New("signed by itself and not pinned")
	}
	s.checks++
	if err := CheckIssued(cert, parent); err != nil {
		return err
	}
	if err := CheckValidity(parent, s.at); err != nil {
		return err
	}
	if err := s.d.CheckRevoked(parent, s.at); err != nil {
		return err
	}
	if parent.MaxPathLen > 0 && below > parent.MaxPathLen || parent.MaxPathLenZero && below > 0 {
		return errors.New("path too long for this CA")
	}
	if Bits(parent) < ShortBits {
		return ErrWeakKey
	}
	return s.chain(parent, below+1)
}

func (d *Directory) pinned(cert *x509.Certificate) bool {
	return slices.ContainsFunc(d.roots, func(r *x509.Certificate) bool { return same(r, cert) })
}

// understood refuses extensions that are critical and not known, and name
// constraints, which the trust centres do not use and nothing here checks.
func understood(cert *x509.Certificate) error {
	if len(cert.UnhandledCriticalExtensions) > 0 {
		return fmt.Errorf("critical extension %v is not understood", cert.UnhandledCriticalExtensions[0])
	}
	for _, e := range cert.Extensions {
		if e.Critical && e.Id.String() == "2.5.29.30" {
			return errors.New("name constraints are not understood")
		}
	}
	return nil
}

// tried are the faults of all ways that were tried, in one line. It does not
// unwrap: that a CA has expired does not make the participant ErrExpired.
type tried []error

func (t tried) Error() string {
	s := make([]string, len(t))
	for i, e := range t {
		s[i] = e.Error()
	}
	return strings.Join(s, "; ")
}
