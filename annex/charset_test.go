package annex

import (
	"io"
	"strings"
	"testing"
)

// What one side writes in its partner's character set, the other reads.
func TestAnswerInItsCharset(t *testing.T) {
	p, err := AnswerProfile("gateway301")
	if err != nil {
		t.Fatal(err)
	}
	e := Envelope{Sender: "109910000", Recipient: "260500005", Date: "261122", Time: "2200", Reference: "00001", ApplicationRef: "KRH00000001"}
	for _, c := range []struct {
		z                 Zeichensatz
		said, bytes, read string
	}{
		{ZeichensatzI1, "Prüfziffer falsch [5€]", "Pr\xfcfziffer falsch [5.]", "Prüfziffer falsch [5.]"},
		{ZeichensatzI5, "Prüfziffer falsch [5]", "Pr\xfcfziffer falsch [5]", "Prüfziffer falsch [5]"},
		{ZeichensatzI7, "Prüfziffer falsch [5]", "Pr}fziffer falsch .5.", "Prüfziffer falsch .5."},
		{ZeichensatzI8, "Prüfziffer Ä ~", "Pr}fziffer [ \xdf", "Prüfziffer Ä ~"},
	} {
		in, err := p.WithCharset(c.z)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := WriteFEHL(&b, in, e, []FEHLMessage{{FKT: Geschaeftsvorfall{"10", "01", "109910000", "260500005"}, FHL: []FHL{{Code: "1", Text: c.said}}}}); err != nil {
			t.Fatal(c.z, err)
		}
		if !strings.Contains(b.String(), c.bytes) {
			t.Errorf("%s: no %q in %q", c.z, c.bytes, b.String())
		}
		got := ""
		if _, err := ReadFEHL(InI1(strings.NewReader(b.String()), c.z), func(m FEHLMessage) error { got = m.FHL[0].Text; return nil }); err != nil || got != c.read {
			t.Errorf("%s: read %q, want %q, %v", c.z, got, c.read, err)
		}
	}
	if _, err := p.WithCharset(ZeichensatzBI); err == nil {
		t.Error("an answer in BI")
	}
	for _, z := range []Zeichensatz{ZeichensatzBI, ZeichensatzU8, ZeichensatzI1, ""} {
		if got, err := io.ReadAll(InI1(strings.NewReader("\xc3\xbc{"), z)); err != nil || string(got) != "\xc3\xbc{" {
			t.Errorf("%q: %q", z, got)
		}
	}
}
