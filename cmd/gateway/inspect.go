package main

import (
	"bufio"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
)

// A seen file is the stable JSON form of what inspect finds. Nothing of it is
// verified.
type seen struct {
	File         string            `json:"file"`
	Form         string            `json:"form"`     // EnvelopedData, SignedData, OpenPGP, certificates
	Encoding     string            `json:"encoding"` // DER, BER, binary, armour
	Size         int64             `json:"size"`
	Payload      int64             `json:"payload,omitempty"`
	Pieces       int64             `json:"pieces,omitempty"`
	Encryption   string            `json:"encryption,omitempty"`
	Integrity    int               `json:"integrity_version,omitempty"`
	Passwords    int               `json:"passwords,omitempty"`
	Recipients   []seenName        `json:"recipients,omitempty"`
	Digest       string            `json:"digest,omitempty"`
	Signers      []seenName        `json:"signers,omitempty"`
	SigningTime  time.Time         `json:"signing_time,omitzero"`
	Certificates []seenCertificate `json:"certificates,omitempty"`
	Fault        string            `json:"fault,omitempty"`
}

type seenName struct {
	Issuer string `json:"issuer,omitempty"`
	Serial string `json:"serial,omitempty"`
	KeyID  string `json:"key_id,omitempty"`
	Method string `json:"method,omitempty"`
}

type seenCertificate struct {
	IKs       []string  `json:"iks,omitempty"`
	Subject   string    `json:"subject"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Bits      int       `json:"bits"`
	CA        bool      `json:"ca,omitempty"`
}

func newInspectCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a sealed file tells without a key",
		Long: `Show structure, recipients and algorithms of a sealed file (CMS or OpenPGP), the
signer of one that is signed and not encrypted, or the certificates of a list.
Nothing is verified. Exit code 1 when the file departs from its structure; what
could be read until there is shown.`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, fault := inspect(args[0])
		if s == nil {
			return fault
		}
		if fault != nil {
			s.Fault = fault.Error()
		}
		if asJSON {
			if err := writeJSON(c.OutOrStdout(), s); err != nil {
				return err
			}
		} else if err := s.print(c); err != nil {
			return err
		}
		if fault != nil {
			return fmt.Errorf("%s: %w", args[0], fault)
		}
		return nil
	}
	return c
}

// inspect finds out what a file is by how it begins.
func inspect(path string) (*seen, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	const pgpArmour = "-----BEGIN PGP"
	head, err := r.Peek(len(pgpArmour))
	if err != nil && err != io.EOF {
		return nil, err
	}
	s := &seen{File: path}
	if string(head) == pgpArmour || len(head) > 0 && head[0] >= 0x80 {
		return s, s.openPGP(r)
	}
	if certs, err := keys.ReadCertificates(path); err == nil {
		s.Form, s.Certificates = "certificates", seenCertificates(certs)
		info, err := f.Stat()
		if err == nil {
			s.Size = info.Size()
		}
		return s, err
	}
	return s, s.cms(r)
}

func (s *seen) cms(r io.Reader) error {
	m, err := cms.Inspect(r)
	s.Form, s.Encoding = string(m.Layer), "DER"
	if m.Indefinite {
		s.Encoding = "BER"
	}
	s.Size, s.Payload, s.Pieces, s.Encryption, s.Digest, s.SigningTime = m.Size, m.Payload, m.Pieces, m.Content, m.Digest, m.SigningTime
	for _, id := range m.Recipients {
		s.Recipients = append(s.Recipients, seenName{Issuer: id.Issuer, Serial: fmt.Sprintf("%x", id.Serial), Method: id.Method})
	}
	if m.Signer != nil {
		s.Signers = []seenName{{Issuer: m.Signer.Issuer, Serial: fmt.Sprintf("%x", m.Signer.Serial), Method: m.Signer.Method}}
	}
	s.Certificates = seenCertificates(m.Certificates)
	return err
}

func (s *seen) openPGP(r io.Reader) error {
	m, err := pgp.Inspect(r)
	s.Form, s.Encoding, s.Size, s.Integrity, s.Passwords = "OpenPGP", "binary", m.Size, m.Integrity, m.Passwords
	if m.Armoured {
		s.Encoding = "armour"
	}
	for _, id := range m.Recipients {
		s.Recipients = append(s.Recipients, seenName{KeyID: fmt.Sprintf("%016X", id.KeyID), Method: id.Method})
	}
	for _, id := range m.Signers {
		s.Signers = append(s.Signers, seenName{KeyID: fmt.Sprintf("%016X", id)})
	}
	return err
}

func seenCertificates(certs []*x509.Certificate) []seenCertificate {
	var out []seenCertificate
	for _, c := range certs {
		out = append(out, seenCertificate{keys.IKs(c), c.Subject.String(), hex.EncodeToString(c.SerialNumber.Bytes()), c.NotBefore, c.NotAfter, keys.Bits(c), c.IsCA})
	}
	return out
}

func (n seenName) String() string {
	if n.KeyID != "" {
		return n.KeyID + " " + n.Method
	}
	return fmt.Sprintf("%s, serial %s, %s", n.Issuer, n.Serial, n.Method)
}

// print shows it for people.
func (s *seen) print(c *cobra.Command) error {
	w := c.OutOrStdout()
	line := func(de, en, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-20s %s\n", words(c, de, en), printable(value))
		}
	}
	line("Form", "form", s.Form+" "+s.Encoding)
	line("Größe", "size", fmt.Sprintf(words(c, "%d Byte", "%d bytes"), s.Size))
	if s.Payload > 0 {
		line("Nutzlast", "payload", fmt.Sprintf(words(c, "%d Byte in %d Stücken", "%d bytes in %d pieces"), s.Payload, s.Pieces))
	}
	line("Verschlüsselung", "encryption", s.Encryption)
	if s.Integrity > 0 {
		line("Integritätsschutz", "integrity", fmt.Sprintf("SEIPD v%d", s.Integrity))
	}
	if s.Passwords > 0 {
		line("Passwörter", "passwords", fmt.Sprint(s.Passwords))
	}
	for _, r := range s.Recipients {
		line("Empfänger", "recipient", r.String())
	}
	line("Hash", "digest", s.Digest)
	for _, r := range s.Signers {
		line("Unterschrift", "signature", r.String())
	}
	if !s.SigningTime.IsZero() {
		line("Signaturzeit", "signing time", s.SigningTime.Format(time.RFC3339))
	}
	for _, cert := range s.Certificates {
		line("Zertifikat", "certificate", fmt.Sprintf("%s, serial %s, %s – %s, RSA %d", cert.Subject, cert.Serial,
			cert.NotBefore.Format(time.DateOnly), cert.NotAfter.Format(time.DateOnly), cert.Bits))
	}
	if len(s.Recipients) > 0 {
		line("Hinweis", "note", words(c, "wer unterschrieben hat, steht in der Verschlüsselung", "who signed stands inside the encryption"))
	}
	return nil
}
