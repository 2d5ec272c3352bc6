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
	start, end uint32 // in r.buf: the tag, the terminator
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
	for c := s.Cursor(); c.element <= element && c.Next(); {
		if c.element == element {
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
func (s Segment) released() bool {
	r := s.r
	for r.ri < r.rn && r.rels[r.ri] < s.start {
		r.ri++
	}
	return r.ri < r.rn && r.rels[r.ri] < s.end
}

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

// Cursor returns a cursor before the first value after the tag.
func (s Segment) Cursor() Cursor {
	return Cursor{s: s, b: s.r.separatorFrom(s.start)}
}

// A Cursor goes through all values of a segment in one pass.
//
//	for c := seg.Cursor(); c.Next(); {
//		use(c.Element(), c.Component(), c.Value())
//	}
type Cursor struct {
	s                  Segment
	a, b               uint32 // the present value; b is the separator behind it
	element, component int
}

// Next goes on to the next value and reports whether there is one.
func (c *Cursor) Next() bool {
	if c.b >= c.s.end {
		return false
	}
	r := c.s.r
	switch {
	case r.buf[c.b] == r.seps.Element:
		c.element++
		c.component = 1
	case c.element == 0 && c.component == 0:
		c.component = 2 // the tag is component 1 of element 0
	default:
		c.component++
	}
	c.a = c.b + 1
	c.b = r.separatorFrom(c.a)
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
