package watch

import (
	"slices"
	"testing"
	"time"

	"gateway301/exchange"
	"gateway301/schedule"
)

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func window(t *testing.T, text string) schedule.Window {
	t.Helper()
	w, err := schedule.ParseWindow(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// morning is seven o'clock after a good night with one partner.
func morning(t *testing.T) Facts {
	zone := berlin(t)
	now := time.Date(2026, 11, 24, 7, 0, 0, 0, zone)
	return Facts{
		Now: now, Zone: zone, Free: 10, Floor: 1, Calendar: schedule.Date(2027, 12, 31),
		Partners: []Partner{{Name: "kasse", Window: window(t, "22:00-05:00"), Collects: true, SilentAfter: 2 * time.Hour,
			LastSent: now.Add(-3 * time.Hour), LastCollected: now.Add(-time.Minute), LastArrived: now.Add(-time.Hour)}},
		Tallies: []exchange.Tally{
			tally(exchange.Delivered, 40, now), tally(exchange.Accepted, 2, now),
			{Partner: "kasse", Direction: exchange.In, State: exchange.Accepted, Tonight: true, N: 3, Oldest: now, Since: now},
		},
		Certificates: []Certificate{{IK: "260500005", Own: true, NotAfter: now.AddDate(0, 6, 0)}},
	}
}

func tally(s exchange.State, n int, now time.Time) exchange.Tally {
	return exchange.Tally{Partner: "kasse", Direction: exchange.Out, State: s, Proof: "size", Tonight: true, N: n,
		Oldest: now.Add(-9 * time.Hour), Since: now.Add(-3 * time.Hour)}
}

func TestAGoodNightIsComplete(t *testing.T) {
	f := morning(t)
	n := NightOf(LastNight(f.Now, f.Zone), f)
	if !n.Complete || len(n.Missing) > 0 || n.Day.String() != "2026-11-24" {
		t.Errorf("%+v", n)
	}
	if got := Wrong(f, Limits{}); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	l := n.Partners[0]
	if l.Taken != 45 || l.Delivered["size"] != 40 || l.Accepted != 5 || l.Sum() != l.Taken {
		t.Errorf("%+v", l)
	}
}

// Every state of a file of the night, alone: complete or not, and who is woken.
func TestEveryState(t *testing.T) {
	for _, c := range []struct {
		state    exchange.State
		missing  string
		wakes    exchange.AlarmKind
		complete bool
	}{
		{exchange.Taken, "kasse: 1 not finished", "", false},
		{exchange.Drafted, "kasse: 1 not finished", "", false},
		{exchange.Routed, "kasse: 1 not finished", "", false},
		{exchange.Sealed, "kasse: 1 not finished", exchange.AlarmWindowMissed, false},
		{exchange.Sending, "kasse: 1 not finished", "", false},
		{exchange.Unknown, "kasse: 1 not finished", exchange.AlarmUnknown, false},
		{exchange.Overdue, "kasse: 1 not finished", exchange.AlarmOverdue, false},
		{exchange.Received, "kasse: 1 not finished", "", false},
		{exchange.Opened, "kasse: 1 not finished", "", false},
		{exchange.Handing, "kasse: 1 not finished", "", false},
		{exchange.Held, "kasse: 1 held", exchange.AlarmHeld, false},
		{exchange.Quarantined, "kasse: 1 quarantined", exchange.AlarmQuarantined, false},
		{exchange.Rejected, "kasse: 1 rejected", exchange.AlarmRejected, false},
		{exchange.Delivered, "", "", true},
		{exchange.Uncontested, "", "", true},
		{exchange.Accepted, "", "", true},
		{exchange.Cancelled, "", "", true},
	} {
		f := morning(t)
		f.Tallies = []exchange.Tally{tally(c.state, 1, f.Now)}
		n := NightOf(LastNight(f.Now, f.Zone), f)
		if n.Complete != c.complete || !c.complete && (len(n.Missing) != 1 || n.Missing[0].Say(false) != c.missing || n.Missing[0].Say(true) == c.missing) {
			t.Errorf("%s: %+v", c.state, n)
		}
		if l := n.Partners[0]; l.Taken != 1 || l.Sum() != 1 {
			t.Errorf("%s: not in the sum: %+v", c.state, l)
		}
		wrong := Wrong(f, Limits{})
		if c.wakes == "" && len(wrong) > 0 || c.wakes != "" && (len(wrong) != 1 || wrong[0].Kind != c.wakes || wrong[0].Count != 1) {
			t.Errorf("%s wakes %+v, want %q", c.state, wrong, c.wakes)
		}
	}
	if all := exchange.States(); len(all) != 17 {
		t.Errorf("%d states: is the new one in the table above?", len(all))
	}
}

func TestWhatKeepsANightFromBeingComplete(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Facts)
		want   []string
	}{
		"a file of an earlier night still waits": {func(f *Facts) {
			f.Tallies = append(f.Tallies, exchange.Tally{Partner: "kasse", State: exchange.Sealed, N: 2})
		}, []string{"kasse: 2 not finished, of earlier nights"}},
		"what was held in an earlier night was told then": {func(f *Facts) {
			f.Tallies = append(f.Tallies, exchange.Tally{Partner: "kasse", State: exchange.Held, N: 2})
		}, nil},
		"nobody asked for answers": {func(f *Facts) { f.Partners[0].LastCollected = f.Now.Add(-20 * time.Hour) },
			[]string{"kasse: no successful collection this night"}},
		"never asked": {func(f *Facts) { f.Partners[0].LastCollected = time.Time{} },
			[]string{"kasse: no successful collection this night"}},
		"nobody was to be asked in this night": {func(f *Facts) {
			f.Partners[0].LastCollected, f.Partners[0].Collect = time.Time{}, window(t, "sun 10:00-12:00")
		}, nil},
		"nothing is collected there": {func(f *Facts) { f.Partners[0].Collects, f.Partners[0].LastCollected = false, time.Time{} }, nil},
		"two directions are one reason": {func(f *Facts) {
			f.Tallies = append(f.Tallies, tally(exchange.Held, 2, f.Now), exchange.Tally{Partner: "kasse", Direction: exchange.In, State: exchange.Held, Tonight: true, N: 1})
		}, []string{"kasse: 3 held"}},
	} {
		f := morning(t)
		c.change(&f)
		n := NightOf(LastNight(f.Now, f.Zone), f)
		var got []string
		for _, m := range n.Missing {
			got = append(got, m.Say(false))
		}
		if !slices.Equal(got, c.want) || n.Complete != (len(c.want) == 0) {
			t.Errorf("%s: %q, complete %v; want %q", name, got, n.Complete, c.want)
		}
	}
}

func TestWhoIsWokenAndWhen(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		change func(*Facts)
		want   []string // key=count
	}{
		"unknown for less than an hour": {func(f *Facts) {
			u := tally(exchange.Unknown, 1, f.Now)
			u.Since = f.Now.Add(-59 * time.Minute)
			f.Tallies = []exchange.Tally{u}
		}, nil},
		"waits for its window": {func(f *Facts) {
			s := tally(exchange.Sealed, 1, f.Now)
			s.Oldest = f.Now.Add(-time.Hour) // after the window closed
			f.Tallies = []exchange.Tally{s}
		}, nil},
		"the window is open": {func(f *Facts) {
			f.Now = f.Now.Add(-4 * time.Hour)
			f.Partners[0].LastCollected = f.Now
			s := tally(exchange.Sealed, 1, f.Now)
			s.Oldest = f.Now.Add(-5 * day)
			f.Tallies = []exchange.Tally{s}
		}, nil},
		"a stopped partner is one alarm, not two": {func(f *Facts) {
			f.Partners[0].Stopped, f.Partners[0].LastCollected = exchange.LoginFailed, f.Now.Add(-day)
		}, []string{"partner-stopped/kasse"}},
		"silent for longer than agreed":            {func(f *Facts) { f.Partners[0].LastCollected = f.Now.Add(-121 * time.Minute) }, []string{"silent/kasse"}},
		"never asked, and nobody knows since when": {func(f *Facts) { f.Partners[0].LastCollected = time.Time{} }, nil},
		"never asked, just started":                {func(f *Facts) { f.Partners[0].LastCollected, f.Started = time.Time{}, f.Now.Add(-time.Hour) }, nil},
		"never asked since long":                   {func(f *Facts) { f.Partners[0].LastCollected, f.Started = time.Time{}, f.Now.Add(-3*time.Hour) }, []string{"silent/kasse"}},
		"silent, collecting has just begun": {func(f *Facts) {
			f.Partners[0].LastCollected, f.Partners[0].Collect = f.Now.Add(-day), window(t, "06:30-20:00")
		}, nil},
		"silent since collecting began": {func(f *Facts) {
			f.Partners[0].LastCollected, f.Partners[0].Collect = f.Now.Add(-day), window(t, "04:30-20:00")
		}, []string{"silent/kasse"}},
		"silent, nothing is collected now": {func(f *Facts) {
			f.Partners[0].LastCollected, f.Partners[0].Collect = f.Now.Add(-day), window(t, "10:00-20:00")
		}, nil},
		"nothing arrived where something is expected": {func(f *Facts) {
			f.Partners[0].ExpectWithin, f.Partners[0].LastArrived = day, f.Now.Add(-day-time.Second)
			f.Outboxes = []Outbox{{Name: "kis", ExpectWithin: day, LastTaken: f.Now.Add(-3 * day)}, {Name: "labor", LastTaken: f.Now.Add(-300 * day)}}
		}, []string{"nothing-arrived/kasse", "nothing-arrived/kis"}},
		"rejected long ago": {func(f *Facts) {
			r := tally(exchange.Rejected, 1, f.Now)
			r.Since = f.Now.Add(-8 * day)
			f.Tallies = []exchange.Tally{r}
		}, nil},
		"we rejected what came": {func(f *Facts) {
			f.Tallies = []exchange.Tally{{Partner: "kasse", Direction: exchange.In, State: exchange.Rejected, Tonight: true, N: 1, Since: f.Now}}
		}, nil},
		"disk": {func(f *Facts) { f.Free = 0 }, []string{"disk-floor/spool"}},
		"sum":  {func(f *Facts) { f.Imbalance = -2 }, []string{"imbalance/"}},
		"certificates": {func(f *Facts) {
			f.Certificates = []Certificate{
				{IK: "109910000", NotAfter: f.Now.Add(31 * day)}, {IK: "260500005", Own: true, NotAfter: f.Now.Add(30 * day)},
				{IK: "260500005", Own: true, NotAfter: f.Now.Add(-time.Second)},
			}
		}, []string{"key-expiring/260500005"}},
		"calendar":    {func(f *Facts) { f.Calendar = schedule.Date(2026, 12, 24) }, []string{"calendar-ends/"}},
		"no calendar": {func(f *Facts) { f.Calendar = schedule.Day{} }, nil},
	} {
		f := morning(t)
		c.change(&f)
		var got []string
		for _, w := range Wrong(f, Limits{}) {
			got = append(got, w.Key())
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTheFirstCertificateToEndCounts(t *testing.T) {
	f := morning(t)
	f.Certificates = []Certificate{{IK: "260500005", NotAfter: f.Now.AddDate(0, 0, 20)}, {IK: "260500005", NotAfter: f.Now.AddDate(0, 0, 5)}, {IK: "260500005", NotAfter: f.Now.AddDate(0, 0, 10)}}
	if got := Wrong(f, Limits{}); len(got) != 1 || got[0].Count != 5 {
		t.Errorf("%+v", got)
	}
}

func TestNightsOverClockChanges(t *testing.T) {
	zone := berlin(t)
	for text, hours := range map[string]time.Duration{"2026-11-24": 24, "2026-10-25": 25, "2027-03-28": 23} {
		day, err := schedule.ParseDay(text)
		if err != nil {
			t.Fatal(err)
		}
		from, to := Span(day, zone)
		if to.Sub(from) != hours*time.Hour {
			t.Errorf("the night to %s has %s", text, to.Sub(from))
		}
		if LastNight(to.Add(-time.Second), zone) != day || LastNight(to, zone) != day.Add(1) || LastNight(from, zone) != day {
			t.Errorf("the night to %s is another before or after noon", text)
		}
	}
}
