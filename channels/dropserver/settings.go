package dropserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
)

// Settings of a server. HostKeys and Accounts are required, everything else has a
// default.
type Settings struct {
	HostKeys []ssh.Signer // RSA keys sign with SHA-2 only
	Accounts []Account
	Audit    func(Event) // called from several goroutines; nil is silence

	MaxConnections int // in all, default 256
	MaxPerAccount  int // connections logged in at once, default 16
	MaxLoginTries  int // per connection, default 6: a client may offer several keys
	MaxHandles     int // open files and folders per connection, default 256

	LoginTime time.Duration // from connect to login, default 30 s
	IdleTime  time.Duration // a connection without any request ends, default 15 min
	DrainTime time.Duration // how long Serve waits for transfers once its context has ended, default 30 s
	QuietTime time.Duration // while draining, a connection without open files and requests ends after it, default 1 s
}

// An Account is one partner.
type Account struct {
	Name string
	Keys []ssh.PublicKey // any of them logs in
	Root string          // the jail on our disk; "in" and "out" are made below it with mode 0700

	// ReadBack lets the account read in "in" too, to compare what it uploaded.
	ReadBack bool
}

// ErrSettings reports settings that cannot work.
var ErrSettings = errors.New("drop server settings")

// checked returns s with its defaults, or all that is wrong with it.
func (s Settings) checked() (Settings, error) {
	var wrong []error
	complain := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf("%w: "+format, append([]any{ErrSettings}, args...)...))
		}
	}
	complain(len(s.HostKeys) == 0, "no host key")
	names, roots := map[string]bool{}, map[string]string{}
	for _, a := range s.Accounts {
		complain(a.Name == "", "account without a name")
		complain(names[a.Name], "account %q appears twice", a.Name)
		complain(len(a.Keys) == 0, "account %q has no key", a.Name)
		complain(a.Root == "", "account %q has no folder", a.Name)
		root := filepath.Clean(a.Root)
		complain(roots[root] != "", "accounts %q and %q share the folder %s", a.Name, roots[root], root)
		names[a.Name], roots[root] = true, a.Name
	}
	for _, limit := range []int{s.MaxConnections, s.MaxPerAccount, s.MaxLoginTries, s.MaxHandles} {
		complain(limit < 0, "negative limit %d", limit)
	}
	setDefault(&s.MaxConnections, 256)
	setDefault(&s.MaxPerAccount, 16)
	setDefault(&s.MaxLoginTries, 6)
	setDefault(&s.MaxHandles, 256)
	setDefault(&s.LoginTime, 30*time.Second)
	setDefault(&s.IdleTime, 15*time.Minute)
	setDefault(&s.DrainTime, 30*time.Second)
	setDefault(&s.QuietTime, time.Second)
	if s.Audit == nil {
		s.Audit = func(Event) {}
	}
	return s, errors.Join(wrong...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// prepare makes the folders of an account.
func (a *Account) prepare() error {
	if err := os.MkdirAll(a.Root, 0o700); err != nil {
		return fmt.Errorf("%w: account %q: %w", ErrSettings, a.Name, err)
	}
	root, err := os.OpenRoot(a.Root)
	if err != nil {
		return fmt.Errorf("%w: account %q: %w", ErrSettings, a.Name, err)
	}
	defer root.Close()
	for _, folder := range []string{in, out} {
		if err := root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%w: account %q: %w", ErrSettings, a.Name, err)
		}
	}
	return nil
}
