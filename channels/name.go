package channels

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest allowed name in bytes, the limit of the usual file
// systems.
const MaxName = 255

// CheckName tells whether a name is a plain base name that means the same
// everywhere: valid UTF-8, at most MaxName bytes, no separator of any system, no
// control character, neither "." nor "..". Its error wraps ErrName.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: empty", ErrName)
	case len(name) > MaxName:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrName, len(name), MaxName)
	case name == "." || name == "..":
		return fmt.Errorf("%w: %q is a folder", ErrName, name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: %q is not UTF-8", ErrName, name)
	case strings.ContainsAny(name, `/\`):
		return fmt.Errorf("%w: %q holds a separator", ErrName, name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%w: %q holds a control character", ErrName, name)
	}
	return nil
}

// A TemporaryKind is a way of naming a file that is still growing.
type TemporaryKind int

const (
	Suffix TemporaryKind = iota // EKRH0001.tmp
	Prefix                      // .EKRH0001
	Folder                      // tmp/EKRH0001, in an existing folder below the outgoing one
	None                        // the partner forbids renaming: the final name from the start
)

// Temporary is the partner's way of naming growing files. The zero value means
// the suffix ".tmp".
type Temporary struct {
	Kind TemporaryKind
	Text string // suffix, prefix or folder name; "" means ".tmp", "." or "tmp"
}

// Path returns where the file for a final name grows, as a slash-separated path
// below the outgoing folder, and false if no temporary name is used.
func (t Temporary) Path(final string) (string, bool) {
	switch t.Kind {
	case Suffix:
		return final + orElse(t.Text, ".tmp"), true
	case Prefix:
		return orElse(t.Text, ".") + final, true
	case Folder:
		return orElse(t.Text, "tmp") + "/" + final, true
	default:
		return "", false
	}
}

// Check tells whether the final name and the temporary name that follows from it
// are plain names. Its error wraps ErrName and ErrRefused.
func (t Temporary) Check(final string) error {
	err := CheckName(final)
	if err == nil && t.Kind == Folder {
		err = CheckName(orElse(t.Text, "tmp"))
	} else if temporary, used := t.Path(final); err == nil && used {
		err = CheckName(temporary)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
