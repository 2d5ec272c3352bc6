package crypto_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gateway301/crypto"
	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
)

// The legacy profile needs a reason and ends at its date.
func TestLegacy(t *testing.T) {
	c := everyone()
	for name, l := range map[string]*crypto.Legacy{
		"no reason": {Until: now.AddDate(1, 0, 0)}, "over": {Reason: "old reader", Until: now}, "no end": {Reason: "old reader"},
	} {
		var out bytes.Buffer
		_, err := crypto.SealAs(&out, bytes.NewReader([]byte("hello")), 5, crypto.Sealing{
			Signer: c.hospital, Recipients: []*x509.Certificate{c.insurer.Certificate}, At: now, Legacy: l})
		if !errors.Is(err, crypto.ErrLegacy) || !crypto.IsKeyFault(err) || out.Len() > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A signer who has an exception gets it until its end, and nobody else does.
func TestExceptions(t *testing.T) {
	c := everyone()
	var out bytes.Buffer
	if _, err := crypto.SealAs(&out, bytes.NewReader([]byte("hello")), 5, crypto.Sealing{
		Signer: c.hospital, Recipients: []*x509.Certificate{c.insurer.Certificate}, At: now,
		Legacy: &crypto.Legacy{Reason: "old reader", Until: now.Add(time.Second)},
	}); err != nil {
		t.Fatal(err)
	}
	old := cms.Policy{PKCS1KeyTransport: true, PKCS1Signature: true}
	for _, e := range []struct {
		name string
		crypto.Exception
		want error
	}{
		{"the signer's", crypto.Exception{IK: "260500005", Policy: old, Until: now.Add(time.Second)}, nil},
		{"over", crypto.Exception{IK: "260500005", Policy: old, Until: now}, cms.ErrPolicy},
		{"half", crypto.Exception{IK: "260500005", Policy: cms.Policy{PKCS1Signature: true}, Until: now.Add(time.Second)}, cms.ErrPolicy},
		{"somebody else's", crypto.Exception{IK: "260500016", Policy: old, Until: now.Add(time.Second)}, cms.ErrPolicy},
	} {
		o := options()
		o.Exceptions = []crypto.Exception{e.Exception}
		dst := filepath.Join(t.TempDir(), "in")
		opened, err := crypto.OpenFile(dst, bytes.NewReader(out.Bytes()), o)
		if !errors.Is(err, e.want) || (err == nil) != (e.want == nil) || err != nil && !errors.Is(err, crypto.ErrNotOpened) {
			t.Errorf("%s: %v", e.name, reason(err))
		}
		if err == nil && opened.Used != old {
			t.Errorf("%s: %+v", e.name, opened)
		}
		if _, missing := os.Stat(dst); errors.Is(missing, os.ErrNotExist) != (err != nil) {
			t.Errorf("%s: %v, and the file: %v", e.name, err, missing)
		}
	}
}

// Whether a sealed file may still go out is seen at its head.
func TestSealedFor(t *testing.T) {
	c := everyone()
	msg := sealed(t, pattern(100_000), c.hospital, now, c.insurer.Certificate)
	for cert, want := range map[*x509.Certificate]bool{c.insurer.Certificate: true, c.onlyOpens.Certificate: false, c.hospital.Certificate: false} {
		if got, err := crypto.SealedFor(bytes.NewReader(msg[:3000]), cert); err != nil || got != want {
			t.Errorf("%v: %v, %v", keys.IKs(cert), got, err)
		}
	}
	if _, err := crypto.SealedFor(bytes.NewReader(msg[:100]), c.insurer.Certificate); !errors.Is(err, cms.ErrTruncated) {
		t.Errorf("%v", err)
	}
}

// An answer sealed on the evening of 31 December, when all certificates end,
// opens on 1 January with the old key, because the receipt counts; one that
// arrives on 1 January does not.
func TestLastNightOfTheYear(t *testing.T) {
	c := everyone()
	eve := time.Date(now.Year(), 12, 31, 22, 58, 0, 0, time.UTC)
	end := time.Date(now.Year(), 12, 31, 22, 59, 59, 0, time.UTC) // midnight in Berlin
	use := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	insurer := participant(c.insurer.Key, "Testkasse", "109910000", eve.AddDate(-1, 0, 0), end, use, c.ca)
	oldKey := participant(c.hospital.Key, "Testklinikum", "260500005", eve.AddDate(-1, 0, 0), end, use, c.ca)
	newKey := participant(c.future.Key, "Testklinikum", "260500005", eve.AddDate(0, -1, 0), end.AddDate(1, 0, 0), use, c.ca)
	answer := sealed(t, []byte("answer"), insurer, eve, oldKey.Certificate)
	o := options()
	o.Own = []keys.Own{newKey, oldKey}
	for _, at := range []struct {
		received time.Time
		want     error
	}{
		{eve.Add(30 * time.Second), nil},
		{end, nil},
		{end.Add(time.Second), keys.ErrExpired},
		{eve.Add(-time.Hour), crypto.ErrSigningTime},
	} {
		o.ReceivedAt = at.received
		dst := filepath.Join(t.TempDir(), "in")
		if _, err := crypto.OpenFile(dst, bytes.NewReader(answer), o); !errors.Is(err, at.want) || (err == nil) != (at.want == nil) {
			t.Errorf("received %v: %v", at.received, reason(err))
		}
	}
	if _, err := crypto.Seal(&bytes.Buffer{}, bytes.NewReader(nil), 0, newKey, []*x509.Certificate{insurer.Certificate}, end.Add(time.Second)); !errors.Is(err, keys.ErrExpired) {
		t.Errorf("sealed for a certificate of last year: %v", err)
	}
}

// Who asks for one signer gets no file of another, however good it is.
func TestSigners(t *testing.T) {
	c := everyone()
	msg := sealed(t, []byte("hello"), c.hospital, now, c.insurer.Certificate)
	for name, s := range map[string]struct {
		signers []*x509.Certificate
		want    error
	}{
		"anybody":       {nil, nil},
		"the right one": {[]*x509.Certificate{c.onlySigns.Certificate, c.hospital.Certificate}, nil},
		"another":       {[]*x509.Certificate{c.onlySigns.Certificate}, crypto.ErrOtherSigner},
	} {
		o := options()
		o.Signers = s.signers
		dst := filepath.Join(t.TempDir(), "in")
		_, err := crypto.OpenFile(dst, bytes.NewReader(msg), o)
		if !errors.Is(err, s.want) || (err == nil) != (s.want == nil) {
			t.Errorf("%s: %v", name, reason(err))
		}
		if s.want != nil {
			onlyFile(t, dst)
			if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: the file is there", name)
			}
		}
	}
}
