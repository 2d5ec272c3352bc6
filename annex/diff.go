package annex

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Change is one thing that is not the same in two sets of rules.
type Change struct {
	Where    string // "AUFN INV.3 Besonderer Personenkreis", "list fachabteilung 0100"
	Old, New string // empty: not there
}

// DiffVersions lists what changes between two versions of the messages, as their
// tables are on a day: messages, segments, fields.
func (t *Tables) DiffVersions(before, after string, day time.Time) []Change {
	facts := func(version string) map[string]string {
		out := make(map[string]string)
		for _, m := range t.Messages(day) {
			if m.Version == version {
				m.facts(out, m.Type)
			}
		}
		return out
	}
	return diff(facts(before), facts(after))
}

// DiffDays lists what changes between two days: tables and code lists.
func (t *Tables) DiffDays(before, after time.Time) []Change {
	facts := func(day time.Time) map[string]string {
		out := make(map[string]string)
		for _, m := range t.Messages(day) {
			m.facts(out, m.Type+" "+m.Version)
		}
		for _, l := range t.Lists(day) {
			for _, c := range l.Codes {
				if valid(dayOf(day), c.ValidFrom, c.ValidTo) {
					out["list "+l.Name+" "+c.Code] = c.Text
				}
			}
		}
		for _, v := range t.versions {
			if v.From != 0 && v.From <= dayOf(day) {
				out["version "+v.Number] = "in force"
			}
		}
		return out
	}
	return diff(facts(before), facts(after))
}

// facts adds what a table says, each fact under its name.
func (t *Table) facts(out map[string]string, name string) {
	out[name] = t.Name
	for i, r := range t.Rows {
		group := ""
		if r.Group > 0 {
			group = fmt.Sprintf(", group of up to %d", t.Groups[r.Group-1].Max)
		}
		out[fmt.Sprintf("%s %s", name, r.Tag)] = fmt.Sprintf("%s, up to %d%s", r.Status, r.Max, group)
		if i > 0 {
			out[fmt.Sprintf("%s %s, behind", name, r.Tag)] = t.Rows[i-1].Tag
		}
		for _, f := range r.Fields {
			var lists []string
			for _, u := range f.Lists {
				lists = append(lists, " list "+u.List)
			}
			out[fmt.Sprintf("%s %s.%d.%d %s", name, r.Tag, f.Element, f.Component, f.Name)] =
				strings.TrimSpace(fmt.Sprintf("%s %s %s%s", f.Format, f.Status, f.Content, strings.Join(lists, "")))
		}
	}
}

// String writes a status as the tables do.
func (s Status) String() string {
	if s.Doubt {
		return string(rune(s.Letter)) + "?"
	}
	return string(rune(s.Letter))
}

func diff(before, after map[string]string) []Change {
	var out []Change
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, where := range slices.Sorted(maps.Keys(all)) {
		if before[where] != after[where] {
			out = append(out, Change{where, before[where], after[where]})
		}
	}
	return out
}
