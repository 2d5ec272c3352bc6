package intake

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// A disk is what intake does to the outbox and the quarantine folder. Paths are
// a folder of [Outbox] and a plain name in it. It exists so that tests can let
// every single operation fail.
type disk interface {
	ReadDir(path string) ([]fs.DirEntry, error)
	// Lstat's Sys is a *syscall.Stat_t.
	Lstat(path string) (fs.FileInfo, error)
	// Born tells when the file was made; the zero time if the file system does not know.
	Born(path string) (time.Time, error)
	// Open opens a regular file for reading, following no symbolic link and
	// waiting for nobody. What it returns is an [io.ReaderAt] too.
	Open(path string) (fs.File, error)
	Remove(path string) error
	// Move renames and syncs the folder moved into. It never replaces: if to is
	// there, the error wraps [fs.ErrExist].
	Move(from, to string) error
	// Write makes path with what fill writes, all of it and synced or not at all,
	// and its folder if need be. If path is there, the error wraps [fs.ErrExist].
	Write(path string, fill func(io.Writer) error) error
	// Free tells how many bytes may still be written to a folder that Write makes.
	Free(path string) (int64, error)
}

// system is the real disk.
type system struct{}

func (system) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }
func (system) Lstat(path string) (fs.FileInfo, error)     { return os.Lstat(path) }
func (system) Remove(path string) error                   { return os.Remove(path) }

func (system) Born(path string) (time.Time, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &st); err != nil {
		return time.Time{}, &fs.PathError{Op: "statx", Path: path, Err: err}
	}
	if st.Mask&unix.STATX_BTIME == 0 {
		return time.Time{}, nil
	}
	return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)), nil
}

func (system) Open(path string) (fs.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err // not f: a nil *os.File is no nil fs.File
	}
	return f, nil
}

func (system) Move(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// Some network file systems know no such rename. Nobody but us writes to
		// the quarantine folder, so looking first is good enough.
		if _, err = os.Lstat(to); err == nil {
			err = fs.ErrExist
		} else if errors.Is(err, fs.ErrNotExist) {
			err = unix.Rename(from, to)
		}
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return syncFolder(filepath.Dir(to))
}

func (d system) Write(path string, fill func(io.Writer) error) (err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	// The name is always the same, so that what a crash leaves is used up by the
	// next try.
	temporary := filepath.Join(folder, "."+filepath.Base(path)+".writing")
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(temporary))
		}
	}()
	w := bufio.NewWriterSize(f, 64<<10)
	if err := errors.Join(fill(w), w.Flush(), f.Sync()); err != nil {
		return err
	}
	if err := d.Move(temporary, path); err != nil {
		return err
	}
	return f.Close()
}

func (system) Free(path string) (int64, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return 0, err
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// An identity tells two states of a file apart.
type identity struct {
	inode   uint64
	size    int64
	time    int64 // nanoseconds, set by the writer
	changed int64 // nanoseconds, set by the file system alone
}

func identify(info fs.FileInfo) identity {
	id := identity{size: info.Size(), time: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.inode, id.changed = st.Ino, st.Ctim.Nano()
	}
	return id
}

// same reports whether a file was left alone: a new owner or mode is no change.
func (id identity) same(other identity) bool {
	id.changed, other.changed = 0, 0
	return id == other
}

// fingerprint is the identity as the ledger keeps it.
func (id identity) fingerprint() string {
	return fmt.Sprintf("%d:%d:%d:%d", id.inode, id.size, id.time, id.changed)
}

// shown makes a file name fit for the ledger, logs and terminals: bytes that are
// no UTF-8 (old systems write ISO 8859-1) and control characters become \xNN.
func shown(name string) string {
	if utf8.ValidString(name) && strings.IndexFunc(name, unicode.IsControl) < 0 {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) {
			for _, c := range []byte(name[:n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		} else {
			b.WriteString(name[:n])
		}
		name = name[n:]
	}
	return b.String()
}
