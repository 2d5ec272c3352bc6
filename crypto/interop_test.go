package crypto_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gateway301/crypto"
	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
)

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

// interopSizes are an empty file, the edges of the AES block and of lengths,
// and a file of several MiB.
var interopSizes = []int{0, 1, 15, 16, 17, 65535, 65536, 5_000_001}

// A way is one direction of exchange with OpenSSL and one encoding.
type way struct {
	name   string
	least  int // bytes
	policy cms.Policy
	seal   func(t *testing.T, at func(string) string, plain []byte)
	open   func(t *testing.T, at func(string) string, o crypto.OpenOptions)
}

// TestOpenSSL prints the matrix of what goes both ways, byte for byte.
func TestOpenSSL(t *testing.T) {
	openssl := peer(t, "openssl")
	c := everyone()

	weSeal := func(known bool, legacy *crypto.Legacy) func(*testing.T, func(string) string, []byte) {
		return func(t *testing.T, at func(string) string, plain []byte) {
			size := int64(-1)
			if known {
				size = int64(len(plain))
			}
			var out bytes.Buffer
			if _, err := crypto.SealAs(&out, bytes.NewReader(plain), size, crypto.Sealing{Signer: c.hospital, Recipients: []*x509.Certificate{c.insurer.Certificate}, At: now, Legacy: legacy}); err != nil {
				t.Fatal(err)
			}
			write(t, at("sealed"), out.Bytes())
		}
	}
	theySeal := func(sign, encrypt []string) func(*testing.T, func(string) string, []byte) {
		return func(t *testing.T, at func(string) string, _ []byte) {
			run(t, openssl, append([]string{"cms", "-sign", "-in", at("plain"), "-binary", "-nodetach", "-signer", at("hospital.crt"),
				"-inkey", at("hospital.key"), "-md", "sha256", "-outform", "DER", "-out", at("signed")}, sign...)...)
			run(t, openssl, append([]string{"cms", "-encrypt", "-in", at("signed"), "-binary", "-aes-256-cbc", "-outform", "DER",
				"-out", at("sealed"), "-recip", at("insurer.crt")}, encrypt...)...)
		}
	}
	theyOpen := func(t *testing.T, at func(string) string, _ crypto.OpenOptions) {
		run(t, openssl, "cms", "-decrypt", "-inform", "DER", "-in", at("sealed"), "-inkey", at("insurer.key"), "-recip", at("insurer.crt"), "-binary", "-out", at("signed"))
		run(t, openssl, "cms", "-verify", "-inform", "DER", "-in", at("signed"), "-CAfile", at("chain.pem"), "-purpose", "any", "-binary", "-out", at("back"))
	}
	weOpen := func(t *testing.T, at func(string) string, o crypto.OpenOptions) {
		f, err := os.Open(at("sealed"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := crypto.OpenFile(at("back"), f, o); err != nil {
			t.Fatal(reason(err))
		}
	}
	pss := []string{"-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"}
	oaep := []string{"-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", "-keyopt", "rsa_mgf1_md:sha256"}
	with := func(a []string, b ...string) []string { return append(append([]string{}, b...), a...) }
	old := &crypto.Legacy{Reason: "reads no PSS", Until: now.Add(time.Second)}
	ways := []way{
		{"we seal DER", 0, cms.Policy{}, weSeal(true, nil), theyOpen},
		{"we seal BER", 0, cms.Policy{}, weSeal(false, nil), theyOpen},
		{"we seal legacy", 0, cms.Policy{}, weSeal(true, old), theyOpen},
		{"they seal DER", 0, cms.Policy{}, theySeal(pss, oaep), weOpen},
		{"they seal BER", 0, cms.Policy{}, theySeal(pss, with(oaep, "-stream")), weOpen},
		{"no attributes", 0, cms.Policy{}, theySeal(with(pss, "-noattr"), oaep), weOpen},
		{"no certificate", 0, cms.Policy{}, theySeal(with(pss, "-nocerts"), oaep), weOpen},
		{"PKCS#1, DER", 0, cms.Policy{PKCS1Signature: true, PKCS1KeyTransport: true}, theySeal(nil, nil), weOpen},
		// OpenSSL 3.0 cannot stream a signature over an empty file.
		{"PKCS#1, BER", 1, cms.Policy{PKCS1Signature: true, PKCS1KeyTransport: true}, theySeal([]string{"-stream"}, []string{"-stream"}), weOpen},
	}

	matrix := make([][]string, len(interopSizes))
	for i, n := range interopSizes {
		matrix[i] = make([]string, len(ways))
		plain := pattern(n)
		for j, w := range ways {
			if n < w.least {
				matrix[i][j] = "-"
				continue
			}
			matrix[i][j] = "failed"
			t.Run(fmt.Sprintf("%s/%d", w.name, n), func(t *testing.T) {
				at := files(t, map[string]keys.Own{"hospital": c.hospital, "insurer": c.insurer}, c.ca.Certificate, c.root.Certificate)
				write(t, at("plain"), plain)
				w.seal(t, at, plain)
				o := crypto.OpenOptions{Own: []keys.Own{c.expired, c.insurer}, Directory: c.directory, ReceivedAt: now, Policy: w.policy}
				w.open(t, at, o)
				back, err := os.ReadFile(at("back"))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(back, plain) {
					t.Fatalf("%d bytes came back, not the %d that went", len(back), n)
				}
				matrix[i][j] = "same"
			})
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%9s", "bytes")
	for _, w := range ways {
		fmt.Fprintf(&table, "  %-14s", w.name)
	}
	for i, n := range interopSizes {
		fmt.Fprintf(&table, "\n%9d", n)
		for j := range ways {
			fmt.Fprintf(&table, "  %-14s", matrix[i][j])
		}
	}
	t.Logf("exchange with OpenSSL:\n%s", &table)
}

func write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
