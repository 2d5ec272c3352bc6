package sftp

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/text/encoding"

	"gateway301/channels"
)

// Settings describe one partner. Only Address, HostKeys, User and one of
// Signers, Agent and Password are required.
type Settings struct {
	Host
	Login

	// Fallbacks are more addresses of the same server, with the same folders and
	// the same account. They are tried in this order when the one before cannot
	// be reached. A refused login or an unknown host key ends the search: the
	// account may lock, and who redirects us may want just that.
	Fallbacks []Host

	Proxy *Proxy // nil: none
	Jump  *Jump  // nil: none; reached through Proxy if both are set

	Algorithms Algorithms

	OutDir string // remote folder we put into; "" is the login folder
	InDir  string // remote folder we fetch from; "" is the login folder

	Temporary channels.Temporary
	Rename    Rename

	// Proof is how far Put looks after a file: Acknowledged, Listed, Size or
	// Hash. The zero value means Size. Acknowledged is for partners that let
	// nobody look: what cannot be seen then counts as absent.
	Proof channels.Level

	// Blind says that the outgoing folder can be neither listed nor looked into:
	// List and Look of it fail with channels.ErrBlind and ask nobody. Proof must
	// be Acknowledged.
	Blind bool

	// NoSync keeps Put from asking the server to flush a file to its disk.
	// Otherwise it asks wherever fsync@openssh.com is offered.
	NoSync bool

	// Names is how the server spells names; nil is UTF-8. See NameEncoding.
	Names encoding.Encoding

	Timeouts  Timeouts
	Keepalive time.Duration // between signs of life on an idle connection, default 30 s

	// MaxPacket is the payload of one read or write request in bytes. The
	// default, 32768, is what every server must take (draft section 3).
	// OpenSSH takes up to 261120.
	MaxPacket int

	// Parallel is how many calls may be under way at once, default 16. A call
	// that BeforePublish makes needs a place of its own.
	Parallel int

	// Connections is how many connections the calls are spread over, default 1.
	// Another one is made when each has its share of Parallel under way; a
	// server that turns it down is not asked again for five minutes.
	Connections int

	Overall *Overall // limits calls of several channels together; nil: no limit

	Bandwidth int64 // bytes a second in each direction over all connections; 0 is no limit

	MaxEntries int // longest listing, default 200000; beyond it channels.ErrTooMany
}

// A Host is one address of a server and the keys that it may show.
type Host struct {
	Address string // host:port

	// HostKeys are the keys that the server may show. Several are allowed, so
	// that a change of key can be prepared. See ParseHostKeys and Pin.
	HostKeys []HostKey
}

// A HostKey is pinned, for ever or from and until a moment agreed with the partner.
type HostKey struct {
	ssh.PublicKey
	From, Until time.Time // zero: open; Until is the first moment at which it no longer holds
}

// Pin makes pins of keys that hold for ever.
func Pin(keys ...ssh.PublicKey) []HostKey {
	var pins []HostKey
	for _, k := range keys {
		pins = append(pins, HostKey{PublicKey: k})
	}
	return pins
}

// A Login is an account and what opens it. Keys are tried before the password:
// first the signers in their order, then the agent's.
type Login struct {
	User     string
	Signers  []ssh.Signer // see ParseSigner
	Agent    *Agent       // nil: none
	Password string       // empty: none
}

// An Agent holds keys in another process and signs with them (ssh-agent).
type Agent struct {
	Socket string        // path of its Unix socket
	Key    ssh.PublicKey // the key to use; nil: all that it holds
}

// A Proxy carries the connection to the server, or to the jump host.
type Proxy struct {
	Kind     ProxyKind
	Address  string // host:port
	User     string // empty: no login at the proxy
	Password string
}

// A ProxyKind is a protocol of proxies.
type ProxyKind int

const (
	HTTPConnect ProxyKind = iota // RFC 9110 section 9.3.6
	SOCKS5                       // RFC 1928; the proxy resolves the name
)

// A Jump is an SSH server that forwards the connection to the partner's.
type Jump struct {
	Host
	Login
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
	Dial     time.Duration // for each address, from the first packet to a working SFTP session, default 30 s
	Stall    time.Duration // a call waits, but no SFTP byte comes in, default 2 min
	Transfer time.Duration // hard limit for any one call, default 6 h
	Abort    time.Duration // between the end of a context and closing a connection that others use too, default 2 s
}

// An Overall limits the calls that several channels have under way together.
type Overall struct{ slots chan struct{} }

// NewOverall returns a limit of n calls, at least one.
func NewOverall(n int) *Overall { return &Overall{make(chan struct{}, max(n, 1))} }

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
	account := func(what string, hosts []Host, l *Login) {
		for _, h := range hosts {
			complain(!hostPort(h.Address), "%saddress %q is not host:port", what, h.Address)
			complain(len(h.HostKeys) == 0, "no host key is pinned for %s%q", what, h.Address)
		}
		complain(l.User == "", "%suser is missing", what)
		complain(len(l.Signers) == 0 && l.Agent == nil && l.Password == "", "%sno key, no agent, nor password", what)
	}
	account("", s.hosts(), &s.Login)
	if s.Jump != nil {
		account("jump host's ", []Host{s.Jump.Host}, &s.Jump.Login)
	}
	complain(s.Proxy != nil && !hostPort(s.Proxy.Address), "the proxy's address is not host:port")
	complain(s.Proxy != nil && (s.Proxy.Kind < HTTPConnect || s.Proxy.Kind > SOCKS5), "unknown kind of proxy")
	complain(s.Proof < 0 || s.Proof > channels.Hash, "unknown proof level %d", s.Proof)
	complain(s.Blind && s.Proof != channels.Acknowledged, "proof %v where nobody can look", s.Proof)
	complain(s.Rename < RenameAuto || s.Rename > RenamePosix, "unknown kind of rename %d", s.Rename)
	complain(s.MaxPacket < 0 || s.MaxPacket > 1<<18, "packet of %d bytes, at most %d", s.MaxPacket, 1<<18)
	complain(s.Parallel < 0 || s.Connections < 0 || s.MaxEntries < 0 || s.Bandwidth < 0, "negative limit")
	complain(s.Connections > cmp.Or(s.Parallel, defaultParallel), "%d connections for %d calls at once", s.Connections, s.Parallel)
	wrong = append(wrong, s.Algorithms.check()...)
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
	setDefault(&s.Parallel, defaultParallel)
	setDefault(&s.Connections, 1)
	setDefault(&s.MaxEntries, 200_000)
	return s, errors.Join(wrong...)
}

const defaultParallel = 16

func hostPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	return err == nil && host != "" && port != ""
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// hosts returns all addresses of the server, in the order of trying.
func (s *Settings) hosts() []Host { return slices.Concat([]Host{s.Host}, s.Fallbacks) }

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
