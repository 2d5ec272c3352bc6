package rsaalg

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// Hexadecimal pieces of identifiers; spaces are for the reader.
const (
	hexSHA1   = "300906052b0e03021a0500"
	hexSHA256 = "300d06096086480165030402010500"
	hexSHA512 = "300d06096086480165030402030500"
	hexMGF1   = "06092a864886f70d010108"
	hexPSS    = "06092a864886f70d01010a"
	hexOAEP   = "06092a864886f70d010107"
	hash256   = "a00f " + hexSHA256
	mask256   = "a11c 301a " + hexMGF1 + hexSHA256
	salt32    = "a203 020120"
	trailer1  = "a303 020101"
	label     = "a20f 300d 06092a864886f70d010109 0400"
)

func der(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seq puts a SEQUENCE header before pieces of less than 128 bytes.
func seq(pieces string) string {
	n := len(strings.ReplaceAll(pieces, " ", "")) / 2
	return "30" + hex.EncodeToString([]byte{byte(n)}) + pieces
}

// What is written is what OpenSSL 3 writes for the same algorithms.
func TestWritten(t *testing.T) {
	pss, err := PSS{Hash: crypto.SHA256, Salt: 32}.Identifier()
	if want := der(t, seq(hexPSS+seq(hash256+mask256+salt32))); err != nil || !bytes.Equal(pss, want) {
		t.Errorf("PSS %x, %v\nwant %x", pss, err, want)
	}
	oaep, err := OAEP(crypto.SHA256)
	if want := der(t, seq(hexOAEP+seq(hash256+mask256))); err != nil || !bytes.Equal(oaep, want) {
		t.Errorf("OAEP %x, %v\nwant %x", oaep, err, want)
	}
	h, err := Hash(crypto.SHA256)
	if want := der(t, "300b0609608648016503040201"); err != nil || !bytes.Equal(h, want) {
		t.Errorf("SHA-256 %x, %v\nwant %x", h, err, want)
	}
	for _, h := range []crypto.Hash{0, crypto.SHA1, crypto.MD5} {
		if _, err := Hash(h); !errors.Is(err, ErrUnsupported) {
			t.Errorf("hash %d: %v", h, err)
		}
		if _, err := (PSS{Hash: h}).Identifier(); !errors.Is(err, ErrUnsupported) {
			t.Errorf("PSS with hash %d: %v", h, err)
		}
		if _, err := OAEP(h); !errors.Is(err, ErrUnsupported) {
			t.Errorf("OAEP with hash %d: %v", h, err)
		}
	}
}

func TestParsePSS(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want PSS
		err  error
	}{
		"profile":              {seq(hexPSS + seq(hash256+mask256+salt32)), PSS{crypto.SHA256, 32}, nil},
		"trailer written out":  {seq(hexPSS + seq(hash256+mask256+salt32+trailer1)), PSS{crypto.SHA256, 32}, nil},
		"salt at its default":  {seq(hexPSS + seq(hash256+mask256)), PSS{crypto.SHA256, 20}, nil},
		"hash without NULL":    {seq(hexPSS + seq("a00d 300b0609608648016503040201"+"a11a 3018 "+hexMGF1+"300b0609608648016503040201"+salt32)), PSS{crypto.SHA256, 32}, nil},
		"all defaults: SHA-1":  {seq(hexPSS + "3000"), PSS{}, ErrUnsupported},
		"SHA-1":                {seq(hexPSS + seq("a00b "+hexSHA1+mask256+salt32)), PSS{}, ErrUnsupported},
		"mask SHA-1":           {seq(hexPSS + seq(hash256+"a118 3016 "+hexMGF1+hexSHA1+salt32)), PSS{}, ErrUnsupported},
		"mask at its default":  {seq(hexPSS + seq(hash256+salt32)), PSS{}, ErrUnsupported},
		"mask SHA-512":         {seq(hexPSS + seq(hash256+"a11c 301a "+hexMGF1+hexSHA512+salt32)), PSS{}, ErrUnsupported},
		"mask not MGF1":        {seq(hexPSS + seq(hash256+"a11c 301a "+hexPSS+hexSHA256+salt32)), PSS{}, ErrUnsupported},
		"trailer 2":            {seq(hexPSS + seq(hash256+mask256+salt32+"a303 020102")), PSS{}, ErrUnsupported},
		"negative salt":        {seq(hexPSS + seq(hash256+mask256+"a203 0201ff")), PSS{}, ErrMalformed},
		"salt twice":           {seq(hexPSS + seq(hash256+mask256+salt32+salt32)), PSS{}, ErrMalformed},
		"no parameters":        {seq(hexPSS), PSS{}, ErrMalformed},
		"parameters NULL":      {seq(hexPSS + "0500"), PSS{}, ErrMalformed},
		"more after":           {seq(hexPSS + seq(hash256+mask256+salt32) + "0500"), PSS{}, ErrMalformed},
		"another algorithm":    {seq(hexOAEP + seq(hash256+mask256)), PSS{}, ErrUnsupported},
		"nothing":              {"", PSS{}, ErrMalformed},
		"hash with parameters": {seq(hexPSS + seq("a010 300e0609608648016503040201020100"+mask256+salt32)), PSS{}, ErrUnsupported},
	} {
		got, err := ParsePSS(der(t, c.in))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, err, c.want, c.err)
		}
	}
}

func TestParseTransport(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want Transport
		err  error
	}{
		"OAEP":                  {seq(hexOAEP + seq(hash256+mask256)), TransportOAEP, nil},
		"label written out":     {seq(hexOAEP + seq(hash256+mask256+label)), TransportOAEP, nil},
		"a label":               {seq(hexOAEP + seq(hash256+mask256+"a210 300e 06092a864886f70d010109 040141")), 0, ErrUnsupported},
		"OAEP with SHA-1":       {seq(hexOAEP + "3000"), 0, ErrUnsupported},
		"OAEP with SHA-512":     {seq(hexOAEP + seq("a00f "+hexSHA512+"a11c 301a "+hexMGF1+hexSHA512)), 0, ErrUnsupported},
		"mask SHA-1":            {seq(hexOAEP + seq(hash256)), 0, ErrUnsupported},
		"no parameters":         {seq(hexOAEP), 0, ErrMalformed},
		"PKCS#1":                {"300d06092a864886f70d0101010500", TransportPKCS1, nil},
		"PKCS#1 without NULL":   {"300b06092a864886f70d010101", 0, ErrUnsupported},
		"a signature algorithm": {"300d06092a864886f70d01010b0500", 0, ErrUnsupported},
	} {
		got, err := ParseTransport(der(t, c.in))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, err, c.want, c.err)
		}
	}
}

func TestParsePKCS1(t *testing.T) {
	for in, want := range map[string]crypto.Hash{
		"300d06092a864886f70d0101010500": 0,
		"300d06092a864886f70d01010b0500": crypto.SHA256,
		"300d06092a864886f70d01010c0500": crypto.SHA384,
		"300d06092a864886f70d01010d0500": crypto.SHA512,
	} {
		if got, err := ParsePKCS1(der(t, in)); got != want || err != nil {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"300b06092a864886f70d01010b", "300d06092a864886f70d0101050500", seq(hexPSS + seq(hash256+mask256+salt32))} {
		if _, err := ParsePKCS1(der(t, in)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestSame(t *testing.T) {
	with, without, other := der(t, hexSHA256), der(t, "300b0609608648016503040201"), der(t, hexSHA512)
	if !Same(with, without) || !Same(with, with) || Same(with, other) || Same(with, nil) {
		t.Error("NULL and absent are the same, and nothing else is")
	}
}
