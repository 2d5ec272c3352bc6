package sftp_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

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
				putMany(b, c, files, content)
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

func putMany(b *testing.B, c *sftp.Channel, files int, content []byte) {
	var all sync.WaitGroup
	next := make(chan int)
	for range 16 {
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
