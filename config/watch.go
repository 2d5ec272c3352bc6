package config

import (
	"net/mail"
	"net/netip"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Web says where the status page, health and metrics are shown.
type Web struct {
	Listen string // host:port of this machine alone
}

// Alerts say when something counts as wrong, and who is told how.
type Alerts struct {
	Command []string // program and arguments; empty: none
	Mail    *Mail    // nil: none
	German  bool
	Resend  time.Duration // until acknowledged
	Pause   time.Duration // between two messages about a growing trouble
	Unknown time.Duration // outcome unknown for so long
	KeyDays int           // before a certificate ends
}

// A Mail says how messages are sent.
type Mail struct {
	Server     string // host:port
	Encryption string // starttls, tls or none
	Roots      string // file; empty: the system's
	User       string // empty: no login
	Password   Secret
	From       string
	To         []string
}

// Defaults of watching.
const (
	defaultResend  = 4 * time.Hour
	defaultPause   = 10 * time.Minute
	defaultUnknown = time.Hour
	defaultKeyDays = 30
	defaultSilent  = 6 * time.Hour
)

// web reads where the gateway shows how it is.
func (s *section) web() *Web {
	w := &Web{Listen: s.hostPort("listen")}
	if at, err := netip.ParseAddrPort(w.Listen); w.Listen != "" && (err != nil || !at.Addr().IsLoopback()) {
		s.r.fault(CodeValue, s.sub("listen"), "is not an address of this machine alone", "write 127.0.0.1:9301 or [::1]:9301; put a proxy with login before it for others")
	}
	return w
}

// alerts reads who is told what; without the section nobody is.
func (s *section) alerts() Alerts {
	a := Alerts{German: true, Resend: defaultResend, Pause: defaultPause, Unknown: defaultUnknown, KeyDays: defaultKeyDays}
	if s == nil {
		return a
	}
	a.Command = s.texts("command", "a program, then its arguments", false, s.r.words)
	if len(a.Command) > 0 {
		n := s.value["command"].Content[0]
		a.Command[0] = s.r.abs(a.Command[0])
		s.r.runnable(n, s.sub("command[0]"), a.Command[0])
	}
	if b := s.below("mail"); b != nil {
		a.Mail = b.mail()
		b.done()
	}
	a.German = s.choice("language", "de", "de", "en") == "de"
	a.Resend = s.duration("resend", defaultResend, time.Minute, longestDuration)
	a.Pause = s.duration("pause", defaultPause, time.Second, longestDuration)
	a.Unknown = s.duration("unknown-after", defaultUnknown, time.Second, longestDuration)
	a.KeyDays, _ = s.whole("key-days", defaultKeyDays, 1, 366)
	if !s.has("command") && !s.has("mail") {
		s.r.warn(CodeNoEffect, s.path, "tells nobody", "add command or mail")
	}
	return a
}

func (s *section) mail() *Mail {
	m := &Mail{Server: s.hostPort("server"), Encryption: s.choice("encryption", "starttls", "starttls", "tls", "none")}
	m.Roots = s.file("roots")
	m.User = s.text("user", "")
	m.Password = s.secret("password")
	s.missing("from", "the address that the mail comes from")
	m.From = s.address("from")
	s.missing("to", "the addresses of those who are woken")
	m.To = s.texts("to", "an address", false, s.r.readAddress)
	switch {
	case s.has("user") != s.has("password"):
		s.r.fault(CodeConflict, s.path, "user and password stand alone", "give both, or neither")
	case m.User != "" && m.Encryption == "none":
		s.r.fault(CodeConflict, s.sub("encryption"), "none would send the password in clear", "write starttls or tls, or log in without user and password")
	}
	return m
}

// address reads a mail address.
func (s *section) address(key string) string {
	s.note(Field{Key: key, Kind: KindText})
	n := s.take(key)
	if n == nil {
		return ""
	}
	v, _ := s.r.readAddress(n, s.sub(key))
	return v
}

func (r *reader) readAddress(n *yaml.Node, path string) (string, bool) {
	v, ok := r.words(n, path)
	if !ok {
		return "", false
	}
	if a, err := mail.ParseAddress(v); err != nil || a.Address != v {
		r.at(n, Error, CodeValue, path, "is not a mail address", "write nacht@klinikum.example")
		return "", false
	}
	return v, true
}
