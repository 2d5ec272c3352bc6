package schedule

import (
	"errors"
	"fmt"
	"time"
)

// stampLayout is JJJJMMTThhmmss, local time (DATUM_ERSTELLUNG, Auftragsdatei).
const stampLayout = "20060102150405"

// ErrStamp is wrapped when a stamp is not fourteen digits JJJJMMTThhmmss, or when
// a time cannot be written as one.
var ErrStamp = errors.New("not a stamp JJJJMMTThhmmss")

// NextStamp allots DATUM_ERSTELLUNG to a delivery taken over at taken, when the
// clock shows now and last was allotted before ("" if none was). It is the later
// of the take-over and last; unique asks for strictly later than last, else
// seconds may repeat.
//
// Stamps are readings in loc and never fall, never name a reading that does not
// exist, and are never ahead of the clock. Where the reading would be ahead, no
// stamp is given and wait, greater than zero, says when to come back: unique
// deliveries are more frequent than one a second, or the clock was set back. In
// the repeated hour a reading counts from its first pass on, so that a stamp
// allotted in the first pass stays valid in the second, when the clock shows
// earlier readings again.
//
// A zero taken means now. The error wraps [ErrStamp].
func NextStamp(taken, now time.Time, last string, unique bool, loc *time.Location) (stamp string, wait time.Duration, err error) {
	if taken.IsZero() {
		taken = now
	}
	at := wall(taken.In(loc))
	if last != "" {
		before, err := parseStamp(last)
		if err != nil {
			return "", 0, err
		}
		if unique {
			before = before.Add(time.Second)
		}
		if before.After(at) {
			at = before
		}
	}
	valid := instant(at, loc)
	if valid.After(now) {
		return "", valid.Sub(now), nil
	}
	if at = wall(valid); at.Year() < 1 || at.Year() > 9999 {
		return "", 0, fmt.Errorf("year %d: %w", at.Year(), ErrStamp)
	}
	return at.Format(stampLayout), 0, nil
}

// parseStamp reads a stamp as a reading, written down as if it were UTC.
func parseStamp(s string) (time.Time, error) {
	t, err := time.Parse(stampLayout, s)
	if err != nil || len(s) != len(stampLayout) { // Parse takes a fraction of a second too
		return time.Time{}, fmt.Errorf("%q: %w", s, ErrStamp)
	}
	return t, nil
}
