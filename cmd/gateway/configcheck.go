package main

import (
	"fmt"
	"io"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"gateway301/config"
)

func newConfigCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{Use: "config", Short: "Check and explain the configuration", RunE: group}
	check := &cobra.Command{
		Use:   "check",
		Short: "Report all problems of a configuration at once",
		Long:  "Report all problems of a configuration at once, each with file, line and column.\nExit code 0 when it can be used (warnings are printed), 3 when it cannot.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, problems, err := config.Load(file)
			if err != nil {
				return fmt.Errorf("%w: %w", config.ErrInvalid, err)
			}
			invalid := problems.Err()
			if invalid == nil {
				problems = withHistory(cfg, problems)
				_, faults := newParts(cfg, zerolog.Nop())
				for _, err := range faults {
					invalid = config.ErrInvalid
					problems = append(problems, config.Problem{File: file, Line: 1, Column: 1, Severity: config.Error, Code: config.CodeFile, Message: err.Error()})
				}
			}
			for _, p := range problems {
				if asJSON {
					err = writeJSONLine(c.OutOrStdout(), p)
				} else {
					_, err = fmt.Fprintln(c.OutOrStdout(), p)
				}
				if err != nil {
					return err
				}
			}
			switch {
			case invalid != nil:
				return codeError{exitConfig, fmt.Sprintf(words(c, "%s: so nicht verwendbar", "%s: cannot be used like this"), file)}
			case !asJSON:
				fmt.Fprintf(c.ErrOrStderr(), words(c, "%s: in Ordnung, %d Hinweise\n", "%s: all right, %d warnings\n"), file, len(problems))
			}
			return nil
		},
	}
	configFlag(check, &file)
	check.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.AddCommand(check,
		&cobra.Command{Use: "reference", Short: "Explain every key of the configuration (Markdown)", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				_, err := io.WriteString(c.OutOrStdout(), config.Reference())
				return err
			}},
		&cobra.Command{Use: "schema", Short: "Print the JSON Schema of the configuration, for editors", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				schema, err := config.Schema()
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write(schema)
				return err
			}})
	return c
}
