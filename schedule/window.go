package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What can be wrong with the text of a window. A [WindowError] wraps one of them
// and puts the text in front: their words are "rule: what to write".
var (
	ErrWindowSyntax = errors.New(`is not a window: write "always", "22:00-05:00" or "mon-fri 22:00-05:00"`)
	ErrDay          = errors.New("is not a day: write mon, tue, wed, thu, fri, sat or sun")
	ErrClock        = errors.New("is not a time of day: write 00:00 to 23:59, or 24:00 as an end")
	ErrNeverOpen    = errors.New(`never opens, its start and end are the same: write "always" or 00:00-24:00`)
	ErrAlwaysMixed  = errors.New(`mixes "always" with hours: keep one of them`)
)

// A WindowError says which part of a window's text is wrong.
type WindowError struct {
	Text string // the part that is wrong
	Err  error  // ErrWindowSyntax, ErrDay, ErrClock, ErrNeverOpen or ErrAlwaysMixed
}

// Error names the part and the rule.
func (e *WindowError) Error() string { return fmt.Sprintf("%q %v", e.Text, e.Err) }

// Unwrap gives the rule.
func (e *WindowError) Unwrap() error { return e.Err }

// A Window is a set of spans of local time that repeats every week. The zero
// value is always open. Windows do not change and may be shared.
type Window struct {
	spans []span // nil: always
}

// A span starts on each of its days at from and lasts until to, both in minutes
// after midnight of that day: 0 <= from < 1440, from < to <= from+1440.
type span struct {
	days     days
	from, to int
}

// days is a set of weekdays; bit 0 is Monday.
type days uint8

const everyDay days = 1<<7 - 1

func (d days) has(w time.Weekday) bool { return d>>((w+6)%7)&1 == 1 }

// dayNames lists the days as they are written, Monday first.
func dayNames() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

// ParseWindow reads a window: "always", or spans such as "22:00-05:00" (every
// day), "mon-fri 22:00-05:00", "sat,sun 00:00-24:00", each as an argument of its
// own or parted by semicolons. A span whose end is not after its start goes past
// midnight and belongs to the day it starts on. No argument means always. The
// error is a [*WindowError].
func ParseWindow(specs ...string) (Window, error) {
	var w Window
	always := false
	for _, spec := range specs {
		for part := range strings.SplitSeq(spec, ";") {
			part = strings.ToLower(strings.TrimSpace(part))
			if part == "always" {
				always = true
				continue
			}
			s, err := parseSpan(part)
			if err != nil {
				return Window{}, err
			}
			w.spans = append(w.spans, s)
		}
	}
	if always && len(w.spans) > 0 {
		return Window{}, &WindowError{Text: strings.Join(specs, "; "), Err: ErrAlwaysMixed}
	}
	return w, nil
}

func parseSpan(text string) (span, error) {
	s := span{days: everyDay}
	tight := strings.ReplaceAll(text, " ", "")
	clockAt := strings.IndexAny(tight, "0123456789")
	if clockAt < 0 {
		return span{}, &WindowError{Text: text, Err: ErrWindowSyntax}
	}
	fromText, toText, ok := strings.Cut(tight[clockAt:], "-")
	if !ok {
		return span{}, &WindowError{Text: text, Err: ErrWindowSyntax}
	}
	if clockAt > 0 {
		var err error
		if s.days, err = parseDays(tight[:clockAt]); err != nil {
			return span{}, err
		}
	}
	var ok1, ok2 bool
	s.from, ok1 = parseClock(fromText)
	s.to, ok2 = parseClock(toText)
	switch {
	case !ok1 || s.from == minutesPerDay:
		return span{}, &WindowError{Text: fromText, Err: ErrClock}
	case !ok2:
		return span{}, &WindowError{Text: toText, Err: ErrClock}
	case s.from == s.to:
		return span{}, &WindowError{Text: text, Err: ErrNeverOpen}
	case s.to < s.from:
		s.to += minutesPerDay
	}
	return s, nil
}

const minutesPerDay = 24 * 60

// parseClock reads "hh:mm", 00:00 to 24:00, as minutes after midnight.
func parseClock(text string) (int, bool) {
	if len(text) != 5 || text[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	h := int(text[0]-'0')*10 + int(text[1]-'0')
	m := int(text[3]-'0')*10 + int(text[4]-'0')
	if m > 59 || h*60+m > minutesPerDay {
		return 0, false
	}
	return h*60 + m, true
}

// parseDays reads "mon", "mon-fri", "fri-mon" (over the weekend), "sat,sun".
func parseDays(text string) (days, error) {
	var set days
	for part := range strings.SplitSeq(text, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, to := slices.Index(dayNames(), first), slices.Index(dayNames(), last)
		if from < 0 {
			return 0, &WindowError{Text: first, Err: ErrDay}
		}
		if to < 0 {
			return 0, &WindowError{Text: last, Err: ErrDay}
		}
		for d := from; ; d = (d + 1) % 7 {
			set |= 1 << d
			if d == to {
				break
			}
		}
	}
	return set, nil
}

// Always reports whether the window was given as "always" or not at all.
func (w Window) Always() bool { return w.spans == nil }

// Open reports whether the window is open at now. A span contains its start and
// not its end.
func (w Window) Open(now time.Time, loc *time.Location) bool {
	if w.Always() {
		return true
	}
	for _, o := range w.openings(now, loc, 10) {
		if o.contains(now) {
			return true
		}
	}
	return false
}

// NextOpen gives now if the window is open, else the instant at which it opens
// next, in loc.
func (w Window) NextOpen(now time.Time, loc *time.Location) time.Time {
	if w.Always() {
		return now
	}
	var next time.Time
	for _, o := range w.openings(now, loc, 10) {
		if o.contains(now) {
			return now
		}
		if o.start.After(now) && (next.IsZero() || o.start.Before(next)) {
			next = o.start
		}
	}
	return next
}

// Closes gives the instant, in loc, at which the window closes that is open at
// now. Spans that touch or overlap count as one. It is zero when the window is
// not open, and when it never closes.
func (w Window) Closes(now time.Time, loc *time.Location) time.Time {
	if w.Always() {
		return time.Time{}
	}
	openings := w.openings(now, loc, 17)
	at := now
	for grown := true; grown; {
		grown = false
		for _, o := range openings {
			if o.contains(at) && o.end.After(at) {
				at, grown = o.end, true
			}
		}
	}
	// The week repeats, and a clock change swallows a pause once at most: after
	// two weeks without a pause there is none.
	if at.Equal(now) || at.Sub(now) > 15*24*time.Hour {
		return time.Time{}
	}
	return at
}

// LastClosed gives the latest instant, in loc and not after now, at which the
// window closed. Spans that touch or overlap count as one. It is zero when the
// window never closes.
func (w Window) LastClosed(now time.Time, loc *time.Location) time.Time {
	if w.Always() {
		return time.Time{}
	}
	openings := w.openings(now.AddDate(0, 0, -9), loc, 11)
	var last time.Time
	for _, o := range openings {
		if o.end.After(now) || !o.end.After(last) || w.Open(o.end, loc) {
			continue
		}
		last = o.end
	}
	return last
}

// An opening is one span on one day, as instants.
type opening struct{ start, end time.Time }

func (o opening) contains(t time.Time) bool { return !t.Before(o.start) && t.Before(o.end) }

// openings lists every span from two days before now, for the one that began
// yesterday, to so many days after it; ten do for a weekly one to come again.
func (w Window) openings(now time.Time, loc *time.Location, ahead int) []opening {
	today := wall(now.In(loc))
	midnight := today.Truncate(24 * time.Hour)
	var all []opening
	for d := -2; d <= ahead; d++ {
		day := midnight.AddDate(0, 0, d)
		for _, s := range w.spans {
			if !s.days.has(day.Weekday()) {
				continue
			}
			o := opening{
				start: instant(day.Add(time.Duration(s.from)*time.Minute), loc),
				end:   instant(day.Add(time.Duration(s.to)*time.Minute), loc),
			}
			if !o.end.After(o.start) { // wholly in the gap
				o.end = o.start.Add(time.Duration(s.to-s.from) * time.Minute)
			}
			all = append(all, o)
		}
	}
	return all
}

// String writes the window so that [ParseWindow] reads it back.
func (w Window) String() string {
	if w.Always() {
		return "always"
	}
	var b strings.Builder
	for i, s := range w.spans {
		if i > 0 {
			b.WriteString("; ")
		}
		if s.days != everyDay {
			b.WriteString(s.days.String())
			b.WriteByte(' ')
		}
		to := s.to
		if to > minutesPerDay {
			to -= minutesPerDay
		}
		fmt.Fprintf(&b, "%02d:%02d-%02d:%02d", s.from/60, s.from%60, to/60, to%60)
	}
	return b.String()
}

// String writes runs of three days or more as a range, the rest one by one.
func (d days) String() string {
	var parts []string
	for i := 0; i < 7; i++ {
		if d>>i&1 == 0 {
			continue
		}
		last := i
		for last < 6 && d>>(last+1)&1 == 1 {
			last++
		}
		if last-i >= 2 {
			parts = append(parts, dayNames()[i]+"-"+dayNames()[last])
			i = last
		} else {
			parts = append(parts, dayNames()[i])
		}
	}
	return strings.Join(parts, ",")
}
