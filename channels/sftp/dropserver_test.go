package sftp_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/dropserver"
	"gateway301/channels/sftp"
)

// startDropServer serves one account and returns the settings that reach it.
func startDropServer(t testing.TB, account dropserver.Account) sftp.Settings {
	t.Helper()
	host, client := channeltest.NewKey(t), channeltest.NewKey(t)
	account.Name, account.Keys = "ik260500005", []ssh.PublicKey{client.Signer.PublicKey()}
	server, err := dropserver.New(dropserver.Settings{
		HostKeys: []ssh.Signer{host.Signer}, Accounts: []dropserver.Account{account},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return sftp.Settings{
		Address: listener.Addr().String(), User: account.Name,
		Signers: []ssh.Signer{client.Signer}, HostKeys: []ssh.PublicKey{host.Signer.PublicKey()},
		OutDir: "in", InDir: "out",
	}
}

func TestConformanceDropServer(t *testing.T) {
	for what, test := range map[string]struct {
		readBack bool
		change   func(*sftp.Settings)
	}{
		"suffix":       {false, func(*sftp.Settings) {}},
		"hash":         {true, func(s *sftp.Settings) { s.Proof = channels.Hash }},
		"in place":     {true, func(s *sftp.Settings) { s.Temporary.Kind = channels.None }},
		"posix rename": {true, func(s *sftp.Settings) { s.Rename = sftp.RenamePosix }},
	} {
		t.Run(what, func(t *testing.T) {
			root := t.TempDir()
			set := startDropServer(t, dropserver.Account{Root: root, ReadBack: test.readBack})
			test.change(&set)
			run := channeltest.RunPut
			if what == "suffix" {
				run = channeltest.Run
			}
			channel := open(t, set)
			run(t, func(t *testing.T) *channeltest.Partner {
				p := &channeltest.Partner{
					Channel: channel, Temporary: set.Temporary, PlainOnly: true,
					OutDir: filepath.Join(root, "in"), InDir: filepath.Join(root, "out"),
				}
				empty(t, p.OutDir, p.InDir)
				return p
			})
		})
	}
}
