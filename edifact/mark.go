package edifact

import (
	"encoding/binary"
	"math/bits"
)

// chunk is how many bytes are marked at a time: one bit each in a uint64.
const chunk = 64

// released, in an entry of marker.ends, says that the segment holds a release character.
const released = 1 << 31

// What a byte means to the marker.
const (
	plain uint8 = iota
	separator
	terminator
	release
	nul
)

// A marker finds the separators in a buffer. It is fed the buffer piece by
// piece, and what it finds does not depend on where the pieces end: the only
// thing that reaches over a border is the carried bit.
type marker struct {
	marks []uint32 // positions of separators and terminators in the buffer, ascending; n are valid
	ends  []uint32 // for each terminator its index in marks, with the bit released; en are valid
	n, en int
	limit int // length that marks may grow to

	carry   bool // the byte before the next one to be marked is a release character in force
	pending bool // ends[pendEnd], when it comes, is of a segment with a release character
	pendEnd int
	nul     int // position of the first NUL; -1: none so far. Nothing is marked behind it.

	seps    Separators
	class   [256]uint8
	pattern [4]uint64 // component, element, terminator, release: the byte in all eight places
}

// use sets the separators in force and forgets everything marked before.
func (m *marker) use(s Separators) {
	m.seps = s
	m.n, m.en, m.carry, m.pending, m.nul = 0, 0, false, false, -1
	m.class = [256]uint8{}
	rel := s.Release
	if rel == ' ' {
		rel = 0 // none in use: look for NUL a second time
	} else {
		m.class[rel] = release
	}
	m.class[0] = nul
	m.class[s.Component] = separator
	m.class[s.Element] = separator
	m.class[s.Terminator] = terminator
	for i, c := range [4]byte{s.Component, s.Element, s.Terminator, rel} {
		m.pattern[i] = uint64(c) * 0x0101010101010101
	}
}

// room makes sure that the lists take what a block of n bytes can hold.
// The chunk of slack lets a kernel write a few entries ahead.
func (m *marker) room(n int) {
	if need := m.n + n + chunk; need > len(m.marks) {
		longer := make([]uint32, max(need, min(2*len(m.marks), m.limit)))
		copy(longer, m.marks[:m.n])
		m.marks = longer
	}
	if need := m.en + n + chunk; need > len(m.ends) {
		longer := make([]uint32, need)
		copy(longer, m.ends[:m.en])
		m.ends = longer
	}
}

// mark goes through buf[from:to] and returns how far it came: to, or the
// position of a NUL.
func (m *marker) mark(buf []byte, from, to int) int {
	m.room(to - from)
	for to-from >= chunk && m.nul < 0 {
		if !m.carry {
			if from = m.markChunks(buf, from, to); to-from < chunk {
				break
			}
		}
		// A chunk with a release character, a NUL or a carried bit.
		m.markChunk(from, look((*[chunk]byte)(buf[from:]), &m.pattern))
		from += chunk
	}
	if m.nul < 0 {
		m.markBytes(buf, from, to)
	}
	m.flag()
	if m.nul >= 0 {
		return m.nul
	}
	return to
}

// masks has a bit for each byte of a chunk, the first byte lowest.
type masks struct {
	all  uint64 // component and element separators and terminators
	term uint64 // terminators
	rel  uint64 // release characters
	nul  uint64
}

// look compares one chunk with the pattern, byte by byte in parallel. All
// separators are ASCII, so a byte with the high bit set is never one, and
// adding 0x7f to seven bits carries into the eighth unless they are zero.
func look(p *[chunk]byte, pattern *[4]uint64) (m masks) {
	for i := 0; i < chunk; i += 8 {
		w := binary.LittleEndian.Uint64(p[i : i+8 : i+8])
		low := w & low7
		c := (low ^ pattern[0]) + low7
		e := (low ^ pattern[1]) + low7
		t := (low ^ pattern[2]) + low7
		r := (low ^ pattern[3]) + low7
		z := low + low7
		m.all |= gather(^(c&e&t | w)) << i
		m.term |= gather(^(t | w)) << i
		m.rel |= gather(^(r | w)) << i
		m.nul |= gather(^(z | w)) << i
	}
	m.rel &^= m.nul // the same where no release character is in use
	return m
}

const (
	low7 = 0x7f7f7f7f7f7f7f7f
	high = 0x8080808080808080
)

// gather collects the highest bit of each byte into the lowest eight bits.
func gather(x uint64) uint64 { return x & high * 0x0002040810204081 >> 56 }

// markChunk enters one chunk at position from with whatever it holds.
func (m *marker) markChunk(from int, k masks) {
	m.flag()
	if k.nul != 0 {
		at := bits.TrailingZeros64(k.nul)
		m.nul = from + at
		before := uint64(1)<<at - 1
		k.all, k.term, k.rel = k.all&before, k.term&before, k.rel&before
	}
	if m.carry {
		k.all, k.term, k.rel = k.all&^1, k.term&^1, k.rel&^1
		m.carry = false
	}
	var rels uint64
	for k.rel != 0 {
		r := k.rel & -k.rel
		next := r << 1
		rels |= r
		k.rel &^= r | next
		k.all &^= next
		k.term &^= next
		m.carry = next == 0
	}
	if m.nul >= 0 {
		m.carry = false
	}
	for k.all != 0 {
		at := k.all & -k.all
		k.all &^= at
		m.marks[m.n] = uint32(from + bits.TrailingZeros64(at))
		if k.term&at != 0 {
			entry := uint32(m.n)
			if before := rels & (at - 1); before != 0 || m.pending {
				entry |= released
				rels &^= before
				m.pending = false
			}
			m.ends[m.en] = entry
			m.en++
		}
		m.n++
	}
	if rels != 0 {
		m.pending, m.pendEnd = true, m.en
	}
}

// flag settles what an earlier chunk left pending.
func (m *marker) flag() {
	if m.pending && m.en > m.pendEnd {
		m.ends[m.pendEnd] |= released
		m.pending = false
	}
}

// markBytes does one byte at a time what the others do in parallel: the
// heads and tails that fill no chunk.
func (m *marker) markBytes(buf []byte, from, to int) {
	m.flag()
	for i, b := range buf[from:to] {
		switch c := m.class[b]; {
		case c == nul:
			m.nul, m.carry = from+i, false
			return
		case m.carry:
			m.carry = false
		case c == release:
			m.carry = true
			m.pending, m.pendEnd = true, m.en
		case c == terminator:
			entry := uint32(m.n)
			if m.pending {
				entry |= released
				m.pending = false
			}
			m.ends[m.en] = entry
			m.en++
			fallthrough
		case c == separator:
			m.marks[m.n] = uint32(from + i)
			m.n++
		}
	}
}

// markChunksGo enters whole chunks as long as they hold neither release
// character nor NUL, and returns where it stopped.
func (m *marker) markChunksGo(buf []byte, from, to int) int {
	n, en := m.n, m.en
	pc, pe, pt, pr := m.pattern[0], m.pattern[1], m.pattern[2], m.pattern[3]
	for ; to-from >= chunk; from += chunk {
		p := (*[chunk]byte)(buf[from:])
		var all, term uint64
		odd := uint64(high)
		for i := 0; i < chunk; i += 8 {
			w := binary.LittleEndian.Uint64(p[i : i+8 : i+8])
			low := w & low7
			c := (low ^ pc) + low7
			e := (low ^ pe) + low7
			t := (low ^ pt) + low7
			odd &= ((low^pr)+low7)&(low+low7) | w
			all |= gather(^(c&e&t | w)) << i
			term |= gather(^(t | w)) << i
		}
		if odd != high {
			break
		}
		for t := term; t != 0; t &= t - 1 {
			m.ends[en] = uint32(n + bits.OnesCount64(all&(t&-t-1)))
			en++
		}
		for ; all != 0; all &= all - 1 {
			m.marks[n] = uint32(from + bits.TrailingZeros64(all))
			n++
		}
	}
	m.n, m.en = n, en
	return from
}

// markChunks is the kernel in use.
func (m *marker) markChunks(buf []byte, from, to int) int { return m.markChunksGo(buf, from, to) }
