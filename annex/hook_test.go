package annex

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// hookScript makes a program. It is this test binary's neighbour only in that it
// needs a shell; the hook itself starts none.
func hookScript(t *testing.T, script string) Hook {
	t.Helper()
	path := t.TempDir() + "/hook"
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return Hook{Path: path}
}

func TestHook(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Fatal(err)
	}
	const finding = `{"code":"K-17","segment":"INV","position":1,"element":1,"text":"geschlossen"}`
	for name, c := range map[string]struct {
		script           string
		change           func(*Hook)
		errors, warnings int
		stage4           StageResult
	}{
		"good":              {"/bin/cat >/dev/null", nil, 0, 0, StageResult{Passed: 2}},
		"does not read":     {"exit 0", nil, 0, 0, StageResult{Passed: 2}},
		"finding":           {"echo '" + finding + "'", nil, 2, 0, StageResult{Failed: 2}},
		"warning":           {`echo '{"code":"K-18","severity":"warning","text":"x"}'`, nil, 0, 2, StageResult{Passed: 2}},
		"one of the two":    {"/bin/grep -q K741852967 || exit 0; echo '" + finding + "'", nil, 1, 0, StageResult{Passed: 1, Failed: 1}},
		"fails":             {"echo '" + finding + "'; exit 3", nil, 0, 0, StageResult{NotChecked: 2}},
		"does not end":      {"while :; do :; done", func(h *Hook) { h.Timeout = 50 * time.Millisecond }, 0, 0, StageResult{NotChecked: 2}},
		"prints too much":   {"while echo '" + finding + "'; do :; done", nil, 0, 0, StageResult{NotChecked: 2}},
		"prints other":      {"echo gut", nil, 0, 0, StageResult{NotChecked: 2}},
		"unknown key":       {`echo '{"code":"K-1","kvnr":"A123456780"}'`, nil, 0, 0, StageResult{NotChecked: 2}},
		"unknown severity":  {`echo '{"code":"K-1","severity":"off"}'`, nil, 0, 0, StageResult{NotChecked: 2}},
		"long message":      {"exit 0", func(h *Hook) { h.MaxInput = 10 }, 0, 0, StageResult{NotChecked: 2}},
		"empty environment": {`test -z "$HOME$USER$GATEWAY_PEERS" && test "$(pwd)" = / || echo '` + finding + "'", nil, 0, 0, StageResult{Passed: 2}},
		"no such program":   {"exit 0", func(h *Hook) { h.Path += "x" }, 0, 0, StageResult{NotChecked: 2}},
		"arguments":         {`test "$1" = '$(echo x)' || exit 1`, func(h *Hook) { h.Args = []string{"$(echo x)"} }, 0, 0, StageResult{Passed: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", "/nowhere")
			h := hookScript(t, c.script)
			if c.change != nil {
				c.change(&h)
			}
			rep, found := check(t, good, CheckOptions{Checks: []MessageCheck{h}})
			if rep.Errors != c.errors || rep.Warnings != c.warnings || rep.Stages[3] != c.stage4 {
				t.Errorf("%v %v", rep.Stages[3], found)
			}
			if name == "finding" {
				f := rep.Findings[1]
				if f.Stage != 4 || f.Code != "K-17" || f.Segment != "INV" || f.Offset != int64(strings.LastIndex(good, "INV")) || f.Element != 1 || f.Text != "geschlossen" || rep.Refused[1].Faults[0].Segment != "INV" {
					t.Errorf("%+v %+v", f, rep.Refused)
				}
			}
		})
	}
}

func TestPack(t *testing.T) {
	var packed, again bytes.Buffer
	for _, out := range []*bytes.Buffer{&packed, &again} {
		w, err := Pack(out, KomprimierungGzip)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, good); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(packed.Bytes(), again.Bytes()) {
		t.Error("two packs differ")
	}
	size := int64(len(good))
	for _, c := range []struct {
		in          []byte
		k           Komprimierung
		size, limit int64
		want        error
	}{
		{packed.Bytes(), KomprimierungGzip, size, 0, nil},
		{packed.Bytes(), KomprimierungGzip, size, size, nil},
		{packed.Bytes(), KomprimierungGzip, size, size - 1, ErrTooLarge},
		{packed.Bytes(), KomprimierungGzip, size - 1, 0, ErrUnpackedSize},
		{packed.Bytes(), KomprimierungGzip, size + 1, 0, ErrUnpackedSize},
		{packed.Bytes(), KomprimierungGzip, 0, 0, ErrUnpackedSize},
		{packed.Bytes()[:packed.Len()-9], KomprimierungGzip, size, 0, io.ErrUnexpectedEOF},
		{[]byte(good), KomprimierungNone, size, 0, nil},
		{[]byte(good), KomprimierungNone, size - 1, 0, ErrUnpackedSize},
		{[]byte(good), KomprimierungZIP, size, 0, ErrKomprimierung},
	} {
		r, err := Unpack(bytes.NewReader(c.in), c.k, c.size, c.limit)
		var out []byte
		if err == nil {
			out, err = io.ReadAll(r)
		}
		if !errors.Is(err, c.want) || int64(len(out)) > c.size || err == nil && string(out) != good {
			t.Errorf("%+v: %d bytes, %v", c.want, len(out), err)
		}
	}
	if _, err := Pack(io.Discard, KomprimierungBzip2); !errors.Is(err, ErrKomprimierung) {
		t.Error(err)
	}
	bomb := &bytes.Buffer{}
	w, _ := Pack(bomb, KomprimierungGzip)
	for range 64 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	r, err := Unpack(bomb, KomprimierungGzip, 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); n != 1000 || !errors.Is(err, ErrUnpackedSize) || bomb.Len() == 0 {
		t.Errorf("%d bytes, %v, %d bytes of the bomb left", n, err, bomb.Len())
	}
}

func TestLeftOutAndCodes(t *testing.T) {
	o := thorough(t)
	o.Stage = 2
	in := interchange("AUFN", "16", edit(bodyAUFN, "NAD+Mustermann", "NAD+"))
	rep, err := Check(context.Background(), strings.NewReader(in), o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteLeftOut(&out, &rep); err != nil {
		t.Fatal(err)
	}
	if want := "Aus KRH00000007 herausgenommen, Original unverändert:\nNachricht 1, UNH 00001 AUFN, FKT 10 01: G2-008 Pflichtangabe fehlt: Name (NAD 1, Element 1)\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
	p, err := AnswerProfile("gateway301")
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{"G2-008": "+20815+", "G9-999": "+G2-008+"} {
		out.Reset()
		if err := WriteFEHL(&out, p.WithCodes(map[string]string{code: "20815"}), p.Envelope(rep.Envelope, 1, o.Now), p.Answer(&rep)); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s %v", out.String(), err)
		}
	}
}
