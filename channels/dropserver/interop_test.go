package dropserver_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gateway301/channels/channeltest"
	"gateway301/channels/dropserver"
)

// A workplace is a folder with what a client program needs to log in.
type workplace struct {
	dir, host, port, key, known string
}

func (r *running) workplace(t *testing.T) workplace {
	t.Helper()
	w := workplace{dir: t.TempDir()}
	w.host, w.port, _ = net.SplitHostPort(r.address)
	w.key = w.write(t, "id", r.client.PEM)
	w.write(t, "id.pub", []byte(r.client.Line()+"\n"))
	if err := os.Mkdir(filepath.Join(w.dir, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.known = w.write(t, ".ssh/known_hosts", fmt.Appendf(nil, "[%s]:%s %s\n", w.host, w.port, r.host.Line()))
	return w
}

func (w workplace) path(name string) string { return filepath.Join(w.dir, name) }

func (w workplace) write(t *testing.T, name string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(w.path(name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return w.path(name)
}

// run runs a program there and returns what it said.
func (w workplace) run(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = w.dir
	command.Env = append(os.Environ(), "HOME="+w.dir, "XDG_CONFIG_HOME="+w.dir, "LC_ALL=C.UTF-8")
	said, err := command.CombinedOutput()
	return string(said), err
}

func (w workplace) sshOptions() []string {
	return []string{"-F", "none", "-i", w.key, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + w.known}
}

// Real clients upload, rename, list, fetch and remove, each in its own way.
func TestInterop(t *testing.T) {
	content, answer := channeltest.Content(1, 3<<20), channeltest.Content(2, 700_000)
	remote := func(w workplace, path string) string { return account + "@" + w.host + ":" + path }
	for _, client := range []struct {
		name    string
		program string
		// commands put the file "source" to in/EKRH0001, fetch out/EKRH0900 to
		// "fetched", and remove it.
		commands func(t *testing.T, w workplace, program string) [][]string
	}{
		{"sftp", "sftp", func(t *testing.T, w workplace, program string) [][]string {
			batch := w.write(t, "batch", []byte("put -p source /in/EKRH0001.tmp\nrename /in/EKRH0001.tmp /in/EKRH0001\nls -l /in\nget /out/EKRH0900 fetched\nrm /out/EKRH0900\n"))
			return [][]string{append(append([]string{program, "-b", batch, "-P", w.port}, w.sshOptions()...), account+"@"+w.host)}
		}},
		{"sftp with aes256-ctr and hmac-sha2-256", "sftp", func(t *testing.T, w workplace, program string) [][]string {
			batch := w.write(t, "batch", []byte("put source /in/EKRH0001\nget /out/EKRH0900 fetched\nrm /out/EKRH0900\n"))
			return [][]string{append(append([]string{program, "-b", batch, "-P", w.port, "-c", "aes256-ctr", "-o", "MACs=hmac-sha2-256"}, w.sshOptions()...), account+"@"+w.host)}
		}},
		{"scp", "scp", func(t *testing.T, w workplace, program string) [][]string {
			scp := append([]string{program, "-p", "-P", w.port}, w.sshOptions()...)
			sftp := w.write(t, "batch", []byte("rm /out/EKRH0900\n"))
			return [][]string{
				append(scp[:len(scp):len(scp)], "source", remote(w, "/in/EKRH0001")),
				append(scp[:len(scp):len(scp)], remote(w, "/out/EKRH0900"), "fetched"),
				append(append([]string{"sftp", "-b", sftp, "-P", w.port}, w.sshOptions()...), account+"@"+w.host),
			}
		}},
		{"lftp", "lftp", func(t *testing.T, w workplace, program string) [][]string {
			return [][]string{{program, "-c", fmt.Sprintf(`set sftp:connect-program "ssh -a -x %s"; set sftp:auto-confirm no; set net:max-retries 1; set cmd:fail-exit yes;
open -u %s, sftp://%s:%s; cd in; put source -o EKRH0001.tmp; mv EKRH0001.tmp EKRH0001; chmod 644 EKRH0001; ls; cd ../out; get EKRH0900 -o fetched; rm EKRH0900`,
				strings.Join(w.sshOptions(), " "), account, w.host, w.port)}}
		}},
		{"curl", "curl", func(t *testing.T, w workplace, program string) [][]string {
			url := "sftp://" + account + "@" + w.host + ":" + w.port
			curl := []string{program, "-sS", "--key", w.key, "--pubkey", w.key + ".pub"}
			return [][]string{
				append(curl[:len(curl):len(curl)], "-T", "source", url+"/in/EKRH0001.tmp", "-Q", "-rename /in/EKRH0001.tmp /in/EKRH0001"),
				append(curl[:len(curl):len(curl)], url+"/out/EKRH0900", "-o", "fetched", "-Q", "-rm /out/EKRH0900"),
			}
		}},
		{"rclone", "rclone", func(t *testing.T, w workplace, program string) [][]string {
			fs := fmt.Sprintf(":sftp,host=%s,port=%s,user=%s,key_file=%s,known_hosts_file=%s,shell_type=none:", w.host, w.port, account, w.key, w.known)
			return [][]string{
				{program, "--retries", "1", "copyto", "source", fs + "in/EKRH0001"},
				{program, "--retries", "1", "lsl", fs + "in"},
				{program, "--retries", "1", "moveto", fs + "out/EKRH0900", "fetched"},
			}
		}},
	} {
		t.Run(client.name, func(t *testing.T) {
			program := channeltest.LookPeer(t, client.program)
			server := start(t, nil)
			w := server.workplace(t)
			w.write(t, "source", content)
			server.write(t, "out/EKRH0900", answer)
			for _, command := range client.commands(t, w, program) {
				if said, err := w.run(t, command[0], command[1:]...); err != nil {
					t.Fatalf("%q: %v\n%s\n%+v", command, err, said, server.told())
				}
			}
			if got, err := os.ReadFile(filepath.Join(server.root, "in", "EKRH0001")); err != nil || !bytes.Equal(got, content) {
				t.Errorf("arrived: %d bytes, %v", len(got), err)
			}
			if got, err := os.ReadFile(w.path("fetched")); err != nil || !bytes.Equal(got, answer) {
				t.Errorf("fetched: %d bytes, %v", len(got), err)
			}
			if in, out := server.onDisk(t, "in"), server.onDisk(t, "out"); len(in) != 1 || len(out) != 0 {
				t.Errorf("in holds %q, out %q", in, out)
			}
			for _, e := range server.told() {
				if e.Err != nil && e.Action != dropserver.Refused {
					t.Errorf("event %+v", e)
				}
			}
		})
	}
}

// told returns the events so far.
func (r *running) told() []dropserver.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]dropserver.Event(nil), r.events...)
}

// The old protocol of scp needs a command, which nobody gets.
func TestOldSCPIsRefused(t *testing.T) {
	program := channeltest.LookPeer(t, "scp")
	server := start(t, nil)
	w := server.workplace(t)
	w.write(t, "source", []byte("x"))
	args := append([]string{"-O", "-P", w.port}, w.sshOptions()...)
	if said, err := w.run(t, program, append(args, "source", account+"@"+w.host+":/in/EKRH0001")...); err == nil {
		t.Errorf("scp -O succeeded: %s", said)
	}
	server.wait(func(e dropserver.Event) bool { return e.Action == dropserver.Refused && e.Name == "exec" })
}

// What Cyberduck does: it looks before it puts, sets permissions and times, and
// renames; no answer may be a surprise to it.
func TestCyberduckSequence(t *testing.T) {
	server := start(t, nil)
	c := server.sftp(t)
	if _, err := c.Stat("/in/EKRH0001"); !os.IsNotExist(err) {
		t.Errorf("stat before put: %v, want not exist", err)
	}
	if _, err := c.Lstat("/in"); err != nil {
		t.Error(err)
	}
	f, err := c.OpenFile("/in/EKRH0001-upload", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(channeltest.Content(1, 100_000))
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for _, step := range []func() error{
		func() error { return c.Chmod("/in/EKRH0001-upload", 0o777) },
		func() error { return c.Chown("/in/EKRH0001-upload", 1, 1) },
		func() error { return c.Chtimes("/in/EKRH0001-upload", time.Unix(1, 0), time.Unix(1, 0)) },
		func() error { return c.Rename("/in/EKRH0001-upload", "/in/EKRH0001") },
	} {
		if err := step(); err != nil {
			t.Error(err)
		}
	}
	info, err := os.Stat(filepath.Join(server.root, "in/EKRH0001"))
	if err != nil || info.Size() != 100_000 || info.Mode() != 0o600 || info.ModTime().Unix() == 1 {
		t.Errorf("it arrived as %v, %v", info, err)
	}
}
