package store

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gateway301/exchange"
)

// Jobs that are committed together stand or fall alone; if the commit fails,
// none has happened and all are told.
func TestGroup(t *testing.T) {
	l, err := Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	broken := errors.New("broken")
	insertOne := func(token string, fail error) func(context.Context, querier) error {
		return func(ctx context.Context, tx querier) error {
			_, _, err := insert(ctx, tx, exchange.Delivery{Intake: token, TakenAt: time.Unix(0, 0)}, exchange.TookOver, "")
			return errors.Join(err, fail)
		}
	}
	together := func(jobs ...*job) {
		for _, j := range jobs {
			j.ctx, j.done = t.Context(), make(chan struct{})
		}
		// The writer is busy with one job while the others come in.
		held, goOn := make(chan struct{}), make(chan struct{})
		first := &job{ctx: t.Context(), done: make(chan struct{}), do: func(context.Context, querier) error { close(held); <-goOn; return nil }}
		l.group.jobs <- first
		<-held
		var wg sync.WaitGroup
		for _, j := range jobs {
			wg.Go(func() { l.group.jobs <- j })
		}
		close(goOn)
		wg.Wait()
		for _, j := range jobs {
			<-j.done
		}
	}
	has := func(token string) bool {
		known, err := l.HasIntake(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		return known
	}
	a, b, c := &job{do: insertOne("a", nil)}, &job{do: insertOne("b", broken)}, &job{do: insertOne("c", nil)}
	together(a, b, c)
	if a.err != nil || c.err != nil || !errors.Is(b.err, broken) || !has("a") || has("b") || !has("c") {
		t.Errorf("one of three failed: %v %v %v, rows %v %v %v", a.err, b.err, c.err, has("a"), has("b"), has("c"))
	}
	// The database rolls back by itself, as on a full disk: nothing of this
	// transaction may stand, and nothing may be written outside of one.
	d := &job{do: insertOne("d", nil)}
	e := &job{do: func(ctx context.Context, tx querier) error {
		_, err := tx.exec(ctx, "ROLLBACK")
		return errors.Join(err, broken)
	}}
	f := &job{do: insertOne("f", nil)}
	together(d, e, f)
	for token, j := range map[string]*job{"d": d, "e": e, "f": f} {
		if (j.err == nil) != has(token) {
			t.Errorf("%s: said %v, and its row is there: %v", token, j.err, has(token))
		}
	}
	if !errors.Is(e.err, broken) {
		t.Error(e.err)
	}
	if err := l.transaction(t.Context(), insertOne("g", nil)); err != nil || !has("g") {
		t.Errorf("after a fault: %v", err)
	}
}
