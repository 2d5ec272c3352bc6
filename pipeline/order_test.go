package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gateway301/annex"
	"gateway301/channels"
	"gateway301/exchange"
	"gateway301/sample"
	"gateway301/store"
)

// published lists the references of what was published, in order.
func (g *gateway) published() []string {
	byName := map[string]string{}
	for _, d := range g.rows(store.Filter{Direction: exchange.Out}) {
		byName[d.TransferName+annex.AUFSuffix] = d.Envelope.Sender + " " + d.Envelope.Reference
	}
	var out []string
	for _, name := range g.line.did("published") {
		out = append(out, byName[name])
	}
	return out
}

// records makes a line note each publication.
func (g *gateway) records() {
	g.line.after = func(_, name string) {
		if isAUF(name) {
			g.line.mu.Lock()
			defer g.line.mu.Unlock()
			g.line.calls = append(g.line.calls, "published "+name)
		}
	}
}

// A strict pair is published in the order of UNB 0020 (99999 is followed by
// 00001), not of arrival, and waits for a predecessor that waits for its retry.
// Other pairs do not wait. Without order, everything goes as it comes.
func TestStrictPairsNeverOvertake(t *testing.T) {
	for _, c := range []struct {
		strict  bool
		arrival []int // the first of the order to be sent in is cut once
		want    string
	}{
		{true, []int{2, 1, 99999}, "260500016 00001, 260500005 99999, 260500005 00001, 260500005 00002"},
		{false, []int{99999, 2, 1}, "260500005 00002, 260500005 00001, 260500016 00001, 260500005 99999"},
	} {
		t.Run(fmt.Sprintf("strict %v", c.strict), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				h := w.hospital
				h.records()
				h.settings.Partners[0].Order, h.settings.Partners[0].Collects = exchange.OrderOff, false
				if c.strict {
					h.settings.Partners[0].Order = exchange.OrderStrict
				}
				h.line.before = func(_ context.Context, op, _ string) error {
					if op == "put" && len(h.line.did("put")) == 1 {
						return channels.ErrLine
					}
					return nil
				}
				for _, ref := range c.arrival {
					h.take(nord, fmt.Sprint(ref), file(t, sample.FileOptions{Reference: ref, ApplicationRef: fmt.Sprintf("KRH%08d", ref)}))
				}
				h.take(sued, "other pair", file(t, sample.FileOptions{Sender: sued, Recipient: kasse}))
				h.run()
				equal(t, "99999 waits for its retry", count(h.rows(store.Filter{States: []exchange.State{exchange.Sealed}}), func(d exchange.Delivery) bool {
					return d.Attempt == 1 && d.Envelope.Reference == "99999"
				}), 1)
				h.finish()
				equal(t, "order", strings.Join(h.published(), ", "), c.want)
			})
		})
	}
}

// A predecessor that is not sealed yet holds its pair too.
func TestStrictWaitsForWhatIsNotSealed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		h.records()
		h.settings.Workers = 1
		// The row of 00001 cannot be written at first, and waits.
		failed := false
		h.mortal.fail = func(by exchange.Happening) (bool, error) {
			if by == exchange.WasSealed && !failed {
				failed = true
				return false, fmt.Errorf("disk: %w", syscall.EIO)
			}
			return false, nil
		}
		h.take(nord, "one", file(t, sample.FileOptions{Reference: 1, ApplicationRef: "KRH00000001"}))
		h.take(nord, "two", file(t, sample.FileOptions{Reference: 2, ApplicationRef: "KRH00000002"}))
		h.finish()
		equal(t, "failed once", failed, true)
		equal(t, "order", strings.Join(h.published(), ", "), "260500005 00001, 260500005 00002")
	})
}

// Two identities share one partner and its folder. Each has its own counter, and
// no name is used while it stands there.
func TestNumbersOfTwoIdentitiesInOneFolder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		h.settings.Partners[0].FirstNumber, h.settings.Partners[0].Collects = 998, false
		for ref := 1; ref <= 3; ref++ {
			h.take(nord, "n", file(t, sample.FileOptions{Reference: ref, ApplicationRef: fmt.Sprintf("KRH%08d", ref)}))
			h.take(sued, "s", file(t, sample.FileOptions{Sender: sued, Recipient: kasse, Reference: ref, ApplicationRef: fmt.Sprintf("KRH1%07d", ref)}))
		}
		h.run()
		got := names(t, w.in)
		var want []string
		for _, n := range []int{0, 1, 2, 3, 998, 999} {
			name := annex.TransferName(annex.VerfahrenTest, n)
			want = append(want, name, name+annex.AUFSuffix)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the partner has %v, want %v%s", got, want, h.story())
		}
		equal(t, "delivered", len(h.rows(store.Filter{States: []exchange.State{exchange.Delivered}})), 6)
		for _, name := range want {
			equal(t, "puts of "+name, h.line.puts[name], 1)
		}
	})
}

// Where the partner wants unique creation times, the second of two files waits a
// second; else they share one.
func TestCreationTimes(t *testing.T) {
	for _, unique := range []bool{true, false} {
		t.Run(fmt.Sprintf("unique %v", unique), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				h := w.hospital
				h.settings.Partners[0].UniqueTime = unique
				for ref := 1; ref <= 3; ref++ {
					h.take(nord, "n", file(t, sample.FileOptions{Reference: ref, ApplicationRef: fmt.Sprintf("KRH%08d", ref)}))
				}
				start := time.Now()
				h.finish()
				var stamps []string
				for _, d := range h.rows(store.Filter{Direction: exchange.Out}) {
					stamps = append(stamps, d.Created)
					if at, err := time.ParseInLocation(exchange.Stamp, d.Created, berlin()); err != nil || at.After(d.DeliveredAt) {
						t.Errorf("created %s, delivered %s", d.Created, d.DeliveredAt)
					}
				}
				want, took := "20000101010000 20000101010000 20000101010000", time.Duration(0)
				if unique {
					want, took = "20000101010000 20000101010001 20000101010002", 2*time.Second
				}
				equal(t, "creation times", strings.Join(stamps, " "), want)
				equal(t, "time taken", time.Since(start).Truncate(time.Second), took)
			})
		})
	}
}

// A gap holds its pair, and no other, for the time agreed; then the partner's row
// decides. What was missing may come in time.
func TestGap(t *testing.T) {
	for _, c := range []struct {
		name         string
		order        exchange.Sequence
		stop, arrive bool
		gap          string // what becomes of 00002: missing, held, rejected
		want         string
		took         time.Duration // until 00003 is published
		held         int
	}{
		{name: "missing, released", order: exchange.OrderStrict, gap: "missing", want: "260500005 00001, 260500016 00001, 260500005 00003, 260500005 00004", took: 2 * time.Hour},
		{name: "held, released", order: exchange.OrderStrict, gap: "held", want: "260500005 00001, 260500016 00001, 260500005 00003, 260500005 00004", took: 2 * time.Hour, held: 1},
		{name: "missing, stopped", order: exchange.OrderStrict, gap: "missing", stop: true, want: "260500005 00001, 260500016 00001", held: 1},
		{name: "missing, comes in time", order: exchange.OrderStrict, gap: "missing", arrive: true, want: "260500005 00001, 260500016 00001, 260500005 00002, 260500005 00003, 260500005 00004", took: time.Hour},
		{name: "missing, warned of", order: exchange.OrderWarn, gap: "missing", want: "260500005 00001, 260500005 00003, 260500005 00004, 260500016 00001"},
		{name: "missing, nobody looks", order: exchange.OrderOff, gap: "missing", want: "260500005 00001, 260500005 00003, 260500005 00004, 260500016 00001"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				h := w.hospital
				h.records()
				h.settings.Workers = 1
				partner := &h.settings.Partners[0]
				partner.Order, partner.OrderStop, partner.Collects, partner.Answers = c.order, c.stop, false, exchange.AnswersNever
				send := func(ref int) exchange.Delivery {
					return h.take(nord, fmt.Sprint(ref), file(t, sample.FileOptions{Reference: ref, ApplicationRef: fmt.Sprintf("KRH%08d", ref)}))
				}
				send(1)
				h.run()
				if c.gap == "held" {
					d := send(2)
					_, err := h.ledger.Apply(t.Context(), exchange.Move{ID: d.ID, From: d.State, By: exchange.Holding, At: time.Now(), Cause: exchange.ByHand,
						Change: func(d *exchange.Delivery) {
							d.Envelope = exchange.Envelope{Sender: nord, Recipient: kasse, Reference: "00002"}
						}})
					must(t, err)
				}
				three := send(3)
				send(4)
				h.take(sued, "other pair", file(t, sample.FileOptions{Sender: sued, Recipient: kasse}))
				start := time.Now()
				h.run()
				alarms := 0
				events, err := h.ledger.Events(t.Context(), three.ID)
				must(t, err)
				for _, e := range events {
					if e.Cause == exchange.OrderGap {
						alarms++
					}
				}
				equal(t, "told at once", alarms > 0, c.order != exchange.OrderOff)
				if c.arrive {
					time.Sleep(time.Hour)
					send(2)
				}
				for range 4 { // what a service does that runs on
					h.run()
					time.Sleep(time.Hour)
				}
				equal(t, "order", strings.Join(h.published(), ", "), c.want)
				if at := h.row(three.ID).DeliveredAt; !at.IsZero() {
					equal(t, "time taken", at.Sub(start).Truncate(time.Minute), c.took)
				}
				equal(t, "held", len(h.rows(store.Filter{States: []exchange.State{exchange.Held}})), c.held)
			})
		})
	}
}

// The same again, by content or by reference, waits for an operator.
func TestRepetitionsAreHeld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		h.settings.Partners[0].Collects, h.settings.Partners[0].NoRepeats = false, 24*time.Hour
		content := file(t, sample.FileOptions{Reference: 1, ApplicationRef: "KRH00000001"})
		first := h.take(nord, "a", content)
		h.run()
		again := h.take(nord, "b", content)
		reference := h.take(nord, "c", file(t, sample.FileOptions{Reference: 1, ApplicationRef: "KRH00000002"}))
		h.run()
		for _, d := range []exchange.Delivery{again, reference} {
			if got := h.row(d.ID); got.State != exchange.Held || got.Cause != exchange.Duplicate || !strings.Contains(got.Reason, fmt.Sprintf("delivery %d ", first.ID)) {
				t.Errorf("delivery %d is %s %s %q", d.ID, got.State, got.Cause, got.Reason)
			}
		}
		must(t, func() error {
			_, err := h.ledger.Apply(t.Context(), exchange.Move{ID: again.ID, From: exchange.Held, By: exchange.Released, At: time.Now(), Due: time.Now(),
				Cause: exchange.ByHand, Text: "the partner lost it", Change: func(d *exchange.Delivery) { d.Repeats = true }})
			return err
		}())
		h.run()
		equal(t, "released", h.row(again.ID).State, exchange.Delivered)
		time.Sleep(25 * time.Hour)
		late := h.take(nord, "d", content)
		h.run()
		equal(t, "after the period", h.row(late.ID).State, exchange.Delivered)
	})
}
