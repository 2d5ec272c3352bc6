package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Defaults of the drop server.
const (
	defaultConnections = 256
	defaultPerAccount  = 16
	defaultWaiting     = 16
	defaultLoginTries  = 6
	defaultOpenFiles   = 256
	defaultLoginTime   = 30 * time.Second
	defaultIdleTime    = 15 * time.Minute
	defaultDrainTime   = 30 * time.Second
	defaultDelay       = 500 * time.Millisecond
	defaultBanAfter    = 10
	defaultBan         = 15 * time.Minute
	defaultIn          = "in"
	defaultOut         = "out"

	// uploading is the folder of an account in which uploads grow.
	uploading = "uploading"
)

func (s *section) server(loc *time.Location) *Server {
	v := &Server{Listen: s.hostPort("listen")}
	s.missing("host-keys", "write [file:keys/ssh_host_ed25519]")
	s.note(Field{Key: "host-keys", Kind: KindList, Item: "a reference to a host key"})
	if n := s.take("host-keys"); n != nil {
		s.r.list(n, s.sub("host-keys"), "a reference to a host key", func(n *yaml.Node, path string) (string, bool) {
			secret := s.r.readSecret(n, path)
			if !secret.IsZero() {
				v.HostKeys = append(v.HostKeys, secret)
			}
			return secret.String(), !secret.IsZero()
		})
	}
	s.missing("root", "the folder of the accounts")
	v.Root = s.location("root", "")
	v.Banner = s.text("banner", "")
	v.Limits = ServerLimits{
		Connections: defaultConnections, PerAccount: defaultPerAccount, Waiting: defaultWaiting,
		LoginTries: defaultLoginTries, OpenFiles: defaultOpenFiles,
		LoginTime: defaultLoginTime, IdleTime: defaultIdleTime, DrainTime: defaultDrainTime,
	}
	if b := s.below("limits"); b != nil {
		l := &v.Limits
		l.Connections, _ = b.whole("connections", defaultConnections, 1, 100_000)
		l.PerAccount, _ = b.whole("per-account", defaultPerAccount, 1, 100_000)
		l.Waiting, _ = b.whole("waiting", defaultWaiting, 1, 100_000)
		l.LoginTries, _ = b.whole("login-tries", defaultLoginTries, 1, 100)
		l.OpenFiles, _ = b.whole("open-files", defaultOpenFiles, 1, 10_000)
		l.LoginTime = b.duration("login-time", defaultLoginTime, time.Second, 10*time.Minute)
		l.IdleTime = b.duration("idle-time", defaultIdleTime, time.Second, 24*time.Hour)
		l.DrainTime = b.duration("drain-time", defaultDrainTime, time.Second, time.Hour)
		b.done()
	}
	v.Failures = ServerFailures{Delay: defaultDelay, BanAfter: defaultBanAfter, Ban: defaultBan}
	if b := s.below("failures"); b != nil {
		v.Failures.Delay = b.duration("delay", defaultDelay, time.Millisecond, 10*time.Second)
		v.Failures.BanAfter, _ = b.whole("ban-after", defaultBanAfter, 1, 1000)
		v.Failures.Ban = b.duration("ban", defaultBan, time.Second, 24*time.Hour)
		b.done()
	}
	s.missing("accounts", "without one nobody can log in")
	s.rows("accounts", func(b *section) { v.Accounts = append(v.Accounts, b.account(loc)) })
	return v
}

func (s *section) account(loc *time.Location) Account {
	a := Account{Name: s.name("name")}
	s.missing("keys", "the public keys of whoever may log in")
	a.Keys = s.publicKeys("keys")
	s.texts("networks", "a network", false, func(n *yaml.Node, path string) (string, bool) {
		network, ok := s.r.readNetwork(n, path)
		if ok {
			a.Networks = append(a.Networks, network)
		}
		return network.String(), ok
	})
	a.In = s.accountFolder("in", defaultIn)
	a.Out = s.accountFolder("out", defaultOut)
	if a.In == a.Out && a.In != "" {
		s.r.at(s.node, Error, CodeConflict, s.path, fmt.Sprintf("one folder %q for both directions", a.In), "give in and out names of their own")
	}
	a.Quota = s.size("quota", 0, 0)
	a.Rate = s.size("rate", 0, 0)
	a.ReadBack = s.flag("read-back", false)
	a.From = s.day("from", loc)
	a.Until = s.day("until", loc)
	if !a.From.IsZero() && !a.Until.IsZero() && !a.From.Before(a.Until) {
		s.r.fault(CodeConflict, s.sub("until"), "until is not after from, so nobody can ever log in", "until is the first day on which it no longer holds")
	}
	return a
}

// accountFolder reads the name of a folder as the partner sees it.
func (s *section) accountFolder(key, def string) string {
	v := s.text(key, def)
	if v != "" && (!isName(v) || v == uploading) {
		s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("%q cannot be the name of the folder", clip(v)),
			"use letters, digits, dot, dash and underscore, 64 at most, a letter or digit first; "+uploading+" is taken")
		return ""
	}
	return v
}

// readNetwork reads 192.0.2.0/24 or 2001:db8::/32; one address stands for itself.
func (r *reader) readNetwork(n *yaml.Node, path string) (netip.Prefix, bool) {
	v, ok := r.words(n, path)
	if !ok {
		return netip.Prefix{}, false
	}
	if a, err := netip.ParseAddr(v); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(v)
	if err != nil || p.Addr().Is4In6() {
		r.at(n, Error, CodeValue, path, fmt.Sprintf("%q is not a network", clip(v)), "write it as 192.0.2.0/24, 2001:db8::/32 or one address")
		return netip.Prefix{}, false
	}
	if p != p.Masked() {
		r.at(n, Error, CodeValue, path, fmt.Sprintf("%q is an address in a network", clip(v)), "write "+p.Masked().String()+" for the network, or the address alone")
		return netip.Prefix{}, false
	}
	return p, true
}

// checkAccountFolder reports a partner's folder below the root of the drop server
// that is not the one of an account for that direction: nobody would fill it, or
// look into it.
func (r *reader) checkAccountFolder(f *File, folder, path string, fetched bool) {
	if slices.ContainsFunc(f.Server.Accounts, func(a Account) bool { return a.Name == "" || a.In == "" || a.Out == "" }) || !r.has("server.accounts") {
		return // told of already
	}
	for _, a := range f.Server.Accounts {
		own := a.Out
		if fetched {
			own = a.In
		}
		if folder == filepath.Join(f.Server.Root, a.Name, own) {
			return
		}
	}
	what := "what is sent must lie where an account fetches it"
	if fetched {
		what = "what is collected must lie where an account sends it"
	}
	r.fault(CodeReference, path, r.shown(folder, path)+" is not such a folder of an account of the server", what)
}

// folders reads the folders of a partner that is reached without a server.
func (s *section) folders() *Folder {
	return &Folder{
		Put: s.location("put", ""), Get: s.location("get", ""),
		Temporary: Temporary(s.choice("temporary", string(TemporarySuffix),
			string(TemporarySuffix), string(TemporaryDot), string(TemporaryNone))),
		Marker:       s.fileName("marker"),
		Share:        s.flag("share", false),
		StallTimeout: s.duration("stall-timeout", defaultFolderStall, time.Second, time.Hour),
	}
}

// fileName reads the name of a file in a folder.
func (s *section) fileName(key string) string {
	v := s.text(key, "")
	if v != "" && (filepath.Base(v) != v || v == "." || v == "..") {
		s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("%q is not the name of a file", clip(v)), "write one such as .mounted")
		return ""
	}
	return v
}

const defaultFolderStall = 5 * time.Minute
