package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway301/annex"
	"gateway301/config"
	"gateway301/crypto"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
	"gateway301/exchange"
	"gateway301/store"
)

func newKeyCommand() *cobra.Command {
	c := &cobra.Command{Use: "key", Short: "Look after our keys and everybody's certificates", RunE: group}
	c.AddCommand(newKeyListCommand(), newKeyExpiringCommand(), newKeyRequestCommand(), newKeyImportCommand(), newKeyRehearseCommand())
	return c
}

// A shownKey is the stable JSON form of a certificate in use.
type shownKey struct {
	Use       string    `json:"use"` // own, recipient, ca, crl
	IK        string    `json:"ik,omitempty"`
	Name      string    `json:"name"`
	Serial    string    `json:"serial,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after"`
	Days      int       `json:"days"`
	Stage     int       `json:"stage,omitempty"` // 90, 30, 14, 7, 1; 0: not reached
	Expired   bool      `json:"expired,omitempty"`
	Bits      int       `json:"bits,omitempty"`
	Fault     string    `json:"fault,omitempty"`
	Told      time.Time `json:"told,omitzero"` // when the service told of this stage
}

// uses of a certificate.
const (
	useOwn       = "own"
	useRecipient = "recipient"
	useCA        = "ca"
	useCRL       = "crl"
)

// A keyUse is one certificate or key, and what it is needed for.
type keyUse struct {
	use       string
	ik        string
	name      string
	serial    string // of a certificate; the fingerprint of an OpenPGP key
	notBefore time.Time
	notAfter  time.Time // zero: there is none, or it never ends
	bits      int
	successor bool  // another one for the same purpose ends later
	err       error // why it cannot be used now, or why there is none
}

// certified fills in what a certificate says.
func (u keyUse) certified(c *x509.Certificate) keyUse {
	if u.name == "" {
		u.name = institution(c)
	}
	u.serial, u.notBefore, u.notAfter, u.bits = fmt.Sprintf("%x", c.SerialNumber), c.NotBefore, c.NotAfter, keys.Bits(c)
	return u
}

// uses lists what a configuration needs: our own certificates, those of
// everybody we seal for, the CAs above them, and OpenPGP keys.
func (r *ring) uses(file *config.File, now time.Time) []keyUse {
	var out []keyUse
	for _, id := range file.Identities {
		for _, own := range r.own[id.IK] {
			c := own.Certificate
			out = append(out, keyUse{
				use: useOwn, ik: id.IK, name: id.Name, err: cmp.Or(keys.CheckValidity(c, now), r.directory.CheckRevoked(c, now)),
				successor: slices.ContainsFunc(r.own[id.IK], func(o keys.Own) bool { return o.Certificate.NotAfter.After(c.NotAfter) }),
			}.certified(c))
		}
		out = append(out, pgpUses(keyUse{use: useOwn, ik: id.IK, name: id.Name}, r.pgpOwn[id.IK], now, func(k pgp.Key) error { return k.CanSign(now) })...)
	}
	var cas []*x509.Certificate
	for _, ik := range recipientsOf(file) {
		cert, err := r.directory.ForIK(ik, now)
		use := keyUse{use: useRecipient, ik: ik, err: err}
		if all := r.directory.All(ik); cert == nil && len(all) > 0 {
			cert = all[0]
		}
		if cert != nil {
			use = use.certified(cert)
			cas = append(cas, r.directory.Issuers(cert)...)
		}
		out = append(out, use)
	}
	for _, p := range file.Partners {
		byIK := map[string][]pgp.Key{}
		for _, k := range r.pgp[p.Name] {
			byIK[k.IK] = append(byIK[k.IK], k.Key)
		}
		for _, ik := range slices.Sorted(maps.Keys(byIK)) {
			out = append(out, pgpUses(keyUse{use: useRecipient, ik: ik, name: p.Name}, byIK[ik], now, func(k pgp.Key) error { return k.CanRead(now) })...)
		}
	}
	cas = append(cas, r.directory.Roots()...)
	seen := map[string]bool{}
	for _, ca := range cas {
		if !seen[string(ca.Raw)] {
			seen[string(ca.Raw)] = true
			out = append(out, keyUse{use: useCA, name: ca.Subject.String(), err: keys.CheckValidity(ca, now)}.certified(ca))
		}
	}
	for _, l := range r.directory.CRLs() {
		if !l.NextUpdate.IsZero() { // its end is treated like that of a certificate
			out = append(out, keyUse{use: useCRL, name: l.Issuer.String(), notAfter: l.NextUpdate})
		}
	}
	return out
}

// pgpUses are those of the OpenPGP keys of one holder.
func pgpUses(u keyUse, all []pgp.Key, now time.Time, usable func(pgp.Key) error) []keyUse {
	var out []keyUse
	for _, k := range all {
		u.serial, u.notBefore, u.notAfter, u.err = k.Fingerprint(), k.Created(), k.NotAfter(now), usable(k)
		u.successor = slices.ContainsFunc(all, func(o pgp.Key) bool {
			end := o.NotAfter(now)
			return o.Fingerprint() != k.Fingerprint() && usable(o) == nil && (end.IsZero() || end.After(u.notAfter) && !u.notAfter.IsZero())
		})
		out = append(out, u)
	}
	return out
}

// endings are the notices that are due, for the service to tell once.
func (r *ring) endings(file *config.File) func(now time.Time) []exchange.Notice {
	return func(now time.Time) []exchange.Notice {
		var out []exchange.Notice
		for _, u := range r.uses(file, now) {
			if stage := u.stage(now); stage != keys.Fresh && !u.successor {
				out = append(out, exchange.Notice{Subject: u.subject(), Stage: int(stage), At: now, Text: u.ending(now, file.TimeZone)})
			}
		}
		return out
	}
}

func (u keyUse) stage(now time.Time) keys.Stage {
	if u.notAfter.IsZero() {
		return keys.Fresh
	}
	return keys.StageAt(u.notAfter, now)
}

// subject names a use in the ledger.
func (u keyUse) subject() string {
	return strings.Join(strings.Fields(u.use+" "+u.ik+" "+cmp.Or(u.serial, u.name+" "+u.notAfter.UTC().Format(time.DateOnly))), " ")
}

// ending is the text of a notice.
func (u keyUse) ending(now time.Time, zone *time.Location) string {
	who := map[string]string{useOwn: "own key", useRecipient: "recipient's", useCA: "CA", useCRL: "CRL"}[u.use]
	if u.ik != "" {
		who += " IK " + u.ik
	}
	until := u.notAfter.In(zone).Format(time.DateOnly)
	if u.stage(now) == keys.Expired {
		return fmt.Sprintf("%s, %s: ended on %s", who, cmp.Or(u.serial, u.name), until)
	}
	return fmt.Sprintf("%s, %s: ends on %s, %d days left", who, cmp.Or(u.serial, u.name), until, keys.DaysLeft(u.notAfter, now))
}

// recipientsOf are the IKs that files are encrypted for in CMS.
func recipientsOf(file *config.File) []string {
	var iks []string
	for _, r := range file.Routes {
		if !slices.ContainsFunc(file.Partners, func(p config.Partner) bool { return p.Name == r.Partner && len(p.PGP) > 0 }) {
			iks = append(iks, r.EncryptTo)
		}
	}
	slices.Sort(iks)
	return slices.Compact(iks)
}

func institution(c *x509.Certificate) string {
	return keys.Diff(nil, []*x509.Certificate{c})[0].Name
}

func (u keyUse) show(now time.Time) shownKey {
	s := shownKey{Use: u.use, IK: u.ik, Name: u.name, Serial: u.serial, NotBefore: u.notBefore, NotAfter: u.notAfter, Bits: u.bits}
	if u.err != nil {
		s.Fault = u.err.Error()
	}
	if u.notAfter.IsZero() {
		return s
	}
	switch stage := u.stage(now); stage {
	case keys.Fresh:
	case keys.Expired:
		s.Expired = true
	default:
		s.Stage = int(stage)
	}
	s.Days = keys.DaysLeft(u.notAfter, now)
	return s
}

// ringOf reads a configuration and its keys.
func ringOf(path string, warn io.Writer) (*config.File, *ring, error) {
	file, err := load(path, warn)
	if err != nil {
		return nil, nil, err
	}
	r, err := newRing(file)
	return file, r, err
}

func newKeyListCommand() *cobra.Command {
	var path string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List our keys, the recipients' certificates and their CAs",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			file, r, err := ringOf(path, c.ErrOrStderr())
			if err != nil {
				return err
			}
			now := time.Now()
			t := newTable(c.OutOrStdout(), words(c, "Zweck", "use"), "IK", words(c, "Name", "name"), words(c, "Seriennummer", "serial"),
				words(c, "bis", "until"), words(c, "Tage", "days"), words(c, "Fehler", "fault"))
			for _, u := range r.uses(file, now) {
				s := u.show(now)
				if asJSON {
					if err := writeJSONLine(c.OutOrStdout(), s); err != nil {
						return err
					}
					continue
				}
				until, days := "", ""
				if !u.notAfter.IsZero() {
					until, days = s.NotAfter.In(file.TimeZone).Format(time.DateOnly), fmt.Sprint(s.Days)
				}
				t.AppendRow([]any{useName(c, s.Use), s.IK, printable(s.Name), s.Serial, until, days, printable(s.Fault)})
			}
			if !asJSON {
				t.Render()
			}
			return nil
		},
	}
	configFlag(c, &path)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	return c
}

func useName(c *cobra.Command, use string) string {
	switch use {
	case useOwn:
		return words(c, "eigener Schlüssel", "own key")
	case useRecipient:
		return words(c, "Empfänger", "recipient")
	case useCRL:
		return words(c, "Sperrliste", "CRL")
	}
	return "CA"
}

func newKeyExpiringCommand() *cobra.Command {
	var path string
	var asJSON bool
	c := &cobra.Command{
		Use:   "expiring",
		Short: "Tell which keys and certificates end within 90 days",
		Long: `Tell which keys and certificates in use end within 90, 30, 14, 7 or 1 days, or
have ended, and have no successor yet; and recipients without a certificate that
may be used. Revocation lists past their date still count, and are told.
Exit code 0 when there are none, 7 when there are.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			file, r, err := ringOf(path, c.ErrOrStderr())
			if err != nil {
				return err
			}
			now := time.Now()
			told := toldOf(c.Context(), file)
			due := 0
			for _, u := range r.uses(file, now) {
				s := u.show(now)
				if n, ok := told[u.subject()]; ok {
					s.Told = n.At
				}
				if s.Fault == "" && !s.Expired && s.Stage == 0 || u.successor {
					continue
				}
				due++
				if asJSON {
					err = writeJSONLine(c.OutOrStdout(), s)
				} else {
					_, err = fmt.Fprintln(c.OutOrStdout(), warning(c, u, s, file.TimeZone))
				}
				if err != nil {
					return err
				}
			}
			if due > 0 {
				return codeError{code: exitFindings}
			}
			return nil
		},
	}
	configFlag(c, &path)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	return c
}

// toldOf are the latest notices of the service, by subject; none if it has not
// run yet.
func toldOf(ctx context.Context, file *config.File) map[string]exchange.Notice {
	told := map[string]exchange.Notice{}
	ledger, err := store.OpenReadOnly(file.Ledger)
	if err != nil {
		return told
	}
	defer ledger.Close()
	all, err := ledger.Notices(ctx)
	if err != nil {
		return told
	}
	for _, n := range all {
		told[n.Subject] = n
	}
	return told
}

// warning is one line on something that ends.
func warning(c *cobra.Command, u keyUse, s shownKey, zone *time.Location) string {
	who := useName(c, s.Use)
	if s.IK != "" {
		who += " IK " + s.IK
	} else {
		who += " " + printable(s.Name)
	}
	told := ""
	if !s.Told.IsZero() {
		told = fmt.Sprintf(words(c, ", gemeldet am %s", ", told on %s"), s.Told.In(zone).Format("2006-01-02 15:04"))
	}
	switch until := s.NotAfter.In(zone).Format(time.DateOnly); {
	case s.Expired:
		return fmt.Sprintf(words(c, "%s: abgelaufen am %s", "%s: ended on %s"), who, until) + told
	case s.Fault != "":
		return who + ": " + printable(s.Fault)
	default:
		return fmt.Sprintf(words(c, "%s: endet am %s, noch %d Tage (Stufe %d)", "%s: ends on %s, %d days left (stage %d)"), who, until, s.Days, s.Stage) + told
	}
}

func newKeyRequestCommand() *cobra.Command {
	var subject keys.Subject
	var to, password string
	c := &cobra.Command{
		Use:   "request --ik IK --institution NAME --contact NAME --trust-centre NAME --to DIR",
		Short: "Make a new key and ask the trust centre for its certificate",
		Long: `Make a private key of 4096 bits and a PKCS#10 request for it, named by the first
eight digits of the IK. The hash of the public key is printed for the form. No
file is overwritten. Give --new-password to have the key encrypted.`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&subject.IK, "ik", "", "our Institutionskennzeichen")
	c.Flags().StringVar(&subject.Institution, "institution", "", "our name, as the trust centre knows it")
	c.Flags().StringVar(&subject.Contact, "contact", "", "person to ask")
	c.Flags().StringVar(&subject.TrustCentre, "trust-centre", "", "name of the trust centre, as in its certificates (O)")
	c.Flags().StringVar(&to, "to", ".", "folder for key and request")
	c.Flags().StringVar(&password, "new-password", "", passwordHelp)
	for _, name := range []string{"ik", "institution", "contact", "trust-centre"} {
		must(c.MarkFlagRequired(name))
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := annex.ValidIK(subject.IK); err != nil {
			return usageError{err}
		}
		pass, err := secret(password)
		if err != nil {
			return err
		}
		key, err := keys.NewKey()
		if err != nil {
			return err
		}
		request, err := keys.NewRequest(key, subject)
		if err != nil {
			return err
		}
		private, err := keys.MarshalKey(key, pass)
		if err != nil {
			return err
		}
		keyFile := filepath.Join(to, fmt.Sprintf("%s-%s.key.pem", subject.IK, time.Now().Format("20060102")))
		requestFile := filepath.Join(to, keys.RequestName(subject.IK))
		if err := createFiles(namedFile{keyFile, private}, namedFile{requestFile, request}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), words(c, "Schlüssel: %s\nAntrag: %s\nSHA-256 des öffentlichen Schlüssels: %s\n", "key: %s\nrequest: %s\nSHA-256 of the public key: %s\n"),
			keyFile, requestFile, keys.PublicKeyHash(&key.PublicKey))
		return err
	}
	return c
}

type namedFile struct {
	path string
	data []byte
}

// createFiles makes all of the files, for their owner alone, or none.
func createFiles(files ...namedFile) error {
	for _, f := range files {
		if _, err := os.Lstat(f.path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, &fs.PathError{Op: "create", Path: f.path, Err: fs.ErrExist})
		}
	}
	for i, f := range files {
		err := crypto.Publish(f.path, func(w io.Writer) error {
			_, err := w.Write(f.data)
			return err
		})
		if err != nil {
			for _, done := range files[:i] {
				err = errors.Join(err, os.Remove(done.path))
			}
			return err
		}
	}
	return nil
}

func newKeyImportCommand() *cobra.Command {
	var f keyFlags
	var ik, to string
	c := &cobra.Command{
		Use:   "import --key FILE --cert FILE --trust FILE... --ik IK --to DIR",
		Short: "Put a new key and its certificate in place",
		Long: `Check that a private key and the trust centre's answer (.p7c, PEM, DER) or a
PKCS#12 file belong together, name the IK, lead to the CA certificates of --trust
and may sign and decrypt. Then key and certificate are written as PEM, named by
IK and serial number; no file is overwritten. What to write into the
configuration is printed. A key that was encrypted stays so, under its password.`,
		Args: cobra.NoArgs,
	}
	f.own(c)
	c.Flags().StringArrayVar(&f.trust, "trust", nil, "CA certificates to believe")
	c.Flags().StringVar(&ik, "ik", "", "our Institutionskennzeichen")
	c.Flags().StringVar(&to, "to", ".", "folder for key and certificate")
	for _, name := range []string{"ik", "trust"} {
		must(c.MarkFlagRequired(name))
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		own, err := f.loadOwn()
		if err != nil {
			return err
		}
		mine := latest(own)
		at, err := f.fit(mine, ik)
		if err != nil {
			return err
		}
		password, err := secret(f.password)
		if err != nil {
			return err
		}
		private, err := keys.MarshalKey(mine.Key, password)
		if err != nil {
			return err
		}
		base := filepath.Join(to, fmt.Sprintf("%s-%x", ik, mine.Certificate.SerialNumber))
		if err := createFiles(namedFile{base + ".key.pem", private}, namedFile{base + ".cert.pem", keys.MarshalCertificates(mine.Certificate)}); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "identities:\n  - ik: \"%s\"\n    key: file:%s.key.pem\n    certificate: %s.cert.pem\n", ik, base, base)
		if f.password != "" {
			fmt.Fprintf(c.OutOrStdout(), "    key-password: %s\n", f.password)
		}
		if now := time.Now(); at.After(now) {
			fmt.Fprintf(c.OutOrStdout(), words(c, "# gilt erst ab %s\n", "# not valid before %s\n"), at.Format(time.DateOnly))
		}
		return nil
	}
	return c
}

// fit says whether a key may be put to use for an IK, from the returned moment
// on: now, or when its certificate begins.
func (f *keyFlags) fit(own keys.Own, ik string) (time.Time, error) {
	d, err := f.directory(keys.MinBits)
	if err != nil {
		return time.Time{}, err
	}
	if iks := keys.IKs(own.Certificate); ik != "" && !slices.Contains(iks, ik) {
		return time.Time{}, fmt.Errorf("the certificate is for %s, not IK %s", holder(own.Certificate), ik)
	}
	at := time.Now()
	if at.Before(own.Certificate.NotBefore) {
		at = own.Certificate.NotBefore
	}
	if err := d.Verify(own.Certificate, at); err != nil {
		return at, err
	}
	return at, d.VerifySigner(own.Certificate, nil, at)
}

func newKeyRehearseCommand() *cobra.Command {
	var f keyFlags
	var ik string
	c := &cobra.Command{
		Use:   "rehearse --key FILE --cert FILE --trust FILE...",
		Short: "Try a new key before it is used",
		Long: `Seal random content with a new key for its own certificate, and for those of
--to, and open it again, as the gateway would: chain, validity, usage, length and
algorithms. A certificate that begins later is tried at its first moment.`,
		Args: cobra.NoArgs,
	}
	f.own(c)
	c.Flags().StringArrayVar(&f.trust, "trust", nil, "CA certificates to believe")
	c.Flags().StringArrayVar(&f.to, "to", nil, "certificates of partners to seal for, too")
	c.Flags().StringVar(&ik, "ik", "", "IK that the certificate must name")
	must(c.MarkFlagRequired("trust"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		own, err := f.loadOwn()
		if err != nil {
			return err
		}
		mine := latest(own)
		at, err := f.fit(mine, ik)
		if err != nil {
			return err
		}
		if err := f.rehearse(mine, at); err != nil {
			return fmt.Errorf("%w (%s)", err, crypto.Cause(err))
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), words(c, "%s, Seriennummer %x: versiegelt und geöffnet, gültig %s bis %s\n", "%s, serial %x: sealed and opened, valid %s until %s\n"),
			holder(mine.Certificate), mine.Certificate.SerialNumber, mine.Certificate.NotBefore.Format(time.DateOnly), mine.Certificate.NotAfter.Format(time.DateOnly))
		return err
	}
	return c
}

// rehearsalSize is more than one block of everything that moves in blocks.
const rehearsalSize = 300_000

func (f *keyFlags) rehearse(mine keys.Own, at time.Time) error {
	d, err := f.directory(keys.MinBits)
	if err != nil {
		return err
	}
	others, err := certificates(f.to)
	if err != nil {
		return err
	}
	for _, cert := range others {
		if err := d.Verify(cert, at); err != nil {
			return err
		}
	}
	plain := make([]byte, rehearsalSize)
	rand.Read(plain)
	var sealed bytes.Buffer
	to := append([]*x509.Certificate{mine.Certificate}, others...)
	s, err := crypto.Seal(&sealed, bytes.NewReader(plain), rehearsalSize, mine, to, at)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "gateway-rehearsal-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	opened, err := crypto.OpenFile(filepath.Join(folder, "rehearsal"), &sealed, crypto.OpenOptions{
		Own: []keys.Own{mine}, Directory: d, ReceivedAt: at, Signers: []*x509.Certificate{mine.Certificate},
	})
	if err == nil && opened.SHA256 != s.PlainSHA256 {
		err = errors.New("what came back is not what was sealed")
	}
	return err
}
