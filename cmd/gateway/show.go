package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gateway301/edifact"
)

func newShowCommand() *cobra.Command {
	var s shower
	var charset string
	c := &cobra.Command{
		Use:   "show FILE",
		Short: "Show the segments of an EDIFACT file as a tree",
		Long: `Show an EDIFACT file segment by segment, with its envelope as indentation and
faults of the envelope where they are. "-" reads standard input. Values that may
tell about patients are shown as one asterisk per byte: all but those of UNA, UNB,
UNH, UNT, UNZ and FKT, as far as these have no element too many.`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().BoolVar(&s.json, "json", false, "print JSON lines, one per segment or fault")
	c.Flags().BoolVar(&s.plain, "plain", false, "show all values")
	c.Flags().StringVar(&charset, "charset", "I1", "character set of the file: I1, I5, I7, I8 or U8")
	c.RunE = func(c *cobra.Command, args []string) error {
		var known bool
		if s.charset, known = edifact.ParseCharset(charset); !known {
			return usageError{fmt.Errorf("--charset %q: want I1, I5, I7, I8 or U8", charset)}
		}
		// A pipe that closes early is to give an error here, which main knows to
		// be none, instead of a signal.
		signal.Ignore(syscall.SIGPIPE)
		defer signal.Reset(syscall.SIGPIPE)

		in, size := c.InOrStdin(), int64(0)
		if args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if info, err := f.Stat(); err == nil {
				size = info.Size()
			}
			in = f
		}
		s.german = german(c)
		s.progress = newProgress(c.ErrOrStderr(), c.OutOrStdout(), size)
		out := bufio.NewWriterSize(c.OutOrStdout(), 64<<10)
		err := s.show(in, out)
		s.progress.clear()
		if flushErr := out.Flush(); flushErr != nil {
			return flushErr
		}
		return err
	}
	return c
}

// A shower prints segments. Its memory does not grow with the file.
type shower struct {
	json, plain, german bool
	charset             edifact.Charset
	progress            *progress

	line   []byte
	text   []byte
	values []edifact.Value
}

// show prints all of in to out, and returns the syntax error that ended it, if
// one did. What stands before it has been printed then.
func (s *shower) show(in io.Reader, out *bufio.Writer) error {
	var outErr error
	write := func() {
		if _, err := out.Write(s.line); err != nil && outErr == nil {
			outErr = err
		}
	}
	w := edifact.NewWalker(in, edifact.Options{}, func(e *edifact.EnvelopeError) {
		s.fault(e)
		write()
	})
	unaShown := false
	for {
		step, err := w.Next()
		if una, ok := w.Reader().UNA(); ok && !unaShown {
			unaShown = true
			s.una(una)
			write()
		}
		switch {
		case outErr != nil:
			return outErr
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if s.json {
			s.segmentJSON(step)
		} else {
			s.segment(step)
		}
		write()
		s.progress.at(step.Segment.End())
	}
}

// masked reports whether a segment's values are kept back.
func (s *shower) masked(step *edifact.Step) bool {
	if s.plain {
		return false
	}
	known := 0 // elements that the segment has by ISO 9735 or Anlage 1; what else there is may be anything
	switch step.Segment.Tag() {
	case "UNA":
		known = 2
	case "UNB":
		known = 11
	case "UNH", "FKT":
		known = 4
	case "UNT", "UNZ":
		known = 2
	}
	counters := step.Segment.Components(0) > 1 && step.Kind != edifact.KindUNA
	return known == 0 || counters || step.Segment.Elements() > known
}

func (s *shower) una(una []byte) {
	if s.json {
		s.line = append(s.line[:0], `{"una":`...)
		s.line = appendJSON(s.line, una)
		s.line = append(s.line, "}\n"...)
		return
	}
	s.line = append(s.line[:0], "         "...)
	s.line = append(appendPrintable(s.line, una), '\n')
}

func (s *shower) fault(e *edifact.EnvelopeError) {
	if s.json {
		s.line = append(s.line[:0], `{"fault":`...)
		s.line = appendJSON(s.line, []byte(e.Fault.String()))
		s.line = append(s.line, `,"segment":`...)
		s.line = strconv.AppendInt(s.line, e.Pos.Segment, 10)
		s.line = append(s.line, `,"tag":`...)
		s.line = appendJSON(s.line, []byte(e.Pos.Tag))
		s.line = append(s.line, `,"offset":`...)
		s.line = strconv.AppendInt(s.line, e.Pos.Offset, 10)
		for _, v := range [...]struct{ name, text string }{{"want", e.Want}, {"got", e.Got}} {
			if v.text != "" {
				s.line = append(append(append(s.line, `,"`...), v.name...), `":`...)
				s.line = appendJSON(s.line, s.decoded([]byte(v.text)))
			}
		}
		s.line = append(s.line, "}\n"...)
		return
	}
	s.line = append(s.line[:0], "      !  "...)
	s.line = append(s.line, e.Fault.String()...)
	if e.Want != "" {
		s.line = fmt.Appendf(s.line, ", want %q", e.Want)
	}
	if e.Got != "" {
		s.line = fmt.Appendf(s.line, ", got %q", e.Got)
	}
	s.line = fmt.Appendf(s.line, " (%v)\n", e.Pos)
}

// segment lays out one line: number, indented tag, name, values.
func (s *shower) segment(step *edifact.Step) {
	seg := step.Segment
	s.line = s.line[:0]
	digits := strconv.AppendInt(s.text[:0], seg.Number(), 10)
	for range 7 - len(digits) {
		s.line = append(s.line, ' ')
	}
	s.line = append(append(s.line, digits...), "  "...)
	depth := 0
	switch step.Kind {
	case edifact.KindUNG, edifact.KindUNE, edifact.KindUNH, edifact.KindUNT:
		depth = 2
	case edifact.KindBody, edifact.KindUNA:
		depth = 4
	}
	for range depth {
		s.line = append(s.line, ' ')
	}
	s.line = append(append(s.line, seg.Tag()...), ' ')
	name := segmentName(seg.Tag(), s.german)
	s.line = append(s.line, name...)
	for range 34 - depth - utf8.RuneCountInString(name) {
		s.line = append(s.line, ' ')
	}
	masked := s.masked(step)
	s.values = seg.AppendValues(s.values[:0])
	for i, v := range s.values {
		switch {
		case v.Component > 1:
			s.line = append(s.line, ':')
		case i > 0:
			s.line = append(s.line, " + "...)
		default:
			s.line = append(s.line, ' ')
		}
		if masked {
			for range seg.Bytes(v) {
				s.line = append(s.line, '*')
			}
			continue
		}
		s.line = appendPrintable(s.line, s.decoded(seg.Bytes(v)))
	}
	for s.line[len(s.line)-1] == ' ' {
		s.line = s.line[:len(s.line)-1]
	}
	s.line = append(s.line, '\n')
}

// segmentJSON writes the stable form. Elements are lists of components;
// "counters" are the rare components of the tag itself. A masked segment has
// "lengths" in bytes in place of values.
func (s *shower) segmentJSON(step *edifact.Step) {
	seg := step.Segment
	s.line = append(s.line[:0], `{"segment":`...)
	s.line = strconv.AppendInt(s.line, seg.Number(), 10)
	s.line = append(append(append(s.line, `,"tag":"`...), seg.Tag()...), '"')
	s.line = append(append(append(s.line, `,"kind":"`...), step.Kind.String()...), '"')
	for _, n := range [...]struct {
		name string
		n    int64
	}{{"interchange", step.Interchange}, {"message", step.Message}, {"position", step.SegmentInMessage}} {
		if n.n > 0 {
			s.line = append(append(append(s.line, `,"`...), n.name...), `":`...)
			s.line = strconv.AppendInt(s.line, n.n, 10)
		}
	}
	s.line = append(s.line, `,"offset":`...)
	s.line = strconv.AppendInt(s.line, seg.Offset(), 10)
	masked := s.masked(step)
	s.values = seg.AppendValues(s.values[:0])
	counters := 0
	for counters < len(s.values) && s.values[counters].Element == 0 {
		counters++
	}
	if counters > 0 {
		s.line = append(s.line, `,"counters":[`...)
		for i, v := range s.values[:counters] {
			if i > 0 {
				s.line = append(s.line, ',')
			}
			s.valueJSON(seg.Bytes(v), masked)
		}
		s.line = append(s.line, ']')
	}
	if masked {
		s.line = append(s.line, `,"lengths":[`...)
	} else {
		s.line = append(s.line, `,"elements":[`...)
	}
	for i, v := range s.values[counters:] {
		switch {
		case v.Component > 1:
			s.line = append(s.line, ',')
		case i > 0:
			s.line = append(s.line, "],["...)
		default:
			s.line = append(s.line, '[')
		}
		s.valueJSON(seg.Bytes(v), masked)
	}
	if len(s.values) > counters {
		s.line = append(s.line, ']')
	}
	s.line = append(s.line, "]}\n"...)
}

func (s *shower) valueJSON(v []byte, masked bool) {
	if masked {
		s.line = strconv.AppendInt(s.line, int64(len(v)), 10)
		return
	}
	s.line = appendJSON(s.line, s.decoded(v))
}

// decoded gives a value as UTF-8, with the bytes that the character set does
// not define written as \x... The result holds until the next call.
func (s *shower) decoded(v []byte) []byte {
	s.text = s.text[:0]
	for {
		var err error
		s.text, err = s.charset.AppendDecoded(s.text, v)
		bad, ok := errors.AsType[*edifact.CharsetError](err)
		if !ok {
			return s.text
		}
		s.text = fmt.Appendf(s.text, `\x%02x`, v[bad.Index])
		v = v[bad.Index+1:]
	}
}

// appendPrintable escapes what could steer a terminal.
func appendPrintable(dst, text []byte) []byte {
	for _, r := range string(text) {
		if unicode.IsPrint(r) {
			dst = utf8.AppendRune(dst, r)
		} else {
			q := strconv.AppendQuoteRune(nil, r)
			dst = append(dst, q[1:len(q)-1]...)
		}
	}
	return dst
}

// appendJSON appends text as a JSON string.
func appendJSON(dst, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			q, err := json.Marshal(string(text))
			if err != nil {
				q = []byte(`""`) // a string can always be marshalled
			}
			return append(dst, q...)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}

// segmentName says in a few words what a segment is for (UN/EDIFACT for the
// service segments, Anlage 1 for the others). An unknown one has no name.
func segmentName(tag string, german bool) string {
	names := [2]string{}
	switch tag {
	case "UNB":
		names = [2]string{"Interchange header", "Nutzdaten-Kopf"}
	case "UNG":
		names = [2]string{"Group header", "Gruppen-Kopf"}
	case "UNH":
		names = [2]string{"Message header", "Nachrichten-Kopf"}
	case "UNT":
		names = [2]string{"Message trailer", "Nachrichten-Ende"}
	case "UNE":
		names = [2]string{"Group trailer", "Gruppen-Ende"}
	case "UNZ":
		names = [2]string{"Interchange trailer", "Nutzdaten-Ende"}
	case "AUF":
		names = [2]string{"Admission", "Aufnahme"}
	case "BDG":
		names = [2]string{"Treatment diagnosis", "Behandlungsdiagnose"}
	case "BNK":
		names = [2]string{"Bank account", "Bankverbindung"}
	case "CUX":
		names = [2]string{"Currency", "Währung"}
	case "DAU":
		names = [2]string{"Length of stay", "Dauer"}
	case "DPV":
		names = [2]string{"Versions of ICD and OPS", "ICD- und OPS-Version"}
	case "EAD":
		names = [2]string{"Admission diagnosis", "Aufnahmediagnose"}
	case "EBG":
		names = [2]string{"Birth", "Entbindung"}
	case "ENA":
		names = [2]string{"Outpatient charge", "Entgelt ambulant"}
	case "ENT":
		names = [2]string{"Charge", "Entgelt"}
	case "ETL":
		names = [2]string{"Discharge, transfer", "Entlassung, Verlegung"}
	case "EZV":
		names = [2]string{"Other charge", "Weiteres Entgelt"}
	case "FAB":
		names = [2]string{"Department", "Fachabteilung"}
	case "FHL":
		names = [2]string{"Error", "Fehler"}
	case "FKT":
		names = [2]string{"Function", "Funktion"}
	case "IBE":
		names = [2]string{"Implant register", "Implantateregister"}
	case "INV":
		names = [2]string{"Insured person", "Versicherter"}
	case "KOS":
		names = [2]string{"Cost coverage", "Kostenübernahme"}
	case "LEI":
		names = [2]string{"Service", "Leistung"}
	case "NAD":
		names = [2]string{"Name and address", "Name und Anschrift"}
	case "NDG":
		names = [2]string{"Secondary diagnosis", "Nebendiagnose"}
	case "PRZ":
		names = [2]string{"Procedure", "Prozedur"}
	case "PVT":
		names = [2]string{"Case review: text", "Prüfverfahren: Text"}
	case "PVV":
		names = [2]string{"Case review: information", "Prüfverfahren: Information"}
	case "RBG":
		names = [2]string{"Rehabilitation", "Rehabilitation"}
	case "REC":
		names = [2]string{"Invoice", "Rechnung"}
	case "RED":
		names = [2]string{"Invoice data", "Rechnungsdaten"}
	case "REL":
		names = [2]string{"Set-off invoice", "Verrechnung"}
	case "RZA":
		names = [2]string{"Outpatient invoice data", "Rechnungszusatz ambulant"}
	case "STA":
		names = [2]string{"Hospital site", "Standort"}
	case "TXT":
		names = [2]string{"Text", "Text"}
	case "UWD":
		names = [2]string{"Transfer of money", "Überweisung"}
	case "ZLG":
		names = [2]string{"Co-payment", "Zuzahlung"}
	case "ZPR":
		names = [2]string{"Payment", "Zahlung"}
	}
	if german {
		return names[1]
	}
	return names[0]
}

// A progress shows on a terminal how far a long file has been read, once a
// second, where the output itself goes elsewhere.
type progress struct {
	w     io.Writer
	size  int64
	next  int64 // offset at which to look at the clock again
	shown time.Time

	mu   sync.Mutex // of read
	read int64
}

func newProgress(w, out io.Writer, size int64) *progress {
	const long = 64 << 20
	terminal := func(w io.Writer) bool {
		f, ok := w.(*os.File)
		return ok && term.IsTerminal(int(f.Fd()))
	}
	if size < long || !terminal(w) || terminal(out) {
		return nil
	}
	return &progress{w: w, size: size, shown: time.Now()}
}

func (p *progress) at(offset int64) {
	if p == nil || offset < p.next {
		return
	}
	p.next = offset + 1<<20
	if now := time.Now(); now.Sub(p.shown) >= time.Second {
		p.shown = now
		fmt.Fprintf(p.w, "\r%3d %%", 100*offset/p.size)
	}
}

// add tells that n more bytes were read, by any goroutine.
func (p *progress) add(n int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read += n
	p.at(p.read)
}

func (p *progress) clear() {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		fmt.Fprint(p.w, "\r     \r")
	}
}
