package pgp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func TestInspect(t *testing.T) {
	c := everyone()
	msg := seal(t, pattern(100_000), c.hospital, c.rsa, c.insurer)
	s, err := Inspect(bytes.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	var methods []string
	for _, r := range s.Recipients {
		methods = append(methods, r.Method)
	}
	if !slices.Equal(methods, []string{"RSA", "ECDH"}) || s.Integrity != 1 || s.Armoured || s.Passwords != 0 || s.Size != int64(len(msg)) || len(s.Signers) != 0 {
		t.Errorf("%+v", s)
	}
	var armoured bytes.Buffer
	w, err := armor.Encode(&armoured, messageType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(msg); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := Inspect(&armoured); err != nil || !s.Armoured || len(s.Recipients) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	for name, in := range map[string]string{"nothing": "", "text": "hello, world", "a key": string(armouredKey(t)), "armour cut": "-----BEGIN PGP MESSAGE-----"} {
		if s, err := Inspect(strings.NewReader(in)); !errors.Is(err, ErrNoMessage) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func armouredKey(t *testing.T) []byte { return armoured(t, everyone().hospital, false) }

// fuzzKeys are the fingerprints of the first two keys of FuzzOpen.
const fuzzKeys = "6E317653A584E4C2A54A3955565BCEE54DA2514C2C8B89E7F7F883A72302C495727ACD5C427CAC5D"

// FuzzOpen: whatever arrives, what is believed is what was sealed, and
// everything else is the uniform error.
func FuzzOpen(f *testing.F) {
	// The processes of a fuzz run share their messages, so they need the same keys.
	made := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	person := func(name string, adjust func(*packet.Config)) Key {
		cfg := config(made)
		cfg.Algorithm, cfg.Rand = packet.PubKeyAlgoEdDSA, rand.NewChaCha8(sha256.Sum256([]byte(name)))
		adjust(cfg)
		e, err := openpgp.NewEntity(name, "", "", cfg)
		if err != nil {
			f.Fatal(err)
		}
		return Key{e}
	}
	hospital := person("Testklinikum", func(*packet.Config) {})
	insurer := person("Testkasse", func(*packet.Config) {})
	aead := person("Testkasse Neu", func(c *packet.Config) { c.AEADConfig = &packet.AEADConfig{} })
	if got := hospital.Fingerprint() + insurer.Fingerprint(); got != fuzzKeys {
		f.Fatalf("other keys than in the last run: %s", got)
	}
	plain := []byte("hello, world")
	o := OpenOptions{Own: []Key{insurer, aead}, Signers: []Key{public(f, hospital)}, ReceivedAt: made.AddDate(0, 1, 0)}
	for _, to := range []Recipient{{Key: insurer}, {Key: aead}, {Key: aead, SEIPDv2: true}} {
		var msg bytes.Buffer
		if _, err := Seal(&msg, bytes.NewReader(plain), SealOptions{Signer: hospital, Recipients: []Recipient{to}, At: made.AddDate(0, 0, 1)}); err != nil {
			f.Fatal(err)
		}
		if _, err := Open(io.Discard, bytes.NewReader(msg.Bytes()), o); err != nil {
			f.Fatal(cause(err))
		}
		f.Add(msg.Bytes())
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var back bytes.Buffer
		_, err := Open(&back, bytes.NewReader(msg), o)
		if err == nil && !bytes.Equal(back.Bytes(), plain) {
			t.Fatalf("believed %x", back.Bytes())
		}
		if err != nil && !errors.Is(err, ErrNotOpened) {
			t.Fatalf("%v is not ErrNotOpened", err)
		}
		if _, err := Inspect(bytes.NewReader(msg)); err != nil && !errors.Is(err, ErrNoMessage) {
			t.Fatalf("%v is not ErrNoMessage", err)
		}
	})
}
