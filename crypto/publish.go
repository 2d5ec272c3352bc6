package crypto

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// unverified ends the names of files that nobody may read yet.
const unverified = ".unverified"

// Unverified reports whether name is that of a temporary file of Publish. If
// one is left over, the program was killed in the middle; it may be removed
// when nothing is being published in its folder.
func Unverified(name string) bool {
	return strings.HasPrefix(filepath.Base(name), ".") && strings.HasSuffix(name, unverified)
}

// Publish makes the file dst, mode 0600, of what fill writes. The content
// arrives under a temporary name in dst's folder (see Unverified); only when
// fill has returned without an error is it synced, renamed to dst, which it
// replaces, and the folder synced. On any fault the temporary file is erased
// and dst is as it was, unless syncing the folder was what went wrong.
func Publish(dst string, fill func(io.Writer) error) (err error) {
	root, err := os.OpenRoot(filepath.Dir(dst))
	if err != nil {
		return err
	}
	defer root.Close()
	name := filepath.Base(dst)
	temporary := "." + name + "." + rand.Text() + unverified
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if f != nil {
			f.Close()
		}
		if err != nil {
			if gone := root.Remove(temporary); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
	}()
	if err = fill(f); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	err, f = f.Close(), nil
	if err != nil {
		return err
	}
	if err = root.Rename(temporary, name); err != nil {
		return err
	}
	return syncFolder(root)
}

func syncFolder(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
