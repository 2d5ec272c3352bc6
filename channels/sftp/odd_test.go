package sftp_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
)

// An oddServer is an SFTP server that does to a client what no proper one does.
// It keeps its files in dir, accepts any key and serves any user.
type oddServer struct {
	address string
	dir     string
	host    channeltest.Key

	mu sync.Mutex
	// hook stands around every operation. It calls do, or not, and says what the
	// client is told. errReset instead breaks the connection.
	hook      func(op, name string, do func() error) error
	size      func(name string, size int64) int64 // what stat and listing tell
	rename    func(name string) string            // what names a listing tells; nil: the true ones
	login     ssh.ServerConfig                    // with how a login is decided
	shortRead int                                 // longest answer to a read, 0 is no limit
	conns     map[net.Conn]struct{}
}

// errReset, returned by a hook, breaks the connection without an answer.
var errReset = errors.New("reset")

func startOdd(t testing.TB) *oddServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &oddServer{
		address: listener.Addr().String(), dir: t.TempDir(), host: channeltest.NewKey(t),
		conns: map[net.Conn]struct{}{},
	}
	o.set(nil)
	o.login.NoClientAuth = true
	for _, folder := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(o.dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { o.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		o.resetAll()
		serving.Wait()
	})
	return o
}

// set changes the hook; nil is a proper server.
func (o *oddServer) set(hook func(op, name string, do func() error) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if hook == nil {
		hook = func(_, _ string, do func() error) error { return do() }
	}
	o.hook = hook
}

// logins changes whom the server lets in.
func (o *oddServer) logins(change func(*ssh.ServerConfig)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.login)
}

// in is the local folder behind what clients put.
func (o *oddServer) in() string { return filepath.Join(o.dir, "in") }

func (o *oddServer) settings(t testing.TB) sftp.Settings {
	return sftp.Settings{
		Host:   sftp.Host{Address: o.address, HostKeys: sftp.Pin(o.host.Signer.PublicKey())},
		Login:  sftp.Login{User: "odd", Signers: []ssh.Signer{channeltest.NewKey(t).Signer}},
		OutDir: "in", InDir: "out",
	}
}

func (o *oddServer) resetAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		c.Close()
	}
}

func (o *oddServer) serve(conn net.Conn) {
	o.mu.Lock()
	o.conns[conn] = struct{}{}
	o.mu.Unlock()
	defer func() {
		conn.Close()
		o.mu.Lock()
		delete(o.conns, conn)
		o.mu.Unlock()
	}()
	o.mu.Lock()
	config := o.login
	o.mu.Unlock()
	config.AddHostKey(o.host.Signer)
	login, opened, requests, err := ssh.NewServerConn(conn, &config)
	if err != nil {
		return
	}
	defer login.Close()
	go ssh.DiscardRequests(requests)
	for wanted := range opened {
		channel, requests, err := wanted.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				r.Reply(r.Type == "subsystem", nil)
			}
		}()
		h := &oddHandler{o: o, conn: conn}
		server := pkgsftp.NewRequestServer(channel, pkgsftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h})
		server.Serve()
		server.Close()
	}
}

// An oddHandler serves one session.
type oddHandler struct {
	o    *oddServer
	conn net.Conn
}

func (h *oddHandler) around(op, name string, do func() error) error {
	h.o.mu.Lock()
	hook := h.o.hook
	h.o.mu.Unlock()
	err := hook(op, filepath.Base(name), do)
	if errors.Is(err, errReset) {
		h.conn.Close()
	}
	return err
}

func (h *oddHandler) path(clientPath string) string { return filepath.Join(h.o.dir, clientPath) }

type oddFile struct {
	h    *oddHandler
	f    *os.File
	name string
}

func (f *oddFile) ReadAt(b []byte, off int64) (n int, err error) {
	f.h.o.mu.Lock()
	short := f.h.o.shortRead
	f.h.o.mu.Unlock()
	if short > 0 && len(b) > short {
		b = b[:short]
	}
	err = f.h.around("read", f.name, func() (err error) { n, err = f.f.ReadAt(b, off); return err })
	return n, err
}

func (f *oddFile) WriteAt(b []byte, off int64) (int, error) {
	err := f.h.around("write", f.name, func() error { _, err := f.f.WriteAt(b, off); return err })
	return len(b), err
}

func (f *oddFile) Close() error { return f.h.around("close", f.name, f.f.Close) }

func (h *oddHandler) open(r *pkgsftp.Request, flags int) (file *oddFile, err error) {
	asked := r.Pflags()
	for want, flag := range map[*bool]int{&asked.Creat: os.O_CREATE, &asked.Trunc: os.O_TRUNC, &asked.Excl: os.O_EXCL} {
		if *want {
			flags |= flag
		}
	}
	err = h.around("open", r.Filepath, func() error {
		f, err := os.OpenFile(h.path(r.Filepath), flags, 0o600)
		file = &oddFile{h, f, r.Filepath}
		return err
	})
	return file, err
}

func (h *oddHandler) Fileread(r *pkgsftp.Request) (io.ReaderAt, error) {
	f, err := h.open(r, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (h *oddHandler) Filewrite(r *pkgsftp.Request) (io.WriterAt, error) {
	f, err := h.open(r, os.O_WRONLY)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (h *oddHandler) Filecmd(r *pkgsftp.Request) error {
	switch r.Method {
	case "Rename":
		return h.around("rename", r.Filepath, func() error {
			if err := os.Link(h.path(r.Filepath), h.path(r.Target)); err != nil {
				return err
			}
			return os.Remove(h.path(r.Filepath))
		})
	case "Remove":
		return h.around("remove", r.Filepath, func() error { return os.Remove(h.path(r.Filepath)) })
	}
	return pkgsftp.ErrSSHFxOpUnsupported
}

func (h *oddHandler) PosixRename(r *pkgsftp.Request) error {
	return h.around("posix-rename", r.Filepath, func() error {
		return os.Rename(h.path(r.Filepath), h.path(r.Target))
	})
}

func (h *oddHandler) StatVFS(r *pkgsftp.Request) (*pkgsftp.StatVFS, error) {
	err := h.around("statvfs", r.Filepath, func() error { return nil })
	return &pkgsftp.StatVFS{Frsize: 4096, Bavail: 1 << 30}, err
}

func (h *oddHandler) Filelist(r *pkgsftp.Request) (list pkgsftp.ListerAt, err error) {
	op, read := "stat", h.statOne
	if r.Method == "List" {
		op, read = "list", h.readFolder
	}
	err = h.around(op, r.Filepath, func() (err error) { list, err = read(h.path(r.Filepath)); return err })
	return list, err
}

func (h *oddHandler) statOne(path string) (pkgsftp.ListerAt, error) {
	info, err := os.Lstat(path)
	return oddList{h.o.tell(info)}, err
}

func (h *oddHandler) readFolder(path string) (pkgsftp.ListerAt, error) {
	entries, err := os.ReadDir(path)
	var list oddList
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			list = append(list, h.o.tell(info))
		}
	}
	return list, err
}

type oddList []os.FileInfo

func (l oddList) ListAt(infos []os.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	return copy(infos, l[off:]), nil
}

type oddInfo struct {
	fs.FileInfo
	size int64
	name string
}

func (i oddInfo) Name() string { return i.name }
func (i oddInfo) Size() int64  { return i.size }

func (o *oddServer) tell(info os.FileInfo) os.FileInfo {
	o.mu.Lock()
	defer o.mu.Unlock()
	if info == nil || o.size == nil && o.rename == nil {
		return info
	}
	told := oddInfo{info, info.Size(), info.Name()}
	if o.size != nil {
		told.size = o.size(info.Name(), info.Size())
	}
	if o.rename != nil {
		told.name = o.rename(info.Name())
	}
	return told
}
