package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"hash"
	"io"
	"os"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/folder"
	"gateway301/channels/sftp"
	"gateway301/config"
	"gateway301/crypto/keys"
)

// newChannel makes the way to a partner, and the fingerprint of its login and
// pins: a stop is lifted when that changes.
func newChannel(p config.Partner, overall *sftp.Overall) (c channels.Channel, credential string, err error) {
	if p.Folder != nil {
		c, err := folder.New(folder.Settings{
			OutDir: p.Folder.Put, InDir: p.Folder.Get, Temporary: temporary(p.Folder.Temporary),
			Marker: p.Folder.Marker, Share: p.Folder.Share, Stall: p.Folder.StallTimeout,
		})
		return c, "", err
	}
	s, credential, err := sftpSettings(p.SFTP)
	if err != nil {
		return nil, "", err
	}
	s.Overall = overall
	c, err = sftp.New(s)
	return c, credential, err
}

// sftpSettings reads keys and secrets of a partner's row.
func sftpSettings(p *config.SFTP) (s sftp.Settings, credential string, err error) {
	sum := sha256.New()
	profile, ok := sftp.ProfileNamed(p.Profile)
	if !ok {
		return s, "", fmt.Errorf("no profile %q", p.Profile)
	}
	profile.Apply(&s)
	override(&s, p)
	if s.Login, err = sshLogin(&p.SSHLogin, p.Certificate, sum); err != nil {
		return s, "", err
	}
	if p.Agent != "" {
		s.Agent = &sftp.Agent{Socket: p.Agent, Key: p.AgentKey}
		if fmt.Fprintln(sum, p.Agent); p.AgentKey != nil {
			sum.Write(p.AgentKey.Marshal())
		}
	}
	next := make([]sftp.HostKey, 0, len(p.NextHostKeys))
	for _, k := range p.NextHostKeys {
		next = append(next, sftp.HostKey{PublicKey: k.Key, From: k.From, Until: k.Until})
	}
	var hosts []sftp.Host
	for _, address := range append([]string{p.Address}, p.Fallbacks...) {
		host, err := sshHost(address, &p.SSHLogin, next, sum)
		if err != nil {
			return s, "", err
		}
		hosts = append(hosts, host)
	}
	s.Host, s.Fallbacks = hosts[0], hosts[1:]
	if p.Proxy != nil {
		s.Proxy = &sftp.Proxy{Address: p.Proxy.Address, User: p.Proxy.User}
		if p.Proxy.SOCKS {
			s.Proxy.Kind = sftp.SOCKS5
		}
		if !p.Proxy.Password.IsZero() {
			if s.Proxy.Password, err = p.Proxy.Password.Password(); err != nil {
				return s, "", err
			}
		}
		fmt.Fprintln(sum, *s.Proxy)
	}
	if p.Jump != nil {
		s.Jump = new(sftp.Jump)
		if s.Jump.Login, err = sshLogin(&p.Jump.SSHLogin, "", sum); err != nil {
			return s, "", fmt.Errorf("jump host: %w", err)
		}
		if s.Jump.Host, err = sshHost(p.Jump.Address, &p.Jump.SSHLogin, nil, sum); err != nil {
			return s, "", fmt.Errorf("jump host: %w", err)
		}
	}
	return s, hex.EncodeToString(sum.Sum(nil)), nil
}

// override puts what the row says in place of what the profile says.
func override(s *sftp.Settings, p *config.SFTP) {
	s.OutDir, s.InDir = p.Put, p.Get
	if p.Temporary != "" {
		s.Temporary = temporary(p.Temporary)
	}
	if p.Rename != "" {
		s.Rename = map[string]sftp.Rename{"plain": sftp.RenameAuto, "posix": sftp.RenamePosix}[p.Rename]
	}
	for _, level := range []channels.Level{channels.Acknowledged, channels.Listed, channels.Size, channels.Hash} {
		if p.Proof == level.String() {
			s.Proof = level
		}
	}
	if p.Names != "" {
		s.Names = sftp.NameEncodings()[p.Names]
	}
	if p.PacketSize > 0 {
		s.MaxPacket = p.PacketSize
	}
	if p.Parallel > 0 {
		s.Parallel = p.Parallel
	}
	if p.Connections > 0 {
		s.Connections = p.Connections
	}
	s.NoSync, s.Bandwidth, s.MaxEntries, s.Keepalive = p.NoSync, p.Bandwidth, p.ListLimit, p.Keepalive
	s.Timeouts = sftp.Timeouts{Dial: p.ConnectTimeout, Stall: p.StallTimeout, Transfer: p.TransferTimeout}
	s.Algorithms.Only = p.Algorithms
	if p.Legacy != nil {
		s.Algorithms.Legacy, s.Algorithms.LegacyUntil = p.Legacy.Algorithms, p.Legacy.Until
	}
}

func temporary(t config.Temporary) channels.Temporary {
	switch t {
	case config.TemporaryDot:
		return channels.Temporary{Kind: channels.Prefix}
	case config.TemporaryFolder:
		return channels.Temporary{Kind: channels.Folder}
	case config.TemporaryNone:
		return channels.Temporary{Kind: channels.None}
	}
	return channels.Temporary{}
}

// sshLogin reads an account's key and password.
func sshLogin(a *config.SSHLogin, certificate string, sum hash.Hash) (l sftp.Login, err error) {
	l.User = a.User
	fmt.Fprintln(sum, a.User)
	if !a.Key.IsZero() {
		signer, err := loginKey(a.Key, a.KeyPassword)
		if err != nil {
			return l, err
		}
		if certificate != "" {
			text, err := os.ReadFile(certificate)
			if err != nil {
				return l, err
			}
			if signer, err = sftp.WithCertificate(signer, text); err != nil {
				return l, fmt.Errorf("%s: %w", certificate, err)
			}
		}
		l.Signers = []ssh.Signer{signer}
		sum.Write(signer.PublicKey().Marshal())
	}
	if !a.Password.IsZero() {
		if l.Password, err = a.Password.Password(); err != nil {
			return l, err
		}
		io.WriteString(sum, l.Password)
	}
	return l, nil
}

// sshHost gathers the keys that an address may show.
func sshHost(address string, a *config.SSHLogin, next []sftp.HostKey, sum hash.Hash) (sftp.Host, error) {
	pins := a.HostKeys
	if a.KnownHosts != "" {
		text, err := os.ReadFile(a.KnownHosts)
		if err != nil {
			return sftp.Host{}, err
		}
		if pins, err = sftp.ParseHostKeys(text, address); err != nil {
			return sftp.Host{}, fmt.Errorf("%s: %w", a.KnownHosts, err)
		}
	}
	host := sftp.Host{Address: address, HostKeys: append(sftp.Pin(pins...), next...)}
	fmt.Fprintln(sum, address)
	for _, k := range host.HostKeys {
		sum.Write(k.Marshal())
		fmt.Fprintln(sum, k.From, k.Until)
	}
	return host, nil
}

// loginKey reads an SSH private key, encrypted if there is a password for it.
func loginKey(s, password config.Secret) (ssh.Signer, error) {
	b, err := s.Bytes()
	if err != nil {
		return nil, err
	}
	var passphrase string
	if !password.IsZero() {
		if passphrase, err = password.Password(); err != nil {
			return nil, err
		}
	}
	key, err := sftp.ParseSigner(b, []byte(passphrase), nil)
	if block, _ := pem.Decode(b); block != nil && block.Type == "ENCRYPTED PRIVATE KEY" {
		// OpenSSL's form of an encrypted key (PKCS #8), which x/crypto/ssh does not read.
		var bundle keys.Bundle
		if bundle, err = keys.ParseBundle(b, passphrase); err == nil {
			key, err = ssh.NewSignerFromKey(bundle.Key)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("login key %s: %w", s, err)
	}
	return key, nil
}
