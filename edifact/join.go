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
