package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gateway301/exchange"
	"gateway301/store"
)

var (
	here  = exchange.Lease{Node: "here", For: time.Hour}
	there = exchange.Lease{Node: "there", For: time.Hour}
)

// lapsed is a lease that has ended when it begins.
func lapsed(l exchange.Lease) exchange.Lease { l.For = -time.Second; return l }

func claim(t *testing.T, l *store.Ledger, lease exchange.Lease, limit int, busy ...int64) []exchange.Delivery {
	t.Helper()
	rows, err := l.Claim(t.Context(), lease, noon, limit, busy)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func claimsAreExclusive(t *testing.T, l *store.Ledger) {
	a, b := take(t, l, file(1)), take(t, l, file(2))
	late := file(3)
	late.Due = noon.Add(time.Second)
	take(t, l, late)
	sealed(t, l, 4)
	if rows := claim(t, l, here, 1); len(rows) != 1 || rows[0].ID != a.ID || rows[0].LeasedBy != "here" {
		t.Fatalf("claimed %v, want the longest due", rows)
	}
	if rows := claim(t, l, there, 9); len(rows) != 1 || rows[0].ID != b.ID {
		t.Fatalf("claimed %v, want what is due, needs no line and is nobody's", rows)
	}
	if rows := claim(t, l, here, 9); len(rows) != 0 {
		t.Fatalf("claimed %v twice", rows)
	}
}

func aLeaseThatEndsIsTakenOver(t *testing.T, l *store.Ledger) {
	d := take(t, l, file(1))
	claim(t, l, lapsed(here), 1)
	if rows := claim(t, l, here, 1, d.ID); len(rows) != 0 {
		t.Error("claimed what is still in hand")
	}
	if rows := claim(t, l, there, 1); len(rows) != 1 {
		t.Fatal("the lease has ended, and nobody can take over")
	}
	// The node that slept past its lease changes nothing.
	m := exchange.Move{ID: d.ID, From: exchange.Taken, By: exchange.RouteFound, At: noon, Holder: "here"}
	if _, err := l.Apply(t.Context(), m); !errors.Is(err, exchange.ErrMoved) {
		t.Errorf("a node without lease moved it: %v", err)
	}
	if err := l.Renew(t.Context(), here, d.ID); !errors.Is(err, exchange.ErrMoved) {
		t.Errorf("a lost lease was prolonged: %v", err)
	}
	m.Holder = "there"
	rows, err := l.Apply(t.Context(), m)
	if err != nil || rows[0].LeasedBy != "" {
		t.Errorf("%v %v: a move ends the lease", rows, err)
	}
	if got := claim(t, l, here, 1); len(got) != 0 { // nothing is due
		t.Error(got)
	}
}

func aLeaseIsProlonged(t *testing.T, l *store.Ledger) {
	d := take(t, l, file(1))
	claim(t, l, lapsed(here), 1)
	if err := l.Renew(t.Context(), here, d.ID); err != nil {
		t.Fatal(err)
	}
	if rows := claim(t, l, there, 1); len(rows) != 0 {
		t.Error("taken over although prolonged")
	}
	if err := l.Abandon(t.Context(), "here"); err != nil {
		t.Fatal(err)
	}
	if rows := claim(t, l, there, 1); len(rows) != 1 {
		t.Error("abandoned, and nobody can take over")
	}
}

func attemptsLeftBehindAreFound(t *testing.T, l *store.Ledger) {
	start := func(n int, lease exchange.Lease) exchange.Delivery {
		d, err := l.Begin(t.Context(), exchange.Move{ID: sealed(t, l, n).ID, From: exchange.Sealed, By: exchange.Begun, At: noon, Lease: lease}, allotment())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	start(1, here)
	left := start(2, lapsed(there))
	rows, err := l.Interrupted(t.Context(), 10)
	if err != nil || len(rows) != 1 || rows[0].ID != left.ID {
		t.Errorf("%v %v, want the one whose lease has ended", rows, err)
	}
	// A note is no move.
	if _, err := l.Apply(t.Context(), exchange.Move{ID: 1, From: exchange.Sending, By: exchange.Noted, At: noon, Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if rows, _ := l.Interrupted(t.Context(), 10); len(rows) != 1 {
		t.Error("a note ended a lease")
	}
}

func turnsAreExclusive(t *testing.T, l *store.Ledger) {
	turn := func(name string, lease exchange.Lease) bool {
		got, err := l.Turn(t.Context(), name, lease)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct {
		name  string
		lease exchange.Lease
		want  bool
	}{
		{"send kasse", here, true},
		{"send kasse", here, true}, // prolonged
		{"send kasse", there, false},
		{"send other", there, true},
		{"send kasse", lapsed(here), true},
		{"send kasse", there, true}, // it had ended
		{"send kasse", here, false},
	} {
		if got := turn(c.name, c.lease); got != c.want {
			t.Errorf("%v %v: %v", c.name, c.lease, got)
		}
	}
	if turns, err := l.Turns(t.Context()); err != nil || turns["send kasse"] != "there" || len(turns) != 2 {
		t.Error(turns, err)
	}
}

// Whoever lost its turn takes nothing and begins nothing.
func whatIsDoneInTurnIsGuarded(t *testing.T, l *store.Ledger) {
	mine := exchange.Turn{Name: "x", Node: "here"}
	if got, err := l.Turn(t.Context(), "x", there); err != nil || !got {
		t.Fatal(got, err)
	}
	if _, err := l.TakeInTurn(t.Context(), mine, file(1), exchange.TookOver, ""); !errors.Is(err, exchange.ErrMoved) {
		t.Errorf("taken out of turn: %v", err)
	}
	fetched := exchange.Delivery{Intake: "in", Direction: exchange.In, Kind: exchange.Other, TakenAt: noon}
	if _, err := l.TakeFetched(t.Context(), mine, fetched, "", nil); !errors.Is(err, exchange.ErrMoved) {
		t.Errorf("fetched out of turn: %v", err)
	}
	d := sealed(t, l, 2)
	if _, err := l.Begin(t.Context(), exchange.Move{ID: d.ID, From: d.State, By: exchange.Begun, At: noon, Turn: mine}, allotment()); !errors.Is(err, exchange.ErrMoved) {
		t.Errorf("begun out of turn: %v", err)
	}
	if sum, err := l.Sum(t.Context(), exchange.Out); err != nil || sum[exchange.Sealed] != 1 || len(sum) != 1 {
		t.Error(sum, err)
	}
	mine.Node = "there"
	if _, err := l.TakeInTurn(t.Context(), mine, file(1), exchange.TookOver, ""); err != nil {
		t.Error(err)
	}
}

// Many write at once: each gets its own answer, no number is given twice, and of
// two who want the same row one gets it.
func manyWriteAtOnce(t *testing.T, l *store.Ledger) {
	const files, rivals = 24, 2
	a := allotment()
	var mu sync.Mutex
	won, numbers := map[int]int{}, map[string]int{}
	var wg sync.WaitGroup
	for n := range files {
		d := sealed(t, l, n)
		for range rivals {
			wg.Go(func() {
				row, err := l.Begin(t.Context(), exchange.Move{ID: d.ID, From: exchange.Sealed, By: exchange.Begun, At: noon}, a)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won[n]++
					numbers[row.TransferName]++
				case !errors.Is(err, exchange.ErrMoved):
					t.Errorf("file %d: %v", n, err)
				}
			})
		}
	}
	wg.Wait()
	if len(won) != files || len(numbers) != files {
		t.Errorf("%d files begun, %d numbers, want %d", len(won), len(numbers), files)
	}
	for n, times := range won {
		if times != 1 {
			t.Errorf("file %d was begun %d times", n, times)
		}
	}
}

// A file that two take over at once is one delivery.
func takenAtOnceIsTakenOnce(t *testing.T, l *store.Ledger) {
	ids := make([]int64, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			d, err := l.Take(t.Context(), file(1), exchange.TookOver, "")
			if err != nil {
				t.Error(err)
			}
			ids[i] = d.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("several rows: %v", ids)
		}
	}
	if e, err := l.Events(t.Context(), ids[0]); err != nil || len(e) != 1 {
		t.Error(e, err)
	}
}

// A write that was given up before its turn is not done.
func givenUpIsNotDone(t *testing.T, l *store.Ledger) {
	d := take(t, l, file(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Apply(ctx, exchange.Move{ID: d.ID, From: exchange.Taken, By: exchange.RouteFound, At: noon}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got, _ := l.Delivery(t.Context(), d.ID); got.State != exchange.Taken {
		t.Error(got.State)
	}
}

// Names of files may hold any bytes.
func anyBytesInNames(t *testing.T, l *store.Ledger) {
	d := file(1)
	d.Name = "m\xfcller\x00.edi"
	d = take(t, l, d)
	if _, err := l.Apply(t.Context(), exchange.Move{ID: d.ID, From: d.State, By: exchange.Holding, At: noon, Text: fmt.Sprintf("%s\xff", "x")}); err != nil {
		t.Error(err)
	}
}

// wakesOnChange makes sure that a ledger hears of what is done beside it.
func wakesOnChange(t *testing.T, l, beside *store.Ledger) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	woken := make(chan struct{}, 100)
	done := make(chan error)
	go func() { done <- l.Watch(ctx, func() { woken <- struct{}{} }) }()
	<-woken // listens
	take(t, beside, file(1))
	<-woken
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Beside is what a command that runs beside a service must see and may do.
func Beside(t *testing.T, service, command *store.Ledger) {
	wakesOnChange(t, service, command)
	rows, err := command.Deliveries(t.Context(), store.Filter{})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	move(t, command, rows[0], exchange.Holding)
	if got, err := service.Delivery(t.Context(), rows[0].ID); err != nil || got.State != exchange.Held {
		t.Error(got.State, err)
	}
}
