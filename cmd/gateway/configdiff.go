package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway301/config"
	"gateway301/exchange"
	"gateway301/pipeline"
	"gateway301/store"
)

// A change is one thing that differs between two configurations. It is the stable JSON
// form.
type change struct {
	Kind string `json:"kind"` // setting, route or file
	// Of a setting.
	Row string `json:"row,omitempty"`
	Key string `json:"key,omitempty"`
	// Of a route: from this day on, the empty one is now.
	From string `json:"from,omitempty"`
	What string `json:"what,omitempty"` // kind of file, or id and name of a file
	Old  string `json:"old"`
	New  string `json:"new"`
}

func newConfigDiffCommand() *cobra.Command {
	var night string
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Tell what a changed configuration changes in effect",
		Long: `Compare two configurations by what they do: settings row by row with their defaults
(writing a default out, or 60m for 1h, changes nothing), and where files go, by day when
routes begin or end. Moving rows between files or routes that decide alike is no change.

--against NIGHT (JJJJ-MM-TT, the evening) routes the files of that night again, from noon
to noon, with both configurations, and names those that would go elsewhere. The ledger is
that of OLD; what a route asks of the content is read from the spool where it is still there.

Exit code 0 when nothing changes in effect, 7 when something does, 3 when one cannot be used.
With --json one object a line: kind (setting, route, file), row, key, from, what, old, new.`,
		Args: cobra.ExactArgs(2),
	}
	c.Flags().StringVar(&night, "against", "", "route the files of a past night again, JJJJ-MM-TT")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.RunE = func(c *cobra.Command, args []string) error {
		var cfg [2]*config.File
		var settings [2][]config.Setting
		for i, path := range args {
			var err error
			if cfg[i], _, err = readConfig(path); err != nil {
				return err
			}
			if settings[i], err = config.Settings(path); err != nil {
				return err
			}
		}
		changes := settingChanges(settings[0], settings[1])
		changes = append(changes, routeChanges(cfg[0], cfg[1], time.Now())...)
		if night != "" {
			day, err := time.ParseInLocation(time.DateOnly, night, cfg[0].TimeZone)
			if err != nil {
				return usageError{fmt.Errorf("--against is JJJJ-MM-TT, not %q", night)}
			}
			files, err := fileChanges(c.Context(), cfg[0], cfg[1], day.Add(12*time.Hour))
			if err != nil {
				return err
			}
			changes = append(changes, files...)
		}
		if asJSON {
			for _, ch := range changes {
				if err := writeJSONLine(c.OutOrStdout(), ch); err != nil {
					return err
				}
			}
		} else {
			printConfigChanges(c, changes)
		}
		if len(changes) > 0 {
			return codeError{exitFindings, ""}
		}
		return nil
	}
	return c
}

// settingChanges compares row by row, in the order of the new one; rows that are gone
// come last.
func settingChanges(before, after []config.Setting) []change {
	id := func(s config.Setting) [2]string { return [2]string{s.Row, s.Key} }
	old, now := map[[2]string]string{}, map[[2]string]string{}
	rows := [2]map[string]bool{{"": true}, {"": true}}
	for i, list := range [2][]config.Setting{before, after} {
		for _, s := range list {
			[2]map[[2]string]string{old, now}[i][id(s)] = s.Value
			if s.Key == "" {
				rows[i][s.Row] = true
			}
		}
	}
	var out []change
	for _, s := range after {
		was := old[id(s)]
		switch {
		case s.Key == "" && !rows[0][s.Row]:
			out = append(out, change{Kind: "setting", Row: s.Row, New: "new"})
		case s.Key != "" && was != s.Value && rows[0][s.Row]:
			out = append(out, change{Kind: "setting", Row: s.Row, Key: s.Key, Old: was, New: s.Value})
		}
	}
	for _, s := range before {
		_, still := now[id(s)]
		switch {
		case s.Key == "" && !rows[1][s.Row]:
			out = append(out, change{Kind: "setting", Row: s.Row, Old: "there", New: "gone"})
		case s.Key != "" && !still && rows[1][s.Row]:
			out = append(out, change{Kind: "setting", Row: s.Row, Key: s.Key, Old: s.Value})
		}
	}
	return out
}

// Limits on the kinds of files that are asked about.
const (
	maxKinds = 2000 // for each route
	maxDays  = 60
)

// kinds lists files that a route is about: one for each mix of its values.
func kinds(r *exchange.Route) []exchange.Question {
	or := func(values []string) []string {
		if len(values) == 0 {
			return []string{""}
		}
		return values
	}
	one := func(v string) []string {
		if v == "" {
			return nil
		}
		return []string{v}
	}
	var out []exchange.Question
	for _, recipient := range or(r.Recipients) {
		for _, sender := range or(r.Senders) {
			for _, typ := range or(r.Types) {
				for _, fkt := range or(r.FKTRecipients) {
					for _, version := range or(r.Versions) {
						for _, box := range or(r.Outboxes) {
							if len(out) == maxKinds {
								return out
							}
							q := exchange.Question{Mode: r.Mode, Envelope: exchange.Envelope{Recipient: recipient, Sender: sender, Types: one(typ)},
								FKTRecipients: one(fkt), Versions: one(version), Outbox: box, Size: r.MinSize}
							if len(r.Files) > 0 {
								q.File = strings.NewReplacer("*", "x", "?", "x").Replace(r.Files[0])
							}
							out = append(out, q)
						}
					}
				}
			}
		}
	}
	return out
}

// kindWords describes such a file.
func kindWords(q *exchange.Question) string {
	var parts []string
	for _, p := range []struct{ word, v string }{{"", q.Envelope.Recipient}, {"", strings.Join(q.Envelope.Types, "+")}, {"", string(q.Mode)},
		{"from ", q.Envelope.Sender}, {"FKT ", strings.Join(q.FKTRecipients, "+")}, {"version ", strings.Join(q.Versions, "+")}, {"outbox ", q.Outbox}, {"name ", q.File}} {
		if p.v != "" {
			parts = append(parts, p.word+p.v)
		}
	}
	if q.Envelope.Recipient == "" {
		parts = append([]string{"any recipient"}, parts...)
	}
	return strings.Join(parts, " ")
}

// end says what becomes of a file.
func end(r *exchange.Route) string {
	if r == nil {
		return "held, no route"
	}
	s := fmt.Sprintf("%s (encrypt-to %s, send-to %s)", r.Partner, r.EncryptTo, r.SendTo)
	if r.Hold != "" {
		s = "held: " + r.Hold + ", then " + s
	}
	if r.CopyTo != "" {
		s += ", copy to " + r.CopyTo
	}
	return s
}

// routeChanges asks both tables about every kind of file that a route of either speaks of,
// now and on each day on which a route begins or ends. What changes on a day as it
// did before is told once.
func routeChanges(before, after *config.File, now time.Time) []change {
	asked := map[string]exchange.Question{}
	var order []string
	days := map[time.Time]bool{}
	for _, file := range []*config.File{before, after} {
		for i := range file.Routes {
			r := &file.Routes[i]
			for _, q := range kinds(r) {
				words := kindWords(&q)
				if _, known := asked[words]; !known {
					asked[words] = q
					order = append(order, words)
				}
			}
			for _, day := range []time.Time{r.From, r.Until} {
				if day.After(now) {
					days[day] = true
				}
			}
		}
	}
	moments := append([]time.Time{now}, slices.SortedFunc(maps.Keys(days), time.Time.Compare)...)
	old, next := exchange.NewTable(before.Routes), exchange.NewTable(after.Routes)
	told := map[string]string{} // kind → what was said of it last
	var out []change
	for i, at := range moments[:min(len(moments), maxDays)] {
		for _, words := range order {
			q := asked[words]
			q.At = at
			a, _ := old.Find(&q)
			b, _ := next.Find(&q)
			ch := change{Kind: "route", What: words, Old: end(a), New: end(b)}
			said := ch.Old + " → " + ch.New
			if ch.Old == ch.New {
				said = ""
			}
			if told[words] != said && said != "" {
				if i > 0 {
					ch.From = at.Format(time.DateOnly)
				}
				out = append(out, ch)
			} else if told[words] != said {
				ch.From = at.Format(time.DateOnly)
				out = append(out, ch) // alike again
			}
			told[words] = said
		}
	}
	return out
}

// fileChanges routes the files again that were taken over in the day from a moment on.
func fileChanges(ctx context.Context, before, after *config.File, from time.Time) ([]change, error) {
	ledger, err := store.OpenReadOnly(before.Ledger)
	if err != nil {
		return nil, err
	}
	defer ledger.Close()
	rows, err := ledger.Deliveries(ctx, store.Filter{Direction: exchange.Out})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b exchange.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	old, next := exchange.NewTable(before.Routes), exchange.NewTable(after.Routes)
	var out []change
	for _, d := range rows {
		if d.Kind != exchange.File || d.TakenAt.Before(from) || !d.TakenAt.Before(from.AddDate(0, 0, 1)) {
			continue
		}
		q := &exchange.Question{Envelope: d.Envelope, Mode: d.Mode, Outbox: d.Account, File: d.Name, Size: d.Size, At: d.TakenAt}
		if plain := filepath.Join(before.Spool, d.Intake, "plain"); fileExists(plain) {
			if rep, err := readForRouting(ctx, plain); err == nil {
				q = pipeline.Question(*rep, d, d.TakenAt)
			}
		}
		a, _ := old.Find(q)
		b, _ := next.Find(q)
		if end(a) != end(b) {
			out = append(out, change{Kind: "file", What: fmt.Sprintf("%d %s", d.ID, d.Name), Old: end(a), New: end(b)})
		}
	}
	return out, nil
}

func fileExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// printConfigChanges groups settings by row, routes by day and by what becomes of the file.
func printConfigChanges(c *cobra.Command, changes []change) {
	w := c.OutOrStdout()
	none := func(v string) string {
		if v == "" {
			return words(c, "(nichts)", "(none)")
		}
		return v
	}
	if len(changes) == 0 {
		fmt.Fprintln(w, words(c, "keine Änderung in der Wirkung", "no change in effect"))
	}
	last := ""
	for _, ch := range changes {
		if ch.Kind != "setting" {
			continue
		}
		if head := none(ch.Row); head != last {
			last = head
			if ch.Row == "" {
				head = words(c, "allgemein", "general")
			}
			if ch.Key == "" {
				head += ": " + map[string]string{"new": words(c, "neu", "new"), "gone": words(c, "entfernt", "removed")}[ch.New]
			}
			fmt.Fprintln(w, printable(head))
		}
		if ch.Key != "" {
			fmt.Fprintf(w, "  %s: %s → %s\n", ch.Key, printable(none(ch.Old)), printable(none(ch.New)))
		}
	}
	groups := map[string][]string{}
	var order []string
	for _, ch := range changes {
		if ch.Kind == "setting" {
			continue
		}
		head := words(c, "Dateien jener Nacht", "files of that night")
		if ch.Kind == "route" {
			head = words(c, "Routen ab sofort", "routes from now on")
			if ch.From != "" {
				head = words(c, "Routen ab ", "routes from ") + ch.From
			}
		}
		head += "\n  " + printable(ch.Old+" → "+ch.New)
		if groups[head] == nil {
			order = append(order, head)
		}
		groups[head] = append(groups[head], ch.What)
	}
	title := ""
	for _, key := range order {
		head, move, _ := strings.Cut(key, "\n")
		if head != title {
			fmt.Fprintln(w, head)
			title = head
		}
		fmt.Fprintln(w, move)
		const most = 20
		for i, what := range groups[key] {
			if i == most {
				fmt.Fprintf(w, words(c, "    … und %d mehr (--json nennt alle)\n", "    … and %d more (--json names all)\n"), len(groups[key])-most)
				break
			}
			fmt.Fprintln(w, "    "+printable(what))
		}
	}
}
