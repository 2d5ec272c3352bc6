package annex

import "fmt"

// An IKRule names the rule that a string breaks when it is no valid
// Institutionskennzeichen.
type IKRule string

// The rules, in the order in which they are tried.
const (
	IKLength      IKRule = "nine digits"
	IKDigits      IKRule = "digits only"
	IKPlaceholder IKRule = "no placeholder"
	IKCheckDigit  IKRule = "check digit"
)

// An IKError tells which rule a string breaks.
type IKError struct {
	IK   string
	Rule IKRule
	Want byte // the digit that would be right, '0' to '9'; set for IKCheckDigit only
}

// Error names the value and the rule.
func (e *IKError) Error() string {
	switch e.Rule {
	case IKLength:
		return fmt.Sprintf("IK %q has %d characters, not nine digits", clip(e.IK, 20), len(e.IK))
	case IKDigits:
		return fmt.Sprintf("IK %q is not made of digits only", e.IK)
	case IKPlaceholder:
		return fmt.Sprintf("IK %q is a placeholder", e.IK)
	}
	return fmt.Sprintf("IK %q has a wrong check digit: the last digit would have to be %c", e.IK, e.Want)
}

// ValidIK reports what is wrong with s as an Institutionskennzeichen: nine
// digits, no placeholder of the all-zero kind, right check digit. The error is
// an [*IKError]. Other placeholders (see [Placeholder]) fail by their check digit.
func ValidIK(s string) error {
	if len(s) != 9 {
		return &IKError{IK: s, Rule: IKLength}
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return &IKError{IK: s, Rule: IKDigits}
		}
	}
	if s == "000000000" {
		return &IKError{IK: s, Rule: IKPlaceholder}
	}
	if want := ikCheckDigit(s); s[8] != want {
		return &IKError{IK: s, Rule: IKCheckDigit, Want: want}
	}
	return nil
}

// IKClass names the Klassifikation of an IK by its first two digits, in German
// (ARGE IK, Rundschreiben 04/2013); empty for one that is not known.
func IKClass(ik string) string {
	if len(ik) < 2 {
		return ""
	}
	switch ik[:2] {
	case "10":
		return "Krankenkasse"
	case "18":
		return "Pflegekasse"
	case "26":
		return "Krankenhaus"
	case "46":
		return "Pflegedienst"
	case "66":
		return "Rechenzentrum oder Abrechnungsstelle"
	case "97", "98", "99":
		return "zur eigenen Verwendung"
	}
	return ""
}

// ikCheckDigit computes the ninth digit of an IK from its first eight: digits 3
// to 8 by the weights 2,1,2,1,2,1, the cross sums of the products added, modulo
// 10 (ARGE IK, Rundschreiben 04/2013). The first two digits do not count.
func ikCheckDigit(s string) byte {
	sum := 0
	for i := 2; i < 8; i++ {
		v := int(s[i] - '0')
		if i%2 == 0 {
			v *= 2
		}
		sum += v/10 + v%10
	}
	return byte('0' + sum%10)
}

// Placeholder reports whether ik is one of the numbers that texts and samples
// use where a real one is meant: nine times the same digit, 123456789 or
// 987654321. In routing tables they are an error, in files a warning.
func Placeholder(ik string) bool {
	if ik == "123456789" || ik == "987654321" {
		return true
	}
	if len(ik) != 9 || ik[0] < '0' || ik[0] > '9' {
		return false
	}
	for i := 1; i < len(ik); i++ {
		if ik[i] != ik[0] {
			return false
		}
	}
	return true
}

// clip shortens s to at most n bytes, so that a message stays readable.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
