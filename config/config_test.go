package config

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"golang.org/x/crypto/ssh"

	"gateway301/exchange"
	"gateway301/schedule"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// world is a folder with everything that the files in testdata name. The keys in
// it are no keys: the loader looks at who may read them, not at what they hold.
func world(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{
		"outbox/nord", "outbox/sued", "inbox/nord", "inbox/sued", "state/spool", "state/copies", "keys/partners",
		"drop/260500049/an_kasse", "drop/260500049/von_kasse", "drop/260500049/in", "drop/260500049/out", "drop/put", "drop/get", "taken/quarantine", "partners.d", "bin", "tables/lists", "wrong/lists",
	} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, content string, mode os.FileMode) {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
	}
	for _, name := range []string{"keys/nord.key.pem", "keys/nord.p12", "keys/ssh", "keys/ssh_host"} {
		write(name, "invented\n", 0o600)
	}
	for _, name := range []string{
		"keys/nord.cert.pem", "keys/sued.cert.pem", "keys/chain.pem", "keys/kasse.pem", "keys/old.p7c", "keys/ca.crl", "insured.txt", "keys/open.key.pem", "taken/quarantine/nord",
	} {
		write(name, "invented\n", 0o644)
	}
	write("bin/check", "#!/bin/sh\n", 0o755)
	write("wrong/lists/x.txt", "list | x\n", 0o644)
	write("keys/group.key.pem", "invented\n", 0o640)
	write("keys/empty.pem", "", 0o600)
	write("keys/ssh-cert.pub", "invented", 0o644)
	write("keys/known_hosts", "[2001:db8::1]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICXP7Gt4eRqcxsKBFcmBWV6r6yg7sGHn1NHBBlNEYQYM\n", 0o644)
	return dir
}

// credentials lays down what credential: and env: refer to.
func credentials(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sued-key"), []byte("invented\n"), 0o440); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("GATEWAY_TEST_PASSWORD", "invented")
}

// lines writes problems as an admin sees them, with the file's base name.
func lines(ps Problems) string {
	var b strings.Builder
	for _, p := range ps {
		p.File = filepath.Base(p.File)
		b.WriteString(p.Detail() + "\n")
	}
	return b.String()
}

func parse(t testing.TB, path, text string) (*File, Problems) {
	t.Helper()
	f, ps, err := Parse(path, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f, ps
}

func TestFull(t *testing.T) {
	credentials(t)
	dir := world(t)
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	f, ps, err := Load(path)
	if err != nil || len(ps) != 1 || ps[0].Code != CodeWeak { // of the exception, each time
		t.Fatalf("%v\n%s", err, lines(ps))
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	window := func(specs ...string) string {
		w, err := schedule.ParseWindow(specs...)
		if err != nil {
			t.Fatal(err)
		}
		return w.String()
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICXP7Gt4eRqcxsKBFcmBWV6r6yg7sGHn1NHBBlNEYQYM"))
	if err != nil {
		t.Fatal(err)
	}
	sameKeys := func(got []ssh.PublicKey) bool {
		return len(got) == 1 && string(got[0].Marshal()) == string(key.Marshal())
	}
	nord, sued := f.Outboxes[0], f.Outboxes[1]
	nordKeys, exceptions := f.Identities[0].Keys, f.Trust.Exceptions
	a, ost, west := f.Partners[0], f.Partners[1], f.Partners[2]
	for name, ok := range map[string]bool{
		"path":       f.Path == path,
		"ledger":     f.Ledger == in("state/ledger.db"),
		"spool":      f.Spool == in("state/spool"),
		"time-zone":  f.TimeZone.String() == "Europe/Berlin",
		"store":      f.Store == StorePostgres && f.DSN.String() == "env:GATEWAY_TEST_PASSWORD",
		"takeover":   f.Takeover == 30*time.Second,
		"disk-floor": f.DiskFloor == 512<<20,
		"include":    f.Include == in("partners.d"),
		"reload":     !f.Reload && f.Unended == nil,

		"identities":  len(f.Identities) == 2 && f.Identities[1].IK == "260500016" && f.Identities[1].Name == "Klinikum Süd",
		"key":         nordKeys[0].Key.String() == "file:keys/nord.key.pem" && nordKeys[0].Password.String() == "env:GATEWAY_TEST_PASSWORD" && f.Identities[1].Keys[0].Key.String() == "credential:sued-key",
		"more keys":   len(nordKeys) == 3 && nordKeys[1].Certificate == "" && nordKeys[2].Certificate == in("keys/old.p7c") && len(f.Identities[1].Keys) == 1,
		"own copy":    f.Identities[0].OwnCopy && !f.Identities[1].OwnCopy,
		"certificate": nordKeys[0].Certificate == in("keys/nord.cert.pem"),
		"inbox":       f.Identities[1].Inbox == in("inbox/sued"),
		"trust":       slices.Equal(f.Trust.Roots, []string{in("keys/chain.pem")}) && slices.Equal(f.Trust.Certificates, []string{in("keys/partners"), in("keys/kasse.pem")}),

		"crls": slices.Equal(f.Trust.CRLs, []string{in("keys/ca.crl")}),
		"exception": len(exceptions) == 2 && exceptions[0].IK == "109910000" && exceptions[0].Certificate == in("keys/kasse.pem") && exceptions[0].ShortKey &&
			exceptions[0].Write == WriteLegacyPKCS1 && slices.Equal(exceptions[0].Read, []OldForm{OldKeyTransport, OldSignature, OldHashes}) &&
			exceptions[0].Reason == "its program reads nothing newer" && exceptions[0].Until.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, berlin)),
		"exception defaults": exceptions[1].Write == WriteSECON && !exceptions[1].Weak(),

		"outbox": nord.Name == "nord" && nord.Path == in("outbox/nord") && nord.Owner == "260500005" && nord.Physical == "260500005" &&
			nord.Mode == exchange.Production && nord.Marker == ".ok" && nord.Looks == 5 && nord.Every == time.Second && nord.MaxSize == 2<<30 &&
			slices.Equal(nord.Ignore, []string{".tmp", ".upload"}) && nord.Quarantine == in("state/quarantine/nord"),
		"outbox defaults": sued.Physical == "260500016" && sued.Mode == exchange.Test && sued.Marker == "" && sued.Looks == 3 && sued.Every == 2*time.Second &&
			sued.MaxSize == 4<<30 && slices.Equal(sued.Ignore, []string{".tmp", ".part", ".filepart", ".swp", "~"}) && sued.Quarantine == in("state/quarantine/sued"),

		"partner": a.Name == "kasse-a" && a.IK == "109910000" && a.Answers == exchange.AnswersAlways && a.AnswerPeriod == 84*time.Hour &&
			a.First != nil && *a.First == 0 && a.UniqueTime && a.Order == exchange.OrderOff && a.OrderWait == 90*time.Minute && a.OrderStop && a.NoRepeats == 30*24*time.Hour && a.WhenVanished == exchange.VanishedResend && a.Folder == nil,
		"sftp": a.SFTP.Address == "sftp.example.org:22" && a.SFTP.User == "nord" && a.SFTP.Key.String() == "file:keys/ssh" &&
			a.SFTP.Password.String() == "env:GATEWAY_TEST_PASSWORD" && sameKeys(a.SFTP.HostKeys) && a.SFTP.Put == "in" && a.SFTP.Get == "out" &&
			a.SFTP.Temporary == TemporaryDot && a.SFTP.ConnectTimeout == 10*time.Second && a.SFTP.StallTimeout == 2*time.Minute,
		"way": slices.Equal(a.SFTP.Fallbacks, []string{"sftp2.example.org:22", "[2001:db8::2]:22"}) && a.SFTP.KeyPassword.String() == "env:GATEWAY_TEST_PASSWORD" &&
			a.SFTP.Certificate == in("keys/ssh-cert.pub") && len(a.SFTP.NextHostKeys) == 1 && a.SFTP.NextHostKeys[0].From.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, berlin)) &&
			a.SFTP.NextHostKeys[0].Until.Equal(time.Date(2027, 12, 15, 0, 0, 0, 0, berlin)) && a.SFTP.NextHostKeys[0].Key != nil &&
			a.SFTP.Proxy.SOCKS && a.SFTP.Proxy.Address == "proxy.example.org:1080" && a.SFTP.Proxy.User == "gateway" && !a.SFTP.Proxy.Password.IsZero() &&
			a.SFTP.Jump.Address == "jump.example.org:22" && a.SFTP.Jump.User == "hop" && len(a.SFTP.Jump.HostKeys) == 1 && !a.SFTP.Jump.KeyPassword.IsZero() &&
			!a.SFTP.Jump.Password.IsZero() && west.SFTP.Jump.KnownHosts == in("keys/known_hosts") && west.SFTP.Agent == "/run/agent.sock" && west.SFTP.AgentKey != nil,
		"server": slices.Equal(a.SFTP.Algorithms, []string{"aes256-gcm@openssh.com", "curve25519-sha256"}) && slices.Equal(a.SFTP.Legacy.Algorithms, []string{"aes128-cbc", "ssh-rsa"}) &&
			a.SFTP.Legacy.Reason == "old" && a.SFTP.Legacy.Until.Year() == 2027 && a.SFTP.Profile == "sloppy" && a.SFTP.Rename == "posix" && a.SFTP.Proof == "listed" &&
			a.SFTP.Names == "iso-8859-1" && a.SFTP.PacketSize == 128<<10 && a.SFTP.Parallel == 32 && a.SFTP.Connections == 4 && a.SFTP.NoSync && a.SFTP.Bandwidth == 5<<20 &&
			a.SFTP.ListLimit == 5000 && a.SFTP.TransferTimeout == time.Hour && a.SFTP.Keepalive == 10*time.Second && f.Transfers == 20,
		"server defaults": west.SFTP.Profile == "strict" && west.SFTP.Rename == "" && west.SFTP.Proof == "" && west.SFTP.Names == "" && west.SFTP.PacketSize == 0 &&
			west.SFTP.Parallel == 0 && west.SFTP.Connections == 0 && !west.SFTP.NoSync && west.SFTP.Bandwidth == 0 && west.SFTP.ListLimit == 200_000 &&
			west.SFTP.TransferTimeout == 6*time.Hour && west.SFTP.Keepalive == 30*time.Second && west.SFTP.Legacy == nil && west.SFTP.Proxy == nil,
		"times": a.Window.String() == window("mon-fri 22:00-05:00", "sat,sun 00:00-24:00") && a.Grace == 20*time.Minute && a.Collect.String() == "06:00-22:00" &&
			a.CollectEvery == 10*time.Minute && a.IncompleteAfter == 2*time.Hour && a.Retry == schedule.Backoff{First: time.Minute, Max: time.Hour, Attempts: 12},
		"codes": slices.Equal(a.AcceptCodes, []string{"0", "00"}) && slices.Equal(a.HintCodes, []string{"H1"}) && a.AnswerProfile == "gateway301",
		"folder partner": ost.SFTP == nil && *ost.Folder == (Folder{in("drop/260500049/von_kasse"), in("drop/260500049/an_kasse"), TemporaryDot, ".mounted", true, 2 * time.Minute}) &&
			ost.Answers == exchange.AnswersNever && ost.Positive && ost.PositiveCode == "0" && ost.Collected(),
		"partner defaults": west.Window.Always() && west.Collect.Always() && west.Grace == 15*time.Minute && west.CollectEvery == 5*time.Minute &&
			west.IncompleteAfter == time.Hour && west.Answers == exchange.AnswersErrorsOnly && west.AnswerPeriod == 336*time.Hour && west.First == nil &&
			!west.UniqueTime && west.Order == exchange.OrderStrict && west.OrderWait == 0 && !west.OrderStop && west.NoRepeats == 90*24*time.Hour && west.WhenVanished == exchange.VanishedOperator && !west.Positive && west.AnswerProfile == "gateway301" &&
			west.Retry == schedule.Backoff{First: 30 * time.Second, Max: 30 * time.Minute, Attempts: 20} && !west.Collected(),
		"known hosts": west.SFTP.KnownHosts == in("keys/known_hosts") && west.SFTP.HostKeys == nil && west.SFTP.Temporary == "" &&
			west.SFTP.ConnectTimeout == 20*time.Second && west.SFTP.StallTimeout == time.Minute,

		"route": f.Routes[0].Name == "Fälle" && slices.Equal(f.Routes[0].Recipients, []string{"109910000"}) && slices.Equal(f.Routes[0].Types, []string{"AUFN", "VERL", "ENTL"}) &&
			f.Routes[0].Mode == exchange.Production && f.Routes[0].Partner == "kasse-a" && f.Routes[0].Kostentraeger == "109910000" &&
			f.Routes[0].EncryptTo == "260500027" && f.Routes[0].SendTo == "260500038",
		"route's match": slices.Equal(f.Routes[0].Senders, []string{"260500005"}) && slices.Equal(f.Routes[0].FKTRecipients, []string{"109910000", "260500038"}) &&
			slices.Equal(f.Routes[0].Versions, []string{"16", "15"}) && slices.Equal(f.Routes[0].Outboxes, []string{"nord"}) && slices.Equal(f.Routes[0].Files, []string{"fall-*", "*.edi"}) &&
			f.Routes[0].MinSize == 100 && f.Routes[0].MaxSize == 1<<30 && f.Routes[0].From.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, berlin)) && f.Routes[0].Until.Year() == 2036,
		"route's action": f.Routes[0].Hold == "contract ends" && f.Routes[0].CopyTo == in("state/copies"),
		"route defaults": f.Routes[1].Name == "route 2" && f.Routes[1].EncryptTo == "109910000" && f.Routes[1].SendTo == "109910000" && f.Routes[1].Kostentraeger == "",

		"speaks-for": f.SpeaksFor[0].Account == "nord" && f.SpeaksFor[0].Owner == "260500005" && slices.Equal(f.SpeaksFor[0].Physical, []string{"260500027"}) &&
			slices.Equal(f.SpeaksFor[0].Signers, []string{"260500027"}) && slices.Equal(f.SpeaksFor[0].UNBSenders, []string{"260500027"}) &&
			slices.Equal(f.SpeaksFor[0].FKTSenders, []string{"260500027", "260500038"}),
		"mandate's time": f.SpeaksFor[0].From.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, berlin)) && f.SpeaksFor[0].Until.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, berlin)) &&
			f.SpeaksFor[1].From.IsZero() && f.SpeaksFor[1].Until.IsZero(),

		"checks": f.Checks.InsuredList == in("insured.txt"),
		"drop server": f.Server.Listen == "127.0.0.1:2222" && len(f.Server.HostKeys) == 1 && f.Server.HostKeys[0].String() == "file:keys/ssh_host" &&
			f.Server.Root == in("drop") && len(f.Server.Accounts) == 1 && sameKeys(f.Server.Accounts[0].Keys) &&
			f.Server.Banner == "Zugang nur für vereinbarte Teilnehmer" && f.Server.Limits == ServerLimits{300, 10, 5, 4, 100, 20 * time.Second, 10 * time.Minute, time.Minute} &&
			f.Server.Failures == ServerFailures{time.Second, 5, time.Hour},
		"account": reflect.DeepEqual(f.Server.Accounts[0], Account{
			Name: "260500049", Keys: f.Server.Accounts[0].Keys, In: "an_kasse", Out: "von_kasse", Quota: 10 << 30, Rate: 10 << 20, ReadBack: true,
			Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("198.51.100.7/32")},
			From:     time.Date(2026, 1, 1, 0, 0, 0, 0, berlin), Until: time.Date(2027, 1, 1, 0, 0, 0, 0, berlin),
		}),
		"share": f.Outboxes[0].Share,
		"web":   f.Web.Listen == "[::1]:9301",
		"alerts": slices.Equal(f.Alerts.Command, []string{in("bin/check"), "--night"}) && !f.Alerts.German && f.Alerts.Resend == 2*time.Hour &&
			f.Alerts.Pause == 5*time.Minute && f.Alerts.Unknown == 30*time.Minute && f.Alerts.KeyDays == 60,
		"alert mail": f.Alerts.Mail.Server == "mail.example.org:465" && f.Alerts.Mail.Encryption == "tls" && f.Alerts.Mail.Roots == in("keys/chain.pem") &&
			f.Alerts.Mail.User == "gateway" && !f.Alerts.Mail.Password.IsZero() && f.Alerts.Mail.From == "gateway@klinikum.example" && len(f.Alerts.Mail.To) == 2,
		"expected":     f.Outboxes[0].ExpectWithin == 72*time.Hour && a.SilentAfter == 3*time.Hour && a.ExpectWithin == 7*24*time.Hour,
		"not expected": west.SilentAfter == 6*time.Hour && west.ExpectWithin == 0 && f.Outboxes[1].ExpectWithin == 0,
	} {
		if !ok {
			t.Errorf("%s is not as written", name)
		}
	}
	if v, err := nordKeys[0].Key.Bytes(); err != nil || string(v) != "invented\n" {
		t.Errorf("key by file: %q, %v", v, err)
	}
	if v, err := f.Identities[1].Keys[0].Key.Bytes(); err != nil || string(v) != "invented\n" {
		t.Errorf("key by credential: %q, %v", v, err)
	}
	if v, err := a.SFTP.Password.Password(); err != nil || v != "invented" {
		t.Errorf("password by env: %q, %v", v, err)
	}
}

// Each file in testdata/bad holds one mistake; the .want beside it holds what is
// said about it. All are the same small configuration but for the mistake.
func TestBad(t *testing.T) {
	dir := world(t)
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 150 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f, ps := parse(t, filepath.Join(dir, filepath.Base(file)), string(text))
			errs := ps.Without(func(p Problem) bool { return p.Severity != Error })
			if f != nil || len(errs) != 1 {
				t.Errorf("want one error and no file:\n%s", lines(ps))
			}
			for _, p := range ps {
				if p.Code == "" || p.Line < 1 || p.Column < 1 || p.Message == "" {
					t.Errorf("incomplete: %#v", p)
				}
				if strings.Contains(p.Message, "yaml:") || strings.Contains(p.Message+p.Fix, dir) {
					t.Errorf("parser's words or our folders in %s", p)
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(lines(ps)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got := lines(ps); got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
	wants, err := filepath.Glob("testdata/bad/*.want")
	if err != nil || len(wants) != len(files) {
		t.Errorf("%d expectations for %d files, %v", len(wants), len(files), err)
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, _, err := Load(dir); err == nil {
		t.Error("a folder was read")
	}
}
