package sftp

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"gateway301/channels"
)

// An attr is what a server says of one file.
type attr struct {
	name     string // as the server spells it
	size     int64
	modified int64 // Unix time
	mode     fs.FileMode
}

func (a *attr) Name() string       { return a.name }
func (a *attr) Size() int64        { return a.size }
func (a *attr) Mode() fs.FileMode  { return a.mode }
func (a *attr) ModTime() time.Time { return time.Unix(a.modified, 0) }
func (a *attr) IsDir() bool        { return a.mode.IsDir() }
func (a *attr) Sys() any           { return nil }

// Types of packets (draft section 3).
const (
	fxData = 103
	fxName = 104
)

// An inlet stands between the session and the library. The library gathers a
// whole listing before it shows any of it, however long, and gives each name its
// last element, so that "../x" looks like x. So the inlet takes the entries out
// of the answers on their way in and leaves the library an answer without
// entries, which is a valid one. All other packets pass as they are.
//
//	server ──▶ NAME, 100 entries ──▶ inlet ──▶ NAME, 0 entries ──▶ library
//	                                   └──▶ 100 × attr
type inlet struct {
	r    io.Reader
	head [13]byte // of a packet: length, type, and for NAME the id and the count
	out  []byte   // to be handed on first
	left int      // bytes of the packet that then pass as they are

	turn chan struct{} // holds one token: whoever has it may list

	mu      sync.Mutex
	each    func(attr) // nil: nobody is listing
	largest int        // most bytes of a file in one answer
}

func newInlet(r io.Reader) *inlet {
	i := &inlet{r: r, turn: make(chan struct{}, 1)}
	i.turn <- struct{}{}
	return i
}

func (i *inlet) Read(p []byte) (int, error) {
	if len(i.out) == 0 && i.left == 0 {
		if err := i.begin(); err != nil {
			return 0, err
		}
	}
	if len(i.out) > 0 {
		n := copy(p, i.out)
		i.out = i.out[n:]
		return n, nil
	}
	n, err := i.r.Read(p[:min(len(p), i.left)])
	i.left -= n
	return n, err
}

// begin reads the head of the next packet, and all of a NAME that is listed.
func (i *inlet) begin() error {
	head := i.head[:5]
	if _, err := io.ReadFull(i.r, head); err != nil {
		return err
	}
	length := int(binary.BigEndian.Uint32(head))
	i.out, i.left = head, max(length-1, 0)
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case head[4] == fxData:
		i.largest = max(i.largest, length-9)
	case head[4] == fxName && i.each != nil && length <= maxMessage:
		body := make([]byte, length-1)
		if _, err := io.ReadFull(i.r, body); err != nil {
			return err
		}
		i.left = 0
		if !takeNames(body, i.each) {
			i.out = append(slices.Clone(head), body...) // the library says what is wrong with it
			return nil
		}
		binary.BigEndian.PutUint32(i.head[:], 9)
		copy(i.head[5:9], body)
		clear(i.head[9:])
		i.out = i.head[:]
	}
	return nil
}

// maxMessage is the longest packet that the library takes, in bytes.
const maxMessage = 256 << 10

// takeNames calls each for the entries of a NAME packet, whose body starts with
// the id. It reports whether the packet is well formed.
func takeNames(body []byte, each func(attr)) bool {
	p := parser{b: body}
	p.uint32()
	for n := p.uint32(); n > 0 && !p.bad; n-- {
		a := attr{name: string(p.bytes())}
		long := p.bytes()
		flags := p.uint32()
		if flags&1 != 0 {
			a.size = int64(p.uint32())<<32 | int64(p.uint32())
		}
		if flags&2 != 0 {
			p.uint32()
			p.uint32()
		}
		if flags&4 != 0 {
			a.mode = fileMode(p.uint32())
		} else if len(long) > 0 { // a server that says no more than "ls -l" does
			a.mode = map[byte]fs.FileMode{'d': fs.ModeDir, 'l': fs.ModeSymlink, 'p': fs.ModeNamedPipe, 's': fs.ModeSocket,
				'c': fs.ModeCharDevice, 'b': fs.ModeDevice}[long[0]]
		}
		if flags&8 != 0 {
			p.uint32()
			a.modified = int64(p.uint32())
		}
		if flags&0x80000000 != 0 {
			for extended := p.uint32(); extended > 0 && !p.bad; extended-- {
				p.bytes()
				p.bytes()
			}
		}
		if !p.bad && a.name != "." && a.name != ".." {
			each(a)
		}
	}
	return !p.bad
}

// fileMode is the type in the permissions of POSIX.
func fileMode(permissions uint32) fs.FileMode {
	mode := fs.FileMode(permissions & 0o777)
	switch permissions & 0o170000 {
	case 0, 0o100000:
		return mode
	case 0o040000:
		return mode | fs.ModeDir
	case 0o120000:
		return mode | fs.ModeSymlink
	}
	return mode | fs.ModeIrregular
}

// A parser reads the values of a packet.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) uint32() uint32 {
	if len(p.b) < 4 {
		p.b, p.bad = nil, true
		return 0
	}
	v := binary.BigEndian.Uint32(p.b)
	p.b = p.b[4:]
	return v
}

func (p *parser) bytes() []byte {
	n := p.uint32()
	if uint64(n) > uint64(len(p.b)) {
		p.b, p.bad = nil, true
		return nil
	}
	v := p.b[:n]
	p.b = p.b[n:]
	return v
}

// readDir calls each for the entries of a remote folder, as they come in, until
// it returns false. One listing at a time goes over a line.
func (l *line) readDir(ctx context.Context, dir string, each func(attr) bool) error {
	select {
	case <-l.inlet.turn:
		defer func() { l.inlet.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	within, stop := context.WithCancel(ctx)
	defer stop()
	enough := false
	l.inlet.listen(func(a attr) {
		if !enough && !each(a) {
			enough = true
			stop()
		}
	})
	// The library closes the folder before it returns, and the answer to that
	// comes after all entries: none of them can stray into a later listing.
	_, err := l.client.ReadDirContext(within, dir)
	l.inlet.listen(nil)
	if enough && ctx.Err() == nil && !lineFault(err) {
		return nil
	}
	return err
}

func (i *inlet) listen(each func(attr)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.each = each
}

// List implements channels.Channel. A listing longer than Settings.MaxEntries
// fails with channels.ErrTooMany, and no more of it is read.
func (c *Channel) List(ctx context.Context, side channels.Side) (files []channels.Entry, refused []channels.Refused, err error) {
	dir := c.settings.dir(side)
	if c.settings.Blind && side == channels.Outgoing && ctx.Err() == nil {
		return nil, nil, fmt.Errorf("list %s folder %q: %w", side, dir, errBlind())
	}
	err = c.call(ctx, func(ctx context.Context, l *line) error {
		var infos []attr
		tooMany := false
		err := l.readDir(ctx, dir, func(a attr) bool {
			if tooMany = len(infos) == c.settings.MaxEntries; !tooMany {
				infos = append(infos, a)
			}
			return !tooMany
		})
		switch {
		case err != nil:
			return folderFault(err)
		case tooMany:
			return fmt.Errorf("%w: more than %d", channels.ErrTooMany, c.settings.MaxEntries)
		}
		files, refused = c.settings.sift(infos)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list %s folder %q: %w", side, dir, err)
	}
	return files, refused, nil
}

func errBlind() error { return fmt.Errorf("%w: %w", channels.ErrRefused, channels.ErrBlind) }

// sift keeps the plain files with honest names, in name order.
func (s *Settings) sift(infos []attr) (files []channels.Entry, refused []channels.Refused) {
	slices.SortFunc(infos, func(a, b attr) int { return strings.Compare(a.name, b.name) })
	for i := range infos {
		info := &infos[i]
		if !info.mode.IsRegular() {
			continue
		}
		name, err := s.decode(info.name)
		if err == nil {
			err = channels.CheckName(name)
		}
		if err == nil && i > 0 && infos[i-1].name == info.name {
			err = fmt.Errorf("%w: %q is listed twice", channels.ErrName, name)
		}
		if err != nil {
			refused = append(refused, channels.Refused{Name: info.name, Err: err})
			continue
		}
		files = append(files, channels.Entry{Name: name, Size: info.size, ModTime: info.ModTime()})
	}
	return files, refused
}

// decode gives a name of the server's in UTF-8.
func (s *Settings) decode(name string) (string, error) {
	if s.Names == nil {
		return name, nil
	}
	decoded, err := s.Names.NewDecoder().String(name)
	if err == nil && s.encode(decoded) == name {
		return decoded, nil
	}
	return "", fmt.Errorf("%w: %q is not spelled in the agreed encoding", channels.ErrName, name)
}

// encode spells a name as the server does. A name that it cannot spell stays in
// UTF-8, where the server will not find it.
func (s *Settings) encode(name string) string {
	if s.Names == nil {
		return name
	}
	encoded, err := s.Names.NewEncoder().String(name)
	if err != nil {
		return name
	}
	return encoded
}

// remote is the path of a file that a caller names.
func (s *Settings) remote(side channels.Side, name string) string {
	return path.Join(s.dir(side), s.encode(name))
}

// findListed returns what a listing shows at a remote path, or nil.
func findListed(ctx context.Context, l *line, remote string) (os.FileInfo, error) {
	var found *attr
	err := l.readDir(ctx, path.Dir(remote), func(a attr) bool {
		if a.name == path.Base(remote) {
			found = &a
		}
		return found == nil
	})
	if err != nil || found == nil {
		return nil, err
	}
	return found, nil
}
