package pipeline_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"gateway301/annex"
	"gateway301/channels/folder"
	"gateway301/crypto"
	"gateway301/crypto/keys"
	"gateway301/exchange"
	"gateway301/pipeline"
	"gateway301/sample"
	"gateway301/schedule"
	"gateway301/store"
)

// The participants.
const (
	nord    = "260500005"
	sued    = "260500016"
	foreign = "260500027"
	kasse   = "109910000"
)

// The insurer's keys beside its usual one, in nobody's directory at first: the
// next one, and one that ends half an hour after the beginning.
const (
	next  = "next"
	brief = "brief"
	eve   = "eve" // of nord, ends at the same time
)

// positive is the code of a confirmation, agreed between the two sides.
const positive = "0"

// people makes one trust centre and a key for each participant, once for the
// test binary. It is valid at the time that a synctest bubble begins with.
var people = sync.OnceValues(func() (map[string]*sample.Identity, error) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	pki, err := sample.NewPKI(start, 2048)
	if err != nil {
		return nil, err
	}
	out := map[string]*sample.Identity{"root": {Certificate: pki.Root()}, "ca": {Certificate: pki.CA(), Key: pki.CAKey()}}
	if out[next], err = pki.Issue(kasse, "Haus "+kasse, start.AddDate(0, 0, -30), start.AddDate(0, 0, 400)); err != nil {
		return nil, err
	}
	if out[eve], err = pki.Issue(nord, "Haus "+nord, start.AddDate(0, 0, -30), start.Add(30*time.Minute)); err != nil {
		return nil, err
	}
	if out[brief], err = pki.Issue(kasse, "Haus "+kasse, start.AddDate(0, 0, -30), start.Add(30*time.Minute)); err != nil {
		return nil, err
	}
	for _, ik := range []string{nord, sued, foreign, kasse} {
		if out[ik], err = pki.Issue(ik, "Haus "+ik, start.AddDate(0, 0, -30), start.AddDate(0, 0, 300)); err != nil {
			return nil, err
		}
	}
	return out, nil
})

func identity(t testing.TB, ik string) *sample.Identity {
	t.Helper()
	all, err := people()
	if err != nil {
		t.Fatal(err)
	}
	return all[ik]
}

// directory knows everyone's certificates.
func directory(t testing.TB) *keys.Directory {
	t.Helper()
	all, err := people()
	if err != nil {
		t.Fatal(err)
	}
	var certs []*x509.Certificate
	for name, id := range all {
		if name == next || name == brief || name == eve {
			continue
		}
		certs = append(certs, id.Certificate)
	}
	d, err := keys.NewDirectory([]*x509.Certificate{all["root"].Certificate}, certs, keys.Options{MinBits: 2048})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A ring holds the keys of one gateway.
type ring struct {
	own       map[string]keys.Own
	directory *keys.Directory
}

func (r *ring) Sealing(_, signer, recipient string, at time.Time) (crypto.Sealing, error) {
	own, ok := r.own[signer]
	if !ok {
		return crypto.Sealing{}, fmt.Errorf("%w %s", pipeline.ErrNoKey, signer)
	}
	if err := keys.CheckValidity(own.Certificate, at); err != nil {
		return crypto.Sealing{}, err
	}
	cert, err := r.directory.ForIK(recipient, at)
	return crypto.Sealing{Signer: own, Recipients: []*x509.Certificate{cert}, At: at}, err
}

func (r *ring) Opening(_ string, received time.Time) crypto.OpenOptions {
	return crypto.OpenOptions{Own: slices.Collect(maps.Values(r.own)), Directory: r.directory, ReceivedAt: received}
}

// berlin is where everything happens.
var berlin = sync.OnceValue(func() *time.Location {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return loc
})

// A gateway is one of the two sides of the road, with all that outlives its process.
type gateway struct {
	t        *testing.T
	ledger   *store.Ledger
	spool    *store.Spool
	line     *line
	mortal   *mortal
	back     *backEnd
	settings pipeline.Settings
	tokens   int // given to files taken
}

// A world is a hospital's gateway and an Annahmestelle's, and the two folders
// between them. What the hospital puts stands in "in", what it fetches in "out".
type world struct {
	t                 *testing.T
	in, out           string
	hospital, annahme *gateway
}

// emptyLedger is the path of a migrated ledger to copy: migrating takes longer than most tests.
var emptyLedger = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "ledger.db")
	l, err := store.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := l.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func newGateway(t *testing.T, dir, outDir, inDir string, iks ...string) *gateway {
	t.Helper()
	raw, err := emptyLedger()
	must(t, err)
	must(t, os.MkdirAll(dir, 0o700))
	path := filepath.Join(dir, "ledger.db")
	must(t, os.WriteFile(path, raw, 0o600))
	g := &gateway{t: t}
	g.ledger, err = store.Open(t.Context(), path)
	must(t, err)
	t.Cleanup(func() { g.ledger.Close() })
	g.spool, err = store.OpenSpool(filepath.Join(dir, "spool"))
	must(t, err)
	t.Cleanup(func() { g.spool.Close() })
	way, err := folder.New(folder.Settings{OutDir: outDir, InDir: inDir, NoSync: true})
	must(t, err)
	g.line = &line{Channel: way, outDir: outDir}
	g.mortal = &mortal{Ledger: g.ledger}
	g.line.killed = g.mortal.isDead
	g.back = &backEnd{dir: filepath.Join(dir, "inbox")}
	own := map[string]keys.Own{}
	for _, ik := range iks {
		id := identity(t, ik)
		own[ik] = keys.Own{Certificate: id.Certificate, Key: id.Key}
		g.settings.Identities = append(g.settings.Identities, pipeline.Identity{IK: ik, Inbox: g.back.dir})
	}
	g.settings.Ledger, g.settings.Spool = g.mortal, g.spool
	g.settings.Keys = &ring{own, directory(t)}
	g.settings.Location = berlin()
	g.settings.Log = zerolog.Nop()
	g.settings.Outboxes = map[string]pipeline.Outbox{}
	g.settings.Partners = []pipeline.Partner{{
		Channel: g.line, Grace: 15 * time.Minute, Collects: true, CollectEvery: 30 * time.Second, IncompleteAfter: 10 * time.Minute,
		Retry:       schedule.Backoff{First: 4 * time.Second, Max: time.Minute, Attempts: 5},
		AcceptCodes: []string{positive}, AnswerProfile: "gateway301", Credential: "as it is",
	}}
	return g
}

// newWorld makes the two sides. The hospital may speak for nord and sued.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, in: filepath.Join(dir, "in"), out: filepath.Join(dir, "out")}
	must(t, os.Mkdir(w.in, 0o700))
	must(t, os.Mkdir(w.out, 0o700))

	w.hospital = newGateway(t, filepath.Join(dir, "hospital"), w.in, w.out, nord, sued)
	h := &w.hospital.settings
	h.Outboxes[nord] = pipeline.Outbox{Owner: nord, Physical: nord}
	h.Outboxes[sued] = pipeline.Outbox{Owner: sued, Physical: sued}
	h.Routes = []exchange.Route{{Name: "all", Recipients: []string{kasse}, Mode: exchange.Test, Partner: "kasse"}}
	h.Partners[0].Partner = exchange.Partner{Name: "kasse", IK: kasse, Answers: exchange.AnswersAlways, AnswerPeriod: 48 * time.Hour,
		Order: exchange.OrderStrict, WhenVanished: exchange.VanishedOperator}

	w.annahme = newGateway(t, filepath.Join(dir, "annahme"), w.out, w.in, kasse)
	a := &w.annahme.settings
	a.Outboxes[kasse] = pipeline.Outbox{Owner: kasse, Physical: kasse}
	a.Routes = []exchange.Route{{Name: "home", Recipients: []string{nord}, Mode: exchange.Test, Partner: "nord"}}
	a.Partners[0].Partner = exchange.Partner{Name: "nord", IK: nord, Answers: exchange.AnswersNever, Positive: true, PositiveCode: positive,
		Order: exchange.OrderStrict, WhenVanished: exchange.VanishedOperator}
	a.Mandates = []exchange.Mandate{{Account: "nord", Owner: sued, Physical: []string{sued}}}
	w.promises()
	return w
}

// promises watches on both sides what must never happen: "delivered" while the
// partner has no whole pair, and an Auftragsdatei that appears before its payload.
func (w *world) promises() {
	for _, g := range []*gateway{w.hospital, w.annahme} {
		dir := g.line.outDir
		g.mortal.about = func(by exchange.Happening, ids ...int64) {
			if by != exchange.Proven {
				return
			}
			d := g.row(ids[0])
			w.pairStands(dir, d.TransferName)
		}
		g.line.before = func(_ context.Context, op, name string) error {
			if op == "put" && isAUF(name) {
				if _, err := os.Stat(filepath.Join(dir, strings.TrimSuffix(name, annex.AUFSuffix))); err != nil {
					w.t.Errorf("%s is put before its payload stands", name)
				}
			}
			return nil
		}
	}
}

// pairStands makes sure that a whole pair stands in a folder, and that its
// Auftragsdatei tells the truth about its payload.
func (w *world) pairStands(dir, name string) {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name+annex.AUFSuffix))
	if err != nil {
		w.t.Errorf("no Auftragsdatei where a pair should stand: %v", err)
		return
	}
	auf, warnings, err := annex.ParseAuftragsdatei(raw)
	if err != nil || len(warnings) > 0 {
		w.t.Errorf("%s: %v %v", name, err, warnings)
	}
	info, err := os.Stat(filepath.Join(dir, name))
	if err != nil || info.Size() != auf.GroesseUebertragung || auf.TransferName() != name {
		w.t.Errorf("%s: payload %v, %v; the Auftragsdatei says %s, %d bytes", name, info, err, auf.TransferName(), auf.GroesseUebertragung)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file invents an interchange from one participant to another.
func file(t testing.TB, o sample.FileOptions) []byte {
	t.Helper()
	if o.Type == "" {
		o.Type = "AUFN"
	}
	if o.Sender == "" {
		o.Sender, o.Recipient = nord, kasse
	}
	if o.Created.IsZero() {
		o.Created = time.Now().In(berlin())
	}
	b, err := sample.File(o)
	must(t, err)
	return b
}

// take does what the intake does with a finished file.
func (g *gateway) take(account, name string, content []byte) exchange.Delivery {
	g.t.Helper()
	now := time.Now()
	g.tokens++
	token := fmt.Sprintf("%s-%012d", now.UTC().Format("20060102T150405"), g.tokens)
	size, sha, err := g.spool.Put(g.t.Context(), token, "plain", bytes.NewReader(content))
	must(g.t, err)
	box := g.settings.Outboxes[account]
	d, err := g.ledger.Take(g.t.Context(), exchange.Delivery{
		Intake: token, Direction: exchange.Out, Kind: exchange.File, TakenAt: now, Due: now, Account: account, Name: name,
		Size: size, SHA256: sha, Mode: exchange.Test, Owner: box.Owner, Physical: box.Physical,
	}, exchange.TookOver, "")
	must(g.t, err)
	return d
}

// once is one run of the process, from its start until nothing is due.
func (g *gateway) once() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g.line.mu.Lock()
	g.line.cancel = cancel
	g.line.mu.Unlock()
	g.mortal.kill = cancel
	return pipeline.New(g.settings).Once(ctx)
}

// run is once for runs in which nothing may fail.
func (g *gateway) run() {
	g.t.Helper()
	if err := g.once(); err != nil {
		g.t.Fatal(err)
	}
}

// revive lets a killed process start again, and does what a start does with the
// spool: what has no row is set aside.
func (g *gateway) revive() {
	g.t.Helper()
	g.mortal.mu.Lock()
	g.mortal.dead, g.mortal.dieAt = false, 0
	g.mortal.mu.Unlock()
	tokens, err := g.spool.Tokens()
	must(g.t, err)
	for _, token := range tokens {
		known, err := g.ledger.HasIntake(g.t.Context(), token)
		must(g.t, err)
		if !known {
			must(g.t, g.spool.SetAside(token))
		}
	}
}

// finish runs again and again, waiting for what becomes due, until nothing is
// in work any more that could go on by itself. It returns the number of runs.
func (g *gateway) finish() int {
	g.t.Helper()
	for runs := 1; ; runs++ {
		g.run()
		var next time.Time
		for _, d := range g.rows(store.Filter{}) {
			if d.State.Class() != exchange.InWork || d.Due.IsZero() {
				continue
			}
			due := d.Due
			if !due.After(time.Now()) { // due, and yet nothing was done: it waits for another, or for its partner
				due = time.Now().Add(time.Minute)
			}
			if next.IsZero() || due.Before(next) {
				next = due
			}
		}
		stops, err := g.ledger.Stopped(g.t.Context())
		must(g.t, err)
		if next.IsZero() || len(stops) > 0 {
			return runs
		}
		if runs == 50 {
			g.t.Fatalf("still in work after %d runs: %s", runs, g.story())
		}
		time.Sleep(time.Until(next))
	}
}

func (g *gateway) row(id int64) exchange.Delivery {
	g.t.Helper()
	d, err := g.ledger.Delivery(context.Background(), id)
	must(g.t, err)
	return d
}

func (g *gateway) rows(f store.Filter) []exchange.Delivery {
	g.t.Helper()
	rows, err := g.ledger.Deliveries(context.Background(), f)
	must(g.t, err)
	return rows
}

// story tells what happened to every delivery, for a failing test.
func (g *gateway) story() string {
	var b strings.Builder
	for _, d := range g.rows(store.Filter{}) {
		fmt.Fprintf(&b, "\n%d %s %s %s %s %s %q", d.ID, d.Direction, d.Kind, d.TransferName, d.State, d.Cause, d.Reason)
		events, err := g.ledger.Events(context.Background(), d.ID)
		must(g.t, err)
		for _, e := range events {
			fmt.Fprintf(&b, "\n    %s %s: %s → %s %s %q", e.At.In(berlin()).Format(time.TimeOnly), e.What, e.From, e.To, e.Cause, e.Text)
		}
	}
	stops, err := g.ledger.Stopped(context.Background())
	must(g.t, err)
	for _, s := range stops {
		fmt.Fprintf(&b, "\nstopped: %s %s %q", s.Partner, s.Cause, s.Text)
	}
	return b.String()
}

// release does what "queue release" does.
func (g *gateway) release(d exchange.Delivery, resend bool) {
	g.t.Helper()
	now := time.Now()
	m := exchange.Move{ID: d.ID, From: d.State, At: now, Due: now, Cause: exchange.ByHand, Text: "released by hand"}
	switch {
	case d.Direction == exchange.In:
		m.By = exchange.Reopened
	case d.HasNumber():
		m.By = exchange.Resumed
		m.Change = func(d *exchange.Delivery) {
			d.Attempt = 0
			d.Published = d.Published && !resend
		}
	case d.Kind == exchange.Answer:
		m.By = exchange.Redrafted
	default:
		m.By = exchange.Released
	}
	_, err := g.ledger.Apply(g.t.Context(), m)
	must(g.t, err)
}

// operator does what a diligent one does once the cause is gone: lets stopped
// partners be called, and releases what is held. For an unknown outcome the
// partner's folder was asked. It returns how many deliveries were held.
func (g *gateway) operator() int {
	g.t.Helper()
	stops, err := g.ledger.Stopped(g.t.Context())
	must(g.t, err)
	for name := range stops {
		_, err := g.ledger.ResumePartner(g.t.Context(), name)
		must(g.t, err)
	}
	held := g.rows(store.Filter{States: []exchange.State{exchange.Held}})
	for _, d := range held {
		if d.Cause == exchange.OutcomeUnknown {
			if _, err := os.Stat(filepath.Join(g.line.outDir, d.TransferName+annex.AUFSuffix)); err == nil {
				g.t.Errorf("held as unknown although it stands there%s", g.story())
			}
		}
		g.release(d, d.Cause == exchange.OutcomeUnknown)
	}
	return len(held)
}

// names lists a folder.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// count counts rows.
func count(rows []exchange.Delivery, fits func(exchange.Delivery) bool) int {
	n := 0
	for _, d := range rows {
		if fits(d) {
			n++
		}
	}
	return n
}

// audit adds up a gateway: every row in exactly one state, as many spool folders
// as rows, nothing half written in spool, inbox and partner's folder.
func (g *gateway) audit(out, in int) {
	g.t.Helper()
	for dir, want := range map[exchange.Direction]int{exchange.Out: out, exchange.In: in} {
		sum, err := g.ledger.Sum(g.t.Context(), dir)
		must(g.t, err)
		n := 0
		for _, c := range sum {
			n += c
		}
		if n != want {
			g.t.Errorf("%s: the states add up to %d %v, want %d%s", dir, n, sum, want, g.story())
		}
	}
	tokens, err := g.spool.Tokens()
	must(g.t, err)
	known := 0
	for _, token := range tokens {
		ok, err := g.ledger.HasIntake(g.t.Context(), token)
		must(g.t, err)
		if ok {
			known++
		}
	}
	if known != out+in {
		g.t.Errorf("%d spool folders belong to %d rows", known, out+in)
	}
	for _, dir := range []string{g.line.outDir, g.back.dir} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			g.t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".tmp") {
				g.t.Errorf("left behind: %s", e.Name())
			}
		}
	}
}

// A parcel is a pair as any participant might make it.
type parcel struct {
	name      string // transfer name
	signer    string // IK; default: the owner
	plain     []byte
	order     annex.Auftragsdatei
	alone     bool // no Auftragsdatei
	noPayload bool
}

// lay puts a parcel into a folder. Fields of the order that are empty are filled
// in as they should be.
func lay(t testing.TB, dir string, p parcel) []byte {
	t.Helper()
	a := p.order
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&a.AbsenderEigner, nord)
	set(&a.AbsenderPhysikalisch, nord)
	set(&a.EmpfaengerNutzer, kasse)
	set(&a.EmpfaengerPhysikalisch, kasse)
	set(&a.Dateiname, "KRH00000001")
	set(&a.DatumErstellung, time.Now().In(berlin()).Format(exchange.Stamp))
	set(&p.name, "TKRH0001")
	verfahren, number, _, ok := annex.ParseTransferName(p.name)
	if !ok {
		t.Fatal("no transfer name: ", p.name)
	}
	set(&a.Verfahren, verfahren)
	if a.TransferNummer == 0 {
		a.TransferNummer = number
	}
	set(&p.signer, a.AbsenderEigner)
	var sealed bytes.Buffer
	if !p.noPayload {
		id := identity(t, p.signer)
		_, err := crypto.Seal(&sealed, bytes.NewReader(p.plain), int64(len(p.plain)), crypto.Signer{Certificate: id.Certificate, Key: id.Key},
			[]*x509.Certificate{identity(t, a.EmpfaengerNutzer).Certificate}, time.Now())
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, p.name), sealed.Bytes(), 0o600))
	}
	if a.GroesseNutzdaten == 0 {
		a.GroesseNutzdaten = int64(len(p.plain))
	}
	if a.GroesseUebertragung == 0 {
		a.GroesseUebertragung = int64(sealed.Len())
	}
	a.Zeichensatz, a.Verschluesselung, a.Unterschrift = annex.ZeichensatzI1, annex.KryptoCMS, annex.KryptoCMS
	if !p.alone {
		raw, err := a.Encode()
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, p.name+annex.AUFSuffix), raw, 0o600))
	}
	return sealed.Bytes()
}

// fehl writes an answer about one file, as the insurer unless env says otherwise.
func fehl(t testing.TB, env annex.Envelope, code, text string) []byte {
	t.Helper()
	profile, err := annex.AnswerProfile("gateway301")
	must(t, err)
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&env.Syntax, "UNOC:3")
	set(&env.Sender, kasse)
	set(&env.Recipient, nord)
	now := time.Now().In(berlin())
	set(&env.Date, now.Format("060102"))
	set(&env.Time, now.Format("1504"))
	set(&env.Reference, "00001")
	set(&env.ApplicationRef, "KRH00000001")
	var b bytes.Buffer
	must(t, annex.WriteFEHL(&b, profile, env, []annex.FEHLMessage{{
		FKT: annex.Geschaeftsvorfall{VKZ: "10", Number: "01", Sender: env.Sender, Recipient: env.Recipient},
		FHL: []annex.FHL{{Code: code, Text: text}},
	}}))
	return b.Bytes()
}

// answer lays an answer into the hospital's in-folder.
func (w *world) answer(name string, plain []byte, o annex.Auftragsdatei) {
	w.t.Helper()
	o.AbsenderEigner, o.AbsenderPhysikalisch, o.EmpfaengerNutzer, o.EmpfaengerPhysikalisch = kasse, kasse, nord, nord
	lay(w.t, w.out, parcel{name: name, plain: plain, order: o})
}

// bubble runs a test in fake time, which begins on Saturday, 1 January 2000, 01:00 in Berlin.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if _, err := people(); err != nil { // made outside, once
		t.Fatal(err)
	}
	if _, err := emptyLedger(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, test)
}

// read reads a part of the spool.
func (g *gateway) read(d exchange.Delivery, part string) []byte {
	g.t.Helper()
	f, err := g.spool.Open(d.Intake, part)
	must(g.t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	must(g.t, err)
	return b
}
