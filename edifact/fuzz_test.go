package edifact

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

func seeds(f *testing.F) [][]byte {
	s := [][]byte{
		[]byte(una + unb + m1 + m2 + unz),
		[]byte("\ufeffUNA*|.! ~UNB|UNOC*3~\r\nBGM|!~!!!|*~UNZ|1~\x1a"),
		[]byte("UNZ'UNA:+.  'UNB+?'UNZ'UNB+?+'"),
		[]byte("UNB+" + "???'?'" + "'BGM+\xc4\xd6:?"),
		sample(300, DefaultSeparators()),
	}
	return s
}

// The same tokens and errors however the bytes arrive: all, one, eight, at
// random; and the same as the oracle's.
func FuzzArrival(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, uint16(200), uint64(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, limit uint16, seed uint64) {
		checkArrivals(t, in, max(minSegment, int(limit)), seed)
	})
}

// The kernel marks what pure Go marks and what a table says, wherever the pieces end.
func FuzzMarker(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, byte(':'), byte('+'), byte('?'), byte('\''), uint8(64))
	}
	f.Add(bytes.Repeat([]byte("?"), 200), byte(':'), byte('+'), byte('?'), byte('\''), uint8(100))
	f.Add(bytes.Repeat([]byte("':+"), 70), byte(':'), byte('+'), byte(' '), byte('\''), uint8(7))
	f.Fuzz(func(t *testing.T, in []byte, c, e, r, term byte, piece uint8) {
		s := Separators{c, e, ',', r, ' ', term}
		if _, err := s.check(); err != nil || len(in) > 8*block {
			return
		}
		type result struct {
			all, ends []uint32
			carry     bool
			nul       int
		}
		var want result
		want.nul = -1
		for i, b := range in {
			switch {
			case b == 0:
				want.nul, want.carry = i, false
			case want.carry:
				want.carry = false
				continue
			case b == r && r != ' ':
				want.carry = true
			case b == term:
				want.ends = append(want.ends, uint32(i))
				fallthrough
			case b == c, b == e:
				want.all = append(want.all, uint32(i))
			}
			if want.nul >= 0 {
				break
			}
		}
		for kernel := inGo; kernel <= min(bestKernel(), inAVX2); kernel++ {
			for _, step := range []int{block, max(1, int(piece))} {
				m := marker{kernel: kernel, all: make([]uint64, len(in)/chunk+1), rel: make([]uint64, len(in)/chunk+1)}
				m.use(s)
				var got result
				to := 0
				for to < len(in) && m.nul < 0 {
					m.en = 0
					to = m.mark(in, to, min(len(in), to&^(chunk-1)+block, to+step))
					got.ends = append(got.ends, m.ends[:m.en]...)
				}
				for i := range to {
					if m.all[i/chunk]>>(i%chunk)&1 != 0 {
						got.all = append(got.all, uint32(i))
					}
				}
				got.carry, got.nul = m.carry && m.nul < 0, m.nul
				if !slices.Equal(got.all, want.all) || !slices.Equal(got.ends, want.ends) || got.carry != want.carry || got.nul != want.nul {
					t.Fatalf("kernel %v, pieces of %d: %q with %+v:\n got %v\nwant %v", kernel, step, in, s, got, want)
				}
			}
		}
	})
}

// values reads a file into memory, trailing empties cut off as a writer does.
func values(t *testing.T, in []byte) (tags []string, out [][]Element, err error) {
	t.Helper()
	r := NewReader(bytes.NewReader(in), Options{})
	for {
		s, err := r.Next()
		if err != nil {
			return tags, out, err
		}
		tags = append(tags, s.Tag())
		var elements []Element
		for e := 1; e <= s.Elements(); e++ {
			var el Element
			for c := 1; c <= s.Components(e); c++ {
				el = append(el, string(s.Value(e, c)))
			}
			elements = append(elements, trimmed(el, func(v string) bool { return v == "" }))
		}
		out = append(out, trimmed(elements, func(e Element) bool { return len(e) == 0 }))
	}
}

func trimmed[T any](s []T, empty func(T) bool) []T {
	for len(s) > 0 && empty(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func same(a, b [][]Element) bool {
	return slices.EqualFunc(a, b, func(a, b []Element) bool {
		return slices.EqualFunc(a, b, func(a, b Element) bool { return slices.Equal(a, b) })
	})
}

// What was read can be written, by value and by copy, and reads the same again.
func FuzzRewrite(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		tags, want, end := values(t, in)
		for i, tag := range tags {
			if tag == "UNZ" && i < len(tags)-1 || tag == "UNA" {
				return // several interchanges, which may change the separators
			}
		}
		r := NewReader(bytes.NewReader(in), Options{})
		if _, err := r.Next(); err != nil {
			return
		}
		o := WriterOptions{Separators: r.Separators(), Level: LevelAny}

		var byValue, byCopy, raw bytes.Buffer
		v, c := NewWriter(&byValue, o), NewWriter(&byCopy, o)
		raw.Write(v.advice(nil)) // a UNA, if the separators are not the default ones
		r = NewReader(bytes.NewReader(in), Options{})
		for i := range tags {
			s, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !explicit(s) {
				if err := v.Segment(tags[i], want[i]...); err != nil {
					t.Fatalf("%q: %v", s.Raw(), err)
				}
			} else if err := v.Copy(s); err != nil {
				t.Fatal(err)
			}
			if err := c.Copy(s); err != nil {
				t.Fatal(err)
			}
			raw.Write(s.Raw())
		}
		if err := errors.Join(v.Flush(), c.Flush()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(byCopy.Bytes(), raw.Bytes()) {
			t.Fatalf("copied %q, want %q", byCopy.Bytes(), raw.Bytes())
		}
		againTags, again, err := values(t, byValue.Bytes())
		if err != io.EOF || !slices.Equal(againTags, tags) || !same(again, want) {
			t.Fatalf("%q (%v)\nis written as %q\nand reads %v %q,\nwant %q", in, end, byValue.Bytes(), err, again, want)
		}
	})
}

// explicit reports whether the tag has components, which Segment cannot write.
func explicit(s Segment) bool { return s.Components(0) > 1 }

// What is written reads the same, and what cannot be written leaves no trace.
func FuzzWrite(f *testing.F) {
	f.Add([]byte("abc\x01d+e\x02?\x03'"), byte(':'), byte('+'), byte('?'), byte('\''), uint8(0), false)
	f.Add([]byte("\xe4\x02\x02\x01\x03*~!"), byte('*'), byte('|'), byte('!'), byte('~'), uint8(4), true)
	f.Add(append(bytes.Repeat([]byte("0123456789abcdef"), 5), "+xyz\x01\x02\x02?\x01\x02"...), byte(':'), byte('+'), byte('?'), byte('\''), uint8(0), false)
	f.Add([]byte("A\x01B"), byte(':'), byte('+'), byte(' '), byte('\''), uint8(1), true)
	f.Fuzz(func(t *testing.T, in []byte, c, e, r, term byte, level uint8, una bool) {
		o := WriterOptions{Separators: Separators{c, e, ',', r, ' ', term}, Level: Level(level % 5), UNA: una}
		if len(in) > defaultSegment/3 {
			return
		}
		w := newThree(o)
		var want [][]Element
		refused := false
		// 1 ends a component, 2 an element, 3 a segment.
		for _, seg := range bytes.Split(in, []byte{3}) {
			var elements []Element
			for _, el := range bytes.Split(seg, []byte{2}) {
				var element Element
				for _, v := range bytes.Split(el, []byte{1}) {
					element = append(element, string(v))
				}
				elements = append(elements, element)
			}
			said, err := w.segment("TXT", elements...)
			if said != "" {
				t.Fatal(said)
			}
			var ve *ValueError
			switch {
			case err == nil:
				for i := range elements {
					elements[i] = trimmed(elements[i], func(v string) bool { return v == "" })
				}
				want = append(want, trimmed(elements, func(e Element) bool { return len(e) == 0 }))
			case errors.As(err, &ve):
				v := elements[ve.Element-1][ve.Component-1]
				b := v[ve.Index]
				if errors.Is(err, ErrCharacter) && o.Level.holds(b) || errors.Is(err, ErrNoRelease) && r != ' ' {
					t.Fatalf("%q refused: %v", v, err)
				}
				refused = true
			default:
				if _, bad := o.Separators.check(); bad == nil {
					t.Fatal(err)
				}
				return
			}
		}
		out, said := w.flush()
		if said != "" {
			t.Fatal(said)
		}
		if !refused && len(want) == 0 {
			t.Fatal("nothing written and nothing refused")
		}
		_, got, err := values(t, out)
		if err != io.EOF || !same(got, want) {
			t.Fatalf("%q reads %v %q, want %q", out, err, got, want)
		}
	})
}
