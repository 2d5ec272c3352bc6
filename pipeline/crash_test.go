package pipeline_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"gateway301/annex"
	"gateway301/exchange"
	"gateway301/sample"
	"gateway301/store"
)

// A passage is one thing that travels, and where it must end.
type passage struct {
	name     string
	dies     func(*world) *gateway
	from     func(*world) *gateway // whose outbox
	file     sample.FileOptions
	insured  []string // whom the Annahmestelle knows; nil: everyone
	positive bool
	end      exchange.State // of the outbound delivery
	answers  int
	handed   int  // files in the other side's inbox
	late     bool // worth the partner's working before the restart, too
}

func passages() []passage {
	hospital := func(w *world) *gateway { return w.hospital }
	annahme := func(w *world) *gateway { return w.annahme }
	known, stranger := sample.KVNR(1), sample.KVNR(2)
	return []passage{
		{name: "sender of a good file", dies: hospital, from: hospital, positive: true, late: true,
			end: exchange.Accepted, answers: 1, handed: 1},
		{name: "receiver of a good file", dies: annahme, from: hospital, positive: true,
			end: exchange.Accepted, answers: 1, handed: 1},
		{name: "receiver of a refused file", late: true, dies: annahme, from: hospital, insured: []string{known},
			file: sample.FileOptions{Insured: []string{stranger}}, end: exchange.Rejected, answers: 1},
		{name: "receiver of a partly refused file", dies: annahme, from: hospital, insured: []string{known},
			file: sample.FileOptions{Insured: []string{known, stranger, known}, Messages: 3}, end: exchange.Rejected, answers: 1, handed: 1},
		{name: "sender of a refused file", dies: hospital, from: hospital, insured: []string{known},
			file: sample.FileOptions{Insured: []string{stranger}}, end: exchange.Rejected, answers: 1},
		{name: "receiver of a business answer", dies: hospital, from: annahme,
			file: sample.FileOptions{Type: "KOUB", Sender: kasse, Recipient: nord}, end: exchange.Uncontested, handed: 1},
	}
}

// The process dies at its n-th write to the ledger, for every n; the write is
// there after the restart, or it is not. The restart comes at once, or only when
// the partner has been at work. Nothing is lost and nothing happens twice; and
// nobody has to be asked, unless the partner has fetched what we did not see appear.
func TestDeathAtEveryWrite(t *testing.T) {
	offset := 0
	for i, p := range passages() {
		for _, v := range []struct {
			name        string
			lands, late bool
		}{
			{"lost, restart at once", false, false},
			{"lost, restart late", false, true},
			{"written, restart at once", true, false},
			{"written, restart late", true, true},
		} {
			if v.late && !p.late || every > 1 && (v.late || i%2 == 0) {
				continue
			}
			t.Run(p.name+", "+v.name, func(t *testing.T) {
				kills := 0
				offset++
				for n, struck := 1+offset%every, true; struck; n += every {
					bubble(t, func(t *testing.T) {
						w := newWorld(t)
						w.travel(p, n, v.lands, v.late)
						struck = p.dies(w).mortal.struck != ""
						if t.Failed() {
							t.Logf("killed at write %d, %q%s\nother side:%s", n, p.dies(w).mortal.struck, w.hospital.story(), w.annahme.story())
						}
					})
					if struck {
						kills++
					}
					if t.Failed() {
						return
					}
				}
				if kills < 5/every {
					t.Errorf("killed only %d times", kills)
				}
				t.Logf("%d kills", kills)
			})
		}
	}
}

func (w *world) travel(p passage, n int, lands, late bool) {
	t := w.t
	w.annahme.settings.Partners[0].Positive = p.positive
	if p.insured != nil {
		w.annahme.settings.Checks = insured(t, p.insured...)
	}
	for _, g := range []*gateway{w.hospital, w.annahme} {
		promised := g.mortal.about
		g.mortal.about = func(by exchange.Happening, ids ...int64) {
			promised(by, ids...)
			if by == exchange.HandedOver { // the back end takes it before we know
				must(t, g.back.look())
			}
		}
	}
	p.file.Created = time.Now().In(berlin())
	content := file(t, p.file)
	from, account := p.from(w), nord
	to := w.annahme
	if from == w.annahme {
		account, to = kasse, w.hospital
	}
	d := from.take(account, "file.edi", content)
	victim := p.dies(w)
	victim.mortal.dieAt, victim.mortal.lands = n, lands
	for range 3 {
		for _, g := range []*gateway{w.hospital, w.annahme} {
			err := g.once()
			switch {
			case g.mortal.isDead():
				g.revive()
				if !late {
					g.run()
				}
			case err != nil:
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
	}
	w.vouch(victim, late && !lands)
	if got := from.row(d.ID); got.State != p.end {
		t.Errorf("ended %s %s %q, want %s", got.State, got.Cause, got.Reason, p.end)
	}
	must(t, to.back.look())
	if p.handed == 1 && p.end != exchange.Rejected {
		equal(t, "the very file handed over", to.back.got(content), 1)
	}
	equal(t, "inbox", len(to.back.taken), p.handed)
	if p.handed == 1 && p.end == exchange.Rejected {
		equal(t, "lists beside what was handed over", len(to.back.lists), 1)
	}
	for name, copies := range to.back.taken {
		if len(copies) != 1 {
			t.Errorf("%s was handed over %d times", name, len(copies))
		}
	}
	// One row each: for the file on both sides, for the answer on both sides.
	equal(t, "answers written", count(to.rows(store.Filter{Direction: exchange.Out}), isAnswer), p.answers)
	from.audit(1, p.answers)
	to.audit(p.answers, 1)
	for _, dir := range []string{w.in, w.out} {
		if left := names(t, dir); len(left) != 0 {
			t.Errorf("left between the two: %v", left)
		}
	}
	for _, g := range []*gateway{w.hospital, w.annahme} {
		for _, d := range g.rows(store.Filter{}) {
			if d.State.Class() == exchange.InWork || d.State == exchange.Held {
				t.Errorf("delivery %d is %s: %s", d.ID, d.State, d.Reason)
			}
			if d.TransferName != "" && d.TransferNumber != 0 {
				t.Errorf("delivery %d used a second number: %s", d.ID, d.TransferName)
			}
		}
	}
}

// vouch does what an operator does with an unknown outcome: asks the other side,
// which has it. This may be needed after a death between publication and its
// record alone.
func (w *world) vouch(g *gateway, allowed bool) {
	w.t.Helper()
	other := w.hospital
	if g == w.hospital {
		other = w.annahme
	}
	for _, d := range g.rows(store.Filter{States: []exchange.State{exchange.Held}}) {
		if !allowed || d.Cause != exchange.OutcomeUnknown || g.mortal.struck != string(exchange.Proven) {
			continue // stays held, and is found
		}
		equal(w.t, "the other side has it", count(other.rows(store.Filter{Direction: exchange.In}), func(in exchange.Delivery) bool {
			return in.TransferName == d.TransferName && in.Created == d.Created
		}), 1)
		now := time.Now()
		_, err := g.ledger.Apply(w.t.Context(), exchange.Move{ID: d.ID, From: d.State, By: exchange.Vouched, At: now, Due: now,
			Cause: exchange.ByHand, Text: "asked by phone"})
		must(w.t, err)
		g.run()
	}
}

func isAnswer(d exchange.Delivery) bool { return d.Kind == exchange.Answer }

// insured is the payer's check for a list of insured persons.
func insured(t testing.TB, numbers ...string) func() ([]annex.MessageCheck, error) {
	t.Helper()
	var list bytes.Buffer
	for _, n := range numbers {
		fmt.Fprintln(&list, n)
	}
	known, err := annex.LoadInsured(&list)
	must(t, err)
	return func() ([]annex.MessageCheck, error) { return []annex.MessageCheck{known}, nil }
}
