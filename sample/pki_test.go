package sample_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gateway301/sample"
)

func TestPKI(t *testing.T) {
	now := time.Date(2026, 11, 20, 22, 15, 0, 0, time.UTC)
	p, err := sample.NewPKI(now, 2048)
	if err != nil {
		t.Fatal(err)
	}
	id, err := p.Issue("260500005", "Testklinikum", now.AddDate(0, -1, 0), now.AddDate(0, 11, 0))
	if err != nil {
		t.Fatal(err)
	}

	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(p.Root())
	between.AddCert(p.CA())
	if _, err := id.Certificate.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
	for _, c := range []*x509.Certificate{p.Root(), p.CA(), id.Certificate} {
		if c.SignatureAlgorithm != x509.SHA256WithRSAPSS {
			t.Errorf("%s is signed with %v", c.Subject, c.SignatureAlgorithm)
		}
	}
	want := "CN=Erika Muster,OU=IK260500005,OU=Testklinikum,O=Muster TrustCenter fuer Krankenhaeuser und Leistungserbringer,C=DE"
	var subject pkix.RDNSequence
	if _, err := asn1.Unmarshal(id.Certificate.RawSubject, &subject); err != nil {
		t.Fatal(err)
	}
	if got := subject.String(); got != want {
		t.Errorf("subject %s\nwant    %s", got, want)
	}
	if !bytes.Equal(p.CA().RawSubject, id.Certificate.RawIssuer) {
		t.Error("issuer is not the CA's subject byte for byte")
	}
	der, err := id.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(der)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || !id.Key.Equal(key) {
		t.Errorf("private key does not survive PEM: %v", err)
	}
}

// OpenSSL has to accept the chain file, and name the salt length.
func TestPKIForOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("GATEWAY_PEERS") == "required" {
			t.Fatal("openssl is required: ", err)
		}
		t.Skip("openssl is not installed")
	}
	now := time.Now()
	p, err := sample.NewPKI(now, 2048)
	if err != nil {
		t.Fatal(err)
	}
	id, err := p.Issue("109910000", "Testkasse", now.Add(-time.Hour), now.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	chain, cert := filepath.Join(dir, "chain.pem"), filepath.Join(dir, "cert.pem")
	if err := os.WriteFile(chain, p.Chain(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, id.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(openssl, "verify", "-x509_strict", "-CAfile", chain, cert).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	out, err := exec.Command(openssl, "x509", "-in", cert, "-noout", "-text").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"rsassaPss", "Salt Length: 0x20", "Key Encipherment", "Digital Signature", "OU = IK109910000, CN = Erika Muster"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("openssl does not show %q in\n%s", want, out)
		}
	}
}
