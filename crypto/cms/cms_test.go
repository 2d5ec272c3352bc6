package cms_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"testing"
	"testing/iotest"

	"gateway301/crypto/cms"
)

// sizes are those at which blocks, chunks and lengths change their form.
var sizes = []int{0, 1, 15, 16, 17, 127, 128, 255, 256, 32767, 32768, 32769, 65535, 65536, 131071, 131072, 131073, 300000, 1 << 20}

func seal(t testing.TB, plain []byte, known bool, to ...*x509.Certificate) []byte {
	t.Helper()
	size := int64(-1)
	if known {
		size = int64(len(plain))
	}
	var out bytes.Buffer
	_, err := cms.Seal(&out, bytes.NewReader(plain), size, cms.SealOptions{
		Signer: everyone().hospital.signer(), Recipients: to, SigningTime: epoch,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
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
				var out bytes.Buffer
				res, err := cms.Seal(&out, bytes.NewReader(plain), size, cms.SealOptions{
					Signer: cast.hospital.signer(), Recipients: []*x509.Certificate{cast.insurer.cert}, SigningTime: epoch,
				})
				if err != nil {
					t.Fatal(err)
				}
				want := cms.Sealed{
					PlainSize: int64(n), PlainSHA256: sha256.Sum256(plain),
					SealedSize: int64(out.Len()), SealedSHA256: sha256.Sum256(out.Bytes()),
				}
				if res != want {
					t.Errorf("Seal says %+v, want %+v", res, want)
				}
				for _, src := range []struct {
					name string
					r    func() *bytes.Reader
				}{{"whole", func() *bytes.Reader { return bytes.NewReader(out.Bytes()) }}} {
					var back bytes.Buffer
					m, err := cms.Open(&back, src.r(), cms.OpenOptions{Keys: []cms.Key{cast.other.own(), cast.insurer.own()}})
					if err != nil {
						t.Fatalf("%v: %v", err, cause(err))
					}
					if !bytes.Equal(back.Bytes(), plain) {
						t.Fatal("content differs")
					}
					if !m.Signer.Equal(cast.hospital.cert) || !m.Recipient.Equal(cast.insurer.cert) ||
						!m.SigningTime.Equal(epoch) || m.Size != int64(n) || m.SHA256 != want.PlainSHA256 {
						t.Errorf("message %+v", m)
					}
				}
			})
		}
	}
}

func TestOneByteAtATime(t *testing.T) {
	cast := everyone()
	plain := pattern(1000)
	for _, known := range []bool{true, false} {
		sealed := seal(t, plain, known, cast.insurer.cert)
		var back bytes.Buffer
		_, err := cms.Open(&back, iotest.OneByteReader(bytes.NewReader(sealed)), cms.OpenOptions{Keys: []cms.Key{cast.insurer.own()}})
		if err != nil || !bytes.Equal(back.Bytes(), plain) {
			t.Errorf("known=%v: %v", known, cause(err))
		}
	}
}

// cause digs out what the uniform error hides.
func cause(err error) error {
	if e, ok := err.(*cms.OpenError); ok {
		return e.Cause
	}
	return err
}
