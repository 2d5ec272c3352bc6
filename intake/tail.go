package intake

import (
	"bytes"
	"errors"
	"io"

	"gateway301/edifact"
)

// tailSize is how much of a file's end is read to find its last segment. UNZ
// has a count and a reference of at most 14 characters; line ends may follow.
const tailSize = 256

// endsInUNZ reports whether the last segment of a file of size bytes is UNZ,
// told by its separators. White space may follow it.
func endsInUNZ(f io.ReaderAt, size int64) (bool, error) {
	head := make([]byte, min(size, 9))
	if err := readAt(f, head, 0); err != nil {
		return false, err
	}
	tail := make([]byte, min(size, tailSize))
	if err := readAt(f, tail, size-int64(len(tail))); err != nil {
		return false, err
	}
	s := separators(head)
	last := bytes.TrimRight(tail, " \t\r\n\x1a")
	rest := tail[len(last):]
	if n := len(last); n > 0 && last[n-1] == s.Terminator {
		last = last[:n-1]
	} else if bytes.IndexByte(rest, s.Terminator) < 0 { // it may be a line feed itself
		return false, nil
	}
	if n := lastTerminator(last, s); n >= 0 {
		last = last[n+1:]
	}
	last = bytes.TrimLeft(last, " \t\r\n")
	return bytes.HasPrefix(last, []byte{'U', 'N', 'Z', s.Element}) && !released(last, len(last), s.Release), nil
}

// readAt fills b; a file that has become shorter meanwhile is no fault, and
// leaves zeros.
func readAt(f io.ReaderAt, b []byte, at int64) error {
	if _, err := f.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func separators(head []byte) edifact.Separators {
	if len(head) < 9 || !bytes.HasPrefix(head, []byte("UNA")) {
		return edifact.DefaultSeparators()
	}
	return edifact.Separators{
		Component: head[3], Element: head[4], Decimal: head[5],
		Release: head[6], Reserved: head[7], Terminator: head[8],
	}
}

// lastTerminator is the index of the last terminator that is no data; -1 when
// there is none.
func lastTerminator(b []byte, s edifact.Separators) int {
	for n := len(b) - 1; n >= 0; n-- {
		if b[n] == s.Terminator && !released(b, n, s.Release) {
			return n
		}
	}
	return -1
}

// released reports whether an odd number of release characters stands before at.
func released(b []byte, at int, release byte) bool {
	n := 0
	for release != ' ' && at-n > 0 && b[at-n-1] == release {
		n++
	}
	return n%2 == 1
}
