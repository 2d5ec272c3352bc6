package main

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"software.sslmate.com/src/go-pkcs12"

	"gateway301/config"
	"gateway301/crypto"
	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
	"gateway301/exchange"
	"gateway301/pipeline"
	"gateway301/sample"
)

// What the YAML says of keys and trust reaches whoever seals and opens.
func TestRingFollowsTheConfiguration(t *testing.T) {
	d := newDesk(t)
	c, err := trustCentre()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GATEWAY_TEST_KEY_PASSWORD", "Geheim 1")
	p12, err := pkcs12.Modern.WithRand(rand.Reader).Encode(c.hospital.Key, c.hospital.Certificate, nil, "Geheim 1")
	if err != nil {
		t.Fatal(err)
	}
	d.put("hospital.p12", p12)
	locked, err := keys.MarshalKey(c.hospital.Key, "Geheim 1")
	if err != nil {
		t.Fatal(err)
	}
	d.put("locked.key", locked)
	for _, folder := range []string{"outbox", "put"} {
		if err := os.Mkdir(d.at(folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tomorrow := time.Now().AddDate(0, 0, 2).Format(time.DateOnly)
	text := `
identities:
  - ik: 260500005
    key: file:hospital.p12
    key-password: env:GATEWAY_TEST_KEY_PASSWORD
    also: [{key: "file:locked.key", key-password: env:GATEWAY_TEST_KEY_PASSWORD, certificate: hospital.crt}]
    own-copy: true
trust:
  roots: [chain.pem]
  certificates: [insurer.crt]
  exceptions:
    - {ik: 260500027, certificate: insurer.crt}
    - {ik: 109910000, write: legacy-pkcs1, read: [pkcs1-signature], reason: reads no PSS, until: ` + tomorrow + `}
outboxes: [{name: nord, path: outbox, owner: 260500005, mode: test}]
partners: [{name: kasse, ik: 109910000, folder: {put: put}, answers: never}]
routes: [{mode: test, partner: kasse}]
`
	ring := func(text string) (*ring, error) {
		t.Helper()
		d.put("gateway.yaml", []byte(text))
		file, problems, err := config.Load(d.at("gateway.yaml"))
		if err := errors.Join(err, problems.Err()); err != nil {
			t.Fatal(err)
		}
		return newRing(file)
	}
	r, err := ring(text)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if len(r.own["260500005"]) != 2 || len(r.all) != 2 {
		t.Errorf("%d keys", len(r.all))
	}
	s, err := r.Sealing("kasse", "260500005", "260500027", now)
	if err != nil || len(s.Recipients) != 2 || !s.Recipients[0].Equal(c.insurer.Certificate) || !s.Recipients[1].Equal(c.hospital.Certificate) || s.Legacy != nil {
		t.Errorf("by override, with a copy for us: %+v, %v", s.Legacy, err)
	}
	if s, err = r.Sealing("kasse", "260500005", "109910000", now); err != nil || s.Legacy == nil || s.Legacy.Reason != "reads no PSS" {
		t.Fatalf("legacy: %+v, %v", s.Legacy, err)
	}
	var sealed bytes.Buffer
	if _, err := crypto.SealAs(&sealed, strings.NewReader("hello"), 5, s); err != nil {
		t.Fatal(err)
	}
	if m, err := cms.Inspect(&sealed); err != nil || len(m.Recipients) != 2 || m.Recipients[0].Method != "RSAES-PKCS1-v1_5" {
		t.Errorf("%+v, %v", m, err)
	}
	s.At = now.AddDate(0, 0, 3)
	if _, err := crypto.SealAs(&sealed, strings.NewReader("hello"), 5, s); !errors.Is(err, crypto.ErrLegacy) {
		t.Errorf("legacy after its end: %v", err)
	}
	if o := r.Opening("kasse", now); len(o.Exceptions) != 1 || !o.Exceptions[0].Policy.PKCS1Signature || o.Exceptions[0].Policy.OtherHashes || o.Exceptions[0].IK != "109910000" {
		t.Errorf("%+v", o.Exceptions)
	}

	// What cannot be read stops us, with the place.
	for name, change := range map[string][3]string{
		"wrong password":  {"{key: \"file:locked.key\", key-password: env:GATEWAY_TEST_KEY_PASSWORD", "{key: \"file:locked.key\", key-password: env:HOME", "wrong password"},
		"no password":     {"    key-password: env:GATEWAY_TEST_KEY_PASSWORD\n", "", "encrypted"},
		"two to override": {"certificate: insurer.crt}\n    - {ik", "certificate: chain.pem}\n    - {ik", "holds 2 certificates"},
		"no CRL":          {"  certificates: [insurer.crt]", "  certificates: [insurer.crt]\n  crls: [chain.pem]", "no certificate revocation list"},
	} {
		if _, err := ring(strings.Replace(text, change[0], change[1], 1)); err == nil || !strings.Contains(err.Error(), change[2]) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// What the CRL names neither seals nor is sealed for.
	for revoked, id := range map[string]*sample.Identity{"IK 109910000: ": c.insurer, "own key: IK 260500005: ": c.hospital} {
		der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour), SignatureAlgorithm: x509.SHA256WithRSAPSS,
			RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: id.Certificate.SerialNumber, RevocationTime: now.Add(-time.Minute)}},
		}, c.pki.CA(), c.pki.CAKey())
		if err != nil {
			t.Fatal(err)
		}
		d.put("ca.crl", der)
		r, err = ring(strings.Replace(text, "  certificates: [insurer.crt]", "  certificates: [insurer.crt]\n  crls: [ca.crl]", 1))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Sealing("kasse", "260500005", "109910000", now)
		if !errors.Is(err, keys.ErrRevoked) || !crypto.IsKeyFault(err) || !strings.HasPrefix(err.Error(), revoked) {
			t.Errorf("revoked: %v", err)
		}
		if _, err := r.Sealing("kasse", "260500005", "109910000", now.Add(-time.Hour)); err != nil {
			t.Errorf("before it was revoked: %v", err)
		}
	}
}

// Of several own OpenPGP keys the youngest that is valid signs, and all open; a
// partner's keys are believed for the IKs in its row, and nobody else's.
func TestRingOpenPGP(t *testing.T) {
	now := time.Now()
	key := func(made time.Time, lifetime uint32) pgp.Key {
		t.Helper()
		e, err := openpgp.NewEntity("Klinikum", "", "", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: lifetime,
			AEADConfig: &packet.AEADConfig{}, Time: func() time.Time { return made }})
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
		return found[0]
	}
	old, young, over := key(now.AddDate(-1, 0, 0), 0), key(now.AddDate(0, -1, 0), 0), key(now.AddDate(0, 0, -2), 3600)
	next := key(now.AddDate(0, 0, 1), 0) // made on a machine whose clock is ahead
	theirs, others := key(now.AddDate(0, -1, 0), 0), key(now.AddDate(0, -1, 0), 0)
	r := &ring{
		pgpOwn: map[string][]pgp.Key{"260500005": {old, over, young, next}, "260500016": {over}},
		pgp: map[string][]pgpKey{"verbund": {
			{crypto.Speaker{Key: theirs, IK: "260500038"}, true}, {crypto.Speaker{Key: over, IK: "260500049"}, false}, {crypto.Speaker{Key: others, IK: "260500027"}, false}}},
		copies: map[string]bool{"260500005": true},
	}
	s, err := r.Sealing("verbund", "260500005", "260500038", now)
	if err != nil {
		t.Fatal(err)
	}
	o := s.OpenPGP
	if o.Signer.Fingerprint() != young.Fingerprint() || len(o.Recipients) != 2 || o.Recipients[0].Key.Fingerprint() != theirs.Fingerprint() ||
		!o.Recipients[0].SEIPDv2 || o.Recipients[1].Key.Fingerprint() != young.Fingerprint() {
		t.Errorf("signed by %s for %d", o.Signer.Fingerprint(), len(o.Recipients))
	}
	for _, c := range []struct {
		signer, recipient string
		want              error
	}{
		{"260500027", "260500038", pipeline.ErrNoKey}, {"260500016", "260500038", pgp.ErrKey},
		{"260500005", "260500049", pgp.ErrKey}, {"260500005", "109910000", keys.ErrNone},
	} {
		if _, err := r.Sealing("verbund", c.signer, c.recipient, now); !errors.Is(err, c.want) {
			t.Errorf("%s for %s: %v, not %v", c.signer, c.recipient, err, c.want)
		}
	}
	var sealed bytes.Buffer
	if _, err := crypto.SealAs(&sealed, strings.NewReader("hello"), 5, crypto.Sealing{At: now, OpenPGP: &pgp.SealOptions{Signer: theirs, Recipients: []pgp.Recipient{{Key: old}}}}); err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(t.TempDir(), "back")
	opened, err := crypto.OpenFile(dst, bytes.NewReader(sealed.Bytes()), r.Opening("verbund", now))
	if err != nil || !slices.Equal(opened.SignerIKs, []string{"260500038"}) {
		t.Errorf("to an old key: %v, %v", opened.SignerIKs, err)
	}
	r.pgp["nachbar"] = []pgpKey{{crypto.Speaker{Key: others, IK: "260500027"}, false}}
	if _, err := crypto.OpenFile(dst, bytes.NewReader(sealed.Bytes()), r.Opening("nachbar", now)); !crypto.Refused(err) {
		t.Errorf("signed with another partner's key: %v", err)
	}
}

// What ends soon and has no successor is told with its stage: own keys, those of
// recipients, and OpenPGP keys.
func TestEndings(t *testing.T) {
	c, err := trustCentre()
	if err != nil {
		t.Fatal(err)
	}
	d, err := keys.NewDirectory([]*x509.Certificate{c.pki.Root()}, []*x509.Certificate{c.pki.CA(), c.insurer.Certificate}, keys.Options{})
	if err != nil {
		t.Fatal(err)
	}
	end := c.insurer.Certificate.NotAfter
	mine, later := *c.hospital.Certificate, *c.hospital.Certificate
	mine.NotAfter, later.NotAfter = end, end.AddDate(1, 0, 0)
	r := &ring{own: map[string][]keys.Own{"260500005": {{Certificate: &mine}}}, directory: d}
	file := &config.File{TimeZone: time.UTC, Identities: []config.Identity{{IK: "260500005", Name: "Klinikum Nord"}},
		Partners: []config.Partner{{Partner: exchange.Partner{Name: "kasse"}}, {Partner: exchange.Partner{Name: "verbund"}, PGP: []config.PGPKey{{}}}},
		Routes:   []exchange.Route{{Partner: "kasse", EncryptTo: "109910000"}, {Partner: "verbund", EncryptTo: "260500038"}}}
	stages := func(now time.Time) (got []string) {
		for _, n := range r.endings(file)(now) {
			if strings.HasPrefix(n.Subject, useCA) {
				continue
			}
			got = append(got, fmt.Sprintf("%s %d", strings.Join(strings.Fields(n.Subject)[:2], " "), n.Stage))
			if !strings.Contains(n.Text, end.Format(time.DateOnly)) {
				t.Errorf("%q does not say when", n.Text)
			}
		}
		return got
	}
	if got := stages(end.AddDate(0, 0, -91)); len(got) > 0 {
		t.Errorf("91 days before: %q", got)
	}
	if got, want := stages(end.AddDate(0, 0, -13)), []string{"own 260500005 14", "recipient 109910000 14"}; !slices.Equal(got, want) {
		t.Errorf("13 days before: %q, not %q", got, want)
	}
	if got, want := stages(end.Add(2*time.Second)), []string{"own 260500005 0", "recipient 109910000 0"}; !slices.Equal(got, want) {
		t.Errorf("after it: %q, not %q", got, want)
	}
	r.own["260500005"] = append(r.own["260500005"], keys.Own{Certificate: &later})
	if got, want := stages(end.AddDate(0, 0, -13)), []string{"recipient 109910000 14"}; !slices.Equal(got, want) {
		t.Errorf("with a successor: %q, not %q", got, want)
	}
}
