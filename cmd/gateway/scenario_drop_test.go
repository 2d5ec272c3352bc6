package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gateway301/channels/channeltest"
)

// dropserver writes annahmestelle.yaml: an Annahmestelle with the built-in drop
// server, and one account, klinik. Each argument key=value is one more key of the
// account, or, as server.key=value, of the server.
func cmdDropServer(ts *testscript.TestScript, _ bool, args []string) {
	s := onStage(ts)
	if ts.Getenv("DROP_PORT") == "" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		ts.Check(listener.Close())
		ts.Setenv("DROP_PORT", port)
		host := channeltest.NewKey(s.tb)
		ts.Check(os.MkdirAll(ts.MkAbs("keys"), 0o700))
		for name, content := range map[string][]byte{
			"host": host.PEM, "known": fmt.Appendf(nil, "[127.0.0.1]:%s %s\n", port, host.Line()),
		} {
			ts.Check(os.WriteFile(ts.MkAbs("keys/drop_"+name), content, 0o600))
		}
		for _, who := range []string{"klinik", "stranger"} {
			key := channeltest.NewKey(s.tb)
			ts.Check(os.WriteFile(ts.MkAbs("keys/login_"+who), key.PEM, 0o600))
			ts.Setenv("KEY_"+who, key.Line())
		}
	}
	server, account := "", ""
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		if of, ok := strings.CutPrefix(key, "server."); ok {
			server += "  " + of + ": " + value + "\n"
			continue
		}
		account += ", " + key + ": " + value
	}
	ts.Check(os.MkdirAll(ts.MkAbs("drop/klinik"), 0o700))
	ts.Setenv("MUSTERKASSE", ts.MkAbs("drop/klinik"))
	cmdAnnahmestelle(ts, false, nil)
	text, err := os.ReadFile(ts.MkAbs("annahmestelle.yaml"))
	ts.Check(err)
	text = fmt.Appendf(text, `server:
  listen: 127.0.0.1:%s
  host-keys: ["file:keys/drop_host"]
  root: drop
%s  accounts:
    - {name: klinik, keys: ["%s"]%s}
`, ts.Getenv("DROP_PORT"), server, ts.Getenv("KEY_klinik"), account)
	ts.Check(os.WriteFile(ts.MkAbs("annahmestelle.yaml"), text, 0o600))
}

// drop [as KEY] [slow] COMMAND... has OpenSSH's sftp log in as klinik and do what
// the commands say; with "drop ready" nothing but waits until the server answers.
func cmdDrop(ts *testscript.TestScript, neg bool, args []string) {
	port, key := ts.Getenv("DROP_PORT"), "klinik"
	if len(args) == 1 && args[0] == "ready" {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for end := time.After(time.Minute); ; {
			if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
				c.Close()
				return
			}
			select {
			case <-tick.C:
			case <-end:
				ts.Fatalf("nobody listens on port %s", port)
			}
		}
	}
	if len(args) > 2 && args[0] == "as" {
		key, args = args[1], args[2:]
	}
	batch := ts.MkAbs("batch")
	ts.Check(os.WriteFile(batch, []byte(strings.Join(args, "\n")+"\n"), 0o600))
	err := ts.Exec("sftp", append(sftpOptions(ts, key), "-b", batch, "klinik@127.0.0.1")...)
	if neg == (err == nil) {
		ts.Fatalf("sftp: %v", err)
	}
}

func sftpOptions(ts *testscript.TestScript, key string) []string {
	return []string{
		"-F", "none", "-P", ts.Getenv("DROP_PORT"), "-i", filepath.Join("keys", "login_"+key),
		"-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + ts.MkAbs("keys/drop_known"),
	}
}
