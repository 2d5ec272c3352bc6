package pipeline_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gateway301/channels"
	"gateway301/crypto/cms"
	"gateway301/crypto/keys"
	"gateway301/exchange"
	"gateway301/sample"
	"gateway301/store"
)

// lists makes the directory of a day: the insurer's certificates that are in the
// trust list, and those that the CRL of that day names.
func lists(t testing.TB, listed []string, revoked ...string) *keys.Directory {
	t.Helper()
	all, err := people()
	must(t, err)
	var certs []*x509.Certificate
	for _, name := range append([]string{"ca", nord, sued}, listed...) {
		certs = append(certs, all[name].Certificate)
	}
	o := keys.Options{MinBits: 2048}
	if len(revoked) > 0 {
		l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
		for _, name := range revoked {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: all[name].Certificate.SerialNumber, RevocationTime: time.Now()})
		}
		der, err := x509.CreateRevocationList(rand.Reader, l, all["ca"].Certificate, all["ca"].Key)
		must(t, err)
		crl, err := x509.ParseRevocationList(der)
		must(t, err)
		o.CRLs = []*x509.RevocationList{crl}
	}
	d, err := keys.NewDirectory([]*x509.Certificate{all["root"].Certificate}, certs, o)
	must(t, err)
	return d
}

func (g *gateway) lists(d *keys.Directory) { g.settings.Keys.(*ring).directory = d }

// happened counts a happening in the history of a delivery.
func (g *gateway) happened(d exchange.Delivery, what exchange.Happening) (n int) {
	events, err := g.ledger.Events(context.Background(), d.ID)
	must(g.t, err)
	for _, e := range events {
		if e.What == what {
			n++
		}
	}
	return n
}

// sealedFor tells for whom the payload is that stands at the partner.
func (w *world) sealedFor(d exchange.Delivery) string {
	w.t.Helper()
	f, err := os.Open(filepath.Join(w.in, d.TransferName))
	must(w.t, err)
	defer f.Close()
	recipients, err := cms.Recipients(f)
	must(w.t, err)
	for _, name := range []string{kasse, next, brief} {
		if recipients[0].Names(identity(w.t, name).Certificate) {
			return name
		}
	}
	return "somebody else"
}

// A file waits sealed for the partner's window. Meanwhile the certificate that it
// was sealed for is replaced, revoked, or ends: it goes out sealed anew if there
// is a better one, and not at all if there is none.
func TestSealedAnew(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after []string // the trust list
		revoked       []string
		minute        int    // at which the partner is called
		goesTo        string // for whom it is sealed then; empty: it is held
		why           string
	}{
		{"nothing changed", []string{kasse}, []string{kasse}, nil, 12, kasse, ""},
		{"replaced", []string{kasse}, []string{kasse, next}, nil, 12, next, "was replaced"},
		{"revoked, with a successor", []string{kasse}, []string{kasse, next}, []string{kasse}, 12, next, "was replaced"},
		{"revoked", []string{kasse}, []string{kasse}, []string{kasse}, 12, "", "revoked"},
		{"ended, with a successor", []string{brief}, []string{brief, next}, nil, 52, next, "ended on 2000-01-01"},
		{"ended", []string{brief}, []string{brief}, nil, 52, "", "expired"},
		{"gone from the list", []string{kasse}, nil, nil, 12, "", "no certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, h := windowed(t)
				h.lists(lists(t, c.before))
				d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
				h.run()
				equal(t, "state before the window", h.row(d.ID).State, exchange.Sealed)
				at(c.minute)
				h.lists(lists(t, c.after, c.revoked...))
				h.run()
				got := h.row(d.ID)
				anew := 0
				switch {
				case c.goesTo == "":
					equal(t, "state", got.State, exchange.Held)
					equal(t, "cause", got.Cause, exchange.KeyProblem)
					equal(t, "reason names it", strings.Contains(got.Reason, c.why), true)
					equal(t, "files at the partner", len(names(t, w.in)), 0)
				default:
					if c.why != "" {
						anew = 1
					}
					equal(t, "state", got.State, exchange.Delivered)
					equal(t, "sealed for", w.sealedFor(got), c.goesTo)
					w.standsOnce(got, "sealed anew")
				}
				equal(t, "sealed anew, in the history", h.happened(d, exchange.Outdated), anew)
				if t.Failed() {
					t.Log(h.story())
				}
			})
		})
	}
}

// A line that broke in the middle of the payload published nothing: the file is
// sealed anew and keeps its number.
func TestSealedAnewAfterABrokenLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		h.lists(lists(t, []string{kasse}))
		d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
		h.settings.Partners[0].Collects = false
		h.line.fault, h.line.at = fault{name: "line", err: channels.ErrLine}, 3 // while the payload is put
		h.run()
		broken := h.row(d.ID)
		equal(t, "state after the line broke", broken.State, exchange.Sealed)
		equal(t, "it has its number", broken.HasNumber(), true)
		h.lists(lists(t, []string{kasse, next}))
		h.finish()
		got := h.row(d.ID)
		equal(t, "state", got.State, exchange.Delivered)
		equal(t, "number", got.TransferName, broken.TransferName)
		equal(t, "sealed for", w.sealedFor(got), next)
		equal(t, "sealed anew", h.happened(d, exchange.Outdated), 1)
		w.standsOnce(got, "broken line")
	})
}

// Where the partner may have fetched the file already, other bytes under its name
// would be a second delivery: an operator decides, and a release seals it anew.
func TestNeverSealedAnewInDoubt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		h.settings.Partners[0].WhenVanished = exchange.VanishedResend
		h.lists(lists(t, []string{kasse}))
		d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
		h.settings.Partners[0].Collects = false
		h.line.fault, h.line.at = fault{name: "unknown", err: channels.ErrUnknown}, 7 // after the Auftragsdatei has its name
		h.line.before = func(_ context.Context, op, _ string) error {
			if op != "look" {
				return nil
			}
			for _, n := range names(t, w.in) { // fetched, before we look
				must(t, os.Remove(filepath.Join(w.in, n)))
			}
			h.lists(lists(t, []string{kasse, next}))
			return nil
		}
		h.finish()
		equal(t, "the line failed", h.line.fired, "after put TKRH0000.AUF")
		got := h.row(d.ID)
		equal(t, "state", got.State, exchange.Held)
		equal(t, "cause", got.Cause, exchange.KeyProblem)
		equal(t, "reason says what to do", strings.Contains(got.Reason, "ask the partner"), true)
		equal(t, "sealed anew", h.happened(d, exchange.Outdated), 0)
		if t.Failed() {
			t.Log(h.story())
		}
	})
}

// Every certificate of the hospital's ends in the night. What was received before
// is opened after it, whenever that is; what is received after it is not believed,
// however early it was signed.
func TestLastNightOfTheYear(t *testing.T) {
	for _, c := range []struct {
		name     string
		received int // minute
		opened   int
		want     exchange.State
	}{
		{"received and opened before", 12, 12, exchange.Accepted},
		{"received before, opened after", 12, 52, exchange.Accepted},
		{"received after", 52, 52, exchange.Held},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				id := identity(t, eve)
				w.hospital.settings.Keys.(*ring).own[nord] = keys.Own{Certificate: id.Certificate, Key: id.Key}
				content := file(t, sample.FileOptions{})
				d := w.hospital.take(nord, "aufn.edi", content)
				w.hospital.run()
				equal(t, "state at the hospital", w.hospital.row(d.ID).State, exchange.Delivered)
				at(c.received)
				a := w.annahme
				a.mortal.about = func(by exchange.Happening, _ ...int64) {
					if by == exchange.Arrived { // the process dies when it has the file
						a.mortal.dieAt, a.mortal.lands = a.mortal.writes+1, true
					}
				}
				if err := a.once(); err == nil {
					t.Fatal("it lives")
				}
				a.revive()
				got := a.rows(store.Filter{})
				equal(t, "rows at the Annahmestelle", len(got), 1)
				equal(t, "state when the night begins", got[0].State, exchange.Received)
				at(c.opened)
				a.mortal.about = nil
				a.finish()
				must(t, a.back.look())
				got[0] = a.row(got[0].ID)
				equal(t, "state", got[0].State, c.want)
				if c.want == exchange.Held {
					equal(t, "cause", got[0].Cause, exchange.CannotOpen)
					equal(t, "reason names it", strings.Contains(got[0].Reason, "expired"), true)
					equal(t, "handed over", a.back.got(content), 0)
				} else {
					equal(t, "handed over", a.back.got(content), 1)
				}
				if t.Failed() {
					t.Log(a.story())
				}
			})
		})
	}
}

// That a key ends is told once for each stage, also over restarts, and while the
// service is up.
func TestEndingsAreToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		var log bytes.Buffer
		h.settings.Log = zerolog.New(zerolog.SyncWriter(&log))
		end := time.Now().AddDate(0, 0, 32)
		h.settings.Endings = func(now time.Time) []exchange.Notice {
			stage := keys.StageAt(end, now)
			if stage == keys.Fresh {
				return nil
			}
			return []exchange.Notice{{Subject: "own 260500005 1", Stage: int(stage), At: now, Text: "own key ends"}}
		}
		h.run()
		h.run()
		p, ended := h.started()
		time.Sleep(10 * 24 * time.Hour) // 22 days are left then
		p.Stop()
		must(t, <-ended)
		h.run()
		all, err := h.ledger.Notices(t.Context())
		must(t, err)
		equal(t, "notices", len(all), 2)
		equal(t, "stage of the first", all[0].Stage, 90)
		equal(t, "stage of the second", all[1].Stage, 30)
		equal(t, "told in the log", strings.Count(log.String(), "own key ends"), 2)
	})
}
