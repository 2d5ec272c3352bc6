package crypto

import (
	"bytes"
	stdcrypto "crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/smallstep/pkcs7"

	"gateway301/crypto"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
	"gateway301/sample"
)

const (
	largeSize  = 256 << 20
	smallSize  = 20_000
	smallFiles = 2000
	turns      = 3
)

// A row is one comparison: ours against theirs, and the ratio aimed at.
type row struct {
	name, against string
	goal          float64
	ours, theirs  time.Duration
}

// BenchmarkTable prints the table. Both sides of a row take turns, and the best
// turn of each counts, so that a busy machine spoils no ratio.
func BenchmarkTable(b *testing.B) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		b.Skip("openssl is not installed")
	}
	dir := b.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	me, them, chain := identities(b, at)
	plain := pattern(largeSize)
	write(b, at("plain"), plain)
	directory, err := keys.NewDirectory([]*x509.Certificate{chain.Root()}, []*x509.Certificate{chain.CA()}, keys.Options{})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	seal := func() {
		file(b, at("plain"), at("sealed"), func(w io.Writer, r io.Reader) error {
			_, err := crypto.Seal(w, r, largeSize, me, []*x509.Certificate{them.Certificate}, now)
			return err
		})
	}
	open := func() {
		f, err := os.Open(at("sealed"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		if _, err := crypto.OpenFile(at("back"), f, crypto.OpenOptions{Own: []keys.Own{them}, Directory: directory, ReceivedAt: time.Now()}); err != nil {
			b.Fatal(crypto.Cause(err))
		}
	}
	copied := func() {
		file(b, at("plain"), at("theirs"), func(w io.Writer, r io.Reader) error {
			_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 128<<10))
			return err
		})
	}
	rows := []*row{
		compare(b, "seal 256 MiB", "SHA-256, AES-256-CBC, copy alone", 0, seal, func() time.Duration {
			start := cpu(b)
			sha256.Sum256(plain)
			cbc(b, plain)
			copied()
			return cpu(b) - start
		}),
		compare(b, "seal 256 MiB", "openssl cms -sign | -encrypt", 1.0, seal, func() time.Duration {
			return piped(b,
				exec.Command(openssl, "cms", "-sign", "-stream", "-in", at("plain"), "-binary", "-nodetach", "-signer", at("me.crt"), "-inkey", at("me.key"), "-md", "sha256", "-outform", "DER"),
				exec.Command(openssl, "cms", "-encrypt", "-stream", "-binary", "-aes-256-cbc", "-outform", "DER", "-out", at("theirs"), "-recip", at("them.crt")))
		}),
		compare(b, "seal 256 MiB", "smallstep/pkcs7, all in memory", 0.45, seal, func() time.Duration {
			start := cpu(b)
			whole(b, at("plain"), at("theirs"), me, them)
			return cpu(b) - start
		}),
		compare(b, "open 256 MiB", "openssl cms -decrypt | -verify", 0.30, open, func() time.Duration {
			return piped(b,
				exec.Command(openssl, "cms", "-decrypt", "-inform", "DER", "-in", at("sealed"), "-inkey", at("them.key"), "-recip", at("them.crt"), "-binary"),
				exec.Command(openssl, "cms", "-verify", "-inform", "DER", "-CAfile", at("chain.pem"), "-purpose", "any", "-binary", "-out", at("theirs")))
		}),
	}
	limit := rows[0].theirs.Seconds() / rows[2].theirs.Seconds()
	rows = append(rows, openPGP(b, at)...)
	var table strings.Builder
	fmt.Fprintf(&table, "%-24s %-34s %10s %10s %7s %6s\n", "", "against", "ours", "theirs", "ratio", "goal")
	for _, r := range rows {
		goal := "     -"
		if r.goal > 0 {
			goal = fmt.Sprintf("%6.2f", r.goal)
		}
		fmt.Fprintf(&table, "%-24s %-34s %8.0fms %8.0fms %7.2f %s\n", r.name, r.against, ms(r.ours), ms(r.theirs), r.ours.Seconds()/r.theirs.Seconds(), goal)
		b.ReportMetric(r.ours.Seconds()/r.theirs.Seconds(), strings.Fields(r.name)[0]+"/"+strings.Fields(r.against)[0])
	}
	fmt.Fprintf(&table, "SHA-256, AES-256-CBC and copying alone are %.2f of smallstep/pkcs7: nothing that signs and encrypts can be below.\n", limit)
	fmt.Fprintf(&table, "SHA instructions: %s; %s, %d cores\n", shaInstructions(), runtime.Version(), runtime.GOMAXPROCS(0))
	fmt.Print("\n", table.String())
	if shaInstructions() == shaUsed {
		withoutSHA(b)
	}
}

// withoutSHA prints the table of a processor without SHA instructions.
func withoutSHA(b *testing.B) {
	again := exec.Command(os.Args[0], "-test.run", "^$", "-test.bench", "Table", "-test.benchtime", "1x")
	again.Env = append(os.Environ(), "GODEBUG=cpu.sha=off", "OPENSSL_ia32cap=:~0x20000000")
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	if err := again.Run(); err != nil {
		b.Fatal(err)
	}
}

// cbc encrypts in place, in pieces that stay in the cache.
func cbc(b *testing.B, p []byte) {
	b.Helper()
	c, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	m := cipher.NewCBCEncrypter(c, make([]byte, aes.BlockSize))
	buf := make([]byte, 128<<10)
	for range len(p) / len(buf) {
		m.CryptBlocks(buf, buf)
	}
}

// BenchmarkSmallFiles prints how many small files are sealed in a second.
func BenchmarkSmallFiles(b *testing.B) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		b.Skip("openssl is not installed")
	}
	dir := b.TempDir()
	me, them, _ := identities(b, func(name string) string { return filepath.Join(dir, name) })
	fmt.Print("\n", small(b, openssl, me, them))
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// compare lets both take turns.
func compare(b *testing.B, name, against string, goal float64, ours func(), theirs func() time.Duration) *row {
	b.Helper()
	r := &row{name: name, against: against, goal: goal, ours: 1 << 62, theirs: 1 << 62}
	for range turns {
		start := cpu(b)
		ours()
		r.ours = min(r.ours, cpu(b)-start)
		r.theirs = min(r.theirs, theirs())
	}
	return r
}

// small seals many small files, one goroutine per core, and compares the rate
// with that of bare signatures in the same run.
func small(b *testing.B, openssl string, me, them keys.Own) string {
	plain := pattern(smallSize)
	digest := sha256.Sum256(plain)
	now := time.Now()
	rate := func(n int, op func() error) float64 {
		var wg sync.WaitGroup
		var left atomic.Int64
		left.Store(int64(n))
		start := cpu(b)
		for range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					if err := op(); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		return float64(n) / (cpu(b) - start).Seconds() // for each second of one core
	}
	bare := func() error {
		_, err := rsa.SignPSS(rand.Reader, me.Key, stdcrypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
		return err
	}
	full := func() error {
		_, err := crypto.Seal(io.Discard, bytes.NewReader(plain), smallSize, me, []*x509.Certificate{them.Certificate}, now)
		return err
	}
	var signs, seals float64
	for range 4 { // in quarters, by turns
		signs = max(signs, rate(smallFiles/4, bare))
		seals = max(seals, rate(smallFiles/4, full))
	}
	b.ReportMetric(seals/signs, "small/sign")
	out, err := exec.Command(openssl, "speed", "-seconds", "2", "rsa4096").Output()
	if err != nil {
		b.Fatal(err)
	}
	m := regexp.MustCompile(`rsa 4096 bits\s+\S+\s+\S+\s+([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		b.Fatalf("%s", out)
	}
	return fmt.Sprintf("seal %d files of 20 KB: %.1f per second of a core; bare rsa.SignPSS %.1f (ratio %.2f, goal at least 0.85); openssl speed rsa4096 %s\n",
		smallFiles, seals, signs, seals/signs, m[1])
}

// openPGP compares crypto/pgp with the library it stands on.
func openPGP(b *testing.B, at func(string) string) []*row {
	now := time.Now()
	cfg := &packet.Config{DefaultHash: stdcrypto.SHA256, DefaultCipher: packet.CipherAES256, Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return now }}
	entity := func(name string) (*openpgp.Entity, pgp.Key) {
		e, err := openpgp.NewEntity(name, "", "", cfg)
		if err != nil {
			b.Fatal(err)
		}
		var text bytes.Buffer
		w, err := armor.Encode(&text, openpgp.PrivateKeyType, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := e.SerializePrivateWithoutSigning(w, nil); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		k, err := pgp.ParseKeys(text.Bytes(), "")
		if err != nil {
			b.Fatal(err)
		}
		return e, k[0]
	}
	meEntity, me := entity("Testklinikum")
	themEntity, them := entity("Testkasse")
	timed := func(op func()) func() time.Duration {
		return func() time.Duration {
			start := cpu(b)
			op()
			return cpu(b) - start
		}
	}
	seal := func() {
		file(b, at("plain"), at("pgp"), func(w io.Writer, r io.Reader) error {
			_, err := pgp.Seal(w, r, pgp.SealOptions{Signer: me, Recipients: []pgp.Recipient{{Key: them}}, At: now})
			return err
		})
	}
	open := func() {
		file(b, at("pgp"), at("back"), func(w io.Writer, r io.Reader) error {
			_, err := pgp.Open(w, r, pgp.OpenOptions{Own: []pgp.Key{them}, Signers: []pgp.Key{me}, ReceivedAt: now.Add(time.Minute)})
			return err
		})
	}
	return []*row{
		compare(b, "OpenPGP seal 256 MiB", "go-crypto alone", 1.1, seal, timed(func() {
			file(b, at("plain"), at("theirs"), func(w io.Writer, r io.Reader) error {
				p, err := openpgp.Encrypt(w, []*openpgp.Entity{themEntity}, nil, []*openpgp.Entity{meEntity}, nil, cfg)
				if err != nil {
					return err
				}
				if _, err := io.Copy(p, r); err != nil {
					return err
				}
				return p.Close()
			})
		})),
		compare(b, "OpenPGP open 256 MiB", "go-crypto alone", 1.1, open, timed(func() {
			file(b, at("pgp"), at("back"), func(w io.Writer, r io.Reader) error {
				m, err := openpgp.ReadMessage(r, openpgp.EntityList{meEntity, themEntity}, nil, cfg)
				if err != nil {
					return err
				}
				_, err = io.Copy(w, m.UnverifiedBody)
				return err
			})
		})),
	}
}

// whole does what the usual module does: everything in memory.
func whole(b *testing.B, from, to string, me, them keys.Own) {
	b.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		b.Fatal(err)
	}
	sd, err := pkcs7.NewSignedData(content)
	if err != nil {
		b.Fatal(err)
	}
	sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := sd.AddSigner(me.Certificate, me.Key, pkcs7.SignerInfoConfig{}); err != nil {
		b.Fatal(err)
	}
	signed, err := sd.Finish()
	if err != nil {
		b.Fatal(err)
	}
	pkcs7.ContentEncryptionAlgorithm = pkcs7.EncryptionAlgorithmAES256CBC
	sealed, err := pkcs7.Encrypt(signed, []*x509.Certificate{them.Certificate})
	if err != nil {
		b.Fatal(err)
	}
	write(b, to, sealed)
}

func file(b *testing.B, from, to string, work func(io.Writer, io.Reader) error) {
	b.Helper()
	src, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	defer dst.Close()
	if err := work(dst, src); err != nil {
		b.Fatal(err)
	}
}

func identities(b *testing.B, at func(string) string) (me, them keys.Own, pki *sample.PKI) {
	b.Helper()
	now := time.Now()
	pki, err := sample.NewPKI(now, 0)
	if err != nil {
		b.Fatal(err)
	}
	write(b, at("chain.pem"), pki.Chain())
	issue := func(name, ik string) keys.Own {
		id, err := pki.Issue(ik, name, now.AddDate(0, -1, 0), now.AddDate(1, 0, 0))
		if err != nil {
			b.Fatal(err)
		}
		key, err := id.KeyPEM()
		if err != nil {
			b.Fatal(err)
		}
		write(b, at(name+".key"), key)
		write(b, at(name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate.Raw}))
		return keys.Own{Certificate: id.Certificate, Key: id.Key}
	}
	return issue("me", "260500005"), issue("them", "109910000"), pki
}

func write(b *testing.B, name string, p []byte) {
	b.Helper()
	if err := os.WriteFile(name, p, 0o600); err != nil {
		b.Fatal(err)
	}
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

// cpu is the processor time this process has used so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// piped runs a | b and returns the processor time of both.
func piped(b *testing.B, from, to *exec.Cmd) time.Duration {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	from.Stdout, to.Stdin = w, r
	for _, c := range []*exec.Cmd{from, to} {
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
	}
	w.Close()
	r.Close()
	var used time.Duration
	for _, c := range []*exec.Cmd{from, to} {
		if err := c.Wait(); err != nil {
			b.Fatal(c.Args, err)
		}
		used += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	return used
}

const shaUsed = "used"

// shaInstructions tells whether the processor has them and they are used; OpenSSL
// and Go both do, and the ratios move with them.
func shaInstructions() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	switch {
	case err != nil || !bytes.Contains(b, []byte(" sha_ni")):
		return "none"
	case strings.Contains(os.Getenv("GODEBUG"), "cpu.sha=off"):
		return "switched off"
	}
	return shaUsed
}
