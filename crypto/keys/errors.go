package keys

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Faults of a certificate. They arrive inside a CertificateError.
var (
	ErrNone        = errors.New("no certificate")
	ErrExpired     = errors.New("certificate expired")
	ErrNotYetValid = errors.New("certificate not yet valid")
	ErrWeakKey     = errors.New("key too weak")
	ErrUsage       = errors.New("certificate is not meant for this use")
	ErrUntrusted   = errors.New("certificate does not lead to a pinned root")
	ErrRevoked     = errors.New("certificate revoked")
)

// A CertificateError says which certificate cannot be used, and why. Err is
// one of the faults above, or wraps one.
type CertificateError struct {
	IKs       []string // as asked for, or as in the certificate
	Subject   string   // empty if there is no certificate
	Serial    string   // hexadecimal
	NotBefore time.Time
	NotAfter  time.Time
	Bits      int // of the RSA modulus; 0 if it is no RSA key
	Err       error
}

func newCertificateError(cert *x509.Certificate, err error) *CertificateError {
	return &CertificateError{
		IKs: IKs(cert), Subject: cert.Subject.String(), Serial: fmt.Sprintf("%x", cert.SerialNumber),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, Bits: Bits(cert), Err: err,
	}
}

func (e *CertificateError) Error() string {
	var who strings.Builder
	if len(e.IKs) > 0 {
		fmt.Fprintf(&who, "IK %s: ", strings.Join(e.IKs, ", "))
	} else if e.Subject != "" {
		fmt.Fprintf(&who, "%s: ", e.Subject)
	}
	const day = "2006-01-02 15:04:05 MST"
	switch {
	case errors.Is(e.Err, ErrExpired):
		return fmt.Sprintf("%s%v on %s (serial %s)", &who, e.Err, e.NotAfter.UTC().Format(day), e.Serial)
	case errors.Is(e.Err, ErrNotYetValid):
		return fmt.Sprintf("%s%v before %s (serial %s)", &who, e.Err, e.NotBefore.UTC().Format(day), e.Serial)
	case errors.Is(e.Err, ErrWeakKey):
		return fmt.Sprintf("%s%v: %d bits (serial %s)", &who, e.Err, e.Bits, e.Serial)
	case e.Serial == "":
		return fmt.Sprintf("%s%v", &who, e.Err)
	}
	return fmt.Sprintf("%s%v (serial %s)", &who, e.Err, e.Serial)
}

func (e *CertificateError) Unwrap() error { return e.Err }

// A ModeError says that a private key file is open to others than its owner.
type ModeError struct {
	Path string
	Mode fs.FileMode // permission bits
}

func (e *ModeError) Error() string {
	return fmt.Sprintf("private key %s can be read by others (mode %04o); mend it with: chmod 600 %s", e.Path, e.Mode, e.Path)
}

// Faults of files and their contents.
var (
	// ErrNoKey: no private key in the input, or not one that is understood.
	ErrNoKey = errors.New("no RSA private key")
	// ErrEncrypted: the private key needs a password.
	ErrEncrypted = errors.New("private key is encrypted")
	// ErrPassword: the password does not open the private key.
	ErrPassword = errors.New("wrong password for the private key")
	// ErrMismatch: private key and certificate do not belong together.
	ErrMismatch = errors.New("private key does not belong to the certificate")
	// ErrNoCertificates: nothing in the input is a certificate.
	ErrNoCertificates = errors.New("no certificate in the input")
	// ErrNoCRL: nothing in the input is a certificate revocation list.
	ErrNoCRL = errors.New("no certificate revocation list in the input")
	// ErrMalformed: a certificate or CRL in the input cannot be read.
	ErrMalformed = errors.New("malformed certificate")
)
