package crypto_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gateway301/crypto/keys"
)

// now is the real time, because OpenSSL signs with it.
var now = time.Now().UTC().Truncate(time.Second)

// cast are the participants of these tests. Keys of 2048 bits keep them quick;
// the floor of 4096 is tested in crypto/keys.
type cast struct {
	root, ca  keys.Own
	hospital  keys.Own // 260500005
	insurer   keys.Own // 109910000
	expired   keys.Own // 260500016, until a week ago
	future    keys.Own // 260500027, from next week
	foreign   keys.Own // 260500038, of a trust centre that is not pinned
	onlySigns keys.Own // 260500049, digitalSignature alone
	onlyOpens keys.Own // the insurer's, keyEncipherment alone
	directory *keys.Directory
}

var everyone = sync.OnceValue(func() *cast {
	p := make([]*rsa.PrivateKey, 9)
	var wg sync.WaitGroup
	for i := range p {
		wg.Go(func() {
			var err error
			if p[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
				panic(err)
			}
		})
	}
	wg.Wait()
	const both = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	month, week := now.AddDate(0, -1, 0), 7*24*time.Hour
	c := &cast{}
	c.root = authority("Test PCA", p[0], nil)
	c.ca = authority("Test TrustCenter", p[1], &c.root)
	unknown := authority("Test TrustCenter", p[2], nil)
	c.hospital = participant(p[3], "Testklinikum", "260500005", month, now.AddDate(1, 0, 0), both, c.ca)
	c.insurer = participant(p[4], "Testkasse", "109910000", month, now.AddDate(1, 0, 0), both, c.ca)
	c.expired = participant(p[5], "Testklinik West", "260500016", month, now.Add(-week), both, c.ca)
	c.future = participant(p[6], "Testklinik Ost", "260500027", now.Add(week), now.AddDate(1, 0, 0), both, c.ca)
	c.foreign = participant(p[7], "Testklinik Nord", "260500038", month, now.AddDate(1, 0, 0), both, unknown)
	c.onlySigns = participant(p[8], "Testklinik Sued", "260500049", month, now.AddDate(1, 0, 0), x509.KeyUsageDigitalSignature, c.ca)
	c.onlyOpens = participant(p[4], "Testkasse", "109910000", month, now.AddDate(1, 0, 0), x509.KeyUsageKeyEncipherment, c.ca)
	var err error
	if c.directory, err = keys.NewDirectory([]*x509.Certificate{c.root.Certificate}, []*x509.Certificate{c.ca.Certificate, c.hospital.Certificate}, keys.Options{MinBits: 2048}); err != nil {
		panic(err)
	}
	return c
})

func authority(organisation string, key *rsa.PrivateKey, issuer *keys.Own) keys.Own {
	t := &x509.Certificate{
		Subject:   pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{attribute(6, "DE"), attribute(10, organisation)}},
		NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.AddDate(5, 0, 0),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	if issuer == nil {
		issuer = &keys.Own{Certificate: t, Key: key}
	}
	return issue(t, key, *issuer)
}

func participant(key *rsa.PrivateKey, institution, ik string, from, to time.Time, use x509.KeyUsage, issuer keys.Own) keys.Own {
	return issue(&x509.Certificate{
		Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
			attribute(6, "DE"), attribute(10, "Test TrustCenter"), attribute(11, institution), attribute(11, "IK"+ik), attribute(3, "Erika Muster"),
		}},
		NotBefore: from, NotAfter: to, KeyUsage: use, BasicConstraintsValid: true,
	}, key, issuer)
}

func attribute(n int, v string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, n}, Value: v}
}

func issue(t *x509.Certificate, key *rsa.PrivateKey, issuer keys.Own) keys.Own {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	if err != nil {
		panic(err)
	}
	t.SerialNumber = serial
	t.SignatureAlgorithm = x509.SHA256WithRSAPSS
	der, err := x509.CreateCertificate(rand.Reader, t, issuer.Certificate, &key.PublicKey, issuer.Key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return keys.Own{Certificate: c, Key: key}
}

// peer returns the path of a program that plays the other side.
func peer(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("GATEWAY_PEERS") == "required" {
			t.Fatalf("%s is required: %v", name, err)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// files writes key, certificate and chain for OpenSSL and returns a function
// that completes their names.
func files(t testing.TB, people map[string]keys.Own, chain ...*x509.Certificate) func(string) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, blocks ...*pem.Block) {
		t.Helper()
		var b []byte
		for _, block := range blocks {
			b = append(b, pem.EncodeToMemory(block)...)
		}
		if err := os.WriteFile(at(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range people {
		der, err := x509.MarshalPKCS8PrivateKey(p.Key)
		if err != nil {
			t.Fatal(err)
		}
		write(name+".key", &pem.Block{Type: "PRIVATE KEY", Bytes: der})
		write(name+".crt", &pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate.Raw})
	}
	var blocks []*pem.Block
	for _, c := range chain {
		blocks = append(blocks, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	write("chain.pem", blocks...)
	return at
}

// run runs a program and shows what it printed if it fails.
func run(t testing.TB, program string, args ...string) {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
		t.Fatal(err)
	}
}
