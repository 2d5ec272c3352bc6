package channeltest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A Key is a freshly made SSH key.
type Key struct {
	Signer ssh.Signer
	PEM    []byte // the private key as ssh-keygen writes it
}

// Line is the public key as it stands in authorized_keys, without line end.
func (k Key) Line() string {
	line := ssh.MarshalAuthorizedKey(k.Signer.PublicKey())
	return string(line[:len(line)-1])
}

// NewKey makes an Ed25519 key.
func NewKey(t testing.TB) Key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(t, private)
}

// RSAKey returns the one 2048-bit RSA key of this test binary.
func RSAKey(t testing.TB) Key {
	t.Helper()
	private, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return wrap(t, private)
}

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) {
	return rsa.GenerateKey(rand.Reader, 2048)
})

func wrap(t testing.TB, private crypto.PrivateKey) Key {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return Key{Signer: signer, PEM: pem.EncodeToMemory(block)}
}
