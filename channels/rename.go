package channels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// RenameNoReplace renames a file below root and fails with fs.ErrExist if the
// target is there, also if it appears in that very moment. A file system that can
// neither rename nor link without replacing yields ErrRefused.
func RenameNoReplace(root *os.Root, from, to string) error {
	err := renameNoReplace(root, from, to)
	if errors.Is(err, errNoSuchRename) {
		err = linkAndRemove(root, from, to)
	}
	return err
}

// errNoSuchRename: the file system cannot rename without replacing.
var errNoSuchRename = errors.New("rename without replacing is not supported")

// linkAndRemove does in two steps what renameNoReplace does in one; both names
// stand for a moment, each with the whole content.
func linkAndRemove(root *os.Root, from, to string) error {
	err := root.Link(from, to)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
		return fmt.Errorf("%w: this file system can neither rename nor link without replacing: %w", ErrRefused, err)
	}
	if errors.Is(err, fs.ErrExist) && sameFile(root, from, to) {
		err = nil // NFS asked twice, and the first time was it
	}
	if err != nil {
		return err
	}
	return root.Remove(from)
}

func sameFile(root *os.Root, a, b string) bool {
	one, err := root.Lstat(a)
	if err != nil {
		return false
	}
	other, err := root.Lstat(b)
	return err == nil && os.SameFile(one, other)
}
