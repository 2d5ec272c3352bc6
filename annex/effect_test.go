package annex

import (
	"io"
	"strings"
	"testing"
)

// three makes a file of three messages, the second of them without the good body.
func three(second string) string {
	var b strings.Builder
	b.WriteString(goodUNB)
	for i, body := range []string{bodyAUFN, second, bodyAUFN} {
		one := interchange("AUFN", "16", body)
		one = one[strings.Index(one, "UNH+"):strings.Index(one, "UNZ+")]
		b.WriteString(strings.ReplaceAll(one, "00001", "0000"+string(rune('1'+i))))
	}
	return b.String() + "UNZ+3+00007'"
}

// What an error does is told by stage: file, message, nothing. A fault of the
// envelope refuses the file in any case.
func TestEffects(t *testing.T) {
	code := edit(bodyAUFN, "AUF+20261120+1120+", "AUF+20261120+2520+")
	long := edit(bodyAUFN, "DPV+2026+2026'", "")
	fkt := edit(bodyAUFN, "FKT+10+01", "FKT+10+1")
	for _, c := range []struct {
		name, in string
		stage    int
		effect   Effect
		verdict  Verdict
		refused  int64 // the message; 0: none
		errors   int
	}{
		{"stage 3, default", three(code), 3, DefaultEffect, Partly, 2, 1},
		{"stage 3, message", three(code), 3, RefusesMessage, Partly, 2, 1},
		{"stage 3, file", three(code), 3, RefusesFile, Rejected, 0, 1},
		{"stage 3, nothing", three(code), 3, RefusesNothing, Accepted, 0, 0},
		{"stage 2, file", three(long), 2, RefusesFile, Rejected, 0, 1},
		{"stage 2, nothing", three(long), 2, RefusesNothing, Accepted, 0, 0},
		{"stage 1, default", three(fkt), 1, DefaultEffect, Rejected, 0, 1},
		{"stage 1, message", three(fkt), 1, RefusesMessage, Partly, 2, 1},
		{"stage 1, message, of the envelope", edit(three(fkt), "UNZ+3", "UNZ+4"), 1, RefusesMessage, Rejected, 0, 2},
		{"stage 1, message, of UNT", edit(three(bodyAUFN), "+00002'UNH", "+00009'UNH"), 1, RefusesMessage, Rejected, 0, 1},
		{"stage 1, message, cut", strings.TrimSuffix(three(fkt), "UNZ+3+00007'"), 1, RefusesMessage, Rejected, 0, 2},
	} {
		o := thorough(t)
		if c.stage == 2 { // that DPV is missing is no error of the table
			o.Severities = map[string]Severity{"G2-005": Error}
		}
		o.Effects[c.stage] = c.effect
		rep, found := check(t, c.in, o)
		if rep.Verdict != c.verdict || rep.Errors != c.errors || rep.Errors+rep.Warnings != len(rep.Findings) || len(rep.Findings) == 0 ||
			(len(rep.Refused) == 1) != (c.refused != 0) || c.refused != 0 && !rep.Refuses(c.refused) {
			t.Errorf("%s: %s, %d errors, refused %+v, found %q", c.name, rep.Verdict, rep.Errors, rep.Refused, found)
		}
	}
}

// A lowered fault of the envelope refuses nothing by itself; but a file that has one
// cannot be copied without a message, so that a refused message refuses it all.
func TestLoweredEnvelope(t *testing.T) {
	o := thorough(t)
	o.Severities = map[string]Severity{"G1-002": Warning}
	whole := edit(three(bodyAUFN), "+00002'UNH", "+00009'UNH")
	if rep, found := check(t, whole, o); rep.Verdict != Accepted || !strings.HasPrefix(strings.Join(found, " "), "G1-002@") {
		t.Errorf("%s %q", rep.Verdict, found)
	}
	rep, found := check(t, strings.Replace(whole, "AUF+20261120+1120+", "AUF+20261120+2520+", 1), o)
	if rep.Verdict != Rejected || rep.Refused != nil || rep.Errors != 1 {
		t.Errorf("%s %q", rep.Verdict, found)
	}
	if _, err := CopyWithout(io.Discard, strings.NewReader(whole), func(n int64) bool { return n == 1 }); err == nil {
		t.Error("the copy was made after all, so that the rest need not be refused")
	}
	// A gap in the references of UNH is in no copy's way.
	o.Severities = map[string]Severity{"10060": Warning}
	gap := strings.NewReplacer("UNH+00003", "UNH+00004", "+00003'UNZ", "+00004'UNZ", "AUF+20261120+1120+", "AUF+20261120+2520+").Replace(three(edit(bodyAUFN, "+20261120+1120+", "+20261120+1121+")))
	rep, found = check(t, gap, o)
	if rep.Verdict != Partly || !rep.Refuses(1) || !rep.Refuses(3) || rep.Refuses(2) {
		t.Errorf("%s %q %+v", rep.Verdict, found, rep.Refused)
	}
	if kept, err := CopyWithout(io.Discard, strings.NewReader(gap), rep.Refuses); err != nil || kept != 1 {
		t.Errorf("%d kept, %v", kept, err)
	}
}

// A file that is refused as a whole for a fault inside one of its messages says
// both in its answer.
func TestAnswerToTheWholeFile(t *testing.T) {
	o := thorough(t)
	o.Effects[3] = RefusesFile
	rep, _ := check(t, three(edit(bodyAUFN, "AUF+20261120+1120+", "AUF+20261120+2520+")), o)
	p, err := AnswerProfile("gateway301")
	if err != nil {
		t.Fatal(err)
	}
	answer := p.Answer(&rep)
	if len(answer) != 1 || len(answer[0].FHL) != 2 {
		t.Fatalf("%+v", answer)
	}
	whole, fault := answer[0].FHL[0], answer[0].FHL[1]
	if whole.Code != CodeWholeFile || whole.Segment != "" {
		t.Errorf("%+v", whole)
	}
	if fault.Code != "G3-002" || fault.Segment != "AUF" || fault.Position != 1 || fault.Element != 2 || !strings.HasPrefix(fault.Text, "UNH 00002 ") {
		t.Errorf("%+v", fault)
	}
}
