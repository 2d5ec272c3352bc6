package cms

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"math/big"
	"slices"
	"testing"
	"testing/iotest"

	"crypto/x509"
)

// FuzzOpen: whatever arrives, it is opened to the content that was sealed or
// refused with the uniform error, and the same when it arrives byte by byte.
func FuzzOpen(f *testing.F) {
	plain := pattern(40)
	for _, known := range []bool{true, false} {
		msg, err := sealed(plain, known)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg)
	}
	inner := newForgery(f, plain, crypto.SHA256).bytes(f, plain)
	f.Add(enveloped(f, inner))
	f.Fuzz(func(t *testing.T, msg []byte) {
		var back bytes.Buffer
		o := OpenOptions{Keys: []Key{everyone().insurer.own()}}
		m, err := Open(&back, bytes.NewReader(msg), o)
		if err == nil && m.Signer.Equal(everyone().hospital.cert) && !bytes.Equal(back.Bytes(), plain) {
			t.Fatalf("believed %x", back.Bytes())
		}
		if err != nil && !errors.Is(err, ErrNotOpened) {
			t.Fatalf("%v is not ErrNotOpened", err)
		}
		_, again := Open(io.Discard, iotest.OneByteReader(bytes.NewReader(msg)), o)
		if (err == nil) != (again == nil) {
			t.Fatalf("whole: %v\nbyte by byte: %v", cause(err), cause(again))
		}
	})
}

// FuzzSignedData does the same for the inner layer, where no key is in the way.
func FuzzSignedData(f *testing.F) {
	plain := pattern(40)
	genuine := newForgery(f, plain, crypto.SHA256)
	f.Add(genuine.bytes(f, plain))
	for depth := 1; depth < 4; depth++ {
		genuine.eContent = enclose(tagContext0, true, chopped(tagOctets, plain, 3, depth, true))
		f.Add(genuine.bytes(f, plain))
	}
	genuine.info.attributes = nil
	f.Add(genuine.bytes(f, plain))
	old := newForgery(f, plain, crypto.SHA512)
	old.pkcs1(oidSHA512RSA)
	old.between = nil
	f.Add(old.bytes(f, plain))
	o := OpenOptions{
		Policy: Policy{PKCS1Signature: true, OtherHashes: true},
		Find:   func([]byte, *big.Int) *x509.Certificate { return everyone().hospital.cert },
	}
	read := func(src io.Reader) ([]byte, Message, error) {
		var back bytes.Buffer
		s := newSignedData(src, o)
		err := s.read(&back)
		return back.Bytes(), s.m, err
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		content, m, err := read(bytes.NewReader(msg))
		if err == nil && m.Signer.Equal(everyone().hospital.cert) && !bytes.Equal(content, plain) {
			t.Fatalf("believed %x", content)
		}
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("%v is no FormatError", err)
			}
		}
		slow, _, again := read(iotest.OneByteReader(bytes.NewReader(msg)))
		if !slices.Equal(content, slow) || (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
			t.Fatalf("whole: %x, %v\nbyte by byte: %x, %v", content, err, slow, again)
		}
	})
}

// FuzzInspect: whatever stands in a file, looking at it ends without a panic,
// tells the same byte by byte, and finds no fault in a file that opens.
func FuzzInspect(f *testing.F) {
	plain := pattern(40)
	for _, known := range []bool{true, false} {
		msg, err := sealed(plain, known)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg)
	}
	f.Add(newForgery(f, plain, crypto.SHA256).bytes(f, plain))
	f.Fuzz(func(t *testing.T, msg []byte) {
		s, err := Inspect(bytes.NewReader(msg))
		again, slow := Inspect(iotest.OneByteReader(bytes.NewReader(msg)))
		if (err == nil) != (slow == nil) || err == nil && (s.Payload != again.Payload || s.Pieces != again.Pieces || s.Size != int64(len(msg))) {
			t.Fatalf("whole: %+v, %v\nbyte by byte: %+v, %v", s, err, again, slow)
		}
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("%v is no FormatError", err)
			}
			if _, opens := Open(io.Discard, bytes.NewReader(msg), OpenOptions{Keys: []Key{everyone().insurer.own()}}); opens == nil {
				t.Fatalf("it opens, and yet: %v", err)
			}
		}
	})
}
