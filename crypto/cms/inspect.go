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

// Profile is the one whose key transport was used.
func (r RecipientID) Profile() Profile {
	if r.Method == transportPKCS1 {
		return LegacyPKCS1
	}
	return SECON
}

// transportPKCS1 is the Method of the legacy profile.
const transportPKCS1 = "RSAES-PKCS1-v1_5"

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
	if _, err := v.d.begin(Enveloped); err != nil {
		return nil, err
	}
	if err := v.d.recipients(v.recipient); err != nil {
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

func (v *viewing) read() (err error) {
	v.s.Layer, err = v.d.begin(Enveloped, Signed)
	v.s.Indefinite = len(v.d.open) > 0 && v.d.open[0].indefinite
	switch {
	case err != nil:
		return err
	case v.s.Layer == Enveloped:
		err = v.enveloped()
	default:
		err = v.signed()
	}
	if err != nil {
		return err
	}
	return v.d.leaveAll()
}

func (v *viewing) recipient(r *recipientInfo) error {
	v.s.Recipients = append(v.s.Recipients, RecipientID{issuerName(r.issuer), r.issuer, r.serial, transportName(r.algorithm)})
	return nil
}

func (v *viewing) enveloped() error {
	if err := v.d.recipients(v.recipient); err != nil {
		return err
	}
	der, err := v.d.encryption()
	if err != nil {
		return err
	}
	v.s.Content = contentName(der)
	body, err := v.d.octets(tagContext0Raw, "encrypted content")
	if err != nil {
		return err
	}
	return v.payload(body)
}

// payload counts what is inside.
func (v *viewing) payload(body *octets) (err error) {
	v.s.Payload, err = io.Copy(io.Discard, body)
	v.s.Pieces = max(body.pieces, 1)
	return err
}

func (v *viewing) signed() error {
	digest, err := v.d.digestAlgorithm()
	if err != nil {
		return err
	}
	v.s.Digest = hashName(digest)
	if err := v.d.attached(v.payload); err != nil {
		return err
	}
	if v.s.Certificates, err = v.d.certificates(maxMembers); err != nil {
		return err
	}
	i, err := v.d.signer()
	if err != nil {
		return err
	}
	v.s.Signature = signatureName(i.algorithm)
	v.s.Signer = &RecipientID{issuerName(i.issuer), i.issuer, i.serial, v.s.Signature}
	if i.attributes == nil {
		return nil
	}
	a, err := parseAttributes(i.attributes)
	if err != nil {
		return v.d.faultf(ErrProfile, "signed attributes: %w", err)
	}
	v.s.SigningTime = a.time
	return nil
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
	return transportPKCS1
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
