package sftp_test

import (
	"context"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/dropserver"
	"gateway301/channels/folder"
	"gateway301/channels/sftp"
	"gateway301/sample"
)

var update = flag.Bool("update", false, "rewrite the matrix in docs/channels.md")

// simulated starts a partner of a profile and returns the settings that the
// profile of the same name proposes.
func simulated(t testing.TB, profile string, faults ...string) (*sample.Partner, sftp.Settings, string) {
	t.Helper()
	o := sample.PartnerOptions{Dir: t.TempDir(), Profile: profile}
	for _, text := range faults {
		f, err := sample.ParsePartnerFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, f)
	}
	p, err := sample.StartPartner(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	set := sftp.Settings{
		Host:   sftp.Host{Address: p.Address(), HostKeys: sftp.Pin(p.HostKey())},
		Login:  sftp.Login{User: "nord", Password: "Kennwort"},
		OutDir: "in", InDir: "out",
	}
	how, ok := sftp.ProfileNamed(profile)
	if !ok {
		t.Fatalf("no profile %q", profile)
	}
	how.Apply(&set)
	if profile == "legacy" {
		set.Algorithms.Legacy = sample.LegacyPartnerAlgorithms()
	}
	return p, set, o.Dir
}

// cannot says which promises a profile lets nobody keep, and why.
func cannot(profile string) map[string]string {
	out := map[string]string{}
	add := func(why string, promises ...string) {
		for _, p := range promises {
			out[p] = why
		}
	}
	const (
		nobodyLooks = "nobody can look"
		gone        = "the file is gone at once"
	)
	switch profile {
	case "write-only":
		add(nobodyLooks, "put arrives whole", "partial file is never visible", "our own final name counts as delivered", "a final name of another size is not ours",
			"leftovers under the temporary name do no harm", "an error before publication leaves nothing", "a broken source leaves nothing", "look", "many at once",
			"list shows plain files in order", "foreign file is never replaced", "foreign file that appears late is never replaced", "names that lead elsewhere")
	case "vanishing":
		add(gone, "put arrives whole", "partial file is never visible", "our own final name counts as delivered",
			"leftovers under the temporary name do no harm", "an error before publication leaves nothing", "cancelled midway", "many at once", "a vanished folder is no empty folder")
	case "capped":
		add("one call at a time, and the suite makes one within another", "partial file is never visible")
	}
	return out
}

// Every kind of server lets the promises be kept, or it is known why not.
func TestMatrix(t *testing.T) {
	var m channeltest.Matrix
	ran := 0 // all, unless -run asks for some
	dirs := func(t *testing.T, root, in, out string) (string, string) {
		a, b := filepath.Join(root, in), filepath.Join(root, out)
		empty(t, a, b)
		return a, b
	}
	t.Run("OpenSSH", func(t *testing.T) {
		server := channeltest.StartSSHD(t)
		set := settings(server)
		set.NoSync = true
		c := open(t, set)
		m.Run(t, "OpenSSH", func(t *testing.T) *channeltest.Partner {
			p := &channeltest.Partner{Channel: c, Entries: 300}
			p.OutDir, p.InDir = dirs(t, server.Root, "in", "out")
			return p
		})
		ran++
	})
	t.Run("folder", func(t *testing.T) {
		root := t.TempDir()
		m.Run(t, "local folder", func(t *testing.T) *channeltest.Partner {
			p := &channeltest.Partner{Entries: 300}
			p.OutDir, p.InDir = dirs(t, root, "in", "out")
			c, err := folder.New(folder.Settings{OutDir: p.OutDir, InDir: p.InDir})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			p.Channel = c
			return p
		})
		ran++
	})
	t.Run("drop server", func(t *testing.T) {
		client, host, root := channeltest.NewKey(t), channeltest.NewKey(t), t.TempDir()
		server, err := dropserver.New(dropserver.Settings{
			HostKeys: []ssh.Signer{host.Signer},
			Accounts: []dropserver.Account{{Name: "nord", Keys: []ssh.PublicKey{client.Signer.PublicKey()}, Root: root}},
		})
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		stopped := make(chan error, 1)
		go func() { stopped <- server.Serve(ctx, listener) }()
		t.Cleanup(func() { stop(); <-stopped })
		c := open(t, sftp.Settings{
			Host:   sftp.Host{Address: listener.Addr().String(), HostKeys: sftp.Pin(host.Signer.PublicKey())},
			Login:  sftp.Login{User: "nord", Signers: []ssh.Signer{client.Signer}},
			OutDir: "in", InDir: "out",
		})
		m.Run(t, "drop server", func(t *testing.T) *channeltest.Partner {
			p := &channeltest.Partner{Channel: c, Staged: true, PlainOnly: true, Entries: 300}
			p.OutDir, p.InDir = dirs(t, root, "in", "out")
			return p
		})
		ran++
	})
	for _, profile := range sample.PartnerProfiles() {
		t.Run(profile, func(t *testing.T) {
			_, set, dir := simulated(t, profile)
			c := open(t, set)
			m.Run(t, profile, func(t *testing.T) *channeltest.Partner {
				p := &channeltest.Partner{Channel: c, Temporary: set.Temporary, Cannot: cannot(profile), Least: set.Proof, Entries: 300}
				p.OutDir, p.InDir = dirs(t, dir, "in", "out")
				return p
			})
			ran++
		})
	}
	t.Logf("\n%s", m.String())
	if t.Failed() || ran < 3+len(sample.PartnerProfiles()) {
		return
	}
	const begin, end = "<!-- matrix -->\n", "<!-- /matrix -->\n"
	file := filepath.Join("..", "..", "docs", "channels.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the matrix", file)
	}
	want := head + begin + m.String() + end + tail
	switch {
	case *update:
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case want != string(text):
		t.Errorf("the matrix is another; run 'go test ./channels/sftp -run Matrix -update':\n%s", m.String())
	}
}

// A partner that takes files at once gets each once and whole, and the proof says
// no more than was seen.
func TestVanishingPartner(t *testing.T) {
	_, set, dir := simulated(t, "vanishing")
	content := channeltest.Content(1, 300_000)
	proof, err := put(t, open(t, set), content, channels.PutOptions{})
	if err != nil || proof.Level != channels.Acknowledged {
		t.Errorf("Put = %v %q, %v", proof.Level, proof.Text, err)
	}
	holds(t, filepath.Join(dir, "in"), nil)
	holds(t, filepath.Join(dir, "taken"), content)
}

// Where nobody may look, the server's word is the proof, and nothing is asked.
func TestWriteOnlyPartner(t *testing.T) {
	_, set, dir := simulated(t, "write-only")
	c := open(t, set)
	content := channeltest.Content(1, 300_000)
	proof, err := put(t, c, content, channels.PutOptions{})
	if err != nil || proof.Level != channels.Acknowledged {
		t.Errorf("Put = %v %q, %v", proof.Level, proof.Text, err)
	}
	holds(t, filepath.Join(dir, "in"), content)
	if err := os.WriteFile(filepath.Join(dir, "in", name), []byte("foreign"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, c, content, channels.PutOptions{}); err == nil {
		t.Error("a file that stands there was replaced")
	}
	got, _ := os.ReadFile(filepath.Join(dir, "in", name))
	if string(got) != "foreign" {
		t.Errorf("a file that stands there was replaced by %d bytes", len(got))
	}
}
