package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// messageType is the title of an armoured message.
const messageType = "PGP MESSAGE"

// unarmoured returns the packets of a message, binary or in ASCII armour.
func unarmoured(r *bufio.Reader) (body io.Reader, armoured bool, err error) {
	const begin = "-----BEGIN "
	if head, err := r.Peek(len(begin)); err != nil || string(head) != begin {
		return r, false, nil
	}
	// armor.Decode goes on reading with this very buffer.
	block, err := armor.Decode(r)
	switch {
	case errors.Is(err, io.EOF):
		return nil, true, fmt.Errorf("%w: armour without end of its head", ErrNoMessage)
	case err != nil:
		return nil, true, err
	case block.Type != messageType:
		return nil, true, fmt.Errorf("%w: %s", ErrNoMessage, block.Type)
	}
	return block.Body, true, nil
}

// atEnd demands that nothing follows the message: what stands there would be
// neither encrypted nor signed. Behind armour its last line and blank space are allowed.
func atEnd(body io.Reader, r *bufio.Reader, armoured bool) error {
	var one [1]byte
	switch _, err := io.ReadFull(body, one[:]); {
	case err == nil:
		return ErrTrailing
	case !errors.Is(err, io.EOF):
		return err
	}
	// The library stops reading before the last line if a checksum stands there.
	rest, err := io.ReadAll(io.LimitReader(r, maxRest))
	if armoured {
		rest = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(rest), []byte("-----END "+messageType+"-----")))
	}
	if err == nil && len(rest) > 0 {
		return ErrTrailing
	}
	return err
}

// maxRest is how much may stand behind the base64 of an armoured message.
const maxRest = 512
