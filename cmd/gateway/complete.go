package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gateway301/config"
	"gateway301/exchange"
	"gateway301/store"
)

// complete gives commands what a shell completes their arguments with: names of partners and
// outboxes, and numbers of deliveries, of the configuration in -c. Whatever is wrong
// completes nothing.
func complete(root *cobra.Command) {
	for path, values := range map[string]func(*cobra.Command, *config.File) []string{
		"partner show": partnerNames, "partner resume": partnerNames, "partner probe": partnerNames,
		"queue show": deliveries(), "trace": deliveries(),
		"queue release": deliveries(exchange.Held), "queue deliver-by-hand": deliveries(exchange.Held),
		"queue cancel": deliveries(exchange.Held, exchange.Quarantined),
	} {
		c, rest, err := root.Find(strings.Fields(path))
		if err != nil || len(rest) > 0 {
			panic("no command " + path)
		}
		c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			file, err := c.Flags().GetString("config")
			if err != nil || len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			cfg, _, err := readConfig(file)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return values(c, cfg), cobra.ShellCompDirectiveNoFileComp
		}
	}
}

func partnerNames(_ *cobra.Command, cfg *config.File) []string {
	var out []string
	for _, p := range cfg.Partners {
		out = append(out, p.Name+"\tIK "+p.IK)
	}
	return out
}

// deliveries lists the newest deliveries in some states, or in all.
func deliveries(states ...exchange.State) func(*cobra.Command, *config.File) []string {
	return func(c *cobra.Command, cfg *config.File) []string {
		ledger, err := openReading(c.Context(), cfg)
		if err != nil {
			return nil
		}
		defer ledger.Close()
		rows, err := ledger.Deliveries(c.Context(), store.Filter{States: states, Limit: 50})
		if err != nil {
			return nil
		}
		var out []string
		for _, d := range rows {
			out = append(out, strconv.FormatInt(d.ID, 10)+"\t"+stateName(c, d.State)+" "+d.Partner)
		}
		return out
	}
}
