package rsaalg

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // links SHA-256, which crypto.SHA256.New needs
	_ "crypto/sha512" // links SHA-384 and SHA-512
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Contents octets of the object identifiers, as constants so that nobody can change them.
const (
	idRSAEncryption = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" // 1.2.840.113549.1.1.1
	idOAEP          = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07" // 1.2.840.113549.1.1.7
	idMGF1          = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" // 1.2.840.113549.1.1.8
	idPSpecified    = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x09" // 1.2.840.113549.1.1.9
	idPSS           = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" // 1.2.840.113549.1.1.10
	idSHA256RSA     = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b" // 1.2.840.113549.1.1.11
	idSHA384RSA     = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c" // 1.2.840.113549.1.1.12
	idSHA512RSA     = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d" // 1.2.840.113549.1.1.13
	idSHA1          = "\x2b\x0e\x03\x02\x1a"                 // 1.3.14.3.2.26
	idSHA256        = "\x60\x86\x48\x01\x65\x03\x04\x02\x01" // 2.16.840.1.101.3.4.2.1
	idSHA384        = "\x60\x86\x48\x01\x65\x03\x04\x02\x02" // 2.16.840.1.101.3.4.2.2
	idSHA512        = "\x60\x86\x48\x01\x65\x03\x04\x02\x03" // 2.16.840.1.101.3.4.2.3
	null            = "\x05\x00"
)

var (
	// ErrMalformed reports bytes that are no DER AlgorithmIdentifier.
	ErrMalformed = errors.New("malformed algorithm identifier")
	// ErrUnsupported reports an algorithm, or a combination of parameters,
	// that this package does not take.
	ErrUnsupported = errors.New("unsupported algorithm")
)

// PSS are the parameters of RSASSA-PSS (RFC 4055, 3.1). The mask is MGF1
// with the same hash and the trailer field is 1.
type PSS struct {
	Hash crypto.Hash // SHA256, SHA384 or SHA512
	Salt int         // bytes
}

// Identifier returns the AlgorithmIdentifier in DER.
func (p PSS) Identifier() ([]byte, error) {
	h, err := hashIdentifier(p.Hash, true)
	if err != nil {
		return nil, err
	}
	return identifier(idPSS, func(b *cryptobyte.Builder) {
		addHashAndMask(b, h)
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(p.Salt)) })
	})
}

// OAEP returns the AlgorithmIdentifier of RSAES-OAEP with h for both the hash
// and MGF1, and an empty label (RFC 4055, 4.1).
func OAEP(h crypto.Hash) ([]byte, error) {
	id, err := hashIdentifier(h, true)
	if err != nil {
		return nil, err
	}
	return identifier(idOAEP, func(b *cryptobyte.Builder) { addHashAndMask(b, id) })
}

// Hash returns the AlgorithmIdentifier of h without parameters, the form that
// RFC 5754 section 2 asks writers to use.
func Hash(h crypto.Hash) ([]byte, error) { return hashIdentifier(h, false) }

// SHA256WithRSA returns the AlgorithmIdentifier of RSASSA-PKCS1-v1_5 with
// SHA-256 (RFC 4055, 5).
func SHA256WithRSA() []byte { return []byte("\x30\x0d\x06\x09" + idSHA256RSA + null) }

// RSAEncryption returns the AlgorithmIdentifier of RSAES-PKCS1-v1_5.
func RSAEncryption() []byte { return []byte("\x30\x0d\x06\x09" + idRSAEncryption + null) }

// ParseHash understands SHA-256, SHA-384 and SHA-512, with parameters absent
// or NULL.
func ParseHash(id []byte) (crypto.Hash, error) {
	oid, params, err := split(id)
	if err != nil {
		return 0, err
	}
	if len(params) != 0 && string(params) != null {
		return 0, fmt.Errorf("%w: parameters of a hash", ErrUnsupported)
	}
	switch oid {
	case idSHA256:
		return crypto.SHA256, nil
	case idSHA384:
		return crypto.SHA384, nil
	case idSHA512:
		return crypto.SHA512, nil
	case idSHA1:
		return 0, fmt.Errorf("%w: SHA-1", ErrUnsupported)
	}
	return 0, fmt.Errorf("%w: hash %x", ErrUnsupported, oid)
}

// IsPSS reports whether id names RSASSA-PSS, whatever its parameters.
func IsPSS(id []byte) bool {
	oid, _, err := split(id)
	return err == nil && oid == idPSS
}

// ParsePSS understands RSASSA-PSS with a SHA-2 hash, MGF1 over the same hash,
// any salt length and trailer field 1.
func ParsePSS(id []byte) (PSS, error) {
	oid, params, err := split(id)
	if err != nil {
		return PSS{}, err
	}
	if oid != idPSS {
		return PSS{}, fmt.Errorf("%w: %x is not RSASSA-PSS", ErrUnsupported, oid)
	}
	var body cryptobyte.String
	if !params.ReadASN1(&body, asn1.SEQUENCE) || !params.Empty() {
		return PSS{}, fmt.Errorf("%w: RSASSA-PSS parameters", ErrMalformed)
	}
	h, err := readHashAndMask(&body)
	if err != nil {
		return PSS{}, err
	}
	p := PSS{Hash: h, Salt: 20} // DEFAULT 20
	var field cryptobyte.String
	var present bool
	if !body.ReadOptionalASN1(&field, &present, explicit(2)) {
		return PSS{}, fmt.Errorf("%w: salt length", ErrMalformed)
	}
	if present && (!field.ReadASN1Integer(&p.Salt) || !field.Empty() || p.Salt < 0) {
		return PSS{}, fmt.Errorf("%w: salt length", ErrMalformed)
	}
	trailer := 1
	if !body.ReadOptionalASN1(&field, &present, explicit(3)) {
		return PSS{}, fmt.Errorf("%w: trailer field", ErrMalformed)
	}
	if present && (!field.ReadASN1Integer(&trailer) || !field.Empty()) || !body.Empty() {
		return PSS{}, fmt.Errorf("%w: trailer field", ErrMalformed)
	}
	if trailer != 1 {
		return PSS{}, fmt.Errorf("%w: trailer field %d", ErrUnsupported, trailer)
	}
	return p, nil
}

// A Transport is a way of wrapping a content key with RSA.
type Transport int

// The key transports that are understood.
const (
	TransportOAEP  Transport = iota + 1 // RSAES-OAEP, SHA-256, MGF1-SHA-256, empty label
	TransportPKCS1                      // RSAES-PKCS1-v1_5
)

// ParseTransport understands RSAES-OAEP with SHA-256 throughout and an empty
// label, written out or at its default, and RSAES-PKCS1-v1_5 with NULL.
func ParseTransport(id []byte) (Transport, error) {
	oid, params, err := split(id)
	if err != nil {
		return 0, err
	}
	switch oid {
	case idRSAEncryption:
		if string(params) != null {
			return 0, fmt.Errorf("%w: parameters of rsaEncryption", ErrUnsupported)
		}
		return TransportPKCS1, nil
	case idOAEP:
	default:
		return 0, fmt.Errorf("%w: key transport %x", ErrUnsupported, oid)
	}
	var body cryptobyte.String
	if !params.ReadASN1(&body, asn1.SEQUENCE) || !params.Empty() {
		return 0, fmt.Errorf("%w: RSAES-OAEP parameters", ErrMalformed)
	}
	h, err := readHashAndMask(&body)
	if err != nil {
		return 0, err
	}
	if h != crypto.SHA256 {
		return 0, fmt.Errorf("%w: RSAES-OAEP with %v", ErrUnsupported, h)
	}
	if !body.Empty() && string(body) != emptyLabel {
		return 0, fmt.Errorf("%w: label of RSAES-OAEP", ErrUnsupported)
	}
	return TransportOAEP, nil
}

// emptyLabel is [2] { pSpecified, OCTET STRING of length 0 }.
const emptyLabel = "\xa2\x0f\x30\x0d\x06\x09" + idPSpecified + "\x04\x00"

// ParsePKCS1 understands an RSASSA-PKCS1-v1_5 signature algorithm. It returns
// 0 for rsaEncryption, where the hash is named elsewhere in the message.
func ParsePKCS1(id []byte) (crypto.Hash, error) {
	oid, params, err := split(id)
	if err != nil {
		return 0, err
	}
	if string(params) != null {
		return 0, fmt.Errorf("%w: parameters of a PKCS#1 v1.5 signature", ErrUnsupported)
	}
	switch oid {
	case idRSAEncryption:
		return 0, nil
	case idSHA256RSA:
		return crypto.SHA256, nil
	case idSHA384RSA:
		return crypto.SHA384, nil
	case idSHA512RSA:
		return crypto.SHA512, nil
	}
	return 0, fmt.Errorf("%w: signature %x", ErrUnsupported, oid)
}

// explicit is the tag of a constructed context-specific field.
func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// split returns the object identifier's contents and everything after it.
func split(id []byte) (oid string, params cryptobyte.String, err error) {
	s := cryptobyte.String(id)
	var body, o cryptobyte.String
	if !s.ReadASN1(&body, asn1.SEQUENCE) || !s.Empty() || !body.ReadASN1(&o, asn1.OBJECT_IDENTIFIER) {
		return "", nil, ErrMalformed
	}
	return string(o), body, nil
}

// readHashAndMask reads the [0] and [1] that PSS and OAEP have in common.
// Their defaults are SHA-1, so both have to be present.
func readHashAndMask(body *cryptobyte.String) (crypto.Hash, error) {
	var field, mask, maskOID cryptobyte.String
	if !body.ReadASN1(&field, explicit(0)) {
		return 0, fmt.Errorf("%w: SHA-1 by default", ErrUnsupported)
	}
	h, err := ParseHash(field)
	if err != nil {
		return 0, err
	}
	if !body.ReadASN1(&field, explicit(1)) {
		return 0, fmt.Errorf("%w: MGF1 with SHA-1 by default", ErrUnsupported)
	}
	if !field.ReadASN1(&mask, asn1.SEQUENCE) || !field.Empty() || !mask.ReadASN1(&maskOID, asn1.OBJECT_IDENTIFIER) {
		return 0, fmt.Errorf("%w: mask generation", ErrMalformed)
	}
	if string(maskOID) != idMGF1 {
		return 0, fmt.Errorf("%w: mask generation %x", ErrUnsupported, []byte(maskOID))
	}
	mh, err := ParseHash(mask)
	if err != nil {
		return 0, err
	}
	if mh != h {
		return 0, fmt.Errorf("%w: MGF1 with %v beside %v", ErrUnsupported, mh, h)
	}
	return h, nil
}

func addHashAndMask(b *cryptobyte.Builder, hash []byte) {
	b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddBytes(hash) })
	b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, idMGF1)
			b.AddBytes(hash)
		})
	})
}

func addOID(b *cryptobyte.Builder, oid string) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oid)) })
}

// identifier builds SEQUENCE { oid, SEQUENCE { params } }.
func identifier(oid string, params func(*cryptobyte.Builder)) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, oid)
		b.AddASN1(asn1.SEQUENCE, params)
	})
	return b.Bytes()
}

func hashIdentifier(h crypto.Hash, withNull bool) ([]byte, error) {
	var oid string
	switch h {
	case crypto.SHA256:
		oid = idSHA256
	case crypto.SHA384:
		oid = idSHA384
	case crypto.SHA512:
		oid = idSHA512
	default:
		return nil, fmt.Errorf("%w: hash %v", ErrUnsupported, h)
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, oid)
		if withNull {
			b.AddBytes([]byte(null))
		}
	})
	return b.Bytes()
}

// Same reports whether two hash AlgorithmIdentifiers name the same hash, NULL
// and absent parameters being equal.
func Same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	ha, errA := ParseHash(a)
	hb, errB := ParseHash(b)
	return errA == nil && errB == nil && ha == hb
}
