package crypto

import (
	"errors"

	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
	"gateway301/crypto/pgp"
)

// IsKeyFault reports whether err says that a key or certificate may not be used
// (missing, expired, weak, untrusted, meant for something else), so that another
// try with the same keys cannot help.
func IsKeyFault(err error) bool {
	_, certificate := errors.AsType[*keys.CertificateError](err)
	_, mode := errors.AsType[*keys.ModeError](err)
	return certificate || mode || errors.Is(err, cms.ErrKey) || errors.Is(err, ErrLegacy) || errors.Is(err, pgp.ErrKey)
}

// Refused reports whether err says that a file is damaged, not for us, or not
// signed by somebody to be believed, and not that disk or line failed.
func Refused(err error) bool {
	return errors.Is(err, ErrNotOpened) || errors.Is(err, pgp.ErrNotOpened) || errors.Is(err, ErrSigningTime) ||
		errors.Is(err, ErrOtherSigner) || IsKeyFault(err)
}

// ErrSize reports that the plain file did not have the size that was announced.
var ErrSize = cms.ErrSize

// Cause tells exactly what is wrong with a file that was not opened. It is for
// the local log alone: to the outside all such faults look alike.
func Cause(err error) string {
	if e, ok := errors.AsType[*cms.OpenError](err); ok && e.Cause != nil {
		return e.Cause.Error()
	}
	if e, ok := errors.AsType[*pgp.OpenError](err); ok && e.Cause != nil {
		return e.Cause.Error()
	}
	return err.Error()
}
