package sftp

import (
	"errors"
	"fmt"
	"net"
	"path"
	"time"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
)

// Settings describe one partner. Only Address, User, HostKeys and one of
// Signers and Password are required.
type Settings struct {
	Address string // host:port
	User    string

	Signers  []ssh.Signer // tried in this order, see LoadSigner
	Password string       // tried after the signers; empty means none

	// HostKeys are the keys that the partner may show. Several are allowed, so
	// that a change of key can be prepared. See ParseHostKeys.
	HostKeys []ssh.PublicKey

	OutDir string // remote folder we put into; "" is the login folder
	InDir  string // remote folder we fetch from; "" is the login folder

	Temporary channels.Temporary
	Rename    Rename

	// Proof is how far Put looks after a file: Acknowledged, Listed, Size or
	// Hash. The zero value means Size. Acknowledged is for partners that let
	// nobody look: what cannot be seen then counts as absent.
	Proof channels.Level

	// NoSync keeps Put from asking the server to flush a file to its disk.
	// Otherwise it asks wherever fsync@openssh.com is offered.
	NoSync bool

	Timeouts  Timeouts
	Keepalive time.Duration // between signs of life on an idle connection, default 30 s

	// MaxPacket is the payload of one read or write request in bytes. The
	// default, 32768, is what every server must take (draft section 3).
	// OpenSSH takes up to 261120.
	MaxPacket int

	// Parallel is how many calls share the connection at once, default 16. A
	// call that BeforePublish makes needs a place of its own.
	Parallel int

	MaxEntries int // longest listing, default 200000; beyond it channels.ErrTooMany
}

// Rename says how a finished file gets its final name.
type Rename int

const (
	// RenameAuto uses SSH_FXP_RENAME, which must not replace an existing file
	// (draft section 6.5) and on OpenSSH cannot even in a race. Only if the
	// server does not know it, posix-rename@openssh.com is used instead.
	RenameAuto Rename = iota

	// RenamePosix uses posix-rename@openssh.com, right after the final name
	// was seen absent: for servers whose plain rename is broken. A file that
	// somebody else creates in that instant would be replaced.
	RenamePosix
)

// Timeouts end what takes too long. The zero value of each means its default.
type Timeouts struct {
	Dial     time.Duration // from the first packet to a working SFTP session, default 30 s
	Stall    time.Duration // a call waits, but no SFTP byte comes in, default 2 min
	Transfer time.Duration // hard limit for any one call, default 6 h
	Abort    time.Duration // between the end of a context and closing a connection that others use too, default 2 s
}

// ErrSettings reports settings that cannot work.
var ErrSettings = errors.New("sftp settings")

// checked returns s with its defaults filled in, or all that is wrong with it.
func (s Settings) checked() (Settings, error) {
	var wrong []error
	complain := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf("%w: "+format, append([]any{ErrSettings}, args...)...))
		}
	}
	_, _, err := net.SplitHostPort(s.Address)
	complain(err != nil, "address %q is not host:port", s.Address)
	complain(s.User == "", "user is missing")
	complain(len(s.Signers) == 0 && s.Password == "", "neither key nor password")
	complain(len(s.HostKeys) == 0, "no host key is pinned")
	complain(s.Proof < 0 || s.Proof > channels.Hash, "unknown proof level %d", s.Proof)
	complain(s.Rename < RenameAuto || s.Rename > RenamePosix, "unknown kind of rename %d", s.Rename)
	complain(s.MaxPacket < 0 || s.MaxPacket > 1<<18, "packet of %d bytes, at most %d", s.MaxPacket, 1<<18)
	complain(s.Parallel < 0 || s.MaxEntries < 0, "negative limit")
	if err := s.Temporary.Check("A"); err != nil {
		wrong = append(wrong, fmt.Errorf("%w: temporary name: %w", ErrSettings, err))
	}

	setDefault(&s.Proof, channels.Size)
	setDefault(&s.Timeouts.Dial, 30*time.Second)
	setDefault(&s.Timeouts.Stall, 2*time.Minute)
	setDefault(&s.Timeouts.Transfer, 6*time.Hour)
	setDefault(&s.Timeouts.Abort, 2*time.Second)
	setDefault(&s.Keepalive, 30*time.Second)
	setDefault(&s.MaxPacket, 32768)
	setDefault(&s.Parallel, 16)
	setDefault(&s.MaxEntries, 200_000)
	return s, errors.Join(wrong...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// dir returns the remote folder of a side.
func (s *Settings) dir(side channels.Side) string {
	if side == channels.Incoming {
		return path.Join(s.InDir, ".")
	}
	return path.Join(s.OutDir, ".")
}

// final returns the remote path of a name in the outgoing folder.
func (s *Settings) final(name string) string { return path.Join(s.OutDir, name) }

// temporary returns the remote path where name grows, or false if it grows in place.
func (s *Settings) temporary(name string) (string, bool) {
	t, used := s.Temporary.Path(name)
	return path.Join(s.OutDir, t), used
}
