package edifact

import (
	"errors"
	"fmt"
	"strconv"
)

// What a [SyntaxError] can mean. After any of them the reader is at its end:
// what follows cannot be split into segments with certainty.
var (
	// ErrTruncated: the bytes end inside a segment, inside the UNA, or, for a
	// [Walker], before UNZ. It points at the first missing byte.
	ErrTruncated = errors.New("data ends too early")
	// ErrDanglingRelease: the last byte of all is a release character, so the
	// character that it releases is missing. It points at that missing byte.
	ErrDanglingRelease = errors.New("nothing follows the release character")
	// ErrNUL: a zero byte, forbidden everywhere, released or not.
	ErrNUL = errors.New("NUL byte")
	// ErrTextBefore: the file does not begin with a service string advice or a segment.
	ErrTextBefore = errors.New("text before UNA or UNB")
	// ErrTag: a segment does not begin with a tag, which is one capital letter
	// and two capital letters or digits.
	ErrTag = errors.New("not a segment tag")
	// ErrSegmentTooLong: a segment is longer than Options.MaxSegment. It points
	// at the first byte too many.
	ErrSegmentTooLong = errors.New("segment is longer than allowed")
	// ErrUNA: the service string advice cannot be used. See the three below.
	ErrUNA = errors.New("UNA cannot be used")
	// ErrUNACharacter: a separator in UNA is no printable special ASCII character.
	ErrUNACharacter = fmt.Errorf("%w: not a special character", ErrUNA)
	// ErrUNASame: two separators in UNA are the same character.
	ErrUNASame = fmt.Errorf("%w: two separators are the same", ErrUNA)
)

// A Pos says where in a file something stands.
type Pos struct {
	Offset             int64  // bytes from the start of the file, a byte order mark included
	Segment            int64  // counted from 1 over the whole file; UNA is not counted
	Tag                string // "BGM"; empty while still unknown
	Element, Component int    // counted from 1; 0 means the whole segment
}

// String gives the form "segment 3 BGM, element 2, component 1, offset 57".
func (p Pos) String() string {
	b := make([]byte, 0, 64)
	if p.Segment > 0 {
		b = append(b, "segment "...)
		b = strconv.AppendInt(b, p.Segment, 10)
		if p.Tag != "" {
			b = append(append(b, ' '), p.Tag...)
		}
		b = append(b, ", "...)
	}
	if p.Element > 0 {
		b = append(b, "element "...)
		b = strconv.AppendInt(b, int64(p.Element), 10)
		b = append(b, ", "...)
		if p.Component > 0 {
			b = append(b, "component "...)
			b = strconv.AppendInt(b, int64(p.Component), 10)
			b = append(b, ", "...)
		}
	}
	b = append(b, "offset "...)
	return string(strconv.AppendInt(b, p.Offset, 10))
}

// A SyntaxError reports bytes that are not EDIFACT, and where they stand. It
// never carries content of the file.
type SyntaxError struct {
	Pos Pos
	Err error // ErrTruncated, ErrDanglingRelease, …
}

func (e *SyntaxError) Error() string { return "edifact: " + e.Pos.String() + ": " + e.Err.Error() }

func (e *SyntaxError) Unwrap() error { return e.Err }
