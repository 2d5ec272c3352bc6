package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"gateway301/alert"
	"gateway301/config"
	"gateway301/exchange"
	"gateway301/intake"
	"gateway301/watch"
	"gateway301/web"
)

func newAlertCommand() *cobra.Command {
	c := &cobra.Command{Use: "alert", Short: "Show the alarms that last, acknowledge them, try the senders", RunE: group}
	c.AddCommand(newAlertListCommand(), newAlertAckCommand(), newAlertTestCommand())
	return c
}

func newAlertListCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{Use: "list", Short: "List the alarms that last", Args: cobra.NoArgs}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, ledger, err := openLedger(file)
		if err != nil {
			return err
		}
		defer ledger.Close()
		alarms, err := ledger.Alarms(c.Context())
		if err != nil {
			return err
		}
		t := newTable(c.OutOrStdout(), words(c, "Schlüssel", "Key"), words(c, "seit", "Since"), words(c, "gesagt", "Told"), words(c, "gesehen von", "Seen by"), words(c, "Was", "What"))
		n := 0
		for _, a := range alarms {
			if !a.Cleared.IsZero() {
				continue
			}
			n++
			if asJSON {
				if err := writeJSONLine(c.OutOrStdout(), shownConditionOf(a.Condition, a.AcknowledgedBy)); err != nil {
					return err
				}
				continue
			}
			var told time.Time
			for _, s := range a.Told {
				if s.At.After(told) {
					told = s.At
				}
			}
			t.AppendRow([]any{a.Key(), briefly(a.Raised, cfg.TimeZone), brieflyOrNever(told, cfg.TimeZone), printable(a.AcknowledgedBy), alert.What(a.Condition, german(c))})
		}
		switch {
		case asJSON:
		case n == 0:
			fmt.Fprintln(c.OutOrStdout(), words(c, "Keine Alarme.", "No alarms."))
		default:
			t.Render()
		}
		return nil
	}
	return c
}

func newAlertAckCommand() *cobra.Command {
	var file, by string
	var all bool
	c := &cobra.Command{
		Use:   "ack KEY... | --all",
		Short: "Say that alarms are seen: they are not repeated until they get worse",
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&all, "all", false, "every alarm that lasts")
	c.Flags().StringVar(&by, "by", "", "who has seen them (default: the user at the terminal)")
	c.Args = func(_ *cobra.Command, args []string) error {
		if all == (len(args) > 0) {
			return fmt.Errorf("name the alarms by their keys, or write --all")
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if by == "" {
			by = whoami()
		}
		cfg, _, err := readConfig(file)
		if err != nil {
			return err
		}
		ledger, err := openBeside(c.Context(), cfg)
		if err != nil {
			return err
		}
		defer ledger.Close()
		marked, err := alert.Acknowledge(c.Context(), ledger, by, time.Now(), args...)
		if err != nil {
			return err
		}
		for _, key := range marked {
			fmt.Fprintf(c.OutOrStdout(), words(c, "gesehen: %s\n", "seen: %s\n"), key)
		}
		if len(marked) < len(args) {
			return fmt.Errorf("%d of %d keys name no alarm that lasts: %w", len(args)-len(marked), len(args), exchange.ErrNotFound)
		}
		return nil
	}
	return c
}

// whoami names the user at the terminal, behind sudo too.
func whoami() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}

func newAlertTestCommand() *cobra.Command {
	var file string
	c := &cobra.Command{Use: "test", Short: "Send a trial message by every way that is configured", Args: cobra.NoArgs}
	configFlag(c, &file)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, _, err := readConfig(file)
		if err != nil {
			return err
		}
		senders, err := newSenders(cfg.Alerts)
		if err != nil {
			return err
		}
		if len(senders) == 0 {
			return fmt.Errorf("%w: %s: alerts: neither command nor mail is configured", config.ErrInvalid, file)
		}
		m := alert.Message{Subject: "Gateway 301 " + host() + ": " + words(c, "Probe", "trial"),
			Text: words(c, "Diese Nachricht wurde mit 'gateway alert test' verschickt. Es ist nichts zu tun.\n", "This message was sent with 'gateway alert test'. There is nothing to do.\n")}
		failed := 0
		for _, s := range senders {
			if err := s.Send(c.Context(), m); err != nil {
				failed++
				fmt.Fprintf(c.OutOrStdout(), "%s: %v\n", s.Name(), err)
				continue
			}
			fmt.Fprintf(c.OutOrStdout(), words(c, "%s: abgeschickt\n", "%s: sent\n"), s.Name())
		}
		if failed > 0 {
			return codeError{code: exitFailed}
		}
		return nil
	}
	return c
}

func host() string {
	name, err := os.Hostname()
	if err != nil {
		return "gateway"
	}
	return name
}

// newSenders makes the ways to tell people.
func newSenders(a config.Alerts) ([]alert.Sender, error) {
	var out []alert.Sender
	if len(a.Command) > 0 {
		out = append(out, &alert.Command{Args: a.Command})
	}
	if a.Mail == nil {
		return out, nil
	}
	hostName, port, err := net.SplitHostPort(a.Mail.Server)
	if err != nil {
		return nil, fmt.Errorf("alerts.mail: %w", err)
	}
	m := &alert.Mail{Host: hostName, Encryption: alert.Encryption(a.Mail.Encryption), User: a.Mail.User, From: a.Mail.From, To: a.Mail.To}
	if m.Port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("alerts.mail: %w", err)
	}
	if !a.Mail.Password.IsZero() {
		if m.Password, err = a.Mail.Password.Password(); err != nil {
			return nil, fmt.Errorf("alerts.mail: %w", err)
		}
	}
	if a.Mail.Roots != "" {
		text, err := os.ReadFile(a.Mail.Roots)
		if err != nil {
			return nil, fmt.Errorf("alerts.mail: %w", err)
		}
		m.Roots = x509.NewCertPool()
		if !m.Roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("alerts.mail: %s holds no certificate in PEM", a.Mail.Roots)
		}
	}
	return append(out, m), m.Check()
}

// alarmEvery is how often the service asks itself what is wrong.
const alarmEvery = time.Minute

// alarms looks around until ctx ends.
func (g *gateway) alarms(ctx context.Context) error {
	tick := time.NewTicker(alarmEvery)
	defer tick.Stop()
	for {
		if err := g.lookAround(ctx); err != nil && ctx.Err() == nil {
			g.log.Error().Err(err).Msg("an alarm could not be told, trying again")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// lookAround works out what is wrong and tells who is to be woken. Among several
// nodes it is one's turn. Without anybody to tell, the alarms are kept all the
// same, for 'gateway status' and the page.
func (g *gateway) lookAround(ctx context.Context) error {
	w := g.looked()
	if w.file.Shared() {
		mine, err := g.ledger.Turn(ctx, "alarms", exchange.Lease{Node: g.node, For: 3 * alarmEvery})
		if err != nil || !mine {
			return err
		}
	}
	now := time.Now()
	f, err := g.sight(w).facts(ctx, now, watch.LastNight(now, w.file.TimeZone))
	if err != nil {
		return err
	}
	told := w.file.Alerts
	bell := &alert.Bell{Book: g.ledger, Senders: w.senders, Resend: told.Resend, Pause: told.Pause, German: told.German, Host: host()}
	return bell.Look(ctx, f.Now, watch.Wrong(f, limits(w.file)))
}

// looked is what belongs to the active configuration.
func (g *gateway) looked() watched {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.watched
}

func (g *gateway) sight(w watched) *sight {
	return &sight{file: w.file, ledger: g.ledger, ring: w.ring}
}

// attempts counts how attempts to send ended, by partner and result.
type attempts struct {
	mu sync.Mutex
	n  map[string]map[string]int64
}

// moved notes a move that ends an attempt.
func (a *attempts) moved(m exchange.Move, d exchange.Delivery) {
	if m.From != exchange.Sending || d.State == exchange.Sending {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == nil {
		a.n = map[string]map[string]int64{}
	}
	if a.n[d.Partner] == nil {
		a.n[d.Partner] = map[string]int64{}
	}
	a.n[d.Partner][strings.ReplaceAll(string(m.By), " ", "-")]++
}

func (a *attempts) of(partner string) map[string]int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]int64{}
	for result, n := range a.n[partner] {
		out[result] = n
	}
	return out
}

// shownOverHTTP is the service as web shows it.
type shownOverHTTP struct {
	g       *gateway
	started time.Time
}

// Snapshot asks the ledger.
func (s *shownOverHTTP) Snapshot(ctx context.Context, german bool) (web.Snapshot, error) {
	w := s.g.looked()
	st, err := s.g.sight(w).status(ctx, time.Now())
	if err != nil {
		return web.Snapshot{}, err
	}
	f := st.facts
	out := web.Snapshot{
		At: f.Now, Started: s.started.In(f.Zone), Version: version, Host: host(), ConfigHash: shortHash(w.file),
		Sums: st.sums, Imbalance: f.Imbalance, SpoolFree: f.Free, DiskFloor: f.Floor,
		Night: web.Night{Date: st.night.Day.String(), Complete: st.night.Complete},
	}
	for _, m := range st.night.Missing {
		out.Night.Missing = append(out.Night.Missing, m.Say(german))
	}
	if out.Orphans, err = s.g.ledger.Orphans(ctx); err != nil {
		return out, err
	}
	for i, p := range f.Partners {
		pl := st.plans[i]
		row := web.Partner{Name: p.Name, Waiting: pl.waiting, OldestWaiting: local(pl.oldest, f.Zone), LastSent: local(p.LastSent, f.Zone), LastCollected: local(p.LastCollected, f.Zone),
			Collects: p.Collects, NextWindow: local(pl.opens, f.Zone), Finish: local(pl.finish, f.Zone), Attempts: s.g.attempts.of(p.Name)}
		if p.Stopped != exchange.NoCause {
			row.Stopped = string(p.Stopped)
		}
		out.Partners = append(out.Partners, row)
	}
	for _, b := range f.Outboxes {
		var n intake.Counts
		if in := w.intakes[b.Name]; in != nil {
			n = in.Counts()
		}
		out.Outboxes = append(out.Outboxes, web.Outbox{Name: b.Name, Events: n.Events, Rescans: n.Rescans, ByEvent: n.ByEvent, ByRescan: n.ByRescan, LastTaken: local(b.LastTaken, f.Zone)})
	}
	for _, c := range st.wrong {
		a := st.alarms[c.Key()]
		out.Alarms = append(out.Alarms, web.Alarm{Key: c.Key(), What: alert.What(c, german), Next: alert.Next(c, german), Since: local(c.Since, f.Zone), Acknowledged: a.AcknowledgedBy})
	}
	for _, c := range f.Certificates {
		out.Keys = append(out.Keys, web.Certificate{IK: c.IK, Own: c.Own, NotAfter: c.NotAfter.In(f.Zone)})
	}
	return out, nil
}

// local keeps the zero time, which has no zone.
func local(t time.Time, zone *time.Location) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(zone)
}
