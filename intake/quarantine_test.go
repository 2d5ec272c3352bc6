package intake

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gateway301/exchange"
)

func (b *bench) quarantined(name string) string {
	b.Helper()
	got, err := os.ReadFile(filepath.Join(b.box.Quarantine, name))
	b.try(err)
	return string(got)
}

func TestEmptyFile(t *testing.T) {
	b := newBench(t, nil)
	b.write("empty.edi", "")
	if n := b.look(3*patience - 1); n != 0 {
		t.Error("its writer had no time to begin")
	}
	if n := b.look(1); n != 1 {
		t.Errorf("%d taken", n)
	}
	b.want("empty.edi quarantined empty")
	b.left()
	if b.quarantined("empty.edi") != "" {
		t.Error("not empty")
	}
	reason := b.quarantined("empty.edi.reason.txt")
	for _, want := range []string{"Die Datei ist leer.", "the file is empty", "nord", b.ledger.all()[0].Intake} {
		if !strings.Contains(reason, want) {
			t.Errorf("%q is not in %s", want, reason)
		}
	}
	info, err := os.Stat(filepath.Join(b.box.Quarantine, "empty.edi.reason.txt"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if info, err = os.Stat(b.box.Quarantine); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info, err)
	}
	if d := b.ledger.all()[0]; !d.Due.IsZero() || d.Reason == "" {
		t.Errorf("%+v", d)
	}
}

func TestOversizeFile(t *testing.T) {
	b := newBench(t, func(o *Outbox) { o.MaxSize = int64(len(interchange)) })
	b.write("fits.edi", interchange)
	b.write("large.edi", interchange+"\n")
	if n := b.look(3); n != 2 {
		t.Errorf("%d taken", n)
	}
	b.want("fits.edi taken", "large.edi quarantined oversize")
	b.left()
	if b.quarantined("large.edi") != interchange+"\n" {
		t.Error("other bytes")
	}
	if r := b.quarantined("large.edi.reason.txt"); strings.Contains(r, "UNB") || !strings.Contains(r, fmt.Sprint(len(interchange))) {
		t.Error(r)
	}
}

// A sealed disk does not let one file be read.
type sealed struct {
	system
	path string
	err  error
	in   string // "open" or "read"
	left int    // how often; below zero: always
}

func (s *sealed) Open(path string) (fs.File, error) {
	if path != s.path || s.left == 0 {
		return s.system.Open(path)
	}
	s.left--
	if s.in == "open" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: s.err}
	}
	f, err := s.system.Open(path)
	return &torn{f, s.err}, err
}

// A torn file breaks when its content is read, though not at its end.
type torn struct {
	fs.File
	err error
}

func (t *torn) Read([]byte) (int, error) { return 0, t.err }

func (t *torn) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader([]byte(interchange)).ReadAt(p, at)
}

func TestUnreadableFile(t *testing.T) {
	for _, err := range []error{syscall.EACCES, syscall.EIO} {
		for _, in := range []string{"open", "read"} {
			t.Run(fmt.Sprint(in, " ", err), func(t *testing.T) {
				b := newBench(t, nil)
				b.in.disk = &sealed{path: b.path("bad.edi"), err: err, in: in, left: -1}
				b.write("bad.edi", interchange)
				b.write("good.edi", interchange)
				b.drain()
				b.want("good.edi taken", "bad.edi quarantined unreadable")
				b.left()
				if !strings.Contains(b.quarantined("bad.edi.reason.txt"), "nicht lesbar") {
					t.Error("no reason")
				}
				if b.quarantined("bad.edi") != interchange {
					t.Error("other bytes")
				}
			})
			t.Run(fmt.Sprint(in, " passing ", err), func(t *testing.T) {
				b := newBench(t, nil)
				b.in.disk = &sealed{path: b.path("bad.edi"), err: err, in: in, left: enough - 1}
				b.write("bad.edi", interchange)
				b.drain()
				b.want("bad.edi taken")
				b.left()
			})
		}
	}
}

func TestQuarantineNamesAreUnique(t *testing.T) {
	b := newBench(t, func(o *Outbox) { o.MaxSize = 10 })
	for n := range 3 {
		b.write("x.edi", fmt.Sprintf("0123456789 %d", n))
		b.drain()
	}
	for n, name := range []string{"x.edi", "x.edi.2", "x.edi.3"} {
		if got := b.quarantined(name); got != fmt.Sprintf("0123456789 %d", n) {
			t.Errorf("%s: %q", name, got)
		}
		if !strings.Contains(b.quarantined(name+".reason.txt"), fmt.Sprintf("delivery: %d ", n+1)) {
			t.Errorf("%s has the reason of another", name)
		}
	}
	// A file named like another's reason loses nothing either.
	b.write("y.edi.reason.txt", "the content of a hospital's file")
	b.drain()
	b.write("y.edi", "0123456789 y")
	b.drain()
	if b.quarantined("y.edi.reason.txt") != "the content of a hospital's file" || b.quarantined("y.edi.2") != "0123456789 y" {
		t.Error("replaced")
	}
	b.left()
}

// Between two file systems a file that cannot be read cannot be moved. It stays,
// with one row and one reason.
func TestUnreadableFileOnAnotherFileSystem(t *testing.T) {
	b := newBench(t, nil)
	disk := &apart{sealed{path: b.path("bad.edi"), err: syscall.EIO, in: "open", left: -1}}
	b.in.disk = disk
	b.write("bad.edi", interchange)
	faults := 0
	for range 100 {
		if _, _, err := b.scan(); err != nil {
			if !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			faults++
		}
	}
	if faults < 2 || faults > 100/patience {
		t.Errorf("%d tries", faults)
	}
	b.want("bad.edi quarantined unreadable")
	b.left("bad.edi")
	if names := entries(t, b.box.Quarantine); len(names) != 1 || names[0].Name() != "bad.edi.reason.txt" {
		t.Error(names)
	}
	b.restart() // and readable again
	b.in.disk = &apart{}
	b.drain()
	b.left()
	b.want("bad.edi quarantined unreadable")
	if b.quarantined("bad.edi") != interchange {
		t.Error("other bytes")
	}
}

// An apart disk has outbox and quarantine on different file systems.
type apart struct{ sealed }

func (a *apart) Move(from, to string) error {
	if filepath.Dir(from) != filepath.Dir(to) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EXDEV}
	}
	return a.sealed.Move(from, to)
}

// An operator who gives a quarantined file back makes it a new delivery.
func TestQuarantinedFileLaidDownAgain(t *testing.T) {
	b := newBench(t, func(o *Outbox) { o.MaxSize = 10 })
	b.write("x.edi", interchange)
	b.drain()
	b.box.MaxSize = 1 << 20
	b.restart()
	b.try(os.Rename(filepath.Join(b.box.Quarantine, "x.edi"), b.path("x.edi")))
	b.drain()
	b.want("x.edi quarantined oversize", "x.edi taken")
	if b.ledger.all()[0].State != exchange.Quarantined {
		t.Error("the first row moved")
	}
}
