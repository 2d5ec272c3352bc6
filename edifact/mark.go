package edifact

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const (
	chunk = 64      // bytes marked at a time: one bit each in a word
	block = 64 << 6 // bytes marked in a row, so that they are still in the first-level cache when they are used
)

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
	all  []uint64 // a bit for every byte of the buffer: a separator or terminator in force; and a word more
	rel  []uint64 // as all, for the release characters in force
	ends []uint32 // positions of the terminators, ascending; en are valid

	en    int
	carry bool // the last byte marked is a release character in force
	nul   int  // position of the first NUL; -1: none so far. Nothing is marked behind it.

	kernel  kernel
	seps    Separators
	class   [256]uint8
	pattern pattern
	term    [block / chunk]uint64 // as all, for the terminators of one block
}

// A kernel is a way to do what takes most of the time.
type kernel uint8

const (
	inGo kernel = iota
	inSSE2
	inAVX2
	inAVX512
)

// pattern is component separator, element separator, terminator and release
// character, each filling a register of the kernel. Without a release character
// it is NUL, which ends everything anyway.
type pattern [4][4]uint64

// use sets the separators in force and forgets everything marked before.
func (m *marker) use(s Separators) {
	m.seps = s
	m.en, m.carry, m.nul = 0, false, -1
	m.class = [256]uint8{}
	if s.Release != ' ' {
		m.class[s.Release] = release
	}
	m.class[0] = nul
	m.class[s.Component] = separator
	m.class[s.Element] = separator
	m.class[s.Terminator] = terminator
	release := s.Release
	if release == ' ' {
		release = 0
	}
	for i, c := range [...]byte{s.Component, s.Element, s.Terminator, release} {
		w := uint64(c) * 0x0101010101010101
		m.pattern[i] = [4]uint64{w, w, w, w}
	}
}

// mark goes through buf[from:to], at most a block, and returns how far it
// came: to, or the position of a NUL.
func (m *marker) mark(buf []byte, from, to int) int {
	m.room(to - from)
	// Whole chunks in parallel; what stands before and behind them byte by byte.
	a := min(to, (from+chunk-1)&^(chunk-1))
	z := max(a, to&^(chunk-1))
	m.markBytes(buf, from, a)
	if a < z && m.nul < 0 {
		if m.markChunks(buf, a, z) {
			m.list(a, (z-a)/chunk)
		} else {
			z = a // there is a NUL, and some are not marked any more
		}
	}
	m.markBytes(buf, z, to)
	if m.nul >= 0 {
		return m.nul
	}
	return to
}

// room makes sure that the lists take what a piece of n bytes can hold, with a
// few entries of slack that list may write ahead.
func (m *marker) room(n int) {
	if need := m.en + n + slack; need > len(m.ends) {
		m.ends = lengthen(m.ends, max(need, minEnds))
	}
}

const (
	slack   = 3
	minEnds = 1024 // more than an ordinary block has
)

func lengthen[T any](s []T, n int) []T {
	t := make([]T, n)
	copy(t, s)
	return t
}

// markBytes marks buf[from:to] byte by byte, as far as a NUL.
func (m *marker) markBytes(buf []byte, from, to int) {
	for i := from; i < to && m.nul < 0; i++ {
		k, bit := i/chunk, uint64(1)<<(i%chunk)
		if bit == 1 {
			m.all[k], m.rel[k] = 0, 0
		}
		switch c := m.class[buf[i]]; {
		case c == nul:
			m.nul = i
		case m.carry:
			m.carry = false
		case c == release:
			m.carry = true
			m.rel[k] |= bit
		case c == terminator:
			m.ends[m.en] = uint32(i)
			m.en++
			m.all[k] |= bit
		case c == separator:
			m.all[k] |= bit
		}
	}
}

// markChunks sets the words of all, rel and term for buf[from:to], which is
// whole chunks. With a NUL among them it reports false, and they are void.
func (m *marker) markChunks(buf []byte, from, to int) bool {
	b, a, z := buf[from:to], from/chunk, to/chunk
	all, rel, term := m.all[a:z], m.rel[a:z], m.term[:z-a]
	if m.kernel != inGo {
		carry := uint64(0)
		if m.carry {
			carry = 1
		}
		if m.kernel == inSSE2 {
			carry = markSSE2(b, all, rel, term, &m.pattern, carry)
		} else {
			carry = markAVX2(b, all, rel, term, &m.pattern, carry)
		}
		if carry > 1 {
			return false
		}
		m.carry = carry == 1
		return true
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return false
	}
	compareGo(b, all, term, &m.pattern)
	clear(rel)
	m.release(b, all, rel, term)
	return true
}

// release sets the bits of the release characters in b, and takes away those of
// what stands behind one. It is the only place where the order of bytes matters:
// what stands behind one has lost its meaning, be it another one.
func (m *marker) release(b []byte, all, rel, term []uint64) {
	i := -2 // of a release character
	if m.carry {
		i = -1
	}
	m.carry = false
	for {
		if i++; i >= len(b) {
			m.carry = true
			return
		}
		if i >= 0 {
			all[i/chunk] &^= 1 << (i % chunk)
			term[i/chunk] &^= 1 << (i % chunk)
		}
		i++
		at := -1
		if m.seps.Release != ' ' {
			at = bytes.IndexByte(b[i:], m.seps.Release)
		}
		if at < 0 {
			return
		}
		i += at
		rel[i/chunk] |= 1 << (i % chunk)
	}
}

// compareGo sets the words of all and term for b, as if nothing were released.
//
// All separators are ASCII. So a byte with the high bit set is never one, and
// in the others adding 0x7f to seven bits carries into the eighth unless they
// are zero: eight comparisons in one addition.
func compareGo(b []byte, all, term []uint64, p *pattern) {
	pc, pe, pt := p[0][0], p[1][0], p[2][0]
	term = term[:len(all)]
	for k := range all {
		c := (*[chunk]byte)(b[k*chunk:])
		a0, t0 := compareWord(binary.LittleEndian.Uint64(c[0:]), pc, pe, pt)
		a1, t1 := compareWord(binary.LittleEndian.Uint64(c[8:]), pc, pe, pt)
		a2, t2 := compareWord(binary.LittleEndian.Uint64(c[16:]), pc, pe, pt)
		a3, t3 := compareWord(binary.LittleEndian.Uint64(c[24:]), pc, pe, pt)
		a := a0 | a1<<8 | a2<<16 | a3<<24
		t := t0 | t1<<8 | t2<<16 | t3<<24
		a0, t0 = compareWord(binary.LittleEndian.Uint64(c[32:]), pc, pe, pt)
		a1, t1 = compareWord(binary.LittleEndian.Uint64(c[40:]), pc, pe, pt)
		a2, t2 = compareWord(binary.LittleEndian.Uint64(c[48:]), pc, pe, pt)
		a3, t3 = compareWord(binary.LittleEndian.Uint64(c[56:]), pc, pe, pt)
		all[k] = ^(a | a0<<32 | a1<<40 | a2<<48 | a3<<56)
		term[k] = ^(t | t0<<32 | t1<<40 | t2<<48 | t3<<56)
	}
}

const (
	low7   = 0x7f7f7f7f7f7f7f7f
	high   = 0x8080808080808080
	gather = 0x0002040810204081
)

// compareWord has a zero bit in the lowest eight for each byte of w that is
// found. The multiplication gathers the high bit of every byte in one byte.
func compareWord(w, pc, pe, pt uint64) (all, term uint64) {
	low := w & low7
	t := (low ^ pt) + low7 | w
	s := ((low^pc)+low7)&((low^pe)+low7)&t | w
	return s & high * gather >> 56, t & high * gather >> 56
}

// list turns the terminators of n chunks, the first of them at position from,
// into positions.
//
// It writes without asking how much there is to write: three entries at a time,
// of which those that are none are overwritten by the next ones. A branch for
// every terminator would be guessed wrongly too often.
func (m *marker) list(from, n int) {
	en := m.en
	for k, t := range m.term[:n] {
		base := uint32(from + k*chunk)
		count := bits.OnesCount64(t)
		for i := en; ; i += slack {
			e := (*[slack]uint32)(m.ends[i:])
			e[0] = base + uint32(bits.TrailingZeros64(t))
			t &= t - 1
			e[1] = base + uint32(bits.TrailingZeros64(t))
			t &= t - 1
			e[2] = base + uint32(bits.TrailingZeros64(t))
			t &= t - 1
			if t == 0 {
				break
			}
		}
		en += count
	}
	m.en = en
}

// oddities returns a bit for each byte of the buffer before end that is a release
// character or has its high bit set. What has been marked since the last time is
// looked through first.
func (r *Reader) oddities(end uint32) []uint64 {
	if int(end) > r.oddTo {
		r.markOdd()
	}
	return r.odd
}

func (r *Reader) markOdd() {
	if len(r.odd) < len(r.all) {
		r.odd = lengthen(r.odd, len(r.all))
	}
	a, z := r.oddTo/chunk, (r.scanned+chunk-1)/chunk
	odd := r.odd[a:z]
	if b := r.buf[a*chunk : z*chunk]; r.kernel != inGo {
		upperKernel(b, odd)
	} else {
		upperGo(b, odd)
	}
	for i, w := range r.rel[a:z] {
		odd[i] |= w
	}
	r.oddTo = r.scanned
}

// upperGo sets a bit in upper for each byte of b with its high bit set.
func upperGo(b []byte, upper []uint64) {
	for k := range upper {
		c := (*[chunk]byte)(b[k*chunk:])
		var word uint64
		for i := 0; i < chunk; i += 8 {
			word = word>>8 | binary.LittleEndian.Uint64(c[i:i+8:i+8])&high*gather&^(1<<56-1)
		}
		upper[k] = word
	}
}

// window returns the bits in words for the 64 positions from first on, the first lowest.
func window(words []uint64, first uint32) uint64 {
	k, shift := first/chunk, first%chunk
	two := words[k : k+2]
	return two[0]>>shift | two[1]<<1<<(chunk-1-shift)
}

// anyBit reports whether there is a bit in words for a position from first on, before end.
func anyBit(words []uint64, first, end uint32) bool {
	for ; end-first > chunk; first += chunk {
		if window(words, first) != 0 {
			return true
		}
	}
	return window(words, first)&(1<<(end-first)-1) != 0
}

// separatorFrom returns the first marked position at or behind p. There must be one.
func (m *marker) separatorFrom(p uint32) uint32 {
	k := p / chunk
	if w := m.all[k] >> (p % chunk); w != 0 {
		return p + uint32(bits.TrailingZeros64(w))
	}
	for k++; m.all[k] == 0; k++ {
	}
	return k*chunk + uint32(bits.TrailingZeros64(m.all[k]))
}
