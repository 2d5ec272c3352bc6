package cms

import (
	"crypto/x509"
	"slices"
)

// begin goes into a ContentInfo and reads to behind the version of what it
// holds, which is one of the layers.
func (d *decoder) begin(layers ...Layer) (Layer, error) {
	if err := d.enter(tagSequence, "ContentInfo"); err != nil {
		return "", err
	}
	kind, err := d.element(tagOID, 64, "content type")
	if err != nil {
		return "", err
	}
	var l Layer
	var version string
	switch string(kind) {
	case derEnvelopedData:
		l, version = Enveloped, derVersion0
	case derSignedData:
		l, version = Signed, derVersion1
	}
	if !slices.Contains(layers, l) {
		return "", d.faultf(ErrProfile, "content type %s", objectID(kind[2:]))
	}
	d.layer = l
	if err := d.enter(tagContext0, "content"); err != nil {
		return "", err
	}
	if err := d.enter(tagSequence, string(l)); err != nil {
		return "", err
	}
	return l, d.constant(version, "version of "+string(l))
}

// each reads the members of a set, not more than most, none larger than limit.
func (d *decoder) each(set byte, what string, most int, limit int64, do func(der []byte) error) error {
	if err := d.enter(set, what); err != nil {
		return err
	}
	for n := 0; ; n++ {
		_, more, err := d.peek()
		if err != nil {
			return err
		}
		if !more {
			return d.leave()
		}
		if n == most {
			return d.faultf(ErrTooLarge, "%s: more than %d", what, most)
		}
		der, err := d.element(tagSequence, limit, what)
		if err != nil {
			return err
		}
		if err := do(der); err != nil {
			return err
		}
	}
}

// recipients reads the RecipientInfos of EnvelopedData.
func (d *decoder) recipients(do func(*recipientInfo) error) error {
	return d.each(tagSet, "recipients", maxMembers, maxRecipient, func(der []byte) error {
		r, ok := parseRecipient(der)
		if !ok {
			return d.faultf(ErrProfile, "recipient")
		}
		return do(r)
	})
}

// encryption reads from the recipients to the encrypted octets and returns the
// AlgorithmIdentifier of the content encryption.
func (d *decoder) encryption() ([]byte, error) {
	if err := d.enter(tagSequence, "EncryptedContentInfo"); err != nil {
		return nil, err
	}
	if err := d.constant(derData, "encrypted content type"); err != nil {
		return nil, err
	}
	return d.element(tagSequence, 64, "content encryption")
}

// digestAlgorithm reads the set of SignedData, which holds exactly one.
func (d *decoder) digestAlgorithm() ([]byte, error) {
	if err := d.enter(tagSet, "digest algorithms"); err != nil {
		return nil, err
	}
	digest, err := d.element(tagSequence, 64, "digest algorithm")
	if err != nil {
		return nil, err
	}
	return digest, d.leave()
}

// attached reads the content of SignedData.
func (d *decoder) attached(read func(*octets) error) error {
	if err := d.enter(tagSequence, "EncapsulatedContentInfo"); err != nil {
		return err
	}
	if err := d.constant(derData, "encapsulated content type"); err != nil {
		return err
	}
	if err := d.enter(tagContext0, "attached content"); err != nil {
		return err
	}
	body, err := d.octets(tagOctets, "content")
	if err != nil {
		return err
	}
	if err := read(body); err != nil {
		return err
	}
	if err := d.leave(); err != nil {
		return err
	}
	return d.leave()
}

// certificates reads those of SignedData, which are optional, and returns what
// it has read also with a fault. CRLs are none of the profile; the next step
// finds them in place of the signers.
func (d *decoder) certificates(most int) ([]*x509.Certificate, error) {
	tag, more, err := d.peek()
	if err != nil || !more || tag != tagContext0 {
		return nil, err
	}
	var found []*x509.Certificate
	err = d.each(tagContext0, "certificates", most, maxElement, func(der []byte) error {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return d.faultf(ErrProfile, "certificate: %w", err)
		}
		found = append(found, cert)
		return nil
	})
	return found, err
}

// signer reads the one SignerInfo and leaves its set.
func (d *decoder) signer() (*signerInfo, error) {
	if err := d.enter(tagSet, "signers"); err != nil {
		return nil, err
	}
	der, err := d.element(tagSequence, maxElement, "SignerInfo")
	if err != nil {
		return nil, err
	}
	i, ok := parseSignerInfo(der)
	if !ok {
		return nil, d.faultf(ErrProfile, "SignerInfo")
	}
	return i, d.leave()
}
