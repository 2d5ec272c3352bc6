package sftp

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
)

// A HostKeyError says who answered instead of the partner. It is channels.ErrHostKey.
type HostKeyError struct {
	Address string
	Key     ssh.PublicKey
	Got     string   // its SHA-256 fingerprint with key type, "ssh-ed25519 SHA256:…"
	Pinned  []string // the same for every pinned key, with the time of its pin
}

func (e *HostKeyError) Error() string {
	return fmt.Sprintf("%v: %s showed %s, pinned is %s",
		channels.ErrHostKey, e.Address, e.Got, strings.Join(e.Pinned, ", "))
}

// Unwrap returns channels.ErrHostKey.
func (e *HostKeyError) Unwrap() error { return channels.ErrHostKey }

// Errors of ParseHostKeys.
var (
	ErrNoHostKey  = errors.New("no host key for this address")
	ErrBadHostKey = errors.New("unreadable host key line")
)

// ParseHostKeys reads pins from text: lines of an OpenSSH known_hosts file, of
// which those count that name the address (plainly, by pattern or hashed), and
// plain public keys "ssh-ed25519 AAAA… comment", which always count. Empty lines
// and comments are skipped. A key marked @revoked is never pinned;
// @cert-authority is not supported and an error. Errors name the line and wrap
// ErrBadHostKey or, if nothing is left, ErrNoHostKey.
func ParseHostKeys(text []byte, address string) ([]ssh.PublicKey, error) {
	var pins, revoked []ssh.PublicKey
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parseHostKey(line, address)
		switch {
		case errors.Is(err, errRevoked):
			revoked = append(revoked, key)
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", number, err)
		case key != nil:
			pins = append(pins, key)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w: %w", number+1, ErrBadHostKey, err)
	}
	pins = slices.DeleteFunc(pins, func(k ssh.PublicKey) bool { return contains(revoked, k) })
	if len(pins) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoHostKey, address)
	}
	return pins, nil
}

var errRevoked = errors.New("revoked")

// parseHostKey reads one line. It returns nil if the line is about another host.
func parseHostKey(line []byte, address string) (ssh.PublicKey, error) {
	// A host in front would be taken for the options of an authorized key.
	if key, _, options, _, err := ssh.ParseAuthorizedKey(line); err == nil && len(options) == 0 {
		return key, nil
	}
	marker, hosts, key, _, _, err := ssh.ParseKnownHosts(line)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBadHostKey, err)
	case marker == "cert-authority":
		return nil, fmt.Errorf("%w: @cert-authority is not supported", ErrBadHostKey)
	case marker == "revoked":
		return key, errRevoked
	case matchesHost(hosts, address):
		return key, nil
	}
	return nil, nil
}

// matchesHost follows sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": a port other than
// 22 is written [host]:port, * and ? are wildcards, ! excludes.
func matchesHost(patterns []string, address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	name := strings.ToLower(host)
	if port != "22" {
		name = "[" + name + "]:" + port
	}
	found := false
	for _, p := range patterns {
		if rest, negated := strings.CutPrefix(p, "!"); negated {
			if wildcard(rest, name) {
				return false
			}
		} else if wildcard(p, name) || hashed(p, name) {
			found = true
		}
	}
	return found
}

func wildcard(pattern, name string) bool {
	// Brackets mean themselves here, unlike in path.Match.
	pattern = strings.NewReplacer("[", `\[`, "]", `\]`, `\`, `\\`).Replace(strings.ToLower(pattern))
	matched, err := path.Match(pattern, name)
	return err == nil && matched
}

// hashed matches "|1|salt|HMAC-SHA1(salt, name)".
func hashed(pattern, name string) bool {
	fields := strings.Split(pattern, "|")
	if len(fields) != 4 || fields[0] != "" || fields[1] != "1" {
		return false
	}
	salt, err1 := base64.StdEncoding.DecodeString(fields[2])
	want, err2 := base64.StdEncoding.DecodeString(fields[3])
	if err1 != nil || err2 != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return hmac.Equal(mac.Sum(nil), want)
}

func contains(keys []ssh.PublicKey, key ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(k ssh.PublicKey) bool { return same(k, key) })
}

func same(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// inForce reports whether a pin holds at a moment.
func (k *HostKey) inForce(now time.Time) bool {
	return (k.From.IsZero() || !now.Before(k.From)) && (k.Until.IsZero() || now.Before(k.Until))
}

// String shows the fingerprint and, if there is one, the time of the pin.
func (k *HostKey) String() string {
	text := fingerprint(k.PublicKey)
	if !k.From.IsZero() {
		text += " from " + k.From.Format(time.DateOnly)
	}
	if !k.Until.IsZero() {
		text += " until " + k.Until.Format(time.DateOnly)
	}
	return text
}

// pinned returns a callback that accepts the keys that are pinned now, and
// nothing else.
func pinned(pins []HostKey) ssh.HostKeyCallback {
	return func(address string, _ net.Addr, key ssh.PublicKey) error {
		e := &HostKeyError{Address: address, Got: fingerprint(key), Key: key}
		for _, p := range pins {
			if same(p.PublicKey, key) && p.inForce(time.Now()) {
				return nil
			}
			e.Pinned = append(e.Pinned, p.String())
		}
		return e
	}
}

func fingerprint(key ssh.PublicKey) string {
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}

// hostKeyAlgorithms asks first for the kinds of key that are pinned, RSA with
// SHA-2 only (RFC 8332). The other kinds follow, so that a partner who changed
// the kind is told from a broken line, by fingerprint.
func hostKeyAlgorithms(pins []HostKey) []string {
	var wanted []string
	for _, pin := range pins {
		if !pin.inForce(time.Now()) {
			continue
		}
		if pin.Type() == ssh.KeyAlgoRSA {
			wanted = append(wanted, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			wanted = append(wanted, pin.Type())
		}
	}
	wanted = append(wanted,
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
	var once []string
	for _, algorithm := range wanted {
		if !slices.Contains(once, algorithm) {
			once = append(once, algorithm)
		}
	}
	return once
}
