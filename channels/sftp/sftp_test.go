package sftp_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
)

// settings reach a private sshd.
func settings(s *channeltest.SSHD) sftp.Settings {
	return sftp.Settings{
		Host:   sftp.Host{Address: s.Address, HostKeys: sftp.Pin(s.HostKeys()...)},
		Login:  sftp.Login{User: s.User, Signers: []ssh.Signer{s.Client.Signer}},
		OutDir: "in", InDir: "out",
	}
}

func open(t testing.TB, s sftp.Settings) *sftp.Channel {
	t.Helper()
	c, err := sftp.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// empty makes fresh folders for the next subtest.
func empty(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConformanceOpenSSH(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	for what, change := range map[string]func(*sftp.Settings){
		"suffix":       func(*sftp.Settings) {},
		"folder":       func(s *sftp.Settings) { s.Temporary.Kind = channels.Folder },
		"in place":     func(s *sftp.Settings) { s.Temporary.Kind = channels.None },
		"posix rename": func(s *sftp.Settings) { s.Rename = sftp.RenamePosix },
		"prefix, read back, large packets": func(s *sftp.Settings) {
			s.Temporary.Kind, s.Proof, s.MaxPacket = channels.Prefix, channels.Hash, 128<<10
		},
	} {
		t.Run(what, func(t *testing.T) {
			set := settings(server)
			change(&set)
			run := channeltest.RunPut
			if set.NoSync = true; what == "suffix" {
				run, set.NoSync = channeltest.Run, false
			}
			channel := open(t, set)
			run(t, func(t *testing.T) *channeltest.Partner {
				p := &channeltest.Partner{
					Channel: channel, Temporary: set.Temporary,
					OutDir: filepath.Join(server.Root, "in"), InDir: filepath.Join(server.Root, "out"),
				}
				empty(t, p.OutDir, p.InDir)
				if set.Temporary.Kind == channels.Folder {
					empty(t, filepath.Join(p.OutDir, "tmp"))
				}
				return p
			})
		})
	}
}
