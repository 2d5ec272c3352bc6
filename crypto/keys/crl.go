package keys

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ReadCRLs reads a file in one of the forms of ParseCRLs.
func ReadCRLs(path string) ([]*x509.RevocationList, error) {
	return readFile(path, nil, ParseCRLs)
}

// ParseCRLs takes one or more certificate revocation lists in PEM, or one in
// DER (RFC 5280, 5).
func ParseCRLs(b []byte) ([]*x509.RevocationList, error) {
	var lists []*x509.RevocationList
	add := func(der []byte) error {
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			return fmt.Errorf("%w: CRL: %w", ErrMalformed, err)
		}
		lists = append(lists, l)
		return nil
	}
	if len(b) > 0 && b[0] == 0x30 { // SEQUENCE
		err := add(b)
		return lists, err
	}
	for _, block := range blocks(b) {
		if block.Type != "X509 CRL" {
			continue
		}
		if err := add(block.Bytes); err != nil {
			return nil, err
		}
	}
	if len(lists) == 0 {
		return nil, ErrNoCRL
	}
	return lists, nil
}

// addCRL verifies a list and takes its entries. The list's issuer is one of the
// CA certificates of that name, valid or not: that a CA has expired does not
// make what it revoked good again.
func (d *Directory) addCRL(l *x509.RevocationList) error {
	var faults tried
	for _, ca := range d.byName[string(l.RawIssuer)] {
		if err := d.checkCRL(l, ca); err != nil {
			faults = append(faults, err)
			continue
		}
		for _, e := range l.RevokedCertificateEntries {
			key := serialKey(l.RawIssuer, e.SerialNumber)
			const removeFromCRL = 8 // RFC 5280, 5.3.1; of delta CRLs alone
			if at, ok := d.revoked[key]; e.ReasonCode != removeFromCRL && (!ok || e.RevocationTime.Before(at)) {
				d.revoked[key] = e.RevocationTime
			}
		}
		return nil
	}
	if len(faults) == 0 {
		return fmt.Errorf("CRL of %q: %w: no such CA", l.Issuer, ErrUntrusted)
	}
	return fmt.Errorf("CRL of %q: %w: %w", l.Issuer, ErrUntrusted, faults)
}

// checkCRL says whether ca signed the list and leads to a pinned root.
func (d *Directory) checkCRL(l *x509.RevocationList, ca *x509.Certificate) error {
	for _, e := range l.Extensions {
		switch id := e.Id.String(); {
		case id == "2.5.29.27":
			return errors.New("a delta CRL")
		case e.Critical: // such as an issuing distribution point: it would not hold for all certificates
			return fmt.Errorf("critical extension %s is not understood", id)
		}
	}
	if err := l.CheckSignatureFrom(ca); err != nil {
		return err
	}
	if d.pinned(ca) {
		return nil
	}
	s := &search{d: d, at: ca.NotAfter}
	return s.chain(ca, 0)
}

// CheckRevoked says whether a CRL names the certificate, revoked at that moment
// or before.
func (d *Directory) CheckRevoked(cert *x509.Certificate, at time.Time) error {
	since, ok := d.revoked[serialKey(cert.RawIssuer, cert.SerialNumber)]
	if !ok || at.Before(since) {
		return nil
	}
	const form = "2006-01-02 15:04:05 MST"
	return newCertificateError(cert, fmt.Errorf("%w on %s", ErrRevoked, since.UTC().Format(form)))
}

// CRLs returns the lists that the directory was made of.
func (d *Directory) CRLs() []*x509.RevocationList { return d.o.CRLs }

// Roots returns the pinned roots.
func (d *Directory) Roots() []*x509.Certificate { return d.roots }

// All returns every certificate of participants that names the IK, the one that
// ends last first. It checks nothing.
func (d *Directory) All(ik string) []*x509.Certificate { return sorted(d.byIK[ik]) }

// same reports whether two certificates are the same byte for byte.
func same(a, b *x509.Certificate) bool { return bytes.Equal(a.Raw, b.Raw) }
