package sftp_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"gateway301/channels"
	"gateway301/channels/sftp"
)

// Names with a way in them, or without a meaning, are refused by their whole
// name: "../x" is not x.
func TestNamesThatLeadElsewhere(t *testing.T) {
	server := startOdd(t)
	for _, n := range []string{"EKRH0001", "EKRH0002"} {
		if err := os.WriteFile(filepath.Join(server.dir, "out", n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, told := range []string{"../EKRH0001", "a/EKRH0001", `..\EKRH0001`, "EK\x00RH", "EKRH\n0001", "EKRH\xe4"} {
		server.rename = func(n string) string {
			if n == "EKRH0001" {
				return told
			}
			return n
		}
		files, refused, err := open(t, server.settings(t)).List(t.Context(), channels.Incoming)
		if err != nil || len(files) != 1 || files[0].Name != "EKRH0002" {
			t.Errorf("%q: files %v, %v", told, files, err)
		}
		if len(refused) != 1 || refused[0].Name != told || !errors.Is(refused[0].Err, channels.ErrName) {
			t.Errorf("%q: refused %q", told, refused)
		}
	}
}

// A server that spells umlauts in an old encoding is listed, read and cleared by
// the names that people know.
func TestNameEncodings(t *testing.T) {
	const umlaut = "Aufnahme Müller.edi"
	for spelling, encoding := range sftp.NameEncodings() {
		t.Run(spelling, func(t *testing.T) {
			server := startOdd(t)
			raw := umlaut
			if encoding != nil {
				var err error
				if raw, err = encoding.NewEncoder().String(umlaut); err != nil {
					t.Fatal(err)
				}
			}
			file := filepath.Join(server.dir, "out", raw)
			if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			set := server.settings(t)
			set.Names = encoding
			c := open(t, set)
			files, refused, err := c.List(t.Context(), channels.Incoming)
			if err != nil || len(files) != 1 || files[0].Name != umlaut || len(refused) > 0 {
				t.Fatalf("List = %v, %v, %v", files, refused, err)
			}
			if err := c.Remove(t.Context(), channels.Incoming, umlaut); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(file); err == nil {
				t.Error("the file is still there")
			}
		})
	}
	server := startOdd(t)
	if err := os.WriteFile(filepath.Join(server.dir, "out", "M\x81ller"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	set := server.settings(t)
	set.Names = charmap.Windows1252 // which has no 0x81
	files, refused, err := open(t, set).List(t.Context(), channels.Incoming)
	if err != nil || len(files) > 0 || len(refused) != 1 || !errors.Is(refused[0].Err, channels.ErrName) {
		t.Errorf("undefined byte: List = %v, %v, %v", files, refused, err)
	}
}
