package pipeline_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gateway301/annex"
	"gateway301/channels"
	"gateway301/exchange"
	"gateway301/pipeline"
	"gateway301/sample"
	"gateway301/store"
)

// sent brings one file as far as the partner's folder.
func (w *world) sent(name string, o sample.FileOptions) exchange.Delivery {
	w.t.Helper()
	d := w.hospital.take(nord, name, file(w.t, o))
	w.hospital.run()
	if d = w.hospital.row(d.ID); d.State != exchange.Delivered {
		w.t.Fatal("not delivered", w.hospital.story())
	}
	return d
}

// fetched lets the hospital fetch what was laid for it, and returns the row of the latest.
func (w *world) fetched() exchange.Delivery {
	w.t.Helper()
	w.hospital.run()
	in := w.hospital.rows(store.Filter{Direction: exchange.In})
	if len(in) == 0 {
		w.t.Fatal("nothing was fetched", w.hospital.story())
	}
	if left := names(w.t, w.out); len(left) != 0 {
		w.t.Errorf("left at the partner: %v", left)
	}
	return in[len(in)-1]
}

func (g *gateway) wants(id int64, state exchange.State, cause exchange.Cause) exchange.Delivery {
	g.t.Helper()
	d := g.row(id)
	if d.State != state || d.Cause != cause {
		g.t.Errorf("delivery %d is %s (%q), want %s (%q)%s", id, d.State, d.Cause, state, cause, g.story())
	}
	return d
}

// An answer that comes again, in the same bytes or sealed anew, changes nothing.
// One that says the opposite holds itself, and not the delivery.
func TestAnswersRepeatedAndContradicting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.sent("aufn.edi", sample.FileOptions{})
		no := fehl(t, annex.Envelope{}, "10061", "nein")
		w.answer("TKRH0001", no, annex.Auftragsdatei{})
		same := map[string][]byte{}
		for _, name := range names(t, w.out) {
			b, err := os.ReadFile(filepath.Join(w.out, name))
			must(t, err)
			same[name] = b
		}
		w.hospital.wants(w.fetched().ID, exchange.Accepted, exchange.NoCause)
		w.hospital.wants(d.ID, exchange.Rejected, exchange.ByPartner)

		time.Sleep(time.Hour)
		for name, b := range same {
			must(t, os.WriteFile(filepath.Join(w.out, name), b, 0o600))
		}
		w.hospital.wants(w.fetched().ID, exchange.Accepted, exchange.Duplicate)
		w.hospital.wants(d.ID, exchange.Rejected, exchange.ByPartner)

		w.answer("TKRH0002", no, annex.Auftragsdatei{})
		w.hospital.wants(w.fetched().ID, exchange.Accepted, exchange.NoCause)
		w.hospital.wants(d.ID, exchange.Rejected, exchange.ByPartner)

		time.Sleep(time.Hour)
		w.answer("TKRH0003", fehl(t, annex.Envelope{Reference: "00002"}, positive, "doch"), annex.Auftragsdatei{})
		w.hospital.wants(w.fetched().ID, exchange.Held, exchange.Contradicts)
		if got := w.hospital.wants(d.ID, exchange.Rejected, exchange.ByPartner); !strings.Contains(got.Answer, "nein") {
			t.Errorf("the first answer was overwritten: %q", got.Answer)
		}
		w.hospital.audit(1, 4)
	})
}

// Silence was taken for assent; a late rejection still counts.
func TestLateRejection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.hospital.settings.Partners[0].Answers = exchange.AnswersErrorsOnly
		d := w.sent("aufn.edi", sample.FileOptions{})
		time.Sleep(47 * time.Hour)
		w.hospital.run()
		w.hospital.wants(d.ID, exchange.Delivered, exchange.NoCause)
		time.Sleep(2 * time.Hour)
		w.hospital.run()
		w.hospital.wants(d.ID, exchange.Uncontested, exchange.NoCause)
		w.answer("TKRH0001", fehl(t, annex.Envelope{}, "10061", "nein"), annex.Auftragsdatei{})
		w.fetched()
		w.hospital.wants(d.ID, exchange.Rejected, exchange.ByPartner)
	})
}

// An answer that names nothing of ours, or two of ours, is held and decides nothing.
func TestAnswersOrphanAndAmbiguous(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.sent("a.edi", sample.FileOptions{ApplicationRef: "KRH00000001", Reference: 1})
		b := w.sent("b.edi", sample.FileOptions{ApplicationRef: "KRH00000001", Reference: 2})
		w.answer("TKRH0001", fehl(t, annex.Envelope{ApplicationRef: "KRH00000077"}, "10061", "nein"), annex.Auftragsdatei{Dateiname: "KRH00000077"})
		w.hospital.wants(w.fetched().ID, exchange.Held, exchange.Orphan)
		time.Sleep(time.Minute)
		w.answer("TKRH0002", fehl(t, annex.Envelope{Reference: "00002"}, "10061", "nein"), annex.Auftragsdatei{})
		w.hospital.wants(w.fetched().ID, exchange.Held, exchange.Ambiguous)
		for _, d := range []exchange.Delivery{a, b} {
			w.hospital.wants(d.ID, exchange.Delivered, exchange.NoCause)
		}
		if sent := w.hospital.rows(store.Filter{Direction: exchange.Out}); len(sent) != 2 {
			t.Error("a FEHL was answered", w.hospital.story())
		}
	})
}

// A corrected file repeats the Anwendungsreferenz of the rejected one: the answer
// is for the one that still waits, and the history ties both together.
func TestAnswerForTheCorrectedFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		wrong := w.sent("aufn.edi", sample.FileOptions{Reference: 1, ApplicationRef: "KRH00000001"})
		w.answer("TKRH0001", fehl(t, annex.Envelope{}, "10061", "nein"), annex.Auftragsdatei{})
		w.fetched()
		right := w.sent("aufn.edi", sample.FileOptions{Reference: 2, ApplicationRef: "KRH00000001", Seed: 7})
		equal(t, "replaces", right.Replaces, wrong.ID)
		time.Sleep(time.Minute)
		w.answer("TKRH0002", fehl(t, annex.Envelope{Reference: "00002"}, positive, "ja"), annex.Auftragsdatei{})
		w.fetched()
		w.hospital.wants(wrong.ID, exchange.Rejected, exchange.ByPartner)
		w.hospital.wants(right.ID, exchange.Accepted, exchange.NoCause)
	})
}

// An answer may come before our attempt has ended: the partner was faster than
// the proof. It waits, and then counts.
func TestAnswerWhileStillSending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
		h.line.after = func(_, name string) {
			if isAUF(name) {
				w.answer("TKRH0009", fehl(t, annex.Envelope{}, positive, "ja"), annex.Auftragsdatei{})
				time.Sleep(35 * time.Second) // it is fetched every 30 s
				equal(t, "while sending", h.row(d.ID).State, exchange.Sending)
			}
		}
		p := pipeline.New(h.settings)
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()
		time.Sleep(time.Minute)
		p.Stop()
		must(t, <-ended)
		h.wants(d.ID, exchange.Accepted, exchange.NoCause)
		if !strings.Contains(h.story(), "early: delivery 1 is still being sent") {
			t.Error("the answer was not early", h.story())
		}
		h.audit(1, 1)
	})
}

// An Auftragsdatei that comes back with an error number rejects the delivery that
// it names.
func TestAuftragsdateiSentBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.sent("aufn.edi", sample.FileOptions{})
		raw, err := os.ReadFile(filepath.Join(w.in, d.TransferName+annex.AUFSuffix))
		must(t, err)
		auf, _, err := annex.ParseAuftragsdatei(raw)
		must(t, err)
		auf.FehlerNummer = 4711
		raw, err = auf.Encode()
		must(t, err)
		must(t, os.WriteFile(filepath.Join(w.out, d.TransferName+annex.AUFSuffix), raw, 0o600))
		w.hospital.wants(w.fetched().ID, exchange.Accepted, exchange.NoCause)
		if got := w.hospital.wants(d.ID, exchange.Rejected, exchange.ByPartner); !strings.Contains(got.Reason, "004711") {
			t.Errorf("reason: %q", got.Reason)
		}
	})
}

// Two of three messages are refused: the third is handed over, once, and a FEHL
// names the two.
func TestPartlyRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		known, stranger := sample.KVNR(1), sample.KVNR(2)
		w.annahme.settings.Checks = insured(t, known)
		d := w.sent("aufn.edi", sample.FileOptions{Messages: 3, Insured: []string{stranger, known, stranger}})
		w.annahme.run()
		in := w.annahme.rows(store.Filter{Direction: exchange.In})[0]
		w.annahme.wants(in.ID, exchange.Accepted, exchange.PartlyRefused)
		must(t, w.annahme.back.look())
		copies := w.annahme.back.taken[pipeline.HandedName(in)]
		if len(copies) != 1 {
			t.Fatalf("handed over %d times", len(copies))
		}
		list := w.annahme.back.lists[pipeline.HandedName(in)]
		if !strings.Contains(list, "Nachricht 1, UNH 00001") || !strings.Contains(list, "Nachricht 3, UNH 00003") || strings.Contains(list, "Nachricht 2") || strings.Contains(list, stranger) {
			t.Errorf("list of what was left out: %q", list)
		}
		rep, err := annex.Check(t.Context(), bytes.NewReader(copies[0]), annex.CheckOptions{})
		must(t, err)
		for _, f := range rep.Findings {
			if f.Code != "10060" { // the reference of the message that stays is its own: 00002
				t.Errorf("what was handed over: %s %s", f.Code, f.TextEN)
			}
		}
		if rep.Messages != 1 || bytes.Contains(copies[0], []byte(stranger)) {
			t.Errorf("%d messages: %q", rep.Messages, copies[0])
		}
		w.fetched()
		got := w.hospital.wants(d.ID, exchange.Rejected, exchange.ByPartner)
		if !strings.Contains(got.Answer, "message 00001") || !strings.Contains(got.Answer, "message 00003") || strings.Contains(got.Answer, "message 00002") {
			t.Errorf("answer: %q", got.Answer)
		}
		w.annahme.audit(1, 1)
	})
}

// A FEHL is never answered by a FEHL, whatever is wrong with it.
func TestFEHLIsNeverAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		parcel parcel
		state  exchange.State
		cause  exchange.Cause
	}{
		"signer not entitled":     {parcel{signer: foreign}, exchange.Rejected, exchange.NotEntitled},
		"orphan":                  {parcel{}, exchange.Held, exchange.Orphan},
		"UNB sender not entitled": {parcel{plain: []byte("UNB")}, exchange.Rejected, exchange.NotEntitled},
		"itself wrong":            {parcel{plain: []byte("UNZ")}, exchange.Held, exchange.Unrecognised},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				plain := fehl(t, annex.Envelope{}, "10061", "nein")
				switch string(c.parcel.plain) {
				case "UNB":
					plain = fehl(t, annex.Envelope{Sender: foreign}, "10061", "nein")
				case "UNZ":
					plain = bytes.Replace(plain, []byte("UNZ+1+"), []byte("UNZ+7+"), 1)
				}
				c.parcel.plain = plain
				c.parcel.order = annex.Auftragsdatei{AbsenderEigner: kasse, AbsenderPhysikalisch: kasse, EmpfaengerNutzer: nord, EmpfaengerPhysikalisch: nord}
				lay(t, w.out, c.parcel)
				w.hospital.wants(w.fetched().ID, c.state, c.cause)
				w.hospital.audit(0, 1) // nothing was drafted
			})
		})
	}
}

// What an inbound pair can be, beside right.
func TestInbound(t *testing.T) {
	good := func(t *testing.T) []byte { return file(t, sample.FileOptions{}) }
	for name, c := range map[string]struct {
		lay     func(t *testing.T, dir string)
		wait    time.Duration
		state   exchange.State
		cause   exchange.Cause
		answers int
		handed  int
	}{
		"right": {
			lay:   func(t *testing.T, dir string) { lay(t, dir, parcel{plain: good(t)}) },
			state: exchange.Accepted, answers: 1, handed: 1,
		},
		"suffix in small letters": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t)})
				must(t, os.Rename(filepath.Join(dir, "TKRH0001.AUF"), filepath.Join(dir, "TKRH0001.auf")))
			},
			state: exchange.Accepted, answers: 1, handed: 1,
		},
		"signer not entitled": {
			lay:   func(t *testing.T, dir string) { lay(t, dir, parcel{plain: good(t), signer: foreign}) },
			state: exchange.Rejected, cause: exchange.NotEntitled, answers: 1,
		},
		"owner not entitled": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t), order: annex.Auftragsdatei{AbsenderEigner: foreign}})
			},
			state: exchange.Rejected, cause: exchange.NotEntitled,
		},
		"UNB sender not entitled": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: file(t, sample.FileOptions{Sender: sued, Recipient: kasse})})
			},
			state: exchange.Rejected, cause: exchange.NotEntitled, answers: 1,
		},
		"not for us": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t), order: annex.Auftragsdatei{EmpfaengerNutzer: sued}})
			},
			state: exchange.Held, cause: exchange.NotForUs,
		},
		"encrypted for another": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t), order: annex.Auftragsdatei{EmpfaengerNutzer: sued}})
				raw, err := os.ReadFile(filepath.Join(dir, "TKRH0001.AUF"))
				must(t, err)
				must(t, os.WriteFile(filepath.Join(dir, "TKRH0001.AUF"), bytes.Replace(raw, []byte(sued), []byte(kasse), 1), 0o600))
			},
			state: exchange.Held, cause: exchange.CannotOpen,
		},
		"another logical name than in UNB": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t), order: annex.Auftragsdatei{Dateiname: "KRH00000002"}})
			},
			state: exchange.Rejected, cause: exchange.ByCheck, answers: 1,
		},
		"another number than in its name": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t), order: annex.Auftragsdatei{TransferNummer: 77}})
			},
			state: exchange.Held, cause: exchange.BadOrder,
		},
		"wrong size of the payload": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t), order: annex.Auftragsdatei{GroesseUebertragung: 77}})
			},
			wait: 10 * time.Minute, state: exchange.Held, cause: exchange.BadOrder,
		},
		"wrong size of the plain file": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t), order: annex.Auftragsdatei{GroesseNutzdaten: 77}})
			},
			state: exchange.Held, cause: exchange.BadOrder,
		},
		"damaged payload": {
			lay: func(t *testing.T, dir string) {
				sealed := lay(t, dir, parcel{plain: good(t)})
				sealed[len(sealed)/2] ^= 1
				must(t, os.WriteFile(filepath.Join(dir, "TKRH0001"), sealed, 0o600))
			},
			state: exchange.Held, cause: exchange.CannotOpen,
		},
		"Auftragsdatei without payload": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t), noPayload: true, order: annex.Auftragsdatei{GroesseUebertragung: 77}})
			},
			wait: 10 * time.Minute, state: exchange.Held, cause: exchange.Incomplete,
		},
		"payload without Auftragsdatei": {
			lay:  func(t *testing.T, dir string) { lay(t, dir, parcel{plain: good(t), alone: true}) },
			wait: 10 * time.Minute, state: exchange.Held, cause: exchange.Incomplete,
		},
		"half an Auftragsdatei": {
			lay: func(t *testing.T, dir string) {
				lay(t, dir, parcel{plain: good(t)})
				must(t, os.Truncate(filepath.Join(dir, "TKRH0001.AUF"), 200))
			},
			wait: 10 * time.Minute, state: exchange.Held, cause: exchange.BadOrder,
		},
		"neither": {
			lay: func(t *testing.T, dir string) {
				must(t, os.WriteFile(filepath.Join(dir, "README.txt"), []byte("hello"), 0o600))
			},
			state: exchange.Held, cause: exchange.Unrecognised,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				c.lay(t, w.in)
				stands := len(names(t, w.in))
				p := pipeline.New(w.annahme.settings) // remembers its sightings
				must(t, p.Once(t.Context()))
				if c.wait > 0 {
					equal(t, "waits, standing there", len(names(t, w.in)), stands)
					equal(t, "taken too early", len(w.annahme.rows(store.Filter{Direction: exchange.In})), 0)
					time.Sleep(c.wait)
					must(t, p.Once(t.Context()))
				}
				rows := w.annahme.rows(store.Filter{Direction: exchange.In})
				if len(rows) == 0 {
					t.Fatal("not taken")
				}
				w.annahme.wants(rows[0].ID, c.state, c.cause)
				must(t, w.annahme.back.look())
				equal(t, "handed over", len(w.annahme.back.taken), c.handed)
				equal(t, "answers", len(w.annahme.rows(store.Filter{Direction: exchange.Out})), c.answers)
			})
		})
	}
}

// The same identity twice: the same bytes are one delivery, others are two.
func TestSameIdentityTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := file(t, sample.FileOptions{}), file(t, sample.FileOptions{Seed: 5, Reference: 2, ApplicationRef: "KRH00000002"})
		stamp := time.Now().In(berlin()).Format(exchange.Stamp)
		sealed := lay(t, w.in, parcel{plain: one, order: annex.Auftragsdatei{DatumErstellung: stamp}})
		raw, err := os.ReadFile(filepath.Join(w.in, "TKRH0001.AUF"))
		must(t, err)
		w.annahme.run()
		time.Sleep(time.Second)
		must(t, os.WriteFile(filepath.Join(w.in, "TKRH0001"), sealed, 0o600))
		must(t, os.WriteFile(filepath.Join(w.in, "TKRH0001.AUF"), raw, 0o600))
		w.annahme.run()
		lay(t, w.in, parcel{name: "TKRH0002", plain: two, order: annex.Auftragsdatei{DatumErstellung: stamp, Dateiname: "KRH00000002"}})
		w.annahme.run()
		must(t, w.annahme.back.look())
		equal(t, "first", w.annahme.back.got(one), 1)
		equal(t, "second", w.annahme.back.got(two), 1)
		equal(t, "duplicates", count(w.annahme.rows(store.Filter{}), func(d exchange.Delivery) bool { return d.Cause == exchange.Duplicate }), 1)
		w.annahme.audit(2, 3)
	})
}

// A delivery that was turned away unread is no reason to drop it when it comes
// again after the table of who speaks for whom was mended.
func TestTurnedAwayThenSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		content := file(t, sample.FileOptions{Sender: foreign, Recipient: kasse})
		sealed := lay(t, w.in, parcel{plain: content, order: annex.Auftragsdatei{AbsenderEigner: foreign}})
		raw, err := os.ReadFile(filepath.Join(w.in, "TKRH0001.AUF"))
		must(t, err)
		w.annahme.run()
		equal(t, "first", w.annahme.row(1).State, exchange.Rejected)
		w.annahme.settings.Mandates = []exchange.Mandate{{Account: "nord", Owner: foreign}}
		must(t, os.WriteFile(filepath.Join(w.in, "TKRH0001"), sealed, 0o600))
		must(t, os.WriteFile(filepath.Join(w.in, "TKRH0001.AUF"), raw, 0o600))
		w.annahme.run()
		must(t, w.annahme.back.look())
		if w.annahme.back.got(content) != 1 {
			t.Error("dropped as a duplicate of what was never read", w.annahme.story())
		}
	})
}

// A back end's folder whose medium is gone looks empty. That is no sign that the
// file was taken.
func TestInboxUnmountedBeforeTheName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.annahme
		a.settings.Partners[0].Positive = false
		content := file(t, sample.FileOptions{})
		lay(t, w.in, parcel{plain: content})
		a.mortal.done = func(by exchange.Happening, _ exchange.Delivery) {
			if by == exchange.Staged {
				must(t, os.Rename(a.back.dir, a.back.dir+".away"))
			}
		}
		a.run()
		equal(t, "state while it is away", a.row(1).State, exchange.Handing)
		must(t, os.Remove(a.back.dir))
		must(t, os.Rename(a.back.dir+".away", a.back.dir))
		a.finish()
		must(t, a.back.look())
		equal(t, "handed over", a.back.got(content), 1)
	})
}

// While looking, an answer settles the delivery: nothing is wrong with that.
func TestAnswerWhileLooking(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		d := h.take(nord, "aufn.edi", file(t, sample.FileOptions{}))
		h.line.before = func(_ context.Context, op, _ string) error {
			if op == "look" {
				_, err := h.ledger.Apply(t.Context(), exchange.Move{ID: d.ID, From: exchange.Unknown, By: exchange.Confirmed, At: time.Now()})
				must(t, err)
			}
			return nil
		}
		h.line.at, h.line.fault = 7, fault{err: channels.ErrUnknown}
		h.run()
		h.wants(d.ID, exchange.Accepted, exchange.NoCause)
		equal(t, "looks", len(h.line.did("look")), 1)
	})
}
