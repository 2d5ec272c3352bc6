package annex

import (
	"cmp"
	"math"
	"strings"
)

// A kind is what stands in a field.
type kind uint8

const (
	plain kind = iota
	kindDate
	kindTime
	kindMonth
	kindIK
	kindKVNR
	kindICD
)

// kinds are the words for them in the tables.
func kinds() map[string]kind {
	return map[string]kind{"date": kindDate, "time": kindTime, "month": kindMonth, "ik": kindIK, "kvnr": kindKVNR, "icd": kindICD}
}

// A role is what rules across segments know a field by.
type role uint8

const (
	noRole         role = iota
	roleFrom            // first day that is billed
	roleTo              // last day that is billed
	roleAdmission       // first day of the stay
	roleDischarge       // last day of the stay
	roleLeave           // day of a discharge or transfer
	roleBirth           // day of a delivery
	roleOperation       // day of an operation
	roleTotal           // amount of the invoice
	roleCopay           // Zuzahlung
	rolePrice           // amount of one Entgelt
	roleCount           // how many of it
	roleCase            // KH-internes Kennzeichen
	roleInvoice         // Rechnungsart
	roleReason          // Entlassungsgrund
	roleDepartment      // Fachabteilung at that Entlassungsgrund
)

type roleInfo struct {
	role                   role
	date, decimal, numeric bool
}

// roles are the words for them in the tables, and what the field must be.
func roles() map[string]roleInfo {
	return map[string]roleInfo{
		"admission": {role: roleAdmission, date: true}, "discharge": {role: roleDischarge, date: true},
		"leave": {role: roleLeave, date: true}, "birth": {role: roleBirth, date: true},
		"operation": {role: roleOperation, date: true}, "from": {role: roleFrom, date: true}, "to": {role: roleTo, date: true},
		"total": {role: roleTotal, decimal: true}, "copay": {role: roleCopay, decimal: true}, "price": {role: rolePrice, decimal: true},
		"count": {role: roleCount, numeric: true}, "case": {role: roleCase}, "invoice": {role: roleInvoice},
		"reason": {role: roleReason}, "department": {role: roleDepartment},
	}
}

// A plan is a table made ready for files: what is looked up for every segment lies
// where it is needed. It can be shared; what a check remembers of values that it saw
// is in [memory].
type plan struct {
	table *Table
	rows  []planRow
	must  uint64 // rows that have to be there, also without their group
	cells int    // of all rows
	uses  int    // of code lists
	// tooNew: admissions before it are older than the version. tooOld: from it on
	// a later version is in force. 0: not known.
	tooNew, tooOld           int
	tooNewBasis, tooOldBasis Basis
	sums                     bool   // the sum rule applies: RECH
	total                    string // tag of the segment that holds the amount of the invoice
}

type planRow struct {
	tag        uint32 // the three letters, the first in the lowest byte
	max        int32
	group      int    // index of the row that begins its group, -1 outside
	groupMax   int32  // repeats of the group, for the row that begins it
	within     uint64 // rows of its group that have to be there
	must       uint64 // values that have to be there, by index into cells
	first, end int    // the rows of the group
	cells      []planCell
	cell       int // index of the first one in the plan
	index      int // of the row
	open       bool
	quick      bool // see [content.quick]
	row        *SegmentRow
}

// work is what is to be done with a value of the right length.
type work uint8

const (
	workAll     work = iota
	workNothing      // any text
	workCode         // any text of up to eight bytes, always as many, that is a code
	workCodes        // any text of up to eight bytes that is one or several
	workDay          // a date
	workAmount       // an amount with a role
	workNumber       // a number of up to eight digits
)

// A planCell is one value: element e, component c stand at (e-1)*maxComponents+c-1.
type planCell struct {
	min, span uint32 // of the length; nothing fits where no value belongs
	work      work
	typ       FieldType
	kind      kind
	role      role
	list      *planList // of lists, if there is one
	lists     []planList
	field     *Field // nil: no value belongs here
}

// A planList is the use of a code list for a value, or for part of it.
type planList struct {
	list     *List
	from, to int    // bytes; to 0: all
	shift    uint   // of a word, to the first of these bytes
	mask     uint64 // of what has been shifted
	use      int    // index in the plan
}

// A memory is what a check remembers of the values that it judged by a plan: they
// come again and again.
type memory struct {
	moulds []*moulds    // by row
	days   []dayMemory  // by index of the cell
	codes  []codeMemory // by use of a list
}

// A dayMemory is the last date that stood in a cell.
type dayMemory struct {
	word uint64
	day  int32
}

// A codeMemory holds codes by their hash.
type codeMemory [1 << codeBits]struct {
	word       uint64
	from, span uint32 // the days on which it is valid, the first and how many numbers behind
}

const codeBits = 6

func codeSlot(word uint64) int { return int(word * 0x9E3779B97F4A7C15 >> (64 - codeBits)) }

func (p *plan) remember() memory {
	return memory{make([]*moulds, len(p.rows)), make([]dayMemory, p.cells), make([]codeMemory, p.uses)}
}

// planFor makes a plan of a table as it is on a day.
func (t *Tables) planFor(m *Table, day int) *plan {
	p := &plan{table: m, sums: m.Type == "RECH", rows: make([]planRow, len(m.Rows))}
	for i := range m.Rows {
		row := &m.Rows[i]
		r := &p.rows[i]
		*r = planRow{tag: tagKey(row.Tag), max: int32(row.Max), index: i, group: -1, open: row.Open, row: row}
		if row.Group > 0 {
			r.group = i
			if i > 0 && m.Rows[i-1].Group == row.Group {
				r.group = p.rows[i-1].group
			}
			first := &p.rows[r.group]
			first.first, first.end, first.groupMax = r.group, i+1, int32(m.Groups[row.Group-1].Max)
		}
		if row.Status.Letter == 'M' {
			if r.group < 0 || r.group == i {
				p.must |= 1 << i
			} else {
				p.rows[r.group].within |= 1 << i
			}
		}
		t.cells(p, r, row, day)
		r.quick = i > 0 && r.group != i && !r.open && r.tag != keyFKT && r.tag != keyFHL
	}
	for i := range p.rows {
		if r := &p.rows[i]; r.group >= 0 {
			r.within = p.rows[r.group].within
		}
	}
	p.window(t.versions)
	return p
}

func (t *Tables) cells(p *plan, r *planRow, row *SegmentRow, day int) {
	r.cell = p.cells
	if len(row.Fields) == 0 {
		return
	}
	r.cells = make([]planCell, row.Fields[len(row.Fields)-1].Element*maxComponents)
	p.cells += len(r.cells)
	for i := range r.cells {
		r.cells[i].min = math.MaxUint32
	}
	for i := range row.Fields {
		f := &row.Fields[i]
		at := (f.Element-1)*maxComponents + f.Component - 1
		c := &r.cells[at]
		*c = planCell{min: uint32(f.Format.Min), span: uint32(f.Format.Max - f.Format.Min), typ: f.Format.Type,
			kind: kinds()[f.Content], role: roles()[f.Role].role, field: f}
		if row.Tag == "FKT" && c.kind == kindIK {
			c.kind = plain // stage 1 has judged it
		}
		if f.Format.Max == 0 {
			c.min, c.span = 0, math.MaxInt32
		}
		if f.Status.Letter == 'M' {
			r.must |= 1 << at
		}
		if c.role == roleTotal {
			p.total = row.Tag
		}
		for _, use := range f.Lists {
			if l := t.list(use.List, day); l != nil {
				u := planList{list: l, from: max(use.From-1, 0), to: use.To, use: p.uses}
				u.shift = uint(8 * u.from)
				u.mask = 1<<(8*(cmp.Or(u.to, min(f.Format.Max, 8))-u.from)) - 1
				c.lists = append(c.lists, u)
				p.uses++
			}
		}
		if len(c.lists) == 1 {
			c.list = &c.lists[0]
		}
		c.work = c.todo(f)
	}
}

// todo finds the shortest way to judge a value.
func (c *planCell) todo(f *Field) work {
	short := f.Format.Max > 0 && f.Format.Max <= 8
	whole := c.typ == Alphanumeric || len(c.lists) == 1 && c.lists[0].to == 0 // known codes are known to be numeric
	switch {
	case len(c.lists) > 0 && short && whole && c.kind == plain && c.role == noRole:
		if len(c.lists) == 1 && c.lists[0].to == 0 && c.span == 0 {
			return workCode
		}
		return workCodes
	case len(c.lists) > 0:
	case c.kind == kindDate:
		return workDay
	case c.kind == plain && c.typ == Decimal && c.role != noRole:
		return workAmount
	case c.kind == plain && c.typ == Numeric && (c.role == noRole || c.role == roleCount):
		return workNumber
	case c.kind == plain && c.typ == Alphanumeric && c.role == noRole:
		return workNothing
	}
	return workAll
}

// window finds the days of admission for which the version is too new or too old.
func (p *plan) window(versions []Version) {
	found := false
	for _, v := range versions {
		switch {
		case found && p.tooOld == 0 && v.From != 0:
			p.tooOld, p.tooOldBasis = v.From, v.Basis
		case !found && v.From != 0:
			p.tooNew, p.tooNewBasis = v.From, v.Basis
		}
		found = found || v.Number == p.table.Version
	}
	if !found {
		p.tooNew = 0
	}
}

// tagKey packs a tag.
func tagKey(tag string) uint32 {
	return uint32(tag[0]) | uint32(tag[1])<<8 | uint32(tag[2])<<16
}

// keyTag unpacks it.
func keyTag(k uint32) string {
	return strings.Clone(string([]byte{byte(k), byte(k >> 8), byte(k >> 16)}))
}
