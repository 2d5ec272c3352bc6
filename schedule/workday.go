package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/de"
)

// What can be wrong with a calendar or a question to it.
var (
	ErrLand     = errors.New("is not a Land: write BB BE BW BY HB HE HH MV NI NW RP SH SL SN ST or TH")
	ErrDate     = errors.New("is not a date of the calendar: write YYYY-MM-DD")
	ErrOutdated = errors.New("beyond the last day for which the calendar was confirmed")
)

// A Day is a date without a time of day, as midnight UTC, so that days can be
// compared and counted on whatever the clocks do.
type Day struct{ t time.Time }

// Date is the day with these numbers; there is no check, see [ParseDay].
func Date(year int, month time.Month, day int) Day {
	return Day{time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

// DayOf is the day that the calendar in loc shows at t.
func DayOf(t time.Time, loc *time.Location) Day {
	y, m, d := t.In(loc).Date()
	return Date(y, m, d)
}

// ParseDay reads "2026-11-24". A date that does not exist is an error that wraps
// [ErrDate].
func ParseDay(text string) (Day, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Day{}, fmt.Errorf("%q %w", text, ErrDate)
	}
	return Day{t}, nil
}

// String writes the day as [ParseDay] reads it; the zero Day is "".
func (d Day) String() string {
	if d.IsZero() {
		return ""
	}
	return d.t.Format(time.DateOnly)
}

// IsZero reports whether d is no day at all.
func (d Day) IsZero() bool { return d.t.IsZero() }

// Add is the day n days later; n may be negative.
func (d Day) Add(n int) Day { return Day{d.t.AddDate(0, 0, n)} }

// Before reports whether d is earlier than e.
func (d Day) Before(e Day) bool { return d.t.Before(e.t) }

// Days counts the days from d to e, negative when e is earlier.
func (d Day) Days(e Day) int { return int(e.t.Sub(d.t) / (24 * time.Hour)) }

// Weekday tells the day of the week.
func (d Day) Weekday() time.Weekday { return d.t.Weekday() }

// At is the instant at which clocks in loc show this time of the day.
func (d Day) At(hour, minute int, loc *time.Location) time.Time {
	return instant(d.t.Add(time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute), loc)
}

// End is the instant at which d ends in loc: the start of the next day.
func (d Day) End(loc *time.Location) time.Time { return instant(d.Add(1).t, loc) }

// A Calendar knows the Arbeitstage of one Land: Monday to Friday without the
// public holidays. The Vereinbarung does not say what an Arbeitstag is; that
// Saturday is none is ours. Calendars do not change and may be shared.
type Calendar struct {
	holidays []*cal.Holiday
	added    []Day // sorted
	removed  []Day // sorted
	through  Day
}

// NewCalendar makes the calendar of a Land ("BY"), with days that the admin adds
// (24 December by house rule, 15 August where the municipality has it) or
// removes. It answers up to and including through, which the admin moves when
// the year's holidays were looked through; after it every answer is an error,
// for a holiday that a parliament made in the meantime is a Frist missed.
//
// The public holidays come from a library, with 8 March added for
// Mecklenburg-Vorpommern (since 2023), which it lacks. The error wraps [ErrLand].
func NewCalendar(land string, added, removed []Day, through Day) (*Calendar, error) {
	holidays, ok := lands()[strings.ToUpper(land)]
	if !ok {
		return nil, fmt.Errorf("%q %w", land, ErrLand)
	}
	compare := func(a, b Day) int { return a.t.Compare(b.t) }
	return &Calendar{
		holidays: holidays,
		added:    slices.SortedFunc(slices.Values(added), compare),
		removed:  slices.SortedFunc(slices.Values(removed), compare),
		through:  through,
	}, nil
}

func lands() map[string][]*cal.Holiday {
	return map[string][]*cal.Holiday{
		"BB": de.HolidaysBB, "BE": de.HolidaysBE, "BW": de.HolidaysBW, "BY": de.HolidaysBY,
		"HB": de.HolidaysHB, "HE": de.HolidaysHE, "HH": de.HolidaysHH,
		"MV": append(slices.Clone(de.HolidaysMV), de.Frauentag.Clone(&cal.Holiday{StartYear: 2023})),
		"NI": de.HolidaysNI, "NW": de.HolidaysNW, "RP": de.HolidaysRP, "SH": de.HolidaysSH,
		"SL": de.HolidaysSL, "SN": de.HolidaysSN, "ST": de.HolidaysST, "TH": de.HolidaysTH,
	}
}

// Through is the last day the calendar answers for.
func (c *Calendar) Through() Day { return c.through }

// Holiday names the public holiday that d is, or "". Days added by the admin
// have no name of their own.
func (c *Calendar) Holiday(d Day) string {
	if has(c.removed, d) {
		return ""
	}
	for _, h := range c.holidays {
		if on, _ := h.Calc(d.t.Year()); !on.IsZero() && on.Month() == d.t.Month() && on.Day() == d.t.Day() {
			return h.Name
		}
	}
	if has(c.added, d) {
		return "arbeitsfrei"
	}
	return ""
}

func has(days []Day, d Day) bool {
	_, found := slices.BinarySearchFunc(days, d, func(a, b Day) int { return a.t.Compare(b.t) })
	return found
}

// Arbeitstag reports whether d is one. The error wraps [ErrOutdated].
func (c *Calendar) Arbeitstag(d Day) (bool, error) {
	if c.through.Before(d) {
		return false, fmt.Errorf("%s is %w, %s", d, ErrOutdated, c.through)
	}
	if w := d.Weekday(); w == time.Saturday || w == time.Sunday {
		return false, nil
	}
	return c.Holiday(d) == "", nil
}

// After is the n-th Arbeitstag after d; d itself does not count (§ 187 Abs. 1
// BGB). n is at least 1. The error wraps [ErrOutdated].
func (c *Calendar) After(d Day, n int) (Day, error) {
	for n > 0 {
		d = d.Add(1)
		ok, err := c.Arbeitstag(d)
		if err != nil {
			return Day{}, err
		}
		if ok {
			n--
		}
	}
	return d, nil
}
