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
	"sync"
	"sync/atomic"
	"syscall"

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

	NoSync bool // leave it to the system when content reaches the disk
}

// ErrSettings reports settings that cannot work.
var ErrSettings = errors.New("folder settings")

// A Channel puts into one folder and fetches from another. It implements
// channels.Channel.
type Channel struct {
	settings Settings
	closed   atomic.Bool

	mu    sync.Mutex
	first map[string]os.FileInfo // the folder as it was when first opened
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
	return &Channel{settings: s, first: map[string]os.FileInfo{}}, nil
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
	if err := c.recognise(root, dir); err != nil {
		root.Close()
		return nil, fmt.Errorf("%w: %s folder %s: %w", channels.ErrLine, side, dir, err)
	}
	return root, nil
}

var errAnotherFolder = errors.New("another folder stands here than at first: is the share mounted?")

func (c *Channel) recognise(root *os.Root, dir string) error {
	if c.settings.Marker != "" {
		if _, err := root.Lstat(c.settings.Marker); err != nil {
			return fmt.Errorf("marker file: %w", err)
		}
		return nil
	}
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first, ok := c.first[dir]; ok && !os.SameFile(first, info) {
		return errAnotherFolder
	}
	c.first[dir] = info
	return nil
}

// List implements channels.Channel.
func (c *Channel) List(ctx context.Context, side channels.Side) ([]channels.Entry, []channels.Refused, error) {
	root, err := c.open(ctx, side)
	if err != nil {
		return nil, nil, fmt.Errorf("list: %w", err)
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return nil, nil, fmt.Errorf("list: %w", place(err))
	}
	defer dir.Close()
	var files []channels.Entry
	var refused []channels.Refused
	for {
		some, err := dir.ReadDir(1000)
		if err != nil && err != io.EOF {
			return nil, nil, fmt.Errorf("list: %w", place(err))
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		for _, d := range some {
			info, err := root.Lstat(d.Name())
			switch {
			case errors.Is(err, fs.ErrNotExist): // gone since
			case err != nil:
				return nil, nil, fmt.Errorf("list: %w", place(err))
			default:
				files, refused = c.sift(info, files, refused)
			}
		}
		if err == io.EOF {
			break
		}
	}
	slices.SortFunc(files, func(a, b channels.Entry) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(refused, func(a, b channels.Refused) int { return strings.Compare(a.Name, b.Name) })
	return files, refused, nil
}

// sift keeps a plain file with an honest name.
func (c *Channel) sift(info os.FileInfo, files []channels.Entry, refused []channels.Refused) ([]channels.Entry, []channels.Refused) {
	if !info.Mode().IsRegular() || c.settings.Marker != "" && info.Name() == c.settings.Marker {
		return files, refused
	}
	if err := channels.CheckName(info.Name()); err != nil {
		return files, append(refused, channels.Refused{Name: info.Name(), Err: err})
	}
	return append(files, entry(info)), refused
}

func entry(info os.FileInfo) channels.Entry {
	return channels.Entry{Name: info.Name(), Size: info.Size(), ModTime: info.ModTime()}
}

// Look implements channels.Channel.
func (c *Channel) Look(ctx context.Context, name string) (sight channels.Sight, err error) {
	if err := c.settings.Temporary.Check(name); err != nil {
		return sight, fmt.Errorf("look: %w", err)
	}
	root, err := c.open(ctx, channels.Outgoing)
	if err != nil {
		return sight, fmt.Errorf("look at %s: %w", name, err)
	}
	defer root.Close()
	if sight.Final, err = find(root, name); err != nil {
		return channels.Sight{}, fmt.Errorf("look at %s: %w", name, err)
	}
	if temporary, used := c.settings.Temporary.Path(name); used {
		if sight.Temporary, err = find(root, temporary); err != nil {
			return channels.Sight{}, fmt.Errorf("look at %s: %w", name, err)
		}
	}
	return sight, nil
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
	root, err := c.open(ctx, side)
	if err != nil {
		return 0, fmt.Errorf("get %s: %w", name, err)
	}
	defer root.Close()
	n, err := fetch(ctx, root, name, w)
	if err != nil {
		return n, fmt.Errorf("get %s: %w", name, err)
	}
	return n, nil
}

func fetch(ctx context.Context, root *os.Root, name string, w io.Writer) (int64, error) {
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
	sink := &sinkWriter{w: w}
	n, err := io.Copy(sink, &stopReader{stop: ctx.Err, r: f})
	switch {
	case sink.err != nil:
		return n, sink.err
	case err != nil:
		return n, place(err)
	case n != before.Size():
		return n, fmt.Errorf("%w: %d bytes read, %d at first", channels.ErrSize, n, before.Size())
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
	root, err := c.open(ctx, side)
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	defer root.Close()
	if err = plain(root, name); err == nil {
		err = place(root.Remove(name))
	}
	if err == nil {
		err = c.syncDir(root, ".")
	}
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

// A sinkWriter remembers that it was the local side that failed.
type sinkWriter struct {
	w   io.Writer
	err error
}

func (s *sinkWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		s.err = fmt.Errorf("%w: %w", channels.ErrLocal, err)
	}
	return n, err
}
