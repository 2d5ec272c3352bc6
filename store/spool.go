package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// A Spool keeps the bytes of deliveries: one folder for each intake identity,
// in it parts such as "plain", "sealed" and "auf". A part appears under its
// name only when it is complete and synced, and is never written outside the
// spool's folder.
type Spool struct {
	root *os.Root
	path string
}

// OpenSpool opens the spool folder, creating it with mode 0700.
func OpenSpool(path string) (*Spool, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Spool{root, path}, nil
}

// Close lets go of the folder.
func (s *Spool) Close() error { return s.root.Close() }

// Put stores all of r as a part and returns its length in bytes and its SHA-256 in hex.
func (s *Spool) Put(ctx context.Context, token, part string, r io.Reader) (size int64, sha string, err error) {
	return s.Write(token, part, func(w io.Writer) error {
		_, err := io.Copy(w, &contextReader{ctx, r})
		return err
	})
}

// Write stores as a part what fill writes, and returns its length in bytes and
// its SHA-256 in hex. If fill fails, nothing stays.
func (s *Spool) Write(token, part string, fill func(io.Writer) error) (size int64, sha string, err error) {
	if err := s.folder(token); err != nil {
		return 0, "", err
	}
	final := filepath.Join(token, part)
	// A name of its own: a node that sleeps past its lease may write this part, too.
	temporary := final + "." + strconv.FormatUint(rand.Uint64(), 36) + ".tmp"
	f, err := s.root.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", err
	}
	defer func() {
		if err != nil {
			f.Close()
			err = errors.Join(err, ignoreAbsent(s.root.Remove(temporary)))
		}
	}()
	w := &counting{w: f, hash: sha256.New()}
	if err := fill(w); err != nil {
		return 0, "", err
	}
	if err := f.Sync(); err != nil {
		return 0, "", err
	}
	if err := f.Close(); err != nil {
		return 0, "", err
	}
	if err := s.root.Rename(temporary, final); err != nil {
		return 0, "", err
	}
	if err := s.sync(token); err != nil {
		return 0, "", err
	}
	return w.n, hex.EncodeToString(w.hash.Sum(nil)), nil
}

// folder makes sure that a token's folder exists and will survive a crash.
func (s *Spool) folder(token string) error {
	if !filepath.IsLocal(token) || filepath.Base(token) != token {
		return fmt.Errorf("spool: %q is no token", token)
	}
	switch err := s.root.Mkdir(token, 0o700); {
	case err == nil:
		return s.sync(".")
	case errors.Is(err, fs.ErrExist):
		return nil
	default:
		return err
	}
}

func (s *Spool) sync(dir string) error {
	f, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Open opens a part for reading. If it is not there, the error wraps [fs.ErrNotExist].
func (s *Spool) Open(token, part string) (*os.File, error) {
	return s.root.Open(filepath.Join(token, part))
}

// Has reports whether a part is there, complete.
func (s *Spool) Has(token, part string) bool {
	_, err := s.root.Stat(filepath.Join(token, part))
	return err == nil
}

// Path returns where a part is or will be, for code that writes files by itself.
// The token's folder exists afterwards.
func (s *Spool) Path(token, part string) (string, error) {
	return filepath.Join(s.path, token, part), s.folder(token)
}

// Drop removes one part, if it is there.
func (s *Spool) Drop(token, part string) error {
	return ignoreAbsent(s.root.Remove(filepath.Join(token, part)))
}

// Remove removes everything of a token.
func (s *Spool) Remove(token string) error {
	if err := s.root.RemoveAll(token); err != nil {
		return err
	}
	return s.sync(".")
}

// aside is the folder of tokens that no row knows.
const aside = "orphans"

// SetAside moves everything of a token into the folder "orphans" of the spool,
// where an operator may look at it; nothing removes it from there.
func (s *Spool) SetAside(token string) error {
	if err := s.folder(aside); err != nil {
		return err
	}
	if err := s.root.Rename(token, filepath.Join(aside, token)); err != nil {
		return err
	}
	return errors.Join(s.sync(aside), s.sync("."))
}

// Tokens lists all tokens, in name order, those set aside left out.
func (s *Spool) Tokens() ([]string, error) {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != aside {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// Free returns the bytes that may still be written to the spool's file system.
func (s *Spool) Free() (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.path, &st); err != nil {
		return 0, fmt.Errorf("spool %s: %w", s.path, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

type counting struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.hash.Write(p[:n])
	c.n += int64(n)
	return n, err
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
