package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"gateway301/channels"
)

// Settings name the two folders. Both must exist whenever a call is made.
type Settings struct {
	OutDir string // folder we put into
	InDir  string // folder we fetch from

	Temporary channels.Temporary

	// Marker, if set, is the name of a file that must stand in both folders as a
	// sign that the right medium is mounted. It is left out of listings.
	Marker string

	// Share says that both folders must lie on a network mount, see [Network]. A
	// share that is not mounted is then told from an empty folder also when it was
	// never seen.
	Share bool

	// Stall is how long a call may go without progress, default 5 min. It then
	// fails with channels.ErrLine, or with channels.ErrUnknown while the final
	// name is about to appear.
	Stall time.Duration

	NoSync bool // leave it to the system when content reaches the disk
}

// ErrSettings reports settings that cannot work.
var ErrSettings = errors.New("folder settings")

// A Channel puts into one folder and fetches from another. It implements
// channels.Channel.
type Channel struct {
	settings Settings
	closed   atomic.Bool
	hanging  atomic.Int32 // calls that were left behind
	watches  [2]*Watch    // by side
}

var _ channels.Channel = (*Channel)(nil)

// New checks the settings; it does not look at the folders. Errors wrap
// ErrSettings.
func New(s Settings) (*Channel, error) {
	var wrong []error
	if s.OutDir == "" || s.InDir == "" {
		wrong = append(wrong, fmt.Errorf("%w: both folders must be named", ErrSettings))
	}
	if err := s.Temporary.Check("A"); err != nil {
		wrong = append(wrong, fmt.Errorf("%w: temporary name: %w", ErrSettings, err))
	}
	if s.Marker != "" {
		if err := channels.CheckName(s.Marker); err != nil {
			wrong = append(wrong, fmt.Errorf("%w: marker: %w", ErrSettings, err))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if s.Stall <= 0 {
		s.Stall = 5 * time.Minute
	}
	c := &Channel{settings: s}
	for side := range c.watches {
		c.watches[side] = &Watch{Share: s.Share, Marker: s.Marker}
	}
	return c, nil
}

// Close makes later calls fail with channels.ErrClosed.
func (c *Channel) Close() error {
	c.closed.Store(true)
	return nil
}

// open opens the folder of a side and makes sure that it is the right one. The
// error wraps channels.ErrLine: the medium may come back.
func (c *Channel) open(ctx context.Context, side channels.Side) (*os.Root, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.closed.Load() {
		return nil, channels.ErrClosed
	}
	dir := c.settings.OutDir
	if side == channels.Incoming {
		dir = c.settings.InDir
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %s folder: %w", channels.ErrLine, side, err)
	}
	if err := c.watches[side].check(root); err != nil {
		root.Close()
		return nil, fmt.Errorf("%w: %s folder %s: %w", channels.ErrLine, side, dir, err)
	}
	return root, nil
}

// List implements channels.Channel.
func (c *Channel) List(ctx context.Context, side channels.Side) ([]channels.Entry, []channels.Refused, error) {
	l, err := do(ctx, c, func(k *call) (listing, error) { return c.list(ctx, k, side) })
	if err != nil {
		return nil, nil, fmt.Errorf("list: %w", err)
	}
	return l.files, l.refused, nil
}

type listing struct {
	files   []channels.Entry
	refused []channels.Refused
}

func (c *Channel) list(ctx context.Context, k *call, side channels.Side) (l listing, err error) {
	root, err := c.open(ctx, side)
	if err != nil {
		return l, err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return l, place(err)
	}
	defer dir.Close()
	for {
		some, err := dir.ReadDir(1000)
		if err != nil && err != io.EOF {
			return l, place(err)
		}
		if err := errors.Join(ctx.Err(), k.left()); err != nil {
			return l, err
		}
		for _, d := range some {
			info, err := root.Lstat(d.Name())
			switch {
			case errors.Is(err, fs.ErrNotExist): // gone since
			case err != nil:
				return l, place(err)
			default:
				c.sift(info, &l)
				k.moved()
			}
		}
		if err == io.EOF {
			break
		}
	}
	slices.SortFunc(l.files, func(a, b channels.Entry) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(l.refused, func(a, b channels.Refused) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}

// sift keeps a plain file with an honest name.
func (c *Channel) sift(info os.FileInfo, l *listing) {
	if !info.Mode().IsRegular() || c.settings.Marker != "" && info.Name() == c.settings.Marker {
		return
	}
	if err := channels.CheckName(info.Name()); err != nil {
		l.refused = append(l.refused, channels.Refused{Name: info.Name(), Err: err})
		return
	}
	l.files = append(l.files, entry(info))
}

func entry(info os.FileInfo) channels.Entry {
	return channels.Entry{Name: info.Name(), Size: info.Size(), ModTime: info.ModTime()}
}

// Look implements channels.Channel.
func (c *Channel) Look(ctx context.Context, name string) (sight channels.Sight, err error) {
	if err := c.settings.Temporary.Check(name); err != nil {
		return sight, fmt.Errorf("look: %w", err)
	}
	sight, err = do(ctx, c, func(*call) (channels.Sight, error) { return c.look(ctx, name) })
	if err != nil {
		return channels.Sight{}, fmt.Errorf("look at %s: %w", name, err)
	}
	return sight, nil
}

func (c *Channel) look(ctx context.Context, name string) (sight channels.Sight, err error) {
	root, err := c.open(ctx, channels.Outgoing)
	if err != nil {
		return sight, err
	}
	defer root.Close()
	if sight.Final, err = find(root, name); err != nil {
		return sight, err
	}
	if temporary, used := c.settings.Temporary.Path(name); used {
		sight.Temporary, err = find(root, temporary)
	}
	return sight, err
}

// find returns what stands at a path below root, or nil.
func find(root *os.Root, path string) (*channels.Entry, error) {
	info, err := root.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, place(err)
	}
	e := entry(info)
	return &e, nil
}

// Get implements channels.Channel.
func (c *Channel) Get(ctx context.Context, side channels.Side, name string, w io.Writer) (int64, error) {
	if err := channels.CheckName(name); err != nil {
		return 0, fmt.Errorf("get: %w: %w", channels.ErrRefused, err)
	}
	n, err := do(ctx, c, func(k *call) (int64, error) {
		root, err := c.open(ctx, side)
		if err != nil {
			return 0, err
		}
		defer root.Close()
		return fetch(ctx, root, name, &sink{k: k, w: w})
	})
	if err != nil {
		return n, fmt.Errorf("get %s: %w", name, err)
	}
	return n, nil
}

func fetch(ctx context.Context, root *os.Root, name string, sink *sink) (int64, error) {
	if err := plain(root, name); err != nil {
		return 0, err
	}
	// A FIFO that takes the file's place must not hold us.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, place(err)
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return 0, place(err)
	}
	if !before.Mode().IsRegular() {
		return 0, fmt.Errorf("%w: not a plain file", channels.ErrRefused)
	}
	n, err := io.Copy(sink, &stopReader{stop: ctx.Err, r: f})
	switch {
	case sink.err != nil:
		return n, sink.err
	case err != nil:
		return n, place(err)
	case n != before.Size():
		return n, fmt.Errorf("%w: %d bytes read, %d at first", channels.ErrSize, n, before.Size())
	}
	after, err := f.Stat()
	if err != nil {
		return n, place(err)
	}
	if after.Size() != n || !after.ModTime().Equal(before.ModTime()) {
		return n, fmt.Errorf("%w: it was changed while it was read", channels.ErrSize)
	}
	return n, nil
}

// plain makes sure that a name is a plain file and no link.
func plain(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return place(err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: not a plain file", channels.ErrRefused)
	}
	return nil
}

// Remove implements channels.Channel.
func (c *Channel) Remove(ctx context.Context, side channels.Side, name string) error {
	if err := channels.CheckName(name); err != nil {
		return fmt.Errorf("remove: %w: %w", channels.ErrRefused, err)
	}
	_, err := do(ctx, c, func(k *call) (struct{}, error) {
		root, err := c.open(ctx, side)
		if err != nil {
			return struct{}{}, err
		}
		defer root.Close()
		err = plain(root, name)
		if err == nil {
			err = k.left() // what is seen late is not acted on
		}
		if err == nil {
			err = place(root.Remove(name))
		}
		if err == nil {
			err = c.syncDir(root, ".")
		}
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// syncDir makes what was created, renamed or removed in a folder durable.
func (c *Channel) syncDir(root *os.Root, path string) error {
	if c.settings.NoSync {
		return nil
	}
	dir, err := root.Open(path)
	if err != nil {
		return place(err)
	}
	defer dir.Close()
	// Some network file systems cannot sync a folder and say EINVAL.
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return place(err)
	}
	return nil
}

// place gives a system error its place among the errors of channels.
func place(err error) error {
	var sentinel error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		sentinel = channels.ErrFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENAMETOOLONG):
		sentinel = channels.ErrRefused
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ENOTCONN),
		errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.EHOSTDOWN), errors.Is(err, syscall.ENODEV):
		sentinel = channels.ErrLine // the medium behind the folder
	default:
		return err
	}
	return fmt.Errorf("%w: %w", sentinel, err)
}

// A stopReader ends when the context has ended.
type stopReader struct {
	stop func() error
	r    io.Reader
}

func (s *stopReader) Read(p []byte) (int, error) {
	if err := s.stop(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
