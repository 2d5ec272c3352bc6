package pgp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// now is the real time, because GnuPG signs with it.
var now = time.Now().UTC().Truncate(time.Second)

type cast struct{ hospital, insurer, other, short, expired, aead, rsa Key }

// everyone is made once per test binary. Elliptic curves keep it quick; one key
// is RSA.
var everyone = sync.OnceValue(func() (c cast) {
	month := now.AddDate(0, -1, 0)
	var wg sync.WaitGroup
	for _, k := range []struct {
		to     *Key
		name   string
		adjust func(*packet.Config)
	}{
		{&c.hospital, "Testklinikum", nil},
		{&c.insurer, "Testkasse", nil},
		{&c.other, "Testklinik Nord", nil},
		{&c.short, "Testklinik West", func(p *packet.Config) { p.Algorithm, p.RSABits, p.MinRSABits = packet.PubKeyAlgoRSA, 2048, 2048 }},
		{&c.expired, "Testklinik Ost", func(p *packet.Config) { p.KeyLifetimeSecs = 7 * 24 * 3600 }},
		{&c.aead, "Testkasse Neu", func(p *packet.Config) { p.AEADConfig = &packet.AEADConfig{} }},
		{&c.rsa, "Testkasse Alt", func(p *packet.Config) { p.Algorithm, p.RSABits = packet.PubKeyAlgoRSA, 3072 }},
	} {
		wg.Go(func() {
			cfg := config(month)
			cfg.Algorithm = packet.PubKeyAlgoEdDSA
			if k.adjust != nil {
				k.adjust(cfg)
			}
			e, err := openpgp.NewEntity(k.name, "", k.name[4:5]+"@example.org", cfg)
			if err != nil {
				panic(err)
			}
			*k.to = Key{e}
		})
	}
	wg.Wait()
	return c
})

// public is the part of a key that partners get.
func public(t testing.TB, k Key) Key {
	t.Helper()
	keys, err := ParseKeys(armoured(t, k, false), "")
	if err != nil || len(keys) != 1 || keys[0].Private() {
		t.Fatalf("%v, %v", keys, err)
	}
	return keys[0]
}

func armoured(t testing.TB, k Key, private bool) []byte {
	t.Helper()
	var b bytes.Buffer
	kind := openpgp.PublicKeyType
	if private {
		kind = openpgp.PrivateKeyType
	}
	w, err := armor.Encode(&b, kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	if private {
		err = k.entity.SerializePrivateWithoutSigning(w, nil)
	} else {
		err = k.entity.Serialize(w)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

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

func seal(t testing.TB, plain []byte, by Key, to ...Key) []byte {
	t.Helper()
	var out bytes.Buffer
	o := SealOptions{Signer: by, At: now}
	for _, k := range to {
		o.Recipients = append(o.Recipients, Recipient{Key: k})
	}
	res, err := Seal(&out, bytes.NewReader(plain), o)
	if err != nil {
		t.Fatal(err)
	}
	if res.PlainSize != int64(len(plain)) || res.PlainSHA256 != sha256.Sum256(plain) || res.SealedSize != int64(out.Len()) {
		t.Errorf("%+v", res)
	}
	return out.Bytes()
}

// options are those of the insurer, who exchanges files with the hospital.
func options(t testing.TB) OpenOptions {
	c := everyone()
	return OpenOptions{Own: []Key{c.rsa, c.insurer}, Signers: []Key{public(t, c.hospital)}, ReceivedAt: now}
}

func cause(err error) error {
	if e, ok := errors.AsType[*OpenError](err); ok {
		return e.Cause
	}
	return err
}

func TestWhatIsSealedOpens(t *testing.T) {
	c := everyone()
	for _, n := range []int{0, 1, 511, 512, 65535, 65536, 1_000_003} {
		plain := pattern(n)
		msg := seal(t, plain, c.hospital, public(t, c.insurer), public(t, c.hospital))
		var back bytes.Buffer
		m, err := Open(&back, iotest.HalfReader(bytes.NewReader(msg)), options(t))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, cause(err))
		}
		if !bytes.Equal(back.Bytes(), plain) || m.Size != int64(n) || !m.SigningTime.Equal(now) ||
			m.Signer.Fingerprint() != c.hospital.Fingerprint() || m.Recipient.Fingerprint() != c.insurer.Fingerprint() {
			t.Errorf("%d bytes: %+v", n, m)
		}
		if bytes.Contains(msg, []byte("Testk")) {
			t.Error("a name stands in the open")
		}
	}
}

// Version 2 of the packet is written only if the settings and the key say so.
func TestSEIPDVersion(t *testing.T) {
	c := everyone()
	for _, k := range []struct {
		name string
		to   []Recipient
		want int
	}{
		{"plain key", []Recipient{{Key: c.insurer}}, 1},
		{"plain key, settings say more", []Recipient{{Key: c.insurer, SEIPDv2: true}}, 1},
		{"key says more, settings do not", []Recipient{{Key: c.aead}}, 1},
		{"both say so", []Recipient{{Key: c.aead, SEIPDv2: true}}, 2},
		{"one of two", []Recipient{{Key: c.aead, SEIPDv2: true}, {Key: c.insurer}}, 1},
	} {
		var out bytes.Buffer
		if _, err := Seal(&out, strings.NewReader("hello"), SealOptions{Signer: c.hospital, Recipients: k.to, At: now}); err != nil {
			t.Fatal(err)
		}
		s, err := Inspect(bytes.NewReader(out.Bytes()))
		if err != nil || s.Integrity != k.want {
			t.Errorf("%s: %+v, %v", k.name, s, err)
		}
		o := options(t)
		o.Own = append(o.Own, c.aead)
		if _, err := Open(io.Discard, &out, o); err != nil {
			t.Errorf("%s: %v", k.name, cause(err))
		}
	}
	if !c.aead.TakesSEIPDv2(now) || c.insurer.TakesSEIPDv2(now) {
		t.Error("what the keys promise is read wrongly")
	}
}

func TestSealRefuses(t *testing.T) {
	c := everyone()
	good := []Recipient{{Key: c.insurer}}
	for name, o := range map[string]SealOptions{
		"no signer":           {Recipients: good, At: now},
		"no recipient":        {Signer: c.hospital, At: now},
		"empty recipient":     {Signer: c.hospital, Recipients: []Recipient{{}}, At: now},
		"public signer":       {Signer: public(t, c.hospital), Recipients: good, At: now},
		"expired signer":      {Signer: c.expired, Recipients: good, At: now},
		"expired recipient":   {Signer: c.hospital, Recipients: []Recipient{{Key: c.expired}}, At: now},
		"short recipient":     {Signer: c.hospital, Recipients: []Recipient{{Key: c.short}}, At: now},
		"short signer":        {Signer: c.short, Recipients: good, At: now},
		"before the key":      {Signer: c.hospital, Recipients: good, At: now.AddDate(-1, 0, 0)},
		"one recipient short": {Signer: c.hospital, Recipients: append(slices.Clone(good), Recipient{Key: c.short}), At: now},
	} {
		var out bytes.Buffer
		_, err := Seal(&out, strings.NewReader("hello"), o)
		if !errors.Is(err, ErrKey) && !errors.Is(err, ErrNoRecipient) || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written", name, err, out.Len())
		}
	}
}

// message encrypts and signs as the library lets one, sensible or not.
func message(t *testing.T, plain string, to, signers []Key, adjust func(*openpgp.EncryptParams)) []byte {
	t.Helper()
	entities := func(keys []Key) (list []*openpgp.Entity) {
		for _, k := range keys {
			list = append(list, k.entity)
		}
		return list
	}
	cfg := config(now)
	cfg.MinRSABits = 1024
	p := &openpgp.EncryptParams{Signers: entities(signers), Config: cfg}
	if adjust != nil {
		adjust(p)
	}
	var out bytes.Buffer
	w, err := openpgp.EncryptWithParams(&out, entities(to), nil, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestOpenRefuses(t *testing.T) {
	c := everyone()
	insurer, hospital := []Key{c.insurer}, []Key{c.hospital}
	signedOnly := func() []byte {
		var out bytes.Buffer
		w, err := openpgp.Sign(&out, []*openpgp.Entity{c.hospital.entity}, nil, config(now))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "hello"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	at := func(d time.Duration) func(*openpgp.EncryptParams) {
		return func(p *openpgp.EncryptParams) {
			cfg := *p.Config
			cfg.Time = func() time.Time { return now.Add(d) }
			p.Config = &cfg
		}
	}
	good := seal(t, []byte("hello"), c.hospital, c.insurer)
	expired := options(t)
	expired.Signers = []Key{c.expired}
	for _, m := range []struct {
		name string
		msg  []byte
		o    OpenOptions
		want error // nil: any
	}{
		{"not signed", message(t, "hello", insurer, nil, nil), options(t), ErrNotSigned},
		{"not encrypted", signedOnly(), options(t), ErrNotEncrypted},
		{"signed by a stranger", message(t, "hello", insurer, []Key{c.other}, nil), options(t), ErrSignature},
		{"signed by ourselves", message(t, "hello", insurer, insurer, nil), options(t), ErrSignature},
		{"signed by a short key", message(t, "hello", insurer, []Key{c.short}, nil), OpenOptions{Own: insurer, Signers: []Key{c.short}, ReceivedAt: now}, ErrSignature},
		{"with a password too", message(t, "hello", insurer, hospital, func(p *openpgp.EncryptParams) { p.Passwords = [][]byte{[]byte("secret")} }), options(t), ErrNotEncrypted},
		{"3DES", message(t, "hello", insurer, hospital, func(p *openpgp.EncryptParams) {
			cfg := *p.Config
			cfg.DefaultCipher = packet.Cipher3DES
			p.Config = &cfg
		}), options(t), nil},
		{"for others", message(t, "hello", []Key{c.other}, hospital, nil), options(t), nil},
		{"signed tomorrow", message(t, "hello", insurer, hospital, at(24*time.Hour)), options(t), nil},
		{"signed in time by a key that expired before receipt", message(t, "hello", insurer, []Key{c.expired}, at(-28*24*time.Hour)), expired, ErrSignature},
		{"nothing", nil, options(t), nil},
		{"noise", pattern(1000), options(t), nil},
		{"a byte more", append(slices.Clone(good), 0), options(t), nil},
		{"twice", slices.Concat(good, good), options(t), nil},
		{"a plain packet behind", append(slices.Clone(good), 0xcb, 8, 'b', 0, 0, 0, 0, 0, 'x', 'y'), options(t), nil},
	} {
		_, err := Open(io.Discard, bytes.NewReader(m.msg), m.o)
		if m.name == "3DES" && err == nil {
			continue // the keys' preferences forced AES
		}
		if !errors.Is(err, ErrNotOpened) || m.want != nil && !errors.Is(err, m.want) || err.Error() != ErrNotOpened.Error() {
			t.Errorf("%s: %v", m.name, cause(err))
		}
	}
}

// What a key of ours that has expired was used for still opens: an old message
// can arrive late. A signer's key is judged at the receipt.
func TestOldKeysOpen(t *testing.T) {
	c := everyone()
	old := now.Add(-28 * 24 * time.Hour)
	var out bytes.Buffer
	if _, err := Seal(&out, strings.NewReader("hello"), SealOptions{Signer: c.hospital, Recipients: []Recipient{{Key: c.expired}}, At: old}); err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Own = append(o.Own, c.expired)
	if _, err := Open(io.Discard, &out, o); err != nil {
		t.Error(cause(err))
	}
}

// No change of a byte makes another content believed, and none can be cut off.
// A few bits in the encoding of the session key mean nothing, and a flip there
// leaves the message what it was: see spareBits.
func TestTampering(t *testing.T) {
	c := everyone()
	plain := []byte("hello, world")
	msg := seal(t, plain, c.hospital, c.insurer)
	o := options(t)
	o.Own = []Key{c.insurer}
	spare := spareBits(t, msg)
	flips, harmless := 0, 0
	for at := range msg {
		for bit := range 8 {
			b := slices.Clone(msg)
			b[at] ^= 1 << bit
			var back bytes.Buffer
			_, err := Open(&back, bytes.NewReader(b), o)
			flips++
			if err != nil {
				if !errors.Is(err, ErrNotOpened) {
					t.Errorf("byte %d: %v", at, err)
				}
				continue
			}
			harmless++
			if !bytes.Equal(back.Bytes(), plain) || !spare(at, bit) {
				t.Errorf("flip of bit %d in byte %d: believed %q", bit, at, &back)
			}
		}
		if _, err := Open(io.Discard, bytes.NewReader(msg[:at]), o); !errors.Is(err, ErrNotOpened) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
	t.Logf("%d flips and %d cuts of a message of %d bytes: %d flips of bits without meaning, none of the content", flips, len(msg), len(msg), harmless)
}

// spareBits tells which bits of a message for a Curve25519 key mean nothing.
// They lie in the point that the sender has made for this message, and the same
// session key comes out, whatever they are (RFC 9580, 3.2, 11.2 and 11.3.1):
//
//	byte 12, 13  the point's length in bits; only how many bytes that makes is used
//	byte 14      the point's prefix 0x40, which the library passes over
//	byte 46      the last of the point's 32 bytes: its top bit is masked (RFC 7748, 5)
//
// The lengths of packets are no such bits: they have to be those of what comes.
func spareBits(t *testing.T, msg []byte) func(at, bit int) bool {
	t.Helper()
	const algorithm, length, prefix, last = 11, 12, 14, 46
	if msg[0] != 0xc1 || msg[algorithm] != 18 || msg[length] != 1 || msg[length+1] != 7 || msg[prefix] != 0x40 {
		t.Fatalf("the message begins with % x", msg[:prefix+1])
	}
	return func(at, bit int) bool {
		return at == length+1 && bit < 3 || at == prefix || at == last && bit == 7
	}
}

// However a message's packets are framed, whole ones are told from cut ones.
func TestFraming(t *testing.T) {
	body := pattern(600)
	for _, f := range []struct {
		name string
		head []byte
		n    int // bytes of body that follow
		want bool
	}{
		{"nothing", nil, 0, true},
		{"new, one byte", []byte{0xd2, 100}, 100, true},
		{"new, two bytes", []byte{0xd2, 0xc0, 0x51}, 273, true},
		{"new, five bytes", []byte{0xd2, 0xff, 0, 0, 1, 0}, 256, true},
		{"new, empty", []byte{0xd2, 0}, 0, true},
		{"new, short by one", []byte{0xd2, 100}, 99, false},
		{"new, ends in the length", []byte{0xd2, 0xff, 0, 0, 0}, 0, false},
		{"new, without length", []byte{0xd2}, 0, false},
		{"two packets", append(append([]byte{0xc1, 3}, "abc"...), 0xd2, 4), 4, true},
		{"the second cut", append(append([]byte{0xc1, 3}, "abc"...), 0xd2, 4), 3, false},
		{"pieces", append(append([]byte{0xd2, 0xe1}, "ab"...), 0xe9), 512, false},
		{"pieces and the last", append(append([]byte{0xd2, 0xe1}, "ab"...), 0xc0, 8), 200, true},
		{"pieces and an empty last", append(append([]byte{0xd2, 0xe1}, "ab"...), 0), 0, true},
		{"old, one byte", []byte{0x84, 5}, 5, true},
		{"old, two bytes", []byte{0x85, 1, 4}, 260, true},
		{"old, four bytes", []byte{0x86, 0, 0, 1, 4}, 260, true},
		{"old, cut", []byte{0x85, 1, 4}, 259, false},
		{"old, up to the end", []byte{0x87}, 300, true},
	} {
		msg := append(slices.Clone(f.head), body[:f.n]...)
		for _, r := range []io.Reader{bytes.NewReader(msg), iotest.OneByteReader(bytes.NewReader(msg))} {
			frames := &framing{r: r}
			if _, err := io.Copy(io.Discard, struct{ io.Reader }{frames}); err != nil {
				t.Fatal(err)
			}
			if frames.whole() != f.want {
				t.Errorf("%s: whole is %v", f.name, !f.want)
			}
		}
	}
}

// Faults of disk and line stay what they are.
func TestDiskErrorsPassThrough(t *testing.T) {
	c := everyone()
	broken := errors.New("line broke")
	msg := seal(t, pattern(300_000), c.hospital, c.insurer)
	for _, n := range []int{0, 10, 200, 100_000, 299_000} {
		src := io.MultiReader(bytes.NewReader(msg[:n]), iotest.ErrReader(broken))
		if _, err := Open(io.Discard, src, options(t)); !errors.Is(err, broken) || errors.Is(err, ErrNotOpened) {
			t.Errorf("reading breaks at %d: %v", n, err)
		}
		if _, err := Open(&brokenWriter{n, broken}, bytes.NewReader(msg), options(t)); !errors.Is(err, broken) || errors.Is(err, ErrNotOpened) {
			t.Errorf("writing breaks at %d: %v", n, err)
		}
		if _, err := Seal(&brokenWriter{n, broken}, bytes.NewReader(pattern(300_000)), SealOptions{Signer: c.hospital, Recipients: []Recipient{{Key: c.insurer}}, At: now}); !errors.Is(err, broken) {
			t.Errorf("sealing, writing breaks at %d: %v", n, err)
		}
	}
	src := io.MultiReader(strings.NewReader("hello"), iotest.ErrReader(broken))
	if _, err := Seal(io.Discard, src, SealOptions{Signer: c.hospital, Recipients: []Recipient{{Key: c.insurer}}, At: now}); !errors.Is(err, broken) {
		t.Errorf("sealing, reading breaks: %v", err)
	}
}

type brokenWriter struct {
	left int
	err  error
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		n := w.left
		w.left = 0
		return n, w.err
	}
	w.left -= len(p)
	return len(p), nil
}

// One key serves several goroutines; run with -race.
func TestSeveralAtOnce(t *testing.T) {
	c := everyone()
	o := options(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var out bytes.Buffer
			if _, err := Seal(&out, strings.NewReader("hello"), SealOptions{Signer: c.hospital, Recipients: []Recipient{{Key: c.insurer}}, At: now}); err != nil {
				t.Error(err)
			}
			if _, err := Open(io.Discard, &out, o); err != nil {
				t.Error(cause(err))
			}
		})
	}
	wg.Wait()
}

func TestParseKeys(t *testing.T) {
	c := everyone()
	var binary bytes.Buffer
	if err := c.hospital.entity.Serialize(&binary); err != nil {
		t.Fatal(err)
	}
	if err := c.insurer.entity.Serialize(&binary); err != nil {
		t.Fatal(err)
	}
	two := slices.Concat(armoured(t, c.hospital, false), []byte("\n"), armoured(t, c.insurer, false))
	for name, in := range map[string][]byte{"binary": binary.Bytes(), "armour": two} {
		keys, err := ParseKeys(in, "")
		if err != nil || len(keys) != 2 || keys[1].Fingerprint() != c.insurer.Fingerprint() || keys[0].Private() {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	e, err := ParseKeys(armoured(t, c.hospital, true), "")
	if err != nil || !e[0].Private() || !slices.Equal(e[0].UserIDs(), []string{"Testklinikum <k@example.org>"}) {
		t.Errorf("%v, %v", e, err)
	}
	// A locked one, in a copy of its own.
	if err := e[0].entity.EncryptPrivateKeys([]byte("secret"), nil); err != nil {
		t.Fatal(err)
	}
	locked := armoured(t, e[0], true)
	for password, want := range map[string]error{"": ErrPassword, "Secret": ErrPassword, "secret": nil} {
		if _, err := ParseKeys(locked, password); !errors.Is(err, want) {
			t.Errorf("password %q: %v", password, err)
		}
	}
	cfg := config(now)
	cfg.V6Keys, cfg.Algorithm = true, packet.PubKeyAlgoEd25519
	v6, err := openpgp.NewEntity("Testkasse", "", "", cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseKeys(armoured(t, Key{v6}, false), ""); !errors.Is(err, ErrKey) {
		t.Errorf("version 6: %v", err)
	}
	for name, in := range map[string][]byte{"nothing": nil, "noise": pattern(100), "cut": two[:300], "other armour": []byte("-----BEGIN PGP MESSAGE-----\n\naaaa\n-----END PGP MESSAGE-----\n")} {
		if keys, err := ParseKeys(in, ""); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
}

// TestGnuPG prints the matrix of what goes both ways, byte for byte.
func TestGnuPG(t *testing.T) {
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		if os.Getenv("GATEWAY_PEERS") == "required" {
			t.Fatal("gpg is required: ", err)
		}
		t.Skip("gpg is not installed")
	}
	c := everyone()
	home, err := os.MkdirTemp("", "gpg") // the agent's socket wants a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(gpg, append([]string{"--homedir", home, "--batch", "--yes", "--trust-model", "always", "--no-tty"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	at := func(name string) string { return filepath.Join(home, name) }
	put := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(at(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, k := range map[string]Key{"insurer": c.insurer, "rsa": c.rsa, "aead": c.aead} {
		put(name, armoured(t, k, true))
		run("--import", at(name))
	}
	put("hospital", armoured(t, c.hospital, false))
	run("--import", at("hospital"))

	sizes := []int{0, 1, 15, 16, 17, 65535, 65536, 5_000_001}
	ways := []struct {
		name    string
		partner Key
		weSeal  bool
		args    []string
	}{
		{"we seal, curve", c.insurer, true, nil},
		{"we seal, RSA", c.rsa, true, nil},
		{"we seal, AEAD key", c.aead, true, nil},
		{"they seal, curve", c.insurer, false, []string{"--compress-algo", "none"}},
		{"they seal, RSA", c.rsa, false, []string{"--compress-algo", "none"}},
		{"they seal, zlib", c.insurer, false, []string{"--compress-algo", "zlib"}},
		{"they seal, armour", c.insurer, false, []string{"--compress-algo", "none", "--armor"}},
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%9s", "bytes")
	for _, w := range ways {
		fmt.Fprintf(&table, "  %-18s", w.name)
	}
	for _, n := range sizes {
		plain := pattern(n)
		put("plain", plain)
		fmt.Fprintf(&table, "\n%9d", n)
		for _, w := range ways {
			var back []byte
			if w.weSeal {
				put("sealed", seal(t, plain, c.hospital, public(t, w.partner)))
				out := run("--status-fd", "1", "--output", at("back"), "--decrypt", at("sealed"))
				if !strings.Contains(out, "[GNUPG:] VALIDSIG "+c.hospital.Fingerprint()) || !strings.Contains(out, "[GNUPG:] GOODMDC") {
					t.Errorf("%s, %d bytes: %s", w.name, n, out)
				}
				var err error
				if back, err = os.ReadFile(at("back")); err != nil {
					t.Fatal(err)
				}
			} else {
				run(slices.Concat(w.args, []string{"--local-user", w.partner.Fingerprint(), "--recipient", c.hospital.Fingerprint(), "--output", at("sealed"), "--sign", "--encrypt", at("plain")})...)
				sealed, err := os.ReadFile(at("sealed"))
				if err != nil {
					t.Fatal(err)
				}
				var out bytes.Buffer
				_, err = Open(&out, bytes.NewReader(sealed), OpenOptions{Own: []Key{c.hospital}, Signers: []Key{public(t, w.partner)}, ReceivedAt: time.Now()})
				if err != nil {
					t.Errorf("%s, %d bytes: %v", w.name, n, cause(err))
				}
				back = out.Bytes()
			}
			if !bytes.Equal(back, plain) {
				t.Errorf("%s: %d bytes came back, not the %d that went", w.name, len(back), n)
			}
			fmt.Fprintf(&table, "  %-18s", "same")
		}
	}
	if !t.Failed() {
		t.Logf("exchange with GnuPG:\n%s", &table)
	}
	put("sealed", seal(t, nil, c.hospital, public(t, c.aead)))
	if packets := run("--list-packets", at("sealed")); !strings.Contains(packets, "mdc_method: 2") {
		t.Errorf("%s", packets)
	}

	// What GnuPG does not sign is not opened.
	run("--recipient", c.hospital.Fingerprint(), "--output", at("sealed"), "--encrypt", at("plain"))
	unsigned, err := os.ReadFile(at("sealed"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(io.Discard, bytes.NewReader(unsigned), OpenOptions{Own: []Key{c.hospital}, Signers: []Key{c.insurer}, ReceivedAt: time.Now()}); !errors.Is(err, ErrNotSigned) {
		t.Errorf("not signed: %v", cause(err))
	}
}
