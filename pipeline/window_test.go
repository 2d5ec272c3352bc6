package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gateway301/channels"
	"gateway301/exchange"
	"gateway301/pipeline"
	"gateway301/sample"
	"gateway301/schedule"
	"gateway301/store"
)

// started runs the service of a gateway until the test calls the function it returns.
func (g *gateway) started() (p *pipeline.Pipeline, ended <-chan error) {
	p = pipeline.New(g.settings)
	end := make(chan error, 1)
	ctx, cancel := context.WithCancel(g.t.Context())
	g.line.cancel, g.mortal.kill = cancel, cancel
	g.t.Cleanup(cancel)
	go func() { end <- p.Run(ctx) }()
	return p, end
}

// at sleeps until so many minutes past one, on 1 January 2000 in Berlin.
func at(minute int) {
	time.Sleep(time.Until(time.Date(2000, 1, 1, 1, minute, 0, 0, berlin())))
}

func windowed(t *testing.T) (*world, *gateway) {
	w := newWorld(t)
	h := w.hospital
	var err error
	h.settings.Partners[0].Window, err = schedule.ParseWindow("01:10-01:20", "01:50-02:00")
	must(t, err)
	h.settings.Partners[0].Collects, h.settings.Partners[0].Grace = false, 5*time.Minute
	return w, h
}

// Outside its window nothing goes to a partner, not even a look. When it opens,
// sending begins within a minute.
func TestClosedWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, h := windowed(t)
		d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
		p, ended := h.started()
		at(9)
		equal(t, "state before it opens", h.row(d.ID).State, exchange.Sealed)
		equal(t, "calls before it opens", h.line.passed(), 0)
		at(12)
		equal(t, "state when it is open", h.row(d.ID).State, exchange.Delivered)
		equal(t, "delivered within the first minute", !h.row(d.ID).DeliveredAt.After(time.Date(2000, 1, 1, 1, 11, 0, 0, berlin())), true)
		p.Stop()
		must(t, <-ended)
		w.standsOnce(h.row(d.ID), "window")
	})
}

// slowly makes every Put of an Auftragsdatei take so long.
func (l *line) slowly(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = func(ctx context.Context, op, name string) error {
		if op != "put" || !isAUF(name) {
			return nil
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A pair begun in the window is finished within the grace. The next one is not begun.
func TestPairIsFinishedWithinTheGrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, h := windowed(t)
		at(18)
		h.line.slowly(4 * time.Minute)
		one := h.take(nord, "one", file(t, sample.FileOptions{Reference: 1, ApplicationRef: "KRH00000001"}))
		two := h.take(nord, "two", file(t, sample.FileOptions{Reference: 2, ApplicationRef: "KRH00000002"}))
		p, ended := h.started()
		at(40)
		equal(t, "begun in the window", h.row(one.ID).State, exchange.Delivered)
		equal(t, "not begun", h.row(two.ID).State, exchange.Sealed)
		equal(t, "attempts at the second", h.row(two.ID).Attempt, 0)
		at(56)
		equal(t, "in the next window", h.row(two.ID).State, exchange.Delivered)
		p.Stop()
		must(t, <-ended)
	})
}

// What outlasts the grace is stopped, and goes on in the next window under the
// same number.
func TestPairIsStoppedAfterTheGrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, h := windowed(t)
		at(18)
		h.line.slowly(time.Hour)
		d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
		p, ended := h.started()
		at(24)
		equal(t, "within the grace", h.row(d.ID).State, exchange.Sending)
		at(26)
		got := h.row(d.ID)
		equal(t, "after the grace", got.State, exchange.Sealed)
		equal(t, "due", got.Due.In(berlin()).Format(time.DateTime), "2000-01-01 01:50:00")
		calls := len(h.line.did("put"))
		h.line.slowly(time.Minute)
		at(49)
		equal(t, "puts outside the window", len(h.line.did("put")), calls)
		at(58)
		p.Stop()
		must(t, <-ended)
		got = h.row(d.ID)
		equal(t, "in the next window", got.State, exchange.Delivered)
		equal(t, "attempts", got.Attempt, 2)
		w.standsOnce(got, "after the grace")
	})
}

// Stop lets the file in hand be finished and begins no other; then Run ends.
func TestStopFinishesTheFileInHand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		var p *pipeline.Pipeline
		h.line.before = func(_ context.Context, op, name string) error {
			if op == "put" && !isAUF(name) {
				p.Stop()
				p.Stop() // twice does no harm
				time.Sleep(time.Hour)
			}
			return nil
		}
		one := h.take(nord, "one", file(t, sample.FileOptions{Reference: 1, ApplicationRef: "KRH00000001"}))
		two := h.take(nord, "two", file(t, sample.FileOptions{Reference: 2, ApplicationRef: "KRH00000002"}))
		begun := time.Now()
		p = pipeline.New(h.settings)
		must(t, p.Run(t.Context()))
		equal(t, "in hand", h.row(one.ID).State, exchange.Delivered)
		if got := h.row(two.ID).State; got == exchange.Delivered || got.Class() != exchange.InWork {
			t.Errorf("the other is %s", got)
		}
		equal(t, "ended after", time.Since(begun).Truncate(time.Minute), time.Hour)
		h.line.before = nil
		h.finish()
		equal(t, "after the restart", h.row(two.ID).State, exchange.Delivered)
	})
}

// A context that ends leaves at once, in a state from which a restart resumes.
func TestCancelledWhileUploading(t *testing.T) {
	for _, auf := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			h := w.hospital
			uploading := make(chan struct{})
			h.line.before = func(ctx context.Context, op, name string) error {
				if op == "put" && isAUF(name) == auf {
					close(uploading)
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
			d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
			_, ended := h.started()
			<-uploading
			h.line.cancel()
			must(t, <-ended)
			got := h.row(d.ID)
			equal(t, "left as", got.State, exchange.Sealed)
			h.line.before = nil
			h.finish()
			got = h.row(d.ID)
			equal(t, "after the restart", got.State, exchange.Delivered)
			equal(t, "attempts", got.Attempt, 2)
			w.standsOnce(got, "after the restart")
		})
	}
}

// The ledger fails once where the end of an attempt is to be recorded. The row
// does not stay in sending: looking finds what happened, without a restart.
func TestEndOfAttemptNotRecorded(t *testing.T) {
	for _, happens := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			h := w.hospital
			failed := false
			h.mortal.fail = func(by exchange.Happening) (bool, error) {
				if by == exchange.Proven && !failed {
					failed = true
					return happens, errors.New("database is locked")
				}
				return false, nil
			}
			d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
			p, ended := h.started()
			time.Sleep(time.Minute)
			p.Stop()
			must(t, <-ended)
			equal(t, "failed once", failed, true)
			equal(t, "state", h.row(d.ID).State, exchange.Delivered)
			w.standsOnce(h.row(d.ID), "after the fault")
		})
	}
}

// A partner that ends every attempt unclear is called at growing intervals, and
// not for ever.
func TestUnclearAgainAndAgain(t *testing.T) {
	for _, fault := range []error{channels.ErrSize, channels.ErrUnknown} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			h := w.hospital
			h.line.before = func(_ context.Context, op, name string) error {
				if op == "put" {
					return fault
				}
				return nil
			}
			d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
			begun := time.Now()
			h.finish()
			got := h.wants(d.ID, exchange.Held, exchange.TriesExhausted)
			equal(t, "attempts", got.Attempt, 5)
			if waited := time.Since(begun); waited < 15*time.Second {
				t.Errorf("five attempts within %s", waited)
			}
			h.line.before = nil
			h.operator()
			h.finish()
			h.wants(d.ID, exchange.Delivered, exchange.NoCause)
			w.standsOnce(h.row(d.ID), "released")
		})
	}
}

// A partner that does not answer at all is tried again for as long as it takes,
// and nothing counts as an attempt.
func TestPartnerDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		var down atomic.Bool
		down.Store(true)
		h.line.before = func(context.Context, string, string) error {
			if down.Load() {
				return channels.ErrLine
			}
			return nil
		}
		d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
		p, ended := h.started()
		time.Sleep(30 * time.Minute)
		got := h.row(d.ID)
		equal(t, "state", got.State, exchange.Sealed)
		equal(t, "attempts", got.Attempt, 0)
		events, err := h.ledger.Events(t.Context(), d.ID)
		must(t, err)
		if tries := len(h.line.did("list")); tries > 30*4 {
			t.Errorf("%d calls in half an hour", tries)
		}
		t.Logf("%d calls, %d lines of history", len(h.line.did("list")), len(events))
		down.Store(false)
		time.Sleep(5 * time.Minute)
		p.Stop()
		must(t, <-ended)
		equal(t, "when it is back", h.row(d.ID).State, exchange.Delivered)
		equal(t, "files", len(h.rows(store.Filter{})), 1)
	})
}
