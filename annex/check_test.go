package annex

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	_ "time/tzdata" // the tests need Europe/Berlin everywhere

	"gateway301/edifact"
)

// The parts of a file without a fault.
const (
	goodUNA = "UNA:+,? '"
	goodUNB = "UNB+UNOC:3+260500005+109910000+261122:2200+00007++KRH00000007'"
	goodM1  = "UNH+00001+AUFN:16:000:00'FKT+10+01+260500005+109910000'INV+A123456780+1+++2712+N-1'UNT+4+00001'"
	goodM2  = "UNH+00002+ENTL:16:000:00'FKT+10+01+260500005+109910000'INV+K741852967+1+++2712+N-2'NAD+O?'Beispiel+Ute'FKT+20+02+260500005+109910000'UNT+6+00002'"
	goodUNZ = "UNZ+2+00007'"
	good    = goodUNB + goodM1 + goodM2 + goodUNZ
)

func berlin(t testing.TB) *time.Location {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// check runs Check and gives "code@offset" of every finding.
func check(t testing.TB, in string, o CheckOptions) (Report, []string) {
	t.Helper()
	rep, err := Check(context.Background(), strings.NewReader(in), o)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range rep.Findings {
		found = append(found, fmt.Sprintf("%s@%d", f.Code, f.Offset))
	}
	return rep, found
}

func TestCheckGood(t *testing.T) {
	now := time.Date(2026, 11, 22, 22, 0, 0, 0, berlin(t))
	order := sampleOrder()
	order.Dateiname, order.EmpfaengerPhysikalisch = "KRH00000007", "260500049"
	for name, in := range map[string]string{
		"plain":           good,
		"UNA":             goodUNA + good,
		"line breaks":     goodUNA + "\r\n" + strings.ReplaceAll(good, "'U", "'\r\nU") + "\r\n",
		"padded counts":   strings.Replace(strings.Replace(good, "UNT+4+", "UNT+000004+", 1), "UNZ+2+", "UNZ+000002+", 1),
		"long year":       strings.Replace(good, "+261122:", "+20261122:", 1),
		"trailing empty":  strings.Replace(strings.Replace(good, "KRH00000007'", "KRH00000007++'", 1), "UNT+4+00001'", "UNT+4+00001+'", 1),
		"other separator": "UNA|+,? ~" + strings.NewReplacer("'", "~", ":", "|", "O?'", "O?~").Replace(good),
	} {
		order.GroesseNutzdaten = int64(len(in))
		rep, found := check(t, in, CheckOptions{Now: now, Order: &order})
		if rep.Verdict != Accepted || found != nil || rep.Errors+rep.Warnings != 0 {
			t.Errorf("%s: %s %q", name, rep.Verdict, found)
		}
		e := rep.Envelope
		if e.Syntax != "UNOC:3" || e.Sender != "260500005" || e.Recipient != "109910000" || !strings.HasSuffix("20"+"261122", e.Date) && e.Date != "20261122" ||
			e.Time != "2200" || e.Reference != "00007" || e.ApplicationRef != "KRH00000007" {
			t.Errorf("%s: envelope %+v", name, e)
		}
		if !slices.Equal(rep.Types, []string{"AUFN", "ENTL"}) || rep.Messages != 2 || rep.Segments != 12 || rep.Size != int64(len(in)) ||
			!slices.Equal(rep.FKTSenders, []string{"260500005"}) || len(rep.FKTRecipients) != 1 || len(rep.Versions) != 1 || rep.Truncated || rep.Refused != nil {
			t.Errorf("%s: %+v", name, rep)
		}
	}
}

// mark shows in an input where the first finding must point.
const mark = "‸"

func unmark(t testing.TB, in string) (string, int) {
	t.Helper()
	at := strings.Index(in, mark)
	if at < 0 {
		t.Fatalf("no mark in %q", in)
	}
	return in[:at] + in[at+len(mark):], at
}

// edit replaces old, which must occur, once.
func edit(in, old, new string) string {
	if !strings.Contains(in, old) {
		panic("edit: " + old + " does not occur")
	}
	return strings.Replace(in, old, new, 1)
}

type findingCase struct {
	name  string
	in    string // the mark shows where the first finding points
	codes string // all findings, in order
	o     CheckOptions
}

func findingCases(t testing.TB) []findingCase {
	loc := berlin(t)
	at := func(h, m int) CheckOptions { return CheckOptions{Now: time.Date(2026, 11, 22, h, m, 0, 0, loc)} }
	order := func(f func(*Auftragsdatei)) CheckOptions {
		a := sampleOrder()
		a.Dateiname, a.GroesseNutzdaten = "KRH00000007", 0
		f(&a)
		return CheckOptions{Order: &a}
	}
	none := CheckOptions{}
	bom := "\xef\xbb\xbf"
	return []findingCase{
		{"empty file", mark, "10001 10006", none},
		{"UNB missing", mark + goodM1 + goodM2 + goodUNZ, "10001", none},
		{"UNB not behind UNA", goodUNA + mark + goodM1 + goodM2 + goodUNZ, "10001", none},
		{"text before UNB", mark + "Guten Tag" + good, "10001", none},
		{"UNH missing", goodUNB + mark + strings.TrimPrefix(goodM1, "UNH+00001+AUFN:16:000:00'") + goodM2 + goodUNZ, "10003", none},
		{"no message", goodUNB + mark + "UNZ+0+00007'", "10003", none},
		{"group behind UNB", goodUNB + mark + "UNG+AUFN+A+B+261122:2200+9'" + goodM1 + goodM2 + "UNE+2+9'UNZ+1+00007'", "10003", none},
		{"UNT missing", goodUNB + edit(goodM1, "UNT+4+00001'", "") + mark + goodM2 + goodUNZ, "10004", none},
		{"last UNT missing", goodUNB + edit(goodM1, "UNT+4+00001'", "") + mark + "UNZ+1+00007'", "10004", none},
		{"UNZ missing", goodUNB + goodM1 + goodM2 + mark, "10006", none},
		{"cut in a message", goodUNB + edit(goodM1, "UNT+4+00001'", "") + mark, "10004 10006", none},
		{"cut in a segment", goodUNB + goodM1 + goodM2 + "UNZ+2+0000" + mark, "10006", none},
		{"cut behind a release character", goodUNB + "UNH+00001+AUFN:16:000:00'FKT+10?" + mark, "10006", none},
		{"UNA twice", goodUNA + mark + goodUNA + good, "10010", none},
		{"UNA in a message", goodUNB + edit(goodM1, "INV", mark+goodUNA+"INV") + goodM2 + goodUNZ, "10010", none},
		{"UNA too long", goodUNA + mark + "*" + good, "10020", none},
		{"UNA position 8", "UNA:+,?" + mark + "*'" + good, "10021", none},
		{"UNA position 8 behind a byte order mark", bom + "UNA:+,?" + "*'" + mark + good, "G1-018 10021", none},
		{"UNA letter", "UNA:" + mark + "A,? '" + good, "10022", none},
		{"UNA decimal digit", "UNA:+" + mark + "1? '" + good, "10022", none},
		{"UNA two alike", "UNA:" + mark + ":,? '" + good, "10023", none},
		{"UNA decimal mark alike", "UNA:+" + mark + ":? '" + good, "10023", none},
		{"UNB without elements", mark + "UNB+UNOC:3+260500005'" + goodM1 + goodM2 + edit(goodUNZ, "00007", ""), "10031", none},
		{"UNH without type", goodUNB + edit(goodM1, "UNH+00001+AUFN:16:000:00'", mark+"UNH+00001'") + goodM2 + goodUNZ, "10031", none},
		{"UNH with more", goodUNB + edit(goodM1, "UNH+00001+AUFN:16:000:00'", mark+"UNH+00001+AUFN:16:000:00+X'") + goodM2 + goodUNZ, "10031", none},
		{"UNT without reference", goodUNB + edit(goodM1, "UNT+4+00001'", mark+"UNT+4'") + goodM2 + goodUNZ, "10031", none},
		{"UNT without anything", goodUNB + edit(goodM1, "UNT+4+00001'", mark+"UNT'") + goodM2 + goodUNZ, "10031", none},
		{"UNT with more", goodUNB + edit(goodM1, "UNT+4+00001'", mark+"UNT+4+00001+X'") + goodM2 + goodUNZ, "10031", none},
		{"UNZ with more", goodUNB + goodM1 + goodM2 + mark + "UNZ+2+00007+1'", "10031", none},
		{"sender not numeric", edit(good, "+260500005+109", "+"+mark+"26050000X+109"), "10032", none},
		{"reference not numeric", edit(edit(good, "+00007++", "+"+mark+"0000A++"), "UNZ+2+00007", "UNZ+2+0000A"), "10032", none},
		{"UNH reference not numeric", goodUNB + edit(edit(goodM1, "UNH+00001", "UNH+"+mark+"0000A"), "UNT+4+00001", "UNT+4+0000A") + goodM2 + goodUNZ, "10032", none},
		{"UNT count not numeric", goodUNB + edit(goodM1, "UNT+4", "UNT+"+mark+"vier") + goodM2 + goodUNZ, "10032", none},
		{"UNZ count not numeric", goodUNB + goodM1 + goodM2 + edit(goodUNZ, "+2+", "+"+mark+"zwei+"), "10032", none},
		{"sender too short", edit(good, "+260500005+109", "+"+mark+"26050000+109"), "10033", none},
		{"recipient too long", edit(good, "+109910000+261", "+"+mark+"1099100000+261"), "10033", none},
		{"recipient missing", edit(good, "+109910000+261", "+"+mark+"+261"), "10033", none},
		{"reference too short", edit(edit(good, "+00007++", "+"+mark+"7++"), "UNZ+2+00007", "UNZ+2+7"), "10033", none},
		{"UNH reference too short", goodUNB + edit(edit(goodM1, "UNH+00001", "UNH+"+mark+"1"), "UNT+4+00001", "UNT+4+1") + goodM2 + goodUNZ, "10033", none},
		{"UNT count empty", goodUNB + edit(goodM1, "UNT+4", "UNT+"+mark) + goodM2 + goodUNZ, "10033", none},
		{"UNZ count too long", goodUNB + goodM1 + goodM2 + edit(goodUNZ, "+2+", "+"+mark+"9999999+"), "10033", none},
		{"date impossible", edit(good, "+261122:2200", "+"+mark+"261322:2200"), "10034", none},
		{"time missing", edit(good, "+261122:2200", "+"+mark+"261122"), "10034", none},
		{"time impossible", edit(good, "+261122:2200", "+"+mark+"261122:2400"), "10034", none},
		{"time with seconds", edit(good, "+261122:2200", "+"+mark+"261122:220000"), "10034", none},
		{"syntax level", edit(good, "+UNOC:3", "+"+mark+"UNOA:3"), "10040", none},
		{"syntax version", edit(good, "+UNOC:3", "+"+mark+"UNOC:4"), "10040", none},
		{"created in the future", edit(good, "+261122:2200", "+"+mark+"261122:2200"), "10044", at(21, 59)},
		{"application reference too short", edit(good, "KRH00000007", mark+"KRH0007"), "10045", none},
		{"application reference too long", edit(good, "KRH00000007", mark+"KRH000000070"), "10045", none},
		{"application reference missing", edit(good, "++KRH00000007", mark), "10045", none},
		{"password", edit(good, "++KRH", "+"+mark+"GEHEIM+KRH"), "10046", none},
		{"password qualifier", edit(good, "++KRH", "+:"+mark+"AA+KRH"), "10046", none},
		{"UNH does not begin at 1", goodUNB + edit(goodM2, "UNH+00002", "UNH+"+mark+"00002") + "UNZ+1+00007'", "10060", none},
		{"UNH gap", goodUNB + goodM1 + strings.ReplaceAll(edit(goodM2, "UNH+00002", "UNH+"+mark+"00002"), "00002", "00003") + goodUNZ, "10060", none},
		{"UNH twice", goodUNB + goodM1 + strings.ReplaceAll(edit(goodM2, "UNH+00002", "UNH+"+mark+"00002"), "00002", "00001") + goodUNZ, "10060", none},
		{"UNH begins at 0", goodUNB + strings.ReplaceAll(edit(goodM1, "UNH+00001", "UNH+"+mark+"00001"), "00001", "00000") + strings.ReplaceAll(goodM2, "00002", "00001") + goodUNZ, "10060", none},
		{"file name", edit(good, "KRH00000007", mark+"KRH00000007"), "10061", order(func(a *Auftragsdatei) { a.Dateiname = "KRH00000008" })},
		{"owner", edit(good, "+260500005+109", "+"+mark+"260500005+109"), "10066", order(func(a *Auftragsdatei) { a.AbsenderEigner = "260500016" })},
		{"recipient", edit(good, "+109910000+261", "+"+mark+"109910000+261"), "10067", order(func(a *Auftragsdatei) { a.EmpfaengerNutzer, a.EmpfaengerPhysikalisch = "260500027", "260500038" })},
		{"stray segment", goodUNB + goodM1 + mark + "INV+1'" + goodM2 + goodUNZ, "10080", none},
		{"UNH missing behind UNT", goodUNB + goodM1 + mark + strings.TrimPrefix(goodM2, "UNH+00002+ENTL:16:000:00'") + goodUNZ, "10080", none},
		{"group behind UNT", goodUNB + goodM1 + mark + "UNG+AUFN+A+B+261122:2200+9'" + goodM2 + "UNE+1+9'" + goodUNZ, "10080", none},
		{"group in a message", goodUNB + edit(goodM1, "UNT+4+00001'", "") + mark + "UNG+AUFN+A+B+261122:2200+9'" + goodM2 + "UNE+1+9'" + goodUNZ, "10004", none},

		{"unusual separator", "UNA:+" + ",?" + " " + mark + "~" + strings.NewReplacer("'", "~", "O?'", "O'").Replace(good), "10030", CheckOptions{Procedure: procedure(t, "krh")}},
		{"sender unknown", edit(good, "+260500005+109", "+"+mark+"260500005+109"), "10041", CheckOptions{Partners: &Partners{Senders: []string{"260500016"}, Recipients: []string{"109910000"}}}},
		{"recipient unknown", edit(good, "+109910000+261", "+"+mark+"109910000+261"), "10042", CheckOptions{Partners: &Partners{Recipients: []string{"108018007"}, Accepting: []string{}}}},
		{"recipient accepts nothing", edit(good, "+109910000+261", "+"+mark+"109910000+261"), "10043", CheckOptions{Partners: &Partners{Recipients: []string{"109910000"}, Accepting: []string{"108018007"}}}},
		{"file number", edit(good, "+00007++", "+"+mark+"00007++"), "10047", CheckOptions{LastReference: 7}},
		{"physical sender unknown", mark + good, "10049", func() CheckOptions {
			o := order(func(*Auftragsdatei) {})
			o.Partners = &Partners{Physical: []string{"260500049"}}
			return o
		}()},
		{"UNA where none may stand", mark + goodUNA + good, "G1-025", CheckOptions{Procedure: &Procedure{FKT: true, UNBDate: []int{6}, Separators: ":+,? '", LogicalPrefix: "KRH"}}},
		{"long year where none may stand", edit(good, "+261122:2200", "+"+mark+"20261122:2200"), "10034", CheckOptions{Procedure: &Procedure{FKT: true, UNBDate: []int{6}, LogicalPrefix: "KRH"}}},
		{"UNT count", goodUNB + edit(goodM1, "UNT+4", "UNT+"+mark+"5") + goodM2 + goodUNZ, "G1-001", none},
		{"UNT reference", goodUNB + edit(goodM1, "UNT+4+00001", "UNT+4+"+mark+"00002") + goodM2 + goodUNZ, "G1-002", none},
		{"UNZ count", goodUNB + goodM1 + goodM2 + "UNZ+" + mark + "3+00007'", "G1-003", none},
		{"UNZ reference", goodUNB + goodM1 + goodM2 + "UNZ+2+" + mark + "00008'", "G1-004", none},
		{"second interchange", good + mark + good, "G1-005", none},
		{"data behind UNZ", good + mark + "INV+1'", "G1-006", none},
		{"second UNZ", good + mark + goodUNZ, "G1-006", none},
		{"no segment", goodUNB + goodM1 + mark + "guten tag'" + goodM2 + goodUNZ, "G1-007", none},
		{"segment too long", goodUNB + edit(goodM1, "INV+A123456780", "INV+"+strings.Repeat("x", 124)+mark+"xxxx") + goodM2 + goodUNZ, "G1-008", CheckOptions{MaxSegment: 128}},
		{"NUL", goodUNB + edit(goodM1, "A123456780", "A1"+mark+"\x00456780") + goodM2 + goodUNZ, "G1-009", none},
		{"check digit of the sender", edit(good, "+260500005+109", "+"+mark+"260500006+109"), "G1-010", none},
		{"check digit in FKT", goodUNB + edit(goodM1, "+01+260500005", "+01+"+mark+"260500006") + goodM2 + goodUNZ, "G1-010", none},
		{"placeholder recipient", edit(good, "+109910000+261", "+"+mark+"987654321+261"), "G1-011", none},
		{"reference 00000", edit(edit(good, "+00007++", "+"+mark+"00000++"), "UNZ+2+00007", "UNZ+2+00000"), "G1-012", none},
		{"other logical name", edit(good, "KRH00000007", mark+"SL050000S11"), "G1-013", none},
		{"qualifier", edit(good, "+260500005+109", "+260500005:"+mark+"14+109"), "G1-014", none},
		{"test indicator", edit(good, "KRH00000007'", "KRH00000007++++"+mark+"1'"), "G1-014", none},
		{"type too short", goodUNB + edit(goodM1, "+AUFN:", "+"+mark+"AUF:") + goodM2 + goodUNZ, "G1-015", none},
		{"type in small letters", goodUNB + edit(goodM1, "+AUFN:", "+"+mark+"aufn:") + goodM2 + goodUNZ, "G1-015", none},
		{"size in the Auftragsdatei", good + mark, "G1-017", order(func(a *Auftragsdatei) { a.GroesseNutzdaten = 1 })},
		{"byte order mark", mark + bom + good, "G1-018", none},
		{"0x1A", good + "\x1a" + mark, "G1-019", none},
		{"FKT missing", goodUNB + edit(edit(goodM1, "FKT+10+01+260500005+109910000'", mark), "UNT+4", "UNT+3") + goodM2 + goodUNZ, "G1-021", none},
		{"empty message", goodUNB + "UNH+00001+AUFN:16:000:00'" + mark + "UNT+2+00001'" + "UNZ+1+00007'", "G1-021", none},
		{"FKT too short", goodUNB + edit(goodM1, "FKT+10+01+260500005+109910000'", mark+"FKT+10+01+260500005'") + goodM2 + goodUNZ, "G1-022", none},
		{"FKT too long", goodUNB + edit(goodM1, "FKT+10+01+260500005+109910000'", mark+"FKT+10+01+260500005+109910000+X'") + goodM2 + goodUNZ, "G1-022", none},
		{"VKZ", goodUNB + edit(goodM1, "FKT+10", "FKT+"+mark+"1") + goodM2 + goodUNZ, "G1-023", none},
		{"number of the Geschäftsvorfall", goodUNB + edit(goodM1, "FKT+10+01", "FKT+10+"+mark+"001") + goodM2 + goodUNZ, "G1-023", none},
		{"IK in the second FKT", goodUNB + goodM1 + edit(goodM2, "FKT+20+02+260500005", "FKT+20+02+"+mark+"2605") + goodUNZ, "G1-024", none},
	}
}

// Every single fault gives its code at its place, and nothing else; the arrival
// of the bytes changes nothing.
func TestCheckFindings(t *testing.T) {
	for _, c := range findingCases(t) {
		in, at := unmark(t, c.in)
		rep, found := check(t, in, c.o)
		codes := make([]string, len(rep.Findings))
		for i, f := range rep.Findings {
			codes[i] = f.Code
			if f.Text == "" || f.TextEN == "" || strings.Contains(f.Text+f.TextEN, "%!") {
				t.Errorf("%s: text %q, %q", c.name, f.Text, f.TextEN)
			}
			if f.Official != (len(f.Code) == 5) || f.Stage != 1 {
				t.Errorf("%s: %+v", c.name, f)
			}
		}
		if got := strings.Join(codes, " "); got != c.codes {
			t.Errorf("%s: findings %q, want %q", c.name, found, c.codes)
			continue
		}
		if strings.HasPrefix(c.name, "UNA position 8 behind") {
			at = 3 + 7 // the byte order mark is found first
			if rep.Findings[1].Offset != int64(at) {
				t.Errorf("%s: %q", c.name, found)
			}
		} else if rep.Findings[0].Offset != int64(at) {
			t.Errorf("%s: finding at %d, want %d", c.name, rep.Findings[0].Offset, at)
		}
		want := Accepted
		if rep.Errors > 0 {
			want = Rejected
		}
		if rep.Verdict != want {
			t.Errorf("%s: verdict %s with %d errors", c.name, rep.Verdict, rep.Errors)
		}
		slow, err := Check(context.Background(), iotest.OneByteReader(strings.NewReader(in)), c.o)
		if err != nil || !slices.Equal(slow.Findings, rep.Findings) {
			t.Errorf("%s: byte by byte %+v, %v", c.name, slow.Findings, err)
		}
	}
}

// Each rule has a failing sample above or in a test of its own, and every
// finding names a known rule.
func TestEveryRuleIsTested(t *testing.T) {
	elsewhere := map[string]bool{
		"G1-016": true, // TestTooManyMessages
		"G4-001": true, // TestInsuredList
	}
	seen := make(map[string]bool)
	for _, c := range append(findingCases(t), contentCases(t)...) {
		for code := range strings.FieldsSeq(c.codes) {
			seen[code] = true
		}
	}
	rules := make(map[string]bool)
	for _, r := range tables(t).Rules() {
		if rules[r.Code] {
			t.Errorf("%s occurs twice", r.Code)
		}
		rules[r.Code] = true
		if !seen[r.Code] && !elsewhere[r.Code] {
			t.Errorf("%s has no failing sample", r.Code)
		}
		if strings.Count(r.German, "%") != strings.Count(r.English, "%") || r.Source == "" || r.Stage < 1 || r.Stage > 4 {
			t.Errorf("rule %+v", r)
		}
		if r.Official() == strings.HasPrefix(r.Code, "G") {
			t.Errorf("%s: code is neither official nor ours", r.Code)
		}
	}
	for code := range seen {
		if !rules[code] {
			t.Errorf("%s is no rule", code)
		}
	}
}

// A passing neighbour for rules whose border a good file does not touch.
func TestCheckBorders(t *testing.T) {
	loc := berlin(t)
	order := sampleOrder()
	order.Dateiname, order.GroesseNutzdaten = "KRH00000007", int64(len(good))
	order.EmpfaengerNutzer = "260500049" // the physical recipient alone is enough
	for name, c := range map[string]struct {
		in string
		o  CheckOptions
	}{
		"10044 same minute":    {good, CheckOptions{Now: time.Date(2026, 11, 22, 22, 0, 0, 0, loc)}},
		"10044 other zone":     {good, CheckOptions{Now: time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC).In(loc)}},
		"10044 repeated hour":  {edit(good, "261122:2200", "261025:0250"), CheckOptions{Now: time.Date(2026, 10, 25, 1, 10, 0, 0, time.UTC).In(loc)}}, // 02:10 for the second time
		"10045 eight":          {edit(good, "KRH00000007", "KRH00007"), CheckOptions{}},
		"10030 decimal mark":   {"UNA:+.? '" + good, CheckOptions{Procedure: procedure(t, "krh")}},
		"10041 to 10049 known": {good, CheckOptions{Order: &order, Partners: &Partners{Senders: []string{"260500005"}, Recipients: []string{"109910000"}, Accepting: []string{"109910000"}, Physical: []string{order.AbsenderPhysikalisch}}}},
		"10041 not given":      {good, CheckOptions{Partners: &Partners{}}},
		"10047 follows":        {good, CheckOptions{LastReference: 6}},
		"10047 wraps":          {strings.ReplaceAll(good, "+00007", "+00001"), CheckOptions{LastReference: 99999}},
		"10067 physical alone": {good, CheckOptions{Order: &order}},
		"10033 six digits":     {edit(good, "UNT+4+", "UNT+000004+"), CheckOptions{}},
		"G1-008 just fits":     {edit(good, "INV+A123456780", "INV+A123456780"+strings.Repeat("x", 20)), CheckOptions{MaxSegment: 128}},
	} {
		if rep, found := check(t, c.in, c.o); rep.Verdict != Accepted || found != nil {
			t.Errorf("%s: %s %q", name, rep.Verdict, found)
		}
	}
}

// The second FKT of a message is its second FKT, whatever stands between.
func TestCheckCountsSegments(t *testing.T) {
	rep, _ := check(t, edit(good, "FKT+20+02+260500005", "FKT+20+02+26050"), CheckOptions{})
	if f := rep.Findings[0]; f.Segment != "FKT" || f.Position != 2 || f.Element != 3 || f.Message != 2 {
		t.Errorf("%+v", f)
	}
	rep, _ = check(t, edit(good, "UNT+6", "UNT+7"), CheckOptions{Checks: []MessageCheck{&everySegment{find: Finding{Code: "G4-900", Severity: Warning}}}})
	if f := rep.Findings[2]; f.Code != "G1-001" || f.Position != 0 {
		t.Errorf("%+v", f)
	}
}

func TestTally(t *testing.T) {
	var counts tally
	for round := range 2 {
		want := make(map[string]int)
		for i := range 100 {
			tag := fmt.Sprintf("T%02d", i%(20+round))
			want[tag]++
			if got := counts.add(tag); got != want[tag] || counts.of(tag) != got {
				t.Fatalf("%s counted %d times, want %d", tag, got, want[tag])
			}
		}
		if counts.of("XXX") != 0 {
			t.Error("counted what never came")
		}
		counts.reset()
		if counts.of("T00") != 0 || counts.of("T19") != 0 {
			t.Error("not reset")
		}
	}
}

func TestCheckNamesTheMessage(t *testing.T) {
	rep, _ := check(t, goodUNB+goodM1+edit(goodM2, "UNT+6", "UNT+7")+goodUNZ, CheckOptions{})
	want := Finding{
		Stage: 1, Code: "G1-001", Severity: Error, Message: 2, Reference: "00002", Type: "ENTL",
		Segment: "UNT", Element: 1, Component: 1, SegmentNumber: 11, Offset: int64(strings.LastIndex(good, "UNT+") + 4),
		Basis: "ISO 9735; Anlage 4 ch. 5", Text: `Segmentanzahl in UNT ist "7" statt "6"`, TextEN: `UNT counts "7" segments instead of "6"`,
	}
	if len(rep.Findings) != 1 || rep.Findings[0] != want {
		t.Errorf("got  %+v\nwant %+v", rep.Findings, want)
	}
}

// manyMessages is a valid file of n messages that streams.
func manyMessages(n int) io.Reader {
	i := 0
	return &generator{next: func() string {
		i++
		switch {
		case i == 1:
			return goodUNB
		case i <= n+1:
			return fmt.Sprintf("UNH+%05d+AUFN:16:000:00'FKT+10+01+260500005+109910000'UNT+3+%05[1]d'", i-1)
		case i == n+2:
			return fmt.Sprintf("UNZ+%d+00007'", n)
		}
		return ""
	}}
}

type generator struct {
	next func() string
	rest string
}

func (g *generator) Read(p []byte) (int, error) {
	if g.rest == "" {
		if g.rest = g.next(); g.rest == "" {
			return 0, io.EOF
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

func TestTooManyMessages(t *testing.T) {
	rep, err := Check(context.Background(), manyMessages(100_001), CheckOptions{})
	if err != nil || rep.Errors != 2 || rep.Messages != 100_001 {
		t.Fatalf("%d messages: %d errors, %v", rep.Messages, rep.Errors, err)
	}
	for i, f := range rep.Findings { // the first 99,999 are well
		if f.Code != "G1-016" || f.Message != int64(100_000+i) {
			t.Errorf("%+v", f)
		}
	}
}

// Very many findings: the first ones are kept, all are counted.
func TestFindingsAreBounded(t *testing.T) {
	const n = 200_000
	i := 0
	in := &generator{next: func() string {
		switch i++; {
		case i == 1:
			return goodUNB + "UNH+00001+AUFN:16:000:00'"
		case i <= n+1:
			return "FKT+1'"
		case i == n+2:
			return fmt.Sprintf("UNT+%d+00001'UNZ+1+00007'", n+2)
		}
		return ""
	}}
	rep, err := Check(context.Background(), in, CheckOptions{Keep: 10})
	if err != nil || rep.Verdict != Rejected || len(rep.Findings) != 10 || rep.Errors != n {
		t.Errorf("%v: %s, %d findings kept, %d errors", err, rep.Verdict, len(rep.Findings), rep.Errors)
	}
	if last := rep.Findings[9]; last.Code != "G1-022" || last.SegmentNumber != 12 {
		t.Errorf("tenth finding %+v", last)
	}
}

// A file whose every message is refused, for many faults, takes little memory.
func TestRefusedMessagesAreBounded(t *testing.T) {
	const (
		messages = 20_000
		faults   = 12
	)
	body := "FKT+10+01+260500005+109910000'" + strings.Repeat("NAD+"+strings.Repeat("x", 46)+"+B+w+19700101'", faults)
	for _, c := range []struct {
		name  string
		o     func(*CheckOptions)
		unt   int // by how much UNT of the first message counts wrongly
		named int
		most  int // of live memory in bytes, at the end of the file
	}{
		{"named", func(*CheckOptions) {}, 0, messages, messages * (250 + 100*faults)},
		{"only counted", func(o *CheckOptions) { o.Unnamed = true }, 0, 0, 2 << 20},
		{"the file is refused", func(*CheckOptions) {}, 1, 0, 2 << 20},
		{"too many to be named", func(o *CheckOptions) { o.Refused = messages / 2 }, 0, 0, 2 << 20},
	} {
		for _, workers := range []int{1, 2} {
			o := thorough(t)
			o.Workers, o.Keep = workers, 10
			c.o(&o)
			alive := func() int {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				return int(m.HeapAlloc)
			}
			i, before, after := 0, alive(), 0
			in := &generator{next: func() string {
				switch i++; {
				case i == 1:
					return goodUNB
				case i <= messages+1:
					count := faults + 3
					if i == 2 {
						count += c.unt
					}
					return fmt.Sprintf("UNH+%05d+AUFN:16:000:00'%sUNT+%d+%05d'", i-1, body, count, i-1)
				case i == messages+2:
					after = alive()
					return fmt.Sprintf("UNZ+%d+00007'", messages)
				}
				return ""
			}}
			rep, err := Check(context.Background(), in, o)
			if err != nil || rep.Verdict != Rejected || len(rep.Refused) != c.named || rep.Errors < messages*faults-faults {
				t.Errorf("%s, %d workers: %v, %s, %d errors, %d messages named", c.name, workers, err, rep.Verdict, rep.Errors, len(rep.Refused))
			}
			if c.named > 0 && len(rep.Refused[messages-1].Faults) < faults {
				t.Errorf("%s, %d workers: %d faults in the last message", c.name, workers, len(rep.Refused[messages-1].Faults))
			}
			if after-before > c.most+workers<<22 { // pieces that are being checked
				t.Errorf("%s, %d workers: %d bytes in use at the end of the file", c.name, workers, after-before)
			}
			runtime.KeepAlive(rep)
		}
	}
}

// No cut of a good file is accepted.
func TestTruncatedIsNeverAccepted(t *testing.T) {
	for _, whole := range []string{good, goodUNA + good, strings.ReplaceAll(good, "'U", "'\r\nU") + "\r\n"} {
		for n := range len(strings.TrimRight(whole, "\r\n")) {
			if rep, _ := check(t, whole[:n], CheckOptions{}); rep.Verdict != Rejected {
				t.Fatalf("cut at %d of %d: %s", n, len(whole), rep.Verdict)
			}
		}
	}
}

var errDisk = errors.New("disk on fire")

func TestBrokenReaderIsAnError(t *testing.T) {
	for _, n := range []int{0, 10, len(goodUNB) + 5, len(good) - 1, len(good)} {
		r := io.MultiReader(strings.NewReader(good[:n]), iotest.ErrReader(errDisk))
		rep, err := Check(context.Background(), r, CheckOptions{})
		if !errors.Is(err, errDisk) || rep.Verdict != Rejected {
			t.Errorf("at %d: %v, %s", n, err, rep.Verdict)
		}
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	i := 0
	rep, err := Check(ctx, &generator{next: func() string {
		if i++; i == 1 {
			return goodUNB + "UNH+00001+AUFN:16:000:00'FKT+10+01+260500005+109910000'"
		}
		if i == 100 {
			cancel()
		}
		return strings.Repeat("INV+A'", 1000) // without end
	}}, CheckOptions{})
	if !errors.Is(err, context.Canceled) || rep.Verdict != Rejected {
		t.Error(err, rep.Verdict)
	}
}

// everySegment is a check that finds what it is told, at INV.
type everySegment struct {
	find Finding
	saw  []MessageInfo
}

func (e *everySegment) Segment(m MessageInfo, s edifact.Segment) []Finding {
	e.saw = append(e.saw, m)
	if s.Is("INV") {
		return []Finding{e.find}
	}
	return nil
}

func TestMessageCheckSeesEverySegment(t *testing.T) {
	e := &everySegment{find: Finding{Code: "G4-900", Text: "Prüfung", Severity: Warning, Element: 2, Component: 1}}
	rep, found := check(t, good, CheckOptions{Checks: []MessageCheck{e}})
	if rep.Verdict != Accepted || rep.Warnings != 2 || rep.Refused != nil {
		t.Errorf("%s %q", rep.Verdict, found)
	}
	first := Geschaeftsvorfall{"10", "01", "260500005", "109910000"}
	second := Geschaeftsvorfall{"20", "02", "260500005", "109910000"}
	want := []MessageInfo{
		{1, "00001", "AUFN", "16", first, 1}, {1, "00001", "AUFN", "16", first, 1},
		{2, "00002", "ENTL", "16", first, 1}, {2, "00002", "ENTL", "16", first, 1}, {2, "00002", "ENTL", "16", first, 1}, {2, "00002", "ENTL", "16", second, 2},
	}
	if !slices.Equal(e.saw, want) {
		t.Errorf("saw %+v", e.saw)
	}
	f := rep.Findings[0]
	if f.Stage != 4 || f.Text != "Prüfung" || f.Segment != "INV" || f.Position != 1 || f.Element != 2 || f.Offset != int64(strings.Index(good, "INV+A123456780+")+len("INV+A123456780+")) {
		t.Errorf("finding %+v", f)
	}
}

func TestInsuredList(t *testing.T) {
	for list, want := range map[string]struct {
		verdict Verdict
		refused []int64
	}{
		"A123456780\nK741852967\n":      {Accepted, nil},
		"# known\r\n\r\nA123456780\r\n": {Partly, []int64{2}},
		"\xef\xbb\xbfK741852967":        {Partly, []int64{1}},
		"M305921844":                    {Rejected, []int64{1, 2}},
		"":                              {Rejected, []int64{1, 2}},
		strings.Repeat("Z000000000\n", 3) + "K741852967": {Partly, []int64{1}},
	} {
		insured, err := LoadInsured(strings.NewReader(list))
		if err != nil {
			t.Fatal(err)
		}
		rep, found := check(t, good, CheckOptions{Checks: []MessageCheck{insured}})
		var refused []int64
		for _, r := range rep.Refused {
			refused = append(refused, r.Message)
		}
		if rep.Verdict != want.verdict || !slices.Equal(refused, want.refused) {
			t.Errorf("%q: %s, refused %v, %q", list, rep.Verdict, refused, found)
		}
		for i, f := range rep.Findings {
			if f.Code != "G4-001" || f.Stage != 4 || f.Segment != "INV" || f.Position != 1 || f.Element != 1 || strings.Contains(f.Text+f.TextEN, "K7418") || f.Text == "" || f.TextEN == "" {
				t.Errorf("%+v", f)
			}
			r := rep.Refused[i]
			if r.Reference != f.Reference || r.Type != f.Type || r.FKT != (Geschaeftsvorfall{"10", "01", "260500005", "109910000"}) ||
				!slices.Equal(r.Faults, []FHL{{"INV", 1, 1, "G4-001", "Versicherter nicht bekannt"}}) {
				t.Errorf("%+v", r)
			}
			if !rep.Refuses(r.Message) || rep.Refuses(r.Message+2) || rep.Refuses(0) {
				t.Error("Refuses disagrees with the list")
			}
		}
	}
}

// A file that stage 1 rejects has no refused messages: it is refused as a whole.
func TestStageOneGoesFirst(t *testing.T) {
	nobody, err := LoadInsured(strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	rep, found := check(t, edit(good, "UNZ+2", "UNZ+3"), CheckOptions{Checks: []MessageCheck{nobody}})
	if rep.Verdict != Rejected || rep.Refused != nil || rep.Errors != 3 {
		t.Errorf("%s %+v %q", rep.Verdict, rep.Refused, found)
	}
	rep, _ = check(t, good, CheckOptions{Checks: []MessageCheck{nobody}, Refused: 1})
	if rep.Verdict != Rejected || rep.Refused != nil {
		t.Errorf("more refused than an answer can name: %s %+v", rep.Verdict, rep.Refused)
	}
}

func TestLoadInsuredRefuses(t *testing.T) {
	for _, list := range []string{"A123456780\nA12345 6780\n", "\nA123456780;Beispiel", "#\n" + strings.Repeat("9", 13)} {
		_, err := LoadInsured(strings.NewReader(list))
		if !errors.Is(err, ErrInsuredLine) || !strings.HasPrefix(err.Error(), "line 2: ") || strings.Contains(err.Error(), "A1234") {
			t.Errorf("%q: %v", list, err)
		}
	}
	if _, err := LoadInsured(iotest.ErrReader(errDisk)); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	l, err := LoadInsured(strings.NewReader("A123456780\nA123456780\nK741852967"))
	if err != nil || l.Len() != 2 {
		t.Error(l.Len(), err)
	}
}

// The good case allocates per file and per message, never per segment.
func TestCheckDoesNotAllocatePerSegment(t *testing.T) {
	file := func(segments int) string {
		return goodUNB + "UNH+00001+AUFN:16:000:00'FKT+10+01+260500005+109910000'" + strings.Repeat("NAD+Beispiel+Ute+w+19700101'", segments) +
			fmt.Sprintf("UNT+%d+00001'UNZ+1+00007'", segments+3)
	}
	insured, err := LoadInsured(strings.NewReader("A123456780"))
	if err != nil {
		t.Fatal(err)
	}
	allocs := func(in string) float64 {
		return testing.AllocsPerRun(5, func() {
			if rep, _ := check(t, in, CheckOptions{Checks: []MessageCheck{insured}}); rep.Verdict != Accepted {
				t.Fatal(rep.Findings)
			}
		})
	}
	if few, many := allocs(file(100)), allocs(file(20000)); many > few+50 {
		t.Errorf("%.0f allocations for 100 segments, %.0f for 20000", few, many)
	}
}

// Nor does the good case allocate for every message, or for every stay.
func TestCheckDoesNotAllocatePerMessage(t *testing.T) {
	o := thorough(t)
	o.Workers = 1
	allocs := func(messages int) float64 {
		in := benchFile(messages)
		return testing.AllocsPerRun(3, func() {
			if rep, _ := check(t, in, o); rep.Verdict != Accepted {
				t.Fatal(rep.Findings)
			}
		})
	}
	if few, many := allocs(100), allocs(10_000); many > few+50 {
		t.Errorf("%.0f allocations for 100 messages, %.0f for 10000", few, many)
	}
}

// Whatever the bytes: no panic, bounded findings, the same result however they
// arrive, and nothing accepted that a second look at the envelope would reject.
func FuzzCheck(f *testing.F) {
	for _, c := range findingCases(f) {
		in, _ := unmark(f, c.in)
		f.Add([]byte(in), uint64(len(in)))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		insured, err := LoadInsured(strings.NewReader("A123456780"))
		if err != nil {
			t.Fatal(err)
		}
		o := CheckOptions{Checks: []MessageCheck{insured}, Keep: 20, MaxSegment: 4096}
		rep, err := Check(context.Background(), strings.NewReader(string(in)), o)
		if err != nil || len(rep.Findings) > 20 || rep.Verdict == "" {
			t.Fatalf("%+v, %v", rep, err)
		}
		if (rep.Errors == 0) != (rep.Verdict == Accepted) {
			t.Fatalf("%d errors, %s", rep.Errors, rep.Verdict)
		}
		pieces, err := Check(context.Background(), &chopped{rest: in, rng: rand.New(rand.NewPCG(seed, 1))}, o)
		if err != nil || pieces.Verdict != rep.Verdict || !slices.Equal(pieces.Findings, rep.Findings) {
			t.Fatalf("in pieces %+v, whole %+v", pieces, rep)
		}
		if faults := walkerFaults(in); faults > 0 && rep.Verdict != Rejected {
			t.Fatalf("%d faults in the envelope, %s", faults, rep.Verdict)
		}
	})
}

// walkerFaults counts what the walker alone finds, a syntax error included.
func walkerFaults(in []byte) (n int) {
	w := edifact.NewWalker(strings.NewReader(string(in)), edifact.Options{MaxSegment: 4096}, func(*edifact.EnvelopeError) { n++ })
	for {
		if _, err := w.Next(); err == io.EOF {
			return n
		} else if err != nil {
			return n + 1
		}
	}
}

// chopped hands out its bytes in pieces of random length.
type chopped struct {
	rest []byte
	rng  *rand.Rand
}

func (c *chopped) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(c.rest), 1+c.rng.IntN(64))
	copy(p, c.rest[:n])
	c.rest = c.rest[n:]
	return n, nil
}
