package annex

import (
	"errors"
	"testing"
)

func TestValidIK(t *testing.T) {
	for _, ik := range []string{
		"260326822", "109910000", "108018007", "105810615", "107310373", "108310400",
		"104593993", "190900043", "260500005", "100500016", "260000011",
		"260500016", "260500027", "260500038", "260500049",
	} {
		if err := ValidIK(ik); err != nil {
			t.Errorf("ValidIK(%q): %v", ik, err)
		}
	}
	for ik, rule := range map[string]IKRule{
		"":           IKLength,
		"26050000":   IKLength,
		"2605000055": IKLength,
		"26050000a":  IKDigits,
		" 26050000":  IKDigits,
		"000000000":  IKPlaceholder,
		"123456789":  IKCheckDigit,
		"987654321":  IKCheckDigit,
		"999999999":  IKCheckDigit,
		"260500006":  IKCheckDigit,
	} {
		var e *IKError
		if err := ValidIK(ik); !errors.As(err, &e) || e.Rule != rule {
			t.Errorf("ValidIK(%q) = %v, want rule %q", ik, err, rule)
		} else if e.Error() == "" {
			t.Errorf("ValidIK(%q): no text", ik)
		}
	}
}

// Exactly one of ten last digits is right, and any single wrong digit among
// 3 to 9 is noticed.
func TestIKCheckDigitNoticesEveryWrongDigit(t *testing.T) {
	const ik = "260500016"
	for i := 2; i < len(ik); i++ {
		for d := byte('0'); d <= '9'; d++ {
			b := []byte(ik)
			b[i] = d
			if ok := ValidIK(string(b)) == nil; ok != (d == ik[i]) {
				t.Errorf("ValidIK(%s) ok = %v", b, ok)
			}
		}
	}
}

func TestPlaceholder(t *testing.T) {
	for ik, want := range map[string]bool{
		"999999999": true, "000000000": true, "111111111": true, "123456789": true, "987654321": true,
		"260500005": false, "109910000": false, "": false, "99999999": false, "aaaaaaaaa": false,
	} {
		if got := Placeholder(ik); got != want {
			t.Errorf("Placeholder(%q) = %v", ik, got)
		}
	}
}
