package edifact

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const (
	una = "UNA:+,? '"
	unb = "UNB+UNOC:3+260500005+109910000+261122:2200+00007++KRH00000007'"
	m1  = "UNH+00001+AUFN:16:000:00'FKT+10+01+260500005+109910000'UNT+3+00001'"
	m2  = "UNH+00002+AUFN:16:000:00'FKT+10+01+260500005+109910000'INV+1?'2'UNT+4+00002'"
	unz = "UNZ+2+00007'"
)

// walk returns the kinds and the faults, each fault as "name@offset want/got".
func walk(src io.Reader, o Options) (kinds, faults []string, err error) {
	w := NewWalker(src, o, func(e *EnvelopeError) {
		faults = append(faults, fmt.Sprintf("%s@%d %s/%s", e.Fault, e.Pos.Offset, e.Want, e.Got))
	})
	for {
		s, err := w.Next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return kinds, faults, err
		}
		kinds = append(kinds, fmt.Sprintf("%v %d.%d.%d", s.Kind, s.Interchange, s.Message, s.SegmentInMessage))
	}
}

func TestWalkerGood(t *testing.T) {
	for _, in := range []string{
		una + unb + m1 + m2 + unz,
		unb + m1 + m2 + unz,
		una + "\r\n" + strings.ReplaceAll(unb+m1+m2+unz, "'U", "'\r\nU") + "\r\n",
		unb + strings.ReplaceAll(m1, "+3+", "+000003+") + m2 + "UNZ+000002+00007'",
	} {
		kinds, faults, err := walk(strings.NewReader(in), Options{})
		if err != nil || faults != nil {
			t.Errorf("%q: %v, %v", in, faults, err)
		}
		want := []string{"UNB 1.0.0", "UNH 1.1.1", "body 1.1.2", "UNT 1.1.3",
			"UNH 1.2.1", "body 1.2.2", "body 1.2.3", "UNT 1.2.4", "UNZ 1.0.0"}
		if !slices.Equal(kinds, want) {
			t.Errorf("%q: %q", in, kinds)
		}
	}
}

func TestWalkerFaults(t *testing.T) {
	several, groups := Options{SeveralInterchanges: true}, Options{Groups: true}
	for _, c := range []struct {
		name   string
		in     string // the mark shows where the first fault is
		o      Options
		faults []string
		cut    bool
	}{
		{"no UNB", "‸" + m1 + "UNZ+1+00007'", Options{}, []string{"UNB missing UNB/UNH"}, false},
		{"no UNB but text segments", "‸FKT+1'" + m1 + "UNZ+1+00007'", Options{}, []string{"UNB missing UNB/FKT"}, false},
		{"no UNB, only UNZ", "‸UNZ+1+00007'", Options{}, []string{"UNB missing UNB/UNZ"}, false},
		{"empty", "‸", Options{}, []string{"UNB missing UNB/", "UNZ missing UNZ/"}, true},
		{"UNA only", una + "‸", Options{}, []string{"UNB missing UNB/", "UNZ missing UNZ/"}, true},
		{"no UNH", unb + "‸FKT+1'UNT+2+00001'" + "UNZ+0+00007'", Options{}, []string{"UNH missing behind UNB UNH/FKT"}, false},
		{"no UNH, UNT", unb + "‸UNT+2+00001'" + "UNZ+0+00007'", Options{}, []string{"UNH missing behind UNB UNH/UNT"}, false},
		{"no message", unb + "‸UNZ+0+00007'", Options{}, []string{"UNH missing behind UNB UNH/UNZ"}, false},
		{"no UNT before UNH", unb + "UNH+00001+X'‸" + m2 + unz, Options{}, []string{"UNT missing UNT/UNH"}, false},
		{"no UNT before UNZ", unb + "UNH+00001+X'‸UNZ+1+00007'", Options{}, []string{"UNT missing UNT/UNZ"}, false},
		{"no UNT before the end", unb + "UNH+00001+X'‸", Options{}, []string{"UNT missing UNT/", "UNZ missing UNZ/"}, true},
		{"no UNZ before the end", unb + m1 + "‸", Options{}, []string{"UNZ missing UNZ/"}, true},
		{"no UNZ before UNB", unb + m1 + "‸" + unb + m1 + "UNZ+1+00007'", Options{}, []string{"UNZ missing UNZ/UNB"}, false},
		{"UNB only", unb + "‸", Options{}, []string{"UNZ missing UNZ/"}, true},
		{"second UNA at once", una + "‸" + una + unb + m1 + "UNZ+1+00007'", Options{}, []string{"second UNA /"}, false},
		{"UNA behind UNB", unb + "‸" + una + m1 + "UNZ+1+00007'", Options{}, []string{"second UNA /"}, false},
		{"UNA in a message", unb + "UNH+00001+X'‸" + una + "UNT+2+00001'UNZ+1+00007'", Options{}, []string{"second UNA /"}, false},
		{"reference does not begin at 1", unb + "UNH+‸00002+X'UNT+2+00002'UNZ+1+00007'", Options{}, []string{"gap in the UNH references 00001/00002"}, false},
		{"reference jumps", unb + m1 + "UNH+‸00003+X'UNT+2+00003'UNH+00004+X'UNT+2+00004'UNZ+3+00007'", Options{}, []string{"gap in the UNH references 00002/00003"}, false},
		{"reference twice", unb + m1 + "UNH+‸00001+X'UNT+2+00001'" + m2 + "UNZ+3+00007'", Options{}, []string{"UNH reference used twice /00001"}, false},
		{"names for references", unb + "UNH+A+X'UNT+2+A'UNH+B+X'UNT+2+B'UNH+‸A+X'UNT+2+A'UNZ+3+00007'", Options{}, []string{"UNH reference used twice /A"}, false},
		{"name among numbers", unb + m1 + "UNH+‸B+X'UNT+2+B'UNH+00003+X'UNT+2+00003'UNZ+3+00007'", Options{}, []string{"gap in the UNH references 2/B"}, false},
		{"UNT count", unb + "UNH+00001+X'UNT+‸3+00001'UNZ+1+00007'", Options{}, []string{"UNT counts wrongly 2/3"}, false},
		{"UNT count empty", unb + "UNH+00001+X'UNT+‸+00001'UNZ+1+00007'", Options{}, []string{"UNT counts wrongly 2/"}, false},
		{"UNT count is no number", unb + "UNH+00001+X'UNT+‸2x+00001'UNZ+1+00007'", Options{}, []string{"UNT counts wrongly 2/2x"}, false},
		{"UNT count is huge", unb + "UNH+00001+X'UNT+‸18446744073709551618+00001'UNZ+1+00007'", Options{}, []string{"UNT counts wrongly 2/18446744073709551618"}, false},
		{"UNT reference", unb + "UNH+00001+X'UNT+2+‸1'UNZ+1+00007'", Options{}, []string{"UNT reference differs from UNH 00001/1"}, false},
		{"UNT without anything", unb + "UNH+00001+X'UNT‸'UNZ+1+00007'", Options{}, []string{"UNT counts wrongly 2/", "UNT reference differs from UNH 00001/"}, false},
		{"UNZ count", unb + m1 + m2 + "UNZ+‸1+00007'", Options{}, []string{"UNZ counts wrongly 2/1"}, false},
		{"UNZ reference", unb + m1 + m2 + "UNZ+2+‸00008'", Options{}, []string{"UNZ reference differs from UNB 00007/00008"}, false},
		{"second interchange", unb + m1 + m2 + unz + "‸" + unb + m1 + m2 + unz, Options{}, []string{"second interchange /"}, false},
		{"second interchange with UNA", una + unb + m1 + m2 + unz + "‸" + una + unb + m1 + m2 + unz, Options{}, []string{"second UNA /", "second interchange /"}, false},
		{"several interchanges", una + unb + m1 + m2 + unz + una + unb + m1 + m2 + "UNZ+2+‸1'", several, []string{"UNZ reference differs from UNB 00007/1"}, false},
		{"second interchange is cut", unb + m1 + m2 + unz + unb + m1 + "‸", several, []string{"UNZ missing UNZ/"}, true},
		{"behind UNT", unb + m1 + "‸FKT+1'NAD+2'" + m2 + unz, Options{}, []string{"neither UNH nor UNZ behind UNT UNH/FKT"}, false},
		{"second UNT", unb + m1 + "‸UNT+3+00001'" + m2 + unz, Options{}, []string{"neither UNH nor UNZ behind UNT UNH/UNT"}, false},
		{"behind UNZ", unb + m1 + m2 + unz + "‸FKT+1'FKT+2'", Options{}, []string{"segment behind UNZ /FKT"}, false},
		{"message behind UNZ", unb + m1 + m2 + unz + "‸" + m1, Options{}, []string{"segment behind UNZ /UNH"}, false},
		{"second UNZ", unb + m1 + m2 + unz + "‸" + unz, Options{}, []string{"segment behind UNZ /UNZ"}, false},
		{"group", unb + "‸UNG+X+A+B+261122:2200+9'" + m1 + m2 + "UNE+2+9'UNZ+1+00007'", Options{}, []string{"misplaced group /UNG"}, false},
		{"UNE count", unb + "UNG+X+A+B+261122:2200+9'" + m1 + "UNE+‸2+9'UNZ+1+00007'", groups, []string{"UNE counts wrongly 1/2"}, false},
		{"UNE reference", unb + "UNG+X+A+B+261122:2200+9'" + m1 + "UNE+1+‸8'UNZ+1+00007'", groups, []string{"UNE reference differs from UNG 9/8"}, false},
		{"UNE missing", unb + "UNG+X+A+B+261122:2200+9'" + m1 + "‸UNZ+1+00007'", groups, []string{"UNE missing UNE/UNZ"}, false},
		{"UNE without UNG", unb + m1 + "‸UNE+1+8'UNZ+1+00007'", groups, []string{"misplaced group /UNE"}, false},
		{"group in a message", unb + "UNH+00001+X'‸UNG+X+A+B+1+9'" + m2 + "UNE+1+9'UNZ+1+00007'", groups, []string{"UNT missing UNT/UNG"}, false},
		{"cut in a group", unb + "UNG+X+A+B+1+9'‸", groups, []string{"UNE missing UNE/", "UNZ missing UNZ/"}, true},
		{"long reference is clipped", "UNB+U+A+B+1:2+" + strings.Repeat("R", 99) + "'" + m1 + "UNZ+1+‸7'", Options{},
			[]string{"UNZ reference differs from UNB " + strings.Repeat("R", 35) + "/7"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, at := unmark(t, c.in)
			for name, src := range arrivals(in) {
				_, faults, err := walk(src, c.o)
				if c.cut != errors.Is(err, ErrTruncated) || !c.cut && err != nil {
					t.Errorf("%s: end %v", name, err)
				}
				var got []string
				for i, f := range faults {
					what, place, _ := strings.Cut(f, "@")
					offset, values, _ := strings.Cut(place, " ")
					got = append(got, what+" "+values)
					if i == 0 && offset != fmt.Sprint(at) {
						t.Errorf("%s: first fault at %s, want %d", name, offset, at)
					}
				}
				if !slices.Equal(got, c.faults) {
					t.Errorf("%s:\n got %q\nwant %q", name, got, c.faults)
				}
			}
		})
	}
}

// A copy that was cut off anywhere is never taken for complete.
func TestWalkerTruncation(t *testing.T) {
	files := []string{
		una + unb + m1 + m2 + unz,
		strings.ReplaceAll(una+unb+m1+m2+unz, "'U", "'\r\nU"),
		string(sample(5_000, DefaultSeparators())),
	}
	rng := rand.New(rand.NewPCG(3, 1))
	cuts := 0
	for _, f := range files {
		if _, faults, err := walk(strings.NewReader(f), Options{}); err != nil || faults != nil {
			t.Fatalf("the whole file: %v %v", faults, err)
		}
		places := make([]int, 0, len(f))
		if len(f) < 1000 {
			for i := range len(f) {
				places = append(places, i)
			}
		}
		for len(places) < 4000 {
			places = append(places, rng.IntN(len(f)))
		}
		for _, n := range places {
			_, _, err := walk(strings.NewReader(f[:n]), Options{})
			if err == nil {
				t.Fatalf("the first %d of %d bytes count as complete", n, len(f))
			}
			var se *SyntaxError
			if !errors.As(err, &se) || se.Err != ErrTruncated && se.Err != ErrDanglingRelease || se.Pos.Offset != int64(n) {
				t.Fatalf("the first %d of %d bytes: %v", n, len(f), err)
			}
			cuts++
		}
	}
	if cuts < 10_000 {
		t.Errorf("only %d cuts", cuts)
	}
}

func TestWalkerSkipMessage(t *testing.T) {
	var faults []string
	in := unb + m1 + "UNH+00002+X'FKT+1'" + strings.ReplaceAll(m1, "00001", "00003") + strings.ReplaceAll(m2, "UNT+4+00002", "UNT+5+00004") + "UNZ+4+00007'"
	w := NewWalker(strings.NewReader(in), Options{}, func(e *EnvelopeError) { faults = append(faults, e.Fault.String()) })
	var got []string
	for {
		s, err := w.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%v@%d", s.Kind, s.Message))
		if err := w.SkipMessage(); err != nil {
			t.Fatal(err)
		}
		if err := w.SkipMessage(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"UNB@0", "UNH@1", "UNH@2", "UNH@3", "UNH@4", "UNZ@0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	want := []string{"UNT missing", "UNH reference used twice", "UNT counts wrongly", "UNT reference differs from UNH"}
	if faults = slices.Compact(faults); !slices.Equal(faults, want) {
		t.Errorf("%q, want %q", faults, want)
	}

	w = NewWalker(strings.NewReader(unb+"UNH+00001+X'FKT+1'"), Options{}, nil)
	for range 2 {
		if _, err := w.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SkipMessage(); !errors.Is(err, ErrTruncated) {
		t.Errorf("skipping a cut message: %v", err)
	}
}

// A message can be cut out of a file by its offsets, byte for byte.
func TestWalkerMessageBounds(t *testing.T) {
	in := una + "\n" + unb + "\n" + m1 + "\r\n" + m2 + unz
	w := NewWalker(strings.NewReader(in), Options{}, nil)
	var got []string
	var from int64
	for {
		s, err := w.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch s.Kind {
		case KindUNH:
			from = s.Segment.Offset()
		case KindUNT:
			got = append(got, in[from:s.Segment.End()])
		}
	}
	if !slices.Equal(got, []string{m1, m2}) {
		t.Errorf("%q", got)
	}
}

func TestReferencesStayBounded(t *testing.T) {
	var r references
	for i := range 3 * maxRanges {
		r.next(fmt.Appendf(nil, "%d", 2*i))
		r.next(fmt.Appendf(nil, "n%d", i))
	}
	if len(r.ranges) > maxRanges || len(r.others) > maxOthers {
		t.Errorf("%d ranges, %d others", len(r.ranges), len(r.others))
	}
}

func TestReferencesAgainstASet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var r references
		seen := map[int64]bool{}
		for range 60 {
			n := rng.Int64N(40)
			_, v := r.next(fmt.Appendf(nil, "%02d", n))
			if (v == refTwice) != seen[n] {
				t.Fatalf("%d: verdict %v after %v", n, v, seen)
			}
			seen[n] = true
		}
	}
}
