package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gateway301/edifact"
)

const showSample = "UNA:+,? '\r\n" +
	"UNB+UNOC:3+260500005+109910000+261122:2200+00007++KRH00000007'\r\n" +
	"UNH+00001+AUFN:16:000:00'\r\n" +
	"FKT+10+01+260500005+109910000'\r\n" +
	"INV+A123456780+1000:1++?'M\xfcller?+'\r\n" +
	"UNT+5+00001'\r\n" +
	"UNZ+1+00007'\r\n"

func showOut(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	c := newShowCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.Flags().String("lang", "en", "")
	var out bytes.Buffer
	c.SetArgs(append(args, "-"))
	c.SetIn(strings.NewReader(in))
	c.SetOut(&out)
	err := c.Execute()
	return out.String(), err
}

func TestShowTree(t *testing.T) {
	got, err := showOut(t, showSample)
	if err != nil {
		t.Fatal(err)
	}
	const want = `         UNA:+,? '
      1  UNB Interchange header                 UNOC:3 + 260500005 + 109910000 + 261122:2200 + 00007 +  + KRH00000007
      2    UNH Message header                   00001 + AUFN:16:000:00
      3      FKT Function                       10 + 01 + 260500005 + 109910000
      4      INV Insured person                 ********** + ****:* +  + ********
      !  UNT counts wrongly, want "4", got "5" (segment 5 UNT, element 1, component 1, offset 174)
      5    UNT Message trailer                  5 + 00001
      6  UNZ Interchange trailer                1 + 00007
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, _ = showOut(t, showSample, "--plain"); !strings.Contains(got, "A123456780 + 1000:1 +  + 'Müller+\n") {
		t.Errorf("plain:\n%s", got)
	}
	if got, _ = showOut(t, showSample, "--lang", "de"); !strings.Contains(got, "INV Versicherter ") {
		t.Errorf("German:\n%s", got)
	}
}

func TestShowJSON(t *testing.T) {
	for _, plain := range []bool{false, true} {
		args := []string{"--json"}
		if plain {
			args = append(args, "--plain")
		}
		got, err := showOut(t, showSample, args...)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		if len(lines) != 8 {
			t.Fatalf("%d lines:\n%s", len(lines), got)
		}
		for _, l := range lines {
			if !json.Valid([]byte(l)) {
				t.Errorf("no JSON: %s", l)
			}
		}
		inv := `{"segment":4,"tag":"INV","kind":"body","interchange":1,"message":1,"position":3,"offset":134,"lengths":[[10],[4,1],[0],[8]]}`
		if plain {
			inv = `{"segment":4,"tag":"INV","kind":"body","interchange":1,"message":1,"position":3,"offset":134,"elements":[["A123456780"],["1000","1"],[""],["'Müller+"]]}`
		}
		for i, want := range map[int]string{
			0: `{"una":"UNA:+,? '"}`,
			2: `{"segment":2,"tag":"UNH","kind":"UNH","interchange":1,"message":1,"position":1,"offset":75,"elements":[["00001"],["AUFN","16","000","00"]]}`,
			4: inv,
			5: `{"fault":"UNT counts wrongly","segment":5,"tag":"UNT","offset":174,"want":"4","got":"5"}`,
		} {
			if lines[i] != want {
				t.Errorf("line %d\n got %s\nwant %s", i, lines[i], want)
			}
		}
	}
}

// Whatever stands in a file, nothing of it is shown unless it belongs to the
// envelope, and nothing steers the terminal.
func TestShowKeepsBack(t *testing.T) {
	const secret = "geheim"
	for _, in := range []string{
		"INV+" + secret + "'", "inv" + secret, "UNB+A'XYZ:" + secret + "'", "UNB+A'UNH+1+X+++" + secret + "'",
		"UNB+A'FKT+10+01+1+2+" + secret + "'", "UNT+1+2+" + secret + "'", "UNZ:" + secret + "'", "UNB+A'UNG+" + secret + "'",
		"UNB+A'UNH+1'XYZ+" + secret, "UNB+A'UNH+1'XYZ+" + secret + "\x00'",
	} {
		for _, flag := range []string{"--json", "--json=false"} {
			out, err := showOut(t, in, flag)
			if strings.Contains(out, secret) {
				t.Errorf("%q shows %s", in, out)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%q fails with %v", in, err)
			}
		}
	}
	out, _ := showOut(t, "UNA:+\x1b? 'UNB+\x1b[31m\x9b+\u202e'UNZ'", "--plain")
	if strings.ContainsAny(out, "\x1b\u009b\u202e") || !strings.Contains(out, `\x1b[31m`) {
		t.Errorf("%q", out)
	}
}

func TestShowCharset(t *testing.T) {
	out, _ := showOut(t, "UNB+A}[B\xe4'", "--charset", "I7")
	if !strings.Contains(out, `AüÄB\\xe4`) && !strings.Contains(out, `AüÄB\xe4`) {
		t.Errorf("%s", out)
	}
	var usage usageError
	if _, err := showOut(t, "UNB'", "--charset", "P8"); !errors.As(err, &usage) {
		t.Errorf("%v", err)
	}
}

// A file that breaks off is shown as far as it goes, and the command fails.
func TestShowTruncated(t *testing.T) {
	out, err := showOut(t, showSample[:100])
	if !errors.Is(err, edifact.ErrTruncated) || !strings.Contains(out, "UNH") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := showOut(t, ""); !errors.Is(err, edifact.ErrTruncated) {
		t.Errorf("nothing at all: %v", err)
	}
	if exitCode(err) != exitFailed {
		t.Errorf("exit code %d", exitCode(err))
	}
}

// A pipe that closes early ends the command, and counts as no error.
func TestShowPipeClosesEarly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.edi")
	file := "UNB+A'" + strings.Repeat("UNH+1+X'INV+1'UNT+3+1'", 50_000) + "UNZ+1'"
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := newShowCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs([]string{path})
	c.SetOut(w)
	done := make(chan error, 1)
	go func() { done <- c.Execute() }()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := <-done; !errors.Is(err, syscall.EPIPE) || exitCode(err) != exitDone {
		t.Errorf("%v, exit code %d", err, exitCode(err))
	}
}

// How far a long file has been read is told once a second, whoever reads.
func TestProgress(t *testing.T) {
	var out strings.Builder
	p := &progress{w: &out, size: 200 << 20}
	p.add(50 << 20)
	p.add(1) // not again at once
	if got := out.String(); got != "\r 25 %" {
		t.Errorf("%q", got)
	}
	p.shown = time.Time{}
	p.add(50 << 20)
	p.clear()
	if got := out.String(); got != "\r 25 %\r 50 %\r     \r" {
		t.Errorf("%q", got)
	}
	var none *progress // of a short file, or without a terminal
	none.add(1)
	none.at(1)
	none.clear()
	if newProgress(&out, nil, 1<<40) != nil {
		t.Error("progress where there is no terminal")
	}
}
