package keys

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// An Own is a certificate of ours and its private key.
type Own struct {
	Certificate *x509.Certificate
	Key         *rsa.PrivateKey
}

// LoadOwn reads a private key (see ReadKey) and its certificate. Where the
// certificate file holds several, the one with the key's public half is taken.
func LoadOwn(keyFile, certFile string) (Own, error) {
	key, err := ReadKey(keyFile)
	if err != nil {
		return Own{}, err
	}
	certs, err := ReadCertificates(certFile)
	if err != nil {
		return Own{}, err
	}
	for _, c := range certs {
		if key.PublicKey.Equal(c.PublicKey) {
			return Own{c, key}, nil
		}
	}
	return Own{}, fmt.Errorf("%s and %s: %w", keyFile, certFile, ErrMismatch)
}

// maxFile bounds what is read as a key or list of certificates: the largest
// public lists hold a few ten thousand certificates.
const maxFile = 64 << 20

// ReadKey reads a private key from a PEM file. A file that its group or others
// may read or write is a *ModeError; a systemd credential is none of these.
func ReadKey(path string) (*rsa.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // of the open file, so that no one can swap it in between
	if err != nil {
		return nil, err
	}
	if !private(info, os.Geteuid()) {
		return nil, &ModeError{Path: path, Mode: info.Mode().Perm()}
	}
	b, err := readAll(f)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// private reports whether nobody but the owner, root and the process reading
// with this effective user ID may read or change the file.
//
// systemd hands a credential to a service without root's rights as a file
// root:root 0400 with an ACL entry for the service's user. The mask of that
// entry shows as the group's read bit, which here grants nothing to anyone but
// group root.
func private(info fs.FileInfo, euid int) bool {
	mode := info.Mode().Perm()
	if mode&0o077 == 0 {
		return true
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && mode == 0o440 && owner.Uid == 0 && owner.Gid == 0 && euid != 0
}

// ParseKey takes the first private key in PEM: PKCS#8 or PKCS#1, not encrypted.
func ParseKey(b []byte) (*rsa.PrivateKey, error) {
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return nil, ErrNoKey
		}
		switch block.Type {
		case "PRIVATE KEY":
			k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
			}
			key, ok := k.(*rsa.PrivateKey)
			if !ok {
				return nil, fmt.Errorf("%w: it is a %T", ErrNoKey, k)
			}
			return key, nil
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, ErrEncrypted
			}
			key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
			}
			return key, nil
		case "ENCRYPTED PRIVATE KEY":
			return nil, ErrEncrypted
		}
	}
}

// ReadCertificates reads a file in one of the forms of ParseCertificates.
func ReadCertificates(path string) ([]*x509.Certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := readAll(f)
	if err != nil {
		return nil, err
	}
	certs, err := ParseCertificates(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return certs, nil
}

func readAll(f *os.File) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", f.Name(), maxFile)
	}
	return b, err
}

// ParseCertificates takes PEM, one or more DER certificates, or a trust list:
// base64 of DER in blocks divided by blank lines, with LF or CRLF. Every block
// must be a certificate; the error says which is not.
func ParseCertificates(b []byte) ([]*x509.Certificate, error) {
	switch {
	case bytes.Contains(b, []byte("-----BEGIN ")):
		return parsePEM(b)
	case len(b) > 0 && b[0] == 0x30: // SEQUENCE; a list in base64 begins with 'M'
		certs, err := x509.ParseCertificates(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return certs, nil
	}
	return parseList(b)
}

func parsePEM(b []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for n := 1; ; n++ {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: block %d: %w", ErrMalformed, n, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, ErrNoCertificates
	}
	return certs, nil
}

// parseList reads a trust list.
func parseList(b []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	var block []byte
	line, start := 0, 0
	flush := func() error {
		if len(block) == 0 {
			return nil
		}
		der, err := base64.StdEncoding.AppendDecode(nil, block)
		if err != nil {
			return fmt.Errorf("%w: block at line %d: %w", ErrMalformed, start, err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%w: block at line %d: %w", ErrMalformed, start, err)
		}
		certs, block = append(certs, c), block[:0]
		return nil
	}
	for l := range bytes.Lines(b) {
		line++
		l = bytes.TrimSpace(l)
		if len(l) == 0 {
			if err := flush(); err != nil {
				return nil, err
			}
			continue
		}
		if len(block) == 0 {
			start = line
		}
		block = append(block, l...)
	}
	if err := flush(); err != nil {
		return nil, err
	}
	if len(certs) == 0 {
		return nil, ErrNoCertificates
	}
	return certs, nil
}
