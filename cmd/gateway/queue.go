package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway301/config"
	"gateway301/exchange"
	"gateway301/pipeline"
	"gateway301/store"
)

func newQueueCommand() *cobra.Command {
	c := &cobra.Command{Use: "queue", Short: "Show the deliveries, and let held ones go on", RunE: group}
	c.AddCommand(newQueueListing("list", "List the deliveries", ""), newQueueShowCommand())
	for _, op := range operations() {
		c.AddCommand(newOperation(op))
	}
	return c
}

// group is the action of a command that only holds others.
func group(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())}
	}
	return c.Help()
}

// openLedger opens a gateway's ledger for reading.
func openLedger(path string) (*config.File, *store.Ledger, error) {
	file, _, err := readConfig(path)
	if err != nil {
		return nil, nil, err
	}
	ledger, err := openReading(context.Background(), file)
	return file, ledger, err
}

// newQueueListing makes a command that lists deliveries, those in one state or
// those that the flags pick.
func newQueueListing(name, short, state string) *cobra.Command {
	var file string
	var asJSON bool
	var pick selection
	c := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	pick.flags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if state != "" {
			pick.state = state
		}
		f, err := pick.filter()
		if err != nil {
			return err
		}
		cfg, ledger, err := openLedger(file)
		if err != nil {
			return err
		}
		defer ledger.Close()
		rows, err := ledger.Deliveries(c.Context(), f)
		if err != nil {
			return err
		}
		stops, err := ledger.Stopped(c.Context())
		if err != nil {
			return err
		}
		if asJSON {
			for _, d := range rows {
				if err := writeJSONLine(c.OutOrStdout(), show(d, stops)); err != nil {
					return err
				}
			}
			return nil
		}
		for _, s := range stops {
			fmt.Fprintf(c.ErrOrStderr(), words(c, "Partner %s ist gestoppt (%s): %s; weiter mit 'gateway partner resume %s'\n",
				"partner %s is stopped (%s): %s; go on with 'gateway partner resume %s'\n"), s.Partner, causeName(c, s.Cause), s.Text, s.Partner)
		}
		t := newTable(c.OutOrStdout(), words(c, "Nr.", "ID"), words(c, "Richtung", "Direction"), words(c, "Datei", "File"), words(c, "Partner", "Partner"),
			"Transfer", words(c, "Vers.", "Tries"), words(c, "Stand", "State"), words(c, "seit", "Since"), words(c, "Grund", "Reason"))
		for _, d := range rows {
			t.AppendRow([]any{d.ID, words(c, map[exchange.Direction]string{exchange.Out: "aus", exchange.In: "ein"}[d.Direction], string(d.Direction)), printable(d.Name), d.Partner, d.TransferName, d.Attempt,
				stateName(c, d.State), briefly(d.Changed, cfg.TimeZone), printable(reason(c, cfg, stops, d))})
		}
		t.Render()
		return nil
	}
	return c
}

func stateWords() []string {
	var out []string
	for _, s := range exchange.States() {
		out = append(out, string(s))
	}
	return out
}

// reason says why a delivery stands where it stands.
func reason(c *cobra.Command, cfg *config.File, stops map[string]exchange.Stop, d exchange.Delivery) string {
	parts := []string{causeName(c, d.Cause), d.Reason}
	now := time.Now()
	if s, stopped := stops[d.Partner]; stopped && (d.State == exchange.Sealed || d.State == exchange.Unknown) {
		return words(c, "Partner gestoppt: ", "partner stopped: ") + causeName(c, s.Cause) + ": " + s.Text
	}
	for _, p := range cfg.Partners {
		if p.Name == d.Partner && (d.State == exchange.Sealed || d.State == exchange.Unknown) && !p.Window.Open(now, cfg.TimeZone) {
			next := p.Window.NextOpen(now, cfg.TimeZone).In(cfg.TimeZone).Format("2006-01-02 15:04")
			return words(c, "wartet auf das Fenster, nächstes ", "waiting for window, next ") + next
		}
	}
	if (d.State == exchange.Sealed || d.State == exchange.Unknown) && d.Due.After(now) {
		parts = append(parts, words(c, "nächster Versuch ", "next try ")+moment(d.Due, cfg.TimeZone))
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
}

func newQueueShowCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{Use: "show ID", Short: "Show one delivery", Args: cobra.ExactArgs(1)}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := parseID(args[0])
		if err != nil {
			return err
		}
		cfg, ledger, err := openLedger(file)
		if err != nil {
			return err
		}
		defer ledger.Close()
		d, err := ledger.Delivery(c.Context(), id)
		if err != nil {
			return err
		}
		stops, err := ledger.Stopped(c.Context())
		if err != nil {
			return err
		}
		if asJSON {
			found, err := showFindings(cfg, d)
			if err != nil {
				return err
			}
			return writeJSON(c.OutOrStdout(), struct {
				shown
				shownFindings
			}{show(d, stops), found})
		}
		return printDelivery(c, cfg, stops, d)
	}
	return c
}

func parseID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 {
		return 0, usageError{fmt.Errorf("%q is no delivery's number", s)}
	}
	return id, nil
}

// printDelivery writes the filled fields of a row, one to a line.
func printDelivery(c *cobra.Command, cfg *config.File, stops map[string]exchange.Stop, d exchange.Delivery) error {
	w := c.OutOrStdout()
	line := func(de, en string, v any) {
		if s := fmt.Sprint(v); s != "" && s != "0" {
			fmt.Fprintf(w, "%-24s %s\n", words(c, de, en), strings.ReplaceAll(printable(s), "\n", "\n"+strings.Repeat(" ", 25)))
		}
	}
	line("Sendung", "Delivery", d.ID)
	line("Stand", "State", stateName(c, d.State))
	line("Grund", "Reason", reason(c, cfg, stops, d))
	line("Datei", "File", d.Name)
	line("Eingang über", "Came in by", d.Account)
	line("Betrieb", "Mode", d.Mode)
	line("Größe", "Bytes", d.Size)
	line("SHA-256", "SHA-256", d.SHA256)
	line("Nachrichten", "Messages", fmt.Sprintf("%d %s", d.Envelope.Messages, strings.Join(d.Envelope.Types, ", ")))
	line("UNB Absender", "UNB sender", d.Envelope.Sender)
	line("UNB Empfänger", "UNB recipient", d.Envelope.Recipient)
	line("Datenaustauschreferenz", "UNB reference", d.Envelope.Reference)
	line("Anwendungsreferenz", "Application reference", d.Envelope.ApplicationRef)
	line("Partner", "Partner", d.Partner)
	line("ABSENDER_EIGNER", "ABSENDER_EIGNER", d.Owner)
	line("EMPFÄNGER_NUTZER", "EMPFÄNGER_NUTZER", d.EncryptTo)
	line("EMPFÄNGER_PHYSIKALISCH", "EMPFÄNGER_PHYSIKALISCH", d.SendTo)
	line("Kostenträger", "Kostenträger", d.Kostentraeger)
	line("Transfername", "Transfer name", d.TransferName)
	line("DATUM_ERSTELLUNG", "DATUM_ERSTELLUNG", d.Created)
	line("Unterzeichner", "Signer", d.Signer)
	line("Versuche", "Attempts", d.Attempt)
	line("übernommen", "Taken over", moment(d.TakenAt, cfg.TimeZone))
	line("zugestellt", "Delivered", moment(d.DeliveredAt, cfg.TimeZone))
	line("Nachweis", "Proof", d.Proof)
	line("Antwort bis", "Answer by", moment(d.AnswerBy, cfg.TimeZone))
	line("Antwort", "Answer", answerText(c, d.Answer))
	line("beantwortet", "Answers", d.Answers)
	line("ersetzt", "Replaces", d.Replaces)
	line("Spool", "Spool", cfg.Spool+string(os.PathSeparator)+d.Intake)
	found, err := findings(cfg, d)
	if err == nil {
		printFindings(c, line, found)
	}
	return err
}

// findings reads what our own check found in the file of a delivery.
func findings(cfg *config.File, d exchange.Delivery) (pipeline.Findings, error) {
	return pipeline.ReadFindings(func(part string) (io.ReadCloser, error) {
		return os.Open(filepath.Join(cfg.Spool, d.Intake, part))
	})
}

// mostFindings is how many findings and left-out messages are told on a terminal.
const mostFindings = 20

func printFindings(c *cobra.Command, line func(de, en string, v any), found pipeline.Findings) {
	if found.Errors+found.Warnings == 0 {
		return
	}
	said := []string{counted(c, found.Errors, "Fehler", "Fehler", "error", "errors") + ", " + counted(c, found.Warnings, "Hinweis", "Hinweise", "warning", "warnings")}
	for _, f := range found.List[:min(len(found.List), mostFindings)] {
		said = append(said, fmt.Sprintf("%s %s: %s (%s)", severity(c, f.Severity), f.Code, words(c, f.Text, f.TextEN), where(c, f)))
	}
	if more := found.Errors + found.Warnings - len(said) + 1; more > 0 {
		said = append(said, fmt.Sprintf(words(c, "… und %d weitere; die ersten 1.000 mit --json", "… and %d more; the first 1,000 with --json"), more))
	}
	line("Befunde", "Findings", strings.Join(said, "\n"))
	said = nil
	for _, m := range found.LeftOut[:min(len(found.LeftOut), mostFindings)] {
		said = append(said, fmt.Sprintf(words(c, "Nachricht %d, UNH %s, %s, VKZ %s, laufende Nummer %s", "message %d, UNH %s, %s, VKZ %s, running number %s"),
			m.Message, m.Reference, m.Type, m.FKT.VKZ, m.FKT.Number))
	}
	if more := len(found.LeftOut) - len(said); more > 0 {
		said = append(said, fmt.Sprintf(words(c, "… und %d weitere; alle mit --json", "… and %d more; all with --json"), more))
	}
	line("nicht weitergegeben", "Left out", strings.Join(said, "\n"))
}

// written reports whether a delivery's file is one that we write: an answer, or the
// good messages of a file that was split.
func written(d exchange.Delivery) bool {
	return d.Kind == exchange.Answer || d.Direction == exchange.Out && len(d.Draft) > 0
}

// answerBy is when the waiting for an answer ends that begins now.
func answerBy(cfg *config.File, d exchange.Delivery, now time.Time) time.Time {
	for _, p := range cfg.Partners {
		if p.Name == d.Partner && p.Answers != exchange.AnswersNever && d.Kind == exchange.File {
			return now.Add(p.AnswerPeriod)
		}
	}
	return now
}
