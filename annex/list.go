package annex

import (
	"encoding/binary"
	"strings"
)

// A Code is one row of a code list. Its text is German.
type Code struct {
	Code               string // "01"; "#" stands for any digit, a "*" at the end for any rest
	Text               string
	ValidFrom, ValidTo int // JJJJMMTT; 0 is open
	Line               int
}

// A List is a code list of Anlage 2.
type List struct {
	Name               string // "fachabteilung"
	Rule               string // code of the rule that a value outside of it breaks
	Title              string // "Fachabteilung"
	Key                string // number of the Schlüssel in Anlage 2, empty if it was not seen
	Basis              Basis
	ValidFrom, ValidTo int
	Codes              []Code
	File               string

	shapes   []shape
	timeless bool   // no code has days on which it is valid
	slots    []slot // open addressing, a power of two
	shift    uint
}

// A shape is what codes of the same pattern have in common: which characters are
// given, which must be digits, and the length.
type shape struct {
	given, digit uint64 // one byte of ones per character
	min, max     int
}

type slot struct {
	key   uint64
	shape uint8
	code  uint16 // 1 + index into Codes; 0: free
}

const maxCode = 8 // characters of a code

// parseList reads a code list.
//
//	list  | name | rule | title | Schlüssel | mark | source
//	valid | 2026-01-01 | 2026-12-31          optional
//	code | text | valid from | valid to
func (r *tableReader) parseList() *List {
	l := &List{File: r.file}
	seen := make(map[string]int)
	for {
		cells, ok := r.next()
		if !ok {
			break
		}
		switch {
		case cells[0] == "list" && l.Name == "":
			if r.want(cells, 6, 7) {
				l.Name, l.Rule, l.Title, l.Key, l.Basis = cells[1], cells[2], cells[3], cells[4], r.basis(cells[5], cell(cells, 6))
			}
			if l.Name == "" || l.Title == "" {
				r.fail(r.line, "list without a name or a title")
			}
			if !strings.HasPrefix(l.Rule, "G3-") || len(l.Rule) != 6 || !digits(l.Rule[3:]) {
				r.fail(r.line, "rule %q is not of the form G3-123", l.Rule)
			}
		case l.Name == "":
			r.fail(r.line, "the first line must be the list")
		case cells[0] == "valid":
			if r.want(cells, 2, 3) {
				l.ValidFrom, l.ValidTo = r.window(cells[1], cell(cells, 2))
			}
		case r.want(cells, 2, 4):
			c := Code{Code: cells[0], Text: cells[1], Line: r.line}
			c.ValidFrom, c.ValidTo = r.window(cell(cells, 2), cell(cells, 3))
			stem := strings.TrimSuffix(c.Code, "*")
			if stem == "" || len(stem) > maxCode || strings.Contains(stem, "*") {
				r.fail(r.line, "code %q must have 1 to %d characters, and * at its end only", c.Code, maxCode)
			}
			if at := seen[c.Code]; at > 0 {
				r.fail(r.line, "code %q stands in line %d already", c.Code, at)
			}
			seen[c.Code] = r.line
			l.Codes = append(l.Codes, c)
		}
	}
	if l.Name == "" || len(l.Codes) == 0 || len(l.Codes) > 60_000 {
		r.fail(r.line, "a list must have a name and up to 60,000 codes")
	}
	if r.err == nil {
		l.index()
	}
	return l
}

// index builds the table in which Contains looks.
func (l *List) index() {
	size, bits := 8, uint(3)
	for size < 2*len(l.Codes) {
		size, bits = size*2, bits+1
	}
	l.slots, l.shift = make([]slot, size), 64-bits
	l.timeless = true
	for i, c := range l.Codes {
		l.timeless = l.timeless && c.ValidFrom == 0 && c.ValidTo == 0
		stem, open := strings.CutSuffix(c.Code, "*")
		s := shape{min: len(stem), max: len(stem)}
		if open {
			s.max = 1 << 30
		}
		var key uint64
		for at := range len(stem) {
			if ones := uint64(0xff) << (8 * at); stem[at] == '#' {
				s.digit |= ones
			} else {
				s.given |= ones
				key |= uint64(stem[at]) << (8 * at)
			}
		}
		n := 0
		for n < len(l.shapes) && l.shapes[n] != s {
			n++
		}
		if n == len(l.shapes) {
			l.shapes = append(l.shapes, s)
		}
		at := l.hash(key)
		for l.slots[at].code != 0 {
			at = (at + 1) & (len(l.slots) - 1)
		}
		l.slots[at] = slot{key, uint8(n), uint16(i + 1)}
	}
}

func (l *List) hash(key uint64) int { return int(key * 0x9E3779B97F4A7C15 >> l.shift) }

// Contains reports whether v is a code of the list on a day, JJJJMMTT; 0: on any.
func (l *List) Contains(v []byte, day int) bool { return l.find(v, day) != nil }

// Text is the German text of a code on a day, empty if it is none.
func (l *List) Text(v string, day int) string {
	if c := l.find([]byte(v), day); c != nil {
		return c.Text
	}
	return ""
}

func (l *List) find(v []byte, day int) *Code {
	word := pack(v)
	for n := range l.shapes {
		s := &l.shapes[n]
		if len(v) < s.min || len(v) > s.max || s.digit != 0 && !digitsAt(word, s.digit) {
			continue
		}
		key := word & s.given
		for at := l.hash(key); l.slots[at].code != 0; at = (at + 1) & (len(l.slots) - 1) {
			if l.slots[at].key != key || int(l.slots[at].shape) != n {
				continue
			}
			c := &l.Codes[l.slots[at].code-1]
			if day == 0 || day >= c.ValidFrom && (c.ValidTo == 0 || day <= c.ValidTo) {
				return c
			}
		}
	}
	return nil
}

// pack puts the first eight characters into a word, the first in its lowest byte.
func pack(v []byte) uint64 {
	switch {
	case len(v) >= 8:
		return binary.LittleEndian.Uint64(v)
	case len(v) >= 4:
		return uint64(binary.LittleEndian.Uint32(v)) | uint64(binary.LittleEndian.Uint32(v[len(v)-4:]))<<(8*(len(v)-4))
	}
	var w uint64
	for i, c := range v {
		w |= uint64(c) << (8 * i)
	}
	return w
}

// digitsAt reports whether the bytes of a word under a mask are digits.
func digitsAt(word, mask uint64) bool {
	for m := mask; m != 0; m >>= 8 {
		if m&0xff != 0 && byte(word)-'0' > 9 {
			return false
		}
		word >>= 8
	}
	return true
}
