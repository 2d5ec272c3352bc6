package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gateway301/annex"
)

// An ikLine is the stable JSON form of a verdict about an IK.
type ikLine struct {
	IK          string `json:"ik"`
	Valid       bool   `json:"valid"`
	Placeholder bool   `json:"placeholder"`
	Class       string `json:"class,omitempty"`
	CheckDigit  string `json:"check_digit,omitempty"` // the digit that would be right
	Error       string `json:"error,omitempty"`
}

func newIKCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ik NUMBER...",
		Short: "Check an Institutionskennzeichen",
		Long:  "Check Institutionskennzeichen: nine digits, check digit, no placeholder. Exit code 7 when one is not valid.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			bad := false
			for _, ik := range args {
				line := judgeIK(c, ik)
				bad = bad || !line.Valid
				var err error
				switch {
				case asJSON:
					err = writeJSONLine(c.OutOrStdout(), line)
				case line.Valid:
					_, err = fmt.Fprintf(c.OutOrStdout(), words(c, "%s: gültig (%s)\n", "%s: valid (%s)\n"), ik, orNone(line.Class))
				default:
					_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", ik, line.Error)
				}
				if err != nil {
					return err
				}
			}
			if bad {
				return codeError{code: exitFindings}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	return c
}

func judgeIK(c *cobra.Command, ik string) ikLine {
	line := ikLine{IK: ik, Placeholder: annex.Placeholder(ik)}
	err := annex.ValidIK(ik)
	wrong, _ := errors.AsType[*annex.IKError](err)
	switch {
	case line.Placeholder:
		line.Error = words(c, "ist ein Platzhalter", "is a placeholder")
	case err == nil:
		line.Valid = true
		line.Class = annex.IKClass(ik)
	case wrong.Rule == annex.IKCheckDigit:
		line.CheckDigit = string(wrong.Want)
		line.Error = fmt.Sprintf(words(c, "falsche Prüfziffer: die letzte Ziffer müsste %c sein", "wrong check digit: the last digit would have to be %c"), wrong.Want)
	default:
		line.Error = words(c, "besteht nicht aus neun Ziffern", "is not nine digits")
	}
	return line
}
