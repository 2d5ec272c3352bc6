package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gateway301/config"
	"gateway301/pipeline"
)

// reloads is what the service knows of its configurations: the active one and those
// whose last transfers are under way.
type reloads struct {
	one sync.Mutex // a reload at a time

	mu      sync.Mutex
	begin   func(*pipeline.Pipeline)
	running map[*pipeline.Pipeline]bool
	stopped bool
	since   time.Time
	count   int
	refused string // why the last reload was refused; empty: it was not
}

// shortHash names a configuration in log lines.
func shortHash(f *config.File) string { return f.Hash[:min(12, len(f.Hash))] }

// stop lets the files in hand be finished, in every configuration.
func (g *gateway) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	g.pipeline.Stop()
	for p := range g.running {
		p.Stop()
	}
}

// start runs a pipeline, and those that succeed it; done is called when none runs
// any more.
func (g *gateway) start(ctx context.Context, group *errgroup.Group, first *pipeline.Pipeline, done func()) {
	g.running, g.since = map[*pipeline.Pipeline]bool{}, time.Now()
	g.begin = func(p *pipeline.Pipeline) { // with mu held
		g.running[p] = true
		group.Go(func() error {
			err := p.Run(ctx)
			g.mu.Lock()
			defer g.mu.Unlock()
			delete(g.running, p)
			if p != g.pipeline { // the last one is closed with all else
				err = errors.Join(err, p.Close())
			}
			if len(g.running) == 0 || err != nil {
				done()
			}
			return err
		})
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begin(first)
}

// errRestart is a change that a running service cannot take up.
var errRestart = errors.New("takes effect only when the service is restarted")

// reload reads the configuration anew and lets it succeed the active one: all of it or
// nothing. Transfers under way end under the old one.
func (g *gateway) reload(why string) error {
	g.one.Lock()
	defer g.one.Unlock()
	notify(reloading())
	defer notify(daemon.SdNotifyReady)
	file, err := g.succeed()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.refused = err.Error()
		for _, line := range strings.Split(err.Error(), "\n") {
			g.log.Error().Str("reason", line).Msg("configuration not reloaded")
		}
		g.log.Error().Str("because", why).Str("config", shortHash(g.file)).Msg("the configuration as it was stays active")
		return err
	}
	g.file, g.refused, g.since = file, "", time.Now()
	g.count++
	g.log.Info().Str("because", why).Str("config", shortHash(file)).Int("outboxes", len(file.Outboxes)).Int("partners", len(file.Partners)).Msg("configuration reloaded")
	return nil
}

// reloading is what systemd is told.
func reloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return daemon.SdNotifyReloading
	}
	return fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000)
}

func (g *gateway) succeed() (*config.File, error) {
	file, _, err := readConfig(g.file.Path)
	if err != nil {
		return nil, err
	}
	if err := fixed(g.file, file); err != nil {
		return nil, fmt.Errorf("%s: %w", file.Path, err)
	}
	p, faults := newParts(file, g.log)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s, w, err := g.settings(file, p)
	if err != nil {
		return nil, err
	}
	if g.server != nil {
		settings, err := serverSettings(file, g.log)
		if err != nil {
			return nil, err
		}
		if err := g.server.Reload(settings); err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return nil, errors.New("the service is stopping")
	}
	old := g.pipeline
	s.After = old
	g.pipeline, g.watched = pipeline.New(s), w
	g.begin(g.pipeline)
	old.Stop()
	return file, nil
}

// fixed finds settings that a running service cannot change.
func fixed(old, next *config.File) error {
	var changed []string
	for key, same := range map[string]bool{
		"ledger": old.Ledger == next.Ledger, "store": old.Store == next.Store, "dsn": old.DSN == next.DSN, "takeover-after": old.Takeover == next.Takeover, "spool": old.Spool == next.Spool,
		"server":        (old.Server == nil) == (next.Server == nil),
		"web":           (old.Web == nil) == (next.Web == nil) && (old.Web == nil || *old.Web == *next.Web),
		"server.listen": old.Server == nil || next.Server == nil || old.Server.Listen == next.Server.Listen,
	} {
		if !same {
			changed = append(changed, key)
		}
	}
	if changed != nil {
		return fmt.Errorf("a change of %s %w", strings.Join(changed, ", "), errRestart)
	}
	return nil
}

// lookEvery is the pause between two looks at the configuration's files. A changed file
// is read when the second look finds it as the first did: an editor may write in two steps.
const lookEvery = 2 * time.Second

// watchConfig reloads on SIGHUP, and when files of the configuration have changed.
func (g *gateway) watchConfig(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	active, _ := g.active().Look()
	before, told := active, ""
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hup:
			g.reload("SIGHUP") // says itself what is wrong
			active, _ = g.active().Look()
			before = active
		case <-tick.C:
			file := g.active()
			now, err := file.Look()
			steady := err == nil && now == before
			before = now
			if !file.Reload || !steady || now == active || now == told {
				continue
			}
			told = now // once for each state of the files
			if next, _, err := readConfig(file.Path); err == nil {
				if next.Hash == file.Hash {
					active = now
					continue
				}
				if len(next.Unended) > 0 {
					g.log.Error().Strs("files", next.Unended).Msg("configuration not reloaded: does not end in a line end; was it saved completely? 'gateway reload' takes it as it is")
					continue
				}
			}
			if g.reload("files changed") == nil {
				active, _ = g.active().Look()
			}
		}
	}
}

// wake tells the pipeline that something changed in the ledger without it.
func (g *gateway) wake() {
	g.mu.Lock()
	p := g.pipeline
	g.mu.Unlock()
	p.Wake()
}

// active is the configuration in force.
func (g *gateway) active() *config.File {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.file
}

// A request over the local socket is one line of JSON, and so is its reply.
type request struct {
	Do string `json:"do"` // status, reload
}

// A reply is the stable JSON form of gateway status.
type reply struct {
	Version   string    `json:"version,omitempty"`
	PID       int       `json:"pid,omitempty"`
	Config    string    `json:"config,omitempty"` // path of the main file
	Hash      string    `json:"hash,omitempty"`   // of the active configuration
	Since     time.Time `json:"since,omitzero"`   // when it became active
	Reloads   int       `json:"reloads"`
	Finishing int       `json:"finishing"`         // older configurations with transfers under way
	Refused   string    `json:"refused,omitempty"` // why the last reload was refused
	Error     string    `json:"error,omitempty"`
}

// socketPath is where the service listens to commands on this machine.
func socketPath(f *config.File) string { return f.Spool + ".sock" }

// shortSocket gives a name for a socket that fits into its 107 bytes.
func shortSocket(path string, do func(name string) error) error {
	if len(path) < 100 {
		return do(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// control answers commands on a local socket. Whoever may write there may ask: its owner
// and group, as far as the folder lets them in. The ledger's lock keeps a second
// service from taking the socket away.
func (g *gateway) control(ctx context.Context) error {
	path := socketPath(g.active())
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.log.Warn().Err(err).Msg("no local socket: 'gateway reload' and 'gateway status' will not reach the service, SIGHUP does")
		return nil
	}
	var l net.Listener
	err := shortSocket(path, func(name string) (err error) {
		if l, err = net.Listen("unix", name); err == nil {
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			err = os.Chmod(path, 0o660)
		}
		return err
	})
	if err != nil {
		g.log.Warn().Err(err).Msg("no local socket: 'gateway reload' and 'gateway status' will not reach the service, SIGHUP does")
		return nil
	}
	defer os.Remove(path)
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			return ctx.Err()
		}
		go g.answer(c)
	}
}

func (g *gateway) answer(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	var q request
	if err := json.NewDecoder(bufio.NewReader(c)).Decode(&q); err != nil {
		return
	}
	failed := ""
	switch q.Do {
	case "status":
	case "reload":
		if err := g.reload("gateway reload"); err != nil {
			failed = err.Error()
		}
	default:
		failed = "unknown request"
	}
	g.mu.Lock()
	r := reply{version, os.Getpid(), g.file.Path, g.file.Hash, g.since, g.count, max(0, len(g.running)-1), g.refused, failed}
	g.mu.Unlock()
	writeJSONLine(c, r)
}

// errNoService: nobody answers on the local socket.
var errNoService = errors.New("the service is not reachable; is it running, and may you write to its socket?")

// ask sends a request to the service of a configuration.
func ask(file *config.File, do string) (r reply, err error) {
	err = shortSocket(socketPath(file), func(name string) error {
		c, err := net.DialTimeout("unix", name, 5*time.Second)
		if err != nil {
			return fmt.Errorf("%s: %w", socketPath(file), errNoService)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		if err := writeJSONLine(c, request{do}); err != nil {
			return err
		}
		return json.NewDecoder(c).Decode(&r)
	})
	return r, err
}

func newReloadCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "reload",
		Short: "Let the running service take up its changed configuration, keys and certificates",
		Long: `Let the running service read its configuration, keys and certificates anew. It takes up
all of it or nothing: a mistake leaves the old configuration active. Transfers under way
end under the old one. (SIGHUP does the same; changed YAML files are taken up by themselves
unless the configuration says reload: by-hand.)
Exit code 0 when the new one is active, 3 when it cannot be used, 5 when no service answers.
With --json: the object that 'gateway status --json' prints, error when it was refused.`,
		Args: cobra.NoArgs,
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, _, err := readConfig(file)
		if err != nil {
			return err
		}
		r, err := ask(cfg, "reload")
		if err != nil {
			return err
		}
		if asJSON {
			if err := writeJSON(c.OutOrStdout(), r); err != nil {
				return err
			}
		}
		switch {
		case r.Error != "":
			return codeError{exitConfig, fmt.Sprintf(words(c, "nicht übernommen, die bisherige Konfiguration gilt weiter:\n%s", "refused, the configuration as it was stays active:\n%s"), r.Error)}
		case !asJSON:
			fmt.Fprintf(c.OutOrStdout(), words(c, "übernommen: %.12s\n", "reloaded: %.12s\n"), r.Hash)
		}
		return nil
	}
	return c
}

// serviceLines tells of the running service.
func serviceLines(c *cobra.Command, cfg *config.File, r reply) {
	w := c.OutOrStdout()
	line := func(de, en string, v any) { fmt.Fprintf(w, "%-24s %v\n", words(c, de, en), v) }
	line("läuft", "running", fmt.Sprintf("%s, PID %d", r.Version, r.PID))
	line("Konfiguration", "configuration", r.Config)
	line("aktiv", "active", fmt.Sprintf("%.12s %s %s", r.Hash, words(c, "seit", "since"), moment(r.Since, cfg.TimeZone)))
	if cfg.Hash != r.Hash {
		line("auf der Platte", "on disk", fmt.Sprintf("%.12s, %s", cfg.Hash, words(c, "noch nicht übernommen", "not taken up yet")))
	}
	if r.Finishing > 0 {
		line("laufen noch aus", "still finishing", r.Finishing)
	}
	if r.Refused != "" {
		line("zuletzt abgelehnt", "last refused", strings.ReplaceAll(printable(r.Refused), "\n", "\n"+strings.Repeat(" ", 25)))
	}
}
