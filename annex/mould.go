package annex

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// A mould remembers a segment in which everything stood at a right place and had a
// right length, so that the next one with its marks at the same places need not be
// measured again. Most segments of a file have one of few moulds.
//
//	ENT+74000000+125,10+20261120+20261124+4'
//	   ^        ^      ^        ^        ^ ^  marks: the same
//	             ------                   -   values of which only the form is judged
//	    ========        ======== ========     and those that mostly are the same again
type mould struct {
	marks uint64 // behind the tag; 0: nothing is remembered
	fall  int64  // in which the words of steps were well
	from  int32  // see entgelt
	seps  uint8  // how many places are used
	steps uint8
	place [maxPlaces]struct{ at, mark uint8 } // of separators, counted from the tag
	step  [maxSteps]step
}

// A step is a value that must be judged.
type step struct {
	extent
	cell       *planCell
	mask, word uint64 // the value is well if it is the same word under the mask
	lasting    bool   // also in another Geschäftsvorfall
}

const (
	maxPlaces = 16
	maxSteps  = 10
	mouldBits = 3
)

// moulds are those of one row, by a hash of their marks.
type moulds [1 << mouldBits]mould

func (k *content) mouldOf(row *planRow, marks uint64) *mould {
	if k.moulds[row.index] == nil {
		k.moulds[row.index] = new(moulds)
	}
	return k.moulds[row.index].of(marks)
}

func (m *moulds) of(marks uint64) *mould { return &m[marks*0x9E3779B97F4A7C15>>(64-mouldBits)] }

// fits reports whether the marks separate the same: elements here, components there.
func (l *mould) fits(raw []byte) bool {
	differ := byte(0)
	for _, p := range l.place[:l.seps&(maxPlaces-1)] {
		differ |= raw[p.at] ^ p.mark
	}
	return differ == 0
}

// learn makes a mould of a segment that has just been found well.
func (k *content) learn(l *mould, row *planRow, marks uint64, raw []byte, values []extent) {
	*l = mould{}
	if bits.OnesCount64(marks) >= maxPlaces || len(values) > maxSteps {
		return
	}
	at := behindTag - 1
	for word := marks; word != 0; word &= word - 1 { // the terminator is not among them
		l.place[l.seps].at, l.place[l.seps].mark = uint8(at), raw[at]
		l.seps++
		at = behindTag + bits.TrailingZeros64(word)
	}
	for _, v := range values {
		if int(v.at) >= len(row.cells) || row.cells[v.at].field == nil {
			return // there, although nobody minds
		}
		c := &row.cells[v.at]
		if c.work == workNothing {
			continue
		}
		if c.role == roleFrom && l.steps > 0 && slices.ContainsFunc(l.step[:l.steps], func(s step) bool { return s.cell.role == roleTo }) {
			return
		}
		st := &l.step[l.steps]
		l.steps++
		st.extent, st.cell, st.word = v, c, 1 // under an empty mask nothing is the same
		st.mask, st.lasting = c.repeats(v.n)
	}
	l.marks, l.fall = marks, -1
}

// repeats tells whether a value of n bytes, the same again, needs no look: under
// which mask (0: it does need one), and whether that holds in another Geschäftsvorfall.
func (c *planCell) repeats(n uint32) (mask uint64, lasting bool) {
	mask = math.MaxUint64 >> (-(8 * n) & 63)
	switch {
	case n > 8 || c.role > roleTo:
		return 0, false
	case c.role != noRole:
		return mask, false
	case c.kind == kindDate && c.work == workDay, c.kind == kindTime || c.kind == kindMonth, c.work == workCode || c.work == workCodes:
		return mask, !slices.ContainsFunc(c.lists, func(u planList) bool { return !u.list.timeless })
	}
	return 0, false
}

// recur judges a segment of a mould that is known: values that are the same as in
// the segment before, of the same Geschäftsvorfall, are as well as there.
func (k *content) recur(l *mould, row *planRow, raw []byte) {
	steps := l.step[:min(l.steps, maxSteps)]
	if l.fall != k.fall {
		l.fall = k.fall
		for i := range steps {
			if !steps[i].lasting {
				steps[i].word = 1
			}
		}
	}
	k.entgelt.from = l.from
	found := len(k.pending)
	for i := range steps {
		st := &steps[i]
		eight := binary.LittleEndian.Uint64(raw[st.from:])
		if eight&st.mask == st.word {
			continue
		}
		c, well := st.cell, true
		switch {
		case c.work == workAmount:
			cents, ok := shortAmount(eight, int(st.n))
			if ok && c.role == rolePrice {
				k.entgelt.price, k.entgelt.priced = cents, true
			} else {
				k.amountIn(k.value(&st.extent), c, cents, ok)
			}
			continue
		case c.work == workNumber && c.role == roleCount && st.n == 1 && eight&0xff-'0' <= 9:
			k.entgelt.count, k.entgelt.counted = int64(eight&0xff-'0'), true
			continue
		case c.work == workDay:
			m := &k.days[row.cell+int(st.at)]
			if well = eight == m.word || k.date(k.value(&st.extent), c, m); well && c.role != noRole {
				k.dayIn(int(st.at), c.role, m.day)
			}
		case c.work == workAll:
			k.other(k.value(&st.extent), c)
		default:
			k.each(row, raw, []extent{st.extent})
		}
		if st.mask == 0 {
			continue
		}
		if well && len(k.pending) == found && !k.over {
			st.word = eight & st.mask
		}
		if c.role == roleFrom {
			l.from = k.entgelt.from
			for j := range steps[i+1:] {
				steps[i+1+j].word = 1 // a last day depends on the first
			}
		}
	}
}
