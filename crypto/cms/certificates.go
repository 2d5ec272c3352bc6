package cms

import (
	"crypto/x509"
	"io"
)

// Limits of Certificates: how many there may be, and the bytes of CRLs beside them.
const (
	maxCollection = 4096
	maxCRLs       = 16 << 20
)

// Certificates reads a SignedData that holds certificates alone, without
// content and signers (RFC 5652, 5.1): the .p7c with which a trust centre
// answers a request. Nothing about the certificates is verified. DER and BER are
// read, CRLs beside the certificates skipped. A fault is a *FormatError.
func Certificates(src io.Reader) ([]*x509.Certificate, error) {
	d := newDecoder(src, Signed)
	if _, err := d.begin(Signed); err != nil {
		return nil, err
	}
	if err := d.enter(tagSet, "digest algorithms"); err != nil {
		return nil, err
	}
	if err := d.leave(); err != nil { // empty
		return nil, err
	}
	if err := d.enter(tagSequence, "EncapsulatedContentInfo"); err != nil {
		return nil, err
	}
	if err := d.constant(derData, "encapsulated content type"); err != nil {
		return nil, err
	}
	if err := d.leave(); err != nil { // no content
		return nil, err
	}
	certs, err := d.certificates(maxCollection)
	if err != nil {
		return nil, err
	}
	if tag, more, err := d.peek(); err != nil {
		return nil, err
	} else if more && tag == tagContext1 {
		if _, err := d.element(tagContext1, maxCRLs, "CRLs"); err != nil {
			return nil, err
		}
	}
	if err := d.enter(tagSet, "signers"); err != nil {
		return nil, err
	}
	return certs, d.leaveAll()
}
