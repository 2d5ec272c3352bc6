package dropserver

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/pkg/sftp"
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

// FuzzPackets sends anything to an SFTP session, such as handles before they are
// given out. It must end, without a data race, and nothing beside the two folders
// may change or be read.
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

	f.Fuzz(func(t *testing.T, said []byte) {
		outside := t.TempDir()
		account := Account{Name: "a", Root: filepath.Join(outside, "jail"), ReadBack: true}
		if err := account.prepare(); err != nil {
			t.Fatal(err)
		}
		secret := filepath.Join(outside, "secret")
		if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		settings, _ := Settings{}.checked()
		c := &connection{server: &Server{settings: settings}, account: &account}
		root, err := os.OpenRoot(account.Root)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		j := &jail{c: c, root: root}
		server := sftp.NewRequestServer(newTurns(tape{bytes.NewReader(said)}), sftp.Handlers{FileGet: j, FilePut: j, FileCmd: j, FileList: j})
		server.Serve()

		if n := c.handles.Load(); n != 0 {
			t.Errorf("%d handles were left open", n)
		}
		if got, err := os.ReadFile(secret); err != nil || string(got) != "secret" {
			t.Errorf("the file outside is %q, %v", got, err)
		}
		for dir, want := range map[string]int{outside: 2, account.Root: 2} {
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != want {
				t.Errorf("%s holds %v, %v, want %d entries", dir, entries, err, want)
			}
		}
	})
}
