package annex

import "errors"

// What can be wrong with a Krankenversichertennummer. The errors never show it:
// it names a patient.
var (
	ErrKVNRForm       = errors.New("not a Krankenversichertennummer: a letter and nine digits are wanted")
	ErrKVNRCheckDigit = errors.New("wrong check digit of a Krankenversichertennummer")
)

// ValidKVNR reports what is wrong with s as the unchangeable part of a
// Krankenversichertennummer: a letter and nine digits, the last the check digit.
// Older samples hold other forms; files are therefore not judged by it.
func ValidKVNR(s string) error {
	if len(s) != 10 || s[0] < 'A' || s[0] > 'Z' || !digits(s[1:]) {
		return ErrKVNRForm
	}
	if s[9] != KVNRCheckDigit(s[:9]) {
		return ErrKVNRCheckDigit
	}
	return nil
}

// KVNRCheckDigit computes the tenth character of a Krankenversichertennummer
// from the letter and eight digits before it: the letter as two digits (A = 01),
// weights 1,2,1,2,… from the left, the cross sums of the products added, modulo 10.
// It panics when s is not of that form.
func KVNRCheckDigit(s string) byte {
	if len(s) != 9 || s[0] < 'A' || s[0] > 'Z' || !digits(s[1:]) {
		panic("annex: KVNRCheckDigit wants a capital letter and eight digits")
	}
	letter := s[0] - 'A' + 1
	sum := letter/10 + doubled[letter%10] - '0'
	for i := 1; i < len(s); i += 2 {
		sum += s[i] - '0' + doubled[s[i+1]-'0'] - '0'
	}
	return '0' + sum%10
}

// doubled is the cross sum of twice a digit.
const doubled = "0246813579"
