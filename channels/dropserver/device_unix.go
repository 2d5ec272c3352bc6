//go:build unix

package dropserver

import (
	"os"
	"syscall"
)

// sameDevice reports whether two files are on the same file system.
func sameDevice(a, b os.FileInfo) bool {
	x, ok := a.Sys().(*syscall.Stat_t)
	y, too := b.Sys().(*syscall.Stat_t)
	return !ok || !too || x.Dev == y.Dev
}
