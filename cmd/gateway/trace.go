package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"gateway301/exchange"
	"gateway301/store"
)

func newTraceCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "trace ID|NAME",
		Short: "Tell a file's history from outbox to answer",
		Long: `Tell every event of one file. NAME is the original file name, the transfer name
(EKRH0001) or the Anwendungsreferenz; all deliveries that bear it are told.`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines, one delivery each")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, ledger, err := openLedger(file)
		if err != nil {
			return err
		}
		defer ledger.Close()
		rows, err := ledger.Deliveries(c.Context(), store.Filter{Name: args[0]})
		if err != nil {
			return err
		}
		if id, err := strconv.ParseInt(args[0], 10, 64); err == nil && len(rows) == 0 {
			d, err := ledger.Delivery(c.Context(), id)
			if err != nil {
				return err
			}
			rows = append(rows, d)
		}
		if len(rows) == 0 {
			return fmt.Errorf("%q: %w", args[0], exchange.ErrNotFound)
		}
		stops, err := ledger.Stopped(c.Context())
		if err != nil {
			return err
		}
		for i, d := range rows {
			events, err := ledger.Events(c.Context(), d.ID)
			if err != nil {
				return err
			}
			if asJSON {
				found, err := showFindings(cfg, d)
				if err != nil {
					return err
				}
				if err := writeJSONLine(c.OutOrStdout(), struct {
					shown
					shownFindings
					Events []shownEvent `json:"events"`
				}{show(d, stops), found, showEvents(events)}); err != nil {
					return err
				}
				continue
			}
			if i > 0 {
				fmt.Fprintln(c.OutOrStdout())
			}
			if err := printDelivery(c, cfg, stops, d); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout())
			for _, e := range events {
				text := happeningName(c, e.What)
				if e.Attempt > 0 && e.What == exchange.Begun {
					text += " (" + words(c, "Versuch ", "attempt ") + strconv.Itoa(e.Attempt) + ")"
				}
				if e.Cause != exchange.NoCause {
					text += ", " + causeName(c, e.Cause)
				}
				if e.Text != "" {
					text += ": " + e.Text
				}
				fmt.Fprintf(c.OutOrStdout(), "%s  %-14s %s\n", moment(e.At, cfg.TimeZone), stateName(c, e.To), printable(text))
			}
		}
		return nil
	}
	return c
}

func writeJSONLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
