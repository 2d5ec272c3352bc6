package config

import (
	"fmt"
	"math"
	"slices"
	"time"

	"gateway301/exchange"
)

// checkRoute judges a row by itself.
func (r *reader) checkRoute(x *exchange.Route, path string, outboxes map[string]exchange.Mode) {
	for i, name := range x.Outboxes {
		mode, known := outboxes[name]
		switch at := row(path+".outboxes", i); {
		case !known && r.listed("outboxes"):
			names := make([]string, 0, len(outboxes))
			for n := range outboxes {
				names = append(names, n)
			}
			slices.Sort(names)
			r.fault(CodeReference, at, fmt.Sprintf("unknown outbox %q", clip(name)), r.meantOrFew(name, names))
		case known && mode != x.Mode && mode != "" && x.Mode != "":
			r.fault(CodeConflict, at, fmt.Sprintf("outbox %q is of mode %s, this route of mode %s", name, mode, x.Mode), "TEST and ECHT do not meet; remove it from the list")
		}
	}
	if x.MaxSize > 0 && x.MinSize > x.MaxSize {
		r.fault(CodeConflict, path+".max-size", "max-size is less than min-size, so no file fits", "")
	}
	switch {
	case !x.From.IsZero() && !x.Until.IsZero() && !x.From.Before(x.Until):
		r.fault(CodeConflict, path+".until", "until is not after from, so the row never holds", "until is the first day on which it no longer holds")
	case !x.Until.IsZero() && !x.Until.After(r.now):
		r.warn(CodeNoEffect, path+".until", "the row has ended on "+x.Until.Format(time.DateOnly), "remove it")
	}
}

// takeAll ends the sentence that routesAbove begins.
func takeAll(by []int) string {
	if len(by) == 1 {
		return " takes them all"
	}
	return " take them all"
}

// rowsAbove finds what earlier rows have in common with the next one. They are kept
// by mode and by one value each of three lists, the empty one standing for rows
// that take every value.
type rowsAbove struct {
	routes []exchange.Route
	by     map[place][]int
	wide   []int // rows with too many values to be kept by them
}

type place struct {
	mode              exchange.Mode
	recipient, sender string
	fktRecipient      string
}

// Limits on the work that a table can cause.
const (
	maxPlaces   = 1000 // by which one row is kept
	maxCompared = 400  // earlier rows that one is compared with, for overlaps
)

func newRowsAbove(routes []exchange.Route) *rowsAbove {
	return &rowsAbove{routes: routes, by: make(map[place][]int, len(routes))}
}

// every lists a row's values, or the empty one for all.
func every(values []string) []string {
	if len(values) == 0 {
		return []string{""}
	}
	return values
}

func (a *rowsAbove) add(i int) {
	x := &a.routes[i]
	if max(1, len(x.Recipients))*max(1, len(x.Senders))*max(1, len(x.FKTRecipients)) > maxPlaces {
		a.wide = append(a.wide, i)
		return
	}
	for _, recipient := range every(x.Recipients) {
		for _, sender := range every(x.Senders) {
			for _, fkt := range every(x.FKTRecipients) {
				p := place{x.Mode, recipient, sender, fkt}
				a.by[p] = append(a.by[p], i)
			}
		}
	}
}

// near gives the earlier rows that may take files of x that have this recipient, one
// list after the other.
func (a *rowsAbove) near(x *exchange.Route, recipient string, look func(i int) (more bool)) {
	recipients := []string{recipient}
	if recipient != "" {
		recipients = []string{"", recipient}
	}
	for _, recipient := range recipients {
		for _, sender := range slices.Compact([]string{"", every(x.Senders)[0]}) {
			for _, fkt := range slices.Compact([]string{"", every(x.FKTRecipients)[0]}) {
				for _, i := range a.by[place{x.Mode, recipient, sender, fkt}] {
					if !look(i) {
						return
					}
				}
			}
		}
	}
	for _, i := range a.wide {
		if !look(i) {
			return
		}
	}
}

// cover gives the earlier rows that together take every file that x could take:
// one for each recipient.
func (a *rowsAbove) cover(x *exchange.Route) (rows []int, all bool) {
	for _, recipient := range every(x.Recipients) {
		one := *x
		if recipient != "" {
			one.Recipients = []string{recipient}
		}
		found := -1
		a.near(x, recipient, func(i int) bool {
			if takesAll(&a.routes[i], &one) {
				found = i
			}
			return found < 0
		})
		if found < 0 {
			return nil, false
		}
		if !slices.Contains(rows, found) {
			rows = append(rows, found)
		}
	}
	return rows, true
}

// overlap gives an earlier row that takes some of the files that x takes, while it
// takes others that x does not, and does something else with them. (One that takes
// only files that x would take, too, is the exception before the rule.) It looks
// at rows for the same recipient or every one, and stops after a while.
func (a *rowsAbove) overlap(x *exchange.Route) (row int, ok bool) {
	row = -1
	compared := 0
	for _, recipient := range every(x.Recipients) {
		a.near(x, recipient, func(i int) bool {
			compared++
			earlier := &a.routes[i]
			if !sameEnd(earlier, x) && !takesAll(x, earlier) && meet(earlier, x) {
				row = i
			}
			return row < 0 && compared < maxCompared
		})
		if row >= 0 {
			return row, true
		}
	}
	return -1, false
}

// sameEnd reports whether it makes no difference which of the rows takes a file.
func sameEnd(a, b *exchange.Route) bool {
	return a.Partner == b.Partner && a.EncryptTo == b.EncryptTo && a.SendTo == b.SendTo && a.Kostentraeger == b.Kostentraeger && a.Hold == b.Hold && a.CopyTo == b.CopyTo
}

// takesAll reports whether the wide row takes every file that the narrow one takes.
func takesAll(wide, narrow *exchange.Route) bool {
	for _, list := range [][2][]string{
		{wide.Recipients, narrow.Recipients}, {wide.Senders, narrow.Senders}, {wide.FKTRecipients, narrow.FKTRecipients}, {wide.Types, narrow.Types},
		{wide.Versions, narrow.Versions}, {wide.Outboxes, narrow.Outboxes}, {wide.Files, narrow.Files},
	} {
		if len(list[0]) == 0 {
			continue
		}
		if len(list[1]) == 0 {
			return false
		}
		for _, v := range list[1] {
			if !slices.Contains(list[0], v) {
				return false
			}
		}
	}
	return wide.Mode == narrow.Mode && wide.MinSize <= narrow.MinSize && most(wide) >= most(narrow) &&
		(wide.From.IsZero() || !narrow.From.IsZero() && !narrow.From.Before(wide.From)) &&
		(wide.Until.IsZero() || !narrow.Until.IsZero() && !narrow.Until.After(wide.Until))
}

func most(x *exchange.Route) int64 {
	if x.MaxSize == 0 {
		return math.MaxInt64
	}
	return x.MaxSize
}

// meet reports whether some file fits both rows. Of two patterns for names, only
// equal ones are known to meet.
func meet(a, b *exchange.Route) bool {
	for _, list := range [][2][]string{
		{a.Recipients, b.Recipients}, {a.Senders, b.Senders}, {a.FKTRecipients, b.FKTRecipients}, {a.Types, b.Types},
		{a.Versions, b.Versions}, {a.Outboxes, b.Outboxes}, {a.Files, b.Files},
	} {
		if len(list[0]) > 0 && len(list[1]) > 0 && !slices.ContainsFunc(list[0], func(v string) bool { return slices.Contains(list[1], v) }) {
			return false
		}
	}
	return a.Mode == b.Mode && a.MinSize <= most(b) && b.MinSize <= most(a) &&
		(a.From.IsZero() || b.Until.IsZero() || a.From.Before(b.Until)) && (b.From.IsZero() || a.Until.IsZero() || b.From.Before(a.Until))
}
