package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gateway301/config"
	"gateway301/exchange"
	"gateway301/store"
)

// A consent is what every command asks for that changes something: a reason for
// the history, and a yes, on the terminal or by flag.
type consent struct {
	reason string
	dryRun bool
	yes    bool
}

func (k *consent) flags(c *cobra.Command) {
	c.Flags().StringVar(&k.reason, "reason", "", "why, for the history (required)")
	c.Flags().BoolVar(&k.dryRun, "dry-run", false, "show what would be done, and do nothing")
	c.Flags().BoolVar(&k.yes, "yes", false, "do not ask; needed where there is no terminal")
}

// given reports whether to go on, after what would be done was told.
func (k *consent) given(c *cobra.Command) (bool, error) {
	if k.dryRun {
		fmt.Fprintln(c.ErrOrStderr(), words(c, "nur gezeigt, nichts getan", "shown only, nothing done"))
		return false, nil
	}
	if strings.TrimSpace(k.reason) == "" {
		return false, usageError{errors.New("--reason is required: it stands in the history")}
	}
	if k.yes {
		return true, nil
	}
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return false, usageError{errors.New("--yes is required where nobody can be asked")}
	}
	fmt.Fprint(c.ErrOrStderr(), words(c, "Ausführen? [j/N] ", "Go on? [y/N] "))
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return slices.Contains([]string{"j", "ja", "y", "yes"}, strings.ToLower(strings.TrimSpace(line))), nil
}

// A selection picks deliveries by number or by what they are.
type selection struct {
	state, partner, direction, name string
	older                           time.Duration
	limit                           int
}

func (s *selection) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.state, "state", "", "only these states, comma separated: "+strings.Join(stateWords(), ", "))
	c.Flags().StringVar(&s.partner, "partner", "", "only this partner or account")
	c.Flags().StringVar(&s.direction, "direction", "", "only out or in")
	c.Flags().StringVar(&s.name, "name", "", "only this file name, transfer name or Anwendungsreferenz")
	c.Flags().DurationVar(&s.older, "older", 0, "only what has been in its state for longer, such as 2h")
	c.Flags().IntVar(&s.limit, "limit", 0, "only the newest N")
}

// filter makes the store's filter of the flags.
func (s *selection) filter() (store.Filter, error) {
	f := store.Filter{Partner: s.partner, Direction: exchange.Direction(s.direction), Name: s.name, Limit: s.limit}
	if !slices.Contains([]string{"", "in", "out"}, s.direction) {
		return f, usageError{fmt.Errorf("--direction is out or in, not %q", s.direction)}
	}
	for _, w := range strings.FieldsFunc(s.state, func(r rune) bool { return r == ',' }) {
		if !slices.Contains(stateWords(), w) {
			return f, usageError{fmt.Errorf("unknown state %q; known are %s", w, strings.Join(stateWords(), ", "))}
		}
		f.States = append(f.States, exchange.State(w))
	}
	if s.older > 0 {
		f.Before = time.Now().Add(-s.older)
	}
	return f, nil
}

// pick returns the deliveries with these numbers, or those that the flags pick.
func (s *selection) pick(ctx context.Context, ledger *store.Ledger, ids []string) ([]exchange.Delivery, error) {
	f, err := s.filter()
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		if s.state == "" && s.partner == "" && s.direction == "" && s.name == "" && s.older == 0 {
			return nil, usageError{errors.New("name deliveries by their numbers, or pick them by --state, --partner, --name or --older")}
		}
		return ledger.Deliveries(ctx, f)
	}
	var out []exchange.Delivery
	for _, text := range ids {
		id, err := parseID(text)
		if err != nil {
			return nil, err
		}
		d, err := ledger.Delivery(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// An operation is what an operator may do to a delivery.
type operation struct {
	name, short string
	plan        func(o *operating, d exchange.Delivery) (exchange.Move, error)
	resend      bool // has --resend
	evidence    bool // has --evidence
	done        func(o *operating, d exchange.Delivery) error
}

// operating is one call of an operation.
type operating struct {
	consent
	selection
	cfg      *config.File
	now      time.Time
	resend   bool
	evidence string
	proof    string // the evidence as it stands in the history
}

func operations() []operation {
	return []operation{
		{name: "hold", short: "Hold a delivery that is in work", plan: planHold},
		{name: "release", short: "Let a held delivery go on", plan: planRelease, resend: true},
		{name: "requeue", short: "Try again at once, with all tries anew", plan: planRequeue},
		{name: "top", short: "Let a waiting delivery be the next; the order of its pair stays", plan: planTop},
		{name: "cancel", short: "Give up a held or quarantined delivery", plan: planCancel},
		{name: "deliver-by-hand", short: "Record evidence that the partner has a held delivery", plan: planVouch, evidence: true, done: keepEvidence},
		{name: "reject-by-hand", short: "Record a rejection that came by telephone or fax", plan: planReject, evidence: true, done: keepEvidence},
	}
}

// newOperation makes the command of an operation.
func newOperation(op operation) *cobra.Command {
	var file string
	o := &operating{}
	c := &cobra.Command{Use: op.name + " [ID...]", Short: op.short}
	configFlag(c, &file)
	o.consent.flags(c)
	o.selection.flags(c)
	if op.resend {
		c.Flags().BoolVar(&o.resend, "resend", false, "outcome unknown: send again under the same name; the partner confirmed that it has nothing")
	}
	if op.evidence {
		c.Flags().StringVar(&o.evidence, "evidence", "", "file that proves it: fax, mail, note of a call; it is kept with the delivery")
	}
	c.RunE = func(c *cobra.Command, ids []string) error {
		cfg, _, err := readConfig(file)
		if err != nil {
			return err
		}
		ledger, err := openBeside(c.Context(), cfg)
		if err != nil {
			return err
		}
		defer ledger.Close()
		o.cfg, o.now = cfg, time.Now()
		return o.run(c, ledger, op, ids)
	}
	return c
}

// run tells what would be done to each delivery, asks, and does it. One that does
// not let it be done to it keeps the others from nothing.
func (o *operating) run(c *cobra.Command, ledger *store.Ledger, op operation, ids []string) error {
	if op.evidence {
		if err := o.readEvidence(op.name == "deliver-by-hand"); err != nil {
			return err
		}
	}
	rows, err := o.pick(c.Context(), ledger, ids)
	if err != nil {
		return err
	}
	var moves []exchange.Move
	var picked []exchange.Delivery
	refused := 0
	for _, d := range rows {
		m, err := op.plan(o, d)
		to := d.State
		if err == nil {
			m.ID, m.From, m.At = d.ID, d.State, o.now
			m.Text = op.name + " by hand: " + o.reason + o.proof
			to, err = exchange.Next(d.State, m.By)
		}
		if errors.Is(err, exchange.ErrMove) {
			err = fmt.Errorf("it is %s, and %s does not fit that", d.State, op.name)
		}
		if err != nil {
			refused++
			fmt.Fprintf(c.ErrOrStderr(), words(c, "Sendung %d: nicht möglich: %s\n", "delivery %d: not possible: %s\n"), d.ID, err)
			continue
		}
		if o.dryRun || len(rows) > 1 {
			fmt.Fprintf(c.ErrOrStderr(), words(c, "Sendung %d: %s → %s\n", "delivery %d: %s → %s\n"), d.ID, stateName(c, d.State), stateName(c, to))
		}
		moves, picked = append(moves, m), append(picked, d)
	}
	if len(moves) == 0 && refused == 0 {
		return codeError{exitNotFound, words(c, "keine Sendung passt", "no delivery fits")}
	}
	if len(moves) > 0 {
		if yes, err := o.given(c); err != nil || !yes {
			return err
		}
	}
	for i, m := range moves {
		if op.done != nil {
			if err := op.done(o, picked[i]); err != nil {
				return err
			}
		}
		out, err := ledger.Apply(c.Context(), m)
		if errors.Is(err, exchange.ErrMoved) {
			refused++
			fmt.Fprintf(c.ErrOrStderr(), words(c, "Sendung %d: inzwischen verändert, nichts getan\n", "delivery %d: changed meanwhile, nothing done\n"), m.ID)
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), words(c, "Sendung %d: %s\n", "delivery %d: %s\n"), m.ID, stateName(c, out[0].State))
	}
	switch {
	case refused > 0 && len(moves) > refused:
		return codeError{code: exitPartly}
	case refused > 0:
		return codeError{code: exitFailed}
	}
	return nil
}

// errBusy keeps operators from what is on the line at this moment.
var errBusy = errors.New("it is being transferred at this moment; stop the service, or wait for the end of the attempt")

func planHold(_ *operating, d exchange.Delivery) (exchange.Move, error) {
	if d.State == exchange.Sending || d.State == exchange.Handing {
		return exchange.Move{}, errBusy
	}
	m := exchange.Move{By: exchange.Holding, Cause: exchange.ByHand}
	if d.State == exchange.Unknown { // released, it is looked at first
		m.Cause = exchange.OutcomeUnknown
	}
	return m, nil
}

func planCancel(_ *operating, _ exchange.Delivery) (exchange.Move, error) {
	return exchange.Move{By: exchange.Withdrawn, Cause: exchange.ByHand}, nil
}

func planRelease(o *operating, d exchange.Delivery) (exchange.Move, error) {
	m := exchange.Move{Due: o.now, Cause: exchange.ByHand}
	switch {
	case d.State == exchange.Quarantined:
		return m, errors.New("it is quarantined: use 'gateway quarantine release'")
	case d.Direction == exchange.In:
		m.By = exchange.Reopened
		return m, nil
	case d.Cause == exchange.OutcomeUnknown && !o.resend:
		return m, errors.New("the partner may have it already: release it with --resend if the partner has nothing, or use 'queue deliver-by-hand' if it has")
	case d.Cause == exchange.KeyProblem && !d.Published: // sealed anew, so with a new number
		if m.By = exchange.Released; written(d) {
			m.By = exchange.Redrafted
		}
		m.Change = func(row *exchange.Delivery) {
			row.Attempt, row.TransferName, row.TransferNumber, row.Created = 0, "", 0, ""
		}
	case d.HasNumber():
		m.By = exchange.Resumed
		m.Change = func(row *exchange.Delivery) {
			row.Attempt, row.Published = 0, row.Published && !o.resend
		}
	case written(d):
		m.By = exchange.Redrafted
	case d.Cause == exchange.ByRoute: // its route shall know that this was allowed
		m.By, m.Cause = exchange.Released, exchange.ByRoute
	default:
		m.By = exchange.Released
	}
	change := m.Change
	m.Change = func(row *exchange.Delivery) { // what was allowed stays allowed
		if change != nil {
			change(row)
		}
		row.Overtakes = row.Overtakes || d.Cause == exchange.OrderGap
		row.Repeats = row.Repeats || d.Cause == exchange.Duplicate
	}
	return m, nil
}

func planRequeue(o *operating, d exchange.Delivery) (exchange.Move, error) {
	m := exchange.Move{Due: o.now, Cause: exchange.ByHand, Change: func(row *exchange.Delivery) { row.Attempt = 0 }}
	switch d.State {
	case exchange.Held:
		return planRelease(o, d)
	case exchange.Sealed, exchange.Unknown:
		m.By = exchange.Postponed
	default:
		m.By = exchange.Retrying
	}
	return m, nil
}

// foremost is earlier than every due time.
var foremost = time.Unix(0, 1)

func planTop(_ *operating, d exchange.Delivery) (exchange.Move, error) {
	if d.State.Class() != exchange.InWork || d.State == exchange.Sending || d.State == exchange.Overdue {
		return exchange.Move{}, fmt.Errorf("it is %s, and waits for no turn", d.State)
	}
	return exchange.Move{By: exchange.Noted, Cause: exchange.ByHand, Change: func(row *exchange.Delivery) { row.Due = foremost }}, nil
}

func planVouch(o *operating, d exchange.Delivery) (exchange.Move, error) {
	if d.Direction != exchange.Out || !d.HasNumber() {
		return exchange.Move{}, errors.New("it was never on its way to a partner")
	}
	m := exchange.Move{By: exchange.Vouched, Due: answerBy(o.cfg, d, o.now), Cause: exchange.ByHand}
	m.Change = func(row *exchange.Delivery) {
		row.DeliveredAt, row.AnswerBy, row.Proof = o.now, m.Due, "by hand: "+o.reason+o.proof
	}
	return m, nil
}

func planReject(o *operating, d exchange.Delivery) (exchange.Move, error) {
	switch {
	case d.Direction != exchange.Out:
		return exchange.Move{}, errors.New("only what we sent can be rejected by a partner")
	case d.State == exchange.Sending:
		return exchange.Move{}, errBusy
	}
	return exchange.Move{By: exchange.Refused, Cause: exchange.ByHand, Change: func(row *exchange.Delivery) {
		row.Answer, row.AnswerBy = "rejected\nby hand: "+o.reason, time.Time{}
	}}, nil
}

// partEvidence is the name of the evidence in a delivery's folder of the spool.
const partEvidence = "evidence"

// readEvidence looks at the file that proves what is recorded.
func (o *operating) readEvidence(required bool) error {
	if o.evidence == "" {
		if required {
			return usageError{errors.New("--evidence is required: the file that proves it, such as the partner's mail or fax")}
		}
		return nil
	}
	b, err := os.ReadFile(o.evidence)
	if err != nil {
		return usageError{fmt.Errorf("--evidence: %w", err)}
	}
	if len(b) == 0 {
		return usageError{fmt.Errorf("--evidence: %s is empty", o.evidence)}
	}
	sum := sha256.Sum256(b)
	o.proof = "; evidence SHA-256 " + hex.EncodeToString(sum[:])
	return nil
}

// keepEvidence copies the evidence into the spool, before the history names it.
func keepEvidence(o *operating, d exchange.Delivery) error {
	if o.evidence == "" {
		return nil
	}
	f, err := os.Open(o.evidence)
	if err != nil {
		return err
	}
	defer f.Close()
	spool, err := store.OpenSpool(o.cfg.Spool)
	if err != nil {
		return err
	}
	defer spool.Close()
	_, sum, err := spool.Put(context.Background(), d.Intake, partEvidence, f)
	if err == nil && !strings.HasSuffix(o.proof, sum) {
		err = fmt.Errorf("%s changed while it was read", o.evidence)
	}
	return err
}

func newPartnerCommand() *cobra.Command {
	c := &cobra.Command{Use: "partner", Short: "Add, list, show and probe partners, stop calling one, call it again", RunE: group}
	c.AddCommand(newPartnerAddCommand(), newPartnerListCommand(), newPartnerShowCommand(), newProbeCommand())
	c.AddCommand(newPartnerChange("pause NAME", "Call a partner no more, until it is resumed",
		func(c *cobra.Command, ledger *store.Ledger, name, reason string) error {
			err := ledger.StopPartner(c.Context(), exchange.Stop{Partner: name, At: time.Now(), Cause: exchange.ByHand, Text: reason})
			if err == nil {
				fmt.Fprintf(c.ErrOrStderr(), words(c, "Partner %s wird nicht mehr angerufen\n", "partner %s is called no more\n"), name)
			}
			return err
		}), newPartnerChange("resume NAME", "Call a partner again that an operator, a failed login or an unknown host key has stopped",
		func(c *cobra.Command, ledger *store.Ledger, name, _ string) error {
			was, err := ledger.ResumePartner(context.WithoutCancel(c.Context()), name)
			if err == nil && !was {
				err = codeError{exitNotFound, fmt.Sprintf("partner %q is not stopped", name)}
			}
			if err == nil {
				fmt.Fprintf(c.ErrOrStderr(), words(c, "Partner %s wird wieder angerufen\n", "partner %s is called again\n"), name)
			}
			return err
		}))
	return c
}

func newPartnerChange(use, short string, do func(c *cobra.Command, ledger *store.Ledger, name, reason string) error) *cobra.Command {
	var file string
	var k consent
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)}
	configFlag(c, &file)
	k.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, _, err := readConfig(file)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(cfg.Partners, func(p config.Partner) bool { return p.Name == args[0] }) {
			return codeError{exitNotFound, fmt.Sprintf("no partner %q in %s", args[0], file)}
		}
		if yes, err := k.given(c); err != nil || !yes {
			return err
		}
		ledger, err := openBeside(c.Context(), cfg)
		if err != nil {
			return err
		}
		defer ledger.Close()
		return do(c, ledger, args[0], k.reason)
	}
	return c
}

func newQuarantineCommand() *cobra.Command {
	c := &cobra.Command{Use: "quarantine", Short: "Show the files that were not taken into work, take them in again or discard them", RunE: group}
	c.AddCommand(newQueueListing("list", "List the quarantined files", string(exchange.Quarantined)),
		newOperation(operation{name: "release", short: "Put a file back into its outbox, to be taken over anew", plan: planUnquarantine, done: backToOutbox}),
		newOperation(operation{name: "discard", short: "Delete a quarantined file", plan: planUnquarantine, done: discard}))
	return c
}

func planUnquarantine(o *operating, d exchange.Delivery) (exchange.Move, error) {
	if d.State != exchange.Quarantined {
		return exchange.Move{}, fmt.Errorf("it is %s, not quarantined", d.State)
	}
	if _, _, err := quarantined(o.cfg, d); err != nil {
		return exchange.Move{}, err
	}
	return exchange.Move{By: exchange.Withdrawn, Cause: exchange.ByHand}, nil
}

// quarantined finds the file of a quarantined delivery by its reason file, which
// names the delivery.
func quarantined(cfg *config.File, d exchange.Delivery) (path string, box config.Outbox, err error) {
	const suffix = ".reason.txt"
	for _, box := range cfg.Outboxes {
		if box.Name != d.Account {
			continue
		}
		entries, err := os.ReadDir(box.Quarantine)
		if err != nil {
			return "", box, err
		}
		for _, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), suffix)
			if !ok {
				continue
			}
			text, err := os.ReadFile(filepath.Join(box.Quarantine, e.Name()))
			if err == nil && strings.Contains(string(text), fmt.Sprintf(": %d (%s)\n", d.ID, d.Intake)) {
				return filepath.Join(box.Quarantine, name), box, nil
			}
		}
		return "", box, fmt.Errorf("its file is not in %s any more; give it up with 'queue cancel'", box.Quarantine)
	}
	return "", box, fmt.Errorf("outbox %s is no longer configured", d.Account)
}

// backToOutbox gives a file its place in the outbox again, never over another one.
func backToOutbox(o *operating, d exchange.Delivery) error {
	path, box, err := quarantined(o.cfg, d)
	if err != nil {
		return err
	}
	to := filepath.Join(box.Path, filepath.Base(path))
	if _, err := os.Lstat(to); err == nil {
		return codeError{exitFailed, fmt.Sprintf("delivery %d: a file of that name stands in the outbox; nothing done", d.ID)}
	}
	if box.Marker != "" { // complete is what its marker says, and that was removed
		if err := os.WriteFile(to+box.Marker, nil, 0o600); err != nil {
			return err
		}
	}
	return errors.Join(os.Rename(path, to), os.Remove(path+".reason.txt"))
}

func discard(o *operating, d exchange.Delivery) error {
	path, _, err := quarantined(o.cfg, d)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Remove(path + ".reason.txt")
}
