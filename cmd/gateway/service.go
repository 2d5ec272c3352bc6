package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"gateway301/annex"
	"gateway301/channels/dropserver"
	"gateway301/exchange"
	"gateway301/web"
)

func newRunCommand() *cobra.Command {
	var file string
	var once bool
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway",
		Long: `Run the gateway until it is told to stop. The first SIGTERM or SIGINT lets the
files in hand be finished, the second leaves at once; a restart resumes either way.

With --once it works until nothing is due, every outbox was looked at and every
partner asked, then ends: 0 when all is well, 6 when something became held or
rejected, or a partner was stopped.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c.Context(), file, once, c.ErrOrStderr())
		},
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&once, "once", false, "work until nothing is due, then end")
	return c
}

// configFlag adds the flag that every command has that reads a gateway's data.
func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "config", "c", "gateway.yaml", "configuration file")
}

func serve(ctx context.Context, file string, once bool, errOut io.Writer) error {
	cfg, err := load(file, errOut)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, err := assemble(ctx, cfg, newLog(errOut))
	if err != nil {
		return err
	}
	defer g.close()
	defer signals(g.stop, cancel)()
	if err := g.clean(ctx); err != nil {
		return err
	}
	if once {
		before, err := g.quarantined(ctx)
		if err != nil {
			return err
		}
		if err := g.pipeline.Once(ctx); err != nil {
			return err
		}
		if err := g.lookAround(ctx); err != nil {
			g.log.Error().Err(err).Msg("an alarm could not be told, trying again in the next run")
		}
		after, err := g.quarantined(ctx)
		if err != nil {
			return err
		}
		stops, err := g.ledger.Stopped(ctx)
		if err != nil {
			return err
		}
		if n := g.pipeline.Troubles() + after - before + len(stops); n > 0 {
			return codeError{exitPartly, fmt.Sprintf("%d held, rejected, quarantined or stopped in this run; see 'gateway queue list -c %s'", n, file)}
		}
		return nil
	}
	return g.run(ctx)
}

// quarantined counts the files that were not taken into work.
func (g *gateway) quarantined(ctx context.Context) (int, error) {
	sum, err := g.ledger.Sum(ctx, exchange.Out)
	return sum[exchange.Quarantined], err
}

// run is the service: pipeline, drop server and watchdog, until stopped.
func (g *gateway) run(ctx context.Context) error {
	listener, err := g.listen()
	if err != nil {
		return err
	}
	var page net.Listener
	if g.file.Web != nil {
		if page, err = net.Listen("tcp", g.file.Web.Listen); err != nil {
			return err
		}
	}
	g.pipeline.Started = func() {
		line := g.log.Info().Str("version", version).Str("config", shortHash(g.file)).Int("outboxes", len(g.file.Outboxes)).Int("partners", len(g.file.Partners))
		if listener != nil {
			line = line.Str("listen", address(listener))
		}
		if page != nil {
			line = line.Str("web", address(page))
		}
		line.Msg("gateway runs")
		notify(daemon.SdNotifyReady)
	}
	defer func() { g.log.Info().Msg("gateway has stopped") }()
	work, done := context.WithCancel(ctx)
	group, work := errgroup.WithContext(work)
	if g.server != nil {
		group.Go(func() error { return ignoreCancel(g.server.Serve(work, listener)) })
	}
	group.Go(func() error { return ignoreCancel(g.watchdog(work)) })
	group.Go(func() error { return ignoreCancel(g.alarms(work)) })
	if page != nil {
		group.Go(func() error { return web.Serve(work, page, &shownOverHTTP{g, time.Now()}) })
	}
	group.Go(func() error { return ignoreCancel(g.ledger.Watch(work, g.wake)) })
	g.start(work, group, g.pipeline, func() {
		notify(daemon.SdNotifyStopping)
		done()
	})
	group.Go(func() error { return ignoreCancel(g.watchConfig(work)) })
	group.Go(func() error { return ignoreCancel(g.control(work)) })
	return group.Wait()
}

func ignoreCancel(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func notify(state string) { daemon.SdNotify(false, state) }

// watchdog tells systemd that we live as long as the ledger answers.
func (g *gateway) watchdog(ctx context.Context) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return err
	}
	tick := time.NewTicker(every / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			asked, cancel := context.WithTimeout(ctx, every/3)
			if _, err := g.ledger.NextDue(asked, time.Now()); err == nil {
				notify(daemon.SdNotifyWatchdog)
			}
			cancel()
		}
	}
}

// newLog writes for people on a terminal and JSON everywhere else.
func newLog(w io.Writer) zerolog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		w = zerolog.ConsoleWriter{Out: f, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}
	}
	return zerolog.New(w).Level(zerolog.InfoLevel).With().Timestamp().Logger()
}

// audit writes one line for each thing that a partner does at the drop server.
func audit(log zerolog.Logger) func(dropserver.Event) {
	return func(e dropserver.Event) {
		line, name, to := log.Info(), transferNameOnly(e.Name), transferNameOnly(e.To)
		switch {
		case e.Err != nil && name == e.Name && to == e.To:
			line = log.Warn().Err(e.Err)
		case e.Err != nil: // the error may repeat the name
			line = log.Warn().Str("error", "not done")
		}
		line.Str("account", plainName(e.Account)).Str("remote", e.Remote).Str("action", string(e.Action))
		if e.Name != "" {
			line.Str("name", name)
		}
		if e.To != "" {
			line.Str("to", to)
		}
		if e.Bytes > 0 {
			line.Int64("bytes", e.Bytes)
		}
		if !e.Until.IsZero() {
			line.Time("until", e.Until)
		}
		line.Msg("drop server")
	}
}

// plainName hides what a stranger typed as an account if it is not the kind of
// name that accounts have: people type passwords there.
func plainName(account string) string {
	if len(account) > 64 || strings.ContainsFunc(account, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_')
	}) {
		return "(another name)"
	}
	return account
}

// transferNameOnly hides every name that a partner chose freely: it may hold
// anything. Transfer names, and temporary names made from them, are shown.
func transferNameOnly(name string) string {
	if name == "" {
		return ""
	}
	base := strings.TrimPrefix(path.Base(name), ".")
	for _, suffix := range []string{".tmp", ".part", ".filepart"} {
		base = strings.TrimSuffix(base, suffix)
	}
	if _, _, _, ok := annex.ParseTransferName(base); ok || base == "in" || base == "out" || base == "/" {
		return name
	}
	return "(another name)"
}

// address names where a listener listens.
func address(l net.Listener) string { return l.Addr().String() }
