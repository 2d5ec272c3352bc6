package edifact

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWriterInterchange(t *testing.T) {
	for _, c := range []struct {
		name string
		o    WriterOptions
		want string
	}{
		{"as § 301 likes it", WriterOptions{},
			"UNB+UNOC:3+260500005+109910000+261122:2200+00007++KRH00000007'" +
				"UNH+00001+TEXT:16:000:00'TXT+a?+b??::?''UNT+3+00001'UNH+00002+TEXT:16:000:00'UNT+2+00002'UNZ+2+00007'"},
		{"padded, with UNA and line breaks", WriterOptions{UNA: true, Newline: "\r\n", CountWidth: 6, ReferenceWidth: 3},
			"UNA:+,? 'UNB+UNOC:3+260500005+109910000+261122:2200+00007++KRH00000007'\r\n" +
				"UNH+001+TEXT:16:000:00'\r\nTXT+a?+b??::?''\r\nUNT+000003+001'\r\nUNH+002+TEXT:16:000:00'\r\nUNT+000002+002'\r\nUNZ+000002+00007'\r\n"},
		{"other separators", WriterOptions{Separators: Separators{'*', '|', '.', '!', ' ', '~'}},
			"UNA*|.! ~UNB|UNOC*3|260500005|109910000|261122*2200|00007||KRH00000007~" +
				"UNH|00001|TEXT*16*000*00~TXT|a+b?**'~UNT|3|00001~UNH|00002|TEXT*16*000*00~UNT|2|00002~UNZ|2|00007~"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			w := NewWriter(&out, c.o)
			for _, err := range []error{
				w.Begin(Header{Sender: C("260500005"), Recipient: C("109910000"), Date: "261122", Time: "2200",
					Reference: "00007", More: []Element{nil, C("KRH00000007")}}),
				w.Message("TEXT", "16", "000", "00"),
				w.Segment("TXT", C("a+b?", "", "'"), C("", ""), nil),
				w.EndMessage(),
				w.Message("TEXT", "16", "000", "00"),
				w.EndMessage(),
				w.End(),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if out.String() != c.want {
				t.Errorf("\n got %q\nwant %q", out.String(), c.want)
			}
			if _, faults, err := walk(&out, Options{}); err != nil || faults != nil {
				t.Errorf("read back: %v %v", faults, err)
			}
		})
	}
}

func TestWriterSegment(t *testing.T) {
	for _, c := range []struct {
		name     string
		elements []Element
		want     string
	}{
		{"none", nil, "ABC'"},
		{"one", []Element{C("x")}, "ABC+x'"},
		{"trailing empty elements", []Element{C("x"), nil, C(""), C("", "")}, "ABC+x'"},
		{"trailing empty components", []Element{C("x", "", ""), C("y")}, "ABC+x+y'"},
		{"leading empties", []Element{nil, C("", "x")}, "ABC++:x'"},
		{"decimal comma and Latin-1", []Element{C("12,50"), C("M\xfcller")}, "ABC+12,50+M\xfcller'"},
	} {
		var out bytes.Buffer
		w := NewWriter(&out, WriterOptions{})
		if err := errors.Join(w.Segment("ABC", c.elements...), w.Flush()); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, out.String(), c.want)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, c := range []struct {
		name string
		o    WriterOptions
		in   []Element
		err  error
		at   ValueError
	}{
		{"control character", WriterOptions{}, []Element{C("x"), C("a", "b\n")}, ErrCharacter, ValueError{"TXT", 2, 2, 1, nil}},
		{"C1", WriterOptions{}, []Element{C("\x85")}, ErrCharacter, ValueError{"TXT", 1, 1, 0, nil}},
		{"NUL", WriterOptions{Level: LevelAny}, []Element{C("+\x00")}, ErrCharacter, ValueError{"TXT", 1, 1, 1, nil}},
		{"small letter", WriterOptions{Level: LevelA}, []Element{C("Aa")}, ErrCharacter, ValueError{"TXT", 1, 1, 1, nil}},
		{"umlaut", WriterOptions{Level: LevelB}, []Element{C("a\xe4")}, ErrCharacter, ValueError{"TXT", 1, 1, 1, nil}},
		{"DEL", WriterOptions{Level: LevelW}, []Element{C("ä\x7f")}, ErrCharacter, ValueError{"TXT", 1, 1, 2, nil}},
		{"behind a long value", WriterOptions{}, []Element{C(long), C(long + "\t" + long)}, ErrCharacter, ValueError{"TXT", 2, 1, 100, nil}},
		{"no release", WriterOptions{Separators: Separators{':', '+', ',', ' ', ' ', '\''}}, []Element{C("a+")}, ErrNoRelease, ValueError{"TXT", 1, 1, 1, nil}},
		{"euro", WriterOptions{Charset: I1}, []Element{C("ä€")}, ErrCharset, ValueError{"TXT", 1, 1, 2, nil}},
		{"no UTF-8", WriterOptions{Charset: I1}, []Element{C("a\xe4")}, ErrCharset, ValueError{"TXT", 1, 1, 1, nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			w := NewWriter(&out, c.o)
			if err := w.Segment("ABC", C("1")); err != nil {
				t.Fatal(err)
			}
			err := w.Segment("TXT", c.in...)
			var ve *ValueError
			if !errors.Is(err, c.err) || !errors.As(err, &ve) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			got := *ve
			got.Err = nil
			if got != c.at {
				t.Errorf("%+v, want %+v", got, c.at)
			}
			if err := errors.Join(w.Segment("DEF", C("2")), w.Flush()); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); !strings.HasSuffix(got, "DEF"+got[len(got)-3:]) || strings.Contains(got, "TXT") {
				t.Errorf("%q", got)
			}
		})
	}
	for _, tag := range []string{"", "AB", "ABCD", "abc", "1BC", "A+C", "AB\xc4"} {
		if err := NewWriter(io.Discard, WriterOptions{}).Segment(tag); !errors.Is(err, ErrTag) {
			t.Errorf("tag %q: %v", tag, err)
		}
	}
	for _, o := range []WriterOptions{
		{Separators: Separators{':', ':', ',', '?', ' ', '\''}},
		{Separators: Separators{':', '+', ',', '?', ' ', 'x'}},
		{Newline: " "},
	} {
		if err := NewWriter(io.Discard, o).Segment("ABC"); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func TestWriterOrder(t *testing.T) {
	h := Header{Reference: "1"}
	w := NewWriter(io.Discard, WriterOptions{})
	bad := func(err error) {
		t.Helper()
		if !errors.Is(err, ErrOrder) {
			t.Errorf("%v, want %v", err, ErrOrder)
		}
	}
	good := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	bad(w.Message("X"))
	bad(w.EndMessage())
	bad(w.End())
	good(w.Begin(h))
	bad(w.Begin(h))
	bad(w.EndMessage())
	good(w.Message("X"))
	bad(w.Message("X"))
	bad(w.End())
	good(w.EndMessage())
	good(w.End())
	bad(w.End())
	good(w.Begin(h))
	if w.Messages() != 0 {
		t.Error("messages of the interchange before are counted")
	}
}

func TestWriterCharset(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, WriterOptions{Charset: I7})
	if err := errors.Join(w.Segment("NAD", C("Müßig + §")), w.Flush()); err != nil {
		t.Fatal(err)
	}
	if out.String() != "NAD+M}~ig ?+ @'" {
		t.Errorf("%q", out.String())
	}
}

// Rewriting what was read gives the same bytes, and with other separators the same values.
func TestWriterCopy(t *testing.T) {
	in := sample(100_000, DefaultSeparators())
	in = append([]byte("UNA:+,? '"), in...)
	other := Separators{'*', '|', '.', '!', ' ', '~'}
	rewrite := func(in []byte, o WriterOptions) []byte {
		var out bytes.Buffer
		w := NewWriter(&out, o)
		r := NewReader(bytes.NewReader(in), Options{})
		for {
			s, err := r.Next()
			if err == io.EOF {
				break
			}
			if err == nil {
				err = w.Copy(s)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	if !bytes.Equal(rewrite(in, WriterOptions{UNA: true}), in) {
		t.Error("rewriting changes the bytes")
	}
	there := rewrite(in, WriterOptions{Separators: other})
	if _, faults, err := walk(bytes.NewReader(there), Options{}); err != nil || faults != nil {
		t.Errorf("with other separators: %v %v", faults, err)
	}
	if !bytes.Equal(rewrite(there, WriterOptions{UNA: true}), in) {
		t.Error("rewriting there and back changes the bytes")
	}
}

func TestWriterBrokenDestination(t *testing.T) {
	broken := errors.New("disk full")
	w := NewWriter(failing{broken}, WriterOptions{})
	var err error
	for range 10_000 {
		if err = w.Segment("ABC", C("0123456789")); err != nil {
			break
		}
	}
	if !errors.Is(err, broken) || !errors.Is(w.Segment("ABC"), broken) || !errors.Is(w.Flush(), broken) {
		t.Errorf("%v", err)
	}
	w = NewWriter(failing{}, WriterOptions{})
	if err := errors.Join(w.Segment("ABC"), w.Flush()); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
