package annex

import "testing"

func TestTransferName(t *testing.T) {
	for n, want := range map[int]string{0: "EKRH0000", 1: "EKRH0001", 999: "EKRH0999", 1000: "EKRH0000", 1234: "EKRH0234"} {
		if got := TransferName(Verfahren(true), n); got != want {
			t.Errorf("TransferName(%d) = %s", n, got)
		}
	}
	if got := TransferName(Verfahren(false), 7); got != "TKRH0007" {
		t.Errorf("test name %s", got)
	}
}

func TestParseTransferName(t *testing.T) {
	for _, c := range []struct {
		name, verfahren string
		n               int
		auf, ok         bool
	}{
		{"EKRH0001", "EKRH0", 1, false, true},
		{"TKRH0999", "TKRH0", 999, false, true},
		{"EKRH0001.AUF", "EKRH0", 1, true, true},
		{"EKRH0042.auf", "EKRH0", 42, true, true},
		{"EGKH0100", "EGKH0", 100, false, true},
		{"", "", 0, false, false},
		{".AUF", "", 0, false, false},
		{"EKRH001", "", 0, false, false},
		{"EKRH00001", "", 0, false, false},
		{"XKRH0001", "", 0, false, false},
		{"ekrh0001", "", 0, false, false},
		{"EKRHA001", "", 0, false, false},
		{"EK1H0001", "", 0, false, false},
		{"EKRH0a01", "", 0, false, false},
		{"EKRH0001.AUF.AUF", "", 0, false, false},
		{"EKRH0001.tmp", "", 0, false, false},
	} {
		verfahren, n, auf, ok := ParseTransferName(c.name)
		if verfahren != c.verfahren || n != c.n || auf != c.auf || ok != c.ok {
			t.Errorf("ParseTransferName(%q) = %q, %d, %v, %v", c.name, verfahren, n, auf, ok)
		}
	}
}
