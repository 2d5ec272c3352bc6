package keys

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// A Subject names who asks for a certificate (Anlage 16, 4.2).
type Subject struct {
	TrustCentre string // O, such as "DKTIG TrustCenter fuer Krankenhaeuser und Leistungserbringer PKC"
	Institution string // OU
	IK          string // nine digits, becomes OU=IK<9 digits>
	Contact     string // CN
}

// ErrSubject reports a name that cannot stand in a request.
var ErrSubject = errors.New("unsuitable name for a certificate request")

// ErrRequestKey reports a key that is too short or has an unusual exponent.
var ErrRequestKey = errors.New("unsuitable key for a certificate request")

// NewKey makes a private key for a request, 4096 bits.
func NewKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, MinBits) }

// NewRequest writes a PKCS#10 request in DER: basicConstraints CA:FALSE, signed
// with RSASSA-PSS, SHA-256, MGF1-SHA-256, salt 32. Names are PrintableString,
// umlauts are transliterated (ä becomes ae) as the trust centres ask; any other
// character that does not fit is ErrSubject.
func NewRequest(key *rsa.PrivateKey, s Subject) ([]byte, error) {
	if key.N.BitLen() < MinBits || key.E != 65537 {
		return nil, fmt.Errorf("%w: %d bits, exponent %d", ErrRequestKey, key.N.BitLen(), key.E)
	}
	if len(s.IK) != 9 || !digits(s.IK) {
		return nil, fmt.Errorf("%w: IK %q has not nine digits", ErrSubject, s.IK)
	}
	var name pkix.Name
	for _, a := range []struct {
		id           int
		what, value  string
		longestValue int // RFC 5280, appendix A
	}{
		{6, "country", "DE", 2}, {10, "trust centre", s.TrustCentre, 64}, {11, "institution", s.Institution, 64},
		{11, "IK", "IK" + s.IK, 64}, {3, "contact", s.Contact, 64},
	} {
		v, err := printable(a.value)
		if err == nil && (v == "" || len(v) > a.longestValue) {
			err = fmt.Errorf("%w: %d characters, not 1 to %d", ErrSubject, len(v), a.longestValue)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.what, err)
		}
		name.ExtraNames = append(name.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, a.id}, Value: v})
	}
	notCA, err := asn1.Marshal(struct{}{}) // cA is FALSE by default, which DER leaves out
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:            name,
		SignatureAlgorithm: x509.SHA256WithRSAPSS,
		ExtraExtensions:    []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: notCA}},
	}, key)
}

// printable transliterates and demands the characters of PrintableString
// (X.680, 41.4).
func printable(s string) (string, error) {
	s = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue", "ß", "ss").Replace(strings.TrimSpace(s))
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune(" '()+,-./:=?", c):
		default:
			return "", fmt.Errorf("%w: %q in %q", ErrSubject, c, s)
		}
	}
	return s, nil
}

// RequestName is the file name of a request: the first eight digits of the IK,
// and .p10.
func RequestName(ik string) string { return ik[:min(len(ik), 8)] + ".p10" }

// PublicKeyHash is the SHA-256 of the subjectPublicKey in hexadecimal, the value
// that goes on the trust centre's form: over the bits of the key, without the
// algorithm beside them.
func PublicKeyHash(pub *rsa.PublicKey) string {
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(pub))
	return hex.EncodeToString(sum[:])
}
