package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/pkg/sftp"

	"gateway301/channels"
)

// Put implements channels.Channel.
func (c *Channel) Put(ctx context.Context, name string, r io.ReaderAt, size int64, o channels.PutOptions) (channels.Proof, error) {
	if err := c.settings.Temporary.Check(name); err != nil {
		return channels.Proof{}, fmt.Errorf("put: %w", err)
	}
	if size < 0 {
		return channels.Proof{}, fmt.Errorf("put %s: %w: size %d", name, channels.ErrRefused, size)
	}
	var proof channels.Proof
	err := c.call(ctx, func(ctx context.Context, l *line) (err error) {
		u := &upload{c: c, l: l, name: name, source: r, size: size, options: o}
		proof, err = u.run(ctx)
		return err
	})
	if err != nil {
		return channels.Proof{}, fmt.Errorf("put %s: %w", name, err)
	}
	return proof, nil
}

// An upload is one attempt of Put.
type upload struct {
	c       *Channel
	l       *line
	name    string
	source  io.ReaderAt
	size    int64
	options channels.PutOptions

	final, temporary string // remote paths

	from     int64 // the server has confirmed that much of the temporary file
	readBack bool  // the content at the partner was read and is ours
	exposed  bool  // the server may have made the final name appear: from here on a lost line means ErrUnknown
}

func (u *upload) run(ctx context.Context) (channels.Proof, error) {
	var staged bool
	u.final = u.c.settings.final(u.name)
	u.temporary, staged = u.c.settings.temporary(u.name)
	attempt := u.inPlace
	if staged {
		attempt = u.staged
	}
	proof, err := attempt(ctx)
	if err != nil && u.exposed && !known(err) && (lost(err) || u.l.isDead()) {
		return proof, fmt.Errorf("%w: %w", channels.ErrUnknown, err)
	}
	return proof, err
}

// staged uploads under the temporary name and renames.
func (u *upload) staged(ctx context.Context) (channels.Proof, error) {
	complete := false
	if !u.options.Ours {
		u.c.reached.set(u.name, 0) // what an earlier file of this name reached
	} else {
		delivered, found, err := u.resume(ctx)
		if err != nil || delivered {
			return u.alreadyThere(), err
		}
		complete = found
	}
	err := error(nil)
	if !complete {
		err = u.grow(ctx)
	}
	if err == nil {
		err = u.intend(ctx)
	}
	if err == nil {
		err = u.publish(ctx)
	}
	if err != nil {
		u.clear(ctx, u.temporary, err)
		return channels.Proof{}, err
	}
	return u.prove(ctx)
}

// resume looks what an earlier attempt left. A complete temporary file with our
// content is published as it is, and not written again: the server may still be
// about to carry out the rename of the attempt whose line broke, and would then
// show whatever the temporary name holds at that moment.
func (u *upload) resume(ctx context.Context) (delivered, complete bool, err error) {
	final, temporary, err := u.c.look(ctx, u.l, u.name)
	switch err = u.unlessTold(err); {
	case err != nil:
		return false, false, err
	case final != nil && (!final.Mode().IsRegular() || final.Size() != u.size):
		return false, false, fmt.Errorf("%w: %d bytes, ours has %d", channels.ErrExists, final.Size(), u.size)
	case final != nil && temporary != nil:
		return true, false, u.l.client.Remove(u.temporary)
	case final != nil:
		return true, false, nil
	case temporary == nil || temporary.Size() > u.size:
		return false, false, nil
	}
	if u.from, err = u.confirmed(ctx, temporary); err != nil || u.from > 0 || temporary.Size() < u.size {
		return false, false, err
	}
	complete, err = u.sameContent(ctx, u.temporary)
	if err == nil && !complete {
		err = u.l.client.Remove(u.temporary)
	}
	return false, complete, err
}

// A reached remembers how far uploads came whose line broke.
type reached struct {
	mu sync.Mutex
	to map[string]int64 // by final name: bytes from the start that the server has confirmed
}

func (r *reached) set(name string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to == nil {
		r.to = map[string]int64{}
	}
	if delete(r.to, name); n > 0 {
		r.to[name] = n
	}
}

func (r *reached) get(name string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to[name]
}

// worthResuming is the least confirmed length that is not sent again, in bytes.
const worthResuming = 1 << 20

// confirmed returns how much of the temporary file need not be sent again. Its
// length proves nothing: writes that overtake one another leave holes. What counts
// is the length up to which this process saw every write confirmed, and of that
// the last stretch is read back, since a server that lost its power lost that first.
func (u *upload) confirmed(ctx context.Context, temporary os.FileInfo) (int64, error) {
	n := u.c.reached.get(u.name)
	if n < worthResuming || n > temporary.Size() || !temporary.Mode().IsRegular() {
		return 0, nil
	}
	f, err := u.l.client.Open(u.temporary)
	if err != nil {
		return 0, unlessBlind(err)
	}
	defer f.Close()
	there, ours := make([]byte, worthResuming), make([]byte, worthResuming)
	if _, err := f.ReadAt(there, n-worthResuming); err != nil {
		return 0, unlessBlind(readFault(err))
	}
	if _, err := u.source.ReadAt(ours, n-worthResuming); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("%w: %w", channels.ErrLocal, err)
	}
	if !bytes.Equal(there, ours) {
		return 0, nil
	}
	return n, ctx.Err()
}

func (u *upload) alreadyThere() channels.Proof {
	return channels.Proof{
		Level: channels.Size,
		Text:  fmt.Sprintf("size %d proven at final name, left by an earlier attempt", u.size),
	}
}

// grow writes the temporary file and proves it.
func (u *upload) grow(ctx context.Context) error {
	var there os.FileInfo
	var f *sftp.File
	err := both(
		func() (err error) { there, err = find(ctx, u.l, u.final); return u.unlessTold(err) },
		func() (err error) {
			f, err = u.openTemporary(ctx)
			return folderFault(err)
		})
	if err == nil && there != nil {
		err = fmt.Errorf("%w: %d bytes", channels.ErrExists, there.Size())
	}
	if err != nil {
		if f != nil {
			f.Close()
		}
		return err
	}
	return u.fill(ctx, f, u.temporary)
}

// openTemporary opens the temporary file, empty or with what is confirmed of it.
func (u *upload) openTemporary(ctx context.Context) (*sftp.File, error) {
	if u.from > 0 {
		f, err := u.l.client.OpenFile(u.temporary, os.O_WRONLY)
		if err == nil || lineFault(err) {
			return f, err
		}
		u.from = 0 // it lets nobody go on with a file: from the start, then
	}
	const anew = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	f, err := u.l.client.OpenFile(u.temporary, anew)
	if err == nil || lineFault(err) {
		return f, err
	}
	// Some servers let no file be opened anew. What stands there is ours, by its name.
	if left, looked := find(ctx, u.l, u.temporary); looked != nil || left == nil || !left.Mode().IsRegular() {
		return nil, err
	}
	if removed := u.l.client.Remove(u.temporary); removed != nil {
		return nil, err
	}
	return u.l.client.OpenFile(u.temporary, anew)
}

// fill writes the content to an open file, from where it is confirmed, closes it,
// and proves it as far as the settings ask.
func (u *upload) fill(ctx context.Context, f *sftp.File, remote string) error {
	err := u.write(ctx, f)
	if err != nil {
		f.Close()
		return err
	}
	if _, offered := u.l.client.HasExtension("fsync@openssh.com"); offered && !u.c.settings.NoSync {
		if err := f.Sync(); err != nil {
			f.Close()
			return u.fullOr(err)
		}
	}
	if u.c.settings.Proof < channels.Size {
		return u.fullOr(f.Close())
	}
	// All writes are acknowledged, so the size is final before the close is.
	var info os.FileInfo
	err = both(f.Close, func() (err error) { info, err = find(ctx, u.l, remote); return unlessBlind(err) })
	switch {
	case err != nil:
		return u.fullOr(err)
	case info != nil && info.Size() != u.size:
		// A server that counts only closed files gets a second look.
		if info, err = find(ctx, u.l, remote); err != nil || info == nil {
			return err
		}
		if info.Size() != u.size {
			return fmt.Errorf("%w: %d bytes arrived of %d", channels.ErrSize, info.Size(), u.size)
		}
	}
	if u.c.settings.Proof < channels.Hash {
		return nil
	}
	u.readBack, err = u.sameContent(ctx, remote)
	if err == nil && !u.readBack {
		err = fmt.Errorf("%w: what was read back is not what was sent, or cannot be read", channels.ErrRefused)
	}
	return err
}

// unlessBlind forgives a server that lets nobody look: the proof will say so.
func unlessBlind(err error) error {
	if err == nil || lineFault(err) {
		return err
	}
	return nil
}

// unlessTold forgives the same before anything is written, if the settings say
// that nobody can look here. The server's own rule then keeps a file that stands
// there from being replaced: a plain rename, or an exclusive open.
func (u *upload) unlessTold(err error) error {
	if u.c.settings.Proof == channels.Acknowledged {
		return unlessBlind(err)
	}
	return err
}

// write sends the content with many packets in flight. ReadFrom would fall back
// to one at a time, without a word, for a reader that does not show its size.
func (u *upload) write(ctx context.Context, f *sftp.File) error {
	source := &stopReader{stop: ctx.Err, r: io.NewSectionReader(u.source, u.from, u.size-u.from)}
	if _, err := f.Seek(u.from, io.SeekStart); err != nil {
		return err
	}
	packets := (u.size-u.from)/int64(u.c.settings.MaxPacket) + 1
	n, err := f.ReadFromWithConcurrency(source, int(min(packets, inFlight)))
	switch {
	case source.err != nil:
		err = source.err
	case err != nil:
		u.note(f, err)
		return u.fullOr(err)
	case n != u.size-u.from:
		err = fmt.Errorf("%w: the source ended after %d of %d bytes", channels.ErrLocal, u.from+n, u.size)
	}
	u.c.reached.set(u.name, 0)
	return err
}

// note remembers how far a staged upload came whose line broke: after a failed
// write the file's offset is that of the first packet without an answer.
func (u *upload) note(f *sftp.File, err error) {
	if u.temporary == "" {
		return
	}
	n, _ := f.Seek(0, io.SeekCurrent)
	if !lineFault(err) && !errors.Is(err, context.Canceled) {
		n = 0
	}
	u.c.reached.set(u.name, n)
}

// fullOr looks for the cause of an SSH_FX_FAILURE, which is all that OpenSSH says
// about a full disk.
func (u *upload) fullOr(err error) error {
	if code(err) != uint32(sftp.ErrSSHFxFailure) {
		return err
	}
	if _, offered := u.l.client.HasExtension("statvfs@openssh.com"); !offered {
		return err
	}
	fs, statErr := u.l.client.StatVFS(u.c.settings.dir(channels.Outgoing))
	if statErr != nil || fs.Frsize*fs.Bavail >= uint64(inFlight*u.c.settings.MaxPacket) {
		return err
	}
	return fmt.Errorf("%w: %d bytes free: %w", channels.ErrFull, fs.Frsize*fs.Bavail, err)
}

// intend lets the caller record what is about to happen.
func (u *upload) intend(ctx context.Context) error {
	if u.options.BeforePublish == nil {
		return nil
	}
	if err := u.options.BeforePublish(); err != nil {
		return fmt.Errorf("%w: %w", errCaller, err)
	}
	return ctx.Err()
}

// publish renames the temporary file, and replaces nothing.
func (u *upload) publish(ctx context.Context) error {
	_, posix := u.l.client.HasExtension("posix-rename@openssh.com")
	if u.c.settings.Rename == RenamePosix {
		if !posix {
			return fmt.Errorf("%w: the server does not offer posix-rename@openssh.com", channels.ErrRefused)
		}
		return u.publishPosix(ctx)
	}
	u.exposed = true
	err := u.l.client.Rename(u.temporary, u.final)
	switch {
	case err == nil || lineFault(err):
		return err
	case code(err) == uint32(sftp.ErrSSHFxOpUnsupported) && posix:
		u.exposed = false
		return u.publishPosix(ctx)
	}
	return u.afterRefusal(ctx, err)
}

// publishPosix uses the rename that replaces, and therefore looks first.
func (u *upload) publishPosix(ctx context.Context) error {
	there, err := find(ctx, u.l, u.final)
	if err != nil {
		return err
	}
	if there != nil {
		return fmt.Errorf("%w: %d bytes", channels.ErrExists, there.Size())
	}
	u.exposed = true
	err = u.l.client.PosixRename(u.temporary, u.final)
	if err == nil || lineFault(err) {
		return err
	}
	return u.afterRefusal(ctx, err)
}

// afterRefusal looks why a rename was refused. Our own earlier rename may have
// been carried out late, between our look and now.
func (u *upload) afterRefusal(ctx context.Context, refusal error) error {
	final, temporary, err := u.c.look(ctx, u.l, u.name)
	if err != nil {
		if lineFault(err) {
			return err
		}
		u.exposed = false
		return refusal
	}
	u.exposed = false
	switch {
	case final == nil:
		return refusal
	case final.Size() == u.size && temporary == nil:
		return nil
	case final.Size() == u.size && u.options.Ours:
		return unlessBlind(u.l.client.Remove(u.temporary))
	}
	return fmt.Errorf("%w: %d bytes", channels.ErrExists, final.Size())
}

// prove looks at the final name, as far as the settings ask and the server lets us.
func (u *upload) prove(ctx context.Context) (channels.Proof, error) {
	acknowledged := func(why string) (channels.Proof, error) {
		return channels.Proof{Level: channels.Acknowledged, Text: fmt.Sprintf("%d bytes acknowledged%s", u.size, why)}, nil
	}
	look := find
	switch u.c.settings.Proof {
	case channels.Acknowledged:
		return acknowledged("")
	case channels.Listed:
		look = findListed
	}
	info, err := look(ctx, u.l, u.final)
	switch {
	case err != nil && (lineFault(err) || ctx.Err() != nil):
		return channels.Proof{}, err
	case err != nil:
		return acknowledged(fmt.Sprintf(", the partner lets nobody look: %v", err))
	case info == nil:
		if err := u.reallyGone(ctx); err != nil {
			return channels.Proof{}, err
		}
		return acknowledged(", the partner had taken the file before we looked")
	case info.Size() != u.size:
		return channels.Proof{}, fmt.Errorf("%w: %d bytes at the final name, %d sent", channels.ErrSize, info.Size(), u.size)
	}
	switch {
	case u.readBack:
		return channels.Proof{Level: channels.Hash, Text: fmt.Sprintf("content read back, size %d proven at final name", u.size)}, nil
	case u.c.settings.Proof == channels.Listed:
		return channels.Proof{Level: channels.Listed, Text: fmt.Sprintf("listed with size %d", u.size)}, nil
	}
	return channels.Proof{Level: channels.Size, Text: fmt.Sprintf("size %d proven at final name", u.size)}, nil
}

// reallyGone tells a partner that takes files at once from a server that
// confirms a rename and does not do it.
func (u *upload) reallyGone(ctx context.Context) error {
	if u.temporary == "" {
		return nil
	}
	left, err := find(ctx, u.l, u.temporary)
	if err == nil && left != nil {
		u.exposed = false
		u.clear(ctx, u.temporary, nil)
		return fmt.Errorf("%w: the rename was confirmed and not done", channels.ErrRefused)
	}
	return unlessBlind(err)
}

// inPlace uploads under the final name, for a partner that forbids renaming.
func (u *upload) inPlace(ctx context.Context) (channels.Proof, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	there, err := find(ctx, u.l, u.final)
	if err = u.unlessTold(err); err != nil {
		return channels.Proof{}, err
	}
	if there != nil {
		if !u.options.Ours || !there.Mode().IsRegular() || there.Size() > u.size {
			return channels.Proof{}, fmt.Errorf("%w: %d bytes", channels.ErrExists, there.Size())
		}
		// The right length alone proves nothing here: an upload that broke off can leave holes.
		if there.Size() == u.size {
			if u.readBack, err = u.sameContent(ctx, u.final); err != nil {
				return channels.Proof{}, err
			}
			if u.readBack {
				return u.prove(ctx)
			}
		}
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	if err := u.intend(ctx); err != nil {
		return channels.Proof{}, err
	}
	u.exposed = true
	f, err := u.l.client.OpenFile(u.final, flags)
	if err != nil {
		return channels.Proof{}, u.notOpened(ctx, err)
	}
	if err := u.fill(ctx, f, u.final); err != nil {
		u.clear(ctx, u.final, err)
		return channels.Proof{}, err
	}
	return u.prove(ctx)
}

// notOpened looks why the final name could not be created.
func (u *upload) notOpened(ctx context.Context, refusal error) error {
	if lineFault(refusal) {
		return refusal
	}
	u.exposed = false
	if there, err := find(ctx, u.l, u.final); err == nil && there != nil && !u.options.Ours {
		return fmt.Errorf("%w: %d bytes", channels.ErrExists, there.Size())
	}
	return folderFault(refusal)
}

// clear removes what a failed attempt left, if the line still allows it. What
// cannot be removed now is found and cleared by the next attempt.
func (u *upload) clear(ctx context.Context, remote string, why error) {
	if lost(why) || ctx.Err() != nil || u.l.isDead() {
		return
	}
	if err := u.l.client.Remove(remote); err == nil {
		u.exposed = false
	}
}

// sameContent reads a remote file back and compares it with the source. A file
// that the server does not let us read is not the same.
func (u *upload) sameContent(ctx context.Context, remote string) (bool, error) {
	w := &comparison{source: io.NewSectionReader(u.source, 0, u.size)}
	_, err := u.c.fetch(ctx, u.l, remote, w)
	switch {
	case w.fault != nil:
		return false, fmt.Errorf("%w: %w", channels.ErrLocal, w.fault)
	case w.differs || errors.Is(err, channels.ErrSize):
		return false, nil
	case err != nil && (lineFault(err) || ctx.Err() != nil):
		return false, err
	case err != nil:
		return false, nil
	}
	return w.n == u.size, nil
}

// A comparison is a writer that compares what it gets with a source.
type comparison struct {
	source  io.Reader
	buf     []byte
	n       int64
	differs bool
	fault   error // of the source
}

var errDiffers = errors.New("content differs")

func (c *comparison) Write(p []byte) (int, error) {
	if cap(c.buf) < len(p) {
		c.buf = make([]byte, len(p))
	}
	want := c.buf[:len(p)]
	n, err := io.ReadFull(c.source, want)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.fault = err
		return 0, err
	}
	if n < len(p) || !bytes.Equal(want, p) {
		c.differs = true
		return 0, errDiffers
	}
	c.n += int64(n)
	return n, nil
}
