package pipeline_test

import (
	"testing"

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
		w.annahme.run()
		w.hospital.run()
		got := w.hospital.row(d.ID)
		if got.State != exchange.Accepted {
			t.Fatal(w.hospital.story(), w.annahme.story())
		}
		must(t, w.annahme.back.look())
		equal(t, "handed over", w.annahme.back.got(content), 1)
		w.hospital.audit(1, 1)
		w.annahme.audit(1, 1)
		t.Log(w.hospital.line.points, w.hospital.mortal.writes, len(w.annahme.rows(store.Filter{})))
	})
}
