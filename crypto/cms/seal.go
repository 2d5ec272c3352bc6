package cms

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"gateway301/crypto/internal/rsaalg"
)

// saltLength of RSASSA-PSS, in bytes (Anlage 16: as long as the hash).
const saltLength = 32

// A Signer is who signs a message.
type Signer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer // the RSA key of Certificate
}

// A Profile is the set of algorithms that Seal writes.
type Profile int

// The profiles. Seal never changes from one to the other by itself.
const (
	SECON       Profile = iota // the profile of the package: RSASSA-PSS and RSAES-OAEP
	LegacyPKCS1                // RSASSA-PKCS1-v1_5 and RSAES-PKCS1-v1_5, else the same
)

// SealOptions say who seals for whom.
type SealOptions struct {
	Signer      Signer
	Recipients  []*x509.Certificate // at least one; the order does not matter
	SigningTime time.Time           // written in whole seconds of UTC
	Profile     Profile             // the zero value is SECON
}

// Sealed is what Seal has read and written. The sealed bytes are hashed by
// whoever stores them: one more pass here would cost a fifth of the whole.
type Sealed struct {
	PlainSize   int64
	PlainSHA256 [sha256.Size]byte
	SealedSize  int64
}

// Seal signs src and encrypts it for the recipients. size is the exact number
// of bytes in src, or -1 if unknown: with a size the result is DER, without
// one it is BER of indefinite length. Errors of src and dst are returned as
// they are; ErrSize, ErrKey and ErrNoRecipient are the caller's mistakes.
//
// On an error dst holds a useless piece of a message.
func Seal(dst io.Writer, src io.Reader, size int64, o SealOptions) (Sealed, error) {
	s, err := newSealing(size, o)
	if err != nil {
		return Sealed{}, err
	}
	g, ctx := errgroup.WithContext(context.Background())
	plain, secret := newBelt(ctx, s.block), newBelt(ctx, s.block)
	var res Sealed
	g.Go(func() error {
		err := s.sign(plain, src, &res)
		plain.end(err)
		return err
	})
	g.Go(func() error {
		err := s.encrypt(secret, plain)
		secret.end(err)
		return err
	})
	g.Go(func() error { return s.write(dst, secret, plain, &res) })
	if err := g.Wait(); err != nil {
		return Sealed{}, err
	}
	return res, nil
}

// A sealing is one message on its way.
type sealing struct {
	size    int64 // of the plain file; -1 if unknown
	signer  Signer
	digest  []byte // AlgorithmIdentifier of SHA-256
	profile Profile
	method  []byte // AlgorithmIdentifier of the signature
	time    []byte // signingTime, a whole element
	inner   frame
	outer   frame
	cbc     cipher.BlockMode
	block   int
	message int64 // bytes of the SignedData with its padding; -1 if unknown
}

func newSealing(size int64, o SealOptions) (*sealing, error) {
	if o.Signer.Certificate == nil || o.Signer.Key == nil {
		return nil, fmt.Errorf("%w: no signer", ErrKey)
	}
	pub, ok := o.Signer.Certificate.PublicKey.(*rsa.PublicKey)
	if !ok || !pub.Equal(o.Signer.Key.Public()) {
		return nil, fmt.Errorf("%w: signing key and certificate %q", ErrKey, o.Signer.Certificate.Subject)
	}
	if size < 0 {
		size = -1
	}
	s := &sealing{size: size, signer: o.Signer, profile: o.Profile, time: timeElement(o.SigningTime), message: -1, block: blockSize}
	var err error
	if s.digest, err = rsaalg.Hash(crypto.SHA256); err != nil {
		return nil, err
	}
	if s.method, err = o.Profile.signature(); err != nil {
		return nil, err
	}
	s.inner = s.signedData(s.trailer(make([]byte, sha256.Size), make([]byte, pub.Size())))
	if size >= 0 {
		s.message = padded(s.inner.size(size))
		s.block = int(min(s.message, blockSize))
	}

	// Each message has a key and an IV of its own.
	secrets := make([]byte, 32+aes.BlockSize)
	rand.Read(secrets)
	key, iv := secrets[:32], secrets[32:]
	c, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	s.cbc = cipher.NewCBCEncrypter(c, iv)
	recipients, err := recipientInfos(o.Recipients, key, o.Profile)
	if err != nil {
		return nil, err
	}
	s.outer = envelopedData(recipients, iv)
	return s, nil
}

// padded is n with the PKCS#7 padding, of which there is always at least a byte.
func padded(n int64) int64 { return n + aes.BlockSize - n%aes.BlockSize }

// signedData is the frame around the plain file. trailer is what follows the
// content in SignedData.
func (s *sealing) signedData(trailer []byte) frame {
	return frame{
		{tag: tagSequence, before: []byte(derSignedData)},
		{tag: tagContext0},
		{tag: tagSequence, before: slices.Concat([]byte(derVersion1), element(tagSet, s.digest)), after: trailer},
		{tag: tagSequence, before: []byte(derData)},
		{tag: tagContext0},
		{tag: tagOctets},
	}
}

// envelopedData is the frame around the encrypted content.
func envelopedData(recipients, iv []byte) frame {
	return frame{
		{tag: tagSequence, before: []byte(derEnvelopedData)},
		{tag: tagContext0},
		{tag: tagSequence, before: slices.Concat([]byte(derVersion0), recipients)},
		{tag: tagSequence, before: slices.Concat([]byte(derData),
			element(tagSequence, element(tagOID, []byte(oidAES256CBC)), element(tagOctets, iv)))},
		{tag: tagContext0Raw},
	}
}

// recipientInfos wraps key for each recipient and returns the SET.
func recipientInfos(to []*x509.Certificate, key []byte, p Profile) ([]byte, error) {
	if len(to) == 0 {
		return nil, ErrNoRecipient
	}
	method, err := p.transport()
	if err != nil {
		return nil, err
	}
	infos := make([][]byte, len(to))
	for i, cert := range to {
		pub, ok := cert.PublicKey.(*rsa.PublicKey)
		if !ok {
			return nil, fmt.Errorf("%w: recipient %q", ErrKey, cert.Subject)
		}
		wrapped, err := p.wrap(pub, key)
		if err != nil {
			return nil, fmt.Errorf("%w: recipient %q: %w", ErrKey, cert.Subject, err)
		}
		infos[i] = element(tagSequence, []byte(derVersion0), issuerAndSerial(cert), method, element(tagOctets, wrapped))
	}
	slices.SortFunc(infos, bytes.Compare) // DER SET OF
	return element(tagSet, infos...), nil
}

// issuerAndSerial copies the issuer byte for byte: encoded anew it might
// change its string type and no longer be found (Anlage 16, 3.2.2.3.2).
func issuerAndSerial(cert *x509.Certificate) []byte {
	return element(tagSequence, cert.RawIssuer, serial(cert))
}

// serial is the certificate's serial number as a DER INTEGER.
func serial(cert *x509.Certificate) []byte {
	b := cert.SerialNumber.Bytes() // x509 refuses negative numbers
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return element(tagInteger, b)
}

// trailer returns what follows the content in SignedData. Its length depends
// on nothing but the lengths of its arguments.
func (s *sealing) trailer(digest, signature []byte) []byte {
	cert := s.signer.Certificate
	attributes := s.attributes(digest)
	attributes[0] = tagContext0 // IMPLICIT in the message, a SET when signed
	info := element(tagSequence,
		[]byte(derVersion1), issuerAndSerial(cert), s.digest, attributes, s.method, element(tagOctets, signature))
	return slices.Concat(element(tagContext0, cert.Raw), element(tagSet, info))
}

// attributes returns the signed attributes as the DER SET that is signed.
func (s *sealing) attributes(digest []byte) []byte {
	set := [][]byte{
		attribute(oidContentType, []byte(derData)),
		attribute(oidSigningTime, s.time),
		attribute(oidMessageDigest, element(tagOctets, digest)),
	}
	slices.SortFunc(set, bytes.Compare)
	return element(tagSet, set...)
}

func attribute(oid string, value []byte) []byte {
	return element(tagSequence, element(tagOID, []byte(oid)), element(tagSet, value))
}

// timeElement is UTCTime up to 2049 and GeneralizedTime after (RFC 5652, 11.3).
func timeElement(t time.Time) []byte {
	t = t.UTC()
	if y := t.Year(); y >= 1950 && y < 2050 {
		return element(tagUTCTime, []byte(t.Format("060102150405Z")))
	}
	return element(tagGeneralized, []byte(t.Format("20060102150405Z")))
}

// sign is the first stage: it frames src as SignedData with its padding.
func (s *sealing) sign(out *belt, src io.Reader, res *Sealed) error {
	w := &blockWriter{out: out}
	h := sha256.New()
	if err := w.write(s.inner.head(s.size)); err != nil {
		return err
	}
	var err error
	if s.size >= 0 {
		err = s.copyKnown(w, h, src)
	} else {
		err = s.copyUnknown(w, h, src)
	}
	if err != nil {
		return err
	}
	h.Sum(res.PlainSHA256[:0])
	res.PlainSize = w.content

	attributes := sha256.Sum256(s.attributes(res.PlainSHA256[:]))
	signature, err := s.signer.Key.Sign(rand.Reader, attributes[:], s.profile.signerOpts())
	if err != nil {
		return fmt.Errorf("cms: sign: %w", err)
	}
	if want := s.signer.Certificate.PublicKey.(*rsa.PublicKey).Size(); len(signature) != want {
		return fmt.Errorf("%w: signature of %d bytes, not %d", ErrKey, len(signature), want)
	}
	s.inner = s.signedData(s.trailer(res.PlainSHA256[:], signature))
	if err := w.write(s.inner.tail(s.size < 0)); err != nil {
		return err
	}
	return w.pad()
}

// copyKnown reads exactly the announced size straight into the blocks.
func (s *sealing) copyKnown(w *blockWriter, h io.Writer, src io.Reader) error {
	for left := s.size; left > 0; {
		room, err := w.room()
		if err != nil {
			return err
		}
		n, err := io.ReadFull(src, room[:min(left, int64(len(room)))])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: %d bytes short", ErrSize, left-int64(n))
		}
		if err != nil {
			return err
		}
		h.Write(room[:n])
		w.advance(n)
		w.content += int64(n)
		left -= int64(n)
	}
	var one [1]byte
	switch _, err := io.ReadFull(src, one[:]); {
	case err == nil:
		return fmt.Errorf("%w: more than %d bytes", ErrSize, s.size)
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// chunkSize is the length of the octet strings in indefinite form.
const chunkSize = 32 << 10

// copyUnknown reads to the end, each piece in an octet string of its own.
func (s *sealing) copyUnknown(w *blockWriter, h io.Writer, src io.Reader) error {
	chunk := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(src, chunk)
		if n > 0 {
			h.Write(chunk[:n])
			w.content += int64(n)
			if err := w.write(appendHeader(nil, tagOctets, int64(n))); err != nil {
				return err
			}
			if err := w.write(chunk[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		default:
			return err
		}
	}
}

// A blockWriter fills blocks and puts the full ones on a belt.
type blockWriter struct {
	out     *belt
	cur     []byte
	content int64 // bytes of the plain file among what was written
}

// room returns the free part of the current block, never empty.
func (w *blockWriter) room() ([]byte, error) {
	if w.cur != nil && len(w.cur) == cap(w.cur) {
		if err := w.out.put(w.cur); err != nil {
			return nil, err
		}
		w.cur = nil
	}
	if w.cur == nil {
		var err error
		if w.cur, err = w.out.take(); err != nil {
			return nil, err
		}
	}
	return w.cur[len(w.cur):cap(w.cur)], nil
}

func (w *blockWriter) advance(n int) { w.cur = w.cur[:len(w.cur)+n] }

func (w *blockWriter) write(p []byte) error {
	for len(p) > 0 {
		room, err := w.room()
		if err != nil {
			return err
		}
		n := copy(room, p)
		w.advance(n)
		p = p[n:]
	}
	return nil
}

// pad adds the PKCS#7 padding and sends the last block off. Blocks are
// multiples of 16 bytes, so the current one tells how much is missing.
func (w *blockWriter) pad() error {
	n := aes.BlockSize - len(w.cur)%aes.BlockSize
	if err := w.write(bytes.Repeat([]byte{byte(n)}, n)); err != nil {
		return err
	}
	return w.out.put(w.cur)
}

// encrypt is the second stage; it works in place.
func (s *sealing) encrypt(out, in *belt) error {
	for {
		blk, err := in.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.cbc.CryptBlocks(blk, blk)
		if err := out.put(blk); err != nil {
			return err
		}
	}
}

// write is the third stage: it frames the encrypted blocks and hands them back
// to the first.
func (s *sealing) write(dst io.Writer, in, home *belt, res *Sealed) error {
	put := func(p []byte) error {
		n, err := dst.Write(p)
		res.SealedSize += int64(n)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		return err
	}
	if err := put(s.outer.head(s.message)); err != nil {
		return err
	}
	for {
		blk, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if s.message < 0 {
			if err := put(appendHeader(nil, tagOctets, int64(len(blk)))); err != nil {
				return err
			}
		}
		if err := put(blk); err != nil {
			return err
		}
		home.free(blk)
	}
	return put(s.outer.tail(s.message < 0))
}
