package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"gateway301/alert"
	"gateway301/annex"
	"gateway301/channels/dropserver"
	"gateway301/channels/folder"
	"gateway301/channels/sftp"
	"gateway301/config"
	"gateway301/exchange"
	"gateway301/intake"
	"gateway301/pipeline"
	"gateway301/store"
)

// A gateway is everything that one configuration brings to life.
type gateway struct {
	file     *config.File
	ledger   *store.Ledger
	spool    *store.Spool
	pipeline *pipeline.Pipeline
	server   *dropserver.Server // nil: none
	watched  watched
	attempts attempts
	started  time.Time
	node     string // among several
	log      zerolog.Logger
	reloads
}

// watched is what belongs to one configuration and is looked at from outside the
// pipeline.
type watched struct {
	file    *config.File
	ring    *ring
	intakes map[string]*intake.Intake // by outbox
	senders []alert.Sender
}

// load reads a configuration and prints its problems. Those that a ledger with
// history answers are left out.
func load(path string, warn io.Writer) (*config.File, error) {
	file, problems, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	for _, p := range withHistory(file, problems) {
		fmt.Fprintln(warn, p)
	}
	return file, nil
}

// readConfig reads a configuration that must be usable.
func readConfig(path string) (*config.File, config.Problems, error) {
	file, problems, err := config.Load(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", config.ErrInvalid, err)
	}
	return file, problems, problems.Err()
}

// withHistory drops the question for a first transfer number where the ledger
// knows the last one.
func withHistory(file *config.File, problems config.Problems) config.Problems {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ledger, err := openReading(ctx, file)
	if err != nil {
		return problems
	}
	defer ledger.Close()
	return problems.Without(func(p config.Problem) bool {
		if p.Code != config.CodeFirstNumber {
			return false
		}
		known, err := ledger.HasHistory(ctx, p.Subject)
		return err == nil && known
	})
}

// parts are what a configuration's files make: keys, channels, server, checks.
type parts struct {
	ring     *ring
	partners []pipeline.Partner
	server   *dropserver.Server
	checks   func() ([]annex.MessageCheck, error)
	tables   *annex.Tables
	senders  []alert.Sender
}

// newParts reads every key, certificate and list that the configuration names,
// and returns all that is wrong with them.
func newParts(file *config.File, log zerolog.Logger) (p parts, faults []error) {
	note := func(err error) {
		if err == nil {
			return
		}
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			faults = append(faults, several.Unwrap()...)
			return
		}
		faults = append(faults, err)
	}
	var err error
	p.ring, err = newRing(file)
	note(err)
	p.partners, err = newPartners(file)
	note(err)
	p.server, err = newServer(file, log)
	note(err)
	p.checks, err = newChecks(file)
	note(err)
	p.tables, err = loadTables(file.Checks.Tables)
	note(err)
	p.senders, err = newSenders(file.Alerts)
	note(err)
	return p, faults
}

// assemble opens the ledger and puts all parts together. Everything that is
// wrong with keys, certificates and folders is reported at once.
func assemble(ctx context.Context, file *config.File, log zerolog.Logger) (*gateway, error) {
	g := &gateway{file: file, log: log, started: time.Now()}
	p, faults := newParts(file, log)
	if len(faults) > 0 {
		return nil, fmt.Errorf("%w: %s: %w", config.ErrInvalid, file.Path, errors.Join(faults...))
	}
	var err error
	if g.ledger, err = openService(ctx, file); err != nil {
		return nil, err
	}
	if g.spool, err = store.OpenSpool(file.Spool); err != nil {
		return nil, errors.Join(err, g.ledger.Close())
	}
	g.server = p.server
	s, w, err := g.settings(file, p)
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	g.watched = w
	g.pipeline = pipeline.New(s)
	return g, nil
}

// settings are those of a pipeline for a configuration, on the ledger and spool at hand.
func (g *gateway) settings(file *config.File, p parts) (pipeline.Settings, watched, error) {
	log := g.log
	w := watched{file: file, ring: p.ring, senders: p.senders, intakes: map[string]*intake.Intake{}}
	s := pipeline.Settings{
		Ledger: g.ledger, Spool: g.spool, Keys: p.ring, Endings: p.ring.endings(file), Outboxes: map[string]pipeline.Outbox{},
		Partners: p.partners, Routes: file.Routes, Mandates: file.SpeaksFor,
		Checks: p.checks, Tables: p.tables, Location: file.TimeZone, Log: log,
		Known: knownReceiving(file), Shared: file.Shared(), LeaseFor: file.Takeover,
	}
	if s.Shared {
		s.Node = nodeName()
		g.node = s.Node
	}
	ledger := turns{g.ledger, s.Shared, s.Node}
	for _, id := range file.Identities {
		s.Identities = append(s.Identities, pipeline.Identity{IK: id.IK, Inbox: id.Inbox})
	}
	warnOfShares(file, log)
	for _, box := range file.Outboxes {
		in, err := newIntake(g, file, box, ledger)
		if err != nil {
			return s, w, err
		}
		s.Intakes = append(s.Intakes, in)
		w.intakes[box.Name] = in
		s.Outboxes[box.Name] = pipeline.Outbox{Owner: box.Owner, Physical: box.Physical}
	}
	s.Moved = g.attempts.moved
	return s, w, nil
}

func (g *gateway) close() error {
	var errs []error
	if g.pipeline != nil {
		errs = append(errs, g.pipeline.Close())
	}
	return errors.Join(append(errs, g.spool.Close(), g.ledger.Close())...)
}

func newPartners(file *config.File) ([]pipeline.Partner, error) {
	var out []pipeline.Partner
	var wrong []error
	overall := sftp.NewOverall(file.Transfers)
	for _, p := range file.Partners {
		channel, credential, err := newChannel(p, overall)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("partner %s: %w", p.Name, err))
			continue
		}
		procedure, err := annex.ProcedureProfile(p.Procedure)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("partner %s: %w", p.Name, err))
			continue
		}
		out = append(out, pipeline.Partner{
			OpenPGP: len(p.PGP) > 0,
			Partner: p.Partner, Channel: channel, Credential: credential,
			Window: p.Window, Grace: p.Grace,
			Collects: p.Collected(), Collect: p.Collect, CollectEvery: p.CollectEvery, IncompleteAfter: p.IncompleteAfter,
			Retry: p.Retry, AcceptCodes: p.AcceptCodes, HintCodes: p.HintCodes, AnswerProfile: p.AnswerProfile,
			Codes: p.Codes, Severities: p.Severities, Charset: p.Charset, Procedure: procedure,
		})
	}
	return out, errors.Join(wrong...)
}

func newServer(file *config.File, log zerolog.Logger) (*dropserver.Server, error) {
	if file.Server == nil {
		return nil, nil
	}
	s, err := serverSettings(file, log)
	if err != nil {
		return nil, err
	}
	return dropserver.New(s)
}

// serverSettings are those of the drop server, with its host keys read; also for
// its Reload.
func serverSettings(file *config.File, log zerolog.Logger) (dropserver.Settings, error) {
	from := file.Server
	s := dropserver.Settings{
		Audit: audit(log), Banner: from.Banner, Floor: file.DiskFloor,
		MaxConnections: from.Limits.Connections, MaxPerAccount: from.Limits.PerAccount, MaxWaiting: from.Limits.Waiting,
		MaxLoginTries: from.Limits.LoginTries, MaxHandles: from.Limits.OpenFiles,
		LoginTime: from.Limits.LoginTime, IdleTime: from.Limits.IdleTime, DrainTime: from.Limits.DrainTime,
		Failures: dropserver.Failures(from.Failures),
	}
	var wrong []error
	for _, secret := range from.HostKeys {
		key, err := loginKey(secret, config.Secret{})
		if err != nil {
			wrong = append(wrong, fmt.Errorf("server: %w", err))
			continue
		}
		s.HostKeys = append(s.HostKeys, key)
	}
	for _, a := range from.Accounts {
		s.Accounts = append(s.Accounts, dropserver.Account{
			Name: a.Name, Keys: a.Keys, Networks: a.Networks, From: a.From, Until: a.Until,
			Root: filepath.Join(from.Root, a.Name), In: a.In, Out: a.Out,
			Quota: a.Quota, Rate: a.Rate, ReadBack: a.ReadBack,
		})
	}
	return s, errors.Join(wrong...)
}

// newChecks makes the payer's own checks. The list is read afresh for each
// file, so that an update counts at once.
func newChecks(file *config.File) (func() ([]annex.MessageCheck, error), error) {
	if !file.Checks.Stage4() {
		return nil, nil
	}
	read := func() (checks []annex.MessageCheck, err error) {
		if path := file.Checks.InsuredList; path != "" {
			f, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			list, err := annex.LoadInsured(f)
			if err != nil {
				return nil, fmt.Errorf("insured-list: %w", err)
			}
			checks = append(checks, list)
		}
		if path := file.Checks.Hook; path != "" {
			checks = append(checks, annex.Hook{Path: path, Timeout: file.Checks.HookTimeout})
		}
		return checks, nil
	}
	_, err := read()
	return read, err
}

// turns makes whoever takes files over ask for its turn, where others may have it.
type turns struct {
	*store.Ledger
	shared bool
	node   string
}

// Take is [intake.Ledger].Take.
func (t turns) Take(ctx context.Context, d exchange.Delivery, by exchange.Happening, text string) (exchange.Delivery, error) {
	if !t.shared {
		return t.Ledger.Take(ctx, d, by, text)
	}
	return t.TakeInTurn(ctx, exchange.Turn{Name: pipeline.IntakeTurn(d.Account), Node: t.node}, d, by, text)
}

func newIntake(g *gateway, file *config.File, box config.Outbox, ledger intake.Ledger) (*intake.Intake, error) {
	watch := folder.Watch{Share: box.Share}
	kind, network, _ := folder.Network(box.Path) // one that is not there yet will be ours
	if network {
		onNetwork(g.log, kind, box.Share).Str("outbox", box.Name).Stringer("every", box.Every).
			Msg("the outbox lies on a network mount: no file events, only the looks at it")
	}
	return intake.New(intake.Outbox{
		Right: func() error { return watch.Check(box.Path) }, Polled: network || box.Share,
		Name: box.Name, Path: box.Path, Owner: box.Owner, Physical: box.Physical, Mode: box.Mode,
		Marker: box.Marker, Looks: box.Looks, Every: box.Every, MaxSize: box.MaxSize,
		Ignore: box.Ignore, Quarantine: box.Quarantine, Floor: file.DiskFloor,
	}, g.spool, ledger, g.log)
}

// onNetwork begins a line about a folder on a network mount. What guards against
// its absence at the start must be set by hand.
func onNetwork(log zerolog.Logger, kind string, guarded bool) *zerolog.Event {
	line := log.Warn().Str("mount", kind)
	if !guarded {
		line = line.Str("advice", "set share: true, so that an empty folder is never taken for it while it is not mounted")
	}
	return line
}

// warnOfShares names the partners whose folders lie on network mounts.
func warnOfShares(file *config.File, log zerolog.Logger) {
	for _, p := range file.Partners {
		if p.Folder == nil {
			continue
		}
		for side, dir := range map[string]string{"put": p.Folder.Put, "get": p.Folder.Get} {
			if kind, network, _ := folder.Network(dir); network {
				onNetwork(log, kind, p.Folder.Share || p.Folder.Marker != "").Str("partner", p.Name).Str("folder", side).
					Msg("the partner's folder lies on a network mount; NFS and SMB are unproven")
			}
		}
	}
}

// listen opens the server's port.
func (g *gateway) listen() (net.Listener, error) {
	if g.server == nil {
		return nil, nil
	}
	return net.Listen("tcp", g.file.Server.Listen)
}

// errForeignSpool is a spool that belongs to another ledger.
var errForeignSpool = errors.New("the spool holds deliveries that the ledger does not know")

// clean sets aside what a crash left in the spool without a row: at most one
// folder for each outbox and partner. More than that means that ledger and spool
// do not belong together, and nothing is touched.
func (g *gateway) clean(ctx context.Context) error {
	tokens, err := g.spool.Tokens()
	if err != nil {
		return err
	}
	var unknown []string
	for _, token := range tokens {
		known, err := g.ledger.HasIntake(ctx, token)
		if err != nil {
			return err
		}
		if !known && (!g.file.Shared() || !fresh(token, time.Now())) {
			unknown = append(unknown, token)
		}
	}
	if len(unknown) > len(g.file.Outboxes)+len(g.file.Partners) {
		return fmt.Errorf("%w: %d of %d in %s, by %s; is it the ledger that belongs to this spool, and not an older copy?",
			errForeignSpool, len(unknown), len(tokens), g.file.Spool, g.file.Ledger)
	}
	for _, token := range unknown {
		g.log.Warn().Str("intake", token).Msg("left by a crash before its row was written; its original was not removed; set aside in the spool's folder orphans")
		if err := g.spool.SetAside(token); err != nil {
			return err
		}
	}
	return nil
}
