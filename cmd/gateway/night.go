package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway301/exchange"
	"gateway301/schedule"
	"gateway301/watch"
)

func newNightCommand() *cobra.Command {
	var file, date string
	var asJSON, asCSV, monitoring bool
	c := &cobra.Command{
		Use:   "night",
		Short: "Tell whether the night is complete, and what is missing",
		Long: `Tell for each partner what became of the files taken over between noon of the
day before and noon of --date (default: the last night), and whether the night is
complete: everything at its partner with proof, nothing held, rejected or left
from earlier nights, every partner asked for answers.

Exit code 0 when it is, 7 when it is not. With --monitoring it is one line with
performance data, and the codes are 0 OK, 1 WARNING (only rejections), 2 CRITICAL
and 3 UNKNOWN.`,
		Args: cobra.NoArgs,
	}
	configFlag(c, &file)
	c.Flags().StringVar(&date, "date", "", "day on which the night ends, YYYY-MM-DD")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&asCSV, "csv", false, "print the table as CSV, for the morning mail")
	c.Flags().BoolVar(&monitoring, "monitoring", false, "print one line for a monitoring system")
	c.MarkFlagsMutuallyExclusive("json", "csv", "monitoring")
	c.RunE = func(c *cobra.Command, _ []string) error {
		n, err := lastNight(c, file, date)
		if monitoring {
			return monitor(c.OutOrStdout(), n, err)
		}
		if err != nil {
			return err
		}
		out := c.OutOrStdout()
		switch {
		case asJSON:
			err = writeJSON(out, shownNightOf(n))
		case asCSV:
			err = nightCSV(out, n)
		default:
			nightTable(c, n)
		}
		if err == nil && !n.Complete {
			err = codeError{code: exitFindings}
		}
		return err
	}
	return c
}

// lastNight judges the night to a date, or the last one.
func lastNight(c *cobra.Command, file, date string) (watch.Night, error) {
	var day schedule.Day
	var err error
	if date != "" {
		if day, err = schedule.ParseDay(date); err != nil {
			return watch.Night{}, usageError{fmt.Errorf("--date %w", err)}
		}
	}
	cfg, ledger, err := openLedger(file)
	if err != nil {
		return watch.Night{}, err
	}
	defer ledger.Close()
	now := time.Now()
	if day.IsZero() {
		day = watch.LastNight(now, cfg.TimeZone)
	}
	s := sight{file: cfg, ledger: ledger}
	f, err := s.facts(c.Context(), now, day)
	if err != nil {
		return watch.Night{}, err
	}
	return watch.NightOf(day, f), nil
}

// A shownNight is the stable JSON form of a night.
type shownNight struct {
	Date     string      `json:"date"`
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	Complete bool        `json:"complete"`
	Missing  []string    `json:"missing,omitempty"`
	Partners []shownLine `json:"partners"`
}

type shownLine struct {
	Partner       string         `json:"partner"`
	Taken         int            `json:"taken"`
	Delivered     map[string]int `json:"delivered"` // by proof
	Accepted      int            `json:"accepted"`
	Uncontested   int            `json:"uncontested"`
	Rejected      int            `json:"rejected"`
	Held          int            `json:"held"`
	Quarantined   int            `json:"quarantined"`
	Cancelled     int            `json:"cancelled"`
	Waiting       int            `json:"waiting"`
	Unknown       int            `json:"unknown"`
	Overdue       int            `json:"overdue"`
	Older         int            `json:"older"` // of earlier nights, still in work
	LastSent      time.Time      `json:"last_sent,omitzero"`
	LastCollected time.Time      `json:"last_collected,omitzero"`
	NextWindow    time.Time      `json:"next_window,omitzero"`
}

func shownNightOf(n watch.Night) shownNight {
	s := shownNight{Date: n.Day.String(), From: n.From, To: n.To, Complete: n.Complete}
	for _, m := range n.Missing {
		s.Missing = append(s.Missing, m.Say(false))
	}
	for _, l := range n.Partners {
		s.Partners = append(s.Partners, shownLine{
			l.Name, l.Taken, l.Delivered, l.Accepted, l.Uncontested, l.Rejected, l.Held, l.Quarantined, l.Cancelled,
			l.Waiting, l.Unknown, l.Overdue, l.Older, l.LastSent, l.LastCollected, l.NextWindowOpen,
		})
	}
	return s
}

func nightTable(c *cobra.Command, n watch.Night) {
	out, zone := c.OutOrStdout(), n.To.Location()
	verdict := words(c, "vollständig", "complete")
	if !n.Complete {
		verdict = words(c, "NICHT vollständig", "NOT complete")
	}
	fmt.Fprintf(out, words(c, "Nacht zum %s (%s bis %s): %s\n", "Night to %s (%s to %s): %s\n"), n.Day, briefly(n.From, zone), briefly(n.To, zone), verdict)
	for _, m := range n.Missing {
		fmt.Fprintln(out, "  -", m.Say(german(c)))
	}
	fmt.Fprintln(out)
	t := newTable(out, "Partner", words(c, "übernommen", "Taken"), words(c, "zugestellt", "Delivered"), words(c, "angenommen", "Accepted"), words(c, "unbeanst.", "Uncontested"),
		words(c, "abgew.", "Rejected"), words(c, "angeh.", "Held"), words(c, "wartet", "Waiting"), words(c, "älter", "Older"),
		words(c, "zuletzt gesendet", "Last sent"), words(c, "abgeholt", "Collected"))
	for _, l := range n.Partners {
		t.AppendRow([]any{l.Name, l.Taken, byProof(l.Delivered), l.Accepted, l.Uncontested, l.Rejected, l.Held + l.Quarantined, l.Waiting + l.Unknown + l.Overdue, l.Older,
			brieflyOrNever(l.LastSent, zone), brieflyOrNever(l.LastCollected, zone)})
	}
	t.Render()
}

// byProof writes 40 (size), 2 (hash).
func byProof(n map[string]int) string {
	if len(n) == 0 {
		return "0"
	}
	var parts []string
	for _, proof := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%d (%s)", n[proof], proof))
	}
	return strings.Join(parts, ", ")
}

func brieflyOrNever(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "–"
	}
	return briefly(t, zone)
}

func nightCSV(out io.Writer, n watch.Night) error {
	w := csv.NewWriter(out)
	w.Comma = ';' // what German spreadsheets open without asking
	w.Write([]string{"date", "partner", "taken", "delivered", "accepted", "uncontested", "rejected", "held", "quarantined", "cancelled", "waiting", "unknown", "overdue", "older", "complete"})
	for _, l := range n.Partners {
		row := []string{n.Day.String(), l.Name}
		for _, v := range []int{l.Taken, delivered(l), l.Accepted, l.Uncontested, l.Rejected, l.Held, l.Quarantined, l.Cancelled, l.Waiting, l.Unknown, l.Overdue, l.Older} {
			row = append(row, strconv.Itoa(v))
		}
		complete := "yes"
		if slices.ContainsFunc(n.Missing, func(m watch.Missing) bool { return m.Partner == l.Name }) {
			complete = "no"
		}
		w.Write(append(row, complete))
	}
	w.Flush()
	return w.Error()
}

func delivered(l watch.Line) int {
	sum := 0
	for _, n := range l.Delivered {
		sum += n
	}
	return sum
}

// monitor prints one line as monitoring plugins do, and ends with their codes.
func monitor(out io.Writer, n watch.Night, err error) error {
	if err != nil {
		fmt.Fprintln(out, "GATEWAY301 UNKNOWN - the night cannot be judged:", err)
		return codeError{code: 3}
	}
	code, word := 0, "OK"
	var why []string
	for _, m := range n.Missing {
		why = append(why, m.Say(false))
		if m.What == exchange.ClassRejected && code < 1 {
			code, word = 1, "WARNING"
		} else if m.What != exchange.ClassRejected {
			code, word = 2, "CRITICAL"
		}
	}
	var sum watch.Line
	done := 0
	for _, l := range n.Partners {
		sum.Taken += l.Taken
		sum.Rejected += l.Rejected
		sum.Held += l.Held + l.Quarantined
		sum.Waiting += l.Waiting + l.Unknown + l.Overdue + l.Older
		done += delivered(l) + l.Accepted + l.Uncontested
	}
	text := "complete"
	if len(why) > 0 {
		text = strings.Join(why, "; ")
	}
	fmt.Fprintf(out, "GATEWAY301 %s - night to %s: %s | taken=%d done=%d rejected=%d held=%d waiting=%d\n", word, n.Day, strings.ReplaceAll(text, "|", "/"), sum.Taken, done, sum.Rejected, sum.Held, sum.Waiting)
	if code == 0 {
		return nil
	}
	return codeError{code: code}
}
