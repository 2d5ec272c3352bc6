package web

import (
	"os"
	"os/exec"
	"testing"
)

// lookPeer returns the path of a program, or skips the test; where
// GATEWAY_PEERS=required promises that it is there, its absence is a failure.
func lookPeer(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("GATEWAY_PEERS") == "required" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}
