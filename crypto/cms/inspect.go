package cms

import (
	"bytes"

	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"gateway301/crypto/internal/rsaalg"
)

// A Structure is what can be seen of a file without a key. Nothing of it is
// verified: it is what the file says of itself.
type Structure struct {
	Layer      Layer // Enveloped, or Signed for a file that is not encrypted
	Indefinite bool  // BER of indefinite length, else definite
	Pieces     int64 // octet strings that the payload is chopped into; 1 for one whole
	Payload    int64 // bytes: of the encrypted content with its padding, or of the signed content
	Size       int64 // bytes of the whole file

	Recipients []RecipientID // of an Enveloped file
	Content    string        // content encryption, such as AES-256-CBC

	Digest       string              // of a Signed file, such as SHA-256
	Signature    string              // such as RSASSA-PSS SHA-256 salt 32
	Signer       *RecipientID        // issuer and serial that the signature names
	Certificates []*x509.Certificate // that came along
	SigningTime  time.Time           // zero if not stated
}

// A RecipientID names a certificate by issuer and serial, and how its key was
// used.
type RecipientID struct {
	Issuer    string
	RawIssuer []byte
	Serial    *big.Int
	Method    string // key transport or signature algorithm
}

// Names reports whether the certificate is the one meant.
func (r RecipientID) Names(cert *x509.Certificate) bool {
	return cert.SerialNumber.Cmp(r.Serial) == 0 && bytes.Equal(cert.RawIssuer, r.RawIssuer)
}

// Inspect reads a file to its end and tells what can be seen without a key: of
// an enveloped one the recipients and algorithms, of one that is signed and not
// encrypted also the signer. A file that departs from the structure is a
// *FormatError, also behind the part that can be told; what was read until then
// is returned with it. Memory does not grow with the file.
func Inspect(src io.Reader) (*Structure, error) {
	n := &counter{r: src}
	v := &viewing{d: newDecoder(n, Enveloped)}
	err := v.read()
	v.s.Size = n.n
	return &v.s, err
}

// Recipients reads no further than the recipients of an enveloped file, a few
// kilobytes at its beginning.
func Recipients(src io.Reader) ([]RecipientID, error) {
	v := &viewing{d: newDecoder(src, Enveloped)}
	if err := v.start(); err != nil {
		return nil, err
	}
	if v.s.Layer != Enveloped {
		return nil, v.d.faultf(ErrProfile, "not enveloped")
	}
	if err := v.recipients(); err != nil {
		return nil, err
	}
	return v.s.Recipients, nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// A viewing is one file being inspected.
type viewing struct {
	d *decoder
	s Structure
}

func (v *viewing) read() error {
	if err := v.start(); err != nil {
		return err
	}
	if v.s.Layer == Enveloped {
		return v.enveloped()
	}
	return v.signed()
}

// start reads up to the version.
func (v *viewing) start() error {
	d := v.d
	if err := d.enter(tagSequence, "ContentInfo"); err != nil {
		return err
	}
	v.s.Indefinite = d.inner().indefinite
	kind, err := d.element(tagOID, 64, "content type")
	if err != nil {
		return err
	}
	var version string
	switch string(kind) {
	case derEnvelopedData:
		v.s.Layer, version = Enveloped, derVersion0
	case derSignedData:
		v.s.Layer, version, d.layer = Signed, derVersion1, Signed
	default:
		return d.faultf(ErrProfile, "content type %s", objectID(kind[2:]))
	}
	if err := d.enter(tagContext0, "content"); err != nil {
		return err
	}
	if err := d.enter(tagSequence, string(v.s.Layer)); err != nil {
		return err
	}
	return d.constant(version, "version of "+string(v.s.Layer))
}

func (v *viewing) recipients() error {
	if err := v.d.enter(tagSet, "recipients"); err != nil {
		return err
	}
	for {
		_, more, err := v.d.peek()
		if err != nil {
			return err
		}
		if !more {
			return v.d.leave()
		}
		if len(v.s.Recipients) == maxMembers {
			return v.d.faultf(ErrTooLarge, "more than %d recipients", maxMembers)
		}
		der, err := v.d.element(tagSequence, maxRecipient, "recipient")
		if err != nil {
			return err
		}
		r, ok := parseRecipient(der)
		if !ok {
			return v.d.faultf(ErrProfile, "recipient")
		}
		v.s.Recipients = append(v.s.Recipients, RecipientID{issuerName(r.issuer), r.issuer, r.serial, transportName(r.algorithm)})
	}
}

func (v *viewing) enveloped() error {
	d := v.d
	if err := v.recipients(); err != nil {
		return err
	}
	if err := d.enter(tagSequence, "EncryptedContentInfo"); err != nil {
		return err
	}
	if err := d.constant(derData, "encrypted content type"); err != nil {
		return err
	}
	der, err := d.element(tagSequence, 64, "content encryption")
	if err != nil {
		return err
	}
	v.s.Content = contentName(der)
	return v.payload(tagContext0Raw, "encrypted content")
}

// payload counts what is inside and reads to the end of the file.
func (v *viewing) payload(tag byte, what string) error {
	body, err := v.d.octets(tag, what)
	if err != nil {
		return err
	}
	if v.s.Payload, err = io.Copy(io.Discard, body); err != nil {
		return err
	}
	v.s.Pieces = max(body.pieces, 1)
	if v.s.Layer == Enveloped {
		return v.d.leaveAll()
	}
	return nil
}

func (v *viewing) signed() error {
	d := v.d
	s := &signedData{d: d, limit: maxMembers}
	digest, err := s.digestAlgorithm()
	if err != nil {
		return err
	}
	v.s.Digest = hashName(digest)
	if err := d.enter(tagSequence, "EncapsulatedContentInfo"); err != nil {
		return err
	}
	if err := d.constant(derData, "encapsulated content type"); err != nil {
		return err
	}
	if err := d.enter(tagContext0, "attached content"); err != nil {
		return err
	}
	if err := v.payload(tagOctets, "content"); err != nil {
		return err
	}
	for range 2 {
		if err := d.leave(); err != nil {
			return err
		}
	}
	err = s.certificates()
	v.s.Certificates = s.m.Certificates
	if err != nil {
		return err
	}
	if err := d.enter(tagSet, "signers"); err != nil {
		return err
	}
	der, err := d.element(tagSequence, maxElement, "SignerInfo")
	if err != nil {
		return err
	}
	i, ok := parseSignerInfo(der)
	if !ok {
		return d.faultf(ErrProfile, "SignerInfo")
	}
	v.s.Signature = signatureName(i.algorithm)
	v.s.Signer = &RecipientID{issuerName(i.issuer), i.issuer, i.serial, v.s.Signature}
	if i.attributes != nil {
		a, err := parseAttributes(i.attributes)
		if err != nil {
			return d.faultf(ErrProfile, "signed attributes: %w", err)
		}
		v.s.SigningTime = a.time
	}
	return d.leaveAll()
}

// issuerName writes a name for people.
func issuerName(raw []byte) string {
	var rdn pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &rdn); err != nil || len(rest) > 0 {
		return fmt.Sprintf("%x", raw)
	}
	return rdn.String()
}

func objectID(der []byte) string {
	var id asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(element(tagOID, der), &id); err != nil {
		return fmt.Sprintf("%x", der)
	}
	return id.String()
}

// algorithmID writes the object identifier of an AlgorithmIdentifier.
func algorithmID(der []byte) string {
	s := cryptobyte.String(der)
	var body, oid cryptobyte.String
	if !s.ReadASN1(&body, casn1.SEQUENCE) || !body.ReadASN1(&oid, casn1.OBJECT_IDENTIFIER) {
		return fmt.Sprintf("%x", der)
	}
	return objectID(oid)
}

func transportName(der []byte) string {
	switch t, err := rsaalg.ParseTransport(der); {
	case err != nil:
		return algorithmID(der) + unread(err)
	case t == rsaalg.TransportOAEP:
		return "RSAES-OAEP SHA-256"
	}
	return "RSAES-PKCS1-v1_5"
}

func signatureName(der []byte) string {
	if rsaalg.IsPSS(der) {
		p, err := rsaalg.ParsePSS(der)
		if err != nil {
			return "RSASSA-PSS" + unread(err)
		}
		return fmt.Sprintf("RSASSA-PSS %v salt %d", p.Hash, p.Salt)
	}
	h, err := rsaalg.ParsePKCS1(der)
	switch {
	case err != nil:
		return algorithmID(der) + unread(err)
	case h == 0:
		return "RSASSA-PKCS1-v1_5"
	}
	return "RSASSA-PKCS1-v1_5 " + h.String()
}

// unread explains why an algorithm goes by its number.
func unread(err error) string {
	if errors.Is(err, rsaalg.ErrUnsupported) || errors.Is(err, rsaalg.ErrMalformed) {
		return " (" + err.Error() + ")"
	}
	return ""
}

func hashName(der []byte) string {
	h, err := rsaalg.ParseHash(der)
	if err != nil {
		return algorithmID(der)
	}
	return h.String()
}

func contentName(der []byte) string {
	switch id := algorithmID(der); id {
	case "2.16.840.1.101.3.4.1.42":
		return "AES-256-CBC"
	case "2.16.840.1.101.3.4.1.2":
		return "AES-128-CBC"
	case "2.16.840.1.101.3.4.1.22":
		return "AES-192-CBC"
	case "1.2.840.113549.3.7":
		return "3DES-CBC"
	default:
		return id
	}
}
