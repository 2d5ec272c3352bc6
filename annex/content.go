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
	plans map[string]known
	plan  *plan // of the present message; nil: none, so stages 2 and 3 are not checked
	memory
	last struct { // the plan that was looked for last
		typ, version uint64
		known
	}

	at        int // row of the segment before; -1 in front of FKT
	count     [maxRows]int32
	total     [maxRows]int32 // of the tag in the whole message
	groups    int32
	owed      uint64 // rows that were passed over although they must be there
	owedAt    [maxRows]edifact.Pos
	seg       edifact.Segment // being judged
	cuts      [64]extent
	released  bool            // seg holds release characters
	values    []edifact.Value // its values then, what it is without them, and its marks
	raw       []byte
	marks     []uint64
	crowded   bool // it has values behind the last component of an element
	entgelt   entgelt
	fall      int64 // running number of the Geschäftsvorfall
	falls     fall
	seed      maphash.Seed
	seen      set  // Geschäftsvorfälle of the file
	duplicate bool // seen is full
	twice     bool // a Geschäftsvorfall of it stands in it twice

	pending []pending
	more    [5][2]int // by stage: errors and warnings for which pending had no room
	over    bool      // any of more is set
	errors  int       // in pending
	stage1  bool      // stage 1 failed for the message

	line    line  // of the segment
	fixed   bool  // o.VersionDate is set
	codeDay int32 // on which codes must be valid; 0: any

	measure bool // in tests: every segment as if there had been none before

	unchecked bool // a check of stage 4 did not do its work
}

// A pending finding waits for the end of its message.
type pending struct {
	Finding
	at       edifact.Pos
	fkt      Geschaeftsvorfall
	position int
}

// A known plan is one that was looked for, with what is remembered along with it.
type known struct {
	plan *plan // nil: there is none
	memory
}

// A fall is what rules across segments must know of one Geschäftsvorfall.
type fall struct {
	admission, discharge int32
	versioned            bool
	total, copay, sum    amount
	totalAt              spot
	hasTotal, doubtful   bool // doubtful: an amount of the sum could not be read
	entgelte             int
	zuzahlungOnly        bool
}

// maxFalls is how many Geschäftsvorfälle a check compares to find one twice.
const maxFalls = 1 << 17

func newContent(c *checker, t *Tables) *content {
	k := &content{c: c, plans: make(map[string]known), seed: maphash.MakeSeed()}
	k.fixed = !c.o.VersionDate.IsZero()
	if k.day = dayOf(c.o.VersionDate); k.day == 0 {
		k.day = dayOf(c.o.Now)
	}
	return k
}

// begin starts a message.
func (k *content) begin(unh edifact.Segment) {
	k.start(known{})
	t := k.c.o.Tables
	if t == nil || k.c.o.Stage == 1 {
		return
	}
	typ, version := unh.Value(2, 1), unh.Value(2, 2)
	found := k.planOf(typ, version)
	k.plan, k.memory = found.plan, found.memory
	if k.plan != nil || len(typ) != 4 || !capitals(typ) || NameOnly(string(typ)) {
		return
	}
	if t.knows(string(typ)) {
		k.find("G2-002", nil, unh.PosOf(2, 2), show(version), show(typ))
	} else {
		k.find("G2-001", nil, unh.PosOf(2, 1), show(typ))
	}
}

// start is begin for a message whose plan is known.
func (k *content) start(found known) {
	k.plan, k.memory = found.plan, found.memory
	k.pending, k.more, k.over, k.errors, k.stage1 = k.pending[:0], [5][2]int{}, false, 0, false
	k.unchecked = false
	k.total = [maxRows]int32{}
	k.restart()
}

// forget begins to compare Geschäftsvorfälle anew, for another interchange.
func (k *content) forget() { k.seen = set{} }

// planOf gives the plan of a message type and version.
func (k *content) planOf(typ, version []byte) known {
	if len(typ) > 8 || len(version) > 8 {
		return known{}
	}
	t, v := pack(typ), pack(version)
	if k.last.typ == t && k.last.version == v {
		return k.last.known
	}
	key := string(typ) + ":" + string(version)
	found, there := k.plans[key]
	if !there && len(k.plans) < maxDistinct {
		if found.plan = k.c.o.Tables.plan(key, k.day); found.plan != nil {
			found.memory = found.plan.remember()
		}
		k.plans[key] = found
	}
	k.last.typ, k.last.version, k.last.known = t, v, found
	return found
}

// restart begins a Geschäftsvorfall.
func (k *content) restart() {
	k.at, k.count, k.groups, k.owed, k.falls = -1, [maxRows]int32{}, 0, 0, fall{}
	k.fall++
	k.codeDay = 0
	if k.fixed {
		k.codeDay = int32(k.day)
	}
}

// quick is body for most segments: one more of the same, or of the next row, whose
// mould is known. It reports false, and has done nothing, for any other.
func (k *content) quick(s edifact.Segment) bool {
	at := k.at
	if at <= 0 || k.c.in.control {
		return false
	}
	raw, marks := s.Brief(behindTag)
	tag := binary.LittleEndian.Uint32(raw) & 0xffffff
	rows := k.plan.rows
	row := &rows[at]
	count := k.count[at] + 1
	if row.tag != tag {
		if at++; at == len(rows) || rows[at].tag != tag || row.group >= 0 && rows[row.group].tag == tag {
			return false
		}
		row, count = &rows[at], 1
	}
	known := k.moulds[at]
	if !row.quick || count > row.max || known == nil || marks == 0 {
		return false
	}
	l := known.of(marks)
	if l.marks != marks || !l.fits(raw) {
		return false
	}
	k.at, k.count[at] = at, count
	k.total[at]++
	if k.line.used {
		k.line = line{}
	}
	k.entgelt = entgelt{}
	k.seg, k.released = s, false
	k.recur(l, row, raw)
	k.add()
	return true
}

// segment judges a segment of the body of a message that has a plan.
func (k *content) segment(s edifact.Segment, tag uint32) {
	p := k.plan
	if k.at >= 0 && tag == p.rows[0].tag {
		k.closeFall(s.Pos())
		k.restart()
	}
	n := k.at
	if n >= 0 && p.rows[n].tag == tag && k.count[n] < p.rows[n].max && p.rows[n].group != n { // one more of the same
		k.total[n]++
		k.count[n]++
	} else if n = k.locate(s, tag); n < 0 {
		return
	}
	row := &p.rows[n]
	if row.open {
		return
	}
	k.judge(s, row)
	if k.c.in.control && control(s.Raw()) {
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
			k.owe(n, s)
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
	k.owe(r.end, s)
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

// owe notes which of the rows behind the present one and before end must be there.
// Inside of a group only the segment that begins it counts, unless the group has
// begun.
func (k *content) owe(end int, s edifact.Segment) {
	if owed := k.due(end); owed != 0 {
		k.note(owed, s.Pos())
	}
}

func (k *content) due(end int) uint64 {
	must := k.plan.must
	if k.at >= 0 {
		must |= k.plan.rows[k.at].within
	}
	return must & (1<<end - 1) &^ (1<<(k.at+1) - 1)
}

// note enters rows that are owed, and where they are missed.
func (k *content) note(owed uint64, at edifact.Pos) {
	k.owed |= owed
	for n := range k.plan.rows {
		if owed>>n&1 != 0 {
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
	k.note(k.due(len(k.plan.rows)), at)
	for n := 0; k.owed != 0; n++ {
		if k.owed>>n&1 != 0 {
			k.missing(n)
		}
	}
	f := &k.falls
	if k.plan.sums && f.hasTotal && !f.doubtful && f.entgelte > 0 && !f.zuzahlungOnly && !f.total.equal(f.sum.minus(f.copay)) {
		k.find("G3-012", nil, f.totalAt.pos(k.plan.total))
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

// room reports whether a finding can be held: as many as a report has, and the errors
// that the answer must name.
func (k *content) room(s Severity) bool {
	return len(k.pending) < k.c.o.Keep || s == Error && k.errors < MaxFHL
}

func (k *content) hold(f Finding, at edifact.Pos, position int) {
	if f.Severity == Error {
		k.errors++
	}
	k.pending = append(k.pending, pending{f, at, k.c.msg.FKT, position})
}

// excess counts a finding for which there is no room.
func (k *content) excess(f Finding) {
	k.over = true
	if f.Severity == Error {
		k.more[min(f.Stage, 4)][0]++
	} else {
		k.more[min(f.Stage, 4)][1]++
	}
}

// control reports whether bytes hold a control character, of ISO 646 or ISO 6429.
func control(b []byte) bool {
	const low = 0x0101010101010101
	if len(b) < 8 {
		for _, c := range b {
			if c&0x60 == 0 {
				return true
			}
		}
		return false
	}
	last := binary.LittleEndian.Uint64(b[len(b)-8:]) // overlaps the one before
	all := last>>5 | last>>6
	for ; len(b) >= 32; b = b[32:] {
		v, w := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		x, y := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		all &= (v>>5 | v>>6) & (w>>5 | w>>6) & (x>>5 | x>>6) & (y>>5 | y>>6)
	}
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		all &= w>>5 | w>>6
	}
	return all&low != low
}

// control reports the first value that holds one.
func (k *content) control(s edifact.Segment) {
	for v := s.Cursor(); v.Next(); {
		if control(v.Value()) {
			k.find("G2-013", nil, v.Pos())
			return
		}
	}
}

// A set holds numbers: open addressing, half full at most.
type set struct {
	slots []uint64 // 0: free
	n     int
}

// meets reports whether a number is in both sets.
func (s *set) meets(t *set) bool {
	for _, v := range s.slots {
		if v != 0 && t.has(v) {
			return true
		}
	}
	return false
}

func (s *set) has(v uint64) bool {
	if s.n == 0 {
		return false
	}
	mask := uint64(len(s.slots) - 1)
	for at := (v >> 1) & mask; s.slots[at] != 0; at = (at + 1) & mask {
		if s.slots[at] == v {
			return true
		}
	}
	return false
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
