package sftp_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
	"gateway301/sample"
)

// Probe proposes the profile that the server has, and leaves nothing behind.
func TestProbe(t *testing.T) {
	t.Parallel()
	for _, profile := range sample.PartnerProfiles() {
		t.Run(profile, func(t *testing.T) {
			_, set, dir := simulated(t, profile)
			set.Proof, set.Blind = channels.Size, false // what is not known yet
			report, err := sftp.Probe(t.Context(), set)
			if err != nil {
				t.Fatal(err)
			}
			want := profile
			if profile == "umlauts" {
				want = "strict" // no file of the partner's own shows its spelling
			}
			if report.Profile.Name != want {
				t.Errorf("proposes %s: %+v", report.Profile.Name, report)
			}
			if small := profile == "small-packets"; small != (report.MaxPacket == 32<<10) {
				t.Errorf("packets of %d bytes", report.MaxPacket)
			}
			// Where nothing can be removed, what is left is named.
			entries, err := os.ReadDir(filepath.Join(dir, "in"))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !slices.Contains(report.Left, e.Name()) {
					t.Errorf("%s is left, and not named in %q", e.Name(), report.Left)
				}
			}
			if len(entries) > 0 && profile != "write-only" {
				t.Errorf("%d files are left", len(entries))
			}
		})
	}
}

func TestProbeOpenSSH(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	report, err := sftp.Probe(t.Context(), settings(server))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, filepath.Join(server.Root, "in"), nil)
	if report.Profile.Name != "strict" || report.MaxPacket != 128<<10 || report.Sessions != 4 || report.ReplacesOnRename ||
		!slices.Contains(report.Extensions, "fsync@openssh.com") || report.Algorithms.Write.Cipher != "aes128-gcm@openssh.com" {
		t.Errorf("%+v", report)
	}
	// The proposal works.
	set := settings(server)
	report.Profile.Apply(&set)
	content := channeltest.Content(1, 1<<20)
	if _, err := put(t, open(t, set), content, channels.PutOptions{}); err != nil {
		t.Error(err)
	}
}

func TestProbeFails(t *testing.T) {
	t.Parallel()
	server := channeltest.StartSSHD(t)
	for what, test := range map[string]struct {
		change func(*sftp.Settings)
		err    error
	}{
		"no folder": {func(s *sftp.Settings) { s.OutDir = "nowhere" }, os.ErrNotExist},
		"no login":  {func(s *sftp.Settings) { s.Signers = []ssh.Signer{channeltest.NewKey(t).Signer} }, channels.ErrLogin},
		"stranger":  {func(s *sftp.Settings) { s.HostKeys = sftp.Pin(channeltest.NewKey(t).Signer.PublicKey()) }, channels.ErrHostKey},
	} {
		set := settings(server)
		test.change(&set)
		if _, err := sftp.Probe(t.Context(), set); !errors.Is(err, test.err) {
			t.Errorf("%s: Probe = %v, want %v", what, err, test.err)
		}
	}
}
