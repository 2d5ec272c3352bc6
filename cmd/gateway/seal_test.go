package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"gateway301/crypto/keys"
	"gateway301/sample"
)

// A trustCentre is made once for the tests of this file; keys of 4096 bits take
// their time.
var trustCentre = sync.OnceValues(func() (c struct {
	pki               *sample.PKI
	hospital, insurer *sample.Identity
}, err error) {
	now := time.Now()
	if c.pki, err = sample.NewPKI(now, 0); err != nil {
		return c, err
	}
	var wg sync.WaitGroup
	var other error
	wg.Go(func() {
		c.insurer, other = c.pki.Issue("109910000", "Testkasse", now.AddDate(0, -1, 0), now.AddDate(0, 0, 20))
	})
	c.hospital, err = c.pki.Issue("260500005", "Testklinikum", now.AddDate(0, -1, 0), now.AddDate(1, 0, 0))
	wg.Wait()
	if err == nil {
		err = other
	}
	return c, err
})

// A desk is a folder with the files that the commands are tried on.
type desk struct {
	t   *testing.T
	dir string
}

func newDesk(t *testing.T) desk {
	t.Helper()
	c, err := trustCentre()
	if err != nil {
		t.Fatal(err)
	}
	d := desk{t, t.TempDir()}
	for name, id := range map[string]*sample.Identity{"hospital": c.hospital, "insurer": c.insurer} {
		key, err := id.KeyPEM()
		if err != nil {
			t.Fatal(err)
		}
		d.put(name+".key", key)
		d.put(name+".crt", id.CertPEM())
	}
	d.put("chain.pem", c.pki.Chain())
	d.put("plain", []byte("UNA:+,? 'UNB+UNOC:3+260500005+109910000'"))
	return d
}

func (d desk) at(name string) string { return filepath.Join(d.dir, name) }

func (d desk) put(name string, b []byte) {
	d.t.Helper()
	if err := os.WriteFile(d.at(name), b, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d desk) has(name string) bool {
	_, err := os.Stat(d.at(name))
	return err == nil
}

// gateway runs one command line in which @NAME is a file on the desk.
func (d desk) gateway(line string) (code int, out string) {
	d.t.Helper()
	args := strings.Fields(line)
	for i, a := range args {
		args[i] = strings.ReplaceAll(strings.ReplaceAll(a, "@", d.dir+"/"), "_", " ")
	}
	var b bytes.Buffer
	code = run(context.Background(), append([]string{"--lang", "en"}, args...), strings.NewReader(""), &b, &b)
	return code, b.String()
}

// must demands an exit code and pieces of what is printed.
func (d desk) must(code int, line string, pieces ...string) string {
	d.t.Helper()
	got, out := d.gateway(line)
	if got != code {
		d.t.Errorf("%s: exit code %d, not %d\n%s", line, got, code, out)
	}
	for _, p := range pieces {
		if !strings.Contains(out, p) {
			d.t.Errorf("%s: no %q in\n%s", line, p, out)
		}
	}
	return out
}

const (
	sealLine = "seal --key @hospital.key --cert @hospital.crt --to @insurer.crt @plain @sealed"
	openLine = "open --key @insurer.key --cert @insurer.crt --trust @chain.pem"
)

func TestSealAndOpenCommands(t *testing.T) {
	d := newDesk(t)
	d.must(0, sealLine, "sealed for IK 109910000")
	d.must(0, openLine+" @sealed @back", "signed by IK 260500005, 40 bytes")
	want, err := os.ReadFile(d.at("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(d.at("back")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	d.must(0, openLine+" --signer @hospital.crt @sealed @back2")
	d.must(1, openLine+" --signer @insurer.crt @sealed @none", "signed by somebody else")
	d.must(1, "open --key @hospital.key --cert @hospital.crt --trust @chain.pem @sealed @none", "sealed for other recipients")
	d.must(1, openLine+" --received 2020-01-01T00:00:00Z @sealed @none", "not yet valid")
	d.must(1, "seal --key @hospital.key --cert @insurer.crt --to @insurer.crt @plain @none", "does not belong", "insurer.crt")
	d.must(1, "seal --key @hospital.key --to @insurer.crt @plain @none", "name it with --cert")
	d.must(2, openLine+" --received yesterday @sealed @none", "2026-12-31T23:10:00+01:00")
	d.must(1, "open --key @insurer.key --cert @insurer.crt --trust @hospital.crt @sealed @none", "hospital.crt: no certificate of a CA")
	d.must(2, "seal --key @hospital.key --cert @hospital.crt --to @insurer.crt @plain @plain", "one file")
	d.must(2, "seal --profile zip --key @hospital.key --to @insurer.crt @plain @none")
	d.must(2, "open --key @insurer.key --cert @insurer.crt @sealed @none", "trust")
	d.must(2, "seal --key @hospital.key @plain @none", "to")

	// The old algorithms are written when they are asked for, and read likewise.
	d.must(0, strings.Replace(sealLine, "@sealed", "--legacy-pkcs1 agreed_until_2027 @old", 1))
	d.must(1, openLine+" @old @none", "not allowed by policy")
	d.must(0, openLine+" --allow-legacy @old @back3")
	d.must(0, "inspect @old", "RSAES-PKCS1-v1_5")

	sealed, err := os.ReadFile(d.at("sealed"))
	if err != nil {
		t.Fatal(err)
	}
	d.put("cut", sealed[:len(sealed)-1])
	d.put("more", append(bytes.Clone(sealed), 0))
	sealed[len(sealed)-40] ^= 1
	d.put("flipped", sealed)
	for _, name := range []string{"cut", "more", "flipped", "plain"} {
		d.must(1, openLine+" @"+name+" @none", "message cannot be opened")
	}
	if d.has("none") {
		t.Error("something appeared where nothing was verified")
	}
	entries, err := filepath.Glob(d.at(".*"))
	if err != nil || len(entries) > 0 {
		t.Errorf("left over: %q, %v", entries, err)
	}
	if err := os.Chmod(d.at("insurer.key"), 0o640); err != nil {
		t.Fatal(err)
	}
	d.must(1, openLine+" @sealed @none", "chmod 600")
}

func TestInspectCommand(t *testing.T) {
	d := newDesk(t)
	d.must(0, sealLine)
	d.must(0, "inspect @sealed", "EnvelopedData DER", "AES-256-CBC", "RSAES-OAEP SHA-256", "who signed stands inside")
	var s seen
	if err := json.Unmarshal([]byte(d.must(0, "inspect --json @sealed")), &s); err != nil || s.Form != "EnvelopedData" || len(s.Recipients) != 1 || s.Size == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	d.must(0, "inspect @chain.pem", "certificates", "Muster TrustCenter PCA", "RSA 4096")
	b, err := os.ReadFile(d.at("sealed"))
	if err != nil {
		t.Fatal(err)
	}
	d.put("cut", b[:900])
	d.must(1, "inspect @cut", "RSAES-OAEP SHA-256", "ends early")
	d.must(1, "inspect @plain", "EnvelopedData at byte")
	d.must(1, "inspect @missing", "no such file")
}

func TestOpenPGPCommands(t *testing.T) {
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		if os.Getenv("GATEWAY_PEERS") == "required" {
			t.Fatal("gpg is required: ", err)
		}
		t.Skip("gpg is not installed")
	}
	d := desk{t, t.TempDir()}
	home, err := os.MkdirTemp("", "gpg") // the agent's socket wants a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	export := func(name string, args ...string) {
		t.Helper()
		out, err := exec.Command(gpg, append([]string{"--homedir", home, "--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...).Output()
		if err != nil {
			t.Fatalf("gpg %v: %v", args, err)
		}
		if name != "" {
			d.put(name, out)
		}
	}
	for _, who := range []string{"hospital", "insurer"} {
		export("", "--quick-generate-key", who+"@example.org", "ed25519", "sign", "1y")
		list, err := exec.Command(gpg, "--homedir", home, "--batch", "--with-colons", "--list-keys", who+"@example.org").Output()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(list), "\nfpr:::::::::")
		fingerprint, _, _ := strings.Cut(rest, ":")
		export("", "--quick-add-key", fingerprint, "cv25519", "encr", "1y")
		export(who+".key", "--export-secret-keys", fingerprint)
		export(who+".pub", "--armor", "--export", fingerprint)
	}
	d.put("plain", []byte("hello"))
	d.must(0, "seal --profile pgp --key @hospital.key --to @insurer.pub @plain @sealed", "sealed for")
	d.must(0, "open --profile pgp --key @insurer.key --trust @hospital.pub @sealed @back", "signed by")
	d.must(1, "open --profile pgp --key @insurer.key --signer @insurer.pub @sealed @none", "cannot be opened", "no valid signature")
	d.must(2, "open --profile pgp --key @insurer.key @sealed @none", "whose signature")
	d.must(0, "inspect @sealed", "OpenPGP binary", "SEIPD v1", "ECDH")
	if d.has("none") || !d.has("back") {
		t.Error("the wrong files appeared")
	}
	for _, line := range []string{"rehearse --trust @hospital.pub", "import --ik 260500005 --trust @hospital.pub --to @"} {
		d.must(1, "key "+line+" --key @hospital.key", "it is an OpenPGP key")
	}
	export("", "--decrypt", d.at("sealed"))
}

func TestKeyRequestImportRehearse(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("GATEWAY_PEERS") == "required" {
			t.Fatal("openssl is required: ", err)
		}
		t.Skip("openssl is not installed")
	}
	d := newDesk(t)
	d.put("password", []byte("Geheim 1\n"))
	ask := "key request --ik 260500005 --institution Klinikum_Süd --contact Erika_Müller --trust-centre Muster_TrustCenter --new-password file:@password --to @"
	out := d.must(0, ask, "26050000.p10", "SHA-256 of the public key: ")
	if b, err := exec.Command(openssl, "req", "-verify", "-noout", "-inform", "DER", "-in", d.at("26050000.p10")).CombinedOutput(); err != nil || !strings.Contains(string(b), "verify OK") {
		t.Errorf("%v\n%s", err, b)
	}
	d.must(1, ask, "already exists")
	d.must(2, strings.Replace(ask, "260500005", "260500006", 1))
	made, err := filepath.Glob(d.at("260500005-*.key.pem"))
	if err != nil || len(made) != 1 {
		t.Fatalf("%q, %v", made, err)
	}
	private, err := os.ReadFile(made[0])
	if err != nil || !bytes.Contains(private, []byte("ENCRYPTED PRIVATE KEY")) {
		t.Errorf("the key is not encrypted: %v", err)
	}
	bundle, err := keys.ReadBundle(made[0], "Geheim 1")
	if err != nil || !strings.Contains(out, keys.PublicKeyHash(&bundle.Key.PublicKey)) {
		t.Errorf("another hash was printed: %v", err)
	}

	// A key and its certificate in one file, as some trust centres give them out.
	c, err := trustCentre()
	if err != nil {
		t.Fatal(err)
	}
	p12, err := pkcs12.Modern.WithRand(rand.Reader).Encode(c.hospital.Key, c.hospital.Certificate, nil, "Geheim 1")
	if err != nil {
		t.Fatal(err)
	}
	d.put("hospital.p12", p12)
	d.must(0, "key rehearse --ik 260500005 --key @hospital.p12 --key-password file:@password --trust @chain.pem --to @insurer.crt", "IK 260500005", "sealed and opened")
	d.must(1, "key rehearse --key @hospital.p12 --trust @chain.pem", "encrypted", "--key-password")
	d.must(1, "key rehearse --ik 260500016 --key @hospital.key --cert @hospital.crt --trust @chain.pem", "not IK 260500016")
	d.must(1, "key rehearse --key @insurer.key --cert @insurer.crt --trust @hospital.crt", "no certificate of a CA")
	imported := d.must(0, "key import --ik 260500005 --key @hospital.p12 --key-password file:@password --trust @chain.pem --to @", "identities:", "key-password: file:")
	d.must(1, "key import --ik 260500005 --key @hospital.p12 --key-password file:@password --trust @chain.pem --to @", "already exists")
	_, rest, _ := strings.Cut(imported, "key: file:")
	path, _, _ := strings.Cut(rest, "\n")
	if again, err := keys.ReadBundle(path, "Geheim 1"); err != nil || !again.Key.Equal(c.hospital.Key) {
		t.Errorf("%s: %v", path, err)
	}
}

func TestTrustlistCommands(t *testing.T) {
	d := newDesk(t)
	c, err := trustCentre()
	if err != nil {
		t.Fatal(err)
	}
	both := append(c.insurer.CertPEM(), c.hospital.CertPEM()...)
	d.put("first.key", append(c.insurer.CertPEM(), c.pki.Chain()...))
	d.put("second.key", append(both, c.pki.Chain()...))
	d.must(7, "trustlist diff --against @first.key @second.key", "added      260500005  Testklinikum", "1 added, 0 removed, 0 replaced")
	d.must(7, "trustlist diff --json --against @second.key @first.key", `"kind":"removed","ik":"260500005"`)
	d.must(0, "trustlist diff --against @first.key @first.key", "0 added")

	d.must(0, "trustlist import --to @list.pem --trust @chain.pem @first.key", "nothing changed")
	if d.has("list.pem") {
		t.Error("taken over without --activate")
	}
	d.must(0, "trustlist import --activate --to @list.pem --trust @chain.pem @first.key", "3 certificates taken over")
	d.must(0, "trustlist import --activate --to @list.pem --trust @chain.pem @second.key", "1 added", "4 certificates taken over")
	if certs, err := keys.ReadCertificates(d.at("list.pem")); err != nil || len(certs) != 4 {
		t.Errorf("%d certificates, %v", len(certs), err)
	}
	if certs, err := keys.ReadCertificates(d.at(".list.pem.previous")); err != nil || len(certs) != 3 {
		t.Errorf("before there were %d certificates, %v", len(certs), err)
	}

	// A list of another trust centre stays outside.
	other, err := sample.NewPKI(time.Now(), 2048)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.Issue("260500016", "Fremd", time.Now().AddDate(0, -1, 0), time.Now().AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	d.put("third.key", append(both, stranger.CertPEM()...))
	d.must(1, "trustlist import --activate --to @list.pem --trust @chain.pem @third.key", "IK 260500016", "1 certificates of the list cannot be believed")
	if certs, err := keys.ReadCertificates(d.at("list.pem")); err != nil || len(certs) != 4 {
		t.Errorf("%d certificates, %v", len(certs), err)
	}
}

func TestKeyListAndExpiring(t *testing.T) {
	d := newDesk(t)
	d.put("gateway.yaml", []byte(`
identities: [{ik: 260500005, name: Klinikum, key: "file:hospital.key", certificate: hospital.crt}]
trust: {roots: [chain.pem], certificates: [insurer.crt]}
outboxes: [{name: nord, path: outbox, owner: 260500005, mode: test}]
partners: [{name: kasse, ik: 109910000, folder: {put: put}, answers: never}]
routes:
  - {mode: test, recipients: [109910000], partner: kasse}
  - {mode: test, partner: kasse, encrypt-to: 260500016}
`))
	for _, folder := range []string{"outbox", "put"} {
		if err := os.Mkdir(d.at(folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.must(0, "key list -c @gateway.yaml", "own key", "260500005", "recipient", "109910000", "Testkasse", "no certificate", "Muster TrustCenter PCA")
	out := d.must(7, "key expiring -c @gateway.yaml", "recipient IK 109910000: ends on", "19 days left (stage 30)", "recipient IK 260500016: IK 260500016: no certificate")
	if strings.Contains(out, "own key") {
		t.Errorf("a fresh key is told of:\n%s", out)
	}
	line, _, _ := strings.Cut(d.must(7, "key expiring --json -c @gateway.yaml"), "\n")
	var s shownKey
	if err := json.Unmarshal([]byte(line), &s); err != nil || s.Stage != 30 || s.Use != useRecipient {
		t.Errorf("%s: %+v, %v", line, s, err)
	}
}
