package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"gateway301/annex"
)

// auf FROM TO key=value... reads an Auftragsdatei, changes fields and writes it:
// what a partner does that sends one back with an error number.
func cmdAuf(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: auf FROM TO [error=N] [number=N] [file=NAME]")
	}
	raw, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	a, _, err := annex.ParseAuftragsdatei(raw)
	ts.Check(err)
	for _, arg := range args[2:] {
		key, value, _ := strings.Cut(arg, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "error":
			a.FehlerNummer = n
		case "number":
			a.TransferNummer = n
		case "file":
			a.Dateiname = value
		default:
			ts.Fatalf("auf: unknown %s", arg)
		}
	}
	out, err := a.Encode()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), out, 0o600))
}
