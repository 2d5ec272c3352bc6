package main

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"gateway301/config"
	"gateway301/exchange"
	"gateway301/sample"
	"gateway301/store"
)

// The invented parties of the demo.
const (
	demoHospital = "260500005"
	demoInsurer  = "109910000"
	demoNobody   = "109910011" // right check digit, but no route leads there
	demoKnown    = "A123456780"
	demoUnknown  = "K741852967"
)

const (
	demoDefaultFiles = 12
	demoLeastFiles   = 3 // a good one, one for rejection, one without a route
	demoPatience     = 90 * time.Second
	demoReturned     = 2 // a KOUB and a ZAHL travel back
)

func newDemoCommand() *cobra.Command {
	d := demo{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "See a night: a hospital and an Annahmestelle exchange invented files over SFTP",
		Long: `Make a test PKI, a hospital and an Annahmestelle with a ledger each, and invented
files. One upload is cut and tried again, one file is rejected with its reason, one
has no route, and a KOUB and a ZAHL travel back. The folder stays for a look around.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	c.Flags().StringVar(&d.dir, "dir", "", "folder to work in; must not exist or be empty (default: a new one)")
	c.Flags().IntVar(&d.files, "files", demoDefaultFiles, "how many files the hospital sends")
	c.Flags().BoolVar(&d.json, "json", false, "print one JSON object instead of the table")
	return c
}

// A demo is one run.
type demo struct {
	dir   string
	files int
	json  bool
	plan  map[string]exchange.State // by file name: how it must end
	cut   string                    // the file whose first upload is cut
}

func (d *demo) run(c *cobra.Command) error {
	if d.files < demoLeastFiles {
		return usageError{fmt.Errorf("--files is at least %d, not %d", demoLeastFiles, d.files)}
	}
	began := time.Now()
	if err := d.folder(); err != nil {
		return err
	}
	say := c.ErrOrStderr()
	fmt.Fprintf(say, words(c, "Schlüssel und Zertifikate entstehen in %s …\n", "making keys and certificates in %s …\n"), d.dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := d.prepare(address(listener), began); err != nil {
		return err
	}
	hospital, insurer, err := d.assemble(c.Context())
	if err != nil {
		return err
	}
	err = d.night(c, hospital, insurer, listener)
	end, endErr := d.result(c.Context(), hospital, insurer, time.Since(began))
	err = errors.Join(err, endErr, hospital.close(), insurer.close())
	if err := errors.Join(err, d.report(c, hospital.file, end)); err != nil {
		return err
	}
	if end.Failed > 0 || end.Returned != demoReturned {
		return codeError{exitFailed, fmt.Sprintf("%d files did not end as planned, %d of %d business messages came back; see 'gateway queue list -c %s'",
			end.Failed, end.Returned, demoReturned, filepath.Join(d.dir, "hospital", "gateway.yaml"))}
	}
	return nil
}

// folder makes the empty folder to work in.
func (d *demo) folder() error {
	if d.dir == "" {
		dir, err := os.MkdirTemp("", "gateway301-demo-")
		d.dir = dir
		return err
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty; name a new folder", d.dir)
	}
	return err
}

// prepare writes keys, configurations and all files but those of the outboxes.
func (d *demo) prepare(server string, now time.Time) error {
	pki, err := sample.NewPKI(now, 4096)
	if err != nil {
		return err
	}
	var hospital, insurer *sample.Identity
	var both errgroup.Group // keys of 4,096 bits take their time
	both.Go(func() (err error) {
		hospital, err = pki.Issue(demoHospital, "Klinikum Musterstadt", now.Add(-time.Hour), now.AddDate(1, 0, 0))
		return err
	})
	both.Go(func() (err error) {
		insurer, err = pki.Issue(demoInsurer, "Musterkasse Annahmestelle", now.Add(-time.Hour), now.AddDate(1, 0, 0))
		return err
	})
	if err := both.Wait(); err != nil {
		return err
	}
	hospitalKey, err := hospital.KeyPEM()
	if err != nil {
		return err
	}
	insurerKey, err := insurer.KeyPEM()
	if err != nil {
		return err
	}
	login, loginPEM, err := sshKey()
	if err != nil {
		return err
	}
	host, hostPEM, err := sshKey()
	if err != nil {
		return err
	}
	values := map[string]string{
		"Hospital": demoHospital, "Insurer": demoInsurer, "Server": server,
		"HostKey": strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host))), "LoginKey": strings.TrimSpace(string(ssh.MarshalAuthorizedKey(login))),
	}
	files := map[string][]byte{
		"keys/hospital.key.pem": hospitalKey, "keys/hospital.cert.pem": hospital.CertPEM(),
		"keys/annahmestelle.key.pem": insurerKey, "keys/annahmestelle.cert.pem": insurer.CertPEM(),
		"keys/chain.pem": pki.Chain(), "keys/ssh_hospital": loginPEM, "keys/ssh_host": hostPEM,
		"annahmestelle/insured.txt": []byte("# invented\n" + demoKnown + "\n"),
		"hospital/gateway.yaml":     fill(hospitalYAML, values), "annahmestelle/gateway.yaml": fill(insurerYAML, values),
	}
	for name, content := range files {
		path := filepath.Join(d.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	for _, dir := range []string{"hospital/outbox", "hospital/inbox", "annahmestelle/outbox", "annahmestelle/backend",
		"annahmestelle/drop/" + demoHospital + "/in", "annahmestelle/drop/" + demoHospital + "/out"} {
		if err := os.MkdirAll(filepath.Join(d.dir, dir), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func sshKey() (ssh.PublicKey, []byte, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "gateway demo")
	if err != nil {
		return nil, nil, err
	}
	key, err := ssh.NewPublicKey(public)
	return key, pem.EncodeToMemory(block), err
}

func fill(text string, values map[string]string) []byte {
	var b strings.Builder
	if err := template.Must(template.New("yaml").Parse(text)).Execute(&b, values); err != nil {
		panic(err) // a map and a builder: cannot happen
	}
	return []byte(b.String())
}

const hospitalYAML = `# Demo: a hospital. Everything here is invented; keys and IKs are for tests only.
ledger: ledger.db
spool: spool

identities:
  - ik: {{.Hospital}}
    name: Klinikum Musterstadt
    key: file:../keys/hospital.key.pem
    certificate: ../keys/hospital.cert.pem
    inbox: inbox                 # KOUB, ZAHL … for the hospital system

trust:
  roots: [../keys/chain.pem]
  certificates: [../keys/annahmestelle.cert.pem]

outboxes:
  - name: kis
    path: outbox
    owner: {{.Hospital}}
    mode: test                   # TEST: transfer names TKRH0nnn
    looks: 2
    every: 200ms

partners:
  - name: musterkasse
    ik: {{.Insurer}}
    sftp:
      address: {{.Server}}
      user: "{{.Hospital}}"
      key: file:../keys/ssh_hospital
      host-keys: ["{{.HostKey}}"]
      put: in
      get: out
    window: always
    collect-every: 500ms
    answers: always              # a setting, agreed with the partner; no standard says so
    accept-codes: ["0"]
    first-number: 1
    retry: {first: 500ms, max: 5s}

routes:
  - name: musterkasse test
    recipients: [{{.Insurer}}]
    types: [AUFN, VERL, MBEG, RECH, ENTL]
    mode: test
    partner: musterkasse
`

const insurerYAML = `# Demo: an Annahmestelle. Everything here is invented; keys and IKs are for tests only.
ledger: ledger.db
spool: spool

identities:
  - ik: {{.Insurer}}
    name: Musterkasse
    key: file:../keys/annahmestelle.key.pem
    certificate: ../keys/annahmestelle.cert.pem
    inbox: backend               # good files for the back end

trust:
  roots: [../keys/chain.pem]
  certificates: [../keys/hospital.cert.pem]

outboxes:
  - name: kasse
    path: outbox
    owner: {{.Insurer}}
    mode: test
    looks: 2
    every: 200ms

partners:
  - name: klinikum
    ik: {{.Hospital}}
    folder:
      put: drop/{{.Hospital}}/out
      get: drop/{{.Hospital}}/in
    collect-every: 500ms
    answers: errors-only
    first-number: 1
    positive: true               # good files are answered too; a setting
    positive-code: "0"

routes:
  - name: klinikum test
    recipients: [{{.Hospital}}]
    types: [KOUB, ANFM, ZAHL, ZAAO, SAMU, KAIN]
    mode: test
    partner: klinikum

checks:
  insured-list: insured.txt      # stage 4: whoever is not in it is not insured here

server:
  listen: {{.Server}}
  host-keys: [file:../keys/ssh_host]
  root: drop
  accounts:
    - name: "{{.Hospital}}"
      keys: ["{{.LoginKey}}"]
`

func (d *demo) assemble(ctx context.Context) (hospital, insurer *gateway, err error) {
	for name, g := range map[string]**gateway{"hospital": &hospital, "annahmestelle": &insurer} {
		log, err := os.OpenFile(filepath.Join(d.dir, name, "gateway.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, nil, err
		}
		file, err := load(filepath.Join(d.dir, name, "gateway.yaml"), io.Discard)
		if err != nil {
			return nil, nil, err
		}
		if *g, err = assemble(ctx, file, zerolog.New(log).Level(zerolog.InfoLevel).With().Timestamp().Logger()); err != nil {
			return nil, nil, err
		}
	}
	return hospital, insurer, nil
}

// night runs both sides until every file has ended, or patience has.
func (d *demo) night(c *cobra.Command, hospital, insurer *gateway, listener net.Listener) error {
	ctx, cancel := context.WithTimeout(c.Context(), demoPatience)
	defer cancel()
	if err := d.write(time.Now()); err != nil {
		return err
	}
	work, done := context.WithCancel(ctx)
	defer done()
	group, work := errgroup.WithContext(work)
	group.Go(func() error {
		return ignoreCancel(insurer.server.Serve(work, sample.CutListener(listener, demoCutAfter)))
	})
	for _, g := range []*gateway{hospital, insurer} {
		group.Go(func() error { return g.pipeline.Run(work) })
	}
	group.Go(func() error {
		defer done()
		defer hospital.pipeline.Stop()
		defer insurer.pipeline.Stop()
		return d.watch(work, c, hospital)
	})
	err := group.Wait()
	if ctx.Err() != nil && c.Context().Err() == nil {
		return nil // out of patience: the table shows what did not end as planned
	}
	return err
}

// demoCutAfter is where the line breaks: in the middle of the first upload.
const demoCutAfter = 60 << 10

// write lays the files into both outboxes. The first is large enough for the
// line to break in the middle of it.
func (d *demo) write(now time.Time) error {
	d.plan = map[string]exchange.State{}
	types := []string{"AUFN", "ENTL", "RECH"}
	for i := range d.files {
		o := sample.FileOptions{
			Type: types[i%len(types)], Sender: demoHospital, Recipient: demoInsurer, Kostentraeger: demoInsurer,
			Reference: i + 1, ApplicationRef: fmt.Sprintf("KRH%08d", i+1), Created: now, Messages: 1 + i%3,
			Insured: []string{demoKnown}, Seed: uint64(i + 1),
		}
		name := fmt.Sprintf("%s-%02d.edi", strings.ToLower(o.Type), i+1)
		end := exchange.Accepted
		switch i {
		case 0:
			o.Messages, d.cut = 500, name
		case 1:
			o.Messages, o.Insured, end = 1, []string{demoUnknown}, exchange.Rejected
		case 2:
			// Its reference is of another pair, so nothing waits for it.
			o.Recipient, o.Kostentraeger, o.Reference, end = demoNobody, demoNobody, 1, exchange.Held
		}
		if i > 2 {
			o.Reference = i // the file without a route has a row of references of its own
		}
		d.plan[name] = end
		if err := lay(filepath.Join(d.dir, "hospital", "outbox"), name, o); err != nil {
			return err
		}
	}
	for i, kind := range []string{"KOUB", "ZAHL"} {
		o := sample.FileOptions{
			Type: kind, Sender: demoInsurer, Recipient: demoHospital, Kostentraeger: demoInsurer,
			Reference: i + 1, ApplicationRef: fmt.Sprintf("KRH9%07d", i+1), Created: now, Messages: 1, Insured: []string{demoKnown}, Seed: uint64(100 + i),
		}
		if err := lay(filepath.Join(d.dir, "annahmestelle", "outbox"), strings.ToLower(kind)+".edi", o); err != nil {
			return err
		}
	}
	return nil
}

// lay writes a file as a good hospital system does: under a temporary name first.
func lay(dir, name string, o sample.FileOptions) error {
	f, err := os.OpenFile(filepath.Join(dir, name+".tmp"), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(sample.Write(f, o), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

// watch shows progress and returns when every file has ended and both business
// messages have come back.
func (d *demo) watch(ctx context.Context, c *cobra.Command, hospital *gateway) error {
	terminal := false
	if f, ok := c.ErrOrStderr().(*os.File); ok {
		terminal = term.IsTerminal(int(f.Fd()))
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		out, err := hospital.ledger.Sum(ctx, exchange.Out)
		if err != nil {
			return ignoreCancel(err)
		}
		in, err := hospital.ledger.Sum(ctx, exchange.In)
		if err != nil {
			return ignoreCancel(err)
		}
		ended := out[exchange.Accepted] + out[exchange.Rejected] + out[exchange.Held]
		back, err := d.returned()
		if err != nil {
			return err
		}
		if terminal {
			fmt.Fprintf(c.ErrOrStderr(), words(c, "\r\033[K%d von %d beendet: %d angenommen, %d abgewiesen, %d angehalten; %d zurückgekommen",
				"\r\033[K%d of %d ended: %d accepted, %d rejected, %d held; %d came back"),
				ended, d.files, out[exchange.Accepted], out[exchange.Rejected], out[exchange.Held], back)
		}
		if ended == d.files && back == demoReturned && in[exchange.Received]+in[exchange.Opened]+in[exchange.Handing] == 0 {
			if terminal {
				fmt.Fprintln(c.ErrOrStderr())
			}
			return nil
		}
	}
}

// returned counts what was handed over to the hospital system.
func (d *demo) returned() (int, error) {
	names, err := filepath.Glob(filepath.Join(d.dir, "hospital", "inbox", "*.edi"))
	return len(names), err
}

// A demoResult is the stable JSON form of how a demo ended.
type demoResult struct {
	Files    int        `json:"files"`
	Accepted int        `json:"accepted"`
	Rejected int        `json:"rejected"`
	Held     int        `json:"held"`
	Failed   int        `json:"failed"`
	Retries  int        `json:"retries"`
	Returned int        `json:"returned"`
	Seconds  float64    `json:"seconds"`
	Pairs    []demoPair `json:"pairs"`

	rows []exchange.Delivery
}

// A demoPair names the files of one delivery, relative to the demo's folder.
type demoPair struct {
	Transfer string `json:"transfer"`
	Payload  string `json:"payload"` // sealed, as the Annahmestelle received it
	Auf      string `json:"auf"`     // its Auftragsdatei, likewise
	Plain    string `json:"plain"`   // what the hospital took over
}

func (d *demo) result(ctx context.Context, hospital, insurer *gateway, took time.Duration) (demoResult, error) {
	r := demoResult{Files: d.files, Seconds: took.Round(10 * time.Millisecond).Seconds(), Pairs: []demoPair{}}
	rows, err := hospital.ledger.Deliveries(ctx, store.Filter{Direction: exchange.Out})
	if err != nil {
		return r, err
	}
	received, err := insurer.ledger.Deliveries(ctx, store.Filter{Direction: exchange.In})
	if err != nil {
		return r, err
	}
	for _, row := range rows {
		if row.Kind != exchange.File {
			continue
		}
		r.rows = append(r.rows, row)
		asPlanned := row.State == d.plan[row.Name] && (row.Name != d.cut || row.Attempt > 1)
		switch {
		case !asPlanned:
			r.Failed++
		case row.State == exchange.Accepted:
			r.Accepted++
		case row.State == exchange.Rejected:
			r.Rejected++
		case row.State == exchange.Held:
			r.Held++
		}
		r.Retries += max(0, row.Attempt-1)
		i := slices.IndexFunc(received, func(in exchange.Delivery) bool {
			return in.TransferName == row.TransferName && in.SHA256 == row.SealedSHA256
		})
		if row.HasNumber() && i >= 0 {
			r.Pairs = append(r.Pairs, demoPair{
				Transfer: row.TransferName,
				Payload:  filepath.Join("annahmestelle", "spool", received[i].Intake, "sealed"),
				Auf:      filepath.Join("annahmestelle", "spool", received[i].Intake, "auf"),
				Plain:    filepath.Join("hospital", "spool", row.Intake, "plain"),
			})
		}
	}
	r.Failed += d.files - len(r.rows) // never taken over
	r.Returned, err = d.returned()
	return r, err
}

func (d *demo) report(c *cobra.Command, cfg *config.File, r demoResult) error {
	if d.json {
		return writeJSON(c.OutOrStdout(), r)
	}
	t := newTable(c.OutOrStdout(), words(c, "Datei", "File"), "Partner", "Transfer", words(c, "Versuche", "Attempts"), words(c, "Stand", "State"), words(c, "Antwort", "Answer"))
	for _, row := range r.rows {
		answer := answerText(c, row.Answer)
		if answer == "" {
			answer = reason(c, cfg, nil, row)
		}
		t.AppendRow([]any{row.Name, row.Partner, row.TransferName, row.Attempt, stateName(c, row.State), printable(answer)})
	}
	t.Render()
	fmt.Fprintf(c.OutOrStdout(), words(c,
		"\n%d Dateien: %d angenommen, %d abgewiesen, %d angehalten, %d anders als geplant; %d Wiederholungen, %d Nachrichten zurück, %.1f s\n",
		"\n%d files: %d accepted, %d rejected, %d held, %d other than planned; %d retries, %d messages back, %.1f s\n"),
		r.Files, r.Accepted, r.Rejected, r.Held, r.Failed, r.Retries, r.Returned, r.Seconds)
	fmt.Fprintf(c.OutOrStdout(), words(c, "Zum Umsehen: gateway trace %s -c %s\n", "To look around: gateway trace %s -c %s\n"),
		d.cut, filepath.Join(d.dir, "hospital", "gateway.yaml"))
	return nil
}
