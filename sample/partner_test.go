package sample_test

import (
	"errors"
	"testing"

	"gateway301/sample"
)

func TestParsePartnerFault(t *testing.T) {
	for text, want := range map[string]sample.PartnerFault{
		"cut=4096":        {Kind: "cut", Bytes: 4096, Times: 1},
		"refuse-rename:3": {Kind: "refuse-rename", Times: 3},
		"stall=0:2":       {Kind: "stall", Times: 2},
	} {
		if got, err := sample.ParsePartnerFault(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "cut", "cut=x", "cut=-1", "cuts=1", "refuse-rename=1", "refuse-rename:0", "slow-login=5", "stall=1:often"} {
		if _, err := sample.ParsePartnerFault(text); !errors.Is(err, sample.ErrPartnerFault) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParsePartnerAnswer(t *testing.T) {
	for text, want := range map[string]sample.PartnerAnswer{
		"silent": {Silent: true}, "accept": {Code: "0"}, "accept 00": {Code: "00"}, "reject 20100 Versicherter unbekannt": {Code: "20100", Text: "Versicherter unbekannt"},
	} {
		if got, err := sample.ParsePartnerAnswer(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "no", "reject", "reject 1", "accept 0 good", "silent 1"} {
		if _, err := sample.ParsePartnerAnswer(text); !errors.Is(err, sample.ErrPartnerAnswer) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
