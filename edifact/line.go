package edifact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// LineColumn works out where an offset is for somebody with an editor: line
// and byte in the line, both from 1. Lines end with LF. It reads src, which
// must begin where the file begins, as far as the offset; the offset behind
// the last byte counts as one more byte.
func LineColumn(src io.Reader, offset int64) (line, column int64, err error) {
	line, column = 1, 1
	buf := make([]byte, 32<<10)
	for left := offset; left > 0; {
		n, err := src.Read(buf[:min(left, int64(len(buf)))])
		left -= int64(n)
		seen := buf[:n]
		for {
			i := bytes.IndexByte(seen, '\n')
			if i < 0 {
				break
			}
			line++
			column = 1
			seen = seen[i+1:]
		}
		column += int64(len(seen))
		switch {
		case errors.Is(err, io.EOF) && left > 0:
			return 0, 0, fmt.Errorf("edifact: offset %d: %w", offset, io.ErrUnexpectedEOF)
		case err != nil && left > 0:
			return 0, 0, fmt.Errorf("edifact: reading: %w", err)
		}
	}
	return line, column, nil
}
