package watch

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gateway301/exchange"
	"gateway301/schedule"
)

// Span gives start and end of the night to a day.
func Span(day schedule.Day, zone *time.Location) (from, to time.Time) {
	noon := func(d schedule.Day) time.Time { return d.At(12, 0, zone) }
	return noon(day.Add(-1)), noon(day)
}

// LastNight is the day whose night is the last one that has begun: until noon
// today's, after it tomorrow's.
func LastNight(now time.Time, zone *time.Location) schedule.Day {
	day := schedule.DayOf(now, zone)
	if _, end := Span(day, zone); !now.Before(end) {
		return day.Add(1)
	}
	return day
}

// A Night says what became of one.
type Night struct {
	Day      schedule.Day
	From, To time.Time // To is not after the moment of asking
	Complete bool
	Missing  []Missing
	Partners []Line // by name
}

// A Line is one partner's, or one account's, part in a night. All but Waiting
// and Older count files taken over in it.
type Line struct {
	Name                                    string
	Taken                                   int
	Delivered                               map[string]int // by proof level, no answer yet
	Accepted, Uncontested                   int
	Rejected, Held, Quarantined, Cancelled  int
	Waiting, Unknown, Overdue               int
	Older                                   int // taken over in an earlier night and still in work
	LastSent, LastCollected, NextWindowOpen time.Time
}

// A Missing is one reason why a night is not complete.
type Missing struct {
	Partner string
	What    exchange.Class
	Older   bool // of an earlier night
	Silent  bool // its folder was not looked at with success since the night began
	N       int
}

// Say writes the reason for an operator.
func (m Missing) Say(german bool) string {
	if m.Silent {
		if german {
			return m.Partner + ": in dieser Nacht keine erfolgreiche Abholung"
		}
		return m.Partner + ": no successful collection this night"
	}
	en := map[exchange.Class]string{
		exchange.InWork: "not finished", exchange.ClassHeld: "held", exchange.ClassQuarantined: "quarantined", exchange.ClassRejected: "rejected",
	}[m.What]
	de := map[exchange.Class]string{
		exchange.InWork: "nicht fertig", exchange.ClassHeld: "angehalten", exchange.ClassQuarantined: "in Quarantäne", exchange.ClassRejected: "abgewiesen",
	}[m.What]
	switch {
	case german && m.Older:
		return fmt.Sprintf("%s: %d %s, aus früheren Nächten", m.Partner, m.N, de)
	case german:
		return fmt.Sprintf("%s: %d %s", m.Partner, m.N, de)
	case m.Older:
		return fmt.Sprintf("%s: %d %s, of earlier nights", m.Partner, m.N, en)
	}
	return fmt.Sprintf("%s: %d %s", m.Partner, m.N, en)
}

// NightOf judges the night to a day. The facts' tallies must be of that night.
func NightOf(day schedule.Day, f Facts) Night {
	n := Night{Day: day}
	n.From, n.To = Span(day, f.Zone)
	if n.To.After(f.Now) {
		n.To = f.Now
	}
	lines := map[string]*Line{}
	line := func(name string) *Line {
		if lines[name] == nil {
			lines[name] = &Line{Name: name, Delivered: map[string]int{}}
		}
		return lines[name]
	}
	for _, p := range f.Partners {
		l := line(p.Name)
		l.LastSent, l.LastCollected = p.LastSent, p.LastCollected
		l.NextWindowOpen = p.Window.NextOpen(f.Now, f.Zone)
		if p.Collects && n.From.Before(f.Now) && p.LastCollected.Before(n.From) && opened(p.Collect, n.From, n.To, f.Zone) {
			n.Missing = append(n.Missing, Missing{Partner: p.Name, Silent: true})
		}
	}
	for _, t := range f.Tallies {
		line(t.Partner).add(t)
		class := t.State.Class()
		if !t.Tonight && class != exchange.InWork {
			continue // was told in its own night
		}
		switch class {
		case exchange.InWork, exchange.ClassHeld, exchange.ClassQuarantined, exchange.ClassRejected:
			n.missing(Missing{Partner: t.Partner, What: class, Older: !t.Tonight, N: t.N})
		}
	}
	for _, l := range lines {
		n.Partners = append(n.Partners, *l)
	}
	slices.SortFunc(n.Partners, func(a, b Line) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(n.Missing, func(a, b Missing) int { return cmp.Compare(a.Partner, b.Partner) })
	n.Complete = len(n.Missing) == 0
	return n
}

// missing adds to what is missing, joining what is alike.
func (n *Night) missing(m Missing) {
	for i := range n.Missing {
		if o := &n.Missing[i]; o.Partner == m.Partner && o.What == m.What && o.Older == m.Older && !o.Silent {
			o.N += m.N
			return
		}
	}
	n.Missing = append(n.Missing, m)
}

func (l *Line) add(t exchange.Tally) {
	if !t.Tonight {
		if t.State.Class() == exchange.InWork {
			l.Older += t.N
		}
		return
	}
	l.Taken += t.N
	switch t.State {
	case exchange.Unknown:
		l.Unknown += t.N
		return
	case exchange.Overdue:
		l.Overdue += t.N
		return
	}
	switch t.State.Class() {
	case exchange.InWork:
		l.Waiting += t.N
	case exchange.ClassHeld:
		l.Held += t.N
	case exchange.ClassQuarantined:
		l.Quarantined += t.N
	case exchange.ClassDelivered:
		l.Delivered[t.Proof] += t.N
	case exchange.ClassUncontested:
		l.Uncontested += t.N
	case exchange.ClassAccepted:
		l.Accepted += t.N
	case exchange.ClassRejected:
		l.Rejected += t.N
	case exchange.ClassCancelled:
		l.Cancelled += t.N
	}
}

// Sum adds up a line: it is Taken at every instant.
func (l *Line) Sum() int {
	sum := l.Accepted + l.Uncontested + l.Rejected + l.Held + l.Quarantined + l.Cancelled + l.Waiting + l.Unknown + l.Overdue
	for _, n := range l.Delivered {
		sum += n
	}
	return sum
}

// opened reports whether a window was open at some time from from to to.
func opened(w schedule.Window, from, to time.Time, zone *time.Location) bool {
	return w.NextOpen(from, zone).Before(to)
}
