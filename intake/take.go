package intake

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"gateway301/exchange"
)

// tokenTime is the layout of a token's first part, in UTC.
const tokenTime = "20060102T150405"

// NewToken makes a fresh intake identity, "20261122T031500-0123456789ab": the
// time in UTC and 48 random bits.
func NewToken(now time.Time) string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return now.UTC().Format(tokenTime) + "-" + hex.EncodeToString(b[:])
}

// take copies a finished file, records it and removes the original. done tells
// that the row stands, whatever became of the original.
func (i *Intake) take(ctx context.Context, name string, e *entry) (done bool, err error) {
	if err := i.room(e.id.size); err != nil {
		return false, err
	}
	d := i.delivery(name, e)
	switch d.Size, d.SHA256, err = i.store(ctx, d.Intake, name, e); {
	case err != nil:
		err = errors.Join(i.unlessGone(name, e, err), i.spool.Remove(d.Intake))
		if unread, ok := errors.AsType[*readError](err); ok && ctx.Err() == nil {
			if i.unreadable(name, e, unread.err) == exchange.Unreadable {
				return i.quarantine(ctx, name, e, exchange.Unreadable)
			}
			return false, nil
		}
		return false, err
	}
	if err := i.record(ctx, name, e, d, exchange.TookOver, i.story(e)); err != nil {
		return false, err
	}
	return true, i.clear(ctx, name, e)
}

// room tells whether the spool takes another size bytes above its floor.
func (i *Intake) room(size int64) error {
	free, err := i.spool.Free()
	if err != nil {
		return err
	}
	if free-size < i.box.Floor {
		return fmt.Errorf("%w: %d bytes free, %d needed and %d to stay free", ErrDiskFloor, free, size, i.box.Floor)
	}
	return nil
}

// delivery begins the row of a file.
func (i *Intake) delivery(name string, e *entry) exchange.Delivery {
	now := i.now()
	return exchange.Delivery{
		Intake: NewToken(now), Direction: exchange.Out, Kind: exchange.File,
		TakenAt: now, Due: now,
		Account: i.box.Name, Name: shown(name), Size: e.id.size, Mode: i.box.Mode,
		Fingerprint: e.id.fingerprint(),
		Owner:       i.box.Owner, Physical: i.box.Physical,
	}
}

// story is the text of the first event.
func (i *Intake) story(e *entry) string {
	text := "taken from outbox " + i.box.Name
	if e.after != nil {
		text += fmt.Sprintf("; the file changed after it was taken as delivery %d, which stands", e.after.ID)
	}
	return text
}

// errChanged says that a file did not stay what it was while it was copied.
var errChanged = errors.New("changed while it was copied")

// A readError tells faults of the outbox from those of the spool.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// store copies the file that e describes, and no other.
func (i *Intake) store(ctx context.Context, token, name string, e *entry) (size int64, sum string, err error) {
	f, err := i.open(name, e)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	size, sum, err = i.spool.Put(ctx, token, "plain", &source{f})
	if err != nil {
		return size, sum, err
	}
	still, err := i.still(name, e)
	if err == nil && (!still || size != e.id.size) {
		err = errChanged
	}
	return size, sum, err
}

// open opens the file that e describes; what stands under its name by now may
// be another one.
func (i *Intake) open(name string, e *entry) (fs.File, error) {
	f, err := i.disk.Open(i.path(name))
	if err != nil {
		return nil, &readError{err}
	}
	info, err := f.Stat()
	if err == nil && !identify(info).same(e.id) {
		err = errChanged
	} else if err != nil {
		err = &readError{err}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// A source marks the errors of a file that is read.
type source struct{ f fs.File }

func (s *source) Read(p []byte) (int, error) {
	n, err := s.f.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

// still reports whether the file that e describes stands untouched under its name.
func (i *Intake) still(name string, e *entry) (bool, error) {
	info, err := i.disk.Lstat(i.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, &readError{err}
	}
	return info.Mode().IsRegular() && identify(info).same(e.id), nil
}

// unlessGone passes on a fault, unless it only says that the writer of a file
// goes on, or took it back: then the file is watched anew.
func (i *Intake) unlessGone(name string, e *entry, err error) error {
	unread, ok := errors.AsType[*readError](err)
	if errors.Is(err, errChanged) || ok && errors.Is(unread, fs.ErrNotExist) {
		i.again(name, e)
		return nil
	}
	return err
}

// again forgets what was seen of a file, but for what was taken of it. The next
// listing finds it changed.
func (i *Intake) again(name string, e *entry) {
	i.seen[name] = &entry{id: identity{inode: e.id.inode}, after: e.earlier()}
}

// record writes the row. From here on an end of ctx no longer stops the work in
// hand: what is copied is recorded. If the ledger fails, the copy is removed
// unless the row may stand after all; then the next look asks.
func (i *Intake) record(ctx context.Context, name string, e *entry, d exchange.Delivery, by exchange.Happening, text string) error {
	ctx = context.WithoutCancel(ctx)
	row, err := i.ledger.Take(ctx, d, by, text)
	if err != nil {
		e.asked = false
		if has, unsure := i.ledger.HasIntake(ctx, d.Intake); unsure == nil && !has {
			err = errors.Join(err, i.spool.Remove(d.Intake))
		}
		return err
	}
	e.row = &row
	line := i.log.Info()
	if row.State == exchange.Quarantined {
		line = i.log.Warn()
	}
	line.Int64("delivery", row.ID).Str("state", string(row.State)).Int64("bytes", row.Size).Msg(text)
	i.wake()
	return nil
}

// ask looks whether the ledger has the file already: a crash may have come
// between its row and its removal.
func (i *Intake) ask(ctx context.Context, name string, e *entry) error {
	row, err := i.ledger.TakenFrom(ctx, i.box.Name, e.id.fingerprint())
	_, cleared := i.cleared[row.ID]
	if errors.Is(err, exchange.ErrNotFound) || err == nil && (cleared || row.Name != shown(name)) {
		e.asked = true
		return nil
	}
	if err != nil {
		return err
	}
	if row.State != exchange.Quarantined || row.SHA256 != "" {
		sum, err := i.hash(ctx, name, e)
		if err != nil {
			return err
		}
		if sum != row.SHA256 {
			e.asked = true
			e.after = &row
			return nil
		}
	}
	e.asked, e.row = true, &row
	return nil
}

func (i *Intake) hash(ctx context.Context, name string, e *entry) (string, error) {
	f, err := i.open(name, e)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, &cancellable{ctx, f}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// A cancellable reader ends with its context.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// clear moves the original of a row out of the way: taken ones are removed, with
// their marker, quarantined ones moved. If that fails, it is tried again after a
// longer pause.
func (i *Intake) clear(ctx context.Context, name string, e *entry) error {
	still, err := i.still(name, e)
	if err == nil && !still {
		i.again(name, e)
		return nil
	}
	if err == nil {
		err = i.clearOnce(ctx, name, e)
	}
	if err != nil {
		e.rest = i.now().Add(patience * i.box.Every)
		return err
	}
	i.cleared[e.row.ID] = i.now()
	delete(i.seen, name)
	return nil
}

// clockGrain is longer than any file system's clock stands still. Within it a
// file that is laid down again may look like the one that was just taken.
const clockGrain = 10 * time.Second

func (i *Intake) clearOnce(ctx context.Context, name string, e *entry) error {
	// The marker goes first. One that stays behind would vouch for the next file
	// of the same name while that is being written.
	if i.box.Marker != "" {
		if err := i.remove(name + i.box.Marker); err != nil {
			return err
		}
	}
	if e.row.State == exchange.Quarantined {
		return i.moveAway(ctx, name, e)
	}
	return i.remove(name)
}

func (i *Intake) remove(name string) error {
	if err := i.disk.Remove(i.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
