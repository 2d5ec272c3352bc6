package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gateway301/annex"
)

func newCheckCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check the envelope of § 301 files",
		Long: `Check files as the gateway checks them before sending: UNA, UNB, UNH, UNT, UNZ,
counts, references, IKs, Anwendungsreferenz. Every finding names segment, element
and byte offset. "-" reads standard input. Exit code 7 when a file has an error.`,
		Args: cobra.MinimumNArgs(1),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines: findings, then one line per file")
	c.RunE = func(c *cobra.Command, args []string) error {
		bad := 0
		for _, path := range args {
			rep, err := checkFile(c.Context(), path, c.InOrStdin())
			if err != nil {
				return err
			}
			if rep.Errors > 0 {
				bad++
			}
			if err := printReport(c, path, rep, asJSON); err != nil {
				return err
			}
		}
		if bad > 0 {
			return codeError{code: exitFindings}
		}
		return nil
	}
	return c
}

func checkFile(ctx context.Context, path string, stdin io.Reader) (annex.Report, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return annex.Report{}, err
		}
		defer f.Close()
		in = f
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return annex.Report{}, err
	}
	return annex.Check(ctx, in, annex.CheckOptions{Now: time.Now().In(zone)})
}

// A foundLine is the stable JSON form of a finding.
type foundLine struct {
	File      string `json:"file"`
	Stage     int    `json:"stage"`
	Code      string `json:"code"`
	Official  bool   `json:"official"`
	Severity  string `json:"severity"`
	Message   int64  `json:"message"`
	Number    int64  `json:"segment_number"`
	Segment   string `json:"segment"`
	Element   int    `json:"element"`
	Component int    `json:"component"`
	Offset    int64  `json:"offset"`
	Text      string `json:"text"`
}

// A verdictLine is the stable JSON form of a file's result.
type verdictLine struct {
	File     string `json:"file"`
	Segments int64  `json:"segments"`
	Messages int64  `json:"messages"`
	Verdict  string `json:"verdict"`
	Findings int    `json:"findings"`
}

func printReport(c *cobra.Command, path string, rep annex.Report, asJSON bool) error {
	w := c.OutOrStdout()
	for _, f := range rep.Findings {
		text := words(c, f.Text, f.TextEN)
		var err error
		if asJSON {
			err = writeJSONLine(w, foundLine{path, f.Stage, f.Code, f.Official, string(f.Severity), f.Message, f.SegmentNumber, f.Segment, f.Element, f.Component, f.Offset, text})
		} else {
			_, err = fmt.Fprintf(w, "%s: %s %s: %s (%s)\n", path, severity(c, f.Severity), f.Code, text, where(c, f))
		}
		if err != nil {
			return err
		}
	}
	if asJSON {
		return writeJSONLine(w, verdictLine{path, rep.Segments, rep.Messages, string(rep.Verdict), rep.Errors + rep.Warnings})
	}
	if more := rep.Errors + rep.Warnings - len(rep.Findings); more > 0 {
		fmt.Fprintf(w, words(c, "%s: … und %d weitere\n", "%s: … and %d more\n"), path, more)
	}
	_, err := fmt.Fprintf(w, words(c, "%s: %s; %d Nachrichten, %d Segmente, %d Fehler, %d Hinweise\n", "%s: %s; %d messages, %d segments, %d errors, %d warnings\n"),
		path, verdictName(c, rep.Verdict), rep.Messages, rep.Segments, rep.Errors, rep.Warnings)
	return err
}

func severity(c *cobra.Command, s annex.Severity) string {
	if s == annex.Error {
		return words(c, "Fehler", "error")
	}
	return words(c, "Hinweis", "warning")
}

func verdictName(c *cobra.Command, v annex.Verdict) string {
	switch v {
	case annex.Accepted:
		return words(c, "in Ordnung", "accepted")
	case annex.Partly:
		return words(c, "teilweise fehlerhaft", "partly")
	}
	return words(c, "fehlerhaft", "rejected")
}

func where(c *cobra.Command, f annex.Finding) string {
	s := fmt.Sprintf(words(c, "Offset %d", "offset %d"), f.Offset)
	if f.Element > 0 {
		s = fmt.Sprintf(words(c, "Element %d.%d, ", "element %d.%d, "), f.Element, max(f.Component, 1)) + s
	}
	if f.SegmentNumber > 0 {
		s = fmt.Sprintf(words(c, "Segment %d %s, ", "segment %d %s, "), f.SegmentNumber, f.Segment) + s
	}
	if f.Message > 0 {
		s = fmt.Sprintf(words(c, "Nachricht %d, ", "message %d, "), f.Message) + s
	}
	return s
}
