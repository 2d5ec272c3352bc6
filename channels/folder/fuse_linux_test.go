package folder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/folder"
)

// A share is a folder that lies elsewhere: sshfs in front of OpenSSH's sshd.
type share struct {
	t       *testing.T
	sshd    *channeltest.SSHD
	dir     string // where it is mounted
	command []string
	sshfs   *exec.Cmd
	ended   chan struct{}
}

// mount starts one. Where there is no FUSE, as in many containers, no test can run.
func mount(t *testing.T) *share {
	t.Helper()
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no FUSE here: " + err.Error())
	}
	device.Close()
	program := channeltest.LookPeer(t, "sshfs")
	s := &share{t: t, sshd: channeltest.StartSSHD(t), dir: t.TempDir()}
	keys := t.TempDir()
	for name, content := range map[string][]byte{"id": s.sshd.Client.PEM, "known": s.sshd.KnownHosts()} {
		if err := os.WriteFile(filepath.Join(keys, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host, port, _ := net.SplitHostPort(s.sshd.Address)
	s.command = []string{
		program, "-f", s.sshd.User + "@" + host + ":" + s.sshd.Root, s.dir, "-p", port, "-F", "none",
		"-o", "IdentityFile=" + filepath.Join(keys, "id") + ",UserKnownHostsFile=" + filepath.Join(keys, "known"),
		"-o", "IdentitiesOnly=yes,StrictHostKeyChecking=yes,BatchMode=yes,dir_cache=no,attr_timeout=0,entry_timeout=0,negative_timeout=0,ac_attr_timeout=0",
	}
	s.mount()
	t.Cleanup(func() { s.kill(); s.unmount() })
	return s
}

// mount returns once the mount is there.
func (s *share) mount() {
	s.t.Helper()
	var said bytes.Buffer
	s.sshfs = exec.Command(s.command[0], s.command[1:]...)
	s.sshfs.Stdout, s.sshfs.Stderr = &said, &said
	s.sshfs.WaitDelay = time.Second
	if err := s.sshfs.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func() { s.sshfs.Wait(); close(s.ended) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(20 * time.Second); ; {
		if _, err := os.Stat(filepath.Join(s.dir, "in")); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-s.ended:
			if strings.Contains(said.String(), "permitted") || strings.Contains(said.String(), "fusermount") {
				s.t.Skip("nothing can be mounted here: " + said.String())
			}
			s.t.Fatalf("sshfs: %s", said.String())
		case <-end:
			s.t.Fatal("sshfs did not mount")
		}
	}
}

func (s *share) kill() { s.sshfs.Process.Kill(); <-s.ended }

func (s *share) unmount() { syscall.Unmount(s.dir, syscall.MNT_DETACH) }

func (s *share) settings() folder.Settings {
	return folder.Settings{OutDir: filepath.Join(s.dir, "in"), InDir: filepath.Join(s.dir, "out"), Share: true}
}

func (s *share) channel(set folder.Settings) channels.Channel {
	s.t.Helper()
	c, err := folder.New(set)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func TestConformanceOnFUSE(t *testing.T) {
	s := mount(t)
	if kind, network, err := folder.Network(s.dir); kind != "fuse" || !network || err != nil {
		t.Errorf("the mount is %q, %v, %v", kind, network, err)
	}
	channeltest.Run(t, func(t *testing.T) *channeltest.Partner {
		// The folders stay, or they would be others than at first.
		p := &channeltest.Partner{OutDir: filepath.Join(s.sshd.Root, "in"), InDir: filepath.Join(s.sshd.Root, "out"), Channel: s.channel(s.settings())}
		for _, dir := range []string{p.OutDir, p.InDir} {
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
					t.Fatal(err)
				}
			}
		}
		return p
	})
}

func TestConformanceOnTmpfs(t *testing.T) {
	var s syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &s); err != nil || s.Type != 0x01021994 {
		t.Skip("no tmpfs at /dev/shm")
	}
	channeltest.Run(t, func(t *testing.T) *channeltest.Partner {
		dir, err := os.MkdirTemp("/dev/shm", "folder")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		set := folder.Settings{OutDir: filepath.Join(dir, "in"), InDir: filepath.Join(dir, "out")}
		if err := errors.Join(os.Mkdir(set.OutDir, 0o700), os.Mkdir(set.InDir, 0o700)); err != nil {
			t.Fatal(err)
		}
		c, err := folder.New(set)
		if err != nil {
			t.Fatal(err)
		}
		return &channeltest.Partner{Channel: c, OutDir: set.OutDir, InDir: set.InDir}
	})
}

// The share goes away in the middle of an upload: nothing stands under the final
// name, what the mount leaves behind is no empty folder, and when the share is
// back the file is delivered once.
func TestShareIsKilledMidway(t *testing.T) {
	s := mount(t)
	c := s.channel(folder.Settings{OutDir: s.settings().OutDir, InDir: s.settings().InDir}) // also without Share
	if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
		t.Fatal(err)
	}
	content := channeltest.Content(1, 5<<20)
	source := readerAt(func(b []byte, off int64) (int, error) {
		if off >= 2<<20 && off < 3<<20 {
			s.kill()
		}
		return bytes.NewReader(content).ReadAt(b, off)
	})
	put := func(r interface {
		ReadAt([]byte, int64) (int, error)
	}, o channels.PutOptions) error {
		_, err := c.Put(t.Context(), "EKRH0001", r, int64(len(content)), o)
		return err
	}
	if err := put(source, channels.PutOptions{}); !errors.Is(err, channels.ErrLine) || errors.Is(err, channels.ErrUnknown) {
		t.Errorf("Put = %v, want ErrLine", err)
	}
	final := filepath.Join(s.sshd.Root, "in", "EKRH0001")
	if _, err := os.Stat(final); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the final name: %v", err)
	}
	gone := func(when string) {
		t.Helper()
		if files, _, err := c.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) {
			t.Errorf("%s: List = %v, %v, want ErrLine", when, files, err)
		}
		if err := put(bytes.NewReader(content), channels.PutOptions{}); !errors.Is(err, channels.ErrLine) {
			t.Errorf("%s: Put = %v, want ErrLine", when, err)
		}
	}
	gone("dead")
	s.unmount()
	gone("unmounted")
	for _, folder := range []string{"in", "out"} { // somebody makes what is missing
		if err := os.Mkdir(filepath.Join(s.dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	gone("replaced")
	for _, folder := range []string{"in", "out"} {
		if err := os.Remove(filepath.Join(s.dir, folder)); err != nil { // and nothing was written there
			t.Fatal(err)
		}
	}
	s.mount()
	if err := put(bytes.NewReader(content), channels.PutOptions{Ours: true}); err != nil {
		t.Errorf("mounted again: Put = %v", err)
	}
	if got, err := os.ReadFile(final); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the partner has %d bytes, %v", len(got), err)
	}
	if left, err := os.ReadDir(filepath.Dir(final)); err != nil || len(left) != 1 {
		t.Errorf("the partner has %v, %v", left, err)
	}
}

// The share's server is there and says nothing: nobody waits for it for ever.
func TestShareIsSilent(t *testing.T) {
	s := mount(t)
	set := s.settings()
	set.Stall = 300 * time.Millisecond
	c := s.channel(set)
	if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
		t.Fatal(err)
	}
	s.sshfs.Process.Signal(syscall.SIGSTOP)
	if _, _, err := c.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) {
		t.Errorf("List = %v, want ErrLine", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.channel(set).Look(ctx, "EKRH0001"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Look = %v, want the context's error", err)
	}
	s.sshfs.Process.Signal(syscall.SIGCONT)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var err error
	for range 1000 {
		if _, _, err = c.List(t.Context(), channels.Incoming); err == nil {
			return
		}
		<-tick.C
	}
	t.Error(fmt.Errorf("it answers again, and still: %w", err))
}

type readerAt func([]byte, int64) (int, error)

func (r readerAt) ReadAt(b []byte, off int64) (int, error) { return r(b, off) }
