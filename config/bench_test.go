package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// large writes a configuration of so many partners and routes.
func large(t testing.TB, partners, routes int) string {
	t.Helper()
	text, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), "routes:\n")
	if !ok {
		t.Fatal("no routes in small.yaml")
	}
	var b strings.Builder
	b.WriteString(head)
	for i := range partners {
		fmt.Fprintf(&b, `  - name: partner-%d
    ik: 109910000
    sftp:
      address: host-%d.example.org:22
      user: nord
      key: file:keys/ssh
      host-keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICXP7Gt4eRqcxsKBFcmBWV6r6yg7sGHn1NHBBlNEYQYM]
      put: in
      get: out
    window: ["mon-fri 22:00-05:00", "sat,sun 00:00-24:00"]
    first-number: 1
`, i, i)
	}
	b.WriteString("routes:\n" + rest)
	for i := range routes {
		ik := fmt.Sprintf("26%06d", i)
		fmt.Fprintf(&b, "  - {recipients: [%s%c], types: [AUFN, VERL, ENTL, RECH], mode: production, partner: partner-%d}\n", ik, checkDigit(ik), i%max(partners, 1))
	}
	return b.String()
}

// checkDigit is the ninth digit of an IK.
func checkDigit(first8 string) byte {
	sum := 0
	for i := 2; i < 8; i++ {
		v := int(first8[i]-'0') * (2 - i%2)
		sum += v/10 + v%10
	}
	return byte('0' + sum%10)
}

// BenchmarkParse checks 2,000 partners and 20,000 routes, and reports the time as
// a multiple of what yaml.Unmarshal takes for the bare nodes of the same text.
func BenchmarkParse(b *testing.B) {
	text := large(b, 2000, 20000)
	path := filepath.Join(world(b), "gateway.yaml")
	b.SetBytes(int64(len(text)))
	var nodes, all float64
	for b.Loop() {
		elapsed := b.Elapsed()
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			b.Fatal(err)
		}
		between := b.Elapsed()
		f, ps := parse(b, path, text)
		if f == nil || len(ps) > 0 {
			b.Fatalf("%.500s", lines(ps))
		}
		nodes += (between - elapsed).Seconds()
		all += (b.Elapsed() - between).Seconds()
	}
	b.ReportMetric(all/nodes, "x-nodes")
}

// A large configuration is read completely, and its mistakes are found.
func TestLarge(t *testing.T) {
	path := filepath.Join(world(t), "gateway.yaml")
	text := large(t, 100, 2000)
	f, ps := parse(t, path, text)
	if f == nil || len(ps) > 0 || len(f.Partners) != 101 || len(f.Routes) != 2001 {
		t.Fatalf("%.500s", lines(ps))
	}
	last := strings.LastIndex(text, "  - {")
	wrong := text + text[last:] + strings.Replace(text[last:], "partner-", "partner", 1)
	if _, ps = parse(t, path, wrong); len(ps) != 3 || ps[0].Code != CodeUnreachable {
		t.Fatalf("%.500s", lines(ps))
	}
}
