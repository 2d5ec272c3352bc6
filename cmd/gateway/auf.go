package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gateway301/annex"
)

func newAufCommand() *cobra.Command {
	c := &cobra.Command{Use: "auf", Short: "Show, make and check Auftragsdateien", RunE: group}
	c.AddCommand(newAufShowCommand(), newAufMakeCommand(), newAufCheckCommand())
	return c
}

// readRecord reads at most one byte more than a record has.
func readRecord(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, annex.AuftragsdateiSize+3))
}

// readAuf reads an Auftragsdatei as leniently as a receiver does.
func readAuf(path string) (*annex.Auftragsdatei, error) {
	raw, err := readRecord(path)
	if err != nil {
		return nil, err
	}
	a, _, err := annex.ParseAuftragsdatei(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &a, nil
}

// A fieldLine is the stable JSON form of a field.
type fieldLine struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	From   int    `json:"from"`
	To     int    `json:"to"`
	Value  string `json:"value"`
}

func newAufShowCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "show FILE", Short: "Show the 37 fields of an Auftragsdatei", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := readAuf(args[0])
			if err != nil {
				return err
			}
			table := newTable(c.OutOrStdout(), "#", words(c, "Feld", "field"), words(c, "Position", "position"), words(c, "Wert", "value"))
			for _, f := range a.Fields() {
				if !asJSON {
					table.AppendRow([]any{f.Number, f.Name, fmt.Sprintf("%d-%d", f.From, f.To), printable(f.Value)})
				} else if err := writeJSONLine(c.OutOrStdout(), fieldLine(f)); err != nil {
					return err
				}
			}
			if !asJSON {
				table.Render()
			}
			return nil
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	return c
}

// An aufLine is the stable JSON form of a fault.
type aufLine struct {
	File     string `json:"file"`
	Severity string `json:"severity"`
	Field    string `json:"field"`
	Number   int    `json:"number"`
	From     int    `json:"from"`
	To       int    `json:"to"`
	Rule     string `json:"rule"`
}

func newAufCheckCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "check FILE [PAYLOAD]", Short: "Check an Auftragsdatei, and the pair with its payload",
		Long: "Check an Auftragsdatei field by field and, with the payload, the pair: names and size. Exit code 7 when something is wrong.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			raw, err := readRecord(args[0])
			if err != nil {
				return err
			}
			a, warnings, err := annex.ParseAuftragsdatei(raw)
			var faults []annex.FieldFault
			if wrong, ok := errors.AsType[*annex.OrderError](err); ok {
				faults = wrong.Faults
			} else if err != nil {
				return err
			}
			if err == nil && len(args) == 2 {
				pair, err := checkPair(&a, args[0], args[1])
				if err != nil {
					return err
				}
				faults = append(faults, pair...)
			}
			for i, f := range append(slices.Clone(faults), warnings...) {
				s := annex.Error
				if i >= len(faults) {
					s = annex.Warning
				}
				if err := printFault(c, args[0], s, f, asJSON); err != nil {
					return err
				}
			}
			if len(faults) > 0 {
				return codeError{code: exitFindings}
			}
			if !asJSON {
				_, err = fmt.Fprintf(c.OutOrStdout(), words(c, "%s: in Ordnung (%s)\n", "%s: all right (%s)\n"), args[0], a.TransferName())
				return err
			}
			return nil
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	return c
}

func printFault(c *cobra.Command, file string, s annex.Severity, f annex.FieldFault, asJSON bool) error {
	if asJSON {
		return writeJSONLine(c.OutOrStdout(), aufLine{file, string(s), f.Field, f.Number, f.From, f.To, f.Rule})
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s: %s: %s\n", file, severity(c, s), printable(f.String()))
	return err
}

// checkPair judges the rules between an Auftragsdatei and its payload (GGT 1 and 2).
func checkPair(a *annex.Auftragsdatei, auf, payload string) ([]annex.FieldFault, error) {
	info, err := os.Stat(payload)
	if err != nil {
		return nil, err
	}
	var faults []annex.FieldFault
	if name := filepath.Base(payload); name != a.TransferName() {
		faults = append(faults, annex.FieldFault{Rule: fmt.Sprintf("the payload is named %s, not %s", name, a.TransferName())})
	}
	if name := filepath.Base(auf); name != a.TransferName()+annex.AUFSuffix {
		faults = append(faults, annex.FieldFault{Rule: fmt.Sprintf("the Auftragsdatei is named %s, not %s", name, a.TransferName()+annex.AUFSuffix)})
	}
	if info.Size() != a.GroesseUebertragung {
		faults = append(faults, annex.FieldFault{Field: "DATEIGRÖSSE_ÜBERTRAGUNG", Number: 22, From: 191, To: 202,
			Rule: fmt.Sprintf("says %d, the payload has %d bytes", a.GroesseUebertragung, info.Size())})
	}
	return faults, nil
}

func newAufMakeCommand() *cobra.Command {
	var a annex.Auftragsdatei
	var charset, created, plain, payload, out string
	c := &cobra.Command{Use: "make", Short: "Write an Auftragsdatei", Args: cobra.NoArgs}
	f := c.Flags()
	f.StringVar(&a.Verfahren, "verfahren", annex.VerfahrenTest, "VERFAHREN_KENNUNG")
	f.IntVar(&a.TransferNummer, "number", 0, "TRANSFER_NUMMER, 0 to 999")
	f.StringVar(&a.AbsenderEigner, "owner", "", "ABSENDER_EIGNER")
	f.StringVar(&a.AbsenderPhysikalisch, "sender", "", "ABSENDER_PHYSIKALISCH (default the owner)")
	f.StringVar(&a.EmpfaengerNutzer, "recipient", "", "EMPFÄNGER_NUTZER")
	f.StringVar(&a.EmpfaengerPhysikalisch, "next", "", "EMPFÄNGER_PHYSIKALISCH (default the recipient)")
	f.StringVar(&a.Dateiname, "name", "", "DATEINAME, 8 to 11 characters as in UNB 0026")
	f.StringVar(&created, "created", "", "DATUM_ERSTELLUNG, JJJJ-MM-TTThh:mm:ss (default now)")
	f.StringVar(&charset, "charset", string(annex.ZeichensatzI1), "ZEICHENSATZ")
	f.IntVar((*int)(&a.Komprimierung), "compression", 0, "KOMPRIMIERUNG, 0 none, 2 gzip")
	f.StringVar(&plain, "plain", "", "file whose size is DATEIGRÖSSE_NUTZDATEN")
	f.StringVar(&payload, "payload", "", "file whose size is DATEIGRÖSSE_ÜBERTRAGUNG; not sealed if it is the same")
	f.StringVar(&out, "out", "", "file to write (default standard output)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		zone, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			return err
		}
		at := time.Now().In(zone)
		if created != "" {
			if at, err = parseMoment(created, zone); err != nil {
				return usageError{fmt.Errorf("--created: %w", err)}
			}
		}
		a.DatumErstellung, a.Zeichensatz = at.Format("20060102150405"), annex.Zeichensatz(charset)
		a.AbsenderPhysikalisch = cmp.Or(a.AbsenderPhysikalisch, a.AbsenderEigner)
		a.EmpfaengerPhysikalisch = cmp.Or(a.EmpfaengerPhysikalisch, a.EmpfaengerNutzer)
		if plain == "" || payload == "" {
			return usageError{errors.New("--plain and --payload are needed")}
		}
		if a.GroesseNutzdaten, err = sizeOf(plain); err != nil {
			return err
		}
		if a.GroesseUebertragung, err = sizeOf(payload); err != nil {
			return err
		}
		if plain != payload {
			a.Verschluesselung, a.Unterschrift = annex.KryptoCMS, annex.KryptoCMS
		}
		raw, err := a.Encode()
		if err != nil {
			return err
		}
		if out == "" {
			_, err = c.OutOrStdout().Write(raw)
			return err
		}
		return os.WriteFile(out, raw, 0o600)
	}
	return c
}

func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
