package exchange

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// A Route is one row of the routing table: what it takes, and what becomes of it.
// An empty list, and a zero size or time, takes everything.
type Route struct {
	Name string

	Recipients    []string // UNB 0010
	Senders       []string // UNB 0004
	FKTRecipients []string // FKT.4, the Krankenkasse itself: every one of the file must be listed
	Types         []string // every message type of the file must be listed
	Versions      []string // UNH S009: every one of the file must be listed
	Mode          Mode
	Outboxes      []string  // names of outboxes
	Files         []string  // patterns of [path.Match] for the original file name
	MinSize       int64     // bytes
	MaxSize       int64     // bytes, included
	From, Until   time.Time // of the decision; Until is excluded

	Partner       string
	Kostentraeger string // defaults to the recipient
	EncryptTo     string // EMPFÄNGER_NUTZER; defaults to the partner's IK
	SendTo        string // EMPFÄNGER_PHYSIKALISCH; defaults to the partner's IK
	Hold          string // not empty: held for this reason until an operator releases it
	CopyTo        string // folder that gets a copy of the file; empty: none
}

// A Question is a file that is to be routed, as far as routes ask.
type Question struct {
	Envelope      Envelope
	Mode          Mode
	FKTRecipients []string // distinct
	Versions      []string // distinct
	Outbox        string
	File          string // original name
	Size          int64
	At            time.Time
}

// A Miss is why a route does not take a file.
type Miss struct {
	Key  string // of the route's row: "types"
	Have string // what the file has: "KOUB"
	Want string // what the row asks for: "AUFN, RECH"
}

func (m Miss) String() string {
	return fmt.Sprintf("%s: the file has %s, not %s", m.Key, m.Have, m.Want)
}

// Fits reports whether the row takes the file.
func (r *Route) Fits(q *Question) bool {
	_, misses := r.Misses(q)
	return !misses
}

// Misses gives the first reason why the row does not take the file.
func (r *Route) Misses(q *Question) (m Miss, misses bool) {
	none := func(key, have string, want []string) (Miss, bool) {
		if have == "" {
			have = "none"
		}
		return Miss{key, have, few(want)}, true
	}
	if r.Mode != q.Mode {
		return none("mode", string(q.Mode), []string{string(r.Mode)})
	}
	for _, one := range []struct {
		key, have string
		want      []string
	}{{"recipients", q.Envelope.Recipient, r.Recipients}, {"senders", q.Envelope.Sender, r.Senders}, {"outboxes", q.Outbox, r.Outboxes}} {
		if len(one.want) > 0 && !slices.Contains(one.want, one.have) {
			return none(one.key, one.have, one.want)
		}
	}
	for _, every := range []struct {
		key        string
		have, want []string
	}{{"types", q.Envelope.Types, r.Types}, {"fkt-recipients", q.FKTRecipients, r.FKTRecipients}, {"versions", q.Versions, r.Versions}} {
		if len(every.want) == 0 {
			continue
		}
		if len(every.have) == 0 {
			return none(every.key, "", every.want)
		}
		for _, v := range every.have {
			if !slices.Contains(every.want, v) {
				return none(every.key, v, every.want)
			}
		}
	}
	if len(r.Files) > 0 && !slices.ContainsFunc(r.Files, func(pattern string) bool {
		ok, err := path.Match(pattern, q.File)
		return ok && err == nil
	}) {
		return none("files", q.File, r.Files)
	}
	switch {
	case q.Size < r.MinSize:
		return none("min-size", fmt.Sprintf("%d bytes", q.Size), []string{fmt.Sprintf("at least %d", r.MinSize)})
	case r.MaxSize > 0 && q.Size > r.MaxSize:
		return none("max-size", fmt.Sprintf("%d bytes", q.Size), []string{fmt.Sprintf("at most %d", r.MaxSize)})
	case !r.From.IsZero() && q.At.Before(r.From):
		return none("from", q.At.In(r.From.Location()).Format(time.DateOnly), []string{r.From.Format(time.DateOnly) + " or later"})
	case !r.Until.IsZero() && !q.At.Before(r.Until):
		return none("until", q.At.In(r.Until.Location()).Format(time.DateOnly), []string{"before " + r.Until.Format(time.DateOnly)})
	}
	return Miss{}, false
}

// few writes a list as far as it is short.
func few(words []string) string {
	if len(words) > 5 {
		return strings.Join(words[:4], ", ") + fmt.Sprintf(" or %d more", len(words)-4)
	}
	return strings.Join(words, ", ")
}

// A Table is a list of routes with an index, so that a decision takes as long with
// 20,000 rows as with 20. Rows are grouped by which of their lists are filled
// (their shape, of which a table has few); inside a shape, the values of these lists
// lead to the rows.
type Table struct {
	routes []Route
	shapes []shape
	rows   map[slot][]int32 // in order
	to     map[addressed][]string
}

// addressed is what of a file UNB and its outbox tell.
type addressed struct {
	mode      Mode
	recipient string // empty: rows that take every one
}

// The lists that lead to rows. Of those of which every value of the file must be
// listed, the file's first one does.
const (
	byRecipient = iota
	bySender
	byOutbox
	byFKTRecipient
	byType
	byVersion
	lists
)

// A shape says which lists are filled.
type shape uint8

// A slot is a shape and one value for each of its lists.
type slot struct {
	shape shape
	mode  Mode
	value [lists]string
}

// maxSlots bounds how often one row stands in the index. One that would stand there
// more often leaves its longest list out and is found by the others.
const maxSlots = 4096

// NewTable indexes routes, which must not change any more.
func NewTable(routes []Route) *Table {
	t := &Table{routes: routes, rows: make(map[slot][]int32, len(routes)), to: map[addressed][]string{}}
	for i := range routes {
		t.insert(i)
		t.address(&routes[i])
	}
	return t
}

func (t *Table) insert(i int) {
	r := &t.routes[i]
	values := [lists][]string{byRecipient: r.Recipients, bySender: r.Senders, byOutbox: r.Outboxes,
		byFKTRecipient: r.FKTRecipients, byType: r.Types, byVersion: r.Versions}
	for {
		product, longest := 1, 0
		for l, v := range values {
			product *= max(1, min(len(v), maxSlots+1))
			if len(v) > len(values[longest]) {
				longest = l
			}
			if product > maxSlots {
				break
			}
		}
		if product <= maxSlots {
			break
		}
		values[longest] = nil
	}
	s := slot{mode: r.Mode}
	for l, v := range values {
		if len(v) > 0 {
			s.shape |= 1 << l
		}
	}
	if !slices.Contains(t.shapes, s.shape) {
		t.shapes = append(t.shapes, s.shape)
	}
	var fill func(l int, s slot)
	fill = func(l int, s slot) {
		switch {
		case l == lists:
			if have := t.rows[s]; len(have) == 0 || have[len(have)-1] != int32(i) { // a value may stand in a list twice
				t.rows[s] = append(have, int32(i))
			}
		case len(values[l]) == 0:
			fill(l+1, s)
		default:
			for _, v := range values[l] {
				s.value[l] = v
				fill(l+1, s)
			}
		}
	}
	fill(0, s)
}

// Find gives the first route that takes the file, and which row it is; nil: none does.
func (t *Table) Find(q *Question) (r *Route, row int) {
	first := func(v []string) string {
		if len(v) == 0 {
			return ""
		}
		return v[0]
	}
	have := [lists]string{byRecipient: q.Envelope.Recipient, bySender: q.Envelope.Sender, byOutbox: q.Outbox,
		byFKTRecipient: first(q.FKTRecipients), byType: first(q.Envelope.Types), byVersion: first(q.Versions)}
	best := len(t.routes)
	for _, shape := range t.shapes {
		s := slot{shape: shape, mode: q.Mode}
		for l := range have {
			if shape&(1<<l) != 0 {
				s.value[l] = have[l]
			}
		}
		for _, i := range t.rows[s] {
			if int(i) >= best {
				break
			}
			if t.routes[i].Fits(q) {
				best = int(i)
				break
			}
		}
	}
	if best == len(t.routes) {
		return nil, -1
	}
	return &t.routes[best], best
}

// address notes the partner of a row.
func (t *Table) address(r *Route) {
	recipients := r.Recipients
	if len(recipients) == 0 {
		recipients = []string{""}
	}
	for _, recipient := range recipients {
		a := addressed{r.Mode, recipient}
		if !slices.Contains(t.to[a], r.Partner) {
			t.to[a] = append(t.to[a], r.Partner)
		}
	}
}

// Partners lists to whom a file may go, as far as mode and recipient tell.
func (t *Table) Partners(m Mode, recipient string) []string {
	out := slices.Clone(t.to[addressed{m, ""}])
	for _, partner := range t.to[addressed{m, recipient}] {
		if recipient != "" && !slices.Contains(out, partner) {
			out = append(out, partner)
		}
	}
	return out
}
