package annex_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"gateway301/annex"
)

// A file whose UNZ counts three messages where there is one.
const miscounted = "UNB+UNOC:3+260500005+109910000+261122:2200+00007++KRH00000007'" +
	"UNH+00001+AUFN:16:000:00'FKT+10+01+260500005+109910000'INV+A123456780+1+00+00+2712+N-1'UNT+4+00001'" +
	"UNZ+3+00007'"

func ExampleCheck() {
	rep, err := annex.Check(context.Background(), strings.NewReader(miscounted), annex.CheckOptions{})
	if err != nil {
		fmt.Println(err) // the disk, never the content
		return
	}
	fmt.Println(rep.Verdict)
	for _, f := range rep.Findings {
		fmt.Printf("%s %s, element %d, byte %d: %s\n", f.Code, f.Segment, f.Element, f.Offset, f.TextEN)
	}
	// Output:
	// rejected
	// G1-003 UNZ, element 1, byte 165: UNZ counts "3" messages instead of "1"
}

func ExampleWriteFEHL() {
	rep, _ := annex.Check(context.Background(), strings.NewReader(miscounted), annex.CheckOptions{})
	p, err := annex.AnswerProfile("gateway301")
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2026, 11, 23, 1, 5, 0, 0, time.UTC)
	if err := annex.WriteFEHL(os.Stdout, p, p.Envelope(rep.Envelope, 12, at), p.Answer(&rep)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// UNB+UNOC:3+109910000+260500005+261123:0105+00012++KRH00000007'UNH+00001+FEHL:16:000:00'FKT+10+01+109910000+260500005'FHL++++G1-003+Nachrichtenanzahl in UNZ ist "3" statt "1"'UNT+4+00001'UNZ+1+00012'
}

func ExampleAuftragsdatei_Encode() {
	_, err := annex.Auftragsdatei{
		Verfahren: annex.Verfahren(true), TransferNummer: 1000,
		AbsenderEigner: "260500005", AbsenderPhysikalisch: "260500005",
		EmpfaengerNutzer: "109910000", EmpfaengerPhysikalisch: "109910001",
		Dateiname: "KRH00000007", DatumErstellung: "20261122220000",
		GroesseNutzdaten: 1200, GroesseUebertragung: 3100, Zeichensatz: annex.ZeichensatzI1,
		Verschluesselung: annex.KryptoCMS, Unterschrift: annex.KryptoCMS,
	}.Encode()
	fmt.Println(err)
	// Output:
	// invalid Auftragsdatei: TRANSFER_NUMMER (field 6, position 25-27): must not have more than 3 digits; EMPFÄNGER_PHYSIKALISCH (field 11, position 78-92): IK "109910001" has a wrong check digit: the last digit would have to be 0
}
