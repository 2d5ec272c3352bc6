package annex

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"gateway301/edifact"
)

// content judges what stands between UNH and UNT: stage 2 by the segment tables,
// stage 3 by code lists and by rules across segments. What a message breaks is
// held until its end, since a later stage counts only where no earlier one failed.
type content struct {
	c     *checker
	day   int // of the tables
	plans map[string]*plan
	plan  *plan // of the present message; nil: none, so stages 2 and 3 are not checked

	at        int // row of the segment before; -1 in front of FKT
	count     [maxRows]int32
	total     [maxRows]int32 // of the tag in the whole message
	groups    int32
	owed      uint64 // rows that were passed over although they must be there
	owedAt    [maxRows]edifact.Pos
	values    []edifact.Value
	falls     fall
	seed      maphash.Seed
	seen      set  // Geschäftsvorfälle of the file
	duplicate bool // seen is full

	pending []pending
	more    [5][2]int // by stage: errors and warnings for which pending had no room
	errors  int       // in pending
	stage1  bool      // stage 1 failed for the message

	line  line // of the segment
	fixed bool // o.VersionDate is set

	unchecked bool // a check of stage 4 did not do its work
}

// A pending finding waits for the end of its message.
type pending struct {
	Finding
	at       edifact.Pos
	fkt      Geschaeftsvorfall
	position int
}

// A fall is what rules across segments must know of one Geschäftsvorfall.
type fall struct {
	admission, discharge int32
	versioned            bool
	total, copay, sum    amount
	totalAt              edifact.Pos
	hasTotal, doubtful   bool // doubtful: an amount of the sum could not be read
	entgelte             int
	zuzahlungOnly        bool
}

// maxFalls is how many Geschäftsvorfälle a check compares to find one twice.
const maxFalls = 1 << 17

func newContent(c *checker, t *Tables) *content {
	k := &content{c: c, plans: make(map[string]*plan), seed: maphash.MakeSeed()}
	k.fixed = !c.o.VersionDate.IsZero()
	if k.day = dayOf(c.o.VersionDate); k.day == 0 {
		k.day = dayOf(c.o.Now)
	}
	return k
}

// begin starts a message.
func (k *content) begin(unh edifact.Segment) {
	k.plan, k.pending, k.more, k.errors, k.stage1 = nil, k.pending[:0], [5][2]int{}, 0, false
	k.unchecked = false
	k.total = [maxRows]int32{}
	k.restart()
	t := k.c.o.Tables
	if t == nil || k.c.o.Stage == 1 {
		return
	}
	typ, version := unh.Value(2, 1), unh.Value(2, 2)
	if k.plan = k.planOf(typ, version); k.plan != nil || len(typ) != 4 || !capitals(typ) || NameOnly(string(typ)) {
		return
	}
	if t.knows(string(typ)) {
		k.find("G2-002", nil, unh.PosOf(2, 2), show(version), show(typ))
	} else {
		k.find("G2-001", nil, unh.PosOf(2, 1), show(typ))
	}
}

// forget begins to compare Geschäftsvorfälle anew, for another interchange.
func (k *content) forget() { k.seen = set{} }

// planOf gives the plan of a message type and version, made when first needed.
func (k *content) planOf(typ, version []byte) *plan {
	var room [16]byte
	key := append(append(append(room[:0], typ...), ':'), version...)
	if len(key) > len(room) {
		return nil
	}
	p, known := k.plans[string(key)]
	if !known && len(k.plans) < maxDistinct {
		if m := k.c.o.Tables.message(string(key), k.day); m != nil {
			p = k.c.o.Tables.planFor(m, k.day)
		}
		k.plans[string(key)] = p
	}
	return p
}

// restart begins a Geschäftsvorfall.
func (k *content) restart() {
	k.at, k.count, k.groups, k.owed, k.falls = -1, [maxRows]int32{}, 0, 0, fall{}
}

// segment judges a segment of the body of a message that has a plan.
func (k *content) segment(s edifact.Segment, tag uint32) {
	p := k.plan
	if k.at >= 0 && tag == p.rows[0].tag {
		k.closeFall(s.Pos())
		k.restart()
	}
	n := k.locate(s, tag)
	if n < 0 {
		return
	}
	row := &p.rows[n]
	if row.open {
		return
	}
	k.values = s.AppendValues(k.values[:0])
	k.judge(s, row)
	if control(s.Raw()) {
		k.control(s)
	}
}

// locate finds the row of a segment, or a negative number, and judges order and
// repeats.
func (k *content) locate(s edifact.Segment, tag uint32) int {
	rows := k.plan.rows
	if k.at >= 0 {
		r := &rows[k.at]
		if r.tag == tag && r.group != k.at {
			k.total[k.at]++
			if k.count[k.at]++; k.count[k.at] == r.max+1 {
				k.find("G2-006", &r.row.Basis, s.Pos(), r.row.Tag, r.max)
			}
			return k.at
		}
		if r.group >= 0 && rows[r.group].tag == tag {
			return k.again(s, r.group)
		}
	}
	for n := k.at + 1; n < len(rows); n++ {
		if rows[n].tag == tag {
			if n > k.at+1 {
				k.owe(k.at+1, n, s.Pos())
			}
			k.at, k.count[n] = n, 1
			k.total[n]++
			if rows[n].group == n {
				k.groups = 1
			}
			return n
		}
	}
	for n := range k.at {
		if rows[n].tag == tag {
			k.total[n]++
			k.owed &^= 1 << n // it is there, if at the wrong place
			k.find("G2-004", &rows[n].row.Basis, s.Pos(), rows[n].row.Tag)
			return n
		}
	}
	if tag == keyFHL && FromHospital(k.plan.table.Type) {
		return -1 // a message that came back with its faults
	}
	if capitals([]byte{byte(tag), byte(tag >> 8), byte(tag >> 16)}) {
		k.find("G2-003", &rows[0].row.Basis, s.Pos(), keyTag(tag))
	} else {
		k.find("G2-003", &rows[0].row.Basis, s.Pos(), "?")
	}
	return -1
}

// again begins the next run of a group.
func (k *content) again(s edifact.Segment, first int) int {
	r := &k.plan.rows[first]
	k.total[first]++
	k.owe(k.at+1, r.end, s.Pos())
	for n := r.first; n < r.end; n++ {
		if k.owed>>n&1 != 0 {
			k.missing(n)
		}
		k.count[n] = 0
	}
	if k.groups++; k.groups == r.groupMax+1 {
		k.find("G2-007", &k.plan.table.Groups[r.row.Group-1].Basis, s.Pos(), r.row.Tag, r.groupMax)
	}
	k.at, k.count[first] = first, 1
	return first
}

// owe notes which of the rows from a to b, b excluded, must be there. Inside of a
// group only the segment that begins it counts, unless the group has begun.
func (k *content) owe(a, b int, at edifact.Pos) {
	rows := k.plan.rows
	for n := a; n < b; n++ {
		r := &rows[n]
		if r.must2 && (r.group < 0 || r.group == n || k.at >= 0 && r.group == rows[k.at].group) {
			k.owed |= 1 << n
			k.owedAt[n] = at
		}
	}
}

// missing reports a segment that is not there.
func (k *content) missing(n int) {
	row := k.plan.rows[n].row
	at := k.owedAt[n]
	at.Tag = row.Tag
	b := &row.Basis
	if row.Status.Doubt {
		b = &Basis{Mark: Recalled, Grade: string(Recalled)}
	}
	k.owed &^= 1 << n
	k.find("G2-005", b, at, row.Tag)
}

// closeFall judges what only the end of a Geschäftsvorfall can tell.
func (k *content) closeFall(at edifact.Pos) {
	k.owe(k.at+1, len(k.plan.rows), at)
	for n := 0; k.owed != 0; n++ {
		if k.owed>>n&1 != 0 {
			k.missing(n)
		}
	}
	f := &k.falls
	if k.plan.sums && f.hasTotal && !f.doubtful && f.entgelte > 0 && !f.zuzahlungOnly && !f.total.equal(f.sum.minus(f.copay)) {
		k.find("G3-012", nil, f.totalAt)
	}
}

// end closes the message at UNT, or where it is missing, and lets its findings have
// their effect. There is a message when it is called.
func (k *content) end(at edifact.Pos) {
	if k.plan != nil && k.at >= 0 {
		k.closeFall(at)
	}
	failed := 5 // the first stage that failed
	switch {
	case k.stage1:
		failed = 1
	case k.c.bad: // told at once, where there are no tables
		failed = 4
	}
	for i := range k.pending {
		if k.pending[i].Severity == Error {
			failed = min(failed, k.pending[i].Stage)
		}
	}
	for stage, n := range k.more {
		if n[0] > 0 {
			failed = min(failed, stage)
		}
	}
	slices.SortStableFunc(k.pending, func(a, b pending) int { return cmp.Compare(a.at.Offset, b.at.Offset) })
	for i := range k.pending {
		if p := &k.pending[i]; p.Stage <= failed {
			k.c.enter(p.Finding, p.at, p.fkt, p.position)
		}
	}
	for stage, n := range k.more {
		if stage <= failed {
			k.c.rep.Errors += n[0]
			k.c.rep.Warnings += n[1]
		}
	}
	k.results(failed)
	k.plan, k.pending = nil, k.pending[:0]
}

// results counts what became of the message, stage by stage.
func (k *content) results(failed int) {
	for i := range k.c.rep.Stages {
		stage, r := i+1, &k.c.rep.Stages[i]
		switch {
		case stage == failed:
			r.Failed++
		case stage > failed,
			(stage == 2 || stage == 3) && k.plan == nil, stage == 4 && (len(k.c.o.Checks) == 0 || k.unchecked),
			k.c.o.Stage > 0 && stage > k.c.o.Stage:
			r.NotChecked++
		default:
			r.Passed++
		}
	}
}

// find reports that a rule is broken in the present message. basis is that of the
// fact in the table; nil where the rule itself says how grave it is.
func (k *content) find(code string, basis *Basis, at edifact.Pos, args ...any) {
	o := &k.c.o
	rule := k.c.rules[code]
	if o.Stage > 0 && rule.Stage > o.Stage {
		return
	}
	f := Finding{Stage: rule.Stage, Code: code, Severity: rule.Severity, Basis: srcOwn}
	if basis != nil {
		if f.Basis = basis.String(); !basis.Firm {
			f.Severity = Warning
		}
	}
	if !o.Confirmed {
		f.Severity = Warning
	}
	f.Severity = k.c.severity(f.Stage, code, f.Severity)
	if f.Severity == Off {
		return
	}
	position := 0
	if k.plan != nil && code != "G2-005" {
		key := tagKey(at.Tag)
		for n := range k.plan.rows {
			if k.plan.rows[n].tag == key {
				position = int(k.total[n])
			}
		}
	}
	if k.room(f.Severity) {
		f.Text, f.TextEN = words(rule, args)
		k.hold(f, at, position)
	} else {
		k.excess(f)
	}
}

// room reports whether a finding can be held. Some errors are held even where the
// report is full, since the answer must name them.
func (k *content) room(s Severity) bool {
	return len(k.c.rep.Findings)+len(k.pending) < k.c.o.Keep || s == Error && k.errors < MaxFHL
}

func (k *content) hold(f Finding, at edifact.Pos, position int) {
	if f.Severity == Error {
		k.errors++
	}
	k.pending = append(k.pending, pending{f, at, k.c.msg.FKT, position})
}

// excess counts a finding for which there is no room.
func (k *content) excess(f Finding) {
	if f.Severity == Error {
		k.more[min(f.Stage, 4)][0]++
	} else {
		k.more[min(f.Stage, 4)][1]++
	}
}

// control reports whether bytes hold a control character, of ISO 646 or ISO 6429.
func control(b []byte) bool {
	const low = 0x0101010101010101
	for ; len(b) >= 8; b = b[8:] {
		if w := binary.LittleEndian.Uint64(b); (w>>5|w>>6)&low != low {
			return true
		}
	}
	for _, c := range b {
		if c&0x60 == 0 {
			return true
		}
	}
	return false
}

// control reports the first value that holds one.
func (k *content) control(s edifact.Segment) {
	for i := range k.values {
		if v := k.values[i]; control(s.Bytes(v)) {
			k.find("G2-013", nil, s.PosOf(int(v.Element), int(v.Component)))
			return
		}
	}
}

// A set holds numbers: open addressing, half full at most.
type set struct {
	slots []uint64 // 0: free
	n     int
}

// add reports whether v was there already.
func (s *set) add(v uint64) bool {
	v |= 1 // 0 stands for a free slot
	if 2*s.n >= len(s.slots) {
		old := s.slots
		s.slots, s.n = make([]uint64, max(64, 2*len(old))), 0
		for _, o := range old {
			if o != 0 {
				s.add(o)
			}
		}
	}
	mask := uint64(len(s.slots) - 1)
	for at := (v >> 1) & mask; ; at = (at + 1) & mask {
		switch s.slots[at] {
		case 0:
			s.slots[at] = v
			s.n++
			return false
		case v:
			return true
		}
	}
}
