package sftp_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
	"gateway301/internal/relay"
)

// The ratios that count are those within one run, of ours to openssh.

const bigFile = 64 << 20

// opensshClient returns a function that runs OpenSSH's client on a batch of commands.
func opensshClient(b *testing.B, server *channeltest.SSHD, address string) func(batch string) {
	b.Helper()
	program := channeltest.LookPeer(b, "sftp")
	dir := b.TempDir()
	key := filepath.Join(dir, "id")
	if err := os.WriteFile(key, server.Client.PEM, 0o600); err != nil {
		b.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(address)
	return func(batch string) {
		file := filepath.Join(dir, "batch")
		if err := os.WriteFile(file, []byte(batch), 0o600); err != nil {
			b.Fatal(err)
		}
		command := exec.Command(program, "-q", "-b", file, "-P", port, "-i", key, "-F", "none",
			"-c", "aes128-gcm@openssh.com", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
			server.User+"@"+host)
		if said, err := command.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, said)
		}
	}
}

func BenchmarkUpload(b *testing.B) {
	server := channeltest.StartSSHD(b)
	content := channeltest.Content(1, bigFile)
	source := filepath.Join(b.TempDir(), "source")
	if err := os.WriteFile(source, content, 0o600); err != nil {
		b.Fatal(err)
	}
	target := filepath.Join(server.Root, "in", name)
	for _, packet := range []int{32 << 10, 128 << 10} {
		b.Run(fmt.Sprintf("ours/packet=%dK", packet>>10), func(b *testing.B) {
			set := settings(server)
			set.MaxPacket, set.NoSync = packet, true // OpenSSH's client does not sync either
			c := open(b, set)
			b.SetBytes(bigFile)
			for b.Loop() {
				f, err := os.Open(source)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Put(b.Context(), name, f, bigFile, channels.PutOptions{}); err != nil {
					b.Fatal(err)
				}
				f.Close()
				os.Remove(target)
			}
		})
	}
	b.Run("openssh", func(b *testing.B) {
		run := opensshClient(b, server, server.Address)
		b.SetBytes(bigFile)
		for b.Loop() {
			run("put " + source + " in/" + name + "\n")
			os.Remove(target)
		}
	})
}

func BenchmarkDownload(b *testing.B) {
	server := channeltest.StartSSHD(b)
	if err := os.WriteFile(filepath.Join(server.Root, "out", name), channeltest.Content(1, bigFile), 0o600); err != nil {
		b.Fatal(err)
	}
	target := filepath.Join(b.TempDir(), "target")
	for _, packet := range []int{32 << 10, 128 << 10} {
		b.Run(fmt.Sprintf("ours/packet=%dK", packet>>10), func(b *testing.B) {
			set := settings(server)
			set.MaxPacket = packet
			c := open(b, set)
			b.SetBytes(bigFile)
			for b.Loop() {
				f, err := os.Create(target)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Get(b.Context(), channels.Incoming, name, f); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
	b.Run("openssh", func(b *testing.B) {
		run := opensshClient(b, server, server.Address)
		b.SetBytes(bigFile)
		for b.Loop() {
			run("get out/" + name + " " + target + "\n")
		}
	})
}

// BenchmarkSmallFiles delivers 200 files of 20 KB: ours with temporary name, sync,
// proof and rename, 16 at a time; OpenSSH with put -r, which does none of that.
func BenchmarkSmallFiles(b *testing.B) {
	const files = 200
	server := channeltest.StartSSHD(b)
	in := filepath.Join(server.Root, "in")
	content := channeltest.Content(1, 20_000)
	folder := filepath.Join(b.TempDir(), "batch")
	if err := os.Mkdir(folder, 0o700); err != nil {
		b.Fatal(err)
	}
	for i := range files {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	clean := func() {
		os.RemoveAll(in)
		os.Mkdir(in, 0o700)
	}
	for _, latency := range []time.Duration{0, 10 * time.Millisecond} {
		line, err := relay.Listen(server.Address)
		if err != nil {
			b.Fatal(err)
		}
		defer line.Close()
		line.SetLatency(latency)
		b.Run(fmt.Sprintf("roundtrip=%v/ours", 2*latency), func(b *testing.B) {
			set := settings(server)
			set.Address, set.NoSync = line.Address(), true
			c := open(b, set)
			if _, _, err := c.List(b.Context(), channels.Outgoing); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				putMany(b, c, files, content, 16)
				clean()
			}
			b.ReportMetric(files*float64(b.N)/b.Elapsed().Seconds(), "files/s")
		})
		b.Run(fmt.Sprintf("roundtrip=%v/openssh", 2*latency), func(b *testing.B) {
			run := opensshClient(b, server, line.Address())
			for b.Loop() {
				run("put -r " + folder + " in\n")
				clean()
			}
			b.ReportMetric(files*float64(b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

func putMany(b *testing.B, c *sftp.Channel, files int, content []byte, atOnce int) {
	var all sync.WaitGroup
	next := make(chan int)
	for range atOnce {
		all.Go(func() {
			for i := range next {
				_, err := c.Put(b.Context(), fmt.Sprint(i), bytes.NewReader(content), int64(len(content)), channels.PutOptions{})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range files {
		next <- i
	}
	close(next)
	all.Wait()
}

// BenchmarkTable is the comparison with OpenSSH's client and with the library's
// own defaults, by turns in one run, the best of each. With -short it takes less
// of everything.
func BenchmarkTable(b *testing.B) {
	turns, big, slow, small := 3, int64(1<<30), int64(64<<20), 2000
	if testing.Short() {
		turns, big, slow, small = 2, 256<<20, 4<<20, 200
	}
	server := channeltest.StartSSHD(b)
	in, out := filepath.Join(server.Root, "in"), filepath.Join(server.Root, "out")
	report, err := sftp.Probe(b.Context(), settings(server))
	if err != nil {
		b.Fatal(err)
	}
	source := filepath.Join(b.TempDir(), "source")
	for _, place := range []string{source, filepath.Join(out, name)} {
		if err := exec.Command("dd", "if=/dev/zero", "of="+place, "bs=1M", fmt.Sprint("count=", big>>20), "status=none").Run(); err != nil {
			b.Fatal(err)
		}
	}
	batch := filepath.Join(b.TempDir(), "batch")
	content := channeltest.Content(1, 20_000)
	if err := os.Mkdir(batch, 0o700); err != nil {
		b.Fatal(err)
	}
	for i := range small {
		if err := os.WriteFile(filepath.Join(batch, fmt.Sprint(i)), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	line, err := relay.Listen(server.Address)
	if err != nil {
		b.Fatal(err)
	}
	defer line.Close()
	ours := func(address string, connections int) *sftp.Channel {
		set := settings(server)
		report.Profile.Apply(&set)
		set.Address, set.NoSync = address, true // OpenSSH's client does not sync either
		set.Connections, set.Parallel = connections, 16*connections
		return open(b, set)
	}
	up := func(c *sftp.Channel, size int64) func() {
		return func() {
			f, err := os.Open(source)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			if _, err := c.Put(b.Context(), name, f, size, channels.PutOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	}
	down := func(c *sftp.Channel) func() {
		return func() {
			f, err := os.Create(filepath.Join(b.TempDir(), "target"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			if _, err := c.Get(b.Context(), channels.Incoming, name, f); err != nil {
				b.Fatal(err)
			}
		}
	}
	clean := func() {
		os.RemoveAll(in)
		os.Mkdir(in, 0o700)
	}
	best := func(turns int, rows ...func()) []float64 {
		least := make([]float64, len(rows))
		for range turns {
			for i, row := range rows {
				start := time.Now()
				row()
				if took := time.Since(start).Seconds(); least[i] == 0 || took < least[i] {
					least[i] = took
				}
				clean()
			}
		}
		return least
	}
	var table strings.Builder
	row := func(what, ours, peer string, ratio, want float64) {
		fmt.Fprintf(&table, "%-52s %14s %14s %7.2f  (%.2f)\n", what, ours, peer, ratio, want)
		b.ReportMetric(ratio, strings.ReplaceAll(what, " ", "_"))
	}
	rate := func(size int64, seconds float64) string { return fmt.Sprintf("%.0f MiB/s", float64(size>>20)/seconds) }

	direct, openssh := ours(server.Address, 1), opensshClient(b, server, server.Address)
	t := best(turns, up(direct, big), func() { openssh("put " + source + " in/" + name + "\n") })
	row(fmt.Sprintf("%d MiB up", big>>20), rate(big, t[0]), rate(big, t[1]), t[1]/t[0], 0.95)
	t = best(turns, down(direct), func() { openssh("get out/" + name + " " + filepath.Join(b.TempDir(), "t") + "\n") })
	row(fmt.Sprintf("%d MiB down", big>>20), rate(big, t[0]), rate(big, t[1]), t[1]/t[0], 0.95)

	many := ours(server.Address, 4)
	t = best(turns, func() { putMany(b, many, small, content, 64) }, func() { openssh("put -r " + batch + " in\n") })
	each := func(seconds float64) string { return fmt.Sprintf("%.0f/s", float64(small)/seconds) }
	row(fmt.Sprintf("%d files of 20 KB, safe, against put -r", small), each(t[0]), each(t[1]), t[1]/t[0], 1.3)

	line.SetLatency(10 * time.Millisecond)
	far, farOpenSSH := ours(line.Address(), 4), opensshClient(b, server, line.Address())
	t = best(2, func() { putMany(b, far, small, content, 64) })
	peer := best(1, func() { farOpenSSH("put -r " + batch + " in\n") })
	row("the same at 20 ms", each(t[0]), each(peer[0]), peer[0]/t[0], 25)

	t = best(2, up(ours(line.Address(), 1), slow))
	peer = best(1, func() { putByLibrary(b, server, line.Address(), source, slow) })
	row(fmt.Sprintf("%d MiB up at 20 ms, against pkg/sftp's defaults", slow>>20), rate(slow, t[0]), rate(slow, peer[0]), peer[0]/t[0], 20)

	line.SetBandwidth(40 << 20)
	limited := ours(line.Address(), 1)
	half := big / 4
	t = best(1, up(limited, half), down(limited))
	row(fmt.Sprintf("%d MiB up at 20 ms and 40 MiB/s", half>>20), rate(half, t[0]), "40 MiB/s", float64(half>>20)/t[0]/40, 0.8)
	row(fmt.Sprintf("%d MiB down at 20 ms and 40 MiB/s", big>>20), rate(big, t[1]), "40 MiB/s", float64(big>>20)/t[1]/40, 0.8)
	fmt.Printf("\n%-52s %14s %14s %7s  (wanted)\n%s\n", fmt.Sprintf("packets of %d KiB", report.Profile.MaxPacket>>10), "ours", "OpenSSH, other", "ratio", table.String())
}

// putByLibrary uploads as a program does that uses the library as it is.
func putByLibrary(b *testing.B, server *channeltest.SSHD, address, source string, size int64) {
	conn, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: server.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(server.Client.Signer)}, HostKeyCallback: ssh.FixedHostKey(server.HostKeys()[0]),
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	client, err := pkgsftp.NewClient(conn)
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	f, err := os.Open(source)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	to, err := client.Create("in/" + name)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(to, io.LimitReader(f, size)); err != nil {
		b.Fatal(err)
	}
	if err := to.Close(); err != nil {
		b.Fatal(err)
	}
}
