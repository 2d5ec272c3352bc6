package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/pkg/sftp"

	"gateway301/channels"
)

// A Channel reaches one partner over SFTP. It implements channels.Channel.
type Channel struct {
	settings Settings
	pool     *pool
	slots    chan struct{} // one per call
	reached  reached
}

var _ channels.Channel = (*Channel)(nil)

// New checks the settings and returns a channel that has not dialled yet. The
// error names everything that is wrong and wraps ErrSettings.
func New(s Settings) (*Channel, error) {
	s, err := s.checked()
	if err != nil {
		return nil, err
	}
	c := &Channel{settings: s, slots: make(chan struct{}, s.Parallel)}
	c.pool = newPool(&c.settings)
	return c, nil
}

// Close ends the connections and the calls on them. Later calls fail with
// channels.ErrClosed.
func (c *Channel) Close() error {
	c.pool.close()
	return nil
}

// Release lifts the bar that a failed login left: until then every call fails
// with that channels.ErrLogin and nothing is sent.
func (c *Channel) Release() { c.pool.unbar() }

func entry(info os.FileInfo) *channels.Entry {
	return &channels.Entry{Name: info.Name(), Size: info.Size(), ModTime: info.ModTime()}
}

// Look implements channels.Channel.
func (c *Channel) Look(ctx context.Context, name string) (channels.Sight, error) {
	var sight channels.Sight
	if err := c.settings.Temporary.Check(name); err != nil {
		return sight, err
	}
	if c.settings.Blind && ctx.Err() == nil {
		return sight, fmt.Errorf("look at %s: %w", name, errBlind())
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

// Remove implements channels.Channel.
func (c *Channel) Remove(ctx context.Context, side channels.Side, name string) error {
	if err := channels.CheckName(name); err != nil {
		return fmt.Errorf("remove: %w: %w", channels.ErrRefused, err)
	}
	remote := c.settings.remote(side, name)
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
	if err := enter(ctx, c.slots); err != nil {
		return err
	}
	defer func() { <-c.slots }()
	if overall := c.settings.Overall; overall != nil {
		if err := enter(ctx, overall.slots); err != nil {
			return err
		}
		defer func() { <-overall.slots }()
	}
	l, err := c.pool.get(ctx)
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

// enter takes one of the places of a limit.
func enter(ctx context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		if err := ctx.Err(); err != nil {
			<-slots
			return err
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
