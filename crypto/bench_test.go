package crypto_test

import (
	"bytes"
	stdcrypto "crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gateway301/crypto"
	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
)

const benchSize = 64 << 20

// cpu is the processor time this process has used so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkSeal seals 64 MiB from file to file and compares the processor time
// with that of OpenSSL, signing with PKCS#1 v1.5 (it cannot stream PSS) piped
// into encrypting.
func BenchmarkSeal(b *testing.B) {
	openssl := peer(b, "openssl")
	c := everyone()
	at := files(b, map[string]keys.Own{"hospital": c.hospital, "insurer": c.insurer}, c.ca.Certificate, c.root.Certificate)
	write(b, at("plain"), pattern(benchSize))
	b.SetBytes(benchSize)
	var ours, theirs time.Duration
	for b.Loop() {
		start := cpu(b)
		sealFile(b, at("plain"), at("sealed"))
		ours += cpu(b) - start
		b.StopTimer()
		theirs += piped(b,
			exec.Command(openssl, "cms", "-sign", "-stream", "-in", at("plain"), "-binary", "-nodetach", "-signer", at("hospital.crt"), "-inkey", at("hospital.key"), "-md", "sha256", "-outform", "DER"),
			exec.Command(openssl, "cms", "-encrypt", "-stream", "-binary", "-aes-256-cbc", "-outform", "DER", "-out", at("theirs"), "-recip", at("insurer.crt")))
		b.StartTimer()
	}
	report(b, ours, theirs)
}

func sealFile(b *testing.B, from, to string) {
	b.Helper()
	c := everyone()
	src, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		b.Fatal(err)
	}
	dst, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	defer dst.Close()
	if _, err := crypto.Seal(dst, src, info.Size(), c.hospital, []*x509.Certificate{c.insurer.Certificate}, now); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpen opens 64 MiB from file to file, synced, and compares the
// processor time with that of OpenSSL decrypting, piped into verifying.
func BenchmarkOpen(b *testing.B) {
	openssl := peer(b, "openssl")
	c := everyone()
	at := files(b, map[string]keys.Own{"hospital": c.hospital, "insurer": c.insurer}, c.ca.Certificate, c.root.Certificate)
	write(b, at("plain"), pattern(benchSize))
	sealFile(b, at("plain"), at("sealed"))
	b.SetBytes(benchSize)
	var ours, theirs time.Duration
	for b.Loop() {
		start := cpu(b)
		f, err := os.Open(at("sealed"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := crypto.OpenFile(at("back"), f, options()); err != nil {
			b.Fatal(reason(err))
		}
		f.Close()
		ours += cpu(b) - start
		b.StopTimer()
		theirs += piped(b,
			exec.Command(openssl, "cms", "-decrypt", "-inform", "DER", "-in", at("sealed"), "-inkey", at("insurer.key"), "-recip", at("insurer.crt"), "-binary"),
			exec.Command(openssl, "cms", "-verify", "-inform", "DER", "-CAfile", at("chain.pem"), "-purpose", "any", "-binary", "-out", at("theirs")))
		b.StartTimer()
	}
	report(b, ours, theirs)
}

// piped runs a | b and returns the processor time of both.
func piped(b *testing.B, from, to *exec.Cmd) time.Duration {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	from.Stdout, to.Stdin = w, r
	for _, c := range []*exec.Cmd{from, to} {
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
	}
	w.Close()
	r.Close()
	var used time.Duration
	for _, c := range []*exec.Cmd{from, to} {
		if err := c.Wait(); err != nil {
			b.Fatal(c.Args, err)
		}
		used += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	return used
}

func report(b *testing.B, ours, theirs time.Duration) {
	b.ReportMetric(ours.Seconds()*1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(theirs.Seconds()*1000/float64(b.N), "openssl-cpu-ms/op")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "of-openssl")
}

// BenchmarkSmall seals and opens files of 20 KB with keys of 4096 bits, one
// goroutine per core, beside the bare RSA operation that each costs at least.
func BenchmarkSmall(b *testing.B) {
	c := everyone()
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		b.Fatal(err)
	}
	me := participant(key, "Testklinikum", "260500005", now.AddDate(0, -1, 0), now.AddDate(1, 0, 0),
		x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment, c.ca)
	plain := pattern(20_000)
	msg := sealed(b, plain, me, now, me.Certificate)
	digest := sha256.Sum256(plain)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, digest[:], nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, op := range []struct {
		name string
		run  func() error
	}{
		{"sign alone", func() error {
			_, err := rsa.SignPSS(rand.Reader, key, stdcrypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
			return err
		}},
		{"seal", func() error {
			_, err := crypto.Seal(io.Discard, bytes.NewReader(plain), int64(len(plain)), me, []*x509.Certificate{me.Certificate}, now)
			return err
		}},
		{"decrypt alone", func() error {
			_, err := rsa.DecryptOAEP(sha256.New(), nil, key, wrapped, nil)
			return err
		}},
		{"open", func() error {
			_, err := cms.Open(io.Discard, bytes.NewReader(msg), cms.OpenOptions{Keys: []cms.Key{{Certificate: me.Certificate, Key: key}}})
			return err
		}},
	} {
		b.Run(op.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := op.run(); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

// BenchmarkMemory reports the greatest heap seen while one GiB is sealed and
// opened in one go.
func BenchmarkMemory(b *testing.B) {
	c := everyone()
	const size = 1 << 30
	var peak atomic.Uint64
	look := readerFunc(func(p []byte) (int, error) {
		clear(p)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapInuse > peak.Load() {
			peak.Store(m.HeapInuse)
		}
		return len(p), nil
	})
	b.SetBytes(size)
	for b.Loop() {
		r, w := io.Pipe()
		go func() {
			_, err := crypto.Seal(w, io.LimitReader(look, size), size, c.hospital, []*x509.Certificate{c.insurer.Certificate}, now)
			w.CloseWithError(err)
		}()
		if _, err := crypto.OpenFile(filepath.Join(b.TempDir(), "back"), r, options()); err != nil {
			b.Fatal(reason(err))
		}
	}
	b.ReportMetric(float64(peak.Load())/(1<<20), "heap-MiB")
}
