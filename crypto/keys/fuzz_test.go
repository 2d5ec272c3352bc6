package keys

import (
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"
)

// FuzzParse: files that admins and trust centres hand over are read or refused
// with one of the sentinels, and comparing and searching what was read ends.
func FuzzParse(f *testing.F) {
	root, ca := centre(f)
	cert := issued(f, ikSpec("260500005"), pool().k[2], ca)
	key, err := MarshalKey(pool().k[2], "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key)
	f.Add(cert.Raw)
	f.Add(MarshalCertificates(cert, ca.Certificate))
	f.Add(trustList(certs(cert, ca.Certificate), "\r\n"))
	f.Add(slices.Concat([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\x00\x00\xa0\x80"),
		cert.Raw, []byte("\x00\x00\x31\x00\x00\x00\x00\x00\x00\x00")))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ParseCertificates(b)
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNoCertificates) {
			t.Errorf("certificates: %v", err)
		}
		if len(list) > 0 {
			if changes := Diff(list, list); len(changes) > 0 {
				t.Errorf("a list differs from itself: %v", changes)
			}
			d, err := NewDirectory(certs(root.Certificate), list, Options{MinBits: ShortBits})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				for _, ik := range IKs(c) {
					if found, err := d.ForIK(ik, now.Add(time.Hour)); err == nil && !slices.Contains(IKs(found), ik) {
						t.Errorf("%s: found %v", ik, found.Subject)
					}
				}
			}
		}
		if _, err := ParseBundle(b, ""); err != nil && !slices.ContainsFunc([]error{ErrNoKey, ErrEncrypted, ErrPassword, ErrMalformed}, func(e error) bool { return errors.Is(err, e) }) {
			t.Errorf("key: %v", err)
		}
		if _, err := ParseCRLs(b); err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNoCRL) {
			t.Errorf("CRL: %v", err)
		}
	})
}

func certs(list ...*x509.Certificate) []*x509.Certificate { return list }
