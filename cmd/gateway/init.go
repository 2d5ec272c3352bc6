package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"gateway301/annex"
	"gateway301/config"
	"gateway301/exchange"
)

// quoted writes text as a value of YAML.
func quoted(s string) string {
	b, err := json.Marshal(s)
	must(err)
	return string(b)
}

// A question is a flag that is asked for on a terminal when it is not given.
type question struct {
	flag, de, en string
	value        *string
	check        func(string) error // nil: anything but nothing
}

// ask fills in what is missing: by questions on a terminal, else it is an error.
func askFor(c *cobra.Command, questions []question) error {
	in := bufio.NewReader(c.InOrStdin())
	f, onFile := c.InOrStdin().(*os.File)
	terminal := onFile && term.IsTerminal(int(f.Fd()))
	for _, q := range questions {
		for {
			if *q.value == "" && !terminal {
				return usageError{fmt.Errorf("--%s is missing (%s)", q.flag, q.en)}
			}
			if *q.value == "" {
				fmt.Fprintf(c.ErrOrStderr(), "%s: ", words(c, q.de, q.en))
				line, err := in.ReadString('\n')
				if err != nil {
					return err
				}
				*q.value = strings.TrimSpace(line)
			}
			if *q.value == "" {
				continue
			}
			if q.check == nil {
				break
			}
			err := q.check(*q.value)
			if err == nil {
				break
			}
			if !terminal {
				return usageError{fmt.Errorf("--%s: %w", q.flag, err)}
			}
			fmt.Fprintln(c.ErrOrStderr(), err)
			*q.value = ""
		}
	}
	return nil
}

func isMode(s string) error {
	if s != string(exchange.Test) && s != string(exchange.Production) {
		return fmt.Errorf("possible: test, production; not %q", s)
	}
	return nil
}

func newInitCommand() *cobra.Command {
	var ik, name, mode, key, certificate, contact, centre string
	c := &cobra.Command{
		Use:   "init DIR",
		Short: "Begin a configuration: commented YAML, folders, key request, next steps",
		Long: `Write DIR/gateway.yaml with comments, the folders beside it, and what to do next. On a
terminal it asks for what is not given. With --contact and --trust-centre a new key and
its request to the trust centre are made; --key and --certificate take those you have.
Partners follow with 'gateway partner add'. No file is overwritten.`,
		Args: cobra.ExactArgs(1),
	}
	flags := c.Flags()
	flags.StringVar(&ik, "ik", "", "your Institutionskennzeichen")
	flags.StringVar(&name, "name", "", "name of your institution")
	flags.StringVar(&mode, "mode", "", "test (TEST) or production (ECHT)")
	flags.StringVar(&key, "key", "", "private key that is there already (PEM or PKCS#12)")
	flags.StringVar(&certificate, "certificate", "", "its certificate")
	flags.StringVar(&contact, "contact", "", "person to ask, for the key request")
	flags.StringVar(&centre, "trust-centre", "", "name of the trust centre, for the key request")
	c.RunE = func(c *cobra.Command, args []string) error {
		dir, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		path := filepath.Join(dir, "gateway.yaml")
		if _, err := os.Lstat(path); err == nil {
			return codeError{exitFailed, fmt.Sprintf(words(c, "%s gibt es schon; nichts wurde geändert", "%s is there already; nothing was changed"), path)}
		}
		if err := askFor(c, []question{
			{"ik", "Institutionskennzeichen", "your Institutionskennzeichen", &ik, annex.ValidIK},
			{"name", "Name des Hauses", "name of your institution", &name, nil},
			{"mode", "Betrieb: test (TEST) oder production (ECHT)", "mode: test (TEST) or production (ECHT)", &mode, isMode},
		}); err != nil {
			return err
		}
		for _, folder := range []string{"", "keys", "keys/partners", "outbox", "inbox", "partners.d"} {
			if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
				return err
			}
		}
		var steps []string
		step := func(de, en string) { steps = append(steps, words(c, de, en)) }
		switch {
		case key != "":
			for _, p := range []*string{&key, &certificate} {
				if *p != "" {
					if *p, err = filepath.Abs(*p); err != nil {
						return err
					}
				}
			}
		case contact != "" && centre != "":
			request := newKeyRequestCommand()
			request.SetArgs([]string{"--ik", ik, "--institution", name, "--contact", contact, "--trust-centre", centre, "--to", filepath.Join(dir, "keys")})
			request.SetOut(c.OutOrStdout())
			request.SetErr(c.ErrOrStderr())
			if err := request.ExecuteContext(c.Context()); err != nil {
				return err
			}
			key = fmt.Sprintf("keys/%s-%s.key.pem", ik, time.Now().Format("20060102"))
			step("den Zertifikatsantrag in keys/ an das Trust Center senden; das Zertifikat als keys/"+ik+".cert.pem ablegen",
				"send the request in keys/ to the trust centre; put the certificate into keys/"+ik+".cert.pem")
		default:
			key = "keys/" + ik + ".key.pem"
			step("Schlüssel nach keys/"+ik+".key.pem (chmod 600), Zertifikat nach keys/"+ik+".cert.pem legen, oder mit 'gateway key request' beantragen",
				"put your key into keys/"+ik+".key.pem (chmod 600) and its certificate into keys/"+ik+".cert.pem, or ask for one with 'gateway key request'")
		}
		if certificate == "" && !strings.HasSuffix(key, ".p12") && !strings.HasSuffix(key, ".pfx") {
			certificate = "keys/" + ik + ".cert.pem"
		}
		line := ""
		if certificate != "" {
			line = "\n    certificate: " + quoted(certificate)
		}
		text := fmt.Sprintf(initYAML, ik, quoted(name), quoted("file:"+key), line, ik, mode)
		if err := createFiles(namedFile{path, []byte(text)}, namedFile{filepath.Join(dir, "gateway.schema.json"), schemaText()}); err != nil {
			return err
		}
		step("Wurzel- und CA-Zertifikate nach keys/roots.pem, die der Partner nach keys/partners/ legen",
			"put the trust centre's root and CA certificates into keys/roots.pem, those of partners into keys/partners/")
		step("je Partner: gateway partner add NAME -c "+path, "for each partner: gateway partner add NAME -c "+path)
		step("gateway config check -c "+path, "gateway config check -c "+path)
		step("gateway doctor -c "+path, "gateway doctor -c "+path)
		step("gateway run -c "+path, "gateway run -c "+path)
		w := c.OutOrStdout()
		fmt.Fprintf(w, words(c, "%s ist geschrieben. Als Nächstes:\n", "%s is written. Next:\n"), path)
		for i, s := range steps {
			fmt.Fprintf(w, "  %d. %s\n", i+1, s)
		}
		return nil
	}
	return c
}

func schemaText() []byte {
	text, err := config.Schema()
	must(err)
	return text
}

const initYAML = `# yaml-language-server: $schema=gateway.schema.json
# Gateway 301. Paths are relative to this file. Every key: gateway config reference
# After a change: gateway config check; the running service takes it up by itself.
include: partners.d        # one file for each partner, with its routes

identities:                # our own IKs
  - ik: %s
    name: %s
    key: %s%s
    inbox: inbox           # what arrives: KOUB, ZAHL ...

trust:
  roots: [keys/roots.pem]  # the trust centre's certificates
  certificates: [keys/partners]

outboxes:                  # where the hospital system lays down finished files
  - name: kis
    path: outbox
    owner: %s
    mode: %s
    # marker: .ok          # FILE is complete when FILE.ok stands beside it; else when it rests
`

// newPartnerAddCommand writes a partner's own file.
func newPartnerAddCommand() *cobra.Command {
	var file, ik, address, user, hostKey, knownHosts, put, get, window, mode, last string
	var types []string
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Write a partner's own file, with an SSH key and a route",
		Long: `Write NAME.yaml into the include folder: the partner's row and a route to it. A new SSH
key for the login is made in keys/ beside the configuration; its public half is printed,
for the partner. The host key decides whom you talk to: compare it with what the partner
tells you by telephone or letter. The configuration is checked with the new file; if it
cannot be used because of it, nothing is left behind.`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(c, &file)
	flags := c.Flags()
	flags.StringVar(&ik, "ik", "", "IK of the partner")
	flags.StringVar(&address, "address", "", "its SFTP server, host:port")
	flags.StringVar(&user, "user", "", "login there")
	flags.StringVar(&hostKey, "host-key", "", "its public key, as ssh-ed25519 AAAA...")
	flags.StringVar(&knownHosts, "known-hosts", "", "file that holds its public key, instead of --host-key")
	flags.StringVar(&put, "put", "in", "remote folder we send to")
	flags.StringVar(&get, "get", "out", "remote folder we collect from")
	flags.StringVar(&window, "window", "always", "when sending may begin")
	flags.StringVar(&mode, "mode", "", "test or production (default that of the outboxes)")
	flags.StringSliceVar(&types, "type", []string{"AUFN", "VERL", "MBEG", "ENTL", "RECH"}, "message types of the route")
	flags.StringVar(&last, "last-number", "", "last transfer number of the program that this one replaces, 000 to 999; none for a fresh start")
	c.RunE = func(c *cobra.Command, args []string) error {
		name := args[0]
		if !config.IsName(name) {
			return usageError{fmt.Errorf("%q is not a name: letters, digits, dot, dash and underscore, 64 at most", name)}
		}
		// The key of a new identity may not be there yet: what can be read is enough.
		settings, err := config.Settings(file)
		if err != nil {
			return fmt.Errorf("%w: %w", config.ErrInvalid, err)
		}
		base, include, err := config.Include(file)
		if err != nil {
			return err
		}
		if include == "" {
			return codeError{exitConfig, file + ": " + words(c, "ohne include gibt es keinen Ordner für die Datei des Partners; schreiben Sie include: partners.d", "without include there is no folder for the partner's file; write include: partners.d")}
		}
		for _, s := range settings {
			if mode == "" && s.Key == "mode" && strings.HasPrefix(s.Row, "outboxes ") {
				mode = s.Value
			}
		}
		questions := []question{
			{"ik", "IK des Partners", "IK of the partner", &ik, annex.ValidIK},
			{"address", "SFTP-Server, host:port", "SFTP server, host:port", &address, nil},
			{"user", "Anmeldename", "login", &user, nil},
			{"mode", "Betrieb: test oder production", "mode: test or production", &mode, isMode},
			{"last-number", "letzte Transfernummer des bisherigen Programms (none: Neubeginn)", "last transfer number of the program that this one replaces (none: fresh start)", &last, isNumber},
		}
		if knownHosts == "" {
			questions = append(questions, question{"host-key", "öffentlicher Schlüssel des Servers", "the server's public key", &hostKey, nil})
		}
		if err := askFor(c, questions); err != nil {
			return err
		}
		var pinned string
		if knownHosts != "" {
			abs, err := filepath.Abs(knownHosts)
			if err != nil {
				return err
			}
			pinned = "known-hosts: " + quoted(abs)
		} else {
			pinned = "host-keys: [" + quoted(hostKey) + "]"
		}
		first := 1
		if last != "none" {
			fmt.Sscanf(last, "%d", &first)
			first = (first + 1) % 1000
		}
		keyName := "keys/ssh_" + name
		text := fmt.Sprintf(partnerYAML, name, ik, quoted(address), quoted(user), quoted("file:"+keyName), pinned, quoted(put), quoted(get), quoted(window), first,
			ik, strings.Join(types, ", "), mode, name)
		public, made, err := makeLoginKey(filepath.Join(base, keyName))
		if err != nil {
			return err
		}
		path := filepath.Join(include, name+".yaml")
		if err := createFiles(namedFile{path, []byte(text)}); err != nil {
			return errors.Join(err, removeIf(made, filepath.Join(base, keyName)))
		}
		_, problems, err := config.Load(file)
		if err != nil {
			return err
		}
		wrong := problems.Without(func(p config.Problem) bool {
			return p.Severity != config.Error || filepath.Base(p.File) != name+".yaml"
		})
		if len(wrong) > 0 {
			for _, p := range wrong {
				fmt.Fprintln(c.ErrOrStderr(), p.Detail())
			}
			return errors.Join(codeError{exitConfig, words(c, "so nicht verwendbar; nichts wurde angelegt", "cannot be used like this; nothing was left behind")},
				os.Remove(path), removeIf(made, filepath.Join(base, keyName)))
		}
		w := c.OutOrStdout()
		fmt.Fprintf(w, words(c, "%s ist geschrieben. Dem Partner mitteilen, mit welchem Schlüssel Sie sich anmelden:\n%s", "%s is written. Tell the partner the key that you log in with:\n%s"), path, public)
		if rest := problems.Without(func(p config.Problem) bool { return p.Severity != config.Error }); len(rest) > 0 {
			fmt.Fprintf(w, words(c, "Anderswo ist noch etwas zu tun: gateway config check -c %s\n", "Something else is left to do: gateway config check -c %s\n"), file)
		} else {
			fmt.Fprintf(w, words(c, "Dann: gateway partner probe %s -c %s\n", "Then: gateway partner probe %s -c %s\n"), name, file)
		}
		return nil
	}
	return c
}

func isNumber(s string) error {
	var n int
	if s == "none" {
		return nil
	}
	if _, err := fmt.Sscanf(s, "%d", &n); err != nil || n < 0 || n > 999 {
		return fmt.Errorf("possible: 000 to 999, or none; not %q", s)
	}
	return nil
}

func removeIf(made bool, path string) error {
	if made {
		return errors.Join(os.Remove(path))
	}
	return nil
}

// makeLoginKey makes a key for the login, unless it is there.
func makeLoginKey(path string) (public string, made bool, err error) {
	if b, err := os.ReadFile(path); err == nil {
		signer, err := ssh.ParsePrivateKey(b)
		if err != nil {
			return "", false, fmt.Errorf("%s: %w", path, err)
		}
		return string(ssh.MarshalAuthorizedKey(signer.PublicKey())), false, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", false, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return "", false, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return "", false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", false, err
	}
	return string(ssh.MarshalAuthorizedKey(signer.PublicKey())), true, createFiles(namedFile{path, pem.EncodeToMemory(block)})
}

const partnerYAML = `# One partner: its row, and the routes to it.
partners:
  - name: %s
    ik: %s
    sftp:
      address: %s
      user: %s
      key: %s
      %s
      put: %s
      get: %s
    window: %s
    first-number: %d       # of the transfer names; what was sent before counts
    answers: errors-only   # never | errors-only | always
routes:
  - recipients: [%s]
    types: [%s]
    mode: %s
    partner: %s
`

func newPartnerListCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{Use: "list", Short: "List the partners", Args: cobra.NoArgs,
		Long: "List the partners.\nWith --json one object a line: name, ik, channel, window (open, or closed until when), stopped."}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, _, err := readConfig(file)
		if err != nil {
			return err
		}
		stops := map[string]exchange.Stop{}
		if ledger, err := openReading(c.Context(), cfg); err == nil {
			defer ledger.Close()
			if stops, err = ledger.Stopped(c.Context()); err != nil {
				return err
			}
		}
		t := newTable(c.OutOrStdout(), words(c, "Partner", "Partner"), "IK", words(c, "Kanal", "Channel"), words(c, "Fenster", "Window"), words(c, "gestoppt", "Stopped"))
		now := time.Now()
		for i := range cfg.Partners {
			p := &cfg.Partners[i]
			channel, window := "", words(c, "offen", "open")
			if p.SFTP != nil {
				channel = p.SFTP.User + "@" + p.SFTP.Address
			} else if p.Folder != nil {
				channel = p.Folder.Put
			}
			if !p.Window.Open(now, cfg.TimeZone) {
				window = words(c, "geschlossen bis ", "closed until ") + p.Window.NextOpen(now, cfg.TimeZone).In(cfg.TimeZone).Format("2006-01-02 15:04")
			}
			if asJSON {
				if err := writeJSONLine(c.OutOrStdout(), struct {
					Name    string `json:"name"`
					IK      string `json:"ik"`
					Channel string `json:"channel"`
					Window  string `json:"window"`
					Stopped string `json:"stopped,omitempty"`
				}{p.Name, p.IK, channel, window, stops[p.Name].Text}); err != nil {
					return err
				}
				continue
			}
			t.AppendRow([]any{p.Name, p.IK, channel, window, printable(stops[p.Name].Text)})
		}
		if !asJSON {
			t.Render()
		}
		return nil
	}
	return c
}

func newPartnerShowCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{Use: "show NAME", Short: "Show all settings of a partner, defaults too, and its routes", Args: cobra.ExactArgs(1),
		Long: "Show all settings of a partner, defaults too, and its routes.\nWith --json one object: name, settings (key to value), routes (names)."}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, _, err := readConfig(file)
		if err != nil {
			return err
		}
		settings, err := config.Settings(file)
		if err != nil {
			return err
		}
		row := "partners " + args[0]
		values := map[string]string{}
		known := false
		for _, s := range settings {
			if s.Row == row {
				known = true
				if s.Key != "" {
					values[s.Key] = s.Value
					if !asJSON {
						fmt.Fprintf(c.OutOrStdout(), "%-28s %s\n", s.Key, printable(s.Value))
					}
				}
			}
		}
		if !known {
			return codeError{exitNotFound, fmt.Sprintf(words(c, "kein Partner %q", "no partner %q"), args[0])}
		}
		var routes []string
		for i, r := range cfg.Routes {
			if r.Partner == args[0] {
				routes = append(routes, r.Name)
				if !asJSON {
					fmt.Fprintf(c.OutOrStdout(), "%-28s %s\n", fmt.Sprintf("%s %d", words(c, "Route", "route"), i+1), printable(r.Name))
				}
			}
		}
		if asJSON {
			return writeJSON(c.OutOrStdout(), struct {
				Name     string            `json:"name"`
				Settings map[string]string `json:"settings"`
				Routes   []string          `json:"routes"`
			}{args[0], values, routes})
		}
		return nil
	}
	return c
}
