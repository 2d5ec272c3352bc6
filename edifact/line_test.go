package edifact

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLineColumn(t *testing.T) {
	const file = "ab\nc\r\n\nde"
	for offset, want := range [][2]int64{{1, 1}, {1, 2}, {1, 3}, {2, 1}, {2, 2}, {2, 3}, {3, 1}, {4, 1}, {4, 2}, {4, 3}} {
		for name, src := range arrivals(file) {
			line, column, err := LineColumn(src, int64(offset))
			if err != nil || line != want[0] || column != want[1] {
				t.Errorf("%s: offset %d is %d:%d (%v), want %v", name, offset, line, column, err, want)
			}
		}
	}
	if _, _, err := LineColumn(strings.NewReader(file), 10); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("behind the end: %v", err)
	}
	broken := errors.New("disk on fire")
	if _, _, err := LineColumn(iotest.ErrReader(broken), 1); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
