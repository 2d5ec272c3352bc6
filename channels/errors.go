package channels

import "errors"

// What callers branch on. Every error of a channel that is not listed here, nor
// a context error, is a reason to try again and never a success.
var (
	// ErrRefused: the partner's side said no, or the settings cannot work.
	// Another try of the same does not help.
	ErrRefused = errors.New("refused")

	// ErrExists: a file that is not ours stands under the final name. It was
	// not touched.
	ErrExists = errors.New("a file that is not ours stands under the final name")

	// ErrLogin: the partner did not accept our name or key. Stop until an
	// operator has looked: repeated failures lock accounts.
	ErrLogin = errors.New("login failed")

	// ErrHostKey: whoever answered is not known to be the partner. Nothing,
	// not even a login, was sent.
	ErrHostKey = errors.New("host key is not pinned")

	// ErrLine: the connection could not be made, was lost or fell silent, or a
	// folder's medium is gone. Nothing stands under the final name. Try again.
	ErrLine = errors.New("line fault")

	// ErrUnknown: the connection was lost while the final name was about to
	// appear, so it may or may not be there. Look before the next attempt, and
	// make that one with Ours.
	ErrUnknown = errors.New("outcome unknown")

	// ErrFull: no space or quota left at the partner's side.
	ErrFull = errors.New("no space left at the partner")

	// ErrSize: the size at the partner's side is not the size we expected.
	ErrSize = errors.New("size differs")

	// ErrName: a name that could mean another place or hide something. Always
	// together with ErrRefused when a call was given such a name.
	ErrName = errors.New("name not allowed")

	// ErrBlind: the settings say that nobody can look into the folder. Always
	// together with ErrRefused; nothing was asked.
	ErrBlind = errors.New("the partner lets nobody look")

	// ErrTooMany: a listing is longer than the settings allow.
	ErrTooMany = errors.New("too many files")

	// ErrLocal: our own side failed: the source could not be read, or what was
	// fetched could not be written. The partner did nothing wrong.
	ErrLocal = errors.New("local file fault")

	// ErrClosed: the channel was closed before or during the call.
	ErrClosed = errors.New("channel closed")
)
