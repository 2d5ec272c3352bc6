package edifact

import (
	"errors"
	"fmt"
	"io"
	"strconv"
)

// What a [Writer] refuses. Nothing of a refused segment is written, and the
// writer can go on with another.
var (
	// ErrCharacter: the level in force does not hold a byte of the value.
	ErrCharacter = errors.New("character is outside of the level")
	// ErrNoRelease: a value holds a separator, and no release character is in use.
	ErrNoRelease = errors.New("separator in a value and no release character in use")
	// ErrOrder: a message or an interchange is begun or ended where it cannot be.
	ErrOrder = errors.New("out of order")
)

// A ValueError reports a value that cannot be written, and where it stood. It
// never carries the value.
type ValueError struct {
	Tag                string
	Element, Component int // counted from 1
	Index              int // of the offending byte in the value as given
	Err                error
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("edifact: segment %s, element %d, component %d, byte %d: %v", e.Tag, e.Element, e.Component, e.Index, e.Err)
}

func (e *ValueError) Unwrap() error { return e.Err }

// A Level is a repertoire of bytes that may occur in an interchange.
type Level int

const (
	LevelC   Level = iota // UNOC: ISO 8859-1 without control characters; the level of § 301
	LevelA                // UNOA: capital letters, digits and some marks
	LevelB                // UNOB: as UNOA, with small letters
	LevelW                // UNOW: UTF-8 without ASCII control characters; wholeness of a character is not checked
	LevelAny              // every byte but NUL
)

// String is the name that stands in UNB; "any" for LevelAny.
func (l Level) String() string {
	switch l {
	case LevelA:
		return "UNOA"
	case LevelB:
		return "UNOB"
	case LevelC:
		return "UNOC"
	case LevelW:
		return "UNOW"
	}
	return "any"
}

// holds reports whether the byte belongs to the level (ISO 9735 section 5
// names the repertoires of UNOA and UNOB; the national positions of ISO 646
// are left out there).
func (l Level) holds(c byte) bool {
	switch l {
	case LevelAny:
		return c != 0
	case LevelW:
		return c >= ' ' && c != 0x7f
	case LevelC:
		return ' ' <= c && c < 0x7f || c >= 0xa0
	}
	switch {
	case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	case 'a' <= c && c <= 'z':
		return l == LevelB
	}
	switch c {
	case ' ', '.', ',', '-', '(', ')', '/', '=', '+', ':', '\'', '?', '!', '"', '%', '&', '*', ';', '<', '>':
		return true
	}
	return false
}

// WriterOptions are the habits of a [Writer]. The zero value writes what § 301
// partners expect: default separators, no UNA, no line breaks, counts unpadded,
// five-digit message references, values given as the bytes that shall stand in
// the file.
type WriterOptions struct {
	Separators Separators // the default ones if zero; others are always announced by a UNA
	UNA        bool       // write a UNA for the default separators too
	Level      Level
	Charset    Charset // if set, values are given in UTF-8 and written in this character set
	Newline    string  // written behind every segment: "", "\n" or "\r\n"

	CountWidth     int // counts in UNT and UNZ are padded with zeros to this width
	ReferenceWidth int // likewise the references made by Message; 5 if 0
}

// An Element is the components of a data element.
type Element []string

// C makes an element of its components: C("UNOC", "3") or C("10").
func C(components ...string) Element { return components }

const (
	flushAt = 32 << 10

	needsRelease = 1
	forbidden    = 0x80
)

// A Writer writes segments. What a value needs released is released, trailing
// empty components and elements are dropped, and counts and references are
// kept for [Writer.EndMessage] and [Writer.End].
type Writer struct {
	dst   io.Writer
	o     WriterOptions
	seps  Separators
	class [256]uint8
	join  *joinTable // nil: values are joined in Go
	quick bool       // joinShort may be used
	buf   []byte
	conv  []byte
	err   error // of dst, or of the options; sticky

	announced          bool // the present interchange has its UNA, if it needs one
	open, inMessage    bool
	messages, segments int64
	groups             int64
	unbRef, unhRef     string
}

// NewWriter returns a writer to dst. It buffers: [Writer.Flush] or [Writer.End]
// must be called at the end. Separators that cannot be told apart, and a
// Newline that is none, are reported by the first call that writes.
func NewWriter(dst io.Writer, o WriterOptions) *Writer {
	w := &Writer{dst: dst, o: o, seps: o.Separators, buf: make([]byte, 0, flushAt+flushAt/4)}
	if w.seps == (Separators{}) {
		w.seps = DefaultSeparators()
	}
	if _, err := w.seps.check(); err != nil {
		w.err = fmt.Errorf("edifact: separators: %w", err)
	}
	switch o.Newline {
	case "", "\n", "\r\n":
	default:
		w.err = errors.New("edifact: only CR and LF may stand between segments")
	}
	for c := range w.class {
		if !o.Level.holds(byte(c)) {
			w.class[c] = forbidden
		}
	}
	for _, c := range [...]byte{w.seps.Component, w.seps.Element, w.seps.Terminator} {
		w.class[c] |= needsRelease
	}
	if w.seps.Release != ' ' {
		w.class[w.seps.Release] |= needsRelease
	}
	if o.Charset == 0 {
		w.join = newJoinTable(&w.class, w.seps)
		w.quick = w.join != nil && bestJoin() >= inAVX2 && o.Newline == ""
	}
	return w
}

// Segment writes one segment. A mistake in tag or values is a *[ValueError]
// and leaves the output as it was; an error of the destination is final.
func (w *Writer) Segment(tag string, elements ...Element) error {
	if w.err != nil {
		return w.err
	}
	// One of less than 64 bytes behind the tag, with nothing to be announced before
	// it and nothing to be counted but itself.
	if w.quick && w.announced && len(tag) == lenTag && tag[0] != 'U' && letters(uint32(tag[0])|uint32(tag[1])<<8|uint32(tag[2])<<16) {
		n := len(w.buf) // less than flushAt
		b := w.buf[n : n+lenTag+joinRoom]
		b[0], b[1], b[2] = tag[0], tag[1], tag[2]
		if k := joinShort(&b[lenTag], elements, w.join); k >= 0 {
			b[lenTag+k] = w.seps.Terminator
			w.buf = w.buf[:n+lenTag+k+1]
			w.segments++
			return w.spill()
		}
	}
	return w.segment(tag, elements)
}

// segment is Segment for every segment.
func (w *Writer) segment(tag string, elements []Element) error {
	if len(tag) != lenTag || !capital(tag[0]) || !tagByte(tag[1]) || !tagByte(tag[2]) {
		return &ValueError{Tag: tag, Err: ErrTag}
	}
	start := len(w.buf)
	b := w.buf
	if !w.announced {
		b = w.advice(b)
	}
	b = append(b, tag[0], tag[1], tag[2])
	const end = 4 // room for terminator and line break
	if room := cap(b) - len(b) - end; w.join != nil && room > 0 {
		if n := joinKernel(&b[len(b) : len(b)+1][0], room, elements, w.join); n >= 0 {
			w.finish(b[:len(b)+n], tag, elements)
			return w.spill()
		}
	}
	gap := 0 // elements left out so far, to be made up for if one with content follows
	for e, el := range elements {
		gap++
		n := len(el)
		for n > 0 && el[n-1] == "" {
			n--
		}
		if n == 0 {
			continue
		}
		for ; gap > 0; gap-- {
			b = append(b, w.seps.Element)
		}
		for c, v := range el[:n] {
			if c > 0 {
				b = append(b, w.seps.Component)
			}
			var err error
			if b, err = w.value(b, v); err != nil {
				ve := err.(*ValueError)
				ve.Tag, ve.Element, ve.Component = tag, e+1, c+1
				w.buf = b[:start]
				return ve
			}
		}
	}
	w.finish(b, tag, elements)
	return w.spill()
}

// finish ends a segment that has been written to b, and counts it.
func (w *Writer) finish(b []byte, tag string, elements []Element) {
	b = append(b, w.seps.Terminator)
	if w.o.Newline != "" {
		b = append(b, w.o.Newline...)
	}
	w.buf = b
	w.announced = true
	w.segments++
	if tag[0] == 'U' && tag[1] == 'N' {
		w.count(tag, elements)
	}
}

// advice appends the UNA if one is due.
func (w *Writer) advice(b []byte) []byte {
	if w.announced {
		return b
	}
	d := DefaultSeparators()
	d.Decimal, d.Reserved = w.seps.Decimal, w.seps.Reserved
	if w.o.UNA || w.seps != d {
		return w.seps.append(b)
	}
	return b
}

// value appends v with what it needs released.
func (w *Writer) value(b []byte, v string) ([]byte, error) {
	if w.o.Charset != 0 {
		var err error
		if w.conv, err = w.o.Charset.AppendEncoded(w.conv[:0], v); err != nil {
			return b, &ValueError{Index: err.(*CharsetError).Index, Err: err}
		}
		return appendValue(w, b, w.conv)
	}
	return appendValue(w, b, v)
}

func appendValue[T string | []byte](w *Writer, b []byte, v T) ([]byte, error) {
	var seen uint8
	for i := 0; i < len(v); i++ {
		seen |= w.class[v[i]]
	}
	if seen == 0 {
		return append(b, v...), nil
	}
	for i := 0; i < len(v); i++ {
		switch c := w.class[v[i]]; {
		case c&forbidden != 0:
			return b, &ValueError{Index: i, Err: ErrCharacter}
		case c&needsRelease != 0:
			if w.seps.Release == ' ' {
				return b, &ValueError{Index: i, Err: ErrNoRelease}
			}
			b = append(b, w.seps.Release)
		}
		b = append(b, v[i])
	}
	return b, nil
}

// count keeps what the closing segments must say.
func (w *Writer) count(tag string, elements []Element) {
	w.service(tag[2], func(e int) string {
		if e < len(elements) && len(elements[e]) > 0 {
			return elements[e][0]
		}
		return ""
	})
}

func (w *Writer) service(tag byte, value func(element int) string) {
	switch tag {
	case 'B':
		w.open, w.inMessage, w.messages, w.groups = true, false, 0, 0
		w.unbRef = value(4)
	case 'G':
		w.groups++
	case 'H':
		w.inMessage = true
		w.messages++
		w.segments = 1
		w.unhRef = value(0)
	case 'T':
		w.inMessage = false
	case 'Z':
		w.open, w.inMessage, w.announced = false, false, false
	}
}

// Copy writes a segment that was read: byte for byte if it was read with the
// separators in force here, else with its values released anew. Line breaks
// around it are not part of it.
func (w *Writer) Copy(s Segment) error {
	if w.err != nil {
		return w.err
	}
	from, to := s.r.seps, w.seps
	from.Decimal, from.Reserved = to.Decimal, to.Reserved
	start := len(w.buf)
	b := w.advice(w.buf)
	if from == to {
		b = append(b, s.Raw()...)
	} else {
		b = append(b, s.r.buf[s.start:s.start+lenTag]...)
		c := s.Cursor()
		for c.Next() {
			if c.component == 1 {
				b = append(b, to.Element)
			} else {
				b = append(b, to.Component)
			}
			var err error
			if b, err = appendValue(w, b, c.Value()); err != nil {
				ve := err.(*ValueError)
				ve.Tag, ve.Element, ve.Component = s.Tag(), c.Element(), c.Component()
				w.buf = b[:start]
				return ve
			}
		}
		b = append(b, to.Terminator)
	}
	w.buf = append(b, w.o.Newline...)
	w.announced = true
	w.segments++
	if t := s.r.buf[s.start : s.start+lenTag]; t[0] == 'U' && t[1] == 'N' {
		w.service(t[2], func(e int) string { return string(s.Value(e+1, 1)) })
	}
	return w.spill()
}

// A Header is what UNB says (ISO 9735, segment UNB).
type Header struct {
	Syntax    Element   // S001; UNOC : 3 if nil
	Sender    Element   // S002
	Recipient Element   // S003
	Date      string    // S004, first component: YYMMDD or YYYYMMDD
	Time      string    // S004, second component: HHMM
	Reference string    // 0020, repeated in UNZ
	More      []Element // from S005 on: password, application reference, …
}

// Begin writes UNB, and before it the UNA if one is due.
func (w *Writer) Begin(h Header) error {
	if w.open {
		return fmt.Errorf("edifact: UNB: %w: an interchange is open", ErrOrder)
	}
	if h.Syntax == nil {
		h.Syntax = C("UNOC", "3")
	}
	return w.Segment("UNB", append([]Element{h.Syntax, h.Sender, h.Recipient, C(h.Date, h.Time), C(h.Reference)}, h.More...)...)
}

// Message writes UNH with the next reference, counted from 1, and the
// components of S009: type, version, release, agency.
func (w *Writer) Message(typ ...string) error {
	if !w.open || w.inMessage {
		return fmt.Errorf("edifact: UNH: %w", ErrOrder)
	}
	width := w.o.ReferenceWidth
	if width == 0 {
		width = 5
	}
	return w.Segment("UNH", C(pad(w.messages+1, width)), typ)
}

// EndMessage writes UNT with the count of segments, UNH and UNT included, and
// the reference of UNH.
func (w *Writer) EndMessage() error {
	if !w.inMessage {
		return fmt.Errorf("edifact: UNT: %w: no message is open", ErrOrder)
	}
	return w.Segment("UNT", C(pad(w.segments+1, w.o.CountWidth)), C(w.unhRef))
}

// End writes UNZ with the count of messages, or of groups where there are any,
// and the reference of UNB, and flushes.
func (w *Writer) End() error {
	if !w.open || w.inMessage {
		return fmt.Errorf("edifact: UNZ: %w", ErrOrder)
	}
	n := w.messages
	if w.groups > 0 {
		n = w.groups
	}
	if err := w.Segment("UNZ", C(pad(n, w.o.CountWidth)), C(w.unbRef)); err != nil {
		return err
	}
	return w.Flush()
}

// Messages is the number of messages begun in the present interchange.
func (w *Writer) Messages() int64 { return w.messages }

func pad(n int64, width int) string {
	s := strconv.FormatInt(n, 10)
	for len(s) < width {
		s = "0" + s
	}
	return s
}

func (w *Writer) spill() error {
	if len(w.buf) < flushAt {
		return nil
	}
	return w.Flush()
}

// Flush hands everything written so far to the destination.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	n, err := w.dst.Write(w.buf)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("edifact: writing: %w", err)
	}
	w.buf = w.buf[:0]
	return w.err
}
