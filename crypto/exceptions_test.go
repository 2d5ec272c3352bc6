package crypto_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"gateway301/crypto"
	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
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
func TestOutdated(t *testing.T) {
	c := everyone()
	msg := sealed(t, pattern(100_000), c.hospital, now, c.insurer.Certificate)
	pgpMessage, pgpNow := inOpenPGP(t)
	for name, o := range map[string]struct {
		head []byte
		now  crypto.Sealing
		want string
	}{
		"as it was":              {msg[:3000], crypto.Sealing{Recipients: []*x509.Certificate{c.insurer.Certificate}}, ""},
		"with a copy for us":     {msg[:3000], crypto.Sealing{Recipients: []*x509.Certificate{c.insurer.Certificate, c.hospital.Certificate}}, ""},
		"replaced":               {msg[:3000], crypto.Sealing{Recipients: []*x509.Certificate{c.onlyOpens.Certificate, c.insurer.Certificate}}, "replaced"},
		"another profile":        {msg[:3000], crypto.Sealing{Recipients: []*x509.Certificate{c.insurer.Certificate}, Legacy: &crypto.Legacy{}}, "profile secon"},
		"nothing of it left":     {nil, crypto.Sealing{Recipients: []*x509.Certificate{c.insurer.Certificate}}, "not in CMS"},
		"OpenPGP since":          {msg[:3000], pgpNow(0), "not in OpenPGP"},
		"CMS since":              {pgpMessage, crypto.Sealing{Recipients: []*x509.Certificate{c.insurer.Certificate}}, "not in CMS"},
		"OpenPGP as it was":      {pgpMessage[:150], pgpNow(0), ""},
		"another key in OpenPGP": {pgpMessage[:150], pgpNow(1), "replaced"},
	} {
		why, err := o.now.Outdated(bytes.NewReader(o.head))
		if err != nil || (why == "") != (o.want == "") || !strings.Contains(why, o.want) {
			t.Errorf("%s: %q, %v", name, why, err)
		}
	}
	fault := errors.New("the disk failed")
	if _, err := (crypto.Sealing{Recipients: []*x509.Certificate{c.insurer.Certificate}}).Outdated(iotest.ErrReader(fault)); !errors.Is(err, fault) {
		t.Errorf("%v", err)
	}
}

// inOpenPGP returns a message and how it would be sealed now: for the same key, or
// for another.
func inOpenPGP(t *testing.T) (msg []byte, again func(to int) crypto.Sealing) {
	t.Helper()
	var k [3]pgp.Key
	for i, lifetime := range []uint32{0, 30 * 24 * 3600, 0} {
		cfg := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: lifetime, Time: func() time.Time { return now.AddDate(0, 0, -1) }}
		e, err := openpgp.NewEntity("Testkasse", "", "", cfg)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := e.SerializePrivateWithoutSigning(&b, nil); err != nil {
			t.Fatal(err)
		}
		found, err := pgp.ParseKeys(b.Bytes(), "")
		if err != nil {
			t.Fatal(err)
		}
		k[i] = found[0]
	}
	again = func(to int) crypto.Sealing {
		return crypto.Sealing{At: now, OpenPGP: &pgp.SealOptions{Signer: k[2], Recipients: []pgp.Recipient{{Key: k[to]}}}}
	}
	var out bytes.Buffer
	sealed, err := crypto.SealAs(&out, strings.NewReader("hello"), 5, again(0))
	if err != nil || sealed.PlainSize != 5 || sealed.SealedSize != int64(out.Len()) || sealed.PlainSHA256 != sha256.Sum256([]byte("hello")) {
		t.Fatalf("%+v, %v", sealed, err)
	}
	if _, err := crypto.SealAs(io.Discard, strings.NewReader("hello"), 4, again(0)); !errors.Is(err, crypto.ErrSize) {
		t.Errorf("another size: %v", err)
	}
	if end := again(0).NotAfter(); !end.IsZero() {
		t.Errorf("ends %v", end)
	}
	if end, want := again(1).NotAfter(), now.AddDate(0, 0, 29); !end.Equal(want) {
		t.Errorf("ends %v, not %v", end, want)
	}
	// It opens, and who signed is the one whose key it was agreed to be.
	dst := filepath.Join(t.TempDir(), "back")
	o := crypto.OpenOptions{ReceivedAt: now, OpenPGP: &crypto.OpenPGP{Own: []pgp.Key{k[1], k[0]}, Signers: []crypto.Speaker{{Key: k[2], IK: "260500005"}, {Key: k[2], IK: "260500016"}}}}
	opened, err := crypto.OpenFile(dst, bytes.NewReader(out.Bytes()), o)
	if err != nil || !slices.Equal(opened.SignerIKs, []string{"260500005", "260500016"}) || opened.Size != 5 {
		t.Errorf("%+v, %v", opened, err)
	}
	o.OpenPGP.Signers = []crypto.Speaker{{Key: k[1], IK: "260500005"}}
	if _, err := crypto.OpenFile(dst, bytes.NewReader(out.Bytes()), o); !crypto.Refused(err) {
		t.Errorf("another signer: %v", err)
	}
	return out.Bytes(), again
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
