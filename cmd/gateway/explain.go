package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway301/annex"
)

// A ruleLine is the stable JSON form of a rule.
type ruleLine struct {
	Code     string     `json:"code"`
	Stage    int        `json:"stage"`
	Official bool       `json:"official"`
	Severity string     `json:"severity"`
	Mark     string     `json:"mark"`
	Source   string     `json:"source"`
	Text     string     `json:"text"`
	Next     string     `json:"next"`
	Codes    []codeLine `json:"codes,omitempty"`
}

type codeLine struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// plainText is the text of a rule without the verbs that a finding fills.
func plainText(s string) string {
	return strings.NewReplacer("%05d", "…", "%q", "…", "%s", "…", "%d", "…").Replace(s)
}

func showRule(c *cobra.Command, r annex.Rule) ruleLine {
	de, en := r.NextStep()
	return ruleLine{Code: r.Code, Stage: r.Stage, Official: r.Official(), Severity: string(r.Severity), Mark: r.Mark(), Source: r.Source,
		Text: plainText(words(c, r.German, r.English)), Next: words(c, de, en)}
}

func newExplainCommand() *cobra.Command {
	var asJSON bool
	var tables string
	c := &cobra.Command{
		Use:   "explain CODE",
		Short: "Say what a code of a finding means and what to do",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := loadTables(tables)
			if err != nil {
				return err
			}
			rules := append(t.Rules(), annex.Refusals()...)
			i := slices.IndexFunc(rules, func(r annex.Rule) bool { return strings.EqualFold(r.Code, args[0]) })
			if i < 0 {
				return codeError{exitNotFound, fmt.Sprintf(words(c, "%s: nicht bekannt; eigene Codes der Kostenträger stehen in keiner Liste", "%s: not known; codes of a payer's own stand in no list"), args[0])}
			}
			line := showRule(c, rules[i])
			for _, l := range t.Lists(time.Time{}) {
				if l.Rule == line.Code {
					for _, code := range l.Codes {
						line.Codes = append(line.Codes, codeLine{code.Code, code.Text})
					}
				}
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), line)
			}
			kind := words(c, "eigener Code", "own code")
			if line.Official {
				kind = words(c, "amtlicher Code", "official code")
			}
			w := c.OutOrStdout()
			fmt.Fprintf(w, words(c, "%s: %s\nStufe %d, %s, %s\nQuelle: %s (%s)\n%s\n", "%s: %s\nstage %d, %s, %s\nsource: %s (%s)\n%s\n"),
				line.Code, line.Text, line.Stage, severity(c, rules[i].Severity), kind, line.Source, line.Mark, line.Next)
			for _, code := range line.Codes {
				if _, err := fmt.Fprintf(w, "  %-8s %s\n", code.Code, code.Text); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&tables, "tables", "", "folder with tables of your own")
	return c
}
