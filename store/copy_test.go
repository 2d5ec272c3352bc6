package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"gateway301/store"
	"gateway301/store/storetest"
)

// What one ledger remembers, the other remembers after it: there and back again.
func TestCopyBetweenTheTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	old, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	storetest.History(t, old)
	there := storetest.Postgres(t)
	tables, err := store.Copy(t.Context(), old, there)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int64{}
	for _, table := range tables {
		if rows[table.Name] = table.Rows; table.Rows == 0 {
			t.Errorf("nothing in table %s: the test does not show that it is copied", table.Name)
		}
	}
	back, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "back.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if _, err := store.Copy(t.Context(), there, back); err != nil {
		t.Fatal(err)
	}
	want := story(t, old)
	for name, l := range map[string]*store.Ledger{"PostgreSQL": there, "and back": back} {
		if got := story(t, l); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
		// The next one gets the next number.
		if d := storetest.Take(t, l, 99); d.ID != rows["delivery"]+1 {
			t.Errorf("%s: the next delivery is %d, want %d", name, d.ID, rows["delivery"]+1)
		}
	}
	if _, err := store.Copy(t.Context(), old, back); err == nil {
		t.Error("copied into a ledger that is not empty")
	}
	if err := old.Retire(t.Context(), time.Now(), "moved"); err != nil {
		t.Fatal(err)
	}
	old.Close()
	if _, err := store.Open(t.Context(), path); !errors.Is(err, store.ErrRetired) {
		t.Errorf("a retired ledger was opened: %v", err)
	}
	if l, err := store.OpenReadOnly(path); err != nil {
		t.Error(err)
	} else {
		l.Close()
	}
}

func story(t *testing.T, l *store.Ledger) string {
	t.Helper()
	rows, err := l.Deliveries(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, d := range rows {
		events, err := l.Events(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%+v\n%+v\n", d, events)
	}
	stops, err := l.Stopped(t.Context())
	fetched, err2 := l.FetchedFrom(t.Context(), "kasse")
	notices, err3 := l.Notices(t.Context())
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	return text + fmt.Sprintf("%+v\n%+v\n%+v", stops, fetched, notices)
}
