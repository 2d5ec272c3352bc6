package main

import (
	"fmt"
	"net"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"gateway301/channels/sftp"
	"gateway301/config"
	"gateway301/crypto/keys"
	"gateway301/sample"
)

func newSimulateCommand() *cobra.Command {
	c := &cobra.Command{Use: "simulate", Short: "Play a partner before there is one", RunE: group}
	c.AddCommand(newSimulatePartnerCommand())
	return c
}

// simulation are the flags of "simulate partner".
type simulation struct {
	own                      keyFlags
	profile, dir, listen     string
	hostKey, login, password string
	faults, answers          []string
	port                     int
}

func newSimulatePartnerCommand() *cobra.Command {
	var s simulation
	c := &cobra.Command{
		Use:   "partner --profile P --port N [--fault FAULT]... [--answer ANSWER]...",
		Short: "Run an SFTP server that is as odd as the profile says, fails on command and answers",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return s.run(c) },
	}
	var text strings.Builder
	text.WriteString("Run an SFTP server on the loopback interface until it is stopped. What comes to it lies\nin DIR/in (or DIR/taken, where it takes files at once), what it hands out in DIR/out.\n\nProfiles:\n")
	for _, p := range sftp.Profiles() {
		fmt.Fprintf(&text, "  %-14s %s\n", p.Name, p.About)
	}
	text.WriteString("\nFaults strike once, or as often as :TIMES or :always behind them says:\n")
	for _, f := range sample.PartnerFaults() {
		fmt.Fprintf(&text, "  %-20s %s\n", f[0], f[1])
	}
	text.WriteString(`
Answers are FEHL files, for each pair in turn, the last for all further ones; they
need --key, --cert, and --trust with the certificates of CA and hospitals:
  "silent"            none
  "accept CODE"       a positive one
  "reject CODE TEXT"  a rejection of the file

With neither --login-key nor --password anybody may log in.`)
	c.Long = text.String()
	c.Flags().StringVar(&s.profile, "profile", "strict", "what kind of server it is")
	c.Flags().IntVar(&s.port, "port", 2222, "port to listen at; 0 is any")
	c.Flags().StringVar(&s.listen, "address", "127.0.0.1", "address to listen at")
	c.Flags().StringVar(&s.dir, "dir", "partner", "folder of the partner; is made")
	c.Flags().StringArrayVar(&s.faults, "fault", nil, "what it does wrong")
	c.Flags().StringArrayVar(&s.answers, "answer", nil, "what it answers")
	c.Flags().StringVar(&s.hostKey, "host-key", "", "its SSH private key, as file:PATH (default a new one)")
	c.Flags().StringVar(&s.login, "login-key", "", "public key that may log in, as ssh-ed25519 AAAA…")
	c.Flags().StringVar(&s.password, "password", "", "password that may log in, as file:PATH or env:NAME")
	c.Flags().StringArrayVar(&s.own.keys, "key", nil, "private key of the partner")
	c.Flags().StringVar(&s.own.password, "key-password", "", passwordHelp)
	c.Flags().StringArrayVar(&s.own.certs, "cert", nil, "certificate of the partner, unless the key file holds it")
	c.Flags().StringArrayVar(&s.own.trust, "trust", nil, "certificates of CA and hospitals")
	return c
}

func (s *simulation) run(c *cobra.Command) error {
	o := sample.PartnerOptions{Address: net.JoinHostPort(s.listen, fmt.Sprint(s.port)), Dir: s.dir, Profile: s.profile}
	if !slices.Contains(sample.PartnerProfiles(), s.profile) {
		return usageError{fmt.Errorf("no profile %q; there are %s", s.profile, strings.Join(sample.PartnerProfiles(), ", "))}
	}
	for _, text := range s.faults {
		f, err := sample.ParsePartnerFault(text)
		if err != nil {
			return usageError{err}
		}
		o.Faults = append(o.Faults, f)
	}
	if err := s.doors(&o); err != nil {
		return err
	}
	if len(s.answers) > 0 {
		var err error
		if o.Answers, err = s.script(); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	o.Log = func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(c.ErrOrStderr(), printable(line))
	}
	ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	p, err := sample.StartPartner(o)
	if err != nil {
		return err
	}
	defer p.Close()
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p.HostKey())))
	mu.Lock()
	_, err = fmt.Fprintf(c.OutOrStdout(), words(c, "Partner %s wartet auf %s\nHostschlüssel: %s\n", "partner %s listens at %s\nhost key: %s\n"), s.profile, p.Address(), line)
	mu.Unlock()
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// doors reads who may log in, and the key that is shown.
func (s *simulation) doors(o *sample.PartnerOptions) error {
	read := func(reference string) (config.Secret, error) {
		secret, err := config.ParseSecret(reference, ".")
		if err != nil {
			return secret, usageError{err}
		}
		return secret, nil
	}
	if s.hostKey != "" {
		secret, err := read(s.hostKey)
		if err != nil {
			return err
		}
		if o.Host, err = loginKey(secret, config.Secret{}); err != nil {
			return err
		}
	}
	if s.login != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.login))
		if err != nil {
			return usageError{fmt.Errorf("--login-key: %w", err)}
		}
		o.Keys = append(o.Keys, key)
	}
	if s.password != "" {
		secret, err := read(s.password)
		if err != nil {
			return err
		}
		if o.Password, err = secret.Password(); err != nil {
			return err
		}
	}
	return nil
}

// script reads the answers and what they are sealed with.
func (s *simulation) script() (*sample.Answers, error) {
	a := &sample.Answers{}
	for _, text := range s.answers {
		say, err := sample.ParsePartnerAnswer(text)
		if err != nil {
			return nil, usageError{err}
		}
		a.Script = append(a.Script, say)
	}
	own, err := s.own.loadOwn()
	if err != nil {
		return nil, err
	}
	if len(own) == 0 || len(s.own.trust) == 0 {
		return nil, usageError{fmt.Errorf("--answer needs --key, --cert and --trust")}
	}
	a.Own = latest(own)
	a.Directory, err = s.own.directory(keys.MinBits)
	return a, err
}
