package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
	"gateway301/internal/relay"
)

// through puts a relay before a server and changes the settings accordingly.
func through(t testing.TB, set *sftp.Settings) *relay.Relay {
	t.Helper()
	r, err := relay.Listen(set.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	set.Address = r.Address()
	return r
}

var cuts = flag.Int("cuts", 8, "places to cut the line at, in each direction")

// The line to an OpenSSH server breaks at byte n, in either direction, from the
// first byte of the login to the last of the proof. The second attempt must end
// with just one copy.
func TestCutLine(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	dir := filepath.Join(server.Root, "in")
	set := settings(server)
	line := through(t, &set)
	content := channeltest.Content(1, 120_000)

	first := open(t, set)
	if _, err := put(t, first, content, channels.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	whole := map[relay.Direction]int64{relay.Up: line.Carried(relay.Up), relay.Down: line.Carried(relay.Down)}
	first.Close()

	ends := map[string]int{}
	for direction, total := range whole {
		// Once, whatever the bytes, the line breaks in the instant of publishing.
		const publishing = -1
		for _, n := range append(places(total, *cuts), publishing) {
			empty(t, dir)
			line.CutAfter(direction, n)
			c := open(t, set)
			intended := false
			_, err := put(t, c, content, channels.PutOptions{BeforePublish: func() error {
				intended = true
				if n == publishing {
					line.CutAll()
				}
				return nil
			}})
			line.CutAfter(direction, -1)
			where := fmt.Sprintf("direction %d, byte %d of %d", direction, n, total)
			final, readErr := os.ReadFile(filepath.Join(dir, name))
			switch {
			case readErr == nil && !bytes.Equal(final, content):
				t.Errorf("%s: a partial file is visible", where)
			case err == nil:
				ends["delivered"]++
			case errors.Is(err, channels.ErrUnknown) && intended:
				ends["unknown"]++
			case errors.Is(err, channels.ErrLine) && !errors.Is(err, channels.ErrUnknown) && readErr != nil:
				ends["line fault"]++
			default:
				t.Errorf("%s: Put = %v, intended %v, file there: %v", where, err, intended, readErr == nil)
			}
			if _, err := put(t, c, content, channels.PutOptions{Ours: true}); err != nil {
				t.Errorf("%s: second attempt: %v", where, err)
			}
			holds(t, dir, content)
			c.Close()
		}
	}
	t.Logf("%d bytes up, %d down; first attempts: %v", whole[relay.Up], whole[relay.Down], ends)
	if ends["unknown"] == 0 || ends["line fault"] == 0 {
		t.Errorf("the cuts met neither side of the rename: %v", ends)
	}
}

// places spreads n places over total bytes, half of them over the last 400, where
// the small packets of rename and proof travel.
func places(total int64, n int) []int64 {
	var at []int64
	tail := min(total, 400)
	for i := range int64(n) {
		half := int64(n) / 2
		if i < half {
			at = append(at, 1+i*(total-tail)/half)
		} else {
			at = append(at, total-tail+(i-half)*tail/(int64(n)-half))
		}
	}
	return at
}

// A line that falls silent is given up after the stall limit, or at once when the
// context ends. The next attempt finishes what was begun.
func TestFrozenLine(t *testing.T) {
	server := channeltest.StartSSHD(t)
	content := channeltest.Content(1, 8<<20)
	for what, test := range map[string]struct {
		stall time.Duration
		err   error
	}{
		"stall":  {200 * time.Millisecond, channels.ErrLine},
		"cancel": {time.Hour, context.Canceled},
	} {
		t.Run(what, func(t *testing.T) {
			empty(t, filepath.Join(server.Root, "in"))
			set := settings(server)
			set.Timeouts.Stall = test.stall
			line := through(t, &set)
			c := open(t, set)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			source := &freezing{ReaderAt: bytes.NewReader(content), at: 2 << 20, freeze: func() {
				line.Freeze()
				if errors.Is(test.err, context.Canceled) {
					time.AfterFunc(50*time.Millisecond, cancel)
				}
			}}
			if _, err := c.Put(ctx, name, source, int64(len(content)), channels.PutOptions{}); !errors.Is(err, test.err) {
				t.Errorf("Put = %v, want %v", err, test.err)
			}
			line.Thaw()
			if _, err := put(t, open(t, settings(server)), content, channels.PutOptions{Ours: true}); err != nil {
				t.Errorf("second attempt: %v", err)
			}
			holds(t, filepath.Join(server.Root, "in"), content)
		})
	}
}

// freezing is a source that calls freeze once when it is read beyond at.
type freezing struct {
	io.ReaderAt
	at     int64
	freeze func()
}

func (f *freezing) ReadAt(b []byte, off int64) (int, error) {
	if off >= f.at && f.freeze != nil {
		f.freeze()
		f.freeze = nil
	}
	return f.ReaderAt.ReadAt(b, off)
}

// A silent idle line is found dead by its keepalives, and the next call dials anew.
func TestKeepalive(t *testing.T) {
	server := channeltest.StartSSHD(t)
	set := settings(server)
	set.Keepalive = 300 * time.Millisecond
	line := through(t, &set)
	c := open(t, set)
	if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
		t.Fatal(err)
	}
	before := line.Carried(relay.Up)
	line.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, _, err := c.List(ctx, channels.Incoming); !errors.Is(err, channels.ErrLine) || !strings.Contains(err.Error(), "no sign of life") {
		t.Errorf("List on the silent line = %v, want ErrLine for want of a sign of life", err)
	}
	line.Thaw()
	if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
		t.Errorf("after the thaw: %v", err)
	}
	if line.Carried(relay.Up) <= before+1000 {
		t.Error("no new connection was made")
	}
}

// A connection that the partner closes between two calls costs at most one line fault.
func TestPartnerRestarts(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	c := open(t, settings(server))
	if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if _, _, err := c.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) {
		t.Errorf("List while the partner is down = %v, want ErrLine", err)
	}
	if _, _, err := c.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) {
		t.Errorf("second List while the partner is down = %v, want ErrLine", err)
	}
	server.Start()
	if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
		t.Errorf("List after the restart = %v", err)
	}
}

func TestHostKeys(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	ed25519, rsa := server.HostKeys()[0], server.HostKeys()[1]
	stranger := channeltest.NewKey(t).Signer.PublicKey()
	for what, test := range map[string]struct {
		pins []ssh.PublicKey
		err  error
	}{
		"ed25519":              {[]ssh.PublicKey{ed25519}, nil},
		"rsa with sha-2":       {[]ssh.PublicKey{rsa}, nil},
		"old and new":          {[]ssh.PublicKey{stranger, ed25519}, nil},
		"another of same kind": {[]ssh.PublicKey{stranger}, channels.ErrHostKey},
	} {
		t.Run(what, func(t *testing.T) {
			set := settings(server)
			set.HostKeys = sftp.Pin(test.pins...)
			_, _, err := open(t, set).List(t.Context(), channels.Incoming)
			if !errors.Is(err, test.err) {
				t.Fatalf("List = %v, want %v", err, test.err)
			}
			if test.err == nil {
				return
			}
			for _, print := range []string{ssh.FingerprintSHA256(stranger), ssh.FingerprintSHA256(ed25519)} {
				if !strings.Contains(err.Error(), print) {
					t.Errorf("%v does not name %s", err, print)
				}
			}
		})
	}
	t.Run("changed", func(t *testing.T) {
		set := settings(server)
		set.HostKeys = sftp.Pin(rsa)
		c := open(t, set)
		if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
			t.Fatal(err)
		}
		server.Host = []channeltest.Key{channeltest.NewKey(t)} // another kind, too
		server.Restart()
		_, _, err := c.List(t.Context(), channels.Incoming)
		for errors.Is(err, channels.ErrLine) { // the old connection broke
			_, _, err = c.List(t.Context(), channels.Incoming)
		}
		var shown *sftp.HostKeyError
		if !errors.Is(err, channels.ErrHostKey) || !errors.As(err, &shown) {
			t.Fatalf("List = %v, want ErrHostKey", err)
		}
		if want := ssh.FingerprintSHA256(server.HostKeys()[0]); !strings.Contains(shown.Got, want) {
			t.Errorf("shown %s, want %s", shown.Got, want)
		}
	})
}

// After a failed login nothing more is sent until somebody releases the channel.
func TestFailedLoginBars(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	set := settings(server)
	set.Signers = []ssh.Signer{channeltest.NewKey(t).Signer}
	line := through(t, &set)
	c := open(t, set)
	if _, _, err := c.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLogin) {
		t.Fatalf("List = %v, want ErrLogin", err)
	}
	sent := line.Carried(relay.Up)
	if _, err := put(t, c, []byte("x"), channels.PutOptions{}); !errors.Is(err, channels.ErrLogin) {
		t.Errorf("Put = %v, want ErrLogin", err)
	}
	if now := line.Carried(relay.Up); now != sent {
		t.Errorf("%d bytes were sent after the failed login", now-sent)
	}
	server.Client = channeltest.Key{Signer: set.Signers[0]} // the partner enters our key
	server.Restart()
	c.Release()
	if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
		t.Errorf("after Release: %v", err)
	}
}

// A server that hangs up after so many wrong keys has refused the login, too.
func TestTooManyKeys(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	set := settings(server)
	set.Signers = nil
	for range 8 {
		set.Signers = append(set.Signers, channeltest.NewKey(t).Signer)
	}
	if _, _, err := open(t, set).List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLogin) {
		t.Errorf("List = %v, want ErrLogin", err)
	}
}

func TestPasswords(t *testing.T) {
	right := func(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
		if string(given) != "Kennwort" {
			return nil, errors.New("wrong")
		}
		return nil, nil
	}
	dialogue := func(c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "", []string{"Password: "}, []bool{false})
		if err != nil || len(answers) != 1 {
			return nil, errors.New("no answer")
		}
		return right(c, []byte(answers[0]))
	}
	for what, login := range map[string]ssh.ServerConfig{
		"plain":    {PasswordCallback: right},
		"dialogue": {KeyboardInteractiveCallback: dialogue},
	} {
		server := startOdd(t)
		server.mu.Lock()
		server.login = login
		server.mu.Unlock()
		for password, want := range map[string]error{"Kennwort": nil, "Kenwort": channels.ErrLogin} {
			set := server.settings(t)
			set.Password = password
			_, _, err := open(t, set).List(t.Context(), channels.Incoming)
			if !errors.Is(err, want) {
				t.Errorf("%s, %q: List = %v, want %v", what, password, err, want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("%v tells the password", err)
			}
		}
	}
}

// Calls that wait while a dial fails share its error.
func TestOneDialForAll(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var dials atomic.Int32
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			dials.Add(1)
			defer c.Close() // says nothing until the test ends
		}
	})
	set := startOdd(t).settings(t)
	set.Address = listener.Addr().String()
	set.Timeouts.Dial = 400 * time.Millisecond
	c := open(t, set)
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			if _, _, err := c.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) {
				t.Errorf("List = %v, want ErrLine", err)
			}
		})
	}
	calls.Wait()
	listener.Close()
	accepting.Wait()
	if n := dials.Load(); n > 2 {
		t.Errorf("eight calls dialled %d times", n)
	}
}

func TestRSAUserKey(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	server.Client = channeltest.RSAKey(t)
	server.Restart()
	if _, _, err := open(t, settings(server)).List(t.Context(), channels.Incoming); err != nil {
		t.Errorf("List = %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	server := channeltest.StartSSHD(t)
	server.Stop()
	if _, _, err := open(t, settings(server)).List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) {
		t.Errorf("List = %v, want ErrLine", err)
	}
}

func TestSilentFromTheStart(t *testing.T) {
	server := channeltest.StartSSHD(t)
	set := settings(server)
	set.Timeouts.Dial = 100 * time.Millisecond
	line := through(t, &set)
	line.Freeze()
	if _, _, err := open(t, set).List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) {
		t.Errorf("List = %v, want ErrLine", err)
	}
	line.Thaw()
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	dir := filepath.Join(server.Root, "in")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		channeltest.Missing(t, "mounting a small tmpfs needs root: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	c := open(t, settings(server))
	if _, err := put(t, c, channeltest.Content(1, 3<<20), channels.PutOptions{}); !errors.Is(err, channels.ErrFull) {
		t.Errorf("Put = %v, want ErrFull", err)
	}
	holds(t, dir, nil)
	small := channeltest.Content(1, 100_000)
	if _, err := put(t, c, small, channels.PutOptions{}); err != nil {
		t.Errorf("a small file after it: %v", err)
	}
	holds(t, dir, small)
}

// An upload that broke off goes on from what was confirmed, and never from a
// length alone: where the server lost what it had confirmed, all is sent again.
func TestResume(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	dir := filepath.Join(server.Root, "in")
	content := channeltest.Content(1, 16<<20)
	for what, test := range map[string]struct {
		between func(file string) error // what happens to the temporary file
		ours    bool
		resumed bool
	}{
		"the file is as it was":     {func(string) error { return nil }, true, true},
		"the file is gone":          {os.Remove, true, false},
		"the file is shorter":       {func(f string) error { return os.Truncate(f, 3<<20) }, true, false},
		"the file has lost its end": {func(f string) error { return errors.Join(os.Truncate(f, 1<<20), os.Truncate(f, 16<<20)) }, true, false},
		"it is another delivery":    {func(string) error { return nil }, false, false},
	} {
		t.Run(what, func(t *testing.T) {
			empty(t, dir)
			set := settings(server)
			line := through(t, &set)
			c := open(t, set)
			line.CutAfter(relay.Up, 10<<20)
			if _, err := put(t, c, content, channels.PutOptions{}); !errors.Is(err, channels.ErrLine) {
				t.Fatalf("first attempt: %v, want ErrLine", err)
			}
			line.CutAfter(relay.Up, -1)
			if err := test.between(filepath.Join(dir, name+".tmp")); err != nil {
				t.Fatal(err)
			}
			before := line.Carried(relay.Up)
			if _, err := put(t, c, content, channels.PutOptions{Ours: test.ours}); err != nil {
				t.Fatal(err)
			}
			holds(t, dir, content)
			sent := line.Carried(relay.Up) - before
			if test.resumed != (sent < 10<<20) {
				t.Errorf("the second attempt sent %d bytes", sent)
			}
		})
	}
}
