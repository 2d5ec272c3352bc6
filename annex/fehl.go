package annex

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"gateway301/edifact"
)

// MaxFHL is how many segments FHL a FEHL message may hold (12. Fortschreibung;
// 20 before).
const MaxFHL = 40

// TypeFEHL is the type of a Fehlernachricht.
const TypeFEHL = "FEHL"

// What [WriteFEHL] refuses.
var (
	ErrNoFHL     = errors.New("answer without a fault or a confirmation")
	ErrAddressee = errors.New("answer without a sender or a recipient")
)

// An FHL is one fault, or one confirmation, as the segment FHL names it.
type FHL struct {
	Segment  string // 1: tag of the faulty segment; empty: the file or message as a whole
	Position int    // 2: running number of that segment type inside the message; 0 = not said
	Element  int    // 3: position of the faulty element; 0 = not said
	Code     string // 4: error code
	Text     string // 5: error text
}

// A FEHLMessage is a Fehlernachricht, or a message that came back with its faults
// inside: both are in use.
//
//	UNH  FEHL                 UNH  AUFN
//	FKT                       FKT
//	FHL  up to 40             INV, NAD, …, FHL
//	UNT                       UNT
type FEHLMessage struct {
	Message   int64  // when read: running number in the answer, from 1
	Reference string // when read: UNH 0062 of the answer
	Type      string // when read: "FEHL", or the type of the message that came back
	FKT       Geschaeftsvorfall
	FHL       []FHL
}

// Returned reports whether the message itself came back, so that its reference
// and FKT are those of the original.
func (m *FEHLMessage) Returned() bool { return m.Type != TypeFEHL }

// WriteFEHL writes an answer: UNB by e, the messages by p, ISO 8859-1 unless the
// profile says otherwise. A message
// with more FHL than the profile allows is split. Codes and texts are cut to the
// profile's lengths.
func WriteFEHL(w io.Writer, p Profile, e Envelope, messages []FEHLMessage) error {
	if e.Sender == "" || e.Recipient == "" {
		return ErrAddressee
	}
	out := edifact.NewWriter(w, edifact.WriterOptions{Charset: max(p.charset, edifact.I1)})
	err := out.Begin(edifact.Header{
		Sender: edifact.C(p.text(e.Sender)), Recipient: edifact.C(p.text(e.Recipient)),
		Date: e.Date, Time: e.Time, Reference: e.Reference,
		More: []edifact.Element{nil, edifact.C(p.text(e.ApplicationRef))},
	})
	if err != nil {
		return err
	}
	if len(messages) == 0 {
		return ErrNoFHL
	}
	for _, m := range messages {
		if len(m.FHL) == 0 {
			return ErrNoFHL
		}
		for rest := m.FHL; len(rest) > 0; {
			n := min(len(rest), p.FHLPerMessage)
			if err := writeMessage(out, p, m.FKT, rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
	return out.End()
}

func writeMessage(out *edifact.Writer, p Profile, f Geschaeftsvorfall, faults []FHL) error {
	if err := out.Message(p.Message...); err != nil {
		return err
	}
	if err := out.Segment("FKT", edifact.C(p.text(f.VKZ)), edifact.C(p.text(f.Number)), edifact.C(p.text(f.Sender)), edifact.C(p.text(f.Recipient))); err != nil {
		return err
	}
	for _, h := range faults {
		err := out.Segment("FHL", edifact.C(h.Segment), edifact.C(number(h.Position)), edifact.C(number(h.Element)),
			edifact.C(cut(p.text(p.code(h.Code)), p.CodeLength)), edifact.C(cut(p.text(h.Text), p.TextLength)))
		if err != nil {
			return err
		}
	}
	return out.EndMessage()
}

// number writes a number of FHL, nothing for 0.
func number(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// cut shortens s to n characters, without a blank at the end.
func cut(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		s = string(runes[:n])
	}
	return strings.TrimRight(s, " ")
}

// printable replaces what ISO 8859-1 cannot print. An answer repeats values as
// they came, and must not fail because of them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > 0xFF || r >= 0x7F && r <= 0x9F {
			return '.'
		}
		return r
	}, s)
}

// maxFHLAtOnce bounds what ReadFEHL holds of one message.
const maxFHLAtOnce = 1000

// ReadFEHL reads an answer and gives each every message that holds FHL, in both
// variants, and every FEHL message even if it holds none. A message with several
// Geschäftsvorfälle comes in parts, one for each that holds FHL; so does one with
// more than 1,000 FHL. An error of each ends the reading and is passed on.
//
// The answer counts only when the error is nil: one that was cut, is no EDIFACT or
// has no UNB, or more than one, is an error of package edifact. Wrong counts and
// references are tolerated, as the sender's quirks.
func ReadFEHL(r io.Reader, each func(FEHLMessage) error) (Envelope, error) {
	var fatal error
	w := edifact.NewWalker(r, edifact.Options{}, func(e *edifact.EnvelopeError) {
		switch e.Fault {
		case edifact.FaultUNBMissing, edifact.FaultSecondUNB, edifact.FaultAfterUNZ, edifact.FaultUNTMissing, edifact.FaultUNZMissing:
			if fatal == nil {
				fatal = e
			}
		}
	})
	a := answerReader{each: each}
	for {
		step, err := w.Next()
		switch {
		case err == io.EOF:
			return a.envelope, fatal
		case err != nil:
			return a.envelope, err
		case fatal != nil:
			return a.envelope, fatal
		}
		if err := a.step(step); err != nil {
			return a.envelope, err
		}
	}
}

// An answerReader gathers the FHL of one message.
type answerReader struct {
	each     func(FEHLMessage) error
	envelope Envelope
	m        FEHLMessage
	given    bool // a part of the present message was handed on
}

func (a *answerReader) step(step *edifact.Step) error {
	s := step.Segment
	switch step.Kind {
	case edifact.KindUNB:
		a.envelope = readEnvelope(s)
	case edifact.KindUNH:
		a.given = false
		a.m = FEHLMessage{Message: step.Message, Reference: show(s.Value(1, 1)), Type: show(s.Value(2, 1))}
	case edifact.KindBody:
		switch {
		case step.Message == 0:
		case s.Is("FKT"):
			if err := a.hand(false); err != nil {
				return err
			}
			a.m.FKT = readGeschaeftsvorfall(s)
		case s.Is("FHL"):
			a.m.FHL = append(a.m.FHL, readFHL(s))
			if len(a.m.FHL) == maxFHLAtOnce {
				return a.hand(false)
			}
		}
	case edifact.KindUNT:
		if step.Message > 0 {
			return a.hand(a.m.Type == TypeFEHL && !a.given)
		}
	}
	return nil
}

// hand gives what was gathered on, if there is something or it must be told.
func (a *answerReader) hand(always bool) error {
	if len(a.m.FHL) == 0 && !always {
		return nil
	}
	m := a.m
	a.m.FHL, a.given = nil, true
	return a.each(m)
}

// readEnvelope reads UNB.
func readEnvelope(s edifact.Segment) Envelope {
	e := Envelope{
		Syntax: show(s.Value(1, 1)), Sender: show(s.Value(2, 1)), Recipient: show(s.Value(3, 1)),
		Date: show(s.Value(4, 1)), Time: show(s.Value(4, 2)),
		Reference: show(s.Value(5, 1)), ApplicationRef: show(s.Value(7, 1)),
	}
	if s.Components(1) > 1 {
		e.Syntax += ":" + show(s.Value(1, 2))
	}
	return e
}

func readGeschaeftsvorfall(s edifact.Segment) Geschaeftsvorfall {
	return Geschaeftsvorfall{show(s.Value(1, 1)), show(s.Value(2, 1)), show(s.Value(3, 1)), show(s.Value(4, 1))}
}

// readFHL takes codes and texts as they come, whatever they mean.
func readFHL(s edifact.Segment) FHL {
	return FHL{
		Segment: show(s.Value(1, 1)), Position: small(s.Value(2, 1)), Element: small(s.Value(3, 1)),
		Code: show(s.Value(4, 1)), Text: showText(s.Value(5, 1)),
	}
}

// small reads a number of up to six digits; 0 for anything else.
func small(b []byte) int {
	b = bytes.TrimSpace(b)
	if len(b) > 6 || !digits(b) {
		return 0
	}
	n, _ := strconv.Atoi(string(b))
	return n
}

// showText is show for an error text of up to 256 characters.
func showText(b []byte) string {
	const longest = 256
	var out strings.Builder
	for len(b) > 0 && out.Len() < longest {
		n := min(len(b), 32)
		out.WriteString(show(b[:n]))
		b = b[n:]
	}
	return cut(out.String(), longest)
}

// MessageReference finds the UNH reference that FHL.5 begins with, as the answer
// profile gateway301 writes it: the word "UNH" and five digits. n is the number
// that they make.
func MessageReference(text string) (reference string, n int64, ok bool) {
	rest, found := strings.CutPrefix(text, "UNH ")
	if !found || len(rest) < 5 || !digits(rest[:5]) || len(rest) > 5 && rest[5] != ' ' {
		return "", 0, false
	}
	n, err := strconv.ParseInt(rest[:5], 10, 64)
	if err != nil {
		return "", 0, false
	}
	return rest[:5], n, true
}
