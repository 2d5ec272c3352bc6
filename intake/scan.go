package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gateway301/exchange"
)

// An entry is what is known of one file in the outbox.
type entry struct {
	id      identity
	looks   int       // how often it was seen as it is, a pause apart
	counted time.Time // when the last of those looks was
	renamed bool      // had a temporary name before
	asked   bool      // the ledger was asked for its fingerprint
	unread  int       // how often in a row it could not be read
	told    bool      // that it waits for its marker

	row   *exchange.Delivery // the ledger has it as it is; only moving it away is left
	after *exchange.Delivery // an earlier content of it was taken
	rest  time.Time          // after a failure: not to be touched before
}

// An unready is a file that was seen under a temporary name.
type unready struct {
	id   identity
	born time.Time
	look int
}

// Scan looks at the outbox once and takes what is finished. It counts the files
// that it took or quarantined, and those whose turn may come at one of the next
// looks. A look counts for a file only if Every has passed since the one before,
// so Scan may be called as often as one likes.
//
// A fault of one file does not keep the others from being taken; all faults are
// joined. The error wraps [ErrDiskFloor] if the spool has no room.
func (i *Intake) Scan(ctx context.Context) (taken, pending int, err error) {
	names, markers, err := i.list()
	if err != nil {
		return 0, 0, fmt.Errorf("outbox %s: %w", i.box.Name, err)
	}
	var faults faults
	for _, name := range names {
		if ctx.Err() != nil {
			faults.add(ctx.Err())
			break
		}
		e, marked := i.seen[name], markers[name+i.box.Marker]
		done, err := i.step(ctx, name, e, marked)
		if err != nil {
			faults.add(fmt.Errorf("outbox %s: a file: %w", i.box.Name, err))
		}
		if done {
			taken++
		}
		if e = i.seen[name]; !done && e != nil && e.row == nil && (i.box.Marker == "" || marked) {
			pending++ // a later look may take it without anybody's doing
		}
	}
	return taken, pending, faults.join()
}

// faults collects what went wrong in one look: the first few, and of a full
// spool only the first, since every file meets it.
type faults struct {
	list []error
	full bool
	more int
}

func (f *faults) add(err error) {
	full := errors.Is(err, ErrDiskFloor)
	switch {
	case full && f.full:
	case len(f.list) == 10:
		f.more++
	default:
		f.list = append(f.list, err)
	}
	f.full = f.full || full
}

func (f *faults) join() error {
	if f.more > 0 {
		return errors.Join(append(f.list, fmt.Errorf("and %d more", f.more))...)
	}
	return errors.Join(f.list...)
}

// list reads the folder, brings what is known of its files up to date, and
// returns the names of regular files, the oldest first, and the markers that
// stand there.
func (i *Intake) list() (names []string, markers map[string]bool, err error) {
	entries, err := i.disk.ReadDir(i.box.Path)
	if err == nil {
		err = i.box.Right() // after the listing: what was listed lay there
	}
	if err != nil {
		return nil, nil, err
	}
	i.look++
	markers = map[string]bool{}
	infos := map[string]fs.FileInfo{}
	for _, d := range entries {
		name := d.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		info, err := i.disk.Lstat(i.path(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // gone since
		case err != nil:
			return nil, nil, err
		case !info.Mode().IsRegular():
			i.report(name, info.Mode())
		case i.temporary(name):
			if err := i.remember(name, identify(info)); err != nil {
				return nil, nil, err
			}
		case i.marker(name):
			markers[name] = true
		default:
			infos[name] = info
		}
	}
	for name, info := range infos {
		if err := i.update(name, identify(info)); err != nil {
			return nil, nil, err
		}
	}
	maps.DeleteFunc(i.seen, func(name string, _ *entry) bool { return infos[name] == nil })
	maps.DeleteFunc(i.cleared, func(_ int64, at time.Time) bool { return i.now().Sub(at) > clockGrain })
	maps.DeleteFunc(i.temps, func(_ uint64, t unready) bool { return t.look < i.look-patience })
	return slices.SortedFunc(maps.Keys(infos), func(a, b string) int {
		return cmp.Or(infos[a].ModTime().Compare(infos[b].ModTime()), cmp.Compare(a, b))
	}), markers, nil
}

func (i *Intake) path(name string) string { return filepath.Join(i.box.Path, name) }

// report tells once of something that is no regular file.
func (i *Intake) report(name string, m fs.FileMode) {
	what := "no regular file"
	switch {
	case m.IsDir():
		what = "a folder"
	case m&fs.ModeSymlink != 0:
		what = "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	}
	if i.strange[name] != what {
		i.strange[name] = what
		i.note(what + " in the outbox is never taken")
	}
}

// remember keeps a file with a temporary name in mind, so that it is known when
// it gets its final one.
func (i *Intake) remember(name string, id identity) error {
	if t, ok := i.temps[id.inode]; ok && t.id == id && t.look == i.look-1 {
		t.look = i.look
		i.temps[id.inode] = t
		return nil
	}
	born, err := i.disk.Born(i.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	i.temps[id.inode] = unready{id, born, i.look}
	return err
}

// update brings the entry of a file up to what a listing found.
func (i *Intake) update(name string, id identity) error {
	now := i.now()
	e := i.seen[name]
	switch {
	case e == nil || e.id.inode != id.inode:
		renamed, err := i.wasTemporary(name, id)
		if err != nil {
			return err
		}
		i.seen[name] = &entry{id: id, looks: 1, counted: now, renamed: renamed}
	case !e.id.same(id):
		i.seen[name] = &entry{id: id, looks: 1, counted: now, after: e.earlier()}
	default:
		e.asked = e.asked && e.id == id // a changed change time is another fingerprint
		e.id = id
		if now.Sub(e.counted) >= i.box.Every {
			e.looks++
			e.counted = now
		}
	}
	return nil
}

// earlier is the delivery that an older content of the file became, if any.
func (e *entry) earlier() *exchange.Delivery {
	if e.row != nil {
		return e.row
	}
	return e.after
}

// wasTemporary reports whether the file had a temporary name at an earlier look
// and has no longer. Inodes are used again, so it must also have been made at
// the same time; where the file system cannot tell, nothing else may have changed.
func (i *Intake) wasTemporary(name string, id identity) (bool, error) {
	t, ok := i.temps[id.inode]
	if !ok || t.look == i.look { // a second name of an unfinished file
		return false, nil
	}
	born, err := i.disk.Born(i.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return !born.IsZero() && born.Equal(t.born) || born.IsZero() && t.id.same(id), err
}

// step does with one file what is due, and reports whether that ended with a
// new row in the ledger.
func (i *Intake) step(ctx context.Context, name string, e *entry, marked bool) (done bool, err error) {
	if i.now().Before(e.rest) {
		return false, nil
	}
	if !e.asked && e.row == nil {
		if err := i.ask(ctx, name, e); err != nil {
			return false, i.unlessGone(name, e, err)
		}
	}
	if e.row != nil {
		return false, i.clear(ctx, name, e)
	}
	switch cause := i.judge(name, e, marked); cause {
	case notYet:
		return false, nil
	case exchange.NoCause:
		return i.take(ctx, name, e)
	default:
		return i.quarantine(ctx, name, e, cause)
	}
}

// notYet stands for a file that is not finished; it never leaves the package.
const notYet exchange.Cause = "not yet"

// judge tells whether a file is finished: notYet, why it must be quarantined, or
// NoCause when it may be taken.
func (i *Intake) judge(name string, e *entry, marked bool) exchange.Cause {
	quiet := e.looks >= i.box.Looks
	veryQuiet := e.looks >= patience*i.box.Looks
	if i.box.Marker != "" {
		if !marked && veryQuiet && !e.told {
			e.told = true
			i.note("a file waits for its marker, FILE" + i.box.Marker)
		}
		quiet, veryQuiet = marked, marked
	}
	sure := e.renamed || i.box.Marker != "" && marked
	switch {
	case !sure && !quiet:
		return notYet
	case i.box.MaxSize > 0 && e.id.size > i.box.MaxSize:
		return exchange.Oversize
	case e.id.size == 0 && (sure || veryQuiet):
		return exchange.Empty
	case sure:
		return exchange.NoCause
	}
	switch ends, err := i.complete(name, e); {
	case err != nil:
		return i.unreadable(name, e, err)
	case !ends && veryQuiet:
		return exchange.Unfinished
	case !ends:
		return notYet
	}
	return exchange.NoCause
}

// complete looks at the end of a file.
func (i *Intake) complete(name string, e *entry) (bool, error) {
	f, err := i.disk.Open(i.path(name))
	if err != nil {
		return false, err
	}
	defer f.Close()
	r, ok := f.(io.ReaderAt)
	if !ok {
		return false, errors.ErrUnsupported
	}
	return endsInUNZ(r, e.id.size)
}

// enough is how often in a row a file must be unreadable to be given up on: a
// passing fault must cost no file its delivery.
const enough = 3

// unreadable counts the failures to read a file, and turns the last one into a
// verdict. The tries are a pause apart.
func (i *Intake) unreadable(name string, e *entry, err error) exchange.Cause {
	if errors.Is(err, fs.ErrNotExist) {
		return notYet // gone since the listing
	}
	e.unread++
	if e.unread >= max(enough, i.box.Looks) {
		return exchange.Unreadable
	}
	e.rest = i.now().Add(i.box.Every)
	i.note("a file cannot be read, trying again: " + plainly(err))
	return notYet
}

// plainly is what went wrong without the path: names of files stay out of logs.
func plainly(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Op + ": " + e.Err.Error()
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Op + ": " + e.Err.Error()
	}
	return err.Error()
}
