package sample

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Names of the invented trust centre. As with the real ones a CA is named by
// country and organisation alone.
const (
	rootName        = "Muster TrustCenter PCA"
	trustCentreName = "Muster TrustCenter fuer Krankenhaeuser und Leistungserbringer"
)

// DefaultKeyBits is the length of RSA keys that Anlage 16 asks for.
const DefaultKeyBits = 4096

// A PKI is an invented trust centre: a root (PCA, valid 7 years) and a CA
// below it (5 years) that issues participants' certificates in the form of
// Anlage 16, chapter 4, all signed with RSASSA-PSS, SHA-256, salt 32. It is
// for demonstrations and tests; its keys live in memory only. Issue may be
// called by several goroutines at once.
type PKI struct {
	root, ca authority
	bits     int
}

// An authority is a CA certificate with its key.
type authority struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

// An Identity is a participant: a certificate and its private key.
type Identity struct {
	IK          string
	Certificate *x509.Certificate
	Key         *rsa.PrivateKey
}

// NewPKI makes a trust centre that has existed for a year at the given moment.
// keyBits is the length of all RSA keys, 0 for 4096.
func NewPKI(now time.Time, keyBits int) (*PKI, error) {
	if keyBits == 0 {
		keyBits = DefaultKeyBits
	}
	p := &PKI{bits: keyBits}
	var g errgroup.Group
	for _, a := range []*authority{&p.root, &p.ca} {
		g.Go(func() (err error) {
			a.key, err = rsa.GenerateKey(rand.Reader, keyBits)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("keys of the trust centre: %w", err)
	}
	founded := now.AddDate(-1, 0, 0)
	var err error
	if p.root.cert, err = p.sign(authorityTemplate(rootName, founded, 7), &p.root.key.PublicKey, authority{key: p.root.key}); err != nil {
		return nil, fmt.Errorf("root certificate: %w", err)
	}
	if p.ca.cert, err = p.sign(authorityTemplate(trustCentreName, founded, 5), &p.ca.key.PublicKey, p.root); err != nil {
		return nil, fmt.Errorf("CA certificate: %w", err)
	}
	return p, nil
}

// Issue makes a key and a certificate for the institution with this IK (nine
// digits). The two OUs stand in separate RDNs, as in real certificates.
func (p *PKI) Issue(ik, institution string, notBefore, notAfter time.Time) (*Identity, error) {
	key, err := rsa.GenerateKey(rand.Reader, p.bits)
	if err != nil {
		return nil, fmt.Errorf("key for IK %s: %w", ik, err)
	}
	cert, err := p.sign(&x509.Certificate{
		Subject: name(
			pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "DE"},
			pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: trustCentreName},
			pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: institution},
			pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "IK" + ik},
			pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Erika Muster"},
		),
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		BasicConstraintsValid: true,
	}, &key.PublicKey, p.ca)
	if err != nil {
		return nil, fmt.Errorf("certificate for IK %s: %w", ik, err)
	}
	return &Identity{IK: ik, Certificate: cert, Key: key}, nil
}

// Root returns the certificate to pin.
func (p *PKI) Root() *x509.Certificate { return p.root.cert }

// CA returns the certificate of the issuing CA.
func (p *PKI) CA() *x509.Certificate { return p.ca.cert }

// CAKey returns the key of the issuing CA, for revocation lists.
func (p *PKI) CAKey() *rsa.PrivateKey { return p.ca.key }

// Chain returns both CA certificates in PEM, the issuing one first.
func (p *PKI) Chain() []byte {
	return slices.Concat(certPEM(p.ca.cert), certPEM(p.root.cert))
}

// CertPEM returns the certificate in PEM.
func (i *Identity) CertPEM() []byte { return certPEM(i.Certificate) }

// KeyPEM returns the private key as PKCS#8 in PEM, not encrypted: write it with
// mode 0600.
func (i *Identity) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// sign completes the template and issues it. An issuer without certificate
// signs its own.
func (p *PKI) sign(t *x509.Certificate, pub *rsa.PublicKey, issuer authority) (*x509.Certificate, error) {
	var serial [8]byte
	rand.Read(serial[:])
	t.SerialNumber = new(big.Int).SetUint64(binary.BigEndian.Uint64(serial[:])>>1 | 1<<62)
	id := sha256.Sum256(x509.MarshalPKCS1PublicKey(pub))
	t.SubjectKeyId = id[:20]
	// In crypto/x509 this is PSS with MGF1-SHA-256 and a salt of 32 bytes.
	t.SignatureAlgorithm = x509.SHA256WithRSAPSS
	parent := issuer.cert
	if parent == nil {
		parent = t
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, issuer.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func authorityTemplate(organisation string, founded time.Time, years int) *x509.Certificate {
	return &x509.Certificate{
		Subject: name(
			pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "DE"},
			pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: organisation},
		),
		NotBefore:             founded,
		NotAfter:              founded.AddDate(years, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

// name puts each attribute in an RDN of its own, in this order. pkix.Name would
// join both OUs in one.
func name(attributes ...pkix.AttributeTypeAndValue) pkix.Name {
	return pkix.Name{ExtraNames: attributes}
}
