package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"gateway301/annex"
	"gateway301/config"
)

// checkFlags are what gateway check is told.
type checkFlags struct {
	stage, last                                     int
	version, auf, config, partners, now, tables, vf string
	hook, partner                                   string
	json                                            bool
}

func newCheckCommand() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check § 301 files, stages 1 to 4",
		Long: `Check files as an Annahmestelle would: envelope (stage 1), segment tables (stage
2), contents (stage 3) and, with -c, the payer's own checks (stage 4). Every
finding names message, segment, element and byte offset. Rules that need what was
not given are reported as not checked. "-" reads standard input. Exit code 7 when
a file has an error.`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := c.Flags()
	flags.IntVar(&f.stage, "stage", 0, "last stage that is checked, 1 to 4 (default all)")
	flags.StringVar(&f.version, "version-date", "", "day by which versions, tables and codes are judged, JJJJ-MM-TT (default the day of admission)")
	flags.StringVar(&f.auf, "auf", "", "the Auftragsdatei of the file")
	flags.StringVarP(&f.config, "config", "c", "", "configuration file: known partners, tables and checks of stage 4")
	flags.StringVar(&f.partner, "partner", "", "with -c: judge as the row of this partner says, by its severities and procedure")
	flags.StringVar(&f.partners, "partners", "", "YAML file with the IKs of known senders, recipients, accepting and physical")
	flags.IntVar(&f.last, "last-reference", 0, "UNB reference of the file before from this sender")
	flags.StringVar(&f.now, "now", "", "time of processing, JJJJ-MM-TTThh:mm (default now)")
	flags.StringVar(&f.tables, "tables", "", "folder with messages/ and lists/ that add to or override the built-in tables")
	flags.StringVar(&f.vf, "procedure", "krh", "Verfahren: "+strings.Join(annex.ProcedureNames(), ", "))
	flags.StringVar(&f.hook, "hook", "", "program that checks each message as stage 4: message on its standard input, findings as JSON lines")
	flags.BoolVar(&f.json, "json", false, "print JSON lines: findings, then one line per file")
	c.RunE = func(c *cobra.Command, args []string) error { return f.run(c, args) }
	return c
}

// A checked file waits for its turn to be printed.
type checked struct {
	rep  annex.Report
	err  error
	done chan struct{}
}

// run checks the files, several at a time, and prints them in order.
func (f *checkFlags) run(c *cobra.Command, args []string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	results := make([]checked, len(args))
	for i := range results {
		results[i].done = make(chan struct{})
	}
	ctx, cancel := context.WithCancel(c.Context())
	work, ctx := errgroup.WithContext(ctx)
	defer func() { work.Wait() }() // each result holds its own error
	defer cancel()
	work.SetLimit(runtime.GOMAXPROCS(0))
	p := newProgress(c.ErrOrStderr(), nil, sizesOf(args)) // findings come at the end of a file, so they may go to the same terminal
	defer p.clear()
	go func() {
		for i, path := range args {
			work.Go(func() error {
				defer close(results[i].done)
				results[i].rep, results[i].err = checkFile(ctx, path, c.InOrStdin(), p, o)
				return nil
			})
		}
	}()
	rules := make(map[string]annex.Rule)
	for _, r := range o.Tables.Rules() {
		rules[r.Code] = r
	}
	bad, unread := 0, 0
	for i, path := range args {
		<-results[i].done
		p.clear()
		if err := results[i].err; err != nil {
			if ctx.Err() != nil {
				return err
			}
			unread++
			fmt.Fprintln(c.ErrOrStderr(), "gateway:", err)
			continue
		}
		if results[i].rep.Errors > 0 {
			bad++
		}
		if err := printReport(c, path, results[i].rep, rules, f.json); err != nil {
			return err
		}
	}
	switch {
	case unread > 0:
		return codeError{exitFailed, fmt.Sprintf(words(c, "%s nicht gelesen", "%s not read"), counted(c, unread, "Datei", "Dateien", "file", "files"))}
	case bad > 0:
		return codeError{code: exitFindings}
	}
	return nil
}

// counted writes a number with its noun.
func counted[N int | int64](c *cobra.Command, n N, de, deMore, en, enMore string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, words(c, de, en))
	}
	return fmt.Sprintf("%d %s", n, words(c, deMore, enMore))
}

// options turns the flags into what annex wants.
func (f *checkFlags) options() (annex.CheckOptions, error) {
	o := annex.CheckOptions{Stage: f.stage, LastReference: f.last, Confirmed: true, Unnamed: true}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return o, err
	}
	switch {
	case f.stage < 0 || f.stage > 4:
		return o, usageError{fmt.Errorf("--stage %d: 1 to 4", f.stage)}
	case f.last < 0 || f.last > 99999:
		return o, usageError{fmt.Errorf("--last-reference %d: 1 to 99999", f.last)}
	}
	if o.Now = time.Now().In(zone); f.now != "" {
		if o.Now, err = parseMoment(f.now, zone); err != nil {
			return o, usageError{fmt.Errorf("--now %q: write it as 2026-12-31T22:00", f.now)}
		}
	}
	if f.version != "" {
		if o.VersionDate, err = time.ParseInLocation(time.DateOnly, f.version, zone); err != nil {
			return o, usageError{fmt.Errorf("--version-date %q: write it as 2026-12-31", f.version)}
		}
	}
	if o.Procedure, err = annex.ProcedureProfile(f.vf); err != nil {
		return o, usageError{err}
	}
	if f.auf != "" {
		if o.Order, err = readAuf(f.auf); err != nil {
			return o, err
		}
	}
	if err := f.fromConfig(&o); err != nil {
		return o, err
	}
	if o.Tables, err = loadTables(f.tables); err != nil {
		return o, err
	}
	if f.hook != "" {
		path, err := filepath.Abs(f.hook)
		if err != nil {
			return o, err
		}
		o.Checks = append(o.Checks, annex.Hook{Path: path})
	}
	if f.partners != "" {
		o.Partners, err = readPartners(f.partners)
	}
	return o, err
}

// fromConfig takes known partners, tables and stage 4 from a configuration, and what
// the row of one partner says.
func (f *checkFlags) fromConfig(o *annex.CheckOptions) error {
	if f.config == "" && f.partner != "" {
		return usageError{errors.New("--partner needs the configuration, -c")}
	}
	if f.config == "" {
		return nil
	}
	file, problems, err := config.Load(f.config)
	if err == nil {
		err = problems.Err()
	}
	if err != nil {
		return err
	}
	o.Partners = knownPartners(file)
	if f.tables == "" {
		f.tables = file.Checks.Tables
	}
	if f.partner != "" {
		i := slices.IndexFunc(file.Partners, func(p config.Partner) bool { return p.Name == f.partner })
		if i < 0 {
			return codeError{exitNotFound, fmt.Sprintf("%s has no partner %q", f.config, f.partner)}
		}
		o.Severities = file.Partners[i].Severities
		if o.Procedure, err = annex.ProcedureProfile(file.Partners[i].Procedure); err != nil {
			return err
		}
	}
	checks, err := newChecks(file)
	if err == nil && checks != nil {
		o.Checks, err = checks()
	}
	return err
}

// knownPartners lists the IKs that a configuration names. A route for any
// recipient means that recipients cannot be judged.
func knownPartners(file *config.File) *annex.Partners {
	p := &annex.Partners{}
	for _, i := range file.Identities {
		p.Senders = append(p.Senders, i.IK)
		p.Recipients = append(p.Recipients, i.IK)
	}
	for _, x := range file.Partners {
		p.Senders = append(p.Senders, x.IK)
		p.Physical = append(p.Physical, x.IK)
		p.Recipients = append(p.Recipients, x.IK)
	}
	p.Physical = append(p.Physical, p.Senders...)
	for _, m := range file.SpeaksFor {
		p.Senders = append(append(p.Senders, m.Owner), m.UNBSenders...)
		p.Physical = append(p.Physical, m.Physical...)
	}
	for _, r := range file.Routes {
		if len(r.Recipients) == 0 {
			p.Recipients = nil
			break
		}
		p.Recipients = append(p.Recipients, r.Recipients...)
	}
	return p
}

// knownReceiving is knownPartners for files that come in: no IK but ours accepts
// data here, however well it is known.
func knownReceiving(file *config.File) *annex.Partners {
	p := knownPartners(file)
	for _, i := range file.Identities {
		p.Accepting = append(p.Accepting, i.IK)
	}
	return p
}

// parseMoment reads a local time, with or without its zone.
func parseMoment(s string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.In(zone), nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.ParseInLocation(time.DateOnly, s, zone)
}

// loadTables loads the built-in tables and those of a folder, if one is named.
func loadTables(dir string) (*annex.Tables, error) {
	if dir == "" {
		return annex.LoadTables()
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: errors.New("no folder")}
	}
	t, err := annex.LoadTables(os.DirFS(dir))
	if err != nil {
		return nil, codeError{exitConfig, fmt.Sprintf("%s: %v", dir, err)}
	}
	return t, nil
}

// readPartners reads the form of --partners: a mapping of lists of IKs. All that is
// wrong is told at once.
func readPartners(path string) (*annex.Partners, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, codeError{exitConfig, fmt.Sprintf("%s: %v", path, err)}
	}
	var p annex.Partners
	lists := map[string]*[]string{"senders": &p.Senders, "recipients": &p.Recipients, "accepting": &p.Accepting, "physical": &p.Physical}
	var wrong []string
	fault := func(n *yaml.Node, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s:%d:%d: %s", path, n.Line, n.Column, fmt.Sprintf(format, args...)))
	}
	if len(doc.Content) > 0 && doc.Content[0].Kind != yaml.MappingNode {
		fault(doc.Content[0], "must be a mapping with senders, recipients, accepting, physical")
	} else if len(doc.Content) > 0 {
		for keys := doc.Content[0].Content; len(keys) > 0; keys = keys[2:] {
			list := lists[keys[0].Value]
			switch {
			case list == nil:
				fault(keys[0], "unknown key %q; possible: senders, recipients, accepting, physical", keys[0].Value)
				continue
			case keys[1].Kind != yaml.SequenceNode:
				fault(keys[1], "%s must be a list of IKs", keys[0].Value)
				continue
			}
			*list = []string{} // an empty list knows nobody
			for _, n := range keys[1].Content {
				if annex.Placeholder(n.Value) {
					fault(n, "IK %q is a placeholder", n.Value)
				} else if err := annex.ValidIK(n.Value); err != nil {
					fault(n, "%q is no valid IK: %v", n.Value, err)
				}
				*list = append(*list, n.Value)
			}
		}
	}
	if len(wrong) > 0 {
		return nil, codeError{exitConfig, strings.Join(wrong, "\n")}
	}
	return &p, nil
}

func checkFile(ctx context.Context, path string, stdin io.Reader, p *progress, o annex.CheckOptions) (annex.Report, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return annex.Report{}, err
		}
		defer f.Close()
		in = f
	}
	return annex.Check(ctx, &telling{in, p}, o)
}

// A telling reader tells how far it has come.
type telling struct {
	io.Reader
	progress *progress
}

func (t *telling) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	t.progress.add(int64(n))
	return n, err
}

// sizesOf adds up files; those that cannot be looked at are told of when they are opened.
func sizesOf(paths []string) (sum int64) {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// A foundLine is the stable JSON form of a finding.
type foundLine struct {
	File      string `json:"file"`
	Stage     int    `json:"stage"`
	Code      string `json:"code"`
	Official  bool   `json:"official"`
	Severity  string `json:"severity"`
	Message   int64  `json:"message"`
	Segment   int64  `json:"segment"` // running number in the file
	Tag       string `json:"tag"`
	Element   int    `json:"element"`
	Component int    `json:"component"`
	Offset    int64  `json:"offset"`
	Text      string `json:"text"`
	Basis     string `json:"basis,omitempty"`
	Next      string `json:"next,omitempty"`
}

// A verdictLine is the stable JSON form of a file's result.
type verdictLine struct {
	File       string      `json:"file"`
	Segments   int64       `json:"segments"`
	Messages   int64       `json:"messages"`
	Verdict    string      `json:"verdict"`
	Findings   int         `json:"findings"`
	NotChecked []string    `json:"not_checked"` // rules that need what was not given
	Stages     []stageLine `json:"stages"`
}

// A stageLine counts the messages of a file by what became of them in a stage.
type stageLine struct {
	Stage      int   `json:"stage"`
	Passed     int64 `json:"passed"`
	Failed     int64 `json:"failed"`
	NotChecked int64 `json:"not_checked"`
}

func printReport(c *cobra.Command, path string, rep annex.Report, rules map[string]annex.Rule, asJSON bool) error {
	w := c.OutOrStdout()
	for _, f := range rep.Findings {
		text, next := words(c, f.Text, f.TextEN), ""
		if r, known := rules[f.Code]; known {
			de, en := r.NextStep()
			next = words(c, de, en)
		}
		var err error
		if asJSON {
			err = writeJSONLine(w, foundLine{path, f.Stage, f.Code, f.Official, string(f.Severity), f.Message, f.SegmentNumber, f.Segment, f.Element, f.Component, f.Offset, text, f.Basis, next})
		} else {
			own := ""
			if f.Basis == annex.OwnCheck {
				own = words(c, ", eigene Plausibilitätsprüfung", ", own plausibility check")
			}
			_, err = fmt.Fprintf(w, "%s: %s %s: %s (%s%s). %s\n", path, severity(c, f.Severity), f.Code, text, where(c, f), own, next)
		}
		if err != nil {
			return err
		}
	}
	if asJSON {
		line := verdictLine{path, rep.Segments, rep.Messages, string(rep.Verdict), rep.Errors + rep.Warnings, slices.Concat([]string{}, rep.NotChecked), nil}
		for i, s := range rep.Stages {
			line.Stages = append(line.Stages, stageLine{i + 1, s.Passed, s.Failed, s.NotChecked})
		}
		return writeJSONLine(w, line)
	}
	if more := rep.Errors + rep.Warnings - len(rep.Findings); more > 0 {
		fmt.Fprintf(w, words(c, "%s: … und %d weitere\n", "%s: … and %d more\n"), path, more)
	}
	if missing := notChecked(c, rep); missing != "" {
		fmt.Fprintf(w, words(c, "%s: nicht geprüft: %s\n", "%s: not checked: %s\n"), path, missing)
	}
	_, err := fmt.Fprintf(w, "%s: %s; %s, %s, %s, %s\n", path, verdictName(c, rep.Verdict),
		counted(c, rep.Messages, "Nachricht", "Nachrichten", "message", "messages"),
		counted(c, rep.Segments, "Segment", "Segmente", "segment", "segments"),
		counted(c, rep.Errors, "Fehler", "Fehler", "error", "errors"),
		counted(c, rep.Warnings, "Hinweis", "Hinweise", "warning", "warnings"))
	return err
}

// notChecked lists rules whose input was not given, each with the option that gives
// it, and stages that some messages did not reach.
func notChecked(c *cobra.Command, rep annex.Report) string {
	var parts []string
	for i, code := range rep.NotChecked {
		last := i+1 == len(rep.NotChecked) || needs(rep.NotChecked[i+1]) != needs(code)
		if option := needs(code); last && option != "" {
			code += " (" + option + ")"
		}
		parts = append(parts, code)
	}
	for i, s := range rep.Stages {
		if s.NotChecked > 0 {
			parts = append(parts, fmt.Sprintf(words(c, "Stufe %d in %s", "stage %d in %s"), i+1, counted(c, s.NotChecked, "Nachricht", "Nachrichten", "message", "messages")))
		}
	}
	return strings.Join(parts, ", ")
}

// needs is the option without which a rule is not checked.
func needs(code string) string {
	switch code {
	case "10041", "10042", "10043":
		return "--partners, -c"
	case "10047":
		return "--last-reference"
	case "10049":
		return "--auf, --partners"
	case "10061", "10066", "10067", "G1-017":
		return "--auf"
	}
	return ""
}

func severity(c *cobra.Command, s annex.Severity) string {
	if s == annex.Error {
		return words(c, "Fehler", "error")
	}
	return words(c, "Hinweis", "warning")
}

func verdictName(c *cobra.Command, v annex.Verdict) string {
	switch v {
	case annex.Accepted:
		return words(c, "in Ordnung", "accepted")
	case annex.Partly:
		return words(c, "teilweise fehlerhaft", "partly")
	}
	return words(c, "fehlerhaft", "rejected")
}

func where(c *cobra.Command, f annex.Finding) string {
	s := fmt.Sprintf(words(c, "Offset %d", "offset %d"), f.Offset)
	if f.Element > 0 {
		s = fmt.Sprintf(words(c, "Element %d.%d, ", "element %d.%d, "), f.Element, max(f.Component, 1)) + s
	}
	if f.SegmentNumber > 0 {
		s = fmt.Sprintf(words(c, "Segment %d %s, ", "segment %d %s, "), f.SegmentNumber, f.Segment) + s
	}
	if f.Message > 0 {
		s = fmt.Sprintf(words(c, "Nachricht %d, ", "message %d, "), f.Message) + s
	}
	return s
}
