package edifact

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	lenTag  = 3
	readLen = 32 << 10 // read at a time

	defaultSegment = 64 << 10
	maxSegment     = 16 << 20
	minSegment     = 16
	maxTags        = 256 // different tags remembered as strings
)

// Options are the limits and habits of a [Reader] or [Walker]. The zero value is useful.
type Options struct {
	// MaxSegment is the length in bytes, terminator included, that a segment
	// may have: 64 KiB if 0, never more than 16 MiB, and never less than 16 bytes.
	MaxSegment int
	// SeveralInterchanges: a UNA or UNB behind a UNZ begins another interchange
	// (ISO 9735). Otherwise the walker goes on as well, but reports it.
	SeveralInterchanges bool
	// Groups: UNG…UNE is expected (ISO 9735). Otherwise the walker goes on as
	// well, but reports it.
	Groups bool
}

// Notes are harmless oddities that a reader has passed over.
type Notes struct {
	ByteOrderMark bool // the file begins with the UTF-8 byte order mark
	Substitute    bool // the file ends with the byte 0x1A, the end mark of CP/M and MS-DOS
}

// A Reader splits bytes into segments. Its memory is bounded by
// Options.MaxSegment, not by the length of the file.
type Reader struct {
	src io.Reader

	// buf[:end] is filled. buf[:pos] has been handed out, buf[pos:scanned] is
	// marked, and buf[scanned:end] is still to be marked.
	buf               []byte
	pos, scanned, end int
	base              int64 // offset of buf[0] in the file

	marker
	ei    int // next in ends
	ready int // ends[ei:ready] can be handed out without further ado

	odd   []uint64 // as all, for release characters and bytes with their high bit set, as far as oddTo; made when first asked for
	oddTo int

	maxSegment int

	head     bool  // a service string advice may stand here
	afterUNZ bool  // the segment handed out last is a UNZ; known where head is set
	number   int64 // segments handed out
	una      [lenUNA]byte
	unas     int   // how many service string advices were read
	unaAt    int64 // offset of the last of them
	notes    Notes
	scratch  []byte
	tags     map[[lenTag]byte]string
	srcErr   error // what src.Read ended with
	err      error // sticky
	idleRead int
}

// NewReader returns a reader of the segments in src.
func NewReader(src io.Reader, o Options) *Reader {
	r := &Reader{src: src, head: true, maxSegment: o.MaxSegment}
	if r.maxSegment <= 0 {
		r.maxSegment = defaultSegment
	}
	r.maxSegment = max(minSegment, min(r.maxSegment, maxSegment))
	r.buf = makeBuffer(readLen)
	r.all = make([]uint64, readLen/chunk+1)
	r.rel = make([]uint64, readLen/chunk+1)
	r.kernel = bestKernel()
	r.tags = make(map[[lenTag]byte]string)
	r.use(DefaultSeparators())
	return r
}

// makeBuffer returns n bytes, behind which there is room for two chunks: a
// Decoder looks at whole ones, whatever it needs of them.
func makeBuffer(n int) []byte { return make([]byte, n+2*chunk)[:n] }

// Separators are those in force for the segment handed out last.
func (r *Reader) Separators() Separators { return r.seps }

// UNA returns the last service string advice as read, and whether there was one.
func (r *Reader) UNA() ([]byte, bool) {
	if r.unas == 0 {
		return nil, false
	}
	return r.una[:], true
}

// Notes returns what has been passed over so far.
func (r *Reader) Notes() Notes { return r.notes }

// Next returns the next segment. At a clean end, between two segments, the
// error is io.EOF: whether the interchange is complete is for a [Walker] to
// say. Bytes that are no EDIFACT give a *[SyntaxError]; an error of the source
// is passed on wrapped. After an error every further call gives it again.
func (r *Reader) Next() (Segment, error) {
	for r.ei >= r.ready {
		if err := r.advance(); err != nil {
			return Segment{}, err
		}
	}
	start, end := r.pos, int(r.ends[r.ei])
	s := r.buf[start : end+1]
	if len(s) <= lenTag {
		return r.unusual(start, end)
	}
	head := binary.LittleEndian.Uint32(s)
	if !letters(head) || r.class[head>>24]-separator > terminator-separator || len(s) > r.maxSegment {
		return r.unusual(start, end)
	}
	if head&0xffffff == 'U'|'N'<<8|'Z'<<16 {
		r.head, r.afterUNZ = true, true
		r.ready = 0
	}
	r.ei++
	r.pos = end + 1
	r.number++
	return Segment{r, uint32(start), uint32(end)}, nil
}

// unusual is the rest of Next for a segment that has line breaks before it, a
// digit in its tag, or something wrong.
func (r *Reader) unusual(start, end int) (Segment, error) {
	if c := r.buf[start]; c == '\n' || c == '\r' {
		for c == '\n' || c == '\r' {
			start++
			c = r.buf[start]
		}
		r.pos = start
		return r.Next()
	}
	s := r.buf[start : end+1]
	if len(s) <= lenTag || !isTag(s[:lenTag]) || r.class[s[lenTag]]-separator > terminator-separator || len(s) > r.maxSegment {
		r.err = r.fault(start, end+1, nil)
		r.ready = 0
		return Segment{}, r.err
	}
	r.ei++
	r.pos = end + 1
	r.number++
	return Segment{r, uint32(start), uint32(end)}, nil
}

// advance does what cannot be done for every segment: errors, service string
// advices, the next block.
func (r *Reader) advance() error {
	if r.err == nil && r.head {
		r.err = r.advice()
	}
	if r.err == nil && r.ei >= r.en {
		r.err = r.fill()
	}
	r.ready = r.en
	if r.err != nil {
		r.ready = 0
	}
	return r.err
}

// letters reports whether the three lower bytes are capital letters.
func letters(tag uint32) bool {
	const each = 0x010101
	return (tag&(0x7f*each)+(0x80-'A')*each)&^(tag&(0x7f*each)+(0x80-'Z'-1)*each)&^tag&(0x80*each) == 0x80*each
}

func isTag(b []byte) bool {
	return len(b) == lenTag && capital(b[0]) && tagByte(b[1]) && tagByte(b[2])
}

func capital(c byte) bool { return 'A' <= c && c <= 'Z' }

func tagByte(c byte) bool { return capital(c) || '0' <= c && c <= '9' }

// tagString returns the tag at r.buf[at:] as a string, remembered.
func (r *Reader) tagString(at uint32) string {
	key := [lenTag]byte(r.buf[at : at+lenTag])
	s, ok := r.tags[key]
	if !ok {
		s = string(key[:])
		if len(r.tags) < maxTags {
			r.tags[key] = s
		}
	}
	return s
}

// advice reads what may stand before a UNB: a byte order mark at the very
// start, line breaks, service string advices.
func (r *Reader) advice() error {
	if r.base+int64(r.pos) == 0 {
		if bom := "\ufeff"; r.has(bom) {
			r.notes.ByteOrderMark = true
			r.skipTo(r.pos + len(bom))
		}
	}
	for {
		for r.need(1) && (r.buf[r.pos] == '\n' || r.buf[r.pos] == '\r') {
			r.skipTo(r.pos + 1)
		}
		if r.afterUNZ && r.substitute() {
			r.notes.Substitute = true
			return io.EOF
		}
		if !r.has("UNA") {
			r.head = false
			if r.afterUNZ && r.seps != DefaultSeparators() && r.has("UNB") {
				r.restart(DefaultSeparators()) // a UNA holds for its own interchange only
			}
			return nil
		}
		if !r.need(lenUNA) {
			if r.srcErr != io.EOF {
				return r.sourceError()
			}
			if at := bytes.IndexByte(r.buf[r.pos:r.end], 0); at >= 0 {
				return r.adviceError(at, ErrNUL)
			}
			return r.adviceError(r.end-r.pos, ErrTruncated)
		}
		copy(r.una[:], r.buf[r.pos:])
		if at := bytes.IndexByte(r.una[:], 0); at >= 0 {
			return r.adviceError(at, ErrNUL)
		}
		u := &r.una
		s := Separators{Component: u[3], Element: u[4], Decimal: u[5], Release: u[6], Reserved: u[7], Terminator: u[8]}
		if at, err := s.check(); err != nil {
			return r.adviceError(at, err)
		}
		r.unas++
		r.unaAt = r.base + int64(r.pos)
		r.pos += lenUNA
		r.restart(s)
	}
}

// restart puts other separators in force from r.pos on. What was marked ahead
// was marked with the old ones.
func (r *Reader) restart(s Separators) {
	r.use(s)
	r.ei = 0
	r.markFrom(r.pos)
}

// markFrom makes pos the place where marking goes on. The bits from there on are
// of what stood in the buffer, or what it meant, before.
func (r *Reader) markFrom(pos int) {
	r.scanned = pos
	r.oddTo = min(r.oddTo, pos)
	k, below := pos/chunk, uint64(1)<<(pos%chunk)-1
	r.all[k] &= below
	r.rel[k] &= below
}

func (r *Reader) adviceError(at int, err error) error {
	return &SyntaxError{Pos{Offset: r.base + int64(r.pos+at), Segment: r.number + 1, Tag: "UNA"}, err}
}

// substitute reports whether a single 0x1A, and at most line breaks behind
// it, is all that is left.
func (r *Reader) substitute() bool {
	const sub = 0x1a
	if !r.need(1) || r.buf[r.pos] != sub {
		return false
	}
	for n := 2; r.need(n); n++ {
		if c := r.buf[r.pos+n-1]; c != '\n' && c != '\r' || n > r.maxSegment {
			return false
		}
	}
	return r.srcErr == io.EOF
}

// has reports whether the unread bytes begin with s.
func (r *Reader) has(s string) bool {
	for i := range len(s) {
		if !r.need(i+1) || r.buf[r.pos+i] != s[i] {
			return false
		}
	}
	return true
}

// need reads until n unread bytes are there, and reports whether they are.
func (r *Reader) need(n int) bool {
	for r.end-r.pos < n && r.srcErr == nil {
		r.read()
	}
	return r.end-r.pos >= n
}

// skipTo drops bytes at a head, where nothing but line breaks can have been marked.
func (r *Reader) skipTo(pos int) {
	r.pos = pos
	if r.scanned < pos {
		r.markFrom(pos)
	}
}

// fill marks one more block, after reading if nothing is left to mark. It is
// called when every marked segment has been handed out.
func (r *Reader) fill() error {
	for r.pos < r.scanned && (r.buf[r.pos] == '\n' || r.buf[r.pos] == '\r') {
		r.pos++
	}
	r.ei, r.en = 0, 0
	switch {
	case r.nul >= 0:
		return r.fault(r.pos, r.nul, ErrNUL)
	case r.scanned-r.pos > r.maxSegment:
		return r.fault(r.pos, r.scanned, nil)
	}
	for r.scanned == r.end {
		if r.srcErr != nil {
			return r.finish()
		}
		r.read()
	}
	to := min(r.end, r.scanned&^(chunk-1)+block)
	r.scanned = r.mark(r.buf, r.scanned, to)
	return nil
}

// read makes room in the buffer and reads once. It is not called with a NUL
// marked, but for a UNA that is itself cut by one and so ends the reading.
func (r *Reader) read() {
	if drop := r.pos &^ (chunk - 1); drop > 0 { // whole chunks, so that the marks keep their bits
		copy(r.buf, r.buf[drop:r.end])
		marked := (r.scanned + chunk - 1) / chunk
		copy(r.all, r.all[drop/chunk:marked])
		copy(r.rel, r.rel[drop/chunk:marked])
		r.oddTo = max(0, r.oddTo-drop)
		if r.oddTo > 0 {
			copy(r.odd, r.odd[drop/chunk:])
		}
		for i := r.ei; i < r.en; i++ {
			r.ends[i] -= uint32(drop)
		}
		r.base += int64(drop)
		r.pos -= drop
		r.scanned -= drop
		r.end -= drop
	}
	if r.end == len(r.buf) {
		// Only for a segment that outgrows it, and no further than that needs.
		n := max(len(r.buf)+block, min(2*len(r.buf), (r.maxSegment+block)&^(block-1)))
		buf := makeBuffer(n)
		copy(buf, r.buf)
		r.buf = buf
		r.all = lengthen(r.all, n/chunk+1)
		r.rel = lengthen(r.rel, n/chunk+1)
	}
	n, err := r.src.Read(r.buf[r.end:])
	if n < 0 || n > len(r.buf)-r.end {
		n, err = 0, fmt.Errorf("edifact: source returned an impossible count %d", n)
	}
	r.end += n
	switch {
	case err != nil:
		r.srcErr = err
	case n > 0:
		r.idleRead = 0
	default:
		if r.idleRead++; r.idleRead == 100 {
			r.srcErr = io.ErrNoProgress
		}
	}
}

// finish says how the file ends when nothing more will come.
func (r *Reader) finish() error {
	switch {
	case r.srcErr != io.EOF:
		return r.sourceError()
	case r.pos == r.end:
		return io.EOF
	case r.carry:
		return r.fault(r.pos, r.end, ErrDanglingRelease)
	}
	return r.fault(r.pos, r.end, ErrTruncated)
}

func (r *Reader) sourceError() error {
	return fmt.Errorf("edifact: reading at offset %d: %w", r.base+int64(r.end), r.srcErr)
}

// fault names the first thing wrong with the segment in buf[start:stop]. A
// complete one ends with its terminator and has no cause; an incomplete one
// has the cause that ends it at stop, which counts if nothing before it is wrong.
// The answer depends on the bytes alone, not on how many have been read yet.
func (r *Reader) fault(start, stop int, cause error) error {
	s := r.buf[start:stop]
	pos := Pos{Offset: r.base + int64(start), Segment: r.number + 1}
	for i := range lenTag + 1 {
		if i == len(s) {
			pos.Offset += int64(i)
			return &SyntaxError{pos, cause}
		}
		c := s[i]
		bad := i == 0 && (c < 'A' || c > 'Z') || i < lenTag && !tagByte(c) || i == lenTag && r.class[c] != separator && r.class[c] != terminator
		if !bad {
			continue
		}
		if r.number == 0 {
			return &SyntaxError{pos, ErrTextBefore}
		}
		pos.Offset += int64(i)
		return &SyntaxError{pos, ErrTag}
	}
	pos.Tag = string(s[:lenTag])
	at := stop
	if stop-start > r.maxSegment {
		at, cause = start+r.maxSegment, ErrSegmentTooLong
	}
	for p := start + lenTag; p < at; p++ {
		if p >= r.scanned || r.all[p/chunk]>>(p%chunk)&1 == 0 {
			continue
		}
		pos.Component++
		if r.buf[p] == r.seps.Element {
			pos.Element++
			pos.Component = 1
		}
	}
	if pos.Element == 0 {
		pos.Component = 0
	}
	pos.Offset = r.base + int64(at)
	return &SyntaxError{pos, cause}
}
