package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"gateway301/channels"
)

// A line is one SSH connection with one SFTP session on it.
type line struct {
	client *sftp.Client
	ssh    ssh.Conn
	dead   chan struct{} // closed when the connection has ended, by whomever

	born   time.Time
	heard  atomic.Int64 // when the last SFTP byte came in, nanoseconds since born
	users  atomic.Int32 // calls under way
	reason atomic.Pointer[error]
}

// cut ends the connection, and with it every call that waits on it. The first
// reason stays.
func (l *line) cut(reason error) {
	l.reason.CompareAndSwap(nil, &reason)
	l.ssh.Close()
}

// why returns the reason of our own cut, or nil.
func (l *line) why() error {
	if reason := l.reason.Load(); reason != nil {
		return *reason
	}
	return nil
}

func (l *line) isDead() bool {
	select {
	case <-l.dead:
		return true
	default:
		return l.why() != nil
	}
}

// silence is the time since the last SFTP byte came in, or since the line was made.
func (l *line) silence() time.Duration {
	return time.Since(l.born) - time.Duration(l.heard.Load())
}

// A hearing reader notes when bytes come in. Replies to SSH keepalives do not
// pass here: a server whose SSH side lives while its disk hangs is silent.
type hearingReader struct {
	r io.Reader
	l *line
}

func (h hearingReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if n > 0 {
		h.l.heard.Store(int64(time.Since(h.l.born)))
	}
	return n, err
}

// A faultConn remembers whether the transport itself failed. It tells a refused
// login from a line that broke while we logged in.
type faultConn struct {
	net.Conn
	closed atomic.Bool // by us: what fails from now on is no fault
	failed atomic.Bool
}

func (c *faultConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.note(err)
	return n, err
}

func (c *faultConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.note(err)
	return n, err
}

func (c *faultConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

func (c *faultConn) note(err error) {
	if err != nil && !c.closed.Load() {
		c.failed.Store(true)
	}
}

// dial makes a line. Its errors wrap ErrLine, ErrHostKey, ErrLogin or
// ErrRefused, or are those of ctx.
func dial(ctx context.Context, s *Settings) (*line, error) {
	within, cancel := context.WithTimeout(ctx, s.Timeouts.Dial)
	defer cancel()
	l, err := dialWithin(within, s)
	switch {
	case err == nil:
		return l, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case within.Err() != nil:
		return nil, fmt.Errorf("%w: no session with %s after %v", channels.ErrLine, s.Address, s.Timeouts.Dial)
	default:
		return nil, err
	}
}

func dialWithin(ctx context.Context, s *Settings) (*line, error) {
	var dialer net.Dialer
	tcp, err := dialer.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", channels.ErrLine, err)
	}
	stop := context.AfterFunc(ctx, func() { tcp.Close() })
	defer stop()

	conn := &faultConn{Conn: tcp}
	sshConn, err := login(conn, s)
	if err != nil {
		return nil, err
	}
	l := &line{ssh: sshConn, dead: make(chan struct{}), born: time.Now()}
	go func() {
		sshConn.Wait()
		close(l.dead)
	}()
	if err := l.openSession(s); err != nil {
		broken := conn.failed.Load()
		sshConn.Close()
		if broken {
			return nil, fmt.Errorf("%w: opening the SFTP session: %w", channels.ErrLine, err)
		}
		return nil, fmt.Errorf("%w: %s offers no SFTP session: %w", channels.ErrRefused, s.Address, err)
	}
	go func() {
		// The session can end while the connection lives on.
		l.cut(fmt.Errorf("the SFTP session ended: %w", l.client.Wait()))
	}()
	go l.keepAlive(s.Keepalive)
	return l, nil
}

// login runs the SSH handshake. It closes conn if it fails.
func login(conn *faultConn, s *Settings) (ssh.Conn, error) {
	known := false
	check := pinned(s.HostKeys)
	config := &ssh.ClientConfig{
		User:              s.User,
		Auth:              authMethods(s),
		HostKeyAlgorithms: hostKeyAlgorithms(s.HostKeys),
		ClientVersion:     "SSH-2.0-Gateway301",
		HostKeyCallback: func(address string, remote net.Addr, key ssh.PublicKey) error {
			err := check(address, remote, key)
			known = err == nil
			return err
		},
	}
	// AES-GCM leads the supported ciphers; named here so that it stays so.
	config.Ciphers = append([]string{ssh.CipherAES128GCM, ssh.CipherAES256GCM}, withoutGCM(ssh.SupportedAlgorithms().Ciphers)...)

	sshConn, newChannels, requests, err := ssh.NewClientConn(conn, s.Address, config)
	var unlike *ssh.AlgorithmNegotiationError
	switch {
	case err == nil:
		go ssh.DiscardRequests(requests)
		go refuse(newChannels)
		return sshConn, nil
	case errors.Is(err, channels.ErrHostKey):
		return nil, err
	case errors.As(err, &unlike):
		return nil, fmt.Errorf("%w: %w", channels.ErrRefused, err)
	case known && !conn.failed.Load():
		return nil, fmt.Errorf("%w: user %s at %s: %w", channels.ErrLogin, s.User, s.Address, err)
	default:
		return nil, fmt.Errorf("%w: %w", channels.ErrLine, err)
	}
}

func withoutGCM(ciphers []string) []string {
	var rest []string
	for _, c := range ciphers {
		if c != ssh.CipherAES128GCM && c != ssh.CipherAES256GCM {
			rest = append(rest, c)
		}
	}
	return rest
}

func authMethods(s *Settings) []ssh.AuthMethod {
	var methods []ssh.AuthMethod
	if len(s.Signers) > 0 {
		methods = append(methods, ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			return withoutSHA1(s.Signers)
		}))
	}
	if s.Password != "" {
		// Many servers ask for the password in a dialogue with one hidden line.
		answer := func(_, _ string, questions []string, echos []bool) ([]string, error) {
			if len(questions) == 1 && !echos[0] {
				return []string{s.Password}, nil
			}
			return make([]string, len(questions)), nil
		}
		methods = append(methods, ssh.Password(s.Password), ssh.KeyboardInteractive(answer))
	}
	return methods
}

// withoutSHA1 keeps RSA keys from signing with "ssh-rsa" for a server that does
// not say what it understands (RFC 8332 section 3.3).
func withoutSHA1(signers []ssh.Signer) ([]ssh.Signer, error) {
	var strict []ssh.Signer
	for _, signer := range signers {
		able, ok := signer.(ssh.AlgorithmSigner)
		if ok && signer.PublicKey().Type() == ssh.KeyAlgoRSA {
			limited, err := ssh.NewSignerWithAlgorithms(able, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
			if err != nil {
				return nil, err
			}
			signer = limited
		}
		strict = append(strict, signer)
	}
	return strict, nil
}

// refuse turns down whatever the server wants to open: forwarding, agents.
func refuse(wanted <-chan ssh.NewChannel) {
	for w := range wanted {
		w.Reject(ssh.Prohibited, "not wanted")
	}
}

// openSession starts the subsystem "sftp".
func (l *line) openSession(s *Settings) error {
	channel, requests, err := l.ssh.OpenChannel("session", nil)
	if err != nil {
		return err
	}
	go ssh.DiscardRequests(requests)
	go io.Copy(io.Discard, channel.Stderr()) // else what the server prints there fills the window
	ok, err := channel.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"}))
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("subsystem request denied")
	}
	l.client, err = sftp.NewClientPipe(hearingReader{channel, l}, channel,
		sftp.MaxPacketUnchecked(s.MaxPacket),
		sftp.MaxConcurrentRequestsPerFile(inFlight),
		sftp.UseConcurrentWrites(true))
	return err
}

// inFlight is how many read or write requests of one file wait for an answer at
// the same time: with packets of 32 KiB just the 2 MiB that fit into an SSH window.
const inFlight = 64

// keepAlive asks the server for a sign of life while nothing else is heard of
// it, and cuts the line if one does not come before the next is due. A busy line
// needs none, and there the question might wait behind megabytes of our own.
func (l *line) keepAlive(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	for {
		select {
		case <-l.dead:
			return
		case <-ticker.C:
		}
		if l.silence() < every {
			continue
		}
		select {
		case <-answered:
			go func() {
				// Any answer will do, also "unknown request" (RFC 4254 section 4).
				if _, _, err := l.ssh.SendRequest("keepalive@openssh.com", true, nil); err == nil {
					answered <- struct{}{}
				}
			}()
		default:
			l.cut(fmt.Errorf("no sign of life within %v", every))
			return
		}
	}
}

// A keeper holds the one line of a channel and makes it anew when it is dead.
type keeper struct {
	turn     chan struct{} // holds one token: whoever has it may dial
	mu       sync.Mutex
	line     *line
	barred   error // set by a failed login
	failure  error // of the last dial, for those who waited for it
	failedAt time.Time
	closed   bool
}

func newKeeper() *keeper {
	k := &keeper{turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	return k
}

// get returns a living line, which counts one more user. Whoever waited while
// another call dialled in vain shares its error: a partner that is down costs one
// dial, not one for each call.
func (k *keeper) get(ctx context.Context, s *Settings) (*line, error) {
	asked := time.Now()
	select {
	case <-k.turn:
		defer func() { k.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l, err := k.current(asked); l != nil || err != nil {
		return l, err
	}
	l, err := dial(ctx, s)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case errors.Is(err, channels.ErrLogin):
		k.barred = err
		return nil, err
	case err != nil:
		if ctx.Err() == nil {
			k.failure, k.failedAt = err, time.Now()
		}
		return nil, err
	case k.closed:
		l.cut(channels.ErrClosed)
		return nil, channels.ErrClosed
	}
	k.line = l
	l.users.Add(1)
	return l, nil
}

// current returns the living line, or why there can be none, or neither.
func (k *keeper) current(asked time.Time) (*line, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return nil, channels.ErrClosed
	case k.barred != nil:
		return nil, k.barred
	case k.failedAt.After(asked):
		return nil, k.failure
	case k.line == nil || k.line.isDead():
		return nil, nil
	}
	k.line.users.Add(1)
	return k.line, nil
}

func (k *keeper) unbar() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.barred = nil
}

func (k *keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	if k.line != nil {
		k.line.cut(channels.ErrClosed)
	}
}
