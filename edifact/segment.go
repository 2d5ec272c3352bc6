package edifact

import "bytes"

// A Segment is a view of one segment. It is valid, and its byte slices are,
// until the next call on the reader or walker that gave it.
//
// Elements and components are counted from 1. Element 0 is the tag; its
// further components, if any, are the explicit repetition counters of
// ISO 9735.
type Segment struct {
	r          *Reader
	start, end uint32 // in r.buf; end is the terminator
	m0, m1     uint32 // in r.marks: its first separator, its terminator
	released   bool   // a release character occurs
	number     int64
}

// Tag returns the segment tag. It allocates only for a tag not seen before.
func (s Segment) Tag() string { return s.r.tagString(s.start) }

// Is reports whether the segment has the given tag, three bytes long.
func (s Segment) Is(tag string) bool {
	return string(s.r.buf[s.start:s.start+lenTag]) == tag
}

// Elements returns the number of elements after the tag, empty ones counted.
func (s Segment) Elements() int {
	n, sep := 0, s.r.seps.Element
	for _, p := range s.r.marks[s.m0:s.m1] {
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
	for c := s.Cursor(); c.element <= element && c.Next(); {
		if c.element == element {
			n++
		}
	}
	if element == 0 {
		n++ // the tag itself, which the cursor leaves out
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

// Number is the segment's number in the file, counted from 1.
func (s Segment) Number() int64 { return s.number }

// Offset is where the tag begins, in bytes from the start of the file.
func (s Segment) Offset() int64 { return s.r.base + int64(s.start) }

// End is the offset of the first byte behind the terminator.
func (s Segment) End() int64 { return s.r.base + int64(s.end) + 1 }

// Pos is the place of the whole segment.
func (s Segment) Pos() Pos {
	return Pos{Offset: s.Offset(), Segment: s.number, Tag: s.Tag()}
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
	buf, sep := s.r.buf, s.r.seps.Element
	e, c, a := 0, 1, s.start
	for _, p := range s.r.marks[s.m0 : s.m1+1] {
		if e == element && c == component {
			return a, p, true
		}
		if buf[p] == sep {
			if e == element {
				return p, p, false
			}
			e++
			c = 0
		}
		c++
		a = p + 1
	}
	return s.end, s.end, false
}

// resolve returns buf[a:b] without its release characters. A value that holds
// one is written to the place in scratch that it has in the segment, so all
// values of a segment can be held at once and asking twice costs no room.
func (s Segment) resolve(a, b uint32) []byte {
	raw := s.r.buf[a:b:b]
	if !s.released {
		return raw
	}
	i := bytes.IndexByte(raw, s.r.seps.Release)
	if i < 0 {
		return raw
	}
	need := int(s.end - s.start)
	if len(s.r.scratch) < need {
		s.r.scratch = make([]byte, max(need, 256))
	}
	out := append(s.r.scratch[a-s.start:a-s.start:b-s.start], raw[:i]...)
	for i >= 0 && i+1 < len(raw) {
		raw = raw[i+1:]
		// The first byte is the released one, whatever it is.
		next := bytes.IndexByte(raw[1:], s.r.seps.Release)
		if next < 0 {
			return append(out, raw...)
		}
		i = next + 1
		out = append(out, raw[:i]...)
	}
	return out
}

// Cursor returns a cursor before the first value after the tag.
func (s Segment) Cursor() Cursor {
	return Cursor{s: s, m: s.m0, b: s.r.marks[s.m0]}
}

// A Cursor goes through all values of a segment in one pass.
//
//	for c := seg.Cursor(); c.Next(); {
//		use(c.Element(), c.Component(), c.Value())
//	}
type Cursor struct {
	s                  Segment
	m                  uint32 // the mark that ends the present value
	a, b               uint32 // the present value
	element, component int
}

// Next goes on to the next value and reports whether there is one.
func (c *Cursor) Next() bool {
	if c.m >= c.s.m1 {
		return false
	}
	r := c.s.r
	if r.buf[c.b] == r.seps.Element {
		c.element++
		c.component = 1
	} else {
		if c.element == 0 && c.component == 0 {
			c.component = 1 // the tag is component 1 of element 0
		}
		c.component++
	}
	c.m++
	c.a, c.b = c.b+1, r.marks[c.m]
	return true
}

// Element is the number of the present element, from 1.
func (c *Cursor) Element() int { return c.element }

// Component is the number of the present component in its element, from 1.
func (c *Cursor) Component() int { return c.component }

// Value is the present value, released characters resolved.
func (c *Cursor) Value() []byte { return c.s.resolve(c.a, c.b) }

// Pos is the place of the present value.
func (c *Cursor) Pos() Pos {
	p := c.s.Pos()
	p.Offset, p.Element, p.Component = c.s.r.base+int64(c.a), c.element, c.component
	return p
}
