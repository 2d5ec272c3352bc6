package keys

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"gateway301/crypto/internal/rsaalg"
)

// IKs returns the Institutionskennzeichen in a certificate: the nine digits of
// every organisational unit of the form IK<9 digits>, in their order and
// without repetition. A computing centre's certificate may hold several; an
// employer's (BN<8 digits>) holds none.
func IKs(cert *x509.Certificate) []string {
	var iks []string
	for _, ou := range cert.Subject.OrganizationalUnit {
		if len(ou) == 11 && ou[:2] == "IK" && digits(ou[2:]) && !slices.Contains(iks, ou[2:]) {
			iks = append(iks, ou[2:])
		}
	}
	return iks
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// Bits is the length of the RSA modulus, 0 if the key is none.
func Bits(cert *x509.Certificate) int {
	if pub, ok := cert.PublicKey.(*rsa.PublicKey); ok {
		return pub.N.BitLen()
	}
	return 0
}

// CheckLength says whether the RSA modulus has so many bits.
func CheckLength(cert *x509.Certificate, least int) error {
	if Bits(cert) < least {
		return newCertificateError(cert, ErrWeakKey)
	}
	return nil
}

// CheckValidity says whether at lies within the certificate's validity, both
// ends included (RFC 5280, 4.1.2.5).
func CheckValidity(cert *x509.Certificate, at time.Time) error {
	switch {
	case at.Before(cert.NotBefore):
		return newCertificateError(cert, ErrNotYetValid)
	case at.Truncate(time.Second).After(cert.NotAfter):
		return newCertificateError(cert, ErrExpired)
	}
	return nil
}

// CheckUsage says whether the certificate's keyUsage permits the use. One
// without keyUsage permits all.
func CheckUsage(cert *x509.Certificate, use x509.KeyUsage) error {
	if cert.KeyUsage == 0 || cert.KeyUsage&use == use {
		return nil
	}
	return newCertificateError(cert, ErrUsage)
}

// CheckIssued says whether parent's key made the signature on cert and parent
// may sign certificates. Other than x509.Certificate.CheckSignatureFrom it
// takes RSASSA-PSS with any salt length.
func CheckIssued(cert, parent *x509.Certificate) error {
	if !bytes.Equal(cert.RawIssuer, parent.RawSubject) {
		return errors.New("issued by another")
	}
	if parent.Version == 3 && (!parent.BasicConstraintsValid || !parent.IsCA) {
		return errors.New("issuer is no CA")
	}
	if parent.KeyUsage != 0 && parent.KeyUsage&x509.KeyUsageCertSign == 0 {
		return errors.New("issuer may not sign certificates")
	}
	if cert.SignatureAlgorithm != x509.UnknownSignatureAlgorithm {
		return parent.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	}
	pub, ok := parent.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("issuer's key is %v, not RSA", parent.PublicKeyAlgorithm)
	}
	id, ok := signatureAlgorithm(cert)
	if !ok {
		return errors.New("signature algorithm cannot be read")
	}
	p, err := rsaalg.ParsePSS(id)
	if err != nil {
		return err
	}
	h := p.Hash.New()
	h.Write(cert.RawTBSCertificate)
	return rsa.VerifyPSS(pub, p.Hash, h.Sum(nil), cert.Signature, &rsa.PSSOptions{SaltLength: p.Salt})
}

// signatureAlgorithm returns the AlgorithmIdentifier between the signed part
// and the signature. That it agrees with the one in the signed part was
// checked when the certificate was parsed.
func signatureAlgorithm(cert *x509.Certificate) ([]byte, bool) {
	s := cryptobyte.String(cert.Raw)
	var body, id cryptobyte.String
	ok := s.ReadASN1(&body, asn1.SEQUENCE) && body.SkipASN1(asn1.SEQUENCE) && body.ReadASN1Element(&id, asn1.SEQUENCE)
	return id, ok
}
