package pgp

import "errors"

// ErrNotOpened is what every message that cannot be opened comes to, whatever
// is wrong with it.
var ErrNotOpened = errors.New("pgp: message cannot be opened")

// An OpenError says that a message cannot be opened. Its text is always that
// of ErrNotOpened; the cause is for the local log alone.
type OpenError struct {
	Cause error
}

func (e *OpenError) Error() string { return ErrNotOpened.Error() }

// Unwrap lets errors.Is find both ErrNotOpened and the cause.
func (e *OpenError) Unwrap() []error { return []error{ErrNotOpened, e.Cause} }

// Causes of an OpenError, besides those of the library.
var (
	// ErrNotEncrypted: the message, or a part of it, is not encrypted.
	ErrNotEncrypted = errors.New("message is not encrypted")
	// ErrNotSigned: the message bears no signature.
	ErrNotSigned = errors.New("message is not signed")
	// ErrSignature: no signature of a known signer verifies.
	ErrSignature = errors.New("no valid signature of a known signer")
	// ErrSigningTime: signed after it was received.
	ErrSigningTime = errors.New("signing time contradicts receipt")
	// ErrTruncated: the last packet announces more than comes.
	ErrTruncated = errors.New("message ends early")
	// ErrTrailing: something follows the message.
	ErrTrailing = errors.New("data after the end of the message")
)

// Faults of keys.
var (
	// ErrNoKey: nothing in the input is an OpenPGP key, or not the kind wanted.
	ErrNoKey = errors.New("pgp: no suitable key")
	// ErrPassword: the private key needs a password, or another one.
	ErrPassword = errors.New("pgp: private key is locked")
	// ErrKey: a key must not be used: version, length, expired, revoked.
	ErrKey = errors.New("pgp: unsuitable key")
)
