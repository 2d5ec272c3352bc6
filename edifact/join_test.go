package edifact

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// three are writers with both kernels, with the slower one, and in Go.
type three struct {
	out     [3]bytes.Buffer
	writers [3]*Writer
}

func newThree(o WriterOptions) *three {
	var t three
	for i := range t.writers {
		t.writers[i] = NewWriter(&t.out[i], o)
		if i > 0 {
			t.writers[i].quick = false
		}
		if i > 1 {
			t.writers[i].join = nil
		}
	}
	return &t
}

// segment writes to all of them, and tells what they disagree about.
func (t *three) segment(tag string, elements ...Element) (said string, err error) {
	err = t.writers[2].Segment(tag, elements...)
	for i, w := range t.writers[:2] {
		if got := w.Segment(tag, elements...); fmt.Sprint(got) != fmt.Sprint(err) {
			return fmt.Sprintf("%q: writer %d says %v, in Go %v", elements, i, got, err), err
		}
	}
	return "", err
}

func (t *three) flush() (out []byte, said string) {
	for i, w := range t.writers {
		if err := w.Flush(); err != nil {
			return nil, err.Error()
		}
		if i > 0 && !bytes.Equal(t.out[i].Bytes(), t.out[0].Bytes()) {
			return nil, fmt.Sprintf("one writes %q,\nanother %q", t.out[0].Bytes(), t.out[i].Bytes())
		}
	}
	return t.out[0].Bytes(), ""
}

func checkJoin(t *testing.T, elements ...Element) {
	t.Helper()
	w := newThree(WriterOptions{})
	for range 2 { // the first segment of all is not written quickly
		if said, err := w.segment("TXT", elements...); err != nil || said != "" {
			t.Fatal(err, said)
		}
	}
	if _, said := w.flush(); said != "" {
		t.Fatal(said)
	}
}

// Every byte at every place, for every level.
func TestJoinEveryByte(t *testing.T) {
	for _, level := range []Level{LevelA, LevelB, LevelC, LevelW, LevelAny} {
		for _, seps := range []Separators{DefaultSeparators(), {'*', '|', '.', '!', ' ', '~'}} {
			w := newThree(WriterOptions{Level: level, Separators: seps})
			for c := range 256 {
				for at := range 20 {
					v := strings.Repeat("A", at) + string([]byte{byte(c)}) + "B"
					if said, _ := w.segment("TXT", C(v)); said != "" {
						t.Fatalf("%v: %s", level, said)
					}
					if at < 10 {
						if said, _ := w.segment("TXT", nil, C(v, "", v), C("", v), C("")); said != "" {
							t.Fatalf("%v: %s", level, said)
						}
					}
				}
			}
			if _, said := w.flush(); said != "" {
				t.Fatalf("%v: %s", level, said)
			}
		}
	}
}

// Segments of about 64 bytes, with and without something to be released at every
// place, and empty components and elements everywhere.
func TestJoinOfEveryLength(t *testing.T) {
	w := newThree(WriterOptions{})
	for n := range 17 {
		for m := range 40 {
			for released := range 5 {
				a := strings.Repeat("?", min(n, released)) + strings.Repeat("a", n-min(n, released))
				b := strings.Repeat("b", min(m, 16))
				c := strings.Repeat("c", max(0, m-16)/2) + strings.Repeat("+", released/2)
				for _, elements := range [][]Element{
					{C(a), C(b), C(c, a)}, {C(a, b, c), C("")}, {nil, C(a, "", ""), nil, C("", b), C(c)}, {C(b, a), C(c), C(b), C(a)}, {C("", "")}, {}, {C(c), nil, nil},
				} {
					if said, _ := w.segment("TXT", elements...); said != "" {
						t.Fatal(said)
					}
				}
			}
		}
	}
	if _, said := w.flush(); said != "" {
		t.Fatal(said)
	}
}

// Segments that come to an end of the buffer at every place.
func TestJoinAtTheEndOfTheBuffer(t *testing.T) {
	v := strings.Repeat("y", 50)
	for n := flushAt - 200; n < flushAt; n++ {
		for _, newline := range []string{"", "\r\n"} {
			w := newThree(WriterOptions{Newline: newline})
			for _, e := range [][]Element{{C(strings.Repeat("x", n))}, {C("1")}, {C(strings.Repeat("z", flushAt/4-100)), C(v, v), C(v)}, {C("1", "?")}} {
				if said, err := w.segment("TXT", e...); err != nil || said != "" {
					t.Fatal(err, said)
				}
			}
			if _, said := w.flush(); said != "" {
				t.Fatalf("%d bytes before: %s", n, said)
			}
		}
	}
}
