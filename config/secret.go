package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
)

// What [Secret.Bytes] can complain about. Errors of the file system come
// wrapped as they are.
var (
	ErrNoSecret    = errors.New("no secret is set")
	ErrReference   = errors.New("not a reference to a secret: write file:PATH, env:NAME or credential:NAME")
	ErrOpenToOther = errors.New("readable by group or others")
	ErrNotThere    = errors.New("not set")
	ErrSecretSize  = errors.New("not between 1 byte and 1 MiB")
)

// maxSecret is the most that a key or password may take.
const maxSecret = 1 << 20

// A Secret is a reference to a key or password that stands somewhere else:
//
//	file:PATH        a file that its owner alone may read
//	env:NAME         an environment variable that holds the value itself
//	credential:NAME  a file in $CREDENTIALS_DIRECTORY (systemd LoadCredential=)
//
// The zero value is no secret. A Secret never holds the value and may be logged.
type Secret struct {
	kind secretKind
	name string // absolute path, or name
	text string // as written
}

type secretKind byte

const (
	noSecret secretKind = iota
	secretFile
	secretEnv
	secretCredential
)

// ParseSecret reads a reference; a relative path starts at dir. The error is
// [ErrReference] and does not repeat the text, which may be a secret itself.
func ParseSecret(text, dir string) (Secret, error) {
	kind, name, _ := strings.Cut(text, ":")
	s := Secret{name: name, text: text}
	switch {
	case name == "" || strings.ContainsFunc(name, unicode.IsControl):
		return Secret{}, ErrReference
	case kind == "file":
		s.kind = secretFile
		if !filepath.IsAbs(name) {
			s.name = filepath.Join(dir, name)
		}
	case kind == "env" && !strings.Contains(name, "="):
		s.kind = secretEnv
	case kind == "credential" && filepath.Base(name) == name && name != "." && name != "..":
		s.kind = secretCredential
	default:
		return Secret{}, ErrReference
	}
	return s, nil
}

// IsZero reports whether no secret is set.
func (s Secret) IsZero() bool { return s.kind == noSecret }

// String gives the reference as it was written, never the value.
func (s Secret) String() string { return s.text }

// Path gives the file that holds the secret, and whether there is one: an
// environment variable has none, nor has a credential without
// $CREDENTIALS_DIRECTORY.
func (s Secret) Path() (string, bool) {
	switch s.kind {
	case secretFile:
		return s.name, true
	case secretCredential:
		if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
			return filepath.Join(dir, s.name), true
		}
	}
	return "", false
}

// Bytes reads the secret, at most 1 MiB. A file of the form file:PATH that group
// or others may read is refused; a credential is not, because systemd lends the
// service its own access to it. Errors wrap [ErrNoSecret], [ErrNotThere],
// [ErrOpenToOther], [ErrSecretSize] or come from the file system; none repeats
// the value.
func (s Secret) Bytes() ([]byte, error) {
	switch s.kind {
	case noSecret:
		return nil, ErrNoSecret
	case secretEnv:
		v, ok := os.LookupEnv(s.name)
		if !ok {
			return nil, fmt.Errorf("environment variable %s: %w", s.name, ErrNotThere)
		}
		return s.sized([]byte(v))
	}
	path, ok := s.Path()
	if !ok {
		return nil, fmt.Errorf("credential %s: $CREDENTIALS_DIRECTORY: %w", s.name, ErrNotThere)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not keep us waiting
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, errNotFile)
	}
	if s.kind == secretFile && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is %w (mode %04o); chmod 600 %s", path, ErrOpenToOther, info.Mode().Perm(), path)
	}
	value, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, err
	}
	return s.sized(value)
}

// Password reads the secret as one line: without the line break that editors put
// at the end of a file.
func (s Secret) Password() (string, error) {
	value, err := s.Bytes()
	if err != nil {
		return "", err
	}
	value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
	return string(value), nil
}

func (s Secret) sized(value []byte) ([]byte, error) {
	if len(value) == 0 || len(value) > maxSecret {
		return nil, fmt.Errorf("%s: %w", s.text, ErrSecretSize)
	}
	return value, nil
}
