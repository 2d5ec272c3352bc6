package dropserver

import (
	"context"
	"errors"
	"io"
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
	server  *Server
	account *Account
	remote  string
	ssh     *ssh.ServerConn

	handles  atomic.Int32 // open files and folders, all sessions
	sessions atomic.Int32
	last     atomic.Int64 // time of the last byte from or to the client, Unix nanoseconds
}

// run serves until the client leaves, is idle for too long, or the server stops.
// It returns why we ended the connection, or nil if the client did.
func (c *connection) run(ctx context.Context, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) error {
	c.touch()
	go ssh.DiscardRequests(requests) // keepalives get their no; forwarding too
	ended := make(chan struct{})
	reason := make(chan error, 1)
	go func() { reason <- c.supervise(ctx, ended) }()

	var sessions sync.WaitGroup
	for wanted := range channels {
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
			c.session(channel, requests)
		})
	}
	sessions.Wait()
	close(ended)
	return <-reason
}

// supervise ends the connection once it is idle for too long or, when the server
// stops, as soon as nothing is under way.
func (c *connection) supervise(ctx context.Context, ended <-chan struct{}) error {
	limit, draining := c.server.settings.IdleTime, ctx.Done()
	for {
		idle := time.Since(time.Unix(0, c.last.Load()))
		busy := draining == nil && c.handles.Load() > 0
		if idle >= limit && !busy {
			c.ssh.Close()
			if draining == nil {
				return ErrDrained
			}
			return ErrIdle
		}
		wait := limit - idle
		if busy {
			wait = limit
		}
		timer := time.NewTimer(wait)
		select {
		case <-ended:
			timer.Stop()
			return nil
		case <-draining:
			limit, draining = c.server.settings.QuietTime, nil
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (c *connection) touch() { c.last.Store(time.Now().UnixNano()) }

func (c *connection) audit(e Event) {
	e.Account, e.Remote = c.account.Name, c.remote
	c.server.audit(e)
}

func (c *connection) refuse(what string) {
	c.audit(Event{Action: Refused, Name: what, Err: ErrNotAllowed})
}

// session waits for the one request we serve and refuses the others: shells,
// commands, terminals, environments.
func (c *connection) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	stream := newTurns(&activeChannel{channel, c})
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
	root, err := os.OpenRoot(c.account.Root)
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

// An activeChannel notes that bytes pass.
type activeChannel struct {
	ssh.Channel
	c *connection
}

func (a *activeChannel) Read(p []byte) (int, error) {
	n, err := a.Channel.Read(p)
	a.c.touch()
	return n, err
}

func (a *activeChannel) Write(p []byte) (int, error) {
	n, err := a.Channel.Write(p)
	a.c.touch()
	return n, err
}
