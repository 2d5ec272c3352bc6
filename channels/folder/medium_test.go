package folder

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gateway301/channels"
)

// The numbers are those of statfs(2) and linux/magic.h.
func TestNetworkMountsAreRecognised(t *testing.T) {
	for magic, want := range map[uint32]string{
		0x6969: "nfs", 0x517B: "smb", 0xFF534D42: "cifs", 0xFE534D42: "smb2", 0x65735546: "fuse", 0x01021997: "9p", 0x00C36400: "ceph",
	} {
		if name, yes := network(magic); !yes || name != want {
			t.Errorf("%#x is %q, %v, want %s", magic, name, yes, want)
		}
	}
	for what, magic := range map[string]uint32{
		"ext4": 0xEF53, "xfs": 0x58465342, "btrfs": 0x9123683E, "tmpfs": 0x01021994, "overlay": 0x794C7630, "zfs": 0x2FC12FC1, "vfat": 0x4D44,
	} {
		if name, yes := network(magic); yes {
			t.Errorf("%s counts as %s", what, name)
		}
	}
	if name, yes, err := Network(t.TempDir()); yes || err != nil {
		t.Errorf("a local folder: %q, %v, %v", name, yes, err)
	}
	if _, _, err := Network(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// A folder that must lie on a share does not count while nothing is mounted, also
// if nobody has ever seen the share.
func TestShareThatIsNotMounted(t *testing.T) {
	dir := t.TempDir()
	c, err := New(Settings{OutDir: dir, InDir: dir, Share: true})
	if err != nil {
		t.Fatal(err)
	}
	if files, _, err := c.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) || !errors.Is(err, errNotShare) {
		t.Errorf("List = %v, %v, want ErrLine", files, err)
	}
	if err := (&Watch{Share: true}).Check(dir); !errors.Is(err, channels.ErrLine) {
		t.Errorf("Check = %v, want ErrLine", err)
	}
	if err := (&Watch{}).Check(dir); err != nil {
		t.Errorf("Check of a local folder = %v", err)
	}
}
