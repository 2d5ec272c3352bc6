package edifact

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/text/encoding/charmap"
)

func TestCharsetBytes(t *testing.T) {
	for _, c := range []struct {
		set   Charset
		text  string
		bytes string
	}{
		{I1, "Größe §1 [ä] £¤", "Gr\xf6\xdfe \xa71 [\xe4] \xa3\xa4"},
		{I5, "Größe € Šš Žž Œœ Ÿ", "Gr\xf6\xdfe \xa4 \xa6\xa8 \xb4\xb8 \xbc\xbd \xbe"},
		{I7, "ÄÖÜäöüß§ +:?'", "\x5b\x5c\x5d\x7b\x7c\x7d\x7e\x40 +:?'"},
		{I8, "ÄÖÜäöüß§", "\x5b\x5c\x5d\x7b\x7c\x7d\x7e\x40"},
		{I8, "[\\]{|}~@ éã", "\xc4\xd6\xdc\xe4\xf6\xfc\xdf\xa7 \xe9\xe3"},
		{U8, "Größe €\ufffd", "Gr\xc3\xb6\xc3\x9fe \xe2\x82\xac\xef\xbf\xbd"},
	} {
		b, err := c.set.Encode(c.text)
		if err != nil || string(b) != c.bytes {
			t.Errorf("%v: %q is %q (%v), want %q", c.set, c.text, b, err, c.bytes)
		}
		s, err := c.set.Decode([]byte(c.bytes))
		if err != nil || s != c.text {
			t.Errorf("%v: %q is %q (%v), want %q", c.set, c.bytes, s, err, c.text)
		}
	}
}

// Every byte that can be decoded is encoded to itself, and the sets that
// golang.org/x/text knows agree with it, the controls 80 to 9F aside, which it
// leaves out of ISO 8859-15.
func TestCharsetAllBytes(t *testing.T) {
	peers := map[Charset]*charmap.Charmap{I1: charmap.ISO8859_1, I5: charmap.ISO8859_15}
	for set := I1; set <= I8; set++ {
		seen := map[string]byte{}
		for i := range 256 {
			b := byte(i)
			s, err := set.Decode([]byte{b})
			if err != nil {
				if set != I7 || b < 0x80 {
					t.Errorf("%v: %#x: %v", set, b, err)
				}
				continue
			}
			if other, ok := seen[s]; ok {
				t.Errorf("%v: %#x and %#x are both %q", set, b, other, s)
			}
			seen[s] = b
			if back, err := set.Encode(s); err != nil || !bytes.Equal(back, []byte{b}) {
				t.Errorf("%v: %#x comes back as %x (%v)", set, b, back, err)
			}
			if p := peers[set]; p != nil && b&0xe0 != 0x80 && string(p.DecodeByte(b)) != s {
				t.Errorf("%v: %#x is %q, elsewhere %q", set, b, s, p.DecodeByte(b))
			}
		}
	}
}

func TestCharsetRefuses(t *testing.T) {
	for _, c := range []struct {
		set   Charset
		text  string
		index int
	}{
		{I1, "ä€", 2}, {I1, "abŠ", 2}, {I5, "a¤", 1}, {I7, "ä[", 2}, {I7, "@", 0}, {I7, "é", 0}, {I8, "Ł", 0},
		{I1, "a\xff", 1}, {U8, "ä\xc3", 2}, {Charset(0), "a", 0}, {Charset(9), "a", 0},
	} {
		_, err := c.set.Encode(c.text)
		var ce *CharsetError
		if !errors.Is(err, ErrCharset) || !errors.As(err, &ce) || ce.Index != c.index {
			t.Errorf("%v encodes %q: %v, want an error at %d", c.set, c.text, err, c.index)
		}
	}
	for _, c := range []struct {
		set   Charset
		text  string
		index int
	}{{I7, "ab\xe4", 2}, {U8, "a\xe4b", 1}, {U8, "a\xc3", 1}, {Charset(0), "a", 0}} {
		_, err := c.set.Decode([]byte(c.text))
		var ce *CharsetError
		if !errors.As(err, &ce) || ce.Index != c.index {
			t.Errorf("%v decodes %q: %v, want an error at %d", c.set, c.text, err, c.index)
		}
	}
}

func TestParseCharset(t *testing.T) {
	for c := I1; c <= U8; c++ {
		if got, ok := ParseCharset(c.String()); !ok || got != c {
			t.Errorf("%v: %v %v", c, got, ok)
		}
	}
	if _, ok := ParseCharset("P8"); ok {
		t.Error("P8 is known")
	}
}
