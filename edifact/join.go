package edifact

// A joinTable is what joinKernel has to know about a writer's level and
// separators. Its layout is known there.
//
// A byte needs care, because it must be released or refused, if its lower half
// and its upper half have a bit in common: lower[b&15] & upper[b>>4]. There is
// a bit for each upper half from 2 to 7, where the separators are, one for the
// control characters 00 to 1F, and one for the rest.
type joinTable struct {
	lower, upper [16]byte
	nibble       [16]byte   // 0x0f, as often as a register holds
	class        [256]uint8 // 0 as it is, 1 needs the release character, more: refused

	component, element, release byte
}

// joinRoom is what joinShort may write: 64 bytes, released one by one, and 64 behind.
const joinRoom = 192

// short writes a segment if that can be done quickly, and reports whether it was:
// one of less than 64 bytes behind the tag, with nothing to be announced before it
// and nothing to be counted but itself. It may be given a tag and values at fault.
func (w *Writer) short(tag string, elements []Element) bool {
	if !w.quick || !w.announced || len(tag) != lenTag || tag[0] == 'U' || !letters(uint32(tag[0])|uint32(tag[1])<<8|uint32(tag[2])<<16) {
		return false
	}
	n := len(w.buf) // less than flushAt
	b := w.buf[n : n+lenTag+joinRoom]
	b[0], b[1], b[2] = tag[0], tag[1], tag[2]
	k := joinShort(&b[lenTag], elements, w.join)
	if k < 0 {
		return false
	}
	b[lenTag+k] = w.seps.Terminator
	w.buf = w.buf[:n+lenTag+k+1]
	w.segments++
	return true
}

// newJoinTable returns nil if there is no kernel, or no release character in
// use: then all is done in Go.
func newJoinTable(class *[256]uint8, s Separators) *joinTable {
	if s.Release == ' ' || bestJoin() == inGo {
		return nil
	}
	t := &joinTable{class: *class, component: s.Component, element: s.Element, release: s.Release}
	for c, care := range t.class {
		if care == 0 {
			continue
		}
		low, up := c&15, c>>4
		var bit byte
		switch {
		case up < 2:
			bit = 1 << 6
		case up > 7:
			bit = 1 << 7
		default:
			bit = 1 << (up - 2)
		}
		t.lower[low] |= bit
		t.upper[up] |= bit
	}
	for i := range t.nibble {
		t.nibble[i] = 15
	}
	return t
}
