package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway301/config"
	"gateway301/exchange"
	"gateway301/store"
)

// openService opens the ledger that a configuration names for the service.
func openService(ctx context.Context, file *config.File) (*store.Ledger, error) {
	if !file.Shared() {
		return store.Open(ctx, file.Ledger)
	}
	dsn, err := file.DSN.Password()
	if err != nil {
		return nil, err
	}
	return store.OpenPostgres(ctx, dsn)
}

// openBeside opens it for single moves beside services that may be running.
func openBeside(ctx context.Context, file *config.File) (*store.Ledger, error) {
	if !file.Shared() {
		return store.OpenBeside(ctx, file.Ledger)
	}
	dsn, err := file.DSN.Password()
	if err != nil {
		return nil, err
	}
	return store.OpenPostgresBeside(ctx, dsn)
}

// openReading opens it for reading.
func openReading(ctx context.Context, file *config.File) (*store.Ledger, error) {
	if file.Shared() {
		return openBeside(ctx, file)
	}
	return store.OpenReadOnly(file.Ledger)
}

// openAlone opens it while no service may be running.
func openAlone(ctx context.Context, file *config.File) (*store.Ledger, error) {
	if !file.Shared() {
		return store.Open(ctx, file.Ledger)
	}
	dsn, err := file.DSN.Password()
	if err != nil {
		return nil, err
	}
	return store.OpenPostgresAlone(ctx, dsn)
}

// nodeName tells this process from all others that share its ledger.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	var b [4]byte
	rand.Read(b[:])
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), hex.EncodeToString(b[:]))
}

// stillComing is how long a folder of the spool may be without a row where other
// nodes take files over meanwhile.
const stillComing = 24 * time.Hour

// fresh reports whether another node may still be taking over what is in a folder
// of the spool: its name begins with the time.
func fresh(token string, now time.Time) bool {
	stamp, _, _ := strings.Cut(token, "-")
	begun, err := time.Parse("20060102T150405", stamp)
	return err == nil && now.Sub(begun) < stillComing
}

func newStoreCommand() *cobra.Command {
	c := &cobra.Command{Use: "store", Short: "Move the ledger to another database", RunE: group}
	var file, to string
	migrate := &cobra.Command{
		Use:   "migrate --to FILE.yaml",
		Short: "Copy the ledger into the one that another configuration names",
		Long: `Copy every delivery, its history, the counters and all else that the ledger of
the configuration -c remembers into the empty ledger of another configuration,
for example from SQLite to PostgreSQL. No service may run on either. What was
copied is compared, and the old ledger is closed for good, so that nothing is
ever sent from both. The spool stays where it is: the other configuration names
the same one, or one to which it was copied before.`,
		Args: cobra.NoArgs,
	}
	configFlag(migrate, &file)
	migrate.Flags().StringVar(&to, "to", "", "configuration with the new ledger")
	if err := migrate.MarkFlagRequired("to"); err != nil {
		panic(err)
	}
	migrate.RunE = func(c *cobra.Command, _ []string) error {
		old, _, err := readConfig(file)
		if err != nil {
			return err
		}
		next, _, err := readConfig(to)
		if err != nil {
			return err
		}
		return migrateStore(c, old, next, to)
	}
	c.AddCommand(migrate)
	return c
}

func migrateStore(c *cobra.Command, old, next *config.File, to string) error {
	ctx := c.Context()
	if reading, err := openReading(ctx, old); err != nil { // must be there: opening it alone would make one
		return err
	} else if err := reading.Close(); err != nil {
		return err
	}
	source, err := openAlone(ctx, old)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := openAlone(ctx, next)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := spoolHas(ctx, source, next); err != nil {
		return err
	}
	tables, err := store.Copy(ctx, source, target)
	if err != nil {
		return err
	}
	for _, t := range tables {
		fmt.Fprintf(c.OutOrStdout(), "%-20s %d\n", t.Name, t.Rows)
	}
	if err := source.Retire(ctx, time.Now(), "moved to the ledger of "+to); err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), words(c, "übertragen und verglichen; ab jetzt: gateway run -c %s\n", "copied and compared; from now on: gateway run -c %s\n"), to)
	return nil
}

// spoolHas makes sure that the spool of a configuration holds what is not settled.
func spoolHas(ctx context.Context, ledger *store.Ledger, next *config.File) error {
	spool, err := store.OpenSpool(next.Spool)
	if err != nil {
		return err
	}
	defer spool.Close()
	tokens, err := spool.Tokens()
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, t := range tokens {
		there[t] = true
	}
	rows, err := ledger.Deliveries(ctx, store.Filter{States: []exchange.State{exchange.Taken, exchange.Routed, exchange.Sealed, exchange.Sending,
		exchange.Unknown, exchange.Held, exchange.Received, exchange.Opened, exchange.Handing}})
	if err != nil {
		return err
	}
	missing := 0
	for _, d := range rows {
		if !there[d.Intake] {
			missing++
		}
	}
	if missing > 0 {
		return codeError{exitFailed, fmt.Sprintf("%d of %d unfinished deliveries have no folder in the spool %s; copy the old spool there first", missing, len(rows), next.Spool)}
	}
	return nil
}
