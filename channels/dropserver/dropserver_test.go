package dropserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/dropserver"
)

// dial logs in with SSH alone.
func (r *running) dial(key channeltest.Key) (*ssh.Client, error) {
	return ssh.Dial("tcp", r.address, &ssh.ClientConfig{
		User: account, Auth: []ssh.AuthMethod{ssh.PublicKeys(key.Signer)},
		HostKeyCallback: ssh.FixedHostKey(r.host.Signer.PublicKey()),
	})
}

// knock connects, waits to be greeted, and says nothing.
func (r *running) knock(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	return c
}

// sftp logs in with the plain client of the library, which asks for whatever it is told.
func (r *running) sftp(t *testing.T) *pkgsftp.Client {
	t.Helper()
	connection, err := r.dial(r.client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	c, err := pkgsftp.NewClient(connection)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// OpenSSH's own client logs in, puts, renames, lists, gets and removes.
func TestOpenSSHClient(t *testing.T) {
	client := channeltest.LookPeer(t, "sftp")
	server := start(t, nil)
	dir := t.TempDir()
	content := channeltest.Content(1, 300_000)
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	host, port, _ := net.SplitHostPort(server.address)
	key := file("id", server.client.PEM)
	known := file("known_hosts", fmt.Appendf(nil, "[%s]:%s %s\n", host, port, server.host.Line()))
	source := file("EKRH0001", content)
	answer := channeltest.Content(2, 70_000)
	if err := os.WriteFile(filepath.Join(server.root, "out", "EKRH0900"), answer, 0o600); err != nil {
		t.Fatal(err)
	}
	fetched := filepath.Join(dir, "fetched")
	batch := file("batch", fmt.Appendf(nil, `pwd
put -p %s /in/EKRH0001.tmp
rename /in/EKRH0001.tmp /in/EKRH0001
chmod 644 /in/EKRH0001
ls -l /in
cd out
ls
get EKRH0900 %s
rm EKRH0900
df /in
`, source, fetched))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, client, "-b", batch, "-P", port, "-i", key,
		"-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile="+known,
		"-F", "none", account+"@"+host)
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("sftp: %v\n%s", err, said)
	}
	for _, want := range []string{"Remote working directory: /\n", "EKRH0001", "EKRH0900"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("sftp did not say %q:\n%s", want, said)
		}
	}
	got, err := os.ReadFile(filepath.Join(server.root, "in", "EKRH0001"))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("arrived: %d bytes, %v", len(got), err)
	}
	if info, err := os.Stat(filepath.Join(server.root, "in", "EKRH0001")); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v, want 0600 whatever the client asks", info.Mode(), err)
	}
	if got, err := os.ReadFile(fetched); err != nil || !bytes.Equal(got, answer) {
		t.Errorf("fetched: %d bytes, %v", len(got), err)
	}
	if left, err := os.ReadDir(filepath.Join(server.root, "out")); err != nil || len(left) > 0 {
		t.Errorf("left in out: %v, %v", left, err)
	}
}

// tree is every path below a folder with its content.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		content := []byte(nil)
		if d.Type().IsRegular() {
			content, err = os.ReadFile(path)
		}
		fmt.Fprintf(&all, "%s %v %q\n", strings.TrimPrefix(path, dir), d.Type(), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// Nothing that a client may ask for reaches out of its folders.
func TestJail(t *testing.T) {
	outside := t.TempDir()
	server := start(t, func(s *dropserver.Settings) { s.Accounts[0].Root = filepath.Join(outside, "jail") })
	write := func(path, content string) {
		if err := os.WriteFile(filepath.Join(outside, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret", "secret")
	write("jail/rootfile", "ours")
	write("jail/out/EKRH0900", "answer")
	write("jail/in/EKRH0001", "theirs")
	for link, target := range map[string]string{
		"jail/out/link": "EKRH0900", "jail/out/far": "../../secret", "jail/in/far": "../../secret",
		"jail/in/abs": filepath.Join(outside, "secret"), "jail/in/near": "EKRH0001",
	} {
		if err := os.Symlink(target, filepath.Join(outside, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(outside, "jail/in/folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := tree(t, outside)
	c := server.sftp(t)

	paths := []string{
		"/secret", "../secret", "/../secret", "/in/../../secret", "in/../../../secret", "/rootfile", "rootfile",
		"/in/far", "/in/abs", "/in/near", "/out/far", "/out/link", "/in/folder", "/in/folder/x", "/out/EKRH0900/x",
		"/in/a\x00b", "/in/a\nb", `/in/a\b`, "/in/\xff", "/in/" + strings.Repeat("x", 256), "/" + strings.Repeat("x/", 2000),
		"/", ".", "", "/in", "/out", "/new", "/in/.", "/in/..", filepath.Join(outside, "secret"),
	}
	for _, path := range paths {
		for what, try := range map[string]func() error{
			"create":   func() error { f, err := c.Create(path); closeFile(f); return err },
			"write":    func() error { f, err := c.OpenFile(path, os.O_WRONLY); closeFile(f); return err },
			"truncate": func() error { return c.Truncate(path, 1) },
			"read":     func() error { f, err := c.Open(path); closeFile(f); return err },
			"move":     func() error { return c.Rename(path, "/in/moved") },
			"posix":    func() error { return c.PosixRename(path, "/in/moved") },
			"onto":     func() error { return c.PosixRename("/in/EKRH0001", path) },
			"link":     func() error { return c.Link(path, "/in/linked") },
			"linkto":   func() error { return c.Link("/in/EKRH0001", path) },
			"symlink":  func() error { return c.Symlink(path, "/in/linked") },
			"readlink": func() error { _, err := c.ReadLink(path); return err },
			"remove":   func() error { return c.Remove(path) },
			"rmdir":    func() error { return c.RemoveDirectory(path) },
			"mkdir":    func() error { return c.Mkdir(path) },
		} {
			if err := try(); err == nil {
				t.Errorf("%s %.60q succeeded", what, path)
			} else if strings.Contains(err.Error(), outside) && !strings.Contains(path, outside) {
				t.Errorf("%s %.60q tells about our disk: %v", what, path, err)
			}
		}
	}
	for what, try := range map[string]func() error{
		"create in out":   func() error { f, err := c.Create("/out/new"); closeFile(f); return err },
		"change in out":   func() error { f, err := c.OpenFile("/out/EKRH0900", os.O_WRONLY); closeFile(f); return err },
		"truncate in out": func() error { return c.Truncate("/out/EKRH0900", 0) },
		"move into out":   func() error { return c.Rename("/in/EKRH0001", "/out/EKRH0001") },
		"move out of out": func() error { return c.Rename("/out/EKRH0900", "/in/EKRH0900") },
		"move within out": func() error { return c.Rename("/out/EKRH0900", "/out/EKRH0901") },
		"read in in":      func() error { f, err := c.Open("/in/EKRH0001"); closeFile(f); return err },
		"plain rename onto a file": func() error {
			f, err := c.Create("/in/other")
			closeFile(f)
			if err != nil {
				return nil
			}
			defer c.Remove("/in/other")
			return c.Rename("/in/other", "/in/EKRH0001")
		},
	} {
		if err := try(); err == nil {
			t.Errorf("%s succeeded", what)
		}
	}
	if after := tree(t, outside); after != before {
		t.Errorf("the disk changed:\n%s\nwas:\n%s", after, before)
	}
	for folder, want := range map[string][]string{"/": {"in", "out"}, "/in": {"EKRH0001"}, "/out": {"EKRH0900"}} {
		infos, err := c.ReadDir(folder)
		var got []string
		for _, info := range infos {
			got = append(got, info.Name())
			if owner, ok := info.Sys().(*pkgsftp.FileStat); ok && (owner.UID != 0 || owner.GID != 0) {
				t.Errorf("%s tells an owner", info.Name())
			}
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s lists %q, %v, want %q", folder, got, err, want)
		}
	}
}

func closeFile(f *pkgsftp.File) {
	if f != nil {
		f.Close()
	}
}

// There is no shell, no command, no terminal and no forwarding.
func TestOnlySFTP(t *testing.T) {
	server := start(t, nil)
	connection, err := server.dial(server.client)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	for what, try := range map[string]func(*ssh.Session) error{
		"shell":     func(s *ssh.Session) error { return s.Shell() },
		"command":   func(s *ssh.Session) error { return s.Start("id") },
		"terminal":  func(s *ssh.Session) error { return s.RequestPty("xterm", 24, 80, nil) },
		"variable":  func(s *ssh.Session) error { return s.Setenv("LD_PRELOAD", "x") },
		"subsystem": func(s *ssh.Session) error { return s.RequestSubsystem("netconf") },
	} {
		session, err := connection.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := try(session); err == nil {
			t.Errorf("%s was granted", what)
		}
		session.Close()
	}
	if c, err := connection.Dial("tcp", server.address); err == nil {
		c.Close()
		t.Error("forwarding was granted")
	}
	if l, err := connection.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
		t.Error("remote forwarding was granted")
	}
	server.wait(func(e dropserver.Event) bool { return e.Action == dropserver.Refused && e.Name == "exec" })
	server.wait(func(e dropserver.Event) bool { return e.Action == dropserver.Refused && e.Name == "direct-tcpip" })
}

func TestLogins(t *testing.T) {
	server := start(t, nil)
	if c, err := server.dial(channeltest.NewKey(t)); err == nil {
		c.Close()
		t.Error("a strange key was let in")
	}
	event := server.wait(func(e dropserver.Event) bool { return e.Action == dropserver.Login && e.Err != nil })
	if event.Account != account || event.Remote == "" {
		t.Errorf("event %+v does not tell who tried", event)
	}
	_, err := ssh.Dial("tcp", server.address, &ssh.ClientConfig{
		User: account, Auth: []ssh.AuthMethod{ssh.Password("guess")},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err == nil {
		t.Error("a password was let in")
	}
}

func TestAudit(t *testing.T) {
	server := start(t, nil)
	c := server.channel(t)
	if err := os.WriteFile(filepath.Join(server.root, "out", "EKRH0900"), make([]byte, 300), 0o600); err != nil {
		t.Fatal(err)
	}
	content := channeltest.Content(1, 50_000)
	if _, err := c.Put(t.Context(), "EKRH0001", bytes.NewReader(content), 50_000, channels.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), channels.Incoming, "EKRH0900", io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(t.Context(), channels.Incoming, "EKRH0900"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	for _, want := range []dropserver.Event{
		{Action: dropserver.Login},
		{Action: dropserver.Upload, Name: "/in/EKRH0001.tmp", Bytes: 50_000},
		{Action: dropserver.Renamed, Name: "/in/EKRH0001.tmp", To: "/in/EKRH0001"},
		{Action: dropserver.Listed, Name: "/out"},
		{Action: dropserver.Download, Name: "/out/EKRH0900", Bytes: 300},
		{Action: dropserver.Removed, Name: "/out/EKRH0900"},
		{Action: dropserver.Logout},
	} {
		got := server.wait(func(e dropserver.Event) bool { return e.Action == want.Action })
		want.Time, want.Remote, want.Account = got.Time, got.Remote, account
		if got != want || got.Time.IsZero() || got.Remote == "" {
			t.Errorf("event %+v, want %+v", got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) {
		s.MaxPerAccount, s.MaxHandles = 2, 2
	})
	c := server.sftp(t)
	for i := range 2 {
		if _, err := c.Create(fmt.Sprintf("/in/EKRH%04d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Create("/in/EKRH0002"); err == nil {
		t.Error("a third file could be opened")
	}
	if _, err := c.ReadDir("/in"); err == nil {
		t.Error("a folder could be opened besides two files")
	}
	server.sftp(t)
	// A third connection of the account is closed after its login.
	third, err := server.dial(server.client)
	if err == nil {
		third.Wait()
	}
	server.wait(func(e dropserver.Event) bool { return errors.Is(e.Err, dropserver.ErrBusy) && e.Account == account })
}

// Beyond all connections nobody is even greeted.
func TestConnectionLimit(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.MaxConnections = 1 })
	for i, greeted := range []bool{true, false} {
		c, err := net.Dial("tcp", server.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.ReadFull(c, make([]byte, 4)); (err == nil) != greeted {
			t.Errorf("connection %d: %v, want a greeting: %v", i+1, err, greeted)
		}
	}
	server.wait(func(e dropserver.Event) bool { return errors.Is(e.Err, dropserver.ErrBusy) })
}

func TestIdleConnectionEnds(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.IdleTime = 80 * time.Millisecond })
	connection, err := server.dial(server.client)
	if err != nil {
		t.Fatal(err)
	}
	connection.Wait()
	server.wait(func(e dropserver.Event) bool { return errors.Is(e.Err, dropserver.ErrIdle) })
}

func TestSlowLoginEnds(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.LoginTime = 80 * time.Millisecond })
	silent, err := net.Dial("tcp", server.address)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	io.Copy(io.Discard, silent) // until the server closes
	event := server.wait(func(e dropserver.Event) bool { return e.Action == dropserver.Login })
	if event.Err == nil {
		t.Errorf("event %+v, want an error", event)
	}
}

// Stopping lets an upload under way finish, and then ends its connection.
func TestDrain(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.QuietTime = 700 * time.Millisecond })
	idle := server.sftp(t)
	c := server.sftp(t)
	f, err := c.Create("/in/EKRH0001.tmp")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	server.stop()
	server.wait(func(e dropserver.Event) bool { // the idle one goes first
		return e.Action == dropserver.Logout && errors.Is(e.Err, dropserver.ErrDrained)
	})
	if _, err := idle.Getwd(); err == nil {
		t.Error("the idle connection still lives")
	}
	if connection, err := server.dial(server.client); err == nil {
		connection.Close()
		t.Error("a new connection was accepted")
	}
	if _, err := f.Write(make([]byte, 1000)); err != nil {
		t.Errorf("the upload under way was stopped: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Rename("/in/EKRH0001.tmp", "/in/EKRH0001"); err != nil {
		t.Error(err)
	}
	if err := <-server.stopped; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if info, err := os.Stat(filepath.Join(server.root, "in", "EKRH0001")); err != nil || info.Size() != 2000 {
		t.Errorf("the upload ended as %v, %v", info, err)
	}
}

// Whoever does not finish is cut off in the end.
func TestDrainLimit(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.DrainTime = 50 * time.Millisecond })
	c := server.sftp(t)
	if _, err := c.Create("/in/EKRH0001.tmp"); err != nil {
		t.Fatal(err)
	}
	server.stop()
	if err := <-server.stopped; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if _, err := c.Getwd(); err == nil {
		t.Error("the connection still lives")
	}
}

func TestFoldersAndModes(t *testing.T) {
	server := start(t, nil)
	for _, folder := range []string{"in", "out"} {
		info, err := os.Stat(filepath.Join(server.root, folder))
		if err != nil || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s: %v, %v, want mode 0700", folder, info, err)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	host := channeltest.NewKey(t).Signer
	key := []ssh.PublicKey{host.PublicKey()}
	good := dropserver.Account{Name: "a", Keys: key, Root: filepath.Join(t.TempDir(), "a")}
	for what, accounts := range map[string][]dropserver.Account{
		"without a name": {{Keys: key, Root: t.TempDir()}},
		"twice":          {good, good},
		"has no key":     {{Name: "a", Root: t.TempDir()}},
		"has no folder":  {{Name: "a", Keys: key}},
		"cannot be its":  {{Name: "a", Keys: key, Root: t.TempDir(), In: "uploading"}},
		"one folder":     {{Name: "a", Keys: key, Root: t.TempDir(), In: "x", Out: "x"}},
		"never valid":    {{Name: "a", Keys: key, Root: t.TempDir(), From: time.Now(), Until: time.Now().Add(-time.Hour)}},
		"negative limit": {{Name: "a", Keys: key, Root: t.TempDir(), Quota: -1}},
		"share":          {good, {Name: "b", Keys: key, Root: good.Root + "/."}},
	} {
		_, err := dropserver.New(dropserver.Settings{HostKeys: []ssh.Signer{host}, Accounts: accounts})
		if !errors.Is(err, dropserver.ErrSettings) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: New = %v", what, err)
		}
	}
	if _, err := dropserver.New(dropserver.Settings{Accounts: []dropserver.Account{good}}); !errors.Is(err, dropserver.ErrSettings) {
		t.Errorf("no host key: New = %v", err)
	}
}
