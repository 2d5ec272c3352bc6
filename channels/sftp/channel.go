package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"gateway301/channels"
)

// A Channel reaches one partner over SFTP. It implements channels.Channel.
type Channel struct {
	settings Settings
	keeper   *keeper
	slots    chan struct{} // one per call on the connection
}

var _ channels.Channel = (*Channel)(nil)

// New checks the settings and returns a channel that has not dialled yet. The
// error names everything that is wrong and wraps ErrSettings.
func New(s Settings) (*Channel, error) {
	s, err := s.checked()
	if err != nil {
		return nil, err
	}
	return &Channel{settings: s, keeper: newKeeper(), slots: make(chan struct{}, s.Parallel)}, nil
}

// Close ends the connection and the calls on it. Later calls fail with
// channels.ErrClosed.
func (c *Channel) Close() error {
	c.keeper.close()
	return nil
}

// Release lifts the bar that a failed login left: until then every call fails
// with that channels.ErrLogin and nothing is sent.
func (c *Channel) Release() { c.keeper.unbar() }

// List implements channels.Channel. A listing longer than Settings.MaxEntries
// fails with channels.ErrTooMany. The library below gives names their base name,
// so a name with a slash shows as what follows the slash.
func (c *Channel) List(ctx context.Context, side channels.Side) (files []channels.Entry, refused []channels.Refused, err error) {
	dir := c.settings.dir(side)
	err = c.call(ctx, func(ctx context.Context, l *line) error {
		infos, err := l.client.ReadDirContext(ctx, dir)
		if err != nil {
			return folderFault(err)
		}
		if len(infos) > c.settings.MaxEntries {
			return fmt.Errorf("%w: %d, at most %d", channels.ErrTooMany, len(infos), c.settings.MaxEntries)
		}
		files, refused = sift(infos)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list %s folder %q: %w", side, dir, err)
	}
	return files, refused, nil
}

// sift keeps the plain files with honest names, in name order.
func sift(infos []os.FileInfo) (files []channels.Entry, refused []channels.Refused) {
	slices.SortFunc(infos, func(a, b os.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	for i, info := range infos {
		twice := i > 0 && infos[i-1].Name() == info.Name()
		err := channels.CheckName(info.Name())
		switch {
		case !info.Mode().IsRegular():
		case err != nil:
			refused = append(refused, channels.Refused{Name: info.Name(), Err: err})
		case twice:
			err := fmt.Errorf("%w: %q is listed twice", channels.ErrName, info.Name())
			refused = append(refused, channels.Refused{Name: info.Name(), Err: err})
		default:
			files = append(files, *entry(info))
		}
	}
	return files, refused
}

func entry(info os.FileInfo) *channels.Entry {
	return &channels.Entry{Name: info.Name(), Size: info.Size(), ModTime: info.ModTime()}
}

// Look implements channels.Channel.
func (c *Channel) Look(ctx context.Context, name string) (channels.Sight, error) {
	var sight channels.Sight
	if err := c.settings.Temporary.Check(name); err != nil {
		return sight, err
	}
	err := c.call(ctx, func(ctx context.Context, l *line) error {
		final, temporary, err := c.look(ctx, l, name)
		if final != nil {
			sight.Final = entry(final)
		}
		if temporary != nil {
			sight.Temporary = entry(temporary)
		}
		return err
	})
	if err != nil {
		return channels.Sight{}, fmt.Errorf("look at %s: %w", name, err)
	}
	return sight, nil
}

// look finds what stands under the final and under the temporary name; nil is nothing.
func (c *Channel) look(ctx context.Context, l *line, name string) (final, temporary os.FileInfo, err error) {
	place, used := c.settings.temporary(name)
	if !used {
		final, err = find(ctx, l, c.settings.final(name))
		return final, nil, err
	}
	err = both(
		func() (err error) { final, err = find(ctx, l, c.settings.final(name)); return err },
		func() (err error) { temporary, err = find(ctx, l, place); return err })
	return final, temporary, err
}

// both sends two requests at the same time, for one round trip, and returns the
// first error in their order.
func both(a, b func() error) error {
	second := make(chan error, 1)
	go func() { second <- b() }()
	first := a()
	return earliest(first, <-second)
}

// earliest returns the first of two errors that is one.
func earliest(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// find returns what stands at a remote path, or nil. Servers that know no lstat
// are asked for a listing.
func find(ctx context.Context, l *line, remote string) (os.FileInfo, error) {
	info, err := l.client.Lstat(remote)
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case code(err) == uint32(sftp.ErrSSHFxOpUnsupported) || errors.Is(err, fs.ErrPermission):
		return findListed(ctx, l, remote)
	default:
		return nil, err
	}
}

func findListed(ctx context.Context, l *line, remote string) (os.FileInfo, error) {
	infos, err := l.client.ReadDirContext(ctx, path.Dir(remote))
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if info.Name() == path.Base(remote) {
			return info, nil
		}
	}
	return nil, nil
}

// Remove implements channels.Channel.
func (c *Channel) Remove(ctx context.Context, side channels.Side, name string) error {
	if err := channels.CheckName(name); err != nil {
		return fmt.Errorf("remove: %w: %w", channels.ErrRefused, err)
	}
	remote := path.Join(c.settings.dir(side), name)
	err := c.call(ctx, func(ctx context.Context, l *line) error {
		// The library removes an empty folder if removing a file fails.
		switch info, err := find(ctx, l, remote); {
		case err != nil:
			return err
		case info == nil:
			return fs.ErrNotExist
		case !info.Mode().IsRegular():
			return fmt.Errorf("%w: not a plain file", channels.ErrRefused)
		}
		return l.client.Remove(remote)
	})
	if err != nil {
		return fmt.Errorf("remove %s from %s folder: %w", name, side, err)
	}
	return nil
}

// call runs f on the line, and watches over it: the line is cut when f has heard
// nothing for too long, lasts too long, or does not come back after ctx ended.
// The error is classified.
func (c *Channel) call(ctx context.Context, f func(context.Context, *line) error) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l, err := c.keeper.get(ctx, &c.settings)
	if err != nil {
		return err
	}
	defer l.users.Add(-1)

	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(ctx, l, done)
	}()
	err = f(ctx, l)
	close(done)
	<-watched
	if lost(err) {
		l.cut(err) // so that the next call does not meet a line that is about to be found dead
	}
	return c.classify(ctx, l, err)
}

// watch cuts the line if the call on it may not go on.
func (c *Channel) watch(ctx context.Context, l *line, done <-chan struct{}) {
	limits := &c.settings.Timeouts
	start := time.Now()
	deadline := time.NewTimer(limits.Transfer)
	defer deadline.Stop()
	stall := time.NewTimer(limits.Stall)
	defer stall.Stop()
	for {
		select {
		case <-done:
			return
		case <-deadline.C:
			l.cut(fmt.Errorf("not finished after %v", limits.Transfer))
			return
		case <-stall.C:
			quiet := min(l.silence(), time.Since(start))
			if quiet >= limits.Stall {
				l.cut(fmt.Errorf("no answer for %v", limits.Stall))
				return
			}
			stall.Reset(limits.Stall - quiet)
		case <-ctx.Done():
			c.abort(ctx, l, done)
			return
		}
	}
}

// abort ends a call whose context has ended. Alone on the line, we cut it. Else
// the others get a moment: a call that feeds the line stops by itself, and one
// that waits for an answer mostly gets it.
func (c *Channel) abort(ctx context.Context, l *line, done <-chan struct{}) {
	if l.users.Load() > 1 {
		patience := time.NewTimer(c.settings.Timeouts.Abort)
		defer patience.Stop()
		select {
		case <-done:
			return
		case <-patience.C:
		}
	}
	select {
	case <-done:
	default:
		l.cut(ctx.Err())
	}
}

// A stopReader ends with the context, so that an upload stops between packets.
// It remembers if the source failed.
type stopReader struct {
	stop func() error // the context's Err
	r    io.Reader
	err  error // of the source, not io.EOF
}

func (s *stopReader) Read(p []byte) (int, error) {
	if err := s.stop(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = fmt.Errorf("%w: %w", channels.ErrLocal, err)
	}
	return n, err
}
