package edifact

import (
	"slices"
)

// references remembers the UNH references of an interchange in bounded room:
// numeric ones as ranges, of which a file without gaps makes a single one,
// others one by one up to a limit. Beyond the limits a repetition can go
// unnoticed; a gap never does.
type references struct {
	ranges []span // ascending, apart from each other
	others map[string]struct{}
	last   int64 // the last numeric reference
	mode   refMode
}

type span struct{ from, to int64 }

const (
	maxRanges = 4096
	maxOthers = 4096
)

type refMode int

const (
	refsFresh    refMode = iota // none seen
	refsCounting                // the first one was a number: all must count on
	refsNamed                   // the first one was no number: no order to check
)

type refVerdict int

const (
	refGood refVerdict = iota
	refTwice
	refGap
)

func (r *references) reset() {
	r.ranges = r.ranges[:0]
	clear(r.others)
	r.last, r.mode = 0, refsFresh
}

// next enters a reference and judges it. want is the number that was due.
func (r *references) next(ref []byte) (want int64, v refVerdict) {
	n, numeric := number(ref)
	if r.mode == refsFresh {
		r.mode = refsNamed
		if numeric {
			r.mode = refsCounting
		}
	}
	want = r.last + 1
	if numeric {
		r.last = n
		if r.mode == refsCounting && n == want && r.extend(n) {
			return want, refGood
		}
		if r.add(n) {
			return want, refTwice
		}
	} else {
		r.last = want // counting goes on behind it, so that one fault is told once
		if _, ok := r.others[string(ref)]; ok {
			return want, refTwice
		}
		if len(r.others) < maxOthers && len(ref) <= maxRef {
			if r.others == nil {
				r.others = make(map[string]struct{})
			}
			r.others[string(ref)] = struct{}{}
		}
	}
	if r.mode == refsCounting && !(numeric && n == want) {
		return want, refGap
	}
	return want, refGood
}

// skip enters numeric references that count on.
func (r *references) skip(n int64) {
	r.last += n
	if i := len(r.ranges) - 1; i >= 0 && r.ranges[i].to == r.last-n {
		r.ranges[i].to = r.last
	}
}

// extend is the short way for the usual case: n follows the highest range.
func (r *references) extend(n int64) bool {
	i := len(r.ranges) - 1
	if i < 0 || r.ranges[i].to != n-1 {
		return false
	}
	r.ranges[i].to = n
	return true
}

// add enters n and reports whether it was there before.
func (r *references) add(n int64) bool {
	i, _ := slices.BinarySearchFunc(r.ranges, n, func(s span, n int64) int {
		switch {
		case s.to < n:
			return -1
		case s.to > n:
			return 1
		}
		return 0
	})
	// ranges[i] is the first that ends at n or behind it.
	if i < len(r.ranges) && r.ranges[i].from <= n {
		return true
	}
	switch {
	case i > 0 && r.ranges[i-1].to == n-1:
		r.ranges[i-1].to = n
		if i < len(r.ranges) && r.ranges[i].from == n+1 {
			r.ranges[i-1].to = r.ranges[i].to
			r.ranges = slices.Delete(r.ranges, i, i+1)
		}
	case i < len(r.ranges) && r.ranges[i].from == n+1:
		r.ranges[i].from = n
	case len(r.ranges) < maxRanges:
		r.ranges = slices.Insert(r.ranges, i, span{n, n})
	}
	return false
}
