package faultfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// plain is a disk without care, enough to be wrapped.
type plain struct{}

func (plain) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }
func (plain) Lstat(path string) (fs.FileInfo, error)     { return os.Lstat(path) }
func (plain) Born(string) (time.Time, error)             { return time.Unix(1, 0), nil }
func (plain) Open(path string) (fs.File, error)          { return os.Open(path) }
func (plain) Remove(path string) error                   { return os.Remove(path) }
func (plain) Move(from, to string) error                 { return os.Rename(from, to) }
func (plain) Free(string) (int64, error)                 { return 1, nil }

func (plain) Write(path string, fill func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Close())
}

// walk does one of each and tells which went wrong.
func walk(d Disk, dir string) (broken []string) {
	try := func(name string, err error) {
		if err != nil && err != io.EOF {
			broken = append(broken, name)
			if !errors.Is(err, syscall.EIO) && !errors.Is(err, fs.ErrNotExist) {
				panic(err)
			}
		}
	}
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	try("write", d.Write(a, func(w io.Writer) error { _, err := w.Write([]byte("four")); return err }))
	_, err := d.ReadDir(dir)
	try("readdir", err)
	_, err = d.Lstat(a)
	try("lstat", err)
	_, err = d.Born(a)
	try("statx", err)
	_, err = d.Free(dir)
	try("statfs", err)
	f, err := d.Open(a)
	try("open", err)
	if err == nil {
		_, err = f.Stat()
		try("stat", err)
		_, err = f.Read(make([]byte, 2))
		try("read", err)
		_, err = f.(io.ReaderAt).ReadAt(make([]byte, 2), 1)
		try("readat", err)
		f.Close()
	}
	try("rename", d.Move(a, b))
	try("remove", d.Remove(b))
	return broken
}

func TestEveryOperationFailsInTurn(t *testing.T) {
	ops := []string{"write", "readdir", "lstat", "statx", "statfs", "open", "stat", "read", "readat", "rename", "remove"}
	for n, op := range ops {
		f := New(n, Once, syscall.EIO)
		got := walk(f.Disk(plain{}), t.TempDir())
		if f.Failed() == "" || len(got) == 0 || got[0] != op {
			t.Errorf("operation %d: %q failed, %q noticed; want %s", n, f.Failed(), got, op)
		}
	}
	f := New(len(ops), Once, syscall.EIO)
	if got := walk(f.Disk(plain{}), t.TempDir()); got != nil || f.Failed() != "" || f.Ops() != len(ops) {
		t.Errorf("behind the last operation: %q, %q, %d", got, f.Failed(), f.Ops())
	}
}

func TestModes(t *testing.T) {
	for mode, want := range map[Mode]string{
		Once:  "[write] done [0 2 3]",
		Late:  "[write] done [0 1 2 3]",
		Crash: "[write write write] done [0]",
		Power: "[write write write] done [0 1]",
	} {
		var failed []string
		var done []int
		f := New(1, mode, syscall.ENOSPC)
		for n := range 4 {
			if err := f.Do("write", "x", func() error { done = append(done, n); return nil }); errors.Is(err, syscall.ENOSPC) {
				failed = append(failed, "write")
			}
		}
		if got := fmt.Sprint(failed, " done ", done); got != want || f.Failed() != "write x" {
			t.Errorf("%v: %s, want %s", mode, got, want)
		}
	}
}

func TestHalfAWriteReachesTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	err := New(0, Once, syscall.ENOSPC).Disk(plain{}).Write(path, func(w io.Writer) error {
		_, err := w.Write([]byte("four"))
		return err
	})
	if got, _ := os.ReadFile(path); !errors.Is(err, syscall.ENOSPC) || string(got) != "fo" {
		t.Errorf("%q, %v", got, err)
	}
	if !slices.Equal(walk(New(99, Late, nil).Disk(plain{}), t.TempDir()), nil) {
		t.Error("a fault that is never reached was noticed")
	}
}
