package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gateway301/config"
	"gateway301/crypto"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
	"gateway301/pipeline"
)

// readPGP reads our OpenPGP keys and those of the partners with whom OpenPGP was agreed.
func (r *ring) readPGP(file *config.File) error {
	var wrong []error
	for _, id := range file.Identities {
		for _, k := range id.PGP {
			found, err := loadPGP(k)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("identity %s: %w", id.IK, err))
			}
			r.pgpOwn[id.IK] = append(r.pgpOwn[id.IK], found...)
		}
	}
	for _, p := range file.Partners {
		for _, k := range p.PGP {
			found, err := pgp.ReadKeys(k.Key, "")
			if err == nil && slices.ContainsFunc(found, pgp.Key.Private) {
				err = fmt.Errorf("%s: it is a private key, not the partner's public one", k.Key)
			}
			if err != nil {
				wrong = append(wrong, fmt.Errorf("partner %s: %w", p.Name, err))
				continue
			}
			for _, key := range found {
				r.pgp[p.Name] = append(r.pgp[p.Name], pgpKey{crypto.Speaker{Key: key, IK: k.IK}, k.SEIPDv2})
			}
		}
	}
	return errors.Join(wrong...)
}

func loadPGP(k config.Key) ([]pgp.Key, error) {
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
	found, err := pgp.ParseKeys(b, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.Key, err)
	}
	if i := slices.IndexFunc(found, func(key pgp.Key) bool { return !key.Private() }); i >= 0 {
		return nil, fmt.Errorf("%s: %w: %s is a public key", k.Key, pgp.ErrNoKey, found[i].Fingerprint())
	}
	return found, nil
}

// sealingPGP is Sealing for a partner with whom OpenPGP was agreed.
func (r *ring) sealingPGP(partner, signer, recipient string, at time.Time) (crypto.Sealing, error) {
	if len(r.pgpOwn[signer]) == 0 {
		return crypto.Sealing{}, fmt.Errorf("%w %s for OpenPGP", pipeline.ErrNoKey, signer)
	}
	own, err := youngest(r.pgpOwn[signer], func(k pgp.Key) error { return k.CanSign(at) })
	if err != nil {
		return crypto.Sealing{}, fmt.Errorf("own key: %w", err)
	}
	var theirs []pgp.Key
	v2 := map[string]bool{own.Fingerprint(): true}
	for _, k := range r.pgp[partner] {
		if k.IK == recipient {
			theirs = append(theirs, k.Key)
			v2[k.Key.Fingerprint()] = k.v2
		}
	}
	if len(theirs) == 0 {
		return crypto.Sealing{}, fmt.Errorf("OpenPGP key of partner %s: %w", partner, &keys.CertificateError{IKs: []string{recipient}, Err: keys.ErrNone})
	}
	to, err := youngest(theirs, func(k pgp.Key) error { return k.CanRead(at) })
	if err != nil {
		return crypto.Sealing{}, err
	}
	o := pgp.SealOptions{Signer: own, Recipients: []pgp.Recipient{{Key: to, SEIPDv2: v2[to.Fingerprint()]}}}
	if r.copies[signer] {
		o.Recipients = append(o.Recipients, pgp.Recipient{Key: own, SEIPDv2: true})
	}
	return crypto.Sealing{At: at, OpenPGP: &o}, nil
}

// youngest returns the key made last of those that may be used; if there is none,
// the fault is that of the youngest.
func youngest(all []pgp.Key, usable func(pgp.Key) error) (pgp.Key, error) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b pgp.Key) int { return b.Created().Compare(a.Created()) })
	var first error
	for _, k := range all {
		err := usable(k)
		if err == nil {
			return k, nil
		}
		if first == nil {
			first = err
		}
	}
	return pgp.Key{}, first
}

// openingPGP is Opening for a partner with whom OpenPGP was agreed.
func (r *ring) openingPGP(partner string, receivedAt time.Time) crypto.OpenOptions {
	o := &crypto.OpenPGP{}
	for _, own := range r.pgpOwn {
		o.Own = append(o.Own, own...)
	}
	for _, k := range r.pgp[partner] {
		o.Signers = append(o.Signers, k.Speaker)
	}
	return crypto.OpenOptions{ReceivedAt: receivedAt, OpenPGP: o}
}
