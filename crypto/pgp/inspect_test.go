package pgp

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
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

// FuzzOpen: whatever arrives, what is believed is what was sealed, and
// everything else is the uniform error.
func FuzzOpen(f *testing.F) {
	c := everyone()
	plain := []byte("hello, world")
	f.Add(seal(f, plain, c.hospital, c.insurer))
	f.Add(seal(f, plain, c.hospital, c.aead))
	o := OpenOptions{Own: []Key{c.insurer, c.aead}, Signers: []Key{public(f, c.hospital)}, ReceivedAt: now}
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
