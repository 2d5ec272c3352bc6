package dropserver_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"gateway301/channels/channeltest"
	"gateway301/channels/dropserver"
)

// serverEnv makes the test binary a drop server, so that its memory and processor
// time are its own: the folder with id.pub and host, and where accounts live.
const serverEnv = "DROPSERVER_TEST_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverEnv); dir != "" {
		if err := serveAlone(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveAlone(dir string) error {
	read := func(name string) []byte {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		return b
	}
	host, err := ssh.ParsePrivateKey(read("host"))
	if err != nil {
		return err
	}
	client, _, _, _, err := ssh.ParseAuthorizedKey(read("id.pub"))
	if err != nil {
		return err
	}
	server, err := dropserver.New(dropserver.Settings{
		HostKeys: []ssh.Signer{host}, MaxConnections: 1000, MaxPerAccount: 1000, MaxWaiting: 1000,
		Accounts: []dropserver.Account{{Name: account, Keys: []ssh.PublicKey{client}, Root: filepath.Join(dir, "jail")}},
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); { // each line asks for a clean memory
			debug.FreeOSMemory()
			fmt.Println("done")
		}
	}()
	return server.Serve(ctx, listener)
}

// A process is a drop server of its own.
type process struct {
	address string
	dir     string
	client  channeltest.Key
	command *exec.Cmd
	asks    io.WriteCloser
	answers *bufio.Reader
}

func startProcess(t testing.TB) *process {
	t.Helper()
	p := &process{dir: t.TempDir(), client: channeltest.NewKey(t)}
	for name, content := range map[string][]byte{"host": channeltest.NewKey(t).PEM, "id.pub": []byte(p.client.Line())} {
		if err := os.WriteFile(filepath.Join(p.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.command = exec.Command(os.Args[0])
	p.command.Env = append(os.Environ(), serverEnv+"="+p.dir)
	p.command.Stderr = os.Stderr
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.asks, err = p.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.command.Process.Kill(); p.command.Wait() })
	p.answers = bufio.NewReader(out)
	line, err := p.answers.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	p.address = strings.TrimSpace(line)
	return p
}

// memory is one of the figures of /proc/PID/status, in bytes.
func (p *process) memory(t testing.TB, key string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		channeltest.Missing(t, err.Error())
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, key+": %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatalf("no %s in /proc", key)
	return 0
}

// clean has the server give back what it does not need.
func (p *process) clean(t testing.TB) {
	t.Helper()
	fmt.Fprintln(p.asks)
	if _, err := p.answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
}

// sessions logs in so often, with an SFTP session each.
func sessions(t testing.TB, address, user string, key channeltest.Key, n int) []*pkgsftp.Client {
	t.Helper()
	clients, faults := make([]*pkgsftp.Client, n), make([]error, n)
	gate := make(chan struct{}, 8)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			connection, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
				User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key.Signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
			})
			if err != nil {
				faults[i] = err
				return
			}
			if clients[i], err = pkgsftp.NewClient(connection); err != nil {
				connection.Close()
			}
			faults[i] = err
		})
	}
	all.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
	return clients
}

// upload has every session write a file at the same time, and returns how long
// that took.
func upload(t testing.TB, clients []*pkgsftp.Client, folder string, content []byte) time.Duration {
	t.Helper()
	faults := make([]error, len(clients))
	begin := time.Now()
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			f, err := c.Create(fmt.Sprintf("%s/EKRH%04d", folder, i))
			if err != nil {
				faults[i] = err
				return
			}
			_, err = f.ReadFromWithConcurrency(bytes.NewReader(content), 64)
			faults[i] = errors.Join(err, f.Close())
		})
	}
	all.Wait()
	took := time.Since(begin)
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
	return took
}

// BenchmarkSessions has 200 sessions upload at once, to the drop server and to
// OpenSSH's sshd by turns, in memory so that no disk decides. The ratio of the
// best turns counts; the memory is that of the server's process.
func BenchmarkSessions(b *testing.B) {
	const n, turns, size = 200, 5, 2 << 20
	b.Setenv("TMPDIR", "/dev/shm")
	content := channeltest.Content(1, size)
	drop, openssh := startProcess(b), channeltest.StartSSHD(b)
	drop.clean(b)
	empty := drop.memory(b, "VmRSS")
	ours := sessions(b, drop.address, account, drop.client, n)
	theirs := sessions(b, openssh.Address, openssh.User, openssh.Client, n)
	defer func() {
		for _, c := range slices.Concat(ours, theirs) {
			c.Close()
		}
	}()
	drop.clean(b)
	idle := drop.memory(b, "VmRSS")
	best := map[string]time.Duration{}
	for b.Loop() {
		for range turns {
			for _, side := range []struct {
				name    string
				clients []*pkgsftp.Client
				folder  string
			}{{"drop server", ours, "/in"}, {"sshd", theirs, "in"}} {
				took := upload(b, side.clients, side.folder, content)
				if was, ok := best[side.name]; !ok || took < was {
					best[side.name] = took
				}
			}
		}
	}
	peak := drop.memory(b, "VmHWM")
	rate := func(name string) float64 { return n * size / best[name].Seconds() / (1 << 20) }
	each := func(bytes int64) float64 { return float64(bytes-empty) / n / (1 << 10) }
	b.Logf("\n%d sessions at once, %d KiB each, best of %d turns\n"+
		"  %-28s %8.0f MiB/s\n  %-28s %8.0f MiB/s\n  %-28s %8.2f (at least 0.90)\n"+
		"  %-28s %8.0f KiB (at most 256)\n  %-28s %8.0f KiB (at most 5120)\n  %-28s %8.0f MiB\n",
		n, size>>10, turns, "drop server", rate("drop server"), "sshd, internal-sftp", rate("sshd"), "ratio", rate("drop server")/rate("sshd"),
		"memory of an idle session", each(idle), "of an uploading one, at most", each(peak), "of the server without any", float64(empty)/(1<<20))
	b.ReportMetric(rate("drop server")/rate("sshd"), "of-sshd")
	b.ReportMetric(each(idle), "KiB/idle")
	b.ReportMetric(each(peak), "KiB/upload")
}

// Listing a long folder takes no more memory than listing a short one.
func BenchmarkLongFolder(b *testing.B) {
	const files = 100_000
	b.Setenv("TMPDIR", "/dev/shm")
	drop := startProcess(b)
	client := sessions(b, drop.address, account, drop.client, 1)[0]
	defer client.Close()
	list := func(want int) int64 {
		infos, err := client.ReadDir("/out")
		if err != nil || len(infos) != want {
			b.Fatalf("%d files, %v", len(infos), err)
		}
		return drop.memory(b, "VmHWM")
	}
	for i := range 100 {
		if err := os.WriteFile(filepath.Join(drop.dir, "jail/out", fmt.Sprintf("EKRH%06d", i)), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	short := list(100)
	for i := range files - 100 {
		if err := os.WriteFile(filepath.Join(drop.dir, "jail/out", fmt.Sprintf("EKRH%06d", i+100)), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	var long int64
	for b.Loop() {
		long = list(files)
	}
	b.Logf("\npeak memory of the server: %.1f MiB with 100 files, %.1f MiB with %d\n", float64(short)/(1<<20), float64(long)/(1<<20), files)
	b.ReportMetric(float64(long-short)/(1<<20), "MiB-more")
}
