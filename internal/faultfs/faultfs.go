package faultfs

import (
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"
)

// A Mode says how an operation fails.
type Mode int

// The modes.
const (
	Once  Mode = iota // the n-th does nothing and fails; the next ones work
	Late              // the n-th does its work and reports the fault all the same
	Crash             // the n-th and all after it do nothing and fail, as if the process had ended
	Power             // the n-th does its work, then as Crash
)

func (m Mode) String() string {
	switch m {
	case Once:
		return "once"
	case Late:
		return "late"
	case Crash:
		return "crash"
	case Power:
		return "power"
	}
	return fmt.Sprintf("mode %d", int(m))
}

// Faults counts operations and lets one fail.
type Faults struct {
	at   int
	mode Mode
	err  error

	mu     sync.Mutex
	n      int
	failed string
}

// New returns Faults that let operation number at, counted from 0, fail with err.
func New(at int, mode Mode, err error) *Faults { return &Faults{at: at, mode: mode, err: err} }

// Failed names the operation that failed first, as "read x.edi"; "" if none has yet.
func (f *Faults) Failed() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// Ops is the number of operations so far.
func (f *Faults) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// Do performs one operation, unless it is the one to fail.
func (f *Faults) Do(op, path string, do func() error) error {
	before, after := f.next(op, path)
	if before {
		return &fs.PathError{Op: op, Path: path, Err: f.err}
	}
	if err := do(); err != nil || !after {
		return err
	}
	return &fs.PathError{Op: op, Path: path, Err: f.err}
}

// next counts an operation and tells whether to fail before or after doing it.
func (f *Faults) next(op, path string) (before, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hit, later := f.n == f.at, f.n > f.at
	f.n++
	if hit {
		f.failed = op + " " + path
	}
	before = hit && (f.mode == Once || f.mode == Crash) || later && (f.mode == Crash || f.mode == Power)
	return before, hit && (f.mode == Late || f.mode == Power)
}

// A Disk is what can be wrapped; package intake's disk is one.
type Disk interface {
	ReadDir(path string) ([]fs.DirEntry, error)
	Lstat(path string) (fs.FileInfo, error)
	Born(path string) (time.Time, error)
	Open(path string) (fs.File, error)
	Remove(path string) error
	Move(from, to string) error
	Write(path string, fill func(io.Writer) error) error
	Free(path string) (int64, error)
}

// Disk wraps d.
func (f *Faults) Disk(d Disk) Disk { return &faultyDisk{f, d} }

type faultyDisk struct {
	f *Faults
	d Disk
}

// value performs an operation that returns something.
func value[T any](f *Faults, op, path string, do func(string) (T, error)) (v T, err error) {
	err = f.Do(op, path, func() (err error) {
		v, err = do(path)
		return err
	})
	if err != nil {
		var none T
		v = none
	}
	return v, err
}

func (d *faultyDisk) ReadDir(path string) ([]fs.DirEntry, error) {
	return value(d.f, "readdir", path, d.d.ReadDir)
}

func (d *faultyDisk) Lstat(path string) (fs.FileInfo, error) {
	return value(d.f, "lstat", path, d.d.Lstat)
}

func (d *faultyDisk) Born(path string) (time.Time, error) {
	return value(d.f, "statx", path, d.d.Born)
}

func (d *faultyDisk) Free(path string) (int64, error) {
	return value(d.f, "statfs", path, d.d.Free)
}

// Open closes a file that it may not hand out.
func (d *faultyDisk) Open(path string) (fs.File, error) {
	var file fs.File
	err := d.f.Do("open", path, func() (err error) {
		file, err = d.d.Open(path)
		return err
	})
	if err != nil {
		if file != nil {
			file.Close()
		}
		return nil, err
	}
	return &faultyFile{d.f, path, file}, nil
}

func (d *faultyDisk) Remove(path string) error {
	return d.f.Do("remove", path, func() error { return d.d.Remove(path) })
}

func (d *faultyDisk) Move(from, to string) error {
	return d.f.Do("rename", from, func() error { return d.d.Move(from, to) })
}

// Write fails, unless late, with half of the first bytes written, so that the
// wrapped disk must clean up.
func (d *faultyDisk) Write(path string, fill func(io.Writer) error) error {
	before, after := d.f.next("write", path)
	fault := &fs.PathError{Op: "write", Path: path, Err: d.f.err}
	if before {
		fill = (&half{fill, fault}).write
	}
	if err := d.d.Write(path, fill); err != nil || !after {
		return err
	}
	return fault
}

type half struct {
	fill  func(io.Writer) error
	fault error
}

func (h *half) write(w io.Writer) error {
	if err := h.fill(halfWriter{w, h.fault}); err != nil {
		return err
	}
	return h.fault // there was nothing to write
}

type halfWriter struct {
	w     io.Writer
	fault error
}

func (h halfWriter) Write(p []byte) (int, error) {
	n, err := h.w.Write(p[:len(p)/2])
	if err != nil {
		return n, err
	}
	return n, h.fault
}

type faultyFile struct {
	f    *Faults
	path string
	file fs.File
}

func (f *faultyFile) Close() error { return f.file.Close() }

func (f *faultyFile) Stat() (fs.FileInfo, error) {
	return value(f.f, "stat", f.path, func(string) (fs.FileInfo, error) { return f.file.Stat() })
}

func (f *faultyFile) Read(p []byte) (n int, err error) {
	return f.read(func() (int, error) { return f.file.Read(p) })
}

// ReadAt needs a wrapped file that is an io.ReaderAt.
func (f *faultyFile) ReadAt(p []byte, at int64) (n int, err error) {
	r, ok := f.file.(io.ReaderAt)
	if !ok {
		return 0, fmt.Errorf("%s: %T is no io.ReaderAt", f.path, f.file)
	}
	return f.read(func() (int, error) { return r.ReadAt(p, at) })
}

func (f *faultyFile) read(do func() (int, error)) (n int, err error) {
	err = f.f.Do("read", f.path, func() (err error) {
		n, err = do()
		return err
	})
	return n, err
}
