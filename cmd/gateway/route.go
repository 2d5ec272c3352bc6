package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"gateway301/annex"
	"gateway301/config"
	"gateway301/exchange"
	"gateway301/pipeline"
	"gateway301/store"
)

func newRouteCommand() *cobra.Command {
	c := &cobra.Command{Use: "route", Short: "Explain and test the routing table", RunE: group}
	c.AddCommand(newRouteExplainCommand(), newRouteTestCommand())
	return c
}

// A routed is what the table says about one file. It is the stable JSON form.
type routed struct {
	Route         string       `json:"route,omitempty"`
	Row           int          `json:"row,omitempty"` // from 1
	Partner       string       `json:"partner,omitempty"`
	Kostentraeger string       `json:"kostentraeger,omitempty"`
	EncryptTo     string       `json:"encrypt_to,omitempty"`
	SendTo        string       `json:"send_to,omitempty"`
	Hold          string       `json:"hold,omitempty"`
	CopyTo        string       `json:"copy_to,omitempty"`
	Held          string       `json:"held,omitempty"` // why, when no route takes it
	Channel       string       `json:"channel,omitempty"`
	Signer        string       `json:"signer,omitempty"`
	Recipient     string       `json:"recipient,omitempty"`
	Faults        []string     `json:"faults,omitempty"` // that would hold it all the same
	Name          string       `json:"transfer_name,omitempty"`
	Window        string       `json:"window,omitempty"`
	Missed        []missedRow  `json:"missed,omitempty"`
	Question      questionJSON `json:"file"`
}

type missedRow struct {
	Row   int    `json:"row"`
	Route string `json:"route"`
	Key   string `json:"key"`
	Have  string `json:"have"`
	Want  string `json:"want"`
}

type questionJSON struct {
	Sender        string    `json:"sender,omitempty"`
	Recipient     string    `json:"recipient,omitempty"`
	FKTRecipients []string  `json:"fkt_recipients,omitempty"`
	Types         []string  `json:"types,omitempty"`
	Versions      []string  `json:"versions,omitempty"`
	Mode          string    `json:"mode"`
	Outbox        string    `json:"outbox,omitempty"`
	File          string    `json:"name,omitempty"`
	Size          int64     `json:"size"`
	At            time.Time `json:"at"`
}

// decide asks the table and fills in what the row leaves to defaults.
func decide(cfg *config.File, table *exchange.Table, q *exchange.Question) (r routed) {
	r.Question = questionJSON{q.Envelope.Sender, q.Envelope.Recipient, q.FKTRecipients, q.Envelope.Types, q.Versions, string(q.Mode), q.Outbox, q.File, q.Size, q.At}
	row, i := table.Find(q)
	if row == nil {
		r.Held = "no route"
		return r
	}
	r.Route, r.Row, r.Partner, r.Hold, r.CopyTo = row.Name, i+1, row.Partner, row.Hold, row.CopyTo
	r.Kostentraeger, r.EncryptTo, r.SendTo = row.Kostentraeger, row.EncryptTo, row.SendTo
	if r.Kostentraeger == "" {
		r.Kostentraeger = q.Envelope.Recipient
	}
	return r
}

// routeFlags describe a file to the table.
type routeFlags struct {
	to, from, mode, outbox, name, size, at string
	types, fkt, versions                   []string
}

func (f *routeFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.to, "to", "", "recipient (UNB 0010), an IK")
	flags.StringVar(&f.from, "from", "", "sender (UNB 0004), an IK (default the outbox's owner)")
	flags.StringSliceVar(&f.types, "type", nil, "message types, such as RECH")
	flags.StringSliceVar(&f.fkt, "fkt", nil, "recipients in FKT, IKs (default the recipient)")
	flags.StringSliceVar(&f.versions, "version", nil, "message versions, such as 16")
	flags.StringVar(&f.mode, "mode", "", "test or production (default that of the outbox)")
	flags.StringVar(&f.outbox, "outbox", "", "outbox (default the one that the file lies in, or the only one)")
	flags.StringVar(&f.name, "name", "", "file name (default that of FILE)")
	flags.StringVar(&f.size, "size", "", "size, such as 2MiB (default that of FILE)")
	flags.StringVar(&f.at, "at", "", "moment of the decision, JJJJ-MM-TT or JJJJ-MM-TTThh:mm (default now)")
}

// question puts together what is known of a file; report is nil without one.
func (f *routeFlags) question(cfg *config.File, path string, report *annex.Report) (*exchange.Question, error) {
	q := &exchange.Question{Mode: exchange.Mode(f.mode), Outbox: f.outbox, File: f.name, At: time.Now(), FKTRecipients: f.fkt, Versions: f.versions,
		Envelope: exchange.Envelope{Sender: f.from, Recipient: f.to, Types: f.types}}
	if report != nil {
		found := pipeline.Question(*report, exchange.Delivery{Name: filepath.Base(path), Size: report.Size}, q.At)
		q.Envelope, q.FKTRecipients, q.Versions, q.File, q.Size = found.Envelope, found.FKTRecipients, found.Versions, found.File, found.Size
		for _, over := range []struct {
			flag string
			to   *string
		}{{f.to, &q.Envelope.Recipient}, {f.from, &q.Envelope.Sender}, {f.name, &q.File}} {
			if over.flag != "" {
				*over.to = over.flag
			}
		}
		for _, over := range []struct {
			flag []string
			to   *[]string
		}{{f.types, &q.Envelope.Types}, {f.fkt, &q.FKTRecipients}, {f.versions, &q.Versions}} {
			if over.flag != nil {
				*over.to = over.flag
			}
		}
	}
	if q.FKTRecipients == nil && q.Envelope.Recipient != "" && report == nil {
		q.FKTRecipients = []string{q.Envelope.Recipient}
	}
	for _, ik := range append([]string{q.Envelope.Sender, q.Envelope.Recipient}, f.fkt...) {
		if ik != "" && report == nil && annex.ValidIK(ik) != nil {
			return nil, usageError{annex.ValidIK(ik)}
		}
	}
	var err error
	if f.size != "" {
		if q.Size, err = config.ParseSize(f.size); err != nil {
			return nil, usageError{fmt.Errorf("--size: %w", err)}
		}
	}
	if f.at != "" {
		if q.At, err = time.ParseInLocation("2006-01-02T15:04", f.at, cfg.TimeZone); err != nil {
			if q.At, err = time.ParseInLocation(time.DateOnly, f.at, cfg.TimeZone); err != nil {
				return nil, usageError{fmt.Errorf("--at is JJJJ-MM-TT or JJJJ-MM-TTThh:mm, not %q", f.at)}
			}
		}
	}
	return q, f.place(cfg, path, q)
}

// place finds the outbox, and with it mode and sender.
func (f *routeFlags) place(cfg *config.File, path string, q *exchange.Question) error {
	var box *config.Outbox
	for i := range cfg.Outboxes {
		b := &cfg.Outboxes[i]
		abs, _ := filepath.Abs(path)
		switch {
		case f.outbox == b.Name, f.outbox == "" && path != "" && filepath.Dir(abs) == b.Path:
			box = b
		case f.outbox == "" && box == nil && len(cfg.Outboxes) == 1:
			box = b
		}
	}
	if f.outbox != "" && box == nil {
		return codeError{exitNotFound, fmt.Sprintf("no outbox %q", f.outbox)}
	}
	if box != nil {
		q.Outbox = box.Name
		if q.Mode == "" {
			q.Mode = box.Mode
		}
		if q.Envelope.Sender == "" {
			q.Envelope.Sender = box.Owner
		}
	}
	switch q.Mode {
	case exchange.Test, exchange.Production:
		return nil
	case "":
		return usageError{errors.New("there are several outboxes: say --outbox NAME, or --mode test|production")}
	}
	return usageError{fmt.Errorf("--mode is test or production, not %q", q.Mode)}
}

func newRouteExplainCommand() *cobra.Command {
	var file string
	var asJSON, all bool
	var f routeFlags
	c := &cobra.Command{
		Use:   "explain [FILE | --to IK --type RECH ...]",
		Short: "Tell which route takes a file, and why",
		Long: `Go through the routing table as the gateway does and say of each route why it does not
take the file, which one does, and what would then happen: partner, keys, name, window.
The file is described by its content, by flags, or by both (flags win). Exit code 0 when
it could be explained, also when the answer is that no route takes it.

Of long tables only the rows for this mode and recipient are told; --all tells each.
With --json: one object with file, route, row, partner, encrypt_to, send_to, hold, held,
faults, missed and more; what does not apply is left out.`,
		Args: cobra.MaximumNArgs(1),
	}
	configFlag(c, &file)
	f.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&all, "all", false, "tell every row of the table")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, _, err := readConfig(file)
		if err != nil {
			return err
		}
		var report *annex.Report
		path := ""
		if len(args) == 1 {
			path = args[0]
			if report, err = readForRouting(c.Context(), path); err != nil {
				return err
			}
		} else if f.to == "" {
			return usageError{errors.New("name a file, or describe one with --to IK --type TYPE")}
		}
		q, err := f.question(cfg, path, report)
		if err != nil {
			return err
		}
		table := exchange.NewTable(cfg.Routes)
		r := decide(cfg, table, q)
		r.missed(cfg, q, all)
		if r.Partner != "" {
			r.outlook(c.Context(), cfg, q)
		}
		if report != nil && report.Verdict == annex.Rejected {
			r.Faults = append(r.Faults, fmt.Sprintf(words(c, "die Datei selbst ist fehlerhaft (%d Fehler); siehe 'gateway check'", "the file itself is wrong (%d errors); see 'gateway check'"), report.Errors))
		}
		if asJSON {
			return writeJSON(c.OutOrStdout(), r)
		}
		r.print(c, cfg)
		return nil
	}
	return c
}

// readForRouting reads of a file what routes ask.
func readForRouting(ctx context.Context, path string) (*annex.Report, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	rep, err := annex.Check(ctx, in, annex.CheckOptions{Stage: 1})
	return &rep, err
}

// missed tells why the rows before the one that fits do not.
func (r *routed) missed(cfg *config.File, q *exchange.Question, all bool) {
	for i := range cfg.Routes {
		if i+1 == r.Row {
			break
		}
		row := &cfg.Routes[i]
		m, misses := row.Misses(q)
		if misses && (all || len(cfg.Routes) <= 20 || m.Key != "mode" && m.Key != "recipients") {
			r.Missed = append(r.Missed, missedRow{i + 1, row.Name, m.Key, m.Have, m.Want})
		}
	}
}

// outlook tells what would become of the file.
func (r *routed) outlook(ctx context.Context, cfg *config.File, q *exchange.Question) {
	at := slices.IndexFunc(cfg.Partners, func(p config.Partner) bool { return p.Name == r.Partner })
	if at < 0 {
		return
	}
	p := &cfg.Partners[at]
	switch {
	case p.SFTP != nil:
		r.Channel = "sftp " + p.SFTP.User + "@" + p.SFTP.Address + " " + p.SFTP.Put
	case p.Folder != nil:
		r.Channel = "folder " + p.Folder.Put
	}
	owner := q.Envelope.Sender
	for _, b := range cfg.Outboxes {
		if b.Name == q.Outbox {
			owner = b.Owner
		}
	}
	if ring, err := newRing(cfg); err != nil {
		r.Faults = append(r.Faults, err.Error())
	} else if s, err := ring.Sealing(r.Partner, owner, r.EncryptTo, q.At); err != nil {
		r.Faults = append(r.Faults, err.Error())
	} else {
		until := func(t time.Time) string { return t.In(cfg.TimeZone).Format(time.DateOnly) }
		r.Signer = fmt.Sprintf("IK %s, until %s", owner, until(s.Signer.Certificate.NotAfter))
		r.Recipient = fmt.Sprintf("IK %s, until %s", r.EncryptTo, until(s.Recipients[0].NotAfter))
	}
	verfahren := annex.Verfahren(q.Mode == exchange.Production)
	r.Name = annex.TransferName(verfahren, p.FirstNumber)
	if ledger, err := store.OpenReadOnly(cfg.Ledger); err == nil {
		defer ledger.Close()
		if rows, err := ledger.Deliveries(ctx, store.Filter{Partner: r.Partner, Direction: exchange.Out, Limit: 200}); err == nil {
			var last *exchange.Delivery
			for i := range rows {
				if d := &rows[i]; d.HasNumber() && d.Mode == q.Mode && (last == nil || d.ID > last.ID) {
					last = d
				}
			}
			if last != nil {
				r.Name = annex.TransferName(verfahren, (last.TransferNumber+1)%1000)
			}
		}
		if stops, err := ledger.Stopped(ctx); err == nil && stops[r.Partner].Text != "" {
			r.Faults = append(r.Faults, "the partner is stopped: "+stops[r.Partner].Text)
		}
	}
	r.Window = "open"
	if !p.Window.Open(q.At, cfg.TimeZone) {
		r.Window = "closed until " + p.Window.NextOpen(q.At, cfg.TimeZone).In(cfg.TimeZone).Format("2006-01-02 15:04")
	}
}

func (r *routed) print(c *cobra.Command, cfg *config.File) {
	w := c.OutOrStdout()
	line := func(de, en, v string) {
		if v != "" {
			fmt.Fprintf(w, "  %-22s %s\n", words(c, de, en), printable(v))
		}
	}
	fmt.Fprintln(w, words(c, "Datei", "File"))
	q := &r.Question
	line("Absender, Empfänger", "Sender, recipient", q.Sender+" → "+q.Recipient)
	line("Krankenkassen (FKT)", "Krankenkassen (FKT)", strings.Join(q.FKTRecipients, ", "))
	line("Nachrichten", "Messages", strings.Join(q.Types, ", "))
	line("Versionen", "Versions", strings.Join(q.Versions, ", "))
	line("Betrieb", "Mode", q.Mode)
	line("Ausgangsordner", "Outbox", q.Outbox)
	line("Name", "Name", q.File)
	line("Zeitpunkt", "Moment", q.At.In(cfg.TimeZone).Format("2006-01-02 15:04"))
	fmt.Fprintln(w, words(c, "Routen", "Routes"))
	told := 0
	for _, m := range r.Missed {
		fmt.Fprintf(w, "  %5d  %-20s %s\n", m.Row, printable(m.Route), printable(fmt.Sprintf(words(c, "nein: %s: die Datei hat %s, nicht %s", "no: %s: the file has %s, not %s"), m.Key, m.Have, m.Want)))
		told++
	}
	before := len(cfg.Routes)
	if r.Row > 0 {
		before = r.Row - 1
	}
	if rest := before - told; rest > 0 {
		fmt.Fprintf(w, words(c, "         %d weitere Zeilen sind für einen anderen Betrieb oder Empfänger\n", "         %d more rows are for another mode or recipient\n"), rest)
	}
	if r.Row == 0 {
		fmt.Fprintln(w, words(c, "  keine Route: würde angehalten", "  no route: would be held"))
	} else {
		fmt.Fprintf(w, "  %5d  %-20s %s\n", r.Row, printable(r.Route), words(c, "JA", "YES"))
		fmt.Fprintln(w, words(c, "Was geschieht", "What happens"))
		if r.Hold != "" {
			line("angehalten", "held", r.Hold+words(c, "; geht weiter, wenn freigegeben", "; goes on when released"))
		}
		line("Partner", "Partner", r.Partner+", "+r.Channel)
		line("EMPFÄNGER_NUTZER", "EMPFÄNGER_NUTZER", r.EncryptTo)
		line("EMPFÄNGER_PHYSIKALISCH", "EMPFÄNGER_PHYSIKALISCH", r.SendTo)
		line("Kostenträger", "Kostenträger", r.Kostentraeger)
		line("signiert", "signed", r.Signer)
		line("verschlüsselt", "encrypted", r.Recipient)
		line("Transfername", "Transfer name", r.Name+words(c, ", wenn frei", ", if free"))
		line("Fenster", "Window", strings.NewReplacer("open", words(c, "offen", "open"), "closed until", words(c, "geschlossen bis", "closed until")).Replace(r.Window))
		line("Kopie", "Copy", r.CopyTo)
	}
	for _, f := range r.Faults {
		line("aber", "but", f)
	}
}

// An expectation is one row of a test file for routes.
type expectation struct {
	Name string `yaml:"name"`
	When struct {
		File      string   `yaml:"file"`
		Recipient string   `yaml:"recipient"`
		Sender    string   `yaml:"sender"`
		FKT       []string `yaml:"fkt-recipients"`
		Types     []string `yaml:"types"`
		Versions  []string `yaml:"versions"`
		Mode      string   `yaml:"mode"`
		Outbox    string   `yaml:"outbox"`
		FileName  string   `yaml:"file-name"`
		Size      string   `yaml:"size"`
		At        string   `yaml:"at"`
	} `yaml:"when"`
	Want struct {
		Held          bool   `yaml:"held"`
		Route         string `yaml:"route"`
		Partner       string `yaml:"partner"`
		EncryptTo     string `yaml:"encrypt-to"`
		SendTo        string `yaml:"send-to"`
		Kostentraeger string `yaml:"kostentraeger"`
	} `yaml:"want"`
}

func newRouteTestCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "test FILE.yaml",
		Short: "Compare the routing table with a table of expectations",
		Long: `Compare the routing table with expectations, like unit tests:

    - name: invoices go to the new Annahmestelle from 2027 on
      when: {recipient: 109910000, types: [RECH], mode: production, at: 2027-01-01}
      want: {partner: west, encrypt-to: 109910000}
    - name: nobody takes SAMU
      when: {recipient: 109910000, types: [SAMU], outbox: nord}
      want: {held: true}

when: recipient, sender, fkt-recipients, types, versions, mode, outbox, file-name, size, at,
or file (relative to the test file), from which the rest is read. want: held (no route, or
one that holds), route, partner, encrypt-to, send-to, kostentraeger; what is not named is
not compared. Exit code 0 when all are met, 7 when one is not.
With --json one object a line: name, met, differs, and the decision as 'route explain' gives it.`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, _, err := readConfig(file)
		if err != nil {
			return err
		}
		rows, err := readExpectations(args[0])
		if err != nil {
			return err
		}
		table := exchange.NewTable(cfg.Routes)
		failed := 0
		for i, e := range rows {
			if e.Name == "" {
				e.Name = fmt.Sprintf("%s %d", words(c, "Zeile", "row"), i+1)
			}
			r, differs, err := e.judge(c.Context(), cfg, table, filepath.Dir(args[0]))
			if err != nil {
				return fmt.Errorf("%s: %s: %w", args[0], e.Name, err)
			}
			if len(differs) > 0 {
				failed++
			}
			if asJSON {
				if err := writeJSONLine(c.OutOrStdout(), struct {
					Name    string   `json:"name"`
					Met     bool     `json:"met"`
					Differs []string `json:"differs,omitempty"`
					routed
				}{e.Name, len(differs) == 0, differs, r}); err != nil {
					return err
				}
				continue
			}
			if len(differs) > 0 {
				fmt.Fprintf(c.OutOrStdout(), "%s %s: %s\n", words(c, "ANDERS", "DIFFERS"), printable(e.Name), printable(strings.Join(differs, "; ")))
			}
		}
		if failed > 0 {
			return codeError{exitFindings, fmt.Sprintf(words(c, "%d von %d Erwartungen nicht erfüllt", "%d of %d expectations not met"), failed, len(rows))}
		}
		if !asJSON {
			fmt.Fprintf(c.OutOrStdout(), words(c, "%d Erwartungen erfüllt\n", "%d expectations met\n"), len(rows))
		}
		return nil
	}
	return c
}

func readExpectations(path string) ([]expectation, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rows []expectation
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&rows); err != nil && !errors.Is(err, io.EOF) {
		return nil, usageError{fmt.Errorf("%s: %s; see 'gateway route test --help' for the form", path, strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	if len(rows) == 0 {
		return nil, usageError{fmt.Errorf("%s: holds no expectation", path)}
	}
	for i, r := range rows {
		if r.Want.Held == (r.Want.Partner+r.Want.Route+r.Want.EncryptTo+r.Want.SendTo+r.Want.Kostentraeger != "") {
			return nil, usageError{fmt.Errorf("%s: row %d: want is either held: true, or names what is expected", path, i+1)}
		}
	}
	return rows, nil
}

// judge tells what differs from the expectation.
func (e *expectation) judge(ctx context.Context, cfg *config.File, table *exchange.Table, dir string) (r routed, differs []string, err error) {
	f := routeFlags{to: e.When.Recipient, from: e.When.Sender, mode: e.When.Mode, outbox: e.When.Outbox, name: e.When.FileName, size: e.When.Size, at: e.When.At,
		types: e.When.Types, fkt: e.When.FKT, versions: e.When.Versions}
	var report *annex.Report
	path := e.When.File
	if path != "" {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if report, err = readForRouting(ctx, path); err != nil {
			return r, nil, err
		}
	}
	q, err := f.question(cfg, path, report)
	if err != nil {
		return r, nil, err
	}
	r = decide(cfg, table, q)
	held := r.Held
	if r.Hold != "" {
		held = "held by " + r.Route
	}
	if e.Want.Held && held == "" {
		return r, []string{"not held: route " + r.Route + " to " + r.Partner}, nil
	}
	if !e.Want.Held && held != "" {
		return r, []string{"held: " + held}, nil
	}
	for _, v := range []struct{ key, want, have string }{
		{"route", e.Want.Route, r.Route}, {"partner", e.Want.Partner, r.Partner}, {"encrypt-to", e.Want.EncryptTo, r.EncryptTo},
		{"send-to", e.Want.SendTo, r.SendTo}, {"kostentraeger", e.Want.Kostentraeger, r.Kostentraeger},
	} {
		if v.want != "" && v.want != v.have {
			differs = append(differs, fmt.Sprintf("%s is %s, not %s", v.key, v.have, v.want))
		}
	}
	return r, differs, nil
}
