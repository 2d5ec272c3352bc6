package cms

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/sync/errgroup"

	"gateway301/crypto/internal/rsaalg"
)

// A Key opens what was sealed for its certificate.
type Key struct {
	Certificate *x509.Certificate
	Key         *rsa.PrivateKey
}

// A Policy widens or narrows what Open takes. The zero value takes the
// profile, and in addition messages without signed attributes or without the
// signer's certificate, which older senders write.
type Policy struct {
	PKCS1KeyTransport bool // take RSAES-PKCS1-v1_5 for the content key
	PKCS1Signature    bool // take RSASSA-PKCS1-v1_5
	OtherHashes       bool // take SHA-384 and SHA-512, the PSS salt as long as the hash

	NeedSignedAttributes bool // refuse a message without signed attributes
	NeedCertificate      bool // refuse a message without the signer's certificate
}

// Allows reports whether everything that a message used is allowed.
func (p Policy) Allows(used Policy) bool {
	return (p.PKCS1KeyTransport || !used.PKCS1KeyTransport) && (p.PKCS1Signature || !used.PKCS1Signature) &&
		(p.OtherHashes || !used.OtherHashes)
}

// Widen returns a policy that takes whatever p or q takes. What either of them
// demands is demanded.
func (p Policy) Widen(q Policy) Policy {
	return Policy{
		PKCS1KeyTransport:    p.PKCS1KeyTransport || q.PKCS1KeyTransport,
		PKCS1Signature:       p.PKCS1Signature || q.PKCS1Signature,
		OtherHashes:          p.OtherHashes || q.OtherHashes,
		NeedSignedAttributes: p.NeedSignedAttributes || q.NeedSignedAttributes,
		NeedCertificate:      p.NeedCertificate || q.NeedCertificate,
	}
}

// OpenOptions say with what a message is opened.
type OpenOptions struct {
	// Keys are all own keys, old ones too. The first recipient in the message
	// that matches one of them by issuer and serial decides.
	Keys []Key
	// Find returns the certificate with this issuer, as it is encoded, and
	// serial number, or nil. It is asked when the message does not bring the
	// signer's certificate. It may be nil.
	Find   func(rawIssuer []byte, serial *big.Int) *x509.Certificate
	Policy Policy
}

// A Message is what is known of a file that was opened.
type Message struct {
	// Signer is the certificate whose key made the signature. Nothing is said
	// about whether the certificate is valid or trusted.
	Signer *x509.Certificate
	// Certificates are all that came along, the signer's included.
	Certificates []*x509.Certificate
	SigningTime  time.Time         // as the signer claims; zero if not stated
	Recipient    *x509.Certificate // the own certificate whose key opened it
	Size         int64             // bytes of content
	SHA256       [sha256.Size]byte // of the content
	// Used tells which of the wider settings of the Policy the message needed;
	// the zero value says that it is the profile.
	Used Policy
}

// Open decrypts src with one of the keys, verifies the signature and writes
// the content to dst. What is in dst is worthless until Open has returned
// without an error.
//
// A message that cannot be opened gives an *OpenError, which is ErrNotOpened
// for everyone and carries the cause for the local log. Errors of reading src
// and writing dst are returned as they are.
func Open(dst io.Writer, src io.Reader, o OpenOptions) (*Message, error) {
	m, err := open(dst, src, o)
	var fault *FormatError
	if errors.As(err, &fault) {
		return nil, &OpenError{Cause: err}
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func open(dst io.Writer, src io.Reader, o OpenOptions) (*Message, error) {
	e := &envelope{d: newDecoder(src, Enveloped), o: o}
	if err := e.header(); err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(context.Background())
	plain := newBelt(ctx, blockSize)
	g.Go(func() error {
		err := e.decrypt(plain)
		plain.end(err)
		return err
	})
	s := newSignedData(&beltReader{in: plain}, o)
	g.Go(func() error { return s.read(dst) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	s.m.Recipient, s.m.Used.PKCS1KeyTransport = e.recipient, e.pkcs1
	return &s.m, nil
}

// An envelope is the outer layer of a message being opened.
type envelope struct {
	d         *decoder
	o         OpenOptions
	recipient *x509.Certificate // of the key in use; nil until found
	pkcs1     bool              // the content key came by RSAES-PKCS1-v1_5
	key       []byte            // of the content
	body      *octets
	cbc       cipher.BlockMode
}

// header reads up to the encrypted octets.
func (e *envelope) header() error {
	d := e.d
	if _, err := d.begin(Enveloped); err != nil {
		return err
	}
	if err := d.recipients(e.tryRecipient); err != nil {
		return err
	}
	algorithm, err := d.encryption()
	if err != nil {
		return err
	}
	iv, ok := parseContentEncryption(algorithm)
	switch {
	case !ok:
		return d.faultf(ErrProfile, "content encryption is not AES-256-CBC")
	case e.recipient == nil:
		return d.fault(ErrNotForUs)
	}
	c, err := aes.NewCipher(e.key)
	if err != nil {
		return d.fault(ErrDecryption)
	}
	e.cbc = cipher.NewCBCDecrypter(c, iv)
	e.body, err = d.octets(tagContext0Raw, "encrypted content")
	return err
}

// A recipientInfo is the content of a KeyTransRecipientInfo.
type recipientInfo struct {
	issuer    cryptobyte.String // a whole element
	serial    *big.Int
	algorithm cryptobyte.String // AlgorithmIdentifier
	wrapped   cryptobyte.String // the content key
}

func parseRecipient(der []byte) (*recipientInfo, bool) {
	r := &recipientInfo{serial: new(big.Int)}
	var body, id cryptobyte.String
	s := cryptobyte.String(der)
	return r, s.ReadASN1(&body, asn1.SEQUENCE) && skipConstant(&body, derVersion0) &&
		body.ReadASN1(&id, asn1.SEQUENCE) &&
		id.ReadASN1Element(&r.issuer, asn1.SEQUENCE) && id.ReadASN1Integer(r.serial) && id.Empty() &&
		body.ReadASN1Element(&r.algorithm, asn1.SEQUENCE) &&
		body.ReadASN1(&r.wrapped, asn1.OCTET_STRING) && body.Empty()
}

// tryRecipient unwraps the content key if this is the first recipient for us.
func (e *envelope) tryRecipient(r *recipientInfo) error {
	if e.recipient != nil {
		return nil
	}
	for _, k := range e.o.Keys {
		if k.Certificate.SerialNumber.Cmp(r.serial) == 0 && bytes.Equal(k.Certificate.RawIssuer, r.issuer) {
			e.recipient = k.Certificate
			return e.unwrap(k.Key, r.algorithm, r.wrapped)
		}
	}
	return nil
}

func (e *envelope) unwrap(key *rsa.PrivateKey, algorithm, wrapped []byte) error {
	transport, err := rsaalg.ParseTransport(algorithm)
	if err != nil {
		return e.d.faultf(ErrProfile, "key transport: %w", err)
	}
	switch {
	case transport == rsaalg.TransportOAEP:
		e.key, err = rsa.DecryptOAEP(sha256.New(), nil, key, wrapped, nil)
	case e.o.Policy.PKCS1KeyTransport:
		e.pkcs1 = true
		// On a padding fault this returns a random key instead of an error:
		// nobody can tell the two apart (RFC 3218, 2.3.2).
		//lint:ignore SA1019 older partners still send it, and only the Policy lets it in
		e.key, err = key.Decrypt(rand.Reader, wrapped, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 32})
	default:
		return e.d.faultf(ErrPolicy, "key transport with PKCS#1 v1.5")
	}
	if err != nil || len(e.key) != 32 {
		return e.d.faultf(ErrDecryption, "content key")
	}
	return nil
}

// parseContentEncryption returns the IV of AES-256-CBC, or that it is another
// algorithm.
func parseContentEncryption(der []byte) ([]byte, bool) {
	var body, iv cryptobyte.String
	s := cryptobyte.String(der)
	ok := s.ReadASN1(&body, asn1.SEQUENCE) && skipConstant(&body, "\x06\x09"+oidAES256CBC) &&
		body.ReadASN1(&iv, asn1.OCTET_STRING) && body.Empty() && len(iv) == aes.BlockSize
	return iv, ok
}

// decrypt puts the decrypted octets on the belt, without their padding, and
// reads the envelope to its end.
func (e *envelope) decrypt(out *belt) error {
	var held []byte // decrypted, but perhaps the last one: that has the padding
	for {
		blk, err := out.take()
		if err != nil {
			return err
		}
		n, err := io.ReadFull(e.body, blk[:cap(blk)])
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		if n%aes.BlockSize != 0 {
			return e.d.faultf(ErrDecryption, "encrypted content is no multiple of %d bytes", aes.BlockSize)
		}
		blk = blk[:n]
		e.cbc.CryptBlocks(blk, blk)
		if held != nil && n > 0 {
			if err := out.put(held); err != nil {
				return err
			}
			held = nil
		}
		if n > 0 {
			held = blk
		}
		if last {
			break
		}
	}
	held, ok := unpad(held)
	if !ok {
		return e.d.faultf(ErrDecryption, "padding")
	}
	if err := out.put(held); err != nil {
		return err
	}
	return e.d.leaveAll()
}

// unpad removes the PKCS#7 padding.
func unpad(b []byte) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	n := int(b[len(b)-1])
	if n == 0 || n > aes.BlockSize {
		return nil, false
	}
	body := b[:len(b)-n]
	return body, bytes.Equal(b[len(body):], bytes.Repeat([]byte{byte(n)}, n))
}

// skipConstant consumes want, or reports that something else stands there.
func skipConstant(s *cryptobyte.String, want string) bool {
	var got []byte
	return s.ReadBytes(&got, len(want)) && string(got) == want
}

// A beltReader reads the blocks of a belt.
type beltReader struct {
	in   *belt
	blk  []byte // as it came, to be handed back
	rest []byte
}

func (r *beltReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.blk != nil {
			r.in.free(r.blk)
			r.blk = nil
		}
		blk, err := r.in.next()
		if err != nil {
			return 0, err
		}
		r.blk, r.rest = blk, blk
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// signedData is the inner layer of a message being opened.
type signedData struct {
	d *decoder
	o OpenOptions
	m Message
}

func newSignedData(src io.Reader, o OpenOptions) *signedData {
	return &signedData{d: newDecoder(src, Signed), o: o}
}

// read copies the content to dst and verifies the signature.
func (s *signedData) read(dst io.Writer) error {
	d := s.d
	if _, err := d.begin(Signed); err != nil {
		return err
	}
	digest, err := d.digestAlgorithm()
	if err != nil {
		return err
	}
	c, err := newContent(dst, digest)
	if err != nil {
		return d.faultf(ErrProfile, "digest algorithm: %w", err)
	}
	if err := d.attached(c.copy); err != nil {
		return err
	}
	if s.m.Certificates, err = d.certificates(maxMembers); err != nil {
		return err
	}
	info, err := d.signer()
	if err != nil {
		return err
	}
	if err := d.leaveAll(); err != nil {
		return err
	}
	s.m.Size = c.size
	c.sha256.Sum(s.m.SHA256[:0])
	return s.verify(info, digest, c)
}

func (s *signedData) faultf(kind error, format string, args ...any) error {
	return s.d.faultf(kind, format, args...)
}

// signer returns the certificate that the SignerInfo names.
func (s *signedData) signer(rawIssuer []byte, serial *big.Int) (*x509.Certificate, error) {
	for _, c := range s.m.Certificates {
		if c.SerialNumber.Cmp(serial) == 0 && bytes.Equal(c.RawIssuer, rawIssuer) {
			return c, nil
		}
	}
	if s.o.Policy.NeedCertificate {
		return nil, s.faultf(ErrPolicy, "certificate of the signer is not in the message")
	}
	if s.o.Find != nil {
		if c := s.o.Find(rawIssuer, serial); c != nil {
			return c, nil
		}
	}
	return nil, s.d.fault(fmt.Errorf("%w: serial %x", ErrUnknownSigner, serial))
}
