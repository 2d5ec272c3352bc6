package schedule

import (
	"errors"
	"testing"
	"time"
)

func day(t *testing.T, text string) Day {
	t.Helper()
	d, err := ParseDay(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestArbeitstageAfter(t *testing.T) {
	for _, c := range []struct {
		name, land, from string
		n                int
		want             string
	}{
		{"an ordinary week", "SN", "2026-11-23", 3, "2026-11-26"},
		{"the day itself does not count", "SN", "2026-11-23", 1, "2026-11-24"},
		{"over a weekend", "SN", "2026-11-26", 3, "2026-12-01"},
		{"admitted on Saturday", "SN", "2026-11-28", 3, "2026-12-02"},
		{"Buß- und Bettag counts in Sachsen", "SN", "2026-11-16", 3, "2026-11-20"},
		{"… and nowhere else", "BY", "2026-11-16", 3, "2026-11-19"},
		{"over Easter", "BY", "2026-04-01", 3, "2026-04-08"}, // Thursday 2; Good Friday 3, Monday 6 are none
		{"over Easter from Maundy Thursday", "SN", "2026-04-02", 3, "2026-04-09"},
		{"over New Year", "SN", "2026-12-29", 3, "2027-01-04"}, // 30, 31 December, 4 January
		{"… with Epiphany in Bayern", "BY", "2027-01-04", 3, "2027-01-08"},
		{"31 December is an Arbeitstag", "SN", "2026-12-30", 1, "2026-12-31"},
		{"over the clock change in spring", "SN", "2027-03-26", 1, "2027-03-30"}, // Good Friday, then Easter Monday 29
		{"over the clock change in autumn", "SN", "2026-10-23", 1, "2026-10-26"},
		{"8 March in Mecklenburg-Vorpommern", "MV", "2027-03-05", 1, "2027-03-09"},
		{"… not in Sachsen", "SN", "2027-03-05", 1, "2027-03-08"},
		{"Fronleichnam in Bayern", "BY", "2026-06-03", 1, "2026-06-05"},
		{"… not in Sachsen", "SN", "2026-06-03", 1, "2026-06-04"},
	} {
		calendar, err := NewCalendar(c.land, nil, nil, day(t, "2027-12-31"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := calendar.After(day(t, c.from), c.n)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %d Arbeitstage after %s in %s: %s, %v; want %s", c.name, c.n, c.from, c.land, got, err, c.want)
		}
	}
}

func TestDaysAddedAndRemoved(t *testing.T) {
	calendar, err := NewCalendar("by", []Day{Date(2026, 8, 14), Date(2026, 12, 24)}, []Day{Date(2026, 6, 4)}, Date(2026, 12, 31))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"2026-08-14": false, "2026-12-24": false, "2026-06-04": true, "2026-12-31": true} {
		if got, err := calendar.Arbeitstag(day(t, text)); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if name := calendar.Holiday(Date(2026, 12, 25)); name != "Weihnachtstag" {
		t.Errorf("25 December is %q", name)
	}
}

func TestAnOutdatedCalendarSaysSo(t *testing.T) {
	calendar, err := NewCalendar("SN", nil, nil, Date(2026, 12, 31))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := calendar.After(Date(2026, 12, 29), 3); !errors.Is(err, ErrOutdated) {
		t.Errorf("%s, %v", d, err)
	}
	if _, err := calendar.After(Date(2026, 12, 29), 2); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoCalendar(t *testing.T) {
	if _, err := NewCalendar("XX", nil, nil, Day{}); !errors.Is(err, ErrLand) {
		t.Error(err)
	}
	for _, text := range []string{"", "2026-02-29", "2026-13-01", "24.12.2026", "2026-1-1", "2026-12-24 "} {
		if d, err := ParseDay(text); !errors.Is(err, ErrDate) {
			t.Errorf("%q: %s, %v", text, d, err)
		}
	}
}

func TestDayEnds(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for text, hours := range map[string]time.Duration{"2026-11-24": 24, "2026-10-25": 25, "2027-03-28": 23} {
		d := day(t, text)
		if got := d.End(berlin).Sub(d.Add(-1).End(berlin)); got != hours*time.Hour {
			t.Errorf("%s has %s", text, got)
		}
		if DayOf(d.End(berlin).Add(-time.Nanosecond), berlin) != d || DayOf(d.End(berlin), berlin) != d.Add(1) {
			t.Errorf("%s does not end at %s", text, d.End(berlin))
		}
	}
	if n := Date(2026, 10, 24).Days(Date(2026, 10, 26)); n != 2 {
		t.Error(n)
	}
}
