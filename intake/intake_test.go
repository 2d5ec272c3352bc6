package intake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"gateway301/channels/channeltest"
	"gateway301/exchange"
)

func TestTakesAFinishedFile(t *testing.T) {
	b := newBench(t, nil)
	b.write("rech.edi", interchange)
	if n := b.look(2); n != 0 {
		t.Errorf("%d taken before it was seen three times", n)
	}
	taken, pending, err := b.scan()
	if taken != 1 || pending != 0 || err != nil {
		t.Errorf("%d taken, %d pending, %v", taken, pending, err)
	}
	b.want("rech.edi taken")
	b.left()
	d := b.ledger.all()[0]
	if b.content(0) != interchange || d.Account != "nord" || d.Owner != "260500005" || d.Physical != "260500016" ||
		d.Mode != exchange.Test || d.Direction != exchange.Out || d.Kind != exchange.File ||
		!d.TakenAt.Equal(b.clock) || !d.Due.Equal(b.clock) || !strings.HasPrefix(d.Intake, "20261122T031503-") || len(d.Intake) != 28 {
		t.Errorf("%+v", d)
	}
}

func TestLooksMustBeAPauseApart(t *testing.T) {
	b := newBench(t, nil)
	b.write("rech.edi", interchange)
	b.look(1)
	for range 50 { // events wake us all the time
		if n, pending, err := b.in.Scan(t.Context()); n != 0 || pending != 1 || err != nil {
			t.Fatal(n, pending, err)
		}
	}
	if n := b.look(2); n != 1 {
		t.Errorf("%d taken", n)
	}
}

func TestHalfWrittenFileWaitsLonger(t *testing.T) {
	b := newBench(t, nil)
	b.write("half.edi", interchange[:len(interchange)-20])
	if n := b.look(3*patience - 1); n != 0 {
		t.Errorf("%d taken too early", n)
	}
	writer, err := os.OpenFile(b.path("half.edi"), os.O_APPEND|os.O_WRONLY, 0)
	b.try(err)
	defer writer.Close()
	if n := b.look(1); n != 1 {
		t.Errorf("%d taken", n)
	}
	b.want("half.edi quarantined unfinished")
	b.left()
	// Its writer wakes up after all: nothing of what it writes is lost.
	_, err = writer.WriteString(interchange[len(interchange)-20:])
	b.try(err)
	got, err := os.ReadFile(filepath.Join(b.in.box.Quarantine, "half.edi"))
	b.try(err)
	if string(got) != interchange {
		t.Errorf("quarantined: %q", got)
	}
}

func TestWriterThatPausesAndGoesOn(t *testing.T) {
	b := newBench(t, nil)
	f, err := os.Create(b.path("slow.edi"))
	b.try(err)
	defer f.Close()
	for _, part := range []string{interchange[:40], interchange[40:90], interchange[90:]} {
		if n := b.look(5); n != 0 {
			t.Fatal("taken in a pause")
		}
		_, err := f.WriteString(part)
		b.try(err)
	}
	if n := b.look(3); n != 1 || b.content(0) != interchange {
		t.Errorf("%d taken", n)
	}
	b.want("slow.edi taken")
}

func TestWriterThatGoesOnWhileWeCopy(t *testing.T) {
	b := newBench(t, nil)
	b.write("late.edi", interchange)
	b.spool.put = func() error {
		b.spool.put = nil
		b.write("late.edi", interchange+interchange)
		return nil
	}
	if n := b.look(3); n != 0 {
		t.Error("a copy of something that changed was taken")
	}
	b.want()
	b.left("late.edi")
	if n := b.look(3); n != 1 || b.content(0) != interchange+interchange {
		t.Errorf("%d taken", n)
	}
	b.want("late.edi taken")
}

func TestFileReplacedWhileWeCopy(t *testing.T) {
	b := newBench(t, nil)
	other := strings.Replace(interchange, "0", "1", 1)
	b.write("x.edi", interchange)
	info, err := os.Stat(b.path("x.edi"))
	b.try(err)
	b.spool.read = func() error { // same size, same time, another file
		b.spool.read = nil
		b.write("other", other)
		b.try(os.Chtimes(b.path("other"), info.ModTime(), info.ModTime()))
		return os.Rename(b.path("other"), b.path("x.edi"))
	}
	if n := b.look(3); n != 0 {
		t.Error("taken")
	}
	b.want()
	if n := b.look(3 * patience); n != 1 || b.content(0) != other {
		t.Errorf("%d taken", n)
	}
}

func TestFileThatChangesAfterItsRow(t *testing.T) {
	b := newBench(t, nil)
	b.write("x.edi", interchange)
	b.ledger.taken = func() error {
		b.ledger.taken = nil
		b.write("x.edi", interchange+interchange)
		return nil
	}
	if n := b.look(3); n != 1 {
		t.Errorf("%d taken", n)
	}
	b.want("x.edi taken")
	b.left("x.edi")
	if n := b.look(3); n != 1 {
		t.Errorf("%d taken", n)
	}
	b.want("x.edi taken", "x.edi taken")
	if b.content(0) != interchange || b.content(1) != interchange+interchange {
		t.Error("contents mixed up")
	}
	if !strings.Contains(b.ledger.texts[1], "changed after it was taken as delivery 1") {
		t.Error(b.ledger.texts[1])
	}
	b.left()
}

// The very same file, down to its inode and time, laid down twice is two
// deliveries: whoever did it may have meant it, and the ledger's duplicate
// check is not ours to anticipate.
func TestSameFileTwice(t *testing.T) {
	b := newBench(t, nil)
	archive := filepath.Join(filepath.Dir(b.box.Path), "archive.edi")
	b.try(os.WriteFile(archive, []byte(interchange), 0o600))
	for range 2 {
		b.try(os.Link(archive, b.path("x.edi")))
		b.drain()
		b.left()
	}
	b.want("x.edi taken", "x.edi taken")
}

func TestMarker(t *testing.T) {
	b := newBench(t, func(o *Outbox) { o.Marker = ".ok" })
	b.write("a.edi", "no EDIFACT at all") // the marker's word counts
	b.write("b.edi", interchange)
	b.write("gone.edi.ok", "")
	for range 100 {
		taken, pending, err := b.scan()
		if taken+pending != 0 || err != nil {
			t.Fatal(taken, pending, err)
		}
	}
	if n := strings.Count(b.log.String(), "a file waits for its marker, FILE.ok"); n != 2 { // once for each of the two
		t.Errorf("told %d times: %s", n, b.log)
	}
	b.write("a.edi.ok", "")
	if n := b.look(1); n != 1 {
		t.Errorf("%d taken", n)
	}
	b.want("a.edi taken")
	b.left("b.edi", "gone.edi.ok")
}

// Were the marker to outlive its file, it would vouch for the next one.
func TestMarkerGoesFirst(t *testing.T) {
	b := newBench(t, func(o *Outbox) { o.Marker = ".ok" })
	b.write("a.edi", interchange)
	b.write("a.edi.ok", "")
	b.in.disk = &stubborn{system{}, b.path("a.edi")}
	if taken, pending, err := b.scan(); taken != 1 || pending != 0 || !errors.Is(err, syscall.EACCES) {
		t.Error(taken, pending, err)
	}
	b.left("a.edi")
	b.restart()
	if n := b.look(1); n != 0 {
		t.Error("taken again")
	}
	b.left()
	b.want("a.edi taken")
}

// A stubborn disk does not remove one file.
type stubborn struct {
	system
	path string
}

func (s *stubborn) Remove(path string) error {
	if path == s.path {
		return &os.PathError{Op: "remove", Path: path, Err: syscall.EACCES}
	}
	return s.system.Remove(path)
}

func TestOriginalThatCannotBeRemoved(t *testing.T) {
	b := newBench(t, nil)
	b.write("a.edi", interchange)
	b.in.disk = &stubborn{system{}, b.path("a.edi")}
	b.look(2)
	faults := 0
	for range 2*patience + 1 {
		if _, _, err := b.scan(); err != nil {
			faults++
		}
	}
	if faults != 3 { // at once, and then after longer pauses
		t.Errorf("%d tries", faults)
	}
	b.in.disk = system{}
	b.drain()
	b.look(patience)
	b.want("a.edi taken")
	b.left()
}

func TestRenamedIn(t *testing.T) {
	b := newBench(t, nil)
	b.write("a.edi.part", interchange[:50])
	if taken, pending, err := b.scan(); taken+pending != 0 || err != nil {
		t.Error(taken, pending, err)
	}
	b.write("a.edi.part", "complete, since its writer says so")
	b.try(os.Rename(b.path("a.edi.part"), b.path("a.edi")))
	if n := b.look(1); n != 1 {
		t.Errorf("%d taken", n)
	}
	b.want("a.edi taken")
	b.left()
}

// clones has files that share an inode with one that had a temporary name, as
// file systems do that use inodes again at once.
type clones struct {
	system
	born time.Time
}

func (c *clones) Born(string) (time.Time, error) { return c.born, nil }

func TestInodeUsedAgainIsNoRename(t *testing.T) {
	for name, born := range map[string]time.Time{
		"file system tells birth": time.Unix(1_800_000_000, 0),
		"does not tell":           {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			disk := &clones{born: born}
			b.in.disk = disk
			b.write("a.part", interchange[:50])
			b.look(1)
			b.try(os.Rename(b.path("a.part"), b.path("b.edi"))) // stands for: removed, and b made with its inode
			if !born.IsZero() {
				disk.born = born.Add(time.Minute)
			}
			b.write("b.edi", interchange[:60])
			if n := b.look(3); n != 0 {
				t.Error("taken half written")
			}
		})
	}
}

func TestUnfinishedNamesArePassedOver(t *testing.T) {
	b := newBench(t, nil)
	for _, name := range []string{".hidden.edi", "a.tmp", "b.edi.part"} {
		b.write(name, interchange)
	}
	for range 40 {
		if taken, pending, err := b.scan(); taken+pending != 0 || err != nil {
			t.Fatal(taken, pending, err)
		}
	}
	b.want()
}

func TestWhatIsNoFileIsToldOnce(t *testing.T) {
	b := newBench(t, nil)
	b.try(os.Mkdir(b.path("folder"), 0o700))
	b.try(syscall.Mkfifo(b.path("pipe"), 0o600))
	outside := filepath.Join(t.TempDir(), "outside")
	b.try(os.WriteFile(outside, []byte(interchange), 0o600))
	b.try(os.Symlink(outside, b.path("link.edi")))
	for range 40 {
		if taken, pending, err := b.scan(); taken+pending != 0 || err != nil {
			t.Fatal(taken, pending, err)
		}
	}
	b.want()
	b.left("folder", "link.edi", "pipe")
	for _, what := range []string{"a folder", "a named pipe", "a symbolic link"} {
		if n := strings.Count(b.log.String(), what); n != 1 {
			t.Errorf("%s told %d times", what, n)
		}
	}
}

func TestNamesOfOldSystems(t *testing.T) {
	b := newBench(t, nil)
	b.write("M\xfcller\n.edi", interchange)
	b.drain()
	b.want(`M\xfcller\x0a.edi taken`)
	b.left()
}

func TestOtherFileSystem(t *testing.T) {
	b := newBench(t, func(o *Outbox) { o.Path = t.TempDir() })
	b.try(os.Mkdir(b.spool.dir, 0o700))
	if device(t, b.box.Path) == device(t, b.spool.dir) {
		channeltest.Missing(t, "/dev/shm and the temporary folder are no two file systems")
	}
	b.write("a.edi", interchange)
	b.write("big.edi", strings.Repeat(interchange, 10000))
	b.write("empty.edi", "")
	b.drain()
	b.left()
	b.want("a.edi taken", "big.edi quarantined oversize", "empty.edi quarantined empty")
	got, err := os.ReadFile(filepath.Join(b.box.Quarantine, "big.edi"))
	if err != nil || string(got) != strings.Repeat(interchange, 10000) {
		t.Errorf("%d bytes, %v", len(got), err)
	}

	// A quarantine folder without room leaves the file, and resumes.
	b.write("big.edi", strings.Repeat(interchange, 10000))
	free, err := system{}.Free(b.box.Quarantine)
	b.try(err)
	b.in.box.Floor = free * 2
	b.look(2)
	if _, _, err := b.scan(); !errors.Is(err, ErrDiskFloor) {
		t.Error(err)
	}
	b.left("big.edi")
	b.in.box.Floor = 0
	b.look(patience)
	b.left()
	b.want("a.edi taken", "big.edi quarantined oversize", "empty.edi quarantined empty", "big.edi quarantined oversize")
}

func device(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Dev
}

func TestSpoolRunsFull(t *testing.T) {
	b := newBench(t, nil)
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		channeltest.Missing(t, "a small tmpfs needs root: "+err.Error())
	}
	defer syscall.Unmount(small, syscall.MNT_DETACH)
	b.spool.dir = small
	b.write("big.edi", strings.Repeat(interchange, 4000)) // some 500 KB

	b.look(2)
	if _, pending, err := b.scan(); !errors.Is(err, ErrDiskFloor) || pending != 1 {
		t.Error(pending, err)
	}
	b.want()
	b.spool.free.Store(1 << 30) // somebody else fills the disk while we write
	if _, pending, err := b.scan(); !errors.Is(err, syscall.ENOSPC) || pending != 1 {
		t.Error(pending, err)
	}
	b.want()
	b.left("big.edi")

	b.try(syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=4m"))
	b.drain()
	b.want("big.edi taken")
	b.left()
}

func TestDiskFloor(t *testing.T) {
	b := newBench(t, func(o *Outbox) { o.Floor = 1000 })
	b.spool.free.Store(1000 + int64(len(interchange)) - 1)
	for n := range 300 {
		b.write(fmt.Sprintf("%04d.edi", n), interchange)
	}
	b.write("tiny.edi", "UNZ+0+1'")
	b.look(2)
	taken, pending, err := b.scan()
	if taken != 1 || pending != 300 || !errors.Is(err, ErrDiskFloor) || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("%d taken, %d pending, %.200v", taken, pending, err)
	}
	b.want("tiny.edi taken")
	b.spool.free.Store(1 << 30)
	if n := b.look(1); n != 300 {
		t.Errorf("%d taken", n)
	}
	b.left()
}

func TestTwoThousandFiles(t *testing.T) {
	b := newBench(t, nil)
	var want []string
	for n := range 2000 {
		name := fmt.Sprintf("%04d.edi", n)
		b.write(name, interchange)
		b.try(os.Chtimes(b.path(name), b.clock, b.clock.Add(time.Duration(-n)*time.Second)))
		want = append(want, fmt.Sprintf("%04d.edi taken", 1999-n)) // the oldest first
	}
	if n := b.look(3); n != 2000 {
		t.Errorf("%d taken", n)
	}
	b.want(want...)
	b.left()
}

func TestFolderThatVanishes(t *testing.T) {
	b := newBench(t, nil)
	b.write("a.edi", interchange)
	b.look(1)
	aside := b.box.Path + ".aside"
	b.try(os.Rename(b.box.Path, aside))
	if _, _, err := b.scan(); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "nord") {
		t.Error(err)
	}
	b.try(os.Rename(aside, b.box.Path))
	b.drain()
	b.want("a.edi taken")
}

func TestFileTakenBackByItsWriter(t *testing.T) {
	b := newBench(t, nil)
	b.write("a.edi", interchange)
	b.look(2)
	b.in.disk = &disappearing{path: b.path("a.edi")}
	if taken, _, err := b.scan(); taken != 0 || err != nil {
		t.Error(taken, err)
	}
	b.drain()
	b.want()
	b.left()
}

// A disappearing disk loses a file right after it was listed.
type disappearing struct {
	system
	path string
	seen bool
}

func (d *disappearing) Lstat(path string) (os.FileInfo, error) {
	info, err := d.system.Lstat(path)
	if path == d.path && !d.seen && err == nil {
		d.seen = true
		err = os.Remove(path)
	}
	return info, err
}

func TestLedgerFails(t *testing.T) {
	fault := errors.New("the ledger is gone")
	for name, c := range map[string]struct {
		breakAt func(*memory)
		spool   int // tokens left
	}{
		"before the commit":            {func(m *memory) { m.take = func() error { return fault } }, 0},
		"after the commit":             {func(m *memory) { m.taken = func() error { return fault } }, 1},
		"after it, and nobody can say": {func(m *memory) { m.taken = func() error { return fault }; m.doubt = fault }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			c.breakAt(b.ledger)
			b.write("a.edi", interchange)
			b.look(2)
			if taken, _, err := b.scan(); taken != 0 || !errors.Is(err, fault) {
				t.Error(taken, err)
			}
			if n := len(b.spool.tokens(t)); n != c.spool {
				t.Errorf("%d in the spool", n)
			}
			b.left("a.edi")
			b.ledger.take, b.ledger.taken, b.ledger.doubt = nil, nil, nil
			b.drain()
			b.want("a.edi taken")
			b.left()
		})
	}
}

// The ledger's row fits the original by everything but its content.
func TestFingerprintAloneIsNotBelieved(t *testing.T) {
	b := newBench(t, nil)
	b.write("a.edi", interchange)
	info, err := os.Lstat(b.path("a.edi"))
	b.try(err)
	b.ledger.rows = []exchange.Delivery{{ID: 1, State: exchange.Rejected, Account: "nord", Name: "a.edi",
		Fingerprint: identify(info).fingerprint(), SHA256: "other", Intake: "t"}}
	b.ledger.texts = []string{""}
	b.drain()
	b.want("a.edi rejected", "a.edi taken")
	b.left()
}

func TestStopInTheMiddleOfACopy(t *testing.T) {
	b := newBench(t, nil)
	b.write("a.edi", interchange)
	b.look(2)
	ctx, cancel := context.WithCancel(t.Context())
	b.spool.read = func() error { cancel(); return nil }
	b.clock = b.clock.Add(b.box.Every)
	if taken, _, err := b.in.Scan(ctx); taken != 0 || !errors.Is(err, context.Canceled) {
		t.Error(taken, err)
	}
	b.want()
	b.left("a.edi")

	b.spool.read = nil // a copy that is complete is still recorded
	ctx, cancel = context.WithCancel(t.Context())
	b.spool.put = func() error { cancel(); return nil }
	if taken, _, err := b.in.Scan(ctx); taken != 1 || err != nil {
		t.Error(taken, err)
	}
	b.want("a.edi taken")
	b.left()
}

func TestNewRefusesNonsense(t *testing.T) {
	dir := t.TempDir()
	for name, o := range map[string]Outbox{
		"no name":        {Path: dir, Quarantine: dir + "/q"},
		"no quarantine":  {Name: "x", Path: dir},
		"own quarantine": {Name: "x", Path: dir, Quarantine: dir + "/"},
	} {
		if _, err := New(o, nil, nil, zerolog.Nop()); !errors.Is(err, ErrOutbox) {
			t.Errorf("%s: %v", name, err)
		}
	}
	in, err := New(Outbox{Name: "x", Path: dir + "/new", Quarantine: dir + "/q"}, nil, nil, zerolog.Nop())
	if err != nil || in.Every() != 2*time.Second || in.box.Looks != 3 {
		t.Error(in, err)
	}
	if info, err := os.Stat(dir + "/new"); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info, err)
	}
}

// Without any event, by the clock alone.
func TestRunByTheClock(t *testing.T) {
	b := newBench(t, nil)
	b.write("a.edi", interchange)
	synctest.Test(t, func(t *testing.T) {
		b.in.now, b.in.quiet = time.Now, true
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		err := b.in.Run(ctx, cancel)
		if passed := time.Since(start); !errors.Is(err, context.Canceled) || passed != 2*b.box.Every {
			t.Errorf("%v after %v", err, passed)
		}
	})
	b.want("a.edi taken")
}

// A fault is logged once, and Run goes on by itself when it is over.
func TestRunOutlastsFaults(t *testing.T) {
	b := newBench(t, func(o *Outbox) { o.Floor = 1000 })
	b.write("a.edi", interchange)
	b.spool.free.Store(10)
	synctest.Test(t, func(t *testing.T) {
		b.in.now, b.in.quiet = time.Now, true
		time.AfterFunc(time.Hour+time.Millisecond, func() { b.spool.free.Store(1 << 30) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+2*b.box.Every)
		defer cancel()
		if err := b.in.Run(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	b.want("a.edi taken")
	if n := strings.Count(b.log.String(), ErrDiskFloor.Error()); n != 1 {
		t.Errorf("told %d times", n)
	}
	if n := strings.Count(b.log.String(), "taken from again"); n != 1 {
		t.Errorf("healed %d times", n)
	}
}

// An event wakes us long before the next look.
func TestRunByEvents(t *testing.T) {
	b := newBench(t, func(o *Outbox) { o.Every = time.Hour })
	b.in.now = time.Now
	seen := &watching{path: b.path("a.part"), seen: make(chan struct{})}
	b.in.disk = seen
	b.write("a.part", interchange)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.in.Run(ctx, cancel) }()
	<-seen.seen
	b.try(os.Rename(b.path("a.part"), b.path("a.edi")))
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	b.want("a.edi taken")
}

// A watching disk tells when a file with a temporary name was noticed.
type watching struct {
	system
	path string
	seen chan struct{}
	told bool
}

func (w *watching) Born(path string) (time.Time, error) {
	born, err := w.system.Born(path)
	if path == w.path && !w.told {
		w.told = true
		close(w.seen)
	}
	return born, err
}

// What an unmounted share leaves behind is no empty outbox: the look fails, and
// what was known of the files is not forgotten.
func TestAnotherFolderIsAFault(t *testing.T) {
	gone := errors.New("it lies on no network mount")
	var wrong error
	b := newBench(t, func(o *Outbox) { o.Right = func() error { return wrong } })
	b.write("a.edi", interchange)
	b.look(2)
	hidden := b.box.Path + ".share"
	b.try(os.Rename(b.box.Path, hidden))
	b.try(os.Mkdir(b.box.Path, 0o700))
	wrong = gone
	for range 3 {
		if _, _, err := b.scan(); !errors.Is(err, gone) {
			t.Fatalf("Scan = %v, want the reason", err)
		}
	}
	b.try(os.Remove(b.box.Path))
	b.try(os.Rename(hidden, b.box.Path))
	wrong = nil
	if n := b.look(1); n != 1 {
		t.Errorf("%d files taken at the third look, want 1", n)
	}
}
