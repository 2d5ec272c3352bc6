package annex

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"gateway301/edifact"
)

// ErrAllRefused tells that no message would be left in a copy.
var ErrAllRefused = errors.New("every message is refused")

// CopyWithout copies an interchange without the messages that refused names by
// their running number, from 1. The other messages, UNA and UNB are copied byte
// for byte, line breaks included; UNZ states the true count, in the width that it
// had. kept is how many messages were copied. References of UNH stay as they are,
// so that they have gaps.
//
// Only a file without a fault in its envelope can be copied, but for gaps in its
// references: anything else is an error, and so is [ErrAllRefused]; dst is then to
// be thrown away.
func CopyWithout(dst io.Writer, src io.Reader, refused func(message int64) bool) (kept int64, err error) {
	var fault *edifact.EnvelopeError
	t := tape{dst: dst, on: true}
	w := edifact.NewWalker(io.TeeReader(src, &t.seen), edifact.Options{}, func(e *edifact.EnvelopeError) {
		if fault == nil && whole(e) {
			fault = e
		}
	})
	for {
		step, err := w.Next()
		switch {
		case fault != nil:
			return kept, fault
		case err == io.EOF:
			return kept, t.rest()
		case err != nil:
			return kept, err
		}
		s := step.Segment
		if err := t.to(s.Offset()); err != nil { // line breaks before s
			return kept, err
		}
		switch step.Kind {
		case edifact.KindUNH:
			if t.on = !refused(step.Message); t.on {
				kept++
			}
		case edifact.KindUNZ:
			if t.on = true; kept == 0 {
				return 0, ErrAllRefused
			}
			if err := t.count(s, kept); err != nil {
				return kept, err
			}
		}
		if err := t.to(s.End()); err != nil {
			return kept, err
		}
	}
}

// whole reports whether a fault of the envelope keeps messages from being left out
// of a copy. A reference that is not the next one does not.
func whole(e *edifact.EnvelopeError) bool {
	return e.Fault != edifact.FaultUNHReferenceGap && e.Fault != edifact.FaultDuplicateReference
}

// A tape holds what was read and is still to be copied or left out.
//
//	0        at                    at+seen.Len()
//	| copied |  seen, not yet judged |  not yet read
//	| or not |                       |
type tape struct {
	dst  io.Writer
	seen bytes.Buffer
	at   int64 // offset in the source of the first byte of seen
	on   bool  // copy what comes next
}

// to copies, or leaves out, everything before the offset.
func (t *tape) to(offset int64) error {
	b := t.seen.Next(int(offset - t.at))
	t.at = offset
	if !t.on {
		return nil
	}
	_, err := t.dst.Write(b)
	return err
}

// count copies UNZ up to behind its count, which becomes n.
func (t *tape) count(unz edifact.Segment, n int64) error {
	at, width := unz.PosOf(1, 1).Offset, len(unz.Value(1, 1))
	if err := t.to(at); err != nil {
		return err
	}
	t.seen.Next(width)
	t.at += int64(width)
	if unz.Value(1, 1)[0] != '0' {
		width = 0
	}
	_, err := fmt.Fprintf(t.dst, "%0*d", width, n)
	return err
}

// rest copies what stands behind UNZ: line breaks, the end-of-file mark.
func (t *tape) rest() error {
	_, err := t.seen.WriteTo(t.dst)
	return err
}
