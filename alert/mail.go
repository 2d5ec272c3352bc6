package alert

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/wneessen/go-mail"
)

// An Encryption says how the line to the mail server is protected.
type Encryption string

// The choices.
const (
	StartTLS Encryption = "starttls" // required; without it nothing is sent
	TLS      Encryption = "tls"      // from the first byte
	Clear    Encryption = "none"     // for a relay on this machine
)

// A Mail sends messages by SMTP.
type Mail struct {
	Host       string
	Port       int
	Encryption Encryption
	Roots      *x509.CertPool // nil: those of the system
	User       string         // empty: no login
	Password   string
	From       string
	To         []string
	Timeout    time.Duration // 0: one minute
}

// Name is what the book remembers the sender by.
func (s *Mail) Name() string { return "mail" }

// Check reports all that is wrong with the settings, before anything is sent.
func (s *Mail) Check() error {
	m := mail.NewMsg()
	errs := []error{m.From(s.From)}
	if s.Encryption == Clear && s.User != "" {
		errs = append(errs, errClearLogin)
	}
	for _, to := range s.To {
		errs = append(errs, m.AddTo(to))
	}
	return errors.Join(errs...)
}

// errClearLogin keeps a password off a line that anybody can read.
var errClearLogin = errors.New("a login needs an encrypted line: starttls or tls")

// Send hands the message to the server, which must take it for all recipients.
func (s *Mail) Send(ctx context.Context, m Message) error {
	if err := s.Check(); err != nil {
		return err
	}
	timeout := cmp.Or(s.Timeout, time.Minute)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(s.From), msg.To(s.To...)); err != nil {
		return err
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageID()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday replies
	if m.Urgent {
		msg.SetImportance(mail.ImportanceHigh)
	}
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	options := []mail.Option{
		mail.WithPort(s.Port), mail.WithTimeout(timeout),
		mail.WithTLSConfig(&tls.Config{ServerName: s.Host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12}),
	}
	switch s.Encryption {
	case TLS:
		options = append(options, mail.WithSSL())
	case Clear:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.User), mail.WithPassword(s.Password))
	}
	client, err := mail.NewClient(s.Host, options...)
	if err != nil {
		return err
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return fmt.Errorf("%s:%d: %w", s.Host, s.Port, err)
	}
	return nil
}
