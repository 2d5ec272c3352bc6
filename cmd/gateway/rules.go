package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gateway301/annex"
)

func newRulesCommand() *cobra.Command {
	c := &cobra.Command{Use: "rules", Short: "List the rules, or what changes between versions or days", RunE: group}
	c.AddCommand(newRulesListCommand(), newRulesDiffCommand())
	return c
}

func newRulesListCommand() *cobra.Command {
	var asJSON bool
	var tables string
	var stage int
	c := &cobra.Command{
		Use: "list", Short: "List all rules with stage, severity, mark and source", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := loadTables(tables)
			if err != nil {
				return err
			}
			table := newTable(c.OutOrStdout(), words(c, "Code", "code"), words(c, "Stufe", "stage"), words(c, "Schwere", "severity"), words(c, "Grad", "mark"), words(c, "Text", "text"), words(c, "Quelle", "source"))
			for _, r := range t.Rules() {
				if stage != 0 && r.Stage != stage {
					continue
				}
				line := showRule(c, r)
				if !asJSON {
					table.AppendRow([]any{line.Code, line.Stage, severity(c, r.Severity), line.Mark, line.Text, line.Source})
				} else if err := writeJSONLine(c.OutOrStdout(), line); err != nil {
					return err
				}
			}
			if !asJSON {
				table.Render()
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.Flags().StringVar(&tables, "tables", "", "folder with tables of your own")
	c.Flags().IntVar(&stage, "stage", 0, "only this stage")
	return c
}

// A changeLine is the stable JSON form of a change.
type changeLine struct {
	Where string `json:"where"`
	Old   string `json:"old"`
	New   string `json:"new"`
}

func newRulesDiffCommand() *cobra.Command {
	var asJSON bool
	var tables string
	c := &cobra.Command{
		Use: "diff BEFORE AFTER", Short: "Show what changes between two versions (13 16) or two days (2025-12-31 2026-01-01)", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := loadTables(tables)
			if err != nil {
				return err
			}
			changes, err := rulesDiff(t, args[0], args[1])
			if err != nil {
				return err
			}
			for _, x := range changes {
				if asJSON {
					err = writeJSONLine(c.OutOrStdout(), changeLine(x))
				} else {
					_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s → %s\n", x.Where, orNone(x.Old), orNone(x.New))
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.Flags().StringVar(&tables, "tables", "", "folder with tables of your own")
	return c
}

func orNone(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// rulesDiff compares two days, or two versions as of today.
func rulesDiff(t *annex.Tables, before, after string) ([]annex.Change, error) {
	a, errA := time.Parse(time.DateOnly, before)
	b, errB := time.Parse(time.DateOnly, after)
	if errA == nil && errB == nil {
		return t.DiffDays(a, b), nil
	}
	for _, v := range []string{before, after} {
		known := false
		for _, m := range t.Messages(time.Now()) {
			known = known || m.Version == v
		}
		if !known {
			return nil, usageError{fmt.Errorf("%q is no version with tables and no day JJJJ-MM-TT", v)}
		}
	}
	return t.DiffVersions(before, after, time.Now()), nil
}
