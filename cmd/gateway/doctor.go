package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"gateway301/channels/folder"
	"gateway301/config"
)

// A finding of the doctor, in its stable JSON form.
type diagnosis struct {
	Check string `json:"check"` // configuration, keys, folder, disk, clock, partner, service
	State string `json:"state"` // ok, warning, fault
	What  string `json:"what"`
	Fix   string `json:"fix,omitempty"`
}

func newDoctorCommand() *cobra.Command {
	var file string
	var asJSON, online bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check the machine: configuration, keys, folders, rights, disk, clock, service",
		Long: `Check what the service needs of this machine, as the user who runs this command, and name
the fix. Run it as the service's user. With --online each partner's port is called, too
('gateway partner probe NAME' logs in).
Exit code 0 when all is well or only to be looked at, 7 when there is a fault.
With --json one object a line: check, state (ok, warning, fault), what, fix.`,
		Args: cobra.NoArgs,
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.Flags().BoolVar(&online, "online", false, "call each partner's port")
	c.RunE = func(c *cobra.Command, _ []string) error {
		found := examine(c, file, online)
		faults := 0
		for _, d := range found {
			if d.State == "fault" {
				faults++
			}
			if asJSON {
				if err := writeJSONLine(c.OutOrStdout(), d); err != nil {
					return err
				}
				continue
			}
			mark := map[string]string{"ok": "ok", "warning": words(c, "Hinweis", "look"), "fault": words(c, "FEHLER", "FAULT")}[d.State]
			fmt.Fprintf(c.OutOrStdout(), "%-8s %-14s %s\n", mark, d.Check, printable(d.What))
			if d.Fix != "" {
				fmt.Fprintf(c.OutOrStdout(), "%-8s %-14s → %s\n", "", "", printable(d.Fix))
			}
		}
		if faults > 0 {
			return codeError{exitFindings, fmt.Sprintf(words(c, "%d Fehler", "%d faults"), faults)}
		}
		return nil
	}
	return c
}

// examine looks at everything; a configuration that cannot be used ends it.
func examine(c *cobra.Command, file string, online bool) (out []diagnosis) {
	note := func(check, state, what, fix string) { out = append(out, diagnosis{check, state, what, fix}) }
	cfg, problems, err := config.Load(file)
	if err == nil {
		err = problems.Err()
	}
	if err != nil {
		note("configuration", "fault", err.Error(), "gateway config check -c "+file)
		return out
	}
	note("configuration", "ok", fmt.Sprintf("%s, %d warnings", file, len(withHistory(cfg, problems))), "")
	now := time.Now()
	parts, faults := newParts(cfg, zerolog.Nop())
	for _, err := range faults {
		note("keys", "fault", err.Error(), "")
	}
	if parts.ring != nil {
		for _, u := range parts.ring.uses(cfg, now) {
			s := u.show(now)
			switch what := fmt.Sprintf("%s %s %s", s.Use, s.IK, s.Name); {
			case s.Fault != "":
				note("keys", "fault", what+": "+s.Fault, "")
			case s.Stage > 0 && !u.successor:
				note("keys", "warning", fmt.Sprintf("%s ends in %d days", what, s.Days), "gateway key expiring -c "+file)
			}
		}
	}
	seen := map[string]bool{}
	writable := func(use, path string) {
		if path == "" || seen[path] {
			return
		}
		seen[path] = true
		if err := tryFolder(path); err != nil {
			note("folder", "fault", use+" "+path+": "+err.Error(), fmt.Sprintf("give uid %d the right to write there", os.Getuid()))
			return
		}
		note("folder", "ok", use+" "+path, "")
	}
	writable("spool", cfg.Spool)
	if !cfg.Shared() {
		writable("ledger", filepath.Dir(cfg.Ledger))
	}
	for _, b := range cfg.Outboxes {
		writable("outbox", b.Path)
		writable("quarantine", b.Quarantine)
	}
	for _, id := range cfg.Identities {
		writable("inbox", id.Inbox)
	}
	for _, r := range cfg.Routes {
		writable("copies", r.CopyTo)
	}
	for _, p := range cfg.Partners {
		if p.Folder != nil {
			writable("partner "+p.Name, p.Folder.Put)
		}
	}
	if kind, network, err := folder.Network(existing(cfg.Spool)); err == nil && network {
		note("disk", "fault", "the spool lies on a network mount ("+kind+")", "put it on a local disk")
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(existing(cfg.Spool), &fs); err == nil {
		free := int64(fs.Bavail) * int64(fs.Bsize)
		state, fix := "ok", ""
		if free < cfg.DiskFloor {
			state, fix = "fault", "intake stops below disk-floor: make room"
		} else if free < 4*cfg.DiskFloor {
			state, fix = "warning", "make room before disk-floor is reached"
		}
		note("disk", state, fmt.Sprintf("%d MiB free for the spool", free>>20), fix)
	}
	var clock unix.Timex
	if status, err := unix.Adjtimex(&clock); err == nil && status == unix.TIME_ERROR {
		note("clock", "warning", "the clock is not kept in step with a time server", "windows, certificates and creation times need the right time: set up chrony or systemd-timesyncd")
	} else if err == nil {
		note("clock", "ok", now.In(cfg.TimeZone).Format("2006-01-02 15:04:05 MST"), "")
	}
	if online {
		for _, p := range cfg.Partners {
			if p.SFTP == nil {
				continue
			}
			conn, err := net.DialTimeout("tcp", p.SFTP.Address, 5*time.Second)
			if err != nil {
				note("partner", "fault", p.Name+": "+err.Error(), "firewall, address or proxy; then gateway partner probe "+p.Name)
				continue
			}
			conn.Close()
			note("partner", "ok", p.Name+" "+p.SFTP.Address+" answers", "")
		}
	}
	if r, err := ask(cfg, "status"); err != nil {
		note("service", "warning", errNoService.Error(), "")
	} else {
		note("service", "ok", fmt.Sprintf("%s, PID %d, configuration %.12s", r.Version, r.PID, r.Hash), "")
	}
	return out
}

// existing is the folder itself or the innermost one above it that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || filepath.Dir(path) == path {
			return path
		}
		path = filepath.Dir(path)
	}
}

// tryFolder finds out whether files can be made in a folder, or in the one above in which it
// would be made.
func tryFolder(path string) error {
	f, err := os.CreateTemp(existing(path), ".gateway-doctor-*.tmp")
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			return pe.Err
		}
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
