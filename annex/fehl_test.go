package annex

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"gateway301/edifact"
)

func profile(t testing.TB) Profile {
	t.Helper()
	p, err := AnswerProfile("gateway301")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answer writes what the profile says about a report.
func answer(t testing.TB, rep Report, messages []FEHLMessage) string {
	t.Helper()
	p := profile(t)
	var out strings.Builder
	at := time.Date(2026, 11, 23, 1, 5, 59, 0, time.UTC)
	if err := WriteFEHL(&out, p, p.Envelope(rep.Envelope, 12, at), messages); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const answerUNB = "UNB+UNOC:3+109910000+260500005+261123:0105+00012++KRH00000007'"

func TestAnswerGolden(t *testing.T) {
	insured, err := LoadInsured(strings.NewReader("K741852967"))
	if err != nil {
		t.Fatal(err)
	}
	p := profile(t)
	partly, _ := check(t, good, CheckOptions{Checks: []MessageCheck{insured}})
	accepted, _ := check(t, good, CheckOptions{})
	file, _ := check(t, edit(edit(good, "UNT+6", "UNT+7"), "KRH00000007", "SL000000007"), CheckOptions{})
	for _, c := range []struct{ name, got, want string }{
		{"one message refused", answer(t, partly, p.Answer(&partly)), answerUNB +
			"UNH+00001+FEHL:16:000:00'FKT+10+01+109910000+260500005'FHL+INV+1+1+G4-001+UNH 00001 Versicherter nicht bekannt'UNT+4+00001'UNZ+1+00012'"},
		{"file refused", answer(t, file, p.Answer(&file)), edit(answerUNB, "KRH00000007", "SL000000007") +
			`UNH+00001+FEHL:16:000:00'FKT+10+01+109910000+260500005'FHL++++G1-001+UNH 00002 Segmentanzahl in UNT ist "7" statt "6"'UNT+4+00001'UNZ+1+00012'`},
		{"accepted", answer(t, accepted, []FEHLMessage{p.Positive(&accepted, "0")}), answerUNB +
			"UNH+00001+FEHL:16:000:00'FKT+10+01+109910000+260500005'FHL++++0+Datei angenommen'UNT+4+00001'UNZ+1+00012'"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, c.got, c.want)
		}
		// Our answer passes our own check, but for what it repeats from the original.
		rep, found := check(t, c.got, CheckOptions{})
		if rep.Verdict != Accepted {
			t.Errorf("%s: %q", c.name, found)
		}
	}
	if got := p.Answer(&accepted); got != nil {
		t.Errorf("answer to a good file: %+v", got)
	}
}

// One message per refused message, in order; the FKT of the Geschäftsvorfall in
// which the first fault lies, IKs swapped.
func TestAnswerNamesEveryRefusedMessage(t *testing.T) {
	nobody := &everySegment{find: Finding{Code: "G4-001"}}
	in := edit(good, "UNT+6", "INV+X'UNT+7") // message 2: a second fault in its second Geschäftsvorfall
	rep, _ := check(t, in, CheckOptions{Checks: []MessageCheck{nobody}})
	p := profile(t)
	const text = " Versicherter nicht bekannt"
	want := []FEHLMessage{
		{FKT: Geschaeftsvorfall{"10", "01", "109910000", "260500005"}, FHL: []FHL{{"INV", 1, 0, "G4-001", "UNH 00001" + text}}},
		{FKT: Geschaeftsvorfall{"10", "01", "109910000", "260500005"}, FHL: []FHL{{"INV", 1, 0, "G4-001", "UNH 00002" + text}, {"INV", 2, 0, "G4-001", "UNH 00002" + text}}},
	}
	if got := p.Answer(&rep); rep.Verdict != Rejected || !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n got %+v\nwant %+v", rep.Verdict, got, want)
	}
}

func TestFEHLRoundTrip(t *testing.T) {
	p := profile(t)
	e := Envelope{"UNOC:3", "109910000", "260500005", "261123", "0105", "00012", "KRH00000007"}
	var many []FHL
	for i := range 95 {
		many = append(many, FHL{"FAB", i + 1, 2, fmt.Sprint("2000", i%10), "Straße?'+: Prüfung"})
	}
	in := []FEHLMessage{
		{FKT: Geschaeftsvorfall{"10", "01", "109910000", "260500005"}, FHL: []FHL{{"", 0, 0, "10061", "UNH 00001 Dateiname"}}},
		{FKT: Geschaeftsvorfall{"20", "02", "109910000", "260500005"}, FHL: many},
	}
	var out strings.Builder
	if err := WriteFEHL(&out, p, e, in); err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]io.Reader{"at once": strings.NewReader(out.String()), "byte by byte": iotest.OneByteReader(strings.NewReader(out.String()))} {
		var got []FEHLMessage
		gotEnvelope, err := ReadFEHL(src, func(m FEHLMessage) error { got = append(got, m); return nil })
		if err != nil || gotEnvelope != e {
			t.Fatalf("%s: %+v, %v", name, gotEnvelope, err)
		}
		want := []FEHLMessage{
			{1, "00001", "FEHL", in[0].FKT, in[0].FHL}, {2, "00002", "FEHL", in[1].FKT, many[:40]},
			{3, "00003", "FEHL", in[1].FKT, many[40:80]}, {4, "00004", "FEHL", in[1].FKT, many[80:]},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
}

// Lengths are those of the text, release characters not counted; what ISO 8859-1
// cannot print does not stop an answer.
func TestWriteFEHLCuts(t *testing.T) {
	p := profile(t)
	e := Envelope{"UNOC:3", "109910000", "260500005", "261123", "0105", "00012", "KRH\uFFFD0000007"}
	var out strings.Builder
	err := WriteFEHL(&out, p, e, []FEHLMessage{{FHL: []FHL{
		{Code: "12345678901", Text: strings.Repeat("ä+", 40)},
		{Code: "1", Text: "€ und\nmehr\uFFFD"},
	}}})
	want := "UNB+UNOC:3+109910000+260500005+261123:0105+00012++KRH.0000007'UNH+00001+FEHL:16:000:00'FKT'" +
		"FHL++++1234567890+" + strings.Repeat("\xe4?+", 35) + "'FHL++++1+. und.mehr.'UNT+5+00001'UNZ+1+00012'"
	if err != nil || out.String() != want {
		t.Errorf("%v\n got %q\nwant %q", err, out.String(), want)
	}
}

func TestWriteFEHLRefuses(t *testing.T) {
	p := profile(t)
	e := Envelope{Sender: "109910000", Recipient: "260500005", Date: "261123", Time: "0105", Reference: "00012"}
	some := []FEHLMessage{{FHL: []FHL{{Code: "1"}}}}
	if err := WriteFEHL(io.Discard, p, e, nil); !errors.Is(err, ErrNoFHL) {
		t.Error(err)
	}
	if err := WriteFEHL(io.Discard, p, e, append(some, FEHLMessage{})); !errors.Is(err, ErrNoFHL) {
		t.Error(err)
	}
	nobody := e
	nobody.Recipient = ""
	if err := WriteFEHL(io.Discard, p, nobody, some); !errors.Is(err, ErrAddressee) {
		t.Error(err)
	}
	if err := WriteFEHL(&full{40}, p, e, some); !errors.Is(err, errDisk) {
		t.Error(err)
	}
}

// The other variant: the faulty message itself comes back, with FHL inside. A
// message without FHL beside it is none of our business.
func TestReadReturnedMessage(t *testing.T) {
	in := "UNB+UNOC:3+109910000+260500005+261123:0105+00012++KRH00000007'" +
		"UNH+00003+AUFN:16:000:00'FKT+10+01+260500005+109910000'INV+A123456780'FHL+INV+001+01+30001+unbekannt'NAD+O?'Beispiel'UNT+6+00003'" +
		"UNH+00004+KOUB:16:000:00'FKT+10+01+109910000+260500005'INV+A123456780'UNT+4+00004'" +
		"UNH+00005+ENTL:16:000:00'FKT+10+01+260500005+109910000'INV+A'FKT+20+02+260500005+109910000'FHL+INV+2'FKT+20+03+260500005+109910000'FHL+DAU+x+1234567+9'UNT+8+00005'" +
		"UNH+00006+FEHL:16:000:00'FKT+10+01+109910000+260500005'UNT+3+00006'" +
		"UNZ+4+00012'"
	var got []FEHLMessage
	if _, err := ReadFEHL(strings.NewReader(in), func(m FEHLMessage) error { got = append(got, m); return nil }); err != nil {
		t.Fatal(err)
	}
	out := func(vkz, n string) Geschaeftsvorfall {
		return Geschaeftsvorfall{vkz, n, "260500005", "109910000"}
	}
	want := []FEHLMessage{
		{1, "00003", "AUFN", out("10", "01"), []FHL{{"INV", 1, 1, "30001", "unbekannt"}}},
		{3, "00005", "ENTL", out("20", "02"), []FHL{{"INV", 2, 0, "", ""}}},
		{3, "00005", "ENTL", out("20", "03"), []FHL{{"DAU", 0, 0, "9", ""}}},
		{4, "00006", "FEHL", Geschaeftsvorfall{"10", "01", "109910000", "260500005"}, nil},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	if !got[0].Returned() || got[3].Returned() {
		t.Error("Returned")
	}
}

// An answer that is not whole is an error; wrong counts are a quirk.
func TestReadFEHLRefuses(t *testing.T) {
	p := profile(t)
	rep, _ := check(t, edit(good, "UNT+6", "UNT+7"), CheckOptions{})
	whole := answer(t, rep, p.Answer(&rep))
	ignore := func(FEHLMessage) error { return nil }
	for n := range len(whole) {
		if _, err := ReadFEHL(strings.NewReader(whole[:n]), ignore); err == nil {
			t.Fatalf("cut at %d of %d: no error", n, len(whole))
		}
	}
	for name, c := range map[string]struct {
		in string
		ok bool
	}{
		"whole":        {whole, true},
		"count":        {edit(whole, "UNZ+1", "UNZ+2"), true},
		"reference":    {edit(whole, "UNT+4+00001", "UNT+4+1"), true},
		"no UNB":       {edit(whole, answerUNB, ""), false},
		"two answers":  {whole + whole, false},
		"UNT missing":  {edit(whole, "UNT+4+00001'", ""), false},
		"data behind":  {whole + "FHL+1'", false},
		"no EDIFACT":   {"Fehlerprotokoll\r\n", false},
		"empty answer": {"", false},
	} {
		if _, err := ReadFEHL(strings.NewReader(c.in), ignore); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadFEHL(iotest.ErrReader(errDisk), ignore); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	if _, err := ReadFEHL(strings.NewReader(whole), func(FEHLMessage) error { return errDisk }); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	var fault *edifact.EnvelopeError
	if _, err := ReadFEHL(strings.NewReader(whole+whole), ignore); !errors.As(err, &fault) || fault.Fault != edifact.FaultSecondUNB {
		t.Error(err)
	}
}

// Very many FHL in one message come in bounded parts.
func TestReadFEHLInParts(t *testing.T) {
	const n = 100_000
	i := 0
	in := &generator{next: func() string {
		switch i++; {
		case i == 1:
			return answerUNB + "UNH+00001+FEHL:16:000:00'FKT+10+01+109910000+260500005'"
		case i <= n/1000+1:
			return strings.Repeat("FHL+INV+1+1+30001+x'", 1000)
		case i == n/1000+2:
			return fmt.Sprintf("UNT+%d+00001'UNZ+1+00012'", n+3)
		}
		return ""
	}}
	total, most := 0, 0
	_, err := ReadFEHL(in, func(m FEHLMessage) error {
		total += len(m.FHL)
		most = max(most, len(m.FHL))
		return nil
	})
	if err != nil || total != n || most > 1000 {
		t.Errorf("%d FHL, at most %d at once, %v", total, most, err)
	}
}

func TestMessageReference(t *testing.T) {
	for text, want := range map[string]struct {
		reference string
		n         int64
		ok        bool
	}{
		"UNH 00003 Versicherter nicht bekannt": {"00003", 3, true},
		"UNH 00012":                            {"00012", 12, true},
		"UNH 000123 x":                         {"", 0, false},
		"UNH 0003 x":                           {"", 0, false},
		"unh 00003":                            {"", 0, false},
		"":                                     {"", 0, false},
		"Fehler in UNH 00003":                  {"", 0, false},
	} {
		if reference, n, ok := MessageReference(text); reference != want.reference || n != want.n || ok != want.ok {
			t.Errorf("%q: %q %d %v", text, reference, n, ok)
		}
	}
}

func TestAnswerProfileUnknown(t *testing.T) {
	_, err := AnswerProfile("other")
	if !errors.Is(err, ErrProfile) || !strings.Contains(err.Error(), "gateway301") {
		t.Error(err)
	}
}

func TestParseProfileRefuses(t *testing.T) {
	const whole = "{name: x, message: [FEHL, '16'], file-vkz: '10', file-number: '01', fhl-per-message: 40, code-length: 10, text-length: 70, reference-word: UNH, positive-text: ok}"
	if _, err := parseProfile([]byte(whole)); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"name: x", "name: ''"}, {"[FEHL, '16']", "[FEHL]"}, {"FEHL", "FEH"}, {"'10'", "'1'"}, {"'01'", "''"},
		{"message: 40", "message: 41"}, {"message: 40", "message: 0"}, {"length: 10", "length: 0"}, {"length: 70", "length: -1"},
		{"word: UNH", "word: ''"}, {"positive-text", "positiv-text"}, {"message: 40", "message: viele"},
	} {
		if _, err := parseProfile([]byte(edit(whole, c[0], c[1]))); !errors.Is(err, ErrProfile) {
			t.Errorf("%s: %v", c[1], err)
		}
	}
}
