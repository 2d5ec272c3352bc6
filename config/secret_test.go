package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestSecret(t *testing.T) {
	dir, lent := t.TempDir(), t.TempDir()
	for name, mode := range map[string]os.FileMode{"own": 0o600, "readonly": 0o400, "group": 0o640, "others": 0o604, "run": 0o601} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("geheim\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"empty": "", "windows": "geheim\r\n", "bare": "geheim", "large": strings.Repeat("x", maxSecret+1), "largest": strings.Repeat("x", maxSecret)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lent, "pw"), []byte("geliehen\n"), 0o440); err != nil { // as systemd lends it
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", lent)
	t.Setenv("GATEWAY_TEST_SECRET", "aus der Umgebung")
	t.Setenv("GATEWAY_TEST_EMPTY", "")
	for _, c := range []struct {
		text string
		want string // as a password
		err  error
	}{
		{"file:own", "geheim", nil},
		{"file:readonly", "geheim", nil},
		{"file:" + filepath.Join(dir, "own"), "geheim", nil},
		{"file:windows", "geheim", nil},
		{"file:bare", "geheim", nil},
		{"file:largest", strings.Repeat("x", maxSecret), nil},
		{"file:group", "", ErrOpenToOther},
		{"file:others", "", ErrOpenToOther},
		{"file:run", "", ErrOpenToOther},
		{"file:none", "", os.ErrNotExist},
		{"file:.", "", errNotFile},
		{"file:pipe", "", errNotFile},
		{"file:empty", "", ErrSecretSize},
		{"file:large", "", ErrSecretSize},
		{"env:GATEWAY_TEST_SECRET", "aus der Umgebung", nil},
		{"env:GATEWAY_TEST_NOT_SET", "", ErrNotThere},
		{"env:GATEWAY_TEST_EMPTY", "", ErrSecretSize},
		{"credential:pw", "geliehen", nil},
		{"credential:none", "", os.ErrNotExist},
	} {
		s, err := ParseSecret(c.text, dir)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got, err := s.Password()
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %.20q, %v; want %.20q, %v", c.text, got, err, c.want, c.err)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: the error repeats the value: %v", c.text, err)
		}
		if s.IsZero() || fmt.Sprint(s) != c.text {
			t.Errorf("%s is shown as %v", c.text, s)
		}
	}
	for _, text := range []string{"", "geheim", "file:", "env:", "env:A=B", "credential:", "credential:a/b", "credential:..", "vault:x", "file", "file:a\nb"} {
		s, err := ParseSecret(text, dir)
		if !errors.Is(err, ErrReference) || !s.IsZero() {
			t.Errorf("%q: %v, %v", text, s, err)
		}
		if text != "" && text != "file" && strings.Contains(err.Error(), text) && !strings.HasSuffix(text, ":") {
			t.Errorf("%q is repeated by %v", text, err)
		}
	}
	if _, err := (Secret{}).Bytes(); !errors.Is(err, ErrNoSecret) {
		t.Errorf("no secret: %v", err)
	}
	group, err := ParseSecret("file:group", dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := group.Bytes(); !strings.Contains(err.Error(), "chmod 600 "+filepath.Join(dir, "group")) {
		t.Errorf("no chmod that mends it in %v", err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	pw, err := ParseSecret("credential:pw", dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pw.Bytes(); !errors.Is(err, ErrNotThere) {
		t.Errorf("no credentials: %v", err)
	}
}

// Whatever stands where a secret belongs, no problem repeats it.
func TestSecretsAreNotRepeated(t *testing.T) {
	dir := world(t)
	text, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{
		"geheim4711", `"geheim4711"`, "[geheim4711]", "{geheim4711: 1}", "vault:geheim4711", "|\n        geheim4711\n        zwei", "!!str geheim4711",
		"credential:../geheim4711", "env:geheim4711=1", `"file:geheim4711\n"`,
	} {
		for _, place := range []struct{ old, new string }{
			{"      put: in\n", "      put: in\n      password: " + value + "\n"},
			{"key: file:keys/ssh\n", "key: " + value + "\n"},
			{"key: file:keys/nord.key.pem\n", "key: " + value + "\n"},
			{"      host-keys: [", "      host-keys: " + value + "\n      user2: ["},
			{"trust:\n", "server:\n  host-keys: " + value + "\ntrust:\n"},
		} {
			f, ps := parse(t, filepath.Join(dir, "gateway.yaml"), strings.Replace(string(text), place.old, place.new, 1))
			if f != nil || ps.Err() == nil {
				t.Errorf("%q in %q is taken", value, place.new)
			}
			if strings.Contains(lines(ps), "geheim4711") {
				t.Errorf("%q is repeated:\n%s", value, lines(ps))
			}
		}
	}
}
