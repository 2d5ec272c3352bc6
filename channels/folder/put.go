package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"gateway301/channels"
)

// Put implements channels.Channel. The level it proves is channels.Size.
func (c *Channel) Put(ctx context.Context, name string, r io.ReaderAt, size int64, o channels.PutOptions) (channels.Proof, error) {
	if err := c.settings.Temporary.Check(name); err != nil {
		return channels.Proof{}, fmt.Errorf("put: %w", err)
	}
	if size < 0 {
		return channels.Proof{}, fmt.Errorf("put %s: %w: size %d", name, channels.ErrRefused, size)
	}
	proof, err := do(ctx, c, func(k *call) (channels.Proof, error) {
		root, err := c.open(ctx, channels.Outgoing)
		if err != nil {
			return channels.Proof{}, err
		}
		defer root.Close()
		d := &delivery{c: c, k: k, root: root, name: name, source: r, size: size, options: o}
		return d.run(ctx)
	})
	if err != nil {
		return channels.Proof{}, fmt.Errorf("put %s: %w", name, err)
	}
	return proof, nil
}

// A delivery is one attempt of Put.
type delivery struct {
	c       *Channel
	k       *call
	root    *os.Root
	name    string
	source  io.ReaderAt
	size    int64
	options channels.PutOptions
}

func (d *delivery) run(ctx context.Context) (channels.Proof, error) {
	temporary, staged := d.c.settings.Temporary.Path(d.name)
	if !staged {
		return d.inPlace(ctx)
	}
	there, err := d.root.Lstat(d.name)
	switch {
	case err == nil && !d.isOurs(there):
		return channels.Proof{}, fmt.Errorf("%w: %d bytes", channels.ErrExists, there.Size())
	case err == nil:
		return d.alreadyThere(temporary)
	case !errors.Is(err, fs.ErrNotExist):
		return channels.Proof{}, place(err)
	}
	err = d.clear(temporary) // a link or a file under another name's inode is not written through
	if err == nil {
		err = d.write(ctx, temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	}
	if err == nil {
		err = d.intend(ctx)
	}
	if err == nil {
		err = d.publish(temporary)
	}
	if err != nil {
		return channels.Proof{}, errors.Join(err, d.clear(temporary))
	}
	return d.prove()
}

func (d *delivery) isOurs(there os.FileInfo) bool {
	return d.options.Ours && there.Mode().IsRegular() && there.Size() == d.size
}

func (d *delivery) alreadyThere(temporary string) (channels.Proof, error) {
	if err := d.clear(temporary); err != nil {
		return channels.Proof{}, err
	}
	return channels.Proof{
		Level: channels.Size,
		Text:  fmt.Sprintf("size %d proven at final name, left by an earlier attempt", d.size),
	}, nil
}

// clear removes what stands at a path of ours, if anything does.
func (d *delivery) clear(path string) error {
	if err := d.root.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return place(err)
	}
	return nil
}

// write puts the content at a path, synced and of the right size.
func (d *delivery) write(ctx context.Context, path string, flags int) (err error) {
	f, err := d.root.OpenFile(path, flags, 0o600)
	if err != nil {
		return place(err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = place(closeErr)
		}
	}()
	if err := d.fill(ctx, f); err != nil {
		return err
	}
	if !d.c.settings.NoSync {
		if err := f.Sync(); err != nil {
			return place(err)
		}
	}
	info, err := f.Stat()
	if err != nil {
		return place(err)
	}
	if info.Size() != d.size {
		return fmt.Errorf("%w: %d bytes arrived of %d", channels.ErrSize, info.Size(), d.size)
	}
	return nil
}

// fill copies the source, and tells its faults from those of the folder.
func (d *delivery) fill(ctx context.Context, f *os.File) error {
	source := io.NewSectionReader(d.source, 0, d.size)
	buf := make([]byte, 256<<10)
	var total int64
	for {
		if err := errors.Join(ctx.Err(), d.k.left()); err != nil {
			return err
		}
		d.k.moved()
		n, err := io.ReadFull(source, buf)
		if n > 0 {
			if _, err := f.Write(buf[:n]); err != nil {
				return place(err)
			}
			total += int64(n)
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w: %w", channels.ErrLocal, err)
		case total != d.size:
			return fmt.Errorf("%w: the source ended after %d of %d bytes", channels.ErrLocal, total, d.size)
		default:
			return nil
		}
	}
}

// intend lets the caller record what is about to happen.
func (d *delivery) intend(ctx context.Context) error {
	if err := d.k.left(); err != nil {
		return err
	}
	if d.options.BeforePublish != nil {
		if err := d.options.BeforePublish(); err != nil {
			return fmt.Errorf("stopped before publication: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.k.publish()
}

// publish gives the temporary file its final name, durably, and replaces nothing.
func (d *delivery) publish(temporary string) error {
	err := channels.RenameNoReplace(d.root, temporary, d.name)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: it appeared meanwhile", channels.ErrExists)
	}
	if err = place(err); errors.Is(err, channels.ErrLine) {
		return fmt.Errorf("%w: %w", channels.ErrUnknown, err) // the answer to the rename was lost
	}
	if err != nil {
		return err
	}
	err = d.c.syncDir(d.root, ".")
	if folder := path.Dir(temporary); err == nil && folder != "." {
		err = d.c.syncDir(d.root, folder)
	}
	if err != nil {
		// The name is there, but nobody can say whether it outlasts a power cut.
		return fmt.Errorf("%w: %w", channels.ErrUnknown, err)
	}
	return nil
}

func (d *delivery) prove() (channels.Proof, error) {
	info, err := d.root.Lstat(d.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return channels.Proof{
			Level: channels.Acknowledged,
			Text:  fmt.Sprintf("%d bytes acknowledged, the partner had taken the file before we looked", d.size),
		}, nil
	case err != nil:
		return channels.Proof{}, fmt.Errorf("%w: %w", channels.ErrUnknown, err)
	case info.Size() != d.size:
		return channels.Proof{}, fmt.Errorf("%w: %d bytes at the final name, %d sent", channels.ErrSize, info.Size(), d.size)
	}
	return channels.Proof{Level: channels.Size, Text: fmt.Sprintf("size %d proven at final name", d.size)}, nil
}

// inPlace writes under the final name. What an earlier attempt of ours left there
// is written anew: its length proves nothing after a power cut.
func (d *delivery) inPlace(ctx context.Context) (channels.Proof, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	there, err := d.root.Lstat(d.name)
	switch {
	case err == nil && (!d.options.Ours || !there.Mode().IsRegular() || there.Size() > d.size):
		return channels.Proof{}, fmt.Errorf("%w: %d bytes", channels.ErrExists, there.Size())
	case err == nil:
		same, err := d.sameContent(ctx)
		if err != nil {
			return channels.Proof{}, err
		}
		if same {
			return channels.Proof{
				Level: channels.Hash,
				Text:  fmt.Sprintf("content of %d bytes read back, left by an earlier attempt", d.size),
			}, nil
		}
		flags = os.O_WRONLY | os.O_TRUNC
	case !errors.Is(err, fs.ErrNotExist):
		return channels.Proof{}, place(err)
	}
	if err := d.intend(ctx); err != nil {
		return channels.Proof{}, err
	}
	err = d.write(ctx, d.name, flags)
	if errors.Is(err, fs.ErrExist) {
		return channels.Proof{}, fmt.Errorf("%w: it appeared meanwhile", channels.ErrExists)
	}
	if err == nil {
		err = d.c.syncDir(d.root, ".")
	}
	if err != nil {
		return channels.Proof{}, errors.Join(err, d.clear(d.name))
	}
	return d.prove()
}

// sameContent compares the file at the final name with the source.
func (d *delivery) sameContent(ctx context.Context) (bool, error) {
	f, err := d.root.OpenFile(d.name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, place(err)
	}
	defer f.Close()
	source := io.NewSectionReader(d.source, 0, d.size)
	ours, theirs := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		if err := errors.Join(ctx.Err(), d.k.left()); err != nil {
			return false, err
		}
		d.k.moved()
		n, err := io.ReadFull(source, ours)
		m, err2 := io.ReadFull(f, theirs)
		ended, err := end(err)
		if err != nil {
			return false, fmt.Errorf("%w: %w", channels.ErrLocal, err)
		}
		if _, err2 = end(err2); err2 != nil {
			return false, place(err2)
		}
		if n != m || string(ours[:n]) != string(theirs[:m]) {
			return false, nil
		}
		if ended {
			return true, nil
		}
	}
}

// end takes the end of a file out of the errors of io.ReadFull.
func end(err error) (ended bool, fault error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true, nil
	}
	return false, err
}
