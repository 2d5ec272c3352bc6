package config

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh"
)

// byProfile is the default of what a partner's profile decides.
const byProfile = "profile"

// SFTPProfiles are the names of the profiles of servers; channels/sftp knows them.
func SFTPProfiles() []string {
	return []string{"strict", "sloppy", "write-only", "vanishing", "no-rename", "no-replace", "capped", "legacy", "small-packets", "umlauts"}
}

func (s *section) sftp(loc *time.Location) *SFTP {
	c := &SFTP{Address: s.hostPort("address")}
	c.Fallbacks = s.texts("fallbacks", "host:port", true, s.r.readHostPort)
	c.SSHLogin = s.login()
	c.Agent = s.location("agent", "")
	c.AgentKey = s.publicKey("agent-key")
	c.Certificate = s.file("certificate")
	s.rows("next-host-keys", func(b *section) {
		b.missing("key", "the public key as ssh-ed25519 AAAA…")
		k := DatedKey{Key: b.publicKey("key"), From: b.day("from", loc), Until: b.day("until", loc)}
		if b.sound && k.From.IsZero() && k.Until.IsZero() {
			s.r.at(b.node, Error, CodeMissing, b.path, `neither "from" nor "until"`, "a key that always holds belongs into host-keys")
		}
		c.NextHostKeys = append(c.NextHostKeys, k)
	})
	if b := s.below("proxy"); b != nil {
		c.Proxy = &Proxy{SOCKS: b.choice("kind", "", "http", "socks5") == "socks5", Address: b.hostPort("address"),
			User: b.text("user", ""), Password: b.secret("password")}
		b.done()
	}
	if b := s.below("jump"); b != nil {
		c.Jump = &Jump{Address: b.hostPort("address"), SSHLogin: b.login()}
		b.lackOfLogin(`neither "key" nor "password"`, "key", "password")
		b.lackOfHostKeys("host-keys", "known-hosts")
		b.done()
	}
	strong, weak := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	c.Algorithms = s.algorithms("algorithms", strong)
	if b := s.below("legacy"); b != nil {
		c.Legacy = &Legacy{Algorithms: b.algorithms("algorithms", weak), Reason: b.need("reason", "say why, for whoever reads this next year"), Until: b.day("until", loc)}
		b.missing("algorithms", "name each one that the server needs; 'gateway partner probe' finds them")
		b.missing("until", "an exception ends: write the first day on which it no longer holds")
		b.done()
	}
	c.Put, c.Get = s.text("put", ""), s.text("get", "")

	c.Profile = s.choice("profile", "strict", SFTPProfiles()...)
	chosen := func(key string, words ...string) string {
		v := s.choice(key, byProfile, append([]string{byProfile}, words...)...)
		if v == byProfile {
			return ""
		}
		return v
	}
	c.Temporary = Temporary(chosen("temporary", string(TemporarySuffix), string(TemporaryDot), string(TemporaryFolder), string(TemporaryNone)))
	c.Rename = chosen("rename", "plain", "posix")
	c.Proof = chosen("proof", "acknowledged", "listed", "size", "hash")
	c.Names = chosen("names", "utf-8", "iso-8859-1", "iso-8859-15", "windows-1252", "cp850")
	c.PacketSize = int(s.size("packet-size", 0, 0))
	c.Parallel, _ = s.whole("parallel", 0, 0, 256)
	c.Connections, _ = s.whole("connections", 0, 0, 16)
	c.NoSync = s.choice("fsync", "offered", "offered", "never") == "never"
	c.Bandwidth = s.size("bandwidth", 0, 0)
	c.ListLimit, _ = s.whole("list-limit", 200_000, 1, 10_000_000)
	c.ConnectTimeout = s.duration("connect-timeout", defaultConnect, time.Second, 10*time.Minute)
	c.StallTimeout = s.duration("stall-timeout", defaultStall, time.Second, time.Hour)
	c.TransferTimeout = s.duration("transfer-timeout", 6*time.Hour, time.Second, 7*24*time.Hour)
	c.Keepalive = s.duration("keepalive", 30*time.Second, time.Second, time.Hour)
	s.checkSFTP(c)
	return c
}

// checkSFTP compares the keys with one another.
func (s *section) checkSFTP(c *SFTP) {
	s.lackOfLogin(`neither "key" nor "agent" nor "password"`, "key", "agent", "password")
	s.lackOfHostKeys("host-keys", "known-hosts", "next-host-keys")
	if s.has("agent-key") && !s.has("agent") {
		s.r.fault(CodeConflict, s.sub("agent-key"), `"agent-key" without "agent"`, "name the agent's socket, or remove the key")
	}
	if s.has("certificate") && !s.has("key") {
		s.r.fault(CodeConflict, s.sub("certificate"), `"certificate" without "key"`, "an agent brings its certificates with it; else name the key that it is for")
	}
	if c.PacketSize > 1<<18 || c.PacketSize > 0 && c.PacketSize < 1024 {
		s.r.fault(CodeValue, s.sub("packet-size"), "is out of range", "1KiB to 256KiB; 'gateway partner probe' finds what the server takes")
	}
	if slices.Contains(c.Fallbacks, c.Address) && c.Address != "" {
		s.r.fault(CodeTwice, s.sub("fallbacks"), "repeats the address", "name other addresses of the same server")
	}
	if c.Profile == "legacy" && s.sound && !s.has("legacy") {
		s.r.fault(CodeMissing, s.sub("profile"), `profile "legacy" without the exception "legacy"`, "name the weak algorithms there, with reason and end")
	}
	if looks := c.Proof != "" && c.Proof != "acknowledged"; c.Profile == "write-only" && looks {
		s.r.fault(CodeConflict, s.sub("proof"), fmt.Sprintf("proof %q where nobody can look", c.Proof), "only acknowledged can be had of a write-only server")
	}
}

// login reads what opens an SSH server.
func (s *section) login() SSHLogin {
	a := SSHLogin{User: s.need("user", ""), Key: s.secret("key"), KeyPassword: s.secret("key-password"), Password: s.secret("password"),
		HostKeys: s.publicKeys("host-keys"), KnownHosts: s.knownHosts("known-hosts")}
	if s.has("key-password") && !s.has("key") {
		s.r.fault(CodeConflict, s.sub("key-password"), `"key-password" without "key"`, "name the key, or remove its password")
	}
	return a
}

func (s *section) lackOfLogin(message string, keys ...string) {
	if s.sound && !slices.ContainsFunc(keys, s.has) {
		s.r.at(s.node, Error, CodeMissing, s.path, message, "give the SSH key as file:PATH")
	}
}

func (s *section) lackOfHostKeys(keys ...string) {
	switch {
	case s.has("host-keys") && s.has("known-hosts"):
		s.r.fault(CodeConflict, s.sub("known-hosts"), `both "host-keys" and "known-hosts"`, "keep one")
	case s.sound && !slices.ContainsFunc(keys, s.has):
		s.r.at(s.node, Error, CodeMissing, s.path, `neither "host-keys" nor "known-hosts"`,
			"give the server's public keys, as agreed with the partner: an unknown server is never trusted")
	}
}

// algorithms reads names of algorithms as SSH has them.
func (s *section) algorithms(key string, known ssh.Algorithms) []string {
	names := slices.Concat(known.KeyExchanges, known.Ciphers, known.MACs, known.HostKeys)
	names = slices.DeleteFunc(names, func(n string) bool {
		return strings.Contains(n, "-cert-v01") || n == "ssh-dss" || strings.HasPrefix(n, "sk-")
	})
	return s.texts(key, "an algorithm's name in SSH", false, func(n *yaml.Node, path string) (string, bool) {
		v, ok := s.r.words(n, path)
		if ok && !slices.Contains(names, v) {
			s.r.at(n, Error, CodeValue, path, fmt.Sprintf("unknown value %q", clip(v)), s.r.meantOr(v, names))
			return "", false
		}
		return v, ok
	})
}

// readHostPort reads one "host:port" of a list.
func (r *reader) readHostPort(n *yaml.Node, path string) (string, bool) {
	v, ok := r.words(n, path)
	if host, port, err := net.SplitHostPort(v); ok && (err != nil || host == "" || port == "") {
		r.at(n, Error, CodeValue, path, fmt.Sprintf("%q is not host:port", clip(v)), "write host:port")
		return "", false
	}
	return v, ok
}

// publicKey reads a key's one public key.
func (s *section) publicKey(key string) (k ssh.PublicKey) {
	s.note(Field{Key: key, Kind: KindText})
	if n := s.take(key); n != nil {
		k, _ = s.r.readPublicKey(n, s.sub(key))
	}
	return k
}

// publicKeys reads a list of lines such as "ssh-ed25519 AAAA… comment".
func (s *section) publicKeys(key string) []ssh.PublicKey {
	var keys []ssh.PublicKey
	s.texts(key, "a public key", false, func(n *yaml.Node, path string) (string, bool) {
		k, ok := s.r.readPublicKey(n, path)
		if !ok {
			return "", false
		}
		keys = append(keys, k)
		return ssh.FingerprintSHA256(k), true
	})
	return keys
}

func (r *reader) readPublicKey(n *yaml.Node, path string) (ssh.PublicKey, bool) {
	// Not words: a private key pasted here by mistake must not be shown.
	line, ok := r.scalar(n, path, "a public key", "", "!!str")
	if !ok {
		return nil, false
	}
	k, message := publicKey(line)
	if message != "" {
		r.at(n, Error, CodeValue, path, message, "write a line such as ssh-ed25519 AAAA…")
	}
	return k, message == ""
}

// publicKey reads one line; message tells what is wrong with it.
func publicKey(line string) (k ssh.PublicKey, message string) {
	k, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	switch {
	case err != nil || len(rest) > 0:
		return nil, "not a public key in the form of OpenSSH"
	case len(options) > 0:
		return nil, "options before a public key are not part of the dialect"
	}
	if _, ok := k.(*ssh.Certificate); ok {
		return nil, "a certificate, not a public key"
	}
	if k.Type() == "ssh-dss" { // 1024 bits at most
		return nil, "DSA keys are too weak"
	}
	if c, ok := k.(ssh.CryptoPublicKey); ok {
		if r, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok && r.N.BitLen() < 2048 {
			return nil, strconv.Itoa(r.N.BitLen()) + "-bit RSA keys are too weak, 2048 is the least"
		}
	}
	return k, ""
}

// knownHosts reads the path of a known_hosts file and looks whether it is one.
func (s *section) knownHosts(key string) string {
	file := s.file(key)
	if file == "" {
		return ""
	}
	data, err := os.ReadFile(file)
	for keys := 0; err == nil; keys++ {
		if _, _, _, _, data, err = ssh.ParseKnownHosts(data); errors.Is(err, io.EOF) {
			if keys > 0 {
				return file
			}
			err = errors.New("holds no key")
		}
	}
	s.r.fault(CodeFile, s.sub(key), clip(s.value[key].Value)+" is not a known_hosts file: "+reason(err), "")
	return file
}

// transfers reads how many calls to partners' servers may be under way at once.
func (s *section) transfers() int {
	n, _ := s.whole("transfers", 64, 1, 4096)
	return n
}
