package alert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gateway301/exchange"
)

func TestCommandGetsTheMessage(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "alarm")
	script := "#!/bin/sh\n{ echo \"$GATEWAY_ALERT_SUBJECT/$GATEWAY_ALERT_URGENT/$1/${SECRET-none}\"; cat; } > " + filepath.Join(dir, "got") + "\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRET", "not for the command")
	c := &Command{Args: []string{program, "$(id); two words"}}
	if err := c.Send(t.Context(), Message{Subject: "S", Text: "line\n", Urgent: true}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "got"))
	if want := "S/1/$(id); two words/none\nline\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestCommandThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		args    []string
		timeout time.Duration
		want    string
	}{
		"exit code":  {[]string{"/bin/sh", "-c", "echo no route to pager >&2; exit 3"}, 0, "exit status 3: no route to pager"},
		"hangs":      {[]string{"/bin/sleep", "1000"}, 50 * time.Millisecond, "not ended within 50ms"},
		"is missing": {[]string{"/nonexistent/alarm"}, 0, "no such file"},
		"says much":  {[]string{"/bin/sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1"}, 0, "exit status 1: xxx"},
	} {
		err := (&Command{Args: c.args, Timeout: c.timeout}).Send(t.Context(), Message{})
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 700 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A mailServer is Exim on two ports of this machine: STARTTLS on the first, TLS
// with login on the second.
type mailServer struct {
	dir           string
	start, direct int
	roots         *x509.CertPool
}

func startMailServer(t *testing.T) *mailServer {
	t.Helper()
	exim, err := exec.LookPath("exim4")
	if err == nil && os.Geteuid() != 0 {
		err = fmt.Errorf("exim4 runs for root alone")
	}
	if err != nil {
		if os.Getenv("GATEWAY_PEERS") == "required" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	// Exim gives up root when it is told its configuration; its own user must
	// reach the folder.
	dir, err := os.MkdirTemp("", "alert-mail-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &mailServer{dir: dir, start: freePort(t), direct: freePort(t)}
	s.roots = s.certificate(t)
	config := fmt.Sprintf(`
primary_hostname = mail.klinikum.example
daemon_smtp_ports = %[2]d : %[3]d
tls_on_connect_ports = %[3]d
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = %[1]s/cert.pem
tls_privatekey = %[1]s/key.pem
spool_directory = %[1]s
log_file_path = %[1]s/%%slog
pid_file_path = %[1]s/pid
acl_smtp_rcpt = accept
keep_environment =
host_lookup =
rfc1413_hosts =
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  file = %[1]s/box
  message_prefix =
  message_suffix =
  user = Debian-exim
  group = Debian-exim
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{gateway}}{eq{$auth3}{geheim}}}}
  server_advertise_condition = ${if def:tls_in_cipher}
`, dir, s.start, s.direct)
	file := filepath.Join(dir, "exim.conf")
	s.giveTo(t, "Debian-exim")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil { // must be root's
		t.Fatal(err)
	}
	cmd := exec.Command(exim, "-C", file, "-bdf", "-odf")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second // its children keep them open
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "mainlog"))
			t.Logf("%s\n%s", said.Bytes(), log)
		}
	})
	for range 200 {
		if c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.direct)), time.Second); err == nil {
			c.Close()
			return s
		}
		time.Sleep(25 * time.Millisecond) // Exim tells nobody that it listens: asked until it does
	}
	t.Fatalf("exim4 does not listen: %s", said.Bytes())
	return nil
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *mailServer) certificate(t *testing.T) *x509.CertPool {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	for name, content := range map[string][]byte{"cert.pem": certPEM, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

func (s *mailServer) giveTo(t *testing.T, name string) {
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	paths, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(paths, s.dir) {
		if err := os.Chown(p, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
}

// box waits for the delivered mail, which Exim writes after it took it.
func (s *mailServer) box(t *testing.T) *mail.Message {
	t.Helper()
	name := filepath.Join(s.dir, "box")
	for range 400 {
		if raw, err := os.ReadFile(name); err == nil && bytes.Contains(raw, []byte("[held/kasse]")) {
			os.Remove(name)
			m, err := mail.ReadMessage(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		time.Sleep(25 * time.Millisecond) // nor that it has delivered
	}
	t.Fatal("the mail server has delivered nothing")
	return nil
}

func TestMailReachesARealServer(t *testing.T) {
	s := startMailServer(t)
	to := []string{"admin@klinikum.example", "nacht@klinikum.example"}
	for name, m := range map[string]*Mail{
		"STARTTLS":       {Port: s.start, Encryption: StartTLS},
		"TLS with login": {Port: s.direct, Encryption: TLS, User: "gateway", Password: "geheim"},
		"clear":          {Port: s.start, Encryption: Clear},
	} {
		t.Run(name, func(t *testing.T) {
			m.Host, m.Roots, m.From, m.To = "localhost", s.roots, "gateway@klinikum.example", to
			if name == "clear" {
				m.To = to[:1]
			}
			b := &Bell{Book: memory{}, Senders: []Sender{m}, German: true, Host: "nord"}
			if err := b.Look(t.Context(), time.Now(), []exchange.Condition{held(3), {Kind: exchange.AlarmKeyExpiring, Subject: "260500005", Count: 14}}); err != nil {
				t.Fatal(err)
			}
			got := s.box(t)
			subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
			if err != nil || subject != "Gateway 301 nord: angehalten, Zertifikat läuft ab" {
				t.Errorf("subject %q, %v", subject, err)
			}
			if got.Header.Get("Auto-Submitted") != "auto-generated" || got.Header.Get("Message-Id") == "" || got.Header.Get("Importance") != "high" {
				t.Errorf("header %v", got.Header)
			}
			if text, _ := io.ReadAll(got.Body); !bytes.Contains(text, []byte("3 Lieferungen angehalten: kasse")) {
				t.Errorf("%s", text)
			}
		})
	}
	for name, c := range map[string]struct {
		mail *Mail
		want string
	}{
		"wrong password":          {&Mail{Host: "localhost", Port: s.direct, Encryption: TLS, Roots: s.roots, User: "gateway", Password: "falsch"}, "535"},
		"server nobody vouches":   {&Mail{Host: "localhost", Port: s.start, Encryption: StartTLS}, "certificate"},
		"another name":            {&Mail{Host: "127.0.0.1", Port: s.start, Encryption: StartTLS, Roots: s.roots}, "certificate"},
		"nobody listens":          {&Mail{Host: "localhost", Port: freePort(t), Encryption: Clear}, "refused"},
		"login on a clear line":   {&Mail{Host: "localhost", Port: s.start, Encryption: Clear, User: "gateway", Password: "geheim"}, "encrypted line"},
		"no address of the admin": {&Mail{Host: "localhost", Port: s.start, Encryption: Clear, To: []string{"admin at home"}}, "address"},
	} {
		c.mail.From, c.mail.Timeout = "gateway@klinikum.example", 5*time.Second
		if c.mail.To == nil {
			c.mail.To = to
		}
		err := c.mail.Send(t.Context(), Message{Subject: "S", Text: "T"})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "falsch") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
