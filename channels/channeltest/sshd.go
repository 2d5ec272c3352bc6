package channeltest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// An SSHD is a private OpenSSH server with internal-sftp. Its one account is the
// user who runs the test; a login starts in Root, where the folders "in" (for
// what comes to this partner) and "out" (for what it hands out) stand ready.
type SSHD struct {
	Address string // host:port, the same after Restart
	User    string
	Client  Key    // may log in
	Host    []Key  // Ed25519 and RSA
	Root    string // folder in which a login starts
	Config  string // more lines of sshd_config; they go before the others, so they prevail

	t       testing.TB
	program string
	dir     string
	mu      sync.Mutex
	process *exec.Cmd
	ended   chan struct{}
	log     bytes.Buffer
}

// StartSSHD starts a server that ends with the test.
func StartSSHD(t testing.TB) *SSHD {
	t.Helper()
	s := &SSHD{
		t: t, program: LookPeer(t, "sshd"), dir: t.TempDir(), Root: t.TempDir(),
		Client: NewKey(t), Host: []Key{NewKey(t), RSAKey(t)},
	}
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s.User = account.Username
	if os.Geteuid() == 0 {
		// sshd separates its privileges there; Debian makes it at boot only.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			Missing(t, "sshd needs /run/sshd: "+err.Error())
		}
	}
	for _, folder := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(s.Root, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.Address = freeAddress(t)
	s.Start()
	t.Cleanup(s.Stop)
	t.Cleanup(func() {
		if t.Failed() {
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Logf("sshd said:\n%s", s.log.Bytes())
		}
	})
	return s
}

// HostKeys returns the public host keys, for pinning.
func (s *SSHD) HostKeys() []ssh.PublicKey {
	var keys []ssh.PublicKey
	for _, k := range s.Host {
		keys = append(keys, k.Signer.PublicKey())
	}
	return keys
}

// KnownHosts returns the lines that OpenSSH would store for this server.
func (s *SSHD) KnownHosts() []byte {
	host, port, _ := net.SplitHostPort(s.Address)
	var lines bytes.Buffer
	for _, k := range s.Host {
		fmt.Fprintf(&lines, "[%s]:%s %s\n", host, port, k.Line())
	}
	return lines.Bytes()
}

// Start starts the server with the present fields and returns when it listens.
func (s *SSHD) Start() {
	s.t.Helper()
	config := s.configure()
	process := exec.Command(s.program, "-D", "-e", "-f", config)
	process.WaitDelay = 2 * time.Second // should a session outlive Stop, which kills them
	ready := make(chan struct{})
	process.Stderr = &readiness{s: s, ready: ready}
	if err := process.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		process.Wait()
	}()
	s.mu.Lock()
	s.process, s.ended = process, ended
	s.mu.Unlock()
	select {
	case <-ready:
	case <-ended:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.t.Fatalf("sshd did not start:\n%s", s.log.Bytes())
	}
}

// A readiness keeps what sshd says and notes when it listens.
type readiness struct {
	s     *SSHD
	ready chan struct{}
	said  []byte
	done  bool
}

func (r *readiness) Write(p []byte) (int, error) {
	r.s.mu.Lock()
	r.s.log.Write(p)
	r.s.mu.Unlock()
	if !r.done {
		r.said = append(r.said, p...)
		if bytes.Contains(r.said, []byte("Server listening on")) {
			r.done = true
			close(r.ready)
		}
	}
	return len(p), nil
}

// Stop ends the server and the sessions it serves.
func (s *SSHD) Stop() {
	s.mu.Lock()
	process, ended := s.process, s.ended
	s.process = nil
	s.mu.Unlock()
	if process == nil {
		return
	}
	// Each session is a process group of its own. The server stands still while
	// we count them.
	process.Process.Signal(syscall.SIGSTOP)
	for _, pid := range descendants(process.Process.Pid) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	process.Process.Kill()
	<-ended
}

// descendants returns the processes that pid has started, and those that they
// have, as /proc tells; without /proc there are none.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // ended meanwhile
		}
		// "pid (name) state ppid …", and the name may hold anything.
		_, rest, _ := strings.Cut(string(text), ") ")
		var state string
		var child, parent int
		fmt.Sscan(rest, &state, &parent)
		fmt.Sscan(string(text), &child)
		children[parent] = append(children[parent], child)
	}
	var all []int
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		all = append(all, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return all
}

// Restart stops the server and starts it again at the same address, with the
// fields as they are now: change Host to play a partner with a new key.
func (s *SSHD) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// configure writes keys and configuration and returns the latter's path.
func (s *SSHD) configure() string {
	s.t.Helper()
	write := func(name string, content []byte) string {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			s.t.Fatal(err)
		}
		return path
	}
	var config strings.Builder
	host, port, _ := net.SplitHostPort(s.Address)
	fmt.Fprintf(&config, "%s\nListenAddress %s\nPort %s\n", s.Config, host, port)
	for i, key := range s.Host {
		fmt.Fprintf(&config, "HostKey %s\n", write(fmt.Sprintf("host%d", i), key.PEM))
	}
	fmt.Fprintf(&config, "AuthorizedKeysFile %s\n", write("authorized", []byte(s.Client.Line()+"\n")))
	fmt.Fprintf(&config, "Subsystem sftp internal-sftp -d %s\nForceCommand internal-sftp -d %s\n", s.Root, s.Root)
	config.WriteString(`PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 200
MaxAuthTries 3
LogLevel INFO
`)
	return write("sshd_config", []byte(config.String()))
}

// freeAddress returns a loopback address that nobody listens on just now. Its port
// lies below those that systems give to outgoing connections, so that none of
// them takes it before the server does, or between Stop and Start.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		listener, err := net.Listen("tcp", address)
		if err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no free port between 20000 and 32000")
	return ""
}
