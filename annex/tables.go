package annex

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed data/sources.txt data/versions.txt data/messages/*.txt data/lists/*.txt
var tableFiles embed.FS

// Tables are the segment tables of all messages and versions, the code lists and
// the days from which versions apply. They can be shared.
type Tables struct {
	sources  map[string]string
	messages map[string][]*Table // by type and version, "AUFN:16"; what was loaded last comes first
	lists    map[string][]*List  // by name, likewise
	loaded   []*List             // in the order of loading
	versions []Version

	plans *plans
}

// plans are tables made ready, by message and day: many small files go by the same.
type plans struct {
	sync.Mutex
	by    map[planKey]*plan
	rules map[string]Rule // by code
}

type planKey struct {
	message string
	day     int
}

const maxPlans = 1000 // of which all are forgotten when there are more

// ruleOf is [Tables.Rules] by code.
func (t *Tables) ruleOf() map[string]Rule {
	if t != nil {
		t.plans.Lock()
		defer t.plans.Unlock()
		if t.plans.rules != nil {
			return t.plans.rules
		}
	}
	rules := make(map[string]Rule)
	for _, r := range t.Rules() {
		rules[r.Code] = r
	}
	if t != nil {
		t.plans.rules = rules
	}
	return rules
}

// plan is the table of a message on a day, made ready; nil if there is none.
func (t *Tables) plan(message string, day int) *plan {
	m := t.message(message, day)
	if m == nil {
		return nil
	}
	t.plans.Lock()
	defer t.plans.Unlock()
	key := planKey{message, day}
	p := t.plans.by[key]
	if p == nil {
		if len(t.plans.by) >= maxPlans {
			clear(t.plans.by)
		}
		p = t.planFor(m, day)
		t.plans.by[key] = p
	}
	return p
}

// A Version is a Fortschreibung as UNH S009 counts it.
type Version struct {
	Number string
	From   int // first day of admission for which it is in force, JJJJMMTT; 0: not known
	Basis  Basis
	Line   int
}

// LoadTables loads the tables that are built in and then those of each folder, in
// order: messages/*.txt and lists/*.txt, in the format of the built-in ones. A
// file of a folder takes the place of an earlier table of the same message and
// version, or list of the same name, on the days for which it is valid. A nil
// folder is passed over.
//
// A mistake in a file is a [*TableError]; all files are read, so that the error
// joins one for each file that has any.
func LoadTables(folders ...fs.FS) (*Tables, error) {
	builtIn, err := fs.Sub(tableFiles, "data")
	if err != nil {
		return nil, err
	}
	t := &Tables{sources: make(map[string]string), messages: make(map[string][]*Table), lists: make(map[string][]*List),
		plans: &plans{by: make(map[planKey]*plan)}}
	if err := t.loadSources(builtIn); err != nil {
		return nil, err
	}
	problems := []error{t.loadVersions(builtIn)}
	for _, folder := range append([]fs.FS{builtIn}, folders...) {
		if folder != nil {
			problems = append(problems, t.loadFolder(folder))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return t, t.consistent()
}

// open begins to read a file of a folder.
func (t *Tables) open(folder fs.FS, name string) (*tableReader, error) {
	b, err := fs.ReadFile(folder, name)
	if err != nil {
		return nil, err
	}
	return &tableReader{file: name, rest: string(b), sources: t.sources}, nil
}

func (t *Tables) loadSources(folder fs.FS) error {
	r, err := t.open(folder, "sources.txt")
	if err != nil {
		return err
	}
	for {
		cells, ok := r.next()
		if !ok {
			return r.err
		}
		if r.want(cells, 3, 3) {
			if _, again := t.sources[cells[0]]; again || cells[1] != "S1" && cells[1] != "S2" && cells[1] != "A" {
				r.fail(r.line, "source %q stands twice, or its class is none of S1, S2, A", cells[0])
			}
			t.sources[cells[0]] = cells[1]
		}
	}
}

func (t *Tables) loadVersions(folder fs.FS) error {
	r, err := t.open(folder, "versions.txt")
	if err != nil {
		return err
	}
	last := 0
	for {
		cells, ok := r.next()
		if !ok {
			return r.err
		}
		if r.want(cells, 3, 4) {
			v := Version{cells[0], r.day(cells[1]), r.basis(cells[2], cell(cells, 3)), r.line}
			if v.From != 0 && v.From <= last {
				r.fail(r.line, "version %s does not begin after the one before", v.Number)
			}
			last = max(last, v.From)
			t.versions = append(t.versions, v)
		}
	}
}

func (t *Tables) loadFolder(folder fs.FS) error {
	var problems []error
	each := func(pattern string, read func(*tableReader)) {
		names, err := fs.Glob(folder, pattern)
		problems = append(problems, err)
		for _, name := range names {
			r, err := t.open(folder, name)
			if err == nil {
				read(r)
				err = r.err
			}
			problems = append(problems, err)
		}
	}
	each("messages/*.txt", func(r *tableReader) {
		if m := r.parseMessage(); r.err == nil {
			key := m.Type + ":" + m.Version
			t.messages[key] = slices.Insert(t.messages[key], 0, m)
		}
	})
	each("lists/*.txt", func(r *tableReader) {
		if l := r.parseList(); r.err == nil {
			t.lists[l.Name] = slices.Insert(t.lists[l.Name], 0, l)
			t.loaded = append(t.loaded, l)
		}
	})
	return errors.Join(problems...)
}

// consistent judges what only all files together can tell.
func (t *Tables) consistent() error {
	var problems []error
	owner := make(map[string]string) // list name by rule; who came first has it
	for _, l := range t.loaded {
		if other, taken := owner[l.Rule]; taken && other != l.Name {
			problems = append(problems, &TableError{l.File, 0, fmt.Sprintf("rule %s belongs to list %s", l.Rule, other)})
		} else {
			owner[l.Rule] = l.Name
		}
	}
	for _, m := range t.all() {
		for _, row := range m.Rows {
			for _, f := range row.Fields {
				for _, use := range f.Lists {
					if len(t.lists[use.List]) == 0 {
						problems = append(problems, &TableError{m.File, f.Line, fmt.Sprintf("list %q does not exist", use.List)})
					}
				}
			}
		}
	}
	return errors.Join(problems...)
}

// all is every table, also those that another one takes the place of, sorted.
func (t *Tables) all() []*Table {
	var all []*Table
	for _, key := range slices.Sorted(maps.Keys(t.messages)) {
		all = append(all, t.messages[key]...)
	}
	return all
}

// Messages are the tables that apply on a day, sorted by type and version.
func (t *Tables) Messages(day time.Time) []*Table {
	var out []*Table
	for _, key := range slices.Sorted(maps.Keys(t.messages)) {
		if m := t.message(key, dayOf(day)); m != nil {
			out = append(out, m)
		}
	}
	return out
}

// Lists are the code lists that apply on a day, sorted by their rule.
func (t *Tables) Lists(day time.Time) []*List {
	var out []*List
	for name := range t.lists {
		if l := t.list(name, dayOf(day)); l != nil {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b *List) int { return cmp.Compare(a.Rule, b.Rule) })
	return out
}

// Versions are all that are known, in order.
func (t *Tables) Versions() []Version { return slices.Clone(t.versions) }

// Message is the table of a message on a day; nil if there is none.
func (t *Tables) Message(typ, version string, day time.Time) *Table {
	return t.message(typ+":"+version, dayOf(day))
}

// List is the code list of a name on a day; nil if there is none.
func (t *Tables) List(name string, day time.Time) *List { return t.list(name, dayOf(day)) }

func (t *Tables) message(key string, day int) *Table {
	for _, m := range t.messages[key] {
		if valid(day, m.ValidFrom, m.ValidTo) {
			return m
		}
	}
	return nil
}

func (t *Tables) list(name string, day int) *List {
	for _, l := range t.lists[name] {
		if valid(day, l.ValidFrom, l.ValidTo) {
			return l
		}
	}
	return nil
}

// knows reports whether there is a table of a type in any version.
func (t *Tables) knows(typ string) bool {
	for key := range t.messages {
		if strings.HasPrefix(key, typ+":") {
			return true
		}
	}
	return false
}

// valid reports whether a day lies in a window. An unknown day lies in every one.
func valid(day, from, to int) bool {
	return day == 0 || day >= from && (to == 0 || day <= to)
}

// dayOf is a day as JJJJMMTT, 0 for the zero time.
func dayOf(t time.Time) int {
	if t.IsZero() {
		return 0
	}
	return t.Year()*10000 + int(t.Month())*100 + t.Day()
}

// NameOnly reports whether of a message type nothing but the name is known: it
// stands beside the others in version 16, its content in no public source.
func NameOnly(messageType string) bool { return messageType == "KHIN" || messageType == "KANT" }
