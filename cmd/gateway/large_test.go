package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gateway301/channels/channeltest"
	"gateway301/sample"
)

const (
	largeFile  = 1 << 30   // bytes
	largestRSS = 128 << 10 // KiB, of each process
)

// A file of 1 GiB goes from outbox to back end through OpenSSH's sshd; neither
// process may need more than 128 MiB. The binary is the one that is shipped,
// since the race detector multiplies memory.
func TestLargeFileInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 1 GiB; not in short mode")
	}
	sshd := channeltest.StartSSHD(t)
	dir := t.TempDir()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(binary, "gateway")
	files, err := certificatesOnce()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		write("keys/"+name, content)
	}
	write("keys/ssh_musterkasse", sshd.Client.PEM)
	write("insured.txt", []byte("A123456780\n"))
	values := usualValues()
	maps.Copy(values, map[string]string{
		"types":       "[ENTL]",
		"MUSTERKASSE": sshd.Root, "MUSTERKASSE_ADDRESS": sshd.Address, "MUSTERKASSE_USER": sshd.User, "MUSTERKASSE_HOSTKEY": sshd.Host[0].Line(),
	})
	value := func(key string) string { return values[key] }
	large := strings.Replace(os.Expand(hospitalScenario, value), "max-size: 64MiB", "max-size: 2GiB", 1)
	write("hospital.yaml", []byte(large))
	write("annahmestelle.yaml", []byte(os.Expand(insurerScenario, value)))
	write("outbox/large.edi", nil)
	f, err := os.Create(filepath.Join(dir, "outbox", "large.edi"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := sample.WriteSized(f, sample.FileOptions{Type: "ENTL", Sender: "260500005", Recipient: "109910000",
		Insured: []string{"A123456780"}, Created: time.Now().In(berlin()).Add(-time.Minute)}, largeFile); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hospital.yaml", "annahmestelle.yaml"} {
		run := exec.Command(program, "run", "--once", "-c", name)
		run.Dir = dir
		began := time.Now()
		var out bytes.Buffer
		run.Stdout, run.Stderr = &out, &out
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		highest := peakOf(run.Process.Pid)
		if err := run.Wait(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out.Bytes())
		}
		peak := <-highest
		if peak == 0 {
			t.Fatal("its memory was never seen")
		}
		t.Logf("%-20s peak RSS %d MiB, %.1f s", name, peak>>10, time.Since(began).Seconds())
		if peak > largestRSS {
			t.Errorf("%s: peak RSS %d KiB, at most %d", name, peak, largestRSS)
		}
	}
	handed := filepath.Join(dir, "insurer", "backend", "260500005-KRH00000001-000001.edi")
	if st, err := os.Stat(handed); err != nil || st.Size() < largeFile-1<<20 {
		t.Errorf("what was handed over: %v %v", st, err)
	}
}

// peakOf tells the highest resident memory of a process, in KiB, when it has
// ended. What the kernel tells of an ended child begins with the memory of the
// parent that forked it, which under the race detector is the larger; so its own
// mark is read while it runs.
func peakOf(pid int) <-chan int64 {
	result := make(chan int64, 1)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		var peak int64
		for {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, rest, running := strings.Cut(string(status), "\nVmHWM:")
			if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || !running && peak > 0 {
				result <- peak
				return
			} else if running && filepath.Base(exe) == "gateway" { // no longer the fork of this test
				fmt.Sscan(rest, &peak)
			}
			<-tick.C
		}
	}()
	return result
}
