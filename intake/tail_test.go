package intake

import (
	"bytes"
	"strings"
	"testing"
)

func TestEndsInUNZ(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want bool
	}{
		"plain":                    {interchange, true},
		"no line ends":             {strings.ReplaceAll(interchange, "\r\n", ""), true},
		"other separators":         {"UNA|^.\\ ~UNB^x~UNZ^1^2~", true},
		"no release character":     {"UNA:+.  'UNB+a?'UNZ+1+2'", true},
		"terminator is line feed":  {"UNA:+.? \nUNB+x\nUNZ+1+2\n\n", true},
		"DOS end of file":          {"UNB+x'UNZ+1+2'\x1a", true},
		"only UNZ":                 {"UNZ+0+1'", true},
		"release before the end":   {"UNB+x??'UNZ+1+2'", true},
		"long before":              {strings.Repeat("X+1234567890'", 1000) + "UNZ+1+2'", true},
		"empty":                    {"", false},
		"blank":                    {" \r\n ", false},
		"cut in the last segment":  {"UNB+x'UNZ+1+", false},
		"cut before it":            {"UNB+x'UNT+1+2'", false},
		"terminator is released":   {"UNB+x'UNZ+1+2?'", false},
		"UNZ is data":              {"UNB+x?'UNZ+1'", false},
		"UNZ of something else":    {"UNB+x'UNZZ+1'", false},
		"something behind it":      {"UNB+x'UNZ+1+2'UNB+", false},
		"another file's separator": {"UNA|^.\\ ~UNB^x~UNZ+1+2'", false},
		"long last segment":        {"UNB+x'FTX+" + strings.Repeat("y", 1000) + "'", false},
	} {
		got, err := endsInUNZ(bytes.NewReader([]byte(c.file)), int64(len(c.file)))
		if got != c.want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	// The file was longer when it was listed.
	if got, err := endsInUNZ(strings.NewReader("UNZ+1"), 100); got || err != nil {
		t.Error(got, err)
	}
}
