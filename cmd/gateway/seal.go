package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway301/config"
	"gateway301/crypto"
	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
)

// keyFlags name our keys and the certificates of others on a command line.
type keyFlags struct {
	profile  string
	keys     []string
	password string
	certs    []string
	to       []string
	trust    []string
	signers  []string
	legacy   bool
	reason   string
	received string
}

const passwordHelp = "password of the private key, as file:PATH, env:NAME or credential:NAME"

// own adds the flags of our own key.
func (f *keyFlags) own(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.keys, "key", nil, "our private key: PEM, PKCS#12 or OpenPGP")
	c.Flags().StringVar(&f.password, "key-password", "", passwordHelp)
	c.Flags().StringArrayVar(&f.certs, "cert", nil, "our certificate, unless the key file holds it")
	must(c.MarkFlagRequired("key"))
}

// must ends the program on a mistake of its own, such as a flag misspelt here.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (f *keyFlags) profiles(c *cobra.Command) {
	c.Flags().StringVar(&f.profile, "profile", "cms", "cms (SECON) or pgp (OpenPGP)")
}

func newSealCommand() *cobra.Command {
	var f keyFlags
	c := &cobra.Command{
		Use:   "seal --key FILE --cert FILE --to FILE... IN OUT",
		Short: "Sign and encrypt one file by hand",
		Long: `Sign IN with our key and encrypt it for every certificate of --to. OUT appears
only when it is complete. Certificates have to be valid now, meant for the use,
and of RSA 4096 bits; with --trust their chain is checked, too. With
--legacy-pkcs1 the old algorithms are written and keys from 2048 bits are taken.`,
		Args: cobra.ExactArgs(2),
	}
	f.own(c)
	f.profiles(c)
	c.Flags().StringArrayVar(&f.to, "to", nil, "certificate (or OpenPGP key) of a recipient")
	c.Flags().StringArrayVar(&f.trust, "trust", nil, "CA certificates that the recipients must lead to")
	c.Flags().StringVar(&f.reason, "legacy-pkcs1", "", "write PKCS#1 v1.5, for this `reason`")
	must(c.MarkFlagRequired("to"))
	c.RunE = func(c *cobra.Command, args []string) error {
		in, size, err := openInput(args[0], args[1])
		if err != nil {
			return err
		}
		defer in.Close()
		var seal func(io.Writer) (written int64, err error)
		var to string
		switch f.profile {
		case "cms":
			seal, to, err = f.sealCMS(in, size)
		case "pgp":
			seal, to, err = f.sealPGP(in)
		default:
			err = usageError{fmt.Errorf("unknown profile %q", f.profile)}
		}
		if err != nil {
			return err
		}
		var written int64
		if err := crypto.Publish(args[1], func(w io.Writer) (err error) {
			written, err = seal(w)
			return err
		}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), words(c, "%s: versiegelt für %s, %d Byte\n", "%s: sealed for %s, %d bytes\n"), args[1], to, written)
		return err
	}
	return c
}

// openInput opens the file to work on, which must not be the one to be made.
func openInput(in, out string) (*os.File, int64, error) {
	f, err := os.Open(in)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", in)
	}
	if other, missing := os.Stat(out); err == nil && missing == nil && os.SameFile(info, other) {
		err = usageError{fmt.Errorf("%s and %s are one file", in, out)}
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func (f *keyFlags) sealCMS(in io.Reader, size int64) (func(io.Writer) (int64, error), string, error) {
	own, err := f.loadOwn()
	if err != nil {
		return nil, "", err
	}
	to, err := certificates(f.to)
	if err != nil {
		return nil, "", err
	}
	now := time.Now()
	least := keys.MinBits
	s := crypto.Sealing{Signer: latest(own), Recipients: to, At: now}
	if f.reason != "" {
		least = keys.ShortBits
		s.Legacy = &crypto.Legacy{Reason: f.reason, Until: now.Add(time.Second)} // for this one file
	}
	var who []string
	for _, c := range append(slices.Clone(to), s.Signer.Certificate) {
		if err := keys.CheckLength(c, least); err != nil {
			return nil, "", err
		}
	}
	for _, c := range to {
		who = append(who, holder(c))
	}
	if len(f.trust) > 0 {
		d, err := f.directory(least)
		if err != nil {
			return nil, "", err
		}
		for _, c := range to {
			if err := d.Verify(c, now); err != nil {
				return nil, "", err
			}
		}
	}
	return func(w io.Writer) (int64, error) {
		sealed, err := crypto.SealAs(w, in, size, s)
		return sealed.SealedSize, err
	}, strings.Join(who, ", "), nil
}

// holder names who a certificate belongs to.
func holder(c *x509.Certificate) string {
	if iks := keys.IKs(c); len(iks) > 0 {
		return "IK " + strings.Join(iks, ", ")
	}
	return c.Subject.String()
}

func (f *keyFlags) sealPGP(in io.Reader) (func(io.Writer) (int64, error), string, error) {
	own, err := f.loadPGP(f.keys)
	if err != nil {
		return nil, "", err
	}
	to, err := f.loadPGP(f.to)
	if err != nil {
		return nil, "", err
	}
	o := pgp.SealOptions{Signer: own[0], At: time.Now()}
	var who []string
	for _, k := range to {
		o.Recipients = append(o.Recipients, pgp.Recipient{Key: k})
		who = append(who, k.Fingerprint())
	}
	return func(w io.Writer) (int64, error) {
		sealed, err := pgp.Seal(w, in, o)
		return sealed.SealedSize, err
	}, strings.Join(who, ", "), nil
}

// secret reads the password of our keys; none is the empty one.
func secret(reference string) (string, error) {
	if reference == "" {
		return "", nil
	}
	s, err := config.ParseSecret(reference, ".")
	if err != nil {
		return "", usageError{err}
	}
	return s.Password()
}

// loadOwn pairs every key with all certificates that belong to it.
func (f *keyFlags) loadOwn() ([]keys.Own, error) {
	password, err := secret(f.password)
	if err != nil {
		return nil, err
	}
	certs, err := certificates(f.certs)
	if err != nil {
		return nil, err
	}
	var own []keys.Own
	for _, path := range f.keys {
		bundle, err := keys.ReadBundle(path, password)
		switch {
		case errors.Is(err, keys.ErrEncrypted) && f.password == "":
			return nil, fmt.Errorf("%w; name its password with --key-password", err)
		case errors.Is(err, keys.ErrNoKey) && isOpenPGP(path, password):
			return nil, fmt.Errorf("%w: it is an OpenPGP key, and files in CMS need one with an X.509 certificate; 'seal' and 'open' take it with --profile pgp", err)
		case err != nil:
			return nil, err
		}
		all := bundle.All(certs...)
		switch {
		case len(all) > 0:
		case len(f.certs) == 0:
			return nil, fmt.Errorf("%s: no certificate belongs to the key; name it with --cert", path)
		default:
			return nil, fmt.Errorf("%s: %w in %s", path, keys.ErrMismatch, strings.Join(f.certs, ", "))
		}
		own = append(own, all...)
	}
	return own, nil
}

// isOpenPGP reports whether a file holds an OpenPGP key, locked or not.
func isOpenPGP(path, password string) bool {
	_, err := pgp.ReadKeys(path, password)
	return err == nil || errors.Is(err, pgp.ErrPassword)
}

// latest is the one whose certificate ends last.
func latest(own []keys.Own) keys.Own {
	return slices.MaxFunc(own, func(a, b keys.Own) int { return a.Certificate.NotAfter.Compare(b.Certificate.NotAfter) })
}

// directory believes every CA certificate of --trust.
func (f *keyFlags) directory(least int) (*keys.Directory, error) {
	certs, err := certificates(f.trust)
	if err != nil {
		return nil, err
	}
	signers, err := certificates(f.signers)
	if err != nil {
		return nil, err
	}
	roots, others := authorities(certs)
	if len(roots) == 0 {
		return nil, fmt.Errorf("--trust %s: no certificate of a CA", strings.Join(f.trust, ", "))
	}
	return keys.NewDirectory(roots, append(others, signers...), keys.Options{MinBits: least})
}

// authorities parts CA certificates from those of participants.
func authorities(certs []*x509.Certificate) (cas, others []*x509.Certificate) {
	for _, c := range certs {
		if c.IsCA {
			cas = append(cas, c)
		} else {
			others = append(others, c)
		}
	}
	return cas, others
}

func (f *keyFlags) loadPGP(paths []string) ([]pgp.Key, error) {
	password, err := secret(f.password)
	if err != nil {
		return nil, err
	}
	var all []pgp.Key
	for _, path := range paths {
		found, err := pgp.ReadKeys(path, password)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func newOpenCommand() *cobra.Command {
	var f keyFlags
	c := &cobra.Command{
		Use:   "open --key FILE --cert FILE --trust FILE... IN OUT",
		Short: "Decrypt and verify one file by hand",
		Long: `Decrypt IN with one of our keys and verify who signed it. OUT appears only when
everything is verified; otherwise nothing does, and the exit code is 1. Every CA
certificate in the files of --trust is believed; with --signer, files of others
than these signers are refused, too. --allow-legacy takes PKCS#1 v1.5, other
SHA-2 hashes and keys from 2048 bits.`,
		Args: cobra.ExactArgs(2),
	}
	f.own(c)
	f.profiles(c)
	c.Flags().StringArrayVar(&f.trust, "trust", nil, "CA certificates (or OpenPGP keys) to believe")
	c.Flags().StringArrayVar(&f.signers, "signer", nil, "certificate (or OpenPGP key) of the one who must have signed")
	c.Flags().BoolVar(&f.legacy, "allow-legacy", false, "take the old algorithms, too")
	c.Flags().StringVar(&f.received, "received", "", "when the file was received, such as 2026-12-31T23:10:00+01:00 (default now)")
	c.RunE = func(c *cobra.Command, args []string) error {
		at := time.Now()
		if f.received != "" {
			var err error
			if at, err = time.Parse(time.RFC3339, f.received); err != nil {
				return usageError{fmt.Errorf("--received %q: not a moment such as 2026-12-31T23:10:00+01:00", f.received)}
			}
		}
		in, _, err := openInput(args[0], args[1])
		if err != nil {
			return err
		}
		defer in.Close()
		var who string
		var size int64
		switch f.profile {
		case "cms":
			who, size, err = f.openCMS(args[1], in, at)
		case "pgp":
			who, size, err = f.openPGP(args[1], in, at)
		default:
			err = usageError{fmt.Errorf("unknown profile %q", f.profile)}
		}
		if err != nil { // here is the local log
			if cause := crypto.Cause(err); cause != err.Error() {
				return fmt.Errorf("%w (%s)", err, cause)
			}
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), words(c, "%s: geöffnet, unterschrieben von %s, %d Byte\n", "%s: opened, signed by %s, %d bytes\n"), args[1], who, size)
		return err
	}
	return c
}

func (f *keyFlags) openCMS(dst string, in io.Reader, at time.Time) (who string, size int64, err error) {
	if len(f.trust) == 0 {
		return "", 0, usageError{errors.New(`required flag "trust" not set`)}
	}
	own, err := f.loadOwn()
	if err != nil {
		return "", 0, err
	}
	signers, err := certificates(f.signers)
	if err != nil {
		return "", 0, err
	}
	o := crypto.OpenOptions{Own: own, ReceivedAt: at, Signers: signers}
	least := keys.MinBits
	if f.legacy {
		least = keys.ShortBits
		o.Policy = cms.Policy{PKCS1KeyTransport: true, PKCS1Signature: true, OtherHashes: true}
	}
	if o.Directory, err = f.directory(least); err != nil {
		return "", 0, err
	}
	opened, err := crypto.OpenFile(dst, in, o)
	if err != nil {
		return "", 0, err
	}
	return holder(opened.Signer), opened.Size, nil
}

func (f *keyFlags) openPGP(dst string, in io.Reader, at time.Time) (who string, size int64, err error) {
	own, err := f.loadPGP(f.keys)
	if err != nil {
		return "", 0, err
	}
	believed := f.signers
	if len(believed) == 0 {
		believed = f.trust
	}
	if len(believed) == 0 {
		return "", 0, usageError{errors.New(`neither "--trust" nor "--signer": whose signature is to be believed?`)}
	}
	signers, err := f.loadPGP(believed)
	if err != nil {
		return "", 0, err
	}
	m, err := crypto.OpenPGPFile(dst, in, pgp.OpenOptions{Own: own, Signers: signers, ReceivedAt: at})
	if err != nil {
		return "", 0, err
	}
	return m.Signer.Fingerprint(), m.Size, nil
}
