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
	ends []uint32 // positions of the terminators, ascending; en are valid
	rels []uint32 // positions of the release characters, ascending; rn are valid

	en, rn int
	carry  bool // the last byte marked is a release character in force
	nul    int  // position of the first NUL; -1: none so far. Nothing is marked behind it.

	kernel  bool // use the assembly kernel, where there is one
	seps    Separators
	class   [256]uint8
	pattern pattern
	term    [block / chunk]uint64 // as all, for the terminators of one block
}

// pattern is component separator, element separator and terminator, each
// filling a register of the kernel.
type pattern [3][2]uint64

// use sets the separators in force and forgets everything marked before.
func (m *marker) use(s Separators) {
	m.seps = s
	m.en, m.rn, m.carry, m.nul = 0, 0, false, -1
	m.class = [256]uint8{}
	if s.Release != ' ' {
		m.class[s.Release] = release
	}
	m.class[0] = nul
	m.class[s.Component] = separator
	m.class[s.Element] = separator
	m.class[s.Terminator] = terminator
	for i, c := range [...]byte{s.Component, s.Element, s.Terminator} {
		w := uint64(c) * 0x0101010101010101
		m.pattern[i] = [2]uint64{w, w}
	}
}

// mark goes through buf[from:to], at most a block, and returns how far it
// came: to, or the position of a NUL.
func (m *marker) mark(buf []byte, from, to int) int {
	if at := bytes.IndexByte(buf[from:to], 0); at >= 0 {
		to = from + at
		m.nul = to
	}
	first := from // the first byte that is not released by the one before this piece
	if m.carry && from < to {
		first++
		m.carry = false
	}
	rels := m.release(buf, first, to)
	m.room(to - from)

	// Whole chunks in parallel; what stands before and behind them byte by byte.
	a := min(to, (from+chunk-1)&^(chunk-1))
	z := max(a, to&^(chunk-1))
	m.markBytes(buf, from, a, first, rels)
	if a < z {
		words := m.all[a/chunk : z/chunk]
		m.compare(buf[a:z], words, m.term[:len(words)])
		if first > a && from == a {
			words[0] &^= 1
			m.term[0] &^= 1
		}
		for _, r := range rels {
			if i := int(r) + 1; i >= a && i < z {
				m.all[i/chunk] &^= 1 << (i % chunk)
				m.term[(i-a)/chunk] &^= 1 << (i % chunk)
			}
		}
		m.list(a, len(words))
	}
	m.markBytes(buf, z, to, first, rels)
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

// release finds the release characters in buf[from:to] and returns their
// positions. It is the only place where the order of bytes matters: what
// stands behind one has lost its meaning, be it another one.
func (m *marker) release(buf []byte, from, to int) []uint32 {
	had := m.rn
	for from < to && m.seps.Release != ' ' {
		at := bytes.IndexByte(buf[from:to], m.seps.Release)
		if at < 0 {
			break
		}
		from += at
		if m.rn == len(m.rels) {
			m.rels = lengthen(m.rels, max(64, 2*m.rn))
		}
		m.rels[m.rn] = uint32(from)
		m.rn++
		from += 2
		m.carry = from > to
	}
	return m.rels[had:m.rn]
}

// markBytes marks buf[from:to], in one chunk, byte by byte.
func (m *marker) markBytes(buf []byte, from, to, first int, rels []uint32) {
	if from == to {
		return
	}
	if from%chunk == 0 {
		m.all[from/chunk] = 0
	}
	for len(rels) > 0 && int(rels[0])+1 < from {
		rels = rels[1:]
	}
	for i := max(from, first); i < to; i++ {
		if len(rels) > 0 && int(rels[0])+1 == i {
			rels = rels[1:]
			continue
		}
		switch m.class[buf[i]] {
		case terminator:
			m.ends[m.en] = uint32(i)
			m.en++
			fallthrough
		case separator:
			m.all[i/chunk] |= 1 << (i % chunk)
		}
	}
}

// compare sets the words of all and term for b, which is as many chunks as
// there are words.
func (m *marker) compare(b []byte, all, term []uint64) {
	if m.kernel {
		compareKernel(b, all, term, &m.pattern)
		return
	}
	compareGo(b, all, term, &m.pattern)
}

// compareGo is compare without assembly.
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

// upperBits returns a bit for each byte of buf[first:last], at most 64, that has
// its high bit set. What has been marked since the last time is looked through first.
func (r *Reader) upperBits(first, last uint32) uint64 {
	if int(last) > r.upperTo {
		r.markUpper()
	}
	k, shift := first/chunk, first%chunk
	two := r.upper[k : k+2]
	return (two[0]>>shift | two[1]<<(chunk-shift)) & (1<<(last-first) - 1)
}

func (r *Reader) markUpper() {
	if len(r.upper) < len(r.all) {
		r.upper = lengthen(r.upper, len(r.all))
	}
	a, z := r.upperTo/chunk, (r.scanned+chunk-1)/chunk
	if b := r.buf[a*chunk : z*chunk]; r.kernel {
		upperKernel(b, r.upper[a:z])
	} else {
		upperGo(b, r.upper[a:z])
	}
	r.upperTo = r.scanned
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

// window returns the marks of the 64 positions from first on, the first lowest,
// as far as last.
func (m *marker) window(first, last uint32) uint64 {
	k, shift := first/chunk, first%chunk
	two := m.all[k : k+2]
	return (two[0]>>shift | two[1]<<(chunk-shift)) & (2<<(last-first) - 1)
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
