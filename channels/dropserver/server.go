package dropserver

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// Reasons in events.
var (
	ErrUnknownKey = errors.New("unknown account or key")
	ErrNetwork    = errors.New("login from another network than agreed")
	ErrNotYet     = errors.New("the account is not valid yet")
	ErrExpired    = errors.New("the account is not valid any longer")
	ErrEnded      = errors.New("account, key or folders were taken out of the settings")
	ErrBusy       = errors.New("too many connections")
	ErrBanned     = errors.New("banned after too many failed logins")
	ErrNotAllowed = errors.New("not allowed")
	ErrIdle       = errors.New("idle for too long")
	ErrDrained    = errors.New("the server is stopping")
)

// A Server serves the accounts on any number of listeners.
type Server struct {
	rules  atomic.Pointer[rules]
	guard  *guard
	serial atomic.Int64 // of uploads

	mu          sync.Mutex
	slots       int // connections, logged in or not
	connections map[*connection]struct{}
	presences   map[string]*presence
	started     bool
}

// rules are what a reload replaces.
type rules struct {
	settings Settings
	ssh      *ssh.ServerConfig
	accounts map[string]*Account
}

// New checks the settings and makes the accounts' folders. The error names
// everything that is wrong and wraps ErrSettings.
func New(s Settings) (*Server, error) {
	server := &Server{
		guard: newGuard(), connections: map[*connection]struct{}{}, presences: map[string]*presence{},
	}
	r, err := server.newRules(s)
	if err != nil {
		return nil, err
	}
	server.rules.Store(r)
	return server, nil
}

func (s *Server) newRules(settings Settings) (*rules, error) {
	settings, err := settings.checked()
	if err != nil {
		return nil, err
	}
	r := &rules{settings: settings, accounts: map[string]*Account{}}
	for i := range settings.Accounts {
		account := &settings.Accounts[i]
		r.accounts[account.Name] = account
		err = errors.Join(err, account.prepare())
	}
	algorithms := ssh.SupportedAlgorithms()
	r.ssh = &ssh.ServerConfig{
		Config: ssh.Config{
			Ciphers:      algorithms.Ciphers,                                                             // AES-GCM first; aes256-ctr for old clients …
			MACs:         []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512}, // … with hmac-sha2-256
			KeyExchanges: algorithms.KeyExchanges,
		},
		PublicKeyAuthAlgorithms: algorithms.PublicKeyAuths, // no SHA-1
		MaxAuthTries:            settings.MaxLoginTries,
		ServerVersion:           "SSH-2.0-Gateway301",
	}
	if settings.Banner != "" {
		r.ssh.BannerCallback = func(ssh.ConnMetadata) string { return settings.Banner + "\r\n" }
	}
	for _, key := range settings.HostKeys {
		signer, signErr := withoutSHA1(key)
		if signErr != nil {
			err = errors.Join(err, fmt.Errorf("%w: host key: %w", ErrSettings, signErr))
			continue
		}
		r.ssh.AddHostKey(signer)
	}
	return r, err
}

func withoutSHA1(key ssh.Signer) (ssh.Signer, error) {
	able, ok := key.(ssh.AlgorithmSigner)
	if !ok || key.PublicKey().Type() != ssh.KeyAlgoRSA {
		return key, nil
	}
	return ssh.NewSignerWithAlgorithms(able, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
}

// Reload replaces all settings at once, or, if it returns an error, none of them.
// Transfers under way go on. A connection whose account, key, network or folders
// the new settings do not have ends once its open files are closed, and after
// Settings.DrainTime at the latest; it opens no further ones. Host keys,
// algorithms and banner hold for new connections, everything else at once. All
// bans end.
func (s *Server) Reload(settings Settings) error {
	r, err := s.newRules(settings)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		for name := range r.accounts {
			if s.presences[name] == nil {
				err = errors.Join(err, r.accounts[name].sweep())
			}
		}
	}
	if err != nil {
		return err
	}
	s.rules.Store(r)
	s.guard.pardon() // whoever was banned for a mistake that is mended now
	for c := range s.connections {
		c.revise(r)
	}
	return nil
}

// admit decides about a key. To whoever asks, every no looks the same.
func (r *rules) admit(user string, key []byte, from netip.Addr, now time.Time) (*Account, error) {
	account, ok := r.accounts[user]
	if !ok || !account.has(key) {
		return nil, ErrUnknownKey
	}
	return account, account.open(from, now)
}

func (a *Account) has(key []byte) bool {
	found := 0
	for _, k := range a.Keys {
		found |= subtle.ConstantTimeCompare(k.Marshal(), key)
	}
	return found == 1
}

// open reports why nobody may log in from there now.
func (a *Account) open(from netip.Addr, now time.Time) error {
	from = from.Unmap().WithZone("")
	inside := len(a.Networks) == 0
	for _, n := range a.Networks {
		inside = inside || n.Contains(from)
	}
	switch {
	case !inside:
		return ErrNetwork
	case now.Before(a.From):
		return ErrNotYet
	case !a.Until.IsZero() && !now.Before(a.Until):
		return ErrExpired
	}
	return nil
}

// Serve accepts connections until ctx ends. Then it closes the listener, lets
// transfers under way finish for at most Settings.DrainTime, and returns nil when
// the last connection has ended. Any other reason to stop is returned.
//
// The first Serve removes what uploads left that a crash ended; no other server
// may serve the same folders.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	defer listener.Close()
	if err := s.start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()

	hard, kill := context.WithCancel(context.WithoutCancel(ctx)) // ends connections at once
	defer kill()
	var connections sync.WaitGroup
	err := s.accept(ctx, listener, func(conn net.Conn) {
		connections.Go(func() { s.serve(ctx, hard, conn) })
	})
	if ctx.Err() == nil {
		kill()
		connections.Wait()
		return err
	}
	limit := time.AfterFunc(s.rules.Load().settings.DrainTime, kill)
	defer limit.Stop()
	connections.Wait()
	return nil
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return nil
	}
	var err error
	for _, account := range s.rules.Load().accounts {
		err = errors.Join(err, account.sweep())
	}
	if err != nil {
		return fmt.Errorf("drop server: %w", err)
	}
	s.started = true
	return nil
}

func (s *Server) accept(ctx context.Context, listener net.Listener, start func(net.Conn)) error {
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			if !s.takeSlot() {
				s.audit(Event{Remote: conn.RemoteAddr().String(), Action: Login, Err: ErrBusy})
				conn.Close()
				continue
			}
			start(conn)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			// Passes as connections end.
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		default:
			return fmt.Errorf("drop server: %w", err)
		}
	}
}

func (s *Server) takeSlot() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots >= s.rules.Load().settings.MaxConnections {
		return false
	}
	s.slots++
	return true
}

func (s *Server) giveSlot() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots--
}

func (s *Server) audit(e Event) {
	e.Time = time.Now()
	s.rules.Load().settings.Audit(e)
}

// address is where a connection comes from; invalid if it is no IP connection.
func address(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr()
	}
	return netip.Addr{}
}

// serve runs one connection from login to its end.
func (s *Server) serve(ctx, hard context.Context, conn net.Conn) {
	defer s.giveSlot()
	defer conn.Close()
	stop := context.AfterFunc(hard, func() { conn.Close() })
	defer stop()
	c, err := s.welcome(ctx, conn)
	if err != nil {
		return
	}
	defer c.ssh.Close()
	defer s.leave(c)
	s.audit(Event{Account: c.name, Remote: c.remote, Action: Login})
	err = c.run(ctx)
	s.audit(Event{Account: c.name, Remote: c.remote, Action: Logout, Err: err})
}

// welcome logs a connection in, or audits why not.
func (s *Server) welcome(ctx context.Context, conn net.Conn) (*connection, error) {
	r := s.rules.Load()
	from, remote := address(conn), conn.RemoteAddr().String()
	delay, err := s.guard.arrive(origin(from), r.settings.Failures, r.settings.MaxWaiting, time.Now())
	if err != nil {
		if !errors.Is(err, ErrBanned) { // a ban was told of when it began
			s.audit(Event{Remote: remote, Action: Login, Err: err})
		}
		return nil, err
	}
	defer s.guard.leave(origin(from))
	if delay > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(delay):
		}
	}
	c, claimed, tried, err := s.login(ctx, r, conn)
	if err == nil {
		s.guard.succeeded(origin(from))
		return c, nil
	}
	s.audit(Event{Account: claimed, Remote: remote, Action: Login, Err: err})
	if timeout, ok := errors.AsType[net.Error](err); tried || ok && timeout.Timeout() { // a port scan is no failure
		if until := s.guard.failed(origin(from), r.settings.Failures, time.Now()); !until.IsZero() {
			s.audit(Event{Account: claimed, Remote: remote, Action: Banned, Until: until, Err: ErrBanned})
		}
	}
	return nil, err
}

// login makes an SSH connection. Claimed is the account that the client named, and
// tried tells that it failed to prove that it may.
func (s *Server) login(ctx context.Context, r *rules, conn net.Conn) (c *connection, claimed string, tried bool, err error) {
	conn.SetDeadline(time.Now().Add(r.settings.LoginTime))
	// Whoever has not logged in when we stop need not begin.
	unmet := context.AfterFunc(ctx, func() { conn.Close() })
	c = &connection{server: s, remote: conn.RemoteAddr().String(), from: address(conn), ended: make(chan struct{})}
	config := *r.ssh
	var refusal error // more exact than the library's, which joins all tries
	config.PublicKeyCallback = func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		account, err := r.admit(meta.User(), key.Marshal(), c.from, time.Now())
		if err != nil {
			if refusal == nil || !errors.Is(err, ErrUnknownKey) {
				refusal = err
			}
			return nil, ErrUnknownKey
		}
		return &ssh.Permissions{ExtraData: map[any]any{keyOfLogin{}: key.Marshal(), accountOfLogin{}: account}}, nil
	}
	config.AuthLogCallback = func(meta ssh.ConnMetadata, method string, err error) {
		claimed = meta.User()
		// An account that is closed just now tries nothing evil.
		tried = tried || err != nil && method != "none" && (refusal == nil || errors.Is(refusal, ErrUnknownKey))
	}
	login, channels, requests, err := ssh.NewServerConn(conn, &config)
	if !unmet() && err == nil {
		login.Close()
		err = ErrDrained
	}
	if err != nil {
		if refusal != nil {
			err = refusal
		}
		return nil, claimed, tried, err
	}
	conn.SetDeadline(time.Time{})
	c.ssh, c.channels, c.requests = login, channels, requests
	c.name = login.User()
	c.key, _ = login.Permissions.ExtraData[keyOfLogin{}].([]byte)
	account, _ := login.Permissions.ExtraData[accountOfLogin{}].(*Account)
	if err := s.enter(c, account); err != nil {
		login.Close()
		return nil, claimed, false, err
	}
	return c, claimed, false, nil
}

type (
	keyOfLogin     struct{}
	accountOfLogin struct{}
)

// enter counts a connection to its account.
func (s *Server) enter(c *connection, account *Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rules.Load()
	p := s.presences[c.name]
	if p == nil {
		p = newPresence()
		p.setRate(account.Rate)
	}
	if p.connections >= r.settings.MaxPerAccount {
		return ErrBusy
	}
	p.connections++
	s.presences[c.name] = p
	s.connections[c] = struct{}{}
	c.presence = p
	c.account.Store(account)
	c.revise(r) // it may have changed during the login
	return nil
}

func (s *Server) leave(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
	if c.presence.connections--; c.presence.connections == 0 {
		delete(s.presences, c.name)
	}
}
