package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gateway301/annex"
	"gateway301/channels"
	"gateway301/channels/folder"
	"gateway301/exchange"
	"gateway301/sample"
	"gateway301/store"
)

// A whole night without a fault: the measure for all others.
func TestNight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		content := file(t, sample.FileOptions{Messages: 2})
		d := w.hospital.take(nord, "aufn.edi", content)
		w.hospital.run()
		equal(t, "state", w.hospital.row(d.ID).State, exchange.Delivered)
		w.confirmed(d, content)
	})
}

// confirmed lets the Annahmestelle work and the hospital fetch its answer, and
// checks that the file went the whole road once.
func (w *world) confirmed(d exchange.Delivery, content []byte) {
	w.t.Helper()
	w.annahme.finish()
	must(w.t, w.annahme.back.look())
	equal(w.t, "handed over", w.annahme.back.got(content), 1)
	w.hospital.finish()
	if got := w.hospital.row(d.ID); got.State != exchange.Accepted || got.Answer != string(exchange.VerdictAccepted) {
		w.t.Errorf("the answer says accepted, the delivery is %s%s", got.State, w.hospital.story())
	}
	w.hospital.audit(1, 1)
	w.annahme.audit(1, 1)
}

// The n-th point of the channel fails once while a file is sent, for every n and
// every fault. After it, and after what an operator does where the state asks for
// one, the partner has the file exactly once, under one number.
func TestSendingWithOneFault(t *testing.T) {
	for i, f := range faults() {
		if i%every != every-1 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			runs, held := 0, 0
			for n, struck := 1, true; struck; n++ {
				bubble(t, func(t *testing.T) {
					var h int
					h, struck = sendWithFault(t, f, n)
					held += h
				})
				if struck {
					runs++
				}
				if t.Failed() {
					t.Fatalf("at point %d", n)
				}
			}
			if runs < 6 {
				t.Errorf("the fault struck only %d times", runs)
			}
			t.Logf("%d runs, %d of them needed an operator", runs, held)
		})
	}
}

func sendWithFault(t *testing.T, f fault, n int) (held int, struck bool) {
	w := newWorld(t)
	h := w.hospital
	h.settings.Partners[0].Collects = false
	content := file(t, sample.FileOptions{})
	d := h.take(nord, "aufn.edi", content)
	h.line.at, h.line.fault = n, f
	if err := h.once(); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%s: %v", h.line.fired, err)
	}
	if h.line.fired == "" {
		return 0, false
	}
	for range 3 {
		h.finish()
		if d = h.row(d.ID); d.State == exchange.Delivered {
			break
		}
		held += h.operator()
	}
	if d.State != exchange.Delivered {
		t.Errorf("%s: ended %s%s", h.line.fired, d.State, h.story())
		return held, true
	}
	w.standsOnce(d, h.line.fired)
	if h.line.puts[d.TransferName+annex.AUFSuffix] < 1 {
		t.Errorf("%s: the Auftragsdatei was never put", h.line.fired)
	}
	// Contract: nothing stands after an error other than these, so nobody has to be asked.
	if held > 0 && (f.err == channels.ErrLine || f.err == channels.ErrFull || f.cancel) {
		t.Errorf("%s: %s needed an operator%s", h.line.fired, f.name, h.story())
	}
	h.audit(1, 0)
	return held, true
}

// standsOnce makes sure that the partner's folder holds one pair and nothing
// else, its first number, with the bytes that were sealed.
func (w *world) standsOnce(d exchange.Delivery, when string) {
	w.t.Helper()
	want := annex.TransferName(annex.VerfahrenTest, 0)
	if got := names(w.t, w.in); len(got) != 2 || got[0] != want || got[1] != want+annex.AUFSuffix {
		w.t.Errorf("%s: the partner has %v%s", when, got, w.hospital.story())
		return
	}
	equal(w.t, when+": transfer name", d.TransferName, want)
	w.pairStands(w.in, want)
	payload, err := os.ReadFile(w.in + "/" + want)
	must(w.t, err)
	equal(w.t, when+": sealed bytes", string(payload), string(w.hospital.read(d, "sealed")))
}

// Where the line failed at the last moment, what arrived is opened, handed over
// and answered all the same.
func TestAnsweredAfterUnknownOutcome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		content := file(t, sample.FileOptions{Messages: 2})
		d := h.take(nord, "aufn.edi", content)
		h.line.at, h.line.fault = 7, fault{err: channels.ErrUnknown}
		h.finish()
		equal(t, "where it struck", h.line.fired, "after put TKRH0000.AUF")
		w.confirmed(d, content)
		equal(t, "attempts", h.row(d.ID).Attempt, 1)
	})
}

// The n-th point of the channel fails once while a pair is fetched. It is taken
// over once, handed over once, and removed at the partner.
func TestFetchingWithOneFault(t *testing.T) {
	for i, f := range faults() {
		if errors.Is(f.err, channels.ErrUnknown) || f.left || i%every != every-1 {
			continue // of Put alone
		}
		t.Run(f.name, func(t *testing.T) {
			runs := 0
			for n, struck := 1, true; struck; n++ {
				bubble(t, func(t *testing.T) { struck = fetchWithFault(t, f, n) })
				if struck {
					runs++
				}
				if t.Failed() {
					t.Fatalf("at point %d", n)
				}
			}
			if runs < 9 {
				t.Errorf("the fault struck only %d times", runs)
			}
			t.Logf("%d runs", runs)
		})
	}
}

func fetchWithFault(t *testing.T, f fault, n int) (struck bool) {
	w := newWorld(t)
	a := w.annahme
	a.settings.Partners[0].Positive = false
	content := file(t, sample.FileOptions{})
	lay(t, w.in, parcel{plain: content})
	a.line.at, a.line.fault = n, f
	// A fault of ours is an error of the run, one of the partner is not.
	switch err := a.once(); {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, channels.ErrLocal), errors.Is(err, channels.ErrClosed):
	default:
		t.Errorf("%s: the partner's fault ended the run: %v", a.line.fired, err)
	}
	if a.line.fired == "" {
		return false
	}
	a.operator()
	a.finish()
	must(t, a.back.look())
	if n := a.back.got(content); n != 1 {
		t.Errorf("%s: handed over %d times%s", a.line.fired, n, a.story())
	}
	if left := names(t, w.in); len(left) != 0 {
		t.Errorf("%s: not removed at the partner: %v", a.line.fired, left)
	}
	a.audit(0, 1)
	equal(t, "accepted", len(a.rows(store.Filter{States: []exchange.State{exchange.Accepted}})), 1)
	return true
}

// A file that cannot be fetched keeps none behind it from being fetched.
func TestOneBadFileHoldsUpNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.annahme
		content := file(t, sample.FileOptions{})
		lay(t, w.in, parcel{name: "TKRH0001", plain: []byte("x"), order: annex.Auftragsdatei{Dateiname: "KRH00000009"}})
		lay(t, w.in, parcel{name: "TKRH0002", plain: content})
		a.line.before = func(_ context.Context, op, name string) error {
			if op == "get" && name == "TKRH0001" {
				return channels.ErrRefused
			}
			return nil
		}
		a.run()
		must(t, a.back.look())
		equal(t, "handed over", a.back.got(content), 1)
		equal(t, "left in place", len(names(t, w.in)), 2)
	})
}

// A foreign file appears under our name between our look and our publication. It
// is never replaced and never taken for ours, not after a release either.
func TestForeignFileUnderOurName(t *testing.T) {
	for _, auf := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			h := w.hospital
			d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
			var foreigner string
			h.line.before = func(_ context.Context, op, name string) error {
				if op == "put" && isAUF(name) == auf && foreigner == "" {
					foreigner = filepath.Join(w.in, name)
					size := annex.AuftragsdateiSize
					if !auf {
						size = int(h.row(d.ID).SealedSize)
					}
					must(t, os.WriteFile(foreigner, make([]byte, size), 0o600))
				}
				return nil
			}
			h.finish()
			h.wants(d.ID, exchange.Held, exchange.NameTaken)
			h.operator()
			h.finish()
			content, err := os.ReadFile(foreigner)
			must(t, err)
			if len(bytes.Trim(content, "\x00")) != 0 {
				t.Error("the foreign file was replaced")
			}
			if auf { // our payload stands there: the number stays, and somebody must clear the name
				h.wants(d.ID, exchange.Held, exchange.NameTaken)
				must(t, os.Remove(foreigner))
				h.operator()
				h.finish()
			}
			got := h.wants(d.ID, exchange.Delivered, exchange.NoCause)
			want := "TKRH0001" // another number than the foreign file has
			if auf {
				want = "TKRH0000"
			}
			equal(t, "transfer name", got.TransferName, want)
			w.pairStands(w.in, got.TransferName)
		})
	}
}

// Where the partner forbids temporary names, a cut can leave half an
// Auftragsdatei under its final name. It is ours, and is written anew.
func TestHalfAnAuftragsdateiWithoutTemporaryNames(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		way, err := folder.New(folder.Settings{OutDir: w.in, InDir: w.out, Temporary: channels.Temporary{Kind: channels.None}})
		must(t, err)
		h.line.Channel = way
		d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
		h.line.at, h.line.fault = 7, fault{err: channels.ErrUnknown}
		h.line.after = func(_, name string) {
			if isAUF(name) {
				must(t, os.Truncate(filepath.Join(w.in, name), 100))
				h.line.after = nil
			}
		}
		h.finish()
		got := h.wants(d.ID, exchange.Delivered, exchange.NoCause)
		w.standsOnce(got, "after the cut")
	})
}
