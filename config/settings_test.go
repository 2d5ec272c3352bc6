package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Two ways to write the same give the same settings; a changed value, row or file
// does not.
func TestSettings(t *testing.T) {
	path := split(t, map[string]string{"west.yaml": partnerWest})
	settings := func() []Setting {
		t.Helper()
		s, err := Settings(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain := settings()
	for _, want := range []Setting{
		{"", "time-zone", "Europe/Berlin"}, {Row: "partners west"}, {"partners west", "sftp.address", "west.example.org:22"}, {"partners west", "retry.first", "30s"},
		{"partners kasse", "window", "22:00-05:00"}, {"partners kasse", "sftp.key", "file:keys/ssh"}, {"trust.exceptions 260500038", "certificate", "keys/kasse.pem"},
	} {
		if !slices.Contains(plain, want) {
			t.Errorf("%+v is missing in %v", want, plain)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, strings.Replace(string(text), "    first-number: 1\n", "    first-number: 1\n    grace: 900s\n    retry: {max: 1800s}\n", 1)+"disk-floor: 262144KiB\n")
	west := filepath.Join(filepath.Dir(path), "partners.d", "west.yaml")
	if !slices.Equal(settings(), plain) {
		t.Error("defaults in other words are a change")
	}
	put(t, west, strings.Replace(partnerWest, "first-number: 7", "first-number: 8", 1))
	if slices.Equal(settings(), plain) {
		t.Error("another first-number is no change")
	}
}
