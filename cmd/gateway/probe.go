package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gateway301/channels"
	"gateway301/channels/sftp"
	"gateway301/config"
)

func newProbeCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "probe NAME",
		Short: "Find out what a partner's server can do, and propose its profile",
		Long: `Log in at a partner's server as its row says, try in its put folder what a delivery
needs, remove everything again, and propose the profile. The files are called
gateway301-probe-… and hold no data. A partner that takes files at once may see them.
A partner that was stopped is not called.`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, ledger, err := openLedger(file)
		if ledger != nil {
			defer ledger.Close()
		}
		if err != nil && cfg == nil {
			return err
		}
		i := slices.IndexFunc(cfg.Partners, func(p config.Partner) bool { return p.Name == args[0] })
		switch {
		case i < 0:
			return codeError{exitNotFound, fmt.Sprintf(words(c, "kein Partner %q", "no partner %q"), args[0])}
		case cfg.Partners[i].SFTP == nil || cfg.Partners[i].SFTP.Put == "":
			return usageError{fmt.Errorf("partner %s has no SFTP server with a put folder", args[0])}
		}
		if ledger != nil { // a wrong login counts, whoever makes it
			stops, err := ledger.Stopped(c.Context())
			if err != nil {
				return err
			}
			if s, stopped := stops[args[0]]; stopped {
				return fmt.Errorf(words(c, "Partner %s ist gestoppt (%s): %s; weiter mit 'gateway partner resume %s'",
					"partner %s is stopped (%s): %s; go on with 'gateway partner resume %s'"), args[0], causeName(c, s.Cause), s.Text, args[0])
			}
		}
		set, _, err := sftpSettings(cfg.Partners[i].SFTP)
		if err != nil {
			return err
		}
		set.Proof, set.Blind = 0, false // that is to be found out
		report, err := sftp.Probe(c.Context(), set)
		if err != nil {
			return adviseHostKey(err)
		}
		if asJSON {
			return writeJSON(c.OutOrStdout(), report)
		}
		printProbe(c, &report, cfg.Partners[i].SFTP)
		return nil
	}
	return c
}

// adviseHostKey adds what to compare with the partner.
func adviseHostKey(err error) error {
	if shown, ok := errors.AsType[*sftp.HostKeyError](err); ok && shown.Key != nil {
		return fmt.Errorf("%w; ask the partner for its fingerprint on another way before you pin it", err)
	}
	return err
}

func printProbe(c *cobra.Command, r *sftp.Report, row *config.SFTP) {
	w := c.OutOrStdout()
	can := func(b bool) string {
		if b {
			return words(c, "ja", "yes")
		}
		return words(c, "nein", "no")
	}
	for _, line := range [][2]string{
		{words(c, "Server", "server"), r.Address + ", " + printable(r.Server)},
		{words(c, "Verfahren", "algorithms"), strings.Join([]string{r.Algorithms.KeyExchange, r.Algorithms.HostKey, r.Algorithms.Write.Cipher}, ", ")},
		{words(c, "Erweiterungen", "extensions"), strings.Join(r.Extensions, ", ")},
		{words(c, "auflisten", "list"), can(r.CanList)},
		{words(c, "Größe abfragen", "stat"), can(r.CanStat)},
		{words(c, "zurücklesen", "read back"), can(r.CanRead)},
		{words(c, "umbenennen", "rename"), can(r.CanRename) + ", posix-rename: " + can(r.CanPosixRename)},
		{words(c, "ersetzt beim Umbenennen", "replaces on rename"), can(r.ReplacesOnRename)},
		{words(c, "Datei neu öffnen", "reopen a file"), can(r.CanReopen)},
		{words(c, "löschen", "remove"), can(r.CanRemove)},
		{words(c, "Datei ist sofort weg", "file vanishes at once"), can(r.Vanishes)},
		{words(c, "Sitzungen, Dateien zugleich", "sessions, files at once"), fmt.Sprintf("%d, %d", r.Sessions, r.Files)},
		{words(c, "Paketgröße", "packet size"), fmt.Sprintf("%dKiB", r.MaxPacket>>10)},
	} {
		fmt.Fprintf(w, "%-28s %s\n", line[0], line[1])
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "%-28s %s\n", words(c, "Hinweis", "note"), printable(note))
	}
	fmt.Fprintf(w, "\n%s\n", words(c, "Vorschlag für die Zeile des Partners:", "proposal for the partner's row:"))
	fmt.Fprintf(w, "      profile: %s\n", r.Profile.Name)
	if r.MaxPacket != 32<<10 {
		fmt.Fprintf(w, "      packet-size: %dKiB\n", r.MaxPacket>>10)
	}
	if r.Profile.Rename == sftp.RenamePosix {
		fmt.Fprintln(w, "      rename: posix")
	}
	if row.Profile == r.Profile.Name && row.Temporary == "" && r.Profile.Temporary != channels.None {
		fmt.Fprintln(w, words(c, "Die Zeile nennt dieses Profil schon.", "The row names this profile already."))
	}
}
