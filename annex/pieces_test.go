package annex

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// cutUp is Check with many small pieces, and tells how many were taken over.
func cutUp(r io.Reader, o CheckOptions, piece int) (rep Report, taken int, err error) {
	c := newChecker(r, o)
	f := newFeed(context.Background(), c, r, 3, sizes{alone: 200, piece: piece})
	defer f.stop()
	c.in.r = f
	err = c.run(context.Background())
	c.settle(err)
	return c.rep, f.taken, err
}

// differ tells in what two reports are not alike. How far was read ahead of bytes
// that are no EDIFACT may differ.
func differ(got, want Report) string {
	if got.Verdict == Rejected {
		got.Size = want.Size
	}
	if reflect.DeepEqual(got, want) {
		return ""
	}
	for i := range min(len(got.Findings), len(want.Findings)) {
		if got.Findings[i] != want.Findings[i] {
			return fmt.Sprintf("finding %d: %+v, want %+v", i, got.Findings[i], want.Findings[i])
		}
	}
	n, m := len(got.Findings), len(want.Findings)
	got.Findings, want.Findings = nil, nil
	return fmt.Sprintf("%d findings, want %d; %.1000s, want %.1000s", n, m, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
}

// alike are two reports that say the same, in the same order.
func alike(t testing.TB, name string, in string, o CheckOptions, piece int) (taken int) {
	t.Helper()
	o.Workers = 1
	want, err := Check(context.Background(), strings.NewReader(in), o)
	if err != nil {
		t.Fatal(err)
	}
	got, taken, err := cutUp(strings.NewReader(in), o, piece)
	if d := differ(got, want); err != nil || d != "" {
		t.Errorf("%s, pieces of %d: %s, %v", name, piece, d, err)
	}
	return taken
}

// Several cores say what one says: whatever is wrong, wherever it stands.
func TestSeveralCoresSayTheSame(t *testing.T) {
	deep := thorough(t)
	deep.Workers = 1
	many := func(files ...string) []string {
		for i := range 25 {
			for _, f := range common()[:7] {
				files = append(files, strings.Replace(f, "-0'", fmt.Sprintf("-%d'", 100+i), 1))
			}
		}
		return files
	}
	if taken := alike(t, "good", joined(many()...), deep, 3000); taken < 10 {
		t.Errorf("%d pieces were taken over", taken)
	}
	if taken := alike(t, "line breaks", strings.ReplaceAll(joined(many()...), "'", "'\r\n"), deep, 3000); taken < 10 {
		t.Errorf("%d pieces with line breaks were taken over", taken)
	}
	una := "UNA:+,! ~" + strings.NewReplacer("'", "~").Replace(joined(many()...))
	if taken := alike(t, "other separators", una, deep, 3000); taken < 10 {
		t.Errorf("%d pieces with other separators were taken over", taken)
	}
	for _, c := range contentCases(t) {
		in, _ := unmark(t, c.in)
		if !strings.HasSuffix(in, "+00001'UNZ+1+00007'") {
			continue
		}
		c.o.Severities = map[string]Severity{"G3-027": Error}
		files := many()
		files[80], files[81], files[150] = in, in, in
		text := joined(files...)
		if taken := alike(t, c.name, text, c.o, 3000); taken < 8 {
			t.Errorf("%s: %d pieces were taken over", c.name, taken)
		}
		c.o.Keep, c.o.Refused = 2, 1
		alike(t, c.name+", bounded", text, c.o, 3000)
	}
	insured, err := LoadInsured(strings.NewReader("A123456780"))
	if err != nil {
		t.Fatal(err)
	}
	deep.Checks = []MessageCheck{insured}
	if taken := alike(t, "stage 4", strings.Replace(joined(many()...), "A123456780", "K741852967", 50), deep, 3000); taken < 10 {
		t.Errorf("%d pieces with a shared check were taken over", taken)
	}
	if deep.Workers = 8; deep.workers() != 8 {
		t.Error("a shared check makes it one core")
	}
	deep.Checks = append(deep.Checks, &everySegment{})
	if deep.workers() != 1 {
		t.Error("a check that is not shared is asked by several cores")
	}
}

// What breaks the envelope in the middle of a large file gives the same as well.
func TestSeveralCoresAndTheEnvelope(t *testing.T) {
	var body strings.Builder
	for n := range 200 {
		fmt.Fprintf(&body, "UNH+%05d+AUFN:16:000:00'%sUNT+9+%05d'", n+1, strings.Replace(bodyAUFN, "N-1", fmt.Sprint("N-", n), 1), n+1)
	}
	good := goodUNB + body.String() + "UNZ+200+00007'"
	at := func(n int) string { return fmt.Sprintf("UNH+%05d", n) }
	cases := map[string]string{
		"good": good, "gap": strings.Replace(strings.Replace(good, at(90), at(95), 1), "UNT+9+00090", "UNT+9+00095", 1),
		"UNT missing": strings.Replace(good, "UNT+9+00090'", "", 1), "UNH missing": strings.Replace(good, at(90)+"+AUFN:16:000:00'", "", 1),
		"stray": strings.Replace(good, at(90), "ABC+1'"+at(90), 1), "UNZ within": strings.Replace(good, at(90), "UNZ+89+00007'"+at(90), 1),
		"second interchange": good + good, "UNB within": strings.Replace(good, at(90), "UNZ+89+00007'"+goodUNB+at(90), 1),
		"UNA within": strings.Replace(good, at(90), "UNZ+89+00007'UNA:+,! ~"+strings.ReplaceAll(goodUNB, "'", "~")+at(90), 1),
		"group":      strings.Replace(good, at(90), "UNG+1'"+at(90), 1), "cut": good[:len(good)/2], "no segment": strings.Replace(good, at(90), "guten tag'"+at(90), 1),
		"NUL": strings.Replace(good, at(90), at(90)+"\x00", 1), "same reference": strings.Replace(good, at(90), at(89), 1), "reference": strings.Replace(good, at(90), "UNH+A0090", 1),
		"UNT count": strings.Replace(good, "UNT+9+00090", "UNT+8+00090", 1), "UNZ count": strings.Replace(good, "UNZ+200", "UNZ+199", 1), "control character": strings.ReplaceAll(good, "Mustermann", "Muster\x07mann"),
		"types": typed(200), "long message": strings.Replace(good, "EAD+M50.8+", strings.Repeat("EAD+M50.8'", 400)+"EAD+M50.8+", 1),
		"a value like a border": strings.ReplaceAll(good, "Mustermann", "?'UNT+1+2?'UNH?+"), "a border that is none": strings.ReplaceAll(good, "Mustermann", "UNT+1+2??'UNH+"),
	}
	o := thorough(t)
	for name, in := range cases {
		for _, piece := range []int{100, 1000, 5000} {
			alike(t, name, in, o, piece)
			alike(t, name+", no tables", in, CheckOptions{}, piece)
		}
	}
	if taken := alike(t, "good", good, o, 1000); taken < 10 {
		t.Errorf("%d pieces were taken over", taken)
	}
	o.Procedure = procedure(t, "kotr")
	alike(t, "another Verfahren", good, o, 1000)
}

// typed is a file of many message types.
func typed(n int) string {
	var b strings.Builder
	b.WriteString(goodUNB)
	for i := range n {
		fmt.Fprintf(&b, "UNH+%05d+AA%c%c:16:000:00'FKT+10+01+260500005+109910000'UNT+3+%05d'", i+1, 'A'+i/26, 'A'+i%26, i+1)
	}
	fmt.Fprintf(&b, "UNZ+%d+00007'", n)
	return b.String()
}

// A source that breaks, or hangs between two bytes, is reported as by one core.
func TestSeveralCoresAndABrokenSource(t *testing.T) {
	broken := errors.New("line broke")
	in := benchFile(300)
	r := io.MultiReader(strings.NewReader(in[:len(in)/2]), iotest.ErrReader(broken))
	if rep, taken, err := cutUp(r, thorough(t), 5000); !errors.Is(err, broken) || rep.Verdict != Rejected || rep.Size != int64(len(in)/2) || taken == 0 {
		t.Error(rep.Verdict, rep.Size, taken, err)
	}
	if rep, _, err := cutUp(iotest.DataErrReader(iotest.HalfReader(strings.NewReader(in))), thorough(t), 5000); err != nil || rep.Verdict != Accepted {
		t.Error(rep.Findings, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r = io.MultiReader(strings.NewReader(in[:len(in)/2]), call(cancel), strings.NewReader(in[len(in)/2:]))
	if _, err := checkPieces(ctx, r, thorough(t), sizes{alone: 1, piece: 5000}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// call is a source of nothing that calls a function.
type call func()

func (c call) Read([]byte) (int, error) { c(); return 0, io.EOF }

// However a file is cut, the report is that of one core.
func FuzzPieces(f *testing.F) {
	o := thorough(f)
	o.Keep = 20
	good := joined(common()...)
	f.Add([]byte(good), uint16(300), uint64(1))
	for _, c := range append(findingCases(f), contentCases(f)...) {
		in, _ := unmark(f, c.in)
		f.Add([]byte(in), uint16(100), uint64(len(in)))
		f.Add([]byte(strings.Replace(good, "UNZ+21+00007'", in[max(0, strings.Index(in, "UNH")):], 1)), uint16(400), uint64(len(in)))
	}
	f.Fuzz(func(t *testing.T, in []byte, piece uint16, seed uint64) {
		o := o
		o.Workers = 1
		want, err := Check(context.Background(), bytes.NewReader(in), o)
		if err != nil {
			t.Fatal(err)
		}
		src := &chopped{rest: in, rng: rand.New(rand.NewPCG(seed, 2))}
		got, _, err := cutUp(src, o, int(piece)+1)
		if d := differ(got, want); err != nil || d != "" {
			t.Fatal(d, err)
		}
	})
}
