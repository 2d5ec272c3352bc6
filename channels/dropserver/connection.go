package dropserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// maxSessions is how many SFTP sessions one connection may open at once.
const maxSessions = 8

// A connection is one client after its login.
type connection struct {
	server   *Server
	name     string // of the account
	key      []byte // that logged in, in wire format
	remote   string // host:port
	from     netip.Addr
	account  atomic.Pointer[Account] // as the last reload left it
	presence *presence
	ssh      *ssh.ServerConn
	channels <-chan ssh.NewChannel
	requests <-chan *ssh.Request

	handles  atomic.Int32 // open files and folders, all sessions
	sessions atomic.Int32
	last     atomic.Int64 // time of the last byte from or to the client, Unix nanoseconds

	mu     sync.Mutex
	reason error         // why it must end, once ended is closed
	ended  chan struct{} // closed when the account lets it do no more than finish
}

func (c *connection) settings() *Settings { return &c.server.rules.Load().settings }

// revise makes new rules hold for a connection.
func (c *connection) revise(r *rules) {
	old, account := c.account.Load(), r.accounts[c.name]
	switch {
	case account == nil || !account.has(c.key) || account.Root != old.Root || account.In != old.In || account.Out != old.Out:
		c.retire(ErrEnded)
		return
	}
	c.presence.setRate(account.Rate)
	c.account.Store(account)
	if err := account.open(c.from, time.Now()); err != nil {
		c.retire(err)
	}
}

// retire lets what is under way finish, and nothing begin.
func (c *connection) retire(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil {
		c.reason = why
		close(c.ended)
	}
}

// retired returns why the connection must end, or nil.
func (c *connection) retired() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotAllowed, c.reason)
}

// run serves until the client leaves, is idle for too long, its account ends, or
// the server stops. It returns why we ended the connection, or nil if the client did.
func (c *connection) run(ctx context.Context) error {
	c.touch()
	go ssh.DiscardRequests(c.requests) // keepalives get their no; forwarding too
	gone := make(chan struct{})
	reason := make(chan error, 1)
	go func() { reason <- c.supervise(ctx, gone) }()

	var sessions sync.WaitGroup
	for wanted := range c.channels {
		if wanted.ChannelType() != "session" {
			c.refuse(wanted.ChannelType())
			wanted.Reject(ssh.Prohibited, "not allowed")
			continue
		}
		if c.sessions.Add(1) > maxSessions {
			c.sessions.Add(-1)
			wanted.Reject(ssh.ResourceShortage, "too many sessions")
			continue
		}
		channel, requests, err := wanted.Accept()
		if err != nil {
			c.sessions.Add(-1)
			continue
		}
		sessions.Go(func() {
			defer c.sessions.Add(-1)
			c.session(gone, channel, requests)
		})
	}
	close(gone) // nobody waits for a rate any longer
	sessions.Wait()
	return <-reason
}

// supervise ends the connection once it is idle for too long or, when the server
// stops or the account ends, as soon as nothing is under way.
func (c *connection) supervise(ctx context.Context, gone <-chan struct{}) error {
	draining, ended := ctx.Done(), (<-chan struct{})(c.ended)
	var reason error
	var last time.Time // when an ended account's connection is cut off
	for {
		limit, next := c.settings().IdleTime, longest
		if reason != nil {
			limit = c.settings().QuietTime
		}
		if !last.IsZero() {
			next = time.Until(last)
		}
		idle := time.Since(time.Unix(0, c.last.Load()))
		busy := reason != nil && c.handles.Load() > 0
		if idle >= limit && !busy || next <= 0 {
			c.ssh.Close()
			if reason == nil {
				reason = ErrIdle
			}
			return reason
		}
		if busy {
			next = min(next, limit)
		} else {
			next = min(next, limit-idle)
		}
		if until := c.account.Load().Until; !until.IsZero() && ended != nil {
			left := time.Until(until)
			if left <= 0 {
				c.retire(ErrExpired)
			}
			next = min(next, max(left, 0))
		}
		timer := time.NewTimer(next)
		select {
		case <-gone:
			timer.Stop()
			return nil
		case <-draining:
			draining, reason = nil, ErrDrained // Serve cuts it off in the end
		case <-ended:
			c.mu.Lock()
			ended, reason, last = nil, c.reason, time.Now().Add(c.settings().DrainTime)
			c.mu.Unlock()
		case <-timer.C:
		}
		timer.Stop()
	}
}

// longest is how long supervise waits for nothing in particular: a reload may
// have changed a limit.
const longest = time.Minute

func (c *connection) touch() { c.last.Store(time.Now().UnixNano()) }

func (c *connection) audit(e Event) {
	e.Account, e.Remote = c.name, c.remote
	c.server.audit(e)
}

func (c *connection) refuse(what string) {
	c.audit(Event{Action: Refused, Name: what, Err: ErrNotAllowed})
}

// session waits for the one request we serve and refuses the others: shells,
// commands, terminals, environments.
func (c *connection) session(gone <-chan struct{}, channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	stream := newTurns(&activeChannel{channel, c, gone})
	var serving sync.WaitGroup
	defer serving.Wait()
	defer stream.release()
	started := false
	for request := range requests {
		ok := request.Type == "subsystem" && string(request.Payload) == subsystemSFTP && !started
		if !ok && request.WantReply {
			c.refuse(request.Type)
		}
		request.Reply(ok, nil)
		if ok {
			started = true
			serving.Go(func() {
				defer channel.Close()
				c.serveSFTP(channel, stream)
			})
		}
	}
}

// subsystemSFTP is the string "sftp" as RFC 4251 section 5 writes it.
const subsystemSFTP = "\x00\x00\x00\x04sftp"

func (c *connection) serveSFTP(channel ssh.Channel, stream *turns) {
	root, err := os.OpenRoot(c.account.Load().Root)
	if err != nil {
		c.audit(Event{Action: Refused, Name: "/", Err: err})
		return
	}
	defer root.Close()
	j := &jail{c: c, root: root}
	server := sftp.NewRequestServer(stream,
		sftp.Handlers{FileGet: j, FilePut: j, FileCmd: j, FileList: j},
		sftp.WithRSMaxTxPacket(maxRead))
	if err := server.Serve(); err == nil || errors.Is(err, io.EOF) {
		channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
	}
	server.Close()
}

// maxRead is the longest answer to a read request in bytes; OpenSSH gives as much.
const maxRead = 255 << 10

// An activeChannel notes that bytes pass, and how fast they may.
type activeChannel struct {
	ssh.Channel
	c    *connection
	gone <-chan struct{} // closed when the connection ended
}

func (a *activeChannel) Read(p []byte) (int, error) {
	n, err := a.Channel.Read(p)
	a.c.touch()
	pass(a.gone, a.c.presence.up, n)
	return n, err
}

func (a *activeChannel) Write(p []byte) (int, error) {
	pass(a.gone, a.c.presence.down, len(p))
	n, err := a.Channel.Write(p)
	a.c.touch()
	return n, err
}
