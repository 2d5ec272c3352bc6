package dropserver_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/dropserver"
	"gateway301/channels/sftp"
)

const account = "ik260500005"

// A running server with one account.
type running struct {
	address string
	root    string
	host    channeltest.Key
	client  channeltest.Key
	server  *dropserver.Server
	set     dropserver.Settings // as it was started with
	stop    context.CancelFunc
	stopped chan error // what Serve returned

	mu     sync.Mutex
	events []dropserver.Event
	heard  *sync.Cond
}

// start serves one account; change may alter the settings before.
func start(t testing.TB, change func(*dropserver.Settings)) *running {
	t.Helper()
	r := &running{
		root: t.TempDir(), host: channeltest.NewKey(t), client: channeltest.NewKey(t),
		stopped: make(chan error, 1),
	}
	r.heard = sync.NewCond(&r.mu)
	settings := dropserver.Settings{
		HostKeys: []ssh.Signer{r.host.Signer},
		Accounts: []dropserver.Account{{Name: account, Keys: []ssh.PublicKey{r.client.Signer.PublicKey()}, Root: r.root}},
		Audit: func(e dropserver.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
			r.heard.Broadcast()
		},
	}
	if change != nil {
		change(&settings)
	}
	server, err := dropserver.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	r.server, r.set = server, settings
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = listener.Addr().String()
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() {
		r.stopped <- server.Serve(ctx, listener)
		close(r.stopped)
	}()
	t.Cleanup(func() {
		r.stop()
		if err := <-r.stopped; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return r
}

// wait returns the first event that matches, and waits for it if need be.
func (r *running) wait(match func(dropserver.Event) bool) dropserver.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	for seen := 0; ; r.heard.Wait() {
		for ; seen < len(r.events); seen++ {
			if match(r.events[seen]) {
				return r.events[seen]
			}
		}
	}
}

// settings reach the server with channels/sftp.
func (r *running) settings() sftp.Settings {
	return sftp.Settings{
		Host:   sftp.Host{Address: r.address, HostKeys: sftp.Pin(r.host.Signer.PublicKey())},
		Login:  sftp.Login{User: account, Signers: []ssh.Signer{r.client.Signer}},
		OutDir: "in", InDir: "out",
	}
}

func (r *running) channel(t testing.TB) *sftp.Channel {
	t.Helper()
	c, err := sftp.New(r.settings())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// empty makes fresh folders for the next subtest.
func empty(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConformance(t *testing.T) {
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
			server := start(t, func(s *dropserver.Settings) { s.Accounts[0].ReadBack = test.readBack })
			set := server.settings()
			test.change(&set)
			channel, err := sftp.New(set)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { channel.Close() })
			run := channeltest.RunPut
			if what == "suffix" {
				run = channeltest.Run
			}
			run(t, func(t *testing.T) *channeltest.Partner {
				p := &channeltest.Partner{
					Channel: channel, Temporary: set.Temporary, Staged: true, PlainOnly: true,
					OutDir: filepath.Join(server.root, "in"), InDir: filepath.Join(server.root, "out"),
				}
				empty(t, p.OutDir, p.InDir)
				return p
			})
		})
	}
}
