package sample_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"gateway301/annex"
	"gateway301/edifact"
	"gateway301/sample"
)

func options(typ string) sample.FileOptions {
	o := sample.FileOptions{
		Type: typ, Sender: "260500005", Recipient: "109910000", Reference: 7,
		Created: time.Date(2026, 11, 22, 21, 30, 0, 0, time.UTC), Messages: 25, Seed: 3,
	}
	if !annex.FromHospital(typ) {
		o.Sender, o.Recipient = o.Recipient, o.Sender
	}
	return o
}

// grammars are the segment tables of messages301, section 4, of what can grow.
var grammars = map[string]string{
	"ENTL": `^UNH FKT INV NAD (STA ){1,99}DPV DAU (ETL (NDG ){0,40})+UNT $`,
	"RECH": `^UNH FKT INV NAD (STA ){1,99}CUX REC ZLG (FAB ){1,30}(ENT ){1,98}BNK UNT $`,
}

func tables(t testing.TB) *annex.Tables {
	t.Helper()
	tb, err := annex.LoadTables()
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

// Every sample is good: no finding, not even a warning, and each message keeps to
// its segment table.
func TestFilesAreWellFormed(t *testing.T) {
	tb := tables(t)
	if len(sample.Types()) != 15 {
		t.Errorf("%d types", len(sample.Types()))
	}
	for _, typ := range sample.Types() {
		for _, newline := range []string{"", "\r\n"} {
			o := options(typ)
			o.Newline, o.UNA = newline, newline != ""
			b, err := sample.File(o)
			if err != nil {
				t.Fatal(typ, err)
			}
			rep, err := annex.Check(context.Background(), bytes.NewReader(b), annex.CheckOptions{Now: o.Created, Tables: tb, Confirmed: true})
			if err != nil || rep.Verdict != annex.Accepted || rep.Warnings != 0 {
				t.Fatalf("%s: %s %+v %v", typ, rep.Verdict, rep.Findings, err)
			}
			if rep.Stages[2] != (annex.StageResult{Passed: 25}) {
				t.Errorf("%s: %v", typ, rep.Stages)
			}
			if rep.Messages != 25 || len(rep.Types) != 1 || rep.Types[0] != typ || rep.Envelope.ApplicationRef != "KRH00000007" || rep.Envelope.Reference != "00007" {
				t.Errorf("%s: %+v", typ, rep)
			}
			if grammars[typ] != "" {
				walk(t, b, grammatical(t, typ))
			}
		}
	}
}

// In every version whose tables are known, on a day on which it was in force.
func TestVersionsAreWellFormed(t *testing.T) {
	tb := tables(t)
	created := map[string]time.Time{"12": time.Date(2016, 3, 1, 9, 0, 0, 0, time.UTC), "13": time.Date(2018, 3, 1, 9, 0, 0, 0, time.UTC),
		"15": time.Date(2022, 3, 1, 9, 0, 0, 0, time.UTC), "16": time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	for _, m := range tb.Messages(time.Time{}) {
		o := options(m.Type)
		o.Version, o.Created = m.Version, created[m.Version]
		b, err := sample.File(o)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := annex.Check(context.Background(), bytes.NewReader(b), annex.CheckOptions{Now: o.Created, Tables: tb, Confirmed: true})
		if err != nil || rep.Verdict != annex.Accepted || rep.Stages[2].Passed != 25 || rep.Warnings != 0 {
			t.Errorf("%s %s: %s %v %+v %v", m.Type, m.Version, rep.Verdict, rep.Stages, rep.Findings, err)
		}
	}
}

// grammatical holds the messages of a file against their segment table.
func grammatical(t *testing.T, typ string) func(*edifact.Step) {
	grammar := regexp.MustCompile(grammars[typ])
	var tags strings.Builder
	return func(step *edifact.Step) {
		if step.Message == 0 {
			return
		}
		tags.WriteString(step.Segment.Tag() + " ")
		if step.Kind == edifact.KindUNT {
			if m := tags.String(); !grammar.MatchString(m) || strings.Count(m, "ETL") > 999 {
				t.Errorf("%s: message %d is %s", typ, step.Message, m)
			}
			tags.Reset()
		}
	}
}

// The longest messages that are made keep to the limits of their table too.
func TestLongMessagesAreWellFormed(t *testing.T) {
	for typ, size := range map[string]int64{"RECH": 800_000_000, "ENTL": 20_000_000_000} {
		r, w := io.Pipe()
		go func() { w.CloseWithError(sample.WriteSized(w, options(typ), size)) }()
		walker, look := edifact.NewWalker(r, edifact.Options{}, nil), grammatical(t, typ)
		for messages := int64(0); messages < 4; {
			step, err := walker.Next()
			if err != nil {
				t.Fatal(err)
			}
			look(step)
			messages = step.Message
		}
		r.Close()
	}
}

func walk(t testing.TB, b []byte, each func(*edifact.Step)) {
	t.Helper()
	w := edifact.NewWalker(bytes.NewReader(b), edifact.Options{}, nil)
	for {
		step, err := w.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		each(step)
	}
}

// Release characters and umlauts are there, as single bytes.
func TestFilesHoldSpecialCharacters(t *testing.T) {
	for _, typ := range sample.Types() {
		if typ == "SAMU" {
			continue // holds no text
		}
		o := options(typ)
		o.Messages = 1
		b, err := sample.File(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"?+", "?:", "?'", "??", "\xf6"} {
			if !bytes.Contains(b, []byte(want)) {
				t.Errorf("%s holds no %q", typ, want)
			}
		}
		if bytes.Contains(b, []byte("\xc3\xb6")) {
			t.Errorf("%s holds UTF-8", typ)
		}
	}
}

// FKT names hospital and Krankenkasse, in the direction of the message.
func TestPartiesOfFKT(t *testing.T) {
	for typ, want := range map[string][2]string{"AUFN": {"260500005", "108018007"}, "KOUB": {"108018007", "260500005"}} {
		o := options(typ)
		o.Kostentraeger = "108018007"
		b, err := sample.File(o)
		if err != nil {
			t.Fatal(err)
		}
		walk(t, b, func(step *edifact.Step) {
			if s := step.Segment; s.Is("FKT") && (string(s.Value(3, 1)) != want[0] || string(s.Value(4, 1)) != want[1]) {
				t.Errorf("%s: %s", typ, s.Raw())
			}
		})
	}
}

func TestInsured(t *testing.T) {
	o := options("AUFN")
	o.Insured = []string{"A123456780", "K741852967"}
	b, err := sample.File(o)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	walk(t, b, func(step *edifact.Step) {
		if s := step.Segment; s.Is("INV") {
			if got := string(s.Value(1, 1)); got != o.Insured[n%2] {
				t.Errorf("message %d: %s", n+1, got)
			}
			n++
		}
	})
	o.Insured = nil
	if b, err = sample.File(o); err != nil {
		t.Fatal(err)
	}
	walk(t, b, func(step *edifact.Step) {
		if s := step.Segment; s.Is("INV") && annex.ValidKVNR(string(s.Value(1, 1))) != nil {
			t.Errorf("invented Versichertennummer %s", s.Value(1, 1))
		}
	})
}

// cents reads an amount exactly.
func cents(t *testing.T, v []byte) *big.Int {
	t.Helper()
	euros, rest, ok := strings.Cut(string(v), ",")
	n, fine := new(big.Int).SetString(euros+rest, 10)
	if !ok || !fine || len(rest) != 2 {
		t.Fatalf("amount %q", v)
	}
	return n
}

// The sum rule of RECH, REC.5 = sum of ENT.2 times ENT.5 minus ZLG.1, also in a
// message that was made to grow.
func TestSumRule(t *testing.T) {
	short, err := sample.File(options("RECH"))
	if err != nil {
		t.Fatal(err)
	}
	var long bytes.Buffer
	if err := sample.WriteSized(&long, options("RECH"), 300_000); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{short, long.Bytes()} {
		var invoice, sum *big.Int
		checked := 0
		walk(t, b, func(step *edifact.Step) {
			s := step.Segment
			switch {
			case s.Is("REC"):
				invoice, sum = cents(t, s.Value(5, 1)), new(big.Int)
			case s.Is("ZLG"):
				sum.Sub(sum, cents(t, s.Value(1, 1)))
			case s.Is("ENT"):
				n, ok := new(big.Int).SetString(string(s.Value(5, 1)), 10)
				if !ok {
					t.Fatalf("%s", s.Raw())
				}
				sum.Add(sum, n.Mul(n, cents(t, s.Value(2, 1))))
			case s.Is("UNT"):
				if checked++; sum.Cmp(invoice) != 0 {
					t.Errorf("message %d: invoice %v, sum %v", step.Message, invoice, sum)
				}
			}
		})
		if checked < 25 {
			t.Errorf("%d messages", checked)
		}
	}
}

// The same options give the same bytes, others give others.
func TestFilesAreReproducible(t *testing.T) {
	one, _ := sample.File(options("ENTL"))
	two, _ := sample.File(options("ENTL"))
	o := options("ENTL")
	o.Seed++
	three, err := sample.File(o)
	if err != nil || !bytes.Equal(one, two) || bytes.Equal(one, three) {
		t.Error("equal options: ", bytes.Equal(one, two), "other seed: ", bytes.Equal(one, three), err)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, typ := range []string{"", "XYZW", "aufn"} {
		if _, err := sample.File(sample.FileOptions{Type: typ, Sender: "260500005", Recipient: "109910000"}); !errors.Is(err, sample.ErrType) {
			t.Errorf("%q: %v", typ, err)
		}
	}
	o := options("AUFN")
	if o.Messages = 100_000; !errors.Is(sample.Write(io.Discard, o), sample.ErrTooLarge) {
		t.Error("more messages than references")
	}
	if err := sample.WriteSized(io.Discard, o, 1); !errors.Is(err, sample.ErrType) {
		t.Error(err)
	}
	if err := sample.WriteSized(io.Discard, options("RECH"), 2<<30); !errors.Is(err, sample.ErrTooLarge) {
		t.Error(err)
	}
	disk := errors.New("disk on fire")
	if err := sample.Write(failing{disk}, options("AUFN")); !errors.Is(err, disk) {
		t.Error(err)
	}
	if err := sample.WriteSized(failing{disk}, options("ENTL"), 1<<30); !errors.Is(err, disk) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// Sized files are about as large as asked, valid, and made in flat memory.
func TestWriteSized(t *testing.T) {
	for _, typ := range []string{"RECH", "ENTL"} {
		for _, size := range []int64{1, 10_000, 1 << 20, 8 << 20} {
			t.Run(fmt.Sprint(typ, size), func(t *testing.T) {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				r, w := io.Pipe()
				go func() { w.CloseWithError(sample.WriteSized(w, options(typ), size)) }()
				rep, err := annex.Check(context.Background(), r, annex.CheckOptions{})
				runtime.ReadMemStats(&after)
				if err != nil || rep.Verdict != annex.Accepted || rep.Warnings != 0 {
					t.Fatalf("%s %+v %v", rep.Verdict, rep.Findings, err)
				}
				if rep.Size < size || rep.Size > size+size/50+5000 {
					t.Errorf("%d bytes in %d messages", rep.Size, rep.Messages)
				}
				if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 12<<20 {
					t.Errorf("heap grew by %d bytes", grown)
				}
			})
		}
	}
}

func TestKVNR(t *testing.T) {
	for _, n := range []uint64{0, 1, 25, 26, 1 << 40, 1<<64 - 1} {
		if err := annex.ValidKVNR(sample.KVNR(n)); err != nil {
			t.Error(n, sample.KVNR(n), err)
		}
	}
}

func BenchmarkWriteSized(b *testing.B) {
	const size = 16 << 20
	b.SetBytes(size)
	for b.Loop() {
		if err := sample.WriteSized(io.Discard, options("RECH"), size); err != nil {
			b.Fatal(err)
		}
	}
}

// What is read can be written back, byte for byte, in every message and version.
func TestRoundTrip(t *testing.T) {
	for _, m := range tables(t).Messages(time.Time{}) {
		o := options(m.Type)
		o.Version = m.Version
		b, err := sample.File(o)
		if err != nil {
			t.Fatal(err)
		}
		var copied, made bytes.Buffer
		as, written := edifact.NewWriter(&copied, edifact.WriterOptions{}), edifact.NewWriter(&made, edifact.WriterOptions{})
		walk(t, b, func(step *edifact.Step) {
			s := step.Segment
			var elements []edifact.Element
			for e := 1; e <= s.Elements(); e++ {
				var values edifact.Element
				for c := 1; c <= s.Components(e); c++ {
					values = append(values, string(s.Value(e, c)))
				}
				elements = append(elements, values)
			}
			if err := errors.Join(as.Copy(s), written.Segment(s.Tag(), elements...)); err != nil {
				t.Fatal(err)
			}
		})
		if err := errors.Join(as.Flush(), written.Flush()); err != nil || !bytes.Equal(copied.Bytes(), b) || !bytes.Equal(made.Bytes(), b) {
			t.Errorf("%s %s: copied %t, written %t, %v", m.Type, m.Version, bytes.Equal(copied.Bytes(), b), bytes.Equal(made.Bytes(), b), err)
		}
	}
}
