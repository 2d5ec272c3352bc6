package sample_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"gateway301/annex"
	"gateway301/edifact"
	"gateway301/sample"
)

var update = flag.Bool("update", false, "write docs/annex-rules.md anew")

// Every rule has a file that breaks it: its code, at its place, and nothing else.
func TestFaults(t *testing.T) {
	tb := tables(t)
	for _, r := range tb.Rules() {
		f, err := sample.FaultOf(tb, r.Code)
		if err != nil {
			t.Error(err)
			continue
		}
		o := f.Options
		o.Tables, o.Confirmed = tb, true
		rep, err := annex.Check(context.Background(), bytes.NewReader(f.File), o)
		if err != nil {
			t.Fatal(err)
		}
		if len(rep.Findings) != 1 || rep.Findings[0].Code != r.Code || rep.Findings[0].Offset != f.At {
			t.Errorf("%s at %d: %+v", r.Code, f.At, rep.Findings)
		}
		if len(f.File) > 10_000 {
			continue
		}
		if again, _ := sample.FaultOf(tb, r.Code); !bytes.Equal(again.File, f.File) {
			t.Errorf("%s is made differently the second time", r.Code)
		}
	}
	if _, err := sample.FaultOf(tb, "99999"); !errors.Is(err, sample.ErrFault) {
		t.Error(err)
	}
}

// The table of all rules is generated, and the page is the one that is generated.
func TestRuleTable(t *testing.T) {
	const page = "../docs/annex-rules.md"
	want := rulePage(t)
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what is generated; go test ./sample -run RuleTable -update (%v)", page, err)
	}
}

// goodFiles are files without a fault: one for every message and version, and some
// for rules that none of those touches.
func goodFiles(t *testing.T, tb *annex.Tables, each func(m *annex.Table, o sample.FileOptions, file []byte)) {
	created := map[string]time.Time{"12": time.Date(2016, 3, 1, 9, 0, 0, 0, time.UTC), "13": time.Date(2018, 3, 1, 9, 0, 0, 0, time.UTC),
		"15": time.Date(2022, 3, 1, 9, 0, 0, 0, time.UTC), "16": time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	for _, m := range tb.Messages(time.Time{}) {
		o := options(m.Type)
		o.Version, o.Created, o.Messages, o.UNA, o.Insured = m.Version, created[m.Version], 1, true, []string{"A123456780"}
		b, err := sample.File(o)
		if err != nil {
			t.Fatal(err)
		}
		each(m, o, b)
		text := string(b)
		count := func(text string, from, to string) []byte { return []byte(strings.Replace(text, from, to, 1)) }
		n := strings.Count(strings.ReplaceAll(text, "?'", ""), "'") - 4 // UNA is none, UNB, FKT … UNT without its own
		unt := func(n int) string { return fmt.Sprintf("UNT+%d+", n) }
		switch m.Type {
		case "ENTL":
			day := string(regexp.MustCompile(`DAU\+(\d{8})`).FindStringSubmatch(text)[1])
			each(m, o, count(strings.Replace(text, "UNT+", "EBG+"+day+"'UNT+", 1), unt(n+2), unt(n+3)))
			each(m, o, []byte(regexp.MustCompile(`\+011\+\d{4}\+`).ReplaceAllString(text, "+249+0003+")))
		case "AUFN":
			each(m, o, []byte(regexp.MustCompile(`(AUF(?:\+[^+']*){7})\+[^+']*|(AUF(?:\+[^+']*){7})`).ReplaceAllString(text, "${1}${2}+260500016")))
		case "AMBO":
			each(m, o, []byte(regexp.MustCompile(`(RZA\+[^']*)'`).ReplaceAllString(text, "$1+++++++20260101+01'")))
			each(m, o, []byte(regexp.MustCompile(`(ENA\+[^']*)'`).ReplaceAllString(text, "$1+++1'")))
		}
	}
}

// passing counts for each rule the good files to which it was applied: those that
// hold what it judges.
func passing(t *testing.T, tb *annex.Tables) (files int, by map[string]int) {
	insured, err := annex.LoadInsured(strings.NewReader("A123456780"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := annex.ProcedureProfile("krh")
	if err != nil {
		t.Fatal(err)
	}
	by = make(map[string]int)
	goodFiles(t, tb, func(m *annex.Table, o sample.FileOptions, b []byte) {
		rep, err := annex.Check(context.Background(), bytes.NewReader(b), annex.CheckOptions{
			Now: o.Created, Tables: tb, Confirmed: true, Procedure: p, LastReference: o.Reference - 1, Checks: []annex.MessageCheck{insured},
			Partners: &annex.Partners{Senders: []string{o.Sender}, Recipients: []string{o.Recipient}, Accepting: []string{o.Recipient}, Physical: []string{o.Sender}},
			Order: &annex.Auftragsdatei{AbsenderEigner: o.Sender, AbsenderPhysikalisch: o.Sender, EmpfaengerNutzer: o.Recipient,
				Dateiname: fmt.Sprintf("KRH%08d", o.Reference), GroesseNutzdaten: int64(len(b))},
		})
		if err != nil || len(rep.Findings) != 0 || len(rep.NotChecked) != 0 {
			t.Errorf("%s %s: %v %+v %v\n%s", m.Type, m.Version, rep.NotChecked, rep.Findings, err, b)
		}
		files++
		for code, judged := range applied(t, tb, m, b) {
			if judged {
				by[code]++
			}
		}
	})
	return files, by
}

// applied tells which rules have something to judge in a file of one message.
func applied(t *testing.T, tb *annex.Tables, m *annex.Table, b []byte) map[string]bool {
	there := make(map[string]bool)
	for _, r := range tb.Rules() { // those of stages 1 and 2 judge every file, unless told otherwise below
		there[r.Code] = r.Stage < 3
	}
	judges := func(codes ...string) {
		for _, c := range codes {
			there[c] = true
		}
	}
	for _, c := range []string{"G2-007", "G2-011", "G2-012", "G4-001"} {
		there[c] = false
	}
	kinds := map[string][]string{"date": {"G3-001"}, "time": {"G3-002"}, "month": {"G3-003"}, "ik": {"G3-004", "G3-005"}, "kvnr": {"G3-006", "G3-007", "G4-001"}, "icd": {"G3-008"}}
	roles := map[string][]string{"admission": {"G3-010", "G3-011"}, "discharge": {"G3-021"}, "leave": {"G3-020"}, "birth": {"G3-025"}, "operation": {"G3-022"},
		"from": {"G3-024"}, "to": {"G3-023"}, "invoice": {"G3-013", "G3-014", "G3-015", "G3-016"}, "case": {"G3-027"}}
	reason := ""
	r := edifact.NewReader(bytes.NewReader(b), edifact.Options{})
	for s, err := r.Next(); err == nil; s, err = r.Next() {
		for _, row := range m.Rows {
			if row.Tag != s.Tag() {
				continue
			}
			if row.Group > 0 {
				judges("G2-007")
			}
			for _, f := range row.Fields {
				v := s.Value(f.Element, f.Component)
				if len(v) == 0 {
					continue
				}
				if row.Tag != "FKT" || f.Content != "ik" {
					judges(kinds[f.Content]...)
				}
				judges(roles[f.Role]...)
				for _, use := range f.Lists {
					if l := tb.List(use.List, time.Time{}); l != nil {
						judges(l.Rule)
					}
				}
				switch {
				case f.Format.Type == annex.Numeric:
					judges("G2-011")
				case f.Format.Type == annex.Decimal:
					judges("G2-012")
				}
				switch {
				case f.Role == "total" && m.Type == "RECH":
					judges("G3-012")
				case f.Role == "reason":
					reason = string(v[:2])
				case f.Role == "department" && (reason == "24" || reason == "27"):
					judges("G3-026")
				}
			}
		}
	}
	return there
}

func rulePage(t *testing.T) []byte {
	tb := tables(t)
	files, by := passing(t, tb)
	var b bytes.Buffer
	fmt.Fprintf(&b, "# All rules of the check\n\nGenerated by `go test ./sample -run RuleTable -update`; the test fails when it is out of date.\n\n"+
		"Marks: S1 the Vereinbarung, a Fortschreibung, the published error codes, GGT; S2 a program, a sample, a vendor; R recalled, inferred or own;\n"+
		"\"row\": each row of `annex/data/messages` has its own. Only S1, or two independent S2, is an error by default; the severity of a \"row\"\n"+
		"rule is that of a firm row. Passing: good files (%d, at least one per message and version) that hold what the rule judges, without a finding.\n"+
		"Failing: files of `gateway sample --fault CODE`, each with this finding at its byte and no other.\n\n", files)
	b.WriteString("| rule | stage | code | source | mark | default severity | passing | failing |\n|---|---|---|---|---|---|---|---|\n")
	marks := make(map[string]int)
	rules := tb.Rules()
	for _, r := range rules {
		failing := 0
		if _, err := sample.FaultOf(tb, r.Code); err == nil {
			failing = 1
		}
		if failing == 0 || by[r.Code] == 0 {
			t.Errorf("%s: %d passing, %d failing", r.Code, by[r.Code], failing)
		}
		marks[r.Mark()]++
		text := strings.NewReplacer("%05d", "…", "%q", "…", "%s", "…", "%d", "…", "|", "/").Replace(r.English)
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s | %d | %d |\n", text, r.Stage, r.Code, r.Source, r.Mark(), r.Severity, by[r.Code], failing)
	}
	fmt.Fprintf(&b, "\n%d rules.", len(rules))
	for _, m := range []string{"S1", "S2", "R", "row"} {
		fmt.Fprintf(&b, " %s: %d (%d %%).", m, marks[m], (100*marks[m]+len(rules)/2)/len(rules))
	}
	grades := make(map[string]int)
	rows := 0
	for _, m := range tb.Messages(time.Time{}) {
		for _, row := range m.Rows {
			for _, f := range row.Fields {
				grades[f.Basis.Grade]++
				rows++
			}
		}
	}
	fmt.Fprintf(&b, "\n\n%d fields in the tables.", rows)
	for _, g := range []string{"S1", "S2", "A", "R"} {
		fmt.Fprintf(&b, " %s: %d (%d %%).", g, grades[g], (100*grades[g]+rows/2)/rows)
	}
	b.WriteString("\n")
	return b.Bytes()
}
