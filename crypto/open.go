package crypto

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
)

// ErrNotOpened is what every file that is damaged, not for us or not properly
// signed comes to. The cause, for the local log alone, is in *cms.OpenError.
var ErrNotOpened = cms.ErrNotOpened

// ErrSigningTime reports a signing time that the signer's certificate or our
// clock contradicts.
var ErrSigningTime = errors.New("signing time contradicts certificate or receipt")

// Skew is how far a partner's clock may be ahead of ours.
const Skew = 10 * time.Minute

// OpenOptions say with which keys a file is opened and whom to believe.
type OpenOptions struct {
	Own       []keys.Own      // every own key, old ones too: a late answer is sealed to the old one
	Directory *keys.Directory // whom to believe; required
	// ReceivedAt is when we recorded the receipt of the file. The signer's
	// certificate is judged at that moment, so that a file of 31 December
	// opens on 1 January.
	ReceivedAt time.Time
	Policy     cms.Policy // the zero value is the profile
}

// Opened is what is known of an opened file. All of it is verified, except
// SigningTime, which the signer claims.
type Opened struct {
	Signer      *x509.Certificate
	SignerIKs   []string
	Recipient   *x509.Certificate // the own certificate whose key opened it
	Size        int64             // of the plain file, bytes
	SHA256      [sha256.Size]byte // of the plain file
	SigningTime time.Time         // zero if the signer states none
}

// unverified ends the names of files that nobody may read yet.
const unverified = ".unverified"

// Unverified reports whether name is that of a temporary file of OpenFile. If
// one is left over, the program was killed while opening; it may be removed
// when no OpenFile is running in its folder.
func Unverified(name string) bool {
	return strings.HasPrefix(filepath.Base(name), ".") && strings.HasSuffix(name, unverified)
}

// OpenFile decrypts and verifies src into the file dst, mode 0600. The content
// arrives under a temporary name in dst's folder (see Unverified); only after
// the last check is it synced, renamed to dst, which it replaces, and the
// folder synced. On any fault the temporary file is erased and dst is as it
// was, unless syncing the folder was what went wrong.
//
// A file that cannot be opened is ErrNotOpened. A signer who is not to be
// believed is a *keys.CertificateError, a signing time out of place
// ErrSigningTime. Errors of src and of the disk are returned as they are.
func OpenFile(dst string, src io.Reader, o OpenOptions) (opened Opened, err error) {
	root, err := os.OpenRoot(filepath.Dir(dst))
	if err != nil {
		return Opened{}, err
	}
	defer root.Close()
	name := filepath.Base(dst)
	temporary := "." + name + "." + rand.Text() + unverified
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Opened{}, err
	}
	defer func() {
		if f != nil {
			f.Close()
		}
		if err != nil {
			opened = Opened{}
			if gone := root.Remove(temporary); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
	}()
	if opened, err = open(f, src, o); err != nil {
		return Opened{}, err
	}
	if err = f.Sync(); err != nil {
		return Opened{}, err
	}
	err, f = f.Close(), nil
	if err != nil {
		return Opened{}, err
	}
	if err = root.Rename(temporary, name); err != nil {
		return Opened{}, err
	}
	return opened, syncFolder(root)
}

func syncFolder(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// open writes the content to dst and judges its signer.
func open(dst io.Writer, src io.Reader, o OpenOptions) (Opened, error) {
	own := make([]cms.Key, len(o.Own))
	for i, k := range o.Own {
		own[i] = cms.Key{Certificate: k.Certificate, Key: k.Key}
	}
	m, err := cms.Open(dst, src, cms.OpenOptions{Keys: own, Find: o.Directory.Find, Policy: o.Policy})
	if err != nil {
		return Opened{}, err
	}
	if err := o.Directory.VerifySigner(m.Signer, m.Certificates, o.ReceivedAt); err != nil {
		return Opened{}, fmt.Errorf("signer: %w", err)
	}
	if err := checkSigningTime(m, o.ReceivedAt); err != nil {
		return Opened{}, err
	}
	return Opened{
		Signer:      m.Signer,
		SignerIKs:   keys.IKs(m.Signer),
		Recipient:   m.Recipient,
		Size:        m.Size,
		SHA256:      m.SHA256,
		SigningTime: m.SigningTime,
	}, nil
}

// checkSigningTime demands that the claimed time, if there is one, lies within
// the certificate and not after the receipt.
func checkSigningTime(m *cms.Message, received time.Time) error {
	t := m.SigningTime
	if t.IsZero() {
		return nil
	}
	const form = "2006-01-02 15:04:05 MST"
	if t.After(received.Add(Skew)) {
		return fmt.Errorf("%w: signed %s, received %s", ErrSigningTime, t.Format(form), received.UTC().Format(form))
	}
	if err := keys.CheckValidity(m.Signer, t); err != nil {
		return fmt.Errorf("%w: signed %s: %w", ErrSigningTime, t.Format(form), err)
	}
	return nil
}
