package watch

import (
	"cmp"
	"time"

	"gateway301/exchange"
	"gateway301/schedule"
)

// Limits say from when on something counts as wrong. The zero value means the
// defaults; they are ours, no rule of the procedure.
type Limits struct {
	Unknown  time.Duration // outcome unknown for so long; 0: one hour
	Key      int           // days before a certificate ends; 0: 30
	Calendar int           // days before the calendar ends; 0: 30
	Rejected time.Duration // a rejected delivery that nobody corrected counts for so long; 0: 7 days
}

func (l Limits) filled() Limits {
	l.Unknown = cmp.Or(l.Unknown, time.Hour)
	l.Key = cmp.Or(l.Key, 30)
	l.Calendar = cmp.Or(l.Calendar, 30)
	l.Rejected = cmp.Or(l.Rejected, 7*24*time.Hour)
	return l
}

// Wrong lists what is wrong at this moment.
func Wrong(f Facts, l Limits) []exchange.Condition {
	l = l.filled()
	w := list{at: map[string]int{}}
	if f.Imbalance != 0 {
		w.add(exchange.AlarmImbalance, "", max(f.Imbalance, -f.Imbalance), time.Time{})
	}
	if f.Free < f.Floor {
		w.add(exchange.AlarmDiskFloor, "spool", 1, time.Time{})
	}
	windows := map[string]schedule.Window{}
	for _, p := range f.Partners {
		windows[p.Name] = p.Window
		w.partner(f, p)
	}
	for _, t := range f.Tallies {
		switch {
		case t.State == exchange.Held:
			w.add(exchange.AlarmHeld, t.Partner, t.N, t.Since)
		case t.State == exchange.Quarantined:
			w.add(exchange.AlarmQuarantined, t.Partner, t.N, t.Since)
		case t.State == exchange.Overdue:
			w.add(exchange.AlarmOverdue, t.Partner, t.N, t.Since)
		case t.State == exchange.Rejected && t.Direction == exchange.Out && f.Now.Sub(t.Since) < l.Rejected:
			w.add(exchange.AlarmRejected, t.Partner, t.N, t.Since)
		case t.State == exchange.Unknown && f.Now.Sub(t.Since) >= l.Unknown:
			w.add(exchange.AlarmUnknown, t.Partner, t.N, t.Since)
		case t.State == exchange.Sealed:
			if closed := windows[t.Partner].LastClosed(f.Now, f.Zone); !closed.IsZero() && t.Oldest.Before(closed) && !windows[t.Partner].Open(f.Now, f.Zone) {
				w.add(exchange.AlarmWindowMissed, t.Partner, t.N, closed)
			}
		}
	}
	for _, b := range f.Outboxes {
		if b.ExpectWithin > 0 && f.Now.Sub(b.LastTaken) > b.ExpectWithin {
			w.add(exchange.AlarmNothingArrived, b.Name, 1, b.LastTaken)
		}
	}
	for _, c := range f.Certificates {
		if left := schedule.DayOf(f.Now, f.Zone).Days(schedule.DayOf(c.NotAfter, f.Zone)); c.NotAfter.Before(f.Now) {
			w.add(exchange.AlarmKeyExpiring, c.IK, -1, c.NotAfter)
		} else if left <= l.Key {
			w.add(exchange.AlarmKeyExpiring, c.IK, left, time.Time{})
		}
	}
	if !f.Calendar.IsZero() {
		if left := schedule.DayOf(f.Now, f.Zone).Days(f.Calendar); left <= l.Calendar {
			w.add(exchange.AlarmCalendarEnds, "", max(left, 0), time.Time{})
		}
	}
	return w.conditions
}

// partner judges what a partner's row asks for.
func (w *list) partner(f Facts, p Partner) {
	if p.Stopped != exchange.NoCause {
		w.add(exchange.AlarmPartnerStopped, p.Name, 1, p.StoppedAt)
	}
	if !p.Collects || p.Stopped != exchange.NoCause {
		return
	}
	// Silence counts while collecting is open, and not in the first moments of it;
	// where no look ever succeeded, from the start on.
	last := p.LastCollected
	if last.IsZero() {
		last = f.Started
	}
	if p.SilentAfter > 0 && !last.IsZero() && p.Collect.Open(f.Now, f.Zone) && f.Now.Sub(last) > p.SilentAfter &&
		(p.Collect.Always() || p.Collect.Open(f.Now.Add(-p.SilentAfter), f.Zone)) {
		w.add(exchange.AlarmSilent, p.Name, 1, last)
	}
	if p.ExpectWithin > 0 && f.Now.Sub(p.LastArrived) > p.ExpectWithin {
		w.add(exchange.AlarmNothingArrived, p.Name, 1, p.LastArrived)
	}
}

// A list joins conditions with the same key.
type list struct {
	conditions []exchange.Condition
	at         map[string]int
}

func (w *list) add(k exchange.AlarmKind, subject string, n int, since time.Time) {
	c := exchange.Condition{Kind: k, Subject: subject, Count: n, Since: since}
	i, known := w.at[c.Key()]
	if !known {
		w.at[c.Key()] = len(w.conditions)
		w.conditions = append(w.conditions, c)
		return
	}
	old := &w.conditions[i]
	switch {
	case k == exchange.AlarmKeyExpiring: // of several certificates of an IK the first to end counts
		old.Count = min(old.Count, n)
	default:
		old.Count += n
	}
	if old.Since.IsZero() || !since.IsZero() && since.Before(old.Since) {
		old.Since = since
	}
}
