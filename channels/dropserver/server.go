package dropserver

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// Reasons in events.
var (
	ErrUnknownKey = errors.New("unknown account or key")
	ErrBusy       = errors.New("too many connections")
	ErrNotAllowed = errors.New("not allowed")
	ErrIdle       = errors.New("idle for too long")
	ErrDrained    = errors.New("the server is stopping")
)

// A Server serves the accounts on any number of listeners.
type Server struct {
	settings Settings
	ssh      *ssh.ServerConfig
	accounts map[string]*Account
	slots    chan struct{} // one per connection

	mu     sync.Mutex
	active map[string]int // connections per account
}

// New checks the settings and makes the accounts' folders. The error names
// everything that is wrong and wraps ErrSettings.
func New(s Settings) (*Server, error) {
	s, err := s.checked()
	if err != nil {
		return nil, err
	}
	server := &Server{
		settings: s, accounts: map[string]*Account{}, active: map[string]int{},
		slots: make(chan struct{}, s.MaxConnections),
	}
	for i := range s.Accounts {
		account := &s.Accounts[i]
		server.accounts[account.Name] = account
		err = errors.Join(err, account.prepare())
	}
	server.ssh = &ssh.ServerConfig{
		Config:                  ssh.Config{Ciphers: ssh.SupportedAlgorithms().Ciphers}, // AES-GCM first, AES-CTR for old clients
		PublicKeyAuthAlgorithms: ssh.SupportedAlgorithms().PublicKeyAuths,               // no SHA-1
		MaxAuthTries:            s.MaxLoginTries,
		ServerVersion:           "SSH-2.0-Gateway301",
		PublicKeyCallback:       server.admit,
	}
	for _, key := range s.HostKeys {
		signer, signErr := withoutSHA1(key)
		if signErr != nil {
			err = errors.Join(err, fmt.Errorf("%w: host key: %w", ErrSettings, signErr))
			continue
		}
		server.ssh.AddHostKey(signer)
	}
	if err != nil {
		return nil, err
	}
	return server, nil
}

func withoutSHA1(key ssh.Signer) (ssh.Signer, error) {
	able, ok := key.(ssh.AlgorithmSigner)
	if !ok || key.PublicKey().Type() != ssh.KeyAlgoRSA {
		return key, nil
	}
	return ssh.NewSignerWithAlgorithms(able, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
}

// admit decides about a key. An unknown account and an unknown key look the same.
func (s *Server) admit(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if account, ok := s.accounts[c.User()]; ok {
		for _, k := range account.Keys {
			if subtle.ConstantTimeCompare(k.Marshal(), key.Marshal()) == 1 {
				return nil, nil
			}
		}
	}
	return nil, ErrUnknownKey
}

// Serve accepts connections until ctx ends. Then it closes the listener, lets
// transfers under way finish for at most Settings.DrainTime, and returns nil when
// the last connection has ended. Any other reason to stop is returned.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	defer listener.Close()

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
	limit := time.AfterFunc(s.settings.DrainTime, kill)
	defer limit.Stop()
	connections.Wait()
	return nil
}

func (s *Server) accept(ctx context.Context, listener net.Listener, start func(net.Conn)) error {
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			select {
			case s.slots <- struct{}{}:
				start(conn)
			default:
				s.audit(Event{Remote: conn.RemoteAddr().String(), Action: Login, Err: ErrBusy})
				conn.Close()
			}
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

func (s *Server) audit(e Event) {
	e.Time = time.Now()
	s.settings.Audit(e)
}

// serve runs one connection from login to its end.
func (s *Server) serve(ctx, hard context.Context, conn net.Conn) {
	defer func() { <-s.slots }()
	defer conn.Close()
	stop := context.AfterFunc(hard, func() { conn.Close() })
	defer stop()

	remote := conn.RemoteAddr().String()
	conn.SetDeadline(time.Now().Add(s.settings.LoginTime))
	// Whoever has not logged in when we stop need not begin.
	unmet := context.AfterFunc(ctx, func() { conn.Close() })
	var claimed string
	config := *s.ssh
	config.AuthLogCallback = func(c ssh.ConnMetadata, _ string, _ error) { claimed = c.User() }
	login, channels, requests, err := ssh.NewServerConn(conn, &config)
	if !unmet() && err == nil {
		err = ErrDrained
	}
	if err != nil {
		s.audit(Event{Account: claimed, Remote: remote, Action: Login, Err: err})
		return
	}
	defer login.Close()
	conn.SetDeadline(time.Time{})
	account := s.accounts[login.User()]
	if !s.enter(account) {
		s.audit(Event{Account: account.Name, Remote: remote, Action: Login, Err: ErrBusy})
		return
	}
	defer s.leave(account)
	s.audit(Event{Account: account.Name, Remote: remote, Action: Login})
	c := &connection{server: s, account: account, remote: remote, ssh: login}
	err = c.run(ctx, channels, requests)
	s.audit(Event{Account: account.Name, Remote: remote, Action: Logout, Err: err})
}

func (s *Server) enter(a *Account) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[a.Name] >= s.settings.MaxPerAccount {
		return false
	}
	s.active[a.Name]++
	return true
}

func (s *Server) leave(a *Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active[a.Name]--
}
