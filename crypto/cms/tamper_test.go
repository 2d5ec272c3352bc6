package cms

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"testing"
)

// opened tries a message and says whether it was believed. What it must never
// do is to be believed and say something else.
func opened(t *testing.T, msg, plain []byte) (*Message, bool) {
	t.Helper()
	var back bytes.Buffer
	m, err := Open(&back, bytes.NewReader(msg), OpenOptions{Keys: []Key{everyone().insurer.own()}})
	if err == nil && !bytes.Equal(back.Bytes(), plain) {
		t.Fatalf("believed %q", &back)
	}
	if err != nil && !errors.Is(err, ErrNotOpened) {
		t.Fatalf("%v is not ErrNotOpened", err)
	}
	return m, err == nil
}

// No byte of a sealed file can be changed without notice. (All eight bits of
// each are flipped in FlipsInside, where no RSA operation stands in the way.)
func TestFlipsOutside(t *testing.T) {
	t.Parallel()
	plain := pattern(40)
	for _, known := range []bool{true, false} {
		msg := seal(t, plain, known)
		tries, believed := 0, 0
		for at := range msg {
			bit := byte(1) << (at % 8)
			forged := slices.Clone(msg)
			forged[at] ^= bit
			tries++
			m, ok := opened(t, forged, plain)
			if ok && m.Signer.Equal(everyone().hospital.cert) {
				believed++
				t.Errorf("known=%v: bit %#02x of byte %d goes unnoticed", known, bit, at)
			}
		}
		t.Logf("known=%v: %d bytes, %d flips, %d believed", known, len(msg), tries, believed)
	}
}

// The same for the signed part, as if the envelope could be opened and closed
// by anyone. In the embedded certificate a flip may leave the signer's key
// alone; then the certificate is another one, which the trust check meets.
func TestFlipsInside(t *testing.T) {
	t.Parallel()
	plain := pattern(40)
	inner := newForgery(t, plain, crypto.SHA256).bytes(t, plain)
	tries, others := 0, 0
	for at := range inner {
		for bit := byte(1); bit != 0; bit <<= 1 {
			forged := slices.Clone(inner)
			forged[at] ^= bit
			tries++
			var back bytes.Buffer
			s := newSignedData(bytes.NewReader(forged), OpenOptions{})
			err := s.read(&back)
			switch {
			case err != nil:
			case !bytes.Equal(back.Bytes(), plain):
				t.Errorf("bit %#02x of byte %d changes the content", bit, at)
			case s.m.Signer.Equal(everyone().hospital.cert):
				t.Errorf("bit %#02x of byte %d goes unnoticed", bit, at)
			default:
				others++
			}
		}
	}
	t.Logf("%d bytes, %d flips, none believed; %d name another certificate", len(inner), tries, others)
}

// A message that ends early is never opened, wherever it ends.
func TestCuts(t *testing.T) {
	t.Parallel()
	plain := pattern(40)
	for _, known := range []bool{true, false} {
		msg := seal(t, plain, known)
		for n := range msg {
			if _, ok := opened(t, msg[:n], plain); ok {
				t.Errorf("known=%v: believed after %d of %d bytes", known, n, len(msg))
			}
		}
		t.Logf("known=%v: %d cuts, none believed", known, len(msg))
	}
	inner := newForgery(t, plain, crypto.SHA256).bytes(t, plain)
	for n := range inner {
		if _, ok := opened(t, enveloped(t, inner[:n]), plain); ok {
			t.Errorf("inner: believed after %d of %d bytes", n, len(inner))
		}
	}
	t.Logf("inner: %d cuts, none believed", len(inner))
}

// Nothing can follow either layer.
func TestTrailing(t *testing.T) {
	plain := pattern(40)
	inner := newForgery(t, plain, crypto.SHA256).bytes(t, plain)
	for _, more := range [][]byte{{0}, {0, 0}, []byte("\n"), inner} {
		if _, ok := opened(t, slices.Concat(enveloped(t, inner), more), plain); ok {
			t.Errorf("believed with %d bytes after the envelope", len(more))
		}
		if _, ok := opened(t, enveloped(t, slices.Concat(inner, more)), plain); ok {
			t.Errorf("believed with %d bytes after the signed part", len(more))
		}
	}
}
