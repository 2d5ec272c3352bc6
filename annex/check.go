package annex

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"gateway301/edifact"
)

// CheckOptions are the settings of [Check]. The zero value is useful.
type CheckOptions struct {
	// Now is the time of processing: UNB must not be later (10044). Its location
	// is that of the file's sender, Europe/Berlin. Zero: not checked.
	Now time.Time
	// Order is the Auftragsdatei of the file (10061, 10066, 10067). nil: not checked.
	Order *Auftragsdatei
	// Checks are the payer's own checks, stage 4.
	Checks []MessageCheck
	// Keep is how many findings the report holds, 1,000 if 0. All are counted.
	Keep int
	// Refused is how many refused messages the report holds, 100,000 if 0. More
	// than that reject the file, since no answer could name them.
	Refused int
	// Unnamed: the report holds no refused messages, which take room, for who needs
	// only the verdict.
	Unnamed bool
	// Workers is how many cores a large file may use, all if 0. A check of o.Checks
	// that is no [SharedCheck] makes it one. Whatever it is, the report is the same.
	Workers int
	// MaxSegment is the longest segment in bytes, see [edifact.Options].
	MaxSegment int

	// Tables are those of stages 2 and 3. nil: these stages are not checked.
	Tables *Tables
	// Stage is the last stage that is checked, 1 to 4; 0: all.
	Stage int
	// Confirmed: the operator has confirmed the tables, so that stages 2 and 3 may
	// refuse a message. Otherwise what they find is a warning.
	Confirmed bool
	// Severities raise or lower rules by their code, and switch them off. They hold
	// whatever Confirmed says.
	Severities map[string]Severity
	// Effects say by stage, 1 to 4, what its errors do where that is not the default.
	Effects [5]Effect
	// VersionDate is the day by which versions, tables and codes are judged. Zero:
	// the day of admission for versions and codes, Now for tables.
	VersionDate time.Time
	// Partners are the known communication partners (10041, 10042, 10043, 10049).
	// nil: not checked.
	Partners *Partners
	// LastReference is the UNB reference of the file before from this sender, 1 to
	// 99999 (10047). 0: not checked.
	LastReference int
	// Procedure is the Verfahren that the file belongs to. nil: § 301, with 10030
	// not checked.
	Procedure *Procedure
}

// An Effect is what the errors of a stage do.
type Effect uint8

// The effects. Only a fault inside a message refuses no more than the message; one
// of the envelope always refuses the file. Where a rule of the envelope is lowered by
// Severities, a refused message refuses the file, since no copy can be made of the rest.
const (
	DefaultEffect  Effect = iota // those of stage 1 refuse the file, later ones their message
	RefusesFile                  // the file as a whole
	RefusesMessage               // the message
	RefusesNothing               // they are warnings, whatever Severities say
)

// Partners are the IKs that a side of the exchange knows. A nil list is not checked.
type Partners struct {
	Senders    []string // who may stand in UNB 0004 (10041)
	Recipients []string // who may stand in UNB 0010 (10042)
	Accepting  []string // which recipients accept data (10043)
	Physical   []string // who may be ABSENDER_PHYSIKALISCH (10049)
}

// MessageInfo says in which message a segment stands.
type MessageInfo struct {
	Message   int64  // running number in the file, from 1
	Reference string // UNH 0062
	Type      string // "AUFN"
	Version   string // "16"
	FKT       Geschaeftsvorfall
	Position  int // running number of this segment type inside the message, from 1
}

// A MessageCheck looks at the segments of messages, one after the other, FKT
// first. The segment is valid during the call only.
//
// A finding of error severity refuses its message. Only code, element and
// component need be set, and text where the code is not one of [Rules]; the rest
// is filled in: stage 4, severity error, the place of the segment. A text must
// not hold values of the segment, since they can be patient data.
type MessageCheck interface {
	Segment(m MessageInfo, s edifact.Segment) []Finding
}

const (
	defaultKeep    = 1000
	defaultRefused = 100_000
	maxFaults      = 1 << 18 // faults that a report holds behind the first ones of messages
	maxShared      = 1000    // texts
	maxDistinct    = 1000    // message types or FKT senders that a report holds
	maxUNH         = 99999   // five digits
	pollSteps      = 4096    // segments between two looks at the context
)

// Check goes through a file and reports all that is wrong with it: the envelope
// (stage 1; [Rules] lists what), per message what o.Tables say (stages 2 and 3) and
// what o.Checks find (stage 4). With tables, what a message breaks is told at its
// end, and only up to the first stage that fails.
// It reads to the end, or to where the bytes are no longer EDIFACT. A file that
// was cut anywhere is never accepted. Memory does not grow with the file.
//
// The content never makes an error; an error means that r could not be read, or
// that ctx is done. The report then covers what had been read.
func Check(ctx context.Context, r io.Reader, o CheckOptions) (Report, error) {
	o.Checks = slices.Clone(o.Checks)
	for i, check := range o.Checks {
		if f, ok := check.(FileCheck); ok {
			o.Checks[i] = f.ForFile(ctx)
		}
	}
	return checkPieces(ctx, r, o, usualSizes())
}

// checkPieces is Check with pieces of another size.
func checkPieces(ctx context.Context, r io.Reader, o CheckOptions, s sizes) (Report, error) {
	c := newChecker(r, o)
	if n := o.workers(); n > 1 {
		f := newFeed(ctx, c, r, n, s)
		defer f.stop()
		c.in.r = f
	}
	err := c.run(ctx)
	c.settle(err)
	return c.rep, err
}

// A checker is the state of one [Check].
type checker struct {
	o     CheckOptions
	rules map[string]Rule
	in    counter
	w     *edifact.Walker
	rep   Report

	faults []*edifact.EnvelopeError // of the step being read
	before edifact.Kind             // kind of the step before

	k       *content   // stages 2 and 3
	element byte       // separator in force
	proc    *Procedure // as in the options, or that of § 301

	fileError bool  // an error that rejects the whole file
	uncut     bool  // a fault of the envelope, however grave: no copy can leave a message out
	framing   bool  // what is reported now is a fault of the envelope, not of the message
	refused   int64 // messages refused in all
	faultRoom int   // faults for which there is room, but for the first ones of messages
	shared    map[string]string
	lost      bool // a segment of the envelope is missing, so the count in UNZ is not judged
	resumed   bool // likewise the reference of the next UNH
	cutTold   bool // 10006 was reported

	unb       bool // UNB was read
	msg       MessageInfo
	version   string // of the message before
	reference []byte // of the present message, while msg does not have it
	unh       []byte // what followed the reference of the last one that was well
	msgType   string // its type
	unhPlan   known
	expected  int64 // number of the next UNH
	inBody    bool  // between UNH and UNT of a message with UNH
	first     bool  // nothing has followed UNH yet
	bad       bool  // the present message is in rep.Refused
	fkt       Geschaeftsvorfall
	fktRaw    []byte // the segment behind fkt if it was found well, else empty
	counts    tally
}

func newChecker(r io.Reader, o CheckOptions) *checker {
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.Refused <= 0 {
		o.Refused = defaultRefused
	}
	c := &checker{o: o, rules: o.Tables.ruleOf(), in: counter{r: r}, expected: 1, proc: o.Procedure, faultRoom: maxFaults}
	if c.proc == nil {
		c.proc = krh()
	}
	c.k = newContent(c, o.Tables)
	c.w = edifact.NewWalker(&c.in, edifact.Options{MaxSegment: o.MaxSegment}, func(e *edifact.EnvelopeError) {
		c.faults = append(c.faults, e)
	})
	return c
}

// run walks through the file. The end of the data is no error.
func (c *checker) run(ctx context.Context) error {
	for n, first := pollSteps, true; ; first = false {
		if n += 1 + c.bodies(); n > pollSteps {
			if n = 0; ctx.Err() != nil {
				return ctx.Err()
			}
		}
		step, err := c.w.Next()
		if first {
			c.advice()
		}
		if err != nil {
			c.framing = true
			c.envelope(step)
			c.framing, c.faults = false, c.faults[:0]
			return c.stop(err)
		}
		c.look(step)
	}
}

// bodies goes through the body of the present message, as nearly all of a file is:
// to its end, or through pollSteps segments. It gives how many.
func (c *checker) bodies() (n int) {
	if !c.inBody {
		return 0
	}
	quick := c.k.plan != nil && len(c.o.Checks) == 0 && !c.k.measure
	for ; n < pollSteps; n++ {
		s, ok := c.w.Body()
		if !ok {
			break
		}
		c.rep.Segments++
		if !quick || !c.k.quick(s) {
			c.body(s)
		}
	}
	return n
}

// look looks at a step that the walker has found, with its faults.
func (c *checker) look(step *edifact.Step) {
	c.framing = true
	c.envelope(step)
	c.uncut = c.uncut || slices.ContainsFunc(c.faults, whole)
	c.framing, c.faults = false, c.faults[:0]
	c.rep.Segments++
	c.step(step)
	c.before = step.Kind
}

// stop judges why the walk ended. A source that could not be read is an error.
func (c *checker) stop(err error) error {
	var syntax *edifact.SyntaxError
	switch {
	case err == io.EOF:
		c.end()
	case errors.As(err, &syntax):
		c.framing = true
		c.syntax(syntax)
		c.close(syntax.Pos)
	default:
		return err
	}
	return nil
}

// step looks at one segment.
func (c *checker) step(step *edifact.Step) {
	s := step.Segment
	switch step.Kind {
	case edifact.KindUNB:
		if !c.unb {
			c.unb = true
			c.readUNB(s)
		} else {
			c.k.forget()
		}
		c.unh = c.unh[:0]
		c.expected = 1
	case edifact.KindUNH:
		c.close(s.Pos())
		c.inBody = step.Message > 0
		if c.inBody {
			c.readUNH(s)
		}
	case edifact.KindBody:
		if c.inBody && step.Message > 0 {
			c.body(step.Segment)
		}
	case edifact.KindUNT:
		if c.inBody && c.first && c.proc.FKT {
			c.find("G1-021", s.Pos())
		}
		c.arity(s, 2)
		c.close(s.Pos())
		c.inBody, c.msg = false, MessageInfo{}
	case edifact.KindUNZ:
		c.close(s.Pos())
		c.inBody, c.msg = false, MessageInfo{}
		c.arity(s, 2)
	}
}

// close ends the present message, if there is one.
func (c *checker) close(at edifact.Pos) {
	if c.inBody && c.msg.Message > 0 {
		c.endChecks()
		c.k.end(at)
	}
}

// endChecks lets checks speak that wait for the end of a message.
func (c *checker) endChecks() {
	if c.o.Stage > 0 && c.o.Stage < 4 {
		return
	}
	for _, check := range c.o.Checks {
		e, ok := check.(MessageEnder)
		if !ok {
			continue
		}
		found, err := e.EndOfMessage(c.msg)
		if err != nil {
			c.k.unchecked = true
		}
		for _, f := range found {
			f.Severity = c.severity(f.Stage, f.Code, f.Severity)
			at := edifact.Pos{Tag: f.Segment, Segment: f.SegmentNumber, Offset: f.Offset, Element: f.Element, Component: f.Component}
			c.told(f, at, f.Position)
		}
	}
}

// told takes a finding of stage 4 over.
func (c *checker) told(f Finding, at edifact.Pos, position int) {
	switch {
	case f.Severity == Off:
	case c.o.Tables == nil:
		c.enter(f, at, c.msg.FKT, position)
	case c.k.room(f.Severity):
		c.k.hold(f, at, position)
	default:
		c.k.excess(f)
	}
}

// advice judges UNA where the tokenizer does not care.
func (c *checker) advice() {
	if c.w.Reader().Notes().ByteOrderMark {
		c.find("G1-018", edifact.Pos{})
	}
	una, there := c.w.Reader().UNA()
	if !there {
		return
	}
	at := edifact.Pos{Tag: "UNA"}
	if c.w.Reader().Notes().ByteOrderMark {
		at.Offset = 3
	}
	decimal := una[5]
	switch {
	case decimal <= ' ' || decimal >= 0x7F || alphanumeric(una[5:6]):
		at.Offset += 5
		c.find("10022", at)
	case decimal == una[3] || decimal == una[4] || decimal == una[6] || decimal == una[8]:
		at.Offset += 5
		c.find("10023", at)
	case una[7] != ' ':
		at.Offset += 7
		c.find("10021", at)
	case c.o.Procedure != nil && !c.proc.UNA:
		c.find("G1-025", at)
	case c.o.Procedure != nil:
		for i, want := range []byte(c.proc.Separators) {
			if una[3+i] != want && 3+i != 5 { // the decimal mark says nothing about amounts
				at.Offset += int64(3 + i)
				c.find("10030", at)
				return
			}
		}
	}
}

// envelope turns the faults that the walker has found on the way to step into
// findings. One mistake gives one finding: what merely follows from a missing
// segment of the envelope is left out.
func (c *checker) envelope(step *edifact.Step) {
	separators := false
	for _, e := range c.faults {
		switch e.Fault {
		case edifact.FaultUNBMissing:
			c.missing("10001", e.Pos)
		case edifact.FaultUNHMissing:
			c.missing("10003", e.Pos)
		case edifact.FaultUNTMissing:
			c.missing("10004", e.Pos)
		case edifact.FaultUNZMissing:
			c.missing("10006", e.Pos)
			c.cutTold = true
		case edifact.FaultUNATwice:
			c.find("10010", e.Pos)
		case edifact.FaultAfterUNT:
			c.missing("10080", e.Pos)
		case edifact.FaultGroup:
			// UNG is a fault because UNH must follow UNB, and only UNH or UNZ UNT.
			if c.before == edifact.KindUNB {
				c.missing("10003", e.Pos)
			} else if len(c.faults) == 1 {
				c.missing("10080", e.Pos)
			}
		case edifact.FaultSecondUNB:
			c.find("G1-005", e.Pos)
		case edifact.FaultAfterUNZ:
			c.find("G1-006", e.Pos)
		case edifact.FaultUNTCount, edifact.FaultUNTReference, edifact.FaultUNZCount, edifact.FaultUNZReference:
			if step.Segment.Elements() >= 2 {
				c.closing(e)
			} else if !separators {
				separators = true
				c.find("10031", step.Segment.Pos())
			}
		}
	}
}

// missing reports that a segment of the envelope is missing or stands at a wrong place.
func (c *checker) missing(code string, at edifact.Pos) {
	c.lost, c.resumed = true, true
	c.find(code, at)
}

// closing reports what UNT or UNZ repeat wrongly.
func (c *checker) closing(e *edifact.EnvelopeError) {
	count := e.Fault == edifact.FaultUNTCount || e.Fault == edifact.FaultUNZCount
	switch {
	case count && e.Got != "" && !digits(e.Got):
		c.find("10032", e.Pos)
	case count && (e.Got == "" || len(e.Got) > 6):
		c.find("10033", e.Pos, len(e.Got), "1-6")
	case e.Fault == edifact.FaultUNTCount:
		c.find("G1-001", e.Pos, e.Got, e.Want)
	case e.Fault == edifact.FaultUNTReference:
		c.find("G1-002", e.Pos, e.Got, e.Want)
	case e.Fault == edifact.FaultUNZReference && c.unb:
		c.find("G1-004", e.Pos, e.Got, e.Want)
	case e.Fault == edifact.FaultUNZCount && !c.lost:
		c.find("G1-003", e.Pos, e.Got, e.Want)
	}
}

// syntax reports why the bytes could not be read any further.
func (c *checker) syntax(e *edifact.SyntaxError) {
	_, una := c.w.Reader().UNA()
	switch {
	case errors.Is(e, edifact.ErrTruncated), errors.Is(e, edifact.ErrDanglingRelease):
		if !c.cutTold {
			c.find("10006", e.Pos)
		}
	case errors.Is(e, edifact.ErrUNASame):
		c.find("10023", e.Pos)
	case errors.Is(e, edifact.ErrUNA):
		c.find("10022", e.Pos)
	case errors.Is(e, edifact.ErrTextBefore) && una:
		c.find("10020", e.Pos)
	case errors.Is(e, edifact.ErrTextBefore):
		c.find("10001", e.Pos)
	case errors.Is(e, edifact.ErrSegmentTooLong):
		c.find("G1-008", e.Pos)
	case errors.Is(e, edifact.ErrNUL):
		c.find("G1-009", e.Pos)
	default:
		c.find("G1-007", e.Pos)
	}
}

// end judges what is known only when all bytes were read.
func (c *checker) end() {
	c.close(edifact.Pos{Offset: c.in.n})
	c.msg = MessageInfo{}
	at := edifact.Pos{Offset: c.in.n}
	if c.w.Reader().Notes().Substitute {
		c.find("G1-019", at)
	}
	if a := c.o.Order; a != nil && a.GroesseNutzdaten != 0 && a.GroesseNutzdaten != c.in.n {
		c.find("G1-017", at, c.in.n, a.GroesseNutzdaten)
	}
}

// readUNB judges the fields of the first UNB.
//
//	1 S001 UNOC:3   2 S002 sender   3 S003 recipient   4 S004 date:time
//	5 0020 reference   6 S005 empty   7 0026 Anwendungsreferenz
func (c *checker) readUNB(s edifact.Segment) {
	c.rep.Envelope = readEnvelope(s)
	e := &c.rep.Envelope
	if s.Elements() < 5 {
		c.find("10031", s.Pos())
		return
	}
	if e.Syntax != "UNOC:3" {
		c.find("10040", s.PosOf(1, 1), e.Syntax)
	}
	sender := c.party(s, 2)
	recipient := c.party(s, 3)
	c.created(s)
	if c.number(s, 5, 5) {
		c.fileNumber(s)
	}
	for i := 1; i <= s.Components(6); i++ {
		if len(s.Value(6, i)) > 0 {
			c.find("10046", s.PosOf(6, i))
			break
		}
	}
	name := c.applicationRef(s)
	c.unused(s)
	c.partners(s, sender, recipient)
	if a := c.o.Order; a != nil {
		if name && e.ApplicationRef != a.Dateiname {
			c.find("10061", s.PosOf(7, 1), e.ApplicationRef, a.Dateiname)
		}
		if sender && e.Sender != a.AbsenderEigner {
			c.find("10066", s.PosOf(2, 1), e.Sender, a.AbsenderEigner)
		}
		if recipient && e.Recipient != a.EmpfaengerNutzer && e.Recipient != a.EmpfaengerPhysikalisch {
			c.find("10067", s.PosOf(3, 1), e.Recipient, a.EmpfaengerNutzer, a.EmpfaengerPhysikalisch)
		}
	}
}

// fileNumber judges the Datenaustauschreferenz, five digits.
func (c *checker) fileNumber(s edifact.Segment) {
	got, _ := strconv.Atoi(c.rep.Envelope.Reference)
	switch {
	case got == 0:
		c.find("G1-012", s.PosOf(5, 1))
	case c.o.LastReference > 0 && got != c.o.LastReference%99999+1:
		c.find("10047", s.PosOf(5, 1), got, c.o.LastReference)
	}
}

// partners looks the parties up that are IKs.
func (c *checker) partners(s edifact.Segment, sender, recipient bool) {
	p, e := c.o.Partners, &c.rep.Envelope
	if p == nil {
		return
	}
	unknown := func(list []string, ik string) bool { return list != nil && !slices.Contains(list, ik) }
	if sender && unknown(p.Senders, e.Sender) {
		c.find("10041", s.PosOf(2, 1), e.Sender)
	}
	switch {
	case recipient && unknown(p.Recipients, e.Recipient):
		c.find("10042", s.PosOf(3, 1), e.Recipient)
	case recipient && unknown(p.Accepting, e.Recipient):
		c.find("10043", s.PosOf(3, 1), e.Recipient)
	}
	if a := c.o.Order; a != nil && unknown(p.Physical, a.AbsenderPhysikalisch) {
		c.find("10049", s.Pos(), a.AbsenderPhysikalisch)
	}
}

// number judges a numeric field of a fixed length and reports whether it is well.
func (c *checker) number(s edifact.Segment, element, length int) bool {
	v := s.Value(element, 1)
	switch {
	case len(v) != length:
		c.find("10033", s.PosOf(element, 1), len(v), strconv.Itoa(length))
	case !digits(v):
		c.find("10032", s.PosOf(element, 1))
	default:
		return true
	}
	return false
}

// party judges an IK in UNB and reports whether it has the form of one.
func (c *checker) party(s edifact.Segment, element int) bool {
	if !c.number(s, element, 9) {
		return false
	}
	c.ik(s, element)
	return true
}

// ik warns about an IK of the right form that nobody can have.
func (c *checker) ik(s edifact.Segment, element int) {
	switch v := string(s.Value(element, 1)); {
	case Placeholder(v):
		c.find("G1-011", s.PosOf(element, 1), v)
	case ValidIK(v) != nil:
		c.find("G1-010", s.PosOf(element, 1), v)
	}
}

// created judges S004: JJMMTT:HHMM, JJJJMMTT in other Verfahren, not in the future.
func (c *checker) created(s edifact.Segment) {
	date, clock := string(s.Value(4, 1)), string(s.Value(4, 2))
	layout := "060102" + "1504"
	if len(date) == 8 {
		layout = "20060102" + "1504"
	}
	if c.o.Procedure != nil && !slices.Contains(c.proc.UNBDate, len(date)) {
		c.find("10034", s.PosOf(4, 1))
		return
	}
	if !digits(date+clock) || !validTime(layout, date+clock) || s.Components(4) != 2 {
		c.find("10034", s.PosOf(4, 1))
		return
	}
	if !c.o.Now.IsZero() && isFuture(layout, date+clock, c.o.Now) {
		c.find("10044", s.PosOf(4, 1), date+":"+clock)
	}
}

// isFuture reports whether a local time lies after now for certain. In the hour
// that the end of summer time repeats, a reading means two points in time; the
// earlier one counts.
func isFuture(layout, local string, now time.Time) bool {
	t, err := time.ParseInLocation(layout, local, now.Location())
	if err != nil {
		return false
	}
	if earlier := t.Add(-time.Hour); earlier.Format(layout) == local {
		t = earlier
	}
	return t.After(now)
}

// applicationRef judges UNB 0026 and reports whether its form is right.
func (c *checker) applicationRef(s edifact.Segment) bool {
	v := s.Value(7, 1)
	if len(v) < 8 || len(v) > 11 {
		c.find("10045", s.PosOf(7, 1), len(v))
		return false
	}
	if p := c.proc.LogicalPrefix; p != "" && string(v[:len(p)]) != p {
		c.find("G1-013", s.PosOf(7, 1))
	}
	return true
}

// unused warns about values in UNB for which § 301 has no use: qualifiers of the
// parties, and everything behind 0026.
func (c *checker) unused(s edifact.Segment) {
	for v := s.Cursor(); v.Next(); {
		e, n := v.Element(), v.Component()
		if (e == 1 && n > 2 || (e == 2 || e == 3 || e == 5 || e == 7) && n > 1 || e > 7) && len(v.Value()) > 0 && !c.proc.testIndicator(e, n, v.Value()) {
			c.find("G1-014", v.Pos())
			return
		}
	}
}

// readUNH begins a message.
func (c *checker) readUNH(s edifact.Segment) {
	c.rep.Messages++
	c.bad = false
	c.counts.reset()
	c.first = true
	raw := s.Raw()
	if len(raw) > lenUNH && raw[3] == c.element && len(c.o.Checks) == 0 && string(raw[lenUNH-1:]) == string(c.unh) { // but for its reference as the one before
		if n, ok := shortCount(pack(raw[4:lenUNH-1]), lenUNH-5); ok && n == c.expected && n <= maxUNH && !c.resumed {
			c.expected++
			c.msg = MessageInfo{Message: c.rep.Messages, Type: c.msgType, Version: c.version}
			c.reference = append(c.reference[:0], raw[4:lenUNH-1]...)
			c.k.start(c.unhPlan)
			return
		}
	}
	c.unh = c.unh[:0]
	c.element = c.w.Reader().Separators().Element
	c.msg = MessageInfo{Message: c.rep.Messages, Type: c.known(s.Value(2, 1)), Version: c.sameVersion(s.Value(2, 2))}
	c.reference = append(c.reference[:0], s.Value(1, 1)...)
	if len(c.o.Checks) > 0 {
		c.name()
	}
	found := c.rep.Errors + c.rep.Warnings
	c.k.begin(s)
	if s.Elements() < 2 {
		c.find("10031", s.Pos())
		c.resync(s)
		return
	}
	c.arity(s, 2)
	c.sequence(s)
	if v := s.Value(2, 1); len(v) != 4 || !capitals(v) {
		c.find("G1-015", s.PosOf(2, 1))
	} else {
		c.distinct(&c.rep.Types, c.msg.Type)
	}
	if c.msg.Version != "" {
		c.distinct(&c.rep.Versions, c.msg.Version)
	}
	if c.rep.Errors+c.rep.Warnings == found && len(c.k.pending) == 0 && c.k.plan != nil && len(raw) > lenUNH && raw[3] == c.element && raw[lenUNH-1] == c.element {
		c.unh = append(c.unh, raw[lenUNH-1:]...)
		c.msgType, c.unhPlan = c.msg.Type, known{c.k.plan, c.k.memory}
	}
}

// lenUNH is the length of UNH+00001+.
const lenUNH = 10

// name makes the reference of the message a text, which a good one does not need.
func (c *checker) name() {
	if c.msg.Message > 0 && c.msg.Reference == "" {
		c.msg.Reference = show(c.reference)
	}
}

// known turns a message type into text, without allocating for one seen before.
func (c *checker) known(v []byte) string {
	for _, t := range c.rep.Types[:min(len(c.rep.Types), 16)] {
		if t == string(v) {
			return t
		}
	}
	return show(v)
}

// sameVersion is known for versions.
func (c *checker) sameVersion(v []byte) string {
	if c.version != string(v) {
		c.version = show(v)
	}
	return c.version
}

// sequence judges the UNH reference: five digits, from 00001, without a gap.
func (c *checker) sequence(s edifact.Segment) {
	v := s.Value(1, 1)
	switch {
	case c.expected > maxUNH:
		c.find("G1-016", s.PosOf(1, 1))
	case len(v) != 5:
		c.find("10033", s.PosOf(1, 1), len(v), "5")
	case !digits(v):
		c.find("10032", s.PosOf(1, 1))
	default:
		if got, _ := shortCount(pack(v), len(v)); got != c.expected && !c.resumed {
			c.find("10060", s.PosOf(1, 1), string(v), fmt.Sprintf("%05d", c.expected))
		}
	}
	c.resync(s)
}

// resync goes on counting from the reference that was found, so that one gap is
// told once.
func (c *checker) resync(s edifact.Segment) {
	c.resumed = false
	c.expected++
	if v := s.Value(1, 1); len(v) == 5 {
		if got, ok := shortCount(pack(v), len(v)); ok {
			c.expected = got + 1
		}
	}
}

// body looks at a segment between UNH and UNT.
func (c *checker) body(s edifact.Segment) {
	first := c.first
	c.first = false
	tag := binary.LittleEndian.Uint32(s.Raw()) & 0xffffff // a tag and what ends it are four bytes
	fkt := tag == keyFKT && c.proc.FKT
	if fkt || len(c.o.Checks) > 0 {
		c.msg.Position = c.counts.add(s.Tag())
	}
	switch {
	case fkt:
		c.readFKT(s)
	case first && c.proc.FKT:
		c.find("G1-021", s.Pos())
	case tag == keyFHL:
		c.rep.FHL++
	}
	if c.k.plan != nil {
		c.k.segment(s, tag)
	}
	for _, check := range c.o.Checks {
		for _, f := range check.Segment(c.msg, s) {
			c.custom(f, s)
		}
	}
}

// The tags that every segment is compared with, see [tagKey].
const (
	keyFKT = 'F' | 'K'<<8 | 'T'<<16
	keyFHL = 'F' | 'H'<<8 | 'L'<<16
)

// readFKT begins a Geschäftsvorfall. Several may stand in one message.
//
//	1 Verarbeitungskennzeichen   2 running number   3 IK sender   4 IK recipient
func (c *checker) readFKT(s edifact.Segment) {
	if string(s.Raw()) == string(c.fktRaw) {
		c.msg.FKT = c.fkt // as in the message before, and that was well
		return
	}
	c.fktRaw = c.fktRaw[:0]
	found := c.rep.Errors + c.rep.Warnings
	c.fkt = readGeschaeftsvorfall(s)
	c.msg.FKT = c.fkt
	if n := s.Elements(); n < 4 || filledBehind(s, 4) {
		c.find("G1-022", s.Pos())
		return
	}
	for e := 1; e <= 2; e++ {
		if len(s.Value(e, 1)) != 2 {
			c.find("G1-023", s.PosOf(e, 1))
		}
	}
	for e := 3; e <= 4; e++ {
		if v := s.Value(e, 1); len(v) != 9 || !digits(v) {
			c.find("G1-024", s.PosOf(e, 1))
		} else {
			c.ik(s, e)
		}
	}
	for _, who := range []struct {
		ik   string
		list *[]string
	}{{c.fkt.Sender, &c.rep.FKTSenders}, {c.fkt.Recipient, &c.rep.FKTRecipients}} {
		if len(who.ik) == 9 && digits(who.ik) {
			c.distinct(who.list, who.ik)
		}
	}
	if c.rep.Errors+c.rep.Warnings == found && !c.rep.Truncated {
		c.fktRaw = append(c.fktRaw, s.Raw()...)
	}
}

// distinct adds a value to a list of the report that does not have it.
func (c *checker) distinct(list *[]string, v string) {
	switch {
	case slices.Contains(*list, v):
	case len(*list) < maxDistinct:
		*list = append(*list, v)
	default:
		c.rep.Truncated = true
	}
}

// arity judges that a service segment has no values behind its last element.
func (c *checker) arity(s edifact.Segment, elements int) {
	if filledBehind(s, elements) {
		c.find("10031", s.Pos())
	}
}

// filledBehind reports whether a value stands behind an element. Empty ones are
// tolerated everywhere (FS13).
func filledBehind(s edifact.Segment, element int) bool {
	if s.Elements() <= element {
		return false
	}
	for v := s.Cursor(); v.Next(); {
		if v.Element() > element && len(v.Value()) > 0 {
			return true
		}
	}
	return false
}

// find reports that a rule is broken at a place. args fill the rule's text.
func (c *checker) find(code string, at edifact.Pos, args ...any) {
	rule := c.rules[code]
	f := Finding{Stage: rule.Stage, Code: code, Severity: c.severity(rule.Stage, code, rule.Severity), Basis: rule.Source}
	if c.keeps() || f.Severity == Error {
		f.Text, f.TextEN = words(rule, args)
	}
	c.add(f, at)
}

// severity is what the settings make of a rule.
func (c *checker) severity(stage int, code string, s Severity) Severity {
	if set, ok := c.o.Severities[code]; ok {
		s = set
	}
	if s == Error && c.o.Effects[min(stage, 4)] == RefusesNothing {
		return Warning
	}
	return s
}

// words are the texts of a finding.
func words(r Rule, args []any) (de, en string) {
	return fmt.Sprintf(r.German, args...), fmt.Sprintf(r.English, args...)
}

// custom takes over what a MessageCheck has found in s.
func (c *checker) custom(f Finding, s edifact.Segment) {
	if f.Stage <= 1 {
		f.Stage = 4
	}
	if f.Severity == "" {
		f.Severity = Error
	}
	if rule, ok := c.rules[f.Code]; ok && f.Text == "" {
		f.Text, f.TextEN = rule.German, rule.English
	}
	if f.Severity = c.severity(f.Stage, f.Code, f.Severity); f.Severity == Off || c.o.Stage > 0 && f.Stage > c.o.Stage {
		return
	}
	at := s.Pos()
	if f.Element > 0 {
		at = s.PosOf(f.Element, max(f.Component, 1))
		at.Component = f.Component
	}
	c.told(f, at, c.counts.of(at.Tag))
}

// keeps reports whether the report has room for another finding.
func (c *checker) keeps() bool { return len(c.rep.Findings) < c.o.Keep }

// add counts a finding, keeps it if there is room, and lets it have its effect.
func (c *checker) add(f Finding, at edifact.Pos) {
	if f.Severity == Off {
		return
	}
	position := 0
	if c.msg.Message > 0 {
		position = c.counts.of(at.Tag)
		c.k.stage1 = c.k.stage1 || f.Stage == 1 && f.Severity == Error
	}
	c.enter(f, at, c.msg.FKT, position)
}

// enter is add for a finding of the Geschäftsvorfall fkt.
func (c *checker) enter(f Finding, at edifact.Pos, fkt Geschaeftsvorfall, position int) {
	c.name()
	f.Official = digits(f.Code)
	f.Message, f.Reference, f.Type = c.msg.Message, c.msg.Reference, c.msg.Type
	f.Segment, f.Position = at.Tag, position
	f.Element, f.Component, f.SegmentNumber, f.Offset = at.Element, at.Component, at.Segment, at.Offset
	if c.keeps() {
		c.rep.Findings = append(c.rep.Findings, f)
	}
	switch {
	case f.Severity != Error:
		c.rep.Warnings++
		return
	case c.refusesFile(f.Stage):
		c.fileError = true
	default:
		c.refuse(f, fkt)
	}
	c.rep.Errors++
}

// refusesFile reports whether an error rejects the whole file.
func (c *checker) refusesFile(stage int) bool {
	switch c.o.Effects[min(stage, 4)] {
	case RefusesFile:
		return true
	case RefusesMessage:
		return c.msg.Message == 0 || c.framing
	}
	return stage == 1
}

// refuse enters the present message into the list of refused ones.
func (c *checker) refuse(f Finding, fkt Geschaeftsvorfall) {
	first := !c.bad
	if first {
		c.bad = true
		c.refused++
	}
	if !c.names() {
		return
	}
	fault := FHL{Segment: f.Segment, Position: f.Position, Element: f.Element, Code: f.Code, Text: c.share(f.Text)}
	if first {
		c.list(Refused{c.msg.Message, c.msg.Reference, c.msg.Type, fkt, []FHL{fault}})
		return
	}
	if last := &c.rep.Refused[len(c.rep.Refused)-1]; last.Message == c.msg.Message && len(last.Faults) < MaxFHL && c.faultRoom > 0 {
		c.faultRoom--
		last.Faults = append(last.Faults, fault)
	}
}

// list enters a refused message with its faults, as far as there is room for them.
func (c *checker) list(r Refused) {
	r.Faults = r.Faults[:min(len(r.Faults), 1+c.faultRoom)]
	c.faultRoom -= len(r.Faults) - 1
	for i := range r.Faults {
		r.Faults[i].Text = c.share(r.Faults[i].Text)
	}
	r.Type = c.share(r.Type)
	for _, v := range []*string{&r.FKT.VKZ, &r.FKT.Number, &r.FKT.Sender, &r.FKT.Recipient} {
		*v = c.share(*v)
	}
	c.rep.Refused = append(c.rep.Refused, r)
}

// share gives a text that was there before as the same one, since most faults of a
// file read alike.
func (c *checker) share(s string) string {
	if t, ok := c.shared[s]; ok {
		return t
	}
	if len(c.shared) < maxShared {
		if c.shared == nil {
			c.shared = make(map[string]string)
		}
		c.shared[s] = s
	}
	return s
}

// names reports whether the report will hold the refused messages. If not, those
// that it holds already are given up.
func (c *checker) names() bool {
	if c.o.Unnamed || c.fileError || c.refused > int64(c.o.Refused) {
		c.rep.Refused = nil
		return false
	}
	return true
}

// settle draws the conclusion.
func (c *checker) settle(err error) {
	c.rep.Size = c.in.n
	c.rep.NotChecked = c.notGiven()
	switch {
	case err != nil, c.fileError, c.refused > int64(c.o.Refused), c.uncut && c.refused > 0:
		c.rep.Verdict, c.rep.Refused = Rejected, nil
	case c.refused == 0:
		c.rep.Verdict = Accepted
	case c.refused < c.rep.Messages:
		c.rep.Verdict = Partly
	default:
		c.rep.Verdict = Rejected
	}
}

// notGiven lists the rules that were not checked since the options do not say what
// they need.
func (c *checker) notGiven() []string {
	o := &c.o
	p := o.Partners
	var out []string
	for _, r := range []struct {
		missing bool
		codes   []string
	}{
		{o.Procedure == nil, []string{"10030"}},
		{p == nil || p.Senders == nil, []string{"10041"}},
		{p == nil || p.Recipients == nil, []string{"10042"}},
		{p == nil || p.Accepting == nil, []string{"10043"}},
		{o.Now.IsZero(), []string{"10044"}},
		{o.LastReference == 0, []string{"10047"}},
		{o.Order == nil || p == nil || p.Physical == nil, []string{"10049"}},
		{o.Order == nil, []string{"10061", "10066", "10067", "G1-017"}},
		{c.k.duplicate, []string{"G3-027"}},
	} {
		if r.missing {
			out = append(out, r.codes...)
		}
	}
	return out
}

// capitals reports whether b is made of capital letters only.
func capitals(b []byte) bool {
	for _, c := range b {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// show makes the value of a service segment readable: ISO 8859-1 to UTF-8, what
// cannot be printed as U+FFFD, at most 35 characters.
func show(b []byte) string {
	const longest = 35
	var room [longest]rune
	out := room[:0]
	for _, c := range b[:min(len(b), longest)] {
		r := rune(c)
		if c < ' ' || c >= 0x7F && c <= 0x9F {
			r = '\uFFFD'
		}
		out = append(out, r)
	}
	return string(out)
}

// A tally counts the segments of a message by tag. A message has few tags, so
// that looking through the first ones is faster than a map; more than that go
// into one.
type tally struct {
	first [16]struct {
		tag string
		n   int
	}
	used int
	more map[string]int
}

func (t *tally) reset() {
	t.used = 0
	clear(t.more)
}

// add counts one more and gives the new count.
func (t *tally) add(tag string) int {
	for i := range t.used {
		if t.first[i].tag == tag {
			t.first[i].n++
			return t.first[i].n
		}
	}
	if t.used < len(t.first) {
		t.first[t.used].tag, t.first[t.used].n = tag, 1
		t.used++
		return 1
	}
	if t.more == nil {
		t.more = make(map[string]int)
	}
	t.more[tag]++
	return t.more[tag]
}

// of is how often a tag was counted.
func (t *tally) of(tag string) int {
	for i := range t.used {
		if t.first[i].tag == tag {
			return t.first[i].n
		}
	}
	return t.more[tag]
}

// A counter counts the bytes that pass through it, and sees whether there is a
// control character among them.
type counter struct {
	r       io.Reader
	n       int64
	control bool
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 && n <= len(p) {
		c.n += int64(n)
		c.control = c.control || control(p[:n])
	}
	return n, err
}
