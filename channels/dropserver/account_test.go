package dropserver_test

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gateway301/channels/channeltest"
	"gateway301/channels/dropserver"
)

func TestNetworksAndValidity(t *testing.T) {
	day := 24 * time.Hour
	for what, test := range map[string]struct {
		change func(*dropserver.Account)
		want   error
	}{
		"from here": {func(a *dropserver.Account) { a.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, nil},
		"elsewhere": {func(a *dropserver.Account) { a.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }, dropserver.ErrNetwork},
		"now":       {func(a *dropserver.Account) { a.From, a.Until = time.Now().Add(-day), time.Now().Add(day) }, nil},
		"not yet":   {func(a *dropserver.Account) { a.From = time.Now().Add(day) }, dropserver.ErrNotYet},
		"no longer": {func(a *dropserver.Account) { a.Until = time.Now().Add(-day) }, dropserver.ErrExpired},
	} {
		t.Run(what, func(t *testing.T) {
			server := start(t, func(s *dropserver.Settings) { test.change(&s.Accounts[0]) })
			c, err := server.dial(server.client)
			if err == nil {
				c.Close()
			}
			if (err == nil) != (test.want == nil) {
				t.Errorf("login: %v, want %v", err, test.want)
			}
			event := server.wait(func(e dropserver.Event) bool { return e.Action == dropserver.Login })
			if !errors.Is(event.Err, test.want) || event.Account != account {
				t.Errorf("event %+v, want %v", event, test.want)
			}
		})
	}
}

// Whoever fails too often is not even greeted; a reload pardons.
func TestBan(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) {
		s.Failures = dropserver.Failures{Delay: time.Millisecond, BanAfter: 3, Ban: time.Hour}
	})
	stranger := channeltest.NewKey(t)
	for range 3 {
		if _, err := server.dial(stranger); err == nil {
			t.Fatal("a strange key was let in")
		}
	}
	event := server.wait(func(e dropserver.Event) bool { return e.Action == dropserver.Banned })
	if left := time.Until(event.Until); left < 50*time.Minute || left > time.Hour || event.Remote == "" {
		t.Errorf("event %+v, want a ban of an hour", event)
	}
	if c, err := server.dial(server.client); err == nil {
		c.Close()
		t.Error("the banned address was let in")
	}
	if err := server.server.Reload(server.set); err != nil {
		t.Fatal(err)
	}
	c, err := server.dial(server.client)
	if err != nil {
		t.Fatalf("after the reload: %v", err)
	}
	c.Close()
}

// A client with several keys, and one that leaves without a word, do not fail.
func TestHonestClientsAreNotBanned(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) {
		s.Failures = dropserver.Failures{Delay: time.Hour, BanAfter: 1}
	})
	for range 3 {
		c, err := ssh.Dial("tcp", server.address, &ssh.ClientConfig{
			User: account, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
			Auth: []ssh.AuthMethod{ssh.PublicKeys(channeltest.NewKey(t).Signer, channeltest.NewKey(t).Signer, server.client.Signer)},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		_, err = ssh.Dial("tcp", server.address, &ssh.ClientConfig{User: account, HostKeyCallback: ssh.FixedHostKey(channeltest.NewKey(t).Signer.PublicKey())})
		if err == nil {
			t.Fatal("a client that trusts another host key was let in")
		}
	}
}

func TestBanner(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.Banner = "Nur für Berechtigte" })
	var shown string
	c, err := ssh.Dial("tcp", server.address, &ssh.ClientConfig{
		User: account, Auth: []ssh.AuthMethod{ssh.PublicKeys(server.client.Signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		BannerCallback:  func(message string) error { shown = message; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if shown != "Nur für Berechtigte\r\n" {
		t.Errorf("banner %q", shown)
	}
}

// A client without GCM, as old ones are.
func TestOldCiphers(t *testing.T) {
	server := start(t, nil)
	for _, test := range []struct {
		cipher, mac string
		served      bool
	}{
		{"aes256-ctr", "hmac-sha2-256", true}, {"aes128-ctr", "hmac-sha2-512", true},
		{"aes256-ctr", "hmac-sha1", false}, {"aes128-cbc", "hmac-sha2-256", false},
	} {
		config := &ssh.ClientConfig{
			User: account, Auth: []ssh.AuthMethod{ssh.PublicKeys(server.client.Signer)},
			HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		}
		config.Ciphers, config.MACs = []string{test.cipher}, []string{test.mac}
		c, err := ssh.Dial("tcp", server.address, config)
		if err == nil {
			c.Close()
		}
		if (err == nil) != test.served {
			t.Errorf("%s with %s: %v", test.cipher, test.mac, err)
		}
	}
}

// A reload changes everything for whoever comes, and cuts nobody off who is in
// the middle of something.
func TestReload(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.QuietTime = 20 * time.Millisecond })
	newKey := channeltest.NewKey(t)
	keeps, loses := server.sftp(t), server.sftp(t)
	kept, err := keeps.Create("/in/EKRH0001")
	if err != nil {
		t.Fatal(err)
	}
	kept.Write(make([]byte, 1000))

	// A second key, and everything else as before.
	set := server.set
	set.Accounts = []dropserver.Account{server.set.Accounts[0], {
		Name: "ik260500016", Keys: []ssh.PublicKey{newKey.Signer.PublicKey()}, Root: t.TempDir(),
	}}
	set.Accounts[0].Keys = []ssh.PublicKey{server.client.Signer.PublicKey(), newKey.Signer.PublicKey()}
	set.Accounts[0].ReadBack = true
	if err := server.server.Reload(set); err != nil {
		t.Fatal(err)
	}
	kept.Write(make([]byte, 1000))
	if err := kept.Close(); err != nil {
		t.Errorf("the upload under way: %v", err)
	}
	f, err := keeps.Open("/in/EKRH0001") // what was just allowed
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, f); n != 2000 || err != nil {
		t.Errorf("read back %d, %v", n, err)
	}
	f.Close()
	c, err := server.dial(newKey)
	if err != nil {
		t.Fatalf("the new key: %v", err)
	}
	c.Close()

	// The old key is taken out: its upload may finish, then it has to go.
	lost, err := loses.Create("/in/EKRH0002.tmp")
	if err != nil {
		t.Fatal(err)
	}
	set.Accounts = set.Accounts[:1]
	set.Accounts[0].Keys = []ssh.PublicKey{newKey.Signer.PublicKey()}
	if err := server.server.Reload(set); err != nil {
		t.Fatal(err)
	}
	if _, err := loses.Create("/in/EKRH0003"); err == nil {
		t.Error("an upload began with a key that was taken out")
	}
	lost.Write(make([]byte, 1000))
	if err := lost.Close(); err != nil {
		t.Errorf("the upload under way: %v", err)
	}
	for range 2 { // keeps and loses have the same key
		server.wait(func(e dropserver.Event) bool {
			return e.Action == dropserver.Logout && errors.Is(e.Err, dropserver.ErrEnded)
		})
	}
	if err := loses.Wait(); err == nil {
		t.Error("the connection ended without a word")
	}
	if _, err := os.Stat(filepath.Join(server.root, "in/EKRH0002.tmp")); err != nil {
		t.Error(err)
	}
	if c, err := server.dial(server.client); err == nil {
		c.Close()
		t.Error("the old key was let in")
	}

	// Nonsense changes nothing.
	if err := server.server.Reload(dropserver.Settings{}); !errors.Is(err, dropserver.ErrSettings) {
		t.Errorf("Reload = %v, want ErrSettings", err)
	}
	if c, err = server.dial(newKey); err != nil {
		t.Fatalf("after a refused reload: %v", err)
	}
	c.Close()
}

// An account that expires while it is logged in finishes, within limits.
func TestAccountExpires(t *testing.T) {
	until := time.Now().Add(time.Second)
	server := start(t, func(s *dropserver.Settings) {
		s.Accounts[0].Until, s.QuietTime, s.DrainTime = until, 10*time.Millisecond, 50*time.Millisecond
	})
	c, hangs := server.sftp(t), server.sftp(t)
	if _, err := hangs.Create("/in/EKRH0001"); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if time.Now().Before(until) {
		t.Error("the connection ended too early")
	}
	hangs.Wait()
	server.wait(func(e dropserver.Event) bool { return e.Action == dropserver.Upload && e.Err != nil })
	server.wait(func(e dropserver.Event) bool {
		return e.Action == dropserver.Logout && errors.Is(e.Err, dropserver.ErrExpired)
	})
}

// A rate holds for all connections of an account together.
func TestRate(t *testing.T) {
	const rate, size = 1 << 20, 300 << 10
	server := start(t, func(s *dropserver.Settings) { s.Accounts[0].Rate = rate })
	begin := time.Now()
	done := make(chan error, 2)
	for _, name := range []string{"/in/EKRH0001", "/in/EKRH0002"} {
		c := server.sftp(t)
		go func() {
			f, err := c.Create(name)
			if err == nil {
				_, err = f.Write(make([]byte, size))
				err = errors.Join(err, f.Close())
			}
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(begin); took < 400*time.Millisecond {
		t.Errorf("%d bytes took %v at %d bytes a second", 2*size, took, rate)
	}
}

// One address alone cannot keep others from logging in.
func TestWhoDoesNotLogInWaits(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.MaxWaiting = 1 })
	silent := server.knock(t)
	if c, err := server.dial(server.client); err == nil {
		c.Close()
		t.Error("a second connection was served beside one that does not log in")
	}
	silent.Close()
	server.wait(func(e dropserver.Event) bool {
		return e.Action == dropserver.Login && e.Err != nil && !errors.Is(e.Err, dropserver.ErrBusy)
	})
	c, err := server.dial(server.client)
	for err != nil && strings.Contains(err.Error(), "handshake") { // its place is given back a moment later
		c, err = server.dial(server.client)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
