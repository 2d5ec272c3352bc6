package dropserver

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
)

// Settings of a server. HostKeys and Accounts are required, everything else has a
// default.
type Settings struct {
	HostKeys []ssh.Signer // RSA keys sign with SHA-2 only
	Accounts []Account
	Audit    func(Event) // called from several goroutines; nil is silence

	Banner string // shown to everybody before the login; default none

	MaxConnections int // in all, default 256
	MaxPerAccount  int // connections logged in at once, default 16
	MaxWaiting     int // connections of one address that have not logged in yet, default 16
	MaxLoginTries  int // per connection, default 6: a client may offer several keys
	MaxHandles     int // open files and folders per connection, default 256

	// Floor is the free space in bytes of an account's file system below which
	// no upload begins or grows.
	Floor int64

	LoginTime time.Duration // from connect to login, default 30 s
	IdleTime  time.Duration // a connection without any request ends, default 15 min
	DrainTime time.Duration // how long transfers under way may take once the server stops or the account ended, default 30 s
	QuietTime time.Duration // then a connection without open files and requests ends after it, default 1 s

	Failures Failures
}

// Failures says what happens to an address that fails to log in. IPv6 addresses
// count by their /64 network. One success forgets all failures.
type Failures struct {
	Delay    time.Duration // before the next connection is served, doubled by each failure up to 10 s; default 500 ms
	BanAfter int           // so many failures in a row ban the address; default 10
	Ban      time.Duration // the first ban, doubled by each further one up to 24 h; default 15 min
}

// An Account is one partner.
type Account struct {
	Name string
	Keys []ssh.PublicKey // any of them logs in

	// Networks are those from which it may log in; none means from everywhere.
	Networks []netip.Prefix
	From     time.Time // first moment at which it may log in; zero: open
	Until    time.Time // first moment at which it may not any longer; zero: open

	Root    string // the jail on our disk; the two folders are made below it with mode 0700
	In, Out string // names of the two folders, on our disk and for the client; default "in" and "out"

	// Quota limits the bytes in the In folder, those being uploaded among them.
	// Each file counts in whole blocks of 4 KiB, an empty one as one. 0: no limit.
	Quota int64

	// Rate limits the bytes a second in each direction, all connections of the
	// account together. 0: no limit.
	Rate int64

	// ReadBack lets the account read in the In folder too, to compare what it
	// uploaded.
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
	accounts := make([]Account, len(s.Accounts))
	names, roots := map[string]bool{}, map[string]string{}
	for i, a := range s.Accounts {
		setDefault(&a.In, defaultIn)
		setDefault(&a.Out, defaultOut)
		complain(a.Name == "", "account without a name")
		complain(names[a.Name], "account %q appears twice", a.Name)
		complain(len(a.Keys) == 0, "account %q has no key", a.Name)
		complain(a.Root == "", "account %q has no folder", a.Name)
		complain(a.Quota < 0 || a.Rate < 0, "account %q has a negative limit", a.Name)
		complain(!a.From.IsZero() && !a.Until.IsZero() && !a.From.Before(a.Until), "account %q is never valid", a.Name)
		for _, folder := range []string{a.In, a.Out} {
			complain(channels.CheckName(folder) != nil || folder == uploading, "account %q: %q cannot be its folder", a.Name, folder)
		}
		complain(a.In == a.Out, "account %q has one folder %q for both directions", a.Name, a.In)
		root := filepath.Clean(a.Root)
		complain(roots[root] != "", "accounts %q and %q share the folder %s", a.Name, roots[root], root)
		names[a.Name], roots[root] = true, a.Name
		accounts[i] = a
	}
	s.Accounts = accounts
	for _, limit := range []int64{
		int64(s.MaxConnections), int64(s.MaxPerAccount), int64(s.MaxWaiting), int64(s.MaxLoginTries), int64(s.MaxHandles), s.Floor,
		int64(s.LoginTime), int64(s.IdleTime), int64(s.DrainTime), int64(s.QuietTime),
		int64(s.Failures.Delay), int64(s.Failures.BanAfter), int64(s.Failures.Ban),
	} {
		complain(limit < 0, "negative limit %d", limit)
	}
	setDefault(&s.MaxConnections, 256)
	setDefault(&s.MaxPerAccount, 16)
	setDefault(&s.MaxWaiting, 16)
	setDefault(&s.MaxLoginTries, 6)
	setDefault(&s.MaxHandles, 256)
	setDefault(&s.LoginTime, 30*time.Second)
	setDefault(&s.IdleTime, 15*time.Minute)
	setDefault(&s.DrainTime, 30*time.Second)
	setDefault(&s.QuietTime, time.Second)
	setDefault(&s.Failures.Delay, 500*time.Millisecond)
	setDefault(&s.Failures.BanAfter, 10)
	setDefault(&s.Failures.Ban, 15*time.Minute)
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

// The folders of an account below its root. Uploads grow in the third, which no
// client sees.
const (
	defaultIn  = "in"
	defaultOut = "out"
	uploading  = "uploading"
)

// prepare makes the folders of an account.
func (a *Account) prepare() error {
	wrong := func(err error) error { return fmt.Errorf("%w: account %q: %w", ErrSettings, a.Name, err) }
	if err := os.MkdirAll(a.Root, 0o700); err != nil {
		return wrong(err)
	}
	root, err := os.OpenRoot(a.Root)
	if err != nil {
		return wrong(err)
	}
	defer root.Close()
	for _, folder := range []string{a.In, a.Out, uploading} {
		if err := root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return wrong(err)
		}
	}
	one, err := root.Stat(a.In)
	if err != nil {
		return wrong(err)
	}
	other, err := root.Stat(uploading)
	if err != nil {
		return wrong(err)
	}
	if !sameDevice(one, other) {
		return wrong(fmt.Errorf("%s and %s must be on the same file system: an upload is complete when it is renamed from one to the other",
			filepath.Join(a.Root, a.In), filepath.Join(a.Root, uploading)))
	}
	return nil
}

// sweep removes what uploads left that a crash ended. Nobody was told that they
// had arrived.
func (a *Account) sweep() error {
	root, err := os.OpenRoot(a.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := root.Open(uploading)
	if err != nil {
		return err
	}
	defer dir.Close()
	left, err := dir.Readdirnames(-1)
	for _, name := range left {
		err = errors.Join(err, root.Remove(filepath.Join(uploading, name)))
	}
	return err
}
