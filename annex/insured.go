package annex

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"gateway301/edifact"
)

// ErrInsuredLine is wrapped by errors about a line of a list of insured persons.
var ErrInsuredLine = errors.New("not a Versichertennummer")

// An InsuredList is a [MessageCheck] of stage 4: it knows the payer's insured
// persons and refuses the message of anyone else (G4-001, at INV element 1). A
// message without a Versichertennummer is not judged. It can be shared.
type InsuredList struct{ numbers map[string]struct{} }

// LoadInsured reads a list of Versichertennummern, one per line, up to 12
// letters and digits. Empty lines and lines that begin with # are skipped. An
// error tells the line, never its content.
func LoadInsured(r io.Reader) (*InsuredList, error) {
	l := &InsuredList{numbers: make(map[string]struct{})}
	lines := bufio.NewScanner(r)
	n := 0
	for lines.Scan() {
		n++
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if len(line) > 12 || !alphanumeric(line) {
			return nil, fmt.Errorf("line %d: %w", n, ErrInsuredLine)
		}
		l.numbers[string(line)] = struct{}{}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return l, nil
}

// Len is how many insured persons the list knows.
func (l *InsuredList) Len() int { return len(l.numbers) }

// Shared: several messages can be checked at once.
func (l *InsuredList) Shared() {}

// Segment looks at INV element 1.
func (l *InsuredList) Segment(_ MessageInfo, s edifact.Segment) []Finding {
	if !s.Is("INV") {
		return nil
	}
	number := s.Value(1, 1)
	if len(number) == 0 {
		return nil
	}
	if _, known := l.numbers[string(number)]; known {
		return nil
	}
	return []Finding{{Code: "G4-001", Element: 1}}
}

func alphanumeric(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
