package main

import (
	"crypto/rand"
	"crypto/rsa"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
	"gateway301/config"
	"gateway301/crypto/keys"
)

// Every key of a partner's row reaches the channel, and what the row leaves open
// is as the profile says.
func TestSFTPSettings(t *testing.T) {
	host := channeltest.NewKey(t).Signer.PublicKey()
	dir := t.TempDir()
	secret := func(name, text string) config.Secret {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := config.ParseSecret("file:"+path, dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	password := secret("password", "Kennwort")
	row := func() *config.SFTP {
		return &config.SFTP{Address: "a:22", Profile: "strict", Put: "in", Get: "out",
			SSHLogin: config.SSHLogin{User: "nord", Password: password, HostKeys: []ssh.PublicKey{host}}}
	}
	until := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for what, test := range map[string]struct {
		change func(*config.SFTP)
		got    func(*sftp.Settings) any
		want   any
	}{
		"profile":        {func(p *config.SFTP) { p.Profile = "write-only" }, func(s *sftp.Settings) any { return s.Blind }, true},
		"fallbacks":      {func(p *config.SFTP) { p.Fallbacks = []string{"b:22"} }, func(s *sftp.Settings) any { return s.Fallbacks[0].Address }, "b:22"},
		"next-host-keys": {func(p *config.SFTP) { p.NextHostKeys = []config.DatedKey{{Key: host, Until: until}} }, func(s *sftp.Settings) any { return s.HostKeys[1].Until }, until},
		"agent":          {func(p *config.SFTP) { p.Agent, p.AgentKey = "/s", host }, func(s *sftp.Settings) any { return *s.Agent }, sftp.Agent{Socket: "/s", Key: host}},
		"password":       {func(*config.SFTP) {}, func(s *sftp.Settings) any { return s.Password }, "Kennwort"},
		"proxy": {func(p *config.SFTP) {
			p.Proxy = &config.Proxy{SOCKS: true, Address: "p:1", User: "u", Password: password}
		}, func(s *sftp.Settings) any { return *s.Proxy }, sftp.Proxy{Kind: sftp.SOCKS5, Address: "p:1", User: "u", Password: "Kennwort"}},
		"jump":             {func(p *config.SFTP) { p.Jump = &config.Jump{Address: "j:22", SSHLogin: p.SSHLogin} }, func(s *sftp.Settings) any { return s.Jump.Address + s.Jump.User }, "j:22nord"},
		"algorithms":       {func(p *config.SFTP) { p.Algorithms = []string{"aes256-ctr"} }, func(s *sftp.Settings) any { return s.Algorithms.Only }, []string{"aes256-ctr"}},
		"legacy":           {func(p *config.SFTP) { p.Legacy = &config.Legacy{Algorithms: []string{"aes128-cbc"}, Until: until} }, func(s *sftp.Settings) any { return s.Algorithms }, sftp.Algorithms{Legacy: []string{"aes128-cbc"}, LegacyUntil: until}},
		"temporary":        {func(p *config.SFTP) { p.Temporary = config.TemporaryFolder }, func(s *sftp.Settings) any { return s.Temporary.Kind }, channels.Folder},
		"rename":           {func(p *config.SFTP) { p.Rename = "posix" }, func(s *sftp.Settings) any { return s.Rename }, sftp.RenamePosix},
		"proof":            {func(p *config.SFTP) { p.Proof = "hash" }, func(s *sftp.Settings) any { return s.Proof }, channels.Hash},
		"names":            {func(p *config.SFTP) { p.Names = "cp850" }, func(s *sftp.Settings) any { return s.Names }, sftp.NameEncodings()["cp850"]},
		"packet-size":      {func(p *config.SFTP) { p.PacketSize = 131072 }, func(s *sftp.Settings) any { return s.MaxPacket }, 131072},
		"parallel":         {func(p *config.SFTP) { p.Parallel = 7 }, func(s *sftp.Settings) any { return s.Parallel }, 7},
		"connections":      {func(p *config.SFTP) { p.Connections = 3 }, func(s *sftp.Settings) any { return s.Connections }, 3},
		"fsync":            {func(p *config.SFTP) { p.NoSync = true }, func(s *sftp.Settings) any { return s.NoSync }, true},
		"bandwidth":        {func(p *config.SFTP) { p.Bandwidth = 5000 }, func(s *sftp.Settings) any { return s.Bandwidth }, int64(5000)},
		"list-limit":       {func(p *config.SFTP) { p.ListLimit = 9 }, func(s *sftp.Settings) any { return s.MaxEntries }, 9},
		"keepalive":        {func(p *config.SFTP) { p.Keepalive = time.Minute }, func(s *sftp.Settings) any { return s.Keepalive }, time.Minute},
		"transfer-timeout": {func(p *config.SFTP) { p.TransferTimeout = time.Hour }, func(s *sftp.Settings) any { return s.Timeouts.Transfer }, time.Hour},
		"stall-timeout":    {func(p *config.SFTP) { p.StallTimeout = time.Hour }, func(s *sftp.Settings) any { return s.Timeouts.Stall }, time.Hour},
		"connect-timeout":  {func(p *config.SFTP) { p.ConnectTimeout = time.Hour }, func(s *sftp.Settings) any { return s.Timeouts.Dial }, time.Hour},
		"by profile":       {func(*config.SFTP) {}, func(s *sftp.Settings) any { return []int{s.MaxPacket, s.Parallel, s.Connections} }, []int{32768, 16, 1}},
	} {
		p := row()
		test.change(p)
		s, _, err := sftpSettings(p)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if got := test.got(&s); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", what, got, test.want)
		}
		if _, err := sftp.New(s); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A stop is lifted when what was refused has changed, and only then.
	_, before, _ := sftpSettings(row())
	for what, change := range map[string]func(*config.SFTP){
		"user":           func(p *config.SFTP) { p.User = "sued" },
		"password":       func(p *config.SFTP) { p.Password = secret("other", "Losung") },
		"host key":       func(p *config.SFTP) { p.HostKeys = append(p.HostKeys, channeltest.NewKey(t).Signer.PublicKey()) },
		"next host key":  func(p *config.SFTP) { p.NextHostKeys = []config.DatedKey{{Key: host, Until: until}} },
		"proxy password": func(p *config.SFTP) { p.Proxy = &config.Proxy{Address: "p:1", User: "u", Password: password} },
	} {
		p := row()
		change(p)
		if _, after, _ := sftpSettings(p); after == before {
			t.Errorf("a changed %s does not change the fingerprint", what)
		}
	}
	p := row()
	p.Bandwidth, p.Parallel = 5000, 3
	if _, after, _ := sftpSettings(p); after != before {
		t.Error("a changed limit changes the fingerprint")
	}
}

func TestProfilesAreKnown(t *testing.T) {
	var known []string
	for _, p := range sftp.Profiles() {
		known = append(known, p.Name)
	}
	if !reflect.DeepEqual(known, config.SFTPProfiles()) {
		t.Errorf("config knows %q, channels/sftp %q", config.SFTPProfiles(), known)
	}
}

// An encrypted key as OpenSSL writes it.
func TestLoginKeyPKCS8(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text, err := keys.MarshalKey(key, "Kennwort")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string]string{"key": string(text), "right": "Kennwort", "wrong": "Kenwort"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secret := func(name string) config.Secret {
		s, err := config.ParseSecret("file:"+name, dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if signer, err := loginKey(secret("key"), secret("right")); err != nil || signer.PublicKey().Type() != "ssh-rsa" {
		t.Errorf("got %v, %v", signer, err)
	}
	if _, err := loginKey(secret("key"), secret("wrong")); err == nil {
		t.Error("the wrong password opened the key")
	}
}
