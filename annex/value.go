package annex

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"

	"gateway301/edifact"
)

// A line is what rules across the values of one segment must know.
type line struct {
	price, count     amount
	priced, counted  bool
	reason           [2]byte
	reasoned, broken bool
	used             bool // any of it was set
}

// breaks: what the segment says must not be counted.
func (l *line) breaks() { l.broken, l.used = true, true }

// A value is one component of the present segment, not empty.
type value struct {
	bytes []byte
	at    int    // index of its cell
	from  uint32 // where it begins, counted from the tag; in a segment with release characters: without them
}

// An extent is where a value stands in the bytes of its segment.
type extent struct {
	from, n uint32
	at      int32 // index of its cell
}

// judge goes through the values of a segment, as many at a time as end within 64 bytes.
//
//	raw  INV+A123456780+1+00'........
//	        |          |  |  |       separators, as word marks them
//	         from
func (k *content) judge(s edifact.Segment, row *planRow) {
	if k.line.used {
		k.line = line{}
	}
	k.entgelt = entgelt{}
	k.seg, k.released = s, s.Released()
	raw := s.Padded()
	if k.released {
		k.withoutRelease(s)
		raw = k.raw
	}
	var l *mould
	end := len(raw) - edifact.Padding
	if end > behindTag && end <= behindTag+64 && !k.released && !k.measure {
		word := s.Marks(behindTag)
		if l = k.mouldOf(row, word); l.marks == word && l.fits(raw) {
			k.recur(l, row, raw)
			k.add()
			return
		}
	}
	before := len(k.pending)
	there := uint64(0)
	n, at, from := 0, -1, behindTag
	for first := behindTag; from < end; first += 64 {
		word := uint64(0)
		if k.released {
			word = k.marks[(first-behindTag)/64]
		} else {
			word = s.Marks(first)
		}
		n, from, at = k.split(raw, word, first, from, at)
		there |= k.each(row, raw, k.cuts[:n])
	}
	if k.crowded {
		k.crowd(s, row)
	}
	if there&row.must != row.must {
		k.absent(s, row, there)
		k.line.breaks()
	}
	if l != nil && !k.line.broken && len(k.pending) == before && !k.over {
		k.learn(l, row, s.Marks(behindTag), raw, k.cuts[:n])
	}
	k.add()
}

// add adds the Entgelt of the present segment, if it holds one, to the sum.
func (k *content) add() {
	switch e := &k.entgelt; {
	case k.line.used:
		k.closeLine(e)
	case e.priced && e.counted:
		k.falls.entgelte++
		if !k.falls.sum.addShort(e.price, e.count) {
			k.falls.sum = k.falls.sum.plus(amount{cents: e.price}.times(amountOf(e.count)))
		}
	}
}

// split enters the values that end at the marks of a word into cuts. It gives how
// many they are, where the next value begins, and the cell of the last one.
func (k *content) split(raw []byte, word uint64, first, from, at int) (int, int, int) {
	n, separator, cuts := 0, k.c.element, &k.cuts
	for word != 0 {
		to := first + bits.TrailingZeros64(word)
		word &= word - 1
		length := to - from
		mark := raw[from-1]
		c := &cuts[n&63]
		c.from, c.n = uint32(from), uint32(length)
		from = to + 1
		if mark == separator {
			at = (at + maxComponents) &^ (maxComponents - 1)
		} else if at++; at&(maxComponents-1) == 0 { // a component too many, or one of the tag
			at--
			k.crowded = k.crowded || length > 0
			continue
		}
		c.at = int32(at)
		if length > 0 {
			n++
		}
	}
	return n, from, at
}

// each judges values, and gives a bit for the cell of every one.
func (k *content) each(row *planRow, raw []byte, cuts []extent) (there uint64) {
	cells := row.cells
	for i := range cuts {
		v := &cuts[i]
		at := int(v.at)
		if uint(at) >= uint(len(cells)) {
			k.stray(row, at)
			continue
		}
		c := &cells[at]
		there |= 1 << (at & 63)
		if v.n-c.min > c.span {
			k.misfit(row, c, k.value(v))
			continue
		}
		eight := binary.LittleEndian.Uint64(raw[v.from:]) // of which n count
		switch c.work {
		case workNothing:
		case workCode:
			part := eight & c.list.mask
			m := &k.codes[c.list.use][codeSlot(part)]
			if m.word != part || uint32(k.codeDay)-m.from > m.span {
				k.other(k.value(v), c)
			}
		case workCodes:
			known := true
			for j := range c.lists {
				u := &c.lists[j]
				part := eight & (math.MaxUint64 >> (-(8 * v.n) & 63)) >> (u.shift & 63) & u.mask
				m := &k.codes[u.use][codeSlot(part)]
				known = known && m.word == part && uint32(k.codeDay)-m.from <= m.span
			}
			if !known {
				k.other(k.value(v), c)
			}
		case workDay:
			m := &k.days[row.cell+at]
			if (eight == m.word || k.date(k.value(v), c, m)) && c.role != noRole {
				k.dayIn(at, c.role, m.day)
			}
		case workAmount:
			cents, ok := shortAmount(eight, int(v.n))
			if ok && c.role == rolePrice {
				k.entgelt.price, k.entgelt.priced = cents, true
			} else {
				k.amountIn(k.value(v), c, cents, ok)
			}
		case workNumber:
			count := int64(eight&0xff - '0')
			ok := v.n == 1 && uint64(count) <= 9
			if !ok {
				count, ok = shortCount(eight, int(v.n))
			}
			switch {
			case !ok:
				k.number(k.value(v), c)
			case c.role == roleCount:
				k.entgelt.count, k.entgelt.counted = count, true
			}
		default:
			k.other(k.value(v), c)
		}
	}
	return there
}

// value is what was cut.
func (k *content) value(p *extent) value {
	raw := k.raw
	if !k.released {
		raw = k.seg.Padded()
	}
	return value{raw[p.from : p.from+p.n : p.from+p.n], int(p.at), p.from}
}

// An entgelt is what the common way of judging an ENT has found: values that a
// [line] holds if they are out of the common.
type entgelt struct {
	from            int32
	price, count    int64 // in cents, in pieces
	priced, counted bool
}

// behindTag is where the first value of a segment begins.
const behindTag = 4

// withoutRelease makes of a segment what Padded and Marks would give if nothing in it
// had to be released.
func (k *content) withoutRelease(s edifact.Segment) {
	k.raw = append(k.raw[:0], s.Raw()[:behindTag-1]...)
	k.values = s.AppendValues(k.values[:0])
	k.marks = append(k.marks[:0], 0)
	element := uint32(0)
	for _, v := range k.values {
		mark := k.c.element
		if v.Element == element {
			mark ^= 1 // any other byte
		}
		element = v.Element
		k.raw = append(append(k.raw, mark), s.Bytes(v)...)
		at := len(k.raw) - behindTag
		for len(k.marks) <= at/64 {
			k.marks = append(k.marks, 0)
		}
		k.marks[at/64] |= 1 << (at % 64)
	}
	var behind [1 + edifact.Padding]byte
	k.raw = append(k.raw, behind[:]...)
}

// crowd reports values behind the last component that any segment has.
func (k *content) crowd(s edifact.Segment, row *planRow) {
	k.crowded = false
	for v := s.Cursor(); v.Next(); {
		if (v.Component() > maxComponents || v.Element() == 0) && len(v.Value()) > 0 {
			k.find("G2-009", &row.row.Basis, v.Pos())
		}
	}
}

// other judges a value that nothing shorter is known for.
func (k *content) other(v value, c *planCell) {
	if c.typ == Numeric && !digits(v.bytes) {
		k.number(v, c)
		return
	}
	if c.kind != plain || c.role != noRole || c.typ == Decimal {
		k.kinds(v, c)
	}
	for j := range c.lists {
		k.listed(v, c, &c.lists[j])
	}
}

// number judges a number.
func (k *content) number(v value, c *planCell) {
	switch l := &k.line; {
	case !digits(v.bytes):
		k.find("G2-011", &c.field.Basis, k.pos(v.at), c.field.Name)
		l.breaks()
	case c.role == roleCount:
		l.count, l.counted, l.used = parseCount(v.bytes), true, true
	}
}

// misfit reports a value of a wrong length, or one that does not belong here.
func (k *content) misfit(row *planRow, c *planCell, v value) {
	if c.field == nil {
		k.stray(row, v.at)
		return
	}
	k.find("G2-010", &c.field.Basis, k.pos(v.at), len(v.bytes), c.field.Format.length(), c.field.Name)
	k.line.breaks()
}

// stray reports a value at a place that the segment does not have.
func (k *content) stray(row *planRow, at int) { k.find("G2-009", &row.row.Basis, k.pos(at)) }

// pos is the place of a value of the present segment.
func (k *content) pos(at int) edifact.Pos {
	return k.seg.PosOf(at/maxComponents+1, at%maxComponents+1)
}

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

// listed looks a value up in a code list, and remembers a code that is well.
func (k *content) listed(v value, c *planCell, use *planList) {
	part := v.bytes
	if use.to != 0 {
		part = part[use.from:use.to]
	}
	code := use.list.find(part, int(k.codeDay))
	switch {
	case code == nil:
		k.find(use.list.Rule, &use.list.Basis, k.pos(v.at), c.field.Name)
	case len(part) <= maxCode && !k.measure:
		word := pack(part)
		m := &k.codes[use.use][codeSlot(word)]
		m.word, m.from, m.span = word, uint32(code.ValidFrom), math.MaxUint32-uint32(code.ValidFrom)
		if code.ValidTo != 0 {
			m.span = uint32(code.ValidTo - code.ValidFrom)
		}
		if k.codeDay == 0 {
			m.from, m.span = 0, 0 // on no other day without looking
		}
	}
}

// kinds judges one value by its kind and keeps what rules across values need.
func (k *content) kinds(v value, c *planCell) {
	b, l := v.bytes, &k.line
	switch c.kind {
	case kindTime:
		if !isClock(b) {
			k.find("G3-002", &c.field.Basis, k.pos(v.at), c.field.Name)
		}
	case kindMonth:
		if !digits(b) || b[2] > '1' || b[2] == '1' && b[3] > '2' || b[2] == '0' && b[3] == '0' {
			k.find("G3-003", &c.field.Basis, k.pos(v.at), c.field.Name)
		}
	case kindIK:
		k.ik(v, c)
	case kindKVNR:
		k.kvnr(v)
	case kindICD:
		if len(b) < 3 || b[0] < 'A' || b[0] > 'Z' || b[1]-'0' > 9 || b[2]-'0' > 9 && (b[2] < 'A' || b[2] > 'Z') {
			k.find("G3-008", nil, k.pos(v.at), c.field.Name)
		}
	}
	if c.typ == Decimal {
		if _, ok := parseAmount(b); !ok {
			k.find("G2-012", &c.field.Basis, k.pos(v.at), c.field.Name)
			l.breaks()
			return
		}
	}
	switch c.role {
	case roleCase:
		k.once(v)
	case roleInvoice:
		k.invoice(v)
	case roleReason:
		l.reason, l.reasoned, l.used = [2]byte(b[:2]), true, true
	case roleDepartment:
		want := ""
		switch {
		case l.reasoned && l.reason == [2]byte{'2', '4'}:
			want = "0003"
		case l.reasoned && l.reason == [2]byte{'2', '7'}:
			want = "0004"
		}
		if want != "" && string(b) != want {
			k.find("G3-026", nil, k.pos(v.at), want)
		}
	}
}

// date reads a day into the memory of its cell, and reports whether there is such a
// day.
func (k *content) date(v value, c *planCell, m *dayMemory) bool {
	day, ok := parseDay(v.bytes)
	if !ok {
		k.find("G3-001", &c.field.Basis, k.pos(v.at), c.field.Name)
		return false
	}
	if m.day = day; !k.measure {
		m.word = pack(v.bytes)
	}
	return true
}

// dayIn takes note of a day that has a role.
func (k *content) dayIn(at int, r role, day int32) {
	f := &k.falls
	switch r {
	case roleFrom:
		if k.entgelt.from = day; day < f.admission {
			k.find("G3-024", nil, k.pos(at))
		}
	case roleTo:
		if k.entgelt.from > day {
			k.find("G3-023", nil, k.pos(at))
		}
	case roleAdmission:
		f.admission = day
		k.fall++ // what was well need not be so any more
		if !k.fixed {
			k.codeDay = day
		}
		k.version(at)
	case roleDischarge:
		k.fall++
		if f.discharge = day; day < f.admission {
			k.find("G3-021", nil, k.pos(at))
			f.discharge = 0
		}
	case roleLeave:
		k.inside("G3-020", at, day)
	case roleOperation:
		k.inside("G3-022", at, day)
	case roleBirth:
		k.inside("G3-025", at, day)
	}
}

// amountIn takes note of an amount that has a role. cents count if it was short.
func (k *content) amountIn(v value, c *planCell, cents int64, short bool) {
	money := amount{cents: cents}
	if !short {
		if money, short = parseAmount(v.bytes); !short {
			k.find("G2-012", &c.field.Basis, k.pos(v.at), c.field.Name)
			k.line.breaks()
			return
		}
	}
	f := &k.falls
	switch l := &k.line; c.role {
	case rolePrice:
		l.price, l.priced, l.used = money, true, true
	case roleTotal:
		f.total, f.hasTotal = money, true
		f.totalAt = spot{k.seg.Number(), k.seg.Offset() + int64(v.from), v.at}
		if k.released {
			f.totalAt.offset = k.pos(v.at).Offset
		}
	case roleCopay:
		f.copay = money
	}
}

// A spot is the place of a value by whose row its tag is known.
type spot struct {
	segment, offset int64
	at              int
}

func (s spot) pos(tag string) edifact.Pos {
	return edifact.Pos{Segment: s.segment, Offset: s.offset, Tag: tag, Element: s.at/maxComponents + 1, Component: s.at%maxComponents + 1}
}

// inside judges that a day lies in the stay, as far as its ends are known.
func (k *content) inside(code string, at int, day int32) {
	f := &k.falls
	if day < f.admission || f.discharge != 0 && day > f.discharge {
		k.find(code, nil, k.pos(at))
	}
}

// closeLine adds an Entgelt to the sum in which something was out of the common.
func (k *content) closeLine(e *entgelt) {
	l, f := &k.line, &k.falls
	if e.priced {
		l.price, l.priced = amount{cents: e.price}, true
	}
	if e.counted {
		l.count, l.counted = amountOf(e.count), true
	}
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
func (k *content) version(at int) {
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
		k.find("G3-010", &p.tooNewBasis, k.pos(at), p.table.Version)
	case p.tooOld != 0 && day >= p.tooOld:
		k.find("G3-011", &p.tooOldBasis, k.pos(at), p.table.Version)
	}
}

// invoice judges the two digits of the Rechnungsart against each other.
func (k *content) invoice(v value) {
	a, b := v.bytes[0], v.bytes[1]
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
		k.find(code, nil, k.pos(v.at))
	}
}

// ik judges an IK inside of a message.
func (k *content) ik(v value, c *planCell) {
	switch ik := string(v.bytes); {
	case Placeholder(ik):
		k.find("G3-005", nil, k.pos(v.at), c.field.Name)
	case ValidIK(ik) != nil:
		k.find("G3-004", nil, k.pos(v.at), c.field.Name)
	}
}

// kvnr judges a Krankenversichertennummer: a letter and nine digits today, twelve
// digits in older files.
func (k *content) kvnr(v value) {
	b := v.bytes
	switch {
	case len(b) == 10 && b[0] >= 'A' && b[0] <= 'Z' && digits(b[1:]):
		if KVNRCheckDigit(string(b[:9])) != b[9] {
			k.find("G3-007", nil, k.pos(v.at))
		}
	case len(b) == 12 && digits(b):
	default:
		k.find("G3-006", nil, k.pos(v.at))
	}
}

// once judges that a Geschäftsvorfall stands in the file once: message type, case,
// number and Verarbeitungskennzeichen.
func (k *content) once(v value) {
	if k.seen.n == maxFalls {
		k.duplicate = true
		return
	}
	fkt := &k.c.msg.FKT
	var room [64]byte
	key := append(append(append(append(append(append(room[:0], k.plan.table.Type...), fkt.VKZ...), '+'), fkt.Number...), '+'), fkt.Sender...)
	key = append(append(key, '+'), v.bytes...)
	if k.seen.add(maphash.Bytes(k.seed, key)) {
		k.twice = true
		k.find("G3-027", nil, k.pos(v.at))
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
