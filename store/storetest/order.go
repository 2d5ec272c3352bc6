package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gateway301/exchange"
	"gateway301/store"
)

func delivered(t *testing.T, l *store.Ledger, d exchange.Delivery) exchange.Delivery {
	t.Helper()
	d, err := begin(t.Context(), l, d, allotment())
	if err != nil {
		t.Fatal(err)
	}
	out, err := l.Apply(t.Context(), exchange.Move{ID: d.ID, From: d.State, By: exchange.Proven, At: noon, Due: noon, Change: func(d *exchange.Delivery) { d.DeliveredAt = noon }})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func unknownComesFirst(t *testing.T, l *store.Ledger) {
	if _, err := l.NextToSend(t.Context(), noon, "kasse"); !errors.Is(err, exchange.ErrNotFound) {
		t.Fatal(err)
	}
	a, b, c := sealed(t, l, 1), sealed(t, l, 2), sealed(t, l, 3)
	later := exchange.Move{ID: a.ID, From: exchange.Sealed, By: exchange.Postponed, At: noon, Due: noon.Add(time.Second)}
	if _, err := l.Apply(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	next := func(at time.Time) int64 {
		d, err := l.NextToSend(t.Context(), at, "kasse")
		if err != nil {
			t.Fatal(err)
		}
		return d.ID
	}
	if got := next(noon); got != b.ID {
		t.Errorf("%d, want the one due longest", got)
	}
	begun, err := begin(t.Context(), l, c, allotment())
	if err != nil {
		t.Fatal(err)
	}
	move(t, l, begun, exchange.Unclear)
	if got := next(noon.Add(time.Hour)); got != c.ID {
		t.Errorf("%d, want the one whose outcome is unknown", got)
	}
}

func predecessorByReference(t *testing.T, l *store.Ledger) {
	pred := func(d exchange.Delivery) string {
		p, err := l.Predecessor(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s passed %v work %v unread %v history %v %s", p.Reference, p.Passed, p.InWork, p.Unread, p.History, p.State)
	}
	check := func(what string, d exchange.Delivery, want string) {
		t.Helper()
		if got := pred(d); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	five := sealed(t, l, 5)
	check("the first of its pair", five, "00004 passed false work false unread false history false ")
	six := sealed(t, l, 6)
	check("after one in work", six, "00005 passed false work true unread false history false ")
	eight := sealed(t, l, 8)
	check("after a missing one, with others in work", eight, "00007 passed false work true unread false history true ")
	delivered(t, l, five)
	check("after one that went out", six, "00005 passed true work false unread false history false ")
	move(t, l, six, exchange.Holding)
	check("after a missing one", eight, "00007 passed false work false unread false history true ")
	seven := sealed(t, l, 7)
	check("after one held", seven, "00006 passed false work false unread false history true held")
	// A file sent in again under the same reference takes the place of the first.
	again := file(6)
	again.Intake = "again"
	again = take(t, l, again)
	check("after one not yet read", seven, "00006 passed false work true unread false history false ")
	other := file(20)
	other.Envelope.Sender, other.Account = "260500016", "sued"
	check("another pair", move(t, l, move(t, l, take(t, l, other), exchange.RouteFound), exchange.WasSealed), "00019 passed false work false unread false history false ")
	wrap := sealed(t, l, 99999)
	one := sealed(t, l, 1)
	check("over the wrap", one, "99999 passed false work true unread false history false ")
	move(t, l, wrap, exchange.Holding)
	check("over the wrap, held", one, "99999 passed false work false unread true history true held")
}

// Who is sealed after its predecessor waits with nothing due, and is woken by what
// ends the predecessor's work, whatever that is. Others are not touched.
func successorWaitsAndIsWoken(t *testing.T, l *store.Ledger) {
	seal := func(n int) exchange.Delivery {
		d := move(t, l, take(t, l, file(n)), exchange.RouteFound)
		out, err := l.Apply(t.Context(), exchange.Move{ID: d.ID, From: d.State, By: exchange.WasSealed, At: noon, Due: noon, InOrder: true})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	due := func(d exchange.Delivery) bool {
		row, err := l.Delivery(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		return !row.Due.IsZero()
	}
	one, two, three := seal(1), seal(2), seal(3)
	if !due(one) || due(two) || due(three) {
		t.Fatalf("due: %v %v %v, want the first alone", due(one), due(two), due(three))
	}
	delivered(t, l, one)
	if !due(two) || due(three) {
		t.Errorf("after the first: %v %v", due(two), due(three))
	}
	move(t, l, two, exchange.Holding)
	if !due(three) {
		t.Error("its predecessor is held, and nobody looks")
	}
	five := seal(5)
	if _, err := l.Apply(t.Context(), exchange.Move{ID: five.ID, From: five.State, By: exchange.Postponed, At: noon, Due: noon.Add(time.Hour),
		Change: func(d *exchange.Delivery) { d.OrderSince = noon }}); err != nil {
		t.Fatal(err)
	}
	delivered(t, l, seal(4)) // was missing
	if got, _ := l.Delivery(t.Context(), five.ID); !got.Due.Equal(noon) {
		t.Errorf("what was missing has come, and the next waits until %v", got.Due)
	}
	seven, eight := seal(7), seal(8)
	if due(eight) {
		t.Fatal("does not wait")
	}
	if err := l.WakeAll(t.Context(), noon); err != nil || !due(eight) || !due(seven) {
		t.Error(err, due(eight))
	}
}

func repetitionsAreFound(t *testing.T, l *store.Ledger) {
	first := file(1)
	first.SHA256 = "aa"
	first = take(t, l, first)
	again := func(n int, sha, ref string) exchange.Delivery {
		d := file(n)
		d.SHA256, d.Envelope.Reference = sha, ref
		return take(t, l, d)
	}
	same := func(d exchange.Delivery, since time.Time) int64 {
		e, err := l.SentBefore(t.Context(), d, since)
		if errors.Is(err, exchange.ErrNotFound) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		return e.ID
	}
	content, reference, neither := again(2, "aa", "00002"), again(3, "bb", "00001"), again(4, "cc", "00004")
	if a, b, c := same(content, noon), same(reference, noon), same(neither, noon); a != first.ID || b != first.ID || c != 0 {
		t.Errorf("same content %d, same reference %d, neither %d", a, b, c)
	}
	if got := same(content, noon.Add(time.Second)); got != 0 {
		t.Error("counts although it is too long ago")
	}
	if got := same(first, noon); got != 0 {
		t.Error("the first repeats a later one")
	}
	other := content
	other.Partner, other.Envelope.Recipient = "other", "109910011"
	if got := same(other, noon); got != 0 {
		t.Error("another partner's file counts")
	}
	move(t, l, first, exchange.Refused)
	if got := same(content, noon); got != 0 {
		t.Error("a file that our own check rejected never went out")
	}
}

func gapsInWhatComesIn(t *testing.T, l *store.Ledger) {
	in := func(n int) exchange.Delivery {
		d := file(n)
		d.Direction, d.Kind = exchange.In, exchange.Pair
		d, err := l.Take(t.Context(), d, exchange.Arrived, "")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		n    int
		want string
	}{{5, ""}, {6, ""}, {8, "00007"}, {7, ""}, {99999, "99998"}, {1, ""}} {
		if got, err := l.GapBefore(t.Context(), in(c.n)); err != nil || got != c.want {
			t.Errorf("%05d: %q %v, want %q", c.n, got, err, c.want)
		}
	}
}
