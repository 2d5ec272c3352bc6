package folder

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"gateway301/channels"
)

// Network tells whether a folder lies on a file system that other machines, or
// another program, may change or take away: NFS, SMB, FUSE and the like. There
// are no file events for what others do, and the folder is an empty one of ours
// while nothing is mounted. The name is for operators: "nfs".
func Network(dir string) (name string, yes bool, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	magic, err := magicOf(f)
	if err != nil {
		return "", false, err
	}
	name, yes = network(magic)
	return name, yes, nil
}

// network names the file systems that come from elsewhere, by the numbers that
// statfs gives them (statfs(2), linux/magic.h, and the sources of those that are
// not part of Linux).
func network(magic uint32) (name string, yes bool) {
	name, yes = networks[magic]
	return name, yes
}

var networks = map[uint32]string{
	0x6969:     "nfs",
	0x517B:     "smb",
	0xFF534D42: "cifs",
	0xFE534D42: "smb2",
	0x65735546: "fuse", // also virtiofs; a local one cannot be told apart
	0x0187:     "autofs, not mounted",
	0x01021997: "9p",
	0x00C36400: "ceph",
	0x5346414F: "afs",
	0x6B414653: "afs", // of the kernel's own client
	0x73757245: "coda",
	0x564C:     "ncp",
	0x786F4256: "vboxsf",
	0xBACBACBC: "vmhgfs",
	0x0BD00BD0: "lustre",
	0x47504653: "gpfs",
	0x19830326: "beegfs",
	0x013111A8: "ibrix",
	0xAAD7AAEA: "panfs",
	0xA501FCF5: "vxfs",
}

// A Watch tells the folder that was meant from the empty one that an unmounted
// share leaves behind. It may be used by several goroutines at once.
//
// It remembers the folder as it was when first seen, and takes another one for it
// only where one network mount replaced another of the same kind: a share that is
// mounted again has a new device number. Before the first sight it knows nothing:
// that is what Share and Marker are for.
type Watch struct {
	Share  bool   // the folder must lie on a network mount
	Marker string // name of a file that must stand in it; then nothing else counts but Share

	mu    sync.Mutex
	first os.FileInfo
	kind  string // of the network mount on which it lay; empty: on none
}

var (
	errAnotherFolder = errors.New("another folder stands here than at first: is the share mounted?")
	errNotShare      = errors.New("it lies on no network mount: is the share mounted?")
)

// Check opens the folder and makes sure that it is the right one. The error wraps
// channels.ErrLine: the medium may come back.
func (w *Watch) Check(dir string) error {
	root, err := os.OpenRoot(dir)
	if err == nil {
		defer root.Close()
		err = w.check(root)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", channels.ErrLine, err)
	}
	return nil
}

func (w *Watch) check(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	magic, err := magicOf(dir)
	if err != nil {
		return err
	}
	kind, share := network(magic)
	if w.Share && (!share || magic == autofs) {
		return errNotShare
	}
	if w.Marker != "" {
		if _, err := root.Lstat(w.Marker); err != nil {
			return fmt.Errorf("marker file: %w", err)
		}
		return nil
	}
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	again := w.first != nil && share && kind == w.kind
	if w.first != nil && !os.SameFile(w.first, info) && !again {
		return errAnotherFolder
	}
	w.first, w.kind = info, kind
	return nil
}

// autofs stands in for a share that it has not mounted, or cannot.
const autofs = 0x0187
