package cms

import (
	"errors"
	"fmt"
)

// ErrNotOpened is what every message that cannot be opened comes to, whatever
// is wrong with it: a partner who could tell a padding fault from a broken
// signature could decrypt with our help.
var ErrNotOpened = errors.New("cms: message cannot be opened")

// An OpenError says that a message cannot be opened. Its text is always that
// of ErrNotOpened; the cause is for the local log alone.
type OpenError struct {
	Cause error
}

func (e *OpenError) Error() string { return ErrNotOpened.Error() }

// Unwrap lets errors.Is find both ErrNotOpened and the cause.
func (e *OpenError) Unwrap() []error { return []error{ErrNotOpened, e.Cause} }

// Causes of an OpenError. Most arrive inside a FormatError.
var (
	// ErrTruncated: the message ends early.
	ErrTruncated = errors.New("message ends early")
	// ErrTrailing: bytes follow the message.
	ErrTrailing = errors.New("bytes after the end of the message")
	// ErrEncoding: the bytes are not BER, or not DER where DER is required.
	ErrEncoding = errors.New("malformed encoding")
	// ErrTooLarge: an element other than the payload, or the nesting, exceeds its limit.
	ErrTooLarge = errors.New("element exceeds its limit")
	// ErrProfile: well-formed, but not the profile of this package.
	ErrProfile = errors.New("not in the profile")
	// ErrPolicy: an algorithm or form that the Policy does not allow.
	ErrPolicy = errors.New("not allowed by policy")
	// ErrNotForUs: no recipient matches one of our keys.
	ErrNotForUs = errors.New("sealed for other recipients")
	// ErrDecryption: the content key or the padding is wrong.
	ErrDecryption = errors.New("decryption fails")
	// ErrUnknownSigner: the signer's certificate is neither in the message nor known.
	ErrUnknownSigner = errors.New("certificate of the signer not found")
	// ErrDigest: the content is not the one that was signed.
	ErrDigest = errors.New("message digest differs")
	// ErrSignature: the signature does not verify.
	ErrSignature = errors.New("signature does not verify")
)

// A Layer names the structure in which a fault lies.
type Layer string

// The two layers of a message.
const (
	Enveloped Layer = "EnvelopedData"
	Signed    Layer = "SignedData"
)

// A FormatError tells where a message departs from what is read here. Offset
// counts the bytes from the start of the layer: of the file for Enveloped, of
// the decrypted content for Signed.
type FormatError struct {
	Layer  Layer
	Offset int64
	Err    error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s at byte %d: %v", e.Layer, e.Offset, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

// Faults of Seal.
var (
	// ErrSize: the source held more or fewer bytes than announced.
	ErrSize = errors.New("cms: source differs from its announced size")
	// ErrKey: the signing key is no RSA key or not the certificate's, or a
	// recipient's key is no RSA key.
	ErrKey = errors.New("cms: unsuitable key")
	// ErrNoRecipient: nobody to seal for.
	ErrNoRecipient = errors.New("cms: no recipient")
)
