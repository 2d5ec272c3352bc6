package edifact

import (
	"bytes"
	"io"
	"math/bits"
	"strings"
	"testing"
	"testing/iotest"
)

// Between the marks of a segment stand its values, and behind it there is room,
// wherever in the file and in the buffer it is.
func TestMarksSeparateValues(t *testing.T) {
	text := "INV+A1+::x+'" + "TXT+" + strings.Repeat("y", 200) + "+" + strings.Repeat(":+", 90) + "z'" + "A1B'" + "ABC:1:2+3'" + "TXT+a?+b'"
	text += strings.Repeat("NDG+I10.00:R'", readLen/10) + "LST+1'"
	for _, src := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
		r := NewReader(src, Options{})
		for {
			s, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			padded := s.Padded()
			if len(padded) != len(s.Raw())+Padding || !bytes.Equal(padded[:len(s.Raw())], s.Raw()) {
				t.Fatalf("%q", padded)
			}
			if s.Released() != bytes.Contains(s.Raw(), []byte("?")) {
				t.Fatalf("%q released: %t", s.Raw(), s.Released())
			}
			if s.Released() {
				continue
			}
			from := lenTag + 1
			var got []string
			for first := from; first < len(s.Raw()); first += 64 {
				for word := s.Marks(first); word != 0; word &= word - 1 {
					to := first + bits.TrailingZeros64(word)
					got = append(got, string(padded[from:to]))
					from = to + 1
				}
			}
			var want []string
			for c := s.Cursor(); c.Next(); {
				want = append(want, string(c.Value()))
			}
			if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
				t.Fatalf("%q: %q, want %q", s.Raw(), got, want)
			}
		}
	}
}

// Body gives what Next would give, and ends where the body does.
func TestWalkerBody(t *testing.T) {
	const text = "UNB+UNOC:3+1+2+260101:1200+00001'UNH+00001+AUFN:16:000:00'FKT+1'INV+2'UNT+4+00001'UNH+00002+AUFN:16:000:00'UNT+2+00002'XYZ+1'UNZ+2+00001'"
	for _, in := range []string{text, text[:60], text[:70], strings.Replace(text, "INV+2'", "", 1), strings.Replace(text, "UNT+4+00001'", "", 1), strings.Replace(text, "INV", "in", 1), "", "ABC'"} {
		var want, got []string
		var faults [2]int
		note := func(list *[]string, s Segment, n int64) { *list = append(*list, string(s.Raw())) }
		walk := func(list *[]string, faults *int, body bool) error {
			w := NewWalker(strings.NewReader(in), Options{}, func(*EnvelopeError) { *faults++ })
			for {
				if body {
					for s, ok := w.Body(); ok; s, ok = w.Body() {
						note(list, s, 0)
					}
				}
				step, err := w.Next()
				if err != nil {
					return err
				}
				note(list, step.Segment, step.SegmentInMessage)
			}
		}
		a, b := walk(&want, &faults[0], false), walk(&got, &faults[1], true)
		if strings.Join(got, "|") != strings.Join(want, "|") || faults[0] != faults[1] || a.Error() != b.Error() {
			t.Errorf("%q:\n%q, %d faults, %v; want\n%q, %d, %v", in, got, faults[1], b, want, faults[0], a)
		}
	}
}
