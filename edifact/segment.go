package edifact

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// A Segment is a view of one segment. It is valid, and its byte slices are,
// until the next call on the reader or walker that gave it.
//
// Elements and components are counted from 1. Element 0 is the tag; its
// further components, if any, are the explicit repetition counters of
// ISO 9735.
type Segment struct {
	r          *Reader
	start, end uint32 // in r.buf: the tag, the terminator
}

// Tag returns the segment tag. It allocates only for a tag not seen before.
func (s Segment) Tag() string { return s.r.tagString(s.start) }

// Is reports whether the segment has the given tag, three bytes long.
func (s Segment) Is(tag string) bool {
	return string(s.r.buf[s.start:s.start+lenTag]) == tag
}

// service reports whether the tag begins as those of the service segments do.
func (s Segment) service() bool {
	return binary.LittleEndian.Uint16(s.r.buf[s.start:]) == 'U'|'N'<<8
}

// Elements returns the number of elements after the tag, empty ones counted.
func (s Segment) Elements() int {
	n, sep := 0, s.r.seps.Element
	for p := s.r.separatorFrom(s.start); p < s.end; p = s.r.separatorFrom(p + 1) {
		if s.r.buf[p] == sep {
			n++
		}
	}
	return n
}

// Components returns the number of components of an element: at least 1 if
// the element is there, and 0 if it is absent.
func (s Segment) Components(element int) int {
	n := 0
	if element == 0 {
		n = 1 // the tag itself, which the cursor leaves out
	}
	c := s.Cursor()
	for c.Next() && c.Element() <= element {
		if c.Element() == element {
			n++
		}
	}
	return n
}

// Value returns a component, released characters resolved. It is nil if the
// component is absent, and empty but not nil if it is there without content.
// Value(e, 1) is the whole of an element without components.
func (s Segment) Value(element, component int) []byte {
	a, b, ok := s.find(element, component)
	if !ok {
		return nil
	}
	return s.resolve(a, b)
}

// Raw returns the segment as read, with its terminator, without the line
// break before or after it.
func (s Segment) Raw() []byte { return s.r.buf[s.start : s.end+1 : s.end+1] }

// Padding is how many bytes can be read behind a segment that [Segment.Padded] gives.
const Padding = 8

// Padded is Raw with Padding bytes of anything behind it, so that eight bytes can be
// read from wherever a value begins.
func (s Segment) Padded() []byte { return s.r.buf[s.start : s.end+1+Padding] }

// Marks tells where values end: a bit, the lowest first, for each of the 64 bytes from
// first on that is a separator or the terminator; first counts from the tag, from 0.
// Together with Padded it is for who must go through all values faster than
// AppendValues can tell them; where the segment is Released, values are not
// what stands between the marks.
func (s Segment) Marks(first int) uint64 {
	at := s.start + uint32(first)
	return window(s.r.all, at) & (2<<(s.end-at) - 1)
}

// Brief is Padded, and Marks(first), of a segment that ends within 64 bytes from first
// on and is not Released. The marks of any other are 0.
func (s Segment) Brief(first int) (padded []byte, marks uint64) {
	r, at := s.r, s.start+uint32(first)
	padded = r.buf[s.start : s.end+1+Padding]
	if n := s.end - at; n < chunk && window(r.rel, at)&(1<<n-1) == 0 {
		marks = window(r.all, at) & (2<<n - 1)
	}
	return padded, marks
}

// Released reports whether a release character occurs in the segment.
func (s Segment) Released() bool { return s.released() }

// Number is the segment's number in the file, counted from 1.
func (s Segment) Number() int64 { return s.r.number }

// Offset is where the tag begins, in bytes from the start of the file.
func (s Segment) Offset() int64 { return s.r.base + int64(s.start) }

// End is the offset of the first byte behind the terminator.
func (s Segment) End() int64 { return s.r.base + int64(s.end) + 1 }

// Pos is the place of the whole segment.
func (s Segment) Pos() Pos {
	return Pos{Offset: s.Offset(), Segment: s.Number(), Tag: s.Tag()}
}

// PosOf is the place of one value. For an absent one it is the separator or
// terminator before which the value is missed.
func (s Segment) PosOf(element, component int) Pos {
	a, _, _ := s.find(element, component)
	p := s.Pos()
	p.Offset, p.Element, p.Component = s.r.base+int64(a), element, component
	return p
}

// find returns the bounds of a value in r.buf. If it is absent, ok is false
// and a is the separator or terminator that stands in its place.
func (s Segment) find(element, component int) (a, b uint32, ok bool) {
	sep := s.r.seps.Element
	e, c, a := 0, 1, s.start
	for {
		b = s.r.separatorFrom(a)
		switch {
		case e == element && c == component:
			return a, b, true
		case b == s.end:
			return b, b, false
		case s.r.buf[b] != sep:
			c++
		case e == element:
			return b, b, false
		default:
			e++
			c = 1
		}
		a = b + 1
	}
}

// released reports whether a release character occurs in the segment.
func (s Segment) released() bool { return anyBit(s.r.rel, s.start, s.end) }

// resolve returns buf[a:b] without its release characters. A value that holds
// one is written to the place in scratch that it has in the segment, so all
// values of a segment can be held at once and asking twice costs no room.
func (s Segment) resolve(a, b uint32) []byte {
	raw := s.r.buf[a:b:b]
	if !s.released() {
		return raw
	}
	i := bytes.IndexByte(raw, s.r.seps.Release)
	if i < 0 {
		return raw
	}
	if need := int(s.end - s.start); len(s.r.scratch) < need {
		s.r.scratch = make([]byte, max(need, 256))
	}
	out := append(s.r.scratch[a-s.start:a-s.start:b-s.start], raw[:i]...)
	for {
		raw = raw[i+1:] // it begins with the released byte, whatever that is
		if i = bytes.IndexByte(raw[1:], s.r.seps.Release); i < 0 {
			return append(out, raw...)
		}
		i++
		out = append(out, raw[:i]...)
	}
}

// A Value is the place of one component in its segment; [Segment.Bytes] gives
// its content. It is valid as long as the segment is.
type Value struct {
	Element, Component uint32 // from 1; Element 0 is what stands behind the tag with a component separator
	from, to           uint32 // in r.buf, or in r.scratch if from has the bit resolved
}

const resolved = 1 << 31

// AppendValues appends all values after the tag to dst. It is the fast way for
// who wants most of them; the same slice can serve for every segment:
//
//	values = segment.AppendValues(values[:0])
//	for _, v := range values {
//		use(v.Element, v.Component, segment.Bytes(v))
//	}
func (s Segment) AppendValues(dst []Value) []Value {
	had := len(dst)
	dst = s.appendPlaces(dst)
	if s.released() {
		s.resolveAll(dst[had:])
	}
	return dst
}

// appendPlaces appends where the values after the tag are in the buffer, release
// characters included.
func (s Segment) appendPlaces(dst []Value) []Value {
	r, sep := s.r, s.r.seps.Element
	place := Value{Component: 1}
	for at := s.start + lenTag; at < s.end; {
		// The marks behind that at position at.
		word := window(r.all, at) & (2<<(s.end-at) - 1) &^ 1
		n, more := len(dst), min(bits.OnesCount64(word), stride)
		dst = slices.Grow(dst, stride)[:n+max(1, more)]
		values := (*[stride]Value)(dst[n : n+stride])
		switch {
		case more == 0: // a value that is longer than the window
			values[0] = place.next(r.buf[at] == sep, at+1, r.separatorFrom(at+1))
		case r.kernel != inGo:
			spreadKernel(values, &r.buf[at], at, uint32(sep), word, place)
		default:
			spread(values, r.buf[at:at+chunk+1], at, sep, word, place)
		}
		place = dst[len(dst)-1]
		at = place.to
	}
	return dst
}

// next returns the value behind v, between two marks of which the first may
// begin an element.
func (v Value) next(element bool, from, to uint32) Value {
	more := uint32(0)
	if element {
		more = 1
	}
	return Value{v.Element + more, v.Component&(more-1) + 1, from, to}
}

// stride is how many values are found in a row without asking whether there
// are so many: most segments have no more, and a branch for each value would
// be guessed wrongly once in every segment.
const stride = 8

// spread fills values with what stands behind the mark at buf[0] and before and
// between those in word, whose lowest bit is for buf[0] as well. Behind the last
// mark the values are void. at is the position of buf[0], v the value before.
func spread(values *[stride]Value, buf []byte, at uint32, sep byte, word uint64, v Value) {
	mark := 0
	for i := range values {
		next := bits.TrailingZeros64(word)
		word &= word - 1
		v = v.next(buf[mark] == sep, at+uint32(mark)+1, at+uint32(next))
		values[i] = v
		mark = next
	}
}

// resolveAll gives the values in which a release character occurs a copy without.
func (s Segment) resolveAll(values []Value) {
	from := s.start
	for i := 0; ; i++ {
		at := bytes.IndexByte(s.r.buf[from:s.end], s.r.seps.Release)
		if at < 0 {
			return
		}
		for values[i].to < from+uint32(at) {
			i++
		}
		v := &values[i]
		from = v.to
		n := len(s.resolve(v.from, v.to))
		v.from -= s.start
		v.to = v.from + uint32(n)
		v.from |= resolved
	}
}

// Bytes returns a value of the segment, released characters resolved.
func (s Segment) Bytes(v Value) []byte {
	buf := s.r.buf
	if v.from&resolved != 0 {
		buf = s.r.scratch
		v.from &^= resolved
	}
	return buf[v.from:v.to:v.to]
}

// PosOfValue is the place of a value of the segment.
func (s Segment) PosOfValue(v Value) Pos { return s.PosOf(int(v.Element), int(v.Component)) }

// Cursor returns a cursor before the first value after the tag.
func (s Segment) Cursor() Cursor {
	return Cursor{r: s.r, start: s.start, end: s.end, b: s.start + lenTag, component: 1}
}

// A Cursor goes through all values of a segment in one pass.
//
//	c := segment.Cursor()
//	for c.Next() {
//		use(c.Element(), c.Component(), c.Value())
//	}
type Cursor struct {
	r                  *Reader
	start, end         uint32
	a, b               uint32 // the present value; b is the mark behind it
	element, component int
}

// Next goes on to the next value and reports whether there is one.
func (c *Cursor) Next() bool {
	if c.b >= c.end {
		return false
	}
	more := 0
	if c.r.buf[c.b] == c.r.seps.Element {
		more = 1
	}
	c.element += more
	c.component = c.component&(more-1) + 1
	c.a = c.b + 1
	c.b = c.r.separatorFrom(c.a)
	return true
}

// Element is the number of the present element, from 1.
func (c *Cursor) Element() int { return c.element }

// Component is the number of the present component in its element, from 1.
func (c *Cursor) Component() int { return c.component }

// Value is the present value, released characters resolved.
func (c *Cursor) Value() []byte { return c.segment().resolve(c.a, c.b) }

func (c *Cursor) segment() Segment { return Segment{c.r, c.start, c.end} }

// Pos is the place of the present value.
func (c *Cursor) Pos() Pos {
	p := c.segment().Pos()
	p.Offset, p.Element, p.Component = c.r.base+int64(c.a), c.element, c.component
	return p
}
