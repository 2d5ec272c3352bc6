package crypto_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"gateway301/crypto"
	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
)

// reason digs out what the uniform error hides.
func reason(err error) error {
	if e, ok := errors.AsType[*cms.OpenError](err); ok {
		return e.Cause
	}
	return err
}

func sealed(t testing.TB, plain []byte, by keys.Own, at time.Time, to ...*x509.Certificate) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := crypto.Seal(&out, bytes.NewReader(plain), int64(len(plain)), by, to, at); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// options are those of the insurer, who has an old key beside the present one.
func options() crypto.OpenOptions {
	c := everyone()
	return crypto.OpenOptions{Own: []keys.Own{c.expired, c.insurer}, Directory: c.directory, ReceivedAt: now}
}

// forged seals without asking whether the certificates are any good, as an
// attacker would.
func forged(t *testing.T, plain []byte, by keys.Own, at time.Time, to *x509.Certificate) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := cms.Seal(&out, bytes.NewReader(plain), int64(len(plain)), cms.SealOptions{
		Signer: cms.Signer{Certificate: by.Certificate, Key: by.Key}, Recipients: []*x509.Certificate{to}, SigningTime: at,
	}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSealAndOpenFile(t *testing.T) {
	c := everyone()
	plain := pattern(100_000)
	var out bytes.Buffer
	res, err := crypto.Seal(&out, bytes.NewReader(plain), int64(len(plain)), c.hospital, []*x509.Certificate{c.insurer.Certificate, c.hospital.Certificate}, now)
	if err != nil {
		t.Fatal(err)
	}
	if res.PlainSHA256 != sha256.Sum256(plain) || res.SealedSize != int64(out.Len()) || res.PlainSize != int64(len(plain)) {
		t.Errorf("%+v", res)
	}
	dst := filepath.Join(t.TempDir(), "EKRH0001")
	write(t, dst, []byte("an older file of this name"))
	opened, err := crypto.OpenFile(dst, bytes.NewReader(out.Bytes()), options())
	if err != nil {
		t.Fatal(reason(err))
	}
	back, err := os.ReadFile(dst)
	if err != nil || !bytes.Equal(back, plain) {
		t.Fatalf("content differs: %v", err)
	}
	if !opened.Signer.Equal(c.hospital.Certificate) || !slices.Equal(opened.SignerIKs, []string{"260500005"}) ||
		!opened.Recipient.Equal(c.insurer.Certificate) || opened.Size != int64(len(plain)) || opened.SHA256 != res.PlainSHA256 || !opened.SigningTime.Equal(now) {
		t.Errorf("%+v", opened)
	}
	info, err := os.Stat(dst)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	onlyFile(t, dst)

	// The sender can rebuild what it sent.
	mine := options()
	mine.Own = []keys.Own{c.hospital}
	if _, err := crypto.OpenFile(dst, &out, mine); err != nil {
		t.Error(reason(err))
	}
}

// onlyFile demands that nothing but the named file is in its folder, or
// nothing at all if the file does not exist.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("%s is left over", e.Name())
		}
	}
}

// What is wrong with a certificate stops the file before a byte is written.
func TestSealRefuses(t *testing.T) {
	c := everyone()
	for name, x := range map[string]struct {
		by   keys.Own
		to   keys.Own
		want error
		ik   string
	}{
		"own certificate expired":           {c.expired, c.insurer, keys.ErrExpired, "260500016"},
		"own certificate not yet valid":     {c.future, c.insurer, keys.ErrNotYetValid, "260500027"},
		"own certificate may not sign":      {c.onlyOpens, c.insurer, keys.ErrUsage, "109910000"},
		"recipient's certificate expired":   {c.hospital, c.expired, keys.ErrExpired, "260500016"},
		"recipient's certificate too early": {c.hospital, c.future, keys.ErrNotYetValid, "260500027"},
		"recipient's may not encrypt":       {c.hospital, c.onlySigns, keys.ErrUsage, "260500049"},
	} {
		var out bytes.Buffer
		_, err := crypto.Seal(&out, strings.NewReader("plain"), 5, x.by, []*x509.Certificate{x.to.Certificate}, now)
		fault, ok := errors.AsType[*keys.CertificateError](err)
		if !ok || !errors.Is(err, x.want) || !slices.Equal(fault.IKs, []string{x.ik}) {
			t.Errorf("%s: %v", name, err)
		}
		if x.want == keys.ErrExpired && !strings.Contains(err.Error(), x.ik+": certificate expired on "+fault.NotAfter.UTC().Format("2006-01-02")) {
			t.Errorf("%s: %q names no IK and day", name, err)
		}
		if out.Len() > 0 {
			t.Errorf("%s: %d bytes written", name, out.Len())
		}
	}
	if _, err := crypto.Seal(io.Discard, strings.NewReader(""), 0, crypto.Signer{}, nil, now); !errors.Is(err, cms.ErrKey) {
		t.Errorf("no signer: %v", err)
	}
	if _, err := crypto.Seal(io.Discard, strings.NewReader(""), 0, c.hospital, nil, now); !errors.Is(err, cms.ErrNoRecipient) {
		t.Errorf("no recipient: %v", err)
	}
}

// A good signature of someone who is not to be believed opens nothing.
func TestOpenFileRefusesSigners(t *testing.T) {
	c := everyone()
	day := 24 * time.Hour
	to := c.insurer.Certificate
	for name, x := range map[string]struct {
		by       keys.Own
		signed   time.Time
		received time.Time
		want     error // nil: opens
	}{
		"expired before receipt":            {c.expired, now, now, keys.ErrExpired},
		"backdated into its validity":       {c.expired, now.Add(-8 * day), now, keys.ErrExpired},
		"received on the last day":          {c.expired, now.Add(-8 * day), now.Add(-7*day - time.Hour), nil},
		"not yet valid":                     {c.future, now, now, keys.ErrNotYetValid},
		"foreign trust centre":              {c.foreign, now, now, keys.ErrUntrusted},
		"may not sign":                      {c.onlyOpens, now, now, keys.ErrUsage},
		"CA as signer":                      {c.ca, now, now, keys.ErrUsage},
		"signed after receipt":              {c.hospital, now.Add(crypto.Skew + time.Second), now, crypto.ErrSigningTime},
		"signed after receipt, within skew": {c.hospital, now.Add(crypto.Skew), now, nil},
		"signed before its validity":        {c.hospital, now.AddDate(0, -2, 0), now, crypto.ErrSigningTime},
		"may sign and nothing else":         {c.onlySigns, now, now, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dst := filepath.Join(t.TempDir(), "in")
			o := options()
			o.ReceivedAt = x.received
			_, err := crypto.OpenFile(dst, bytes.NewReader(forged(t, []byte("plain"), x.by, x.signed, to)), o)
			if !errors.Is(err, x.want) {
				t.Errorf("%v, want %v", reason(err), x.want)
			}
			if _, gone := os.Stat(dst); (gone == nil) != (x.want == nil) {
				t.Errorf("file is there: %v", gone == nil)
			}
			onlyFile(t, dst)
		})
	}
}

// A good certificate in a message that another key has signed.
func TestImpostor(t *testing.T) {
	c := everyone()
	fake := *c.hospital.Certificate
	fake.PublicKey = &c.foreign.Key.PublicKey
	var out bytes.Buffer
	if _, err := cms.Seal(&out, strings.NewReader("plain"), 5, cms.SealOptions{
		Signer: cms.Signer{Certificate: &fake, Key: c.foreign.Key}, Recipients: []*x509.Certificate{c.insurer.Certificate}, SigningTime: now,
	}); err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(t.TempDir(), "in")
	if _, err := crypto.OpenFile(dst, &out, options()); !errors.Is(err, cms.ErrSignature) || !errors.Is(err, crypto.ErrNotOpened) {
		t.Errorf("%v", reason(err))
	}
	onlyFile(t, dst)
}

// No bit can be flipped and no byte cut off without notice, and nothing stays
// behind on the disk.
func TestTamperedFilesLeaveNothing(t *testing.T) {
	c := everyone()
	msg := sealed(t, pattern(40), c.hospital, now, c.insurer.Certificate)
	dst := filepath.Join(t.TempDir(), "in")
	refused := func(what string, at int, b []byte) {
		t.Helper()
		if _, err := crypto.OpenFile(dst, bytes.NewReader(b), options()); err == nil {
			t.Fatalf("%s %d goes unnoticed", what, at)
		}
	}
	// Every third byte and cut here, all of them in crypto/cms.
	tries := 0
	for at := 0; at < len(msg); at += 3 {
		b := slices.Clone(msg)
		b[at] ^= 1 << (at % 8)
		refused("flip in byte", at, b)
		refused("cut at", at, msg[:at])
		tries += 2
	}
	onlyFile(t, dst)
	if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s exists: %v", dst, err)
	}
	t.Logf("%d forgeries of a file of %d bytes, none opened, nothing left over", tries, len(msg))
}

// An older file survives the arrival of a bad one.
func TestFaultLeavesOldFile(t *testing.T) {
	c := everyone()
	msg := sealed(t, pattern(300_000), c.hospital, now, c.insurer.Certificate)
	dst := filepath.Join(t.TempDir(), "in")
	write(t, dst, []byte("old"))
	errLine := errors.New("line broke")
	src := io.MultiReader(bytes.NewReader(msg[:250_000]), iotest.ErrReader(errLine))
	if _, err := crypto.OpenFile(dst, src, options()); !errors.Is(err, errLine) || errors.Is(err, crypto.ErrNotOpened) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(dst); err != nil || string(b) != "old" {
		t.Errorf("%q, %v", b, err)
	}
	onlyFile(t, dst)
}

// While the source is still coming in, the file has a name that Unverified
// knows, and no one else may read it.
func TestUnverifiedWhileOpening(t *testing.T) {
	c := everyone()
	msg := sealed(t, pattern(600_000), c.hospital, now, c.insurer.Certificate)
	dst := filepath.Join(t.TempDir(), "in")
	var names []string
	look := readerFunc(func([]byte) (int, error) {
		entries, err := os.ReadDir(filepath.Dir(dst))
		if err != nil {
			return 0, err
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				return 0, err
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", e.Name(), info.Mode())
			}
			names = append(names, e.Name())
		}
		return 0, io.EOF
	})
	src := io.MultiReader(bytes.NewReader(msg[:500_000]), look, bytes.NewReader(msg[500_000:]))
	if _, err := crypto.OpenFile(dst, src, options()); err != nil {
		t.Fatal(reason(err))
	}
	if len(names) != 1 || !crypto.Unverified(names[0]) || crypto.Unverified("in") {
		t.Errorf("in the middle there was %q", names)
	}
	onlyFile(t, dst)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestOpenFileNeedsItsFolder(t *testing.T) {
	if _, err := crypto.OpenFile(filepath.Join(t.TempDir(), "missing", "in"), strings.NewReader(""), options()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
