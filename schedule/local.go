package schedule

import "time"

// instant turns a reading of the wall clock in loc into an instant: its first
// pass when the reading comes twice, the end of the gap when it does not come.
// The reading's own location is ignored.
func instant(reading time.Time, loc *time.Location) time.Time {
	y, mo, d := reading.Date()
	h, mi, s := reading.Clock()
	naive := time.Date(y, mo, d, h, mi, s, 0, time.UTC)
	// Date picks one of the two sides of a clock change and does not say which,
	// so the offsets on either side are tried.
	guess := time.Date(y, mo, d, h, mi, s, 0, loc)
	start, end := guess.ZoneBounds()
	sides := []time.Time{guess}
	if !start.IsZero() {
		sides = append(sides, start.Add(-time.Second))
	}
	if !end.IsZero() {
		sides = append(sides, end)
	}
	var first time.Time
	for _, side := range sides {
		_, offset := side.Zone()
		t := naive.Add(-time.Duration(offset) * time.Second).In(loc)
		if wall(t).Equal(naive) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if !first.IsZero() {
		return first
	}
	if wall(guess).After(naive) { // read beyond the gap, which ended where this zone starts
		return start
	}
	return end
}

// wall is what the clock of t's location shows at t, to the second, written down
// as if it were UTC, so that readings can be compared and counted on.
func wall(t time.Time) time.Time {
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	return time.Date(y, mo, d, h, mi, s, 0, time.UTC)
}
