package annex

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func tables(t testing.TB) *Tables {
	t.Helper()
	tb, err := LoadTables()
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

func procedure(t testing.TB, name string) *Procedure {
	t.Helper()
	p, err := ProcedureProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Bodies of messages without a fault, FKT to the segment before UNT.
const (
	inv16    = "INV+A123456780+1+00+00+2712+N-1'"
	nad      = "NAD+Mustermann+Erika+w+19700101'"
	bodyAUFN = "FKT+10+01+260500005+109910000'" + inv16 + nad + "DPV+2026+2026'AUF+20261120+1120+0101+0100+20261124+++260500016'EAD+M50.8+S52.50:R'EAD+I10.00'"
	bodyENTL = "FKT+10+01+260500005+109910000'" + inv16 + nad + "STA+770000000+20261124+1000'DPV+2026'DAU+20261120+20261124'" +
		"ETL+20261121+1200+129+0100+M50.8'NDG+I10.00'NDG+J18.9'ETL+20261124+1000+011+0100+M50.8'EBG+20261121'FAB+0100+M50.8+++++5-470.11'RBG+A+B+C'"
	bodyRECH = "FKT+10+01+260500005+109910000'" + inv16 + nad + "STA+770000000+20261124+1000'CUX+EUR'REC+R-1+20261124+52+20261120+1460,40'ZLG+40,00+2'" +
		"FAB+0100+M50.8++++20261121+5-470.11:R'ENT+70G67B00+1000,00+20261120+20261124+1'ENT+74000000+125,10+20261120+20261124+4'BNK+DE36000000000000000000'"
	bodyKAIN = "FKT+75+01+109910000+260500005'" + inv16 + nad + "PVV+PF000+R-1+20261124'PVT+Text+M50.8'PVV+MDK01'"
	bodyKOUB = "FKT+10+01+109910000+260500005'" + inv16 + nad + "CUX+EUR'KOS+20261120+01+20261120+20261130+28+500,00'TXT++Text'"
	bodyAMBO = "FKT+10+01+260500005+109910000'" + inv16 + nad + "CUX+EUR'DPV+2026'REC+R-1+20261124+52+20261120+10,00'RZA+0100+++++++++20261120+01'BDG+M50.8'" +
		"PRZ+5-470.11:L+20261120'ENA+01234567++++20261120+++10,00+1+++1'EZV+10,00+01'LEI+A1+X+20261120'"
	bodyZAHL = "FKT+10+01+109910000+260500005'" + inv16 + nad + "CUX+EUR'REC+R-1+20261124+52+20261120+10,00'ZPR+10,00+01'"
)

// interchange builds a file of one message; the counts follow.
func interchange(typ, version, body string) string {
	segments := strings.Count(body, "'") + 2
	return goodUNB + "UNH+00001+" + typ + ":" + version + ":000:00'" + body + fmt.Sprintf("UNT+%d+00001'UNZ+1+00007'", segments)
}

// thorough are the options under which every rule has its say.
func thorough(t testing.TB) CheckOptions {
	return CheckOptions{Tables: tables(t), Confirmed: true, Now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
}

// contentCases are single faults of stages 2 and 3.
func contentCases(t testing.TB) []findingCase {
	o := thorough(t)
	aufn := func(old, new string) string { return interchange("AUFN", "16", edit(bodyAUFN, old, new)) }
	entl := func(old, new string) string { return interchange("ENTL", "16", edit(bodyENTL, old, new)) }
	rech := func(old, new string) string { return interchange("RECH", "16", edit(bodyRECH, old, new)) }
	kain := func(old, new string) string { return interchange("KAIN", "16", edit(bodyKAIN, old, new)) }
	koub := func(old, new string) string { return interchange("KOUB", "16", edit(bodyKOUB, old, new)) }
	ambo := func(old, new string) string { return interchange("AMBO", "16", edit(bodyAMBO, old, new)) }
	zahl := func(old, new string) string { return interchange("ZAHL", "16", edit(bodyZAHL, old, new)) }
	return []findingCase{
		{"unknown type", edit(interchange("AUFN", "16", bodyAUFN), "+AUFN:", "+"+mark+"XYZW:"), "G2-001", o},
		{"unknown version", edit(interchange("AUFN", "16", bodyAUFN), "+AUFN:16", "+AUFN:"+mark+"99"), "G2-002", o},
		{"foreign segment", aufn("AUF+", mark+"ZLG+1,00+2'AUF+"), "G2-003", o},
		{"segment too late", aufn("EAD+M50.8", mark+"DPV+2026'EAD+M50.8"), "G2-004", o},
		{"two segments swapped", interchange("AUFN", "16", edit(edit(bodyAUFN, inv16, ""), nad, nad+mark+inv16)), "G2-004", o},
		{"segment missing", aufn("AUF+20261120+1120+0101+0100+20261124+++260500016'", mark), "G2-005", o},
		{"first segment missing", aufn(inv16, mark), "G2-005", o},
		{"last segment missing", strings.Replace(interchange("AUFN", "16", edit(bodyAUFN, "EAD+M50.8+S52.50:R'EAD+I10.00'", "")), "UNT", mark+"UNT", 1), "G2-005", o},
		{"group missing", strings.Replace(interchange("KAIN", "16", edit(bodyKAIN, "PVV+PF000+R-1+20261124'PVT+Text+M50.8'PVV+MDK01'", "")), "UNT", mark+"UNT", 1), "G2-005", o},
		{"too many repeats", aufn("EAD+I10.00'", strings.Repeat("EAD+I10.00'", 19)+mark+"EAD+I10.00'EAD+I10.00'"), "G2-006", o},
		{"segment that stands once", aufn("DPV+2026+2026'", "DPV+2026+2026'"+mark+"DPV+2026'"), "G2-006", o},
		{"too many repeats in a group", entl("NDG+J18.9'", strings.Repeat("NDG+J18.9'", 39)+mark+"NDG+J18.9'"), "G2-006", o},
		{"too many groups", kain("PVV+MDK01'", strings.Repeat("PVV+MDK01'", 9)+mark+"PVV+MDK01'"), "G2-007", o},
		{"value missing", aufn("NAD+Mustermann", "NAD+"+mark), "G2-008", o},
		{"value missing at the end", aufn("+w+19700101'", "+w"+mark+"'"), "G2-008", o},
		{"Fachabteilung empty", aufn("+0101+0100+", "+0101+"+mark+"+"), "G2-008", o},
		{"one element too many", aufn("DPV+2026+2026'", "DPV+2026+2026+"+mark+"X'"), "G2-009", o},
		{"one component too many", aufn("AUF+20261120+", "AUF+20261120:"+mark+"X+"), "G2-009", o},
		{"too long", aufn("NAD+Mustermann", "NAD+"+mark+strings.Repeat("x", 46)), "G2-010", o},
		{"too short", aufn("+1120+0101", "+"+mark+"112+0101"), "G2-010", o},
		{"not numeric", aufn("+1+00+00+2712", "+1+00+"+mark+"0X+2712"), "G2-011", o},
		{"decimal point", rech("+1460,40'", "+"+mark+"1460.30'"), "G2-012", o},
		{"no digit behind the comma", rech("ENT+70G67B00+1000,00", "ENT+70G67B00+"+mark+"1000,"), "G2-012", o},
		{"control character", aufn("NAD+Muster", "NAD+"+mark+"Muster\x07"), "G2-013", o},

		{"no such day", aufn("AUF+20261120", "AUF+"+mark+"20261131"), "G3-001", o},
		{"no such time", aufn("+1120+0101", "+"+mark+"1160+0101"), "G3-002", o},
		{"no such month", aufn("+2712+", "+"+mark+"2713+"), "G3-003", o},
		{"check digit of an IK", aufn("+260500016'", "+"+mark+"260500017'"), "G3-004", o},
		{"placeholder", aufn("+260500016'", "+"+mark+"999999999'"), "G3-005", o},
		{"form of the KVNR", aufn("INV+A123456780", "INV+"+mark+"A12345"), "G3-006", o},
		{"check digit of the KVNR", aufn("INV+A123456780", "INV+"+mark+"A123456781"), "G3-007", o},
		{"form of a diagnosis", aufn("EAD+I10.00", "EAD+"+mark+"10.00"), "G3-008", o},
		{"version not yet in force", edit(interchange("AUFN", "13", edit(bodyAUFN, "+00+00+", "+0+0+")), "AUF+20261120", "AUF+"+mark+"20161231"), "G3-010", o},
		{"version no longer in force", edit(interchange("AUFN", "12", edit(bodyAUFN, "+00+00+", "+0+0+")), "AUF+20261120", "AUF+"+mark+"20170101"), "G3-011", o},
		{"sum", rech("+1460,40'", "+"+mark+"1460,31'"), "G3-012", o},
		{"Rechnungsart 12", rech("+52+", "+"+mark+"12+"), "G3-013", o},
		{"Rechnungsart 21", rech("+52+", "+"+mark+"21+"), "G3-014", o},
		{"Rechnungsart 54", rech("+52+", "+"+mark+"54+"), "G3-015", o},
		{"Rechnungsart 50", rech("+52+", "+"+mark+"50+"), "G3-016", o},
		{"discharge behind the stay", entl("ETL+20261124", "ETL+"+mark+"20261125"), "G3-020", o},
		{"transfer before admission", entl("ETL+20261121", "ETL+"+mark+"20261119"), "G3-020", o},
		{"discharge before admission", entl("DAU+20261120+20261124", "DAU+20261120+"+mark+"20261119"), "G3-021", o},
		{"operation before admission", rech("++++20261121+5", "++++"+mark+"20261119+5"), "G3-022", o},
		{"billed backwards", rech("1000,00+20261120+20261124", "1000,00+20261122+"+mark+"20261121"), "G3-023", o},
		{"billed before admission", rech("1000,00+20261120+20261124", "1000,00+"+mark+"20261119+20261124"), "G3-024", o},
		{"delivery behind the stay", entl("EBG+20261121", "EBG+"+mark+"20261125"), "G3-025", o},
		{"pseudo department", entl("+129+0100+M50.8", "+249+"+mark+"0100+M50.8"), "G3-026", o},

		{"VKZ", koub("FKT+10", "FKT+"+mark+"99"), "G3-101", o},
		{"VKZ of AUFN", aufn("FKT+10", "FKT+"+mark+"40"), "G3-102", o},
		{"VKZ of ENTL", entl("FKT+10", "FKT+"+mark+"30"), "G3-103", o},
		{"VKZ of RECH", rech("FKT+10", "FKT+"+mark+"20"), "G3-104", o},
		{"VKZ of AMBO", ambo("FKT+10", "FKT+"+mark+"75"), "G3-105", o},
		{"VKZ of KAIN", kain("FKT+75", "FKT+"+mark+"10"), "G3-106", o},
		{"Aufnahmegrund", aufn("+0101+", "+"+mark+"1101+"), "G3-107", o},
		{"Aufnahmegrund, second part", aufn("+0101+", "+"+mark+"0108+"), "G3-108", o},
		{"Entlassungsgrund", entl("+011+", "+"+mark+"301+"), "G3-109", o},
		{"Entlassungsgrund, third digit", entl("+011+", "+"+mark+"010+"), "G3-110", o},
		{"Fachabteilung", aufn("+0101+0100+", "+0101+"+mark+"3800+"), "G3-111", o},
		{"Rechnungsart, first digit", rech("+52+", "+"+mark+"32+"), "G3-112", o},
		{"Rechnungsart, second digit", rech("+52+", "+"+mark+"05+"), "G3-113", o},
		{"Zuzahlungskennzeichen", rech("ZLG+40,00+2", "ZLG+40,00+"+mark+"3"), "G3-114", o},
		{"Kostenübernahme", koub("KOS+20261120+01", "KOS+20261120+"+mark+"09"), "G3-115", o},
		{"Prüfungsvermerk", zahl("ZPR+10,00+01", "ZPR+10,00+"+mark+"14"), "G3-116", o},
		{"Versichertenart", aufn("A123456780+1+", "A123456780+"+mark+"2+"), "G3-117", o},
		{"Personenkreis", aufn("+1+00+00", "+1+"+mark+"01+00"), "G3-118", o},
		{"DMP", aufn("+1+00+00", "+1+00+"+mark+"10"), "G3-119", o},
		{"Geschlecht", aufn("+w+", "+"+mark+"u+"), "G3-120", o},
		{"Lokalisation", aufn("S52.50:R", "S52.50:"+mark+"X"), "G3-121", o},
		{"Währung", rech("CUX+EUR", "CUX+"+mark+"DEM"), "G3-122", o},
		{"KV-Bezirk", ambo("+20261120+01'BDG", "+20261120+"+mark+"04'BDG"), "G3-123", o},
		{"Entgeltart", rech("ENT+70G67B00", "ENT+"+mark+"99G67B00"), "G3-124", o},
		{"Entgeltart before its day", strings.NewReplacer("2026112", "2019112", "ENT+74", "ENT+"+mark+"74", ":16:", ":13:", "+00+00+", "+0+0+", "STA+770000000+20261124+1000'", "", "UNT+13", "UNT+12").Replace(interchange("RECH", "16", bodyRECH)), "G3-124", o},
		{"Entgeltart ambulant", ambo("ENA+01234567", "ENA+"+mark+"91234567"), "G3-125", o},
		{"Erläuterung", ambo("EZV+10,00+01", "EZV+10,00+"+mark+"07"), "G3-126", o},
		{"Leistungsart", ambo("LEI+A1", "LEI+"+mark+"A5"), "G3-127", o},
		{"Teamebene", ambo("+1+++1'", "+1+++"+mark+"4'"), "G3-128", o},
		{"KAIN", kain("PVV+MDK01", "PVV+"+mark+"MDK05"), "G3-129", o},
		{"INKA", edit(interchange("INKA", "16", edit(edit(bodyKAIN, "PF000", "FDI01"), "MDK01", "MDI04")), "MDI04", mark+"MDI06"), "G3-130", o},
		{"the same Geschäftsvorfall twice", interchange("AUFN", "16", bodyAUFN+edit(bodyAUFN, "N-1", mark+"N-1")), "G3-027", o},
	}
}

func TestContentGood(t *testing.T) {
	o := thorough(t)
	for name, in := range map[string]string{
		"AUFN": interchange("AUFN", "16", bodyAUFN), "ENTL": interchange("ENTL", "16", bodyENTL), "RECH": interchange("RECH", "16", bodyRECH),
		"KAIN": interchange("KAIN", "16", bodyKAIN), "KOUB": interchange("KOUB", "16", bodyKOUB), "AMBO": interchange("AMBO", "16", bodyAMBO),
		"ZAHL":                 interchange("ZAHL", "16", bodyZAHL),
		"name only":            interchange("KHIN", "16", "FKT+10+01+260500005+109910000'ABC+X'"),
		"returned":             interchange("AUFN", "16", edit(bodyAUFN, "EAD+I10.00'", "FHL+INV+1+1+12345+Text'EAD+I10.00'")),
		"trailing empty":       interchange("AUFN", "16", edit(bodyAUFN, "EAD+I10.00'", "EAD+I10.00::+:+'")),
		"several":              interchange("AUFN", "16", bodyAUFN+edit(edit(bodyAUFN, "N-1", "N-2"), "FKT+10+01", "FKT+20+02")),
		"twelve digits":        interchange("AUFN", "16", edit(bodyAUFN, "A123456780", "123456789012")),
		"integer amount":       interchange("RECH", "16", edit(bodyRECH, "1000,00", "1000")),
		"nothing to pay":       interchange("RECH", "16", edit(edit(bodyRECH, "ZLG+40,00+2'", ""), "1460,40", "1500,40")),
		"large amounts":        interchange("RECH", "16", edit(edit(edit(bodyRECH, "+1000,00", "+99999999999999999999,00"), "ENT+74000000+125,10+20261120+20261124+4'", ""), "+1460,40", "+99999999999999999959,00")),
		"small fractions":      interchange("RECH", "16", edit(edit(bodyRECH, "+125,10", "+125,1000000000001"), "+1460,40", "+1460,4000000000004")),
		"pseudo department":    interchange("ENTL", "16", edit(bodyENTL, "+129+0100+M50.8", "+249+0003+M50.8")),
		"Zuzahlung only":       interchange("RECH", "16", edit(edit(bodyRECH, "+52+", "+80+"), "1460,40", "40,00")),
		"version 12":           interchange("AUFN", "12", edit(edit(bodyAUFN, "AUF+20261120", "AUF+20161231"), "+00+00+", "+0+0+")),
		"first day of 13":      interchange("AUFN", "13", edit(edit(bodyAUFN, "AUF+20261120", "AUF+20170101"), "+00+00+", "+0+0+")),
		"codes without a rest": interchange("KAIN", "16", edit(bodyKAIN, "MDK01", "EKK99")),
	} {
		rep, found := check(t, in, o)
		if rep.Verdict != Accepted || found != nil {
			t.Errorf("%s: %s %q %+v", name, rep.Verdict, found, rep.Findings)
		}
	}
}

// Every single fault gives its code at its place, and nothing else; the arrival of
// the bytes changes nothing, and no text holds the value.
func TestContentFindings(t *testing.T) {
	for _, c := range contentCases(t) {
		in, at := unmark(t, c.in)
		rep, found := check(t, in, c.o)
		var codes []string
		for _, f := range rep.Findings {
			codes = append(codes, f.Code)
			if f.Text == "" || strings.Contains(f.Text+f.TextEN, "%!") || strings.Contains(f.Text, "Mustermann") || f.Basis == "" {
				t.Errorf("%s: %+v", c.name, f)
			}
			if f.Official || f.Stage != int(f.Code[1]-'0') || f.Message != 1 {
				t.Errorf("%s: %+v", c.name, f)
			}
		}
		if got := strings.Join(codes, " "); got != c.codes {
			t.Errorf("%s: findings %q, want %q", c.name, found, c.codes)
			continue
		}
		if rep.Findings[0].Offset != int64(at) {
			t.Errorf("%s: %s at %d, want %d", c.name, rep.Findings[0].Code, rep.Findings[0].Offset, at)
		}
		slow, err := Check(context.Background(), iotest.OneByteReader(strings.NewReader(in)), c.o)
		if err != nil || !slices.Equal(slow.Findings, rep.Findings) {
			t.Errorf("%s: byte by byte %+v, %v", c.name, slow.Findings, err)
		}
		c.o.Confirmed = false
		if rep, _ := check(t, in, c.o); rep.Errors != 0 || rep.Verdict != Accepted || rep.Warnings == 0 {
			t.Errorf("%s: unconfirmed tables refuse: %+v", c.name, rep)
		}
		c.o.Tables = nil
		if rep, _ := check(t, in, c.o); len(rep.Findings) != 0 {
			t.Errorf("%s: found without tables: %+v", c.name, rep.Findings)
		}
	}
}

// What the answer needs: tag, running number and element.
func TestContentNamesTheSegment(t *testing.T) {
	o := thorough(t)
	for _, c := range []struct {
		in                string
		segment           string
		position, element int
	}{
		{interchange("ENTL", "16", edit(bodyENTL, "NDG+J18.9'", "NDG+J18.9+X:R:Y'")), "NDG", 2, 2},
		{interchange("ENTL", "16", edit(bodyENTL, "ETL+20261124", "ETL+2026112X")), "ETL", 2, 1},
		{interchange("AUFN", "16", bodyAUFN+edit(bodyAUFN, "N-1", "")), "INV", 2, 6},
		{interchange("AUFN", "16", edit(bodyAUFN, nad, "")), "NAD", 0, 0},
		{interchange("AUFN", "16", edit(bodyAUFN, "DPV+2026+2026'", "DPV+2026'DPV+2026'")), "DPV", 2, 0},
		{interchange("AUFN", "16", edit(bodyAUFN, "FKT+10", "FKT+99")), "FKT", 1, 1},
	} {
		rep, found := check(t, c.in, o)
		if f := rep.Findings[0]; f.Segment != c.segment || f.Position != c.position || f.Element != c.element {
			t.Errorf("%q: %+v", found, f)
		}
	}
}

// A stage that fails ends the message; others go on.
func TestStagesEnd(t *testing.T) {
	o := thorough(t)
	o.Checks = []MessageCheck{&everySegment{find: Finding{Code: "G4-900", Severity: Warning, Text: "x"}}}
	bad := edit(edit(bodyAUFN, "NAD+Mustermann", "NAD+"), "AUF+20261120", "AUF+20261131") // stages 2 and 3
	in := interchange("AUFN", "16", bad)
	in = strings.Replace(in, "UNZ+1", "UNH+00002+AUFN:16:000:00'"+edit(edit(bodyAUFN, "AUF+20261120", "AUF+20261131"), "N-1", "N-2")+"UNT+9+00002'UNZ+2", 1)
	rep, found := check(t, in, o)
	want := [4]StageResult{{2, 0, 0}, {1, 1, 0}, {0, 1, 1}, {0, 0, 2}}
	if rep.Stages != want || len(rep.Findings) != 2 || rep.Findings[0].Code != "G2-008" || rep.Findings[1].Code != "G3-001" || rep.Verdict != Rejected || len(rep.Refused) != 2 {
		t.Errorf("%v %v %+v", found, rep.Stages, rep.Refused)
	}
	rep, found = check(t, strings.Replace(in, "UNT+9+00001", "UNT+8+00001", 1), o)
	if rep.Stages[0] != (StageResult{1, 1, 0}) || rep.Stages[1] != (StageResult{1, 0, 1}) || rep.Findings[0].Code != "G1-001" || len(rep.Findings) != 2 {
		t.Errorf("%v %v", found, rep.Stages)
	}
	o.Stage = 2
	if rep, found = check(t, in, o); len(rep.Findings) != 1 || rep.Stages[2].NotChecked != 2 {
		t.Errorf("%v %v", found, rep.Stages)
	}
	o.Stage, o.Severities = 0, map[string]Severity{"G2-008": Off, "G3-001": Warning}
	if rep, found = check(t, in, o); rep.Errors != 0 || rep.Stages[3].Passed != 2 || len(rep.Findings) != 4 {
		t.Errorf("%v %v", found, rep.Stages)
	}
	o.Confirmed, o.Severities = false, map[string]Severity{"G3-001": Error}
	if rep, found = check(t, in, o); rep.Errors != 2 {
		t.Errorf("%v %v", found, rep.Stages)
	}
}

// A message with very many findings stays bounded, and all are counted.
func TestManyFindings(t *testing.T) {
	const many = 20_000
	o := thorough(t)
	o.Keep = 10
	for _, c := range []struct {
		segment          string
		errors, warnings int
	}{{"XYZ+1'", 0, many}, {"NAD+" + strings.Repeat("x", 46) + "+B+w+19700101'", 1 + many, many}} {
		in := interchange("AUFN", "16", bodyAUFN+strings.Repeat(c.segment, many))
		in = strings.Replace(in, "EAD+I10.00'", "EAD+"+strings.Repeat("x", 10)+"'", 1)
		rep, _ := check(t, in, o)
		if len(rep.Findings) != 10 || len(rep.Refused) != 1 || rep.Errors < c.errors || rep.Errors+rep.Warnings < many || rep.Refused[0].Faults[0].Text == "" {
			t.Errorf("%d findings, %d errors, %d warnings, %+v", len(rep.Findings), rep.Errors, rep.Warnings, rep.Refused)
		}
	}
}

func TestVersionDate(t *testing.T) {
	o := thorough(t)
	in := interchange("AUFN", "12", edit(bodyAUFN, "+00+00+", "+0+0+")) // admitted in 2026
	if rep, _ := check(t, in, o); rep.Errors != 1 || rep.Findings[0].Code != "G3-011" {
		t.Errorf("%+v", rep.Findings)
	}
	o.VersionDate = time.Date(2016, 5, 1, 0, 0, 0, 0, time.UTC)
	if rep, _ := check(t, in, o); rep.Errors != 0 {
		t.Errorf("%+v", rep.Findings)
	}
}
