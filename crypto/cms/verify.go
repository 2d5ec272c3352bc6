package cms

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"hash"
	"io"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"gateway301/crypto/internal/rsaalg"
)

// content passes the signed content on and hashes it: always with SHA-256, for
// the ledger, and with the signer's hash if that is another one.
type content struct {
	dst    io.Writer
	alg    crypto.Hash
	sha256 hash.Hash
	other  hash.Hash // nil if alg is SHA-256
	size   int64
	start  []byte // the first bytes, up to maxStart
}

// maxStart is how much of the content looksLikeAttributes has to see.
const maxStart = 4096

func newContent(dst io.Writer, digest []byte) (*content, error) {
	alg, err := rsaalg.ParseHash(digest)
	if err != nil {
		return nil, err
	}
	c := &content{dst: dst, alg: alg, sha256: sha256.New()}
	if alg != crypto.SHA256 {
		c.other = alg.New()
	}
	return c, nil
}

// copy takes all of the content.
func (c *content) copy(body *octets) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if err := c.write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *content) write(p []byte) error {
	c.size += int64(len(p))
	c.sha256.Write(p)
	if c.other != nil {
		c.other.Write(p)
	}
	if room := maxStart - len(c.start); room > 0 {
		c.start = append(c.start, p[:min(room, len(p))]...)
	}
	n, err := c.dst.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

func (c *content) digest() []byte {
	if c.other != nil {
		return c.other.Sum(nil)
	}
	return c.sha256.Sum(nil)
}

// looksLikeAttributes reports whether the content is itself a set of signed
// attributes. Such content, in a message without attributes, would verify with
// a signature that was made over the attributes of another message.
func (c *content) looksLikeAttributes() bool {
	if c.size > int64(len(c.start)) {
		return false // larger than attributes of the profile ever are
	}
	_, err := parseAttributes(c.start)
	return err == nil
}

// A signerInfo is the SignerInfo of RFC 5652, 5.3, in pieces.
type signerInfo struct {
	issuer     cryptobyte.String // whole element
	serial     *big.Int
	digest     cryptobyte.String // AlgorithmIdentifier
	attributes []byte            // as a SET, the form that is signed; nil if absent
	algorithm  cryptobyte.String // AlgorithmIdentifier
	signature  cryptobyte.String
}

func parseSignerInfo(der []byte) (*signerInfo, bool) {
	i := &signerInfo{serial: new(big.Int)}
	s := cryptobyte.String(der)
	var body, id, attributes cryptobyte.String
	if !s.ReadASN1(&body, asn1.SEQUENCE) || !skipConstant(&body, derVersion1) ||
		!body.ReadASN1(&id, asn1.SEQUENCE) ||
		!id.ReadASN1Element(&i.issuer, asn1.SEQUENCE) || !id.ReadASN1Integer(i.serial) || !id.Empty() ||
		!body.ReadASN1Element(&i.digest, asn1.SEQUENCE) {
		return nil, false
	}
	if body.PeekASN1Tag(asn1.Tag(tagContext0)) {
		if !body.ReadASN1Element(&attributes, asn1.Tag(tagContext0)) {
			return nil, false
		}
		i.attributes = bytes.Clone(attributes)
		i.attributes[0] = tagSet
	}
	// Unsigned attributes are none of the profile.
	if !body.ReadASN1Element(&i.algorithm, asn1.SEQUENCE) ||
		!body.ReadASN1(&i.signature, asn1.OCTET_STRING) || !body.Empty() {
		return nil, false
	}
	return i, true
}

// verify checks the SignerInfo against the content. digest is the algorithm
// that the message announced ahead of the content.
func (s *signedData) verify(i *signerInfo, digest []byte, c *content) error {
	if !rsaalg.Same(i.digest, digest) {
		return s.faultf(ErrProfile, "digest algorithm of the signer is not the announced one")
	}
	if c.alg != crypto.SHA256 && !s.o.Policy.OtherHashes {
		return s.faultf(ErrPolicy, "digest %v", c.alg)
	}
	signed, err := s.signedDigest(i, c)
	if err != nil {
		return err
	}
	cert, err := s.signer(i.issuer, i.serial)
	if err != nil {
		return err
	}
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return s.faultf(ErrProfile, "key of the signer is %v, not RSA", cert.PublicKeyAlgorithm)
	}
	if err := s.verifySignature(pub, i, c.alg, signed); err != nil {
		return err
	}
	s.m.Signer = cert
	s.m.Used.OtherHashes = c.alg != crypto.SHA256
	s.m.Used.PKCS1Signature = !rsaalg.IsPSS(i.algorithm)
	return nil
}

// signedDigest returns the digest that the signature is made over.
func (s *signedData) signedDigest(i *signerInfo, c *content) ([]byte, error) {
	if i.attributes == nil {
		switch {
		case s.o.Policy.NeedSignedAttributes:
			return nil, s.faultf(ErrPolicy, "no signed attributes")
		case c.looksLikeAttributes():
			return nil, s.faultf(ErrProfile, "content in the form of signed attributes")
		}
		return c.digest(), nil
	}
	a, err := parseAttributes(i.attributes)
	if err != nil {
		return nil, s.faultf(ErrProfile, "signed attributes: %w", err)
	}
	if a.protection != nil && !i.protectedBy(a.protection) {
		return nil, s.faultf(ErrProfile, "algorithm protection names other algorithms")
	}
	if !bytes.Equal(a.digest, c.digest()) {
		return nil, s.d.fault(ErrDigest)
	}
	s.m.SigningTime = a.time
	h := c.alg.New()
	h.Write(i.attributes)
	return h.Sum(nil), nil
}

// protectedBy compares a CMSAlgorithmProtection (RFC 6211) with the algorithms
// in use.
func (i *signerInfo) protectedBy(protection cryptobyte.String) bool {
	var body, digest, algorithm cryptobyte.String
	if !protection.ReadASN1(&body, asn1.SEQUENCE) || !protection.Empty() ||
		!body.ReadASN1Element(&digest, asn1.SEQUENCE) ||
		!body.ReadASN1(&algorithm, asn1.Tag(1).ContextSpecific().Constructed()) || !body.Empty() {
		return false
	}
	return rsaalg.Same(digest, i.digest) && bytes.Equal(element(tagSequence, algorithm), i.algorithm)
}

func (s *signedData) verifySignature(pub *rsa.PublicKey, i *signerInfo, alg crypto.Hash, digest []byte) error {
	if rsaalg.IsPSS(i.algorithm) {
		p, err := rsaalg.ParsePSS(i.algorithm)
		switch {
		case err != nil:
			return s.faultf(ErrProfile, "signature algorithm: %w", err)
		case p.Hash != alg:
			return s.faultf(ErrProfile, "signature with %v over a digest with %v", p.Hash, alg)
		case p.Salt != alg.Size():
			return s.faultf(ErrProfile, "salt of %d bytes", p.Salt)
		}
		if rsa.VerifyPSS(pub, alg, digest, i.signature, &rsa.PSSOptions{SaltLength: p.Salt}) != nil {
			return s.d.fault(ErrSignature)
		}
		return nil
	}
	h, err := rsaalg.ParsePKCS1(i.algorithm)
	switch {
	case err != nil:
		return s.faultf(ErrProfile, "signature algorithm: %w", err)
	case !s.o.Policy.PKCS1Signature:
		return s.faultf(ErrPolicy, "signature with PKCS#1 v1.5")
	case h != 0 && h != alg:
		return s.faultf(ErrProfile, "signature with %v over a digest with %v", h, alg)
	}
	if rsa.VerifyPKCS1v15(pub, alg, digest, i.signature) != nil {
		return s.d.fault(ErrSignature)
	}
	return nil
}

// attributes are the signed attributes that mean something here. Others, such
// as S/MIME capabilities, are signed along and otherwise left alone.
type attributes struct {
	digest     cryptobyte.String
	time       time.Time
	protection cryptobyte.String // CMSAlgorithmProtection; nil if absent
}

// An attributeError says what is wrong with the signed attributes.
type attributeError string

func (e attributeError) Error() string { return string(e) }

// parseAttributes reads a DER SET OF Attribute: sorted, each type once and,
// for the ones known here, with one value (RFC 5652, 11). Without contentType
// and messageDigest it is not valid.
func parseAttributes(der []byte) (attributes, error) {
	var a attributes
	var set cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&set, asn1.SET) || !s.Empty() {
		return a, attributeError("not a SET")
	}
	seen := make(map[string]bool)
	var previous []byte
	for !set.Empty() {
		var raw, body, oid, values cryptobyte.String
		if !set.ReadASN1Element(&raw, asn1.SEQUENCE) {
			return a, attributeError("not an attribute")
		}
		if bytes.Compare(previous, raw) >= 0 {
			return a, attributeError("not in DER order")
		}
		previous = raw
		if !raw.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
			!body.ReadASN1(&values, asn1.SET) || !body.Empty() {
			return a, attributeError("not an attribute")
		}
		if seen[string(oid)] {
			return a, attributeError("one type twice")
		}
		seen[string(oid)] = true
		if err := a.take(string(oid), values); err != nil {
			return a, err
		}
	}
	switch {
	case !seen[oidContentType]:
		return a, attributeError("contentType missing")
	case !seen[oidMessageDigest]:
		return a, attributeError("messageDigest missing")
	}
	return a, nil
}

// take reads the values of one attribute.
func (a *attributes) take(oid string, values cryptobyte.String) error {
	switch oid {
	case oidContentType:
		if string(values) != derData {
			return attributeError("contentType is not id-data")
		}
	case oidMessageDigest:
		if !values.ReadASN1(&a.digest, asn1.OCTET_STRING) || !values.Empty() {
			return attributeError("messageDigest is malformed")
		}
	case oidSigningTime:
		var ok bool
		if values.PeekASN1Tag(asn1.UTCTime) {
			ok = values.ReadASN1UTCTime(&a.time)
		} else {
			ok = values.ReadASN1GeneralizedTime(&a.time)
		}
		if !ok || !values.Empty() {
			return attributeError("signingTime is malformed")
		}
		a.time = a.time.UTC()
	case oidAlgProtection:
		if values.Empty() {
			return attributeError("algorithm protection is malformed")
		}
		a.protection = values
	}
	return nil
}
