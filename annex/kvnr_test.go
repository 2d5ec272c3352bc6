package annex

import (
	"errors"
	"testing"
)

func TestValidKVNR(t *testing.T) {
	for _, s := range []string{"A123456780", "K741852967", "M305921844"} {
		if err := ValidKVNR(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for s, want := range map[string]error{
		"": ErrKVNRForm, "A12345678": ErrKVNRForm, "A1234567800": ErrKVNRForm, "a123456780": ErrKVNRForm,
		"1123456780": ErrKVNRForm, "A12345678X": ErrKVNRForm, "A123456781": ErrKVNRCheckDigit, "B123456780": ErrKVNRCheckDigit,
	} {
		if err := ValidKVNR(s); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", s, err, want)
		}
	}
}

func TestKVNRCheckDigitWantsItsForm(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	KVNRCheckDigit("12345")
}
