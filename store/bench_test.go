package store

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gateway301/exchange"
)

// benchFile is the n-th file of a backlog of several pairs.
func benchFile(n int) exchange.Delivery {
	return exchange.Delivery{
		Intake: fmt.Sprintf("20261102T120000-%012d", n), Direction: exchange.Out, Kind: exchange.File, TakenAt: time.Unix(int64(n), 0), Due: time.Unix(int64(n), 0),
		Account: "nord", Name: fmt.Sprintf("file%d.edi", n), Mode: exchange.Production, Partner: "kasse", Owner: "260500005", Physical: "260500005",
		SHA256:   fmt.Sprintf("%064x", n),
		Envelope: exchange.Envelope{Sender: "260500005", Recipient: fmt.Sprintf("1099100%02d", n%50), Reference: fmt.Sprintf("%05d", n/50%99999+1), Types: []string{"AUFN"}},
	}
}

func benchLedger(b *testing.B, group int) *Ledger {
	b.Helper()
	l, err := openGrouped(b.Context(), filepath.Join(b.TempDir(), "ledger.db"), group)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// fill inserts n files and leaves them sealed, all in a few transactions.
func fill(b *testing.B, l *Ledger, from, n int) {
	b.Helper()
	for done := 0; done < n; done += 1000 {
		err := l.transaction(b.Context(), func(ctx context.Context, tx querier) error {
			for i := done; i < min(done+1000, n); i++ {
				d, _, err := insert(ctx, tx, benchFile(from+i), exchange.TookOver, "")
				if err != nil {
					return err
				}
				for _, m := range []exchange.Move{{From: exchange.Taken, By: exchange.RouteFound}, {From: exchange.Routed, By: exchange.WasSealed}} {
					m.ID, m.At, m.Due = d.ID, d.TakenAt, d.TakenAt
					if _, err := apply(ctx, tx, m); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// moves makes n moves of the rows with the last ids, by so many workers at
// once, and returns the time of one.
func moves(b *testing.B, l *Ledger, last, workers, n int) time.Duration {
	b.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range n / workers {
				at := time.Unix(int64(i), 0)
				m := exchange.Move{ID: int64(last - w), From: exchange.Sealed, By: exchange.Retrying, At: at, Due: at, Text: fmt.Sprint("try ", i)}
				if _, err := l.Apply(b.Context(), m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start) / time.Duration(n/workers*workers)
}

// BenchmarkGroupCommit compares moves that share commits with moves that have
// one each, on the same disk in the same run. The goal is 5 times as many.
func BenchmarkGroupCommit(b *testing.B) {
	const workers = 64
	grouped, single := benchLedger(b, groupSize), benchLedger(b, 1)
	fill(b, grouped, 0, workers)
	fill(b, single, 0, workers)
	var with, without time.Duration
	for b.Loop() { // in turn, since disks have moods
		with += moves(b, grouped, workers, workers, 6400)
		without += moves(b, single, workers, workers, 640)
	}
	b.ReportMetric(float64(without)/float64(with), "x-ungrouped")
	b.ReportMetric(float64(b.N)*1e9/float64(with), "moves/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBacklog compares moves, claims and looks for what to send with
// 100,000 rows that wait and with 64. The goal is 1.1 at most.
func BenchmarkBacklog(b *testing.B) {
	const workers, backlog = 64, 100_000
	small, large := benchLedger(b, groupSize), benchLedger(b, groupSize)
	fill(b, small, 0, workers)
	fill(b, large, 0, backlog)
	var few, many, fewNext, manyNext time.Duration
	next := func(l *Ledger) time.Duration {
		start := time.Now()
		for range 50 {
			if _, err := l.NextToSend(b.Context(), time.Unix(1<<32, 0), "kasse"); err != nil {
				b.Fatal(err)
			}
			if _, err := l.Claim(b.Context(), exchange.Lease{Node: "x", For: time.Minute}, time.Unix(1<<32, 0), 2, nil); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start) / 50
	}
	for b.Loop() {
		many += moves(b, large, backlog, workers, 6400)
		few += moves(b, small, workers, workers, 6400)
		manyNext += next(large)
		fewNext += next(small)
	}
	b.ReportMetric(float64(many)/float64(few), "x-move")
	b.ReportMetric(float64(manyNext)/float64(fewNext), "x-next")
	b.ReportMetric(0, "ns/op")
}
