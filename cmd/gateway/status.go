package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gateway301/alert"
	"gateway301/exchange"
	"gateway301/store"
	"gateway301/watch"
)

func newStatusCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell on one screen what runs, what waits and what is wrong",
		Long: `Tell whether the service runs, what is wrong and what to do about it, how all
files taken over add up, and for each partner what waits, when its window opens,
when it will be finished and until when it must begin at the latest. The times are
estimated from the pace of the latest deliveries. Exit code 0 when the service runs
and nothing is wrong, 7 when something is wrong, 5 when no service answers.
With --json, service is what the service says of itself: version, pid, config, hash,
since, reloads, finishing, refused.`,
		Args: cobra.NoArgs,
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, r, err := ringOf(file, c.ErrOrStderr())
		if err != nil {
			return err
		}
		service, silent := ask(cfg, "status")
		ledger, err := openReading(c.Context(), cfg)
		if errors.Is(err, store.ErrNoLedger) && silent != nil {
			return silent // never ran
		}
		if err != nil {
			return err
		}
		defer ledger.Close()
		s := sight{file: cfg, ledger: ledger, ring: r}
		st, err := s.status(c.Context(), time.Now())
		if err != nil {
			return err
		}
		if asJSON {
			shown := st.shown()
			if silent == nil {
				shown.Service = &service
			}
			err = writeJSON(c.OutOrStdout(), shown)
		} else {
			if silent == nil {
				serviceLines(c, cfg, service)
			}
			st.print(c, silent == nil)
		}
		switch {
		case err != nil:
			return err
		case silent != nil:
			return silent
		case len(st.wrong) > 0:
			return codeError{code: exitFindings}
		}
		return nil
	}
	return c
}

// A status is how the gateway is at one moment.
type status struct {
	facts  watch.Facts
	night  watch.Night
	wrong  []exchange.Condition
	alarms map[string]exchange.Alarm // by key: what is remembered of them
	sums   map[exchange.Direction]map[exchange.State]int
	plans  []plan // as facts.Partners
}

func (s *sight) status(ctx context.Context, now time.Time) (*status, error) {
	day := watch.LastNight(now, s.file.TimeZone)
	f, err := s.facts(ctx, now, day)
	if err != nil {
		return nil, err
	}
	st := &status{facts: f, night: watch.NightOf(day, f), wrong: watch.Wrong(f, limits(s.file)),
		sums: map[exchange.Direction]map[exchange.State]int{}, alarms: map[string]exchange.Alarm{}}
	slices.SortStableFunc(st.wrong, func(a, b exchange.Condition) int { return alert.Rank(a) - alert.Rank(b) })
	for _, direction := range []exchange.Direction{exchange.Out, exchange.In} {
		if st.sums[direction], err = s.ledger.Sum(ctx, direction); err != nil {
			return nil, err
		}
	}
	for _, p := range f.Partners {
		pl, err := s.planOf(ctx, f, p)
		if err != nil {
			return nil, err
		}
		st.plans = append(st.plans, pl)
	}
	alarms, err := s.ledger.Alarms(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range alarms {
		if a.Cleared.IsZero() {
			st.alarms[a.Key()] = a
		}
	}
	return st, nil
}

func (st *status) print(c *cobra.Command, runs bool) {
	out, zone := c.OutOrStdout(), st.facts.Zone
	if !runs {
		fmt.Fprintln(out, words(c, "Der Dienst LÄUFT NICHT.", "The service is NOT RUNNING."))
	}
	night := words(c, "vollständig", "complete")
	if !st.night.Complete {
		night = words(c, "nicht vollständig (gateway night)", "not complete (gateway night)")
	}
	fmt.Fprintf(out, "%-24s %s\n\n", words(c, "Nacht zum ", "night to ")+st.night.Day.String(), night)
	if len(st.wrong) == 0 {
		fmt.Fprintln(out, words(c, "Nichts ist im Argen.", "Nothing is wrong."))
	}
	for _, w := range st.wrong {
		line := alert.What(w, german(c))
		if !w.Since.IsZero() {
			line += words(c, ", seit ", ", since ") + briefly(w.Since, zone)
		}
		if a := st.alarms[w.Key()]; a.AcknowledgedBy != "" {
			line += words(c, " (gesehen von ", " (seen by ") + printable(a.AcknowledgedBy) + ")"
		}
		fmt.Fprintf(out, "! %s\n  → %s\n", line, alert.Next(w, german(c)))
	}
	fmt.Fprintln(out)
	total := 0
	for _, class := range classOrder() {
		n := 0
		for _, states := range st.sums {
			for state, k := range states {
				if state.Class() == class {
					n += k
				}
			}
		}
		total += n
		fmt.Fprintf(out, "%s %d   ", className(c, class), n)
	}
	fmt.Fprintf(out, words(c, "= %d übernommen\n\n", "= %d taken over\n\n"), total)
	t := newTable(out, "Partner", words(c, "wartet", "Waiting"), words(c, "älteste", "Oldest"), words(c, "Fenster", "Window"), words(c, "fertig etwa", "Done about"),
		words(c, "spätester Beginn", "Last safe start"), words(c, "zuletzt gesendet", "Last sent"), words(c, "abgeholt", "Collected"))
	for i, p := range st.facts.Partners {
		pl := st.plans[i]
		opens := words(c, "offen", "open")
		if !pl.opens.IsZero() {
			opens = briefly(pl.opens, zone)
		}
		collected := words(c, "entfällt", "not collected")
		if p.Collects {
			collected = brieflyOrNever(p.LastCollected, zone)
		}
		t.AppendRow([]any{p.Name, pl.waiting, brieflyOrNever(pl.oldest, zone), opens, brieflyOrNever(pl.finish, zone), brieflyOrNever(pl.lastStart, zone), brieflyOrNever(p.LastSent, zone), collected})
	}
	t.Render()
}

func classOrder() []exchange.Class {
	return []exchange.Class{
		exchange.InWork, exchange.ClassHeld, exchange.ClassQuarantined, exchange.ClassDelivered,
		exchange.ClassUncontested, exchange.ClassAccepted, exchange.ClassRejected, exchange.ClassCancelled,
	}
}

func className(c *cobra.Command, class exchange.Class) string {
	if !german(c) {
		return string(class)
	}
	return map[exchange.Class]string{
		exchange.InWork: "in Arbeit", exchange.ClassHeld: "angehalten", exchange.ClassQuarantined: "Quarantäne", exchange.ClassDelivered: "zugestellt",
		exchange.ClassUncontested: "unbeanstandet", exchange.ClassAccepted: "angenommen", exchange.ClassRejected: "abgewiesen", exchange.ClassCancelled: "zurückgezogen",
	}[class]
}

// A shownStatus is the stable JSON form of a status.
type shownStatus struct {
	At         time.Time                 `json:"at"`
	Service    *reply                    `json:"service,omitempty"` // absent when none answers
	Night      shownNight                `json:"night"`
	Wrong      []shownCondition          `json:"wrong"`
	Deliveries map[string]map[string]int `json:"deliveries"` // by direction and state
	Partners   []shownPlan               `json:"partners"`
}

type shownCondition struct {
	Key            string    `json:"key"`
	Kind           string    `json:"kind"`
	Subject        string    `json:"subject,omitempty"`
	Count          int       `json:"count"`
	Since          time.Time `json:"since,omitzero"`
	Text           string    `json:"text"`
	Next           string    `json:"next"`
	AcknowledgedBy string    `json:"acknowledged_by,omitempty"`
}

type shownPlan struct {
	Partner       string    `json:"partner"`
	Waiting       int       `json:"waiting"`
	Oldest        time.Time `json:"oldest,omitzero"`
	Opens         time.Time `json:"opens,omitzero"`
	Finish        time.Time `json:"finish,omitzero"`
	LastSafeStart time.Time `json:"last_safe_start,omitzero"`
	LastSent      time.Time `json:"last_sent,omitzero"`
	LastCollected time.Time `json:"last_collected,omitzero"`
}

func shownConditionOf(w exchange.Condition, by string) shownCondition {
	return shownCondition{w.Key(), string(w.Kind), w.Subject, w.Count, w.Since, alert.What(w, false), alert.Next(w, false), by}
}

func (st *status) shown() shownStatus {
	out := shownStatus{At: st.facts.Now, Night: shownNightOf(st.night), Wrong: []shownCondition{}, Deliveries: map[string]map[string]int{}}
	for _, w := range st.wrong {
		out.Wrong = append(out.Wrong, shownConditionOf(w, st.alarms[w.Key()].AcknowledgedBy))
	}
	for direction, states := range st.sums {
		out.Deliveries[string(direction)] = map[string]int{}
		for state, n := range states {
			out.Deliveries[string(direction)][string(state)] = n
		}
	}
	for i, p := range st.facts.Partners {
		pl := st.plans[i]
		out.Partners = append(out.Partners, shownPlan{p.Name, pl.waiting, pl.oldest, pl.opens, pl.finish, pl.lastStart, p.LastSent, p.LastCollected})
	}
	return out
}
