package folder

import (
	"os"

	"golang.org/x/sys/unix"
)

// magicOf is the number of the file system on which an open folder lies.
func magicOf(dir *os.File) (uint32, error) {
	var s unix.Statfs_t
	err := unix.Fstatfs(int(dir.Fd()), &s)
	return uint32(s.Type), err // signed, and of different width, on some machines
}
