package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "30s": 30 * time.Second, "15m": 15 * time.Minute, "2h30m": 150 * time.Minute, "14d": 336 * time.Hour,
		"1d2h3m4s5ms": 26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond, "500ms": 500 * time.Millisecond, "90m": 90 * time.Minute,
		"106751d": 106751 * 24 * time.Hour,
	} {
		got, err := parseDuration(text)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
		if again, err := parseDuration(writeDuration(got)); err != nil || again != got {
			t.Errorf("%v is written %s, and read %v, %v", got, writeDuration(got), again, err)
		}
	}
	for text, want := range map[string]error{
		"": errDuration, "s": errDuration, "5": errNoUnit, "1h30": errNoUnit, "-5s": errDuration, "1.5h": errDuration, "5 m": errDuration, "5w": errDuration,
		"5M": errDuration, "30m2h": errDuration, "1h1h": errDuration, "5min": errDuration, "5µs": errDuration, "1h ": errDuration,
		"106752d": errTooMuch, "106751d24h": errTooMuch, "99999999999999999999s": errTooMuch,
	} {
		if got, err := parseDuration(text); !errors.Is(err, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0B": 0, "1B": 1, "2kB": 2000, "2KB": 2000, "2KiB": 2048, "500MB": 500e6, "512MiB": 512 << 20, "4GB": 4e9, "4GiB": 4 << 30, "4 GiB": 4 << 30,
		"1TB": 1e12, "1TiB": 1 << 40, "9223372036854775799B": math.MaxInt64 - 8,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"": errSize, "GiB": errSize, "5": errNoUnit, "5 ": errNoUnit, "-1B": errSize, "1.5GiB": errSize, "2Gb": errSize, "2gib": errSize, "2  GiB": errSize, "2GiBs": errSize,
		"9000000TiB": errTooMuch, "99999999999999999999B": errTooMuch,
	} {
		if got, err := parseSize(text); !errors.Is(err, want) {
			t.Errorf("%q: %d, %v; want %v", text, got, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"window", "grace", "collect", "collect-every", "first-number", "ik"}
	for wrong, want := range map[string]string{
		"windw": "window", "wnidow": "window", "Window": "window", "first_number": "first-number", "firstnumber": "first-number", "colect-every": "collect-every",
		"collects": "collect", "grcae": "grace", "ikk": "ik", "colour": "", "": "", "retention": "",
		strings.Repeat("w", 5000): "",
	} {
		if got := nearest(wrong, words); got != want {
			t.Errorf("%.20q: %q, want %q", wrong, got, want)
		}
	}
}

// The parser's own line is that of the enclosing block; ours is that of the
// mistake, in the middle of a large file too.
func TestSyntaxPlace(t *testing.T) {
	row := "  - {recipients: [109910000], types: [AUFN], mode: test, partner: kasse}\n"
	for _, c := range []struct {
		name, text   string
		line, column int
	}{
		{"first line", "a: b: c\n", 1, 1},
		{"in a large list", "routes:\n" + strings.Repeat(row, 1000) + "  - {recipients: [109910000}\n" + strings.Repeat(row, 1000), 1002, 3},
		{"at the end of a large list", "routes:\n" + strings.Repeat(row, 1000) + " oops\n", 1002, 2},
		{"an open quote", "a: 1\nb: \"two\nc: 3\nd: 4\n", 2, 1},
		{"an anchor behind an umlaut", "a: 1\nä: {ö: *ue}\n", 2, 8},
		{"a mark at the start", "\ufeffa: 1\nb: [\n", 2, 1},
		{"windows line ends", "a: 1\r\nb: 2\r\n c: 3\r\n", 3, 2},
		{"in the second document", "a: 1\n---\nb: [\n", 3, 1},
		{"an umlaut before a control character", "ä: \"ö\x01\"\n", 1, 6},
	} {
		_, ps := parse(t, "gateway.yaml", c.text)
		if len(ps) != 1 || ps[0].Line != c.line || ps[0].Column != c.column || ps[0].Code != CodeSyntax || ps[0].Severity != Error {
			t.Errorf("%s: want %d:%d, got\n%.300s", c.name, c.line, c.column, lines(ps))
		}
	}
}

// A mark at the start and line ends of Windows are no mistakes.
func TestEditors(t *testing.T) {
	text, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(world(t), "gateway.yaml")
	for name, edited := range map[string]string{
		"as it is": string(text), "mark": "\ufeff" + string(text), "windows": strings.ReplaceAll(string(text), "\n", "\r\n"),
		"document marks": "---\n" + string(text) + "...\n", "no line end": strings.TrimSuffix(string(text), "\n"),
	} {
		if f, ps := parse(t, path, edited); f == nil || len(ps) > 0 {
			t.Errorf("%s:\n%s", name, lines(ps))
		}
	}
}

// All mistakes come at once, in the order of the file.
func TestAllAtOnce(t *testing.T) {
	f, ps := parse(t, filepath.Join(world(t), "gateway.yaml"), `
spol: x
identities:
  - {ik: 260500006, key: secret, certificate: none.pem}
outboxes:
  - {name: a, path: outbox/nord, owner: 260500005, mode: live, evry: 3s, looks: many}
routes:
  - {partner: nobody, types: [AUFNAHME]}
disk-floor: 5
`)
	want := []Code{CodeUnknownKey, CodeIK, CodeSecret, CodeFile, CodeValue, CodeUnknownKey, CodeType, CodeMissing, CodeReference, CodeValue, CodeValue}
	var got []Code
	for _, p := range ps {
		got = append(got, p.Code)
	}
	if f != nil || !slices.Equal(got, want) {
		t.Errorf("%v, want %v\n%s", got, want, lines(ps))
	}
	err := ps.Err()
	var invalid *InvalidError
	if !errors.Is(err, ErrInvalid) || !errors.As(err, &invalid) || len(invalid.Problems) != len(ps) {
		t.Errorf("%v", err)
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != len(ps.Without(func(p Problem) bool { return p.Severity == Warning })) {
		t.Errorf("%d lines in\n%v", got, err)
	}
	if (Problems{{Severity: Warning}}).Err() != nil {
		t.Error("a warning is an error")
	}
}

func TestProblemJSON(t *testing.T) {
	b, err := json.Marshal(Problem{File: "g.yaml", Line: 3, Column: 5, Severity: Warning, Code: CodeNoEffect, Path: "a", Message: "m", Fix: "f"})
	if want := `{"file":"g.yaml","line":3,"column":5,"severity":"warning","code":"no-effect","path":"a","message":"m","fix":"f"}`; err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}

func TestPublicKey(t *testing.T) {
	line := func(key any) string {
		t.Helper()
		k, err := ssh.NewPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
	}
	generated := func(bits int) *rsa.PublicKey { // only its size matters, so any odd number of that size does
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{Key: signer.PublicKey(), CertType: ssh.UserCert}
	if err := cert.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	dsa := "ssh-dss " + base64.StdEncoding.EncodeToString(ssh.Marshal(struct { // RFC 4253, 6.6
		Name       string
		P, Q, G, Y *big.Int
	}{"ssh-dss", generated(1024).N, generated(160).N, big.NewInt(2), big.NewInt(4)}))
	good := line(public)
	for text, want := range map[string]string{
		good: "", good + " host.example.org": "", line(generated(2048)): "", line(generated(4096)): "",
		line(generated(2047)): "2047-bit RSA keys are too weak, 2048 is the least",
		dsa:                   "DSA keys are too weak",
		strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert))): "a certificate, not a public key",
		"restrict " + good: "options before a public key are not part of the dialect",
		good + "\n" + good: "not a public key in the form of OpenSSH",
		good[:len(good)-4]: "not a public key in the form of OpenSSH",
		"":                 "not a public key in the form of OpenSSH",
	} {
		k, message := publicKey(text)
		if message != want || (k == nil) != (want != "") {
			t.Errorf("%.60s: %q, want %q", text, message, want)
		}
	}
}

// A word from the file stays on the message's line, and does not fill a screen.
func TestClip(t *testing.T) {
	for word, want := range map[string]string{
		"kasse": "kasse", "a\nb\x1b[1m": "a�b�[1m", strings.Repeat("ü", 50): strings.Repeat("ü", 30) + "…", "x" + strings.Repeat("ü", 50): "x" + strings.Repeat("ü", 29) + "…",
	} {
		if got := clip(word); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// An alias may stand for a value, a list and a row.
func TestAliases(t *testing.T) {
	text, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	aliased := strings.NewReplacer(
		"  - ik: 260500005", "  - ik: &nord 260500005",
		"owner: 260500005", "owner: *nord",
		"types: [AUFN, RECH]", "types: &types [AUFN, RECH]",
	).Replace(string(text)) + "  - {recipients: [260500049], types: *types, mode: production, partner: kasse}\n"
	f, ps := parse(t, filepath.Join(world(t), "gateway.yaml"), aliased)
	if f == nil || len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	if f.Outboxes[0].Owner != "260500005" || len(f.Routes) != 2 || len(f.Routes[1].Types) != 2 {
		t.Errorf("%+v %+v", f.Outboxes, f.Routes)
	}
}
