package keys

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var now = time.Date(2026, 11, 20, 22, 15, 0, 0, time.UTC)

// pool holds RSA keys for these tests: 2048 bits, and one of 4096.
var pool = sync.OnceValue(func() (p struct {
	k    [6]*rsa.PrivateKey
	long *rsa.PrivateKey
}) {
	var wg sync.WaitGroup
	generate := func(to **rsa.PrivateKey, bits int) {
		wg.Go(func() {
			var err error
			if *to, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
				panic(err)
			}
		})
	}
	generate(&p.long, 4096)
	for i := range p.k {
		generate(&p.k[i], 2048)
	}
	wg.Wait()
	return p
})

// A spec is a certificate to be made.
type spec struct {
	name     string // organisation of a CA
	ous      []string
	from, to time.Time
	use      x509.KeyUsage
	ca       bool
	pathLen  int // of a CA; 0 means unlimited
	extra    []pkix.Extension
}

func (s spec) template() *x509.Certificate {
	attribute := func(n int, v string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, n}, Value: v}
	}
	subject := []pkix.AttributeTypeAndValue{attribute(6, "DE"), attribute(10, s.name)}
	for _, ou := range s.ous {
		subject = append(subject, attribute(11, ou))
	}
	if s.from.IsZero() {
		s.from = now.AddDate(0, -1, 0)
	}
	if s.to.IsZero() {
		s.to = now.AddDate(1, 0, 0)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	if err != nil {
		panic(err)
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{ExtraNames: subject}, NotBefore: s.from, NotAfter: s.to, KeyUsage: s.use,
		BasicConstraintsValid: true, IsCA: s.ca, MaxPathLen: -1, SignatureAlgorithm: x509.SHA256WithRSAPSS, ExtraExtensions: s.extra,
	}
	if s.ca && s.pathLen != 0 {
		t.MaxPathLen = s.pathLen
	}
	return t
}

const both = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment

// issued makes a certificate for key, signed by issuer; the zero issuer means
// by itself.
func issued(t testing.TB, s spec, key *rsa.PrivateKey, issuer Own) *x509.Certificate {
	t.Helper()
	template := s.template()
	if issuer.Key == nil {
		issuer = Own{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.Certificate, &key.PublicKey, issuer.Key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func caSpec(name string) spec {
	return spec{name: name, from: now.AddDate(-3, 0, 0), to: now.AddDate(3, 0, 0), use: x509.KeyUsageCertSign, ca: true}
}

func ikSpec(ik string) spec {
	return spec{name: "Test TrustCenter", ous: []string{"Testklinikum", "IK" + ik}, use: both}
}

// centre is a trust centre with root and CA.
func centre(t testing.TB) (root, ca Own) {
	t.Helper()
	k := pool().k
	root = Own{issued(t, caSpec("Test PCA"), k[0], Own{}), k[0]}
	ca = Own{issued(t, caSpec("Test TrustCenter"), k[1], root), k[1]}
	return root, ca
}

func directory(t testing.TB, o Options, roots []*x509.Certificate, others ...*x509.Certificate) *Directory {
	t.Helper()
	if o.MinBits == 0 {
		o.MinBits = 2048
	}
	d, err := NewDirectory(roots, others, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestIKs(t *testing.T) {
	root, ca := centre(t)
	for _, c := range []struct {
		ous  []string
		want []string
	}{
		{[]string{"Testklinikum", "IK260500005"}, []string{"260500005"}},
		{[]string{"Rechenzentrum", "IK260500005", "IK260500016"}, []string{"260500005", "260500016"}},
		{[]string{"IK260500005", "IK260500005"}, []string{"260500005"}},
		{[]string{"Arbeitgeber", "BN12345678"}, nil},
		{[]string{"IK26050000", "IK2605000055", "ik260500005", "IK 26050005", "IK26050000x", "XIK260500005"}, nil},
		{nil, nil},
	} {
		got := IKs(issued(t, spec{name: "Test TrustCenter", ous: c.ous}, pool().k[2], ca))
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.ous, got, c.want)
		}
	}
	if got := IKs(root.Certificate); got != nil {
		t.Errorf("root has %q", got)
	}
}

func TestForIK(t *testing.T) {
	root, ca := centre(t)
	k := pool().k
	year := func(n int) time.Time { return now.AddDate(n, 0, 0) }
	cert := func(edit func(*spec)) *x509.Certificate {
		s := ikSpec("109910000")
		edit(&s)
		return issued(t, s, k[2], ca)
	}
	old := cert(func(s *spec) { s.from, s.to = year(-2), now.AddDate(0, 0, -1) })
	older := cert(func(s *spec) { s.from, s.to = year(-2), year(-1) })
	early := cert(func(s *spec) { s.to = now.AddDate(0, 6, 0) })
	good := cert(func(s *spec) { s.to = now.AddDate(0, 8, 0) })
	twin := cert(func(s *spec) { s.from, s.to = now.AddDate(0, 0, -3), now.AddDate(0, 8, 0) })
	next := cert(func(s *spec) { s.from, s.to = now.AddDate(0, 0, 7), year(2) })
	signs := cert(func(s *spec) { s.use, s.to = x509.KeyUsageDigitalSignature, year(2) })
	anyUse := cert(func(s *spec) { s.use = 0 })
	foreign := issued(t, spec{name: "Test TrustCenter", ous: []string{"IK109910000"}, to: year(2), use: both}, k[2],
		Own{issued(t, caSpec("Test TrustCenter"), k[3], Own{}), k[3]})

	for name, c := range map[string]struct {
		have []*x509.Certificate
		want *x509.Certificate
		err  error
	}{
		"one":                       {[]*x509.Certificate{good}, good, nil},
		"the one that ends last":    {[]*x509.Certificate{early, good, old}, good, nil},
		"of two ends the younger":   {[]*x509.Certificate{good, twin}, twin, nil},
		"present before next":       {[]*x509.Certificate{next, good}, good, nil},
		"good before foreign":       {[]*x509.Certificate{foreign, good}, good, nil},
		"good before signing":       {[]*x509.Certificate{signs, good}, good, nil},
		"no keyUsage permits all":   {[]*x509.Certificate{anyUse}, anyUse, nil},
		"none":                      {nil, nil, ErrNone},
		"expired":                   {[]*x509.Certificate{old, older}, nil, ErrExpired},
		"next only":                 {[]*x509.Certificate{next}, nil, ErrNotYetValid},
		"next after expired":        {[]*x509.Certificate{old, next}, nil, ErrNotYetValid},
		"for signing only":          {[]*x509.Certificate{signs}, nil, ErrUsage},
		"of a foreign trust centre": {[]*x509.Certificate{foreign}, nil, ErrUntrusted},
	} {
		d := directory(t, Options{}, []*x509.Certificate{root.Certificate}, append(c.have, ca.Certificate)...)
		got, err := d.ForIK("109910000", now)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v; want %v", name, got != nil, err, c.err)
		}
		if err != nil {
			fault, ok := errors.AsType[*CertificateError](err)
			if !ok || !slices.Equal(fault.IKs, []string{"109910000"}) || !strings.Contains(err.Error(), "109910000") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}

	_, err := directory(t, Options{}, []*x509.Certificate{root.Certificate}, ca.Certificate, older, old).ForIK("109910000", now)
	if fault, ok := errors.AsType[*CertificateError](err); !ok || !fault.NotAfter.Equal(old.NotAfter) {
		t.Errorf("%v does not name the one that ended last", err)
	}
}

// The last second of a certificate belongs to it, the next does not.
func TestValidityEdges(t *testing.T) {
	_, ca := centre(t)
	c := issued(t, ikSpec("260500005"), pool().k[2], ca)
	for name, x := range map[string]struct {
		at   time.Time
		want error
	}{
		"first":        {c.NotBefore, nil},
		"before first": {c.NotBefore.Add(-1), ErrNotYetValid},
		"last":         {c.NotAfter, nil},
		"within last":  {c.NotAfter.Add(time.Second - 1), nil},
		"after last":   {c.NotAfter.Add(time.Second), ErrExpired},
		"another zone": {c.NotAfter.In(time.FixedZone("", 7200)), nil},
	} {
		if err := CheckValidity(c, x.at); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyLength(t *testing.T) {
	root, ca := centre(t)
	roots := []*x509.Certificate{root.Certificate}
	short := issued(t, ikSpec("260500005"), pool().k[2], ca)
	long := issued(t, ikSpec("260500016"), pool().long, ca)
	of := func(o Options) *Directory {
		d, err := NewDirectory(roots, []*x509.Certificate{ca.Certificate, short, long}, o)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	strict, exception := of(Options{}), of(Options{ShortKeys: map[string]time.Time{"260500005": now.Add(time.Hour)}})
	if c, err := strict.ForIK("260500016", now); c != long || err != nil {
		t.Errorf("4096 bits: %v", err)
	}
	_, err := strict.ForIK("260500005", now)
	if !errors.Is(err, ErrWeakKey) || !strings.Contains(err.Error(), "2048 bits") {
		t.Errorf("2048 bits: %v", err)
	}
	if err := strict.VerifySigner(short, nil, now); !errors.Is(err, ErrWeakKey) {
		t.Errorf("2048 bits as signer: %v", err)
	}
	if c, err := exception.ForIK("260500005", now); c != short || err != nil {
		t.Errorf("exception: %v", err)
	}
	if err := exception.VerifySigner(short, nil, now); err != nil {
		t.Errorf("exception as signer: %v", err)
	}
	if err := exception.VerifySigner(short, nil, now.Add(time.Hour)); !errors.Is(err, ErrWeakKey) {
		t.Errorf("exception that is over: %v", err)
	}
	if _, err := NewDirectory(roots, nil, Options{MinBits: 1024}); !errors.Is(err, ErrWeakKey) {
		t.Errorf("minimum of 1024: %v", err)
	}
	if _, err := NewDirectory(nil, nil, Options{}); !errors.Is(err, ErrNoCertificates) {
		t.Errorf("no roots: %v", err)
	}
}

// The named certificate is used although it holds another IK, but not although
// it has expired.
func TestOverride(t *testing.T) {
	root, ca := centre(t)
	roots := []*x509.Certificate{root.Certificate}
	listed := issued(t, ikSpec("109910000"), pool().k[2], ca)
	named := issued(t, ikSpec("108018007"), pool().k[3], ca)
	s := ikSpec("108018007")
	s.from, s.to = now.AddDate(-1, 0, 0), now.AddDate(0, 0, -1)
	expired := issued(t, s, pool().k[3], ca)
	if c, err := directory(t, Options{Override: map[string]*x509.Certificate{"109910000": named}}, roots, ca.Certificate, listed).ForIK("109910000", now); c != named || err != nil {
		t.Errorf("%v", err)
	}
	if _, err := directory(t, Options{Override: map[string]*x509.Certificate{"109910000": expired}}, roots, ca.Certificate, listed).ForIK("109910000", now); !errors.Is(err, ErrExpired) {
		t.Errorf("%v", err)
	}
}

func TestVerifySigner(t *testing.T) {
	root, ca := centre(t)
	k := pool().k
	cert := func(edit func(*spec)) *x509.Certificate {
		s := ikSpec("260500005")
		edit(&s)
		return issued(t, s, k[2], ca)
	}
	good := cert(func(*spec) {})
	d := directory(t, Options{}, []*x509.Certificate{root.Certificate}, ca.Certificate)
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}
	for name, c := range map[string]struct {
		cert *x509.Certificate
		at   time.Time
		want error
	}{
		"good":                   {good, now, nil},
		"no keyUsage":            {cert(func(s *spec) { s.use = 0 }), now, nil},
		"for encryption only":    {cert(func(s *spec) { s.use = x509.KeyUsageKeyEncipherment }), now, ErrUsage},
		"received too late":      {good, good.NotAfter.Add(time.Second), ErrExpired},
		"received too early":     {good, good.NotBefore.Add(-time.Second), ErrNotYetValid},
		"critical extension":     {cert(func(s *spec) { s.extra = []pkix.Extension{critical} }), now, ErrUntrusted},
		"signed by itself":       {issued(t, ikSpec("260500005"), k[2], Own{}), now, ErrUntrusted},
		"signed by a member":     {issued(t, ikSpec("260500005"), k[3], Own{good, k[2]}), now, ErrUntrusted},
		"the name without a key": {issued(t, ikSpec("260500005"), k[2], Own{issued(t, caSpec("Test TrustCenter"), k[4], Own{}), k[4]}), now, ErrUntrusted},
	} {
		if err := d.VerifySigner(c.cert, nil, c.at); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Not a bit of a certificate can be changed.
func TestFlippedCertificate(t *testing.T) {
	root, ca := centre(t)
	d := directory(t, Options{}, []*x509.Certificate{root.Certificate}, ca.Certificate)
	good := issued(t, ikSpec("260500005"), pool().k[2], ca)
	parsed := 0
	for at := range good.Raw {
		for bit := byte(1); bit != 0; bit <<= 1 {
			b := slices.Clone(good.Raw)
			b[at] ^= bit
			c, err := x509.ParseCertificate(b)
			if err != nil {
				continue
			}
			parsed++
			if d.VerifySigner(c, nil, now) == nil {
				t.Errorf("bit %#02x of byte %d goes unnoticed", bit, at)
			}
		}
	}
	t.Logf("%d flips, %d of them still a certificate, none believed", len(good.Raw)*8, parsed)
}

// A trust centre changes the key of its CA and keeps the name.
func TestSameNameOfSeveralCAs(t *testing.T) {
	k := pool().k
	root, ca := centre(t)
	var others []*x509.Certificate
	for _, key := range []*rsa.PrivateKey{k[3], k[4], k[5]} {
		others = append(others, issued(t, caSpec("Test TrustCenter"), key, root))
	}
	good := issued(t, ikSpec("260500005"), k[2], ca)
	for i := range len(others) + 1 {
		d := directory(t, Options{}, []*x509.Certificate{root.Certificate}, slices.Insert(slices.Clone(others), i, ca.Certificate)...)
		if err := d.VerifySigner(good, nil, now); err != nil {
			t.Errorf("true CA at place %d: %v", i, err)
		}
	}
	// The same for two roots of one name.
	second := issued(t, caSpec("Test PCA"), k[3], Own{})
	d := directory(t, Options{}, []*x509.Certificate{second, root.Certificate}, ca.Certificate)
	if err := d.VerifySigner(good, nil, now); err != nil {
		t.Error(err)
	}
	// Without the true one there is no way.
	if err := directory(t, Options{}, []*x509.Certificate{root.Certificate}, others...).VerifySigner(good, nil, now); !errors.Is(err, ErrUntrusted) {
		t.Error(err)
	}
}

func TestChains(t *testing.T) {
	k := pool().k
	root, ca := centre(t)
	good := issued(t, ikSpec("260500005"), k[2], ca)
	edited := func(name string, key *rsa.PrivateKey, by Own, edit func(*spec)) Own {
		s := caSpec(name)
		edit(&s)
		return Own{issued(t, s, key, by), key}
	}
	nothing := func(*spec) {}
	limited := edited("Limited", k[3], root, func(s *spec) { s.pathLen = 1 })
	below := edited("Below", k[4], limited, nothing)
	deeper := edited("Deeper", k[5], below, nothing)
	constraints := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: true, Value: []byte{0x30, 0x0a, 0xa0, 0x08, 0x30, 0x06, 0x82, 0x04, 't', 'e', 's', 't'}}
	expired := edited("Expired", k[3], root, func(s *spec) { s.to = now.AddDate(0, 0, -1) })
	noCertSign := edited("No certSign", k[3], root, func(s *spec) { s.use = x509.KeyUsageCRLSign })
	constrained := edited("Constrained", k[3], root, func(s *spec) { s.extra = []pkix.Extension{constraints} })
	leaf := func(by Own) *x509.Certificate { return issued(t, ikSpec("260500016"), k[2], by) }

	d := directory(t, Options{}, []*x509.Certificate{root.Certificate},
		limited.Certificate, below.Certificate, deeper.Certificate, expired.Certificate, noCertSign.Certificate, constrained.Certificate)
	for name, c := range map[string]struct {
		cert  *x509.Certificate
		along []*x509.Certificate
		want  error
	}{
		"root itself signs":            {leaf(root), nil, nil},
		"CA unknown":                   {good, nil, ErrUntrusted},
		"CA comes along":               {good, []*x509.Certificate{good, ca.Certificate}, nil},
		"root comes along":             {issued(t, ikSpec("260500016"), k[2], Own{issued(t, caSpec("Other PCA"), k[5], Own{}), k[5]}), []*x509.Certificate{issued(t, caSpec("Other PCA"), k[5], Own{})}, ErrUntrusted},
		"path length kept":             {leaf(below), nil, nil},
		"path length exceeded":         {leaf(deeper), nil, ErrUntrusted},
		"CA expired":                   {leaf(expired), nil, ErrUntrusted},
		"CA may not sign":              {leaf(noCertSign), nil, ErrUntrusted},
		"CA with constraints on names": {leaf(constrained), nil, ErrUntrusted},
	} {
		err := d.VerifySigner(c.cert, c.along, now)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if errors.Is(err, ErrExpired) {
			t.Errorf("%s: %v sounds as if the participant had expired", name, err)
		}
	}
}

// Sixty CAs of one name and key, each good for signing all others, are a maze
// with more ways than anyone can walk.
func TestMazeIsBounded(t *testing.T) {
	k := pool().k
	root, _ := centre(t)
	name := Own{issued(t, caSpec("Maze"), k[3], Own{}), k[3]}
	maze := make([]*x509.Certificate, 60)
	for i := range maze {
		maze[i] = issued(t, caSpec("Maze"), k[3], name)
	}
	d := directory(t, Options{}, []*x509.Certificate{root.Certificate})
	err := d.VerifySigner(issued(t, ikSpec("260500005"), k[2], name), maze, now)
	if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "more than 100 signatures") {
		t.Errorf("%.200v", err)
	}
}

// resigned replaces the signature by one with another salt length, which
// crypto/x509 calls unknown.
func resigned(t *testing.T, cert *x509.Certificate, key *rsa.PrivateKey, salt int) *x509.Certificate {
	t.Helper()
	was, ok := signatureAlgorithm(cert)
	if !ok {
		t.Fatal("no signature algorithm")
	}
	id := bytes.Clone(was)
	if id[len(id)-1] != 32 {
		t.Fatalf("salt length %d", id[len(id)-1])
	}
	id[len(id)-1] = byte(salt)
	tbs := bytes.Replace(cert.RawTBSCertificate, was, id, 1)
	sum := sha256.Sum256(tbs)
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		t.Fatal(err)
	}
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(id)
		b.AddASN1BitString(signature)
	})
	c, err := x509.ParseCertificate(b.BytesOrPanic())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOtherSaltLengths(t *testing.T) {
	root, ca := centre(t)
	d := directory(t, Options{}, []*x509.Certificate{root.Certificate}, ca.Certificate)
	plain := issued(t, ikSpec("260500005"), pool().k[2], ca)
	for _, salt := range []int{0, 20, 64} {
		c := resigned(t, plain, ca.Key, salt)
		if c.SignatureAlgorithm != x509.UnknownSignatureAlgorithm {
			t.Fatalf("salt %d: x509 knows it as %v, so this tests nothing", salt, c.SignatureAlgorithm)
		}
		if err := d.VerifySigner(c, nil, now); err != nil {
			t.Errorf("salt %d: %v", salt, err)
		}
		if err := d.VerifySigner(resigned(t, plain, pool().k[4], salt), nil, now); !errors.Is(err, ErrUntrusted) {
			t.Errorf("salt %d, foreign key: %v", salt, err)
		}
	}
}

func TestFind(t *testing.T) {
	root, ca := centre(t)
	c := issued(t, ikSpec("260500005"), pool().k[2], ca)
	d := directory(t, Options{}, []*x509.Certificate{root.Certificate}, ca.Certificate, c, c)
	if got := d.Find(c.RawIssuer, c.SerialNumber); got != c {
		t.Errorf("%v", got)
	}
	if got := d.Find(root.Certificate.RawSubject, c.SerialNumber); got != nil {
		t.Errorf("found by another issuer: %v", got.Subject)
	}
}

func TestParseCertificates(t *testing.T) {
	root, ca := centre(t)
	want := []*x509.Certificate{root.Certificate, ca.Certificate, issued(t, ikSpec("260500005"), pool().k[2], ca)}
	var der, armoured []byte
	var list strings.Builder
	for i, c := range want {
		der = append(der, c.Raw...)
		armoured = append(armoured, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		if i > 0 {
			list.WriteString("\n")
		}
		for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(c.Raw)), 64) {
			fmt.Fprintf(&list, "%s\n", line)
		}
	}
	lf := list.String()
	key, err := x509.MarshalPKCS8PrivateKey(pool().k[2])
	if err != nil {
		t.Fatal(err)
	}
	withKey := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), armoured)
	for name, in := range map[string][]byte{
		"DER":                       der,
		"PEM":                       armoured,
		"PEM beside a key":          withKey,
		"PEM with text around":      slices.Concat([]byte("subject=DE\n"), armoured, []byte("\nend\n")),
		"list":                      []byte(lf),
		"list with CRLF":            []byte(strings.ReplaceAll(lf, "\n", "\r\n")),
		"list without the last end": []byte(strings.TrimSuffix(lf, "\n")),
		"list with more blank":      []byte("\n\n" + strings.ReplaceAll(lf, "\n\n", "\n \n\n\n") + "\n\n"),
	} {
		got, err := ParseCertificates(in)
		if err != nil || !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
			t.Errorf("%s: %d certificates, %v", name, len(got), err)
		}
	}
	broken := strings.Replace(lf, "\n\nMII", "\n\nMI!", 1)
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"nothing":             {"", ErrNoCertificates},
		"blank lines":         {"\r\n\r\n", ErrNoCertificates},
		"PEM of other things": {string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})), ErrNoCertificates},
		"DER cut":             {string(der[:len(der)-1]), ErrMalformed},
		"not base64":          {"this is no certificate", ErrMalformed},
		"base64 of nothing":   {"AAAA\n", ErrMalformed},
		"second block broken": {broken, ErrMalformed},
	} {
		if _, err := ParseCertificates([]byte(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	line := strings.Count(lf[:strings.Index(lf, "\n\n")], "\n") + 3
	if _, err := ParseCertificates([]byte(broken)); !strings.Contains(err.Error(), fmt.Sprintf("line %d:", line)) {
		t.Errorf("%v does not name line %d", err, line)
	}
}

func TestLoadOwn(t *testing.T) {
	_, ca := centre(t)
	k := pool().k
	cert := issued(t, ikSpec("260500005"), k[2], ca)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name string, mode os.FileMode, blocks ...*pem.Block) {
		t.Helper()
		var b []byte
		for _, block := range blocks {
			b = append(b, pem.EncodeToMemory(block)...)
		}
		if err := os.WriteFile(at(name), b, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k[2])
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(k[2])
	put("pkcs8", 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	put("pkcs1", 0o400, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: pkcs1})
	put("cert", 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	put("several", 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate.Raw}, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	put("other", 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate.Raw})
	put("encrypted", 0o600, &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("secret")})
	put("encrypted1", 0o600, &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-256-CBC,00"}, Bytes: []byte("secret")})
	put("garbage", 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")})
	put("nothing", 0o600)

	for _, name := range []string{"pkcs8", "pkcs1"} {
		for _, certs := range []string{"cert", "several"} {
			own, err := LoadOwn(at(name), at(certs))
			if err != nil || !own.Certificate.Equal(cert) || !own.Key.Equal(k[2]) {
				t.Errorf("%s and %s: %v", name, certs, err)
			}
		}
	}
	for name, want := range map[string]error{
		"encrypted": ErrEncrypted, "encrypted1": ErrEncrypted, "garbage": ErrNoKey, "nothing": ErrNoKey, "absent": os.ErrNotExist,
	} {
		_, err := LoadOwn(at(name), at("cert"))
		if !errors.Is(err, want) || !strings.Contains(err.Error(), at(name)) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadOwn(at("pkcs8"), at("other")); !errors.Is(err, ErrMismatch) {
		t.Errorf("other certificate: %v", err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644, 0o660} {
		put("open", mode, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
		_, err := ReadKey(at("open"))
		if fault, ok := errors.AsType[*ModeError](err); !ok || fault.Mode != mode || !strings.HasSuffix(err.Error(), "chmod 600 "+at("open")) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

// A statInfo is a file of an owner we cannot become in a test.
type statInfo struct {
	fs.FileInfo
	mode     fs.FileMode
	uid, gid uint32
}

func (s statInfo) Mode() fs.FileMode { return s.mode }
func (s statInfo) Sys() any          { return &syscall.Stat_t{Uid: s.uid, Gid: s.gid} }

func TestPrivate(t *testing.T) {
	for _, c := range []struct {
		mode     fs.FileMode
		uid, gid uint32
		euid     int
		want     bool
	}{
		{0o600, 1000, 1000, 1000, true},
		{0o400, 0, 0, 1000, true},
		{0o440, 0, 0, 1000, true}, // a systemd credential
		{0o440, 0, 0, 0, false},   // root needs no ACL, so this is a group's right
		{0o440, 0, 100, 1000, false},
		{0o440, 1000, 0, 1000, false},
		{0o640, 0, 0, 1000, false},
		{0o444, 0, 0, 1000, false},
		{0o460, 0, 0, 1000, false},
	} {
		if got := private(statInfo{mode: c.mode, uid: c.uid, gid: c.gid}, c.euid); got != c.want {
			t.Errorf("%v: %v", c, got)
		}
	}
}
