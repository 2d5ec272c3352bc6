package annex

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/shopspring/decimal"
)

// A table that is right, to be broken.
const goodTable = `message | AUFN | 99 | Aufnahmesatz | hospital
valid   | 2026-01-01 | 2026-12-31

segment | FKT | M | 1 | Funktion | S | FS13
  1 | VKZ | an2 | M | list=vkz | S | FS13

group | 5 | R
segment | ABC | M | 1 | Gruppe | R
  1   | Tag | an8 | M | date as=admission | R
  2.1 | Wert | an..9 | K | | R
  2.2 | Art | an4 | K | list=vkz@1-2 list=vkz@3-4 | R
end

segment | RBG | K? | 10 | offen | A | PKV3
open
`

const goodList = `list | eigene | G3-900 | Eigene | 77 | R
01  | eins | 2026-01-01 | 2026-12-31
02# | zwei
X*  | rest
`

func folder(files ...string) fs.FS {
	m := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return m
}

// Every mistake in a table names its file and line.
func TestTableMistakes(t *testing.T) {
	const m, l = "messages/X.txt", "lists/x.txt"
	if _, err := LoadTables(folder(m, goodTable, l, goodList), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, old, new, want string }{
		{m, "message | AUFN", "segment | AUFN", m + ":1: the first line must be the message"},
		{m, "AUFN | 99", "AUF | 99", m + ":1: message type"},
		{m, "| 99 |", "| neu |", m + ":1: version"},
		{m, "hospital", "nobody", m + ":1: sender"},
		{m, " | hospital", "", m + ":1: has 4 cells"},
		{m, "valid ", "message | AUFN | 99 | A | both\nvalid ", m + ":2: a second message"},
		{m, "2026-01-01", "2026-02-30", m + ":2: \"2026-02-30\" is no day"},
		{m, "2026-12-31", "2025-12-31", m + ":2: valid to lies before"},
		{m, "segment | FKT", "segment | INV", m + ":4: the first segment must be FKT"},
		{m, "FKT | M | 1", "FKT | X | 1", m + ":4: status"},
		{m, "FKT | M | 1", "FKT | M | 0", m + ":4: repeats"},
		{m, "Funktion | S | FS13", "Funktion | S |", m + ":4: mark S needs a source"},
		{m, "Funktion | S | FS13", "Funktion | S | PKV3", m + ":4: mark S needs a source"},
		{m, "Funktion | S | FS13", "Funktion | S | FS13, FS13", m + ":4: source \"FS13\" is named twice"},
		{m, "Funktion | S | FS13", "Funktion | S | FS99", m + ":4: source \"FS99\" is not"},
		{m, "Funktion | S | FS13", "Funktion | Z | FS13", m + ":4: mark \"Z\""},
		{m, "  1 | VKZ", "  2 | VKZ", m + ":5: position 2 does not follow"},
		{m, "  1 | VKZ", "  1 | ", m + ":5: field without a name"},
		{m, "| an2 | M | list=vkz |", "| x2 | M | list=vkz |", m + ":5: format"},
		{m, "| an2 | M | list=vkz |", "| an0 | M | list=vkz |", m + ":5: length"},
		{m, "list=vkz |", "list=keine |", m + ":5: list \"keine\" does not exist"},
		{m, "list=vkz |", "what |", m + ":5: content \"what\""},
		{m, "list=vkz | S | FS13", "list=vkz", m + ":5: has 5 cells"},
		{m, "group | 5", "group | viele", m + ":7: repeats"},
		{m, "ABC | M | 1", "ABC | K | 1", m + ":8: the segment that begins a group"},
		{m, "ABC | M | 1", "AB1 | M | 1", m + ":8: segment tag"},
		{m, "ABC | M | 1", "UNH | M | 1", m + ":8: segment tag"},
		{m, "as=admission", "as=something", m + ":9: role"},
		{m, "date as=admission", "as=admission", m + ":9: role \"admission\" does not fit"},
		{m, "an8 | M", "an6 | M", m + ":9: date must be an8"},
		{m, "2.1 | Wert", "2.2 | Wert", m + ":10: position 2.2 does not follow"},
		{m, "vkz@3-4", "vkz@3-5", m + ":11: characters 3-5 do not lie"},
		{m, "end\n", "", m + ":7: group without an end"},
		{m, "end\n", "end\nend\n", m + ":13: end without a group"},
		{m, "segment | RBG", "segment | ABC", m + ":14: segment ABC for the second time"},
		{m, "open\n", "", m + ":14: segment RBG has no fields"},
		{m, "open\n", "open\n1 | x | an | K | | R\n", m + ":16: \"1\": no segment with fields"},
		{l, "list | eigene", "code | eigene", l + ":1: the first line must be the list"},
		{l, "G3-900", "900", l + ":1: rule"},
		{l, "G3-900", "G3-101", l + ":0: rule G3-101 belongs to list"},
		{l, "02# ", "01 ", l + ":3: code \"01\" stands in line 2"},
		{l, "02# ", "*2 ", l + ":3: code \"*2\""},
		{l, "02# ", "123456789 ", l + ":3: code \"123456789\""},
		{l, " | zwei", "", l + ":3: has 1 cells"},
		{l, goodList[strings.Index(goodList, "01"):], "", l + ":1: a list must have"},
	} {
		files := []string{m, goodTable, l, goodList}
		for i := 0; i < len(files); i += 2 {
			if files[i] == c.file {
				files[i+1] = edit(files[i+1], c.old, c.new)
			}
		}
		_, err := LoadTables(folder(files...))
		var te *TableError
		if !errors.As(err, &te) || !errors.Is(err, ErrTable) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.new, err, c.want)
		}
	}
	_, both := LoadTables(folder(m, "x", l, "y"))
	if both == nil || !strings.Contains(both.Error(), m+":1") || !strings.Contains(both.Error(), l+":1") {
		t.Errorf("not all files: %v", both)
	}
}

// All tables that are known, in all versions.
func TestBuiltInTables(t *testing.T) {
	tb := tables(t)
	n := 0
	for _, m := range tb.Messages(time.Time{}) {
		n++
		if want := m.Type + "-" + m.Version + ".txt"; m.File != "messages/"+want {
			t.Errorf("%s holds %s", m.File, want)
		}
		if FromHospital(m.Type) != (m.Sender == ByHospital) {
			t.Errorf("%s comes from %s", m.Type, m.Sender)
		}
	}
	if n != 15*4-2 { // KAIN and INKA came with version 13
		t.Errorf("%d tables", n)
	}
	if len(tb.Lists(time.Time{})) != 30 || len(tb.Versions()) != 5 {
		t.Errorf("%d lists, %d versions", len(tb.Lists(time.Time{})), len(tb.Versions()))
	}
	for grade, row := range map[string][3]string{"S1": {"AUFN", "AUF", "FS13, C301"}, "S2": {"ENTL", "DAU", srcOwn}, "R": {"RECH", "BNK", srcOwn}} {
		m := tb.Message(row[0], "16", time.Time{})
		for _, s := range m.Rows {
			if s.Tag == row[1] && (s.Fields[0].Basis.Grade != grade || s.Fields[0].Basis.String() != row[2]) {
				t.Errorf("%v: %+v", row, s.Fields[0].Basis)
			}
		}
	}
	kain := tb.Message("KAIN", "16", time.Time{})
	if pvv := kain.Rows[3]; !pvv.Basis.Firm || pvv.Basis.Grade != "S2" { // two programs that do not know each other
		t.Errorf("%+v", pvv.Basis)
	}
	for _, format := range []string{"an", "an9", "an..45", "n", "n2", "n..6", "dec"} {
		r := tableReader{}
		if got := r.format(format).String(); got != format || r.err != nil {
			t.Errorf("%s is read as %s, %v", format, got, r.err)
		}
	}
}

// A folder overrides on its days.
func TestOverride(t *testing.T) {
	day := func(y int) time.Time { return time.Date(y, 6, 1, 0, 0, 0, 0, time.UTC) }
	own := strings.NewReplacer("| 99 |", "| 16 |").Replace(goodTable)
	tb, err := LoadTables(folder("messages/A.txt", own, "lists/f.txt", "list | fachabteilung | G3-111 | Fachabteilung | 6 | R\nvalid | 2026-01-01\n9999 | neu\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, y := range []int{2025, 2026, 2027} {
		m, l := tb.Message("AUFN", "16", day(y)), tb.List("fachabteilung", day(y))
		if (m.File == "messages/A.txt") != (y == 2026) || l.Contains([]byte("9999"), 0) != (y >= 2026) || l.Contains([]byte("0100"), 0) != (y == 2025) {
			t.Errorf("%d: %s, %s", y, m.File, l.File)
		}
	}
	o := thorough(t)
	o.Tables = tb
	in := interchange("AUFN", "16", bodyAUFN)
	if rep, _ := check(t, in, o); rep.Warnings+rep.Errors == 0 {
		t.Error("the override is not used")
	}
	o.VersionDate = day(2025)
	if rep, found := check(t, in, o); rep.Warnings+rep.Errors != 0 {
		t.Errorf("the override is used before its day: %v", found)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/lists", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadTables(os.DirFS(dir)); err != nil {
		t.Error(err)
	}
}

func TestListContains(t *testing.T) {
	tb, err := LoadTables(folder("lists/x.txt", goodList))
	if err != nil {
		t.Fatal(err)
	}
	l := tb.List("eigene", time.Time{})
	for _, c := range []struct {
		code string
		day  int
		want bool
	}{
		{"01", 0, true}, {"01", 20260101, true}, {"01", 20251231, false}, {"01", 20261231, true}, {"01", 20270101, false},
		{"02", 0, false}, {"020", 0, true}, {"02x", 0, false}, {"0200", 0, false}, {"X", 0, true}, {"Xabcdefghijk", 0, true}, {"x", 0, false}, {"", 0, false}, {"03", 0, false},
	} {
		if got := l.Contains([]byte(c.code), c.day); got != c.want {
			t.Errorf("%q on %d: %t", c.code, c.day, got)
		}
	}
	if l.Text("020", 0) != "zwei" || l.Text("03", 0) != "" {
		t.Error("texts")
	}
	// Each code of each list is found, and none with a character changed to one that no list has.
	for _, l := range tb.Lists(time.Time{}) {
		for _, c := range l.Codes {
			code := strings.NewReplacer("#", "7", "*", "").Replace(c.Code)
			if !l.Contains([]byte(code), 0) || l.Contains([]byte("~"+code[1:]), 0) {
				t.Errorf("%s: %s", l.Name, c.Code)
			}
		}
	}
}

func TestParseDay(t *testing.T) {
	for in, want := range map[string]bool{"20240229": true, "20230229": false, "20000229": true, "19000229": false, "20260431": false, "20260430": true, "20261301": false,
		"20260001": false, "20260100": false, "00000101": false, "2026011": false, "2026011x": false, "20260132": false, "20261231": true} {
		_, err := time.Parse("20060102", in)
		if _, got := parseDay([]byte(in)); got != want || in[:4] != "0000" && (err == nil) != want {
			t.Errorf("%s: %t", in, got)
		}
	}
	for h := range 100 {
		for _, m := range []int{0, 59, 60, 99} {
			b := []byte{byte('0' + h/10), byte('0' + h%10), byte('0' + m/10), byte('0' + m%10)}
			if isClock(b) != (h < 24 && m < 60) {
				t.Errorf("%s", b)
			}
		}
	}
	if isClock([]byte("12a0")) || isClock([]byte("120")) || isClock([]byte("/200")) {
		t.Error("clock")
	}
}

func TestAmounts(t *testing.T) {
	for in, want := range map[string]string{"0,00": "0", "12": "12", "12,5": "12.5", "-3,05": "-3.05", "12,345": "12.345", "123456789012345678901234567890,12": "123456789012345678901234567890.12"} {
		a, ok := parseAmount([]byte(in))
		if !ok || a.decimal().String() != want {
			t.Errorf("%s: %s", in, a.decimal())
		}
		if b := a.times(parseCount([]byte("3"))).minus(a).minus(a); !b.equal(a) {
			t.Errorf("%s: three times less twice is %s", in, b.decimal())
		}
		if b := a.times(parseCount([]byte("30000000000000"))); !b.decimal().Equal(a.decimal().Mul(parseCount([]byte("30000000000000")).decimal())) {
			t.Errorf("%s: %s", in, b.decimal())
		}
	}
	for _, in := range []string{"", "-", ",5", "5,", "1.000,00", "1,2,3", "1 0", "--1", "1-"} {
		if _, ok := parseAmount([]byte(in)); ok {
			t.Errorf("%q is an amount", in)
		}
	}
	sum := amount{}
	for range 100 {
		sum = sum.plus(amount{cents: mostCents - 1}.times(amount{cents: (mostCount - 1) * 100}))
	}
	one := decimal.New(mostCents-1, -2).Mul(decimal.New(mostCount-1, 0))
	if want := one.Mul(decimal.New(100, 0)); !sum.decimal().Equal(want) || sum.big == nil {
		t.Errorf("%s, want %s", sum.decimal(), want)
	}
}

// The short ways with amounts and counts say what the decimal library says, to the
// last digit, and leave to it what they cannot say.
func TestShortAmountsAreExact(t *testing.T) {
	const letters = "0123456789,,-.: "
	rng := rand.New(rand.NewPCG(1, 2))
	short := 0
	for range 400_000 {
		b := make([]byte, 1+rng.IntN(12))
		for i := range b {
			b[i] = letters[rng.IntN(10+rng.IntN(len(letters)-9))]
		}
		if i := len(b) - 3; i > 0 && rng.IntN(2) == 0 {
			b[i] = ','
		}
		padded := append(slices.Clone(b), "9,+'9999"...) // what stands behind is of no matter
		word := binary.LittleEndian.Uint64(padded)
		cents, ok := shortAmount(word, len(b))
		d, err := decimal.NewFromString(strings.Replace(string(b), ",", ".", 1))
		if ok {
			short++
			if err != nil || !decimal.New(cents, -2).Equal(d) {
				t.Fatalf("%s: %d cents, %v", b, cents, err)
			}
		}
		a, valid := parseAmount(b)
		if valid && (err != nil || !a.decimal().Equal(d)) || ok && !valid {
			t.Fatalf("%s: %s, %v", b, a.decimal(), err)
		}
		if want := len(b) >= 4 && len(b) <= 8 && b[len(b)-3] == ',' && valid && b[0] != '-'; ok != want {
			t.Fatalf("%s: short %t", b, ok)
		}
		count, ok := shortCount(word, len(b))
		if want := len(b) <= 8 && digits(b); ok != want || ok && !decimal.NewFromInt(count).Equal(d) {
			t.Fatalf("%s: %d %t", b, count, ok)
		}
		if ok {
			n := amountOf(count)
			sum := amount{cents: rng.Int64N(mostCents << 17)}
			want := sum.decimal().Add(decimal.New(cents, -2).Mul(d))
			if was := sum; !sum.addShort(cents, count) {
				sum = was.plus(amount{cents: cents}.times(n))
			}
			if !n.equal(parseCount(b)) || !sum.decimal().Equal(want) {
				t.Fatalf("%s: %s, want %s", b, sum.decimal(), want)
			}
		}
	}
	if short < 10_000 {
		t.Errorf("%d short ones", short)
	}
}

func TestProcedures(t *testing.T) {
	if got := strings.Join(ProcedureNames(), " "); got != "kotr krh sol" {
		t.Error(got)
	}
	if p := procedure(t, "krh"); p.Kennung(true) != VerfahrenEcht || p.Kennung(false) != VerfahrenTest || procedure(t, "kotr").Kennung(true) != "" {
		t.Error("Kennung")
	}
	if _, err := ProcedureProfile("xyz"); !errors.Is(err, ErrProcedure) || !strings.Contains(err.Error(), "kotr, krh, sol") {
		t.Error(err)
	}
	for _, bad := range []string{"name: x", "name: x\ntitle: x\nseparators: ':+,? ~'\nunb-date: [7]", "nmae: x", "name: x\ntitle: x\nverfahren: abc",
		"name: x\ntitle: x\nseparators: ':+'", "name: x\ntitle: x\nseparators: ':+,? ~'\nunb-date: [6]\nlogical-prefix: 123456789", "name: x\ntitle: x\nseparators: ':+,? ~'\nunb-date: [6]\ncount-width: 7"} {
		if _, err := parseProcedure([]byte(bad)); !errors.Is(err, ErrProcedure) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	kotr := "UNB+UNOC:3+109910000+108018007+20190101:1200+00001++AO06Q221ke1'UNH+00001+KOTR:02:001:KV'IDK+109910000+99+AOK'VDT+20190101'FKT+01'NAM+01+X'UNT+000006+00001'UNZ+000001+00001'"
	if rep, found := check(t, kotr, CheckOptions{Procedure: procedure(t, "kotr")}); rep.Verdict != Accepted || found != nil {
		t.Errorf("Kostenträgerdatei: %v", found)
	}
	sol := strings.NewReplacer("AO06Q221ke1'", "SL050000S11++++2'", "KOTR:02:001:KV", "SLGA:21:0:0").Replace(kotr)
	if rep, found := check(t, sol, CheckOptions{Procedure: procedure(t, "sol")}); rep.Verdict != Accepted || found != nil {
		t.Errorf("§ 302: %v", found)
	}
	if _, found := check(t, edit(sol, "++++2'", "++++3'"), CheckOptions{Procedure: procedure(t, "sol")}); len(found) != 1 || !strings.HasPrefix(found[0], "G1-014") {
		t.Errorf("§ 302: %v", found)
	}
}
