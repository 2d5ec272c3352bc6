package dropserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// packet builds one SFTP packet: length, type, and fields (draft section 3).
func packet(kind byte, fields ...any) []byte {
	body := []byte{kind}
	for _, field := range fields {
		switch v := field.(type) {
		case string:
			body = binary.BigEndian.AppendUint32(body, uint32(len(v)))
			body = append(body, v...)
		case int:
			body = binary.BigEndian.AppendUint32(body, uint32(v))
		case int64:
			body = binary.BigEndian.AppendUint64(body, uint64(v))
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// A tape is a client that says what it has to say and hears nothing.
type tape struct{ io.Reader }

func (tape) Write(p []byte) (int, error) { return len(p), nil }
func (tape) Close() error                { return nil }

// A recorder is a tape that keeps what it hears.
type recorder struct {
	tape
	mu    sync.Mutex // the server may still speak when Serve has returned
	heard bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard.Write(p)
}

func (r *recorder) has(what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.heard.Bytes(), []byte(what))
}

// aside is a connection that is logged in, without SSH.
func aside(t testing.TB, account Account, s Settings) *connection {
	t.Helper()
	account.In, account.Out, account.Name, account.Keys = "in", "out", "a", []ssh.PublicKey{nil}
	s.HostKeys, s.Accounts = []ssh.Signer{nil}, []Account{account}
	settings, err := s.checked()
	if err == nil {
		err = account.prepare()
	}
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{guard: newGuard()}
	server.rules.Store(&rules{settings: settings})
	c := &connection{server: server, presence: newPresence(), ended: make(chan struct{})}
	c.account.Store(&account)
	return c
}

// inside opens the jail of a connection.
func inside(t testing.TB, c *connection) *jail {
	t.Helper()
	root, err := os.OpenRoot(c.account.Load().Root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &jail{c: c, root: root}
}

// FuzzPackets sends anything to an SFTP session, such as handles before they are
// given out. It must end, without a data race; nothing beside the two folders may
// change or be read, links that stand there lead nowhere, and no upload stays
// that was not closed.
func FuzzPackets(f *testing.F) {
	hello := packet(1, 3)
	f.Add(bytes.Join([][]byte{
		hello,
		packet(3, 1, "/in/EKRH0001", 0x1a, 0), // open: write, create, truncate
		packet(6, 2, "1", int64(0), "content"),
		packet(4, 3, "1"),
		packet(18, 4, "/in/EKRH0001", "/in/EKRH0002"),
		packet(17, 5, "/in/EKRH0002"),
	}, nil))
	f.Add(bytes.Join([][]byte{hello, packet(11, 1, "/out"), packet(12, 2, "1"), packet(12, 3, "1"), packet(4, 4, "1")}, nil))
	f.Add(bytes.Join([][]byte{hello, packet(3, 1, "/out/EKRH0900", 1, 0), packet(5, 2, "1", int64(0), 100), packet(8, 3, "1")}, nil))
	f.Add(bytes.Join([][]byte{hello, packet(13, 1, "/../secret"), packet(18, 2, "/../secret", "/in/x"), packet(20, 3, "/in/x", "/../secret")}, nil))
	f.Add(bytes.Join([][]byte{
		hello,
		packet(200, 1, "posix-rename@openssh.com", "/in/a", "/../b"),
		packet(200, 2, "hardlink@openssh.com", "/../secret", "/in/b"),
		packet(200, 3, "statvfs@openssh.com", "/"),
		packet(9, 4, "/in/a", 1, int64(1<<40)),
		packet(10, 5, "1", 1, int64(1)),
	}, nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 3})

	// Every request that has a path, with every kind of path.
	for _, path := range []string{
		"/in/far", "/in/hard", "/in/../../secret", "/in/EKRH0001", "/out/EKRH0900", "/in", "/uploading/1", "/uploading",
		"/in/a\x00b", "/in/" + strings.Repeat("x", 4096), strings.Repeat("../", 1365) + "secret", "/in/\xff", "",
	} {
		f.Add(bytes.Join([][]byte{
			hello,
			packet(3, 1, path, 0x1a, 0), packet(3, 2, path, 0x02, 0), packet(3, 3, path, 0x01, 0), packet(3, 4, path, 0x2b, 0),
			packet(6, 5, "1", int64(0), "content"), packet(5, 6, "3", int64(0), 100), packet(4, 7, "1"), packet(4, 8, "2"), packet(4, 9, "3"),
			packet(7, 10, path), packet(17, 11, path), packet(9, 12, path, 1, int64(3)), packet(9, 13, path, 4, 0o777), packet(11, 14, path),
			packet(12, 15, "4"), packet(13, 16, path), packet(14, 17, path, 0), packet(15, 18, path), packet(16, 19, path), packet(19, 20, path),
			packet(18, 21, path, "/in/moved"), packet(18, 22, "/in/EKRH0001", path), packet(20, 23, path, "/in/linked"), packet(20, 24, "/in/linked", path),
			packet(200, 25, "posix-rename@openssh.com", path, "/in/moved"), packet(200, 26, "posix-rename@openssh.com", "/in/moved", path),
			packet(200, 27, "hardlink@openssh.com", path, "/in/linked"), packet(200, 28, "statvfs@openssh.com", path),
		}, nil))
	}

	f.Fuzz(func(t *testing.T, said []byte) {
		const content = "nobody may read this"
		outside := t.TempDir()
		jailDir := filepath.Join(outside, "jail")
		c := aside(t, Account{Root: jailDir, ReadBack: true}, Settings{})
		secret := filepath.Join(outside, "secret")
		err := errors.Join(
			os.WriteFile(secret, []byte(content), 0o600),
			os.WriteFile(filepath.Join(jailDir, "in", "EKRH0001"), []byte("theirs"), 0o600),
			os.WriteFile(filepath.Join(jailDir, "out", "EKRH0900"), []byte("answer"), 0o600),
			os.Symlink("../../secret", filepath.Join(jailDir, "in", "far")),
			os.Symlink(secret, filepath.Join(jailDir, "out", "far")),
			os.Symlink(outside, filepath.Join(jailDir, "in", "folder")),
			os.Link(secret, filepath.Join(jailDir, "uploading", "left")),
		)
		if err != nil {
			t.Fatal(err)
		}
		j := inside(t, c)
		client := &recorder{tape: tape{bytes.NewReader(said)}}
		server := sftp.NewRequestServer(newTurns(client), sftp.Handlers{FileGet: j, FilePut: j, FileCmd: j, FileList: j})
		server.Serve()

		if n := c.handles.Load(); n != 0 {
			t.Errorf("%d handles were left open", n)
		}
		if client.has(content) {
			t.Error("the file outside was read")
		}
		if got, err := os.ReadFile(secret); err != nil || string(got) != content {
			t.Errorf("the file outside is %q, %v", got, err)
		}
		for dir, want := range map[string]int{outside: 2, jailDir: 3, filepath.Join(jailDir, "uploading"): 1} {
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != want {
				t.Errorf("%s holds %v, %v, want %d entries", dir, entries, err, want)
			}
		}
	})
}
