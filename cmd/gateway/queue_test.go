package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gateway301/config"
	"gateway301/exchange"
	"gateway301/store"
)

// What we write ourselves, answers and the good messages of a split file, is written
// again when it is released: it never was in an outbox, so that it must not be
// checked and routed like a file of one.
func TestReleaseOfWhatWeWrite(t *testing.T) {
	ledger, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	for name, c := range map[string]struct {
		d    exchange.Delivery
		by   exchange.Happening
		want exchange.State
	}{
		"answer": {exchange.Delivery{Kind: exchange.Answer, Draft: []byte("[]")}, exchange.Drafting, exchange.Drafted},
		"split":  {exchange.Delivery{Kind: exchange.File, Draft: []byte("[2]")}, exchange.Drafting, exchange.Drafted},
		"file":   {exchange.Delivery{Kind: exchange.File}, exchange.TookOver, exchange.Taken},
	} {
		for _, cause := range []exchange.Cause{exchange.KeyProblem, exchange.SpoolDamaged} {
			c.d.Intake, c.d.Direction, c.d.TakenAt = name+string(cause), exchange.Out, time.Now()
			d, err := ledger.Take(t.Context(), c.d, c.by, "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ledger.Apply(t.Context(), exchange.Move{ID: d.ID, From: d.State, By: exchange.Holding, At: time.Now(), Cause: cause}); err != nil {
				t.Fatal(err)
			}
			cmd := newQueueCommand()
			cmd.SetContext(t.Context())
			cmd.SetErr(io.Discard)
			o := &operating{cfg: &config.File{}, now: time.Now(), consent: consent{reason: "mended", yes: true}}
			release := operations()[slices.IndexFunc(operations(), func(op operation) bool { return op.name == "release" })]
			if err := o.run(cmd, ledger, release, []string{fmt.Sprint(d.ID)}); err != nil {
				t.Fatal(err)
			}
			if row, err := ledger.Delivery(t.Context(), d.ID); err != nil || row.State != c.want {
				t.Errorf("%s held for %s: %s, %v; want %s", name, cause, row.State, err, c.want)
			}
		}
	}
}
