package edifact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A Charset is a character set of the German exchange procedures, under the
// code that the Auftragsdatei uses in ZEICHENSATZ (Gemeinsame Grundsätze
// Technik, Anlage 2). The separators and the digits have the same bytes in all
// of them, so segments can be split before the set is known.
type Charset int

const (
	I1 Charset = iota + 1 // ISO 8859-1, the same as DIN 66303:2000-06
	I5                    // ISO 8859-15
	I7                    // DIN 66003, German reference version, seven bits
	I8                    // DIN 66303:1986-11, German reference version, eight bits
	U8                    // UTF-8
)

// ErrCharset: text or bytes that the character set does not hold.
var ErrCharset = errors.New("not in the character set")

// A CharsetError tells where a conversion met something that its target, or
// the set itself, does not hold. It does not carry the text around it.
type CharsetError struct {
	Charset Charset
	Index   int  // of the first offending byte, in the input
	Rune    rune // the character, when encoding; utf8.RuneError for bytes that are no UTF-8
	Byte    byte // the byte, when decoding
}

func (e *CharsetError) Error() string {
	if e.Charset < I1 || e.Charset > U8 {
		return fmt.Sprintf("edifact: no such character set: %v", e.Charset)
	}
	if e.Rune != 0 {
		return fmt.Sprintf("edifact: byte %d: %U is %v %v", e.Index, e.Rune, ErrCharset, e.Charset)
	}
	return fmt.Sprintf("edifact: byte %d: %#02x is %v %v", e.Index, e.Byte, ErrCharset, e.Charset)
}

func (e *CharsetError) Unwrap() error { return ErrCharset }

// String is the two-character code.
func (c Charset) String() string {
	switch c {
	case I1:
		return "I1"
	case I5:
		return "I5"
	case I7:
		return "I7"
	case I8:
		return "I8"
	case U8:
		return "U8"
	}
	return fmt.Sprintf("Charset(%d)", int(c))
}

// ParseCharset knows the codes I1, I5, I7, I8 and U8.
func ParseCharset(code string) (Charset, bool) {
	for c := I1; c <= U8; c++ {
		if c.String() == code {
			return c, true
		}
	}
	return 0, false
}

// A swap is a byte that does not mean what it means in ISO 8859-1.
type swap struct {
	b byte
	r rune
}

// German letters at the national positions of ISO 646 (DIN 66003).
var din66003 = [...]swap{
	{0x40, '§'}, {0x5b, 'Ä'}, {0x5c, 'Ö'}, {0x5d, 'Ü'}, {0x7b, 'ä'}, {0x7c, 'ö'}, {0x7d, 'ü'}, {0x7e, 'ß'},
}

// In the eight-bit set the characters that DIN 66003 displaces stand where
// ISO 8859-1 has the German letters.
var din66303 = [...]swap{
	{0xa7, '@'}, {0xc4, '['}, {0xd6, '\\'}, {0xdc, ']'}, {0xdf, '~'}, {0xe4, '{'}, {0xf6, '|'}, {0xfc, '}'},
}

// The eight positions in which ISO 8859-15 departs from ISO 8859-1.
var latin9 = [...]swap{
	{0xa4, '€'}, {0xa6, 'Š'}, {0xa8, 'š'}, {0xb4, 'Ž'}, {0xb8, 'ž'}, {0xbc, 'Œ'}, {0xbd, 'œ'}, {0xbe, 'Ÿ'},
}

// swaps returns the two lists of exceptions from ISO 8859-1.
func (c Charset) swaps() (lower, upper []swap) {
	switch c {
	case I5:
		return nil, latin9[:]
	case I7:
		return din66003[:], nil
	case I8:
		return din66003[:], din66303[:]
	}
	return nil, nil
}

// decode returns the character of a byte, and -1 if there is none.
func (c Charset) decode(b byte) rune {
	if c == I7 && b >= 0x80 {
		return -1
	}
	lower, upper := c.swaps()
	if b >= 0x80 {
		lower = upper
	}
	for _, s := range lower {
		if s.b == b {
			return s.r
		}
	}
	return rune(b)
}

// encode returns the byte of a character.
func (c Charset) encode(r rune) (byte, bool) {
	lower, upper := c.swaps()
	for _, list := range [...][]swap{lower, upper} {
		for _, s := range list {
			if s.r == r {
				return s.b, true
			}
		}
	}
	if r < 0 || r > 0xff || c.decode(byte(r)) != r {
		return 0, false
	}
	return byte(r), true
}

// AppendDecoded appends to dst the text in src as UTF-8. A byte that the set
// does not define gives a *[CharsetError] and what came before it.
func (c Charset) AppendDecoded(dst, src []byte) ([]byte, error) {
	switch c {
	default:
		return dst, &CharsetError{Charset: c}
	case I5, I7, I8:
	case U8:
		for i := 0; i < len(src); {
			r, n := utf8.DecodeRune(src[i:])
			if r == utf8.RuneError && n == 1 {
				return append(dst, src[:i]...), &CharsetError{Charset: c, Index: i, Byte: src[i]}
			}
			i += n
		}
		return append(dst, src...), nil
	case I1:
		return appendLatin1(dst, src), nil
	}
	for i, b := range src {
		r := c.decode(b)
		if r < 0 {
			return dst, &CharsetError{Charset: c, Index: i, Byte: b}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, nil
}

// appendLatin1 is I1, the set of nearly every § 301 file, in one pass.
func appendLatin1(dst, src []byte) []byte {
	if ascii(src) {
		return append(dst, src...)
	}
	for _, b := range src {
		if b < 0x80 {
			dst = append(dst, b)
		} else {
			dst = append(dst, 0xc0|b>>6, 0x80|b&0x3f)
		}
	}
	return dst
}

// ascii reports whether no byte has its high bit set.
func ascii(b []byte) bool {
	const high = 0x8080808080808080
	n := len(b)
	switch {
	case n >= 8:
		for i := 0; i+8 <= n; i += 8 {
			if binary.LittleEndian.Uint64(b[i:])&high != 0 {
				return false
			}
		}
		return binary.LittleEndian.Uint64(b[n-8:])&high == 0
	case n >= 4:
		return (binary.LittleEndian.Uint32(b)|binary.LittleEndian.Uint32(b[n-4:]))&(high>>32) == 0
	case n > 0:
		return (b[0]|b[n/2]|b[n-1])&0x80 == 0
	}
	return true
}

// AppendEncoded appends to dst the UTF-8 text src in the character set. A
// character that the set does not hold, and bytes that are no UTF-8, give a
// *[CharsetError] and what came before it; nothing is ever replaced.
func (c Charset) AppendEncoded(dst []byte, src string) ([]byte, error) {
	if c < I1 || c > U8 {
		return dst, &CharsetError{Charset: c}
	}
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRuneInString(src[i:])
		if r == utf8.RuneError && n == 1 {
			return dst, &CharsetError{Charset: c, Index: i, Rune: r}
		}
		if c == U8 {
			dst = append(dst, src[i:i+n]...)
		} else {
			b, ok := c.encode(r)
			if !ok {
				return dst, &CharsetError{Charset: c, Index: i, Rune: r}
			}
			dst = append(dst, b)
		}
		i += n
	}
	return dst, nil
}

// Decode returns the text in src, for a single value.
func (c Charset) Decode(src []byte) (string, error) {
	b, err := c.AppendDecoded(nil, src)
	return string(b), err
}

// Encode returns src in the character set, for a single value.
func (c Charset) Encode(src string) ([]byte, error) { return c.AppendEncoded(nil, src) }
