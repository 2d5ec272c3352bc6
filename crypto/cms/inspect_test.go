package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"testing/iotest"
)

func TestInspect(t *testing.T) {
	p := everyone()
	plain := pattern(200_000)
	for _, known := range []bool{true, false} {
		msg := seal(t, plain, known, p.insurer.cert, p.hospital.cert)
		s, err := Inspect(iotest.HalfReader(bytes.NewReader(msg)))
		if err != nil {
			t.Fatal(err)
		}
		if s.Layer != Enveloped || s.Indefinite == known || s.Size != int64(len(msg)) || s.Content != "AES-256-CBC" || s.Signer != nil ||
			(s.Pieces == 1) != known || s.Payload <= int64(len(plain)) {
			t.Errorf("known size %v: %+v", known, s)
		}
		for _, c := range []*x509.Certificate{p.insurer.cert, p.hospital.cert} {
			if !slices.ContainsFunc(s.Recipients, func(r RecipientID) bool {
				return r.Names(c) && r.Method == "RSAES-OAEP SHA-256" && r.Issuer == c.Issuer.String()
			}) {
				t.Errorf("%v is not among %+v", c.Issuer, s.Recipients)
			}
		}
		// The head alone is enough for the recipients, and not for all.
		head := msg[:2000]
		if r, err := Recipients(bytes.NewReader(head)); err != nil || len(r) != 2 {
			t.Errorf("%d recipients, %v", len(r), err)
		}
		if s, err := Inspect(bytes.NewReader(head)); !errors.Is(err, ErrTruncated) || len(s.Recipients) != 2 {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

func TestInspectSigned(t *testing.T) {
	p := everyone()
	f := newForgery(t, []byte("hello"), crypto.SHA256)
	f.pss(t, 32)
	s, err := Inspect(bytes.NewReader(f.bytes(t, []byte("hello"))))
	if err != nil {
		t.Fatal(err)
	}
	if s.Layer != Signed || s.Payload != 5 || s.Digest != "SHA-256" || s.Signature != "RSASSA-PSS SHA-256 salt 32" ||
		s.Signer == nil || !s.Signer.Names(p.hospital.cert) || len(s.Certificates) != 1 || s.SigningTime.IsZero() {
		t.Errorf("%+v", s)
	}
	if _, err := Recipients(bytes.NewReader(f.bytes(t, nil))); !errors.Is(err, ErrProfile) {
		t.Errorf("%v", err)
	}
}

// A broken or strange file never makes Inspect panic or say more than it read.
func TestInspectFlips(t *testing.T) {
	msg := seal(t, pattern(100), true, everyone().insurer.cert)
	for at := range msg {
		b := slices.Clone(msg)
		b[at] ^= 0xff
		if s, err := Inspect(bytes.NewReader(b)); err == nil && s.Size != int64(len(b)) {
			t.Errorf("flip at %d: %+v", at, s)
		}
		if _, err := Inspect(bytes.NewReader(msg[:at])); !errors.Is(err, ErrTruncated) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
}

// What is sealed in the legacy profile opens only where the policy says so, and
// then says what it needed.
func TestLegacyProfile(t *testing.T) {
	p := everyone()
	var out bytes.Buffer
	if _, err := Seal(&out, bytes.NewReader([]byte("hello")), 5, SealOptions{
		Signer: p.hospital.signer(), Recipients: []*x509.Certificate{p.insurer.cert}, SigningTime: epoch, Profile: LegacyPKCS1,
	}); err != nil {
		t.Fatal(err)
	}
	s, err := Inspect(bytes.NewReader(out.Bytes()))
	if err != nil || s.Recipients[0].Method != "RSAES-PKCS1-v1_5" || s.Indefinite {
		t.Errorf("%+v, %v", s, err)
	}
	both := Policy{PKCS1KeyTransport: true, PKCS1Signature: true}
	for _, policy := range []Policy{{}, {PKCS1KeyTransport: true}, {PKCS1Signature: true}, {OtherHashes: true}, both} {
		var back bytes.Buffer
		m, err := Open(&back, bytes.NewReader(out.Bytes()), OpenOptions{Keys: []Key{p.insurer.own()}, Policy: policy})
		switch {
		case policy != both:
			if !errors.Is(err, ErrPolicy) || !errors.Is(err, ErrNotOpened) {
				t.Errorf("%+v: %v", policy, err)
			}
		case err != nil || back.String() != "hello" || m.Used != both:
			t.Errorf("%q, %+v, %v", &back, m, cause(err))
		}
	}
	if SECON.String() != "secon" || LegacyPKCS1.String() != "legacy-pkcs1" {
		t.Error("the profiles have other names in settings")
	}
	if !both.Allows(Policy{PKCS1Signature: true}) || (Policy{}).Allows(Policy{OtherHashes: true}) || (Policy{PKCS1Signature: true}).Widen(Policy{PKCS1KeyTransport: true}) != both {
		t.Error("policies compare wrongly")
	}
}
