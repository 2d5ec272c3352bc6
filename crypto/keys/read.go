package keys

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"syscall"

	"software.sslmate.com/src/go-pkcs12"

	"gateway301/crypto/cms"
)

// An Own is a certificate of ours and its private key.
type Own struct {
	Certificate *x509.Certificate
	Key         *rsa.PrivateKey
}

// LoadOwn reads a private key (see ReadBundle) and its certificate. Where the
// certificate file holds several, the one with the key's public half is taken.
func LoadOwn(keyFile, certFile string) (Own, error) {
	bundle, err := ReadBundle(keyFile, "")
	if err != nil {
		return Own{}, err
	}
	certs, err := ReadCertificates(certFile)
	if err != nil {
		return Own{}, err
	}
	own, err := (Bundle{Key: bundle.Key}).Own(certs...)
	if err != nil {
		return Own{}, fmt.Errorf("%s and %s: %w", keyFile, certFile, err)
	}
	return own, nil
}

// maxFile bounds what is read as a key or list of certificates: the largest
// public lists hold a few ten thousand certificates.
const maxFile = 64 << 20

// ReadKey is ReadBundle for a key that is not encrypted, alone.
func ReadKey(path string) (*rsa.PrivateKey, error) {
	bundle, err := ReadBundle(path, "")
	return bundle.Key, err
}

// ReadBundle reads a file in one of the forms of ParseBundle. A file that its
// group or others may read or write is a *ModeError; a systemd credential is
// none of these.
func ReadBundle(path, password string) (Bundle, error) {
	return readFile(path, CheckMode, func(b []byte) (Bundle, error) { return ParseBundle(b, password) })
}

// readFile parses a file of at most maxFile bytes. check looks at the open file
// before it is read.
func readFile[T any](path string, check func(*os.File) error, parse func([]byte) (T, error)) (parsed T, err error) {
	f, err := os.Open(path)
	if err != nil {
		return parsed, err
	}
	defer f.Close()
	if check != nil {
		if err := check(f); err != nil {
			return parsed, err
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return parsed, err
	}
	if len(b) > maxFile {
		return parsed, fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	if parsed, err = parse(b); err != nil {
		return parsed, fmt.Errorf("%s: %w", path, err)
	}
	return parsed, nil
}

// blocks are the PEM blocks in b, counted from 1; what stands between them is
// skipped.
func blocks(b []byte) iter.Seq2[int, *pem.Block] {
	return func(yield func(int, *pem.Block) bool) {
		for n := 1; ; n++ {
			var block *pem.Block
			if block, b = pem.Decode(b); block == nil || !yield(n, block) {
				return
			}
		}
	}
}

// CheckMode gives a *ModeError if others than its owner may read or write the
// open file, which holds a private key. It asks the open file, so that no one
// can swap it in between.
func CheckMode(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !private(info, os.Geteuid()) {
		return &ModeError{Path: f.Name(), Mode: info.Mode().Perm()}
	}
	return nil
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

// A Bundle is what one key file holds: a private key, and the certificates that
// came along, if any.
type Bundle struct {
	Key          *rsa.PrivateKey
	Certificates []*x509.Certificate
}

// Own joins the key with its certificate, which is searched in the bundle and
// in more. Of several the one that ends last is taken.
func (b Bundle) Own(more ...*x509.Certificate) (Own, error) {
	var own Own
	for _, c := range slices.Concat(b.Certificates, more) {
		if b.Key.PublicKey.Equal(c.PublicKey) && (own.Certificate == nil || latestFirst(c, own.Certificate) < 0) {
			own = Own{Certificate: c, Key: b.Key}
		}
	}
	if own.Certificate == nil {
		return Own{}, ErrMismatch
	}
	return own, nil
}

// All joins the key with each of its certificates, those of the bundle first: a
// certificate may have been renewed for the same key.
func (b Bundle) All(more ...*x509.Certificate) []Own {
	var own []Own
	for _, c := range slices.Concat(b.Certificates, more) {
		if b.Key.PublicKey.Equal(c.PublicKey) && !slices.ContainsFunc(own, func(o Own) bool { return same(o.Certificate, c) }) {
			own = append(own, Own{Certificate: c, Key: b.Key})
		}
	}
	return own
}

// ParseKey takes the first private key in PEM: PKCS#8 or PKCS#1, not encrypted.
func ParseKey(b []byte) (*rsa.PrivateKey, error) {
	bundle, err := ParseBundle(b, "")
	return bundle.Key, err
}

// ParseBundle reads a private key, and certificates beside it, from PEM or
// PKCS#12. In PEM the key is PKCS#8, encrypted (PBES2) or plain, or plain
// PKCS#1. ErrEncrypted says that a password is needed or that the encryption is
// not understood, ErrPassword that it is the wrong one. The password is ignored
// where there is nothing to decrypt.
func ParseBundle(b []byte, password string) (Bundle, error) {
	if len(b) > 0 && b[0] == 0x30 { // SEQUENCE
		return parsePKCS12(b, password)
	}
	var bundle Bundle
	for _, block := range blocks(b) {
		if block.Type == "CERTIFICATE" {
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return Bundle{}, fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			bundle.Certificates = append(bundle.Certificates, c)
			continue
		}
		if bundle.Key != nil {
			continue
		}
		var err error
		if bundle.Key, err = parseKeyBlock(block, password); err != nil {
			return Bundle{}, err
		}
	}
	if bundle.Key == nil {
		return Bundle{}, ErrNoKey
	}
	return bundle, nil
}

// parseKeyBlock returns nil for a block that is no private key.
func parseKeyBlock(block *pem.Block, password string) (*rsa.PrivateKey, error) {
	der := block.Bytes
	switch block.Type {
	case blockSealed:
		if password == "" {
			return nil, ErrEncrypted
		}
		var err error
		if der, err = decryptPKCS8(der, password); err != nil {
			return nil, err
		}
		k, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil { // the padding fitted by chance
			return nil, ErrPassword
		}
		return rsaKey(k)
	case blockKey:
		k, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
		}
		return rsaKey(k)
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, fmt.Errorf("%w in the old form of OpenSSL; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc", ErrEncrypted)
		}
		key, err := x509.ParsePKCS1PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
		}
		return key, nil
	}
	return nil, nil
}

func rsaKey(k any) (*rsa.PrivateKey, error) {
	key, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: it is a %T", ErrNoKey, k)
	}
	return key, nil
}

func parsePKCS12(b []byte, password string) (Bundle, error) {
	k, cert, others, err := pkcs12.DecodeChain(b, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && password == "":
		return Bundle{}, ErrEncrypted
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return Bundle{}, ErrPassword
	case err != nil:
		return Bundle{}, fmt.Errorf("%w: PKCS#12: %w", ErrNoKey, err)
	}
	key, err := rsaKey(k)
	if err != nil {
		return Bundle{}, err
	}
	return Bundle{Key: key, Certificates: append([]*x509.Certificate{cert}, others...)}, nil
}

// ReadCertificates reads a file in one of the forms of ParseCertificates.
func ReadCertificates(path string) ([]*x509.Certificate, error) {
	return readFile(path, nil, ParseCertificates)
}

// ParseCertificates takes PEM, one or more DER certificates, the .p7c with
// which a trust centre answers a request (a SignedData of certificates alone,
// DER, BER or PEM), or a trust list: base64 of DER in blocks divided by blank
// lines, with LF or CRLF. Every block must be a certificate; the error says
// which is not.
func ParseCertificates(b []byte) ([]*x509.Certificate, error) {
	switch {
	case bytes.Contains(b, []byte("-----BEGIN ")):
		return parsePEM(b)
	case isCollection(b):
		return parseCollection(b)
	case len(b) > 0 && b[0] == 0x30: // SEQUENCE; a list in base64 begins with 'M'
		certs, err := x509.ParseCertificates(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return certs, nil
	}
	return parseList(b)
}

// isCollection reports whether b begins like a ContentInfo of SignedData.
func isCollection(b []byte) bool {
	const signedData = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	return len(b) > 0 && b[0] == 0x30 && bytes.Contains(b[:min(len(b), 24)], []byte(signedData))
}

func parseCollection(b []byte) ([]*x509.Certificate, error) {
	certs, err := cms.Certificates(bytes.NewReader(b))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case len(certs) == 0:
		return nil, ErrNoCertificates
	}
	return certs, nil
}

func parsePEM(b []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for n, block := range blocks(b) {
		switch block.Type {
		case "PKCS7", "CMS":
			more, err := parseCollection(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("block %d: %w", n, err)
			}
			certs = append(certs, more...)
			continue
		case "CERTIFICATE":
		default:
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
