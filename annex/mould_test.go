package annex

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

// measured is Check without anything that is remembered from one segment to the next.
func measured(r io.Reader, o CheckOptions) (Report, error) {
	c := newChecker(r, o)
	c.k.measure = true
	err := c.run(context.Background())
	c.settle(err)
	return c.rep, err
}

// joined makes one interchange of the messages of several.
func joined(files ...string) string {
	var b strings.Builder
	b.WriteString(goodUNB)
	n := 0
	for _, f := range files {
		from, to := strings.Index(f, "UNH+00001"), strings.LastIndex(f, "+00001'UNZ")
		if from < 0 || to < from {
			panic(f)
		}
		n++
		fmt.Fprintf(&b, "UNH+%05d%s+%05d'", n, f[from+len("UNH+00001"):to], n)
	}
	fmt.Fprintf(&b, "UNZ+%d+00007'", n)
	return b.String()
}

// common are good messages with segments of many layouts, some of them alike.
func common() []string {
	var files []string
	for i := range 3 {
		for typ, body := range map[string]string{"AUFN": bodyAUFN, "ENTL": bodyENTL, "RECH": bodyRECH, "KAIN": bodyKAIN, "KOUB": bodyKOUB, "AMBO": bodyAMBO, "ZAHL": bodyZAHL} {
			body = strings.Replace(body, "N-1", fmt.Sprintf("%s-%d", typ, i), 1)
			if i > 0 {
				body = strings.NewReplacer("20261124", "20261123", "1460,40", "1462,40", "125,10", "125,60").Replace(body)
			}
			files = append(files, interchange(typ, "16", body))
		}
	}
	return files
}

// A fault is found the same whatever stood before it.
func TestWhatIsRememberedChangesNothing(t *testing.T) {
	o := thorough(t)
	before := common()
	if rep, found := check(t, joined(before...), o); rep.Verdict != Accepted || len(found) != 0 {
		t.Fatalf("%q %+v", found, rep.Findings)
	}
	for _, c := range contentCases(t) {
		in, _ := unmark(t, c.in)
		if !strings.HasSuffix(in, "+00001'UNZ+1+00007'") {
			continue
		}
		text := joined(append(append(common(), in), common()[0])...)
		rep, _ := check(t, text, c.o)
		want, err := measured(strings.NewReader(text), c.o)
		if err != nil || !reflect.DeepEqual(rep, want) {
			t.Errorf("%s: %+v, measured %+v", c.name, rep.Findings, want.Findings)
		}
		if len(rep.Findings) == 0 || rep.Findings[0].Code != strings.Fields(c.codes)[0] || rep.Findings[0].Message != int64(len(before)+1) {
			t.Errorf("%s: %+v", c.name, rep.Findings)
		}
	}
}

// What was well for one stay is judged anew for the next, for a changed one, and
// behind an Entgelt of other days.
func TestRememberedDays(t *testing.T) {
	o := thorough(t)
	ent := "ENT+74000000+125,10+20261120+20261124+4'"
	for name, c := range map[string]struct {
		in    string
		codes string
	}{
		"another stay":        {joined(interchange("RECH", "16", bodyRECH), interchange("RECH", "16", strings.NewReplacer("N-1", "N-2", "+52+20261120", "+52+20261121", "20261120+2026", "20261121+2026").Replace(edit(bodyRECH, ent, ent)+""))), ""},
		"admission changed":   {interchange("RECH", "16", strings.Replace(bodyRECH, "BNK", "REC+R-1+20261124+52+20261122+1460,40'"+ent+"BNK", 1)), "G2-004 G3-012 G3-024"},
		"first day changed":   {interchange("RECH", "16", edit(edit(bodyRECH, ent, ent+"ENT+74000000+125,10+20261125+20261124+4'"), "1460,40", "1960,80")), "G3-023"},
		"back again":          {interchange("RECH", "16", edit(edit(bodyRECH, ent, ent+"ENT+74000000+125,10+20261125+20261124+4'"+ent), "1460,40", "2461,20")), "G3-023"},
		"list of another day": {joined(interchange("RECH", "16", bodyRECH), interchange("RECH", "13", strings.NewReplacer("2026112", "2019112", "+00+00+", "+0+0+", "STA+770000000+20261124+1000'", "").Replace(edit(bodyRECH, "N-1", "N-2")))), "G3-124"},
	} {
		rep, _ := check(t, c.in, o)
		want, err := measured(strings.NewReader(c.in), o)
		if err != nil || !reflect.DeepEqual(rep, want) {
			t.Errorf("%s: %+v, measured %+v", name, rep.Findings, want.Findings)
		}
		var codes []string
		for _, f := range rep.Findings {
			codes = append(codes, f.Code)
		}
		if got := strings.Join(codes, " "); got != c.codes {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A tag alone has no marks of its own.
func TestTagWithoutValues(t *testing.T) {
	o := thorough(t)
	for _, body := range []string{"TXT'", "NAD'", "ENT'"} {
		in := goodUNB + "UNH+00001+KOUB:16:000:00'FKT+10+01+109910000+260500005'" + strings.Repeat(body, 3) + "00000000''''''''''''''''''''''"
		rep, err := Check(context.Background(), strings.NewReader(in), o)
		want, err2 := measured(strings.NewReader(in), o)
		if d := differ(rep, want); err != nil || err2 != nil || d != "" {
			t.Error(body, d, err, err2)
		}
	}
}
