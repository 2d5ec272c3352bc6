package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gateway301/config"
	"gateway301/crypto"
	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
	"gateway301/pipeline"
)

// A ring holds our keys and the directory of everyone else's certificates.
type ring struct {
	own        map[string][]keys.Own
	copies     map[string]bool // IKs of ours that seal for themselves, too
	all        []keys.Own
	directory  *keys.Directory
	legacy     map[string]*crypto.Legacy // by IK of the recipient
	exceptions []crypto.Exception
	pgpOwn     map[string][]pgp.Key // by IK
	pgp        map[string][]pgpKey  // by name of the partner; CMS with those that are not in it
}

// A pgpKey is a partner's OpenPGP key.
type pgpKey struct {
	crypto.Speaker
	v2 bool
}

func newRing(file *config.File) (*ring, error) {
	r := &ring{own: map[string][]keys.Own{}, copies: map[string]bool{}, legacy: map[string]*crypto.Legacy{},
		pgpOwn: map[string][]pgp.Key{}, pgp: map[string][]pgpKey{}}
	var wrong []error
	if err := r.readPGP(file); err != nil {
		wrong = append(wrong, err)
	}
	for _, id := range file.Identities {
		r.copies[id.IK] = id.OwnCopy
		for _, k := range id.Keys {
			own, err := loadOwn(id.IK, k)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("identity %s: %w", id.IK, err))
				continue
			}
			r.own[id.IK] = append(r.own[id.IK], own...)
			r.all = append(r.all, own...)
		}
	}
	roots, err := certificates(file.Trust.Roots)
	if err != nil {
		wrong = append(wrong, fmt.Errorf("trust roots: %w", err))
	}
	others, err := certificates(file.Trust.Certificates)
	if err != nil {
		wrong = append(wrong, fmt.Errorf("trust certificates: %w", err))
	}
	o, err := r.options(file.Trust)
	if err != nil {
		wrong = append(wrong, err)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	r.directory, err = keys.NewDirectory(roots, others, o)
	return r, err
}

// options reads the exceptions and revocation lists.
func (r *ring) options(t config.Trust) (keys.Options, error) {
	o := keys.Options{ShortKeys: map[string]time.Time{}, Override: map[string]*x509.Certificate{}}
	var wrong []error
	for _, path := range t.CRLs {
		lists, err := keys.ReadCRLs(path)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("trust crls: %w", err))
		}
		o.CRLs = append(o.CRLs, lists...)
	}
	for _, e := range t.Exceptions {
		if e.Certificate != "" {
			certs, err := keys.ReadCertificates(e.Certificate)
			switch {
			case err != nil:
				wrong = append(wrong, fmt.Errorf("exception for IK %s: %w", e.IK, err))
			case len(certs) != 1:
				wrong = append(wrong, fmt.Errorf("exception for IK %s: %s holds %d certificates, not one", e.IK, e.Certificate, len(certs)))
			default:
				o.Override[e.IK] = certs[0]
			}
		}
		if e.ShortKey {
			o.ShortKeys[e.IK] = e.Until
		}
		if e.Write == config.WriteLegacyPKCS1 {
			r.legacy[e.IK] = &crypto.Legacy{Reason: e.Reason, Until: e.Until}
		}
		if len(e.Read) > 0 {
			r.exceptions = append(r.exceptions, crypto.Exception{IK: e.IK, Until: e.Until, Policy: cms.Policy{
				PKCS1KeyTransport: slices.Contains(e.Read, config.OldKeyTransport),
				PKCS1Signature:    slices.Contains(e.Read, config.OldSignature),
				OtherHashes:       slices.Contains(e.Read, config.OldHashes),
			}})
		}
	}
	return o, errors.Join(wrong...)
}

// loadOwn reads a key of ours with every certificate that belongs to it.
func loadOwn(ik string, k config.Key) ([]keys.Own, error) {
	b, err := k.Key.Bytes()
	if err != nil {
		return nil, err
	}
	password := ""
	if !k.Password.IsZero() {
		if password, err = k.Password.Password(); err != nil {
			return nil, err
		}
	}
	bundle, err := keys.ParseBundle(b, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.Key, err)
	}
	where := k.Key.String()
	var certs []*x509.Certificate
	if k.Certificate != "" {
		where = k.Certificate
		if certs, err = keys.ReadCertificates(k.Certificate); err != nil {
			return nil, err
		}
	}
	own := bundle.All(certs...)
	if len(own) == 0 {
		return nil, fmt.Errorf("%s: no certificate belongs to the key", where)
	}
	for _, o := range own {
		if iks := keys.IKs(o.Certificate); !slices.Contains(iks, ik) {
			return nil, fmt.Errorf("%s: the certificate is for IK %s, not %s", where, strings.Join(iks, ", "), ik)
		}
	}
	return own, nil
}

// certificates reads files, and all files of folders.
func certificates(paths []string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	var wrong []error
	for _, path := range paths {
		err := filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") {
				return err
			}
			certs, err := keys.ReadCertificates(path)
			if err != nil {
				wrong = append(wrong, err)
			}
			out = append(out, certs...)
			return nil
		})
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return out, errors.Join(wrong...)
}

// signer returns the key of an identity that is valid at a moment, not revoked, and
// ends last.
func (r *ring) signer(ik string, at time.Time) (crypto.Signer, error) {
	var best crypto.Signer
	var fault error
	for _, own := range r.own[ik] {
		if err := cmp.Or(keys.CheckValidity(own.Certificate, at), r.directory.CheckRevoked(own.Certificate, at)); err != nil {
			fault = err
			continue
		}
		if best.Certificate == nil || own.Certificate.NotAfter.After(best.Certificate.NotAfter) {
			best = own
		}
	}
	switch {
	case best.Certificate != nil:
		return best, nil
	case fault != nil:
		return best, fmt.Errorf("own key: %w", fault)
	}
	return best, fmt.Errorf("%w %s", pipeline.ErrNoKey, ik)
}

// Sealing says how a file is signed as one IK and sealed for another: for which
// certificates and with which algorithms.
func (r *ring) Sealing(partner, signer, recipient string, at time.Time) (crypto.Sealing, error) {
	if len(r.pgp[partner]) > 0 {
		return r.sealingPGP(partner, signer, recipient, at)
	}
	own, err := r.signer(signer, at)
	if err != nil {
		return crypto.Sealing{}, err
	}
	cert, err := r.directory.ForIK(recipient, at)
	if err != nil {
		return crypto.Sealing{}, err
	}
	s := crypto.Sealing{Signer: own, Recipients: []*x509.Certificate{cert}, At: at, Legacy: r.legacy[recipient]}
	if slices.ContainsFunc(keys.IKs(own.Certificate), func(own string) bool { return r.copies[own] }) {
		s.Recipients = append(s.Recipients, own.Certificate)
	}
	return s, nil
}

// Opening says how files are opened: with every own key, old ones too.
func (r *ring) Opening(partner string, receivedAt time.Time) crypto.OpenOptions {
	if len(r.pgp[partner]) > 0 {
		return r.openingPGP(partner, receivedAt)
	}
	return crypto.OpenOptions{Own: r.all, Directory: r.directory, ReceivedAt: receivedAt, Exceptions: r.exceptions}
}
