package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"gateway301/exchange"
	"gateway301/internal/faultfs"
)

// A faultySpool and a faultyLedger count their steps among those of the disk, so
// that a fault, or the end of the process, can also come between them.
type faultySpool struct {
	*shelf
	f *faultfs.Faults
}

func (s *faultySpool) Put(ctx context.Context, token, part string, r io.Reader) (n int64, sum string, err error) {
	err = s.f.Do("put", part, func() error {
		n, sum, err = s.shelf.Put(ctx, token, part, r)
		return err
	})
	return n, sum, err
}

func (s *faultySpool) Remove(token string) error {
	return s.f.Do("drop", "plain", func() error { return s.shelf.Remove(token) })
}

func (s *faultySpool) Free() (n int64, err error) {
	err = s.f.Do("free", "", func() error {
		n, err = s.shelf.Free()
		return err
	})
	return n, err
}

type faultyLedger struct {
	*memory
	f *faultfs.Faults
}

func (l *faultyLedger) Take(ctx context.Context, d exchange.Delivery, by exchange.Happening, text string) (row exchange.Delivery, err error) {
	row = d
	err = l.f.Do("take", d.Name, func() error {
		row, err = l.memory.Take(ctx, d, by, text)
		return err
	})
	return row, err
}

func (l *faultyLedger) TakenFrom(ctx context.Context, account, fingerprint string) (row exchange.Delivery, err error) {
	err = l.f.Do("ask", fingerprint, func() error {
		row, err = l.memory.TakenFrom(ctx, account, fingerprint)
		return err
	})
	return row, err
}

func (l *faultyLedger) HasIntake(ctx context.Context, token string) (has bool, err error) {
	err = l.f.Do("has", token, func() error {
		has, err = l.memory.HasIntake(ctx, token)
		return err
	})
	return has, err
}

// breakAt lets operation n of disk, spool and ledger fail from now on.
func (b *bench) breakAt(f *faultfs.Faults) {
	b.Helper()
	in, err := New(b.box, &faultySpool{b.spool, f}, &faultyLedger{b.ledger, f}, zerolog.New(b.log))
	b.try(err)
	in.now = b.in.now
	in.disk = f.Disk(system{})
	b.in = in
}

// sweep removes the orphans of a crash, as the service does when it starts.
func (b *bench) sweep() {
	b.Helper()
	for _, token := range b.spool.tokens(b.T) {
		if has, _ := b.ledger.HasIntake(b.Context(), token); !has {
			b.try(b.spool.Remove(token))
		}
	}
}

// Every operation fails in turn, in every way: then nothing is lost, nothing is
// there twice, and nothing stays behind.
func TestEveryOperationFails(t *testing.T) {
	type scene struct {
		name   string
		change func(*Outbox)
		lay    func(*bench)
		disk   disk
		rows   []string
	}
	scenes := []scene{
		{"two files", nil, func(b *bench) {
			b.write("a.edi", interchange)
			b.write("b.edi", interchange+interchange)
		}, system{}, []string{"a.edi taken", "b.edi taken"}},
		{"marker", func(o *Outbox) { o.Marker = ".ok" }, func(b *bench) {
			b.write("a.edi", interchange)
			b.write("a.edi.ok", "")
		}, system{}, []string{"a.edi taken"}},
		{"empty", nil, func(b *bench) { b.write("a.edi", "") }, system{}, []string{"a.edi quarantined empty"}},
		{"oversize, quarantine on another file system", func(o *Outbox) { o.MaxSize = 20 }, func(b *bench) {
			b.write("a.edi", interchange)
		}, &apart{}, []string{"a.edi quarantined oversize"}},
	}
	faults := []error{syscall.EIO, syscall.ENOSPC, syscall.EACCES}
	modes := []faultfs.Mode{faultfs.Once, faultfs.Late, faultfs.Crash, faultfs.Power}
	runs := 0
	for _, s := range scenes {
		for _, mode := range modes {
			for n := 0; ; n++ {
				f := faultfs.New(n, mode, faults[n%len(faults)])
				b := newBench(t, func(o *Outbox) {
					o.Looks = 2
					if s.change != nil {
						s.change(o)
					}
				})
				s.lay(b)
				b.breakAt(f)
				b.in.disk = f.Disk(s.disk)
				for range 2*patience + 3 {
					b.scan() // faults are the point
				}
				if mode == faultfs.Crash || mode == faultfs.Power {
					b.restart()
					b.sweep()
				}
				b.in.disk = s.disk
				b.settle(fmt.Sprintf("%s, %v, operation %d (%s)", s.name, mode, n, f.Failed()), s.rows)
				runs++
				if f.Failed() == "" {
					break
				}
			}
		}
	}
	t.Logf("%d runs", runs)
	if runs < 200 {
		t.Errorf("only %d runs", runs)
	}
}

// settle lets things come to rest without further faults and audits the end.
func (b *bench) settle(what string, rows []string) {
	b.Helper()
	for range 2*patience + 5 {
		b.scan()
	}
	b.sweep() // what a failed removal left would go at the next start
	var got []string
	for _, d := range b.ledger.all() {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Name, d.State, d.Cause)))
	}
	slices.Sort(got)
	if !slices.Equal(got, rows) {
		b.Fatalf("%s: ledger %q, want %q\n%s", what, got, rows, b.log)
	}
	b.want(b.inOrder()...)
	if b.left(); b.Failed() {
		b.Fatal(what)
	}
	for _, d := range b.ledger.all() {
		if d.State != exchange.Quarantined {
			continue
		}
		file, err := os.ReadFile(b.box.Quarantine + "/" + d.Name)
		reason := b.quarantined(d.Name + reasonSuffix)
		if err != nil || int64(len(file)) != d.Size || !strings.Contains(reason, d.Intake) || len(entries(b.T, b.box.Quarantine)) != 2 {
			b.Fatalf("%s: quarantine has %d bytes, %v, %q", what, len(file), err, entries(b.T, b.box.Quarantine))
		}
	}
}

// inOrder are the rows as they stand.
func (b *bench) inOrder() (rows []string) {
	for _, d := range b.ledger.all() {
		rows = append(rows, strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Name, d.State, d.Cause)))
	}
	return rows
}

// A disk that comes back with another fault than "no such file" is no reason to
// forget what was taken from it.
func TestFaultsAreNamed(t *testing.T) {
	b := newBench(t, nil)
	b.write("a.edi", interchange)
	b.fail(faultfs.New(0, faultfs.Crash, syscall.EIO))
	_, _, err := b.scan()
	if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "outbox nord") {
		t.Error(err)
	}
	for n := range 30 { // more faults than one message can bear
		b.write(fmt.Sprintf("%02d.edi", n), interchange)
	}
	b.in.disk = system{}
	b.look(1)
	b.in.ledger = &faultyLedger{b.ledger, faultfs.New(0, faultfs.Crash, syscall.EIO)}
	b.look0(&err)
	if n := strings.Count(err.Error(), "\n"); n != 10 || !strings.HasSuffix(err.Error(), "and 21 more") {
		t.Errorf("%d lines: %v", n+1, err)
	}
}

// look0 looks twice, so that files are due, and keeps the fault.
func (b *bench) look0(err *error) {
	b.scan()
	_, _, *err = b.scan()
}
