package pipeline_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"gateway301/annex"
	"gateway301/exchange"
	"gateway301/sample"
	"gateway301/store"
)

// splitting makes a hospital whose partner agreed to get the good messages alone,
// and takes a file of three messages, of which the second is bad.
func splitting(t *testing.T) (*world, exchange.Delivery, []byte) {
	t.Helper()
	w := newWorld(t)
	known, stranger := sample.KVNR(1), sample.KVNR(2)
	w.hospital.settings.Checks = insured(t, known)
	w.hospital.settings.Partners[0].OnFindings[4] = exchange.FindingsSplit
	w.annahme.settings.Partners[0].Severities = map[string]annex.Severity{"10060": annex.Warning}
	content := file(t, sample.FileOptions{Insured: []string{known, stranger, known}, Messages: 3})
	var good bytes.Buffer
	_, err := annex.CopyWithout(&good, bytes.NewReader(content), func(n int64) bool { return n == 2 })
	must(t, err)
	return w, w.hospital.take(nord, "file.edi", content), good.Bytes()
}

// The process dies at its n-th write to the ledger, for every n, while it splits a
// file. The file and its good messages are one row each afterwards, whatever was
// lost, and the good messages are handed over once.
func TestDeathWhileSplitting(t *testing.T) {
	for _, lands := range []bool{false, true} {
		for n, struck := 1, true; struck; n += every {
			bubble(t, func(t *testing.T) {
				w, d, good := splitting(t)
				h := w.hospital
				h.mortal.dieAt, h.mortal.lands = n, lands
				for range 4 {
					for _, g := range []*gateway{h, w.annahme} {
						if err := g.once(); g.mortal.isDead() {
							g.revive()
							g.run()
						} else if err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(time.Minute)
				}
				struck = h.mortal.struck != ""
				if got := h.row(d.ID); got.State != exchange.Rejected || got.Cause != exchange.PartlyRefused {
					t.Errorf("the file is %s %s", got.State, got.Reason)
				}
				rows := h.rows(store.Filter{Direction: exchange.Out})
				equal(t, "rows", len(rows), 2)
				equal(t, "parts", count(rows, func(p exchange.Delivery) bool {
					return p.Replaces == d.ID && p.State == exchange.Accepted && p.Envelope.Messages == 2
				}), 1)
				must(t, w.annahme.back.look())
				equal(t, "handed over", w.annahme.back.got(good), 1)
				equal(t, "inbox", len(w.annahme.back.taken), 1)
				if t.Failed() {
					t.Logf("killed at write %d, lands %v, %q%s", n, lands, h.mortal.struck, h.story())
				}
			})
			if t.Failed() {
				return
			}
		}
	}
}

// Bytes of the spool that are not those taken over are never split off and sent.
func TestSplitOfDamagedBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d, _ := splitting(t)
		h := w.hospital
		h.mortal.done = func(by exchange.Happening, row exchange.Delivery) {
			if by != exchange.Refused {
				return
			}
			path, err := h.spool.Path(d.Intake, "plain")
			must(t, err)
			content, err := os.ReadFile(path)
			must(t, err)
			damaged := bytes.Replace(content, []byte("DPV+1999"), []byte("DPV+1998"), 1)
			equal(t, "no damage is done", bytes.Equal(damaged, content), false)
			must(t, os.WriteFile(path, damaged, 0o600))
		}
		h.run()
		rows := h.rows(store.Filter{Direction: exchange.Out})
		equal(t, "rows", len(rows), 2)
		part := rows[0]
		if part.ID == d.ID {
			part = rows[1]
		}
		if part.State != exchange.Held || part.Cause != exchange.SpoolDamaged {
			t.Errorf("the part is %s %s%s", part.State, part.Reason, h.story())
		}
		equal(t, "published", len(names(t, w.in)), 0)
	})
}

// What our own check finds in a file that is to be sent does what the row says, by
// stage, and a list of what the house itself checks is asked only where it says so.
func TestOnFindings(t *testing.T) {
	for _, c := range []struct {
		choice exchange.OnFindings
		state  exchange.State
		cause  exchange.Cause
		part   int
	}{
		{exchange.NotAsked, exchange.Delivered, exchange.NoCause, 0},
		{exchange.FindingsSend, exchange.Delivered, exchange.NoCause, 0},
		{exchange.FindingsHold, exchange.Rejected, exchange.ByCheck, 0},
		{exchange.FindingsSplit, exchange.Rejected, exchange.PartlyRefused, 1},
	} {
		t.Run(fmt.Sprintf("%q", c.choice), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, d, _ := splitting(t)
				h := w.hospital
				h.settings.Partners[0].OnFindings[4] = c.choice
				h.run()
				if got := h.row(d.ID); got.State != c.state || got.Cause != c.cause {
					t.Errorf("%s %s %q", got.State, got.Cause, got.Reason)
				}
				equal(t, "parts", len(h.rows(store.Filter{Direction: exchange.Out}))-1, c.part)
				equal(t, "findings are kept", h.spool.Has(d.Intake, "findings.json"), c.choice != exchange.NotAsked)
			})
		})
	}
}
