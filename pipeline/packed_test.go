package pipeline_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gateway301/annex"
	"gateway301/exchange"
	"gateway301/sample"
	"gateway301/store"
)

// A file is packed before it is sealed where that was agreed, and what says so in the
// Auftragsdatei is what was sealed, even when the row says something else since.
// What a sender says wrongly about a packed payload holds it, and costs no more than
// what it said.
func TestPacked(t *testing.T) {
	for _, c := range []struct {
		name         string
		sends, takes bool
		largest      int64
		alter        func(*annex.Auftragsdatei)
		state        exchange.State
		cause        exchange.Cause
		reason       string
	}{
		{name: "agreed", sends: true, takes: true, state: exchange.Accepted},
		{name: "not used", takes: true, state: exchange.Accepted},
		{name: "not agreed", sends: true, state: exchange.Held, cause: exchange.BadOrder, reason: "compression 02 was not agreed"},
		{name: "larger than agreed", sends: true, takes: true, largest: 400, state: exchange.Held, cause: exchange.Oversize, reason: "more than the 400 of max-size"},
		{name: "smaller than it is", sends: true, takes: true, alter: func(a *annex.Auftragsdatei) { a.GroesseNutzdaten-- },
			state: exchange.Held, cause: exchange.BadOrder, reason: annex.ErrUnpackedSize.Error()},
		{name: "larger than it is", sends: true, takes: true, alter: func(a *annex.Auftragsdatei) { a.GroesseNutzdaten++ },
			state: exchange.Held, cause: exchange.BadOrder, reason: annex.ErrUnpackedSize.Error()},
		{name: "not packed at all", takes: true, alter: func(a *annex.Auftragsdatei) { a.Komprimierung = annex.KomprimierungGzip },
			state: exchange.Held, cause: exchange.BadOrder, reason: "the payload cannot be unpacked"},
		{name: "packed in secret", sends: true, takes: true, alter: func(a *annex.Auftragsdatei) { a.Komprimierung = annex.KomprimierungNone },
			state: exchange.Held, cause: exchange.BadOrder, reason: "DATEIGRÖSSE_NUTZDATEN says"},
		{name: "another Verfahren", takes: true, alter: func(a *annex.Auftragsdatei) { a.Verfahren = "TSOL0" },
			state: exchange.Held, cause: exchange.BadOrder, reason: "Verfahren TSOL0 was not agreed, but TKRH0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.hospital.settings.Partners[0].Gzip, w.annahme.settings.Partners[0].Gzip = c.sends, c.takes
				w.annahme.settings.Partners[0].MaxSize = c.largest
				h := w.hospital
				h.mortal.done = func(by exchange.Happening, _ exchange.Delivery) {
					if by == exchange.WasSealed {
						h.settings.Partners[0].Gzip = !c.sends
					}
				}
				content := file(t, sample.FileOptions{Messages: 20})
				h.take(nord, "file.edi", content)
				h.run()
				h.mortal.done = nil
				path := filepath.Join(w.in, "TKRH0000"+annex.AUFSuffix)
				raw, err := os.ReadFile(path)
				must(t, err)
				auf, _, err := annex.ParseAuftragsdatei(raw)
				must(t, err)
				packed := auf.Komprimierung == annex.KomprimierungGzip
				if packed != c.sends || auf.GroesseNutzdaten != int64(len(content)) || packed != (auf.GroesseUebertragung < int64(len(content))) {
					t.Fatalf("%+v, of %d bytes", auf, len(content))
				}
				if c.alter != nil {
					c.alter(&auf)
					raw, err = auf.Encode()
					must(t, err)
					must(t, os.WriteFile(path, raw, 0o600))
					must(t, os.Rename(strings.TrimSuffix(path, annex.AUFSuffix), filepath.Join(w.in, auf.TransferName())))
					must(t, os.Rename(path, filepath.Join(w.in, auf.TransferName()+annex.AUFSuffix)))
				}
				time.Sleep(time.Minute)
				w.annahme.run()
				in := w.annahme.rows(store.Filter{Direction: exchange.In})
				if len(in) != 1 || in[0].State != c.state || in[0].Cause != c.cause || !strings.Contains(in[0].Reason, c.reason) {
					t.Fatal(w.annahme.story())
				}
				must(t, w.annahme.back.look())
				if c.state == exchange.Accepted {
					equal(t, "handed over", w.annahme.back.got(content), 1)
				}
				if got, err := os.ReadFile(filepath.Join(filepath.Dir(w.in), "annahme", "spool", in[0].Intake, "plain")); err == nil && c.state == exchange.Held && bytes.Equal(got, content) {
					t.Error("it was unpacked all the same")
				}
				equal(t, "the packed file is left", w.annahme.spool.Has(in[0].Intake, "packed") && c.state == exchange.Accepted, false)
			})
		})
	}
}
