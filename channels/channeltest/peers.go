package channeltest

import (
	"os"
	"os/exec"
	"testing"
)

// LookPeer returns the path of a program that a test needs. Where it is missing
// the test is skipped, or fails if GATEWAY_PEERS=required is set.
func LookPeer(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && program == "sshd" {
		// Debian keeps it out of a plain user's PATH.
		path, err = exec.LookPath("/usr/sbin/sshd")
	}
	if err != nil {
		Missing(t, program+" is not installed")
	}
	return path
}

// Missing ends a test for what it lacks here: a skip, with the reason, or a
// failure where GATEWAY_PEERS=required promises that everything is there.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("GATEWAY_PEERS") == "required" {
		t.Fatal(why)
	}
	t.Skip(why)
}
