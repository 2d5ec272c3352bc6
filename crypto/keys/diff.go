package keys

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
)

// A Change is what a new trust list changes for one participant, or for one
// name of a CA.
type Change struct {
	IK     string // empty for certificates without one, such as CAs
	Name   string // institution; for a CA its subject
	Old    []*x509.Certificate
	New    []*x509.Certificate
	Common int // certificates that stay
}

// Kind is what a change comes to.
type Kind string

// The kinds.
const (
	Added    Kind = "added"    // nobody of that IK before
	Removed  Kind = "removed"  // nobody of that IK after
	Replaced Kind = "replaced" // other certificates than before; some may have stayed
)

// Kind tells what the change comes to.
func (c Change) Kind() Kind {
	switch {
	case c.Common > 0, len(c.Old) > 0 && len(c.New) > 0:
		return Replaced
	case len(c.Old) > 0:
		return Removed
	}
	return Added
}

// Diff compares two trust lists, by IK: old is what is in use, new what would
// be. Old and New of a change hold only certificates that are not in the other
// list. A certificate with several IKs shows under each. The changes come in the
// order of their IKs, those without IK first.
func Diff(old, new []*x509.Certificate) []Change {
	type holder struct{ old, new map[string]*x509.Certificate }
	who := map[string]*holder{}
	at := func(key string) *holder {
		if who[key] == nil {
			who[key] = &holder{map[string]*x509.Certificate{}, map[string]*x509.Certificate{}}
		}
		return who[key]
	}
	for _, c := range old {
		for _, key := range holders(c) {
			at(key).old[string(c.Raw)] = c
		}
	}
	for _, c := range new {
		for _, key := range holders(c) {
			at(key).new[string(c.Raw)] = c
		}
	}
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(who)) {
		h := who[key]
		c := Change{Old: without(h.old, h.new), New: without(h.new, h.old)}
		if len(c.Old) == 0 && len(c.New) == 0 {
			continue
		}
		c.Common = len(h.old) - len(c.Old)
		c.IK, _ = strings.CutPrefix(key, "IK")
		if c.IK == key {
			c.IK = ""
		}
		c.Name = nameOf(slices.Concat(c.New, c.Old)[0])
		changes = append(changes, c)
	}
	return changes
}

// holders are what a certificate is listed under: its IKs, or its subject.
func holders(c *x509.Certificate) []string {
	iks := IKs(c)
	if len(iks) == 0 {
		return []string{"\x00" + c.Subject.String()}
	}
	for i := range iks {
		iks[i] = "IK" + iks[i]
	}
	return iks
}

// without returns the certificates of a that are not in b, the one that ends
// last first.
func without(a, b map[string]*x509.Certificate) []*x509.Certificate {
	var only []*x509.Certificate
	for _, raw := range slices.Sorted(maps.Keys(a)) {
		if b[raw] == nil {
			only = append(only, a[raw])
		}
	}
	return sorted(only)
}

// nameOf is the institution's name: the first organisational unit that is no
// IK, or the whole subject.
func nameOf(c *x509.Certificate) string {
	for _, ou := range c.Subject.OrganizationalUnit {
		if len(IKs(c)) > 0 && !(strings.HasPrefix(ou, "IK") && digits(ou[2:])) {
			return ou
		}
	}
	return c.Subject.String()
}

// MarshalCertificates writes certificates in PEM.
func MarshalCertificates(certs ...*x509.Certificate) []byte {
	var b []byte
	for _, c := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return b
}
