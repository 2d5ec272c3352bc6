package storetest

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"gateway301/exchange"
	"gateway301/store"
)

// talliesCountWhatTheNightAsksFor: of the night all, of other nights what is not
// at rest.
func talliesCountWhatTheNightAsksFor(t *testing.T, l *store.Ledger) {
	n := 0
	add := func(taken time.Time, s exchange.State, more func(*exchange.Delivery)) exchange.Delivery {
		t.Helper()
		n++
		d := file(n)
		d.TakenAt, d.Changed, d.State = taken, taken, exchange.Taken
		d, err := l.Take(t.Context(), d, exchange.TookOver, "")
		if err != nil {
			t.Fatal(err)
		}
		if s == exchange.Taken {
			return d
		}
		rows, err := l.Apply(t.Context(), exchange.Move{ID: d.ID, From: exchange.Taken, By: exchange.Holding, At: taken, Change: func(d *exchange.Delivery) {
			d.State = s // however it came there
			if more != nil {
				more(d)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return rows[0]
	}
	tonight, lastWeek := noon.Add(time.Hour), noon.AddDate(0, 0, -7)
	add(tonight, exchange.Delivered, func(d *exchange.Delivery) { d.Proof, d.DeliveredAt = "size: 1 byte", tonight.Add(time.Minute) })
	add(tonight.Add(time.Minute), exchange.Delivered, func(d *exchange.Delivery) { d.Proof, d.DeliveredAt = "size: 2 bytes", tonight.Add(2*time.Minute) })
	add(tonight, exchange.Accepted, nil)
	add(tonight, exchange.Taken, func(d *exchange.Delivery) { d.Partner = "" })
	add(lastWeek, exchange.Accepted, nil) // at rest: not asked for
	add(lastWeek, exchange.Held, nil)
	add(lastWeek, exchange.Sealed, nil)
	add(lastWeek, exchange.Rejected, nil) // too long ago
	recent := add(noon.AddDate(0, 0, -2), exchange.Rejected, nil)
	corrected := add(noon.AddDate(0, 0, -2), exchange.Rejected, nil)
	add(tonight, exchange.Accepted, func(d *exchange.Delivery) { d.Replaces = corrected.ID })
	tallies, err := l.Tallies(t.Context(), noon, noon.Add(24*time.Hour), noon.AddDate(0, 0, -3))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, a := range tallies {
		got[fmt.Sprintf("%s %s %s %s %v", a.Partner, a.Direction, a.State, a.Proof, a.Tonight)] += a.N
		if a.State == exchange.Delivered && (!a.Oldest.Equal(tonight) || !a.Since.Equal(tonight)) {
			t.Errorf("oldest %s, since %s", a.Oldest, a.Since)
		}
		if a.State == exchange.Rejected && !a.Since.Equal(recent.Changed) {
			t.Errorf("rejected since %s", a.Since)
		}
	}
	want := map[string]int{
		"kasse out delivered size true": 2, "kasse out accepted  true": 2, "kasse out taken  true": 1,
		"kasse out held  false": 1, "kasse out sealed  false": 1, "kasse out rejected  false": 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
	if n, err := l.Imbalance(t.Context()); n != 0 || err != nil {
		t.Errorf("out of balance by %d, %v", n, err)
	}
	if at, err := l.LastSent(t.Context(), "kasse"); err != nil || !at.Equal(tonight.Add(2*time.Minute)) {
		t.Errorf("last sent %s, %v", at, err)
	}
	if at, err := l.LastTaken(t.Context(), "nord"); err != nil || !at.Equal(tonight.Add(time.Minute)) {
		t.Errorf("last taken %s, %v", at, err)
	}
	for _, ask := range []func() (time.Time, error){
		func() (time.Time, error) { return l.LastSent(t.Context(), "nobody") },
		func() (time.Time, error) { return l.LastTaken(t.Context(), "nobody") },
	} {
		if at, err := ask(); err != nil || !at.IsZero() {
			t.Errorf("never is %s, %v", at, err)
		}
	}
}

func looksAreRemembered(t *testing.T, l *store.Ledger) {
	for _, at := range []time.Time{noon, noon.Add(time.Minute)} {
		if err := l.Collected(t.Context(), "kasse", at); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.LastCollected(t.Context())
	if err != nil || len(got) != 1 || !got["kasse"].Equal(noon.Add(time.Minute)) {
		t.Errorf("%v, %v", got, err)
	}
}

func orphansAreCounted(t *testing.T, l *store.Ledger) {
	for i, cause := range []exchange.Cause{exchange.Orphan, exchange.Ambiguous, exchange.NoRoute} {
		d := file(i + 1)
		d.State = exchange.Taken
		d, err := l.Take(t.Context(), d, exchange.TookOver, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Apply(t.Context(), exchange.Move{ID: d.ID, From: exchange.Taken, By: exchange.Holding, At: noon, Cause: cause}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.Orphans(t.Context()); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// alarmsAreKept: what a sender told and what an operator has seen do not
// overwrite each other, and an alarm that is raised anew was seen by nobody.
func alarmsAreKept(t *testing.T, l *store.Ledger) {
	a := exchange.Alarm{
		Condition: exchange.Condition{Kind: exchange.AlarmHeld, Subject: "kasse", Count: 3, Since: noon}, Raised: noon,
		Told: map[string]exchange.Told{"mail": {At: noon, Weight: 3}},
	}
	keep := func(a exchange.Alarm) {
		t.Helper()
		if err := l.KeepAlarms(t.Context(), []exchange.Alarm{a}, nil); err != nil {
			t.Fatal(err)
		}
	}
	only := func() exchange.Alarm {
		t.Helper()
		alarms, err := l.Alarms(t.Context())
		if err != nil || len(alarms) != 1 {
			t.Fatalf("%v, %v", alarms, err)
		}
		return alarms[0]
	}
	keep(a)
	got := only()
	if got.Key() != "held/kasse" || got.Count != 3 || !got.Since.Equal(noon) || !got.Raised.Equal(noon) || !got.Cleared.IsZero() || !got.Acknowledged.IsZero() || got.Told["mail"].Weight != 3 || !got.Told["mail"].At.Equal(noon) {
		t.Errorf("%+v", got)
	}
	seen := got
	seen.Acknowledged, seen.AcknowledgedBy, seen.SeenWeight = noon.Add(time.Minute), "admin", 3
	if err := l.AcknowledgeAlarm(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	a.Count, a.Cleared = 4, noon.Add(time.Hour) // by a look that had read the alarm before
	keep(a)
	if got := only(); got.AcknowledgedBy != "admin" || got.SeenWeight != 3 || got.Count != 4 || got.Cleared.IsZero() {
		t.Errorf("%+v", got)
	}
	anew := a
	anew.Raised, anew.Cleared, anew.Told = noon.Add(2*time.Hour), time.Time{}, nil
	keep(anew)
	if got := only(); got.AcknowledgedBy != "" || !got.Acknowledged.IsZero() || len(got.Told) != 0 || !got.Cleared.IsZero() {
		t.Errorf("%+v", got)
	}
	if err := l.AcknowledgeAlarm(t.Context(), seen); err != nil { // of the one before
		t.Fatal(err)
	}
	if err := l.KeepAlarms(t.Context(), nil, []exchange.Alarm{a}); err != nil { // so is this
		t.Fatal(err)
	}
	if got := only(); got.AcknowledgedBy != "" {
		t.Errorf("%+v", got)
	}
	if err := l.KeepAlarms(t.Context(), nil, []exchange.Alarm{anew}); err != nil {
		t.Fatal(err)
	}
	if alarms, err := l.Alarms(t.Context()); err != nil || len(alarms) != 0 {
		t.Errorf("%v, %v", alarms, err)
	}
}
