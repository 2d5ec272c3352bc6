package annex

import (
	"fmt"
	"strings"
)

// AUFSuffix is what the name of an Auftragsdatei adds to the transfer name of
// its payload (GGT 2).
const AUFSuffix = ".AUF"

// VERFAHREN_KENNUNG of § 301 Abs. 3 SGB V (GGT 4).
const (
	VerfahrenEcht = "EKRH0"
	VerfahrenTest = "TKRH0"
)

// Verfahren is the VERFAHREN_KENNUNG of § 301 for ECHT (production) or TEST.
func Verfahren(production bool) string {
	if production {
		return VerfahrenEcht
	}
	return VerfahrenTest
}

// TransferName builds the name of a payload: VERFAHREN_KENNUNG and the transfer
// number in three digits, "EKRH0001". The number is taken modulo 1000, as 999 is
// followed by 000. Its Auftragsdatei is named TransferName + [AUFSuffix].
func TransferName(verfahren string, n int) string {
	return fmt.Sprintf("%s%03d", verfahren, ((n%1000)+1000)%1000)
}

// ParseTransferName takes a transfer name apart. auf tells that it names an
// Auftragsdatei; its suffix may be written in small letters, since file systems
// and servers change the case. ok is false when name is no transfer name of any
// Verfahren: E or T, three capital letters, a version digit, three digits.
func ParseTransferName(name string) (verfahren string, n int, auf, ok bool) {
	stem := name
	if len(name) > len(AUFSuffix) && strings.EqualFold(name[len(name)-len(AUFSuffix):], AUFSuffix) {
		stem, auf = name[:len(name)-len(AUFSuffix)], true
	}
	if len(stem) != 8 || !validVerfahren(stem[:5]) || !digits(stem[5:]) {
		return "", 0, false, false
	}
	for _, c := range []byte(stem[5:]) {
		n = n*10 + int(c-'0')
	}
	return stem[:5], n, auf, true
}

// validVerfahren reports whether s has the form of a VERFAHREN_KENNUNG.
func validVerfahren(s string) bool {
	if len(s) != 5 || s[0] != 'E' && s[0] != 'T' || !digits(s[4:]) {
		return false
	}
	for _, c := range []byte(s[1:4]) {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// digits reports whether s is made of ASCII digits only, at least one.
func digits[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}
