package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"gateway301/config"
)

func newConfigCommand() *cobra.Command {
	var file string
	var format string
	var asJSON bool
	c := &cobra.Command{Use: "config", Short: "Check and explain the configuration", RunE: group}
	check := &cobra.Command{
		Use:   "check",
		Short: "Report all problems of a configuration at once",
		Long: `Report all problems of a configuration at once, each with file, line and column, and
its line with a caret under the place. What may be a secret is not shown.
Exit code 0 when it can be used (warnings are printed), 3 when it cannot.

--format gcc writes one line for each problem as compilers do; editors jump to the place
(vim: set makeprg=gateway\ config\ check\ --format\ gcc\ -c\ %; VS Code: problemMatcher $gcc).
--json writes one object a line: file, line, column, severity (error, warning), code, path,
subject, message, fix; path, subject and fix may be missing.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if asJSON {
				format = "json"
			}
			if !slices.Contains([]string{"text", "gcc", "json"}, format) {
				return usageError{fmt.Errorf("--format is text, gcc or json, not %q", format)}
			}
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
				switch format {
				case "json":
					err = writeJSONLine(c.OutOrStdout(), p)
				case "gcc":
					_, err = fmt.Fprintln(c.OutOrStdout(), p.GCC())
				default:
					_, err = fmt.Fprintln(c.OutOrStdout(), p.Detail())
				}
				if err != nil {
					return err
				}
			}
			switch {
			case invalid != nil:
				return codeError{exitConfig, fmt.Sprintf(words(c, "%s: so nicht verwendbar", "%s: cannot be used like this"), file)}
			case format == "text":
				fmt.Fprintf(c.ErrOrStderr(), words(c, "%s: in Ordnung, %d Hinweise\n", "%s: all right, %d warnings\n"), file, len(problems))
			}
			return nil
		},
	}
	configFlag(check, &file)
	check.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	check.Flags().StringVar(&format, "format", "text", "text, gcc (for editors) or json")
	c.AddCommand(check, newConfigDiffCommand(),
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
