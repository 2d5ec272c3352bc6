package cms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"slices"
	"testing"

	"gateway301/crypto/internal/rsaalg"
)

// enveloped puts any bytes into a flawless envelope for the insurer. unpadded
// content is padded unless raw is set.
func enveloped(t testing.TB, inner []byte) []byte {
	t.Helper()
	key, iv := pattern(32), pattern(16)
	recipients, err := recipientInfos([]*x509.Certificate{everyone().insurer.cert}, key, SECON)
	if err != nil {
		t.Fatal(err)
	}
	n := aes.BlockSize - len(inner)%aes.BlockSize
	return around(envelopedData(recipients, iv), encrypted(key, iv, append(slices.Clone(inner), bytes.Repeat([]byte{byte(n)}, n)...)))
}

func encrypted(key, iv, padded []byte) []byte {
	c, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(padded))
	cipher.NewCBCEncrypter(c, iv).CryptBlocks(out, padded)
	return out
}

func around(f frame, payload []byte) []byte {
	return slices.Concat(f.head(int64(len(payload))), payload, f.tail(false))
}

// A forgery is a SignedData in pieces, correct until edited.
type forgery struct {
	hash        crypto.Hash
	version     []byte
	digests     []byte // contents of the SET
	contentType []byte
	eContent    []byte // [0], nil if detached
	between     []byte // certificates and CRLs
	info        struct {
		version    []byte
		sid        []byte
		digest     []byte
		attributes [][]byte // nil: absent
		unsorted   bool
		algorithm  []byte
		sign       func(digest []byte) ([]byte, error)
		after      []byte // unsigned attributes
	}
	infos func(info []byte) []byte // contents of the SET
	after []byte
}

func algorithm(t testing.TB, id []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func newForgery(t testing.TB, plain []byte, h crypto.Hash) *forgery {
	signer := everyone().hospital
	hashID, err := rsaalg.Hash(h)
	algorithm(t, hashID, err)
	sum := h.New()
	sum.Write(plain)
	f := &forgery{
		hash:        h,
		version:     []byte(derVersion1),
		digests:     hashID,
		contentType: []byte(derData),
		eContent:    element(tagContext0, element(tagOctets, plain)),
		between:     element(tagContext0, signer.cert.Raw),
		infos:       func(info []byte) []byte { return info },
	}
	f.info.version = []byte(derVersion1)
	f.info.sid = issuerAndSerial(signer.cert)
	f.info.digest = hashID
	f.info.attributes = [][]byte{
		attribute(oidContentType, []byte(derData)),
		attribute(oidSigningTime, timeElement(epoch)),
		attribute(oidMessageDigest, element(tagOctets, sum.Sum(nil))),
	}
	f.pss(t, h.Size())
	return f
}

func (f *forgery) pss(t testing.TB, salt int) {
	id, err := rsaalg.PSS{Hash: f.hash, Salt: salt}.Identifier()
	f.info.algorithm = algorithm(t, id, err)
	f.info.sign = func(d []byte) ([]byte, error) {
		return rsa.SignPSS(rand.Reader, everyone().hospital.key, f.hash, d, &rsa.PSSOptions{SaltLength: salt})
	}
}

func (f *forgery) pkcs1(oid string) {
	f.info.algorithm = element(tagSequence, element(tagOID, []byte(oid)), []byte{5, 0})
	f.info.sign = func(d []byte) ([]byte, error) {
		return rsa.SignPKCS1v15(nil, everyone().hospital.key, f.hash, d)
	}
}

// bytes signs the pieces and puts them together.
func (f *forgery) bytes(t testing.TB, plain []byte) []byte {
	t.Helper()
	h := f.hash.New()
	var attributes []byte
	if f.info.attributes == nil {
		h.Write(plain)
	} else {
		set := slices.Clone(f.info.attributes)
		if !f.info.unsorted {
			slices.SortFunc(set, bytes.Compare)
		}
		attributes = element(tagSet, set...)
		h.Write(attributes)
		attributes[0] = tagContext0
	}
	signature, err := f.info.sign(h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	info := element(tagSequence, f.info.version, f.info.sid, f.info.digest, attributes, f.info.algorithm,
		element(tagOctets, signature), f.info.after)
	signed := element(tagSequence, f.version, element(tagSet, f.digests),
		element(tagSequence, f.contentType, f.eContent), f.between, element(tagSet, f.infos(info)), f.after)
	return element(tagSequence, []byte(derSignedData), element(tagContext0, signed))
}

const (
	oidRSA       = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
	oidSHA256RSA = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
	oidSHA512RSA = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"
)

// Each case departs in one point from the profile. want is nil where the
// message has to be opened all the same.
func TestSignedDataForms(t *testing.T) {
	plain := []byte("UNA:+,? 'UNB+UNOC:3+260500005:00+109910000:00'")
	cast := everyone()
	find := func(rawIssuer []byte, serial *big.Int) *x509.Certificate {
		for _, c := range []*x509.Certificate{cast.other.cert, cast.hospital.cert} {
			if bytes.Equal(c.RawIssuer, rawIssuer) && c.SerialNumber.Cmp(serial) == 0 {
				return c
			}
		}
		return nil
	}
	protection := func(digest, signature []byte) []byte {
		p := bytes.Clone(signature)
		p[0] = 0xa1
		return attribute(oidAlgProtection, element(tagSequence, digest, p))
	}
	sha512ID, err := rsaalg.Hash(crypto.SHA512)
	algorithm(t, sha512ID, err)
	none := func(*forgery) {}

	for _, c := range []struct {
		name   string
		hash   crypto.Hash
		edit   func(*forgery)
		policy Policy
		find   bool
		want   error
	}{
		{"the profile itself", crypto.SHA256, none, Policy{NeedSignedAttributes: true, NeedCertificate: true}, false, nil},
		{"digest with NULL", crypto.SHA256, func(f *forgery) {
			f.digests = slices.Concat([]byte{0x30, 13}, f.digests[2:], []byte{5, 0})
		}, Policy{}, false, nil},
		{"S/MIME capabilities", crypto.SHA256, func(f *forgery) {
			f.info.attributes = append(f.info.attributes, attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0f", element(tagSequence)))
		}, Policy{}, false, nil},
		{"algorithm protection", crypto.SHA256, func(f *forgery) {
			f.info.attributes = append(f.info.attributes, protection(f.info.digest, f.info.algorithm))
		}, Policy{}, false, nil},
		{"algorithm protection, digest with NULL", crypto.SHA256, func(f *forgery) {
			f.info.attributes = append(f.info.attributes, protection(slices.Concat([]byte{0x30, 13}, f.info.digest[2:], []byte{5, 0}), f.info.algorithm))
		}, Policy{}, false, nil},
		{"algorithm protection for another digest", crypto.SHA256, func(f *forgery) {
			f.info.attributes = append(f.info.attributes, protection(sha512ID, f.info.algorithm))
		}, Policy{}, false, ErrProfile},
		{"algorithm protection for another signature", crypto.SHA256, func(f *forgery) {
			f.info.attributes = append(f.info.attributes, protection(f.info.digest, element(tagSequence, element(tagOID, []byte(oidRSA)), []byte{5, 0})))
		}, Policy{}, false, ErrProfile},

		{"no attributes", crypto.SHA256, func(f *forgery) { f.info.attributes = nil }, Policy{}, false, nil},
		{"no attributes, needed", crypto.SHA256, func(f *forgery) { f.info.attributes = nil }, Policy{NeedSignedAttributes: true}, false, ErrPolicy},
		{"no certificate, known", crypto.SHA256, func(f *forgery) { f.between = nil }, Policy{}, true, nil},
		{"no certificate, needed", crypto.SHA256, func(f *forgery) { f.between = nil }, Policy{NeedCertificate: true}, true, ErrPolicy},
		{"no certificate, unknown", crypto.SHA256, func(f *forgery) { f.between = nil }, Policy{}, false, ErrUnknownSigner},
		{"certificate of another only", crypto.SHA256, func(f *forgery) { f.between = element(tagContext0, cast.other.cert.Raw) }, Policy{}, false, ErrUnknownSigner},
		{"certificate of another beside", crypto.SHA256, func(f *forgery) {
			f.between = element(tagContext0, cast.other.cert.Raw, cast.hospital.cert.Raw)
		}, Policy{}, false, nil},
		{"signer names another", crypto.SHA256, func(f *forgery) { f.info.sid = issuerAndSerial(cast.other.cert) }, Policy{}, true, ErrSignature},

		{"SHA-512", crypto.SHA512, none, Policy{OtherHashes: true}, false, nil},
		{"SHA-384", crypto.SHA384, none, Policy{OtherHashes: true}, false, nil},
		{"SHA-512, not allowed", crypto.SHA512, none, Policy{}, false, ErrPolicy},
		{"PKCS#1", crypto.SHA256, func(f *forgery) { f.pkcs1(oidSHA256RSA) }, Policy{PKCS1Signature: true}, false, nil},
		{"PKCS#1 as rsaEncryption", crypto.SHA256, func(f *forgery) { f.pkcs1(oidRSA) }, Policy{PKCS1Signature: true}, false, nil},
		{"PKCS#1, not allowed", crypto.SHA256, func(f *forgery) { f.pkcs1(oidSHA256RSA) }, Policy{}, false, ErrPolicy},
		{"PKCS#1 with SHA-512 over SHA-256", crypto.SHA256, func(f *forgery) { f.pkcs1(oidSHA512RSA) }, Policy{PKCS1Signature: true, OtherHashes: true}, false, ErrProfile},
		{"PKCS#1 with SHA-512", crypto.SHA512, func(f *forgery) { f.pkcs1(oidSHA512RSA) }, Policy{PKCS1Signature: true, OtherHashes: true}, false, nil},
		{"PKCS#1 signature called PSS", crypto.SHA256, func(f *forgery) {
			pss := f.info.algorithm
			f.pkcs1(oidSHA256RSA)
			f.info.algorithm = pss
		}, Policy{PKCS1Signature: true}, false, ErrSignature},
		{"salt of 20", crypto.SHA256, func(f *forgery) { f.pss(t, 20) }, Policy{OtherHashes: true}, false, ErrProfile},
		{"salt of 0", crypto.SHA256, func(f *forgery) { f.pss(t, 0) }, Policy{OtherHashes: true}, false, ErrProfile},
		{"salt of 20 called 32", crypto.SHA256, func(f *forgery) {
			pss := f.info.algorithm
			f.pss(t, 20)
			f.info.algorithm = pss
		}, Policy{}, false, ErrSignature},
		{"PSS with SHA-512 over SHA-256", crypto.SHA256, func(f *forgery) {
			id, err := rsaalg.PSS{Hash: crypto.SHA512, Salt: 64}.Identifier()
			f.info.algorithm = algorithm(t, id, err)
		}, Policy{OtherHashes: true}, false, ErrProfile},

		{"attributes swapped", crypto.SHA256, func(f *forgery) {
			slices.SortFunc(f.info.attributes, bytes.Compare)
			slices.Reverse(f.info.attributes)
			f.info.unsorted = true
		}, Policy{}, false, ErrProfile},
		{"an attribute twice", crypto.SHA256, func(f *forgery) {
			f.info.attributes = append(f.info.attributes, attribute(oidSigningTime, timeElement(epoch.AddDate(0, 0, 1))))
		}, Policy{}, false, ErrProfile},
		{"the same attribute twice", crypto.SHA256, func(f *forgery) {
			f.info.attributes = append(f.info.attributes, f.info.attributes[0])
		}, Policy{}, false, ErrProfile},
		{"contentType missing", crypto.SHA256, func(f *forgery) { f.info.attributes = f.info.attributes[1:] }, Policy{}, false, ErrProfile},
		{"messageDigest missing", crypto.SHA256, func(f *forgery) { f.info.attributes = f.info.attributes[:2] }, Policy{}, false, ErrProfile},
		{"signingTime missing", crypto.SHA256, func(f *forgery) { f.info.attributes = slices.Delete(f.info.attributes, 1, 2) }, Policy{}, false, nil},
		{"contentType of another kind", crypto.SHA256, func(f *forgery) {
			f.info.attributes[0] = attribute(oidContentType, []byte(derSignedData))
		}, Policy{}, false, ErrProfile},
		{"two content types", crypto.SHA256, func(f *forgery) {
			f.info.attributes[0] = attribute(oidContentType, slices.Concat([]byte(derData), []byte(derData)))
		}, Policy{}, false, ErrProfile},
		{"signingTime without value", crypto.SHA256, func(f *forgery) {
			f.info.attributes[1] = attribute(oidSigningTime, nil)
		}, Policy{}, false, ErrProfile},
		{"digest of other content", crypto.SHA256, func(f *forgery) {
			d := sha256.Sum256([]byte("other"))
			f.info.attributes[2] = attribute(oidMessageDigest, element(tagOctets, d[:]))
		}, Policy{}, false, ErrDigest},
		{"empty attributes", crypto.SHA256, func(f *forgery) { f.info.attributes = [][]byte{} }, Policy{}, false, ErrProfile},

		{"version 3", crypto.SHA256, func(f *forgery) { f.version = []byte("\x02\x01\x03") }, Policy{}, false, ErrProfile},
		{"SignerInfo version 3", crypto.SHA256, func(f *forgery) { f.info.version = []byte("\x02\x01\x03") }, Policy{}, false, ErrProfile},
		{"content type signedData", crypto.SHA256, func(f *forgery) { f.contentType = []byte(derSignedData) }, Policy{}, false, ErrProfile},
		{"detached", crypto.SHA256, func(f *forgery) { f.eContent = nil }, Policy{}, false, ErrEncoding},
		{"no signer", crypto.SHA256, func(f *forgery) { f.infos = func([]byte) []byte { return nil } }, Policy{}, false, ErrEncoding},
		{"two signers", crypto.SHA256, func(f *forgery) {
			f.infos = func(i []byte) []byte { return slices.Concat(i, i) }
		}, Policy{}, false, ErrProfile},
		{"two digest algorithms", crypto.SHA256, func(f *forgery) { f.digests = slices.Concat(f.digests, sha512ID) }, Policy{}, false, ErrProfile},
		{"no digest algorithm", crypto.SHA256, func(f *forgery) { f.digests = nil }, Policy{}, false, ErrEncoding},
		{"digest algorithm of the signer differs", crypto.SHA256, func(f *forgery) { f.info.digest = sha512ID }, Policy{OtherHashes: true}, false, ErrProfile},
		{"CRLs", crypto.SHA256, func(f *forgery) { f.between = append(f.between, 0xa1, 0) }, Policy{}, false, ErrProfile},
		{"certificates twice", crypto.SHA256, func(f *forgery) { f.between = slices.Concat(f.between, f.between) }, Policy{}, false, ErrProfile},
		{"unsigned attributes", crypto.SHA256, func(f *forgery) {
			f.info.after = element(0xa1, attribute(oidSigningTime, timeElement(epoch)))
		}, Policy{}, false, ErrProfile},
		{"more after the signers", crypto.SHA256, func(f *forgery) { f.after = []byte{5, 0} }, Policy{}, false, ErrProfile},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForgery(t, plain, c.hash)
			c.edit(f)
			o := OpenOptions{Keys: []Key{cast.insurer.own()}, Policy: c.policy}
			if c.find {
				o.Find = find
			}
			var back bytes.Buffer
			m, err := Open(&back, bytes.NewReader(enveloped(t, f.bytes(t, plain))), o)
			if !errors.Is(err, c.want) || c.want != nil && !errors.Is(err, ErrNotOpened) {
				t.Fatalf("%v, want %v", cause(err), c.want)
			}
			if c.want == nil {
				if !bytes.Equal(back.Bytes(), plain) || m.SHA256 != sha256.Sum256(plain) || !m.Signer.Equal(cast.hospital.cert) {
					t.Errorf("opened as %q, %+v", &back, m)
				}
			}
		})
	}
}

// A signature over attributes must not pass as one over content that has the
// bytes of those attributes.
func TestAttributesAreNoContent(t *testing.T) {
	plain := []byte("UNB+UNOC:3'")
	genuine := newForgery(t, plain, crypto.SHA256)
	set := slices.Clone(genuine.info.attributes)
	slices.SortFunc(set, bytes.Compare)
	stolen := element(tagSet, set...)
	f := newForgery(t, stolen, crypto.SHA256)
	f.info.attributes = nil
	_, err := Open(io.Discard, bytes.NewReader(enveloped(t, f.bytes(t, stolen))), OpenOptions{Keys: []Key{everyone().insurer.own()}})
	if !errors.Is(err, ErrProfile) {
		t.Errorf("%v", cause(err))
	}
}

// Each case is an envelope that departs from the profile in one point.
func TestEnvelopeForms(t *testing.T) {
	cast := everyone()
	plain := pattern(50)
	inner := newForgery(t, plain, crypto.SHA256).bytes(t, plain)
	key, iv := pattern(32), pattern(16)
	pad := aes.BlockSize - len(inner)%aes.BlockSize
	padded := append(slices.Clone(inner), bytes.Repeat([]byte{byte(pad)}, pad)...)
	secret := encrypted(key, iv, padded)
	recipients, err := recipientInfos([]*x509.Certificate{cast.insurer.cert}, key, SECON)
	if err != nil {
		t.Fatal(err)
	}
	aesCBC := element(tagSequence, element(tagOID, []byte(oidAES256CBC)), element(tagOctets, iv))
	//lint:ignore SA1019 older partners still send it
	pkcs1, err := rsa.EncryptPKCS1v15(rand.Reader, &cast.insurer.key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	transport := func(algorithm, wrapped []byte) []byte {
		return element(tagSequence, []byte(derVersion0), issuerAndSerial(cast.insurer.cert), algorithm, element(tagOctets, wrapped))
	}
	rsaID := element(tagSequence, element(tagOID, []byte(oidRSA)), []byte{5, 0})
	oaep512, err := rsaalg.OAEP(crypto.SHA512)
	algorithm(t, oaep512, err)
	oaep, err := rsaalg.OAEP(crypto.SHA256)
	algorithm(t, oaep, err)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &cast.insurer.key.PublicKey, key, nil)
	algorithm(t, wrapped, err)
	short, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &cast.insurer.key.PublicKey, key[:16], nil)
	algorithm(t, short, err)
	// OAEP with the empty label written out, as some senders do.
	labelled := slices.Concat(oaep[2:], []byte(emptyLabel))
	labelled = element(tagSequence, labelled[:11], element(tagSequence, labelled[13:]))

	type pieces struct{ contentType, version, originator, recipients, inner, algorithm, body, after []byte }
	for _, c := range []struct {
		name   string
		edit   func(*pieces)
		policy Policy
		want   error
	}{
		{"the profile itself", func(*pieces) {}, Policy{}, nil},
		{"empty label written out", func(p *pieces) { p.recipients = element(tagSet, transport(labelled, wrapped)) }, Policy{}, nil},
		{"signedData", func(p *pieces) { p.contentType = []byte(derSignedData) }, Policy{}, ErrProfile},
		{"version 2", func(p *pieces) { p.version = []byte("\x02\x01\x02") }, Policy{}, ErrProfile},
		{"originator", func(p *pieces) { p.originator = []byte{0xa0, 0} }, Policy{}, ErrProfile},
		{"content type signedData", func(p *pieces) { p.inner = []byte(derSignedData) }, Policy{}, ErrProfile},
		{"AES-128", func(p *pieces) {
			p.algorithm = slices.Clone(aesCBC)
			p.algorithm[12] = 2
		}, Policy{}, ErrProfile},
		{"short IV", func(p *pieces) {
			p.algorithm = element(tagSequence, element(tagOID, []byte(oidAES256CBC)), element(tagOctets, iv[:8]))
		}, Policy{}, ErrProfile},
		{"no content", func(p *pieces) { p.body = nil }, Policy{}, ErrEncoding},
		{"empty content", func(p *pieces) { p.body = element(tagContext0Raw) }, Policy{}, ErrDecryption},
		{"half a block", func(p *pieces) { p.body = element(tagContext0Raw, secret[:len(secret)-8]) }, Policy{}, ErrDecryption},
		{"a block short", func(p *pieces) { p.body = element(tagContext0Raw, secret[:len(secret)-16]) }, Policy{}, ErrDecryption},
		{"unprotected attributes", func(p *pieces) { p.after = []byte{0xa1, 0} }, Policy{}, ErrProfile},
		{"no recipients", func(p *pieces) { p.recipients = element(tagSet) }, Policy{}, ErrNotForUs},
		{"PKCS#1", func(p *pieces) { p.recipients = element(tagSet, transport(rsaID, pkcs1)) }, Policy{PKCS1KeyTransport: true}, nil},
		{"PKCS#1, not allowed", func(p *pieces) { p.recipients = element(tagSet, transport(rsaID, pkcs1)) }, Policy{}, ErrPolicy},
		{"PKCS#1, broken", func(p *pieces) { p.recipients = element(tagSet, transport(rsaID, wrapped)) }, Policy{PKCS1KeyTransport: true}, ErrNotOpened},
		{"OAEP with SHA-512", func(p *pieces) { p.recipients = element(tagSet, transport(oaep512, wrapped)) }, Policy{}, ErrProfile},
		{"OAEP called PKCS#1", func(p *pieces) { p.recipients = element(tagSet, transport(oaep, pkcs1)) }, Policy{}, ErrDecryption},
		{"key of 16 bytes", func(p *pieces) { p.recipients = element(tagSet, transport(oaep, short)) }, Policy{}, ErrDecryption},
		{"key agreement", func(p *pieces) { p.recipients = element(tagSet, []byte{0xa1, 0}) }, Policy{}, ErrProfile},
		{"recipient version 2", func(p *pieces) {
			r := transport(oaep, wrapped)
			r[bytes.Index(r, []byte(derVersion0))+2] = 2
			p.recipients = element(tagSet, r)
		}, Policy{}, ErrProfile},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pieces{
				contentType: []byte(derEnvelopedData), version: []byte(derVersion0), recipients: recipients,
				inner: []byte(derData), algorithm: aesCBC, body: element(tagContext0Raw, secret),
			}
			c.edit(&p)
			msg := element(tagSequence, p.contentType, element(tagContext0, element(tagSequence,
				p.version, p.originator, p.recipients, element(tagSequence, p.inner, p.algorithm, p.body), p.after)))
			var back bytes.Buffer
			_, err := Open(&back, bytes.NewReader(msg), OpenOptions{Keys: []Key{cast.insurer.own()}, Policy: c.policy})
			if !errors.Is(err, c.want) || c.want != nil && !errors.Is(err, ErrNotOpened) {
				t.Fatalf("%v, want %v", cause(err), c.want)
			}
			if c.want == nil && !bytes.Equal(back.Bytes(), plain) {
				t.Error("content differs")
			}
		})
	}
}

// emptyLabel is [2] { pSpecified, OCTET STRING of length 0 }.
const emptyLabel = "\xa2\x0f\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x09\x04\x00"
