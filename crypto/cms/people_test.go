package cms_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"gateway301/crypto/cms"
)

// A person has a key and a self-signed certificate: this package does not ask
// whom to trust.
type person struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

func (p person) signer() cms.Signer { return cms.Signer{Certificate: p.cert, Key: p.key} }
func (p person) own() cms.Key       { return cms.Key{Certificate: p.cert, Key: p.key} }

var epoch = time.Date(2026, 11, 20, 22, 15, 0, 0, time.UTC)

// everyone is the cast of these tests, made once per test binary.
var everyone = sync.OnceValue(func() (cast struct{ hospital, insurer, other person }) {
	var wg sync.WaitGroup
	wg.Go(func() { cast.hospital = newPerson("Testklinikum", 0x0a1001) })
	wg.Go(func() { cast.insurer = newPerson("Testkasse", 0xf1001) })
	wg.Go(func() { cast.other = newPerson("Testklinik Nord", 0x0a1003) })
	wg.Wait()
	return cast
})

func newPerson(name string, serial int64) person {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	t := &x509.Certificate{
		SerialNumber:       big.NewInt(serial),
		Subject:            pkix.Name{Country: []string{"DE"}, Organization: []string{"Test TrustCenter"}, CommonName: name},
		NotBefore:          epoch.AddDate(0, -1, 0),
		NotAfter:           epoch.AddDate(1, 0, 0),
		SignatureAlgorithm: x509.SHA256WithRSAPSS,
		KeyUsage:           x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return person{cert, key}
}

// pattern returns n bytes that differ from place to place.
func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(2463534242)
	for i := range p {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		p[i] = byte(x)
	}
	return p
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
