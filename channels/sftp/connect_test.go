package sftp_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
	"gateway301/internal/relay"
)

func list(t testing.TB, c *sftp.Channel) error {
	t.Helper()
	_, _, err := c.List(t.Context(), channels.Incoming)
	return err
}

// A dead address is passed over; a refused login or an unknown host key is not:
// the account may lock, and who redirects us may want just that.
func TestFallbacks(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	dead := server.HostKeys()
	nobody := sftp.Host{Address: "127.0.0.1:1", HostKeys: sftp.Pin(dead...)}
	for what, test := range map[string]struct {
		change  func(*sftp.Settings)
		err     error
		reached bool // the second address is called
	}{
		"first is dead":       {func(s *sftp.Settings) { s.Host = nobody }, nil, true},
		"first works":         {func(*sftp.Settings) {}, nil, false},
		"first refuses login": {func(s *sftp.Settings) { s.Signers = []ssh.Signer{channeltest.NewKey(t).Signer} }, channels.ErrLogin, false},
		"first shows a new key": {func(s *sftp.Settings) {
			s.HostKeys = sftp.Pin(channeltest.NewKey(t).Signer.PublicKey())
		}, channels.ErrHostKey, false},
		"all are dead": {func(s *sftp.Settings) { s.Host, s.Fallbacks = nobody, []sftp.Host{nobody} }, channels.ErrLine, false},
	} {
		t.Run(what, func(t *testing.T) {
			second, err := relay.Listen(server.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close()
			set := settings(server)
			set.Fallbacks = []sftp.Host{{Address: second.Address(), HostKeys: set.HostKeys}}
			test.change(&set)
			if err := list(t, open(t, set)); !errors.Is(err, test.err) {
				t.Errorf("List = %v, want %v", err, test.err)
			}
			if reached := second.Carried(relay.Up) > 0; reached != test.reached {
				t.Errorf("the second address was called: %v, want %v", reached, test.reached)
			}
		})
	}
}

// A line that breaks after a fail-over is made anew, from the first address on.
func TestFallbackAndBack(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	set := settings(server)
	first := through(t, &set)
	second := sftp.Host{Address: server.Address, HostKeys: set.HostKeys}
	set.Fallbacks = []sftp.Host{second}
	c := open(t, set)
	first.CutAfter(relay.Up, 0)
	if err := list(t, c); err != nil {
		t.Fatal(err)
	}
	first.CutAfter(relay.Up, -1)
	server.Restart()
	err := list(t, c)
	for errors.Is(err, channels.ErrLine) {
		err = list(t, c)
	}
	if err != nil || first.Carried(relay.Down) == 0 {
		t.Errorf("List = %v, %d bytes over the first address", err, first.Carried(relay.Down))
	}
}

// free returns a loopback address that nobody listens on.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run starts a peer that ends with the test, and waits until address answers.
func run(t testing.TB, address, program string, args ...string) {
	t.Helper()
	command := exec.Command(channeltest.LookPeer(t, program), args...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(20 * time.Second); ; {
		if c, err := net.Dial(network, address); err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s does not listen at %s", program, address)
		}
	}
}

func startTinyproxy(t testing.TB) string {
	t.Helper()
	address := free(t)
	host, port, _ := net.SplitHostPort(address)
	file := filepath.Join(t.TempDir(), "tinyproxy.conf")
	text := fmt.Sprintf("Listen %s\nPort %s\nMaxClients 20\nTimeout 60\nBasicAuth nord Kennwort\n", host, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, address, "tinyproxy", "-d", "-c", file)
	return address
}

func startSocks(t testing.TB) string {
	t.Helper()
	address := free(t)
	host, port, _ := net.SplitHostPort(address)
	run(t, address, "microsocks", "-i", host, "-p", port, "-u", "nord", "-P", "Kennwort")
	return address
}

func TestProxies(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	nowhere := free(t)
	const toServer = ""
	for name, kind := range map[string]struct {
		kind    sftp.ProxyKind
		address string
	}{
		"HTTP CONNECT by tinyproxy": {sftp.HTTPConnect, startTinyproxy(t)},
		"SOCKS5 by microsocks":      {sftp.SOCKS5, startSocks(t)},
	} {
		for what, test := range map[string]struct {
			password, proxy, target string
			err                     error
		}{
			"works":            {"Kennwort", kind.address, toServer, nil},
			"refuses us":       {"Kenwort", kind.address, toServer, channels.ErrLogin},
			"cannot reach":     {"Kennwort", kind.address, nowhere, channels.ErrLine},
			"is not there":     {"Kennwort", nowhere, toServer, channels.ErrLine},
			"is an SSH server": {"Kennwort", server.Address, toServer, nil},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				set := settings(server)
				line, err := relay.Listen(server.Address) // to see what arrives
				if err != nil {
					t.Fatal(err)
				}
				defer line.Close()
				if set.Address = test.target; test.target == toServer {
					set.Address = line.Address()
				}
				set.Proxy = &sftp.Proxy{Kind: kind.kind, Address: test.proxy, User: "nord", Password: test.password}
				before := line.Carried(relay.Up)
				err = list(t, open(t, set))
				if what == "is an SSH server" {
					if err == nil {
						t.Error("List succeeded through an SSH server taken for a proxy")
					}
				} else if !errors.Is(err, test.err) {
					t.Errorf("List = %v, want %v", err, test.err)
				}
				if arrived := line.Carried(relay.Up) > before; arrived != (test.err == nil && what == "works") {
					t.Errorf("something arrived: %v", arrived)
				}
				if err != nil && strings.Contains(err.Error(), test.password) {
					t.Errorf("%v tells the password", err)
				}
			})
		}
	}
}

func TestJumpHost(t *testing.T) {
	t.Parallel()
	jump, server := channeltest.StartSSHD(t), channeltest.StartSSHD(t)
	closed := channeltest.StartSSHD(t)
	closed.Config = "AllowTcpForwarding no"
	closed.Restart()
	hop := func(s *channeltest.SSHD) *sftp.Jump {
		return &sftp.Jump{
			Host:  sftp.Host{Address: s.Address, HostKeys: sftp.Pin(s.HostKeys()...)},
			Login: sftp.Login{User: s.User, Signers: []ssh.Signer{s.Client.Signer}},
		}
	}
	stranger, forged := hop(jump), hop(jump)
	stranger.Signers = []ssh.Signer{channeltest.NewKey(t).Signer}
	forged.HostKeys = sftp.Pin(channeltest.NewKey(t).Signer.PublicKey())
	proxy := &sftp.Proxy{Kind: sftp.SOCKS5, Address: startSocks(t), User: "nord", Password: "Kennwort"}
	for what, test := range map[string]struct {
		jump   *sftp.Jump
		change func(*sftp.Settings)
		err    error
	}{
		"forwards":                 {jump: hop(jump)},
		"forwards, behind a proxy": {jump: hop(jump), change: func(s *sftp.Settings) { s.Proxy = proxy }},
		"forwards to nobody":       {jump: hop(jump), change: func(s *sftp.Settings) { s.Address = free(t) }, err: channels.ErrLine},
		"forwards not":             {jump: hop(closed), err: channels.ErrRefused},
		"refuses our login":        {jump: stranger, err: channels.ErrLogin},
		"is somebody else":         {jump: forged, err: channels.ErrHostKey},
		"target refuses login": {jump: hop(jump), change: func(s *sftp.Settings) {
			s.Signers = []ssh.Signer{channeltest.NewKey(t).Signer}
		}, err: channels.ErrLogin},
		"target is somebody else": {jump: hop(jump), change: func(s *sftp.Settings) {
			s.HostKeys = sftp.Pin(channeltest.NewKey(t).Signer.PublicKey())
		}, err: channels.ErrHostKey},
	} {
		t.Run(what, func(t *testing.T) {
			set := settings(server)
			set.Jump = test.jump
			if test.change != nil {
				test.change(&set)
			}
			c := open(t, set)
			if err := list(t, c); !errors.Is(err, test.err) {
				t.Errorf("List = %v, want %v", err, test.err)
			}
			if test.err == nil {
				empty(t, filepath.Join(server.Root, "in"))
				content := channeltest.Content(1, 300_000)
				if _, err := put(t, c, content, channels.PutOptions{}); err != nil {
					t.Error(err)
				}
				holds(t, filepath.Join(server.Root, "in"), content)
			}
		})
	}
}

func TestAgent(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	socket := filepath.Join(t.TempDir(), "agent")
	run(t, socket, "ssh-agent", "-D", "-a", socket)
	set := settings(server)
	set.Signers, set.Agent = nil, &sftp.Agent{Socket: socket}
	c := open(t, set)
	if err := list(t, c); !errors.Is(err, channels.ErrLocal) {
		t.Errorf("empty agent: List = %v, want ErrLocal", err)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Several wrong keys before the right one would use up the tries.
	client := agent.NewClient(conn)
	for range 8 {
		add(t, client, channeltest.NewKey(t))
	}
	add(t, client, server.Client)
	set.Agent.Key = server.Client.Signer.PublicKey()
	if err := list(t, open(t, set)); err != nil {
		t.Errorf("the one key: List = %v", err)
	}
	set.Agent = &sftp.Agent{Socket: socket + ".gone"}
	if err := list(t, open(t, set)); !errors.Is(err, channels.ErrLocal) {
		t.Errorf("no agent: List = %v, want ErrLocal", err)
	}
}

func add(t testing.TB, client agent.Agent, k channeltest.Key) {
	t.Helper()
	private, err := ssh.ParseRawPrivateKey(k.PEM)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
}

// OpenSSH knows no key of ours, only the authority that signed its certificate.
func TestUserCertificate(t *testing.T) {
	t.Parallel()
	authority, stranger := channeltest.NewKey(t), channeltest.NewKey(t)
	server := channeltest.StartSSHD(t)
	trusted := filepath.Join(t.TempDir(), "ca.pub")
	if err := os.WriteFile(trusted, []byte(authority.Line()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.Config = "TrustedUserCAKeys " + trusted
	server.Client = channeltest.NewKey(t) // nobody's
	server.Restart()
	for what, test := range map[string]struct {
		key       channeltest.Key
		authority channeltest.Key
		valid     time.Duration
		err       error
		silent    bool // nothing is sent
	}{
		"ed25519":         {channeltest.NewKey(t), authority, time.Hour, nil, false},
		"rsa":             {channeltest.RSAKey(t), authority, time.Hour, nil, false},
		"other authority": {channeltest.NewKey(t), stranger, time.Hour, channels.ErrLogin, false},
		"expired":         {channeltest.NewKey(t), authority, -time.Hour, channels.ErrLogin, true},
	} {
		t.Run(what, func(t *testing.T) {
			signer, err := sftp.ParseSigner(test.key.PEM, nil, certify(t, test.authority, test.key.Signer.PublicKey(), test.valid, server.User))
			if err != nil {
				t.Fatal(err)
			}
			set := settings(server)
			line := through(t, &set)
			set.Signers = []ssh.Signer{signer}
			err = list(t, open(t, set))
			if !errors.Is(err, test.err) {
				t.Errorf("List = %v, want %v", err, test.err)
			}
			if test.silent && (line.Carried(relay.Up) > 0 || !strings.Contains(err.Error(), "expired")) {
				t.Errorf("%d bytes were sent; %v", line.Carried(relay.Up), err)
			}
		})
	}
}

// A planned change of the host key: the old one holds until a day, the new one
// from a day.
func TestPlannedHostKey(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	key, before, after := server.HostKeys()[0], time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for what, test := range map[string]struct {
		pin sftp.HostKey
		err error
	}{
		"since then":      {sftp.HostKey{PublicKey: key, From: before}, nil},
		"not yet":         {sftp.HostKey{PublicKey: key, From: after}, channels.ErrHostKey},
		"until later":     {sftp.HostKey{PublicKey: key, Until: after}, nil},
		"no longer":       {sftp.HostKey{PublicKey: key, Until: before}, channels.ErrHostKey},
		"just these days": {sftp.HostKey{PublicKey: key, From: before, Until: after}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			set := settings(server)
			set.HostKeys = []sftp.HostKey{{PublicKey: channeltest.NewKey(t).Signer.PublicKey()}, test.pin}
			err := list(t, open(t, set))
			if !errors.Is(err, test.err) {
				t.Errorf("List = %v, want %v", err, test.err)
			}
			if err != nil && !strings.Contains(err.Error(), time.Now().Format("2006-")) {
				t.Errorf("%v does not name the day", err)
			}
		})
	}
}

// The named exception, and nothing less, opens a server that knows only old
// algorithms.
func TestLegacyAlgorithms(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	server.Config = "KexAlgorithms diffie-hellman-group14-sha1\nCiphers aes128-cbc\nMACs hmac-sha1-96"
	server.Restart()
	all := []string{"diffie-hellman-group14-sha1", "aes128-cbc", "hmac-sha1-96"}
	for what, test := range map[string]struct {
		algorithms sftp.Algorithms
		err        error
	}{
		"no exception":     {sftp.Algorithms{}, channels.ErrRefused},
		"all three":        {sftp.Algorithms{Legacy: all}, nil},
		"one is missing":   {sftp.Algorithms{Legacy: all[:2]}, channels.ErrRefused},
		"still holds":      {sftp.Algorithms{Legacy: all, LegacyUntil: time.Now().Add(time.Hour)}, nil},
		"no longer holds":  {sftp.Algorithms{Legacy: all, LegacyUntil: time.Now().Add(-time.Hour)}, channels.ErrRefused},
		"without a choice": {sftp.Algorithms{Only: []string{"aes256-ctr"}}, channels.ErrRefused},
	} {
		t.Run(what, func(t *testing.T) {
			set := settings(server)
			set.Algorithms = test.algorithms
			if err := list(t, open(t, set)); !errors.Is(err, test.err) {
				t.Errorf("List = %v, want %v", err, test.err)
			}
		})
	}
}

// What a partner's row asks for is what is agreed.
func TestAlgorithmPolicy(t *testing.T) {
	t.Parallel()
	server := startOdd(t)
	agreed := make(chan ssh.NegotiatedAlgorithms, 1)
	server.logins(func(login *ssh.ServerConfig) {
		login.NoClientAuth = false
		login.PublicKeyCallback = func(c ssh.ConnMetadata, _ ssh.PublicKey) (*ssh.Permissions, error) {
			select {
			case agreed <- c.(ssh.AlgorithmsConnMetadata).Algorithms():
			default:
			}
			return nil, nil
		}
	})
	for only, want := range map[string]string{
		"":                               "aes128-gcm@openssh.com",
		"aes256-gcm@openssh.com":         "aes256-gcm@openssh.com",
		"aes256-ctr hmac-sha2-512":       "aes256-ctr",
		"chacha20-poly1305@openssh.com":  "chacha20-poly1305@openssh.com",
		"ecdh-sha2-nistp384 ssh-ed25519": "aes128-gcm@openssh.com",
	} {
		set := server.settings(t)
		set.Algorithms.Only = strings.Fields(only)
		if err := list(t, open(t, set)); err != nil {
			t.Fatalf("%q: %v", only, err)
		}
		a := <-agreed
		if a.Write.Cipher != want || a.Read.Cipher != want {
			t.Errorf("%q: cipher %s", only, a.Write.Cipher)
		}
		if strings.HasPrefix(only, "ecdh") && a.KeyExchange != "ecdh-sha2-nistp384" {
			t.Errorf("%q: key exchange %s", only, a.KeyExchange)
		}
		if strings.HasPrefix(only, "aes256-ctr") && a.Write.MAC != "hmac-sha2-512" {
			t.Errorf("%q: MAC %s", only, a.Write.MAC)
		}
	}
	for _, wrong := range []sftp.Algorithms{{Only: []string{"aes128-cbc"}}, {Only: []string{"rot13"}}, {Legacy: []string{"aes256-ctr"}}} {
		set := server.settings(t)
		set.Algorithms = wrong
		if _, err := sftp.New(set); !errors.Is(err, sftp.ErrSettings) {
			t.Errorf("%+v: New = %v, want ErrSettings", wrong, err)
		}
	}
}

// At most so many bytes a second pass, counted where they pass, in both directions.
func TestBandwidth(t *testing.T) {
	t.Parallel()
	server := startOdd(t)
	const limit = 2 << 20
	set := server.settings(t)
	set.Bandwidth = limit
	line := through(t, &set)
	c := open(t, set)
	content := channeltest.Content(1, 1<<20)
	if err := os.WriteFile(filepath.Join(server.dir, "out", name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	for direction, move := range map[relay.Direction]func() error{
		relay.Up: func() error { _, err := put(t, c, content, channels.PutOptions{}); return err },
		relay.Down: func() error {
			_, err := c.Get(t.Context(), channels.Incoming, name, new(bytes.Buffer))
			return err
		},
	} {
		before, start := line.Carried(direction), time.Now()
		if err := move(); err != nil {
			t.Fatal(err)
		}
		// A limit can only be shown by the least time that it must take.
		bytes, took := line.Carried(direction)-before, time.Since(start)
		if rate := float64(bytes-64<<10) / took.Seconds(); bytes < 1<<20 || rate > limit {
			t.Errorf("direction %d: %d bytes in %v, more than %d a second", direction, bytes, took, limit)
		}
	}
}

// busiest watches how many uploads a server has open at once.
type busiest struct {
	now, most atomic.Int32
}

func (b *busiest) hook(op, _ string, do func() error) error {
	switch op {
	case "open":
		now := b.now.Add(1)
		for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); most = b.most.Load() {
		}
	case "close":
		b.now.Add(-1)
	}
	return do()
}

func TestParallelism(t *testing.T) {
	t.Parallel()
	overall := sftp.NewOverall(3)
	for what, test := range map[string]struct {
		change func(*sftp.Settings)
		most   int32
	}{
		"per partner": {func(s *sftp.Settings) { s.Parallel = 2 }, 2},
		"overall":     {func(s *sftp.Settings) { s.Overall = overall }, 3},
		"one":         {func(s *sftp.Settings) { s.Parallel = 1 }, 1},
	} {
		t.Run(what, func(t *testing.T) {
			var seen busiest
			server := startOdd(t)
			server.set(seen.hook)
			var all sync.WaitGroup
			for channel := range 2 {
				set := server.settings(t)
				test.change(&set)
				c := open(t, set)
				if what != "overall" && channel > 0 {
					continue
				}
				for i := range 12 {
					all.Go(func() {
						if _, err := c.Put(t.Context(), fmt.Sprintf("EKRH%d%03d", channel, i), bytes.NewReader([]byte("x")), 1, channels.PutOptions{}); err != nil {
							t.Error(err)
						}
					})
				}
			}
			all.Wait()
			if most := seen.most.Load(); most > test.most || most == 0 {
				t.Errorf("%d files were open at once, want at most %d", most, test.most)
			}
		})
	}
}

// Calls are spread over several connections once there are enough of them, and a
// server that allows one only is served over that one.
func TestConnections(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		allowed int32
		want    int32
	}{"as many as we like": {99, 3}, "one only": {1, 1}} {
		t.Run(what, func(t *testing.T) {
			server := startOdd(t)
			var open_, most atomic.Int32
			server.logins(func(login *ssh.ServerConfig) {
				login.NoClientAuth = false
				login.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
			})
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					if open_.Add(1) > test.allowed {
						open_.Add(-1)
						conn.Close()
						continue
					}
					most.Store(max(most.Load(), open_.Load()))
					go func() { server.serve(conn); open_.Add(-1) }()
				}
			}()
			set := server.settings(t)
			set.Address, set.Parallel, set.Connections = listener.Addr().String(), 6, 3
			c := open(t, set)
			gate := make(chan struct{})
			var inside, all sync.WaitGroup
			for i := range 6 {
				inside.Add(1)
				all.Go(func() {
					_, err := c.Put(t.Context(), fmt.Sprintf("EKRH%04d", i), bytes.NewReader([]byte("x")), 1, channels.PutOptions{
						BeforePublish: func() error { inside.Done(); <-gate; return nil }})
					if err != nil {
						t.Error(err)
					}
				})
			}
			inside.Wait()
			close(gate)
			all.Wait()
			if most.Load() != test.want {
				t.Errorf("%d connections, want %d", most.Load(), test.want)
			}
		})
	}
}
