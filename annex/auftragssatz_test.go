package annex

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// sampleOrder is a record with every field that a sender fills.
func sampleOrder() Auftragsdatei {
	return Auftragsdatei{
		Verfahren: "EKRH0", TransferNummer: 42,
		AbsenderEigner: "260500005", AbsenderPhysikalisch: "260500016",
		EmpfaengerNutzer: "109910000", EmpfaengerPhysikalisch: "109910000",
		Dateiname: "KRH00000042", DatumErstellung: "20261123013000", DatumGesendet: "20261123013105",
		GroesseNutzdaten: 12345, GroesseUebertragung: 14000,
		Zeichensatz: ZeichensatzI1, Verschluesselung: KryptoCMS, Unterschrift: KryptoCMS,
	}
}

// The record written out by hand, field after field, from GGT 2.
var goldenOrder = strings.Join([]string{
	"500000", "01", "00000348", "000", "EKRH0", "042", "     ",
	"260500005      ", "260500016      ", "109910000      ", "109910000      ",
	"000000", "000000", "KRH00000042", "20261123013000", "20261123013105",
	"00000000000000", "00000000000000", "000000", "0", "000000012345", "000000014000",
	"I1", "00", "03", "03", "   ", "00000", "00000000", " ", "00", "5", "0000000000", "000000",
	strings.Repeat(" ", 28), strings.Repeat(" ", 44), strings.Repeat(" ", 30),
}, "")

func TestEncodeGolden(t *testing.T) {
	got, err := sampleOrder().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != goldenOrder {
		t.Errorf("got\n%q\nwant\n%q", got, goldenOrder)
	}
}

// The positions are those printed in GGT 2.
func TestLayoutPositions(t *testing.T) {
	want := []int{1, 7, 9, 17, 20, 25, 28, 33, 48, 63, 78, 93, 99, 105, 116, 130, 144, 158, 172, 178, 179, 191, 203, 205, 207, 209, 211, 214, 219, 227, 228, 230, 231, 241, 247, 275, 319}
	fields := layout()
	if len(fields) != 37 || len(want) != 37 {
		t.Fatalf("%d fields", len(fields))
	}
	from := 1
	for i, f := range fields {
		if from != want[i] {
			t.Errorf("%s begins at %d, want %d", f.name, from, want[i])
		}
		from += f.length
	}
	if from != AuftragsdateiSize+1 {
		t.Errorf("record has %d bytes", from-1)
	}
}

func TestOrderRoundTrip(t *testing.T) {
	a := sampleOrder()
	a.SequenzNr, a.Spezifikation = 901, "AB"
	a.FehlerNummer, a.FehlerMassnahme = 10061, 2
	a.DatumEmpfangenStart, a.DatumEmpfangenEnde = "20261123013200", "20261123013201"
	a.Zeichensatz, a.Komprimierung = ZeichensatzI8, KomprimierungGzip
	a.Satzformat, a.Satzlaenge, a.Blocklaenge = "F", 348, 3480
	a.Status, a.Wiederholung, a.Uebertragungsweg = "4", 3, 2
	a.VerzoegerterVersand, a.InfoFehler = "2611231200", 17
	a.VariablesInfo, a.EMailAbsender, a.DateiBezeichnung = "Prüfung über Straße", "versand@nord.example", "Nachtlauf ÄÖÜ"
	b, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, warnings, err := ParseAuftragsdatei(b)
	if err != nil || warnings != nil {
		t.Fatal(warnings, err)
	}
	a.Identifikator, a.Version, a.LaengeAuftrag = 500000, 1, 348
	if got != a {
		t.Errorf("got  %+v\nwant %+v", got, a)
	}
	if !got.Returned() || sampleOrderReturned() || got.TransferName() != "EKRH0042" {
		t.Error("Returned or TransferName wrong")
	}
}

func sampleOrderReturned() bool { a := sampleOrder(); return a.Returned() }

// Every rule of writing, broken alone, is the only fault, and names its field.
func TestEncodeStrict(t *testing.T) {
	for _, c := range []struct {
		field string
		bad   func(*Auftragsdatei)
	}{
		{"IDENTIFIKATOR", func(a *Auftragsdatei) { a.Identifikator = 500001 }},
		{"VERSION", func(a *Auftragsdatei) { a.Version = 2 }},
		{"LÄNGE_AUFTRAG", func(a *Auftragsdatei) { a.LaengeAuftrag = 349 }},
		{"SEQUENZ_NR", func(a *Auftragsdatei) { a.SequenzNr = 99 }},
		{"VERFAHREN_KENNUNG", func(a *Auftragsdatei) { a.Verfahren = "XKRH0" }},
		{"VERFAHREN_KENNUNG", func(a *Auftragsdatei) { a.Verfahren = "" }},
		{"TRANSFER_NUMMER", func(a *Auftragsdatei) { a.TransferNummer = 1000 }},
		{"TRANSFER_NUMMER", func(a *Auftragsdatei) { a.TransferNummer = -1 }},
		{"VERFAHREN_KENNUNG_SPEZIFIKATION", func(a *Auftragsdatei) { a.Spezifikation = "ABCDEF" }},
		{"ABSENDER_EIGNER", func(a *Auftragsdatei) { a.AbsenderEigner = "260500006" }},
		{"ABSENDER_PHYSIKALISCH", func(a *Auftragsdatei) { a.AbsenderPhysikalisch = "123456789" }},
		{"EMPFÄNGER_NUTZER", func(a *Auftragsdatei) { a.EmpfaengerNutzer = "" }},
		{"EMPFÄNGER_PHYSIKALISCH", func(a *Auftragsdatei) { a.EmpfaengerPhysikalisch = "AOK" }},
		{"FEHLER_NUMMER", func(a *Auftragsdatei) { a.FehlerNummer = 1000000 }},
		{"FEHLER_MASSNAHME", func(a *Auftragsdatei) { a.FehlerMassnahme = -5 }},
		{"DATEINAME", func(a *Auftragsdatei) { a.Dateiname = "KRH0001" }},
		{"DATEINAME", func(a *Auftragsdatei) { a.Dateiname = "KRH000000123" }},
		{"DATEINAME", func(a *Auftragsdatei) { a.Dateiname = "KRH0001 " }},
		{"DATEINAME", func(a *Auftragsdatei) { a.Dateiname = "KRH0001\n" }},
		{"DATEINAME", func(a *Auftragsdatei) { a.Dateiname = "KRH€0000001" }},
		{"DATUM_ERSTELLUNG", func(a *Auftragsdatei) { a.DatumErstellung = "" }},
		{"DATUM_ERSTELLUNG", func(a *Auftragsdatei) { a.DatumErstellung = "20261323013000" }},
		{"DATUM_ÜBERTRAGUNG_GESENDET", func(a *Auftragsdatei) { a.DatumGesendet = "2026112301300" }},
		{"DATUM_ÜBERTRAGUNG_EMPFANGEN_START", func(a *Auftragsdatei) { a.DatumEmpfangenStart = "20260229000000" }},
		{"DATUM_ÜBERTRAGUNG_EMPFANGEN_ENDE", func(a *Auftragsdatei) { a.DatumEmpfangenEnde = "20261123013060" }},
		{"DATEIVERSION", func(a *Auftragsdatei) { a.Dateiversion = 1 }},
		{"KORREKTUR", func(a *Auftragsdatei) { a.Korrektur = 1 }},
		{"DATEIGRÖSSE_NUTZDATEN", func(a *Auftragsdatei) { a.GroesseNutzdaten = 0 }},
		{"DATEIGRÖSSE_ÜBERTRAGUNG", func(a *Auftragsdatei) { a.GroesseUebertragung = 1e12 }},
		{"ZEICHENSATZ", func(a *Auftragsdatei) { a.Zeichensatz = "I2" }},
		{"ZEICHENSATZ", func(a *Auftragsdatei) { a.Zeichensatz = ZeichensatzEB }},
		{"KOMPRIMIERUNG", func(a *Auftragsdatei) { a.Komprimierung = 4 }},
		{"ELEKTRONISCHE_UNTERSCHRIFT", func(a *Auftragsdatei) { a.Unterschrift = KryptoNone }},
		{"ELEKTRONISCHE_UNTERSCHRIFT", func(a *Auftragsdatei) { a.Verschluesselung = KryptoNone }},
		{"ELEKTRONISCHE_UNTERSCHRIFT", func(a *Auftragsdatei) { a.Verschluesselung, a.Unterschrift = 2, 2 }},
		{"SATZFORMAT", func(a *Auftragsdatei) { a.Satzformat = "X" }},
		{"BLOCKLÄNGE", func(a *Auftragsdatei) { a.Satzlaenge = 348 }},
		{"STATUS", func(a *Auftragsdatei) { a.Status = "9" }},
		{"WIEDERHOLUNG", func(a *Auftragsdatei) { a.Wiederholung = 100 }},
		{"ÜBERTRAGUNGSWEG", func(a *Auftragsdatei) { a.Uebertragungsweg = 6 }},
		{"VERZÖGERTER_VERSAND", func(a *Auftragsdatei) { a.VerzoegerterVersand = "2611311200" }},
		{"INFO_UND_FEHLERFELDER", func(a *Auftragsdatei) { a.InfoFehler = 1000000 }},
		{"VARIABLES_INFO_FELD", func(a *Auftragsdatei) { a.VariablesInfo = strings.Repeat("x", 29) }},
		{"E-MAIL-ADRESSE_ABSENDER", func(a *Auftragsdatei) { a.EMailAbsender = " x" }},
		{"DATEI_BEZEICHNUNG", func(a *Auftragsdatei) {
			a.EMailAbsender, a.DateiBezeichnung = strings.Repeat("x", 40)+"@y.z", "rest"
		}},
	} {
		a := sampleOrder()
		c.bad(&a)
		b, err := a.Encode()
		var e *OrderError
		if !errors.As(err, &e) || !errors.Is(err, ErrAuftragsdatei) || b != nil {
			t.Errorf("%s: error %v", c.field, err)
			continue
		}
		if len(e.Faults) != 1 || e.Faults[0].Field != c.field {
			t.Errorf("%s: faults %v", c.field, e)
		}
	}
}

func TestEncodeNamesAllFaultsAtOnce(t *testing.T) {
	_, err := Auftragsdatei{TransferNummer: 1000}.Encode()
	const want = "invalid Auftragsdatei: " +
		"VERFAHREN_KENNUNG (field 5, position 20-24): must be E or T, three capital letters and a digit; " +
		"TRANSFER_NUMMER (field 6, position 25-27): must not have more than 3 digits; "
	if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), "; ") != 10 {
		t.Error(err)
	}
}

// put writes value at a position counted from 1.
func put(record string, position int, value string) string {
	return record[:position-1] + value + record[position-1+len(value):]
}

// What a lenient reader accepts, what it says, and what it reads.
func TestParseLenient(t *testing.T) {
	for _, c := range []struct {
		name, record, field string
		same                func(Auftragsdatei) bool
	}{
		{"line feed", goldenOrder + "\n", "", func(a Auftragsdatei) bool { return a.TransferNummer == 42 }},
		{"carriage return, line feed, end of file", goldenOrder + "\r\n\x1a", "", func(a Auftragsdatei) bool { return a.TransferNummer == 42 }},
		{"conditional number blank", put(goldenOrder, 228, "  "), "WIEDERHOLUNG", func(a Auftragsdatei) bool { return a.Wiederholung == 0 }},
		{"sequence blank", put(goldenOrder, 17, "   "), "SEQUENZ_NR", func(a Auftragsdatei) bool { return a.SequenzNr == 0 }},
		{"optional time blank", put(goldenOrder, 144, strings.Repeat(" ", 14)), "DATUM_ÜBERTRAGUNG_EMPFANGEN_START", func(a Auftragsdatei) bool { return a.DatumEmpfangenStart == "" }},
		{"number filled with blanks", put(goldenOrder, 25, " 42"), "TRANSFER_NUMMER", func(a Auftragsdatei) bool { return a.TransferNummer == 42 }},
		{"text right-aligned", put(goldenOrder, 33, "      260500005"), "ABSENDER_EIGNER", func(a Auftragsdatei) bool { return a.AbsenderEigner == "260500005" }},
		{"check digit", put(goldenOrder, 33, "260500006"), "ABSENDER_EIGNER", func(a Auftragsdatei) bool { return a.AbsenderEigner == "260500006" }},
		{"no IK", put(goldenOrder, 63, "AOK      "), "EMPFÄNGER_NUTZER", func(a Auftragsdatei) bool { return a.EmpfaengerNutzer == "AOK" }},
		{"short name", put(goldenOrder, 105, "KRH0001    "), "DATEINAME", func(a Auftragsdatei) bool { return a.Dateiname == "KRH0001" }},
		{"time of sending", put(goldenOrder, 130, "20261399000000"), "DATUM_ÜBERTRAGUNG_GESENDET", func(a Auftragsdatei) bool { return a.DatumGesendet == "20261399000000" }},
		{"file version", put(goldenOrder, 172, "000001"), "DATEIVERSION", func(a Auftragsdatei) bool { return a.Dateiversion == 1 }},
		{"character set", put(goldenOrder, 203, "I2"), "ZEICHENSATZ", func(a Auftragsdatei) bool { return a.Zeichensatz == "I2" }},
		{"EBCDIC", put(goldenOrder, 203, "EB"), "ZEICHENSATZ", func(a Auftragsdatei) bool { return a.Zeichensatz == ZeichensatzEB }},
		{"record format", put(goldenOrder, 211, "X"), "SATZFORMAT", func(a Auftragsdatei) bool { return a.Satzformat == "X" }},
		{"block without format", put(goldenOrder, 219, "00000348"), "BLOCKLÄNGE", func(a Auftragsdatei) bool { return a.Blocklaenge == 348 }},
		{"status", put(goldenOrder, 227, "9"), "STATUS", func(a Auftragsdatei) bool { return a.Status == "9" }},
		{"way", put(goldenOrder, 230, "0"), "ÜBERTRAGUNGSWEG", func(a Auftragsdatei) bool { return a.Uebertragungsweg == 0 }},
		{"delayed", put(goldenOrder, 231, "2613010000"), "VERZÖGERTER_VERSAND", func(a Auftragsdatei) bool { return a.VerzoegerterVersand == "2613010000" }},
		{"NUL in free text", put(goldenOrder, 247, "a\x00b"), "VARIABLES_INFO_FELD", func(a Auftragsdatei) bool { return a.VariablesInfo == "a\uFFFDb" }},
		{"long address", put(goldenOrder, 275, strings.Repeat("x", 40)+"@abc.example"), "DATEI_BEZEICHNUNG", func(a Auftragsdatei) bool { return a.DateiBezeichnung == ".example" }},
	} {
		a, warnings, err := ParseAuftragsdatei([]byte(c.record))
		if err != nil || len(warnings) != 1 || warnings[0].Field != c.field || !c.same(a) {
			t.Errorf("%s: %+v, %v, %v", c.name, a, warnings, err)
		}
	}
}

// What even a lenient reader refuses.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, record, field string }{
		{"empty", "", ""},
		{"too short", goldenOrder[:347], ""},
		{"too long", goldenOrder + "x", ""},
		{"constant", put(goldenOrder, 1, "500001"), "IDENTIFIKATOR"},
		{"layout version", put(goldenOrder, 7, "02"), "VERSION"},
		{"stated length", put(goldenOrder, 9, "00000349"), "LÄNGE_AUFTRAG"},
		{"sequence", put(goldenOrder, 17, "099"), "SEQUENZ_NR"},
		{"sequence not numeric", put(goldenOrder, 17, "0a0"), "SEQUENZ_NR"},
		{"Verfahren", put(goldenOrder, 20, "ekrh0"), "VERFAHREN_KENNUNG"},
		{"Verfahren blank", put(goldenOrder, 20, "     "), "VERFAHREN_KENNUNG"},
		{"number not numeric", put(goldenOrder, 25, "4a2"), "TRANSFER_NUMMER"},
		{"number signed", put(goldenOrder, 25, "-42"), "TRANSFER_NUMMER"},
		{"number blank", put(goldenOrder, 25, "   "), "TRANSFER_NUMMER"},
		{"owner blank", put(goldenOrder, 33, "         "), "ABSENDER_EIGNER"},
		{"owner with NUL", put(goldenOrder, 33, "26050\x000005"), "ABSENDER_EIGNER"},
		{"name blank", put(goldenOrder, 105, strings.Repeat(" ", 11)), "DATEINAME"},
		{"created zero", put(goldenOrder, 116, strings.Repeat("0", 14)), "DATUM_ERSTELLUNG"},
		{"created no date", put(goldenOrder, 116, "20261323013000"), "DATUM_ERSTELLUNG"},
		{"size zero", put(goldenOrder, 191, strings.Repeat("0", 12)), "DATEIGRÖSSE_ÜBERTRAGUNG"},
		{"compression", put(goldenOrder, 205, "05"), "KOMPRIMIERUNG"},
		{"encrypted, not signed", put(goldenOrder, 209, "00"), "ELEKTRONISCHE_UNTERSCHRIFT"},
		{"signed, not encrypted", put(goldenOrder, 207, "00"), "ELEKTRONISCHE_UNTERSCHRIFT"},
	} {
		_, _, err := ParseAuftragsdatei([]byte(c.record))
		var e *OrderError
		if !errors.As(err, &e) || len(e.Faults) != 1 || e.Faults[0].Field != c.field {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Whatever the bytes, reading does not panic; and a record that is read without
// a warning is written back byte for byte.
func FuzzParseAuftragsdatei(f *testing.F) {
	f.Add([]byte(goldenOrder))
	f.Add([]byte(goldenOrder + "\r\n"))
	f.Add([]byte(put(goldenOrder, 275, "Prüfung@nord.example")))
	f.Add([]byte(put(goldenOrder, 144, strings.Repeat(" ", 14))))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, warnings, err := ParseAuftragsdatei(b)
		if err != nil {
			if !errors.Is(err, ErrAuftragsdatei) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := a.Encode()
		if warnings == nil && (err != nil || !bytes.Equal(again, b)) {
			t.Fatalf("read without a warning, written as %q, %v", again, err)
		}
		if err == nil && len(again) != AuftragsdateiSize {
			t.Fatalf("%d bytes", len(again))
		}
	})
}
