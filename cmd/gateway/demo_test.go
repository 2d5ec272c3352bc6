package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gateway301/channels/channeltest"
)

// The demo must end as planned, and OpenSSL must get every plain file back from
// what the Annahmestelle received.
func TestDemo(t *testing.T) {
	openssl := channeltest.LookPeer(t, "openssl")
	dir := filepath.Join(t.TempDir(), "demo")
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--json", "--dir", dir}, nil, &out, &errOut); code != exitDone {
		t.Fatalf("exit %d\n%s\n%s", code, out.String(), errOut.String())
	}
	var r demoResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if r.Failed != 0 || r.Accepted+r.Rejected+r.Held != r.Files || r.Rejected != 1 || r.Held != 1 || r.Retries < 1 || r.Returned != 2 {
		t.Errorf("%+v", r)
	}
	if len(r.Pairs) != r.Accepted+r.Rejected {
		t.Errorf("%d pairs for %d accepted and %d rejected", len(r.Pairs), r.Accepted, r.Rejected)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	signed, plain := filepath.Join(t.TempDir(), "signed"), filepath.Join(t.TempDir(), "plain")
	for _, p := range r.Pairs {
		if st, err := os.Stat(in(p.Auf)); err != nil || st.Size() != 348 {
			t.Errorf("%s: Auftragsdatei: %v %v", p.Transfer, st, err)
		}
		for _, args := range [][]string{
			{"cms", "-decrypt", "-inform", "DER", "-in", in(p.Payload), "-inkey", in("keys/annahmestelle.key.pem"), "-recip", in("keys/annahmestelle.cert.pem"), "-binary", "-out", signed},
			{"cms", "-verify", "-inform", "DER", "-in", signed, "-CAfile", in("keys/chain.pem"), "-binary", "-out", plain},
		} {
			if out, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: openssl %v: %v\n%s", p.Transfer, args[:2], err, out)
			}
		}
		got, err := os.ReadFile(plain)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(in(p.Plain))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: OpenSSL reads other bytes than the hospital took over", p.Transfer)
		}
	}
}

func TestDemoRefusesAFolderInUse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--dir", dir}, nil, &out, &errOut); code != exitFailed || !bytes.Contains(errOut.Bytes(), []byte("not empty")) {
		t.Errorf("exit %d, %s", code, errOut.String())
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"version"}, exitDone},
		{[]string{"nonsense"}, exitUsage},
		{[]string{"run", "--nonsense"}, exitUsage},
		{[]string{"queue", "show"}, exitUsage},
		{[]string{"queue", "nonsense"}, exitUsage},
		{[]string{"queue", "show", "x"}, exitUsage},
		{[]string{"demo", "--files", "1"}, exitUsage},
		{[]string{"run", "-c", "/nonexistent/gateway.yaml"}, exitConfig},
		{[]string{"version", "--lang", "fr"}, exitUsage},
	} {
		var out, errOut bytes.Buffer
		if got := run(t.Context(), c.args, nil, &out, &errOut); got != c.want {
			t.Errorf("gateway %v: exit %d, want %d\n%s", c.args, got, c.want, errOut.String())
		}
	}
}
