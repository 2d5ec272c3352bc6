package cms

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"time"
)

// A person has a key and a self-signed certificate: this package does not ask
// whom to trust.
type person struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

func (p person) signer() Signer { return Signer{Certificate: p.cert, Key: p.key} }
func (p person) own() Key       { return Key{Certificate: p.cert, Key: p.key} }

var epoch = time.Date(2026, 11, 20, 22, 15, 0, 0, time.UTC)

// everyone is the cast of these tests, made once per test binary. The keys are
// the same in every run, because the processes of a fuzz run have to share
// their messages; they are worth nothing to anybody. The insurer's is short,
// because some tests open thousands of messages with it.
var everyone = sync.OnceValue(func() (cast struct{ hospital, insurer, other person }) {
	var wg sync.WaitGroup
	wg.Go(func() { cast.hospital = newPerson("Testklinikum", 0x0a1001, 2048) })
	wg.Go(func() { cast.insurer = newPerson("Testkasse", 0xf1001, 1024) })
	wg.Go(func() { cast.other = newPerson("Testklinik Nord", 0x0a1003, 2048) })
	wg.Wait()
	return cast
})

func newPerson(name string, serial int64, bits int) person {
	key := repeatableKey(uint64(serial), bits)
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

// repeatableKey derives an RSA key from a seed.
func repeatableKey(seed uint64, bits int) *rsa.PrivateKey {
	src := mathrand.New(mathrand.NewPCG(seed, 301))
	const e = 65537
	one := big.NewInt(1)
	prime := func() (p, phi *big.Int) {
		for {
			b := make([]byte, bits/16)
			for i := range b {
				b[i] = byte(src.Uint32())
			}
			b[0] |= 0xc0
			b[len(b)-1] |= 1
			p = new(big.Int).SetBytes(b)
			phi = new(big.Int).Sub(p, one)
			if p.ProbablyPrime(20) && new(big.Int).GCD(nil, nil, phi, big.NewInt(e)).Cmp(one) == 0 {
				return p, phi
			}
		}
	}
	p, phiP := prime()
	q, phiQ := prime()
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: e},
		D:         new(big.Int).ModInverse(big.NewInt(e), new(big.Int).Mul(phiP, phiQ)),
		Primes:    []*big.Int{p, q},
	}
	if err := key.Validate(); err != nil {
		panic(err)
	}
	key.Precompute()
	return key
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

// cause digs out what the uniform error hides.
func cause(err error) error {
	if e, ok := errors.AsType[*OpenError](err); ok {
		return e.Cause
	}
	return err
}

// seal makes a message of the profile from the hospital to the insurer, or to
// others.
func seal(t testing.TB, plain []byte, known bool, to ...*x509.Certificate) []byte {
	t.Helper()
	out, err := sealed(plain, known, to...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
