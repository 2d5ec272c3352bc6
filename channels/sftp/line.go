package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"gateway301/channels"
)

// A line is one SSH connection with one SFTP session on it.
type line struct {
	client  *sftp.Client
	ssh     ssh.Conn
	address string
	dead    chan struct{} // closed when the connection has ended, by whomever
	inlet   *inlet

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

// A hearingReader notes when bytes come in. Replies to SSH keepalives do not
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

// dial makes a line to the first host that can be reached. Its errors wrap
// ErrLine, ErrHostKey, ErrLogin, ErrRefused or ErrLocal, or are those of ctx.
func dial(ctx context.Context, s *Settings, t *throttle) (*line, error) {
	var first error
	for _, host := range s.hosts() {
		l, err := dialHost(ctx, s, t, host)
		switch {
		case err == nil:
			return l, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, channels.ErrLine) && !errors.Is(err, channels.ErrRefused):
			return nil, err
		case first == nil:
			first = err
		case errors.Is(first, channels.ErrRefused) && errors.Is(err, channels.ErrLine):
			first = fmt.Errorf("%w; before that: %v", err, first) // one of them may come back: worth another try
		default:
			first = fmt.Errorf("%w; then %v", first, err)
		}
	}
	return nil, first
}

// dialHost makes a line to one host, within the limit for dialling.
func dialHost(ctx context.Context, s *Settings, t *throttle, host Host) (*line, error) {
	within, cancel := context.WithTimeout(ctx, s.Timeouts.Dial)
	defer cancel()
	l, err := dialWithin(within, s, t, host)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w: no session with %s after %v", channels.ErrLine, host.Address, s.Timeouts.Dial)
	}
	return l, err
}

func dialWithin(ctx context.Context, s *Settings, t *throttle, host Host) (*line, error) {
	raw, err := s.connect(ctx, host.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()

	conn := &faultConn{Conn: t.wrap(raw)}
	sshConn, newChannels, err := login(ctx, conn, host, &s.Login, &s.Algorithms)
	if err != nil {
		return nil, err
	}
	go refuse(newChannels)
	l := &line{ssh: sshConn, address: host.Address, dead: make(chan struct{}), born: time.Now()}
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
		return nil, fmt.Errorf("%w: %s offers no SFTP session: %w", channels.ErrRefused, host.Address, err)
	}
	go func() {
		// The session can end while the connection lives on.
		l.cut(fmt.Errorf("the SFTP session ended: %w", l.client.Wait()))
	}()
	go l.keepAlive(s.Keepalive)
	return l, nil
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
	l.inlet = newInlet(hearingReader{channel, l})
	l.client, err = sftp.NewClientPipe(l.inlet, channel,
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
