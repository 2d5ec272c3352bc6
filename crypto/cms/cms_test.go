package cms

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"
)

// sizes are those at which blocks, chunks and lengths change their form.
var sizes = []int{0, 1, 15, 16, 17, 127, 128, 255, 256, 32767, 32768, 32769, 65535, 65536, 131071, 131072, 131073, 300000, 1 << 20}

func sealed(plain []byte, known bool, to ...*x509.Certificate) ([]byte, error) {
	size := int64(-1)
	if known {
		size = int64(len(plain))
	}
	if to == nil {
		to = []*x509.Certificate{everyone().insurer.cert}
	}
	var out bytes.Buffer
	_, err := Seal(&out, bytes.NewReader(plain), size, SealOptions{Signer: everyone().hospital.signer(), Recipients: to, SigningTime: epoch})
	return out.Bytes(), err
}

func TestWhatIsSealedOpens(t *testing.T) {
	cast := everyone()
	for _, known := range []bool{true, false} {
		for _, n := range sizes {
			t.Run(fmt.Sprintf("known=%v/%d", known, n), func(t *testing.T) {
				plain := pattern(n)
				size := int64(-1)
				if known {
					size = int64(n)
				}
				var out, back bytes.Buffer
				res, err := Seal(&out, bytes.NewReader(plain), size, SealOptions{
					Signer: cast.hospital.signer(), Recipients: []*x509.Certificate{cast.insurer.cert}, SigningTime: epoch,
				})
				if err != nil {
					t.Fatal(err)
				}
				want := Sealed{
					PlainSize: int64(n), PlainSHA256: sha256.Sum256(plain),
					SealedSize: int64(out.Len()),
				}
				if res != want {
					t.Errorf("Seal says %+v, want %+v", res, want)
				}
				m, err := Open(&back, &out, OpenOptions{Keys: []Key{cast.other.own(), cast.insurer.own()}})
				if err != nil {
					t.Fatal(cause(err))
				}
				if !bytes.Equal(back.Bytes(), plain) {
					t.Fatal("content differs")
				}
				if !m.Signer.Equal(cast.hospital.cert) || !m.Recipient.Equal(cast.insurer.cert) ||
					!m.SigningTime.Equal(epoch) || m.Size != int64(n) || m.SHA256 != want.PlainSHA256 {
					t.Errorf("message %+v", m)
				}
			})
		}
	}
}

func TestEveryRecipientOpens(t *testing.T) {
	cast := everyone()
	msg := seal(t, pattern(100), true, cast.insurer.cert, cast.hospital.cert, cast.other.cert)
	for _, p := range []person{cast.insurer, cast.hospital, cast.other} {
		var back bytes.Buffer
		if _, err := Open(&back, bytes.NewReader(msg), OpenOptions{Keys: []Key{p.own()}}); err != nil || !bytes.Equal(back.Bytes(), pattern(100)) {
			t.Errorf("%s: %v", p.cert.Subject.CommonName, cause(err))
		}
	}
}

func TestOneByteAtATime(t *testing.T) {
	cast := everyone()
	plain := pattern(1000)
	for _, known := range []bool{true, false} {
		var back bytes.Buffer
		src := iotest.OneByteReader(bytes.NewReader(seal(t, plain, known)))
		if _, err := Open(&back, src, OpenOptions{Keys: []Key{cast.insurer.own()}}); err != nil || !bytes.Equal(back.Bytes(), plain) {
			t.Errorf("known=%v: %v", known, cause(err))
		}
	}
}

func TestSealRefuses(t *testing.T) {
	cast := everyone()
	good := SealOptions{Signer: cast.hospital.signer(), Recipients: []*x509.Certificate{cast.insurer.cert}, SigningTime: epoch}
	other, nobody, keyless := good, good, good
	other.Signer.Key = cast.other.key
	nobody.Recipients = nil
	keyless.Signer.Key = nil
	for name, c := range map[string]struct {
		size int64
		o    SealOptions
		want error
	}{
		"one byte too few":    {101, good, ErrSize},
		"one byte too many":   {99, good, ErrSize},
		"far too few":         {1 << 40, good, ErrSize},
		"key of another":      {100, other, ErrKey},
		"no key":              {100, keyless, ErrKey},
		"no recipient at all": {100, nobody, ErrNoRecipient},
	} {
		if _, err := Seal(io.Discard, bytes.NewReader(pattern(100)), c.size, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// brokenWriter takes n bytes and then fails.
type brokenWriter struct {
	n   int
	err error
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	if len(p) > w.n {
		return w.n, w.err
	}
	w.n -= len(p)
	return len(p), nil
}

// A disk that breaks is not a message that cannot be opened, at whatever byte
// it breaks.
func TestDiskErrorsPassThrough(t *testing.T) {
	cast := everyone()
	errDisk := errors.New("disk broke")
	plain := pattern(400_000)
	for _, known := range []bool{true, false} {
		o := SealOptions{Signer: cast.hospital.signer(), Recipients: []*x509.Certificate{cast.insurer.cert}, SigningTime: epoch}
		size := int64(-1)
		if known {
			size = int64(len(plain))
		}
		msg := seal(t, plain, known)
		broken := func(b []byte, n int) io.Reader {
			return io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(errDisk))
		}
		for _, n := range []int{0, 1, 100, 700, 131072, 262144, 399_999} {
			if _, err := Seal(io.Discard, broken(plain, n), size, o); !errors.Is(err, errDisk) {
				t.Errorf("known=%v: Seal, reading breaks after %d: %v", known, n, err)
			}
			if _, err := Seal(&brokenWriter{n, errDisk}, bytes.NewReader(plain), size, o); !errors.Is(err, errDisk) {
				t.Errorf("known=%v: Seal, writing breaks after %d: %v", known, n, err)
			}
			if _, err := Open(io.Discard, broken(msg, n), OpenOptions{Keys: []Key{cast.insurer.own()}}); !errors.Is(err, errDisk) || errors.Is(err, ErrNotOpened) {
				t.Errorf("known=%v: Open, reading breaks after %d: %v", known, n, err)
			}
			if _, err := Open(&brokenWriter{n, errDisk}, bytes.NewReader(msg), OpenOptions{Keys: []Key{cast.insurer.own()}}); !errors.Is(err, errDisk) || errors.Is(err, ErrNotOpened) {
				t.Errorf("known=%v: Open, writing breaks after %d: %v", known, n, err)
			}
		}
	}
}

// endless gives n zero bytes.
func endless(n int64) io.Reader { return io.LimitReader(zeros{}, n) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What is allocated over a whole run, not only what is held at once, stays
// below four MiB for a file of any size.
func TestMemoryStaysFlat(t *testing.T) {
	cast := everyone()
	const size = 96 << 20
	for _, known := range []bool{true, false} {
		announced := int64(-1)
		if known {
			announced = size
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, w := io.Pipe()
		sealedErr := make(chan error, 1)
		go func() {
			_, err := Seal(w, endless(size), announced, SealOptions{Signer: cast.hospital.signer(), Recipients: []*x509.Certificate{cast.insurer.cert}, SigningTime: epoch})
			w.CloseWithError(err)
			sealedErr <- err
		}()
		m, err := Open(io.Discard, r, OpenOptions{Keys: []Key{cast.insurer.own()}})
		r.Close()
		if err := errors.Join(err, <-sealedErr); err != nil {
			t.Fatal(cause(err))
		}
		runtime.ReadMemStats(&after)
		allocated := after.TotalAlloc - before.TotalAlloc
		t.Logf("known=%v: %d MiB sealed and opened with %d KiB allocated in all", known, size>>20, allocated>>10)
		if m.Size != size {
			t.Errorf("%d bytes", m.Size)
		}
		if allocated > 4<<20 {
			t.Errorf("known=%v: %d bytes allocated", known, allocated)
		}
	}
}

// The outside sees the same error, whatever the cause.
func TestUniformError(t *testing.T) {
	cast := everyone()
	msg := seal(t, pattern(100), true)
	flipped := func(at int) []byte {
		b := slices.Clone(msg)
		b[at] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		msg  []byte
		want error
	}{
		"padding":    {flipped(len(msg) - 17), ErrDecryption},
		"signature":  {flipped(len(msg) - 200), ErrSignature},
		"structure":  {flipped(0), ErrProfile},
		"cut":        {msg[:len(msg)-1], ErrTruncated},
		"trailing":   {append(slices.Clone(msg), 0), ErrTrailing},
		"recipient":  {seal(t, pattern(100), true, cast.other.cert), ErrNotForUs},
		"empty file": {nil, ErrTruncated},
	} {
		_, err := Open(io.Discard, bytes.NewReader(c.msg), OpenOptions{Keys: []Key{cast.insurer.own()}})
		if !errors.Is(err, ErrNotOpened) || err.Error() != ErrNotOpened.Error() {
			t.Errorf("%s: %v is not uniform", name, err)
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: cause %v, want %v", name, cause(err), c.want)
		}
	}
}
