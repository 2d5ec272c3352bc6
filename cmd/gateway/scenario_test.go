package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"gateway301/channels/channeltest"
	"gateway301/internal/relay"
	"gateway301/sample"
	"gateway301/store/storetest"
)

// binaryDir is where TestMain lets built put the binary.
var binaryDir string

// built makes the binary that is shipped, once a run, and returns its folder.
var built = sync.OnceValues(func() (dir string, err error) {
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(binaryDir, "gateway"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binaryDir, nil
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gateway-binary-")
	if err != nil {
		panic(err)
	}
	binaryDir = dir
	code := storetest.Code(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

// TestScenarios drives the real binary against OpenSSH's sshd. Each file in
// testdata/scenarios reads like a page of the manual; the commands are explained
// where they are defined below.
func TestScenarios(t *testing.T) {
	channeltest.LookPeer(t, "sshd")
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "scenarios"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			tb, ok := env.T().(testing.TB)
			if !ok {
				return errors.New("the script runner hides its testing.TB")
			}
			env.Values[stageKey{}] = &stage{tb: tb, partners: map[string]*partner{}}
			env.Setenv("PATH", dir+string(os.PathListSeparator)+env.Getenv("PATH"))
			now := time.Now().In(berlin())
			env.Setenv("CLOSED_WINDOW", window(now.Add(6*time.Hour)))
			env.Setenv("TODAY", now.Add(-12*time.Hour).Format(time.DateOnly)) // the evening of this night
			env.Setenv("OPEN_WINDOW", window(now.Add(-time.Hour)))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"pki": cmdPKI, "partner": cmdPartner, "simulate": cmdSimulate, "line": cmdLine,
			"await": cmdAwait, "until": cmdUntil, "hospital": cmdHospital, "annahmestelle": cmdAnnahmestelle, "sample": cmdSample, "auf": cmdAuf,
			"dropserver": cmdDropServer, "drop": cmdDrop,
		},
	})
}

// window is two hours from t, as the YAML writes it.
func window(t time.Time) string {
	return t.Format("15:04") + "-" + t.Add(2*time.Hour).Format("15:04")
}

func berlin() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}

type stageKey struct{}

// A stage is what one scenario has set up.
type stage struct {
	tb        testing.TB
	partners  map[string]*partner
	simulated map[string]*exec.Cmd
}

// A partner is OpenSSH's sshd behind a line that can be broken.
type partner struct {
	*channeltest.SSHD
	line *relay.Relay
	was  channeltest.Key // that logged in before newlogin
}

func onStage(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// certificates are made once a run: RSA keys of 4,096 bits take their time.
var certificatesOnce = sync.OnceValues(func() (map[string][]byte, error) {
	now := time.Now()
	pki, err := sample.NewPKI(now, 4096)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"chain.pem": pki.Chain()}
	for _, who := range []struct {
		name, ik, institution string
		from, to              time.Time
	}{
		{"hospital", "260500005", "Klinikum Nord", now.Add(-time.Hour), now.AddDate(1, 0, 0)},
		{"stranger", "260500016", "Klinikum Sued", now.Add(-time.Hour), now.AddDate(1, 0, 0)},
		{"insurer", "109910000", "Musterkasse", now.Add(-time.Hour), now.AddDate(1, 0, 0)},
		{"expired", "260500005", "Klinikum Nord", now.AddDate(-1, 0, 0), now.Add(-time.Hour)},
	} {
		id, err := pki.Issue(who.ik, who.institution, who.from, who.to)
		if err != nil {
			return nil, err
		}
		key, err := id.KeyPEM()
		if err != nil {
			return nil, err
		}
		files[who.name+".key.pem"], files[who.name+".cert.pem"] = key, id.CertPEM()
		if files[who.name+".asc"], files[who.name+".pub.asc"], err = newPGPKey(who.institution, now.Add(-time.Hour)); err != nil {
			return nil, err
		}
	}
	return files, nil
})

// newPGPKey makes an OpenPGP key, in ASCII armour.
func newPGPKey(name string, made time.Time) (private, public []byte, err error) {
	e, err := openpgp.NewEntity(name, "", "", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return made }})
	if err != nil {
		return nil, nil, err
	}
	armoured := func(kind string, write func(io.Writer) error) []byte {
		var b bytes.Buffer
		w, armourErr := armor.Encode(&b, kind, nil)
		if armourErr == nil {
			armourErr = errors.Join(write(w), w.Close())
		}
		err = errors.Join(err, armourErr)
		return b.Bytes()
	}
	private = armoured(openpgp.PrivateKeyType, func(w io.Writer) error { return e.SerializePrivateWithoutSigning(w, nil) })
	public = armoured(openpgp.PublicKeyType, e.Serialize)
	return private, public, err
}

// pki writes the invented trust centre's files into keys/.
func cmdPKI(ts *testscript.TestScript, _ bool, _ []string) {
	files, err := certificatesOnce()
	ts.Check(err)
	ts.Check(os.MkdirAll(ts.MkAbs("keys"), 0o700))
	for name, content := range files {
		ts.Check(os.WriteFile(ts.MkAbs(filepath.Join("keys", name)), content, 0o600))
	}
}

// partner start|stop|restart|newkey|pin NAME
func cmdPartner(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: partner start|stop|restart|newkey|newlogin|oldlogin|pin NAME")
	}
	s, name := onStage(ts), args[1]
	if args[0] == "start" {
		p := &partner{SSHD: channeltest.StartSSHD(s.tb)}
		var err error
		p.line, err = relay.Listen(p.Address)
		ts.Check(err)
		ts.Defer(func() { p.line.Close() })
		s.partners[name] = p
		ts.Check(os.MkdirAll(ts.MkAbs("keys"), 0o700))
		ts.Check(os.WriteFile(ts.MkAbs("keys/ssh_"+name), p.Client.PEM, 0o600))
		upper := strings.ToUpper(name)
		ts.Setenv(upper, p.Root)
		ts.Setenv(upper+"_ADDRESS", p.line.Address())
		ts.Setenv(upper+"_USER", p.User)
		ts.Setenv(upper+"_HOSTKEY", p.Host[0].Line())
		return
	}
	p := s.partners[name]
	if p == nil {
		ts.Fatalf("no partner %s was started", name)
	}
	switch args[0] {
	case "stop":
		p.Stop()
	case "restart":
		p.Restart()
	case "newkey":
		p.Host = []channeltest.Key{channeltest.NewKey(s.tb)}
		p.Restart()
	case "newlogin": // the partner lets somebody else in
		p.was = p.Client
		p.Client = channeltest.NewKey(s.tb)
		p.Restart()
	case "oldlogin":
		p.Client = p.was
		p.Restart()
	case "pin":
		ts.Setenv(strings.ToUpper(name)+"_HOSTKEY", p.Host[0].Line())
	default:
		ts.Fatalf("partner %s is not known", args[0])
	}
}

// simulate NAME [FLAG...] runs "gateway simulate partner" in the folder NAME until the
// script ends, or, when it is called again, in place of the one before.
func cmdSimulate(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: simulate NAME [FLAG...]")
	}
	s, name := onStage(ts), args[0]
	if p := s.simulated[name]; p != nil {
		p.Process.Kill()
		p.Wait()
	}
	upper := strings.ToUpper(name)
	login := filepath.Join("keys", "ssh_"+name)
	if _, err := os.Stat(ts.MkAbs(login)); err != nil {
		ts.Check(os.MkdirAll(ts.MkAbs("keys"), 0o700))
		client, host := channeltest.NewKey(s.tb), channeltest.NewKey(s.tb)
		ts.Check(os.WriteFile(ts.MkAbs(login), client.PEM, 0o600))
		ts.Check(os.WriteFile(ts.MkAbs(login+"_host"), host.PEM, 0o600))
		ts.Setenv(upper+"_LOGIN", client.Line())
		ts.Setenv(upper+"_HOSTKEY", host.Line())
	}
	p := exec.Command(filepath.Join(binaryDir, "gateway"), append([]string{"simulate", "partner", "--port", "0", "--dir", name,
		"--host-key", "file:" + login + "_host", "--login-key", ts.Getenv(upper + "_LOGIN")}, args[1:]...)...)
	p.Dir = ts.MkAbs(".")
	out, err := p.StdoutPipe()
	ts.Check(err)
	ts.Check(p.Start())
	ts.Defer(func() { p.Process.Kill(); p.Wait() })
	if s.simulated == nil {
		s.simulated = map[string]*exec.Cmd{}
	}
	s.simulated[name] = p
	first, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	words := strings.Fields(first)
	ts.Setenv(upper, ts.MkAbs(name))
	ts.Setenv(upper+"_ADDRESS", words[len(words)-1])
	ts.Setenv(upper+"_USER", "nord")
}

// line NAME cut BYTES | whole | freeze | thaw | wait BYTES
func cmdLine(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: line NAME cut BYTES|whole|freeze|thaw|slow BYTES|wait BYTES")
	}
	p := onStage(ts).partners[args[0]]
	if p == nil {
		ts.Fatalf("no partner %s was started", args[0])
	}
	number := func() int64 {
		if len(args) != 3 {
			ts.Fatalf("line %s %s needs a number of bytes", args[0], args[1])
		}
		n, err := strconv.ParseInt(args[2], 10, 64)
		ts.Check(err)
		return n
	}
	switch args[1] {
	case "cut":
		p.line.CutAfter(relay.Up, number())
	case "whole":
		p.line.CutAfter(relay.Up, -1)
	case "freeze":
		p.line.Freeze()
	case "thaw":
		p.line.Thaw()
	case "slow":
		p.line.SetBandwidth(number())
	case "wait":
		want, tick := number(), time.NewTicker(5*time.Millisecond)
		defer tick.Stop()
		for end := time.After(time.Minute); p.line.Carried(relay.Up) < want; {
			select {
			case <-tick.C:
			case <-end:
				ts.Fatalf("only %d bytes went up", p.line.Carried(relay.Up))
			}
		}
	default:
		ts.Fatalf("line %s is not known", args[1])
	}
}

// await FILE... waits until the files are there, or, negated, gone.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for _, name := range args {
		for {
			if _, err := os.Stat(ts.MkAbs(name)); (err == nil) != neg {
				break
			}
			select {
			case <-tick.C:
			case <-end:
				ts.Fatalf("%s: waited for a minute", name)
			}
		}
	}
}

// until exec COMMAND... -- PATTERN repeats a command until its output matches.
func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	n := len(args)
	if n < 4 || args[0] != "exec" || args[n-2] != "--" {
		ts.Fatalf("usage: until exec COMMAND... -- PATTERN")
	}
	pattern, err := regexp.Compile(args[n-1])
	ts.Check(err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); ; {
		cmd := exec.Command(filepath.Join(binaryDir, args[1]), args[2:n-2]...)
		cmd.Dir = ts.MkAbs(".")
		out, _ := cmd.CombinedOutput()
		if pattern.Match(out) {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			ts.Fatalf("waited for a minute for %q; last:\n%s", args[n-1], out)
		}
	}
}

// hospital writes hospital.yaml; each argument is one more line of the partner's row,
// or, as key=value, replaces a value: cert (a name in keys/), ik, physical, mode, types,
// speaks-for, checks, accept, own (more of the identity's row).
func cmdHospital(ts *testscript.TestScript, _ bool, args []string) {
	write(ts, "hospital.yaml", hospitalScenario, append([]string{"checks={}"}, args...))
}

// annahmestelle writes annahmestelle.yaml: the partner's own gateway, which works
// on the folders of its SFTP server.
func cmdAnnahmestelle(ts *testscript.TestScript, _ bool, args []string) {
	write(ts, "annahmestelle.yaml", insurerScenario, append([]string{"checks={insured-list: insured.txt}"}, args...))
}

// usualValues are those of the two YAML texts, for whoever says nothing else.
func usualValues() map[string]string {
	return map[string]string{"cert": "hospital", "ik": "260500005", "physical": "260500005", "speaks-for": "[]", "first": "1",
		"mode": "test", "types": "[AUFN, VERL, MBEG, RECH, ENTL]", "checks": "{}", "accept": `["0"]`, "own": "", "sftp": ""}
}

func write(ts *testscript.TestScript, name, text string, args []string) {
	values := usualValues()
	more := ""
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if _, known := values[key]; ok && known {
			values[key] = value
			continue
		}
		more += "    " + arg + "\n"
	}
	values["more"], values["sftp"] = more, os.Expand(values["sftp"], ts.Getenv)
	out := os.Expand(text, func(key string) string {
		if v, ok := values[key]; ok {
			return v
		}
		return ts.Getenv(key)
	})
	ts.Check(os.WriteFile(ts.MkAbs(name), []byte(out), 0o600))
	for _, dir := range []string{"outbox", "inbox", "insurer/outbox", "insurer/backend"} {
		ts.Check(os.MkdirAll(ts.MkAbs(dir), 0o700))
	}
}

const hospitalScenario = `ledger: hospital/ledger.db
spool: hospital/spool
identities:
  - {ik: ${ik}, name: Klinikum, key: "file:keys/${cert}.key.pem", certificate: keys/${cert}.cert.pem, inbox: inbox${own}}
trust: {roots: [keys/chain.pem], certificates: [keys/insurer.cert.pem]}
outboxes:
  - {name: kis, path: outbox, owner: ${ik}, physical: ${physical}, mode: ${mode}, looks: 2, every: 20ms, quarantine: quarantine, max-size: 64MiB}
partners:
  - name: musterkasse
    ik: 109910000
    sftp: {address: "${MUSTERKASSE_ADDRESS}", user: "${MUSTERKASSE_USER}", key: "file:keys/ssh_musterkasse", host-keys: ["${MUSTERKASSE_HOSTKEY}"], put: in, get: out${sftp}}
    first-number: ${first}
    collect-every: 100ms
    accept-codes: ${accept}
${more}routes:
  - {name: musterkasse, recipients: [109910000], types: ${types}, mode: ${mode}, partner: musterkasse}
checks: ${checks}
speaks-for: ${speaks-for}
`

const insurerScenario = `ledger: insurer/ledger.db
spool: insurer/spool
identities:
  - {ik: 109910000, name: Musterkasse, key: "file:keys/insurer.key.pem", certificate: keys/insurer.cert.pem, inbox: insurer/backend${own}}
trust: {roots: [keys/chain.pem], certificates: [keys/hospital.cert.pem, keys/stranger.cert.pem]}
outboxes:
  - {name: kasse, path: insurer/outbox, owner: 109910000, mode: ${mode}, looks: 2, every: 20ms, quarantine: insurer/quarantine}
partners:
  - name: klinikum
    ik: 260500005
    folder: {put: "${MUSTERKASSE}/out", get: "${MUSTERKASSE}/in"}
    first-number: ${first}
    collect-every: 100ms
    positive: true
    positive-code: "0"
${more}routes:
  - {name: klinikum, recipients: [260500005], types: [KOUB, ANFM, ZAHL], mode: ${mode}, partner: klinikum}
checks: ${checks}
speaks-for: ${speaks-for}
`

// sample TYPE FILE [key=value]... ; a %d in FILE and count=N make N files.
func cmdSample(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: sample TYPE FILE [from=IK] [to=IK] [ref=N] [messages=N] [insured=KVNR] [count=N] [size=BYTES]")
	}
	o := sample.FileOptions{Type: args[0], Sender: "260500005", Recipient: "109910000", Reference: 1, Messages: 1,
		Insured: []string{"A123456780"}, Created: time.Now().In(berlin()).Add(-time.Minute)}
	count, size := 1, int64(0)
	for _, arg := range args[2:] {
		key, value, _ := strings.Cut(arg, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "from":
			o.Sender = value
		case "to":
			o.Recipient = value
		case "ref":
			o.Reference = n
		case "messages":
			o.Messages = n
		case "insured":
			o.Insured = strings.Split(value, ",")
		case "count":
			count = n
		case "size":
			size = int64(n)
		default:
			ts.Fatalf("sample: unknown %s", arg)
		}
	}
	for i := range count {
		name := args[1]
		if strings.Contains(name, "%") {
			name = fmt.Sprintf(name, i+1)
		}
		o.ApplicationRef, o.Seed = fmt.Sprintf("KRH%08d", o.Reference), uint64(o.Reference)
		f, err := os.Create(ts.MkAbs(name + ".tmp"))
		ts.Check(err)
		if size > 0 {
			err = sample.WriteSized(f, o, size)
		} else {
			err = sample.Write(f, o)
		}
		ts.Check(errors.Join(err, f.Close()))
		ts.Check(os.Rename(f.Name(), ts.MkAbs(name)))
		o.Reference++
	}
}
