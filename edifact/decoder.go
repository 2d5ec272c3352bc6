package edifact

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// A Decoder gives all values of a segment as text in UTF-8, released characters
// resolved. It is the fast way for who wants most of them. Its zero value is
// useful, the same one can serve for every segment, and it must not be copied:
//
//	d := edifact.Decoder{Charset: edifact.I1}
//	values, err := d.Values(segment)
//	for _, v := range values {
//		use(v.Element, v.Component, d.Bytes(v))
//	}
//
// Where nothing is to be changed, which is the rule, the values are views of the
// reader's buffer. Otherwise it is the segment that is decoded, and with it the
// bits that mark where its values end, so that these need no looking at either.
type Decoder struct {
	Charset Charset // of the file; 0 leaves the bytes as they are

	buf   []byte          // in which the values are: the reader's, or one of these two
	short [3 * chunk]byte // a short segment decoded, and what is copied with it
	long  []byte          // the values of any other
	few   [stride]Value
	many  []Value
}

// Values returns all values after the tag. They hold as long as the segment
// does, and until the next call. A byte that the character set does not define
// gives a *[ValueError] around a *[CharsetError].
func (d *Decoder) Values(s Segment) ([]Value, error) {
	r, at := s.r, s.start+lenTag // the mark behind the tag
	n := s.end - at
	oddities := r.rel // bytes that are not taken as they are
	switch {
	case n >= chunk, d.Charset < 0, d.Charset > I1:
		return d.any(s)
	case d.Charset == I1:
		oddities = r.oddities(s.end)
	}
	count := 0
	switch r.kernel {
	case inAVX512:
		count = valuesAVX512(&d.few, &d.short, &r.buf[0], &r.all[0], &oddities[0], at, n, uint32(r.seps.Element))
	case inAVX2:
		count = valuesAVX2(&d.few, &d.short, &r.buf[0], &r.all[0], &oddities[0], at, n, uint32(r.seps.Element))
	default:
		count = d.inGo(r, oddities, at, n)
	}
	switch {
	case count < 0:
		return d.any(s)
	case count < decoded:
		d.buf = r.buf
	default:
		d.buf = d.short[:]
		count -= decoded
	}
	return d.few[:count], nil
}

const decoded = 64 // added to the count of values if they are in Decoder.short

// inGo puts the values of a segment of n < chunk bytes behind position at into
// d.few and returns their count, or -1 if there are too many of them or of the
// bytes of which oddities has a bit.
func (d *Decoder) inGo(r *Reader, oddities []uint64, at, n uint32) int {
	odd := window(oddities, at) & (1<<(n%chunk) - 1)
	marks := window(r.all, at) & (2<<(n%chunk) - 1)
	count := bits.OnesCount64(marks) - 1
	buf := r.buf[at : at+2*chunk]
	if odd != 0 {
		if int(n)+bits.OnesCount64(odd) >= chunk-1 { // marks are moved by two and back by one
			return -1
		}
		marks = decodeShort(&d.short, buf, odd, marks)
		buf, at = d.short[:], 0
	}
	if count > stride {
		return -1
	}
	spread(&d.few, buf, at, r.seps.Element, marks&^1, Value{Component: 1})
	if odd != 0 {
		count += decoded
	}
	return count
}

// decodeShort writes the beginning of src to dst without those of the bytes in
// odd that are ASCII, which are release characters, and with the others, which
// are Latin-1, as UTF-8. It returns marks with each bit where its byte has gone.
// It copies more than it needs, since that can be done without asking how much.
func decodeShort(dst *[3 * chunk]byte, src []byte, odd, marks uint64) uint64 {
	copyChunk(dst[:], src)
	longer := 0
	for ; odd != 0; odd &= odd - 1 {
		from := bits.TrailingZeros64(odd)
		to := from + longer
		c := src[from]
		size := int(c >> 7 << 1) // of what the byte becomes: 2 or 0
		dst[to], dst[to+1] = 0xc0|c>>6, 0x80|c&0x3f
		copyChunk(dst[to+size:], src[from+1:])
		before := uint64(1)<<(to%chunk) - 1
		marks = marks&before | marks&^before<<(size%chunk)>>1
		longer += size - 1
	}
	return marks
}

// copyChunk is what a call of copy would take longer for.
func copyChunk(dst, src []byte) {
	d, s := dst[:chunk], src[:chunk]
	for i := 0; i < chunk; i += 8 {
		binary.LittleEndian.PutUint64(d[i:], binary.LittleEndian.Uint64(s[i:]))
	}
}

// any is Values for every segment and every character set.
func (d *Decoder) any(s Segment) ([]Value, error) {
	if cap(d.many) == 0 {
		d.many = make([]Value, 0, 4*stride)
	}
	d.many = s.appendPlaces(d.many[:0])
	// Where the bytes without a bit in oddities are text as they stand.
	oddities, ascii := s.r.rel, d.Charset == 0
	if d.Charset == I1 || d.Charset == I5 {
		oddities, ascii = s.r.oddities(s.end), true
	}
	if (ascii || d.Charset == U8 && utf8.Valid(s.Raw())) && !anyBit(oddities, s.start, s.end) {
		d.buf = s.r.buf
		return d.many, nil
	}
	d.long = slices.Grow(d.long[:0], 2*len(s.Raw())) // enough unless a byte becomes three
	for i := range d.many {
		v := &d.many[i]
		from := len(d.long)
		if ascii && !anyBit(oddities, v.from, v.to) {
			d.long = append(d.long, s.r.buf[v.from:v.to]...)
		} else if err := d.decode(s, v); err != nil {
			return nil, err
		}
		v.from, v.to = uint32(from), uint32(len(d.long))
	}
	d.buf = d.long
	return d.many, nil
}

// decode appends a value to d.long.
func (d *Decoder) decode(s Segment, v *Value) (err error) {
	raw := s.resolve(v.from, v.to)
	if d.Charset == 0 {
		d.long = append(d.long, raw...)
		return nil
	}
	if d.long, err = d.Charset.AppendDecoded(d.long, raw); err != nil {
		return &ValueError{s.Tag(), int(v.Element), int(v.Component), err.(*CharsetError).Index, err}
	}
	return nil
}

// Bytes returns one of the values that came from the last call of Values.
func (d *Decoder) Bytes(v Value) []byte { return d.buf[v.from:v.to:v.to] }
