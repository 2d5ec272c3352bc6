package sample

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gateway301/annex"
)

// ErrFault is wrapped by errors about a rule that nothing was made to break.
var ErrFault = errors.New("no fault of this code")

// A Fault is an invented file that breaks one rule at one place.
type Fault struct {
	Code string // of the rule
	File []byte
	At   int64 // byte offset that the finding names
	// Options is what the rule needs to be checked: the Auftragsdatei, partners, a
	// clock. Tables and Confirmed are not set.
	Options annex.CheckOptions
}

// mark shows where the finding must point while a file is being made.
const mark = "‸"

// A sheet is an interchange of one message, segment by segment, without
// terminators.
type sheet struct {
	segments []string
	recount  bool // UNT and UNZ follow what is there
}

// newSheet makes a good interchange to be broken.
func newSheet(typ, version string) (*sheet, error) {
	o := FileOptions{Type: typ, Version: version, Sender: "260500005", Recipient: "109910000", Reference: 7, Insured: []string{"A123456780"}, Created: faultDay()}
	if !annex.FromHospital(typ) {
		o.Sender, o.Recipient = o.Recipient, o.Sender
	}
	b, err := File(o)
	if err != nil {
		return nil, err
	}
	s := &sheet{recount: true}
	text := string(b)
	for start, i := 0, 0; i < len(text); i++ {
		switch text[i] {
		case '?':
			i++
		case '\'':
			s.segments = append(s.segments, text[start:i])
			start = i + 1
		}
	}
	return s, nil
}

// String is the file, with true counts if they are to follow.
func (s *sheet) String() string {
	segments := slices.Clone(s.segments)
	if s.recount {
		for i, seg := range segments {
			if unmarked := strings.TrimPrefix(seg, mark); strings.HasPrefix(unmarked, "UNT+") {
				parts := strings.Split(seg, "+")
				parts[1] = fmt.Sprint(i - s.find("UNH", 1) + 1)
				segments[i] = strings.Join(parts, "+")
			}
		}
	}
	return strings.Join(segments, "'") + "'"
}

// find is the index of the n-th segment of a tag, from 1.
func (s *sheet) find(tag string, n int) int {
	for i, seg := range s.segments {
		if strings.HasPrefix(strings.TrimPrefix(seg, mark), tag) {
			if n--; n == 0 {
				return i
			}
		}
	}
	panic("sample: no segment " + tag)
}

// set puts a marked value at a place of the first segment of a tag.
func (s *sheet) set(tag string, element, component int, value string) *sheet {
	return s.put(tag, element, component, mark+value)
}

// put is set without the mark.
func (s *sheet) put(tag string, element, component int, value string) *sheet {
	i := s.find(tag, 1)
	elements := split(s.segments[i], '+')
	for len(elements) <= element {
		elements = append(elements, "")
	}
	components := split(elements[element], ':')
	for len(components) < component {
		components = append(components, "")
	}
	components[component-1] = value
	elements[element] = strings.Join(components, ":")
	s.segments[i] = strings.Join(elements, "+")
	return s
}

// get is the value at a place of the first segment of a tag, as written.
func (s *sheet) get(tag string, element, component int) string {
	elements := split(s.segments[s.find(tag, 1)], '+')
	if len(elements) <= element {
		return ""
	}
	components := split(elements[element], ':')
	if len(components) < component {
		return ""
	}
	return components[component-1]
}

// split cuts at a separator that is not released.
func split(s string, sep byte) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '?':
			i++
		case sep:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// drop removes a segment and marks the one behind it.
func (s *sheet) drop(tag string) *sheet {
	i := s.find(tag, 1)
	s.segments = slices.Delete(s.segments, i, i+1)
	if i < len(s.segments) {
		s.segments[i] = mark + s.segments[i]
	} else {
		s.segments = append(s.segments, mark)
	}
	return s
}

// behind inserts segments behind the first of a tag.
func (s *sheet) behind(tag string, segments ...string) *sheet {
	s.segments = slices.Insert(s.segments, s.find(tag, 1)+1, segments...)
	return s
}

// point marks the first segment of a tag.
func (s *sheet) point(tag string) *sheet {
	i := s.find(tag, 1)
	s.segments[i] = mark + s.segments[i]
	return s
}

// faultDay is the creation time of all faulty files.
func faultDay() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// A breakage makes a file that breaks a rule, marked.
type breakage struct {
	code, typ, version string
	make               func(s *sheet, o *annex.CheckOptions) string
}

// FaultOf makes the file that breaks the rule of a code, and no other. Tables are
// those of which a code list of the rule is taken.
func FaultOf(t *annex.Tables, code string) (Fault, error) {
	list := breakages()
	i := slices.IndexFunc(list, func(b breakage) bool { return b.code == code })
	var b breakage
	if i >= 0 {
		b = list[i]
	} else {
		var ok bool
		if b, ok = outsideOf(t, code); !ok {
			return Fault{}, fmt.Errorf("%w: %q", ErrFault, code)
		}
	}
	s, err := newSheet(b.typ, b.version)
	if err != nil {
		return Fault{}, err
	}
	f := Fault{Code: code, Options: annex.CheckOptions{Now: faultDay().AddDate(0, 0, 1)}}
	text := b.make(s, &f.Options)
	at := strings.Index(text, mark)
	f.At, f.File = int64(at), []byte(text[:at]+text[at+len(mark):])
	return f, nil
}

// outsideOf breaks the rule of a code list: the first field that holds one of its
// codes gets another value.
func outsideOf(t *annex.Tables, code string) (breakage, bool) {
	for _, typ := range Types() {
		m := t.Message(typ, "16", faultDay())
		if m == nil {
			continue
		}
		for _, row := range m.Rows {
			for _, f := range row.Fields {
				for _, use := range f.Lists {
					if l := t.List(use.List, faultDay()); l != nil && l.Rule == code {
						return breakage{code, typ, "16", func(s *sheet, _ *annex.CheckOptions) string {
							return s.set(row.Tag, f.Element, f.Component, outside(l, use, f, s.get(row.Tag, f.Element, f.Component))).String()
						}}, true
					}
				}
			}
		}
	}
	return breakage{}, false
}

// outside is a value of the same form that is no code of the list.
func outside(l *annex.List, use annex.ListUse, f annex.Field, value string) string {
	if value == "" {
		value = strings.Repeat("0", max(f.Format.Max, 1))
	}
	from, to := 0, len(value)
	if use.To != 0 {
		from, to = use.From-1, use.To
	}
	if f.Role == "invoice" {
		value = "02" // so that the rules between its two digits hold
	}
	for n := 0; ; n++ {
		part := fmt.Sprintf("%0*d", to-from, n)
		if part = part[:to-from]; f.Format.Type == annex.Alphanumeric && n > 99 {
			part = strings.Repeat(string(rune('A'+n%26)), to-from)
		}
		if to-from == 8 { // a kind of Entgelt is told by its first characters
			part = fmt.Sprintf("%02d%s", n%100, value[from+2:to])
		}
		if !l.Contains([]byte(part), 0) {
			return value[:from] + part + value[to:]
		}
	}
}

// order is the Auftragsdatei that belongs to a sheet.
func order() *annex.Auftragsdatei {
	return &annex.Auftragsdatei{AbsenderEigner: "260500005", AbsenderPhysikalisch: "260500005", EmpfaengerNutzer: "109910000", EmpfaengerPhysikalisch: "109910000", Dateiname: "KRH00000007"}
}

// breakages are all but those of code lists.
func breakages() []breakage {
	type O = *annex.CheckOptions
	// on makes a breakage of a good file of a type.
	on := func(code, typ string, change func(s *sheet) *sheet) breakage {
		return breakage{code, typ, "16", func(s *sheet, _ O) string { return change(s).String() }}
	}
	text := func(code string, change func(good string) string) breakage {
		return breakage{code, "AUFN", "16", func(s *sheet, _ O) string { return change(s.String()) }}
	}
	needs := func(code string, change func(s *sheet, o O) string) breakage {
		return breakage{code, "AUFN", "16", change}
	}
	frozen := func(code string, change func(s *sheet) *sheet) breakage {
		return breakage{code, "AUFN", "16", func(s *sheet, _ O) string {
			s.segments = split(s.String(), '\'')
			s.segments = s.segments[:len(s.segments)-1]
			s.recount = false
			return change(s).String()
		}}
	}
	const una = "UNA:+,? '"
	return []breakage{
		on("10001", "AUFN", func(s *sheet) *sheet { return s.drop("UNB") }),
		frozen("10003", func(s *sheet) *sheet { return s.drop("UNH") }),
		on("10004", "AUFN", func(s *sheet) *sheet { return s.drop("UNT") }),
		text("10006", func(g string) string { return g[:strings.LastIndex(g, "UNZ")] + mark }),
		text("10010", func(g string) string { return una + mark + una + g }),
		text("10020", func(g string) string { return una + mark + "*" + g }),
		text("10021", func(g string) string { return "UNA:+,?" + mark + "*'" + g }),
		text("10022", func(g string) string { return "UNA:" + mark + "A,? '" + g }),
		text("10023", func(g string) string { return "UNA:" + mark + ":,? '" + g }),
		needs("10030", func(s *sheet, o O) string {
			o.Procedure, _ = annex.ProcedureProfile("krh")
			return "UNA:+,? " + mark + "~" + strings.Join(split(s.String(), '\''), "~")
		}),
		frozen("10031", func(s *sheet) *sheet { return s.put("UNT", 3, 1, "X").point("UNT") }),
		on("10032", "AUFN", func(s *sheet) *sheet { return s.put("UNZ", 2, 1, "0000A").set("UNB", 5, 1, "0000A") }),
		on("10033", "AUFN", func(s *sheet) *sheet { return s.set("UNB", 2, 1, "26050000") }),
		on("10034", "AUFN", func(s *sheet) *sheet { return s.set("UNB", 4, 1, "261302") }),
		on("10040", "AUFN", func(s *sheet) *sheet { return s.set("UNB", 1, 1, "UNOA") }),
		needs("10041", func(s *sheet, o O) string {
			o.Partners = &annex.Partners{Senders: []string{"260500016"}}
			return s.set("UNB", 2, 1, "260500005").String()
		}),
		needs("10042", func(s *sheet, o O) string {
			o.Partners = &annex.Partners{Recipients: []string{"108018007"}}
			return s.set("UNB", 3, 1, "109910000").String()
		}),
		needs("10043", func(s *sheet, o O) string {
			o.Partners = &annex.Partners{Recipients: []string{"109910000"}, Accepting: []string{"108018007"}}
			return s.set("UNB", 3, 1, "109910000").String()
		}),
		needs("10044", func(s *sheet, o O) string {
			o.Now = faultDay().Add(-time.Minute)
			return s.set("UNB", 4, 1, "260102").String()
		}),
		on("10045", "AUFN", func(s *sheet) *sheet { return s.set("UNB", 7, 1, "KRH0007") }),
		on("10046", "AUFN", func(s *sheet) *sheet { return s.set("UNB", 6, 1, "GEHEIM") }),
		needs("10047", func(s *sheet, o O) string {
			o.LastReference = 4
			return s.set("UNB", 5, 1, "00007").String()
		}),
		needs("10049", func(s *sheet, o O) string {
			o.Order, o.Partners = order(), &annex.Partners{Physical: []string{"260500049"}}
			return mark + s.String()
		}),
		on("10060", "AUFN", func(s *sheet) *sheet { return s.put("UNT", 2, 1, "00002").set("UNH", 1, 1, "00002") }),
		needs("10061", func(s *sheet, o O) string {
			o.Order = order()
			return s.set("UNB", 7, 1, "KRH00000008").String()
		}),
		needs("10066", func(s *sheet, o O) string {
			o.Order = order()
			o.Order.AbsenderEigner = "260500016"
			return s.set("UNB", 2, 1, "260500005").String()
		}),
		needs("10067", func(s *sheet, o O) string {
			o.Order = order()
			o.Order.EmpfaengerNutzer, o.Order.EmpfaengerPhysikalisch = "260500027", "260500038"
			return s.set("UNB", 3, 1, "109910000").String()
		}),
		frozen("10080", func(s *sheet) *sheet { return s.behind("UNT", mark+"INV+1") }),

		frozen("G1-001", func(s *sheet) *sheet { return s.set("UNT", 1, 1, "99") }),
		frozen("G1-002", func(s *sheet) *sheet { return s.set("UNT", 2, 1, "00002") }),
		on("G1-003", "AUFN", func(s *sheet) *sheet { return s.set("UNZ", 1, 1, "2") }),
		on("G1-004", "AUFN", func(s *sheet) *sheet { return s.set("UNZ", 2, 1, "00008") }),
		text("G1-005", func(g string) string { return g + mark + g }),
		text("G1-006", func(g string) string { return g + mark + "INV+1'" }),
		frozen("G1-007", func(s *sheet) *sheet { return s.behind("UNT", mark+"guten tag") }),
		needs("G1-008", func(s *sheet, o O) string {
			o.MaxSegment = 128
			return s.put("NAD", 5, 1, "").put("NAD", 12, 1, "").put("INV", 10, 1, strings.Repeat("x", 128-len("INV++A123456780")-40)+mark+strings.Repeat("x", 60)).tighten("INV", 128)
		}),
		on("G1-009", "AUFN", func(s *sheet) *sheet { return s.put("INV", 7, 1, mark+"\x00") }),
		on("G1-010", "AUFN", func(s *sheet) *sheet { return s.set("UNB", 2, 1, "260500006") }),
		on("G1-011", "AUFN", func(s *sheet) *sheet { return s.set("UNB", 3, 1, "987654321") }),
		on("G1-012", "AUFN", func(s *sheet) *sheet { return s.put("UNZ", 2, 1, "00000").set("UNB", 5, 1, "00000") }),
		on("G1-013", "AUFN", func(s *sheet) *sheet { return s.set("UNB", 7, 1, "SL050000S11") }),
		on("G1-014", "AUFN", func(s *sheet) *sheet { return s.set("UNB", 11, 1, "1") }),
		on("G1-015", "AUFN", func(s *sheet) *sheet { return s.set("UNH", 2, 1, "aufn") }),
		{"G1-016", "KOUB", "16", tooMany},
		needs("G1-017", func(s *sheet, o O) string {
			o.Order = order()
			o.Order.GroesseNutzdaten = 1
			return s.String() + mark
		}),
		text("G1-018", func(g string) string { return mark + "\xef\xbb\xbf" + g }),
		text("G1-019", func(g string) string { return g + "\x1a" + mark }),
		on("G1-021", "AUFN", func(s *sheet) *sheet { return s.drop("FKT") }),
		on("G1-022", "AUFN", func(s *sheet) *sheet { return s.put("FKT", 5, 1, "X").point("FKT") }),
		on("G1-023", "AUFN", func(s *sheet) *sheet { return s.set("FKT", 1, 1, "1") }),
		on("G1-024", "AUFN", func(s *sheet) *sheet { return s.set("FKT", 3, 1, "2605") }),
		needs("G1-025", func(s *sheet, o O) string {
			p, _ := annex.ProcedureProfile("krh")
			p.UNA = false
			o.Procedure = p
			return mark + una + s.String()
		}),

		on("G2-001", "AUFN", func(s *sheet) *sheet { return s.set("UNH", 2, 1, "XYZW") }),
		on("G2-002", "AUFN", func(s *sheet) *sheet { return s.set("UNH", 2, 2, "99") }),
		on("G2-003", "AUFN", func(s *sheet) *sheet { return s.behind("DPV", mark+"CUX+EUR") }),
		on("G2-004", "AUFN", func(s *sheet) *sheet { return s.behind("AUF", mark+"DPV+2026") }),
		on("G2-005", "AUFN", func(s *sheet) *sheet { return s.drop("AUF") }),
		on("G2-006", "AUFN", func(s *sheet) *sheet {
			return s.behind("EAD", append(slices.Repeat([]string{"EAD+M50.8"}, 19), mark+"EAD+M50.8")...)
		}),
		on("G2-007", "KAIN", func(s *sheet) *sheet {
			return s.behind("PVT", append(slices.Repeat([]string{"PVV+PF000"}, 9), mark+"PVV+PF000")...)
		}),
		on("G2-008", "AUFN", func(s *sheet) *sheet { return s.set("NAD", 1, 1, "") }),
		on("G2-009", "AUFN", func(s *sheet) *sheet { return s.set("DPV", 3, 1, "X") }),
		on("G2-010", "AUFN", func(s *sheet) *sheet { return s.set("NAD", 2, 1, strings.Repeat("x", 46)) }),
		on("G2-011", "AUFN", func(s *sheet) *sheet { return s.set("INV", 3, 1, "0X") }),
		on("G2-012", "RECH", func(s *sheet) *sheet { return s.set("REC", 5, 1, "1000.00") }),
		on("G2-013", "AUFN", func(s *sheet) *sheet { return s.set("NAD", 2, 1, "Erika\x07") }),

		on("G3-001", "AUFN", func(s *sheet) *sheet { return s.set("AUF", 1, 1, "20251131") }),
		on("G3-002", "AUFN", func(s *sheet) *sheet { return s.set("AUF", 2, 1, "2400") }),
		on("G3-003", "AUFN", func(s *sheet) *sheet { return s.set("INV", 5, 1, "2713") }),
		on("G3-004", "AUFN", func(s *sheet) *sheet { return s.set("AUF", 8, 1, "260500006") }),
		on("G3-005", "AUFN", func(s *sheet) *sheet { return s.set("AUF", 8, 1, "999999999") }),
		on("G3-006", "AUFN", func(s *sheet) *sheet { return s.set("INV", 1, 1, "A12345") }),
		on("G3-007", "AUFN", func(s *sheet) *sheet { return s.set("INV", 1, 1, "A123456781") }),
		on("G3-008", "AUFN", func(s *sheet) *sheet { return s.set("EAD", 1, 1, "50.8") }),
		{"G3-010", "AUFN", "13", func(s *sheet, _ O) string { return s.set("AUF", 1, 1, "20161231").String() }},
		{"G3-011", "AUFN", "12", func(s *sheet, _ O) string { return s.set("AUF", 1, 1, "20170101").String() }},
		on("G3-012", "RECH", func(s *sheet) *sheet { return s.set("REC", 5, 1, "0,01") }),
		on("G3-013", "RECH", func(s *sheet) *sheet { return s.set("REC", 3, 1, "12") }),
		on("G3-014", "RECH", func(s *sheet) *sheet { return s.set("REC", 3, 1, "21") }),
		on("G3-015", "RECH", func(s *sheet) *sheet { return s.set("REC", 3, 1, "54") }),
		on("G3-016", "RECH", func(s *sheet) *sheet { return s.set("REC", 3, 1, "50") }),
		on("G3-020", "ENTL", func(s *sheet) *sheet { return s.set("ETL", 1, 1, "20240101") }),
		on("G3-021", "ENTL", func(s *sheet) *sheet { return s.set("DAU", 2, 1, "20240101") }),
		on("G3-022", "RECH", func(s *sheet) *sheet { return s.set("FAB", 6, 1, "20240101") }),
		on("G3-023", "RECH", func(s *sheet) *sheet { return s.set("ENT", 4, 1, "20240101") }),
		on("G3-024", "RECH", func(s *sheet) *sheet { return s.set("ENT", 3, 1, "20240101") }),
		on("G3-025", "ENTL", func(s *sheet) *sheet { return s.behind("NDG", "EBG+"+mark+"20240101").ordered() }),
		on("G3-026", "ENTL", func(s *sheet) *sheet { return s.put("ETL", 3, 1, "249").set("ETL", 4, 1, "0100") }),
		on("G3-027", "AUFN", func(s *sheet) *sheet {
			again := slices.Clone(s.segments[s.find("FKT", 1):s.find("UNT", 1)])
			second := &sheet{segments: again}
			second.set("INV", 6, 1, second.get("INV", 6, 1))
			s.segments = slices.Insert(s.segments, s.find("UNT", 1), again...)
			return s
		}),

		needs("G4-001", func(s *sheet, o O) string {
			insured, err := annex.LoadInsured(strings.NewReader("K741852967\n"))
			if err == nil {
				o.Checks = []annex.MessageCheck{insured}
			}
			return s.set("INV", 1, 1, "A123456780").String()
		}),
	}
}

// ordered moves EBG behind the last segment of the group before it.
func (s *sheet) ordered() *sheet {
	from := s.find("EBG", 1)
	seg := s.segments[from]
	s.segments = slices.Delete(s.segments, from, from+1)
	s.segments = slices.Insert(s.segments, s.find("UNT", 1), seg)
	return s
}

// tighten moves the mark to behind n bytes of the first segment of a tag: where it
// is found to be too long.
func (s *sheet) tighten(tag string, n int) string {
	i := s.find(tag, 1)
	seg := strings.ReplaceAll(s.segments[i], mark, "")
	s.segments[i] = seg[:n] + mark + seg[n:]
	return s.String()
}

// tooMany is more messages than five digits can count.
func tooMany(s *sheet, _ *annex.CheckOptions) string {
	var b strings.Builder
	b.WriteString(s.segments[0] + "'")
	message := s.segments[s.find("UNH", 1)+1 : s.find("UNT", 1)]
	before, after, _ := strings.Cut(strings.Join(message, "'"), s.get("INV", 6, 1)) // each message is another case
	for n := range maxMessages + 1 {
		ref, at := fmt.Sprintf("%05d", n+1), ""
		if n == maxMessages {
			ref, at = "00000", mark
		}
		fmt.Fprintf(&b, "UNH+%s%s+KOUB:16:000:00'%sF-%d%s'UNT+%d+%s'", at, ref, before, n+1, after, len(message)+2, ref)
	}
	fmt.Fprintf(&b, "UNZ+%d+00007'", maxMessages+1)
	return b.String()
}
