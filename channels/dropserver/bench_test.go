package dropserver_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
)

// BenchmarkUpload has the same client deliver 64 MiB to the drop server and to
// OpenSSH; the ratio within one run counts.
func BenchmarkUpload(b *testing.B) {
	const size = 64 << 20
	content := channeltest.Content(1, size)
	drop, openssh := start(b, nil), channeltest.StartSSHD(b)
	other := drop.settings()
	other.Address, other.User, other.HostKeys = openssh.Address, openssh.User, sftp.Pin(openssh.HostKeys()...)
	other.Signers[0] = openssh.Client.Signer
	for _, server := range []struct {
		name     string
		root     string
		settings sftp.Settings
	}{{"drop", drop.root, drop.settings()}, {"openssh", openssh.Root, other}} {
		b.Run(server.name, func(b *testing.B) {
			c, err := sftp.New(server.settings)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			b.SetBytes(size)
			for i := 0; b.Loop(); i++ {
				name := fmt.Sprintf("EKRH%04d", i)
				if _, err := c.Put(b.Context(), name, bytes.NewReader(content), size, channels.PutOptions{}); err != nil {
					b.Fatal(err)
				}
				if err := os.Remove(filepath.Join(server.root, "in", name)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
