package annex

import (
	"encoding/binary"
	"hash/maphash"

	"gateway301/edifact"
)

// A line is what rules across the values of one segment must know.
type line struct {
	from             int32
	price, count     amount
	priced, counted  bool
	reason           [2]byte
	reasoned, broken bool
}

// A value is one component of a segment.
type value struct {
	Bytes              []byte
	Element, Component uint32
}

// judge goes through the values of a segment.
func (k *content) judge(s edifact.Segment, row *planRow) {
	var there uint64
	l := &k.line
	if l.priced || l.counted || l.broken || l.reasoned || l.from != 0 {
		*l = line{}
	}
	cells := row.cells
	for i := range k.values {
		v := value{s.Bytes(k.values[i]), k.values[i].Element, k.values[i].Component}
		n := int32(len(v.Bytes))
		if n == 0 {
			continue
		}
		at := int(v.Element-1)*maxComponents + int(v.Component) - 1
		if v.Component > maxComponents || uint(at) >= uint(len(cells)) || !cells[at].known {
			k.stray(s, row, &v)
			continue
		}
		there |= 1 << at
		c := &cells[at]
		if uint32(n-c.min) > uint32(c.max-c.min) {
			k.tooLong(s, &v, c)
			continue
		}
		switch c.work {
		case workNothing:
		case workDay:
			if binary.LittleEndian.Uint64(v.Bytes) != c.memo {
				k.date(s, &v, c)
			}
		case workLists:
		default:
			if c.typ == Numeric && !digits(v.Bytes) {
				k.find("G2-011", &c.field.Basis, pos(s, &v), c.field.Name)
				l.broken = true
				continue
			}
			if c.kind != plain || c.role != noRole || c.typ == Decimal {
				k.value(s, &v, c, l)
			}
		}
		for j := range c.lists {
			k.listed(s, &v, c, &c.lists[j])
		}
	}
	if there&row.must != row.must {
		k.absent(s, row, there)
		l.broken = true
	}
	if l.broken || l.priced {
		k.closeLine(l)
	}
}

// stray reports a value at a place that the segment does not have.
func (k *content) stray(s edifact.Segment, row *planRow, v *value) {
	k.find("G2-009", &row.row.Basis, pos(s, v))
}

// tooLong reports a value of a wrong length.
func (k *content) tooLong(s edifact.Segment, v *value, c *planCell) {
	k.find("G2-010", &c.field.Basis, pos(s, v), len(v.Bytes), c.field.Format.length(), c.field.Name)
	k.line.broken = true
}

func pos(s edifact.Segment, v *value) edifact.Pos { return s.PosOf(int(v.Element), int(v.Component)) }

// absent reports values that must be there.
func (k *content) absent(s edifact.Segment, row *planRow, there uint64) {
	for at := range row.cells {
		if row.must>>at&1 == 0 || there>>at&1 != 0 {
			continue
		}
		f := row.cells[at].field
		b := &f.Basis
		if f.Status.Doubt {
			b = &Basis{Mark: Recalled, Grade: string(Recalled)}
		}
		k.find("G2-008", b, s.PosOf(f.Element, f.Component), f.Name)
	}
}

// listed looks a value up in a code list.
func (k *content) listed(s edifact.Segment, v *value, c *planCell, use *planList) {
	part := v.Bytes
	if use.to != 0 {
		part = part[use.from:use.to]
	}
	day := int(k.falls.admission)
	if k.fixed {
		day = k.day
	}
	word := pack(part)
	if len(part) <= maxCode && use.seen == word && use.seenDay == day {
		return // the same code as the time before
	}
	if use.list.Contains(part, day) {
		use.seen, use.seenDay = word, day
	} else {
		k.find(use.list.Rule, &use.list.Basis, pos(s, v), c.field.Name)
	}
}

// value judges one value by its kind and keeps what rules across values need.
func (k *content) value(s edifact.Segment, v *value, c *planCell, l *line) {
	b := v.Bytes
	var day int32
	switch c.kind {
	case kindDate:
		if binary.LittleEndian.Uint64(b) != c.memo && !k.date(s, v, c) {
			return
		}
		day = c.memoDay
	case kindTime:
		if !isClock(b) {
			k.find("G3-002", &c.field.Basis, pos(s, v), c.field.Name)
		}
	case kindMonth:
		if !digits(b) || b[2] > '1' || b[2] == '1' && b[3] > '2' || b[2] == '0' && b[3] == '0' {
			k.find("G3-003", &c.field.Basis, pos(s, v), c.field.Name)
		}
	case kindIK:
		k.ik(s, v, c)
	case kindKVNR:
		k.kvnr(s, v)
	case kindICD:
		if len(b) < 3 || b[0] < 'A' || b[0] > 'Z' || b[1]-'0' > 9 || b[2]-'0' > 9 && (b[2] < 'A' || b[2] > 'Z') {
			k.find("G3-008", nil, pos(s, v), c.field.Name)
		}
	}
	var money amount
	if c.typ == Decimal {
		var ok bool
		if money, ok = parseAmount(b); !ok {
			k.find("G2-012", &c.field.Basis, pos(s, v), c.field.Name)
			l.broken = true
			return
		}
	}
	if c.role != noRole {
		k.play(s, v, c.role, day, money, l)
	}
}

// date reads a day into the memo of its field, and reports whether there is such a
// day.
func (k *content) date(s edifact.Segment, v *value, c *planCell) bool {
	day, ok := parseDay(v.Bytes)
	if !ok {
		k.find("G3-001", &c.field.Basis, pos(s, v), c.field.Name)
		return false
	}
	c.memo, c.memoDay = binary.LittleEndian.Uint64(v.Bytes), day
	return true
}

// play takes note of a value that has a role.
func (k *content) play(s edifact.Segment, v *value, r role, day int32, money amount, l *line) {
	f := &k.falls
	switch r {
	case roleAdmission:
		f.admission = day
		k.version(s, v)
	case roleDischarge:
		if f.discharge = day; day < f.admission {
			k.find("G3-021", nil, pos(s, v))
			f.discharge = 0
		}
	case roleLeave:
		k.inside("G3-020", s, v, day)
	case roleOperation:
		k.inside("G3-022", s, v, day)
	case roleBirth:
		k.inside("G3-025", s, v, day)
	case roleFrom:
		l.from = day
		if day < f.admission {
			k.find("G3-024", nil, pos(s, v))
		}
	case roleTo:
		if l.from > day {
			k.find("G3-023", nil, pos(s, v))
		}
	case roleTotal:
		f.total, f.hasTotal, f.totalAt = money, true, pos(s, v)
	case roleCopay:
		f.copay = money
	case rolePrice:
		l.price, l.priced = money, true
	case roleCount:
		l.count, l.counted = parseCount(v.Bytes), true
	case roleCase:
		k.once(s, v)
	case roleInvoice:
		k.invoice(s, v)
	case roleReason:
		l.reason, l.reasoned = [2]byte(v.Bytes[:2]), true
	case roleDepartment:
		want := ""
		switch {
		case l.reasoned && l.reason == [2]byte{'2', '4'}:
			want = "0003"
		case l.reasoned && l.reason == [2]byte{'2', '7'}:
			want = "0004"
		}
		if want != "" && string(v.Bytes) != want {
			k.find("G3-026", nil, pos(s, v), want)
		}
	}
}

// inside judges that a day lies in the stay, as far as its ends are known.
func (k *content) inside(code string, s edifact.Segment, v *value, day int32) {
	f := &k.falls
	if day < f.admission || f.discharge != 0 && day > f.discharge {
		k.find(code, nil, pos(s, v))
	}
}

// closeLine adds an Entgelt to the sum.
func (k *content) closeLine(l *line) {
	f := &k.falls
	switch {
	case l.broken:
		f.doubtful = true
	case l.priced && l.counted:
		f.sum = f.sum.plus(l.price.times(l.count))
		f.entgelte++
	}
}

// version judges that the version of the message was in force on the day of
// admission (13. Fortschreibung).
func (k *content) version(s edifact.Segment, v *value) {
	p, day := k.plan, int(k.falls.admission)
	if !k.c.o.VersionDate.IsZero() {
		day = dayOf(k.c.o.VersionDate)
	}
	if k.falls.versioned {
		return
	}
	k.falls.versioned = true
	switch {
	case p.tooNew != 0 && day < p.tooNew:
		k.find("G3-010", &p.tooNewBasis, pos(s, v), p.table.Version)
	case p.tooOld != 0 && day >= p.tooOld:
		k.find("G3-011", &p.tooOldBasis, pos(s, v), p.table.Version)
	}
}

// invoice judges the two digits of the Rechnungsart against each other.
func (k *content) invoice(s edifact.Segment, v *value) {
	a, b := v.Bytes[0], v.Bytes[1]
	k.falls.zuzahlungOnly = b == '0'
	code := ""
	switch {
	case a == '1' && b != '4':
		code = "G3-013"
	case a == '2' && b != '2':
		code = "G3-014"
	case a == '5' && b >= '4' && b <= '8':
		code = "G3-015"
	case b == '0' && a != '8' && a != '9':
		code = "G3-016"
	}
	if code != "" {
		k.find(code, nil, pos(s, v))
	}
}

// ik judges an IK inside of a message.
func (k *content) ik(s edifact.Segment, v *value, c *planCell) {
	switch ik := string(v.Bytes); {
	case Placeholder(ik):
		k.find("G3-005", nil, pos(s, v), c.field.Name)
	case ValidIK(ik) != nil:
		k.find("G3-004", nil, pos(s, v), c.field.Name)
	}
}

// kvnr judges a Krankenversichertennummer: a letter and nine digits today, twelve
// digits in older files.
func (k *content) kvnr(s edifact.Segment, v *value) {
	b := v.Bytes
	switch {
	case len(b) == 10 && b[0] >= 'A' && b[0] <= 'Z' && digits(b[1:]):
		if KVNRCheckDigit(string(b[:9])) != b[9] {
			k.find("G3-007", nil, pos(s, v))
		}
	case len(b) == 12 && digits(b):
	default:
		k.find("G3-006", nil, pos(s, v))
	}
}

// once judges that a Geschäftsvorfall stands in the file once: message type, case,
// number and Verarbeitungskennzeichen.
func (k *content) once(s edifact.Segment, v *value) {
	if k.seen.n == maxFalls {
		k.duplicate = true
		return
	}
	fkt := &k.c.msg.FKT
	var room [64]byte
	key := append(append(append(append(append(append(room[:0], k.plan.table.Type...), fkt.VKZ...), '+'), fkt.Number...), '+'), fkt.Sender...)
	key = append(append(key, '+'), v.Bytes...)
	if k.seen.add(maphash.Bytes(k.seed, key)) {
		k.find("G3-027", nil, pos(s, v))
	}
}

// isClock reports whether b is a time of day, HHMM.
func isClock(b []byte) bool {
	if len(b) != 4 {
		return false
	}
	w := binary.LittleEndian.Uint32(b) - 0x30303030
	h, m := w&0xff*10+w>>8&0xff, w>>16&0xff*10+w>>24
	return digits(b) && h < 24 && m < 60
}
