package main

import (
	"testing"

	"github.com/spf13/cobra"

	"gateway301/exchange"
)

// Every state and happening has its German word; none is forgotten when the table grows.
func TestGermanWordsAreComplete(t *testing.T) {
	c := &cobra.Command{}
	c.Flags().String("lang", "de", "")
	for _, s := range exchange.States() {
		if stateName(c, s) == "" || stateName(c, s) == string(s) {
			t.Errorf("state %q has no German word", s)
		}
	}
	for _, moves := range exchange.Moves() {
		for by := range moves {
			if happeningName(c, by) == string(by) {
				t.Errorf("happening %q has no German word", by)
			}
		}
	}
}
