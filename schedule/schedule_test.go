package schedule

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// at reads an instant written with its offset, as the clock changes need it.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04:05 -0700", s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func window(t testing.TB, specs ...string) Window {
	t.Helper()
	w, err := ParseWindow(specs...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Berlin: 28 March 2027 has no 02:00 to 03:00, 25 October 2026 has it twice.
func TestInstant(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct{ reading, want string }{
		{"20260715120000", "2026-07-15 12:00:00 +0200"},
		{"20270328015959", "2027-03-28 01:59:59 +0100"},
		{"20270328020000", "2027-03-28 03:00:00 +0200"},
		{"20270328023000", "2027-03-28 03:00:00 +0200"},
		{"20270328025959", "2027-03-28 03:00:00 +0200"},
		{"20270328030000", "2027-03-28 03:00:00 +0200"},
		{"20261025015959", "2026-10-25 01:59:59 +0200"},
		{"20261025020000", "2026-10-25 02:00:00 +0200"},
		{"20261025025959", "2026-10-25 02:59:59 +0200"},
		{"20261025030000", "2026-10-25 03:00:00 +0100"},
	} {
		reading, err := parseStamp(c.reading)
		if err != nil {
			t.Fatal(err)
		}
		if got := instant(reading, berlin); !got.Equal(at(t, c.want)) {
			t.Errorf("%s means %v, want %s", c.reading, got, c.want)
		}
	}
	// Zones whose change is not an hour, or a whole day, or never.
	for _, c := range []struct{ zone, reading, want string }{
		{"Australia/Lord_Howe", "20261004021500", "2026-10-04 02:30:00 +1100"},
		{"Australia/Lord_Howe", "20270404014500", "2027-04-04 01:45:00 +1100"},
		{"Pacific/Apia", "20111230120000", "2011-12-31 00:00:00 +1400"},
		{"UTC", "20270328023000", "2027-03-28 02:30:00 +0000"},
	} {
		reading, err := parseStamp(c.reading)
		if err != nil {
			t.Fatal(err)
		}
		if got := instant(reading, zone(t, c.zone)); !got.Equal(at(t, c.want)) {
			t.Errorf("%s: %s means %v, want %s", c.zone, c.reading, got, c.want)
		}
	}
}

func TestParseWindow(t *testing.T) {
	for _, c := range []struct {
		specs []string
		want  string
	}{
		{nil, "always"},
		{[]string{"always"}, "always"},
		{[]string{" Always "}, "always"},
		{[]string{"22:00-05:00"}, "22:00-05:00"},
		{[]string{"22:00 - 05:00"}, "22:00-05:00"},
		{[]string{"22:00-00:00"}, "22:00-24:00"},
		{[]string{"Mon-Fri 22:00-05:00"}, "mon-fri 22:00-05:00"},
		{[]string{"sat,sun 00:00-24:00"}, "sat,sun 00:00-24:00"},
		{[]string{"sat, sun 00:00-24:00"}, "sat,sun 00:00-24:00"},
		{[]string{"fri-mon 01:00-02:00"}, "mon,fri-sun 01:00-02:00"},
		{[]string{"mon-sun 01:00-02:00"}, "01:00-02:00"},
		{[]string{"mon 01:00-02:00", "tue 03:00-04:00"}, "mon 01:00-02:00; tue 03:00-04:00"},
		{[]string{"mon 01:00-02:00; tue 03:00-04:00"}, "mon 01:00-02:00; tue 03:00-04:00"},
	} {
		w, err := ParseWindow(c.specs...)
		if err != nil || w.String() != c.want {
			t.Errorf("%q: %q, %v; want %q", c.specs, w, err, c.want)
		}
		if again, err := ParseWindow(w.String()); err != nil || again.String() != w.String() {
			t.Errorf("%q is not read back: %q, %v", w, again, err)
		}
	}
	for _, c := range []struct {
		spec string
		part string
		want error
	}{
		{"", "", ErrWindowSyntax},
		{"never", "never", ErrWindowSyntax},
		{"mon-fri", "mon-fri", ErrWindowSyntax},
		{"22:00", "22:00", ErrWindowSyntax},
		{"mon 22:00", "mon 22:00", ErrWindowSyntax},
		{"monday 22:00-23:00", "monday", ErrDay},
		{"mon- 22:00-23:00", "", ErrDay},
		{"mon,,tue 22:00-23:00", "", ErrDay},
		{"mon-frei 22:00-23:00", "frei", ErrDay},
		{"22:00-25:00", "25:00", ErrClock},
		{"22:60-23:00", "22:60", ErrClock},
		{"24:00-05:00", "24:00", ErrClock},
		{"22-05", "22", ErrClock},
		{"2:00-05:00", "2:00", ErrClock},
		{"22:00-05:00-06:00", "05:00-06:00", ErrClock},
		{"22:00-24:01", "24:01", ErrClock},
		{"08:00-08:00", "08:00-08:00", ErrNeverOpen},
		{"00:00-00:00", "00:00-00:00", ErrNeverOpen},
		{"always; 08:00-09:00", "always; 08:00-09:00", ErrAlwaysMixed},
	} {
		_, err := ParseWindow(c.spec)
		var we *WindowError
		if !errors.As(err, &we) || !errors.Is(err, c.want) || we.Text != c.part {
			t.Errorf("%q: %v; want %q: %v", c.spec, err, c.part, c.want)
		}
	}
}

// Each row asks once: is it open, when does it open next ("" = now), when does
// it close ("" = not open, or never).
func TestWindow(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	night := []string{"22:00-05:00"}
	week := []string{"mon-fri 22:00-05:00", "sat 12:00-13:00"}
	for _, c := range []struct {
		specs            []string
		now, next, close string
	}{
		{nil, "2026-11-23 12:00:00 +0100", "", ""},
		{night, "2026-11-23 12:00:00 +0100", "2026-11-23 22:00:00 +0100", ""},
		{night, "2026-11-23 21:59:59 +0100", "2026-11-23 22:00:00 +0100", ""},
		{night, "2026-11-23 22:00:00 +0100", "", "2026-11-24 05:00:00 +0100"},
		{night, "2026-11-24 04:59:59 +0100", "", "2026-11-24 05:00:00 +0100"},
		{night, "2026-11-24 05:00:00 +0100", "2026-11-24 22:00:00 +0100", ""},
		// The instant counts, not the location it is written in.
		{night, "2026-11-23 21:30:00 +0000", "", "2026-11-24 05:00:00 +0100"},
		// Friday's night belongs to Friday; Sunday's does not exist (27 November 2026 is a Friday).
		{week, "2026-11-28 03:00:00 +0100", "", "2026-11-28 05:00:00 +0100"},
		{week, "2026-11-28 05:00:00 +0100", "2026-11-28 12:00:00 +0100", ""},
		{week, "2026-11-28 13:00:00 +0100", "2026-11-30 22:00:00 +0100", ""},
		{week, "2026-11-30 03:00:00 +0100", "2026-11-30 22:00:00 +0100", ""},
		// A weekly span just missed comes a week later.
		{[]string{"mon 01:00-02:00"}, "2026-11-23 02:00:00 +0100", "2026-11-30 01:00:00 +0100", ""},
		// Touching and overlapping spans close together; a full week never closes.
		{[]string{"08:00-12:00", "12:00-14:00", "13:00-15:00"}, "2026-11-23 09:00:00 +0100", "", "2026-11-23 15:00:00 +0100"},
		{[]string{"sat,sun 00:00-24:00"}, "2026-11-28 09:00:00 +0100", "", "2026-11-30 00:00:00 +0100"},
		{[]string{"00:00-24:00"}, "2026-11-28 09:00:00 +0100", "", ""},
		{[]string{"00:00-12:00", "12:00-24:00"}, "2027-03-28 09:00:00 +0200", "", ""},
		// The only pause of the week is swallowed by the gap, and comes a week later.
		{[]string{"mon-sat 00:00-24:00", "sun 00:00-02:00", "sun 03:00-24:00"}, "2027-03-25 09:00:00 +0100", "", "2027-04-04 02:00:00 +0200"},

		// Spring: the night is an hour shorter.
		{night, "2027-03-27 23:00:00 +0100", "", "2027-03-28 05:00:00 +0200"},
		// A span that starts in the gap starts at its end; one that ends in it ends there.
		{[]string{"02:30-05:00"}, "2027-03-28 01:59:59 +0100", "2027-03-28 03:00:00 +0200", ""},
		{[]string{"02:30-05:00"}, "2027-03-28 03:00:00 +0200", "", "2027-03-28 05:00:00 +0200"},
		{[]string{"01:00-02:30"}, "2027-03-28 01:30:00 +0100", "", "2027-03-28 03:00:00 +0200"},
		{[]string{"00:00-02:30", "02:30-04:00"}, "2027-03-28 00:30:00 +0100", "", "2027-03-28 04:00:00 +0200"},
		// A span wholly in the gap is not missed: it keeps its length.
		{[]string{"02:15-02:45"}, "2027-03-28 01:00:00 +0100", "2027-03-28 03:00:00 +0200", ""},
		{[]string{"02:15-02:45"}, "2027-03-28 03:10:00 +0200", "", "2027-03-28 03:30:00 +0200"},
		{[]string{"02:15-02:45"}, "2027-03-28 03:30:00 +0200", "2027-03-29 02:15:00 +0200", ""},
		{[]string{"02:00-03:00"}, "2027-03-28 03:00:00 +0200", "", "2027-03-28 04:00:00 +0200"},

		// Autumn: the night is an hour longer.
		{night, "2026-10-24 23:00:00 +0200", "", "2026-10-25 05:00:00 +0100"},
		// The repeated hour counts once: the first pass opens and closes, the second does neither.
		{[]string{"02:15-02:45"}, "2026-10-25 02:00:00 +0200", "2026-10-25 02:15:00 +0200", ""},
		{[]string{"02:15-02:45"}, "2026-10-25 02:30:00 +0200", "", "2026-10-25 02:45:00 +0200"},
		{[]string{"02:15-02:45"}, "2026-10-25 02:45:00 +0200", "2026-10-26 02:15:00 +0100", ""},
		{[]string{"02:15-02:45"}, "2026-10-25 02:30:00 +0100", "2026-10-26 02:15:00 +0100", ""},
		{[]string{"02:00-03:00"}, "2026-10-25 02:30:00 +0200", "", "2026-10-25 03:00:00 +0100"},
		{[]string{"02:00-03:00"}, "2026-10-25 02:30:00 +0100", "", "2026-10-25 03:00:00 +0100"},
		{[]string{"00:00-02:30", "02:30-04:00"}, "2026-10-25 00:30:00 +0200", "", "2026-10-25 04:00:00 +0100"},
	} {
		w, now := window(t, c.specs...), at(t, c.now)
		if got, want := w.Open(now, berlin), c.next == ""; got != want {
			t.Errorf("%v at %s: open %v, want %v", w, c.now, got, want)
		}
		next := now
		if c.next != "" {
			next = at(t, c.next)
		}
		if got := w.NextOpen(now, berlin); !got.Equal(next) {
			t.Errorf("%v at %s: opens %v, want %v", w, c.now, got, next)
		}
		var closes time.Time
		if c.close != "" {
			closes = at(t, c.close)
		}
		if got := w.Closes(now, berlin); !got.Equal(closes) {
			t.Errorf("%v at %s: closes %v, want %v", w, c.now, got, closes)
		}
	}
}

// Whatever the window: it opens once each day it should, also on the days of the
// clock changes, NextOpen is the first open instant, Closes the first closed one.
func TestWindowWalk(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, day := range []string{"2026-10-24 12:00:00 +0200", "2027-03-27 12:00:00 +0100", "2026-11-21 12:00:00 +0100"} {
		for _, spec := range []string{
			"22:00-05:00", "02:15-02:45", "02:30-05:00", "01:00-02:30", "02:00-03:00", "23:00-02:15", "03:00-04:00", "00:00-02:00",
		} {
			w, start := window(t, spec), at(t, day)
			opened, was := 0, w.Open(start, berlin)
			promised := w.NextOpen(start, berlin)
			for m := 5; m <= 3*24*60; m += 5 { // three days hold three openings
				now := start.Add(time.Duration(m) * time.Minute)
				open := w.Open(now, berlin)
				switch {
				case open && !was:
					opened++
					if !now.Equal(promised) {
						t.Errorf("%s opened at %v, NextOpen promised %v", spec, now, promised)
					}
					promised = w.Closes(now, berlin)
				case was && !open:
					if !now.Equal(promised) {
						t.Errorf("%s closed at %v, Closes promised %v", spec, now, promised)
					}
					promised = w.NextOpen(now, berlin)
				}
				was = open
			}
			if opened != 3 {
				t.Errorf("%s from %s: opened %d times in three days", spec, day, opened)
			}
		}
	}
}

func FuzzParseWindow(f *testing.F) {
	for _, s := range []string{"always", "22:00-05:00", "mon-fri 22:00-05:00; sat,sun 00:00-24:00", "24:00-24:00", "-", "mon-"} {
		f.Add(s, int64(1792890000))
	}
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		w, err := ParseWindow(s)
		if err != nil {
			var we *WindowError
			if !errors.As(err, &we) {
				t.Fatalf("%v is no *WindowError", err)
			}
			return
		}
		if again, err := ParseWindow(w.String()); err != nil || again.String() != w.String() {
			t.Fatalf("%q became %q, then %q, %v", s, w, again, err)
		}
		if len(s) > 200 {
			return // enough spans
		}
		now := time.Unix(unix%(1<<32), 0)
		next := w.NextOpen(now, berlin)
		if next.Before(now) || !w.Open(next, berlin) || w.Open(now, berlin) != next.Equal(now) {
			t.Fatalf("%v at %v: opens next %v", w, now, next)
		}
		if closes := w.Closes(next, berlin); !closes.IsZero() && (!closes.After(next) || w.Open(closes, berlin)) {
			t.Fatalf("%v open at %v: closes %v", w, next, closes)
		}
	})
}

func TestBackoff(t *testing.T) {
	var zero Backoff
	for _, c := range []struct {
		b       Backoff
		attempt int
		random  float64
		want    time.Duration
	}{
		{zero, 1, 1, 30 * time.Second},
		{zero, 1, 0, 22500 * time.Millisecond},
		{zero, 1, 0.5, 26250 * time.Millisecond},
		{zero, 2, 1, time.Minute},
		{zero, 6, 1, 16 * time.Minute},
		{zero, 7, 1, 30 * time.Minute},
		{zero, 7, 0, 22*time.Minute + 30*time.Second},
		{zero, math.MaxInt, 1, 30 * time.Minute},
		{zero, 0, 1, 30 * time.Second},
		{zero, -5, 1, 30 * time.Second},
		{zero, 1, 7, 30 * time.Second},
		{zero, 1, -7, 22500 * time.Millisecond},
		{zero, 1, math.NaN(), 22500 * time.Millisecond},
		{Backoff{First: time.Hour, Max: time.Minute}, 1, 1, time.Minute},
		{Backoff{First: 1, Max: math.MaxInt64}, math.MaxInt, 1, math.MaxInt64},
	} {
		if got := c.b.Next(c.attempt, c.random); got != c.want {
			t.Errorf("%+v attempt %d random %v: %v, want %v", c.b, c.attempt, c.random, got, c.want)
		}
	}
	// Up to the limit even the luckiest wait is longer than the unluckiest before it.
	for attempt := 1; attempt < 6; attempt++ {
		if zero.Next(attempt, 1) >= zero.Next(attempt+1, 0) {
			t.Errorf("the wait does not grow after attempt %d", attempt)
		}
	}
	for _, c := range []struct {
		attempts, attempt int
		want              bool
	}{{0, 19, false}, {0, 20, true}, {3, 2, false}, {3, 3, true}, {3, 4, true}, {-1, 19, false}, {1, 1, true}} {
		if got := (Backoff{Attempts: c.attempts}).Exhausted(c.attempt); got != c.want {
			t.Errorf("%d attempts, after %d: exhausted %v", c.attempts, c.attempt, got)
		}
	}
}

func TestNextStamp(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		name       string
		taken, now string
		last       string
		unique     bool
		want       string
		wait       time.Duration
	}{
		{"first", "2026-11-23 12:00:00 +0100", "2026-11-23 12:00:05 +0100", "", true, "20261123120000", 0},
		{"another location", "2026-11-23 11:00:00 +0000", "2026-11-23 12:00:05 +0100", "", true, "20261123120000", 0},
		{"later than last", "2026-11-23 12:00:00 +0100", "2026-11-23 12:00:05 +0100", "20261123115959", true, "20261123120000", 0},
		{"shared second", "2026-11-23 12:00:00 +0100", "2026-11-23 12:00:05 +0100", "20261123120000", false, "20261123120000", 0},
		{"own second", "2026-11-23 12:00:00 +0100", "2026-11-23 12:00:05 +0100", "20261123120000", true, "20261123120001", 0},
		{"last counts", "2026-11-23 12:00:00 +0100", "2026-11-23 12:00:05 +0100", "20261123120004", false, "20261123120004", 0},
		{"up to the clock", "2026-11-23 12:00:00 +0100", "2026-11-23 12:00:05 +0100", "20261123120004", true, "20261123120005", 0},
		{"ahead of the clock", "2026-11-23 12:00:00 +0100", "2026-11-23 12:00:05 +0100", "20261123120005", true, "", time.Second},
		{"clock set back", "2026-11-23 12:00:00 +0100", "2026-11-23 12:00:05 +0100", "20261123121005", false, "", 10 * time.Minute},
		{"taken ahead of the clock", "2026-11-23 12:00:07 +0100", "2026-11-23 12:00:05 +0100", "", false, "", 2 * time.Second},
		{"over the year", "2026-12-31 23:59:59 +0100", "2027-01-01 00:00:00 +0100", "20261231235959", true, "20270101000000", 0},

		{"gap: before it", "2027-03-28 01:59:59 +0100", "2027-03-28 03:00:00 +0200", "", true, "20270328015959", 0},
		{"gap: no 02:00:00", "2027-03-28 01:59:59 +0100", "2027-03-28 03:00:00 +0200", "20270328015959", true, "20270328030000", 0},
		{"gap: one second to wait", "2027-03-28 01:59:59 +0100", "2027-03-28 01:59:59 +0100", "20270328015959", true, "", time.Second},
		{"gap: a last that never was", "2027-03-28 01:59:59 +0100", "2027-03-28 03:00:00 +0200", "20270328023000", false, "20270328030000", 0},

		{"repeated hour: first pass", "2026-10-25 02:10:00 +0200", "2026-10-25 02:10:00 +0200", "", true, "20261025021000", 0},
		{"repeated hour: ahead in the first pass", "2026-10-25 02:10:00 +0200", "2026-10-25 02:10:00 +0200", "20261025021000", true, "", time.Second},
		{"repeated hour: second pass alone", "2026-10-25 02:10:00 +0100", "2026-10-25 02:10:00 +0100", "", true, "20261025021000", 0},
		{"repeated hour: stays valid", "2026-10-25 02:10:00 +0100", "2026-10-25 02:10:00 +0100", "20261025025900", false, "20261025025900", 0},
		{"repeated hour: goes on from it", "2026-10-25 02:10:00 +0100", "2026-10-25 02:10:00 +0100", "20261025025900", true, "20261025025901", 0},
		{"repeated hour: used up", "2026-10-25 02:10:00 +0100", "2026-10-25 02:10:00 +0100", "20261025025959", true, "", 50 * time.Minute},
		{"repeated hour: after it", "2026-10-25 02:10:00 +0100", "2026-10-25 03:00:00 +0100", "20261025025959", true, "20261025030000", 0},
		{"repeated hour: taken in the first, sent in the second", "2026-10-25 02:50:00 +0200", "2026-10-25 02:10:00 +0100", "20261025022000", true, "20261025025000", 0},
	} {
		got, wait, err := NextStamp(at(t, c.taken), at(t, c.now), c.last, c.unique, berlin)
		if err != nil || got != c.want || wait != c.wait {
			t.Errorf("%s: %q, wait %v, %v; want %q, wait %v", c.name, got, wait, err, c.want, c.wait)
		}
	}
	now := at(t, "2026-11-23 12:00:05 +0100")
	if got, _, err := NextStamp(time.Time{}, now, "", false, berlin); err != nil || got != "20261123120005" {
		t.Errorf("no take-over time: %q, %v", got, err)
	}
	if got, wait, err := NextStamp(now, now.Add(300*time.Millisecond), "20261123120005", true, berlin); got != "" || wait != 700*time.Millisecond || err != nil {
		t.Errorf("within the second: %q, wait %v, %v", got, wait, err)
	}
	for _, last := range []string{"x", "2026112312000", "20261123120000.5", "20261323120000", "20261123126000", " 2026112312000"} {
		if _, _, err := NextStamp(now, now, last, false, berlin); !errors.Is(err, ErrStamp) {
			t.Errorf("%q: %v, want ErrStamp", last, err)
		}
	}
	for _, year := range []int{-1, 10000} {
		far := time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
		if got, _, err := NextStamp(far, far, "", false, berlin); !errors.Is(err, ErrStamp) {
			t.Errorf("year %d: %q, %v, want ErrStamp", year, got, err)
		}
	}
}

// allot runs NextStamp over a day of deliveries and checks what must hold for
// each: never falling, unique where asked, an existing reading, not ahead of the
// clock, a wait that is neither zero nor longer than needed.
func allot(t *testing.T, loc *time.Location, start time.Time, seed uint64, unique bool, steps int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	now, last, taken := start, "", start
	for range steps {
		taken = taken.Add(time.Duration(r.Int64N(int64(90 * time.Second))))
		if now.Before(taken) {
			now = taken
		}
		stamp, wait, err := NextStamp(taken, now, last, unique, loc)
		if err != nil {
			t.Fatal(err)
		}
		if (stamp == "") != (wait > 0) || wait < 0 {
			t.Fatalf("at %v: stamp %q and wait %v", now, stamp, wait)
		}
		if stamp == "" {
			if early, _, _ := NextStamp(taken, now.Add(wait-1), last, unique, loc); early != "" {
				t.Fatalf("waiting %v was too long, %q came earlier", wait, early)
			}
			now = now.Add(wait)
			if stamp, wait, err = NextStamp(taken, now, last, unique, loc); err != nil || wait != 0 {
				t.Fatalf("after waiting: wait %v, %v", wait, err)
			}
		}
		if stamp < last || unique && stamp == last {
			t.Fatalf("at %v: %s after %s", now, stamp, last)
		}
		reading, err := parseStamp(stamp)
		if err != nil {
			t.Fatal(err)
		}
		first := instant(reading, loc)
		if first.After(now) {
			t.Fatalf("%s is ahead of %v", stamp, now)
		}
		if first.Format(stampLayout) != stamp {
			t.Fatalf("%s does not exist in %v", stamp, loc)
		}
		last = stamp
	}
}

func TestNextStampOverClockChanges(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, start := range []string{"2026-10-24 22:00:00 +0200", "2027-03-27 22:00:00 +0100"} {
		for seed := range uint64(20) {
			allot(t, berlin, at(t, start), seed, seed%2 == 0, 600)
		}
	}
}

func FuzzNextStamp(f *testing.F) {
	f.Add(int64(1792887000), uint64(1), true)
	f.Add(int64(1806195000), uint64(2), false)
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, unix int64, seed uint64, unique bool) {
		allot(t, berlin, time.Unix(unix&(1<<33-1), int64(seed%1e9)), seed, unique, 50)
	})
}

func FuzzNextStampLast(f *testing.F) {
	f.Add(int64(1792887000), int64(1792887000), "20261025025959", true)
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, taken, now int64, last string, unique bool) {
		at, clock := time.Unix(taken&(1<<33-1), 0), time.Unix(now&(1<<33-1), 0)
		stamp, wait, err := NextStamp(at, clock, last, unique, berlin)
		switch {
		case err != nil && !errors.Is(err, ErrStamp):
			t.Fatal(err)
		case err == nil && (stamp == "") != (wait > 0):
			t.Fatalf("stamp %q and wait %v", stamp, wait)
		case stamp != "" && (stamp < last || unique && stamp == last || len(stamp) != 14):
			t.Fatalf("%q after %q", stamp, last)
		}
	})
}

func TestLastClosed(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", text, berlin)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct{ window, now, want string }{
		{"22:00-05:00", "2026-11-24 06:00", "2026-11-24 05:00"},
		{"22:00-05:00", "2026-11-24 05:00", "2026-11-24 05:00"},
		{"22:00-05:00", "2026-11-24 04:59", "2026-11-23 05:00"}, // open since last night
		{"fri 22:00-05:00", "2026-11-24 06:00", "2026-11-21 05:00"},
		{"22:00-02:00; 02:00-05:00", "2026-11-24 06:00", "2026-11-24 05:00"}, // touching is one
		{"22:00-02:00; 02:00-05:00", "2026-11-24 03:00", "2026-11-23 05:00"},
		{"01:00-03:00", "2026-10-25 12:00", "2026-10-25 03:00"}, // the repeated hour
		{"01:00-02:30", "2027-03-28 12:00", "2027-03-28 03:00"}, // the end is in the gap
	} {
		w, err := ParseWindow(c.window)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.LastClosed(at(c.now), berlin); !got.Equal(at(c.want)) {
			t.Errorf("%s at %s: %s, want %s", c.window, c.now, got, c.want)
		}
	}
	for _, always := range []string{"always", "00:00-24:00"} {
		w, err := ParseWindow(always)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.LastClosed(at("2026-11-24 06:00"), berlin); !got.IsZero() {
			t.Errorf("%s: %s", always, got)
		}
	}
}
