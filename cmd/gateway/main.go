package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // windows are local time even where the system has no zone data

	"github.com/spf13/cobra"

	"gateway301/config"
	"gateway301/exchange"
	"gateway301/store"
)

// Exit codes.
const (
	exitDone      = 0
	exitFailed    = 1
	exitUsage     = 2
	exitConfig    = 3
	exitNotFound  = 4
	exitNoService = 5
	exitPartly    = 6
	exitFindings  = 7
	exitLocked    = 9
)

// version is set by the linker.
var version = "development"

func main() {
	syscall.Umask(0o077)
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	if err != nil && err.Error() != "" && !errors.Is(err, syscall.EPIPE) {
		fmt.Fprintln(errOut, "gateway:", err)
		if code == exitUsage {
			fmt.Fprintln(errOut, "gateway: see 'gateway --help'")
		}
	}
	return code
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "gateway",
		Short:         "Gateway 301: file exchange under § 301 SGB V that loses and doubles nothing",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().String("lang", "", "language of output, de or en (default by LANG)")
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if lang, _ := c.Flags().GetString("lang"); lang != "" && lang != "de" && lang != "en" {
			return usageError{fmt.Errorf("--lang is de or en, not %q", lang)}
		}
		return nil
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newDemoCommand(), newRunCommand(), newCheckCommand(), newShowCommand(),
		newQueueCommand(), newQuarantineCommand(), newTraceCommand(), newConfigCommand(), newPartnerCommand(), newRouteCommand(), newStoreCommand(),
		newReloadCommand(), newStatusCommand(), newNightCommand(), newAlertCommand(), newInitCommand(), newDoctorCommand(),
		newExplainCommand(), newAufCommand(), newIKCommand(), newRulesCommand(), newSampleCommand(),
		newSealCommand(), newOpenCommand(), newInspectCommand(), newKeyCommand(), newTrustlistCommand(), newSimulateCommand(),
		&cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				_, err := fmt.Fprintln(c.OutOrStdout(), "gateway", version)
				return err
			}},
	)
	complete(root)
	for _, c := range root.Commands() {
		checkArgs(c)
	}
	return root
}

// checkArgs makes wrong arguments a usage error, in every command below c.
func checkArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		checkArgs(sub)
	}
}

// A usageError is a command line that cannot be understood.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// A codeError ends the program with a code; an empty text prints nothing more.
type codeError struct {
	code int
	text string
}

func (e codeError) Error() string { return e.text }

func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[codeError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	switch {
	case strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "required flag"):
		return exitUsage // cobra has no type for these
	case errors.Is(err, config.ErrInvalid):
		return exitConfig
	case errors.Is(err, exchange.ErrNotFound), errors.Is(err, store.ErrNoLedger):
		return exitNotFound
	case errors.Is(err, errNoService):
		return exitNoService
	case errors.Is(err, store.ErrLocked):
		return exitLocked
	case errors.Is(err, syscall.EPIPE): // the reader of a pipe has seen enough
		return exitDone
	}
	return exitFailed
}

// signals calls soft at the first SIGTERM or SIGINT and hard at the second.
func signals(soft, hard func()) (stop func()) {
	c := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for _, act := range []func(){soft, hard} {
			select {
			case <-c:
				act()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(c); close(done) }
}
