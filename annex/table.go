package annex

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrTable is wrapped by every error about a file of tables.
var ErrTable = errors.New("inconsistent table")

// A TableError tells which line of which table file is wrong.
type TableError struct {
	File string // path inside its folder, "messages/AUFN-16.txt"
	Line int    // from 1; 0: the file as a whole
	Text string
}

// Error gives file, line and reason.
func (e *TableError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// Unwrap gives ErrTable.
func (e *TableError) Unwrap() error { return ErrTable }

// Where a fact of a table comes from, as the data files write it.
type Mark string

// The marks. S is split while loading: [Basis.Grade].
const (
	Seen     Mark = "S" // seen in the named source
	Analogue Mark = "A" // seen in a sibling Verfahren
	Recalled Mark = "R" // recalled or inferred
)

// A Basis says how well a fact is founded.
type Basis struct {
	Mark    Mark
	Sources []string // short names of data/sources.txt
	// Grade is S1 (the Vereinbarung, a Fortschreibung, the error codes, GGT), S2
	// (programs, samples, vendors), A or R.
	Grade string
	// Firm: seen in a source of class S1 or in two of S2. Only a firm fact makes an
	// error by default.
	Firm bool
}

// OwnCheck is what a finding without a basis in the Vereinbarung is called.
const OwnCheck = srcOwn

// String names the sources of class S1 or those that agree; [OwnCheck] for a fact
// that no source of class S1 states.
func (b Basis) String() string {
	if b.Grade == "S1" || b.Firm {
		return strings.Join(b.Sources, ", ")
	}
	return srcOwn
}

// A Status says whether a segment or value must be there: Muss, Kann, conditional.
type Status struct {
	Letter byte // 'M', 'K', 'C'
	Doubt  bool // written with "?": no source was seen for it
}

// A FieldType is the type of a value.
type FieldType byte

// The types of values.
const (
	Alphanumeric FieldType = 'a'
	Numeric      FieldType = 'n'
	Decimal      FieldType = 'd' // with a decimal comma, at least one digit on both sides
)

// A Format is the type and length of a value, in characters. Without a length seen
// in any source, Min is 0 and Max is 0.
type Format struct {
	Type     FieldType
	Min, Max int
}

// String writes the format as the Anlagen do: "an..45", "n2".
func (f Format) String() string {
	name := map[FieldType]string{Alphanumeric: "an", Numeric: "n", Decimal: "dec"}[f.Type]
	switch {
	case f.Max == 0:
		return name
	case f.Min == f.Max:
		return name + strconv.Itoa(f.Max)
	}
	return name + ".." + strconv.Itoa(f.Max)
}

// length is the allowed length in words.
func (f Format) length() string {
	if f.Min == f.Max {
		return strconv.Itoa(f.Max)
	}
	return "1-" + strconv.Itoa(f.Max)
}

// A ListUse says that the characters From to To of a value, counted from 1, are a
// code of a list; all of it if To is 0.
type ListUse struct {
	List     string
	From, To int
}

// A Field is one component of a segment.
type Field struct {
	Element, Component int
	Name               string
	Format             Format
	Status             Status
	Content            string    // what stands in it: "date", "time", "month", "ik", "kvnr", "icd"
	Lists              []ListUse // code lists of its value
	Role               string    // what rules across segments call it: "admission", "total"
	Basis              Basis
	Line               int
}

// A SegmentRow is one row of a message's segment table.
type SegmentRow struct {
	Tag    string
	Name   string
	Status Status
	Max    int // repeats in a row
	Group  int // 0: outside of a group, else the number of its group
	Fields []Field
	Open   bool // its fields are not known, so they are not judged
	Basis  Basis
	Line   int
}

// A Group is a run of segments that repeats, begun by its first one.
type Group struct {
	Max   int
	Basis Basis
	Line  int
}

// Who sends a message.
const (
	ByHospital = "hospital"
	ByInsurer  = "insurer"
	ByBoth     = "both"
)

// A Table is the segment table of one message in one version, FKT to the segment
// before UNT. Days are JJJJMMTT as a number, 0 means open.
type Table struct {
	Type, Version      string
	Name               string
	Sender             string // ByHospital, ByInsurer or ByBoth
	ValidFrom, ValidTo int
	Rows               []SegmentRow
	Groups             []Group // group n is Groups[n-1]
	File               string
}

// limits of what a table can state.
const (
	maxRows       = 48
	maxElements   = 16
	maxComponents = 4
)

// A tableReader reads the lines of a data file. The first mistake ends it.
type tableReader struct {
	file    string
	line    int
	rest    string
	sources map[string]string // class by short name
	err     error
}

// fail notes the first mistake.
func (r *tableReader) fail(line int, format string, args ...any) {
	if r.err == nil {
		r.err = &TableError{r.file, line, fmt.Sprintf(format, args...)}
	}
}

// next gives the cells of the next line that says something.
func (r *tableReader) next() ([]string, bool) {
	for r.rest != "" && r.err == nil {
		var line string
		line, r.rest, _ = strings.Cut(r.rest, "\n")
		r.line++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		cells := strings.Split(line, "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		return cells, true
	}
	return nil, false
}

// want reports whether a line has from least to most cells.
func (r *tableReader) want(cells []string, least, most int) bool {
	if len(cells) < least || len(cells) > most {
		r.fail(r.line, "has %d cells, not %d to %d", len(cells), least, most)
		return false
	}
	return true
}

// cell is a cell, empty if the line ends before it.
func cell(cells []string, i int) string {
	if i < len(cells) {
		return cells[i]
	}
	return ""
}

// basis reads mark and sources.
func (r *tableReader) basis(mark, sources string) Basis {
	b := Basis{Mark: Mark(mark), Grade: mark}
	for s := range strings.SplitSeq(sources, ",") {
		if s = strings.TrimSpace(s); s != "" {
			b.Sources = append(b.Sources, s)
		}
	}
	first, second := 0, 0
	for i, s := range b.Sources {
		class, known := r.sources[s]
		switch {
		case !known:
			r.fail(r.line, "source %q is not in sources.txt", s)
		case slices.Contains(b.Sources[:i], s):
			r.fail(r.line, "source %q is named twice", s)
		case class == "S1":
			first++
		case class == "S2":
			second++
		}
	}
	switch b.Mark {
	case Seen:
		switch {
		case first > 0:
			b.Grade = "S1"
		case second > 0:
			b.Grade = "S2"
		default:
			r.fail(r.line, "mark S needs a source of class S1 or S2")
		}
		b.Firm = first > 0 || second > 1
	case Analogue:
		if len(b.Sources) == 0 {
			r.fail(r.line, "mark A needs a source")
		}
	case Recalled:
	default:
		r.fail(r.line, "mark %q is none of S, A, R", mark)
	}
	return b
}

// status reads M, K or C, with or without a question mark.
func (r *tableReader) status(s string) Status {
	letter, doubt := strings.CutSuffix(s, "?")
	if letter != "M" && letter != "K" && letter != "C" {
		r.fail(r.line, "status %q is none of M, K, C", s)
		return Status{}
	}
	return Status{letter[0], doubt}
}

// count reads a positive number.
func (r *tableReader) count(s, what string, most int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		r.fail(r.line, "%s %q is no number from 1 to %d", what, s, most)
		return 1
	}
	return n
}

// day reads JJJJ-MM-TT; empty is 0.
func (r *tableReader) day(s string) int {
	if s == "" {
		return 0
	}
	d, ok := parseDay([]byte(strings.ReplaceAll(s, "-", "")))
	if !ok || len(s) != 10 || s[4] != '-' || s[7] != '-' {
		r.fail(r.line, "%q is no day JJJJ-MM-TT", s)
	}
	return int(d)
}

// window reads two days.
func (r *tableReader) window(from, to string) (int, int) {
	a, b := r.day(from), r.day(to)
	if b != 0 && b < a {
		r.fail(r.line, "valid to lies before valid from")
	}
	return a, b
}

// format reads a format as [Format.String] writes it.
func (r *tableReader) format(s string) Format {
	var f Format
	rest := ""
	switch {
	case strings.HasPrefix(s, "an"):
		f.Type, rest = Alphanumeric, s[2:]
	case s == "dec":
		f.Type = Decimal
	case strings.HasPrefix(s, "n"):
		f.Type, rest = Numeric, s[1:]
	default:
		r.fail(r.line, "format %q begins with none of an, n, dec", s)
		return f
	}
	if rest == "" {
		return f
	}
	limit, open := strings.CutPrefix(rest, "..")
	f.Max = r.count(limit, "length", 9999)
	if f.Min = f.Max; open {
		f.Min = 1
	}
	return f
}

// parseMessage reads the segment table of a message.
//
//	message | AUFN | 16 | Aufnahmesatz | hospital
//	valid   | 2026-01-01 | 2026-12-31               optional
//	segment | tag | M, K or C | repeats | name | mark | source
//	  position | name | format | M, K or C | content | mark | source
//	open                                            the fields of the segment are not known
//	group   | repeats | mark | source
//	end
func (r *tableReader) parseMessage() *Table {
	t := &Table{File: r.file}
	group := 0 // the open one
	for {
		cells, ok := r.next()
		if !ok {
			break
		}
		if cells[0] != "message" && t.Type == "" {
			r.fail(r.line, "the first line must be the message")
			break
		}
		switch cells[0] {
		case "message":
			r.head(t, cells)
		case "valid":
			if r.want(cells, 2, 3) {
				t.ValidFrom, t.ValidTo = r.window(cells[1], cell(cells, 2))
			}
		case "segment":
			r.segment(t, cells, group)
		case "open":
			if len(t.Rows) == 0 || len(t.last().Fields) > 0 {
				r.fail(r.line, "open stands directly under its segment")
			} else {
				t.last().Open = true
			}
		case "group":
			if group > 0 {
				r.fail(r.line, "a group inside of a group")
			} else if r.want(cells, 3, 4) {
				t.Groups = append(t.Groups, Group{r.count(cells[1], "repeats", 1_000_000), r.basis(cells[2], cell(cells, 3)), r.line})
				group = len(t.Groups)
			}
		case "end":
			if group == 0 || len(t.Rows) == 0 || t.last().Group != group {
				r.fail(r.line, "end without a group that holds segments")
			}
			group = 0
		default:
			r.field(t, cells)
		}
	}
	r.wholeTable(t, group)
	return t
}

func (t *Table) last() *SegmentRow { return &t.Rows[len(t.Rows)-1] }

func (r *tableReader) head(t *Table, cells []string) {
	switch {
	case t.Type != "":
		r.fail(r.line, "a second message in the file")
		return
	case !r.want(cells, 5, 5):
		return
	}
	t.Type, t.Version, t.Name, t.Sender = cells[1], cells[2], cells[3], cells[4]
	switch {
	case len(t.Type) != 4 || !capitals([]byte(t.Type)):
		r.fail(r.line, "message type %q is not four capital letters", t.Type)
	case !digits(t.Version):
		r.fail(r.line, "version %q is no number", t.Version)
	case t.Sender != ByHospital && t.Sender != ByInsurer && t.Sender != ByBoth:
		r.fail(r.line, "sender %q is none of hospital, insurer, both", t.Sender)
	}
}

func (r *tableReader) segment(t *Table, cells []string, group int) {
	if !r.want(cells, 6, 7) {
		return
	}
	row := SegmentRow{Tag: cells[1], Status: r.status(cells[2]), Max: r.count(cells[3], "repeats", 1_000_000),
		Name: cells[4], Group: group, Basis: r.basis(cells[5], cell(cells, 6)), Line: r.line}
	switch {
	case len(row.Tag) != 3 || !capitals([]byte(row.Tag)) || row.Tag[:2] == "UN":
		r.fail(r.line, "segment tag %q is not three capital letters of a body segment", row.Tag)
	case len(t.Rows) == maxRows:
		r.fail(r.line, "more than %d segments", maxRows)
	case slices.ContainsFunc(t.Rows, func(s SegmentRow) bool { return s.Tag == row.Tag }):
		r.fail(r.line, "segment %s for the second time", row.Tag)
	case len(t.Rows) == 0 && (row.Tag != "FKT" || row.Status.Letter != 'M' || row.Max != 1 || group != 0):
		r.fail(r.line, "the first segment must be FKT, M, once")
	case group > 0 && (len(t.Rows) == 0 || t.last().Group != group) && (row.Status.Letter != 'M' || row.Max != 1):
		r.fail(r.line, "the segment that begins a group must be M, once")
	}
	if len(t.Rows) > 0 && len(t.last().Fields) == 0 && !t.last().Open {
		r.fail(t.last().Line, "segment %s has no fields", t.last().Tag)
	}
	t.Rows = append(t.Rows, row)
}

func (r *tableReader) field(t *Table, cells []string) {
	switch {
	case len(t.Rows) == 0 || t.last().Open:
		r.fail(r.line, "%q: no segment with fields is open here", cells[0])
		return
	case !r.want(cells, 6, 7):
		return
	}
	f := Field{Component: 1, Name: cells[1], Format: r.format(cells[2]), Status: r.status(cells[3]),
		Basis: r.basis(cells[5], cell(cells, 6)), Line: r.line}
	element, component, composite := strings.Cut(cells[0], ".")
	f.Element = r.count(element, "element", maxElements)
	if composite {
		f.Component = r.count(component, "component", maxComponents)
	}
	row := t.last()
	before := Field{}
	if len(row.Fields) > 0 {
		before = row.Fields[len(row.Fields)-1]
	}
	if next := f.Element == before.Element+1 && f.Component == 1; !next && (f.Element != before.Element || f.Component != before.Component+1) {
		r.fail(r.line, "position %s does not follow %d.%d", cells[0], before.Element, before.Component)
	}
	if f.Name == "" {
		r.fail(r.line, "field without a name")
	}
	r.content(&f, cells[4])
	row.Fields = append(row.Fields, f)
}

// content reads what stands in a field: kinds, lists, a role.
func (r *tableReader) content(f *Field, cell string) {
	for word := range strings.FieldsSeq(cell) {
		key, value, named := strings.Cut(word, "=")
		switch {
		case named && key == "as":
			if _, known := roles()[value]; !known || f.Role != "" {
				r.fail(r.line, "role %q is unknown, or a second one", value)
			}
			f.Role = value
		case named && key == "list":
			f.Lists = append(f.Lists, r.listUse(f, value))
		case !named && kinds()[word] != plain && f.Content == "":
			f.Content = word
		default:
			r.fail(r.line, "content %q is unknown, or a second one", word)
		}
	}
	if want := map[string]int{"date": 8, "time": 4, "month": 4, "ik": 9}[f.Content]; want != 0 && (f.Format.Min != want || f.Format.Max != want) {
		r.fail(r.line, "%s must be an%d", f.Content, want)
	}
	if role, known := roles()[f.Role]; known {
		if role.date != (f.Content == "date") || role.decimal != (f.Format.Type == Decimal) || role.numeric != (f.Format.Type == Numeric) {
			r.fail(r.line, "role %q does not fit the field", f.Role)
		}
	}
	if len(f.Lists) > 0 && (f.Content == "date" || f.Format.Type == Decimal || f.Role == "count") {
		r.fail(r.line, "a date, an amount or a count is no code of a list")
	}
}

// listUse reads NAME or NAME@FROM-TO.
func (r *tableReader) listUse(f *Field, s string) ListUse {
	name, span, part := strings.Cut(s, "@")
	u := ListUse{List: name}
	if part {
		from, to, _ := strings.Cut(span, "-")
		u.From, u.To = r.count(from, "character", 99), r.count(to, "character", 99)
		if u.To < u.From || f.Format.Min != f.Format.Max || u.To > f.Format.Max {
			r.fail(r.line, "characters %s do not lie inside of %s", span, f.Format)
		}
	}
	return u
}

// wholeTable judges what only the end can tell.
func (r *tableReader) wholeTable(t *Table, group int) {
	switch {
	case t.Type == "":
		r.fail(r.line, "no message")
	case len(t.Rows) == 0:
		r.fail(r.line, "no segments")
	case group > 0:
		r.fail(t.Groups[group-1].Line, "group without an end")
	case len(t.last().Fields) == 0 && !t.last().Open:
		r.fail(t.last().Line, "segment %s has no fields", t.last().Tag)
	}
}

// parseDay reads JJJJMMTT and reports whether there is such a day.
func parseDay(b []byte) (int32, bool) {
	if len(b) != 8 {
		return 0, false
	}
	w := binary.LittleEndian.Uint64(b)
	const zeros, sixes, high = 0x3030303030303030, 0x0606060606060606, 0xf0f0f0f0f0f0f0f0
	if w&high != zeros || (w+sixes)&high != zeros {
		return 0, false
	}
	w -= zeros // one digit a byte, the first in the lowest; then two, then four
	w = (w*10 + w>>8) & 0x00ff00ff00ff00ff
	w = (w*100 + w>>16) & 0x0000ffff0000ffff
	y, m, d := int32(w&0xffff), int32(w>>32&0xffff)/100, int32(w>>32&0xffff)%100
	if m < 1 || m > 12 || d < 1 || y < 1 {
		return 0, false
	}
	last := int32(31)
	switch m {
	case 4, 6, 9, 11:
		last = 30
	case 2:
		last = 28
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			last = 29
		}
	}
	return y*10000 + m*100 + d, d <= last
}
