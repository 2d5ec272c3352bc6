package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gateway301/exchange"
	"gateway301/store"
)

// Run puts a store through everything that the pipeline relies on. open makes an
// empty ledger that closes itself when the test ends.
func Run(t *testing.T, open func(t *testing.T) *store.Ledger) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *store.Ledger)
	}{
		{"RowComesBackAsWritten", rowComesBackAsWritten},
		{"TakeIsIdempotent", takeIsIdempotent},
		{"MoveIsGuarded", moveIsGuarded},
		{"MovesOfOneApplyStandOrFallTogether", movesOfOneApplyStandOrFallTogether},
		{"DraftsGetReferencesInOrder", draftsGetReferencesInOrder},
		{"ADraftIsMadeOnce", aDraftIsMadeOnce},
		{"NumbersWrapAndPassOverWhatIsInUse", numbersWrapAndPassOverWhatIsInUse},
		{"NumbersExhausted", numbersExhausted},
		{"NumberIsKeptOnRetry", numberIsKeptOnRetry},
		{"OccupiedCreationTimeWaits", occupiedCreationTimeWaits},
		{"UnknownComesFirst", unknownComesFirst},
		{"PredecessorByReference", predecessorByReference},
		{"SuccessorWaitsAndIsWoken", successorWaitsAndIsWoken},
		{"RepetitionsAreFound", repetitionsAreFound},
		{"GapsInWhatComesIn", gapsInWhatComesIn},
		{"SumAddsUp", sumAddsUp},
		{"FetchedIsRememberedUntilForgotten", fetchedIsRememberedUntilForgotten},
		{"ANoticeIsKeptOnce", aNoticeIsKeptOnce},
		{"ClaimsAreExclusive", claimsAreExclusive},
		{"ALeaseThatEndsIsTakenOver", aLeaseThatEndsIsTakenOver},
		{"ALeaseIsProlonged", aLeaseIsProlonged},
		{"AttemptsLeftBehindAreFound", attemptsLeftBehindAreFound},
		{"TurnsAreExclusive", turnsAreExclusive},
		{"WhatIsDoneInTurnIsGuarded", whatIsDoneInTurnIsGuarded},
		{"ManyWriteAtOnce", manyWriteAtOnce},
		{"TakenAtOnceIsTakenOnce", takenAtOnceIsTakenOnce},
		{"GivenUpIsNotDone", givenUpIsNotDone},
		{"AnyBytesInNames", anyBytesInNames},
		{"TalliesCountWhatTheNightAsksFor", talliesCountWhatTheNightAsksFor},
		{"LooksAreRemembered", looksAreRemembered},
		{"OrphansAreCounted", orphansAreCounted},
		{"AlarmsAreKept", alarmsAreKept},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func file(n int) exchange.Delivery {
	return exchange.Delivery{
		Intake: fmt.Sprintf("20261102T120000-%012d", n), Direction: exchange.Out, Kind: exchange.File,
		TakenAt: noon, Due: noon, Account: "nord", Name: fmt.Sprintf("file%d.edi", n), Mode: exchange.Production,
		Partner: "kasse", Owner: "260500005", Physical: "260500005",
		Envelope: exchange.Envelope{Sender: "260500005", Recipient: "109910000", Reference: fmt.Sprintf("%05d", n), ApplicationRef: fmt.Sprintf("KRH%08d", n), Types: []string{"AUFN", "RECH"}},
	}
}

func take(t *testing.T, l *store.Ledger, d exchange.Delivery) exchange.Delivery {
	t.Helper()
	d, err := l.Take(t.Context(), d, exchange.TookOver, "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Take records the n-th file of the suite.
func Take(t *testing.T, l *store.Ledger, n int) exchange.Delivery { return take(t, l, file(n)) }

// History fills a ledger with something of everything that it remembers.
func History(t *testing.T, l *store.Ledger) {
	t.Helper()
	in := take(t, l, file(1))
	if _, err := l.Notice(t.Context(), exchange.Notice{Subject: "own 260500005 0a1001", Stage: 30, At: noon, Text: "ends soon"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Apply(t.Context(), exchange.Move{ID: in.ID, From: exchange.Taken, By: exchange.Noted, At: noon, Drafts: []exchange.Delivery{{
		Intake: "a1", Direction: exchange.Out, Kind: exchange.Answer, TakenAt: noon, Draft: []byte{0, 0xff}}}}); err != nil {
		t.Fatal(err)
	}
	d, err := begin(t.Context(), l, sealed(t, l, 2), allotment())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Apply(t.Context(), exchange.Move{ID: d.ID, From: d.State, By: exchange.Publishing, At: noon, Change: func(d *exchange.Delivery) { d.Published = true }}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.TakeFetched(t.Context(), exchange.Turn{}, exchange.Delivery{Intake: "in1", Direction: exchange.In, Kind: exchange.Pair, Account: "kasse", TakenAt: noon},
		"", []exchange.Fetched{{Name: "EKRH0001", Size: 12, Modified: noon, SHA256: "ab"}}); err != nil {
		t.Fatal(err)
	}
	if err := l.StopPartner(t.Context(), exchange.Stop{Partner: "kasse", At: noon, Cause: exchange.LoginFailed}); err != nil {
		t.Fatal(err)
	}
}

func move(t *testing.T, l *store.Ledger, d exchange.Delivery, by exchange.Happening) exchange.Delivery {
	t.Helper()
	out, err := l.Apply(t.Context(), exchange.Move{ID: d.ID, From: d.State, By: by, At: noon, Due: noon})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func sealed(t *testing.T, l *store.Ledger, n int) exchange.Delivery {
	t.Helper()
	return move(t, l, move(t, l, take(t, l, file(n)), exchange.RouteFound), exchange.WasSealed)
}

func allotment() exchange.Allotment {
	return exchange.Allotment{
		Verfahren: "EKRH0", First: 998,
		Name:   func(n int) string { return fmt.Sprintf("EKRH0%03d", n) },
		Stands: func(string) bool { return false },
		Stamp: func(taken time.Time, last string) (string, time.Time, error) {
			return max(taken.Format(exchange.Stamp), last), time.Time{}, nil
		},
	}
}

func begin(ctx context.Context, l *store.Ledger, d exchange.Delivery, a exchange.Allotment) (exchange.Delivery, error) {
	return l.Begin(ctx, exchange.Move{ID: d.ID, From: exchange.Sealed, By: exchange.Begun, At: noon,
		Change: func(d *exchange.Delivery) { d.Attempt++ }}, a)
}

func rowComesBackAsWritten(t *testing.T, l *store.Ledger) {
	want := file(1)
	want.Draft, want.Published, want.AnswerBy = []byte{0, 1}, true, noon.Add(time.Hour)
	want = take(t, l, want)
	got, err := l.Delivery(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	// Times come back as the same instants.
	for _, p := range []*time.Time{&want.TakenAt, &want.Due, &want.Changed, &want.AnswerBy} {
		*p = p.Local()
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func takeIsIdempotent(t *testing.T, l *store.Ledger) {
	a, b := take(t, l, file(1)), take(t, l, file(1))
	if a.ID != b.ID {
		t.Errorf("the same intake got rows %d and %d", a.ID, b.ID)
	}
}

func moveIsGuarded(t *testing.T, l *store.Ledger) {
	d := take(t, l, file(1))
	move(t, l, d, exchange.RouteFound)
	_, err := l.Apply(t.Context(), exchange.Move{ID: d.ID, From: exchange.Taken, By: exchange.RouteFound, At: noon})
	if !errors.Is(err, exchange.ErrMoved) {
		t.Errorf("a second move from the same state: %v", err)
	}
	_, err = l.Apply(t.Context(), exchange.Move{ID: d.ID, From: exchange.Routed, By: exchange.Proven, At: noon})
	if !errors.Is(err, exchange.ErrMove) {
		t.Errorf("a move that the table lacks: %v", err)
	}
}

func movesOfOneApplyStandOrFallTogether(t *testing.T, l *store.Ledger) {
	a, b := take(t, l, file(1)), take(t, l, file(2))
	_, err := l.Apply(t.Context(),
		exchange.Move{ID: a.ID, From: exchange.Taken, By: exchange.RouteFound, At: noon},
		exchange.Move{ID: b.ID, From: exchange.Sealed, By: exchange.Begun, At: noon})
	if !errors.Is(err, exchange.ErrMoved) {
		t.Fatal(err)
	}
	if got, _ := l.Delivery(t.Context(), a.ID); got.State != exchange.Taken {
		t.Errorf("the first move stood although the second failed: %s", got.State)
	}
	if e, _ := l.Events(t.Context(), a.ID); len(e) != 1 {
		t.Errorf("%d events, want the take-over alone", len(e))
	}
}

func draftsGetReferencesInOrder(t *testing.T, l *store.Ledger) {
	in := take(t, l, file(1))
	draft := exchange.Delivery{Intake: "a1", Direction: exchange.Out, Kind: exchange.Answer, TakenAt: noon, Mode: exchange.Test,
		Envelope: exchange.Envelope{Sender: "109910000", Recipient: "260500005"}}
	second := draft
	second.Intake = "a2"
	if _, err := l.Apply(t.Context(), exchange.Move{ID: in.ID, From: exchange.Taken, By: exchange.Noted, At: noon, Drafts: []exchange.Delivery{draft, second}}); err != nil {
		t.Fatal(err)
	}
	rows, err := l.Deliveries(t.Context(), store.Filter{States: []exchange.State{exchange.Drafted}})
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	for i, want := range []string{"00001", "00002"} {
		if rows[i].Envelope.Reference != want || rows[i].Answers != in.ID {
			t.Errorf("draft %d: reference %s, answers %d", i, rows[i].Envelope.Reference, rows[i].Answers)
		}
	}
}

func aDraftIsMadeOnce(t *testing.T, l *store.Ledger) {
	in := take(t, l, file(1))
	draft := exchange.Delivery{Intake: "a1", Direction: exchange.Out, Kind: exchange.Answer, TakenAt: noon}
	for range 2 {
		if _, err := l.Apply(t.Context(), exchange.Move{ID: in.ID, From: exchange.Taken, By: exchange.Noted, At: noon, Drafts: []exchange.Delivery{draft}}); err != nil {
			t.Fatal(err)
		}
	}
	if rows, err := l.Deliveries(t.Context(), store.Filter{States: []exchange.State{exchange.Drafted}}); err != nil || len(rows) != 1 {
		t.Error(rows, err)
	}
}

func numbersWrapAndPassOverWhatIsInUse(t *testing.T, l *store.Ledger) {
	a := allotment()
	var got []string
	for n := range 4 {
		d, err := begin(t.Context(), l, sealed(t, l, n), a)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.TransferName)
		if n == 0 { // proven: its number is free again, once nothing stands there
			move(t, l, d, exchange.Proven)
		}
	}
	if s := strings.Join(got, " "); s != "EKRH0998 EKRH0999 EKRH0000 EKRH0001" {
		t.Errorf("allotted %s", s)
	}
	a.Stands = func(name string) bool { return name == "EKRH0003" }
	two := sealed(t, l, 10)
	if d, err := begin(t.Context(), l, two, a); err != nil || d.TransferName != "EKRH0002" {
		t.Fatal(d.TransferName, err)
	}
	four, err := begin(t.Context(), l, sealed(t, l, 11), a)
	if err != nil || four.TransferName != "EKRH0004" {
		t.Fatal(four.TransferName, err)
	}
	events, _ := l.Events(t.Context(), four.ID)
	if text := events[len(events)-1].Text; !strings.Contains(text, "003") {
		t.Errorf("the number passed over is not recorded: %q", text)
	}
}

func numbersExhausted(t *testing.T, l *store.Ledger) {
	a := allotment()
	a.Stands = func(string) bool { return true }
	d := sealed(t, l, 1)
	if _, err := begin(t.Context(), l, d, a); !errors.Is(err, exchange.ErrExhausted) {
		t.Fatal(err)
	}
	if got, _ := l.Delivery(t.Context(), d.ID); got.State != exchange.Sealed || got.HasNumber() {
		t.Errorf("a failed allotment left traces: %s %q", got.State, got.TransferName)
	}
}

func numberIsKeptOnRetry(t *testing.T, l *store.Ledger) {
	d, err := begin(t.Context(), l, sealed(t, l, 1), allotment())
	if err != nil {
		t.Fatal(err)
	}
	first := d
	d = move(t, l, d, exchange.LineFailed)
	other := allotment()
	other.Stands = func(string) bool { return true } // our own earlier attempt may stand there
	d, err = begin(t.Context(), l, d, other)
	if err != nil || d.TransferName != first.TransferName || d.Created != first.Created || d.Attempt != 2 {
		t.Errorf("retry: %s %s attempt %d, %v; first was %s %s", d.TransferName, d.Created, d.Attempt, err, first.TransferName, first.Created)
	}
}

func occupiedCreationTimeWaits(t *testing.T, l *store.Ledger) {
	a := allotment()
	a.Stamp = func(time.Time, string) (string, time.Time, error) { return "", noon.Add(time.Second), nil }
	_, err := begin(t.Context(), l, sealed(t, l, 1), a)
	if wait, ok := errors.AsType[*exchange.WaitError](err); !ok || !wait.Until.Equal(noon.Add(time.Second)) {
		t.Fatal(err)
	}
	if used, err := l.HasHistory(t.Context(), "kasse"); err != nil || used {
		t.Errorf("a number was used up by a delivery that waits (%v, %v)", used, err)
	}
}

func sumAddsUp(t *testing.T, l *store.Ledger) {
	take(t, l, file(1))
	sealed(t, l, 2)
	sealed(t, l, 3)
	sum, err := l.Sum(t.Context(), exchange.Out)
	if err != nil || sum[exchange.Taken] != 1 || sum[exchange.Sealed] != 2 {
		t.Error(sum, err)
	}
}

func fetchedIsRememberedUntilForgotten(t *testing.T, l *store.Ledger) {
	f := exchange.Fetched{Name: "EKRH0001", Size: 12, Modified: noon, SHA256: "ab"}
	d := exchange.Delivery{Intake: "in1", Direction: exchange.In, Kind: exchange.Pair, Account: "kasse", TakenAt: noon, Due: noon}
	d, err := l.TakeFetched(t.Context(), exchange.Turn{}, d, "", []exchange.Fetched{f})
	if err != nil || d.State != exchange.Received {
		t.Fatal(d.State, err)
	}
	got, err := l.FetchedFrom(t.Context(), "kasse")
	if err != nil || len(got) != 1 || got[0].Delivery != d.ID || !got[0].Modified.Equal(noon) {
		t.Fatal(got, err)
	}
	if err := l.Forget(t.Context(), "kasse", f); err != nil {
		t.Fatal(err)
	}
	if got, _ = l.FetchedFrom(t.Context(), "kasse"); len(got) != 0 {
		t.Error("not forgotten")
	}
}

func aNoticeIsKeptOnce(t *testing.T, l *store.Ledger) {
	n := exchange.Notice{Subject: "own 260500005 0a1001", Stage: 30, At: noon, Text: "ends soon"}
	later := n
	later.At, later.Text = noon.Add(time.Hour), "again"
	nearer := later
	nearer.Stage = 14
	for i, c := range []struct {
		n    exchange.Notice
		want bool
	}{{n, true}, {later, false}, {nearer, true}, {nearer, false}} {
		if first, err := l.Notice(t.Context(), c.n); err != nil || first != c.want {
			t.Errorf("%d: %v, %v", i, first, err)
		}
	}
	all, err := l.Notices(t.Context())
	if err != nil || len(all) != 2 || !all[0].At.Equal(noon) || all[0].Text != "ends soon" || all[1].Stage != 14 {
		t.Errorf("%+v, %v", all, err)
	}
}
