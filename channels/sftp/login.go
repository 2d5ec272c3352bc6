package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"gateway301/channels"
)

// Errors of ParseSigner.
var (
	ErrKey         = errors.New("unreadable private key")
	ErrCertificate = errors.New("unusable OpenSSH certificate")
)

// ParseSigner reads a private key in OpenSSH or PEM format (PKCS #1, PKCS #8,
// SEC 1), encrypted if a passphrase is given. With certificate, a line of the
// form "ssh-ed25519-cert-v01@openssh.com AAAA…", the login shows it in place of
// the bare key.
func ParseSigner(key, passphrase, certificate []byte) (ssh.Signer, error) {
	parse := ssh.ParsePrivateKey
	if len(passphrase) > 0 {
		parse = func(b []byte) (ssh.Signer, error) { return ssh.ParsePrivateKeyWithPassphrase(b, passphrase) }
	}
	signer, err := parse(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return WithCertificate(signer, certificate)
}

// WithCertificate makes a signer show a certificate; an empty one changes nothing.
func WithCertificate(signer ssh.Signer, certificate []byte) (ssh.Signer, error) {
	if len(certificate) == 0 {
		return signer, nil
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(certificate)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	c, ok := public.(*ssh.Certificate)
	if !ok || c.CertType != ssh.UserCert {
		return nil, fmt.Errorf("%w: not a user's certificate", ErrCertificate)
	}
	strict, err := withoutSHA1(signer) // before the certificate hides what it is
	if err != nil {
		return nil, err
	}
	certified, err := ssh.NewCertSigner(c, strict)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return certified, nil
}

// keys returns the signers for one login. The agent is asked each time: it may
// have been restarted. An expired certificate is told here, where its name and
// date are known, and not by the server that would count it as a failed login.
func (l *Login) keys(ctx context.Context, sha1 bool) (signers []ssh.Signer, done func(), err error) {
	done = func() {}
	signers = slices.Clone(l.Signers)
	if l.Agent != nil {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", l.Agent.Socket)
		if err != nil {
			return nil, done, fmt.Errorf("%w: ssh-agent: %w", channels.ErrLocal, err)
		}
		done = func() { conn.Close() }
		held, err := agent.NewClient(conn).Signers()
		if err != nil {
			done()
			return nil, done, fmt.Errorf("%w: ssh-agent: %w", channels.ErrLocal, err)
		}
		for _, s := range held {
			if l.Agent.Key == nil || bytes.Equal(s.PublicKey().Marshal(), l.Agent.Key.Marshal()) {
				signers = append(signers, s)
			}
		}
		if len(signers) == 0 && l.Password == "" {
			done()
			return nil, done, fmt.Errorf("%w: ssh-agent at %s does not hold the key", channels.ErrLocal, l.Agent.Socket)
		}
	}
	for i, s := range signers {
		if c, ok := s.PublicKey().(*ssh.Certificate); ok {
			if err := inForce(c, time.Now()); err != nil {
				done()
				return nil, done, err
			}
		}
		if !sha1 {
			if signers[i], err = withoutSHA1(s); err != nil {
				done()
				return nil, done, err
			}
		}
	}
	return signers, done, nil
}

// inForce tells whether a certificate holds now. Nothing is sent with one that
// does not, and the partner stands still until it is replaced.
func inForce(c *ssh.Certificate, now time.Time) error {
	moment := uint64(now.Unix())
	at := func(seconds uint64) string { return time.Unix(int64(seconds), 0).UTC().Format(time.DateTime) }
	switch {
	case moment < c.ValidAfter:
		return fmt.Errorf("%w: certificate %q holds only from %s UTC", channels.ErrLogin, c.KeyId, at(c.ValidAfter))
	case moment >= c.ValidBefore && c.ValidBefore != ssh.CertTimeInfinity:
		return fmt.Errorf("%w: certificate %q expired at %s UTC", channels.ErrLogin, c.KeyId, at(c.ValidBefore))
	}
	return nil
}

// withoutSHA1 keeps an RSA key from signing with "ssh-rsa" for a server that does
// not say what it understands (RFC 8332 section 3.3).
func withoutSHA1(signer ssh.Signer) (ssh.Signer, error) {
	able, ok := signer.(ssh.AlgorithmSigner)
	if !ok || signer.PublicKey().Type() != ssh.KeyAlgoRSA {
		return signer, nil
	}
	return ssh.NewSignerWithAlgorithms(able, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
}

func authMethods(signers []ssh.Signer, password string) []ssh.AuthMethod {
	var methods []ssh.AuthMethod
	if len(signers) > 0 {
		methods = append(methods, ssh.PublicKeys(signers...))
	}
	if password != "" {
		// Many servers ask for the password in a dialogue with one hidden line.
		answer := func(_, _ string, questions []string, echos []bool) ([]string, error) {
			if len(questions) == 1 && !echos[0] {
				return []string{password}, nil
			}
			return make([]string, len(questions)), nil
		}
		methods = append(methods, ssh.Password(password), ssh.KeyboardInteractive(answer))
	}
	return methods
}

// login runs the SSH handshake. It closes conn if it fails.
func login(ctx context.Context, conn *faultConn, host Host, l *Login, a *Algorithms) (ssh.Conn, <-chan ssh.NewChannel, error) {
	signers, done, err := l.keys(ctx, slices.Contains(a.legacy(time.Now()), ssh.KeyAlgoRSA))
	defer done()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	known := false
	check := pinned(host.HostKeys)
	config := &ssh.ClientConfig{
		User:          l.User,
		Auth:          authMethods(signers, l.Password),
		ClientVersion: "SSH-2.0-Gateway301",
		HostKeyCallback: func(address string, remote net.Addr, key ssh.PublicKey) error {
			err := check(address, remote, key)
			known = err == nil
			return err
		},
	}
	a.apply(config, host.HostKeys)
	sshConn, newChannels, requests, err := ssh.NewClientConn(conn, host.Address, config)
	var unlike *ssh.AlgorithmNegotiationError
	switch {
	case err == nil:
		go ssh.DiscardRequests(requests)
		return sshConn, newChannels, nil
	case errors.Is(err, channels.ErrHostKey):
		return nil, nil, err
	case errors.As(err, &unlike):
		return nil, nil, fmt.Errorf("%w: %w", channels.ErrRefused, err)
	case known && !conn.failed.Load():
		return nil, nil, fmt.Errorf("%w: user %s at %s: %w", channels.ErrLogin, l.User, host.Address, err)
	default:
		return nil, nil, fmt.Errorf("%w: %w", channels.ErrLine, err)
	}
}
