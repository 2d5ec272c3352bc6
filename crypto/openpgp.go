package crypto

import (
	"io"

	"gateway301/crypto/pgp"
)

// OpenPGPFile decrypts and verifies an OpenPGP message into the file dst, as
// Publish does: on any fault nothing is left and dst is as it was. A message
// that cannot be opened, or is not signed by one of the signers, is
// pgp.ErrNotOpened.
func OpenPGPFile(dst string, src io.Reader, o pgp.OpenOptions) (*pgp.Message, error) {
	var m *pgp.Message
	err := Publish(dst, func(w io.Writer) (err error) {
		m, err = pgp.Open(w, src, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}
