package edifact

import (
	"fmt"
	"io"
	"strconv"
)

// A Fault is a mistake in the envelope: what each segment says may be well
// formed and yet the whole does not fit together.
type Fault int

const (
	FaultUNBMissing         Fault = iota + 1 // the first segment is no UNB
	FaultUNHMissing                          // something other than UNH (or UNG) directly behind UNB
	FaultUNTMissing                          // a message does not end before the next one, or before the interchange does
	FaultUNZMissing                          // an interchange does not end before the next one, or before the file does
	FaultUNATwice                            // a second UNA, or one that does not stand before UNB
	FaultUNHReferenceGap                     // a numeric UNH reference is not one more than the one before; the first is 1
	FaultDuplicateReference                  // a UNH reference occurs for the second time in its interchange
	FaultUNTCount                            // UNT counts other than the segments from UNH to UNT
	FaultUNTReference                        // UNT repeats another reference than that of UNH
	FaultUNZCount                            // UNZ counts other than the messages, or the groups where there are any
	FaultUNZReference                        // UNZ repeats another reference than that of UNB
	FaultSecondUNB                           // another interchange in the same file
	FaultAfterUNT                            // something other than UNH, UNE or UNZ behind UNT
	FaultAfterUNZ                            // segments behind UNZ that begin no interchange; told once
	FaultGroup                               // a UNG where groups are not expected, or misplaced UNG or UNE
	FaultUNEMissing                          // a group does not end before the next one, or before the interchange does
	FaultUNECount                            // UNE counts other than the messages of the group
	FaultUNEReference                        // UNE repeats another reference than that of UNG
)

// String names the fault in a few words.
func (f Fault) String() string {
	switch f {
	case FaultUNBMissing:
		return "UNB missing"
	case FaultUNHMissing:
		return "UNH missing behind UNB"
	case FaultUNTMissing:
		return "UNT missing"
	case FaultUNZMissing:
		return "UNZ missing"
	case FaultUNATwice:
		return "second UNA"
	case FaultUNHReferenceGap:
		return "gap in the UNH references"
	case FaultDuplicateReference:
		return "UNH reference used twice"
	case FaultUNTCount:
		return "UNT counts wrongly"
	case FaultUNTReference:
		return "UNT reference differs from UNH"
	case FaultUNZCount:
		return "UNZ counts wrongly"
	case FaultUNZReference:
		return "UNZ reference differs from UNB"
	case FaultSecondUNB:
		return "second interchange"
	case FaultAfterUNT:
		return "neither UNH nor UNZ behind UNT"
	case FaultAfterUNZ:
		return "segment behind UNZ"
	case FaultGroup:
		return "misplaced group"
	case FaultUNEMissing:
		return "UNE missing"
	case FaultUNECount:
		return "UNE counts wrongly"
	case FaultUNEReference:
		return "UNE reference differs from UNG"
	}
	return "fault " + strconv.Itoa(int(f))
}

// An EnvelopeError reports a fault in the envelope. Want and Got are tags,
// counts or references, never data of a message, and cut off after 35 bytes,
// the length of the longest reference in ISO 9735.
type EnvelopeError struct {
	Pos       Pos
	Fault     Fault
	Want, Got string
}

func (e *EnvelopeError) Error() string {
	s := "edifact: " + e.Pos.String() + ": " + e.Fault.String()
	switch {
	case e.Want != "" && e.Got != "":
		return fmt.Sprintf("%s: want %q, got %q", s, e.Want, e.Got)
	case e.Want != "":
		return fmt.Sprintf("%s: want %q", s, e.Want)
	case e.Got != "":
		return fmt.Sprintf("%s: got %q", s, e.Got)
	}
	return s
}

// A Kind is the part that a segment plays in the envelope.
type Kind int

const (
	KindUNB  Kind = iota + 1 // begins an interchange
	KindUNG                  // begins a group
	KindUNH                  // begins a message
	KindBody                 // a segment of a message, or one that stands outside of any
	KindUNT                  // ends a message
	KindUNE                  // ends a group
	KindUNZ                  // ends an interchange
	KindUNA                  // a UNA where none may stand, read as a segment
)

// String gives the tag, or "body".
func (k Kind) String() string {
	switch k {
	case KindUNB:
		return "UNB"
	case KindUNG:
		return "UNG"
	case KindUNH:
		return "UNH"
	case KindBody:
		return "body"
	case KindUNT:
		return "UNT"
	case KindUNE:
		return "UNE"
	case KindUNZ:
		return "UNZ"
	case KindUNA:
		return "UNA"
	}
	return "kind " + strconv.Itoa(int(k))
}

// A Step is one segment with its place in the envelope. It is valid until the
// next call.
type Step struct {
	Kind    Kind
	Segment Segment

	Interchange      int64 // running number of the interchange in the file, from 1; 0 outside
	Message          int64 // running number of the message in the interchange, from 1; 0 outside
	SegmentInMessage int64 // from 1 for UNH; 0 outside of a message
}

// A Walker goes through the envelopes of a file:
//
//	interchange  UNB … UNZ
//	  group      UNG … UNE   (optional, none in § 301)
//	    message  UNH … UNT
//
// and checks order, nesting, counts and references on the way. A fault is
// reported and the walk goes on; its caller decides what a fault means.
// Bytes that are no EDIFACT end it.
type Walker struct {
	r       *Reader
	o       Options
	onFault func(*EnvelopeError)

	state        state
	held         bool // step, in which SkipMessage ended, has still to be given to the caller
	ahead        bool // so have next and nextErr, in which Body ended
	next         Segment
	nextErr      error
	step         Step
	err          error
	unas         int
	interchanges int64

	unbRef, ungRef, unhRef []byte
	groups                 int64 // in the interchange
	messages               int64 // in the interchange
	groupMessages          int64 // in the group
	inGroup                bool
	segments               int64 // in the message
	headless               bool  // the present message has no UNH
	told                   bool  // that something stands behind the present UNZ
	refs                   references
}

type state int

const (
	beforeUNB state = iota
	afterUNB        // nothing has followed yet
	between         // behind UNT, UNG or UNE
	stray           // segments outside of a message, already reported
	inMessage
	afterUNZ
)

// NewWalker returns a walker over src. Each fault is given to onFault as soon
// as it is known, before the step whose segment shows it; onFault may be nil.
func NewWalker(src io.Reader, o Options, onFault func(*EnvelopeError)) *Walker {
	if onFault == nil {
		onFault = func(*EnvelopeError) {}
	}
	return &Walker{r: NewReader(src, o), o: o, onFault: onFault}
}

// Reader gives access to what the reader knows: separators, UNA, notes. Its
// Next must not be called.
func (w *Walker) Reader() *Reader { return w.r }

// Next returns the next segment with its place. It returns io.EOF behind the
// last byte only if the last interchange has its UNZ: a file that was cut off,
// wherever, ends with a *[SyntaxError] of [ErrTruncated] or [ErrDanglingRelease].
func (w *Walker) Next() (*Step, error) {
	if w.held {
		w.held = false
		return &w.step, nil
	}
	if w.ahead {
		w.ahead = false
		return w.turn(w.next, w.nextErr)
	}
	s, err := w.r.Next()
	if err == nil && w.state == inMessage && !w.headless && !s.service() {
		w.at(KindBody, s)
		w.segments++
		w.step.Message, w.step.SegmentInMessage = w.messages, w.segments
		return &w.step, nil
	}
	return w.turn(s, err)
}

// Body is Next for who goes through the body of a message and needs nothing but
// its segments. ok is false where the body ends, and elsewhere: then Next says what
// comes, and nothing has been passed over.
//
//	for s, ok := w.Body(); ok; s, ok = w.Body() {
//		use(s)
//	}
func (w *Walker) Body() (s Segment, ok bool) {
	if w.state != inMessage || w.headless || w.held || w.ahead {
		return Segment{}, false
	}
	s, err := w.r.Next()
	if err == nil && !s.service() {
		w.segments++
		return s, true
	}
	w.ahead, w.next, w.nextErr = true, s, err
	return Segment{}, false
}

// Skip takes messages for read that the source leaves out: so many bytes, segments
// and messages, whose references count on. The source calls it from within its
// Read. It does nothing and reports false unless the walker stands behind a UNT
// and has used up all that was read.
func (w *Walker) Skip(bytes, segments, messages int64) bool {
	r := w.r
	if w.state != between || w.inGroup || w.held || w.ahead || r.ei < r.en || r.carry {
		return false
	}
	for _, c := range r.buf[r.pos:r.end] {
		if c != '\r' && c != '\n' {
			return false
		}
	}
	r.base += bytes
	r.number += segments
	w.messages += messages
	w.refs.skip(messages)
	return true
}

// turn is the rest of Next for what is not the body of a message.
func (w *Walker) turn(s Segment, err error) (*Step, error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.r.unas != w.unas {
		w.countUNA()
	}
	if err != nil {
		w.err = err
		if err == io.EOF {
			w.err = w.end()
		}
		return nil, w.err
	}
	w.place(s)
	return &w.step, nil
}

// at makes w.step that of a segment outside of any message. It is made in place:
// copied, it would cost more than finding the segment did.
func (w *Walker) at(kind Kind, s Segment) {
	w.step.Kind = kind
	w.step.Segment = s
	w.step.Interchange = w.interchanges
	w.step.Message, w.step.SegmentInMessage = 0, 0
}

// SkipMessage goes to just behind the UNT of the message in which the walker
// is, checking counts and references as Next would. Elsewhere it does nothing.
func (w *Walker) SkipMessage() error {
	for w.state == inMessage && !w.held {
		step, err := w.Next()
		if err != nil {
			return err
		}
		switch step.Kind {
		case KindBody, KindUNT, KindUNA:
		default:
			w.held = true // the message had no UNT; this belongs to what follows
		}
	}
	return nil
}

// place finds out what a segment is here, and moves on.
func (w *Walker) place(s Segment) {
	kind := KindBody
	if s.service() {
		switch w.r.buf[s.start+2] {
		case 'A':
			w.fault(s, FaultUNATwice, "", "")
			w.at(KindUNA, s)
			return
		case 'B':
			w.openInterchange(s)
			w.at(KindUNB, s)
			return
		case 'G':
			w.openGroup(s)
			w.at(KindUNG, s)
			return
		case 'H':
			w.openMessage(s)
			kind = KindUNH
		case 'T':
			kind = KindUNT
		case 'E':
			w.closeGroup(s)
			w.at(KindUNE, s)
			return
		case 'Z':
			w.closeInterchange(s)
			return
		}
	}
	switch w.state {
	case beforeUNB:
		w.fault(s, FaultUNBMissing, "UNB", s.Tag())
		w.state = stray
	case afterUNB:
		w.fault(s, FaultUNHMissing, "UNH", s.Tag())
		w.state = inMessage
		w.headless = true
		w.segments = 0
	case between:
		w.fault(s, FaultAfterUNT, "UNH", s.Tag())
		w.state = stray
	case afterUNZ:
		w.behindUNZ(s)
		w.at(kind, s)
		w.step.Interchange = 0
		return
	}
	w.at(kind, s)
	if w.state == inMessage {
		w.segments++
		w.step.SegmentInMessage = w.segments
		if !w.headless {
			w.step.Message = w.messages
		}
		if kind == KindUNT {
			w.closeMessage(s)
		}
	}
}

func (w *Walker) openInterchange(s Segment) {
	w.leaveGroup(s)
	switch w.state {
	case beforeUNB:
	case afterUNZ:
		if !w.o.SeveralInterchanges {
			w.fault(s, FaultSecondUNB, "", "")
		}
	default:
		if w.interchanges > 0 {
			w.fault(s, FaultUNZMissing, "UNZ", "UNB")
		}
	}
	w.state = afterUNB
	w.interchanges++
	w.groups, w.messages, w.groupMessages = 0, 0, 0
	w.unbRef = append(w.unbRef[:0], s.Value(5, 1)...)
	w.refs.reset()
}

func (w *Walker) openGroup(s Segment) {
	w.leaveGroup(s)
	if w.state == afterUNZ {
		w.behindUNZ(s)
		return
	}
	if !w.o.Groups || w.state != afterUNB && w.state != between {
		w.fault(s, FaultGroup, "", "UNG")
	}
	w.needUNB(s)
	w.state = between
	w.inGroup = true
	w.groups++
	w.groupMessages = 0
	w.ungRef = append(w.ungRef[:0], s.Value(5, 1)...)
}

func (w *Walker) openMessage(s Segment) {
	w.leaveMessage(s)
	w.needUNB(s)
	if w.state == afterUNZ {
		return // reported by place
	}
	w.state = inMessage
	w.headless = false
	w.messages++
	w.groupMessages++
	w.segments = 0
	ref := s.Value(1, 1)
	w.unhRef = append(w.unhRef[:0], ref...)
	switch want, verdict := w.refs.next(ref); verdict {
	case refTwice:
		w.faultAt(s.PosOf(1, 1), FaultDuplicateReference, "", ref)
	case refGap:
		width := min(len(ref), maxRef)
		w.faultAt(s.PosOf(1, 1), FaultUNHReferenceGap, fmt.Sprintf("%0*d", width, want), ref)
	}
}

func (w *Walker) closeMessage(s Segment) {
	w.state = between
	if w.headless {
		return
	}
	if got := s.Value(1, 1); !isCount(got, w.segments) {
		w.faultAt(s.PosOf(1, 1), FaultUNTCount, strconv.FormatInt(w.segments, 10), got)
	}
	if got := s.Value(2, 1); string(got) != string(w.unhRef) {
		w.faultAt(s.PosOf(2, 1), FaultUNTReference, clip(w.unhRef), got)
	}
}

func (w *Walker) closeGroup(s Segment) {
	w.leaveMessage(s)
	if w.state == afterUNZ {
		w.behindUNZ(s)
		return
	}
	w.needUNB(s)
	if !w.inGroup {
		w.fault(s, FaultGroup, "", "UNE")
		return
	}
	if got := s.Value(1, 1); !isCount(got, w.groupMessages) {
		w.faultAt(s.PosOf(1, 1), FaultUNECount, strconv.FormatInt(w.groupMessages, 10), got)
	}
	if got := s.Value(2, 1); string(got) != string(w.ungRef) {
		w.faultAt(s.PosOf(2, 1), FaultUNEReference, clip(w.ungRef), got)
	}
	w.inGroup = false
	w.state = between
}

func (w *Walker) closeInterchange(s Segment) {
	w.at(KindUNZ, s)
	if w.state == afterUNZ {
		w.behindUNZ(s)
		w.step.Interchange = 0
		return
	}
	w.leaveGroup(s)
	if w.state == afterUNB {
		w.fault(s, FaultUNHMissing, "UNH", "UNZ")
	}
	w.needUNB(s)
	if w.interchanges > 0 {
		count := w.messages
		if w.groups > 0 {
			count = w.groups
		}
		if got := s.Value(1, 1); !isCount(got, count) {
			w.faultAt(s.PosOf(1, 1), FaultUNZCount, strconv.FormatInt(count, 10), got)
		}
		if got := s.Value(2, 1); string(got) != string(w.unbRef) {
			w.faultAt(s.PosOf(2, 1), FaultUNZReference, clip(w.unbRef), got)
		}
	}
	w.state = afterUNZ
	w.told = false
}

// behindUNZ reports the first of the segments behind UNZ.
func (w *Walker) behindUNZ(s Segment) {
	if !w.told {
		w.told = true
		w.fault(s, FaultAfterUNZ, "", s.Tag())
	}
}

// needUNB reports the first segment of a file that has no UNB before it.
func (w *Walker) needUNB(s Segment) {
	if w.state == beforeUNB {
		w.fault(s, FaultUNBMissing, "UNB", s.Tag())
		w.state = stray
	}
}

// leaveMessage and leaveGroup report what the segment s finds unfinished.
func (w *Walker) leaveMessage(s Segment) {
	if w.state == inMessage {
		w.fault(s, FaultUNTMissing, "UNT", s.Tag())
		w.state = between
	}
}

func (w *Walker) leaveGroup(s Segment) {
	w.leaveMessage(s)
	if w.inGroup {
		w.fault(s, FaultUNEMissing, "UNE", s.Tag())
		w.inGroup = false
	}
}

// end is called where the bytes end between two segments.
func (w *Walker) end() error {
	if w.state == afterUNZ {
		return io.EOF
	}
	p := Pos{Offset: w.r.base + int64(w.r.pos), Segment: w.r.number + 1}
	switch {
	case w.state == beforeUNB:
		w.faultAt(p, FaultUNBMissing, "UNB", nil)
	case w.state == inMessage:
		w.faultAt(p, FaultUNTMissing, "UNT", nil)
	}
	if w.inGroup {
		w.faultAt(p, FaultUNEMissing, "UNE", nil)
	}
	w.faultAt(p, FaultUNZMissing, "UNZ", nil)
	return &SyntaxError{p, ErrTruncated}
}

// countUNA reports a service string advice that is not the first of the file,
// or of its interchange where there may be several.
func (w *Walker) countUNA() {
	fresh := w.r.unas - w.unas
	if w.unas > 0 && !(w.o.SeveralInterchanges && w.state == afterUNZ && fresh == 1) || fresh > 1 {
		w.onFault(&EnvelopeError{Pos: Pos{Offset: w.r.unaAt, Segment: w.r.number, Tag: "UNA"}, Fault: FaultUNATwice})
	}
	w.unas = w.r.unas
}

func (w *Walker) fault(s Segment, f Fault, want, got string) {
	w.onFault(&EnvelopeError{s.Pos(), f, want, got})
}

func (w *Walker) faultAt(p Pos, f Fault, want string, got []byte) {
	w.onFault(&EnvelopeError{p, f, want, clip(got)})
}

// maxRef is the longest reference in ISO 9735 and so the longest told.
const maxRef = 35

func clip(b []byte) string { return string(b[:min(len(b), maxRef)]) }

// isCount reports whether b is the number n, leading zeros allowed.
func isCount(b []byte, n int64) bool {
	got, ok := number(b)
	return ok && got == n
}

// number reads up to 18 decimal digits.
func number(b []byte) (n int64, ok bool) {
	for len(b) > 1 && b[0] == '0' {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}
