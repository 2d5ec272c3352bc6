package edifact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// mark shows in an input where the error must point. It is not part of the input.
const mark = "‸"

func TestReaderErrors(t *testing.T) {
	long := strings.Repeat("x", 60)
	for _, c := range []struct {
		name, in string
		err      error
		pos      string // without the offset, which the mark tells
	}{
		{"cut in the tag", "UNB+A'UN‸", ErrTruncated, "segment 2"},
		{"cut behind the tag", "UNB+A'UNH‸", ErrTruncated, "segment 2"},
		{"unterminated last segment", "UNB+A'UNH+1+X:2‸", ErrTruncated, "segment 2 UNH, element 2, component 2"},
		{"cut in the UNA", "UNA:+‸", ErrTruncated, "segment 1 UNA"},
		{"dangling release", "UNB+A'BGM+380?‸", ErrDanglingRelease, "segment 2 BGM, element 1, component 1"},
		{"released release is no release", "UNB+A'BGM+380??‸", ErrTruncated, "segment 2 BGM, element 1, component 1"},
		{"released terminator ends nothing", "UNB+A'BGM+380?'‸", ErrTruncated, "segment 2 BGM, element 1, component 1"},
		{"NUL in a value", "UNB+A'BGM+3‸\x0080'", ErrNUL, "segment 2 BGM, element 1, component 1"},
		{"NUL released", "UNB+A'BGM+3?‸\x0080'", ErrNUL, "segment 2 BGM, element 1, component 1"},
		{"NUL in a tag", "UNB+A'B‸\x00M+1'", ErrNUL, "segment 2"},
		{"NUL between segments", "UNB+A'\r\n‸\x00UNZ'", ErrNUL, "segment 2"},
		{"NUL first", "‸\x00UNB'", ErrNUL, "segment 1"},
		{"NUL in the UNA", "UNA:+,‸\x00 'UNB'", ErrNUL, "segment 1 UNA"},
		{"text before", "‸From: me\r\nUNB+A'", ErrTextBefore, "segment 1"},
		{"blank before", "‸ UNB+A'", ErrTextBefore, "segment 1"},
		{"letter between UNA and UNB", "UNA:+,? '‸XUNB+A'", ErrTextBefore, "segment 1"},
		{"UTF-16", "‸\xff\xfeU\x00N\x00", ErrTextBefore, "segment 1"},
		{"unterminated text", "‸hello", ErrTextBefore, "segment 1"},
		{"Latin-1 byte begins a segment", "UNB+A'‸\xc4BC+1'UNZ'", ErrTag, "segment 2"},
		{"Latin-1 byte ends a tag", "UNB+A'AB‸\xc4+1'UNZ'", ErrTag, "segment 2"},
		{"small letters", "UNB+A'‸bgm+1'", ErrTag, "segment 2"},
		{"blank between segments", "UNB+A'‸ BGM+1'", ErrTag, "segment 2"},
		{"tab between segments", "UNB+A'\r\n‸\tBGM+1'", ErrTag, "segment 2"},
		{"long tag", "UNB+A'BGM‸X+1'", ErrTag, "segment 2"},
		{"short tag", "UNB+A'BG‸+1'", ErrTag, "segment 2"},
		{"empty segment", "UNB+A'‸'", ErrTag, "segment 2"},
		{"release in a tag", "UNB+A'BGM‸?+1'", ErrTag, "segment 2"},
		{"text at the end", "UNB+A'UNZ+1'‸goodbye", ErrTag, "segment 3"},
		{"0x1A without UNZ", "UNB+A'‸\x1a", ErrTag, "segment 2"},
		{"two 0x1A", "UNZ+A'‸\x1a\x1a", ErrTag, "segment 2"},
		{"too long", "UNB+" + long[:60] + "‸'", ErrSegmentTooLong, "segment 1 UNB, element 1, component 1"},
		{"too long and unterminated", "UNB+" + long + "‸" + long, ErrSegmentTooLong, "segment 1 UNB, element 1, component 1"},
		{"UNA with a digit", "UNA:‸1,? 'UNB+A'", ErrUNACharacter, "segment 1 UNA"},
		{"UNA with a blank terminator", "UNA:+,? ‸ UNB+A'", ErrUNACharacter, "segment 1 UNA"},
		{"UNA with a Latin-1 byte", "UNA‸\xa7+,? 'UNB+A'", ErrUNACharacter, "segment 1 UNA"},
		{"UNA with two alike", "UNA:‸:,? 'UNB:A'", ErrUNASame, "segment 1 UNA"},
		{"UNA with release and terminator alike", "UNA:+,? ‸?UNB+A?", ErrUNASame, "segment 1 UNA"},
		{"other separators", "UNA*|.! ~UNB|A~BGM|!‸", ErrDanglingRelease, "segment 2 BGM, element 1, component 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, at := unmark(t, c.in)
			for name, src := range arrivals(in) {
				err := readAll(NewReader(src, Options{MaxSegment: 64}), io.Discard)
				var se *SyntaxError
				if !errors.As(err, &se) {
					t.Fatalf("%s: error %v, want a SyntaxError", name, err)
				}
				if !errors.Is(err, c.err) || se.Pos.Offset != at {
					t.Errorf("%s: %v, want %v at %d", name, err, c.err, at)
				}
				if got, _ := strings.CutSuffix(se.Pos.String(), fmt.Sprintf(", offset %d", at)); got != c.pos {
					t.Errorf("%s: place %q, want %q", name, got, c.pos)
				}
			}
		})
	}
}

func unmark(t *testing.T, s string) (string, int64) {
	t.Helper()
	before, after, ok := strings.Cut(s, mark)
	if !ok {
		t.Fatalf("no mark in %q", s)
	}
	return before + after, int64(len(before))
}

// arrivals are ways in which the same bytes can arrive.
func arrivals(s string) map[string]io.Reader {
	return map[string]io.Reader{
		"all at once":        strings.NewReader(s),
		"one byte at a time": iotest.OneByteReader(strings.NewReader(s)),
		"halves":             iotest.HalfReader(strings.NewReader(s)),
		"EOF with the data":  iotest.DataErrReader(strings.NewReader(s)),
		"sevens":             chunked{strings.NewReader(s), 7},
	}
}

type chunked struct {
	r io.Reader
	n int
}

func (c chunked) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.n)]) }

// readAll writes what a reader sees in a form that shows all of it. The ways
// to get at a value must agree.
func readAll(r *Reader, w io.Writer) error {
	var values []Value
	decoders := [...]Decoder{{Charset: I1}, {Charset: 0}, {Charset: U8}, {Charset: I5}, {Charset: I7}, {Charset: I8}}
	for {
		s, err := r.Next()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%d %d %d %s %q", s.Number(), s.Offset(), s.End(), s.Tag(), s.Raw())
		c := s.Cursor()
		for c.Next() {
			fmt.Fprintf(w, " %d.%d@%d=%q", c.Element(), c.Component(), c.Pos().Offset, c.Value())
		}
		values = s.AppendValues(values[:0])
		c = s.Cursor()
		for i, v := range values {
			switch {
			case !c.Next(), int(v.Element) != c.Element(), int(v.Component) != c.Component(), !bytes.Equal(s.Bytes(v), c.Value()):
				fmt.Fprintf(w, " value %d is %d.%d=%q", i, v.Element, v.Component, s.Bytes(v))
			case s.PosOfValue(v) != c.Pos() || s.PosOf(c.Element(), c.Component()) != c.Pos():
				fmt.Fprintf(w, " value %d at %v", i, s.PosOfValue(v))
			case !bytes.Equal(s.Value(c.Element(), c.Component()), c.Value()):
				fmt.Fprintf(w, " value %d is otherwise %q", i, s.Value(c.Element(), c.Component()))
			}
		}
		if c.Next() {
			fmt.Fprintf(w, " only %d values", len(values))
		}
		for i := range decoders {
			if said := decoders[i].disagrees(s); said != "" {
				fmt.Fprintf(w, " in %v %s", decoders[i].Charset, said)
			}
		}
		fmt.Fprintln(w)
	}
}

func TestReaderValues(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"line breaks only", "\r\n\n", ""},
		{"plain", "UNB+A:B+C'", `1 0 10 UNB "UNB+A:B+C'" 1.1@4="A" 1.2@6="B" 2.1@8="C"`},
		{"no elements", "UNB'", `1 0 4 UNB "UNB'"`},
		{"trailing empties", "EAD+M50.8::+'", `1 0 13 EAD "EAD+M50.8::+'" 1.1@4="M50.8" 1.2@10="" 1.3@11="" 2.1@12=""`},
		{"released", "FTX+a?+b??:?'?:'", `1 0 16 FTX "FTX+a?+b??:?'?:'" 1.1@4="a+b?" 1.2@11="':"`},
		{"released plain character", "FTX+a?bc'", `1 0 9 FTX "FTX+a?bc'" 1.1@4="abc"`},
		{"line breaks between", "UNB+A'\r\n\nUNZ'\n", "1 0 6 UNB \"UNB+A'\" 1.1@4=\"A\"\n2 9 13 UNZ \"UNZ'\""},
		{"line break in a value", "UNB+A\nB'", `1 0 8 UNB "UNB+A\nB'" 1.1@4="A\nB"`},
		{"Latin-1", "NAD+M\xfcller'", `1 0 11 NAD "NAD+M\xfcller'" 1.1@4="M\xfcller"`},
		{"explicit repetition", "ABC:1:2+X'", `1 0 10 ABC "ABC:1:2+X'" 0.2@4="1" 0.3@6="2" 1.1@8="X"`},
		{"UNA", "UNA*|.! ~UNB|A*B!~~", `1 9 19 UNB "UNB|A*B!~~" 1.1@13="A" 1.2@15="B~"`},
		{"UNA without release", "UNA:+,  'UNB+A?'", `1 9 16 UNB "UNB+A?'" 1.1@13="A?"`},
		{"byte order mark", "\ufeffUNB+A'", `1 3 9 UNB "UNB+A'" 1.1@7="A"`},
		{"0x1A behind UNZ", "UNZ+1'\r\n\x1a", `1 0 6 UNZ "UNZ+1'" 1.1@4="1"`},
		{"UNA of a second interchange", "UNA*|.! ~UNZ|1~UNA:+,? 'UNB+A:B'",
			"1 9 15 UNZ \"UNZ|1~\" 1.1@13=\"1\"\n2 24 32 UNB \"UNB+A:B'\" 1.1@28=\"A\" 1.2@30=\"B\""},
		{"marks of the separators before are gone", "UNA!+0 0'UNZ'UNB+?!'",
			"1 9 13 UNZ \"UNZ'\"\n2 13 20 UNB \"UNB+?!'\" 1.1@17=\"!\""},
		{"a UNA holds for its own interchange", "UNA*|.! ~UNZ|1~UNB+A:B'",
			"1 9 15 UNZ \"UNZ|1~\" 1.1@13=\"1\"\n2 15 23 UNB \"UNB+A:B'\" 1.1@19=\"A\" 1.2@21=\"B\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, src := range arrivals(c.in) {
				var got strings.Builder
				if err := readAll(NewReader(src, Options{}), &got); err != io.EOF {
					t.Errorf("%s: %v", name, err)
				}
				if g := strings.TrimSuffix(got.String(), "\n"); g != c.want {
					t.Errorf("%s:\n got %s\nwant %s", name, g, c.want)
				}
			}
		})
	}
}

func TestSegmentValue(t *testing.T) {
	r := NewReader(strings.NewReader("ABC:7+one+:2?+:++x:'"), Options{})
	s, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		e, c   int
		want   string
		absent bool
		offset int64
	}{
		{0, 1, "ABC", false, 0}, {0, 2, "7", false, 4}, {0, 3, "", true, 5},
		{1, 1, "one", false, 6}, {1, 2, "", true, 9},
		{2, 1, "", false, 10}, {2, 2, "2+", false, 11}, {2, 3, "", false, 15}, {2, 4, "", true, 15},
		{3, 1, "", false, 16}, {4, 1, "x", false, 17}, {4, 2, "", false, 19}, {4, 3, "", true, 19},
		{5, 1, "", true, 19}, {1, 0, "", true, 9},
	} {
		got := s.Value(c.e, c.c)
		if string(got) != c.want || (got == nil) != c.absent {
			t.Errorf("Value(%d, %d) = %q (nil: %v), want %q", c.e, c.c, got, got == nil, c.want)
		}
		if p := s.PosOf(c.e, c.c); p.Offset != c.offset || p.Element != c.e || p.Component != c.c {
			t.Errorf("PosOf(%d, %d) = %+v, want offset %d", c.e, c.c, p, c.offset)
		}
	}
	if n := s.Elements(); n != 4 {
		t.Errorf("Elements() = %d", n)
	}
	for e, want := range []int{2, 1, 3, 1, 2, 0} {
		if n := s.Components(e); n != want {
			t.Errorf("Components(%d) = %d, want %d", e, n, want)
		}
	}
	if !s.Is("ABC") || s.Is("ABD") || s.Tag() != "ABC" {
		t.Error("tag")
	}
}

// Values with released characters are all there at the same time, however often they are asked for.
func TestReleasedValuesDoNotShare(t *testing.T) {
	r := NewReader(strings.NewReader("ABC+a?+:b?++c??'"), Options{})
	s, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := s.Value(1, 1), s.Value(1, 2), s.Value(2, 1)
	for range 1000 {
		s.Value(1, 1)
	}
	if string(a) != "a+" || string(b) != "b+" || string(c) != "c?" {
		t.Errorf("%q %q %q", a, b, c)
	}
	_ = append(a, "XXXX"...)
	if string(b) != "b+" {
		t.Error("a value can be appended into its neighbour")
	}
}

func TestReaderNotes(t *testing.T) {
	r := NewReader(strings.NewReader("\ufeffUNZ'\x1a\n"), Options{})
	if err := readAll(r, io.Discard); err != io.EOF {
		t.Fatal(err)
	}
	if n := r.Notes(); !n.ByteOrderMark || !n.Substitute {
		t.Errorf("%+v", n)
	}
	if _, ok := r.UNA(); ok {
		t.Error("a UNA where there is none")
	}
	r = NewReader(strings.NewReader("UNA:+.? 'UNZ'"), Options{})
	if err := readAll(r, io.Discard); err != io.EOF {
		t.Fatal(err)
	}
	if una, ok := r.UNA(); !ok || string(una) != "UNA:+.? '" || r.Separators().Decimal != '.' {
		t.Errorf("UNA %q", una)
	}
}

// A failing disk is no syntax error, and what arrived before it is handed out.
func TestReaderSourceError(t *testing.T) {
	broken := errors.New("disk on fire")
	src := io.MultiReader(strings.NewReader("UNB+A'UNH+1"), iotest.ErrReader(broken))
	r := NewReader(src, Options{})
	if s, err := r.Next(); err != nil || !s.Is("UNB") {
		t.Fatal(err)
	}
	for range 2 {
		_, err := r.Next()
		var se *SyntaxError
		if !errors.Is(err, broken) || errors.As(err, &se) {
			t.Errorf("error %v", err)
		}
	}
	for _, in := range []string{"", "UN", "UNA:+"} {
		r := NewReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)), Options{})
		if _, err := r.Next(); !errors.Is(err, broken) {
			t.Errorf("after %q: %v", in, err)
		}
	}
	if _, err := NewReader(silent{}, Options{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("silent source: %v", err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// Segments of every length up to and over the limit, so that each border of
// buffer, block and chunk is crossed at each offset.
func TestReaderLongSegments(t *testing.T) {
	for _, limit := range []int{0, 100, 5000, 200_000} {
		most := limit
		if most == 0 {
			most = 64 << 10
		}
		for _, n := range []int{most - 70, most - 2, most - 1, most} {
			in := "UNB+" + strings.Repeat("?+", (n-5)/2) + strings.Repeat("y", (n-5)%2) + "'UNZ+1'"
			for name, src := range arrivals("\r\n" + in) {
				if name == "one byte at a time" && n > 10_000 {
					continue
				}
				r := NewReader(src, Options{MaxSegment: limit})
				s, err := r.Next()
				if err != nil {
					t.Fatalf("%d of %d, %s: %v", n, most, name, err)
				}
				if len(s.Raw()) != n || len(s.Value(1, 1)) != (n-5+1)/2 || s.Elements() != 1 {
					t.Fatalf("%d of %d, %s: %d bytes, %d elements", n, most, name, len(s.Raw()), s.Elements())
				}
				if s, err := r.Next(); err != nil || !s.Is("UNZ") {
					t.Fatalf("%d of %d, %s: %v", n, most, name, err)
				}
			}
		}
		in := "UNB+" + strings.Repeat("z", most-4) + "'"
		for name, src := range arrivals(in) {
			_, err := NewReader(src, Options{MaxSegment: limit}).Next()
			var se *SyntaxError
			if !errors.As(err, &se) || se.Err != ErrSegmentTooLong || se.Pos.Offset != int64(most) {
				t.Fatalf("one over %d, %s: %v", most, name, err)
			}
		}
	}
}

// Line breaks between segments are no segment and take no room, however many.
func TestReaderManyLineBreaks(t *testing.T) {
	in := io.MultiReader(strings.NewReader("UNB+A'"), bytes.NewReader(bytes.Repeat([]byte("\r\n"), 1<<20)), strings.NewReader("UNZ'"))
	r := NewReader(in, Options{})
	n := 0
	for {
		if _, err := r.Next(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2 || len(r.buf) > readLen+block {
		t.Errorf("%d segments, buffer of %d", n, len(r.buf))
	}
}

// What was marked in the buffer before is forgotten where bytes are passed over
// without being marked: line breaks behind UNZ, which may go on for long.
func TestReaderForgetsOldMarks(t *testing.T) {
	value := strings.Repeat("x", 200)
	for _, breaks := range []int{1, 2, 100, readLen, readLen + 7232, 3 * readLen} {
		step := 1 // a break may stand at the very end of the buffer
		if breaks > 2 {
			step = 37
		}
		for before := readLen - 100; before < readLen+100; before += step {
			body := "UNB+A'" + strings.Repeat("ABC+?+1+2:3'", before/12) + "TXT+" + strings.Repeat("+", before%12) + "'UNZ'"
			r := NewReader(strings.NewReader(body+strings.Repeat("\n", breaks)+"UNB+"+value+"'UNZ'"), Options{})
			d := Decoder{Charset: I1}
			for {
				s, err := r.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if !s.Is("UNB") || s.Number() == 1 {
					continue
				}
				if said := d.disagrees(s); said != "" {
					t.Fatal(said)
				}
				if s.Components(1) != 1 || string(s.Value(1, 1)) != value {
					t.Fatalf("%d line breaks after %d bytes: %d components, the first is %q", breaks, len(body), s.Components(1), s.Value(1, 1))
				}
			}
		}
	}
}

// Positions are right where 32 bits no longer hold them.
func TestReaderBeyond4GiB(t *testing.T) {
	const before = 4<<30 - 1<<20
	part := []byte("TXT+" + strings.Repeat("x", 999) + "'")
	const times = 2000
	r := NewReader(io.MultiReader(&repeat{part: part, times: times}, strings.NewReader("NAD+a:b?")), Options{})
	r.base, r.number = before, 1<<32
	n := int64(0)
	for {
		s, err := r.Next()
		if err == nil {
			if s.Offset() != before+n*int64(len(part)) || s.Number() != 1<<32+n+1 {
				t.Fatalf("segment %d at %d", s.Number(), s.Offset())
			}
			n++
			continue
		}
		var se *SyntaxError
		want := Pos{Offset: before + times*int64(len(part)) + 8, Segment: 1<<32 + times + 1, Tag: "NAD", Element: 1, Component: 2}
		if !errors.As(err, &se) || se.Err != ErrDanglingRelease || se.Pos != want {
			t.Fatalf("%v, want it at %v", err, want)
		}
		break
	}
	if n != times {
		t.Errorf("%d segments of %d", n, times)
	}
}

// A release character in front of every border of chunk, block and buffer, and
// behind it all that can be released.
func TestReaderReleaseAtEveryBorder(t *testing.T) {
	for _, border := range []int{chunk, block, readLen} {
		for at := border - 70; at < border+70; at++ {
			for _, c := range "+:?'x" {
				in := "UNB+" + strings.Repeat("y", max(0, at-4)) + "?" + string(c) + "z+1'UNZ+" + strings.Repeat("w", 100) + "'"
				r := NewReader(strings.NewReader(in), Options{})
				s, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				want := in[4:max(4, at)] + string(c) + "z"
				if got := s.Value(1, 1); string(got) != want || string(s.Value(2, 1)) != "1" {
					t.Fatalf("%q released at %d: value of %d bytes ends with %q", c, at, len(got), got[max(0, len(got)-4):])
				}
				if s, err = r.Next(); err != nil || !s.Is("UNZ") {
					t.Fatalf("%q released at %d: %v", c, at, err)
				}
			}
		}
	}
}

// A segment without an end does not fill the memory.
func TestReaderEndlessSegment(t *testing.T) {
	src := &repeat{part: bytes.Repeat([]byte("UNB+"), 1000), times: 1 << 40}
	r := NewReader(src, Options{})
	if _, err := r.Next(); !errors.Is(err, ErrSegmentTooLong) {
		t.Fatal(err)
	}
	if len(r.buf) > defaultSegment+block {
		t.Errorf("buffer of %d", len(r.buf))
	}
}
