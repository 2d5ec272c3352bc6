package sftp

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/net/proxy"
	"golang.org/x/time/rate"

	"gateway301/channels"
)

// A dialer opens a byte stream to an address.
type dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// connect opens a byte stream to a server, by proxy and jump host as the settings
// say. Errors wrap ErrLine, ErrRefused, ErrLogin (also at the proxy and the jump
// host, where accounts lock as well) or ErrHostKey.
func (s *Settings) connect(ctx context.Context, address string) (net.Conn, error) {
	var d dialer = new(net.Dialer)
	if s.Proxy != nil {
		d = proxied{s.Proxy, d}
	}
	if s.Jump != nil {
		return s.jump(ctx, d, address)
	}
	return dialOn(ctx, d, address)
}

func dialOn(ctx context.Context, d dialer, address string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil && !known(err) {
		err = fmt.Errorf("%w: %w", channels.ErrLine, err)
	}
	return conn, err
}

// jump logs in at the jump host and has it open the stream.
func (s *Settings) jump(ctx context.Context, d dialer, address string) (net.Conn, error) {
	raw, err := dialOn(ctx, d, s.Jump.Address)
	if err != nil {
		return nil, fmt.Errorf("jump host: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	conn, opened, err := login(ctx, &faultConn{Conn: raw}, s.Jump.Host, &s.Jump.Login, &s.Algorithms)
	if err != nil {
		return nil, fmt.Errorf("jump host: %w", err)
	}
	requests := make(chan *ssh.Request)
	close(requests) // login deals with them
	client := ssh.NewClient(conn, opened, requests)
	inner, err := client.DialContext(ctx, "tcp", address)
	if err == nil {
		return tunnel{inner, client}, nil
	}
	client.Close()
	kind := channels.ErrLine
	var denied *ssh.OpenChannelError
	if errors.As(err, &denied) && denied.Reason == ssh.Prohibited {
		kind = channels.ErrRefused
	}
	return nil, fmt.Errorf("%w: jump host %s cannot reach %s: %w", kind, s.Jump.Address, address, err)
}

// A tunnel is a stream through a jump host, whose connection ends with it.
type tunnel struct {
	net.Conn
	client *ssh.Client
}

func (t tunnel) Close() error { return errors.Join(t.Conn.Close(), t.client.Close()) }

// A proxied dialer goes through a proxy.
type proxied struct {
	*Proxy
	forward dialer
}

func (p proxied) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	if p.Kind == SOCKS5 {
		return p.socks(ctx, address)
	}
	conn, err := p.forward.DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: proxy: %w", channels.ErrLine, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	ready, err := p.ask(conn, address)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ready, nil
}

func (p proxied) socks(ctx context.Context, address string) (net.Conn, error) {
	var auth *proxy.Auth
	if p.User != "" {
		auth = &proxy.Auth{User: p.User, Password: p.Password}
	}
	d, err := proxy.SOCKS5("tcp", p.Address, auth, proxy.Direct)
	if err != nil {
		return nil, fmt.Errorf("%w: proxy: %w", channels.ErrRefused, err)
	}
	conn, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
	if err == nil {
		return conn, nil
	}
	// The library has only texts for these.
	kind := channels.ErrLine
	switch text := err.Error(); {
	case strings.Contains(text, "authentication"):
		kind = channels.ErrLogin
	case strings.Contains(text, "not allowed"):
		kind = channels.ErrRefused
	}
	return nil, fmt.Errorf("%w: proxy: %w", kind, err)
}

// maxProxyAnswer bounds what a proxy may say before the stream begins, in bytes.
const maxProxyAnswer = 64 << 10

// ask sends CONNECT and reads the answer (RFC 9110 section 9.3.6). Any 2xx opens
// the stream.
func (p proxied) ask(conn net.Conn, address string) (net.Conn, error) {
	login := ""
	if p.User != "" {
		login = "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.User+":"+p.Password)) + "\r\n"
	}
	if _, err := fmt.Fprintf(conn, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n%s\r\n", address, login); err != nil {
		return nil, fmt.Errorf("%w: proxy: %w", channels.ErrLine, err)
	}
	answer := bufio.NewReader(conn)
	status, read := "", 0
	for {
		line, err := answer.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("%w: proxy: %w", channels.ErrLine, err)
		}
		if read += len(line); read > maxProxyAnswer {
			return nil, fmt.Errorf("%w: the proxy's answer is too long", channels.ErrRefused)
		}
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		if status == "" {
			status = line
		}
	}
	version, rest, _ := strings.Cut(status, " ")
	code, _, _ := strings.Cut(rest, " ")
	switch {
	case strings.HasPrefix(version, "HTTP/1.") && len(code) == 3 && code[0] == '2':
		return early{conn, answer}, nil
	case code == "407", code == "401": // tinyproxy says 401
		return nil, fmt.Errorf("%w: the proxy answers %q", channels.ErrLogin, rest)
	case len(code) == 3 && code[0] == '5':
		return nil, fmt.Errorf("%w: the proxy answers %q", channels.ErrLine, rest)
	}
	return nil, fmt.Errorf("%w: the proxy answers %q", channels.ErrRefused, status)
}

// early is a stream of which the first bytes were read already.
type early struct {
	net.Conn
	r *bufio.Reader
}

func (e early) Read(p []byte) (int, error) { return e.r.Read(p) }

// A throttle limits the bytes of all connections of a channel, each direction by
// itself.
type throttle struct{ up, down *rate.Limiter }

// throttled is how many bytes pass at once: what is asked for beyond that waits
// for its turn in pieces.
const throttled = 32 << 10

func newThrottle(bytesPerSecond int64) *throttle {
	if bytesPerSecond == 0 {
		return nil
	}
	limit := func() *rate.Limiter { return rate.NewLimiter(rate.Limit(bytesPerSecond), throttled) }
	return &throttle{limit(), limit()}
}

// A throttledConn is a connection at the speed of its throttle.
type throttledConn struct {
	net.Conn
	*throttle
	open  context.Context // ends with the connection
	close context.CancelFunc
}

func (t *throttle) wrap(conn net.Conn) net.Conn {
	if t == nil {
		return conn
	}
	open, cancel := context.WithCancel(context.Background())
	return &throttledConn{conn, t, open, cancel}
}

func (c *throttledConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), throttled)])
	if waited := c.down.WaitN(c.open, n); waited != nil && err == nil {
		err = net.ErrClosed
	}
	return n, err
}

func (c *throttledConn) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		part := p[:min(len(p), throttled)]
		if c.up.WaitN(c.open, len(part)) != nil {
			return n, net.ErrClosed
		}
		var wrote int
		wrote, err = c.Conn.Write(part)
		n += wrote
		p = p[wrote:]
	}
	return n, err
}

func (c *throttledConn) Close() error {
	c.close()
	return c.Conn.Close()
}
