package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway301/annex"
	"gateway301/sample"
)

func newSampleCommand() *cobra.Command {
	var o sample.FileOptions
	var out, size, created, fault string
	c := &cobra.Command{
		Use:   "sample [TYPE]",
		Short: "Make an invented file of any message type and size",
		Long: "Make a valid, invented file. The same options and seed give the same bytes.\nTypes: " + strings.Join(sample.Types(), ", ") +
			". RECH and ENTL can grow to a --size.\nWith --fault CODE and no type: the smallest file that breaks just that rule.",
		Args: cobra.MaximumNArgs(1),
	}
	f := c.Flags()
	f.StringVar(&fault, "fault", "", "code of the rule that the file breaks")
	f.StringVar(&o.Version, "version", "16", "version of the message: 12, 13, 15, 16")
	f.StringVar(&o.Sender, "from", "", "IK in UNB 0004 (default an invented one)")
	f.StringVar(&o.Recipient, "to", "", "IK in UNB 0010 (default an invented one)")
	f.IntVar(&o.Reference, "reference", 1, "UNB 0020, 1 to 99999")
	f.IntVar(&o.Messages, "messages", 1, "how many messages")
	f.Uint64Var(&o.Seed, "seed", 0, "other persons, cases and amounts")
	f.BoolVar(&o.UNA, "una", false, "begin with a UNA")
	f.StringVar(&created, "created", "", "creation time, JJJJ-MM-TTThh:mm (default noon on 2 January 2026)")
	f.StringVar(&size, "size", "", "about so many bytes, such as 64MB (RECH and ENTL)")
	f.StringVar(&out, "out", "", "file to write (default standard output)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if (len(args) == 0) == (fault == "") {
			return usageError{errors.New("either a type or --fault CODE")}
		}
		if fault != "" {
			return writeFault(c, fault, out)
		}
		o.Type = args[0]
		if err := parties(&o, created); err != nil {
			return err
		}
		n, err := parseBytes(size)
		if err != nil {
			return usageError{err}
		}
		write := func(w io.Writer) error {
			if n > 0 {
				return sample.WriteSized(w, o, n)
			}
			return sample.Write(w, o)
		}
		return writeTo(c.OutOrStdout(), out, write)
	}
	return c
}

// writeFault writes the file that breaks a rule, and tells what a check must be given.
func writeFault(c *cobra.Command, code, out string) error {
	tables, err := annex.LoadTables()
	if err != nil {
		return err
	}
	f, err := sample.FaultOf(tables, strings.ToUpper(code))
	if errors.Is(err, sample.ErrFault) {
		return codeError{exitNotFound, err.Error()}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), words(c, "gateway: %s muss bei Byte %d gemeldet werden%s\n", "gateway: %s must be found at byte %d%s\n"), f.Code, f.At, strings.Join(needed(f.Options), ""))
	return writeTo(c.OutOrStdout(), out, func(w io.Writer) error {
		_, err := w.Write(f.File)
		return err
	})
}

// needed names the flags of gateway check without which the rule is not checked.
func needed(o annex.CheckOptions) []string {
	var out []string
	if o.Order != nil {
		out = append(out, " --auf")
	}
	if o.Partners != nil {
		out = append(out, " --partners")
	}
	if o.LastReference != 0 {
		out = append(out, fmt.Sprintf(" --last-reference %d", o.LastReference))
	}
	if len(o.Checks) > 0 {
		out = append(out, " -c")
	}
	return append(out, " --now "+o.Now.Format("2006-01-02T15:04"))
}

// parties fills in invented IKs, in the direction of the message.
func parties(o *sample.FileOptions, created string) error {
	hospital, insurer := "260500005", "109910000"
	if !annex.FromHospital(o.Type) {
		hospital, insurer = insurer, hospital
	}
	if o.Sender == "" {
		o.Sender = hospital
	}
	if o.Recipient == "" {
		o.Recipient = insurer
	}
	if created != "" {
		t, err := parseMoment(created, time.UTC)
		if err != nil {
			return usageError{fmt.Errorf("--created: %w", err)}
		}
		o.Created = t
	}
	return nil
}

// parseBytes reads a size: bytes, or with KB, MB, GB of thousands. Empty is 0.
func parseBytes(s string) (int64, error) {
	unit := int64(1)
	number := s
	for suffix, n := range map[string]int64{"KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = rest, n
		}
	}
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || n > 1<<40 {
		return 0, fmt.Errorf("size %q is no number of bytes, KB, MB, GB, KiB, MiB or GiB", s)
	}
	return n * unit, nil
}

// writeTo writes to standard output or to a new file.
func writeTo(stdout io.Writer, path string, write func(io.Writer) error) error {
	if path == "" {
		return write(stdout)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 1<<16)
	if err = write(b); err == nil {
		err = b.Flush()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
