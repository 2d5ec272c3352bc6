package acks

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"gateway301/annex"
	"gateway301/edifact"
	"gateway301/exchange"
)

const unb = "UNB+UNOC:3+109910000+260500005+261123:0105+00012++KRH00000007'"

// interchange wraps messages, each given without UNH and UNT as "TYPE|segments".
func interchange(messages ...string) string {
	var b strings.Builder
	b.WriteString(unb)
	for i, m := range messages {
		typ, body, _ := strings.Cut(m, "|")
		fmt.Fprintf(&b, "UNH+%05d+%s:16:000:00'%sUNT+%d+%05[1]d'", i+1, typ, body, strings.Count(body, "'")+2)
	}
	fmt.Fprintf(&b, "UNZ+%d+00012'", len(messages))
	return b.String()
}

const fkt = "FKT+10+01+109910000+260500005'"

func TestRead(t *testing.T) {
	codes := Codes{Accepted: []string{"0", "OK"}, Hint: []string{"90001"}}
	receipt := func(v exchange.Verdict, findings ...exchange.Finding) exchange.Receipt {
		return exchange.Receipt{Sender: "260500005", Recipient: "109910000", ApplicationRef: "KRH00000007", Verdict: v, Findings: findings}
	}
	for _, c := range []struct {
		name, in string
		want     exchange.Receipt
	}{
		{"one message refused", interchange("FEHL|" + fkt + "FHL+INV+1+1+G4-001+UNH 00003 Versicherter nicht bekannt'"),
			receipt(exchange.VerdictRejected, exchange.Finding{Message: 3, Reference: "00003", Segment: "INV", Position: 1, Element: 1, Code: "G4-001", Text: "UNH 00003 Versicherter nicht bekannt"})},
		{"file refused", interchange("FEHL|" + fkt + "FHL++++10061+Dateiname'"),
			receipt(exchange.VerdictRejected, exchange.Finding{Code: "10061", Text: "Dateiname"})},
		{"several messages, one receipt", interchange("FEHL|"+fkt+"FHL++++30001+UNH 00001'", "FEHL|"+fkt+"FHL++++30002+UNH 00002'"),
			receipt(exchange.VerdictRejected, exchange.Finding{Message: 1, Reference: "00001", Code: "30001", Text: "UNH 00001"}, exchange.Finding{Message: 2, Reference: "00002", Code: "30002", Text: "UNH 00002"})},
		{"accepted", interchange("FEHL|" + fkt + "FHL++++0+Datei angenommen'"), receipt(exchange.VerdictAccepted)},
		{"accepted by another code", interchange("FEHL|" + fkt + "FHL++++OK'"), receipt(exchange.VerdictAccepted)},
		{"hint", interchange("FEHL|" + fkt + "FHL++++90001+bitte beachten'"), receipt(exchange.VerdictHint, exchange.Finding{Code: "90001", Text: "bitte beachten"})},
		{"hint beside acceptance", interchange("FEHL|" + fkt + "FHL++++90001'FHL++++0'"), receipt(exchange.VerdictHint, exchange.Finding{Code: "90001"})},
		{"rejection beside acceptance", interchange("FEHL|"+fkt+"FHL++++0'", "FEHL|"+fkt+"FHL++++30001'", "FEHL|"+fkt+"FHL++++0'"), receipt(exchange.VerdictRejected, exchange.Finding{Code: "30001"})},
		{"rejection beside hint", interchange("FEHL|" + fkt + "FHL++++30001'FHL++++90001'"), receipt(exchange.VerdictRejected, exchange.Finding{Code: "30001"}, exchange.Finding{Code: "90001"})},
		{"no code", interchange("FEHL|" + fkt + "FHL+INV'"), receipt(exchange.VerdictRejected, exchange.Finding{Segment: "INV"})},
		{"FEHL without FHL", interchange("FEHL|" + fkt), receipt(exchange.VerdictRejected, exchange.Finding{})},
		{"a code in other letters is another code", interchange("FEHL|" + fkt + "FHL++++ok'"), receipt(exchange.VerdictRejected, exchange.Finding{Code: "ok"})},
		{"message came back", interchange("AUFN|FKT+10+01+260500005+109910000'INV+X'FHL+INV+1+1+30001+unbekannt'NAD+Y'", "KOUB|"+fkt),
			receipt(exchange.VerdictRejected, exchange.Finding{Message: 1, Reference: "00001", Type: "AUFN", Segment: "INV", Position: 1, Element: 1, Code: "30001", Text: "unbekannt"})},
	} {
		got, err := Read(strings.NewReader(c.in), codes)
		if err != nil || !reflect.DeepEqual(got, []exchange.Receipt{c.want}) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", c.name, err, got, c.want)
		}
	}
}

// Without codes, everything is a rejection, the empty code too.
func TestReadWithoutCodes(t *testing.T) {
	for _, code := range []string{"", "0", "00000"} {
		got, err := Read(strings.NewReader(interchange("FEHL|"+fkt+"FHL++++"+code+"'")), Codes{})
		if err != nil || got[0].Verdict != exchange.VerdictRejected {
			t.Errorf("%q: %+v, %v", code, got, err)
		}
	}
	got, err := Read(strings.NewReader(interchange("FEHL|"+fkt+"FHL+INV'")), Codes{Accepted: []string{""}})
	if err != nil || got[0].Verdict != exchange.VerdictRejected {
		t.Errorf("an empty code accepts: %+v, %v", got, err)
	}
}

func TestReadRefuses(t *testing.T) {
	whole := interchange("FEHL|" + fkt + "FHL++++0'")
	if _, err := Read(strings.NewReader(interchange("KOUB|"+fkt)), Codes{}); !errors.Is(err, ErrNoAnswer) {
		t.Error(err)
	}
	if _, err := Read(strings.NewReader("Fehlerprotokoll"), Codes{}); !errors.Is(err, edifact.ErrTextBefore) {
		t.Error(err)
	}
	disk := errors.New("disk on fire")
	if _, err := Read(iotest.ErrReader(disk), Codes{}); !errors.Is(err, disk) {
		t.Error(err)
	}
	for n := range len(whole) {
		if got, err := Read(strings.NewReader(whole[:n]), Codes{Accepted: []string{"0"}}); err == nil || got != nil {
			t.Fatalf("cut at %d: %+v", n, got)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	got, err := Read(strings.NewReader(interchange("FEHL|"+fkt+strings.Repeat("FHL++++30001'", 5000))), Codes{})
	if err != nil || len(got[0].Findings) != maxFindings || got[0].Verdict != exchange.VerdictRejected {
		t.Errorf("%d findings, %v", len(got[0].Findings), err)
	}
	// A rejection beyond the last finding kept still rejects.
	got, err = Read(strings.NewReader(interchange("FEHL|"+fkt+strings.Repeat("FHL++++H'", 5000)+"FHL++++30001'")), Codes{Hint: []string{"H"}})
	if err != nil || got[0].Verdict != exchange.VerdictRejected {
		t.Errorf("%+v, %v", got[0].Verdict, err)
	}
}

func TestIsAnswer(t *testing.T) {
	const out = "FKT+10+01+260500005+109910000'"
	for in, want := range map[string]bool{
		interchange("FEHL|" + fkt + "FHL++++0'"):                                true,
		interchange("FEHL|"+fkt+"FHL++++0'", "FEHL|"+fkt+"FHL++++0'"):           true,
		interchange("FEHL|" + fkt):                                              true,
		interchange("AUFN|" + out + "FHL+INV'"):                                 true,
		interchange("AUFN|"+out+"FHL+INV'", "RECH|"+out+"REC+1'"):               true,
		interchange("AUFN|"+out+"FHL+INV'", "FEHL|"+fkt+"FHL+INV'"):             true,
		interchange("AUFN|" + out + "INV+1'"):                                   false,
		interchange("KOUB|" + fkt + "INV+1'"):                                   false,
		interchange("KOUB|" + fkt + "FHL+INV'"):                                 false,
		interchange("FEHL|"+fkt+"FHL++++0'", "KOUB|"+fkt):                       false,
		interchange("FEHL|"+fkt+"FHL++++0'", "AUFN|"+out+"INV+1'", "KOUB|"+fkt): false,
		interchange("NEUE|" + fkt + "FHL+INV'"):                                 false,
		"Fehlerprotokoll":                                                       false,
	} {
		rep, err := annex.Check(context.Background(), strings.NewReader(in), annex.CheckOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := IsAnswer(&rep); got != want {
			t.Errorf("IsAnswer(%v) = %v", rep.Types, got)
		}
	}
}

func TestFromOrder(t *testing.T) {
	a := annex.Auftragsdatei{
		Verfahren: "EKRH0", TransferNummer: 42, AbsenderEigner: "260500005", EmpfaengerNutzer: "109910000",
		Dateiname: "KRH00000007", DatumErstellung: "20261123013000",
	}
	if rc, ok := FromOrder(a); ok {
		t.Errorf("no error stated: %+v", rc)
	}
	a.FehlerNummer, a.FehlerMassnahme = 10061, 3
	rc, ok := FromOrder(a)
	want := exchange.Receipt{
		Sender: "260500005", Recipient: "109910000", ApplicationRef: "KRH00000007", TransferName: "EKRH0042", Created: "20261123013000",
		Verdict:  exchange.VerdictRejected,
		Findings: []exchange.Finding{{Code: "010061", Text: "Auftragsdatei: FEHLER_NUMMER 010061, FEHLER_MASSNAHME 000003"}},
	}
	if !ok || !reflect.DeepEqual(rc, want) {
		t.Errorf("%+v", rc)
	}
	a.FehlerNummer = 0
	if _, ok := FromOrder(a); !ok {
		t.Error("a measure alone is an error too")
	}
}

// What one gateway answers, the other ties to its delivery.
func TestAnswerComesHome(t *testing.T) {
	sent := "UNB+UNOC:3+260500005+109910000+261122:2200+00007++KRH00000007'" +
		"UNH+00001+AUFN:16:000:00'FKT+10+01+260500005+109910000'INV+A123456780'UNT+4+00001'" +
		"UNH+00002+AUFN:16:000:00'FKT+20+02+260500005+109910000'INV+K741852967'UNT+4+00002'UNZ+2+00007'"
	insured, err := annex.LoadInsured(strings.NewReader("A123456780"))
	if err != nil {
		t.Fatal(err)
	}
	rep, err := annex.Check(context.Background(), strings.NewReader(sent), annex.CheckOptions{Checks: []annex.MessageCheck{insured}})
	if err != nil || rep.Verdict != annex.Partly {
		t.Fatal(rep, err)
	}
	p, err := annex.AnswerProfile("gateway301")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		messages []annex.FEHLMessage
		verdict  exchange.Verdict
		findings []exchange.Finding
	}{
		{p.Answer(&rep), exchange.VerdictRejected, []exchange.Finding{{Message: 2, Reference: "00002", Segment: "INV", Position: 1, Element: 1, Code: "G4-001", Text: "UNH 00002 Versicherter nicht bekannt"}}},
		{[]annex.FEHLMessage{p.Positive(&rep, "0")}, exchange.VerdictAccepted, nil},
	} {
		var answer strings.Builder
		if err := annex.WriteFEHL(&answer, p, p.Envelope(rep.Envelope, 1, time.Date(2026, 11, 23, 1, 5, 0, 0, time.UTC)), c.messages); err != nil {
			t.Fatal(err)
		}
		receipts, err := Read(strings.NewReader(answer.String()), Codes{Accepted: []string{"0"}})
		if err != nil || receipts[0].Verdict != c.verdict || !slices.Equal(receipts[0].Findings, c.findings) {
			t.Fatalf("%+v, %v", receipts, err)
		}
		d, err := Match(receipts[0], []exchange.Delivery{delivery(6, "KRH00000006", exchange.Delivered), delivery(7, "KRH00000007", exchange.Delivered)})
		if err != nil || d.ID != 7 {
			t.Errorf("%+v, %v", d, err)
		}
	}
}
