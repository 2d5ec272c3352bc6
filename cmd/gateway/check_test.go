package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gateway301/annex"
	"gateway301/config"
	"gateway301/exchange"
	"gateway301/sample"
)

// command runs one command line.
func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), append(args, "--lang", "en"), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// Every type can be made and is checked without a finding, stages 1 to 3.
func TestSampleAndCheck(t *testing.T) {
	dir := t.TempDir()
	for _, typ := range sample.Types() {
		path := filepath.Join(dir, typ+".edi")
		if code, _, errOut := command(t, "sample", typ, "--out", path, "--messages", "3", "--seed", "4"); code != exitDone {
			t.Fatalf("%s: %d %s", typ, code, errOut)
		}
		code, out, errOut := command(t, "check", "--json", path)
		var v verdictLine
		if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitDone {
			t.Fatalf("%s: %d %s %s %v", typ, code, out, errOut, err)
		}
		if v.Verdict != "accepted" || v.Findings != 0 || v.Messages != 3 || len(v.Stages) != 4 || v.Stages[2].Passed != 3 || v.Stages[3].NotChecked != 3 {
			t.Errorf("%s: %+v", typ, v)
		}
	}
	for _, args := range [][]string{{"sample", "XYZW"}, {"sample", "--fault", "99999"}, {"sample", "AUFN", "--fault", "10061"}, {"sample", "RECH", "--size", "viel"}, {"sample"}} {
		if code, _, errOut := command(t, args...); code == exitDone || errOut == "" {
			t.Errorf("%v: %d %q", args, code, errOut)
		}
	}
	path := filepath.Join(dir, "fault.edi")
	if code, _, errOut := command(t, "sample", "--fault", "g2-008", "--out", path); code != exitDone || !strings.Contains(errOut, "G2-008 must be found at byte") {
		t.Errorf("%d %s", code, errOut)
	}
	if code, out, _ := command(t, "check", path); code != exitFindings || !strings.Contains(out, "G2-008") {
		t.Errorf("%d %s", code, out)
	}
	if code, out, _ := command(t, "sample", "RECH", "--size", "20KB"); code != exitDone || len(out) < 19_000 || len(out) > 30_000 {
		t.Errorf("%d, %d bytes", code, len(out))
	}
}

// The JSON form of findings is stable: its keys, and what they mean.
func TestCheckJSON(t *testing.T) {
	dir := t.TempDir()
	good, err := sample.File(sample.FileOptions{Type: "AUFN", Sender: "260500005", Recipient: "109910000", Insured: []string{"A123456780"}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.edi")
	if err := os.WriteFile(path, bytes.Replace(good, []byte("INV+A123456780"), []byte("INV+A123456781"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := command(t, "check", "--json", path)
	line, rest, _ := strings.Cut(out, "\n")
	at := bytes.Index(good, []byte("A123456780"))
	var f foundLine
	if err := json.Unmarshal([]byte(line), &f); err != nil {
		t.Fatal(err)
	}
	want := foundLine{File: path, Stage: 3, Code: "G3-007", Severity: "warning", Message: 1, Segment: 4, Tag: "INV", Element: 1, Component: 1, Offset: int64(at),
		Text: "Krankenversichertennummer has a wrong check digit", Basis: annex.OwnCheck, Next: f.Next}
	if code != exitDone || f != want || f.Next == "" || !strings.Contains(rest, `"verdict":"accepted","findings":1`) {
		t.Errorf("%d %+v\n%s", code, f, rest)
	}
	for _, key := range []string{"file", "stage", "code", "official", "severity", "message", "segment", "tag", "element", "component", "offset", "text"} {
		if !strings.Contains(line, `"`+key+`":`) {
			t.Errorf("no key %s in %s", key, line)
		}
	}
}

// What is not given is not checked; what is given is.
func TestCheckOptions(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := filepath.Join(dir, "good.edi")
	if code, _, errOut := command(t, "sample", "AUFN", "--out", good, "--reference", "7"); code != exitDone {
		t.Fatal(errOut)
	}
	partners := file("partners.yaml", "senders: [260500005]\nrecipients: [108018007]\n")
	auf := filepath.Join(dir, "TKRH0007.AUF")
	if code, _, errOut := command(t, "auf", "make", "--owner", "260500016", "--recipient", "109910000", "--name", "KRH00000007", "--number", "7", "--plain", good, "--payload", good, "--out", auf); code != exitDone {
		t.Fatal(errOut)
	}
	tables := filepath.Dir(filepath.Dir(file("own/lists/geschlecht.txt", "list | geschlecht | G3-120 | Geschlecht | 21 | S | FS13\ny | neu\n")))
	bad := filepath.Dir(filepath.Dir(file("bad/lists/x.txt", "list | geschlecht\n")))
	hook := file("hook", "#!/bin/sh\necho '{\"code\":\"K-1\",\"segment\":\"INV\",\"element\":1,\"text\":\"closed\"}'\n")
	if err := os.Chmod(hook, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--hook", hook}, exitFindings, "error K-1: closed (message 1, segment 4 INV, element 1.1"},
		{[]string{"--hook", hook + "x"}, exitDone, "stage 4 in 1 message"},
		{nil, exitDone, "10061, 10066, 10067, G1-017 (--auf), stage 4 in 1 message"},
		{[]string{"--partners", partners}, exitFindings, "error 10042"},
		{[]string{"--last-reference", "6"}, exitDone, "accepted"},
		{[]string{"--last-reference", "7"}, exitFindings, "error 10047"},
		{[]string{"--auf", auf}, exitFindings, "error 10066"},
		{[]string{"--now", "2026-01-02T11:59"}, exitFindings, "error 10044"},
		{[]string{"--now", "2026-01-02T12:00"}, exitDone, "accepted"},
		{[]string{"--stage", "1"}, exitDone, "stage 2 in 1 message,"},
		{[]string{"--version-date", "2016-06-30"}, exitDone, "G3-010"},
		{[]string{"--tables", tables}, exitFindings, "error G3-120"},
		{[]string{"--tables", bad}, exitConfig, "lists/x.txt:1: has 2 cells"},
		{[]string{"--tables", filepath.Join(dir, "none")}, exitFailed, "none"},
		{[]string{"--stage", "5"}, exitUsage, "--stage 5"},
		{[]string{"--now", "heute"}, exitUsage, "--now"},
		{[]string{"--version-date", "2016"}, exitUsage, "--version-date"},
		{[]string{"--procedure", "xyz"}, exitUsage, "kotr, krh, sol"},
		{[]string{"--partners", file("p.yaml", "senders: [999999999]")}, exitConfig, "is a placeholder"},
		{[]string{"--partners", file("q.yaml", "sender: [260500005]")}, exitConfig, "unknown key \"sender\""},
	} {
		code, out, errOut := command(t, append([]string{"check", good}, c.args...)...)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("%v: %d\n%s%s", c.args, code, out, errOut)
		}
	}
}

func TestAuf(t *testing.T) {
	dir := t.TempDir()
	payload, auf := filepath.Join(dir, "TKRH0007"), filepath.Join(dir, "TKRH0007.AUF")
	if err := os.WriteFile(payload, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"auf", "make", "--owner", "260500005", "--recipient", "109910000", "--name", "KRH00000007", "--number", "7", "--created", "2026-11-22T22:00:00", "--plain", payload, "--payload", payload, "--out", auf}
	if code, _, errOut := command(t, args...); code != exitDone {
		t.Fatal(errOut)
	}
	if code, out, _ := command(t, "auf", "check", auf, payload); code != exitDone || !strings.Contains(out, "TKRH0007") {
		t.Errorf("%d %s", code, out)
	}
	if code, out, _ := command(t, "auf", "show", "--json", auf); code != exitDone || strings.Count(out, "\n") != 37 || !strings.Contains(out, `{"number":15,"name":"DATUM_ERSTELLUNG","from":116,"to":129,"value":"20261122220000"}`) {
		t.Errorf("%d %s", code, out)
	}
	if err := os.WriteFile(payload, make([]byte, 999), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := command(t, "auf", "check", auf, payload); code != exitFindings || !strings.Contains(out, "DATEIGRÖSSE_ÜBERTRAGUNG") {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errOut := command(t, append(args, "--number", "1000")...); code != exitFailed || !strings.Contains(errOut, "TRANSFER_NUMMER") {
		t.Errorf("%d %s", code, errOut)
	}
}

func TestExplainIKRules(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"explain 10061", exitDone, "official code"}, {"explain g2-005", exitDone, "row of the table"}, {"explain G3-117", exitDone, "Rentner"},
		{"explain 99999", exitNotFound, "not known"}, {"explain --json G3-117", exitDone, `"code": "9"`},
		{"ik 260500005", exitDone, "valid (Krankenhaus)"}, {"ik 260500006", exitFindings, "would have to be 5"}, {"ik 999999999", exitFindings, "placeholder"}, {"ik 12", exitFindings, "nine digits"},
		{"ik --json 260500006", exitFindings, `"check_digit":"5"`},
		{"rules list", exitDone, "10080"}, {"rules list --json --stage 3", exitDone, `"code":"G3-012"`},
		{"rules diff 13 15", exitDone, "RECH STA: – → M, up to 99"}, {"rules diff --json 2019-12-31 2020-01-01", exitDone, `{"where":"list entgeltart 74*","old":"","new":"Pflegeerlös je Tag"}`},
		{"rules diff 13 99", exitUsage, `"99" is no version`},
	} {
		code, out, errOut := command(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("%s: %d\n%s%s", c.args, code, out, errOut)
		}
	}
}

// A file that cannot be read does not keep the others from being checked, and all
// that is wrong with a list of partners is told at once, with its place.
func TestCheckTellsAll(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.edi")
	if code, _, errOut := command(t, "sample", "AUFN", "--out", good); code != exitDone {
		t.Fatal(errOut)
	}
	code, out, errOut := command(t, "check", filepath.Join(dir, "none.edi"), good)
	if code != exitFailed || !strings.Contains(out, "good.edi: accepted; 1 message, ") || !strings.Contains(errOut, "none.edi") || !strings.Contains(errOut, "1 file not read") {
		t.Errorf("%d\n%s\n%s", code, out, errOut)
	}
	if !strings.Contains(out, "10047 (--last-reference), ") || !strings.Contains(out, "G1-017 (--auf), stage 4 in 1 message\n") {
		t.Errorf("%s", out)
	}
	list := filepath.Join(dir, "p.yaml")
	if err := os.WriteFile(list, []byte("senders: [123456789, 260500006]\nothers: []\nphysical: 260500005\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errOut = command(t, "check", "--partners", list, good)
	for _, want := range []string{"p.yaml:1:11: IK \"123456789\" is a placeholder", "p.yaml:1:22: \"260500006\" is no valid IK", "p.yaml:2:1: unknown key \"others\"", "p.yaml:3:11: physical must be a list"} {
		if code != exitConfig || !strings.Contains(errOut, want) {
			t.Errorf("%d, no %q in\n%s", code, want, errOut)
		}
	}
	if err := os.WriteFile(list, []byte("accepting: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := command(t, "check", "--partners", list, good); code != exitFindings || !strings.Contains(out, "error 10043") {
		t.Errorf("an empty list knows somebody: %d %s", code, out)
	}
	for _, refusal := range annex.Refusals() {
		if code, out, _ := command(t, "explain", refusal.Code); code != exitDone || !strings.Contains(out, refusal.English) {
			t.Errorf("%s: %d %s", refusal.Code, code, out)
		}
	}
}

// A file that names a partner of ours as its recipient is not for us, though the
// partner is known (10043); one from nobody we know is refused by its sender (10041).
func TestKnownReceiving(t *testing.T) {
	file := &config.File{Identities: []config.Identity{{IK: "109910000"}}}
	for _, ik := range []string{"260500005", "260500016"} {
		file.Partners = append(file.Partners, config.Partner{Partner: exchange.Partner{IK: ik}})
	}
	for _, c := range []struct{ from, to, code string }{
		{"260500005", "109910000", ""},
		{"260500005", "260500016", "10043"},
		{"260500005", "260500027", "10042"},
		{"260500027", "109910000", "10041"},
	} {
		content, err := sample.File(sample.FileOptions{Type: "AUFN", Sender: c.from, Recipient: c.to, Reference: 1, Messages: 1, Created: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		rep, err := annex.Check(t.Context(), bytes.NewReader(content), annex.CheckOptions{Partners: knownReceiving(file)})
		if err != nil {
			t.Fatal(err)
		}
		if code := strings.Join(codesOf(rep), " "); code != c.code {
			t.Errorf("from %s to %s: %q, want %q", c.from, c.to, code, c.code)
		}
	}
}

func codesOf(rep annex.Report) (codes []string) {
	for _, f := range rep.Findings {
		codes = append(codes, f.Code)
	}
	return codes
}
