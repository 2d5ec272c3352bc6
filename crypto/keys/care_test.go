package keys

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

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

func runs(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func written(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Keys that OpenSSL encrypts are read here, and the other way round.
func TestEncryptedKeys(t *testing.T) {
	openssl := peer(t, "openssl")
	key := pool().k[2]
	plain, err := MarshalKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	from := written(t, "plain.pem", plain)
	for _, how := range [][]string{
		{"-v2", "aes-256-cbc"}, {"-v2", "aes-192-cbc"}, {"-v2", "aes-128-cbc"},
		{"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"}, {"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA384"},
		{"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"}, {"-v2", "aes-256-cbc", "-iter", "100000"},
	} {
		to := filepath.Join(t.TempDir(), "sealed.pem")
		runs(t, openssl, append([]string{"pkcs8", "-topk8", "-in", from, "-out", to, "-passout", "pass:Geheim 1"}, how...)...)
		b, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		bundle, err := ParseBundle(b, "Geheim 1")
		if err != nil || !bundle.Key.Equal(key) {
			t.Errorf("%v: %v", how, err)
		}
		if _, err := ParseBundle(b, ""); !errors.Is(err, ErrEncrypted) {
			t.Errorf("%v without password: %v", how, err)
		}
		if _, err := ParseBundle(b, "geheim 1"); !errors.Is(err, ErrPassword) {
			t.Errorf("%v with a wrong password: %v", how, err)
		}
	}
	for _, how := range [][]string{{"-v2", "des3"}, {"-scrypt"}} {
		to := filepath.Join(t.TempDir(), "sealed.pem")
		runs(t, openssl, append([]string{"pkcs8", "-topk8", "-in", from, "-out", to, "-passout", "pass:a"}, how...)...)
		b, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseBundle(b, "a"); !errors.Is(err, ErrEncrypted) || !strings.Contains(err.Error(), "openssl pkcs8") {
			t.Errorf("%v: %v", how, err)
		}
	}

	ours, err := MarshalKey(key, "Geheim 1")
	if err != nil {
		t.Fatal(err)
	}
	back := runs(t, openssl, "pkey", "-in", written(t, "ours.pem", ours), "-passin", "pass:Geheim 1", "-outform", "PEM")
	if again, err := ParseKey([]byte(back)); err != nil || !again.Equal(key) {
		t.Errorf("OpenSSL gave back another key: %v", err)
	}
}

// A damaged encrypted key is an error, never a panic and never another key.
func TestDamagedEncryptedKey(t *testing.T) {
	key := pool().k[2]
	b, err := MarshalKey(key, "a")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	der := bytes.Replace(block.Bytes, []byte{0x02, 0x03, 0x09, 0x27, 0xc0}, []byte{0x02, 0x03, 0, 0, 1}, 1) // one round: fast
	if bytes.Equal(der, block.Bytes) {
		t.Fatal("the number of rounds stands elsewhere")
	}
	rounds := bytes.Index(der, []byte{0x02, 0x03, 0, 0, 1})
	for n := range 120 { // the parameters, then the key itself
		if n > rounds+1 && n < rounds+4 {
			continue // millions of rounds, allowed and slow
		}
		for _, flipped := range [][]byte{flip(der, n), der[:n]} {
			plain, err := decryptPKCS8(flipped, "a")
			if err != nil {
				continue
			}
			if k, err := x509.ParsePKCS8PrivateKey(plain); err == nil && key.Equal(k) {
				t.Errorf("byte %d changes nothing", n)
			}
		}
	}
	// Cleverly large numbers of rounds do not keep us busy.
	for _, rounds := range []string{"\x02\x04\x7f\xff\xff\xff", "\x02\x01\x00", "\x02\x01\xff", "\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"} {
		inner := "\x04\x08saltsalt" + rounds
		kdf := "\x06\x09" + idPBKDF2 + sequence(inner)
		scheme := "\x06\x09" + idAES256CBC + "\x04\x10" + strings.Repeat("i", 16)
		parameters := sequence("\x06\x09" + idPBES2 + sequence(sequence(kdf)+sequence(scheme)))
		if _, err := decryptPKCS8([]byte(sequence(parameters+"\x04\x10"+strings.Repeat("c", 16))), "a"); !errors.Is(err, ErrEncrypted) {
			t.Errorf("rounds %x: %v", rounds, err)
		}
	}
}

func sequence(body string) string { return "\x30" + string([]byte{byte(len(body))}) + body }

func flip(b []byte, at int) []byte {
	c := slices.Clone(b)
	c[at] ^= 0x55
	return c
}

func TestPKCS12(t *testing.T) {
	openssl := peer(t, "openssl")
	root, ca := centre(t)
	key := pool().k[2]
	cert := issued(t, ikSpec("260500005"), key, ca)
	plain, err := MarshalKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "a.p12")
	runs(t, openssl, "pkcs12", "-export", "-inkey", written(t, "k.pem", plain), "-in", written(t, "c.pem", MarshalCertificates(cert)),
		"-certfile", written(t, "ca.pem", MarshalCertificates(ca.Certificate, root.Certificate)), "-out", to, "-passout", "pass:Geheim")
	bundle, err := ReadBundle(to, "Geheim")
	if err != nil {
		t.Fatal(err)
	}
	own, err := bundle.Own()
	if err != nil || !own.Key.Equal(key) || !own.Certificate.Equal(cert) || len(bundle.Certificates) != 3 {
		t.Errorf("%d certificates, %v", len(bundle.Certificates), err)
	}
	if _, err := ReadBundle(to, ""); !errors.Is(err, ErrEncrypted) {
		t.Errorf("without password: %v", err)
	}
	if _, err := ReadBundle(to, "geheim"); !errors.Is(err, ErrPassword) {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := os.Chmod(to, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadBundle(to, "Geheim"); err == nil {
		t.Error("a key that others may read is taken")
	}
	b, err := pkcs12.Modern.Encode(key, cert, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(b); n += 7 {
		if bundle, err := ParseBundle(b[:n], ""); err == nil {
			t.Errorf("cut at %d: %v", n, bundle)
		}
	}
}

// The answer of a trust centre as OpenSSL writes it, in DER and PEM, and as
// others do, in indefinite form.
func TestCertificateCollection(t *testing.T) {
	openssl := peer(t, "openssl")
	root, ca := centre(t)
	cert := issued(t, ikSpec("260500005"), pool().k[2], ca)
	all := written(t, "all.pem", MarshalCertificates(cert, ca.Certificate, root.Certificate))
	for _, form := range []string{"DER", "PEM"} {
		to := filepath.Join(t.TempDir(), "answer.p7c")
		runs(t, openssl, "crl2pkcs7", "-nocrl", "-certfile", all, "-outform", form, "-out", to)
		certs, err := ReadCertificates(to)
		if err != nil || len(certs) != 3 || !slices.ContainsFunc(certs, cert.Equal) {
			t.Errorf("%s: %d certificates, %v", form, len(certs), err)
		}
	}
	ber := slices.Concat([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\x00\x00\xa0\x80"),
		cert.Raw, ca.Certificate.Raw, []byte("\x00\x00\x31\x00\x00\x00\x00\x00\x00\x00"))
	certs, err := ParseCertificates(ber)
	if err != nil || len(certs) != 2 {
		t.Fatalf("BER: %d certificates, %v", len(certs), err)
	}
	for n := range ber {
		if _, err := ParseCertificates(ber[:n]); err == nil {
			t.Errorf("cut at %d goes unnoticed", n)
		}
	}
	if _, err := ParseCertificates(append(slices.Clone(ber), 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a byte more: %v", err)
	}
}

// revoking makes a CRL.
func revoking(t testing.TB, by Own, at time.Time, certs ...*x509.Certificate) *x509.RevocationList {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.AddDate(0, 0, -1), NextUpdate: now.AddDate(0, 0, 6), SignatureAlgorithm: x509.SHA256WithRSAPSS}
	for _, c := range certs {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: at})
	}
	issuer := *by.Certificate // CreateRevocationList wants what the CAs of these tests leave out
	issuer.KeyUsage |= x509.KeyUsageCRLSign
	if len(issuer.SubjectKeyId) == 0 {
		issuer.SubjectKeyId = []byte{1}
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, &issuer, by.Key)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ParseCRLs(der)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func TestRevocation(t *testing.T) {
	k := pool().k
	spec := caSpec("Test PCA")
	spec.use |= x509.KeyUsageCRLSign
	root := Own{issued(t, spec, k[0], Own{}), k[0]}
	spec = caSpec("Test TrustCenter")
	spec.use |= x509.KeyUsageCRLSign
	ca := Own{issued(t, spec, k[1], root), k[1]}
	newer := Own{issued(t, spec, k[3], root), k[3]} // the same name, another key
	cert := issued(t, ikSpec("260500005"), k[2], ca)
	other := issued(t, ikSpec("260500016"), k[2], ca)
	revokedAt := now.Add(-time.Hour)
	roots, rest := []*x509.Certificate{root.Certificate}, []*x509.Certificate{ca.Certificate, newer.Certificate, cert, other}
	with := func(l ...*x509.RevocationList) *Directory { return directory(t, Options{CRLs: l}, roots, rest...) }

	for name, by := range map[string]Own{"its CA": ca, "the CA's next key": newer} {
		d := with(revoking(t, by, revokedAt, cert))
		_, err := d.ForIK("260500005", now)
		if !errors.Is(err, ErrRevoked) || !strings.Contains(err.Error(), "2026-11-20 21:15:00 UTC") {
			t.Errorf("by %s, to seal for: %v", name, err)
		}
		if err := d.VerifySigner(cert, nil, now); !errors.Is(err, ErrRevoked) {
			t.Errorf("by %s, to believe: %v", name, err)
		}
		if err := d.VerifySigner(cert, nil, revokedAt); !errors.Is(err, ErrRevoked) {
			t.Errorf("by %s, at that very moment: %v", name, err)
		}
		if err := d.VerifySigner(cert, nil, revokedAt.Add(-time.Second)); err != nil {
			t.Errorf("by %s, received before: %v", name, err)
		}
		if _, err := d.ForIK("260500016", now); err != nil {
			t.Errorf("another one: %v", err)
		}
	}

	// A newer certificate of the same IK takes the place of a revoked one.
	next := ikSpec("260500005")
	next.to = now.AddDate(0, 6, 0)
	spare := issued(t, next, k[2], ca)
	d := directory(t, Options{CRLs: []*x509.RevocationList{revoking(t, ca, revokedAt, cert)}}, roots, append(rest, spare)...)
	if c, err := d.ForIK("260500005", now); err != nil || !c.Equal(spare) {
		t.Errorf("the spare certificate: %v", err)
	}

	// A revoked CA takes all its participants along.
	d = with(revoking(t, root, revokedAt, ca.Certificate))
	if _, err := d.ForIK("260500016", now); !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("below a revoked CA: %v", err)
	}

	stranger := Own{issued(t, spec, k[4], Own{}), k[4]} // the right name, not pinned
	flipped := revoking(t, ca, revokedAt, cert)
	flipped.Signature = flip(flipped.Signature, 5)
	for name, l := range map[string]*x509.RevocationList{"of a stranger": revoking(t, stranger, revokedAt, cert), "flipped": flipped} {
		if _, err := NewDirectory(roots, rest, Options{MinBits: 2048, CRLs: []*x509.RevocationList{l}}); !errors.Is(err, ErrUntrusted) {
			t.Errorf("a CRL %s: %v", name, err)
		}
	}
	if _, err := NewDirectory(roots, append(rest, stranger.Certificate), Options{MinBits: 2048, CRLs: []*x509.RevocationList{revoking(t, stranger, revokedAt, cert)}}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a CRL of a known stranger: %v", err)
	}
}

func TestReadCRLs(t *testing.T) {
	openssl := peer(t, "openssl")
	k := pool().k
	spec := caSpec("Test TrustCenter")
	spec.use |= x509.KeyUsageCRLSign
	ca := Own{issued(t, spec, k[1], Own{}), k[1]}
	cert := issued(t, ikSpec("260500005"), k[2], ca)
	l := revoking(t, ca, now, cert)
	der := written(t, "a.crl", l.Raw)
	text := filepath.Join(t.TempDir(), "a.pem")
	runs(t, openssl, "crl", "-in", der, "-inform", "DER", "-out", text)
	for _, path := range []string{der, text} {
		lists, err := ReadCRLs(path)
		if err != nil || len(lists) != 1 || len(lists[0].RevokedCertificateEntries) != 1 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := ReadCRLs(written(t, "b", []byte("nothing"))); !errors.Is(err, ErrNoCRL) {
		t.Errorf("%v", err)
	}
	if _, err := ParseCRLs(l.Raw[:40]); !errors.Is(err, ErrMalformed) {
		t.Errorf("%v", err)
	}
}

func TestStages(t *testing.T) {
	end := time.Date(2026, 12, 31, 22, 59, 59, 0, time.UTC)
	for _, c := range []struct {
		before time.Duration
		want   Stage
	}{
		{100 * day, Fresh}, {90*day + time.Second, Fresh}, {90 * day, 90}, {30*day + time.Second, 90}, {30 * day, 30}, {14 * day, 14},
		{7*day + time.Second, 14}, {7 * day, 7}, {day + time.Second, 7}, {day, 1}, {0, 1}, {-time.Second, Expired}, {-400 * day, Expired},
	} {
		if got := StageAt(end, end.Add(-c.before)); got != c.want {
			t.Errorf("%v before: %d, not %d", c.before, got, c.want)
		}
	}
	// Told once for each stage, however rarely somebody looks.
	law := func(steps []uint16) bool {
		last, told, at := Fresh, 0, end.Add(-120*day)
		for _, s := range steps {
			at = at.Add(time.Duration(s) * time.Minute)
			if s := StageAt(end, at); s < last {
				last, told = s, told+1
			} else if s > last {
				return false
			}
		}
		return told <= len(Stages())+1
	}
	if err := quick.Check(law, nil); err != nil {
		t.Error(err)
	}
}

func TestDaysLeft(t *testing.T) {
	for left, want := range map[time.Duration]int{91 * day: 91, 6*day + time.Hour: 6, time.Hour: 0, -time.Hour: -1, -36 * time.Hour: -2} {
		if got := DaysLeft(now.Add(left), now); got != want {
			t.Errorf("%v: %d, not %d", left, got, want)
		}
	}
}

// OpenSSL takes the request, and finds in it what the trust centre asks for.
func TestRequest(t *testing.T) {
	openssl := peer(t, "openssl")
	key := pool().long
	der, err := NewRequest(key, Subject{TrustCentre: "Muster TrustCenter", Institution: "Klinikum Süd (Straße)", IK: "260500005", Contact: "Jörg Müller"})
	if err != nil {
		t.Fatal(err)
	}
	path := written(t, RequestName("260500005"), der)
	if filepath.Base(path) != "26050000.p10" {
		t.Errorf("the file is called %s", filepath.Base(path))
	}
	out := runs(t, openssl, "req", "-verify", "-noout", "-text", "-inform", "DER", "-in", path)
	for _, want := range []string{
		"verify OK", "C = DE, O = Muster TrustCenter, OU = Klinikum Sued (Strasse), OU = IK260500005, CN = Joerg Mueller",
		"Public-Key: (4096 bit)", "rsassaPss", "Salt Length: 0x20", "CA:FALSE",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(runs(t, openssl, "asn1parse", "-inform", "DER", "-in", path), "UTF8STRING") {
		t.Error("names are not PrintableString")
	}
	// The hash on the form, once more by hand: the bits of subjectPublicKey.
	pkix, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	bits := pkix[len(pkix)-len(x509.MarshalPKCS1PublicKey(&key.PublicKey)):]
	if sum := sha256.Sum256(bits); PublicKeyHash(&key.PublicKey) != hex.EncodeToString(sum[:]) {
		t.Error("the hash differs")
	}

	for name, s := range map[string]Subject{
		"no institution": {TrustCentre: "T", IK: "260500005", Contact: "C"},
		"long":           {TrustCentre: strings.Repeat("T", 65), Institution: "I", IK: "260500005", Contact: "C"},
		"unprintable":    {TrustCentre: "T", Institution: "I", IK: "260500005", Contact: "Zoë"},
		"line break":     {TrustCentre: "T", Institution: "I\nOU=IK109910000", IK: "260500005", Contact: "C"},
		"IK":             {TrustCentre: "T", Institution: "I", IK: "26050000", Contact: "C"},
		"IK of letters":  {TrustCentre: "T", Institution: "I", IK: "26050000A", Contact: "C"},
	} {
		if _, err := NewRequest(key, s); !errors.Is(err, ErrSubject) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewRequest(pool().k[0], Subject{}); !errors.Is(err, ErrRequestKey) {
		t.Errorf("a key of 2048 bits: %v", err)
	}
}

func TestDiff(t *testing.T) {
	root, ca := centre(t)
	k := pool().k
	make := func(ik string) *x509.Certificate { return issued(t, ikSpec(ik), k[2], ca) }
	gone, stays, before, after, fresh, second := make("260500005"), make("260500016"), make("260500027"), make("260500027"), make("260500038"), make("260500016")
	old := []*x509.Certificate{root.Certificate, gone, stays, before}
	new := []*x509.Certificate{stays, root.Certificate, after, fresh, second, ca.Certificate, fresh}
	var got []string
	for _, c := range Diff(old, new) {
		got = append(got, fmt.Sprintf("%s %s -%d +%d =%d", c.IK, c.Kind(), len(c.Old), len(c.New), c.Common))
	}
	want := []string{" added -0 +1 =0", "260500005 removed -1 +0 =0", "260500016 replaced -0 +1 =1", "260500027 replaced -1 +1 =0", "260500038 added -0 +1 =0"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nnot\n%q", got, want)
	}
	if c := Diff(nil, []*x509.Certificate{fresh}); len(c) != 1 || c[0].Name != "Testklinikum" {
		t.Errorf("%+v", c)
	}
	if c := Diff(new, new); len(c) != 0 {
		t.Errorf("a list differs from itself: %+v", c)
	}
}

// A trust list of 500 certificates is read, compared and searched.
func TestLargeList(t *testing.T) {
	root, ca := centre(t)
	key := pool().k[2]
	ik := func(n int) string { return fmt.Sprintf("26%07d", n) }
	var list []*x509.Certificate
	for n := range 500 {
		list = append(list, issued(t, ikSpec(ik(n)), key, ca))
	}
	text := trustList(list, "\r\n")
	start := time.Now()
	certs, err := ParseCertificates(text)
	if err != nil || len(certs) != 500 {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	read := time.Since(start)

	renewed := slices.Clone(certs[10:])
	renewed[0] = issued(t, ikSpec(ik(10)), key, ca)
	renewed = append(renewed, issued(t, ikSpec(ik(900)), key, ca))
	start = time.Now()
	count := map[Kind]int{}
	for _, c := range Diff(certs, renewed) {
		count[c.Kind()]++
	}
	compared := time.Since(start)
	if count[Removed] != 10 || count[Replaced] != 1 || count[Added] != 1 {
		t.Errorf("%v", count)
	}

	d := directory(t, Options{}, []*x509.Certificate{root.Certificate}, append(certs, ca.Certificate)...)
	start = time.Now()
	for n := range 500 {
		c, err := d.ForIK(ik(n), now)
		if err != nil || !slices.Equal(IKs(c), []string{ik(n)}) {
			t.Fatalf("%s: %v", ik(n), err)
		}
	}
	t.Logf("500 certificates (%d bytes): read in %v, compared with the next list in %v (%v), each found and its chain checked in %v", len(text), read, compared, count, time.Since(start))
}

func TestBundleOwn(t *testing.T) {
	_, ca := centre(t)
	k := pool().k
	old := ikSpec("260500005")
	old.to = now.AddDate(0, 1, 0)
	first, second := issued(t, old, k[2], ca), issued(t, ikSpec("260500005"), k[2], ca)
	own, err := Bundle{Key: k[2], Certificates: []*x509.Certificate{first}}.Own(ca.Certificate, second)
	if err != nil || !own.Certificate.Equal(second) {
		t.Errorf("not the one that ends last: %v", err)
	}
	if _, err := (Bundle{Key: k[3]}).Own(first, second); !errors.Is(err, ErrMismatch) {
		t.Errorf("%v", err)
	}
	var none *rsa.PrivateKey
	if b, err := ParseBundle([]byte("nothing"), ""); !errors.Is(err, ErrNoKey) || b.Key != none {
		t.Errorf("%v", err)
	}
}

// trustList writes certificates as the trust centres publish them.
func trustList(certs []*x509.Certificate, end string) []byte {
	var b bytes.Buffer
	for i, c := range certs {
		if i > 0 {
			b.WriteString(end)
		}
		for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(c.Raw)), 64) {
			b.Write(line)
			b.WriteString(end)
		}
	}
	return b.Bytes()
}
