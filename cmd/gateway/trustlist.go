package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway301/crypto"
	"gateway301/crypto/keys"
)

func newTrustlistCommand() *cobra.Command {
	c := &cobra.Command{Use: "trustlist", Short: "Compare and take over the trust centres' lists of certificates", RunE: group}
	c.AddCommand(newTrustlistDiffCommand(), newTrustlistImportCommand())
	return c
}

// A listChange is the stable JSON form of a change.
type listChange struct {
	Kind string            `json:"kind"` // added, removed, replaced
	IK   string            `json:"ik,omitempty"`
	Name string            `json:"name"`
	Old  []seenCertificate `json:"old,omitempty"`
	New  []seenCertificate `json:"new,omitempty"`
	Kept int               `json:"kept,omitempty"`
}

func newTrustlistDiffCommand() *cobra.Command {
	var against []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff --against FILE... NEW",
		Short: "Show what a new list adds, removes and replaces, by IK",
		Long: `Compare a new list with the files or folders in use. Lists are PEM, DER, .p7c or
the trust centres' base64 blocks. Exit code 0 when they say the same, 7 when they
differ.`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringArrayVar(&against, "against", nil, "list or folder in use")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	must(c.MarkFlagRequired("against"))
	c.RunE = func(c *cobra.Command, args []string) error {
		old, err := certificates(against)
		if err != nil {
			return err
		}
		list, err := keys.ReadCertificates(args[0])
		if err != nil {
			return err
		}
		changes := keys.Diff(old, list)
		if err := printChanges(c, changes, asJSON); err != nil {
			return err
		}
		if len(changes) > 0 {
			return codeError{code: exitFindings}
		}
		return nil
	}
	return c
}

func printChanges(c *cobra.Command, changes []keys.Change, asJSON bool) error {
	w := c.OutOrStdout()
	count := map[keys.Kind]int{}
	for _, x := range changes {
		count[x.Kind()]++
		var err error
		if asJSON {
			err = writeJSONLine(w, listChange{string(x.Kind()), x.IK, x.Name, seenCertificates(x.Old), seenCertificates(x.New), x.Common})
		} else {
			_, err = fmt.Fprintf(w, "%-9s  %-9s  %s%s\n", kindName(c, x.Kind()), first(x.IK, "CA"), printable(x.Name), detail(c, x))
		}
		if err != nil {
			return err
		}
	}
	if asJSON {
		return nil
	}
	_, err := fmt.Fprintf(w, words(c, "%d neu, %d entfernt, %d ersetzt\n", "%d added, %d removed, %d replaced\n"), count[keys.Added], count[keys.Removed], count[keys.Replaced])
	return err
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func kindName(c *cobra.Command, k keys.Kind) string {
	switch k {
	case keys.Added:
		return words(c, "neu", "added")
	case keys.Removed:
		return words(c, "entfernt", "removed")
	}
	return words(c, "ersetzt", "replaced")
}

// detail names the serial numbers and ends of what goes and comes.
func detail(c *cobra.Command, x keys.Change) string {
	var b strings.Builder
	for _, old := range x.Old {
		fmt.Fprintf(&b, words(c, "; − %x bis %s", "; − %x until %s"), old.SerialNumber, old.NotAfter.Format(time.DateOnly))
	}
	for _, new := range x.New {
		fmt.Fprintf(&b, words(c, "; + %x bis %s", "; + %x until %s"), new.SerialNumber, new.NotAfter.Format(time.DateOnly))
	}
	return b.String()
}

func newTrustlistImportCommand() *cobra.Command {
	var to string
	var trust []string
	var activate, short bool
	c := &cobra.Command{
		Use:   "import --to FILE --trust FILE... NEW",
		Short: "Take over a new list after showing what it changes",
		Long: `Show what NEW changes against FILE, and which of its certificates do not lead to
the CA certificates of --trust. With --activate, FILE is then replaced in one
step, written as PEM, and the list before is kept as .FILE.previous; a list with
certificates that do not lead there is not taken over. The gateway reads it at
its next start. FILE is the one that trust.certificates names.`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&to, "to", "", "list in use, which need not exist yet")
	c.Flags().StringArrayVar(&trust, "trust", nil, "pinned CA certificates")
	c.Flags().BoolVar(&activate, "activate", false, "replace the list in use")
	c.Flags().BoolVar(&short, "short-keys", false, "take keys from 2048 bits")
	must(c.MarkFlagRequired("to"))
	must(c.MarkFlagRequired("trust"))
	c.RunE = func(c *cobra.Command, args []string) error {
		list, err := keys.ReadCertificates(args[0])
		if err != nil {
			return err
		}
		believed, err := certificates(trust)
		if err != nil {
			return err
		}
		roots, _ := authorities(believed)
		old, err := keys.ReadCertificates(to)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		least := keys.MinBits
		if short {
			least = keys.ShortBits
		}
		if err := printChanges(c, keys.Diff(old, list), false); err != nil {
			return err
		}
		bad, err := unfit(c, roots, list, least)
		switch {
		case err != nil:
			return err
		case bad > 0:
			return fmt.Errorf(words(c, "%d Zertifikate der Liste sind nicht zu glauben; nichts übernommen", "%d certificates of the list cannot be believed; nothing taken over"), bad)
		case !activate:
			_, err = fmt.Fprintln(c.OutOrStdout(), words(c, "nichts geändert; mit --activate wird die Liste übernommen", "nothing changed; with --activate the list is taken over"))
			return err
		}
		if err := takeOver(to, list); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), words(c, "%s: %d Zertifikate übernommen\n", "%s: %d certificates taken over\n"), to, len(list))
		return err
	}
	return c
}

// unfit names the participants' certificates that do not lead to a root. That
// one has expired or is not valid yet is no fault of a list.
func unfit(c *cobra.Command, roots, list []*x509.Certificate, least int) (int, error) {
	d, err := keys.NewDirectory(roots, list, keys.Options{MinBits: least})
	if err != nil {
		return 0, err
	}
	bad := 0
	for _, cert := range list {
		if len(keys.IKs(cert)) == 0 {
			continue
		}
		at := time.Now()
		if at.After(cert.NotAfter) {
			at = cert.NotAfter
		} else if at.Before(cert.NotBefore) {
			at = cert.NotBefore
		}
		if err := d.Verify(cert, at); err != nil {
			bad++
			if _, err := fmt.Fprintln(c.OutOrStdout(), err); err != nil {
				return bad, err
			}
		}
	}
	return bad, nil
}

// takeOver replaces the list in use and keeps the one before.
func takeOver(to string, list []*x509.Certificate) error {
	before, err := os.ReadFile(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		// A leading dot keeps it out of folders of certificates.
		previous := filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+".previous")
		if err := crypto.Publish(previous, func(w io.Writer) error {
			_, err := w.Write(before)
			return err
		}); err != nil {
			return err
		}
	}
	return crypto.Publish(to, func(w io.Writer) error {
		_, err := w.Write(keys.MarshalCertificates(list...))
		return err
	})
}
