package annex

import (
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
	roleAdmission       // first day of the stay
	roleDischarge       // last day of the stay
	roleLeave           // day of a discharge or transfer
	roleBirth           // day of a delivery
	roleOperation       // day of an operation
	roleFrom            // first day that is billed
	roleTo              // last day that is billed
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

// A plan is a table made ready for a file: what is looked up for every segment
// lies where it is needed.
type plan struct {
	table *Table
	rows  []planRow
	// tooNew: admissions before it are older than the version. tooOld: from it on
	// a later version is in force. 0: not known.
	tooNew, tooOld           int
	tooNewBasis, tooOldBasis Basis
	sums                     bool // the sum rule applies: RECH
}

type planRow struct {
	tag        uint32 // the three letters, the first in the lowest byte
	max        int32
	group      int    // index of the row that begins its group, -1 outside
	groupMax   int32  // repeats of the group, for the row that begins it
	must       uint64 // values that have to be there, by index into cells
	must2      bool   // the segment has to be there
	first, end int    // the rows of the group
	cells      []planCell
	open       bool
	row        *SegmentRow
}

// work is what is to be done with a value of the right length.
type work uint8

const (
	workAll     work = iota
	workNothing      // any text
	workDay          // a date without a role
	workLists        // any text that is a code
)

// A planCell is one value: element e, component c stand at (e-1)*maxComponents+c-1.
type planCell struct {
	min, max int32 // of the length
	known    bool
	work     work
	typ      FieldType
	kind     kind
	role     role
	lists    []planList
	field    *Field
	// memo is the date that was read here last, which comes again and again.
	memo    uint64
	memoDay int32
}

type planList struct {
	list     *List
	from, to int // bytes; to 0: all
	seen     uint64
	seenDay  int
}

// planFor makes a plan of a table as it is on a day.
func (t *Tables) planFor(m *Table, day int) *plan {
	p := &plan{table: m, sums: m.Type == "RECH", rows: make([]planRow, len(m.Rows))}
	for i := range m.Rows {
		row := &m.Rows[i]
		r := &p.rows[i]
		*r = planRow{tag: tagKey(row.Tag), max: int32(row.Max), group: -1, must2: row.Status.Letter == 'M', open: row.Open, row: row}
		if row.Group > 0 {
			r.group = i
			if i > 0 && m.Rows[i-1].Group == row.Group {
				r.group = p.rows[i-1].group
			}
			first := &p.rows[r.group]
			first.first, first.end, first.groupMax = r.group, i+1, int32(m.Groups[row.Group-1].Max)
		}
		t.cells(r, row, day)
	}
	p.window(t.versions)
	return p
}

func (t *Tables) cells(r *planRow, row *SegmentRow, day int) {
	if len(row.Fields) == 0 {
		return
	}
	r.cells = make([]planCell, row.Fields[len(row.Fields)-1].Element*maxComponents)
	for i := range row.Fields {
		f := &row.Fields[i]
		at := (f.Element-1)*maxComponents + f.Component - 1
		c := &r.cells[at]
		*c = planCell{min: int32(f.Format.Min), max: int32(f.Format.Max), known: true, typ: f.Format.Type,
			kind: kinds()[f.Content], role: roles()[f.Role].role, field: f}
		if row.Tag == "FKT" && c.kind == kindIK {
			c.kind = plain // stage 1 has judged it
		}
		if c.max == 0 {
			c.min, c.max = 0, math.MaxInt32
		}
		switch {
		case c.role != noRole || c.typ != Alphanumeric || c.kind != plain && c.kind != kindDate:
		case c.kind == kindDate:
			c.work = workDay
		case len(f.Lists) > 0:
			c.work = workLists
		default:
			c.work = workNothing
		}
		if f.Status.Letter == 'M' {
			r.must |= 1 << at
		}
		for _, use := range f.Lists {
			if l := t.list(use.List, day); l != nil {
				c.lists = append(c.lists, planList{list: l, from: max(use.From-1, 0), to: use.To})
			}
		}
	}
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
