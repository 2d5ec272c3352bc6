package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const limit = 1.5 // exposure, from 0 to 10

func units() []string { return []string{"gateway.service", "gateway-alert@.service"} }

// analyze looks up systemd-analyze, one of the peers of the tests.
func analyze(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	switch {
	case err == nil:
		return path
	case os.Getenv("GATEWAY_PEERS") == "required":
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// install copies the units, with programs that this machine has in place of the
// ones that the units name.
func install(t *testing.T, replace ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range units() {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		here := strings.NewReplacer(replace...).Replace(string(text))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(here), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func exposure(t *testing.T, dir, name string) float64 {
	t.Helper()
	out, err := exec.Command(analyze(t), "security", "--offline=true", "--no-pager", filepath.Join(dir, name)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("no figure:\n%s", out)
	}
	figure, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return figure
}

func TestExposure(t *testing.T) {
	dir := install(t)
	for _, name := range units() {
		figure := exposure(t, dir, name)
		t.Logf("%s: %.1f", name, figure)
		if figure > limit {
			t.Errorf("%s: exposure %.1f, at most %.1f", name, figure, limit)
		}
	}
}

// The figure is not one that systemd gives to anything.
func TestExposureNoticesAnOpenDoor(t *testing.T) {
	dir := install(t, "ProtectSystem=strict\n", "", "SystemCallFilter=@system-service\n", "", "SystemCallFilter=~@privileged @resources\n", "",
		"CapabilityBoundingSet=\n", "", "PrivateUsers=true\n", "")
	if figure := exposure(t, dir, "gateway.service"); figure <= limit {
		t.Errorf("exposure %.1f without half of the protection", figure)
	}
}

func TestVerify(t *testing.T) {
	verify := func(dir string) (string, error) {
		cmd := exec.Command(analyze(t), "verify", "--man=no", "--recursive-errors=no",
			filepath.Join(dir, "gateway.service"), filepath.Join(dir, "gateway-alert@.service"))
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":", "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	program, err := os.Executable() // verify asks only that it can be executed
	if err != nil {
		t.Fatal(err)
	}
	there := []string{"/usr/local/bin/gateway", program, "/usr/bin/logger", program}
	if out, err := verify(install(t, there...)); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := verify(install(t, append(there, "WatchdogSec=", "WatchDogSec=")...)); err == nil && out == "" {
		t.Error("a misspelt setting went unnoticed")
	}
}

// What the rest of the product relies on.
func TestUnitKeepsItsPromises(t *testing.T) {
	text, err := os.ReadFile("gateway.service")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		lines[strings.TrimSpace(line)] = true
	}
	for _, want := range []string{
		"Type=notify",
		"ExecStart=/usr/local/bin/gateway run -c /etc/gateway301/gateway.yaml",
		"User=gateway301",
		"StateDirectory=gateway301",
		"UMask=0077",
		"OnFailure=gateway-alert@%n.service",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
		"RestartPreventExitStatus=3",
	} {
		if !lines[want] {
			t.Errorf("lacks %s", want)
		}
	}
}
