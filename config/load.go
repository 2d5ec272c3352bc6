package config

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"gateway301/annex"
	"gateway301/exchange"
	"gateway301/schedule"
)

// Load reads and checks the configuration at path. The error is not nil only if
// the file cannot be read. Problems tells everything that is wrong or doubtful;
// unless [Problems.Err] is nil, the File is nil.
//
// Load looks at the files that the configuration names (are they there, who may
// read them) but reads none of them, except known-hosts.
func Load(path string) (*File, Problems, error) {
	data, info, err := readWhole(path)
	if err != nil {
		return nil, nil, err
	}
	file, problems, err := Parse(path, data)
	if open := openToAll(info, path); open != nil {
		file, problems = nil, slices.Insert(problems, 0, *open)
	}
	return file, problems, err
}

// Parse is [Load] with the content of the main file at hand; path names it in problems
// and is where relative paths start. The error is not nil only if the working
// folder is needed and unknown.
func Parse(path string, data []byte) (*File, Problems, error) {
	r, err := newReader(path)
	if err != nil {
		return nil, nil, err
	}
	main := r.add(path, data)
	if main.root == nil {
		r.excerpts()
		return nil, r.problems, nil
	}
	r.root = main.root
	r.include()
	f := r.read()
	for _, s := range r.sources {
		if len(s.data) > 0 && s.data[len(s.data)-1] != '\n' && s.data[len(s.data)-1] != '\r' {
			f.Unended = append(f.Unended, s.name)
		}
	}
	f.Path, f.Hash = filepath.Join(r.dir, filepath.Base(path)), r.hash()
	r.check(f)
	r.problems.sort()
	r.excerpts()
	if r.problems.Err() != nil {
		return nil, r.problems, nil
	}
	return f, r.problems, nil
}

// newReader begins to read the configuration at path.
func newReader(path string) (*reader, error) {
	abs, err := filepath.Abs(path)
	return &reader{
		file: path, dir: filepath.Dir(abs), limit: aliasVisits, now: time.Now(),
		stats: map[string]stat{}, profiles: map[string]profile{}, broken: map[int]bool{},
	}, err
}

// Defaults of the dialect.
const (
	defaultLedger    = "ledger.db"
	defaultSpool     = "spool"
	defaultZone      = "Europe/Berlin"
	defaultFloor     = 256 << 20
	defaultLooks     = 3
	defaultEvery     = 2 * time.Second
	defaultMaxSize   = 4 << 30
	defaultConnect   = 20 * time.Second
	defaultStall     = time.Minute
	defaultGrace     = 15 * time.Minute
	defaultCollect   = 5 * time.Minute
	defaultIncompl   = time.Hour
	defaultPeriod    = 14 * 24 * time.Hour
	defaultProfile   = "gateway301"
	defaultProcedure = "krh"
	defaultHook      = 10 * time.Second
	defaultTakeover  = time.Minute
	defaultRepeats   = 90 * 24 * time.Hour
	longestDuration  = 3650 * 24 * time.Hour
	shortestDuration = 10 * time.Millisecond
)

// defaultIgnore lists the suffixes of unfinished files.
func defaultIgnore() []string { return []string{".tmp", ".part", ".filepart", ".swp", "~"} }

// read turns the document into a File, section by section.
func (r *reader) read() *File {
	top := r.section(r.root, "")
	f := &File{
		Ledger:    top.location("ledger", defaultLedger),
		Store:     Store(top.choice("store", string(StoreSQLite), string(StoreSQLite), string(StorePostgres))),
		DSN:       top.secret("dsn"),
		Takeover:  top.duration("takeover-after", defaultTakeover, time.Second, time.Hour),
		Spool:     top.location("spool", defaultSpool),
		TimeZone:  top.zone("time-zone"),
		DiskFloor: top.size("disk-floor", defaultFloor, 0),
		Transfers: top.transfers(),
		Include:   top.location("include", ""),
		Reload:    top.choice("reload", "on-change", "on-change", "by-hand") == "on-change",
	}
	top.missing("identities", "the gateway needs an IK of its own, with key and certificate")
	top.rows("identities", func(s *section) { f.Identities = append(f.Identities, s.identity()) })
	if s := top.below("trust"); s != nil {
		f.Trust.Roots = s.texts("roots", "a file", false, r.readFile)
		f.Trust.Certificates = s.texts("certificates", "a file or folder", false, r.readFileOrFolder)
		f.Trust.CRLs = s.texts("crls", "a file", true, r.readFile)
		s.rows("exceptions", func(b *section) { f.Trust.Exceptions = append(f.Trust.Exceptions, b.exception(f.TimeZone)) })
		s.done()
	}
	f.Checks.HookTimeout = defaultHook
	if s := top.below("checks"); s != nil {
		f.Checks.InsuredList = s.file("insured-list")
		f.Checks.Hook = s.program("hook")
		f.Checks.HookTimeout = s.duration("hook-timeout", defaultHook, shortestDuration, time.Hour)
		f.Checks.Tables = s.folder("tables")
		if f.Checks.Hook == "" && s.has("hook-timeout") {
			r.warn(CodeNoEffect, "checks.hook-timeout", "has no effect: there is no hook", "")
		}
		s.done()
	}
	r.loadRules(f.Checks)
	top.rows("outboxes", func(s *section) { f.Outboxes = append(f.Outboxes, s.outbox(f)) })
	top.rows("partners", func(s *section) { f.Partners = append(f.Partners, s.partner(f.TimeZone)) })
	top.rows("routes", func(s *section) {
		before := len(r.problems)
		f.Routes = append(f.Routes, s.route(len(f.Routes)+1, f.TimeZone))
		r.broken[len(f.Routes)-1] = !s.sound || len(r.problems) > before
	})
	top.rows("speaks-for", func(s *section) { f.SpeaksFor = append(f.SpeaksFor, s.mandate(f.TimeZone)) })
	if s := top.below("server"); s != nil {
		f.Server = s.server(f.TimeZone)
		s.done()
	}
	if s := top.below("web"); s != nil {
		f.Web = s.web()
		s.done()
	}
	s := top.below("alerts")
	f.Alerts = s.alerts()
	if s != nil {
		s.done()
	}
	top.done()
	return f
}

// zone reads a time zone. "Local" would depend on the machine.
func (s *section) zone(key string) *time.Location {
	name := s.text(key, defaultZone)
	loc, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		if name != "" {
			s.r.fault(CodeValue, s.sub(key), fmt.Sprintf("unknown time zone %q", clip(name)), "write a name such as Europe/Berlin")
		}
		return time.UTC
	}
	return loc
}

func (s *section) identity() Identity {
	s.missing("ik", "")
	i := Identity{IK: s.ik("ik", ""), Name: s.text("name", "")}
	i.Keys = []Key{s.key()}
	s.rows("also", func(b *section) { i.Keys = append(i.Keys, b.key()) })
	i.OwnCopy = s.flag("own-copy", false)
	i.Inbox = s.location("inbox", "")
	s.rows("pgp-keys", func(b *section) {
		b.missing("key", "write file:PATH, env:NAME or credential:NAME")
		i.PGP = append(i.PGP, Key{Key: b.secret("key"), Password: b.secret("key-password")})
	})
	return i
}

// key reads a private key and where its certificate is.
func (s *section) key() Key {
	s.missing("key", "write file:PATH, env:NAME or credential:NAME")
	k := Key{Key: s.secret("key"), Password: s.secret("key-password")}
	if s.r.describe == nil && !strings.HasSuffix(k.Key.name, ".p12") && !strings.HasSuffix(k.Key.name, ".pfx") {
		s.missing("certificate", "the file of the certificate that belongs to the key")
	}
	k.Certificate = s.file("certificate")
	return k
}

// exception reads a row of trust.exceptions. What weakens needs a reason and an
// end, and is told of each time.
func (s *section) exception(loc *time.Location) Exception {
	s.missing("ik", "the IK of whoever reads or signs, as in the certificate")
	e := Exception{IK: s.ik("ik", ""), Certificate: s.file("certificate"), ShortKey: s.flag("short-key", false)}
	e.Write = WritingProfile(s.choice("write", string(WriteSECON), string(WriteSECON), string(WriteLegacyPKCS1)))
	for _, form := range s.choices("read", "an old form", string(OldKeyTransport), string(OldSignature), string(OldHashes)) {
		e.Read = append(e.Read, OldForm(form))
	}
	e.Reason = s.text("reason", "")
	e.Until = s.day("until", loc)
	weakens := s.has("short-key") || s.has("write") || s.has("read")
	switch {
	case e.Weak() && s.r.describe == nil:
		s.missing("reason", "say why weaker keys or algorithms are needed")
		s.missing("until", "say until when, as the first day on which it no longer holds")
		if e.Reason != "" && !e.Until.IsZero() {
			s.r.at(s.node, Warning, CodeWeak, s.path, fmt.Sprintf("weaker keys or algorithms for IK %s until %s: %s", e.IK, e.Until.Format(time.DateOnly), clip(e.Reason)), "")
		}
	case s.sound && !weakens && !s.has("certificate"):
		s.r.at(s.node, Warning, CodeNoEffect, s.path, "has no effect: it makes no exception", "")
	}
	return e
}

func (s *section) outbox(f *File) Outbox {
	o := Outbox{Name: s.name("name")}
	s.missing("path", "the folder in which the hospital system lays down files")
	o.Path = s.location("path", "")
	only := ""
	if len(f.Identities) == 1 {
		only = f.Identities[0].IK
	} else if s.r.describe == nil {
		s.missing("owner", "the IK of the hospital whose files these are")
	}
	o.Owner = s.ik("owner", only)
	o.Physical = s.ik("physical", o.Owner)
	o.Mode = s.mode()
	o.Marker = s.suffix("marker")
	o.Looks, _ = s.whole("looks", defaultLooks, 1, 1000)
	o.Every = s.duration("every", defaultEvery, shortestDuration, time.Hour)
	o.MaxSize = s.size("max-size", defaultMaxSize, 1)
	s.note(Field{Key: "ignore", Default: strings.Join(defaultIgnore(), " ")})
	o.Ignore = s.texts("ignore", "a suffix", true, s.r.readSuffix)
	if !s.has("ignore") {
		o.Ignore = defaultIgnore()
	}
	quarantine := ""
	if s.r.describe == nil {
		quarantine = filepath.Join(filepath.Dir(f.Ledger), "quarantine", o.Name)
	}
	o.Share = s.flag("share", false)
	o.ExpectWithin = s.duration("expect-within", 0, 0, longestDuration)
	o.Quarantine = s.location("quarantine", quarantine)
	return o
}

func (s *section) mode() exchange.Mode {
	return exchange.Mode(s.choice("mode", "", string(exchange.Production), string(exchange.Test)))
}

// readSuffix reads the end of a file name.
func (r *reader) readSuffix(n *yaml.Node, path string) (string, bool) {
	v, ok := r.words(n, path)
	if ok && (filepath.Base(v) != v || v == "." || v == "..") {
		r.at(n, Error, CodeValue, path, fmt.Sprintf("%q is not the end of a file name", clip(v)), "write one such as .ok")
		return "", false
	}
	return v, ok
}

func (s *section) suffix(key string) string {
	s.note(Field{Key: key, Kind: KindText})
	n := s.take(key)
	if n == nil {
		return ""
	}
	v, _ := s.r.readSuffix(n, s.sub(key))
	return v
}

func (s *section) partner(loc *time.Location) Partner {
	p := Partner{Partner: exchange.Partner{Name: s.name("name")}}
	s.missing("ik", "the IK of the partner itself")
	p.IK = s.ik("ik", "")
	if b := s.below("sftp"); b != nil {
		p.SFTP = b.sftp(loc)
		b.done()
	}
	if b := s.below("folder"); b != nil {
		p.Folder = b.folders()
		b.done()
	}
	s.rows("pgp-keys", func(b *section) {
		p.PGP = append(p.PGP, PGPKey{IK: b.ik("ik", p.IK), Key: b.file("key"), SEIPDv2: b.flag("seipd-v2", false)})
		b.missing("key", "the file with the public key")
	})
	p.Window = s.window("window")
	p.Grace = s.duration("grace", defaultGrace, 0, 12*time.Hour)
	p.Collect = s.window("collect")
	p.CollectEvery = s.duration("collect-every", defaultCollect, shortestDuration, 24*time.Hour)
	p.SilentAfter = s.duration("silent-after", defaultSilent, time.Second, longestDuration)
	p.ExpectWithin = s.duration("expect-within", 0, 0, longestDuration)
	p.IncompleteAfter = s.duration("incomplete-after", defaultIncompl, time.Second, longestDuration)
	p.Answers = exchange.AnswerRule(s.choice("answers", string(exchange.AnswersErrorsOnly),
		string(exchange.AnswersNever), string(exchange.AnswersErrorsOnly), string(exchange.AnswersAlways)))
	p.AnswerPeriod = s.duration("answer-period", defaultPeriod, time.Second, longestDuration)
	if n, given := s.whole("first-number", 0, 0, 999); given {
		p.First, p.FirstNumber = &n, n
	}
	p.UniqueTime = s.choice("creation-time", "shared", "unique", "shared") == "unique"
	p.Order = exchange.Sequence(s.choice("order", string(exchange.OrderStrict), string(exchange.OrderStrict), string(exchange.OrderWarn), string(exchange.OrderOff)))
	p.OrderWait = s.duration("order-wait", 0, 0, longestDuration)
	p.OrderStop = s.choice("order-then", "release", "release", "stop") == "stop"
	p.NoRepeats = s.duration("repeats-within", defaultRepeats, 0, longestDuration)
	p.WhenVanished = exchange.Vanished(s.choice("when-vanished", string(exchange.VanishedOperator),
		string(exchange.VanishedOperator), string(exchange.VanishedResend)))
	p.Retry = schedule.Backoff{First: schedule.DefaultFirst, Max: schedule.DefaultMax, Attempts: schedule.DefaultAttempts}
	if b := s.below("retry"); b != nil {
		p.Retry.First = b.duration("first", schedule.DefaultFirst, shortestDuration, longestDuration)
		p.Retry.Max = b.duration("max", schedule.DefaultMax, shortestDuration, longestDuration)
		p.Retry.Attempts, _ = b.whole("attempts", schedule.DefaultAttempts, 1, 1_000_000)
		b.done()
	}
	p.Positive = s.flag("positive", false)
	p.PositiveCode = s.text("positive-code", "")
	p.AcceptCodes = s.texts("accept-codes", "a code", true, s.r.readCode)
	p.HintCodes = s.texts("hint-codes", "a code", true, s.r.readCode)
	s.profile(&p)
	s.judging(&p)
	return p
}

// judging reads how files to and from the partner are checked and packed.
func (s *section) judging(p *Partner) {
	p.OnFindings = [5]exchange.OnFindings{2: exchange.FindingsSend, 3: exchange.FindingsSend}
	if b := s.below("on-findings"); b != nil {
		if n := b.value["stage-1"]; n != nil {
			s.r.at(n, Error, CodeValue, b.sub("stage-1"), "errors of stage 1 always hold the file", "remove the key; single rules can be lowered under severities")
			b.keys = slices.DeleteFunc(b.keys, func(k *yaml.Node) bool { return k.Value == "stage-1" })
		}
		words := []string{string(exchange.FindingsSend), string(exchange.FindingsHold), string(exchange.FindingsSplit)}
		for stage := 2; stage <= 3; stage++ {
			p.OnFindings[stage] = exchange.OnFindings(b.choice(stageKey(stage), words[0], words...))
		}
		p.OnFindings[4] = exchange.OnFindings(b.choiceOrNone(stageKey(4), words...))
		b.done()
	}
	p.Reject = [5]exchange.Reject{1: exchange.RejectFile, 2: exchange.RejectMessage, 3: exchange.RejectMessage, 4: exchange.RejectMessage}
	if b := s.below("reject"); b != nil {
		for stage := 1; stage <= 4; stage++ {
			words := []string{string(exchange.RejectFile), string(exchange.RejectMessage), string(exchange.RejectNothing)}
			if stage == 1 {
				words = words[:2]
			}
			p.Reject[stage] = exchange.Reject(b.choice(stageKey(stage), string(p.Reject[stage]), words...))
		}
		b.done()
	}
	p.Severities = map[string]annex.Severity{}
	words := []string{string(annex.Error), string(annex.Warning), string(annex.Off)}
	s.pairs("severities", "rule codes", words, func(code, path string, n *yaml.Node) {
		if v, ok := s.r.words(n, path); ok && s.r.isRule(code, path) {
			if !slices.Contains(words, v) {
				s.r.at(n, Error, CodeValue, path, fmt.Sprintf("unknown value %q", clip(v)), s.r.meantOr(v, words))
				return
			}
			p.Severities[code] = annex.Severity(v)
		}
	})
	p.Codes = map[string]string{}
	s.pairs("codes", "rule codes", nil, func(code, path string, n *yaml.Node) {
		if v, ok := s.r.words(n, path); ok && s.r.isRule(code, path) {
			if room := s.r.profiles[p.AnswerProfile].CodeLength; room > 0 && utf8.RuneCountInString(v) > room {
				s.r.at(n, Error, CodeValue, path, fmt.Sprintf("%q has %d characters, answer profile %s has room for %d",
					clip(v), utf8.RuneCountInString(v), p.AnswerProfile, room), "")
				return
			}
			p.Codes[code] = v
		}
	})
	p.Charset = annex.Zeichensatz(s.choice("charset", string(annex.ZeichensatzI1),
		string(annex.ZeichensatzI1), string(annex.ZeichensatzI5), string(annex.ZeichensatzI7), string(annex.ZeichensatzI8)))
	p.Gzip = s.choice("compression", "none", "none", "gzip") == "gzip"
	p.MaxSize = s.size("max-size", defaultMaxSize, 1)
	var known []string // those that have a VERFAHREN_KENNUNG
	for _, name := range annex.ProcedureNames() {
		if f, err := annex.ProcedureProfile(name); err == nil && f.Kennung(true) != "" {
			known = append(known, name)
		}
	}
	p.Procedure = s.choice("procedure", defaultProcedure, known...)
}

func stageKey(stage int) string { return "stage-" + strconv.Itoa(stage) }

// loadRules learns the rules whose severity and code a partner's row may set: the
// built-in ones, and those of the admin's own lists. What is wrong with a table is
// told here, with its file and line.
func (r *reader) loadRules(c Checks) {
	tables := []fs.FS(nil)
	if c.Tables != "" {
		tables = append(tables, os.DirFS(c.Tables))
	}
	r.rules = func() map[string]bool { // only when somebody asks: the tables take their time
		t, err := annex.LoadTables(tables...)
		if err != nil {
			t, _ = annex.LoadTables()
		}
		codes := map[string]bool{}
		for _, rule := range append(t.Rules(), annex.Refusals()...) {
			codes[rule.Code] = true
		}
		r.rules = func() map[string]bool { return codes }
		return codes
	}
	r.hook = c.Hook != ""
	if c.Tables == "" {
		return
	}
	if _, err := annex.LoadTables(tables...); err != nil {
		for _, one := range unjoin(err) {
			r.fault(CodeValue, "checks.tables", clip(r.find("checks.tables").Value)+": "+one.Error(), "")
		}
	}
}

// unjoin gives the errors that were joined.
func unjoin(err error) []error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range several.Unwrap() {
			out = append(out, unjoin(e)...)
		}
		return out
	}
	return []error{err}
}

// isRule reports whether a code is one of our rules. A program of the house has
// codes of its own.
func (r *reader) isRule(code, path string) bool {
	if r.hook || r.rules()[code] {
		return true
	}
	near := r.meant(code, slices.Sorted(maps.Keys(r.rules())))
	if near == "" {
		near = "see gateway rules list"
	}
	r.fault(CodeReference, path, fmt.Sprintf("there is no rule %q", clip(code)), near)
	return false
}

// profile reads the name of an answer profile, and whether it has room for the
// partner's positive code.
func (s *section) profile(p *Partner) {
	p.AnswerProfile = s.text("answer-profile", defaultProfile)
	if p.AnswerProfile == "" {
		return
	}
	found, ok := s.r.profiles[p.AnswerProfile]
	if !ok {
		found.Profile, found.err = annex.AnswerProfile(p.AnswerProfile)
		s.r.profiles[p.AnswerProfile] = found
	}
	if found.err != nil {
		_, fix, _ := strings.Cut(found.err.Error(), "; ")
		s.r.fault(CodeValue, s.sub("answer-profile"), fmt.Sprintf("unknown answer profile %q", clip(p.AnswerProfile)), fix)
		return
	}
	if n := utf8.RuneCountInString(p.PositiveCode); n > found.CodeLength {
		s.r.fault(CodeValue, s.sub("positive-code"), fmt.Sprintf("%q has %d characters, answer profile %s has room for %d",
			clip(p.PositiveCode), n, p.AnswerProfile, found.CodeLength), "")
	}
}

// readCode reads a value of FHL.4, ten characters at most.
func (r *reader) readCode(n *yaml.Node, path string) (string, bool) {
	v, ok := r.words(n, path)
	if ok && utf8.RuneCountInString(v) > 10 {
		r.at(n, Error, CodeValue, path, fmt.Sprintf("%q is longer than the ten characters of FHL.4", clip(v)), "")
		return "", false
	}
	return v, ok
}

func (s *section) route(number int, loc *time.Location) exchange.Route {
	r := exchange.Route{Name: s.text("name", "route "+strconv.Itoa(number))}
	r.Recipients = s.iks("recipients", false)
	r.Senders = s.iks("senders", false)
	r.FKTRecipients = s.iks("fkt-recipients", false)
	r.Types = s.texts("types", "a message type", false, s.r.readType)
	r.Versions = s.texts("versions", "a version", false, s.r.words)
	r.Mode = s.mode()
	r.Outboxes = s.texts("outboxes", "the name of an outbox", false, s.r.words)
	r.Files = s.texts("files", "a pattern", false, s.r.readPattern)
	r.MinSize = s.size("min-size", 0, 0)
	r.MaxSize = s.size("max-size", 0, 1)
	r.From = s.day("from", loc)
	r.Until = s.day("until", loc)
	r.Partner = s.need("partner", "the name of a partner")
	r.Kostentraeger = s.ik("kostentraeger", "")
	r.EncryptTo = s.ik("encrypt-to", "")
	r.SendTo = s.ik("send-to", "")
	r.Hold = s.text("hold", "")
	r.CopyTo = s.location("copy-to", "")
	return r
}

// readPattern reads a pattern for file names.
func (r *reader) readPattern(n *yaml.Node, path string) (string, bool) {
	v, ok := r.words(n, path)
	if !ok {
		return "", false
	}
	_, err := filepath.Match(v, "x")
	switch {
	case err != nil:
		r.at(n, Error, CodeValue, path, fmt.Sprintf("%q is not a pattern", clip(v)), "write one such as rech-*.edi: * any characters, ? one, [ab] one of these")
	case strings.Contains(v, "/"):
		r.at(n, Error, CodeValue, path, fmt.Sprintf("%q is a path, a file has a name only", clip(v)), "choose the folder by outboxes")
	default:
		return v, true
	}
	return "", false
}

// readType reads a message type, four capital letters.
func (r *reader) readType(n *yaml.Node, path string) (string, bool) {
	v, ok := r.words(n, path)
	if !ok {
		return "", false
	}
	good := len(v) == 4
	for _, c := range v {
		good = good && c >= 'A' && c <= 'Z'
	}
	if !good {
		r.at(n, Error, CodeValue, path, fmt.Sprintf("%q is not a message type", clip(v)), "write four capital letters such as AUFN")
	}
	return v, good
}

func (s *section) mandate(loc *time.Location) exchange.Mandate {
	m := exchange.Mandate{Account: s.need("account", "the name of an outbox or partner")}
	s.missing("owner", "the IK for which somebody else may speak")
	m.Owner = s.ik("owner", "")
	m.Physical = s.iks("physical", true)
	m.Signers = s.iks("signers", true)
	m.UNBSenders = s.iks("unb-senders", true)
	m.FKTSenders = s.iks("fkt-senders", true)
	m.From = s.day("from", loc)
	m.Until = s.day("until", loc)
	return m
}
